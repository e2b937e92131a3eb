// SPDX-License-Identifier: BSD-3-Clause
// Several ports: each has its own address, and an answer leaves by the port its request came in by
// support: netfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/netfix.h"

static const uint8_t mac[2][6] = {{2, 0, 0, 0, 1, 3}, {2, 0, 0, 0, 1, 7}};
static const uint16_t port_id[2] = {3, 7};

static void open_two(struct netfix *fix, bool owns_arp)
{
	struct net_conf conf;

	netfix_conf(&conf);
	conf.owns_arp = owns_arp;
	conf.port_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		conf.port[i].port_id = port_id[i];
		memcpy(conf.port[i].mac, mac[i], 6);
	}
	netfix_open(fix, &conf);
}

static struct rte_mbuf *from_port(const struct frame *f, unsigned i)
{
	struct rte_mbuf *m = frame_mbuf(f);

	m->port = port_id[i];
	return m;
}

// The oldest packet to be sent is of port i.
static void take_from(struct netfix *fix, unsigned i, struct frame *f)
{
	assert_true(net_tx_count(fix->net) > 0);
	assert_int_equal(net_tx_peek(fix->net, 0)->port, port_id[i]);
	netfix_take(fix, f);
	assert_memory_equal(f->b + 6, mac[i], 6);
}

static void test_a_frame_is_for_its_port(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_two(&fix, false);
	for (unsigned i = 0; i < 2; i++) {
		frame_udp(&f, 5000, FRAME_OUR_PORT, "x", 1);
		memcpy(f.b, mac[i], 6);
		assert_true(netfix_input_mbuf(&fix, from_port(&f, i), &pkt));
		assert_int_equal(pkt.path.port, port_id[i]);
		rte_pktmbuf_free(pkt.m);
		netfix_expect_no_drop(&fix);
		// The other's address: a switch that floods.
		assert_false(netfix_input_mbuf(&fix, from_port(&f, 1 - i), &pkt));
		netfix_expect_drop(&fix, NET_STAT_drop_mac);
	}
	netfix_close(&fix);
}

static void test_answers_leave_where_requests_came(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_two(&fix, false);
	for (unsigned i = 0; i < 4; i++) {
		frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
		assert_false(netfix_input_mbuf(&fix, from_port(&f, i % 2), &pkt));
		take_from(&fix, i % 2, &f);
		assert_memory_equal(f.b + f.l3 + 8, mac[i % 2], 6);
		frame_icmp(&f, 8, 0, 56);
		memcpy(f.b, mac[i % 2], 6);
		assert_false(netfix_input_mbuf(&fix, from_port(&f, i % 2), &pkt));
		take_from(&fix, i % 2, &f);
		frame_udp(&f, 5000, FRAME_OUR_PORT, "x", 1);
		memcpy(f.b, mac[i % 2], 6);
		assert_true(netfix_input_mbuf(&fix, from_port(&f, i % 2), &pkt));
		udp_output(fix.net, net_alloc(fix.net), &pkt.path, pkt.dst_port, pkt.src_port);
		rte_pktmbuf_free(pkt.m);
		take_from(&fix, i % 2, &f);
	}
	netfix_expect_no_drop(&fix);
	netfix_close(&fix);
}

static void test_announced_on_each(void **state)
{
	struct netfix fix;
	struct frame f;

	open_two(&fix, true);
	net_poll(fix.net, fix.now_us);
	for (unsigned i = 0; i < 2; i++) {
		take_from(&fix, i, &f);
		assert_memory_equal(f.b, frame_broadcast_mac, 6);
		assert_memory_equal(f.b + f.l3 + 8, mac[i], 6);
	}
	assert_int_equal(net_tx_count(fix.net), 0);
	netfix_close(&fix);
}

// Two ports on one wire hear each other's announcements: no conflict.
static void test_own_announcement_heard(void **state)
{
	struct netfix fix;
	struct net_pkt pkt;
	struct frame f;

	open_two(&fix, true);
	net_poll(fix.net, fix.now_us);
	take_from(&fix, 0, &f);
	assert_false(netfix_input_mbuf(&fix, from_port(&f, 1), &pkt));
	netfix_expect_drop(&fix, NET_STAT_drop_arp);
	assert_int_equal(netfix_stat(&fix, NET_STAT_arp_conflicts), 0);
	netfix_close(&fix);
}

static void test_bad_configuration(void **state)
{
	struct net_conf conf;

	netfix_conf(&conf);
	conf.port_count = 1;
	conf.port[0] = (struct net_port){.port_id = NET_PORTS_MAX};
	assert_null(net_create(&conf, 0));
	conf.port[0] = (struct net_port){.port_id = 0, .mac = {1}};
	assert_null(net_create(&conf, 0));
	conf.port_count = NET_PORTS_MAX + 1;
	assert_null(net_create(&conf, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frame_is_for_its_port),
		cmocka_unit_test(test_answers_leave_where_requests_came),
		cmocka_unit_test(test_announced_on_each),
		cmocka_unit_test(test_own_announcement_heard),
		cmocka_unit_test(test_bad_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
