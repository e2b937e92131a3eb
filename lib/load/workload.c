// SPDX-License-Identifier: BSD-3-Clause
// Requests drawn at random and written as bytes; values that check themselves

#include "load/workload.h"

#include <string.h>

#include "load/mix.h"

void workload_finish(struct workload *w)
{
	uint32_t get = 3 + w->multiget * (1 + w->keys.longest) + 2;
	uint32_t set = WORKLOAD_SET_OVERHEAD + w->values.largest;

	w->request_max = get > set ? get : set;
	w->reply_max = w->multiget * (WORKLOAD_VALUE_OVERHEAD + w->values.largest) + 5;
}

void workload_cursor_init(
	struct workload_cursor *c, const struct workload *w, uint32_t idx, uint32_t count)
{
	rng_init(&c->rng, mix64(w->dist.conf.seed * 3 + idx));
	dist_cursor_init(&c->keys, &w->dist, idx, count);
	// Threads number their versions apart from each other.
	c->version = idx << 24;
}

void workload_next(const struct workload *w, struct workload_cursor *c, struct load_request *req)
{
	if (w->set_share > 0 && rng_unit(&c->rng) < w->set_share) {
		req->op = LOAD_SET;
		req->key_count = 1;
		req->version = ++c->version;
	} else {
		req->op = LOAD_GET;
		req->key_count = w->multiget;
	}
	for (unsigned i = 0; i < req->key_count; i++)
		req->key[i] = dist_next(&w->dist, &c->keys);
}

uint32_t workload_value_len(const struct workload *w, uint32_t key)
{
	return sizes_pick(&w->values, mix64(key));
}

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
	uint8_t digit[10];
	unsigned n = 0;

	do {
		digit[n++] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digit[--n];
	return p;
}

static uint8_t *put(uint8_t *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

uint32_t workload_format(const struct workload *w, const struct load_request *req, uint8_t *dst)
{
	uint8_t *p = put(dst, req->op == LOAD_SET ? "set" : "get", 3);
	uint32_t len;

	for (unsigned i = 0; i < req->key_count; i++) {
		*p++ = ' ';
		p += keyspace_format(&w->keys, req->key[i], p);
	}
	if (req->op == LOAD_SET) {
		len = workload_value_len(w, req->key[0]);
		*p++ = ' ';
		p = put_u32(p, req->version);
		p = put(p, " 0 ", 3);
		p = put_u32(p, len);
		p = put(p, "\r\n", 2);
		value_fill(p, req->key[0], req->version, 0, len);
		p += len;
	}
	p = put(p, "\r\n", 2);
	return (uint32_t)(p - dst);
}

// A value is a row of 64-bit words, little-endian.
static uint64_t value_word(uint64_t seed, uint32_t i)
{
	return mix64(seed + i);
}

static uint64_t value_seed(uint32_t key, uint32_t version)
{
	return mix64((uint64_t)key << 32 | version);
}

void value_fill(uint8_t *dst, uint32_t key, uint32_t version, uint32_t off, uint32_t len)
{
	uint64_t seed = value_seed(key, version);

	while (len > 0) {
		uint64_t word = value_word(seed, off / 8);
		uint32_t skip = off % 8, n = 8 - skip < len ? 8 - skip : len;

		memcpy(dst, (uint8_t *)&word + skip, n);
		dst += n;
		off += n;
		len -= n;
	}
}

bool value_is(const uint8_t *p, uint32_t key, uint32_t version, uint32_t off, uint32_t len)
{
	uint64_t seed = value_seed(key, version), differs = 0;

	while (len > 0) {
		uint64_t word = value_word(seed, off / 8), got = word;
		uint32_t skip = off % 8, n = 8 - skip < len ? 8 - skip : len;

		memcpy((uint8_t *)&got + skip, p, n);
		differs |= got ^ word;
		p += n;
		off += n;
		len -= n;
	}
	return differs == 0;
}
