// SPDX-License-Identifier: BSD-3-Clause
// The connection machine over TCP: each resting state, cuts at each byte, turns, ends
// support: connrig connrig_client eal frame

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "support/connrig.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static struct connrig rig;

static int close_rig(void **state)
{
	connrig_close(&rig);
	return 0;
}

static int open_rig(void **state)
{
	connrig_start(&rig);
	return 0;
}

// n times text, for a pipeline; valid until the call after next.
static const char *times(const char *text, unsigned n)
{
	static char buf[2][2048];
	static unsigned turn;
	char *all = buf[++turn % 2];
	size_t len = strlen(text);

	assert_true(n * len < sizeof(buf[0]));
	for (unsigned i = 0; i < n; i++)
		memcpy(all + i * len, text, len);
	all[n * len] = '\0';
	return all;
}

#define TOO_LARGE "SERVER_ERROR object too large for cache\r\n"

// How a connection comes to each state in which it can rest, and the reply until then.
static const struct rest {
	const char *input, *state, *reply;
} rests[] = {
	{"", "conn_waiting", ""},
	{"get a", "conn_waiting", ""},
	{"get a\r", "conn_waiting", ""},
	{"get a\r\n", "conn_waiting", "END\r\n"},
	{"foo\r\nget a\r\nver", "conn_waiting", "ERROR\r\nEND\r\n"},
	{"set a 0 0 5\r\n", "conn_nread", ""},
	{"set a 0 0 5\r\nabcde\r", "conn_nread", ""},
	{"set a 0 0 5\r\nabcde\r\n", "conn_waiting", "STORED\r\n"},
	{"set a 0 0 32768\r\nabcde", "conn_nread", ""},
	{"set a 0 0 32769\r\n", "conn_nread", ""},
	{"set a 0 0 40000\r\nabcde", "conn_nread", ""},
	{"set a 0 0 1100000\r\n", "conn_swallow", TOO_LARGE},
	{"set a 0 0 1100000\r\nabcde", "conn_swallow", TOO_LARGE},
	{"set a 0 0 1100000 noreply\r\n", "conn_swallow", ""},
};

static void test_resting_states(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rests); i++) {
		connrig_connect(&rig, 0);
		connrig_says(&rig, 0, rests[i].input, rests[i].reply);
		connrig_state(&rig, 0, rests[i].state);
		connrig_reset(&rig, 0);
		connrig_settle(&rig);
		connrig_state(&rig, 0, NULL);
		connrig_check(&rig);
	}
	assert_int_equal(connrig_stat(&rig, CONN_STAT_curr_connections), 0);
	assert_int_equal(connrig_stat(&rig, CONN_STAT_total_connections), COUNT_OF(rests));
	assert_int_equal(rig.open_count, 0);
	connrig_counts(&rig, "");
}

// The peer's FIN in each resting state: what is unfinished gets no reply, we send FIN too.
static void test_eof_in_each_state(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rests); i++) {
		connrig_connect(&rig, 0);
		connrig_says(&rig, 0, rests[i].input, rests[i].reply);
		connrig_fin(&rig, 0);
		connrig_settle(&rig);
		connrig_expect(&rig, 0, "");
		assert_true(rig.client[0].eof);
		assert_false(rig.client[0].reset);
		connrig_state(&rig, 0, NULL);
		connrig_check(&rig);
	}
	assert_int_equal(rig.open_count, 0);
}

// FIN right behind the input, in the same turn.
static void test_eof_with_input(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rests); i++) {
		connrig_connect(&rig, 0);
		connrig_fin(&rig, 0);
		connrig_says(&rig, 0, rests[i].input, rests[i].reply);
		assert_true(rig.client[0].eof);
		assert_false(rig.client[0].reset);
		connrig_state(&rig, 0, NULL);
	}
	assert_int_equal(rig.open_count, 0);
}

