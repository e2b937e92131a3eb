// SPDX-License-Identifier: BSD-3-Clause
// ringpcap as its users run it: each command, exit statuses, captures that are served again
//
// Runs bin/ringpcap of the same build, in a directory of its own under /tmp.

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "pcap/pcapf.h"
#include "pcap/pktmake.h"

#define OUTPUT_MAX 65536

static char bin[PATH_MAX + 32];
static char dir[64];
static char output[OUTPUT_MAX]; // standard output and error of the last command

// Run "ringpcap ARGS" in the directory; returns its exit status.
__attribute__((format(printf, 1, 2))) static int run(const char *fmt, ...)
{
	char args[1024], command[sizeof(args) + sizeof(bin) + 128];
	va_list ap;
	size_t n;
	FILE *p;
	int rc;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "cd %s && timeout 60 %s %s 2>&1", dir, bin, args);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(output, 1, sizeof(output) - 1, p);
	output[n] = '\0';
	rc = pclose(p);
	assert_true(WIFEXITED(rc));
	return WEXITSTATUS(rc);
}

static void expect_ok(int rc)
{
	if (rc != 0)
		fail_msg("exit status %d: %s", rc, output);
}

static void expect_says(const char *what)
{
	if (!strstr(output, what))
		fail_msg("\"%s\" is not in: %s", what, output);
}

