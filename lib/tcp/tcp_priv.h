// SPDX-License-Identifier: BSD-3-Clause
// struct tcp and what the files of lib/tcp call in each other
#pragma once

#include "base/check.h"
#include "base/pool.h"
#include "base/seq.h"
#include "base/siphash.h"
#include "base/wheel.h"
#include "net/hdr.h"
#include "tcp/tcb.h"
#include "tcp/tcp.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define TCP_OPT_MAX 40 // bytes of options in one header
#define TCP_OPT_TS_LEN 12 // timestamps with the two NOPs that align them

#define TCP_MSS_DEFAULT 536 // RFC 9293 3.7.1, when the peer sends no MSS
#define TCP_RTO_INITIAL_US 1000000 // RFC 6298 2.1
#define TCP_RTO_SYN_LOST_US 3000000 // RFC 6298 5.7
#define TCP_SYN_RETRIES_MAX 5
#define TCP_OVERRIDE_US 200000 // RFC 9293 3.8.6.2.1: 0.1 to 1 s
#define TCP_RETRY_US 10000
#define TCP_KEEP_INTERVAL_US 75000000
#define TCP_KEEP_PROBES_MAX 9
#define TCP_CHALLENGES_MAX 10 // in TCP_CHALLENGE_MS (RFC 5961 7)
#define TCP_CHALLENGE_MS 5000
#define TCP_PAWS_IDLE_S (24u * 24 * 3600) // RFC 7323 5.5

// Data waits when the tx vector is that full: ACKs and resets still find room.
#define TCP_TX_FULL (NET_TX_MAX - 128)

#define TCP_POLL_TIMERS_MAX 256 // of one tcp_poll, and as many TIME-WAIT records
#define TCP_POLL_WORK_MAX 1024

// What a step of input says besides TCP_OK (go on) and the drop reasons: the segment
// did its work, look no further; the tcb may be gone.
#define TCP_DONE TCP_STAT_COUNT

struct tcp_opts {
	bool has_mss, has_ts, has_wscale, sack_perm;
	bool has_sack; // SACK blocks; the first is sack
	struct seq_range sack;
	uint8_t wscale;
	uint16_t mss;
	uint32_t tsval, tsecr;
};

// A segment being processed. m becomes NULL when somebody keeps it.
struct tcp_seg {
	struct rte_mbuf *m;
	uint8_t *data;
	uint32_t len; // of data
	uint32_t seq, ack;
	uint16_t wnd; // as in the header
	uint8_t flags;
	bool trimmed; // it went past the window: data and FIN were cut off
	uint32_t fin_seq; // where a FIN is, if it has one
	const struct net_pkt *pkt;
	struct tcp_opts opt;
};

static inline uint32_t seg_len(const struct tcp_seg *seg)
{
	return seg->len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);
}

// A connection in TIME-WAIT, after its tcb.
struct time_wait {
	uint32_t local_addr, remote_addr;
	uint16_t local_port, remote_port;
	uint32_t hash;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent, ts_offset;
	struct time_wait *hash_next;
	uint32_t prev, next; // by expiry; indices, TIME_WAIT_NONE at the ends
	uint32_t expire_ms; // since tcp->start_us
	uint32_t answer_ms; // last ACK to a segment without data
	uint16_t wnd; // as last announced
	bool ts_ok;
};
#define TIME_WAIT_NONE UINT32_MAX
static_assert(sizeof(struct time_wait) <= 64);

struct tcp {
	// read for each segment
	struct net *net;
	struct tcb **table;
	uint32_t table_mask;
	uint32_t rcv_buf_size;
	uint32_t ooo_mbuf_max;
	uint32_t delayed_ack_us;
	uint32_t rto_min_us, rto_max_us;
	uint16_t mtu_mss; // what we can receive and send: mtu - 40
	uint8_t rcv_wscale; // what we offer
	bool draining;
	struct tcb_link ready, work; // heads
	struct wheel wheel;

	struct pool tcbs, chunks;
	uint64_t *used; // bit per tcb: for tcp_check

	struct pool tws;
	struct time_wait **tw_table;
	uint32_t tw_mask;
	uint32_t tw_oldest, tw_newest;

	struct tcp_peer *closed; // ring
	uint32_t closed_size, closed_first, closed_count;

	uint64_t start_us;
	struct siphash_key table_key;
	struct tcp_conf conf;
	stat_t stats[TCP_STAT_COUNT];
};

