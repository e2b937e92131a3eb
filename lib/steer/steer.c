// SPDX-License-Identifier: BSD-3-Clause
// Set-up: limits, rings, bucket table, memory of the flow table

#include "steer/steer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "steer/steer_priv.h"

static const struct stat_desc steer_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "steer/steer.def"
#undef STAT
};

const struct stats_set steer_stats_set = {STEER_STATS_MODULE, steer_stat_desc, STEER_STAT_COUNT};

const stat_t *steer_stats(const struct steer *s)
{
	return s->stats;
}

uint64_t steer_ring_full(const struct steer *s, unsigned worker)
{
	return worker < s->worker_count ? stat_read(&s->ring_full[worker]) : 0;
}

struct steer_table *steer_table_create(unsigned worker_count)
{
	struct steer_table *table;

	if (worker_count == 0 || worker_count > STEER_WORKERS_MAX)
		return NULL;
	table = aligned_alloc(_Alignof(struct steer_table), sizeof(*table));
	if (!table)
		return NULL;
	table->worker_count = worker_count;
	for (unsigned i = 0; i < STEER_BUCKETS; i++)
		atomic_init(&table->worker[i], (uint16_t)(i % worker_count));
	return table;
}

void steer_table_destroy(struct steer_table *table)
{
	free(table);
}

void steer_table_set(struct steer_table *table, unsigned bucket, unsigned worker)
{
	CHECK(bucket < STEER_BUCKETS && worker < table->worker_count);
	atomic_store_explicit(&table->worker[bucket], (uint16_t)worker, memory_order_relaxed);
}

unsigned steer_table_get(const struct steer_table *table, unsigned bucket)
{
	CHECK(bucket < STEER_BUCKETS);
	return steer_bucket_worker(table, bucket);
}

static int flow_table_init(struct flow_table *t, uint32_t flow_count_max, uint32_t idle_s,
	const struct siphash_key *key, stat_t *stats)
{
	uint32_t slots = FLOW_WINDOW;

	while (slots < 2 * flow_count_max) // half full, a window of 16 hardly ever overflows
		slots *= 2;
	*t = (struct flow_table){.mask = slots - 1, .idle_s = idle_s, .key = *key, .stats = stats};
	// No wrap-around: the last window reaches past the end.
	t->slot = calloc((size_t)slots + FLOW_WINDOW - 1, sizeof(*t->slot));
	return t->slot ? 0 : -ENOMEM;
}

static void flow_table_fini(struct flow_table *t)
{
	free(t->slot);
	t->slot = NULL;
}

static bool conf_ok(const struct steer_conf *conf, const struct steer_table *table)
{
	if (conf->worker_count == 0 || conf->worker_count > STEER_WORKERS_MAX)
		return false;
	if (!table || table->worker_count != conf->worker_count)
		return false;
	if (conf->misc_worker >= conf->worker_count)
		return false;
	if (conf->moves && (conf->keeps_own || conf->policy != STEER_HASH))
		return false;
	if (conf->keeps_own && conf->own_worker >= conf->worker_count)
		return false;
	for (unsigned i = 0; i < conf->worker_count; i++)
		if (!conf->ring[i] && !(conf->keeps_own && i == conf->own_worker))
			return false;
	return conf->policy != STEER_ROUNDROBIN ||
	       (conf->flow_count_max > 0 && conf->flow_count_max <= STEER_FLOWS_MAX);
}

struct steer *steer_create(const struct steer_conf *conf, struct steer_table *table)
{
	struct steer *s;

	if (!conf_ok(conf, table))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->table = table;
	s->use_nic_hash = conf->use_nic_hash;
	s->policy = conf->policy;
	s->udp_by_key = conf->udp_by_key;
	s->moves = conf->moves;
	s->key = conf->key;
	s->misc_worker = conf->misc_worker;
	s->worker_count = conf->worker_count;
	s->own_mask = conf->keeps_own ? 1ULL << conf->own_worker : 0;
	memcpy(s->ring, conf->ring, sizeof(s->ring));
	memcpy(s->closed_ring, conf->closed_ring, sizeof(s->closed_ring));
	steer_toeplitz_init(&s->toeplitz, conf->rss_key);
	if (conf->policy == STEER_ROUNDROBIN && flow_table_init(&s->flows, conf->flow_count_max,
							conf->flow_idle_s, &conf->key, s->stats)) {
		free(s);
		return NULL;
	}
	return s;
}

void steer_destroy(struct steer *s)
{
	if (!s)
		return;
	flow_table_fini(&s->flows);
	free(s);
}
