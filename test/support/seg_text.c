// SPDX-License-Identifier: BSD-3-Clause
// TCP segments as text: reader and printer of the notation in seg.h

#include "support/seg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char flag_letter[] = "FSRP.UEW"; // bit 0 first

struct reader {
	const char *p, *text;
	const struct seg_flow *flow;
	struct seg *s;
};

__attribute__((noreturn)) static void bad_text(const struct reader *r, const char *what)
{
	fprintf(stderr, "segment text, %s at \"%s\" of \"%s\"\n", what, r->p, r->text);
	abort();
}

static void skip_blanks(struct reader *r)
{
	while (*r->p == ' ' || *r->p == ',')
		r->p++;
}

static bool word(struct reader *r, const char *w)
{
	size_t n = strlen(w);

	skip_blanks(r);
	if (strncmp(r->p, w, n) != 0)
		return false;
	r->p += n;
	return true;
}

static int64_t number(struct reader *r)
{
	char *end;
	long long v;

	skip_blanks(r);
	v = strtoll(r->p, &end, 10);
	if (end == r->p)
		bad_text(r, "a number is missing");
	r->p = end;
	return v;
}

static uint32_t seq_base(const struct seg_flow *flow, enum seg_side side)
{
	return side == SEG_PEER ? flow->peer_isn : flow->our_isn;
}

static enum seg_side other(enum seg_side side)
{
	return side == SEG_PEER ? SEG_OURS : SEG_PEER;
}

