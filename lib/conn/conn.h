// SPDX-License-Identifier: BSD-3-Clause
// memcached's connection state machine, for TCP streams and UDP datagrams
//
// conn_run takes a connection with events off TCP's ready list and drives it
// until it must wait, as memcached's drive_machine does; the states and their
// transitions are the table at the head of conn.c. A datagram is a connection
// that lives for one request.
//
// Threads: one struct conns per worker. Memory: all taken by conns_create.
//   A connection holds no buffer: an unfinished command stays in TCP's receive queue.
// Limits: a multi-key get longer than CONN_LINE_MAX bytes is run in pieces; reply
//   bytes queued per connection: out_limit and one value.
//   A datagram has 1400 bytes (protocol.txt), fewer where the MTU wants it: no fragments.
// UDP (protocol.txt; design: safe by default): only sources in an allowed prefix are
//   answered; a reply of more than one datagram only for trusted prefixes; reply bytes
//   per source /24 are limited by a token bucket; what is not a request gets silence
//   (a trusted source gets the error line of a bad command).
#pragma once

#include "cmd/cmd.h"
#include "net/net.h"
#include "stats/stats.h"
#include "tcp/tcp.h"

#define CONN_PREFIXES_MAX 64
#define CONN_LINE_MAX 16384 // get lines up to this length are checked as a whole first

struct conn_prefix {
	uint32_t addr; // host byte order, host bits zero
	uint32_t mask;
	bool trusted; // replies of many datagrams, no rate limit
};

struct conns;

// Where workers find each other's connections, for "stats conns". Each conns_create
// enters itself; what is read through it are relaxed atomics.
#define CONN_WORKERS_MAX 64
struct conn_board {
	_Atomic(const struct conns *) worker[CONN_WORKERS_MAX];
};

// For ref_min_bytes: see the table in docs/architecture.md.
#define CONN_REF_MIN_BYTES 4096
// A reference takes a chunk, and a copy of as much must not take less.
#define CONN_REF_MIN_LEAST (CHUNK_ROOM + sizeof(struct extref))

struct conn_conf {
	uint32_t conn_count_max; // the same as tcp_conf.conn_count_max, in all workers
	struct conn_board *board; // of all workers; NULL: "stats conns" shows this one's
	unsigned board_idx; // this worker's place, below CONN_WORKERS_MAX
	uint32_t max_connections; // -c: past it "ERROR Too many open connections"
	_Atomic uint32_t *open_count; // connections open now, of all workers together
	uint32_t requests_per_event; // -R: then the next connection's turn
	uint32_t long_count; // large values and over-long get lines under way at once
	uint32_t long_timeout_s; // each of them must make progress in this time
	uint32_t out_limit; // unacknowledged reply bytes at which parsing stops
	uint32_t idle_timeout_s; // 0: never
	// Pieces of values from this length on are sent from the store's memory, pinned, and
	// not copied into the send queue; at least CONN_REF_MIN_LEAST, 0: all are copied.
	uint32_t ref_min_bytes;
	unsigned udp_prefix_count;
	struct conn_prefix udp_prefix[CONN_PREFIXES_MAX];
	uint32_t udp_reply_rate_bytes; // per second and source /24; 0: no limit
	uint32_t udp_reply_max_bytes; // longest reply to a trusted source
	struct siphash_key key; // per boot, for the table of rates
};

struct conns *conns_create(const struct conn_conf *conf, struct net *net, struct tcp *tcp,
	struct cmd *cmd, struct store_ctx *store, uint64_t now_us);
void conns_destroy(struct conns *conns);

// Run every connection on TCP's ready list, and those that yielded in the last call.
// Bounded: a connection is run at most once per call.
void conns_run(struct conns *conns, uint64_t now_us);

// A burst of UDP packets to ports that are listened on: parse, look up, answer.
// Takes the mbufs.
void conns_udp(struct conns *conns, struct net_pkt *pkt, unsigned n, uint64_t now_us);

// Once a second or so: idle connections, stalled uploads.
void conns_poll(struct conns *conns, uint64_t now_us);

// True when a connection yielded or waits for memory: poll again soon.
bool conns_have_work(const struct conns *conns);

// When conns_poll may have something to do (not later than the truth). UINT64_MAX: nothing.
uint64_t conns_next_deadline_us(const struct conns *conns);

// Answer what is in flight, then close: for the drain at the end.
void conns_drain(struct conns *conns, uint64_t now_us);

// The state names of memcached, for "stats conns" and traces; NULL: not in use.
const char *conn_state_name(const struct conns *conns, uint32_t idx);

#define CONN_STATS_MODULE "conn"
enum conn_stat {
#define STAT(name, kind, help) CONN_STAT_##name,
#include "conn/conn.def"
#undef STAT
	CONN_STAT_COUNT
};
extern const struct stats_set conn_stats_set;
const stat_t *conns_stats(const struct conns *conns);
