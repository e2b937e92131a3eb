// SPDX-License-Identifier: BSD-3-Clause
// TCP segments as text, with numbers relative to the first of each direction

#include "pcap/pkttext.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "pcap/pkttext_priv.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static struct pkttext_dir *dir_find(
	const struct pkttext *t, uint32_t sa, uint16_t sp, uint32_t da, uint16_t dp)
{
	for (unsigned i = 0; i < t->used_count; i++) {
		const struct pkttext_dir *d = &t->dir[i];

		if (d->in_use && d->src_port == sp && d->dst_port == dp && d->src_addr == sa &&
			d->dst_addr == da)
			return (struct pkttext_dir *)d;
	}
	return NULL;
}

static void dir_start(struct pkttext_dir *d, uint32_t isn)
{
	d->isn = isn;
	d->has_ts = d->has_next = false;
}

static struct pkttext_dir *dir_add(
	struct pkttext *t, const struct pkttext_ip *ip, uint16_t sp, uint16_t dp)
{
	struct pkttext_dir *d = &t->dir[t->next_idx];

	t->next_idx = (t->next_idx + 1) % (2 * PKTTEXT_FLOWS_MAX);
	if (t->used_count < 2 * PKTTEXT_FLOWS_MAX)
		t->used_count++;
	*d = (struct pkttext_dir){.src_addr = ip->src_addr,
		.dst_addr = ip->dst_addr,
		.src_port = sp,
		.dst_port = dp,
		.in_use = true};
	return d;
}

// Move the bases of both directions when this segment begins a connection. A SYN on
// ports of a connection that we know may be a new connection, or a stray one that the
// server refuses: that shows when it is acknowledged, or when its sender goes on.
static void dirs_follow(struct pkttext *t, const struct pkttext_ip *ip, uint16_t sp, uint16_t dp,
	uint16_t flags, uint32_t seq, uint32_t ack)
{
	struct pkttext_dir *own = dir_find(t, ip->src_addr, sp, ip->dst_addr, dp);
	struct pkttext_dir *other = dir_find(t, ip->dst_addr, dp, ip->src_addr, sp);

	if (flags & TCP_RST)
		return;
	if (!(flags & TCP_SYN)) {
		if (own && own->has_next && seq == own->next_isn + 1) {
			dir_start(own, own->next_isn);
			if (other) // of the connection before
				other->in_use = false;
		}
		return;
	}
	if (!own) {
		dir_start(dir_add(t, ip, sp, dp), seq);
	} else if (!(flags & TCP_ACK)) {
		own->has_next = seq != own->isn;
		own->next_isn = seq;
	} else if (own->isn != seq) {
		dir_start(own, seq);
	}
	other = dir_find(t, ip->dst_addr, dp, ip->src_addr, sp);
	if (flags & TCP_ACK && other && other->has_next && ack == other->next_isn + 1)
		dir_start(other, other->next_isn);
}

bool pkttext_flow(const struct pkttext *t, uint32_t src_addr, uint16_t src_port, uint32_t dst_addr,
	uint16_t dst_port, uint32_t *isn, uint32_t *ts_base)
{
	const struct pkttext_dir *d = dir_find(t, src_addr, src_port, dst_addr, dst_port);

	if (!d)
		return false;
	*isn = d->isn;
	*ts_base = d->ts_base;
	return true;
}

// What the numbers of one segment are relative to.
struct bases {
	struct pkttext_dir *own; // NULL: unknown
	const struct pkttext_dir *other;
	bool absolute;
	bool has_ack;
};

static void text_sack(struct line *l, const struct bases *b, const uint8_t *p, size_t len)
{
	uint32_t base = b->other && !b->absolute ? b->other->isn : 0;

	line_add(l, "sack");
	for (size_t off = 0; off + 8 <= len; off += 8)
		line_add(l, " %u-%u", load_be32(p + off) - base, load_be32(p + off + 4) - base);
}

