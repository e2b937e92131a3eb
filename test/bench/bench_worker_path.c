// SPDX-License-Identifier: BSD-3-Clause
// Cycles of the whole packet path in one worker: packets in, replies out, no NIC
// support: eal frame
//
// What is timed: worker_input of a burst, worker_poll, worker_take_tx and freeing what was
// sent, as a driver would. Not timed: making the request packets. 16-byte keys, 32-byte
// values, a store that fits the cache. Checksums in software on both sides, as with the
// virtual devices; a NIC that offloads them saves that part.

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "support/eal.h"
#include "support/frame.h"
#include "worker/worker.h"

#define BURST 32
#define BURSTS 400 // per sample
#define SAMPLES 21
#define CONNS BURST

static struct worker *w;
static uint64_t now_us = 1000000;
static _Atomic uint32_t open_count;

struct client {
	uint16_t port;
	uint32_t seq, ack;
};

static struct client client[CONNS];

static void start_worker(void)
{
	struct store_conf sc = {.mem_limit_bytes = 64 << 20,
		.item_size_max = 1 << 20,
		.ctx_count_max = 1,
		.now_s = 1000};
	struct worker_conf c = {0};
	const char *err;

	memcpy(c.net.mac, frame_our_mac, 6);
	c.net.addr_count = 1;
	c.net.addr[0] = FRAME_OUR_ADDR;
	c.net.listener_count = 2;
	c.net.listener[0] = (struct net_listener){FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP};
	c.net.listener[1] = (struct net_listener){FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_UDP};
	c.net.mtu = 1500;
	c.net.ttl = 64;
	c.net.pool = eal_pool();
	tcp_conf_default(&c.tcp);
	c.tcp.conn_count_max = 256;
	c.conn.conn_count_max = 256;
	c.conn.max_connections = 200;
	c.conn.open_count = &open_count;
	c.conn.requests_per_event = 20;
	c.conn.long_count = 8;
	c.conn.out_limit = 256 << 10;
	c.conn.udp_prefix_count = 1;
	c.conn.udp_prefix[0] = (struct conn_prefix){0, 0, true};
	c.conn.udp_reply_max_bytes = 1 << 20;
	c.cmd.version = "bench";
	c.cmd.worker_count = 1;
	c.cmd.start_s = 1000;
	c.store = store_create(&sc, &err);
	c.stats = stats_create();
	c.cmd.stats = c.stats;
	c.unix_us_at_zero = 1000000000;
	CHECK(c.store && c.stats);
	w = worker_create(&c, now_us);
	CHECK(w);
}

// Run a burst through the worker; returns the cycles, and the last packet sent in *last.
static uint64_t run_burst(struct rte_mbuf **m, unsigned n, struct rte_mbuf **out, unsigned *sent)
{
	uint64_t tsc = rte_rdtsc();

	worker_input(w, m, n, now_us);
	worker_poll(w, now_us);
	*sent = worker_take_tx(w, out, 2 * BURST);
	return rte_rdtsc() - tsc;
}

static uint64_t free_sent(struct rte_mbuf **m, unsigned n)
{
	uint64_t tsc = rte_rdtsc();

	rte_pktmbuf_free_bulk(m, n);
	return rte_rdtsc() - tsc;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, double *sample)
{
	qsort(sample, SAMPLES, sizeof(*sample), by_value);
	printf("%s %.0f cycles\n", name, sample[SAMPLES / 2]);
}

static struct rte_mbuf *udp_get(unsigned i)
{
	uint8_t payload[64] = {0, 0, 0, 0, 0, 1, 0, 0};
	struct frame f;
	int n = 8 + sprintf((char *)payload + 8, "get key-%012u\r\n", i % 64);

	frame_udp(&f, (uint16_t)(40000 + i % 100), FRAME_OUR_PORT, payload, (size_t)n);
	return frame_mbuf(&f);
}

static struct rte_mbuf *tcp_segment(struct client *c, uint8_t flags, const char *text, size_t len)
{
	struct frame f;
	uint8_t *tcp;

	frame_tcp(&f, c->port, FRAME_OUR_PORT, flags, text, len);
	tcp = f.b + f.l4;
	store_be32(tcp + 4, c->seq);
	store_be32(tcp + 8, c->ack);
	store_be16(tcp + 14, 65535);
	frame_fix_l4(&f);
	c->seq += (uint32_t)len + (flags & 3 ? 1 : 0);
	return frame_mbuf(&f);
}

