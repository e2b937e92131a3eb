// SPDX-License-Identifier: BSD-3-Clause
// The small latency histogram: slots, percentiles, merging over lcores, reset, what a walk shows

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "stats/latency.h"

// Slots follow each other without gap or overlap, none wider than an eighth of its values.
static void test_slots(void **state)
{
	for (uint32_t s = 0; s < LATENCY_SLOTS; s++) {
		uint64_t top = loglin_slot_top(s, LATENCY_SUB_BITS);
		uint64_t below = s ? loglin_slot_top(s - 1, LATENCY_SUB_BITS) : UINT64_MAX;

		assert_int_equal(loglin_slot(top, LATENCY_SUB_BITS), s);
		assert_int_equal(loglin_slot(below + 1, LATENCY_SUB_BITS), s);
		assert_true((top - below) * 8 <= top + 8);
	}
	assert_int_equal(loglin_slot_top(LATENCY_SLOTS - 1, LATENCY_SUB_BITS), (1ULL << 36) - 1);
}

static void test_counts(void **state)
{
	static struct latency l;

	assert_int_equal(latency_count(&l), 0);
	assert_int_equal(latency_permille_ns(&l, 500), 0);
	latency_add(&l, 0, 3);
	latency_add(&l, 127, 4);
	latency_add(&l, 128, 5);
	latency_add(&l, UINT64_MAX, 1);
	assert_int_equal(latency_count(&l), 13);
	assert_int_equal(latency_count_below(&l, 0), 3);
	assert_int_equal(latency_count_below(&l, 7), 7);
	assert_int_equal(latency_count_below(&l, 8), 12);
	assert_int_equal(latency_count_below(&l, 35), 12);
	assert_int_equal(latency_count_below(&l, 36), 13);
	assert_int_equal(latency_permille_ns(&l, 538), 127); // rank 6.99
	assert_in_range(latency_permille_ns(&l, 539), 128, 143); // rank 7.01
	assert_int_equal(stat_read(&l.sum_ns), 4 * 127 + 5 * 128 + (1ULL << 36) - 1);
}

// Against the values themselves, sorted by counting: never below, at most an eighth above.
static void test_percentiles(void **state)
{
	enum { VALUES = 100000, LIMIT = 1 << 20 };
	static uint32_t count[LIMIT];
	static struct latency l;
	struct rng rng;

	rng_init(&rng, 7);
	for (unsigned i = 0; i < VALUES; i++) {
		uint32_t v = rng_below(&rng, 1u << (1 + rng_below(&rng, 20)));

		count[v]++;
		latency_add(&l, v, 1);
	}
	for (unsigned permille = 1; permille <= 1000; permille++) {
		uint64_t rank = permille * (VALUES / 1000), seen = 0, want = 0, got;

		while ((seen += count[want]) < rank)
			want++;
		got = latency_permille_ns(&l, permille);
		assert_true(got >= want);
		assert_true((got - want) * 8 <= want + 8);
	}
}

static void test_registry(void **state)
{
	struct stats *s = stats_create();
	static struct latency a, b, other, sum;

	assert_int_equal(stats_register_latency(s, "wait", "waiting", &a), 0);
	assert_int_equal(stats_register_latency(s, "work", "working", &other), 0);
	assert_int_equal(stats_register_latency(s, "wait", "waiting", &b), 0);
	latency_add(&a, 100, 2);
	latency_add(&b, 1000, 1);
	latency_add(&other, 5, 7);
	assert_true(stats_latency(s, "wait", &sum));
	assert_int_equal(latency_count(&sum), 3);
	assert_int_equal(stat_read(&sum.sum_ns), 1200);
	assert_true(stats_latency(s, "work", &sum));
	assert_int_equal(latency_count(&sum), 7);
	assert_false(stats_latency(s, "wor", &sum));
	stats_reset(s);
	latency_add(&b, 100000, 1);
	assert_true(stats_latency(s, "wait", &sum));
	assert_int_equal(latency_count(&sum), 1);
	assert_int_equal(stat_read(&sum.sum_ns), 100000);
	assert_in_range(latency_permille_ns(&sum, 1), 100000, 112500);
	for (unsigned i = 2; i < 8; i++) {
		static const char *const name[] = {"c", "d", "e", "f", "g", "h"};

		assert_int_equal(stats_register_latency(s, name[i - 2], "", &other), 0);
	}
	assert_int_equal(stats_register_latency(s, "one more", "", &other), -ENOSPC);
	stats_destroy(s);
}

struct walk {
	char text[1000];
	size_t len;
};

static void note(void *arg, const char *module, const struct stat_desc *desc, uint64_t sum,
	const uint64_t *per_instance, unsigned n)
{
	struct walk *w = arg;

	w->len += (size_t)snprintf(w->text + w->len, sizeof(w->text) - w->len, "%s.%s %llu\n",
		module, desc->name, (unsigned long long)sum);
	assert_int_equal(desc->kind, STAT_GAUGE);
}

static void test_walk(void **state)
{
	struct stats *s = stats_create();
	static struct latency l;
	struct walk w = {.len = 0};

	stats_register_latency(s, "wait", "waiting", &l);
	latency_add(&l, 8, 990);
	latency_add(&l, 100, 9);
	latency_add(&l, 5000, 1);
	stats_walk(s, note, &w);
	assert_string_equal(w.text,
		"latency.wait_count 1000\nlatency.wait_sum_ns 13820\nlatency.wait_p50_ns 8\n"
		"latency.wait_p99_ns 8\nlatency.wait_p999_ns 103\nlatency.wait_max_ns 5119\n");
	stats_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
