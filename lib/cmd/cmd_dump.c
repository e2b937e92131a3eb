// SPDX-License-Identifier: BSD-3-Clause
// stats cachedump and lru_crawler metadump: all items, line by line, in steps
//
// A dump holds nothing up: one call visits a bounded part of the index, and stops where
// the connection's replies reach their limit. Where it stands is struct cmd_walk. All
// items are of class 1; memcached's other classes exist, and are empty.

#include "cmd/cmd_priv.h"

#include "base/hotpath.h"

#define CLASS_COUNT 64 // memcached's MAX_NUMBER_OF_SLAB_CLASSES; valid: 1..63
#define CLASS_OURS 1
#define CACHEDUMP_BYTES_MAX (2u << 20) // items.c: 2MB max response size

// Calls of lib/store per step: each visits one item at most, as there must be room for its
// line before, or STORE_WALK_CHAINS_MAX empty chains.
#define DUMP_STEP_CALLS 32

// Longest: metadump of a key of 250 bytes, each as %XX, and seven numbers.
#define DUMP_LINE_MAX 1024

struct line {
	uint32_t len;
	uint8_t text[DUMP_LINE_MAX];
};

struct dump {
	struct cmd_walk *walk;
	struct chunkq *out;
	uint32_t items_max; // cachedump: 0: no limit
	bool full; // cachedump: what was asked for is there
};

static void line_bytes(struct line *l, const void *p, size_t n)
{
	memcpy(l->text + l->len, p, n);
	l->len += (uint32_t)n;
}

static void line_text(struct line *l, const char *text)
{
	line_bytes(l, text, strlen(text));
}

static void line_number(struct line *l, uint64_t v)
{
	l->len += ascii_format_u64(l->text + l->len, v);
}

// RFC 3986 2.3: everything but the unreserved characters as %XX.
static void line_uri(struct line *l, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		uint8_t b = s.p[i], lower = b | 0x20;
		bool plain = (lower >= 'a' && lower <= 'z') || (b >= '0' && b <= '9') || b == '-' ||
			     b == '.' || b == '_' || b == '~';

		if (plain) {
			l->text[l->len++] = b;
			continue;
		}
		l->text[l->len++] = '%';
		l->text[l->len++] = (uint8_t)hex[b >> 4];
		l->text[l->len++] = (uint8_t)hex[b & 15];
	}
}

// "key=k exp=-1 la=1795430793 cas=2 fetch=no cls=1 size=69\n": a bare LF (observed).
static void metadump_item(void *arg, struct slice key, const struct store_ref *ref)
{
	struct dump *d = arg;
	struct line l = {.len = 0};
	struct store_meta meta;

	store_ref_meta(ref, &meta);
	line_text(&l, "key=");
	line_uri(&l, key);
	line_text(&l, " exp=");
	if (ref->exptime)
		line_number(&l, ref->exptime);
	else
		line_text(&l, "-1");
	line_text(&l, " la=");
	line_number(&l, meta.atime_s);
	line_text(&l, " cas=");
	line_number(&l, ref->cas);
	line_text(&l, meta.fetched ? " fetch=yes cls=1 size=" : " fetch=no cls=1 size=");
	line_number(&l, meta.size_bytes);
	line_text(&l, "\n");
	chunkq_append(d->out, l.text, l.len);
}

// "ITEM k [1 b; 0 s]\r\n"
static void cachedump_item(void *arg, struct slice key, const struct store_ref *ref)
{
	struct dump *d = arg;
	struct line l = {.len = 0};

	line_text(&l, "ITEM ");
	line_bytes(&l, key.p, key.len);
	line_text(&l, " [");
	line_number(&l, ref->vlen);
	line_text(&l, " b; ");
	line_number(&l, ref->exptime);
	line_text(&l, " s]\r\n");
	// memcached keeps room for the end and a NUL in its buffer.
	d->full = d->walk->bytes + l.len + sizeof("END\r\n") > CACHEDUMP_BYTES_MAX;
	if (d->full)
		return;
	chunkq_append(d->out, l.text, l.len);
	d->walk->bytes += l.len;
	d->walk->items++;
	d->full = d->walk->items == d->items_max;
}

