// SPDX-License-Identifier: BSD-3-Clause
// Header parser and checksums: every small combination of lengths, padding, embedded headers
// support: frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "net/cksum.h"
#include "net/hdr.h"
#include "support/frame.h"

static void parses_tcp_udp_icmp(void **state)
{
	struct frame f;
	struct hdr h;

	frame_tcp(&f, 1234, 80, 2, "abc", 3);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_IP4_TCP);
	assert_int_equal(h.l4_off, 34);
	assert_int_equal(h.l4_len, 23);
	assert_int_equal(h.src_port, 1234);
	assert_int_equal(h.dst_port, 80);
	assert_int_equal(h.src_addr, FRAME_PEER_ADDR);
	assert_int_equal(h.dst_addr, FRAME_OUR_ADDR);
	assert_false(h.tagged);

	frame_udp(&f, 5, 6, "abcd", 4);
	frame_add_tag(&f, 0x88a8, 0xe123);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_IP4_UDP);
	assert_true(h.tagged && h.vlan_ad);
	assert_int_equal(h.vlan_tci, 0xe123);
	assert_int_equal(h.l3_off, 18);
	assert_int_equal(h.l4_len, 12);

	frame_icmp(&f, 8, 0, 5);
	frame_add_tag(&f, 0x8100, 7);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_IP4_ICMP);
	assert_true(h.tagged && !h.vlan_ad);
	assert_int_equal(h.l4_len, 13);
}

static void refuses_what_it_does_not_speak(void **state)
{
	struct frame f;
	struct hdr h;

	frame_udp(&f, 5, 6, NULL, 0);
	f.b[f.l3 + 9] = 136; // UDP-Lite
	frame_fix_ip(&f);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_OTHER);
	assert_int_equal(h.l4_off, 34);
	assert_int_equal(h.ip_proto, 136);

	store_be16(f.b + 12, 0x86dd);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_OTHER);
	assert_int_equal(h.l4_off, 0);
	store_be16(f.b + 12, 46); // IEEE 802.3 length
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_OTHER);

	frame_udp(&f, 5, 6, NULL, 0);
	frame_add_tag(&f, 0x8100, 7);
	frame_add_tag(&f, 0x88a8, 8);
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_OTHER);
}

static void ip_checksum_is_checked_unless_known(void **state)
{
	struct frame f;
	struct hdr h;

	frame_udp(&f, 5, 6, NULL, 0);
	for (unsigned bit = 0; bit < 16; bit++) {
		f.b[f.l3 + 10 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_BAD_IP_CKSUM);
		assert_int_equal(hdr_parse(&h, f.b, f.len, true), HDR_IP4_UDP);
		f.b[f.l3 + 10 + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_IP4_UDP);
}

static void fragments_are_seen(void **state)
{
	static const struct {
		uint16_t field;
		bool fragment;
	} row[] = {{0, false}, {0x4000, false}, {0x8000, false}, {0x2000, true}, {1, true},
		{0x1fff, true}, {0x3fff, true}};
	struct frame f;
	struct hdr h;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		frame_udp(&f, 5, 6, NULL, 0);
		store_be16(f.b + f.l3 + 6, row[i].field);
		frame_fix_ip(&f);
		assert_int_equal(hdr_parse(&h, f.b, f.len, false),
			row[i].fragment ? HDR_IP4_FRAG : HDR_IP4_UDP);
	}
}

// What the parser must say of an IP packet, by the definition.
static enum hdr_kind kind_by_definition(int room, int ihl_words, int total, uint8_t proto)
{
	int payload = total - ihl_words * 4;

	if (room < 20 || ihl_words < 5 || payload < 0 || total > room)
		return HDR_BAD;
	if (proto == 6)
		return payload < 20 ? HDR_BAD : HDR_IP4_TCP;
	if (proto == 17)
		return payload < 8 ? HDR_BAD : HDR_IP4_UDP;
	if (proto == 1)
		return payload < 8 ? HDR_BAD : HDR_IP4_ICMP;
	return HDR_OTHER;
}

