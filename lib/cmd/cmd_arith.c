// SPDX-License-Identifier: BSD-3-Clause
// incr and decr

#include "cmd/cmd_priv.h"

#include "base/hotpath.h"

static void reply_number(struct chunkq *out, uint64_t value, bool noreply)
{
	uint8_t line[20 + 2];
	uint32_t n = ascii_format_u64(line, value);

	line[n++] = '\r';
	line[n++] = '\n';
	if (!noreply)
		chunkq_append(out, line, n);
}

// A value that is no number counts as neither hit nor miss (observed).
void cmd_delta_run(struct cmd *c, struct request *req, struct chunkq *out)
{
	bool down = req->op == OP_DECR;
	uint64_t value;

	switch (store_delta(
		c->ctx, req->key.p, req->key.len, cmd_hash(c, req), down, req->delta, &value)) {
	case STORE_OK:
		stat_inc(&c->stat[down ? CMD_STAT_decr_hits : CMD_STAT_incr_hits]);
		reply_number(out, value, req->noreply);
		break;
	case STORE_NOT_FOUND:
		stat_inc(&c->stat[down ? CMD_STAT_decr_misses : CMD_STAT_incr_misses]);
		cmd_reply_line(out, "NOT_FOUND", req->noreply);
		break;
	case STORE_NOT_NUMBER:
		cmd_reply_line(out, "CLIENT_ERROR cannot increment or decrement non-numeric value",
			req->noreply);
		break;
	default:
		cmd_reply_line(out, "SERVER_ERROR out of memory", req->noreply);
		break;
	}
}
