// SPDX-License-Identifier: BSD-3-Clause
// The loop of an RX lcore: pull bursts from the NIC, steer each flow to its worker

#include <rte_cycles.h>

#include "app.h"
#include "base/check.h"

#include "base/hotpath.h"

void rx_mark_received(unsigned lcore_id, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		m[i]->vlan_tci_outer = (uint16_t)lcore_id;
}

int rx_loop(void *arg)
{
	struct rx_lcore *rx = arg;
	struct app *app = rx->app;
	bool owner = app->tx_shared && rx == &app->rx[0], traced = app->cfg.server.trace > 0;

	while (!atomic_load_explicit(&app->stop, memory_order_relaxed)) {
		struct rte_mbuf *m[APP_BURST];
		uint64_t tsc = rte_rdtsc(), now_ns = app_clock_ns(&app->clock, tsc);
		unsigned work = 0;

		for (unsigned i = 0; i < rx->queue_count; i++) {
			unsigned n = nic_rx_burst(app, &rx->queue[i], m, APP_BURST);

			if (n == 0)
				continue;
			if (unlikely_(traced))
				rx_mark_received(rx->lcore_id, m, n);
			steer_burst(rx->steer, m, n, (uint32_t)now_ns);
			work += n;
		}
		stat_add(&rx->stat[LCORE_STAT_rx_packets], work);
		steer_poll(rx->steer, now_ns / 1000);
		if (unlikely_(app->rebalances))
			steer_move_turn(rx->steer, &app->move);
		if (owner)
			work += tx_rings_drain(app, rx->stat);
		if (work > 0) {
			stat_inc(&rx->stat[LCORE_STAT_busy_turns]);
			stat_add(&rx->stat[LCORE_STAT_busy_cycles], rte_rdtsc() - tsc);
		}
		idle_turn(&rx->idle, work > 0, 0, UINT64_MAX, rx->stat, NULL);
	}
	return 0;
}
