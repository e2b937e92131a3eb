// SPDX-License-Identifier: BSD-3-Clause
// lib/store: pinned values stay in place under eviction, within a budget, and all come back
// support: store_kit

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/store_kit.h"

#define MIB (1ULL << 20)
#define VALUE_LEN 4000
#define PINS_MAX 4096

static uint8_t bytes[1 << 20];

static void value_of(uint8_t *p, uint32_t len, unsigned i)
{
	kit_fill(p, len, 1000 + i);
}

static void set_n(struct kit *k, unsigned i, uint32_t vlen)
{
	char key[32];
	int n = snprintf(key, sizeof(key), "key%u", i);

	value_of(bytes, vlen, i);
	assert_int_equal(
		kit_put(k->ctx, k->s, STORE_SET, key, (size_t)n, bytes, vlen, 0, 0, 0), STORE_OK);
}

// Pins the piece of the i-th value at off. False: refused.
static bool pin_n(struct kit *k, unsigned i, uint32_t off, struct extref *x)
{
	struct store_ref ref;
	struct slice piece;
	char key[32];

	snprintf(key, sizeof(key), "key%u", i);
	assert_int_equal(kit_get(k, key, &ref), STORE_OK);
	store_ref_piece(&ref, off, &piece);
	return store_pin(k->ctx, piece, x);
}

static void assert_bytes(const struct extref *x, unsigned i, uint32_t off)
{
	value_of(bytes, off + x->len, i);
	assert_memory_equal(x->p, bytes + off, x->len);
}

// So many sets that every segment is used again several times.
static void churn(struct kit *k, unsigned from)
{
	uint64_t mem = kit_usage(k).mem_limit_bytes;

	for (unsigned i = 0; i < 4 * mem / VALUE_LEN; i++) {
		set_n(k, from + i, VALUE_LEN);
		if (i % 16 == 15)
			kit_tick(k, 1);
	}
}

static void test_pinned_value_survives_eviction(void **state)
{
	struct extref x;
	uint32_t free_before;
	struct kit k;

	kit_open(&k, 8 * MIB, 1, false);
	set_n(&k, 1, VALUE_LEN);
	assert_true(pin_n(&k, 1, 0, &x));
	assert_int_equal(x.len, VALUE_LEN);
	kit_tick(&k, 2);
	// Its own version is replaced: the hit would have had it moved elsewhere.
	set_n(&k, 1, 17);
	churn(&k, 10);
	assert_bytes(&x, 1, 0);
	assert_int_equal(kit_usage(&k).segment_pinned_count, 1);
	assert_true(kit_check(&k));
	kit_tick(&k, 1000); // whatever was being reclaimed is done
	free_before = kit_usage(&k).segment_free_count;
	kit_tick(&k, 10);
	assert_int_equal(kit_usage(&k).segment_free_count, free_before);
	extref_release(&x);
	assert_int_equal(kit_usage(&k).segment_pinned_count, 0);
	// Its memory is in use again after the next turn.
	kit_tick(&k, 1);
	assert_int_equal(kit_usage(&k).segment_free_count, free_before + 1);
	assert_true(kit_check(&k));
	assert_int_equal(kit_stat(&k, STORE_STAT_pins), 1);
	kit_close(&k);
}

