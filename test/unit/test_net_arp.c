// SPDX-License-Identifier: BSD-3-Clause
// ARP: who is answered, what is ignored, announcements and defence
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
	netfix_open(fix, &conf);
}

static void assert_reply(const struct frame *f, uint32_t peer_addr)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 2};
	const uint8_t *p = f->b + f->l3;

	assert_int_equal(f->len, f->l3 + 28);
	assert_memory_equal(f->b, frame_peer_mac, 6);
	assert_memory_equal(f->b + 6, frame_our_mac, 6);
	assert_int_equal(load_be16(p - 2), 0x0806);
	assert_memory_equal(p, head, sizeof(head));
	assert_memory_equal(p + 8, frame_our_mac, 6);
	assert_int_equal(load_be32(p + 14), FRAME_OUR_ADDR);
	assert_memory_equal(p + 18, frame_peer_mac, 6);
	assert_int_equal(load_be32(p + 24), peer_addr);
}

static void assert_announcement(const struct frame *f, uint32_t addr)
{
	static const uint8_t zero[6];
	const uint8_t *p = f->b + f->l3;

	assert_int_equal(f->len, f->l3 + 28);
	assert_memory_equal(f->b, frame_broadcast_mac, 6);
	assert_memory_equal(f->b + 6, frame_our_mac, 6);
	assert_int_equal(load_be16(p + 6), 1);
	assert_memory_equal(p + 8, frame_our_mac, 6);
	assert_int_equal(load_be32(p + 14), addr);
	assert_memory_equal(p + 18, zero, 6);
	assert_int_equal(load_be32(p + 24), addr);
}

static void answers_requests(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_default(&fix);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	frame_pad(&f, 60, 0xaa);
	assert_false(netfix_input(&fix, &f, &pkt));
	netfix_take(&fix, &f);
	assert_reply(&f, FRAME_PEER_ADDR);
	// The same, asked by unicast (a neighbour that checks whether we are still there).
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	memcpy(f.b, frame_our_mac, 6);
	assert_false(netfix_input(&fix, &f, &pkt));
	netfix_take(&fix, &f);
	assert_reply(&f, FRAME_PEER_ADDR);
	// A probe, RFC 5227 2.1.1: sender address 0.
	frame_arp(&f, 1, 0, FRAME_OUR_ADDR);
	assert_false(netfix_input(&fix, &f, &pkt));
	netfix_take(&fix, &f);
	assert_reply(&f, 0);
	netfix_expect_no_drop(&fix);
	assert_int_equal(netfix_stat(&fix, NET_STAT_rx_arp), 3);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_replies), 3);
	assert_int_equal(net_tx_count(fix.net), 0);
	netfix_close(&fix);
}

static void answers_with_the_tag_of_the_request(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;
	struct rte_mbuf *m;

	open_default(&fix);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	frame_add_tag(&f, 0x8100, 0x6064);
	assert_false(netfix_input(&fix, &f, &pkt));
	netfix_take(&fix, &f);
	assert_reply(&f, FRAME_PEER_ADDR);
	assert_int_equal(load_be32(f.b + 12), 0x81006064);

	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	m = frame_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 77;
	assert_false(netfix_input_mbuf(&fix, m, &pkt));
	netfix_take(&fix, &f);
	assert_reply(&f, FRAME_PEER_ADDR);
	assert_int_equal(load_be32(f.b + 12), 0x8100004d);
	netfix_close(&fix);
}

static void ignores_what_is_not_for_us(void **state)
{
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR + 5);
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	frame_arp(&f, 2, FRAME_PEER_ADDR, FRAME_OUR_ADDR); // unsolicited reply
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_PEER_ADDR); // a neighbour's announcement
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	frame_arp(&f, 3, FRAME_PEER_ADDR, FRAME_OUR_ADDR); // RARP
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	memcpy(f.b, "\x01\x00\x5e\x00\x00\x01", 6); // to a group that is not all
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	f.b[0] = 2; // to another station
	f.b[5] = 9;
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	netfix_close(&fix);
}

