// SPDX-License-Identifier: BSD-3-Clause
// lib/store under threads: self-checking values in tiny memory, all mechanisms crossed
// support: store_kit
//
// Keys of one writer must read monotonically; counters must be exact; a deleted key
// stays deleted for its writer; without evictions no key that is always present is
// ever missed; no expired item is served. STRESS_MS (per mode), SEED.

#include <pthread.h>
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

#define THREADS 4
#define STEADY_KEYS 400 // always present, one writer each
#define COMING_KEYS 400 // set and deleted, one writer each
#define COUNTER_KEYS 8 // incremented by all
#define MORTAL_KEYS 200 // with an expiry, any writer
#define FILLER_KEYS 20000 // pressure, in the mode with evictions
#define VALUE_MAX 120000
#define JOINED_MAX 60000 // of the shared value: whole, then in fragments

struct value_head {
	uint64_t key, seq;
	uint32_t len, sum;
};

struct world {
	struct store *s;
	bool no_evictions;
	uint64_t seed;
	_Atomic uint32_t now_s;
	_Atomic bool stop;
	_Atomic uint64_t counted[COUNTER_KEYS]; // successful increments
	_Atomic uint64_t joined; // successful appends and prepends to the shared value
};

struct thread {
	struct world *w;
	struct store_ctx *ctx;
	unsigned idx;
	pthread_t id;
	struct rng r;
	uint64_t steady_seq[STEADY_KEYS]; // newest seen, or written by us
	uint64_t coming_seq[COMING_KEYS];
	bool coming_gone[COMING_KEYS]; // ours: deleted, not set again
	uint64_t ops, hits, no_memory;
	uint8_t value[VALUE_MAX + 64];
};

static void broken(struct thread *t, const char *what, uint64_t key)
{
	fprintf(stderr, "seed %llu thread %u op %llu key %llu: %s\n",
		(unsigned long long)t->w->seed, t->idx, (unsigned long long)t->ops,
		(unsigned long long)key, what);
	abort();
}

static int key_text(char *text, char kind, uint64_t n)
{
	return snprintf(text, 32, "%c:%llu", kind, (unsigned long long)n);
}

static uint32_t body_sum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = len;

	for (uint32_t i = 0; i < len; i += 61)
		sum = sum * 31 + p[i];
	return len ? sum * 31 + p[len - 1] : sum;
}

// A value that tells whose it is and that it is whole.
static uint32_t value_make(struct thread *t, uint64_t key, uint64_t seq, uint32_t len)
{
	struct value_head h = {.key = key, .seq = seq, .len = len};
	uint8_t *body = t->value + sizeof(h);

	memset(body, (int)(key + seq), len);
	for (uint32_t i = 0; i < len; i += 4096)
		body[i] = (uint8_t)(seq + i / 4096);
	h.sum = body_sum(body, len);
	memcpy(t->value, &h, sizeof(h));
	return (uint32_t)sizeof(h) + len;
}

static uint64_t value_check(struct thread *t, uint64_t key, const struct store_ref *ref)
{
	struct value_head h;
	struct slice piece;

	if (ref->vlen < sizeof(h) || ref->vlen > VALUE_MAX)
		broken(t, "length out of range", key);
	for (uint32_t off = 0; off < ref->vlen; off += (uint32_t)piece.len) {
		store_ref_piece(ref, off, &piece);
		memcpy(t->value + off, piece.p, piece.len);
	}
	memcpy(&h, t->value, sizeof(h));
	if (h.key != key)
		broken(t, "the value of another key", key);
	if (h.len + sizeof(h) != ref->vlen || h.sum != body_sum(t->value + sizeof(h), h.len))
		broken(t, "a torn value", key);
	return h.seq;
}

static uint32_t random_len(struct thread *t)
{
	switch (rng_below(&t->r, 64)) {
	case 0:
		return 33000 + rng_below(&t->r, 50000);
	case 1:
	case 2:
		return 4000 + rng_below(&t->r, 8000);
	default:
		return rng_below(&t->r, 600);
	}
}

