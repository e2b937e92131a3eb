// SPDX-License-Identifier: BSD-3-Clause
// UDP requests: who is answered, with how much, and which counter says why not
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

#define ALLOWED 0x0a000007u // 10.0.0.7
#define TRUSTED 0x0a000087u // 10.0.0.135
#define PORT 5000
#define TOO_LARGE "SERVER_ERROR reply too large for UDP\r\n"

static struct connrig rig;

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

static void ask(uint32_t addr, const char *text)
{
	connrig_udp_forget(&rig);
	connrig_udp(&rig, addr, PORT, 0xabcd, text);
	connrig_turn(&rig);
}

// One reply datagram with this text, or (NULL) silence.
static void expect(uint32_t addr, const char *reply)
{
	const struct connrig_datagram *d = rig.datagram;

	assert_int_equal(rig.datagram_count, reply ? 1 : 0);
	if (!reply)
		return;
	assert_string_equal(rig.datagram_text, reply);
	assert_int_equal(d->addr, addr);
	assert_int_equal(d->port, PORT);
	assert_int_equal(d->id, 0xabcd);
	assert_int_equal(d->seq, 0);
	assert_int_equal(d->total, 1);
	assert_int_equal(d->reserved, 0);
}

static void says(uint32_t addr, const char *text, const char *reply)
{
	ask(addr, text);
	expect(addr, reply);
}

// A value of len times the letter.
static void store(const char *key, size_t len, char letter)
{
	static char text[70000];
	int n = snprintf(text, sizeof(text), "set %s 0 0 %zu noreply\r\n", key, len);

	if (!rig.client[0].open)
		connrig_connect(&rig, 0);
	memset(text + n, letter, len);
	memcpy(text + (size_t)n + len, "\r\n", 3);
	connrig_says(&rig, 0, text, "");
}

static void test_commands(void **state)
{
	says(ALLOWED, "set a 5 0 3\r\nabc\r\n", "STORED\r\n");
	says(ALLOWED, "get a\r\n", "VALUE a 5 3\r\nabc\r\nEND\r\n");
	says(ALLOWED, "get a none a\n", "VALUE a 5 3\r\nabc\r\nVALUE a 5 3\r\nabc\r\nEND\r\n");
	says(ALLOWED, "add a 0 0 1\r\nx\r\n", "NOT_STORED\r\n");
	says(ALLOWED, "set n 0 0 1\r\n7\r\n", "STORED\r\n");
	says(ALLOWED, "incr n 3\r\n", "10\r\n");
	says(ALLOWED, "delete n\r\n", "DELETED\r\n");
	says(ALLOWED, "set a 0 0 3\r\nabcde\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n");
	says(ALLOWED, "set e 0 0 0\r\n\r\n", "STORED\r\n");
	says(ALLOWED, "set t 0 0 2000000\r\n", NULL); // its block cannot be here
	connrig_counts(&rig, "udp_requests=11 udp_replies=9 drop_udp_frame");
}

// Several commands in one datagram: one message.
static void test_several_commands(void **state)
{
	says(ALLOWED, "set a 0 0 1\r\nx\r\nget a\r\nbogus\r\ndelete a\r\nversion\r\n",
		"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nERROR\r\nDELETED\r\nVERSION 1.6.18\r\n");
	connrig_counts(&rig, "udp_requests=5 udp_replies");
	// A last line without its end is no command.
	says(ALLOWED, "get a\r\nget a", "END\r\n");
	connrig_counts(&rig, "udp_requests udp_replies");
	// What follows a quit, or a block that is missing, is not run.
	says(ALLOWED, "get a\r\nquit\r\nget a\r\n", "END\r\n");
	connrig_counts(&rig, "udp_requests=2 udp_replies");
	says(ALLOWED, "version\r\nset a 0 0 9\r\nget a\r\n", "VERSION 1.6.18\r\n");
	connrig_counts(&rig, "udp_requests=2 udp_replies drop_udp_frame");
	says(ALLOWED, "get a\r\n", "END\r\n");
}

