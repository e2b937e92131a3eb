// SPDX-License-Identifier: BSD-3-Clause
// lib/store hits as often as S3-FIFO with as many items, give or take a point, and more than LRU
// support: store_kit cache_sim hit_load
//
// Seeded loads: Zipf reads, crossed by scans, with and without expiry. In 255 segments: the
// fewer there are, the coarser the order in which items leave.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "support/hit_load.h"
#include "support/store_kit.h"

#define MEM (32ULL << 20)
#define POINT 0.01

static struct hits run(const char *name, struct load_conf conf, uint32_t items)
{
	struct load l;
	struct hits h;

	conf.seed = kit_seed(conf.seed);
	l = load_make(&conf);
	h = load_run(&l, MEM, load_vlen(MEM, items));
	load_free(&l);
	printf("%s: seed %llu, %u items in %u segments: store %.4f, S3-FIFO %.4f, LRU %.4f\n", name,
		(unsigned long long)conf.seed, h.items, h.segments, h.store, h.s3fifo, h.lru);
	assert_true(h.segments >= 128);
	assert_true(h.items > items * 3 / 4);
	assert_true(h.store <= h.s3fifo + POINT);
	return h;
}

static void test_zipf(void **state)
{
	struct load_conf conf = {
		.seed = 1, .access_count = 400000, .key_count = 100000, .zipf = 0.9};
	struct hits h = run("zipf", conf, 10000);

	assert_true(h.store < h.lru - 2 * POINT);
}

// Where more keys come back after their eviction: ghosts.
static void test_flat_zipf(void **state)
{
	struct load_conf conf = {
		.seed = 2, .access_count = 400000, .key_count = 40000, .zipf = 0.7};
	struct hits h = run("flat zipf", conf, 10000);

	assert_true(h.store < h.lru - POINT);
}

static void test_scan(void **state)
{
	struct load_conf conf = {.seed = 3,
		.access_count = 400000,
		.key_count = 100000,
		.zipf = 0.9,
		.scan_percent = 25};
	struct hits h = run("zipf and scan", conf, 10000);

	// In whole segments the small queue is a little shorter than a tenth: better in a scan.
	assert_true(h.store < h.s3fifo);
	assert_true(h.store < h.lru - 4 * POINT);
}

// Expired items give their place back, which no list does: fewer misses than the reference
// with as many places.
static void test_expiry(void **state)
{
	struct load_conf conf = {.seed = 4,
		.access_count = 400000,
		.key_count = 100000,
		.zipf = 0.9,
		.scan_percent = 10,
		.ttl_s = {0, 20, 60, 200}};
	struct hits h = run("zipf, scan, expiry", conf, 10000);

	assert_true(h.store < h.s3fifo);
	assert_true(h.store < h.lru - 2 * POINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_flat_zipf),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
