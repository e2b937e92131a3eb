// SPDX-License-Identifier: BSD-3-Clause
// memcached over a byte stream as a client

#include "load/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MIN (64u << 10)

int stream_init(struct stream *s, struct gen *gen, uint32_t depth)
{
	*s = (struct stream){.gen = gen, .depth = depth};
	s->out_size = gen->w->request_max * 2 > OUT_MIN ? gen->w->request_max * 2 : OUT_MIN;
	s->request = calloc(depth, sizeof(*s->request));
	s->key = calloc((size_t)depth * gen->w->multiget, sizeof(*s->key));
	s->out = malloc(s->out_size);
	if (s->request && s->key && s->out)
		return 0;
	stream_free(s);
	return -ENOMEM;
}

void stream_free(struct stream *s)
{
	free(s->request);
	free(s->key);
	free(s->out);
	s->request = NULL;
	s->key = NULL;
	s->out = NULL;
}

bool stream_has_room(const struct stream *s)
{
	return s->count < s->depth &&
	       s->out_size - (s->out_end - s->out_start) >= s->gen->w->request_max;
}

void stream_add(struct stream *s, const struct load_request *req, uint64_t due_ns, uint64_t now_ns)
{
	uint32_t i = (s->head + s->count) % s->depth, len;

	if (s->out_size - s->out_end < s->gen->w->request_max) {
		memmove(s->out, s->out + s->out_start, s->out_end - s->out_start);
		s->out_end -= s->out_start;
		s->out_start = 0;
	}
	len = workload_format(s->gen->w, req, s->out + s->out_end);
	s->out_end += len;
	memcpy(&s->key[(size_t)i * s->gen->w->multiget], req->key,
		req->key_count * sizeof(req->key[0]));
	s->request[i] = (struct stream_request){
		.due_ns = due_ns,
		.sent_ns = now_ns,
		.key_count = req->key_count,
		.op = (uint8_t)req->op,
		.book = (uint8_t)gen_sent(s->gen, req, len, due_ns, now_ns),
	};
	s->count++;
}

void stream_sent(struct stream *s, uint32_t n)
{
	s->out_start += n;
	if (s->out_start == s->out_end)
		s->out_start = s->out_end = 0;
}

// The request at the head of the ring has ended.
static void finish(
	struct stream *s, enum load_outcome outcome, uint16_t keys_found, uint64_t now_ns)
{
	const struct stream_request *r = &s->request[s->head];
	struct gen_end end = {
		.book = r->book,
		.op = r->op,
		.outcome = outcome,
		.key_count = r->key_count,
		.keys_found = keys_found,
		.first_key = s->key[(size_t)s->head * s->gen->w->multiget],
		.due_ns = r->due_ns,
		.sent_ns = r->sent_ns,
	};

	s->head = (s->head + 1) % s->depth;
	s->count--;
	s->replying = false;
	gen_finish(s->gen, &end, now_ns);
}

int stream_input(struct stream *s, const uint8_t *p, size_t len, uint64_t now_ns)
{
	int done = 0;

	while (len > 0) {
		const struct stream_request *r = &s->request[s->head];
		enum reply_status status;
		size_t taken;

		if (s->count == 0)
			return -1;
		if (!s->replying)
			reply_init(&s->reply, s->gen->w, r->op,
				&s->key[(size_t)s->head * s->gen->w->multiget], r->key_count);
		s->replying = true;
		status = reply_feed(&s->reply, p, len, &taken);
		tally_add(s->gen->book[r->book], LOAD_STAT_bytes_received, taken);
		p += taken;
		len -= taken;
		if (status == REPLY_MORE)
			break;
		finish(s, reply_outcome(&s->reply), s->reply.found_count, now_ns);
		done++;
		if (status == REPLY_LOST_SYNC)
			return -1;
	}
	return done;
}

uint64_t stream_oldest_ns(const struct stream *s)
{
	return s->count ? s->request[s->head].sent_ns : LOAD_NEVER_NS;
}

uint32_t stream_abort(struct stream *s, uint64_t now_ns)
{
	uint32_t lost = s->count;

	while (s->count)
		finish(s, LOAD_LOST, 0, now_ns);
	s->out_start = s->out_end = 0;
	return lost;
}
