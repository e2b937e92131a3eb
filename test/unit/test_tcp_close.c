// SPDX-License-Identifier: BSD-3-Clause
// Closing: every order of the two FINs, lost ones, data that comes too late, resets of ours
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u

static void established(struct tw *w)
{
	tw_open(w, NULL);
	tw_connect(w, "mss 1460");
}

// RFC 9293 figure 12, the peer first: no TIME-WAIT here.
static void remote_first(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 2");
	tw_events(&w, TCP_EV_EOF);
	tw_state(&w, "CLOSE-WAIT");
	assert_true(tcp_at_eof(w.f->tcb));
	tw_quiet(&w, 1000 * SECOND); // the user may take its time
	tw_write(&w, 10); // and still has something to say
	tw_out(&w, "P. 1:11(10) ack 2");
	tw_in(&w, ". 2:2(0) ack 11");
	tw_close(&w);
	tw_out(&w, "F. 11:11(0) ack 2");
	tw_state(&w, "LAST-ACK");
	tw_release(&w);
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, ". 2:2(0) ack 12");
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "closed");
	tw_in(&w, ". 2:2(0) ack 12"); // nothing is left of it
	tw_out(&w, "R 12:12(0) win 0");
	tw_end(&w);
}

static void local_first(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_state(&w, "FIN-WAIT-1");
	tw_release(&w);
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 2");
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0); // TIME-WAIT is a record, no tcb
	tw_counts(&w, "closed");
	tw_in(&w, "F. 1:1(0) ack 2"); // our ACK was lost
	tw_out(&w, ". 2:2(0) ack 2");
	tw_end(&w);
}

