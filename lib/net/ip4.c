// SPDX-License-Identifier: BSD-3-Clause
// IPv4: which packets are for us and sane (RFC 791, 1122 3.2.1), and the header of ours

#include "base/bytes.h"
#include "net/cksum.h"
#include "net/net_priv.h"

#include "base/hotpath.h"

enum { IPOPT_EOL = 0, IPOPT_NOP = 1, IPOPT_LSRR = 131, IPOPT_SSRR = 137 };

// RFC 1122 3.2.1.3, RFC 9293 MUST-63: no host sends from these.
static bool source_is_impossible(const struct net *net, uint32_t addr)
{
	uint8_t top = addr >> 24;

	return top == 0 || top == 127 || top >= 224 || net_addr_find(net, addr) >= 0;
}

// RFC 7126 4.3, 4.4: no source routes. Other options are skipped unread, but they must
// add up: at most 40 one-byte steps.
static bool options_ok(const uint8_t *opt, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint8_t kind = opt[i], step;

		if (kind == IPOPT_EOL)
			return true;
		if (kind == IPOPT_NOP) {
			i++;
			continue;
		}
		if (kind == IPOPT_LSRR || kind == IPOPT_SSRR || i + 1 >= len)
			return false;
		step = opt[i + 1];
		if (step < 2 || step > len - i)
			return false;
		i += step;
	}
	return true;
}

// NET_STAT_rx_packets, or why the packet is dropped.
static enum net_stat ip4_verdict(const struct net *net, const uint8_t *frame, const struct hdr *h)
{
	size_t ihl = h->l4_off - h->l3_off;

	// Broadcast and multicast destinations are not among our addresses.
	if (net_addr_find(net, h->dst_addr) < 0)
		return NET_STAT_drop_not_ours;
	if (source_is_impossible(net, h->src_addr))
		return NET_STAT_drop_ip_source;
	if (ihl > HDR_IP4_LEN && !options_ok(frame + h->l3_off + HDR_IP4_LEN, ihl - HDR_IP4_LEN))
		return NET_STAT_drop_ip_option;
	if (h->kind == HDR_IP4_FRAG)
		return NET_STAT_drop_fragment;
	return NET_STAT_rx_packets;
}

// RFC 9293 MUST-3: the counter of a good segment, or the reason to drop it.
static enum net_stat tcp_verify(const struct hdr *h, const uint8_t *l4, bool trusted)
{
	uint64_t sum = cksum_pseudo(h->src_addr, h->dst_addr, HDR_PROTO_TCP, h->l4_len);

	if (!trusted && !cksum_ok(cksum_add(sum, l4, h->l4_len)))
		return NET_STAT_drop_l4_cksum;
	return NET_STAT_rx_tcp;
}

bool ip4_input(struct net *net, struct rte_mbuf *m, const struct hdr *h, struct net_path *path,
	struct net_pkt *pkt, uint64_t now_us)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *l4 = frame + h->l4_off;
	uint16_t l4_len = h->l4_len;
	enum net_stat verdict = ip4_verdict(net, frame, h);

	if (unlikely_(verdict != NET_STAT_rx_packets)) {
		net_drop(net, m, verdict);
		return false;
	}
	if (h->kind == HDR_IP4_ICMP) {
		icmp_input(net, m, h, path, now_us);
		return false;
	}
	if (h->kind == HDR_IP4_TCP)
		verdict = tcp_verify(h, l4, net_l4_cksum_trusted(m));
	else
		verdict = udp_verify(h, l4, &l4_len, net_l4_cksum_trusted(m));
	if (unlikely_(verdict != NET_STAT_rx_tcp && verdict != NET_STAT_rx_udp)) {
		net_drop(net, m, verdict);
		return false;
	}
	net_count(net, verdict);
	// For udp_closed, which quotes the packet from its IP header on.
	m->l2_len = h->l3_off;
	m->l3_len = h->l4_off - h->l3_off;
	*pkt = (struct net_pkt){
		.m = m,
		.l4 = l4,
		.l4_len = l4_len,
		.ip_proto = h->ip_proto,
		.path = *path,
		.src_port = h->src_port,
		.dst_port = h->dst_port,
	};
	return true;
}

// Fill in the L4 checksum, or leave it to the port with what DPDK asks for: the
// pseudo-header's sum in the field (rte_mbuf_core.h, RTE_MBUF_F_TX_L4_MASK).
static void l4_cksum(struct net *net, struct rte_mbuf *m, uint8_t *l4, uint16_t l4_len,
	const struct net_path *path, uint8_t ip_proto)
{
	uint64_t flags = 0, sum = 0;
	uint8_t *field;
	uint16_t cksum;

	switch (ip_proto) {
	case HDR_PROTO_TCP:
		field = l4 + 16;
		flags = net->tx_flags_tcp;
		break;
	case HDR_PROTO_UDP:
		field = l4 + 6;
		flags = net->tx_flags_udp;
		break;
	default:
		DCHECK(ip_proto == HDR_PROTO_ICMP);
		field = l4 + 2;
	}
	if (ip_proto != HDR_PROTO_ICMP)
		sum = cksum_pseudo(path->local, path->remote, ip_proto, l4_len);
	if (flags) {
		m->ol_flags |= flags;
		cksum_store(field, cksum_fold(sum));
		return;
	}
	cksum_store(field, 0);
	cksum = (uint16_t)~cksum_fold(cksum_add(sum, l4, l4_len));
	if (ip_proto == HDR_PROTO_UDP && cksum == 0)
		cksum = 0xffff; // RFC 768: zero would say that there is none
	cksum_store(field, cksum);
}

void net_output(struct net *net, struct rte_mbuf *m, const struct net_path *path, uint8_t ip_proto)
{
	uint16_t l4_len = (uint16_t)rte_pktmbuf_pkt_len(m), total = l4_len + HDR_IP4_LEN;
	uint8_t *ip;
	uint64_t sum;

	DCHECK(m->nb_segs == 1 && total <= net->conf.mtu);
	ip = eth_prepend(net, m, path, HDR_ETHERTYPE_IP4, HDR_IP4_LEN);
	if (unlikely_(!ip))
		return;
	l4_cksum(net, m, ip + HDR_IP4_LEN, l4_len, path, ip_proto);
	store_be32(ip, 0x45000000u | total);
	store_be32(ip + 4, 0x4000);
	store_be32(ip + 8, (uint32_t)net->conf.ttl << 24 | (uint32_t)ip_proto << 16);
	store_be32(ip + 12, path->local);
	store_be32(ip + 16, path->remote);
	m->ol_flags |= net->tx_flags_ip;
	if (!net->tx_flags_ip) {
		sum = cksum_add_be16(net->tmpl_sum, total);
		sum = cksum_add_be16(sum, ip_proto);
		sum = cksum_add_be32(cksum_add_be32(sum, path->local), path->remote);
		cksum_store(ip + 10, (uint16_t)~cksum_fold(sum));
	}
	eth_enqueue(net, m);
}
