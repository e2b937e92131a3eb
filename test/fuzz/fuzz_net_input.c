// SPDX-License-Identifier: BSD-3-Clause
// Any frames into struct net: what goes up lies inside, what goes out is right, all is counted
// support: eal frame
//
// Input: records of flags (1 byte), length (1 byte; a longer frame takes the rest
// of the input with FLAG_REST) and that many bytes of frame. Each frame is in a
// heap block of its exact size behind the usual headroom, so that AddressSanitizer
// sees a byte read past it.

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/net.h"
#include "support/eal.h"
#include "support/frame.h"

enum {
	FLAG_REPAIR = 1, // make MAC, addresses and checksums right: reach what is behind them
	FLAG_CKSUM_GOOD = 2,
	FLAG_STRIPPED = 4,
	FLAG_SPLIT = 8,
	FLAG_LATER = 16, // a second passes
	FLAG_REST = 32,
	FLAG_REPAIR_L4 = 64,
};

struct heap_buf {
	struct rte_mbuf_ext_shared_info info;
	uint8_t *buf;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void free_heap_buf(void *addr, void *arg)
{
	struct heap_buf *hb = arg;

	free(hb->buf);
	free(hb);
}

static struct rte_mbuf *exact_mbuf(const uint8_t *p, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(eal_pool());
	struct heap_buf *hb = malloc(sizeof(*hb));
	uint16_t buf_len = (uint16_t)(RTE_PKTMBUF_HEADROOM + len);

	CHECK(m && hb);
	hb->buf = malloc(buf_len);
	CHECK(hb->buf);
	hb->info = (struct rte_mbuf_ext_shared_info){.free_cb = free_heap_buf, .fcb_opaque = hb};
	rte_mbuf_ext_refcnt_set(&hb->info, 1);
	rte_pktmbuf_attach_extbuf(m, hb->buf, RTE_BAD_IOVA, buf_len, &hb->info);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	if (len)
		memcpy(rte_pktmbuf_mtod(m, void *), p, len);
	return m;
}

static struct net *create(void)
{
	struct net_conf conf = {
		.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 1,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_UDP}},
		.mtu = 1500,
		.ttl = 64,
		.owns_arp = true,
		.udp_port_unreachable = true,
		.icmp_rate_pps = 4,
		.pool = eal_pool(),
		.seed = 1,
	};

	memcpy(conf.mac, frame_our_mac, sizeof(conf.mac));
	return net_create(&conf, 1);
}

static void repair(struct frame *f, bool l4_too)
{
	struct hdr h;

	if (f->len >= HDR_ETH_LEN) {
		memcpy(f->b, frame_our_mac, 6);
		f->b[6] &= 0xfe;
	}
	hdr_parse(&h, f->b, f->len, true);
	if (h.l4_off == 0)
		return;
	f->l3 = h.l3_off;
	f->l4 = h.l4_off;
	store_be32(f->b + f->l3 + 16, FRAME_OUR_ADDR);
	frame_fix_ip(f);
	if (l4_too && (h.kind == HDR_IP4_TCP || h.kind == HDR_IP4_UDP || h.kind == HDR_IP4_ICMP))
		frame_fix_l4(f);
}

// Packets given up: inside their mbuf, consistent, and used as their users would.
static void use_packet(struct net *net, struct net_pkt *pkt, uint64_t now_us)
{
	const uint8_t *start = rte_pktmbuf_mtod(pkt->m, const uint8_t *);
	struct slice payload;

	CHECK(pkt->m->nb_segs == 1);
	CHECK(pkt->l4 >= start + 34 && pkt->l4 + pkt->l4_len <= start + pkt->m->data_len);
	CHECK(pkt->path.local == FRAME_OUR_ADDR && pkt->path.remote != FRAME_OUR_ADDR);
	CHECK(pkt->l4_len >= (pkt->ip_proto == HDR_PROTO_TCP ? HDR_TCP_LEN : HDR_UDP_LEN));
	if (pkt->ip_proto == HDR_PROTO_UDP) {
		if (!net_listens(net, pkt->path.local, pkt->dst_port, HDR_PROTO_UDP)) {
			udp_closed(net, pkt, now_us);
			return;
		}
		if (udp_input(net, pkt, &payload))
			CHECK(payload.p + payload.len <= start + pkt->m->data_len);
	}
	rte_pktmbuf_free(pkt->m);
}

