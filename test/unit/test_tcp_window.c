// SPDX-License-Identifier: BSD-3-Clause
// Windows: zero-window probes, shrinking, silly window avoidance on both sides, keepalive
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u
#define MSS 1460u

// A connection with data queued behind a closed window; RTO 300 ms.
static void closed_window(struct tw *w)
{
	tw_open(w, NULL);
	tw_in(w, "S 0:0(0) win 65535 <mss 1460>");
	tw_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	tw_advance(w, 100 * MS);
	tw_in(w, ". 1:1(0) ack 1 win 0");
	tw_events(w, TCP_EV_NEW);
	tw_write(w, 1000);
	tw_none(w);
	tw_counts_reset(w);
}

// RFC 9293 3.8.6.1: first after one RTO, then exponentially; MUST-35, 36, 37.
static void zero_window_probes(void **state)
{
	struct tw w;

	closed_window(&w);
	for (unsigned i = 0; i < 6; i++) {
		tw_out_after(&w, (300ull << i) * MS, ". 1:2(1) ack 1");
		tw_in(&w, ". 1:1(0) ack 1 win 0");
		tw_none(&w);
	}
	tw_counts(&w, "zero_window_probes=6");
	tw_in(&w, ". 1:1(0) ack 1 win 5000");
	tw_out(&w, "P. 1:1001(1000) ack 1");
	tw_none(&w);
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS); // a probe unanswered is no loss
	tw_in(&w, ". 1:1(0) ack 1001 win 5000");
	tw_quiet(&w, 100 * SECOND);
	tw_counts(&w, "");
	tw_end(&w);
}

// MUST-37: answered probes keep it open, however long; the interval is bounded.
static void zero_window_for_an_hour(void **state)
{
	unsigned probes = 0;
	uint64_t start, last;
	struct tw w;

	closed_window(&w);
	start = last = w.now_us;
	while (w.now_us - start < 3600ull * SECOND) {
		tw_advance(&w, SECOND);
		if (!tw_take(&w))
			continue;
		assert_in_range(w.now_us - last, 0, 62ull * SECOND);
		last = w.now_us;
		probes++;
		tw_in(&w, ". 1:1(0) ack 1 win 0");
	}
	assert_in_range(probes, 60, 80);
	tw_state(&w, "ESTABLISHED");
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 0);
	tw_in(&w, ". 1:1(0) ack 1 win 65535");
	tw_out(&w, "P. 1:1001(1000) ack 1");
	tw_end(&w);
}

static void unanswered_probes_give_up(void **state)
{
	uint64_t start;
	struct tw w;

	closed_window(&w);
	start = w.now_us;
	while (!(w.f->events & TCP_EV_GONE) && w.now_us < start + 400 * SECOND) {
		tw_advance(&w, 100 * MS);
		tw_drain(&w);
	}
	tw_events(&w, TCP_EV_GONE);
	assert_in_range((w.now_us - start) / SECOND, 100, 240);
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 1);
	tw_end(&w);
}

// A closed and released connection does not live on answered probes: R2 bounds it.
static void orphan_behind_zero_window(void **state)
{
	uint64_t start;
	struct tw w;

	closed_window(&w);
	tw_close(&w);
	tw_release(&w);
	start = w.now_us;
	while (tcp_conn_count(w.tcp) > 0 && w.now_us - start < 3600ull * SECOND) {
		tw_advance(&w, SECOND);
		if (tw_take(&w) && tcp_conn_count(w.tcp) > 0)
			tw_in(&w, ". 1:1(0) ack 1 win 0");
	}
	assert_in_range((w.now_us - start) / SECOND, 60, 240);
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 1);
	tw_end(&w);
}

// B-16: the update that opens the window is lost; the answer to a probe carries it.
static void window_update_lost(void **state)
{
	struct tw w;

	closed_window(&w);
	tw_out_after(&w, 300 * MS, ". 1:2(1) ack 1");
	tw_in(&w, ". 1:1(0) ack 2 win 3000"); // the probe's octet was taken
	tw_out(&w, "P. 2:1001(999) ack 1");
	tw_in(&w, ". 1:1(0) ack 1001 win 3000");
	tw_quiet(&w, 10 * SECOND);
	tw_counts(&w, "zero_window_probes");
	tw_end(&w);
}

