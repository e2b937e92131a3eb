// SPDX-License-Identifier: BSD-3-Clause
// Key distributions against their definitions: chi-square over the hot ranks, bijections, hot sets
//
// SEED=n reruns one seed, ROUNDS=n (default 6) runs more.

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "load/dist.h"

#define SAMPLES 200000
#define CELLS 64

static uint64_t seed_from(unsigned round)
{
	const char *env = getenv("SEED");

	return env ? strtoull(env, NULL, 10) : 1000 + round;
}

static unsigned rounds(void)
{
	const char *env = getenv("ROUNDS");

	return getenv("SEED") ? 1 : env ? (unsigned)atoi(env) : 6;
}

static void require(bool ok, uint64_t seed, const char *what, double value)
{
	if (!ok)
		fprintf(stderr, "SEED=%" PRIu64 ": %s: %g\n", seed, what, value);
	assert_true(ok);
}

static struct dist make(struct dist_conf conf)
{
	char err[LOAD_ERR_SIZE];
	struct dist d;

	assert_int_equal(dist_init(&d, &conf, err), 0);
	return d;
}

// Chi-square of counts in cells with these probabilities; CELLS - 1 degrees of freedom.
static double chi_square(const uint64_t *count, const double *p, uint64_t total)
{
	double sum = 0;

	for (unsigned i = 0; i < CELLS; i++) {
		double wanted = p[i] * (double)total, d = (double)count[i] - wanted;

		sum += d * d / wanted;
	}
	return sum;
}

// 63 degrees of freedom: above 120 once in 10^5 runs.
#define CHI_MAX 120.0

static void zipf_is_zipf(uint64_t seed, double s, uint32_t n, unsigned samples)
{
	struct dist d =
		make((struct dist_conf){.kind = DIST_ZIPF, .count = n, .seed = seed, .zipf_s = s});
	uint32_t *rank = malloc(n * sizeof(*rank));
	uint64_t count[CELLS] = {0};
	double p[CELLS] = {0}, all = 0;
	struct dist_cursor c;

	for (uint32_t r = 0; r < n; r++) {
		rank[dist_key_of_rank(&d, r)] = r;
		all += pow(r + 1, -s);
	}
	// A cell for each of the hottest ranks, the last one for all others.
	for (uint32_t r = 0; r < n; r++)
		p[r < CELLS - 1 ? r : CELLS - 1] += pow(r + 1, -s) / all;
	dist_cursor_init(&c, &d, 0, 1);
	for (unsigned i = 0; i < samples; i++) {
		uint32_t r = rank[dist_next(&d, &c)];

		count[r < CELLS - 1 ? r : CELLS - 1]++;
	}
	require(chi_square(count, p, samples) < CHI_MAX, seed, "chi-square of zipf", s);
	free(rank);
}

static void zipf(void **state)
{
	static const double exponents[] = {0.2, 0.5, 0.8, 0.99, 1.0, 1.01, 1.2, 1.4};

	for (unsigned r = 0; r < rounds(); r++)
		for (unsigned i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++)
			zipf_is_zipf(seed_from(r), exponents[i], i % 2 ? 1000 : 5000, SAMPLES);
	// Enough to see the 4 percent that the rejection takes off rank 2.
	zipf_is_zipf(seed_from(0), 1.4, 1000, 5 * SAMPLES);
	zipf_is_zipf(seed_from(0), 1.2, 1000, 5 * SAMPLES);
}

static void uniform_and_zipf_zero(void **state)
{
	for (unsigned r = 0; r < rounds(); r++) {
		for (unsigned kind = 0; kind < 2; kind++) {
			struct dist d =
				make((struct dist_conf){.kind = kind ? DIST_ZIPF : DIST_UNIFORM,
					.count = CELLS,
					.seed = seed_from(r)});
			uint64_t count[CELLS] = {0};
			struct dist_cursor c;
			double p[CELLS];

			dist_cursor_init(&c, &d, 0, 1);
			for (unsigned i = 0; i < CELLS; i++)
				p[i] = 1.0 / CELLS;
			for (unsigned i = 0; i < SAMPLES; i++)
				count[dist_next(&d, &c)]++;
			require(chi_square(count, p, SAMPLES) < CHI_MAX, seed_from(r), "uniform",
				kind);
		}
	}
}

static void ranks_are_a_bijection(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 10, 64, 1000, 1024, 9973, 100000};

	for (unsigned r = 0; r < rounds(); r++) {
		for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			uint32_t n = counts[i];
			struct dist d = make((struct dist_conf){
				.kind = DIST_ZIPF, .count = n, .seed = seed_from(r)});
			uint8_t *seen = calloc(n, 1);

			for (uint32_t k = 0; k < n; k++) {
				uint32_t key = dist_key_of_rank(&d, k);

				require(key < n && !seen[key], seed_from(r), "key twice", key);
				seen[key] = 1;
			}
			free(seen);
		}
	}
}

static void hot_set_gets_its_share(void **state)
{
	for (unsigned r = 0; r < rounds(); r++) {
		struct dist d = make((struct dist_conf){.kind = DIST_HOT,
			.count = 1000,
			.seed = seed_from(r),
			.hot_keys = 0.1,
			.hot_accesses = 0.9});
		uint8_t *hot = calloc(1000, 1);
		struct dist_cursor c;
		unsigned n = 0;

		for (uint32_t k = 0; k < 100; k++)
			hot[dist_key_of_rank(&d, k)] = 1;
		dist_cursor_init(&c, &d, 0, 1);
		for (unsigned i = 0; i < SAMPLES; i++)
			n += hot[dist_next(&d, &c)];
		// Five standard deviations.
		require(fabs((double)n / SAMPLES - 0.9) < 5 * sqrt(0.09 / SAMPLES), seed_from(r),
			"hot share", (double)n / SAMPLES);
		free(hot);
	}
}

static void threads_share_scans_and_differ_else(void **state)
{
	struct dist scan = make((struct dist_conf){.kind = DIST_SCAN, .count = 100, .seed = 1});
	struct dist uni = make((struct dist_conf){.kind = DIST_UNIFORM, .count = 1u << 30});
	uint8_t seen[100] = {0};
	unsigned same = 0;
	struct dist_cursor a, b;

	dist_cursor_init(&a, &scan, 0, 2);
	dist_cursor_init(&b, &scan, 1, 2);
	for (unsigned i = 0; i < 50; i++) {
		seen[dist_next(&scan, &a)]++;
		seen[dist_next(&scan, &b)]++;
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	dist_cursor_init(&a, &uni, 0, 2);
	dist_cursor_init(&b, &uni, 1, 2);
	for (unsigned i = 0; i < 1000; i++)
		same += dist_next(&uni, &a) == dist_next(&uni, &b);
	assert_int_equal(same, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zipf),
		cmocka_unit_test(uniform_and_zipf_zero),
		cmocka_unit_test(ranks_are_a_bijection),
		cmocka_unit_test(hot_set_gets_its_share),
		cmocka_unit_test(threads_share_scans_and_differ_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
