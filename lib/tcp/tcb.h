// SPDX-License-Identifier: BSD-3-Clause
// One connection's state: RFC 9293 3.3.1 names, hot fields first
#pragma once

#include <assert.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/chunkq.h"
#include "base/wheel.h"
#include "net/net.h"

#define TCB_SACK_MAX 4 // as many blocks as fit without timestamps (RFC 2018 3)

// tcp_state.c says what is true in each.
enum tcp_state {
	TCPS_CLOSED,
	TCPS_SYN_RCVD,
	TCPS_ESTABLISHED,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_CLOSING,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_TIME_WAIT,
	TCPS_COUNT
};

// What the retransmission timer is waiting for; one at a time.
enum tcb_timer {
	TCB_TIMER_NONE,
	TCB_TIMER_RTO, // something is unacknowledged
	TCB_TIMER_PERSIST, // the peer's window is closed (RFC 9293 3.8.6.1)
	TCB_TIMER_OVERRIDE, // too little window for a good segment (MUST-38)
	TCB_TIMER_RETRY, // no mbuf to send with
};

// Node, or head, of a circular list. A node with next NULL is on no list.
struct tcb_link {
	struct tcb_link *next, *prev;
};

struct seq_range {
	uint32_t left, right; // right: the first octet behind it
};

struct tcb {
	// line 0: who it is, and what the fast path of input compares
	struct net_path path; // local and remote address in it
	uint16_t local_port, remote_port;
	struct tcb *hash_next;
	uint32_t hash;
	uint8_t state; // enum tcp_state
	uint8_t snd_wscale, rcv_wscale; // 0 when not agreed on
	uint8_t events; // enum tcp_event, not yet taken
	uint32_t rcv_nxt;
	uint32_t rcv_adv; // right edge of the window announced; never moves left
	uint32_t rcv_acked; // Last.ACK.sent (RFC 7323)
	uint32_t readable; // bytes in rcvq
	uint32_t ts_recent;
	uint32_t ts_recent_s; // when it was set, seconds

	// line 1: sending
	uint32_t snd_una;
	uint32_t snd_cur; // next to send; below snd_nxt only after a timeout
	uint32_t snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t cwnd;
	uint32_t ts_offset; // of our timestamp clock
	struct rte_mbuf *rcvq_head, *rcvq_tail; // linked by mbuf->next
	uint16_t mss; // SMSS: payload of a full segment without SACK blocks
	uint16_t rcv_mss; // largest segment that came, for "every second full one"
	uint8_t timer; // enum tcb_timer: what rtx_us is for
	uint8_t dupacks;
	bool ts_ok : 1; // timestamps were agreed on
	bool wscale_ok : 1; // so was window scaling
	bool sack_ok : 1; // so was SACK
	bool ack_now : 1; // an ACK is owed, at once
	bool ack_later : 1; // or with the next data, or when delack_us comes
	bool want_output : 1; // something may be sendable
	bool user : 1; // the user has it: from TCP_EV_NEW to tcp_release
	bool fin_queued : 1; // tcp_close was called
	bool fin_sent : 1; // at least once: snd_nxt is behind it
	bool fin_acked : 1;
	bool fin_rcvd : 1; // a FIN is known, at rcv_fin
	bool eof : 1; // rcv_nxt is behind the peer's FIN
	bool in_recovery : 1; // fast recovery (RFC 6582)
	bool cwnd_limited : 1; // the last output stopped at cwnd
	bool probing : 1; // what is in flight is a window probe
	bool rtt_timing : 1; // rtt_seq is being timed
	bool rtt_karn : 1; // a segment was sent again: only timestamps can tell the time
	bool dsack_set : 1;
	bool ack_dup : 1; // the ACK owed is about a segment out of order, or an old one
	bool in_table : 1;
	bool consumed : 1; // the user read something that no window told of yet
	uint32_t rcv_limit; // receive buffer, as far as the window field can say it

	// line 2
	struct chunkq sndq; // first byte is snd_una's
	struct tcb_link ready;
	// line 3
	struct tcb_link work; // output or an ACK is due, when the user does not do it
	uint64_t rtx_us, delack_us, idle_us; // deadlines; 0: none
	struct wheel_entry wheel; // at the earliest of them, or earlier

	uint64_t una_us; // when snd_una moved last, or began to wait
	uint64_t rx_us; // last segment that was accepted
	uint64_t rtt_us; // when rtt_seq was sent
	uint32_t rtt_seq;
	uint32_t srtt_us, rttvar_us, rto_us; // srtt_us 0: no sample yet
	uint32_t ssthresh, recover;
	uint32_t max_snd_wnd; // largest the peer ever offered
	uint32_t sent_seq; // where the read cursor of sndq stands
	uint32_t iss, irs;
	uint32_t retransmits;
	uint8_t backoff; // timeouts, or probes, in a row
	uint8_t keep_probes; // keepalive probes without an answer
	uint8_t challenges; // challenge ACKs since challenge_ms
	uint32_t challenge_ms;
	uint16_t mss_base; // agreed segment size, options included

	// out of order
	uint16_t ooo_count;
	uint8_t sack_count;
	uint32_t rcv_fin; // sequence number of the peer's FIN
	struct rte_mbuf *ooo_head; // sorted, linked by mbuf->next, hash.rss the sequence number
	struct seq_range dsack; // to report once (RFC 2883)
	struct seq_range sack[TCB_SACK_MAX]; // most recent first
} __attribute__((aligned(64)));

// What a segment that was expected, and the reply to it, look at.
#define TCB_LINES_HOT 6

static_assert(sizeof(struct tcb) <= 512);
static_assert(offsetof(struct tcb, snd_una) == 64);
static_assert(offsetof(struct tcb, sndq) <= 128);

static inline uint32_t tcb_flight(const struct tcb *tcb)
{
	return tcb->snd_nxt - tcb->snd_una;
}
