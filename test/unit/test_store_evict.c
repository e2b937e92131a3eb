// SPDX-License-Identifier: BSD-3-Clause
// lib/store: S3-FIFO: the small and the main queue, ghosts, what a scan cannot do
// support: store_kit

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "store/index.h"
#include "store/segment.h"
#include "support/store_kit.h"

#define MIB (1ULL << 20)
#define VLEN 500

static uint8_t value[1 << 20];

static void set_len(struct kit *k, const char *prefix, unsigned i, uint32_t vlen)
{
	char key[32];
	int n = snprintf(key, sizeof(key), "%s%u", prefix, i);

	assert_int_equal(
		kit_put(k->ctx, k->s, STORE_SET, key, (size_t)n, value, vlen, 0, 0, 0), STORE_OK);
	kit_tick(k, 1);
}

static void set(struct kit *k, const char *prefix, unsigned i)
{
	set_len(k, prefix, i, VLEN);
}

static bool get(struct kit *k, const char *prefix, unsigned i)
{
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, i);
	return kit_has(k, key);
}

static unsigned count(struct kit *k, const char *prefix, unsigned n)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < n; i++)
		alive += get(k, prefix, i);
	return alive;
}

static const struct bucket *spared; // no key of a scan belongs there

static const struct bucket *bucket_n(struct kit *k, const char *prefix, unsigned i)
{
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, i);
	return bucket_of(k->s, kit_hash(k, key));
}

// So many bytes of keys that nobody asks for.
static void scan(struct kit *k, uint64_t bytes)
{
	static unsigned next;

	for (uint64_t end = next + bytes / (VLEN + 40); next < end; next++)
		if (bucket_n(k, "scan", next) != spared)
			set(k, "scan", next);
}

// ---- what the queues are for

static void scan_resistance(uint64_t mem_bytes, unsigned times)
{
	struct kit k;
	unsigned hot = (unsigned)(mem_bytes / 4 / (VLEN + 40));

	kit_open(&k, mem_bytes, 1, false);
	for (unsigned i = 0; i < hot; i++)
		set(&k, "hot", i);
	assert_int_equal(count(&k, "hot", hot), hot); // a hit for each
	scan(&k, mem_bytes * times);
	assert_true(kit_stat(&k, STORE_STAT_evictions) > hot);
	assert_true(count(&k, "hot", hot) >= hot - hot / 100);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// One hit each, and a scan of many times the memory pushes none of them out: it never gets
// further than the small queue.
static void test_scan_resistance(void **state)
{
	scan_resistance(16 * MIB, 6);
	scan_resistance(64 * MIB, 2);
}

// The smallest memory has two segments for the small queue, and three kinds of records.
static void test_scan_resistance_in_little_memory(void **state)
{
	scan_resistance(8 * MIB, 8);
}

// Main is a queue too: what is hit no more makes room for what is.
static void test_main_forgets(void **state)
{
	struct kit k;
	unsigned n = 4000;

	kit_open(&k, 16 * MIB, 1, false);
	for (unsigned i = 0; i < n; i++)
		set(&k, "old", i);
	count(&k, "old", n);
	scan(&k, 16 * MIB);
	assert_true(count(&k, "old", n) > n - n / 100); // in main, with one hit
	for (unsigned i = 0; i < 100000; i++) {
		set(&k, "new", i);
		get(&k, "new", i);
	}
	assert_true(count(&k, "old", n) < n / 100);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// ---- ghosts

// While main has little in it, the small queue has all the rest: so much pushes an item
// through it, and none out of main.
static void small_queue_turns_over(struct kit *k)
{
	scan(k, kit_usage(k).bytes / 4 * 5);
}

static void fill_until_evicting(struct kit *k)
{
	while (kit_stat(k, STORE_STAT_evictions) == 0)
		scan(k, MIB);
	scan(k, 4 * MIB);
}

// A key that comes back soon after its eviction is stored in the main queue.
static void test_ghost_hit_goes_to_main(void **state)
{
	struct kit k;
	uint64_t ghost_hits;

	kit_open(&k, 16 * MIB, 1, false);
	fill_until_evicting(&k);
	for (unsigned i = 0; i < 200; i++)
		set(&k, "back", i);
	small_queue_turns_over(&k);
	assert_int_equal(count(&k, "back", 200), 0);
	ghost_hits = kit_stat(&k, STORE_STAT_ghost_hits);
	for (unsigned i = 0; i < 200; i++) {
		set(&k, "back", i);
		set(&k, "first", i);
	}
	// Some ghosts have lost their slots to other keys.
	assert_true(kit_stat(&k, STORE_STAT_ghost_hits) >= ghost_hits + 150);
	small_queue_turns_over(&k);
	assert_true(count(&k, "back", 200) >= 150);
	assert_int_equal(count(&k, "first", 200), 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// After as many evictions as main has items a ghost counts no more.
static void test_ghosts_grow_old(void **state)
{
	struct kit k;
	uint64_t ghost_hits;

	kit_open(&k, 16 * MIB, 1, false);
	fill_until_evicting(&k);
	for (unsigned i = 0; i < 200; i++)
		set(&k, "back", i);
	scan(&k, 64 * MIB);
	ghost_hits = kit_stat(&k, STORE_STAT_ghost_hits);
	for (unsigned i = 0; i < 200; i++)
		set(&k, "back", i);
	assert_true(kit_stat(&k, STORE_STAT_ghost_hits) <= ghost_hits + 2);
	kit_close(&k);
}

static unsigned ghosts_in(const struct bucket *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		uint64_t word = atomic_load(&((struct bucket *)b)->slot[i]);

		n += word != 0 && !word_is_item(word);
	}
	return n;
}

// Seven keys fill a bucket, and become ghosts; the next seven take their slots.
static void test_ghosts_cost_no_bucket(void **state)
{
	const struct bucket *b;
	unsigned next = 0;
	struct kit k;

	kit_open(&k, 8 * MIB, 1, false);
	b = spared = bucket_n(&k, "one", 0);
	fill_until_evicting(&k);
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned n = 0; n < BUCKET_SLOTS; next++)
			if (bucket_n(&k, "one", next) == b) {
				set(&k, "one", next);
				n++;
			}
		assert_null(bucket_next(k.s, b));
		assert_int_equal(ghosts_in(b), 0);
		if (round == 7)
			break;
		small_queue_turns_over(&k);
		assert_int_equal(ghosts_in(b), BUCKET_SLOTS);
	}
	spared = NULL;
	assert_int_equal(count(&k, "one", next), BUCKET_SLOTS);
	kit_close(&k);
}

static unsigned ghosts(struct kit *k)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < k->s->bucket_count; i++)
		for (const struct bucket *b = bucket_at(k->s, i); b; b = bucket_next(k->s, b))
			n += ghosts_in(b);
	return n;
}

