// SPDX-License-Identifier: BSD-3-Clause
// The search for an order of moments, and for the shortest reason why there is none

#include "support/linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define UNDER_WAY_MAX 64
#define CONFS_MAX 20000 // past this the search has exploded: a wrong test, not a wrong store

_Static_assert(sizeof(struct linear_conf) ==
		       sizeof(struct linear_value) + 2 * 8 + 6 * 4 + 2 * sizeof(uint64_t),
	"compared as bytes: no holes");

struct confs {
	struct linear_conf *conf;
	size_t count, room;
};

struct event {
	uint64_t at;
	uint32_t op;
	bool is_return;
};

// A moment at which only one state was possible, with nothing half done.
struct certain {
	uint64_t at;
	struct linear_state state;
};

struct search {
	const struct linear_op *op;
	bool may_evict;
	struct confs now, work, next;
	uint32_t place[UNDER_WAY_MAX]; // operations under way
	uint64_t taken; // places
	struct certain certain, certain_at_call[UNDER_WAY_MAX];
	// Where it ended, when no order was found.
	uint32_t failed;
	struct certain start;
};

static void confs_add(struct confs *c, const struct linear_conf *x)
{
	const size_t key_len = offsetof(struct linear_conf, evictions);

	for (size_t i = 0; i < c->count; i++) {
		if (memcmp(&c->conf[i], x, key_len) != 0)
			continue;
		// The same with fewer evictions is as good or better.
		if (x->evictions < c->conf[i].evictions)
			c->conf[i].evictions = x->evictions;
		return;
	}
	if (c->count == c->room) {
		CHECK(c->count < CONFS_MAX);
		c->room = c->room ? 2 * c->room : 64;
		c->conf = realloc(c->conf, c->room * sizeof(*c->conf));
		CHECK(c->conf);
	}
	c->conf[c->count++] = *x;
}

static void swap(struct confs *a, struct confs *b)
{
	struct confs c = *a;

	*a = *b;
	*b = c;
}

static int by_moment(const void *a, const void *b)
{
	uint64_t x = ((const struct event *)a)->at, y = ((const struct event *)b)->at;

	return x < y ? -1 : x > y;
}

static struct event *events_of(const struct linear_op *op, size_t n, size_t *count)
{
	struct event *e = calloc(2 * n + 1, sizeof(*e));

	*count = 0;
	for (uint32_t i = 0; i < n; i++) {
		e[(*count)++] = (struct event){op[i].call, i, false};
		if (op[i].ret != LINEAR_NEVER)
			e[(*count)++] = (struct event){op[i].ret, i, true};
	}
	qsort(e, *count, sizeof(*e), by_moment);
	return e;
}

// Give the operation at this place its moment, as it is and after an eviction.
static void take_effect(struct search *s, struct linear_conf from, unsigned place, bool is_last)
{
	const struct linear_op *op = &s->op[s->place[place]];
	bool evictable = s->may_evict && op->kind < LINEAR_FLUSH && linear_is_live(&from.state);

	for (unsigned evicted = 0; evicted <= evictable; evicted++) {
		struct linear_conf c = from;

		if (evicted) {
			linear_evict(&c.state);
			c.evictions++;
		}
		if (!linear_apply(&c.state, op))
			continue;
		c.done |= 1ULL << place;
		if (is_last) {
			c.done &= ~(1ULL << place);
			confs_add(&s->next, &c);
		} else {
			confs_add(&s->work, &c);
		}
	}
}

// The operation at this place returns: keep what has it done, or can have it done now, after
// any others that are under way.
static bool at_return(struct search *s, unsigned place)
{
	s->work.count = s->next.count = 0;
	for (size_t i = 0; i < s->now.count; i++) {
		struct linear_conf c = s->now.conf[i];

		if (c.done >> place & 1) {
			c.done &= ~(1ULL << place);
			confs_add(&s->next, &c);
		} else {
			confs_add(&s->work, &c);
		}
	}
	for (size_t i = 0; i < s->work.count; i++) {
		struct linear_conf c = s->work.conf[i];
		uint64_t open = s->taken & ~c.done;

		for (; open; open &= open - 1) {
			unsigned p = (unsigned)__builtin_ctzll(open);

			take_effect(s, c, p, p == place);
		}
	}
	swap(&s->now, &s->next);
	s->taken &= ~(1ULL << place);
	return s->now.count > 0;
}

