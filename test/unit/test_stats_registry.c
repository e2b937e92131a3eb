// SPDX-License-Identifier: BSD-3-Clause
// The counter registry: sums over instances, reset, walking, its limits

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stats/stats.h"

enum { A_PACKETS, A_OPEN, A_DROPS, A_COUNT };

static const struct stat_desc a_desc[A_COUNT] = {
	{"packets", STAT_COUNTER, "packets seen"},
	{"open", STAT_GAUGE, "connections open now"},
	{"drop_short", STAT_DROP, "packets too short"},
};
static const struct stats_set a_set = {"a", a_desc, A_COUNT};

static const struct stat_desc b_desc[] = {{"packets", STAT_COUNTER, "packets sent"}};
static const struct stats_set b_set = {"b", b_desc, 1};

static uint64_t sum(const struct stats *s, const char *module, const char *name)
{
	uint64_t v = UINT64_MAX;

	assert_true(stats_sum(s, module, name, &v));
	return v;
}

static void test_sums_over_instances(void **state)
{
	struct stats *s = stats_create();
	stat_t w0[A_COUNT] = {0}, w1[A_COUNT] = {0}, b0[1] = {0};
	uint64_t v;

	assert_non_null(s);
	assert_int_equal(stats_register(s, &a_set, 0, w0), 0);
	assert_int_equal(stats_register(s, &a_set, 1, w1), 0);
	assert_int_equal(stats_register(s, &b_set, 0, b0), 0);
	stat_add(&w0[A_PACKETS], 40);
	stat_inc(&w1[A_PACKETS]);
	stat_inc(&w1[A_PACKETS]);
	stat_inc(&w1[A_DROPS]);
	stat_add(&b0[0], 7);
	assert_int_equal(sum(s, "a", "packets"), 42);
	assert_int_equal(sum(s, "a", "drop_short"), 1);
	assert_int_equal(sum(s, "b", "packets"), 7);
	assert_false(stats_sum(s, "a", "no_such", &v));
	assert_false(stats_sum(s, "c", "packets", &v));
	stats_destroy(s);
}

// A gauge may go down on another lcore than it went up on: the sum is what counts.
static void test_gauge_sums_across_instances(void **state)
{
	struct stats *s = stats_create();
	stat_t w0[A_COUNT] = {0}, w1[A_COUNT] = {0};

	stats_register(s, &a_set, 0, w0);
	stats_register(s, &a_set, 1, w1);
	stat_inc(&w0[A_OPEN]);
	stat_inc(&w0[A_OPEN]);
	stat_dec(&w1[A_OPEN]);
	assert_int_equal(sum(s, "a", "open"), 1);
	stats_destroy(s);
}

static void test_reset_keeps_gauges(void **state)
{
	struct stats *s = stats_create();
	stat_t w0[A_COUNT] = {0};

	stats_register(s, &a_set, 0, w0);
	stat_add(&w0[A_PACKETS], 5);
	stat_add(&w0[A_OPEN], 3);
	stat_add(&w0[A_DROPS], 2);
	stats_reset(s);
	assert_int_equal(sum(s, "a", "packets"), 0);
	assert_int_equal(sum(s, "a", "open"), 3);
	assert_int_equal(sum(s, "a", "drop_short"), 0);
	stat_inc(&w0[A_PACKETS]);
	assert_int_equal(sum(s, "a", "packets"), 1);
	// The lcore's own count goes on.
	assert_int_equal(stat_read(&w0[A_PACKETS]), 6);
	stats_reset(s);
	assert_int_equal(sum(s, "a", "packets"), 0);
	stats_destroy(s);
}

struct walked {
	unsigned count;
	const char *module[8], *name[8];
	uint64_t sum[8];
	unsigned n[8];
	uint64_t last[8];
};

static void note(void *arg, const char *module, const struct stat_desc *desc, uint64_t total,
	const uint64_t *per_instance, unsigned n)
{
	struct walked *w = arg;
	unsigned i = w->count++;

	assert_in_range(i, 0, 7);
	w->module[i] = module;
	w->name[i] = desc->name;
	w->sum[i] = total;
	w->n[i] = n;
	w->last[i] = per_instance[n - 1];
}

static void test_walk_is_in_table_order(void **state)
{
	struct stats *s = stats_create();
	stat_t w0[A_COUNT] = {0}, w1[A_COUNT] = {0}, b0[1] = {0};
	struct walked w = {0};

	stats_register(s, &a_set, 0, w0);
	stats_register(s, &b_set, 0, b0);
	stats_register(s, &a_set, 1, w1);
	stat_add(&w0[A_PACKETS], 1);
	stat_add(&w1[A_PACKETS], 2);
	stats_walk(s, note, &w);
	assert_int_equal(w.count, A_COUNT + 1);
	for (unsigned i = 0; i < A_COUNT; i++) {
		assert_string_equal(w.module[i], "a");
		assert_string_equal(w.name[i], a_desc[i].name);
		assert_int_equal(w.n[i], 2);
	}
	assert_string_equal(w.module[A_COUNT], "b");
	assert_int_equal(w.n[A_COUNT], 1);
	assert_int_equal(w.sum[A_PACKETS], 3);
	assert_int_equal(w.last[A_PACKETS], 2);
	stats_destroy(s);
}

static void test_limits(void **state)
{
	struct stats *s = stats_create();
	stat_t w[A_COUNT] = {0};
	struct stats_set sets[64];
	char name[64][8];
	unsigned made = 0;
	int ret = 0;

	while (made < 1000 && (ret = stats_register(s, &a_set, made, w)) == 0)
		made++;
	// Enough for 64 workers and 8 RX lcores, and then an error.
	assert_in_range(made, 72, 999);
	assert_int_equal(ret, -ENOSPC);
	for (made = 0; made < 64; made++) {
		name[made][0] = 'm';
		name[made][1] = (char)('0' + made / 10);
		name[made][2] = (char)('0' + made % 10);
		name[made][3] = '\0';
		sets[made] = (struct stats_set){name[made], b_desc, 1};
		ret = stats_register(s, &sets[made], 0, w);
		if (ret)
			break;
	}
	// Enough for each module of lib/.
	assert_in_range(made, 13, 63);
	assert_int_equal(ret, -ENOSPC);
	stats_destroy(s);
	stats_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_over_instances),
		cmocka_unit_test(test_gauge_sums_across_instances),
		cmocka_unit_test(test_reset_keeps_gauges),
		cmocka_unit_test(test_walk_is_in_table_order),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
