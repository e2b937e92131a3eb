// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests, built byte by byte

#include "support/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "support/eal.h"

const uint8_t frame_our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t frame_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
const uint8_t frame_broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

uint16_t frame_cksum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void eth(struct frame *f, uint16_t type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->b, frame_our_mac, 6);
	memcpy(f->b + 6, frame_peer_mac, 6);
	store_be16(f->b + 12, type);
	f->l3 = f->len = 14;
}

void frame_arp(struct frame *f, uint16_t op, uint32_t spa, uint32_t tpa)
{
	uint8_t *p = f->b + 14;

	eth(f, 0x0806);
	memcpy(f->b, frame_broadcast_mac, 6);
	store_be16(p, 1);
	store_be16(p + 2, 0x0800);
	p[4] = 6;
	p[5] = 4;
	store_be16(p + 6, op);
	memcpy(p + 8, frame_peer_mac, 6);
	store_be32(p + 14, spa);
	store_be32(p + 24, tpa);
	f->len += 28;
}

void frame_fix_ip(struct frame *f)
{
	uint8_t *ip = f->b + f->l3;

	store_be16(ip + 10, 0);
	store_be16(ip + 10, frame_cksum(0, ip, (ip[0] & 0xfU) * 4));
}

void frame_fix_l4(struct frame *f)
{
	uint8_t *ip = f->b + f->l3, *l4 = f->b + f->l4;
	uint16_t len = (uint16_t)(load_be16(ip + 2) - (f->l4 - f->l3)), cksum;
	unsigned field = ip[9] == 6 ? 16 : ip[9] == 17 ? 6 : 2;
	uint8_t pseudo[12];
	uint32_t sum = 0;

	memcpy(pseudo, ip + 12, 8);
	pseudo[8] = 0;
	pseudo[9] = ip[9];
	store_be16(pseudo + 10, len);
	if (ip[9] != 1)
		sum = (uint16_t)~frame_cksum(0, pseudo, sizeof(pseudo));
	store_be16(l4 + field, 0);
	cksum = frame_cksum(sum, l4, len);
	store_be16(l4 + field, ip[9] == 17 && cksum == 0 ? 0xffff : cksum);
}

void frame_ip4(struct frame *f, uint8_t proto, const void *l4, size_t l4_len)
{
	uint8_t *ip = f->b + 14;

	CHECK(l4_len + 34 <= FRAME_MAX);
	eth(f, 0x0800);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)(20 + l4_len));
	ip[8] = 64;
	ip[9] = proto;
	store_be32(ip + 12, FRAME_PEER_ADDR);
	store_be32(ip + 16, FRAME_OUR_ADDR);
	f->l4 = 34;
	if (l4_len)
		memcpy(f->b + f->l4, l4, l4_len);
	f->len = f->l4 + l4_len;
	frame_fix_ip(f);
}

void frame_icmp(struct frame *f, uint8_t type, uint8_t code, size_t data_len)
{
	static const uint8_t zero[FRAME_MAX];

	frame_ip4(f, 1, zero, 8 + data_len);
	f->b[f->l4] = type;
	f->b[f->l4 + 1] = code;
	store_be32(f->b + f->l4 + 4, 0x12340007);
	for (size_t i = 0; i < data_len; i++)
		f->b[f->l4 + 8 + i] = (uint8_t)(i * 7 + 1);
	frame_fix_l4(f);
}

void frame_udp(
	struct frame *f, uint16_t src_port, uint16_t dst_port, const void *data, size_t data_len)
{
	uint8_t udp[8] = {0};

	store_be16(udp, src_port);
	store_be16(udp + 2, dst_port);
	store_be16(udp + 4, (uint16_t)(8 + data_len));
	frame_ip4(f, 17, udp, sizeof(udp));
	if (data_len)
		memcpy(f->b + f->len, data, data_len);
	f->len += data_len;
	store_be16(f->b + f->l3 + 2, (uint16_t)(28 + data_len));
	frame_fix_ip(f);
	frame_fix_l4(f);
}

void frame_tcp(struct frame *f, uint16_t src_port, uint16_t dst_port, uint8_t flags,
	const void *data, size_t data_len)
{
	uint8_t tcp[20] = {0};

	store_be16(tcp, src_port);
	store_be16(tcp + 2, dst_port);
	store_be32(tcp + 4, 0x01020304);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	store_be16(tcp + 14, 65535);
	frame_ip4(f, 6, tcp, sizeof(tcp));
	if (data_len)
		memcpy(f->b + f->len, data, data_len);
	f->len += data_len;
	store_be16(f->b + f->l3 + 2, (uint16_t)(40 + data_len));
	frame_fix_ip(f);
	frame_fix_l4(f);
}

void frame_set_addrs(struct frame *f, uint32_t src, uint32_t dst)
{
	store_be32(f->b + f->l3 + 12, src);
	store_be32(f->b + f->l3 + 16, dst);
	frame_fix_ip(f);
	frame_fix_l4(f);
}

static void insert(struct frame *f, size_t at, const uint8_t *p, size_t n)
{
	CHECK(f->len + n <= FRAME_MAX);
	memmove(f->b + at + n, f->b + at, f->len - at);
	memcpy(f->b + at, p, n);
	f->len += n;
}

void frame_add_tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	uint8_t tag[4];

	store_be16(tag, tpid);
	store_be16(tag + 2, tci);
	insert(f, 12, tag, sizeof(tag));
	f->l3 += 4;
	f->l4 += 4;
}

void frame_add_options(struct frame *f, const uint8_t *opt, size_t len)
{
	uint8_t *ip = f->b + f->l3;

	CHECK(len % 4 == 0 && len <= 40);
	insert(f, f->l4, opt, len);
	f->l4 += len;
	ip[0] = (uint8_t)(0x40 | (5 + len / 4));
	store_be16(ip + 2, (uint16_t)(load_be16(ip + 2) + len));
	frame_fix_ip(f);
}

void frame_pad(struct frame *f, size_t len, uint8_t byte)
{
	CHECK(len >= f->len && len <= FRAME_MAX);
	memset(f->b + f->len, byte, len - f->len);
	f->len = len;
}

struct rte_mbuf *frame_mbuf_bytes(const void *p, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(eal_pool());
	void *dst;

	CHECK(m);
	dst = rte_pktmbuf_append(m, (uint16_t)len);
	CHECK(dst);
	if (len)
		memcpy(dst, p, len);
	return m;
}

struct rte_mbuf *frame_mbuf(const struct frame *f)
{
	return frame_mbuf_bytes(f->b, f->len);
}

struct rte_mbuf *frame_mbuf_split(const struct frame *f, size_t first_len)
{
	struct rte_mbuf *m = frame_mbuf_bytes(f->b, first_len);
	int rc = rte_pktmbuf_chain(m, frame_mbuf_bytes(f->b + first_len, f->len - first_len));

	CHECK(rc == 0);
	return m;
}
