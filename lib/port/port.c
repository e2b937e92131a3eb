// SPDX-License-Identifier: BSD-3-Clause
// Ethernet devices: probe, configure, start, counters

#include "port/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

LOG_TYPE("port");

#define PORT_RSS_HF (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)
#define PORT_RX_CKSUM \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | \
		RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define PORT_TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
#define PORT_RETA_GROUPS_MAX 16

static const struct stat_desc port_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "port/port.def"
#undef STAT
};

const struct stats_set port_stats_set = {
	.module = PORT_STATS_MODULE,
	.desc = port_stat_desc,
	.count = PORT_STAT_COUNT,
};

static int fail(char err[PORT_ERR_SIZE], const struct port *p, const char *what, int rc)
{
	snprintf(err, PORT_ERR_SIZE, "port %s: %s: %s", p->name, what, strerror(-rc));
	return rc;
}

static bool name_is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

int port_limits(uint16_t port_id, struct port_limits *limits)
{
	// Without RSS, but the kernel below keeps a flow on one queue: AF_PACKET's fanout
	// group hashes flows, AF_XDP and TAP get the kernel's queue choice.
	static const char *const spreading[] = {"net_af_packet", "net_af_xdp", "net_tap", NULL};
	// Their queues are made with the device (qpairs=, queue_count=).
	static const char *const fixed[] = {"net_af_packet", "net_af_xdp", NULL};
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port_id, &info);

	if (rc)
		return rc;
	*limits = (struct port_limits){
		.rx_queue_max = info.max_rx_queues,
		.tx_queue_max = info.max_tx_queues,
		.spreads_flows = (info.flow_type_rss_offloads & PORT_RSS_HF) ||
				 name_is_one_of(info.driver_name, spreading),
		.rx_queues_fixed = name_is_one_of(info.driver_name, fixed),
		.queues_paired = strcmp(info.driver_name, "net_tap") == 0,
	};
	// How many rings there are is for the other end of a memif to say, when it connects;
	// packets on a queue without one would be lost. One there is always.
	if (strcmp(info.driver_name, "net_memif") == 0)
		limits->rx_queue_max = limits->tx_queue_max = 1;
	return 0;
}

static void choose_offloads(const struct port_conf *conf, const struct rte_eth_dev_info *info,
	struct rte_eth_conf *eth, struct port *p)
{
	uint64_t rx = info->rx_offload_capa, tx = info->tx_offload_capa;

	if ((rx & PORT_RX_CKSUM) == PORT_RX_CKSUM) {
		eth->rxmode.offloads |= PORT_RX_CKSUM;
		p->rx_cksum = true;
	}
	eth->txmode.offloads = tx & PORT_TX_OFFLOADS;
	p->tx_cksum_ip4 = tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	p->tx_cksum_tcp = tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	p->tx_cksum_udp = tx & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	if ((info->flow_type_rss_offloads & PORT_RSS_HF) == 0 ||
		(info->hash_key_size != 0 && info->hash_key_size != PORT_RSS_KEY_LEN))
		return;
	eth->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = info->hash_key_size ? (uint8_t *)conf->rss_key : NULL,
		.rss_key_len = info->hash_key_size,
		.rss_hf = info->flow_type_rss_offloads & PORT_RSS_HF,
	};
	eth->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	// The hash is only worth something with our key: steering must agree with software.
	if ((rx & RTE_ETH_RX_OFFLOAD_RSS_HASH) && info->hash_key_size) {
		eth->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
		p->rss_hash = true;
	}
}

static int setup_queues(
	const struct port_conf *conf, struct port *p, uint64_t tx_offloads, char err[PORT_ERR_SIZE])
{
	uint16_t nb_rxd = conf->rx_descriptors, nb_txd = conf->tx_descriptors;
	struct rte_eth_dev_info info;
	struct rte_eth_txconf txconf;
	int rc;

	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &nb_rxd, &nb_txd);
	if (rc)
		return fail(err, p, "descriptor counts", rc);
	rc = rte_eth_dev_info_get(p->port_id, &info);
	if (rc)
		return fail(err, p, "device information", rc);
	txconf = info.default_txconf;
	txconf.offloads = tx_offloads;
	for (uint16_t q = 0; q < p->rx_queue_count; q++) {
		rc = rte_eth_rx_queue_setup(
			p->port_id, q, nb_rxd, (unsigned)p->socket_id, NULL, conf->pool);
		if (rc)
			return fail(err, p, "receive queue", rc);
	}
	for (uint16_t q = 0; q < p->tx_queue_count; q++) {
		rc = rte_eth_tx_queue_setup(p->port_id, q, nb_txd, (unsigned)p->socket_id, &txconf);
		if (rc)
			return fail(err, p, "transmit queue", rc);
	}
	return 0;
}

