// SPDX-License-Identifier: BSD-3-Clause
// lib/store against a naive model: random operations, one thread, every answer compared
// support: store_kit model_store
//
// A miss is legal only if an eviction explains it; without evictions there is none.
// SEED=n reruns one seed, STEPS sets the length, RUNS the number of seeds.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "support/model_store.h"
#include "support/store_kit.h"

#define VALUE_MAX 400000

struct run {
	struct kit k;
	struct model m;
	struct rng r;
	uint64_t seed;
	unsigned step;
	unsigned keys;
	bool no_evictions;
	uint64_t refused;
	uint8_t value[VALUE_MAX];
};

static void broken(const struct run *t, const char *op, const char *key, const char *what)
{
	fprintf(stderr, "SEED=%llu step %u, %s: %s %s: %s\n", (unsigned long long)t->seed, t->step,
		t->no_evictions ? "no evictions" : "evictions", op, key, what);
	abort();
}

static void agree(struct run *t, const char *op, const char *key, bool present)
{
	if (!model_agree(&t->m, key, present, kit_stat(&t->k, STORE_STAT_evictions)))
		broken(t, op, key, present ? "present, but it must not be" : "a false miss");
}

// Out of memory is for no_evictions alone.
static bool refused(struct run *t, const char *op, const char *key, enum store_status status)
{
	if (status != STORE_NO_MEMORY)
		return false;
	if (!t->no_evictions)
		broken(t, op, key, "out of memory");
	t->refused++;
	return true;
}

static uint32_t random_len(struct run *t)
{
	switch (rng_below(&t->r, 32)) {
	case 0:
		return 32700 + rng_below(&t->r, 100);
	case 1:
		return 32769 + rng_below(&t->r, 150000);
	case 2:
	case 3:
	case 4:
		return rng_below(&t->r, 20000);
	case 5:
		return 0;
	default:
		return rng_below(&t->r, 700);
	}
}

static uint32_t random_exptime(struct run *t)
{
	switch (rng_below(&t->r, 8)) {
	case 0:
		return t->k.now_s - 1 + rng_below(&t->r, 3);
	case 1:
		return t->k.now_s + rng_below(&t->r, 30);
	default:
		return 0;
	}
}

static void op_get(struct run *t, const char *key)
{
	struct store_ref ref;
	bool hit = kit_get(&t->k, key, &ref) == STORE_OK;
	const char *what;

	agree(t, "get", key, hit);
	if (hit && !model_matches(model_find(&t->m, key), &ref, &what))
		broken(t, "get", key, what);
}

static void op_put(struct run *t, const char *key, enum store_mode mode)
{
	static const char *const name[] = {"set", "add", "replace", "append", "prepend", "cas"};
	uint32_t vlen = random_len(t), flags = rng_below(&t->r, 3), exptime = random_exptime(t);
	struct model_entry *e = model_find(&t->m, key);
	bool wrong = rng_below(&t->r, 3) == 0;
	uint64_t cas = e ? e->cas + wrong : 5;
	bool number = rng_below(&t->r, 4) == 0;
	enum store_status status;

	if (number)
		vlen = (uint32_t)snprintf((char *)t->value, 64, "%llu",
			(unsigned long long)(rng_next(&t->r) >> rng_below(&t->r, 64)));
	else
		kit_fill(t->value, vlen, rng_next(&t->r));
	status = kit_put(
		t->k.ctx, t->k.s, mode, key, strlen(key), t->value, vlen, flags, exptime, cas);
	if (refused(t, name[mode], key, status))
		return;
	switch (mode) {
	case STORE_SET:
		break;
	case STORE_ADD:
		agree(t, "add", key, status == STORE_NOT_STORED);
		break;
	case STORE_CAS:
		agree(t, "cas", key, status != STORE_NOT_FOUND);
		if (status != STORE_NOT_FOUND && cas && (status == STORE_OK) == wrong)
			broken(t, "cas", key, wrong ? "a wrong cas won" : "the right cas lost");
		break;
	default:
		agree(t, name[mode], key, status != STORE_NOT_STORED);
		break;
	}
	if (status != STORE_OK)
		return;
	if (mode == STORE_APPEND || mode == STORE_PREPEND)
		model_join(model_find(&t->m, key), t->value, vlen, mode == STORE_APPEND);
	else
		model_set(&t->m, key, t->value, vlen, flags, exptime);
}

static void op_delta(struct run *t, const char *key)
{
	bool down = rng_below(&t->r, 2);
	uint64_t d = rng_next(&t->r) >> rng_below(&t->r, 64), v = 0, want = 0;
	enum store_status status = store_delta(
		t->k.ctx, (const uint8_t *)key, strlen(key), kit_hash(&t->k, key), down, d, &v);
	bool number;

	if (refused(t, "delta", key, status))
		return;
	agree(t, "delta", key, status != STORE_NOT_FOUND);
	if (status == STORE_NOT_FOUND)
		return;
	number = model_delta(model_find(&t->m, key), down, d, &want);
	if (number != (status == STORE_OK) || v != want)
		broken(t, "delta", key, "another number");
}

static void op_touch(struct run *t, const char *key)
{
	uint32_t exptime = random_exptime(t);
	struct store_ref ref;
	const char *what;
	bool hit = store_touch(t->k.ctx, (const uint8_t *)key, strlen(key), kit_hash(&t->k, key),
			   exptime, &ref) == STORE_OK;

	agree(t, "touch", key, hit);
	if (!hit)
		return;
	model_find(&t->m, key)->exptime = exptime;
	for (struct model_entry *e = t->m.list; e; e = e->next)
		if (strcmp(e->key, key) == 0 && !model_matches(e, &ref, &what))
			broken(t, "touch", key, what);
}

