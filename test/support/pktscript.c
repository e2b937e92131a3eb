// SPDX-License-Identifier: BSD-3-Clause
// Frames written by hand, one a line, for the rows of test/packet

#include "support/pktscript_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void modifiers(struct build *b)
{
	struct pktmake *e = &b->eth_ip;
	char word[128];

	for (;;) {
		if (word_is(b, "vlan")) {
			e->tagged = true;
			e->vlan_tci = (uint16_t)word_number(b);
		} else if (word_is(b, "smac")) {
			word_mac(b, e->src_mac);
		} else if (word_is(b, "dmac")) {
			word_mac(b, e->dst_mac);
		} else if (word_is(b, "ttl")) {
			e->ttl = (uint8_t)word_number(b);
		} else if (word_is(b, "tos")) {
			e->tos = (uint8_t)word_number(b);
		} else if (word_is(b, "ipid")) {
			e->id = (uint16_t)word_number(b);
		} else if (word_is(b, "frag")) {
			word_next(b, word, sizeof(word));
			e->frag = (uint16_t)(atoi(word) / 8 | (strchr(word, '+') ? 0x2000 : 0));
		} else if (word_is(b, "ipopt")) {
			word_next(b, word, sizeof(word));
			e->ip_opt_len = (uint8_t)word_hex(b, word, e->ip_opt, sizeof(e->ip_opt));
		} else {
			return;
		}
	}
}

// Those that break a frame that is complete.
static void breakers(struct build *b)
{
	char word[160];

	for (;;) {
		if (word_is(b, "bad-ip")) {
			b->bad_ip = true;
		} else if (word_is(b, "bad-l4")) {
			b->bad_l4 = true;
		} else if (word_is(b, "no-cksum")) {
			b->no_cksum = true;
		} else if (word_is(b, "ip-len")) {
			b->ip_len = word_number(b);
		} else if (word_is(b, "udp-len")) {
			b->udp_len = word_number(b);
		} else if (word_is(b, "cut")) {
			b->cut = word_number(b);
		} else if (word_is(b, "pad")) {
			b->pad = word_number(b);
		} else if (word_is(b, "poke")) {
			if (!word_next(b, word, sizeof(word)) || !strchr(word, ':'))
				build_fail(b, "OFFSET:HEX is expected");
			b->poke_off = atol(word);
			b->poke_len = word_hex(b, strchr(word, ':') + 1, b->poke, sizeof(b->poke));
		} else {
			return;
		}
	}
}

static void endpoints(struct build *b, bool ports)
{
	b->eth_ip.src_addr = word_addr(b, ports ? &b->src_port : NULL);
	word_expect(b, ">");
	b->eth_ip.dst_addr = word_addr(b, ports ? &b->dst_port : NULL);
}

static void build_udp(struct build *b)
{
	uint32_t id = 0, seq = 0, total = 1, reserved = 0;
	bool framed = false;
	char word[32];

	for (;;) {
		if (word_is(b, "id")) {
			id = word_number(b);
			framed = true;
		} else if (word_is(b, "seq")) {
			if (!word_next(b, word, sizeof(word)) ||
				sscanf(word, "%u/%u", &seq, &total) != 2)
				build_fail(b, "N/TOTAL is expected");
		} else if (word_is(b, "reserved")) {
			reserved = word_number(b);
		} else {
			break;
		}
	}
	b->l4_len = PKTMAKE_UDP_LEN;
	if (framed) {
		pktmake_memc(b->l4 + 8, (uint16_t)id, (uint16_t)seq, (uint16_t)total);
		store_be16(b->l4 + 8 + 6, (uint16_t)reserved);
		b->l4_len += PKTMAKE_MEMC_LEN;
	}
	payload(b);
	pktmake_udp(b->l4, b->src_port, b->dst_port, b->l4_len - PKTMAKE_UDP_LEN);
	if (b->udp_len >= 0)
		store_be16(b->l4 + 4, (uint16_t)b->udp_len);
}

static void build_icmp(struct build *b)
{
	memset(b->l4, 0, 8);
	b->l4_len = 8;
	if (word_is(b, "echo")) {
		b->l4[0] = 8;
		word_expect(b, "id");
		store_be16(b->l4 + 4, (uint16_t)word_number(b));
		word_expect(b, "seq");
		store_be16(b->l4 + 6, (uint16_t)word_number(b));
	} else {
		word_expect(b, "type");
		b->l4[0] = (uint8_t)word_number(b);
		word_expect(b, "code");
		b->l4[1] = (uint8_t)word_number(b);
	}
	payload(b);
}

static void fix_ip_cksum(uint8_t *ip)
{
	size_t ihl = (ip[0] & 15u) * 4u;

	store_be16(ip + 10, 0);
	store_be16(ip + 10, pktmake_cksum(ip, ihl));
}

