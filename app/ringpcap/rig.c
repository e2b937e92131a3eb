// SPDX-License-Identifier: BSD-3-Clause
// One worker of ringcached without a NIC: frames in, frames out, the clock an argument

#include "rig.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "base/rng.h"
#include "keys.h"
#include "ringpcap.h"
#include "worker/worker.h"

#define FRAME_ROOM 9216 // longest frame taken, jumbo frames included
#define MBUF_COUNT 4096
#define POLL_GAP_US 100000 // poll at least so often, as the appliance does
#define POLLS_PER_GAP_MAX 1000000 // but not more often than this in a gap of the trace
#define STEP_MIN_US 50 // a timer's estimate may be early; the clock still moves
#define ROUNDS_MAX 1000 // polls at one instant, for connections that yielded

struct rig {
	struct worker *worker;
	struct store *store;
	struct stats *stats;
	struct rte_mempool *pool;
	rig_tx_fn *tx;
	void *tx_arg;
	uint64_t now_us;
	_Atomic uint32_t open_count; // connections
	unsigned burst_count;
	struct rte_mbuf *burst[WORKER_BURST_MAX];
};

// EAL without hugepages, devices, files and root, on the CPU we are on already.
static void eal_start(void)
{
	char lcores[32];
	char *argv[] = {(char *)"ringpcap", (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"--log-level=*:error",
		(char *)"-m", (char *)"64", (char *)"--lcores", lcores, NULL};
	int cpu = sched_getcpu();

	snprintf(lcores, sizeof(lcores), "0@%d", cpu < 0 ? 0 : cpu);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		fatal("cannot start DPDK's EAL: %s", rte_strerror(rte_errno));
}

static void set_listeners(struct net_conf *net, const struct rig_conf *conf)
{
	for (unsigned i = 0; i < conf->addr_count; i++) {
		net->addr[net->addr_count++] = conf->addr[i];
		if (conf->tcp_port)
			net->listener[net->listener_count++] =
				(struct net_listener){conf->addr[i], conf->tcp_port, HDR_PROTO_TCP};
		if (conf->udp_port)
			net->listener[net->listener_count++] =
				(struct net_listener){conf->addr[i], conf->udp_port, HDR_PROTO_UDP};
	}
}

static void worker_conf_fill(
	struct worker_conf *w, struct rig *r, const struct rig_conf *conf, struct rng *rng)
{
	static const struct cmd_setting no_settings[] = {{NULL, NULL}};

	w->net = (struct net_conf){.mtu = 1500,
		.ttl = 64,
		.icmp_rate_pps = 1000,
		.pool = r->pool,
		.seed = rng_next(rng)};
	memcpy(w->net.mac, conf->mac, sizeof(w->net.mac));
	set_listeners(&w->net, conf);
	tcp_conf_default(&w->tcp);
	// Those past the limit are accepted, to be told so.
	w->tcp.conn_count_max = conf->connections + 16;
	w->tcp.key = (struct siphash_key){rng_next(rng), rng_next(rng)};
	w->conn = (struct conn_conf){.conn_count_max = w->tcp.conn_count_max,
		.max_connections = conf->connections,
		.open_count = &r->open_count,
		.requests_per_event = 20,
		.long_count = 64,
		.long_timeout_s = 60,
		.out_limit = 65536,
		.ref_min_bytes = CONN_REF_MIN_BYTES,
		.udp_prefix_count = conf->prefix_count,
		.udp_reply_max_bytes = 1 << 20,
		.key = {rng_next(rng), rng_next(rng)}};
	memcpy(w->conn.udp_prefix, conf->prefix, sizeof(conf->prefix));
	w->cmd = (struct cmd_conf){.version = "1.6.18",
		.start_s = conf->unix_us / 1000000,
		.max_connections = conf->connections,
		.worker_count = 1,
		.settings = no_settings,
		.stats = r->stats};
	w->store = r->store;
	w->unix_us_at_zero = conf->unix_us - RIG_START_US;
	w->stats = r->stats;
	w->trace_count = conf->trace_count;
}

static void preload_one(
	struct store_ctx *ctx, struct store *store, const uint8_t *key, size_t len, uint32_t vlen)
{
	uint64_t hash = store_hash(store, key, len);
	struct store_put put;
	uint8_t *room;
	size_t n;

	if (store_put_begin(ctx, &put, key, len, hash, 0, 0, vlen) != STORE_OK)
		fatal("--preload: a value of %u bytes does not fit into the memory", vlen);
	while (store_put_room(ctx, &put, &room, &n)) {
		for (size_t i = 0; i < n; i++)
			room[i] = (uint8_t)('a' + (put.written + i) % 26);
		store_put_wrote(&put, n);
	}
	if (put.written < vlen) {
		store_put_abort(ctx, &put);
		fatal("--preload: a value of %u bytes does not fit into the memory", vlen);
	}
	if (store_put_commit(ctx, &put, STORE_SET, 0) != STORE_OK)
		fatal("--preload: the store refused an item");
}

static void preload(struct rig *r, const struct rig_conf *conf)
{
	struct store_ctx *ctx = store_ctx_create(r->store, 1);
	uint32_t now_s = (uint32_t)(conf->unix_us / 1000000);
	struct keys keys;

	if (!ctx)
		fatal("out of memory for the store");
	keys_read(&keys, conf->preload_path);
	for (size_t i = 0; i < keys.count; i++) {
		size_t len;
		const uint8_t *key = keys_at(&keys, i, &len);

		preload_one(ctx, r->store, key, len, conf->value_size);
		store_tick(ctx, now_s);
	}
	keys_free(&keys);
	store_ctx_destroy(ctx);
}

struct rig *rig_create(const struct rig_conf *conf, rig_tx_fn *tx, void *tx_arg)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct store_conf store_conf = {0};
	struct worker_conf worker_conf = {0};
	const char *why = NULL;
	struct rng rng;

	if (!r)
		fatal("out of memory");
	eal_start();
	rng_init(&rng, conf->seed);
	r->tx = tx;
	r->tx_arg = tx_arg;
	r->now_us = RIG_START_US;
	r->pool = rte_pktmbuf_pool_create("ringpcap", MBUF_COUNT, 0, 0,
		FRAME_ROOM + RTE_PKTMBUF_HEADROOM, (int)rte_socket_id());
	r->stats = stats_create();
	if (!r->pool || !r->stats)
		fatal("out of memory for packet buffers");
	store_conf.mem_limit_bytes = (uint64_t)conf->memory_mb << 20;
	store_conf.item_size_max = 1 << 20;
	store_conf.ctx_count_max = 2; // the worker's and the preload's
	store_conf.hash_key = (struct siphash_key){rng_next(&rng), rng_next(&rng)};
	store_conf.now_s = (uint32_t)(conf->unix_us / 1000000);
	r->store = store_create(&store_conf, &why);
	if (!r->store)
		fatal("the store: %s", why);
	if (conf->preload_path)
		preload(r, conf);
	worker_conf_fill(&worker_conf, r, conf, &rng);
	r->worker = worker_create(&worker_conf, r->now_us);
	if (!r->worker)
		fatal("out of memory for %u connections", conf->connections);
	return r;
}

