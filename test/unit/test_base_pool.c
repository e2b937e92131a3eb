// SPDX-License-Identifier: BSD-3-Clause
// Pools: every object once, last in first out, NULL when empty, indices both ways

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static void test_gives_each_object_once(void **state)
{
	enum { COUNT = 100 };
	struct pool p;
	uint8_t *obj[COUNT];

	assert_int_equal(pool_init(&p, 24, COUNT, 64), 0);
	assert_int_equal(p.obj_size, 64);
	assert_int_equal(pool_free_count(&p), COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		obj[i] = pool_get(&p);
		assert_non_null(obj[i]);
		assert_int_equal((uintptr_t)obj[i] % 64, 0);
		memset(obj[i], (int)i, p.obj_size);
	}
	assert_int_equal(pool_free_count(&p), 0);
	assert_null(pool_get(&p));
	assert_null(pool_get(&p));
	for (unsigned i = 0; i < COUNT; i++) {
		for (unsigned j = 0; j < p.obj_size; j++)
			assert_int_equal(obj[i][j], i);
		assert_ptr_equal(pool_at(&p, pool_index(&p, obj[i])), obj[i]);
		pool_put(&p, obj[i]);
	}
	assert_int_equal(pool_free_count(&p), COUNT);
	pool_fini(&p);
	assert_null(p.mem);
}

static void test_warmest_object_is_next(void **state)
{
	struct pool p;
	void *a, *b, *c;

	assert_int_equal(pool_init(&p, 40, 8, 8), 0);
	assert_int_equal(p.obj_size, 40);
	a = pool_get(&p);
	b = pool_get(&p);
	c = pool_get(&p);
	pool_put(&p, a);
	pool_put(&p, c);
	assert_ptr_equal(pool_get(&p), c);
	assert_ptr_equal(pool_get(&p), a);
	// Then memory that was never used.
	assert_int_equal(pool_index(&p, pool_get(&p)), 3);
	pool_put(&p, b);
	assert_int_equal(pool_free_count(&p), 5);
	pool_fini_forced(&p);
}

static void test_smallest_object_holds_the_link(void **state)
{
	struct pool p;
	void *a, *b;

	assert_int_equal(pool_init(&p, 1, 2, 8), 0);
	assert_int_equal(p.obj_size, 8);
	a = pool_get(&p);
	b = pool_get(&p);
	pool_put(&p, a);
	pool_put(&p, b);
	assert_ptr_equal(pool_get(&p), b);
	assert_ptr_equal(pool_get(&p), a);
	assert_null(pool_get(&p));
	pool_fini_forced(&p);
}

static void test_too_much_memory_is_an_error(void **state)
{
	struct pool p;

	assert_int_not_equal(pool_init(&p, SIZE_MAX / 4096 / 4 * 4096, 1, 4096), 0);
	assert_null(p.mem);
	pool_fini_forced(&p);
}

static void test_free_objects_are_poisoned(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	struct pool p;
	uint8_t *a;

	assert_int_equal(pool_init(&p, 64, 2, 64), 0);
	assert_true(__asan_address_is_poisoned(pool_at(&p, 0)));
	a = pool_get(&p);
	assert_null(__asan_region_is_poisoned(a, 64));
	pool_put(&p, a);
	assert_ptr_equal(__asan_region_is_poisoned(a, 64), a);
	pool_fini(&p);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_each_object_once),
		cmocka_unit_test(test_warmest_object_is_next),
		cmocka_unit_test(test_smallest_object_holds_the_link),
		cmocka_unit_test(test_too_much_memory_is_an_error),
		cmocka_unit_test(test_free_objects_are_poisoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
