// SPDX-License-Identifier: BSD-3-Clause
// Frames as text: Ethernet, VLAN, ARP, IPv4, ICMP, UDP, memcached's UDP frame, payload

#include "pcap/pkttext.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "pcap/pkttext_priv.h"

void line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->p + l->len, l->size - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n < l->size - l->len ? (size_t)n : l->size - l->len - 1;
}

struct pkttext *pkttext_create(const struct pkttext_conf *conf)
{
	struct pkttext *t = calloc(1, sizeof(*t));

	if (t)
		t->conf = *conf;
	return t;
}

void pkttext_destroy(struct pkttext *t)
{
	free(t);
}

void pkttext_reset(struct pkttext *t)
{
	t->used_count = 0;
	t->next_idx = 0;
}

// FNV-1a, so that two long payloads that differ late do not look the same.
static uint32_t fnv1a(const uint8_t *p, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static void line_byte(struct line *l, uint8_t c)
{
	switch (c) {
	case '\r':
		line_add(l, "\\r");
		break;
	case '\n':
		line_add(l, "\\n");
		break;
	case '\t':
		line_add(l, "\\t");
		break;
	case '"':
	case '\\':
		line_add(l, "\\%c", c);
		break;
	default:
		line_add(l, c >= ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
	}
}

// 12 "get a\r\n", and for what is not shown whole: 3000 "xxx"... #89abcdef
void pkttext_payload(const struct pkttext *t, struct line *l, const uint8_t *p, size_t len)
{
	size_t shown = len < PKTTEXT_PAYLOAD_MAX ? len : PKTTEXT_PAYLOAD_MAX;

	if (t->conf.first_line) {
		const uint8_t *lf = len ? memchr(p, '\n', shown) : NULL;

		if (lf)
			shown = (size_t)(lf - p) + 1;
	}
	line_add(l, " %zu \"", len);
	for (size_t i = 0; i < shown; i++)
		line_byte(l, p[i]);
	line_add(l, "\"");
	if (shown < len)
		line_add(l, "... #%08x", fnv1a(p, len));
}

static void line_mac(struct line *l, const uint8_t *m)
{
	line_add(l, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

// RFC 1071: the sum over 16-bit words, not yet folded.
static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; len -= 2, p += 2)
		sum += load_be16(p);
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

// Sum of pseudo header and segment: 0xffff when the checksum in it is right.
uint32_t pkttext_l4_sum(const struct pkttext_ip *ip, const uint8_t *p, size_t len)
{
	uint32_t sum = (ip->src_addr >> 16) + (ip->src_addr & 0xffff) + (ip->dst_addr >> 16) +
		       (ip->dst_addr & 0xffff) + ip->proto + (uint32_t)len;

	return fold(sum16(p, len, sum));
}

static void text_arp(struct line *l, const uint8_t *p, size_t len)
{
	uint32_t spa, tpa;
	uint16_t op;

	line_add(l, "ARP");
	if (len < 28 || load_be16(p) != 1 || load_be16(p + 2) != 0x0800 || p[4] != 6 || p[5] != 4) {
		line_add(l, " malformed len %zu", len);
		return;
	}
	op = load_be16(p + 6);
	spa = load_be32(p + 14);
	tpa = load_be32(p + 24);
	if (op == 1) {
		line_add(l, " who-has %u.%u.%u.%u tell %u.%u.%u.%u (", PKTTEXT_IP4(tpa),
			PKTTEXT_IP4(spa));
		line_mac(l, p + 8);
		line_add(l, ")");
	} else if (op == 2) {
		line_add(l, " reply %u.%u.%u.%u is-at ", PKTTEXT_IP4(spa));
		line_mac(l, p + 8);
		line_add(l, " to %u.%u.%u.%u (", PKTTEXT_IP4(tpa));
		line_mac(l, p + 18);
		line_add(l, ")");
	} else {
		line_add(l, " op %u", op);
	}
}

static void text_udp(const struct pkttext *t, struct line *l, const struct pkttext_ip *ip,
	const uint8_t *p, size_t len)
{
	uint16_t src = load_be16(p), dst = load_be16(p + 2), ulen = load_be16(p + 4);

	line_add(l, "UDP %u.%u.%u.%u:%u > %u.%u.%u.%u:%u", PKTTEXT_IP4(ip->src_addr), src,
		PKTTEXT_IP4(ip->dst_addr), dst);
	if (ulen < 8 || ulen > len) {
		line_add(l, " malformed length %u of %zu", ulen, len);
		return;
	}
	if (load_be16(p + 6) == 0) // RFC 768: none was computed
		line_add(l, " cksum none");
	else
		line_add(l, " cksum %s", pkttext_l4_sum(ip, p, ulen) == 0xffff ? "ok" : "bad");
	p += 8;
	len = ulen - 8u;
	if (t->conf.port && (src == t->conf.port || dst == t->conf.port) && len >= 8) {
		// protocol.txt, "UDP protocol": request id, sequence, total, reserved.
		line_add(l, " id %u seq %u/%u", load_be16(p), load_be16(p + 2), load_be16(p + 4));
		if (load_be16(p + 6) != 0)
			line_add(l, " reserved %u", load_be16(p + 6));
		p += 8;
		len -= 8;
	}
	pkttext_payload(t, l, p, len);
}

static void text_icmp(const struct pkttext *t, struct line *l, const struct pkttext_ip *ip,
	const uint8_t *p, size_t len)
{
	line_add(l, "ICMP %u.%u.%u.%u > %u.%u.%u.%u", PKTTEXT_IP4(ip->src_addr),
		PKTTEXT_IP4(ip->dst_addr));
	if (p[0] == 8 || p[0] == 0)
		line_add(l, " echo %s id %u seq %u", p[0] == 8 ? "request" : "reply",
			load_be16(p + 4), load_be16(p + 6));
	else if (p[0] == 3)
		line_add(l, " unreachable code %u", p[1]);
	else
		line_add(l, " type %u code %u", p[0], p[1]);
	line_add(l, " cksum %s", fold(sum16(p, len, 0)) == 0xffff ? "ok" : "bad");
	pkttext_payload(t, l, p + 8, len - 8);
}

static void text_ip4(struct pkttext *t, struct line *l, const uint8_t *p, size_t len)
{
	struct pkttext_ip ip;
	size_t ihl, total;
	uint16_t frag;

	if (len < 20 || p[0] >> 4 != 4 || (ihl = (p[0] & 15u) * 4u) < 20 ||
		(total = load_be16(p + 2)) < ihl || total > len) {
		line_add(l, "IP4 malformed len %zu", len);
		return;
	}
	ip = (struct pkttext_ip){
		.src_addr = load_be32(p + 12), .dst_addr = load_be32(p + 16), .proto = p[9]};
	frag = load_be16(p + 6);
	if (t->conf.ip)
		line_add(l, "[ttl %u id %u tos %u%s] ", p[8], load_be16(p + 4), p[1],
			frag & 0x4000 ? " DF" : "");
	if (fold(sum16(p, ihl, 0)) != 0xffff)
		line_add(l, "[bad ip cksum] ");
	if (ihl > 20)
		line_add(l, "[options %zu] ", ihl - 20);
	p += ihl;
	total -= ihl;
	if (frag & 0x3fff) {
		line_add(l, "IP4 %u.%u.%u.%u > %u.%u.%u.%u fragment %u+%zu%s proto %u",
			PKTTEXT_IP4(ip.src_addr), PKTTEXT_IP4(ip.dst_addr), (frag & 0x1fffu) * 8,
			total, frag & 0x2000 ? " more" : "", ip.proto);
	} else if (ip.proto == 17 && total >= 8) {
		text_udp(t, l, &ip, p, total);
	} else if (ip.proto == 6 && total >= 20) {
		pkttext_tcp(t, l, &ip, p, total);
	} else if (ip.proto == 1 && total >= 8) {
		text_icmp(t, l, &ip, p, total);
	} else {
		line_add(l, "IP4 %u.%u.%u.%u > %u.%u.%u.%u proto %u len %zu",
			PKTTEXT_IP4(ip.src_addr), PKTTEXT_IP4(ip.dst_addr), ip.proto, total);
	}
}

void pkttext_frame(struct pkttext *t, const uint8_t *frame, size_t len, uint32_t wire_len,
	char line[PKTTEXT_LINE_SIZE])
{
	struct line l = {.p = line, .size = PKTTEXT_LINE_SIZE};
	size_t off = 14;
	uint16_t type;

	line[0] = '\0';
	if (len < wire_len)
		line_add(&l, "[cut, %u on the wire] ", wire_len);
	if (len < 14) {
		line_add(&l, "frame too short len %zu", len);
		return;
	}
	if (t->conf.mac) {
		line_mac(&l, frame + 6);
		line_add(&l, " > ");
		line_mac(&l, frame);
		line_add(&l, " ");
	}
	type = load_be16(frame + 12);
	// 802.1Q and 802.1ad tags, two at most.
	while ((type == 0x8100 || type == 0x88a8) && len >= off + 4 && off < 22) {
		uint16_t tci = load_be16(frame + off);

		line_add(&l, "vlan %u ", tci & 0xfff);
		if (tci >> 13)
			line_add(&l, "prio %u ", tci >> 13);
		type = load_be16(frame + off + 2);
		off += 4;
	}
	if (type == 0x0806)
		text_arp(&l, frame + off, len - off);
	else if (type == 0x0800)
		text_ip4(t, &l, frame + off, len - off);
	else
		line_add(&l, "ethertype 0x%04x len %zu", type, len);
}
