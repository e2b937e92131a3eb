// SPDX-License-Identifier: BSD-3-Clause
// stats: the names clients and exporters look for, in memcached's order, with true values
// support: session

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/session.h"

// The general fields of memcached 1.6.18 that we have, in its order; then ours.
static const char *const general[] = {"pid", "uptime", "time", "version", "pointer_size",
	"rusage_user", "rusage_system", "max_connections", "curr_connections", "total_connections",
	"rejected_connections", "cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "cmd_meta",
	"get_hits", "get_misses", "delete_misses", "delete_hits", "incr_misses", "incr_hits",
	"decr_misses", "decr_hits", "cas_misses", "cas_hits", "cas_badval", "touch_hits",
	"touch_misses", "store_too_large", "store_no_memory", "auth_cmds", "auth_errors",
	"bytes_read", "bytes_written", "limit_maxbytes", "accepting_conns", "listen_disabled_num",
	"time_in_listen_disabled_us", "threads", "conn_yields", "hash_power_level", "hash_bytes",
	"hash_is_expanding", "slabs_moved", "lru_crawler_running", "lru_crawler_starts", "bytes",
	"curr_items", "total_items", "expired_unfetched", "evicted_unfetched", "evictions",
	"reclaimed", "ringcached_item_overhead"};

static const char *ask(struct session *s, const char *request)
{
	session_clear(s);
	session_feed(s, request, strlen(request));
	return session_reply(s, NULL);
}

// The value of a STAT line of the last reply; false when there is none.
static bool find_stat(struct session *s, const char *name, char *value)
{
	char want[128];
	const char *p;

	snprintf(want, sizeof(want), "STAT %s ", name);
	p = strstr(session_reply(s, NULL), want);
	return p && sscanf(p + strlen(want), "%100[^\r]", value) == 1;
}

static void assert_stat(struct session *s, const char *name, const char *want)
{
	char value[128];

	if (!find_stat(s, name, value))
		fail_msg("no field %s", name);
	if (strcmp(value, want) != 0)
		fail_msg("%s is %s, not %s", name, value, want);
}

static void test_general_names(void **state)
{
	struct session *s = session_create(NULL);
	const char *p = ask(s, "stats\r\n");
	char name[64], value[128], pid[32];
	unsigned long seconds, micros;
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(general) / sizeof(general[0]); i++) {
		assert_int_equal(sscanf(p, "STAT %63s %127[^\r]%n", name, value, &n), 2);
		assert_string_equal(name, general[i]);
		assert_memory_equal(p + n, "\r\n", 2);
		p += n + 2;
	}
	assert_string_equal(p, "END\r\n");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_stat(s, "pid", pid);
	assert_stat(s, "uptime", "0");
	assert_stat(s, "time", "1700000000");
	assert_stat(s, "version", "1.6.18");
	assert_stat(s, "pointer_size", "64");
	assert_stat(s, "max_connections", "1024");
	assert_stat(s, "curr_connections", "0"); // no such module here
	assert_stat(s, "limit_maxbytes", "67108864");
	assert_stat(s, "accepting_conns", "1");
	assert_stat(s, "threads", "1");
	assert_true(find_stat(s, "rusage_user", value));
	assert_int_equal(sscanf(value, "%lu.%6lu%n", &seconds, &micros, &n), 2);
	assert_int_equal(n, strlen(value));
	assert_int_equal(strlen(strchr(value, '.') + 1), 6);
	session_destroy(s);
}

struct count_row {
	const char *request;
	const char *changed; // "name by" pairs
};

