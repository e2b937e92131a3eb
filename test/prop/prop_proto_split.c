// SPDX-License-Identifier: BSD-3-Clause
// Random lines, cut at every byte: a part is incomplete, the whole does not change
//
// SEED and ROUNDS from the environment; a failure prints the seed and the round.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/proto.h"

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

// A line of plausible words, odd numbers, stray spaces and now and then a long key.
static size_t make_line(struct rng *r, char *dst)
{
	static const char *const words[] = {"get", "gets", "gat", "gats", "set", "add", "replace",
		"append", "prepend", "cas", "delete", "incr", "decr", "touch", "flush_all",
		"version", "verbosity", "stats", "shutdown", "quit", "watch", "lru", "slabs",
		"lru_crawler", "cache_memlimit", "mg", "GET", "x", ""};
	static const char *const args[] = {"a", "0", "1", "-1", "noreply", "4294967296", "+1", "x",
		"9223372036854775808", "18446744073709551616", "HTTP/1.1", "k\tk", "k\rk", "\x80",
		"reassign", "crawl", "2147483646", "-18446744073709551615", "1\t"};
	unsigned arg_count = rng_below(r, 8);
	size_t n = 0;

	for (unsigned i = 0; i <= arg_count; i++) {
		const char *text = words[rng_below(r, sizeof(words) / sizeof(words[0]))];

		if (i > 0)
			text = args[rng_below(r, sizeof(args) / sizeof(args[0]))];
		for (unsigned space = i == 0; space < 2 && rng_below(r, space ? 8 : 1) == 0;
			space++)
			dst[n++] = ' ';
		if (i > 0 && rng_below(r, 12) == 0) {
			size_t len = 240 + rng_below(r, 20);

			memset(dst + n, 'k', len);
			n += len;
			continue;
		}
		memcpy(dst + n, text, strlen(text));
		n += strlen(text);
	}
	if (rng_below(r, 4) == 0)
		dst[n++] = ' ';
	if (rng_below(r, 4) > 0)
		dst[n++] = '\r';
	dst[n++] = '\n';
	return n;
}

// The same bytes in a buffer of exactly their size.
static enum parse_status parse_exact(
	const char *text, size_t len, struct request *req, uint8_t **buf)
{
	*buf = malloc(len ? len : 1);
	assert_non_null(*buf);
	memcpy(*buf, text, len);
	return ascii_parse(req, *buf, len);
}

static bool same_slice(struct slice a, const uint8_t *a_buf, struct slice b, const uint8_t *b_buf)
{
	return a.len == b.len && (a.len == 0 || a.p - a_buf == b.p - b_buf);
}

static bool same_request(const struct request *a, const uint8_t *a_buf, const struct request *b,
	const uint8_t *b_buf)
{
	return a->op == b->op && a->noreply == b->noreply && a->line_len == b->line_len &&
	       a->error == b->error && a->client_flags == b->client_flags &&
	       a->exptime == b->exptime && a->vlen == b->vlen && a->cas == b->cas &&
	       a->delta == b->delta && a->has_exptime == b->has_exptime &&
	       same_slice(a->args, a_buf, b->args, b_buf) &&
	       same_slice(a->key, a_buf, b->key, b_buf);
}

static void check_line(const char *line, size_t len, uint64_t seed, uint64_t round)
{
	struct request whole, req;
	uint8_t *whole_buf, *buf;
	enum parse_status want = parse_exact(line, len, &whole, &whole_buf), got;
	char longer[4096];

	for (size_t cut = 0; cut < len; cut++) {
		got = parse_exact(line, cut, &req, &buf);
		free(buf);
		if (got != PARSE_MORE)
			fail_msg("SEED=%#lx round %lu: %zu of %zu bytes of [%.*s] give %d", seed,
				round, cut, len, (int)len, line, got);
	}
	// Whatever follows, even a part of the next line, changes nothing.
	memcpy(longer, line, len);
	memcpy(longer + len, "get b\r\nset c", 12);
	for (size_t more = 1; more <= 12; more++) {
		got = parse_exact(longer, len + more, &req, &buf);
		if (got != want || (want == PARSE_OK || want == PARSE_BAD
						   ? !same_request(&whole, whole_buf, &req, buf)
						   : false))
			fail_msg("SEED=%#lx round %lu: [%.*s] differs with %zu bytes more", seed,
				round, (int)len, line, more);
		free(buf);
	}
	free(whole_buf);
}

