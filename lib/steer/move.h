// SPDX-License-Identifier: BSD-3-Clause
// A bucket moves to another worker while packets flow: who may do what, and when
//
// A worker must not lose TCP state it has, or will have from frames that are still in its ring.
// So a bucket moves only when its worker has no trace of a TCP flow in it. One baton goes round:
//
//   control    asks: bucket from its worker to another       MOVE_ASKED
//   worker     notes how many frames it has processed, then looks at all its flows,
//              in steps: one of the bucket's is there         MOVE_REFUSED
//              none is                                        MOVE_FREE
//   receiver   has enqueued a TCP frame of the bucket that the worker had not processed
//              when it began to look                          MOVE_REFUSED
//              it has not: the table's entry is changed       MOVE_DONE
//
// TCP state comes into being by TCP frames alone, those of the bucket come by this one ring
// alone, and the ring keeps their order. All that were ever enqueued were processed before the look
// began, so what the look did not find cannot come later; and the receiver changes the table
// between two frames. UDP has no state: its datagrams may overtake each other once.
//
// One receiver, policy STEER_HASH. Threads: the baton's holder reads and writes all, others
// only state. Which bucket is worth it is for steer_choose to say.
#pragma once

#include "steer/steer.h"

enum move_state { MOVE_NONE, MOVE_ASKED, MOVE_FREE, MOVE_REFUSED, MOVE_DONE };

struct steer_move {
	_Atomic uint32_t state; // enum move_state
	uint32_t bucket, from, to;
	uint64_t processed; // frames of the ring, when the worker began to look
};

static inline enum move_state steer_move_state(const struct steer_move *m)
{
	return (enum move_state)atomic_load_explicit(
		(_Atomic uint32_t *)&m->state, memory_order_acquire);
}

static inline void steer_move_pass(struct steer_move *m, enum move_state state)
{
	atomic_store_explicit(&m->state, state, memory_order_release);
}

// Control, when the state is none of MOVE_ASKED and MOVE_FREE.
static inline void steer_move_ask(struct steer_move *m, uint32_t bucket, uint32_t from, uint32_t to)
{
	m->bucket = bucket;
	m->from = from;
	m->to = to;
	steer_move_pass(m, MOVE_ASKED);
}

// The worker's turn: it is asked.
static inline bool steer_move_is_asked(const struct steer_move *m, unsigned worker)
{
	return steer_move_state(m) == MOVE_ASKED && m->from == worker;
}

// The receiver's turn, between two bursts. True: the bucket moved just now.
bool steer_move_turn(struct steer *s, struct steer_move *m);

// Of each bucket, how many frames were steered by it.
void steer_bucket_loads(const struct steer *s, uint64_t load[STEER_BUCKETS]);

// The bucket whose move evens out the load best: from the busiest worker to the idlest, at most
// half of what lies between them, so that no move is ever worth taking back. skip: buckets that
// are out of the question. False: the busiest has less than a fifth more than the mean, or
// nothing fits.
bool steer_choose(const struct steer_table *table, const uint64_t load[STEER_BUCKETS],
	const bool skip[STEER_BUCKETS], uint32_t *bucket, uint32_t *from, uint32_t *to);
