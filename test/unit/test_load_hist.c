// SPDX-License-Identifier: BSD-3-Clause
// Latency histogram against an exact sort; its slots, merging, and HdrHistogram's text form

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "load/hist.h"

#define VALUES 100000

static int setup(void **state)
{
	*state = calloc(3, sizeof(struct hist));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

// Slots follow each other without a gap, and none is wider than a 1024th of its value.
static void slots_are_in_order_and_narrow(void **state)
{
	for (uint32_t s = 0; s + 1 < HIST_SLOTS; s++) {
		uint64_t top = hist_slot_top(s), width = s ? top - hist_slot_top(s - 1) : 1;

		assert_int_equal(hist_slot(top < HIST_MAX_NS ? top : HIST_MAX_NS),
			top < HIST_MAX_NS ? s : hist_slot(HIST_MAX_NS));
		if (top < HIST_MAX_NS)
			assert_int_equal(hist_slot(top + 1), top + 1 > HIST_MAX_NS ? s : s + 1);
		assert_true(width * 1024 <= top + width || width == 1);
	}
	assert_true(hist_slot(UINT64_MAX) < HIST_SLOTS);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_percentiles(const struct hist *h, uint64_t *v, size_t n)
{
	static const double percents[] = {0, 1, 10, 50, 90, 95, 99, 99.9, 99.99, 99.999, 100};

	qsort(v, n, sizeof(*v), by_value);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		size_t rank = (size_t)ceil(percents[i] / 100 * (double)n - 1e-6);
		uint64_t exact = v[rank ? rank - 1 : 0], got = hist_percentile(h, percents[i]);

		assert_true(got >= exact);
		assert_true(got - exact <= exact / 1000);
	}
	assert_int_equal(hist_percentile(h, 100), v[n - 1]);
	assert_int_equal(hist_min(h), v[0]);
}

static void percentiles_equal_an_exact_sort(void **state)
{
	struct hist *h = *state, *merged = h + 1;
	uint64_t *v = malloc(VALUES * sizeof(*v));
	struct rng rng;
	double sum;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		rng_init(&rng, seed);
		hist_reset(h);
		hist_reset(merged);
		sum = 0;
		for (size_t i = 0; i < VALUES; i++) {
			// All magnitudes from 1 ns to 60 s.
			v[i] = (rng_next(&rng) >> 28 >> rng_below(&rng, 36)) % HIST_MAX_NS;
			sum += (double)v[i];
			hist_add(i % 3 ? h : merged, v[i]);
		}
		hist_merge(merged, h);
		assert_int_equal(stat_read(&merged->total), VALUES);
		check_percentiles(merged, v, VALUES);
		assert_true(fabs(hist_mean(merged) / (sum / VALUES) - 1) < 1e-9);
	}
	free(v);
}

static void empty_and_single(void **state)
{
	struct hist *h = *state;

	assert_int_equal(hist_percentile(h, 99), 0);
	assert_int_equal(hist_min(h), 0);
	assert_true(hist_mean(h) == 0);
	hist_add(h, 0);
	assert_int_equal(hist_percentile(h, 50), 0);
	hist_reset(h);
	hist_add(h, 123456789);
	assert_int_equal(hist_percentile(h, 0), 123456789);
	assert_int_equal(hist_percentile(h, 99.99), 123456789);
	assert_int_equal(hist_min(h), 123456789);
}

static void too_long_is_counted_and_max_is_true(void **state)
{
	struct hist *h = *state;

	hist_add(h, 100000000000ULL);
	hist_add(h, 5);
	assert_int_equal(hist_percentile(h, 100), 100000000000ULL);
	assert_int_equal(stat_read(&h->total), 2);
}

static void difference_is_what_came_since(void **state)
{
	struct hist *h = *state, *before = h + 1, *diff = h + 2;

	for (unsigned i = 0; i < 1000; i++)
		hist_add(h, 10);
	hist_merge(before, h);
	for (unsigned i = 0; i < 100; i++)
		hist_add(h, 1000 + i);
	hist_diff(diff, h, before);
	assert_int_equal(stat_read(&diff->total), 100);
	assert_int_equal(hist_percentile(diff, 50), 1049);
}

static void hgrm_is_hdrhistograms_form(void **state)
{
	struct hist *h = *state;
	char *text = NULL, *line, *save = NULL;
	double value, quantile, last = -1, count, rest;
	size_t size;
	unsigned lines = 0;
	FILE *f = open_memstream(&text, &size);

	for (unsigned i = 1; i <= 10000; i++)
		hist_add(h, i * 1000);
	hist_write_hgrm(h, f, 5);
	fclose(f);
	line = strtok_r(text, "\n", &save);
	assert_string_equal(line, "       Value     Percentile TotalCount 1/(1-Percentile)");
	for (line = strtok_r(NULL, "\n", &save); line[0] != '#';
		line = strtok_r(NULL, "\n", &save)) {
		int n = sscanf(line, "%lf %lf %lf %lf", &value, &quantile, &count, &rest);

		assert_true(n == 4 || (n == 3 && quantile == 1));
		assert_true(quantile > last);
		// Evenly spread: the value follows from the quantile.
		assert_true(fabs(value / 10000 - (quantile < 1e-4 ? 1e-4 : quantile)) < 0.0021);
		assert_true(fabs(count / 10000 - (quantile < 1e-4 ? 1e-4 : quantile)) < 0.0021);
		if (n == 4)
			assert_true(fabs(rest * (1 - quantile) - 1) < 0.01);
		last = quantile;
		lines++;
	}
	assert_true(last == 1);
	assert_in_range(lines, 40, 80);
	assert_non_null(strstr(line, "#[Mean    =     5000."));
	line = strtok_r(NULL, "\n", &save);
	assert_string_equal(line, "#[Max     =    10000.000, Total count    =        10000]");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_in_order_and_narrow),
		cmocka_unit_test_setup_teardown(percentiles_equal_an_exact_sort, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_and_single, setup, teardown),
		cmocka_unit_test_setup_teardown(
			too_long_is_counted_and_max_is_true, setup, teardown),
		cmocka_unit_test_setup_teardown(difference_is_what_came_since, setup, teardown),
		cmocka_unit_test_setup_teardown(hgrm_is_hdrhistograms_form, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
