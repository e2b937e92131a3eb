// SPDX-License-Identifier: BSD-3-Clause
// TIME-WAIT: what is answered, what is ignored, when it ends, when a SYN may take its place
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u

// Flow i connects and is closed by us; 50 bytes went each way: SND.NXT 52, RCV.NXT 52.
static void into_time_wait(struct tw *w, unsigned i, const char *options)
{
	tw_flow(w, i);
	tw_connect(w, options);
	tw_in(w, "P. 1:51(50) ack 1");
	tw_read(w, 50);
	tw_write(w, 50);
	tw_out(w, "P. 1:51(50) ack 51");
	tw_close(w);
	tw_release(w);
	tw_out(w, "F. 51:51(0) ack 51");
	tw_in(w, "F. 51:51(0) ack 52");
	tw_out(w, ". 52:52(0) ack 52");
	tw_counts_reset(w);
}

// True if the flow still has its record: it acknowledges instead of resetting.
static bool is_there(struct tw *w, unsigned i)
{
	tw_flow(w, i);
	tw_in(w, "F. 51:51(0) ack 52");
	assert_true(tw_take(w));
	return !(w->got.flags & SEG_RST);
}

static void fin_again(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	tw_in(&w, "F. 51:51(0) ack 52");
	tw_out(&w, ". 52:52(0) ack 52");
	tw_counts(&w, "drop_time_wait");
	tw_advance(&w, 2 * SECOND);
	tw_in(&w, "P. 1:51(50) ack 1"); // an old duplicate
	tw_out(&w, ". 52:52(0) ack 52");
	tw_counts(&w, "drop_time_wait");
	tw_end(&w);
}

// RFC 9293 3.10.7.4: the timer starts again with each FIN, and it is 60 s.
static void lasts_60_s(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	into_time_wait(&w, 1, "mss 1460");
	tw_quiet(&w, 59 * SECOND);
	assert_true(is_there(&w, 0)); // and begins anew
	tw_quiet(&w, 2 * SECOND);
	assert_false(is_there(&w, 1));
	tw_quiet(&w, 57 * SECOND);
	assert_true(is_there(&w, 0));
	tw_quiet(&w, 61 * SECOND);
	assert_false(is_there(&w, 0));
	tw_end(&w);
}

// RFC 1337: a RST does not end it.
static void reset_is_ignored(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	tw_in(&w, "R 52:52(0)");
	tw_in(&w, "R. 52:52(0) ack 52");
	tw_in(&w, "R 51:51(0)");
	tw_none(&w);
	tw_counts(&w, "drop_time_wait=3");
	assert_true(is_there(&w, 0));
	tw_end(&w);
}

// A pure ACK of ours to a pure ACK of theirs must not go on for ever.
static void acks_do_not_loop(void **state)
{
	unsigned answers = 0;
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	for (unsigned i = 0; i < 1000; i++) {
		tw_in(&w, ". 52:52(0) ack 40");
		answers += tw_drain(&w);
	}
	assert_true(answers <= 10);
	tw_end(&w);
}

// A SYN above RCV.NXT is a new connection; its numbers are above the old ones.
static void syn_with_higher_seq(void **state)
{
	uint32_t old_snd_nxt;
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	old_snd_nxt = w.f->seg.our_isn + 52;
	tw_new_isn(&w, 1000, 0);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 win 32768 <mss 1460>");
	assert_true((int32_t)(w.got.seq - old_snd_nxt) > 0);
	tw_counts(&w, "syns_received time_wait_reused");
	tw_in(&w, "P. 1:11(10) ack 1");
	tw_events(&w, TCP_EV_NEW | TCP_EV_DATA);
	tw_read(&w, 10);
	tw_end(&w);
}

static void syn_with_old_seq(void **state)
{
	static const int at[] = {52, 51, 0, -100000};
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		tw_advance(&w, SECOND);
		tw_inf(&w, "S %d:%d(0) win 65535 <mss 1460>", at[i] - 1, at[i] - 1);
		tw_out(&w, ". 52:52(0) ack 52 <...>");
		tw_none(&w);
		assert_int_equal(tcp_conn_count(w.tcp), 0);
	}
	assert_int_equal(tw_stat(&w, TCP_STAT_time_wait_reused), 0);
	tw_end(&w);
}

// RFC 6191 2: the timestamp decides, the sequence number only when it is equal.
static void syn_with_timestamp(void **state)
{
	static const struct {
		int ts, seq; // relative to the last TSval, and to RCV.NXT
		bool taken;
	} row[] = {
		{1, -30000, true},
		{1, 5, true},
		{1000000, -5, true},
		{0, 1, true},
		{0, -1, false},
		{-1, -1000, false},
		{-1, -1, false},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tw w;
		int last;

		tw_open(&w, NULL);
		into_time_wait(&w, 0, TW_ALL);
		last = tw_peer_ts(&w); // of the FIN
		if (row[i].taken)
			tw_new_isn(&w, 0, 0);
		tw_inf(&w, "S %d:%d(0) win 65535 <mss 1460,sackOK,TS val %d ecr 0,nop,wscale 7>",
			52 + row[i].seq, 52 + row[i].seq, last + row[i].ts);
		assert_true(tw_take(&w));
		if (row[i].taken)
			assert_int_equal(w.got.flags, SEG_SYN | SEG_ACK);
		else
			assert_int_equal(w.got.flags, SEG_ACK);
		assert_int_equal(tw_stat(&w, TCP_STAT_time_wait_reused), row[i].taken);
		assert_int_equal(tcp_conn_count(w.tcp), row[i].taken);
		tw_end(&w);
	}
}

