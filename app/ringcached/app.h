// SPDX-License-Identifier: BSD-3-Clause
// The appliance: one struct app, filled by the control lcore at start, read-only for all others
//
// Order of start-up (main.c): configuration -> eal.c (EAL arguments from it) -> topo.c
// (which lcore does what, from what the device offers) -> build.c (store, rings, workers)
// -> the lcores' loops (rx_loop.c, worker_loop.c) -> control.c until a signal -> drain, stop.
#pragma once

#include <rte_ring.h>
#include <stdatomic.h>

#include "cfg/cfg.h"
#include "port/hugemem.h"
#include "port/port.h"
#include "steer/move.h"
#include "steer/steer.h"
#include "store/file.h"
#include "worker/worker.h"

// What the version command says: clients compare it with features of memcached.
#define RINGCACHED_COMPAT_VERSION "1.6.18"

#define APP_WORKERS_MAX 64
#define APP_RX_LCORES_MAX 8
#define APP_RECEIVERS_MAX APP_WORKERS_MAX // RX lcores, or workers with a queue (mode hybrid)
#define APP_QUEUES_MAX 128
#define APP_PORTS_MAX 8
#define APP_BURST 32

// TSC -> nanoseconds since start; read once per loop turn.
struct app_clock {
	uint64_t tsc_at_zero;
	uint64_t ns_per_tick_q32; // fixed point, 32 fraction bits
};

static inline uint64_t app_ticks_ns(const struct app_clock *c, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * c->ns_per_tick_q32 >> 32);
}

static inline uint64_t app_clock_ns(const struct app_clock *c, uint64_t tsc)
{
	return app_ticks_ns(c, tsc - c->tsc_at_zero);
}

static inline uint64_t app_now_us(const struct app_clock *c)
{
	return app_clock_ns(c, rte_rdtsc()) / 1000;
}

// Counters of a loop: lcore.def.
enum lcore_stat {
#define STAT(name, kind, help) LCORE_STAT_##name,
#include "lcore.def"
#undef STAT
	LCORE_STAT_COUNT
};
extern const struct stats_set lcore_stats_set;

// Stages of a packet whose time is measured, always: stage.def.
enum stage {
#define STAGE(name, help) STAGE_##name,
#include "stage.def"
#undef STAGE
	STAGE_COUNT
};

// What an idle lcore does: spins, or sleeps longer and longer up to a limit.
struct idle {
	bool may_sleep;
	uint32_t empty_turns;
	uint32_t sleep_us;
};

// Who takes packets from the NIC's queues.
enum app_mode {
	APP_DISPATCH, // RX lcores, for the workers
	APP_RTC, // each worker, for itself
	APP_HYBRID, // the first workers, for themselves and the others
};

// A receive queue and the lcore that polls it belong together for good.
struct nic_queue {
	uint16_t port_id, queue_id;
};

struct app;

// An lcore that receives and steers (mode dispatch).
struct rx_lcore {
	struct app *app;
	unsigned lcore_id;
	unsigned queue_count;
	struct nic_queue queue[APP_QUEUES_MAX];
	struct steer *steer;
	struct idle idle;
	stat_t stat[LCORE_STAT_COUNT];
};

// A worker's look at its flows, while a bucket is asked to move away from it.
struct look {
	bool under_way, found;
	uint64_t cursor;
};

// What the control lcore knows of the load of the buckets.
struct balance {
	unsigned turn;
	uint64_t before[STEER_BUCKETS], load[STEER_BUCKETS], total;
	bool skip[STEER_BUCKETS];
};

// An lcore that does everything else.
struct worker_lcore {
	struct app *app;
	unsigned lcore_id;
	unsigned idx;
	struct worker *worker;
	unsigned queue_count; // own NIC queues (modes rtc and hybrid)
	struct nic_queue queue[APP_QUEUES_MAX];
	struct steer *steer; // of those queues (mode hybrid), or NULL
	unsigned ring_count; // from the receivers (modes dispatch and hybrid)
	struct rte_ring *ring[APP_RECEIVERS_MAX]; // NULL: the worker itself
	uint64_t ring_packets; // taken from the rings, and processed
	struct look look;
	struct rte_ring *tx_ring; // to the lcore that owns the TX queue; NULL: own queue
	uint16_t tx_queue; // of each port
	struct rte_ring *closed_ring[APP_RECEIVERS_MAX]; // notices of closed flows, roundrobin
	struct idle idle;
	_Atomic bool drained, paused;
	stat_t stat[LCORE_STAT_COUNT];
	struct latency stage[STAGE_COUNT];
};

