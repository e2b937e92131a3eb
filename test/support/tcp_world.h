// SPDX-License-Identifier: BSD-3-Clause
// A world of one struct net and one struct tcp in virtual time: peers' segments as text in,
// the exact answers as text out, which counters moved, nothing leaked
//
//   tw_open(&w, NULL);
//   tw_connect(&w, "mss 1460");
//   tw_in(&w, "P. 1:11(10) ack 1 win 257");
//   tw_read(&w, 10);
//   tw_out(&w, ". 1:1(0) ack 11");
//   tw_counts(&w, "");
//   tw_end(&w);
//
// After each step tcp_check runs, and every packet taken is checked for what must hold
// always: checksums and lengths, right edge never shrinks, ACK never goes back,
// timestamps on all segments or none, data inside the peer's window and MSS.
// The peers' sequence numbers and timestamps begin just below 2^32. Ours do too in some
// of the passes of tw_run_group, which runs all tests of a file once per pass.
//
// For cmocka tests (uses its assertions).
#pragma once

#include "support/seg.h"
#include "tcp/tcp.h"

#define TW_FLOWS_MAX 24

struct tw_flow {
	struct seg_flow seg;
	struct tcb *tcb; // from TCP_EV_NEW to release
	unsigned events; // not yet asserted
	uint32_t read_off, written_off; // bytes of both streams so far
	// learned from the handshake
	bool ts_on;
	uint8_t our_ws, peer_ws;
	uint16_t mss; // the peer's
	// for the laws
	bool acked, sent;
	uint32_t ack_max, our_edge, peer_edge;
};

struct tw {
	struct net *net;
	struct tcp *tcp;
	struct tcp_conf conf;
	uint64_t start_us, now_us;
	struct tw_flow flow[TW_FLOWS_MAX], *f; // f: the one the calls below are about
	bool fine_steps; // advance ms by ms instead of by deadlines
	bool auto_read; // consume what is readable before each tcp_output
	bool auto_release; // release on EOF, after closing, and on GONE
	int result; // of the last tcp_input; -1: lib/net did not give it up
	struct seg got; // the last packet taken
	uint64_t seen[TCP_STAT_COUNT];
	unsigned mbufs_before;
};

// Buffer of 32768 bytes, else the defaults, few connections. NULL in tw_open: this.
void tw_conf(struct tcp_conf *conf);
void tw_open(struct tw *w, const struct tcp_conf *conf);
// At this time, whatever the pass.
void tw_open_at(struct tw *w, const struct tcp_conf *conf, uint64_t now_us);
// Release and abort everything, let the clock run until no tcb is left, and demand
// that every chunk and mbuf came back.
void tw_end(struct tw *w);

// Later calls are about flow i, which has a port of its own.
void tw_flow(struct tw *w, unsigned i);
// The next SYN of this flow starts from other numbers (isn and timestamps add up).
void tw_new_isn(struct tw *w, uint32_t isn_rel, uint32_t ts_rel);

// Handshake with these options in the SYN; counters are marked as seen after it.
void tw_connect(struct tw *w, const char *options);
#define TW_ALL "mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7"

// One segment in, and what the worker does after a burst. With timestamps agreed, a text
// without options gets them: the clock in ms, ecr L.
void tw_in(struct tw *w, const char *text);
void tw_inf(struct tw *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Without the worker's part, for bursts; then tw_loop.
void tw_input(struct tw *w, const char *text);
void tw_loop(struct tw *w);
// The TSval that a segment without options gets now, relative like those of the texts.
int tw_peer_ts(const struct tw *w);

// The next packet is this one. With timestamps agreed, a text without options wants them.
void tw_out(struct tw *w, const char *text);
void tw_outf(struct tw *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// It comes us (-1 ms, +3 ms) from now, and nothing before.
void tw_out_after(struct tw *w, uint64_t us, const char *text);
// The same within lowest..highest us; returns when.
uint64_t tw_out_within(struct tw *w, uint64_t lowest, uint64_t highest, const char *text);
// Nothing waits to be sent.
void tw_none(struct tw *w);
// Nothing is sent for us.
void tw_quiet(struct tw *w, uint64_t us);
void tw_advance(struct tw *w, uint64_t us);
// Take all that waits, checked only for the laws; returns how many.
unsigned tw_drain(struct tw *w);
// Take one packet, if any, into w->got.
bool tw_take(struct tw *w);

// Since the last call exactly these counters moved: "retransmits=2 rto_expired" (no
// number: by 1), apart from rx_segments, tx_segments, *_data_bytes and the gauges.
void tw_counts(struct tw *w, const char *text);
void tw_counts_reset(struct tw *w);
uint64_t tw_stat(const struct tw *w, enum tcp_stat stat);

// The user's side.
void tw_events(struct tw *w, unsigned events); // exactly these since the last call
uint32_t tw_readable(struct tw *w);
void tw_read(struct tw *w, uint32_t n); // consume, check the bytes, tcp_output
void tw_write(struct tw *w, uint32_t n); // append, tcp_output
void tw_output(struct tw *w);
void tw_close(struct tw *w);
void tw_abort(struct tw *w);
void tw_release(struct tw *w);

void tw_state(struct tw *w, const char *state);
struct tcp_info tw_info(struct tw *w);
void tw_check(struct tw *w);

struct CMUnitTest;
int tw_run_group(const char *name, const struct CMUnitTest *tests, size_t n);
// The pass: 0 .. TW_PASSES - 1.
#define TW_PASSES 4
unsigned tw_pass(void);
