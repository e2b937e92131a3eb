// SPDX-License-Identifier: BSD-3-Clause
// What does not fit into a receive queue: large values, and get lines of more than 16 KiB
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

#define TEXT_MAX (3 << 20)
#define NO_MEMORY_READ "SERVER_ERROR Out of memory during read\r\n"
#define NO_MEMORY_STORE "SERVER_ERROR out of memory storing object\r\n"
#define BAD_FORMAT "CLIENT_ERROR bad command line format\r\n"

static struct connrig rig;
static char *text, *reply; // TEXT_MAX each
static size_t text_len, reply_len;

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

static int take_memory(void **state)
{
	text = malloc(TEXT_MAX);
	reply = malloc(TEXT_MAX);
	return text && reply ? 0 : -1;
}

static int give_memory(void **state)
{
	free(text);
	free(reply);
	return 0;
}

__attribute__((format(printf, 1, 2))) static void add(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_len += (size_t)vsnprintf(text + text_len, TEXT_MAX - text_len, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 1, 2))) static void want(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_len += (size_t)vsnprintf(reply + reply_len, TEXT_MAX - reply_len, fmt, ap);
	va_end(ap);
}

static void fill(char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 7 + i / 1000 + seed) % 26);
}

static void add_value(size_t n, unsigned seed)
{
	fill(text + text_len, n, seed);
	text_len += n;
	add("\r\n");
}

static void want_value(size_t n, unsigned seed)
{
	fill(reply + reply_len, n, seed);
	reply_len += n;
	want("\r\n");
}

static void send_text(unsigned i)
{
	connrig_send(&rig, i, text, text_len);
	text_len = 0;
}

static void expect_reply(unsigned i)
{
	connrig_expect_bytes(&rig, i, reply, reply_len);
	reply_len = 0;
}

// ---- values

// Around the size from which on a value is taken as it comes, and 1 KiB below 1 MiB.
static const uint32_t sizes[] = {
	32766, 32767, 32768, 32769, 32770, 40000, 65535, 65536, 98304, 100001, (1 << 20) - 1024};

static void test_value_sizes(void **state)
{
	connrig_connect(&rig, 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig.client[0].burst_max = i % 2 ? 3 : NET_BURST_MAX;
		add("set big %u 0 %u\r\n", i, sizes[i]);
		add_value(sizes[i], i);
		add("get big\r\n");
		send_text(0);
		want("STORED\r\nVALUE big %u %u\r\n", i, sizes[i]);
		want_value(sizes[i], i);
		want("END\r\n");
		connrig_settle(&rig);
		expect_reply(0);
		connrig_check(&rig);
	}
	connrig_state(&rig, 0, "conn_waiting");
}

// Cut at each byte around the line's end, the value's end and the final CRLF.
static void test_value_cut(void **state)
{
	static const uint32_t size[] = {32768, 32769};

	connrig_connect(&rig, 0);
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned from_end = 0; from_end < 2; from_end++) {
			for (size_t i = 0; i < 24; i++) {
				size_t cut, len;

				add("set k 0 0 %u\r\n", size[k]);
				add_value(size[k], (unsigned)i);
				add("get none\r\n");
				len = text_len;
				cut = from_end ? len - i : i;
				connrig_send(&rig, 0, text, cut);
				connrig_settle(&rig);
				connrig_send(&rig, 0, text + cut, len - cut);
				text_len = 0;
				connrig_settle(&rig);
				connrig_expect(&rig, 0, "STORED\r\nEND\r\n");
			}
		}
	}
	connrig_says(&rig, 0, "set k 0 0 1\r\nx\r\n", "STORED\r\n");
}

