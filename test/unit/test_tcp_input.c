// SPDX-License-Identifier: BSD-3-Clause
// Established: which segments are acceptable, when the ACK goes, challenge ACKs, old numbers
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u
#define RCV_BUF 32768

// RFC 9293 3.8.6.3: held back for a reply, but 40 ms at most.
static void delayed_ack(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_read(&w, 10);
	tw_none(&w);
	tw_out_within(&w, 0, 41 * MS, ". 1:1(0) ack 11");
	tw_quiet(&w, SECOND);
	tw_in(&w, "P. 11:21(10) ack 1");
	tw_events(&w, TCP_EV_DATA);
	tw_counts(&w, "");
	assert_int_equal(tw_stat(&w, TCP_STAT_rx_data_bytes), 20);
	tw_end(&w);
}

static void ack_goes_with_the_reply(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_read(&w, 10);
	tw_write(&w, 5);
	tw_out(&w, "P. 1:6(5) ack 11");
	tw_in(&w, ". 11:11(0) ack 6");
	tw_quiet(&w, SECOND); // nothing is owed any more
	tw_counts(&w, "");
	tw_end(&w);
}

// RFC 5681 4.2: at least every second full-sized segment.
static void ack_every_second_full_segment(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1461(1460) ack 1");
	tw_read(&w, 1460);
	tw_none(&w);
	tw_in(&w, ". 1461:2921(1460) ack 1");
	tw_out(&w, ". 1:1(0) ack 2921");
	tw_read(&w, 1460);
	tw_in(&w, ". 2921:4381(1460) ack 1");
	tw_read(&w, 1460);
	tw_none(&w);
	tw_in(&w, ". 4381:5841(1460) ack 1");
	tw_out(&w, ". 1:1(0) ack 5841");
	tw_end(&w);
}

// RFC 9293 MUST-58, 59: all that came before the ACK is sent is in it.
static void burst_is_acked_once(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_input(&w, ". 1:1461(1460) ack 1");
	tw_input(&w, ". 1461:2921(1460) ack 1");
	tw_input(&w, ". 2921:4381(1460) ack 1");
	tw_input(&w, "P. 4381:4481(100) ack 1");
	tw_none(&w);
	tw_loop(&w);
	tw_out(&w, ". 1:1(0) ack 4481");
	tw_none(&w);
	tw_read(&w, 4480);
	tw_end(&w);
}

// RFC 9293 3.10.7.4 table 6, window open: each edge.
static void window_edges(void **state)
{
	static const struct {
		const char *text;
		bool taken;
	} row[] = {
		{". 0:0(0) ack 1", false},
		{". 1:1(0) ack 1", true},
		{". 32768:32768(0) ack 1", true},
		{". 32769:32769(0) ack 1", false},
		{"P. 0:1(1) ack 1", false}, // wholly old
		{"P. -9:1(10) ack 1", false},
		{"P. 0:2(2) ack 1", true},
		{"P. 32768:32769(1) ack 1", true},
		{"P. 32768:32778(10) ack 1", true},
		{"P. 32769:32770(1) ack 1", false},
		{"P. 40000:40010(10) ack 1", false},
		{"P. -2147483000:-2147482990(10) ack 1", false},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tw w;

		tw_open(&w, NULL);
		tw_connect(&w, "mss 1460");
		tw_in(&w, row[i].text);
		if (row[i].taken) {
			assert_int_equal(w.result, TCP_OK);
		} else {
			assert_int_equal(w.result, TCP_STAT_drop_unacceptable);
			tw_out(&w, ". 1:1(0) ack 1 win 32768");
			tw_none(&w);
			tw_counts(&w, "drop_unacceptable");
		}
		tw_end(&w);
	}
}

// Before and behind the window is cut off; what is inside is delivered, once.
static void segment_is_trimmed(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:101(100) ack 1");
	tw_read(&w, 100);
	tw_in(&w, "P. 51:201(150) ack 1");
	assert_int_equal(tw_readable(&w), 100);
	tw_read(&w, 100);
	tw_drain(&w);
	for (unsigned n = 201; n < 201 + 1400 * 23; n += 1400)
		tw_inf(&w, ". %u:%u(1400) ack 1", n, n + 1400);
	tw_drain(&w);
	assert_int_equal(tw_readable(&w), 32200);
	tw_in(&w, "P. 32401:33401(1000) ack 1"); // 368 bytes have room
	tw_out(&w, ". 1:1(0) ack 32769 win 0");
	assert_int_equal(tw_readable(&w), RCV_BUF - 200); // up to the edge, as first announced
	tw_read(&w, RCV_BUF - 200);
	tw_counts(&w, "");
	tw_end(&w);
}

