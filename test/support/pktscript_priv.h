// SPDX-License-Identifier: BSD-3-Clause
// Inside pktscript: the words of a line, and the frame being made
#pragma once

#include <setjmp.h>

#include "support/pktscript.h"

#define L4_ROOM 9000

// One line on its way to a frame.
struct build {
	struct pktscript *s;
	const char *p; // what is not read yet
	jmp_buf fail;
	struct pktmake eth_ip;
	uint16_t src_port, dst_port;
	bool bad_ip, bad_l4, no_cksum;
	long ip_len, udp_len, cut, pad, poke_off; // -1: not asked for
	size_t poke_len;
	uint8_t poke[64];
	size_t l4_len;
	uint8_t l4[L4_ROOM];
};

// Give the line up. Only the innermost function's own state is lost: nothing here
// owns memory.
__attribute__((noreturn, format(printf, 2, 3))) void build_fail(
	struct build *b, const char *fmt, ...);

// The next word, up to a space; false at the end of the line or at a payload.
bool word_next(struct build *b, char *word, size_t size);
// Take the next word if it is this one.
bool word_is(struct build *b, const char *word);
void word_expect(struct build *b, const char *word);
uint32_t word_number(struct build *b);
uint32_t word_addr(struct build *b, uint16_t *port); // port NULL: none allowed
void word_mac(struct build *b, uint8_t mac[6]);
size_t word_hex(struct build *b, const char *hex, uint8_t *dst, size_t size);
// "text" x:HEX ... to the end of the line, appended at l4 + l4_len.
void payload(struct build *b);

void build_tcp(struct build *b);
