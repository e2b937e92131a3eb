// SPDX-License-Identifier: BSD-3-Clause
// The client's side of one TCP connection: opening, closing, timers, segments out

#include "load/tcpc_priv.h"

#include <string.h>

#define CWND_MAX (1u << 20)

void tcpc_init(struct tcpc *c, const struct tcpc_conf *conf, uint16_t src_port, uint16_t dst_port)
{
	*c = (struct tcpc){
		.conf = conf,
		.src_port = src_port,
		.dst_port = dst_port,
		.rto_at_ns = LOAD_NEVER_NS,
		.ack_at_ns = LOAD_NEVER_NS,
	};
}

void tcpc_open(struct tcpc *c, uint32_t isn)
{
	// RFC 9293 3.4.1: what is still on its way from before must not be taken for new.
	uint32_t above = c->snd_max + TCPC_WINDOW;

	if (c->used && !seq_gt(isn, above))
		isn = above;
	tcpc_init(c, c->conf, c->src_port, c->dst_port);
	c->used = true;
	c->state = TCPC_SYN_SENT;
	c->snd_una = c->snd_nxt = c->snd_max = isn;
	c->mss = c->conf->mss;
	c->cwnd = c->mss;
	c->ssthresh = UINT32_MAX;
	c->rto_ns = c->conf->rto_first_ns;
}

void tcpc_end(struct tcpc *c)
{
	c->state = TCPC_CLOSED;
	c->rto_at_ns = c->ack_at_ns = LOAD_NEVER_NS;
}

void tcpc_close(struct tcpc *c)
{
	c->state = TCPC_CLOSING;
	c->fin_wanted = true;
}

void tcpc_abort(struct tcpc *c)
{
	if (c->state != TCPC_CLOSED && c->state != TCPC_SYN_SENT) {
		c->rst_pending = c->rst_acks = true;
		// The peer's window begins where it has acknowledged, or above.
		c->rst_seq = c->snd_max;
		c->rst_ack = c->rcv_nxt;
	}
	tcpc_end(c);
}

static uint32_t put_head(
	const struct tcpc *c, uint8_t *dst, uint32_t seq, uint32_t ack, uint8_t flags)
{
	uint32_t len = flags & TCPC_SYN ? TCPC_HEAD_LEN + 4 : TCPC_HEAD_LEN;

	store_be16(dst, c->src_port);
	store_be16(dst + 2, c->dst_port);
	store_be32(dst + 4, seq);
	store_be32(dst + 8, flags & TCPC_ACK ? ack : 0);
	dst[12] = (uint8_t)(len / 4 << 4);
	dst[13] = flags;
	store_be16(dst + 14, TCPC_WINDOW);
	store_be32(dst + 16, 0); // checksum, urgent pointer
	if (flags & TCPC_SYN) {
		dst[20] = TCPC_OPT_MSS;
		dst[21] = 4;
		store_be16(dst + 22, c->conf->mss);
	}
	return len;
}

static void acknowledged(struct tcpc *c)
{
	c->ack_now = false;
	c->ack_at_ns = LOAD_NEVER_NS;
	c->data_segments = 0;
}

static uint32_t put_syn(struct tcpc *c, uint64_t now_ns, uint8_t *dst)
{
	if (c->snd_nxt != c->snd_una)
		return 0;
	c->rtt_running = c->snd_max == c->snd_una;
	c->rtt_seq = c->snd_una;
	c->rtt_start_ns = now_ns;
	c->resent += !c->rtt_running;
	c->snd_nxt = c->snd_max = c->snd_una + 1;
	if (c->rto_at_ns == LOAD_NEVER_NS)
		c->rto_at_ns = now_ns + c->rto_ns;
	return put_head(c, dst, c->snd_una, 0, TCPC_SYN);
}

// How many of the bytes left may go now (RFC 9293 3.8.6.2.1: no small pieces of a window).
static uint32_t sendable(const struct tcpc *c, uint32_t left)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint32_t window = c->snd_wnd < c->cwnd ? c->snd_wnd : c->cwnd;
	uint32_t n = window > flight ? window - flight : c->probe;

	n = n < left ? n : left;
	n = n < c->mss ? n : c->mss;
	return n < left && n < c->mss && flight > 0 ? 0 : n;
}

// Sequence numbers seq to end are on their way.
static void sent(struct tcpc *c, uint32_t seq, uint32_t end, uint64_t now_ns)
{
	if (seq_lt(seq, c->snd_max)) {
		c->resent++;
		c->rtt_running = false; // Karn: it cannot be told which of them is answered
	} else if (!c->rtt_running) {
		c->rtt_running = true;
		c->rtt_seq = seq;
		c->rtt_start_ns = now_ns;
	}
	c->snd_max = seq_max(c->snd_max, end);
	if (c->rto_at_ns == LOAD_NEVER_NS)
		c->rto_at_ns = now_ns + c->rto_ns;
}

static uint32_t put_data(
	struct tcpc *c, const uint8_t *unacked, uint32_t unacked_len, uint64_t now_ns, uint8_t *dst)
{
	bool again = c->resend_one, fin;
	uint32_t off = again ? 0 : c->snd_nxt - c->snd_una;
	uint32_t left = unacked_len > off ? unacked_len - off : 0;
	uint32_t n = again ? (left < c->mss ? left : c->mss) : sendable(c, left);
	uint32_t seq = c->snd_una + off, len;
	uint8_t flags = TCPC_ACK;