// The window closes on data in flight that the peer has; then nothing is to be probed.
static void window_closes_behind_data(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 100);
	tw_out(&w, "P. 1:101(100) ack 1");
	tw_in(&w, ". 1:1(0) ack 101 win 0");
	tw_quiet(&w, 100 * SECOND);
	tw_write(&w, 50);
	tw_none(&w);
	tw_out_within(&w, 190 * MS, 210 * MS, ". 101:102(1) ack 1");
	tw_counts(&w, "zero_window_probes");
	tw_end(&w);
}

// RFC 9293 3.8.6 SHLD-15, 16, MUST-34: shrunk: no new data, the old is sent again, no end.
static void peer_shrinks_window(void **state)
{
	unsigned again = 0;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 4 * MSS);
	assert_int_equal(tw_drain(&w), 4);
	tw_write(&w, 10);
	tw_drain(&w);
	tw_in(&w, ". 1:1(0) ack 1 win 500");
	tw_write(&w, MSS);
	tw_none(&w);
	for (unsigned i = 0; i < 200; i++) {
		tw_advance(&w, SECOND);
		while (tw_take(&w)) {
			assert_true(w.got.seq + w.got.len - w.f->seg.our_isn <= 1 + 4 * MSS + 10);
			assert_true(w.got.len <= 500);
			again += w.got.seq == w.f->seg.our_isn + 1;
		}
		tw_in(&w, ". 1:1(0) ack 1 win 500");
		tw_drain(&w);
	}
	assert_true(again >= 5);
	tw_in(&w, ". 1:1(0) ack 1 win 65535");
	for (unsigned i = 0; i < 20; i++) {
		tw_advance(&w, 61 * SECOND);
		while (tw_take(&w)) {
		}
		tw_inf(&w, ". 1:1(0) ack %u", w.got.seq + w.got.len - w.f->seg.our_isn);
	}
	assert_int_equal(tcp_send_queue(w.f->tcb)->len, 0);
	tw_end(&w);
}

// W2, MUST-38: a window of less than a segment with more queued does not stall: after the
// override time what fits is sent.
static void small_window_override(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 100");
	tw_write(&w, 1000);
	tw_none(&w);
	tw_out_within(&w, 99 * MS, 1001 * MS, ". 1:101(100) ack 1");
	tw_in(&w, ". 1:1(0) ack 101 win 100");
	tw_out_within(&w, 99 * MS, 1001 * MS, ". 101:201(100) ack 1");
	tw_in(&w, ". 1:1(0) ack 201 win 5000");
	tw_out(&w, "P. 201:1001(800) ack 1");
	tw_counts(&w, "");
	tw_end(&w);
}

// RFC 9293 3.8.6.2.1: all that is queued fits: at once, small as it is.
static void small_window_that_fits(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 100");
	tw_write(&w, 100);
	tw_out(&w, "P. 1:101(100) ack 1");
	tw_none(&w);
	tw_end(&w);
}

// A peer whose largest window is below our MSS: half of it is enough.
static void half_of_the_largest_window(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) win 1000 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460>");
	tw_in(&w, ". 1:1(0) ack 1 win 1000");
	tw_write(&w, 5000);
	tw_out(&w, ". 1:1001(1000) ack 1");
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1001 win 500");
	tw_out(&w, ". 1001:1501(500) ack 1");
	tw_in(&w, ". 1:1(0) ack 1501 win 499");
	tw_none(&w);
	tw_end(&w);
}

// SHLD-14, MUST-39: the right edge is where it was announced until it can jump.
static void right_edge(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned n = 1; n <= 32768; n += 1024)
		tw_inf(&w, "P. %u:%u(1024) ack 1", n, n + 1024);
	tw_advance(&w, 50 * MS);
	tw_drain(&w);
	assert_int_equal(w.got.win, 0);
	tw_counts_reset(&w);
	tw_read(&w, 100); // less than min(MSS, half the buffer): silence
	tw_quiet(&w, SECOND);
	tw_read(&w, 1359);
	tw_quiet(&w, SECOND);
	tw_read(&w, 1);
	tw_out(&w, ". 1:1(0) ack 32769 win 1460");
	tw_none(&w);
	tw_in(&w, "P. 32769:34229(1460) ack 1");
	tw_read(&w, 2000);
	tw_advance(&w, 50 * MS);
	tw_drain(&w);
	assert_int_equal(w.got.win, 2000);
	tw_counts(&w, "");
	tw_end(&w);
}

