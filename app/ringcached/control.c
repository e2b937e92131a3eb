// SPDX-License-Identifier: BSD-3-Clause
// The control lcore: signals, traces, the device's counters, the drain at the end

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "app.h"
#include "base/log.h"

LOG_TYPE("control");

#define TURN_MS 50
#define STATS_TURNS 20 // once a second
#define LINK_TIMEOUT_MS 3000

static const struct stat_desc lcore_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "lcore.def"
#undef STAT
};

const struct stats_set lcore_stats_set = {
	.module = "lcore",
	.desc = lcore_stat_desc,
	.count = LCORE_STAT_COUNT,
};

static int launch(struct app *app)
{
	int rc = 0;

	for (unsigned i = 0; i < app->worker_count && !rc; i++)
		rc = rte_eal_remote_launch(worker_loop, &app->worker[i], app->worker[i].lcore_id);
	for (unsigned i = 0; i < app->rx_lcore_count && !rc; i++)
		rc = rte_eal_remote_launch(rx_loop, &app->rx[i], app->rx[i].lcore_id);
	return rc;
}

static void print_traces(struct app *app)
{
	char line[256];

	for (unsigned i = 0; i < app->worker_count; i++)
		while (worker_trace_next(app->worker[i].worker, line, sizeof(line)))
			fprintf(stderr, "trace: worker %u %s\n", i, line);
}

// Wait for a signal or the next turn. Returns the signal, or 0.
static int wait_turn(const sigset_t *set)
{
	struct timespec ts = {.tv_nsec = TURN_MS * 1000000L};
	int sig = sigtimedwait(set, NULL, &ts);

	return sig > 0 ? sig : 0;
}

static bool all_drained(const struct app *app)
{
	for (unsigned i = 0; i < app->worker_count; i++)
		if (!atomic_load_explicit(&app->worker[i].drained, memory_order_relaxed))
			return false;
	return true;
}

// Answer what is in flight, close; a second signal or the deadline ends it.
static void drain(struct app *app, const sigset_t *set)
{
	uint64_t deadline_us =
		app_now_us(&app->clock) + app->cfg.server.drain_timeout_s * 1000000ULL;

	atomic_store(&app->drain, true);
	while (!all_drained(app)) {
		if (wait_turn(set)) {
			LOG(NOTICE, "second signal: stopping now");
			return;
		}
		print_traces(app);
		if (app_now_us(&app->clock) > deadline_us) {
			LOG(NOTICE, "%u connections are still open after %u s: stopping",
				atomic_load(&app->open_count), app->cfg.server.drain_timeout_s);
			return;
		}
	}
}

// What the packets cost, drivers included. Turns without packets are not in it.
static void log_lcores(const struct app *app)
{
	for (unsigned i = 0; i < app->worker_count; i++) {
		const stat_t *stat = app->worker[i].stat;
		uint64_t packets = stat_read(&stat[LCORE_STAT_rx_packets]);
		uint64_t cycles = stat_read(&stat[LCORE_STAT_busy_cycles]);

		LOG(INFO,
			"worker %u took %" PRIu64 " packets in %.6f busy seconds: %" PRIu64
			" cycles a packet",
			i, packets, (double)cycles / (double)rte_get_tsc_hz(),
			packets ? cycles / packets : 0);
	}
}

static void log_summary(const struct app *app)
{
	uint64_t rx = 0, get = 0, set = 0, hits = 0, dropped = 0;

	stats_sum(app->stats, NET_STATS_MODULE, "rx_packets", &rx);
	stats_sum(app->stats, CMD_STATS_MODULE, "cmd_get", &get);
	stats_sum(app->stats, CMD_STATS_MODULE, "get_hits", &hits);
	stats_sum(app->stats, CMD_STATS_MODULE, "cmd_set", &set);
	stats_sum(app->stats, "lcore", "tx_dropped", &dropped);
	LOG(INFO,
		"served %" PRIu64 " packets, %" PRIu64 " keys read (%" PRIu64 " found), %" PRIu64
		" written, %" PRIu64 " packets not sent",
		rx, get, hits, set, dropped);
	log_lcores(app);
}

int control_run(struct app *app)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (app_ports_start(app))
		return 1;
	if (launch(app)) {
		fprintf(stderr, "ringcached: lcores do not start\n");
		atomic_store(&app->stop, true);
		rte_eal_mp_wait_lcore();
		return 1;
	}
	for (unsigned p = 0; p < app->port_count; p++)
		if (!port_wait_link(&app->port[p], LINK_TIMEOUT_MS))
			LOG(WARNING, "port %s has no link yet", app->port[p].name);
	app_admin_open(app);
	fprintf(stderr, "ringcached: ready\n");
	for (unsigned turn = 0; (sig = wait_turn(&set)) == 0; turn++) {
		print_traces(app);
		balance_turn(app);
		for (unsigned p = 0; p < app->port_count && turn % STATS_TURNS == 0; p++)
			port_stats_update(&app->port[p]);
	}
	LOG(INFO, "%s: draining", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	drain(app, &set);
	app_admin_close();
	atomic_store(&app->stop, true);
	rte_eal_mp_wait_lcore();
	print_traces(app);
	log_summary(app);
	return 0;
}
