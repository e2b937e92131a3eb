// SPDX-License-Identifier: BSD-3-Clause
// What the files of lib/store share: the store, the part of a thread, spin locks
//
// Locks: one per chain of the index (in its first bucket), one for the segment pool, one
// for the growth of the index, one for the clock. In this order, never the other way round:
// growth, chain, pool. The clock lock is taken alone.
#pragma once

#include "base/check.h"
#include "store/epoch.h"
#include "store/item.h"
#include "store/lane.h"
#include "store/store.h"

#define CACHE_LINE 64
#define STORE_CTX_MAX 255 // the index is the low byte of a stamp
#define NO_SEGMENT UINT32_MAX
#define TLAB_COUNT 8 // allocation buffers of a ctx
#define NO_LANE UINT32_MAX
#define SEGMENT_SIZE_MIN (128U << 10)
#define SEGMENT_SIZE_MAX (2U << 20)

typedef _Atomic uint32_t spinlock_t;

void spin_wait(spinlock_t *lock);

static inline bool spin_trylock(spinlock_t *lock)
{
	return atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
	       atomic_exchange_explicit(lock, 1, memory_order_acquire) == 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	while (unlikely_(atomic_exchange_explicit(lock, 1, memory_order_acquire)))
		spin_wait(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	atomic_store_explicit(lock, 0, memory_order_release);
}

// ---- segments (segment.c)

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_OPEN, // records are being added
	SEGMENT_SEALED, // in its queue, complete
	SEGMENT_DRAINING, // the same, and a job walks it
	SEGMENT_INDEX, // buckets, for good
	SEGMENT_LIMBO, // nothing points into it; waits for its grace period
	SEGMENT_PARKED, // that is over, but a reply still reads it
};

struct segment {
	_Alignas(CACHE_LINE) _Atomic uint32_t state; // changes under the pool lock
	_Atomic uint32_t holds; // open buffers and unfinished records: must not be walked
	_Atomic uint32_t live; // bytes of published records; exact once holds is 0
	_Atomic uint32_t pending; // fragments and owners of unfinished large values
	_Atomic uint32_t exp_min; // no item expires earlier; UINT32_MAX: none expires
	_Atomic uint32_t exp_last; // latest expiry at the time of storing
	_Atomic uint64_t stamp_max;
	uint32_t used; // bytes given out; fixed once sealed and not held
	// Queue (both), free list, limbo and parked (next). Of the index: which of its pages
	// (next), or NO_SEGMENT: overflow buckets.
	uint32_t next, prev;
	uint32_t sum; // of its used part, while the store is sealed
	union {
		uint64_t token; // grace period, in limbo
		uint32_t opened_s; // while open
	};
	uint32_t taken; // how often it was free and got a use
	uint32_t lane; // of what it holds
};

// An allocation buffer: part of an open segment that one ctx fills alone. Offsets
// from the start of the store's memory; end 0: none.
struct tlab {
	uint64_t start, pos, end;
	uint32_t len; // of the next one
	uint32_t in_flight; // records begun and not settled
	uint32_t live; // not yet added to the segment's, as are the next three
	uint32_t exp_min, exp_last;
	uint64_t stamp_max;
};

// ---- reclamation (reclaim.c)

enum job_mode {
	JOB_SWEEP, // remove what is expired or flushed
	JOB_COMPACT, // and move the rest
	JOB_EVICT, // and remove the rest, but for what was hit lately: that moves to main
};

#define JOBS_MAX 16

struct job {
	_Alignas(CACHE_LINE) spinlock_t lock; // who works on it now
	uint32_t segment; // NO_SEGMENT: no job
	uint32_t off; // next record
	uint32_t keep_bytes; // that eviction may still move
	uint32_t exp_min; // over the items that a sweep left
	enum job_mode mode;
};

struct bucket;
struct superblock;

// Oldest first.
struct segment_fifo {
	uint32_t head, tail, count;
};

