// SPDX-License-Identifier: BSD-3-Clause
// What the user of a connection calls (RFC 9293 3.10.2 to 3.10.6), and tcp_poll

#include "tcp/tcp.h"

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

static struct tcb *tcb_of_work(struct tcb_link *l)
{
	return RTE_PTR_SUB(l, offsetof(struct tcb, work));
}

// ACKs and output that no user asked for since the last turn.
static void poll_work(struct tcp *tcp, uint64_t now_us)
{
	struct tcb_link *last = tcp->work.prev, *l = NULL;

	// What fails for want of an mbuf comes back behind last: it waits for the next turn.
	for (unsigned i = 0; i < TCP_POLL_WORK_MAX && l != last; i++) {
		struct tcb *tcb;

		l = tcp->work.next;
		if (l == &tcp->work)
			return;
		tcb = tcb_of_work(l);
		link_remove(l);
		if (tcb->want_output || tcb->ack_now)
			tcb_output(tcp, tcb, now_us);
		else if (tcb->ack_later)
			tcb_timer_update(tcp, tcb);
	}
}

void tcp_poll(struct tcp *tcp, uint64_t now_us)
{
	poll_work(tcp, now_us);
	tcp_timer_poll(tcp, now_us);
	tcp_time_wait_poll(tcp, now_us);
}

struct tcb *tcp_ready_pop(struct tcp *tcp)
{
	struct tcb_link *l = tcp->ready.next;

	if (l == &tcp->ready)
		return NULL;
	link_remove(l);
	return RTE_PTR_SUB(l, offsetof(struct tcb, ready));
}

unsigned tcp_take_events(struct tcb *tcb)
{
	unsigned events = tcb->events;

	tcb->events = 0;
	return events;
}

void tcp_ready_push(struct tcp *tcp, struct tcb *tcb, unsigned events)
{
	tcb_raise(tcp, tcb, events);
}

uint32_t tcp_index(const struct tcp *tcp, const struct tcb *tcb)
{
	return pool_index(&tcp->tcbs, tcb);
}

struct tcb *tcp_at(struct tcp *tcp, uint32_t idx)
{
	return pool_at(&tcp->tcbs, idx);
}

struct tcp_peer tcp_peer(const struct tcb *tcb)
{
	return (struct tcp_peer){
		.local_addr = tcb->path.local,
		.remote_addr = tcb->path.remote,
		.local_port = tcb->local_port,
		.remote_port = tcb->remote_port,
	};
}

struct chunkq *tcp_send_queue(struct tcb *tcb)
{
	return &tcb->sndq;
}

struct pool *tcp_chunk_pool(struct tcp *tcp)
{
	return &tcp->chunks;
}

static bool is_over(const struct tcb *tcb)
{
	return tcb->state == TCPS_CLOSED || tcb->state == TCPS_TIME_WAIT;
}

void tcp_close(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (is_over(tcb) || tcb->fin_queued)
		return;
	if (tcb->readable > 0) {
		// The peer must not believe that we read it (RFC 9293 3.6.1).
		tcp_abort(tcp, tcb, now_us);
		return;
	}
	tcb_ooo_clear(tcb);
	tcb->dsack_set = false;
	tcb->fin_queued = true;
	tcb_set_state(tcb, tcb->state == TCPS_ESTABLISHED ? TCPS_FIN_WAIT_1 : TCPS_LAST_ACK);
	tcb_output(tcp, tcb, now_us);
}

// The user caused it: there is no event. The tcb waits for tcp_release.
void tcp_abort(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	if (is_over(tcb))
		return;
	tcb_send_rst(tcp, tcb);
	tcb_done(tcp, tcb);
}

void tcp_release(struct tcp *tcp, struct tcb *tcb, uint64_t now_us)
{
	CHECK(tcb->user);
	if (!tcb->fin_queued)
		tcp_abort(tcp, tcb, now_us);
	tcb->user = false;
	tcb->events = 0;
	link_remove(&tcb->ready);
	if (is_over(tcb))
		tcb_free(tcp, tcb);
}

void tcp_set_draining(struct tcp *tcp, bool draining)
{
	tcp->draining = draining;
}

uint32_t tcp_conn_count(const struct tcp *tcp)
{
	return tcp->tcbs.used_count;
}

const stat_t *tcp_stats(const struct tcp *tcp)
{
	return tcp->stats;
}