static void oldest_is_evicted(void **state)
{
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.time_wait_count_max = 3;
	tw_open(&w, &conf);
	for (unsigned i = 0; i < 3; i++) {
		into_time_wait(&w, i, "mss 1460");
		tw_advance(&w, SECOND);
	}
	assert_true(is_there(&w, 0)); // flow 1 is the oldest now
	tw_advance(&w, SECOND);
	assert_int_equal(tw_stat(&w, TCP_STAT_time_wait_evicted), 0);
	into_time_wait(&w, 3, "mss 1460");
	assert_int_equal(tw_stat(&w, TCP_STAT_time_wait_evicted), 1);
	assert_true(is_there(&w, 0));
	assert_true(is_there(&w, 2));
	assert_true(is_there(&w, 3));
	assert_false(is_there(&w, 1));
	tw_end(&w);
}

// After TIME-WAIT, and after a passive close, the same four numbers connect again.
static void port_reuse(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, TW_ALL);
	tw_advance(&w, 61 * SECOND);
	tw_new_isn(&w, 5, 70000);
	tw_connect(&w, TW_ALL);
	tw_in(&w, "F. 1:1(0) ack 1");
	tw_out(&w, ". 1:1(0) ack 2");
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 1:1(0) ack 2");
	tw_in(&w, ". 2:2(0) ack 2");
	tw_new_isn(&w, 3, 1);
	tw_connect(&w, TW_ALL);
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	tw_end(&w);
}

// Draining takes no new connection through a TIME-WAIT record either.
static void draining(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	tcp_set_draining(w.tcp, true);
	tw_in(&w, "S 1000:1000(0) win 65535 <mss 1460>");
	tw_none(&w);
	tw_counts(&w, "drop_draining");
	assert_true(is_there(&w, 0));
	tw_end(&w);
}

struct seen {
	unsigned count;
	uint16_t port[64];
};

static void note(void *arg, const struct tcp_peer *peer)
{
	struct seen *s = arg;

	assert_true(s->count < 64);
	s->port[s->count++] = peer->remote_port;
}

static unsigned times_seen(const struct seen *s, uint16_t port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += s->port[i] == port;
	return n;
}

// Half-open, open, waiting: each flow once; and one that is there all the time is not missed
// for going into TIME-WAIT between two steps, wherever the walk stands then.
static void walk(void **state)
{
	uint16_t port[4];
	bool over = false;
	struct tw w;

	tw_open(&w, NULL);
	into_time_wait(&w, 0, "mss 1460");
	tw_flow(&w, 1);
	tw_connect(&w, "mss 1460");
	port[1] = tcp_peer(w.f->tcb).remote_port;
	port[0] = (uint16_t)(port[1] - 1);
	tw_flow(&w, 2);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460>");
	tw_drain(&w);
	port[2] = (uint16_t)(port[1] + 1);
	for (unsigned steps = 0; !over; steps++) {
		struct seen seen = {0};
		uint64_t cursor = 0;
		unsigned turn = 0;

		tw_flow(&w, 3);
		tw_new_isn(&w, 1000 + 1000 * steps, 0);
		tw_connect(&w, "mss 1460");
		port[3] = tcp_peer(w.f->tcb).remote_port;
		while (!tcp_walk(w.tcp, &cursor, 1, note, &seen))
			if (turn++ == steps) {
				tw_close(&w);
				tw_release(&w);
				tw_in(&w, "F. 1:1(0) ack 2");
				tw_drain(&w);
			}
		over = turn <= steps; // each place was tried
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(times_seen(&seen, port[i]), 1);
		assert_in_range(times_seen(&seen, port[3]), 1, 2);
		tw_advance(&w, MS); // the half-open one does not repeat itself yet
	}
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fin_again),
		cmocka_unit_test(lasts_60_s),
		cmocka_unit_test(reset_is_ignored),
		cmocka_unit_test(acks_do_not_loop),
		cmocka_unit_test(syn_with_higher_seq),
		cmocka_unit_test(syn_with_old_seq),
		cmocka_unit_test(syn_with_timestamp),
		cmocka_unit_test(oldest_is_evicted),
		cmocka_unit_test(port_reuse),
		cmocka_unit_test(draining),
		cmocka_unit_test(walk),
	};

	return tw_run_group("tcp timewait", tests, sizeof(tests) / sizeof(tests[0]));
}
