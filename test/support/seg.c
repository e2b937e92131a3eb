// SPDX-License-Identifier: BSD-3-Clause
// TCP segments as frames: written for the peer, read and checked when they are ours

#include "support/seg.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { OPT_EOL, OPT_NOP, OPT_MSS, OPT_WS, OPT_SACK_OK, OPT_SACK, OPT_TS = 8 };

uint8_t seg_byte(enum seg_side side, uint32_t off)
{
	return (uint8_t)(off * 167 + (off >> 8) * 59 + (off >> 16) * 31 + (side ? 101 : 7));
}

static uint8_t *opt_room(struct seg *s, uint8_t kind, uint8_t len)
{
	uint8_t *p = s->opt + s->opt_len;

	CHECK(s->opt_len + len <= SEG_OPT_MAX);
	s->opt_len += len;
	p[0] = kind;
	p[1] = len;
	return p + 2;
}

void seg_add_mss(struct seg *s, uint16_t mss)
{
	store_be16(opt_room(s, OPT_MSS, 4), mss);
	s->has_mss = true;
	s->mss = mss;
}

void seg_add_ws(struct seg *s, uint8_t ws)
{
	*opt_room(s, OPT_WS, 3) = ws;
	s->has_ws = true;
	s->ws = ws;
}

void seg_add_sack_ok(struct seg *s)
{
	opt_room(s, OPT_SACK_OK, 2);
	s->has_sack_ok = true;
}

void seg_add_ts(struct seg *s, uint32_t val, uint32_t ecr)
{
	uint8_t *p = opt_room(s, OPT_TS, 10);

	store_be32(p, val);
	store_be32(p + 4, ecr);
	s->has_ts = true;
	s->ts_val = val;
	s->ts_ecr = ecr;
}

void seg_add_sack(struct seg *s, const uint32_t (*edge)[2], unsigned count)
{
	uint8_t *p = opt_room(s, OPT_SACK, (uint8_t)(2 + 8 * count));

	CHECK(count <= SEG_SACK_MAX);
	for (unsigned i = 0; i < count; i++) {
		store_be32(p + 8 * i, edge[i][0]);
		store_be32(p + 8 * i + 4, edge[i][1]);
		s->sack[i][0] = edge[i][0];
		s->sack[i][1] = edge[i][1];
	}
	s->sack_count = (uint8_t)count;
}

// Offset in the sender's stream of the first payload byte.
static uint32_t payload_off(const struct seg *s, const struct seg_flow *flow)
{
	uint32_t isn = s->side == SEG_PEER ? flow->peer_isn : flow->our_isn;

	return s->seq + (s->flags & SEG_SYN ? 1 : 0) - isn - 1;
}

void seg_to_frame(const struct seg *s, const struct seg_flow *flow, struct frame *f)
{
	unsigned opt_len = (s->opt_len + 3u) & ~3u;
	uint32_t off = payload_off(s, flow), len = 20 + opt_len + s->len;
	uint8_t l4[FRAME_MAX] = {0};

	CHECK(len <= FRAME_MAX - 40);
	store_be16(l4, s->src_port);
	store_be16(l4 + 2, s->dst_port);
	store_be32(l4 + 4, s->seq);
	store_be32(l4 + 8, s->ack);
	l4[12] = (uint8_t)((s->doff ? s->doff : 5 + opt_len / 4) << 4 | (s->rsv & 15));
	l4[13] = s->flags;
	store_be16(l4 + 14, s->win);
	store_be16(l4 + 18, s->urg);
	memcpy(l4 + 20, s->opt, s->opt_len);
	for (uint32_t i = 0; i < s->len; i++)
		l4[20 + opt_len + i] = seg_byte(s->side, off + i) ^ s->payload_xor;
	frame_ip4(f, 6, l4, len);
	frame_set_addrs(f, flow->peer_addr, FRAME_OUR_ADDR);
	frame_fix_l4(f);
	if (s->bad_cksum)
		f->b[f->l4 + 16] ^= 1;
	if (f->len < 60)
		frame_pad(f, 60, 0x5a);
}

uint16_t seg_frame_peer_port(const struct frame *f)
{
	if (f->len < 54 || load_be16(f->b + 12) != 0x0800 || f->b[14] != 0x45 || f->b[23] != 6)
		return 0;
	return load_be16(f->b + 36);
}

static const char *read_option(struct seg *s, const uint8_t *p, uint8_t kind, uint8_t len)
{
	switch (kind) {
	case OPT_MSS:
		if (len != 4 || s->has_mss || !(s->flags & SEG_SYN))
			return "MSS option";
		s->has_mss = true;
		s->mss = load_be16(p);
		return NULL;
	case OPT_WS:
		if (len != 3 || s->has_ws || !(s->flags & SEG_SYN) || *p > 14)
			return "window scale option";
		s->has_ws = true;
		s->ws = *p;
		return NULL;
	case OPT_SACK_OK:
		if (len != 2 || s->has_sack_ok || !(s->flags & SEG_SYN))
			return "SACK permitted option";
		s->has_sack_ok = true;
		return NULL;
	case OPT_TS:
		if (len != 10 || s->has_ts)
			return "timestamps option";
		s->has_ts = true;
		s->ts_val = load_be32(p);
		s->ts_ecr = load_be32(p + 4);
		return NULL;
	case OPT_SACK:
		if ((len != 10 && len != 18 && len != 26 && len != 34) || s->sack_count)
			return "SACK option";
		s->sack_count = (uint8_t)((len - 2) / 8);
		for (unsigned i = 0; i < s->sack_count; i++) {
			s->sack[i][0] = load_be32(p + 8 * i);
			s->sack[i][1] = load_be32(p + 8 * i + 4);
		}
		return NULL;
	}
	return "an option that we do not speak";
}