// A FIN behind the right edge is cut off with the text before it.
static void fin_behind_the_edge(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned n = 1; n < 1 + 1400 * 23; n += 1400)
		tw_inf(&w, ". %u:%u(1400) ack 1", n, n + 1400);
	tw_drain(&w);
	tw_in(&w, "FP. 32201:33201(1000) ack 1");
	tw_out(&w, ". 1:1(0) ack 32769 win 0");
	tw_read(&w, RCV_BUF);
	tw_drain(&w);
	tw_in(&w, "P. 32769:33201(432) ack 1"); // and now there is none
	tw_read(&w, 432);
	tw_state(&w, "ESTABLISHED");
	tw_in(&w, "F. 33201:33201(0) ack 1");
	tw_state(&w, "CLOSE-WAIT");
	tw_end(&w);
}

// RFC 9293 3.10.7.4: with a closed window ACK, RST and URG are still looked at (MUST-66).
static void zero_window_of_ours(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned n = 1; n <= RCV_BUF; n += 1024)
		tw_inf(&w, "P. %u:%u(1024) ack 1", n, n + 1024);
	tw_advance(&w, 50 * MS);
	tw_drain(&w);
	assert_int_equal(w.got.win, 0);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 32769 win 0");
	tw_counts_reset(&w);
	tw_in(&w, "P. 32769:32770(1) ack 1"); // a probe: answered, not taken
	tw_out(&w, ". 11:11(0) ack 32769 win 0");
	tw_counts(&w, "drop_unacceptable");
	tw_in(&w, ". 32769:32769(0) ack 6 win 777");
	tw_none(&w);
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tw_info(&w).snd_una - w.f->seg.our_isn, 6);
	assert_int_equal(tw_info(&w).snd_wnd, 777);
	// The ACK of a segment whose text has no room counts too.
	tw_in(&w, "P. 32769:32779(10) ack 11");
	tw_out(&w, ". 11:11(0) ack 32769 win 0");
	assert_int_equal(tw_info(&w).snd_una - w.f->seg.our_isn, 11);
	tw_in(&w, "R 32770:32770(0)");
	tw_none(&w);
	tw_state(&w, "ESTABLISHED");
	tw_in(&w, "R 32769:32769(0)");
	tw_events(&w, TCP_EV_DATA | TCP_EV_SPACE | TCP_EV_GONE);
	tw_end(&w);
}

// R15: a FIN that just fits behind a full buffer is taken, else both sides loop.
static void fin_at_zero_window(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned n = 1; n <= RCV_BUF; n += 1024)
		tw_inf(&w, "P. %u:%u(1024) ack 1", n, n + 1024);
	tw_advance(&w, 50 * MS);
	tw_drain(&w);
	tw_in(&w, "F. 32769:32769(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 32770 win 0");
	tw_events(&w, TCP_EV_DATA | TCP_EV_EOF);
	tw_state(&w, "CLOSE-WAIT");
	assert_false(tcp_at_eof(w.f->tcb));
	tw_read(&w, RCV_BUF);
	assert_true(tcp_at_eof(w.f->tcb));
	tw_end(&w);
}

// RFC 5961 3.2.
static void reset_positions(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "R 0:0(0)");
	tw_in(&w, "R. 32769:32769(0) ack 1");
	tw_in(&w, "R -100000:-100000(0)");
	tw_none(&w);
	tw_counts(&w, "drop_unacceptable=3");
	tw_in(&w, "R 2:2(0)");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_in(&w, "R. 32768:32768(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_counts(&w, "challenge_acks=2 drop_challenged=2");
	tw_state(&w, "ESTABLISHED");
	tw_in(&w, "R 1:1(0)");
	tw_none(&w);
	tw_events(&w, TCP_EV_GONE);
	tw_counts(&w, "resets_received closed");
	assert_int_equal(tcp_conn_count(w.tcp), 1); // until the user lets go
	tw_release(&w);
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_in(&w, ". 1:1(0) ack 1");
	tw_out(&w, "R 1:1(0) win 0");
	tw_end(&w);
}

