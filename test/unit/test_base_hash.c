// SPDX-License-Identifier: BSD-3-Clause
// SipHash against published and foreign values; byte order, sequence numbers, the seeded generator

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/siphash.h"

// The reference implementation's vectors: key 00 01 .. 0f, message 00 01 .. (n - 1).
static const uint64_t vectors_2_4[64] = {
	0x726fdb47dd0e0e31,
	0x74f839c593dc67fd,
	0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d,
	0xcf2794e0277187b7,
	0x18765564cd99a68d,
	0xcbc9466e58fee3ce,
	0xab0200f58b01d137,
	0x93f5f5799a932462,
	0x9e0082df0ba9e4b0,
	0x7a5dbbc594ddb9f3,
	0xf4b32f46226bada7,
	0x751e8fbc860ee5fb,
	0x14ea5627c0843d90,
	0xf723ca908e7af2ee,
	0xa129ca6149be45e5,
	0x3f2acc7f57c29bdb,
	0x699ae9f52cbe4794,
	0x4bc1b3f0968dd39c,
	0xbb6dc91da77961bd,
	0xbed65cf21aa2ee98,
	0xd0f2cbb02e3b67c7,
	0x93536795e3a33e88,
	0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94,
	0xbce192de8a85b8ea,
	0x17d835b85bbb15f3,
	0x2f2e6163076bcfad,
	0xde4daaaca71dc9a5,
	0xa6a2506687956571,
	0xad87a3535c49ef28,
	0x32d892fad841c342,
	0x7127512f72f27cce,
	0xa7f32346f95978e3,
	0x12e0b01abb051238,
	0x15e034d40fa197ae,
	0x314dffbe0815a3b4,
	0x027990f029623981,
	0xcadcd4e59ef40c4d,
	0x9abfd8766a33735c,
	0x0e3ea96b5304a7d0,
	0xad0c42d6fc585992,
	0x187306c89bc215a9,
	0xd4a60abcf3792b95,
	0xf935451de4f21df2,
	0xa9538f0419755787,
	0xdb9acddff56ca510,
	0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951,
	0xc766e62cfcadaf96,
	0xee64435a9752fe72,
	0xa192d576b245165a,
	0x0a8787bf8ecb74b2,
	0x81b3e73d20b49b6f,
	0x7fa8220ba3b2ecea,
	0x245731c13ca42499,
	0xb78dbfaf3a8d83bd,
	0xea1ad565322a1a0b,
	0x60e61c23a3795013,
	0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1,
	0x9f626da15c9625f3,
	0xe51b38608ef25f57,
	0x958a324ceb064572,
};

// What CPython 3.11 gives for hash(bytes(range(n))), n = 1 .., with PYTHONHASHSEED=0:
// SipHash-1-3 with the key 0.
static const uint64_t vectors_1_3[] = {
	0x68a914128e01e473,
	0x010bac45c41e3669,
	0x4d4c9a4a8ef6e0ad,
	0x7cc43f98813e4dbd,
	0x5abe2169dff36275,
	0xe3c25f87624f1cdb,
	0x2f098ab0c751325a,
	0xead411e67ebe2eea,
	0x75927f9d95124362,
	0xaf9f77a65ab51a1d,
	0xfe64ce8b6617fcff,
	0xa6baf4fb0f9fe1c2,
	0xa0cf3211850f8e0d,
	0x7f86049379fbfe67,
	0xf30eb725bb91c9ea,
	0x8972188433a5c5b7,
};

// A message on the heap, so that a read past its end is seen by ASan.
static uint8_t *message(size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)i;
	return p;
}

static void test_siphash24_vectors(void **state)
{
	const struct siphash_key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

	for (size_t len = 0; len < 64; len++) {
		uint8_t *p = message(len);

		assert_int_equal(siphash24(&key, p, len), vectors_2_4[len]);
		free(p);
	}
}