static void apply_modes(const struct port_conf *conf, const struct port *p)
{
	uint16_t mtu = 0;
	int rc;

	if (rte_eth_dev_get_mtu(p->port_id, &mtu) || mtu != conf->mtu) {
		rc = rte_eth_dev_set_mtu(p->port_id, conf->mtu);
		if (rc && rc != -ENOTSUP)
			LOG(WARNING, "port %s: MTU stays %u, %u wanted: %s", p->name, mtu,
				conf->mtu, strerror(-rc));
	}
	if (conf->promiscuous) {
		rc = rte_eth_promiscuous_enable(p->port_id);
		if (rc)
			LOG(WARNING, "port %s: promiscuous mode: %s", p->name, strerror(-rc));
	}
}

int port_open(
	uint16_t port_id, const struct port_conf *conf, struct port *p, char err[PORT_ERR_SIZE])
{
	struct rte_eth_conf eth = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
	struct rte_eth_dev_info info;
	struct port_limits limits;
	struct rte_ether_addr mac;
	int rc;

	*p = (struct port){.port_id = port_id, .pool = conf->pool};
	if (rte_eth_dev_get_name_by_port(port_id, p->name))
		snprintf(p->name, sizeof(p->name), "%u", port_id);
	rc = rte_eth_dev_info_get(port_id, &info);
	if (rc == 0)
		rc = port_limits(port_id, &limits);
	if (rc)
		return fail(err, p, "device information", rc);
	snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name);
	p->socket_id = rte_eth_dev_socket_id(port_id);
	p->rx_queue_count = RTE_MIN(conf->rx_queue_count, limits.rx_queue_max);
	p->tx_queue_count = RTE_MIN(conf->tx_queue_count, limits.tx_queue_max);
	choose_offloads(conf, &info, &eth, p);
	p->stat = calloc(PORT_STAT_COUNT, sizeof(*p->stat));
	if (!p->stat)
		return fail(err, p, "counters", -ENOMEM);
	rc = rte_eth_dev_configure(port_id, p->rx_queue_count, p->tx_queue_count, &eth);
	if (rc)
		return fail(err, p, "configuration refused", rc);
	// Not before: a bond takes the address of its first slave.
	rc = rte_eth_macaddr_get(port_id, &mac);
	if (rc)
		return fail(err, p, "MAC address", rc);
	memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	rc = setup_queues(conf, p, eth.txmode.offloads, err);
	if (rc)
		return rc;
	apply_modes(conf, p);
	return 0;
}

int port_start(struct port *p, char err[PORT_ERR_SIZE])
{
	int rc = rte_eth_dev_start(p->port_id);

	return rc ? fail(err, p, "start", rc) : 0;
}

bool port_wait_link(const struct port *p, unsigned timeout_ms)
{
	struct rte_eth_link link;

	for (unsigned waited_ms = 0;; waited_ms += 10) {
		if (rte_eth_link_get_nowait(p->port_id, &link) || link.link_status)
			return true;
		if (waited_ms >= timeout_ms)
			return false;
		rte_delay_us_sleep(10000);
	}
}

int port_set_reta(const struct port *p, const uint16_t *bucket_queue, unsigned bucket_count)
{
	struct rte_eth_rss_reta_entry64 reta[PORT_RETA_GROUPS_MAX] = {0};
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->port_id, &info);

	if (rc)
		return rc;
	if (info.reta_size == 0 || info.reta_size > PORT_RETA_GROUPS_MAX * RTE_ETH_RETA_GROUP_SIZE)
		return -ENOTSUP;
	for (unsigned i = 0; i < info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *e = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		e->mask |= 1ULL << (i % RTE_ETH_RETA_GROUP_SIZE);
		e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = bucket_queue[i % bucket_count];
	}
	return rte_eth_dev_rss_reta_update(p->port_id, reta, info.reta_size);
}

void port_close(struct port *p)
{
	if (!p->stat)
		return;
	rte_eth_dev_stop(p->port_id);
	rte_eth_dev_close(p->port_id);
	free(p->stat);
	p->stat = NULL;
}

void port_stats_update(struct port *p)
{
	struct rte_eth_stats s;

	if (rte_eth_stats_get(p->port_id, &s))
		return;
	atomic_store_explicit(&p->stat[PORT_STAT_rx_packets], s.ipackets, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_rx_bytes], s.ibytes, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_rx_missed], s.imissed, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_rx_errors], s.ierrors, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_rx_no_mbuf], s.rx_nombuf, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_tx_packets], s.opackets, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_tx_bytes], s.obytes, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_tx_errors], s.oerrors, memory_order_relaxed);
	atomic_store_explicit(&p->stat[PORT_STAT_mbufs_in_use], rte_mempool_in_use_count(p->pool),
		memory_order_relaxed);
}
