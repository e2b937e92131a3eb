// SPDX-License-Identifier: BSD-3-Clause
// What a connection may hold: reply bytes, chunks, places, time; and how a drain ends it
// support: connrig connrig_client eal frame

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/connrig.h"

#define SECOND 1000000ULL
#define VALUE_LEN 1000
#define TEXT_MAX (1 << 20)

static struct connrig rig;
static char text[TEXT_MAX], reply[TEXT_MAX];

static int open_rig(void **state)
{
	connrig_start(&rig);
	return 0;
}

static int close_rig(void **state)
{
	connrig_close(&rig);
	return 0;
}

// Keys k0 .. k9 with VALUE_LEN bytes each.
static void store_values(unsigned i)
{
	size_t n = 0;

	for (unsigned k = 0; k < 10; k++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"set k%u 0 0 %d noreply\r\n%0*u\r\n", k, VALUE_LEN, VALUE_LEN, k);
	connrig_says(&rig, i, text, "");
}

// "get k0 .. k9 k0 .." with n keys into text, its reply into reply.
static void make_get(unsigned n)
{
	size_t t = (size_t)snprintf(text, sizeof(text), "get"), r = 0;

	for (unsigned i = 0; i < n; i++) {
		t += (size_t)snprintf(text + t, sizeof(text) - t, " k%u", i % 10);
		r += (size_t)snprintf(reply + r, sizeof(reply) - r, "VALUE k%u 0 %d\r\n%0*u\r\n",
			i % 10, VALUE_LEN, VALUE_LEN, i % 10);
	}
	snprintf(text + t, sizeof(text) - t, "\r\n");
	snprintf(reply + r, sizeof(reply) - r, "END\r\n");
}

static struct tcb *tcb_of(unsigned i)
{
	for (uint32_t idx = 0; idx < rig.conn_conf.conn_count_max; idx++)
		if (conn_state_name(rig.conns, idx) &&
			tcp_peer(tcp_at(rig.tcp, idx)).remote_port == rig.client[i].port)
			return tcp_at(rig.tcp, idx);
	fail();
	return NULL;
}

// ---- reply bytes

// A get of 200 values pauses at out_limit and goes on as its client acknowledges, in steps
// of any size: nothing is lost or doubled, and no more than the limit and a value waits.
static void test_pause_at_out_limit(void **state)
{
	static const uint32_t steps[] = {1, 500, 4097, 16384, 100000};

	connrig_conf(&rig);
	rig.conn_conf.out_limit = 16384;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	store_values(0);
	for (unsigned k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		uint32_t step = steps[k];
		unsigned n = step == 1 ? 25 : 200;

		make_get(n);
		rig.client[0].holds_acks = true;
		connrig_sends(&rig, 0, text);
		connrig_sends(&rig, 0, "get none\r\n");
		connrig_settle(&rig);
		connrig_state(&rig, 0, "conn_mwrite");
		assert_in_range(tcp_send_queue(tcb_of(0))->len, 16384, 16384 + VALUE_LEN + 20);
		while (rig.client[0].got_len < strlen(reply) + 5) {
			assert_true(rig.client[0].acked != rig.client[0].rcv_nxt);
			connrig_ack(&rig, 0, step);
			connrig_settle(&rig);
			assert_true(tcp_send_queue(tcb_of(0))->len <= 16384 + VALUE_LEN + 20);
		}
		rig.client[0].holds_acks = false;
		connrig_ack(&rig, 0, UINT32_MAX);
		connrig_settle(&rig);
		snprintf(reply + strlen(reply), 6, "END\r\n");
		connrig_expect(&rig, 0, reply);
		connrig_state(&rig, 0, "conn_waiting");
	}
	connrig_counts(&rig, "");
}

