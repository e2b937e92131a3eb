// SPDX-License-Identifier: BSD-3-Clause
// Little room for replies: commands pause, block and go on, and nothing is half-written
// support: session

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/session.h"

static void feed(struct session *s, const char *text)
{
	session_feed(s, text, strlen(text));
}

static void parse(struct request *req, const char *line)
{
	assert_int_equal(ascii_parse(req, (const uint8_t *)line, strlen(line)), PARSE_OK);
}

// Take every chunk of the pool but spare ones.
static void fill_pool(struct session *s, struct chunkq *hog, uint32_t spare)
{
	static const uint8_t zero[CHUNK_ROOM];

	chunkq_init(hog, session_pool(s));
	while (pool_free_count(session_pool(s)) > spare)
		assert_true(chunkq_append(hog, zero, sizeof(zero)));
}

// Every command but quit: with an empty pool it says CMD_BLOCKED and does nothing, and does
// it when asked again.
static void test_blocked_before_anything(void **state)
{
	static const struct {
		const char *line, *reply;
	} rows[] = {{"get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"}, {"get zz\r\n", "END\r\n"},
		{"gat 0 a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"}, {"incr a 1\r\n", "2\r\n"},
		{"touch a 0\r\n", "TOUCHED\r\n"}, {"version\r\n", "VERSION 1.6.18\r\n"},
		{"verbosity 1\r\n", "OK\r\n"}, {"stats sizes\r\n", "STAT 32 1\r\nEND\r\n"},
		{"stats cachedump 1 0\r\n", "ITEM a [1 b; 0 s]\r\nEND\r\n"},
		{"lru_crawler metadump 2\r\n", "END\r\n"}, {"delete a\r\n", "DELETED\r\n"},
		{"stats reset\r\n", "RESET\r\n"},
		{"shutdown\r\n", "ERROR: shutdown not enabled\r\n"}, {"flush_all\r\n", "OK\r\n"}};
	struct session *s = session_create(NULL);
	struct chunkq hog, out;
	struct cmd_walk walk = {};

	(void)state;
	feed(s, "set a 0 0 1\r\n1\r\n");
	chunkq_init(&out, session_pool(s));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t got[128] = {};
		struct request req;
		enum cmd_status status;

		parse(&req, rows[i].line);
		req.walk = &walk;
		fill_pool(s, &hog, 0);
		for (unsigned again = 0; again < 3; again++) {
			assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_BLOCKED);
			assert_int_equal(out.len, 0);
		}
		chunkq_clear(&hog);
		do
			status = cmd_run(session_cmd(s), &req, &out, 9999);
		while (status == CMD_YIELD);
		assert_int_equal(status, CMD_DONE);
		chunkq_read(&out, got, sizeof(got) - 1);
		assert_string_equal((char *)got, rows[i].reply);
		chunkq_clear(&out);
	}
	session_destroy(s);
}

// With noreply nothing needs room.
static void test_noreply_never_blocks(void **state)
{
	static const char *const lines[] = {"incr a 1 noreply\r\n", "touch a 0 noreply\r\n",
		"delete a noreply\r\n", "verbosity 1 noreply\r\n", "flush_all noreply\r\n"};
	struct session *s = session_create(NULL);
	struct chunkq hog, out;

	(void)state;
	feed(s, "set a 0 0 1\r\n1\r\n");
	chunkq_init(&out, session_pool(s));
	fill_pool(s, &hog, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct request req;

		parse(&req, lines[i]);
		assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_DONE);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(session_stat(s, "cmd", "delete_hits"), 1);
	chunkq_clear(&hog);
	session_destroy(s);
}

