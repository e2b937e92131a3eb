// SPDX-License-Identifier: BSD-3-Clause
// A naive store to compare lib/store with

#include "support/model_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void entry_free(struct model_entry *e)
{
	free(e->value);
	free(e);
}

static bool is_expired(const struct model *m, const struct model_entry *e)
{
	return e->exptime != 0 && e->exptime <= m->now_s;
}

static void drop_all(struct model *m)
{
	while (m->list) {
		struct model_entry *e = m->list;

		m->list = e->next;
		entry_free(e);
	}
}

void model_fini(struct model *m)
{
	drop_all(m);
}

void model_clock(struct model *m, uint32_t now_s)
{
	m->now_s = now_s;
	if (m->flush_at_s && m->flush_at_s <= now_s) {
		drop_all(m);
		m->flush_at_s = 0;
	}
}

void model_flush(struct model *m, uint32_t at_s)
{
	if (at_s > m->now_s) {
		m->flush_at_s = at_s;
		return;
	}
	m->flush_at_s = 0;
	drop_all(m);
}

void model_delete(struct model *m, const char *key)
{
	for (struct model_entry **p = &m->list; *p; p = &(*p)->next) {
		struct model_entry *e = *p;

		if (strcmp(e->key, key) == 0) {
			*p = e->next;
			entry_free(e);
			return;
		}
	}
}

struct model_entry *model_find(struct model *m, const char *key)
{
	for (struct model_entry *e = m->list; e; e = e->next) {
		if (strcmp(e->key, key) != 0)
			continue;
		if (!is_expired(m, e))
			return e;
		model_delete(m, key);
		return NULL;
	}
	return NULL;
}

bool model_agree(struct model *m, const char *key, bool present, uint64_t evictions)
{
	struct model_entry *e = model_find(m, key);

	if (present)
		return e != NULL;
	if (!e)
		return true;
	model_delete(m, key);
	return ++m->evictions_seen <= evictions;
}

static void entry_value(struct model_entry *e, const uint8_t *value, uint32_t vlen)
{
	uint8_t *copy = malloc(vlen + 1);

	memcpy(copy, value, vlen);
	free(e->value);
	e->value = copy;
	e->vlen = vlen;
	if (e->cas)
		e->cas_floor = e->cas;
	e->cas = 0;
}

void model_set(struct model *m, const char *key, const uint8_t *value, uint32_t vlen,
	uint32_t flags, uint32_t exptime)
{
	struct model_entry *e = model_find(m, key);

	if (!e) {
		e = calloc(1, sizeof(*e));
		snprintf(e->key, sizeof(e->key), "%s", key);
		e->next = m->list;
		m->list = e;
	}
	e->flags = flags;
	e->exptime = exptime;
	entry_value(e, value, vlen);
}

void model_join(struct model_entry *e, const uint8_t *value, uint32_t vlen, bool append)
{
	uint8_t *joined = malloc((size_t)e->vlen + vlen + 1);

	memcpy(joined + (append ? 0 : vlen), e->value, e->vlen);
	memcpy(joined + (append ? e->vlen : 0), value, vlen);
	entry_value(e, joined, e->vlen + vlen);
	free(joined);
}

bool model_delta(struct model_entry *e, bool down, uint64_t delta, uint64_t *value)
{
	char text[1100], *end;
	unsigned long long v;
	size_t len;

	if (e->vlen == 0 || e->vlen > 1024)
		return false;
	memcpy(text, e->value, e->vlen);
	text[e->vlen] = 0;
	if (text[strspn(text, " \t\n\v\f\r")] == '-')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text)
		return false;
	// Only the end of the value or a space may follow, not a NUL inside.
	if (end != text + e->vlen && (*end == 0 || !strchr(" \t\n\v\f\r", *end)))
		return false;
	if (down)
		v = delta > v ? 0 : v - delta;
	else
		v += delta;
	*value = v;
	len = (size_t)snprintf(text, sizeof(text), "%llu", v);
	for (; len < e->vlen; len++)
		text[len] = ' ';
	entry_value(e, (uint8_t *)text, (uint32_t)len);
	return true;
}

bool model_matches(struct model_entry *e, const struct store_ref *ref, const char **what)
{
	struct slice piece;

	*what = "length";
	if (ref->vlen != e->vlen)
		return false;
	*what = "flags";
	if (ref->client_flags != e->flags)
		return false;
	*what = "exptime";
	if (ref->exptime != e->exptime)
		return false;
	*what = "value";
	for (uint32_t off = 0; off < e->vlen; off += (uint32_t)piece.len) {
		store_ref_piece(ref, off, &piece);
		if (piece.len == 0 || memcmp(piece.p, e->value + off, piece.len) != 0)
			return false;
	}
	*what = "CRLF";
	if (ref->value && memcmp(ref->value + ref->vlen, "\r\n", 2) != 0)
		return false;
	*what = "cas";
	if (e->cas ? ref->cas != e->cas : ref->cas <= e->cas_floor)
		return false;
	e->cas = ref->cas;
	return true;
}

unsigned model_count(const struct model *m)
{
	unsigned n = 0;

	for (const struct model_entry *e = m->list; e; e = e->next)
		n += !is_expired(m, e);
	return n;
}
