// SPDX-License-Identifier: BSD-3-Clause
// The judge of histories, on histories made by hand: it must know a good one from a bad one
// support: linear linear_model linear_print

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/linear.h"

#define NOW 100U
#define OPS_MAX 16

// ---- short ways to write an operation: moments, then what was asked and answered

static struct linear_op op(uint64_t call, uint64_t ret, enum linear_kind kind, enum store_status st)
{
	return (struct linear_op){.call = call, .ret = ret, .kind = kind, .status = st};
}

static struct linear_op put(
	uint64_t call, uint64_t ret, enum linear_kind kind, enum store_status st, const char *text)
{
	struct linear_op o = op(call, ret, kind, st);

	o.value = linear_text(text, strlen(text));
	return o;
}

static struct linear_op set(uint64_t call, uint64_t ret, const char *text)
{
	return put(call, ret, LINEAR_SET, STORE_OK, text);
}

static struct linear_op set_number(uint64_t call, uint64_t ret, uint64_t n)
{
	struct linear_op o = op(call, ret, LINEAR_SET, STORE_OK);

	o.value = linear_number(n, 0);
	return o;
}

static struct linear_op get(uint64_t call, uint64_t ret, const char *text, uint64_t cas)
{
	struct linear_op o = put(call, ret, LINEAR_GET, STORE_OK, text);

	o.cas = cas;
	return o;
}

static struct linear_op miss(uint64_t call, uint64_t ret)
{
	return op(call, ret, LINEAR_GET, STORE_NOT_FOUND);
}

static struct linear_op cas(
	uint64_t call, uint64_t ret, enum store_status st, const char *text, uint64_t id)
{
	struct linear_op o = put(call, ret, LINEAR_CAS, st, text);

	o.cas = id;
	return o;
}

static struct linear_op incr(uint64_t call, uint64_t ret, uint64_t result)
{
	struct linear_op o = op(call, ret, LINEAR_INCR, STORE_OK);

	o.delta = 1;
	o.value = linear_number(result, 0);
	return o;
}

static struct linear_op at(struct linear_op o, uint32_t exptime)
{
	o.exptime = exptime;
	return o;
}

static struct linear_op shared(uint64_t call, uint64_t ret, enum linear_kind kind, uint32_t second)
{
	return at(op(call, ret, kind, STORE_OK), second);
}

struct history {
	const char *name;
	bool good, evict;
	size_t shortest; // operations of the reason that is shown; 0: any
	struct linear_op op[OPS_MAX];
};

static size_t length(const struct history *h)
{
	size_t n = 0;

	while (n < OPS_MAX && h->op[n].ret)
		n++;
	return n;
}

static void judge(const struct history *h)
{
	struct linear_failure f;
	struct linear l;
	bool ok;

	linear_init(&l, NOW, h->evict);
	ok = linear_round(&l, h->op, length(h), &f);
	if (ok != h->good || (!ok && h->shortest && f.count != h->shortest)) {
		fprintf(stderr, "%s: %s\n", h->name, ok ? "accepted" : "rejected");
		if (!ok)
			linear_failure_print(stderr, &f);
		fail();
	}
	linear_failure_fini(&f);
	linear_fini(&l);
}

#define JUDGE(...) \
	do { \
		struct history h = {__VA_ARGS__}; \
\
		judge(&h); \
	} while (0)
#define GOOD(name, ...) JUDGE(name, true, false, 0, {__VA_ARGS__})
#define BAD(name, shortest, ...) JUDGE(name, false, false, shortest, {__VA_ARGS__})

static void test_order_in_time(void **state)
{
	GOOD("empty", {0});
	GOOD("one after the other", set(1, 2, "a"), get(3, 4, "a", 9), get(5, 6, "a", 9));
	GOOD("a get beside a set sees it", miss(1, 2), set(3, 6, "a"), get(4, 5, "a", 9));
	GOOD("or does not", set(3, 6, "a"), miss(4, 5));
	GOOD("then it is there", set(3, 6, "a"), miss(4, 5), get(7, 8, "a", 9));
	BAD("stale read", 1, set(1, 2, "a"), set(3, 4, "b"), get(5, 6, "a", 9));
	BAD("false miss", 1, set(1, 2, "a"), miss(3, 4));
	BAD("a value that never was", 2, set(1, 4, "a"), get(2, 3, "b", 9));
	// Both gets are beside the set; the first has seen it, so the second must.
	BAD("back in time", 3, set(1, 8, "a"), get(2, 3, "a", 9), miss(4, 5));
	GOOD("either order of two sets", set(1, 9, "a"), set(2, 8, "b"), get(3, 4, "b", 5),
		get(6, 7, "a", 6), get(10, 11, "a", 6));
	BAD("but one of them", 1, set(1, 9, "a"), set(2, 8, "b"), get(3, 4, "b", 5),
		get(6, 7, "a", 6), get(10, 11, "b", 5));
	BAD("other flags", 1, set(1, 2, "a"), at(get(3, 4, "a", 9), 77));
}

