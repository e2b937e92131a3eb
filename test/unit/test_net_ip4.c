// SPDX-License-Identifier: BSD-3-Clause
// IPv4: what is let in, and why the rest is not; headers, checksums and offloads on the way out
// support: netfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ip.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "support/eal.h"
#include "support/netfix.h"

static void open_default(struct netfix *fix)
{
	struct net_conf conf;

	netfix_conf(&conf);
	netfix_open(fix, &conf);
}

static void fills_in_the_packet(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_default(&fix);
	frame_tcp(&f, FRAME_PEER_PORT, FRAME_OUR_PORT, 0x18, "get a\r\n", 7);
	frame_pad(&f, 80, 0x55);
	frame_add_tag(&f, 0x88a8, 100);
	assert_true(netfix_input(&fix, &f, &pkt));
	assert_ptr_equal(pkt.l4, rte_pktmbuf_mtod_offset(pkt.m, uint8_t *, 38));
	assert_int_equal(pkt.l4_len, 27);
	assert_int_equal(pkt.ip_proto, HDR_PROTO_TCP);
	assert_int_equal(pkt.src_port, FRAME_PEER_PORT);
	assert_int_equal(pkt.dst_port, FRAME_OUR_PORT);
	assert_memory_equal(pkt.path.mac, frame_peer_mac, 6);
	assert_true(pkt.path.tagged && pkt.path.vlan_ad);
	assert_int_equal(pkt.path.vlan_tci, 100);
	assert_int_equal(pkt.path.local, FRAME_OUR_ADDR);
	assert_int_equal(pkt.path.remote, FRAME_PEER_ADDR);
	rte_pktmbuf_free(pkt.m);
	assert_int_equal(netfix_stat(&fix, NET_STAT_rx_tcp), 1);
	assert_int_equal(netfix_stat(&fix, NET_STAT_rx_packets), 1);
	assert_int_equal(netfix_stat(&fix, NET_STAT_rx_bytes), 84);
	netfix_close(&fix);
}

static void keeps_the_order_of_a_burst(void **state)
{
	struct rte_mbuf *m[NET_BURST_MAX];
	struct net_pkt pkt[NET_BURST_MAX];
	struct netfix fix;
	struct frame f;
	unsigned n;

	open_default(&fix);
	for (unsigned i = 0; i < NET_BURST_MAX; i++) {
		frame_udp(&f, (uint16_t)(1000 + i), FRAME_OUR_PORT, "x", 1);
		if (i % 3 == 0) // every third is damaged
			f.b[f.len - 1] ^= 1;
		m[i] = frame_mbuf(&f);
	}
	n = net_input(fix.net, m, NET_BURST_MAX, pkt, fix.now_us);
	assert_int_equal(n, 42);
	for (unsigned i = 0, want = 1000; i < n; i++, want++) {
		want += want % 3 == 1; // 1000, 1003, ... are gone
		assert_int_equal(pkt[i].src_port, want);
		rte_pktmbuf_free(pkt[i].m);
	}
	assert_int_equal(netfix_stat(&fix, NET_STAT_drop_l4_cksum), 22);
	netfix_close(&fix);
}

static void filters_addresses(void **state)
{
	static const uint32_t bad_src[] = {0, 0x00ffffff, 0x7f000001, 0x7fffffff, 0xe0000001,
		0xefffffff, 0xf0000000, 0xffffffff, FRAME_OUR_ADDR};
	static const uint32_t bad_dst[] = {
		FRAME_OUR_ADDR + 1, 0, 0xffffffff, 0xe0000001, 0x0affffff, 0x7f000001};
	static const uint32_t good_src[] = {0x01000000, 0x7effffff, 0x80000000, 0xdfffffff};
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	for (size_t i = 0; i < sizeof(bad_src) / sizeof(bad_src[0]); i++) {
		frame_set_addrs(&f, bad_src[i], FRAME_OUR_ADDR);
		netfix_drops(&fix, &f, NET_STAT_drop_ip_source);
	}
	for (size_t i = 0; i < sizeof(bad_dst) / sizeof(bad_dst[0]); i++) {
		frame_set_addrs(&f, FRAME_PEER_ADDR, bad_dst[i]);
		netfix_drops(&fix, &f, NET_STAT_drop_not_ours);
	}
	for (size_t i = 0; i < sizeof(good_src) / sizeof(good_src[0]); i++) {
		frame_set_addrs(&f, good_src[i], FRAME_OUR_ADDR);
		netfix_passes(&fix, &f);
	}
	netfix_close(&fix);
}

