// SPDX-License-Identifier: BSD-3-Clause
// Steering by hash: who gets what, whose hash, full rings, order
// support: steerfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/eal.h"
#include "net/net.h"
#include "steer/move.h"
#include "support/steerfix.h"

static struct steer_tuple tuple_of(uint16_t src_port)
{
	return (struct steer_tuple){FRAME_PEER_ADDR, FRAME_OUR_ADDR, src_port, FRAME_OUR_PORT};
}

static void flows_follow_the_table(void **state)
{
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 7, 64);
	fix.conf.misc_worker = 6;
	steerfix_open(&fix);
	for (uint16_t port = 1; port < 400; port++) {
		struct steer_tuple flow = tuple_of(port);
		unsigned want = steerfix_bucket_worker(&fix, &flow);

		frame_tcp(&f, port, FRAME_OUR_PORT, 0x10, "abc", 3);
		assert_int_equal(steerfix_one(&fix, &f), want);
		frame_udp(&f, port, FRAME_OUR_PORT, "abc", 3);
		assert_int_equal(steerfix_one(&fix, &f), want);
		frame_add_tag(&f, 0x8100, 5);
		assert_int_equal(steerfix_one(&fix, &f), want);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_sw_hash), 3 * 399);
	steerfix_close(&fix);
}

static void buckets_can_move(void **state)
{
	struct steer_tuple flow = tuple_of(77);
	struct steerfix fix;
	struct frame f;
	unsigned bucket;

	steerfix_conf(&fix, 3, 64);
	steerfix_open(&fix);
	frame_udp(&f, 77, FRAME_OUR_PORT, NULL, 0);
	bucket = steer_toeplitz(&fix.toeplitz, &flow) % STEER_BUCKETS;
	for (unsigned w = 0; w < 3; w++) {
		steer_table_set(fix.table, bucket, w);
		assert_int_equal(steerfix_one(&fix, &f), w);
	}
	steerfix_close(&fix);
}

static void the_rest_goes_to_misc(void **state)
{
	struct steerfix fix;
	struct frame f;
	uint64_t count = 0;

	steerfix_conf(&fix, 4, 64);
	fix.conf.misc_worker = 2;
	steerfix_open(&fix);
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	assert_int_equal(steerfix_one(&fix, &f), 2);
	frame_icmp(&f, 8, 0, 30); // echo
	assert_int_equal(steerfix_one(&fix, &f), 2);
	frame_icmp(&f, 3, 3, 10); // an error too short to tell
	assert_int_equal(steerfix_one(&fix, &f), 2);
	frame_tcp(&f, 1, 2, 2, "x", 1); // a fragment
	store_be16(f.b + f.l3 + 6, 0x2000);
	assert_int_equal(steerfix_one(&fix, &f), 2);
	frame_ip4(&f, 47, "0123456789abcdef", 16);
	assert_int_equal(steerfix_one(&fix, &f), 2);
	frame_udp(&f, 1, 2, "x", 1);
	store_be16(f.b + 12, 0x86dd);
	assert_int_equal(steerfix_one(&fix, &f), 2);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_to_misc), 6);
	// Cut anywhere.
	frame_tcp(&f, 1, 2, 2, NULL, 0);
	for (size_t len = 0; len < f.len; len++, count++)
		assert_int_equal(steerfix_one_mbuf(&fix, frame_mbuf_bytes(f.b, len)), 2);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_to_misc), count);
	steerfix_close(&fix);
}

static unsigned one_hashed(struct steerfix *fix, const struct frame *f, uint32_t hash)
{
	struct rte_mbuf *m = frame_mbuf(f);

	m->hash.rss = hash;
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	return steerfix_one_mbuf(fix, m);
}

static void hash_of_the_nic(void **state)
{
	struct steer_tuple flow = tuple_of(9);
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 5, 64);
	fix.conf.use_nic_hash = true;
	fix.conf.misc_worker = 4;
	steerfix_open(&fix);
	frame_tcp(&f, 9, FRAME_OUR_PORT, 2, NULL, 0);
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(one_hashed(&fix, &f, 0xabcd0000 + i),
			steer_table_get(fix.table, i % STEER_BUCKETS));
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_nic_hash), 600);
	// Without the flag, in software.
	assert_int_equal(steerfix_one(&fix, &f), steerfix_bucket_worker(&fix, &flow));
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_sw_hash), 1);
	// A NIC hashes the addresses of ICMP and fragments too: not a flow of ours.
	frame_icmp(&f, 8, 0, 30);
	assert_int_equal(one_hashed(&fix, &f, 0), 4);
	frame_tcp(&f, 9, FRAME_OUR_PORT, 2, NULL, 0);
	store_be16(f.b + f.l3 + 6, 1);
	assert_int_equal(one_hashed(&fix, &f, 0), 4);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_to_misc), 2);
	steerfix_close(&fix);
}

