// SPDX-License-Identifier: BSD-3-Clause
// The TCP client against a peer and a network with a plan of faults, in virtual time: exact counts
// support: fakecache

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "load/stream.h"
#include "load/tcpc.h"
#include "support/fakecache.h"

#define US 1000ULL
#define MS 1000000ULL
#define MSS 400
#define FLIGHT_US 50
#define FRAMES 256
#define OUT_MAX (1 << 20)
#define DEPTH 8

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct frame {
	uint64_t at_ns; // 0: none
	bool to_peer;
	uint32_t len;
	uint8_t data[64 + MSS];
};

// A server in a few lines: takes what is in order, sends again from the oldest by its timer.
struct peer {
	bool open, fin_sent;
	uint32_t rcv_nxt, una, nxt; // una, nxt: offsets into out; sequence number 5000 + 1 + offset
	uint32_t out_len, in_len;
	uint16_t window;
	uint64_t resend_ns;
	uint8_t in[1 << 17], out[OUT_MAX];
};

struct rig {
	struct workload w;
	struct gen gen;
	struct stream s;
	struct tcpc c;
	struct tcpc_conf conf;
	struct fakecache *server;
	struct peer peer;
	struct frame frame[FRAMES];
	uint64_t now_ns, timeout_ns;
	unsigned sent[2]; // frames by direction; [1]: to the peer
	unsigned drop_every[2], twice_every[2], late_every[2], dropped;
	uint32_t isn;
};

#define COUNT(r, stat) tally_get((r)->gen.book[GEN_MEASURE], LOAD_STAT_##stat)
static const enum fake_fate well[] = {FAKE_OK};

static struct rig *rig_make(const char *values, double set_share, const enum fake_fate *plan,
	unsigned plan_len, unsigned depth)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct dist_conf dist = {.kind = DIST_UNIFORM, .count = 40, .seed = 4};
	struct load_request req = {.op = LOAD_SET, .key_count = 1, .version = 3};
	char err[LOAD_ERR_SIZE];
	uint8_t *buf, *answer;

	assert_int_equal(keyspace_make(&r->w.keys, 40, "20", err), 0);
	assert_int_equal(sizes_parse(&r->w.values, values, 0, 60000, err), 0);
	assert_int_equal(dist_init(&r->w.dist, &dist, err), 0);
	r->w.multiget = 1;
	r->w.set_share = set_share;
	r->w.verify = true;
	workload_finish(&r->w);
	assert_int_equal(gen_init(&r->gen, &r->w, 1, 0, 1), 0);
	assert_int_equal(stream_init(&r->s, &r->gen, depth), 0);
	r->server = fake_create(plan, plan_len);
	buf = malloc(r->w.request_max);
	for (; req.key[0] < 40; req.key[0]++) {
		uint32_t len = workload_format(&r->w, &req, buf);

		fake_answer(r->server, buf, len, FAKE_OK, &answer);
		free(answer);
	}
	free(buf);
	r->conf = (struct tcpc_conf){.mss = MSS,
		.rto_first_ns = 100 * MS,
		.rto_min_ns = 5 * MS,
		.rto_max_ns = 200 * MS,
		.ack_delay_ns = MS,
		.tries_max = 8};
	tcpc_init(&r->c, &r->conf, 20000, 11211);
	r->peer.window = 20000;
	r->isn = 0xfffffe00; // wraps soon
	r->now_ns = MS;
	r->timeout_ns = 600 * MS;
	return r;
}

static void rig_free(struct rig *r)
{
	stream_free(&r->s);
	gen_free(&r->gen);
	keyspace_free(&r->w.keys);
	fake_destroy(r->server);
	free(r);
}

// One of so many on average, and no period: every n-th might be the first of each repetition.
static bool one_of(unsigned every, unsigned n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15ULL;

	return every && (x ^ x >> 29) % every == 0;
}

static void put(struct rig *r, bool to_peer, const uint8_t *p, uint32_t len)
{
	unsigned n = r->sent[to_peer]++;
	unsigned copies = 1 + one_of(r->twice_every[to_peer], n);

	assert_true(len <= sizeof(r->frame[0].data));
	if (one_of(r->drop_every[to_peer], n)) {
		r->dropped++;
		return;
	}
	for (unsigned i = 0; i < FRAMES && copies; i++) {
		struct frame *f = &r->frame[i];

		if (f->at_ns)
			continue;
		f->at_ns = r->now_ns + FLIGHT_US * US + copies +
			   (one_of(r->late_every[to_peer], n) ? 7 * FLIGHT_US * US : 0);
		f->to_peer = to_peer;
		f->len = len;
		memcpy(f->data, p, len);
		copies--;
	}
	assert_int_equal(copies, 0);
}

