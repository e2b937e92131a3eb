// SPDX-License-Identifier: BSD-3-Clause
// lib/store: each function and each status, on small whole values
// support: store_kit

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "store/publish.h"
#include "support/store_kit.h"

static int open_store(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	kit_open(k, 8 << 20, 2, false);
	*state = k;
	return 0;
}

static int close_store(void **state)
{
	struct kit *k = *state;

	assert_true(kit_check(k));
	kit_close(k);
	free(k);
	return 0;
}

static void test_conf_errors(void **state)
{
	struct store_conf ok = {.mem_limit_bytes = 8 << 20, .ctx_count_max = 1}, c;
	const char *err;

	c = ok;
	c.mem_limit_bytes = STORE_MEM_MIN - 1;
	assert_null(store_create(&c, &err));
	assert_string_equal(err, "the memory limit is below 8 MiB");
	c = ok;
	c.ctx_count_max = 0;
	assert_null(store_create(&c, &err));
	c.ctx_count_max = 256;
	assert_null(store_create(&c, &err));
	c = ok;
	c.item_size_max = 1023;
	assert_null(store_create(&c, &err));
	c.item_size_max = (2 << 20) + 1;
	assert_null(store_create(&c, &err));
	assert_string_equal(err, "the item size limit is above a quarter of the memory limit");
	c = ok;
	c.hash_items = 1000000;
	assert_null(store_create(&c, &err));
	assert_string_equal(err, "the memory limit is too small for an index of so many items");
}

static void test_memory_is_within_its_limit(void **state)
{
	static const uint64_t mib[] = {8, 16, 64, 100, 256, 1024, 3000};

	for (unsigned i = 0; i < sizeof(mib) / sizeof(*mib); i++) {
		struct store_usage u;
		struct kit k;

		kit_open(&k, mib[i] << 20, 16, false);
		u = kit_usage(&k);
		assert_int_equal(u.mem_limit_bytes, mib[i] << 20);
		assert_true(u.index_bytes + (uint64_t)u.segment_count * u.segment_size <=
			    u.mem_limit_bytes);
		// Index and headers take less than an eighth, rounding included.
		assert_true((uint64_t)u.segment_count * u.segment_size >=
			    u.mem_limit_bytes / 8 * 7 - u.segment_size);
		assert_true(u.segment_size >= 128 << 10 && u.segment_size <= 2 << 20);
		assert_int_equal(u.index_bytes % 64, 0);
		kit_close(&k);
	}
}

static void test_memory_of_the_caller(void **state)
{
	uint8_t *mem = aligned_alloc(4096, (8 << 20) + 4096);
	struct store_conf conf = {
		.mem_limit_bytes = 8 << 20, .ctx_count_max = 1, .mem = mem, .now_s = KIT_NOW};
	struct kit k;
	char key[32];

	memset(mem, 0, 8 << 20);
	memset(mem + (8 << 20), 0x5a, 4096);
	kit_open_conf(&k, &conf);
	for (unsigned i = 0; i < 200000; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		assert_int_equal(kit_set(&k, key, "some value of some length"), STORE_OK);
		if (i % 16 == 0)
			kit_tick(&k, 1);
	}
	assert_true(kit_check(&k));
	kit_close(&k);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(mem[(8 << 20) + i], 0x5a);
	free(mem);
}

static void test_set_get(void **state)
{
	struct kit *k = *state;
	struct store_ref ref;

	assert_int_equal(kit_get(k, "a", &ref), STORE_NOT_FOUND);
	assert_int_equal(kit_put(k->ctx, k->s, STORE_SET, "a", 1, "hello", 5, 42, 0, 0), STORE_OK);
	assert_int_equal(kit_get(k, "a", &ref), STORE_OK);
	assert_int_equal(ref.vlen, 5);
	assert_int_equal(ref.client_flags, 42);
	assert_int_equal(ref.exptime, 0);
	assert_memory_equal(ref.value, "hello\r\n", 7);
	assert_true(ref.cas != 0);
	assert_int_equal(kit_set(k, "a", ""), STORE_OK);
	assert_true(kit_is(k, "a", ""));
	assert_false(kit_has(k, "b"));
	assert_int_equal(kit_stat(k, STORE_STAT_total_items), 2);
	assert_int_equal(kit_usage(k).curr_items, 1);
}