static void hash_of_the_nic_only_when_told(void **state)
{
	struct steer_tuple flow = tuple_of(9);
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 5, 64);
	steerfix_open(&fix);
	frame_tcp(&f, 9, FRAME_OUR_PORT, 2, NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(one_hashed(&fix, &f, i), steerfix_bucket_worker(&fix, &flow));
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_sw_hash), 5);
	steerfix_close(&fix);
}

// With the NIC's packet type the headers are not read: here they are noise.
static void packet_type_of_the_nic(void **state)
{
	static const struct {
		uint32_t type;
		bool trusted;
	} row[] = {
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP, true},
		{RTE_PTYPE_L2_ETHER_VLAN | RTE_PTYPE_L3_IPV4_EXT_UNKNOWN | RTE_PTYPE_L4_UDP, true},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4_EXT | RTE_PTYPE_L4_UDP, true},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_FRAG, false},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_ICMP, false},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_SCTP, false},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4, false},
		{RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV6 | RTE_PTYPE_L4_TCP, false},
		{RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP | RTE_PTYPE_TUNNEL_GRE, false},
		{0, false},
	};
	struct steerfix fix;

	steerfix_conf(&fix, 5, 64);
	fix.conf.use_nic_hash = true;
	steerfix_open(&fix);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct rte_mbuf *m = frame_mbuf_bytes("noise", 5);

		m->packet_type = row[i].type;
		m->hash.rss = 13; // bucket 13: worker 3
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		assert_int_equal(steerfix_one_mbuf(&fix, m), row[i].trusted ? 3 : 0);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_nic_hash), 3);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_to_misc), 7);
	steerfix_close(&fix);
}

static void hash_is_left_in_the_mbuf(void **state)
{
	struct steer_tuple flow = tuple_of(4242);
	struct rte_mbuf *m, *out;
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 1, 64);
	steerfix_open(&fix);
	frame_udp(&f, 4242, FRAME_OUR_PORT, "x", 1);
	m = frame_mbuf(&f);
	steer_burst(fix.steer, &m, 1, 0);
	assert_int_equal(steerfix_take(&fix, 0, &out, 1), 1);
	assert_true(out->ol_flags & RTE_MBUF_F_RX_RSS_HASH);
	assert_int_equal(out->hash.rss, steer_toeplitz(&fix.toeplitz, &flow));
	rte_pktmbuf_free(out);
	steerfix_close(&fix);
}

// An ICMP error about a packet of ours, inside a frame from some router.
static void error_about(struct frame *f, const struct frame *about, uint8_t type)
{
	uint8_t icmp[64] = {type, 1};

	memcpy(icmp + 8, about->b + about->l3, 28);
	frame_ip4(f, 1, icmp, 36);
	frame_set_addrs(f, 0x0a0000fe, FRAME_OUR_ADDR);
}

static void icmp_errors_go_where_their_flow_is(void **state)
{
	struct frame f, sent;
	struct steerfix fix;

	steerfix_conf(&fix, 8, 64);
	steerfix_open(&fix);
	for (uint16_t port = 1; port < 200; port++) {
		struct steer_tuple flow = tuple_of(port);
		unsigned want = steerfix_bucket_worker(&fix, &flow);

		if (port & 1)
			frame_tcp(&sent, FRAME_OUR_PORT, port, 0x10, "x", 1);
		else
			frame_udp(&sent, FRAME_OUR_PORT, port, "x", 1);
		frame_set_addrs(&sent, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
		error_about(&f, &sent, port & 2 ? 3 : 11);
		assert_int_equal(steerfix_one(&fix, &f), want);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_icmp_flow), 199);
	// What lies past the IP packet is padding, though it looks like the rest of a quote.
	store_be16(f.b + f.l3 + 2, 20 + 8 + 20 + 7);
	assert_int_equal(steerfix_one(&fix, &f), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_to_misc), 1);
	steerfix_close(&fix);
}