static void test_no_reply(void **state)
{
	says(ALLOWED, "set a 0 0 1 noreply\r\nx\r\n", NULL);
	says(ALLOWED, "set a 0 0 1 noreply\r\nxyz\r\n", "ERROR\r\n"); // the rest is a line
	says(ALLOWED, "touch a 0 noreply\r\n", NULL);
	says(ALLOWED, "quit\r\n", NULL);
	says(TRUSTED, "set a 0 0 x noreply\r\n", NULL);
	connrig_counts(&rig, "udp_requests=6 udp_replies");
	says(ALLOWED, "get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
}

// A storage command whose block is missing, short by one, or whole.
static void test_missing_block(void **state)
{
	static const char whole[] = "set a 0 0 5\r\nhello\r\n";
	char part[sizeof(whole)];

	for (size_t n = strlen("set a 0 0 5\r\n"); n < strlen(whole); n++) {
		memcpy(part, whole, n);
		part[n] = '\0';
		says(ALLOWED, part, NULL);
		connrig_counts(&rig, "udp_requests drop_udp_frame");
	}
	says(ALLOWED, "get a\r\n", "END\r\n");
	says(ALLOWED, whole, "STORED\r\n");
	assert_int_equal(connrig_cmd_stat(&rig, CMD_STAT_cmd_set), 1);
}

// ---- who is answered

static void test_ports_that_reflect(void **state)
{
	static const uint16_t ports[] = {7, 17, 19, 53, 123, 1900, 11211};
	uint16_t fine[] = {1, 6, 8, 1024, 11210, 11212, 65535};

	for (unsigned i = 0; i < 7; i++) {
		connrig_udp(&rig, TRUSTED, ports[i], 1, "get a\r\n");
		connrig_turn(&rig);
		assert_int_equal(rig.datagram_count, 0);
		connrig_counts(&rig, "drop_udp_port");
	}
	for (unsigned i = 0; i < 7; i++) {
		connrig_udp(&rig, TRUSTED, fine[i], 1, "get a\r\n");
		connrig_turn(&rig);
		assert_int_equal(rig.datagram_count, i + 1);
		connrig_counts(&rig, "udp_requests udp_replies");
	}
	connrig_udp(&rig, TRUSTED, 0, 1, "get a\r\n");
	connrig_turn(&rig);
	connrig_counts(&rig, ""); // port 0: lib/net's counter
	assert_int_equal(stat_read(&net_stats(rig.net)[NET_STAT_drop_udp_port]), 1);
}

static void test_prefixes(void **state)
{
	static const struct {
		uint32_t addr;
		bool allowed, trusted;
	} rows[] = {
		{0x0a000002, true, false}, // 10.0.0.0/24
		{0x0a00007f, true, false},
		{0x0a000080, true, true}, // 10.0.0.128/25
		{0x0a0000fe, true, true},
		{0x0a000090, true, false}, // 10.0.0.144/28 within it
		{0x0a00009f, true, false},
		{0x0a000095, true, true}, // 10.0.0.149/32 within that
		{0x0a0000a0, true, true},
		{0x0a000101, false, false},
		{0x09ffffff, false, false},
		{0xc0a80001, true, true}, // 192.168.0.0/16 both ways
		{0xc0a70001, false, false},
	};

	connrig_conf(&rig);
	rig.conn_conf.udp_prefix_count = 6;
	rig.conn_conf.udp_prefix[2] = (struct conn_prefix){0x0a000090, 0xfffffff0, false};
	rig.conn_conf.udp_prefix[3] = (struct conn_prefix){0x0a000095, 0xffffffff, true};
	rig.conn_conf.udp_prefix[4] = (struct conn_prefix){0xc0a80000, 0xffff0000, false};
	rig.conn_conf.udp_prefix[5] = (struct conn_prefix){0xc0a80000, 0xffff0000, true};
	connrig_open(&rig);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		says(rows[i].addr, "get a\r\n", rows[i].allowed ? "END\r\n" : NULL);
		connrig_counts(
			&rig, rows[i].allowed ? "udp_requests udp_replies" : "drop_udp_prefix");
		// Only a trusted source hears of its bad lines.
		says(rows[i].addr, "bogus\r\n", rows[i].trusted ? "ERROR\r\n" : NULL);
		connrig_counts(&rig, rows[i].trusted   ? "udp_requests udp_replies"
				     : rows[i].allowed ? "drop_udp_frame"
						       : "drop_udp_prefix");
	}
}

static void test_no_prefix_at_all(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.udp_prefix_count = 0;
	connrig_open(&rig);
	says(ALLOWED, "get a\r\n", NULL);
	says(TRUSTED, "get a\r\n", NULL);
	connrig_counts(&rig, "drop_udp_prefix=2");
}

