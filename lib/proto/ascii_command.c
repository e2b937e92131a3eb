// SPDX-License-Identifier: BSD-3-Clause
// Classic ASCII protocol: every command but the get family, argument by argument
//
// What is answered where ringcached has nothing behind the command. The answers are
// those of a memcached 1.6.18 that was started with the feature off, wherever it has
// such an answer; never an OK that pretends.
//
//   shutdown               ERROR: shutdown not enabled (lib/cmd)  memcached without -A
//   watch                  CLIENT_ERROR watch commands not allowed       memcached -W
//   slabs reassign A B     CLIENT_ERROR slab reassignment disabled       no_slab_reassign
//   slabs automove ...     ERROR
//   lru_crawler crawl, sleep, tocrawl   CLIENT_ERROR lru crawler disabled   no_lru_crawler
//   lru_crawler enable     ERROR failed to start lru crawler thread
//                          (disable is true: OK; metadump needs no crawler: lib/cmd)
//   lru tune, mode, temp_ttl      ERROR
//   cache_memlimit N       MEMLIMIT_TOO_SMALL ..., or MEMLIMIT_ADJUST_FAILED ...: memory
//                          is taken once, at start
//   refresh_certs          Error TLS not enabled
//   extstore, debug commands      ERROR, as any unknown command
//   mg ms md ma me mn      ERROR: this is a server without the meta protocol
//   METHOD path HTTP/...   close, as memcached does for any unknown command so ended

#include "proto/ascii_priv.h"

#include "base/hotpath.h"

#define CRAWLER_OFF "CLIENT_ERROR lru crawler disabled"
#define CRAWLER_SLEEP_MAX_US 1000000

struct tokens {
	unsigned count;
	struct slice tok[TOKEN_MAX]; // tok[0] is the command
};

struct command {
	const char *name;
	uint8_t name_len;
	uint8_t op;
	uint8_t token_min, token_max; // the command counts; outside: ERROR
	enum parse_status (*parse)(struct request *req, const struct tokens *t);
};

static enum parse_status parse_store(struct request *req, const struct tokens *t);
static enum parse_status parse_delete(struct request *req, const struct tokens *t);
static enum parse_status parse_delta(struct request *req, const struct tokens *t);
static enum parse_status parse_touch(struct request *req, const struct tokens *t);
static enum parse_status parse_flush_all(struct request *req, const struct tokens *t);
static enum parse_status parse_verbosity(struct request *req, const struct tokens *t);
static enum parse_status parse_bare(struct request *req, const struct tokens *t);
static enum parse_status parse_words(struct request *req, const struct tokens *t);
static enum parse_status parse_memlimit(struct request *req, const struct tokens *t);
static enum parse_status parse_watch(struct request *req, const struct tokens *t);
static enum parse_status parse_slabs(struct request *req, const struct tokens *t);
static enum parse_status parse_lru(struct request *req, const struct tokens *t);
static enum parse_status parse_crawler(struct request *req, const struct tokens *t);
static enum parse_status parse_refresh_certs(struct request *req, const struct tokens *t);

#define COMMAND(name, op, min, max, parse) \
	{ \
		name, sizeof(name) - 1, op, min, max, parse \
	}

// The most frequent first: the table is walked from the top.
static const struct command commands[] = {
	COMMAND("set", OP_SET, 5, 6, parse_store),
	COMMAND("delete", OP_DELETE, 2, 4, parse_delete),
	COMMAND("incr", OP_INCR, 3, 4, parse_delta),
	COMMAND("decr", OP_DECR, 3, 4, parse_delta),
	COMMAND("add", OP_ADD, 5, 6, parse_store),
	COMMAND("cas", OP_CAS, 6, 7, parse_store),
	COMMAND("touch", OP_TOUCH, 3, 4, parse_touch),
	COMMAND("replace", OP_REPLACE, 5, 6, parse_store),
	COMMAND("append", OP_APPEND, 5, 6, parse_store),
	COMMAND("prepend", OP_PREPEND, 5, 6, parse_store),
	COMMAND("version", OP_VERSION, 1, TOKEN_MAX, parse_bare),
	COMMAND("stats", OP_STATS, 1, TOKEN_MAX, parse_words),
	COMMAND("flush_all", OP_FLUSH_ALL, 1, 3, parse_flush_all),
	COMMAND("quit", OP_QUIT, 1, TOKEN_MAX, parse_bare),
	COMMAND("verbosity", OP_VERBOSITY, 2, 3, parse_verbosity),
	COMMAND("shutdown", OP_SHUTDOWN, 1, TOKEN_MAX, parse_bare),
	COMMAND("cache_memlimit", 0, 2, 3, parse_memlimit),
	COMMAND("watch", 0, 1, TOKEN_MAX, parse_watch),
	COMMAND("slabs", 0, 1, TOKEN_MAX, parse_slabs),
	COMMAND("lru", 0, 2, TOKEN_MAX, parse_lru),
	COMMAND("lru_crawler", OP_LRU_CRAWLER, 1, TOKEN_MAX, parse_crawler),
	COMMAND("refresh_certs", 0, 1, TOKEN_MAX, parse_refresh_certs),
};

