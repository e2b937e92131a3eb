// SPDX-License-Identifier: BSD-3-Clause
// Making a list of reads, and running it

#include "support/hit_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/cache_sim.h"
#include "support/store_kit.h"

#define PER_SECOND 1000
#define READS_PER_TURN 8
#define RECORD_OVERHEAD 34 // header, key, CRLF

// sum[i]: chance of a rank up to i.
static double *zipf_sums(const struct load_conf *conf)
{
	double *sum = malloc(conf->key_count * sizeof(*sum)), all = 0;

	CHECK(sum);
	for (uint32_t i = 0; i < conf->key_count; i++)
		sum[i] = all += pow(i + 1.0, -conf->zipf);
	for (uint32_t i = 0; i < conf->key_count; i++)
		sum[i] /= all;
	return sum;
}

static uint32_t zipf_rank(const double *sum, uint32_t count, struct rng *r)
{
	double u = (double)(rng_next(r) >> 11) * 0x1p-53;
	uint32_t from = 0, to = count - 1;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (sum[mid] < u)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct load load_make(const struct load_conf *conf)
{
	struct load l = {.access = calloc(conf->access_count, sizeof(*l.access)),
		.count = conf->access_count,
		.key_count = conf->key_count,
		.per_second = PER_SECOND};
	double *sum = zipf_sums(conf);
	struct rng r;

	CHECK(l.access);
	rng_init(&r, conf->seed);
	for (uint32_t i = 0; i < l.count; i++) {
		bool scan = rng_below(&r, 100) < conf->scan_percent;
		uint32_t key = scan ? l.key_count++ : zipf_rank(sum, conf->key_count, &r);

		l.access[i] = (struct access){key, conf->ttl_s[key % 4]};
	}
	free(sum);
	return l;
}

void load_free(struct load *l)
{
	free(l->access);
}

static uint32_t now_of(const struct load *l, uint32_t i)
{
	return KIT_NOW + i / l->per_second;
}

static double run_sim(const struct load *l, enum sim_policy policy, uint32_t items)
{
	struct sim *sim = sim_create(policy, items, l->key_count);
	uint32_t misses = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t ttl_s = l->access[i].ttl_s, now_s = now_of(l, i);

		misses += !sim_access(sim, l->access[i].key, now_s, ttl_s ? now_s + ttl_s : 0);
	}
	sim_destroy(sim);
	return (double)misses / l->count;
}

static double run_store(const struct load *l, struct kit *k, uint32_t vlen, uint32_t *items)
{
	uint8_t *value = calloc(1, vlen + 1);
	uint64_t sum = 0, samples = 0;
	uint32_t misses = 0;
	char key[16];

	CHECK(value);
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t ttl_s = l->access[i].ttl_s;

		snprintf(key, sizeof(key), "%08x", l->access[i].key);
		k->now_s = now_of(l, i);
		if (!kit_has(k, key)) {
			CHECK(kit_put(k->ctx, k->s, STORE_SET, key, 8, value, vlen, 0,
				      ttl_s ? k->now_s + ttl_s : 0, 0) == STORE_OK);
			misses++;
		}
		if (i % READS_PER_TURN == 0)
			kit_tick(k, 1);
		if (i >= l->count / 2 && i % 1024 == 0) {
			sum += kit_usage(k).curr_items;
			samples++;
		}
	}
	free(value);
	CHECK(samples > 0);
	*items = (uint32_t)(sum / samples);
	return (double)misses / l->count;
}

struct hits load_run(const struct load *l, uint64_t mem_bytes, uint32_t vlen)
{
	struct hits h;
	struct kit k;

	kit_open(&k, mem_bytes, 1, false);
	h.segments = kit_usage(&k).segment_count;
	h.store = run_store(l, &k, vlen, &h.items);
	CHECK(kit_check(&k));
	kit_close(&k);
	h.s3fifo = run_sim(l, SIM_S3FIFO, h.items);
	h.lru = run_sim(l, SIM_LRU, h.items);
	return h;
}

uint32_t load_vlen(uint64_t mem_bytes, uint32_t items)
{
	// What is kept free, and the index.
	return (uint32_t)(mem_bytes / 5 * 4 / items) - RECORD_OVERHEAD;
}