static void check_sent(struct net *net)
{
	struct rte_mbuf *m;
	struct hdr h;

	while (net_take_tx(net, &m, 1) == 1) {
		CHECK(m->nb_segs == 1 && m->data_len <= 1500 + 18);
		hdr_parse(&h, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, false);
		CHECK(h.kind == HDR_ARP || h.kind == HDR_IP4_ICMP);
		if (h.kind == HDR_IP4_ICMP) {
			uint8_t *icmp = rte_pktmbuf_mtod_offset(m, uint8_t *, h.l4_off);

			CHECK(h.src_addr == FRAME_OUR_ADDR);
			CHECK(h.l4_off + h.l4_len == m->data_len);
			CHECK(frame_cksum(0, icmp, h.l4_len) == 0);
		}
		rte_pktmbuf_free(m);
	}
}

// Every frame went up, was answered or ignored by a rule, or is in one drop counter.
static void check_counters(const struct net *net, uint64_t passed)
{
	const stat_t *c = net_stats(net);
	uint64_t sum = passed;

	for (unsigned i = NET_STAT_drop_truncated; i <= NET_STAT_drop_segments; i++)
		if (i != NET_STAT_drop_udp_closed && i != NET_STAT_drop_udp_port)
			sum += stat_read(&c[i]);
	sum += stat_read(&c[NET_STAT_arp_replies]) + stat_read(&c[NET_STAT_arp_conflicts]);
	sum += stat_read(&c[NET_STAT_icmp_echo_replies]);
	sum += stat_read(&c[NET_STAT_icmp_errors_received]);
	CHECK(sum == stat_read(&c[NET_STAT_rx_packets]));
	CHECK(stat_read(&c[NET_STAT_tx_no_mbuf]) == 0 && stat_read(&c[NET_STAT_tx_full]) == 0);
}

static struct rte_mbuf *build(struct frame *f, uint8_t flags)
{
	struct rte_mbuf *m;

	if (flags & FLAG_REPAIR)
		repair(f, flags & FLAG_REPAIR_L4);
	m = (flags & FLAG_SPLIT) && f->len < RTE_MBUF_DEFAULT_DATAROOM
		    ? frame_mbuf_split(f, f->len / 2)
		    : exact_mbuf(f->b, f->len);
	if (flags & FLAG_CKSUM_GOOD)
		m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (flags & FLAG_STRIPPED) {
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = 5;
	}
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame f;
	unsigned before = eal_pool_in_use();
	struct net *net = create();
	uint64_t now_us = 1, passed = 0;

	CHECK(net);
	while (size >= 2) {
		uint8_t flags = data[0];
		size_t len = flags & FLAG_REST ? size - 2 : data[1];
		struct net_pkt pkt;
		struct rte_mbuf *m;

		len = len < size - 2 ? len : size - 2;
		len = len < FRAME_MAX ? len : FRAME_MAX;
		f.len = len;
		memcpy(f.b, data + 2, len);
		data += 2 + len;
		size -= 2 + len;
		now_us += flags & FLAG_LATER ? 1000000 : 10;
		m = build(&f, flags);
		if (net_input(net, &m, 1, &pkt, now_us) == 1) {
			passed++;
			use_packet(net, &pkt, now_us);
		}
		net_poll(net, now_us);
		check_sent(net);
	}
	check_counters(net, passed);
	net_destroy(net);
	CHECK(eal_pool_in_use() == before);
	return 0;
}
