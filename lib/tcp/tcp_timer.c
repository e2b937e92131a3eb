// SPDX-License-Identifier: BSD-3-Clause
// Timers of a connection on one wheel entry, and what happens when they run out
//
// rtx_us, delack_us and idle_us are plain fields, set and cleared as often as segments
// come. The wheel entry is moved only to come earlier; one that comes too early finds
// nothing due and arms itself anew. So a busy connection touches the wheel once per
// delayed-ACK time, not once per segment.

#include "tcp/tcp_cc.h"
#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

// The wheel's tick in which a deadline is looked at: the one after it, but a delayed
// ACK is rather sent early than late.
static uint64_t tcb_due_ms(const struct tcb *tcb)
{
	uint64_t due = UINT64_MAX;

	if (tcb->delack_us)
		due = tcb->delack_us / 1000;
	if (tcb->rtx_us && (tcb->rtx_us + 999) / 1000 < due)
		due = (tcb->rtx_us + 999) / 1000;
	if (tcb->idle_us && (tcb->idle_us + 999) / 1000 < due)
		due = (tcb->idle_us + 999) / 1000;
	return due;
}

void tcb_timer_update(struct tcp *tcp, struct tcb *tcb)
{
	uint64_t due = tcb_due_ms(tcb);

	if (due == UINT64_MAX)
		return;
	if (!wheel_is_armed(&tcb->wheel) || tcb->wheel.deadline_ms > due)
		wheel_arm(&tcp->wheel, &tcb->wheel, due);
}

void tcb_timer_start(struct tcp *tcp, struct tcb *tcb, enum tcb_timer kind, uint64_t at_us)
{
	tcb->timer = (uint8_t)kind;
	tcb->rtx_us = at_us;
	if (kind != TCB_TIMER_NONE)
		tcb_timer_update(tcp, tcb);
}

// RFC 9293 3.8.3 R2: nobody answers.
static void tcb_give_up(struct tcp *tcp, struct tcb *tcb)
{
	tcp_count(tcp, TCP_STAT_timed_out);
	tcb_send_rst(tcp, tcb);
	tcb_gone(tcp, tcb);
}

static bool past_r2(const struct tcp *tcp, const struct tcb *tcb, uint64_t now_us)
{
	return now_us - tcb->una_us >= tcp->conf.r2_us;
}

static bool syn_rcvd_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (tcb->backoff >= TCP_SYN_RETRIES_MAX) {
		tcp_count(tcp, TCP_STAT_timed_out);
		tcb_gone(tcp, tcb);
		return false;
	}
	tcp_count(tcp, TCP_STAT_rto_expired);
	tcp_count(tcp, TCP_STAT_retransmits);
	tcb->backoff++;
	tcb->retransmits++;
	tcb->rtt_timing = false;
	tcb_rto_back_off(tcp, tcb);
	tcb_send_syn_ack(tcp, tcb, now_us);
	tcb_timer_start(tcp, tcb, TCB_TIMER_RTO, now_us + tcb->rto_us);
	return true;
}

// RFC 6298 5.4 to 5.6. False: tcb is gone.
static bool rto_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (tcb->state == TCPS_SYN_RCVD)
		return syn_rcvd_expired(tcp, tcb, now_us);
	if (past_r2(tcp, tcb, now_us)) {
		tcb_give_up(tcp, tcb);
		return false;
	}
	tcp_count(tcp, TCP_STAT_rto_expired);
	tcp_cc_on_rto(tcb);
	if (tcb->backoff < UINT8_MAX)
		tcb->backoff++;
	tcb_rto_back_off(tcp, tcb);
	// All that was sent is taken for lost, and is sent again as cwnd opens.
	tcb->snd_cur = tcb->snd_una;
	tcb_retransmit(tcp, tcb, now_us);
	tcb_timer_start(tcp, tcb, TCB_TIMER_RTO, now_us + tcb->rto_us);
	return true;
}

// The peer's window stays closed as long as it likes while the user is there: every
// answer moves una_us.
static bool persist_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	uint64_t interval_us = (uint64_t)tcb->rto_us << (tcb->backoff < 16 ? tcb->backoff + 1 : 16);

	if (past_r2(tcp, tcb, now_us)) {
		tcb_give_up(tcp, tcb);
		return false;
	}
	if (interval_us > tcp->rto_max_us)
		interval_us = tcp->rto_max_us;
	else
		tcb->backoff++;
	tcp_count(tcp, TCP_STAT_zero_window_probes);
	tcb_send_probe(tcp, tcb, now_us);
	tcb_timer_start(tcp, tcb, TCB_TIMER_PERSIST, now_us + interval_us);
	return true;
}

