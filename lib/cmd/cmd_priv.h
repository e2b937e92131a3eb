// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/cmd: struct cmd, and the commands behind cmd_run
#pragma once

#include <string.h>

#include "cmd/cmd.h"

struct cmd {
	struct cmd_conf conf;
	const struct store *store;
	struct store_ctx *ctx;
	const struct cmd_walk *sizes_of; // whose walk counts into sizes now; NULL: nobody's
	uint32_t *sizes; // SIZES_COUNT
	stat_t stat[CMD_STAT_COUNT];
};

// Histogram of stats sizes: the first SIZES_FINE counts are of 32 bytes each, as
// memcached's, up to 1 MiB; those of larger items of 32 KiB each, up to the largest -I.
#define SIZES_FINE_STEP 32u
#define SIZES_FINE (1 + (1u << 20) / SIZES_FINE_STEP)
#define SIZES_COARSE_STEP 32768u
#define SIZES_COUNT (SIZES_FINE + (128u << 20) / SIZES_COARSE_STEP)

// Room for any reply line but VALUE and STAT, with its CRLF. Commands that change
// something ask for it first, so that they are never done and not told.
#define CMD_LINE_MAX 128

#define COUNT(c, name) stat_inc(&(c)->stat[CMD_STAT_##name])

static inline uint64_t cmd_hash(struct cmd *c, struct request *req)
{
	if (!req->hashed) {
		req->hash = store_hash(c->store, req->key.p, req->key.len);
		req->hashed = true;
	}
	return req->hash;
}

static inline bool cmd_can_reply(const struct chunkq *out, bool noreply)
{
	return noreply || chunkq_has_room(out, CMD_LINE_MAX);
}

// More than the whole pool holds: waiting for room would be in vain.
static inline bool cmd_never_fits(const struct chunkq *out, uint64_t len)
{
	return len > (uint64_t)out->pool->obj_count * CHUNK_ROOM;
}

enum cmd_status cmd_get_run(struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit);
static inline bool slice_is(struct slice s, const char *text)
{
	return s.len == strlen(text) && (s.len == 0 || memcmp(s.p, text, s.len) == 0);
}

#define CMD_NEEDS_TCP "CLIENT_ERROR not available over UDP"

void cmd_delta_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_touch_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_delete_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_flush_all_run(struct cmd *c, struct request *req, struct chunkq *out);
enum cmd_status cmd_version_run(struct cmd *c, struct request *req, struct chunkq *out);
enum cmd_status cmd_stats_run(
	struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit);
enum cmd_status cmd_cachedump_run(struct cmd *c, const struct request *req, struct slice class,
	struct slice limit_items, struct chunkq *out, uint32_t limit);
enum cmd_status cmd_crawler_run(
	struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit);

// Count all items into c->sizes: CMD_DONE when they are, else CMD_YIELD.
enum cmd_status cmd_sizes_count(struct cmd *c, struct cmd_walk *walk);
// The size that the count i of c->sizes stands for: items up to it.
uint32_t cmd_sizes_edge(unsigned i);
