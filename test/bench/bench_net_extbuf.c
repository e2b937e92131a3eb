// SPDX-License-Identifier: BSD-3-Clause
// Cycles to put a segment's payload into a packet: copied, or attached as an external buffer
// support: eal
// measures: payload.*.cycles
//
// The payload lies where items do: at random in 64 MiB, so that it is not in the cache. Copied: one
// mbuf, memcpy behind the headers. Attached: a second mbuf, a count of users that goes up and down
// as a pin does, a chain of two. Each with and without a sum over the payload, which the driver's
// software checksum needs and a NIC's does not. Freeing is part of it. Whether replies should point
// into the store is decided by these (docs/store.md).

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"
#include "net/cksum.h"
#include "support/eal.h"
#include "support/median.h"

#define BURST 32
#define BURSTS 400
#define SAMPLES 15
#define VALUES (64u << 20)
#define HEADERS 54
#define ROOM 9216

static struct rte_mempool *pool;
static uint8_t *values;
static struct rng rng;
static _Atomic uint32_t pins;
static struct rte_mbuf_ext_shared_info shared[BURST];
static volatile uint64_t sums; // so that they are made

static void unpin(void *addr, void *arg)
{
	(void)addr;
	(void)arg;
	atomic_fetch_sub_explicit(&pins, 1, memory_order_release);
}

static void attach(struct rte_mbuf *head, unsigned i, uint8_t *p, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CHECK(m);
	atomic_fetch_add_explicit(&pins, 1, memory_order_relaxed);
	shared[i].free_cb = unpin;
	rte_mbuf_ext_refcnt_set(&shared[i], 1);
	rte_pktmbuf_attach_extbuf(m, p, 0, len, &shared[i]);
	m->data_len = m->pkt_len = len;
	CHECK(rte_pktmbuf_chain(head, m) == 0);
}

static double run_burst(uint16_t len, bool attached, bool summed)
{
	struct rte_mbuf *m[BURST];
	uint8_t *p[BURST];
	uint64_t tsc, sum = 0;

	for (unsigned i = 0; i < BURST; i++)
		p[i] = values + (rng_below(&rng, VALUES - ROOM) & ~7u);
	tsc = rte_rdtsc();
	for (unsigned i = 0; i < BURST; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		CHECK(m[i]);
		m[i]->data_len = m[i]->pkt_len = HEADERS;
		if (attached) {
			attach(m[i], i, p[i], len);
			sum = summed ? cksum_add(sum, p[i], len) : sum;
		} else {
			uint8_t *dst = (uint8_t *)rte_pktmbuf_append(m[i], len);

			memcpy(dst, p[i], len);
			sum = summed ? cksum_add(sum, dst, len) : sum;
		}
	}
	sums = sum;
	rte_pktmbuf_free_bulk(m, BURST);
	return (double)(rte_rdtsc() - tsc) / BURST;
}

static void bench(uint16_t len, bool attached, bool summed)
{
	double sample[SAMPLES], burst[BURSTS];

	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++)
			burst[b] = run_burst(len, attached, summed);
		sample[s] = median(burst, BURSTS);
	}
	printf("payload.%u_%s%s.cycles %.0f cycles\n", len, attached ? "attached" : "copied",
		summed ? "_summed" : "", median(sample, SAMPLES));
}

int main(void)
{
	static const uint16_t len[] = {536, 1448, 4096, 8948};

	eal_once();
	pool = rte_pktmbuf_pool_create("payload", 511, 128, 0, ROOM, SOCKET_ID_ANY);
	values = malloc(VALUES);
	CHECK(pool && values);
	rng_init(&rng, 1);
	for (uint32_t i = 0; i < VALUES; i += 8)
		memcpy(values + i, &(uint64_t){rng_next(&rng)}, 8);
	for (unsigned i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		for (unsigned way = 0; way < 4; way++)
			bench(len[i], way & 1, way & 2);
	CHECK(pins == 0);
	free(values);
	return 0;
}
