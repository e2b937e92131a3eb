// SPDX-License-Identifier: BSD-3-Clause
// Inside pkttext: the line being written, and the TCP flows seen
#pragma once

#include "pcap/pkttext.h"

// A line that cannot overflow: what does not fit is left out.
struct line {
	char *p;
	size_t len;
	size_t size;
};

__attribute__((format(printf, 2, 3))) void line_add(struct line *l, const char *fmt, ...);

// One direction of a flow.
struct pkttext_dir {
	uint32_t src_addr, dst_addr;
	uint16_t src_port, dst_port;
	bool in_use;
	bool has_ts;
	bool has_next; // a SYN with another number came
	uint32_t isn;
	uint32_t next_isn; // of that SYN
	uint32_t ts_base;
};

struct pkttext {
	struct pkttext_conf conf;
	unsigned next_idx; // the oldest entry, when all are used
	unsigned used_count;
	struct pkttext_dir dir[2 * PKTTEXT_FLOWS_MAX];
};

// What the lines of the upper layers need of the IP header.
struct pkttext_ip {
	uint32_t src_addr, dst_addr;
	uint8_t proto;
};

void pkttext_payload(const struct pkttext *t, struct line *l, const uint8_t *p, size_t len);
void pkttext_tcp(struct pkttext *t, struct line *l, const struct pkttext_ip *ip, const uint8_t *p,
	size_t len);
uint32_t pkttext_l4_sum(const struct pkttext_ip *ip, const uint8_t *p, size_t len);
// Addresses in host byte order: four numbers for "%u.%u.%u.%u".
#define PKTTEXT_IP4(a) (a) >> 24, (a) >> 16 & 255, (a) >> 8 & 255, (a)&255
