// SPDX-License-Identifier: BSD-3-Clause
// Options: what a SYN agrees on, malformed ones, timestamps on every segment, PAWS
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u

// A SYN with these options is answered with those.
static void agrees(const char *options, const char *answer)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_inf(&w, "S 0:0(0) win 65535 <%s>", options);
	tw_outf(&w, "S. 0:0(0) ack 1 win 32768 <%s>", answer);
	tw_end(&w);
}

static void each_is_answered_only_when_offered(void **state)
{
	agrees("mss 1460", "mss 1460");
	agrees("mss 500", "mss 1460"); // ours says what we can receive
	agrees("", "mss 1460");
	agrees("sackOK", "mss 1460,sackOK");
	agrees("TS val 7 ecr 0", "mss 1460,TS val 0 ecr 7");
	agrees("wscale 7", "mss 1460,wscale 0");
	agrees("mss 1460,wscale 7,sackOK", "mss 1460,sackOK,wscale 0");
	agrees("sackOK,TS val 1 ecr 0,nop,wscale 14", "mss 1460,sackOK,TS val 0 ecr 1,wscale 0");
}

// RFC 9293 MUST-4..7: odd alignment, unknown kinds, EOL, and lengths that lie.
static void syn_option_forms(void **state)
{
	// unaligned, in any order
	agrees("nop,mss 1460,nop,TS val 3 ecr 0,wscale 2,nop,sackOK",
		"mss 1460,sackOK,TS val 0 ecr 3,wscale 0");
	// unknown kinds with their lengths
	agrees("hex fd04aabb,sackOK,hex 1e03cc,wscale 1", "mss 1460,sackOK,wscale 0");
	agrees("hex fe02,sackOK,hex 0e0300", "mss 1460,sackOK");
	// nothing is read behind EOL
	agrees("eol,sackOK,wscale 7", "mss 1460");
	agrees("sackOK,eol,wscale 7", "mss 1460,sackOK");
	// length 0 and 1: stop, what was before counts
	agrees("sackOK,hex 0300,wscale 7", "mss 1460,sackOK");
	agrees("sackOK,hex 0301,wscale 7", "mss 1460,sackOK");
	agrees("sackOK,hex fd00,wscale 7", "mss 1460,sackOK");
	// past the end of the header
	agrees("sackOK,hex 030407", "mss 1460,sackOK");
	agrees("sackOK,nop,hex fd", "mss 1460,sackOK");
	agrees("sackOK,hex fdff", "mss 1460,sackOK");
	// wrong length for the kind: ignored, the rest is read
	agrees("hex 02030f,sackOK", "mss 1460,sackOK");
	agrees("hex 03040700,sackOK", "mss 1460,sackOK");
	agrees("hex 040300,wscale 7", "mss 1460,wscale 0");
	agrees("hex 080900000001000000,sackOK", "mss 1460,sackOK");
	agrees("hex 080b00000001000000000c,sackOK", "mss 1460,sackOK");
}

