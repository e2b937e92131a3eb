// SPDX-License-Identifier: BSD-3-Clause
// Values as text: numbers, sizes, booleans, addresses, prefixes, good and bad

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cfg/cfg.h"

#define BAD_SIZE(s) "'" s "' is not a size (as 4096, 64k, 1m)"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t val;
		const char *err; // NULL: good
	} rows[] = {
		{"5", 5, NULL},
		{"100", 100, NULL},
		{"007", 7, NULL},
		{"4", 0, "'4' is not in 5..100"},
		{"101", 0, "'101' is not in 5..100"},
		{"", 0, "'' is not a number"},
		{"-7", 0, "'-7' is not a number"},
		{"+7", 0, "'+7' is not a number"},
		{" 7", 0, "' 7' is not a number"},
		{"7x", 0, "'7x' is not a number"},
		{"0x7", 0, "'0x7' is not a number"},
		{"7.0", 0, "'7.0' is not a number"},
		{"18446744073709551615", 0, "'18446744073709551615' is not in 5..100"},
		{"18446744073709551616", 0, "'18446744073709551616' is not a number"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char err[CFG_ERR_SIZE] = "";
		uint64_t v = 77;
		int ret = cfg_parse_u64(rows[i].text, 5, 100, &v, err);

		assert_string_equal(err, rows[i].err ? rows[i].err : "");
		assert_int_equal(ret, rows[i].err ? -1 : 0);
		assert_int_equal(v, rows[i].err ? 77 : rows[i].val);
	}
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t val;
		const char *err;
	} rows[] = {
		{"0", 0, NULL},
		{"1023", 1023, NULL},
		{"1k", 1024, NULL},
		{"1K", 1024, NULL},
		{"3m", 3 << 20, NULL},
		{"2g", 2ULL << 30, NULL},
		{"1T", 1ULL << 40, NULL},
		{"k", 0, BAD_SIZE("k")},
		{"1kb", 0, BAD_SIZE("1kb")},
		{"1 k", 0, BAD_SIZE("1 k")},
		{"1.5m", 0, BAD_SIZE("1.5m")},
		{"1+", 0, BAD_SIZE("1+")},
		{"1\v", 0, "'1?' is not a size (as 4096, 64k, 1m)"},
		{"16777216t", 0, BAD_SIZE("16777216t")},
		{"2t", 0, "'2t' is not in 0..1099511627776"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char err[CFG_ERR_SIZE] = "";
		uint64_t v = 77;
		int ret = cfg_parse_size(rows[i].text, 0, 1ULL << 40, &v, err);

		assert_string_equal(err, rows[i].err ? rows[i].err : "");
		assert_int_equal(ret, rows[i].err ? -1 : 0);
		assert_int_equal(v, rows[i].err ? 77 : rows[i].val);
	}
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};
	char err[CFG_ERR_SIZE];
	bool v;

	for (unsigned i = 0; i < 4; i++) {
		v = false;
		assert_int_equal(cfg_parse_bool(yes[i], &v, err), 0);
		assert_true(v);
		assert_int_equal(cfg_parse_bool(no[i], &v, err), 0);
		assert_false(v);
	}
	assert_int_equal(cfg_parse_bool("TRUE", &v, err), -1);
	assert_string_equal(err, "'TRUE' is neither true nor false");
	assert_int_equal(cfg_parse_bool("", &v, err), -1);
}

static void test_listen(void **state)
{
	struct cfg_listen l = {0};
	char err[CFG_ERR_SIZE];

	assert_int_equal(cfg_parse_listen("192.0.2.10, 192.0.2.11:11212", 64, &l, err), 0);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.item[0].addr, 0xc000020a);
	assert_int_equal(l.item[0].port, 0);
	assert_int_equal(l.item[1].addr, 0xc000020b);
	assert_int_equal(l.item[1].port, 11212);
	assert_int_equal(cfg_parse_listen("192.0.2.10:65535", 64, &l, err), 0);
	assert_int_equal(l.count, 3);
	assert_int_equal(l.item[2].port, 65535);
	assert_int_equal(cfg_parse_listen("", 64, &l, err), 0);
	assert_int_equal(l.count, 3);
}