static void test_put_blocked(void **state)
{
	struct session *s = session_create(NULL);
	struct cmd *c = session_cmd(s);
	struct chunkq hog, out;
	struct store_put put;
	struct request req;
	uint8_t got[64] = {};

	(void)state;
	chunkq_init(&out, session_pool(s));
	parse(&req, "set a 0 0 0\r\n");
	fill_pool(s, &hog, 0);
	assert_int_equal(cmd_put_begin(c, &req, &put, &out), CMD_BLOCKED);
	chunkq_clear(&hog);
	assert_int_equal(cmd_put_begin(c, &req, &put, &out), CMD_DONE);
	fill_pool(s, &hog, 0);
	assert_int_equal(cmd_put_end(c, &req, &put, true, &out), CMD_BLOCKED);
	assert_int_equal(session_stat(s, "cmd", "cmd_set"), 0);
	chunkq_clear(&hog);
	assert_int_equal(cmd_put_end(c, &req, &put, true, &out), CMD_DONE);
	chunkq_read(&out, got, sizeof(got) - 1);
	assert_string_equal((char *)got, "STORED\r\n");
	chunkq_clear(&out);
	session_destroy(s);
}

// A value that ran out of memory on its way: an error, and a set's old value is gone.
static void test_put_no_memory(void **state)
{
	struct session *s = session_create(NULL);
	struct cmd *c = session_cmd(s);
	struct store_put put;
	struct request req;
	struct chunkq out;
	uint8_t got[64] = {};

	(void)state;
	feed(s, "set a 0 0 1\r\n1\r\n");
	session_clear(s);
	chunkq_init(&out, session_pool(s));
	parse(&req, "set a 0 0 100000\r\n");
	assert_int_equal(cmd_put_begin(c, &req, &put, &out), CMD_DONE);
	assert_int_equal(cmd_put_no_memory(c, &req, &put, &out), CMD_SWALLOW);
	chunkq_read(&out, got, sizeof(got) - 1);
	assert_string_equal((char *)got, "SERVER_ERROR Out of memory during read\r\n");
	chunkq_clear(&out);
	feed(s, "get a\r\n");
	assert_string_equal(session_reply(s, NULL), "END\r\n");
	assert_int_equal(session_stat(s, "cmd", "store_no_memory"), 1);
	session_destroy(s);
}

// cmd_run pauses when the queue reaches the limit, and goes on where it was.
static void test_paused(void **state)
{
	struct session_conf conf = {.limit = 1};
	struct session *s = session_create(&conf);
	char want[4096] = "";
	char line[64];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "set k%u 0 0 2 noreply\r\n%02u\r\n", i, i);
		feed(s, line);
		snprintf(want + strlen(want), sizeof(want) - strlen(want),
			"VALUE k%u 0 2\r\n%02u\r\n", i, i);
	}
	strcat(want, "END\r\n");
	feed(s, "get");
	for (unsigned i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), " k%u zz%u", i, i);
		feed(s, line);
	}
	feed(s, "\r\n");
	assert_string_equal(session_reply(s, NULL), want);
	assert_int_equal(session_paused_count(s), 20);
	assert_int_equal(session_stat(s, "cmd", "cmd_get"), 40);
	session_destroy(s);
}

// A pool of few chunks: values wait for room whole, and no key is answered twice.
static void test_small_pool(void **state)
{
	struct session_conf conf = {.chunk_count = 4};
	struct session *s = session_create(&conf);
	char value[6000], line[64], want_head[64];
	const char *p;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		memset(value, 'a' + (int)i, sizeof(value));
		snprintf(line, sizeof(line), "set k%u 0 0 6000 noreply\r\n", i);
		feed(s, line);
		session_feed(s, value, sizeof(value));
		feed(s, "\r\n");
	}
	feed(s, "get k0 k1 k2 zz k3 k4 k5\r\n");
	p = session_reply(s, NULL);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(want_head, sizeof(want_head), "VALUE k%u 0 6000\r\n", i);
		assert_memory_equal(p, want_head, strlen(want_head));
		p += strlen(want_head);
		for (unsigned j = 0; j < 6000; j++)
			assert_int_equal(*p++, 'a' + i);
		assert_memory_equal(p, "\r\n", 2);
		p += 2;
	}
	assert_string_equal(p, "END\r\n");
	assert_true(session_blocked_count(s) >= 5);
	assert_int_equal(session_stat(s, "cmd", "get_hits"), 6);
	assert_int_equal(session_stat(s, "cmd", "get_misses"), 1);
	session_destroy(s);
}