static void filters_macs(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	for (unsigned i = 0; i < 48; i++) {
		f.b[i / 8] ^= (uint8_t)(1u << i % 8);
		netfix_drops(&fix, &f, NET_STAT_drop_mac);
		f.b[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	memcpy(f.b, frame_broadcast_mac, 6); // RFC 1122 3.3.6
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	memcpy(f.b, frame_our_mac, 6);
	f.b[6] |= 1;
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	f.b[6] &= 0xfe;
	netfix_passes(&fix, &f);
	netfix_close(&fix);
}

static void says_what_it_does_not_speak(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct rte_mbuf *m;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	store_be16(f.b + 12, 0x86dd);
	netfix_drops(&fix, &f, NET_STAT_drop_ethertype);
	memcpy(f.b, "\x33\x33\x00\x00\x00\x01", 6);
	netfix_drops(&fix, &f, NET_STAT_drop_ethertype);

	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	f.b[f.l3 + 9] = 2;
	frame_fix_ip(&f);
	netfix_drops(&fix, &f, NET_STAT_drop_ip_proto);

	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	f.b[f.l3 + 10] ^= 1;
	netfix_drops(&fix, &f, NET_STAT_drop_ip_cksum);

	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	frame_add_tag(&f, 0x8100, 5);
	m = frame_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	assert_false(netfix_input_mbuf(&fix, m, &pkt));
	netfix_expect_drop(&fix, NET_STAT_drop_ethertype);
	netfix_close(&fix);
}

static void drops_fragments_of_ours_only(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	store_be16(f.b + f.l3 + 6, 0x2000);
	frame_fix_ip(&f);
	netfix_drops(&fix, &f, NET_STAT_drop_fragment);
	store_be32(f.b + f.l3 + 16, FRAME_OUR_ADDR + 9);
	frame_fix_ip(&f);
	netfix_drops(&fix, &f, NET_STAT_drop_not_ours);
	netfix_close(&fix);
}

static void ttl_is_not_looked_at(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
	for (unsigned ttl = 0; ttl < 3; ttl++) {
		f.b[f.l3 + 8] = (uint8_t)ttl;
		frame_fix_ip(&f);
		netfix_passes(&fix, &f);
	}
	netfix_close(&fix);
}

static void options(void **state)
{
	static const struct {
		uint8_t opt[12];
		bool ok;
	} row[] = {
		{{1, 1, 1, 1}, true}, {{0}, true},
		{{0, 131, 7, 4}, true}, // after the end of the list nothing counts
		{{148, 4, 0, 0}, true}, // router alert
		{{7, 7, 4, 0, 0, 0, 0, 0}, true}, // record route
		{{68, 12, 5, 0}, true}, // timestamp, fills the space
		{{131, 7, 4}, false}, {{137, 7, 4}, false}, {{1, 131, 7, 4}, false},
		{{7, 7, 4, 0, 0, 0, 0, 137, 3, 4}, false}, {{148, 0}, false}, {{148, 1}, false},
		{{148, 13}, false}, // past the header
		{{148, 255}, false},
		{{1, 1, 1, 1, 148, 9}, false}, // past the header from where it stands
		{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 148}, false}, // no room for its length
	};
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		frame_udp(&f, 1, FRAME_OUR_PORT, "x", 1);
		frame_add_options(&f, row[i].opt, sizeof(row[i].opt));
		if (row[i].ok)
			netfix_passes(&fix, &f);
		else
			netfix_drops(&fix, &f, NET_STAT_drop_ip_option);
	}
	netfix_close(&fix);
}

// Random option bytes at every header length: either passed up whole or dropped for
// that reason, nothing else.
static void random_options(void **state)
{
	unsigned passed = 0, dropped = 0;
	struct netfix fix;
	struct frame f;
	struct rng rng;

	open_default(&fix);
	rng_init(&rng, 11);
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = 4 * rng_below(&rng, 11);
		struct net_pkt pkt;
		uint8_t opt[40];

		for (size_t j = 0; j < len; j++)
			opt[j] = (uint8_t)(i & 1 ? rng_below(&rng, 9) : rng_next(&rng));
		frame_udp(&f, 1, FRAME_OUR_PORT, "abc", 3);
		frame_add_options(&f, opt, len);
		if (netfix_input(&fix, &f, &pkt)) {
			assert_int_equal(pkt.l4_len, 11);
			rte_pktmbuf_free(pkt.m);
			netfix_expect_no_drop(&fix);
			passed++;
		} else {
			netfix_expect_drop(&fix, NET_STAT_drop_ip_option);
			dropped++;
		}
	}
	assert_true(passed > 1000 && dropped > 1000);
	netfix_close(&fix);
}

