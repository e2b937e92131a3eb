// SPDX-License-Identifier: BSD-3-Clause
// The loop of a generator lcore in a flood: frames copied out, answers counted

#include <stdlib.h>

#include "base/bytes.h"
#include "dpdk.h"

static uint8_t *frame(const struct dpdk_flood *fl, uint32_t i)
{
	return fl->frame + (size_t)i * fl->frame_size;
}

int dpdk_flood_create(struct dpdk_io *io)
{
	const struct run *run = io->st->run;
	struct dpdk_flood *fl = calloc(1, sizeof(*fl));
	struct rte_mbuf *m = rte_pktmbuf_alloc(io->st->pool);

	io->flood = fl;
	if (fl) {
		flood_init(&fl->load, &run->w, &io->t->gen.cursor, run->opt.outstanding,
			(uint64_t)(run->opt.timeout_ms * 1e6));
		// "get ", the key, the end of the line
		fl->frame_size = DPDK_HEAD_LEN + FLOOD_FRAME_LEN + 4 + run->w.keys.longest + 2;
		fl->frame_size = RTE_ALIGN_CEIL(fl->frame_size, RTE_CACHE_LINE_SIZE);
		fl->frame = calloc(FLOOD_REQUESTS, fl->frame_size);
	}
	if (!fl || !m || !fl->frame) {
		rte_pktmbuf_free(m);
		return -1;
	}
	for (uint32_t i = 0; i < FLOOD_REQUESTS; i++) {
		uint32_t len = flood_request(&fl->load, i, dpdk_frame_payload(m));

		dpdk_frame_finish(io, m, (uint16_t)(io->port_first + i % io->port_count), len);
		memcpy(frame(fl, i), rte_pktmbuf_mtod(m, void *), m->data_len);
		fl->frame_len[i] = m->data_len;
	}
	rte_pktmbuf_free(m);
	return 0;
}

void dpdk_flood_destroy(struct dpdk_flood *fl)
{
	if (fl)
		free(fl->frame);
	free(fl);
}

// As many frames as the window has room for, up to a burst, behind what the device refused.
static void fill(struct dpdk_io *io, uint64_t now_ns)
{
	struct dpdk_flood *fl = io->flood;
	uint32_t request[DPDK_BURST], n = DPDK_BURST - io->tx_count;
	uint64_t bytes = 0;

	if (n == 0 || rte_pktmbuf_alloc_bulk(io->st->pool, io->tx + io->tx_count, n) != 0)
		return;
	n = flood_next(&fl->load, request, n, now_ns);
	rte_pktmbuf_free_bulk(io->tx + io->tx_count + n, DPDK_BURST - io->tx_count - n);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = io->tx[io->tx_count++];

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame(fl, request[i]), fl->frame_size);
		m->data_len = fl->frame_len[request[i]];
		m->pkt_len = m->data_len;
		bytes += m->data_len - DPDK_HEAD_LEN;
	}
	tally_add(fl->load.t, LOAD_STAT_bytes_sent, bytes);
}

static unsigned transmit(struct dpdk_io *io)
{
	unsigned n;

	if (io->tx_count == 0)
		return 0;
	n = port_tx_burst(io->st->port.port_id, io->tx_queue, io->tx, (uint16_t)io->tx_count);
	io->tx_count -= n;
	for (unsigned i = 0; i < io->tx_count; i++)
		io->tx[i] = io->tx[n + i];
	return n;
}

// From the server to one of our ports, in the form that answers have: no tag, no IP options.
// Checksums are not looked at; flood_input compares the bytes of some.
static bool is_answer(const struct options *o, const uint8_t *f, uint32_t len)
{
	return len >= DPDK_HEAD_LEN && load_be16(f + 12) == HDR_ETHERTYPE_IP4 && f[14] == 0x45 &&
	       f[23] == HDR_PROTO_UDP && load_be32(f + 26) == o->server_addr &&
	       load_be16(f + 34) == o->server_port &&
	       (uint16_t)(load_be16(f + 36) - o->src_port) < o->src_port_count;
}

static void input(struct dpdk_io *io, struct rte_mbuf *m)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t udp_len;
	struct hdr h;

	if (is_answer(&io->st->run->opt, f, m->data_len)) {
		udp_len = load_be16(f + 38);
		if (udp_len >= HDR_UDP_LEN && udp_len + DPDK_IP_END <= m->data_len)
			flood_input(&io->flood->load, f + DPDK_HEAD_LEN, udp_len - HDR_UDP_LEN);
		else
			tally_add(io->flood->load.t, LOAD_STAT_bad_datagrams, 1);
	} else if (dpdk_frame_parse(io->st, m, &h) == DPDK_FRAME_ARP) {
		dpdk_arp_input(io, m, &h);
		return;
	}
	rte_pktmbuf_free(m);
}

static unsigned receive(struct dpdk_io *io)
{
	struct rte_mbuf *m[DPDK_BURST];
	unsigned total = 0, n;

	for (unsigned q = 0; q < io->rx_queue_count; q++) {
		n = port_rx_burst(io->st->port.port_id, io->rx_queue[q], m, DPDK_BURST);
		for (unsigned i = 0; i < n; i++)
			rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		for (unsigned i = 0; i < n; i++)
			input(io, m[i]);
		total += n;
	}
	return total;
}

// Until then, and until all is answered or given up. Turns without work are the server's time.
static uint64_t flood_until(struct dpdk_io *io, uint64_t until_ns)
{
	struct flood *f = &io->flood->load;
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock), before_ns;

	while (now_ns < until_ns || f->in_flight > 0) {
		unsigned work = receive(io);

		if (now_ns < until_ns)
			fill(io, now_ns);
		work += transmit(io);
		before_ns = now_ns;
		now_ns = dpdk_clock_ns(&io->st->clock);
		if (work == 0) {
			tally_add(f->t, LOAD_STAT_waited_ns, now_ns - before_ns);
			if (now_ns >= until_ns)
				flood_expire(f, now_ns);
			rte_pause();
		}
		if (unlikely(atomic_load_explicit(&io->t->run->stop, memory_order_relaxed)))
			until_ns = RTE_MIN(until_ns, now_ns);
	}
	return now_ns;
}

int dpdk_flood_loop(void *arg)
{
	struct dpdk_io *io = arg;
	struct gen *g = &io->t->gen;
	uint64_t length_ns = g->plan.stop_ns - g->plan.measure_ns;

	flood_begin(&io->flood->load, g->book[GEN_WARMUP]);
	g->plan.measure_ns = flood_until(io, g->plan.measure_ns);
	flood_begin(&io->flood->load, g->book[GEN_MEASURE]);
	g->plan.stop_ns = g->plan.measure_ns + length_ns;
	flood_until(io, g->plan.stop_ns);
	if (atomic_load(&io->t->run->stop))
		gen_stop(g, dpdk_clock_ns(&io->st->clock));
	rte_pktmbuf_free_bulk(io->tx, io->tx_count);
	io->tx_count = 0;
	atomic_store(&io->t->finished, true);
	return 0;
}
