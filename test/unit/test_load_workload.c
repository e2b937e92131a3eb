// SPDX-License-Identifier: BSD-3-Clause
// Sizes, keys, traces and values: what the workload is made of

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "load/workload.h"

static struct sizes sizes;

static double share_of(uint32_t from, uint32_t to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIZES_STEPS; i++)
		n += sizes.step[i] >= from && sizes.step[i] <= to;
	return (double)n / SIZES_STEPS;
}

static void near(double got, double wanted, double off)
{
	if (fabs(got - wanted) > off)
		fail_msg("%g is not %g", got, wanted);
}

static void sizes_of_facebook(void **state)
{
	char err[LOAD_ERR_SIZE];

	assert_int_equal(sizes_parse(&sizes, "etc", 0, 1000000, err), 0);
	// Atikoglu 2012, table 5: shares of the small sizes; the rest is generalised Pareto.
	near(share_of(2, 2), 0.17820, 1e-4);
	near(share_of(3, 3), 0.09239, 1e-4);
	near(share_of(11, 11), 0.08989, 1e-4);
	near(share_of(0, 14), 0.44155, 2e-4);
	// The Pareto's median: 15 + 214.476 * (2^0.348238 - 1) / 0.348238.
	near(sizes.step[(unsigned)((0.44155 + 0.55845 / 2) * SIZES_STEPS)], 183, 2);
	assert_int_equal(sizes.cut, 0);
	assert_int_equal(sizes_parse(&sizes, "etc", 0, 1000, err), 0);
	assert_int_equal(sizes.largest, 1000);
	near((double)sizes.cut / SIZES_STEPS,
		0.55845 * pow(1 + 0.348238 * 985 / 214.476, -1 / 0.348238), 2e-3);
	assert_int_equal(sizes_parse(&sizes, "etc-key", 1, 250, err), 0);
	near(sizes.mean, 36, 1); // location + scale * 0.66 or so
	assert_int_equal(sizes_parse(&sizes, "usr-key", 1, 250, err), 0);
	near(share_of(16, 16), 0.5, 1e-4);
	near(share_of(21, 21), 0.5, 1e-4);
	assert_int_equal(sizes_parse(&sizes, "usr", 0, 1000, err), 0);
	near(share_of(2, 2), 1, 0);
}