static void test_cut_lines(void **state)
{
	uint64_t seed = env_number("SEED", 0x5eed), rounds = env_number("ROUNDS", 3000);
	struct rng r;

	(void)state;
	rng_init(&r, seed);
	for (uint64_t round = 0; round < rounds; round++) {
		char line[4096];

		check_line(line, make_line(&r, line), seed, round);
	}
}

static size_t make_long_get(struct rng *r, char *dst, size_t room)
{
	static const char *const words[] = {"get", "gets", "gat 7", "gats -1", "  get"};
	size_t n = (size_t)sprintf(dst, "%s", words[rng_below(r, 5)]);
	bool bad = rng_below(r, 4) == 0;

	while (n < room - 600) {
		size_t len = 1 + rng_below(r, rng_below(r, 4) ? 20 : 250);

		if (bad && rng_below(r, 40) == 0)
			len = 251 + rng_below(r, 50);
		for (unsigned i = 0; i <= (rng_below(r, 6) == 0); i++)
			dst[n++] = ' ';
		for (size_t i = 0; i < len; i++)
			dst[n++] = (char)('a' + rng_below(r, 26));
	}
	n += (size_t)sprintf(dst + n, "%s", rng_below(r, 2) ? "\r\n" : " \n");
	return n;
}

// Run a long get line in pieces of at most room bytes that arrive in random portions: the
// keys, or the error, of the whole line.
static void check_pieces(struct rng *r, const char *line, size_t len, const char *where)
{
	struct request whole, req;
	struct slice want, key;
	enum parse_status all = ascii_parse(&whole, (const uint8_t *)line, len), st;
	size_t room = 300 + rng_below(r, 1000), arrived = room, off = 0, consumed;
	bool last = false;

	st = ascii_parse_piece(&req, (const uint8_t *)line, room, &consumed);
	for (;;) {
		if (st == PARSE_BAD || st == PARSE_CLOSE)
			break;
		while (st == PARSE_OK && request_next_key(&req, &key)) {
			// Keys in front of a bad one may have been run before it was seen.
			if (all == PARSE_BAD)
				continue;
			if (!request_next_key(&whole, &want) || key.p != want.p ||
				key.len != want.len)
				fail_msg("%s: wrong key at %zu", where, off);
		}
		if (last)
			break;
		off += consumed;
		arrived += 1 + rng_below(r, (uint32_t)room);
		if (arrived > off + room)
			arrived = off + room;
		if (arrived > len)
			arrived = len;
		st = ascii_parse_rest(
			&req, (const uint8_t *)line + off, arrived - off, &consumed, &last);
		if (consumed == 0 && arrived == off + room)
			fail_msg("%s: stuck at %zu", where, off);
	}
	if (st != all || !last || off + consumed != len)
		fail_msg("%s: ends with %d, not %d, at %zu of %zu", where, st, all, off + consumed,
			len);
	if (st == PARSE_BAD)
		assert_string_equal(req.error, whole.error);
	else if (request_next_key(&whole, &want))
		fail_msg("%s: keys are missing", where);
}

static void test_pieces(void **state)
{
	uint64_t seed = env_number("SEED", 0x91ece5), rounds = env_number("ROUNDS", 2000);
	struct rng r;

	(void)state;
	rng_init(&r, seed);
	for (uint64_t round = 0; round < rounds; round++) {
		char line[6000], where[64];
		size_t len = make_long_get(&r, line, sizeof(line));

		snprintf(where, sizeof(where), "SEED=%#lx round %lu", seed, round);
		check_pieces(&r, line, len, where);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_lines),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
