// SPDX-License-Identifier: BSD-3-Clause
// lib/store: the index grows with the items, within its share of the memory
// support: store_kit

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "store/grow.h"
#include "store/restart.h"
#include "support/store_kit.h"

#define MIB (1ULL << 20)

static uint8_t big[64 << 10];

static struct store_conf conf_of(uint64_t mem_bytes, uint64_t hash_items)
{
	return (struct store_conf){
		.mem_limit_bytes = mem_bytes,
		.item_size_max = 1 << 20,
		.hash_items = hash_items,
		.ctx_count_max = 2,
		.hash_key = {5, 6},
		.now_s = KIT_NOW,
	};
}

static enum store_status set_n(struct kit *k, unsigned i, uint32_t vlen)
{
	char key[16];
	int n = snprintf(key, sizeof(key), "k%u", i);

	return kit_put(k->ctx, k->s, STORE_SET, key, (size_t)n, big + i % 97, vlen, 0, 0, 0);
}

static bool has_n(struct kit *k, unsigned i, uint32_t vlen)
{
	struct store_ref ref;
	char key[16];

	snprintf(key, sizeof(key), "k%u", i);
	return kit_get(k, key, &ref) == STORE_OK && kit_ref_is(&ref, big + i % 97, vlen);
}

static uint64_t bucket_count(const struct kit *k)
{
	return atomic_load(&k->s->bucket_count);
}

static void test_grows_with_the_items(void **state)
{
	struct store_conf conf = conf_of(16 * MIB, 1);
	bool was_between = false;
	struct kit k;

	kit_open_conf(&k, &conf);
	assert_int_equal(kit_usage(&k).hash_power_level, 6);
	assert_false(kit_usage(&k).hash_is_expanding);
	for (unsigned i = 0; i < 60000; i++) {
		assert_int_equal(set_n(&k, i, i % 50), STORE_OK);
		if (i % 32 == 31)
			kit_tick(&k, 1);
		if (i % 4000 == 3999) {
			struct store_usage u = kit_usage(&k);

			assert_true(kit_check(&k));
			assert_true(i + 1 <= (bucket_count(&k) + 64) * GROW_ITEMS * 5 / 4);
			assert_true(bucket_count(&k) * GROW_ITEMS <= 2 * (i + 500) || i < 4000);
			assert_true(bucket_count(&k) <= 1ULL << u.hash_power_level);
			assert_true(bucket_count(&k) > 1ULL << (u.hash_power_level - 1));
			was_between |= u.hash_is_expanding;
		}
	}
	assert_true(was_between);
	for (unsigned i = 0; i < 60000; i++)
		assert_true(has_n(&k, i, i % 50));
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	assert_int_equal(kit_stat(&k, STORE_STAT_index_refused), 0);
	assert_int_equal(kit_stat(&k, STORE_STAT_index_splits), bucket_count(&k) - 64);
	// What it has taken is counted, and is what the buckets need.
	assert_true(kit_usage(&k).index_bytes >= bucket_count(&k) * 64);
	assert_true(kit_usage(&k).index_bytes < bucket_count(&k) * 64 * 3 / 2 + MIB);
	kit_close(&k);
}

// A given number of items needs no growth.
static void test_starts_as_it_is_told(void **state)
{
	struct store_conf conf = conf_of(16 * MIB, 40000);
	struct kit k;
	uint64_t at_start;

	kit_open_conf(&k, &conf);
	at_start = bucket_count(&k);
	for (unsigned i = 0; i < 40000; i++) {
		assert_int_equal(set_n(&k, i, 10), STORE_OK);
		kit_tick(&k, 1);
	}
	assert_int_equal(bucket_count(&k), at_start);
	kit_close(&k);
	conf = conf_of(16 * MIB, 0);
	kit_open_conf(&k, &conf);
	assert_int_equal(bucket_count(&k), 16 * MIB / 4096);
	kit_close(&k);
}

