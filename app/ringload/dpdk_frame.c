// SPDX-License-Identifier: BSD-3-Clause
// Frames of the DPDK engine: Ethernet, IPv4, UDP and TCP around a request, and off a reply

#include "base/bytes.h"
#include "net/cksum.h"

#include "dpdk.h"

#include "base/hotpath.h"

#define TTL 64
#define IP_DF 0x4000

enum { IP = HDR_ETH_LEN, UDP = HDR_ETH_LEN + HDR_IP4_LEN };

void dpdk_frame_init(struct dpdk_io *io)
{
	const struct options *o = &io->st->run->opt;
	uint8_t *h = io->head;

	memset(h, 0, DPDK_HEAD_LEN);
	memcpy(h, io->st->server_mac, 6);
	memcpy(h + 6, io->st->port.mac, 6);
	store_be16(h + 12, HDR_ETHERTYPE_IP4);
	h[IP] = 0x45;
	store_be16(h + IP + 6, IP_DF);
	h[IP + 8] = TTL;
	h[IP + 9] = o->engine == ENGINE_DPDK_TCP ? HDR_PROTO_TCP : HDR_PROTO_UDP;
	store_be32(h + IP + 12, o->client_addr);
	store_be32(h + IP + 16, o->server_addr);
	store_be16(h + UDP + 2, o->server_port);
}

void dpdk_frame_finish(struct dpdk_io *io, struct rte_mbuf *m, uint16_t src_port, uint32_t len)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t udp_len = (uint16_t)(HDR_UDP_LEN + len), cksum;
	const struct options *o = &io->st->run->opt;

	memcpy(f, io->head, DPDK_HEAD_LEN);
	store_be16(f + IP + 2, (uint16_t)(HDR_IP4_LEN + udp_len));
	store_be16(f + IP + 4, io->ip_id++);
	cksum_store(f + IP + 10, (uint16_t)~cksum_fold(cksum_add(0, f + IP, HDR_IP4_LEN)));
	store_be16(f + UDP, src_port);
	store_be16(f + UDP + 4, udp_len);
	cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(o->client_addr, o->server_addr, HDR_PROTO_UDP, udp_len),
			f + UDP, udp_len));
	// RFC 768: a computed zero is sent as all ones; zero says "no checksum".
	cksum_store(f + UDP + 6, cksum ? cksum : 0xffff);
	m->data_len = (uint16_t)(DPDK_HEAD_LEN + len);
	m->pkt_len = m->data_len;
}

void dpdk_frame_finish_tcp(struct dpdk_io *io, struct rte_mbuf *m, uint32_t len)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	const struct options *o = &io->st->run->opt;
	uint64_t sum = cksum_pseudo(o->client_addr, o->server_addr, HDR_PROTO_TCP, (uint16_t)len);

	memcpy(f, io->head, DPDK_IP_END);
	store_be16(f + IP + 2, (uint16_t)(HDR_IP4_LEN + len));
	store_be16(f + IP + 4, io->ip_id++);
	cksum_store(f + IP + 10, (uint16_t)~cksum_fold(cksum_add(0, f + IP, HDR_IP4_LEN)));
	cksum_store(
		f + DPDK_IP_END + 16, (uint16_t)~cksum_fold(cksum_add(sum, f + DPDK_IP_END, len)));
	m->data_len = (uint16_t)(DPDK_IP_END + len);
	m->pkt_len = m->data_len;
}

static bool tcp_cksum_ok(const struct rte_mbuf *m, const uint8_t *f, const struct hdr *h)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return cksum_ok(cksum_add(cksum_pseudo(h->src_addr, h->dst_addr, HDR_PROTO_TCP, h->l4_len),
		f + h->l4_off, h->l4_len));
}

static bool udp_cksum_ok(const struct rte_mbuf *m, const uint8_t *f, const struct hdr *h)
{
	uint16_t udp_len = load_be16(f + h->l4_off + 4), cksum = load_be16(f + h->l4_off + 6);

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
		cksum == 0)
		return true;
	return cksum_ok(cksum_add(cksum_pseudo(h->src_addr, h->dst_addr, HDR_PROTO_UDP, udp_len),
		f + h->l4_off, udp_len));
}

enum dpdk_frame dpdk_frame_parse(const struct dpdk_state *st, struct rte_mbuf *m, struct hdr *h)
{
	const struct options *o = &st->run->opt;
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	enum hdr_kind kind = hdr_parse(h, f, m->data_len, false);
	bool tcp = o->engine == ENGINE_DPDK_TCP;
	uint16_t udp_len;

	if (kind == HDR_ARP)
		return DPDK_FRAME_ARP;
	if (kind != (tcp ? HDR_IP4_TCP : HDR_IP4_UDP))
		return DPDK_FRAME_OTHER;
	if (h->dst_addr != o->client_addr || h->src_addr != o->server_addr ||
		h->src_port != o->server_port || h->dst_port < o->src_port ||
		h->dst_port >= o->src_port + o->src_port_count)
		return DPDK_FRAME_OTHER;
	if (tcp)
		return tcp_cksum_ok(m, f, h) ? DPDK_FRAME_REPLY : DPDK_FRAME_BAD_CKSUM;
	udp_len = load_be16(f + h->l4_off + 4);
	if (udp_len < HDR_UDP_LEN || udp_len > h->l4_len || !udp_cksum_ok(m, f, h))
		return DPDK_FRAME_BAD_CKSUM;
	h->l4_len = udp_len;
	return DPDK_FRAME_REPLY;
}