// RFC 5961 4.2: a SYN never kills, wherever it is.
static void syn_in_synchronized_state(void **state)
{
	static const int at[] = {0, 1, 2, 32768, 32769, 1000000, -1000000};
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		tw_inf(&w, "S %d:%d(0) win 65535 <mss 1460>", at[i], at[i]);
		tw_out(&w, ". 1:1(0) ack 1");
		tw_none(&w);
		tw_counts(&w, "challenge_acks drop_challenged");
	}
	tw_in(&w, "S. 0:0(0) ack 1 <mss 1460>");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_counts(&w, "challenge_acks drop_challenged");
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

// RFC 5961 7, CVE-2016-5696: limited, and by each connection for itself.
static void challenge_limit_is_per_connection(void **state)
{
	struct tw w;
	unsigned n;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_flow(&w, 1);
	tw_connect(&w, "mss 1460");
	tw_flow(&w, 0);
	for (unsigned i = 0; i < 100; i++)
		tw_in(&w, "R 2:2(0)");
	n = tw_drain(&w);
	assert_in_range(n, 1, 10);
	assert_int_equal(tw_stat(&w, TCP_STAT_challenge_acks), n);
	assert_int_equal(tw_stat(&w, TCP_STAT_drop_challenged), 100);
	tw_flow(&w, 1);
	tw_in(&w, "R 2:2(0)");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_flow(&w, 0);
	tw_in(&w, "R 2:2(0)");
	tw_none(&w);
	tw_advance(&w, 6 * SECOND);
	tw_in(&w, "R 2:2(0)");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

// RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
static void ack_range(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460"); // the peer's largest window: 65535
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_in(&w, ". 1:1(0) ack 11");
	tw_counts_reset(&w);
	tw_in(&w, "P. 1:6(5) ack 12");
	assert_int_equal(w.result, TCP_STAT_drop_ack_range);
	tw_out(&w, ". 11:11(0) ack 1");
	tw_in(&w, "P. 1:6(5) ack 1000000");
	tw_out(&w, ". 11:11(0) ack 1");
	tw_in(&w, "P. 1:6(5) ack -65525"); // 11 - 65535 - 1
	tw_out(&w, ". 11:11(0) ack 1");
	assert_int_equal(tw_stat(&w, TCP_STAT_drop_ack_range), 3);
	assert_int_equal(tw_readable(&w), 0);
	tw_in(&w, "P. 1:6(5) ack -65524");
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tw_readable(&w), 5);
	assert_int_equal(tw_info(&w).snd_una - w.f->seg.our_isn, 11);
	tw_end(&w);
}

// RFC 9293 3.10.7.4 fifth: the ACK bit is off.
static void no_ack_bit(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P 1:11(10)");
	tw_in(&w, "F 1:1(0)");
	tw_in(&w, "- 1:11(10)");
	tw_none(&w);
	tw_quiet(&w, SECOND);
	tw_counts(&w, "drop_flags=3");
	assert_int_equal(tw_readable(&w), 0);
	tw_state(&w, "ESTABLISHED");
	tw_end(&w);
}

// RFC 9293 3.8.5 the other way: octets are in-line, the pointer is nothing (B-03).
static void urgent_pointer_is_ignored(void **state)
{
	static const unsigned pointer[] = {0, 1, 9, 10, 11, 65535};
	struct tw w;
	unsigned at = 1;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (size_t i = 0; i < sizeof(pointer) / sizeof(pointer[0]); i++, at += 10) {
		tw_inf(&w, "PU. %u:%u(10) ack 1 urg %u", at, at + 10, pointer[i]);
		tw_read(&w, 10);
	}
	tw_in(&w, "U. 61:61(0) ack 1 urg 65535");
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tw_readable(&w), 0);
	tw_advance(&w, SECOND);
	tw_drain(&w);
	assert_int_equal(w.got.ack - w.f->seg.peer_isn, 61);
	tw_counts(&w, "");
	tw_end(&w);
}

static void reserved_bits_are_ignored(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "SEW 0:0(0) win 65535 rsv 15 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460>"); // no ECE: not negotiated
	tw_in(&w, ". 1:1(0) ack 1 rsv 15");
	tw_in(&w, "P.EW 1:11(10) ack 1 rsv 8");
	tw_read(&w, 10);
	tw_write(&w, 1);
	tw_out(&w, "P. 1:2(1) ack 11");
	tw_end(&w);
}