// Overwriting and deleting leave it as it is; items that come instead need no more.
static void test_counts_what_is_there(void **state)
{
	struct store_conf conf = conf_of(16 * MIB, 5000);
	struct kit k;
	uint64_t at_start;
	char key[16];

	kit_open_conf(&k, &conf);
	at_start = bucket_count(&k);
	for (unsigned i = 0; i < 60000; i++) {
		assert_int_equal(set_n(&k, i, 10), STORE_OK);
		assert_int_equal(set_n(&k, i, 20), STORE_OK);
		if (i >= 4000) {
			snprintf(key, sizeof(key), "k%u", i - 4000);
			assert_int_equal(kit_delete(&k, key), STORE_OK);
		}
		kit_tick(&k, 1);
	}
	assert_int_equal(bucket_count(&k), at_start);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// The overflow buckets of full chains come back when these are split.
static void test_overflow_buckets_come_back(void **state)
{
	struct store_conf conf = conf_of(8 * MIB, 2000);
	struct kit k;
	unsigned back = 0;

	kit_open_conf(&k, &conf);
	// No turn between: chains as long as they get.
	for (unsigned i = 0; i < 8000; i++)
		assert_int_equal(set_n(&k, i, 0), STORE_OK);
	assert_int_equal(k.s->bucket_free, 0);
	assert_int_equal(kit_stat(&k, STORE_STAT_chain_evictions), 0);
	kit_tick(&k, 1);
	for (unsigned i = 8000; i < 14000; i++) {
		assert_int_equal(set_n(&k, i, 0), STORE_OK);
		kit_tick(&k, 1);
	}
	for (uint32_t n = k.s->bucket_free; n; back++)
		n = atomic_load((_Atomic uint32_t *)(k.s->base + 64ULL * n));
	assert_true(back > 100);
	assert_true(kit_check(&k));
	for (unsigned i = 0; i < 14000; i++)
		assert_true(has_n(&k, i, 0));
	kit_close(&k);
}

// Memory that items need is not given to the index: a refusal is counted, and nothing else
// comes of it.
static void test_refused_when_memory_is_full(void **state)
{
	struct store_conf conf = conf_of(8 * MIB, 1);
	struct kit k;
	unsigned whole = 0, small = 0;
	uint64_t at_full;

	conf.no_evictions = true;
	kit_open_conf(&k, &conf);
	while (kit_usage(&k).segment_free_count > 12) {
		assert_int_equal(set_n(&k, whole++, 20000), STORE_OK);
		kit_tick(&k, 1);
	}
	// The rest with the smallest items. The buckets in no segment are 2048.
	while (set_n(&k, whole + small, 0) == STORE_OK) {
		kit_tick(&k, 1);
		small++;
	}
	at_full = kit_usage(&k).index_bytes;
	assert_true(small > 2048 * 7);
	assert_int_equal(kit_stat(&k, STORE_STAT_evictions), 0);
	for (unsigned i = 0; i < whole + small; i++)
		assert_true(has_n(&k, i, i < whole ? 20000 : 0));
	assert_true(kit_check(&k));
	assert_true(kit_stat(&k, STORE_STAT_index_refused) > 0);
	assert_int_equal(bucket_count(&k), 2048);
	// Room again, and it goes on.
	for (unsigned i = 0; i < whole; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(kit_delete(&k, key), STORE_OK);
	}
	kit_tick(&k, 3000);
	for (unsigned i = 0; i < 40000; i++) {
		assert_int_equal(set_n(&k, 1000000 + i, 0), STORE_OK);
		kit_tick(&k, 1);
	}
	assert_true(kit_usage(&k).index_bytes > at_full);
	assert_true(bucket_count(&k) > 4096);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// With eviction and the smallest items: never a failed store, never more than its share.
static void test_share_of_the_memory(void **state)
{
	for (unsigned from_few = 0; from_few < 2; from_few++) {
		struct store_conf conf = conf_of(32 * MIB, from_few);
		unsigned count = 1000000;
		struct kit k;

		kit_open_conf(&k, &conf);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(set_n(&k, i, 0), STORE_OK);
			if (i % 64 == 63)
				kit_tick(&k, 1);
		}
		assert_true(kit_usage(&k).index_bytes <= 32 * MIB / 4 + 8192 * 64);
		// Records of 40 bytes, a quarter of the memory for the index, and the reserve.
		assert_true(kit_usage(&k).curr_items > 32 * MIB * 3 / 4 / 50);
		assert_true(kit_stat(&k, STORE_STAT_evictions) > count / 4);
		assert_true(kit_stat(&k, STORE_STAT_chain_evictions) < count / 20);
		assert_int_equal(kit_stat(&k, STORE_STAT_out_of_memory), 0);
		assert_true(has_n(&k, count - 1, 0));
		assert_true(kit_check(&k));
		kit_close(&k);
	}
}

struct seen {
	uint8_t count[20000];
	unsigned total;
};

static void see(void *arg, struct slice key, const struct store_ref *ref)
{
	struct seen *w = arg;
	char text[16] = {0};
	unsigned i;

	memcpy(text, key.p + 1, key.len - 1);
	i = (unsigned)atoi(text);
	w->total++;
	if (i < 20000)
		w->count[i]++;
}

// A walk meets each item once that is there all the time, however the index grows under it.
static void test_walk_while_it_grows(void **state)
{
	static const unsigned max_of[] = {1, 7, 100};

	for (unsigned m = 0; m < 3; m++) {
		struct store_conf conf = conf_of(32 * MIB, 1);
		struct seen *w = calloc(1, sizeof(*w));
		unsigned first = m ? 20000 : 2000, added = first;
		uint64_t cursor = 0, before;
		struct kit k;

		kit_open_conf(&k, &conf);
		for (unsigned i = 0; i < first; i++) {
			set_n(&k, i, 0);
			kit_tick(&k, 1);
		}
		before = bucket_count(&k);
		do {
			unsigned total = w->total;

			cursor = store_walk(k.ctx, cursor, max_of[m], see, w);
			assert_true(w->total - total <= max_of[m]);
			for (unsigned i = 0; i < max_of[m] * 4 && added < 150000; i++)
				assert_int_equal(set_n(&k, 100000 + added++, 0), STORE_OK);
			set_n(&k, added % first, 0);
			kit_tick(&k, 1);
		} while (cursor);
		for (unsigned i = 0; i < first; i++)
			assert_int_equal(w->count[i], 1);
		assert_true(bucket_count(&k) >= 2 * before);
		kit_close(&k);
		free(w);
	}
}

// Kept over a restart: as it was when it was sealed, made anew after a crash.
static void restarts(bool crashes)
{
	struct store_conf conf = conf_of(16 * MIB, 1);
	struct store_found found;
	struct kit k;
	uint64_t count;
	const char *why = "";

	conf.keep = true;
	conf.mem = aligned_alloc(4096, 16 * MIB);
	memset(conf.mem, 0, 16 * MIB);
	kit_open_conf(&k, &conf);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = round * 20000; i < (round + 1) * 20000; i++) {
			assert_int_equal(set_n(&k, i, 30), STORE_OK);
			kit_tick(&k, 1);
		}
		count = bucket_count(&k);
		assert_true(count > 2048);
		if (!crashes) {
			store_ctx_destroy(k.ctx);
			assert_true(store_seal(k.s) > 0);
		}
		store_destroy(k.s);
		k.s = store_attach(&conf, &found, &why);
		if (!k.s)
			fail_msg("%s", why);
		k.ctx = store_ctx_create(k.s, 0);
		assert_true(kit_check(&k));
		assert_int_equal(found.items, (round + 1) * 20000);
		assert_int_equal(found.items_lost, 0);
		if (!crashes)
			assert_int_equal(bucket_count(&k), count);
		assert_true(bucket_count(&k) * GROW_ITEMS * 5 / 4 > found.items);
		for (unsigned i = 0; i < (round + 1) * 20000; i++)
			assert_true(has_n(&k, i, 30));
	}
	kit_close(&k);
	free(conf.mem);
}