// Never enough room: an error instead of waiting for ever, and no END.
static void test_value_larger_than_pool(void **state)
{
	struct session_conf conf = {.chunk_count = 4};
	struct session *s = session_create(&conf);
	char value[9000];

	(void)state;
	memset(value, 'x', sizeof(value));
	feed(s, "set a 0 0 9000 noreply\r\n");
	session_feed(s, value, sizeof(value));
	feed(s, "\r\nset b 0 0 1 noreply\r\nx\r\nget b a b\r\nget b\r\n");
	assert_string_equal(session_reply(s, NULL),
		"VALUE b 0 1\r\nx\r\n"
		"SERVER_ERROR out of memory writing get response\r\n"
		"VALUE b 0 1\r\nx\r\nEND\r\n");
	session_destroy(s);
}

// The same in the middle of a line that is run in pieces: what follows could not be told
// from the next reply.
static void test_value_larger_than_pool_in_pieces(void **state)
{
	struct session_conf conf = {.chunk_count = 4, .line_room = 300};
	struct session *s = session_create(&conf);
	char value[9000];

	(void)state;
	memset(value, 'x', sizeof(value));
	feed(s, "set a 0 0 9000 noreply\r\n");
	session_feed(s, value, sizeof(value));
	feed(s, "\r\nset b 0 0 1 noreply\r\nx\r\nget b a");
	for (unsigned i = 0; i < 200; i++)
		feed(s, " bb");
	assert_string_equal(session_reply(s, NULL),
		"VALUE b 0 1\r\nx\r\nSERVER_ERROR out of memory writing get response\r\n");
	assert_true(session_closed(s));
	session_destroy(s);
}

static void test_stats_blocked(void **state)
{
	struct session_conf conf = {.chunk_count = 4};
	struct session *s = session_create(&conf);
	struct chunkq hog, out;
	struct request req;
	char got[8192] = {}, before[1500];

	(void)state;
	memset(before, 'b', sizeof(before));
	chunkq_init(&out, session_pool(s));
	assert_true(chunkq_append(&out, before, sizeof(before)));
	parse(&req, "stats\r\n");
	fill_pool(s, &hog, 0);
	assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_BLOCKED);
	assert_int_equal(out.len, sizeof(before));
	chunkq_clear(&hog);
	assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_DONE);
	chunkq_seek(&out, 0);
	chunkq_read(&out, (uint8_t *)got, sizeof(got) - 1);
	assert_memory_equal(got, before, sizeof(before));
	assert_memory_equal(got + sizeof(before), "STAT pid ", 9);
	assert_string_equal(got + out.len - 5, "END\r\n");
	chunkq_clear(&out);
	session_destroy(s);
}

static void test_stats_larger_than_pool(void **state)
{
	static char value[3000];
	static const struct cmd_setting huge[] = {{"huge", value}, {NULL, NULL}};
	struct session_conf conf = {.chunk_count = 1, .settings = huge};
	struct session *s = session_create(&conf);

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	// About 1500 bytes: one chunk takes that, but not behind what is there already.
	feed(s, "stats\r\n");
	assert_memory_equal(session_reply(s, NULL), "STAT pid ", 9);
	session_clear(s);
	// Settings of 3000 bytes never fit.
	feed(s, "stats settings\r\nget a\r\n");
	assert_string_equal(
		session_reply(s, NULL), "SERVER_ERROR out of memory writing stats\r\nEND\r\n");
	session_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocked_before_anything),
		cmocka_unit_test(test_noreply_never_blocks),
		cmocka_unit_test(test_put_blocked),
		cmocka_unit_test(test_put_no_memory),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_small_pool),
		cmocka_unit_test(test_value_larger_than_pool),
		cmocka_unit_test(test_value_larger_than_pool_in_pieces),
		cmocka_unit_test(test_stats_blocked),
		cmocka_unit_test(test_stats_larger_than_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
