// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/cmd: struct cmd, and the commands behind cmd_run
#pragma once

#include <string.h>

#include "cmd/cmd.h"

struct cmd {
	const struct cmd_conf *conf;
	const struct store *store;
	struct store_ctx *ctx;
	stat_t stat[CMD_STAT_COUNT];
};

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
void cmd_delta_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_touch_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_delete_run(struct cmd *c, struct request *req, struct chunkq *out);
void cmd_flush_all_run(struct cmd *c, struct request *req, struct chunkq *out);
enum cmd_status cmd_version_run(struct cmd *c, struct request *req, struct chunkq *out);
enum cmd_status cmd_stats_run(struct cmd *c, struct request *req, struct chunkq *out);
