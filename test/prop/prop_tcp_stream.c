// SPDX-License-Identifier: BSD-3-Clause
// Over a link that loses, doubles and reorders both byte streams arrive whole, and all ends
// support: tcp_client seg frame eal
//
// A few clients of test/support talk to one struct tcp in virtual time. After each step
// tcp_check holds; at the end every tcb, chunk and mbuf is back. SEED=n reruns one seed,
// ROUNDS=n runs more of them.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "support/eal.h"
#include "support/tcp_client.h"
#include "tcp/tcp.h"

#define CLIENTS_MAX 4
#define PACKETS_MAX 512
#define START_US 5000000000ull
#define LIMIT_US 4000000000ull // a run that takes longer hangs
#define STEPS_MAX 400000
#define READ_MAX 5000
#define QUEUE_MAX 20000 // where the user stops writing

struct packet {
	uint64_t at_us;
	unsigned client;
	bool to_server;
	struct frame f;
};

// What the server's user does with one connection.
struct user {
	struct tcb *tcb;
	uint32_t written, read, send_len, recv_len;
	bool close_first, reads_slowly;
};

struct run {
	uint64_t seed, now_us;
	unsigned step;
	struct rng rng;
	struct net *net;
	struct tcp *tcp;
	unsigned mbufs_before, client_count;
	unsigned loss, dup, reorder; // percent
	uint32_t delay_us;
	struct client client[CLIENTS_MAX];
	struct user user[CLIENTS_MAX];
	unsigned packet_count;
	struct packet packet[PACKETS_MAX];
};

__attribute__((noreturn)) static void failed(const struct run *r, const char *what, int line)
{
	fprintf(stderr, "%s:%d: SEED=%" PRIu64 " step %u at %.6f s: %s\n", __FILE__, line, r->seed,
		r->step, (double)(r->now_us - START_US) / 1e6, what);
	exit(1);
}

