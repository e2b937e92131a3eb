// SPDX-License-Identifier: BSD-3-Clause
// Timer wheel: never early, never late, at every level; re-arming, cancelling, a budget

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/wheel.h"

static int setup(void **state)
{
	static struct wheel w;

	wheel_init(&w, 1000);
	*state = &w;
	return 0;
}

// A deadline on either side of each level's reach expires at its millisecond.
static void test_expires_on_the_tick(void **state)
{
	static const uint64_t delays[] = {0, 1, 2, 255, 256, 257, 511, 512, 65279, 65280, 65535,
		65536, 65537, 131072, 1000000};
	struct wheel *w = *state;

	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		for (uint64_t start = 0; start < 600; start += 113) {
			struct wheel_entry e = {0};

			wheel_init(w, start);
			wheel_arm(w, &e, start + delays[i]);
			assert_true(wheel_is_armed(&e));
			if (delays[i] > 0)
				assert_null(wheel_expire(w, start + delays[i] - 1));
			assert_ptr_equal(wheel_expire(w, start + delays[i]), &e);
			assert_false(wheel_is_armed(&e));
			assert_null(wheel_expire(w, start + delays[i]));
			assert_int_equal(w->armed_count, 0);
		}
	}
}

static void test_past_deadline_expires_at_the_next_call(void **state)
{
	struct wheel *w = *state;
	struct wheel_entry e = {0};

	assert_null(wheel_expire(w, 5000));
	wheel_arm(w, &e, 10);
	assert_ptr_equal(wheel_expire(w, 5000), &e);
	wheel_arm(w, &e, 5000);
	assert_ptr_equal(wheel_expire(w, 5000), &e);
	wheel_arm(w, &e, 5001);
	assert_null(wheel_expire(w, 5000));
	assert_ptr_equal(wheel_expire(w, 5001), &e);
}

static void test_rearm_moves(void **state)
{
	struct wheel *w = *state;
	struct wheel_entry e = {0};

	wheel_arm(w, &e, 1100);
	wheel_arm(w, &e, 90000);
	assert_int_equal(w->armed_count, 1);
	assert_null(wheel_expire(w, 89999));
	wheel_arm(w, &e, 89000);
	assert_ptr_equal(wheel_expire(w, 89999), &e);
	assert_null(wheel_expire(w, 200000));
}

static void test_cancel_takes_out(void **state)
{
	struct wheel *w = *state;
	struct wheel_entry e[3] = {0};

	for (unsigned i = 0; i < 3; i++)
		wheel_arm(w, &e[i], 1500);
	wheel_cancel(w, &e[1]);
	wheel_cancel(w, &e[1]);
	assert_false(wheel_is_armed(&e[1]));
	assert_int_equal(w->armed_count, 2);
	// One is given out, the other is due but not yet given: it can still be cancelled.
	struct wheel_entry *first = wheel_expire(w, 2000);

	assert_true(first == &e[0] || first == &e[2]);
	wheel_cancel(w, first == &e[0] ? &e[2] : &e[0]);
	assert_null(wheel_expire(w, 2000));
	assert_int_equal(w->armed_count, 0);
}

// Work is given out one by one; a caller that stops early misses nothing.
static void test_budget(void **state)
{
	enum { COUNT = 1000 };
	static struct wheel_entry e[COUNT];
	struct wheel *w = *state;
	unsigned seen = 0;

	memset(e, 0, sizeof(e));
	for (unsigned i = 0; i < COUNT; i++)
		wheel_arm(w, &e[i], 1001 + i % 300);
	for (uint64_t now = 1000; now < 1400; now++)
		for (unsigned budget = 0; budget < 3; budget++) {
			struct wheel_entry *x = wheel_expire(w, now);

			if (!x)
				break;
			assert_true(x->deadline_ms <= now);
			seen++;
		}
	assert_int_equal(w->armed_count, COUNT - seen);
	while (wheel_expire(w, 1400))
		seen++;
	assert_int_equal(seen, COUNT);
}

// Longer than 2^32 ms waits in the outermost level: not early, and still cancelled.
static void test_deadline_beyond_the_wheel(void **state)
{
	struct wheel *w = *state;
	struct wheel_entry e[2] = {0};

	wheel_arm(w, &e[0], UINT64_MAX);
	wheel_arm(w, &e[1], 1000 + (1ULL << 32) + 12345);
	assert_null(wheel_expire(w, 20000000));
	assert_int_equal(w->armed_count, 2);
	wheel_cancel(w, &e[0]);
	wheel_cancel(w, &e[1]);
	assert_int_equal(w->armed_count, 0);
	assert_null(wheel_expire(w, UINT64_MAX - 1));
}

static void test_empty_time_is_skipped(void **state)
{
	struct wheel *w = *state;
	struct wheel_entry e = {0};

	// A year without a timer costs one step.
	assert_null(wheel_expire(w, 31536000000ULL));
	wheel_arm(w, &e, 31536000000ULL + 10);
	assert_null(wheel_expire(w, 31536000000ULL + 9));
	assert_ptr_equal(wheel_expire(w, 31536000000ULL + 10), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_expires_on_the_tick, setup),
		cmocka_unit_test_setup(test_past_deadline_expires_at_the_next_call, setup),
		cmocka_unit_test_setup(test_rearm_moves, setup),
		cmocka_unit_test_setup(test_cancel_takes_out, setup),
		cmocka_unit_test_setup(test_budget, setup),
		cmocka_unit_test_setup(test_deadline_beyond_the_wheel, setup),
		cmocka_unit_test_setup(test_empty_time_is_skipped, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
