// SPDX-License-Identifier: BSD-3-Clause
// The configuration file and the environment: what is read, and the exact line of each error

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cfg/cfg.h"

// Text in a heap block of its size: a read past its end is seen by ASan.
static int load(struct cfg *cfg, const char *text, char *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	err[0] = '\0';
	ret = cfg_load_text(cfg, "x.conf", copy, len, err);
	free(copy);
	return ret;
}

static int load_env(struct cfg *cfg, const char *const *env, char *err)
{
	return cfg_load_env(cfg, (char *const *)env, err);
}

static void test_reads_every_kind(void **state)
{
	static struct cfg c;
	char err[CFG_ERR_SIZE];

	cfg_default(&c);
	assert_int_equal(load(&c,
				 "# a comment\n"
				 "; another\r\n"
				 "\n"
				 "[server]\r\n"
				 "listen = 192.0.2.10 , 192.0.2.11:11212 # two\r\n"
				 "\ttcp-port\t=\t11311\n"
				 "udp_port=0\n"
				 "mode = dispatch\n"
				 "flush-all = no\n"
				 "[memory]\n"
				 "item-size-max = 2m\n"
				 "restart-file = /mnt/huge/a b;c\n"
				 "[port]\n"
				 "device = net_af_packet0,iface=veth1; 0000:01:00.0\n"
				 "[udp]\n"
				 "udp-allow = 192.0.2.0/24\n"
				 "[ server ]\n"
				 "threads = 2",
				 err),
		0);
	assert_string_equal(err, "");
	assert_int_equal(c.server.listen.count, 2);
	assert_int_equal(c.server.listen.item[1].port, 11212);
	assert_int_equal(c.server.tcp_port, 11311);
	assert_int_equal(c.server.mode, CFG_MODE_dispatch);
	assert_false(c.server.flush_all);
	assert_int_equal(c.server.threads, 2);
	assert_int_equal(c.memory.item_size_max, 2 << 20);
	assert_string_equal(c.memory.restart_file.s, "/mnt/huge/a b;c");
	assert_int_equal(c.port.device.count, 2);
	assert_string_equal(c.port.device.item[0], "net_af_packet0,iface=veth1");
	assert_string_equal(c.port.device.item[1], "0000:01:00.0");
	assert_int_equal(c.udp.udp_allow.count, 1);
	// What is not named keeps its default.
	assert_int_equal(c.server.connections, 1024);
	assert_int_equal(c.memory.memory_mb, 64);
	assert_true(c.memory.cas);
}

static void test_lists_grow_within_a_source_and_are_replaced_by_the_next(void **state)
{
	static struct cfg c;
	char err[CFG_ERR_SIZE];
	const char *env[] = {"RINGCACHED_SERVER_LISTEN=192.0.2.3", NULL};

	cfg_default(&c);
	assert_int_equal(load(&c, "[server]\nlisten = 192.0.2.1\nlisten = 192.0.2.2\n", err), 0);
	assert_int_equal(c.server.listen.count, 2);
	assert_int_equal(load_env(&c, env, err), 0);
	assert_int_equal(c.server.listen.count, 1);
	assert_int_equal(c.server.listen.item[0].addr, 0xc0000203);
}

static void test_a_long_list_is_not_cut(void **state)
{
	static struct cfg c;
	char err[CFG_ERR_SIZE], text[2048] = "[udp]\nudp-allow = 198.51.100.0/24";

	for (unsigned i = 0; i < 60; i++)
		sprintf(text + strlen(text), ",192.168.%u.0/24", 100 + i);
	cfg_default(&c);
	assert_int_equal(load(&c, text, err), 0);
	assert_int_equal(c.udp.udp_allow.count, 61);
	for (unsigned i = 0; i < 61; i++)
		assert_int_equal(c.udp.udp_allow.item[i].mask, 0xffffff00);
}

static void test_eal_section(void **state)
{
	static const char *const want[] = {"--vdev=net_null0", "--vdev=net_pcap0,rx_pcap=a b.pcap",
		"--no-huge", "-l", "0-2", "--foo", "--bar=1", "--in-memory"};
	static struct cfg c;
	char err[CFG_ERR_SIZE];

	cfg_default(&c);
	assert_int_equal(load(&c,
				 "[eal]\n"
				 "vdev = net_null0\n"
				 "vdev = net_pcap0,rx_pcap=a b.pcap\n"
				 "no-huge\n"
				 "l = 0-2\n"
				 "args =  --foo \t --bar=1\n"
				 "args =\n"
				 "in-memory =\n",
				 err),
		0);
	assert_int_equal(c.eal.count, sizeof(want) / sizeof(want[0]));
	for (unsigned i = 0; i < c.eal.count; i++)
		assert_string_equal(c.eal.arg[i], want[i]);
}

