// SPDX-License-Identifier: BSD-3-Clause
// Segments in any order, overlapping and doubled, with bytes that differ, give one stream
// support: seg seg_text frame eal
//
// A model says for each octet which copy came first: that one is read. Every ACK is
// checked against it: the number is the first octet missing, each SACK block is as
// large as it can be, a D-SACK covers only what is there. SEED=n reruns one seed.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/seq.h"
#include "support/eal.h"
#include "support/seg.h"
#include "tcp/tcp.h"

#define STREAM_MAX 6000
#define SEGMENTS_MAX 120
#define START_US 9000000000ull

// What the receiver has to know.
struct known {
	uint32_t rcv_nxt; // the first octet that is missing
	bool have[STREAM_MAX + 2]; // [len]: the FIN
};

struct run {
	uint64_t seed, now_us;
	unsigned step, mbufs_before;
	struct rng rng;
	struct net *net;
	struct tcp *tcp;
	struct tcb *tcb;
	struct seg_flow flow;
	bool ts, sack;
	uint32_t len, read; // octets of the stream
	uint32_t ts_val;
	struct known now, before; // before: the last segment, for ACKs owed until then
	uint8_t copy[STREAM_MAX]; // xor of the copy that came first
};

__attribute__((noreturn)) static void failed(const struct run *r, const char *what, int line)
{
	fprintf(stderr, "%s:%d: SEED=%" PRIu64 " step %u: %s\n", __FILE__, line, r->seed, r->step,
		what);
	exit(1);
}

