// SPDX-License-Identifier: BSD-3-Clause
// The same requests in other pieces, with less room for replies: the same replies
// support: session
//
// A random pipeline is fed whole to one server. Then it is cut in two at every byte, and
// cut at random into many pieces for a server with a tiny reply pool, a low pause limit
// and a short line buffer. SEED and ROUNDS from the environment; a failure prints the seed
// and the round.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "support/session.h"

#define TEXT_MAX 200000

struct text {
	char *p;
	size_t len;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void add(struct text *t, const char *s)
{
	memcpy(t->p + t->len, s, strlen(s));
	t->len += strlen(s);
}

static void add_key(struct text *t, struct rng *r)
{
	char key[16];

	snprintf(key, sizeof(key), " key%u", rng_below(r, 6));
	add(t, key);
}

static void add_value(struct text *t, struct rng *r, size_t len)
{
	for (size_t i = 0; i < len; i++)
		t->p[t->len++] = (char)(rng_below(r, 8) ? '0' + (int)rng_below(r, 10)
							: "\r\n \0z"[rng_below(r, 5)]);
}

static void add_store(struct text *t, struct rng *r, size_t len)
{
	static const char *const words[] = {
		"set", "set", "set", "add", "replace", "append", "prepend", "cas"};
	const char *word = words[rng_below(r, 8)];
	char tail[64];

	add(t, word);
	add_key(t, r);
	snprintf(tail, sizeof(tail), " %u %s %zu%s%s%s", rng_below(r, 100),
		rng_below(r, 10) ? "0" : "-1", len, strcmp(word, "cas") == 0 ? " 99999999" : "",
		rng_below(r, 5) ? "" : " noreply", rng_below(r, 8) ? "\r\n" : "\n");
	add(t, tail);
	add_value(t, r, len);
	add(t, rng_below(r, 12) ? "\r\n" : "??");
}

static void add_get(struct text *t, struct rng *r, unsigned key_count)
{
	static const char *const words[] = {"get", " get", "gat 0", "gat 100"};

	add(t, words[rng_below(r, 4)]);
	for (unsigned i = 0; i < key_count; i++)
		add_key(t, r);
	add(t, rng_below(r, 8) ? "\r\n" : " \n");
}

static void add_other(struct text *t, struct rng *r)
{
	static const char *const lines[] = {"delete", "delete%0", "incr%1", "incr%99999", "decr%7",
		"touch%0", "touch%-1", "incr%x", "touch%x", "delete%1", "set%0 0 x", "set%0 0"};
	static const char *const bare[] = {"version", "foo", "", "verbosity 1", "stats sizes",
		"flush_all", "flush_all 0", "get", "gat x a", "stats foo", "shutdown"};

	if (rng_below(r, 3) == 0) {
		add(t, bare[rng_below(r, sizeof(bare) / sizeof(bare[0]))]);
	} else {
		const char *line = lines[rng_below(r, sizeof(lines) / sizeof(lines[0]))];
		const char *rest = strchr(line, '%');
		struct text word = {t->p + t->len, 0};

		add(&word, line);
		t->len += rest ? (size_t)(rest - line) : word.len;
		add_key(t, r);
		if (rest) {
			add(t, " ");
			add(t, rest + 1);
		}
		if (rng_below(r, 5) == 0)
			add(t, " noreply");
	}
	add(t, rng_below(r, 6) ? "\r\n" : "\n");
}

// It begins with flush_all, so that the reply does not depend on what was before.
static void make_pipeline(struct text *t, struct rng *r, unsigned count, bool large)
{
	t->len = 0;
	add(t, "flush_all noreply\r\n");
	for (unsigned i = 0; i < count; i++) {
		unsigned dice = rng_below(r, 10);

		if (dice < 4)
			add_store(t, r, rng_below(r, rng_below(r, 4) ? 8 : large ? 3000 : 60));
		else if (dice < 7)
			add_get(t, r, 1 + rng_below(r, large && dice == 6 ? 400 : 5));
		else
			add_other(t, r);
		if (large && rng_below(r, 12) == 0)
			add_store(t, r, STORE_FRAGMENT_LEN - 5 + rng_below(r, 10));
	}
	if (rng_below(r, 4) == 0)
		add(t, rng_below(r, 2) ? "quit\r\nget a\r\n" : "GET / HTTP/1.1\r\nget a\r\n");
}

struct reply {
	char *p;
	size_t len;
	bool closed;
};

static struct reply take(struct session *s)
{
	struct reply reply = {.closed = session_closed(s)};
	const char *p = session_reply(s, &reply.len);

