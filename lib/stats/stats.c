// SPDX-License-Identifier: BSD-3-Clause
// Per-lcore counters: the registry and its sums

#include "stats/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "stats/latency.h"

#define STATS_SETS_MAX 24
#define STATS_INSTANCES_MAX 160
#define STATS_LATENCIES_MAX 8

struct stats_group {
	const struct stats_set *set;
	unsigned count;
	struct {
		unsigned idx;
		const stat_t *counters;
	} inst[STATS_INSTANCES_MAX];
	stat_t *baseline; // per counter, subtracted from the sum
};

struct stats_latency {
	const char *name, *help;
	unsigned count;
	const struct latency *inst[STATS_INSTANCES_MAX];
	struct latency baseline; // subtracted from the sum
};

struct stats {
	unsigned count, latency_count;
	struct stats_group group[STATS_SETS_MAX];
	struct stats_latency latency[STATS_LATENCIES_MAX];
};

struct stats *stats_create(void)
{
	return calloc(1, sizeof(struct stats));
}

void stats_destroy(struct stats *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++)
		free(s->group[i].baseline);
	free(s);
}

static struct stats_group *group_of(struct stats *s, const char *module)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->group[i].set->module, module) == 0)
			return &s->group[i];
	return NULL;
}

int stats_register(
	struct stats *s, const struct stats_set *set, unsigned idx, const stat_t *counters)
{
	struct stats_group *g = group_of(s, set->module);

	if (!g) {
		if (s->count == STATS_SETS_MAX)
			return -ENOSPC;
		g = &s->group[s->count];
		g->baseline = calloc(set->count, sizeof(*g->baseline));
		if (!g->baseline)
			return -ENOMEM;
		g->set = set;
		s->count++;
	}
	CHECK(g->set == set);
	if (g->count == STATS_INSTANCES_MAX)
		return -ENOSPC;
	g->inst[g->count].idx = idx;
	g->inst[g->count].counters = counters;
	g->count++;
	return 0;
}

static uint64_t group_raw_sum(const struct stats_group *g, unsigned c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < g->count; i++)
		sum += stat_read(&g->inst[i].counters[c]);
	return sum;
}

bool stats_sum(const struct stats *s, const char *module, const char *name, uint64_t *sum)
{
	const struct stats_group *g = group_of((struct stats *)s, module);

	if (!g)
		return false;
	for (unsigned c = 0; c < g->set->count; c++) {
		if (strcmp(g->set->desc[c].name, name) != 0)
			continue;
		*sum = group_raw_sum(g, c) - stat_read(&g->baseline[c]);
		return true;
	}
	return false;
}

// ---- latencies

int stats_register_latency(
	struct stats *s, const char *name, const char *help, const struct latency *l)
{
	struct stats_latency *h = s->latency;

	while (h < s->latency + s->latency_count && strcmp(h->name, name) != 0)
		h++;
	if (h == s->latency + STATS_LATENCIES_MAX || h->count == STATS_INSTANCES_MAX)
		return -ENOSPC;
	if (h == s->latency + s->latency_count) {
		s->latency_count++;
		h->name = name;
		h->help = help;
	}
	h->inst[h->count++] = l;
	return 0;
}

static void latency_raw_sum(const struct stats_latency *h, struct latency *sum)
{
	*sum = (struct latency){0};
	for (unsigned i = 0; i < h->count; i++) {
		stat_add(&sum->sum_ns, stat_read(&h->inst[i]->sum_ns));
		for (unsigned j = 0; j < LATENCY_SLOTS; j++)
			stat_add(&sum->slot[j], stat_read(&h->inst[i]->slot[j]));
	}
}

static void latency_sum(const struct stats_latency *h, struct latency *sum)
{
	latency_raw_sum(h, sum);
	stat_add(&sum->sum_ns, -stat_read(&h->baseline.sum_ns));
	for (unsigned j = 0; j < LATENCY_SLOTS; j++)
		stat_add(&sum->slot[j], -stat_read(&h->baseline.slot[j]));
}

static void latency_rebase(struct stats_latency *h)
{
	struct latency now;

	latency_raw_sum(h, &now);
	atomic_store_explicit(&h->baseline.sum_ns, now.sum_ns, memory_order_relaxed);
	for (unsigned j = 0; j < LATENCY_SLOTS; j++)
		atomic_store_explicit(&h->baseline.slot[j], now.slot[j], memory_order_relaxed);
}

bool stats_latency(const struct stats *s, const char *name, struct latency *merged)
{
	for (unsigned i = 0; i < s->latency_count; i++) {
		if (strcmp(s->latency[i].name, name) != 0)
			continue;
		latency_sum(&s->latency[i], merged);
		return true;
	}
	return false;
}

void stats_walk_latency(const struct stats *s, stats_walk_latency_fn *fn, void *arg)
{
	struct latency merged;

	for (unsigned i = 0; i < s->latency_count; i++) {
		latency_sum(&s->latency[i], &merged);
		fn(arg, s->latency[i].name, s->latency[i].help, &merged);
	}
}

struct latency_walk {
	stats_walk_fn *fn;
	void *arg;
};

static void walk_number(const struct latency_walk *w, const char *name, const char *what,
	const char *help, uint64_t value)
{
	char text[64];
	struct stat_desc desc = {text, STAT_GAUGE, help};

	snprintf(text, sizeof(text), "%s_%s", name, what);
	w->fn(w->arg, STATS_LATENCY_MODULE, &desc, value, &value, 1);
}

static void walk_summary(
	void *arg, const char *name, const char *help, const struct latency *merged)
{
	static const struct {
		const char *what;
		unsigned permille;
	} points[] = {{"p50_ns", 500}, {"p99_ns", 990}, {"p999_ns", 999}, {"max_ns", 1000}};

	walk_number(arg, name, "count", help, latency_count(merged));
	walk_number(arg, name, "sum_ns", help, stat_read(&merged->sum_ns));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		walk_number(arg, name, points[i].what, help,
			latency_permille_ns(merged, points[i].permille));
}

// ---- all

void stats_walk(const struct stats *s, stats_walk_fn *fn, void *arg)
{
	uint64_t val[STATS_INSTANCES_MAX];

	for (unsigned i = 0; i < s->count; i++) {
		const struct stats_group *g = &s->group[i];

		for (unsigned c = 0; c < g->set->count; c++) {
			for (unsigned j = 0; j < g->count; j++)
				val[j] = stat_read(&g->inst[j].counters[c]);
			fn(arg, g->set->module, &g->set->desc[c],
				group_raw_sum(g, c) - stat_read(&g->baseline[c]), val, g->count);
		}
	}
	stats_walk_latency(s, walk_summary, &(struct latency_walk){fn, arg});
}

void stats_reset(struct stats *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct stats_group *g = &s->group[i];

		for (unsigned c = 0; c < g->set->count; c++)
			if (g->set->desc[c].kind != STAT_GAUGE)
				atomic_store_explicit(
					&g->baseline[c], group_raw_sum(g, c), memory_order_relaxed);
	}
	for (unsigned i = 0; i < s->latency_count; i++)
		latency_rebase(&s->latency[i]);
}