struct app {
	struct cfg cfg;
	struct app_clock clock;
	uint64_t unix_us_at_zero;
	struct stats *stats;
	struct store *store;
	struct hugemem store_mem; // hugepages of our own, or none
	struct store_file store_file; // with restart-file
	char store_text[64]; // what the items are in
	struct rte_mempool *pool;
	unsigned port_count;
	struct port port[APP_PORTS_MAX];
	bool rss_hash; // of all ports: the NIC's hash is in the mbufs
	enum app_mode mode;
	char mode_reason[160];
	bool oversubscribed; // more lcores than CPUs
	bool hugepages;
	bool rebalances; // buckets move between workers
	char memory_text[160];
	uint8_t rss_key[PORT_RSS_KEY_LEN];
	struct steer_table *table;
	struct siphash_key steer_key;
	struct steer_toeplitz toeplitz; // for that
	struct balance balance;
	struct steer_move move;
	unsigned receiver_count; // who steers: RX lcores, or the first workers; 0 in mode rtc
	unsigned rx_lcore_count;
	struct rx_lcore rx[APP_RX_LCORES_MAX];
	unsigned worker_count;
	struct worker_lcore worker[APP_WORKERS_MAX];
	bool tx_shared; // fewer TX queues than workers: TX rings lead to one owner
	_Atomic uint32_t open_count; // TCP connections of all workers
	struct conn_board board; // where workers find each other's
	_Atomic bool drain, stop;
	_Atomic bool pause; // workers stand still, in app_pause_turn
	struct cmd_setting *settings; // for "stats settings"
};

// eal.c: make the arguments, start EAL. 0, or -1 with a message on stderr.
int app_eal_init(struct app *app, const char *program);

// topo.c: find the devices, choose the mode, give out lcores and queues. 0 or -1.
int app_topology(struct app *app);
const char *app_mode_name(enum app_mode mode);
// The plan as a few lines of log.
void app_topology_log(const struct app *app);

// ports.c: the ports to serve, into app->port: how many, their limits. 0 or -1.
int app_ports_find(struct app *app, struct port_limits *limits);
// Open them all, with at least queue_count transmit queues each and, where flows are spread,
// receive queues, if they have them. 0 or -1.
int app_ports_open(
	struct app *app, const struct port_limits *limits, unsigned rx_count, unsigned tx_count);
int app_ports_start(struct app *app);
void app_ports_close(struct app *app);
void app_ports_log(const struct app *app);
// Their names, separated by ';'.
void app_ports_names(const struct app *app, char *text, size_t size);

// items.c: the store, in hugepages, in ordinary memory, or in the restart file with what the
// last server left there. 0 or -1.
int app_store_open(struct app *app);
// When all workers are gone: sealed, if there is a restart file.
void app_store_close(struct app *app);

// build.c: store, rings, steering, workers. 0 or -1.
int app_build(struct app *app);
void app_teardown(struct app *app);

// rx_loop.c, worker_loop.c: bodies of the lcores.
int rx_loop(void *rx_lcore);
// For a traced run: who received a packet travels in the mbuf.
void rx_mark_received(unsigned lcore_id, struct rte_mbuf **m, unsigned n);
int worker_loop(void *worker_lcore);
// A burst of one queue. With several ports each frame says of which it is: a bond's frames come
// with the number of the slave.
static inline unsigned nic_rx_burst(
	const struct app *app, const struct nic_queue *q, struct rte_mbuf **m, unsigned n)
{
	n = port_rx_burst(q->port_id, q->queue_id, m, (uint16_t)n);
	for (unsigned i = 0; i < n && app->port_count > 1; i++)
		m[i]->port = q->port_id;
	return n;
}

// Drain the TX rings of workers whose TX queue this lcore owns; returns packets sent.
unsigned tx_rings_drain(struct app *app, stat_t *stat);
// Send all n packets on this queue of their ports; what a device does not take in time is
// dropped and counted.
void tx_queue_send(
	const struct app *app, uint16_t queue, struct rte_mbuf **m, unsigned n, stat_t *stat);

// control.c: serve until a signal; returns the exit status.
int control_run(struct app *app);

// admin.c: answer on DPDK's telemetry socket, from when the lcores run until they stop.
void app_admin_open(struct app *app);
void app_admin_close(void);
// A worker's turn while app->pause is set: says that it stands, and waits for the end.
void app_pause_turn(struct worker_lcore *wl);

// balance.c: buckets move from busy to idle workers. A turn of the control lcore, and of a worker
// that a bucket is asked to move away from.
void balance_turn(struct app *app);
void balance_look(struct worker_lcore *wl);

// settings.c: fill app->settings. 0 or -1.
int app_settings(struct app *app);

// idle.c: at the end of a loop turn. wake_us: when something is due; did_work resets.
// worker: NULL on an RX lcore.
void idle_turn(struct idle *idle, bool did_work, uint64_t now_us, uint64_t wake_us, stat_t *stat,
	struct worker *worker);
