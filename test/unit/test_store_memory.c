// SPDX-License-Identifier: BSD-3-Clause
// lib/store: eviction, compaction, expiry sweeps, no_evictions, grace periods
// support: store_kit

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

static uint8_t big[1 << 20];

static enum store_status set_n(
	struct kit *k, const char *prefix, unsigned i, uint32_t vlen, uint32_t exptime)
{
	char key[32];
	int n = snprintf(key, sizeof(key), "%s%u", prefix, i);

	return kit_put(k->ctx, k->s, STORE_SET, key, (size_t)n, big + i % 97, vlen, 0, exptime, 0);
}

static bool has_n(struct kit *k, const char *prefix, unsigned i)
{
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, i);
	return kit_has(k, key);
}

static bool is_n(struct kit *k, const char *prefix, unsigned i, uint32_t vlen)
{
	struct store_ref ref;
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, i);
	return kit_get(k, key, &ref) == STORE_OK && kit_ref_is(&ref, big + i % 97, vlen);
}

// 64 sets of any size between two ticks never fail, in any memory.
static void test_sets_never_fail(void **state)
{
	static const uint64_t mem[] = {8 * MIB, 16 * MIB, 64 * MIB, 256 * MIB};
	static const uint32_t vlen[] = {0, 100, 1000, 4000, 5000, 16000, 32768};

	for (unsigned m = 0; m < 4; m++) {
		for (unsigned v = 0; v < 7; v++) {
			struct kit k;
			unsigned count = (unsigned)(mem[m] * 3 / (vlen[v] + 200));

			if (count > 100000)
				count = 100000;
			kit_open(&k, mem[m], 4, false);
			for (unsigned i = 0; i < count; i++) {
				assert_int_equal(set_n(&k, "key", i, vlen[v], 0), STORE_OK);
				if (i % 64 == 63)
					kit_tick(&k, 1);
			}
			assert_true(is_n(&k, "key", count - 1, vlen[v]));
			assert_true(kit_check(&k));
			assert_int_equal(kit_stat(&k, STORE_STAT_out_of_memory), 0);
			kit_close(&k);
		}
	}
}

