// SPDX-License-Identifier: BSD-3-Clause
// The DPDK engines' way in: bursts from the queues, frames to the lcore that asked; and rest

#include <rte_cycles.h>
#include <time.h>

#include "dpdk.h"

#define SPIN_TURNS 16 // empty turns before a sleep
#define SLEEP_MIN_NS 5000
#define SLEEP_MAX_NS 50000

static void reply(struct dpdk_io *io, struct rte_mbuf *m, const struct hdr *h, uint64_t now_ns)
{
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l4_off);
	uint16_t port = (uint16_t)(h->dst_port - io->port_first);

	if (io->tcp)
		dpdk_tcp_input(io, port, l4, h->l4_len, now_ns);
	else
		dpdk_udp_input(io, port, l4, h->l4_len, now_ns);
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
		dpdk_arp_input(io, m, &h);
		return;
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

unsigned dpdk_receive(struct dpdk_io *io)
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

void dpdk_idle(struct dpdk_io *io, uint64_t now_ns, uint32_t in_flight)
{
	uint64_t wake_ns, ns = SLEEP_MAX_NS;
	struct timespec ts;

	rte_pause();
	if (!io->t->run->sleeps || ++io->empty_turns < SPIN_TURNS)
		return;
	wake_ns = gen_wake_ns(&io->t->gen, now_ns, in_flight);
	if (wake_ns < now_ns + SLEEP_MIN_NS)
		return;
	if (wake_ns - now_ns < ns)
		ns = wake_ns - now_ns;
	ts = (struct timespec){.tv_nsec = (long)ns};
	nanosleep(&ts, NULL);
}
