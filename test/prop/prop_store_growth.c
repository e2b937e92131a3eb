// SPDX-License-Identifier: BSD-3-Clause
// lib/store under threads while its index grows: no false miss, no second version, no loss
// support: store_kit
//
// Each round begins with the smallest index. One thread adds items, so that buckets are
// split all the time; the others read keys that are always there, and change keys of
// their own. Large values are among them, and compaction moves all. GROWTH_MS, SEED.

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/store_kit.h"

#define THREADS 3
#define STEADY_KEYS 1000 // always present; those of a writer are overwritten, too
#define COMING_KEYS 300 // per thread: added and deleted
#define LARGE_KEYS 3 // per thread, in fragments
#define ADDED_KEYS 30000 // per round
#define LARGE_LEN 40000
#define TRIES_MAX 10000

struct world {
	struct store *s;
	uint64_t seed;
	_Atomic bool stop;
};

struct thread {
	struct world *w;
	struct store_ctx *ctx;
	unsigned idx;
	pthread_t id;
	struct rng r;
	uint32_t version[COMING_KEYS]; // 0: we deleted it
	uint32_t large[LARGE_KEYS];
	uint64_t ops, walks;
	unsigned met; // steady keys of this walk
};

static uint8_t large_value[LARGE_LEN + 256];

static void broken(struct thread *t, const char *what, char kind, uint64_t key)
{
	fprintf(stderr, "seed %llu thread %u op %llu key %c%llu: %s\n",
		(unsigned long long)t->w->seed, t->idx, (unsigned long long)t->ops, kind,
		(unsigned long long)key, what);
	abort();
}

struct key {
	char text[32];
	size_t len;
	uint64_t hash;
};

static struct key key_of(const struct thread *t, char kind, unsigned owner, uint64_t n)
{
	struct key k;

	k.len = (size_t)snprintf(
		k.text, sizeof(k.text), "%c%u:%llu", kind, owner, (unsigned long long)n);
	k.hash = store_hash(t->w->s, (uint8_t *)k.text, k.len);
	return k;
}

static enum store_status put(struct thread *t, const struct key *k, enum store_mode mode,
	const void *value, uint32_t len, uint32_t flags)
{
	return kit_put(t->ctx, t->w->s, mode, k->text, k->len, value, len, flags, 0, 0);
}

static void must_put(
	struct thread *t, char kind, uint64_t n, const void *value, uint32_t len, uint32_t flags)
{
	struct key k = key_of(t, kind, t->idx, n);

	// Without evictions the garbage of large values may have to come back first.
	for (unsigned tries = 0; put(t, &k, STORE_SET, value, len, flags) != STORE_OK; tries++) {
		if (tries == TRIES_MAX)
			broken(t, "a set failed", kind, n);
		store_tick(t->ctx, KIT_NOW);
		sched_yield();
	}
}

// ---- what the threads do

static void step_steady(struct thread *t)
{
	unsigned owner = rng_below(&t->r, THREADS);
	uint64_t n = rng_below(&t->r, STEADY_KEYS), v;
	struct key k = key_of(t, 's', owner, n);
	struct store_ref ref;

	if (store_get(t->ctx, (uint8_t *)k.text, k.len, k.hash, &ref) != STORE_OK)
		broken(t, "false miss", 's', n);
	if (ref.vlen != 8 || memcmp(ref.value, &n, 8) != 0)
		broken(t, "the value of another key", 's', n);
	switch (rng_below(&t->r, 32)) {
	case 0:
		must_put(t, 's', n, &n, 8, 0);
		break;
	case 1:
		// It is there, so nobody's add may win.
		if (put(t, &k, STORE_ADD, &n, 8, 0) == STORE_OK)
			broken(t, "add of a present key won", 's', n);
		break;
	case 2:
		if (store_delta(t->ctx, (uint8_t *)k.text, k.len, k.hash, false, 1, &v) ==
			STORE_NOT_FOUND)
			broken(t, "incr missed it", 's', n);
		break;
	default:
		break;
	}
}

static void step_coming(struct thread *t)
{
	unsigned n = rng_below(&t->r, COMING_KEYS);
	struct key k = key_of(t, 'c', t->idx, n);
	uint32_t v = t->version[n];
	struct store_ref ref;
	enum store_status status;

	switch (rng_below(&t->r, 4)) {
	case 0:
		status = store_delete(t->ctx, (uint8_t *)k.text, k.len, k.hash);
		if (status != (v ? STORE_OK : STORE_NOT_FOUND))
			broken(t, "delete found it otherwise", 'c', n);
		t->version[n] = 0;
		break;
	case 1:
		status = put(t, &k, STORE_ADD, &n, sizeof(n), 1);
		if (status == STORE_NO_MEMORY)
			break;
		if (status != (v ? STORE_NOT_STORED : STORE_OK))
			broken(t, "add found it otherwise", 'c', n);
		t->version[n] = v ? v : 1;
		break;
	case 2:
		t->version[n] = 1 + v % 1000;
		must_put(t, 'c', n, &n, sizeof(n), t->version[n]);
		break;
	default:
		break;
	}
	status = store_get(t->ctx, (uint8_t *)k.text, k.len, k.hash, &ref);
	if ((status == STORE_OK) != (t->version[n] != 0))
		broken(t, status == STORE_OK ? "a deleted key is back" : "own write lost", 'c', n);
	if (status == STORE_OK && ref.client_flags != t->version[n])
		broken(t, "another version", 'c', n);
}

