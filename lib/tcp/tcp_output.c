// SPDX-License-Identifier: BSD-3-Clause
// What is sent and when: segments, windows, silly-window avoidance (RFC 9293 3.8.6)

#include "tcp/tcp_cc.h"
#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

struct rte_mbuf *tcp_segment(struct tcp *tcp, uint16_t src_port, uint16_t dst_port, uint32_t seq,
	uint32_t ack, uint8_t flags, uint16_t wnd, unsigned opt_len)
{
	struct rte_mbuf *m = net_alloc(tcp->net);
	uint16_t hdr_len = (uint16_t)(HDR_TCP_LEN + opt_len);
	uint8_t *h;

	if (unlikely_(!m))
		return NULL;
	m->data_len = hdr_len;
	m->pkt_len = hdr_len;
	h = rte_pktmbuf_mtod(m, uint8_t *);
	store_be16(h, src_port);
	store_be16(h + 2, dst_port);
	store_be32(h + 4, seq);
	store_be32(h + 8, ack);
	h[12] = (uint8_t)(hdr_len << 2);
	h[13] = flags;
	store_be16(h + 14, wnd);
	store_be32(h + 16, 0); // checksum, urgent pointer
	return m;
}

// The room a peer may count on beyond RCV.NXT.
static uint32_t rcv_room(const struct tcb *tcb)
{
	return tcb->rcv_limit > tcb->readable ? tcb->rcv_limit - tcb->readable : 0;
}

// MUST-39: the edge moves by min(MSS, half the buffer), or not at all.
static bool edge_may_move(const struct tcb *tcb)
{
	int32_t gain = (int32_t)(tcb->rcv_nxt + rcv_room(tcb) - tcb->rcv_adv);
	uint32_t half = tcb->rcv_limit / 2;

	return gain > 0 && (uint32_t)gain >= (tcb->mss < half ? tcb->mss : half);
}

// RCV.WND for a header; moves rcv_adv, never to the left (SHLD-14). A scaled field
// cannot say every edge: round up where the buffer allows, else say less.
static uint16_t announce_window(struct tcb *tcb)
{
	uint32_t limit = tcb->rcv_nxt + rcv_room(tcb), field, edge;

	if (edge_may_move(tcb)) {
		field = (limit - tcb->rcv_nxt) >> tcb->rcv_wscale;
	} else {
		uint32_t wnd = tcb->rcv_adv - tcb->rcv_nxt;

		field = (wnd + (1u << tcb->rcv_wscale) - 1) >> tcb->rcv_wscale;
		if (seq_gt(tcb->rcv_nxt + (field << tcb->rcv_wscale), limit))
			field = wnd >> tcb->rcv_wscale;
	}
	edge = tcb->rcv_nxt + (field << tcb->rcv_wscale);
	if (seq_gt(edge, tcb->rcv_adv))
		tcb->rcv_adv = edge;
	return (uint16_t)field;
}

// An update is sent by itself only when the peer may be waiting for it.
static bool window_update_due(const struct tcb *tcb)
{
	return tcb->consumed && !tcb->eof && tcb->rcv_adv - tcb->rcv_nxt < tcb->rcv_limit / 2 &&
	       edge_may_move(tcb);
}

static unsigned option_len(const struct tcb *tcb)
{
	unsigned n = tcb->ts_ok ? TCP_OPT_TS_LEN : 0;
	unsigned blocks = tcb->sack_ok ? tcb->sack_count + tcb->dsack_set : 0;
	unsigned max = (TCP_OPT_MAX - n - 4) / 8;

	if (blocks > max)
		blocks = max;
	return blocks ? n + 4 + 8 * blocks : n;
}

static void put_options(struct tcb *tcb, uint8_t *p, unsigned opt_len, uint64_t now_us)
{
	struct seq_range blocks[TCB_SACK_MAX];
	unsigned n = 0;

	if (tcb->ts_ok)
		n = tcp_opt_put_ts(p, tcb_ts_now(tcb, now_us), tcb->ts_recent);
	if (opt_len > n)
		tcp_opt_put_sack(
			p + n, blocks, tcb_sack_blocks(tcb, blocks, (opt_len - n - 4) / 8));
}

