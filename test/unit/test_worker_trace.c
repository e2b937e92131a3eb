// SPDX-License-Identifier: BSD-3-Clause
// The recorded way of the first packets: which take a place, what the lines say, a full ring
// support: workerrig wclient frame eal

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/eal.h"
#include "support/frame.h"
#include "support/wclient.h"
#include "support/workerrig.h"

static struct workerrig rig;

static void open_rig(unsigned trace_count)
{
	struct net_conf *n = &rig.conf.net;

	workerrig_conf(&rig);
	memcpy(n->mac, frame_our_mac, 6);
	n->addr[0] = n->listener[0].addr = n->listener[1].addr = FRAME_OUR_ADDR;
	n->icmp_rate_pps = 1000000;
	rig.conf.conn.udp_prefix[0] = (struct conn_prefix){0x0a000000, 0xffffff00, true};
	rig.conf.trace_count = trace_count;
	workerrig_open(&rig);
}

static int close_rig(void **state)
{
	workerrig_close(&rig);
	return 0;
}

static void input(struct rte_mbuf *m)
{
	workerrig_input(&rig, &m, 1);
}

// The next line begins with this.
static void expect(const char *text)
{
	char line[256] = "no line";

	if (!worker_trace_next(rig.worker, line, sizeof(line)) ||
		strncmp(line, text, strlen(text)) != 0)
		fail_msg("\"%s\", wanted \"%s\"", line, text);
}

// The next line, without the blanks in front, is this.
static void expect_line(const char *text)
{
	char line[256] = "no line";

	worker_trace_next(rig.worker, line, sizeof(line));
	assert_string_equal(line + strspn(line, " "), text);
}

static void expect_none(void)
{
	char line[256];

	if (worker_trace_next(rig.worker, line, sizeof(line)))
		fail_msg("one line more: %s", line);
}

static void test_off(void **state)
{
	open_rig(0);
	input(wclient_udp(5000, "get a\r\n"));
	expect_none();
}

static void test_udp_get(void **state)
{
	open_rig(1);
	expect_none();
	input(wclient_udp(5000, "get a\r\n"));
	expect_line("#1 UDP 10.0.0.2:5000 > 10.0.0.1:11211 get a");
	expect_line("received by worker 0 from its own queue");
	expect_line("lib/net    rx_packets+1 rx_bytes+57 tx_packets+1 tx_bytes+55 rx_udp+1");
	expect_line("lib/conn   bytes_read+7 bytes_written+5 udp_requests+1 udp_replies+1");
	expect_line("lib/cmd    cmd_get+1 get_misses+1");
	expect_line("answer: UDP 10.0.0.1:11211 > 10.0.0.2:5000 END");
	expect_none();
	input(wclient_udp(5000, "get a\r\n")); // one was wanted
	expect_none();
}

// Each packet of a burst is told by itself, a handshake with its request by four.
static void test_tcp(void **state)
{
	struct wclient c = {.port = 40000, .seq = 5000};
	char line[256];

	open_rig(3);
	input(wclient_tcp(&c, WCLIENT_SYN, "", 0));
	expect_line("#1 TCP 10.0.0.2:40000 > 10.0.0.1:11211 S seq 5000 ack 0, 0 bytes");
	expect("      received by worker 0");
	expect("      lib/net ");
	expect("      lib/tcp    rx_segments+1 tx_segments+1 syns_received+1");
	expect("      answer: TCP 10.0.0.1:11211 > 10.0.0.2:40000 SA seq ");
	expect_none();
	input(wclient_tcp(&c, WCLIENT_FIN_ACK, "", 0)); // acknowledges nothing that was sent
	expect("#2 TCP 10.0.0.2:40000 > 10.0.0.1:11211 FA seq 5001");
	while (worker_trace_next(rig.worker, line, sizeof(line)))
		assert_int_not_equal(line[0], '#');
}