static void test_old_ref_stays_valid_until_the_tick(void **state)
{
	struct kit *k = *state;
	struct store_ref ref;
	char key[32];

	kit_set(k, "a", "first");
	assert_int_equal(kit_get(k, "a", &ref), STORE_OK);
	kit_set(k, "a", "second");
	kit_delete(k, "a");
	// Far more than fits: the memory of the first must not be used again.
	for (unsigned i = 0; i < 300000; i++) {
		snprintf(key, sizeof(key), "filler%u", i);
		kit_set(k, key, "0123456789012345678901234567890123456789");
	}
	assert_true(kit_ref_is(&ref, "first", 5));
}

static void test_key_lengths(void **state)
{
	struct kit *k = *state;
	char key[STORE_KEY_LEN_MAX + 1], other[STORE_KEY_LEN_MAX + 1];

	memset(key, 'k', sizeof(key));
	for (size_t n = 1; n <= STORE_KEY_LEN_MAX; n++)
		assert_int_equal(
			kit_put(k->ctx, k->s, STORE_SET, key, n, key, (uint32_t)n, 0, 0, 0),
			STORE_OK);
	for (size_t n = 1; n <= STORE_KEY_LEN_MAX; n++) {
		struct store_ref ref;
		uint64_t hash = store_hash(k->s, (uint8_t *)key, n);

		assert_int_equal(store_get(k->ctx, (uint8_t *)key, n, hash, &ref), STORE_OK);
		assert_true(kit_ref_is(&ref, key, (uint32_t)n));
		// The same hash with another key: each byte counts in the comparison.
		for (size_t i = 0; i < n; i++) {
			memcpy(other, key, n);
			other[i] ^= 1;
			assert_int_equal(store_get(k->ctx, (uint8_t *)other, n, hash, &ref),
				STORE_NOT_FOUND);
		}
	}
	assert_int_equal(kit_usage(k).curr_items, STORE_KEY_LEN_MAX);
}

static void test_binary_values(void **state)
{
	struct kit *k = *state;
	uint8_t value[256];
	struct store_ref ref;

	for (unsigned i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)i;
	assert_int_equal(kit_put(k->ctx, k->s, STORE_SET, "bin", 3, value, 256, 0, 0, 0), STORE_OK);
	assert_int_equal(kit_get(k, "bin", &ref), STORE_OK);
	assert_true(kit_ref_is(&ref, value, 256));
}

static void test_add_replace(void **state)
{
	struct kit *k = *state;

	assert_int_equal(kit_mode(k, STORE_REPLACE, "a", "no", 0), STORE_NOT_STORED);
	assert_int_equal(kit_mode(k, STORE_ADD, "a", "one", 0), STORE_OK);
	assert_int_equal(kit_mode(k, STORE_ADD, "a", "two", 0), STORE_NOT_STORED);
	assert_true(kit_is(k, "a", "one"));
	assert_int_equal(kit_mode(k, STORE_REPLACE, "a", "three", 0), STORE_OK);
	assert_true(kit_is(k, "a", "three"));
	// An expired item counts as absent.
	kit_set_exp(k, "e", "x", k->now_s + 1);
	kit_pass(k, 1);
	assert_int_equal(kit_mode(k, STORE_REPLACE, "e", "y", 0), STORE_NOT_STORED);
	assert_int_equal(kit_mode(k, STORE_ADD, "e", "z", 0), STORE_OK);
	assert_true(kit_is(k, "e", "z"));
	assert_int_equal(kit_stat(k, STORE_STAT_expired_unfetched), 1);
}

