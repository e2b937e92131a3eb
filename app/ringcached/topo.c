// SPDX-License-Identifier: BSD-3-Clause
// Which lcore does what: the receive mode, the queues and their owners

#include <errno.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app.h"
#include "base/check.h"
#include "base/log.h"

LOG_TYPE("topo");

// The default of most NICs and of DPDK's examples; it spreads well. A random key per
// start keeps strangers from aiming all flows at one worker.
static int random_rss_key(uint8_t key[PORT_RSS_KEY_LEN])
{
	return getrandom(key, PORT_RSS_KEY_LEN, 0) == PORT_RSS_KEY_LEN ? 0 : -1;
}

// lcores in EAL's order: the first is control, then RX lcores, then workers.
static int assign_lcores(struct app *app)
{
	unsigned need_rx = app->mode == APP_DISPATCH ? app->cfg.server.rx_lcores : 0, lcore_id;

	app->rx_lcore_count = 0;
	app->worker_count = 0;
	RTE_LCORE_FOREACH_WORKER(lcore_id)
	{
		if (app->rx_lcore_count < need_rx) {
			app->rx[app->rx_lcore_count++].lcore_id = lcore_id;
		} else if (app->worker_count < app->cfg.server.threads) {
			app->worker[app->worker_count].idx = app->worker_count;
			app->worker[app->worker_count++].lcore_id = lcore_id;
		}
	}
	if (app->rx_lcore_count == need_rx && app->worker_count == app->cfg.server.threads)
		return 0;
	fprintf(stderr,
		"ringcached: %u lcores are needed (1 control, %u RX, %u workers) and EAL has %u\n",
		1 + need_rx + app->cfg.server.threads, need_rx, app->cfg.server.threads,
		rte_lcore_count());
	return -1;
}

const char *app_mode_name(enum app_mode mode)
{
	static const char *const name[] = {"dispatch", "rtc", "hybrid"};

	return name[mode];
}

static void choose_mode_auto(struct app *app, uint16_t rx_max, bool spreads, bool rtc_possible)
{
	unsigned workers = app->cfg.server.threads;

	app->mode = APP_DISPATCH;
	if (rtc_possible) {
		app->mode = APP_RTC;
		snprintf(app->mode_reason, sizeof(app->mode_reason), "auto: %s",
			workers == 1 ? "one worker needs no lcore in front of it"
				     : "the device spreads flows over a queue per worker");
	} else if (spreads && rx_max > 1) {
		// An lcore that only steered would wait for work that the NIC has done in part.
		app->mode = APP_HYBRID;
		snprintf(app->mode_reason, sizeof(app->mode_reason),
			"auto: the device spreads flows over %u receive queues for %u workers",
			rx_max, workers);
	} else if (rx_max < workers) {
		snprintf(app->mode_reason, sizeof(app->mode_reason),
			"auto: the device has %u receive queue%s for %u workers", rx_max,
			rx_max == 1 ? "" : "s", workers);
	} else {
		snprintf(app->mode_reason, sizeof(app->mode_reason),
			"auto: the device does not spread flows over its queues");
	}
}

static int choose_mode(struct app *app, uint16_t rx_max, bool spreads)
{
	unsigned workers = app->cfg.server.threads;
	bool rtc_possible = workers == 1 || (spreads && rx_max >= workers);

	switch (app->cfg.server.mode) {
	case CFG_MODE_dispatch:
		app->mode = APP_DISPATCH;
		snprintf(app->mode_reason, sizeof(app->mode_reason), "as configured");
		return 0;
	case CFG_MODE_hybrid:
		app->mode = APP_HYBRID;
		snprintf(app->mode_reason, sizeof(app->mode_reason), "as configured");
		return 0;
	case CFG_MODE_rtc:
		app->mode = APP_RTC;
		snprintf(app->mode_reason, sizeof(app->mode_reason), "as configured");
		if (rtc_possible)
			return 0;
		fprintf(stderr,
			"ringcached: mode=rtc with %u workers needs as many receive queues over "
			"which "
			"the device spreads flows; this one has %u%s: use mode=dispatch, "
			"mode=hybrid or threads=1\n",
			workers, rx_max, spreads ? "" : " and does not spread flows");
		return -1;
	case CFG_MODE_auto:
		break;
	}
	choose_mode_auto(app, rx_max, spreads, rtc_possible);
	return 0;
}

// Every RX queue has one owner; a queue nobody polls would swallow its flows. In mode rtc the
// NIC's table says which worker a queue is for, so that all ports are dealt alike; who steers
// may have any.
static void assign_queues(struct app *app)
{
	unsigned owners = app->mode == APP_DISPATCH ? app->rx_lcore_count : app->worker_count;
	unsigned dealt = 0;

	CHECK(owners > 0); // assign_lcores saw to it
	for (unsigned p = 0; p < app->port_count; p++) {
		const struct port *port = &app->port[p];

		for (uint16_t q = 0; q < port->rx_queue_count; q++, dealt++) {
			unsigned owner = (app->mode == APP_DISPATCH ? dealt : q) % owners;
			struct nic_queue queue = {port->port_id, q};

			if (app->mode == APP_DISPATCH)
				app->rx[owner].queue[app->rx[owner].queue_count++] = queue;
			else
				app->worker[owner].queue[app->worker[owner].queue_count++] = queue;
		}
		app->tx_shared |= port->tx_queue_count < app->worker_count;
		if (app->mode == APP_HYBRID)
			app->receiver_count = RTE_MAX(app->receiver_count,
				RTE_MIN(port->rx_queue_count, app->worker_count));
	}
	if (app->mode == APP_DISPATCH)
		app->receiver_count = app->rx_lcore_count;
	for (unsigned i = 0; i < app->worker_count; i++)
		app->worker[i].tx_queue = app->tx_shared ? 0 : (uint16_t)i;
}