static void text_ts(struct line *l, const struct bases *b, const uint8_t *p)
{
	uint32_t val = load_be32(p), ecr = load_be32(p + 4);

	if (b->own && !b->own->has_ts) {
		b->own->has_ts = true;
		b->own->ts_base = val;
	}
	if (b->own && !b->absolute)
		val -= b->own->ts_base;
	// TSecr means nothing without ACK (RFC 7323 3.2).
	if (b->has_ack && b->other && b->other->has_ts && !b->absolute)
		ecr -= b->other->ts_base;
	line_add(l, "ts %u %u", val, ecr);
}

static void text_option(
	struct line *l, const struct bases *b, uint8_t kind, const uint8_t *p, size_t len)
{
	if (kind == 2 && len == 2)
		line_add(l, "mss %u", load_be16(p));
	else if (kind == 3 && len == 1)
		line_add(l, "wscale %u", p[0]);
	else if (kind == 4 && len == 0)
		line_add(l, "sackOK");
	else if (kind == 5 && len >= 8 && len % 8 == 0)
		text_sack(l, b, p, len);
	else if (kind == 8 && len == 8)
		text_ts(l, b, p);
	else
		line_add(l, "kind %u len %zu", kind, len + 2);
}

// RFC 9293 3.2: kind, or kind, length and data. Padding is not shown.
static void text_options(struct line *l, const struct bases *b, const uint8_t *p, size_t len)
{
	const char *sep = " <";
	size_t off = 0;

	while (off < len && p[off] != 0) {
		size_t n;

		if (p[off] == 1) {
			off++;
			continue;
		}
		line_add(l, "%s", sep);
		sep = ",";
		if (off + 2 > len || (n = p[off + 1]) < 2 || n > len - off) {
			line_add(l, "malformed");
			break;
		}
		text_option(l, b, p[off], p + off + 2, n - 2);
		off += n;
	}
	if (*sep == ',')
		line_add(l, ">");
}

static void text_flags(struct line *l, uint16_t flags)
{
	static const char names[] = "FSRP.UEWN";
	char s[sizeof(names)];
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(names) - 1; i++)
		if (flags & 1u << i)
			s[n++] = names[i];
	s[n] = '\0';
	line_add(l, " %s", n ? s : "none");
}

void pkttext_tcp(struct pkttext *t, struct line *l, const struct pkttext_ip *ip, const uint8_t *p,
	size_t len)
{
	uint16_t sp = load_be16(p), dp = load_be16(p + 2), flags = load_be16(p + 12) & 0x1ff;
	uint32_t seq = load_be32(p + 4), ack = load_be32(p + 8);
	size_t off = (size_t)(p[12] >> 4) * 4;
	struct bases b = {.absolute = t->conf.absolute, .has_ack = flags & TCP_ACK};

	line_add(l, "TCP %u.%u.%u.%u:%u > %u.%u.%u.%u:%u", PKTTEXT_IP4(ip->src_addr), sp,
		PKTTEXT_IP4(ip->dst_addr), dp);
	if (off < 20 || off > len) {
		line_add(l, " malformed data offset %zu of %zu", off, len);
		return;
	}
	dirs_follow(t, ip, sp, dp, flags, seq, ack);
	b.own = dir_find(t, ip->src_addr, sp, ip->dst_addr, dp);
	b.other = dir_find(t, ip->dst_addr, dp, ip->src_addr, sp);
	if (b.own && !b.absolute)
		seq -= b.own->isn;
	if (b.other && !b.absolute && b.has_ack)
		ack -= b.other->isn;
	text_flags(l, flags);
	line_add(l, " seq %u", seq);
	if (b.has_ack)
		line_add(l, " ack %u", ack);
	line_add(l, " win %u", load_be16(p + 14));
	text_options(l, &b, p + 20, off - 20);
	line_add(l, " cksum %s", pkttext_l4_sum(ip, p, len) == 0xffff ? "ok" : "bad");
	if (len > off)
		pkttext_payload(t, l, p + off, len - off);
}
