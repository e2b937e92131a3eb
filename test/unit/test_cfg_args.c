// SPDX-License-Identifier: BSD-3-Clause
// The command line, the order of the sources, and what must hold between options

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

#define ARGS_MAX 100

// cfg_load with the words of line as the command line.
static enum cfg_action load(struct cfg *cfg, const char *line, const char *const *env, char *err)
{
	char name[] = "ringcached", copy[2048], *argv[ARGS_MAX + 1] = {name};
	int argc = 1;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = p;
	}
	err[0] = '\0';
	return cfg_load(cfg, argc, argv, (char *const *)env, err);
}

static struct cfg *good(const char *line)
{
	static struct cfg c;
	char err[CFG_ERR_SIZE];

	assert_int_equal(load(&c, line, NULL, err), CFG_RUN);
	assert_string_equal(err, "");
	return &c;
}

static void test_defaults(void **state)
{
	struct cfg *c = good("-l 192.0.2.10");

	assert_int_equal(c->server.listen.count, 1);
	assert_int_equal(c->server.tcp_port, 11211);
	assert_int_equal(c->server.udp_port, 0);
	assert_int_equal(c->server.connections, 1024);
	assert_int_equal(c->server.threads, 4);
	assert_int_equal(c->server.mode, CFG_MODE_auto);
	assert_int_equal(c->server.steer, CFG_STEER_hash);
	assert_int_equal(c->server.requests_per_event, 20);
	assert_true(c->server.flush_all);
	assert_true(c->server.dump);
	assert_int_equal(c->memory.memory_mb, 64);
	assert_int_equal(c->memory.item_size_max, 1 << 20);
	assert_true(c->memory.evictions);
	assert_true(c->memory.cas);
	assert_int_equal(c->port.mbufs, 16384);
	assert_int_equal(c->tcp.receive_buffer, 128 << 10);
	assert_int_equal(c->tcp.send_buffer, 256 << 10);
	assert_int_equal(c->udp.udp_reply_rate, 10 << 20);
	assert_int_equal(c->warnings.count, 0);
	assert_int_equal(c->eal.count, 0);
}

static void test_memcached_flags(void **state)
{
	struct cfg *c = good("-l192.0.2.10,192.0.2.11:11212 -p 11311 -c 2048 -m 128 -t2 -R 7 -I 2m "
			     "-vvMC -F -X -U 11311 --udp-allow 192.0.2.0/24");

	assert_int_equal(c->server.listen.count, 2);
	assert_int_equal(c->server.tcp_port, 11311);
	assert_int_equal(c->server.udp_port, 11311);
	assert_int_equal(c->server.connections, 2048);
	assert_int_equal(c->memory.memory_mb, 128);
	assert_int_equal(c->server.threads, 2);
	assert_int_equal(c->server.requests_per_event, 7);
	assert_int_equal(c->memory.item_size_max, 2 << 20);
	assert_int_equal(c->server.verbosity, 2);
	assert_false(c->memory.evictions);
	assert_false(c->memory.cas);
	assert_false(c->server.flush_all);
	assert_false(c->server.dump);
	assert_int_equal(c->warnings.count, 0);

	c = good("--listen=192.0.2.10 --port=11311 --memory-limit=128 --conn-limit 2048 "
		 "--threads=2 --max-reqs-per-event=7 --max-item-size=2m --disable-evictions "
		 "--disable-cas --disable-flush-all --verbose --verbose");
	assert_int_equal(c->server.tcp_port, 11311);
	assert_int_equal(c->memory.memory_mb, 128);
	assert_int_equal(c->server.connections, 2048);
	assert_int_equal(c->server.requests_per_event, 7);
	assert_false(c->memory.evictions);
	assert_int_equal(c->server.verbosity, 2);
	// More -v than there are levels.
	assert_int_equal(good("-l 192.0.2.10 -vvvvvv")->server.verbosity, 3);
	assert_int_equal(good("-l 192.0.2.1 -l 192.0.2.2")->server.listen.count, 2);
	assert_string_equal(
		good("-l 192.0.2.1 -e /dev/shm/x")->memory.restart_file.s, "/dev/shm/x");
	assert_string_equal(
		good("-l 192.0.2.1 --memory-file=/dev/shm/y")->memory.restart_file.s, "/dev/shm/y");
	assert_string_equal(good("-l 192.0.2.1")->memory.restart_file.s, "");
	// The last one counts.
	assert_int_equal(good("-l 192.0.2.1 -t 2 --threads=3")->server.threads, 3);
}

