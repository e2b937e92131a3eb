// SPDX-License-Identifier: BSD-3-Clause
// Headers of one frame, parsed from bytes: what steering, input and the fuzzers share
//
// Ethernet II, one VLAN tag (802.1Q or 802.1ad outer), ARP, IPv4 with TCP, UDP or
// ICMP. Every length is computed once, from the IP total length, never from the
// frame length: Ethernet padding is not data (RFC 1122 3.2.1, RFC 9293 3.1).
//
// Threads: pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HDR_ETH_LEN 14
#define HDR_VLAN_LEN 4
#define HDR_IP4_LEN 20
#define HDR_ICMP_LEN 8
#define HDR_UDP_LEN 8
#define HDR_TCP_LEN 20
#define HDR_ARP_LEN 28

#define HDR_ETHERTYPE_IP4 0x0800
#define HDR_ETHERTYPE_ARP 0x0806
#define HDR_ETHERTYPE_VLAN 0x8100
#define HDR_ETHERTYPE_QINQ 0x88a8
#define HDR_ETHERTYPE_IP6 0x86dd

#define HDR_PROTO_ICMP 1
#define HDR_PROTO_TCP 6
#define HDR_PROTO_UDP 17

enum hdr_kind {
	HDR_BAD, // truncated or inconsistent; drop
	HDR_BAD_IP_CKSUM, // IPv4 header checksum wrong; drop
	HDR_OTHER, // we do not speak it: an ethertype, or (l4_off not 0) an IP protocol
	HDR_ARP, // ARP payload at l3_off
	HDR_IP4_FRAG, // IPv4 fragment: ports are not to be trusted
	HDR_IP4_ICMP, // ICMP message at l4_off, at least 8 bytes
	HDR_IP4_TCP, // TCP segment at l4_off, at least 20 bytes
	HDR_IP4_UDP, // UDP datagram at l4_off, at least 8 bytes
};

// Addresses and ports in host byte order.
struct hdr {
	enum hdr_kind kind;
	bool tagged; // a VLAN tag was in the frame
	bool vlan_ad; // it is an 802.1ad (service) tag
	uint16_t vlan_tci;
	uint16_t l3_off;
	uint16_t l4_off;
	uint16_t l4_len; // bytes from l4_off to the end of the IP datagram
	uint8_t ip_proto;
	uint32_t src_addr;
	uint32_t dst_addr;
	uint16_t src_port; // TCP, UDP
	uint16_t dst_port;
};

// Parse len bytes of a frame. Never reads past them. ip_cksum_known_good skips the
// IPv4 header checksum (the NIC checked it). Returns h->kind.
enum hdr_kind hdr_parse(struct hdr *h, const uint8_t *frame, size_t len, bool ip_cksum_known_good);

// True for the ICMP types that tell of a packet sent before (RFC 1122 3.2.2).
bool hdr_icmp_is_error(uint8_t icmp_type);

// For an ICMP error at icmp[0..len): the TCP or UDP flow it is about, turned
// around, so that src is the remote end as in the packets of that flow. False when
// it is not an error, or too short to tell.
bool hdr_parse_icmp_embedded(const uint8_t *icmp, size_t len, struct hdr *flow, uint32_t *tcp_seq);