static void op_delete(struct run *t, const char *key)
{
	agree(t, "delete", key, kit_delete(&t->k, key) == STORE_OK);
	model_delete(&t->m, key);
}

// An upload that is begun and given up halfway.
static void op_abort(struct run *t, const char *key)
{
	struct store_put put;
	uint8_t *room;
	size_t len;

	if (store_put_begin(t->k.ctx, &put, (const uint8_t *)key, strlen(key), kit_hash(&t->k, key),
		    0, 0, random_len(t)) != STORE_OK)
		return;
	if (store_put_room(t->k.ctx, &put, &room, &len)) {
		memset(room, 'x', len);
		store_put_wrote(&put, len);
	}
	store_put_abort(t->k.ctx, &put);
}

static void op_time(struct run *t)
{
	unsigned what = rng_below(&t->r, 200);

	if (what == 0) {
		store_flush(t->k.ctx, 0);
		model_flush(&t->m, 0);
	} else if (what == 1) {
		uint32_t at = t->k.now_s + 1 + rng_below(&t->r, 5);

		store_flush(t->k.ctx, at);
		model_flush(&t->m, at);
	} else if (what == 2) {
		store_offline(t->k.ctx);
		store_online(t->k.ctx);
	} else if (what < 20) {
		kit_pass(&t->k, 1);
		model_clock(&t->m, t->k.now_s);
	}
	kit_tick(&t->k, 1);
}

static void walk_one(void *arg, struct slice key, const struct store_ref *ref)
{
	struct run *t = arg;
	struct model_entry *e;
	char text[STORE_KEY_LEN_MAX + 1];
	const char *what;

	memcpy(text, key.p, key.len);
	text[key.len] = 0;
	e = model_find(&t->m, text);
	if (!e)
		broken(t, "walk", text, "present, but it must not be");
	if (!model_matches(e, ref, &what))
		broken(t, "walk", text, what);
}

static void compare_all(struct run *t)
{
	uint64_t cursor = 0;
	char key[16];

	for (unsigned i = 0; i < t->keys; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		op_get(t, key);
	}
	do
		cursor = store_walk(t->k.ctx, cursor, 100, walk_one, t);
	while (cursor);
	// Every miss of a present key was an eviction, and the other way round, but for
	// what was overwritten, deleted or flushed before it was missed.
	if (t->no_evictions && kit_stat(&t->k, STORE_STAT_evictions) != 0)
		broken(t, "compare", "", "evictions without being allowed to");
	if (kit_usage(&t->k).curr_items < model_count(&t->m))
		broken(t, "compare", "", "curr_items too small");
}

static void one_step(struct run *t)
{
	char key[16];

	snprintf(key, sizeof(key), "key%u", rng_below(&t->r, t->keys));
	switch (rng_below(&t->r, 20)) {
	case 0:
		op_put(t, key, STORE_ADD);
		break;
	case 1:
		op_put(t, key, STORE_REPLACE);
		break;
	case 2:
		op_put(t, key, rng_below(&t->r, 2) ? STORE_APPEND : STORE_PREPEND);
		break;
	case 3:
	case 4:
		op_put(t, key, STORE_CAS);
		break;
	case 5:
		op_delete(t, key);
		break;
	case 6:
	case 7:
		op_delta(t, key);
		break;
	case 8:
		op_touch(t, key);
		break;
	case 9:
		op_abort(t, key);
		break;
	case 10:
	case 11:
	case 12:
	case 13:
	case 14:
		op_put(t, key, STORE_SET);
		break;
	default:
		op_get(t, key);
		break;
	}
	if (rng_below(&t->r, 8) == 0)
		op_time(t);
}

static uint64_t run_seed(
	uint64_t seed, unsigned steps, unsigned keys, unsigned check_every, bool no_evictions)
{
	struct run *t = calloc(1, sizeof(*t));
	uint64_t reclaimed;

	t->seed = seed;
	t->keys = keys;
	t->no_evictions = no_evictions;
	rng_init(&t->r, seed);
	kit_open(&t->k, 8 << 20, 1, no_evictions);
	model_clock(&t->m, t->k.now_s);
	for (t->step = 0; t->step < steps; t->step++) {
		one_step(t);
		if (t->step % check_every == 0 && !kit_check(&t->k))
			broken(t, "check", "", "a broken law");
		if (t->step % 1024 == 1023)
			compare_all(t);
	}
	compare_all(t);
	assert_true(kit_check(&t->k));
	reclaimed = kit_stat(&t->k, STORE_STAT_segments_reclaimed);
	model_fini(&t->m);
	kit_close(&t->k);
	free(t);
	return reclaimed;
}

static void runs(unsigned steps, unsigned keys, unsigned check_every, bool must_reclaim)
{
	uint64_t first = kit_seed(1), count = getenv("SEED") ? 1 : kit_env("RUNS", 6);
	uint64_t reclaimed = 0;

	for (uint64_t seed = first; seed < first + count; seed++) {
		reclaimed += run_seed(seed, steps, keys, check_every, false);
		reclaimed += run_seed(seed, steps, keys, check_every, true);
	}
	if (must_reclaim)
		assert_true(reclaimed > 0);
}

// Few keys, all laws checked after each step.
static void test_each_step_checked(void **state)
{
	runs((unsigned)kit_env("STEPS", 600), 40, 1, false);
}

// All fits: nothing is evicted, much is overwritten.
static void test_fits(void **state)
{
	runs((unsigned)kit_env("STEPS", 12000), 100, 500, true);
}

// Twice what fits.
static void test_does_not_fit(void **state)
{
	runs((unsigned)kit_env("STEPS", 12000), 2000, 500, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_checked),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
