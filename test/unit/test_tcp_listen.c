// SPDX-License-Identifier: BSD-3-Clause
// LISTEN, CLOSED and SYN-RECEIVED: who gets a connection, an answer, a reset or silence
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#include "base/bytes.h"

#define SECOND 1000000u
#define START_US 7777777777ull

static void syn(struct tw *w)
{
	tw_in(w, "S 0:0(0) win 65535 <mss 1460>");
	tw_out(w, "S. 0:0(0) ack 1 win 32768 <mss 1460>");
}

static void handshake(void **state)
{
	struct tw w;
	struct tcp_peer peer;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>");
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_out(&w, "S. 0:0(0) ack 1 win 32768 <mss 1460,sackOK,TS val 0 ecr 0,wscale 0>");
	tw_none(&w);
	assert_null(w.f->tcb);
	tw_counts(&w, "syns_received");
	tw_in(&w, ". 1:1(0) ack 1 win 512");
	tw_none(&w);
	tw_events(&w, TCP_EV_NEW);
	tw_counts(&w, "accepted");
	assert_int_equal(tw_stat(&w, TCP_STAT_curr_connections), 1);
	peer = tcp_peer(w.f->tcb);
	assert_int_equal(peer.local_addr, FRAME_OUR_ADDR);
	assert_int_equal(peer.remote_addr, FRAME_PEER_ADDR);
	assert_int_equal(peer.local_port, FRAME_OUR_PORT);
	assert_int_equal(peer.remote_port, w.f->seg.peer_port);
	assert_int_equal(tw_info(&w).snd_wnd, 512 << 7);
	assert_int_equal(tw_info(&w).mss, 1448);
	assert_int_equal(tw_readable(&w), 0);
	tw_end(&w);
}

