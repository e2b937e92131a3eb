// SPDX-License-Identifier: BSD-3-Clause
// A client's bytes -> the server's reply bytes, through parser, commands and a real store

#include "support/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum session_state {
	READ_LINE, // a command line, and the small data block behind it
	READ_PIECES, // the rest of a get line longer than line_room
	READ_VALUE, // the data block of a large value
	SWALLOW, // bytes of a refused data block
	CLOSED,
};

struct bytes {
	uint8_t *p;
	size_t len, room;
};

struct session {
	struct session_conf conf;
	struct cmd_conf cmd_conf;
	struct stats *stats;
	struct store *store;
	struct store_ctx *ctx;
	struct cmd *cmd;
	struct pool pool;
	struct chunkq out;
	struct bytes in, reply;
	enum session_state state;
	struct request req;
	struct store_put put;
	uint64_t swallow_len;
	uint8_t crlf[2]; // what came where the large value's CRLF belongs
	unsigned crlf_len;
	struct cmd_walk walk;
	void (*between)(void *arg);
	void *between_arg;
	unsigned blocked_count, paused_count, piece_count, yield_count;
};

static void bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (b->len + len + 1 > b->room) {
		b->room = 2 * (b->len + len + 1);
		b->p = realloc(b->p, b->room);
		CHECK(b->p);
	}
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = 0;
}

static void bytes_drop(struct bytes *b, size_t len)
{
	CHECK(len <= b->len);
	memmove(b->p, b->p + len, b->len - len);
	b->len -= len;
}

struct session *session_create(const struct session_conf *conf)
{
	static const struct cmd_setting settings[] = {
		{"maxbytes", "67108864"}, {"maxconns", "1024"}, {NULL, NULL}};
	struct session *s = calloc(1, sizeof(*s));
	struct store_conf sc = {.ctx_count_max = 1, .now_s = SESSION_START_S};
	struct cmd_conf gone;
	const char *err = NULL;

	CHECK(s);
	if (conf)
		s->conf = *conf;
	sc.mem_limit_bytes = s->conf.mem_limit_bytes ? s->conf.mem_limit_bytes : 64 << 20;
	sc.item_size_max = s->conf.item_size_max ? s->conf.item_size_max : 1 << 20;
	sc.no_evictions = s->conf.no_evictions;
	sc.hash_items = s->conf.hash_items;
	s->conf.chunk_count = s->conf.chunk_count ? s->conf.chunk_count : 1024;
	s->conf.line_room = s->conf.line_room ? s->conf.line_room : 16384;
	s->conf.limit = s->conf.limit ? s->conf.limit : 65536;
	s->store = store_create(&sc, &err);
	if (!s->store)
		fprintf(stderr, "store_create: %s\n", err);
	CHECK(s->store);
	s->ctx = store_ctx_create(s->store, 0);
	CHECK(s->ctx);
	s->stats = stats_create();
	CHECK(s->stats);
	s->cmd_conf = (struct cmd_conf){.version = "1.6.18",
		.no_flush_all = s->conf.no_flush_all,
		.no_dump = s->conf.no_dump,
		.start_s = SESSION_START_S,
		.max_connections = 1024,
		.worker_count = 1,
		.settings = s->conf.settings ? s->conf.settings : settings,
		.stats = s->stats};
	gone = s->cmd_conf; // it need not outlive the call
	s->cmd = cmd_create(&gone, s->store, s->ctx);
	memset(&gone, 0xa5, sizeof(gone));
	CHECK(s->cmd);
	CHECK(stats_register(s->stats, &cmd_stats_set, 0, cmd_stats(s->cmd)) == 0);
	CHECK(stats_register(s->stats, &store_stats_set, 0, store_ctx_stats(s->ctx)) == 0);
	CHECK(chunkq_pool_init(&s->pool, s->conf.chunk_count) == 0);
	chunkq_init(&s->out, &s->pool);
	bytes_add(&s->in, NULL, 0);
	bytes_add(&s->reply, NULL, 0);
	store_tick(s->ctx, SESSION_START_S);
	return s;
}

void session_destroy(struct session *s)
{
	session_reconnect(s);
	pool_fini(&s->pool);
	cmd_destroy(s->cmd);
	stats_destroy(s->stats);
	store_ctx_destroy(s->ctx);
	store_destroy(s->store);
	free(s->in.p);
	free(s->reply.p);
	free(s);
}

