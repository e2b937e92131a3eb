// SPDX-License-Identifier: BSD-3-Clause
// The search for garbage, and the choice between sweep, compaction and eviction

#include "store/choose.h"

#include "base/hotpath.h"

#define TTL_SHIFT_OCTAVE 2 // lifetimes of a group differ by no more than twice
#define SEARCH_SEGMENTS 512 // looked at for garbage per search
#define RETIRE_MAX 8 // dead segments given back per search
#define SMALL_SHARE 10 // the small queue has one in so many segments
// Copies that eviction has saved up: one in so many segments, and not fewer than 4.
#define KEEP_CREDIT_SHARE 8
#define KEEP_CREDIT_MIN 4

uint32_t segment_live(const struct segment *g)
{
	return atomic_load_explicit(&((struct segment *)g)->live, memory_order_acquire);
}

bool segment_is_claimable(const struct segment *g)
{
	struct segment *w = (struct segment *)g;

	return atomic_load_explicit(&w->state, memory_order_acquire) == SEGMENT_SEALED &&
	       atomic_load_explicit(&w->holds, memory_order_acquire) == 0;
}

bool segment_sweep_is_due(const struct store *s, const struct segment *g, uint32_t now_s)
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

bool segment_is_over(const struct store *s, const struct segment *g, uint32_t now_s)
{
	struct store *w = (struct store *)s;
	uint32_t last =
		atomic_load_explicit(&((struct segment *)g)->exp_last, memory_order_relaxed);

	if (!segment_sweep_is_due(s, g, now_s))
		return false;
	return lane_group(g->lane) == 0 || now_s >= last ||
	       atomic_load_explicit(&w->ttl_shift, memory_order_relaxed) > TTL_SHIFT_OCTAVE ||
	       atomic_load_explicit(&((struct segment *)g)->stamp_max, memory_order_relaxed) <
		       flush_stamp_now(s);
}

static bool has_expired(const struct segment *g, uint32_t now_s)
{
	return atomic_load_explicit(&((struct segment *)g)->exp_min, memory_order_relaxed) <= now_s;
}

bool job_claim(struct store *s, struct job *j, struct segment *g, enum job_mode mode)
{
	bool ok;

	spin_lock(&s->pool_lock);
	ok = segment_is_claimable(g);
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
		if (!segment_is_claimable(dead[i]) || segment_live(dead[i]) != 0)
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
	uint32_t live = segment_live(g), garbage, used = g->used;

	if (live == 0) {
		if (r->dead_count < RETIRE_MAX)
			r->dead[r->dead_count++] = g;
		return;
	}
	if (!r->expired &&
		(segment_sweep_is_due(s, g, now_s) || (s->no_evictions && has_expired(g, now_s))))
		r->expired = g;
	// Sealed early, when its lane was closed: what was never used is as good as garbage.
	if (used < s->segment_size / 2)
		used = s->segment_size;
	garbage = used - live;
	if ((uint64_t)garbage * r->used > (uint64_t)r->garbage * used) {
		r->sparse = g;
		r->garbage = garbage;
		r->used = used;
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
		if (segment_is_claimable(&s->segment[i]))
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

// The oldest segment of the queue that can be claimed. Held ones go to the end of the line.
static struct segment *oldest(struct store *s, enum segment_queue q)
{
	struct segment *found = NULL;
	unsigned looks = 0;
	uint32_t idx;

	spin_lock(&s->pool_lock);
	for (idx = s->fifo[q].head; looks < SEARCH_SEGMENTS && idx != NO_SEGMENT; looks++) {
		struct segment *g = &s->segment[idx];

		if (segment_is_claimable(g)) {
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

// No copies now: they take room at once, and what they make comes back a turn later.
static bool is_critical(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)s)->free_count, memory_order_relaxed) <
	       s->copy_floor;
}

// Eviction may move three quarters of what it walks, so that in the long run it always
// brings something. What one segment leaves of that another may use: in main the hot
// items stand together, and a whole round may find nothing else.
static uint32_t keep_budget_take(struct store *s)
{
	uint32_t own = s->segment_size / 4 * 3, rest = s->segment_size - own;
	uint64_t credit = atomic_load_explicit(&s->keep_credit, memory_order_relaxed), take;

	do {
		take = credit < rest ? credit : rest;
	} while (!atomic_compare_exchange_weak_explicit(&s->keep_credit, &credit, credit - take,
		memory_order_relaxed, memory_order_relaxed));
	return own + (uint32_t)take;
}

static uint64_t keep_credit_max(const struct store *s)
{
	uint64_t n = s->segment_count / KEEP_CREDIT_SHARE;

	return (n < KEEP_CREDIT_MIN ? KEEP_CREDIT_MIN : n) * s->segment_size;
}

void keep_budget_init(struct store *s)
{
	atomic_init(&s->keep_credit, keep_credit_max(s));
}

void keep_budget_give(struct store *s, uint32_t bytes)
{
	uint64_t most = keep_credit_max(s);
	uint64_t credit = atomic_load_explicit(&s->keep_credit, memory_order_relaxed), sum;

	do {
		sum = credit + bytes < most ? credit + bytes : most;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->keep_credit, &credit, sum, memory_order_relaxed, memory_order_relaxed));
}

// The segment to evict: of the small queue while it has its share or more, else of main.
static struct segment *eviction_choose(struct store *s)
{
	uint32_t small, all;
	enum segment_queue q;
	struct segment *g;

	spin_lock(&s->pool_lock);
	small = s->fifo[QUEUE_SMALL].count;
	all = small + s->fifo[QUEUE_MAIN].count;
	spin_unlock(&s->pool_lock);
	q = small * SMALL_SHARE >= all && small > s->small_min ? QUEUE_SMALL : QUEUE_MAIN;
	g = oldest(s, q);
	return g ? g : oldest(s, q == QUEUE_SMALL ? QUEUE_MAIN : QUEUE_SMALL);
}

bool job_start(struct store_ctx *ctx, struct job *j, int64_t *gained)
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
	g = eviction_choose(s);
	if (!g || !job_claim(s, j, g, JOB_EVICT))
		return false;
	j->keep_bytes = is_critical(s) ? 0 : keep_budget_take(s);
	return true;
}