// B-01: every kind with every length at every place, in a SYN of its own. A loop
// would hang, a wild read is ASan's.
static void every_kind_and_length(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	for (unsigned kind = 0; kind < 256; kind++) {
		for (unsigned len = 0; len < 256; len += len < 42 ? 1 : 71) {
			unsigned nops = (kind * 7 + len) % 38;
			char text[SEG_TEXT_MAX];
			int n = snprintf(text, sizeof(text), "S 0:0(0) <");

			for (unsigned i = 0; i < nops; i++)
				n += snprintf(text + n, sizeof(text) - (size_t)n, "nop,");
			snprintf(text + n, sizeof(text) - (size_t)n, "hex %02x%02x>", kind, len);
			tw_in(&w, text);
			assert_int_equal(w.result, TCP_OK);
			assert_true(tw_take(&w));
			assert_int_equal(w.got.mss, 1460);
			tw_in(&w, "R 1:1(0)");
			tw_none(&w);
			tw_new_isn(&w, 0, 0);
		}
	}
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// What 3000 bytes are cut into after a SYN with these options.
static void effective_mss(const char *options, unsigned mss)
{
	struct tw w;
	unsigned sent = 0;

	tw_open(&w, NULL);
	tw_inf(&w, "S 0:0(0) win 65535 <%s>", options);
	tw_out(&w, "S. 0:0(0) ack 1 <...>");
	tw_in(&w, ". 1:1(0) ack 1");
	assert_int_equal(tw_info(&w).mss, mss);
	tw_write(&w, 2 * mss + 5);
	for (; tw_take(&w); sent += w.got.len)
		assert_int_equal(w.got.len, sent < 2 * mss ? mss : 5);
	assert_int_equal(sent, 2 * mss + 5);
	tw_end(&w);
}

// RFC 9293 3.7.1; the floor under the peer's MSS is against CVE-2019-11479.
static void send_mss(void **state)
{
	effective_mss("mss 1460", 1460);
	effective_mss("mss 1000", 1000);
	effective_mss("mss 9000", 1460); // our MTU
	effective_mss("mss 65535", 1460);
	effective_mss("", 536);
	effective_mss("hex 020305", 536);
	effective_mss("hex 020600000200", 536);
	effective_mss("mss 1460,TS val 0 ecr 0", 1448); // MUST-16: less the options
	effective_mss("TS val 0 ecr 0", 524);
	effective_mss("mss 216", 216);
	effective_mss("mss 215", 216);
	effective_mss("mss 1", 216);
	effective_mss("mss 0", 216);
}

// MSS, window scale and SACK permitted count on a SYN only.
static void syn_options_elsewhere(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:11(10) ack 1 win 1000 <mss 500,sackOK,wscale 5>");
	assert_int_equal(w.result, TCP_OK);
	assert_int_equal(tw_info(&w).mss, 1460);
	assert_int_equal(tw_info(&w).snd_wnd, 1000);
	tw_in(&w, ". 11:11(0) ack 1 win 1001");
	assert_int_equal(tw_info(&w).snd_wnd, 1001);
	tw_in(&w, "P. 21:31(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 11"); // no SACK block
	tw_end(&w);
}

// RFC 7323 2.2, 2.3.
static void window_scale(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,wscale 14");
	tw_in(&w, ". 1:1(0) ack 1 win 3");
	assert_int_equal(tw_info(&w).snd_wnd, 3 << 14);
	tw_flow(&w, 1); // more than 14 is 14
	tw_connect(&w, "mss 1460,wscale 15");
	tw_in(&w, ". 1:1(0) ack 1 win 3");
	assert_int_equal(tw_info(&w).snd_wnd, 3 << 14);
	tw_flow(&w, 2);
	tw_connect(&w, "mss 1460,wscale 255");
	tw_in(&w, ". 1:1(0) ack 1 win 65535");
	assert_int_equal(tw_info(&w).snd_wnd, 65535u << 14);
	tw_flow(&w, 3); // not in the SYN: the field is what it says
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 65535");
	assert_int_equal(tw_info(&w).snd_wnd, 65535);
	tw_end(&w);

	// Ours: a buffer of 256 KiB. Without the peer's option at most 65535.
	tw_conf(&conf);
	conf.rcv_buf_size = 262144;
	tw_open(&w, &conf);
	tw_in(&w, "S 0:0(0) win 2 <mss 1460,wscale 0>");
	tw_out(&w, "S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 3>"); // unscaled
	tw_in(&w, ". 1:1(0) ack 1 win 2");
	assert_int_equal(tw_info(&w).snd_wnd, 2);
	tw_in(&w, "P. 1:2(1) ack 1 win 5");
	tw_write(&w, 2);
	tw_out(&w, "P. 1:3(2) ack 2 win 32767"); // 262143 >> 3
	tw_flow(&w, 1);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	tw_in(&w, "P. 1:2(1) ack 1");
	tw_write(&w, 2);
	tw_out(&w, "P. 1:3(2) ack 2 win 65534");
	tw_end(&w);
}

// RFC 7323 3.2: on every segment but RST; the value is a clock, the echo TS.Recent.
static void timestamps_on_every_segment(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460,TS val 0 ecr 0>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460,TS val 0 ecr 0>");
	tw_in(&w, ". 1:1(0) ack 1 <TS val 5 ecr L>");
	tw_advance(&w, 100 * MS);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1 <TS val 100 ecr 5>");
	tw_in(&w, "P. 1:11(10) ack 11 <TS val 107 ecr L>");
	tw_read(&w, 10);
	tw_out_within(&w, 30 * MS, 41 * MS, ". 11:11(0) ack 11 <TS val * ecr 107>");
	tw_in(&w, "F. 11:11(0) ack 11 <TS val 300 ecr L>");
	tw_out(&w, ". 11:11(0) ack 12 <TS val * ecr 300>");
	tw_close(&w);
	tw_out(&w, "F. 11:11(0) ack 12 <TS val * ecr 300>");
	tw_counts(&w, "syns_received accepted");
	tw_end(&w);
}

// RFC 7323 3.2: dropped without an answer, but a RST needs none.
static void missing_timestamp(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, TW_ALL);
	tw_in(&w, "P. 1:11(10) ack 1 <nop>");
	tw_in(&w, "F. 1:1(0) ack 1 <hex 0809000000>"); // malformed is missing
	tw_none(&w);
	assert_int_equal(tw_readable(&w), 0);
	tw_counts(&w, "drop_no_timestamp=2");
	tw_state(&w, "ESTABLISHED");
	tw_in(&w, "R 1:1(0) <nop>");
	tw_events(&w, TCP_EV_GONE);
	tw_counts(&w, "resets_received closed");
	tw_end(&w);
}