// The connection is reset in the very turn in which it is made.
static void test_gone_with_first_event(void **state)
{
	connrig_connect(&rig, 0);
	connrig_connect(&rig, 1);
	connrig_sends(&rig, 0, "set a 0 0 40000\r\nabc");
	connrig_turn(&rig);
	connrig_state(&rig, 0, "conn_nread");
	connrig_sends(&rig, 0, "def");
	connrig_sends(&rig, 1, "get a\r\n");
	connrig_turn(&rig);
	connrig_reset(&rig, 0);
	connrig_settle(&rig);
	connrig_state(&rig, 0, NULL);
	connrig_expect(&rig, 1, "END\r\n");
	assert_int_equal(rig.open_count, 1);
}

// The line before its end, and behind a command that was run: quit, and what we refuse.
static void test_ends_by_the_server(void **state)
{
	char endless[2100];
	const struct {
		const char *input, *reply, *counted;
	} rows[] = {
		{"quit\r\n", "", ""},
		{"get a\r\nquit\r\nget a\r\nget", "END\r\n", ""},
		{"get a\r\nquit\r\nset a 0 0 40000\r\nabc", "END\r\n", ""},
		{"quit noreply\r\n", "", ""},
		{"\x80\x01", "", "closed_protocol"},
		{"\x16\x03\x01", "", "closed_protocol"},
		{"GET / HTTP/1.1\r\n", "", "closed_bad_line"},
		{"get a\r\nPUT /x HTTP/1.0\r\nHost: a\r\n", "END\r\n", "closed_bad_line"},
		{endless, "", "closed_bad_line"},
	};

	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		connrig_connect(&rig, 0);
		connrig_says(&rig, 0, rows[i].input, rows[i].reply);
		assert_true(rig.client[0].eof);
		assert_false(rig.client[0].reset);
		connrig_state(&rig, 0, NULL);
		connrig_counts(&rig, rows[i].counted);
	}
}

// Only the first byte of a connection decides.
static void test_protocol_by_first_byte_only(void **state)
{
	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, "get a\r\n\x80\r\n", "END\r\nERROR\r\n");
	connrig_says(&rig, 0, "\x16\r\n", "ERROR\r\n");
	connrig_counts(&rig, "");
}

// A line of 2048 bytes is a line, one byte more is not, however it arrives.
static void test_line_limit(void **state)
{
	char line[2060];

	for (unsigned piece = 1; piece <= CONNRIG_MSS; piece += CONNRIG_MSS - 1) {
		connrig_connect(&rig, 0);
		rig.client[0].seg_max = piece;
		memset(line, 'x', sizeof(line));
		memcpy(line + 2048, "\n", 2);
		connrig_says(&rig, 0, line, "ERROR\r\n");
		connrig_counts(&rig, "");
		memcpy(line + 2048, "x\n", 3);
		connrig_says(&rig, 0, line, "");
		assert_true(rig.client[0].eof);
		connrig_counts(&rig, "closed_bad_line");
	}
}

// The longest line of a storage command, in segments of any size: parsed again when its
// block is there, it must be found whole again.
static void test_longest_storage_line(void **state)
{
	static const uint32_t pieces[] = {1, 100, 1024, 2048, CONNRIG_MSS};
	char text[2100];

	connrig_connect(&rig, 0);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		for (size_t len = 2045; len <= 2048; len++) {
			memset(text, ' ', len);
			memcpy(text, "set k 0 0 5", 11);
			memcpy(text + len, "\nhello\r\nget k\r\n", 16);
			text[len + 15] = '\0';
			rig.client[0].seg_max = pieces[i] < CONNRIG_MSS ? pieces[i] : CONNRIG_MSS;
			connrig_says(&rig, 0, text, "STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n");
		}
	}
	connrig_counts(&rig, "");
}

