// SPDX-License-Identifier: BSD-3-Clause
// The record of an item in a segment, and the slot word that points to it
//
// A record is 8-byte aligned and begins with struct item. Four kinds:
//   whole     key, value, "\r\n"
//   owner     key, then struct fragments: a value kept in fragments (ITEM_LARGE)
//   fragment  a part of a value; found only through its owner (ITEM_FRAGMENT)
//   pad       the unused end of an allocation buffer (klen 0, no ITEM_FRAGMENT)
// In a store that is kept in a file all but pads end in a sum of the record (sum.h).
//
// Once published nothing of it changes but exptime, atime and bits.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct item {
	uint64_t stamp; // cas id and order of creation; fragment: hash of the owner's key
	_Atomic uint32_t exptime; // absolute seconds, 0 = never
	_Atomic uint32_t atime; // second of the last hit
	uint32_t client_flags; // fragment: its number in the value; pad: size of the record
	uint16_t vlen; // value with its CRLF; owner: struct fragments; fragment: payload
	uint8_t klen; // 0: pad or fragment
	_Atomic uint8_t bits;
	uint8_t data[];
};

_Static_assert(sizeof(struct item) == 24, "the record header has no holes");

#define ITEM_DEAD 0x01 // not in the index: not published yet, or removed
#define ITEM_FETCHED 0x02 // was read at least once
#define ITEM_LARGE 0x04
#define ITEM_FRAGMENT 0x08
#define ITEM_SUMMED 0x10 // ends in a sum of the record: the store is kept in a file
#define ITEM_LEAVING 0x20 // about to leave the index: a crash from here on removes it too
#define ITEM_FREQ_ONE 0x40 // two bits: hits since the last look of eviction, stops at 3
#define ITEM_FREQ_MASK 0xc0
#define ITEM_HOT (ITEM_FREQ_MASK | ITEM_FETCHED) // a further hit changes nothing

#define ITEM_HEADER_LEN ((uint32_t)sizeof(struct item))
#define SUM_LEN 4 // bytes of a record's sum, behind all else
// Whole fragment records are 32 KiB at most, so that four fill the smallest segment.
#define FRAGMENT_PAYLOAD (32768 - ITEM_HEADER_LEN - 2 * SUM_LEN)

// What an owner keeps behind its key, unaligned: u32 bytes of the value, then per
// fragment the i64 distance from the owner's record (0: not allocated). Distances
// make a reference readable without the base address.
#define FRAGMENTS_LEN(n) (4 + 8 * (n))

static inline uint32_t record_round(uint32_t n)
{
	return (n + 7) & ~7U;
}

static inline uint8_t item_bits(const struct item *it)
{
	return atomic_load_explicit(&((struct item *)it)->bits, memory_order_relaxed);
}

static inline uint32_t item_exptime(const struct item *it)
{
	return atomic_load_explicit(&((struct item *)it)->exptime, memory_order_relaxed);
}

static inline uint32_t item_record_size(const struct item *it)
{
	uint8_t bits = item_bits(it);

	if (it->klen == 0 && !(bits & ITEM_FRAGMENT))
		return it->client_flags;
	return record_round(
		ITEM_HEADER_LEN + it->klen + it->vlen + (bits & ITEM_SUMMED ? SUM_LEN : 0));
}

static inline uint8_t *item_value(const struct item *it)
{
	return (uint8_t *)it->data + it->klen;
}

static inline uint32_t fragment_count(uint32_t vlen)
{
	return (vlen + FRAGMENT_PAYLOAD - 1) / FRAGMENT_PAYLOAD;
}

static inline uint32_t owner_value_len(const struct item *owner)
{
	uint32_t n;

	memcpy(&n, item_value(owner), sizeof(n));
	return n;
}

static inline int64_t owner_distance(const struct item *owner, uint32_t i)
{
	int64_t distance;

	memcpy(&distance, item_value(owner) + FRAGMENTS_LEN((size_t)i), sizeof(distance));
	return distance;
}

// A published owner has all its fragments, one that is being written the first few.
static inline bool owner_has_fragment(const struct item *owner, uint32_t i)
{
	return owner_distance(owner, i) != 0;
}

static inline struct item *owner_fragment(const struct item *owner, uint32_t i)
{
	return (struct item *)((uint8_t *)owner + owner_distance(owner, i));
}

static inline void owner_set_fragment(struct item *owner, uint32_t i, const struct item *frag)
{
	int64_t distance = (const uint8_t *)frag - (const uint8_t *)owner;

	memcpy(item_value(owner) + FRAGMENTS_LEN((size_t)i), &distance, sizeof(distance));
}

// Bytes of the value as the client counts them.
static inline uint32_t item_value_len(const struct item *it)
{
	return item_bits(it) & ITEM_LARGE ? owner_value_len(it) : it->vlen - 2U;
}

// What of an item is the client's: its key and its value.
static inline uint64_t item_payload(const struct item *it)
{
	return (uint64_t)it->klen + item_value_len(it);
}

// Expired at now_s, or stored before the last flush.
static inline bool item_is_gone(const struct item *it, uint32_t now_s, uint64_t flush_stamp)
{
	uint32_t exptime = item_exptime(it);

	// exptime - 1 makes "never" the largest value.
	return exptime - 1 < now_s || it->stamp < flush_stamp;
}

// memcmp for keys of 1 to 250 bytes without a call.
static inline bool key_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint32_t a32, b32, a32_end, b32_end;

	if (n >= 8) {
		for (size_t i = 0; i + 8 < n; i += 8)
			if (load_le64(a + i) != load_le64(b + i))
				return false;
		return load_le64(a + n - 8) == load_le64(b + n - 8);
	}
	if (n >= 4) {
		memcpy(&a32, a, 4);
		memcpy(&b32, b, 4);
		memcpy(&a32_end, a + n - 4, 4);
		memcpy(&b32_end, b + n - 4, 4);
		return a32 == b32 && a32_end == b32_end;
	}
	return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
}