// Deleted and overwritten while a reply reads it: all fragments keep their bytes.
static void test_fragments_survive_overwriting(void **state)
{
	uint32_t len = 200000, off = 0;
	struct extref x[16];
	unsigned n = 0;
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	set_n(&k, 1, len);
	for (; off < len; off += x[n++].len)
		assert_true(pin_n(&k, 1, off, &x[n]));
	assert_int_equal(off, len);
	assert_true(n > 1);
	set_n(&k, 1, 17);
	assert_int_equal(kit_delete(&k, "key1"), STORE_OK);
	churn(&k, 10);
	off = 0;
	for (unsigned i = 0; i < n; off += x[i++].len)
		assert_bytes(&x[i], 1, off);
	for (unsigned i = 0; i < n; i++)
		extref_release(&x[i]);
	kit_tick(&k, 2);
	assert_int_equal(kit_usage(&k).segment_pinned_count, 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// As many pins as are granted never make a set fail, and never pass a twentieth.
static void test_pins_have_a_budget(void **state)
{
	static struct extref x[PINS_MAX];
	struct store_usage u;
	unsigned n = 0, max;
	struct kit k;

	kit_open(&k, 8 * MIB, 1, false);
	max = kit_usage(&k).segment_count / 20;
	assert_true(max >= 2);
	for (unsigned round = 0; round < 2; round++) {
		n = 0;
		for (unsigned i = 0; i < PINS_MAX; i++) {
			set_n(&k, i, VALUE_LEN);
			n += pin_n(&k, i, 0, &x[n]);
			if (i % 16 == 15)
				kit_tick(&k, 1);
		}
		u = kit_usage(&k);
		assert_int_equal(u.segment_pinned_count, max);
		assert_true(kit_stat(&k, STORE_STAT_pins_refused) > 0);
		assert_int_equal(
			kit_stat(&k, STORE_STAT_pins) + kit_stat(&k, STORE_STAT_pins_refused),
			(round + 1) * PINS_MAX);
		churn(&k, PINS_MAX);
		assert_int_equal(kit_stat(&k, STORE_STAT_out_of_memory), 0);
		assert_true(kit_check(&k));
		for (unsigned i = 0; i < n; i++)
			extref_release(&x[i]);
		kit_tick(&k, 2);
		assert_int_equal(kit_usage(&k).segment_pinned_count, 0);
		assert_true(kit_check(&k));
	}
	kit_close(&k);
}

// ---- readers in other threads, under eviction

#define READERS 2
#define READS 3000
#define KEYS 400

struct reader {
	struct store *s;
	unsigned idx;
	uint64_t kept;
	_Atomic bool *stop;
};

static bool piece_is_whole(const struct extref *x)
{
	static _Thread_local uint8_t want[VALUE_LEN];
	uint64_t seed;

	// A value begins with the seed of its rest.
	memcpy(&seed, x->p, sizeof(seed));
	kit_fill(want, VALUE_LEN - sizeof(seed), seed);
	return memcmp(x->p + sizeof(seed), want, VALUE_LEN - sizeof(seed)) == 0;
}

// Holds up to 8 values over turns in which they may be overwritten and evicted.
static void *reader_run(void *arg)
{
	struct reader *r = arg;
	struct store_ctx *ctx = store_ctx_create(r->s, r->idx);
	struct extref x[8];
	bool held[8] = {false};

	for (unsigned i = 0; i < READS; i++) {
		unsigned slot = i % 8;
		struct store_ref ref;
		struct slice piece;
		char key[32];
		int n = snprintf(key, sizeof(key), "key%u", i * 7 % KEYS);
		uint64_t hash = store_hash(r->s, (uint8_t *)key, (size_t)n);

		if (held[slot]) {
			if (!piece_is_whole(&x[slot]))
				abort();
			extref_release(&x[slot]);
			held[slot] = false;
		}
		if (store_get(ctx, (uint8_t *)key, (size_t)n, hash, &ref) == STORE_OK) {
			store_ref_piece(&ref, 0, &piece);
			held[slot] = store_pin(ctx, piece, &x[slot]);
			r->kept += held[slot];
		}
		store_tick(ctx, KIT_NOW);
	}
	for (unsigned i = 0; i < 8; i++)
		if (held[i])
			extref_release(&x[i]);
	store_ctx_destroy(ctx);
	return NULL;
}

static void put_seeded(struct store_ctx *ctx, struct store *s, unsigned i, uint64_t seed)
{
	uint8_t value[VALUE_LEN];
	char key[32];
	int n = snprintf(key, sizeof(key), "key%u", i);

	memcpy(value, &seed, sizeof(seed));
	kit_fill(value + sizeof(seed), VALUE_LEN - sizeof(seed), seed);
	kit_put(ctx, s, STORE_SET, key, (size_t)n, value, VALUE_LEN, 0, 0, 0);
}

static void *writer_run(void *arg)
{
	struct reader *r = arg;
	struct store_ctx *ctx = store_ctx_create(r->s, r->idx);

	for (uint64_t seed = 1; !atomic_load(r->stop); seed++) {
		put_seeded(ctx, r->s, (unsigned)(seed * 13 % (8 * KEYS)), seed);
		store_tick(ctx, KIT_NOW);
	}
	store_ctx_destroy(ctx);
	return NULL;
}

static void test_readers_in_other_threads(void **state)
{
	_Atomic bool stop = false;
	struct reader r[READERS + 1];
	pthread_t thread[READERS + 1];
	uint64_t kept = 0;
	struct kit k;

	kit_open(&k, 8 * MIB, READERS + 2, false);
	for (unsigned i = 0; i < KEYS; i++) {
		put_seeded(k.ctx, k.s, i, i);
		kit_tick(&k, 1);
	}
	store_offline(k.ctx);
	for (unsigned i = 0; i <= READERS; i++) {
		r[i] = (struct reader){.s = k.s, .idx = i + 1, .stop = &stop};
		assert_int_equal(pthread_create(&thread[i], NULL,
					 i < READERS ? reader_run : writer_run, &r[i]),
			0);
	}
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(thread[i], NULL);
		kept += r[i].kept;
	}
	atomic_store(&stop, true);
	pthread_join(thread[READERS], NULL);
	store_online(k.ctx);
	kit_tick(&k, 2);
	assert_true(kept > 0);
	assert_int_equal(kit_usage(&k).segment_pinned_count, 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned_value_survives_eviction),
		cmocka_unit_test(test_fragments_survive_overwriting),
		cmocka_unit_test(test_pins_have_a_budget),
		cmocka_unit_test(test_readers_in_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
