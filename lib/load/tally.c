// SPDX-License-Identifier: BSD-3-Clause
// The books of a generator thread: counters, histograms, and the sums that must hold

#include <stdlib.h>
#include <string.h>

#include "load/load.h"

static const struct stat_desc load_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "load/load.def"
#undef STAT
};

const struct stats_set load_stats_set = {
	.module = LOAD_STATS_MODULE,
	.desc = load_stat_desc,
	.count = LOAD_STAT_COUNT,
};

struct tally *tally_create(void)
{
	return calloc(1, sizeof(struct tally));
}

void tally_reset(struct tally *t)
{
	memset(t, 0, sizeof(*t));
}

void tally_merge(struct tally *dst, const struct tally *src)
{
	for (unsigned i = 0; i < LOAD_STAT_COUNT; i++)
		stat_add(&dst->ctr[i], stat_read(&src->ctr[i]));
	hist_merge(&dst->get, &src->get);
	hist_merge(&dst->set, &src->set);
	hist_merge(&dst->service, &src->service);
	hist_merge(&dst->connect, &src->connect);
}

uint64_t tally_sent(const struct tally *t)
{
	return tally_get(t, LOAD_STAT_get_sent) + tally_get(t, LOAD_STAT_set_sent);
}

uint64_t tally_lost(const struct tally *t)
{
	return tally_get(t, LOAD_STAT_get_lost) + tally_get(t, LOAD_STAT_set_lost);
}

uint64_t tally_errors(const struct tally *t)
{
	return tally_get(t, LOAD_STAT_get_errors) + tally_get(t, LOAD_STAT_set_errors);
}

uint64_t tally_received(const struct tally *t)
{
	return tally_get(t, LOAD_STAT_get_hits) + tally_get(t, LOAD_STAT_get_misses) +
	       tally_get(t, LOAD_STAT_get_echoes) + tally_get(t, LOAD_STAT_set_stored) +
	       tally_errors(t);
}

bool tally_balanced(const struct tally *t)
{
	uint64_t get = tally_get(t, LOAD_STAT_get_hits) + tally_get(t, LOAD_STAT_get_misses) +
		       tally_get(t, LOAD_STAT_get_echoes) + tally_get(t, LOAD_STAT_get_errors) +
		       tally_get(t, LOAD_STAT_get_lost);
	uint64_t set = tally_get(t, LOAD_STAT_set_stored) + tally_get(t, LOAD_STAT_set_errors) +
		       tally_get(t, LOAD_STAT_set_lost);
	uint64_t errors = tally_get(t, LOAD_STAT_error_server) + tally_get(t, LOAD_STAT_error_key) +
			  tally_get(t, LOAD_STAT_error_value) +
			  tally_get(t, LOAD_STAT_error_syntax);

	return get == tally_get(t, LOAD_STAT_get_sent) && set == tally_get(t, LOAD_STAT_set_sent) &&
	       errors == tally_errors(t) && tally_received(t) + tally_lost(t) == tally_sent(t);
}

void tally_finish(struct tally *t, enum load_op op, enum load_outcome outcome, unsigned key_count,
	unsigned keys_found)
{
	static const enum load_stat error_stat[] = {
		[LOAD_ERR_SERVER] = LOAD_STAT_error_server,
		[LOAD_ERR_KEY] = LOAD_STAT_error_key,
		[LOAD_ERR_VALUE] = LOAD_STAT_error_value,
		[LOAD_ERR_SYNTAX] = LOAD_STAT_error_syntax,
	};
	bool get = op == LOAD_GET;

	switch (outcome) {
	case LOAD_HIT:
	case LOAD_MISS:
		tally_add(t, LOAD_STAT_key_hits, keys_found);
		tally_add(t, LOAD_STAT_key_misses, key_count - keys_found);
		tally_add(t, outcome == LOAD_HIT ? LOAD_STAT_get_hits : LOAD_STAT_get_misses, 1);
		return;
	case LOAD_STORED:
		tally_add(t, LOAD_STAT_set_stored, 1);
		return;
	case LOAD_LOST:
		tally_add(t, get ? LOAD_STAT_get_lost : LOAD_STAT_set_lost, 1);
		return;
	case LOAD_ERR_SERVER:
	case LOAD_ERR_KEY:
	case LOAD_ERR_VALUE:
	case LOAD_ERR_SYNTAX:
		tally_add(t, error_stat[outcome], 1);
		tally_add(t, get ? LOAD_STAT_get_errors : LOAD_STAT_set_errors, 1);
		return;
	case LOAD_OUTCOME_COUNT:
		return;
	}
}
