// SPDX-License-Identifier: BSD-3-Clause
// Rings, steering and workers, made from the configuration

#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "app.h"
#include "base/check.h"
#include "base/log.h"

LOG_TYPE("build");

#define HALF_OPEN_SPARE 256 // tcbs beyond the connection limit, for handshakes and refusals
#define LONG_COUNT_MAX 1024
#define LONG_TIMEOUT_S 30
#define ICMP_RATE_PPS 1000
#define CLOSED_RING_SIZE 4096
#define MIB (1024ULL * 1024)

static int fail(const char *what)
{
	fprintf(stderr, "ringcached: %s\n", what);
	return -1;
}

static int random_bytes(void *p, size_t n)
{
	return getrandom(p, n, 0) == (ssize_t)n ? 0 : fail("no random numbers from the kernel");
}

static void fill_net_conf(const struct app *app, struct net_conf *conf)
{
	const struct cfg *cfg = &app->cfg;

	memcpy(conf->mac, app->port[0].mac, sizeof(conf->mac));
	conf->port_count = app->port_count;
	conf->tx_cksum_ip4 = conf->tx_cksum_tcp = conf->tx_cksum_udp = true;
	// What one port does not compute, software does for all.
	for (unsigned p = 0; p < app->port_count; p++) {
		conf->port[p].port_id = app->port[p].port_id;
		memcpy(conf->port[p].mac, app->port[p].mac, sizeof(conf->port[p].mac));
		conf->tx_cksum_ip4 &= app->port[p].tx_cksum_ip4;
		conf->tx_cksum_tcp &= app->port[p].tx_cksum_tcp;
		conf->tx_cksum_udp &= app->port[p].tx_cksum_udp;
	}
	conf->mtu = (uint16_t)cfg->port.mtu;
	conf->ttl = 64;
	conf->udp_port_unreachable = cfg->udp.udp_port_unreachable;
	conf->icmp_rate_pps = ICMP_RATE_PPS;
	conf->pool = app->pool;
	for (unsigned i = 0; i < cfg->server.listen.count; i++) {
		uint32_t addr = cfg->server.listen.item[i].addr;
		uint16_t port = cfg->server.listen.item[i].port;
		bool known = false;

		for (unsigned j = 0; j < conf->addr_count; j++)
			known = known || conf->addr[j] == addr;
		if (!known)
			conf->addr[conf->addr_count++] = addr;
		if (cfg->server.tcp_port)
			conf->listener[conf->listener_count++] = (struct net_listener){
				addr, port ? port : (uint16_t)cfg->server.tcp_port, HDR_PROTO_TCP};
		if (cfg->server.udp_port)
			conf->listener[conf->listener_count++] = (struct net_listener){
				addr, port ? port : (uint16_t)cfg->server.udp_port, HDR_PROTO_UDP};
	}
}

static void fill_tcp_conf(const struct app *app, struct tcp_conf *conf)
{
	const struct cfg *cfg = &app->cfg;

	tcp_conf_default(conf);
	conf->conn_count_max = cfg->server.connections + HALF_OPEN_SPARE;
	conf->rcv_buf_size = (uint32_t)cfg->tcp.receive_buffer;
	conf->snd_buf_size = (uint32_t)cfg->tcp.send_buffer;
	conf->chunk_count = (uint32_t)(cfg->tcp.send_memory_mb * MIB / CHUNK_SIZE);
	conf->mss_min = (uint16_t)cfg->tcp.mss_min;
	conf->rto_min_us = cfg->tcp.rto_min_ms * 1000;
	conf->delayed_ack_us = cfg->tcp.delayed_ack_ms * 1000;
	conf->time_wait_us = cfg->tcp.time_wait_s * 1000000;
	conf->keepalive_us = cfg->tcp.keepalive_s * 1000000;
	conf->log_closed = app->mode != APP_RTC && cfg->server.steer == CFG_STEER_roundrobin;
}

