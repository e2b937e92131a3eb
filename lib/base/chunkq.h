// SPDX-License-Identifier: BSD-3-Clause
// Byte queue made of pooled chunks: where replies are written and TCP sends from
//
// A reply is written once, at the tail; TCP reads it with a cursor (again from
// the front to retransmit) and drops it from the front when it is acknowledged.
//
//   front                    cursor                 tail
//   |--- sent, unacked ------|--- not yet sent ------|--- room ---|
//
// Large bytes that stay in place elsewhere are not copied: chunkq_append_ref takes over
// a struct extref. A chunk begins with at most one, and has room for bytes behind it:
//
//   position   start                 ext                   end
//   bytes      |--- at ref.p --------|--- in data[] -------|--- room ---|
//
// It is released as soon as its last byte is dropped, or cleared, truncated or copied.
//
// Threads: one owner. Memory: chunks of CHUNK_SIZE bytes from a struct pool that
// many queues share; an empty queue holds none. Writing never half-succeeds:
// when the pool cannot give what is needed, nothing is written.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/extref.h"
#include "base/pool.h"

#define CHUNK_SIZE 2048

struct chunk {
	struct chunk *next;
	uint32_t start; // first byte still in the queue
	uint32_t end; // first byte of room
	uint32_t ext; // bytes before it are those of the struct extref in data[]; 0: none
	uint32_t shift; // the byte at position pos >= ext is data[pos - shift], modulo 2^32
	uint8_t data[];
};

#define CHUNK_ROOM (CHUNK_SIZE - sizeof(struct chunk))

struct chunkq {
	struct chunk *head, *tail;
	struct chunk *rd; // chunk the cursor is in; NULL: at the front
	uint32_t rd_off; // offset in rd->data
	uint32_t len; // bytes in the queue
	uint32_t ref_min; // for who writes: append pieces from this length by reference; 0: none
	uint32_t ref_count; // references in the queue
	struct pool *pool;
};

// A pool of chunks for chunkq_init. Returns 0 or -ENOMEM.
int chunkq_pool_init(struct pool *pool, uint32_t chunk_count);

void chunkq_init(struct chunkq *q, struct pool *pool);

// Free everything but ref_min; the queue is empty and usable afterwards.
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

// Append the bytes of x (at least one), which the queue releases later. Takes one chunk, and
// never the room behind what is queued. False: no chunk, x stays the caller's.
bool chunkq_append_ref(struct chunkq *q, const struct extref *x);

// Copy what is left of all references into chunks and release them; the bytes queued, and
// the cursor, stay the same. False: the pool was too empty, and some are left.
bool chunkq_copy_refs(struct chunkq *q);

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
