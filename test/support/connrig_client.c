// SPDX-License-Identifier: BSD-3-Clause
// The clients of connrig.h: TCP without loss, and datagrams

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/seq.h"
#include "support/connrig_priv.h"
#include "support/frame.h"

#define PORT_MIN 40000
#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16

static void add_frame(struct connrig *r, const struct frame *f)
{
	assert_true(r->burst_count < NET_BURST_MAX);
	r->burst[r->burst_count++] = frame_mbuf(f);
}

// The window from what is acknowledged on; the right edge never goes back.
static uint16_t window_field(struct connrig_client *c)
{
	uint32_t window = c->window;

	if (seq_lt(c->acked + window, c->edge))
		window = c->edge - c->acked;
	assert_true(window <= 65535);
	c->edge = c->acked + window;
	return (uint16_t)window;
}

static void segment(
	struct connrig *r, struct connrig_client *c, uint8_t flags, const void *p, size_t len)
{
	struct frame f;
	uint8_t *tcp;

	frame_tcp(&f, c->port, FRAME_OUR_PORT, flags, p, len);
	tcp = f.b + f.l4;
	store_be32(tcp + 4, c->snd_nxt);
	if (flags & ACK)
		store_be32(tcp + 8, c->acked);
	store_be16(tcp + 14, window_field(c));
	c->owes_ack = c->owes_ack && c->acked != c->rcv_nxt;
	if (flags & SYN)
		tcp[12] = 6 << 4; // p is an option
	else
		c->snd_nxt += (uint32_t)len;
	c->snd_nxt += flags & (SYN | FIN) ? 1 : 0;
	frame_fix_l4(&f);
	add_frame(r, &f);
}

void connrig_connect(struct connrig *r, unsigned i)
{
	static const uint8_t mss[] = {2, 4, CONNRIG_MSS >> 8, CONNRIG_MSS & 0xff};
	struct connrig_client *c = &r->client[i];
	uint16_t port = c->port ? c->port + CONNRIG_CLIENTS_MAX : PORT_MIN + (uint16_t)i;

	free(c->out);
	free(c->got);
	*c = (struct connrig_client){
		.port = port,
		.snd_nxt = 0xffffff00u + i,
		.window = 65535,
		.seg_max = CONNRIG_MSS,
		.burst_max = NET_BURST_MAX,
	};
	segment(r, c, SYN, mss, sizeof(mss));
	connrig_settle(r);
	assert_true(c->open || c->reset);
}

void connrig_send(struct connrig *r, unsigned i, const void *p, size_t len)
{
	struct connrig_client *c = &r->client[i];
	size_t left = c->out_len - c->out_off;
	char *out = malloc(left + len + 1);

	assert_non_null(out);
	if (left)
		memcpy(out, c->out + c->out_off, left);
	memcpy(out + left, p, len);
	free(c->out);
	c->out = out;
	c->out_off = 0;
	c->out_len = left + len;
}

void connrig_sends(struct connrig *r, unsigned i, const char *text)
{
	connrig_send(r, i, text, strlen(text));
}

void connrig_fin(struct connrig *r, unsigned i)
{
	r->client[i].wants_fin = true;
}

void connrig_reset(struct connrig *r, unsigned i)
{
	segment(r, &r->client[i], RST, NULL, 0);
	r->client[i].open = false;
	r->client[i].reset = true;
}

void connrig_ack(struct connrig *r, unsigned i, uint32_t n)
{
	struct connrig_client *c = &r->client[i];

	if (n > c->rcv_nxt - c->acked)
		n = c->rcv_nxt - c->acked;
	c->acked += n;
	segment(r, c, ACK, NULL, 0);
}

// The next segment of c's stream, if the server's window allows one.
static bool pump_one(struct connrig *r, struct connrig_client *c)
{
	uint32_t room = seq_gt(c->snd_edge, c->snd_nxt) ? c->snd_edge - c->snd_nxt : 0;
	size_t n = c->out_len - c->out_off;

	if (n > c->seg_max)
		n = c->seg_max;
	if (n > room)
		n = room;
	if (n > 0) {
		segment(r, c, ACK | PSH, c->out + c->out_off, n);
		c->out_off += n;
		return true;
	}
	if (c->out_off < c->out_len || !c->wants_fin || c->sent_fin)
		return false;
	segment(r, c, ACK | FIN, NULL, 0);
	c->sent_fin = true;
	return true;
}