// Header length against total length against frame length, all of them. Each frame is
// in a heap block of its exact size.
static void all_small_lengths(void **state)
{
	static const uint8_t proto[] = {1, 6, 17, 47};
	struct hdr h;

	for (int tag = 0; tag <= 4; tag += 4) {
		for (int len = 14 + tag; len <= 14 + tag + 84; len++) {
			uint8_t *b = calloc(1, (size_t)len), *ip = b + 14 + tag;
			int room = len - 14 - tag;

			store_be16(b + 12, tag ? 0x8100 : 0x0800);
			if (tag)
				store_be16(b + 16, 0x0800);
			for (int i = 0; i < 16 * 90 * 4; i++) {
				int ihl = i % 16, total = i / 16 % 90;
				uint8_t p = proto[i / 16 / 90];
				uint8_t ip4[10] = {
					(uint8_t)(0x40 | ihl), 0, 0, (uint8_t)total, [9] = p};
				enum hdr_kind want = kind_by_definition(room, ihl, total, p);

				memcpy(ip, ip4, room < 10 ? (size_t)room : 10);
				if (hdr_parse(&h, b, (size_t)len, true) != want)
					fail_msg("room %d ihl %d total %d proto %d: %d not %d",
						room, ihl, total, p, h.kind, want);
				if (want != HDR_BAD)
					assert_int_equal(h.l4_len, total - ihl * 4);
			}
			free(b);
		}
	}
}