static void tokens_split(struct tokens *t, struct slice word, const uint8_t *p, const uint8_t *end)
{
	t->tok[0] = word;
	for (t->count = 1; t->count < TOKEN_MAX; t->count++) {
		t->tok[t->count] = token_next(&p, end);
		if (t->tok[t->count].len == 0)
			break;
	}
}

// An unknown command: memcached closes when it smells of HTTP (somebody aims a browser at
// the cache), but only asks where the first letter is not one of its own commands'.
static enum parse_status parse_unknown(struct request *req, const struct tokens *t)
{
	const struct slice *first = &t->tok[0], *last = &t->tok[t->count - 1];
	bool ours = memchr("gsacidt", first->p[0], 7) || (first->p[0] == 'm' && first->len == 2);

	if (!ours && last->len >= 5 && memcmp(last->p, "HTTP/", 5) == 0)
		return PARSE_CLOSE;
	return parse_bad(req, "ERROR");
}

enum parse_status command_parse(
	struct request *req, struct slice word, const uint8_t *p, const uint8_t *end)
{
	struct tokens t;

	if (word.len < 2)
		return parse_bad(req, "ERROR");
	tokens_split(&t, word, p, end);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (c->name_len != word.len || memcmp(c->name, word.p, word.len) != 0)
			continue;
		// A wrong number of tokens is told even to noreply: it is not looked for yet.
		if (t.count < c->token_min || t.count > c->token_max)
			return parse_bad(req, "ERROR");
		req->op = c->op;
		return c->parse(req, &t);
	}
	return parse_unknown(req, &t);
}

// noreply counts as the last token only. It silences the line's errors too.
static bool take_noreply(struct request *req, const struct tokens *t)
{
	req->noreply = TOKEN_IS(t->tok[t->count - 1], "noreply");
	return req->noreply;
}

static bool take_key(struct request *req, const struct tokens *t)
{
	req->key = t->tok[1];
	return req->key.len <= KEY_LEN_MAX;
}

// <cmd> <key> <flags> <exptime> <bytes> [noreply]; cas: <cas unique> before noreply. A
// second word in noreply's place is ignored.
static enum parse_status parse_store(struct request *req, const struct tokens *t)
{
	int32_t vlen;

	take_noreply(req, t);
	if (!take_key(req, t) || !number_u32(t->tok[2], &req->client_flags) ||
		!number_i32(t->tok[3], &req->exptime) || !number_i32(t->tok[4], &vlen))
		return parse_bad(req, BAD_FORMAT);
	if (req->op == OP_CAS && !number_u64(t->tok[5], &req->cas))
		return parse_bad(req, BAD_FORMAT);
	if (vlen < 0 || (uint32_t)vlen > VALUE_LEN_MAX)
		return parse_bad(req, BAD_FORMAT);
	req->vlen = (uint32_t)vlen;
	return PARSE_OK;
}

// delete <key> [0] [noreply]: the 0 is what is left of a delay, and clients still send it.
static enum parse_status parse_delete(struct request *req, const struct tokens *t)
{
	if (t->count > 2) {
		bool zero = TOKEN_IS(t->tok[2], "0"), noreply = take_noreply(req, t);

		if (t->count == 3 ? !zero && !noreply : !zero || !noreply)
			return parse_bad(req, BAD_FORMAT ".  Usage: delete <key> [noreply]");
	}
	return take_key(req, t) ? PARSE_OK : parse_bad(req, BAD_FORMAT);
}

static enum parse_status parse_delta(struct request *req, const struct tokens *t)
{
	take_noreply(req, t);
	if (!take_key(req, t))
		return parse_bad(req, BAD_FORMAT);
	if (!number_u64(t->tok[2], &req->delta))
		return parse_bad(req, "CLIENT_ERROR invalid numeric delta argument");
	return PARSE_OK;
}

