// SPDX-License-Identifier: BSD-3-Clause
// UDP: lengths, checksums, ports, datagrams out
// support: netfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/netfix.h"

static void open_default(struct netfix *fix)
{
	struct net_conf conf;

	netfix_conf(&conf);
	netfix_open(fix, &conf);
}

// UDP length against IP payload length, all small ones.
static void every_length(void **state)
{
	static const uint8_t zero[24];
	struct netfix fix;
	struct net_pkt pkt;
	struct slice data;
	struct frame f;

	open_default(&fix);
	for (size_t ip_payload = 8; ip_payload <= 24; ip_payload++)
		for (uint16_t udp_len = 0; udp_len <= 30; udp_len++) {
			frame_ip4(&f, 17, zero, ip_payload);
			store_be16(f.b + f.l4, 7777);
			store_be16(f.b + f.l4 + 4, udp_len); // checksum 0: none
			if (udp_len < 8 || udp_len > ip_payload) {
				netfix_drops(&fix, &f, NET_STAT_drop_udp_length);
				continue;
			}
			assert_true(netfix_input(&fix, &f, &pkt));
			assert_int_equal(pkt.l4_len, udp_len);
			assert_true(udp_input(fix.net, &pkt, &data));
			assert_int_equal(data.len, udp_len - 8);
			assert_ptr_equal(data.p, pkt.l4 + 8);
			rte_pktmbuf_free(pkt.m);
		}
	store_be16(f.b + f.l4 + 4, 65535);
	netfix_drops(&fix, &f, NET_STAT_drop_udp_length);
	assert_true(netfix_stat(&fix, NET_STAT_rx_udp) > 100);
	netfix_close(&fix);
}

// The checksum covers the UDP length, not the IP payload.
static void checksum_ends_with_the_datagram(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t n = 0; n <= 20; n++) {
		frame_udp(&f, 1, FRAME_OUR_PORT, "abcdefghijklmnopqrstuvwxyz", n);
		frame_pad(&f, f.len + 9, 0xc3);
		store_be16(f.b + f.l3 + 2, (uint16_t)(f.len - f.l3));
		frame_fix_ip(&f);
		netfix_passes(&fix, &f);
	}
	netfix_close(&fix);
}

static void wrong_checksum(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 0x1234, FRAME_OUR_PORT, "abc", 3);
	for (size_t i = f.l4; i < f.len; i++) {
		if (i == f.l4 + 4 || i == f.l4 + 5)
			continue; // the length has a reason of its own
		f.b[i] ^= 0x04;
		netfix_drops(&fix, &f, NET_STAT_drop_l4_cksum);
		f.b[i] ^= 0x04;
	}
	// A wrong address in the pseudo-header.
	f.b[f.l3 + 15] ^= 0x04;
	frame_fix_ip(&f);
	netfix_drops(&fix, &f, NET_STAT_drop_l4_cksum);
	netfix_close(&fix);
}

static void from_port_0(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct slice data;
	struct frame f;

	open_default(&fix);
	frame_udp(&f, 0, FRAME_OUR_PORT, "abc", 3);
	assert_true(netfix_input(&fix, &f, &pkt));
	assert_false(udp_input(fix.net, &pkt, &data));
	netfix_expect_drop(&fix, NET_STAT_drop_udp_port);
	rte_pktmbuf_free(pkt.m);
	netfix_close(&fix);
}

static const struct net_path path = {
	.mac = {2, 0, 0, 0, 0, 2}, .local = FRAME_OUR_ADDR, .remote = FRAME_PEER_ADDR};

static void send(struct netfix *fix, const void *data, size_t n, struct frame *f)
{
	struct rte_mbuf *m = net_alloc(fix->net);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), data, n);
	udp_output(fix->net, m, &path, FRAME_OUR_PORT, FRAME_PEER_PORT);
	netfix_take(fix, f);
}

static void output(void **state)
{
	uint8_t data[1472];
	struct netfix fix;
	struct frame got, want;

	open_default(&fix);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	for (size_t n = 0; n <= sizeof(data); n += n < 64 ? 1 : 128) {
		send(&fix, data, n, &got);
		frame_udp(&want, FRAME_OUR_PORT, FRAME_PEER_PORT, data, n);
		memcpy(want.b, frame_peer_mac, 6);
		memcpy(want.b + 6, frame_our_mac, 6);
		store_be16(want.b + want.l3 + 6, 0x4000);
		frame_set_addrs(&want, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.b, want.b, want.len);
	}
	netfix_close(&fix);
}

// RFC 768: a sum of zero is sent as all ones; zero would mean that there is none.
static void checksum_is_never_sent_as_zero(void **state)
{
	unsigned all_ones = 0;
	struct netfix fix;
	struct frame f;
	uint8_t data[2];

	open_default(&fix);
	for (unsigned v = 0; v < 65536; v++) {
		store_be16(data, (uint16_t)v);
		send(&fix, data, sizeof(data), &f);
		assert_int_not_equal(load_be16(f.b + f.l4 + 6), 0);
		all_ones += load_be16(f.b + f.l4 + 6) == 0xffff;
	}
	assert_in_range(all_ones, 1, 2);
	netfix_close(&fix);
}

static void no_headroom(void **state)
{
	struct rte_mbuf *m;
	struct netfix fix;

	open_default(&fix);
	m = net_alloc(fix.net);
	rte_pktmbuf_prepend(m, RTE_PKTMBUF_HEADROOM - 7);
	udp_output(fix.net, m, &path, 1, 2);
	netfix_expect_drop(&fix, NET_STAT_tx_no_headroom);
	netfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length),
		cmocka_unit_test(checksum_ends_with_the_datagram),
		cmocka_unit_test(wrong_checksum),
		cmocka_unit_test(from_port_0),
		cmocka_unit_test(output),
		cmocka_unit_test(checksum_is_never_sent_as_zero),
		cmocka_unit_test(no_headroom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
