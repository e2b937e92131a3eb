// SPDX-License-Identifier: BSD-3-Clause
// Evening out the load of the workers: the control lcore asks, workers look at their flows
//
// A try a turn of the control lcore, so that counters and clients see each move's effect.
// What is refused is not tried again before the loads are measured anew.

#include <string.h>

#include "app.h"

#define PERIOD_TURNS 20 // of the control lcore: a second
#define LOAD_MIN 1000 // packets in a period: below it nothing is worth a move
#define LOOK_SLOTS 1024 // chains of the worker's flow tables looked at in one turn

static void measure(struct app *app)
{
	struct balance *b = &app->balance;
	uint64_t now[STEER_BUCKETS];

	steer_bucket_loads(app->rx[0].steer, now);
	b->total = 0;
	for (unsigned i = 0; i < STEER_BUCKETS; i++) {
		b->load[i] = now[i] - b->before[i];
		b->total += b->load[i];
	}
	memcpy(b->before, now, sizeof(b->before));
	memset(b->skip, 0, sizeof(b->skip));
}

void balance_turn(struct app *app)
{
	struct balance *b = &app->balance;
	enum move_state state = steer_move_state(&app->move);
	uint32_t bucket, from, to;

	if (!app->rebalances)
		return;
	if (b->turn++ % PERIOD_TURNS == 0)
		measure(app);
	if (state == MOVE_ASKED || state == MOVE_FREE)
		return;
	if (state == MOVE_REFUSED)
		b->skip[app->move.bucket] = true;
	if (b->total >= LOAD_MIN && steer_choose(app->table, b->load, b->skip, &bucket, &from, &to))
		steer_move_ask(&app->move, bucket, from, to);
}

static void note_flow(void *arg, const struct tcp_peer *peer)
{
	struct worker_lcore *wl = arg;
	struct steer_tuple t = {
		.src_addr = peer->remote_addr,
		.dst_addr = peer->local_addr,
		.src_port = peer->remote_port,
		.dst_port = peer->local_port,
	};

	if (steer_toeplitz(&wl->app->toeplitz, &t) % STEER_BUCKETS == wl->app->move.bucket)
		wl->look.found = true;
}

void balance_look(struct worker_lcore *wl)
{
	struct steer_move *move = &wl->app->move;
	bool done;

	if (!wl->look.under_way) {
		wl->look = (struct look){.under_way = true};
		move->processed = wl->ring_packets;
	}
	done = tcp_walk(worker_tcp(wl->worker), &wl->look.cursor, LOOK_SLOTS, note_flow, wl);
	if (!done && !wl->look.found)
		return;
	wl->look.under_way = false;
	steer_move_pass(move, wl->look.found ? MOVE_REFUSED : MOVE_FREE);
}
