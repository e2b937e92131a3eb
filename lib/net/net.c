// SPDX-License-Identifier: BSD-3-Clause
// Set-up of struct net: limits, lookup tables, constants of outgoing headers, counters

#include "net/net.h"

#include <stdlib.h>

#include "net/cksum.h"
#include "net/net_priv.h"

static const struct stat_desc net_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "net/net.def"
#undef STAT
};

const struct stats_set net_stats_set = {NET_STATS_MODULE, net_stat_desc, NET_STAT_COUNT};

static uint64_t listener_key(uint32_t addr, uint16_t port, uint8_t ip_proto)
{
	return (uint64_t)addr << 32 | (uint32_t)port << 16 | 1u << 8 | ip_proto;
}

static uint32_t listener_hash(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 55) & (NET_LISTENER_SLOTS - 1);
}

static bool conf_ok(const struct net_conf *conf)
{
	if (conf->addr_count > NET_ADDRS_MAX || conf->listener_count > NET_LISTENERS_MAX)
		return false;
	if (!conf->pool || conf->ttl == 0 || conf->mtu < 576 || (conf->mac[0] & 1))
		return false;
	if (conf->mtu + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(conf->pool))
		return false;
	for (unsigned i = 0; i < conf->addr_count; i++)
		if (conf->addr[i] == 0)
			return false;
	if (conf->port_count > NET_PORTS_MAX)
		return false;
	for (unsigned i = 0; i < conf->port_count; i++)
		if (conf->port[i].port_id >= NET_PORTS_MAX || (conf->port[i].mac[0] & 1))
			return false;
	return true;
}

static void add_addr(struct net *net, unsigned idx)
{
	uint32_t addr = net->conf.addr[idx], i = net_addr_hash(addr);

	if (net_addr_find(net, addr) >= 0)
		return;
	while (net->addr_slot[i])
		i = (i + 1) & (NET_ADDR_SLOTS - 1);
	net->addr_slot[i] = addr;
	net->addr_idx[i] = (uint8_t)idx;
}

static void add_listener(struct net *net, const struct net_listener *l)
{
	uint64_t key = listener_key(l->addr, l->port, l->ip_proto);
	uint32_t i = listener_hash(key);

	while (net->listener_slot[i] && net->listener_slot[i] != key)
		i = (i + 1) & (NET_LISTENER_SLOTS - 1);
	net->listener_slot[i] = key;
}

bool net_listens(const struct net *net, uint32_t addr, uint16_t port, uint8_t ip_proto)
{
	uint64_t key = listener_key(addr, port, ip_proto);
	uint32_t i = listener_hash(key);

	for (; net->listener_slot[i]; i = (i + 1) & (NET_LISTENER_SLOTS - 1))
		if (net->listener_slot[i] == key)
			return true;
	return false;
}

// The words of outgoing IP headers that never change, and the mbuf flags for the port.
static void set_tx_constants(struct net *net)
{
	const struct net_conf *c = &net->conf;

	net->tmpl_sum = cksum_add_be16(0, 0x4500); // version 4, 5 words, DSCP 0
	net->tmpl_sum = cksum_add_be16(net->tmpl_sum, 0x4000); // don't fragment; ID 0 (RFC 6864)
	net->tmpl_sum = cksum_add_be16(net->tmpl_sum, (uint16_t)(c->ttl << 8));
	if (c->tx_cksum_ip4)
		net->tx_flags_ip = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	if (c->tx_cksum_tcp)
		net->tx_flags_tcp = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	if (c->tx_cksum_udp)
		net->tx_flags_udp = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
}

struct net *net_create(const struct net_conf *conf, uint64_t now_us)
{
	struct net *net;

	if (!conf_ok(conf))
		return NULL;
	net = calloc(1, sizeof(*net));
	if (!net)
		return NULL;
	net->conf = *conf;
	for (unsigned i = 0; i < NET_PORTS_MAX; i++)
		memcpy(&net->mac48[i], conf->mac, sizeof(conf->mac));
	for (unsigned i = 0; i < conf->port_count; i++)
		memcpy(&net->mac48[conf->port[i].port_id], conf->port[i].mac, 6);
	for (unsigned i = 0; i < conf->addr_count; i++)
		add_addr(net, i);
	for (unsigned i = 0; i < conf->listener_count; i++)
		add_listener(net, &conf->listener[i]);
	set_tx_constants(net);
	rng_init(&net->rng, conf->seed);
	icmp_init(net, now_us);
	net->announce_left = conf->owns_arp ? ARP_ANNOUNCE_COUNT : 0;
	net->announce_due_us = conf->owns_arp ? now_us : UINT64_MAX;
	return net;
}

void net_destroy(struct net *net)
{
	struct rte_mbuf *m[NET_BURST_MAX];
	unsigned n;

	if (!net)
		return;
	while ((n = net_take_tx(net, m, NET_BURST_MAX)))
		rte_pktmbuf_free_bulk(m, n);
	free(net);
}

const struct net_conf *net_conf(const struct net *net)
{
	return &net->conf;
}

const stat_t *net_stats(const struct net *net)
{
	return net->stats;
}
