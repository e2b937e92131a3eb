// SPDX-License-Identifier: BSD-3-Clause
// Commands that walk over all items or connections, and clients that read slowly or go away
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

#define KEYS 2000
#define OUT_LIMIT 1024 // less than a step writes
#define DUMP_LINE_LEN 80 // of a dump of these keys

static struct connrig rig, rig2;
static char text[1 << 20];

static int open_rig(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.out_limit = OUT_LIMIT;
	connrig_open(&rig);
	return 0;
}

static int close_rig(void **state)
{
	connrig_close(&rig);
	return 0;
}

// Until nothing moves and no walk has anything to do.
static void settle(void)
{
	do
		connrig_settle(&rig);
	while (conns_have_work(rig.conns));
}

static void says(unsigned i, const char *line, const char *reply)
{
	connrig_sends(&rig, i, line);
	settle();
	connrig_expect(&rig, i, reply);
}

// Keys k0 .. k<KEYS - 1>.
static void store_keys(unsigned i)
{
	size_t n = 0;

	for (unsigned k = 0; k < KEYS; k++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "set k%u 0 0 1 noreply\r\nx\r\n", k);
	says(i, text, "");
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

// What client i got is a dump with each key once.
static void assert_whole_dump(unsigned i, const char *format)
{
	static bool seen[KEYS];
	const char *p = rig.client[i].got;
	unsigned total = 0, k;

	memset(seen, 0, sizeof(seen));
	for (; sscanf(p, format, &k) == 1; p = strchr(p, '\n') + 1) {
		assert_true(k < KEYS && !seen[k]);
		seen[k] = true;
		total++;
	}
	assert_int_equal(total, KEYS);
	assert_string_equal(p, "END\r\nVERSION 1.6.18\r\n");
	connrig_forget(&rig, i);
}

// A dump waits for its reader, in steps of any size, holds no more than its limit, and the
// next command waits behind it. Others are served all the time.
static void test_slow_reader(void **state)
{
	static const struct {
		const char *line, *format;
	} dumps[] = {{"lru_crawler metadump all\r\nversion\r\n", "key=k%u exp=-1"},
		{"stats cachedump 1 0\r\nversion\r\n", "ITEM k%u [1 b; 0 s]"}};
	static const uint32_t steps[] = {700, 5000, 100000};

	connrig_connect(&rig, 0);
	connrig_connect(&rig, 1);
	store_keys(1);
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			rig.client[0].holds_acks = true;
			connrig_sends(&rig, 0, dumps[d].line);
			settle();
			connrig_state(&rig, 0, "conn_mwrite");
			assert_false(conns_have_work(rig.conns));
			while (!strstr(rig.client[0].got, "VERSION")) {
				assert_in_range(tcp_send_queue(tcb_of(0))->len, 1,
					OUT_LIMIT + DUMP_LINE_LEN);
				connrig_ack(&rig, 0, steps[k]);
				says(1, "get k7\r\n", "VALUE k7 0 1\r\nx\r\nEND\r\n");
			}
			rig.client[0].holds_acks = false;
			connrig_ack(&rig, 0, UINT32_MAX);
			settle();
			assert_whole_dump(0, dumps[d].format);
		}
	}
}

// In one turn a walk does a bounded part, so that a get beside it is answered at once.
static void test_takes_turns(void **state)
{
	unsigned turns = 0;

	connrig_connect(&rig, 0);
	connrig_connect(&rig, 1);
	store_keys(1);
	connrig_sends(&rig, 0, "stats sizes\r\n");
	connrig_turn(&rig);
	while (rig.client[0].got_len == 0) {
		assert_true(conns_have_work(rig.conns));
		connrig_sends(&rig, 1, "get none\r\n");
		connrig_turn(&rig);
		connrig_turn(&rig);
		connrig_expect(&rig, 1, "END\r\n");
		turns++;
	}
	assert_true(turns > KEYS / 128 / 2);
	connrig_expect(&rig, 0, "STAT 32 2000\r\nEND\r\n");
}

// Who goes away in the middle leaves nothing behind: the next one can count.
static void test_gone_in_the_middle(void **state)
{
	static const char *const lines[] = {"stats sizes\r\n", "lru_crawler metadump all\r\n"};

	connrig_connect(&rig, 1);
	store_keys(1);
	for (unsigned i = 0; i < 2; i++) {
		connrig_connect(&rig, 0);
		rig.client[0].holds_acks = true;
		connrig_sends(&rig, 0, lines[i]);
		connrig_turn(&rig);
		connrig_state(&rig, 0, "conn_mwrite");
		connrig_reset(&rig, 0);
		settle();
		connrig_state(&rig, 0, NULL);
		says(1, "stats sizes\r\n", "STAT 32 2000\r\nEND\r\n");
	}
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
}

// Many ask for sizes at once: each gets them.
static void test_sizes_for_all(void **state)
{
	for (unsigned i = 0; i < 8; i++)
		connrig_connect(&rig, i);
	store_keys(0);
	for (unsigned i = 0; i < 8; i++)
		connrig_sends(&rig, i, "stats sizes\r\n");
	settle();
	for (unsigned i = 0; i < 8; i++)
		connrig_expect(&rig, i, "STAT 32 2000\r\nEND\r\n");
}

// A FIN behind the command: the dump is finished first.
static void test_fin_behind(void **state)
{
	connrig_connect(&rig, 0);
	store_keys(0);
	connrig_sends(&rig, 0, "lru_crawler metadump all\r\nversion\r\n");
	connrig_fin(&rig, 0);
	settle();
	assert_true(rig.client[0].eof);
	assert_whole_dump(0, "key=k%u exp=-1");
}