#define REQUIRE(r, cond) \
	do { \
		if (!(cond)) \
			failed(r, #cond, __LINE__); \
	} while (0)

// ---- the link

static void link_put(struct run *r, unsigned client, bool to_server, const struct frame *f)
{
	unsigned copies = rng_below(&r->rng, 100) < r->dup ? 2 : 1;

	for (; copies > 0; copies--) {
		struct packet *p = &r->packet[r->packet_count];
		uint64_t delay = r->delay_us;

		if (rng_below(&r->rng, 100) < r->loss || r->packet_count == PACKETS_MAX)
			continue;
		if (rng_below(&r->rng, 100) < r->reorder)
			delay += rng_below(&r->rng, 4 * r->delay_us + 1000);
		p->at_us = r->now_us + delay;
		p->client = client;
		p->to_server = to_server;
		p->f.len = f->len;
		p->f.l3 = f->l3;
		p->f.l4 = f->l4;
		memcpy(p->f.b, f->b, f->len);
		r->packet_count++;
	}
}

static void from_client(void *arg, struct client *c, const struct seg *s)
{
	struct run *r = arg;
	struct frame f;

	seg_to_frame(s, &c->flow, &f);
	link_put(r, (unsigned)(c - r->client), true, &f);
}

static void from_server(struct run *r)
{
	struct rte_mbuf *m;

	while (net_take_tx(r->net, &m, 1) == 1) {
		struct frame f = {.len = m->data_len, .l3 = 14, .l4 = 34};
		unsigned client;

		memcpy(f.b, rte_pktmbuf_mtod(m, void *), f.len);
		rte_pktmbuf_free(m);
		client = seg_frame_peer_port(&f) - FRAME_PEER_PORT;
		REQUIRE(r, client < r->client_count);
		link_put(r, client, false, &f);
	}
}

// ---- the server's user

static void user_read(struct run *r, struct user *u)
{
	uint32_t n = tcp_readable(u->tcb);

	if (n == 0 || (u->reads_slowly && rng_below(&r->rng, 4)))
		return;
	if (n > READ_MAX)
		n = READ_MAX;
	if (u->reads_slowly)
		n = 1 + rng_below(&r->rng, n);
	for (uint32_t left = n; left > 0;) {
		struct slice s = tcp_peek(u->tcb);
		uint32_t part = s.len < left ? (uint32_t)s.len : left;

		REQUIRE(r, part > 0);
		for (uint32_t i = 0; i < part; i++)
			REQUIRE(r, s.p[i] == seg_byte(SEG_PEER, u->read + i));
		tcp_consume(r->tcp, u->tcb, part);
		u->read += part;
		left -= part;
	}
	REQUIRE(r, u->read <= u->recv_len);
}

static void user_write(struct run *r, struct user *u)
{
	struct chunkq *q = tcp_send_queue(u->tcb);

	if (q->len > QUEUE_MAX)
		return;
	for (uint32_t n = rng_below(&r->rng, 6000); n > 0 && u->written < u->send_len; n--) {
		uint8_t byte = seg_byte(SEG_OURS, u->written);

		if (!chunkq_append(q, &byte, 1))
			return;
		u->written++;
	}
}

static void user_run(struct run *r, struct tcb *tcb)
{
	unsigned events = tcp_take_events(tcb), i = tcp_peer(tcb).remote_port - FRAME_PEER_PORT;
	struct user *u = &r->user[i];

	REQUIRE(r, i < r->client_count);
	REQUIRE(r, (events & TCP_EV_NEW) ? u->tcb == NULL : u->tcb == tcb);
	REQUIRE(r, !(events & TCP_EV_GONE));
	u->tcb = tcb;
	user_read(r, u);
	user_write(r, u);
	if (u->written == u->send_len && u->read == u->recv_len &&
		(u->close_first || tcp_at_eof(tcb))) {
		tcp_close(r->tcp, tcb, r->now_us);
		tcp_release(r->tcp, tcb, r->now_us);
		u->tcb = NULL;
		u->send_len = UINT32_MAX; // no second connection
		return;
	}
	REQUIRE(r, !tcp_at_eof(tcb) || u->read == u->recv_len);
	// TCP_EV_SPACE comes by itself when the queue was full.
	if ((u->written < u->send_len && tcp_send_queue(tcb)->len <= QUEUE_MAX) ||
		tcp_readable(tcb))
		tcp_ready_push(r->tcp, tcb, TCP_EV_SPACE);
	tcp_output(r->tcp, tcb, r->now_us);
}

static bool server_turn(struct run *r)
{
	const char *what = "?";
	bool busy = false;

	// One turn of the worker's loop: those that push themselves back come next time.
	for (unsigned i = 0; i < 2 * r->client_count; i++) {
		struct tcb *tcb = tcp_ready_pop(r->tcp);

		if (!tcb)
			break;
		user_run(r, tcb);
		busy = true;
	}
	tcp_poll(r->tcp, r->now_us);
	from_server(r);
	if (!tcp_check(r->tcp, &what))
		failed(r, what, __LINE__);
	return busy;
}

// ---- time

static void deliver(struct run *r, struct packet *p)
{
	struct client *c = &r->client[p->client];
	struct rte_mbuf *m;
	struct net_pkt pkt;

	if (!p->to_server) {
		client_input(c, &p->f, r->now_us, from_client, r);
		if (c->wrong)
			failed(r, c->wrong, __LINE__);
		return;
	}
	m = frame_mbuf(&p->f);
	if (net_input(r->net, &m, 1, &pkt, r->now_us) == 1)
		tcp_input(r->tcp, &pkt, r->now_us);
}

static void deliver_due(struct run *r)
{
	for (unsigned i = 0; i < r->packet_count;) {
		static struct packet p;

		if (r->packet[i].at_us > r->now_us) {
			i++;
			continue;
		}
		p = r->packet[i];
		r->packet[i] = r->packet[--r->packet_count];
		deliver(r, &p);
	}
}

static uint64_t next_moment(const struct run *r, bool busy)
{
	uint64_t at = tcp_next_deadline_us(r->tcp);

	for (unsigned i = 0; i < r->packet_count; i++)
		if (r->packet[i].at_us < at)
			at = r->packet[i].at_us;
	for (unsigned i = 0; i < r->client_count; i++)
		if (client_deadline_us(&r->client[i]) < at)
			at = client_deadline_us(&r->client[i]);
	if (busy && at > r->now_us + 500)
		return r->now_us + 500;
	if (at == UINT64_MAX)
		return r->now_us + 100000;
	return at > r->now_us ? at : r->now_us + 100;
}

static bool all_done(const struct run *r)
{
	for (unsigned i = 0; i < r->client_count; i++)
		if (!client_is_done(&r->client[i]))
			return false;
	return tcp_conn_count(r->tcp) == 0;
}

static void play(struct run *r)
{
	while (!all_done(r)) {
		bool busy;

		r->step++;
		REQUIRE(r, r->now_us < START_US + LIMIT_US && r->step < STEPS_MAX);
		deliver_due(r);
		for (unsigned i = 0; i < r->client_count; i++) {
			struct client *c = &r->client[i];

			client_poll(c, r->now_us, from_client, r);
			if (rng_below(&r->rng, 300) == 0)
				client_window(c, true, r->now_us, from_client, r);
			else if (c->window_closed && rng_below(&r->rng, 40) == 0)
				client_window(c, false, r->now_us, from_client, r);
		}
		busy = server_turn(r);
		r->now_us = next_moment(r, busy);
	}
}

// ---- set-up

static void open_server(struct run *r)
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
	tc.conn_count_max = 16;
	tc.time_wait_count_max = 16;
	tc.rcv_buf_size = 4096u << rng_below(&r->rng, 6);
	tc.chunk_count = 128;
	tc.r2_us = 2000000000; // bad luck is no reason to give up here
	tc.key = (struct siphash_key){rng_next(&r->rng), rng_next(&r->rng)};
	r->net = net_create(&nc, r->now_us);
	REQUIRE(r, r->net);
	r->tcp = tcp_create(&tc, r->net, r->now_us);
	REQUIRE(r, r->tcp);
}