static void test_everybody(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.udp_prefix[0] = (struct conn_prefix){0, 0, false};
	rig.conn_conf.udp_prefix_count = 1;
	connrig_open(&rig);
	says(0x01020304, "get a\r\n", "END\r\n");
	says(0xdf010203, "get a\r\n", "END\r\n");
}

// Frames and texts that are no request: silence, and the counter.
static void test_bad_frames(void **state)
{
	static const struct {
		size_t len;
		const char *bytes;
	} rows[] = {
		{0, ""},
		{5, "get a"},
		{7, "\0\1\0\0\0\1\0"},
		{8, "\0\1\0\0\0\1\0\0"}, // nothing behind the frame
		{15, "\0\1\0\0\0\2\0\0get a\r\n"}, // of two datagrams
		{15, "\0\1\0\0\0\0\0\0get a\r\n"}, // of none
		{15, "\0\1\0\0\1\0\0\0get a\r\n"}, // of 256
		{13, "\0\1\0\0\0\1\0\0get a"},
		{10, "\0\1\0\0\0\1\0\0\x80\x01"}, // binary protocol
		{10, "\0\1\0\0\0\1\0\0\x16\x03"},
		{24, "\0\1\0\0\0\1\0\0GET / HTTP/1.1\r\n"},
	};
	char line[1400] = "\0\1\0\0\0\1\0";

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		connrig_udp_bytes(&rig, TRUSTED, PORT, rows[i].bytes, rows[i].len);
		connrig_turn(&rig);
		assert_int_equal(rig.datagram_count, 0);
		connrig_counts(&rig, "drop_udp_frame");
	}
	// The sequence number and the reserved field of a request are not looked at.
	connrig_udp_bytes(&rig, TRUSTED, PORT, "\0\1\0\7\0\1\0\7get a\r\n", 15);
	connrig_turn(&rig);
	assert_int_equal(rig.datagram_count, 1);
	connrig_counts(&rig, "udp_requests udp_replies");
	memset(line + 8, 'x', sizeof(line) - 8);
	connrig_udp_bytes(&rig, TRUSTED, PORT, line, sizeof(line));
	connrig_turn(&rig);
	connrig_counts(&rig, "drop_udp_frame");
}

// ---- how much

static void test_one_datagram_to_the_untrusted(void **state)
{
	char reply[UDP_PAYLOAD_MAX + 1];
	size_t fits = UDP_PAYLOAD_MAX - strlen("VALUE k 0 1000\r\n\r\nEND\r\n");

	store("k", fits, 'k');
	snprintf(reply, sizeof(reply), "VALUE k 0 %zu\r\n%0*d\r\nEND\r\n", fits, (int)fits, 0);
	memset(strchr(reply, '\n') + 1, 'k', fits);
	says(ALLOWED, "get k\r\n", reply);
	assert_int_equal(strlen(reply), UDP_PAYLOAD_MAX);
	store("k", fits + 1, 'k');
	says(ALLOWED, "get k\r\n", TOO_LARGE);
	// Many small ones are no way around it, in one command or in several.
	store("s", 300, 's');
	says(ALLOWED, "get s s s s s s\r\n", TOO_LARGE);
	says(ALLOWED, "get s\r\nget s\r\nget s\r\nget s\r\nget s\r\n", TOO_LARGE);
	connrig_counts(&rig, "udp_requests=8 udp_replies=4 udp_too_large=3");
}

// A message of several datagrams is numbered from 0, has one total, and is cut at 1400
// bytes; also where two keys or two commands meet.
static void expect_message(unsigned first, uint16_t id, size_t payload_max, const char *text)
{
	size_t len = strlen(text), total = (len + payload_max - 1) / payload_max;

	assert_true(rig.datagram_count >= first + total);
	for (unsigned i = 0; i < total; i++) {
		const struct connrig_datagram *d = &rig.datagram[first + i];
		size_t left = len - i * payload_max;

		assert_int_equal(d->id, id);
		assert_int_equal(d->seq, i);
		assert_int_equal(d->total, total);
		assert_int_equal(d->reserved, 0);
		assert_int_equal(d->len, left < payload_max ? left : payload_max);
		assert_memory_equal(rig.datagram_text + d->off, text + i * payload_max, d->len);
	}
}

