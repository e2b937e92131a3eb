// SPDX-License-Identifier: BSD-3-Clause
// The world of tcp_world.h: set-up, segments in and out, the laws of every packet

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#include "base/seq.h"
#include "support/eal.h"

#define START_US 1000000000ull
#define PEER_ISN 0xfffffff0u
#define PEER_TS 0xffffff00u
#define PEER_PORT 40000
#define LOOP_MAX 1000

static unsigned pass;

void tw_conf(struct tcp_conf *conf)
{
	tcp_conf_default(conf);
	conf->conn_count_max = 64;
	conf->time_wait_count_max = 64;
	conf->rcv_buf_size = 32768;
	conf->chunk_count = 512;
	conf->key = (struct siphash_key){0x0706050403020100ull + pass, 0x1122334455667788ull};
}

static void net_open(struct tw *w)
{
	struct net_conf conf = {
		.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 1,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP}},
		.mtu = 1500,
		.ttl = 64,
		.pool = eal_pool(),
		.seed = 1,
	};

	memcpy(conf.mac, frame_our_mac, sizeof(conf.mac));
	w->net = net_create(&conf, w->now_us);
	assert_non_null(w->net);
	w->tcp = tcp_create(&w->conf, w->net, w->now_us);
	assert_non_null(w->tcp);
}

static void net_close(struct tw *w)
{
	tcp_destroy(w->tcp);
	net_destroy(w->net);
	assert_int_equal(eal_pool_in_use(), w->mbufs_before);
}

static void flows_init(struct tw *w)
{
	for (unsigned i = 0; i < TW_FLOWS_MAX; i++) {
		w->flow[i] = (struct tw_flow){
			.seg = {.peer_addr = FRAME_PEER_ADDR,
				.peer_port = (uint16_t)(PEER_PORT + i),
				.our_port = FRAME_OUR_PORT,
				.peer_isn = PEER_ISN - i,
				.peer_ts = PEER_TS},
		};
	}
	w->f = &w->flow[0];
}

// RFC 9293 3.4.1: ISN = clock (4 us) + F(flow, key): the time to start at, so that
// flow 0 gets the number that this pass wants.
static uint64_t choose_start(struct tw *w)
{
	static const uint32_t wanted[TW_PASSES] = {0, 0xfffffffcu, 0xfffff000u, 0x7ffffff0u};
	uint64_t start = w->now_us;

	if (pass == 0)
		return start;
	tw_input(w, "S 0:0(0) <mss 1460>");
	tw_loop(w);
	assert_true(tw_take(w));
	return start + 4ull * (uint32_t)(wanted[pass] - w->got.seq);
}

void tw_open_at(struct tw *w, const struct tcp_conf *conf, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	if (conf)
		w->conf = *conf;
	else
		tw_conf(&w->conf);
	w->mbufs_before = eal_pool_in_use();
	w->start_us = w->now_us = now_us;
	flows_init(w);
	net_open(w);
	tw_counts_reset(w);
}

void tw_open(struct tw *w, const struct tcp_conf *conf)
{
	uint64_t start;

	tw_open_at(w, conf, START_US);
	start = choose_start(w);
	if (start == START_US)
		return;
	net_close(w);
	tw_open_at(w, conf, start);
}

void tw_flow(struct tw *w, unsigned i)
{
	assert_true(i < TW_FLOWS_MAX);
	w->f = &w->flow[i];
}

void tw_new_isn(struct tw *w, uint32_t isn_rel, uint32_t ts_rel)
{
	struct seg_flow seg = w->f->seg;

	seg.peer_isn += isn_rel;
	seg.peer_ts += ts_rel;
	seg.our_isn_known = seg.our_ts_known = false;
	*w->f = (struct tw_flow){.seg = seg};
}

void tw_check(struct tw *w)
{
	const char *what = "?";

	if (!tcp_check(w->tcp, &what))
		fail_msg("tcp_check: %s", what);
}

// ---- segments in

static bool has_options(const char *text)
{
	return strchr(text, '<') != NULL;
}