static void test_restart_sealed(void **state)
{
	restarts(false);
}

static void test_restart_crashed(void **state)
{
	restarts(true);
}

// A file of the version before the index grew is not taken for one of this.
static void test_older_version_starts_empty(void **state)
{
	struct store_conf conf = conf_of(16 * MIB, 0);
	struct store_found found;
	struct kit k;
	const char *why = "";

	conf.keep = true;
	conf.mem = aligned_alloc(4096, 16 * MIB);
	memset(conf.mem, 0, 16 * MIB);
	kit_open_conf(&k, &conf);
	kit_set(&k, "a", "1");
	store_ctx_destroy(k.ctx);
	assert_true(store_seal(k.s) > 0);
	assert_int_equal(k.s->sb->id.version, 2);
	k.s->sb->id.version = 1;
	store_destroy(k.s);
	assert_null(store_attach(&conf, &found, &why));
	assert_string_equal(why, "it was written by a version with another layout");
	free(conf.mem);
}

static int setup(void **state)
{
	kit_fill(big, sizeof(big), 3);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_with_the_items),
		cmocka_unit_test(test_starts_as_it_is_told),
		cmocka_unit_test(test_counts_what_is_there),
		cmocka_unit_test(test_overflow_buckets_come_back),
		cmocka_unit_test(test_refused_when_memory_is_full),
		cmocka_unit_test(test_share_of_the_memory),
		cmocka_unit_test(test_walk_while_it_grows),
		cmocka_unit_test(test_restart_sealed),
		cmocka_unit_test(test_restart_crashed),
		cmocka_unit_test(test_older_version_starts_empty),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