static enum store_status put(struct thread *t, char kind, uint64_t n, enum store_mode mode,
	uint32_t vlen, uint32_t exptime, uint64_t cas)
{
	char key[32];
	int len = key_text(key, kind, n);
	enum store_status status =
		kit_put(t->ctx, t->w->s, mode, key, (size_t)len, t->value, vlen, 0, exptime, cas);

	t->no_memory += status == STORE_NO_MEMORY;
	return status;
}

static enum store_status get(struct thread *t, char kind, uint64_t n, struct store_ref *ref)
{
	char key[32];
	int len = key_text(key, kind, n);
	uint32_t now_s = store_now_s(t->ctx);
	enum store_status status = store_get(t->ctx, (uint8_t *)key, (size_t)len,
		store_hash(t->w->s, (uint8_t *)key, (size_t)len), ref);

	if (status != STORE_OK)
		return status;
	t->hits++;
	// Expired by a clock that was read before: it must not be served. (Even ones may
	// have been touched after the store has judged them.)
	if (n % 2 && ref->exptime && ref->exptime <= now_s)
		broken(t, "expired item served", n);
	return status;
}

static uint64_t own_key(struct thread *t, unsigned count)
{
	return rng_below(&t->r, count / THREADS) * THREADS + t->idx;
}

static void step_steady(struct thread *t)
{
	bool write = rng_below(&t->r, 3) == 0;
	uint64_t n = write ? own_key(t, STEADY_KEYS) : rng_below(&t->r, STEADY_KEYS);
	struct store_ref ref;
	uint64_t seq;

	if (write) {
		seq = t->steady_seq[n] + 1;
		if (put(t, 's', n, STORE_SET, value_make(t, n, seq, random_len(t)), 0, 0) ==
			STORE_OK)
			t->steady_seq[n] = seq;
	}
	if (get(t, 's', n, &ref) != STORE_OK) {
		if (t->w->no_evictions)
			broken(t, "false miss", n);
		return;
	}
	seq = value_check(t, n, &ref);
	if (seq < t->steady_seq[n] || (write && seq != t->steady_seq[n]))
		broken(t, "went back in time", n);
	t->steady_seq[n] = seq;
}

static void step_coming(struct thread *t)
{
	uint64_t n = own_key(t, COMING_KEYS);
	struct store_ref ref;
	char key[32];
	int len = key_text(key, 'c', n);

	switch (rng_below(&t->r, 4)) {
	case 0:
		store_delete(t->ctx, (uint8_t *)key, (size_t)len,
			store_hash(t->w->s, (uint8_t *)key, (size_t)len));
		t->coming_gone[n] = true;
		break;
	case 1:
		// Only we write it: add must agree with what we know.
		switch (put(t, 'c', n, STORE_ADD,
			value_make(t, n, t->coming_seq[n] + 1, random_len(t)), 0, 0)) {
		case STORE_OK:
			if (!t->coming_gone[n] && t->coming_seq[n] && t->w->no_evictions)
				broken(t, "add of a present key won", n);
			t->coming_seq[n]++;
			t->coming_gone[n] = false;
			break;
		case STORE_NOT_STORED:
			if (t->coming_gone[n])
				broken(t, "add of a deleted key lost", n);
			break;
		default:
			break;
		}
		break;
	case 2:
		if (put(t, 'c', n, STORE_SET, value_make(t, n, t->coming_seq[n] + 1, random_len(t)),
			    0, 0) == STORE_OK) {
			t->coming_seq[n]++;
			t->coming_gone[n] = false;
		}
		break;
	default:
		break;
	}
	if (get(t, 'c', n, &ref) != STORE_OK) {
		if (!t->coming_gone[n] && t->coming_seq[n] && t->w->no_evictions)
			broken(t, "own write lost", n);
		return;
	}
	if (t->coming_gone[n])
		broken(t, "resurrected delete", n);
	if (value_check(t, n, &ref) != t->coming_seq[n])
		broken(t, "not our last write", n);
}

