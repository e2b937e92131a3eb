// SPDX-License-Identifier: BSD-3-Clause
// TCP segments as text, packetdrill's notation, and as frames: both ways, for tests of lib/tcp
//
//   S  0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>
//   P. 1:11(10) ack 1 win 257 <nop,nop,TS val 5 ecr L>
//
// Flags: S F R P U E W and "." for ACK, "-" for none. Numbers are relative: sequence
// numbers to the initial one of their side, timestamps to the first of their side,
// SACK edges like the acknowledgment number. The payload is not in the text: byte k of
// a side's stream is seg_byte(side, k), the first has the relative number 1.
//
// Building, also: "urg 5", "rsv 7" (reserved bits), "doff 4" (data offset, wrong on
// purpose), "badsum", "xor 255" (on each payload byte), option "hex 0300" (any bytes),
// "ecr L" (the newest TSval of ours). win 65535 and no option when the text is silent.
// Expecting, also: "*" for a timestamp, <...> for any options; no win: any. Options
// are compared as a set, without nop and eol.
//
// A reader and writer of its own: nothing of lib/tcp, and checksums of support/frame.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "support/frame.h"

#define SEG_TEXT_MAX 320
#define SEG_OPT_MAX 40
#define SEG_SACK_MAX 4

enum { SEG_FIN = 1, SEG_SYN = 2, SEG_RST = 4, SEG_PSH = 8, SEG_ACK = 16, SEG_URG = 32 };
enum { SEG_ECE = 64, SEG_CWR = 128 };

enum seg_side { SEG_PEER, SEG_OURS }; // who sends it

// What was learned of a flow, to make numbers relative.
struct seg_flow {
	uint32_t peer_addr;
	uint16_t peer_port, our_port;
	uint32_t peer_isn, our_isn;
	uint32_t peer_ts, our_ts; // first TSval of each side
	uint32_t our_ts_last;
	bool our_isn_known, our_ts_known;
};

// Absolute numbers, host byte order.
struct seg {
	enum seg_side side;
	uint16_t src_port, dst_port;
	uint8_t flags, doff, rsv;
	uint16_t win, urg;
	uint32_t seq, ack;
	uint32_t len; // payload bytes
	bool bad_cksum, bad_payload;
	uint8_t payload_xor;
	uint8_t opt_len, opt[SEG_OPT_MAX]; // as in the header
	// the same, read; on the way in of expectations: what is wanted
	bool has_mss, has_ws, has_sack_ok, has_ts;
	uint16_t mss;
	uint8_t ws;
	uint32_t ts_val, ts_ecr;
	uint8_t sack_count;
	uint32_t sack[SEG_SACK_MAX][2];
	bool any_win, any_opt, any_ts_val, any_ts_ecr;
};

uint8_t seg_byte(enum seg_side side, uint32_t off);

// Read the notation; a text it does not understand ends the program with a message.
void seg_from_text(
	struct seg *s, const char *text, const struct seg_flow *flow, enum seg_side side);
void seg_to_text(const struct seg *s, const struct seg_flow *flow, char text[SEG_TEXT_MAX]);

// The frame of a segment from the peer.
void seg_to_frame(const struct seg *s, const struct seg_flow *flow, struct frame *f);
// Append options to s->opt (and s->has_...); the result is padded with zeros by seg_to_frame.
void seg_add_mss(struct seg *s, uint16_t mss);
void seg_add_ws(struct seg *s, uint8_t ws);
void seg_add_sack_ok(struct seg *s);
void seg_add_ts(struct seg *s, uint32_t val, uint32_t ecr);
void seg_add_sack(struct seg *s, const uint32_t (*edge)[2], unsigned count);

// Ports of a frame we sent; 0 when it is no TCP over IPv4.
uint16_t seg_frame_peer_port(const struct frame *f);
// Read a frame that we sent and check all that must hold in any segment: addresses,
// lengths, both checksums, DF, reserved bits, options well-formed and padded with
// zeros, payload as seg_byte says (only bad_payload is set for that). NULL, or what is
// wrong.
const char *seg_from_frame(struct seg *s, const struct frame *f, const struct seg_flow *flow);

bool seg_matches(const struct seg *want, const struct seg *got);