static void note_peer(struct tw *w, const struct seg *s)
{
	struct tw_flow *f = w->f;
	uint32_t scale = s->flags & SEG_SYN ? 0 : f->peer_ws, edge;

	if ((s->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN) {
		f->mss = s->has_mss ? s->mss : 536;
		f->peer_ws = s->has_ws ? s->ws > 14 ? 14 : s->ws : 0;
		f->ts_on = s->has_ts;
	}
	if (!(s->flags & SEG_ACK))
		return;
	edge = s->ack + ((uint32_t)s->win << scale);
	f->peer_edge = f->acked ? seq_max(f->peer_edge, edge) : edge;
	f->acked = true;
}

int tw_peer_ts(const struct tw *w)
{
	return (int)(uint32_t)((w->now_us - w->start_us) / 1000);
}

void tw_input(struct tw *w, const char *text)
{
	struct rte_mbuf *m;
	struct net_pkt pkt;
	struct frame f;
	struct seg s;

	seg_from_text(&s, text, &w->f->seg, SEG_PEER);
	if (w->f->ts_on && !has_options(text) && !(s.flags & SEG_SYN)) {
		s.opt[0] = s.opt[1] = 1;
		s.opt_len = 2;
		seg_add_ts(&s, w->f->seg.peer_ts + (uint32_t)tw_peer_ts(w), w->f->seg.our_ts_last);
	}
	note_peer(w, &s);
	seg_to_frame(&s, &w->f->seg, &f);
	m = frame_mbuf(&f);
	w->result = -1;
	if (net_input(w->net, &m, 1, &pkt, w->now_us) == 1) {
		// Both ways to find a connection.
		if (pkt.l4_len % 2)
			tcp_prefetch(w->tcp, &pkt, 1);
		w->result = tcp_input(w->tcp, &pkt, w->now_us);
	}
	tw_check(w);
}

static struct tw_flow *flow_of_port(struct tw *w, uint16_t port)
{
	assert_in_range(port, PEER_PORT, PEER_PORT + TW_FLOWS_MAX - 1);
	return &w->flow[port - PEER_PORT];
}

static void run_user(struct tw *w, struct tw_flow *f, struct tcb *tcb)
{
	unsigned events = tcp_take_events(tcb);
	struct tw_flow *current = w->f;

	if (events & TCP_EV_NEW) {
		assert_null(f->tcb);
		f->tcb = tcb;
	}
	assert_ptr_equal(f->tcb, tcb);
	assert_ptr_equal(tcp_at(w->tcp, tcp_index(w->tcp, tcb)), tcb);
	assert_true(tcp_index(w->tcp, tcb) < w->conf.conn_count_max);
	f->events |= events;
	w->f = f;
	if (w->auto_read && !(events & TCP_EV_GONE) && tcp_readable(tcb))
		tw_read(w, tcp_readable(tcb));
	if (events & TCP_EV_GONE) {
		if (w->auto_release)
			tw_release(w);
	} else if (w->auto_release && tcp_at_eof(tcb)) {
		tcp_close(w->tcp, tcb, w->now_us);
		tw_release(w);
	} else {
		tcp_output(w->tcp, tcb, w->now_us);
	}
	w->f = current;
	tw_check(w);
}

void tw_loop(struct tw *w)
{
	struct tcb *tcb;

	for (unsigned i = 0; (tcb = tcp_ready_pop(w->tcp)); i++) {
		assert_true(i < LOOP_MAX);
		run_user(w, flow_of_port(w, tcp_peer(tcb).remote_port), tcb);
	}
	tcp_poll(w->tcp, w->now_us);
	tw_check(w);
}

void tw_in(struct tw *w, const char *text)
{
	tw_input(w, text);
	tw_loop(w);
}

void tw_inf(struct tw *w, const char *fmt, ...)
{
	char text[SEG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tw_in(w, text);
}

// ---- segments out

static void learn(struct tw_flow *f, const struct seg *s)
{
	if ((s->flags & SEG_SYN) && !f->seg.our_isn_known) {
		f->seg.our_isn = s->seq;
		f->seg.our_isn_known = true;
		f->our_ws = s->has_ws ? s->ws : 0;
		if (!s->has_ws)
			f->peer_ws = 0;
		if (!s->has_ts)
			f->ts_on = false;
	}
	if (s->has_ts && !f->seg.our_ts_known) {
		f->seg.our_ts = s->ts_val;
		f->seg.our_ts_known = true;
	}
	if (s->has_ts)
		f->seg.our_ts_last = s->ts_val;
}

static const char *broken_law(struct tw_flow *f, const struct seg *s)
{
	uint32_t scale = s->flags & SEG_SYN ? 0 : f->our_ws,
		 edge = s->ack + ((uint32_t)s->win << scale);

	if (s->flags & SEG_RST)
		return s->len ? "RST with data" : NULL;
	if (!(s->flags & SEG_ACK))
		return "no ACK bit";
	if (f->ts_on != s->has_ts)
		return "timestamps on all segments or none (RFC 7323 3.2)";
	if (!f->seg.our_isn_known)
		return "segment before SYN-ACK";
	if (f->sent) {
		if (seq_lt(s->ack, f->ack_max))
			return "acknowledgment went back";
		if (seq_lt(edge + (1u << scale) - 1, f->our_edge))
			return "right edge shrank (RFC 9293 3.8.6)";
	}
	f->ack_max = s->ack;
	f->our_edge = f->sent ? seq_max(f->our_edge, edge) : edge;
	f->sent = true;
	if (s->len && (s->flags & SEG_SYN))
		return "data on SYN";
	if (s->len && !f->acked)
		return "data before the handshake is done";
	if (s->len && seq_gt(s->seq + s->len, f->peer_edge + 1))
		return "data past the peer's window";
	if (s->len + s->opt_len > (f->mss < 216 ? 216u : f->mss))
		return "segment larger than the peer's MSS allows";
	return NULL;
}

bool tw_take(struct tw *w)
{
	struct rte_mbuf *m;
	const char *wrong;
	char text[SEG_TEXT_MAX];
	struct tw_flow *f;
	struct frame frame;

	if (net_take_tx(w->net, &m, 1) != 1)
		return false;
	assert_int_equal(m->nb_segs, 1);
	frame.len = m->data_len;
	memcpy(frame.b, rte_pktmbuf_mtod(m, void *), frame.len);
	rte_pktmbuf_free(m);
	f = flow_of_port(w, seg_frame_peer_port(&frame));
	wrong = seg_from_frame(&w->got, &frame, &f->seg);
	if (!wrong) {
		learn(f, &w->got);
		wrong = broken_law(f, &w->got);
	}
	seg_to_text(&w->got, &f->seg, text);
	if (w->got.bad_payload)
		wrong = "payload is not what was written";
	if (wrong)
		fail_msg("%s: %s", wrong, text);
	return true;
}

unsigned tw_drain(struct tw *w)
{
	unsigned n = 0;

	while (tw_take(w))
		n++;
	return n;
}

void tw_out(struct tw *w, const char *text)
{
	char wanted[SEG_TEXT_MAX], got[SEG_TEXT_MAX];
	struct seg want;

	if (!tw_take(w))
		fail_msg("nothing was sent, wanted %s", text);
	seg_from_text(&want, text, &w->f->seg, SEG_OURS);
	if (w->f->ts_on && !has_options(text) && !(want.flags & SEG_RST))
		want.has_ts = want.any_ts_val = want.any_ts_ecr = true;
	if (w->got.dst_port == w->f->seg.peer_port && seg_matches(&want, &w->got))
		return;
	seg_to_text(&want, &w->f->seg, wanted);
	seg_to_text(&w->got, &flow_of_port(w, w->got.dst_port)->seg, got);
	fail_msg("wanted %s (flow %u), got %s (flow %u)", wanted, w->f->seg.peer_port - PEER_PORT,
		got, w->got.dst_port - PEER_PORT);
}

void tw_outf(struct tw *w, const char *fmt, ...)
{
	char text[SEG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tw_out(w, text);
}

void tw_none(struct tw *w)
{
	char text[SEG_TEXT_MAX];

	if (!tw_take(w))
		return;
	seg_to_text(&w->got, &flow_of_port(w, w->got.dst_port)->seg, text);
	fail_msg("wanted nothing, got %s", text);
}

unsigned tw_pass(void)
{
	return pass;
}

int tw_run_group(const char *name, const struct CMUnitTest *tests, size_t n)
{
	int failed = 0;

	for (pass = 0; pass < TW_PASSES; pass++)
		failed += _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	return failed;
}