static const char script[] = "set k 5 0 3\r\none\r\n"
			     "get k nokey\r\n"
			     "add k 0 0 1\r\nx\r\n"
			     "append k 0 0 2\r\n12\r\n"
			     "set b 0 0 3\r\nabcd\r\n"
			     "set n 0 0 2 noreply\r\n10\r\n"
			     "incr n 5\r\nget n\n"
			     "set e 0 0 0\r\n\r\n"
			     "bogus\r\nset k 0 0 x\r\n"
			     "delete n noreply\r\ntouch k 100\r\n"
			     "gat 0 k\r\ndelete k\r\nversion\r\n";
static const char script_reply[] = "STORED\r\nVALUE k 5 3\r\none\r\nEND\r\n"
				   "NOT_STORED\r\nSTORED\r\n"
				   "CLIENT_ERROR bad data chunk\r\nERROR\r\n"
				   "15\r\nVALUE n 0 2\r\n15\r\nEND\r\n"
				   "STORED\r\n"
				   "ERROR\r\nCLIENT_ERROR bad command line format\r\n"
				   "TOUCHED\r\nVALUE k 5 5\r\none12\r\nEND\r\n"
				   "DELETED\r\nVERSION 1.6.18\r\n";

static void test_cut_at_every_byte(void **state)
{
	size_t len = strlen(script);

	connrig_connect(&rig, 0);
	for (size_t cut = 0; cut <= len; cut++) {
		connrig_send(&rig, 0, script, cut);
		connrig_settle(&rig);
		connrig_send(&rig, 0, script + cut, len - cut);
		connrig_settle(&rig);
		connrig_expect(&rig, 0, script_reply);
	}
	assert_int_equal(connrig_stat(&rig, CONN_STAT_bytes_read), (len + 1) * len);
	assert_int_equal(
		connrig_stat(&rig, CONN_STAT_bytes_written), (len + 1) * strlen(script_reply));
}

// Segments of one byte, all in a burst or each in a turn of its own.
static void test_byte_by_byte(void **state)
{
	connrig_connect(&rig, 0);
	rig.client[0].seg_max = 1;
	connrig_says(&rig, 0, script, script_reply);
	rig.client[0].burst_max = 1;
	connrig_says(&rig, 0, script, script_reply);
}

// requests_per_event commands, then the next connection; the rest in later calls. As with
// memcached the command that a connection was waiting for comes on top of them.
static void test_turns(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		connrig_connect(&rig, i);
	connrig_sends(&rig, 0, times("get a\r\n", 50));
	connrig_sends(&rig, 1, "get a\r\n");
	connrig_sends(&rig, 2, times("get a\r\n", 50));
	connrig_turn(&rig);
	connrig_expect(&rig, 0, times("END\r\n", 21));
	connrig_expect(&rig, 1, "END\r\n");
	connrig_expect(&rig, 2, times("END\r\n", 21));
	assert_true(conns_have_work(rig.conns));
	connrig_state(&rig, 0, "conn_new_cmd");
	connrig_sends(&rig, 1, "get a\r\n");
	connrig_turn(&rig);
	connrig_expect(&rig, 0, times("END\r\n", 20));
	connrig_expect(&rig, 1, "END\r\n");
	connrig_expect(&rig, 2, times("END\r\n", 20));
	connrig_turn(&rig);
	connrig_expect(&rig, 0, times("END\r\n", 9));
	connrig_expect(&rig, 2, times("END\r\n", 9));
	assert_false(conns_have_work(rig.conns));
	connrig_counts(&rig, "conn_yields=4");
}

// Exactly as many as one turn takes is no reason to yield.
static void test_full_turn_does_not_yield(void **state)
{
	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, times("get a\r\n", 21), times("END\r\n", 21));
	connrig_counts(&rig, "");
	connrig_says(&rig, 0, times("get a\r\n", 22), times("END\r\n", 22));
	connrig_counts(&rig, "conn_yields");
}