static void read_timestamps(struct reader *r)
{
	bool peer = r->s->side == SEG_PEER;
	uint32_t val = 0, ecr = 0, val_base = peer ? r->flow->peer_ts : r->flow->our_ts;
	uint32_t ecr_base = peer ? r->flow->our_ts : r->flow->peer_ts;

	if (word(r, "*"))
		r->s->any_ts_val = true;
	else
		val = val_base + (uint32_t)number(r);
	if (!word(r, "ecr"))
		bad_text(r, "ecr is missing");
	if (word(r, "*"))
		r->s->any_ts_ecr = true;
	else if (word(r, "L"))
		ecr = r->flow->our_ts_last;
	else
		ecr = ecr_base + (uint32_t)number(r);
	if (peer && (r->s->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN)
		ecr = 0;
	seg_add_ts(r->s, val, ecr);
}

static void read_sack(struct reader *r)
{
	uint32_t base = seq_base(r->flow, other(r->s->side)), edge[SEG_SACK_MAX][2];
	unsigned n = 0;

	for (skip_blanks(r); (*r->p >= '0' && *r->p <= '9') || *r->p == '-'; skip_blanks(r)) {
		if (n == SEG_SACK_MAX)
			bad_text(r, "too many SACK blocks");
		edge[n][0] = base + (uint32_t)number(r);
		if (!word(r, ":"))
			bad_text(r, "right edge is missing");
		edge[n++][1] = base + (uint32_t)number(r);
	}
	seg_add_sack(r->s, (const uint32_t(*)[2])edge, n);
}

static void read_hex(struct reader *r)
{
	unsigned byte;
	int n;

	for (skip_blanks(r); sscanf(r->p, "%2x%n", &byte, &n) == 1 && n == 2; r->p += 2) {
		if (r->s->opt_len == SEG_OPT_MAX)
			bad_text(r, "too many option bytes");
		r->s->opt[r->s->opt_len++] = (uint8_t)byte;
	}
}

static void read_option_list(struct reader *r)
{
	struct seg *s = r->s;

	while (!word(r, ">")) {
		if (word(r, "..."))
			s->any_opt = true;
		else if (word(r, "mss"))
			seg_add_mss(s, (uint16_t)number(r));
		else if (word(r, "sackOK"))
			seg_add_sack_ok(s);
		else if (word(r, "sack"))
			read_sack(r);
		else if (word(r, "TS val"))
			read_timestamps(r);
		else if (word(r, "wscale"))
			seg_add_ws(s, (uint8_t)number(r));
		else if (word(r, "nop"))
			s->opt[s->opt_len++] = 1;
		else if (word(r, "eol"))
			s->opt[s->opt_len++] = 0;
		else if (word(r, "hex"))
			read_hex(r);
		else
			bad_text(r, "unknown option");
	}
}

static void read_fields(struct reader *r)
{
	struct seg *s = r->s;

	for (skip_blanks(r); *r->p; skip_blanks(r)) {
		if (word(r, "ack")) {
			s->ack = seq_base(r->flow, other(s->side)) + (uint32_t)number(r);
		} else if (word(r, "win")) {
			s->win = (uint16_t)number(r);
			s->any_win = false;
		} else if (word(r, "urg")) {
			s->urg = (uint16_t)number(r);
		} else if (word(r, "rsv")) {
			s->rsv = (uint8_t)number(r);
		} else if (word(r, "doff")) {
			s->doff = (uint8_t)number(r);
		} else if (word(r, "badsum")) {
			s->bad_cksum = true;
		} else if (word(r, "xor")) {
			s->payload_xor = (uint8_t)number(r);
		} else if (word(r, "<")) {
			read_option_list(r);
		} else {
			bad_text(r, "unknown field");
		}
	}
}

void seg_from_text(struct seg *s, const char *text, const struct seg_flow *flow, enum seg_side side)
{
	struct reader r = {.p = text, .text = text, .flow = flow, .s = s};
	int64_t from, to;

	*s = (struct seg){.side = side, .win = 65535, .any_win = true};
	s->src_port = side == SEG_PEER ? flow->peer_port : flow->our_port;
	s->dst_port = side == SEG_PEER ? flow->our_port : flow->peer_port;
	for (skip_blanks(&r); *r.p && *r.p != ' '; r.p++) {
		const char *bit = strchr(flag_letter, *r.p);

		if (bit)
			s->flags |= (uint8_t)(1u << (bit - flag_letter));
		else if (*r.p != '-')
			bad_text(&r, "unknown flag");
	}
	from = number(&r);
	if (!word(&r, ":"))
		bad_text(&r, "end of the sequence range is missing");
	to = number(&r);
	if (!word(&r, "("))
		bad_text(&r, "length is missing");
	s->len = (uint32_t)number(&r);
	if (!word(&r, ")") || to - from != (int64_t)s->len)
		bad_text(&r, "length does not fit the range");
	s->seq = seq_base(flow, side) + (uint32_t)from;
	read_fields(&r);
}

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, SEG_TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

static void options_to_text(const struct seg *s, const struct seg_flow *flow, char *text)
{
	bool peer = s->side == SEG_PEER;
	uint32_t sack_base = seq_base(flow, other(s->side));

	add(text, " <");
	if (s->has_mss)
		add(text, "mss %u,", s->mss);
	if (s->has_sack_ok)
		add(text, "sackOK,");
	if (s->has_ts && s->any_ts_val)
		add(text, "TS val * ");
	else if (s->has_ts)
		add(text, "TS val %d ",
			(int32_t)(s->ts_val - (peer ? flow->peer_ts : flow->our_ts)));
	if (s->has_ts && s->any_ts_ecr)
		add(text, "ecr *,");
	else if (s->has_ts)
		add(text, "ecr %d,", (int32_t)(s->ts_ecr - (peer ? flow->our_ts : flow->peer_ts)));
	if (s->has_ws)
		add(text, "wscale %u,", s->ws);
	if (s->sack_count)
		add(text, "sack");
	for (unsigned i = 0; i < s->sack_count; i++)
		add(text, " %d:%d", (int32_t)(s->sack[i][0] - sack_base),
			(int32_t)(s->sack[i][1] - sack_base));
	add(text, s->any_opt ? "...>" : ">");
}

void seg_to_text(const struct seg *s, const struct seg_flow *flow, char text[SEG_TEXT_MAX])
{
	int32_t rel = (int32_t)(s->seq - seq_base(flow, s->side));

	text[0] = '\0';
	for (unsigned i = 1; i < 8; i++) // S before F reads better: F is bit 0, printed last
		if (s->flags & 1u << i)
			add(text, "%c", flag_letter[i]);
	if (s->flags & SEG_FIN)
		add(text, "F");
	if (!s->flags)
		add(text, "-");
	add(text, " %d:%d(%u)", rel, rel + (int32_t)s->len, s->len);
	if (s->flags & SEG_ACK || s->ack)
		add(text, " ack %d", (int32_t)(s->ack - seq_base(flow, other(s->side))));
	if (!s->any_win)
		add(text, " win %u", s->win);
	if (s->has_mss || s->has_ws || s->has_sack_ok || s->has_ts || s->sack_count || s->any_opt)
		options_to_text(s, flow, text);
	if (s->bad_payload)
		add(text, " WRONG PAYLOAD");
}
