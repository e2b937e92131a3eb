// SPDX-License-Identifier: BSD-3-Clause
// stats cachedump, lru_crawler metadump, stats sizes: as memcached 1.6.18 shows items
// support: session

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/session.h"

static const char *ask(struct session *s, const char *request)
{
	session_clear(s);
	session_feed(s, request, strlen(request));
	return session_reply(s, NULL);
}

static void assert_reply(struct session *s, const char *request, const char *want)
{
	const char *got = ask(s, request);

	if (strcmp(got, want) != 0)
		fail_msg("%.60s answered\n[%s], not\n[%s]", request, got, want);
}

static void set(struct session *s, const char *key, const char *exptime, unsigned vlen)
{
	size_t n = strlen(key) + vlen + 64;
	char *line = malloc(n);

	assert_non_null(line);
	snprintf(line, n, "set %s 0 %s %u\r\n%0*u\r\n", key, exptime, vlen, (int)vlen, 7);
	assert_reply(s, line, "STORED\r\n");
	free(line);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

// One line per item, each field with its true value; both forms of the same items.
static void test_fields(void **state)
{
	struct session *s = session_create(NULL);
	const char *got;

	(void)state;
	assert_reply(s, "lru_crawler metadump all\r\n", "END\r\n");
	assert_reply(s, "stats cachedump 1 0\r\n", "END\r\n");
	set(s, "a%b", "0", 3);
	session_tick(s, SESSION_START_S + 5);
	set(s, "ttl", "100", 1);
	set(s, "large", "0", 100000);
	session_tick(s, SESSION_START_S + 9);
	ask(s, "get ttl\r\n");
	got = ask(s, "lru_crawler metadump all\r\n");
	// What memcached shows for the first two but for cas and size, which are ours: a
	// record has a header of 24 bytes, and its value's CRLF.
	assert_non_null(strstr(got, "key=a%25b exp=-1 la=1700000000 cas="));
	assert_non_null(strstr(got, " fetch=no cls=1 size=32\n"));
	assert_non_null(strstr(got, "key=ttl exp=1700000105 la=1700000009 cas="));
	assert_non_null(strstr(got, " fetch=yes cls=1 size=32\n"));
	assert_non_null(strstr(got, "key=large exp=-1 la=1700000005 cas="));
	assert_int_equal(count(got, "\n"), 4);
	assert_string_equal(got + strlen(got) - 5, "END\r\n");
	got = ask(s, "stats cachedump 1 0\r\n");
	assert_non_null(strstr(got, "ITEM a%b [3 b; 0 s]\r\n"));
	assert_non_null(strstr(got, "ITEM ttl [1 b; 1700000105 s]\r\n"));
	assert_non_null(strstr(got, "ITEM large [100000 b; 0 s]\r\n"));
	assert_int_equal(count(got, "\n"), 4);
	// What is expired or flushed is not shown.
	session_tick(s, SESSION_START_S + 105);
	assert_null(strstr(ask(s, "lru_crawler metadump all\r\n"), "key=ttl"));
	ask(s, "flush_all\r\n");
	assert_reply(s, "lru_crawler metadump all\r\n", "END\r\n");
	assert_reply(s, "stats cachedump 1 0\r\n", "END\r\n");
	assert_reply(s, "stats sizes\r\n", "END\r\n");
	session_destroy(s);
}

// The cas of a dump is the one that gets shows, and its size what stats counts as bytes.
static void test_cas_and_size(void **state)
{
	struct session *s = session_create(NULL);
	unsigned long long cas = 0, dumped = 0, size = 0, bytes = 0;

	(void)state;
	set(s, "k", "0", 70000);
	assert_int_equal(sscanf(ask(s, "gets k\r\n"), "VALUE k 0 70000 %llu", &cas), 1);
	assert_int_equal(sscanf(ask(s, "lru_crawler metadump all\r\n"),
				 "key=k exp=-1 la=1700000000 cas=%llu fetch=yes cls=1 size=%llu",
				 &dumped, &size),
		2);
	assert_int_equal(dumped, cas);
	assert_int_equal(
		sscanf(strstr(ask(s, "stats\r\n"), "STAT bytes "), "STAT bytes %llu", &bytes), 1);
	assert_int_equal(size, bytes);
	assert_true(size > 70000);
	session_destroy(s);
}

// The longest key of bytes that all need %XX; memcached's uriencode (observed).
static void test_uri(void **state)
{
	struct session *s = session_create(NULL);
	char key[251], line[1024], want[1024] = "key=";

	(void)state;
	set(s, "\x01k\xc3\xa9/~_-.!*'()", "0", 1);
	assert_non_null(strstr(ask(s, "lru_crawler metadump hash\r\n"),
		"key=%01k%C3%A9%2F~_-.%21%2A%27%28%29 exp=-1 "));
	ask(s, "flush_all\r\n");
	memset(key, 0xff, 250);
	key[250] = 0;
	set(s, key, "2000000000", 1);
	for (unsigned i = 0; i < 250; i++)
		strcat(want, "%FF");
	strcat(want, " exp=2000000000 la=1700000000 ");
	assert_non_null(strstr(ask(s, "lru_crawler metadump 1\r\n"), want));
	snprintf(line, sizeof(line), "ITEM %s [1 b; 2000000000 s]\r\nEND\r\n", key);
	assert_reply(s, "stats cachedump 1 0\r\n", line);
	session_destroy(s);
}

// Every answer here was observed on memcached 1.6.18.
static void test_arguments(void **state)
{
	static const char *const rows[][2] = {
		{"stats cachedump\r\n", "CLIENT_ERROR bad command line\r\n"},
		{"stats cachedump 1\r\n", "CLIENT_ERROR bad command line\r\n"},
		{"stats cachedump x 0\r\n", "CLIENT_ERROR bad command line format\r\n"},
		{"stats cachedump 1 x\r\n", "CLIENT_ERROR bad command line format\r\n"},
		{"stats cachedump -1 0\r\n", "CLIENT_ERROR bad command line format\r\n"},
		{"stats cachedump 1 -1\r\n", "CLIENT_ERROR bad command line format\r\n"},
		{"stats cachedump 0 0\r\n", "END\r\n"},
		{"stats cachedump 2 0\r\n", "END\r\n"},
		{"stats cachedump 63 0\r\n", "END\r\n"},
		{"stats cachedump 64 0\r\n", "CLIENT_ERROR Illegal slab id\r\n"},
		{"stats cachedump 1 0 foo bar\r\n", "ITEM a [1 b; 0 s]\r\nEND\r\n"},
		{"stats cachedump 4294967297 0\r\n", "ITEM a [1 b; 0 s]\r\nEND\r\n"},
		{"stats cachedump\t1 0\r\n", "ERROR\r\n"},
		{"stats sizes foo\r\n", "STAT 32 1\r\nEND\r\n"},
		{"lru_crawler metadump 2\r\n", "END\r\n"},
		{"lru_crawler metadump 63\r\n", "END\r\n"},
		{"lru_crawler metadump 0\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump 64\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump x\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump 1,x\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump ALL\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump all,1\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump noreply\r\n", "BADCLASS invalid class id\r\n"},
		{"lru_crawler metadump ,\r\n", "NOTSTARTED no items to crawl\r\n"},
		{"lru_crawler disable\r\n", "OK\r\n"},
	};
	struct session *s = session_create(NULL);

	(void)state;
	set(s, "a", "0", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_reply(s, rows[i][0], rows[i][1]);
	assert_int_equal(count(ask(s, "lru_crawler metadump 1,2\r\n"), "key=a exp="), 1);
	assert_int_equal(count(ask(s, "lru_crawler metadump 2,,1\r\n"), "key=a exp="), 1);
	session_destroy(s);
}

// memcached with -X; sizes show no keys.
static void test_not_allowed(void **state)
{
	static const char *const rows[][2] = {
		{"stats cachedump\r\n", "CLIENT_ERROR stats cachedump not allowed\r\n"},
		{"stats cachedump 1 0\r\n", "CLIENT_ERROR stats cachedump not allowed\r\n"},
		{"lru_crawler metadump all\r\n", "ERROR metadump not allowed\r\n"},
		{"lru_crawler metadump x\r\n", "ERROR metadump not allowed\r\n"},
		{"lru_crawler metadump\r\n", "ERROR\r\n"},
		{"stats sizes\r\n", "STAT 32 1\r\nEND\r\n"},
	};
	struct session *s = session_create(&(struct session_conf){.no_dump = true});

	(void)state;
	set(s, "a", "0", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_reply(s, rows[i][0], rows[i][1]);
	session_destroy(s);
}

// Without a connection to go on with (UDP) no walk begins.
static void test_no_walk(void **state)
{
	static const char *const lines[] = {"stats cachedump 1 0\r\n", "stats sizes\r\n",
		"stats conns\r\n", "lru_crawler metadump all\r\n"};
	struct session *s = session_create(NULL);
	struct chunkq out;

	(void)state;
	chunkq_init(&out, session_pool(s));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct request req;
		char got[64] = "";

		assert_int_equal(
			ascii_parse(&req, (const uint8_t *)lines[i], strlen(lines[i])), PARSE_OK);
		assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_DONE);
		chunkq_read(&out, (uint8_t *)got, sizeof(got) - 1);
		assert_string_equal(got, "CLIENT_ERROR not available over UDP\r\n");
		chunkq_clear(&out);
	}
	session_destroy(s);
}

// A limit of items counts over pauses, and so do the 2 MiB that memcached keeps to.
static void test_limits(void **state)
{
	struct session *s = session_create(&(struct session_conf){.limit = 1000});
	char key[251], line[64];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 9000; i++) {
		snprintf(key, sizeof(key), "%0250u", i);
		set(s, key, "0", 1);
	}
	for (unsigned n = 1; n < 9000; n *= 7) {
		snprintf(line, sizeof(line), "stats cachedump 1 %u\r\n", n);
		assert_int_equal(count(ask(s, line), "ITEM "), n);
		assert_non_null(strstr(session_reply(s, NULL), "s]\r\nEND\r\n"));
	}
	assert_true(session_paused_count(s) > 100);
	ask(s, "stats cachedump 1 0\r\n");
	session_reply(s, &len);
	// 268 bytes each; one more with END and its NUL would not fit.
	assert_int_equal(len, ((2 << 20) - 6) / 268 * 268 + 5);
	ask(s, "stats cachedump 1 9000\r\n");
	assert_int_equal(count(session_reply(s, NULL), "ITEM "), ((2 << 20) - 6) / 268);
	assert_int_equal(count(ask(s, "lru_crawler metadump all\r\n"), "key="), 9000);
	session_destroy(s);
}

