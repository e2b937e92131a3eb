// SPDX-License-Identifier: BSD-3-Clause
// Connection states, the allowed transitions, and how a connection ends
//
// LISTEN is net_listens() and has no tcb; SYN-SENT does not exist: nothing is opened
// actively. States and what is true in each:
//
//   CLOSED       not in the table; only its user, who has TCP_EV_GONE, holds it
//   SYN_RCVD     SYN-ACK sent; no user, empty queues
//   ESTABLISHED  both directions open; user: from here on until tcp_release
//   FIN_WAIT_1   tcp_close was called; our FIN is queued, sent, not acknowledged
//   FIN_WAIT_2   our FIN is acknowledged, idle_us ends the wait for the peer's
//   CLOSING      both have sent FIN, ours is not acknowledged
//   CLOSE_WAIT   the peer's FIN came; the user may still send
//   LAST_ACK     the same, and tcp_close was called
//   TIME_WAIT    not in the table: a time-wait record answers; its user has not released it
//
// Transitions and the function that makes each:
//
//   CLOSED      -> SYN_RCVD     [tcp_listen_syn]
//   SYN_RCVD    -> ESTABLISHED  [ack_syn_rcvd]       ACK of our SYN
//   ESTABLISHED -> FIN_WAIT_1   [tcp_close]
//   ESTABLISHED -> CLOSE_WAIT   [input_fin]
//   FIN_WAIT_1  -> FIN_WAIT_2   [ack_states]         ACK of our FIN
//   FIN_WAIT_1  -> CLOSING      [input_fin]
//   FIN_WAIT_1  -> TIME_WAIT    [tcb_to_time_wait]   FIN with the ACK of ours
//   FIN_WAIT_2  -> TIME_WAIT    [tcb_to_time_wait]   FIN
//   CLOSING     -> TIME_WAIT    [tcb_to_time_wait]   ACK of our FIN
//   CLOSE_WAIT  -> LAST_ACK     [tcp_close]
//   LAST_ACK    -> CLOSED       [tcb_done]           ACK of our FIN
//   SYN_RCVD    -> CLOSED       [tcb_replaced]       another SYN from the same port
//   any but TIME_WAIT -> CLOSED [tcb_gone]           reset or timed out
//   any but TIME_WAIT -> CLOSED [tcb_done]           aborted by the user

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

#define TO(s) (1u << TCPS_##s)

static const uint16_t tcp_edges[TCPS_COUNT] = {
	[TCPS_CLOSED] = TO(SYN_RCVD),
	[TCPS_SYN_RCVD] = TO(ESTABLISHED) | TO(CLOSED),
	[TCPS_ESTABLISHED] = TO(FIN_WAIT_1) | TO(CLOSE_WAIT) | TO(CLOSED),
	[TCPS_FIN_WAIT_1] = TO(FIN_WAIT_2) | TO(CLOSING) | TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_FIN_WAIT_2] = TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_CLOSING] = TO(TIME_WAIT) | TO(CLOSED),
	[TCPS_CLOSE_WAIT] = TO(LAST_ACK) | TO(CLOSED),
	[TCPS_LAST_ACK] = TO(CLOSED),
	[TCPS_TIME_WAIT] = 0,
};

static const char *const tcp_state_names[TCPS_COUNT] = {
	[TCPS_CLOSED] = "CLOSED",
	[TCPS_SYN_RCVD] = "SYN-RCVD",
	[TCPS_ESTABLISHED] = "ESTABLISHED",
	[TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCPS_CLOSING] = "CLOSING",
	[TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCPS_LAST_ACK] = "LAST-ACK",
	[TCPS_TIME_WAIT] = "TIME-WAIT",
};

const char *tcp_state_name(enum tcp_state state)
{
	return tcp_state_names[state];
}

void tcb_set_state(struct tcb *tcb, enum tcp_state to)
{
	CHECK(tcp_edges[tcb->state] & (1u << to));
	tcb->state = (uint8_t)to;
}

// Out of the table, silent for ever; what the user may still read stays.
static void tcb_detach(struct tcp *tcp, struct tcb *tcb)
{
	tcp_table_remove(tcp, tcb);
	wheel_cancel(&tcp->wheel, &tcb->wheel);
	link_remove(&tcb->work);
	tcb->timer = TCB_TIMER_NONE;
	tcb->rtx_us = tcb->delack_us = tcb->idle_us = 0;
	tcb->ack_now = tcb->ack_later = tcb->want_output = false;
	tcb_ooo_clear(tcb);
	chunkq_clear(&tcb->sndq);
}

// A new SYN takes the place of a half-open connection: the flow itself goes on.
void tcb_replaced(struct tcp *tcp, struct tcb *tcb)
{
	tcb_set_state(tcb, TCPS_CLOSED);
	tcb_detach(tcp, tcb);
	tcb_free(tcp, tcb);
}

static void tcb_close_state(struct tcp *tcp, struct tcb *tcb)
{
	struct tcp_peer peer = tcp_peer(tcb);

	if (tcb->state != TCPS_SYN_RCVD)
		tcp_count(tcp, TCP_STAT_closed);
	tcb_set_state(tcb, TCPS_CLOSED);
	tcb_detach(tcp, tcb);
	tcp_log_closed(tcp, &peer);
}

void tcb_gone(struct tcp *tcp, struct tcb *tcb)
{
	tcb_close_state(tcp, tcb);
	if (tcb->user)
		tcb_raise(tcp, tcb, TCP_EV_GONE);
	else
		tcb_free(tcp, tcb);
}

void tcb_done(struct tcp *tcp, struct tcb *tcb)
{
	tcb_close_state(tcp, tcb);
	if (!tcb->user)
		tcb_free(tcp, tcb);
}

void tcb_to_time_wait(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	tcp_count(tcp, TCP_STAT_closed);
	tcb_set_state(tcb, TCPS_TIME_WAIT);
	tcp_time_wait_add(tcp, tcb, now_us);
	tcb_detach(tcp, tcb);
	if (!tcb->user)
		tcb_free(tcp, tcb);
}
