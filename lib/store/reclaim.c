// SPDX-License-Identifier: BSD-3-Clause
// Reclaim jobs: a quantum of work, who does it and when

#include "store/reclaim.h"

#include <sched.h>

#include "store/choose.h"
#include "store/drain.h"

#include "base/hotpath.h"

#define QUANTUM_RECORDS 32
#define QUANTUM_LOOKS 64 // records passed in a quantum, dead ones included
#define QUANTUM_COPY_BYTES 65536
#define BATCH 16 // records whose buckets are prefetched together
#define SWEEP_LOOKS 32 // segments looked at for expiry per turn
#define PAY_QUANTA_MIN 4 // most quanta per allocation, and
#define PAY_BYTES_PER_QUANTUM 1024 // one more for so many bytes
#define TARGET_SLACK 4
#define SEARCH_WAIT_TURNS 64 // after a search without result
#define URGENT_QUANTA 16
#define URGENT_YIELDS 8

void reclaim_init(struct store *s)
{
	uint32_t per_segment = s->segment_size / (STORE_FRAGMENT_LEN + 512);
	// 64 of the largest whole values between two turns, or one largest item and what
	// eviction copies meanwhile. Slack: what is open, and what jobs have begun.
	uint32_t target = RESERVED_SEGMENTS + TARGET_SLACK + (64 + per_segment - 1) / per_segment;
	uint32_t item = s->item_size_max / s->segment_size * 5 / 4;

	// The largest item does not leave the small queue as soon as it has come.
	s->small_min = item + 1;
	s->copy_floor = RESERVED_SEGMENTS + TARGET_SLACK / 2 + item;
	if (target < s->copy_floor + item)
		target = s->copy_floor + item;
	if (target < s->segment_count / 50)
		target = s->segment_count / 50;
	if (target > s->segment_count / 2)
		target = s->segment_count / 2;
	s->target_base = target;
	if (s->copy_floor < target / 2)
		s->copy_floor = target / 2;
	atomic_init(&s->target, target);
	s->job_count = s->segment_count / 32;
	if (s->job_count < 1)
		s->job_count = 1;
	if (s->job_count > JOBS_MAX)
		s->job_count = JOBS_MAX;
	for (unsigned i = 0; i < JOBS_MAX; i++)
		s->job[i].segment = NO_SEGMENT;
	atomic_init(&s->sweep_next, s->segment_count);
	keep_budget_init(s);
}

void reclaim_new_second(struct store *s)
{
	uint32_t target = atomic_load_explicit(&s->target, memory_order_relaxed);

	// What need had raised comes down again.
	if (target > s->target_base)
		atomic_store_explicit(&s->target, target - (target - s->target_base + 15) / 16,
			memory_order_relaxed);
	atomic_store_explicit(&s->sweep_next, 0, memory_order_relaxed);
}

// ---- a quantum

static void eviction_note(struct store *s, const struct job *j, const struct segment *g)
{
	keep_budget_give(s, j->keep_bytes);
	if (lane_queue(g->lane) == QUEUE_SMALL)
		atomic_fetch_add_explicit(&s->ghost_clock, 1, memory_order_relaxed);
}

static void job_end(struct store_ctx *ctx, struct job *j, bool complete)
{
	struct store *s = ctx->s;
	struct segment *g = &s->segment[j->segment];
	bool empty = complete && (j->mode != JOB_SWEEP || segment_live(g) == 0);

	if (j->mode == JOB_SWEEP)
		atomic_lower(&g->exp_min, j->exp_min);
	else if (j->mode == JOB_EVICT)
		eviction_note(s, j, g);
	spin_lock(&s->pool_lock);
	if (empty)
		segment_to_limbo(s, g);
	else
		atomic_store_explicit(&g->state, SEGMENT_SEALED, memory_order_release);
	spin_unlock(&s->pool_lock);
	if (empty)
		stat_inc(CTX_STAT(ctx, segments_reclaimed));
	j->segment = NO_SEGMENT;
	atomic_fetch_sub_explicit(&s->jobs_active, 1, memory_order_relaxed);
}

struct batch {
	struct item *it[BATCH];
	uint64_t hash[BATCH];
	unsigned count;
	unsigned looks;
};

// The next records that are not dead, their buckets on the way into the cache.
static uint32_t batch_fill(const struct store *s, const struct job *j, struct batch *b)
{
	const struct segment *g = &s->segment[j->segment];
	uint64_t base = segment_off(s, j->segment);
	uint32_t off = j->off;

	b->count = 0;
	for (; off < g->used && b->count < BATCH && b->looks < QUANTUM_LOOKS; b->looks++) {
		struct item *it = item_at(s, base + off);

		if (!(item_bits(it) & ITEM_DEAD)) {
			b->it[b->count] = it;
			b->hash[b->count] = drain_hash(s, it);
			store_prefetch_bucket(s, b->hash[b->count++]);
		}
		off += item_record_size(it);
	}
	return off;
}

// Returns the bytes that came back: passed minus copied.
static int64_t job_quantum(struct store_ctx *ctx, struct job *j)
{
	struct store *s = ctx->s;
	uint32_t start = j->off, used = s->segment[j->segment].used, copied = 0;
	struct batch b = {0};
	bool blocked = false, no_room = false;

	for (unsigned n = 0; n < QUANTUM_RECORDS && copied < QUANTUM_COPY_BYTES && !blocked;
		n += BATCH) {
		uint32_t end = batch_fill(s, j, &b);

		for (unsigned i = 0; i < b.count && !blocked; i++) {
			enum drain_result r = drain_record(ctx, j, b.it[i], b.hash[i], &copied);

			if (r == DRAIN_DONE)
				continue;
			blocked = true;
			no_room = r == DRAIN_NO_ROOM;
			end = (uint32_t)(offset_of(s, b.it[i]) - segment_off(s, j->segment));
		}
		j->off = end;
		if (end >= used)
			break;
	}
	start = j->off - start;
	if (j->off >= used || no_room)
		job_end(ctx, j, !no_room);
	return (int64_t)start - copied;
}

