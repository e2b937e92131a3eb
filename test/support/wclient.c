// SPDX-License-Identifier: BSD-3-Clause
// One worker without a NIC, and clients that speak to it in whole frames

#include "support/wclient.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "support/eal.h"
#include "support/frame.h"

#define CONN_COUNT_MAX 256

static _Atomic uint32_t open_count;
static struct store *store;
static struct stats *stats;

static struct worker *worker_make(
	uint64_t now_us, unsigned trace_count, uint32_t conn_count_max, struct store_conf *sc)
{
	struct worker_conf c = {.trace_count = trace_count};
	struct worker *w;
	const char *err;

	sc->item_size_max = 1 << 20;
	sc->ctx_count_max = 2;
	sc->now_s = 1000;
	open_count = 0; // those of a worker that ended
	memcpy(c.net.mac, frame_our_mac, 6);
	c.net.addr_count = 1;
	c.net.addr[0] = FRAME_OUR_ADDR;
	c.net.listener_count = 2;
	c.net.listener[0] = (struct net_listener){FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP};
	c.net.listener[1] = (struct net_listener){FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_UDP};
	c.net.mtu = 1500;
	c.net.ttl = 64;
	c.net.pool = eal_pool();
	tcp_conf_default(&c.tcp);
	c.tcp.conn_count_max = conn_count_max;
	if (conn_count_max > CONN_COUNT_MAX) // each may have an answer unacknowledged
		c.tcp.chunk_count += conn_count_max;
	c.conn.conn_count_max = conn_count_max;
	c.conn.max_connections = conn_count_max;
	c.conn.open_count = &open_count;
	c.conn.requests_per_event = 20;
	c.conn.long_count = 8;
	c.conn.out_limit = 256 << 10;
	c.conn.ref_min_bytes = CONN_REF_MIN_BYTES;
	c.conn.udp_prefix_count = 1;
	c.conn.udp_prefix[0] = (struct conn_prefix){0, 0, true};
	c.conn.udp_reply_max_bytes = 1 << 20;
	c.cmd.version = "test";
	c.cmd.worker_count = 1;
	c.cmd.start_s = 1000;
	store = store_create(sc, &err);
	stats = stats_create();
	CHECK(store && stats);
	c.store = store;
	c.stats = stats;
	c.cmd.stats = stats;
	c.unix_us_at_zero = 1000000000;
	w = worker_create(&c, now_us);
	CHECK(w);
	return w;
}

struct worker *wclient_worker(uint64_t now_us, unsigned trace_count)
{
	return wclient_worker_mem(now_us, trace_count, NULL, 64 << 20);
}

struct worker *wclient_worker_mem(
	uint64_t now_us, unsigned trace_count, void *mem, uint64_t mem_bytes)
{
	struct store_conf sc = {.mem_limit_bytes = mem_bytes, .mem = mem};

	return worker_make(now_us, trace_count, CONN_COUNT_MAX, &sc);
}

struct worker *wclient_worker_conns(uint64_t now_us, uint32_t conn_count_max)
{
	struct store_conf sc = {.mem_limit_bytes = 64 << 20};

	return worker_make(now_us, 0, conn_count_max, &sc);
}

struct store *wclient_store(void)
{
	return store;
}

void wclient_worker_end(struct worker *w, uint64_t now_us)
{
	worker_destroy(w, now_us);
	store_destroy(store);
	stats_destroy(stats);
}

struct rte_mbuf *wclient_udp(uint16_t src_port, const char *request)
{
	uint8_t payload[1400] = {0, 0, 0, 0, 0, 1, 0, 0};
	size_t len = strlen(request);
	struct frame f;

	CHECK(len <= sizeof(payload) - 8);
	memcpy(payload + 8, request, len);
	frame_udp(&f, src_port, FRAME_OUR_PORT, payload, 8 + len);
	return frame_mbuf(&f);
}

struct rte_mbuf *wclient_tcp(struct wclient *c, uint8_t flags, const char *text, size_t len)
{
	static const char mss_1460[4] = {2, 4, 1460 >> 8, 1460 & 255};
	struct frame f;
	uint8_t *tcp;

	// A SYN's payload is its options: the header is longer by as much.
	if (flags & WCLIENT_SYN)
		frame_tcp(&f, c->port, FRAME_OUR_PORT, flags, mss_1460, sizeof(mss_1460));
	else
		frame_tcp(&f, c->port, FRAME_OUR_PORT, flags, text, len);
	if (c->addr)
		frame_set_addrs(&f, c->addr, FRAME_OUR_ADDR);
	tcp = f.b + f.l4;
	if (flags & WCLIENT_SYN)
		tcp[12] = (HDR_TCP_LEN + sizeof(mss_1460)) / 4 << 4;
	store_be32(tcp + 4, c->seq);
	store_be32(tcp + 8, c->ack);
	store_be16(tcp + 14, 65535);
	frame_fix_l4(&f);
	c->seq += (uint32_t)len + (flags & 3 ? 1 : 0);
	return frame_mbuf(&f);
}

uint32_t wclient_input(struct wclient *c, unsigned count, const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *tcp;
	uint32_t len;
	struct hdr h;

	CHECK(hdr_parse(&h, frame, m->data_len, true) == HDR_IP4_TCP);
	tcp = frame + h.l4_off;
	len = h.l4_len - (uint32_t)(tcp[12] >> 4) * 4;
	for (unsigned i = 0; i < count; i++)
		if (c[i].port == h.dst_port)
			c[i].ack = load_be32(tcp + 4) + len + (tcp[13] & 3 ? 1 : 0);
	return len;
}
