// SPDX-License-Identifier: BSD-3-Clause
// Sending: segment sizes, PSH, initial window, slow start, fast retransmit and recovery
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

// n full segments without PSH from the relative number seq on.
static void out_full(struct tw *w, unsigned seq, unsigned n)
{
	for (; n > 0; n--, seq += MSS)
		tw_outf(w, ". %u:%u(%u) ack 1", seq, seq + MSS, MSS);
}

// tw_connect, then a flight of n full segments, the last with PSH.
static void flight(struct tw *w, unsigned n)
{
	tw_open(w, NULL);
	tw_connect(w, "mss 1460");
	tw_write(w, n * MSS);
	out_full(w, 1, n - 1);
	tw_outf(w, "P. %u:%u(%u) ack 1", 1 + (n - 1) * MSS, 1 + n * MSS, MSS);
	tw_none(w);
	tw_counts_reset(w);
}

// MUST-60: PSH where the queue ends. No Nagle: a second small write is not held back.
static void small_writes_go_at_once(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_write(&w, 1);
	tw_out(&w, "P. 11:12(1) ack 1");
	tw_write(&w, 1461);
	tw_out(&w, ". 12:1472(1460) ack 1");
	tw_out(&w, "P. 1472:1473(1) ack 1");
	tw_none(&w);
	assert_int_equal(tw_stat(&w, TCP_STAT_tx_data_bytes), 1472);
	tw_in(&w, ". 1:1(0) ack 12");
	tw_events(&w, TCP_EV_SPACE);
	assert_int_equal(tcp_send_queue(w.f->tcb)->len, 1461);
	tw_in(&w, ". 1:1(0) ack 1473");
	tw_events(&w, TCP_EV_SPACE);
	assert_int_equal(tcp_send_queue(w.f->tcb)->len, 0);
	tw_counts(&w, "");
	tw_end(&w);
}

// RFC 6928: ten segments of a reply go out, two more for each one acknowledged.
static void initial_window_and_slow_start(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 40 * MSS);
	out_full(&w, 1, 10);
	tw_none(&w);
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS);
	tw_in(&w, ". 1:1(0) ack 1461");
	out_full(&w, 1 + 10 * MSS, 2);
	tw_none(&w);
	assert_int_equal(tw_info(&w).cwnd, 11 * MSS);
	tw_in(&w, ". 1:1(0) ack 2921");
	out_full(&w, 1 + 12 * MSS, 2);
	tw_none(&w);
	// One ACK for two: RFC 5681 (2): at most SMSS more.
	tw_in(&w, ". 1:1(0) ack 5841");
	assert_int_equal(tw_info(&w).cwnd, 13 * MSS);
	out_full(&w, 1 + 14 * MSS, 3);
	tw_none(&w);
	tw_counts(&w, "");
	tw_end(&w);
}

static void initial_window_of_small_segments(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 500");
	assert_int_equal(tw_info(&w).cwnd, 10 * 500);
	tw_write(&w, 20000);
	assert_int_equal(tw_drain(&w), 10);
	assert_int_equal(tw_info(&w).unsent, 15000);
	tw_end(&w);
}

// RFC 5681 3.1: a lost SYN-ACK halves nothing but the initial window: one segment.
static void initial_window_after_lost_syn_ack(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460>");
	tw_out_after(&w, SECOND, "S. 0:0(0) ack 1 <mss 1460>");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_write(&w, 5 * MSS);
	out_full(&w, 1, 1);
	tw_none(&w);
	tw_end(&w);
}

// S4: what the window was not used for does not make it grow.
static void no_growth_while_application_limited(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned i = 0; i < 50; i++) {
		tw_write(&w, 100);
		tw_drain(&w);
		tw_inf(&w, ". 1:1(0) ack %u", 1 + (i + 1) * 100);
	}
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS);
	tw_end(&w);
}

