// SPDX-License-Identifier: BSD-3-Clause
// lib/store: values in fragments, pending uploads, append and prepend across sizes
// support: store_kit

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/store_kit.h"

#define MIB (1ULL << 20)
#define MOST ((1U << 20) - 48 - 8 - 1 - 2 - 8) // for keys of up to 8 bytes

static uint8_t big[3 << 20];

static enum store_status put(
	struct kit *k, enum store_mode mode, const char *key, const uint8_t *p, uint32_t vlen)
{
	return kit_put(k->ctx, k->s, mode, key, strlen(key), p, vlen, 9, 0, 0);
}

static bool is(struct kit *k, const char *key, const uint8_t *p, uint32_t vlen)
{
	struct store_ref ref;

	return kit_get(k, key, &ref) == STORE_OK && kit_ref_is(&ref, p, vlen);
}

static void test_sizes_around_the_limits(void **state)
{
	static const uint32_t at[] = {
		1, 2048, 4096, 16384, 32744, 32768, 65488, 65536, 98304, 524288};
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
		for (uint32_t v = at[i] - 1; v <= at[i] + 1; v++) {
			struct store_ref ref;

			assert_int_equal(put(&k, STORE_SET, "k", big + i, v), STORE_OK);
			assert_true(is(&k, "k", big + i, v));
			kit_get(&k, "k", &ref);
			assert_int_equal(ref.client_flags, 9);
			assert_int_equal(ref.value == NULL, v > STORE_FRAGMENT_LEN);
			kit_tick(&k, 1);
		}
	}
	assert_int_equal(put(&k, STORE_SET, "k", big, MOST), STORE_OK);
	assert_true(is(&k, "k", big, MOST));
	assert_true(kit_check(&k));
	assert_int_equal(kit_delete(&k, "k"), STORE_OK);
	assert_int_equal(kit_usage(&k).bytes, 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Keys and values are counted as the client counts them, whole or in fragments.
static void test_payload_is_counted(void **state)
{
	static const uint32_t len[] = {
		0, 1, 100, STORE_FRAGMENT_LEN, STORE_FRAGMENT_LEN + 1, 500000};
	uint64_t want = 0;
	struct kit k;
	char key[8];

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < sizeof(len) / sizeof(*len); i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(put(&k, STORE_SET, key, big, len[i]), STORE_OK);
		want += 2 + len[i];
		assert_int_equal(kit_usage(&k).payload_bytes, want);
	}
	assert_int_equal(put(&k, STORE_APPEND, "k2", big, 40000), STORE_OK);
	assert_int_equal(kit_usage(&k).payload_bytes, want + 40000);
	assert_int_equal(put(&k, STORE_SET, "k2", big, 100), STORE_OK);
	assert_int_equal(kit_usage(&k).payload_bytes, want);
	assert_true(kit_check(&k));
	for (unsigned i = 0; i < sizeof(len) / sizeof(*len); i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(kit_delete(&k, key), STORE_OK);
	}
	assert_int_equal(kit_usage(&k).payload_bytes, 0);
	kit_close(&k);
}

// The largest items, a tick after each, in 64 MiB and in 8 MiB.
static void test_megabyte_values(void **state)
{
	for (unsigned m = 8; m <= 64; m *= 8) {
		struct kit k;
		char key[8];

		kit_open(&k, m * MIB, 1, false);
		for (unsigned i = 0; i < 300; i++) {
			snprintf(key, sizeof(key), "k%u", i);
			assert_int_equal(put(&k, STORE_SET, key, big + i, MOST), STORE_OK);
			kit_tick(&k, 1);
			assert_true(is(&k, key, big + i, MOST));
		}
		assert_true(kit_stat(&k, STORE_STAT_evictions) > 200);
		assert_true(kit_check(&k));
		kit_close(&k);
	}
}