static void note_certain(struct search *s, uint64_t at)
{
	if (s->now.count == 1 && s->now.conf[0].done == 0)
		s->certain = (struct certain){at, s->now.conf[0].state};
}

static unsigned place_of(const struct search *s, uint32_t op)
{
	unsigned place = 0;

	while (!(s->taken >> place & 1) || s->place[place] != op)
		place++;
	return place;
}

// False: no order exists, s->failed and s->start are set. Where a round begins with several
// states, the first stands for all in the reason that is shown.
static bool search(struct search *s, const struct linear_op *op, size_t n)
{
	size_t count;
	struct event *e = events_of(op, n, &count);
	bool ok = true;

	CHECK(s->now.count > 0);
	s->op = op;
	s->taken = 0;
	s->certain = (struct certain){0, s->now.conf[0].state};
	for (size_t i = 0; i < count && ok; i++) {
		unsigned place;

		if (!e[i].is_return) {
			CHECK(s->taken != UINT64_MAX);
			place = (unsigned)__builtin_ctzll(~s->taken);
			s->taken |= 1ULL << place;
			s->place[place] = e[i].op;
			s->certain_at_call[place] = s->certain;
			continue;
		}
		place = place_of(s, e[i].op);
		ok = at_return(s, place);
		if (ok) {
			note_certain(s, e[i].at);
		} else {
			s->failed = e[i].op;
			s->start = s->certain_at_call[place];
		}
	}
	free(e);
	return ok;
}

static void search_fini(struct search *s)
{
	free(s->now.conf);
	free(s->work.conf);
	free(s->next.conf);
}

// ---- the shortest reason

// Does it still fail from there? Then *again says where.
static bool fails_from(const struct linear_state *before, bool may_evict,
	const struct linear_op *op, size_t n, struct search *again)
{
	struct linear_conf start = {.state = *before};
	bool ok;

	*again = (struct search){.may_evict = may_evict};
	confs_add(&again->now, &start);
	ok = search(again, op, n);
	search_fini(again);
	return !ok;
}

static int by_call(const void *a, const void *b)
{
	uint64_t x = ((const struct linear_op *)a)->call, y = ((const struct linear_op *)b)->call;

	return x < y ? -1 : x > y;
}

// What was under way or began after the last certain state before the failed operation's
// call. What has not returned when that one does, may still do so: it is kept, open.
static void cut(struct linear_failure *f, const struct search *s, size_t n)
{
	uint64_t end = s->op[s->failed].ret, failed_call = s->op[s->failed].call;
	struct linear_op *kept = calloc(n, sizeof(*kept));
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		struct linear_op op = s->op[i];

		if (op.ret <= s->start.at || op.call >= end)
			continue;
		if (op.ret > end)
			op.ret = LINEAR_NEVER;
		kept[count++] = op;
	}
	qsort(kept, count, sizeof(*kept), by_call);
	free(f->op);
	f->op = kept;
	f->count = count;
	f->before = s->start.state;
	if (s->start.at)
		f->start = s->start.at;
	for (f->failed = 0; kept[f->failed].call != failed_call; f->failed++)
		;
}

// Is this get the first that told somebody the id for a cas? Without it the model would not
// know the id.
static bool has_told(const struct linear_failure *f, const struct linear_op *got)
{
	bool used = false, known = f->before.cas == got->cas;

	for (size_t i = 0; i < f->count; i++) {
		const struct linear_op *op = &f->op[i];

		if (op->cas != got->cas)
			continue;
		used |= op->kind == LINEAR_CAS;
		known |= op->kind != LINEAR_CAS && op->ret < got->ret;
	}
	return used && !known;
}

