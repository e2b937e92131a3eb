// SPDX-License-Identifier: BSD-3-Clause
// A TCP GET among 10 to 100,000 open connections, and what an idle one takes in memory
// support: eal frame wclient
// measures: worker.tcp_get.conns_*.cycles memory.idle_connection.bytes
//
// As bench_worker_path, the connections of a burst drawn at random from all. Memory is what
// becomes resident: of 100,000 connections more that have each made a request and are idle since.

#include <malloc.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/eal.h"
#include "support/median.h"
#include "support/frame.h"
#include "support/wclient.h"

#define BURST 32
#define BURSTS 200 // per sample
#define SAMPLES 11
#define CONNS_MAX 101000
#define CONNS_FEW 1000
#define PORTS 50000 // of one client address
#define PORT_FIRST 10000
#define ADDR_FIRST 0x0a000100u

static struct worker *w;
static struct wclient client[CONNS_MAX];
static uint64_t now_us = 1000000;
static struct rng rng;

static void take(const struct rte_mbuf *m)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t addr = load_be32(f + 30), port = load_be16(f + 36);
	uint32_t i = (addr - ADDR_FIRST) * PORTS + port - PORT_FIRST;

	CHECK(i < CONNS_MAX);
	wclient_input(&client[i], 1, m);
}

// Returns the cycles of the burst, freeing what was sent included.
static uint64_t run_burst(struct rte_mbuf **m, unsigned n, unsigned *sent)
{
	struct rte_mbuf *out[2 * BURST];
	uint64_t tsc = rte_rdtsc(), cycles;

	worker_input(w, m, n, now_us);
	worker_poll(w, now_us);
	*sent = worker_take_tx(w, out, 2 * BURST);
	cycles = rte_rdtsc() - tsc;
	for (unsigned i = 0; i < *sent; i++)
		take(out[i]);
	tsc = rte_rdtsc();
	rte_pktmbuf_free_bulk(out, *sent);
	now_us += 10;
	return cycles + rte_rdtsc() - tsc;
}

static void segment(struct wclient *c, uint8_t flags, const char *text, unsigned answers)
{
	struct rte_mbuf *m = wclient_tcp(c, flags, text, text ? strlen(text) : 0);
	unsigned sent;

	run_burst(&m, 1, &sent);
	CHECK(sent == answers);
}

static void open_conns(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < count; i++) {
		client[i] = (struct wclient){.addr = ADDR_FIRST + i / PORTS,
			.port = (uint16_t)(PORT_FIRST + i % PORTS),
			.seq = 1000 * i};
		segment(&client[i], WCLIENT_SYN, NULL, 1);
		segment(&client[i], WCLIENT_ACK, NULL, 0);
		segment(&client[i], WCLIENT_PSH_ACK, "get key-000000000001\r\n", 1);
		segment(&client[i], WCLIENT_ACK, NULL, 0);
	}
	CHECK(tcp_conn_count(worker_tcp(w)) == count);
}

static double get_cycles(uint32_t conns)
{
	struct rte_mbuf *m[BURST];
	double sample[SAMPLES], burst[BURSTS];
	unsigned sent;

	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++) {
			uint32_t at = rng_below(&rng, conns);

			for (unsigned i = 0; i < BURST; i++) {
				const char *text = "get key-000000000001\r\n";

				// Far apart, and never twice in a burst.
				m[i] = wclient_tcp(&client[(at + i * (conns / BURST)) % conns],
					WCLIENT_PSH_ACK, text, strlen(text));
			}
			burst[b] = (double)run_burst(m, BURST, &sent) / BURST;
			CHECK(sent == BURST);
		}
		sample[s] = median(burst, BURSTS);
	}
	return median(sample, SAMPLES);
}

// Acknowledge the last answers, so that none is sent again in what follows.
static void settle(uint32_t conns)
{
	unsigned sent;

	for (uint32_t i = 0; i < conns; i++) {
		struct rte_mbuf *m = wclient_tcp(&client[i], WCLIENT_ACK, NULL, 0);

		run_burst(&m, 1, &sent);
	}
}

static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, pages;

	CHECK(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

// Bytes that a worker has made resident with so many connections.
static double memory_of(uint32_t conns)
{
	double before = resident(), after;

	w = wclient_worker_conns(now_us, conns);
	open_conns(0, conns);
	after = resident();
	wclient_worker_end(w, now_us);
	return after - before;
}

static void bench_memory(void)
{
	double few, many;

	// Large arrays go back to the kernel, and packet buffers are all resident after the first.
	mallopt(M_MMAP_THRESHOLD, 65536);
	memory_of(CONNS_MAX);
	few = memory_of(CONNS_FEW);
	many = memory_of(CONNS_MAX);
	printf("memory.idle_connection.bytes %.1f bytes\n", (many - few) / (CONNS_MAX - CONNS_FEW));
}

int main(void)
{
	static const struct {
		const char *name;
		uint32_t count;
	} step[] = {{"32", 32}, {"100", 100}, {"1k", 1000}, {"10k", 10000}, {"100k", 100000}};
	uint32_t open = 0;

	eal_once();
	rng_init(&rng, 1);
	bench_memory();
	w = wclient_worker_conns(now_us, CONNS_MAX);
	for (unsigned i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		if (open == 0) {
			open_conns(0, 1);
			segment(&client[0], WCLIENT_PSH_ACK,
				"set key-000000000001 0 0 32\r\n"
				"01234567890123456789012345678901\r\n",
				1);
			open = 1;
		}
		open_conns(open, step[i].count);
		open = step[i].count;
		printf("worker.tcp_get.conns_%s.cycles %.0f cycles\n", step[i].name,
			get_cycles(open));
		settle(open);
	}
	wclient_worker_end(w, now_us);
	return 0;
}
