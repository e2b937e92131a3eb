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

void chunkq_clear(struct chunkq *q)
{
	while (q->head) {
		struct chunk *c = q->head;

		q->head = c->next;
		pool_put(q->pool, c);
	}
	chunkq_init(q, q->pool);
}

static struct chunk *chunkq_grow(struct chunkq *q)
{
	struct chunk *c = pool_get(q->pool);

	if (!c)
		return NULL;
	c->next = NULL;
	c->start = c->end = 0;
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
	if (!c || CHUNK_ROOM - c->end < want) {
		c = chunkq_grow(q);
		if (!c)
			return NULL;
	}
	return c->data + c->end;
}

bool chunkq_has_room(const struct chunkq *q, size_t len)
{
	size_t room = q->tail ? CHUNK_ROOM - q->tail->end : 0;

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

		if (!c || c->end == CHUNK_ROOM)
			c = chunkq_grow(q);
		n = (uint32_t)(CHUNK_ROOM - c->end);
		if (n > len)
			n = (uint32_t)len;
		memcpy(c->data + c->end, src, n);
		chunkq_commit(q, n);
		src += n;
		len -= n;
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
			return;
		}
		n -= have;
		// An empty tail chunk goes too: an idle queue holds no memory.
		q->head = c->next;
		if (!q->head)
			q->tail = NULL;
		if (q->rd == c)
			q->rd = NULL;
		pool_put(q->pool, c);
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
		pool_put(q->pool, c);
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
		uint32_t have = c->end - q->rd_off;

		if (have > n - done)
			have = n - done;
		memcpy(dst + done, c->data + q->rd_off, have);
		q->rd_off += have;
		done += have;
		if (done == n || !c->next)
			break;
		q->rd = c->next;
		q->rd_off = q->rd->start;
	}
	return done;
}

const uint8_t *chunkq_front(const struct chunkq *q, uint32_t *len)
{
	*len = q->head ? q->head->end - q->head->start : 0;
	return q->head ? q->head->data + q->head->start : NULL;
}
