// SPDX-License-Identifier: BSD-3-Clause
// Frames as text, and frames from fields: each checks the other, and known bytes check both

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "pcap/pktmake.h"
#include "pcap/pkttext.h"

static struct pkttext_conf conf = {.port = 11211};
static struct pkttext *text;
static uint8_t frame[4096];

static int setup(void **state)
{
	conf = (struct pkttext_conf){.port = 11211};
	text = NULL;
	return 0;
}

static int teardown(void **state)
{
	pkttext_destroy(text);
	return 0;
}

static struct pktmake fields(uint8_t proto)
{
	return (struct pktmake){.src_mac = {2, 0, 0, 0, 0, 1},
		.dst_mac = {2, 0, 0, 0, 0, 10},
		.src_addr = 0xc0000201,
		.dst_addr = 0xc000020a,
		.ttl = 64,
		.proto = proto,
		.frag = 0x4000};
}

// The other direction of the same flow.
static struct pktmake reversed(struct pktmake p)
{
	uint32_t addr = p.src_addr;

	p.src_addr = p.dst_addr;
	p.dst_addr = addr;
	return p;
}

static void expect(size_t len, const char *want)
{
	char line[PKTTEXT_LINE_SIZE];
	// A block of exactly this size, so that a read past it is seen.
	uint8_t *exact = malloc(len ? len : 1);

	if (!text)
		text = pkttext_create(&conf);
	memcpy(exact, frame, len);
	pkttext_frame(text, exact, len, (uint32_t)len, line);
	free(exact);
	assert_string_equal(line, want);
}

static size_t make_udp(const struct pktmake *p, uint16_t src, uint16_t dst, const char *payload)
{
	uint8_t l4[2048];
	size_t n = strlen(payload);

	pktmake_memc(l4 + 8, 7, 0, 1);
	memcpy(l4 + 16, payload, n);
	pktmake_udp(l4, src, dst, 8 + n);
	pktmake_l4_cksum(p, l4, 16 + n);
	return pktmake_ip4(p, l4, 16 + n, frame, sizeof(frame));
}

static size_t make_tcp(const struct pktmake *p, uint16_t src, uint16_t dst, uint32_t seq,
	uint32_t ack, uint16_t flags, const void *opt, size_t opt_len)
{
	uint8_t l4[60];

	memset(l4, 0, sizeof(l4));
	store_be16(l4, src);
	store_be16(l4 + 2, dst);
	store_be32(l4 + 4, seq);
	store_be32(l4 + 8, ack);
	store_be16(l4 + 12, (uint16_t)((20 + opt_len) / 4 << 12 | flags));
	store_be16(l4 + 14, 65535);
	memcpy(l4 + 20, opt, opt_len);
	pktmake_l4_cksum(p, l4, 20 + opt_len);
	return pktmake_ip4(p, l4, 20 + opt_len, frame, sizeof(frame));
}

// The IPv4 header of the best known worked example of RFC 1071: a checksum (0xb861)
// that our code did not compute.
static void test_known_frame(void **state)
{
	static const uint8_t known[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 0,
		0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0,
		0xa8, 0, 0xc7};

	memcpy(frame, known, sizeof(known));
	expect(sizeof(known), "IP4 malformed len 20");
	memset(frame + sizeof(known), 0, 200);
	expect(14 + 0x73, "UDP 192.168.0.1:0 > 192.168.0.199:0 malformed length 0 of 95");
	frame[25] ^= 1; // the header checksum
	expect(14 + 0x73,
		"[bad ip cksum] UDP 192.168.0.1:0 > 192.168.0.199:0 malformed length 0 of 95");
}

static void test_udp(void **state)
{
	struct pktmake p = fields(17);
	size_t len = make_udp(&p, 5000, 11211, "get a\r\n");

	assert_int_equal(len, 60); // 57 and padding
	expect(len,
		"UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 7 seq 0/1 7 \"get a\\r\\n\"");
	frame[52] ^= 1;
	expect(len,
		"UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum bad id 7 seq 0/1 7 \"geu a\\r\\n\"");
	store_be16(frame + 14 + 20 + 6, 0);
	expect(len,
		"UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum none id 7 seq 0/1 7 \"geu a\\r\\n\"");
	store_be16(frame + 14 + 20 + 8 + 6, 9);
	expect(len, "UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum none id 7 seq 0/1 reserved 9 7 "
		    "\"geu a\\r\\n\"");
	// Another port: no frame header of memcached.
	len = make_udp(&p, 5000, 53, "x");
	expect(len, "UDP 192.0.2.1:5000 > 192.0.2.10:53 cksum ok 9 "
		    "\"\\x00\\x07\\x00\\x00\\x00\\x01\\x00\\x00x\"");
}