static void test_long_options(void **state)
{
	struct cfg *c = good("--listen=192.0.2.10 --promiscuous --cas=false --mode rtc "
			     "--device=net_null0;net_null1 --device net_null2 --hash_items=1m "
			     "--steer=roundrobin --idle=sleep --hugepages=off -- --no-huge -l 0-2");

	assert_true(c->port.promiscuous);
	assert_false(c->memory.cas);
	assert_int_equal(c->server.mode, CFG_MODE_rtc);
	assert_int_equal(c->server.steer, CFG_STEER_roundrobin);
	assert_int_equal(c->server.idle, CFG_IDLE_sleep);
	assert_int_equal(c->memory.hugepages, CFG_HUGEPAGES_off);
	assert_int_equal(c->memory.hash_items, 1 << 20);
	assert_int_equal(c->port.device.count, 3);
	assert_string_equal(c->port.device.item[2], "net_null2");
	assert_int_equal(c->eal.count, 3);
	assert_string_equal(c->eal.arg[0], "--no-huge");
	assert_string_equal(c->eal.arg[2], "0-2");
}

static void test_harmless_flags_warn(void **state)
{
	struct cfg *c = good("-u nobody -d -k -P /run/x.pid -L -b 99 -B ascii -l 192.0.2.10 "
			     "-o modern,idle_timeout=30,hashpower=20,slab_chunk_max=1024");

	assert_int_equal(c->warnings.count, 8);
	assert_string_equal(c->warnings.line[0],
		"ringcached: command line: -u is ignored: the user is not changed");
	assert_string_equal(c->warnings.line[6],
		"ringcached: command line: -o modern is ignored: the store and the threads tune "
		"themselves");
	assert_string_equal(c->warnings.line[7],
		"ringcached: command line: -o slab_chunk_max is ignored: the store and the threads "
		"tune themselves");
	assert_int_equal(c->server.idle_timeout_s, 30);
	assert_int_equal(c->memory.hash_items, 1 << 20);
	c = good("-l 192.0.2.10 -B auto");
	assert_int_equal(c->warnings.count, 1);
	assert_string_equal(c->warnings.line[0],
		"ringcached: command line: -B is ignored: only the ASCII protocol is served");
	// A bound on how many are kept, not on how many may come.
	c = good("-l 192.0.2.10 -kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
	assert_int_equal(c->warnings.count, CFG_WARNINGS_MAX);
}

static void test_actions(void **state)
{
	static const struct {
		const char *line;
		enum cfg_action action;
	} rows[] = {
		{"-h", CFG_HELP},
		{"--help", CFG_HELP},
		{"-V", CFG_VERSION},
		{"--version", CFG_VERSION},
		{"-i", CFG_VERSION},
		{"-vh", CFG_HELP},
		{"--threads=2 --help --no-such", CFG_HELP},
		{"--check-config -l 192.0.2.10", CFG_CHECK_ONLY},
		{"-l 192.0.2.10 --dump-config", CFG_DUMP},
	};
	char err[CFG_ERR_SIZE];
	static struct cfg c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(load(&c, rows[i].line, NULL, err), rows[i].action);
}

#define CMD "ringcached: command line: "
#define CONF "ringcached: configuration: "
#define L "-l 192.0.2.10 "

static void test_errors(void **state)
{
	static const struct {
		const char *line, *err;
	} rows[] = {
		{"-q", CMD "-q: no such flag; --help lists them"},
		{"-vq", CMD "-q: no such flag; --help lists them"},
		{"--thread=3", CMD "--thread: no such option; did you mean --threads?"},
		{"--no-such-thing", CMD "--no-such-thing: no such option; --help lists them"},
		{"--threads", CMD "--threads: needs a value"},
		{"-t", CMD "-t: needs a value"},
		{"--config", CMD "--config: needs a file name"},
		{"--conn-limit", CMD "--conn-limit: needs a value"},
		{"--disable-cas=1", CMD "--disable-cas: takes no value"},
		{"--help=1", CMD "--help: takes no value"},
		{"-t 65", CMD "-t: '65' is not in 1..64"},
		{"-m 64m", CMD "-m: '64m' is not a number"},
		{"-I 1g", CMD "-I: '1g' is not in 1024..134217728"},
		{"foo", CMD "foo: not an option; EAL arguments stand behind --"},
		{"-", CMD "-: not an option; EAL arguments stand behind --"},
		{"--device=a\nb", CMD "--device: 'a?b' holds a control character"},
		{"-\x1b", CMD "-?: no such flag; --help lists them"},
		{"-S", CMD "-S: there is no SASL authentication"},
		{"--enable-sasl", CMD "--enable-sasl: there is no SASL authentication"},
		{"-Z", CMD "-Z: there is no TLS"},
		{"-o ssl_chain_cert=x", CMD "-o ssl_chain_cert: there is no TLS"},
		{"-Y users", CMD "-Y: there is no authentication"},
		{"-s /run/x.sock", CMD "-s: there are no Unix sockets"},
		{"-B binary", CMD "-B: only the ASCII protocol is served"},
		{"-o proxy_config=x", CMD "-o proxy_config: ringcached is not a proxy"},
		{"-o hashpower=99", CMD "-o hashpower: '99' is not in 12..32"},
		{"-o idle_timeout", CMD "-o idle_timeout: '' is not a number"},
		{"--config=/nonexistent.conf",
			"ringcached: /nonexistent.conf: No such file or directory"},
		{"", CONF "no address to serve: set listen (-l 192.0.2.10), an IPv4 address that "
			  "no other host and no kernel interface uses"},
		{L "-p 0", CONF "tcp-port and udp-port are both 0: nothing to serve"},
		{L "-U 11211", CONF "udp-port is 11211 but no client may use it: name their "
				    "prefixes, as udp-allow = 192.0.2.0/24"},
		{L "-I 17m",
			CONF "item-size-max (17825792) is more than a quarter of memory-mb (64)"},
		{L "--rebalance=true --mode=rtc", CONF "rebalance is for mode = dispatch"},
		{L "--rebalance=true --steer=roundrobin", CONF "rebalance is for steer = hash"},
		{L "--rebalance=true --rx-lcores=2",
			CONF "rebalance needs one RX lcore, rx-lcores is 2"},
		{L "--ring-size=1000", CONF "ring-size (1000) is not a power of two"},
		{L "--mbufs=4096 -t 8",
			CONF "mbufs (4096) cannot fill the descriptors of 8 threads: set more "
			     "than 8192"},
		{L "--mtu=576 --mss-min=537", CONF "mss-min (537) does not fit into mtu (576) "
						   "less 40"},
		{L "--send-memory-mb=1 --send-buffer=1m",
			CONF "send-buffer (1048576) is more than half of send-memory-mb (1)"},
		{L "--hugepages=require -- --no-huge",
			CONF "hugepages = require contradicts the EAL argument --no-huge"},
		{"-l 192.0.2.1,192.0.2.1:11211", CONF "listen names port 11211 of one address "
						      "twice"},
	};
	char err[CFG_ERR_SIZE];
	static struct cfg c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(load(&c, rows[i].line, NULL, err), CFG_ERROR);
		assert_string_equal(err, rows[i].err);
	}
}

