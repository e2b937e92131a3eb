// SPDX-License-Identifier: BSD-3-Clause
// Cycles of the packet path over large stores: GETs among up to 10 million items, evicting sets
// support: eal frame wclient
// measures: worker.udp_get.1* worker.tcp_get*.10m* worker.set_evict.* memory.item_overhead.bytes
//
// As bench_worker_path, with keys drawn from all items: 16-byte keys, 32-byte values, each GET
// must hit. The items are put straight into the store, in memory with transparent hugepages.
// The ranks of the Zipf distribution are spread over the key space.

#include <math.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/eal.h"
#include "support/median.h"
#include "support/wclient.h"

#define BURST 32
#define BURSTS 400 // per sample
#define SAMPLES 21
#define ITEMS_USUAL 10000000u // BENCH_ITEMS_MAX=100000000 goes on, with 16 GiB of memory
#define VALUE_LEN 32
#define SET_LEN 100
#define KEY_WORKERS 8

enum keys { UNIFORM, ZIPF, ZIPF_BY_KEY };

// Ranks by Gray's method (SIGMOD 1994), which needs the sum of all weights once.
struct zipf {
	uint32_t count;
	double theta, zeta, alpha, eta;
};

static struct worker *w;
static struct wclient client[BURST];
static uint64_t now_us = 1000000;
static struct rng rng;

static void zipf_init(struct zipf *z, uint32_t count)
{
	*z = (struct zipf){.count = count, .theta = 0.99, .alpha = 1 / (1 - 0.99)};
	for (uint32_t i = 1; i <= count; i++)
		z->zeta += pow(i, -z->theta);
	z->eta = (1 - pow(2.0 / count, 1 - z->theta)) / (1 - (1 + pow(0.5, z->theta)) / z->zeta);
}

static uint32_t zipf_next(const struct zipf *z)
{
	double u = (double)(rng_next(&rng) >> 11) * 0x1p-53, uz = u * z->zeta;
	uint64_t rank;

	if (uz < 1)
		rank = 0;
	else if (uz < 1 + pow(0.5, z->theta))
		rank = 1;
	else
		rank = (uint64_t)(z->count * pow(z->eta * u - z->eta + 1, z->alpha));
	if (rank >= z->count)
		rank = z->count - 1;
	// 2654435761 is prime and no divisor of any count here: a bijection.
	return (uint32_t)(rank * 2654435761u % z->count);
}

// Cycles of one burst for each packet, freeing what was sent included; out: the answers' lengths.
static double run_burst(struct rte_mbuf **m, unsigned n, uint32_t *len_min)
{
	struct rte_mbuf *out[2 * BURST];
	unsigned sent;
	uint64_t tsc = rte_rdtsc();

	worker_input(w, m, n, now_us);
	worker_poll(w, now_us);
	sent = worker_take_tx(w, out, 2 * BURST);
	tsc = rte_rdtsc() - tsc;
	CHECK(sent == n);
	*len_min = UINT32_MAX;
	for (unsigned i = 0; i < sent; i++) {
		uint32_t len = out[i]->pkt_len;

		if (rte_pktmbuf_mtod(out[i], uint8_t *)[23] == 6)
			len = wclient_input(client, BURST, out[i]);
		*len_min = len < *len_min ? len : *len_min;
	}
	tsc -= rte_rdtsc();
	rte_pktmbuf_free_bulk(out, sent);
	tsc += rte_rdtsc();
	now_us += 10;
	return (double)tsc / n;
}

