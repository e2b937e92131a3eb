// SPDX-License-Identifier: BSD-3-Clause
// lib/store: who changes a key waits for the lock of its bucket, who reads it does not
// support: store_kit
//
// The lock is held here, and another thread does each operation: a change must not be seen,
// nor come back, until the lock is free.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/check.h"
#include "store/drain.h"
#include "store/publish.h"
#include "store/segment.h"
#include "support/store_kit.h"

#define KEY "key"
#define WAIT_MS 20 // long enough to see a change that does not wait

struct work {
	struct kit *k;
	struct store_ctx *ctx;
	struct item *it; // that the slot points to
	uint64_t hash;
	_Atomic bool done;
	enum job_mode mode; // of op_sweep
	bool sweep_fragment;
};

typedef void op_fn(struct work *w);

static void put(struct work *w, enum store_mode mode, uint64_t cas)
{
	CHECK(kit_put(w->ctx, w->k->s, mode, KEY, strlen(KEY), "7", 1, 0, 0, cas) == STORE_OK);
}

static void op_set(struct work *w)
{
	put(w, STORE_SET, 0);
}

static void op_replace(struct work *w)
{
	put(w, STORE_REPLACE, 0);
}

static void op_append(struct work *w)
{
	put(w, STORE_APPEND, 0);
}

static void op_cas(struct work *w)
{
	put(w, STORE_CAS, w->it->stamp);
}

static void op_incr(struct work *w)
{
	uint64_t v;

	CHECK(store_delta(w->ctx, (const uint8_t *)KEY, strlen(KEY), w->hash, false, 1, &v) ==
		STORE_OK);
}

static void op_delete(struct work *w)
{
	CHECK(store_delete(w->ctx, (const uint8_t *)KEY, strlen(KEY), w->hash) == STORE_OK);
}

static void op_touch(struct work *w)
{
	CHECK(store_touch(w->ctx, (const uint8_t *)KEY, strlen(KEY), w->hash, KIT_NOW + 50, NULL) ==
		STORE_OK);
}

static void drain(struct work *w, struct item *it, enum job_mode mode)
{
	struct store *s = w->k->s;
	struct job j = {
		.segment = (uint32_t)(segment_of(s, offset_of(s, it)) - s->segment), .mode = mode};
	uint32_t moved = 0;

	CHECK(drain_record(w->ctx, &j, it, w->hash, &moved) == DRAIN_DONE);
}

static void op_move(struct work *w)
{
	drain(w, w->it, JOB_COMPACT);
}

static void op_sweep(struct work *w)
{
	struct store *s = w->k->s;
	struct item *it = w->sweep_fragment ? owner_fragment(w->it, 1) : w->it;
	struct job j = {.segment = (uint32_t)(segment_of(s, offset_of(s, it)) - s->segment),
		.mode = w->mode};
	uint32_t moved = 0;

	CHECK(drain_record(w->ctx, &j, it, w->hash, &moved) == DRAIN_RETRY);
}

static void op_evict(struct work *w)
{
	drain(w, w->it, JOB_EVICT);
}

static void op_move_fragment(struct work *w)
{
	drain(w, owner_fragment(w->it, 1), JOB_COMPACT);
}

static void op_get(struct work *w)
{
	struct store_ref ref;

	CHECK(store_get(w->ctx, (const uint8_t *)KEY, strlen(KEY), w->hash, &ref) == STORE_OK);
}

static void visit(void *arg, struct slice key, const struct store_ref *ref)
{
	++*(unsigned *)arg;
}

static void op_walk(struct work *w)
{
	unsigned count = 0;
	uint64_t cursor = 0;

	do
		cursor = store_walk(w->ctx, cursor, 100, visit, &count);
	while (cursor);
	CHECK(count == 1);
}

// ---- both sides of the lock

struct job_of_thread {
	op_fn *op;
	struct work *w;
};

static void *run(void *arg)
{
	struct job_of_thread *j = arg;

	j->op(j->w);
	atomic_store(&j->w->done, true);
	return NULL;
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
}

static void open_work(struct kit *k, struct work *w, uint32_t vlen)
{
	char *value = malloc(vlen);
	struct index_pos pos;

	kit_open(k, 8 << 20, 2, false);
	memset(value, '1', vlen);
	assert_int_equal(
		kit_put(k->ctx, k->s, STORE_SET, KEY, strlen(KEY), value, vlen, 0, KIT_NOW + 9, 0),
		STORE_OK);
	free(value);
	*w = (struct work){.k = k, .ctx = store_ctx_create(k->s, 1), .hash = kit_hash(k, KEY)};
	w->it = index_find(k->s, (const uint8_t *)KEY, strlen(KEY), w->hash, &pos);
	assert_non_null(w->it);
}

static void close_work(struct kit *k, struct work *w)
{
	store_ctx_destroy(w->ctx);
	assert_true(kit_check(k));
	kit_close(k);
}

