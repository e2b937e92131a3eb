// SPDX-License-Identifier: BSD-3-Clause
// lib/conn under test: struct conns over real TCP, clients that a test holds back as it likes
//
// What a worker does, one turn at a time: frames in, conns_run, replies out. Nothing is
// lost on the way, so that what a client gets is what lib/conn wrote. A test says when a
// client acknowledges, how large its window is and in what pieces it sends.
//
//   connrig_conf(&r); ...change r.conn, r.tcp, r.store_conf...; connrig_open(&r);
//   connrig_connect(&r, 0);
//   connrig_says(&r, 0, "get a\r\n", "END\r\n");
//   connrig_counts(&r, "");
//   connrig_close(&r);
//
// For cmocka tests (uses its assertions).
#pragma once

#include "conn/conn.h"

#define CONNRIG_CLIENTS_MAX 24
#define CONNRIG_ADDR 0x0a000001u // 10.0.0.1, support/frame.h
#define CONNRIG_START_US 5000000000u
#define CONNRIG_UNIX_S 1700000000u // the wall clock when now_us was 0
#define CONNRIG_MSS 1460

struct connrig_client {
	uint16_t port;
	uint32_t snd_nxt, snd_edge; // next to send; the server's right edge
	uint32_t rcv_nxt, acked; // next expected; last acknowledged
	uint32_t edge; // right edge announced: never goes back
	uint32_t window; // offered from acked on, at most 65535
	uint32_t seg_max; // bytes of a segment
	unsigned burst_max; // segments of one turn
	bool holds_acks; // then connrig_ack says when
	bool owes_ack;
	bool open, eof, reset; // eof: the server's FIN came
	bool wants_fin, sent_fin;
	char *out; // still to be sent: [out_off, out_len)
	size_t out_off, out_len;
	char *got; // what came, with a NUL behind it
	size_t got_len, got_room;
};

// A reply datagram; its text is in datagram_text.
struct connrig_datagram {
	uint32_t addr;
	uint16_t port, id, seq, total, reserved;
	size_t off, len;
};

struct connrig {
	struct store_conf store_conf;
	struct net_conf net_conf;
	struct tcp_conf tcp_conf;
	struct conn_conf conn_conf;
	struct cmd_conf cmd_conf;
	struct store *store;
	struct store_ctx *ctx;
	struct net *net;
	struct tcp *tcp;
	struct cmd *cmd;
	struct conns *conns;
	struct stats *stats;
	_Atomic uint32_t open_count;
	uint64_t now_us;
	unsigned mbufs_before;
	uint64_t seen[CONN_STAT_COUNT];
	struct connrig_client client[CONNRIG_CLIENTS_MAX];
	unsigned burst_count; // frames of the next turn
	struct rte_mbuf *burst[NET_BURST_MAX];
	unsigned datagram_count;
	struct connrig_datagram *datagram;
	char *datagram_text;
	size_t datagram_len;
};

// Small limits, fixed keys. UDP: 10.0.0.0/24 is allowed, 10.0.0.128/25 trusted.
void connrig_conf(struct connrig *r);
void connrig_open(struct connrig *r);
// Both by default.
void connrig_start(struct connrig *r);
// Checks all laws, then that every mbuf came back.
void connrig_close(struct connrig *r);

// Handshake; the client's numbers begin just below 2^32.
void connrig_connect(struct connrig *r, unsigned i);
// To be sent from the next turn on.
void connrig_send(struct connrig *r, unsigned i, const void *p, size_t len);
void connrig_sends(struct connrig *r, unsigned i, const char *text);
void connrig_fin(struct connrig *r, unsigned i); // after all that is to be sent
void connrig_reset(struct connrig *r, unsigned i); // RST, at once
// Acknowledge up to n more bytes of what came, from the next turn on.
void connrig_ack(struct connrig *r, unsigned i, uint32_t n);

// One turn: what the clients may send now, one conns_run, replies delivered. No timers.
// Returns whether anything moved.
bool connrig_turn(struct connrig *r);
// Turns and polls until nothing moves.
void connrig_settle(struct connrig *r);
// Let time pass, settling at each deadline and at least each 100 ms.
void connrig_advance(struct connrig *r, uint64_t us);

// What client i got since the last call is exactly this.
void connrig_expect(struct connrig *r, unsigned i, const char *text);
void connrig_expect_bytes(struct connrig *r, unsigned i, const void *p, size_t len);
void connrig_forget(struct connrig *r, unsigned i);
// Send, settle, expect.
void connrig_says(struct connrig *r, unsigned i, const char *text, const char *reply);
// The connection of client i rests in this state, "conn_waiting"; NULL: there is none.
void connrig_state(struct connrig *r, unsigned i, const char *name);

uint64_t connrig_stat(const struct connrig *r, enum conn_stat stat);
uint64_t connrig_cmd_stat(const struct connrig *r, enum cmd_stat stat);
// Since the last call exactly these counters of lib/conn moved: "udp_requests=2 blocked"
// (no number: by 1); bytes_* and *_connections are not looked at.
void connrig_counts(struct connrig *r, const char *text);
void connrig_check(struct connrig *r); // tcp_check and store_check

// A datagram with a memcached frame for the next turn, and one with any bytes.
void connrig_udp(struct connrig *r, uint32_t addr, uint16_t port, uint16_t id, const char *text);
void connrig_udp_bytes(struct connrig *r, uint32_t addr, uint16_t port, const void *p, size_t len);
void connrig_udp_forget(struct connrig *r);
