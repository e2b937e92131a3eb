// SPDX-License-Identifier: BSD-3-Clause
// Flow table of policy roundrobin: bounded open addressing, ageing by replacement

#include "steer/steer_priv.h"

#include "base/hotpath.h"

static struct flow *window_of(const struct flow_table *t, const struct steer_tuple *tuple)
{
	// Keyed: a stranger who chose colliding tuples would fill one window.
	return t->slot + (siphash13(&t->key, tuple, sizeof(*tuple)) & t->mask);
}

static bool same(const struct steer_tuple *a, const struct steer_tuple *b)
{
	return a->src_addr == b->src_addr && a->dst_addr == b->dst_addr &&
	       a->src_port == b->src_port && a->dst_port == b->dst_port;
}

static uint32_t age_s(const struct flow *f, uint32_t now_s)
{
	return (now_s - f->seen_s) & ((1u << FLOW_TIME_BITS) - 1);
}

static bool counts(const struct flow *f)
{
	return f->state != FLOW_FREE && f->state != FLOW_CLOSED;
}

static bool replaceable(const struct flow_table *t, const struct flow *f, uint32_t now_s)
{
	switch ((enum flow_state)f->state) {
	case FLOW_HALF_OPEN:
		return age_s(f, now_s) > STEER_HALF_OPEN_S;
	case FLOW_CLOSED:
		return age_s(f, now_s) > STEER_CLOSED_S;
	case FLOW_OPEN:
	case FLOW_OPEN_SYN:
		return t->idle_s && age_s(f, now_s) > t->idle_s;
	case FLOW_FREE:
		break;
	}
	return true;
}

// The flow's entry or NULL. Slots are filled from the window's start and never become
// free again, so the first free one ends the search.
static struct flow *find(const struct flow_table *t, const struct steer_tuple *tuple)
{
	struct flow *f = window_of(t, tuple);

	for (unsigned i = 0; i < FLOW_WINDOW && f[i].state != FLOW_FREE; i++)
		if (same(&f[i].tuple, tuple))
			return &f[i];
	return NULL;
}

// A slot for a flow that is not in the table, or NULL.
static struct flow *spot_for(
	const struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s)
{
	struct flow *f = window_of(t, tuple);

	for (unsigned i = 0; i < FLOW_WINDOW; i++)
		if (replaceable(t, &f[i], now_s))
			return &f[i];
	return NULL;
}

static void deal(struct flow_table *t, struct flow *f, const struct steer_tuple *tuple,
	unsigned *next_worker, unsigned worker_count)
{
	if (counts(f))
		stat_inc(&t->stats[STEER_STAT_flows_replaced]);
	else
		stat_inc(&t->stats[STEER_STAT_flows]);
	stat_inc(&t->stats[STEER_STAT_flows_dealt]);
	f->tuple = *tuple;
	f->worker = *next_worker & 0xff;
	f->state = FLOW_HALF_OPEN;
	*next_worker = *next_worker + 1 == worker_count ? 0 : *next_worker + 1;
}

int flow_syn(struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s,
	unsigned *next_worker, unsigned worker_count)
{
	struct flow *f = find(t, tuple);

	if (!f) {
		f = spot_for(t, tuple, now_s);
		if (!f) {
			stat_inc(&t->stats[STEER_STAT_flow_table_full]);
			return -1;
		}
		deal(t, f, tuple, next_worker, worker_count);
	} else if (f->state == FLOW_CLOSED) {
		deal(t, f, tuple, next_worker, worker_count);
	} else if (f->state == FLOW_OPEN) {
		f->state = FLOW_OPEN_SYN;
	}
	f->seen_s = now_s & ((1u << FLOW_TIME_BITS) - 1);
	return f->worker;
}

int flow_segment(
	struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s, bool answers)
{
	struct flow *f = find(t, tuple);

	if (!f)
		return -1;
	f->seen_s = now_s & ((1u << FLOW_TIME_BITS) - 1);
	// A late segment does not reopen a CLOSED one: no second notice would close it.
	if (answers && (f->state == FLOW_HALF_OPEN || f->state == FLOW_OPEN_SYN))
		f->state = FLOW_OPEN;
	return f->worker;
}

int flow_find(const struct flow_table *t, const struct steer_tuple *tuple)
{
	const struct flow *f = find(t, tuple);

	return f ? f->worker : -1;
}

void flow_closed(struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s)
{
	struct flow *f = find(t, tuple);

	if (!f)
		return;
	if (f->state == FLOW_OPEN) {
		f->state = FLOW_CLOSED;
		stat_dec(&t->stats[STEER_STAT_flows]);
		stat_inc(&t->stats[STEER_STAT_flows_closed]);
	} else if (f->state == FLOW_OPEN_SYN) {
		// The old connection is gone; a SYN is under way to the same worker.
		f->state = FLOW_HALF_OPEN;
	} else {
		return; // a HALF-OPEN one ages: the notice may be about an earlier flow
	}
	f->seen_s = now_s & ((1u << FLOW_TIME_BITS) - 1);
}