// The sizes change from one turn to the next: the first big ones meet full memory.
static void test_sudden_big_values(void **state)
{
	struct kit k;

	kit_open(&k, 8 * MIB, 1, false);
	for (unsigned i = 0; i < 100000; i++) {
		assert_int_equal(set_n(&k, "s", i, 50, 0), STORE_OK);
		if (i % 64 == 0)
			kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(set_n(&k, "b", i, 32768, 0), STORE_OK);
		if (i % 64 == 63)
			kit_tick(&k, 1);
	}
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_eviction_is_oldest_first(void **state)
{
	struct kit k;
	unsigned n = 0, lost = 0, kept = 0;

	kit_open(&k, 8 * MIB, 1, false);
	while (kit_stat(&k, STORE_STAT_evictions) == 0) {
		assert_int_equal(set_n(&k, "k", n++, 500, 0), STORE_OK);
		kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < n / 4; i++) {
		set_n(&k, "k", n++, 500, 0);
		kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < n; i++) {
		if (!has_n(&k, "k", i))
			lost++;
		else if (i < n / 8)
			kept++;
	}
	assert_true(lost > 0);
	assert_int_equal(kept, 0);
	assert_int_equal(lost, kit_stat(&k, STORE_STAT_evictions));
	assert_int_equal(kit_stat(&k, STORE_STAT_evicted_unfetched), lost);
	assert_true(has_n(&k, "k", n - 1));
	assert_true(kit_check(&k));
	kit_close(&k);
}

// What is read again and again survives a stream of things never read.
static void test_hits_protect_from_eviction(void **state)
{
	struct kit k;
	unsigned alive = 0;

	kit_open(&k, 8 * MIB, 1, false);
	for (unsigned i = 0; i < 500; i++)
		set_n(&k, "hot", i, 500, 0);
	for (unsigned i = 0; i < 60000; i++) {
		set_n(&k, "cold", i, 500, 0);
		has_n(&k, "hot", i % 500);
		if (i % 8 == 0)
			kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < 500; i++)
		alive += has_n(&k, "hot", i);
	assert_int_equal(alive, 500);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Overwriting a few keys for ever evicts nothing, whatever else is stored.
static void test_overwrites_evict_nothing(void **state)
{
	static const uint32_t vlen[] = {40, 3000, 20000, 100000};

	for (unsigned v = 0; v < 4; v++) {
		for (unsigned none = 0; none < 2; none++) {
			struct kit k;
			unsigned keys = (unsigned)(2 * MIB / (vlen[v] + 100));

			if (keys > 6000)
				keys = 6000;
			kit_open(&k, 8 * MIB, 1, none);
			for (unsigned i = 0; i < 1000; i++)
				assert_int_equal(set_n(&k, "still", i, 500, 0), STORE_OK);
			for (unsigned i = 0; i < keys * 12; i++) {
				// A stride, so that each segment keeps some live ones.
				unsigned key = i * 7919U % keys;

				assert_int_equal(set_n(&k, "k", key, vlen[v], 0), STORE_OK);
				kit_tick(&k, 1);
			}
			for (unsigned i = 0; i < keys; i++)
				assert_true(is_n(&k, "k", i, vlen[v]));
			for (unsigned i = 0; i < 1000; i++)
				assert_true(is_n(&k, "still", i, 500));
			assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
			assert_true(kit_check(&k));
			kit_close(&k);
		}
	}
}

static void test_one_key_overwritten(void **state)
{
	struct kit k;

	kit_open(&k, 8 * MIB, 1, true);
	for (unsigned i = 0; i < 300000; i++) {
		assert_int_equal(set_n(&k, "k", 0, 200, 0), STORE_OK);
		if (i % 64 == 0)
			kit_tick(&k, 1);
	}
	assert_true(kit_check(&k));
	kit_close(&k);
}

static unsigned fill_no_evictions(struct kit *k, uint32_t vlen, uint32_t exptime)
{
	unsigned n = 0;

	while (set_n(k, "k", n, vlen, exptime) == STORE_OK) {
		n++;
		kit_tick(k, 1);
	}
	return n;
}

static void test_no_evictions_says_so(void **state)
{
	struct kit k;
	unsigned n, again = 0;

	kit_open(&k, 8 * MIB, 1, true);
	n = fill_no_evictions(&k, 500, 0);
	// Most of the memory is used, nothing of it was lost.
	assert_true(n * 530 > 6 * MIB);
	for (unsigned i = 0; i < n; i++)
		assert_true(is_n(&k, "k", i, 500));
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	assert_true(kit_stat(&k, STORE_STAT_out_of_memory) > 0);
	// Deleting a tenth, here and there, makes room again for nearly as many.
	for (unsigned i = 0; i < n; i += 10) {
		char key[32];

		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(kit_delete(&k, key), STORE_OK);
	}
	for (unsigned i = 0; i < n / 10; i++) {
		enum store_status status = STORE_NO_MEMORY;

		for (unsigned tries = 0; tries < 1000 && status != STORE_OK; tries++) {
			status = set_n(&k, "new", i, 500, 0);
			kit_tick(&k, 1);
		}
		again += status == STORE_OK;
	}
	assert_true(again > n / 10 * 7 / 10);
	for (unsigned i = 0; i < n; i++)
		assert_true(i % 10 == 0 || is_n(&k, "k", i, 500));
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_no_evictions_expired_comes_back(void **state)
{
	struct kit k;
	unsigned n, again;

	kit_open(&k, 8 * MIB, 1, true);
	n = fill_no_evictions(&k, 500, k.now_s + 10);
	kit_pass(&k, 10);
	kit_tick(&k, 3000);
	// But for the open segment, which is filled on.
	assert_true(kit_usage(&k).curr_items < 250);
	again = fill_no_evictions(&k, 500, 0);
	assert_true(again >= n - n / 20);
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_no_evictions_flushed_comes_back(void **state)
{
	struct kit k;
	unsigned n, again;

	kit_open(&k, 8 * MIB, 1, true);
	n = fill_no_evictions(&k, 2000, 0);
	store_flush(k.ctx, 0);
	kit_tick(&k, 3000);
	again = fill_no_evictions(&k, 2000, 0);
	assert_true(again >= n - n / 20);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Expired items go away by themselves, with ticks alone.
static void test_sweep(void **state)
{
	struct kit k;
	struct store_usage u;

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < 20000; i++)
		set_n(&k, "k", i, 300, k.now_s + 5 + i % 10);
	for (unsigned i = 0; i < 1000; i++)
		set_n(&k, "stay", i, 300, 0);
	kit_pass(&k, 5 + 10);
	kit_tick(&k, 2000);
	u = kit_usage(&k);
	// All but what sits in the open segment.
	assert_true(u.curr_items < 1000 + 400);
	assert_true(kit_stat(&k, STORE_STAT_reclaimed) > 19000);
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(has_n(&k, "stay", i));
	assert_true(kit_check(&k));
	kit_close(&k);
}

// A segment is swept again for what expires later.
static void test_sweep_twice(void **state)
{
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < 10000; i++)
		set_n(&k, "k", i, 300, k.now_s + (i % 2 ? 5 : 50));
	kit_pass(&k, 30);
	kit_tick(&k, 1000);
	assert_true(kit_usage(&k).curr_items < 5000 + 400);
	kit_pass(&k, 20);
	kit_tick(&k, 1000);
	assert_true(kit_usage(&k).curr_items < 400);
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_touch_shorter_is_swept(void **state)
{
	struct kit k;
	char key[32];

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < 4000; i++)
		set_n(&k, "k", i, 300, 0);
	for (unsigned i = 0; i < 4000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		store_touch(
			k.ctx, (uint8_t *)key, strlen(key), kit_hash(&k, key), k.now_s + 3, NULL);
	}
	kit_pass(&k, 3);
	kit_tick(&k, 1000);
	assert_true(kit_usage(&k).curr_items < 400);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// A ctx that does not report holds memory back; offline it does not.
static void test_silent_ctx_stops_reuse(void **state)
{
	struct kit k;
	struct store_ctx *silent;
	struct store_ref ref;
	unsigned i;

	kit_open(&k, 8 * MIB, 2, false);
	silent = store_ctx_create(k.s, 1);
	set_n(&k, "seen", 1, 500, 0);
	assert_int_equal(
		store_get(silent, (const uint8_t *)"seen1", 5, kit_hash(&k, "seen1"), &ref),
		STORE_OK);
	for (i = 0; i < 100000; i++) {
		if (set_n(&k, "k", i, 500, 0) != STORE_OK)
			break;
		kit_tick(&k, 1);
	}
	assert_true(i < 100000);
	assert_true(kit_ref_is(&ref, big + 1, 500));
	assert_true(kit_stat(&k, STORE_STAT_out_of_memory) > 0);
	store_offline(silent);
	kit_tick(&k, 2);
	for (i = 0; i < 20000; i++) {
		assert_int_equal(set_n(&k, "k", i, 500, 0), STORE_OK);
		kit_tick(&k, 1);
	}
	store_online(silent);
	assert_int_equal(
		store_get(silent, (const uint8_t *)"k19999", 6, kit_hash(&k, "k19999"), &ref),
		STORE_OK);
	assert_true(kit_check(&k));
	store_ctx_destroy(silent);
	kit_close(&k);
}

// 128 ctxs that stored once and then only tick do not keep memory from coming back.
static void test_idle_ctxs(void **state)
{
	struct store_ctx *ctx[128];
	struct kit k;
	char key[16];

	kit_open(&k, 64 * MIB, 128, false);
	ctx[0] = k.ctx;
	for (unsigned i = 1; i < 128; i++) {
		ctx[i] = store_ctx_create(k.s, i);
		snprintf(key, sizeof(key), "idle%u", i);
		assert_int_equal(kit_put(ctx[i], k.s, STORE_SET, key, strlen(key), "v", 1, 0, 0, 0),
			STORE_OK);
	}
	for (unsigned i = 0; i < 60000; i++) {
		assert_int_equal(set_n(&k, "k", i, 3000, 0), STORE_OK);
		if (i % 16 == 0)
			for (unsigned j = 0; j < 128; j++)
				store_tick(ctx[j], k.now_s);
	}
	assert_true(kit_check(&k));
	for (unsigned i = 1; i < 128; i++)
		store_ctx_destroy(ctx[i]);
	kit_close(&k);
}

// The same with a buffer of each in a segment of its own: when these are sealed, the
// idle ctxs must let go of them.
static void test_idle_ctxs_in_many_segments(void **state)
{
	struct store_ctx *ctx[70];
	struct kit k;
	unsigned n = 0;
	char key[16];

	kit_open(&k, 8 * MIB, 70, false);
	ctx[0] = k.ctx;
	for (unsigned i = 1; i < 70; i++) {
		ctx[i] = store_ctx_create(k.s, i);
		snprintf(key, sizeof(key), "idle%u", i);
		assert_int_equal(kit_put(ctx[i], k.s, STORE_SET, key, strlen(key), "v", 1, 0, 0, 0),
			STORE_OK);
		for (unsigned j = 0; j < 130; j++)
			assert_int_equal(set_n(&k, "k", n++, 1000, 0), STORE_OK);
		for (unsigned j = 0; j <= i; j++)
			store_tick(ctx[j], k.now_s);
	}
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(set_n(&k, "k", n++, 1000, 0), STORE_OK);
		for (unsigned j = 0; j < 70; j++)
			store_tick(ctx[j], k.now_s);
	}
	assert_true(kit_check(&k));
	for (unsigned i = 1; i < 70; i++)
		store_ctx_destroy(ctx[i]);
	kit_close(&k);
}

// Puts of one ctx may interleave, and a buffer may be closed under a begun one.
static void test_interleaved_puts(void **state)
{
	struct store_put put[200];
	struct kit k;
	char key[16];

	kit_open(&k, 8 * MIB, 1, false);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 200; i++) {
			uint8_t *room;
			size_t len;
			int n = snprintf(key, sizeof(key), "p%u", i);

			assert_int_equal(store_put_begin(k.ctx, &put[i], (uint8_t *)key, (size_t)n,
						 kit_hash(&k, key), 0, 0, 1000),
				STORE_OK);
			assert_true(store_put_room(k.ctx, &put[i], &room, &len));
			assert_int_equal(len, 1000);
			memset(room, (int)(i + round), len);
			store_put_wrote(&put[i], len);
		}
		for (unsigned j = 0; j < 200; j++) {
			unsigned i = (j * 77) % 200;

			if (i % 5 == 0)
				store_put_abort(k.ctx, &put[i]);
			else
				assert_int_equal(
					store_put_commit(k.ctx, &put[i], STORE_SET, 0), STORE_OK);
		}
		assert_true(kit_check(&k));
		kit_tick(&k, 1);
		for (unsigned i = 0; i < 200; i++) {
			uint8_t want[1000];
			struct store_ref ref;

			snprintf(key, sizeof(key), "p%u", i);
			memset(want, (int)(i + round), sizeof(want));
			if (i % 5 == 0)
				assert_false(kit_has(&k, key));
			else
				assert_true(kit_get(&k, key, &ref) == STORE_OK &&
					    kit_ref_is(&ref, want, 1000));
		}
	}
	kit_close(&k);
}

// Small items fill the index: chains grow into the overflow buckets.
static void test_many_tiny_items(void **state)
{
	struct kit k;
	unsigned alive = 0, n = 150000;

	kit_open(&k, 16 * MIB, 1, false);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(set_n(&k, "", i, 1, 0), STORE_OK);
		if (i % 32 == 0)
			kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < n; i++)
		alive += has_n(&k, "", i);
	assert_int_equal(alive, kit_usage(&k).curr_items);
	assert_int_equal(n - alive, kit_stat(&k, STORE_STAT_evictions));
	assert_true(alive > 120000);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// stats_usage counts what a full chain in no_evictions refuses.
static void test_full_chain_without_evictions(void **state)
{
	struct kit k;
	char key[16];

	kit_open(&k, 8 * MIB, 1, true);
	for (unsigned i = 0; i < 36; i++) {
		struct store_put put;
		int n = snprintf(key, sizeof(key), "k%u", i);

		assert_int_equal(
			store_put_begin(k.ctx, &put, (uint8_t *)key, (size_t)n, 77, 0, 0, 0),
			STORE_OK);
		assert_int_equal(store_put_commit(k.ctx, &put, STORE_SET, 0),
			i < 35 ? STORE_OK : STORE_NO_MEMORY);
	}
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_never_fail),
		cmocka_unit_test(test_sudden_big_values),
		cmocka_unit_test(test_eviction_is_oldest_first),
		cmocka_unit_test(test_hits_protect_from_eviction),
		cmocka_unit_test(test_overwrites_evict_nothing),
		cmocka_unit_test(test_one_key_overwritten),
		cmocka_unit_test(test_no_evictions_says_so),
		cmocka_unit_test(test_no_evictions_expired_comes_back),
		cmocka_unit_test(test_no_evictions_flushed_comes_back),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_twice),
		cmocka_unit_test(test_touch_shorter_is_swept),
		cmocka_unit_test(test_silent_ctx_stops_reuse),
		cmocka_unit_test(test_idle_ctxs),
		cmocka_unit_test(test_idle_ctxs_in_many_segments),
		cmocka_unit_test(test_interleaved_puts),
		cmocka_unit_test(test_many_tiny_items),
		cmocka_unit_test(test_full_chain_without_evictions),
	};

	kit_fill(big, sizeof(big), 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