// What is read at once keeps the window where it is: no update for each read.
static void window_field_follows_reads(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:1001(1000) ack 1");
	tw_write(&w, 1);
	tw_out(&w, "P. 1:2(1) ack 1001 win 31768"); // 1000 unread
	tw_read(&w, 1000);
	tw_none(&w);
	tw_in(&w, "P. 1001:1101(100) ack 2");
	tw_read(&w, 100);
	tw_write(&w, 1);
	tw_out(&w, "P. 2:3(1) ack 1101"); // 31668 or 32768: never less
	assert_in_range(w.got.win, 31668, 32768);
	tw_end(&w);
}

// B-22: the window reaches over 2^32.
static void large_window(void **state)
{
	struct tcp_conf conf;
	unsigned at = 1;
	struct tw w;

	tw_conf(&conf);
	conf.rcv_buf_size = 1 << 20;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460,wscale 7");
	for (unsigned i = 0; i < 2000; i++, at += 1460) {
		tw_inf(&w, ". %u:%u(1460) ack 1 win 512", at, at + 1460);
		if (i % 8 == 7)
			tw_read(&w, tw_readable(&w));
		tw_drain(&w);
	}
	tw_counts(&w, "");
	assert_int_equal(tw_stat(&w, TCP_STAT_rx_data_bytes), 2000 * 1460);
	tw_end(&w);
}

// RFC 9293 3.8.4: off by default; SEQ=SND.NXT-1, and more than one goes unanswered.
static void keepalive(void **state)
{
	unsigned probes = 1;
	struct tcp_conf conf;
	uint64_t start;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_quiet(&w, 100000ull * SECOND);
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);

	tw_conf(&conf);
	conf.keepalive_us = 100 * SECOND;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	tw_out_within(&w, 99 * SECOND, 101 * SECOND, ". 0:0(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1"); // alive
	tw_out_within(&w, 99 * SECOND, 101 * SECOND, ". 0:0(0) ack 1");
	tw_in(&w, "P. 1:2(1) ack 1");
	tw_read(&w, 1);
	tw_advance(&w, SECOND);
	tw_drain(&w);
	tw_out_within(&w, 97 * SECOND, 100 * SECOND, ". 0:0(0) ack 2");
	start = w.now_us;
	while (!(w.f->events & TCP_EV_GONE) && w.now_us < start + 2000 * SECOND) {
		tw_advance(&w, SECOND);
		while (tw_take(&w))
			probes += !(w.got.flags & SEG_RST);
	}
	assert_true(w.f->events & TCP_EV_GONE);
	assert_in_range(probes, 3, 20);
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 1);
	tw_end(&w);
}

// The idle time counts from the answer to the last probe, also when it is a short one.
static void keepalive_short(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.keepalive_us = 20 * SECOND;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	for (unsigned i = 0; i < 5; i++) {
		tw_out_within(&w, 19 * SECOND, 21 * SECOND, ". 0:0(0) ack 1");
		tw_advance(&w, SECOND);
		tw_in(&w, ". 1:1(0) ack 1");
	}
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_window_probes),
		cmocka_unit_test(zero_window_for_an_hour),
		cmocka_unit_test(unanswered_probes_give_up),
		cmocka_unit_test(orphan_behind_zero_window),
		cmocka_unit_test(window_update_lost),
		cmocka_unit_test(window_closes_behind_data),
		cmocka_unit_test(peer_shrinks_window),
		cmocka_unit_test(small_window_override),
		cmocka_unit_test(small_window_that_fits),
		cmocka_unit_test(half_of_the_largest_window),
		cmocka_unit_test(right_edge),
		cmocka_unit_test(window_field_follows_reads),
		cmocka_unit_test(large_window),
		cmocka_unit_test(keepalive),
		cmocka_unit_test(keepalive_short),
	};

	return tw_run_group("tcp window", tests, sizeof(tests) / sizeof(tests[0]));
}