static void step_counter(struct thread *t)
{
	uint64_t n = rng_below(&t->r, COUNTER_KEYS), v, hash;
	struct store_ref ref;
	char key[32], text[24] = {0};
	int len = key_text(key, 'n', n);

	hash = store_hash(t->w->s, (uint8_t *)key, (size_t)len);
	if (rng_below(&t->r, 2)) {
		if (store_delta(t->ctx, (uint8_t *)key, (size_t)len, hash, false, 1, &v) ==
			STORE_OK)
			atomic_fetch_add(&t->w->counted[n], 1);
		return;
	}
	if (get(t, 'n', n, &ref) != STORE_OK)
		broken(t, "counter lost", n);
	memcpy(text, ref.value, ref.vlen < 20 ? ref.vlen : 20);
	len = snprintf((char *)t->value, 24, "%llu", strtoull(text, NULL, 10) + 1);
	if (put(t, 'n', n, STORE_CAS, (uint32_t)len, 0, ref.cas) == STORE_OK)
		atomic_fetch_add(&t->w->counted[n], 1);
}

static void step_mortal(struct thread *t)
{
	uint64_t n = rng_below(&t->r, MORTAL_KEYS);
	uint32_t exptime = store_now_s(t->ctx) + 1 + rng_below(&t->r, 4);
	struct store_ref ref;
	char key[32];
	int len = key_text(key, 'm', n);

	switch (rng_below(&t->r, 4)) {
	case 0:
		if (n % 2)
			break;
		store_touch(t->ctx, (uint8_t *)key, (size_t)len,
			store_hash(t->w->s, (uint8_t *)key, (size_t)len), exptime, NULL);
		break;
	case 1:
		put(t, 'm', n, STORE_SET, value_make(t, n, 1, random_len(t)), exptime, 0);
		break;
	default:
		if (get(t, 'm', n, &ref) == STORE_OK)
			value_check(t, n, &ref);
		break;
	}
}

// All append to one value: in the end it is as long as there were appends.
static void step_join(struct thread *t)
{
	struct store_ref ref;

	if (get(t, 'j', 0, &ref) != STORE_OK)
		broken(t, "joined value lost", 0);
	if (ref.vlen >= JOINED_MAX)
		return;
	memset(t->value, 'j', 8);
	if (put(t, 'j', 0, rng_below(&t->r, 2) ? STORE_APPEND : STORE_PREPEND, 8, 0, 0) == STORE_OK)
		atomic_fetch_add(&t->w->joined, 1);
}

// One writer appends its own pieces: the length tells how often.
static void step_append(struct thread *t)
{
	struct store_ref ref;
	struct slice piece;
	uint64_t n = t->idx;

	t->value[0] = (uint8_t)('a' + t->idx);
	if (get(t, 'a', n, &ref) != STORE_OK || ref.vlen > 60000) {
		put(t, 'a', n, STORE_SET, 1, 0, 0);
		return;
	}
	for (uint32_t off = 0; off < ref.vlen; off += (uint32_t)piece.len) {
		store_ref_piece(&ref, off, &piece);
		if (piece.p[0] != 'a' + t->idx || piece.p[piece.len - 1] != 'a' + t->idx)
			broken(t, "foreign bytes appended", n);
	}
	memset(t->value, 'a' + (int)t->idx, 200);
	put(t, 'a', n, rng_below(&t->r, 2) ? STORE_APPEND : STORE_PREPEND, 200, 0, 0);
}

static void step(struct thread *t)
{
	unsigned what = rng_below(&t->r, 100);

	if (what < 40)
		step_steady(t);
	else if (what < 60)
		step_coming(t);
	else if (what < 70)
		step_mortal(t);
	else if (what < 75)
		step_append(t);
	else if (t->w->no_evictions && what < 80)
		step_join(t);
	else if (t->w->no_evictions)
		step_counter(t);
	else
		put(t, 'f', rng_below(&t->r, FILLER_KEYS), STORE_SET,
			value_make(t, 0, 0, random_len(t)), 0, 0);
	t->ops++;
}

static void between(struct thread *t)
{
	unsigned what = rng_below(&t->r, 1000);

	if (t->idx == 0 && what < 5)
		atomic_fetch_add(&t->w->now_s, 1);
	// All present keys would be missed: only where misses are allowed.
	if (t->idx == 1 && what == 0 && !t->w->no_evictions)
		store_flush(t->ctx, 0);
	if (what >= 990) {
		store_offline(t->ctx);
		if (what == 999)
			nanosleep(&(struct timespec){0, 200000}, NULL);
		store_online(t->ctx);
	}
	store_tick(t->ctx, atomic_load(&t->w->now_s));
}