static void test_cas(void **state)
{
	struct kit *k = *state;
	uint64_t first, second;

	assert_int_equal(kit_mode(k, STORE_CAS, "a", "x", 1), STORE_NOT_FOUND);
	kit_set(k, "a", "1");
	kit_set(k, "b", "1");
	first = kit_cas(k, "a");
	assert_true(kit_cas(k, "b") > first);
	assert_int_equal(kit_mode(k, STORE_CAS, "a", "2", first + 1), STORE_EXISTS);
	assert_int_equal(kit_mode(k, STORE_CAS, "a", "2", first), STORE_OK);
	assert_int_equal(kit_mode(k, STORE_CAS, "a", "3", first), STORE_EXISTS);
	assert_true(kit_is(k, "a", "2"));
	second = kit_cas(k, "a");
	assert_true(second > first);
	// The neighbour's cas is its own.
	kit_set(k, "b", "2");
	assert_int_equal(kit_cas(k, "a"), second);
}

static void test_no_cas(void **state)
{
	struct store_conf conf = {
		.mem_limit_bytes = 8 << 20, .ctx_count_max = 1, .no_cas = true, .now_s = KIT_NOW};
	struct kit k;

	kit_open_conf(&k, &conf);
	kit_set(&k, "a", "1");
	assert_int_equal(kit_cas(&k, "a"), 0);
	assert_int_equal(kit_mode(&k, STORE_CAS, "a", "2", 7), STORE_EXISTS);
	kit_close(&k);
}

static void test_delete(void **state)
{
	struct kit *k = *state;

	assert_int_equal(kit_delete(k, "a"), STORE_NOT_FOUND);
	kit_set(k, "a", "1");
	assert_int_equal(kit_delete(k, "a"), STORE_OK);
	assert_int_equal(kit_delete(k, "a"), STORE_NOT_FOUND);
	assert_false(kit_has(k, "a"));
	kit_set_exp(k, "a", "1", k->now_s + 1);
	kit_pass(k, 1);
	assert_int_equal(kit_delete(k, "a"), STORE_NOT_FOUND);
	assert_int_equal(kit_usage(k).curr_items, 0);
	assert_int_equal(kit_usage(k).bytes, 0);
}

static void test_abort(void **state)
{
	struct kit *k = *state;
	struct store_put put;

	kit_set(k, "a", "old");
	assert_int_equal(
		store_put_begin(k->ctx, &put, (const uint8_t *)"a", 1, kit_hash(k, "a"), 0, 0, 100),
		STORE_OK);
	assert_true(kit_is(k, "a", "old"));
	store_put_abort(k->ctx, &put);
	assert_true(kit_is(k, "a", "old"));
	assert_int_equal(kit_usage(k).curr_items, 1);
}

static void test_too_large(void **state)
{
	struct kit *k = *state;
	struct store_put put;
	uint32_t most = (1 << 20) - 48 - 8 - 1 - 2 - 1;

	assert_int_equal(store_put_begin(k->ctx, &put, (const uint8_t *)"a", 1, kit_hash(k, "a"), 0,
				 0, most + 1),
		STORE_TOO_LARGE);
	assert_int_equal(store_put_begin(k->ctx, &put, (const uint8_t *)"a", 1, kit_hash(k, "a"), 0,
				 0, UINT32_MAX),
		STORE_TOO_LARGE);
	assert_int_equal(store_put_begin(k->ctx, &put, (const uint8_t *)"a", 1, kit_hash(k, "a"), 0,
				 0, most),
		STORE_OK);
	store_put_abort(k->ctx, &put);
}

static void test_append_prepend(void **state)
{
	struct kit *k = *state;
	struct store_ref ref;
	uint64_t cas;

	assert_int_equal(kit_mode(k, STORE_APPEND, "a", "x", 0), STORE_NOT_STORED);
	assert_int_equal(kit_mode(k, STORE_PREPEND, "a", "x", 0), STORE_NOT_STORED);
	assert_int_equal(
		kit_put(k->ctx, k->s, STORE_SET, "a", 1, "mid", 3, 7, k->now_s + 9, 0), STORE_OK);
	cas = kit_cas(k, "a");
	assert_int_equal(kit_put(k->ctx, k->s, STORE_APPEND, "a", 1, "-end", 4, 8, k->now_s + 1, 0),
		STORE_OK);
	assert_int_equal(kit_mode(k, STORE_PREPEND, "a", "start-", 0), STORE_OK);
	assert_int_equal(kit_get(k, "a", &ref), STORE_OK);
	assert_true(kit_ref_is(&ref, "start-mid-end", 13));
	// Flags and expiry are those of the first.
	assert_int_equal(ref.client_flags, 7);
	assert_int_equal(ref.exptime, k->now_s + 9);
	assert_true(ref.cas > cas);
	kit_pass(k, 9);
	assert_int_equal(kit_mode(k, STORE_APPEND, "a", "x", 0), STORE_NOT_STORED);
}

