// SPDX-License-Identifier: BSD-3-Clause
// stats and its sub-commands, in memcached's names and order
//
// Only what has a true value here is shown: no field of libevent, of slab rebalancing or
// of LRU juggling. "stats ringcached" is an addition: every counter of every module.
// getpid and getrusage are the only system calls that any command makes.

#include "cmd/cmd_priv.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONN_MODULE "conn"

// Where a field's value comes from.
enum source {
	FROM_CMD, // the counter of that name in lib/cmd, lib/store, lib/conn
	FROM_STORE,
	FROM_CONN,
	FROM_ZERO, // true here: nothing exists that could make it other than 0
	FROM_ONE,
	FROM_PID,
	FROM_UPTIME,
	FROM_TIME,
	FROM_VERSION,
	FROM_RUSAGE_USER,
	FROM_RUSAGE_SYSTEM,
	FROM_POINTER_SIZE,
	FROM_MAX_CONNECTIONS,
	FROM_THREADS,
	FROM_MEM_LIMIT,
	FROM_HASH_POWER,
	FROM_HASH_BYTES,
	FROM_HASH_EXPANDING,
	FROM_BYTES,
	FROM_CURR_ITEMS,
	FROM_ITEM_OVERHEAD,
};

static const struct field {
	const char *name;
	enum source from;
} fields[] = {
	{"pid", FROM_PID},
	{"uptime", FROM_UPTIME},
	{"time", FROM_TIME},
	{"version", FROM_VERSION},
	{"pointer_size", FROM_POINTER_SIZE},
	{"rusage_user", FROM_RUSAGE_USER},
	{"rusage_system", FROM_RUSAGE_SYSTEM},
	{"max_connections", FROM_MAX_CONNECTIONS},
	{"curr_connections", FROM_CONN},
	{"total_connections", FROM_CONN},
	{"rejected_connections", FROM_CONN},
	{"cmd_get", FROM_CMD},
	{"cmd_set", FROM_CMD},
	{"cmd_flush", FROM_CMD},
	{"cmd_touch", FROM_CMD},
	{"cmd_meta", FROM_ZERO},
	{"get_hits", FROM_CMD},
	{"get_misses", FROM_CMD},
	{"delete_misses", FROM_CMD},
	{"delete_hits", FROM_CMD},
	{"incr_misses", FROM_CMD},
	{"incr_hits", FROM_CMD},
	{"decr_misses", FROM_CMD},
	{"decr_hits", FROM_CMD},
	{"cas_misses", FROM_CMD},
	{"cas_hits", FROM_CMD},
	{"cas_badval", FROM_CMD},
	{"touch_hits", FROM_CMD},
	{"touch_misses", FROM_CMD},
	{"store_too_large", FROM_CMD},
	{"store_no_memory", FROM_CMD},
	{"auth_cmds", FROM_ZERO},
	{"auth_errors", FROM_ZERO},
	{"bytes_read", FROM_CONN},
	{"bytes_written", FROM_CONN},
	{"limit_maxbytes", FROM_MEM_LIMIT},
	{"accepting_conns", FROM_ONE},
	{"listen_disabled_num", FROM_ZERO},
	{"time_in_listen_disabled_us", FROM_ZERO},
	{"threads", FROM_THREADS},
	{"conn_yields", FROM_CONN},
	{"hash_power_level", FROM_HASH_POWER},
	{"hash_bytes", FROM_HASH_BYTES},
	{"hash_is_expanding", FROM_HASH_EXPANDING},
	{"slabs_moved", FROM_ZERO},
	{"lru_crawler_running", FROM_ZERO},
	{"lru_crawler_starts", FROM_ZERO},
	{"bytes", FROM_BYTES},
	{"curr_items", FROM_CURR_ITEMS},
	{"total_items", FROM_STORE},
	{"expired_unfetched", FROM_STORE},
	{"evicted_unfetched", FROM_STORE},
	{"evictions", FROM_STORE},
	{"reclaimed", FROM_STORE},
	{"ringcached_item_overhead", FROM_ITEM_OVERHEAD},
};

// Writes STAT lines until the pool is empty, and goes on counting what it would need.
struct writer {
	struct chunkq *out;
	uint64_t need;
	bool full;
};

static void write_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	w->need += len;
	if (!w->full && !chunkq_append(w->out, text, len))
		w->full = true;
}

static void write_stat(struct writer *w, const char *prefix, const char *name, const char *value)
{
	write_text(w, "STAT ");
	write_text(w, prefix);
	write_text(w, name);
	write_text(w, " ");
	write_text(w, value);
	write_text(w, "\r\n");
}