// One quantum of some job that nobody else works on. False: there was none.
static bool job_turn(struct store_ctx *ctx, bool may_start, int64_t *gained)
{
	struct store *s = ctx->s;
	unsigned n = s->job_count, i = ctx->idx % n;

	for (unsigned looks = 0; looks < n; looks++, i = i + 1 < n ? i + 1 : 0) {
		struct job *j = &s->job[i];
		bool worked = false;

		if (!spin_trylock(&j->lock))
			continue;
		if (j->segment == NO_SEGMENT && may_start) {
			worked = job_start(ctx, j, gained);
			may_start = false;
		}
		if (j->segment != NO_SEGMENT) {
			*gained += job_quantum(ctx, j);
			worked = true;
		}
		spin_unlock(&j->lock);
		if (worked)
			return true;
	}
	return false;
}

// Go on looking through our share of the segments for expired items.
static void sweep_turn(struct store_ctx *ctx)
{
	struct store *s = ctx->s;
	uint32_t now_s = clock_now(s);
	struct job *j = &s->job[ctx->idx % s->job_count];

	if (ctx->sweep_pos >= ctx->sweep_end) {
		uint32_t pos;

		if (atomic_load_explicit(&s->sweep_next, memory_order_relaxed) >= s->segment_count)
			return;
		pos = atomic_fetch_add_explicit(&s->sweep_next, SWEEP_LOOKS, memory_order_relaxed);
		if (pos == 0)
			lanes_second(s);
		ctx->sweep_pos = pos;
		ctx->sweep_end = pos + SWEEP_LOOKS;
	}
	if (ctx->sweep_end > s->segment_count)
		ctx->sweep_end = s->segment_count;
	for (; ctx->sweep_pos < ctx->sweep_end; ctx->sweep_pos++) {
		struct segment *g = &s->segment[ctx->sweep_pos];

		if (!segment_is_claimable(g) || !segment_is_over(s, g, now_s))
			continue;
		if (!spin_trylock(&j->lock))
			return;
		if (j->segment == NO_SEGMENT)
			job_claim(s, j, g, JOB_SWEEP);
		spin_unlock(&j->lock);
		return;
	}
}

static bool may_search(struct store_ctx *ctx)
{
	if (!reclaim_is_due(ctx->s))
		return false;
	if (ctx->search_wait == 0)
		return true;
	ctx->search_wait--;
	return false;
}

void reclaim_turn(struct store_ctx *ctx)
{
	struct store *s = ctx->s;
	bool search;
	int64_t gained = 0;

	if (atomic_load_explicit(&s->limbo_count, memory_order_relaxed) ||
		atomic_load_explicit(&s->parked_due, memory_order_relaxed))
		limbo_poll(s);
	search = may_search(ctx);
	if (search || atomic_load_explicit(&s->jobs_active, memory_order_relaxed)) {
		if (!job_turn(ctx, search, &gained) && search)
			ctx->search_wait = SEARCH_WAIT_TURNS;
	}
	if (!reclaim_is_due(s))
		ctx->debt_bytes = 0;
	sweep_turn(ctx);
}

void reclaim_pay(struct store_ctx *ctx, uint32_t size)
{
	unsigned most = PAY_QUANTA_MIN + size / PAY_BYTES_PER_QUANTUM;

	// Half more than is taken, for what the ends of segments and buffers waste.
	ctx->debt_bytes += size + size / 2 + ITEM_HEADER_LEN;
	if (ctx->debt_bytes > ctx->s->segment_size)
		ctx->debt_bytes = ctx->s->segment_size;
	for (unsigned n = 0; n < most && ctx->debt_bytes > 0; n++) {
		int64_t gained = 0;
		bool search = may_search(ctx);

		if (!job_turn(ctx, search, &gained)) {
			if (search)
				ctx->search_wait = SEARCH_WAIT_TURNS;
			break;
		}
		ctx->debt_bytes -= gained;
	}
}

static bool is_waiting_for_grace(struct store *s)
{
	return atomic_load_explicit(&s->free_count, memory_order_relaxed) <= RESERVED_SEGMENTS &&
	       atomic_load_explicit(&s->limbo_count, memory_order_relaxed) > 0;
}

void reclaim_urgent(struct store_ctx *ctx)
{
	struct store *s = ctx->s;
	uint32_t target = atomic_load_explicit(&s->target, memory_order_relaxed);
	int64_t gained = 0;

	limbo_poll(s);
	for (unsigned n = 0; n < URGENT_QUANTA && reclaim_is_due(s); n++)
		if (!job_turn(ctx, true, &gained))
			break;
	// With more workers than cores, the one that has not reported may be waiting for
	// our core.
	for (unsigned n = 0; n < URGENT_YIELDS && is_waiting_for_grace(s); n++) {
		sched_yield();
		limbo_poll(s);
	}
	if (!s->no_evictions && target < s->segment_count / 3)
		atomic_store_explicit(&s->target, target + target / 4 + 1, memory_order_relaxed);
}
