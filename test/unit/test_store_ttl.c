// SPDX-License-Identifier: BSD-3-Clause
// lib/store: what expires together stands together, and its memory comes back whole
// support: store_kit

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "store/index.h"
#include "store/segment.h"
#include "support/store_kit.h"

#define MIB (1ULL << 20)
#define DAY_S 86400U

static uint8_t value[1000];

static const char *key_n(char key[32], const char *prefix, unsigned i)
{
	snprintf(key, 32, "%s%u", prefix, i);
	return key;
}

static void set(struct kit *k, const char *prefix, unsigned i, uint32_t ttl_s)
{
	char key[32];

	key_n(key, prefix, i);
	assert_int_equal(kit_put(k->ctx, k->s, STORE_SET, key, strlen(key), value, 500, 0,
				 ttl_s ? k->now_s + ttl_s : 0, 0),
		STORE_OK);
	kit_tick(k, 1);
}

static const void *place(struct kit *k, const char *prefix, unsigned i)
{
	struct store_ref ref;
	char key[32];

	return kit_get(k, key_n(key, prefix, i), &ref) == STORE_OK ? ref.item : NULL;
}

// ---- classes

static void test_classes(void **state)
{
	unsigned last = 0;

	assert_int_equal(ttl_class(0, 1000), 0);
	assert_int_equal(ttl_class(900, 1000), ttl_class(1001, 1000)); // over already
	for (uint64_t ttl_s = 1; ttl_s <= UINT32_MAX; ttl_s += 1 + ttl_s / 50) {
		unsigned c = ttl_class((uint32_t)ttl_s, 0);

		assert_true(c >= last && c >= 1 && c < TTL_CLASS_COUNT);
		assert_true(ttl_class_end_s(c) >= ttl_s);
		if (ttl_s >= 4)
			assert_true(ttl_class_end_s(c) <= ttl_s + ttl_s / 4);
		last = c;
		for (unsigned shift = 0; shift <= TTL_SHIFT_MAX; shift++) {
			unsigned g = ttl_group(c, shift);

			assert_true(shift == TTL_SHIFT_MAX ? g == 0 : g >= 1 && g <= c);
			assert_int_equal(ttl_group(g, shift), g);
		}
	}
	assert_int_equal(last, TTL_CLASS_COUNT - 1);
}

// ---- a storm

#define STAYING 4000
#define STORM 20000

