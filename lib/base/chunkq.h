// SPDX-License-Identifier: BSD-3-Clause
// Byte queue made of pooled chunks: where replies are written and TCP sends from
//
// A reply is written once, at the tail; TCP reads it with a cursor (again from
// the front to retransmit) and drops it from the front when it is acknowledged.
//
//   front                    cursor                 tail
//   |--- sent, unacked ------|--- not yet sent ------|--- room ---|
//
// Threads: one owner. Memory: chunks of CHUNK_SIZE bytes from a struct pool that
// many queues share; an empty queue holds none. Writing never half-succeeds:
// when the pool cannot give what is needed, nothing is written.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define CHUNK_SIZE 2048

struct chunk {
	struct chunk *next;
	uint32_t start; // first byte still in the queue
	uint32_t end; // first byte of room
	uint8_t data[];
};

#define CHUNK_ROOM (CHUNK_SIZE - sizeof(struct chunk))

struct chunkq {
	struct chunk *head, *tail;
	struct chunk *rd; // chunk the cursor is in; NULL: at the front
	uint32_t rd_off; // offset in rd->data
	uint32_t len; // bytes in the queue
	struct pool *pool;
};

// A pool of chunks for chunkq_init. Returns 0 or -ENOMEM.
int chunkq_pool_init(struct pool *pool, uint32_t chunk_count);

void chunkq_init(struct chunkq *q, struct pool *pool);

// Free everything; the queue is empty and usable afterwards.
void chunkq_clear(struct chunkq *q);

// Room for want contiguous bytes (want <= CHUNK_ROOM) at the tail, or NULL when
// the pool is empty. Nothing is in the queue until chunkq_commit(n <= want).
uint8_t *chunkq_reserve(struct chunkq *q, uint32_t want);

static inline void chunkq_commit(struct chunkq *q, uint32_t n)
{
	q->tail->end += n;
	q->len += n;
}

// True if len more bytes can be written for certain.
bool chunkq_has_room(const struct chunkq *q, size_t len);

// Append all len bytes, or nothing and false.
bool chunkq_append(struct chunkq *q, const void *p, size_t len);

// Drop n <= len bytes from the front.
void chunkq_drop(struct chunkq *q, uint32_t n);

// Cut the queue back to its first len bytes (undo of appends; cursor not past it).
void chunkq_truncate(struct chunkq *q, uint32_t len);

// Put the cursor off bytes behind the front.
void chunkq_seek(struct chunkq *q, uint32_t off);

// Copy up to n bytes from the cursor and move it; returns how many.
uint32_t chunkq_read(struct chunkq *q, uint8_t *dst, uint32_t n);

// Contiguous bytes at the front, without taking them (tests, tracing).
const uint8_t *chunkq_front(const struct chunkq *q, uint32_t *len);