static void test_listen_refuses(void **state)
{
	static const struct {
		const char *text, *err;
	} rows[] = {
		{"example.org", "'example.org' is not an IPv4 address"},
		{"192.0.2", "'192.0.2' is not an IPv4 address"},
		{"192.0.2.256", "'192.0.2.256' is not an IPv4 address"},
		{"192.0.2.1/24", "'192.0.2.1/24' is not an IPv4 address"},
		{"192.0.2.1,", "'' is not an IPv4 address"},
		{",", "'' is not an IPv4 address"},
		{"192.0.2.1:0", "the port of '192.0.2.1': '0' is not in 1..65535"},
		{"192.0.2.1:65536", "the port of '192.0.2.1': '65536' is not in 1..65535"},
		{"192.0.2.1:", "the port of '192.0.2.1': '' is not a number"},
		{"192.0.2.1:x", "the port of '192.0.2.1': 'x' is not a number"},
		{"192.0.2.1,192.0.2.1", "'192.0.2.1' is named twice"},
		{"2001:db8::1", "'2001:db8::1': IPv6 is not supported, name an IPv4 address"},
		{"[2001:db8::1]:11211",
			"'[2001:db8::1]:11211': IPv6 is not supported, name an IPv4 address"},
		{"0.0.0.0", "'0.0.0.0' is not the address of one host"},
		{"224.0.0.1", "'224.0.0.1' is not the address of one host"},
		{"255.255.255.255", "'255.255.255.255' is not the address of one host"},
		{"127.0.0.1", "'127.0.0.1' is loopback: ringcached serves on its own device, name "
			      "an address there"},
		{"192.0.2.1,192.0.2.2,192.0.2.3", "more than 2 addresses"},
	};
	char err[CFG_ERR_SIZE], longer[300];
	struct cfg_listen l;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.count = 0;
		assert_int_equal(cfg_parse_listen(rows[i].text, 2, &l, err), -1);
		assert_string_equal(err, rows[i].err);
	}
	memset(longer, '1', sizeof(longer));
	longer[299] = '\0';
	l.count = 0;
	assert_int_equal(cfg_parse_listen(longer, 2, &l, err), -1);
	assert_string_equal(
		err, "'1111111111111111111111111111111111111111...' is not an IPv4 address");
}

static void test_prefixes(void **state)
{
	struct cfg_prefixes p = {0};
	char err[CFG_ERR_SIZE];

	assert_int_equal(
		cfg_parse_prefixes("192.0.2.0/24 ,198.51.100.7,10.0.0.0/8", 8, 64, &p, err), 0);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.item[0].addr, 0xc0000200);
	assert_int_equal(p.item[0].mask, 0xffffff00);
	assert_int_equal(p.item[1].addr, 0xc6336407);
	assert_int_equal(p.item[1].mask, 0xffffffff);
	assert_int_equal(p.item[2].mask, 0xff000000);
	assert_int_equal(cfg_parse_prefixes("0.0.0.0/0", 0, 64, &p, err), 0);
	assert_int_equal(p.item[3].mask, 0);
}

static void test_prefixes_refuse(void **state)
{
	static const struct {
		const char *text, *err;
	} rows[] = {
		{"192.0.2.0/33", "'192.0.2.0/33': the length is not in 0..32"},
		{"192.0.2.0/", "'192.0.2.0/': the length is not in 0..32"},
		{"192.0.2.0/-1", "'192.0.2.0/-1': the length is not in 0..32"},
		{"192.0.2.0/255.255.255.0",
			"'192.0.2.0/255.255.255.0': the length is not in 0..32"},
		{"192.0.2.1/24",
			"'192.0.2.1/24' has bits behind its length, did you mean 192.0.2.0/24?"},
		{"0.0.0.0/0", "'0.0.0.0/0' is too wide, the shortest prefix is /8"},
		{"lan", "'lan' is not an IPv4 prefix (as 192.0.2.0/24)"},
		{"2001:db8::/32", "'2001:db8::/32': IPv6 is not supported, name an IPv4 prefix"},
		{"192.0.2.1,192.0.2.2,192.0.2.3", "more than 2 prefixes"},
	};
	char err[CFG_ERR_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_prefixes p = {0};

		assert_int_equal(cfg_parse_prefixes(rows[i].text, 8, 2, &p, err), -1);
		assert_string_equal(err, rows[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_listen_refuses),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_prefixes_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