// A pipeline stops at out_limit too: what is not run stays in the receive queue.
static void test_pipeline_stops_at_out_limit(void **state)
{
	size_t t = 0, r = 0;

	connrig_conf(&rig);
	rig.conn_conf.out_limit = 8192;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	store_values(0);
	for (unsigned i = 0; i < 60; i++) {
		t += (size_t)snprintf(text + t, sizeof(text) - t, "get k%u\r\n", i % 10);
		r += (size_t)snprintf(reply + r, sizeof(reply) - r,
			"VALUE k%u 0 %d\r\n%0*u\r\nEND\r\n", i % 10, VALUE_LEN, VALUE_LEN, i % 10);
	}
	rig.client[0].holds_acks = true;
	connrig_sends(&rig, 0, text);
	connrig_settle(&rig);
	connrig_state(&rig, 0, "conn_mwrite");
	assert_int_equal(connrig_cmd_stat(&rig, CMD_STAT_cmd_get), 8);
	assert_true(tcp_readable(tcb_of(0)) > 0);
	connrig_ack(&rig, 0, 3000); // above half of the limit nothing is run
	connrig_settle(&rig);
	assert_int_equal(connrig_cmd_stat(&rig, CMD_STAT_cmd_get), 8);
	rig.client[0].holds_acks = false;
	connrig_ack(&rig, 0, UINT32_MAX);
	connrig_settle(&rig);
	connrig_expect(&rig, 0, reply);
}

// FIN while a get is paused: all of it is answered first. RST: all is given back.
static void test_end_of_a_paused_get(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.out_limit = 16384;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	store_values(0);
	make_get(100);
	rig.client[0].holds_acks = true;
	connrig_fin(&rig, 0);
	connrig_sends(&rig, 0, text);
	connrig_settle(&rig);
	connrig_state(&rig, 0, "conn_mwrite");
	assert_false(rig.client[0].eof);
	rig.client[0].holds_acks = false;
	connrig_ack(&rig, 0, UINT32_MAX);
	connrig_settle(&rig);
	connrig_expect(&rig, 0, reply);
	assert_true(rig.client[0].eof);
	connrig_state(&rig, 0, NULL);

	connrig_connect(&rig, 0);
	rig.client[0].holds_acks = true;
	connrig_sends(&rig, 0, text);
	connrig_settle(&rig);
	connrig_state(&rig, 0, "conn_mwrite");
	connrig_reset(&rig, 0);
	connrig_settle(&rig);
	connrig_state(&rig, 0, NULL);
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
	assert_int_equal(rig.open_count, 0);
}

// An over-long get line that pauses in the middle of its pieces.
static void test_pause_in_long_line(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.out_limit = 30000;
	rig.conn_conf.requests_per_event = 1;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	store_values(0);
	for (unsigned k = 0; k < 3; k++) {
		make_get(100);
		memset(text + strlen(text) - 2, ' ', 20000);
		snprintf(text + 20000, 100, " k0 k1\r\n");
		snprintf(reply + strlen(reply) - 5, 3000,
			"VALUE k0 0 %d\r\n%0*d\r\nVALUE k1 0 %d\r\n%0*d\r\nEND\r\n", VALUE_LEN,
			VALUE_LEN, 0, VALUE_LEN, VALUE_LEN, 1);
		rig.client[0].holds_acks = true;
		rig.client[0].burst_max = k == 0 ? NET_BURST_MAX : 1;
		connrig_sends(&rig, 0, text);
		connrig_settle(&rig);
		connrig_state(&rig, 0, "conn_mwrite");
		while (rig.client[0].acked != rig.client[0].rcv_nxt) {
			connrig_ack(&rig, 0, k == 2 ? 777 : 20000);
			connrig_settle(&rig);
		}
		connrig_expect(&rig, 0, reply);
		connrig_state(&rig, 0, "conn_waiting");
		rig.client[0].holds_acks = false;
	}
}

