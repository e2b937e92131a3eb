// SPDX-License-Identifier: BSD-3-Clause
// Every state x every kind of segment: SYN, RST, ACK, FIN and data, in and out of the window
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define SECOND 1000000u

enum st { SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSING, CLOSE_WAIT, LAST_ACK, TIME_WAIT };
#define ST_COUNT (TIME_WAIT + 1)

// Where a connection stands in each state: relative SND.UNA, SND.NXT, RCV.NXT.
static const struct {
	const char *name;
	int una, nxt, rcv;
	bool closed; // the user has closed it
} state_of[ST_COUNT] = {
	[SYN_RCVD] = {"SYN-RECEIVED", 0, 1, 1, false},
	[ESTABLISHED] = {"ESTABLISHED", 1, 1, 1, false},
	[FIN_WAIT_1] = {"FIN-WAIT-1", 1, 2, 1, true},
	[FIN_WAIT_2] = {"FIN-WAIT-2", 2, 2, 1, true},
	[CLOSING] = {"CLOSING", 1, 2, 2, true},
	[CLOSE_WAIT] = {"CLOSE-WAIT", 1, 1, 2, false},
	[LAST_ACK] = {"LAST-ACK", 1, 2, 2, true},
	[TIME_WAIT] = {"TIME-WAIT", 2, 2, 2, true},
};

static void reach(struct tw *w, enum st st)
{
	tw_open(w, NULL);
	if (st == SYN_RCVD) {
		tw_in(w, "S 0:0(0) win 65535 <mss 1460>");
		tw_out(w, "S. 0:0(0) ack 1 <mss 1460>");
		tw_counts_reset(w);
		return;
	}
	tw_connect(w, "mss 1460");
	if (st == CLOSE_WAIT || st == LAST_ACK) {
		tw_in(w, "F. 1:1(0) ack 1");
		tw_out(w, ". 1:1(0) ack 2");
	}
	if (state_of[st].closed) {
		tw_close(w);
		assert_true(tw_take(w));
		assert_true(w->got.flags & SEG_FIN);
	}
	if (st == CLOSING)
		tw_in(w, "F. 1:1(0) ack 1");
	if (st == FIN_WAIT_2 || st == TIME_WAIT)
		tw_in(w, ". 1:1(0) ack 2");
	if (st == TIME_WAIT)
		tw_in(w, "F. 1:1(0) ack 2");
	tw_drain(w);
	if (st == TIME_WAIT)
		tw_release(w);
	else
		tw_state(w, state_of[st].name);
	if (w->f->tcb)
		w->f->events = 0;
	tw_counts_reset(w);
}

enum answer { SILENCE, ACK, RST_OF_ACK }; // RST_OF_ACK: <SEQ=SEG.ACK><CTL=RST>

struct outcome {
	enum answer answer;
	const char *counts;
	bool ends; // the connection is gone
};

static void check_answer(struct tw *w, enum st st, enum answer answer, int seg_ack)
{
	switch (answer) {
	case SILENCE:
		tw_none(w);
		return;
	case ACK:
		tw_outf(w, ". %d:%d(0) ack %d", state_of[st].nxt, state_of[st].nxt,
			state_of[st].rcv);
		break;
	case RST_OF_ACK:
		tw_outf(w, "R %d:%d(0) win 0", seg_ack, seg_ack);
		break;
	}
	tw_none(w);
}

// One segment in one state. seg_ack: its ACK, for RST_OF_ACK.
static void cell(enum st st, const char *text, int seg_ack, const struct outcome *want)
{
	struct tw w;

	reach(&w, st);
	print_message("%s: %s\n", state_of[st].name, text);
	tw_in(&w, text);
	check_answer(&w, st, want->answer, seg_ack);
	tw_counts(&w, want->counts);
	if (want->ends) {
		if (w.f->tcb) {
			tw_events(&w, TCP_EV_GONE);
			tw_release(&w);
		}
		assert_int_equal(tcp_conn_count(w.tcp), 0);
	} else if (w.f->tcb) {
		tw_state(&w, state_of[st].name);
		tw_events(&w, 0);
		assert_int_equal(tw_info(&w).rcv_nxt - w.f->seg.peer_isn, state_of[st].rcv);
		assert_int_equal(tw_info(&w).snd_una - w.f->seg.our_isn, state_of[st].una);
		assert_int_equal(tw_readable(&w), 0);
	} else {
		assert_int_equal(tcp_conn_count(w.tcp), st == SYN_RCVD);
	}
	tw_end(&w);
}

// The flags, and where it is relative to RCV.NXT, len bytes, ACK relative to SND.NXT.
static void cells(
	const char *flags, int off, unsigned len, int ack_off, struct outcome (*want)(enum st st))
{
	for (enum st st = 0; st < ST_COUNT; st++) {
		int seq = state_of[st].rcv + off, ack = state_of[st].nxt + ack_off;
		struct outcome o = want(st);
		char text[SEG_TEXT_MAX];

		if (!o.counts)
			continue;
		if (strchr(flags, '.'))
			snprintf(text, sizeof(text), "%s %d:%d(%u) ack %d", flags, seq,
				seq + (int)len, len, ack);
		else
			snprintf(text, sizeof(text), "%s %d:%d(%u)", flags, seq, seq + (int)len,
				len);
		cell(st, text, ack, &o);
	}
}

// ---- SYN: RFC 5961 4.2: a challenge ACK, wherever it is

static struct outcome want_syn(enum st st)
{
	if (st == SYN_RCVD) // in window: has a test of its own
		return (struct outcome){0};
	return (struct outcome){ACK, "challenge_acks drop_challenged", false};
}

static struct outcome want_syn_ack(enum st st)
{
	return (struct outcome){ACK, "challenge_acks drop_challenged", false};
}

