// SPDX-License-Identifier: BSD-3-Clause
// Frames from fields, with right lengths and checksums

#include "pcap/pktmake.h"

#include <string.h>

#include "base/bytes.h"

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; len -= 2, p += 2)
		sum += load_be16(p);
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold_not(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~((sum >> 16) + sum);
}

uint16_t pktmake_cksum(const uint8_t *p, size_t len)
{
	return fold_not(sum16(p, len, 0));
}

void pktmake_l4_cksum(const struct pktmake *p, uint8_t *l4, size_t l4_len)
{
	size_t off = p->proto == 6 ? 16 : p->proto == 17 ? 6 : 2;
	uint32_t sum = 0;
	uint16_t cksum;

	if (p->proto != 1) // the pseudo header of TCP and UDP
		sum = (p->src_addr >> 16) + (p->src_addr & 0xffff) + (p->dst_addr >> 16) +
		      (p->dst_addr & 0xffff) + p->proto + (uint32_t)l4_len;
	store_be16(l4 + off, 0);
	cksum = fold_not(sum16(l4, l4_len, sum));
	if (p->proto == 17 && cksum == 0) // RFC 768: 0 means none
		cksum = 0xffff;
	store_be16(l4 + off, cksum);
}

static size_t put_eth(const struct pktmake *p, uint16_t type, uint8_t *frame)
{
	size_t off = 12;

	memcpy(frame, p->dst_mac, 6);
	memcpy(frame + 6, p->src_mac, 6);
	if (p->tagged) {
		store_be16(frame + off, 0x8100);
		store_be16(frame + off + 2, p->vlan_tci);
		off += 4;
	}
	store_be16(frame + off, type);
	return off + 2;
}

static size_t pad(uint8_t *frame, size_t len)
{
	if (len >= PKTMAKE_FRAME_MIN)
		return len;
	memset(frame + len, 0, PKTMAKE_FRAME_MIN - len);
	return PKTMAKE_FRAME_MIN;
}

size_t pktmake_ip4(
	const struct pktmake *p, const uint8_t *l4, size_t l4_len, uint8_t *frame, size_t size)
{
	size_t ihl = 20u + p->ip_opt_len, off;
	uint8_t *ip;

	if (size < PKTMAKE_FRAME_MIN || ihl + l4_len > UINT16_MAX || 18 + ihl + l4_len > size)
		return 0;
	off = put_eth(p, 0x0800, frame);
	ip = frame + off;
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	ip[1] = p->tos;
	store_be16(ip + 2, (uint16_t)(ihl + l4_len));
	store_be16(ip + 4, p->id);
	store_be16(ip + 6, p->frag);
	ip[8] = p->ttl;
	ip[9] = p->proto;
	store_be16(ip + 10, 0);
	store_be32(ip + 12, p->src_addr);
	store_be32(ip + 16, p->dst_addr);
	memcpy(ip + 20, p->ip_opt, p->ip_opt_len);
	store_be16(ip + 10, pktmake_cksum(ip, ihl));
	memcpy(ip + ihl, l4, l4_len);
	return pad(frame, off + ihl + l4_len);
}

void pktmake_udp(uint8_t *l4, uint16_t src_port, uint16_t dst_port, size_t payload_len)
{
	store_be16(l4, src_port);
	store_be16(l4 + 2, dst_port);
	store_be16(l4 + 4, (uint16_t)(PKTMAKE_UDP_LEN + payload_len));
	store_be16(l4 + 6, 0);
}

void pktmake_memc(uint8_t *p, uint16_t request_id, uint16_t seq, uint16_t total)
{
	store_be16(p, request_id);
	store_be16(p + 2, seq);
	store_be16(p + 4, total);
	store_be16(p + 6, 0);
}

size_t pktmake_arp(const struct pktmake *p, uint16_t op, const uint8_t *target_mac, uint8_t *frame,
	size_t size)
{
	uint8_t *arp;
	size_t off;

	if (size < PKTMAKE_FRAME_MIN)
		return 0;
	off = put_eth(p, 0x0806, frame);
	arp = frame + off;
	store_be16(arp, 1);
	store_be16(arp + 2, 0x0800);
	arp[4] = 6;
	arp[5] = 4;
	store_be16(arp + 6, op);
	memcpy(arp + 8, p->src_mac, 6);
	store_be32(arp + 14, p->src_addr);
	memset(arp + 18, 0, 6);
	if (target_mac)
		memcpy(arp + 18, target_mac, 6);
	store_be32(arp + 24, p->dst_addr);
	return pad(frame, off + 28);
}