// RFC 5681 3.2, 6582 3.2.
static void fast_retransmit(void **state)
{
	struct tw w;

	flight(&w, 10);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_none(&w);
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_out(&w, ". 1:1461(1460) ack 1");
	tw_none(&w);
	tw_counts(&w, "fast_retransmits retransmits");
	assert_int_equal(tw_info(&w).ssthresh, 5 * MSS);
	assert_int_equal(tw_info(&w).cwnd, 8 * MSS);
	for (unsigned i = 4; i <= 9; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	assert_int_equal(tw_info(&w).cwnd, 14 * MSS);
	tw_none(&w);
	tw_write(&w, 10 * MSS); // four more fit while in recovery
	out_full(&w, 1 + 10 * MSS, 4);
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 14601"); // all that was out at the loss
	assert_in_range(tw_info(&w).cwnd, MSS, 5 * MSS);
	tw_counts(&w, "");
	tw_end(&w);
}

// RFC 6582 3.2 step 3: a partial ACK names the next hole; no three dup ACKs are needed.
static void partial_ack(void **state)
{
	struct tw w;

	flight(&w, 10);
	for (unsigned i = 0; i < 3; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	tw_out(&w, ". 1:1461(1460) ack 1");
	tw_in(&w, ". 1:1(0) ack 4381"); // segments 2 and 3 had come; 4 had not
	tw_out(&w, ". 4381:5841(1460) ack 1");
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 8761");
	tw_out(&w, ". 8761:10221(1460) ack 1");
	tw_none(&w);
	tw_counts(&w, "fast_retransmits retransmits=3");
	tw_in(&w, ". 1:1(0) ack 14601");
	tw_quiet(&w, 5 * SECOND);
	tw_counts(&w, "");
	assert_in_range(tw_info(&w).cwnd, MSS, 5 * MSS);
	tw_end(&w);
}

// RFC 6582 4.1: dup ACKs for what was out before the last loss are no new loss.
static void one_reduction_per_flight(void **state)
{
	struct tw w;

	flight(&w, 10);
	for (unsigned i = 0; i < 3; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	tw_out(&w, ". 1:1461(1460) ack 1");
	for (unsigned i = 0; i < 6; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	tw_none(&w);
	tw_counts(&w, "fast_retransmits retransmits");
	assert_int_equal(tw_info(&w).ssthresh, 5 * MSS);
	tw_end(&w);
}

// RFC 5681 2: what is no duplicate ACK. Three real ones later prove the count is zero.
static void not_a_duplicate_ack(void **state)
{
	struct tw w;

	flight(&w, 10);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, "P. 1:11(10) ack 1"); // data
	tw_in(&w, "P. 11:21(10) ack 1");
	tw_in(&w, "P. 31:41(10) ack 1"); // data behind a hole, so not by header prediction
	tw_in(&w, ". 21:21(0) ack 1 win 60000"); // another window
	tw_in(&w, ". 21:21(0) ack 1 win 50000");
	tw_read(&w, 20);
	tw_drain(&w);
	tw_counts(&w, "out_of_order");
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS);
	tw_end(&w);

	// Nothing outstanding.
	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned i = 0; i < 10; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	tw_none(&w);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_counts(&w, "");
	assert_int_equal(tw_info(&w).cwnd, 10 * MSS);
	tw_end(&w);
}

// New data acknowledged: the count starts again.
static void dup_ack_count_is_reset(void **state)
{
	struct tw w;

	flight(&w, 10);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_none(&w);
	tw_counts(&w, "");
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_out(&w, ". 1461:2921(1460) ack 1");
	tw_counts(&w, "fast_retransmits retransmits");
	tw_end(&w);
}

// Above ssthresh: about one segment per window acknowledged.
static void congestion_avoidance(void **state)
{
	unsigned acked = 1, sent = 1 + 10 * MSS;
	uint32_t cwnd;
	struct tw w;

	flight(&w, 10);
	for (unsigned i = 0; i < 3; i++)
		tw_in(&w, ". 1:1(0) ack 1");
	tw_out(&w, ". 1:1461(1460) ack 1");
	tw_in(&w, ". 1:1(0) ack 14601");
	acked = sent;
	tw_write(&w, 100 * MSS);
	for (unsigned round = 0; round < 6; round++) {
		while (tw_take(&w))
			sent += w.got.len;
		for (unsigned last = sent; acked < last;) {
			acked += MSS;
			tw_inf(&w, ". 1:1(0) ack %u", acked);
			while (tw_take(&w))
				sent += w.got.len;
		}
	}
	// ssthresh was 5: slow start to it in at most three rounds, then one per round.
	cwnd = tw_info(&w).cwnd;
	assert_in_range(cwnd, 7 * MSS, 12 * MSS);
	assert_int_equal(tw_info(&w).ssthresh, 5 * MSS);
	tw_counts(&w, "fast_retransmits retransmits");
	tw_end(&w);
}

// B-17: the window limits flight, not the single send.
static void flight_is_limited_by_both_windows(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 4380");
	for (unsigned i = 0; i < 10; i++)
		tw_write(&w, MSS);
	for (unsigned i = 0; i < 3; i++)
		tw_outf(&w, "P. %u:%u(1460) ack 1", 1 + i * MSS, 1 + (i + 1) * MSS);
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1461 win 2920"); // the edge stays where it was
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1461 win 4380");
	out_full(&w, 1 + 3 * MSS, 1);
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 5841 win 65535");
	out_full(&w, 1 + 4 * MSS, 5);
	tw_outf(&w, "P. %u:%u(1460) ack 1", 1 + 9 * MSS, 1 + 10 * MSS);
	tw_none(&w);
	tw_counts(&w, "");
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_writes_go_at_once),
		cmocka_unit_test(initial_window_and_slow_start),
		cmocka_unit_test(initial_window_of_small_segments),
		cmocka_unit_test(initial_window_after_lost_syn_ack),
		cmocka_unit_test(no_growth_while_application_limited),
		cmocka_unit_test(fast_retransmit),
		cmocka_unit_test(partial_ack),
		cmocka_unit_test(one_reduction_per_flight),
		cmocka_unit_test(not_a_duplicate_ack),
		cmocka_unit_test(dup_ack_count_is_reset),
		cmocka_unit_test(congestion_avoidance),
		cmocka_unit_test(flight_is_limited_by_both_windows),
	};

	return tw_run_group("tcp output", tests, sizeof(tests) / sizeof(tests[0]));
}
