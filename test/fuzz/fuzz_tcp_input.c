// SPDX-License-Identifier: BSD-3-Clause
// Any sequence of segments, user calls and waiting: tcp_check holds after each, nothing leaks
// support: seg frame eal
//
// Each step takes a few bytes of the input: what to do, for which of four flows. The
// numbers of segments are taken near to what the flow expects, so that the fuzzer gets
// deep without knowing our ISN; any 32-bit number can be had, too.

#include "base/check.h"
#include "support/eal.h"
#include "support/seg.h"
#include "tcp/tcp.h"

#define FLOWS 4
#define STEPS_MAX 400
#define END_STEPS_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct flow {
	struct seg_flow seg;
	struct tcb *tcb;
	bool closed, gone;
	uint32_t rcv_nxt, snd_nxt, snd_una; // as last seen; ours are those of the server
	uint32_t written;
	bool ts;
};

struct world {
	const uint8_t *p, *end;
	uint64_t now_us;
	struct net *net;
	struct tcp *tcp;
	struct flow flow[FLOWS];
};

static uint8_t next(struct world *w)
{
	return w->p < w->end ? *w->p++ : 0;
}

static uint32_t next16(struct world *w)
{
	uint32_t high = next(w);

	return high << 8 | next(w);
}

// base, near it, at a distance, or anything.
static uint32_t number_near(struct world *w, uint32_t base, uint8_t how)
{
	switch (how & 3) {
	case 0:
		return base;
	case 1:
		return base + (uint32_t)(int8_t)next(w);
	case 2:
		return base + (uint32_t)(int16_t)next16(w);
	default:
		return next16(w) << 16 | next16(w);
	}
}

static void check(struct world *w)
{
	const char *what = "?";

	if (!tcp_check(w->tcp, &what)) {
		fprintf(stderr, "tcp_check: %s\n", what);
		abort();
	}
}

// ---- segments

static void take_tx(struct world *w)
{
	struct rte_mbuf *m;

	while (net_take_tx(w->net, &m, 1) == 1) {
		struct frame f = {.len = m->data_len};
		const char *wrong;
		struct flow *flow;
		unsigned idx;
		struct seg s;

		memcpy(f.b, rte_pktmbuf_mtod(m, void *), f.len);
		rte_pktmbuf_free(m);
		idx = seg_frame_peer_port(&f) - FRAME_PEER_PORT;
		CHECK(idx < FLOWS);
		flow = &w->flow[idx];
		wrong = seg_from_frame(&s, &f, &flow->seg);
		if (wrong) {
			fprintf(stderr, "segment sent: %s\n", wrong);
			abort();
		}
		if (s.flags & SEG_RST)
			continue;
		CHECK(s.flags & SEG_ACK);
		if (s.flags & SEG_SYN) {
			flow->seg.our_isn = flow->snd_una = s.seq;
			flow->ts = s.has_ts;
			flow->written = 0;
		}
		flow->rcv_nxt = s.ack;
		flow->seg.our_ts_last = s.ts_val;
		flow->snd_nxt = s.seq + s.len + !!(s.flags & (SEG_SYN | SEG_FIN));
	}
}

static void add_options(struct world *w, struct flow *f, struct seg *s, uint8_t how)
{
	uint32_t edge[1][2];

	if (s->flags & SEG_SYN && how & 1)
		seg_add_mss(s, (uint16_t)next16(w));
	if (s->flags & SEG_SYN && how & 2)
		seg_add_ws(s, next(w));
	if (s->flags & SEG_SYN && how & 4)
		seg_add_sack_ok(s);
	if (f->ts != !!(how & 8) || (s->flags & SEG_SYN && how & 16))
		seg_add_ts(s, (uint32_t)(w->now_us / 1000) + (how & 32 ? next16(w) - 32768 : 0),
			f->seg.our_ts_last);
	if (how & 64) {
		edge[0][0] = number_near(w, f->snd_una, next(w));
		edge[0][1] = number_near(w, f->snd_nxt, next(w));
		seg_add_sack(s, (const uint32_t(*)[2])edge, 1);
	}
	if (how & 128)
		for (unsigned i = next(w) % 8; i > 0 && s->opt_len < SEG_OPT_MAX; i--)
			s->opt[s->opt_len++] = next(w);
}

