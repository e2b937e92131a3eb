// SPDX-License-Identifier: BSD-3-Clause
// The client of tcp_client.h

#include "support/tcp_client.h"

#include <string.h>

#include "base/check.h"
#include "base/seq.h"

#define CLIENT_RTO_MAX_US 4000000
#define CLIENT_ACK_DELAY_US 20000
#define CLIENT_FLIGHT_MAX 12 // segments

void client_init(struct client *c, const struct client_conf *conf, uint64_t seed, uint64_t now_us)
{
	*c = (struct client){.conf = *conf};
	CHECK(conf->recv_len < CLIENT_STREAM_MAX);
	rng_init(&c->rng, seed);
	c->flow = (struct seg_flow){
		.peer_addr = FRAME_PEER_ADDR,
		.peer_port = (uint16_t)(FRAME_PEER_PORT + conf->idx),
		.our_port = FRAME_OUR_PORT,
		.peer_isn = 0xffffff00u + (uint32_t)rng_below(&c->rng, 256),
		.peer_ts = 0xfffff000u,
	};
	c->rto_us = conf->rto_us;
	c->rto_at_us = now_us;
}

static uint32_t fin_seq(const struct client *c)
{
	return 1 + c->conf.send_len;
}

// The window field, unscaled, and the edge it means; the edge never goes back.
static uint16_t window_field(struct client *c, bool syn)
{
	unsigned ws = c->scale_on && !syn ? c->conf.ws : 0;
	uint32_t wnd = c->window_closed ? 0 : c->conf.rcv_wnd;

	if (seq_lt(c->rcv_nxt + wnd, c->edge))
		wnd = c->edge - c->rcv_nxt;
	wnd = (wnd + (1u << ws) - 1) >> ws;
	if (wnd > 65535)
		wnd = 65535;
	if (!syn)
		c->edge = seq_max(c->edge, c->rcv_nxt + (wnd << ws));
	return (uint16_t)wnd;
}

static void send(struct client *c, uint8_t flags, uint32_t seq, uint32_t len, uint64_t now_us,
	client_emit_fn *emit, void *arg)
{
	struct seg s = {
		.side = SEG_PEER,
		.src_port = c->flow.peer_port,
		.dst_port = c->flow.our_port,
		.flags = flags,
		.seq = c->flow.peer_isn + seq,
		.len = len,
		.win = window_field(c, flags & SEG_SYN),
	};

	if (flags & SEG_ACK)
		s.ack = c->flow.our_isn + c->rcv_nxt;
	if (flags & SEG_SYN) {
		seg_add_mss(&s, c->conf.mss);
		if (c->conf.sack)
			seg_add_sack_ok(&s);
		if (c->conf.wscale)
			seg_add_ws(&s, c->conf.ws);
	}
	if (flags & SEG_SYN ? c->conf.ts : c->ts_on)
		seg_add_ts(&s, c->flow.peer_ts + (uint32_t)(now_us / 1000), c->ts_recent);
	c->ack_at_us = 0;
	emit(arg, c, &s);
}

static void arm(struct client *c, uint64_t now_us)
{
	c->rto_at_us = now_us + c->rto_us;
}

// From snd_nxt on, as the window allows.
static void send_data(struct client *c, uint64_t now_us, client_emit_fn *emit, void *arg)
{
	for (unsigned i = 0; i < CLIENT_FLIGHT_MAX; i++) {
		uint32_t left = fin_seq(c) - c->snd_nxt, len = left, room = 0;

		if (c->snd_nxt > fin_seq(c) || c->snd_nxt - c->snd_una > 8u * c->conf.mss)
			return;
		if (seq_gt(c->snd_wnd_edge, c->snd_nxt))
			room = c->snd_wnd_edge - c->snd_nxt;
		if (len > c->conf.mss)
			len = c->conf.mss;
		if (len > 1 && rng_below(&c->rng, 3) == 0)
			len = 1 + rng_below(&c->rng, len);
		if (len > room)
			len = room;
		if (len > 0) {
			send(c, SEG_ACK | (len == left ? SEG_PSH : 0), c->snd_nxt, len, now_us,
				emit, arg);
			c->snd_nxt += len;
		} else if (left == 0 && room > 0 && (c->conf.close_first || c->fin_rcvd)) {
			send(c, SEG_ACK | SEG_FIN, c->snd_nxt, 0, now_us, emit, arg);
			c->snd_nxt++;
		} else {
			return;
		}
		if (!c->rto_at_us)
			arm(c, now_us);
	}
}

