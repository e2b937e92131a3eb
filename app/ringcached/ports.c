// SPDX-License-Identifier: BSD-3-Clause
// The ports that are served: found, opened, started, named

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "base/log.h"

LOG_TYPE("ports");

static int fail(const char *what)
{
	fprintf(stderr, "ringcached: %s\n", what);
	return -1;
}

// Does the text of a device name this one as what it is made of: "slave=NAME"?
static bool is_named_in(const char *device, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = strchr(device, '='); p; p = strchr(p + 1, '='))
		if (strncmp(p + 1, name, len) == 0 && (p[1 + len] == ',' || p[1 + len] == '\0'))
			return true;
	return false;
}

// The device that is made of this one, or NULL.
static const char *whole_of(const struct app *app, const char *name)
{
	for (unsigned i = 0; i < app->cfg.port.device.count; i++)
		if (is_named_in(app->cfg.port.device.item[i], name))
			return app->cfg.port.device.item[i];
	return NULL;
}

// A device that is made of others promises more queues than they have until it is configured.
static void limit_by_part(struct port_limits *whole, const struct port_limits *part)
{
	whole->rx_queue_max = RTE_MIN(whole->rx_queue_max, part->rx_queue_max);
	whole->tx_queue_max = RTE_MIN(whole->tx_queue_max, part->tx_queue_max);
	whole->spreads_flows &= part->spreads_flows;
	whole->rx_queues_fixed |= part->rx_queues_fixed;
	whole->queues_paired |= part->queues_paired;
}

static void limit_by_parts(const struct app *app, struct port_limits *limits)
{
	struct port_limits part;
	uint16_t port_id;

	RTE_ETH_FOREACH_DEV(port_id)
	{
		char name[RTE_ETH_NAME_MAX_LEN], served[RTE_ETH_NAME_MAX_LEN];
		const char *whole;

		if (rte_eth_dev_get_name_by_port(port_id, name) || !(whole = whole_of(app, name)) ||
			port_limits(port_id, &part))
			continue;
		for (unsigned p = 0; p < app->port_count; p++) {
			if (rte_eth_dev_get_name_by_port(app->port[p].port_id, served))
				continue;
			if (strncmp(whole, served, strcspn(whole, ",")) == 0)
				limit_by_part(&limits[p], &part);
		}
	}
}

int app_ports_find(struct app *app, struct port_limits *limits)
{
	uint16_t port_id;

	RTE_ETH_FOREACH_DEV(port_id)
	{
		char name[RTE_ETH_NAME_MAX_LEN];

		if (rte_eth_dev_get_name_by_port(port_id, name) == 0 && whole_of(app, name))
			continue;
		if (app->port_count == APP_PORTS_MAX)
			return fail("more network devices are found than can be served");
		if (port_id >= NET_PORTS_MAX || port_limits(port_id, &limits[app->port_count]))
			return fail("a network device does not describe itself");
		app->port[app->port_count++].port_id = port_id;
	}
	if (app->port_count == 0)
		return fail("no network device: name one with --device (a PCI address bound to "
			    "vfio-pci, or a virtual device)");
	limit_by_parts(app, limits);
	// One found is the one that is meant; several could be anybody's.
	if (app->port_count > 1 && app->cfg.port.device.count == 0) {
		fprintf(stderr,
			"ringcached: %u network devices are found: name those to serve with "
			"--device\n",
			app->port_count);
		return -1;
	}
	return 0;
}

// How many receive queues: none that would stay empty, and none that no one polls.
static unsigned rx_queues(const struct port_limits *limits, unsigned rx_count, unsigned tx_count)
{
	if (!limits->spreads_flows)
		rx_count = 1;
	if (limits->queues_paired && rx_count < tx_count)
		rx_count = tx_count;
	if (limits->rx_queues_fixed)
		rx_count = limits->rx_queue_max;
	return RTE_MIN(rx_count, limits->rx_queue_max);
}

int app_ports_open(
	struct app *app, const struct port_limits *limits, unsigned rx_count, unsigned tx_count)
{
	unsigned room = APP_QUEUES_MAX / app->port_count;

	app->rss_hash = true;
	for (unsigned p = 0; p < app->port_count; p++) {
		unsigned rx = RTE_MIN(rx_queues(&limits[p], rx_count, tx_count), room);
		struct port_conf conf = {
			.rx_queue_count = (uint16_t)rx,
			.tx_queue_count = RTE_MIN(limits[p].tx_queue_max,
				(uint16_t)(limits[p].queues_paired ? rx : tx_count)),
			.rx_descriptors = (uint16_t)app->cfg.port.rx_descriptors,
			.tx_descriptors = (uint16_t)app->cfg.port.tx_descriptors,
			.mtu = (uint16_t)app->cfg.port.mtu,
			.promiscuous = app->cfg.port.promiscuous,
			.pool = app->pool,
		};
		char err[PORT_ERR_SIZE];

		memcpy(conf.rss_key, app->rss_key, sizeof(conf.rss_key));
		if (port_open(app->port[p].port_id, &conf, &app->port[p], err))
			return fail(err);
		app->rss_hash &= app->port[p].rss_hash;
	}
	return 0;
}

int app_ports_start(struct app *app)
{
	char err[PORT_ERR_SIZE];

	for (unsigned p = 0; p < app->port_count; p++)
		if (port_start(&app->port[p], err))
			return fail(err);
	return 0;
}

void app_ports_close(struct app *app)
{
	for (unsigned p = 0; p < app->port_count; p++)
		port_close(&app->port[p]);
}

void app_ports_log(const struct app *app)
{
	for (unsigned i = 0; i < app->port_count; i++) {
		const struct port *p = &app->port[i];

		LOG(INFO,
			"port %s (%s) %02x:%02x:%02x:%02x:%02x:%02x, %u RX and %u TX queues, hash "
			"from %s, checksums from %s",
			p->name, p->driver, p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4],
			p->mac[5], p->rx_queue_count, p->tx_queue_count,
			app->rss_hash ? "the NIC" : "software",
			p->rx_cksum && p->tx_cksum_tcp ? "the NIC" : "software");
	}
}

void app_ports_names(const struct app *app, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned p = 0; p < app->port_count && n < size; p++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", p ? ";" : "", app->port[p].name);
}
