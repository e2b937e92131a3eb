// SPDX-License-Identifier: BSD-3-Clause
// Every law of every connection, for tests; and the internals of one, for control

#include "tcp/tcp_priv.h"

void tcp_info(const struct tcp *tcp, const struct tcb *tcb, struct tcp_info *info)
{
	uint32_t sent = tcb_flight(tcb);

	*info = (struct tcp_info){
		.state = tcp_state_name(tcb->state),
		.snd_una = tcb->snd_una,
		.snd_nxt = tcb->snd_nxt,
		.snd_wnd = tcb->snd_wnd,
		.rcv_nxt = tcb->rcv_nxt,
		.rcv_wnd = tcb->rcv_adv - tcb->rcv_nxt,
		.cwnd = tcb->cwnd,
		.ssthresh = tcb->ssthresh,
		.mss = tcb->mss,
		.srtt_us = tcb->srtt_us,
		.rttvar_us = tcb->rttvar_us,
		.rto_us = tcb->rto_us,
		.retransmits = tcb->retransmits,
		.unsent = tcb->sndq.len > sent ? tcb->sndq.len - sent : 0,
	};
}

// Name the law, then test it.
#define LAW(text, cond) \
	do { \
		*what = (text); \
		if (!(cond)) \
			return false; \
	} while (0)

static bool is_over(const struct tcb *tcb)
{
	return tcb->state == TCPS_CLOSED || tcb->state == TCPS_TIME_WAIT;
}

static bool check_send(const struct tcb *tcb, const char **what)
{
	uint32_t flight = tcb_flight(tcb), queued = 0;
	bool fin_out = tcb->fin_sent && !tcb->fin_acked, syn_out = tcb->state == TCPS_SYN_RCVD;

	LAW("SND.UNA <= snd_cur <= SND.NXT",
		seq_le(tcb->snd_una, tcb->snd_cur) && seq_le(tcb->snd_cur, tcb->snd_nxt));
	LAW("what is in flight is in the send queue", flight <= tcb->sndq.len + fin_out + syn_out);
	LAW("FIN in flight is the last octet", !fin_out || flight == tcb->sndq.len + 1);
	LAW("flight within the largest window offered, but for a probe",
		syn_out || flight <= tcb->max_snd_wnd + 1);
	LAW("FIN is sent only when queued", tcb->fin_queued || !tcb->fin_sent);
	LAW("FIN is acknowledged only when sent", tcb->fin_sent || !tcb->fin_acked);
	LAW("cwnd is at least one segment", tcb->cwnd >= tcb->mss);
	for (const struct chunk *c = tcb->sndq.head; c; c = c->next)
		queued += c->end - c->start;
	LAW("send queue length", queued == tcb->sndq.len);
	return true;
}

static bool check_receive(const struct tcp *tcp, const struct tcb *tcb, const char **what)
{
	const struct rte_mbuf *m, *last = NULL;
	uint32_t bytes = 0, n = 0, end = tcb->rcv_nxt;

	for (m = tcb->rcvq_head; m; last = m, m = m->next, n++)
		bytes += m->data_len;
	LAW("receive queue length", bytes == tcb->readable && last == tcb->rcvq_tail);
	LAW("receive queue mbufs bounded", n <= 2 + tcb->rcv_limit / 512);
	LAW("receive buffer", tcb->readable <= tcb->rcv_limit);
	if (is_over(tcb))
		return true;
	LAW("window edge behind RCV.NXT", seq_ge(tcb->rcv_adv, tcb->rcv_nxt));
	LAW("window promises what the buffer has",
		tcb->eof || tcb->rcv_adv - tcb->rcv_nxt <= tcb->rcv_limit - tcb->readable);
	LAW("Last.ACK.sent <= RCV.NXT", seq_le(tcb->rcv_acked, tcb->rcv_nxt));
	n = 0;
	for (m = tcb->ooo_head; m; m = m->next, n++) {
		LAW("out-of-order queue sorted, disjoint, behind a hole",
			m->data_len > 0 &&
				(n ? seq_ge(m->hash.rss, end) : seq_gt(m->hash.rss, end)));
		end = m->hash.rss + m->data_len;
	}
	LAW("out-of-order queue inside the window", seq_le(end, tcb->rcv_adv) || n == 0);
	LAW("out-of-order count", n == tcb->ooo_count && n <= tcp->ooo_mbuf_max);
	LAW("nothing waits after the FIN was taken", !tcb->eof || n == 0);
	for (unsigned i = 0; i < tcb->sack_count; i++)
		LAW("SACK block above RCV.NXT and not empty",
			seq_gt(tcb->sack[i].left, tcb->rcv_nxt) &&
				seq_lt(tcb->sack[i].left, tcb->sack[i].right));
	return true;
}

