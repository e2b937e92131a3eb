// SPDX-License-Identifier: BSD-3-Clause
// One worker: its limits, bursts of all kinds of frames, offline, drain
// support: workerrig wclient frame eal

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/eal.h"
#include "support/frame.h"
#include "support/wclient.h"
#include "support/workerrig.h"

static struct workerrig rig;

// The rig's worker at the address of support/frame.h.
static void conf(void)
{
	struct net_conf *n = &rig.conf.net;

	workerrig_conf(&rig);
	memcpy(n->mac, frame_our_mac, 6);
	n->addr[0] = n->listener[0].addr = n->listener[1].addr = FRAME_OUR_ADDR;
	rig.conf.conn.udp_prefix[0] = (struct conn_prefix){0x0a000000, 0xffffff00, true};
	rig.conf.conn.udp_prefix_count = 1;
}

static int open_rig(void **state)
{
	conf();
	workerrig_open(&rig);
	return 0;
}

static int close_rig(void **state)
{
	workerrig_check(&rig);
	workerrig_close(&rig);
	return 0;
}

static uint64_t tcp_stat(enum tcp_stat stat)
{
	return stat_read(&tcp_stats(worker_tcp(rig.worker))[stat]);
}

static uint64_t net_stat(enum net_stat stat)
{
	return stat_read(&net_stats(worker_net(rig.worker))[stat]);
}

// Take all that waits into frames; returns how many.
static unsigned take(struct frame *f, unsigned max)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	unsigned n = worker_take_tx(rig.worker, m, WORKER_BURST_MAX);

	assert_true(n <= max);
	for (unsigned i = 0; i < n; i++) {
		f[i].len = m[i]->data_len;
		memcpy(f[i].b, rte_pktmbuf_mtod(m[i], void *), f[i].len);
		rte_pktmbuf_free(m[i]);
	}
	return n;
}

// One frame in, what it causes out; returns the TCP payload bytes of the last answer, and
// in *flags its TCP flags.
static uint32_t step(struct wclient *c, struct rte_mbuf *in, uint8_t *flags)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	uint32_t len = 0;
	unsigned n;

	worker_input(rig.worker, &in, 1, rig.now_us);
	worker_poll(rig.worker, rig.now_us);
	n = worker_take_tx(rig.worker, m, WORKER_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		len = wclient_input(c, 1, m[i]);
		*flags = rte_pktmbuf_mtod(m[i], uint8_t *)[47];
		rte_pktmbuf_free(m[i]);
	}
	return len;
}

static void connect_client(struct wclient *c)
{
	uint8_t flags = 0;

	step(c, wclient_tcp(c, WCLIENT_SYN, "", 0), &flags);
	assert_int_equal(flags, 0x12);
	step(c, wclient_tcp(c, WCLIENT_ACK, "", 0), &flags);
}

// ---- limits

static void test_create_limits(void **state)
{
	struct worker_conf good, c;
	struct worker *w;

	conf();
	workerrig_open(&rig);
	workerrig_close(&rig);
	rig.stats = stats_create();
	rig.conf.stats = rig.conf.cmd.stats = rig.stats;
	rig.store_conf.now_s = WORKERRIG_UNIX_S;
	rig.store = store_create(&rig.store_conf, &(const char *){NULL});
	assert_non_null(rig.stats);
	assert_non_null(rig.store);
	good = rig.conf;
	good.store = rig.store;

#define REFUSES(field, value) \
	c = good; \
	c.field = value; \
	assert_null(worker_create(&c, rig.now_us))
	REFUSES(net.addr_count, NET_ADDRS_MAX + 1);
	REFUSES(net.listener_count, NET_LISTENERS_MAX + 1);
	REFUSES(net.mtu, 500);
	REFUSES(tcp.chunk_count, 0);
	REFUSES(tcp.rto_min_us, 10);
	REFUSES(tcp.conn_count_max, good.tcp.conn_count_max + 1);
	REFUSES(conn.conn_count_max, good.conn.conn_count_max - 1);
	REFUSES(conn.long_count, 0);
	REFUSES(conn.requests_per_event, 0);
	REFUSES(conn.udp_prefix_count, CONN_PREFIXES_MAX + 1);
	// The longest line and the largest value of one record must fit into the window.
	REFUSES(tcp.rcv_buf_size, 2048 + 1 + STORE_FRAGMENT_LEN + 1);
#undef REFUSES
	assert_int_equal(eal_pool_in_use(), rig.mbufs_before);
	stats_destroy(rig.stats);
	c = good;
	c.tcp.rcv_buf_size = 2048 + 1 + STORE_FRAGMENT_LEN + 2;
	c.stats = rig.stats = stats_create();
	w = worker_create(&c, rig.now_us);
	assert_non_null(w);
	worker_destroy(w, rig.now_us);
	worker_destroy(NULL, rig.now_us);
	store_destroy(rig.store);
	stats_destroy(rig.stats);
	assert_int_equal(eal_pool_in_use(), rig.mbufs_before);
}

