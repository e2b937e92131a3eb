// SPDX-License-Identifier: BSD-3-Clause
// Segment arrives: RFC 9293 3.10.7, one function per step, with RFC 5961 and 7323 added
//
// The order is that of 3.10.7.4, with two moves that RFC 5961 asks for: RST and SYN come
// before the window test, because their own tests are stricter than it. URG needs no
// step: the octets are delivered in line and the pointer is not looked at.

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

// ---- headers

static enum tcp_stat parse(struct tcp_seg *seg, struct net_pkt *pkt)
{
	const uint8_t *h = pkt->l4;
	uint32_t hdr_len = (h[12] >> 4) * 4u;

	seg->m = pkt->m;
	seg->pkt = pkt;
	if (unlikely_(hdr_len < HDR_TCP_LEN || hdr_len > pkt->l4_len || pkt->src_port == 0 ||
		      pkt->dst_port == 0))
		return TCP_STAT_drop_header;
	seg->seq = load_be32(h + 4);
	seg->ack = load_be32(h + 8);
	seg->flags = h[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK | TCP_URG);
	seg->wnd = load_be16(h + 14);
	seg->data = pkt->l4 + hdr_len;
	seg->len = pkt->l4_len - hdr_len;
	if (likely_(hdr_len == HDR_TCP_LEN + TCP_OPT_TS_LEN &&
		    load_be32(h + HDR_TCP_LEN) == 0x0101080a))
		seg->opt = (struct tcp_opts){
			.has_ts = true, .tsval = load_be32(h + 24), .tsecr = load_be32(h + 28)};
	else
		tcp_opt_parse(
			&seg->opt, h + HDR_TCP_LEN, hdr_len - HDR_TCP_LEN, seg->flags & TCP_SYN);
	if (unlikely_((seg->flags & TCP_SYN && seg->flags & (TCP_FIN | TCP_RST)) ||
		      !(seg->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK))))
		return TCP_STAT_drop_flags;
	return TCP_OK;
}

// ---- the ACK we owe

// At once, and one for each segment of this kind: a peer counts them (RFC 5681 3.2), and
// each has SACK blocks of its own. So the one before goes out before the next segment
// changes anything (input_steps).
static void owe_duplicate_ack(struct tcp *tcp, struct tcb *tcb)
{
	tcb->ack_now = true;
	tcb->ack_dup = true;
	tcb_want_work(tcp, tcb);
}

// RFC 9293 3.8.6.3: within delayed_ack_us, or for every second full segment.
static void owe_ack(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (tcb->rcv_nxt - tcb->rcv_acked >= 2u * tcb->rcv_mss)
		tcb->ack_now = true;
	tcb->ack_later = true;
	if (!tcb->delack_us)
		tcb->delack_us = now_us + tcp->delayed_ack_us;
	tcb_want_work(tcp, tcb);
}

// ---- timestamps (RFC 7323 5)

static enum tcp_stat check_timestamp(
	struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!tcb->ts_ok)
		return TCP_OK;
	if (!seg->opt.has_ts)
		return TCP_STAT_drop_no_timestamp;
	if (!seq_lt(seg->opt.tsval, tcb->ts_recent))
		return TCP_OK;
	if ((uint32_t)(now_us / 1000000) - tcb->ts_recent_s > TCP_PAWS_IDLE_S)
		return TCP_OK;
	if (seg_len(seg) > 0 || tcb_may_challenge(tcb, now_us))
		owe_duplicate_ack(tcp, tcb);
	return TCP_STAT_drop_paws;
}

// 4.3 (2); seq: of the segment as it came.
static void update_ts_recent(
	struct tcb *tcb, const struct tcp_seg *seg, uint32_t seq, uint64_t now_us)
{
	uint32_t now_s = (uint32_t)(now_us / 1000000);

	if (!tcb->ts_ok || !seq_le(seq, tcb->rcv_acked))
		return;
	if (!seq_lt(seg->opt.tsval, tcb->ts_recent) || now_s - tcb->ts_recent_s > TCP_PAWS_IDLE_S) {
		tcb->ts_recent = seg->opt.tsval;
		tcb->ts_recent_s = now_s;
	}
}

// ---- first: sequence number