// Items that expire are stored among others that stay, again and again. Each time all the memory
// of the storm comes back: no item that stays is evicted, or so much as moved.
static void test_storm_gives_memory_back(void **state)
{
	static const void *was[STAYING];
	uint32_t free_before;
	struct kit k;

	kit_open(&k, 32 * MIB, 1, false);
	for (unsigned i = 0; i < STAYING; i++) {
		set(&k, "stay", i, 0);
		for (unsigned n = 0; n < STORM / STAYING; n++)
			set(&k, "storm", i * (STORM / STAYING) + n, 10);
	}
	free_before = kit_usage(&k).segment_free_count;
	for (unsigned i = 0; i < STAYING; i++)
		was[i] = place(&k, "stay", i);
	for (unsigned round = 0; round < 6; round++) {
		kit_pass(&k, 12);
		kit_tick(&k, 3000);
		kit_pass(&k, 1);
		kit_tick(&k, 3000);
		assert_int_equal(kit_usage(&k).curr_items, STAYING);
		// 20,000 items of 528 bytes and more: 80 segments.
		assert_true(kit_usage(&k).segment_free_count >= free_before + 80);
		for (unsigned i = 0; i < STORM; i++)
			set(&k, "storm", i, 10);
		assert_true(kit_usage(&k).segment_free_count + 2 >= free_before);
	}
	for (unsigned i = 0; i < STAYING; i++)
		assert_ptr_equal(place(&k, "stay", i), was[i]);
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	assert_int_equal(kit_stat(&k, STORE_STAT_reclaimed), 6 * STORM);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Survivors of eviction and compaction go to segments of what is left of their lives.
static void test_survivors_stay_apart(void **state)
{
	unsigned seen = 0;
	struct kit k;
	struct rng r;

	rng_init(&r, 1);
	kit_open(&k, 16 * MIB, 1, false);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned n = rng_below(&r, 9000);

		set(&k, "a", n, n % 2 ? 300 : 0);
		place(&k, "a", rng_below(&r, 9000));
		if (i % 1000 == 0)
			kit_pass(&k, 1);
	}
	for (unsigned i = 0; i < 9000; i++) {
		const uint8_t *p = place(&k, "a", i);
		const struct segment *g = p ? segment_of(k.s, (uint64_t)(p - k.s->base)) : NULL;

		if (!g || lane_kind(g->lane) != KIND_MOVED)
			continue;
		assert_int_equal(lane_group(g->lane) != 0, i % 2);
		seen++;
	}
	assert_true(seen > 500);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// ---- to the second

// Wherever an item stands, and whether its segment has been swept or not.
static void expires_exactly(uint64_t mem_bytes)
{
	static const uint32_t ttl[] = {1, 2, 3, 5, 8, 13, 14, 15, 30, 31, 59, 60};
	enum { KINDS = sizeof(ttl) / sizeof(ttl[0]) };
	uint32_t start;
	struct kit k;

	kit_open(&k, mem_bytes, 1, false);
	start = k.now_s;
	for (unsigned second = 0; second < 130; second++) {
		for (unsigned i = 0; second < 60 && i < 40 * KINDS; i++)
			set(&k, "x", second * 40 * KINDS + i, ttl[i % KINDS]);
		for (unsigned i = 0; i < 60 * 40 * KINDS; i += 7) {
			uint32_t stored = start + i / (40 * KINDS);
			bool lives = stored <= k.now_s && stored + ttl[i % KINDS] > k.now_s;

			assert_int_equal(place(&k, "x", i) != NULL, lives);
		}
		kit_pass(&k, 1);
		kit_tick(&k, 200);
	}
	kit_tick(&k, 1000);
	assert_int_equal(kit_usage(&k).curr_items, 0);
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_expires_to_the_second(void **state)
{
	expires_exactly(64 * MIB);
}

// ---- many lifetimes

static uint32_t many_ttl(unsigned i)
{
	return (uint32_t)(3 + i % 60 * (i % 60) * 700); // to 28 days
}

// As many lanes as memory allows; the rest shares. Nothing is evicted while half is free.
static void many_lifetimes(uint64_t mem_bytes, unsigned count)
{
	struct kit k;

	kit_open(&k, mem_bytes, 1, false);
	for (unsigned i = 0; i < count; i++)
		set(&k, "m", i, many_ttl(i) + DAY_S);
	assert_true(k.s->ttl_shift > 0);
	assert_true(k.s->open_count <= k.s->open_max + OPEN_MIN);
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	for (unsigned i = 0; i < count; i++)
		assert_non_null(place(&k, "m", i));
	assert_true(kit_check(&k));
	kit_pass(&k, 40 * DAY_S);
	kit_tick(&k, 3000);
	kit_pass(&k, 1);
	kit_tick(&k, 3000);
	// But for what is in the open segment of all lifetimes together.
	assert_true(kit_usage(&k).curr_items < 256);
	assert_true(kit_usage(&k).segment_free_count + 4 >= kit_usage(&k).segment_count);
	kit_close(&k);
}

static void test_many_lifetimes(void **state)
{
	many_lifetimes(8 * MIB, 5000);
	many_lifetimes(64 * MIB, 40000);
}

// Joined lifetimes part again when there are few of them.
static void test_lifetimes_part_again(void **state)
{
	struct kit k;

	kit_open(&k, 8 * MIB, 1, false);
	for (unsigned i = 0; i < 3000; i++)
		set(&k, "m", i, 2 + i % 60 * 20);
	assert_true(k.s->ttl_shift > 0);
	for (unsigned n = 0; n < 700 * TTL_SHIFT_MAX; n += 50)
		kit_pass(&k, 50);
	assert_int_equal(k.s->ttl_shift, 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// The segment of a lifetime that is used no more comes back too.
static void test_idle_lane_is_closed(void **state)
{
	uint32_t free_before;
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	free_before = kit_usage(&k).segment_free_count;
	set(&k, "once", 1, 100);
	assert_int_equal(kit_usage(&k).segment_free_count, free_before - 1);
	for (unsigned n = 0; n < 130; n++)
		kit_pass(&k, 1);
	kit_tick(&k, 3000);
	assert_int_equal(kit_usage(&k).segment_free_count, free_before);
	assert_int_equal(kit_stat(&k, STORE_STAT_reclaimed), 1);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_storm_gives_memory_back),
		cmocka_unit_test(test_survivors_stay_apart),
		cmocka_unit_test(test_expires_to_the_second),
		cmocka_unit_test(test_many_lifetimes),
		cmocka_unit_test(test_lifetimes_part_again),
		cmocka_unit_test(test_idle_lane_is_closed),
	};

	kit_fill(value, sizeof(value), 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
