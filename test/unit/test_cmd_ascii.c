// SPDX-License-Identifier: BSD-3-Clause
// Requests and replies of the classic commands: a transcript of memcached 1.6.18
// support: session
//
// The rows of one table run one after the other against one server. Each is fed whole,
// and once more byte by byte to a second server: both must answer alike.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/session.h"

#define K10 "kkkkkkkkkk"
#define K50 K10 K10 K10 K10 K10
#define K250 K50 K50 K50 K50 K50

#define FORMAT "CLIENT_ERROR bad command line format\r\n"
#define EXPTIME "CLIENT_ERROR invalid exptime argument\r\n"
#define DELTA "CLIENT_ERROR invalid numeric delta argument\r\n"
#define NOT_NUMBER "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
#define A "VALUE a 0 1\r\nx\r\n"
#define CLOSED "<closed>"

struct row {
	const char *request;
	const char *reply;
};

static void check_reply(struct session *s, const struct row *row, const char *how)
{
	const char *got = session_reply(s, NULL);
	char closed[512];

	if (session_closed(s)) {
		snprintf(closed, sizeof(closed), "%s%s", got, CLOSED);
		got = closed;
	}
	if (strcmp(got, row->reply) != 0)
		fail_msg("%s: [%s]\n got [%s]\nwant [%s]", how, row->request, got, row->reply);
	session_clear(s);
	session_reconnect(s);
}

