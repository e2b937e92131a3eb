// SPDX-License-Identifier: BSD-3-Clause
// Cycles per packet of steer_burst to 1, 2, 4 and 8 workers, and of steer_take
// support: eal frame
// measures: steer.*.cycles_per_packet
//
// One thread. Mbufs are built once; between bursts the rings are emptied, which is not
// timed. A run counts as its median burst, so that being preempted by something else
// is not counted as work; each figure is the median of RUNS runs, and the figure without a
// worker count is the worst of all counts.

#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"
#include "steer/steer.h"
#include "support/eal.h"
#include "support/median.h"
#include "support/frame.h"

#define MBUFS 2048
#define BURST 32
#define RUNS 15
#define BURSTS (8 * MBUFS / BURST) // in one run: every mbuf eight times
#define WORKERS 8

struct setup {
	const char *name;
	enum steer_policy policy;
	bool nic_hash;
	bool nic_type; // the NIC says TCP over IPv4, too
	bool udp; // gets, instead of TCP
	bool by_key;
};

static struct rte_mbuf *mbuf[MBUFS];
static struct rte_ring *ring[WORKERS];

static void build_mbufs(bool udp)
{
	static struct frame f;
	struct rng rng;

	rng_init(&rng, 1);
	for (unsigned i = 0; i < MBUFS; i++) {
		uint16_t port = (uint16_t)rng_next(&rng);
		char text[64];
		int n = sprintf(text, "12%c%c%c\1%c%cget key-%012u\r\n", 0, 0, 0, 0, 0, i);

		rte_pktmbuf_free(mbuf[i]);
		if (udp)
			frame_udp(&f, port, FRAME_OUR_PORT, text, (size_t)n);
		else
			frame_tcp(&f, port, FRAME_OUR_PORT, 16, "get some_key\r\n", 14);
		frame_set_addrs(&f, 0x0a000000 | rng_below(&rng, 1 << 20), FRAME_OUR_ADDR);
		mbuf[i] = frame_mbuf(&f);
	}
}

static void mark_mbufs(const struct setup *s)
{
	struct rng rng;

	rng_init(&rng, 2);
	for (unsigned i = 0; i < MBUFS; i++) {
		mbuf[i]->ol_flags = s->nic_hash ? RTE_MBUF_F_RX_RSS_HASH : 0;
		mbuf[i]->hash.rss = (uint32_t)rng_next(&rng);
		mbuf[i]->packet_type =
			s->nic_type ? RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP : 0;
	}
}

static void empty_rings(unsigned workers)
{
	void *out[BURST];

	for (unsigned w = 0; w < workers; w++)
		while (rte_ring_sc_dequeue_burst(ring[w], out, BURST, NULL) > 0)
			;
}

// Every flow enters the table, so that its segments are found there.
static void open_flows(struct steer *steer, unsigned workers)
{
	for (unsigned flags = 2; flags <= 16; flags += 14)
		for (unsigned i = 0; i < MBUFS; i++) {
			rte_pktmbuf_mtod(mbuf[i], uint8_t *)[34 + 13] = (uint8_t)flags;
			steer_burst(steer, &mbuf[i], 1, 0);
			empty_rings(workers);
		}
}

static double measure(const struct setup *s, unsigned workers)
{
	struct steer_conf conf = {.worker_count = workers,
		.policy = s->policy,
		.use_nic_hash = s->nic_hash,
		.flow_count_max = MBUFS,
		.udp_by_key = s->by_key,
		.key = {3, 4}};
	struct steer_table *table = steer_table_create(workers);
	struct steer *steer;
	static double burst[BURSTS];
	double run[RUNS];

	for (unsigned i = 0; i < sizeof(conf.rss_key); i++)
		conf.rss_key[i] = (uint8_t)(i * 29 + 5);
	for (unsigned w = 0; w < workers; w++)
		conf.ring[w] = ring[w];
	steer = steer_create(&conf, table);
	CHECK(steer);
	if (s->policy == STEER_ROUNDROBIN)
		open_flows(steer, workers);
	for (unsigned r = 0; r < RUNS; r++) {
		mark_mbufs(s);
		for (unsigned i = 0; i < BURSTS; i++) {
			uint64_t start = rte_rdtsc_precise();

			steer_burst(steer, mbuf + i * BURST % MBUFS, BURST, (uint32_t)i);
			burst[i] = (double)(rte_rdtsc_precise() - start) / BURST;
			empty_rings(workers);
		}
		run[r] = median(burst, BURSTS);
	}
	CHECK(stat_read(&steer_stats(steer)[STEER_STAT_drop_ring_full]) == 0);
	steer_destroy(steer);
	steer_table_destroy(table);
	return median(run, RUNS);
}

// The worker's side: a burst out of the ring, as it is and with its waits counted.
static double measure_take(struct steer *steer, bool counted)
{
	static struct latency wait;
	static double burst[BURSTS];
	double run[RUNS];
	struct rte_mbuf *m[BURST];

	for (unsigned r = 0; r < RUNS; r++) {
		for (unsigned i = 0; i < BURSTS; i++) {
			uint64_t start;

			steer_burst(steer, mbuf + i * BURST % MBUFS, BURST, i);
			start = rte_rdtsc_precise();
			if (counted)
				steer_take(ring[0], m, BURST, i + 300, &wait);
			else
				rte_ring_sc_dequeue_burst(ring[0], (void **)m, BURST, NULL);
			burst[i] = (double)(rte_rdtsc_precise() - start) / BURST;
		}
		run[r] = median(burst, BURSTS);
	}
	return median(run, RUNS);
}

static void bench_take(void)
{
	struct steer_conf conf = {.worker_count = 1, .ring = {ring[0]}};
	struct steer_table *table = steer_table_create(1);
	struct steer *steer = steer_create(&conf, table);

	CHECK(steer);
	printf("steer.dequeue.cycles_per_packet %.1f cycles\n", measure_take(steer, false));
	printf("steer.take.cycles_per_packet %.1f cycles\n", measure_take(steer, true));
	steer_destroy(steer);
	steer_table_destroy(table);
}

int main(void)
{
	static const struct setup setup[] = {
		{"nic_hash", STEER_HASH, .nic_hash = true},
		{"nic_hash_and_type", STEER_HASH, .nic_hash = true, .nic_type = true},
		{"sw_hash", STEER_HASH},
		{"roundrobin", STEER_ROUNDROBIN},
		{"udp_sw_hash", STEER_HASH, .udp = true},
		{"udp_by_key", STEER_HASH, .udp = true, .by_key = true},
	};

	eal_once();
	for (unsigned w = 0; w < WORKERS; w++) {
		char name[16];

		snprintf(name, sizeof(name), "bench-%u", w);
		ring[w] = steer_ring_create(name, 1024, SOCKET_ID_ANY);
		CHECK(ring[w]);
	}
	for (unsigned i = 0; i < sizeof(setup) / sizeof(setup[0]); i++) {
		double worst = 0;

		build_mbufs(setup[i].udp);
		for (unsigned workers = 1; workers <= WORKERS; workers *= 2) {
			double cycles = measure(&setup[i], workers);

			printf("steer.%s.%u_workers.cycles_per_packet %.1f cycles\n", setup[i].name,
				workers, cycles);
			worst = cycles > worst ? cycles : worst;
		}
		printf("steer.%s.cycles_per_packet %.1f cycles\n", setup[i].name, worst);
	}
	bench_take();
	return 0;
}