static void step_large(struct thread *t)
{
	unsigned n = rng_below(&t->r, LARGE_KEYS);
	struct key k = key_of(t, 'l', t->idx, n);
	struct store_ref ref;

	if (rng_below(&t->r, 2)) {
		t->large[n]++;
		must_put(t, 'l', n, large_value + t->large[n] % 200, LARGE_LEN, t->large[n]);
	}
	if (store_get(t->ctx, (uint8_t *)k.text, k.len, k.hash, &ref) != STORE_OK)
		broken(t, "large value lost", 'l', n);
	if (ref.client_flags != t->large[n] ||
		!kit_ref_is(&ref, large_value + t->large[n] % 200, LARGE_LEN))
		broken(t, "another large value", 'l', n);
}

static void meet(void *arg, struct slice key, const struct store_ref *ref)
{
	struct thread *t = arg;

	t->met += key.p[0] == 's';
}

// A whole walk, over many turns: each key that is always there is met once.
static void walk_all(struct thread *t)
{
	uint64_t cursor = 0;

	t->met = 0;
	do {
		cursor = store_walk(t->ctx, cursor, 50, meet, t);
		store_tick(t->ctx, KIT_NOW);
	} while (cursor);
	if (t->met != THREADS * STEADY_KEYS)
		broken(t, "a walk met so many steady keys", 's', t->met);
	t->walks++;
}

static void *run(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load_explicit(&t->w->stop, memory_order_relaxed)) {
		for (unsigned n = rng_below(&t->r, 20); n; n--, t->ops++) {
			unsigned what = rng_below(&t->r, 100);

			if (what < 60)
				step_steady(t);
			else if (what < 99)
				step_coming(t);
			else
				step_large(t);
		}
		store_tick(t->ctx, KIT_NOW);
		if (t->idx == 1 && rng_below(&t->r, 500) == 0)
			walk_all(t);
	}
	return NULL;
}

// ---- a round

static void seed_keys(struct thread *t)
{
	for (uint64_t n = 0; n < STEADY_KEYS; n++)
		must_put(t, 's', n, &n, 8, 0);
	for (uint64_t n = 0; n < LARGE_KEYS; n++)
		must_put(t, 'l', n, large_value, LARGE_LEN, 0);
	store_tick(t->ctx, KIT_NOW);
}

// Added one by one, and looked at again: those that have come are there to stay.
static void add(struct thread *t)
{
	struct store_ref ref;

	for (uint64_t n = 0; n < ADDED_KEYS; n++) {
		struct key k;

		must_put(t, 'a', n, &n, 8, 0);
		k = key_of(t, 'a', t->idx, rng_below(&t->r, (uint32_t)n + 1));
		if (store_get(t->ctx, (uint8_t *)k.text, k.len, k.hash, &ref) != STORE_OK)
			broken(t, "added and lost", 'a', n);
		if (n % 8 == 0)
			store_tick(t->ctx, KIT_NOW);
	}
}

static void one_round(struct thread *t, uint64_t seed, uint64_t *ops, uint64_t *splits)
{
	struct store_conf conf = {
		.mem_limit_bytes = 24 << 20,
		.no_evictions = true,
		.ctx_count_max = THREADS,
		.hash_key = {seed, 7},
		.hash_items = 1,
		.now_s = KIT_NOW,
	};
	struct world w = {.seed = seed};
	const char *err = NULL;

	w.s = store_create(&conf, &err);
	CHECK(w.s);
	memset(t, 0, THREADS * sizeof(*t));
	for (unsigned i = 0; i < THREADS; i++) {
		t[i].w = &w;
		t[i].idx = i;
		t[i].ctx = store_ctx_create(w.s, i);
		rng_init(&t[i].r, seed * 100 + i);
		seed_keys(&t[i]);
	}
	for (unsigned i = 1; i < THREADS; i++)
		CHECK(pthread_create(&t[i].id, NULL, run, &t[i]) == 0);
	add(&t[0]);
	atomic_store(&w.stop, true);
	for (unsigned i = 1; i < THREADS; i++)
		pthread_join(t[i].id, NULL);
	if (!store_check(w.s, &err))
		fail_msg("SEED=%llu store_check: %s", (unsigned long long)seed, err);
	for (unsigned i = 0; i < THREADS; i++) {
		*ops += t[i].ops;
		*splits += stat_read(&store_ctx_stats(t[i].ctx)[STORE_STAT_index_splits]);
		store_ctx_destroy(t[i].ctx);
	}
	store_destroy(w.s);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void test_growth(void **state)
{
	uint64_t seed = kit_seed(1), end = now_ms() + kit_env("GROWTH_MS", 1500);
	uint64_t ops = 0, splits = 0, rounds = 0;
	struct thread *t = calloc(THREADS, sizeof(*t));

	kit_fill(large_value, sizeof(large_value), 5);
	do
		one_round(t, seed++, &ops, &splits);
	while (rounds++, now_ms() < end);
	printf("%llu rounds, %llu ops beside %llu splits\n", (unsigned long long)rounds,
		(unsigned long long)ops, (unsigned long long)splits);
	assert_true(ops > 0);
	assert_true(splits >= rounds * (ADDED_KEYS / 8));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
