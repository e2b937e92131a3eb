// SPDX-License-Identifier: BSD-3-Clause
// Timer wheel against a plain list: random arming, cancelling and jumps of time
//
// SEED=n reruns one seed, ROUNDS=n (default 40) runs more.

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/wheel.h"

#define ENTRIES 64
#define STEPS 3000

struct model {
	bool armed[ENTRIES];
	uint64_t deadline[ENTRIES];
	unsigned count;
};

struct run {
	struct wheel w;
	struct wheel_entry e[ENTRIES];
	struct model m;
	struct rng rng;
	uint64_t now, seed;
	unsigned step;
};

#define REQUIRE(r, cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: SEED=%" PRIu64 " step %u: %s\n", __FILE__, \
				__LINE__, (r)->seed, (r)->step, #cond); \
			fail(); \
		} \
	} while (0)

// Short delays often, each level of the wheel sometimes, the past now and then.
static uint64_t random_deadline(struct run *r)
{
	switch (rng_below(&r->rng, 8)) {
	case 0:
		return r->now - rng_below(&r->rng, (uint32_t)(r->now < 500 ? r->now : 500) + 1);
	case 1:
		return r->now + rng_below(&r->rng, 70000);
	case 2:
		return r->now + (rng_below(&r->rng, 4) << 8);
	case 3:
		return r->now + (rng_below(&r->rng, 4) << 16);
	case 4:
		return r->now + (rng_next(&r->rng) >> rng_below(&r->rng, 40));
	default:
		return r->now + rng_below(&r->rng, 600);
	}
}

static void arm(struct run *r, unsigned i)
{
	uint64_t deadline = random_deadline(r);

	wheel_arm(&r->w, &r->e[i], deadline);
	r->m.count += !r->m.armed[i];
	r->m.armed[i] = true;
	r->m.deadline[i] = deadline;
}

static void cancel(struct run *r, unsigned i)
{
	REQUIRE(r, wheel_is_armed(&r->e[i]) == r->m.armed[i]);
	wheel_cancel(&r->w, &r->e[i]);
	r->m.count -= r->m.armed[i];
	r->m.armed[i] = false;
}

static void expire(struct run *r, unsigned budget)
{
	for (; budget > 0; budget--) {
		struct wheel_entry *e = wheel_expire(&r->w, r->now);
		size_t i = (size_t)(e - r->e);

		if (!e)
			break;
		REQUIRE(r, i < ENTRIES);
		REQUIRE(r, r->m.armed[i]);
		REQUIRE(r, r->m.deadline[i] <= r->now);
		r->m.armed[i] = false;
		r->m.count--;
	}
	// The wheel said that nothing is left: then all others are in the future.
	for (unsigned i = 0; i < ENTRIES && budget > 0; i++)
		REQUIRE(r, !r->m.armed[i] || r->m.deadline[i] > r->now);
}

static void run_seed(uint64_t seed)
{
	static struct run r;

	memset(&r, 0, sizeof(r));
	r.seed = seed;
	rng_init(&r.rng, seed);
	// Some runs begin just below a turn of a level.
	r.now = rng_below(&r.rng, 2) ? (rng_next(&r.rng) >> 24) & ~0xffffULL : 65000;
	wheel_init(&r.w, r.now);
	for (r.step = 0; r.step < STEPS; r.step++) {
		unsigned i = rng_below(&r.rng, ENTRIES), what = rng_below(&r.rng, 10);

		if (what < 5)
			arm(&r, i);
		else if (what < 6)
			cancel(&r, i);
		else
			r.now += rng_below(&r.rng, what == 9 ? 3000 : 40);
		// Mostly to the end, sometimes as with a budget.
		expire(&r, rng_below(&r.rng, 4) ? 1000 : rng_below(&r.rng, 3));
		REQUIRE(&r, r.w.armed_count == r.m.count);
	}
}

static uint64_t env_number(const char *name, uint64_t def)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : def;
}

static void test_wheel_is_a_sorted_list(void **state)
{
	uint64_t seed = env_number("SEED", 0), rounds = env_number("ROUNDS", 40);

	if (getenv("SEED")) {
		run_seed(seed);
		return;
	}
	for (seed = 1; seed <= rounds; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wheel_is_a_sorted_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