// RFC 9293 3.10.7.2.
static void listen_other_segments(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "R 0:0(0)");
	tw_none(&w);
	tw_in(&w, "R. 0:0(0) ack 7");
	tw_none(&w);
	tw_counts(&w, "drop_closed_port=2");
	tw_in(&w, ". 5:5(0) ack 700");
	tw_out(&w, "R 700:700(0) win 0");
	tw_in(&w, "S. 5:5(0) ack 700");
	tw_out(&w, "R 700:700(0) win 0");
	tw_in(&w, "FP. 5:9(4) ack -1");
	tw_out(&w, "R -1:-1(0) win 0");
	tw_counts(&w, "resets_sent=3 drop_closed_port=3");
	// RFC 9293 3.10.7.2 fourth: neither RST, ACK nor SYN: dropped.
	tw_in(&w, "P 5:9(4)");
	tw_in(&w, "F 5:5(0)");
	tw_none(&w);
	tw_counts(&w, "drop_flags=2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// RFC 9293 3.10.7.1.
static void closed_port(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	w.f->seg.our_port = 9;
	tw_in(&w, "R 0:0(0)");
	tw_in(&w, "R. 0:0(0) ack 7");
	tw_none(&w);
	tw_counts(&w, "drop_closed_port=2");
	tw_in(&w, ". 5:5(0) ack 700");
	tw_out(&w, "R 700:700(0) win 0");
	tw_in(&w, "S 0:0(0) <mss 1460>");
	tw_out(&w, "R. 0:0(0) ack 1 win 0");
	tw_in(&w, "S 0:10(10) <mss 1460>");
	tw_out(&w, "R. 0:0(0) ack 11 win 0");
	tw_counts(&w, "resets_sent=3 drop_closed_port=3");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

static void impossible_flags(void **state)
{
	static const char *const text[] = {"SF 0:0(0)", "SR 0:0(0)", "SFRP.UEW 0:0(0) ack 1",
		"- 0:0(0)", "- 0:5(5)", "SF. 0:0(0) ack 1", "SR. 0:0(0) ack 1", "U 0:4(4) urg 4"};
	struct tw w;

	tw_open(&w, NULL);
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		tw_in(&w, text[i]);
		tw_none(&w);
		assert_int_equal(w.result, TCP_STAT_drop_flags);
		tw_counts(&w, "drop_flags");
	}
	tw_end(&w);
}

static void port_zero(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	w.f->seg.peer_port = 0;
	tw_in(&w, "S 0:0(0) <mss 1460>");
	assert_int_equal(w.result, TCP_STAT_drop_header);
	tw_in(&w, ". 0:0(0) ack 5");
	w.f->seg.peer_port = 40000;
	w.f->seg.our_port = 0;
	tw_in(&w, "S 0:0(0) <mss 1460>");
	tw_none(&w);
	tw_counts(&w, "drop_header=3");
	tw_end(&w);
}

// Our first number for flow i of a fresh instance at this time.
static uint32_t isn_at(const struct tcp_conf *conf, uint64_t now_us, unsigned i)
{
	struct tw other;
	uint32_t isn;

	tw_open_at(&other, conf, now_us);
	tw_flow(&other, i);
	tw_in(&other, "S 0:0(0) <mss 1460>");
	assert_true(tw_take(&other));
	isn = other.got.seq;
	tw_end(&other);
	return isn;
}

// RFC 9293 3.4.1: a clock of 4 us and a keyed hash of the flow.
static void isn_clock_and_hash(void **state)
{
	struct tcp_conf conf;
	uint32_t first, third;

	tw_conf(&conf);
	first = isn_at(&conf, START_US, 0);
	assert_int_equal((uint32_t)(isn_at(&conf, START_US + 4, 0) - first), 1);
	assert_int_equal((uint32_t)(isn_at(&conf, START_US + SECOND, 0) - first), SECOND / 4);
	third = isn_at(&conf, START_US, 3);
	assert_int_not_equal(third, first);
	assert_int_not_equal(isn_at(&conf, START_US, 4) - third, third - first);
	conf.key.k0 ^= 1;
	assert_int_not_equal(isn_at(&conf, START_US, 0), first);
	conf.key.k0 ^= 1;
	conf.key.k1 ^= 1ull << 63;
	assert_int_not_equal(isn_at(&conf, START_US, 0), first);
}

static void syn_again_same_syn_ack(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_advance(&w, 300000);
	syn(&w); // tw_out compares with the number learned first
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_counts(&w, "syns_received retransmits");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_events(&w, TCP_EV_NEW);
	tw_end(&w);
}

static void syn_rcvd_bad_ack(void **state)
{
	static const int bad[] = {0, -1, 2, 1000, 0x7fffffff};
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_counts_reset(&w);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tw_inf(&w, ". 1:1(0) ack %d", bad[i]);
		tw_outf(&w, "R %d:%d(0) win 0", bad[i], bad[i]);
		tw_counts(&w, "resets_sent drop_ack_range");
	}
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_events(&w, TCP_EV_NEW);
	tw_none(&w);
	tw_end(&w);
}

// RFC 5961 3.2 holds in SYN-RECEIVED too (RFC 9293 3.10.7.4).
static void syn_rcvd_reset(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_counts_reset(&w);
	tw_in(&w, "R 0:0(0)"); // left of the window
	tw_in(&w, "R 32769:32769(0)"); // right of it
	tw_none(&w);
	tw_counts(&w, "drop_unacceptable=2");
	tw_in(&w, "R 2:2(0)");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_counts(&w, "challenge_acks drop_challenged");
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, "R 1:1(0)");
	tw_none(&w);
	tw_counts(&w, "resets_received");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_quiet(&w, 10 * SECOND); // and no SYN-ACK again
	assert_null(w.f->tcb);
	tw_end(&w);
}

