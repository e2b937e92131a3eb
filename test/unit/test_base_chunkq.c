// SPDX-License-Identifier: BSD-3-Clause
// Chunk queues: append, cursor, drop, truncate, and what happens when the pool is empty

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/chunkq.h"

#define POOL_CHUNKS 4

struct fixture {
	struct pool pool;
	struct chunkq q;
	uint8_t pattern[POOL_CHUNKS * CHUNK_SIZE];
	uint8_t out[POOL_CHUNKS * CHUNK_SIZE];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	for (size_t i = 0; i < sizeof(f.pattern); i++)
		f.pattern[i] = (uint8_t)(i * 31 + (i >> 8));
	if (chunkq_pool_init(&f.pool, POOL_CHUNKS))
		return -1;
	chunkq_init(&f.q, &f.pool);
	*state = &f;
	return 0;
}

// Every chunk is back: pool_fini CHECKs it.
static int teardown(void **state)
{
	struct fixture *f = *state;

	chunkq_clear(&f->q);
	pool_fini(&f->pool);
	return 0;
}

static void test_empty_queue_holds_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t len = 7;

	assert_int_equal(chunkq_read(&f->q, f->out, 10), 0);
	assert_null(chunkq_front(&f->q, &len));
	assert_int_equal(len, 0);
	assert_true(chunkq_append(&f->q, f->pattern, 0));
	chunkq_drop(&f->q, 0);
	chunkq_seek(&f->q, 0);
	assert_int_equal(f->pool.used_count, 0);
	assert_true(chunkq_append(&f->q, f->pattern, 3));
	assert_int_equal(f->pool.used_count, 1);
	chunkq_drop(&f->q, 3);
	assert_int_equal(f->pool.used_count, 0);
	assert_int_equal(f->q.len, 0);
}

static void test_append_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t room = POOL_CHUNKS * CHUNK_ROOM;

	assert_true(chunkq_has_room(&f->q, room));
	assert_false(chunkq_has_room(&f->q, room + 1));
	assert_false(chunkq_append(&f->q, f->pattern, room + 1));
	assert_int_equal(f->q.len, 0);
	assert_int_equal(f->pool.used_count, 0);
	assert_true(chunkq_append(&f->q, f->pattern, 5));
	assert_false(chunkq_append(&f->q, f->pattern, room - 4));
	assert_true(chunkq_append(&f->q, f->pattern + 5, room - 5));
	assert_int_equal(f->q.len, room);
	assert_false(chunkq_has_room(&f->q, 1));
	assert_true(chunkq_has_room(&f->q, 0));
	assert_null(chunkq_reserve(&f->q, 1));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), room);
	assert_memory_equal(f->out, f->pattern, room);
}

// Retransmission: the cursor goes back while the front stays.
static void test_cursor_reads_again_after_seek(void **state)
{
	struct fixture *f = *state;
	uint32_t len = 2 * CHUNK_ROOM + 100;

	assert_true(chunkq_append(&f->q, f->pattern, len));
	for (uint32_t off = 0; off <= len; off += 97) {
		chunkq_seek(&f->q, off);
		assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), len - off);
		assert_memory_equal(f->out, f->pattern + off, len - off);
		assert_int_equal(chunkq_read(&f->q, f->out, 1), 0);
	}
}

static void test_cursor_goes_on_after_append(void **state)
{
	struct fixture *f = *state;
	uint32_t a = CHUNK_ROOM, b = CHUNK_ROOM + 9;

	assert_true(chunkq_append(&f->q, f->pattern, a));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), a);
	assert_true(chunkq_append(&f->q, f->pattern + a, b));
	assert_int_equal(chunkq_read(&f->q, f->out, 10), 10);
	assert_memory_equal(f->out, f->pattern + a, 10);
	// An acknowledgment of half of what was sent leaves the cursor where it is.
	chunkq_drop(&f->q, a / 2);
	assert_int_equal(chunkq_read(&f->q, f->out, 10), 10);
	assert_memory_equal(f->out, f->pattern + a + 10, 10);
	chunkq_drop(&f->q, a - a / 2 + 20);
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), b - 20);
	assert_memory_equal(f->out, f->pattern + a + 20, b - 20);
}