static void test_deletes(void **state)
{
	struct linear_op gone = op(3, 4, LINEAR_DELETE, STORE_OK);
	struct linear_op not_there = op(5, 6, LINEAR_DELETE, STORE_NOT_FOUND);

	GOOD("deleted", set(1, 2, "a"), gone, miss(5, 6));
	GOOD("deleted once", set(1, 2, "a"), gone, not_there);
	BAD("resurrected", 1, set(1, 2, "a"), gone, get(5, 6, "a", 9));
	BAD("deleted twice", 1, set(1, 2, "a"), gone, op(5, 6, LINEAR_DELETE, STORE_OK));
	BAD("twice at once", 2, set(1, 2, "a"), op(3, 6, LINEAR_DELETE, STORE_OK),
		op(4, 5, LINEAR_DELETE, STORE_OK));
	// The delete may come between the two sets, or after both.
	GOOD("delete beside a set", set(1, 2, "a"), set(3, 6, "b"),
		op(4, 5, LINEAR_DELETE, STORE_OK), get(7, 8, "b", 9));
}

static void test_conditions(void **state)
{
	BAD("two adds won", 2, put(1, 4, LINEAR_ADD, STORE_OK, "a"),
		put(2, 3, LINEAR_ADD, STORE_OK, "b"));
	GOOD("one add won", put(1, 4, LINEAR_ADD, STORE_OK, "a"),
		put(2, 3, LINEAR_ADD, STORE_NOT_STORED, "b"), get(5, 6, "a", 9));
	BAD("an add lost to nothing", 1, put(1, 2, LINEAR_ADD, STORE_NOT_STORED, "a"));
	BAD("replaced nothing", 1, put(1, 2, LINEAR_REPLACE, STORE_OK, "a"));
	BAD("did not replace", 1, set(1, 2, "a"), put(3, 4, LINEAR_REPLACE, STORE_NOT_STORED, "b"));
	GOOD("joined", set(1, 2, "bb"), put(3, 4, LINEAR_APPEND, STORE_OK, "ccc"),
		put(5, 6, LINEAR_PREPEND, STORE_OK, "a"), get(7, 8, "abbccc", 9));
	GOOD("joined in either order", set(1, 2, "a"), put(3, 6, LINEAR_APPEND, STORE_OK, "b"),
		put(4, 5, LINEAR_APPEND, STORE_OK, "c"), get(7, 8, "acb", 9));
	BAD("an append lost", 3, set(1, 2, "a"), put(3, 6, LINEAR_APPEND, STORE_OK, "b"),
		put(4, 5, LINEAR_APPEND, STORE_OK, "c"), get(7, 8, "ac", 9));
	BAD("appended to nothing", 1, put(3, 4, LINEAR_APPEND, STORE_OK, "b"));
}

