// SPDX-License-Identifier: BSD-3-Clause
// What an lcore without work does: spin, or sleep longer and longer

#include <time.h>

#include "app.h"

#define SPIN_TURNS 64 // empty turns before the first sleep
#define SLEEP_MIN_US 5
#define SLEEP_MAX_US 200 // adds at most this to the latency of the first packet

void idle_turn(struct idle *idle, bool did_work, uint64_t now_us, uint64_t wake_us, stat_t *stat,
	struct worker *worker)
{
	struct timespec ts;
	uint64_t sleep_us;

	if (did_work) {
		idle->empty_turns = 0;
		idle->sleep_us = SLEEP_MIN_US;
		return;
	}
	stat_inc(&stat[LCORE_STAT_idle_turns]);
	if (!idle->may_sleep || ++idle->empty_turns < SPIN_TURNS) {
		rte_pause();
		return;
	}
	sleep_us = idle->sleep_us;
	if (wake_us <= now_us)
		return;
	if (wake_us - now_us < sleep_us)
		sleep_us = wake_us - now_us;
	ts = (struct timespec){.tv_nsec = (long)sleep_us * 1000};
	// While this lcore sleeps, the store's memory must not wait for its next turn.
	if (worker)
		worker_offline(worker);
	nanosleep(&ts, NULL);
	if (worker)
		worker_online(worker);
	stat_inc(&stat[LCORE_STAT_sleeps]);
	idle->sleep_us = idle->sleep_us * 2 > SLEEP_MAX_US ? SLEEP_MAX_US : idle->sleep_us * 2;
}