static void make_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	snprintf(bin, sizeof(bin), "%s/../bin/ringpcap", dirname(self));
	if (access(bin, X_OK) != 0) {
		print_error("%s is missing: build it first\n", bin);
		return -1;
	}
	strcpy(dir, "/tmp/test_ringpcap_XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void test_get(void **state)
{
	make_file("keys", "a\nbb\nc\n");
	expect_ok(run("get --keys keys -w g.pcap --count 4 --src-ports 2 --rate 4"));
	expect_ok(run("print g.pcap"));
	assert_string_equal(output, "0.000000 UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 0 "
				    "seq 0/1 7 \"get a\\r\\n\"\n"
				    "0.250000 UDP 192.0.2.1:5001 > 192.0.2.10:11211 cksum ok id 1 "
				    "seq 0/1 8 \"get bb\\r\\n\"\n"
				    "0.500000 UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 2 "
				    "seq 0/1 7 \"get c\\r\\n\"\n"
				    "0.750000 UDP 192.0.2.1:5001 > 192.0.2.10:11211 cksum ok id 3 "
				    "seq 0/1 7 \"get a\\r\\n\"\n");
	expect_ok(
		run("get --keys keys -w m.pcap --multi 2 --src 198.51.100.1:7 --dst 203.0.113.5:99 "
		    "--src-mac 02:00:00:00:00:11 --dst-mac 02:00:00:00:00:22"));
	expect_ok(run("print --mac --ip --port 99 m.pcap"));
	assert_string_equal(output,
		"0.000000 02:00:00:00:00:11 > 02:00:00:00:00:22 [ttl 64 id 0 tos 0 DF] UDP "
		"198.51.100.1:7 > 203.0.113.5:99 cksum ok id 0 seq 0/1 10 \"get a bb\\r\\n\"\n"
		"0.000010 02:00:00:00:00:11 > 02:00:00:00:00:22 [ttl 64 id 0 tos 0 DF] UDP "
		"198.51.100.1:7 > 203.0.113.5:99 cksum ok id 1 seq 0/1 7 \"get c\\r\\n\"\n");
}

static void test_bad_keys(void **state)
{
	make_file("space", "good\nnot good\n");
	assert_int_equal(run("get --keys space -w x.pcap"), 1);
	expect_says("space:2: byte 0x20 is not allowed in a key");
	make_file("empty", "good\n\n");
	assert_int_equal(run("get --keys empty -w x.pcap"), 1);
	expect_says("empty:2: a key has 1 to 250 bytes, not 0");
	make_file("none", "");
	assert_int_equal(run("get --keys none -w x.pcap"), 1);
	make_file("keys", "a\n");
	assert_int_equal(run("get --keys keys -w x.pcap --multi 1000 --count 1"), 1);
	expect_says("use a smaller --multi");
}

// A wrong command line: status 2, one line that says what.
static void test_usage(void **state)
{
	static const char *const wrong[] = {"", "nonsense", "get", "get --nonsense", "get --keys",
		"get -x", "replay", "replay a b", "replay a --memory-mb 1", "replay a --listen x",
		"replay a --udp-allow 192.0.2.1/24", "replay a --threads 2", "replay -", "print",
		"print a b", "diff a", "print --filter", "replay a --mac 1", "get --count 0",
		"replay a -w - --counters"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(run("%s", wrong[i]), 2);
		expect_says("ringpcap: ");
		assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
	}
	expect_ok(run("--help"));
	expect_says("ringpcap replay IN.pcap");
	expect_ok(run("--version"));
	expect_says("ringpcap " RINGCACHED_VERSION "\n");
}

static void test_diff(void **state)
{
	make_file("keys", "a\nb\nc\n");
	make_file("other", "a\nx\nc\n");
	expect_ok(run("get --keys keys -w a.pcap"));
	expect_ok(run("get --keys other -w b.pcap"));
	expect_ok(run("diff a.pcap a.pcap"));
	assert_string_equal(output, "");
	assert_int_equal(run("diff --no-time a.pcap b.pcap"), 1);
	expect_says("--- a.pcap\n+++ b.pcap\n@@ -1,3 +1,3 @@\n");
	expect_says("\n-UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 1 seq 0/1 7 \"get "
		    "b\\r\\n\"\n");
	expect_says("\n+UDP 192.0.2.1:5000 > 192.0.2.10:11211 cksum ok id 1 seq 0/1 7 \"get "
		    "x\\r\\n\"\n");
	assert_int_equal(run("diff a.pcap missing.pcap"), 2);
	expect_says("missing.pcap: No such file");
}

// The same input gives the same bytes; what is stored is found.
static void test_replay_udp(void **state)
{
	make_file("keys", "a\nb\n");
	make_file("stored", "b\n");
	expect_ok(run("get --keys keys -w g.pcap"));
	expect_ok(run("replay g.pcap -w 1.pcap --preload stored --value-size 3 --counters"));
	expect_says("conn.udp_requests 2\n");
	expect_says("cmd.get_hits 1\ncmd.get_misses 1\n");
	expect_ok(run("replay g.pcap -w 2.pcap --preload stored --value-size 3"));
	assert_string_equal(output, "");
	expect_ok(run("print 1.pcap"));
	assert_string_equal(output,
		"0.000000 UDP 192.0.2.10:11211 > 192.0.2.1:5000 cksum ok id 0 seq 0/1 5 "
		"\"END\\r\\n\"\n"
		"0.000010 UDP 192.0.2.10:11211 > 192.0.2.1:5000 cksum ok id 1 seq 0/1 23 "
		"\"VALUE b 0 3\\r\\nabc\\r\\nEND\\r\\n\"\n");
	expect_ok(run("diff --absolute --ip --mac 1.pcap 2.pcap"));
	expect_ok(run("replay g.pcap --udp-allow 203.0.113.0/24 --counters"));
	expect_says("conn.drop_udp_prefix 2\n");
	expect_ok(run("replay g.pcap --listen 192.0.2.99 --counters"));
	expect_says("net.drop_not_ours 2\n");
	expect_ok(run("replay g.pcap --trace 1"));
	expect_says("get a");
}

// A capture that ends inside a packet: the whole ones are replayed, the status is 1.
static void test_replay_truncated(void **state)
{
	char path[128];

	make_file("keys", "a\nb\n");
	expect_ok(run("get --keys keys -w g.pcap"));
	snprintf(path, sizeof(path), "%s/g.pcap", dir);
	assert_int_equal(truncate(path, 24 + 16 + 60 + 16 + 10), 0);
	assert_int_equal(run("replay g.pcap --counters"), 1);
	expect_says("truncated");
	expect_says("net.rx_packets 1\n");
	assert_int_equal(run("print g.pcap"), 1);
	expect_says("get a");
}

#define CLIENT_ISN 5000u
#define THEN_ISN 4294967290u // of the server in the capture: wraps within its reply
#define THEN_TS 4000000000u

static struct pcapf_writer *capture;
static uint64_t capture_ns;

// One segment of the captured connection, of the client or of the server of then.
static void segment(bool from_server, uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
	struct pktmake ip = {.ttl = 64, .proto = 6, .frag = 0x4000};
	uint8_t l4[256] = {0}, frame[400];
	size_t n = strlen(data), len;
	struct pcapf_err err;

	ip.src_addr = from_server ? 0xc000020a : 0xc0000201;
	ip.dst_addr = from_server ? 0xc0000201 : 0xc000020a;
	memcpy(ip.src_mac, (uint8_t[]){2, 0, 0, 0, 0, from_server ? 10 : 1}, 6);
	memcpy(ip.dst_mac, (uint8_t[]){2, 0, 0, 0, 0, from_server ? 1 : 10}, 6);
	store_be16(l4, from_server ? 11211 : 5000);
	store_be16(l4 + 2, from_server ? 5000 : 11211);
	store_be32(l4 + 4, (from_server ? THEN_ISN : CLIENT_ISN) + seq);
	store_be32(l4 + 8, flags & 0x10 ? (from_server ? CLIENT_ISN : THEN_ISN) + ack : 0);
	l4[12] = 8 << 4;
	l4[13] = flags;
	store_be16(l4 + 14, 65535);
	memcpy(l4 + 20, (uint8_t[]){1, 1, 8, 10}, 4);
	store_be32(l4 + 24, (from_server ? THEN_TS : 100) + (uint32_t)(capture_ns / 1000000));
	if (flags & 0x10)
		store_be32(l4 + 28, from_server ? 100 : THEN_TS);
	memcpy(l4 + 32, data, n);
	pktmake_l4_cksum(&ip, l4, 32 + n);
	len = pktmake_ip4(&ip, l4, 32 + n, frame, sizeof(frame));
	assert_int_equal(pcapf_write(capture, 1700000000000000000ULL + capture_ns, frame,
				 (uint32_t)len, &err),
		0);
	capture_ns += 1000000;
}

// set and get, as they were served by somebody else, whose own segments may be missing.
static void capture_connection(const char *name, bool with_server)
{
	char path[128];
	struct pcapf_err err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	capture = pcapf_create(path, true, &err);
	assert_non_null(capture);
	capture_ns = 0;
	segment(false, 0x02, 0, 0, "");
	if (with_server)
		segment(true, 0x12, 0, 1, "");
	segment(false, 0x10, 1, 1, "");
	segment(false, 0x18, 1, 1, "set a 0 0 5\r\nhello\r\n");
	if (with_server)
		segment(true, 0x18, 1, 21, "STORED\r\n");
	segment(false, 0x18, 21, 9, "get a\r\n");
	if (with_server)
		segment(true, 0x18, 9, 28, "VALUE a 0 5\r\nhello\r\nEND\r\n");
	segment(false, 0x11, 28, 34, "");
	if (with_server)
		segment(true, 0x11, 34, 29, "");
	segment(false, 0x10, 29, 35, "");
	assert_int_equal(pcapf_finish(capture, &err), 0);
}

static void expect_served_again(const char *name, int seed)
{
	expect_ok(run("replay %s -w out.pcap --seed %d --counters", name, seed));
	expect_says("tcp.accepted 1\n");
	expect_says("cmd.get_hits 1\n");
	expect_says("tcp.closed 1\n");
	assert_null(strstr(output, "resets_sent"));
	assert_null(strstr(output, "drop_"));
	assert_null(strstr(output, "retransmits"));
	expect_ok(run("print out.pcap"));
	expect_says("\"VALUE a 0 5\\r\\nhello\\r\\nEND\\r\\n\"");
}

static void test_replay_tcp(void **state)
{
	capture_connection("both.pcap", true);
	capture_connection("client.pcap", false);
	for (int seed = 1; seed <= 3; seed++) {
		expect_served_again("both.pcap", seed);
		expect_served_again("client.pcap", seed);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),
		TEST(test_bad_keys),
		TEST(test_usage),
		TEST(test_diff),
		TEST(test_replay_udp),
		TEST(test_replay_truncated),
		TEST(test_replay_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