// RFC 9293 3.10.7.4 Table 6. With the window closed, what starts at RCV.NXT goes on
// for its ACK (MUST-66); input_text does not take its data.
static bool is_acceptable(const struct tcb *tcb, const struct tcp_seg *seg)
{
	uint32_t wnd = tcb->rcv_adv - tcb->rcv_nxt, len = seg_len(seg);
	uint32_t first = seg->seq - tcb->rcv_nxt; // in window: less than wnd

	if (first == 0 || first < wnd)
		return true;
	return len > 0 && first + len - 1 < wnd;
}

static enum tcp_stat input_sequence(
	struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t room;

	if (!is_acceptable(tcb, seg)) {
		if (seg->len && seq_le(seg->seq + seg->len, tcb->rcv_nxt))
			tcb_set_dsack(tcb, seg->seq, seg->seq + seg->len);
		// Two hosts that disagree must not answer each other's ACKs for ever.
		if (seg_len(seg) > 0 || tcb_may_challenge(tcb, now_us))
			owe_duplicate_ack(tcp, tcb);
		return TCP_STAT_drop_unacceptable;
	}
	// "Segments are tailored": trim to the window.
	if (seq_lt(seg->seq, tcb->rcv_nxt)) {
		uint32_t old = tcb->rcv_nxt - seg->seq;

		if (old > seg->len)
			old = seg->len;
		tcb_set_dsack(tcb, seg->seq, seg->seq + old);
		seg->data += old;
		seg->len -= old;
		seg->seq = tcb->rcv_nxt;
	}
	room = tcb->rcv_adv - seg->seq;
	if (seg->len > room) {
		seg->flags &= (uint8_t)~TCP_FIN;
		seg->trimmed = true;
		seg->len = room;
	}
	return TCP_OK;
}

// ---- second: RST, and fourth: SYN (RFC 5961 3.2, 4.2)

static enum tcp_stat input_rst(
	struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg, uint64_t now_us)
{
	if (seg->seq == tcb->rcv_nxt) {
		tcp_count(tcp, TCP_STAT_resets_received);
		tcb_gone(tcp, tcb);
		return TCP_DONE;
	}
	if (seg->seq - tcb->rcv_nxt >= tcb->rcv_adv - tcb->rcv_nxt)
		return TCP_STAT_drop_unacceptable;
	tcb_challenge(tcp, tcb, now_us);
	return TCP_STAT_drop_challenged;
}

static enum tcp_stat input_syn(
	struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t hash = tcb->hash;

	if (tcb->state != TCPS_SYN_RCVD || seg->flags & TCP_ACK) {
		tcb_challenge(tcp, tcb, now_us);
		return TCP_STAT_drop_challenged;
	}
	if (seg->seq == tcb->irs) {
		// Our SYN-ACK was lost, or is on its way.
		tcb->rtt_timing = false;
		if (tcb->ts_ok && seg->opt.has_ts && seq_gt(seg->opt.tsval, tcb->ts_recent))
			tcb->ts_recent = seg->opt.tsval;
		tcp_count(tcp, TCP_STAT_retransmits);
		tcb_send_syn_ack(tcp, tcb, now_us);
		return TCP_OK;
	}
	if (!is_acceptable(tcb, seg)) {
		tcb_challenge(tcp, tcb, now_us);
		return TCP_STAT_drop_unacceptable;
	}
	// 3.10.7.4, SYN-RECEIVED: "return to the LISTEN state", and start anew there.
	tcb_replaced(tcp, tcb);
	return tcp_listen_input(tcp, seg, hash, now_us);
}

// ---- seventh: text

// Data for a user who is gone (RFC 9293 3.6.1, RFC 1122 4.2.2.13).
static enum tcp_stat input_after_close(struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg)
{
	tcp_answer_rst(tcp, seg);
	tcb_gone(tcp, tcb);
	return TCP_STAT_drop_after_close;
}

static void text_in_order(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg)
{
	tcb->rcv_nxt += seg->len;
	tcb_rcvq_append(tcb, seg->m, seg->data, seg->len);
	seg->m = NULL;
	stat_add(&tcp->stats[TCP_STAT_rx_data_bytes], seg->len);
}

