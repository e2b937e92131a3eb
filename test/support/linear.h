// SPDX-License-Identifier: BSD-3-Clause
// Is what several threads saw of one key what one thread could have seen?
//
// A history is the operations on one key, each with the moment of its call and of its
// return, what was asked and what was answered. It is linearizable when every operation can
// be given one moment between its call and its return so that, carried out one after the
// other in that order, a plain model gives the same answers (Herlihy and Wing 1990). Keys are
// independent, so each is judged alone (P-compositionality, Horn and Kroening 2015).
//
// The search is that of Wing and Gong with Lowe's memo, breadth first: it keeps the set of
// what can be true now (configurations) and gives an operation its moment no sooner than the
// next return asks for it. So a long history costs no more memory than a short one, and may
// come in rounds.
//
// What all keys share is in the history of each: flush_all, and the clock. An advance of
// the clock is two operations with one interval: the delayed flush that is due, then the new
// second; so "the flush takes effect first" is part of the model.
//
// Evictions. With may_evict a present item may vanish before any operation; linear_evictions
// tells how many times at least it must have, for the caller to compare with the counter.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "store/store.h"

enum linear_kind {
	LINEAR_GET,
	LINEAR_TOUCH, // and what it returned of the item
	LINEAR_DELETE,
	LINEAR_SET,
	LINEAR_ADD,
	LINEAR_REPLACE,
	LINEAR_APPEND,
	LINEAR_PREPEND,
	LINEAR_CAS,
	LINEAR_INCR,
	LINEAR_DECR,
	LINEAR_FLUSH, // exptime: at_s
	LINEAR_DUE, // what LINEAR_CLOCK to the same second does first
	LINEAR_CLOCK, // exptime: the new second
};

#define LINEAR_CONTEXT 4
#define LINEAR_NEVER UINT64_MAX // has not returned

// A value, of which only a sum is kept that can be joined. A number is a value that incr takes.
struct linear_value {
	uint64_t sum;
	uint64_t number;
	uint32_t len;
	uint32_t is_number;
};

struct linear_op {
	uint64_t call, ret; // moments, all different in one history
	struct linear_value value; // given, or got
	uint64_t cas; // given, or got
	uint64_t delta;
	uint32_t flags; // given, or got
	uint32_t exptime; // given, or got
	// The clock before the call. Who changes a key judges the item by the second in which it
	// took the bucket's lock: one that expires while it works may still count as there, and
	// come back, though a get has missed it. 0: no such leave; a get has none.
	uint32_t began_s;
	uint8_t kind, status; // enum linear_kind, enum store_status
	uint8_t thread;
	// A touch was between the judgement and the reading of the expiry: it says nothing.
	bool exptime_unsure;
};

// An item, maybe expired, and what the key shares with all.
struct linear_state {
	struct linear_value value;
	uint64_t cas; // 0: nobody has seen it
	uint64_t cas_floor; // it is larger
	uint32_t flags, exptime;
	uint32_t now_s, flush_at_s;
	uint32_t present;
	uint32_t unused;
};

// One way in which all can have been.
struct linear_conf {
	struct linear_state state;
	uint64_t done; // of the operations under way, by their place: those that took effect
	uint64_t evictions;
};

struct linear {
	struct linear_conf *conf; // what can be true after the rounds so far
	size_t count;
	bool may_evict;
};

// Why a history is none, as short as could be found: from the state before, ops[failed] cannot
// have been answered so.
struct linear_failure {
	const char *what;
	struct linear_state before;
	uint64_t start; // the moment of that
	struct linear_op *op; // in the order of their calls
	size_t count, failed;
	// What had changed the item last, for the reader.
	struct linear_op context[LINEAR_CONTEXT];
	size_t context_count;
};

// An absent key at now_s.
void linear_init(struct linear *l, uint32_t now_s, bool may_evict);
void linear_fini(struct linear *l);

// The next operations of the key, in any order; each has returned, and the round before ended
// before they began. What was refused (out of memory, too large) had no effect: leave it out.
// False: *f says why, to be freed by linear_failure_fini.
bool linear_round(struct linear *l, const struct linear_op *op, size_t n, struct linear_failure *f);
void linear_failure_fini(struct linear_failure *f);
void linear_failure_print(FILE *to, const struct linear_failure *f);

// Fewest evictions that explain the history so far.
uint64_t linear_evictions(const struct linear *l);

// The model (linear_model.c): can op have this answer in this state? Then carry it out.
bool linear_apply(struct linear_state *st, const struct linear_op *op);
// A present item that has not expired.
bool linear_is_live(const struct linear_state *st);
void linear_evict(struct linear_state *st);
// It changes nothing but what the model has learned.
bool linear_is_passive(const struct linear_op *op);

// Values.
struct linear_value linear_text(const void *p, size_t len);
struct linear_value linear_number(uint64_t number, uint32_t len_min);
struct linear_value linear_join(const struct linear_value *a, const struct linear_value *b);
// What store_get returned: the sum of its pieces.
struct linear_value linear_got(const struct store_ref *ref);
