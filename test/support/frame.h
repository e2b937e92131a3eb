// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests, built byte by byte: checksums by the slow definition, not by lib/
#pragma once

#include <rte_mbuf.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 9216

#define FRAME_OUR_ADDR 0x0a000001u // 10.0.0.1
#define FRAME_PEER_ADDR 0x0a000002u
#define FRAME_OUR_PORT 11211
#define FRAME_PEER_PORT 40000

extern const uint8_t frame_our_mac[6], frame_peer_mac[6], frame_broadcast_mac[6];

struct frame {
	size_t len;
	size_t l3, l4; // offsets
	uint8_t b[FRAME_MAX];
};

// RFC 1071 over n bytes, 16 bits at a time, in host byte order; sum: of what came before.
uint16_t frame_cksum(uint32_t sum, const uint8_t *p, size_t n);

// From the peer to us, complete and right; then change bytes and repair what should hold.
void frame_arp(struct frame *f, uint16_t op, uint32_t spa, uint32_t tpa);
void frame_ip4(struct frame *f, uint8_t proto, const void *l4, size_t l4_len);
void frame_icmp(struct frame *f, uint8_t type, uint8_t code, size_t data_len);
void frame_udp(
	struct frame *f, uint16_t src_port, uint16_t dst_port, const void *data, size_t data_len);
void frame_tcp(struct frame *f, uint16_t src_port, uint16_t dst_port, uint8_t flags,
	const void *data, size_t data_len);

void frame_set_addrs(struct frame *f, uint32_t src, uint32_t dst); // repairs checksums
void frame_add_tag(struct frame *f, uint16_t tpid, uint16_t tci); // outermost
void frame_add_options(struct frame *f, const uint8_t *opt, size_t len); // multiple of 4
void frame_fix_ip(struct frame *f); // header checksum
void frame_fix_l4(struct frame *f); // TCP, UDP or ICMP checksum over the IP payload
void frame_pad(struct frame *f, size_t len, uint8_t byte); // Ethernet padding

// A copy in an mbuf of eal_pool. first_len < len: in two segments.
struct rte_mbuf *frame_mbuf(const struct frame *f);
struct rte_mbuf *frame_mbuf_bytes(const void *p, size_t len);
struct rte_mbuf *frame_mbuf_split(const struct frame *f, size_t first_len);
