// SPDX-License-Identifier: BSD-3-Clause
// set, add, replace, append, prepend, cas: before and after their data block

#include "cmd/cmd_priv.h"

#include "base/check.h"

#include "base/hotpath.h"

// A set that fails for the server's reasons removes the old value: better a miss than an
// answer its writer believes to be replaced.
static void refuse(struct cmd *c, const struct request *req, struct slice key, uint64_t hash,
	struct chunkq *out, enum cmd_stat why, const char *line)
{
	stat_inc(&c->stat[why]);
	if (req->op == OP_SET)
		store_delete(c->ctx, key.p, key.len, hash);
	cmd_reply_line(out, line, req->noreply);
}

enum cmd_status cmd_put_begin(
	struct cmd *c, struct request *req, struct store_put *put, struct chunkq *out)
{
	enum store_status st;

	if (!cmd_can_reply(out, req->noreply))
		return CMD_BLOCKED;
	st = store_put_begin(c->ctx, put, req->key.p, req->key.len, cmd_hash(c, req),
		req->client_flags, cmd_exptime(c, req->exptime, store_now_s(c->ctx)), req->vlen);
	if (st == STORE_OK)
		return CMD_DONE;
	if (st == STORE_TOO_LARGE)
		refuse(c, req, req->key, req->hash, out, CMD_STAT_store_too_large,
			"SERVER_ERROR object too large for cache");
	else
		refuse(c, req, req->key, req->hash, out, CMD_STAT_store_no_memory,
			"SERVER_ERROR out of memory storing object");
	return CMD_SWALLOW;
}

// By now the command line may be gone from the caller's buffer.
static struct slice put_key(const struct store_put *put)
{
	return (struct slice){put->key, put->nkey};
}

enum cmd_status cmd_put_no_memory(
	struct cmd *c, const struct request *req, struct store_put *put, struct chunkq *out)
{
	if (!cmd_can_reply(out, req->noreply))
		return CMD_BLOCKED;
	store_put_abort(c->ctx, put);
	refuse(c, req, put_key(put), put->hash, out, CMD_STAT_store_no_memory,
		"SERVER_ERROR Out of memory during read");
	return CMD_SWALLOW;
}

static enum store_mode store_mode_of(enum request_op op)
{
	static const uint8_t mode[] = {
		[OP_SET - OP_SET] = STORE_SET,
		[OP_ADD - OP_SET] = STORE_ADD,
		[OP_REPLACE - OP_SET] = STORE_REPLACE,
		[OP_APPEND - OP_SET] = STORE_APPEND,
		[OP_PREPEND - OP_SET] = STORE_PREPEND,
		[OP_CAS - OP_SET] = STORE_CAS,
	};

	DCHECK(op_is_store(op));
	return (enum store_mode)mode[op - OP_SET];
}

// append and prepend that find no room for both parts leave the old value alone and say
// NOT_STORED (observed); the others answer as when memory ran out before the data.
static void put_failed(struct cmd *c, const struct request *req, const struct store_put *put,
	enum store_status st, struct chunkq *out)
{
	enum cmd_stat why =
		st == STORE_TOO_LARGE ? CMD_STAT_store_too_large : CMD_STAT_store_no_memory;
	const char *line = "SERVER_ERROR out of memory storing object";

	if (req->op == OP_APPEND || req->op == OP_PREPEND)
		line = "NOT_STORED";
	refuse(c, req, put_key(put), put->hash, out, why, line);
}

enum cmd_status cmd_put_end(struct cmd *c, const struct request *req, struct store_put *put,
	bool crlf_ok, struct chunkq *out)
{
	enum store_status st;

	if (!cmd_can_reply(out, req->noreply))
		return CMD_BLOCKED;
	COUNT(c, cmd_set);
	if (!crlf_ok) {
		store_put_abort(c->ctx, put);
		cmd_reply_line(out, "CLIENT_ERROR bad data chunk", req->noreply);
		return CMD_DONE;
	}
	st = store_put_commit(c->ctx, put, store_mode_of(req->op), req->cas);
	switch (st) {
	case STORE_OK:
		if (req->op == OP_CAS)
			COUNT(c, cas_hits);
		cmd_reply_line(out, "STORED", req->noreply);
		break;
	case STORE_EXISTS:
		COUNT(c, cas_badval);
		cmd_reply_line(out, "EXISTS", req->noreply);
		break;
	case STORE_NOT_FOUND:
		COUNT(c, cas_misses);
		cmd_reply_line(out, "NOT_FOUND", req->noreply);
		break;
	case STORE_TOO_LARGE:
	case STORE_NO_MEMORY:
		put_failed(c, req, put, st, out);
		break;
	default:
		cmd_reply_line(out, "NOT_STORED", req->noreply);
		break;
	}
	return CMD_DONE;
}
