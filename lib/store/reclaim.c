// SPDX-License-Identifier: BSD-3-Clause
// Reclaim jobs: which segment next, a quantum of work, limbo

#include "store/reclaim.h"

#include <sched.h>

#include "store/drain.h"

#include "base/hotpath.h"

#define QUANTUM_RECORDS 32
#define QUANTUM_LOOKS 64 // records passed in a quantum, dead ones included
#define QUANTUM_COPY_BYTES 65536
#define BATCH 16 // records whose buckets are prefetched together
#define SEARCH_SEGMENTS 512 // looked at for garbage per search
#define RETIRE_MAX 8 // dead segments given back per search
#define SWEEP_LOOKS 32 // segments looked at for expiry per turn
#define PAY_QUANTA_MIN 4 // most quanta per allocation, and
#define PAY_BYTES_PER_QUANTUM 1024 // one more for so many bytes
#define KEEP_CREDIT_SEGMENTS 4
#define TARGET_SLACK 4
#define SEARCH_WAIT_TURNS 64 // after a search without result
#define URGENT_QUANTA 16
#define URGENT_YIELDS 8

void reclaim_init(struct store *s)
{
	uint32_t per_segment = s->segment_size / (STORE_FRAGMENT_LEN + 512);
	// 64 of the largest whole values between two turns, and one largest item. Slack: what
	// is open, and what jobs have begun.
	uint32_t target = RESERVED_SEGMENTS + TARGET_SLACK + (64 + per_segment - 1) / per_segment;
	uint32_t item =
		RESERVED_SEGMENTS + TARGET_SLACK + s->item_size_max / s->segment_size * 5 / 4;

	if (target < item)
		target = item;
	if (target < s->segment_count / 50)
		target = s->segment_count / 50;
	if (target > s->segment_count / 2)
		target = s->segment_count / 2;
	s->target_base = target;
	atomic_init(&s->target, target);
	s->job_count = s->segment_count / 32;
	if (s->job_count < 1)
		s->job_count = 1;
	if (s->job_count > JOBS_MAX)
		s->job_count = JOBS_MAX;
	for (unsigned i = 0; i < JOBS_MAX; i++)
		s->job[i].segment = NO_SEGMENT;
	atomic_init(&s->sweep_next, s->segment_count);
	atomic_init(&s->keep_credit, s->segment_size * KEEP_CREDIT_SEGMENTS);
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

// ---- which segment

static uint32_t segment_live(const struct segment *g)
{
	return atomic_load_explicit(&((struct segment *)g)->live, memory_order_acquire);
}

static bool is_claimable(const struct segment *g)
{
	struct segment *w = (struct segment *)g;

	return atomic_load_explicit(&w->state, memory_order_acquire) == SEGMENT_SEALED &&
	       atomic_load_explicit(&w->holds, memory_order_acquire) == 0;
}

// Half of the time between the first and the last expiry is over: then a sweep
// finds something, and there are few sweeps in the life of a segment.
static bool is_sweep_due(const struct store *s, const struct segment *g, uint32_t now_s)
{
	struct segment *w = (struct segment *)g;
	uint32_t min = atomic_load_explicit(&w->exp_min, memory_order_relaxed);
	uint32_t last = atomic_load_explicit(&w->exp_last, memory_order_relaxed);
	uint64_t stamp = atomic_load_explicit(&w->stamp_max, memory_order_relaxed);

	if (segment_live(g) && stamp < flush_stamp_now(s))
		return true;
	if (min > now_s)
		return false;
	return last <= min || now_s >= min + (last - min) / 2;
}

static bool has_expired(const struct segment *g, uint32_t now_s)
{
	return atomic_load_explicit(&((struct segment *)g)->exp_min, memory_order_relaxed) <= now_s;
}

// Take the segment for this job, if it still is to be had.
static bool job_claim(struct store *s, struct job *j, struct segment *g, enum job_mode mode)
{
	bool ok;

	spin_lock(&s->pool_lock);
	ok = is_claimable(g);
	if (ok)
		atomic_store_explicit(&g->state, SEGMENT_DRAINING, memory_order_release);
	spin_unlock(&s->pool_lock);
	if (!ok)
		return false;
	j->segment = (uint32_t)(g - s->segment);
	j->off = 0;
	j->keep_bytes = 0;
	j->exp_min = UINT32_MAX;
	j->mode = mode;

	// From here on a touch lowers it again by itself.
	if (mode == JOB_SWEEP)
		atomic_store_explicit(&g->exp_min, UINT32_MAX, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->jobs_active, 1, memory_order_relaxed);
	return true;
}

// Segments in which all records died need no walk.
static unsigned retire_dead(struct store_ctx *ctx, struct segment *const *dead, unsigned n)
{
	struct store *s = ctx->s;
	unsigned retired = 0;

	spin_lock(&s->pool_lock);
	for (unsigned i = 0; i < n; i++) {
		if (!is_claimable(dead[i]) || segment_live(dead[i]) != 0)
			continue;
		segment_to_limbo(s, dead[i]);
		stat_inc(CTX_STAT(ctx, segments_reclaimed));
		retired++;
	}
	spin_unlock(&s->pool_lock);
	return retired;
}

struct search {
	struct segment *dead[RETIRE_MAX];
	unsigned dead_count;
	struct segment *expired; // something in it has expired
	struct segment *sparse; // highest share of garbage
	uint32_t garbage, used; // its
};

static void search_look(const struct store *s, struct search *r, struct segment *g, uint32_t now_s)
{
	uint32_t live = segment_live(g), garbage;

	if (live == 0) {
		if (r->dead_count < RETIRE_MAX)
			r->dead[r->dead_count++] = g;
		return;
	}
	if (!r->expired &&
		(is_sweep_due(s, g, now_s) || (s->no_evictions && has_expired(g, now_s))))
		r->expired = g;
	garbage = g->used - live;
	if ((uint64_t)garbage * r->used > (uint64_t)r->garbage * g->used) {
		r->sparse = g;
		r->garbage = garbage;
		r->used = g->used;
	}
}

static void search_run(struct store *s, struct search *r)
{
	uint32_t n = s->segment_count < SEARCH_SEGMENTS ? s->segment_count : SEARCH_SEGMENTS;
	uint32_t i = atomic_fetch_add_explicit(&s->scan_next, n, memory_order_relaxed) %
		     s->segment_count;
	uint32_t now_s = clock_now(s);

	*r = (struct search){.used = 1};
	for (; n; n--, i = i + 1 < s->segment_count ? i + 1 : 0)
		if (is_claimable(&s->segment[i]))
			search_look(s, r, &s->segment[i], now_s);
}

// Is the share of garbage worth copying the rest? Without eviction all of it is,
// once memory is nearly gone.
static bool is_sparse_enough(const struct store *s, const struct search *r)
{
	uint32_t left =
		atomic_load_explicit(&((struct store *)s)->free_count, memory_order_relaxed);
	uint32_t jobs =
		atomic_load_explicit(&((struct store *)s)->jobs_active, memory_order_relaxed);
	uint32_t share = s->no_evictions && left <= RESERVED_SEGMENTS + 2 ? 32 : 5;

	// The copies need room before the segment comes back.
	return r->sparse && (uint64_t)r->garbage * share >= r->used && left >= 2 * (jobs + 1);
}

// The oldest segment that can be claimed. Held ones go to the end of the line.
static struct segment *oldest(struct store *s)
{
	struct segment *found = NULL;
	unsigned looks = 0;
	uint32_t idx;

	spin_lock(&s->pool_lock);
	for (idx = s->fifo_head; looks < SEARCH_SEGMENTS && idx != NO_SEGMENT; looks++) {
		struct segment *g = &s->segment[idx];

		if (is_claimable(g)) {
			found = g;
			break;
		}
		idx = g->next;
		if (atomic_load_explicit(&g->holds, memory_order_relaxed))
			segment_to_tail(s, g);
	}
	spin_unlock(&s->pool_lock);
	return found;
}

static bool is_critical(const struct store *s)
{
	struct store *w = (struct store *)s;

	return atomic_load_explicit(&w->free_count, memory_order_relaxed) +
		       atomic_load_explicit(&w->limbo_count, memory_order_relaxed) <
	       s->target_base / 2;
}

// Eviction may move half of what it walks, so that it always brings something. What
// one segment leaves of that another may use: hot items stand together.
static uint32_t keep_budget_take(struct store *s)
{
	uint32_t credit = atomic_load_explicit(&s->keep_credit, memory_order_relaxed), take;

	do {
		take = credit < s->segment_size / 2 ? credit : s->segment_size / 2;
	} while (!atomic_compare_exchange_weak_explicit(&s->keep_credit, &credit, credit - take,
		memory_order_relaxed, memory_order_relaxed));
	return s->segment_size / 2 + take;
}

static void keep_budget_give(struct store *s, uint32_t bytes)
{
	uint32_t most = s->segment_size * KEEP_CREDIT_SEGMENTS;
	uint32_t credit = atomic_load_explicit(&s->keep_credit, memory_order_relaxed), sum;

	do {
		sum = credit + bytes < most ? credit + bytes : most;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->keep_credit, &credit, sum, memory_order_relaxed, memory_order_relaxed));
}