// Not agreed on: ignored where they appear.
static void timestamp_that_was_not_agreed(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:11(10) ack 1 <TS val 900 ecr 0>");
	tw_in(&w, "P. 11:21(10) ack 1 <TS val 1 ecr 0>");
	tw_read(&w, 20);
	tw_write(&w, 1);
	tw_out(&w, "P. 1:2(1) ack 21");
	tw_counts(&w, "");
	tw_end(&w);
}

// RFC 7323 5.3 R1.
static void paws(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,TS val 0 ecr 0");
	tw_in(&w, "P. 1:11(10) ack 1 <TS val 1000 ecr L>");
	tw_read(&w, 10);
	tw_counts_reset(&w);
	tw_in(&w, "P. 11:21(10) ack 1 <TS val 999 ecr L>");
	tw_out(&w, ". 1:1(0) ack 11 <TS val * ecr 1000>");
	assert_int_equal(tw_readable(&w), 0);
	tw_counts(&w, "drop_paws");
	tw_in(&w, "F. 11:11(0) ack 1 <TS val -5000 ecr L>");
	tw_out(&w, ". 1:1(0) ack 11 <TS val * ecr 1000>");
	tw_counts(&w, "drop_paws");
	// The same value is not old. The clock of the peer wrapped: 256 was 2^32.
	tw_in(&w, "P. 11:21(10) ack 1 <TS val 1000 ecr L>");
	tw_read(&w, 10);
	// A RST is exempt.
	tw_in(&w, "R 21:21(0) <TS val 3 ecr L>");
	tw_events(&w, TCP_EV_DATA | TCP_EV_GONE);
	tw_counts(&w, "resets_received closed");
	tw_end(&w);
}

// RFC 7323 4.3 (2): TS.Recent moves with a segment at Last.ACK.sent only.
static void ts_recent_update(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,TS val 0 ecr 0");
	tw_in(&w, "P. 11:21(10) ack 1 <TS val 700 ecr L>"); // a gap before it
	tw_out(&w, ". 1:1(0) ack 1 <TS val * ecr 0>");
	tw_in(&w, "P. 1:11(10) ack 1 <TS val 500 ecr L>");
	tw_out(&w, ". 1:1(0) ack 21 <TS val * ecr 500>");
	// An unacceptable ACK moves nothing (ts_recent/invalid_ack).
	tw_in(&w, "P. 21:31(10) ack 99 <TS val 9000 ecr L>");
	tw_out(&w, ". 1:1(0) ack 21 <TS val * ecr 500>");
	// Nor does a segment outside the window.
	tw_in(&w, "P. 90021:90031(10) ack 1 <TS val 9000 ecr L>");
	tw_out(&w, ". 1:1(0) ack 21 <TS val * ecr 500>");
	tw_in(&w, "P. 21:31(10) ack 1 <TS val 600 ecr L>");
	tw_read(&w, 30);
	tw_write(&w, 1);
	tw_out(&w, "P. 1:2(1) ack 31 <TS val * ecr 600>");
	tw_end(&w);
}

// RFC 7323 5.5: after 24 days of silence TS.Recent is no measure any more.
static void paws_after_24_days(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,TS val 0 ecr 0");
	tw_in(&w, "P. 1:11(10) ack 1 <TS val 1000 ecr L>");
	tw_read(&w, 10);
	tw_advance(&w, 25ull * 24 * 3600 * SECOND);
	tw_drain(&w);
	tw_counts_reset(&w);
	tw_in(&w, "P. 11:21(10) ack 1 <TS val 900 ecr L>");
	assert_int_equal(tw_readable(&w), 10);
	tw_read(&w, 10);
	tw_counts(&w, "");
	tw_end(&w);
}

// Two connections of one host do not tell its neighbours how their clocks stand.
static void timestamp_offset_per_flow(void **state)
{
	uint32_t first;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, TW_ALL);
	first = w.f->seg.our_ts;
	tw_flow(&w, 1);
	tw_connect(&w, TW_ALL);
	assert_int_not_equal(w.f->seg.our_ts, first);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_answered_only_when_offered),
		cmocka_unit_test(syn_option_forms),
		cmocka_unit_test(every_kind_and_length),
		cmocka_unit_test(send_mss),
		cmocka_unit_test(syn_options_elsewhere),
		cmocka_unit_test(window_scale),
		cmocka_unit_test(timestamps_on_every_segment),
		cmocka_unit_test(missing_timestamp),
		cmocka_unit_test(timestamp_that_was_not_agreed),
		cmocka_unit_test(paws),
		cmocka_unit_test(ts_recent_update),
		cmocka_unit_test(paws_after_24_days),
		cmocka_unit_test(timestamp_offset_per_flow),
	};

	return tw_run_group("tcp opt", tests, sizeof(tests) / sizeof(tests[0]));
}