// Evicting any segment of a value removes the value, and its other fragments die.
static void test_eviction_of_fragments(void **state)
{
	struct kit k;
	unsigned alive = 0;
	char key[16];

	kit_open(&k, 8 * MIB, 1, false);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t vlen = i % 3 ? 100 + i : 40000 + i * 20;

		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(put(&k, STORE_SET, key, big + i, vlen), STORE_OK);
		kit_tick(&k, 1);
		if (i % 50 == 0)
			assert_true(kit_check(&k));
	}
	for (unsigned i = 0; i < 3000; i++) {
		struct store_ref ref;

		snprintf(key, sizeof(key), "k%u", i);
		if (kit_get(&k, key, &ref) != STORE_OK)
			continue;
		assert_true(kit_ref_is(&ref, big + i, i % 3 ? 100 + i : 40000 + i * 20));
		alive++;
	}
	assert_int_equal(alive, kit_usage(&k).curr_items);
	assert_true(alive > 10);
	kit_close(&k);
}

// Half of the fragments of each segment die: compaction moves the others, and their
// owners with them.
static void test_compaction_of_fragments(void **state)
{
	struct kit k;
	unsigned n = 0, again = 0;
	char key[16];

	kit_open(&k, 16 * MIB, 1, true);
	for (;; n++) {
		snprintf(key, sizeof(key), "k%u", n);
		if (put(&k, STORE_SET, key, big + n, 70000) != STORE_OK)
			break;
		kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < n; i += 2) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(kit_delete(&k, key), STORE_OK);
	}
	for (unsigned tries = 0; tries < 3000 && again < n / 2; tries++) {
		snprintf(key, sizeof(key), "n%u", again);
		again += put(&k, STORE_SET, key, big, 70000) == STORE_OK;
		kit_tick(&k, 1);
		if (tries % 100 == 0)
			assert_true(kit_check(&k));
	}
	assert_true(again > n / 2 * 8 / 10);
	for (unsigned i = 1; i < n; i += 2) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_true(is(&k, key, big + i, 70000));
	}
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_expiry_and_flush_of_large(void **state)
{
	struct kit k;
	char key[16];

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		kit_put(k.ctx, k.s, STORE_SET, key, strlen(key), big, 100000, 0,
			i % 2 ? k.now_s + 2 : 0, 0);
		kit_tick(&k, 1);
	}
	kit_pass(&k, 2);
	kit_tick(&k, 2000);
	assert_false(kit_has(&k, "k1"));
	assert_true(is(&k, "k2", big, 100000));
	assert_true(kit_usage(&k).curr_items < 60);
	store_flush(k.ctx, 0);
	kit_tick(&k, 2000);
	assert_false(kit_has(&k, "k2"));
	assert_true(kit_usage(&k).curr_items < 5);
	assert_true(kit_check(&k));
	kit_close(&k);
}

struct upload {
	struct store_put put;
	char key[16];
	uint32_t from;
};

static bool upload_some(struct kit *k, struct upload *u, uint32_t n)
{
	uint8_t *room;
	size_t len;

	while (n && store_put_room(k->ctx, &u->put, &room, &len)) {
		if (len > n)
			len = n;
		memcpy(room, big + u->from + u->put.written, len);
		store_put_wrote(&u->put, len);
		n -= (uint32_t)len;
	}
	return n == 0;
}

