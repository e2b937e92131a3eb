// SPDX-License-Identifier: BSD-3-Clause
// Segments: the pool, allocation buffers (TLABs), and who holds a segment
//
// A record is begun with segment_alloc or segment_alloc_held and ended with
// segment_settle, once it is published or given up. Until then its segment is held
// and is not walked. Records made by segment_alloc are private to their ctx.
#pragma once

#include "store/store_priv.h"

// Segments that only KIND_MOVED may take, so that compaction can always begin. What it has
// taken of them is a loan, paid back with the next segments that come free: free ones and
// loan together are never fewer than this.
#define RESERVED_SEGMENTS 2
// Segments that the index may have: a quarter, which is what the smallest items need. Growth
// leaves a quarter of that to overflow buckets.
#define INDEX_SEGMENTS_MAX(s) ((s)->segment_count / 4)
#define INDEX_PAGES_MAX(s) ((s)->segment_count / 4 * 3 / 4)
#define OPEN_MIN (QUEUE_COUNT * KIND_COUNT) // lanes without lifetimes, always allowed

void segments_init(struct store *s);
// size bytes that are no record.
void pad_make(const struct store *s, struct item *pad, uint32_t size);
// The pool from the states found in the headers: what is not sealed and not of the index is
// free. The queues stay empty.
void segments_restore(struct store *s);
// Every segment that holds records is sealed, none is held. Only when all ctxs are gone.
void segments_seal(struct store *s);
// Under the pool lock, or alone: a sealed segment becomes the newest of its queue.
void fifo_append(struct store *s, uint32_t idx);
void segments_fini(struct store *s);

// Offset of a new record of size bytes (a multiple of 8, at most a segment), or 0.
uint64_t segment_alloc_slow(struct store_ctx *ctx, unsigned lane, uint32_t size);

// The same, never in a buffer. pending: it belongs to an unfinished large value.
uint64_t segment_alloc_held(struct store_ctx *ctx, unsigned lane, uint32_t size, bool pending);

// The rest of a buffer is a pad record or nothing: it must be 0 or hold a header.
static inline bool tlab_fits(const struct tlab *t, uint32_t size)
{
	return t->pos + size == t->end || t->pos + size + ITEM_HEADER_LEN <= t->end;
}

// The buffer of the lane, or NULL.
static inline struct tlab *tlab_of_lane(struct store_ctx *ctx, unsigned lane)
{
	for (unsigned i = 0; i < TLAB_COUNT; i++)
		if (ctx->tlab_lane[i] == lane)
			return &ctx->tlab[i];
	return NULL;
}

static inline uint64_t segment_alloc(struct store_ctx *ctx, unsigned lane, uint32_t size)
{
	struct tlab *t = tlab_of_lane(ctx, lane);
	uint64_t off;

	if (unlikely_(!t || !tlab_fits(t, size)))
		return segment_alloc_slow(ctx, lane, size);
	off = t->pos;
	t->pos += size;
	t->in_flight++;
	return off;
}

// The record is complete: published, with the stamp of its item, or never will be
// (stamp 0). Call it after the slot store. pending as given with segment_alloc_held.
void segment_settle(struct store_ctx *ctx, struct item *it, uint64_t stamp, bool pending);

// size bytes of a published record died. Call it after the slot store.
static inline void segment_live_sub(struct store *s, const struct item *it, uint32_t size)
{
	atomic_fetch_sub_explicit(
		&segment_of(s, offset_of(s, it))->live, size, memory_order_release);
}

static inline void atomic_lower(_Atomic uint32_t *p, uint32_t v)
{
	uint32_t old = atomic_load_explicit(p, memory_order_relaxed);

	while (v < old && !atomic_compare_exchange_weak_explicit(
				  p, &old, v, memory_order_relaxed, memory_order_relaxed))
		;
}

// Once a second: close the lanes whose items begin to expire, part lifetimes that had been joined.
void lanes_second(struct store *s);

// Close this ctx's buffers: all, or those whose segment is sealed.
void tlabs_close(struct store_ctx *ctx, bool all);

// An empty overflow bucket; NULL when there is none. May be called with a bucket lock held.
struct bucket *segment_bucket(struct store *s);

// It is empty, links nowhere, and is in no chain. Who still scans it meets items of another
// chain, which are not what it looks for.
void segment_bucket_free(struct store *s, struct bucket *b);

// A segment for page number n of the index, contents undefined; NO_SEGMENT when none can be
// spared: neither the reserve nor what lets eviction keep items that are read.
uint32_t segment_for_index(struct store *s, uint32_t n);

// Under the pool lock: a sealed or draining segment into which nothing points.
void segment_to_limbo(struct store *s, struct segment *g);

// Under the pool lock: move a segment of a queue to its end.
void segment_to_tail(struct store *s, struct segment *g);

// Free the segments whose grace period is over and that no reply reads. Does nothing if the
// pool is busy.
void limbo_poll(struct store *s);