static void learn_rcv_mss(const struct tcp *tcp, struct tcb *tcb, uint32_t len)
{
	if (len > tcb->rcv_mss)
		tcb->rcv_mss = len < tcp->mtu_mss ? (uint16_t)len : tcp->mtu_mss;
}

static enum tcp_stat input_text(
	struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t before = tcb->rcv_nxt;
	bool had_hole = tcb->ooo_head != NULL;
	enum tcp_stat result = TCP_OK;

	if (tcb->eof)
		return TCP_OK; // 3.10.7.4: "This should not occur ... Ignore the segment text."
	if (tcb->fin_queued && (seg->len || seg->trimmed))
		return input_after_close(tcp, tcb, seg);
	if (tcb->fin_rcvd && seq_gt(seg->seq + seg->len, tcb->rcv_fin)) {
		if (seq_ge(seg->seq, tcb->rcv_fin))
			return TCP_OK;
		seg->len = tcb->rcv_fin - seg->seq;
	}
	if (seg->len == 0) {
		if (seg->trimmed) // a probe of our closed window
			owe_duplicate_ack(tcp, tcb);
		return seg->trimmed ? TCP_STAT_drop_unacceptable : TCP_OK;
	}
	learn_rcv_mss(tcp, tcb, seg->len);
	if (seg->seq == tcb->rcv_nxt && !had_hole) {
		text_in_order(tcp, tcb, seg);
	} else {
		result = tcb_ooo_insert(tcp, tcb, seg);
	}
	if (had_hole || tcb->rcv_nxt == before || tcb->dsack_set || seg->trimmed)
		owe_duplicate_ack(tcp, tcb); // SHLD-18 is for what is in order
	else
		owe_ack(tcp, tcb, now_us);
	if (tcb->rcv_nxt != before)
		tcb_raise(tcp, tcb, TCP_EV_DATA);
	return result;
}

// ---- eighth: FIN

// Every octet before the peer's FIN is there.
static enum tcp_stat input_fin(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	tcb->eof = true;
	tcb->rcv_nxt = tcb->rcv_fin + 1;
	// A FIN needs no room: it is taken with the window closed, too.
	if (seq_gt(tcb->rcv_nxt, tcb->rcv_adv))
		tcb->rcv_adv = tcb->rcv_nxt;
	tcb->ack_now = true;
	tcb_want_work(tcp, tcb);
	tcb_raise(tcp, tcb, TCP_EV_EOF);
	switch (tcb->state) {
	case TCPS_ESTABLISHED:
		tcb_set_state(tcb, TCPS_CLOSE_WAIT);
		break;
	case TCPS_FIN_WAIT_1:
		tcb_set_state(tcb, TCPS_CLOSING);
		break;
	case TCPS_FIN_WAIT_2:
		tcb_send_ack(tcp, tcb, now_us);
		tcb_to_time_wait(tcp, tcb, now_us);
		return TCP_DONE;
	default:
		break; // eof was set before: no second FIN comes here
	}
	return TCP_OK;
}

static enum tcp_stat check_fin(
	struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg, uint64_t now_us)
{
	if (seg->flags & TCP_FIN && !tcb->fin_rcvd) {
		uint32_t fin = seg->fin_seq;

		// A FIN in the middle of what was already received is nonsense.
		if (seq_ge(fin, tcb->rcv_nxt) && !tcb_ooo_is_beyond(tcb, fin)) {
			tcb->fin_rcvd = true;
			tcb->rcv_fin = fin;
		}
	}
	if (tcb->fin_rcvd && !tcb->eof && tcb->rcv_nxt == tcb->rcv_fin)
		return input_fin(tcp, tcb, now_us);
	// A FIN before its turn tells of a hole like any other segment.
	if (seg->flags & TCP_FIN && seg->len == 0 && !tcb->eof) {
		tcp_count(tcp, TCP_STAT_out_of_order);
		owe_duplicate_ack(tcp, tcb);
	}
	return TCP_OK;
}

// ---- all steps in their order