// What each command counts, as observed on memcached: gat counts as touch and not as get,
// incr of a non-number as nothing.
static void test_counters(void **state)
{
	static const struct count_row rows[] = {
		{"set a 0 0 1\r\nx\r\n", "cmd_set 1 total_items 1 curr_items 1"},
		{"get a\r\n", "cmd_get 1 get_hits 1"},
		{"gets a zz\r\n", "cmd_get 2 get_hits 1 get_misses 1"},
		{"gat 0 a\r\n", "cmd_touch 1 touch_hits 1"},
		{"gats 0 zz\r\n", "cmd_touch 1 touch_misses 1"},
		{"touch a 0\r\n", "cmd_touch 1 touch_hits 1"},
		{"touch zz 0\r\n", "cmd_touch 1 touch_misses 1"},
		{"set a 0 0 1\r\nxyz\r\n", "cmd_set 1"},
		{"add a 0 0 1\r\nx\r\n", "cmd_set 1"},
		{"append zz 0 0 1\r\nx\r\n", "cmd_set 1"},
		{"cas a 0 0 1 18446744073709551615\r\nx\r\n", "cmd_set 1 cas_badval 1"},
		{"cas zz 0 0 1 1\r\nx\r\n", "cmd_set 1 cas_misses 1"},
		{"incr a 1\r\n", ""},
		{"incr zz 1\r\n", "incr_misses 1"},
		{"decr zz 1\r\n", "decr_misses 1"},
		{"delete a\r\n", "delete_hits 1 curr_items -1"},
		{"delete a\r\n", "delete_misses 1"},
		{"set a 0 0 2000000\r\n", "store_too_large 1"},
		{"flush_all noreply\r\n", "cmd_flush 1"},
	};
	struct session *s = session_create(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char before[4096], value[128], name[64];

		snprintf(before, sizeof(before), "%s", ask(s, "stats\r\n"));
		ask(s, rows[i].request);
		session_reconnect(s);
		ask(s, "stats\r\n");
		for (size_t f = 11; f < sizeof(general) / sizeof(general[0]); f++) {
			const char *hit = strstr(rows[i].changed, general[f]);
			long was, is, by = 0;

			if (strcmp(general[f], "bytes") == 0 ||
				strcmp(general[f], "ringcached_item_overhead") == 0)
				continue; // they have tests of their own
			if (hit && hit[strlen(general[f])] == ' ')
				by = strtol(hit + strlen(general[f]), NULL, 10);
			snprintf(name, sizeof(name), "STAT %s ", general[f]);
			was = strtol(strstr(before, name) + strlen(name), NULL, 10);
			assert_true(find_stat(s, general[f], value));
			is = strtol(value, NULL, 10);
			if (is - was != by)
				fail_msg("[%s] changes %s by %ld, not %ld", rows[i].request,
					general[f], is - was, by);
		}
	}
	session_destroy(s);
}

// 24 bytes of header, CRLF and padding, and all of the index that the items share.
static void test_item_overhead(void **state)
{
	struct session *s = session_create(NULL);
	struct store_usage u;
	char request[64], value[128];
	long all;

	(void)state;
	ask(s, "stats\r\n");
	assert_stat(s, "ringcached_item_overhead", "0");
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(request, sizeof(request), "set k%03u 0 0 18\r\n%018u\r\n", i, i);
		ask(s, request);
	}
	store_usage(session_store(s), &u);
	assert_int_equal(u.payload_bytes, 1000 * (4 + 18));
	ask(s, "stats\r\n");
	assert_true(find_stat(s, "ringcached_item_overhead", value));
	all = strtol(value, NULL, 10);
	assert_in_range(all - (long)(u.index_bytes / 1000), 24, 32);
	session_destroy(s);
}

static void test_uptime_and_reset(void **state)
{
	struct session *s = session_create(NULL);

	(void)state;
	ask(s, "set a 0 0 1\r\nx\r\nget a\r\nincr a 1\r\nset n 0 0 1\r\n1\r\nincr n 1\r\ndecr n "
	       "1\r\n");
	session_tick(s, SESSION_START_S + 75);
	ask(s, "stats\r\n");
	assert_stat(s, "uptime", "75");
	assert_stat(s, "time", "1700000075");
	assert_stat(s, "get_hits", "1");
	assert_stat(s, "incr_hits", "1");
	assert_stat(s, "decr_hits", "1");
	assert_stat(s, "curr_items", "2");
	assert_string_equal(ask(s, "stats reset\r\n"), "RESET\r\n");
	ask(s, "stats\r\n");
	assert_stat(s, "get_hits", "0");
	assert_stat(s, "cmd_set", "0");
	assert_stat(s, "total_items", "0");
	// What is there is still there.
	assert_stat(s, "curr_items", "2");
	session_destroy(s);
}