static enum parse_status parse_touch(struct request *req, const struct tokens *t)
{
	take_noreply(req, t);
	if (!take_key(req, t))
		return parse_bad(req, BAD_FORMAT);
	if (!number_i32(t->tok[2], &req->exptime))
		return parse_bad(req, BAD_EXPTIME);
	return PARSE_OK;
}

// flush_all [delay] [noreply]
static enum parse_status parse_flush_all(struct request *req, const struct tokens *t)
{
	req->has_exptime = t->count != (take_noreply(req, t) ? 2 : 1);
	if (req->has_exptime && !number_i32(t->tok[1], &req->exptime))
		return parse_bad(req, BAD_EXPTIME);
	return PARSE_OK;
}

static enum parse_status parse_verbosity(struct request *req, const struct tokens *t)
{
	uint32_t level;

	take_noreply(req, t);
	if (!number_u32(t->tok[1], &level))
		return parse_bad(req, BAD_FORMAT);
	req->delta = level;
	return PARSE_OK;
}

// version, quit, shutdown: whatever follows is ignored, noreply too.
static enum parse_status parse_bare(struct request *req, const struct tokens *t)
{
	(void)req;
	(void)t;
	return PARSE_OK;
}

// stats, lru_crawler: what follows is for lib/cmd.
static enum parse_status parse_words(struct request *req, const struct tokens *t)
{
	const struct slice *last = &t->tok[t->count - 1];

	if (t->count > 1)
		req->args =
			(struct slice){t->tok[1].p, (size_t)(last->p + last->len - t->tok[1].p)};
	return PARSE_OK;
}

static enum parse_status parse_memlimit(struct request *req, const struct tokens *t)
{
	uint32_t megabytes;

	take_noreply(req, t);
	if (!number_u32(t->tok[1], &megabytes))
		return parse_bad(req, "ERROR");
	if (megabytes < 8)
		return parse_bad(req, "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m");
	if (megabytes > 1000000000)
		return parse_bad(req, "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes");
	return parse_bad(req, "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust");
}

static enum parse_status parse_watch(struct request *req, const struct tokens *t)
{
	take_noreply(req, t);
	return parse_bad(req, "CLIENT_ERROR watch commands not allowed");
}

static enum parse_status parse_slabs(struct request *req, const struct tokens *t)
{
	if (t->count == 4 && TOKEN_IS(t->tok[1], "reassign"))
		return parse_bad(req, "CLIENT_ERROR slab reassignment disabled");
	if (t->count >= 3 && TOKEN_IS(t->tok[1], "automove"))
		take_noreply(req, t);
	return parse_bad(req, "ERROR");
}

static enum parse_status parse_lru(struct request *req, const struct tokens *t)
{
	take_noreply(req, t);
	return parse_bad(req, "ERROR");
}

// Expired items leave with their segments; no thread crawls for them. Arguments are still
// looked at as memcached does it.
static enum parse_status parse_crawler(struct request *req, const struct tokens *t)
{
	const struct slice *sub = &t->tok[1];
	uint32_t n;

	if (t->count == 2 && TOKEN_IS(*sub, "enable"))
		return parse_bad(req, "ERROR failed to start lru crawler thread");
	if (t->count == 2 && TOKEN_IS(*sub, "disable"))
		return parse_words(req, t);
	if (t->count != 3)
		return parse_bad(req, "ERROR");
	if (TOKEN_IS(*sub, "metadump"))
		return parse_words(req, t);
	if (TOKEN_IS(*sub, "crawl"))
		return parse_bad(req, CRAWLER_OFF);
	if (!TOKEN_IS(*sub, "sleep") && !TOKEN_IS(*sub, "tocrawl"))
		return parse_bad(req, "ERROR");
	if (!number_u32(t->tok[2], &n))
		return parse_bad(req, BAD_FORMAT);
	if (TOKEN_IS(*sub, "sleep") && n > CRAWLER_SLEEP_MAX_US)
		return parse_bad(req, "CLIENT_ERROR sleep must be one second or less");
	return parse_bad(req, CRAWLER_OFF);
}

static enum parse_status parse_refresh_certs(struct request *req, const struct tokens *t)
{
	(void)t;
	return parse_bad(req, "Error TLS not enabled");
}
