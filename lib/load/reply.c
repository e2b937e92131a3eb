// SPDX-License-Identifier: BSD-3-Clause
// An answer, checked as its bytes arrive

#include "load/reply.h"

#include <string.h>

void reply_init(struct reply *r, const struct workload *w, enum load_op op, const uint32_t *key,
	uint16_t key_count)
{
	r->w = w;
	r->key = key;
	r->op = op;
	r->key_count = key_count;
	r->next = 0;
	r->found_count = 0;
	r->wrong = LOAD_HIT;
	r->at = REPLY_LINE;
	r->found = 0;
	r->line_len = 0;
}

static void note_wrong(struct reply *r, enum load_outcome what)
{
	if (r->wrong == LOAD_HIT)
		r->wrong = what;
}

static bool line_is(const uint8_t *line, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(line, text, len) == 0;
}

static bool line_begins(const uint8_t *line, size_t len, const char *text)
{
	return len >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

// A decimal number up to the next space or the end of the line.
static bool take_u32(const uint8_t **p, const uint8_t *end, uint32_t *v)
{
	uint64_t n = 0;
	const uint8_t *start = *p;

	while (*p < end && **p >= '0' && **p <= '9' && *p - start < 10)
		n = n * 10 + (uint64_t)(*(*p)++ - '0');
	*v = (uint32_t)n;
	return *p > start && n <= UINT32_MAX && (*p == end || **p == ' ');
}

// Which of the keys asked for, and not yet answered, this is.
static int find_key(const struct reply *r, const uint8_t *key, size_t len)
{
	for (unsigned i = 0; i < r->key_count; i++) {
		unsigned k = (r->next + i) % r->key_count;

		if (!(r->found >> k & 1) && keyspace_is(&r->w->keys, r->key[k], key, len))
			return (int)k;
	}
	return -1;
}

// "VALUE <key> <flags> <bytes>", without its line end.
static bool value_line(struct reply *r, const uint8_t *line, size_t len)
{
	const uint8_t *p = line + 6, *end = line + len, *key_end = memchr(p, ' ', len - 6);
	int k;

	if (!key_end)
		return false;
	k = find_key(r, p, (size_t)(key_end - p));
	p = key_end + 1;
	if (!take_u32(&p, end, &r->value_version) || p == end)
		return false;
	p++;
	if (!take_u32(&p, end, &r->value_len) || p != end)
		return false;
	r->value_key_idx = k;
	r->value_off = 0;
	r->at = REPLY_DATA;
	if (k < 0) {
		note_wrong(r, LOAD_ERR_KEY);
		return true;
	}
	r->found |= 1ULL << k;
	r->found_count++;
	r->next = (uint16_t)((k + 1) % r->key_count);
	if (r->w->verify && r->value_len != workload_value_len(r->w, r->key[k]))
		note_wrong(r, LOAD_ERR_VALUE);
	return true;
}

static enum reply_status line_complete(struct reply *r, const uint8_t *line, size_t len)
{
	if (r->op == LOAD_GET) {
		if (line_is(line, len, "END"))
			return REPLY_DONE;
		if (line_begins(line, len, "VALUE "))
			return value_line(r, line, len) ? REPLY_MORE : REPLY_LOST_SYNC;
	} else if (line_is(line, len, "STORED")) {
		return REPLY_DONE;
	}
	if (line_is(line, len, "ERROR") || line_begins(line, len, "CLIENT_ERROR") ||
		line_begins(line, len, "SERVER_ERROR") || line_is(line, len, "NOT_STORED")) {
		note_wrong(r, LOAD_ERR_SERVER);
		return REPLY_DONE;
	}
	return REPLY_LOST_SYNC;
}

// A line in one piece is read where it is, else it is gathered in r->line.
static enum reply_status feed_line(struct reply *r, const uint8_t *p, size_t len, size_t *taken)
{
	const uint8_t *end = memchr(p, '\n', len), *line = p;
	size_t n = end ? (size_t)(end - p) + 1 : len;

	*taken = n;
	if (r->line_len > 0 || !end) {
		if (r->line_len + n > REPLY_LINE_MAX)
			return REPLY_LOST_SYNC;
		memcpy(r->line + r->line_len, p, n);
		r->line_len += (uint32_t)n;
		if (!end)
			return REPLY_MORE;
		line = r->line;
		n = r->line_len;
		r->line_len = 0;
	}
	if (n < 2 || line[n - 2] != '\r')
		return REPLY_LOST_SYNC;
	return line_complete(r, line, n - 2);
}

static size_t feed_data(struct reply *r, const uint8_t *p, size_t len)
{
	uint32_t left = r->value_len - r->value_off, n = len < left ? (uint32_t)len : left;

	if (r->w->verify && r->value_key_idx >= 0 &&
		!value_is(p, r->key[r->value_key_idx], r->value_version, r->value_off, n))
		note_wrong(r, LOAD_ERR_VALUE);
	r->value_off += n;
	if (r->value_off == r->value_len) {
		r->at = REPLY_DATA_END;
		r->value_off = 0;
	}
	return n;
}

enum reply_status reply_feed(struct reply *r, const uint8_t *p, size_t len, size_t *taken)
{
	const uint8_t *start = p, *end = p + len;
	enum reply_status status = REPLY_MORE;

	while (p < end && status == REPLY_MORE) {
		size_t n = 1;

		switch (r->at) {
		case REPLY_LINE:
			status = feed_line(r, p, (size_t)(end - p), &n);
			// A value of no bytes has its line end next.
			if (r->at == REPLY_DATA && r->value_len == 0)
				r->at = REPLY_DATA_END;
			break;
		case REPLY_DATA:
			n = feed_data(r, p, (size_t)(end - p));
			break;
		case REPLY_DATA_END:
			if (*p != (r->value_off == 0 ? '\r' : '\n'))
				status = REPLY_LOST_SYNC;
			r->value_off++;
			if (r->value_off == 2)
				r->at = REPLY_LINE;
			break;
		}
		p += n;
	}
	*taken = (size_t)(p - start);
	if (status == REPLY_LOST_SYNC)
		note_wrong(r, LOAD_ERR_SYNTAX);
	return status;
}

enum load_outcome reply_outcome(const struct reply *r)
{
	if (r->wrong != LOAD_HIT)
		return r->wrong;
	if (r->op == LOAD_SET)
		return LOAD_STORED;
	return r->found_count == r->key_count ? LOAD_HIT : LOAD_MISS;
}