static void test_append_too_large(void **state)
{
	struct store_conf conf = {.mem_limit_bytes = 8 << 20,
		.ctx_count_max = 1,
		.item_size_max = 1024,
		.now_s = KIT_NOW};
	char value[601];
	struct kit k;

	memset(value, 'v', 600);
	value[600] = 0;
	kit_open_conf(&k, &conf);
	assert_int_equal(kit_set(&k, "a", value), STORE_OK);
	assert_int_equal(kit_mode(&k, STORE_APPEND, "a", value, 0), STORE_TOO_LARGE);
	assert_true(kit_is(&k, "a", value));
	assert_true(kit_check(&k));
	kit_close(&k);
}

static enum store_status delta(struct kit *k, const char *key, bool down, uint64_t d, uint64_t *v)
{
	return store_delta(k->ctx, (const uint8_t *)key, strlen(key), kit_hash(k, key), down, d, v);
}

static void test_delta(void **state)
{
	struct kit *k = *state;
	struct store_ref ref;
	uint64_t v = 0;

	assert_int_equal(delta(k, "n", false, 1, &v), STORE_NOT_FOUND);
	kit_put(k->ctx, k->s, STORE_SET, "n", 1, "10", 2, 5, k->now_s + 50, 0);
	assert_int_equal(delta(k, "n", false, 5, &v), STORE_OK);
	assert_int_equal(v, 15);
	assert_true(kit_is(k, "n", "15"));
	// Shorter text is padded to the old length.
	assert_int_equal(delta(k, "n", true, 8, &v), STORE_OK);
	assert_true(kit_is(k, "n", "7 "));
	assert_int_equal(delta(k, "n", true, 100, &v), STORE_OK);
	assert_int_equal(v, 0);
	assert_true(kit_is(k, "n", "0 "));
	assert_int_equal(delta(k, "n", false, 100, &v), STORE_OK);
	assert_true(kit_is(k, "n", "100"));
	assert_int_equal(kit_get(k, "n", &ref), STORE_OK);
	assert_int_equal(ref.client_flags, 5);
	assert_int_equal(ref.exptime, k->now_s + 50);
	kit_set(k, "n", "18446744073709551615");
	assert_int_equal(delta(k, "n", false, 2, &v), STORE_OK);
	assert_int_equal(v, 1);
	assert_true(kit_is(k, "n", "1                   "));
	kit_set(k, "n", "0");
	assert_int_equal(delta(k, "n", false, UINT64_MAX, &v), STORE_OK);
	assert_true(kit_is(k, "n", "18446744073709551615"));
}

static void test_delta_not_a_number(void **state)
{
	static const char *const bad[] = {"", " ", "x", "1x", "-1", "18446744073709551616",
		"99999999999999999999", "1\0002", "+", "0x10"};
	static const char *const good[] = {
		"5", " 5", "+5", "5 ", "5 x", "05", "000000000000000000000005"};
	struct kit *k = *state;
	uint64_t v;
	char padded[1100];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		kit_put(k->ctx, k->s, STORE_SET, "n", 1, bad[i],
			i == 7 ? 3 : (uint32_t)strlen(bad[i]), 0, 0, 0);
		assert_int_equal(delta(k, "n", false, 1, &v), STORE_NOT_NUMBER);
	}
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		kit_set(k, "n", good[i]);
		assert_int_equal(delta(k, "n", false, 1, &v), STORE_OK);
		assert_int_equal(v, 6);
	}
	memset(padded, ' ', sizeof(padded));
	padded[0] = '8';
	kit_put(k->ctx, k->s, STORE_SET, "n", 1, padded, 1024, 0, 0, 0);
	assert_int_equal(delta(k, "n", false, 1, &v), STORE_OK);
	assert_int_equal(v, 9);
	padded[0] = '9';
	padded[1024] = 0;
	assert_true(kit_is(k, "n", padded));
	kit_put(k->ctx, k->s, STORE_SET, "n", 1, padded, 1025, 0, 0, 0);
	assert_int_equal(delta(k, "n", false, 1, &v), STORE_NOT_NUMBER);
}