static void write_number(struct writer *w, const char *prefix, const char *name, uint64_t value)
{
	char text[21];

	text[ascii_format_u64((uint8_t *)text, value)] = '\0';
	write_stat(w, prefix, name, text);
}

// 0 where the module keeps no such counter.
static uint64_t sum_of(const struct cmd *c, const char *module, const char *name)
{
	uint64_t sum = 0;

	stats_sum(c->conf.stats, module, name, &sum);
	return sum;
}

static void write_seconds(struct writer *w, const char *name, const struct timeval *tv)
{
	char text[48];

	snprintf(text, sizeof(text), "%lld.%06ld", (long long)tv->tv_sec, (long)tv->tv_usec);
	write_stat(w, "", name, text);
}

// Bytes that an item takes beyond its key and value, its part of the index included.
static uint64_t item_overhead(const struct store_usage *u)
{
	uint64_t more = u->bytes + u->index_bytes - u->payload_bytes;

	return u->curr_items ? (more + u->curr_items / 2) / u->curr_items : 0;
}

static uint64_t gauge_of(const struct cmd *c, enum source from, const struct store_usage *u)
{
	switch (from) {
	case FROM_ONE:
		return 1;
	case FROM_PID:
		return (uint64_t)getpid();
	case FROM_UPTIME:
		return store_now_s(c->ctx) - c->conf.start_s;
	case FROM_TIME:
		return store_now_s(c->ctx);
	case FROM_POINTER_SIZE:
		return 8 * sizeof(void *);
	case FROM_MAX_CONNECTIONS:
		return c->conf.max_connections;
	case FROM_THREADS:
		return c->conf.worker_count;
	case FROM_MEM_LIMIT:
		return u->mem_limit_bytes;
	case FROM_HASH_POWER:
		return u->hash_power_level;
	case FROM_HASH_BYTES:
		return u->index_bytes;
	case FROM_HASH_EXPANDING:
		return u->hash_is_expanding;
	case FROM_BYTES:
		return u->bytes;
	case FROM_CURR_ITEMS:
		return u->curr_items;
	case FROM_ITEM_OVERHEAD:
		return item_overhead(u);
	default:
		return 0;
	}
}

static void stats_general(const struct cmd *c, struct writer *w)
{
	struct store_usage usage;
	struct rusage ru;

	store_usage(c->store, &usage);
	getrusage(RUSAGE_SELF, &ru);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];

		switch (f->from) {
		case FROM_CMD:
			write_number(w, "", f->name, sum_of(c, CMD_STATS_MODULE, f->name));
			break;
		case FROM_STORE:
			write_number(w, "", f->name, sum_of(c, STORE_STATS_MODULE, f->name));
			break;
		case FROM_CONN:
			write_number(w, "", f->name, sum_of(c, CONN_MODULE, f->name));
			break;
		case FROM_VERSION:
			write_stat(w, "", f->name, c->conf.version);
			break;
		case FROM_RUSAGE_USER:
			write_seconds(w, f->name, &ru.ru_utime);
			break;
		case FROM_RUSAGE_SYSTEM:
			write_seconds(w, f->name, &ru.ru_stime);
			break;
		default:
			write_number(w, "", f->name, gauge_of(c, f->from, &usage));
			break;
		}
	}
}

static void stats_settings(const struct cmd *c, struct writer *w)
{
	for (const struct cmd_setting *s = c->conf.settings; s && s->name; s++)
		write_stat(w, "", s->name, s->value);
}