static const uint8_t likely_flags[] = {SEG_ACK, SEG_ACK | SEG_PSH, SEG_ACK | SEG_FIN, SEG_SYN,
	SEG_RST, SEG_RST | SEG_ACK, SEG_SYN | SEG_ACK};

static void segment(struct world *w, struct flow *f)
{
	uint8_t kind = next(w), how = next(w);
	struct seg s = {
		.side = SEG_PEER,
		.src_port = f->seg.peer_port,
		.dst_port = f->seg.our_port,
		.flags = kind < 224 ? likely_flags[kind % 7] : next(w),
		.seq = number_near(w, f->rcv_nxt, how),
		.ack = number_near(w, f->snd_nxt, how >> 2),
		.win = (uint16_t)(how & 16 ? next16(w) : 65535),
		.len = how & 32 ? next16(w) % 1461 : 0,
	};
	struct rte_mbuf *m;
	struct net_pkt pkt;
	struct frame frame;

	if (s.flags & SEG_SYN && !f->tcb && !(how & 64))
		f->rcv_nxt = f->seg.peer_isn = s.seq;
	add_options(w, f, &s, how & 128 ? next(w) : 0);
	seg_to_frame(&s, &f->seg, &frame);
	m = frame_mbuf(&frame);
	if (net_input(w->net, &m, 1, &pkt, w->now_us) == 1)
		tcp_input(w->tcp, &pkt, w->now_us);
}

// ---- the user

static void forget(struct flow *f)
{
	f->tcb = NULL;
	f->closed = f->gone = false;
}

static void ready(struct world *w, bool output)
{
	struct tcb *tcb;

	for (unsigned i = 0; (tcb = tcp_ready_pop(w->tcp)); i++) {
		unsigned events = tcp_take_events(tcb);
		unsigned idx = tcp_peer(tcb).remote_port - FRAME_PEER_PORT;
		struct flow *f = &w->flow[idx];

		CHECK(idx < FLOWS && i < 1000);
		if (events & TCP_EV_NEW) {
			// The one before is over, but the user had not let go of it.
			if (f->tcb)
				tcp_release(w->tcp, f->tcb, w->now_us);
			forget(f);
			f->tcb = tcb;
		}
		CHECK(f->tcb == tcb && !f->gone);
		f->gone = events & TCP_EV_GONE;
		if (output && !f->gone)
			tcp_output(w->tcp, tcb, w->now_us);
	}
}

static void user_read(struct flow *f, struct tcp *tcp, uint32_t n)
{
	uint32_t there = tcp_readable(f->tcb);
	struct slice s = tcp_peek(f->tcb);
	uint8_t copy[256];

	CHECK(s.len <= there && (there == 0 || s.len > 0));
	if (n > there)
		n = there;
	if (n > 0 && n <= sizeof(copy)) {
		tcp_copy(f->tcb, there - n, copy, n);
		tcp_copy(f->tcb, 0, copy, n);
		CHECK(memcmp(copy, s.p, s.len < n ? s.len : n) == 0);
	}
	if (n > 0)
		tcp_consume(tcp, f->tcb, n);
	CHECK(tcp_readable(f->tcb) == there - n);
}

static void user_write(struct flow *f, uint32_t n)
{
	for (; n > 0; n--) {
		uint8_t byte = seg_byte(SEG_OURS, f->written);

		if (!chunkq_append(tcp_send_queue(f->tcb), &byte, 1))
			return;
		f->written++;
	}
}

static void user(struct world *w, struct flow *f, uint8_t what)
{
	if (!f->tcb)
		return;
	if (what % 8 == 7 || f->gone) {
		tcp_release(w->tcp, f->tcb, w->now_us);
		forget(f);
		return;
	}
	switch (what % 8) {
	case 0:
	case 1:
		user_read(f, w->tcp, next16(w));
		break;
	case 2:
	case 3:
		if (!f->closed)
			user_write(f, next16(w) % 4000);
		break;
	case 4:
		tcp_output(w->tcp, f->tcb, w->now_us);
		break;
	case 5:
		if (!f->closed)
			tcp_close(w->tcp, f->tcb, w->now_us);
		f->closed = true;
		break;
	case 6:
		tcp_ready_push(w->tcp, f->tcb, TCP_EV_SPACE);
		break;
	}
}

