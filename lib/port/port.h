// SPDX-License-Identifier: BSD-3-Clause
// Ethernet devices: the only code that calls rte_eth_*
//
// Any PMD that EAL offers. What a device can do is probed; what it lacks is done in
// software by the layers above: port_open says in struct port what was granted. Calls
// that virtual devices answer with -ENOTSUP (MTU, promiscuous, allmulticast) are not fatal.
//
// Threads: open, start, stop, close by the control lcore. A (port, queue) pair belongs to
// one lcore; port_rx_burst and port_tx_burst are inline wrappers without any state.
// Errors: 0 or -errno, and err gets one sentence.
#pragma once

#include <rte_ethdev.h>

#include "stats/stats.h"

#define PORT_ERR_SIZE 160
#define PORT_RSS_KEY_LEN 40

struct port_conf {
	uint16_t rx_queue_count; // wanted; fewer may be granted
	uint16_t tx_queue_count;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t mtu;
	bool promiscuous;
	uint8_t rss_key[PORT_RSS_KEY_LEN];
	struct rte_mempool *pool;
};

struct port {
	uint16_t port_id;
	char name[RTE_ETH_NAME_MAX_LEN];
	char driver[64];
	uint8_t mac[6];
	int socket_id;
	uint16_t rx_queue_count; // granted
	uint16_t tx_queue_count;
	bool rss_hash; // mbufs carry a Toeplitz hash made with conf.rss_key
	bool rx_cksum; // mbufs tell whether checksums are good
	bool tx_cksum_ip4, tx_cksum_tcp, tx_cksum_udp;
	struct rte_mempool *pool; // conf's
	stat_t *stat; // PORT_STAT_COUNT, written by port_stats_update
};

// What a device offers, before it is configured.
struct port_limits {
	uint16_t rx_queue_max;
	uint16_t tx_queue_max;
	bool spreads_flows; // with more than one RX queue: a flow stays on its queue
	bool rx_queues_fixed; // packets arrive on all rx_queue_max queues, whatever is configured
	bool queues_paired; // as many RX as TX queues, or the device refuses
};
int port_limits(uint16_t port_id, struct port_limits *limits);

// Configure and set up all queues.
int port_open(
	uint16_t port_id, const struct port_conf *conf, struct port *port, char err[PORT_ERR_SIZE]);
int port_start(struct port *port, char err[PORT_ERR_SIZE]);

// Wait until the link is up, at most timeout_ms. A device that does not report a link
// state counts as up.
bool port_wait_link(const struct port *port, unsigned timeout_ms);

// Fill the redirection table: entry i -> queue bucket_queue[i % bucket_count]. -ENOTSUP where
// the device has none.
int port_set_reta(const struct port *port, const uint16_t *bucket_queue, unsigned bucket_count);

void port_close(struct port *port);

static inline uint16_t port_rx_burst(
	uint16_t port_id, uint16_t queue_id, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(port_id, queue_id, m, n);
}

static inline uint16_t port_tx_burst(
	uint16_t port_id, uint16_t queue_id, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_tx_burst(port_id, queue_id, m, n);
}

// Read the device's own counters, and how full its pool is, into port->stat (control lcore,
// now and then).
void port_stats_update(struct port *port);

#define PORT_STATS_MODULE "port"
enum port_stat {
#define STAT(name, kind, help) PORT_STAT_##name,
#include "port/port.def"
#undef STAT
	PORT_STAT_COUNT
};
extern const struct stats_set port_stats_set;
