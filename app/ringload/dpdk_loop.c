// SPDX-License-Identifier: BSD-3-Clause
// The loop of a generator lcore over UDP: answers in, timeouts, requests that are due out

#include "dpdk.h"

void dpdk_udp_input(
	struct dpdk_io *io, uint16_t port, const uint8_t *udp, uint16_t len, uint64_t now_ns)
{
	udp_client_input(io->client, port, udp + HDR_UDP_LEN, len - HDR_UDP_LEN, now_ns);
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

int dpdk_loop(void *arg)
{
	struct dpdk_io *io = arg;
	struct gen_thread *t = io->t;
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock);

	while (!gen_finished(&t->gen, now_ns, udp_client_in_flight(io->client))) {
		unsigned work = dpdk_receive(io);

		now_ns = dpdk_clock_ns(&io->st->clock);
		udp_client_expire(io->client, now_ns);
		work += send_due(io);
		if (work > 0)
			io->empty_turns = 0;
		else
			dpdk_idle(io, now_ns, udp_client_in_flight(io->client));
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