static void sizes_of_other_kinds(void **state)
{
	static const char *const bad[] = {
		"", "x", "10-", "10-5", "-1", "1.5", "lognormal:0:1", "lognormal:5", "5 ", "2000"};
	char err[LOAD_ERR_SIZE];

	assert_int_equal(sizes_parse(&sizes, "lognormal:230:1.1", 0, 1000000, err), 0);
	near(sizes.step[(unsigned)(0.5 * SIZES_STEPS)], 230, 1);
	near(sizes.step[(unsigned)(0.841345 * SIZES_STEPS)], 230 * exp(1.1), 2);
	near(sizes.mean, 230 * exp(1.1 * 1.1 / 2), 8);
	assert_int_equal(sizes_parse(&sizes, "10-19", 0, 1000, err), 0);
	for (unsigned i = 10; i < 20; i++)
		near(share_of(i, i), 0.1, 1e-3);
	assert_int_equal(sizes_parse(&sizes, "77", 0, 1000, err), 0);
	near(share_of(77, 77), 1, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(sizes_parse(&sizes, bad[i], 0, 1000, err) != 0);
}

static void keys_are_distinct_and_known(void **state)
{
	struct keyspace *k = calloc(1, sizeof(*k));
	uint8_t a[KEYSPACE_KEY_MAX], b[KEYSPACE_KEY_MAX];
	char err[LOAD_ERR_SIZE];

	assert_int_equal(keyspace_make(k, 1000, "12", err), 0);
	assert_int_equal(keyspace_format(k, 0x1f3, a), 12);
	assert_memory_equal(a, "ringload:1f3", 12);
	for (uint32_t i = 1; i < 1000; i++) {
		keyspace_format(k, i, a);
		keyspace_format(k, i - 1, b);
		assert_memory_not_equal(a, b, 12);
		assert_true(keyspace_is(k, i, a, 12));
		assert_false(keyspace_is(k, i, b, 12));
		assert_false(keyspace_is(k, i, a, 11));
	}
	assert_true(keyspace_make(k, 1000, "2", err) != 0);
	assert_int_equal(keyspace_make(k, 4096, "3", err), 0);
	assert_int_equal(keyspace_format(k, 4095, a), 3);
	assert_memory_equal(a, "fff", 3);
	// Lengths by distribution: always the same for a key, never too short for its number.
	assert_int_equal(keyspace_make(k, 100000, "1-30", err), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t len = keyspace_format(k, i, a);

		assert_in_range(len, 5, 30);
		assert_int_equal(keyspace_format(k, i, b), len);
	}
	free(k);
}

static const char *temporary(const void *data, size_t len)
{
	static char path[32];
	int fd;

	strcpy(path, "/tmp/ringload-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	return path;
}

static void trace_of_lines(void **state)
{
	static const char text[] = "alpha\nbeta\r\nalpha\ngamma\nbeta\nalpha";
	static const uint32_t expected[] = {0, 1, 0, 2, 1, 0};
	struct keyspace *k = calloc(1, sizeof(*k));
	uint8_t key[KEYSPACE_KEY_MAX];
	char err[LOAD_ERR_SIZE];
	uint32_t *trace, len;
	const char *path = temporary(text, sizeof(text) - 1);

	assert_int_equal(keyspace_read_lines(k, path, &trace, &len, err), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(trace, expected, sizeof(expected));
	assert_int_equal(k->count, 3);
	assert_int_equal(k->longest, 5);
	assert_int_equal(keyspace_format(k, 1, key), 4);
	assert_memory_equal(key, "beta", 4);
	assert_true(keyspace_is(k, 2, (const uint8_t *)"gamma", 5));
	assert_false(keyspace_is(k, 2, (const uint8_t *)"gammb", 5));
	keyspace_free(k);
	free(trace);
	unlink(path);
	path = temporary("a\nb c\n", 6);
	assert_true(keyspace_read_lines(k, path, &trace, &len, err) != 0);
	assert_non_null(strstr(err, "line 2"));
	unlink(path);
	path = temporary("", 0);
	assert_true(keyspace_read_lines(k, path, &trace, &len, err) != 0);
	unlink(path);
	assert_true(keyspace_read_lines(k, "/nonexistent", &trace, &len, err) != 0);
	free(k);
}

static void trace_of_ids(void **state)
{
	static const uint32_t ids[] = {7, 0, 3, 7};
	char err[LOAD_ERR_SIZE];
	uint32_t *trace, len, count;
	const char *path = temporary(ids, sizeof(ids));
	struct dist_conf conf = {.kind = DIST_TRACE, .seed = 1};
	struct dist_cursor c;
	struct dist d;

	assert_int_equal(keyspace_read_ids(path, &trace, &len, &count, err), 0);
	assert_int_equal(len, 4);
	assert_int_equal(count, 8);
	conf.count = count;
	conf.trace = trace;
	conf.trace_len = len;
	assert_int_equal(dist_init(&d, &conf, err), 0);
	dist_cursor_init(&c, &d, 0, 1);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(dist_next(&d, &c), ids[i % 4]);
	free(trace);
	unlink(path);
	path = temporary("abc", 3);
	assert_true(keyspace_read_ids(path, &trace, &len, &count, err) != 0);
	unlink(path);
}

// Any piece of a value, at any offset, is that piece; one bit changed is seen.
static void values_check_themselves(void **state)
{
	uint8_t v[100], piece[100];

	value_fill(v, 5, 9, 0, sizeof(v));
	for (uint32_t off = 0; off < 40; off++) {
		for (uint32_t len = 0; len < 40; len++) {
			value_fill(piece, 5, 9, off, len);
			assert_memory_equal(piece, v + off, len);
			assert_true(value_is(v + off, 5, 9, off, len));
			if (len > 0) {
				piece[len - 1] ^= 1;
				assert_false(value_is(piece, 5, 9, off, len));
			}
		}
	}
	assert_false(value_is(v, 5, 10, 0, 100));
	assert_false(value_is(v, 6, 9, 0, 100));
}

static void requests_as_bytes(void **state)
{
	struct workload *w = calloc(1, sizeof(*w));
	struct load_request req = {.op = LOAD_GET, .key_count = 2, .key = {1, 255}};
	struct dist_conf conf = {.kind = DIST_UNIFORM, .count = 256, .seed = 1};
	char err[LOAD_ERR_SIZE];
	uint8_t buf[2000];

	assert_int_equal(keyspace_make(&w->keys, 256, "6", err), 0);
	assert_int_equal(sizes_parse(&w->values, "20", 0, 100, err), 0);
	assert_int_equal(dist_init(&w->dist, &conf, err), 0);
	w->multiget = 2;
	workload_finish(w);
	assert_int_equal(workload_format(w, &req, buf), 19);
	assert_memory_equal(buf, "get ring01 ringff\r\n", 19);
	req = (struct load_request){
		.op = LOAD_SET, .key_count = 1, .version = 4000000000, .key = {16}};
	assert_int_equal(workload_format(w, &req, buf), 10 + 18 + 22);
	assert_memory_equal(buf, "set ring10 4000000000 0 20\r\n", 28);
	assert_true(value_is(buf + 28, 16, 4000000000, 0, 20));
	assert_memory_equal(buf + 48, "\r\n", 2);
	assert_true(w->request_max >= 50);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_of_facebook),
		cmocka_unit_test(sizes_of_other_kinds),
		cmocka_unit_test(keys_are_distinct_and_known),
		cmocka_unit_test(trace_of_lines),
		cmocka_unit_test(trace_of_ids),
		cmocka_unit_test(values_check_themselves),
		cmocka_unit_test(requests_as_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
