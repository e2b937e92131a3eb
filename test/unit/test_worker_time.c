// SPDX-License-Identifier: BSD-3-Clause
// worker_next_deadline_us is never later than what worker_poll then does
// support: workerrig wclient frame eal

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/eal.h"
#include "support/frame.h"
#include "support/wclient.h"
#include "support/workerrig.h"

#define STEP_US 500
#define CLIENTS 8

static struct workerrig rig;
static struct wclient client[CLIENTS];

#define STATS (NET_STAT_COUNT + TCP_STAT_COUNT + CONN_STAT_COUNT)

static void snapshot(uint64_t *dst)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NET_STAT_COUNT; i++)
		dst[n++] = stat_read(&net_stats(worker_net(rig.worker))[i]);
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++)
		dst[n++] = stat_read(&tcp_stats(worker_tcp(rig.worker))[i]);
	for (unsigned i = 0; i < CONN_STAT_COUNT; i++)
		dst[n++] = stat_read(&conns_stats(worker_conns(rig.worker))[i]);
}

static const char *name_of(unsigned i)
{
	if (i < NET_STAT_COUNT)
		return net_stats_set.desc[i].name;
	i -= NET_STAT_COUNT;
	return i < TCP_STAT_COUNT ? tcp_stats_set.desc[i].name
				  : conn_stats_set.desc[i - TCP_STAT_COUNT].name;
}

static uint64_t tcp_stat(enum tcp_stat stat)
{
	return stat_read(&tcp_stats(worker_tcp(rig.worker))[stat]);
}

static uint64_t conn_stat(enum conn_stat stat)
{
	return stat_read(&conns_stats(worker_conns(rig.worker))[stat]);
}

static void take(void)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	unsigned n;

	while ((n = worker_take_tx(rig.worker, m, WORKER_BURST_MAX)) > 0)
		for (unsigned i = 0; i < n; i++) {
			wclient_input(client, CLIENTS, m[i]);
			rte_pktmbuf_free(m[i]);
		}
}

static void input(struct rte_mbuf *m)
{
	worker_input(rig.worker, &m, 1, rig.now_us);
	take();
	worker_poll(rig.worker, rig.now_us);
	take();
}

static void says(unsigned i, uint8_t flags, const char *text)
{
	input(wclient_tcp(&client[i], flags, text, strlen(text)));
}

static void connect_client(unsigned i)
{
	client[i] = (struct wclient){.port = (uint16_t)(40000 + i), .seq = 100 * i};
	says(i, WCLIENT_SYN, "");
	says(i, WCLIENT_ACK, "");
}

// Step by step; what moves in a step had a deadline not later than it.
static void pass_us(uint64_t us)
{
	static uint64_t before[STATS], after[STATS];

	for (uint64_t end_us = rig.now_us + us; rig.now_us < end_us;) {
		uint64_t due_us = worker_next_deadline_us(rig.worker, rig.now_us);
		bool drained = worker_is_drained(rig.worker);

		rig.now_us += STEP_US;
		snapshot(before);
		worker_poll(rig.worker, rig.now_us);
		take();
		snapshot(after);
		for (unsigned i = 0; i < STATS && due_us > rig.now_us; i++)
			if (before[i] != after[i])
				fail_msg("%s moved at %lu us, the deadline was %lu", name_of(i),
					rig.now_us, due_us);
		if (due_us > rig.now_us)
			assert_int_equal(worker_is_drained(rig.worker), drained);
	}
}

static void pass_s(unsigned seconds)
{
	pass_us(seconds * 1000000ULL);
}

static int open_rig(void **state)
{
	struct net_conf *n = &rig.conf.net;

	workerrig_conf(&rig);
	memcpy(n->mac, frame_our_mac, 6);
	n->addr[0] = n->listener[0].addr = n->listener[1].addr = FRAME_OUR_ADDR;
	rig.conf.tcp.r2_us = 10000000;
	rig.conf.tcp.time_wait_us = 3000000;
	rig.conf.tcp.fin_wait2_us = 4000000;
	rig.conf.tcp.keepalive_us = 8000000;
	rig.conf.conn.long_timeout_s = 12;
	rig.conf.conn.idle_timeout_s = 20;
	workerrig_open(&rig);
	memset(client, 0, sizeof(client));
	return 0;
}

static int close_rig(void **state)
{
	workerrig_close(&rig);
	return 0;
}

// A worker without work has no deadline, and needs none.
static void test_nothing_to_do(void **state)
{
	assert_true(worker_next_deadline_us(rig.worker, rig.now_us) == UINT64_MAX);
	pass_s(3);
	assert_true(worker_next_deadline_us(rig.worker, rig.now_us) == UINT64_MAX);
}

// A reply that nobody acknowledges: retransmissions, then the end.
static void test_retransmission(void **state)
{
	connect_client(0);
	says(0, WCLIENT_PSH_ACK, "get a\r\n");
	pass_s(15);
	assert_true(tcp_stat(TCP_STAT_rto_expired) >= 4);
	assert_int_equal(tcp_stat(TCP_STAT_timed_out), 1);
	assert_int_equal(rig.open_count, 0);
}

