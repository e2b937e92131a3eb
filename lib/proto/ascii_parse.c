// SPDX-License-Identifier: BSD-3-Clause
// Classic ASCII protocol: find the line, run the get family's fast path and long lines

#include "proto/ascii_priv.h"

#include "base/hotpath.h"

// memcached looks past at most so many spaces in front of a get longer than 2048 bytes.
#define LONG_GET_SPACES_MAX 100

static bool is_single_get(struct request *req, const uint8_t *buf, size_t len);
static bool is_long_get(struct request *req, const uint8_t *buf, size_t len, const uint8_t **args);
static enum parse_status line_parse(struct request *req, const uint8_t *buf, const uint8_t *end);
static enum parse_status keys_check(struct request *req, const uint8_t *p, const uint8_t *end);
static enum parse_status piece_cut(
	struct request *req, const uint8_t *p, const uint8_t *buf, size_t len, size_t *consumed);

enum parse_status ascii_parse(struct request *req, const uint8_t *buf, size_t len)
{
	const uint8_t *args, *nl;
	size_t line_len;

	*req = (struct request){};
	if (is_single_get(req, buf, len))
		return PARSE_OK;
	if (len == 0)
		return PARSE_MORE;
	nl = memchr(buf, '\n', len);
	line_len = nl ? (size_t)(nl - buf) : len;
	if (line_len > LINE_LEN_MAX && !is_long_get(req, buf, len, &args))
		return PARSE_CLOSE;
	if (!nl)
		return PARSE_MORE;
	req->line_len = (uint32_t)line_len + 1;
	// A bare LF ends a line too; the CR of an otherwise empty line stays a token.
	if (line_len > 1 && nl[-1] == '\r')
		nl--;
	return line_parse(req, buf, nl);
}

// "get <key>\r\n" and "gets <key>\r\n" as every client sends them: nothing is looked at
// twice. Anything unusual is left to the ordinary way.
static bool is_single_get(struct request *req, const uint8_t *buf, size_t len)
{
	const uint8_t *key, *end, *limit;
	uint64_t head;

	if (len < 8)
		return false;
	head = load_le64(buf);
	if ((uint32_t)head == 0x20746567) { // "get "
		req->op = OP_GET;
		key = buf + 4;
	} else if ((head & 0xffffffffffULL) == 0x2073746567ULL) { // "gets "
		req->op = OP_GETS;
		key = buf + 5;
	} else {
		return false;
	}
	limit = buf + len;
	if (limit - key > KEY_LEN_MAX + 2)
		limit = key + KEY_LEN_MAX + 2;
	end = scan_blank(key, limit);
	if (end == key || limit - end < 2 || end[0] != '\r' || end[1] != '\n')
		return false;
	req->key = req->args = (struct slice){key, (size_t)(end - key)};
	req->line_len = (uint32_t)(end + 2 - buf);
	return true;
}

static bool get_op(struct request *req, struct slice word)
{
	// bget: an ancient name of get that memcached still takes.
	if (TOKEN_IS(word, "get") || TOKEN_IS(word, "bget"))
		req->op = OP_GET;
	else if (TOKEN_IS(word, "gets"))
		req->op = OP_GETS;
	else if (TOKEN_IS(word, "gat"))
		req->op = OP_GAT;
	else if (TOKEN_IS(word, "gats"))
		req->op = OP_GATS;
	else
		return false;
	return true;
}

static bool is_long_get(struct request *req, const uint8_t *buf, size_t len, const uint8_t **args)
{
	const uint8_t *p = buf, *end = buf + len;
	struct slice word = token_next(&p, end);

	*args = p;
	return word.p - buf <= LONG_GET_SPACES_MAX && p < end && *p == ' ' && word.p[0] == 'g' &&
	       get_op(req, word);
}

static enum parse_status line_parse(struct request *req, const uint8_t *buf, const uint8_t *end)
{
	const uint8_t *p = buf, *nul = memchr(buf, '\0', (size_t)(end - buf));
	struct slice word, exptime;

	// To memcached a line is a C string.
	if (nul)
		end = nul;
	word = token_next(&p, end);
	if (!get_op(req, word))
		return command_parse(req, word, p, end);
	while (p < end && *p == ' ')
		p++;
	if (p == end)
		return parse_bad(req, "ERROR");
	if (req->op == OP_GAT || req->op == OP_GATS) {
		exptime = token_next(&p, end);
		if (!number_i32(exptime, &req->exptime))
			return parse_bad(req, BAD_EXPTIME);
	}
	return keys_check(req, p, end);
}

// All keys are checked before the first is looked up: a bad one makes the whole line bad
// and nothing of it is answered.
static enum parse_status keys_check(struct request *req, const uint8_t *p, const uint8_t *end)
{
	struct slice key;

	req->args = (struct slice){p, (size_t)(end - p)};
	req->key = key = token_next(&p, end);
	while (key.len > 0) {
		if (key.len > KEY_LEN_MAX)
			return parse_bad(req, BAD_FORMAT);
		key = token_next(&p, end);
	}
	return PARSE_OK;
}

bool request_next_key(struct request *req, struct slice *key)
{
	const uint8_t *p = req->args.p, *end = p + req->args.len;

	*key = token_next(&p, end);
	req->args = (struct slice){p, (size_t)(end - p)};
	return key->len > 0;
}

enum parse_status ascii_parse_piece(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed)
{
	const uint8_t *p, *end = buf + len;
	struct slice exptime;

	*req = (struct request){};
	*consumed = 0;
	if (!is_long_get(req, buf, len, &p))
		return PARSE_CLOSE;
	if (req->op == OP_GAT || req->op == OP_GATS) {
		exptime = token_next(&p, end);
		// An exptime that fills the buffer is no number.
		if (p == end || !number_i32(exptime, &req->exptime))
			req->error = BAD_EXPTIME;
	}
	return piece_cut(req, p, buf, len, consumed);
}

enum parse_status ascii_parse_rest(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed, bool *last)
{
	const uint8_t *nl = len > 0 ? memchr(buf, '\n', len) : NULL;

	req->hashed = false;
	*last = nl != NULL;
	if (!nl)
		return piece_cut(req, buf, buf, len, consumed);
	*consumed = (size_t)(nl + 1 - buf);
	req->line_len = (uint32_t)*consumed;
	req->more = false;
	if (req->error)
		return PARSE_BAD;
	if (memchr(buf, '\0', (size_t)(nl - buf)))
		return parse_bad(req, BAD_FORMAT);
	if (nl > buf && nl[-1] == '\r')
		nl--;
	return keys_check(req, buf, nl);
}

// The complete keys of a piece whose line goes on: [p, buf + len) up to its last space.
// req->error, once set, stays until the line's end.
static enum parse_status piece_cut(
	struct request *req, const uint8_t *p, const uint8_t *buf, size_t len, size_t *consumed)
{
	const uint8_t *end = buf + len, *cut = end;

	req->more = true;
	req->args = req->key = (struct slice){};
	while (cut > p && cut[-1] != ' ')
		cut--;
	// What follows the last space may be a key, and the CR of the line's end.
	if (end - cut > KEY_LEN_MAX + 1 || (len > 0 && memchr(buf, '\0', len)))
		req->error = BAD_FORMAT;
	if (!req->error && keys_check(req, p, cut) == PARSE_OK) {
		*consumed = (size_t)(cut - buf);
		return *consumed > 0 ? PARSE_OK : PARSE_MORE;
	}
	*consumed = len;
	return PARSE_MORE;
}