static void frames_in_several_segments(void **state)
{
	struct steer_tuple flow = tuple_of(31);
	struct steerfix fix;
	uint8_t data[3000];
	struct frame f;

	steerfix_conf(&fix, 8, 64);
	steerfix_open(&fix);
	memset(data, 'j', sizeof(data));
	frame_tcp(&f, 31, FRAME_OUR_PORT, 0x10, data, sizeof(data));
	for (size_t cut = 1500; cut < 2000; cut += 100)
		assert_int_equal(steerfix_one_mbuf(&fix, frame_mbuf_split(&f, cut)),
			steerfix_bucket_worker(&fix, &flow));
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_sw_hash), 5);
	// Too few bytes in the first one to look at: misc_worker makes it one segment.
	frame_tcp(&f, 31, FRAME_OUR_PORT, 0x10, data, 500);
	for (size_t cut = 0; cut < 98; cut++)
		assert_int_equal(steerfix_one_mbuf(&fix, frame_mbuf_split(&f, cut)), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_to_misc), 98);
	steerfix_close(&fix);
}

static void full_rings_drop_the_newest(void **state)
{
	struct rte_mbuf *m[40], *out[64];
	struct steerfix fix;
	struct frame f;
	uint16_t port = 1;

	steerfix_conf(&fix, 2, 32); // 31 fit
	steerfix_open(&fix);
	for (unsigned i = 0; i < 40; i++) {
		struct steer_tuple flow;

		do
			flow = tuple_of(port++);
		while (steerfix_bucket_worker(&fix, &flow) != 1);
		frame_udp(&f, flow.src_port, FRAME_OUR_PORT, NULL, 0);
		m[i] = frame_mbuf(&f);
	}
	steer_burst(fix.steer, m, 25, 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_drop_ring_full), 0);
	steer_burst(fix.steer, m + 25, 15, 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_drop_ring_full), 9);
	assert_int_equal(steer_ring_full(fix.steer, 1), 9);
	assert_int_equal(steer_ring_full(fix.steer, 0), 0);
	assert_int_equal(eal_pool_in_use(), fix.mbufs_before + 31);
	assert_int_equal(steerfix_take(&fix, 1, out, 64), 31);
	for (unsigned i = 0; i < 31; i++)
		assert_ptr_equal(out[i], m[i]);
	rte_pktmbuf_free_bulk(out, 31);
	steerfix_close(&fix);
}

static void whole_bursts_keep_their_order(void **state)
{
	unsigned got = 0, next[STEER_WORKERS_MAX] = {0};
	struct rte_mbuf *m[STEER_BURST_MAX], *out[512];
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, STEER_WORKERS_MAX, 512);
	steerfix_open(&fix);
	for (unsigned burst = 0; burst < 8; burst++) {
		for (unsigned i = 0; i < STEER_BURST_MAX; i++) {
			frame_udp(&f, (uint16_t)(1 + i * 7 % 50), FRAME_OUR_PORT, "1234", 4);
			store_be32(f.b + f.len - 4, burst * STEER_BURST_MAX + i);
			m[i] = frame_mbuf(&f);
		}
		steer_burst(fix.steer, m, STEER_BURST_MAX, 0);
	}
	for (unsigned w = 0; w < STEER_WORKERS_MAX; w++) {
		unsigned n = steerfix_take(&fix, w, out, 512);

		for (unsigned i = 0; i < n; i++) {
			unsigned number = load_be32(rte_pktmbuf_mtod_offset(out[i], void *, 42));

			assert_true(number >= next[w]);
			next[w] = number + 1;
			rte_pktmbuf_free(out[i]);
		}
		got += n;
	}
	assert_int_equal(got, 8 * STEER_BURST_MAX);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_rx_bursts), 8);
	steer_burst(fix.steer, NULL, 0, 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_empty_bursts), 1);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_rx_bursts), 8);
	steerfix_close(&fix);
}