static enum store_status touch(
	struct kit *k, const char *key, uint32_t exptime, struct store_ref *r)
{
	return store_touch(k->ctx, (const uint8_t *)key, strlen(key), kit_hash(k, key), exptime, r);
}

static void test_touch(void **state)
{
	struct kit *k = *state;
	struct store_ref ref;
	uint64_t cas;

	assert_int_equal(touch(k, "a", 0, NULL), STORE_NOT_FOUND);
	kit_set_exp(k, "a", "v", k->now_s + 2);
	cas = kit_cas(k, "a");
	assert_int_equal(touch(k, "a", k->now_s + 5, &ref), STORE_OK);
	assert_int_equal(ref.exptime, k->now_s + 5);
	assert_int_equal(ref.cas, cas);
	kit_pass(k, 4);
	assert_true(kit_has(k, "a"));
	kit_pass(k, 1);
	assert_false(kit_has(k, "a"));
	assert_int_equal(touch(k, "a", 0, NULL), STORE_NOT_FOUND);
	kit_set_exp(k, "b", "v", k->now_s + 2);
	touch(k, "b", 0, NULL);
	kit_pass(k, 100);
	assert_true(kit_has(k, "b"));
	// Already past: gone at once.
	assert_int_equal(touch(k, "b", k->now_s - 1, NULL), STORE_OK);
	assert_false(kit_has(k, "b"));
}

static void test_expiry_to_the_second(void **state)
{
	struct kit *k = *state;

	kit_set_exp(k, "one", "v", k->now_s + 1);
	kit_set_exp(k, "three", "v", k->now_s + 3);
	kit_set_exp(k, "past", "v", k->now_s);
	kit_set_exp(k, "last", "v", UINT32_MAX);
	assert_true(kit_has(k, "one"));
	assert_false(kit_has(k, "past"));
	kit_pass(k, 1);
	assert_false(kit_has(k, "one"));
	kit_pass(k, 1);
	assert_true(kit_has(k, "three"));
	kit_pass(k, 1);
	assert_false(kit_has(k, "three"));
	assert_true(kit_has(k, "last"));
	// The clock never goes back.
	store_tick(k->ctx, k->now_s - 3);
	assert_int_equal(store_now_s(k->ctx), k->now_s);
	assert_false(kit_has(k, "three"));
}

static void test_flush(void **state)
{
	struct kit *k = *state;

	kit_set(k, "a", "1");
	kit_set(k, "b", "1");
	store_flush(k->ctx, 0);
	assert_false(kit_has(k, "a"));
	// The same second: what comes after the flush stays.
	assert_int_equal(kit_mode(k, STORE_ADD, "a", "2", 0), STORE_OK);
	assert_true(kit_is(k, "a", "2"));
	kit_tick(k, 3);
	assert_true(kit_has(k, "a"));
	assert_int_equal(kit_delete(k, "b"), STORE_NOT_FOUND);
}

