// SPDX-License-Identifier: BSD-3-Clause
// The 8-byte frame of memcached's UDP datagrams

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/proto.h"

static bool parse_copy(struct udp_frame *f, const void *bytes, size_t len)
{
	uint8_t *buf = malloc(len ? len : 1);
	bool ok;

	assert_non_null(buf);
	memcpy(buf, bytes, len);
	ok = udp_frame_parse(f, buf, len);
	free(buf);
	return ok;
}

static void test_parse(void **state)
{
	struct udp_frame f;

	(void)state;
	assert_true(parse_copy(&f, "\x12\x34\x00\x00\x00\x01\x00\x00get a\r\n", 15));
	assert_int_equal(f.request_id, 0x1234);
	assert_int_equal(f.seq, 0);
	assert_int_equal(f.total, 1);
	// Sequence number and reserved field of a request do not matter.
	assert_true(parse_copy(&f, "\xff\xff\x00\x05\x00\x01\xff\xffv", 9));
	assert_int_equal(f.request_id, 0xffff);
	assert_int_equal(f.seq, 5);
}

static void test_refused(void **state)
{
	struct udp_frame f;

	(void)state;
	for (size_t n = 0; n <= UDP_FRAME_LEN; n++)
		assert_false(parse_copy(&f, "\x00\x01\x00\x00\x00\x01\x00\x00", n));
	// Requests of several datagrams, or of none.
	assert_false(parse_copy(&f, "\x00\x01\x00\x00\x00\x02\x00\x00x", 9));
	assert_false(parse_copy(&f, "\x00\x01\x00\x00\x01\x01\x00\x00x", 9));
	assert_false(parse_copy(&f, "\x00\x01\x00\x00\x01\x00\x00\x00x", 9));
	assert_false(parse_copy(&f, "\x00\x01\x00\x00\x00\x00\x00\x00x", 9));
}

static void test_format(void **state)
{
	static const uint8_t want[] = {0xab, 0xcd, 0x01, 0x02, 0xff, 0xff, 0, 0};
	struct udp_frame f = {.request_id = 0xabcd, .seq = 0x0102, .total = 0xffff};
	uint8_t got[UDP_FRAME_LEN];

	(void)state;
	memset(got, 0xee, sizeof(got));
	udp_frame_format(got, &f);
	assert_memory_equal(got, want, sizeof(want));
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned id = 0; id < 65536; id += 257) {
		struct udp_frame f = {.request_id = (uint16_t)id, .seq = (uint16_t)~id, .total = 1},
				 g;
		uint8_t buf[UDP_FRAME_LEN + 1] = {};

		udp_frame_format(buf, &f);
		assert_true(udp_frame_parse(&g, buf, sizeof(buf)));
		assert_int_equal(g.request_id, f.request_id);
		assert_int_equal(g.seq, f.seq);
	}
}

// The key found in a datagram with this payload, or "".
static const char *key_of(const char *payload, size_t len)
{
	static char text[KEY_LEN_MAX + 1];
	uint8_t *buf = malloc(UDP_FRAME_LEN + len);
	struct slice key = {NULL, 0};
	bool found;

	assert_non_null(buf);
	memcpy(buf, "\0\1\0\0\0\1\0\0", UDP_FRAME_LEN);
	memcpy(buf + UDP_FRAME_LEN, payload, len);
	found = udp_get_key(buf, UDP_FRAME_LEN + len, &key);
	text[0] = '\0';
	if (found) {
		memcpy(text, key.p, key.len);
		text[key.len] = '\0';
	}
	free(buf);
	return text;
}

#define KEY_OF(payload) key_of(payload, sizeof(payload) - 1)

static void test_get_key(void **state)
{
	char line[4 + KEY_LEN_MAX + 3];

	(void)state;
	assert_string_equal(KEY_OF("get a\r\n"), "a");
	assert_string_equal(KEY_OF("get a\n"), "a");
	assert_string_equal(KEY_OF("gets  some_key other\r\n"), "some_key");
	assert_string_equal(KEY_OF("get a\tb\r\n"), "");
	assert_string_equal(KEY_OF("get a\0\r\n"), "");
	assert_string_equal(KEY_OF("get a"), "");
	assert_string_equal(KEY_OF("get \r\n"), "");
	assert_string_equal(KEY_OF("get    \n"), "");
	assert_string_equal(KEY_OF("getx a\r\n"), "");
	assert_string_equal(KEY_OF("gat 0 a\r\n"), "");
	assert_string_equal(KEY_OF("set a 0 0 1\r\nx\r\n"), "");
	assert_string_equal(KEY_OF("\n"), "");
	// Whatever follows, or begins elsewhere, is not only a get.
	assert_string_equal(KEY_OF("get a\r\ndelete b\r\n"), "");
	assert_string_equal(KEY_OF("get a b\r\ndelete b\r\n"), "");
	assert_string_equal(KEY_OF("get a b\r\n "), "");
	memset(line, 'k', sizeof(line));
	memcpy(line, "get ", 4);
	memcpy(line + 4 + KEY_LEN_MAX, "\r\n", 2);
	assert_int_equal(strlen(key_of(line, sizeof(line) - 1)), KEY_LEN_MAX);
	memcpy(line + 4 + KEY_LEN_MAX, "k\r\n", 3);
	assert_string_equal(key_of(line, sizeof(line)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_get_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