static void create_refuses_bad_configuration(void **state)
{
	struct steer_conf bad;
	struct steer_table *other;
	struct steerfix fix;

	steerfix_conf(&fix, 2, 64);
	steerfix_open(&fix);
	other = steer_table_create(3);
#define REFUSES(tab, change) \
	do { \
		bad = fix.conf; \
		change; \
		assert_null(steer_create(&bad, tab)); \
	} while (0)
	REFUSES(fix.table, bad.worker_count = 0);
	REFUSES(fix.table, bad.worker_count = STEER_WORKERS_MAX + 1);
	REFUSES(fix.table, bad.misc_worker = 2);
	REFUSES(fix.table, bad.ring[1] = NULL);
	REFUSES(NULL, (void)0);
	REFUSES(other, (void)0); // a table for more workers than there are
	REFUSES(fix.table, bad.policy = STEER_ROUNDROBIN; bad.flow_count_max = 0);
	REFUSES(fix.table, bad.policy = STEER_ROUNDROBIN; bad.flow_count_max = STEER_FLOWS_MAX + 1);
#undef REFUSES
	steer_table_destroy(other);
	steerfix_close(&fix);
}

static void rings(void **state)
{
	struct rte_ring *r;

	eal_once();
	assert_null(steer_ring_create("r", 0, SOCKET_ID_ANY));
	assert_null(steer_ring_create("r", 1u << 21, SOCKET_ID_ANY));
	assert_null(steer_closed_ring_create("r", 1, SOCKET_ID_ANY));
	r = steer_ring_create("r", 100, SOCKET_ID_ANY);
	assert_non_null(r);
	assert_int_equal(rte_ring_get_capacity(r), 127);
	assert_int_equal(rte_ring_is_prod_single(r), 1);
	assert_int_equal(rte_ring_is_cons_single(r), 1);
	assert_null(steer_ring_create("r", 100, SOCKET_ID_ANY));
	rte_ring_free(r);
}

// Waits are counted per run of equal stamps; a stamp a little ahead of the worker's clock is no
// wait, and the clock's low half may wrap.
static void waits_are_counted(void **state)
{
	static const uint32_t stamp_ns[] = {UINT32_MAX - 99, UINT32_MAX - 99, 50, 50, 50, 400};
	static struct latency wait;
	struct rte_mbuf *m[8];
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 1, 64);
	steerfix_open(&fix);
	frame_tcp(&f, 9, FRAME_OUR_PORT, 2, NULL, 0);
	for (unsigned i = 0; i < 6; i++) {
		m[0] = frame_mbuf(&f);
		steer_burst(fix.steer, m, 1, stamp_ns[i]);
	}
	assert_int_equal(steer_take(fix.conf.ring[0], m, 4, 300, &wait), 4);
	assert_int_equal(latency_count(&wait), 4);
	assert_int_equal(stat_read(&wait.sum_ns), 2 * 400 + 2 * 250);
	assert_true(m[3]->ol_flags & NET_MBUF_STEERED);
	rte_pktmbuf_free_bulk(m, 4);
	assert_int_equal(steer_take(fix.conf.ring[0], m, 8, 300, &wait), 2);
	assert_int_equal(latency_count(&wait), 6);
	assert_int_equal(stat_read(&wait.sum_ns), 2 * 400 + 3 * 250 + 0);
	rte_pktmbuf_free_bulk(m, 2);
	assert_int_equal(steer_take(fix.conf.ring[0], m, 8, 300, &wait), 0);
	assert_int_equal(latency_count(&wait), 6);
	steerfix_close(&fix);
}

