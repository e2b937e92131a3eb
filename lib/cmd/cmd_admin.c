// SPDX-License-Identifier: BSD-3-Clause
// delete, touch, flush_all, version

#include "cmd/cmd_priv.h"

#include "base/hotpath.h"

void cmd_delete_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	bool found = store_delete(c->ctx, req->key.p, req->key.len, cmd_hash(c, req)) == STORE_OK;

	stat_inc(&c->stat[found ? CMD_STAT_delete_hits : CMD_STAT_delete_misses]);
	cmd_reply_line(out, found ? "DELETED" : "NOT_FOUND", req->noreply);
}

void cmd_touch_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	uint32_t exptime = cmd_exptime(c, req->exptime, store_now_s(c->ctx));
	bool found = store_touch(c->ctx, req->key.p, req->key.len, cmd_hash(c, req), exptime,
			     NULL) == STORE_OK;

	COUNT(c, cmd_touch);
	stat_inc(&c->stat[found ? CMD_STAT_touch_hits : CMD_STAT_touch_misses]);
	cmd_reply_line(out, found ? "TOUCHED" : "NOT_FOUND", req->noreply);
}

void cmd_flush_all_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	uint32_t at_s = 0;

	COUNT(c, cmd_flush);
	if (c->conf.no_flush_all) {
		cmd_reply_line(out, "CLIENT_ERROR flush_all not allowed", req->noreply);
		return;
	}
	// Relative or absolute, as an exptime. No delay, 0 and what is past: at once.
	if (req->has_exptime)
		at_s = cmd_exptime(c, req->exptime, store_now_s(c->ctx));
	store_flush(c->ctx, at_s);
	cmd_reply_line(out, "OK", req->noreply);
}

enum cmd_status cmd_version_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	size_t len = strlen(c->conf.version);

	(void)req;
	if (!chunkq_has_room(out, 8 + len + 2))
		return CMD_BLOCKED;
	chunkq_append(out, "VERSION ", 8);
	chunkq_append(out, c->conf.version, len);
	chunkq_append(out, "\r\n", 2);
	return CMD_DONE;
}
