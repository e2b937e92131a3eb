// SPDX-License-Identifier: BSD-3-Clause
// Byte queue made of pooled chunks: where replies are written and TCP sends from

#include "base/chunkq.h"

#include <string.h>

#include "base/check.h"

#include "base/hotpath.h"

int chunkq_pool_init(struct pool *pool, uint32_t chunk_count)
{
	return pool_init(pool, CHUNK_SIZE, chunk_count, 64);
}

void chunkq_init(struct chunkq *q, struct pool *pool)
{
	*q = (struct chunkq){.pool = pool};
}

static const struct extref *chunk_ref(const struct chunk *c)
{
	return (const struct extref *)c->data;
}

static void chunk_release(struct chunkq *q, struct chunk *c)
{
	extref_release(chunk_ref(c));
	c->ext = 0;
	q->ref_count--;
}

static void chunk_free(struct chunkq *q, struct chunk *c)
{
	if (unlikely_(c->ext))
		chunk_release(q, c);
	pool_put(q->pool, c);
}

static uint32_t chunk_room(const struct chunk *c)
{
	return CHUNK_ROOM - (c->end - c->shift);
}

// The contiguous bytes from position pos on; *len is 0 only at the end.
static const uint8_t *chunk_piece(const struct chunk *c, uint32_t pos, uint32_t *len)
{
	if (unlikely_(pos < c->ext)) {
		*len = c->ext - pos;
		return chunk_ref(c)->p + pos;
	}
	*len = c->end - pos;
	return c->data + (uint32_t)(pos - c->shift);
}

void chunkq_clear(struct chunkq *q)
{
	while (q->head) {
		struct chunk *c = q->head;

		q->head = c->next;
		chunk_free(q, c);
	}
	DCHECK(q->ref_count == 0);
	*q = (struct chunkq){.pool = q->pool, .ref_min = q->ref_min};
}

static struct chunk *chunkq_grow(struct chunkq *q)
{
	struct chunk *c = pool_get(q->pool);

	if (!c)
		return NULL;
	c->next = NULL;
	c->start = c->end = 0;
	c->ext = c->shift = 0;
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
	return c;
}

uint8_t *chunkq_reserve(struct chunkq *q, uint32_t want)
{
	struct chunk *c = q->tail;

	DCHECK(want <= CHUNK_ROOM);
	if (!c || chunk_room(c) < want) {
		c = chunkq_grow(q);
		if (!c)
			return NULL;
	}
	return c->data + (uint32_t)(c->end - c->shift);
}

bool chunkq_has_room(const struct chunkq *q, size_t len)
{
	size_t room = q->tail ? chunk_room(q->tail) : 0;

	return len <= room ||
	       (len - room + CHUNK_ROOM - 1) / CHUNK_ROOM <= pool_free_count(q->pool);
}

bool chunkq_append(struct chunkq *q, const void *p, size_t len)
{
	const uint8_t *src = p;

	if (!chunkq_has_room(q, len))
		return false;
	while (len > 0) {
		struct chunk *c = q->tail;
		uint32_t n;

		if (!c || chunk_room(c) == 0)
			c = chunkq_grow(q);
		n = chunk_room(c);
		if (n > len)
			n = (uint32_t)len;
		memcpy(c->data + (uint32_t)(c->end - c->shift), src, n);
		chunkq_commit(q, n);
		src += n;
		len -= n;
	}
	return true;
}

bool chunkq_append_ref(struct chunkq *q, const struct extref *x)
{
	struct chunk *c = chunkq_grow(q);

	DCHECK(x->len > 0);
	if (!c)
		return false;
	memcpy(c->data, x, sizeof(*x));
	c->ext = c->end = x->len;
	c->shift = x->len - (uint32_t)sizeof(*x);
	q->len += x->len;
	q->ref_count++;
	return true;
}