// Nothing is evicted, so nothing can come back.
static void test_no_ghosts_without_evictions(void **state)
{
	struct kit k;
	char key[32];

	kit_open(&k, 8 * MIB, 1, true);
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(key, sizeof(key), "k%u", i % 3000);
		if (i % 3)
			kit_set(&k, key, "some text");
		else
			kit_delete(&k, key);
		snprintf(key, sizeof(key), "short%u", i);
		kit_set_exp(&k, key, "life", k.now_s + 1);
		kit_pass(&k, i % 100 == 0);
	}
	assert_true(kit_stat(&k, STORE_STAT_reclaimed) > 30000);
	assert_int_equal(ghosts(&k), 0);
	kit_close(&k);
}

// ---- large values

// The hits of a large value count for all its fragments: it moves to main whole.
static void test_large_value_goes_to_main(void **state)
{
	struct kit k;

	kit_open(&k, 32 * MIB, 1, false);
	for (unsigned i = 0; i < 8; i++) {
		set_len(&k, "large", i, 400000);
		set_len(&k, "cold", i, 400000);
	}
	assert_int_equal(count(&k, "large", 8), 8);
	for (unsigned i = 0; i < 200; i++)
		set_len(&k, "other", i, 400000);
	assert_int_equal(count(&k, "large", 8), 8);
	assert_int_equal(count(&k, "cold", 8), 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// And it leaves main again, when nobody asks for it any more. It is small, so that eviction could
// afford to keep it for ever. The last ones are in a segment that stays open.
static void test_large_value_is_forgotten(void **state)
{
	struct kit k;

	kit_open(&k, 16 * MIB, 1, false);
	for (unsigned i = 0; i < 1000000; i++) {
		set(&k, "new", i);
		if (i % 2)
			get(&k, "new", i);
		for (unsigned n = 0; n < 5 && i == 300000; n++)
			set_len(&k, "large", n, 100000);
		for (unsigned n = 0; n < 3 && (i == 300000 || i == 330000); n++)
			assert_int_equal(count(&k, "large", 3), 3);
	}
	assert_int_equal(count(&k, "large", 3), 0);
	assert_true(kit_check(&k));
	kit_close(&k);
}

// ---- laws

static bool is_broken(struct kit *k, const char *law)
{
	const char *what = NULL;

	return !store_check(k->s, &what) && strstr(what, law);
}

static _Atomic uint64_t *some_ghost(struct kit *k)
{
	for (uint64_t n = 0; n < k->s->bucket_count; n++)
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			_Atomic uint64_t *slot = &bucket_at(k->s, n)->slot[i];

			if (*slot != 0 && !word_is_item(*slot))
				return slot;
		}
	return NULL;
}

// store_check sees a ghost that is none, and a reserve that is not given back.
static void test_check_knows(void **state)
{
	struct kit k;
	_Atomic uint64_t *slot;
	uint64_t word;

	kit_open(&k, 8 * MIB, 1, false);
	fill_until_evicting(&k);
	assert_true(kit_check(&k));
	slot = some_ghost(&k);
	assert_non_null(slot);
	word = *slot;
	*slot = word | 1ULL << 40;
	assert_true(is_broken(&k, "a ghost has a time and nothing else"));
	*slot = (word & ~0xffffffffULL) | (uint32_t)(k.s->ghost_clock + 1);
	assert_true(is_broken(&k, "no ghost is of a time to come"));
	*slot = word;
	k.s->loan += RESERVED_SEGMENTS + 1;
	assert_true(is_broken(&k, "only moves take the reserve"));
	k.s->loan -= RESERVED_SEGMENTS + 1;
	k.s->fifo[QUEUE_MAIN].count++;
	assert_true(is_broken(&k, "the segments of a queue are counted"));
	k.s->fifo[QUEUE_MAIN].count--;
	assert_true(kit_check(&k));
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan_resistance),
		cmocka_unit_test(test_scan_resistance_in_little_memory),
		cmocka_unit_test(test_main_forgets),
		cmocka_unit_test(test_ghost_hit_goes_to_main),
		cmocka_unit_test(test_ghosts_grow_old),
		cmocka_unit_test(test_ghosts_cost_no_bucket),
		cmocka_unit_test(test_no_ghosts_without_evictions),
		cmocka_unit_test(test_large_value_goes_to_main),
		cmocka_unit_test(test_large_value_is_forgotten),
		cmocka_unit_test(test_check_knows),
	};

	kit_fill(value, sizeof(value), 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