#define S "[server]\n"

static void test_errors(void **state)
{
	static const struct {
		const char *text, *err;
	} rows[] = {
		{"threads = 2\n", "ringcached: x.conf:1: an option before the first [section]"},
		{"\n\n[sever]\n", "ringcached: x.conf:3: unknown section [sever]; there are "
				  "server, memory, port, tcp, udp, eal"},
		{"[server\n", "ringcached: x.conf:1: a section is written [name]"},
		{"[server] x\n", "ringcached: x.conf:1: a section is written [name]"},
		{S "thread = 2\n", "ringcached: x.conf:2: unknown option 'thread' in [server]; did "
				   "you mean threads in [server]?"},
		{S "mtu = 1500\n", "ringcached: x.conf:2: unknown option 'mtu' in [server]; did "
				   "you mean mtu in [port]?"},
		{S "nonsense = 2\n", "ringcached: x.conf:2: unknown option 'nonsense' in [server]"},
		{S "threads\n", "ringcached: x.conf:2: an option is written threads = value"},
		{S "threads =# 2\n", "ringcached: x.conf:2: threads: '' is not a number"},
		{S "= 2\n", "ringcached: x.conf:2: no name before '='"},
		{S "threads =\n", "ringcached: x.conf:2: threads: '' is not a number"},
		{S "threads = 0\n", "ringcached: x.conf:2: threads: '0' is not in 1..64"},
		{S "threads = 2 3\n", "ringcached: x.conf:2: threads: '2 3' is not a number"},
		{S "threads = 2#3\n", "ringcached: x.conf:2: threads: '2#3' is not a number"},
		{S "\nthreads = 2\n# x\nthreads = 3\n",
			"ringcached: x.conf:5: threads was set in line 3 already"},
		{S "mode = fast\n",
			"ringcached: x.conf:2: mode: 'fast' is none of auto, dispatch, rtc, "
			"hybrid"},
		{S "listen = \x1b[2J\n",
			"ringcached: x.conf:2: a control character: this is not a text file"},
		{S "listen = 192.0.2.1\r,192.0.2.2\n",
			"ringcached: x.conf:2: a control character: this is not a text file"},
		{"[memory]\ncas = \xc3\xa4\n",
			"ringcached: x.conf:2: cas: '\xc3\xa4' is neither true nor false"},
		{"[memory]\nitem-size-max = 1023\n",
			"ringcached: x.conf:2: item-size-max: '1023' is not in 1024..134217728"},
		{"[port]\ndevice = a;;b\n",
			"ringcached: x.conf:2: device: an empty element in the list"},
		{"[udp]\nudp-allow = 192.0.2.0/24,192.0.2.0/2\n",
			"ringcached: x.conf:2: udp-allow: '192.0.2.0/2' is too wide, the shortest "
			"prefix is /8"},
		{"[eal]\n--vdev = x\n", "ringcached: x.conf:2: an EAL option is written without "
					"dashes, as: vdev = net_null0"},
		{"[eal]\nno huge\n", "ringcached: x.conf:2: an EAL option is written without "
				     "dashes, as: vdev = net_null0"},
	};
	char err[CFG_ERR_SIZE];
	static struct cfg c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg_default(&c);
		assert_int_equal(load(&c, rows[i].text, err), -1);
		assert_string_equal(err, rows[i].err);
	}
}