static void peer_send(struct rig *r, uint32_t seq, uint8_t flags, const uint8_t *p, uint32_t len)
{
	uint8_t d[20 + MSS] = {0};

	store_be16(d, 11211);
	store_be16(d + 2, 20000);
	store_be32(d + 4, seq);
	store_be32(d + 8, r->peer.rcv_nxt);
	d[12] = 5 << 4;
	d[13] = flags;
	store_be16(d + 14, r->peer.window);
	if (len)
		memcpy(d + 20, p, len);
	put(r, false, d, 20 + len);
}

static uint32_t peer_seq(uint32_t off)
{
	return 5001 + off;
}

// Whole requests in what came: each is answered as the plan says, a dropped one never.
static void peer_serve(struct rig *r)
{
	struct peer *q = &r->peer;

	for (;;) {
		const uint8_t *end = memmem(q->in, q->in_len, "\r\n", 2);
		unsigned value = 0;
		enum fake_fate fate;
		uint8_t *answer;
		size_t n, len;

		if (!end)
			return;
		len = (size_t)(end - q->in) + 2;
		if (q->in[0] == 's') {
			const uint8_t *word = memrchr(q->in, ' ', len);

			value = (unsigned)atoi((const char *)word + 1);
			len += value + 2;
		}
		if (len > q->in_len)
			return;
		fate = r->server->plan[r->server->requests++ % r->server->plan_len];
		r->server->count[fate][q->in[0] == 's']++;
		n = fake_answer(r->server, q->in, len, fate, &answer);
		assert_true(q->out_len + n <= OUT_MAX);
		if (fate != FAKE_DROP) {
			memcpy(q->out + q->out_len, answer, n);
			q->out_len += (uint32_t)n;
		}
		free(answer);
		q->in_len -= (uint32_t)len;
		memmove(q->in, q->in + len, q->in_len);
	}
}

static void peer_output(struct rig *r)
{
	struct peer *q = &r->peer;

	while (q->open && q->nxt < q->out_len && q->nxt - q->una < 8 * MSS) {
		uint32_t n = q->out_len - q->nxt < MSS ? q->out_len - q->nxt : MSS;

		peer_send(r, peer_seq(q->nxt), ACK, q->out + q->nxt, n);
		q->nxt += n;
	}
	if (q->open && r->now_ns >= q->resend_ns) {
		q->resend_ns = r->now_ns + 10 * MS;
		q->nxt = q->una;
	}
}

static void peer_input(struct rig *r, const uint8_t *p, uint32_t len)
{
	struct peer *q = &r->peer;
	uint32_t head = (uint32_t)(p[12] >> 4) * 4, seq = load_be32(p + 4), n = len - head;
	uint8_t flags = p[13];

	if (flags & SYN) {
		assert_int_equal(load_be16(p + 22), MSS);
		q->open = true;
		q->rcv_nxt = seq + 1;
		q->una = q->nxt = q->out_len = q->in_len = 0;
		q->fin_sent = false;
		peer_send(r, 5000, SYN | ACK, NULL, 0);
		return;
	}
	if (flags & RST)
		q->open = false;
	if (!q->open)
		return;
	if (load_be32(p + 8) - peer_seq(q->una) <= q->out_len - q->una &&
		load_be32(p + 8) != peer_seq(q->una)) {
		q->una = load_be32(p + 8) - peer_seq(0);
		q->nxt = q->nxt < q->una ? q->una : q->nxt;
		q->resend_ns = r->now_ns + 10 * MS;
	}
	if (n > 0 && (int32_t)(seq - q->rcv_nxt) <= 0 && (int32_t)(seq + n - q->rcv_nxt) > 0) {
		uint32_t skip = q->rcv_nxt - seq;

		assert_true(q->in_len + n - skip <= sizeof(q->in));
		memcpy(q->in + q->in_len, p + head + skip, n - skip);
		q->in_len += n - skip;
		q->rcv_nxt += n - skip;
		peer_serve(r);
	}
	if ((flags & FIN) && seq + n == q->rcv_nxt) {
		q->rcv_nxt++;
		q->fin_sent = true;
	}
	if (q->fin_sent)
		peer_send(r, peer_seq(q->out_len), ACK | FIN, NULL, 0);
	else if (n > 0)
		peer_send(r, peer_seq(q->nxt), ACK, NULL, 0);
}