// L4 checksum, headers in front, and what breaks them.
static void finish_ip4(struct build *b)
{
	struct pktscript *s = b->s;
	size_t off = b->eth_ip.tagged ? 18 : 14;
	size_t cksum_off = b->eth_ip.proto == 6 ? 16 : b->eth_ip.proto == 17 ? 6 : 2;

	if (b->eth_ip.proto == 6 || b->eth_ip.proto == 17 || b->eth_ip.proto == 1) {
		pktmake_l4_cksum(&b->eth_ip, b->l4, b->l4_len);
		if (b->bad_l4)
			b->l4[cksum_off] ^= 0x55;
		if (b->no_cksum)
			store_be16(b->l4 + cksum_off, 0);
	}
	s->frame_len = pktmake_ip4(&b->eth_ip, b->l4, b->l4_len, s->frame, sizeof(s->frame));
	if (s->frame_len == 0)
		build_fail(b, "the frame is too long");
	if (b->ip_len >= 0) {
		store_be16(s->frame + off + 2, (uint16_t)b->ip_len);
		fix_ip_cksum(s->frame + off);
	}
	if (b->bad_ip)
		s->frame[off + 10] ^= 0x55;
}

static void finish_frame(struct build *b)
{
	struct pktscript *s = b->s;

	if (b->poke_off >= 0) {
		if ((size_t)b->poke_off + b->poke_len > s->frame_len)
			build_fail(b, "poke is past the end of the frame");
		memcpy(s->frame + b->poke_off, b->poke, b->poke_len);
	}
	if (b->pad > 0) {
		if (s->frame_len + (size_t)b->pad > sizeof(s->frame))
			build_fail(b, "the frame is too long");
		memset(s->frame + s->frame_len, 0xaa, (size_t)b->pad);
		s->frame_len += (size_t)b->pad;
	}
	if (b->cut >= 0 && (size_t)b->cut < s->frame_len)
		s->frame_len = (size_t)b->cut;
}

static void build_arp(struct build *b)
{
	struct pktscript *s = b->s;
	uint8_t target[6];

	if (word_is(b, "who-has")) {
		b->eth_ip.dst_addr = word_addr(b, NULL);
		word_expect(b, "tell");
		b->eth_ip.src_addr = word_addr(b, NULL);
		s->frame_len = pktmake_arp(&b->eth_ip, 1, NULL, s->frame, sizeof(s->frame));
		return;
	}
	word_expect(b, "reply");
	b->eth_ip.src_addr = word_addr(b, NULL);
	word_expect(b, "is-at");
	word_mac(b, b->eth_ip.src_mac);
	word_expect(b, "to");
	b->eth_ip.dst_addr = word_addr(b, NULL);
	memcpy(target, b->eth_ip.dst_mac, 6);
	s->frame_len = pktmake_arp(&b->eth_ip, 2, target, s->frame, sizeof(s->frame));
}

static void build_hex(struct build *b)
{
	struct pktscript *s = b->s;
	char word[2048];

	while (word_next(b, word, sizeof(word)))
		s->frame_len +=
			word_hex(b, word, s->frame + s->frame_len, sizeof(s->frame) - s->frame_len);
	if (s->frame_len == 0)
		build_fail(b, "a frame has at least one byte");
}

static void build_verb(struct build *b)
{
	if (word_is(b, "wait"))
		return;
	if (word_is(b, "hex")) {
		build_hex(b);
	} else if (word_is(b, "arp")) {
		build_arp(b);
	} else if (word_is(b, "udp")) {
		b->eth_ip.proto = 17;
		endpoints(b, true);
		build_udp(b);
		finish_ip4(b);
	} else if (word_is(b, "tcp")) {
		b->eth_ip.proto = 6;
		endpoints(b, true);
		build_tcp(b);
		finish_ip4(b);
	} else if (word_is(b, "icmp")) {
		b->eth_ip.proto = 1;
		endpoints(b, false);
		build_icmp(b);
		finish_ip4(b);
	} else if (word_is(b, "ip")) {
		endpoints(b, false);
		word_expect(b, "proto");
		b->eth_ip.proto = (uint8_t)word_number(b);
		payload(b);
		finish_ip4(b);
	} else {
		build_fail(b, "unknown verb or modifier: %.40s", b->p);
	}
	finish_frame(b);
}

// & or a time, absolute or with + relative to the line before.
static void build_time(struct build *b)
{
	char word[32], *end;
	double t;

	b->s->joins = word_is(b, "&");
	if (b->s->joins)
		return;
	if (!word_next(b, word, sizeof(word)))
		build_fail(b, "a time is expected");
	t = strtod(word + (*word == '+'), &end) * 1e6 + 0.5;
	if (*end || t < 0 || t > 1e15)
		build_fail(b, "not a time: %s", word);
	if (*word == '+')
		b->s->at_us += (uint64_t)t;
	else if ((uint64_t)t < b->s->at_us)
		build_fail(b, "the time goes back: %s", word);
	else
		b->s->at_us = (uint64_t)t;
}

int pktscript_line(struct pktscript *s, const char *line)
{
	struct build b = {.s = s,
		.p = line + strspn(line, " \t"),
		.eth_ip = {.src_mac = {2, 0, 0, 0, 0, 1},
			.dst_mac = {2, 0, 0, 0, 0, 10},
			.ttl = 64,
			.frag = 0x4000},
		.ip_len = -1,
		.udp_len = -1,
		.cut = -1,
		.pad = -1,
		.poke_off = -1};

	s->frame_len = 0;
	if (*b.p == '#' || *b.p == '\0' || *b.p == '\n')
		return 0;
	if (setjmp(b.fail))
		return -1;
	build_time(&b);
	modifiers(&b);
	breakers(&b);
	modifiers(&b);
	build_verb(&b);
	if (b.p[strspn(b.p, " \t\r\n")])
		build_fail(&b, "unexpected: %.40s", b.p);
	return 1;
}