// 32-byte steps up to 1 MiB, then of 32 KiB; each item in the step that its size is in.
static void test_sizes(void **state)
{
	struct session *s = session_create(&(struct session_conf){
		.mem_limit_bytes = 256 << 20,
		.item_size_max = 32 << 20,
	});
	unsigned total = 0, items = 0, edge, n;
	unsigned long long bytes = 0, low = 0, high = 0;
	const char *p;

	(void)state;
	// Records of 24 bytes, the key, the value and CRLF, rounded up to 8.
	set(s, "a", "0", 5);
	set(s, "b", "0", 6);
	set(s, "c", "0", 37);
	assert_reply(s, "stats sizes\r\n", "STAT 32 1\r\nSTAT 64 2\r\nEND\r\n");
	for (unsigned vlen = 1; vlen < 31u << 20; vlen = vlen * 3 + 1) {
		char key[16];

		snprintf(key, sizeof(key), "k%u", vlen);
		set(s, key, "0", vlen);
	}
	p = strstr(ask(s, "stats\r\n"), "STAT bytes ");
	assert_int_equal(sscanf(p, "STAT bytes %llu", &bytes), 1);
	p = strstr(session_reply(s, NULL), "STAT curr_items ");
	assert_int_equal(sscanf(p, "STAT curr_items %u", &items), 1);
	p = ask(s, "stats sizes\r\n");
	for (; sscanf(p, "STAT %u %u\r\n", &edge, &n) == 2; p = strchr(p, '\n') + 1) {
		unsigned step = edge <= 1 << 20 ? 32 : 32768;

		assert_int_equal(edge % step, 0);
		assert_true(n > 0);
		total += n;
		high += (unsigned long long)edge * n;
		low += (unsigned long long)(edge - step + 1) * n;
	}
	assert_string_equal(p, "END\r\n");
	assert_int_equal(total, items);
	assert_true(low <= bytes && bytes <= high);
	session_destroy(s);
}

