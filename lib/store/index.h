// SPDX-License-Identifier: BSD-3-Clause
// The index: 64-byte buckets of seven one-word slots, chains of overflow buckets
//
// A slot word is the tag (hash bits 63..48) and the record's offset / 8; 0 is
// empty. While a key is present it stays in one slot, and every change of it is
// one store to that slot under the lock of the chain's first bucket. So a reader
// needs no lock: a scan that does not meet the key proves an instant without it.
#pragma once

#include "store/store_priv.h"

#define BUCKET_SLOTS 7
#define CHAIN_MAX 5 // buckets per chain

struct bucket {
	_Alignas(CACHE_LINE) spinlock_t lock;
	_Atomic uint32_t
		overflow; // where the next one is, in buckets from the base; 0 = none. Set once
	_Atomic uint64_t slot[BUCKET_SLOTS];
};

_Static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is one line");

struct index_pos {
	_Atomic uint64_t *slot;
	uint64_t word;
};

static inline struct bucket *bucket_of(const struct store *s, uint64_t hash)
{
	return &s->bucket[hash & s->bucket_mask];
}

static inline struct bucket *bucket_next(const struct store *s, const struct bucket *b)
{
	uint32_t n = atomic_load_explicit(&((struct bucket *)b)->overflow, memory_order_acquire);

	return n ? (struct bucket *)s->base + n : NULL;
}

static inline uint64_t index_word(const struct store *s, uint64_t hash, const struct item *it)
{
	return (hash & (0xffffULL << 48)) | offset_of(s, it) >> 3;
}

static inline struct item *word_item(const struct store *s, uint64_t word)
{
	return item_at(s, (word & ((1ULL << 48) - 1)) << 3);
}

static inline bool word_has_tag(uint64_t word, uint64_t hash)
{
	return (word ^ hash) >> 48 == 0;
}

// Bit i: slot i has the tag of hash (an empty slot has tag 0).
static inline unsigned bucket_match(const struct bucket *b, uint64_t hash)
{
	unsigned match = 0;

#pragma GCC unroll 7
	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		uint64_t word =
			atomic_load_explicit(&((struct bucket *)b)->slot[i], memory_order_relaxed);

		match |= (unsigned)word_has_tag(word, hash) << i;
	}
	return match;
}

// The record of a key, gone or not, and where its slot is; NULL if there is none.
static inline struct item *index_find(const struct store *s, const uint8_t *key, size_t nkey,
	uint64_t hash, struct index_pos *pos)
{
	struct bucket *b = bucket_of(s, hash);

	do {
		for (unsigned m = bucket_match(b, hash); m; m &= m - 1) {
			_Atomic uint64_t *slot = &b->slot[__builtin_ctz(m)];
			uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
			struct item *it;

			if (unlikely_(word == 0 || !word_has_tag(word, hash)))
				continue;
			it = word_item(s, word);
			if (likely_(it->klen == nkey && key_equal(it->data, key, nkey))) {
				pos->slot = slot;
				pos->word = word;
				return it;
			}
		}
	} while (unlikely_((b = bucket_next(s, b)) != NULL));
	return NULL;
}

// The rest is for the holder of the bucket lock.

// The slot that holds exactly word, or NULL.
_Atomic uint64_t *index_find_word(const struct store *s, uint64_t hash, uint64_t word);

// The owner whose fragment number i is frag, and its slot; NULL: it has none any
// more. Without the lock the answer is a hint.
struct item *index_find_owner(const struct store *s, uint64_t hash, const struct item *frag,
	uint32_t i, struct index_pos *pos);

// A free slot in the chain, lengthened if need be; NULL when it is full.
_Atomic uint64_t *index_free_slot(struct store *s, uint64_t hash);

// The slot of the item that a full chain can do without best: a gone one, else the
// oldest.
struct item *index_victim(struct store *s, uint64_t hash, struct index_pos *pos);