static void gone(struct rig *r)
{
	if (stream_abort(&r->s, r->now_ns))
		tally_add(r->gen.book[GEN_MEASURE], LOAD_STAT_disconnects, 1);
}

static void client_input(struct rig *r, const uint8_t *p, uint32_t len)
{
	struct tcpc_in in;

	tcpc_input(&r->c, p, len, r->now_ns, &in);
	if (in.acked)
		stream_sent(&r->s, in.acked);
	if (in.len && stream_input(&r->s, in.data, in.len, r->now_ns) < 0) {
		tcpc_abort(&r->c);
		gone(r);
	}
	if (in.event == TCPC_RESET || in.event == TCPC_ENDED)
		gone(r);
}

static void client_output(struct rig *r)
{
	uint8_t d[TCPC_HEAD_MAX + MSS];
	const uint8_t *p;
	uint32_t n = stream_output(&r->s, &p), len;

	while ((len = tcpc_output(&r->c, p, n, r->now_ns, d)) > 0)
		put(r, true, d, len);
}

static void turn(struct rig *r)
{
	struct load_request req;
	uint64_t due_ns;

	r->now_ns += 10 * US;
	for (unsigned i = 0; i < FRAMES; i++) {
		struct frame *f = &r->frame[i], copy;

		if (!f->at_ns || f->at_ns > r->now_ns)
			continue;
		copy = *f;
		f->at_ns = 0;
		if (copy.to_peer)
			peer_input(r, copy.data, copy.len);
		else
			client_input(r, copy.data, copy.len);
	}
	peer_output(r);
	if (r->now_ns >= tcpc_deadline_ns(&r->c) && tcpc_timer(&r->c, r->now_ns) != TCPC_NOTHING)
		gone(r);
	if (r->s.count && r->now_ns >= stream_oldest_ns(&r->s) + r->timeout_ns) {
		tcpc_abort(&r->c);
		gone(r);
	}
	client_output(r);
	if (r->c.state == TCPC_CLOSED && r->now_ns < r->gen.plan.stop_ns) {
		tcpc_open(&r->c, r->isn);
		client_output(r);
	}
	while (r->c.state == TCPC_OPEN && stream_has_room(&r->s) &&
		gen_next(&r->gen, r->now_ns, r->s.count, &req, &due_ns))
		stream_add(&r->s, &req, due_ns, r->now_ns);
	client_output(r);
}

static void run_requests(struct rig *r, unsigned n, unsigned depth)
{
	struct gen_plan plan = {.outstanding = depth, .stop_ns = UINT64_MAX};
	uint64_t turns = 0;

	gen_start(&r->gen, &plan);
	while (!gen_finished(&r->gen, r->now_ns, r->s.count)) {
		turn(r);
		if (tally_sent(r->gen.book[GEN_MEASURE]) >= n)
			gen_stop(&r->gen, r->now_ns);
		assert_true(++turns < 4000000);
	}
	assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
}

static void clean_run(void **state)
{
	struct rig *r = rig_make("0-3000", 0.3, well, 1, DEPTH);

	run_requests(r, 400, DEPTH);
	assert_int_equal(tally_lost(r->gen.book[GEN_MEASURE]), 0);
	assert_int_equal(
		COUNT(r, get_hits) + COUNT(r, set_stored), COUNT(r, get_sent) + COUNT(r, set_sent));
	assert_int_equal(r->c.resent, 0);
	assert_int_equal(r->c.out_of_order, 0);
	assert_true(COUNT(r, set_stored) > 50);
	tcpc_close(&r->c);
	for (unsigned i = 0; i < 100; i++)
		turn(r);
	assert_int_equal(r->c.state, TCPC_CLOSED);
	assert_true(r->c.fin_acked && r->c.peer_fin);
	rig_free(r);
}

