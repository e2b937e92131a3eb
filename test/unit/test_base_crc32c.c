// SPDX-License-Identifier: BSD-3-Clause
// lib/base/crc32c.h: the vectors of RFC 3720 B.4, and both ways of computing it

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/crc32c.h"
#include "base/rng.h"

static void test_vectors(void **state)
{
	uint8_t p[32];

	memset(p, 0, sizeof(p));
	assert_int_equal(crc32c(0, p, 32), 0x8a9136aa);
	memset(p, 0xff, sizeof(p));
	assert_int_equal(crc32c(0, p, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		p[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, p, 32), 0x46dd794e);
	for (unsigned i = 0; i < 32; i++)
		p[i] = (uint8_t)(31 - i);
	assert_int_equal(crc32c(0, p, 32), 0x113fdb5c);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_soft(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(7, p, 0), 7);
}

// All lengths and alignments, in one piece and in two.
static void test_instruction_equals_table(void **state)
{
	uint8_t p[80];
	struct rng r;

	rng_init(&r, 1);
	for (unsigned i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)rng_next(&r);
	for (unsigned at = 0; at < 8; at++) {
		for (unsigned len = 0; len <= 70; len++) {
			uint32_t seed = (uint32_t)rng_next(&r),
				 want = crc32c_soft(seed, p + at, len);

			assert_int_equal(crc32c(seed, p + at, len), want);
			for (unsigned cut = 0; cut <= len; cut += 5)
				assert_int_equal(
					crc32c(crc32c(seed, p + at, cut), p + at + cut, len - cut),
					want);
		}
	}
	assert_int_equal(crc32c_u64(3, load_le64(p)), crc32c_soft(3, p, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_instruction_equals_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