// The user keeps the tcb while both sides finish.
static void release_after_the_end(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 2");
	tw_state(&w, "FIN-WAIT-2");
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2");
	tw_advance(&w, 100 * SECOND);
	tw_none(&w);
	tw_release(&w);
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// FIN and ACK of ours in one segment: FIN-WAIT-1 to TIME-WAIT.
static void fin_acks_fin(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// RFC 9293 figure 13.
static void simultaneous(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_out(&w, ". 2:2(0) ack 2");
	tw_state(&w, "CLOSING");
	tw_release(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_in(&w, ". 2:2(0) ack 2");
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2"); // TIME-WAIT answers
	tw_end(&w);
}

// What is queued goes first; the FIN rides on the last segment.
static void close_behind_data(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, ". 1:1(0) ack 1 win 1460");
	tw_write(&w, 2000);
	tw_out(&w, ". 1:1461(1460) ack 1");
	tw_close(&w);
	tw_release(&w);
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1461 win 1460");
	tw_out(&w, "FP. 1461:2001(540) ack 1");
	tw_in(&w, ". 1:1(0) ack 2001"); // the data, not the FIN
	tw_none(&w);
	tw_out_within(&w, 100 * MS, 2 * SECOND, "F. 2001:2001(0) ack 1");
	tw_in(&w, "F. 1:1(0) ack 2002");
	tw_out(&w, ". 2002:2002(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// B-15: lost, alone and with data, in each state that has one out.
static void fin_is_retransmitted(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_out_after(&w, 200 * MS, "F. 1:1(0) ack 1");
	tw_out_after(&w, 400 * MS, "F. 1:1(0) ack 1");
	tw_counts(&w, "rto_expired=2 retransmits=2");
	tw_in(&w, "F. 1:1(0) ack 1"); // CLOSING
	tw_out(&w, ". 2:2(0) ack 2");
	tw_out_within(&w, 100 * MS, 2 * SECOND, "F. 1:1(0) ack 2");
	tw_in(&w, ". 2:2(0) ack 2");
	tw_end(&w);

	established(&w);
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 2");
	tw_write(&w, 5);
	tw_out(&w, "P. 1:6(5) ack 2");
	tw_close(&w);
	tw_out(&w, "F. 6:6(0) ack 2");
	tw_release(&w);
	tw_in(&w, ". 2:2(0) ack 6"); // LAST-ACK
	tw_out_within(&w, 100 * MS, SECOND, "F. 6:6(0) ack 2");
	tw_in(&w, ". 2:2(0) ack 7");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// The last data and the FIN are both lost: both come again.
static void data_and_fin_lost(void **state)
{
	uint32_t seen = 0;
	struct tw w;

	established(&w);
	tw_write(&w, 1500);
	tw_close(&w);
	tw_release(&w);
	tw_drain(&w);
	for (unsigned i = 0; i < 20 && tcp_conn_count(w.tcp) > 0; i++) {
		tw_advance(&w, 5 * SECOND);
		while (tw_take(&w)) {
			if (w.got.seq - w.f->seg.our_isn - 1 <= seen)
				seen = w.got.seq + w.got.len + !!(w.got.flags & SEG_FIN) -
				       w.f->seg.our_isn - 1;
			tw_inf(&w, ". 1:1(0) ack %u", seen + 1);
		}
		if (seen == 1501)
			break;
	}
	assert_int_equal(seen, 1501);
	tw_in(&w, "F. 1:1(0) ack 1502");
	tw_out(&w, ". 1502:1502(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// The retransmitted FIN of the peer is answered in every state behind it.
static void fin_of_the_peer_again(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, "FP. 1:11(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 12");
	tw_in(&w, "FP. 1:11(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 12");
	tw_in(&w, "F. 11:11(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 12");
	tw_counts(&w, "drop_unacceptable=2");
	tw_read(&w, 10);
	tw_close(&w);
	tw_out(&w, "F. 1:1(0) ack 12");
	tw_in(&w, "F. 11:11(0) ack 1");
	tw_out(&w, ". 2:2(0) ack 12");
	tw_end(&w);
}

// The FIN waits for what is missing before it, also data that came behind a gap.
static void fin_out_of_order(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, "F. 11:11(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_state(&w, "ESTABLISHED");
	tw_events(&w, 0);
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 12");
	tw_events(&w, TCP_EV_DATA | TCP_EV_EOF);
	tw_state(&w, "CLOSE-WAIT");
	assert_false(tcp_at_eof(w.f->tcb));
	tw_read(&w, 10);
	assert_true(tcp_at_eof(w.f->tcb));
	tw_counts(&w, "out_of_order");
	tw_end(&w);

	established(&w);
	tw_in(&w, "FP. 11:21(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_out(&w, ". 1:1(0) ack 22");
	tw_read(&w, 20);
	assert_true(tcp_at_eof(w.f->tcb));
	tw_end(&w);
}

// RFC 9293 3.6.1: nobody reads what comes now.
static void data_after_close(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_counts_reset(&w);
	tw_in(&w, "P. 1:11(10) ack 2");
	assert_int_equal(w.result, TCP_STAT_drop_after_close);
	tw_out(&w, "R 2:2(0) win 0");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "drop_after_close resets_sent closed");
	tw_quiet(&w, 100 * SECOND);
	tw_end(&w);

	established(&w); // FIN-WAIT-2
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 2");
	tw_in(&w, "P. 1:11(10) ack 2");
	tw_out(&w, "R 2:2(0) win 0");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

static void close_with_unread_data(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_counts_reset(&w);
	tw_close(&w);
	tw_out(&w, "R. 1:1(0) ack 11");
	tw_release(&w);
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "resets_sent closed");
	tw_end(&w);
}

static void abort_now(void **state)
{
	struct tw w;

	established(&w);
	tw_write(&w, 100);
	tw_out(&w, "P. 1:101(100) ack 1");
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_abort(&w);
	tw_out(&w, "R. 101:101(0) ack 11");
	tw_release(&w);
	tw_quiet(&w, 100 * SECOND);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "resets_sent closed");
	tw_end(&w);
}

static void release_without_close(void **state)
{
	struct tw w;

	established(&w);
	tw_release(&w);
	tw_out(&w, "R. 1:1(0) ack 1");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "resets_sent closed");
	tw_quiet(&w, 100 * SECOND);
	tw_end(&w);
}

// The user is gone: FIN-WAIT-2 does not last.
static void fin_wait_2_timeout(void **state)
{
	struct tw w;

	established(&w);
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 2");
	tw_quiet(&w, 59 * SECOND);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_advance(&w, 2 * SECOND);
	tw_drain(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// Nobody acknowledges our FIN.
static void last_ack_gives_up(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_close(&w);
	tw_release(&w);
	for (unsigned i = 0; i < 300 && tcp_conn_count(w.tcp) > 0; i++) {
		tw_advance(&w, SECOND);
		tw_drain(&w);
	}
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	assert_int_equal(tw_stat(&w, TCP_STAT_timed_out), 1);
	tw_end(&w);
}

// W5: the FIN comes behind a newer ACK, with an older one.
static void fin_with_older_ack(void **state)
{
	struct tw w;

	established(&w);
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 11:11(0) ack 1");
	tw_in(&w, ". 1:1(0) ack 12"); // FIN-WAIT-2
	tw_in(&w, "F. 1:1(0) ack 11");
	tw_out(&w, ". 12:12(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// A closed window holds the FIN back with the data; probes find it open.
static void close_at_zero_window(void **state)
{
	struct tw w;

	established(&w);
	tw_in(&w, ". 1:1(0) ack 1 win 0");
	tw_write(&w, 10);
	tw_close(&w);
	tw_release(&w);
	tw_none(&w);
	tw_out_within(&w, 190 * MS, 400 * MS, ". 1:2(1) ack 1");
	tw_in(&w, ". 1:1(0) ack 1 win 100");
	tw_out(&w, "FP. 1:11(10) ack 1");
	tw_in(&w, "F. 1:1(0) ack 12");
	tw_out(&w, ". 12:12(0) ack 2");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_end(&w);
}

// A reset while closing frees all at once.
static void reset_while_closing(void **state)
{
	struct tw w;

	established(&w);
	tw_write(&w, 1000);
	tw_drain(&w);
	tw_close(&w);
	tw_release(&w);
	tw_drain(&w);
	tw_in(&w, "R 1:1(0)");
	tw_none(&w);
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_quiet(&w, 100 * SECOND);
	tw_end(&w);
}

// The dispatcher's flow table learns when the last trace of a flow is gone.
static void closed_flows_are_told(void **state)
{
	struct tcp_peer peer[4];
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.log_closed = true;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	assert_int_equal(tcp_take_closed(w.tcp, peer, 4), 0);
	tw_in(&w, "R 1:1(0)");
	tw_release(&w);
	assert_int_equal(tcp_take_closed(w.tcp, peer, 4), 1);
	assert_int_equal(peer[0].remote_port, w.f->seg.peer_port);
	assert_int_equal(peer[0].remote_addr, FRAME_PEER_ADDR);
	assert_int_equal(peer[0].local_port, FRAME_OUR_PORT);
	assert_int_equal(peer[0].local_addr, FRAME_OUR_ADDR);
	tw_flow(&w, 1);
	tw_connect(&w, "mss 1460");
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 1");
	tw_in(&w, "F. 1:1(0) ack 2");
	tw_out(&w, ". 2:2(0) ack 2");
	assert_int_equal(tcp_take_closed(w.tcp, peer, 4), 0); // TIME-WAIT is a trace
	tw_advance(&w, 62 * SECOND);
	assert_int_equal(tcp_take_closed(w.tcp, peer, 4), 1);
	assert_int_equal(peer[0].remote_port, w.f->seg.peer_port);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remote_first),
		cmocka_unit_test(local_first),
		cmocka_unit_test(release_after_the_end),
		cmocka_unit_test(fin_acks_fin),
		cmocka_unit_test(simultaneous),
		cmocka_unit_test(close_behind_data),
		cmocka_unit_test(fin_is_retransmitted),
		cmocka_unit_test(data_and_fin_lost),
		cmocka_unit_test(fin_of_the_peer_again),
		cmocka_unit_test(fin_out_of_order),
		cmocka_unit_test(data_after_close),
		cmocka_unit_test(close_with_unread_data),
		cmocka_unit_test(abort_now),
		cmocka_unit_test(release_without_close),
		cmocka_unit_test(fin_wait_2_timeout),
		cmocka_unit_test(last_ack_gives_up),
		cmocka_unit_test(fin_with_older_ack),
		cmocka_unit_test(close_at_zero_window),
		cmocka_unit_test(reset_while_closing),
		cmocka_unit_test(closed_flows_are_told),
	};

	return tw_run_group("tcp close", tests, sizeof(tests) / sizeof(tests[0]));
}