static int make_pool(struct app *app)
{
	uint16_t room = (uint16_t)(RTE_PKTMBUF_HEADROOM + app->cfg.port.mtu + 64);

	if (room < RTE_MBUF_DEFAULT_BUF_SIZE)
		room = RTE_MBUF_DEFAULT_BUF_SIZE;
	app->pool = rte_pktmbuf_pool_create(
		"mbufs", app->cfg.port.mbufs, 256, 0, room, (int)rte_socket_id());
	if (!app->pool)
		fprintf(stderr, "ringcached: no memory for %u packet buffers of %u bytes\n",
			app->cfg.port.mbufs, room);
	return app->pool ? 0 : -1;
}

int app_topology(struct app *app)
{
	struct port_limits limits[APP_PORTS_MAX];
	uint16_t rx_max = UINT16_MAX;
	bool spreads = true;

	if (app_ports_find(app, limits))
		return -1;
	for (unsigned p = 0; p < app->port_count; p++) {
		rx_max = RTE_MIN(rx_max, limits[p].rx_queue_max);
		spreads &= limits[p].spreads_flows;
	}
	if (choose_mode(app, rx_max, spreads) || assign_lcores(app) || make_pool(app) ||
		random_rss_key(app->rss_key))
		return -1;
	if (app_ports_open(app, limits,
		    app->mode == APP_DISPATCH ? app->rx_lcore_count : app->worker_count,
		    app->worker_count))
		return -1;
	for (unsigned p = 0; p < app->port_count && app->mode == APP_RTC; p++) {
		if (app->port[p].rx_queue_count >= app->worker_count)
			continue;
		fprintf(stderr, "ringcached: port %s grants %u receive queues for %u workers\n",
			app->port[p].name, app->port[p].rx_queue_count, app->worker_count);
		return -1;
	}
	assign_queues(app);
	app->rebalances = app->cfg.server.rebalance && app->mode == APP_DISPATCH;
	return 0;
}

// A packet and its items cross the link between sockets for each lcore that is away from the NIC.
static void warn_of_far_lcores(const struct app *app, const struct port *port)
{
	char list[200] = "";
	int n = 0;

	if (port->socket_id < 0 || rte_socket_count() < 2)
		return;
	for (unsigned i = 0; i < app->rx_lcore_count + app->worker_count; i++) {
		unsigned id = i < app->rx_lcore_count
				      ? app->rx[i].lcore_id
				      : app->worker[i - app->rx_lcore_count].lcore_id;

		if ((int)rte_lcore_to_socket_id(id) != port->socket_id &&
			n < (int)sizeof(list) - 16)
			n += snprintf(list + n, sizeof(list) - (size_t)n, " %u", id);
	}
	if (n)
		LOG(WARNING,
			"port %s is on NUMA node %d, and these lcores are not:%s; choose others "
			"with the EAL argument --lcores",
			port->name, port->socket_id, list);
}

void app_topology_log(const struct app *app)
{
	char text[400];
	int n = 0;

	app_ports_log(app);
	LOG(INFO, "mode %s (%s), steering by %s", app_mode_name(app->mode), app->mode_reason,
		app->cfg.server.steer == CFG_STEER_roundrobin && app->mode != APP_RTC
			? "round robin"
			: "hash");
	if (app->cfg.server.rebalance)
		LOG(INFO, "buckets %s",
			app->rebalances ? "move to idle workers"
					: "do not move: that is for mode dispatch");
	n = snprintf(text, sizeof(text), "lcore %u control", rte_get_main_lcore());
	for (unsigned i = 0; i < app->rx_lcore_count && n < (int)sizeof(text); i++)
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, ", lcore %u RX", app->rx[i].lcore_id);
	for (unsigned i = 0; i < app->worker_count && n < (int)sizeof(text); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", lcore %u %sworker %u",
			app->worker[i].lcore_id,
			app->mode == APP_HYBRID && app->worker[i].queue_count ? "RX and " : "", i);
	LOG(INFO, "%s; %s, idle lcores %s", text,
		app->oversubscribed ? "they share the CPUs" : "each has its CPU",
		app->worker[0].idle.may_sleep ? "sleep" : "spin");
	LOG(INFO, "packet memory: %s; items: %u MiB in %s", app->memory_text,
		app->cfg.memory.memory_mb, app->store_text);
	for (unsigned p = 0; p < app->port_count; p++)
		warn_of_far_lcores(app, &app->port[p]);
}