static bool input_flagged(struct netfix *fix, const struct frame *f, uint64_t flags)
{
	struct rte_mbuf *m = frame_mbuf(f);
	struct net_pkt pkt;
	bool passed;

	m->ol_flags |= flags;
	passed = netfix_input_mbuf(fix, m, &pkt);
	if (passed)
		rte_pktmbuf_free(pkt.m);
	return passed;
}

// The NIC's word: GOOD and NONE are trusted, UNKNOWN and BAD are looked at again.
static void checksum_flags_of_the_nic(void **state)
{
	static const uint64_t ip_flags[] = {RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN,
		RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_GOOD,
		RTE_MBUF_F_RX_IP_CKSUM_NONE};
	static const uint64_t l4_flags[] = {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN,
		RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
		RTE_MBUF_F_RX_L4_CKSUM_NONE};
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (unsigned proto = 0; proto < 2; proto++) {
		for (unsigned i = 0; i < 4; i++) {
			if (proto == 0)
				frame_tcp(&f, 1, FRAME_OUR_PORT, 16, "abc", 3);
			else
				frame_udp(&f, 1, FRAME_OUR_PORT, "abc", 3);
			assert_true(input_flagged(&fix, &f, ip_flags[i] | l4_flags[i]));
			f.b[f.len - 1] ^= 0x80;
			assert_int_equal(input_flagged(&fix, &f, l4_flags[i]), i >= 2);
			if (i < 2)
				netfix_expect_drop(&fix, NET_STAT_drop_l4_cksum);
			f.b[f.len - 1] ^= 0x80;
			f.b[f.l3 + 11] ^= 1;
			assert_int_equal(input_flagged(&fix, &f, ip_flags[i]), i >= 2);
			if (i < 2)
				netfix_expect_drop(&fix, NET_STAT_drop_ip_cksum);
		}
	}
	netfix_expect_no_drop(&fix);
	netfix_close(&fix);
}

// Checksums end with the IP packet: padding, even wild, changes nothing.
static void padded_frames(void **state)
{
	static const uint8_t data[26] = "abcdefghijklmnopqrstuvwxyz";
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t n = 0; n <= sizeof(data); n++)
		for (size_t pad = 0; pad < 4; pad++) {
			frame_udp(&f, 1, FRAME_OUR_PORT, data, n);
			frame_pad(&f, f.len < 60 ? 60 : f.len + pad, (uint8_t)(pad * 0x55));
			netfix_passes(&fix, &f);
			frame_tcp(&f, 1, FRAME_OUR_PORT, 16, data, n);
			frame_pad(&f, f.len < 60 ? 60 : f.len + pad, (uint8_t)(pad * 0x55));
			netfix_passes(&fix, &f);
		}
	netfix_close(&fix);
}

static void several_segments(void **state)
{
	struct net_pkt pkt;
	struct netfix fix;
	struct frame f;
	uint8_t data[1400];

	open_default(&fix);
	memset(data, 'd', sizeof(data));
	for (size_t cut = 0; cut <= 60; cut++) {
		frame_tcp(&f, 1, FRAME_OUR_PORT, 16, data, sizeof(data));
		assert_true(netfix_input_mbuf(&fix, frame_mbuf_split(&f, cut), &pkt));
		assert_int_equal(pkt.m->nb_segs, 1);
		assert_int_equal(pkt.l4_len, 1420);
		assert_memory_equal(pkt.l4 + 20, data, sizeof(data));
		rte_pktmbuf_free(pkt.m);
	}
	netfix_expect_no_drop(&fix);
	// More than one mbuf can hold.
	frame_tcp(&f, 1, FRAME_OUR_PORT, 16, data, sizeof(data));
	frame_pad(&f, 3000, 0);
	assert_false(netfix_input_mbuf(&fix, frame_mbuf_split(&f, 1500), &pkt));
	netfix_expect_drop(&fix, NET_STAT_drop_segments);
	netfix_close(&fix);
}

static const struct net_path path_plain = {
	.mac = {2, 0, 0, 0, 0, 2}, .local = FRAME_OUR_ADDR, .remote = FRAME_PEER_ADDR};

// Payload of n bytes, one of which makes it differ from call to call.
static struct rte_mbuf *payload(struct netfix *fix, size_t n, uint8_t salt)
{
	struct rte_mbuf *m = net_alloc(fix->net);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(salt + i * 31);
	return m;
}