// Every segment with ACK says all there is to say: nothing is owed any more.
static void ack_is_sent(struct tcb *tcb)
{
	tcb->rcv_acked = tcb->rcv_nxt;
	tcb->ack_now = tcb->ack_later = tcb->ack_dup = false;
	tcb->dsack_set = false;
	tcb->consumed = false;
	tcb->delack_us = 0;
}

static void copy_payload(struct tcb *tcb, uint8_t *dst, uint32_t seq, uint32_t n)
{
	if (!tcb->sndq.rd || tcb->sent_seq != seq)
		chunkq_seek(&tcb->sndq, seq - tcb->snd_una);
	chunkq_read(&tcb->sndq, dst, n);
	tcb->sent_seq = seq + n;
}

// One segment with len octets of the queue from seq on. False: no mbuf.
static bool send_segment(struct tcp *tcp, struct tcb *tcb, uint32_t seq, uint32_t len,
	uint8_t flags, uint64_t now_us)
{
	unsigned opt_len = option_len(tcb);
	struct rte_mbuf *m = tcp_segment(tcp, tcb->local_port, tcb->remote_port, seq, tcb->rcv_nxt,
		flags | TCP_ACK, announce_window(tcb), opt_len);
	uint8_t *p;

	if (unlikely_(!m))
		return false;
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, HDR_TCP_LEN);
	if (opt_len)
		put_options(tcb, p, opt_len, now_us);
	if (len) {
		copy_payload(tcb, p + opt_len, seq, len);
		m->data_len += (uint16_t)len;
		m->pkt_len += len;
	}
	ack_is_sent(tcb);
	tcp_count(tcp, TCP_STAT_tx_segments);
	net_output(tcp->net, m, &tcb->path, HDR_PROTO_TCP);
	return true;
}

void tcb_send_ack(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (send_segment(tcp, tcb, tcb->snd_nxt, 0, 0, now_us))
		return;
	// Still owed: the next tcp_poll tries again.
	tcb->ack_now = true;
	tcb_want_work(tcp, tcb);
}

void tcb_send_keepalive(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	send_segment(tcp, tcb, tcb->snd_nxt - 1, 0, 0, now_us);
}

void tcb_send_rst(struct tcp *tcp, struct tcb *tcb)
{
	struct rte_mbuf *m = tcp_segment(tcp, tcb->local_port, tcb->remote_port, tcb->snd_nxt,
		tcb->rcv_nxt, TCP_RST | TCP_ACK, 0, 0);

	if (!m)
		return;
	tcp_count(tcp, TCP_STAT_resets_sent);
	tcp_count(tcp, TCP_STAT_tx_segments);
	net_output(tcp->net, m, &tcb->path, HDR_PROTO_TCP);
}

void tcb_send_syn_ack(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	struct tcp_opts o = {
		.has_ts = tcb->ts_ok,
		.tsval = tcb_ts_now(tcb, now_us),
		.tsecr = tcb->ts_recent,
		.sack_perm = tcb->sack_ok,
		.has_wscale = tcb->wscale_ok,
		.wscale = tcb->rcv_wscale,
	};
	uint8_t opt[TCP_OPT_MAX];
	unsigned opt_len = tcp_opt_put_syn(opt, tcp->mtu_mss, &o);
	uint32_t wnd = tcb->rcv_adv - tcb->rcv_nxt; // never scaled: RFC 7323 2.2
	struct rte_mbuf *m = tcp_segment(tcp, tcb->local_port, tcb->remote_port, tcb->iss,
		tcb->rcv_nxt, TCP_SYN | TCP_ACK, (uint16_t)wnd, opt_len);

	if (!m)
		return; // as if it were lost
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, HDR_TCP_LEN), opt, opt_len);
	ack_is_sent(tcb);
	tcp_count(tcp, TCP_STAT_tx_segments);
	net_output(tcp->net, m, &tcb->path, HDR_PROTO_TCP);
}