// A worker that receives gets its own frames back, in order, and the others theirs by ring; its
// own ring is never used, and may be absent.
static void own_frames_come_back(void **state)
{
	struct rte_mbuf *m[STEER_BURST_MAX], *sent[STEER_BURST_MAX], *out[STEER_BURST_MAX];
	unsigned own, expected[4] = {0}, next = 0;
	struct rte_ring *ring;
	struct steerfix fix;
	struct frame f;

	steerfix_conf(&fix, 4, 128);
	fix.conf.keeps_own = true;
	fix.conf.own_worker = 2;
	ring = fix.conf.ring[2];
	fix.conf.ring[2] = NULL;
	steerfix_open(&fix);
	for (unsigned i = 0; i < STEER_BURST_MAX; i++) {
		frame_udp(&f, (uint16_t)(5000 + i), FRAME_OUR_PORT, "12345678get a\r\n", 15);
		m[i] = sent[i] = frame_mbuf(&f);
		expected[steer_table_get(
			fix.table, steer_toeplitz(&fix.toeplitz,
					   &(struct steer_tuple){FRAME_PEER_ADDR, FRAME_OUR_ADDR,
						   (uint16_t)(5000 + i), FRAME_OUR_PORT}) %
					   STEER_BUCKETS)]++;
	}
	own = steer_burst(fix.steer, m, STEER_BURST_MAX, 0);
	assert_int_equal(own, expected[2]);
	assert_in_range(own, 1, STEER_BURST_MAX - 1);
	for (unsigned i = 0; i < own; i++, next++)
		while (sent[next] != m[i])
			assert_in_range(++next, 0, STEER_BURST_MAX - 1);
	rte_pktmbuf_free_bulk(m, own);
	fix.conf.ring[2] = ring;
	for (unsigned w = 0; w < 4; w++) {
		unsigned n = steerfix_take(&fix, w, out, STEER_BURST_MAX);

		assert_int_equal(n, w == 2 ? 0 : expected[w]);
		rte_pktmbuf_free_bulk(out, n);
	}
	// A burst without any of its own.
	frame_arp(&f, 1, FRAME_PEER_ADDR, FRAME_OUR_ADDR);
	m[0] = frame_mbuf(&f);
	assert_int_equal(steer_burst(fix.steer, m, 1, 0), 0);
	assert_int_equal(steer_burst(fix.steer, m, 0, 0), 0);
	steerfix_close(&fix);
}

static void own_worker_limits(void **state)
{
	struct rte_ring *ring;
	struct steerfix fix;

	steerfix_conf(&fix, 2, 64);
	steerfix_open(&fix);
	ring = fix.conf.ring[1];
	fix.conf.ring[1] = NULL;
	assert_null(steer_create(&fix.conf, fix.table));
	fix.conf.keeps_own = true;
	assert_null(steer_create(&fix.conf, fix.table)); // of worker 0: the other has no ring
	fix.conf.own_worker = 2;
	assert_null(steer_create(&fix.conf, fix.table));
	fix.conf.ring[1] = ring;
	assert_null(steer_create(&fix.conf, fix.table));
	steerfix_close(&fix);
}

static unsigned one_udp(struct steerfix *fix, uint16_t port, const char *payload, bool nic_knows)
{
	struct rte_mbuf *m;
	struct frame f;
	char text[64];
	int n = snprintf(text, sizeof(text), "12%c%c%c\1%c%c%s", 0, 0, 0, 0, 0, payload);

	frame_udp(&f, port, FRAME_OUR_PORT, text, (size_t)n);
	m = frame_mbuf(&f);
	if (nic_knows) {
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_UDP;
	}
	return steerfix_one_mbuf(fix, m);
}

// One client's gets use all workers, whoever hashes flows; the same key comes to the same worker
// from every client; what is no plain get goes by its flow.
static void gets_by_key(void **state)
{
	struct steer_tuple flow = tuple_of(7);
	unsigned seen[4] = {0}, w;
	struct steerfix fix;
	struct rte_mbuf *m;
	struct frame f;
	char line[32], text[100];

	steerfix_conf(&fix, 4, 64);
	fix.conf.use_nic_hash = true;
	fix.conf.udp_by_key = true;
	steerfix_open(&fix);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(line, sizeof(line), "get key-%u\r\n", i);
		w = one_udp(&fix, 7, line, false);
		seen[w]++;
		assert_int_equal(one_udp(&fix, (uint16_t)(8 + i), line, true), w);
		snprintf(line, sizeof(line), "gets key-%u more\n", i);
		assert_int_equal(one_udp(&fix, 7, line, false), w);
	}
	for (w = 0; w < 4; w++)
		assert_in_range(seen[w], 60, 140);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_key), 1200);
	w = steerfix_bucket_worker(&fix, &flow);
	assert_int_equal(one_udp(&fix, 7, "set key-1 0 0 1\r\nx\r\n", false), w);
	assert_int_equal(one_udp(&fix, 7, "get key-1\r\nget key-2\r\n", false), w);
	assert_int_equal(one_udp(&fix, 7, "get", false), w);
	frame_udp(&f, 7, FRAME_OUR_PORT, "", 0);
	assert_int_equal(steerfix_one(&fix, &f), w);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_sw_hash), 4);
	// A datagram that is not whole in the first segment is not looked into.
	memset(text, 'k', sizeof(text));
	memcpy(text, "12\0\0\0\1\0\0get ", 12);
	memcpy(text + sizeof(text) - 2, "\r\n", 2);
	frame_udp(&f, 7, FRAME_OUR_PORT, text, sizeof(text));
	steerfix_one(&fix, &f);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_key), 1);
	m = frame_mbuf(&f);
	m->data_len -= 4;
	steerfix_one_mbuf(&fix, m);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_by_key), 0);
	steerfix_close(&fix);
}