static enum tcp_stat input_steps(
	struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t seq = seg->seq;
	enum tcp_stat r;

	if (tcb->ack_dup && seg_len(seg) > 0)
		tcb_send_ack(tcp, tcb, now_us);
	if (seg->flags & TCP_RST)
		return input_rst(tcp, tcb, seg, now_us);
	if (seg->flags & TCP_SYN)
		return input_syn(tcp, tcb, seg, now_us);
	if (!(seg->flags & TCP_ACK))
		return TCP_STAT_drop_flags;
	r = check_timestamp(tcp, tcb, seg, now_us);
	if (r != TCP_OK)
		return r;
	seg->fin_seq = seg->seq + seg->len;
	r = input_sequence(tcp, tcb, seg, now_us);
	if (r != TCP_OK)
		return r;
	tcb->rx_us = now_us;
	r = tcp_ack_input(tcp, tcb, seg, now_us);
	if (r != TCP_OK)
		return r;
	tcb->path = seg->pkt->path;
	tcb->keep_probes = 0;
	update_ts_recent(tcb, seg, seq, now_us);
	r = input_text(tcp, tcb, seg, now_us);
	if (r != TCP_OK)
		return r;
	return check_fin(tcp, tcb, seg, now_us);
}

// Header prediction: the next segment of an open connection on which nothing is
// missing, nothing is lost and nobody closes. All of these would pass every step.
static bool is_expected(const struct tcb *tcb, const struct tcp_seg *seg)
{
	return tcb->state == TCPS_ESTABLISHED && (seg->flags & ~TCP_PSH) == TCP_ACK &&
	       seg->seq == tcb->rcv_nxt && !tcb->ooo_head && !tcb->fin_rcvd &&
	       seg->len <= tcb->rcv_adv - tcb->rcv_nxt &&
	       seg->ack - tcb->snd_una <= tcb->snd_nxt - tcb->snd_una &&
	       (seg->len || seg->ack != tcb->snd_una) && tcb->snd_cur == tcb->snd_nxt &&
	       !tcb->in_recovery && tcb->timer != TCB_TIMER_PERSIST &&
	       tcb->ts_ok == seg->opt.has_ts &&
	       (!tcb->ts_ok || !seq_lt(seg->opt.tsval, tcb->ts_recent));
}

static void input_expected(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	tcb->rx_us = now_us;
	if (seg->ack != tcb->snd_una)
		tcp_ack_advance(tcp, tcb, seg->ack, &seg->opt, now_us);
	tcp_ack_window(tcp, tcb, seg);
	tcb->path = seg->pkt->path;
	tcb->keep_probes = 0;
	update_ts_recent(tcb, seg, seg->seq, now_us);
	if (seg->len) {
		learn_rcv_mss(tcp, tcb, seg->len);
		text_in_order(tcp, tcb, seg);
		owe_ack(tcp, tcb, now_us);
		tcb_raise(tcp, tcb, TCP_EV_DATA);
	}
}

static enum tcp_stat input_demux(struct tcp *tcp, struct tcp_seg *seg, uint64_t now_us)
{
	const struct net_pkt *pkt = seg->pkt;
	uint32_t hash = pkt->hashed ? pkt->flow_hash
				    : tcp_flow_hash(tcp, &pkt->path, pkt->dst_port, pkt->src_port);
	struct tcb *tcb = tcp_table_find(tcp, hash, pkt);
	struct time_wait *tw;

	if (likely_(tcb && is_expected(tcb, seg))) {
		input_expected(tcp, tcb, seg, now_us);
		return TCP_OK;
	}
	if (tcb)
		return input_steps(tcp, tcb, seg, now_us);
	tw = tcp_time_wait_find(tcp, hash, pkt);
	if (tw)
		return tcp_time_wait_input(tcp, tw, seg, now_us);
	return tcp_listen_input(tcp, seg, hash, now_us);
}

enum tcp_stat tcp_input(struct tcp *tcp, struct net_pkt *pkt, uint64_t now_us)
{
	struct tcp_seg seg;
	enum tcp_stat r = parse(&seg, pkt);

	seg.trimmed = false;
	if (likely_(r == TCP_OK))
		r = input_demux(tcp, &seg, now_us);
	if (r == TCP_DONE)
		r = TCP_OK;
	tcp_count(tcp, r);
	if (seg.m)
		rte_pktmbuf_free(seg.m);
	return r;
}
