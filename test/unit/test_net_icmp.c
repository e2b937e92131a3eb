// SPDX-License-Identifier: BSD-3-Clause
// ICMP: echo of every length, what gets no answer, rate limits, port unreachable
// support: netfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/netfix.h"

#define SECOND 1000000u

static void open_default(struct netfix *fix)
{
	struct net_conf conf;

	netfix_conf(&conf);
	conf.udp_port_unreachable = true;
	netfix_open(fix, &conf);
}

// got is the reply to request, byte for byte (request is spoilt).
static void assert_echo_reply(const struct frame *got, struct frame *request, size_t request_len)
{
	memcpy(request->b, frame_peer_mac, 6);
	memcpy(request->b + 6, frame_our_mac, 6);
	store_be16(request->b + request->l3 + 6, 0x4000);
	request->b[request->l4] = 0;
	frame_set_addrs(request, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
	assert_int_equal(got->len, request_len);
	assert_memory_equal(got->b, request->b, request_len);
}

static void echo_of_every_length(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f, reply;

	open_default(&fix);
	for (size_t n = 0; n <= 1472; n++) {
		size_t len;

		frame_icmp(&f, 8, 0, n);
		len = f.len;
		if (f.len < 60)
			frame_pad(&f, 60, 0x99);
		fix.now_us += SECOND;
		assert_false(netfix_input(&fix, &f, &pkt));
		netfix_take(&fix, &reply);
		assert_echo_reply(&reply, &f, len);
	}
	assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_echo_replies), 1473);
	assert_int_equal(netfix_stat(&fix, NET_STAT_rx_icmp), 1473);
	netfix_expect_no_drop(&fix);
	// Longer than what we may send.
	for (size_t n = 1473; n < 1480; n++) {
		frame_icmp(&f, 8, 0, n);
		netfix_drops(&fix, &f, NET_STAT_drop_icmp);
	}
	netfix_close(&fix);
}

// The IP length says more or less than there is, for every ICMP length.
static void echo_with_wrong_lengths(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t n = 0; n <= 64; n++) {
		frame_icmp(&f, 8, 0, n);
		store_be16(f.b + f.l3 + 2, (uint16_t)(28 + n + 1));
		frame_fix_ip(&f);
		netfix_drops(&fix, &f, NET_STAT_drop_truncated);
	}
	for (uint16_t total = 0; total < 28; total++) {
		frame_icmp(&f, 8, 0, 40);
		store_be16(f.b + f.l3 + 2, total);
		frame_fix_ip(&f);
		netfix_drops(&fix, &f, NET_STAT_drop_truncated);
	}
	netfix_close(&fix);
}

static void echo_through_tag_and_options(void **state)
{
	static const uint8_t opt[40] = {1, 7, 39, 4};
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;
	struct rte_mbuf *m;

	open_default(&fix);
	frame_icmp(&f, 8, 0, 3);
	frame_add_options(&f, opt, sizeof(opt));
	m = frame_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 9;
	assert_false(netfix_input_mbuf(&fix, m, &pkt));
	netfix_take(&fix, &f);
	assert_int_equal(load_be32(f.b + 12), 0x81000009);
	assert_int_equal(f.len, 18 + 20 + 8 + 3);
	assert_int_equal(f.b[f.l3], 0x45);
	assert_int_equal(frame_cksum(0, f.b + f.l3, 20), 0);
	assert_int_equal(frame_cksum(0, f.b + f.l4, 11), 0);
	netfix_close(&fix);
}

// The reply is made in the mbuf of the request: what the NIC said of that one is gone.
static void echo_leaves_no_receive_flags(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct rte_mbuf *m;
	struct frame f;

	open_default(&fix);
	frame_icmp(&f, 8, 0, 100);
	m = frame_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	m->tx_offload = UINT64_MAX;
	assert_false(netfix_input_mbuf(&fix, m, &pkt));
	assert_int_equal(net_take_tx(fix.net, &m, 1), 1);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(m->tso_segsz, 0);
	assert_int_equal(m->l4_len, 0);
	rte_pktmbuf_free(m);
	netfix_close(&fix);
}

static void gets_no_answer(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_icmp(&f, 8, 0, 8);
	memcpy(f.b, frame_broadcast_mac, 6);
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	frame_icmp(&f, 8, 0, 8);
	frame_set_addrs(&f, FRAME_PEER_ADDR, 0xffffffff);
	netfix_drops(&fix, &f, NET_STAT_drop_not_ours);
	frame_icmp(&f, 8, 0, 8);
	frame_set_addrs(&f, 0xe0000001, FRAME_OUR_ADDR);
	netfix_drops(&fix, &f, NET_STAT_drop_ip_source);
	frame_icmp(&f, 8, 1, 8);
	netfix_drops(&fix, &f, NET_STAT_drop_icmp);
	for (unsigned bit = 0; bit < 16 * 8; bit++) {
		frame_icmp(&f, 8, 0, 8);
		f.b[f.l4 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		netfix_drops(&fix, &f, NET_STAT_drop_l4_cksum);
	}
	netfix_close(&fix);
}

static void other_types(void **state)
{
	uint64_t errors = 0;
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_default(&fix);
	for (unsigned type = 0; type < 256; type++) {
		if (type == 8)
			continue;
		frame_icmp(&f, (uint8_t)type, 0, 28);
		if (type == 3 || type == 4 || type == 5 || type == 11 || type == 12) {
			assert_false(netfix_input(&fix, &f, &pkt));
			netfix_expect_no_drop(&fix);
			errors++;
			assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_errors_received), errors);
		} else {
			netfix_drops(&fix, &f, NET_STAT_drop_icmp);
		}
	}
	assert_int_equal(errors, 5);
	assert_int_equal(net_tx_count(fix.net), 0);
	netfix_close(&fix);
}