static uint32_t payload_max(const struct tcb *tcb)
{
	return tcb->mss_base - option_len(tcb);
}

static void count_retransmit(struct tcp *tcp, struct tcb *tcb)
{
	tcb->retransmits++;
	tcb->rtt_timing = false;
	tcb->rtt_karn = true;
	tcp_count(tcp, TCP_STAT_retransmits);
}

bool tcb_retransmit(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	uint32_t len = tcb_flight(tcb) - (tcb->fin_sent && !tcb->fin_acked);
	uint32_t max = payload_max(tcb), wnd = tcb->snd_wnd ? tcb->snd_wnd : 1;
	uint8_t flags = 0;
	bool fin;

	if (max > wnd)
		max = wnd; // SHLD-16: not beyond a window that shrank
	if (len > max)
		len = max;
	fin = tcb->fin_sent && len == tcb->sndq.len && len < wnd;
	if (fin)
		flags = TCP_FIN;
	if (len && len == tcb->sndq.len)
		flags |= TCP_PSH;
	if (len == 0 && !fin)
		return true;
	if (!send_segment(tcp, tcb, tcb->snd_una, len, flags, now_us))
		return false;
	count_retransmit(tcp, tcb);
	if (seq_lt(tcb->snd_cur, tcb->snd_una + len + fin))
		tcb->snd_cur = tcb->snd_una + len + fin;
	return true;
}

void tcb_send_probe(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	bool fin = tcb->sndq.len == 0;
	uint8_t flags = fin ? TCP_FIN : 0;

	if (tcb->sndq.len == 1)
		flags = TCP_PSH;
	if (!send_segment(tcp, tcb, tcb->snd_una, !fin, flags, now_us))
		return;
	tcb->probing = true;
	tcb->rtt_timing = false;
	tcb->fin_sent |= fin;
	if (tcb->snd_nxt == tcb->snd_una)
		tcb->snd_nxt = tcb->snd_una + 1;
	tcb->snd_cur = tcb->snd_nxt;
}

// What stopped send_loop.
enum stop { STOP_EMPTY, STOP_WINDOW, STOP_CWND, STOP_NO_MBUF, STOP_TX_FULL };

struct next_seg {
	uint32_t len;
	bool fin;
	enum stop stop; // if there is none
};

// The next segment to send from snd_cur on; .len 0 and !.fin: none now.
static struct next_seg next_segment(const struct tcb *tcb, uint32_t max)
{
	uint32_t off = tcb->snd_cur - tcb->snd_una, queued = tcb->sndq.len;
	uint32_t unsent = queued > off ? queued - off : 0;
	bool fin_due = tcb->fin_queued && !tcb->fin_acked && off <= queued;
	uint32_t wnd = tcb->snd_wnd < tcb->cwnd ? tcb->snd_wnd : tcb->cwnd;
	uint32_t usable = wnd > off ? wnd - off : 0;
	enum stop stop = tcb->cwnd < tcb->snd_wnd ? STOP_CWND : STOP_WINDOW;
	struct next_seg s = {.len = unsent < max ? unsent : max};

	if (unsent == 0 && !fin_due)
		return (struct next_seg){.stop = STOP_EMPTY};
	if (s.len > usable)
		s.len = usable;
	// RFC 9293 3.8.6.2.1: (1) a full segment, (2) all there is, (3) half of the
	// largest window, (4) the override timer has run out.
	if (s.len < max && s.len < unsent && s.len < (tcb->max_snd_wnd + 1) / 2 &&
		!(tcb->timer == TCB_TIMER_OVERRIDE && tcb->rtx_us == 0))
		return (struct next_seg){.stop = stop};
	s.fin = fin_due && s.len == unsent && off + s.len < tcb->snd_wnd;
	s.stop = stop;
	return s;
}

