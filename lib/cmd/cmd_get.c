// SPDX-License-Identifier: BSD-3-Clause
// get, gets, gat, gats: key by key, with the next keys' memory already under way

#include "cmd/cmd_priv.h"

#include "base/check.h"

#include "base/hotpath.h"

// Keys hashed and prefetched together: enough to hide a cache miss behind seven others,
// and few enough for the line-fill buffers.
#define GET_BATCH 8

// Replies up to this size are written into one contiguous piece of a chunk. Larger ones
// would waste too much of the chunk before.
#define GET_INLINE_MAX 512

struct get_batch {
	unsigned count;
	struct slice args[GET_BATCH]; // req->args before the key was taken
	struct slice key[GET_BATCH];
	uint64_t hash[GET_BATCH];
};

enum get_result {
	GET_NEXT, // hit written, or miss
	GET_BLOCKED, // nothing written, nothing counted
	GET_TOO_LARGE, // the pool could never take the value
};

static void batch_fill(struct cmd *c, struct request *req, struct get_batch *b);
static enum get_result get_one(struct cmd *c, const struct request *req, struct slice key,
	uint64_t hash, struct chunkq *out);
static enum get_result write_value(struct cmd *c, struct chunkq *out, struct slice key,
	const struct store_ref *ref, bool with_cas);
static void append_piece(struct cmd *c, struct chunkq *out, struct slice piece);
static enum cmd_status get_too_large(const struct request *req, struct chunkq *out);

enum cmd_status cmd_get_run(struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit)
{
	struct get_batch b;

	for (batch_fill(c, req, &b); b.count > 0; batch_fill(c, req, &b)) {
		for (unsigned i = 0; i < b.count; i++) {
			bool paused = out->len >= limit;
			enum get_result r =
				paused ? GET_BLOCKED : get_one(c, req, b.key[i], b.hash[i], out);
			enum cmd_status st = paused ? CMD_PAUSED : CMD_BLOCKED;

			if (r == GET_NEXT)
				continue;
			if (r == GET_TOO_LARGE)
				st = get_too_large(req, out);
			if (st == CMD_PAUSED || st == CMD_BLOCKED)
				req->args = b.args[i];
			return st;
		}
	}
	if (req->more)
		return CMD_DONE;
	return chunkq_append(out, "END\r\n", 5) ? CMD_DONE : CMD_BLOCKED;
}

// The reply is cut short in place of its END. Later pieces of the same line would be taken
// for the next reply: then the connection ends here.
static enum cmd_status get_too_large(const struct request *req, struct chunkq *out)
{
	if (!cmd_reply_line(out, "SERVER_ERROR out of memory writing get response", false))
		return CMD_BLOCKED;
	return req->more ? CMD_CLOSE : CMD_DONE;
}

static void batch_fill(struct cmd *c, struct request *req, struct get_batch *b)
{
	unsigned n = 0;

	while (n < GET_BATCH) {
		struct slice key;

		b->args[n] = req->args;
		if (!request_next_key(req, &key))
			break;
		b->key[n] = key;
		b->hash[n] = req->hashed && key.p == req->key.p
				     ? req->hash
				     : store_hash(c->store, key.p, key.len);
		n++;
	}
	b->count = n;
	if (n < 2)
		return;
	for (unsigned i = 0; i < n; i++)
		store_prefetch_bucket(c->store, b->hash[i]);
	for (unsigned i = 0; i < n; i++)
		store_prefetch_item(c->store, b->hash[i]);
}

// gat counts as touch, not as get (observed).
static enum get_result get_one(struct cmd *c, const struct request *req, struct slice key,
	uint64_t hash, struct chunkq *out)
{
	bool touch = req->op == OP_GAT || req->op == OP_GATS;
	bool with_cas = req->op == OP_GETS || req->op == OP_GATS;
	enum get_result r = GET_NEXT;
	enum store_status found;
	struct store_ref ref;

	if (touch)
		found = store_touch(c->ctx, key.p, key.len, hash,
			cmd_exptime(c, req->exptime, store_now_s(c->ctx)), &ref);
	else
		found = store_get(c->ctx, key.p, key.len, hash, &ref);
	if (found == STORE_OK)
		r = write_value(c, out, key, &ref, with_cas);
	if (r == GET_BLOCKED)
		return r;
	if (touch) {
		COUNT(c, cmd_touch);
		stat_inc(&c->stat[found == STORE_OK ? CMD_STAT_touch_hits : CMD_STAT_touch_misses]);
	} else {
		COUNT(c, cmd_get);
		stat_inc(&c->stat[found == STORE_OK ? CMD_STAT_get_hits : CMD_STAT_get_misses]);
	}
	return r;
}

// Head, value and CRLF, or nothing.
static enum get_result write_value(struct cmd *c, struct chunkq *out, struct slice key,
	const struct store_ref *ref, bool with_cas)
{
	size_t head_max = VALUE_HEAD_MAX - KEY_LEN_MAX + key.len;
	uint8_t head[VALUE_HEAD_MAX], *dst;
	struct slice piece;
	uint32_t n;

	if (ref->value && head_max + ref->vlen + 2 <= GET_INLINE_MAX) {
		dst = chunkq_reserve(out, (uint32_t)head_max + ref->vlen + 2);
		if (!dst)
			return GET_BLOCKED;
		n = ascii_format_value_head(
			dst, key, ref->client_flags, ref->vlen, with_cas, ref->cas);
		memcpy(dst + n, ref->value, ref->vlen + 2);
		chunkq_commit(out, n + ref->vlen + 2);
		return GET_NEXT;
	}
	n = ascii_format_value_head(head, key, ref->client_flags, ref->vlen, with_cas, ref->cas);
	if (!chunkq_has_room(out, (size_t)n + ref->vlen + 2))
		return cmd_never_fits(out, (uint64_t)n + ref->vlen + 2) ? GET_TOO_LARGE
									: GET_BLOCKED;
	chunkq_append(out, head, n);
	for (uint32_t off = 0; off < ref->vlen; off += (uint32_t)piece.len) {
		store_ref_piece(ref, off, &piece);
		DCHECK(piece.len > 0 && piece.len <= ref->vlen - off);
		append_piece(c, out, piece);
	}
	chunkq_append(out, "\r\n", 2);
	return GET_NEXT;
}

// Room for a copy is known to be there: a reference takes no more of it.
static void append_piece(struct cmd *c, struct chunkq *out, struct slice piece)
{
	struct extref x;

	if (out->ref_min && piece.len >= out->ref_min && store_pin(c->ctx, piece, &x)) {
		if (likely_(chunkq_append_ref(out, &x)))
			return;
		extref_release(&x);
	}
	chunkq_append(out, piece.p, piece.len);
}
