// SPDX-License-Identifier: BSD-3-Clause
// lib/store under one and two threads: GETs and SETs a second, by the share of writes
// support: store_kit
// measures: store.mix.*
//
// A million items of 16-byte keys and 32-byte values, drawn uniformly; batches of 16 between two
// ticks, as a worker runs them. Each thread has a CPU of its own; one that was given less than
// nine tenths of it has no figure (BENCH_CPU_SHARE: another share).

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/store_kit.h"

#define KEY_LEN 16
#define VALUE_LEN 32
#define ITEMS 1000000
#define MEM_BYTES (512ULL << 20)
#define BATCH 16
#define THREADS_MAX 2
#define SECONDS 1

struct thread {
	pthread_t id;
	struct kit *k;
	struct store_ctx *ctx;
	unsigned idx, write_percent;
	uint64_t ops;
	double cpu_share;
};

static struct kit kit;
static pthread_barrier_t start_line;
static _Atomic bool stop;

static double clock_s(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void key_make(char key[KEY_LEN + 1], uint32_t n)
{
	snprintf(key, KEY_LEN + 1, "key:%012u", n);
}

static void put(struct thread *t, const char *key)
{
	static const uint8_t value[VALUE_LEN] = {1};

	CHECK(kit_put(t->ctx, t->k->s, STORE_SET, key, KEY_LEN, value, VALUE_LEN, 0, 0, 0) ==
		STORE_OK);
}

// What is read is looked up in three passes, what is written in its turn.
static void batch(struct thread *t, struct rng *rng, char (*keys)[KEY_LEN + 1])
{
	uint64_t hash[BATCH];
	struct store_ref ref;
	bool write[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		write[i] = rng_below(rng, 100) < t->write_percent;
		hash[i] = store_hash(t->k->s, (uint8_t *)keys[i], KEY_LEN);
		store_prefetch_bucket(t->k->s, hash[i]);
	}
	for (unsigned i = 0; i < BATCH; i++)
		store_prefetch_item(t->k->s, hash[i]);
	for (unsigned i = 0; i < BATCH; i++) {
		if (write[i])
			put(t, keys[i]);
		else
			CHECK(store_get(t->ctx, (uint8_t *)keys[i], KEY_LEN, hash[i], &ref) ==
				STORE_OK);
	}
	store_tick(t->ctx, t->k->now_s);
	t->ops += BATCH;
}

static void use_cpu(unsigned idx)
{
	cpu_set_t all, one;
	unsigned n = 0;

	CPU_ZERO(&one);
	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && n++ == idx)
			CPU_SET(cpu, &one);
	CHECK(pthread_setaffinity_np(pthread_self(), sizeof(one), &one) == 0);
}

static void *run(void *arg)
{
	enum { KEYS = 1 << 16 };
	struct thread *t = arg;
	char(*keys)[KEY_LEN + 1] = malloc(sizeof(*keys) * KEYS);
	double cpu_s, wall_s;
	struct rng rng;

	CHECK(keys);
	rng_init(&rng, 7 + t->idx);
	for (unsigned i = 0; i < KEYS; i++)
		key_make(keys[i], rng_below(&rng, ITEMS));
	use_cpu(t->idx);
	store_online(t->ctx);
	pthread_barrier_wait(&start_line);
	wall_s = clock_s(CLOCK_MONOTONIC);
	cpu_s = clock_s(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i += BATCH)
		batch(t, &rng, keys + i % KEYS);
	t->cpu_share =
		(clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu_s) / (clock_s(CLOCK_MONOTONIC) - wall_s);
	store_offline(t->ctx);
	free(keys);
	return NULL;
}

static void bench(struct thread *t, unsigned threads, unsigned write_percent)
{
	const char *least_text = getenv("BENCH_CPU_SHARE");
	double least = least_text ? atof(least_text) : 0.9, share = 1, seconds;
	struct timespec length = {.tv_sec = SECONDS};
	uint64_t ops = 0;
	char name[64];

	snprintf(name, sizeof(name), "store.mix.writes_%u.workers_%u.rate", write_percent, threads);
	pthread_barrier_init(&start_line, NULL, threads + 1);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < threads; i++) {
		t[i].ops = 0;
		t[i].write_percent = write_percent;
		CHECK(pthread_create(&t[i].id, NULL, run, &t[i]) == 0);
	}
	pthread_barrier_wait(&start_line);
	seconds = clock_s(CLOCK_MONOTONIC);
	nanosleep(&length, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(t[i].id, NULL);
		ops += t[i].ops;
		share = t[i].cpu_share < share ? t[i].cpu_share : share;
	}
	seconds = clock_s(CLOCK_MONOTONIC) - seconds;
	if (share < least)
		printf("absent %s: a thread had %.0f%% of its CPU: other work took the rest\n",
			name, share * 100);
	else
		printf("%s %.0f ops/s\n", name, (double)ops / seconds);
	pthread_barrier_destroy(&start_line);
}

int main(void)
{
	static const unsigned write_percent[] = {0, 50, 100};
	struct thread t[THREADS_MAX];
	char key[KEY_LEN + 1];
	cpu_set_t cpus;

	kit_open(&kit, MEM_BYTES, THREADS_MAX, false);
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		t[i] = (struct thread){.k = &kit, .idx = i};
		t[i].ctx = i ? store_ctx_create(kit.s, i) : kit.ctx;
		CHECK(t[i].ctx);
	}
	store_offline(t[1].ctx);
	for (uint32_t i = 0; i < ITEMS; i++) {
		key_make(key, i);
		put(&t[0], key);
		if (i % BATCH == 0)
			kit_tick(&kit, 1);
	}
	store_offline(t[0].ctx);
	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	for (unsigned threads = 1; threads <= THREADS_MAX; threads++)
		for (unsigned i = 0; i < 3; i++) {
			if ((unsigned)CPU_COUNT(&cpus) < threads)
				printf("absent store.mix.writes_%u.workers_%u.rate: too few CPUs\n",
					write_percent[i], threads);
			else
				bench(t, threads, write_percent[i]);
		}
	store_ctx_destroy(t[1].ctx);
	kit_close(&kit);
	return 0;
}