// The client's side: take all that was written.
static void take_reply(struct session *s)
{
	while (s->out.len > 0) {
		uint32_t len;
		const uint8_t *p = chunkq_front(&s->out, &len);

		bytes_add(&s->reply, p, len);
		chunkq_drop(&s->out, len);
	}
	chunkq_clear(&s->out);
}

static void note(struct session *s, enum cmd_status st)
{
	s->blocked_count += st == CMD_BLOCKED;
	s->paused_count += st == CMD_PAUSED;
	s->yield_count += st == CMD_YIELD;
}

static void run(struct session *s)
{
	enum cmd_status st;

	s->req.walk = &s->walk;
	do {
		st = cmd_run(s->cmd, &s->req, &s->out, s->conf.limit);
		note(s, st);
		// Blocked with an empty queue would be for ever.
		CHECK(st != CMD_BLOCKED || s->out.len > 0);
		if (st != CMD_DONE)
			take_reply(s);
		if ((st == CMD_YIELD || st == CMD_PAUSED) && s->between)
			s->between(s->between_arg);
	} while (st == CMD_PAUSED || st == CMD_BLOCKED || st == CMD_YIELD);
	if (st == CMD_CLOSE)
		s->state = CLOSED;
}

static void line_error(struct session *s)
{
	if (cmd_reply_line(&s->out, s->req.error, s->req.noreply))
		return;
	take_reply(s);
	CHECK(cmd_reply_line(&s->out, s->req.error, s->req.noreply));
}

static enum cmd_status put_begin(struct session *s)
{
	enum cmd_status st = cmd_put_begin(s->cmd, &s->req, &s->put, &s->out);

	note(s, st);
	if (st != CMD_BLOCKED)
		return st;
	take_reply(s);
	return cmd_put_begin(s->cmd, &s->req, &s->put, &s->out);
}

static void put_end(struct session *s, bool crlf_ok)
{
	enum cmd_status st = cmd_put_end(s->cmd, &s->req, &s->put, crlf_ok, &s->out);

	note(s, st);
	if (st != CMD_BLOCKED)
		return;
	take_reply(s);
	CHECK(cmd_put_end(s->cmd, &s->req, &s->put, crlf_ok, &s->out) == CMD_DONE);
}

// Write into the store what fits; false when it ran out of memory.
static bool put_write(struct session *s, const uint8_t *p, size_t *len)
{
	size_t done = 0, room;
	uint8_t *dst;

	while (done < *len && store_put_room(s->ctx, &s->put, &dst, &room)) {
		size_t n = room < *len - done ? room : *len - done;

		memcpy(dst, p + done, n);
		store_put_wrote(&s->put, n);
		done += n;
	}
	*len = done;
	return s->put.written == s->put.vlen || store_put_room(s->ctx, &s->put, &dst, &room);
}

static void put_no_memory(struct session *s)
{
	s->swallow_len = (uint64_t)s->put.vlen - s->put.written + 2;
	if (cmd_put_no_memory(s->cmd, &s->req, &s->put, &s->out) == CMD_BLOCKED) {
		take_reply(s);
		CHECK(cmd_put_no_memory(s->cmd, &s->req, &s->put, &s->out) == CMD_SWALLOW);
	}
	s->state = SWALLOW;
}

// A storage command's line is in front. False: its data block is not complete.
static bool step_store(struct session *s)
{
	size_t line_len = s->req.line_len, len = s->req.vlen;
	const uint8_t *block = s->in.p + line_len;
	bool crlf_ok;

	if (len <= STORE_FRAGMENT_LEN && s->in.len < line_len + len + 2)
		return false;
	if (put_begin(s) == CMD_SWALLOW) {
		bytes_drop(&s->in, line_len);
		s->swallow_len = (uint64_t)len + 2;
		s->state = SWALLOW;
		return true;
	}
	if (len > STORE_FRAGMENT_LEN) {
		bytes_drop(&s->in, line_len);
		s->crlf_len = 0;
		s->state = READ_VALUE;
		return true;
	}
	CHECK(put_write(s, block, &len) && len == s->req.vlen);
	crlf_ok = memcmp(block + len, "\r\n", 2) == 0;
	put_end(s, crlf_ok);
	bytes_drop(&s->in, line_len + len + 2);
	return true;
}

