// SPDX-License-Identifier: BSD-3-Clause
// Ethernet, VLAN, ARP, IPv4, ICMP echo, UDP: mbufs in, mbufs out, one instance per worker
//
//   net_input   frames -> answers ARP and ICMP itself, gives TCP and UDP packets up
//   net_output  an L4 packet -> IPv4 and Ethernet header, checksums, on the tx vector
//   net_take_tx the tx vector -> whoever owns the NIC queue
//
// There is no neighbour table on the way out: a server only answers, so an answer
// goes to the MAC address (and VLAN, and port) its request came from (struct net_path); a
// connection keeps the path of its SYN and follows later segments.
//
// Threads: one struct net per worker; nothing is shared.
// Memory: struct net is taken at start; mbufs come from conf->pool.
// Limits: NET_ADDRS_MAX addresses, NET_LISTENERS_MAX listeners, NET_TX_MAX packets
//   waiting to be taken. Past them: a counted drop.
// RFC: 826, 5227 (announce, defend), 791, 792, 1122 3.2, 768.
#pragma once

#include <rte_mbuf.h>

#include "base/bytes.h"
#include "net/hdr.h"
#include "stats/stats.h"

#define NET_ADDRS_MAX 64
#define NET_LISTENERS_MAX 128
#define NET_TX_MAX 1024
#define NET_BURST_MAX 64 // most frames per net_input
#define NET_PORTS_MAX 32 // of DPDK's port numbers

// What an lcore that steers leaves in an mbuf for the worker: NET_MBUF_STEERED, the flow hash in
// hash.rss, the time stamp in hash.fdir.hi, and in a traced run its own number in vlan_tci_outer.
// No RX offload of ours uses this flag or these fields.
#define NET_MBUF_STEERED RTE_MBUF_F_RX_FDIR_FLX

// How long ago a steered mbuf was stamped, modulo 4 s. now_ns: the low half of the clock. Another
// lcore may have read it a little before the stamp was made: 0.
static inline uint32_t net_mbuf_age_ns(const struct rte_mbuf *m, uint32_t now_ns)
{
	uint32_t age_ns = now_ns - m->hash.fdir.hi;

	return age_ns < UINT32_MAX - (1u << 28) ? age_ns : 0;
}

struct net_listener {
	uint32_t addr; // host byte order
	uint16_t port;
	uint8_t ip_proto; // HDR_PROTO_TCP or HDR_PROTO_UDP
};

struct net_port {
	uint16_t port_id; // as in an mbuf's field port
	uint8_t mac[6];
};

struct net_conf {
	uint8_t mac[6]; // of every port that is not listed
	// With several ports: theirs. What is sent has the port of its path in the mbuf.
	unsigned port_count;
	struct net_port port[NET_PORTS_MAX];
	unsigned addr_count;
	uint32_t addr[NET_ADDRS_MAX]; // own addresses, host byte order
	unsigned listener_count;
	struct net_listener listener[NET_LISTENERS_MAX];
	uint16_t mtu; // of the IP packet; 1500
	uint8_t ttl; // of what we send; 64
	bool owns_arp; // this worker announces the addresses (one of all)
	bool udp_port_unreachable; // answer closed UDP ports with ICMP; else silence
	uint32_t icmp_rate_pps; // echo replies, and as many errors; the rest is dropped
	bool tx_cksum_ip4; // the port computes it: set mbuf flags instead
	bool tx_cksum_tcp;
	bool tx_cksum_udp;
	struct rte_mempool *pool; // mbufs for what is sent; data room >= mtu + headroom
	uint64_t seed;
};

// Where an answer goes. Addresses in host byte order.
struct net_path {
	uint8_t mac[6]; // the next hop towards remote
	uint8_t port; // where it is: the port the request came in by
	bool tagged;
	bool vlan_ad; // the tag is 802.1ad, not 802.1Q
	uint16_t vlan_tci;
	uint32_t local;
	uint32_t remote;
};

// A packet for TCP or UDP: L4 header and payload verified to lie inside the
// mbuf's first segment, lengths from the IP header, checksum verified.
struct net_pkt {
	struct rte_mbuf *m; // data starts at the Ethernet header
	uint8_t *l4; // in m
	struct net_path path;
	uint32_t flow_hash; // lib/tcp's own
	uint16_t l4_len; // header and payload
	uint16_t src_port; // remote
	uint16_t dst_port; // local
	uint8_t ip_proto;
	bool hashed; // flow_hash is set
};

struct net;

// NULL when out of memory or conf is out of its limits.
struct net *net_create(const struct net_conf *conf, uint64_t now_us);
void net_destroy(struct net *net);
const struct net_conf *net_conf(const struct net *net);

// Take n <= NET_BURST_MAX frames, whatever they are. TCP and UDP packets for our
// addresses go to pkt[] (at most n), in order, and their mbufs are the caller's;
// all others are answered or dropped here. Returns how many.
unsigned net_input(
	struct net *net, struct rte_mbuf **m, unsigned n, struct net_pkt *pkt, uint64_t now_us);

// Timed work: address announcements. Cheap when nothing is due.
void net_poll(struct net *net, uint64_t now_us);

// True if somebody listens there.
bool net_listens(const struct net *net, uint32_t addr, uint16_t port, uint8_t ip_proto);

// An empty mbuf with room for all lower headers in front; NULL counts tx_no_mbuf.
struct rte_mbuf *net_alloc(struct net *net);

// Send m: data is the L4 header and payload, complete but for the checksum, which is
// filled in here (or left to the port). m is gone, whatever happens: a full tx
// vector is a counted drop. dont_fragment is always set (RFC 1191); the packet
// is in one segment and must not exceed the mtu.
void net_output(struct net *net, struct rte_mbuf *m, const struct net_path *path, uint8_t ip_proto);

// UDP (RFC 768). The datagram's payload inside pkt, or false and a counted drop
// (source port 0: there is nowhere to answer); the mbuf stays the caller's. Length and
// checksum were verified by net_input; checksum 0 means none was sent.
bool udp_input(struct net *net, const struct net_pkt *pkt, struct slice *payload);

// Send payload already in m: prepends the UDP header and calls net_output.
void udp_output(struct net *net, struct rte_mbuf *m, const struct net_path *path, uint16_t src_port,
	uint16_t dst_port);

// A UDP packet to a port nobody listens on: port unreachable, or silence. Frees it.
void udp_closed(struct net *net, struct net_pkt *pkt, uint64_t now_us);

// Up to n packets to be sent, oldest first; they are the caller's.
unsigned net_take_tx(struct net *net, struct rte_mbuf **m, unsigned n);

// Packets waiting.
unsigned net_tx_count(const struct net *net);
// The i-th of them, 0 the oldest; NULL past the last (tracing, tests).
const struct rte_mbuf *net_tx_peek(const struct net *net, unsigned i);

// Counters and drop reasons: net.def.
#define NET_STATS_MODULE "net"
enum net_stat {
#define STAT(name, kind, help) NET_STAT_##name,
#include "net/net.def"
#undef STAT
	NET_STAT_COUNT
};
extern const struct stats_set net_stats_set;
const stat_t *net_stats(const struct net *net);