#define REQUIRE(r, cond) \
	do { \
		if (!(cond)) \
			failed(r, #cond, __LINE__); \
	} while (0)

// ---- what we send

static bool all_there(const struct known *k, uint32_t left, uint32_t right)
{
	for (; left < right; left++)
		if (!k->have[left])
			return false;
	return true;
}

// Is the first block a D-SACK (RFC 2883 4): below the ACK, or inside the second block?
static bool first_is_dsack(const struct seg *s)
{
	return seq_lt(s->sack[0][0], s->ack) ||
	       (s->sack_count > 1 && seq_ge(s->sack[0][0], s->sack[1][0]) &&
		       seq_le(s->sack[0][1], s->sack[1][1]));
}

// NULL, or what is wrong with this ACK of one who knows k.
static const char *wrong_ack(const struct run *r, const struct known *k, const struct seg *s)
{
	if (s->ack - r->flow.peer_isn - 1 != k->rcv_nxt)
		return "ACK is not of the first octet missing";
	for (unsigned i = 0; i < s->sack_count; i++) {
		uint32_t left = s->sack[i][0] - r->flow.peer_isn - 1;
		uint32_t right = s->sack[i][1] - r->flow.peer_isn - 1;

		if (left >= right || right > r->len + 1 || !all_there(k, left, right))
			return "SACK of what is not there";
		if (i == 0 && first_is_dsack(s))
			continue;
		if (left <= k->rcv_nxt || k->have[left - 1] || (right < r->len && k->have[right]))
			return "SACK block is not the whole of it";
		for (unsigned j = first_is_dsack(s); j < i; j++)
			if (s->sack[j][0] == s->sack[i][0])
				return "the same SACK block twice";
	}
	return NULL;
}

static void take_tx(struct run *r)
{
	struct rte_mbuf *m;

	while (net_take_tx(r->net, &m, 1) == 1) {
		struct frame f = {.len = m->data_len};
		const char *wrong;
		struct seg s;

		memcpy(f.b, rte_pktmbuf_mtod(m, void *), f.len);
		rte_pktmbuf_free(m);
		wrong = seg_from_frame(&s, &f, &r->flow);
		if (wrong)
			failed(r, wrong, __LINE__);
		if (s.flags & SEG_SYN) {
			r->flow.our_isn = s.seq;
			r->flow.our_ts_last = s.ts_val;
			continue;
		}
		REQUIRE(r, s.flags == SEG_ACK && s.len == 0);
		REQUIRE(r, s.sack_count == 0 || r->sack);
		wrong = wrong_ack(r, &r->now, &s);
		if (wrong && wrong_ack(r, &r->before, &s))
			failed(r, wrong, __LINE__);
	}
}

// ---- what the peer sends

static void input(struct run *r, const struct seg *s)
{
	struct rte_mbuf *m;
	struct net_pkt pkt;
	struct frame f;

	seg_to_frame(s, &r->flow, &f);
	m = frame_mbuf(&f);
	REQUIRE(r, net_input(r->net, &m, 1, &pkt, r->now_us) == 1);
	tcp_input(r->tcp, &pkt, r->now_us);
}

static void segment(struct run *r, uint32_t left, uint32_t right, uint8_t xor, bool fin)
{
	struct known *k = &r->now;
	struct seg s = {
		.side = SEG_PEER,
		.src_port = r->flow.peer_port,
		.dst_port = r->flow.our_port,
		.flags = (uint8_t)(SEG_ACK | (fin ? SEG_FIN : 0)),
		.seq = r->flow.peer_isn + 1 + left,
		.ack = r->flow.our_isn + 1,
		.win = 65535,
		.len = right - left,
		.payload_xor = xor,
	};

	if (r->ts)
		seg_add_ts(&s, r->ts_val, r->flow.our_ts_last);
	take_tx(r);
	input(r, &s);
	r->before = *k;
	for (uint32_t i = left > k->rcv_nxt ? left : k->rcv_nxt; i < right; i++) {
		if (!k->have[i])
			r->copy[i] = xor;
		k->have[i] = true;
	}
	k->have[r->len] |= fin;
	while (k->rcv_nxt <= r->len && k->have[k->rcv_nxt])
		k->rcv_nxt++;
	take_tx(r); // an ACK that was owed for the one before may go out now
	r->before = *k;
}

// ---- the user

static void user_read(struct run *r, uint32_t n)
{
	static uint8_t buf[STREAM_MAX];
	uint32_t there = tcp_readable(r->tcb);

	REQUIRE(r, there == (r->now.rcv_nxt < r->len ? r->now.rcv_nxt : r->len) - r->read);
	if (n > there)
		n = there;
	tcp_copy(r->tcb, 0, buf, n);
	for (uint32_t i = 0; i < n; i++, r->read++)
		REQUIRE(r, buf[i] == (seg_byte(SEG_PEER, r->read) ^ r->copy[r->read]));
	if (n)
		tcp_consume(r->tcp, r->tcb, n);
	REQUIRE(r, tcp_at_eof(r->tcb) == (r->now.rcv_nxt == r->len + 1 && r->read == r->len));
}

static void worker(struct run *r)
{
	const char *what = "?";
	struct tcb *tcb;

	while ((tcb = tcp_ready_pop(r->tcp))) {
		tcp_take_events(tcb);
		r->tcb = tcb;
		if (rng_below(&r->rng, 2))
			user_read(r, rng_below(&r->rng, 2000));
		tcp_output(r->tcp, tcb, r->now_us);
	}
	tcp_poll(r->tcp, r->now_us);
	take_tx(r);
	if (!tcp_check(r->tcp, &what))
		failed(r, what, __LINE__);
}

// ---- one run

static void open_world(struct run *r)
{
	struct net_conf nc = {.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 1,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP}},
		.mtu = 1500,
		.ttl = 64,
		.pool = eal_pool(),
		.seed = r->seed};
	struct tcp_conf tc;

	memcpy(nc.mac, frame_our_mac, sizeof(nc.mac));
	tcp_conf_default(&tc);
	tc.conn_count_max = 4;
	tc.time_wait_count_max = 4;
	tc.rcv_buf_size = 32768;
	tc.chunk_count = 16;
	tc.ooo_mbuf_max = 2 * SEGMENTS_MAX; // its limit is tested elsewhere
	tc.key = (struct siphash_key){rng_next(&r->rng), rng_next(&r->rng)};
	r->net = net_create(&nc, r->now_us);
	REQUIRE(r, r->net);
	r->tcp = tcp_create(&tc, r->net, r->now_us);
	REQUIRE(r, r->tcp);
}