static void refuses_malformed(void **state)
{
	static const unsigned off[] = {0, 1, 2, 3, 4, 5, 6}; // hardware, protocol, lengths, op
	struct netfix fix;
	struct frame f;

	open_default(&fix);
	for (unsigned i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
		f.b[14 + off[i]] ^= 0x10;
		netfix_drops(&fix, &f, NET_STAT_drop_arp);
	}
	for (size_t len = 0; len < 42; len++) {
		frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
		f.len = len;
		netfix_drops(&fix, &f, NET_STAT_drop_truncated);
	}
	// Sender MAC that is not the frame's, or nobody's own.
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	f.b[14 + 8 + 5] ^= 1;
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	f.b[6] |= 1;
	f.b[14 + 8] |= 1;
	netfix_drops(&fix, &f, NET_STAT_drop_mac);
	// Our own frame come back.
	frame_arp(&f, 1, FRAME_OUR_ADDR, FRAME_OUR_ADDR);
	memcpy(f.b + 6, frame_our_mac, 6);
	memcpy(f.b + 14 + 8, frame_our_mac, 6);
	netfix_drops(&fix, &f, NET_STAT_drop_arp);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_conflicts), 0);
	netfix_close(&fix);
}

static void announces_twice(void **state)
{
	struct netfix fix;
	struct net_conf conf;
	struct frame f;

	netfix_conf(&conf);
	conf.owns_arp = true;
	conf.addr[conf.addr_count++] = 0xc0a80107;
	netfix_open(&fix, &conf);
	for (unsigned round = 0; round < 2; round++) {
		net_poll(fix.net, fix.now_us);
		assert_int_equal(net_tx_count(fix.net), 2);
		netfix_take(&fix, &f);
		assert_announcement(&f, FRAME_OUR_ADDR);
		netfix_take(&fix, &f);
		assert_announcement(&f, 0xc0a80107);
		fix.now_us += 2 * SECOND - 1;
		net_poll(fix.net, fix.now_us);
		assert_int_equal(net_tx_count(fix.net), 0);
		fix.now_us++;
	}
	fix.now_us += 100u * SECOND;
	net_poll(fix.net, fix.now_us);
	assert_int_equal(net_tx_count(fix.net), 0);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_announcements), 4);
	netfix_close(&fix);
}

static void only_the_owner_announces(void **state)
{
	struct netfix fix;

	open_default(&fix);
	net_poll(fix.net, fix.now_us);
	net_poll(fix.net, fix.now_us + 10u * SECOND);
	assert_int_equal(net_tx_count(fix.net), 0);
	netfix_close(&fix);
}

static void conflict(struct netfix *fix, uint32_t addr, uint16_t op)
{
	struct net_pkt pkt;
	struct frame f;

	frame_arp(&f, op, addr, FRAME_OUR_ADDR);
	assert_false(netfix_input(fix, &f, &pkt));
}

static void defends_at_most_once_in_ten_seconds(void **state)
{
	struct netfix fix;
	struct net_conf conf;
	struct frame f;

	netfix_conf(&conf);
	conf.addr[conf.addr_count++] = 0xc0a80107;
	netfix_open(&fix, &conf);
	conflict(&fix, FRAME_OUR_ADDR, 2);
	netfix_take(&fix, &f);
	assert_announcement(&f, FRAME_OUR_ADDR);
	fix.now_us += 10 * SECOND - 1;
	conflict(&fix, FRAME_OUR_ADDR, 1);
	assert_int_equal(net_tx_count(fix.net), 0);
	conflict(&fix, 0xc0a80107, 1); // the other address has its own ten seconds
	netfix_take(&fix, &f);
	assert_announcement(&f, 0xc0a80107);
	fix.now_us++;
	conflict(&fix, FRAME_OUR_ADDR, 1);
	netfix_take(&fix, &f);
	assert_announcement(&f, FRAME_OUR_ADDR);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_conflicts), 4);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_replies), 0);
	netfix_close(&fix);
}

static void defends_in_the_vlan_of_the_conflict(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_default(&fix);
	frame_arp(&f, 1, FRAME_OUR_ADDR, FRAME_OUR_ADDR);
	frame_add_tag(&f, 0x8100, 12);
	assert_false(netfix_input(&fix, &f, &pkt));
	netfix_take(&fix, &f);
	assert_int_equal(f.l3, 18);
	assert_int_equal(load_be16(f.b + 14), 12);
	assert_announcement(&f, FRAME_OUR_ADDR);
	netfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_requests),
		cmocka_unit_test(answers_with_the_tag_of_the_request),
		cmocka_unit_test(ignores_what_is_not_for_us),
		cmocka_unit_test(refuses_malformed),
		cmocka_unit_test(announces_twice),
		cmocka_unit_test(only_the_owner_announces),
		cmocka_unit_test(defends_at_most_once_in_ten_seconds),
		cmocka_unit_test(defends_in_the_vlan_of_the_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