// Pings answered out of n at the same instant.
static unsigned ping(struct netfix *fix, unsigned n)
{
	unsigned answered = 0;
	struct net_pkt pkt;
	struct frame f;

	for (unsigned i = 0; i < n; i++) {
		frame_icmp(&f, 8, 0, 8);
		assert_false(netfix_input(fix, &f, &pkt));
		if (net_tx_count(fix->net)) {
			netfix_take(fix, &f);
			answered++;
		}
	}
	return answered;
}

static void echo_rate(void **state)
{
	struct net_conf conf;
	struct netfix fix;

	netfix_conf(&conf);
	conf.icmp_rate_pps = 50;
	netfix_open(&fix, &conf);
	assert_int_equal(ping(&fix, 80), 50); // a second's worth
	assert_int_equal(netfix_stat(&fix, NET_STAT_drop_icmp_rate), 30);
	fix.now_us += SECOND / 10;
	assert_int_equal(ping(&fix, 80), 5);
	for (unsigned i = 0; i < 19; i++) { // small steps lose nothing: 20 ms for one
		fix.now_us += 1000;
		assert_int_equal(ping(&fix, 1), 0);
	}
	fix.now_us += 1000;
	assert_int_equal(ping(&fix, 2), 1);
	fix.now_us += 1000ull * SECOND; // not more than one second's worth is saved
	assert_int_equal(ping(&fix, 80), 50);
	netfix_close(&fix);

	conf.icmp_rate_pps = 0;
	netfix_open(&fix, &conf);
	fix.now_us += 10 * SECOND;
	assert_int_equal(ping(&fix, 3), 0);
	netfix_close(&fix);
}

// One datagram to a closed port from a source; true if it was answered.
static bool knock(struct netfix *fix, uint32_t from, size_t data_len, struct frame *answer)
{
	static const uint8_t data[1400];
	struct net_pkt pkt;
	struct frame f;

	frame_udp(&f, FRAME_PEER_PORT, 9, data, data_len);
	frame_set_addrs(&f, from, FRAME_OUR_ADDR);
	if (f.len < 60)
		frame_pad(&f, 60, 0x77);
	assert_true(netfix_input(fix, &f, &pkt));
	udp_closed(fix->net, &pkt, fix->now_us);
	netfix_expect_drop(fix, NET_STAT_drop_udp_closed);
	if (!net_tx_count(fix->net))
		return false;
	netfix_take(fix, answer);
	assert_memory_equal(answer->b, frame_peer_mac, 6);
	assert_int_equal(load_be32(answer->b + answer->l3 + 16), from);
	// It quotes what came, from the IP header on.
	assert_memory_equal(answer->b + answer->l4 + 8, f.b + f.l3, answer->len - answer->l4 - 8);
	return true;
}

static void port_unreachable(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (size_t n = 0; n <= 1400; n += 7) {
		size_t ip_len = 28 + n;

		fix.now_us += SECOND;
		assert_true(knock(&fix, FRAME_PEER_ADDR, n, &f));
		assert_int_equal(f.len - f.l4, 8 + (ip_len < 548 ? ip_len : 548));
		assert_int_equal(load_be16(f.b + f.l3 + 2), f.len - f.l3);
		assert_int_equal(f.b[f.l3 + 9], 1);
		assert_int_equal(load_be16(f.b + f.l4), 0x0303);
		assert_int_equal(frame_cksum(0, f.b + f.l3, 20), 0);
		assert_int_equal(frame_cksum(0, f.b + f.l4, f.len - f.l4), 0);
	}
	assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_errors_sent), 201);
	netfix_close(&fix);
}

static void port_unreachable_rate(void **state)
{
	unsigned sent = 0;
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	// One destination does not use up what others get...
	for (unsigned i = 0; i < 100; i++)
		sent += knock(&fix, FRAME_PEER_ADDR, 10, &f);
	assert_int_equal(sent, 10);
	assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_errors_limited), 90);
	assert_true(knock(&fix, FRAME_PEER_ADDR + 1, 10, &f));
	// ... and all together stay under the limit, at a price of 1 to 3 tokens each.
	for (unsigned i = 0; i < 2000; i++)
		sent += knock(&fix, FRAME_PEER_ADDR + 2 + i, 10, &f);
	assert_in_range(sent, 400, 650);
	// Echo has a bucket of its own.
	assert_int_equal(ping(&fix, 10), 10);
	netfix_close(&fix);
}

static void closed_port_in_silence(void **state)
{
	struct net_conf conf;
	struct netfix fix;
	struct frame f;

	netfix_conf(&conf);
	netfix_open(&fix, &conf);
	assert_false(knock(&fix, FRAME_PEER_ADDR, 10, &f));
	assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_errors_sent), 0);
	assert_int_equal(netfix_stat(&fix, NET_STAT_icmp_errors_limited), 0);
	netfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_of_every_length),
		cmocka_unit_test(echo_with_wrong_lengths),
		cmocka_unit_test(echo_through_tag_and_options),
		cmocka_unit_test(echo_leaves_no_receive_flags),
		cmocka_unit_test(gets_no_answer),
		cmocka_unit_test(other_types),
		cmocka_unit_test(echo_rate),
		cmocka_unit_test(port_unreachable),
		cmocka_unit_test(port_unreachable_rate),
		cmocka_unit_test(closed_port_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