// Without an operation that changes nothing a linearizable history stays so: whatever of
// these can be left out while it still fails is not part of the reason. With fewer of them
// a later state may be certain.
static void shrink(struct linear_failure *f, bool may_evict)
{
	struct linear_op *without = calloc(f->count + 1, sizeof(*without));
	struct search again;

	for (size_t i = f->count; i-- > 0;) {
		size_t rest = f->count - 1 - i;

		if (!linear_is_passive(&f->op[i]) || has_told(f, &f->op[i]))
			continue;
		memcpy(without, f->op, i * sizeof(*without));
		memcpy(without + i, f->op + i + 1, rest * sizeof(*without));
		if (!fails_from(&f->before, may_evict, without, f->count - 1, &again))
			continue;
		cut(f, &again, f->count - 1);
		if (i > f->count)
			i = f->count;
	}
	free(without);
}

// The last operations before the certain state that changed something, in the order of calls.
static void look_back(struct linear_failure *f, const struct linear_op *op, size_t n)
{
	struct linear_op *past = calloc(n + 1, sizeof(*past));
	size_t count = 0, skip;

	for (size_t i = 0; i < n; i++)
		if (op[i].ret <= f->start && !linear_is_passive(&op[i]))
			past[count++] = op[i];
	qsort(past, count, sizeof(*past), by_call);
	skip = count > LINEAR_CONTEXT ? count - LINEAR_CONTEXT : 0;
	f->context_count = count - skip;
	memcpy(f->context, past + skip, f->context_count * sizeof(*past));
	free(past);
}

// ---- rounds

static int by_cas(const void *a, const void *b)
{
	uint64_t x = ((const struct linear_op *)a)->cas, y = ((const struct linear_op *)b)->cas;

	return x < y ? -1 : x > y;
}

static bool has_seen_item(const struct linear_op *op)
{
	return (op->kind == LINEAR_GET || op->kind == LINEAR_TOUCH) && op->status == STORE_OK;
}

// A cas id names one value for ever, deletions in between or not. The model forgets deleted
// items, so this is a law of its own.
static bool cas_is_unique(const struct linear_op *op, size_t n, struct linear_failure *f)
{
	struct linear_op *got = calloc(n + 1, sizeof(*got));
	size_t count = 0;
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		if (has_seen_item(&op[i]))
			got[count++] = op[i];
	qsort(got, count, sizeof(*got), by_cas);
	for (size_t i = 1; i < count && ok; i++) {
		if (got[i].cas != got[i - 1].cas || got[i].value.sum == got[i - 1].value.sum)
			continue;
		ok = false;
		*f = (struct linear_failure){.what = "one cas id, two values", .count = 2};
		f->op = calloc(2, sizeof(*f->op));
		memcpy(f->op, got + i - 1, 2 * sizeof(*f->op));
		f->failed = 1;
	}
	free(got);
	return ok;
}

void linear_init(struct linear *l, uint32_t now_s, bool may_evict)
{
	*l = (struct linear){.may_evict = may_evict, .count = 1};
	l->conf = calloc(1, sizeof(*l->conf));
	CHECK(l->conf);
	l->conf->state.now_s = now_s;
}

void linear_fini(struct linear *l)
{
	free(l->conf);
}

bool linear_round(struct linear *l, const struct linear_op *op, size_t n, struct linear_failure *f)
{
	struct search s = {.may_evict = l->may_evict};
	bool ok;

	*f = (struct linear_failure){0};
	if (!cas_is_unique(op, n, f))
		return false;
	for (size_t i = 0; i < l->count; i++)
		confs_add(&s.now, &l->conf[i]);
	ok = search(&s, op, n);
	if (ok) {
		free(l->conf);
		l->conf = s.now.conf;
		l->count = s.now.count;
		s.now = (struct confs){0};
	} else {
		f->what = "no order of moments gives these answers";
		cut(f, &s, n);
		shrink(f, l->may_evict);
		look_back(f, op, n);
	}
	search_fini(&s);
	return ok;
}

void linear_failure_fini(struct linear_failure *f)
{
	free(f->op);
}

uint64_t linear_evictions(const struct linear *l)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < l->count; i++)
		if (l->conf[i].evictions < least)
			least = l->conf[i].evictions;
	return least;
}
