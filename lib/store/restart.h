// SPDX-License-Identifier: BSD-3-Clause
// What a kept store has in its file besides index and segments: the superblock
//
// The file is [superblock 4 KiB][first buckets][segment headers][overflow buckets][segments...],
// and no part of it has a pointer. Numbers are in the machine's order: another order
// is another layout, and refused.
#pragma once

#include "store/store_priv.h"

#define SUPERBLOCK_LEN 4096U
#define SUPERBLOCK_MAGIC "ringcached items"
#define SUPERBLOCK_VERSION 2U
// No single damaged bit makes one of the other.
#define STORE_SEALED 0x5ea1ed5ea1ed5ea1ULL
#define STORE_IN_USE 0xd1a7d1a7d1a7d1a7ULL
// Larger stamps are damage: at 16 M stores a second the first is 34 years away.
#define STAMP_LIMIT (1ULL << 62)

// Whose file it is and how it is laid out. Written when the file is taken into use.
struct sb_id {
	char magic[16];
	uint32_t version;
	uint32_t layout; // over the sizes and offsets of all that is in the file
	uint64_t mem_limit_bytes;
	uint64_t bucket_first;
	uint64_t segments_off;
	uint32_t segment_size;
	uint32_t segment_count;
	struct siphash_key hash_key;
	uint32_t start_s; // second 0 of stamps
	uint8_t boot_id[16];
	char build[32];
	uint32_t sum; // of all before
};

// Kept current while the store is in use, for the next start after a crash.
struct sb_live {
	_Atomic uint64_t flush_stamp;
	_Atomic uint32_t flush_at_s;
	_Atomic uint32_t now_s;
};

// Written by store_seal.
struct sb_seal {
	uint64_t stamp_last; // no item has a newer one
	uint64_t flush_stamp;
	uint64_t items, bytes, payload;
	uint64_t bucket_count;
	uint64_t bucket_pos, bucket_end;
	uint32_t bucket_free;
	uint32_t flush_at_s;
	uint32_t now_s;
	uint32_t fifo_head[QUEUE_COUNT], fifo_count[QUEUE_COUNT];
	uint32_t ghost_clock;
	uint32_t front_sum; // from the superblock's end to the first segment
	uint32_t sum; // of all before
};

struct superblock {
	struct sb_id id;
	_Alignas(CACHE_LINE) struct sb_live live;
	_Alignas(CACHE_LINE) struct sb_seal seal;
	_Alignas(CACHE_LINE) _Atomic uint64_t use; // STORE_SEALED, STORE_IN_USE; else damage
};

_Static_assert(sizeof(struct superblock) <= SUPERBLOCK_LEN, "the superblock fits");

// A new store: all is ready but this.
void superblock_create(struct store *s, const struct store_conf *conf);

// The clock or the delayed flush changed. Under the clock lock, or alone.
void superblock_clock(struct store *s);

// ---- rebuild.c

struct rebuilt {
	uint64_t items, bytes, payload, lost, read;
	uint64_t stamp_max;
};

// Find all items by their records, after a crash, and make index and pool anew. The clock,
// the flush and the hash key of s are set. False: memory ran out.
bool store_rebuild(struct store *s, struct rebuilt *r);