// Padded on purpose: what many threads write stands in lines of its own.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct store {
	// Fixed after store_create.
	uint8_t *base;
	struct bucket **page; // where each BUCKETS_PER_PAGE buckets are
	struct bucket *bucket; // those that are in no segment
	struct superblock *sb; // NULL: nothing is kept
	struct segment *segment;
	_Atomic uint32_t *pin; // replies that read a segment, one count each
	uint64_t bucket_first; // buckets at the start, a power of two
	uint64_t bucket_front; // in no segment: not all may be in use
	uint32_t bucket_shift; // hash bits from here up are the bucket's number
	uint64_t segments_off; // of segment 0
	uint32_t segment_shift;
	uint32_t segment_size;
	uint32_t segment_count;
	uint32_t tlab_len_max;
	uint32_t tlab_record_max;

	uint32_t item_size_max;
	uint32_t start_s;
	uint32_t job_count;
	uint32_t target_base;
	uint32_t open_max; // lanes, before classes of lifetimes are joined
	uint32_t small_min; // segments of the small queue that are not evicted while main has some
	uint32_t copy_floor; // free segments below which eviction copies nothing
	uint32_t sum_seed;
	uint8_t record_bits; // of all records but pads: ITEM_SUMMED or 0
	bool no_evictions;
	bool no_cas;
	bool own_mem;
	unsigned ctx_count;
	struct store_ctx *ctx;
	struct siphash_key hash_key;
	uint64_t mem_limit_bytes;

	// Read by all in every turn, written a few thousand times a second.
	_Alignas(CACHE_LINE) _Atomic uint32_t now_s;
	_Atomic uint32_t free_count;
	_Atomic uint32_t limbo_count;
	_Atomic uint32_t parked_count;
	_Atomic bool parked_due; // a parked segment may have lost its last pin
	_Atomic uint32_t target; // reclaim while free and limbo together are below it
	_Atomic uint32_t jobs_active;
	_Atomic uint32_t seal_count;
	_Atomic uint32_t ttl_shift; // classes of lifetimes are joined in groups of 2^this
	_Atomic uint32_t sweep_next; // segment to look at for expired items
	_Atomic uint64_t flush_stamp; // items with a smaller stamp are gone
	struct epoch epoch;

	// Read by all, written by splits of buckets (grow.h).
	_Alignas(CACHE_LINE) _Atomic uint64_t bucket_mask; // and MASK_PARTLY
	_Atomic uint64_t bucket_count;
	spinlock_t grow_lock; // for the next and to write these two
	uint64_t index_items; // slots in use, as the ctxs have told

	_Alignas(CACHE_LINE) spinlock_t pool_lock; // for all down to the gap
	uint32_t free_head;
	struct segment_fifo fifo[QUEUE_COUNT]; // sealed and draining
	uint32_t limbo_head, limbo_tail; // ascending tokens
	uint32_t parked_head;
	uint32_t open[LANE_COUNT];
	uint32_t open_count; // of these
	uint32_t joined_s; // when ttl_shift changed
	uint32_t loan; // segments that moves have taken from the reserve and not given back
	uint64_t bucket_pos, bucket_end; // room for overflow buckets, from the base
	uint32_t bucket_free; // overflow buckets that came back, linked by their lock words
	_Atomic uint32_t index_segments; // given to the index
	_Atomic uint32_t pinned_segments; // whose count is not 0

	_Alignas(CACHE_LINE) spinlock_t clock_lock;
	uint32_t flush_at_s; // delayed flush; 0: none. Under clock_lock
	_Atomic uint32_t scan_next; // where the search for garbage goes on

	_Atomic uint32_t pending_segments;
	_Atomic uint64_t pending_bytes;
	_Atomic uint64_t keep_credit; // bytes that eviction might have moved and did not
	_Atomic uint32_t ghost_clock; // segments that eviction has taken from the small queue
	struct job job[JOBS_MAX];
};

struct store_ctx {
	_Alignas(2 * CACHE_LINE) struct store *s;
	unsigned idx;
	uint32_t seals_seen;
	uint32_t sweep_pos, sweep_end; // our share of the segments to look at
	uint32_t search_wait; // turns until we look again for garbage
	int64_t debt_bytes; // reclamation that our stores still owe
	_Atomic uint64_t stamp_count; // newest stamp without the ctx byte
	uint64_t items_told; // of our items added less removed, what index_items has
	uint32_t tlab_turn; // whose buffer is given up next for one of another lane
	uint32_t tlab_lane[TLAB_COUNT]; // NO_LANE: never had one
	struct tlab tlab[TLAB_COUNT];
	stat_t stats[STORE_STAT_COUNT];
};

#define CTX_STAT(ctx, name) (&(ctx)->stats[STORE_STAT_##name])

// A store without its segments and jobs set up; *err as store_create.
struct store *store_make(const struct store_conf *conf, const char **err);
void store_free(struct store *s);

// The clock reads now_s, unless it does already.
void clock_advance(struct store *s, uint32_t now_s);

static inline unsigned lane_for(
	const struct store *s, enum lane_kind kind, enum segment_queue queue, uint32_t exptime)
{
	struct store *w = (struct store *)s;
	unsigned shift = atomic_load_explicit(&w->ttl_shift, memory_order_relaxed);
	uint32_t now_s = atomic_load_explicit(&w->now_s, memory_order_relaxed);

	return lane_make(ttl_group(ttl_class(exptime, now_s), shift), queue, kind);
}

static inline struct item *item_at(const struct store *s, uint64_t off)
{
	return (struct item *)(s->base + off);
}

static inline uint64_t offset_of(const struct store *s, const struct item *it)
{
	return (uint64_t)((const uint8_t *)it - s->base);
}

static inline struct segment *segment_of(const struct store *s, uint64_t off)
{
	return &s->segment[(off - s->segments_off) >> s->segment_shift];
}

static inline uint64_t segment_off(const struct store *s, uint32_t idx)
{
	return s->segments_off + ((uint64_t)idx << s->segment_shift);
}

static inline uint32_t clock_now(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)s)->now_s, memory_order_acquire);
}

static inline uint64_t flush_stamp_now(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)s)->flush_stamp, memory_order_acquire);
}