// Padding to 60 bytes is no payload; a tag moves everything by four bytes.
static void test_padding_and_tag(void **state)
{
	struct pktmake p = fields(17);
	size_t len;

	len = make_udp(&p, 5000, 11211, "");
	assert_int_equal(len, 60);
	expect(len, "UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 7 seq 0/1 0 \"\"");
	p.tagged = true;
	p.vlan_tci = 0x6064;
	pkttext_destroy(text);
	text = NULL;
	conf.mac = conf.ip = true;
	len = make_udp(&p, 5000, 11211, "ab\"\\\t\x01\x7f");
	expect(len, "02:00:00:00:00:01 > 02:00:00:00:00:0a vlan 100 prio 3 "
		    "[ttl 64 id 0 tos 0 DF] UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok "
		    "id 7 seq 0/1 7 \"ab\\\"\\\\\\t\\x01\\x7f\"");
}

static void test_long_payload_is_hashed(void **state)
{
	struct pktmake p = fields(17);
	char payload[1001], line[2][PKTTEXT_LINE_SIZE];

	text = pkttext_create(&conf);
	memset(payload, 'x', 1000);
	payload[1000] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		payload[999] = (char)('x' + i);
		pkttext_frame(text, frame, make_udp(&p, 5000, 11211, payload), 0, line[i]);
		assert_non_null(strstr(line[i], "xxx\"... #"));
	}
	// They differ in a byte that is not shown.
	assert_string_not_equal(line[0], line[1]);
}

static void test_first_line(void **state)
{
	struct pktmake p = fields(17);

	conf.first_line = true;
	expect(make_udp(&p, 11211, 5000, "VALUE a 0 1\r\nx\r\nEND\r\n"),
		"UDP 192.0.2.1:11211 > 192.0.2.10:5000 cksum ok id 7 seq 0/1 21 "
		"\"VALUE a 0 1\\r\\n\"... #b0b2b872");
}

