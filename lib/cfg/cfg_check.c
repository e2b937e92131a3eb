// SPDX-License-Identifier: BSD-3-Clause
// What must hold between options, one clear line each, with the way out

#include "cfg/cfg.h"

#include <inttypes.h>
#include <string.h>

#include "cfg/cfg_table.h"

#define WHERE "ringcached: configuration: "

static bool has_eal_flag(const struct cfg *cfg, const char *flag)
{
	for (unsigned i = 0; i < cfg->eal.count; i++)
		if (strcmp(cfg->eal.arg[i], flag) == 0)
			return true;
	return false;
}

static int check_server(const struct cfg *cfg, char *err)
{
	const struct cfg_server *s = &cfg->server;

	if (s->listen.count == 0)
		return cfg_fail(err,
			WHERE "no address to serve: set listen (-l 192.0.2.10), an IPv4 "
			      "address that no other host and no kernel interface uses");
	if (s->tcp_port == 0 && s->udp_port == 0)
		return cfg_fail(err, WHERE "tcp-port and udp-port are both 0: nothing to serve");
	// A port of its own that equals the common one names the same listener twice.
	for (unsigned i = 0; i < s->listen.count; i++)
		for (unsigned j = 0; j < s->listen.count; j++)
			if (i != j && s->listen.item[i].addr == s->listen.item[j].addr &&
				s->listen.item[i].port == 0 &&
				(s->listen.item[j].port == s->tcp_port ||
					s->listen.item[j].port == s->udp_port))
				return cfg_fail(err,
					WHERE "listen names port %u of one address twice",
					s->listen.item[j].port);
	return 0;
}

static int check_rebalance(const struct cfg *cfg, char *err)
{
	const struct cfg_server *s = &cfg->server;

	if (!s->rebalance)
		return 0;
	if (s->mode == CFG_MODE_rtc || s->mode == CFG_MODE_hybrid)
		return cfg_fail(err, WHERE "rebalance is for mode = dispatch");
	if (s->steer != CFG_STEER_hash)
		return cfg_fail(err, WHERE "rebalance is for steer = hash");
	if (s->rx_lcores != 1)
		return cfg_fail(
			err, WHERE "rebalance needs one RX lcore, rx-lcores is %u", s->rx_lcores);
	return 0;
}

static int check_memory(const struct cfg *cfg, char *err)
{
	uint64_t bytes = (uint64_t)cfg->memory.memory_mb << 20;

	if (cfg->memory.item_size_max > bytes / 4)
		return cfg_fail(err,
			WHERE "item-size-max (%" PRIu64
			      ") is more than a quarter of memory-mb (%u)",
			cfg->memory.item_size_max, cfg->memory.memory_mb);
	if (cfg->memory.hugepages == CFG_HUGEPAGES_require && has_eal_flag(cfg, "--no-huge"))
		return cfg_fail(
			err, WHERE "hugepages = require contradicts the EAL argument --no-huge");
	return 0;
}

static int check_port(const struct cfg *cfg, char *err)
{
	const struct cfg_port *p = &cfg->port;
	const struct cfg_server *s = &cfg->server;
	uint64_t queues = s->threads > s->rx_lcores ? s->threads : s->rx_lcores, need;

	if (p->ring_size & (p->ring_size - 1))
		return cfg_fail(err, WHERE "ring-size (%u) is not a power of two", p->ring_size);
	// Full rings and queues must leave buffers to receive into, or nothing moves again.
	need = queues * p->rx_descriptors + (uint64_t)s->threads * p->tx_descriptors;
	if (p->mbufs <= need)
		return cfg_fail(err,
			WHERE "mbufs (%u) cannot fill the descriptors of %u threads: set more than "
			      "%" PRIu64,
			p->mbufs, s->threads, need);
	if (cfg->tcp.mss_min + 40 > p->mtu)
		return cfg_fail(err, WHERE "mss-min (%u) does not fit into mtu (%u) less 40",
			cfg->tcp.mss_min, p->mtu);
	return 0;
}

static int check_tcp(const struct cfg *cfg, char *err)
{
	if (cfg->tcp.send_buffer > ((uint64_t)cfg->tcp.send_memory_mb << 20) / 2)
		return cfg_fail(err,
			WHERE "send-buffer (%" PRIu64 ") is more than half of send-memory-mb (%u)",
			cfg->tcp.send_buffer, cfg->tcp.send_memory_mb);
	return 0;
}

static int check_udp(const struct cfg *cfg, char *err)
{
	unsigned count = cfg->udp.udp_allow.count + cfg->udp.udp_trust.count;

	if (cfg->server.udp_port && count == 0)
		return cfg_fail(err,
			WHERE "udp-port is %u but no client may use it: name their prefixes, "
			      "as udp-allow = 192.0.2.0/24",
			cfg->server.udp_port);
	if (count > CFG_PREFIXES_MAX)
		return cfg_fail(err, WHERE "udp-allow and udp-trust have more than %d prefixes",
			CFG_PREFIXES_MAX);
	return 0;
}

int cfg_check(const struct cfg *cfg, char err[CFG_ERR_SIZE])
{
	if (check_server(cfg, err) || check_rebalance(cfg, err) || check_memory(cfg, err) ||
		check_port(cfg, err) || check_tcp(cfg, err) || check_udp(cfg, err))
		return -1;
	return 0;
}