static void check_rows(const struct row *row, size_t count)
{
	struct session *whole = session_create(NULL), *bytewise = session_create(NULL);

	for (size_t i = 0; i < count; i++) {
		session_feed(whole, row[i].request, strlen(row[i].request));
		check_reply(whole, &row[i], "whole");
		for (const char *p = row[i].request; *p; p++)
			session_feed(bytewise, p, 1);
		check_reply(bytewise, &row[i], "byte by byte");
	}
	session_destroy(whole);
	session_destroy(bytewise);
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_storage(void **state)
{
	static const struct row rows[] = {
		{"set a 0 0 x\r\n", FORMAT},
		{"set a 0 0 -1\r\n", FORMAT},
		{"set a x 0 1\r\nx\r\n", FORMAT "ERROR\r\n"},
		{"set a 0 x 1\r\nx\r\n", FORMAT "ERROR\r\n"},
		{"set a 0 0 1\r\nxyz\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n"},
		{"get a\r\n", "END\r\n"},
		{"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
		{"set a 0 0 1\nx\r\n", "STORED\r\n"},
		{"set a 0 0 1\nx\n", ""},
		{"set a 0 0 1\r\ny\n\r", "CLIENT_ERROR bad data chunk\r\n"},
		{"get a\r\n", A "END\r\n"},
		{"set f 4294967295 0 1\r\nx\r\nget f\r\n",
			"STORED\r\nVALUE f 4294967295 1\r\nx\r\nEND\r\n"},
		{"set f 4294967296 0 1\r\nx\r\nget f\r\n", "STORED\r\nVALUE f 0 1\r\nx\r\nEND\r\n"},
		{"set f -1 0 1\r\nx\r\n", FORMAT "ERROR\r\n"},
		{"set " K250 " 0 0 1\r\nx\r\n", "STORED\r\n"},
		{"get " K250 "\r\n", "VALUE " K250 " 0 1\r\nx\r\nEND\r\n"},
		{"set " K250 "k 0 0 1\r\nx\r\n", FORMAT "ERROR\r\n"},
		{"get " K250 "k\r\n", FORMAT},
		{"get a " K250 "k\r\n", FORMAT},
		{"set e 0 0 0\r\n\r\nget e\r\n", "STORED\r\nVALUE e 0 0\r\n\r\nEND\r\n"},
		{"set b 0 0 4\r\n\r\n\r\n\r\nget b\r\n",
			"STORED\r\nVALUE b 0 4\r\n\r\n\r\n\r\nEND\r\n"},
		{"add a 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
		{"add new 0 0 1\r\nx\r\n", "STORED\r\n"},
		{"replace nope 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
		{"replace new 3 0 2\r\nyz\r\nget new\r\n",
			"STORED\r\nVALUE new 3 2\r\nyz\r\nEND\r\n"},
		{"append nope 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
		{"prepend nope 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
		{"append new 9 9 2\r\n12\r\nprepend new 8 8 1\r\n0\r\nget new\r\n",
			"STORED\r\nSTORED\r\nVALUE new 3 5\r\n0yz12\r\nEND\r\n"},
		{"cas nope 0 0 1 5\r\nx\r\n", "NOT_FOUND\r\n"},
		{"cas a 0 0 1 18446744073709551615\r\nx\r\n", "EXISTS\r\n"},
		{"cas a 0 0 1\r\nx\r\n", "ERROR\r\nERROR\r\n"},
		{"cas a 0 0 1 zz\r\nx\r\n", FORMAT "ERROR\r\n"},
		{"set a 0 0 1\r\nx\r\nget a b c a\r\n",
			"STORED\r\n" A "VALUE b 0 4\r\n\r\n\r\n\r\n" A "END\r\n"},
		{" set  a  0  0  1  \r\nx\r\n  get   a \r\n", "STORED\r\n" A "END\r\n"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_noreply(void **state)
{
	static const struct row rows[] = {
		{"set a 0 0 1 noreply\r\nx\r\nget a\r\n", A "END\r\n"},
		{"set a 0 0 1 NOREPLY\r\nx\r\n", "STORED\r\n"},
		{"set a 0 0 x noreply\r\nget a\r\n", A "END\r\n"},
		{"set a 0 0 1 foo noreply\r\nx\r\n", "ERROR\r\nERROR\r\n"},
		{"set a 0 0 1 noreply foo\r\nx\r\n", "ERROR\r\nERROR\r\n"},
		{"set a 0 0 1 noreply\r\nxyz\r\nget a\r\n", "ERROR\r\n" A "END\r\n"},
		{"add a 0 0 1 noreply\r\ny\r\nget a\r\n", A "END\r\n"},
		{"replace zz 0 0 1 noreply\r\ny\r\nappend zz 0 0 1 noreply\r\ny\r\nprepend zz 0 0 "
		 "1 noreply\r\ny\r\ncas zz 0 0 1 1 noreply\r\ny\r\ncas a 0 0 1 1 "
		 "noreply\r\ny\r\nget a\r\n",
			A "END\r\n"},
		{"incr a 1 noreply\r\nincr a x noreply\r\ndecr zz 1 noreply\r\nget a\r\n",
			A "END\r\n"},
		{"touch a 0 noreply\r\ntouch a noreply\r\ntouch zz 0 noreply\r\nget a\r\n",
			A "END\r\n"},
		{"verbosity 1 noreply\r\nverbosity noreply\r\nget a\r\n", A "END\r\n"},
		{"foo noreply\r\n", "ERROR\r\n"},
		{"delete a b noreply\r\nget a\r\n", A "END\r\n"},
		{"delete zz noreply\r\ndelete a noreply\r\nget a\r\n", "END\r\n"},
		{"set a 0 0 1\r\nx\r\ndelete a 0 noreply\r\nget a\r\n", "STORED\r\nEND\r\n"},
		{"delete noreply\r\n", "NOT_FOUND\r\n"},
		{"version noreply\r\n", "VERSION 1.6.18\r\n"},
		{"stats noreply\r\n", "ERROR\r\n"},
		{"set n 0 0 1\r\n5\r\nincr n 2 noreply\r\nget n\r\n",
			"STORED\r\nVALUE n 0 1\r\n7\r\nEND\r\n"},
		{"flush_all noreply\r\nflush_all 0 noreply\r\nflush_all x noreply\r\n", ""},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_delete_touch(void **state)
{
	static const struct row rows[] = {
		{"delete\r\n", "ERROR\r\n"},
		{"delete nope\r\n", "NOT_FOUND\r\n"},
		{"set a 0 0 1\r\nx\r\ndelete a 0\r\ndelete a\r\n",
			"STORED\r\nDELETED\r\nNOT_FOUND\r\n"},
		{"set a 0 0 1\r\nx\r\ndelete a 10\r\n",
			"STORED\r\nCLIENT_ERROR bad command line format.  Usage: delete <key> "
			"[noreply]\r\n"},
		{"touch nope 0\r\n", "NOT_FOUND\r\n"},
		{"touch a\r\n", "ERROR\r\n"},
		{"touch a x\r\n", EXPTIME},
		{"touch a 0\r\n", "TOUCHED\r\n"},
		{"gat 0 a\r\n", A "END\r\n"},
		{"gat 0 nope a nope a\r\n", A A "END\r\n"},
		{"gat x a\r\n", EXPTIME},
		{"gat 0\r\n", "END\r\n"},
		{"gat\r\n", "ERROR\r\n"},
		{"touch a -1\r\nget a\r\n", "TOUCHED\r\nEND\r\n"},
		{"set a 0 0 1\r\nx\r\ngat -1 a\r\nget a\r\n", "STORED\r\n" A "END\r\nEND\r\n"},
		{"set t 0 -1 1\r\nx\r\nget t\r\n", "STORED\r\nEND\r\n"},
		{"set t 0 1 1\r\nx\r\nget t\r\n", "STORED\r\nVALUE t 0 1\r\nx\r\nEND\r\n"},
		{"set t 0 2592000 1\r\nx\r\nget t\r\n", "STORED\r\nVALUE t 0 1\r\nx\r\nEND\r\n"},
		{"set t 0 2592001 1\r\nx\r\nget t\r\n", "STORED\r\nEND\r\n"},
		{"set t 0 4294967295 1\r\nx\r\nget t\r\n", "STORED\r\nEND\r\n"},
		{"set t 0 2147483647 1\r\nx\r\nget t\r\n", "STORED\r\nVALUE t 0 1\r\nx\r\nEND\r\n"},
		{"add t2 0 2678400 0\r\n\r\nget t2\r\n", "STORED\r\nEND\r\n"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_arithmetic(void **state)
{
	static const struct row rows[] = {
		{"incr nope 1\r\ndecr nope 1\r\n", "NOT_FOUND\r\nNOT_FOUND\r\n"},
		{"incr a\r\n", "ERROR\r\n"},
		{"set n 0 0 1\r\n5\r\nincr n x\r\nincr n -1\r\nincr n 1\r\ndecr n 100\r\nincr n "
		 "18446744073709551615\r\nincr n 1\r\nincr n 18446744073709551616\r\n",
			"STORED\r\n" DELTA DELTA "6\r\n0\r\n18446744073709551615\r\n0\r\n" DELTA},
		{"set n 0 0 20\r\n18446744073709551615\r\nincr n 2\r\nget n\r\n",
			"STORED\r\n1\r\nVALUE n 0 20\r\n1                   \r\nEND\r\n"},
		{"set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\n",
			"STORED\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n"},
		{"set n 0 0 1\r\nz\r\nincr n 1\r\n", "STORED\r\n" NOT_NUMBER},
		{"set n 0 0 0\r\n\r\nincr n 1\r\n", "STORED\r\n" NOT_NUMBER},
		{"set n 0 0 2\r\n-1\r\nincr n 1\r\n", "STORED\r\n" NOT_NUMBER},
		{"set n 0 0 2\r\n1 \r\nincr n 1\r\nget n\r\n",
			"STORED\r\n2\r\nVALUE n 0 2\r\n2 \r\nEND\r\n"},
		{"set n 0 0 2\r\n 1\r\nincr n 1\r\nget n\r\n",
			"STORED\r\n2\r\nVALUE n 0 2\r\n2 \r\nEND\r\n"},
		{"set n 0 0 21\r\n000000000000000000001\r\nincr n 1\r\nget n\r\n",
			"STORED\r\n2\r\nVALUE n 0 21\r\n2                    \r\nEND\r\n"},
		{"set n 5 0 1\r\n9\r\nincr n 1\r\nget n\r\n",
			"STORED\r\n10\r\nVALUE n 5 2\r\n10\r\nEND\r\n"},
		{"set n 0 0 1\r\n5\r\nincr n -18446744073709551615\r\nincr n +1\r\nincr n -0\r\n",
			"STORED\r\n6\r\n7\r\n7\r\n"},
		{"set n 0 0 20\r\n18446744073709551616\r\nincr n 1\r\n", "STORED\r\n" NOT_NUMBER},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_admin(void **state)
{
	static const struct row rows[] = {
		{"\r\n", "ERROR\r\n"},
		{"\n", "ERROR\r\n"},
		{"foo\r\nget\r\nGET a\r\n", "ERROR\r\nERROR\r\nERROR\r\n"},
		{"flush_all x\r\n", EXPTIME},
		{"flush_all 1 2 3\r\n", "ERROR\r\n"},
		{"set a 0 0 1\r\nx\r\nflush_all -1\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n"},
		{"set a 0 0 1\r\nx\r\nflush_all 0\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n"},
		{"set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n"},
		{"set a 0 0 1\r\nx\r\nget a\r\n", "STORED\r\n" A "END\r\n"},
		{"verbosity\r\n", "ERROR\r\n"},
		{"verbosity 0\r\n", "OK\r\n"},
		{"verbosity x\r\n", FORMAT},
		{"version\r\nversion foo\r\n", "VERSION 1.6.18\r\nVERSION 1.6.18\r\n"},
		{"quit\r\n", CLOSED},
		{"get a\r\nquit foo\r\nget a\r\n", A "END\r\n" CLOSED},
		{"shutdown\r\n", "ERROR: shutdown not enabled\r\n"},
		{"shutdown graceful\r\n", "ERROR: shutdown not enabled\r\n"},
		{"watch\r\n", "CLIENT_ERROR watch commands not allowed\r\n"},
		{"cache_memlimit 4\r\n",
			"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"},
		{"mg a v\r\nmn\r\n", "ERROR\r\nERROR\r\n"},
		{"ms a 2\r\nhi\r\n", "ERROR\r\nERROR\r\n"},
		{"GET / HTTP/1.1\r\n", CLOSED},
		{"POST / HTTP/1.1\r\nHost: x\r\n\r\nflush_all\r\n", CLOSED},
		{"get / HTTP/1.1\r\n", "END\r\n"},
		{"stats foo\r\nstats re\r\nstats s\r\n", "ERROR\r\nERROR\r\nERROR\r\n"},
		{"stats RESET\r\n", "ERROR\r\n"},
		{"stats detail\r\n", "CLIENT_ERROR usage: stats detail on|off|dump\r\n"},
		{"stats detail foo\r\n", "CLIENT_ERROR usage: stats detail on|off|dump\r\n"},
		{"stats detail on\r\n", "CLIENT_ERROR stats detail not allowed\r\n"},
		{"stats detail dump\r\n", "CLIENT_ERROR stats detail not allowed\r\n"},
		{"stats reset\r\n", "RESET\r\n"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static const char *ask(struct session *s, const char *request)
{
	session_clear(s);
	session_feed(s, request, strlen(request));
	return session_reply(s, NULL);
}

static unsigned long long cas_of(struct session *s, const char *key)
{
	unsigned long long cas = 0;
	char line[64];
	unsigned flags, vlen;

	snprintf(line, sizeof(line), "gets %s\r\n", key);
	assert_int_equal(sscanf(ask(s, line), "VALUE %*s %u %u %llu\r\n", &flags, &vlen, &cas), 3);
	return cas;
}

static void test_cas_unique(void **state)
{
	struct session *s = session_create(NULL);
	unsigned long long first, second;
	char line[128], want[128];

	(void)state;
	assert_string_equal(ask(s, "set a 7 0 1\r\nx\r\n"), "STORED\r\n");
	first = cas_of(s, "a");
	assert_int_not_equal(first, 0);
	assert_int_equal(cas_of(s, "a"), first);
	// gats answers with the unique too, and touching does not change it.
	snprintf(want, sizeof(want), "VALUE a 7 1 %llu\r\nx\r\nEND\r\n", first);
	assert_string_equal(ask(s, "gats 0 a\r\n"), want);
	assert_string_equal(ask(s, "touch a 0\r\n"), "TOUCHED\r\n");
	assert_int_equal(cas_of(s, "a"), first);
	// A store with the right unique works once.
	snprintf(line, sizeof(line), "cas a 8 0 2 %llu\r\nyz\r\n", first);
	assert_string_equal(ask(s, line), "STORED\r\n");
	second = cas_of(s, "a");
	assert_int_not_equal(second, first);
	assert_string_equal(ask(s, line), "EXISTS\r\n");
	assert_string_equal(ask(s, "get a\r\n"), "VALUE a 8 2\r\nyz\r\nEND\r\n");
	// incr gives a new one.
	assert_string_equal(ask(s, "set a 0 0 1\r\n1\r\n"), "STORED\r\n");
	first = cas_of(s, "a");
	assert_string_equal(ask(s, "incr a 1\r\n"), "2\r\n");
	assert_int_not_equal(cas_of(s, "a"), first);
	session_destroy(s);
}

// The hash that prefetching keeps in the request is that of the first key, and of no other.
static void test_prefetch_then_get(void **state)
{
	static const char line[] = "get a b c d e f g h i j a\r\n";
	struct session *s = session_create(NULL);
	struct cmd *c = session_cmd(s);
	uint8_t got[256] = {};
	struct request req;
	struct chunkq out;

	(void)state;
	ask(s, "set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\nset i 0 0 1\r\nz\r\n");
	chunkq_init(&out, session_pool(s));
	assert_int_equal(ascii_parse(&req, (const uint8_t *)line, sizeof(line) - 1), PARSE_OK);
	cmd_prefetch_bucket(c, &req);
	cmd_prefetch_item(c, &req);
	assert_true(req.hashed);
	assert_int_equal(cmd_run(c, &req, &out, 9999), CMD_DONE);
	chunkq_read(&out, got, sizeof(got) - 1);
	assert_string_equal((char *)got, A "VALUE b 0 1\r\ny\r\nVALUE i 0 1\r\nz\r\n" A "END\r\n");
	chunkq_clear(&out);
	// Without a key there is nothing to fetch.
	assert_int_equal(ascii_parse(&req, (const uint8_t *)"gat 0\r\n", 7), PARSE_OK);
	cmd_prefetch_bucket(c, &req);
	cmd_prefetch_item(c, &req);
	assert_false(req.hashed);
	session_destroy(s);
}

static void feed_value(struct session *s, const char *line, char fill, size_t len)
{
	char *value = malloc(len + 2);

	assert_non_null(value);
	memset(value, fill, len);
	memcpy(value + len, "\r\n", 2);
	session_clear(s);
	session_feed(s, line, strlen(line));
	session_feed(s, value, len + 2);
	free(value);
}

// The data of a refused value is swallowed. A set removes the old value, an add does not.
static void test_too_large(void **state)
{
	static const char too_large[] = "SERVER_ERROR object too large for cache\r\n";
	struct session *s = session_create(NULL);

	(void)state;
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\n"), "STORED\r\n");
	feed_value(s, "add a 0 0 1048577\r\n", 'y', 1048577);
	assert_string_equal(session_reply(s, NULL), too_large);
	assert_string_equal(ask(s, "get a\r\n"), A "END\r\n");
	feed_value(s, "set a 0 0 1048577\r\n", 'y', 1048577);
	assert_string_equal(session_reply(s, NULL), too_large);
	assert_string_equal(ask(s, "get a\r\n"), "END\r\n");
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\n"), "STORED\r\n");
	feed_value(s, "set a 0 0 1048577 noreply\r\n", 'y', 1048577);
	assert_string_equal(session_reply(s, NULL), "");
	assert_string_equal(ask(s, "get a\r\n"), "END\r\n");
	assert_int_equal(session_stat(s, "cmd", "store_too_large"), 3);
	session_destroy(s);
}

// append past the item size limit: the old value stays.
static void test_append_too_large(void **state)
{
	struct session *s = session_create(NULL);
	size_t len;

	(void)state;
	feed_value(s, "set a 0 0 600000\r\n", 'x', 600000);
	assert_string_equal(session_reply(s, NULL), "STORED\r\n");
	feed_value(s, "append a 0 0 600000\r\n", 'y', 600000);
	assert_string_equal(session_reply(s, NULL), "NOT_STORED\r\n");
	ask(s, "get a\r\n");
	session_reply(s, &len);
	assert_int_equal(len, strlen("VALUE a 0 600000\r\n") + 600000 + strlen("\r\nEND\r\n"));
	session_destroy(s);
}

static void test_value_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 100, 400, 511, 512, 2000, 2048, 4096, 32767, 32768,
		32769, 65536, 100000, 1000000};
	struct session *s = session_create(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char line[64], head[64];
		size_t len, head_len;
		const char *reply;

		snprintf(line, sizeof(line), "set v%zu 0 0 %zu\r\n", i, sizes[i]);
		feed_value(s, line, (char)('a' + i), sizes[i]);
		assert_string_equal(session_reply(s, NULL), "STORED\r\n");
		snprintf(line, sizeof(line), "get v%zu\r\n", i);
		head_len =
			(size_t)snprintf(head, sizeof(head), "VALUE v%zu 0 %zu\r\n", i, sizes[i]);
		ask(s, line);
		reply = session_reply(s, &len);
		assert_int_equal(len, head_len + sizes[i] + 7);
		assert_memory_equal(reply, head, head_len);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(reply[head_len + j], 'a' + i);
		assert_string_equal(reply + len - 7, "\r\nEND\r\n");
	}
	session_destroy(s);
}

// A large value whose end is no CRLF is not stored, and what is there stays.
static void test_large_bad_chunk(void **state)
{
	struct session *s = session_create(NULL);

	(void)state;
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\n"), "STORED\r\n");
	feed_value(s, "set a 0 0 99999\r\n", 'y', 100000);
	assert_string_equal(session_reply(s, NULL), "CLIENT_ERROR bad data chunk\r\nERROR\r\n");
	assert_string_equal(ask(s, "get a\r\n"), A "END\r\n");
	session_destroy(s);
}

static void test_flush_all_delay(void **state)
{
	struct session *s = session_create(NULL);

	(void)state;
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\nflush_all 10\r\nget a\r\n"),
		"STORED\r\nOK\r\n" A "END\r\n");
	session_tick(s, SESSION_START_S + 8);
	assert_string_equal(ask(s, "get a\r\n"), A "END\r\n");
	// What is stored while it is pending goes as well (observed).
	assert_string_equal(ask(s, "set b 0 0 1\r\nx\r\n"), "STORED\r\n");
	session_tick(s, SESSION_START_S + 11);
	assert_string_equal(ask(s, "get a b\r\n"), "END\r\n");
	// A later flush_all replaces one that is pending.
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\nflush_all 5\r\nflush_all 100\r\n"),
		"STORED\r\nOK\r\nOK\r\n");
	session_tick(s, SESSION_START_S + 20);
	assert_string_equal(ask(s, "get a\r\n"), A "END\r\n");
	session_destroy(s);
}

static void test_flush_all_not_allowed(void **state)
{
	struct session_conf conf = {.no_flush_all = true};
	struct session *s = session_create(&conf);

	(void)state;
	assert_string_equal(ask(s, "set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\n"),
		"STORED\r\nCLIENT_ERROR flush_all not allowed\r\n" A "END\r\n");
	assert_string_equal(ask(s, "flush_all noreply\r\n"), "");
	assert_int_equal(session_stat(s, "cmd", "cmd_flush"), 2);
	session_destroy(s);
}

static void test_expiry(void **state)
{
	struct session *s = session_create(NULL);
	char line[96];

	(void)state;
	assert_string_equal(ask(s, "set a 0 10 1\r\nx\r\n"), "STORED\r\n");
	snprintf(line, sizeof(line), "set b 0 %u 1\r\nx\r\n", SESSION_START_S + 20);
	assert_string_equal(ask(s, line), "STORED\r\n");
	session_tick(s, SESSION_START_S + 9);
	assert_string_equal(ask(s, "get a\r\n"), A "END\r\n");
	session_tick(s, SESSION_START_S + 10);
	assert_string_equal(ask(s, "get a\r\nget b\r\n"), "END\r\nVALUE b 0 1\r\nx\r\nEND\r\n");
	assert_string_equal(ask(s, "touch b 30\r\n"), "TOUCHED\r\n");
	session_tick(s, SESSION_START_S + 39);
	assert_string_equal(ask(s, "gat 10 b\r\n"), "VALUE b 0 1\r\nx\r\nEND\r\n");
	session_tick(s, SESSION_START_S + 48);
	assert_string_equal(ask(s, "get b\r\n"), "VALUE b 0 1\r\nx\r\nEND\r\n");
	session_tick(s, SESSION_START_S + 49);
	assert_string_equal(ask(s, "get b\r\n"), "END\r\n");
	session_destroy(s);
}

// memcached's realtime()
static void test_exptime_rules(void **state)
{
	struct session *s = session_create(NULL);
	const struct cmd *c = session_cmd(s);
	uint32_t now_s = SESSION_START_S + 1000;

	(void)state;
	assert_int_equal(cmd_exptime(c, 0, now_s), 0);
	assert_int_equal(cmd_exptime(c, 1, now_s), now_s + 1);
	assert_int_equal(cmd_exptime(c, 2592000, now_s), now_s + 2592000);
	assert_int_equal(cmd_exptime(c, 2592001, now_s), 1);
	assert_int_equal(cmd_exptime(c, SESSION_START_S, now_s), 1);
	assert_int_equal(cmd_exptime(c, SESSION_START_S + 1, now_s), SESSION_START_S + 1);
	assert_int_equal(cmd_exptime(c, INT32_MAX, now_s), INT32_MAX);
	assert_int_equal(cmd_exptime(c, -1, now_s), 1);
	assert_int_equal(cmd_exptime(c, INT32_MIN, now_s), 1);
	session_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_noreply),
		cmocka_unit_test(test_delete_touch),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_admin),
		cmocka_unit_test(test_cas_unique),
		cmocka_unit_test(test_prefetch_then_get),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_append_too_large),
		cmocka_unit_test(test_value_sizes),
		cmocka_unit_test(test_large_bad_chunk),
		cmocka_unit_test(test_flush_all_delay),
		cmocka_unit_test(test_flush_all_not_allowed),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_exptime_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