static bool check_timers(const struct tcb *tcb, const char **what)
{
	bool armed = wheel_is_armed(&tcb->wheel), on_work = link_is_on(&tcb->work);

	LAW("a timer kind has a deadline", (tcb->timer != TCB_TIMER_NONE) == (tcb->rtx_us != 0));
	LAW("something unacknowledged has a timer",
		tcb_flight(tcb) == 0 || tcb->timer == TCB_TIMER_RTO ||
			tcb->timer == TCB_TIMER_PERSIST || on_work);
	LAW("retransmission timer on the wheel",
		!tcb->rtx_us || (armed && tcb->wheel.deadline_ms <= (tcb->rtx_us + 999) / 1000));
	LAW("idle timer on the wheel",
		!tcb->idle_us || (armed && tcb->wheel.deadline_ms <= (tcb->idle_us + 999) / 1000));
	LAW("an ACK that is owed has a deadline",
		on_work || (!tcb->ack_now && !tcb->ack_later) ||
			(tcb->ack_later && tcb->delack_us && armed &&
				tcb->wheel.deadline_ms <= tcb->delack_us / 1000));
	LAW("FIN-WAIT-2 ends", tcb->state != TCPS_FIN_WAIT_2 || tcb->idle_us != 0);
	return true;
}

static bool in_table(const struct tcp *tcp, const struct tcb *tcb)
{
	const struct tcb *t = tcp->table[tcb->hash & tcp->table_mask];

	while (t && t != tcb)
		t = t->hash_next;
	return t != NULL;
}

static bool check_tcb(const struct tcp *tcp, const struct tcb *tcb, const char **what)
{
	LAW("state", tcb->state < TCPS_COUNT);
	LAW("in the table as long as segments can change it",
		tcb->in_table == !is_over(tcb) && in_table(tcp, tcb) == tcb->in_table);
	LAW("without user and over: freed", tcb->user || !is_over(tcb));
	LAW("half-open ones have no user", !(tcb->user && tcb->state == TCPS_SYN_RCVD));
	LAW("events only for a user, and then on the ready list or taken",
		tcb->user || (tcb->events == 0 && !link_is_on(&tcb->ready)));
	if (!check_receive(tcp, tcb, what))
		return false;
	if (is_over(tcb)) {
		LAW("nothing is left to do when it is over",
			!wheel_is_armed(&tcb->wheel) && !link_is_on(&tcb->work) && !tcb->ooo_head);
		return true;
	}
	return check_send(tcb, what) && check_timers(tcb, what);
}

static bool check_list(const struct tcb_link *head, uint32_t max, const char **what)
{
	const struct tcb_link *l = head;
	uint32_t n = 0;

	do {
		LAW("list links", l->next && l->next->prev == l && n <= max);
		l = l->next;
		n++;
	} while (l != head);
	return true;
}

bool tcp_check(const struct tcp *tcp, const char **what)
{
	uint32_t used = 0, in_chains = 0;

	for (uint32_t i = 0; i < tcp->conf.conn_count_max; i++) {
		if (!tcb_in_use(tcp, i))
			continue;
		used++;
		if (!check_tcb(tcp, pool_at(&tcp->tcbs, i), what))
			return false;
		in_chains += ((const struct tcb *)pool_at(&tcp->tcbs, i))->in_table;
	}
	LAW("tcbs in use", used == tcp->tcbs.used_count &&
				   used == stat_read(&tcp->stats[TCP_STAT_curr_connections]));
	for (uint32_t i = 0; i <= tcp->table_mask; i++)
		for (const struct tcb *t = tcp->table[i]; t; t = t->hash_next)
			in_chains--;
	LAW("only tcbs in use are in the table", in_chains == 0);
	if (!check_list(&tcp->ready, used, what) || !check_list(&tcp->work, used, what))
		return false;
	if (!tcp_time_wait_check(tcp, what))
		return false;
	*what = NULL;
	return true;
}