static void test_many_datagrams(void **state)
{
	static const size_t lens[] = {1370, 1371, 2763, 2764, 5000, 32768, 60000};
	static char reply[140000];

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int n, len = (int)lens[i];

		store("k", lens[i], '0');
		ask(TRUSTED, "get k\r\nget k k\r\n");
		n = snprintf(reply, sizeof(reply), "VALUE k 0 %d\r\n%0*d\r\nEND\r\n", len, len, 0);
		for (unsigned k = 0; k < 2; k++) {
			n -= k ? 5 : 0;
			n += snprintf(reply + n, sizeof(reply) - (size_t)n,
				"VALUE k 0 %d\r\n%0*d\r\nEND\r\n", len, len, 0);
		}
		if ((size_t)n >= sizeof(reply)) {
			assert_int_equal(lens[i], 60000);
			continue;
		}
		expect_message(0, 0xabcd, UDP_PAYLOAD_MAX, reply);
		assert_int_equal(rig.datagram_count,
			(strlen(reply) + UDP_PAYLOAD_MAX - 1) / UDP_PAYLOAD_MAX);
	}
}

// A link with a small MTU gets smaller datagrams, for fragments are not sent.
static void test_small_mtu(void **state)
{
	static const uint16_t mtus[] = {576, 577, 1280, 1427, 1428, 1500};
	static char reply[8000];

	for (unsigned i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		size_t max = mtus[i] - 28u - UDP_FRAME_LEN;

		max = max < UDP_PAYLOAD_MAX ? max : UDP_PAYLOAD_MAX;
		connrig_conf(&rig);
		rig.net_conf.mtu = mtus[i];
		rig.tcp_conf.mss_min = 64;
		connrig_open(&rig);
		store("k", 5000, '0');
		ask(TRUSTED, "get k\r\n");
		snprintf(reply, sizeof(reply), "VALUE k 0 5000\r\n%05000d\r\nEND\r\n", 0);
		expect_message(0, 0xabcd, max, reply);
		// One datagram for the others, of what this link can carry.
		store("k", max - strlen("VALUE k 0 999\r\n\r\nEND\r\n") - (max > 1000), '0');
		ask(ALLOWED, "get k\r\n");
		assert_int_equal(rig.datagram_count, 1);
		assert_int_equal(rig.datagram[0].len, max);
		store("k", max - 10, '0');
		says(ALLOWED, "get k\r\n", TOO_LARGE);
		if (i + 1 < sizeof(mtus) / sizeof(mtus[0]))
			connrig_close(&rig);
	}
}

static void test_reply_max_of_the_trusted(void **state)
{
	static char reply[5100];

	connrig_conf(&rig);
	rig.conn_conf.udp_reply_max_bytes = 5000;
	connrig_open(&rig);
	store("k", 5000 - strlen("VALUE k 0 4977\r\n\r\nEND\r\n"), '0');
	ask(TRUSTED, "get k\r\n");
	snprintf(reply, sizeof(reply), "VALUE k 0 4977\r\n%04977d\r\nEND\r\n", 0);
	expect_message(0, 0xabcd, UDP_PAYLOAD_MAX, reply);
	connrig_counts(&rig, "udp_requests udp_replies=4");
	store("k", 4978, '0');
	says(TRUSTED, "get k\r\n", TOO_LARGE);
	connrig_counts(&rig, "udp_requests udp_replies udp_too_large");
}

// The replies of one burst keep their order and their own numbers.
static void test_burst(void **state)
{
	static const char small[] = "END\r\n";
	static char reply[2100];

	store("k", 2000, '0');
	snprintf(reply, sizeof(reply), "VALUE k 0 2000\r\n%02000d\r\nEND\r\n", 0);
	connrig_udp_forget(&rig);
	for (unsigned i = 0; i < NET_BURST_MAX; i++)
		connrig_udp(&rig, i % 2 ? ALLOWED : TRUSTED, (uint16_t)(PORT + i), (uint16_t)i,
			i % 2 ? "get none\r\n" : "get k\r\n");
	connrig_turn(&rig);
	assert_int_equal(rig.datagram_count, NET_BURST_MAX / 2 * 3);
	for (unsigned i = 0; i < NET_BURST_MAX / 2; i++) {
		expect_message(3 * i, (uint16_t)(2 * i), UDP_PAYLOAD_MAX, reply);
		expect_message(3 * i + 2, (uint16_t)(2 * i + 1), UDP_PAYLOAD_MAX, small);
		assert_int_equal(rig.datagram[3 * i].port, PORT + 2 * i);
	}
	// A set is seen by the get behind it in the same burst, prefetched or not.
	connrig_udp_forget(&rig);
	connrig_udp(&rig, ALLOWED, PORT, 1, "set z 0 0 1\r\nz\r\n");
	connrig_udp(&rig, ALLOWED, PORT, 2, "get z\r\n");
	connrig_turn(&rig);
	assert_string_equal(rig.datagram_text, "STORED\r\nVALUE z 0 1\r\nz\r\nEND\r\n");
}

