// SPDX-License-Identifier: BSD-3-Clause
// Capture files: what is written is read, both formats, both precisions, and every defect is said

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pcap/pcapf.h"

static char path[64];

static int make_path(void **state)
{
	int fd;

	strcpy(path, "/tmp/test_pcap_XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_path(void **state)
{
	return unlink(path);
}

static void write_bytes(const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static struct pcapf_reader *open_ok(void)
{
	struct pcapf_err err;
	struct pcapf_reader *r = pcapf_open(path, &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

static void expect_packet(
	struct pcapf_reader *r, uint64_t ts_ns, const void *data, uint32_t len, uint32_t wire_len)
{
	struct pcapf_pkt pkt;
	struct pcapf_err err;

	assert_int_equal(pcapf_next(r, &pkt, &err), 1);
	assert_true(pkt.ts_ns == ts_ns);
	assert_int_equal(pkt.len, len);
	assert_int_equal(pkt.wire_len, wire_len);
	assert_memory_equal(pkt.data, data, len);
}

static void expect_end(struct pcapf_reader *r)
{
	struct pcapf_pkt pkt;
	struct pcapf_err err;

	assert_int_equal(pcapf_next(r, &pkt, &err), 0);
	assert_int_equal(pcapf_next(r, &pkt, &err), 0);
	pcapf_close(r);
}

// The reader gives an error that contains what, and nothing after it.
static void expect_error(struct pcapf_reader *r, const char *what)
{
	struct pcapf_pkt pkt;
	struct pcapf_err err;

	assert_int_equal(pcapf_next(r, &pkt, &err), -1);
	if (!strstr(err.text, what) || !strstr(err.text, path))
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.text, what, path);
	assert_int_equal(pcapf_next(r, &pkt, &err), 0);
	pcapf_close(r);
}

static void expect_open_error(const char *name, const char *what)
{
	struct pcapf_err err = {""};

	assert_null(pcapf_open(name, &err));
	if (!strstr(err.text, what) || !strstr(err.text, name) || strchr(err.text, '\n'))
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.text, what, name);
}

static void write_two(bool nanosecond)
{
	struct pcapf_err err;
	struct pcapf_writer *w = pcapf_create(path, nanosecond, &err);

	assert_non_null(w);
	assert_int_equal(pcapf_write(w, 1700000000123456789ULL, (uint8_t *)"abcd", 4, &err), 0);
	assert_int_equal(pcapf_write(w, 1700000001000000999ULL, (uint8_t *)"efghij", 6, &err), 0);
	assert_int_equal(pcapf_finish(w, &err), 0);
}

static void test_nanoseconds(void **state)
{
	struct pcapf_reader *r;

	write_two(true);
	r = open_ok();
	expect_packet(r, 1700000000123456789ULL, "abcd", 4, 4);
	expect_packet(r, 1700000001000000999ULL, "efghij", 6, 6);
	expect_end(r);
}

static void test_microseconds_round_down(void **state)
{
	struct pcapf_reader *r;

	write_two(false);
	r = open_ok();
	expect_packet(r, 1700000000123456000ULL, "abcd", 4, 4);
	expect_packet(r, 1700000001000000000ULL, "efghij", 6, 6);
	expect_end(r);
}

static void test_empty_file_has_no_packets(void **state)
{
	struct pcapf_err err;
	struct pcapf_writer *w = pcapf_create(path, true, &err);

	assert_int_equal(pcapf_finish(w, &err), 0);
	expect_end(open_ok());
}

// The header is pcap's, whatever machine reads it: magic, 2.4, snapshot length, Ethernet.
static void test_written_bytes(void **state)
{
	static const uint32_t want[] = {
		0xa1b23c4d, 0x00040002, 0, 0, 65535, 1, 1700000000, 123456789, 4, 4};
	uint32_t got[10];
	FILE *f;

	write_two(true);
	f = fopen(path, "rb");
	assert_int_equal(fread(got, 4, 10, f), 10);
	fclose(f);
	assert_memory_equal(got, want, sizeof(want));
}

// Section header, interface description, enhanced packet: nanoseconds by if_tsresol.
static void test_pcapng(void **state)
{
	static const uint32_t file[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28, // section
		1, 32, 1, 262144, 0x00010009, 9, 0, 32, // interface: Ethernet, if_tsresol 9
		6, 36, 0, 395824177, 2113378581, 4, 60, 0x64636261, 36, // packet
	};
	struct pcapf_reader *r;

	write_bytes(file, sizeof(file));
	r = open_ok();
	expect_packet(r, 395824177ULL << 32 | 2113378581u, "abcd", 4, 60);
	expect_end(r);
}

static void test_pcapng_packet_then_end(void **state)
{
	static const uint32_t file[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28, // section
		1, 20, 1, 262144, 20, // interface: microseconds, as by default
		6, 36, 0, 0, 5000007, 4, 4, 0x64636261, 36, // packet
	};
	struct pcapf_reader *r;

	write_bytes(file, sizeof(file));
	r = open_ok();
	expect_packet(r, 5000007000ULL, "abcd", 4, 4);
	expect_end(r);
}

static void test_truncated_inside_packet(void **state)
{
	struct pcapf_reader *r;

	write_two(true);
	assert_int_equal(truncate(path, 24 + 16 + 4 + 16 + 3), 0);
	r = open_ok();
	expect_packet(r, 1700000000123456789ULL, "abcd", 4, 4);
	expect_error(r, "truncated");
}

static void test_truncated_inside_record_header(void **state)
{
	struct pcapf_reader *r;

	write_two(true);
	assert_int_equal(truncate(path, 24 + 16 + 4 + 7), 0);
	r = open_ok();
	expect_packet(r, 1700000000123456789ULL, "abcd", 4, 4);
	expect_error(r, "truncated");
}

static void test_truncated_inside_file_header(void **state)
{
	write_two(true);
	assert_int_equal(truncate(path, 20), 0);
	expect_open_error(path, "truncated");
}

static void test_not_a_capture(void **state)
{
	write_bytes("get a\r\nget b\r\nget c\r\nget d\r\n", 28);
	expect_open_error(path, "not a capture file");
	write_bytes("", 0);
	expect_open_error(path, "not a capture file");
	expect_open_error("/nonexistent/x.pcap", "No such file");
}

// Raw IP (101): a clear refusal instead of nonsense.
static void test_link_type(void **state)
{
	static const uint32_t file[] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 101};

	write_bytes(file, sizeof(file));
	expect_open_error(path, "is not Ethernet");
}

// A record length past all reason is an error, not an allocation.
static void test_huge_record_length(void **state)
{
	static const uint32_t file[] = {
		0xa1b2c3d4, 0x00040002, 0, 0, 0x7fffffff, 1, 0, 0, 0x7fffff00, 0x7fffff00, 0};

	write_bytes(file, sizeof(file));
	expect_error(open_ok(), "bigger than maximum");
}

// Longer than the longest packet we deal with: cut, and the wire length says so.
static void test_long_packet_is_cut(void **state)
{
	static const uint32_t head[] = {
		0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1, 0, 0, 70000, 70000};
	static uint8_t file[sizeof(head) + 70000];
	struct pcapf_reader *r;

	memcpy(file, head, sizeof(head));
	memset(file + sizeof(head), 0x5a, 70000);
	write_bytes(file, sizeof(file));
	r = open_ok();
	expect_packet(r, 0, file + sizeof(head), PCAPF_SNAPLEN_MAX, 70000);
	expect_end(r);
}

// Times that cannot be are read as something bounded.
static void test_wild_timestamps(void **state)
{
	static const uint32_t file[] = {
		0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1, 0xffffffff, 0xffffffff, 4, 4, 0x64636261};
	struct pcapf_reader *r;
	struct pcapf_pkt pkt;
	struct pcapf_err err;

	write_bytes(file, sizeof(file));
	r = open_ok();
	assert_int_equal(pcapf_next(r, &pkt, &err), 1);
	assert_true(pkt.ts_ns <= (UINT32_MAX * 4ULL + 1) * 1000000000ULL);
	expect_end(r);
}

static void test_filter(void **state)
{
	static const uint8_t arp[60] = {[12] = 8, [13] = 6}, ip4[60] = {[12] = 8, [14] = 0x45};
	struct pcapf_reader *r;
	struct pcapf_writer *w;
	struct pcapf_err err;

	w = pcapf_create(path, true, &err);
	assert_int_equal(pcapf_write(w, 1, arp, 60, &err), 0);
	assert_int_equal(pcapf_write(w, 2, ip4, 60, &err), 0);
	assert_int_equal(pcapf_write(w, 3, arp, 60, &err), 0);
	assert_int_equal(pcapf_finish(w, &err), 0);
	r = open_ok();
	assert_int_equal(pcapf_filter(r, "ip", &err), 0);
	expect_packet(r, 2, ip4, 60, 60);
	expect_end(r);
	r = open_ok();
	assert_int_equal(pcapf_filter(r, "nonsense (", &err), -1);
	assert_non_null(strstr(err.text, "filter \"nonsense (\""));
	pcapf_close(r);
}

static void test_cannot_write(void **state)
{
	struct pcapf_writer *w;
	struct pcapf_err err;
	int rc = 0;

	assert_null(pcapf_create("/nonexistent/x.pcap", true, &err));
	assert_non_null(strstr(err.text, "/nonexistent/x.pcap"));
	// A device that takes nothing stands for a full disk.
	w = pcapf_create("/dev/full", true, &err);
	assert_non_null(w);
	for (int i = 0; i < 10 && rc == 0; i++) {
		static const uint8_t data[1500];

		rc = pcapf_write(w, 0, data, sizeof(data), &err);
	}
	if (pcapf_finish(w, &err) != 0)
		rc = -1;
	assert_int_equal(rc, -1);
	assert_non_null(strstr(err.text, "/dev/full"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_path, remove_path)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nanoseconds),
		TEST(test_microseconds_round_down),
		TEST(test_empty_file_has_no_packets),
		TEST(test_written_bytes),
		TEST(test_pcapng),
		TEST(test_pcapng_packet_then_end),
		TEST(test_truncated_inside_packet),
		TEST(test_truncated_inside_record_header),
		TEST(test_truncated_inside_file_header),
		TEST(test_not_a_capture),
		TEST(test_link_type),
		TEST(test_huge_record_length),
		TEST(test_long_packet_is_cut),
		TEST(test_wild_timestamps),
		TEST(test_filter),
		TEST(test_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