// RFC 6298 2.1, 5.5: 1, 2, 4, 8, 16 s, then it is given up.
static void syn_ack_retransmission(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	for (uint64_t s = 1; s <= 16; s *= 2)
		tw_out_after(&w, s * SECOND, "S. 0:0(0) ack 1 win 32768 <mss 1460>");
	tw_quiet(&w, 31 * SECOND);
	tw_advance(&w, 2 * SECOND);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "syns_received retransmits=5 rto_expired=5 timed_out");
	tw_quiet(&w, 100 * SECOND);
	tw_end(&w);
}

// RFC 6298 5.7: the SYN-ACK timed out, so data starts with 3 s.
static void rto_after_syn_ack_timeout(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_out_after(&w, SECOND, "S. 0:0(0) ack 1 <mss 1460>");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_events(&w, TCP_EV_NEW);
	assert_int_equal(tw_info(&w).rto_us, 3 * SECOND);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_out_after(&w, 3 * SECOND, "P. 1:11(10) ack 1");
	tw_end(&w);
}

static void data_on_syn_is_not_acked(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:20(20) win 65535 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 win 32768 <mss 1460>");
	tw_in(&w, "P. 1:21(20) ack 1");
	tw_events(&w, TCP_EV_NEW | TCP_EV_DATA);
	tw_read(&w, 20);
	tw_end(&w);
}

static void data_completes_handshake(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_counts_reset(&w);
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_events(&w, TCP_EV_NEW | TCP_EV_DATA);
	tw_counts(&w, "accepted");
	tw_read(&w, 10);
	tw_write(&w, 4);
	tw_out(&w, "P. 1:5(4) ack 11");
	tw_end(&w);
}

