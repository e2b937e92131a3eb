// SPDX-License-Identifier: BSD-3-Clause
// memcached over a byte stream as a client: pipelined requests, answers in their order
//
// Bytes to send gather in a buffer; whoever has the socket takes them from there and feeds what
// arrives.
//
// Threads: one owner. Memory: at start.
#pragma once

#include "load/gen.h"
#include "load/reply.h"

struct stream_request {
	uint64_t due_ns, sent_ns;
	uint16_t key_count;
	uint8_t op;
	uint8_t book;
};

struct stream {
	struct gen *gen;
	uint32_t depth; // requests in flight at most
	uint32_t head, count; // ring
	struct stream_request *request;
	uint32_t *key; // gen->w->multiget each
	struct reply reply; // of the request at head, when it has begun
	bool replying;
	uint8_t *out;
	uint32_t out_size, out_start, out_end;
};

// 0 or -ENOMEM.
int stream_init(struct stream *s, struct gen *gen, uint32_t depth);
void stream_free(struct stream *s);

// Room for one more request?
bool stream_has_room(const struct stream *s);
// Append a request; there is room.
void stream_add(struct stream *s, const struct load_request *req, uint64_t due_ns, uint64_t now_ns);

// Bytes to send, and how many of them were taken.
static inline uint32_t stream_output(const struct stream *s, const uint8_t **p)
{
	*p = s->out + s->out_start;
	return s->out_end - s->out_start;
}
void stream_sent(struct stream *s, uint32_t n);

// Bytes that arrived. Returns how many requests they finished, or -1: the stream is out of
// step and must be closed (stream_abort). More answers than requests are such a case.
int stream_input(struct stream *s, const uint8_t *p, size_t len, uint64_t now_ns);

// When the oldest request was sent; LOAD_NEVER_NS: none is in flight.
uint64_t stream_oldest_ns(const struct stream *s);

// The connection is gone: all that is in flight is lost. Returns how many.
uint32_t stream_abort(struct stream *s, uint64_t now_ns);