// The client's view of a packet we sent: what it acknowledges next.
static void client_input(const struct rte_mbuf *m)
{
	struct hdr h;
	uint32_t len;

	CHECK(hdr_parse(&h, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, true) == HDR_IP4_TCP);
	for (unsigned i = 0; i < CONNS; i++) {
		const uint8_t *tcp = rte_pktmbuf_mtod(m, const uint8_t *) + h.l4_off;

		if (client[i].port != h.dst_port)
			continue;
		len = h.l4_len - (uint32_t)(tcp[12] >> 4) * 4;
		client[i].ack = load_be32(tcp + 4) + len + (tcp[13] & 2 ? 1 : 0);
	}
}

static void connect_clients(void)
{
	struct rte_mbuf *m, *out[2 * BURST];
	unsigned sent;

	for (unsigned i = 0; i < CONNS; i++) {
		client[i] = (struct client){.port = (uint16_t)(20000 + i), .seq = 1000 * i};
		m = tcp_segment(&client[i], 2, NULL, 0);
		run_burst(&m, 1, out, &sent);
		CHECK(sent == 1);
		client_input(out[0]);
		free_sent(out, sent);
		m = tcp_segment(&client[i], 16, NULL, 0);
		run_burst(&m, 1, out, &sent);
		free_sent(out, sent);
	}
}

static void bench_udp(void)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	double sample[SAMPLES];
	unsigned sent;

	for (unsigned s = 0; s < SAMPLES; s++) {
		uint64_t cycles = 0;

		for (unsigned b = 0; b < BURSTS; b++, now_us += 10) {
			for (unsigned i = 0; i < BURST; i++)
				m[i] = udp_get(b * BURST + i);
			cycles += run_burst(m, BURST, out, &sent);
			CHECK(sent == BURST && out[0]->data_len > 42 + 8 + 32);
			cycles += free_sent(out, sent);
		}
		sample[s] = (double)cycles / (BURSTS * BURST);
	}
	report("worker.udp_get.hot.cycles", sample);
}

// Each client sends text in one segment, which also acknowledges the last reply.
static void bench_tcp(const char *name, const char *text, unsigned per_segment, unsigned reply_min)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	double sample[SAMPLES];
	unsigned sent;

	for (unsigned s = 0; s < SAMPLES; s++) {
		uint64_t cycles = 0;

		for (unsigned b = 0; b < BURSTS; b++, now_us += 10) {
			for (unsigned i = 0; i < BURST; i++)
				m[i] = tcp_segment(&client[i], 24, text, strlen(text));
			cycles += run_burst(m, BURST, out, &sent);
			CHECK(sent == BURST);
			for (unsigned i = 0; i < sent; i++) {
				CHECK(out[i]->data_len >= 54 + reply_min);
				client_input(out[i]);
			}
			cycles += free_sent(out, sent);
		}
		sample[s] = (double)cycles / (BURSTS * BURST * per_segment);
	}
	report(name, sample);
}

int main(void)
{
	char text[2048] = "";
	int n = 0;

	eal_once();
	start_worker();
	connect_clients();
	for (unsigned i = 0; i < 64; i++) {
		struct rte_mbuf *m, *out[2 * BURST];
		unsigned sent;

		n = sprintf(text, "set key-%012u 0 0 32\r\n%032u\r\n", i, i);
		m = tcp_segment(&client[0], 24, text, (size_t)n);
		run_burst(&m, 1, out, &sent);
		CHECK(sent == 1);
		client_input(out[0]);
		free_sent(out, sent);
	}
	bench_udp();
	bench_tcp("worker.tcp_get.cycles", "get key-000000000007\r\n", 1, 60);
	n = 0;
	for (unsigned i = 0; i < 16; i++)
		n += sprintf(text + n, "get key-%012u\r\n", i);
	bench_tcp("worker.tcp_get_pipe16.cycles", text, 16, 16 * 60);
	n = sprintf(text, "set key-000000000099 0 0 100\r\n%0100u\r\n", 7u);
	bench_tcp("worker.tcp_set.cycles", text, 1, 8);
	return 0;
}