// All items are of one class, number 1. As in memcached, an empty class is not shown.
static void stats_items(const struct cmd *c, struct writer *w)
{
	static const char *const names[] = {"reclaimed", "expired_unfetched", "evicted_unfetched"};
	struct store_usage u;

	store_usage(c->store, &u);
	if (u.curr_items == 0)
		return;
	write_number(w, "items:1:", "number", u.curr_items);
	write_number(w, "items:1:", "mem_requested", u.bytes);
	write_number(w, "items:1:", "evicted", sum_of(c, STORE_STATS_MODULE, "evictions"));
	write_number(w, "items:1:", "outofmemory", sum_of(c, STORE_STATS_MODULE, "out_of_memory"));
	write_number(w, "items:1:", "tailrepairs", 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_number(w, "items:1:", names[i], sum_of(c, STORE_STATS_MODULE, names[i]));
	// No item is crawled for, or found locked.
	write_number(w, "items:1:", "crawler_reclaimed", 0);
	write_number(w, "items:1:", "crawler_items_checked", 0);
	write_number(w, "items:1:", "lrutail_reflocked", 0);
}

// A segment is what memcached calls a page, and is handed out whole: one chunk.
static void stats_slabs(const struct cmd *c, struct writer *w)
{
	static const char *const names[] = {"get_hits", "cmd_set", "delete_hits", "incr_hits",
		"decr_hits", "cas_hits", "cas_badval", "touch_hits"};
	struct store_usage u;

	store_usage(c->store, &u);
	write_number(w, "1:", "chunk_size", u.segment_size);
	write_number(w, "1:", "chunks_per_page", 1);
	write_number(w, "1:", "total_pages", u.segment_count);
	write_number(w, "1:", "total_chunks", u.segment_count);
	write_number(w, "1:", "used_chunks", u.segment_count - u.segment_free_count);
	write_number(w, "1:", "free_chunks", u.segment_free_count);
	write_number(w, "1:", "free_chunks_end", 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_number(w, "1:", names[i], sum_of(c, CMD_STATS_MODULE, names[i]));
	write_number(w, "", "active_slabs", 1);
	write_number(w, "", "total_malloced", (uint64_t)u.segment_count * u.segment_size);
}

// What cmd_sizes_count counted.
static void stats_sizes(const struct cmd *c, struct writer *w)
{
	char name[12];

	for (unsigned i = 0; i < SIZES_COUNT; i++) {
		if (c->sizes[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%u", cmd_sizes_edge(i));
		write_number(w, "", name, c->sizes[i]);
	}
}

static void write_counter(void *arg, const char *module, const struct stat_desc *desc, uint64_t sum,
	const uint64_t *per_instance, unsigned n)
{
	char prefix[64];

	(void)per_instance;
	(void)n;
	snprintf(prefix, sizeof(prefix), "%s.", module);
	write_number(arg, prefix, desc->name, sum);
}

static void stats_all(const struct cmd *c, struct writer *w)
{
	stats_walk(c->conf.stats, write_counter, w);
}

static const struct report {
	const char *name;
	void (*write)(const struct cmd *c, struct writer *w);
} reports[] = {
	{"", stats_general},
	{"settings", stats_settings},
	{"items", stats_items},
	{"slabs", stats_slabs},
	{"ringcached", stats_all},
};

static enum cmd_status write_report(const struct cmd *c, const struct report *r, struct chunkq *out)
{
	struct writer w = {.out = out};
	uint32_t len = out->len;

	r->write(c, &w);
	write_text(&w, "END\r\n");
	if (!w.full)
		return CMD_DONE;
	chunkq_truncate(out, len);
	if (!cmd_never_fits(out, w.need))
		return CMD_BLOCKED;
	return cmd_reply_line(out, "SERVER_ERROR out of memory writing stats", false) ? CMD_DONE
										      : CMD_BLOCKED;
}

// The count may take many calls, the reply is written at once.
static enum cmd_status sizes_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	static const struct report sizes = {"sizes", stats_sizes};
	enum cmd_status status;

	if (!req->walk) {
		cmd_reply_line(out, CMD_NEEDS_TCP, false);
		return CMD_DONE;
	}
	status = cmd_sizes_count(c, req->walk);
	if (status == CMD_DONE)
		status = write_report(c, &sizes, out);
	if (status == CMD_DONE)
		cmd_walk_end(c, req->walk);
	return status;
}

// Sub-commands that are one line. detail answers as with memcached's -X; lib/conn answers
// conns before it comes here, but for UDP.
static const char *stats_line(struct slice sub, struct slice arg)
{
	if (slice_is(sub, "reset"))
		return "RESET";
	if (slice_is(sub, "conns"))
		return CMD_NEEDS_TCP;
	if (!slice_is(sub, "detail"))
		return "ERROR";
	if (slice_is(arg, "on") || slice_is(arg, "off") || slice_is(arg, "dump"))
		return "CLIENT_ERROR stats detail not allowed";
	return "CLIENT_ERROR usage: stats detail on|off|dump";
}

enum cmd_status cmd_stats_run(
	struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit)
{
	struct request words = *req;
	struct slice sub, arg, arg2;

	request_next_key(&words, &sub);
	request_next_key(&words, &arg);
	request_next_key(&words, &arg2);
	if (slice_is(sub, "cachedump"))
		return cmd_cachedump_run(c, req, arg, arg2, out, limit);
	if (slice_is(sub, "sizes"))
		return sizes_run(c, req, out);
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
		if (slice_is(sub, reports[i].name))
			return write_report(c, &reports[i], out);
	if (slice_is(sub, "reset"))
		stats_reset(c->conf.stats);
	cmd_reply_line(out, stats_line(sub, arg), false);
	return CMD_DONE;
}