// The bytes behind a large value are not CRLF: both are taken, the old value stays.
static void test_large_bad_chunk(void **state)
{
	static const char *const ends[] = {"xx", "\rx", "x\n", "\n\r"};

	connrig_connect(&rig, 0);
	connrig_says(&rig, 0, "set k 0 0 3\r\nold\r\n", "STORED\r\n");
	for (unsigned i = 0; i < 4; i++) {
		add("set k 0 0 40000%s\r\n", i == 3 ? " noreply" : "");
		add_value(40000, 1);
		text_len -= 2;
		send_text(0);
		connrig_settle(&rig);
		connrig_state(&rig, 0, "conn_nread");
		add("%.1s", ends[i]);
		send_text(0);
		connrig_settle(&rig);
		connrig_state(&rig, 0, "conn_nread");
		add("%sget k\r\n", ends[i] + 1);
		send_text(0);
		connrig_settle(&rig);
		want("%sVALUE k 0 3\r\nold\r\nEND\r\n",
			i == 3 ? "" : "CLIENT_ERROR bad data chunk\r\n");
		expect_reply(0);
		connrig_check(&rig);
	}
}

// add, replace, append, cas and noreply with a large value.
static void test_large_modes(void **state)
{
	connrig_connect(&rig, 0);
	add("replace k 0 0 33000\r\n");
	add_value(33000, 1);
	add("set k 0 0 2\r\nab\r\n");
	add("append k 0 0 33000\r\n");
	add_value(33000, 2);
	add("add k 0 0 33000\r\n");
	add_value(33000, 3);
	add("cas k 0 0 33000 999999\r\n");
	add_value(33000, 4);
	add("set n 0 0 33000 noreply\r\n");
	add_value(33000, 5);
	add("get k n\r\n");
	send_text(0);
	connrig_settle(&rig);
	want("NOT_STORED\r\nSTORED\r\nSTORED\r\nNOT_STORED\r\nEXISTS\r\n");
	want("VALUE k 0 33002\r\nab");
	want_value(33000, 2);
	want("VALUE n 0 33000\r\n");
	want_value(33000, 5);
	want("END\r\n");
	expect_reply(0);
}

// Four uploads may be under way. The fifth waits; it goes on when one of them ends.
static void test_long_count(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		connrig_connect(&rig, i);
		add("set k%u 0 0 40000\r\n", i);
		send_text(i);
		connrig_settle(&rig);
		connrig_state(&rig, i, i < 4 ? "conn_nread" : "conn_mwrite");
	}
	assert_true(connrig_stat(&rig, CONN_STAT_long_waits) > 0);
	assert_true(conns_have_work(rig.conns));
	for (unsigned i = 0; i < 5; i++) {
		unsigned who = (i + 4) % 5; // the waiting one sends its value first

		add_value(40000, who);
		send_text(who);
		connrig_settle(&rig);
		if (i > 0)
			connrig_expect(&rig, who, "STORED\r\n");
	}
	connrig_expect(&rig, 4, "STORED\r\n");
	assert_false(conns_have_work(rig.conns));
	for (unsigned i = 0; i < 5; i++) {
		add("get k%u\r\n", i);
		send_text(i);
		connrig_settle(&rig);
		want("VALUE k%u 0 40000\r\n", i);
		want_value(40000, i);
		want("END\r\n");
		expect_reply(i);
	}
}

// Who waits for a place and goes away leaves nothing behind.
static void test_long_count_reset(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		connrig_connect(&rig, i);
		connrig_says(&rig, i, "set k 0 0 40000\r\nab", "");
	}
	connrig_state(&rig, 5, "conn_mwrite");
	connrig_reset(&rig, 4);
	connrig_fin(&rig, 5);
	connrig_settle(&rig);
	connrig_state(&rig, 4, NULL);
	connrig_state(&rig, 5, "conn_mwrite");
	connrig_reset(&rig, 0);
	connrig_settle(&rig); // now 5 has a place, and its end is seen
	connrig_state(&rig, 5, NULL);
	assert_true(rig.client[5].eof);
	for (unsigned i = 1; i < 4; i++)
		connrig_reset(&rig, i);
	connrig_settle(&rig);
	connrig_check(&rig);
	assert_int_equal(rig.open_count, 0);
}

// Unfinished values hold a quarter of the memory at most, and give it back.
static void test_pending_memory_comes_back(void **state)
{
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 3; i++) {
			connrig_connect(&rig, i);
			add("set k%u 0 0 1000000\r\n", i);
			add_value(700000, i);
			send_text(i);
			connrig_settle(&rig);
			connrig_expect(&rig, i, i < 2 ? "" : NO_MEMORY_STORE);
			connrig_state(&rig, i, i < 2 ? "conn_nread" : "conn_swallow");
		}
		connrig_check(&rig);
		for (unsigned i = 0; i < 3; i++) {
			if (round % 2)
				connrig_fin(&rig, i);
			else
				connrig_reset(&rig, i);
			connrig_settle(&rig);
			connrig_state(&rig, i, NULL);
		}
		connrig_check(&rig);
	}
}