// A client whose window is shut: nothing is lost when it opens it.
static void test_closed_window(void **state)
{
	connrig_connect(&rig, 0);
	store_values(0);
	make_get(50);
	rig.client[0].window = 0;
	connrig_ack(&rig, 0, 0);
	connrig_advance(&rig, SECOND);
	rig.client[0].edge = rig.client[0].acked; // what was announced before is used up
	connrig_ack(&rig, 0, 0);
	connrig_sends(&rig, 0, text);
	connrig_advance(&rig, 3 * SECOND);
	connrig_expect(&rig, 0, "");
	rig.client[0].window = 5000;
	connrig_ack(&rig, 0, 0);
	connrig_advance(&rig, 3 * SECOND);
	connrig_expect(&rig, 0, reply);
}

// ---- chunks

// Eight connections want more chunks than there are: each has all of its reply in the end.
static void test_chunk_pool_exhausted(void **state)
{
	connrig_conf(&rig);
	rig.tcp_conf.chunk_count = 12;
	rig.conn_conf.out_limit = 8192;
	connrig_open(&rig);
	for (unsigned i = 0; i < 8; i++)
		connrig_connect(&rig, i);
	store_values(0);
	make_get(40);
	for (unsigned i = 0; i < 8; i++) {
		rig.client[i].holds_acks = true;
		connrig_sends(&rig, i, text);
		connrig_sends(&rig, i, "set n 0 0 1\r\nx\r\nversion\r\nbogus\r\n");
	}
	connrig_settle(&rig);
	assert_true(connrig_stat(&rig, CONN_STAT_blocked) > 0);
	assert_true(conns_have_work(rig.conns));
	for (unsigned i = 0; i < 8; i++) {
		rig.client[i].holds_acks = false;
		connrig_ack(&rig, i, UINT32_MAX);
	}
	connrig_advance(&rig, 2 * SECOND);
	snprintf(reply + strlen(reply), sizeof(reply) - strlen(reply),
		"STORED\r\nVERSION 1.6.18\r\nERROR\r\n");
	for (unsigned i = 0; i < 8; i++)
		connrig_expect(&rig, i, reply);
	assert_false(conns_have_work(rig.conns));
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
	connrig_state(&rig, 0, "conn_waiting");
}

// Take every chunk, as unacknowledged replies of others do.
static void take_chunks(struct chunkq *hog)
{
	static const uint8_t zero[CHUNK_ROOM];

	chunkq_init(hog, tcp_chunk_pool(rig.tcp));
	while (chunkq_append(hog, zero, sizeof(zero)))
		;
}

// Each kind of command that finds no chunk waits and is run once when there is one.
static void test_blocked_commands(void **state)
{
	static char large[40100], small[60];
	const struct {
		const char *input, *state, *reply;
	} rows[] = {
		{"get k0 none\r\n", "conn_mwrite", NULL},
		{"get none\r\n", "conn_mwrite", "END\r\n"},
		{"bogus\r\n", "conn_mwrite", "ERROR\r\n"},
		{"incr n 1\r\n", "conn_mwrite", "8\r\n"},
		{"stats sizes\r\n", "conn_mwrite", "STAT 32 1\r\nSTAT 1056 10\r\nEND\r\n"},
		{small, "conn_nread", "STORED\r\n"},
		{"set k 0 0 2000000\r\n", "conn_mwrite",
			"SERVER_ERROR object too large for cache\r\n"},
		{large, "conn_mwrite", "STORED\r\n"},
	};
	struct chunkq hog;

	connrig_connect(&rig, 9);
	store_values(9);
	connrig_says(&rig, 9, "set n 0 0 1\r\n7\r\n", "STORED\r\n");
	snprintf(small, sizeof(small), "set s 0 0 5\r\nhello\r\n");
	snprintf(large, sizeof(large), "set l 0 0 40000\r\n%040000d\r\n", 1);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		connrig_connect(&rig, 0);
		connrig_counts(&rig, "");
		take_chunks(&hog);
		connrig_says(&rig, 0, rows[i].input, "");
		connrig_state(&rig, 0, rows[i].state);
		assert_true(connrig_stat(&rig, CONN_STAT_blocked) > rig.seen[CONN_STAT_blocked]);
		rig.seen[CONN_STAT_blocked] = connrig_stat(&rig, CONN_STAT_blocked);
		chunkq_clear(&hog);
		connrig_settle(&rig);
		make_get(1);
		connrig_expect(&rig, 0, rows[i].reply ? rows[i].reply : reply);
		connrig_reset(&rig, 0);
		connrig_settle(&rig);
		connrig_counts(&rig, "");
	}
}