// The walk stops to let others work, though the index is empty and nothing is to be said.
static void test_steps_are_bounded(void **state)
{
	struct session *s = session_create(NULL);
	struct store_usage u;
	unsigned chains_max = 32 * STORE_WALK_CHAINS_MAX;

	(void)state;
	store_usage(session_store(s), &u);
	assert_reply(s, "lru_crawler metadump all\r\n", "END\r\n");
	assert_true(session_yield_count(s) >= (1u << u.hash_power_level) / chains_max - 1);
	assert_reply(s, "stats sizes\r\n", "END\r\n");
	assert_true(session_yield_count(s) >= 2 * ((1u << u.hash_power_level) / chains_max - 1));
	session_destroy(s);
}

// Two clients ask for sizes: the second waits for the first, whose end sets it free.
static void test_sizes_one_at_a_time(void **state)
{
	static const char line[] = "stats sizes\r\n";
	struct session *s = session_create(NULL);
	struct cmd_walk one = {}, two = {};
	struct request req;
	struct chunkq out;
	char got[64] = "";

	(void)state;
	set(s, "a", "0", 1);
	chunkq_init(&out, session_pool(s));
	assert_int_equal(ascii_parse(&req, (const uint8_t *)line, sizeof(line) - 1), PARSE_OK);
	req.walk = &one;
	assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_YIELD);
	req.walk = &two;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(cmd_run(session_cmd(s), &req, &out, 9999), CMD_YIELD);
	assert_int_equal(two.cursor, 0);
	cmd_walk_end(session_cmd(s), &one);
	while (cmd_run(session_cmd(s), &req, &out, 9999) == CMD_YIELD)
		;
	chunkq_read(&out, (uint8_t *)got, sizeof(got) - 1);
	assert_string_equal(got, "STAT 32 1\r\nEND\r\n");
	assert_int_equal(two.cursor, 0);
	chunkq_clear(&out);
	session_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_cas_and_size),
		cmocka_unit_test(test_uri),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_not_allowed),
		cmocka_unit_test(test_no_walk),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_steps_are_bounded),
		cmocka_unit_test(test_sizes_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