// ---- how often

// END is 5 bytes. The bucket holds one second's worth and refills to the byte.
static void check_rate(uint32_t rate)
{
	uint32_t full = rate / 5;

	connrig_conf(&rig);
	rig.conn_conf.udp_reply_rate_bytes = rate;
	connrig_open(&rig);
	for (uint32_t i = 0; i < full; i++)
		says(ALLOWED, "get a\r\n", "END\r\n");
	says(ALLOWED, "get a\r\n", NULL);
	assert_int_equal(connrig_stat(&rig, CONN_STAT_drop_udp_rate), 1);
	// 5 bytes less what is left come back in exactly so many milliseconds, asked or not.
	for (uint32_t left = rate % 5, i = 0; i < 20; i++) {
		uint64_t wait_ms = ((5 - left) * 1000ULL + rate - 1) / rate;

		for (uint64_t ms = 1; ms < wait_ms; ms++) {
			rig.now_us += 1000;
			if (ms + 3 >= wait_ms || ms % 7 == 0)
				says(ALLOWED, "get a\r\n", NULL);
		}
		rig.now_us += 1000;
		says(ALLOWED, "get a\r\n", "END\r\n");
		if (wait_ms * rate != (5 - left) * 1000ULL)
			break; // what is over is less than a byte
		left = 0;
	}
	// A long silence fills it, and no more than that.
	rig.now_us += 3600 * 1000000ULL;
	for (uint32_t i = 0; i < full; i++)
		says(ALLOWED, "get a\r\n", "END\r\n");
	says(ALLOWED, "get a\r\n", NULL);
	connrig_close(&rig);
}

static void test_rates(void **state)
{
	static const uint32_t rates[] = {5, 7, 10, 20, 99, 100, 1000, 1024};

	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		check_rate(rates[i]);
}

// Microseconds that pass in between do not make the clock stand still or run fast.
static void test_rate_over_a_minute(void **state)
{
	unsigned answers = 0;

	connrig_conf(&rig);
	rig.conn_conf.udp_reply_rate_bytes = 50;
	connrig_open(&rig);
	for (unsigned i = 0; i < 60 * 40; i++) {
		ask(ALLOWED, "get a\r\n");
		answers += rig.datagram_count;
		rig.now_us += 25000 - 700 + i % 3 * 700; // 40 a second
	}
	assert_in_range(answers, 10 + 60 * 10 - 1, 10 + 60 * 10 + 1);
}

