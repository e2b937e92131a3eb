// SPDX-License-Identifier: BSD-3-Clause
// Where the cycles of a GET go, stage by stage, and what larger values cost
// support: eal frame wclient
// measures: worker.stage.* worker.udp_get.value_*.cycles
//
// The stages of worker_input are called one by one, each timed for a whole burst: net (headers,
// checksum), tcp (segment, its ACK), conn (request to reply on its way out, IP header and checksum
// included), tx (timers, vector to the driver, freeing). Of conn over UDP: parse and lookup are
// measured alone on the same requests, reply is what remains. 16-byte keys, a cache-sized store.

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/eal.h"
#include "support/median.h"
#include "support/wclient.h"

#define BURST 32
#define BURSTS 400 // per sample
#define SAMPLES 21
#define KEYS 64
#define KEY_LEN 16

enum stage { NET, TCP, CONN, TX, STAGES };

struct timing {
	double burst[STAGES][BURSTS];
	double sample[STAGES][SAMPLES];
};

static struct worker *w;
static struct wclient client[BURST];
static struct timing timing;
static uint64_t now_us = 1000000;
static uint32_t reply_min; // a shorter one was no hit

static uint64_t lap(uint64_t *since)
{
	uint64_t now = rte_rdtsc(), cycles = now - *since;

	*since = now;
	return cycles;
}

// What worker_input, worker_poll and worker_take_tx do, with a look at the clock between.
static unsigned run_stages(struct rte_mbuf **m, unsigned n, struct rte_mbuf **out, unsigned b)
{
	struct net_pkt pkt[NET_BURST_MAX];
	uint64_t at = rte_rdtsc();
	bool tcp;

	n = net_input(worker_net(w), m, n, pkt, now_us);
	timing.burst[NET][b] = (double)lap(&at) / n;
	tcp = pkt[0].ip_proto == HDR_PROTO_TCP;
	for (unsigned i = 0; tcp && i < n; i++)
		tcp_input(worker_tcp(w), &pkt[i], now_us);
	timing.burst[TCP][b] = (double)lap(&at) / n;
	if (!tcp)
		conns_udp(worker_conns(w), pkt, n, now_us);
	conns_run(worker_conns(w), now_us);
	timing.burst[CONN][b] = (double)lap(&at) / n;
	worker_poll(w, now_us);
	n = worker_take_tx(w, out, 2 * BURST);
	timing.burst[TX][b] = (double)lap(&at) / n;
	now_us += 10;
	return n;
}

static void free_sent(struct rte_mbuf **out, unsigned n, unsigned b)
{
	uint64_t at = rte_rdtsc();

	rte_pktmbuf_free_bulk(out, n);
	timing.burst[TX][b] += (double)lap(&at) / n;
}

static void key_text(char *text, unsigned i)
{
	sprintf(text, "get key-%012u\r\n", i % KEYS);
}

static void udp_burst(unsigned b)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	unsigned sent;

	for (unsigned i = 0; i < BURST; i++) {
		char text[64];

		key_text(text, b * BURST + i);
		m[i] = wclient_udp((uint16_t)(40000 + i), text);
	}
	sent = run_stages(m, BURST, out, b);
	CHECK(sent == BURST);
	for (unsigned i = 0; i < sent; i++)
		CHECK(out[i]->pkt_len > reply_min);
	free_sent(out, sent, b);
}

static void tcp_burst(unsigned b)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	unsigned sent;

	for (unsigned i = 0; i < BURST; i++) {
		char text[64];

		key_text(text, b * BURST + i);
		m[i] = wclient_tcp(&client[i], WCLIENT_PSH_ACK, text, strlen(text));
	}
	sent = run_stages(m, BURST, out, b);
	CHECK(sent == BURST);
	for (unsigned i = 0; i < sent; i++)
		CHECK(wclient_input(client, BURST, out[i]) > 32);
	free_sent(out, sent, b);
}

static void measure(void (*burst)(unsigned b))
{
	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++)
			burst(b);
		for (unsigned stage = 0; stage < STAGES; stage++)
			timing.sample[stage][s] = median(timing.burst[stage], BURSTS);
	}
}

static double of(enum stage stage)
{
	return median(timing.sample[stage], SAMPLES);
}