// With the smallest receive buffer the largest command that must be whole gets through.
static void test_smallest_receive_buffer(void **state)
{
	static char text[40000];
	struct wclient c = {.port = 40000, .seq = 7};
	size_t line = 2048 + 1, len = line + STORE_FRAGMENT_LEN + 2;
	uint32_t got = 0;
	uint8_t flags;

	conf();
	rig.conf.tcp.rcv_buf_size = (uint32_t)len;
	workerrig_open(&rig);
	connect_client(&c);
	memset(text, ' ', line);
	memcpy(text, "set k 0 0 32768", 15);
	text[line - 1] = '\n';
	memset(text + line, 'v', STORE_FRAGMENT_LEN);
	memcpy(text + len - 2, "\r\n", 2);
	for (size_t off = 0; off < len; off += 1400) {
		size_t n = len - off < 1400 ? len - off : 1400;

		got += step(&c, wclient_tcp(&c, WCLIENT_PSH_ACK, text + off, n), &flags);
	}
	assert_int_equal(got, strlen("STORED\r\n"));
	assert_int_equal(tcp_stat(TCP_STAT_drop_unacceptable), 0);
}

// ---- bursts

// ARP, ping, UDP, a SYN, garbage and closed ports in one burst: each has its answer, in
// order of arrival but for UDP, which is run as one batch after the TCP packets.
static void test_mixed_burst(void **state)
{
	struct wclient c = {.port = 40000, .seq = 7};
	struct frame in, out[WORKER_BURST_MAX];
	struct rte_mbuf *m[8];
	unsigned n = 0;

	frame_arp(&in, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	m[n++] = frame_mbuf(&in);
	m[n++] = wclient_udp(5000, "get a\r\n");
	frame_icmp(&in, 8, 0, 10);
	m[n++] = frame_mbuf(&in);
	m[n++] = wclient_tcp(&c, WCLIENT_SYN, "", 0);
	m[n++] = frame_mbuf_bytes("garbage", 7);
	frame_udp(&in, 5000, 9, "12345678", 8);
	m[n++] = frame_mbuf(&in);
	m[n++] = wclient_udp(5001, "set a 0 0 1\r\nx\r\n");
	frame_tcp(&in, 40001, 9, WCLIENT_SYN, "", 0);
	m[n++] = frame_mbuf(&in);
	worker_input(rig.worker, m, n, rig.now_us);
	assert_int_equal(worker_next_deadline_us(rig.worker, rig.now_us), rig.now_us);
	n = take(out, WORKER_BURST_MAX);
	assert_int_equal(n, 6);
	assert_int_equal(load_be16(out[0].b + 12), 0x0806);
	assert_int_equal(out[1].b[23], 1); // echo reply
	assert_int_equal(out[2].b[47], 0x12); // SYN-ACK
	assert_int_equal(out[3].b[47] & 4, 4); // RST of the closed port
	assert_memory_equal(out[4].b + 50, "END\r\n", 5);
	assert_memory_equal(out[5].b + 50, "STORED\r\n", 8);
	assert_int_equal(net_stat(NET_STAT_drop_truncated), 1);
	assert_int_equal(net_stat(NET_STAT_drop_udp_closed), 1);
	assert_int_equal(tcp_stat(TCP_STAT_drop_closed_port), 1);
}

// worker_take_tx gives what is there, oldest first, in pieces of any size.
static void test_take_tx(void **state)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	char text[32];

	for (unsigned i = 0; i < WORKER_BURST_MAX; i++) {
		snprintf(text, sizeof(text), "set k%02u 0 0 1\r\nx\r\n", i);
		m[i] = wclient_udp((uint16_t)(5000 + i), text);
	}
	worker_input(rig.worker, m, WORKER_BURST_MAX, rig.now_us);
	for (unsigned i = 0, n = 1; i < WORKER_BURST_MAX; n++) {
		unsigned got = worker_take_tx(rig.worker, m, n);

		assert_int_equal(got, n < WORKER_BURST_MAX - i ? n : WORKER_BURST_MAX - i);
		for (unsigned k = 0; k < got; k++, i++) {
			assert_int_equal(
				load_be16(rte_pktmbuf_mtod(m[k], uint8_t *) + 36), 5000 + i);
			rte_pktmbuf_free(m[k]);
		}
	}
	assert_int_equal(worker_take_tx(rig.worker, m, WORKER_BURST_MAX), 0);
	assert_int_equal(worker_take_tx(rig.worker, m, 0), 0);
	worker_input(rig.worker, m, 0, rig.now_us);
}

// Data and the FIN of a client in one burst: one answer, then the end.
static void test_request_and_fin_in_one_burst(void **state)
{
	struct wclient c = {.port = 40000, .seq = 0xfffffff0};
	struct frame out[WORKER_BURST_MAX];
	struct rte_mbuf *m[2];

	connect_client(&c);
	m[0] = wclient_tcp(&c, WCLIENT_PSH_ACK, "get a\r\n", 7);
	m[1] = wclient_tcp(&c, WCLIENT_FIN_ACK, "", 0);
	worker_input(rig.worker, m, 2, rig.now_us);
	assert_int_equal(take(out, 2), 1);
	assert_memory_equal(out[0].b + out[0].len - 5, "END\r\n", 5);
	assert_int_equal(out[0].b[47] & 1, 1);
	assert_int_equal(load_be32(out[0].b + 42), c.seq);
	assert_null(conn_state_name(worker_conns(rig.worker), 0));
}

