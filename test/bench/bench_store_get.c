// SPDX-License-Identifier: BSD-3-Clause
// lib/store on one core: cycles and ns per GET at batch 1 and 16, and per SET
// support: store_kit
// measures: store.hash.* store.get_* store.tick_idle.* store.set_*
//
//   bench_store_get [ITEMS [MEM_MIB]]
//
// Keys are 16 bytes, values 32. "cached": 1,000 items; "memory": ITEMS of them.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/store_kit.h"

#define KEY_LEN 16
#define VALUE_LEN 32
#define BATCH_MAX 64
#define KEYS 4096 // of the rounds that stay in the first cache levels
#define PER_ROUND 131072

struct bench {
	struct kit k;
	uint8_t (*keys)[KEY_LEN]; // random ones, made beforehand
	uint32_t key_count;
	uint64_t hash[KEYS];
	unsigned batch;
	uint64_t sum, hits;
};

// Time of this thread, and the median of the rounds: other work on the machine
// disturbs as little as it can.
#define ROUNDS 15

typedef void round_fn(struct bench *b, unsigned round);

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double tsc_per_ns(void)
{
	double start_ns = clock_ns(CLOCK_MONOTONIC), ns;
	uint64_t start = __builtin_ia32_rdtsc();

	do
		ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
	while (ns < 50e6);
	return (double)(__builtin_ia32_rdtsc() - start) / ns;
}

static void measure(const char *what, struct bench *b, round_fn *fn)
{
	double ns[ROUNDS], mid, per_ns = tsc_per_ns();

	for (unsigned i = 0; i < ROUNDS; i++) {
		double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		fn(b, i);
		ns[i] = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / PER_ROUND;
	}
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	mid = ns[ROUNDS / 2];
	printf("store.%s.cycles %.1f cycles\nstore.%s.ns %.1f ns\n", what, mid * per_ns, what, mid);
}

static void key_make(uint8_t key[KEY_LEN], uint32_t n)
{
	char text[KEY_LEN + 1];

	snprintf(text, sizeof(text), "key:%012u", n);
	memcpy(key, text, KEY_LEN);
}

static enum store_status set(struct kit *k, const uint8_t key[KEY_LEN])
{
	uint8_t value[VALUE_LEN] = {1};

	return kit_put(
		k->ctx, k->s, STORE_SET, (const char *)key, KEY_LEN, value, VALUE_LEN, 0, 0, 0);
}

static void fill(struct kit *k, uint32_t items)
{
	uint8_t key[KEY_LEN];

	for (uint32_t i = 0; i < items; i++) {
		key_make(key, i);
		CHECK(set(k, key) == STORE_OK);
		if (i % 16 == 0)
			kit_tick(k, 1);
	}
}

static uint8_t (*keys_make(uint32_t items, uint32_t count))[KEY_LEN]
{
	uint8_t(*keys)[KEY_LEN] = malloc((size_t)count * KEY_LEN);
	struct rng r;

	CHECK(keys);
	rng_init(&r, 1);
	for (uint32_t i = 0; i < count; i++)
		key_make(keys[i], rng_below(&r, items));
	return keys;
}

static void round_hash(struct bench *b, unsigned round)
{
	for (uint32_t i = 0; i < PER_ROUND; i++)
		b->sum += store_hash(b->k.s, b->keys[i % KEYS], KEY_LEN);
}

static void round_get_hashed(struct bench *b, unsigned round)
{
	struct store_ref ref;

	for (uint32_t i = 0; i < PER_ROUND; i++) {
		store_get(b->k.ctx, b->keys[i % KEYS], KEY_LEN, b->hash[i % KEYS], &ref);
		b->sum += ref.vlen;
	}
}

static void round_tick(struct bench *b, unsigned round)
{
	for (uint32_t i = 0; i < PER_ROUND; i++)
		store_tick(b->k.ctx, b->k.now_s);
}

// The three passes of a worker: hash, prefetch the items, look up and read them.
static void round_get(struct bench *b, unsigned round)
{
	uint8_t(*keys)[KEY_LEN] = b->keys + (size_t)round * PER_ROUND % b->key_count;
	uint64_t hash[BATCH_MAX];
	struct store_ref ref;

	for (uint32_t i = 0; i < PER_ROUND; i += b->batch) {
		for (unsigned j = 0; j < b->batch; j++) {
			hash[j] = store_hash(b->k.s, keys[i + j], KEY_LEN);
			store_prefetch_bucket(b->k.s, hash[j]);
		}
		for (unsigned j = 0; b->batch > 1 && j < b->batch; j++)
			store_prefetch_item(b->k.s, hash[j]);
		for (unsigned j = 0; j < b->batch; j++) {
			if (store_get(b->k.ctx, keys[i + j], KEY_LEN, hash[j], &ref) != STORE_OK)
				continue;
			b->sum += ref.value[0];
			b->hits++;
		}
		store_tick(b->k.ctx, b->k.now_s);
	}
}

static void round_set(struct bench *b, unsigned round)
{
	uint8_t(*keys)[KEY_LEN] = b->keys + (size_t)round * PER_ROUND % b->key_count;

	for (uint32_t i = 0; i < PER_ROUND; i++) {
		CHECK(set(&b->k, keys[i]) == STORE_OK);
		if (i % 16 == 15)
			store_tick(b->k.ctx, b->k.now_s);
	}
}

static void bench_get(struct bench *b, const char *name, unsigned batch)
{
	char what[64];

	b->batch = batch;
	b->sum = b->hits = 0;
	snprintf(what, sizeof(what), "get_%s_batch%u", name, batch);
	measure(what, b, round_get);
	CHECK(b->sum == b->hits && b->hits > 0);
}

static void bench_open(struct bench *b, uint64_t mib, uint32_t items, uint32_t key_range)
{
	kit_open(&b->k, mib << 20, 1, false);
	b->keys = keys_make(key_range, b->key_count);
	fill(&b->k, items);
}

static void bench_close(struct bench *b)
{
	kit_close(&b->k);
	free(b->keys);
}

int main(int argc, char **argv)
{
	uint32_t items = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 2000000;
	uint64_t mib = argc > 2 ? strtoul(argv[2], NULL, 0) : 512;
	static struct bench b = {.key_count = ROUNDS * PER_ROUND};

	bench_open(&b, 64, 1000, 1000);
	for (uint32_t i = 0; i < KEYS; i++)
		b.hash[i] = store_hash(b.k.s, b.keys[i], KEY_LEN);
	measure("hash", &b, round_hash);
	measure("get_cached_hash_given", &b, round_get_hashed);
	measure("tick_idle", &b, round_tick);
	bench_get(&b, "cached", 1);
	bench_get(&b, "cached", 16);
	measure("set_cached", &b, round_set);
	bench_close(&b);

	bench_open(&b, mib, items, items);
	bench_get(&b, "memory", 1);
	bench_get(&b, "memory", 16);
	measure("set_memory", &b, round_set);
	bench_close(&b);

	bench_open(&b, 64, items, items * 4);
	measure("set_evict", &b, round_set);
	bench_close(&b);
	return 0;
}
