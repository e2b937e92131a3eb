// SPDX-License-Identifier: BSD-3-Clause
// The file conf of a packet row

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "support/rowconf.h"

#include <stdlib.h>
#include <string.h>

static void remove_listener(struct net_conf *net, uint8_t ip_proto)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < net->listener_count; i++)
		if (net->listener[i].ip_proto != ip_proto)
			net->listener[kept++] = net->listener[i];
	net->listener_count = kept;
}

static void show(struct pkttext_conf *text, const char *what)
{
	if (strcmp(what, "mac") == 0)
		text->mac = true;
	else if (strcmp(what, "ip") == 0)
		text->ip = true;
	else if (strcmp(what, "absolute") == 0)
		text->absolute = true;
	else
		fail_msg("show %s: unknown", what);
}

// Settings that are one number and go to one place.
static bool set_number(struct worker_conf *w, struct workerrig *rig, const char *name, uint32_t v)
{
	const struct {
		const char *name;
		uint32_t *to;
	} settings[] = {
		{"connections", &w->conn.max_connections},
		{"idle-timeout-s", &w->conn.idle_timeout_s},
		{"udp-rate", &w->conn.udp_reply_rate_bytes},
		{"udp-max", &w->conn.udp_reply_max_bytes},
		{"icmp-rate", &w->net.icmp_rate_pps},
		{"item-size-max", &rig->store_conf.item_size_max},
		{"requests-per-event", &w->conn.requests_per_event},
		{"out-limit", &w->conn.out_limit},
		{"rcv-buf", &w->tcp.rcv_buf_size},
	};

	for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(name, settings[i].name) == 0) {
			*settings[i].to = v;
			return true;
		}
	}
	return false;
}

static void set(struct rowconf *c, struct workerrig *rig, const char *name, const char *value)
{
	struct worker_conf *w = &rig->conf;
	uint32_t v = (uint32_t)strtoul(value, NULL, 10);

	if (strcmp(name, "linger-ms") == 0)
		c->linger_us = v * 1000ULL;
	else if (strcmp(name, "show") == 0)
		show(&c->text, value);
	else if (strcmp(name, "udp") == 0)
		remove_listener(&w->net, HDR_PROTO_UDP);
	else if (strcmp(name, "tcp") == 0)
		remove_listener(&w->net, HDR_PROTO_TCP);
	else if (strcmp(name, "port-unreachable") == 0)
		w->net.udp_port_unreachable = true;
	else if (strcmp(name, "owns-arp") == 0)
		w->net.owns_arp = true;
	else if (strcmp(name, "time-wait-ms") == 0)
		w->tcp.time_wait_us = v * 1000;
	else if (strcmp(name, "keepalive-ms") == 0)
		w->tcp.keepalive_us = v * 1000;
	else if (strcmp(name, "mtu") == 0)
		w->net.mtu = (uint16_t)v;
	else if (strcmp(name, "tcbs") == 0)
		w->tcp.conn_count_max = w->conn.conn_count_max = v;
	else if (!set_number(w, rig, name, v))
		fail_msg("unknown setting: %s %s", name, value);
}

void rowconf_read(struct rowconf *c, struct workerrig *rig, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256], name[64], value[64];

	*c = (struct rowconf){.linger_us = 1000000, .text = {.port = WORKERRIG_PORT}};
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (sscanf(line, "%63s %63s", name, value) != 2)
			fail_msg("%s: not a name and a value: %s", path, line);
		set(c, rig, name, value);
	}
	if (f)
		fclose(f);
}