// Memory runs out in the middle of a large value: a clear reply, the rest is skipped, the
// connection goes on.
static void test_out_of_store_memory(void **state)
{
	unsigned refused = 0;

	connrig_conf(&rig);
	rig.store_conf.no_evictions = true;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	for (unsigned i = 0; i < 20; i++) {
		add("set k%u 0 0 900000\r\n", i);
		add_value(900000, i);
		add("version\r\n");
		send_text(0);
		connrig_settle(&rig);
		if (strncmp(rig.client[0].got, "SERVER_ERROR", 12) == 0) {
			refused++;
			want("%sVERSION 1.6.18\r\n", strstr(rig.client[0].got, "read")
							     ? NO_MEMORY_READ
							     : NO_MEMORY_STORE);
		} else {
			want("STORED\r\nVERSION 1.6.18\r\n");
		}
		expect_reply(0);
		connrig_check(&rig);
	}
	assert_true(refused > 5 && refused < 20);
}

// ---- get lines

// A line of n keys of about 100 bytes; every 50th key is there. pad: one more key makes
// the line, with its end, this long.
static void long_get(const char *word, unsigned n, size_t pad)
{
	size_t start = text_len;

	add("%s", word);
	for (unsigned i = 0; i < n; i++) {
		add(" key%0*u", 97, i);
		if (i % 50 == 0)
			want("VALUE key%0*u 0 2\r\nv%u\r\n", 97, i, i / 50 % 10);
	}
	if (pad) {
		size_t left = pad - (text_len - start) - 2;

		assert_true(left > 1 && left < 250);
		add(" %0*u", (int)left - 1, 7);
	}
	add("\r\n");
	want("END\r\n");
}

static void store_keys(unsigned n)
{
	for (unsigned i = 0; i < n; i += 50)
		add("set key%0*u 0 0 2 noreply\r\nv%u\r\n", 97, i, i / 50 % 10);
	send_text(0);
	connrig_settle(&rig);
	connrig_expect(&rig, 0, "");
}

// Lines of CONN_LINE_MAX and some bytes around it, whole and in pieces.
static void test_line_lengths(void **state)
{
	connrig_connect(&rig, 0);
	store_keys(200);
	for (size_t len = CONN_LINE_MAX - 2; len <= CONN_LINE_MAX + 3; len++) {
		for (unsigned piece = 0; piece < 3; piece++) {
			rig.client[0].burst_max = piece == 0 ? NET_BURST_MAX : 1;
			rig.client[0].seg_max = piece == 2 ? 113 : CONNRIG_MSS;
			long_get("get", 161, len);
			send_text(0);
			connrig_settle(&rig);
			expect_reply(0);
			connrig_says(&rig, 0, "get none\r\n", "END\r\n");
		}
	}
	connrig_counts(&rig, "");
}

// 60 KB of keys in one burst, and in small segments.
static void test_longer_lines(void **state)
{
	static const char *const words[] = {"get", "gets", "gat 0", "gats 100"};

	connrig_connect(&rig, 0);
	store_keys(600);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned w = 0; w < 4; w += 2) {
			long_get(words[w], 600, 0);
			add("get none\r\n");
			want("END\r\n");
			send_text(0);
			connrig_settle(&rig);
			expect_reply(0);
		}
		rig.client[0].burst_max = 1;
	}
	connrig_state(&rig, 0, "conn_waiting");
}

static void test_long_line_byte_by_byte(void **state)
{
	connrig_connect(&rig, 0);
	store_keys(200);
	rig.client[0].seg_max = 1;
	long_get("get", 165, 0);
	send_text(0);
	connrig_settle(&rig);
	expect_reply(0);
	connrig_says(&rig, 0, "get none\r\n", "END\r\n");
}

