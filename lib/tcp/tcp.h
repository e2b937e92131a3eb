// SPDX-License-Identifier: BSD-3-Clause
// Passive-open TCP: segments in, segments out, one instance per worker; never calls up
//
// Input moves a connection's state and its queues and puts the connection on the
// ready list; the worker then takes it from there and runs the connection machine:
//
//   tcp_input(segment) ... for a burst
//   while ((tcb = tcp_ready_pop(tcp))) {
//       events = tcp_take_events(tcb)
//       read:   tcp_peek / tcp_copy / tcp_consume
//       write:  chunkq_* on tcp_send_queue(tcb)
//       then    tcp_output(tcp, tcb, now_us): sends data, ACKs and window updates due
//   }
//   tcp_poll(tcp, now_us)      timers
//
// A pure ACK that is owed is not sent before tcp_output or tcp_poll had the
// chance to put it on a reply.
//
// A tcb is named by its index: 0 .. conf->conn_count_max - 1, so that the user keeps its
// own array beside it. It stays valid until tcp_release (which the user calls
// exactly once per TCP_EV_NEW): after that TCP finishes closing on its own.
//
// Threads: one struct tcp per worker, nothing shared. Time: now_us, monotonic.
// Memory: all taken by tcp_create; mbufs of received data are held in bounded
//   number, small ones copied together.
// Limits: conf; exhaustion of each is a counted drop.
// RFC: 9293, 7323, 6298, 5681, 6582, 2018 (generation), 2883, 5961, 6191, 6528, 6928.
#pragma once

#include "base/bytes.h"
#include "base/chunkq.h"
#include "base/siphash.h"
#include "net/net.h"
#include "stats/stats.h"

struct tcp;
struct tcb;

struct tcp_conf {
	uint32_t conn_count_max; // tcbs
	uint32_t time_wait_count_max; // compact TIME-WAIT records
	uint32_t rcv_buf_size; // receive buffer of one connection, bytes; the window
	uint32_t snd_buf_size; // hint: where the user stops writing
	uint32_t chunk_count; // chunks of all send queues together
	uint32_t ooo_mbuf_max; // out-of-order mbufs one connection may hold
	uint16_t mss_min; // floor under the peer's MSS (216)
	uint32_t rto_min_us; // 200,000 (Linux's; RFC 6298 says 1 s)
	uint32_t rto_max_us; // 60,000,000
	uint32_t delayed_ack_us; // 40,000 at most
	uint32_t time_wait_us; // 60,000,000
	uint32_t fin_wait2_us; // 60,000,000
	uint32_t r2_us; // give up on an unacknowledged segment: 100,000,000
	uint32_t keepalive_us; // idle time before a probe; 0: off
	struct siphash_key key; // per boot: ISN, timestamps offset, tables
	bool log_closed; // keep closed flows for tcp_take_closed
};

// Defaults as named above; sizes for a small machine.
void tcp_conf_default(struct tcp_conf *conf);

struct tcp *tcp_create(const struct tcp_conf *conf, struct net *net, uint64_t now_us);
// Drops every connection without a word on the wire.
void tcp_destroy(struct tcp *tcp);

// Bring what tcp_input needs of a burst's segments into the cache: all at once, so that the misses
// of connections that were idle overlap. May be left out. Passes over packets that are not TCP.
void tcp_prefetch(struct tcp *tcp, struct net_pkt *pkt, unsigned n);

// One segment. tcp owns pkt->m from here, whatever the result. Returns TCP_OK or
// the drop reason, already counted (an accepted segment that only made us answer
// an ACK or RST is TCP_OK). RFC 9293 3.10.7.
#define TCP_STATS_MODULE "tcp"
enum tcp_stat {
#define STAT(name, kind, help) TCP_STAT_##name,
#include "tcp/tcp.def"
#undef STAT
	TCP_STAT_COUNT
};
#define TCP_OK TCP_STAT_rx_segments
enum tcp_stat tcp_input(struct tcp *tcp, struct net_pkt *pkt, uint64_t now_us);

// Timers that are due, at most a bounded number, and delayed ACKs.
void tcp_poll(struct tcp *tcp, uint64_t now_us);

