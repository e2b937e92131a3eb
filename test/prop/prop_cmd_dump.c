// SPDX-License-Identifier: BSD-3-Clause
// A dump in steps while the store changes: each key that lives through it is there once
// support: session
//
// Three kinds of keys: still (nobody touches them), rewritten (overwritten, touched and
// read meanwhile) and passing (come and go). In whatever order steps, pauses, changes and
// compaction follow each other, a dump shows every still and every rewritten key exactly
// once and nothing that never was; stats sizes counts each of them. SEED and ROUNDS from
// the environment; a failure prints the seed and the round.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "support/session.h"

#define KIND_KEYS 600
#define VALUE_MAX 3000

enum kind { STILL, REWRITTEN, PASSING, KIND_COUNT };
static const char letter[KIND_COUNT + 1] = "srp";

struct run {
	struct session *s;
	struct rng r;
	uint32_t now_s;
	unsigned changes; // per pause
	unsigned long seed, round;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static size_t make_key(char key[16], enum kind kind, unsigned i)
{
	return (size_t)snprintf(key, 16, "%c%u", letter[kind], i);
}

// False: out of memory, which is fine for all but the first.
static bool put(struct run *t, enum kind kind, unsigned i)
{
	struct store_ctx *ctx = session_ctx(t->s);
	struct store_put p;
	uint8_t *room;
	size_t len, n;
	char key[16];

	n = make_key(key, kind, i);
	if (store_put_begin(ctx, &p, (uint8_t *)key, n,
		    store_hash(session_store(t->s), (uint8_t *)key, n), 0, 0,
		    rng_below(&t->r, VALUE_MAX)) != STORE_OK)
		return false;
	while (store_put_room(ctx, &p, &room, &len)) {
		memset(room, 'v', len);
		store_put_wrote(&p, len);
	}
	return store_put_commit(ctx, &p, STORE_SET, 0) == STORE_OK;
}

static void change_one(struct run *t)
{
	unsigned i = rng_below(&t->r, KIND_KEYS);
	struct store_ref ref;
	uint64_t hash;
	char key[16];
	size_t n;

	if (rng_below(&t->r, 2)) {
		put(t, rng_below(&t->r, 2) ? REWRITTEN : PASSING, i);
		return;
	}
	n = make_key(key, rng_below(&t->r, 2) ? REWRITTEN : PASSING, i);
	hash = store_hash(session_store(t->s), (uint8_t *)key, n);
	if (key[0] == letter[PASSING])
		store_delete(session_ctx(t->s), (uint8_t *)key, n, hash);
	else if (rng_below(&t->r, 2))
		store_get(session_ctx(t->s), (uint8_t *)key, n, hash, &ref);
	else
		store_touch(session_ctx(t->s), (uint8_t *)key, n, hash, t->now_s + 1000000, NULL);
}

static void change(void *arg)
{
	struct run *t = arg;

	for (unsigned i = rng_below(&t->r, t->changes + 1); i > 0; i--)
		change_one(t);
	if (rng_below(&t->r, 16) == 0)
		t->now_s++;
	session_tick(t->s, t->now_s);
}

// How often each key is in a dump; a line of any other form fails.
static void check_lines(const struct run *t, const char *text, const char *format)
{
	static unsigned seen[KIND_COUNT][KIND_KEYS];

	memset(seen, 0, sizeof(seen));
	while (strcmp(text, "END\r\n") != 0) {
		const char *kind = NULL;
		unsigned i;
		char c;

		if (sscanf(text, format, &c, &i) != 2 || !(kind = strchr(letter, c)) ||
			i >= KIND_KEYS)
			fail_msg("SEED=%#lx round %lu: line [%.40s]", t->seed, t->round, text);
		seen[kind - letter][i]++;
		text = strchr(text, '\n') + 1;
	}
	for (unsigned k = STILL; k <= REWRITTEN; k++)
		for (unsigned i = 0; i < KIND_KEYS; i++)
			if (seen[k][i] != 1)
				fail_msg("SEED=%#lx round %lu: %c%u is shown %u times", t->seed,
					t->round, letter[k], i, seen[k][i]);
}

static const char *ask(struct run *t, const char *line)
{
	session_clear(t->s);
	session_feed(t->s, line, strlen(line));
	return session_reply(t->s, NULL);
}

static void check_sizes(const struct run *t, const char *text)
{
	unsigned total = 0, size, n;

	for (; sscanf(text, "STAT %u %u", &size, &n) == 2; text = strchr(text, '\n') + 1)
		total += n;
	// Passing keys may be counted or not, or twice.
	if (strcmp(text, "END\r\n") != 0 || total < 2 * KIND_KEYS)
		fail_msg("SEED=%#lx round %lu: sizes of %u items", t->seed, t->round, total);
}

static void one_round(unsigned long seed, unsigned long round, uint64_t *reclaimed)
{
	struct run t = {.seed = seed, .round = round, .now_s = SESSION_START_S};
	struct session_conf conf = {.mem_limit_bytes = 8 << 20, .no_evictions = true};

	rng_init(&t.r, seed + round);
	conf.limit = 1 + rng_below(&t.r, rng_below(&t.r, 2) ? 2000 : 60000);
	conf.hash_items = rng_below(&t.r, 2) ? 512 : 0; // it grows, or has many empty chains
	t.changes = rng_below(&t.r, 2) ? 2 : 100;
	t.s = session_create(&conf);
	for (unsigned k = 0; k < KIND_COUNT; k++)
		for (unsigned i = 0; i < KIND_KEYS; i++)
			assert_true(put(&t, k, i));
	session_set_between(t.s, change, &t);
	check_lines(&t, ask(&t, "lru_crawler metadump all\r\n"), "key=%c%u exp=");
	check_lines(&t, ask(&t, "stats cachedump 1 0\r\n"), "ITEM %c%u [");
	check_sizes(&t, ask(&t, "stats sizes\r\n"));
	*reclaimed += session_stat(t.s, STORE_STATS_MODULE, "segments_reclaimed");
	session_destroy(t.s);
}

static void test_each_key_once(void **state)
{
	unsigned long seed = env_number("SEED", 0x6475), rounds = env_number("ROUNDS", 40);
	uint64_t reclaimed = 0;

	(void)state;
	for (unsigned long round = 0; round < rounds; round++)
		one_round(seed, round, &reclaimed);
	// Records did move under the walk.
	assert_true(reclaimed > rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