static void test_siphash13_vectors(void **state)
{
	const struct siphash_key key = {0, 0};

	for (size_t i = 0; i < sizeof(vectors_1_3) / sizeof(vectors_1_3[0]); i++) {
		uint8_t *p = message(i + 1);

		assert_int_equal(siphash13(&key, p, i + 1), vectors_1_3[i]);
		free(p);
	}
}

static void test_siphash_ignores_alignment(void **state)
{
	const struct siphash_key key = {1, 2};
	uint8_t buf[64 + 8];

	for (size_t shift = 0; shift < 8; shift++) {
		for (size_t i = 0; i < 40; i++)
			buf[shift + i] = (uint8_t)(i * 7);
		uint64_t h = siphash13(&key, buf + shift, 40);

		memmove(buf, buf + shift, 40);
		assert_int_equal(siphash13(&key, buf, 40), h);
	}
}

static void test_bytes_are_big_endian(void **state)
{
	uint8_t buf[9] = {0};

	store_be32(buf + 1, 0x01020304);
	assert_memory_equal(buf, "\0\1\2\3\4\0", 6);
	assert_int_equal(load_be32(buf + 1), 0x01020304);
	store_be16(buf + 5, 0xfffe);
	assert_int_equal(buf[5], 0xff);
	assert_int_equal(buf[6], 0xfe);
	assert_int_equal(load_be16(buf + 5), 0xfffe);
	assert_int_equal(load_be16(buf + 4), 0x04ff);
	memcpy(buf + 1, "\1\2\3\4\5\6\7\x88", 8);
	assert_int_equal(load_le64(buf + 1), 0x8807060504030201ULL);
}

// RFC 9293 3.4: all of it holds across the wrap.
static void test_seq_wraps(void **state)
{
	static const uint32_t bases[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		uint32_t a = bases[i];

		assert_false(seq_lt(a, a));
		assert_true(seq_le(a, a));
		assert_true(seq_ge(a, a));
		for (uint32_t d = 1; d < 0x80000000u; d += d / 2 + 1) {
			assert_true(seq_lt(a, a + d));
			assert_true(seq_le(a, a + d));
			assert_true(seq_gt(a + d, a));
			assert_true(seq_ge(a + d, a));
			assert_false(seq_lt(a + d, a));
			assert_false(seq_ge(a, a + d));
			assert_int_equal(seq_max(a, a + d), a + d);
			assert_int_equal(seq_max(a + d, a), a + d);
		}
	}
}

// splitmix64 with seed 1234567, as its author publishes it.
static void test_rng_is_splitmix64(void **state)
{
	struct rng r;

	rng_init(&r, 1234567);
	assert_int_equal(rng_next(&r), 6457827717110365317ULL);
	assert_int_equal(rng_next(&r), 3203168211198807973ULL);
	assert_int_equal(rng_next(&r), 9817491932198370423ULL);
	assert_int_equal(rng_next(&r), 4593380528125082431ULL);
	assert_int_equal(rng_next(&r), 16408922859458223821ULL);
}

static void test_rng_below_is_even(void **state)
{
	unsigned count[7] = {0};
	struct rng r;

	rng_init(&r, 42);
	for (unsigned i = 0; i < 70000; i++) {
		uint32_t v = rng_below(&r, 7);

		assert_in_range(v, 0, 6);
		count[v]++;
	}
	// 10,000 expected in each; five standard deviations are 463.
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(count[i], 10000 - 463, 10000 + 463);
	assert_int_equal(rng_below(&r, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash24_vectors),
		cmocka_unit_test(test_siphash13_vectors),
		cmocka_unit_test(test_siphash_ignores_alignment),
		cmocka_unit_test(test_bytes_are_big_endian),
		cmocka_unit_test(test_seq_wraps),
		cmocka_unit_test(test_rng_is_splitmix64),
		cmocka_unit_test(test_rng_below_is_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