static void handshake(struct run *r)
{
	struct seg s;

	r->flow = (struct seg_flow){.peer_addr = FRAME_PEER_ADDR,
		.peer_port = FRAME_PEER_PORT,
		.our_port = FRAME_OUR_PORT,
		.peer_isn = 0xffffffffu - rng_below(&r->rng, STREAM_MAX)};
	seg_from_text(&s, "S 0:0(0) win 65535 <mss 1460>", &r->flow, SEG_PEER);
	if (r->sack)
		seg_add_sack_ok(&s);
	if (r->ts)
		seg_add_ts(&s, r->ts_val, 0);
	input(r, &s);
	worker(r);
	segment(r, 0, 0, 0, false);
	worker(r);
	REQUIRE(r, r->tcb);
}

static void play(struct run *r)
{
	unsigned n = rng_below(&r->rng, SEGMENTS_MAX);

	for (r->step = 0; r->step < n; r->step++) {
		uint32_t left = rng_below(&r->rng, r->len), size = 1 + rng_below(&r->rng, 700),
			 right;

		if (rng_below(&r->rng, 4) == 0 && r->now.rcv_nxt < r->len)
			left = r->now.rcv_nxt; // some progress
		right = left + size < r->len ? left + size : r->len;
		r->ts_val += rng_below(&r->rng, 2);
		segment(r, left, right, (uint8_t)rng_next(&r->rng),
			right == r->len && rng_below(&r->rng, 8) == 0);
		if (rng_below(&r->rng, 3))
			worker(r);
		r->now_us += rng_below(&r->rng, 30000);
	}
	// What is still missing, in order.
	while (r->now.rcv_nxt <= r->len) {
		uint32_t right = r->now.rcv_nxt + 1000 < r->len ? r->now.rcv_nxt + 1000 : r->len;

		r->step++;
		segment(r, r->now.rcv_nxt, right, 0, right == r->len);
		worker(r);
	}
	r->now_us += 100000;
	worker(r);
	user_read(r, STREAM_MAX);
	REQUIRE(r, tcp_at_eof(r->tcb));
	REQUIRE(r, stat_read(&tcp_stats(r->tcp)[TCP_STAT_rx_data_bytes]) == r->len);
	REQUIRE(r, stat_read(&tcp_stats(r->tcp)[TCP_STAT_drop_ooo_limit]) == 0);
}

static void run_seed(uint64_t seed)
{
	static struct run r;
	struct rte_mbuf *m;

	r = (struct run){.seed = seed, .now_us = START_US, .mbufs_before = eal_pool_in_use()};
	rng_init(&r.rng, seed);
	r.ts_val = 0xffffffe0u;
	r.ts = rng_below(&r.rng, 2);
	r.sack = rng_below(&r.rng, 2);
	r.len = 1 + rng_below(&r.rng, STREAM_MAX - 1);
	open_world(&r);
	handshake(&r);
	play(&r);
	REQUIRE(&r, eal_pool_in_use() == r.mbufs_before);
	tcp_release(r.tcp, r.tcb, r.now_us);
	while (net_take_tx(r.net, &m, 1) == 1)
		rte_pktmbuf_free(m);
	REQUIRE(&r, tcp_conn_count(r.tcp) == 0);
	tcp_destroy(r.tcp);
	net_destroy(r.net);
	REQUIRE(&r, eal_pool_in_use() == r.mbufs_before);
}

int main(void)
{
	const char *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 400;

	if (seed) {
		run_seed(strtoull(seed, NULL, 10));
		return 0;
	}
	for (uint64_t i = 1; i <= n; i++)
		run_seed(i);
	printf("%" PRIu64 " seeds\n", n);
	return 0;
}