static void fill(uint32_t items)
{
	struct store *s = wclient_store();
	struct store_ctx *ctx = store_ctx_create(s, 1);
	struct store_usage u;
	uint8_t *room;
	size_t len;

	CHECK(ctx);
	worker_offline(w);
	for (uint32_t i = 0; i < items; i++) {
		struct store_put put;
		char key[32];
		int n = sprintf(key, "key-%012u", i);
		uint64_t hash = store_hash(s, (uint8_t *)key, (size_t)n);

		CHECK(store_put_begin(ctx, &put, (uint8_t *)key, (size_t)n, hash, 0, 0,
			      VALUE_LEN) == STORE_OK);
		while (store_put_room(ctx, &put, &room, &len)) {
			memset(room, '0' + (int)(i % 10), len);
			store_put_wrote(&put, len);
		}
		CHECK(store_put_commit(ctx, &put, STORE_SET, 0) == STORE_OK);
		if (i % 16 == 0)
			store_tick(ctx, 1000);
	}
	store_usage(s, &u);
	CHECK(u.curr_items == items); // nothing evicted
	store_ctx_destroy(ctx);
	worker_online(w);
}

// Keys as they come to one of KEY_WORKERS workers that are steered to by key.
static uint32_t zipf_next_steered(const struct zipf *z)
{
	uint32_t key;

	do
		key = zipf_next(z);
	while ((key * 0x9e3779b1u >> 16) % KEY_WORKERS != 0);
	return key;
}

static void bench_get(const char *name, uint32_t items, enum keys keys)
{
	struct rte_mbuf *m[BURST];
	double sample[SAMPLES], burst[BURSTS];
	struct zipf z;
	uint32_t len;

	if (keys != UNIFORM)
		zipf_init(&z, items);
	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < BURSTS; b++) {
			for (unsigned i = 0; i < BURST; i++) {
				char text[64];

				sprintf(text, "get key-%012u\r\n",
					keys == UNIFORM ? rng_below(&rng, items)
					: keys == ZIPF  ? zipf_next(&z)
							: zipf_next_steered(&z));
				m[i] = wclient_udp((uint16_t)(40000 + i), text);
			}
			burst[b] = run_burst(m, BURST, &len);
			CHECK(len > 42 + 8 + VALUE_LEN);
		}
		sample[s] = median(burst, BURSTS);
	}
	printf("worker.udp_get.%s.cycles %.0f cycles\n", name, median(sample, SAMPLES));
}

static void connect_clients(void)
{
	uint32_t len;

	for (unsigned i = 0; i < BURST; i++) {
		struct rte_mbuf *m, *out[2];

		client[i] = (struct wclient){.port = (uint16_t)(20000 + i), .seq = 1000 * i};
		m = wclient_tcp(&client[i], WCLIENT_SYN, NULL, 0);
		run_burst(&m, 1, &len);
		m = wclient_tcp(&client[i], WCLIENT_ACK, NULL, 0);
		worker_input(w, &m, 1, now_us);
		worker_poll(w, now_us);
		CHECK(worker_take_tx(w, out, 2) == 0);
	}
}

// The same over TCP: each client asks for per_segment items in a segment, which acknowledges its
// last reply too.
static void bench_tcp_get(const char *name, uint32_t items, unsigned per_segment)
{
	struct rte_mbuf *m[BURST];
	double sample[SAMPLES], burst[BURSTS];
	unsigned bursts = BURSTS / per_segment;
	struct zipf z;
	uint32_t len;

	zipf_init(&z, items);
	for (unsigned s = 0; s < SAMPLES; s++) {
		for (unsigned b = 0; b < bursts; b++) {
			for (unsigned i = 0; i < BURST; i++) {
				char text[1024];
				int n = 0;

				for (unsigned k = 0; k < per_segment; k++)
					n += sprintf(text + n, "get key-%012u\r\n", zipf_next(&z));
				m[i] = wclient_tcp(&client[i], WCLIENT_PSH_ACK, text, (size_t)n);
			}
			burst[b] = run_burst(m, BURST, &len);
			CHECK(len > per_segment * VALUE_LEN);
		}
		sample[s] = median(burst, bursts) / per_segment;
	}
	printf("worker.%s.cycles %.0f cycles\n", name, median(sample, SAMPLES));
}