static void test_limits(void **state)
{
	char err[CFG_ERR_SIZE], *text = malloc(8192);
	static struct cfg c;

	assert_non_null(text);
	cfg_default(&c);
	assert_int_equal(cfg_load_text(&c, "x.conf", "[server]\n\0threads = 2", 20, err), -1);
	assert_string_equal(
		err, "ringcached: x.conf:2: a control character: this is not a text file");

	strcpy(text, "\n#");
	memset(text + 2, 'x', 5000);
	text[5002] = '\0';
	assert_int_equal(load(&c, text, err), -1);
	assert_string_equal(err, "ringcached: x.conf:2: the line is longer than 4095 bytes");

	strcpy(text, "[eal]\nargs =");
	for (unsigned i = 0; i < CFG_EAL_ARGS_MAX + 1; i++)
		strcat(text, " x");
	assert_int_equal(load(&c, text, err), -1);
	assert_string_equal(err, "ringcached: x.conf:2: more than 64 EAL arguments");

	cfg_default(&c);
	strcpy(text, "[eal]\nvdev = ");
	memset(text + 13, 'x', 249);
	text[13 + 249] = '\0';
	assert_int_equal(load(&c, text, err), -1);
	assert_string_equal(err, "ringcached: x.conf:2: longer than 255 bytes");
	text[13 + 248] = '\0';
	assert_int_equal(load(&c, text, err), 0);
	assert_int_equal(strlen(c.eal.arg[0]), 255);

	strcpy(text, "[eal]\n");
	memset(text + 6, 'k', 300);
	strcpy(text + 306, " = 1");
	assert_int_equal(load(&c, text, err), -1);
	assert_string_equal(err, "ringcached: x.conf:2: the name of this EAL option is too long");

	strcpy(text, "[port]\ndevice = ");
	memset(text + 16, 'd', 256);
	text[16 + 256] = '\0';
	assert_int_equal(load(&c, text, err), -1);
	assert_string_equal(err, "ringcached: x.conf:2: device: "
				 "'dddddddddddddddddddddddddddddddddddddddd...' is longer than "
				 "255 bytes");
	strcpy(text, "[memory]\nrestart-file = ");
	memset(text + strlen(text), 'd', 256);
	text[24 + 256] = '\0';
	assert_int_equal(load(&c, text, err), -1);
	assert_non_null(strstr(err, "x.conf:2: restart-file: "));
	assert_non_null(strstr(err, "is longer than 255 bytes"));
	free(text);
}

static void test_files(void **state)
{
	char name[] = "/tmp/test_cfg_file.XXXXXX", err[CFG_ERR_SIZE], want[CFG_ERR_SIZE];
	static struct cfg c;
	FILE *f = fdopen(mkstemp(name), "w");

	assert_non_null(f);
	fputs("[server]\nthreads = 3\n", f);
	fflush(f);
	cfg_default(&c);
	assert_int_equal(cfg_load_file(&c, name, err), 0);
	assert_int_equal(c.server.threads, 3);
	for (unsigned i = 0; i < 300; i++)
		fprintf(f, "#%1023s\n", "");
	fclose(f);
	assert_int_equal(cfg_load_file(&c, name, err), -1);
	snprintf(want, sizeof(want), "ringcached: %s: longer than 256 KiB", name);
	assert_string_equal(err, want);
	unlink(name);
	assert_int_equal(cfg_load_file(&c, name, err), -1);
	snprintf(want, sizeof(want), "ringcached: %s: No such file or directory", name);
	assert_string_equal(err, want);
	assert_int_equal(cfg_load_file(&c, "/", err), -1);
	assert_string_equal(err, "ringcached: /: Is a directory");
}

static void test_environment(void **state)
{
	const char *env[] = {"HOME=/", "RINGCACHED_SERVER_TCP_PORT=11311",
		"RINGCACHED_MEMORY_CAS=false", "RINGCACHED_EAL_ARGS=--no-huge -l 0",
		"RINGCACHED_LAB=yes", "RINGCACHED_SERVERS=1", NULL};
	static const struct {
		const char *var, *err;
	} rows[] = {
		{"RINGCACHED_THREADS=2", "ringcached: environment: RINGCACHED_THREADS: write "
					 "RINGCACHED_SERVER_THREADS"},
		{"RINGCACHED_LISTEN=192.0.2.1", "ringcached: environment: RINGCACHED_LISTEN: write "
						"RINGCACHED_SERVER_LISTEN"},
		{"RINGCACHED_SERVER_THREAD=1",
			"ringcached: environment: RINGCACHED_SERVER_THREAD: no such option in "
			"[server]"},
		{"RINGCACHED_SERVER_THREADS=many",
			"ringcached: environment: RINGCACHED_SERVER_THREADS: 'many' is not a "
			"number"},
		{"RINGCACHED_SERVER_MTU=1500",
			"ringcached: environment: RINGCACHED_SERVER_MTU: no such option in "
			"[server]"},
	};
	char err[CFG_ERR_SIZE];
	static struct cfg c;

	cfg_default(&c);
	assert_int_equal(load_env(&c, env, err), 0);
	assert_int_equal(c.server.tcp_port, 11311);
	assert_false(c.memory.cas);
	assert_int_equal(c.eal.count, 3);
	assert_string_equal(c.eal.arg[1], "-l");
	assert_int_equal(cfg_load_env(&c, NULL, err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(load_env(&c, (const char *[]){rows[i].var, NULL}, err), -1);
		assert_string_equal(err, rows[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_every_kind),
		cmocka_unit_test(test_lists_grow_within_a_source_and_are_replaced_by_the_next),
		cmocka_unit_test(test_a_long_list_is_not_cut),
		cmocka_unit_test(test_eal_section),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