static void test_flush_sees_stores_of_all_ctxs(void **state)
{
	struct kit *k = *state;
	struct store_ctx *other = store_ctx_create(k->s, 1);
	char key[16];

	// More than a flush adds for what is under way.
	for (unsigned i = 0; i < 70000; i++) {
		snprintf(key, sizeof(key), "k%u", i % 100);
		kit_put(other, k->s, STORE_SET, key, strlen(key), "v", 1, 0, 0, 0);
		if (i % 100 == 0) {
			store_tick(k->ctx, k->now_s);
			store_tick(other, k->now_s);
		}
	}
	store_flush(k->ctx, 0);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_false(kit_has(k, key));
	}
	kit_set(k, "after", "1");
	kit_put(other, k->s, STORE_SET, "after2", 6, "v", 1, 0, 0, 0);
	assert_true(kit_has(k, "after") && kit_has(k, "after2"));
	store_ctx_destroy(other);
}

static void test_delayed_flush(void **state)
{
	struct kit *k = *state;

	kit_set(k, "before", "1");
	store_flush(k->ctx, k->now_s + 3);
	kit_pass(k, 2);
	kit_set(k, "between", "1");
	assert_true(kit_has(k, "before") && kit_has(k, "between"));
	kit_pass(k, 1);
	assert_false(kit_has(k, "before"));
	assert_false(kit_has(k, "between"));
	kit_set(k, "after", "1");
	kit_pass(k, 5);
	assert_true(kit_has(k, "after"));
	// A later call replaces one that is not due.
	store_flush(k->ctx, k->now_s + 2);
	store_flush(k->ctx, k->now_s + 9);
	kit_pass(k, 3);
	assert_true(kit_has(k, "after"));
	store_flush(k->ctx, 0);
	assert_false(kit_has(k, "after"));
	kit_set(k, "last", "1");
	kit_pass(k, 20);
	assert_true(kit_has(k, "last"));
}

// A change is decided, then all is flushed, then it is published: what it was made from is
// flushed, so it is too. flush_in_s: the flush comes with a new second.
static void change_across_flush(struct kit *k, uint32_t flush_in_s)
{
	struct store_ctx *other = store_ctx_create(k->s, 1);
	uint64_t hash = kit_hash(k, "n");
	struct store_put put;
	struct change c;
	struct item *it;

	kit_set(k, "n", "1");
	// Another ctx is ahead with its stamps, or behind.
	for (unsigned i = 0; i < 10; i++)
		kit_put(flush_in_s ? k->ctx : other, k->s, STORE_SET, "x", 1, "v", 1, 0, 0, 0);
	// The first stamp of a second is ahead of all others.
	kit_pass(k, 1);
	store_put_begin(k->ctx, &put, (const uint8_t *)"n", 1, hash, 0, 0, 1);
	it = item_at(k->s, put.ref);
	memcpy(item_value(it), "2\r\n", 3);
	change_begin(k->ctx, &c, put.key, put.nkey, hash);
	assert_true(c.old && !c.old_gone);
	store_flush(other, flush_in_s ? k->now_s + flush_in_s : 0);
	if (flush_in_s)
		store_tick(other, k->now_s += flush_in_s);
	assert_true(change_publish(k->ctx, &c, it, hash));
	change_end(k->ctx, &c, hash, true);
	item_settle(k->ctx, it);
	assert_false(kit_has(k, "n"));
	assert_int_equal(kit_mode(k, STORE_ADD, "n", "3", 0), STORE_OK);
	kit_tick(k, 2);
	assert_true(kit_is(k, "n", "3"));
	store_ctx_destroy(other);
}

static void test_flush_outlived_by_no_change(void **state)
{
	change_across_flush(*state, 0);
	change_across_flush(*state, 1);
	change_across_flush(*state, 9);
}

struct walked {
	unsigned count[1000];
	unsigned total;
};

static void walk_one(void *arg, struct slice key, const struct store_ref *ref)
{
	struct walked *w = arg;
	char text[16];

	memcpy(text, key.p + 1, key.len - 1);
	text[key.len - 1] = 0;
	w->count[atoi(text)]++;
	w->total++;
	assert_true(kit_ref_is(ref, "value", 5));
}