// New keys all the time in a store that is full: each set costs an older item its place.
static void bench_set(void)
{
	struct rte_mbuf *m[BURST];
	double sample[SAMPLES], burst[BURSTS];
	uint32_t next = 0, len;
	struct store_usage u;

	for (unsigned s = 0; s < SAMPLES + 10; s++) {
		unsigned bursts = s < 10 ? 3000 : BURSTS; // fill 64 MiB first

		for (unsigned b = 0; b < bursts; b++) {
			for (unsigned i = 0; i < BURST; i++) {
				char text[256];
				int n = sprintf(text, "set new-%012u 0 0 %u\r\n%0*u\r\n", next,
					SET_LEN, SET_LEN, next);

				next++;
				m[i] = wclient_tcp(&client[i], WCLIENT_PSH_ACK, text, (size_t)n);
			}
			burst[b % BURSTS] = run_burst(m, BURST, &len);
			CHECK(len == strlen("STORED\r\n"));
		}
		if (s >= 10)
			sample[s - 10] = median(burst, BURSTS);
	}
	store_usage(wclient_store(), &u);
	CHECK(u.curr_items < next); // it did evict
	printf("worker.set_evict.cycles %.0f cycles\n", median(sample, SAMPLES));
}

// A worker with a store of this size, items in it.
static void open_worker(void *mem, uint64_t mem_bytes, uint32_t items)
{
	w = wclient_worker_mem(now_us, 0, mem, mem_bytes);
	if (items > 0)
		fill(items);
}

static void bench_items(const char *step, uint32_t items)
{
	uint64_t bytes = ((64ULL << 20) + items * 160ULL) & ~((2ULL << 20) - 1);
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct store_usage u;
	char name[32];

	CHECK(mem != MAP_FAILED);
	madvise(mem, bytes, MADV_HUGEPAGE);
	open_worker(mem, bytes, items);
	sprintf(name, "%s_uniform", step);
	bench_get(name, items, UNIFORM);
	sprintf(name, "%s_zipf", step);
	bench_get(name, items, ZIPF);
	sprintf(name, "%s_zipf_by_key", step);
	bench_get(name, items, ZIPF_BY_KEY);
	store_usage(wclient_store(), &u);
	if (items == ITEMS_USUAL) {
		connect_clients();
		bench_tcp_get("tcp_get.10m_zipf", items, 1);
		bench_tcp_get("tcp_get_pipe16.10m_zipf", items, 16);
		printf("memory.item_overhead.bytes %.1f bytes\n",
			(double)(u.bytes + u.index_bytes) / (double)u.curr_items -
				(16 + VALUE_LEN));
	}
	wclient_worker_end(w, now_us);
	munmap(mem, bytes);
}

int main(void)
{
	static const struct {
		const char *name;
		uint32_t items;
	} step[] = {{"1k", 1000}, {"10k", 10000}, {"100k", 100000}, {"1m", 1000000},
		{"10m", ITEMS_USUAL}, {"100m", 100000000}};
	const char *max_text = getenv("BENCH_ITEMS_MAX");
	uint64_t max = max_text ? strtoull(max_text, NULL, 0) : ITEMS_USUAL;

	eal_once();
	rng_init(&rng, 1);
	for (unsigned i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		if (step[i].items > max) {
			printf("absent worker.udp_get.%s_uniform.cycles: BENCH_ITEMS_MAX is below\n"
			       "absent worker.udp_get.%s_zipf.cycles: BENCH_ITEMS_MAX is below\n"
			       "absent worker.udp_get.%s_zipf_by_key.cycles: BENCH_ITEMS_MAX is "
			       "below\n",
				step[i].name, step[i].name, step[i].name);
			continue;
		}
		bench_items(step[i].name, step[i].items);
	}
	open_worker(NULL, 64 << 20, 0);
	connect_clients();
	bench_set();
	wclient_worker_end(w, now_us);
	return 0;
}