static void wait_for(struct world *w, uint8_t how)
{
	uint64_t next_us = tcp_next_deadline_us(w->tcp);

	if (how & 1 && next_us != UINT64_MAX)
		w->now_us = next_us > w->now_us ? next_us : w->now_us;
	else
		w->now_us += 1ull << (how >> 1) % 28; // up to 134 s
	tcp_poll(w->tcp, w->now_us);
}

// ---- one input

static void open_world(struct world *w, const uint8_t *data, size_t size)
{
	struct net_conf nc = {.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 1,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP}},
		.mtu = 1500,
		.ttl = 64,
		.pool = eal_pool(),
		.seed = 1};
	struct tcp_conf tc;

	*w = (struct world){.p = data, .end = data + size, .now_us = 1000000};
	memcpy(nc.mac, frame_our_mac, sizeof(nc.mac));
	tcp_conf_default(&tc);
	tc.conn_count_max = 3;
	tc.time_wait_count_max = 2;
	tc.rcv_buf_size = 8192;
	tc.chunk_count = 6;
	tc.ooo_mbuf_max = 5;
	tc.log_closed = true;
	tc.keepalive_us = 50000000;
	w->net = net_create(&nc, w->now_us);
	w->tcp = tcp_create(&tc, w->net, w->now_us);
	CHECK(w->net && w->tcp);
	for (unsigned i = 0; i < FLOWS; i++) {
		w->flow[i].seg = (struct seg_flow){.peer_addr = FRAME_PEER_ADDR,
			.peer_port = (uint16_t)(FRAME_PEER_PORT + i),
			.our_port = FRAME_OUR_PORT,
			.peer_isn = 0xfffffff0u + i};
		w->flow[i].rcv_nxt = w->flow[i].seg.peer_isn;
	}
}

static void step(struct world *w)
{
	uint8_t what = next(w);
	struct flow *f = &w->flow[what & 3];
	struct tcp_peer closed[3];

	switch (what >> 2 & 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		segment(w, f);
		if (what & 128)
			break;
		ready(w, true);
		break;
	case 4:
	case 5:
		user(w, f, what >> 5);
		break;
	case 6:
		wait_for(w, next(w));
		break;
	case 7:
		ready(w, what & 32);
		tcp_take_closed(w->tcp, closed, 3);
		tcp_set_draining(w->tcp, what & 64);
		break;
	}
}

// Everybody lets go: all that was taken comes back.
static void close_world(struct world *w, unsigned mbufs_before)
{
	ready(w, true);
	for (unsigned i = 0; i < FLOWS; i++)
		if (w->flow[i].tcb)
			tcp_release(w->tcp, w->flow[i].tcb, w->now_us);
	for (unsigned i = 0; i < END_STEPS_MAX && tcp_conn_count(w->tcp) > 0; i++) {
		uint64_t next_us = tcp_next_deadline_us(w->tcp);

		w->now_us =
			next_us > w->now_us && next_us != UINT64_MAX ? next_us : w->now_us + 1000;
		tcp_poll(w->tcp, w->now_us);
		take_tx(w);
	}
	check(w);
	CHECK(tcp_conn_count(w->tcp) == 0);
	CHECK(tcp_chunk_pool(w->tcp)->used_count == 0);
	take_tx(w);
	CHECK(eal_pool_in_use() == mbufs_before);
	tcp_destroy(w->tcp);
	net_destroy(w->net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mbufs_before = eal_pool_in_use();
	struct world w;

	open_world(&w, data, size);
	for (unsigned i = 0; i < STEPS_MAX && w.p < w.end; i++) {
		step(&w);
		check(&w);
		take_tx(&w);
	}
	close_world(&w, mbufs_before);
	return 0;
}
