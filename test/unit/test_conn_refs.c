// SPDX-License-Identifier: BSD-3-Clause
// Replies that read the store's memory in place: the bytes of the get, and every pin given back
// support: connrig connrig_client eal frame

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/connrig.h"

#define VALUE_LEN 16000
#define LARGE_LEN 200000 // in fragments, over several segments
#define FILL_COUNT 700 // values that push everything else out of 8 MiB

static struct connrig rig;
static char text[LARGE_LEN + 100], reply[LARGE_LEN + 100];

static unsigned pinned(void)
{
	struct store_usage u;

	store_usage(rig.store, &u);
	return u.segment_pinned_count;
}

static void set_value(unsigned client, const char *key, char byte, unsigned len)
{
	int n = sprintf(text, "set %s 0 0 %u\r\n", key, len);

	memset(text + n, byte, len);
	memcpy(text + n + len, "\r\n", 3);
	connrig_says(&rig, client, text, "STORED\r\n");
}

// What a get of set_value's item is answered; in reply.
static void make_reply(const char *key, char byte, unsigned len)
{
	int n = sprintf(reply, "VALUE %s 0 %u\r\n", key, len);

	memset(reply + n, byte, len);
	memcpy(reply + n + len, "\r\nEND\r\n", 8);
}

// Everything stored before leaves the store, and its memory is used again.
static void fill(void)
{
	for (unsigned i = 0; i < FILL_COUNT; i++) {
		char key[16];

		sprintf(key, "fill%u", i);
		set_value(1, key, '-', VALUE_LEN);
		for (unsigned t = 0; t < 20; t++)
			store_tick(rig.ctx, store_now_s(rig.ctx));
	}
}

static void start(void)
{
	connrig_start(&rig);
	connrig_connect(&rig, 0);
	connrig_connect(&rig, 1);
}

// A get whose client holds its ACKs back, so that most of the reply is not even sent.
static void hold_get(const char *key)
{
	char line[32];

	rig.client[0].holds_acks = true;
	sprintf(line, "get %s\r\n", key);
	connrig_sends(&rig, 0, line);
	connrig_settle(&rig);
}

static void let_go(void)
{
	rig.client[0].holds_acks = false;
	connrig_ack(&rig, 0, UINT32_MAX);
	connrig_settle(&rig);
}

static void test_bytes_of_the_get(void **state)
{
	static const unsigned len[] = {VALUE_LEN, LARGE_LEN};

	for (unsigned i = 0; i < 2; i++) {
		start();
		set_value(0, "key", 'a', len[i]);
		hold_get("key");
		assert_true(pinned() > 0);
		set_value(1, "key", 'b', len[i]);
		fill();
		assert_true(pinned() > 0);
		connrig_check(&rig);
		let_go();
		make_reply("key", 'a', len[i]);
		connrig_expect(&rig, 0, reply);
		assert_int_equal(pinned(), 0);
		connrig_close(&rig);
	}
}

// In pieces of any size: the acknowledged part moves through the middle of a reference.
static void test_partial_acks(void **state)
{
	start();
	set_value(0, "key", 'a', LARGE_LEN);
	hold_get("key");
	for (uint32_t step = 1; rig.client[0].got_len < LARGE_LEN; step = step * 3 % 7001 + 1) {
		connrig_ack(&rig, 0, step);
		connrig_settle(&rig);
	}
	let_go();
	make_reply("key", 'a', LARGE_LEN);
	connrig_expect(&rig, 0, reply);
	assert_int_equal(pinned(), 0);
	connrig_close(&rig);
}

// Who does not read for a second no longer holds the store's memory, and loses nothing.
static void test_slow_reader(void **state)
{
	start();
	set_value(0, "key", 'a', VALUE_LEN);
	hold_get("key");
	assert_int_equal(pinned(), 1);
	connrig_advance(&rig, 3000000);
	assert_int_equal(pinned(), 0);
	assert_int_equal(connrig_stat(&rig, CONN_STAT_unpinned), 1);
	set_value(1, "key", 'b', VALUE_LEN);
	fill();
	let_go();
	connrig_advance(&rig, 3000000);
	make_reply("key", 'a', VALUE_LEN);
	connrig_expect(&rig, 0, reply);
	connrig_close(&rig);
}

// The end of a connection, in each way, gives every pin back.
static void test_ends(void **state)
{
	start();
	set_value(0, "key", 'a', VALUE_LEN);
	hold_get("key");
	assert_int_equal(pinned(), 1);
	connrig_reset(&rig, 0);
	connrig_settle(&rig);
	assert_int_equal(pinned(), 0);

	// quit behind it: TCP finishes alone, with a copy.
	connrig_connect(&rig, 0);
	rig.client[0].holds_acks = true;
	connrig_sends(&rig, 0, "get key\r\nquit\r\n");
	connrig_settle(&rig);
	assert_int_equal(pinned(), 0);
	assert_int_equal(connrig_stat(&rig, CONN_STAT_unpinned), 1);
	let_go();
	make_reply("key", 'a', VALUE_LEN);
	connrig_expect(&rig, 0, reply);

	// The worker ends while a reply is under way: store_destroy checks.
	connrig_connect(&rig, 0);
	hold_get("key");
	assert_int_equal(pinned(), 1);
	connrig_close(&rig);
}

// Short values, and all where it is off, are copied; past the budget too, and still right.
static void test_copies(void **state)
{
	char key[8];

	start();
	set_value(0, "key", 'a', CONN_REF_MIN_LEAST - 1);
	hold_get("key");
	assert_int_equal(pinned(), 0);
	connrig_close(&rig);

	connrig_conf(&rig);
	rig.conn_conf.ref_min_bytes = 0;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	set_value(0, "key", 'a', VALUE_LEN);
	hold_get("key");
	assert_int_equal(pinned(), 0);
	connrig_close(&rig);

	start();
	for (unsigned i = 0; i < 20; i++) {
		sprintf(key, "k%u", i);
		set_value(1, key, (char)('a' + i), 2 * VALUE_LEN);
	}
	for (unsigned i = 0; i < 20; i++) {
		connrig_connect(&rig, 2 + i);
		rig.client[2 + i].holds_acks = true;
		sprintf(text, "get k%u\r\n", i);
		connrig_sends(&rig, 2 + i, text);
		connrig_settle(&rig);
	}
	assert_true(stat_read(&store_ctx_stats(rig.ctx)[STORE_STAT_pins_refused]) > 0);
	for (unsigned i = 0; i < 20; i++) {
		rig.client[2 + i].holds_acks = false;
		connrig_ack(&rig, 2 + i, UINT32_MAX);
		connrig_settle(&rig);
		sprintf(key, "k%u", i);
		make_reply(key, (char)('a' + i), 2 * VALUE_LEN);
		connrig_expect(&rig, 2 + i, reply);
	}
	assert_int_equal(pinned(), 0);
	connrig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_of_the_get),
		cmocka_unit_test(test_partial_acks),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