// Find something to reclaim: dead segments first, then expired items, garbage,
// and last the oldest items.
static bool job_start(struct store_ctx *ctx, struct job *j, int64_t *gained)
{
	struct store *s = ctx->s;
	struct search r;
	struct segment *g;
	unsigned retired;

	search_run(s, &r);
	retired = r.dead_count ? retire_dead(ctx, r.dead, r.dead_count) : 0;
	if (retired) {
		*gained += (int64_t)retired * s->segment_size;
		return true;
	}
	if (r.expired && job_claim(s, j, r.expired, JOB_SWEEP))
		return true;
	if (is_sparse_enough(s, &r) && (s->no_evictions || !is_critical(s)) &&
		job_claim(s, j, r.sparse, JOB_COMPACT))
		return true;
	if (s->no_evictions)
		return false;
	g = oldest(s);
	if (!g || !job_claim(s, j, g, JOB_EVICT))
		return false;
	j->keep_bytes = is_critical(s) ? 0 : keep_budget_take(s);
	return true;
}

// ---- a quantum

static void job_end(struct store_ctx *ctx, struct job *j, bool complete)
{
	struct store *s = ctx->s;
	struct segment *g = &s->segment[j->segment];
	bool empty = complete && (j->mode != JOB_SWEEP || segment_live(g) == 0);

	if (j->mode == JOB_SWEEP)
		atomic_lower(&g->exp_min, j->exp_min);
	else if (j->mode == JOB_EVICT)
		keep_budget_give(s, j->keep_bytes);
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
		ctx->sweep_pos = pos;
		ctx->sweep_end = pos + SWEEP_LOOKS;
	}
	if (ctx->sweep_end > s->segment_count)
		ctx->sweep_end = s->segment_count;
	for (; ctx->sweep_pos < ctx->sweep_end; ctx->sweep_pos++) {
		struct segment *g = &s->segment[ctx->sweep_pos];

		if (!is_claimable(g) || !is_sweep_due(s, g, now_s))
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

	if (atomic_load_explicit(&s->limbo_count, memory_order_relaxed))
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