static void test_drop_past_the_cursor_moves_it(void **state)
{
	struct fixture *f = *state;

	assert_true(chunkq_append(&f->q, f->pattern, 2 * CHUNK_ROOM));
	assert_int_equal(chunkq_read(&f->q, f->out, 10), 10);
	chunkq_drop(&f->q, 50);
	assert_int_equal(chunkq_read(&f->q, f->out, 1), 1);
	assert_int_equal(f->out[0], f->pattern[50]);
	chunkq_drop(&f->q, CHUNK_ROOM);
	assert_int_equal(chunkq_read(&f->q, f->out, 1), 1);
	assert_int_equal(f->out[0], f->pattern[50 + CHUNK_ROOM]);
}

static void test_reserve_then_commit(void **state)
{
	struct fixture *f = *state;
	uint8_t *p;
	uint32_t len;

	p = chunkq_reserve(&f->q, CHUNK_ROOM);
	assert_non_null(p);
	assert_int_equal(f->q.len, 0);
	memcpy(p, f->pattern, 100);
	chunkq_commit(&f->q, 100);
	assert_int_equal(f->q.len, 100);
	// Does not fit behind the 100: a second chunk, and the first keeps its 100.
	p = chunkq_reserve(&f->q, CHUNK_ROOM);
	assert_non_null(p);
	memcpy(p, f->pattern + 100, CHUNK_ROOM);
	chunkq_commit(&f->q, CHUNK_ROOM);
	assert_non_null(chunkq_front(&f->q, &len));
	assert_int_equal(len, 100);
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 100 + CHUNK_ROOM);
	assert_memory_equal(f->out, f->pattern, 100 + CHUNK_ROOM);
}

// A reply that could not be finished is taken back.
static void test_truncate_undoes_appends(void **state)
{
	struct fixture *f = *state;

	assert_true(chunkq_append(&f->q, f->pattern, CHUNK_ROOM + 7));
	assert_int_equal(chunkq_read(&f->q, f->out, 20), 20);
	assert_true(chunkq_append(&f->q, f->pattern, 2 * CHUNK_ROOM));
	assert_int_equal(f->pool.used_count, 4);
	chunkq_truncate(&f->q, CHUNK_ROOM + 7);
	assert_int_equal(f->pool.used_count, 2);
	assert_true(chunkq_append(&f->q, f->pattern + CHUNK_ROOM + 7, 5));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), CHUNK_ROOM + 12 - 20);
	assert_memory_equal(f->out, f->pattern + 20, CHUNK_ROOM + 12 - 20);
	chunkq_truncate(&f->q, 0);
	assert_int_equal(f->pool.used_count, 0);
}

// The cursor stands at the cut, and its chunk begins there: it must not stay in a
// chunk that went back to the pool.
static void test_truncate_at_the_cursor(void **state)
{
	struct fixture *f = *state;

	assert_true(chunkq_append(&f->q, f->pattern, CHUNK_ROOM));
	assert_true(chunkq_append(&f->q, f->pattern, 10));
	chunkq_seek(&f->q, CHUNK_ROOM);
	chunkq_truncate(&f->q, CHUNK_ROOM);
	assert_int_equal(chunkq_read(&f->q, f->out, 10), 0);
	assert_true(chunkq_append(&f->q, f->pattern + CHUNK_ROOM, 10));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 10);
	assert_memory_equal(f->out, f->pattern + CHUNK_ROOM, 10);
}

struct lender {
	const uint8_t *p;
	unsigned released;
};

static void take_back(void *owner, const uint8_t *p)
{
	struct lender *l = owner;

	assert_ptr_equal(p, l->p);
	l->released++;
}

static struct extref lend(struct lender *l, const uint8_t *p, uint32_t len)
{
	*l = (struct lender){.p = p};
	return (struct extref){.p = p, .len = len, .release = take_back, .owner = l};
}

// One chunk stands for any number of bytes, and has room for what follows them.
static void test_reference_takes_one_chunk(void **state)
{
	struct fixture *f = *state;
	uint32_t len = 3 * CHUNK_ROOM;
	struct lender l;
	struct extref x = lend(&l, f->pattern + 10, len);

	assert_true(chunkq_append(&f->q, f->pattern, 10));
	assert_true(chunkq_append_ref(&f->q, &x));
	assert_true(chunkq_append(&f->q, f->pattern + 10 + len, 20));
	assert_int_equal(f->pool.used_count, 2);
	assert_int_equal(f->q.len, len + 30);
	for (uint32_t off = 0; off <= len + 30; off += 61) {
		chunkq_seek(&f->q, off);
		assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), len + 30 - off);
		assert_memory_equal(f->out, f->pattern + off, len + 30 - off);
	}
	assert_int_equal(l.released, 0);
	chunkq_clear(&f->q);
	assert_int_equal(l.released, 1);
}

