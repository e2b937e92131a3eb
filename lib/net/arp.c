// SPDX-License-Identifier: BSD-3-Clause
// ARP of a host that only answers: replies, announcements, address conflicts (RFC 826, 5227)

#include "base/bytes.h"
#include "net/net_priv.h"

#include "base/hotpath.h"

// Offsets in the 28 bytes of an ARP packet for IPv4 over Ethernet (RFC 826).
enum {
	ARP_HTYPE = 0,
	ARP_PTYPE = 2,
	ARP_HLEN = 4,
	ARP_PLEN = 5,
	ARP_OP = 6,
	ARP_SHA = 8,
	ARP_SPA = 14,
	ARP_THA = 18,
	ARP_TPA = 24,
};

enum { ARP_OP_REQUEST = 1, ARP_OP_REPLY = 2 };

static const uint8_t mac_any[6];

static bool arp_send(struct net *net, const struct net_path *path, uint16_t op, uint32_t spa,
	const uint8_t *tha, uint32_t tpa)
{
	struct rte_mbuf *m = net_alloc(net);
	uint8_t *p;

	if (!m)
		return false;
	p = (uint8_t *)rte_pktmbuf_append(m, HDR_ARP_LEN); // fits: conf_ok wants room for an MTU
	store_be16(p + ARP_HTYPE, 1);
	store_be16(p + ARP_PTYPE, HDR_ETHERTYPE_IP4);
	p[ARP_HLEN] = 6;
	p[ARP_PLEN] = 4;
	store_be16(p + ARP_OP, op);
	memcpy(p + ARP_SHA, net_mac(net, path->port), 6);
	store_be32(p + ARP_SPA, spa);
	memcpy(p + ARP_THA, tha, 6);
	store_be32(p + ARP_TPA, tpa);
	eth_output(net, m, path, HDR_ETHERTYPE_ARP);
	return true;
}

// RFC 5227 2.3: a request for the own address from the own address.
static void arp_announce(struct net *net, const struct net_path *path, uint32_t addr)
{
	if (arp_send(net, path, ARP_OP_REQUEST, addr, mac_any, addr))
		net_count(net, NET_STAT_arp_announcements);
}

void arp_poll(struct net *net, uint64_t now_us)
{
	struct net_path everybody = {.mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	unsigned port_count = net->conf.port_count ? net->conf.port_count : 1;

	for (unsigned p = 0; p < port_count; p++) {
		everybody.port = (uint8_t)net->conf.port[p].port_id;
		for (unsigned i = 0; i < net->conf.addr_count; i++)
			arp_announce(net, &everybody, net->conf.addr[i]);
	}
	net->announce_left--;
	net->announce_due_us = net->announce_left ? now_us + ARP_ANNOUNCE_INTERVAL_US : UINT64_MAX;
}

static bool arp_well_formed(const uint8_t *frame, const uint8_t *p)
{
	return load_be16(p + ARP_HTYPE) == 1 && load_be16(p + ARP_PTYPE) == HDR_ETHERTYPE_IP4 &&
	       p[ARP_HLEN] == 6 && p[ARP_PLEN] == 4 &&
	       // Not a group's, and of the station that sent the frame: eth.c refused groups.
	       memcmp(p + ARP_SHA, frame + 6, 6) == 0;
}

// Somebody else uses our address. RFC 5227 2.4 (c): a server keeps it, and says so at
// most once in DEFEND_INTERVAL, in the VLAN where the other was heard.
static void arp_conflict(
	struct net *net, const struct net_path *path, unsigned addr_idx, uint64_t now_us)
{
	struct net_path everybody = *path;

	net_count(net, NET_STAT_arp_conflicts);
	if (now_us < net->defend_next_us[addr_idx])
		return;
	net->defend_next_us[addr_idx] = now_us + ARP_DEFEND_INTERVAL_US;
	memset(everybody.mac, 0xff, sizeof(everybody.mac));
	arp_announce(net, &everybody, net->conf.addr[addr_idx]);
}

// Our own words, perhaps heard by another port of ours on the same wire.
static bool arp_from_us(const struct net *net, const uint8_t *p)
{
	for (unsigned i = 0; i < NET_PORTS_MAX; i++)
		if (memcmp(p + ARP_SHA, net_mac(net, (uint8_t)i), 6) == 0)
			return true;
	return false;
}

void arp_input(struct net *net, struct rte_mbuf *m, const struct hdr *h,
	const struct net_path *path, uint64_t now_us)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *p = frame + h->l3_off;
	uint32_t spa = load_be32(p + ARP_SPA), tpa = load_be32(p + ARP_TPA);
	bool from_us = arp_from_us(net, p);
	int sender_idx;

	net_count(net, NET_STAT_rx_arp);
	if (!arp_well_formed(frame, p) || from_us) {
		net_drop(net, m, NET_STAT_drop_arp);
		return;
	}
	sender_idx = net_addr_find(net, spa);
	if (sender_idx >= 0) {
		arp_conflict(net, path, (unsigned)sender_idx, now_us);
		rte_pktmbuf_free(m);
		return;
	}
	// We keep no neighbours, so replies and other hosts' announcements say nothing to us.
	// A probe (sender address 0, RFC 5227 2.1.1) is answered like any request.
	if (load_be16(p + ARP_OP) != ARP_OP_REQUEST || net_addr_find(net, tpa) < 0) {
		net_drop(net, m, NET_STAT_drop_arp);
		return;
	}
	if (arp_send(net, path, ARP_OP_REPLY, tpa, p + ARP_SHA, spa))
		net_count(net, NET_STAT_arp_replies);
	rte_pktmbuf_free(m);
}