// Numbers are relative from the SYN on, also past 2^32, and timestamps too.
static void test_tcp_relative(void **state)
{
	static const uint8_t syn_opt[] = {
		2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 4, 0, 0, 0, 0, 0, 1, 3, 3, 7};
	static const uint8_t syn_ack_opt[] = {8, 10, 0, 0, 8, 0, 0, 0, 4, 0, 1, 1};
	static const uint8_t sack_opt[] = {
		8, 10, 0, 0, 8, 5, 0, 0, 4, 1, 1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 19, 0, 0};
	struct pktmake p = fields(6), back = reversed(p);

	expect(make_tcp(&p, 5000, 11211, 0xfffffff0, 0, 2, syn_opt, 20),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 0 win 65535 "
		"<mss 1460,sackOK,ts 0 0,wscale 7> cksum ok");
	expect(make_tcp(&back, 11211, 5000, 1000, 0xfffffff1, 0x12, syn_ack_opt, 12),
		"TCP 192.0.2.10:11211 > 192.0.2.1:5000 S. seq 0 ack 1 win 65535 <ts 0 0> "
		"cksum ok");
	expect(make_tcp(&p, 5000, 11211, 5, 1001, 0x18, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 P. seq 21 ack 1 win 65535 cksum ok");
	expect(make_tcp(&back, 11211, 5000, 1001, 5, 0x10, sack_opt, 24),
		"TCP 192.0.2.10:11211 > 192.0.2.1:5000 . seq 1 ack 21 win 65535 "
		"<ts 5 1,sack 25-35> cksum ok");
	// Sent again, the SYN does not change what was learned.
	expect(make_tcp(&p, 5000, 11211, 0xfffffff0, 0, 2, syn_opt, 20),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 0 win 65535 "
		"<mss 1460,sackOK,ts 0 0,wscale 7> cksum ok");
	expect(make_tcp(&back, 11211, 5000, 1001, 5, 0x14, "", 0),
		"TCP 192.0.2.10:11211 > 192.0.2.1:5000 R. seq 1 ack 21 win 65535 cksum ok");
	// A stray SYN on the same ports: nothing is forgotten.
	expect(make_tcp(&p, 5000, 11211, 77, 0, 2, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 93 win 65535 cksum ok");
	expect(make_tcp(&back, 11211, 5000, 1001, 5, 0x10, "", 0),
		"TCP 192.0.2.10:11211 > 192.0.2.1:5000 . seq 1 ack 21 win 65535 cksum ok");
	expect(make_tcp(&p, 5000, 11211, 5, 1001, 0x18, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 P. seq 21 ack 1 win 65535 cksum ok");
	// The server accepts it: a new connection, new numbers on both sides.
	expect(make_tcp(&back, 11211, 5000, 9000, 78, 0x12, syn_ack_opt, 12),
		"TCP 192.0.2.10:11211 > 192.0.2.1:5000 S. seq 0 ack 1 win 65535 <ts 0 1024> "
		"cksum ok");
	expect(make_tcp(&p, 5000, 11211, 78, 9001, 0x10, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 . seq 1 ack 1 win 65535 cksum ok");
}

// Only one side was captured: that it goes on shows that its SYN was accepted.
static void test_tcp_one_side(void **state)
{
	struct pktmake p = fields(6);

	expect(make_tcp(&p, 5000, 11211, 100, 0, 2, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 0 win 65535 cksum ok");
	expect(make_tcp(&p, 5000, 11211, 101, 50, 0x10, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 . seq 1 ack 50 win 65535 cksum ok");
	expect(make_tcp(&p, 5000, 11211, 1100, 0, 2, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 1000 win 65535 cksum ok");
	expect(make_tcp(&p, 5000, 11211, 1101, 50, 0x10, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 . seq 1 ack 50 win 65535 cksum ok");
}

static void test_tcp_absolute(void **state)
{
	struct pktmake p = fields(6);

	conf.absolute = true;
	expect(make_tcp(&p, 5000, 11211, 4000000000u, 0, 2, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 4000000000 win 65535 cksum ok");
	expect(make_tcp(&p, 5000, 11211, 4000000001u, 5, 0x10, "", 0),
		"TCP 192.0.2.1:5000 > 192.0.2.10:11211 . seq 4000000001 ack 5 win 65535 cksum ok");
}

static void test_tcp_bad_options(void **state)
{
	struct pktmake p = fields(6);

	expect(make_tcp(&p, 1, 2, 0, 0, 0x1ff, "\x02\x00\x00\x00", 4),
		"TCP 192.0.2.1:1 > 192.0.2.10:2 FSRP.UEWN seq 0 ack 0 win 65535 <malformed> "
		"cksum ok");
	expect(make_tcp(&p, 1, 2, 0, 0, 0, "\x01\x01\x01\x02", 4),
		"TCP 192.0.2.1:1 > 192.0.2.10:2 none seq 0 win 65535 <malformed> cksum ok");
	expect(make_tcp(&p, 1, 2, 0, 0, 0, "\x02\x05\x00\x00\x00\x03\x02\x00", 8),
		"TCP 192.0.2.1:1 > 192.0.2.10:2 none seq 0 win 65535 <kind 2 len 5,kind 3 len 2> "
		"cksum ok");
	store_be16(frame + 14 + 20 + 12, 0x4000);
	expect(62, "TCP 192.0.2.1:1 > 192.0.2.10:2 malformed data offset 16 of 28");
}

static void test_arp(void **state)
{
	struct pktmake p = fields(0);
	size_t len = pktmake_arp(&p, 1, NULL, frame, sizeof(frame));

	assert_int_equal(len, 60);
	expect(len, "ARP who-has 192.0.2.10 tell 192.0.2.1 (02:00:00:00:00:01)");
	expect(40, "ARP malformed len 26");
	len = pktmake_arp(&p, 2, p.dst_mac, frame, sizeof(frame));
	expect(len, "ARP reply 192.0.2.1 is-at 02:00:00:00:00:01 to 192.0.2.10 "
		    "(02:00:00:00:00:0a)");
	len = pktmake_arp(&p, 9, p.dst_mac, frame, sizeof(frame));
	expect(len, "ARP op 9");
}

static void test_icmp_and_others(void **state)
{
	struct pktmake p = fields(1);
	uint8_t l4[12] = {8, 0, 0, 0, 0, 1, 0, 2, 'p', 'i', 'n', 'g'};

	pktmake_l4_cksum(&p, l4, 12);
	expect(pktmake_ip4(&p, l4, 12, frame, sizeof(frame)),
		"ICMP 192.0.2.1 > 192.0.2.10 echo request id 1 seq 2 cksum ok 4 \"ping\"");
	l4[0] = 3;
	l4[1] = 3;
	expect(pktmake_ip4(&p, l4, 12, frame, sizeof(frame)),
		"ICMP 192.0.2.1 > 192.0.2.10 unreachable code 3 cksum bad 4 \"ping\"");
	p.proto = 47;
	p.ip_opt_len = 4;
	expect(pktmake_ip4(&p, l4, 12, frame, sizeof(frame)),
		"[options 4] IP4 192.0.2.1 > 192.0.2.10 proto 47 len 12");
	p.frag = 0x2000 | 185;
	expect(pktmake_ip4(&p, l4, 12, frame, sizeof(frame)),
		"[options 4] IP4 192.0.2.1 > 192.0.2.10 fragment 1480+12 more proto 47");
	store_be16(frame + 12, 0x86dd);
	expect(60, "ethertype 0x86dd len 60");
	expect(13, "frame too short len 13");
	expect(0, "frame too short len 0");
}

static void test_cut_by_capture(void **state)
{
	struct pktmake p = fields(17);
	char line[PKTTEXT_LINE_SIZE];

	make_udp(&p, 5000, 11211, "get a\r\n");
	text = pkttext_create(&conf);
	pkttext_frame(text, frame, 50, 65, line);
	assert_string_equal(line, "[cut, 65 on the wire] IP4 malformed len 36");
}

// More flows than are remembered: the oldest falls back to absolute numbers.
static void test_flow_limit(void **state)
{
	struct pktmake p = fields(6);
	char line[PKTTEXT_LINE_SIZE];
	uint32_t isn, ts;

	text = pkttext_create(&conf);
	for (uint32_t i = 0; i <= 2 * PKTTEXT_FLOWS_MAX; i++) {
		size_t len = make_tcp(&p, (uint16_t)(1 + i), 11211, 1000 + i, 0, 2, "", 0);

		pkttext_frame(text, frame, len, (uint32_t)len, line);
		assert_non_null(strstr(line, " S seq 0 "));
	}
	assert_false(pkttext_flow(text, p.src_addr, 1, p.dst_addr, 11211, &isn, &ts));
	assert_true(pkttext_flow(text, p.src_addr, 2, p.dst_addr, 11211, &isn, &ts));
	assert_int_equal(isn, 1001);
	pkttext_reset(text);
	assert_false(pkttext_flow(text, p.src_addr, 2, p.dst_addr, 11211, &isn, &ts));
}

// What does not fit is refused: a frame is never cut silently.
static void test_make_refuses_what_does_not_fit(void **state)
{
	struct pktmake p = fields(17);
	static uint8_t l4[70000];

	assert_int_equal(pktmake_ip4(&p, l4, 100, frame, 18 + 20 + 99), 0);
	assert_int_equal(pktmake_ip4(&p, l4, 100, frame, 18 + 20 + 100), 134);
	assert_int_equal(pktmake_ip4(&p, l4, 65516, frame, sizeof(frame)), 0);
	assert_int_equal(pktmake_ip4(&p, l4, 8, frame, 59), 0);
	assert_int_equal(pktmake_arp(&p, 1, NULL, frame, 59), 0);
}

// A datagram whose checksum comes out as 0 carries 0xffff (RFC 768).
static void test_udp_checksum_zero(void **state)
{
	struct pktmake p = fields(17);
	uint8_t l4[10];

	pktmake_udp(l4, 1, 2, 2);
	for (uint32_t v = 0; v < 65536; v++) {
		store_be16(l4 + 8, (uint16_t)v);
		pktmake_l4_cksum(&p, l4, 10);
		assert_int_not_equal(load_be16(l4 + 6), 0);
	}
}

// Any bytes give a line: nothing is read past the frame, nothing is written past the line.
static void test_random_bytes(void **state)
{
	struct rng r;

	rng_init(&r, 1);
	conf.ip = conf.mac = true;
	text = pkttext_create(&conf);
	for (int i = 0; i < 20000; i++) {
		size_t len = rng_below(&r, 200);
		uint8_t *exact = malloc(len ? len : 1);
		struct pktmake p = fields(rng_below(&r, 2) ? 6 : 17);
		char line[PKTTEXT_LINE_SIZE];

		for (size_t j = 0; j < sizeof(frame) && j < 200; j++)
			frame[j] = (uint8_t)rng_next(&r);
		if (rng_below(&r, 4)) // most look like ours at the beginning
			make_tcp(&p, 1, 11211, 1, 2, 0x10, frame + 100, 40);
		for (unsigned j = rng_below(&r, 4); j > 0; j--)
			frame[12 + rng_below(&r, 80)] = (uint8_t)rng_next(&r);
		memcpy(exact, frame, len);
		pkttext_frame(text, exact, len, (uint32_t)len, line);
		assert_true(strlen(line) > 0 && strlen(line) < PKTTEXT_LINE_SIZE);
		free(exact);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_frame),
		TEST(test_udp),
		TEST(test_padding_and_tag),
		TEST(test_long_payload_is_hashed),
		TEST(test_first_line),
		TEST(test_tcp_relative),
		TEST(test_tcp_one_side),
		TEST(test_tcp_absolute),
		TEST(test_tcp_bad_options),
		TEST(test_arp),
		TEST(test_icmp_and_others),
		TEST(test_cut_by_capture),
		TEST(test_flow_limit),
		TEST(test_make_refuses_what_does_not_fit),
		TEST(test_udp_checksum_zero),
		TEST(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
