// SPDX-License-Identifier: BSD-3-Clause
// The client's side of one TCP connection: segments in (RFC 9293 3.10.7)

#include "load/tcpc_priv.h"

#define INITIAL_WINDOW 10 // segments, RFC 6928
#define DUP_ACKS 3

struct segment {
	uint32_t seq, ack, window;
	uint32_t len;
	uint16_t mss; // 0: not said
	uint8_t flags;
	const uint8_t *data;
};

static uint16_t parse_mss(const uint8_t *opt, size_t len)
{
	for (size_t i = 0; i < len && opt[i] != TCPC_OPT_END;) {
		if (opt[i] == TCPC_OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= len || opt[i + 1] < 2 || opt[i + 1] > len - i)
			return 0;
		if (opt[i] == TCPC_OPT_MSS && opt[i + 1] == 4)
			return load_be16(opt + i + 2);
		i += opt[i + 1];
	}
	return 0;
}

static bool parse(struct segment *s, const uint8_t *p, size_t len)
{
	size_t head;

	if (len < TCPC_HEAD_LEN)
		return false;
	head = (size_t)(p[12] >> 4) * 4;
	if (head < TCPC_HEAD_LEN || head > len)
		return false;
	*s = (struct segment){
		.seq = load_be32(p + 4),
		.ack = load_be32(p + 8),
		.window = load_be16(p + 14),
		.len = (uint32_t)(len - head),
		.flags = p[13],
		.data = p + head,
	};
	if (s->flags & TCPC_SYN)
		s->mss = parse_mss(p + TCPC_HEAD_LEN, head - TCPC_HEAD_LEN);
	return true;
}

// RFC 9293 3.10.7.1: a segment for a connection that is not there.
static void answer_rst(struct tcpc *c, const struct segment *s)
{
	if (s->flags & TCPC_RST)
		return;
	c->rst_pending = true;
	c->rst_acks = !(s->flags & TCPC_ACK);
	c->rst_seq = s->flags & TCPC_ACK ? s->ack : 0;
	c->rst_ack = s->seq + s->len + !!(s->flags & TCPC_SYN) + !!(s->flags & TCPC_FIN);
}

static void input_closed(struct tcpc *c, const struct segment *s)
{
	// Our ACK of its FIN was lost: TIME-WAIT would answer the same.
	if (c->fin_acked && c->peer_fin && (s->flags & (TCPC_FIN | TCPC_RST)) == TCPC_FIN &&
		s->seq + s->len + 1 == c->rcv_nxt)
		c->ack_now = true;
	else
		answer_rst(c, s);
}

static void input_syn_sent(
	struct tcpc *c, const struct segment *s, uint64_t now_ns, struct tcpc_in *in)
{
	bool lost_syn = c->tries > 0;
	uint16_t mss = s->mss ? s->mss : TCPC_MSS_DEFAULT;

	if ((s->flags & TCPC_ACK) && (s->ack != c->snd_una + 1 || s->ack != c->snd_max)) {
		answer_rst(c, s); // of an earlier connection, or a challenge (RFC 5961 4)
		return;
	}
	if (s->flags & TCPC_RST) {
		if (!(s->flags & TCPC_ACK))
			return;
		tcpc_end(c);
		in->event = TCPC_REFUSED;
		return;
	}
	if ((s->flags & (TCPC_SYN | TCPC_ACK)) != (TCPC_SYN | TCPC_ACK))
		return;
	mss = mss < TCPC_MSS_MIN ? TCPC_MSS_MIN : mss;
	c->mss = mss < c->conf->mss ? mss : c->conf->mss;
	tcpc_acked(c, s->ack, now_ns);
	c->state = TCPC_OPEN;
	c->rcv_nxt = s->seq + 1;
	c->snd_wnd = s->window;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->cwnd = lost_syn ? c->mss : (uint32_t)INITIAL_WINDOW * c->mss;
	c->ack_now = true;
	in->event = TCPC_CONNECTED;
}

static void duplicate_ack(struct tcpc *c)
{
	uint32_t half = (c->snd_max - c->snd_una) / 2;

	if (c->recovering || c->dup_acks >= DUP_ACKS || ++c->dup_acks < DUP_ACKS)
		return;
	c->recovering = true;
	c->recover = c->snd_max;
	c->resend_one = true;
	c->ssthresh = half > 2u * c->mss ? half : 2u * c->mss;
	c->cwnd = c->ssthresh;
}