static void test_cas(void **state)
{
	GOOD("cas", set(1, 2, "a"), get(3, 4, "a", 9), cas(5, 6, STORE_OK, "b", 9),
		get(7, 8, "b", 12));
	BAD("won twice", 2, set(1, 2, "a"), get(3, 4, "a", 9), cas(5, 8, STORE_OK, "b", 9),
		cas(6, 7, STORE_OK, "c", 9));
	GOOD("won once", set(1, 2, "a"), get(3, 4, "a", 9), cas(5, 8, STORE_OK, "b", 9),
		cas(6, 7, STORE_EXISTS, "c", 9));
	BAD("lost for no reason", 1, set(1, 2, "a"), get(3, 4, "a", 9),
		cas(5, 6, STORE_EXISTS, "b", 9));
	BAD("won though changed", 1, set(1, 2, "a"), get(3, 4, "a", 9), set(5, 6, "a"),
		cas(7, 8, STORE_OK, "b", 9));
	BAD("won on nothing", 1, cas(1, 2, STORE_OK, "b", 9));
	BAD("not found though there", 1, set(1, 2, "a"), cas(3, 4, STORE_NOT_FOUND, "b", 9));
	BAD("changed, and the same id", 0, set(1, 2, "a"), get(3, 4, "a", 9), set(5, 6, "b"),
		get(7, 8, "b", 9));
	BAD("a new version, a smaller id", 1, set(1, 2, "a"), get(3, 4, "a", 9), set(5, 6, "b"),
		get(7, 8, "b", 8));
	BAD("an id used again after a delete", 2, set(1, 2, "a"), get(3, 4, "a", 9),
		op(5, 6, LINEAR_DELETE, STORE_OK), set(7, 8, "b"), get(9, 10, "b", 9));
}

static void test_numbers(void **state)
{
	struct linear_op padded = get(5, 6, "9 ", 9), down = incr(3, 4, 9);

	down.kind = LINEAR_DECR;
	GOOD("counted", set_number(1, 2, 9), incr(3, 4, 10), incr(5, 6, 11), get(7, 8, "11", 9));
	GOOD("counted at once", set_number(1, 2, 9), incr(3, 6, 11), incr(4, 5, 10));
	BAD("an increment lost", 2, set_number(1, 2, 9), incr(3, 6, 10), incr(4, 5, 10));
	BAD("lost later", 1, set_number(1, 2, 9), incr(3, 4, 10), get(5, 6, "9", 9));
	GOOD("decr pads", set_number(1, 2, 10), down, padded);
	BAD("no number", 1, set(1, 2, "a"), incr(3, 4, 1));
	GOOD("says so", set(1, 2, "a"), op(3, 4, LINEAR_INCR, STORE_NOT_NUMBER));
	BAD("is one", 1, set_number(1, 2, 1), op(3, 4, LINEAR_INCR, STORE_NOT_NUMBER));
	BAD("counted nothing", 1, incr(3, 4, 1));
}

static void test_clock(void **state)
{
	struct linear_op mortal = at(set(1, 2, "a"), NOW + 1), touch = get(5, 6, "a", 9);
	struct linear_op due = shared(3, 6, LINEAR_DUE, NOW + 1);
	struct linear_op second = shared(4, 7, LINEAR_CLOCK, NOW + 1);

	touch.kind = LINEAR_TOUCH;
	GOOD("expires", mortal, at(get(3, 4, "a", 9), NOW + 1), due, second, miss(8, 9));
	GOOD("as the clock changes", mortal, due, second, miss(5, 8));
	BAD("too early", 1, mortal, miss(3, 4), shared(5, 6, LINEAR_CLOCK, NOW + 1));
	BAD("served too late", 1, mortal, due, second, at(get(8, 9, "a", 9), NOW + 1));
	GOOD("touched", mortal, at(touch, 0), shared(7, 8, LINEAR_CLOCK, NOW + 1),
		get(9, 10, "a", 9));
	BAD("a touch lost", 1, mortal, at(touch, 0), shared(7, 8, LINEAR_CLOCK, NOW + 1),
		miss(9, 10));
	GOOD("born expired", at(set(1, 2, "a"), NOW), miss(3, 4));
}

// A change that took the lock in the old second, seen by a get in the new one.
static void test_change_over_a_new_second(void **state)
{
	struct linear_op mortal = at(set(1, 2, "a"), NOW + 1), touch = get(3, 20, "a", 9);
	struct linear_op second = shared(5, 6, LINEAR_CLOCK, NOW + 1), late;

	touch.kind = LINEAR_TOUCH;
	touch.began_s = NOW;
	late = touch;
	late.call = 7;
	late.began_s = NOW + 1;
	GOOD("it revives", mortal, touch, second, miss(8, 9), get(21, 22, "a", 9));
	BAD("it began too late", 0, mortal, late, second, miss(8, 9), get(21, 22, "a", 9));
	BAD("it revives but once", 0, mortal, touch, second, miss(8, 9), get(10, 11, "a", 9),
		miss(12, 13));
	BAD("who gets has no leave", 0, mortal, second, at(get(8, 9, "a", 9), NOW + 1));
}

