// SPDX-License-Identifier: BSD-3-Clause
// The model of one key that linearizability is judged by: memcached's rules, one thread

#include "support/linear.h"

#include <stdlib.h>

#define SUM_BASE 0x9e3779b97f4a7c15ULL

// ---- values: a polynomial, so that the sum of a joined value follows from its parts

static uint64_t power(uint64_t base, uint64_t n)
{
	uint64_t r = 1;

	for (; n; n >>= 1, base *= base)
		if (n & 1)
			r *= base;
	return r;
}

static uint64_t sum_of(uint64_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = sum * SUM_BASE + p[i] + 1;
	return sum;
}

struct linear_value linear_text(const void *p, size_t len)
{
	return (struct linear_value){.sum = sum_of(0, p, len), .len = (uint32_t)len};
}

struct linear_value linear_number(uint64_t number, uint32_t len_min)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	struct linear_value v = linear_text(text, (size_t)n);

	for (; v.len < len_min; v.len++)
		v.sum = sum_of(v.sum, (const uint8_t *)" ", 1);
	v.number = number;
	v.is_number = 1;
	return v;
}

struct linear_value linear_join(const struct linear_value *a, const struct linear_value *b)
{
	return (struct linear_value){
		.sum = a->sum * power(SUM_BASE, b->len) + b->sum, .len = a->len + b->len};
}

struct linear_value linear_got(const struct store_ref *ref)
{
	struct linear_value v = {.len = ref->vlen};
	struct slice piece;

	for (uint32_t off = 0; off < ref->vlen; off += (uint32_t)piece.len) {
		store_ref_piece(ref, off, &piece);
		v.sum = sum_of(v.sum, piece.p, piece.len);
	}
	// For the reader alone: sums are compared.
	if (ref->value && ref->vlen >= 1 && ref->vlen <= 20 && ref->value[0] <= '9') {
		v.number = strtoull((const char *)ref->value, NULL, 10);
		v.is_number = 1;
	}
	return v;
}

static bool same_value(const struct linear_value *a, const struct linear_value *b)
{
	return a->sum == b->sum && a->len == b->len;
}

// ---- the state

bool linear_is_live(const struct linear_state *st)
{
	return st->present && !(st->exptime && st->exptime <= st->now_s);
}

void linear_evict(struct linear_state *st)
{
	*st = (struct linear_state){.now_s = st->now_s, .flush_at_s = st->flush_at_s};
}

// Expired, but not to a change that began before.
static bool is_live_to(const struct linear_state *st, const struct linear_op *op)
{
	return st->present && op->began_s && op->began_s < st->exptime;
}

static void write_item(struct linear_state *st, const struct linear_op *op)
{
	uint64_t floor = st->cas > st->cas_floor ? st->cas : st->cas_floor;

	// An expired version may have left the index.
	if (!linear_is_live(st))
		floor = 0;
	st->present = 1;
	st->value = op->value;
	st->flags = op->flags;
	st->exptime = op->exptime;
	st->cas = 0;
	st->cas_floor = floor;
}

static void change_value(struct linear_state *st, struct linear_value value)
{
	struct linear_op op = {.value = value, .flags = st->flags, .exptime = st->exptime};

	write_item(st, &op);
}

static bool got_item(struct linear_state *st, const struct linear_op *op)
{
	if (!same_value(&st->value, &op->value) || st->flags != op->flags)
		return false;
	if (st->cas ? st->cas != op->cas : op->cas <= st->cas_floor)
		return false;
	st->cas = op->cas;
	return true;
}

// ---- operations; each is called with the key live or not as its answer says

static bool apply_delta(struct linear_state *st, const struct linear_op *op)
{
	uint64_t v = st->value.number, d = op->delta;

	if (op->status == STORE_NOT_NUMBER)
		return !st->value.is_number;
	if (!st->value.is_number)
		return false;
	v = op->kind == LINEAR_INCR ? v + d : d > v ? 0 : v - d;
	if (v != op->value.number)
		return false;
	change_value(st, linear_number(v, st->value.len));
	return true;
}

static bool apply_cas(struct linear_state *st, const struct linear_op *op)
{
	// Nobody had this version's cas yet, so nobody can have given it.
	bool same = st->cas && st->cas == op->cas;

	if (op->status == STORE_EXISTS)
		return !same;
	if (same)
		write_item(st, op);
	return same;
}

static bool apply_live(struct linear_state *st, const struct linear_op *op)
{
	switch (op->kind) {
	case LINEAR_GET:
		return (op->exptime_unsure || st->exptime == op->exptime) && got_item(st, op);
	case LINEAR_TOUCH:
		if (!got_item(st, op))
			return false;
		st->exptime = op->exptime;
		return true;
	case LINEAR_DELETE:
		linear_evict(st);
		return true;
	case LINEAR_APPEND:
		change_value(st, linear_join(&st->value, &op->value));
		return true;
	case LINEAR_PREPEND:
		change_value(st, linear_join(&op->value, &st->value));
		return true;
	case LINEAR_CAS:
		return apply_cas(st, op);
	case LINEAR_INCR:
	case LINEAR_DECR:
		return apply_delta(st, op);
	case LINEAR_REPLACE:
		write_item(st, op);
		return true;
	default:
		return op->kind == LINEAR_ADD; // which lost
	}
}

static bool apply_shared(struct linear_state *st, const struct linear_op *op)
{
	bool due = st->flush_at_s && st->flush_at_s <= op->exptime;

	if (op->kind == LINEAR_FLUSH && op->exptime > st->now_s) {
		st->flush_at_s = op->exptime;
	} else if (op->kind == LINEAR_FLUSH || (op->kind == LINEAR_DUE && due)) {
		st->flush_at_s = 0;
		linear_evict(st);
	} else if (op->kind == LINEAR_CLOCK) {
		if (due)
			return false;
		if (op->exptime > st->now_s)
			st->now_s = op->exptime;
	}
	return true;
}

bool linear_apply(struct linear_state *st, const struct linear_op *op)
{
	bool live = linear_is_live(st), says_live = op->status != STORE_NOT_FOUND;

	if (op->kind >= LINEAR_FLUSH)
		return apply_shared(st, op);
	if (op->kind == LINEAR_SET) {
		write_item(st, op);
		return true;
	}
	if (op->kind == LINEAR_ADD)
		says_live = op->status == STORE_NOT_STORED;
	else if (op->status == STORE_NOT_STORED)
		says_live = false;
	if (live != says_live && !(says_live && is_live_to(st, op)))
		return false;
	if (!says_live) {
		if (op->kind == LINEAR_ADD)
			write_item(st, op);
		return true;
	}
	return apply_live(st, op);
}

bool linear_is_passive(const struct linear_op *op)
{
	return op->kind == LINEAR_GET || (op->kind < LINEAR_FLUSH && op->status != STORE_OK);
}