void connrig_pump(struct connrig *r)
{
	for (unsigned i = 0; i < CONNRIG_CLIENTS_MAX; i++) {
		struct connrig_client *c = &r->client[i];
		bool sent = false;

		if (!c->holds_acks)
			c->acked = c->rcv_nxt;
		for (unsigned n = 0; c->open && n < c->burst_max; n++) {
			if (r->burst_count == NET_BURST_MAX || !pump_one(r, c))
				break;
			sent = true;
		}
		if (c->open && c->owes_ack && !sent && !c->holds_acks &&
			r->burst_count < NET_BURST_MAX)
			segment(r, c, ACK, NULL, 0);
	}
}

static void take_text(struct connrig_client *c, const uint8_t *p, uint32_t len)
{
	uint32_t room = c->edge - c->rcv_nxt;

	// One byte past the window may be a probe of it; it is not taken.
	assert_true(len <= room || len == 1);
	if (len > room)
		return;
	if (c->got_room < c->got_len + len + 1) {
		c->got_room = (c->got_len + len + 1) * 2;
		c->got = realloc(c->got, c->got_room);
		assert_non_null(c->got);
	}
	memcpy(c->got + c->got_len, p, len);
	c->got_len += len;
	c->got[c->got_len] = '\0';
	c->rcv_nxt += len;
}

static void take_segment(
	struct connrig *r, struct connrig_client *c, const uint8_t *tcp, size_t len)
{
	size_t off = (size_t)(tcp[12] >> 4) * 4;
	uint32_t seq = load_be32(tcp + 4), n = (uint32_t)(len - off), old;
	const uint8_t *p = tcp + off;
	bool fin = tcp[13] & FIN;

	if (tcp[13] & RST) {
		c->open = false;
		c->reset = true;
		return;
	}
	c->snd_edge = load_be32(tcp + 8) + load_be16(tcp + 14);
	if (tcp[13] & SYN) {
		assert_false(c->open);
		c->open = true;
		c->rcv_nxt = c->acked = seq + 1;
		c->edge = c->acked;
		segment(r, c, ACK, NULL, 0);
		return;
	}
	old = c->rcv_nxt - seq; // of a retransmission, or a keepalive
	assert_true(seq_le(seq, c->rcv_nxt));
	if (old < n)
		take_text(c, p + old, n - old);
	if (fin && old <= n && !c->eof) {
		c->eof = true;
		c->rcv_nxt++;
	}
	c->owes_ack = c->owes_ack || n > 0 || fin;
}

static void take_datagram(struct connrig *r, const struct hdr *h, const uint8_t *udp)
{
	struct connrig_datagram *d;
	size_t len = h->l4_len - 16u;

	assert_true(h->l4_len >= 16);
	r->datagram = realloc(r->datagram, (r->datagram_count + 1) * sizeof(*d));
	r->datagram_text = realloc(r->datagram_text, r->datagram_len + len + 1);
	assert_non_null(r->datagram);
	assert_non_null(r->datagram_text);
	d = &r->datagram[r->datagram_count++];
	*d = (struct connrig_datagram){
		.addr = h->dst_addr,
		.port = h->dst_port,
		.id = load_be16(udp + 8),
		.seq = load_be16(udp + 10),
		.total = load_be16(udp + 12),
		.reserved = load_be16(udp + 14),
		.off = r->datagram_len,
		.len = len,
	};
	memcpy(r->datagram_text + d->off, udp + 16, len);
	r->datagram_len += len;
	r->datagram_text[r->datagram_len] = '\0';
}

void connrig_deliver(struct connrig *r, const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct hdr h;

	assert_true(m->pkt_len <= r->net_conf.mtu + 14u);
	assert_int_equal(m->nb_segs, 1);
	hdr_parse(&h, frame, m->data_len, true);
	if (h.kind == HDR_IP4_UDP)
		take_datagram(r, &h, frame + h.l4_off);
	for (unsigned i = 0; i < CONNRIG_CLIENTS_MAX && h.kind == HDR_IP4_TCP; i++)
		if (r->client[i].port == h.dst_port)
			take_segment(r, &r->client[i], frame + h.l4_off, h.l4_len);
}

void connrig_udp_bytes(struct connrig *r, uint32_t addr, uint16_t port, const void *p, size_t len)
{
	struct frame f;

	frame_udp(&f, port, FRAME_OUR_PORT, p, len);
	frame_set_addrs(&f, addr, FRAME_OUR_ADDR);
	add_frame(r, &f);
}

void connrig_udp(struct connrig *r, uint32_t addr, uint16_t port, uint16_t id, const char *text)
{
	uint8_t payload[1472] = {(uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 1, 0, 0};
	size_t len = strlen(text);

	assert_true(len + 8 <= sizeof(payload));
	memcpy(payload + 8, text, len);
	connrig_udp_bytes(r, addr, port, payload, 8 + len);
}

void connrig_udp_forget(struct connrig *r)
{
	r->datagram_count = 0;
	r->datagram_len = 0;
}