// The rest of a large value, and its end, come while no chunk is free; also with FIN
// right behind it.
static void test_blocked_in_large_value(void **state)
{
	struct chunkq hog;

	for (unsigned fin = 0; fin < 2; fin++) {
		connrig_connect(&rig, 0);
		snprintf(text, sizeof(text), "%020000d", 1);
		connrig_says(&rig, 0, "set l 0 0 40000\r\n", "");
		connrig_says(&rig, 0, text, "");
		take_chunks(&hog);
		connrig_says(&rig, 0, text, "");
		connrig_says(&rig, 0, "\r\n", "");
		if (fin) {
			connrig_fin(&rig, 0);
			connrig_settle(&rig);
		}
		connrig_state(&rig, 0, "conn_nread");
		chunkq_clear(&hog);
		connrig_settle(&rig);
		connrig_expect(&rig, 0, "STORED\r\n");
		connrig_state(&rig, 0, fin ? NULL : "conn_waiting");
		connrig_reset(&rig, 0);
		connrig_settle(&rig);
	}
	assert_int_equal(rig.open_count, 0);
}

// Reset while blocked, in each way: nothing runs afterwards, nothing is left.
static void test_reset_while_blocked(void **state)
{
	static const char *const inputs[] = {
		"get a\r\n", "set a 0 0 1\r\nx\r\n", "set a 0 0 40000\r\n", "bogus\r\n"};
	struct chunkq hog;

	for (unsigned i = 0; i < 4; i++) {
		connrig_connect(&rig, 0);
		take_chunks(&hog);
		connrig_says(&rig, 0, inputs[i], "");
		connrig_reset(&rig, 0);
		connrig_settle(&rig);
		connrig_state(&rig, 0, NULL);
		assert_false(conns_have_work(rig.conns));
		chunkq_clear(&hog);
		connrig_settle(&rig);
	}
	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, "get a\r\n", "END\r\n");
}

// ---- places

static void test_max_connections(void **state)
{
	uint64_t written;

	connrig_conf(&rig);
	rig.conn_conf.max_connections = 2;
	connrig_open(&rig);
	for (unsigned i = 0; i < 3; i++)
		connrig_connect(&rig, i);
	connrig_expect(&rig, 2, "ERROR Too many open connections\r\n");
	assert_true(rig.client[2].eof);
	assert_false(rig.client[2].reset);
	connrig_counts(&rig, "rejected_connections");
	written = connrig_stat(&rig, CONN_STAT_bytes_written);
	assert_int_equal(written, strlen("ERROR Too many open connections\r\n"));
	assert_int_equal(rig.open_count, 2);
	connrig_says(&rig, 1, "get a\r\n", "END\r\n");
	connrig_says(&rig, 0, "quit\r\n", "");
	connrig_connect(&rig, 3);
	connrig_says(&rig, 3, "get a\r\n", "END\r\n");
	// Connections of other workers count too.
	rig.open_count++;
	connrig_says(&rig, 1, "quit\r\n", "");
	connrig_connect(&rig, 4);
	connrig_expect(&rig, 4, "ERROR Too many open connections\r\n");
	connrig_counts(&rig, "rejected_connections");
}