// Something is left to say but the window is shut.
static bool is_stuck(const struct client *c)
{
	return c->snd_una < fin_seq(c) + 1 && c->snd_nxt == c->snd_una &&
	       !seq_gt(c->snd_wnd_edge, c->snd_nxt);
}

static void timeout(struct client *c, uint64_t now_us, client_emit_fn *emit, void *arg)
{
	c->rto_us = c->rto_us * 2 < CLIENT_RTO_MAX_US ? c->rto_us * 2 : CLIENT_RTO_MAX_US;
	arm(c, now_us);
	if (c->state == CLIENT_SYN_SENT) {
		send(c, SEG_SYN, 0, 0, now_us, emit, arg);
		return;
	}
	if (is_stuck(c)) { // a window probe
		uint32_t len = c->snd_una < fin_seq(c);

		send(c, SEG_ACK | (len ? 0 : SEG_FIN), c->snd_una, len, now_us, emit, arg);
		return;
	}
	c->snd_nxt = c->snd_una;
	send_data(c, now_us, emit, arg);
}

void client_poll(struct client *c, uint64_t now_us, client_emit_fn *emit, void *arg)
{
	if (c->state == CLIENT_RESET)
		return;
	if (c->rto_at_us && c->rto_at_us <= now_us)
		timeout(c, now_us, emit, arg);
	if (c->state == CLIENT_OPEN)
		send_data(c, now_us, emit, arg);
	if (c->ack_at_us && c->ack_at_us <= now_us)
		send(c, SEG_ACK, c->snd_nxt, 0, now_us, emit, arg);
	if (c->state == CLIENT_OPEN && !c->rto_at_us && is_stuck(c))
		arm(c, now_us);
}

static void take_ack(struct client *c, const struct seg *s, uint64_t now_us)
{
	uint32_t ack = s->ack - c->flow.peer_isn;
	uint32_t edge = ack + ((uint32_t)s->win << (c->scale_on ? c->peer_ws : 0));

	if (ack > fin_seq(c) + 1) {
		c->wrong = "ACK of what was never sent";
		return;
	}
	c->snd_wnd_edge = seq_max(c->snd_wnd_edge, edge);
	if (ack <= c->snd_una)
		return;
	c->snd_una = ack;
	if (c->snd_nxt < ack)
		c->snd_nxt = ack;
	c->fin_acked = ack == fin_seq(c) + 1;
	c->rto_us = c->conf.rto_us;
	c->rto_at_us = 0;
	if (c->snd_nxt > c->snd_una)
		arm(c, now_us);
}

static void take_text(struct client *c, const struct seg *s)
{
	uint32_t off = s->seq - c->flow.our_isn - 1;

	for (uint32_t i = 0; i < s->len; i++) {
		if (off + i >= c->conf.recv_len) {
			c->wrong = "more data than was written";
			return;
		}
		if (!seq_lt(off + i + 1, c->edge + 1)) // one octet may be a probe
			c->wrong = "data outside the window";
		if (seq_lt(off + i + 1, c->edge))
			c->have[(off + i) / 8] |= (uint8_t)(1u << (off + i) % 8);
	}
	if (s->flags & SEG_FIN) {
		c->fin_known = true;
		c->fin_at = off + 1 + s->len;
		if (off + s->len != c->conf.recv_len)
			c->wrong = "FIN before the end of the stream";
	}
	while (c->rcv_nxt - 1 < c->conf.recv_len &&
		(c->have[(c->rcv_nxt - 1) / 8] & 1u << (c->rcv_nxt - 1) % 8))
		c->rcv_nxt++;
	if (c->fin_known && c->rcv_nxt == c->fin_at) {
		c->rcv_nxt++;
		c->fin_rcvd = true;
	}
}