// The frame is what its parts say, byte for byte.
static void assert_same_as_built(struct frame *got, uint8_t proto)
{
	struct frame want;

	frame_ip4(&want, proto, got->b + got->l4, got->len - got->l4);
	memcpy(want.b, frame_peer_mac, 6);
	memcpy(want.b + 6, frame_our_mac, 6);
	store_be16(want.b + want.l3 + 6, 0x4000); // don't fragment
	frame_set_addrs(&want, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
	assert_int_equal(got->len, want.len);
	assert_memory_equal(got->b, want.b, want.len);
}

static void output_of_every_length(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t n = 8; n <= 1480; n++) {
		net_output(fix.net, payload(&fix, n, (uint8_t)n), &path_plain, HDR_PROTO_UDP);
		netfix_take(&fix, &f);
		assert_same_as_built(&f, HDR_PROTO_UDP);
		if (n < 20)
			continue;
		net_output(fix.net, payload(&fix, n, (uint8_t)n), &path_plain, HDR_PROTO_TCP);
		netfix_take(&fix, &f);
		assert_same_as_built(&f, HDR_PROTO_TCP);
	}
	assert_int_equal(netfix_stat(&fix, NET_STAT_tx_packets), 1473 + 1461);
	netfix_close(&fix);
}

static void output_with_tag(void **state)
{
	struct net_path path = path_plain;
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	path.tagged = true;
	path.vlan_tci = 0x2003;
	for (unsigned ad = 0; ad < 2; ad++) {
		path.vlan_ad = ad;
		net_output(fix.net, payload(&fix, 40, 1), &path, HDR_PROTO_TCP);
		netfix_take(&fix, &f);
		assert_int_equal(load_be32(f.b + 12), ad ? 0x88a82003 : 0x81002003);
		memmove(f.b + 12, f.b + 16, f.len - 16);
		f.len -= 4;
		f.l4 -= 4;
		assert_same_as_built(&f, HDR_PROTO_TCP);
	}
	netfix_close(&fix);
}

// What DPDK asks of a packet whose checksums the port computes.
static void output_with_offload(void **state)
{
	struct net_path path = path_plain;
	struct net_conf conf;
	struct netfix fix;

	netfix_conf(&conf);
	conf.tx_cksum_ip4 = conf.tx_cksum_tcp = conf.tx_cksum_udp = true;
	netfix_open(&fix, &conf);
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		for (unsigned udp = 0; udp < 2; udp++) {
			uint64_t flags = udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
			struct rte_ipv4_hdr *ip;
			struct rte_mbuf *m;
			uint16_t field;

			path.tagged = tagged;
			net_output(fix.net, payload(&fix, 333, 3), &path, udp ? 17 : 6);
			assert_int_equal(net_take_tx(fix.net, &m, 1), 1);
			assert_int_equal(m->l2_len, tagged ? 18 : 14);
			assert_int_equal(m->l3_len, 20);
			flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
			assert_int_equal(m->ol_flags, flags);
			ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
			assert_int_equal(ip->hdr_checksum, 0);
			memcpy(&field, (uint8_t *)(ip + 1) + (udp ? 6 : 16), 2);
			assert_int_equal(field, rte_ipv4_phdr_cksum(ip, m->ol_flags));
			rte_pktmbuf_free(m);
		}
	}
	netfix_close(&fix);
}

static void transmit_vector_is_a_bounded_queue(void **state)
{
	struct rte_mbuf *m[NET_TX_MAX];
	unsigned next_in = 0, next_out = 0, got;
	struct netfix fix;
	struct rng rng;

	open_default(&fix);
	rng_init(&rng, 3);
	for (unsigned i = 0; i < 400; i++) {
		unsigned put = rng_below(&rng, 100), take = rng_below(&rng, 100);

		for (; put && net_tx_count(fix.net) < NET_TX_MAX; put--) {
			struct rte_mbuf *p = payload(&fix, 20, 0);

			store_be32(rte_pktmbuf_mtod(p, void *), next_in++);
			net_output(fix.net, p, &path_plain, HDR_PROTO_TCP);
		}
		got = net_take_tx(fix.net, m, take);
		for (unsigned j = 0; j < got; j++) {
			assert_int_equal(
				load_be32(rte_pktmbuf_mtod_offset(m[j], void *, 34)), next_out++);
			rte_pktmbuf_free(m[j]);
		}
		assert_int_equal(net_tx_count(fix.net), next_in - next_out);
	}
	while (net_tx_count(fix.net) < NET_TX_MAX)
		net_output(fix.net, payload(&fix, 20, 0), &path_plain, HDR_PROTO_TCP);
	netfix_expect_no_drop(&fix);
	net_output(fix.net, payload(&fix, 20, 0), &path_plain, HDR_PROTO_TCP);
	netfix_expect_drop(&fix, NET_STAT_tx_full);
	assert_int_equal(net_take_tx(fix.net, m, NET_TX_MAX), NET_TX_MAX);
	rte_pktmbuf_free_bulk(m, NET_TX_MAX);
	netfix_close(&fix);
}