static inline void tcp_count(struct tcp *tcp, enum tcp_stat stat)
{
	stat_inc(&tcp->stats[stat]);
}

// ---- lists

static inline void link_init(struct tcb_link *head)
{
	head->next = head->prev = head;
}

static inline bool link_is_on(const struct tcb_link *l)
{
	return l->next != NULL;
}

static inline void link_append(struct tcb_link *head, struct tcb_link *l)
{
	if (l->next)
		return;
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void link_remove(struct tcb_link *l)
{
	if (!l->next)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

// Have tcb looked at by the next tcp_poll, if the user does not call tcp_output before.
static inline void tcb_want_work(struct tcp *tcp, struct tcb *tcb)
{
	link_append(&tcp->work, &tcb->work);
}

static inline void tcb_raise(struct tcp *tcp, struct tcb *tcb, unsigned events)
{
	if (!tcb->user)
		return;
	tcb->events |= (uint8_t)events;
	link_append(&tcp->ready, &tcb->ready);
}

// ---- time

// Our timestamp clock: milliseconds (RFC 7323 5.4).
static inline uint32_t tcb_ts_now(const struct tcb *tcb, uint64_t now_us)
{
	return (uint32_t)(now_us / 1000) + tcb->ts_offset;
}

// ---- tcp_table.c: tcbs, and who is found by addresses and ports

uint32_t tcp_flow_hash(const struct tcp *tcp, const struct net_path *path, uint16_t local_port,
	uint16_t remote_port);
struct tcb *tcp_table_find(const struct tcp *tcp, uint32_t hash, const struct net_pkt *pkt);
// A zeroed tcb, not in the table; NULL when all are in use.
struct tcb *tcb_alloc(struct tcp *tcp);
void tcp_table_insert(struct tcp *tcp, struct tcb *tcb);
void tcp_table_remove(struct tcp *tcp, struct tcb *tcb);
// Everything it holds is given back.
void tcb_free(struct tcp *tcp, struct tcb *tcb);
// For tcp_take_closed.
void tcp_log_closed(struct tcp *tcp, const struct tcp_peer *peer);
bool tcb_in_use(const struct tcp *tcp, uint32_t idx);

// ---- tcp_opt.c

// Parse n bytes of options (RFC 9293 3.1, 3.2). syn: those allowed only on a SYN count.
void tcp_opt_parse(struct tcp_opts *o, const uint8_t *p, size_t n, bool syn);
// Write options; each returns the number of bytes, a multiple of 4.
unsigned tcp_opt_put_syn(uint8_t *p, uint16_t mss, const struct tcp_opts *o);
unsigned tcp_opt_put_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr);
unsigned tcp_opt_put_sack(uint8_t *p, const struct seq_range *r, unsigned n);

// ---- tcp_isn.c

// RFC 6528 ISN and the offset of the timestamp clock.
void tcp_isn(const struct tcp *tcp, const struct net_path *path, uint16_t local_port,
	uint16_t remote_port, uint64_t now_us, uint32_t *isn, uint32_t *ts_offset);

// ---- tcp_listen.c: no connection yet, or any more

// A segment that no tcb and no TIME-WAIT record wants (RFC 9293 3.10.7.1, 3.10.7.2).
enum tcp_stat tcp_listen_input(
	struct tcp *tcp, struct tcp_seg *seg, uint32_t hash, uint64_t now_us);
// Open a connection: isn_after: 0, or the ISN must be above it.
enum tcp_stat tcp_listen_syn(struct tcp *tcp, struct tcp_seg *seg, uint32_t hash,
	const uint32_t *isn_after, uint64_t now_us);
// The RST that RFC 9293 3.5.2 prescribes as answer to seg.
void tcp_answer_rst(struct tcp *tcp, const struct tcp_seg *seg);

// ---- tcp_ack.c

// TCP_OK: the ACK is taken, go on with the text.
enum tcp_stat tcp_ack_input(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg, uint64_t now_us);
// SND.UNA := ack, which is in (SND.UNA, SND.NXT].
void tcp_ack_advance(struct tcp *tcp, struct tcb *tcb, uint32_t ack, const struct tcp_opts *opt,
	uint64_t now_us);
// An ACK with the window field, by the rule of RFC 9293 3.10.7.4.
void tcp_ack_window(struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg);
// True if a challenge ACK, or another answer that an attacker can provoke, may be sent.
bool tcb_may_challenge(struct tcb *tcb, uint64_t now_us);
void tcb_challenge(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);

// ---- tcp_output.c

void tcb_output(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
// The first unacknowledged segment again. False: no mbuf.
bool tcb_retransmit(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
// One octet against a closed window.
void tcb_send_probe(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
// SEQ=SND.NXT-1 without data: the peer must answer (RFC 9293 3.8.4).
void tcb_send_keepalive(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
void tcb_send_syn_ack(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
void tcb_send_ack(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
void tcb_send_rst(struct tcp *tcp, struct tcb *tcb);
// A header in a new mbuf, options after it; NULL without mbuf.
struct rte_mbuf *tcp_segment(struct tcp *tcp, uint16_t src_port, uint16_t dst_port, uint32_t seq,
	uint32_t ack, uint8_t flags, uint16_t wnd, unsigned opt_len);

// ---- tcp_state.c

void tcb_set_state(struct tcb *tcb, enum tcp_state to);
const char *tcp_state_name(enum tcp_state state);
// The connection is over, for a reason the user has not asked for (TCP_EV_GONE), or
// because it is done. Freed at once when the user has released it.
void tcb_gone(struct tcp *tcp, struct tcb *tcb);
void tcb_done(struct tcp *tcp, struct tcb *tcb);
// A half-open connection that starts anew.
void tcb_replaced(struct tcp *tcp, struct tcb *tcb);
// Leave a TIME-WAIT record behind; the tcb is freed, or kept for its user to release.
void tcb_to_time_wait(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);

// ---- tcp_timer.c

// The wheel entry is not later than the earliest deadline.
void tcb_timer_update(struct tcp *tcp, struct tcb *tcb);
void tcp_timer_poll(struct tcp *tcp, uint64_t now_us);
void tcb_timer_start(struct tcp *tcp, struct tcb *tcb, enum tcb_timer kind, uint64_t at_us);

static inline void tcb_timer_stop(struct tcb *tcb)
{
	tcb->timer = TCB_TIMER_NONE;
	tcb->rtx_us = 0;
}

// ---- tcp_rtt.c

void tcb_rtt_start(struct tcb *tcb, uint32_t end_seq, uint64_t now_us);
void tcb_rtt_on_ack(const struct tcp *tcp, struct tcb *tcb, uint32_t ack,
	const struct tcp_opts *opt, uint64_t now_us);
void tcb_rto_back_off(const struct tcp *tcp, struct tcb *tcb);

// ---- tcp_rcvq.c

// Put n bytes at p, inside m, behind what is there. Takes m.
void tcb_rcvq_append(struct tcb *tcb, struct rte_mbuf *m, uint8_t *p, uint32_t n);
void tcb_rcvq_clear(struct tcb *tcb);

// ---- tcp_ooo.c

// Keep seg's data, which is inside the window; what of it is in order goes to rcvq. The
// segment's mbuf is taken, or not needed. Returns TCP_OK or TCP_STAT_drop_ooo_limit.
enum tcp_stat tcb_ooo_insert(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg);
void tcb_ooo_clear(struct tcb *tcb);
// True if it holds an octet at seq or behind it.
bool tcb_ooo_is_beyond(const struct tcb *tcb, uint32_t seq);
// Octets [left, right) came twice.
void tcb_set_dsack(struct tcb *tcb, uint32_t left, uint32_t right);
// The SACK blocks for the next ACK, D-SACK first, at most max.
unsigned tcb_sack_blocks(const struct tcb *tcb, struct seq_range *r, unsigned max);

// ---- tcp_timewait.c

void tcp_time_wait_add(struct tcp *tcp, const struct tcb *tcb, uint64_t now_us);
// Of one chain of the table, for tcp_walk.
void tcp_time_wait_walk(const struct tcp *tcp, uint32_t slot, tcp_walk_fn *fn, void *arg);
struct time_wait *tcp_time_wait_find(
	const struct tcp *tcp, uint32_t hash, const struct net_pkt *pkt);
enum tcp_stat tcp_time_wait_input(
	struct tcp *tcp, struct time_wait *tw, struct tcp_seg *seg, uint64_t now_us);
void tcp_time_wait_poll(struct tcp *tcp, uint64_t now_us);
// UINT64_MAX: none.
uint64_t tcp_time_wait_deadline_us(const struct tcp *tcp);
// tcp_check's part.
bool tcp_time_wait_check(const struct tcp *tcp, const char **what);