static void fill_conn_conf(struct app *app, struct conn_conf *conf)
{
	const struct cfg *cfg = &app->cfg;

	conf->conn_count_max = cfg->server.connections + HALF_OPEN_SPARE;
	conf->max_connections = cfg->server.connections;
	conf->open_count = &app->open_count;
	conf->board = &app->board;
	conf->requests_per_event = cfg->server.requests_per_event;
	conf->long_count = RTE_MIN(cfg->server.connections, (uint32_t)LONG_COUNT_MAX);
	conf->long_timeout_s = LONG_TIMEOUT_S;
	conf->out_limit = (uint32_t)cfg->tcp.send_buffer;
	conf->ref_min_bytes = CONN_REF_MIN_BYTES;
	conf->idle_timeout_s = cfg->server.idle_timeout_s;
	conf->udp_reply_rate_bytes = (uint32_t)RTE_MIN(cfg->udp.udp_reply_rate, UINT32_MAX);
	conf->udp_reply_max_bytes = (uint32_t)cfg->udp.udp_reply_max;
	for (unsigned i = 0; i < cfg->udp.udp_allow.count; i++)
		conf->udp_prefix[conf->udp_prefix_count++] = (struct conn_prefix){
			cfg->udp.udp_allow.item[i].addr, cfg->udp.udp_allow.item[i].mask, false};
	for (unsigned i = 0; i < cfg->udp.udp_trust.count; i++)
		conf->udp_prefix[conf->udp_prefix_count++] = (struct conn_prefix){
			cfg->udp.udp_trust.item[i].addr, cfg->udp.udp_trust.item[i].mask, true};
}

static int register_worker(struct app *app, struct worker_lcore *wl)
{
	static const char *const name[] = {
#define STAGE(name, help) #name,
#include "stage.def"
#undef STAGE
	};
	static const char *const help[] = {
#define STAGE(name, help) help,
#include "stage.def"
#undef STAGE
	};
	int rc = stats_register(app->stats, &lcore_stats_set, wl->lcore_id, wl->stat);

	for (unsigned i = 0; i < STAGE_COUNT && !rc; i++)
		rc = stats_register_latency(app->stats, name[i], help[i], &wl->stage[i]);
	return rc ? fail("too many counters") : 0;
}

static int build_workers(struct app *app)
{
	struct worker_conf *conf = calloc(1, sizeof(*conf));
	int rc = 0;

	if (!conf)
		return fail("out of memory");
	conf->store = app->store;
	conf->stats = app->stats;
	conf->unix_us_at_zero = app->unix_us_at_zero;
	conf->queue_delay_target_us = app->cfg.server.queue_delay_target_us;
	conf->trace_count = app->cfg.server.trace;
	fill_net_conf(app, &conf->net);
	fill_tcp_conf(app, &conf->tcp);
	fill_conn_conf(app, &conf->conn);
	conf->cmd = (struct cmd_conf){
		.version = RINGCACHED_COMPAT_VERSION,
		.no_flush_all = !app->cfg.server.flush_all,
		.no_dump = !app->cfg.server.dump,
		.start_s = app->unix_us_at_zero / 1000000,
		.max_connections = app->cfg.server.connections,
		.worker_count = app->worker_count,
		.settings = app->settings,
		.stats = app->stats,
	};
	for (unsigned i = 0; i < app->worker_count && !rc; i++) {
		conf->idx = i;
		conf->conn.board_idx = i;
		conf->net.owns_arp = i == 0;
		rc = random_bytes(&conf->net.seed, sizeof(conf->net.seed)) ||
		     random_bytes(&conf->tcp.key, sizeof(conf->tcp.key)) ||
		     random_bytes(&conf->conn.key, sizeof(conf->conn.key));
		app->worker[i].app = app;
		app->worker[i].worker = rc ? NULL : worker_create(conf, app_now_us(&app->clock));
		if (!rc && !app->worker[i].worker)
			rc = fail(
				"no memory for a worker: lower --connections or --send-memory-mb");
		if (!rc)
			rc = register_worker(app, &app->worker[i]);
	}
	free(conf);
	return rc ? -1 : 0;
}

static int build_tx_rings(struct app *app)
{
	for (unsigned i = 0; app->tx_shared && i < app->worker_count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "tx-%u", i);
		app->worker[i].tx_ring =
			steer_ring_create(name, app->cfg.port.ring_size, (int)rte_socket_id());
		if (!app->worker[i].tx_ring)
			return fail("no memory for a transmit ring");
	}
	return 0;
}

// Two rings between receiver r and each worker: packets there, notices of closed flows back.
static int build_receiver_rings(struct app *app, unsigned r, struct steer_conf *conf)
{
	char name[32];

	for (unsigned i = 0; i < app->worker_count; i++) {
		struct worker_lcore *wl = &app->worker[i];

		if (!conf->keeps_own || i != conf->own_worker) {
			snprintf(name, sizeof(name), "rx-%u-%u", r, i);
			conf->ring[i] = steer_ring_create(
				name, app->cfg.port.ring_size, (int)rte_socket_id());
			if (!conf->ring[i])
				return fail("no memory for the rings between lcores");
		}
		if (conf->policy == STEER_ROUNDROBIN) {
			snprintf(name, sizeof(name), "closed-%u-%u", r, i);
			conf->closed_ring[i] = steer_closed_ring_create(
				name, CLOSED_RING_SIZE, (int)rte_socket_id());
			if (!conf->closed_ring[i])
				return fail("no memory for the rings between lcores");
		}
		wl->ring[r] = conf->ring[i];
		wl->ring_count = r + 1;
		wl->closed_ring[r] = conf->closed_ring[i];
	}
	return 0;
}