// Put chunks with a copy of the reference's bytes before c, at *link.
static bool chunk_copy_ref(struct chunkq *q, struct chunk **link, struct chunk *c)
{
	uint32_t left = c->ext - c->start;

	if ((left + CHUNK_ROOM - 1) / CHUNK_ROOM > pool_free_count(q->pool))
		return false;
	for (uint32_t pos = c->start, n; pos < c->ext; pos += n) {
		struct chunk *d = pool_get(q->pool);

		n = c->ext - pos;
		if (n > CHUNK_ROOM)
			n = CHUNK_ROOM;
		*d = (struct chunk){.next = c, .end = n};
		memcpy(d->data, chunk_ref(c)->p + pos, n);
		if (q->rd == c && q->rd_off >= pos && q->rd_off < pos + n) {
			q->rd = d;
			q->rd_off -= pos;
		}
		*link = d;
		link = &d->next;
	}
	c->start = c->ext;
	chunk_release(q, c);
	return true;
}

bool chunkq_copy_refs(struct chunkq *q)
{
	for (struct chunk **link = &q->head, *c = q->head; c && q->ref_count > 0; c = c->next) {
		if (c->ext && !chunk_copy_ref(q, link, c))
			return false;
		link = &c->next;
	}
	return true;
}

void chunkq_drop(struct chunkq *q, uint32_t n)
{
	DCHECK(n <= q->len);
	q->len -= n;
	while (q->head) {
		struct chunk *c = q->head;
		uint32_t have = c->end - c->start;

		if (n < have) {
			c->start += n;
			if (q->rd == c && q->rd_off < c->start)
				q->rd_off = c->start;
			if (unlikely_(c->ext) && c->start >= c->ext)
				chunk_release(q, c);
			return;
		}
		n -= have;
		// An empty tail chunk goes too: an idle queue holds no memory.
		q->head = c->next;
		if (!q->head)
			q->tail = NULL;
		if (q->rd == c)
			q->rd = NULL;
		chunk_free(q, c);
	}
	DCHECK(n == 0);
}

void chunkq_truncate(struct chunkq *q, uint32_t len)
{
	struct chunk *c = q->head, *next;

	DCHECK(len <= q->len);
	if (len == 0) {
		chunkq_clear(q);
		return;
	}
	q->len = len;
	while (len > c->end - c->start) {
		len -= c->end - c->start;
		c = c->next;
	}
	c->end = c->start + len;
	if (c->ext > c->end) {
		c->ext = c->end;
		c->shift = c->end - (uint32_t)sizeof(struct extref);
	}
	q->tail = c;
	DCHECK(q->rd != c || q->rd_off <= c->end);
	next = c->next;
	c->next = NULL;
	while (next) {
		c = next;
		next = c->next;
		if (q->rd == c) {
			// The cursor is at the cut, and stood at the start of the next chunk.
			DCHECK(q->rd_off == c->start);
			q->rd = q->tail;
			q->rd_off = q->tail->end;
		}
		chunk_free(q, c);
	}
}

void chunkq_seek(struct chunkq *q, uint32_t off)
{
	struct chunk *c = q->head;

	DCHECK(off <= q->len);
	while (c && off >= c->end - c->start && c->next) {
		off -= c->end - c->start;
		c = c->next;
	}
	q->rd = c;
	q->rd_off = c ? c->start + off : 0;
}

uint32_t chunkq_read(struct chunkq *q, uint8_t *dst, uint32_t n)
{
	uint32_t done = 0;

	if (!q->rd)
		chunkq_seek(q, 0);
	while (done < n && q->rd) {
		struct chunk *c = q->rd;
		uint32_t have;
		const uint8_t *p = chunk_piece(c, q->rd_off, &have);

		if (have > n - done)
			have = n - done;
		memcpy(dst + done, p, have);
		q->rd_off += have;
		done += have;
		if (q->rd_off < c->end)
			continue;
		if (done == n || !c->next)
			break;
		q->rd = c->next;
		q->rd_off = q->rd->start;
	}
	return done;
}

const uint8_t *chunkq_front(const struct chunkq *q, uint32_t *len)
{
	*len = 0;
	return q->head ? chunk_piece(q->head, q->head->start, len) : NULL;
}
