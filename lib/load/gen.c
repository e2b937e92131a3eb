// SPDX-License-Identifier: BSD-3-Clause
// One generator thread: its schedule and its books

#include "load/gen.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load/mix.h"

#define NS_PER_S 1e9

int gen_init(struct gen *g, const struct workload *w, uint64_t seed, uint32_t idx, uint32_t count)
{
	*g = (struct gen){.w = w};
	workload_cursor_init(&g->cursor, w, idx, count);
	rng_init(&g->rng, mix64(seed * 5 + idx));
	for (unsigned i = 0; i < GEN_BOOKS; i++)
		g->book[i] = tally_create();
	return g->book[GEN_WARMUP] && g->book[GEN_MEASURE] ? 0 : -ENOMEM;
}

void gen_free(struct gen *g)
{
	for (unsigned i = 0; i < GEN_BOOKS; i++) {
		free(g->book[i]);
		g->book[i] = NULL;
	}
}

static double gen_interval(struct gen *g)
{
	return g->plan.poisson ? -log(rng_unit(&g->rng)) * g->interval_ns : g->interval_ns;
}

void gen_start(struct gen *g, const struct gen_plan *plan)
{
	g->plan = *plan;
	g->blocked = false;
	g->closed = false;
	g->interval_ns = plan->rate_pps > 0 ? NS_PER_S / plan->rate_pps : 0;
	// Threads begin apart from each other.
	g->next_ns = (double)plan->start_ns + rng_unit(&g->rng) * g->interval_ns;
	for (unsigned i = 0; i < GEN_BOOKS; i++)
		tally_reset(g->book[i]);
}

bool gen_next(struct gen *g, uint64_t now_ns, uint32_t in_flight, struct load_request *req,
	uint64_t *due_ns)
{
	if (g->plan.preload) {
		*due_ns = now_ns;
		return in_flight < g->plan.outstanding && preload_next(g->plan.preload, req);
	}
	if (g->plan.rate_pps > 0) {
		if (g->next_ns > (double)now_ns) {
			g->blocked = false; // caught up
			return false;
		}
		if (g->closed || g->next_ns >= (double)g->plan.stop_ns)
			return false;
		*due_ns = (uint64_t)g->next_ns;
		g->next_ns += gen_interval(g);
	} else {
		if (in_flight >= g->plan.outstanding || now_ns >= g->plan.stop_ns)
			return false;
		*due_ns = now_ns;
	}
	workload_next(g->w, &g->cursor, req);
	return true;
}

void gen_block(struct gen *g, uint64_t now_ns)
{
	if (!g->plan.preload && g->plan.rate_pps > 0 && g->next_ns <= (double)now_ns)
		g->blocked = true;
}

unsigned gen_sent(struct gen *g, const struct load_request *req, uint32_t bytes, uint64_t due_ns,
	uint64_t now_ns)
{
	unsigned book = due_ns < g->plan.measure_ns ? GEN_WARMUP : GEN_MEASURE;
	struct tally *t = g->book[book];

	tally_add(t, req->op == LOAD_GET ? LOAD_STAT_get_sent : LOAD_STAT_set_sent, 1);
	tally_add(t, LOAD_STAT_bytes_sent, bytes);
	if (now_ns > due_ns && now_ns - due_ns > g->plan.late_ns)
		tally_add(t, g->blocked ? LOAD_STAT_blocked : LOAD_STAT_late_sends, 1);
	return book;
}

void gen_finish(struct gen *g, const struct gen_end *end, uint64_t now_ns)
{
	struct tally *t = g->book[end->book];

	tally_finish(t, end->op, end->outcome, end->key_count, end->keys_found);
	if (end->outcome != LOAD_LOST) {
		hist_add(end->op == LOAD_GET ? &t->get : &t->set, now_ns - end->due_ns);
		hist_add(&t->service, now_ns - end->sent_ns);
	}
	if (g->plan.preload)
		preload_finish(g->plan.preload, end->op, end->first_key, end->outcome);
}

// What the schedule still held, by the book of its time.
static void gen_count_unsent(struct gen *g, double until_ns)
{
	g->closed = true;
	if (g->plan.preload || g->plan.rate_pps <= 0)
		return;
	for (; g->next_ns < until_ns; g->next_ns += gen_interval(g)) {
		bool warmup = g->next_ns < (double)g->plan.measure_ns;

		tally_add(g->book[warmup ? GEN_WARMUP : GEN_MEASURE], LOAD_STAT_unsent, 1);
	}
}

bool gen_finished(struct gen *g, uint64_t now_ns, uint32_t in_flight)
{
	if (g->plan.preload)
		return in_flight == 0 && preload_finished(g->plan.preload);
	if (now_ns < g->plan.stop_ns)
		return false;
	// What became due in the last turns still goes out.
	if (g->next_ns < (double)g->plan.stop_ns && g->plan.rate_pps > 0 &&
		now_ns < g->plan.stop_ns + g->plan.late_ns)
		return false;
	if (!g->closed)
		gen_count_unsent(g, (double)g->plan.stop_ns);
	return in_flight == 0;
}

uint64_t gen_wake_ns(const struct gen *g, uint64_t now_ns, uint32_t in_flight)
{
	if (g->plan.preload || now_ns >= g->plan.stop_ns)
		return LOAD_NEVER_NS;
	if (g->plan.rate_pps > 0)
		return g->next_ns < (double)g->plan.stop_ns ? (uint64_t)g->next_ns
							    : g->plan.stop_ns;
	return in_flight < g->plan.outstanding ? now_ns : g->plan.stop_ns;
}

void gen_stop(struct gen *g, uint64_t now_ns)
{
	if (g->plan.preload)
		g->plan.preload->given_up = true;
	if (g->plan.stop_ns > now_ns)
		g->plan.stop_ns = now_ns;
}
