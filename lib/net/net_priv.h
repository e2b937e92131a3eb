// SPDX-License-Identifier: BSD-3-Clause
// struct net and what the files of lib/net call in each other
#pragma once

#include "base/check.h"
#include "base/rng.h"
#include "base/siphash.h"
#include "net/net.h"

#define NET_ADDR_SLOTS 256 // power of two, several times NET_ADDRS_MAX
#define NET_LISTENER_SLOTS 512 // the same of NET_LISTENERS_MAX
#define NET_ERROR_BUCKETS 256

#define ARP_ANNOUNCE_COUNT 2 // RFC 5227 1.1
#define ARP_ANNOUNCE_INTERVAL_US 2000000
#define ARP_DEFEND_INTERVAL_US 10000000

_Static_assert(NET_ADDR_SLOTS >= 2 * NET_ADDRS_MAX);
_Static_assert(NET_LISTENER_SLOTS >= 2 * NET_LISTENERS_MAX);

// A token bucket that holds one second's worth. Time may not run backwards.
struct net_bucket {
	uint64_t credit; // tokens times 1,000,000
	uint64_t last_us;
};

struct net {
	// read for each packet
	uint64_t tmpl_sum; // checksum of the constant words of the IP header
	uint64_t tx_flags_tcp, tx_flags_udp, tx_flags_ip; // mbuf offload flags
	uint32_t addr_slot[NET_ADDR_SLOTS]; // open addressing; 0: empty
	uint8_t addr_idx[NET_ADDR_SLOTS]; // index in conf.addr
	uint64_t listener_slot[NET_LISTENER_SLOTS]; // addr, port, protocol; 0: empty
	uint64_t mac48[NET_PORTS_MAX]; // own MACs, six bytes as loaded from a frame

	// packets waiting for net_take_tx: a ring
	uint32_t tx_first, tx_count;
	struct rte_mbuf *tx[NET_TX_MAX];

	// timed
	uint64_t announce_due_us; // UINT64_MAX: nothing
	unsigned announce_left;
	uint64_t defend_next_us[NET_ADDRS_MAX];
	struct net_bucket echo_bucket;
	struct net_bucket error_bucket;
	struct net_bucket error_dst_bucket[NET_ERROR_BUCKETS]; // by hash of the destination
	struct siphash_key error_key;
	struct rng rng;

	struct net_conf conf;
	stat_t stats[NET_STAT_COUNT];
};

static inline void net_count(struct net *net, enum net_stat stat)
{
	stat_inc(&net->stats[stat]);
}

static inline void net_drop(struct net *net, struct rte_mbuf *m, enum net_stat reason)
{
	net_count(net, reason);
	rte_pktmbuf_free(m);
}

static inline uint32_t net_addr_hash(uint32_t addr)
{
	return addr * 0x9e3779b1u >> 24;
}

// Index of addr in conf.addr, or -1.
static inline int net_addr_find(const struct net *net, uint32_t addr)
{
	uint32_t i = net_addr_hash(addr);

	for (; net->addr_slot[i]; i = (i + 1) & (NET_ADDR_SLOTS - 1))
		if (net->addr_slot[i] == addr)
			return net->addr_idx[i];
	return -1;
}

// The hardware says so, or there never was one on a wire: trusted. UNKNOWN is checked
// in software, and so is BAD: some NICs say it of good packets (padding, no checksum).
static inline bool net_ip_cksum_trusted(const struct rte_mbuf *m)
{
	uint64_t f = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	return f == RTE_MBUF_F_RX_IP_CKSUM_GOOD || f == RTE_MBUF_F_RX_IP_CKSUM_NONE;
}

static inline bool net_l4_cksum_trusted(const struct rte_mbuf *m)
{
	uint64_t f = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return f == RTE_MBUF_F_RX_L4_CKSUM_GOOD || f == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

// The index of a frame's port; what is not one of DPDK's numbers has one too.
static inline uint8_t net_port_of(const struct rte_mbuf *m)
{
	return m->port & (NET_PORTS_MAX - 1);
}

static inline const uint8_t *net_mac(const struct net *net, uint8_t port)
{
	return (const uint8_t *)&net->mac48[port];
}

// eth.c: prepend the Ethernet header (path->mac, tag) and put m on the tx vector.
void eth_output(
	struct net *net, struct rte_mbuf *m, const struct net_path *path, uint16_t ethertype);
// eth.c: room for l2_len + more bytes of header, the Ethernet header written; NULL: m is
// freed and counted.
uint8_t *eth_prepend(struct net *net, struct rte_mbuf *m, const struct net_path *path,
	uint16_t ethertype, uint16_t l3_len);
void eth_enqueue(struct net *net, struct rte_mbuf *m);

// arp.c: takes m.
void arp_input(struct net *net, struct rte_mbuf *m, const struct hdr *h,
	const struct net_path *path, uint64_t now_us);
void arp_poll(struct net *net, uint64_t now_us);

// ip4.c: true: pkt is filled for the caller of net_input; else m was dealt with.
bool ip4_input(struct net *net, struct rte_mbuf *m, const struct hdr *h, struct net_path *path,
	struct net_pkt *pkt, uint64_t now_us);

// icmp.c: takes m.
void icmp_input(struct net *net, struct rte_mbuf *m, const struct hdr *h,
	const struct net_path *path, uint64_t now_us);
// Port unreachable about the IP packet at ip[0..len), within the rate limit.
void icmp_port_unreachable(struct net *net, const struct net_path *path, const uint8_t *ip,
	uint16_t len, uint64_t now_us);
void icmp_init(struct net *net, uint64_t now_us);

// udp.c: NET_STAT_rx_udp, or the reason to drop the datagram at l4[0..*l4_len); sets
// *l4_len to the UDP length.
enum net_stat udp_verify(const struct hdr *h, const uint8_t *l4, uint16_t *l4_len, bool trusted);