static void waits(op_fn *op, uint32_t vlen)
{
	struct kit k;
	struct work w;
	struct job_of_thread j = {op, &w};
	struct index_pos pos;
	pthread_t id;

	open_work(&k, &w, vlen);
	bucket_lock(k.s, w.hash);
	assert_int_equal(pthread_create(&id, NULL, run, &j), 0);
	sleep_ms(WAIT_MS);
	assert_false(atomic_load(&w.done));
	assert_ptr_equal(index_find(k.s, (const uint8_t *)KEY, strlen(KEY), w.hash, &pos), w.it);
	assert_int_equal(item_exptime(w.it), KIT_NOW + 9);
	bucket_unlock(k.s, w.hash);
	pthread_join(id, NULL);
	// It did change something.
	assert_true(index_find(k.s, (const uint8_t *)KEY, strlen(KEY), w.hash, &pos) != w.it ||
		    item_exptime(w.it) != KIT_NOW + 9);
	close_work(&k, &w);
}

static void does_not_wait(op_fn *op)
{
	struct kit k;
	struct work w;
	struct job_of_thread j = {op, &w};
	pthread_t id;

	open_work(&k, &w, 1);
	bucket_lock(k.s, w.hash);
	assert_int_equal(pthread_create(&id, NULL, run, &j), 0);
	pthread_join(id, NULL);
	bucket_unlock(k.s, w.hash);
	close_work(&k, &w);
}

static void test_changes_wait(void **state)
{
	static op_fn *const ops[] = {op_set, op_replace, op_append, op_cas, op_incr, op_delete,
		op_touch, op_move, op_evict};

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		waits(ops[i], 1);
	waits(op_move_fragment, 2 * STORE_FRAGMENT_LEN);
}

static void test_readers_do_not_wait(void **state)
{
	does_not_wait(op_get);
	does_not_wait(op_walk);
}

// The mover has copied the record and waits for the lock: what a touch or a hit changes until
// then is in the copy that gets the slot.
static void moved_with_changes(op_fn *op, uint32_t vlen)
{
	struct kit k;
	struct work w;
	struct job_of_thread j = {op, &w};
	struct index_pos pos;
	struct item *moved;
	pthread_t id;

	open_work(&k, &w, vlen);
	bucket_lock(k.s, w.hash);
	assert_int_equal(pthread_create(&id, NULL, run, &j), 0);
	sleep_ms(WAIT_MS);
	assert_false(atomic_load(&w.done));
	atomic_store(&w.it->exptime, KIT_NOW + 77);
	atomic_store(&w.it->atime, KIT_NOW + 5);
	atomic_fetch_or(&w.it->bits, ITEM_FETCHED);
	bucket_unlock(k.s, w.hash);
	pthread_join(id, NULL);
	moved = index_find(k.s, (const uint8_t *)KEY, strlen(KEY), w.hash, &pos);
	assert_true(moved && moved != w.it);
	assert_int_equal(item_exptime(moved), KIT_NOW + 77);
	assert_int_equal(atomic_load(&moved->atime), KIT_NOW + 5);
	assert_true(item_bits(moved) & ITEM_FETCHED);
	assert_int_equal(moved->stamp, w.it->stamp);
	close_work(&k, &w);
}

static void test_moved_with_changes(void **state)
{
	moved_with_changes(op_move, 1);
	moved_with_changes(op_move_fragment, 2 * STORE_FRAGMENT_LEN);
}

// A touch has judged the item, then it expires, and a job that finds it so waits for the lock:
// what the touch has renewed stays.
static void renewed(enum job_mode mode, bool large)
{
	struct kit k;
	struct work w;
	struct job_of_thread j = {op_sweep, &w};
	struct index_pos pos;
	pthread_t id;

	open_work(&k, &w, large ? 2 * STORE_FRAGMENT_LEN : 1);
	w.mode = mode;
	w.sweep_fragment = large;
	kit_pass(&k, 9);
	bucket_lock(k.s, w.hash);
	assert_int_equal(pthread_create(&id, NULL, run, &j), 0);
	sleep_ms(WAIT_MS);
	assert_false(atomic_load(&w.done));
	atomic_store(&w.it->exptime, KIT_NOW + 77);
	bucket_unlock(k.s, w.hash);
	pthread_join(id, NULL);
	assert_ptr_equal(index_find(k.s, (const uint8_t *)KEY, strlen(KEY), w.hash, &pos), w.it);
	assert_true(kit_has(&k, KEY));
	close_work(&k, &w);
}

static void test_renewed_while_swept(void **state)
{
	renewed(JOB_SWEEP, false);
	renewed(JOB_COMPACT, false);
	renewed(JOB_EVICT, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_wait),
		cmocka_unit_test(test_readers_do_not_wait),
		cmocka_unit_test(test_moved_with_changes),
		cmocka_unit_test(test_renewed_while_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