// One step of a dump, and at its end END.
static enum cmd_status dump_step(struct cmd *c, struct dump *d, store_walk_fn *item, uint32_t limit)
{
	struct cmd_walk *walk = d->walk;

	for (unsigned i = 0; i < DUMP_STEP_CALLS && walk->cursor != CMD_WALK_OVER; i++) {
		if (d->out->len >= limit)
			return CMD_PAUSED;
		if (!chunkq_has_room(d->out, DUMP_LINE_MAX))
			return CMD_BLOCKED;
		walk->cursor = store_walk(c->ctx, walk->cursor, 1, item, d);
		if (walk->cursor == 0 || d->full)
			walk->cursor = CMD_WALK_OVER;
	}
	if (walk->cursor != CMD_WALK_OVER)
		return CMD_YIELD;
	if (!chunkq_append(d->out, "END\r\n", 5))
		return CMD_BLOCKED;
	cmd_walk_end(c, walk);
	return CMD_DONE;
}

static enum cmd_status refuse(struct chunkq *out, const char *line)
{
	cmd_reply_line(out, line, false);
	return CMD_DONE;
}

enum cmd_status cmd_cachedump_run(struct cmd *c, const struct request *req, struct slice class,
	struct slice limit_items, struct chunkq *out, uint32_t limit)
{
	struct dump d = {.walk = req->walk, .out = out};
	uint32_t id;

	if (c->conf.no_dump)
		return refuse(out, "CLIENT_ERROR stats cachedump not allowed");
	if (limit_items.len == 0)
		return refuse(out, "CLIENT_ERROR bad command line");
	if (!ascii_parse_u32(class, &id) || !ascii_parse_u32(limit_items, &d.items_max))
		return refuse(out, "CLIENT_ERROR bad command line format");
	if (id >= CLASS_COUNT)
		return refuse(out, "CLIENT_ERROR Illegal slab id");
	if (!req->walk)
		return refuse(out, CMD_NEEDS_TCP);
	if (id != CLASS_OURS)
		req->walk->cursor = CMD_WALK_OVER;
	return dump_step(c, &d, cachedump_item, limit);
}

// What metadump is asked for: "all", "hash" (the order of the index: here always), or
// numbers of classes with ',' between. NULL, or the line that refuses it.
static const char *classes_parse(struct slice s, bool *ours)
{
	const char *bad = "NOTSTARTED no items to crawl";

	*ours = slice_is(s, "all") || slice_is(s, "hash");
	if (*ours)
		return NULL;
	while (s.len > 0) {
		const uint8_t *comma = memchr(s.p, ',', s.len);
		struct slice word = {s.p, comma ? (size_t)(comma - s.p) : s.len};
		uint32_t id;

		s.p += word.len + (comma != NULL);
		s.len -= word.len + (comma != NULL);
		if (word.len == 0)
			continue;
		if (!ascii_parse_u32(word, &id) || id == 0 || id >= CLASS_COUNT)
			return "BADCLASS invalid class id";
		*ours = *ours || id == CLASS_OURS;
		bad = NULL;
	}
	return bad;
}

enum cmd_status cmd_crawler_run(
	struct cmd *c, struct request *req, struct chunkq *out, uint32_t limit)
{
	struct dump d = {.walk = req->walk, .out = out};
	struct request words = *req;
	struct slice sub, classes;
	const char *bad;
	bool ours;

	request_next_key(&words, &sub);
	request_next_key(&words, &classes);
	// There is no crawler to be stopped: it is as the client wants it.
	if (slice_is(sub, "disable"))
		return refuse(out, "OK");
	if (c->conf.no_dump)
		return refuse(out, "ERROR metadump not allowed");
	bad = classes_parse(classes, &ours);
	if (!bad && !req->walk)
		bad = CMD_NEEDS_TCP;
	if (bad)
		return refuse(out, bad);
	if (!ours)
		req->walk->cursor = CMD_WALK_OVER;
	return dump_step(c, &d, metadump_item, limit);
}