static void test_settings(void **state)
{
	struct session *s = session_create(NULL);

	(void)state;
	assert_string_equal(ask(s, "stats settings\r\n"),
		"STAT maxbytes 67108864\r\nSTAT maxconns 1024\r\nEND\r\n");
	assert_string_equal(ask(s, "stats settings foo\r\n"),
		"STAT maxbytes 67108864\r\nSTAT maxconns 1024\r\nEND\r\n");
	session_destroy(s);
}

// What memcached-tool's display needs of stats items and stats slabs.
// The three of the index, while it doubles and after it.
static void test_hash_table(void **state)
{
	struct session_conf conf = {.mem_limit_bytes = 8 << 20, .hash_items = 1};
	struct session *s = session_create(&conf);
	char request[64], level[128], between[128] = "0";
	unsigned i = 0;

	(void)state;
	ask(s, "stats\r\n");
	assert_stat(s, "hash_power_level", "6");
	assert_stat(s, "hash_is_expanding", "0");
	assert_stat(s, "hash_bytes", "131072");
	for (; i < 20000 && strcmp(between, "1") != 0; i++) {
		snprintf(request, sizeof(request), "set k%u 0 0 1\r\n1\r\n", i);
		ask(s, request);
		session_tick(s, SESSION_START_S);
		ask(s, "stats\r\n");
		assert_true(find_stat(s, "hash_is_expanding", between));
	}
	assert_true(find_stat(s, "hash_power_level", level));
	assert_string_equal(level, "7");
	for (; i < 20000; i++) {
		snprintf(request, sizeof(request), "set k%u 0 0 1\r\n1\r\n", i);
		ask(s, request);
		session_tick(s, SESSION_START_S);
	}
	ask(s, "stats\r\n");
	assert_stat(s, "hash_power_level", "12");
	assert_stat(s, "hash_is_expanding", "0");
	assert_stat(s, "hash_bytes", "262144");
	session_destroy(s);
}

static void test_items_and_slabs(void **state)
{
	struct session *s = session_create(NULL);
	char pages[128], used[128], size[128], total[128];

	(void)state;
	assert_string_equal(ask(s, "stats items\r\n"), "END\r\n");
	ask(s, "set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nget a\r\n");
	ask(s, "stats items\r\n");
	assert_stat(s, "items:1:number", "2");
	assert_stat(s, "items:1:evicted", "0");
	assert_stat(s, "items:1:outofmemory", "0");
	assert_stat(s, "items:1:crawler_items_checked", "0");
	ask(s, "stats slabs\r\n");
	assert_stat(s, "1:get_hits", "1");
	assert_stat(s, "1:cmd_set", "2");
	assert_stat(s, "active_slabs", "1");
	assert_true(find_stat(s, "1:total_pages", pages));
	assert_true(find_stat(s, "1:used_chunks", used));
	assert_true(find_stat(s, "1:chunk_size", size));
	assert_true(find_stat(s, "total_malloced", total));
	assert_true(atoll(used) > 0 && atoll(used) < atoll(pages));
	assert_true(atoll(pages) * atoll(size) == atoll(total));
	assert_true(atoll(total) <= 67108864);
	session_destroy(s);
}

static void test_all_counters(void **state)
{
	struct session *s = session_create(NULL);
	const char *reply;
	unsigned lines = 0;

	(void)state;
	ask(s, "get zz\r\n");
	reply = ask(s, "stats ringcached\r\n");
	assert_stat(s, "cmd.get_misses", "1");
	assert_stat(s, "cmd.get_hits", "0");
	assert_stat(s, "store.evictions", "0");
	for (const char *p = reply; (p = strstr(p, "\r\n")); p += 2)
		lines++;
	assert_int_equal(lines, CMD_STAT_COUNT + STORE_STAT_COUNT + 1);
	session_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_general_names),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_item_overhead),
		cmocka_unit_test(test_uptime_and_reset),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_hash_table),
		cmocka_unit_test(test_items_and_slabs),
		cmocka_unit_test(test_all_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
