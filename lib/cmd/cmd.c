// SPDX-License-Identifier: BSD-3-Clause
// Life of a struct cmd, the choice of the command, and what all commands share

#include "cmd/cmd_priv.h"

#include <stdlib.h>

#include "base/check.h"

static const struct stat_desc cmd_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "cmd/cmd.def"
#undef STAT
};

const struct stats_set cmd_stats_set = {CMD_STATS_MODULE, cmd_stat_desc, CMD_STAT_COUNT};

// memcached.h: REALTIME_MAXDELTA
#define EXPTIME_RELATIVE_MAX_S (60 * 60 * 24 * 30)

struct cmd *cmd_create(
	const struct cmd_conf *conf, const struct store *store, struct store_ctx *ctx)
{
	struct cmd *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->conf = *conf;
	c->store = store;
	c->ctx = ctx;
	c->sizes = calloc(SIZES_COUNT, sizeof(*c->sizes));
	if (!c->sizes) {
		cmd_destroy(c);
		return NULL;
	}
	return c;
}

void cmd_destroy(struct cmd *c)
{
	if (!c)
		return;
	free(c->sizes);
	free(c);
}

const stat_t *cmd_stats(const struct cmd *c)
{
	return c->stat;
}

uint32_t cmd_exptime(const struct cmd *c, int32_t exptime, uint32_t now_s)
{
	if (exptime == 0)
		return 0;
	// An instant long past: 1 is the smallest that is not "never".
	if (exptime < 0)
		return 1;
	if (exptime <= EXPTIME_RELATIVE_MAX_S)
		return now_s + (uint32_t)exptime;
	return (uint64_t)exptime <= c->conf.start_s ? 1 : (uint32_t)exptime;
}

bool cmd_reply_line(struct chunkq *out, const char *line, bool noreply)
{
	size_t len = strlen(line);

	if (noreply)
		return true;
	return chunkq_has_room(out, len + 2) && chunkq_append(out, line, len) &&
	       chunkq_append(out, "\r\n", 2);
}

void cmd_prefetch_bucket(struct cmd *c, struct request *req)
{
	if (req->key.len > 0)
		store_prefetch_bucket(c->store, cmd_hash(c, req));
}

void cmd_prefetch_item(struct cmd *c, struct request *req)
{
	if (req->key.len > 0)
		store_prefetch_item(c->store, cmd_hash(c, req));
}

enum cmd_status cmd_run(struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit)
{
	if (op_is_get(req->op))
		return cmd_get_run(c, req, out, limit);
	if (req->op == OP_QUIT)
		return CMD_CLOSE;
	if (!cmd_can_reply(out, req->noreply))
		return CMD_BLOCKED;
	switch (req->op) {
	case OP_DELETE:
		cmd_delete_run(c, req, out);
		break;
	case OP_INCR:
	case OP_DECR:
		cmd_delta_run(c, req, out);
		break;
	case OP_TOUCH:
		cmd_touch_run(c, req, out);
		break;
	case OP_FLUSH_ALL:
		cmd_flush_all_run(c, req, out);
		break;
	case OP_VERSION:
		return cmd_version_run(c, req, out);
	case OP_STATS:
		return cmd_stats_run(c, req, out, limit);
	case OP_LRU_CRAWLER:
		return cmd_crawler_run(c, req, out, limit);
	case OP_VERBOSITY:
		// Logging is the operator's, not a client's: the level is taken and not used.
		cmd_reply_line(out, "OK", req->noreply);
		break;
	case OP_SHUTDOWN:
		cmd_reply_line(out, "ERROR: shutdown not enabled", false);
		break;
	default:
		DCHECK(!op_is_store(req->op));
		break;
	}
	return CMD_DONE;
}