// The ACK of a command that is not complete.
static void test_delayed_ack(void **state)
{
	uint32_t ack;

	connect_client(0);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t sent = tcp_stat(TCP_STAT_tx_segments);

		ack = client[0].seq + 1;
		says(0, WCLIENT_PSH_ACK, "g");
		pass_us(100000);
		assert_int_equal(client[0].seq, ack);
		assert_true(tcp_stat(TCP_STAT_tx_segments) > sent);
		pass_us(STEP_US * i);
	}
}

static void test_syn_received(void **state)
{
	client[0] = (struct wclient){.port = 40000, .seq = 1};
	says(0, WCLIENT_SYN, "");
	pass_s(80);
	assert_true(tcp_stat(TCP_STAT_retransmits) >= 3);
	assert_int_equal(tcp_conn_count(worker_tcp(rig.worker)), 0);
}

static void test_keepalive(void **state)
{
	uint64_t sent;

	rig.conf.conn.idle_timeout_s = 0;
	connect_client(0);
	connect_client(1);
	sent = tcp_stat(TCP_STAT_tx_segments);
	for (unsigned i = 0; i < 19; i++) {
		pass_s(1);
		says(1, WCLIENT_ACK, "");
	}
	assert_true(tcp_stat(TCP_STAT_tx_segments) > sent);
}

// Quiet connections end by FIN; half of them answer it with theirs.
static void test_idle_and_closing(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		connect_client(i);
	for (unsigned s = 0; s < 30; s++) {
		pass_s(1);
		for (unsigned i = 0; i < 4; i++)
			says(i, WCLIENT_ACK, "");
	}
	assert_int_equal(conn_stat(CONN_STAT_idle_kicks), 4);
	says(0, WCLIENT_FIN_ACK, "");
	says(1, WCLIENT_FIN_ACK, "");
	pass_s(20);
	assert_int_equal(tcp_conn_count(worker_tcp(rig.worker)), 0);
}

static void test_stalled_upload(void **state)
{
	connect_client(0);
	says(0, WCLIENT_PSH_ACK, "set a 0 0 40000\r\nabc");
	for (unsigned s = 0; s < 15; s++) {
		pass_s(1);
		says(0, WCLIENT_ACK, "");
	}
	assert_int_equal(conn_stat(CONN_STAT_long_kicks), 1);
}

// An ACK that shuts the window, or opens it.
static struct rte_mbuf *window(unsigned i, uint16_t size)
{
	struct frame f;

	frame_tcp(&f, client[i].port, FRAME_OUR_PORT, WCLIENT_ACK, "", 0);
	store_be32(f.b + f.l4 + 4, client[i].seq);
	store_be32(f.b + f.l4 + 8, client[i].ack);
	store_be16(f.b + f.l4 + 14, size);
	frame_fix_l4(&f);
	return frame_mbuf(&f);
}

static void test_persist(void **state)
{
	connect_client(0);
	input(window(0, 0));
	says(0, WCLIENT_PSH_ACK, "");
	input(window(0, 0));
	worker_poll(rig.worker, rig.now_us);
	for (unsigned i = 0; i < 30; i++) {
		struct rte_mbuf *m = window(0, 0);

		if (i == 0) { // the request comes with the window shut
			struct frame f;

			rte_pktmbuf_free(m);
			frame_tcp(&f, client[0].port, FRAME_OUR_PORT, WCLIENT_PSH_ACK,
				"version\r\n", 9);
			store_be32(f.b + f.l4 + 4, client[0].seq);
			store_be32(f.b + f.l4 + 8, client[0].ack);
			store_be16(f.b + f.l4 + 14, 0);
			frame_fix_l4(&f);
			client[0].seq += 9;
			m = frame_mbuf(&f);
		}
		input(m);
		pass_us(500000 - STEP_US * i);
	}
	assert_true(tcp_stat(TCP_STAT_zero_window_probes) > 2);
}

// The end of a drain comes by the clock, too.
static void test_drain(void **state)
{
	rig.conf.conn.idle_timeout_s = 0;
	for (unsigned i = 0; i < 3; i++)
		connect_client(i);
	says(0, WCLIENT_PSH_ACK, "get a\r\n");
	worker_drain(rig.worker, rig.now_us);
	pass_us(50000);
	says(0, WCLIENT_ACK, "");
	pass_us(50000);
	for (unsigned i = 0; i < 3; i++)
		says(i, i < 2 ? WCLIENT_FIN_ACK : WCLIENT_ACK, "");
	assert_false(worker_is_drained(rig.worker));
	pass_s(5); // FIN-WAIT-2 of the third
	assert_true(worker_is_drained(rig.worker));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_do),
		TEST(test_retransmission),
		TEST(test_delayed_ack),
		TEST(test_syn_received),
		TEST(test_keepalive),
		TEST(test_idle_and_closing),
		TEST(test_stalled_upload),
		TEST(test_persist),
		TEST(test_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
