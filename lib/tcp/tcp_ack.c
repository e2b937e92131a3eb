// SPDX-License-Identifier: BSD-3-Clause
// The ACK field of a segment: RFC 9293 3.10.7.4 "Fifth, check the ACK field", RFC 5961 5

#include "tcp/tcp_cc.h"
#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

bool tcb_may_challenge(struct tcb *tcb, uint64_t now_us)
{
	uint32_t now_ms = (uint32_t)(now_us / 1000);

	if (tcb->challenges == 0 || now_ms - tcb->challenge_ms >= TCP_CHALLENGE_MS) {
		tcb->challenge_ms = now_ms;
		tcb->challenges = 0;
	}
	if (tcb->challenges >= TCP_CHALLENGES_MAX)
		return false;
	tcb->challenges++;
	return true;
}

void tcb_challenge(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (!tcb_may_challenge(tcb, now_us))
		return;
	tcp_count(tcp, TCP_STAT_challenge_acks);
	tcb->ack_now = true;
	tcb_want_work(tcp, tcb);
}

static void ack_window_opened(struct tcb *tcb)
{
	if (!tcb->probing)
		return;
	// The probe's octet was not taken: it goes first in the next segment.
	tcb->probing = false;
	tcb->backoff = 0;
	tcb->snd_cur = tcb->snd_una;
	tcb_timer_stop(tcb);
}

// RFC 9293 3.10.7.4, "SND.WND": WL1 and WL2 keep an old segment from changing the window.
// One whose ACK is above all others is new, whatever its SEQ: leaving SND.WND as it was
// while SND.UNA moves would grant octets that nobody offered.
void tcp_ack_window(struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg)
{
	uint32_t wnd = (uint32_t)seg->wnd << tcb->snd_wscale;

	if (!seq_lt(tcb->snd_wl2, seg->ack) && !seq_lt(tcb->snd_wl1, seg->seq) &&
		!(tcb->snd_wl1 == seg->seq && tcb->snd_wl2 == seg->ack))
		return;
	tcb->snd_wl1 = seg->seq;
	tcb->snd_wl2 = seg->ack;
	if (wnd == tcb->snd_wnd)
		return;
	tcb->snd_wnd = wnd;
	if (wnd > tcb->max_snd_wnd)
		tcb->max_snd_wnd = wnd;
	if (wnd > 0)
		ack_window_opened(tcb);
	if (tcb->sndq.len || tcb->fin_queued) {
		tcb->want_output = true;
		tcb_want_work(tcp, tcb);
	}
}

void tcp_ack_advance(
	struct tcp *tcp, struct tcb *tcb, uint32_t ack, const struct tcp_opts *opt, uint64_t now_us)
{
	uint32_t acked = ack - tcb->snd_una, flight = tcb_flight(tcb), data = acked;
	enum tcp_cc_action action;

	if (data > tcb->sndq.len) {
		DCHECK(tcb->fin_sent && data == tcb->sndq.len + 1);
		data = tcb->sndq.len;
		tcb->fin_acked = true;
	}
	chunkq_drop(&tcb->sndq, data);
	tcb->snd_una = ack;
	if (seq_lt(tcb->snd_cur, ack))
		tcb->snd_cur = ack;
	tcb->una_us = now_us;
	tcb->backoff = 0;
	tcb->probing = false;
	tcb_rtt_on_ack(tcp, tcb, ack, opt, now_us);
	action = tcp_cc_on_ack(tcb, acked, flight);
	// RFC 6298 5.2, 5.3.
	if (tcb_flight(tcb) == 0)
		tcb_timer_stop(tcb);
	else
		tcb_timer_start(tcp, tcb, TCB_TIMER_RTO, now_us + tcb->rto_us);
	if (action == TCP_CC_RETRANSMIT)
		tcb_retransmit(tcp, tcb, now_us);
	if (tcb->sndq.len || (tcb->fin_queued && !tcb->fin_acked)) {
		tcb->want_output = true;
		tcb_want_work(tcp, tcb);
	}
	if (data > 0 && !tcb->fin_queued)
		tcb_raise(tcp, tcb, TCP_EV_SPACE);
}

// RFC 5681 2: a duplicate acknowledgment, by all of (a) to (e). The window, (e), is there
// to tell it from a window update: a SACK block above the ACK does that better
// (RFC 6675 2), for peers whose window grows meanwhile.
static bool is_dupack(const struct tcb *tcb, const struct tcp_seg *seg)
{
	bool same_wnd = (uint32_t)seg->wnd << tcb->snd_wscale == tcb->snd_wnd;
	bool sacked = tcb->sack_ok && seg->opt.has_sack && seq_gt(seg->opt.sack.left, seg->ack) &&
		      seq_le(seg->opt.sack.right, tcb->snd_nxt);

	return seg->ack == tcb->snd_una && seg_len(seg) == 0 && tcb_flight(tcb) > 0 &&
	       (same_wnd || sacked) && !tcb->probing;
}