void rig_destroy(struct rig *r)
{
	worker_destroy(r->worker, r->now_us);
	store_destroy(r->store);
	stats_destroy(r->stats);
	rte_mempool_free(r->pool);
	free(r);
	rte_eal_cleanup();
}

static void take_tx(struct rig *r)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	unsigned n;

	while ((n = worker_take_tx(r->worker, m, WORKER_BURST_MAX)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			r->tx(r->tx_arg, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len,
				r->now_us);
			rte_pktmbuf_free(m[i]);
		}
	}
}

// Everything that is to be done at this instant: what came, timers, connections that
// yielded after their share of requests.
static void settle(struct rig *r)
{
	if (r->burst_count > 0)
		worker_input(r->worker, r->burst, r->burst_count, r->now_us);
	r->burst_count = 0;
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		worker_poll(r->worker, r->now_us);
		take_tx(r);
		if (!conns_have_work(worker_conns(r->worker)))
			break;
	}
}

void rig_advance(struct rig *r, uint64_t to_us)
{
	uint64_t gap_us = (to_us - r->now_us) / POLLS_PER_GAP_MAX;

	if (gap_us < POLL_GAP_US)
		gap_us = POLL_GAP_US;
	settle(r);
	while (r->now_us < to_us) {
		uint64_t next_us = worker_next_deadline_us(r->worker, r->now_us);

		if (next_us < r->now_us + STEP_MIN_US)
			next_us = r->now_us + STEP_MIN_US;
		if (next_us > r->now_us + gap_us)
			next_us = r->now_us + gap_us;
		r->now_us = next_us < to_us ? next_us : to_us;
		settle(r);
	}
}

bool rig_input(struct rig *r, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m;

	if (len > FRAME_ROOM || !(m = rte_pktmbuf_alloc(r->pool)))
		return false;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	r->burst[r->burst_count++] = m;
	if (r->burst_count == WORKER_BURST_MAX)
		settle(r);
	return true;
}

void rig_print_trace(struct rig *r)
{
	char line[512];

	while (worker_trace_next(r->worker, line, sizeof(line)))
		puts(line);
}

static void print_counter(void *arg, const char *module, const struct stat_desc *desc, uint64_t sum,
	const uint64_t *per_instance, unsigned n)
{
	(void)arg;
	(void)per_instance;
	(void)n;
	if (sum != 0)
		printf("%s.%s %" PRIu64 "\n", module, desc->name, sum);
}

void rig_print_counters(struct rig *r)
{
	stats_walk(r->stats, print_counter, NULL);
}
