// SPDX-License-Identifier: BSD-3-Clause
// Frames in and out: MAC filter, VLAN tag, dispatch by type, the transmit vector

#include <rte_prefetch.h>

#include "base/bytes.h"
#include "net/net_priv.h"

#include "base/hotpath.h"

#define MAC48_MASK 0xffffffffffffULL

static uint64_t mac48(const uint8_t *frame)
{
	return load_le64(frame) & MAC48_MASK; // a frame is longer than 8 bytes
}

static void path_of(struct net_path *path, const struct rte_mbuf *m, const struct hdr *h)
{
	bool stripped = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;

	memcpy(path->mac, rte_pktmbuf_mtod_offset(m, const uint8_t *, 6), sizeof(path->mac));
	path->port = net_port_of(m);
	path->tagged = stripped || h->tagged;
	path->vlan_ad = h->vlan_ad;
	path->vlan_tci = stripped ? m->vlan_tci : h->vlan_tci;
	path->local = h->dst_addr;
	path->remote = h->src_addr;
}

// The drop reason of a frame that goes no further, or NET_STAT_rx_packets.
static enum net_stat eth_verdict(
	const struct net *net, const struct rte_mbuf *m, struct hdr *h, bool *group)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	bool stripped = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;

	if (m->data_len < HDR_ETH_LEN)
		return NET_STAT_drop_truncated;
	*group = frame[0] & 1;
	// An answer to a group address would reach everybody.
	if ((!*group && mac48(frame) != net->mac48[net_port_of(m)]) || (frame[6] & 1))
		return NET_STAT_drop_mac;
	switch (hdr_parse(h, frame, m->data_len, net_ip_cksum_trusted(m))) {
	case HDR_BAD:
		return NET_STAT_drop_truncated;
	case HDR_BAD_IP_CKSUM:
		return NET_STAT_drop_ip_cksum;
	case HDR_OTHER:
		return h->l4_off ? NET_STAT_drop_ip_proto : NET_STAT_drop_ethertype;
	case HDR_ARP:
		if (*group && mac48(frame) != MAC48_MASK)
			return NET_STAT_drop_mac;
		break;
	case HDR_IP4_FRAG:
	case HDR_IP4_ICMP:
	case HDR_IP4_TCP:
	case HDR_IP4_UDP:
		if (*group) // RFC 1122 3.3.6: not what a unicast packet comes in
			return NET_STAT_drop_mac;
		break;
	}
	// One tag taken off by the NIC and one in the frame: nested, which we do not speak.
	if (stripped && h->tagged)
		return NET_STAT_drop_ethertype;
	return NET_STAT_rx_packets;
}

static bool eth_input(struct net *net, struct rte_mbuf *m, struct net_pkt *pkt, uint64_t now_us)
{
	struct net_path path;
	enum net_stat verdict;
	struct hdr h;
	bool group;

	if (unlikely_(m->nb_segs > 1) && rte_pktmbuf_linearize(m) != 0) {
		net_drop(net, m, NET_STAT_drop_segments);
		return false;
	}
	verdict = eth_verdict(net, m, &h, &group);
	if (unlikely_(verdict != NET_STAT_rx_packets)) {
		net_drop(net, m, verdict);
		return false;
	}
	path_of(&path, m, &h);
	if (h.kind == HDR_ARP) {
		arp_input(net, m, &h, &path, now_us);
		return false;
	}
	return ip4_input(net, m, &h, &path, pkt, now_us);
}

unsigned net_input(
	struct net *net, struct rte_mbuf **m, unsigned n, struct net_pkt *pkt, uint64_t now_us)
{
	unsigned pkt_count = 0;
	uint64_t bytes = 0;

	DCHECK(n <= NET_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (i + 2 < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 2], void *));
		bytes += rte_pktmbuf_pkt_len(m[i]);
		if (eth_input(net, m[i], &pkt[pkt_count], now_us))
			pkt_count++;
	}
	stat_add(&net->stats[NET_STAT_rx_packets], n);
	stat_add(&net->stats[NET_STAT_rx_bytes], bytes);
	return pkt_count;
}

void net_poll(struct net *net, uint64_t now_us)
{
	if (unlikely_(now_us >= net->announce_due_us))
		arp_poll(net, now_us);
}

struct rte_mbuf *net_alloc(struct net *net)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net->conf.pool);

	if (unlikely_(!m))
		net_count(net, NET_STAT_tx_no_mbuf);
	return m;
}

uint8_t *eth_prepend(struct net *net, struct rte_mbuf *m, const struct net_path *path,
	uint16_t ethertype, uint16_t l3_len)
{
	uint16_t l2_len = HDR_ETH_LEN + (path->tagged ? HDR_VLAN_LEN : 0);
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, l2_len + l3_len);
	uint8_t *l3;

	if (unlikely_(!p)) {
		net_drop(net, m, NET_STAT_tx_no_headroom);
		return NULL;
	}
	l3 = p + l2_len;
	// What was received stays behind; where the data lives does not change.
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	m->port = path->port;
	m->l2_len = l2_len;
	m->l3_len = l3_len;
	memcpy(p, path->mac, 6);
	memcpy(p + 6, net_mac(net, path->port), 6);
	if (path->tagged) {
		store_be16(p + 12, path->vlan_ad ? HDR_ETHERTYPE_QINQ : HDR_ETHERTYPE_VLAN);
		store_be16(p + 14, path->vlan_tci);
	}
	store_be16(l3 - 2, ethertype);
	return l3;
}

void eth_enqueue(struct net *net, struct rte_mbuf *m)
{
	if (unlikely_(net->tx_count == NET_TX_MAX)) {
		net_drop(net, m, NET_STAT_tx_full);
		return;
	}
	net->tx[(net->tx_first + net->tx_count++) & (NET_TX_MAX - 1)] = m;
	net_count(net, NET_STAT_tx_packets);
	stat_add(&net->stats[NET_STAT_tx_bytes], rte_pktmbuf_pkt_len(m));
}

void eth_output(
	struct net *net, struct rte_mbuf *m, const struct net_path *path, uint16_t ethertype)
{
	if (eth_prepend(net, m, path, ethertype, 0))
		eth_enqueue(net, m);
}

unsigned net_take_tx(struct net *net, struct rte_mbuf **m, unsigned n)
{
	unsigned take = n < net->tx_count ? n : net->tx_count;
	unsigned until_end = NET_TX_MAX - net->tx_first;
	unsigned first = take < until_end ? take : until_end;

	memcpy(m, net->tx + net->tx_first, first * sizeof(*m));
	memcpy(m + first, net->tx, (take - first) * sizeof(*m));
	net->tx_first = (net->tx_first + take) & (NET_TX_MAX - 1);
	net->tx_count -= take;
	return take;
}

unsigned net_tx_count(const struct net *net)
{
	return net->tx_count;
}

const struct rte_mbuf *net_tx_peek(const struct net *net, unsigned i)
{
	return i < net->tx_count ? net->tx[(net->tx_first + i) & (NET_TX_MAX - 1)] : NULL;
}
