// SPDX-License-Identifier: BSD-3-Clause
// The search of one bucket: the vector form finds what a plain look at each slot finds

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "store/index.h"

static unsigned plain(const struct bucket *b, int shift, uint64_t value)
{
	unsigned match = 0;

	for (unsigned i = 0; i < BUCKET_SLOTS; i++)
		match |= (unsigned)(b->slot[i] >> shift == value) << 2 * i;
	return match;
}

static void check(const struct bucket *b, uint64_t hash)
{
	assert_int_equal(bucket_match(b, hash), plain(b, 47, hash >> 48 << 1));
	assert_int_equal(bucket_match_any(b, hash), plain(b, 48, hash >> 48));
}

// Tags that differ in one bit, ghosts of them, empty slots, and a header that looks like them.
static void test_every_slot_and_no_other(void **state)
{
	struct bucket b;
	struct rng rng;

	rng_init(&rng, 1);
	for (unsigned round = 0; round < 200000; round++) {
		uint64_t hash = rng_next(&rng);

		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			uint64_t word = (hash & ~0ULL << 48) | (rng_next(&rng) >> 17);

			if (rng_below(&rng, 3) == 0)
				word ^= 1ULL << (47 + rng_below(&rng, 17));
			if (rng_below(&rng, 5) == 0)
				word = rng_next(&rng) >> rng_below(&rng, 64);
			b.slot[i] = rng_below(&rng, 5) == 0 ? 0 : word;
		}
		memcpy(&b, &hash, sizeof(hash));
		check(&b, hash);
		check(&b, hash & ~0ULL >> 16);
		check(&b, ~0ULL);
	}
}

static void test_the_slot_of_a_match(void **state)
{
	struct bucket b = {0};

	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		b.slot[i] = 0xabcdULL << 48 | 5;
		assert_ptr_equal(match_slot(&b, bucket_match(&b, 0xabcdULL << 48)), &b.slot[i]);
		b.slot[i] |= WORD_GHOST;
		assert_int_equal(bucket_match(&b, 0xabcdULL << 48), 0);
		assert_ptr_equal(match_slot(&b, bucket_match_any(&b, 0xabcdULL << 48)), &b.slot[i]);
		b.slot[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_slot_and_no_other),
		cmocka_unit_test(test_the_slot_of_a_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
