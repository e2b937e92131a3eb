// SPDX-License-Identifier: BSD-3-Clause
// Frames as text, one line each, in a form that stays the same: to read, test and compare
//
//   0.000100 TCP 192.0.2.1:5000 > 192.0.2.10:11211 S seq 0 win 65535 <mss 1460> cksum ok
//   0.002000 UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 7 seq 0/1 7 "get a\r\n"
//
// Sequence numbers and timestamps of a TCP flow whose SYN was seen are relative to
// the first of each direction, so that two runs with different initial numbers give
// the same text. A SYN on known ports is relative to the connection before. This is a
// second reader of the headers, on purpose independent of lib/net: tests compare what
// lib/net wrote with what this file understands.
//
// Threads: one owner. Limits: PKTTEXT_FLOWS_MAX flows are remembered, the oldest is
// forgotten first and its numbers are absolute from then on; a payload is shown up
// to a length, the rest is a hash.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKTTEXT_FLOWS_MAX 1024
#define PKTTEXT_LINE_SIZE 2048 // no line is longer
#define PKTTEXT_PAYLOAD_MAX 400 // bytes of payload shown; each takes 4 characters at most

struct pkttext_conf {
	bool absolute; // sequence numbers and timestamps as they are
	bool mac; // show the Ethernet addresses
	bool ip; // show ttl, id, tos, flags
	bool first_line; // show the payload up to its first line end only
	uint16_t port; // UDP port whose datagrams carry memcached's 8-byte frame header
};

struct pkttext;

// NULL: out of memory.
struct pkttext *pkttext_create(const struct pkttext_conf *conf);
void pkttext_destroy(struct pkttext *t);

// Forget all flows.
void pkttext_reset(struct pkttext *t);

// Write the line of one frame, without time and newline, into line. Any bytes will do.
void pkttext_frame(struct pkttext *t, const uint8_t *frame, size_t len, uint32_t wire_len,
	char line[PKTTEXT_LINE_SIZE]);

// What pkttext knows of the TCP flow from src to dst: true, and the first sequence
// number and timestamp value seen from src (0: none).
bool pkttext_flow(const struct pkttext *t, uint32_t src_addr, uint16_t src_port, uint32_t dst_addr,
	uint16_t dst_port, uint32_t *isn, uint32_t *ts_base);