static void *run(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load_explicit(&t->w->stop, memory_order_relaxed)) {
		for (unsigned n = rng_below(&t->r, 12); n; n--)
			step(t);
		between(t);
	}
	return NULL;
}

static void seed_keys(struct world *w, struct thread *t)
{
	for (unsigned n = 0; n < STEADY_KEYS; n++)
		CHECK(put(t, 's', n, STORE_SET, value_make(t, n, 0, 10), 0, 0) == STORE_OK);
	memcpy(t->value, "0", 1);
	for (unsigned n = 0; n < COUNTER_KEYS; n++)
		CHECK(put(t, 'n', n, STORE_SET, 1, 0, 0) == STORE_OK);
	CHECK(put(t, 'j', 0, STORE_SET, 0, 0, 0) == STORE_OK);
	store_tick(t->ctx, KIT_NOW);
}

static void check_counters(struct world *w, struct thread *t)
{
	struct store_ref joined;

	if (w->no_evictions) {
		CHECK(get(t, 'j', 0, &joined) == STORE_OK);
		if (joined.vlen != 8 * atomic_load(&w->joined))
			broken(t, "appends lost", 0);
	}
	for (unsigned n = 0; n < COUNTER_KEYS && w->no_evictions; n++) {
		struct store_ref ref;
		char text[24] = {0};

		CHECK(get(t, 'n', n, &ref) == STORE_OK);
		memcpy(text, ref.value, ref.vlen < 20 ? ref.vlen : 20);
		if (strtoull(text, NULL, 10) != atomic_load(&w->counted[n]))
			broken(t, "increments lost", n);
	}
}

static uint64_t recycled(struct thread *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < THREADS; i++)
		sum += stat_read(&store_ctx_stats(t[i].ctx)[STORE_STAT_segments_reclaimed]);
	return sum;
}

static void stress(bool no_evictions)
{
	struct store_conf conf = {
		.mem_limit_bytes = 8 << 20,
		.item_size_max = 1 << 20,
		.no_evictions = no_evictions,
		.ctx_count_max = THREADS,
		.hash_key = {3, 4},
		.now_s = KIT_NOW,
	};
	struct world w = {.no_evictions = no_evictions, .seed = kit_seed(1)};
	struct thread *t = calloc(THREADS, sizeof(*t));
	uint64_t ops = 0, hits = 0, refused = 0, ms = kit_env("STRESS_MS", 700);
	const char *err = NULL;

	// Without evictions all that lives must fit: the smallest memory does not hold it.
	if (no_evictions)
		conf.mem_limit_bytes = 16 << 20;
	w.s = store_create(&conf, &err);
	CHECK(w.s);
	atomic_init(&w.now_s, KIT_NOW);
	for (unsigned i = 0; i < THREADS; i++) {
		t[i].w = &w;
		t[i].idx = i;
		t[i].ctx = store_ctx_create(w.s, i);
		rng_init(&t[i].r, w.seed * 1000 + i + no_evictions * 100);
	}
	seed_keys(&w, &t[0]);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i].id, NULL, run, &t[i]) == 0);
	nanosleep(&(struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000}, NULL);
	atomic_store(&w.stop, true);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i].id, NULL);
		ops += t[i].ops;
		hits += t[i].hits;
		refused += t[i].no_memory;
	}
	check_counters(&w, &t[0]);
	printf("%s: %llu ops, %llu hits, %llu segments recycled, %llu refused\n",
		no_evictions ? "no evictions" : "evictions", (unsigned long long)ops,
		(unsigned long long)hits, (unsigned long long)recycled(t),
		(unsigned long long)refused);
	assert_true(recycled(t) > 0);
	if (!store_check(w.s, &err))
		fail_msg("store_check: %s", err);
	for (unsigned i = 0; i < THREADS; i++)
		store_ctx_destroy(t[i].ctx);
	store_destroy(w.s);
	free(t);
}

static void test_with_evictions(void **state)
{
	stress(false);
}

static void test_without_evictions(void **state)
{
	stress(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_evictions),
		cmocka_unit_test(test_without_evictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