// Send as much as the windows allow.
static enum stop send_loop(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	// Each turn sends a segment; the queue is finite.
	for (;;) {
		struct next_seg s = next_segment(tcb, payload_max(tcb));
		uint32_t seq = tcb->snd_cur, end = seq + s.len + s.fin;
		uint8_t flags = 0;

		if (s.len == 0 && !s.fin)
			return s.stop;
		if (unlikely_(net_tx_count(tcp->net) >= TCP_TX_FULL))
			return STOP_TX_FULL;
		if (s.fin)
			flags = TCP_FIN;
		if (s.len && seq + s.len == tcb->snd_una + tcb->sndq.len)
			flags |= TCP_PSH;
		if (!send_segment(tcp, tcb, seq, s.len, flags, now_us))
			return STOP_NO_MBUF;
		if (tcb->timer != TCB_TIMER_RTO)
			tcb->timer = TCB_TIMER_NONE;
		tcb->snd_cur = end;
		tcb->fin_sent |= s.fin;
		// One octet that was sent before is a window probe's, which was no loss.
		if (seq_lt(seq + 1, tcb->snd_nxt)) {
			count_retransmit(tcp, tcb);
		} else if (!tcb->rtt_timing && !tcb->in_recovery) {
			tcb_rtt_start(tcb, end, now_us);
		}
		if (seq_gt(end, tcb->snd_nxt)) {
			stat_add(&tcp->stats[TCP_STAT_tx_data_bytes], end - s.fin - tcb->snd_nxt);
			tcb->snd_nxt = end;
		}
	}
}

// Which timer has to run after output, RFC 6298 5.1 and RFC 9293 3.8.6.1.
static void choose_timer(struct tcp *tcp, struct tcb *tcb, enum stop stop, uint64_t now_us)
{
	uint32_t flight = tcb_flight(tcb);
	enum tcb_timer kind = TCB_TIMER_NONE;
	uint64_t after_us = tcb->rto_us;

	if (tcb->snd_wnd == 0 && (flight == 0 || tcb->probing) && stop != STOP_EMPTY) {
		kind = TCB_TIMER_PERSIST;
	} else if (tcb->probing && tcb->snd_wnd == 0) {
		kind = TCB_TIMER_PERSIST; // the probe was the last octet
	} else if (flight > 0) {
		kind = TCB_TIMER_RTO;
	} else if (stop == STOP_NO_MBUF || stop == STOP_TX_FULL) {
		kind = TCB_TIMER_RETRY;
		after_us = TCP_RETRY_US;
	} else if (stop != STOP_EMPTY) {
		kind = TCB_TIMER_OVERRIDE;
		after_us = TCP_OVERRIDE_US;
	}
	if (kind == tcb->timer && tcb->rtx_us)
		return; // it is running
	if (kind == TCB_TIMER_RTO || kind == TCB_TIMER_PERSIST)
		tcb->una_us = now_us;
	tcb_timer_start(tcp, tcb, kind, kind == TCB_TIMER_NONE ? 0 : now_us + after_us);
}

void tcb_output(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	enum stop stop;

	tcb->want_output = false;
	if (tcb->state == TCPS_SYN_RCVD && tcb->ack_now)
		tcb_send_ack(tcp, tcb, now_us);
	if (tcb->state <= TCPS_SYN_RCVD || tcb->state == TCPS_TIME_WAIT)
		return;
	stop = send_loop(tcp, tcb, now_us);
	tcb->cwnd_limited = stop == STOP_CWND;
	choose_timer(tcp, tcb, stop, now_us);
	if (unlikely_(stop == STOP_TX_FULL)) {
		// A packet dropped there would cost the peer a timeout; soon there is room.
		tcb->want_output = true;
		tcb_want_work(tcp, tcb);
	}
	if (tcb->ack_now || window_update_due(tcb))
		tcb_send_ack(tcp, tcb, now_us);
	else if (tcb->ack_later)
		tcb_timer_update(tcp, tcb);
}

void tcp_output(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	tcb_output(tcp, tcb, now_us);
}