static const char *read_options(struct seg *s)
{
	for (unsigned i = 0; i < s->opt_len;) {
		uint8_t kind = s->opt[i], len;
		const char *wrong;

		if (kind == OPT_NOP) {
			i++;
			continue;
		}
		if (kind == OPT_EOL) {
			for (; i < s->opt_len; i++)
				if (s->opt[i])
					return "padding after EOL is not zero";
			return NULL;
		}
		len = i + 1 < s->opt_len ? s->opt[i + 1] : 0;
		if (len < 2 || len > s->opt_len - i)
			return "option length";
		wrong = read_option(s, s->opt + i + 2, kind, len);
		if (wrong)
			return wrong;
		i += len;
	}
	return NULL;
}

static const char *check_lower(const struct frame *f, const struct seg_flow *flow)
{
	const uint8_t *ip = f->b + 14;
	uint8_t pseudo[12];
	uint16_t l4_len;

	if (memcmp(f->b, frame_peer_mac, 6) != 0 || memcmp(f->b + 6, frame_our_mac, 6) != 0)
		return "Ethernet addresses";
	if (seg_frame_peer_port(f) == 0)
		return "not TCP over IPv4 without options";
	if (load_be16(ip + 2) != f->len - 14)
		return "IP total length is not the frame's";
	if (load_be16(ip + 6) != 0x4000 || ip[8] != 64)
		return "DF or TTL";
	if (frame_cksum(0, ip, 20) != 0)
		return "IP header checksum";
	if (load_be32(ip + 12) != FRAME_OUR_ADDR || load_be32(ip + 16) != flow->peer_addr)
		return "IP addresses";
	l4_len = (uint16_t)(f->len - 34);
	memcpy(pseudo, ip + 12, 8);
	store_be16(pseudo + 8, 6);
	store_be16(pseudo + 10, l4_len);
	if (frame_cksum((uint16_t)~frame_cksum(0, pseudo, 12), ip + 20, l4_len) != 0)
		return "TCP checksum";
	return NULL;
}

const char *seg_from_frame(struct seg *s, const struct frame *f, const struct seg_flow *flow)
{
	const uint8_t *l4 = f->b + 34;
	const char *wrong = check_lower(f, flow);
	uint32_t off;

	*s = (struct seg){.side = SEG_OURS};
	if (wrong)
		return wrong;
	s->src_port = load_be16(l4);
	s->dst_port = load_be16(l4 + 2);
	s->seq = load_be32(l4 + 4);
	s->ack = load_be32(l4 + 8);
	s->doff = l4[12] >> 4;
	s->flags = l4[13];
	s->win = load_be16(l4 + 14);
	if (s->src_port != flow->our_port || s->dst_port != flow->peer_port)
		return "ports";
	if ((l4[12] & 15) || load_be16(l4 + 18))
		return "reserved bits or urgent pointer not zero"; // RFC 9293 3.1
	if (s->doff < 5 || s->doff * 4u > f->len - 34)
		return "data offset";
	s->opt_len = (uint8_t)(s->doff * 4 - 20);
	memcpy(s->opt, l4 + 20, s->opt_len);
	s->len = (uint32_t)(f->len - 34 - s->doff * 4);
	off = payload_off(s, flow);
	for (uint32_t i = 0; i < s->len; i++)
		if (l4[s->doff * 4 + i] != seg_byte(SEG_OURS, off + i))
			s->bad_payload = true;
	return read_options(s);
}

static bool options_match(const struct seg *want, const struct seg *got)
{
	if (want->has_mss != got->has_mss || want->has_ws != got->has_ws ||
		want->has_sack_ok != got->has_sack_ok || want->has_ts != got->has_ts ||
		want->sack_count != got->sack_count)
		return false;
	if (want->has_mss && want->mss != got->mss)
		return false;
	if (want->has_ws && want->ws != got->ws)
		return false;
	if (want->has_ts && !want->any_ts_val && want->ts_val != got->ts_val)
		return false;
	if (want->has_ts && !want->any_ts_ecr && want->ts_ecr != got->ts_ecr)
		return false;
	return memcmp(want->sack, got->sack, sizeof(want->sack[0]) * want->sack_count) == 0;
}

bool seg_matches(const struct seg *want, const struct seg *got)
{
	return want->flags == got->flags && want->seq == got->seq && want->len == got->len &&
	       want->ack == got->ack && (want->any_win || want->win == got->win) &&
	       !got->bad_payload && (want->any_opt || options_match(want, got));
}