static void syn_in_window(void **state)
{
	cells("S", -1000, 0, 0, want_syn);
}

static void syn_ack_in_window(void **state)
{
	cells("S.", 10, 0, 0, want_syn_ack);
}

// ---- RST: RFC 5961 3.2; RFC 1337 in TIME-WAIT

static struct outcome want_rst_exact(enum st st)
{
	if (st == TIME_WAIT)
		return (struct outcome){SILENCE, "drop_time_wait", false};
	if (st == SYN_RCVD)
		return (struct outcome){SILENCE, "resets_received", true};
	return (struct outcome){SILENCE, "resets_received closed", true};
}

static struct outcome want_rst_inside(enum st st)
{
	if (st == TIME_WAIT)
		return (struct outcome){SILENCE, "drop_time_wait", false};
	return (struct outcome){ACK, "challenge_acks drop_challenged", false};
}

static struct outcome want_rst_outside(enum st st)
{
	if (st == TIME_WAIT)
		return (struct outcome){SILENCE, "drop_time_wait", false};
	return (struct outcome){SILENCE, "drop_unacceptable", false};
}

static void rst_at_rcv_nxt(void **state)
{
	cells("R", 0, 0, 0, want_rst_exact);
	cells("R.", 0, 0, 0, want_rst_exact);
}

static void rst_in_window(void **state)
{
	cells("R", 1, 0, 0, want_rst_inside);
	cells("R", 32766, 0, 0, want_rst_inside);
}

static void rst_outside_window(void **state)
{
	cells("R", -1, 0, 0, want_rst_outside);
	cells("R", 32768, 0, 0, want_rst_outside);
	cells("R", 1000000000, 0, 0, want_rst_outside);
}

// ---- ACK: RFC 5961 5.2

static struct outcome want_ack_outside(enum st st)
{
	if (st == SYN_RCVD)
		return (struct outcome){RST_OF_ACK, "drop_ack_range resets_sent", false};
	if (st == TIME_WAIT)
		return (struct outcome){0}; // answered or not, see test_tcp_timewait
	return (struct outcome){ACK, "challenge_acks drop_ack_range", false};
}

static void ack_of_what_was_never_sent(void **state)
{
	cells(".", 0, 0, 1, want_ack_outside);
	cells(".", 0, 0, 1000000000, want_ack_outside);
}

static void ack_too_old(void **state)
{
	cells(".", 0, 0, -70000, want_ack_outside);
	cells("P.", 0, 10, -70000, want_ack_outside);
}

static struct outcome want_nothing(enum st st)
{
	if (st == SYN_RCVD || st == TIME_WAIT)
		return (struct outcome){0};
	return (struct outcome){SILENCE, "", false};
}

// Old, but not too old: nothing changes.
static void ack_old(void **state)
{
	cells(".", 0, 0, -1000, want_nothing);
}

// ---- data outside the window, on both sides

static struct outcome want_unacceptable(enum st st)
{
	if (st == TIME_WAIT)
		return (struct outcome){ACK, "drop_time_wait", false};
	return (struct outcome){ACK, "drop_unacceptable", false};
}

static void data_left_of_window(void **state)
{
	cells("P.", -10, 10, 0, want_unacceptable);
	cells("P.", -100000, 10, 0, want_unacceptable);
}

static void data_right_of_window(void **state)
{
	cells("P.", 32768, 10, 0, want_unacceptable);
	cells("P.", 1000000000, 10, 0, want_unacceptable);
}

static void fin_outside_window(void **state)
{
	cells("F.", -100, 0, 0, want_unacceptable);
	cells("F.", 40000, 0, 0, want_unacceptable);
}

// ---- no ACK bit (RFC 9293 3.10.7.4 fifth)

static struct outcome want_flags(enum st st)
{
	return (struct outcome){SILENCE, "drop_flags", false};
}

static void no_ack_bit(void **state)
{
	cells("P", 0, 10, 0, want_flags);
	cells("F", 0, 0, 0, want_flags);
	cells("-", 0, 10, 0, want_flags);
}

// ---- data in the window where none may come: behind the peer's FIN, after our close

static struct outcome want_text_ignored(enum st st)
{
	if (st == CLOSE_WAIT) // 3.10.7.4 seventh: "Ignore the segment text."
		return (struct outcome){SILENCE, "", false};
	return (struct outcome){0};
}

static struct outcome want_reset_after_close(enum st st)
{
	if (st == FIN_WAIT_2 || st == FIN_WAIT_1)
		return (struct outcome){RST_OF_ACK, "drop_after_close resets_sent closed", true};
	return (struct outcome){0};
}

static void data_behind_fin(void **state)
{
	cells("P.", 0, 10, 0, want_text_ignored);
}

static void data_after_close(void **state)
{
	cells("P.", 0, 10, 0, want_reset_after_close);
	cells("FP.", 0, 10, 0, want_reset_after_close);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_in_window),
		cmocka_unit_test(syn_ack_in_window),
		cmocka_unit_test(rst_at_rcv_nxt),
		cmocka_unit_test(rst_in_window),
		cmocka_unit_test(rst_outside_window),
		cmocka_unit_test(ack_of_what_was_never_sent),
		cmocka_unit_test(ack_too_old),
		cmocka_unit_test(ack_old),
		cmocka_unit_test(data_left_of_window),
		cmocka_unit_test(data_right_of_window),
		cmocka_unit_test(fin_outside_window),
		cmocka_unit_test(no_ack_bit),
		cmocka_unit_test(data_behind_fin),
		cmocka_unit_test(data_after_close),
	};

	return tw_run_group("tcp matrix", tests, sizeof(tests) / sizeof(tests[0]));
}