static void ack_duplicate(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (tcp_cc_on_dupack(tcb) == TCP_CC_RETRANSMIT) {
		tcp_count(tcp, TCP_STAT_fast_retransmits);
		tcb_retransmit(tcp, tcb, now_us);
		tcb_timer_start(tcp, tcb, TCB_TIMER_RTO, now_us + tcb->rto_us);
	}
	if (tcb->in_recovery) {
		tcb->want_output = true;
		tcb_want_work(tcp, tcb);
	}
}

// The handshake is done (RFC 9293 3.10.7.4, SYN-RECEIVED STATE).
static enum tcp_stat ack_syn_rcvd(
	struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	bool syn_lost = tcb->backoff > 0;

	if (!seq_gt(seg->ack, tcb->snd_una) || !seq_le(seg->ack, tcb->snd_nxt)) {
		tcp_answer_rst(tcp, seg);
		return TCP_STAT_drop_ack_range;
	}
	tcb_set_state(tcb, TCPS_ESTABLISHED);
	tcp_count(tcp, TCP_STAT_accepted);
	tcb->user = true;
	tcb->snd_una = seg->ack;
	tcb->snd_wnd = (uint32_t)seg->wnd << tcb->snd_wscale;
	tcb->max_snd_wnd = tcb->snd_wnd;
	tcb->snd_wl1 = seg->seq;
	tcb->snd_wl2 = seg->ack;
	tcb->una_us = now_us;
	tcb->backoff = 0;
	tcb_timer_stop(tcb);
	tcb_rtt_on_ack(tcp, tcb, seg->ack, &seg->opt, now_us);
	if (syn_lost && tcb->rto_us < TCP_RTO_SYN_LOST_US)
		tcb->rto_us = TCP_RTO_SYN_LOST_US; // RFC 6298 5.7
	tcp_cc_init(tcb, syn_lost);
	if (tcp->conf.keepalive_us) {
		tcb->idle_us = now_us + tcp->conf.keepalive_us;
		tcb_timer_update(tcp, tcb);
	}
	tcb_raise(tcp, tcb, TCP_EV_NEW);
	return TCP_OK;
}

// What the ACK of our FIN changes.
static enum tcp_stat ack_states(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (!tcb->fin_acked)
		return TCP_OK;
	switch (tcb->state) {
	case TCPS_FIN_WAIT_1:
		tcb_set_state(tcb, TCPS_FIN_WAIT_2);
		tcb->idle_us = now_us + tcp->conf.fin_wait2_us;
		tcb_timer_update(tcp, tcb);
		return TCP_OK;
	case TCPS_CLOSING:
		tcb_to_time_wait(tcp, tcb, now_us);
		return TCP_DONE;
	case TCPS_LAST_ACK:
		tcb_done(tcp, tcb);
		return TCP_DONE;
	default:
		return TCP_OK;
	}
}

enum tcp_stat tcp_ack_input(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us)
{
	if (tcb->state == TCPS_SYN_RCVD)
		return ack_syn_rcvd(tcp, tcb, seg, now_us);
	// RFC 5961 5.2: old, but not too old.
	if (seq_gt(seg->ack, tcb->snd_nxt) || seq_lt(seg->ack, tcb->snd_una - tcb->max_snd_wnd)) {
		tcb_challenge(tcp, tcb, now_us);
		return TCP_STAT_drop_ack_range;
	}
	// A peer that answers is there, however long its window stays too small. But not for
	// a connection its user has left: nobody counts those, and each would hold memory for
	// as long as a stranger likes (RFC 6429 3).
	if (tcb->user && (tcb->snd_wnd < tcb_flight(tcb) || tcb->timer == TCB_TIMER_PERSIST))
		tcb->una_us = now_us;
	if (seq_gt(seg->ack, tcb->snd_una)) {
		tcp_ack_advance(tcp, tcb, seg->ack, &seg->opt, now_us);
		tcp_ack_window(tcp, tcb, seg);
		return ack_states(tcp, tcb, now_us);
	}
	if (is_dupack(tcb, seg))
		ack_duplicate(tcp, tcb, now_us);
	if (seg->ack == tcb->snd_una)
		tcp_ack_window(tcp, tcb, seg);
	return TCP_OK;
}
