// SPDX-License-Identifier: BSD-3-Clause
// Frames from fields, with right lengths and checksums: for traces and for tests
//
// The counterpart of pkttext.h, and like it independent of lib/net.
//
// Threads: pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKTMAKE_FRAME_MIN 60 // Ethernet's shortest frame, without the FCS
#define PKTMAKE_UDP_LEN 8
#define PKTMAKE_MEMC_LEN 8
#define PKTMAKE_IP_OPT_MAX 40

// Addresses in host byte order.
struct pktmake {
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
	bool tagged;
	uint16_t vlan_tci;
	uint32_t src_addr;
	uint32_t dst_addr;
	uint8_t tos;
	uint8_t ttl;
	uint8_t proto;
	uint16_t id;
	uint16_t frag; // flags and fragment offset as in the header; 0x4000: do not fragment
	uint8_t ip_opt_len; // a multiple of 4
	uint8_t ip_opt[PKTMAKE_IP_OPT_MAX];
};

// Ethernet and IPv4 header in front of the l4_len bytes at l4, padded with zeros to
// PKTMAKE_FRAME_MIN. Returns the frame's length, 0 when it does not fit in size.
size_t pktmake_ip4(
	const struct pktmake *p, const uint8_t *l4, size_t l4_len, uint8_t *frame, size_t size);

// Write the checksum of the TCP, UDP or ICMP (p->proto) packet at l4, whose header is
// complete otherwise.
void pktmake_l4_cksum(const struct pktmake *p, uint8_t *l4, size_t l4_len);

// A UDP header at l4, for payload_len bytes that follow it, without checksum.
void pktmake_udp(uint8_t *l4, uint16_t src_port, uint16_t dst_port, size_t payload_len);

// memcached's UDP frame header: protocol.txt, "UDP protocol".
void pktmake_memc(uint8_t *p, uint16_t request_id, uint16_t seq, uint16_t total);

// An ARP packet (RFC 826) in an Ethernet frame of p's MAC addresses and tag.
// op 1: request, 2: reply. Addresses are p's; target_mac NULL: zeros.
size_t pktmake_arp(const struct pktmake *p, uint16_t op, const uint8_t *target_mac, uint8_t *frame,
	size_t size);

// RFC 1071 checksum of len bytes.
uint16_t pktmake_cksum(const uint8_t *p, size_t len);