static void without_mbufs_or_headroom(void **state)
{
	static struct rte_mbuf *all[EAL_POOL_COUNT];
	struct netfix fix;
	struct net_pkt pkt;
	struct rte_mbuf *m;
	struct frame f;
	unsigned n = 0;

	open_default(&fix);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	m = frame_mbuf(&f);
	while ((all[n] = rte_pktmbuf_alloc(eal_pool())))
		n++;
	assert_null(net_alloc(fix.net));
	netfix_expect_drop(&fix, NET_STAT_tx_no_mbuf);
	assert_false(netfix_input_mbuf(&fix, m, &pkt));
	netfix_expect_drop(&fix, NET_STAT_tx_no_mbuf);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_replies), 0);
	rte_pktmbuf_free_bulk(all, n);

	m = payload(&fix, 20, 0);
	rte_pktmbuf_prepend(m, RTE_PKTMBUF_HEADROOM - 33);
	net_output(fix.net, m, &path_plain, HDR_PROTO_TCP);
	netfix_expect_drop(&fix, NET_STAT_tx_no_headroom);
	netfix_close(&fix);
}

static void create_refuses_bad_configuration(void **state)
{
	struct net_conf good, bad;

	netfix_conf(&good);
#define REFUSES(change) \
	do { \
		bad = good; \
		change; \
		assert_null(net_create(&bad, 0)); \
	} while (0)
	REFUSES(bad.addr_count = NET_ADDRS_MAX + 1);
	REFUSES(bad.listener_count = NET_LISTENERS_MAX + 1);
	REFUSES(bad.mtu = 575);
	REFUSES(bad.mtu = 9000); // more than an mbuf holds
	REFUSES(bad.ttl = 0);
	REFUSES(bad.pool = NULL);
	REFUSES(bad.mac[0] = 1);
	REFUSES(bad.addr[0] = 0);
#undef REFUSES
}

static void listens_where_told(void **state)
{
	struct net_conf conf;
	struct netfix fix;

	netfix_conf(&conf);
	conf.listener_count = NET_LISTENERS_MAX;
	conf.addr_count = NET_ADDRS_MAX;
	for (unsigned i = 0; i < NET_ADDRS_MAX; i++) {
		conf.addr[i] = FRAME_OUR_ADDR + i;
		conf.listener[2 * i] =
			(struct net_listener){conf.addr[i], (uint16_t)(100 + i), HDR_PROTO_TCP};
		conf.listener[2 * i + 1] = (struct net_listener){conf.addr[i], 0, HDR_PROTO_UDP};
	}
	netfix_open(&fix, &conf);
	for (unsigned i = 0; i < NET_ADDRS_MAX; i++)
		for (unsigned port = 0; port < 200; port++) {
			assert_int_equal(
				net_listens(fix.net, conf.addr[i], (uint16_t)port, HDR_PROTO_TCP),
				port == 100 + i);
			assert_int_equal(
				net_listens(fix.net, conf.addr[i], (uint16_t)port, HDR_PROTO_UDP),
				port == 0);
		}
	netfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_in_the_packet),
		cmocka_unit_test(keeps_the_order_of_a_burst),
		cmocka_unit_test(filters_addresses),
		cmocka_unit_test(filters_macs),
		cmocka_unit_test(says_what_it_does_not_speak),
		cmocka_unit_test(drops_fragments_of_ours_only),
		cmocka_unit_test(ttl_is_not_looked_at),
		cmocka_unit_test(options),
		cmocka_unit_test(random_options),
		cmocka_unit_test(checksum_flags_of_the_nic),
		cmocka_unit_test(padded_frames),
		cmocka_unit_test(several_segments),
		cmocka_unit_test(output_of_every_length),
		cmocka_unit_test(output_with_tag),
		cmocka_unit_test(output_with_offload),
		cmocka_unit_test(transmit_vector_is_a_bounded_queue),
		cmocka_unit_test(without_mbufs_or_headroom),
		cmocka_unit_test(create_refuses_bad_configuration),
		cmocka_unit_test(listens_where_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
