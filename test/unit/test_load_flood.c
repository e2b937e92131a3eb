// SPDX-License-Identifier: BSD-3-Clause
// A flood: the window, what answers are taken for, and that each request ends once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "load/flood.h"

#define WINDOW 100
#define TIMEOUT_NS 1000

static struct workload w;
static struct workload_cursor cursor;
static struct flood f;
static uint64_t now_ns;

static int setup(void **state)
{
	struct dist_conf dist = {.kind = DIST_UNIFORM, .count = 50, .seed = 1};
	char err[LOAD_ERR_SIZE];

	memset(&w, 0, sizeof(w));
	w.multiget = 1;
	w.verify = true;
	assert_int_equal(keyspace_make(&w.keys, 50, "16", err), 0);
	assert_int_equal(sizes_parse(&w.values, "32", 0, 1000, err), 0);
	assert_int_equal(dist_init(&w.dist, &dist, err), 0);
	workload_finish(&w);
	workload_cursor_init(&cursor, &w, 0, 1);
	flood_init(&f, &w, &cursor, WINDOW, TIMEOUT_NS);
	now_ns = 1;
	*state = tally_create();
	flood_begin(&f, *state);
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	keyspace_free(&w.keys);
	return 0;
}

// What a server answers to request i. wrong: the value's first byte is another.
static size_t answer(uint32_t i, bool wrong, uint8_t *dst)
{
	uint32_t len = workload_value_len(&w, f.key[i]);
	uint8_t *p = dst + FLOOD_FRAME_LEN;

	flood_request(&f, i, dst);
	p += sprintf((char *)p, "VALUE ");
	p += keyspace_format(&w.keys, f.key[i], p);
	p += sprintf((char *)p, " 7 %u\r\n", len);
	value_fill(p, f.key[i], 7, 0, len);
	p[0] ^= wrong;
	p += len;
	memcpy(p, "\r\nEND\r\n", 7);
	return (size_t)(p + 7 - dst);
}

static void feed(uint32_t i, const char *text)
{
	uint8_t buf[2048] = {0};

	store_be16(buf, (uint16_t)i);
	store_be16(buf + 4, 1);
	memcpy(buf + FLOOD_FRAME_LEN, text, strlen(text));
	flood_input(&f, buf, FLOOD_FRAME_LEN + strlen(text));
}

static void the_window_bounds(void **state)
{
	uint32_t request[2 * WINDOW];

	assert_int_equal(flood_next(&f, request, 60, now_ns), 60);
	assert_int_equal(flood_next(&f, request + 60, 60, now_ns), 40);
	assert_int_equal(flood_next(&f, request, 60, now_ns), 0);
	for (unsigned i = 1; i < WINDOW; i++)
		assert_int_equal(request[i], request[i - 1] + 1);
	feed(request[10], "END\r\n");
	assert_int_equal(flood_next(&f, request, 60, now_ns), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_get_sent), WINDOW + 1);
}

static void answers_are_told_apart(void **state)
{
	uint32_t request[WINDOW];
	uint8_t buf[2048];

	assert_int_equal(flood_next(&f, request, 8, now_ns), 8);
	feed(request[0], "END\r\n");
	feed(request[1], "SERVER_ERROR out of memory\r\n");
	feed(request[2], "?");
	feed(request[3], "");
	flood_input(&f, buf, flood_request(&f, request[4], buf));
	flood_input(&f, buf, answer(request[5], false, buf));
	flood_input(&f, buf, answer(request[5], false, buf)); // again
	flood_input(&f, buf, FLOOD_FRAME_LEN - 1);
	feed(FLOOD_REQUESTS, "END\r\n");
	feed(request[7] + 1, "END\r\n"); // never asked
	assert_int_equal(tally_get(*state, LOAD_STAT_get_misses), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_error_server), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_error_syntax), 2);
	assert_int_equal(tally_get(*state, LOAD_STAT_get_echoes), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_get_hits), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_strays), 4);
	assert_int_equal(tally_received(*state), 6);
	assert_false(tally_balanced(*state));
	flood_expire(&f, now_ns + TIMEOUT_NS);
	assert_int_equal(tally_lost(*state), 2);
	assert_int_equal(f.in_flight, 0);
	assert_true(tally_balanced(*state));
}

// Of many wrong values every FLOOD_CHECK_EVERY th is found, of right ones none.
static void some_are_checked(void **state)
{
	uint32_t request[FLOOD_CHECK_EVERY];
	uint8_t buf[2048];

	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(
			flood_next(&f, request, FLOOD_CHECK_EVERY, now_ns), FLOOD_CHECK_EVERY);
		for (unsigned i = 0; i < FLOOD_CHECK_EVERY; i++)
			flood_input(&f, buf, answer(request[i], round < 10, buf));
	}
	assert_int_equal(tally_get(*state, LOAD_STAT_error_value), 10);
	assert_int_equal(tally_get(*state, LOAD_STAT_get_hits), 20 * FLOOD_CHECK_EVERY - 10);
	assert_true(tally_balanced(*state));
}

// A lost request gives its place in the window back, and its answer is not taken any more.
static void lost_ones_end(void **state)
{
	uint32_t request[WINDOW], first;
	unsigned sent = 0;

	assert_int_equal(flood_next(&f, &first, 1, now_ns), 1);
	for (unsigned round = 0; round < 40; round++) {
		unsigned n = flood_next(&f, request, 50, ++now_ns);

		for (unsigned i = 0; i < n; i++) {
			assert_int_not_equal(request[i], first);
			feed(request[i], "END\r\n");
		}
		sent += n;
	}
	assert_true(sent > FLOOD_REQUESTS); // it was passed over
	assert_int_equal(f.in_flight, 1);
	now_ns += TIMEOUT_NS;
	for (unsigned round = 0; round < 40; round++) {
		unsigned n = flood_next(&f, request, 50, now_ns);

		for (unsigned i = 0; i < n; i++)
			feed(request[i], "END\r\n");
	}
	assert_int_equal(f.in_flight, 0);
	feed(first, "END\r\n");
	assert_int_equal(tally_lost(*state), 1);
	assert_int_equal(tally_get(*state, LOAD_STAT_strays), 1);
	assert_true(tally_balanced(*state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_window_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(some_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_ones_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
