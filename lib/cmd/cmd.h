// SPDX-License-Identifier: BSD-3-Clause
// A parsed request and the store -> the reply's bytes
//
// Knows nothing of connections or packets. Replies go to the tail of a struct
// chunkq; when the chunk pool is too empty for what must be written, nothing of
// that piece is written and CMD_BLOCKED says so: free some and call again.
//
// Threads: one struct cmd per worker. Memory: taken by cmd_create.
#pragma once

#include "base/chunkq.h"
#include "proto/proto.h"
#include "stats/stats.h"
#include "store/store.h"

struct cmd;

// What "stats settings" and "version" show and a few switches. Copied; what it points to
// outlives the cmd.
struct cmd_conf {
	const char *version; // "1.6.18" compatible text of the version command
	bool no_flush_all; // -F
	bool no_dump; // -X: neither stats cachedump nor lru_crawler metadump
	uint64_t start_s; // unix time of the process start, for uptime and exptime rules
	uint64_t max_connections;
	unsigned worker_count;
	// "stats settings": name and value texts, ended by a NULL name.
	const struct cmd_setting {
		const char *name;
		const char *value;
	} * settings;
	struct stats *stats; // registry to sum over; "stats reset" resets it
};

// NULL: out of memory. ctx is this worker's part of store; both outlive the cmd.
struct cmd *cmd_create(
	const struct cmd_conf *conf, const struct store *store, struct store_ctx *ctx);
void cmd_destroy(struct cmd *c);

enum cmd_status {
	CMD_DONE,
	CMD_PAUSED, // get family: out reached limit; call again with the same req
	CMD_BLOCKED, // chunk pool too empty; call again with the same req when it is not
	CMD_YIELD, // one step of a walk is done; call again with the same req in the next turn
	CMD_SWALLOW, // storage: refused, the reply is written; drop the data block
	CMD_CLOSE, // quit: send what is queued, then close
};

// Where a command that walks over all items stands: stats sizes, stats cachedump,
// lru_crawler metadump. The caller keeps one, all zero, for each connection, and points
// req->walk to it; where that is NULL (UDP) such commands are refused. A step looks at a
// bounded number of items and of index chains: then CMD_YIELD, or CMD_PAUSED at limit.
struct cmd_walk {
	uint64_t cursor; // lib/store's, or CMD_WALK_OVER
	uint32_t items; // shown so far
	uint32_t bytes; // of their lines
};
#define CMD_WALK_OVER UINT64_MAX

// The connection ends: forget what its walk stands for. Zeroes it.
void cmd_walk_end(struct cmd *c, struct cmd_walk *walk);

// Run any command but a storage one. The get family writes key by key and pauses
// as soon as out->len >= limit. A value too large for the whole chunk pool is answered
// with SERVER_ERROR out of memory writing get response, and ends the request.
enum cmd_status cmd_run(struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit);

// Hash and prefetch for a request that will run soon (batched GET): pass 1 brings
// the bucket, pass 2 the item of the (first) key. Hints; may be left out. The hash is
// kept in req.
void cmd_prefetch_bucket(struct cmd *c, struct request *req);
void cmd_prefetch_item(struct cmd *c, struct request *req);

// Storage commands. cmd_put_begin: CMD_DONE (write the data block through
// store_put_room), CMD_SWALLOW, or CMD_BLOCKED before anything happened. The rules of
// store_put on values up to STORE_FRAGMENT_LEN hold for the caller.
enum cmd_status cmd_put_begin(
	struct cmd *c, struct request *req, struct store_put *put, struct chunkq *out);

// From here on req's slices are not looked at: the command line may be gone.
//
// The data block is complete; crlf_ok: it was followed by "\r\n". Writes the reply:
// CMD_DONE, or CMD_BLOCKED before anything happened.
enum cmd_status cmd_put_end(struct cmd *c, const struct request *req, struct store_put *put,
	bool crlf_ok, struct chunkq *out);

// The store ran out of memory while the data block was written: aborts put and writes the
// reply. CMD_SWALLOW (the rest of the block), or CMD_BLOCKED before anything happened.
enum cmd_status cmd_put_no_memory(
	struct cmd *c, const struct request *req, struct store_put *put, struct chunkq *out);

// A reply line, unless noreply. False: no room, nothing written.
bool cmd_reply_line(struct chunkq *out, const char *line, bool noreply);

// memcached's realtime(): exptime as sent -> absolute unix seconds, 0 = never. Up to
// 30 days relative to now_s; negative: expired at once. An absolute time not
// after the process start: expired at once.
uint32_t cmd_exptime(const struct cmd *c, int32_t exptime, uint32_t now_s);

// Counters: cmd.def.
#define CMD_STATS_MODULE "cmd"
enum cmd_stat {
#define STAT(name, kind, help) CMD_STAT_##name,
#include "cmd/cmd.def"
#undef STAT
	CMD_STAT_COUNT
};
extern const struct stats_set cmd_stats_set;
const stat_t *cmd_stats(const struct cmd *c);
