// SPDX-License-Identifier: BSD-3-Clause
// A small TCP client in virtual time: connects, sends one stream, receives one, closes
//
// Plain on purpose: go back N with one timer, one ACK per segment or per two, a window
// that its owner may close and open. It keeps what came out of order as a bitmap, for
// what the bytes have to be is known (seg_byte). Its own code: nothing of lib/tcp.
#pragma once

#include "base/rng.h"
#include "support/seg.h"

#define CLIENT_STREAM_MAX (256 * 1024)

struct client_conf {
	unsigned idx; // flow: port and initial numbers
	uint32_t send_len, recv_len; // the two streams
	uint16_t mss;
	bool ts, sack, wscale;
	uint8_t ws; // its window scale
	uint32_t rcv_wnd; // largest window it offers
	uint32_t rto_us;
	bool close_first; // FIN when all is sent; else when the peer's FIN came
	bool delay_acks;
};

enum client_state { CLIENT_SYN_SENT, CLIENT_OPEN, CLIENT_RESET };

struct client {
	struct client_conf conf;
	struct seg_flow flow;
	enum client_state state;
	struct rng rng;
	// numbers relative to the ISNs: 0 is the SYN
	uint32_t snd_una, snd_nxt, snd_wnd_edge;
	uint32_t rcv_nxt;
	bool fin_acked, fin_rcvd;
	uint32_t fin_at; // the peer's FIN
	bool fin_known;
	bool ts_on, scale_on;
	uint8_t peer_ws;
	uint32_t ts_recent;
	bool window_closed; // its owner wants it shut
	uint32_t edge; // right edge announced
	uint64_t rto_at_us, rto_us, ack_at_us; // 0: off
	const char *wrong; // a law of TCP that the other side broke
	uint8_t have[CLIENT_STREAM_MAX / 8];
};

// Where it puts a segment to be sent.
typedef void client_emit_fn(void *arg, struct client *c, const struct seg *s);

void client_init(struct client *c, const struct client_conf *conf, uint64_t seed, uint64_t now_us);
// A frame for it.
void client_input(
	struct client *c, const struct frame *f, uint64_t now_us, client_emit_fn *emit, void *arg);
// What is to be sent, and timers.
void client_poll(struct client *c, uint64_t now_us, client_emit_fn *emit, void *arg);
uint64_t client_deadline_us(const struct client *c); // UINT64_MAX: none
// Shut or open its window; announces it.
void client_window(struct client *c, bool closed, uint64_t now_us, client_emit_fn *emit, void *arg);
// Both streams and both FINs have arrived and are acknowledged.
bool client_is_done(const struct client *c);