// Whatever the network does, no request is lost, none is answered twice or wrong.
static void network_faults_lose_nothing(void **state)
{
	static const unsigned fault[][6] = {// drop in, out; twice in, out; late in, out
		{7, 0, 0, 0, 0, 0}, {0, 7, 0, 0, 0, 0}, {0, 0, 5, 3, 0, 0}, {0, 0, 0, 0, 6, 5},
		{13, 11, 7, 9, 10, 8}};

	for (unsigned i = 0; i < 5; i++) {
		struct rig *r = rig_make("0-1500", 0.4, well, 1, DEPTH);

		r->timeout_ns = 20000 * MS;
		for (unsigned way = 0; way < 2; way++) {
			r->drop_every[way] = fault[i][way];
			r->twice_every[way] = fault[i][2 + way];
			r->late_every[way] = fault[i][4 + way];
		}
		run_requests(r, 150, DEPTH);
		assert_int_equal(tally_lost(r->gen.book[GEN_MEASURE]), 0);
		assert_int_equal(tally_errors(r->gen.book[GEN_MEASURE]), 0);
		assert_int_equal(COUNT(r, disconnects), 0);
		assert_int_equal(COUNT(r, get_hits) + COUNT(r, set_stored),
			tally_sent(r->gen.book[GEN_MEASURE]));
		if (fault[i][0] || fault[i][1])
			assert_true(r->dropped > 10);
		if (fault[i][1])
			assert_true(r->c.resent > 0);
		if (fault[i][0])
			assert_true(r->c.out_of_order > 0);
		rig_free(r);
	}
}

static const enum fake_fate server_faults[] = {FAKE_OK, FAKE_CORRUPT, FAKE_OK, FAKE_DROP,
	FAKE_SERVER_ERROR, FAKE_FORGET, FAKE_WRONG_KEY, FAKE_OK, FAKE_OK, FAKE_OK};

// One request at a time: each fault is counted once, also where the network loses segments.
static void server_faults_are_counted_exactly(void **state)
{
	for (unsigned drop = 0; drop <= 9; drop += 9) {
		struct rig *r = rig_make("10-900", 0, server_faults, 10, 1);

		r->drop_every[0] = r->drop_every[1] = drop;
		run_requests(r, 200, 1);
		assert_int_equal(COUNT(r, get_sent), 200);
		assert_int_equal(COUNT(r, get_hits), 100);
		assert_int_equal(COUNT(r, get_misses), 20);
		assert_int_equal(COUNT(r, get_errors), 60);
		assert_int_equal(COUNT(r, error_value), 20);
		assert_int_equal(COUNT(r, error_server), 20);
		assert_int_equal(COUNT(r, error_key), 20);
		assert_int_equal(COUNT(r, get_lost), 20);
		assert_int_equal(COUNT(r, disconnects), 20);
		assert_int_equal(r->server->count[FAKE_DROP][0], 20);
		rig_free(r);
	}
}

// A window of zero is probed; its opening is used.
static void closed_window(void **state)
{
	struct rig *r = rig_make("900", 1, well, 1, 1);
	struct gen_plan plan = {.outstanding = 1, .stop_ns = UINT64_MAX};

	r->peer.window = 0;
	gen_start(&r->gen, &plan);
	for (unsigned i = 0; i < 3000; i++)
		turn(r);
	assert_int_equal(r->c.state, TCPC_OPEN);
	assert_int_equal(COUNT(r, set_stored), 0);
	r->peer.window = 20000;
	for (unsigned i = 0; i < 30000 && COUNT(r, set_stored) == 0; i++)
		turn(r);
	assert_true(COUNT(r, set_stored) > 0);
	assert_int_equal(COUNT(r, disconnects), 0);
	rig_free(r);
}

