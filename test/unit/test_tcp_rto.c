// SPDX-License-Identifier: BSD-3-Clause
// Retransmission timer: RFC 6298 estimate, when it starts and stops, back-off, giving up
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

// A handshake that takes rtt_us: the first sample.
static void connect_slowly(struct tw *w, const char *options, uint64_t rtt_us)
{
	tw_open(w, NULL);
	tw_inf(w, "S 0:0(0) win 65535 <%s>", options);
	tw_out(w, "S. 0:0(0) ack 1 <...>");
	tw_advance(w, rtt_us);
	tw_in(w, ". 1:1(0) ack 1");
	tw_none(w);
	tw_events(w, TCP_EV_NEW);
	tw_counts_reset(w);
}

// RFC 6298 2.2, 2.3.
static void estimate(const char *options)
{
	unsigned ack = 1;
	struct tw w;

	connect_slowly(&w, options, 100 * MS);
	assert_int_equal(tw_info(&w).srtt_us, 100 * MS);
	assert_int_equal(tw_info(&w).rttvar_us, 50 * MS);
	assert_int_equal(tw_info(&w).rto_us, 300 * MS);
	tw_write(&w, 10);
	assert_true(tw_take(&w));
	tw_advance(&w, 180 * MS);
	tw_in(&w, ". 1:1(0) ack 11");
	// |100 - 180| / 4 + 3/4 * 50 = 57.5; 7/8 * 100 + 180 / 8 = 110; 110 + 230
	assert_in_range(tw_info(&w).rttvar_us, 57 * MS, 58 * MS);
	assert_in_range(tw_info(&w).srtt_us, 109 * MS, 111 * MS);
	assert_in_range(tw_info(&w).rto_us, 337 * MS, 343 * MS);
	// A steady 10 ms: the floor.
	for (unsigned i = 0; i < 60; i++) {
		tw_write(&w, 10);
		assert_true(tw_take(&w));
		ack = 11 + (i + 1) * 10;
		tw_advance(&w, 10 * MS);
		tw_inf(&w, ". 1:1(0) ack %u", ack);
	}
	assert_in_range(tw_info(&w).srtt_us, 9 * MS, 11 * MS);
	assert_int_equal(tw_info(&w).rto_us, 200 * MS);
	tw_counts(&w, "");
	tw_end(&w);
}

static void estimate_without_timestamps(void **state)
{
	estimate("mss 1460");
}

static void estimate_with_timestamps(void **state)
{
	estimate(TW_ALL);
}

// RFC 6298 5.4..5.6: the same segment, doubled each time; the first only is ssthresh's.
static void back_off(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	for (unsigned i = 0; i < 7; i++)
		tw_out_after(&w, (300ull << i) * MS, "P. 1:11(10) ack 1");
	tw_counts(&w, "rto_expired=7 retransmits=7");
	assert_int_equal(tw_info(&w).retransmits, 7);
	assert_int_equal(tw_info(&w).cwnd, MSS);
	assert_int_equal(tw_info(&w).ssthresh, 2 * MSS);
	tw_in(&w, ". 1:1(0) ack 11");
	tw_quiet(&w, 10 * SECOND);
	tw_end(&w);
}

static void rto_max(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.rto_max_us = 2 * SECOND;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	for (uint64_t ms = 200; ms < 2000; ms *= 2)
		tw_out_after(&w, ms * MS, "P. 1:11(10) ack 1");
	for (unsigned i = 0; i < 10; i++)
		tw_out_after(&w, 2 * SECOND, "P. 1:11(10) ack 1");
	tw_end(&w);
}

static void rto_min(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.rto_min_us = SECOND;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_out_after(&w, SECOND, "P. 1:11(10) ack 1");
	tw_end(&w);
}

// MUST-20, 21: R2, then the user hears of it.
static void give_up(void **state)
{
	uint64_t start;
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	start = w.now_us;
	while (!(w.f->events & TCP_EV_GONE) && w.now_us < start + 300 * SECOND) {
		tw_advance(&w, 10 * MS);
		tw_drain(&w);
	}
	tw_events(&w, TCP_EV_GONE);
	assert_in_range((w.now_us - start) / SECOND, 100, 200);
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 1);
	assert_int_equal(tw_stat(&w, TCP_STAT_closed), 1);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_release(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_quiet(&w, 100 * SECOND);
	tw_end(&w);
}

// As long as each segment gets through within R2, the connection lives.
static void r2_is_per_segment(void **state)
{
	unsigned ack = 1;
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 100);
	tw_drain(&w);
	for (unsigned i = 0; i < 5; i++) {
		tw_advance(&w, 60 * SECOND);
		tw_drain(&w);
		ack += 10;
		tw_inf(&w, ". 1:1(0) ack %u", ack);
	}
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

// RFC 6298 5.3: an ACK of new data starts it again from there.
static void timer_restarts_on_new_ack(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_write(&w, 10);
	tw_out(&w, "P. 11:21(10) ack 1");
	tw_quiet(&w, 250 * MS);
	tw_in(&w, ". 1:1(0) ack 11");
	tw_out_within(
		&w, tw_info(&w).rto_us - MS, tw_info(&w).rto_us + 3 * MS, "P. 11:21(10) ack 1");
	tw_end(&w);
}

