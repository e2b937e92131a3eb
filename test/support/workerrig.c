// SPDX-License-Identifier: BSD-3-Clause
// One whole worker under test: frames in, frames out, counters, a clock that the test moves

#include "support/workerrig.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "support/eal.h"

#define POLL_GAP_US 100000
#define STEP_MIN_US 50 // a timer's estimate may be early; the clock still moves
#define ROUNDS_MAX 100

void workerrig_conf(struct workerrig *r)
{
	static const struct cmd_setting no_settings[] = {{NULL, NULL}};
	struct worker_conf *c = &r->conf;

	*r = (struct workerrig){0};
	r->store_conf = (struct store_conf){.mem_limit_bytes = STORE_MEM_MIN,
		.item_size_max = 1 << 20,
		.ctx_count_max = 1,
		.hash_key = {1, 2},
		.now_s = WORKERRIG_UNIX_S};
	c->net = (struct net_conf){.mac = {2, 0, 0, 0, 0, 10},
		.addr_count = 1,
		.addr = {WORKERRIG_ADDR},
		.listener_count = 2,
		.listener = {{WORKERRIG_ADDR, WORKERRIG_PORT, HDR_PROTO_TCP},
			{WORKERRIG_ADDR, WORKERRIG_PORT, HDR_PROTO_UDP}},
		.mtu = 1500,
		.ttl = 64,
		.icmp_rate_pps = 1000,
		.pool = eal_pool(),
		.seed = 1};
	tcp_conf_default(&c->tcp);
	c->tcp.conn_count_max = 16;
	c->tcp.time_wait_count_max = 16;
	c->tcp.chunk_count = 256;
	c->tcp.key = (struct siphash_key){3, 4};
	c->conn = (struct conn_conf){.conn_count_max = 16,
		.max_connections = 8,
		.open_count = &r->open_count,
		.requests_per_event = 20,
		.long_count = 4,
		.long_timeout_s = 60,
		.out_limit = 65536,
		.ref_min_bytes = CONN_REF_MIN_BYTES,
		.udp_prefix_count = 2,
		.udp_prefix = {{.addr = 0xc0000280, .mask = 0xffffff80, .trusted = true},
			{.addr = 0xc0000200, .mask = 0xffffff00}},
		.udp_reply_max_bytes = 1 << 20,
		.key = {5, 6}};
	c->cmd = (struct cmd_conf){.version = "1.6.18",
		.start_s = WORKERRIG_UNIX_S - 100,
		.max_connections = 8,
		.worker_count = 1,
		.settings = no_settings};
	c->unix_us_at_zero = WORKERRIG_UNIX_S * 1000000ULL - WORKERRIG_START_US;
}

static void take_tx(struct workerrig *r)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	unsigned n;

	while ((n = worker_take_tx(r->worker, m, WORKER_BURST_MAX)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			CHECK(m[i]->nb_segs == 1);
			if (r->tx)
				r->tx(r->tx_arg, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
			rte_pktmbuf_free(m[i]);
		}
	}
}

static void settle(struct workerrig *r)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		worker_poll(r->worker, r->now_us);
		take_tx(r);
		if (!conns_have_work(worker_conns(r->worker)))
			break;
	}
}

void workerrig_open(struct workerrig *r)
{
	struct worker_conf gone;
	const char *why = NULL;

	r->now_us = WORKERRIG_START_US;
	r->mbufs_before = eal_pool_in_use();
	r->stats = stats_create();
	CHECK(r->stats);
	r->store = store_create(&r->store_conf, &why);
	if (!r->store)
		fprintf(stderr, "store_create: %s\n", why);
	CHECK(r->store);
	r->conf.stats = r->conf.cmd.stats = r->stats;
	r->conf.store = r->store;
	// A configuration need not outlive the call, but for what it points to.
	gone = r->conf;
	r->worker = worker_create(&gone, r->now_us);
	memset(&gone, 0xa5, sizeof(gone));
	CHECK(r->worker);
	settle(r);
}

void workerrig_input(struct workerrig *r, struct rte_mbuf **m, unsigned n)
{
	worker_input(r->worker, m, n, r->now_us);
	settle(r);
}

struct rte_mbuf *workerrig_mbuf(const uint8_t *frame, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(eal_pool());
	char *p = m && len <= rte_pktmbuf_tailroom(m) ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;

	if (p)
		memcpy(p, frame, len);
	else
		rte_pktmbuf_free(m);
	return p ? m : NULL;
}

void workerrig_advance(struct workerrig *r, uint64_t to_us)
{
	while (r->now_us < to_us) {
		uint64_t next_us = worker_next_deadline_us(r->worker, r->now_us);

		if (next_us < r->now_us + STEP_MIN_US)
			next_us = r->now_us + STEP_MIN_US;
		if (next_us > r->now_us + POLL_GAP_US)
			next_us = r->now_us + POLL_GAP_US;
		r->now_us = next_us < to_us ? next_us : to_us;
		settle(r);
	}
}

void workerrig_check(struct workerrig *r)
{
	const char *what = "";
	bool ok = tcp_check(worker_tcp(r->worker), &what);

	if (ok)
		ok = store_check(r->store, &what);
	if (!ok)
		fprintf(stderr, "broken: %s\n", what);
	CHECK(ok);
}

static void print_counter(void *arg, const char *module, const struct stat_desc *desc, uint64_t sum,
	const uint64_t *per_instance, unsigned n)
{
	if (sum != 0)
		fprintf(arg, "%s.%s %" PRIu64 "\n", module, desc->name, sum);
}

void workerrig_print_counters(struct workerrig *r, FILE *out)
{
	stats_walk(r->stats, print_counter, out);
}

void workerrig_close(struct workerrig *r)
{
	worker_destroy(r->worker, r->now_us);
	store_destroy(r->store);
	stats_destroy(r->stats);
	CHECK(eal_pool_in_use() == r->mbufs_before);
}