static void fin_completes_handshake(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	syn(&w);
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 2");
	tw_events(&w, TCP_EV_NEW | TCP_EV_EOF);
	tw_state(&w, "CLOSE-WAIT");
	assert_true(tcp_at_eof(w.f->tcb));
	tw_close(&w);
	tw_out(&w, "F. 1:1(0) ack 2");
	tw_release(&w);
	tw_in(&w, ". 2:2(0) ack 2");
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

static void table_full(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.conn_count_max = 2;
	tw_open(&w, &conf);
	syn(&w);
	tw_flow(&w, 1);
	syn(&w);
	tw_counts_reset(&w);
	tw_flow(&w, 2);
	tw_in(&w, "S 0:0(0) <mss 1460>");
	tw_none(&w);
	assert_int_equal(w.result, TCP_STAT_drop_table_full);
	tw_counts(&w, "drop_table_full");
	tw_flow(&w, 0);
	tw_in(&w, "R 1:1(0)");
	tw_flow(&w, 2);
	syn(&w);
	tw_counts(&w, "resets_received syns_received");
	tw_end(&w);
}

static void draining(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tcp_set_draining(w.tcp, true);
	tw_flow(&w, 1);
	tw_in(&w, "S 0:0(0) <mss 1460>");
	tw_none(&w);
	tw_counts(&w, "drop_draining");
	tw_flow(&w, 0);
	tw_in(&w, "P. 1:4(3) ack 1");
	tw_read(&w, 3);
	tw_write(&w, 2);
	tw_out(&w, "P. 1:3(2) ack 4");
	tcp_set_draining(w.tcp, false);
	tw_flow(&w, 1);
	syn(&w);
	tw_counts(&w, "syns_received");
	tw_end(&w);
}

// B-18: what happens to one flow is not seen by another.
static void flows_are_apart(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1000,wscale 3");
	tw_flow(&w, 1);
	tw_connect(&w, TW_ALL);
	tw_flow(&w, 2);
	tw_in(&w, "R. 1:1(0) ack 63 win 63");
	tw_none(&w);
	tw_flow(&w, 1);
	tw_in(&w, "P. 1:101(100) ack 1 win 700");
	tw_flow(&w, 0);
	tw_in(&w, "P. 1:51(50) ack 1 win 300");
	tw_events(&w, TCP_EV_DATA);
	tw_read(&w, 50);
	assert_int_equal(tw_info(&w).snd_wnd, 300 << 3);
	assert_int_equal(tw_info(&w).mss, 1000);
	tw_flow(&w, 1);
	tw_events(&w, TCP_EV_DATA);
	tw_read(&w, 100);
	assert_int_equal(tw_info(&w).snd_wnd, 700 << 7);
	tw_in(&w, "R 101:101(0)");
	tw_events(&w, TCP_EV_GONE);
	tw_flow(&w, 0);
	tw_write(&w, 1);
	tw_out(&w, "P. 1:2(1) ack 51");
	tw_end(&w);
}

// MUST-2: silence, and the connection does not see it.
static void wrong_checksum(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) <mss 1460> badsum");
	tw_none(&w);
	assert_int_equal(w.result, -1);
	assert_int_equal(stat_read(&net_stats(w.net)[NET_STAT_drop_l4_cksum]), 1);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:11(10) ack 1 badsum");
	tw_in(&w, "R 1:1(0) badsum");
	tw_none(&w);
	assert_int_equal(w.result, -1);
	assert_int_equal(tw_readable(&w), 0);
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

// Input of a frame with another source address, behind a tag or not; the answer's frame.
static void answer_to(struct tw *w, const char *text, uint8_t mac_end, int vlan, struct frame *f)
{
	struct rte_mbuf *m;
	struct net_pkt pkt;
	struct seg s;

	seg_from_text(&s, text, &w->f->seg, SEG_PEER);
	seg_to_frame(&s, &w->f->seg, f);
	f->b[11] = mac_end;
	if (vlan)
		frame_add_tag(f, 0x8100, (uint16_t)vlan);
	m = frame_mbuf(f);
	assert_int_equal(net_input(w->net, &m, 1, &pkt, w->now_us), 1);
	tcp_input(w->tcp, &pkt, w->now_us);
	tw_loop(w);
	assert_int_equal(net_take_tx(w->net, &m, 1), 1);
	f->len = m->data_len;
	memcpy(f->b, rte_pktmbuf_mtod(m, void *), f->len);
	rte_pktmbuf_free(m);
}

// The router in front moved (VRRP), the tag changed: a connection follows, but not what
// is outside its window.
static void path_follows_the_peer(void **state)
{
	struct frame f;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	answer_to(&w, "P. 101:111(10) ack 1", 0x77, 0, &f);
	assert_int_equal(f.b[5], 0x77);
	assert_int_equal(load_be16(f.b + 12), 0x0800);
	answer_to(&w, "P. 201:211(10) ack 1", 0x78, 5, &f);
	assert_int_equal(f.b[5], 0x78);
	assert_int_equal(load_be32(f.b + 12), 0x81000005);
	answer_to(&w, "P. 90000:90010(10) ack 1", 0x79, 0, &f);
	assert_int_equal(f.b[5], 0x78);
	answer_to(&w, "P. 301:311(10) ack 1", frame_peer_mac[5], 0, &f);
	assert_memory_equal(f.b, frame_peer_mac, 6);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(listen_other_segments),
		cmocka_unit_test(closed_port),
		cmocka_unit_test(impossible_flags),
		cmocka_unit_test(port_zero),
		cmocka_unit_test(isn_clock_and_hash),
		cmocka_unit_test(syn_again_same_syn_ack),
		cmocka_unit_test(syn_rcvd_bad_ack),
		cmocka_unit_test(syn_rcvd_reset),
		cmocka_unit_test(syn_ack_retransmission),
		cmocka_unit_test(rto_after_syn_ack_timeout),
		cmocka_unit_test(data_on_syn_is_not_acked),
		cmocka_unit_test(data_completes_handshake),
		cmocka_unit_test(fin_completes_handshake),
		cmocka_unit_test(table_full),
		cmocka_unit_test(draining),
		cmocka_unit_test(flows_are_apart),
		cmocka_unit_test(wrong_checksum),
		cmocka_unit_test(path_follows_the_peer),
	};

	return tw_run_group("tcp listen", tests, sizeof(tests) / sizeof(tests[0]));
}