static void take_syn_ack(struct client *c, const struct seg *s)
{
	c->state = CLIENT_OPEN;
	c->flow.our_isn = s->seq;
	c->flow.our_isn_known = true;
	c->rcv_nxt = 1;
	c->edge = 1;
	c->snd_una = c->snd_nxt = 1;
	c->snd_wnd_edge = 1 + s->win;
	c->ts_on = c->conf.ts && s->has_ts;
	c->scale_on = c->conf.wscale && s->has_ws;
	c->peer_ws = s->has_ws ? s->ws : 0;
	c->rto_at_us = 0;
	c->rto_us = c->conf.rto_us;
	if (s->ack != c->flow.peer_isn + 1)
		c->wrong = "SYN-ACK does not acknowledge the SYN";
}

void client_input(
	struct client *c, const struct frame *f, uint64_t now_us, client_emit_fn *emit, void *arg)
{
	uint32_t before = c->rcv_nxt;
	struct seg s;
	const char *wrong = seg_from_frame(&s, f, &c->flow);

	if (wrong || (s.bad_payload && c->state == CLIENT_OPEN)) {
		c->wrong = wrong ? wrong : "payload is not what was written";
		return;
	}
	if (s.flags & SEG_RST) {
		if (c->state == CLIENT_OPEN && !client_is_done(c)) {
			c->state = CLIENT_RESET;
			c->wrong = "reset";
		}
		return;
	}
	if (s.flags & SEG_SYN) {
		if (c->state == CLIENT_SYN_SENT)
			take_syn_ack(c, &s);
		if (s.has_ts)
			c->ts_recent = s.ts_val;
		send(c, SEG_ACK, c->snd_nxt, 0, now_us, emit, arg);
		return;
	}
	if (c->state != CLIENT_OPEN)
		return;
	if (c->ts_on != s.has_ts)
		c->wrong = "timestamps on all segments or none";
	if (s.has_ts && seq_le(s.seq - c->flow.our_isn, c->rcv_nxt) &&
		seq_ge(s.ts_val, c->ts_recent))
		c->ts_recent = s.ts_val;
	take_ack(c, &s, now_us);
	take_text(c, &s);
	if (s.len || s.flags & SEG_FIN || s.seq - c->flow.our_isn != c->rcv_nxt) {
		bool now = !c->conf.delay_acks || c->ack_at_us || c->rcv_nxt == before ||
			   s.flags & SEG_FIN;

		if (now)
			send(c, SEG_ACK, c->snd_nxt, 0, now_us, emit, arg);
		else
			c->ack_at_us = now_us + CLIENT_ACK_DELAY_US;
	}
}

uint64_t client_deadline_us(const struct client *c)
{
	uint64_t at = UINT64_MAX;

	if (c->state == CLIENT_RESET)
		return at;
	if (c->rto_at_us)
		at = c->rto_at_us;
	if (c->ack_at_us && c->ack_at_us < at)
		at = c->ack_at_us;
	return at;
}

void client_window(struct client *c, bool closed, uint64_t now_us, client_emit_fn *emit, void *arg)
{
	bool was = c->window_closed;

	c->window_closed = closed;
	if (was && !closed && c->state == CLIENT_OPEN)
		send(c, SEG_ACK, c->snd_nxt, 0, now_us, emit, arg);
}

bool client_is_done(const struct client *c)
{
	return c->state == CLIENT_OPEN && c->fin_acked && c->fin_rcvd;
}