// The idle time-out does not hit a walk that goes on, but a reader that stopped.
static void test_idle(void **state)
{
	connrig_close(&rig);
	connrig_conf(&rig);
	rig.conn_conf.out_limit = OUT_LIMIT;
	rig.conn_conf.idle_timeout_s = 5;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	store_keys(0);
	rig.client[0].holds_acks = true;
	connrig_sends(&rig, 0, "lru_crawler metadump all\r\nversion\r\n");
	settle();
	for (unsigned i = 0; i < 10; i++) {
		connrig_advance(&rig, 2000000);
		connrig_ack(&rig, 0, 9000);
		settle();
		connrig_state(&rig, 0, "conn_mwrite");
	}
	connrig_advance(&rig, 8000000);
	connrig_state(&rig, 0, NULL);
	assert_int_equal(connrig_stat(&rig, CONN_STAT_idle_kicks), 1);
}

// ---- stats conns

static const char listeners[] = "STAT 0:addr tcp:10.0.0.1:11211\r\n"
				"STAT 0:state conn_listening\r\n"
				"STAT 0:secs_since_last_cmd %u\r\n"
				"STAT 1:UDP UDP\r\n"
				"STAT 1:addr udp:10.0.0.1:11211\r\n"
				"STAT 1:state conn_read\r\n"
				"STAT 1:secs_since_last_cmd %u\r\n";

static const char *row(unsigned number, unsigned port, const char *state, unsigned quiet_s)
{
	static char out[4][256];
	static unsigned n;
	char *p = out[n++ % 4];

	snprintf(p, sizeof(out[0]),
		"STAT %u:addr tcp:10.0.0.2:%u\r\nSTAT %u:listen_addr tcp:10.0.0.1:11211\r\n"
		"STAT %u:state %s\r\nSTAT %u:secs_since_last_cmd %u\r\n",
		number, port, number, number, state, number, quiet_s);
	return p;
}

// Listeners, then connections, each with its addresses, state and age.
static void test_conns(void **state)
{
	char want[2048];
	size_t n;

	for (unsigned i = 0; i < 3; i++)
		connrig_connect(&rig, i);
	connrig_advance(&rig, 3000000);
	says(1, "get none\r\nset a 0 0 5\r\nab", "END\r\n");
	connrig_advance(&rig, 4000000);
	connrig_reset(&rig, 2);
	settle();
	n = (size_t)snprintf(want, sizeof(want), listeners, 7, 7);
	// The last index is given out first.
	for (uint32_t idx = 0; idx < CONNRIG_CLIENTS_MAX; idx++) {
		unsigned port = conn_state_name(rig.conns, idx)
					? tcp_peer(tcp_at(rig.tcp, idx)).remote_port
					: 0;

		if (port == rig.client[0].port)
			n += (size_t)snprintf(want + n, sizeof(want) - n, "%s",
				row(2 + idx, port, "conn_parse_cmd", 0));
		else if (port)
			n += (size_t)snprintf(want + n, sizeof(want) - n, "%s",
				row(2 + idx, port, "conn_nread", 4));
	}
	snprintf(want + n, sizeof(want) - n, "END\r\n");
	says(0, "stats conns\r\n", want);
	says(0, "stats  conns foo\r\n", want);
	says(0, "stats connsx\r\n", "ERROR\r\n");
}

// Over UDP nothing walks.
static void test_udp(void **state)
{
	connrig_udp(&rig, 0x0a000082, 4000, 1, "stats conns\r\n");
	settle();
	assert_int_equal(rig.datagram_count, 1);
	assert_memory_equal(rig.datagram_text + rig.datagram[0].off,
		"CLIENT_ERROR not available over UDP\r\n", rig.datagram[0].len);
}

// Two workers on one board: each shows the connections of both.
static void test_conns_of_all_workers(void **state)
{
	struct conn_board board = {};
	struct connrig *rigs[] = {&rig, &rig2};

	connrig_close(&rig);
	for (unsigned i = 0; i < 2; i++) {
		connrig_conf(rigs[i]);
		rigs[i]->conn_conf.board = &board;
		rigs[i]->conn_conf.board_idx = i;
		connrig_open(rigs[i]);
		connrig_connect(rigs[i], i);
	}
	for (unsigned i = 0; i < 2; i++) {
		char want[64];

		connrig_sends(rigs[i], i, "stats conns\r\n");
		connrig_settle(rigs[i]);
		for (unsigned k = 0; k < 2; k++) {
			snprintf(want, sizeof(want), ":addr tcp:10.0.0.2:%u\r\n",
				rigs[k]->client[k].port);
			assert_non_null(strstr(rigs[i]->client[i].got, want));
		}
		assert_non_null(strstr(rigs[i]->client[i].got, "conn_parse_cmd"));
		connrig_forget(rigs[i], i);
	}
	connrig_close(&rig2);
	connrig_sends(&rig, 0, "stats conns\r\n");
	settle();
	assert_null(strstr(rig.client[0].got, "conn_waiting"));
	assert_non_null(strstr(rig.client[0].got, "conn_parse_cmd"));
	connrig_forget(&rig, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_slow_reader, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_takes_turns, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_gone_in_the_middle, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_sizes_for_all, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_fin_behind, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_idle, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_conns, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_udp, open_rig, close_rig),
		cmocka_unit_test_setup_teardown(test_conns_of_all_workers, open_rig, close_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