static void test_walk(void **state)
{
	struct kit *k = *state;
	struct walked w = {0};
	uint64_t cursor = 0;
	unsigned calls = 0;
	char key[16];

	do
		cursor = store_walk(k->ctx, cursor, 10, walk_one, &w);
	while (cursor);
	assert_int_equal(w.total, 0);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		kit_set_exp(k, key, "value", i < 100 ? k->now_s + 1 : 0);
	}
	kit_pass(k, 1);
	do {
		unsigned before = w.total;

		cursor = store_walk(k->ctx, cursor, 7, walk_one, &w);
		assert_true(w.total - before <= 7);
		calls++;
		kit_tick(k, 1);
	} while (cursor);
	assert_int_equal(w.total, 900);
	assert_true(calls >= 900 / 7);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(w.count[i], i < 100 ? 0 : 1);
}

static void test_prefetch_changes_nothing(void **state)
{
	struct kit *k = *state;

	store_prefetch_bucket(k->s, kit_hash(k, "a"));
	store_prefetch_item(k->s, kit_hash(k, "a"));
	kit_set(k, "a", "1");
	store_prefetch_bucket(k->s, kit_hash(k, "a"));
	store_prefetch_item(k->s, kit_hash(k, "a"));
	assert_true(kit_is(k, "a", "1"));
}

static void test_long_chains(void **state)
{
	struct kit *k = *state;
	char key[16];

	// One hash for all: a chain of 35, then the oldest go.
	for (unsigned i = 0; i < 40; i++) {
		struct store_put put;
		int n = snprintf(key, sizeof(key), "k%u", i);

		assert_int_equal(
			store_put_begin(k->ctx, &put, (uint8_t *)key, (size_t)n, 77, 0, 0, 0),
			STORE_OK);
		assert_int_equal(store_put_commit(k->ctx, &put, STORE_SET, 0), STORE_OK);
	}
	for (unsigned i = 0; i < 40; i++) {
		struct store_ref ref;
		int n = snprintf(key, sizeof(key), "k%u", i);

		assert_int_equal(store_get(k->ctx, (uint8_t *)key, (size_t)n, 77, &ref),
			i < 5 ? STORE_NOT_FOUND : STORE_OK);
	}
	assert_int_equal(kit_stat(k, STORE_STAT_chain_evictions), 5);
	assert_int_equal(kit_stat(k, STORE_STAT_evictions), 5);
	for (unsigned i = 0; i < 40; i++) {
		int n = snprintf(key, sizeof(key), "k%u", i);

		store_delete(k->ctx, (uint8_t *)key, (size_t)n, 77);
	}
	assert_int_equal(kit_usage(k).curr_items, 0);
}

static void test_stats_set(void **state)
{
	assert_string_equal(store_stats_set.module, "store");
	assert_int_equal(store_stats_set.count, STORE_STAT_COUNT);
	assert_string_equal(store_stats_set.desc[STORE_STAT_evictions].name, "evictions");
}

#define WITH_STORE(t) cmocka_unit_test_setup_teardown(t, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_errors),
		cmocka_unit_test(test_memory_is_within_its_limit),
		cmocka_unit_test(test_memory_of_the_caller),
		WITH_STORE(test_set_get),
		WITH_STORE(test_old_ref_stays_valid_until_the_tick),
		WITH_STORE(test_key_lengths),
		WITH_STORE(test_binary_values),
		WITH_STORE(test_add_replace),
		WITH_STORE(test_cas),
		cmocka_unit_test(test_no_cas),
		WITH_STORE(test_delete),
		WITH_STORE(test_abort),
		WITH_STORE(test_too_large),
		WITH_STORE(test_append_prepend),
		cmocka_unit_test(test_append_too_large),
		WITH_STORE(test_delta),
		WITH_STORE(test_delta_not_a_number),
		WITH_STORE(test_touch),
		WITH_STORE(test_expiry_to_the_second),
		WITH_STORE(test_flush),
		WITH_STORE(test_flush_sees_stores_of_all_ctxs),
		WITH_STORE(test_delayed_flush),
		WITH_STORE(test_flush_outlived_by_no_change),
		WITH_STORE(test_walk),
		WITH_STORE(test_prefetch_changes_nothing),
		WITH_STORE(test_long_chains),
		cmocka_unit_test(test_stats_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