// B-02: the data offset points before the options or past the end.
static void impossible_data_offset(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned doff = 1; doff <= 15; doff++) {
		tw_inf(&w, ". 1:1(0) ack 1 doff %u", doff);
		assert_int_equal(w.result, doff == 5 ? TCP_OK : TCP_STAT_drop_header);
		tw_none(&w);
		tw_counts(&w, doff == 5 ? "" : "drop_header");
	}
	// 36 bytes of "options" are payload bytes here: no crash, and they are not data.
	tw_in(&w, ". 1:37(36) ack 1 doff 14");
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tw_readable(&w), 0);
	tw_in(&w, ". 1:37(36) ack 1 doff 15");
	assert_int_equal(w.result, TCP_STAT_drop_header);
	tw_end(&w);
}

// R7: a segment that is older than the last one does not set the window.
static void window_update_by_wl1_and_wl2(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:101(100) ack 1 win 1000");
	assert_int_equal(tw_info(&w).snd_wnd, 1000);
	tw_in(&w, "P. 201:301(100) ack 1 win 3000"); // WL1 = 201
	assert_int_equal(tw_info(&w).snd_wnd, 3000);
	tw_in(&w, "P. 101:201(100) ack 1 win 500"); // older: fills the gap
	assert_int_equal(tw_info(&w).snd_wnd, 3000);
	tw_in(&w, ". 301:301(0) ack 1 win 0"); // WL1 < SEQ
	assert_int_equal(tw_info(&w).snd_wnd, 0);
	tw_in(&w, ". 301:301(0) ack 1 win 700"); // equal: a window update
	assert_int_equal(tw_info(&w).snd_wnd, 700);
	tw_drain(&w);
	tw_write(&w, 40);
	tw_out(&w, "P. 1:41(40) ack 301");
	tw_in(&w, ". 301:301(0) ack 41 win 600"); // WL2 = 41
	tw_in(&w, ". 301:301(0) ack 21 win 9000"); // the same SEQ, older ACK
	assert_int_equal(tw_info(&w).snd_wnd, 600);
	assert_int_equal(tw_info(&w).snd_una - w.f->seg.our_isn, 41);
	tw_end(&w);
}

// A peer that went back N acknowledges with a SEQ below WL1. Its window is news all the
// same: else SND.UNA + SND.WND would move past every edge it ever offered.
static void window_of_a_newer_ack_with_an_older_seq(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1000");
	tw_in(&w, "P. 501:601(100) ack 1 win 3000"); // WL1 = 501
	tw_out(&w, ". 1:1(0) ack 1");
	tw_write(&w, 8000);
	assert_int_equal(tw_drain(&w), 3);
	tw_in(&w, ". 101:101(0) ack 2001 win 1000"); // the edge is still 3001
	tw_none(&w);
	assert_int_equal(tw_info(&w).snd_wnd, 1000);
	tw_in(&w, ". 101:101(0) ack 3001 win 1000");
	tw_out(&w, ". 3001:4001(1000) ack 1");
	tw_none(&w);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delayed_ack),
		cmocka_unit_test(ack_goes_with_the_reply),
		cmocka_unit_test(ack_every_second_full_segment),
		cmocka_unit_test(burst_is_acked_once),
		cmocka_unit_test(window_edges),
		cmocka_unit_test(segment_is_trimmed),
		cmocka_unit_test(fin_behind_the_edge),
		cmocka_unit_test(zero_window_of_ours),
		cmocka_unit_test(fin_at_zero_window),
		cmocka_unit_test(reset_positions),
		cmocka_unit_test(syn_in_synchronized_state),
		cmocka_unit_test(challenge_limit_is_per_connection),
		cmocka_unit_test(ack_range),
		cmocka_unit_test(no_ack_bit),
		cmocka_unit_test(urgent_pointer_is_ignored),
		cmocka_unit_test(reserved_bits_are_ignored),
		cmocka_unit_test(impossible_data_offset),
		cmocka_unit_test(window_update_by_wl1_and_wl2),
		cmocka_unit_test(window_of_a_newer_ack_with_an_older_seq),
	};

	return tw_run_group("tcp input", tests, sizeof(tests) / sizeof(tests[0]));
}