// Per /24: its neighbours share the bucket, another network has its own, trusted sources
// are not counted, and the command of a reply that is held back has run.
static void test_rate_is_per_network(void **state)
{
	connrig_conf(&rig);
	rig.conn_conf.udp_reply_rate_bytes = 10;
	rig.conn_conf.udp_prefix[0] = (struct conn_prefix){0x0a000000, 0xffff0000, false};
	connrig_open(&rig);
	says(ALLOWED, "get a\r\n", "END\r\n");
	says(ALLOWED + 1, "get a\r\n", "END\r\n");
	says(ALLOWED + 2, "get a\r\n", NULL);
	connrig_counts(&rig, "udp_requests=3 udp_replies=2 drop_udp_rate");
	for (unsigned i = 0; i < 10; i++)
		says(TRUSTED, "get a\r\n", "END\r\n");
	says(0x0a000107, "get a\r\n", "END\r\n");
	says(ALLOWED, "set a 0 0 1\r\nx\r\n", NULL);
	connrig_counts(&rig, "udp_requests=12 udp_replies=11 drop_udp_rate");
	says(TRUSTED, "get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
	// No reply costs nothing.
	rig.now_us += 1000000;
	for (unsigned i = 0; i < 10; i++)
		says(ALLOWED, "set a 0 0 1 noreply\r\nx\r\n", NULL);
	says(ALLOWED, "delete a\r\n", "DELETED\r\n");
	connrig_counts(&rig, "udp_requests=12 udp_replies=2");
}

// ---- memory

// No chunk for a reply: the request is dropped and counted, whatever it is.
static void test_no_chunks(void **state)
{
	static const char *const requests[] = {
		"get a\r\n", "set a 0 0 1\r\nx\r\n", "version\r\n", "bogus\r\n", "stats\r\n"};
	static const uint8_t zero[CHUNK_ROOM];
	struct chunkq hog;

	chunkq_init(&hog, tcp_chunk_pool(rig.tcp));
	while (chunkq_append(&hog, zero, sizeof(zero)))
		;
	for (unsigned i = 0; i < 5; i++) {
		says(TRUSTED, requests[i], NULL);
		connrig_counts(&rig, "udp_requests drop_udp_memory");
	}
	chunkq_clear(&hog);
	says(TRUSTED, "get a\r\n", "END\r\n");
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
}

// A value that no mbufs are left for: the reply is cut off and counted.
static void test_no_mbufs(void **state)
{
	struct rte_mbuf *taken[4096];
	unsigned n = 0;

	store("k", 20000, '0');
	connrig_udp_forget(&rig);
	connrig_udp(&rig, TRUSTED, PORT, 1, "get k\r\n");
	while ((taken[n] = rte_pktmbuf_alloc(rig.net_conf.pool)))
		n++;
	for (unsigned i = 0; i < 5; i++)
		rte_pktmbuf_free(taken[--n]);
	connrig_turn(&rig);
	while (n > 0)
		rte_pktmbuf_free(taken[--n]);
	assert_int_equal(rig.datagram_count, 5);
	connrig_counts(&rig, "udp_requests udp_replies=5 drop_udp_memory");
	says(TRUSTED, "get none\r\n", "END\r\n");
	assert_int_equal(tcp_chunk_pool(rig.tcp)->used_count, 0);
}

// A reply of one datagram goes out in the request's own mbuf: it needs no other.
static void test_reply_in_place(void **state)
{
	struct rte_mbuf *taken[4096];
	unsigned n = 0;

	store("k", 300, 'v');
	connrig_udp_forget(&rig);
	connrig_udp(&rig, ALLOWED, PORT, 0xabcd, "get none\r\n");
	connrig_udp(&rig, ALLOWED, PORT, 0xabce, "get k\r\n");
	while ((taken[n] = rte_pktmbuf_alloc(rig.net_conf.pool)))
		n++;
	connrig_turn(&rig);
	while (n > 0)
		rte_pktmbuf_free(taken[--n]);
	assert_int_equal(rig.datagram_count, 2);
	assert_int_equal(rig.datagram[0].len, strlen("END\r\n"));
	assert_int_equal(
		rig.datagram[1].len, strlen("VALUE k 0 300\r\n") + 302 + strlen("END\r\n"));
	connrig_counts(&rig, "udp_requests=2 udp_replies=2");
}

// Whose bytes others still read, it is not written over: a capture, a clone.
static void test_request_of_others(void **state)
{
	for (unsigned way = 0; way < 2; way++) {
		struct rte_mbuf *m;
		uint8_t before[100];

		connrig_udp_forget(&rig);
		connrig_udp(&rig, ALLOWED, PORT, 0xabcd, "get a none at all of these\r\n");
		m = rig.burst[rig.burst_count - 1];
		memcpy(before, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		if (way == 0)
			rte_mbuf_refcnt_update(m, 1);
		else
			rig.burst[rig.burst_count - 1] = rte_pktmbuf_clone(m, rig.net_conf.pool);
		connrig_turn(&rig);
		expect(ALLOWED, "END\r\n");
		assert_memory_equal(before, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		rte_pktmbuf_free(m);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
#define TEST_OWN(f) cmocka_unit_test_teardown(f, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commands),
		TEST(test_several_commands),
		TEST(test_no_reply),
		TEST(test_missing_block),
		TEST(test_ports_that_reflect),
		TEST_OWN(test_prefixes),
		TEST_OWN(test_no_prefix_at_all),
		TEST_OWN(test_everybody),
		TEST(test_bad_frames),
		TEST(test_one_datagram_to_the_untrusted),
		TEST(test_many_datagrams),
		TEST_OWN(test_small_mtu),
		TEST_OWN(test_reply_max_of_the_trusted),
		TEST(test_burst),
		cmocka_unit_test(test_rates),
		TEST_OWN(test_rate_over_a_minute),
		TEST_OWN(test_rate_is_per_network),
		TEST(test_no_chunks),
		TEST(test_no_mbufs),
		TEST(test_reply_in_place),
		TEST(test_request_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