// From the busiest to the idlest, the largest share that does not turn them round.
static void which_bucket_moves(void **state)
{
	struct steer_table *table = steer_table_create(3);
	static uint64_t load[STEER_BUCKETS];
	static bool skip[STEER_BUCKETS];
	uint32_t bucket, from, to;

	assert_false(steer_choose(table, load, skip, &bucket, &from, &to)); // nothing at all
	// Worker 0: 500 + 450 + 250 + 50, worker 1: 400, worker 2: 600.
	load[3] = 500;
	load[18] = 450;
	load[6] = 250;
	load[9] = 50;
	load[1] = 400;
	load[2] = 600;
	assert_true(steer_choose(table, load, skip, &bucket, &from, &to));
	assert_int_equal(bucket, 6); // half of the difference is 425
	assert_int_equal(from, 0);
	assert_int_equal(to, 1);
	skip[6] = true;
	assert_true(steer_choose(table, load, skip, &bucket, &from, &to));
	assert_int_equal(bucket, 9);
	skip[9] = true;
	assert_false(steer_choose(table, load, skip, &bucket, &from, &to));
	skip[6] = skip[9] = false;
	steer_table_set(table, 6, 1);
	steer_table_set(table, 9, 1);
	// 950, 700, 600: more than 1.2 times the mean, but nothing is small enough.
	assert_false(steer_choose(table, load, skip, &bucket, &from, &to));
	// 360, 270, 270: just 1.2 times.
	load[3] = 320;
	load[12] = 40;
	load[6] = load[9] = load[18] = 0;
	load[1] = load[2] = 270;
	assert_false(steer_choose(table, load, skip, &bucket, &from, &to));
	load[3]++;
	assert_true(steer_choose(table, load, skip, &bucket, &from, &to));
	assert_int_equal(bucket, 12);
	steer_table_destroy(table);
}

static void moves_need_one_hash(void **state)
{
	struct steer_table *table = steer_table_create(2);
	struct steerfix fix;
	uint64_t load[STEER_BUCKETS];
	struct frame f;

	steerfix_conf(&fix, 2, 64);
	fix.conf.moves = true;
	fix.conf.policy = STEER_ROUNDROBIN;
	assert_null(steer_create(&fix.conf, table));
	fix.conf.policy = STEER_HASH;
	fix.conf.keeps_own = true;
	assert_null(steer_create(&fix.conf, table));
	fix.conf.keeps_own = false;
	steer_table_destroy(table);
	steerfix_open(&fix);
	frame_udp(&f, 9, FRAME_OUR_PORT, "12345678get a\r\n", 15);
	for (unsigned i = 0; i < 5; i++)
		steerfix_one(&fix, &f);
	steer_bucket_loads(fix.steer, load);
	assert_int_equal(
		load[steer_toeplitz(&fix.toeplitz, &(struct steer_tuple){FRAME_PEER_ADDR,
							   FRAME_OUR_ADDR, 9, FRAME_OUR_PORT}) %
			STEER_BUCKETS],
		5);
	steerfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_follow_the_table),
		cmocka_unit_test(buckets_can_move),
		cmocka_unit_test(the_rest_goes_to_misc),
		cmocka_unit_test(hash_of_the_nic),
		cmocka_unit_test(hash_of_the_nic_only_when_told),
		cmocka_unit_test(packet_type_of_the_nic),
		cmocka_unit_test(hash_is_left_in_the_mbuf),
		cmocka_unit_test(icmp_errors_go_where_their_flow_is),
		cmocka_unit_test(frames_in_several_segments),
		cmocka_unit_test(full_rings_drop_the_newest),
		cmocka_unit_test(whole_bursts_keep_their_order),
		cmocka_unit_test(create_refuses_bad_configuration),
		cmocka_unit_test(rings),
		cmocka_unit_test(waits_are_counted),
		cmocka_unit_test(own_frames_come_back),
		cmocka_unit_test(own_worker_limits),
		cmocka_unit_test(gets_by_key),
		cmocka_unit_test(which_bucket_moves),
		cmocka_unit_test(moves_need_one_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