static void every_truncation_is_bad(void **state)
{
	struct frame f[3];
	struct hdr h;

	frame_arp(&f[0], 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	frame_tcp(&f[1], 1, 2, 2, "x", 1);
	frame_udp(&f[2], 1, 2, "x", 1);
	frame_add_tag(&f[2], 0x8100, 5);
	for (unsigned i = 0; i < 3; i++)
		for (size_t len = 0; len < f[i].len; len++) {
			uint8_t *b = malloc(len ? len : 1);

			memcpy(b, f[i].b, len);
			assert_int_equal(hdr_parse(&h, b, len, false), HDR_BAD);
			free(b);
		}
}

static void version_must_be_4(void **state)
{
	struct frame f;
	struct hdr h;

	for (unsigned v = 0; v < 16; v++) {
		frame_udp(&f, 1, 2, NULL, 0);
		f.b[f.l3] = (uint8_t)(v << 4 | 5);
		frame_fix_ip(&f);
		assert_int_equal(hdr_parse(&h, f.b, f.len, false), v == 4 ? HDR_IP4_UDP : HDR_BAD);
	}
}

static void padding_is_not_data(void **state)
{
	struct frame f;
	struct hdr h;

	for (size_t n = 0; n <= 18; n++) {
		frame_udp(&f, 1, 2, "0123456789abcdefgh", n);
		frame_pad(&f, 60, 0xee);
		assert_int_equal(hdr_parse(&h, f.b, f.len, false), HDR_IP4_UDP);
		assert_int_equal(h.l4_len, 8 + n);
	}
}

// An ICMP error about a packet from us; its first quote_len bytes are quoted.
static size_t build_error(uint8_t *icmp, uint8_t type, const struct frame *about, size_t quote_len)
{
	memset(icmp, 0, 8);
	icmp[0] = type;
	memcpy(icmp + 8, about->b + about->l3, quote_len);
	return 8 + quote_len;
}

static void embedded_flow_is_turned_around(void **state)
{
	static const uint8_t options[40] = {1, 1, 1, 1};
	struct frame f;
	struct hdr flow;
	uint8_t icmp[200];
	uint32_t seq;
	size_t len;

	for (size_t opt_len = 0; opt_len <= 40; opt_len += 4) {
		frame_tcp(&f, FRAME_OUR_PORT, FRAME_PEER_PORT, 16, "data", 4);
		frame_set_addrs(&f, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
		frame_add_options(&f, options, opt_len);
		len = build_error(icmp, 3, &f, 20 + opt_len + 8);
		assert_true(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
		assert_int_equal(flow.kind, HDR_IP4_TCP);
		assert_int_equal(flow.ip_proto, HDR_PROTO_TCP);
		assert_int_equal(flow.src_addr, FRAME_PEER_ADDR);
		assert_int_equal(flow.dst_addr, FRAME_OUR_ADDR);
		assert_int_equal(flow.src_port, FRAME_PEER_PORT);
		assert_int_equal(flow.dst_port, FRAME_OUR_PORT);
		assert_int_equal(seq, 0x01020304);
		// Cut anywhere: no flow, and no byte read past the end.
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *p = malloc(cut ? cut : 1);

			memcpy(p, icmp, cut);
			assert_false(hdr_parse_icmp_embedded(p, cut, &flow, &seq));
			free(p);
		}
	}
	frame_udp(&f, FRAME_OUR_PORT, FRAME_PEER_PORT, NULL, 0);
	len = build_error(icmp, 11, &f, 28);
	assert_true(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
	assert_int_equal(flow.kind, HDR_IP4_UDP);
	assert_int_equal(seq, 0);
}

static void embedded_flow_is_refused(void **state)
{
	struct frame f;
	struct hdr flow;
	uint8_t icmp[200];
	uint32_t seq;
	size_t len;

	frame_tcp(&f, 1, 2, 16, NULL, 0);
	for (unsigned type = 0; type < 256; type++) {
		bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;

		len = build_error(icmp, (uint8_t)type, &f, 28);
		assert_int_equal(hdr_icmp_is_error((uint8_t)type), error);
		assert_int_equal(hdr_parse_icmp_embedded(icmp, len, &flow, &seq), error);
	}
	len = build_error(icmp, 3, &f, 28);
	icmp[8] = 0x65; // version 6
	assert_false(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
	icmp[8] = 0x44; // 16 bytes of header
	assert_false(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
	icmp[8] = 0x4f; // 60, more than there are
	assert_false(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
	icmp[8] = 0x45;
	icmp[8 + 7] = 1; // a later fragment
	assert_false(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
	icmp[8 + 7] = 0;
	icmp[8 + 9] = 47;
	assert_false(hdr_parse_icmp_embedded(icmp, len, &flow, &seq));
}

static void checksum_equals_the_definition(void **state)
{
	uint8_t buf[4096 + 8];
	struct rng rng;

	rng_init(&rng, 7);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rng_next(&rng);
	for (size_t n = 0; n <= 4096; n += n < 300 ? 1 : 61)
		for (size_t align = 0; align < 8; align++) {
			uint16_t want = frame_cksum(0, buf + align, n);
			uint16_t got = (uint16_t)~cksum_fold(cksum_add(0, buf + align, n));

			assert_int_equal(__builtin_bswap16(got), want);
		}
	memset(buf, 0xff, sizeof(buf)); // the most carries
	for (size_t n = 0; n <= 4096; n += 2)
		assert_int_equal(cksum_fold(cksum_add(0, buf, n)), n ? 0xffff : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_tcp_udp_icmp),
		cmocka_unit_test(refuses_what_it_does_not_speak),
		cmocka_unit_test(ip_checksum_is_checked_unless_known),
		cmocka_unit_test(fragments_are_seen),
		cmocka_unit_test(all_small_lengths),
		cmocka_unit_test(every_truncation_is_bad),
		cmocka_unit_test(version_must_be_4),
		cmocka_unit_test(padding_is_not_data),
		cmocka_unit_test(embedded_flow_is_turned_around),
		cmocka_unit_test(embedded_flow_is_refused),
		cmocka_unit_test(checksum_equals_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