// What nobody here speaks takes no place; ARP, ping and broken packets do.
static void test_places(void **state)
{
	struct frame f;

	open_rig(3);
	for (unsigned i = 0; i < 10; i++) {
		frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
		store_be16(f.b + 12, i % 2 ? 0x86dd : 0x88cc); // IPv6, LLDP
		input(frame_mbuf(&f));
		input(frame_mbuf_bytes("short", 5));
	}
	expect_none();
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	input(frame_mbuf(&f));
	expect_line("#1 ARP, 42 bytes");
	expect("      received by worker 0");
	expect("      lib/net ");
	expect_line("answer: ARP, 42 bytes");
	frame_icmp(&f, 8, 0, 10);
	input(frame_mbuf(&f));
	expect_line("#2 ICMP 10.0.0.2:0 > 10.0.0.1:0 ");
	expect("      received by worker 0");
	expect("      lib/net ");
	expect("      answer: ICMP 10.0.0.1:0 > 10.0.0.2:0 ");
	expect_none();
}

// The way from an RX lcore, with and without a flow.
static void test_steered(void **state)
{
	struct rte_mbuf *m;
	struct frame f;

	open_rig(2);
	m = wclient_udp(5000, "get a\r\n");
	m->ol_flags |= NET_MBUF_STEERED | RTE_MBUF_F_RX_RSS_HASH;
	m->hash.rss = 0xdecafbad;
	m->vlan_tci_outer = 7;
	input(m);
	expect("#1 UDP ");
	expect_line("received by lcore 7, flow hash decafbad -> worker 0");
	for (unsigned i = 0; i < 4; i++)
		expect("      ");
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	m = frame_mbuf(&f);
	m->ol_flags |= NET_MBUF_STEERED;
	m->vlan_tci_outer = 3;
	input(m);
	expect("#2 ARP");
	expect_line("received by lcore 3, no flow -> worker 0");
}

// Bytes of a client are shown as text, whatever they are, and cut to the line.
static void test_hostile_text(void **state)
{
	struct wclient c = {.port = 40000, .seq = 5000};
	char text[1000], line[256];
	unsigned n = 0;

	open_rig(5);
	memset(text, '%', sizeof(text));
	text[0] = '\x1b';
	text[1] = '\xff';
	input(wclient_tcp(&c, WCLIENT_PSH_ACK, text, sizeof(text)));
	for (; worker_trace_next(rig.worker, line, sizeof(line)); n++)
		for (char *p = line; *p; p++)
			assert_in_range(*p, 0x20, 0x7e);
	assert_true(n >= 3);
	text[8] = '\0';
	input(wclient_udp(5000, text));
	worker_trace_next(rig.worker, line, sizeof(line));
	assert_string_equal(line, "#2 UDP 10.0.0.2:5000 > 10.0.0.1:11211 ..%%%%%%");
	while (worker_trace_next(rig.worker, line, 10)) // a small buffer is not overrun
		assert_true(strlen(line) < 10);
}

// Nobody reads: the first lines stay, later ones are lost, and packets are served. Then
// it goes on.
static void test_full_ring(void **state)
{
	char line[256];
	unsigned n = 0, last = 0;
	struct frame f;

	open_rig(5000);
	for (unsigned i = 0; i < 1000; i++) {
		frame_icmp(&f, 8, 0, 10);
		input(frame_mbuf(&f));
	}
	assert_int_equal(stat_read(&net_stats(worker_net(rig.worker))[NET_STAT_tx_packets]), 1000);
	while (worker_trace_next(rig.worker, line, sizeof(line))) {
		unsigned number;

		n++;
		if (sscanf(line, "#%u ", &number) == 1)
			assert_int_equal(number, ++last);
		else
			assert_memory_equal(line, "      ", 6);
	}
	assert_int_equal(n, 512);
	assert_int_equal(last, 128);
	frame_icmp(&f, 8, 0, 10);
	input(frame_mbuf(&f));
	expect("#1001 ICMP");
}

#define TEST(f) cmocka_unit_test_teardown(f, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_off),
		TEST(test_udp_get),
		TEST(test_tcp),
		TEST(test_places),
		TEST(test_steered),
		TEST(test_hostile_text),
		TEST(test_full_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