// 5.1: running already: later data does not move it; B-19: nor do duplicate ACKs.
static void timer_is_not_moved_by_less(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_quiet(&w, 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 11:21(10) ack 1");
	tw_quiet(&w, 100 * MS);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_none(&w);
	assert_true(tw_out_within(&w, 99 * MS, 103 * MS, "P. 1:21(20) ack 1") > 0);
	tw_end(&w);
}

// 5.2: all acknowledged: off. And on again with the next data, from that moment.
static void timer_stops_and_starts(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_advance(&w, 100 * MS);
	tw_in(&w, ". 1:1(0) ack 11");
	tw_quiet(&w, 50 * SECOND);
	tw_write(&w, 10);
	tw_out(&w, "P. 11:21(10) ack 1");
	tw_out_after(&w, tw_info(&w).rto_us, "P. 11:21(10) ack 1");
	tw_end(&w);
}

// Karn: no sample from what was sent twice, and the backed-off RTO stays until a sample.
static void karn(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_out_after(&w, 300 * MS, "P. 1:11(10) ack 1");
	tw_advance(&w, MS);
	tw_in(&w, ". 1:1(0) ack 11");
	assert_int_equal(tw_info(&w).srtt_us, 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 11:21(10) ack 1");
	tw_advance(&w, 100 * MS);
	tw_in(&w, ". 1:1(0) ack 21"); // a clean sample
	assert_int_equal(tw_info(&w).srtt_us, 100 * MS);
	assert_in_range(tw_info(&w).rto_us, 245 * MS, 255 * MS);
	tw_end(&w);
}

// RFC 7323 4: with timestamps the echo tells which of the two it was.
static void timestamps_time_retransmissions(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460,TS val 0 ecr 0", 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_out_after(&w, 300 * MS, "P. 1:11(10) ack 1");
	tw_advance(&w, 20 * MS);
	tw_in(&w, ". 1:1(0) ack 11"); // echoes the second
	assert_in_range(tw_info(&w).srtt_us, 88 * MS, 92 * MS);
	tw_end(&w);
}

// RFC 5681 3.1: after a timeout one segment, then slow start over what was sent before.
static void slow_start_after_timeout(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10 * MSS);
	assert_int_equal(tw_drain(&w), 10);
	tw_out_after(&w, 300 * MS, ". 1:1461(1460) ack 1");
	tw_none(&w);
	assert_int_equal(tw_info(&w).cwnd, MSS);
	assert_int_equal(tw_info(&w).ssthresh, 5 * MSS);
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_out(&w, ". 1461:2921(1460) ack 1");
	tw_out(&w, ". 2921:4381(1460) ack 1");
	tw_none(&w);
	// The rest had come.
	tw_in(&w, ". 1:1(0) ack 14601");
	tw_quiet(&w, 10 * SECOND);
	tw_counts(&w, "rto_expired retransmits=3");
	tw_write(&w, 1);
	tw_out(&w, "P. 14601:14602(1) ack 1");
	tw_end(&w);
}

// 5.5 again for the next series: ssthresh comes from the flight of then.
static void second_series(void **state)
{
	struct tw w;

	connect_slowly(&w, "mss 1460", 100 * MS);
	tw_write(&w, 10 * MSS);
	tw_drain(&w);
	tw_out_after(&w, 300 * MS, ". 1:1461(1460) ack 1");
	tw_out_after(&w, 600 * MS, ". 1:1461(1460) ack 1");
	assert_int_equal(tw_info(&w).ssthresh, 5 * MSS);
	tw_in(&w, ". 1:1(0) ack 14601");
	tw_none(&w);
	tw_write(&w, 2 * MSS);
	tw_drain(&w);
	tw_advance(&w, 2 * SECOND);
	tw_drain(&w);
	assert_int_equal(tw_info(&w).ssthresh, 2 * MSS);
	tw_end(&w);
}

// The time of every packet is the same, ms by ms and from deadline to deadline.
static void deadlines_are_not_late(void **state)
{
	uint64_t when[2][8];

	for (unsigned fine = 0; fine < 2; fine++) {
		struct tw w;

		connect_slowly(&w, TW_ALL, 77 * MS);
		w.fine_steps = fine;
		tw_in(&w, "P. 1:11(10) ack 1");
		tw_read(&w, 10);
		tw_advance(&w, 50 * MS);
		tw_write(&w, 100);
		for (unsigned i = 0; i < 8; i++) {
			uint64_t start = w.now_us;

			while (!net_tx_count(w.net) && w.now_us < start + 100 * SECOND)
				tw_advance(&w, fine ? MS : 7 * SECOND);
			assert_true(tw_take(&w));
			when[fine][i] = w.got.ts_val - w.f->seg.our_ts;
		}
		tw_end(&w);
	}
	// Each timer may be a tick of 1 ms off, and the next one counts from there.
	for (unsigned i = 0; i < 8; i++)
		assert_true(when[0][i] <= when[1][i] && when[1][i] - when[0][i] <= i + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimate_without_timestamps),
		cmocka_unit_test(estimate_with_timestamps),
		cmocka_unit_test(back_off),
		cmocka_unit_test(rto_max),
		cmocka_unit_test(rto_min),
		cmocka_unit_test(give_up),
		cmocka_unit_test(r2_is_per_segment),
		cmocka_unit_test(timer_restarts_on_new_ack),
		cmocka_unit_test(timer_is_not_moved_by_less),
		cmocka_unit_test(timer_stops_and_starts),
		cmocka_unit_test(karn),
		cmocka_unit_test(timestamps_time_retransmissions),
		cmocka_unit_test(slow_start_after_timeout),
		cmocka_unit_test(second_series),
		cmocka_unit_test(deadlines_are_not_late),
	};

	return tw_run_group("tcp rto", tests, sizeof(tests) / sizeof(tests[0]));
}