// Data that comes while a connection waits for its turn does not give it two of them.
static void test_one_turn_per_call(void **state)
{
	connrig_connect(&rig, 0);
	for (unsigned i = 0; i < 5; i++) {
		connrig_sends(&rig, 0, times("get a\r\n", 30));
		connrig_turn(&rig);
		connrig_expect(&rig, 0, times("END\r\n", i == 0 ? 21 : 20));
	}
	connrig_settle(&rig);
	connrig_expect(&rig, 0, times("END\r\n", 49));
}

// Who waits for its turn and leaves: FIN is heard after the last command, RST at once; the
// slot's next user finds nothing of the old one.
static void test_end_while_waiting_for_turn(void **state)
{
	connrig_connect(&rig, 0);
	connrig_fin(&rig, 0);
	connrig_says(&rig, 0, times("get a\r\n", 50), times("END\r\n", 50));
	assert_true(rig.client[0].eof);
	connrig_connect(&rig, 0);
	connrig_sends(&rig, 0, times("get a\r\n", 50));
	connrig_turn(&rig);
	connrig_expect(&rig, 0, times("END\r\n", 21));
	connrig_reset(&rig, 0);
	connrig_turn(&rig);
	connrig_state(&rig, 0, NULL);
	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, "get a\r\n", "END\r\n");
	assert_int_equal(rig.open_count, 1);
	connrig_says(&rig, 0, "quit\r\n", "");
	assert_int_equal(rig.open_count, 0);
	assert_false(conns_have_work(rig.conns));
}

// The value's length is wrong by one: refused, and the line after it is looked at anew.
static void test_bad_data_chunk(void **state)
{
	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, "set a 0 0 3\r\nabc\r\n", "STORED\r\n");
	connrig_says(&rig, 0, "set a 0 0 3\r\nabcde\r\nget a\r\n",
		"CLIENT_ERROR bad data chunk\r\nERROR\r\nVALUE a 0 3\r\nabc\r\nEND\r\n");
	connrig_says(&rig, 0, "set a 0 0 3\r\nabc\n\nget a\r\n",
		"CLIENT_ERROR bad data chunk\r\nVALUE a 0 3\r\nabc\r\nEND\r\n");
	connrig_says(&rig, 0, "set a 0 0 3 noreply\r\nabc\r\r", "");
	connrig_says(&rig, 0, "get a\r\n", "VALUE a 0 3\r\nabc\r\nEND\r\n");
	connrig_check(&rig);
}

// A value of one record above item_size_max: its block is thrown away in any pieces.
static void test_too_large_for_conf(void **state)
{
	static const char text[] = "set a 0 0 5000\r\n", after[] = "\r\nget a\r\n";
	char block[5000];

	connrig_conf(&rig);
	rig.store_conf.item_size_max = 4096;
	connrig_open(&rig);
	memset(block, 'v', sizeof(block));
	for (unsigned burst = 0; burst < 2; burst++) {
		connrig_connect(&rig, 0);
		rig.client[0].burst_max = burst ? 1 : 64;
		rig.client[0].seg_max = burst ? 999 : 1460;
		connrig_says(&rig, 0, "set a 0 0 1\r\nx\r\n", "STORED\r\n");
		connrig_sends(&rig, 0, text);
		connrig_send(&rig, 0, block, sizeof(block));
		connrig_says(&rig, 0, after, TOO_LARGE "END\r\n");
		connrig_state(&rig, 0, "conn_waiting");
	}
	connrig_check(&rig);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_resting_states),
		TEST(test_eof_in_each_state),
		TEST(test_eof_with_input),
		TEST(test_gone_with_first_event),
		TEST(test_ends_by_the_server),
		TEST(test_protocol_by_first_byte_only),
		TEST(test_line_limit),
		TEST(test_longest_storage_line),
		TEST(test_cut_at_every_byte),
		TEST(test_byte_by_byte),
		TEST(test_turns),
		TEST(test_full_turn_does_not_yield),
		TEST(test_one_turn_per_call),
		TEST(test_end_while_waiting_for_turn),
		TEST(test_bad_data_chunk),
		cmocka_unit_test_teardown(test_too_large_for_conf, close_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