	reply.p = malloc(reply.len + 1);
	assert_non_null(reply.p);
	memcpy(reply.p, p, reply.len + 1);
	session_clear(s);
	session_reconnect(s);
	return reply;
}

static void check_same(const struct reply *want, struct session *s, const char *where)
{
	struct reply got = take(s);

	if (got.len != want->len || memcmp(got.p, want->p, got.len) != 0 ||
		got.closed != want->closed)
		fail_msg("%s\n got [%s] closed %d\nwant [%s] closed %d", where, got.p, got.closed,
			want->p, want->closed);
	free(got.p);
}

static void test_every_cut(void **state)
{
	uint64_t seed = env_number("SEED", 0xc07), rounds = env_number("ROUNDS", 60);
	struct text t = {malloc(TEXT_MAX), 0};
	struct session *s = session_create(NULL);
	struct rng r;

	(void)state;
	assert_non_null(t.p);
	rng_init(&r, seed);
	for (uint64_t round = 0; round < rounds; round++) {
		struct reply want;

		make_pipeline(&t, &r, 8, false);
		session_feed(s, t.p, t.len);
		want = take(s);
		for (size_t cut = 1; cut < t.len; cut++) {
			char where[96];

			session_feed(s, t.p, cut);
			session_feed(s, t.p + cut, t.len - cut);
			snprintf(where, sizeof(where), "SEED=%#lx round %lu cut %zu", seed, round,
				cut);
			check_same(&want, s, where);
		}
		free(want.p);
	}
	session_destroy(s);
	free(t.p);
}

static void test_small_pieces_small_room(void **state)
{
	// A reply pool of 34 chunks just takes the largest value.
	static const struct session_conf confs[] = {{.chunk_count = 34, .line_room = 700},
		{.limit = 1}, {.limit = 3000, .chunk_count = 40, .line_room = 301}};
	uint64_t seed = env_number("SEED", 0x5917), rounds = env_number("ROUNDS", 60);
	struct text t = {malloc(TEXT_MAX), 0};
	struct session *whole = session_create(NULL), *s[3];
	struct rng r;

	(void)state;
	assert_non_null(t.p);
	rng_init(&r, seed);
	for (unsigned i = 0; i < 3; i++)
		s[i] = session_create(&confs[i]);
	for (uint64_t round = 0; round < rounds; round++) {
		struct reply want;
		char where[96];

		make_pipeline(&t, &r, 12, true);
		session_feed(whole, t.p, t.len);
		want = take(whole);
		for (unsigned i = 0; i < 3; i++) {
			uint32_t most = 1 + rng_below(&r, rng_below(&r, 2) ? 20 : 3000);
			size_t n;

			for (size_t off = 0; off < t.len; off += n) {
				n = 1 + rng_below(&r, most);
				n = n > t.len - off ? t.len - off : n;
				session_feed(s[i], t.p + off, n);
			}
			snprintf(where, sizeof(where), "SEED=%#lx round %lu server %u", seed, round,
				i);
			check_same(&want, s[i], where);
		}
		free(want.p);
	}
	// It did meet what it is about; one seed alone may not.
	if (!getenv("SEED")) {
		assert_true(session_blocked_count(s[0]) > 0);
		assert_true(session_paused_count(s[1]) > 0);
		assert_true(session_piece_count(s[2]) > 0);
	}
	for (unsigned i = 0; i < 3; i++)
		session_destroy(s[i]);
	session_destroy(whole);
	free(t.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_small_pieces_small_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
