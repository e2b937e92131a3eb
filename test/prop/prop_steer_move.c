// SPDX-License-Identifier: BSD-3-Clause
// Law: a bucket that moves takes no TCP flow away from the worker that has it
// support: steerfix frame eal
//
// Clients open, use and close flows, and repeat what got lost; workers take frames from their
// rings late and in pieces, look at their flows in steps; somebody asks for moves all the time.
// Who is next is random. A worker's stack is a set of flows: a SYN enters one, a FIN removes it.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "steer/move.h"
#include "support/steerfix.h"

#define WORKERS 3
#define FLOWS 12
#define RING 64 // small: it overflows at times
#define STEPS 40000
#define RUNS 30
#define LOOK_STEP 2 // flows a worker looks at in one step
#define FLAGS_AT (14 + 20 + 13)

enum { FIN = 1, SYN = 2, ACK = 16 };
enum client_state { CLOSED, OPENING, OPEN, CLOSING };

struct world {
	struct steerfix fix;
	struct rng rng;
	enum client_state client[FLOWS];
	uint32_t bucket[FLOWS];
	bool has[WORKERS][FLOWS];
	uint64_t processed[WORKERS];
	bool looking;
	unsigned cursor;
	struct steer_move move;
	unsigned moved, refused_by_worker, refused_by_receiver, opened;
	uint64_t seed, step;
};

static void broken(const struct world *w, const char *what)
{
	fail_msg("%s: SEED=%llu step %llu", what, (unsigned long long)w->seed,
		(unsigned long long)w->step);
}

static uint16_t port_of(unsigned flow)
{
	return (uint16_t)(3000 + flow);
}

// A client sends what its state asks for; once in a while again, or too late.
static void client_acts(struct world *w)
{
	unsigned n = 1 + rng_below(&w->rng, 6);
	struct rte_mbuf *m[8];

	for (unsigned i = 0; i < n; i++) {
		unsigned flow = rng_below(&w->rng, FLOWS);
		uint8_t flags = ACK;
		struct frame f;

		switch (w->client[flow]) {
		case CLOSED:
		case OPENING:
			w->client[flow] = OPENING;
			flags = SYN;
			break;
		case OPEN:
			if (rng_below(&w->rng, 3) > 0)
				break;
			w->client[flow] = CLOSING;
			flags = FIN | ACK;
			break;
		case CLOSING:
			flags = FIN | ACK;
			break;
		}
		frame_tcp(&f, port_of(flow), FRAME_OUR_PORT, flags, NULL, 0);
		m[i] = frame_mbuf(&f);
	}
	assert_int_equal(steer_burst(w->fix.steer, m, n, 0), 0);
}

static bool elsewhere(const struct world *w, unsigned worker, unsigned flow)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (i != worker && w->has[i][flow])
			return true;
	return false;
}

static void worker_input(struct world *w, unsigned worker, const uint8_t *frame)
{
	unsigned flow = load_be16(frame + 34) - port_of(0);
	uint8_t flags = frame[FLAGS_AT];

	if (elsewhere(w, worker, flow))
		broken(w, "a frame of another worker's flow");
	if (flags & SYN) {
		w->opened += !w->has[worker][flow];
		w->has[worker][flow] = true;
		// A late copy: the client knows nothing of it, and will say so.
		w->client[flow] = w->client[flow] == OPENING  ? OPEN
				  : w->client[flow] == CLOSED ? CLOSING
							      : w->client[flow];
	} else if (flags & FIN) {
		w->has[worker][flow] = false;
		w->client[flow] = CLOSED;
	}
}

static void worker_takes(struct world *w, unsigned worker)
{
	struct rte_mbuf *m[RING];
	unsigned n = steerfix_take(&w->fix, worker, m, 1 + rng_below(&w->rng, RING - 1));

	for (unsigned i = 0; i < n; i++) {
		worker_input(w, worker, rte_pktmbuf_mtod(m[i], const uint8_t *));
		rte_pktmbuf_free(m[i]);
	}
	w->processed[worker] += n;
}

static void worker_looks(struct world *w, unsigned worker)
{
	if (!steer_move_is_asked(&w->move, worker))
		return;
	if (!w->looking) {
		w->move.processed = w->processed[worker];
		w->looking = true;
		w->cursor = 0;
	}
	for (unsigned i = 0; i < LOOK_STEP && w->cursor < FLOWS; i++, w->cursor++) {
		if (!w->has[worker][w->cursor] || w->bucket[w->cursor] != w->move.bucket)
			continue;
		w->looking = false;
		w->refused_by_worker++;
		steer_move_pass(&w->move, MOVE_REFUSED);
		return;
	}
	if (w->cursor == FLOWS) {
		w->looking = false;
		steer_move_pass(&w->move, MOVE_FREE);
	}
}

static void receiver_turns(struct world *w)
{
	bool free_before = steer_move_state(&w->move) == MOVE_FREE;

	if (steer_move_turn(w->fix.steer, &w->move)) {
		w->moved++;
		assert_int_equal(steer_table_get(w->fix.table, w->move.bucket), w->move.to);
	} else if (free_before) {
		w->refused_by_receiver++;
	}
}

static void control_asks(struct world *w)
{
	enum move_state state = steer_move_state(&w->move);
	uint32_t bucket = w->bucket[rng_below(&w->rng, FLOWS)], from, to;

	if (state == MOVE_ASKED || state == MOVE_FREE)
		return;
	from = steer_table_get(w->fix.table, bucket);
	to = (from + 1 + rng_below(&w->rng, WORKERS - 1)) % WORKERS;
	steer_move_ask(&w->move, bucket, from, to);
}

static void run(uint64_t seed)
{
	static struct world w;

	w = (struct world){.seed = seed};
	rng_init(&w.rng, seed);
	steerfix_conf(&w.fix, WORKERS, RING);
	w.fix.conf.moves = true;
	steerfix_open(&w.fix);
	for (unsigned i = 0; i < FLOWS; i++)
		w.bucket[i] = steer_toeplitz(&w.fix.toeplitz,
				      &(struct steer_tuple){FRAME_PEER_ADDR, FRAME_OUR_ADDR,
					      port_of(i), FRAME_OUR_PORT}) %
			      STEER_BUCKETS;
	for (w.step = 0; w.step < STEPS; w.step++) {
		unsigned worker = rng_below(&w.rng, WORKERS);

		switch (rng_below(&w.rng, 8)) {
		case 0:
			client_acts(&w);
			break;
		case 1:
			worker_takes(&w, worker);
			break;
		case 2:
		case 3:
			worker_looks(&w, worker);
			break;
		case 4:
			receiver_turns(&w);
			break;
		case 5:
			control_asks(&w);
			break;
		default:
			worker_looks(&w, w.move.from);
			break;
		}
	}
	assert_true(w.opened > 100);
	assert_true(w.moved > 100);
	assert_true(w.refused_by_worker > 100);
	assert_true(w.refused_by_receiver > 20);
	assert_int_equal(steerfix_stat(&w.fix, STEER_STAT_buckets_moved), w.moved);
	assert_int_equal(steerfix_stat(&w.fix, STEER_STAT_moves_refused), w.refused_by_receiver);
	steerfix_close(&w.fix);
}

static void test_no_flow_is_lost(void **state)
{
	const char *seed = getenv("SEED");

	if (seed) {
		run(strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t s = 1; s <= RUNS; s++)
		run(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_flow_is_lost)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
