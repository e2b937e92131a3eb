// SPDX-License-Identifier: BSD-3-Clause
// One line in, one struct request out: every classic command, good and bad
//
// Each row is a request line and what the parser makes of it, written as text. The
// rows follow a transcript of memcached 1.6.18.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/proto.h"

#define K10 "kkkkkkkkkk"
#define K50 K10 K10 K10 K10 K10
#define K250 K50 K50 K50 K50 K50

#define FORMAT "BAD CLIENT_ERROR bad command line format"
#define EXPTIME "BAD CLIENT_ERROR invalid exptime argument"
#define DELTA "BAD CLIENT_ERROR invalid numeric delta argument"
#define USAGE FORMAT ".  Usage: delete <key> [noreply]"

struct row {
	const char *line; // "\r\n" is added
	const char *want;
};

static const char *const op_name[OP_COUNT] = {[OP_GET] = "get",
	[OP_GETS] = "gets",
	[OP_GAT] = "gat",
	[OP_GATS] = "gats",
	[OP_SET] = "set",
	[OP_ADD] = "add",
	[OP_REPLACE] = "replace",
	[OP_APPEND] = "append",
	[OP_PREPEND] = "prepend",
	[OP_CAS] = "cas",
	[OP_DELETE] = "delete",
	[OP_INCR] = "incr",
	[OP_DECR] = "decr",
	[OP_TOUCH] = "touch",
	[OP_FLUSH_ALL] = "flush_all",
	[OP_VERSION] = "version",
	[OP_VERBOSITY] = "verbosity",
	[OP_STATS] = "stats",
	[OP_LRU_CRAWLER] = "lru_crawler",
	[OP_SHUTDOWN] = "shutdown",
	[OP_QUIT] = "quit"};

static int add_slice(char *dst, const char *name, struct slice s)
{
	return sprintf(dst, " %s%.*s", name, (int)s.len, (const char *)s.p);
}

// The request as text: the fields that its command has.
static void render(char *dst, enum parse_status st, struct request *req)
{
	struct slice key;

	if (st == PARSE_MORE || st == PARSE_CLOSE) {
		strcpy(dst, st == PARSE_MORE ? "MORE" : "CLOSE");
		return;
	}
	if (st == PARSE_BAD) {
		sprintf(dst, "BAD %s%s", req->error, req->noreply ? " (noreply)" : "");
		return;
	}
	dst += sprintf(dst, "%s", op_name[req->op]);
	if (op_is_get(req->op)) {
		if (req->op == OP_GAT || req->op == OP_GATS)
			dst += sprintf(dst, " %d", req->exptime);
		while (request_next_key(req, &key))
			dst += add_slice(dst, "k=", key);
	} else if (req->key.len > 0) {
		dst += add_slice(dst, "k=", req->key);
	}
	if (op_is_store(req->op))
		dst += sprintf(dst, " %u %d %u", req->client_flags, req->exptime, req->vlen);
	if (req->op == OP_CAS)
		dst += sprintf(dst, " %llu", (unsigned long long)req->cas);
	if (req->op == OP_INCR || req->op == OP_DECR || req->op == OP_VERBOSITY)
		dst += sprintf(dst, " %llu", (unsigned long long)req->delta);
	if (req->op == OP_TOUCH || req->has_exptime)
		dst += sprintf(dst, " %d", req->exptime);
	if ((req->op == OP_STATS || req->op == OP_LRU_CRAWLER) && req->args.len > 0)
		dst += add_slice(dst, "", req->args);
	if (req->noreply)
		strcpy(dst, " (noreply)");
}

// Parse an exact-size copy on the heap: a read past its end is seen by AddressSanitizer.
static enum parse_status parse_copy(
	const char *text, size_t len, const char *want, const char *shown)
{
	uint8_t *buf = malloc(len);
	struct request req;
	enum parse_status st;
	char got[8192];

	assert_non_null(buf);
	memcpy(buf, text, len);
	st = ascii_parse(&req, buf, len);
	if (st == PARSE_OK || st == PARSE_BAD)
		assert_int_equal(req.line_len, len);
	render(got, st, &req);
	if (strcmp(got, want) != 0)
		fail_msg("[%s] is [%s], not [%s]", shown, got, want);
	free(buf);
	return st;
}

