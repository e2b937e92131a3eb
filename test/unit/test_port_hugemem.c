// SPDX-License-Identifier: BSD-3-Clause
// lib/port/hugemem: which pages are chosen; what is mapped is zero, whole and given back

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "port/hugemem.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const struct hugemem_kind plenty[] = {{64 * KIB, 1 << 20}, {2 * MIB, 1 << 20}, {GIB, 64}};

static void test_the_largest_pages_that_fit(void **state)
{
	assert_int_equal(hugemem_choose(plenty, 3, 8 * GIB), GIB);
	assert_int_equal(hugemem_choose(plenty, 3, GIB), GIB);
	assert_int_equal(hugemem_choose(plenty, 3, 64 * MIB), 2 * MIB);
	// 65 MiB wastes 1 MiB, as one page is the least there is.
	assert_int_equal(hugemem_choose(plenty, 3, 65 * MIB), 2 * MIB);
	// 16 GiB and a bit: a seventeenth page of 1 GiB is a sixteenth wasted, not more.
	assert_int_equal(hugemem_choose(plenty, 3, 16 * GIB + MIB), GIB);
	// 1.5 GiB would waste a third.
	assert_int_equal(hugemem_choose(plenty, 3, 1536 * MIB), 2 * MIB);
}

static void test_only_pages_of_which_enough_are_free(void **state)
{
	struct hugemem_kind few[] = {{2 * MIB, 32}, {GIB, 1}};

	assert_int_equal(hugemem_choose(few, 2, GIB), GIB);
	assert_int_equal(hugemem_choose(few, 2, 2 * GIB), 0);
	assert_int_equal(hugemem_choose(few, 2, 64 * MIB), 2 * MIB);
	assert_int_equal(hugemem_choose(few, 2, 66 * MIB), 0);
	assert_int_equal(hugemem_choose(few, 0, MIB), 0);
}

// Where the machine has hugepages to spare; else that none is a clean answer.
static void test_mapped_or_not_at_all(void **state)
{
	struct hugemem_kind kind[HUGEMEM_KINDS_MAX];
	unsigned n = hugemem_kinds(kind, HUGEMEM_KINDS_MAX);
	size_t size = 4 * MIB - 1;
	struct hugemem h = {.mem = &h, .size = 7};

	if (!hugemem_map(&h, size, 0)) {
		assert_null(h.mem);
		assert_int_equal(h.size, 0);
		assert_int_equal(h.node, -1);
		assert_int_equal(hugemem_choose(kind, n, size), 0);
		return;
	}
	assert_int_equal(h.page_size, hugemem_choose(kind, n, size));
	assert_true(h.size >= size && h.size % h.page_size == 0);
	for (size_t i = 0; i < h.size; i += KIB)
		assert_int_equal(((uint8_t *)h.mem)[i], 0);
	((uint8_t *)h.mem)[h.size - 1] = 1;
	assert_in_range(h.remote_percent, 0, 100);
	hugemem_unmap(&h);
	assert_null(h.mem);
	hugemem_unmap(&h); // a second time does nothing
}

static void test_more_than_there_is(void **state)
{
	struct hugemem h;

	assert_false(hugemem_map(&h, (size_t)1 << 46, -1));
	assert_null(h.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_largest_pages_that_fit),
		cmocka_unit_test(test_only_pages_of_which_enough_are_free),
		cmocka_unit_test(test_mapped_or_not_at_all),
		cmocka_unit_test(test_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