static void test_udp_needs_a_prefix(void **state)
{
	assert_int_equal(good(L "-U 1 --udp-trust=10.0.0.0/8")->udp.udp_trust.count, 1);
	assert_int_equal(good(L "-p 0 -U 1 --udp-allow=10.0.0.0/8")->server.tcp_port, 0);
}

static void test_eal_arguments_are_bounded(void **state)
{
	char line[1024] = L "--", err[CFG_ERR_SIZE];
	static struct cfg c;

	for (unsigned i = 0; i < CFG_EAL_ARGS_MAX + 1; i++)
		strcat(line, " x");
	assert_int_equal(load(&c, line, NULL, err), CFG_ERROR);
	assert_string_equal(err, CMD "x: more than 64 EAL arguments");
	line[strlen(line) - 2] = '\0';
	assert_int_equal(load(&c, line, NULL, err), CFG_RUN);
	assert_int_equal(c.eal.count, CFG_EAL_ARGS_MAX);
}

// Defaults, then the file, then the environment, then the command line.
static void test_order_of_sources(void **state)
{
	char name[] = "/tmp/test_cfg_args.XXXXXX", line[128], config[64], err[CFG_ERR_SIZE];
	FILE *f = fdopen(mkstemp(name), "w");
	static struct cfg c;
	const char *env[] = {"RINGCACHED_SERVER_THREADS=3", "RINGCACHED_SERVER_CONNECTIONS=300",
		"RINGCACHED_EAL_ARGS=from-env", config, NULL};

	assert_non_null(f);
	fputs("[server]\nlisten = 192.0.2.1\nthreads = 2\nconnections = 200\ntcp-port = 22222\n"
	      "verbosity = 3\n[eal]\nargs = from-file\n",
		f);
	fclose(f);
	snprintf(config, sizeof(config), "RINGCACHED_CONFIG=%s", "/nonexistent");
	snprintf(line, sizeof(line), "-c 400 -l 192.0.2.9 -v --config=%s -- from-args", name);
	assert_int_equal(load(&c, line, env, err), CFG_RUN);
	assert_int_equal(c.server.tcp_port, 22222);
	assert_int_equal(c.server.threads, 3);
	assert_int_equal(c.server.connections, 400);
	assert_int_equal(c.server.listen.count, 1);
	assert_int_equal(c.server.listen.item[0].addr, 0xc0000209);
	assert_int_equal(c.server.verbosity, 1);
	assert_int_equal(c.eal.count, 3);
	assert_string_equal(c.eal.arg[0], "from-file");
	assert_string_equal(c.eal.arg[1], "from-env");
	assert_string_equal(c.eal.arg[2], "from-args");
	// Without --config the environment names the file.
	snprintf(config, sizeof(config), "RINGCACHED_CONFIG=%s", name);
	assert_int_equal(load(&c, "", env, err), CFG_RUN);
	assert_int_equal(c.server.tcp_port, 22222);
	assert_int_equal(c.server.connections, 300);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_memcached_flags),
		cmocka_unit_test(test_long_options),
		cmocka_unit_test(test_harmless_flags_warn),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_udp_needs_a_prefix),
		cmocka_unit_test(test_eal_arguments_are_bounded),
		cmocka_unit_test(test_order_of_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