static void open_client(struct run *r, unsigned i)
{
	static const uint16_t mss[] = {1460, 1448, 536, 216};
	bool server_first = rng_below(&r->rng, 2);
	struct client_conf cc = {
		.idx = i,
		.send_len =
			rng_below(&r->rng, 3) ? rng_below(&r->rng, 30000) : rng_below(&r->rng, 5),
		.recv_len =
			rng_below(&r->rng, 3) ? rng_below(&r->rng, 60000) : rng_below(&r->rng, 5),
		.mss = mss[rng_below(&r->rng, 4)],
		.ts = rng_below(&r->rng, 2),
		.sack = rng_below(&r->rng, 2),
		.wscale = rng_below(&r->rng, 2),
		.ws = (uint8_t)rng_below(&r->rng, 9),
		.rcv_wnd = 500 + rng_below(&r->rng, 60000),
		.rto_us = 10 * r->delay_us + 300000,
		.close_first = !server_first || rng_below(&r->rng, 4) == 0,
		.delay_acks = rng_below(&r->rng, 2),
	};

	client_init(&r->client[i], &cc, rng_next(&r->rng), r->now_us);
	r->user[i] = (struct user){.send_len = cc.recv_len,
		.recv_len = cc.send_len,
		.close_first = server_first,
		.reads_slowly = rng_below(&r->rng, 3) == 0};
}

static void run_seed(uint64_t seed, uint64_t *sum)
{
	static struct run r;

	r = (struct run){.seed = seed, .now_us = START_US, .mbufs_before = eal_pool_in_use()};
	rng_init(&r.rng, seed);
	open_server(&r);
	r.client_count = 1 + rng_below(&r.rng, CLIENTS_MAX);
	r.loss = seed % 4 == 0 ? 0 : rng_below(&r.rng, 25);
	r.dup = rng_below(&r.rng, 20);
	r.reorder = rng_below(&r.rng, 40);
	r.delay_us = 50 + rng_below(&r.rng, 30000);
	for (unsigned i = 0; i < r.client_count; i++)
		open_client(&r, i);
	play(&r);
	REQUIRE(&r, tcp_chunk_pool(r.tcp)->used_count == 0);
	REQUIRE(&r, eal_pool_in_use() == r.mbufs_before);
	REQUIRE(&r, stat_read(&tcp_stats(r.tcp)[TCP_STAT_curr_connections]) == 0);
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++)
		sum[i] += stat_read(&tcp_stats(r.tcp)[i]);
	tcp_destroy(r.tcp);
	net_destroy(r.net);
	REQUIRE(&r, eal_pool_in_use() == r.mbufs_before);
}

// The runs are worth something only if the hard parts of lib/tcp were at work in them.
static int report(uint64_t n, const uint64_t *sum)
{
	static const enum tcp_stat wanted[] = {TCP_STAT_retransmits, TCP_STAT_rto_expired,
		TCP_STAT_fast_retransmits, TCP_STAT_zero_window_probes, TCP_STAT_out_of_order,
		TCP_STAT_drop_unacceptable, TCP_STAT_drop_paws};
	int result = 0;

	printf("%" PRIu64 " seeds:", n);
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++)
		if (sum[i])
			printf(" %s %" PRIu64, tcp_stats_set.desc[i].name, sum[i]);
	printf("\n");
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (sum[wanted[i]] == 0) {
			printf("never seen: %s\n", tcp_stats_set.desc[wanted[i]].name);
			result = 1;
		}
	}
	return result;
}

int main(void)
{
	const char *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 300, sum[TCP_STAT_COUNT] = {0};

	if (seed) {
		run_seed(strtoull(seed, NULL, 10), sum);
		return 0;
	}
	for (uint64_t i = 1; i <= n; i++)
		run_seed(i, sum);
	return report(n, sum);
}