static void input_ack(struct tcpc *c, const struct segment *s, uint64_t now_ns, struct tcpc_in *in)
{
	if (seq_lt(s->ack, c->snd_una))
		return;
	if (s->ack == c->snd_una) {
		if (s->len == 0 && !(s->flags & TCPC_FIN) && s->window == c->snd_wnd &&
			c->snd_una != c->snd_max)
			duplicate_ack(c);
	} else {
		in->acked = s->ack - c->snd_una;
		if (c->fin_sent && s->ack == c->fin_seq + 1) {
			c->fin_acked = true;
			in->acked--;
		}
		tcpc_acked(c, s->ack, now_ns);
	}
	if (seq_lt(c->snd_wl1, s->seq) || (c->snd_wl1 == s->seq && seq_le(c->snd_wl2, s->ack))) {
		c->snd_wnd = s->window;
		c->snd_wl1 = s->seq;
		c->snd_wl2 = s->ack;
	}
}

// s begins at or before rcv_nxt, and does not end before it.
static void input_data(struct tcpc *c, const struct segment *s, uint64_t now_ns, struct tcpc_in *in)
{
	uint32_t skip = c->rcv_nxt - s->seq, n = s->len - skip;
	bool cut = n > TCPC_WINDOW;

	n = cut ? TCPC_WINDOW : n;
	if (n > 0 && !c->peer_fin) {
		in->data = s->data + skip;
		in->len = n;
		c->rcv_nxt += n;
		// RFC 9293 3.8.6.3: not later than every second segment.
		if (++c->data_segments >= 2)
			c->ack_now = true;
		else if (c->ack_at_ns == LOAD_NEVER_NS)
			c->ack_at_ns = now_ns + c->conf->ack_delay_ns;
	}
	if ((s->flags & TCPC_FIN) && !cut && !c->peer_fin) {
		c->peer_fin = true;
		c->rcv_nxt++;
		c->ack_now = true;
		in->event = TCPC_PEER_CLOSED;
	}
}

static void input_synchronized(
	struct tcpc *c, const struct segment *s, uint64_t now_ns, struct tcpc_in *in)
{
	uint32_t end = s->seq + s->len + !!(s->flags & TCPC_FIN);

	if (s->flags & TCPC_RST) {
		if (s->seq == c->rcv_nxt) {
			tcpc_end(c);
			in->event = TCPC_RESET;
		} else if (s->seq - c->rcv_nxt < TCPC_WINDOW) {
			c->ack_now = true; // RFC 5961 3.2
		}
		return;
	}
	// A SYN (RFC 5961 4.2), an ACK of what was never sent, and what is wholly old.
	if ((s->flags & TCPC_SYN) || !(s->flags & TCPC_ACK) || seq_gt(s->ack, c->snd_max) ||
		seq_lt(end, c->rcv_nxt) || (end == c->rcv_nxt && s->seq != end)) {
		c->ack_now = !!(s->flags & (TCPC_ACK | TCPC_SYN)) || c->ack_now;
		return;
	}
	if (s->seq != c->rcv_nxt && s->seq - c->rcv_nxt < TCPC_WINDOW) {
		c->out_of_order++;
		c->ack_now = true;
		input_ack(c, s, now_ns, in);
		return;
	}
	if (seq_gt(s->seq, c->rcv_nxt)) { // beyond the window
		c->ack_now = true;
		return;
	}
	input_ack(c, s, now_ns, in);
	input_data(c, s, now_ns, in);
	if (c->fin_acked && c->peer_fin) {
		tcpc_end(c);
		in->event = TCPC_ENDED;
	}
}

void tcpc_input(struct tcpc *c, const uint8_t *p, size_t len, uint64_t now_ns, struct tcpc_in *in)
{
	struct segment s;

	*in = (struct tcpc_in){0};
	if (!parse(&s, p, len))
		return;
	if (c->state == TCPC_CLOSED)
		input_closed(c, &s);
	else if (c->state == TCPC_SYN_SENT)
		input_syn_sent(c, &s, now_ns, in);
	else
		input_synchronized(c, &s, now_ns, in);
}