static void check_rows(const struct row *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[4096];
		int len = snprintf(text, sizeof(text), "%s\r\n", row[i].line);

		parse_copy(text, (size_t)len, row[i].want, row[i].line);
		// A bare LF ends a line too. (Of a single CR before it nothing is cut.)
		text[len - 2] = '\n';
		parse_copy(text, (size_t)len - 1, row[i].want, row[i].line);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_get_family(void **state)
{
	static const struct row rows[] = {
		{"get a", "get k=a"},
		{"gets a", "gets k=a"},
		{"get  a", "get k=a"},
		{" get a", "get k=a"},
		{"get a   b  ", "get k=a k=b"},
		{"gets a b c", "gets k=a k=b k=c"},
		{"bget a", "get k=a"},
		{"get " K250, "get k=" K250},
		{"gets " K250, "gets k=" K250},
		{"get " K250 " " K250, "get k=" K250 " k=" K250},
		{"get " K250 "k", FORMAT},
		{"gets " K250 "k", FORMAT},
		{"get a " K250 "k b", FORMAT},
		{"gat 0 " K250 "k", FORMAT},
		{"get a\rb", "get k=a\rb"},
		{"get a\tb", "get k=a\tb"},
		{"get abcdefghijklmno\rq", "get k=abcdefghijklmno\rq"},
		{"get / HTTP/1.1", "get k=/ k=HTTP/1.1"},
		{"gat 0 a", "gat 0 k=a"},
		{"gats 0 a b", "gats 0 k=a k=b"},
		{"gat -1 a", "gat -1 k=a"},
		{"gat  0  a", "gat 0 k=a"},
		{"gat 0", "gat 0"},
		{"gat 0 ", "gat 0"},
		{"gat 0 a noreply", "gat 0 k=a k=noreply"},
		{"gat x a", EXPTIME},
		{"gats x a", EXPTIME},
		{"gat noreply a", EXPTIME},
		{"gat 9223372036854775808 a", EXPTIME},
		{"get", "BAD ERROR"},
		{"get ", "BAD ERROR"},
		{"gets", "BAD ERROR"},
		{"gat", "BAD ERROR"},
		{"gats", "BAD ERROR"},
		{"bget", "BAD ERROR"},
		{"g", "BAD ERROR"},
		{"gett a", "BAD ERROR"},
		{"ge a", "BAD ERROR"},
		{"GET a", "BAD ERROR"},
		{"get\ta", "BAD ERROR"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_storage(void **state)
{
	static const struct row rows[] = {
		{"set a 0 0 1", "set k=a 0 0 1"},
		{"add a 1 2 3", "add k=a 1 2 3"},
		{"replace a 1 2 3", "replace k=a 1 2 3"},
		{"append a 1 2 3", "append k=a 1 2 3"},
		{"prepend a 1 2 3", "prepend k=a 1 2 3"},
		{"cas a 1 2 3 4", "cas k=a 1 2 3 4"},
		{"  set  a  0  0  1  ", "set k=a 0 0 1"},
		{"set a 0 0 1 noreply", "set k=a 0 0 1 (noreply)"},
		{"set a 0 0 1 NOREPLY", "set k=a 0 0 1"},
		{"set a 0 0 1 foo", "set k=a 0 0 1"},
		{"cas a 0 0 1 5 noreply", "cas k=a 0 0 1 5 (noreply)"},
		{"cas a 0 0 1 5 foo", "cas k=a 0 0 1 5"},
		{"cas a 0 0 1 18446744073709551615", "cas k=a 0 0 1 18446744073709551615"},
		{"set " K250 " 0 0 1", "set k=" K250 " 0 0 1"},
		{"set " K250 "k 0 0 1", FORMAT},
		{"set " K250 "k 0 0 1 noreply", FORMAT " (noreply)"},
		{"set", "BAD ERROR"},
		{"set a", "BAD ERROR"},
		{"set a 0 0", "BAD ERROR"},
		{"set a 0 noreply", "BAD ERROR"},
		{"cas a 0 0 1", "BAD ERROR"},
		{"set a 0 0 1 foo noreply", "BAD ERROR"},
		{"set a 0 0 1 noreply foo", "BAD ERROR"},
		{"cas a 0 0 1 5 6 7", "BAD ERROR"},
		{"set a 0 0 1 a b c d e f g h i j k l m n o p q r s t u v w", "BAD ERROR"},
		{"set a x 0 1", FORMAT},
		{"set a 0 x 1", FORMAT},
		{"set a 0 0 x", FORMAT},
		{"set a 0 0 noreply", FORMAT " (noreply)"},
		{"set a 0 0 x noreply", FORMAT " (noreply)"},
		{"cas a 0 0 1 zz", FORMAT},
		{"cas a 0 0 1 -1", FORMAT},
		{"cas a 0 0 1 noreply", FORMAT " (noreply)"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

// strtoul and strtol, as memcached's safe_ functions use them.
static void test_numbers(void **state)
{
	static const struct row rows[] = {
		{"set a 4294967295 0 1", "set k=a 4294967295 0 1"},
		{"set a 4294967296 0 1", "set k=a 0 0 1"},
		{"set a 18446744073709551615 0 1", "set k=a 4294967295 0 1"},
		{"set a 18446744073709551616 0 1", FORMAT},
		{"set a -1 0 1", FORMAT},
		{"set a -18446744073709551615 0 1", "set k=a 1 0 1"},
		{"set a +7 0 1", "set k=a 7 0 1"},
		{"set a -0 0 1", "set k=a 0 0 1"},
		{"set a 007 0 1", "set k=a 7 0 1"},
		{"set a 0x1 0 1", FORMAT},
		{"set a 1e3 0 1", FORMAT},
		{"set a + 0 1", FORMAT},
		{"set a 0 -1 1", "set k=a 0 -1 1"},
		{"set a 0 2147483647 1", "set k=a 0 2147483647 1"},
		{"set a 0 2147483648 1", "set k=a 0 -2147483648 1"},
		{"set a 0 4294967295 1", "set k=a 0 -1 1"},
		{"set a 0 9223372036854775807 1", "set k=a 0 -1 1"},
		{"set a 0 9223372036854775808 1", FORMAT},
		{"set a 0 -9223372036854775808 1", "set k=a 0 0 1"},
		{"set a 0 -9223372036854775809 1", FORMAT},
		{"set a 0 0 0", "set k=a 0 0 0"},
		{"set a 0 0 -1", FORMAT},
		{"set a 0 0 2147483645", "set k=a 0 0 2147483645"},
		{"set a 0 0 2147483646", FORMAT},
		{"set a 0 0 2147483647", FORMAT},
		{"set a 0 0 4294967297", "set k=a 0 0 1"},
		{"set a 0 0 +1", "set k=a 0 0 1"},
		{"set a 0 0 \t1", "set k=a 0 0 1"},
		{"set a 0 0 1\tfoo", "set k=a 0 0 1"},
		{"set a 0 0 1\r", "set k=a 0 0 1"},
		{"set a 0 0 1\x01", FORMAT},
		{"incr n 18446744073709551615", "incr k=n 18446744073709551615"},
		{"incr n 18446744073709551616", DELTA},
		{"incr n -1", DELTA},
		{"incr n -9223372036854775808", DELTA},
		{"incr n -9223372036854775809", "incr k=n 9223372036854775807"},
		{"incr n -18446744073709551615", "incr k=n 1"},
		{"incr n 99999999999999999999999", DELTA},
		{"incr n ", "BAD ERROR"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_delete_incr_touch(void **state)
{
	static const struct row rows[] = {
		{"delete a", "delete k=a"},
		{"delete noreply", "delete k=noreply"},
		{"delete a 0", "delete k=a"},
		{"delete a noreply", "delete k=a (noreply)"},
		{"delete a 0 noreply", "delete k=a (noreply)"},
		{"delete " K250, "delete k=" K250},
		{"delete " K250 "k", FORMAT},
		{"delete", "BAD ERROR"},
		{"delete a 10", USAGE},
		{"delete a 00", USAGE},
		{"delete a b c", USAGE},
		{"delete a 0 0", USAGE},
		{"delete a 0 foo", USAGE},
		{"delete a b noreply", USAGE " (noreply)"},
		{"delete a noreply foo", USAGE},
		{"delete a noreply 0", USAGE},
		{"delete a 0 noreply foo", "BAD ERROR"},
		{"delete a 0 0 noreply", "BAD ERROR"},
		{"delete / HTTP/1.1", USAGE},
		{"incr n 1", "incr k=n 1"},
		{"decr n 1", "decr k=n 1"},
		{"incr n 1 noreply", "incr k=n 1 (noreply)"},
		{"decr n 1 2", "decr k=n 1"},
		{"incr n", "BAD ERROR"},
		{"incr n 1 2 3", "BAD ERROR"},
		{"incr n x", DELTA},
		{"incr n noreply", DELTA " (noreply)"},
		{"decr n x noreply", DELTA " (noreply)"},
		{"incr " K250 "k 1", FORMAT},
		{"touch a 0", "touch k=a 0"},
		{"touch a -1", "touch k=a -1"},
		{"touch a 0 noreply", "touch k=a 0 (noreply)"},
		{"touch a 0 0", "touch k=a 0"},
		{"touch a", "BAD ERROR"},
		{"touch a 0 0 0", "BAD ERROR"},
		{"touch a x", EXPTIME},
		{"touch a noreply", EXPTIME " (noreply)"},
		{"touch " K250 "k 0", FORMAT},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_flush_verbosity_bare(void **state)
{
	static const struct row rows[] = {
		{"flush_all", "flush_all"},
		{"flush_all 0", "flush_all 0"},
		{"flush_all 10", "flush_all 10"},
		{"flush_all -1", "flush_all -1"},
		{"flush_all noreply", "flush_all (noreply)"},
		{"flush_all 5 noreply", "flush_all 5 (noreply)"},
		{"flush_all 0 foo", "flush_all 0"},
		{"flush_all x", EXPTIME},
		{"flush_all foo noreply", EXPTIME " (noreply)"},
		{"flush_all noreply noreply", EXPTIME " (noreply)"},
		{"flush_all 1 2 3", "BAD ERROR"},
		{"flush_all 1 2 noreply", "BAD ERROR"},
		{"verbosity 0", "verbosity 0"},
		{"verbosity 7", "verbosity 7"},
		{"verbosity 1 noreply", "verbosity 1 (noreply)"},
		{"verbosity 0 0", "verbosity 0"},
		{"verbosity", "BAD ERROR"},
		{"verbosity 1 2 3", "BAD ERROR"},
		{"verbosity x", FORMAT},
		{"verbosity -1", FORMAT},
		{"verbosity noreply", FORMAT " (noreply)"},
		{"verbosity foo noreply", FORMAT " (noreply)"},
		{"verbosity noreply foo", FORMAT},
		{"verbosity HTTP/1.1", FORMAT},
		{"version", "version"},
		{"version foo", "version"},
		{"version noreply", "version"},
		{"quit", "quit"},
		{"quit foo", "quit"},
		{"quit noreply", "quit"},
		{"shutdown", "shutdown"},
		{"shutdown graceful", "shutdown"},
		{"shutdown noreply", "shutdown"},
		{"stats", "stats"},
		{" stats ", "stats"},
		{"stats settings", "stats settings"},
		{"stats  cachedump  1 0 ", "stats cachedump  1 0"},
		{"stats noreply", "stats noreply"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_lru_crawler(void **state)
{
	static const struct row rows[] = {
		{"lru_crawler", "BAD ERROR"},
		{"lru_crawler enable", "BAD ERROR failed to start lru crawler thread"},
		{"lru_crawler enable foo", "BAD ERROR"},
		{"lru_crawler disable", "lru_crawler disable"},
		{"lru_crawler disable noreply", "BAD ERROR"},
		{"lru_crawler crawl", "BAD ERROR"},
		{"lru_crawler crawl all", "BAD CLIENT_ERROR lru crawler disabled"},
		{"lru_crawler crawl all noreply", "BAD ERROR"},
		{"lru_crawler sleep", "BAD ERROR"},
		{"lru_crawler sleep x", "BAD CLIENT_ERROR bad command line format"},
		{"lru_crawler sleep -1", "BAD CLIENT_ERROR bad command line format"},
		{"lru_crawler sleep noreply", "BAD CLIENT_ERROR bad command line format"},
		{"lru_crawler sleep 1000000", "BAD CLIENT_ERROR lru crawler disabled"},
		{"lru_crawler sleep 1000001", "BAD CLIENT_ERROR sleep must be one second or less"},
		{"lru_crawler tocrawl x", "BAD CLIENT_ERROR bad command line format"},
		{"lru_crawler tocrawl 1000001", "BAD CLIENT_ERROR lru crawler disabled"},
		{"lru_crawler metadump", "BAD ERROR"},
		{"lru_crawler  metadump  all ", "lru_crawler metadump  all"},
		{"lru_crawler metadump all noreply", "BAD ERROR"},
		{"lru_crawler mgdump all", "BAD ERROR"},
		{"lru_crawler foo", "BAD ERROR"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void test_admin_and_unknown(void **state)
{
	static const struct row rows[] = {
		{"", "BAD ERROR"},
		{" ", "BAD ERROR"},
		{"a", "BAD ERROR"},
		{"foo", "BAD ERROR"},
		{"foo noreply", "BAD ERROR"},
		{"mg a", "BAD ERROR"},
		{"ms a 2", "BAD ERROR"},
		{"md a q", "BAD ERROR"},
		{"ma n", "BAD ERROR"},
		{"me a", "BAD ERROR"},
		{"mn", "BAD ERROR"},
		{"mz a", "BAD ERROR"},
		{"watch", "BAD CLIENT_ERROR watch commands not allowed"},
		{"watch foo", "BAD CLIENT_ERROR watch commands not allowed"},
		{"watch noreply", "BAD CLIENT_ERROR watch commands not allowed (noreply)"},
		{"cache_memlimit", "BAD ERROR"},
		{"cache_memlimit 1 2 3", "BAD ERROR"},
		{"cache_memlimit x", "BAD ERROR"},
		{"cache_memlimit x noreply", "BAD ERROR (noreply)"},
		{"cache_memlimit 4", "BAD MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"},
		{"cache_memlimit 64", "BAD MEMLIMIT_ADJUST_FAILED out of bounds or unable to "
				      "adjust"},
		{"cache_memlimit 2000000000",
			"BAD MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"},
		{"lru", "BAD ERROR"},
		{"lru mode flat", "BAD ERROR"},
		{"lru noreply", "BAD ERROR (noreply)"},
		{"slabs", "BAD ERROR"},
		{"slabs reassign 1 2", "BAD CLIENT_ERROR slab reassignment disabled"},
		{"slabs automove 1", "BAD ERROR"},
		{"slabs automove 1 noreply", "BAD ERROR (noreply)"},
		{"extstore item_age 5", "BAD ERROR"},
		{"refresh_certs", "BAD Error TLS not enabled"},
		{"GET / HTTP/1.1", "CLOSE"},
		{"POST / HTTP/1.1", "CLOSE"},
		{"put / HTTP/1.1", "CLOSE"},
		{"HTTP/1.1", "CLOSE"},
		{"foo HTTP/1.1 ", "CLOSE"},
		{"mmm HTTP/", "CLOSE"},
		{"xut / HTTP/1.1 foo", "BAD ERROR"},
		{"foo HTTP", "BAD ERROR"},
		{"set / HTTP/1.1", "BAD ERROR"},
		{"Host: example.org", "BAD ERROR"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

// To memcached a line is a C string: it ends at a NUL.
static void test_nul_ends_the_line(void **state)
{
	(void)state;
	parse_copy("get a\0b c\r\n", 11, "get k=a", "get a NUL b c");
	parse_copy("\0get a\r\n", 8, "BAD ERROR", "NUL get a");
	parse_copy("set a 0 0 x\0 noreply\r\n", 22, FORMAT, "set a 0 0 x NUL noreply");
	parse_copy("delete a\0 b c d e\r\n", 19, "delete k=a", "delete a NUL");
}

static void test_incomplete_line(void **state)
{
	static const char *const lines[] = {"get a\r\n", "gets abcdefghijklmnopqrstuvwxyz\r\n",
		"set a 0 0 1 noreply\r\n", "\r\n", "  get  a  b\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (size_t n = 0; n < strlen(lines[i]); n++)
			parse_copy(lines[i], n, "MORE", lines[i]);
}

static void parse_long(const char *head, char fill, size_t fill_len, const char *tail,
	enum parse_status want, const char *error)
{
	char text[6000];
	struct request req;
	size_t n = strlen(head);
	enum parse_status st;
	uint8_t *buf;

	memcpy(text, head, n);
	for (size_t i = 0; i < fill_len; i++)
		text[n++] = fill;
	strcpy(text + n, tail);
	n += strlen(tail);
	buf = malloc(n);
	assert_non_null(buf);
	memcpy(buf, text, n);
	st = ascii_parse(&req, buf, n);
	if (st != want)
		fail_msg("%s %zu x '%c': %d, not %d", head, fill_len, fill, st, want);
	if (error)
		assert_string_equal(req.error, error);
	free(buf);
}

// 2048 bytes without a line end are waited for, 2049 are not, but in a get.
static void test_line_limit(void **state)
{
	(void)state;
	parse_long("", 'x', 2048, "", PARSE_MORE, NULL);
	parse_long("", 'x', 2049, "", PARSE_CLOSE, NULL);
	parse_long("", 'x', 2048, "\n", PARSE_BAD, "ERROR");
	parse_long("", 'x', 2049, "\n", PARSE_CLOSE, NULL);
	parse_long("", ' ', 3000, "", PARSE_CLOSE, NULL);
	parse_long("set ", 'k', 3000, "", PARSE_CLOSE, NULL);
	parse_long("mg ", 'k', 3000, "\r\n", PARSE_CLOSE, NULL);
	parse_long("getx ", 'k', 3000, "\r\n", PARSE_CLOSE, NULL);
	parse_long("get\t", 'k', 3000, "\r\n", PARSE_CLOSE, NULL);
	parse_long("get", ' ', 3000, "", PARSE_MORE, NULL);
	parse_long("get ", 'k', 3000, "", PARSE_MORE, NULL);
	parse_long("gets ", 'k', 3000, "", PARSE_MORE, NULL);
	parse_long("gat 0 ", 'k', 3000, "", PARSE_MORE, NULL);
	parse_long("gats 0 ", 'k', 3000, "", PARSE_MORE, NULL);
	parse_long("get ", 'k', 3000, "\r\n", PARSE_BAD, "CLIENT_ERROR bad command line format");
	parse_long("get a", ' ', 3000, "b\r\n", PARSE_OK, NULL);
	parse_long("", ' ', 100, "get a\r\n", PARSE_OK, NULL);
	parse_long("", ' ', 2000, "get a\r\n", PARSE_OK, NULL);
}

static void test_long_get_leading_spaces(void **state)
{
	char text[4000];
	struct request req;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text + 100, "get a b", 7);
	assert_int_equal(ascii_parse(&req, (uint8_t *)text, sizeof(text)), PARSE_MORE);
	memset(text, ' ', sizeof(text));
	memcpy(text + 101, "get a b", 7);
	assert_int_equal(ascii_parse(&req, (uint8_t *)text, sizeof(text)), PARSE_CLOSE);
}

static void test_pipeline(void **state)
{
	static const char text[] = "get a\r\nset b 0 0 1\r\nx\r\nfoo\nquit\r\n";
	const uint8_t *p = (const uint8_t *)text;
	size_t left = sizeof(text) - 1;
	struct request req;

	(void)state;
	assert_int_equal(ascii_parse(&req, p, left), PARSE_OK);
	assert_int_equal(req.line_len, 7);
	p += 7, left -= 7;
	assert_int_equal(ascii_parse(&req, p, left), PARSE_OK);
	assert_int_equal(req.op, OP_SET);
	p += req.line_len + req.vlen + 2, left -= req.line_len + req.vlen + 2;
	assert_int_equal(ascii_parse(&req, p, left), PARSE_BAD);
	assert_int_equal(req.line_len, 4);
	p += 4, left -= 4;
	assert_int_equal(ascii_parse(&req, p, left), PARSE_OK);
	assert_int_equal(req.op, OP_QUIT);
	assert_int_equal(req.line_len, left);
}

static void test_pieces(void **state)
{
	static const char first[] = "gat 5 alpha beta gam", rest[] = "gamma  delta\r",
			  end[] = "delta\r\nget x\r\n";
	struct request req;
	size_t consumed;
	char got[256];
	bool last;

	(void)state;
	assert_int_equal(ascii_parse_piece(&req, (const uint8_t *)first, 20, &consumed), PARSE_OK);
	assert_int_equal(consumed, 17);
	assert_true(req.more);
	render(got, PARSE_OK, &req);
	assert_string_equal(got, "gat 5 k=alpha k=beta");
	// The unfinished key, with what came behind it.
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)rest, 13, &consumed, &last), PARSE_OK);
	assert_int_equal(consumed, 7);
	assert_true(req.more && !last);
	render(got, PARSE_OK, &req);
	assert_string_equal(got, "gat 5 k=gamma");
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)rest + 7, 6, &consumed, &last), PARSE_MORE);
	assert_int_equal(consumed, 0);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)end, 14, &consumed, &last), PARSE_OK);
	assert_int_equal(consumed, 7);
	assert_true(last && !req.more);
	render(got, PARSE_OK, &req);
	assert_string_equal(got, "gat 5 k=delta");
}

// A bad key in the middle: the line is read to its end, then answered with one error.
static void test_pieces_bad(void **state)
{
	static const char first[] = "get a " K250 "kk", mid[] = K250 " a b ",
			  end[] = " c\nget x\r\n";
	struct request req;
	size_t consumed;
	bool last;

	(void)state;
	assert_int_equal(
		ascii_parse_piece(&req, (const uint8_t *)first, sizeof(first) - 1, &consumed),
		PARSE_MORE);
	assert_int_equal(consumed, sizeof(first) - 1);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)mid, sizeof(mid) - 1, &consumed, &last),
		PARSE_MORE);
	assert_int_equal(consumed, sizeof(mid) - 1);
	assert_false(last);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)end, sizeof(end) - 1, &consumed, &last),
		PARSE_BAD);
	assert_int_equal(consumed, 3);
	assert_true(last);
	assert_string_equal(req.error, "CLIENT_ERROR bad command line format");

	assert_int_equal(
		ascii_parse_piece(&req, (const uint8_t *)"gat x a b", 9, &consumed), PARSE_MORE);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)"\r\n", 2, &consumed, &last), PARSE_BAD);
	assert_string_equal(req.error, "CLIENT_ERROR invalid exptime argument");
	assert_int_equal(
		ascii_parse_piece(&req, (const uint8_t *)"set a 0 0", 9, &consumed), PARSE_CLOSE);
}

// A last key of 250 bytes with only the CR of its line end behind it is not too long; of 251
// it is, at the latest when the LF comes.
static void test_pieces_longest_key(void **state)
{
	static const char fits[] = "get a " K250 "\r", too_long[] = "get a " K250 "k\r";
	struct request req;
	size_t consumed, left;
	bool last;

	(void)state;
	assert_int_equal(
		ascii_parse_piece(&req, (const uint8_t *)fits, sizeof(fits) - 1, &consumed),
		PARSE_OK);
	assert_int_equal(consumed, 6);
	left = sizeof(fits) - 1 - consumed;
	assert_int_equal(ascii_parse_rest(&req, (const uint8_t *)fits + 6, left, &consumed, &last),
		PARSE_MORE);
	assert_int_equal(consumed, 0);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)K250 "\r\n", 252, &consumed, &last),
		PARSE_OK);
	assert_int_equal(req.key.len, 250);
	assert_int_equal(
		ascii_parse_piece(&req, (const uint8_t *)too_long, sizeof(too_long) - 1, &consumed),
		PARSE_MORE);
	assert_int_equal(consumed, sizeof(too_long) - 1);
	assert_int_equal(
		ascii_parse_rest(&req, (const uint8_t *)"\n", 1, &consumed, &last), PARSE_BAD);
}