	c->resend_one = false;
	fin = c->fin_wanted && off + n == unacked_len;
	if (n == 0 && !fin) {
		// The window is closed: the timer will probe it.
		if (left > 0 && off == 0 && c->rto_at_ns == LOAD_NEVER_NS)
			c->rto_at_ns = now_ns + c->rto_ns;
		return 0;
	}
	c->probe = false;
	if (n > 0 && off + n == unacked_len)
		flags |= TCPC_PSH;
	if (fin) {
		flags |= TCPC_FIN;
		c->fin_sent = true;
		c->fin_seq = seq + n;
	}
	len = put_head(c, dst, seq, c->rcv_nxt, flags);
	memcpy(dst + len, unacked + off, n);
	sent(c, seq, seq + n + fin, now_ns);
	if (!again)
		c->snd_nxt = seq + n + fin;
	acknowledged(c);
	return len + n;
}

uint32_t tcpc_output(
	struct tcpc *c, const uint8_t *unacked, uint32_t unacked_len, uint64_t now_ns, uint8_t *dst)
{
	uint32_t len = 0;

	if (c->rst_pending) {
		c->rst_pending = false;
		return put_head(c, dst, c->rst_seq, c->rst_ack,
			c->rst_acks ? TCPC_RST | TCPC_ACK : TCPC_RST);
	}
	if (c->state == TCPC_SYN_SENT)
		return put_syn(c, now_ns, dst);
	if (c->state != TCPC_CLOSED)
		len = put_data(c, unacked, unacked_len, now_ns, dst);
	if (len == 0 && c->ack_now) {
		len = put_head(c, dst, c->snd_max, c->rcv_nxt, TCPC_ACK);
		acknowledged(c);
	}
	return len;
}

enum tcpc_event tcpc_timer(struct tcpc *c, uint64_t now_ns)
{
	uint32_t half = (c->snd_max - c->snd_una) / 2;

	if (now_ns >= c->ack_at_ns) {
		c->ack_now = true;
		c->ack_at_ns = LOAD_NEVER_NS;
	}
	if (now_ns < c->rto_at_ns)
		return TCPC_NOTHING;
	if (++c->tries >= c->conf->tries_max) {
		tcpc_abort(c);
		return TCPC_GAVE_UP;
	}
	c->rto_ns = c->rto_ns * 2 < c->conf->rto_max_ns ? c->rto_ns * 2 : c->conf->rto_max_ns;
	c->rto_at_ns = now_ns + c->rto_ns;
	c->snd_nxt = c->snd_una;
	if (c->state == TCPC_SYN_SENT)
		return TCPC_NOTHING;
	c->probe = c->snd_wnd == 0;
	c->ssthresh = half > 2u * c->mss ? half : 2u * c->mss;
	c->cwnd = c->mss;
	c->recovering = false;
	c->dup_acks = 0;
	return TCPC_NOTHING;
}

// RFC 6298 2; the clock is far finer than the times.
static void rtt_sample(struct tcpc *c, uint64_t rtt_ns)
{
	uint64_t differs = rtt_ns > c->srtt_ns ? rtt_ns - c->srtt_ns : c->srtt_ns - rtt_ns;

	if (c->srtt_ns == 0) {
		c->srtt_ns = rtt_ns;
		c->rttvar_ns = rtt_ns / 2;
	} else {
		c->rttvar_ns = (3 * c->rttvar_ns + differs) / 4;
		c->srtt_ns = (7 * c->srtt_ns + rtt_ns) / 8;
	}
}

void tcpc_acked(struct tcpc *c, uint32_t ack, uint64_t now_ns)
{
	uint32_t acked = ack - c->snd_una;

	if (c->rtt_running && seq_gt(ack, c->rtt_seq)) {
		rtt_sample(c, now_ns - c->rtt_start_ns);
		c->rtt_running = false;
	}
	if (c->srtt_ns) {
		c->rto_ns = c->srtt_ns + 4 * c->rttvar_ns;
		if (c->rto_ns < c->conf->rto_min_ns)
			c->rto_ns = c->conf->rto_min_ns;
		if (c->rto_ns > c->conf->rto_max_ns)
			c->rto_ns = c->conf->rto_max_ns;
	}
	if (c->recovering && seq_lt(ack, c->recover)) {
		c->resend_one = true; // RFC 6582: the next hole
	} else if (c->recovering) {
		c->recovering = false;
	} else if (c->cwnd < c->ssthresh) {
		c->cwnd += acked < c->mss ? acked : c->mss;
	} else if (c->cwnd < CWND_MAX) {
		c->cwnd += (uint32_t)c->mss * c->mss / c->cwnd + 1;
	}
	c->snd_una = ack;
	if (seq_lt(c->snd_nxt, ack))
		c->snd_nxt = ack;
	c->dup_acks = 0;
	c->tries = 0;
	c->rto_at_ns = ack == c->snd_max ? LOAD_NEVER_NS : now_ns + c->rto_ns;
}