static void test_create_limits(void **state)
{
	struct conn_conf good = rig.conn_conf, c;
	struct conns *cs;

#define REFUSES(field, value) \
	c = good; \
	c.field = value; \
	assert_null(conns_create(&c, rig.net, rig.tcp, rig.cmd, rig.ctx, rig.now_us))
	REFUSES(conn_count_max, 0);
	REFUSES(long_count, 0);
	REFUSES(requests_per_event, 0);
	REFUSES(out_limit, 0);
	REFUSES(udp_prefix_count, CONN_PREFIXES_MAX + 1);
#undef REFUSES
	good.udp_prefix_count = CONN_PREFIXES_MAX;
	cs = conns_create(&good, rig.net, rig.tcp, rig.cmd, rig.ctx, rig.now_us);
	assert_non_null(cs);
	assert_null(conn_state_name(cs, 0));
	assert_null(conn_state_name(cs, good.conn_count_max));
	assert_null(conn_state_name(cs, UINT32_MAX));
	conns_destroy(cs);
	conns_destroy(NULL);
}

// ---- time

// Quiet for longer than the timeout, in whatever state: FIN, as memcached does. Requests
// keep it alive.
static void test_idle_timeout(void **state)
{
	static const char *const inputs[] = {
		"", "get", "set a 0 0 5\r\nab", "set a 0 0 1100000\r\n"};

	connrig_conf(&rig);
	rig.conn_conf.idle_timeout_s = 10;
	connrig_open(&rig);
	for (unsigned i = 0; i < 5; i++)
		connrig_connect(&rig, i);
	for (unsigned i = 0; i < 4; i++)
		connrig_sends(&rig, i, inputs[i]);
	for (unsigned s = 0; s < 9; s++) {
		connrig_advance(&rig, SECOND);
		connrig_sends(&rig, 4, "version\r\n");
	}
	connrig_advance(&rig, SECOND);
	for (unsigned i = 0; i < 5; i++)
		assert_false(rig.client[i].eof);
	connrig_advance(&rig, 2 * SECOND);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(rig.client[i].eof);
		assert_false(rig.client[i].reset);
		connrig_state(&rig, i, NULL);
	}
	connrig_counts(&rig, "idle_kicks=4");
	assert_false(rig.client[4].eof);
	connrig_advance(&rig, 12 * SECOND);
	connrig_counts(&rig, "idle_kicks");
	assert_int_equal(rig.open_count, 0);
}

// A client that reads a long reply slowly, or sends a block that is thrown away, is
// not idle.
static void test_progress_is_not_idle(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.idle_timeout_s = 10;
	rig.conn_conf.out_limit = 16384;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	connrig_connect(&rig, 1);
	store_values(0);
	connrig_says(
		&rig, 1, "set a 0 0 1100000\r\n", "SERVER_ERROR object too large for cache\r\n");
	make_get(60);
	rig.client[0].holds_acks = true;
	connrig_sends(&rig, 0, text);
	while (rig.client[0].got_len < strlen(reply)) {
		assert_false(rig.client[0].reset || rig.client[1].eof);
		connrig_ack(&rig, 0, 9000);
		connrig_advance(&rig, 8 * SECOND);
		connrig_sends(&rig, 1, "some");
	}
	assert_true(rig.now_us > CONNRIG_START_US + 30 * SECOND);
	connrig_expect(&rig, 0, reply);
	assert_true(rig.client[1].open);
	connrig_counts(&rig, "");
	// The rest of the reply is not acknowledged: its memory comes back by a reset.
	assert_true(rig.client[0].acked != rig.client[0].rcv_nxt);
	connrig_advance(&rig, 12 * SECOND);
	connrig_counts(&rig, "idle_kicks=2");
	assert_true(rig.client[0].reset);
	assert_true(rig.client[1].eof);
	assert_false(rig.client[1].reset);
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
}