static void resets(void **state)
{
	struct rig *r = rig_make("10", 0, well, 1, 1);
	struct tcpc_in in;
	uint8_t d[64];

	run_requests(r, 3, 1);
	memset(d, 0, sizeof(d));
	d[12] = 5 << 4;
	d[13] = RST;
	store_be32(d + 4, r->c.rcv_nxt + 5); // in the window, not at its edge: RFC 5961
	tcpc_input(&r->c, d, 20, r->now_ns, &in);
	assert_int_equal(in.event, TCPC_NOTHING);
	assert_true(r->c.ack_now);
	store_be32(d + 4, r->c.rcv_nxt - 1);
	tcpc_input(&r->c, d, 20, r->now_ns, &in);
	assert_int_equal(r->c.state, TCPC_OPEN);
	store_be32(d + 4, r->c.rcv_nxt);
	tcpc_input(&r->c, d, 20, r->now_ns, &in);
	assert_int_equal(in.event, TCPC_RESET);
	assert_int_equal(r->c.state, TCPC_CLOSED);
	// A stranger's segment gets a RST; a new connection begins above the old one.
	d[13] = ACK;
	store_be32(d + 8, 777);
	tcpc_input(&r->c, d, 20, r->now_ns, &in);
	assert_int_equal(tcpc_output(&r->c, NULL, 0, r->now_ns, d), 20);
	assert_int_equal(d[13], RST);
	assert_int_equal(load_be32(d + 4), 777);
	tcpc_open(&r->c, r->isn);
	assert_int_equal(tcpc_output(&r->c, NULL, 0, r->now_ns, d), 24);
	assert_true((int32_t)(load_be32(d + 4) - r->isn) >= 65535);
	// Refused.
	store_be32(d + 8, load_be32(d + 4) + 1);
	d[12] = 5 << 4;
	d[13] = RST | ACK;
	tcpc_input(&r->c, d, 20, r->now_ns, &in);
	assert_int_equal(in.event, TCPC_REFUSED);
	rig_free(r);
}

static void gives_up(void **state)
{
	struct rig *r = rig_make("10", 0, well, 1, 1);
	uint8_t d[64];
	unsigned sent = 0;

	tcpc_open(&r->c, 1);
	for (;;) {
		while (tcpc_output(&r->c, NULL, 0, r->now_ns, d))
			sent++;
		r->now_ns = tcpc_deadline_ns(&r->c);
		if (tcpc_timer(&r->c, r->now_ns) == TCPC_GAVE_UP)
			break;
	}
	assert_int_equal(sent, 8);
	assert_int_equal(r->c.resent, 7);
	assert_int_equal(r->c.state, TCPC_CLOSED);
	rig_free(r);
}

// The header of a segment of the peer, and len bytes of text behind it.
static size_t peer_segment(
	uint8_t *d, uint32_t seq, uint32_t ack, uint8_t flags, const char *text, size_t len)
{
	memset(d, 0, 20);
	store_be32(d + 4, seq);
	store_be32(d + 8, ack);
	d[12] = 5 << 4;
	d[13] = flags;
	store_be16(d + 14, 1000);
	memcpy(d + 20, text, len);
	return 20 + len;
}

// What overlaps is taken once, and a FIN is no byte of the caller's buffer.
static void overlap_and_fin(void **state)
{
	struct rig *r = rig_make("10", 0, well, 1, 1);
	struct tcpc *c = &r->c;
	struct tcpc_in in;
	uint8_t d[64];
	size_t n;

	tcpc_open(c, 100);
	assert_int_equal(tcpc_output(c, NULL, 0, r->now_ns, d), 24);
	n = peer_segment(d, 5000, 101, SYN | ACK, "", 0);
	tcpc_input(c, d, n, r->now_ns, &in);
	assert_int_equal(in.event, TCPC_CONNECTED);
	n = peer_segment(d, 5001, 101, ACK, "abc", 3);
	tcpc_input(c, d, n, r->now_ns, &in);
	assert_int_equal(in.len, 3);
	n = peer_segment(d, 5001, 101, ACK, "abcdef", 6);
	tcpc_input(c, d, n, r->now_ns, &in);
	assert_int_equal(in.len, 3);
	assert_memory_equal(in.data, "def", 3);
	assert_int_equal(c->rcv_nxt, 5007);
	tcpc_close(c);
	assert_int_equal(tcpc_output(c, (const uint8_t *)"xy", 2, r->now_ns, d), 22);
	assert_int_equal(d[13] & FIN, FIN);
	n = peer_segment(d, 5007, 104, ACK | FIN, "", 0);
	tcpc_input(c, d, n, r->now_ns, &in);
	assert_int_equal(in.acked, 2);
	assert_int_equal(in.event, TCPC_ENDED);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_run),
		cmocka_unit_test(network_faults_lose_nothing),
		cmocka_unit_test(server_faults_are_counted_exactly),
		cmocka_unit_test(closed_window),
		cmocka_unit_test(resets),
		cmocka_unit_test(overlap_and_fin),
		cmocka_unit_test(gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