// RX lcore r, or in mode hybrid worker r.
static int build_receiver(struct app *app, unsigned r)
{
	bool hybrid = app->mode == APP_HYBRID;
	struct steer **steer = hybrid ? &app->worker[r].steer : &app->rx[r].steer;
	unsigned lcore_id = hybrid ? app->worker[r].lcore_id : app->rx[r].lcore_id;
	struct steer_conf conf = {
		.worker_count = app->worker_count,
		.policy = app->cfg.server.steer == CFG_STEER_roundrobin ? STEER_ROUNDROBIN
									: STEER_HASH,
		// A NIC may hash less than the ports; a worker must find the bucket of a flow, too.
		.use_nic_hash = app->rss_hash && !app->rebalances,
		.moves = app->rebalances,
		.udp_by_key = app->cfg.server.steer_udp_key,
		.key = app->steer_key,
		.flow_count_max = 2 * app->cfg.server.connections + HALF_OPEN_SPARE,
		.keeps_own = hybrid,
		.own_worker = hybrid ? r : 0,
	};

	memcpy(conf.rss_key, app->rss_key, sizeof(conf.rss_key));
	if (build_receiver_rings(app, r, &conf))
		return -1;
	*steer = steer_create(&conf, app->table);
	if (!*steer)
		return fail("no memory for steering");
	if (stats_register(app->stats, &steer_stats_set, lcore_id, steer_stats(*steer)))
		return fail("too many counters");
	if (hybrid)
		return 0;
	app->rx[r].app = app;
	return stats_register(app->stats, &lcore_stats_set, lcore_id, app->rx[r].stat);
}

// The NIC's table as the bucket table is: a bucket's queue is that of its worker.
static void program_reta(const struct app *app, const struct port *port)
{
	uint16_t bucket_queue[STEER_BUCKETS];

	for (unsigned b = 0; b < STEER_BUCKETS; b++)
		bucket_queue[b] = (uint16_t)(steer_table_get(app->table, b) % port->rx_queue_count);
	if (port->rx_queue_count > 1 && port_set_reta(port, bucket_queue, STEER_BUCKETS))
		LOG(INFO, "port %s has no redirection table: it chooses the queues itself",
			port->name);
}

// One bucket table for all modes: who receives reads it, and the NIC is told.
static int build_steering(struct app *app)
{
	app->table = steer_table_create(app->worker_count);
	if (!app->table)
		return fail("no memory for the bucket table");
	if (random_bytes(&app->steer_key, sizeof(app->steer_key)))
		return -1;
	steer_toeplitz_init(&app->toeplitz, app->rss_key);
	for (unsigned r = 0; r < app->receiver_count; r++)
		if (build_receiver(app, r))
			return -1;
	if (app->mode == APP_DISPATCH)
		return 0;
	// In mode hybrid too: what arrives at its own worker's queue needs no ring.
	for (unsigned p = 0; p < app->port_count; p++)
		program_reta(app, &app->port[p]);
	return 0;
}

int app_build(struct app *app)
{
	bool may_sleep = app->cfg.server.idle == CFG_IDLE_sleep ||
			 (app->cfg.server.idle == CFG_IDLE_auto && app->oversubscribed);

	for (unsigned i = 0; i < app->worker_count; i++)
		app->worker[i].idle.may_sleep = may_sleep;
	for (unsigned i = 0; i < app->rx_lcore_count; i++)
		app->rx[i].idle.may_sleep = may_sleep;
	app->stats = stats_create();
	if (!app->stats)
		return fail("out of memory");
	for (unsigned p = 0; p < app->port_count; p++)
		if (stats_register(app->stats, &port_stats_set, p, app->port[p].stat))
			return fail("out of memory");
	if (app_store_open(app) || app_settings(app) || build_workers(app) || build_tx_rings(app))
		return -1;
	return build_steering(app);
}

void app_teardown(struct app *app)
{
	uint64_t now_us = app_now_us(&app->clock);

	app_ports_close(app);
	for (unsigned i = 0; i < app->rx_lcore_count; i++)
		steer_destroy(app->rx[i].steer);
	for (unsigned i = 0; i < app->worker_count; i++) {
		steer_destroy(app->worker[i].steer);
		worker_destroy(app->worker[i].worker, now_us);
	}
	steer_table_destroy(app->table);
	app_store_close(app);
	stats_destroy(app->stats);
	free(app->settings);
}
