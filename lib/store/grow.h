// SPDX-License-Identifier: BSD-3-Clause
// The index grows: linear hashing, buckets split in two one by one
//
// With count buckets, M the largest power of two <= count, the next split is that of bucket
// count - M: its keys whose next hash bit is set move to bucket count. That bit is one of the
// tag in each slot word, so no record is read. The moved keys are packed anew; those that
// stay keep their slots. Overflow buckets left without items at the end of the old chain come
// back. Ghosts move as far as the items leave them slots.
//
//   lock the old bucket; fill the new one, locked too, with the moving words
//   publish the new count         from here on the keys are looked for there
//   clear the moved slots         who meets a cleared slot sees the new count
//   unlock both
//
// When a doubling begins it is gone through quickly, with a split per new item, so that it is
// over before there are a quarter more items: a bucket that waits for its split is fuller
// than those that had theirs, and who is in an overflow bucket then stays there.
//
// Buckets beyond the first come from segments, in order, and stay. The index never shrinks.
// The number has MAX_DOUBLINGS bits of the tag at most, then growth ends: chains get longer.
//
// Threads: one at a time splits, under grow_lock; no other waits for it. A split waits for no
// lock of a bucket.
#pragma once

#include "store/store_priv.h"

#define MAX_DOUBLINGS 16
#define GROW_ITEMS 21 / 4 // per bucket, of seven slots, above which a doubling begins
#define GROW_TELL 32 // new items of one ctx until it looks whether to split

// How buckets are numbered, when it is known where the first ones and the segments are.
// Returns how many pages there will be at most: s->page has room for so many.
uint64_t grow_place(struct store *s);

// The first buckets are there, and no more.
void grow_init(struct store *s);

// A sealed store had count buckets: find their pages. False: some are missing.
bool grow_attach(struct store *s, uint64_t count, uint64_t items);

// An item took a free slot, while nobody else uses the store.
void grow_alone(struct store *s);

// Tell what we have added since the last time, and split for it.
void grow_work(struct store_ctx *ctx);

// log2 of how many parts the hash space has of which bucket n is one.
static inline unsigned bucket_level(uint64_t count, uint64_t n)
{
	unsigned level = 63U - (unsigned)__builtin_clzll(count);

	return level + (n >> level || n < count - (1ULL << level));
}

static inline uint64_t grow_own_items(const struct store_ctx *ctx)
{
	return stat_read(CTX_STAT(ctx, items_added)) - stat_read(CTX_STAT(ctx, items_removed));
}

// Part of store_tick.
static inline void grow_turn(struct store_ctx *ctx)
{
	if (unlikely_(grow_own_items(ctx) - ctx->items_told + GROW_TELL > 2 * GROW_TELL))
		grow_work(ctx);
}