static bool step_value(struct session *s)
{
	size_t len = s->in.len;

	if (len == 0)
		return false;
	if (s->put.written < s->put.vlen) {
		bool ok = put_write(s, s->in.p, &len);

		bytes_drop(&s->in, len);
		if (!ok)
			put_no_memory(s);
		return true;
	}
	s->crlf[s->crlf_len++] = s->in.p[0];
	bytes_drop(&s->in, 1);
	if (s->crlf_len == 2) {
		put_end(s, memcmp(s->crlf, "\r\n", 2) == 0);
		s->state = READ_LINE;
	}
	return true;
}

static bool step_pieces(struct session *s, bool first)
{
	size_t consumed = 0, len = s->in.len;
	enum parse_status st;
	bool last = false;

	if (len > s->conf.line_room)
		len = s->conf.line_room;
	if (first)
		st = ascii_parse_piece(&s->req, s->in.p, len, &consumed);
	else
		st = ascii_parse_rest(&s->req, s->in.p, len, &consumed, &last);
	s->piece_count++;
	if (st == PARSE_CLOSE) {
		s->state = CLOSED;
		return true;
	}
	s->state = last ? READ_LINE : READ_PIECES;
	if (st == PARSE_OK)
		run(s);
	else if (st == PARSE_BAD)
		line_error(s);
	bytes_drop(&s->in, consumed);
	return consumed > 0;
}

static bool step_line(struct session *s)
{
	size_t len = s->in.len < s->conf.line_room ? s->in.len : s->conf.line_room;

	switch (ascii_parse(&s->req, s->in.p, len)) {
	case PARSE_MORE:
		return len == s->conf.line_room && step_pieces(s, true);
	case PARSE_CLOSE:
		s->state = CLOSED;
		return true;
	case PARSE_BAD:
		line_error(s);
		break;
	case PARSE_OK:
		if (op_is_store(s->req.op))
			return step_store(s);
		run(s);
		break;
	}
	bytes_drop(&s->in, s->req.line_len);
	return true;
}

static bool step(struct session *s)
{
	size_t n;

	switch (s->state) {
	case READ_LINE:
		return step_line(s);
	case READ_PIECES:
		return step_pieces(s, false);
	case READ_VALUE:
		return step_value(s);
	case SWALLOW:
		n = s->swallow_len < s->in.len ? s->swallow_len : s->in.len;
		bytes_drop(&s->in, n);
		s->swallow_len -= n;
		if (s->swallow_len == 0)
			s->state = READ_LINE;
		return n > 0;
	case CLOSED:
		break;
	}
	return false;
}

void session_feed(struct session *s, const void *bytes, size_t len)
{
	bytes_add(&s->in, bytes, len);
	while (step(s))
		;
	take_reply(s);
}

const char *session_reply(const struct session *s, size_t *len)
{
	if (len)
		*len = s->reply.len;
	return (const char *)s->reply.p;
}

void session_clear(struct session *s)
{
	bytes_drop(&s->reply, s->reply.len);
	s->reply.p[0] = 0;
}

bool session_closed(const struct session *s)
{
	return s->state == CLOSED;
}

void session_reconnect(struct session *s)
{
	if (s->state == READ_VALUE)
		store_put_abort(s->ctx, &s->put);
	cmd_walk_end(s->cmd, &s->walk);
	bytes_drop(&s->in, s->in.len);
	s->state = READ_LINE;
}

void session_tick(struct session *s, uint32_t now_s)
{
	for (unsigned i = 0; i < 4; i++)
		store_tick(s->ctx, now_s);
}

struct cmd *session_cmd(struct session *s)
{
	return s->cmd;
}

struct stats *session_stats(struct session *s)
{
	return s->stats;
}

struct store *session_store(struct session *s)
{
	return s->store;
}

struct store_ctx *session_ctx(struct session *s)
{
	return s->ctx;
}

struct pool *session_pool(struct session *s)
{
	return &s->pool;
}

uint64_t session_stat(struct session *s, const char *module, const char *name)
{
	uint64_t sum = 0;

	CHECK(stats_sum(s->stats, module, name, &sum));
	return sum;
}

void session_set_between(struct session *s, void (*between)(void *arg), void *arg)
{
	s->between = between;
	s->between_arg = arg;
}

unsigned session_yield_count(const struct session *s)
{
	return s->yield_count;
}

unsigned session_blocked_count(const struct session *s)
{
	return s->blocked_count;
}

unsigned session_paused_count(const struct session *s)
{
	return s->paused_count;
}

unsigned session_piece_count(const struct session *s)
{
	return s->piece_count;
}
