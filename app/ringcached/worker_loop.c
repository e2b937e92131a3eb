// SPDX-License-Identifier: BSD-3-Clause
// The loop of a worker lcore: take packets, run the path, send the answers

#include <rte_cycles.h>

#include "app.h"
#include "base/check.h"

#include "base/hotpath.h"

#define TX_TRIES 64 // turns a full transmit queue is asked again before packets are dropped

static void port_send(
	uint16_t port_id, uint16_t queue, struct rte_mbuf **m, unsigned n, stat_t *stat)
{
	unsigned sent = 0;

	for (unsigned tries = 0; sent < n && tries < TX_TRIES; tries++)
		sent += port_tx_burst(port_id, queue, m + sent, (uint16_t)(n - sent));
	stat_add(&stat[LCORE_STAT_tx_packets], sent);
	if (unlikely_(sent < n)) {
		stat_add(&stat[LCORE_STAT_tx_dropped], n - sent);
		rte_pktmbuf_free_bulk(m + sent, n - sent);
	}
}

void tx_queue_send(
	const struct app *app, uint16_t queue, struct rte_mbuf **m, unsigned n, stat_t *stat)
{
	if (likely_(app->port_count == 1)) {
		port_send(app->port[0].port_id, queue, m, n, stat);
		return;
	}
	// Runs of one port: packets come in bursts of one queue, and so their answers go.
	for (unsigned i = 0, first = 0; i < n; i++) {
		if (i + 1 < n && m[i + 1]->port == m[first]->port)
			continue;
		port_send(m[first]->port, queue, m + first, i + 1 - first, stat);
		first = i + 1;
	}
}

unsigned tx_rings_drain(struct app *app, stat_t *stat)
{
	struct rte_mbuf *m[APP_BURST];
	unsigned total = 0, n;

	for (unsigned i = 0; i < app->worker_count; i++) {
		if (!app->worker[i].tx_ring)
			continue;
		n = rte_ring_dequeue_burst(app->worker[i].tx_ring, (void **)m, APP_BURST, NULL);
		if (n > 0)
			tx_queue_send(app, 0, m, n, stat);
		total += n;
	}
	return total;
}

// Mode hybrid: what is for other workers goes to their rings; returns the rest, in m.
static unsigned worker_steer(
	struct worker_lcore *wl, struct rte_mbuf **m, unsigned n, uint64_t now_ns)
{
	if (unlikely_(wl->app->cfg.server.trace > 0))
		rx_mark_received(wl->lcore_id, m, n);
	return steer_burst(wl->steer, m, n, (uint32_t)now_ns);
}

static unsigned worker_rx(struct worker_lcore *wl, uint64_t now_ns)
{
	struct rte_mbuf *m[APP_BURST];
	uint64_t now_us = now_ns / 1000;
	unsigned total = 0, n;

	for (unsigned i = 0; i < wl->ring_count; i++) {
		if (!wl->ring[i])
			continue;
		n = steer_take(
			wl->ring[i], m, APP_BURST, (uint32_t)now_ns, &wl->stage[STAGE_ring_wait]);
		if (n > 0)
			worker_input(wl->worker, m, n, now_us);
		total += n;
	}
	wl->ring_packets += total;
	for (unsigned i = 0; i < wl->queue_count; i++) {
		n = nic_rx_burst(wl->app, &wl->queue[i], m, APP_BURST);
		total += n;
		if (wl->steer && n > 0)
			n = worker_steer(wl, m, n, now_ns);
		if (n > 0)
			worker_input(wl->worker, m, n, now_us);
	}
	if (wl->steer)
		steer_poll(wl->steer, now_us);
	if (total > 0)
		stat_add(&wl->stat[LCORE_STAT_rx_packets], total);
	return total;
}

static unsigned worker_tx(struct worker_lcore *wl)
{
	struct rte_mbuf *m[APP_BURST];
	unsigned total = 0, n, sent;

	while ((n = worker_take_tx(wl->worker, m, APP_BURST)) > 0) {
		total += n;
		if (!wl->tx_ring) {
			tx_queue_send(wl->app, wl->tx_queue, m, n, wl->stat);
			continue;
		}
		sent = rte_ring_sp_enqueue_burst(wl->tx_ring, (void **)m, n, NULL);
		stat_add(&wl->stat[LCORE_STAT_tx_packets], sent);
		if (unlikely_(sent < n)) {
			stat_add(&wl->stat[LCORE_STAT_tx_dropped], n - sent);
			rte_pktmbuf_free_bulk(m + sent, n - sent);
		}
	}
	return total;
}

// Tell the receivers which flows are over (steering policy roundrobin). A full ring
// keeps the entry of the flow until its tuple is used again.
static void worker_report_closed(struct worker_lcore *wl)
{
	struct tcp_peer peer[APP_BURST];
	unsigned n;

	while ((n = tcp_take_closed(worker_tcp(wl->worker), peer, APP_BURST)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct steer_tuple t = {
				.src_addr = peer[i].remote_addr,
				.dst_addr = peer[i].local_addr,
				.src_port = peer[i].remote_port,
				.dst_port = peer[i].local_port,
			};

			for (unsigned r = 0; r < wl->app->receiver_count; r++)
				steer_closed_enqueue(wl->closed_ring[r], &t);
		}
	}
}

static void worker_count_turn(struct worker_lcore *wl, unsigned received, uint64_t cycles)
{
	stat_inc(&wl->stat[LCORE_STAT_busy_turns]);
	stat_add(&wl->stat[LCORE_STAT_busy_cycles], cycles);
	atomic_store_explicit(&wl->stat[LCORE_STAT_chunks_in_use],
		tcp_chunk_pool(worker_tcp(wl->worker))->used_count, memory_order_relaxed);
	if (received > 0)
		latency_add(
			&wl->stage[STAGE_service], app_ticks_ns(&wl->app->clock, cycles), received);
}

static bool owns_tx_rings(const struct worker_lcore *wl)
{
	return wl->app->tx_shared && wl->app->mode != APP_DISPATCH && wl->idx == 0;
}

int worker_loop(void *arg)
{
	struct worker_lcore *wl = arg;
	struct app *app = wl->app;
	bool reports = wl->closed_ring[0] != NULL, owner = owns_tx_rings(wl), draining = false;

	while (!atomic_load_explicit(&app->stop, memory_order_relaxed)) {
		uint64_t tsc = rte_rdtsc(), now_ns = app_clock_ns(&app->clock, tsc);
		uint64_t now_us = now_ns / 1000;
		unsigned received = worker_rx(wl, now_ns), work = received;

		worker_poll(wl->worker, now_us);
		work += worker_tx(wl);
		if (owner)
			work += tx_rings_drain(app, wl->stat);
		if (reports)
			worker_report_closed(wl);
		if (unlikely_(app->rebalances) && steer_move_is_asked(&app->move, wl->idx))
			balance_look(wl);
		if (work > 0) {
			worker_count_turn(wl, received, rte_rdtsc() - tsc);
		} else if (unlikely_(atomic_load_explicit(&app->drain, memory_order_relaxed))) {
			if (!draining)
				worker_drain(wl->worker, now_us);
			draining = true;
			atomic_store_explicit(
				&wl->drained, worker_is_drained(wl->worker), memory_order_relaxed);
		}
		if (unlikely_(atomic_load_explicit(&app->pause, memory_order_relaxed)))
			app_pause_turn(wl);
		idle_turn(&wl->idle, work > 0, now_us, worker_next_deadline_us(wl->worker, now_us),
			wl->stat, wl->worker);
	}
	worker_offline(wl->worker);
	return 0;
}
