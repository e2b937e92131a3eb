// SPDX-License-Identifier: BSD-3-Clause
// UDP (RFC 768, 1122 4.1): datagrams in and out, closed ports

#include "base/bytes.h"
#include "net/cksum.h"
#include "net/net_priv.h"

#include "base/hotpath.h"

enum net_stat udp_verify(const struct hdr *h, const uint8_t *l4, uint16_t *l4_len, bool trusted)
{
	uint16_t len = load_be16(l4 + 4);
	uint64_t sum;

	if (len < HDR_UDP_LEN || len > h->l4_len)
		return NET_STAT_drop_udp_length;
	*l4_len = len; // the IP payload may be longer: the rest is not data
	if (trusted || load_be16(l4 + 6) == 0)
		return NET_STAT_rx_udp;
	sum = cksum_pseudo(h->src_addr, h->dst_addr, HDR_PROTO_UDP, len);
	if (!cksum_ok(cksum_add(sum, l4, len)))
		return NET_STAT_drop_l4_cksum;
	return NET_STAT_rx_udp;
}

bool udp_input(struct net *net, const struct net_pkt *pkt, struct slice *payload)
{
	DCHECK(pkt->l4_len >= HDR_UDP_LEN);
	if (pkt->src_port == 0) {
		net_count(net, NET_STAT_drop_udp_port);
		return false;
	}
	*payload = (struct slice){pkt->l4 + HDR_UDP_LEN, pkt->l4_len - HDR_UDP_LEN};
	return true;
}

void udp_output(struct net *net, struct rte_mbuf *m, const struct net_path *path, uint16_t src_port,
	uint16_t dst_port)
{
	uint8_t *udp = (uint8_t *)rte_pktmbuf_prepend(m, HDR_UDP_LEN);

	if (unlikely_(!udp)) {
		net_drop(net, m, NET_STAT_tx_no_headroom);
		return;
	}
	store_be16(udp, src_port);
	store_be16(udp + 2, dst_port);
	store_be16(udp + 4, (uint16_t)rte_pktmbuf_pkt_len(m));
	net_output(net, m, path, HDR_PROTO_UDP);
}

void udp_closed(struct net *net, struct net_pkt *pkt, uint64_t now_us)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(pkt->m, const uint8_t *, pkt->m->l2_len);

	// RFC 1122 4.1.3.1; broadcasts, fragments and impossible sources (3.2.2) did not
	// come this far.
	if (net->conf.udp_port_unreachable)
		icmp_port_unreachable(
			net, &pkt->path, ip, (uint16_t)(pkt->m->l3_len + pkt->l4_len), now_us);
	net_drop(net, pkt->m, NET_STAT_drop_udp_closed);
	pkt->m = NULL;
}
