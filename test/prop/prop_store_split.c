// SPDX-License-Identifier: BSD-3-Clause
// lib/store: a split at every instruction of a look-up, and a look-up at every one of a split
// support: store_kit
//
// The processor's trap flag stops after each instruction. Threads meet these instants too, but
// once in a million (prop_store_growth).

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <cmocka.h>

#include "store/grow.h"
#include "store/index.h"
#include "support/store_kit.h"

#define ITEMS 30000
#define LARGE_EVERY 100
#define LARGE_LEN 33000
#define TRAP_FLAG 0x100
#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 5 // instructions: there are so many more
#else
#define STRIDE 1
#endif

struct place {
	char key[16];
	size_t len;
	uint64_t hash;
};

static struct kit k;
static struct place place[ITEMS];
static uint8_t large[LARGE_LEN];

static volatile bool is_stepping;
static volatile unsigned long steps;
static void (*volatile at_step)(void);

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (sig == SIGTRAP && is_stepping) {
		steps++;
		at_step();
	}
	if (is_stepping)
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static bool steps_begin(void (*fn)(void))
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	steps = 0;
	at_step = fn;
	is_stepping = true;
	raise(SIGUSR1);
	return true;
}

#else

static bool steps_begin(void (*fn)(void))
{
	return false;
}

#endif

static void steps_end(void)
{
	is_stepping = false;
}

// ---- the store

static void open_full(void)
{
	struct store_conf conf = {
		.mem_limit_bytes = 64 << 20,
		.item_size_max = 1 << 20,
		.hash_items = 10000,
		.no_evictions = true,
		.ctx_count_max = 1,
		.hash_key = {kit_seed(1), 8},
		.now_s = KIT_NOW,
	};

	kit_open_conf(&k, &conf);
	for (unsigned i = 0; i < ITEMS; i++) {
		struct place *p = &place[i];

		p->len = (size_t)snprintf(p->key, sizeof(p->key), "k%u", i);
		p->hash = kit_hash(&k, p->key);
		// Without a turn: nothing grows.
		assert_int_equal(kit_put(k.ctx, k.s, STORE_SET, p->key, p->len, large,
					 i % LARGE_EVERY ? 8 : LARGE_LEN, i, 0, 0),
			STORE_OK);
	}
	// It wants to grow, whatever comes.
	k.s->index_items = 1ULL << 40;
}

static uint64_t count_now(void)
{
	return atomic_load(&k.s->bucket_count);
}

static uint64_t next_split(void)
{
	uint64_t count = count_now();

	return count - (1ULL << (63 - __builtin_clzll(count)));
}

// An item that the next split moves, from number *i on.
static const struct place *find_moving(unsigned *i, unsigned every)
{
	uint64_t from = next_split(), count = count_now();
	unsigned bit = k.s->bucket_shift + 63U - (unsigned)__builtin_clzll(count);

	for (; *i < ITEMS; ++*i)
		if (*i % every == 0 && bucket_number(k.s, place[*i].hash) == from &&
			(place[*i].hash >> bit & 1))
			return &place[(*i)++];
	return NULL;
}

static void split(void)
{
	uint64_t count = count_now();

	grow_alone(k.s);
	if (count_now() != count + 1)
		abort();
}

// ---- a split at one instruction of a look-up

static unsigned long split_at;

static void split_if_due(void)
{
	if (steps < split_at)
		return;
	steps_end();
	split();
}

// look_up with a split at its instruction number n. True: it came to so many.
static bool look_up_split_at(
	bool (*look_up)(const struct place *p), const struct place *p, unsigned long n)
{
	bool found;

	split_at = n;
	if (!steps_begin(split_if_due))
		skip();
	found = look_up(p);
	steps_end();
	if (!found)
		fail_msg("%s was missed with a split at its instruction %lu", p->key, n);
	if (steps >= n)
		return true;
	split();
	return false;
}

static bool look_up_item(const struct place *p)
{
	struct store_ref ref;

	return store_get(k.ctx, (const uint8_t *)p->key, p->len, p->hash, &ref) == STORE_OK;
}

static const struct item *fragment;

static bool look_up_owner(const struct place *p)
{
	struct index_pos pos;

	return index_find_owner(k.s, p->hash, fragment, 0, &pos) != NULL;
}

static void at_each_instruction(bool (*look_up)(const struct place *), unsigned every)
{
	unsigned long n = 1, longest = 0;
	unsigned wraps = 0;

	open_full();
	while (wraps < 1 && count_now() < k.s->bucket_first * 16) {
		unsigned i = 0;
		const struct place *p = find_moving(&i, every);
		struct store_ref ref;

		if (!p) {
			split();
			continue;
		}
		if (every > 1) {
			assert_int_equal(kit_get(&k, p->key, &ref), STORE_OK);
			fragment = owner_fragment(ref.item, 0);
		}
		if (look_up_split_at(look_up, p, n)) {
			n += STRIDE;
			continue;
		}
		longest = n > longest ? n : longest;
		n = 1;
		wraps++;
	}
	assert_true(longest > 30);
	k.s->index_items = k.ctx->items_told;
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_item(void **state)
{
	at_each_instruction(look_up_item, 1);
}

static void test_owner(void **state)
{
	at_each_instruction(look_up_owner, LARGE_EVERY);
}

// ---- look-ups at each instruction of a split

static const struct place *moving[CHAIN_MAX * BUCKET_SLOTS + 1];
static const struct place *volatile missed;

static void look_up_all(void)
{
	for (unsigned i = 0; moving[i]; i++)
		if (!look_up_item(moving[i]))
			missed = moving[i];
}

static void test_during_a_split(void **state)
{
	unsigned long longest = 0;

	open_full();
	for (unsigned n = 0; n < 10; n++) {
		unsigned i = 0, found = 0;

		memset(moving, 0, sizeof(moving));
		while ((moving[found] = find_moving(&i, 1)))
			found++;
		if (!steps_begin(look_up_all))
			skip();
		split();
		steps_end();
		longest = steps > longest ? steps : longest;
		if (missed)
			fail_msg("%s was missed during a split", missed->key);
	}
	assert_true(longest > 100);
	kit_close(&k);
}

// ---- walks at each instruction of a split

static unsigned walks, visited[ITEMS]; // in which walk each was visited last
static const char *volatile walk_fault;

static void visit(void *arg, struct slice key, const struct store_ref *ref)
{
	if (visited[ref->client_flags] == walks)
		walk_fault = "twice";
	visited[ref->client_flags] = walks;
}

static void walk_all(void)
{
	uint64_t cursor = 0;

	if (steps % (2 * STRIDE)) // a walk is long, and the instants last more than one instruction
		return;
	walks++;
	do
		cursor = store_walk(k.ctx, cursor, 100, visit, NULL);
	while (cursor);
	for (unsigned i = 0; i < ITEMS && !walk_fault; i++)
		if (visited[i] != walks)
			walk_fault = "not at all";
}

static void test_walk_during_a_split(void **state)
{
	open_full();
	for (unsigned n = 0; n < 2; n++) {
		if (!steps_begin(walk_all))
			skip();
		split();
		steps_end();
		if (walk_fault)
			fail_msg("a walk during a split visits an item %s", walk_fault);
	}
	assert_true(walks > 50);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_item),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_during_a_split),
		cmocka_unit_test(test_walk_during_a_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