// Two over-long lines at a time on connections of their own, and one behind the other.
static void test_long_lines_together(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		connrig_connect(&rig, i);
	store_keys(400);
	for (unsigned i = 0; i < 3; i++) {
		rig.client[i].burst_max = 1;
		reply_len = 0;
		long_get("get", 400, 0);
		long_get("get", 400, 0);
		send_text(i);
	}
	connrig_settle(&rig);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = reply_len;

		expect_reply(i);
		reply_len = len;
	}
	reply_len = 0;
}

// A bad key anywhere: one error line, in place of the END, and the connection goes on.
static void test_bad_key_in_long_line(void **state)
{
	char bad[300] = "";

	memset(bad, 'b', 251);
	connrig_connect(&rig, 0);
	store_keys(600);
	for (unsigned pieces = 0; pieces < 3; pieces++) {
		rig.client[0].burst_max = pieces ? 1 : NET_BURST_MAX;
		rig.client[0].seg_max = pieces == 2 ? 199 : CONNRIG_MSS;
		for (unsigned at = 0; at < 600; at += 145) {
			size_t len;

			add("get");
			for (unsigned i = 0; i < 600; i++)
				add(" none%0*u%s%s", 96, i, i == at ? " " : "", i == at ? bad : "");
			add("\r\nget none\r\n");
			send_text(0);
			connrig_settle(&rig);
			len = strlen(BAD_FORMAT "END\r\n");
			assert_int_equal(rig.client[0].got_len, len);
			connrig_expect(&rig, 0, BAD_FORMAT "END\r\n");
		}
	}
	connrig_counts(&rig, "");
}

// What is too long and no get: closed at once, in any pieces.
static void test_long_line_of_another_command(void **state)
{
	connrig_connect(&rig, 0);
	add("delete");
	for (unsigned i = 0; i < 200; i++)
		add(" key%0*u", 97, i);
	send_text(0);
	connrig_settle(&rig);
	connrig_expect(&rig, 0, "");
	assert_true(rig.client[0].eof);
	connrig_counts(&rig, "closed_bad_line");
}

// The end of the stream inside an over-long line: what was complete is answered.
static void test_eof_in_long_line(void **state)
{
	connrig_connect(&rig, 0);
	store_keys(300);
	long_get("get", 300, 0);
	text_len -= 2;
	reply_len -= 5;
	send_text(0);
	connrig_fin(&rig, 0);
	connrig_settle(&rig);
	expect_reply(0);
	assert_true(rig.client[0].eof);
	connrig_state(&rig, 0, NULL);
	connrig_connect(&rig, 0);
	long_get("get", 300, 0);
	text_len -= 2;
	reply_len = 0;
	send_text(0);
	connrig_settle(&rig);
	connrig_state(&rig, 0, "conn_waiting");
	connrig_reset(&rig, 0);
	connrig_settle(&rig);
	connrig_state(&rig, 0, NULL);
}

// All places for long commands are taken: an over-long line waits for one.
static void test_long_line_waits_for_place(void **state)
{
	connrig_connect(&rig, 0);
	store_keys(200);
	for (unsigned i = 1; i < 5; i++) {
		connrig_connect(&rig, i);
		connrig_says(&rig, i, "set k 0 0 40000\r\nab", "");
	}
	long_get("get", 200, 0);
	send_text(0);
	connrig_settle(&rig);
	connrig_expect(&rig, 0, "");
	connrig_state(&rig, 0, "conn_mwrite");
	connrig_reset(&rig, 2);
	connrig_settle(&rig);
	expect_reply(0);
	connrig_state(&rig, 0, "conn_waiting");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_value_sizes),
		TEST(test_value_cut),
		TEST(test_large_bad_chunk),
		TEST(test_large_modes),
		TEST(test_long_count),
		TEST(test_long_count_reset),
		TEST(test_pending_memory_comes_back),
		cmocka_unit_test_teardown(test_out_of_store_memory, close_rig),
		TEST(test_line_lengths),
		TEST(test_longer_lines),
		TEST(test_long_line_byte_by_byte),
		TEST(test_long_lines_together),
		TEST(test_bad_key_in_long_line),
		TEST(test_long_line_of_another_command),
		TEST(test_eof_in_long_line),
		TEST(test_long_line_waits_for_place),
	};

	return cmocka_run_group_tests(tests, take_memory, give_memory);
}
