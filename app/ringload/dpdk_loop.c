// SPDX-License-Identifier: BSD-3-Clause
// The loop of a generator lcore: answers in, timeouts, requests that are due out

#include <rte_cycles.h>
#include <time.h>

#include "dpdk.h"

#define SPIN_TURNS 16 // empty turns before a sleep
#define SLEEP_MIN_NS 5000
#define SLEEP_MAX_NS 50000

static void reply(struct dpdk_io *io, struct rte_mbuf *m, const struct hdr *h, uint64_t now_ns)
{
	const uint8_t *udp = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l4_off);

	udp_client_input(io->client, (uint16_t)(h->dst_port - io->port_first), udp + HDR_UDP_LEN,
		h->l4_len - HDR_UDP_LEN, now_ns);
}

static bool owns_port(const struct dpdk_io *io, uint16_t port)
{
	return port >= io->port_first && port - io->port_first < io->port_count;
}

// To the lcore that asked: devices without RSS, or with another idea of it, deliver anywhere.
static bool hand_over(struct dpdk_state *st, struct rte_mbuf *m, uint16_t port)
{
	for (unsigned i = 0; i < st->run->opt.threads; i++)
		if (owns_port(&st->io[i], port))
			return rte_ring_enqueue(st->io[i].ring, m) == 0;
	return false;
}

static void input(struct dpdk_io *io, struct rte_mbuf *m, uint64_t now_ns)
{
	struct hdr h;

	switch (dpdk_frame_parse(io->st, m, &h)) {
	case DPDK_FRAME_ARP:
		if (dpdk_arp_answer(io->st, m, &h) &&
			port_tx_burst(io->st->port.port_id, io->tx_queue, &m, 1) == 1)
			return;
		break;
	case DPDK_FRAME_REPLY:
		if (owns_port(io, h.dst_port))
			reply(io, m, &h, now_ns);
		else if (hand_over(io->st, m, h.dst_port))
			return;
		break;
	case DPDK_FRAME_BAD_CKSUM:
		tally_add(io->t->gen.book[GEN_MEASURE], LOAD_STAT_bad_datagrams, 1);
		break;
	case DPDK_FRAME_OTHER:
		break;
	}
	rte_pktmbuf_free(m);
}

static unsigned receive(struct dpdk_io *io)
{
	struct rte_mbuf *m[DPDK_BURST];
	unsigned total = 0, n;
	uint64_t now_ns;

	for (unsigned q = 0; q < io->rx_queue_count; q++) {
		n = port_rx_burst(io->st->port.port_id, io->rx_queue[q], m, DPDK_BURST);
		now_ns = dpdk_clock_ns(&io->st->clock);
		for (unsigned i = 0; i < n; i++)
			input(io, m[i], now_ns);
		total += n;
	}
	if (io->ring) {
		n = rte_ring_sc_dequeue_burst(io->ring, (void **)m, DPDK_BURST, NULL);
		now_ns = dpdk_clock_ns(&io->st->clock);
		for (unsigned i = 0; i < n; i++) {
			struct hdr h;

			if (dpdk_frame_parse(io->st, m[i], &h) == DPDK_FRAME_REPLY)
				reply(io, m[i], &h, now_ns);
			rte_pktmbuf_free(m[i]);
		}
		total += n;
	}
	return total;
}

// Hand what is built to the device. What it refuses waits; it is sent before anything new,
// and its time of sending is that of the success.
static void transmit(struct dpdk_io *io)
{
	unsigned n =
		port_tx_burst(io->st->port.port_id, io->tx_queue, io->tx, (uint16_t)io->tx_count);

	if (io->tx_waited && n > 0) {
		uint64_t now_ns = dpdk_clock_ns(&io->st->clock);

		for (unsigned i = 0; i < n; i++)
			udp_client_resent(io->client, io->ticket[i], now_ns);
	}
	io->tx_count -= n;
	for (unsigned i = 0; i < io->tx_count; i++) {
		io->tx[i] = io->tx[n + i];
		io->ticket[i] = io->ticket[n + i];
	}
	io->tx_waited = io->tx_count > 0;
}

static unsigned send_due(struct dpdk_io *io)
{
	unsigned n;

	if (io->tx_count > 0)
		transmit(io);
	if (io->tx_count > 0)
		return 0;
	for (n = 0; n < DPDK_BURST; n++) {
		uint16_t port;
		uint32_t len;

		if (!io->spare)
			io->spare = rte_pktmbuf_alloc(io->st->pool);
		if (!io->spare) // all are in flight: what is due waits, and is late
			break;
		len = udp_client_next(io->client, dpdk_clock_ns(&io->st->clock),
			dpdk_frame_payload(io->spare), &port, &io->ticket[n]);
		if (len == 0)
			break;
		dpdk_frame_finish(io, io->spare, (uint16_t)(io->port_first + port), len);
		io->tx[io->tx_count++] = io->spare;
		io->spare = NULL;
	}
	if (io->tx_count > 0)
		transmit(io);
	return n;
}

// Nothing came and nothing was due.
static void idle(struct dpdk_io *io, uint64_t now_ns)
{
	uint64_t wake_ns, ns = SLEEP_MAX_NS;
	struct timespec ts;

	rte_pause();
	if (!io->t->run->sleeps || ++io->empty_turns < SPIN_TURNS)
		return;
	wake_ns = gen_wake_ns(&io->t->gen, now_ns, udp_client_in_flight(io->client));
	if (wake_ns < now_ns + SLEEP_MIN_NS)
		return;
	if (wake_ns - now_ns < ns)
		ns = wake_ns - now_ns;
	ts = (struct timespec){.tv_nsec = (long)ns};
	nanosleep(&ts, NULL);
}

int dpdk_loop(void *arg)
{
	struct dpdk_io *io = arg;
	struct gen_thread *t = io->t;
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock);

	while (!gen_finished(&t->gen, now_ns, udp_client_in_flight(io->client))) {
		unsigned work = receive(io);

		now_ns = dpdk_clock_ns(&io->st->clock);
		udp_client_expire(io->client, now_ns);
		work += send_due(io);
		if (work > 0)
			io->empty_turns = 0;
		else
			idle(io, now_ns);
		if (unlikely(atomic_load_explicit(&t->run->stop, memory_order_relaxed)))
			gen_stop(&t->gen, now_ns);
	}
	// What the device never took belongs to requests that are lost by now.
	rte_pktmbuf_free_bulk(io->tx, io->tx_count);
	io->tx_count = 0;
	io->tx_waited = false;
	atomic_store(&t->finished, true);
	return 0;
}