static bool rtx_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	enum tcb_timer kind = tcb->timer;

	tcb->rtx_us = 0;
	if (kind == TCB_TIMER_RTO)
		return rto_expired(tcp, tcb, now_us);
	if (kind == TCB_TIMER_PERSIST)
		return persist_expired(tcp, tcb, now_us);
	// tcb_output sees by the timer's kind, without a deadline, that it has run out.
	tcb_output(tcp, tcb, now_us);
	return true;
}

// The end of FIN-WAIT-2, or a keepalive probe (RFC 9293 3.8.4). False: tcb is gone.
static bool idle_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	uint64_t idle_us = now_us - tcb->rx_us, keep_us = tcp->conf.keepalive_us;

	tcb->idle_us = 0;
	if (tcb->state == TCPS_FIN_WAIT_2) {
		tcb_gone(tcp, tcb);
		return false;
	}
	if (keep_us == 0 || tcb->state == TCPS_SYN_RCVD)
		return true;
	if (idle_us < keep_us) {
		tcb->keep_probes = 0;
		tcb->idle_us = tcb->rx_us + keep_us;
		return true;
	}
	if (tcb->keep_probes >= TCP_KEEP_PROBES_MAX) {
		tcb_give_up(tcp, tcb);
		return false;
	}
	// Unacknowledged data asks the same question by itself.
	if (tcb_flight(tcb) == 0) {
		tcb->keep_probes++;
		tcb_send_keepalive(tcp, tcb, now_us);
	}
	// Not later than keep_us: an answer starts the idle time anew.
	tcb->idle_us = now_us + (keep_us < TCP_KEEP_INTERVAL_US ? keep_us : TCP_KEEP_INTERVAL_US);
	return true;
}

static void tcb_expired(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (tcb->delack_us && tcb->delack_us / 1000 <= now_us / 1000) {
		tcb->delack_us = 0;
		tcb->ack_now = true;
		tcb_output(tcp, tcb, now_us);
	}
	if (tcb->rtx_us && tcb->rtx_us <= now_us && !rtx_expired(tcp, tcb, now_us))
		return;
	if (tcb->idle_us && tcb->idle_us <= now_us && !idle_expired(tcp, tcb, now_us))
		return;
	tcb_timer_update(tcp, tcb);
}

void tcp_timer_poll(struct tcp *tcp, uint64_t now_us)
{
	for (unsigned i = 0; i < TCP_POLL_TIMERS_MAX; i++) {
		struct wheel_entry *e = wheel_expire(&tcp->wheel, now_us / 1000);

		if (!e)
			return;
		tcb_expired(tcp, RTE_PTR_SUB(e, offsetof(struct tcb, wheel)), now_us);
	}
}

// The tick of the first entry, or of the move of a higher slot's entries downwards.
static uint64_t wheel_next_ms(const struct wheel *w)
{
	uint64_t next = UINT64_MAX;

	if (w->armed_count == 0)
		return UINT64_MAX;
	if (w->due)
		return w->now_ms;
	for (unsigned k = 0; k < WHEEL_SLOTS && next == UINT64_MAX; k++)
		if (w->slot[0][(w->now_ms + k) % WHEEL_SLOTS])
			next = w->now_ms + k;
	for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
		uint64_t base = w->now_ms >> (8 * level);

		for (unsigned k = 1; k <= WHEEL_SLOTS; k++) {
			uint64_t at = (base + k) << (8 * level);

			if (at < next && w->slot[level][(base + k) % WHEEL_SLOTS])
				next = at;
		}
	}
	return next;
}

uint64_t tcp_next_deadline_us(const struct tcp *tcp)
{
	uint64_t tw_us = tcp_time_wait_deadline_us(tcp);
	uint64_t ms = wheel_next_ms(&tcp->wheel);
	uint64_t us = ms == UINT64_MAX ? UINT64_MAX : ms * 1000;

	if (tcp->work.next != &tcp->work)
		return 0;
	return tw_us < us ? tw_us : us;
}
