// SPDX-License-Identifier: BSD-3-Clause
// Per-lcore counters: the registry and its sums

#include "stats/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define STATS_SETS_MAX 24
#define STATS_INSTANCES_MAX 160

struct stats_group {
	const struct stats_set *set;
	unsigned count;
	struct {
		unsigned idx;
		const stat_t *counters;
	} inst[STATS_INSTANCES_MAX];
	stat_t *baseline; // per counter, subtracted from the sum
};

struct stats {
	unsigned count;
	struct stats_group group[STATS_SETS_MAX];
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
}