// Slow uploads side by side, over many turns of the memory.
static void test_slow_uploads(void **state)
{
	struct upload u[5];
	struct kit k;
	char key[16];

	kit_open(&k, 16 * MIB, 1, false);
	for (unsigned i = 0; i < 5; i++) {
		int n = snprintf(u[i].key, sizeof(u[i].key), "up%u", i);

		u[i].from = i * 1000;
		assert_int_equal(store_put_begin(k.ctx, &u[i].put, (uint8_t *)u[i].key, (size_t)n,
					 kit_hash(&k, u[i].key), i, 0, 500000),
			STORE_OK);
	}
	for (unsigned step = 0; step < 500; step++) {
		for (unsigned i = 0; i < 5; i++)
			assert_true(upload_some(&k, &u[i], 1000));
		for (unsigned i = 0; i < 40; i++) {
			snprintf(key, sizeof(key), "f%u", step * 40 + i);
			assert_int_equal(put(&k, STORE_SET, key, big, 5000), STORE_OK);
		}
		assert_false(kit_has(&k, "up0"));
		kit_tick(&k, 1);
	}
	assert_true(kit_stat(&k, STORE_STAT_evictions) > 10000);
	assert_true(kit_check(&k));
	for (unsigned i = 0; i < 5; i++) {
		if (i == 2) {
			store_put_abort(k.ctx, &u[i].put);
			continue;
		}
		assert_int_equal(store_put_commit(k.ctx, &u[i].put, STORE_SET, 0), STORE_OK);
		assert_true(is(&k, u[i].key, big + u[i].from, 500000));
	}
	assert_false(kit_has(&k, "up2"));
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Uploads that never end are refused past a quarter of the memory, and the rest
// of the store goes on.
static void test_pending_is_capped(void **state)
{
	struct upload u[64];
	struct kit k;
	unsigned n = 0;
	char key[16];

	kit_open(&k, 16 * MIB, 1, false);
	for (; n < 64; n++) {
		int len = snprintf(u[n].key, sizeof(u[n].key), "up%u", n);

		u[n].from = n;
		if (store_put_begin(k.ctx, &u[n].put, (uint8_t *)u[n].key, (size_t)len,
			    kit_hash(&k, u[n].key), 0, 0, 500000) != STORE_OK)
			break;
		assert_true(upload_some(&k, &u[n], 400000));
		kit_tick(&k, 1);
	}
	assert_int_equal(n, 4 * MIB / 500000);
	assert_int_equal(kit_stat(&k, STORE_STAT_pending_refused), 1);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "f%u", i);
		assert_int_equal(put(&k, STORE_SET, key, big, 2000), STORE_OK);
		kit_tick(&k, 1);
	}
	store_put_abort(k.ctx, &u[0].put);
	assert_int_equal(store_put_begin(k.ctx, &u[0].put, (uint8_t *)"up0", 3, kit_hash(&k, "up0"),
				 0, 0, 500000),
		STORE_OK);
	for (unsigned i = 0; i < n; i++)
		store_put_abort(k.ctx, &u[i].put);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// Many small pending values must not hold all segments.
static void test_pending_segments_are_capped(void **state)
{
	struct upload u[300];
	struct kit k;
	unsigned n = 0, open = 0;
	char key[16];

	kit_open(&k, 16 * MIB, 1, false);
	// Three of four are completed at once, so that each segment keeps a pending one.
	for (; n < 300; n++) {
		int len = snprintf(u[open].key, sizeof(u[open].key), "up%u", n);

		u[open].from = n;
		if (store_put_begin(k.ctx, &u[open].put, (uint8_t *)u[open].key, (size_t)len,
			    kit_hash(&k, u[open].key), 0, 0, 32769) != STORE_OK)
			break;
		if (!upload_some(&k, &u[open], 32769)) {
			store_put_abort(k.ctx, &u[open].put);
			break;
		}
		if (n % 4)
			assert_int_equal(
				store_put_commit(k.ctx, &u[open].put, STORE_SET, 0), STORE_OK);
		else
			open++;
		kit_tick(&k, 1);
	}
	assert_true(n < 300);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "f%u", i);
		assert_int_equal(put(&k, STORE_SET, key, big, 2000), STORE_OK);
		kit_tick(&k, 1);
	}
	for (unsigned i = 0; i < open; i++)
		store_put_abort(k.ctx, &u[i].put);
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_append_across_sizes(void **state)
{
	static const uint32_t first[] = {0, 10, 32000, 32768, 40000, 200000};
	static const uint32_t second[] = {0, 5, 1000, 40000};
	uint8_t *want = malloc(1 << 20);
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned j = 0; j < 4; j++) {
			uint32_t a = first[i], b = second[j];

			assert_int_equal(put(&k, STORE_SET, "k", big, a), STORE_OK);
			assert_int_equal(put(&k, STORE_APPEND, "k", big + 7, b), STORE_OK);
			memcpy(want, big, a);
			memcpy(want + a, big + 7, b);
			assert_true(is(&k, "k", want, a + b));
			assert_int_equal(put(&k, STORE_PREPEND, "k", big + 99, b), STORE_OK);
			memmove(want + b, want, a + b);
			memcpy(want, big + 99, b);
			assert_true(is(&k, "k", want, a + 2 * b));
			kit_tick(&k, 1);
		}
	}
	assert_int_equal(put(&k, STORE_SET, "k", big, MOST - 100), STORE_OK);
	assert_int_equal(put(&k, STORE_APPEND, "k", big, 200), STORE_TOO_LARGE);
	assert_true(is(&k, "k", big, MOST - 100));
	assert_true(kit_check(&k));
	kit_close(&k);
	free(want);
}