// ---- sleeping

// Stores n values of 1300 bytes through worker w; returns how many were refused.
static unsigned store_many(struct worker *w, unsigned n)
{
	struct rte_mbuf *m[WORKER_BURST_MAX];
	unsigned refused = 0;

	for (unsigned i = 0; i < n; i += WORKER_BURST_MAX) {
		for (unsigned k = 0; k < WORKER_BURST_MAX; k++) {
			char text[1400];

			snprintf(text, sizeof(text), "set k%u 0 0 1300\r\n%01300u\r\n", i + k, k);
			m[k] = wclient_udp((uint16_t)(5000 + k), text);
		}
		rig.now_us += 100;
		worker_input(w, m, WORKER_BURST_MAX, rig.now_us);
		worker_poll(w, rig.now_us);
		assert_int_equal(worker_take_tx(w, m, WORKER_BURST_MAX), WORKER_BURST_MAX);
		for (unsigned k = 0; k < WORKER_BURST_MAX; k++) {
			refused += memcmp(rte_pktmbuf_mtod(m[k], char *) + 50, "STORED", 6) != 0;
			rte_pktmbuf_free(m[k]);
		}
	}
	return refused;
}

// Memory is used again only when every worker passed a quiescent state: one that sleeps
// must be offline, and one that is back counts again.
static void test_offline(void **state)
{
	struct worker *other;
	struct worker_conf c;

	conf();
	rig.store_conf.ctx_count_max = 2;
	workerrig_open(&rig);
	c = rig.conf;
	c.idx = 1;
	other = worker_create(&c, rig.now_us);
	assert_non_null(other);
	worker_offline(other);
	assert_int_equal(store_many(rig.worker, 20000), 0);
	worker_online(other);
	worker_poll(other, rig.now_us);
	assert_true(store_many(rig.worker, 20000) > 0);
	worker_poll(other, rig.now_us);
	worker_poll(rig.worker, rig.now_us);
	assert_int_equal(store_many(rig.worker, 64), 0);
	worker_offline(other);
	assert_int_equal(store_many(rig.worker, 20000), 0);
	worker_offline(rig.worker);
	worker_online(rig.worker);
	assert_int_equal(store_many(rig.worker, 640), 0);
	worker_destroy(other, rig.now_us);
}

// ---- drain

static void test_drain(void **state)
{
	struct wclient c = {.port = 40000, .seq = 7}, late = {.port = 40001, .seq = 9};
	uint8_t flags = 0;

	connect_client(&c);
	assert_false(worker_is_drained(rig.worker));
	step(&c, wclient_tcp(&c, WCLIENT_PSH_ACK, "set a 0 0 5\r\nhel", 16), &flags);
	worker_drain(rig.worker, rig.now_us);
	rig.now_us += 20000;
	step(&late, wclient_tcp(&late, WCLIENT_SYN, "", 0), &flags);
	assert_int_equal(tcp_stat(TCP_STAT_drop_draining), 1);
	assert_int_equal(late.ack, 0);
	assert_string_equal(conn_state_name(worker_conns(rig.worker), 0), "conn_nread");
	assert_int_equal(step(&c, wclient_tcp(&c, WCLIENT_PSH_ACK, "lo\r\n", 4), &flags), 8);
	assert_int_equal(flags & 1, 0);
	rig.now_us += 20000;
	step(&c, wclient_tcp(&c, WCLIENT_ACK, "", 0), &flags);
	assert_int_equal(flags & 1, 1); // what was in flight is answered: FIN
	assert_false(worker_is_drained(rig.worker));
	step(&c, wclient_tcp(&c, WCLIENT_ACK, "", 0), &flags);
	assert_false(worker_is_drained(rig.worker));
	step(&c, wclient_tcp(&c, WCLIENT_FIN_ACK, "", 0), &flags);
	assert_true(worker_is_drained(rig.worker));
}

// Nobody is connected: drained as soon as what waits is sent.
static void test_drain_of_nothing(void **state)
{
	struct rte_mbuf *m = wclient_udp(5000, "get a\r\n");
	struct frame out[2];

	worker_drain(rig.worker, rig.now_us);
	assert_true(worker_is_drained(rig.worker));
	worker_input(rig.worker, &m, 1, rig.now_us);
	assert_false(worker_is_drained(rig.worker));
	assert_int_equal(take(out, 2), 1);
	assert_true(worker_is_drained(rig.worker));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
#define TEST_OWN(f) cmocka_unit_test_teardown(f, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_limits),
		TEST_OWN(test_smallest_receive_buffer),
		TEST(test_mixed_burst),
		TEST(test_take_tx),
		TEST(test_request_and_fin_in_one_burst),
		TEST_OWN(test_offline),
		TEST(test_drain),
		TEST(test_drain_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