// It is given back with its last byte, not with its first, and not with its chunk.
static void test_reference_is_released_with_its_last_byte(void **state)
{
	struct fixture *f = *state;
	struct lender l;
	struct extref x = lend(&l, f->pattern, 3000);

	assert_true(chunkq_append_ref(&f->q, &x));
	assert_true(chunkq_append(&f->q, f->pattern + 3000, 20));
	chunkq_drop(&f->q, 2999);
	assert_int_equal(l.released, 0);
	chunkq_drop(&f->q, 1);
	assert_int_equal(l.released, 1);
	assert_int_equal(f->q.ref_count, 0);
	assert_int_equal(f->pool.used_count, 1);
	assert_true(chunkq_append(&f->q, f->pattern + 3020, 5));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 25);
	assert_memory_equal(f->out, f->pattern + 3000, 25);
	chunkq_drop(&f->q, 25);
	assert_int_equal(l.released, 1);
}

static void test_reference_is_released_by_clear_and_truncate(void **state)
{
	struct fixture *f = *state;
	struct lender l[3];

	f->q.ref_min = 77;
	for (unsigned i = 0; i < 3; i++) {
		struct extref x = lend(&l[i], f->pattern + 100 * i, 100);

		assert_true(chunkq_append_ref(&f->q, &x));
	}
	chunkq_truncate(&f->q, 200);
	assert_int_equal(l[2].released, 1);
	assert_int_equal(l[1].released, 0);
	// In the middle of a reference: it gets shorter, and what follows is right behind.
	chunkq_truncate(&f->q, 150);
	assert_int_equal(l[1].released, 0);
	assert_true(chunkq_append(&f->q, f->pattern + 150, 30));
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 180);
	assert_memory_equal(f->out, f->pattern, 180);
	chunkq_clear(&f->q);
	assert_int_equal(l[0].released, 1);
	assert_int_equal(l[1].released, 1);
	assert_int_equal(l[2].released, 1);
	assert_int_equal(f->q.ref_min, 77);
}

// The cursor in the middle of a reference stands at the same byte afterwards.
static void test_copied_references_keep_the_bytes(void **state)
{
	struct fixture *f = *state;
	uint32_t len = CHUNK_ROOM + 100;
	struct lender l;
	struct extref x = lend(&l, f->pattern + 10, len);

	assert_true(chunkq_append(&f->q, f->pattern, 10));
	assert_true(chunkq_append_ref(&f->q, &x));
	chunkq_seek(&f->q, CHUNK_ROOM + 50);
	assert_true(chunkq_copy_refs(&f->q));
	assert_int_equal(l.released, 1);
	assert_int_equal(f->q.ref_count, 0);
	assert_int_equal(f->pool.used_count, 4);
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 60);
	assert_memory_equal(f->out, f->pattern + CHUNK_ROOM + 50, 60);
	chunkq_seek(&f->q, 0);
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), len + 10);
	assert_memory_equal(f->out, f->pattern, len + 10);
}

static void test_references_stay_when_there_is_no_room_to_copy(void **state)
{
	struct fixture *f = *state;
	struct lender l;
	struct extref x = lend(&l, f->pattern, 3 * CHUNK_ROOM + 1);

	assert_true(chunkq_append_ref(&f->q, &x));
	assert_false(chunkq_copy_refs(&f->q));
	assert_int_equal(l.released, 0);
	assert_int_equal(f->pool.used_count, 1);
	assert_int_equal(chunkq_read(&f->q, f->out, sizeof(f->out)), 3 * CHUNK_ROOM + 1);
	// What is left after an acknowledgment fits.
	chunkq_drop(&f->q, 1);
	assert_true(chunkq_copy_refs(&f->q));
	assert_int_equal(l.released, 1);
	x = lend(&l, f->pattern, 1);
	assert_false(chunkq_append_ref(&f->q, &x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_queue_holds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_append_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_cursor_reads_again_after_seek, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cursor_goes_on_after_append, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_drop_past_the_cursor_moves_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve_then_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncate_undoes_appends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncate_at_the_cursor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reference_takes_one_chunk, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_reference_is_released_with_its_last_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_reference_is_released_by_clear_and_truncate, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_copied_references_keep_the_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_references_stay_when_there_is_no_room_to_copy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