// When tcp_poll has something to do next (an estimate not later than the truth), for
// idle sleeping and for simulated time. UINT64_MAX: nothing.
uint64_t tcp_next_deadline_us(const struct tcp *tcp);

// ---- what the user of a connection does

enum tcp_event {
	TCP_EV_NEW = 1, // handshake done: first event of a connection
	TCP_EV_DATA = 2, // bytes to read
	TCP_EV_SPACE = 4, // acknowledged bytes left the send queue
	TCP_EV_EOF = 8, // the peer sent FIN: after the data there is no more
	TCP_EV_GONE = 16, // reset or timed out: only tcp_release is allowed
};

// A connection with events, or NULL. It is off the list afterwards.
struct tcb *tcp_ready_pop(struct tcp *tcp);
unsigned tcp_take_events(struct tcb *tcb);
// Put it (back) on the list with these events: more work later in this loop or the next.
void tcp_ready_push(struct tcp *tcp, struct tcb *tcb, unsigned events);

uint32_t tcp_index(const struct tcp *tcp, const struct tcb *tcb);
struct tcb *tcp_at(struct tcp *tcp, uint32_t idx);

struct tcp_peer {
	uint32_t local_addr, remote_addr;
	uint16_t local_port, remote_port;
};
struct tcp_peer tcp_peer(const struct tcb *tcb);

// Received bytes, in order.
uint32_t tcp_readable(const struct tcb *tcb);
// The first contiguous ones; stays in place until consumed or more input comes.
// Empty when there are none.
struct slice tcp_peek(const struct tcb *tcb);
// Copy n <= readable bytes from offset off on, without taking them.
void tcp_copy(const struct tcb *tcb, uint32_t off, uint8_t *dst, uint32_t n);
void tcp_consume(struct tcp *tcp, struct tcb *tcb, uint32_t n);
// The peer's FIN came and everything before it was consumed.
bool tcp_at_eof(const struct tcb *tcb);

// Append replies here; its length includes bytes sent and not yet acknowledged.
struct chunkq *tcp_send_queue(struct tcb *tcb);
// The pool behind all send queues (also good for other chunkqs of this worker).
struct pool *tcp_chunk_pool(struct tcp *tcp);
// Send what the windows allow, a window update or the ACK that is owed.
void tcp_output(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);

// FIN after what is queued. Unread received data makes it a reset (RFC 9293 3.6.1).
void tcp_close(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
// RST now.
void tcp_abort(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);
// The user is done with tcb: no more events. Without tcp_close before it: tcp_abort.
void tcp_release(struct tcp *tcp, struct tcb *tcb, uint64_t now_us);

// ---- for control and tests

// Flows whose last trace is gone (log_closed): up to n, for the dispatcher's flow table.
unsigned tcp_take_closed(struct tcp *tcp, struct tcp_peer *peer, unsigned n);

// Every flow there is a trace of: connections, half-open ones too, then TIME-WAIT; in steps of
// at most slot_count chains of the tables, from *cursor = 0 on. True: that was the last step. What
// is there from the first step to the last is told, also when it goes into TIME-WAIT meanwhile.
typedef void tcp_walk_fn(void *arg, const struct tcp_peer *peer);
bool tcp_walk(
	const struct tcp *tcp, uint64_t *cursor, uint32_t slot_count, tcp_walk_fn *fn, void *arg);

// Internals of a connection, as Linux' TCP_INFO.
struct tcp_info {
	const char *state; // "ESTABLISHED"
	uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd, cwnd, ssthresh, mss;
	uint32_t srtt_us, rttvar_us, rto_us;
	uint32_t retransmits;
	uint32_t unsent; // bytes in the send queue never sent
};
void tcp_info(const struct tcp *tcp, const struct tcb *tcb, struct tcp_info *info);

// Stop accepting: a SYN is dropped (true) or answered again (false).
void tcp_set_draining(struct tcp *tcp, bool draining);
uint32_t tcp_conn_count(const struct tcp *tcp); // tcbs in use, half-open ones too

// Every law of every connection (flight, window edges, timers, queues, pools). True, or
// false with *what. For tests, after each step.
bool tcp_check(const struct tcp *tcp, const char **what);

extern const struct stats_set tcp_stats_set;
const stat_t *tcp_stats(const struct tcp *tcp);