// Parsing alone, of the same lines; and looking the keys up, in the three passes of a burst.
static void measure_alone(double *parse, double *lookup)
{
	static double burst[2][BURSTS], sample[2][SAMPLES];
	struct store *s = wclient_store();
	struct store_ctx *ctx = store_ctx_create(s, 1);
	static char text[KEYS][64];
	struct request req[BURST];
	uint64_t hash[BURST], sum = 0;
	struct store_ref ref;

	CHECK(ctx);
	for (unsigned i = 0; i < KEYS; i++)
		key_text(text[i], i);
	for (unsigned n = 0; n < SAMPLES * BURSTS; n++) {
		uint64_t at = rte_rdtsc();

		for (unsigned i = 0; i < BURST; i++)
			CHECK(ascii_parse(&req[i], (const uint8_t *)text[(n * BURST + i) % KEYS],
				      4 + KEY_LEN + 2) == PARSE_OK);
		burst[0][n % BURSTS] = (double)lap(&at) / BURST;
		for (unsigned i = 0; i < BURST; i++) {
			hash[i] = store_hash(s, req[i].key.p, req[i].key.len);
			store_prefetch_bucket(s, hash[i]);
		}
		for (unsigned i = 0; i < BURST; i++)
			store_prefetch_item(s, hash[i]);
		for (unsigned i = 0; i < BURST; i++) {
			CHECK(store_get(ctx, req[i].key.p, req[i].key.len, hash[i], &ref) ==
				STORE_OK);
			sum += ref.vlen;
		}
		burst[1][n % BURSTS] = (double)lap(&at) / BURST;
		store_tick(ctx, 1001);
		if (n % BURSTS == BURSTS - 1)
			for (unsigned i = 0; i < 2; i++)
				sample[i][n / BURSTS] = median(burst[i], BURSTS);
	}
	CHECK(sum > 0);
	*parse = median(sample[0], SAMPLES);
	*lookup = median(sample[1], SAMPLES);
	store_ctx_destroy(ctx);
}

// The last answers, so that none is sent again while UDP is measured.
static void acknowledge(void)
{
	struct rte_mbuf *m, *out[2];

	for (unsigned i = 0; i < BURST; i++) {
		m = wclient_tcp(&client[i], WCLIENT_ACK, NULL, 0);
		worker_input(w, &m, 1, now_us);
		CHECK(worker_take_tx(w, out, 2) == 0);
	}
}

static void set_values(unsigned len)
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct rte_mbuf *m, *out[2 * BURST];
		char text[2048];
		unsigned n, sent;

		n = (unsigned)sprintf(
			text, "set key-%012u 0 0 %u\r\n%0*u\r\n", i, len, (int)len, i);
		m = wclient_tcp(&client[0], WCLIENT_PSH_ACK, text, n);
		worker_input(w, &m, 1, now_us);
		worker_poll(w, now_us);
		sent = worker_take_tx(w, out, 2 * BURST);
		CHECK(sent == 1 && wclient_input(client, BURST, out[0]) == 8); // STORED
		rte_pktmbuf_free_bulk(out, sent);
		now_us += 10;
	}
	acknowledge();
	reply_min = 42 + 8 + len;
}

static void connect_clients(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		struct rte_mbuf *m, *out[2];

		client[i] = (struct wclient){.port = (uint16_t)(20000 + i), .seq = 1000 * i};
		m = wclient_tcp(&client[i], WCLIENT_SYN, NULL, 0);
		worker_input(w, &m, 1, now_us);
		CHECK(worker_take_tx(w, out, 2) == 1);
		wclient_input(client, BURST, out[0]);
		rte_pktmbuf_free_bulk(out, 1);
		m = wclient_tcp(&client[i], WCLIENT_ACK, NULL, 0);
		worker_input(w, &m, 1, now_us);
		CHECK(worker_take_tx(w, out, 2) == 0);
		now_us += 10;
	}
}

static void stage_line(const char *name, double cycles)
{
	printf("worker.stage.%s.cycles %.1f cycles\n", name, cycles);
}

static void bench_stages(void)
{
	double parse, lookup;

	set_values(32);
	measure(udp_burst);
	measure_alone(&parse, &lookup);
	stage_line("udp_get.net", of(NET));
	stage_line("udp_get.conn", of(CONN));
	stage_line("udp_get.conn_parse", parse);
	stage_line("udp_get.conn_lookup", lookup);
	stage_line("udp_get.conn_reply", of(CONN) - parse - lookup);
	stage_line("udp_get.tx", of(TX));
	measure(tcp_burst);
	acknowledge();
	stage_line("tcp_get.net", of(NET));
	stage_line("tcp_get.tcp", of(TCP));
	stage_line("tcp_get.conn", of(CONN));
	stage_line("tcp_get.tx", of(TX));
}

int main(void)
{
	static const unsigned value_len[] = {16, 128, 512, 1300};

	eal_once();
	w = wclient_worker(now_us, 0);
	connect_clients();
	bench_stages();
	for (unsigned i = 0; i < sizeof(value_len) / sizeof(value_len[0]); i++) {
		set_values(value_len[i]);
		measure(udp_burst);
		printf("worker.udp_get.value_%u.cycles %.0f cycles\n", value_len[i],
			of(NET) + of(TCP) + of(CONN) + of(TX));
	}
	wclient_worker_end(w, now_us);
	return 0;
}