// Large values under way must make progress, whether or not there is an idle timeout.
static void test_long_timeout(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		connrig_connect(&rig, i);
	connrig_says(&rig, 0, "set a 0 0 40000\r\nabc", "");
	connrig_says(&rig, 1, "set b 0 0 40000\r\nabc", "");
	connrig_says(&rig, 2, "set c 0 0 30000\r\nabc", ""); // holds no place
	for (unsigned s = 0; s < 70; s += 10) {
		connrig_advance(&rig, 10 * SECOND);
		connrig_says(&rig, 1, "more", "");
	}
	assert_true(rig.client[0].reset);
	for (unsigned i = 1; i < 4; i++)
		assert_true(rig.client[i].open);
	connrig_counts(&rig, "long_kicks");
	connrig_advance(&rig, 62 * SECOND);
	assert_true(rig.client[1].reset);
	connrig_counts(&rig, "long_kicks");
	connrig_check(&rig);
}

// More connections than one sweep looks at: all of them are found.
static void test_sweep_finds_all(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.idle_timeout_s = 1;
	rig.tcp_conf.conn_count_max = rig.conn_conf.conn_count_max = 1000;
	connrig_open(&rig);
	for (unsigned i = 0; i < CONNRIG_CLIENTS_MAX; i++)
		connrig_connect(&rig, i);
	connrig_advance(&rig, 3 * SECOND);
	connrig_counts(&rig, "idle_kicks=24");
}

// ---- drain

// Idle connections are closed with FIN; what is in flight is answered first.
static void test_drain(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.out_limit = 16384;
	connrig_open(&rig);
	for (unsigned i = 0; i < 4; i++)
		connrig_connect(&rig, i);
	store_values(0);
	make_get(60);
	rig.client[1].holds_acks = true;
	connrig_sends(&rig, 1, text);
	connrig_says(&rig, 2, "set a 0 0 5\r\nab", "");
	connrig_says(&rig, 3, "set b 0 0 40000\r\nab", "");
	connrig_settle(&rig);
	conns_drain(rig.conns, rig.now_us);
	connrig_advance(&rig, 100000);
	assert_true(rig.client[0].eof);
	assert_false(rig.client[0].reset);
	for (unsigned i = 1; i < 4; i++) {
		assert_true(rig.client[i].open);
		assert_false(rig.client[i].eof);
	}
	rig.client[1].holds_acks = false;
	connrig_ack(&rig, 1, UINT32_MAX);
	connrig_sends(&rig, 2, "cde\r\n");
	connrig_advance(&rig, 100000);
	connrig_expect(&rig, 1, reply);
	connrig_expect(&rig, 2, "STORED\r\n");
	snprintf(text, sizeof(text), "%039998d\r\n", 1);
	connrig_sends(&rig, 3, text);
	connrig_advance(&rig, 100000);
	connrig_expect(&rig, 3, "STORED\r\n");
	for (unsigned i = 1; i < 4; i++) {
		assert_true(rig.client[i].eof);
		assert_false(rig.client[i].reset);
	}
	assert_int_equal(rig.open_count, 0);
	connrig_counts(&rig, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
#define TEST_OWN(f) cmocka_unit_test_teardown(f, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OWN(test_pause_at_out_limit),
		TEST_OWN(test_pipeline_stops_at_out_limit),
		TEST_OWN(test_end_of_a_paused_get),
		TEST_OWN(test_pause_in_long_line),
		TEST(test_closed_window),
		TEST_OWN(test_chunk_pool_exhausted),
		TEST(test_blocked_commands),
		TEST(test_blocked_in_large_value),
		TEST(test_reset_while_blocked),
		TEST_OWN(test_max_connections),
		TEST(test_create_limits),
		TEST_OWN(test_idle_timeout),
		TEST_OWN(test_progress_is_not_idle),
		TEST(test_long_timeout),
		TEST_OWN(test_sweep_finds_all),
		TEST_OWN(test_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
