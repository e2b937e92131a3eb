// SPDX-License-Identifier: BSD-3-Clause
// Cycles of the whole packet path in one worker: packets in, replies out, no NIC
// support: eal frame wclient
// measures: worker.udp_get.hot.cycles worker.tcp_get*.cycles worker.tcp_set.cycles
//
// What is timed: worker_input of a burst, worker_poll, worker_take_tx and freeing what was
// sent, as a driver would. Not timed: making the request packets. 16-byte keys, 32-byte
// values, a store that fits the cache. A sample is its median burst, so that a burst in which
// the machine did something else does not count. Checksums in software on both sides, as with the
// virtual devices; a NIC that offloads them saves that part.

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
#define CONNS BURST

static struct worker *w;
static uint64_t now_us = 1000000;

static struct wclient client[CONNS];

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

static void connect_clients(void)
{
	struct rte_mbuf *m, *out[2 * BURST];
	unsigned sent;

	for (unsigned i = 0; i < CONNS; i++) {
		client[i] = (struct wclient){.port = (uint16_t)(20000 + i), .seq = 1000 * i};
		m = wclient_tcp(&client[i], WCLIENT_SYN, NULL, 0);
		run_burst(&m, 1, out, &sent);
		CHECK(sent == 1);
		wclient_input(client, CONNS, out[0]);
		free_sent(out, sent);
		m = wclient_tcp(&client[i], WCLIENT_ACK, NULL, 0);
		run_burst(&m, 1, out, &sent);
		free_sent(out, sent);
	}
}

static void bench_udp(void)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	double sample[SAMPLES], burst[BURSTS];
	unsigned sent;

	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++, now_us += 10) {
			uint64_t cycles;

			for (unsigned i = 0; i < BURST; i++) {
				char text[64];

				sprintf(text, "get key-%012u\r\n", (b * BURST + i) % 64);
				m[i] = wclient_udp((uint16_t)(40000 + i), text);
			}
			cycles = run_burst(m, BURST, out, &sent);
			CHECK(sent == BURST && out[0]->data_len > 42 + 8 + 32);
			burst[b] = (double)(cycles + free_sent(out, sent)) / BURST;
		}
		sample[s] = median(burst, BURSTS);
	}
	printf("worker.udp_get.hot.cycles %.0f cycles\n", median(sample, SAMPLES));
}

// Each client sends text in one segment, which also acknowledges the last reply.
static void bench_tcp(const char *name, const char *text, unsigned per_segment, unsigned reply_min)
{
	struct rte_mbuf *m[BURST], *out[2 * BURST];
	double sample[SAMPLES], burst[BURSTS];
	unsigned sent;

	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++, now_us += 10) {
			uint64_t cycles;

			for (unsigned i = 0; i < BURST; i++)
				m[i] = wclient_tcp(&client[i], WCLIENT_PSH_ACK, text, strlen(text));
			cycles = run_burst(m, BURST, out, &sent);
			CHECK(sent == BURST);
			for (unsigned i = 0; i < sent; i++) {
				CHECK(wclient_input(client, CONNS, out[i]) >= reply_min);
			}
			burst[b] = (double)(cycles + free_sent(out, sent)) / BURST;
		}
		sample[s] = median(burst, BURSTS) / per_segment;
	}
	printf("%s %.0f cycles\n", name, median(sample, SAMPLES));
}

// One client sets an item, then gets it over and over; every reply is acknowledged by the next
// request.
static void bench_tcp_large(const char *name, unsigned value_len)
{
	static char text[32768];
	struct rte_mbuf *m, *out[2 * BURST];
	double sample[SAMPLES], get[BURSTS];
	unsigned sent, n, len;

	n = (unsigned)sprintf(text, "set key-large 0 0 %u\r\n", value_len);
	memset(text + n, 'x', value_len);
	n += value_len;
	memcpy(text + n, "\r\n", 2);
	n += 2;
	for (unsigned off = 0; off < n; off += len, now_us += 10) {
		len = n - off < 1400 ? n - off : 1400;
		m = wclient_tcp(&client[0], WCLIENT_PSH_ACK, text + off, len);
		run_burst(&m, 1, out, &sent);
		for (unsigned i = 0; i < sent; i++)
			wclient_input(client, CONNS, out[i]);
		free_sent(out, sent);
	}
	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++, now_us += 10) {
			const char *line = "get key-large\r\n";
			uint64_t cycles;

			m = wclient_tcp(&client[0], WCLIENT_PSH_ACK, line, strlen(line));
			cycles = run_burst(&m, 1, out, &sent);
			len = 0;
			for (unsigned i = 0; i < sent; i++)
				len += wclient_input(client, CONNS, out[i]);
			CHECK(len > value_len);
			get[b] = (double)(cycles + free_sent(out, sent));
		}
		sample[s] = median(get, BURSTS);
	}
	printf("%s %.0f cycles\n", name, median(sample, SAMPLES));
}

int main(void)
{
	char text[2048] = "";
	int n = 0;

	eal_once();
	w = wclient_worker(now_us, 0);
	connect_clients();
	for (unsigned i = 0; i < 64; i++) {
		struct rte_mbuf *m, *out[2 * BURST];
		unsigned sent;

		n = sprintf(text, "set key-%012u 0 0 32\r\n%032u\r\n", i, i);
		m = wclient_tcp(&client[0], WCLIENT_PSH_ACK, text, (size_t)n);
		run_burst(&m, 1, out, &sent);
		CHECK(sent == 1);
		wclient_input(client, CONNS, out[0]);
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
	bench_tcp_large("worker.tcp_get_2k.cycles", 2048);
	bench_tcp_large("worker.tcp_get_4k.cycles", 4096);
	bench_tcp_large("worker.tcp_get_8k.cycles", 8192);
	bench_tcp_large("worker.tcp_get_13k.cycles", 13000);
	wclient_worker_end(w, now_us);
	return 0;
}