static void test_flush(void **state)
{
	struct linear_op delayed = shared(3, 4, LINEAR_FLUSH, NOW + 1);
	struct linear_op due = shared(5, 10, LINEAR_DUE, NOW + 1);
	struct linear_op second = shared(6, 11, LINEAR_CLOCK, NOW + 1);
	struct linear_op mortal = at(set(7, 8, "b"), NOW + 1);

	GOOD("flushed", set(1, 2, "a"), shared(3, 4, LINEAR_FLUSH, 0), miss(5, 6));
	BAD("not flushed", 1, set(1, 2, "a"), shared(3, 4, LINEAR_FLUSH, 0), get(5, 6, "a", 9));
	GOOD("either way", set(1, 4, "a"), shared(2, 3, LINEAR_FLUSH, 0), get(5, 6, "a", 9));
	GOOD("later", set(1, 2, "a"), delayed, due, second, miss(12, 13));
	BAD("not at all", 1, set(1, 2, "a"), delayed, due, second, get(12, 13, "a", 9));
	// Stored after the flush, expired by the new second: seen in between.
	GOOD("the flush, then the second", set(1, 2, "a"), delayed, due, second, mortal);
	BAD("the second, then the flush", 0, set(1, 2, "a"), delayed, due, second,
		at(put(7, 8, LINEAR_ADD, STORE_OK, "b"), 0), miss(9, 12));
	// What was added to was flushed: it cannot be in what is left.
	BAD("counted across a flush", 1, set_number(1, 2, 5), shared(3, 6, LINEAR_FLUSH, 0),
		incr(4, 5, 6), get(7, 8, "6", 9));
}

static void test_evictions(void **state)
{
	struct linear_op o[] = {set(1, 2, "a"), miss(3, 4), set(5, 6, "b"), get(7, 8, "b", 9),
		put(9, 10, LINEAR_ADD, STORE_OK, "c")};
	struct linear_failure f;
	struct linear l;

	JUDGE("evicted", true, true, 0, {set(1, 2, "a"), miss(3, 4)});
	JUDGE("not evicted", false, true, 1,
		{set(1, 2, "a"), op(3, 4, LINEAR_DELETE, STORE_OK), get(5, 6, "a", 9)});
	linear_init(&l, NOW, true);
	assert_true(linear_round(&l, o, 5, &f));
	assert_int_equal(linear_evictions(&l), 2);
	linear_fini(&l);
}

// What a round leaves open, the next may settle.
static void test_rounds(void **state)
{
	struct linear_op first[] = {set(1, 4, "a"), set(2, 3, "b")};
	struct linear_op second[] = {get(5, 6, "a", 9)}, third[] = {get(7, 8, "b", 9)};
	struct linear_failure f;
	struct linear l;

	linear_init(&l, NOW, false);
	assert_true(linear_round(&l, first, 2, &f));
	assert_int_equal(l.count, 2);
	assert_true(linear_round(&l, second, 1, &f));
	assert_int_equal(l.count, 1);
	assert_false(linear_round(&l, third, 1, &f));
	linear_failure_fini(&f);
	linear_fini(&l);
}

// The reason is shown without what has nothing to do with it, and with what came before.
static void test_reason(void **state)
{
	struct linear_op o[] = {set(1, 2, "x"), set(3, 4, "a"), get(5, 6, "a", 9),
		get(7, 22, "a", 9), cas(8, 9, STORE_OK, "b", 9), get(10, 11, "b", 10),
		get(12, 13, "b", 10), cas(14, 15, STORE_OK, "c", 9), get(16, 17, "c", 11)};
	struct linear_failure f;
	struct linear l;

	linear_init(&l, NOW, false);
	assert_false(linear_round(&l, o, 9, &f));
	// Without the open get it is certain what the last cas met.
	assert_int_equal(f.count, 1);
	assert_int_equal(f.failed, 0);
	assert_int_equal(f.op[0].call, 14);
	assert_true(linear_is_live(&f.before));
	assert_int_equal(f.before.value.sum, linear_text("b", 1).sum);
	assert_int_equal(f.context_count, 3);
	assert_int_equal(f.context[0].call, 1);
	assert_int_equal(f.context[2].call, 8);
	linear_failure_fini(&f);
	linear_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_in_time),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_cas),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_change_over_a_new_second),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_evictions),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