static void test_format(void **state)
{
	static const uint64_t numbers[] = {0, 9, 10, 99, 100, 4294967295, 4294967296,
		9999999999999999999ULL, 10000000000000000000ULL, UINT64_MAX};
	uint8_t dst[VALUE_HEAD_MAX + 1];
	struct slice key = {(const uint8_t *)K250, 250};
	char want[VALUE_HEAD_MAX + 1];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		dst[ascii_format_u64(dst, numbers[i])] = 0;
		snprintf(want, sizeof(want), "%llu", (unsigned long long)numbers[i]);
		assert_string_equal((char *)dst, want);
		assert_true(ascii_parse_u64((struct slice){dst, strlen(want)}, &v));
		assert_int_equal(v, numbers[i]);
	}
	assert_false(
		ascii_parse_u64((struct slice){(const uint8_t *)"18446744073709551616", 20}, &v));
	assert_false(ascii_parse_u64((struct slice){(const uint8_t *)"1 ", 2}, &v));
	assert_false(ascii_parse_u64((struct slice){dst, 0}, &v));

	// The longest head just fits.
	assert_int_equal(
		ascii_format_value_head(dst, key, UINT32_MAX, UINT32_MAX, true, UINT64_MAX),
		VALUE_HEAD_MAX);
	dst[VALUE_HEAD_MAX] = 0;
	assert_string_equal(
		(char *)dst, "VALUE " K250 " 4294967295 4294967295 18446744073709551615\r\n");
	dst[ascii_format_value_head(dst, (struct slice){(const uint8_t *)"a", 1}, 0, 2, false, 9)] =
		0;
	assert_string_equal((char *)dst, "VALUE a 0 2\r\n");
}

static void test_detect(void **state)
{
	(void)state;
	assert_int_equal(proto_detect('g'), PROTO_ASCII);
	assert_int_equal(proto_detect('\n'), PROTO_ASCII);
	assert_int_equal(proto_detect(0x81), PROTO_ASCII);
	assert_int_equal(proto_detect(0x80), PROTO_BINARY);
	assert_int_equal(proto_detect(0x16), PROTO_TLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_family),
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_delete_incr_touch),
		cmocka_unit_test(test_flush_verbosity_bare),
		cmocka_unit_test(test_lru_crawler),
		cmocka_unit_test(test_admin_and_unknown),
		cmocka_unit_test(test_nul_ends_the_line),
		cmocka_unit_test(test_incomplete_line),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_long_get_leading_spaces),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_pieces_bad),
		cmocka_unit_test(test_pieces_longest_key),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_detect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