static void test_modes_on_large(void **state)
{
	struct kit k;
	uint64_t v, cas;

	kit_open(&k, 64 * MIB, 1, false);
	assert_int_equal(put(&k, STORE_REPLACE, "k", big, 50000), STORE_NOT_STORED);
	assert_int_equal(put(&k, STORE_ADD, "k", big, 50000), STORE_OK);
	assert_int_equal(put(&k, STORE_ADD, "k", big + 1, 60000), STORE_NOT_STORED);
	assert_true(is(&k, "k", big, 50000));
	cas = kit_cas(&k, "k");
	assert_int_equal(kit_put(k.ctx, k.s, STORE_CAS, "k", 1, big + 2, 70000, 0, 0, cas + 1),
		STORE_EXISTS);
	assert_int_equal(
		kit_put(k.ctx, k.s, STORE_CAS, "k", 1, big + 2, 70000, 0, 0, cas), STORE_OK);
	assert_true(is(&k, "k", big + 2, 70000));
	assert_int_equal(store_delta(k.ctx, (uint8_t *)"k", 1, kit_hash(&k, "k"), false, 1, &v),
		STORE_NOT_NUMBER);
	assert_int_equal(
		store_touch(k.ctx, (uint8_t *)"k", 1, kit_hash(&k, "k"), k.now_s + 1, NULL),
		STORE_OK);
	kit_pass(&k, 1);
	assert_false(kit_has(&k, "k"));
	assert_true(kit_check(&k));
	kit_close(&k);
}

static void test_piece_anywhere(void **state)
{
	struct store_ref ref;
	struct slice piece;
	struct kit k;

	kit_open(&k, 64 * MIB, 1, false);
	put(&k, STORE_SET, "k", big, 100000);
	assert_int_equal(kit_get(&k, "k", &ref), STORE_OK);
	for (uint32_t off = 0; off < 100000; off += 997) {
		store_ref_piece(&ref, off, &piece);
		assert_true(piece.len > 0 && piece.len <= 100000 - off);
		assert_memory_equal(piece.p, big + off, piece.len);
	}
	store_ref_piece(&ref, 99999, &piece);
	assert_int_equal(piece.len, 1);
	kit_close(&k);
}

static void test_items_of_three_megabytes(void **state)
{
	struct store_conf conf = {.mem_limit_bytes = 256 * MIB,
		.item_size_max = 3 << 20,
		.ctx_count_max = 1,
		.now_s = KIT_NOW};
	struct kit k;
	char key[16];

	kit_open_conf(&k, &conf);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(put(&k, STORE_SET, key, big, (3 << 20) - 100), STORE_OK);
		kit_tick(&k, 1);
		assert_true(is(&k, key, big, (3 << 20) - 100));
	}
	assert_true(kit_check(&k));
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_around_the_limits),
		cmocka_unit_test(test_payload_is_counted),
		cmocka_unit_test(test_megabyte_values),
		cmocka_unit_test(test_eviction_of_fragments),
		cmocka_unit_test(test_compaction_of_fragments),
		cmocka_unit_test(test_expiry_and_flush_of_large),
		cmocka_unit_test(test_slow_uploads),
		cmocka_unit_test(test_pending_is_capped),
		cmocka_unit_test(test_pending_segments_are_capped),
		cmocka_unit_test(test_append_across_sizes),
		cmocka_unit_test(test_modes_on_large),
		cmocka_unit_test(test_piece_anywhere),
		cmocka_unit_test(test_items_of_three_megabytes),
	};

	kit_fill(big, sizeof(big), 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
