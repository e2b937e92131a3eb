// SPDX-License-Identifier: BSD-3-Clause
// Short ways to drive lib/store in tests

#include "support/store_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"

void kit_open_conf(struct kit *k, const struct store_conf *conf)
{
	const char *err;

	k->s = store_create(conf, &err);
	if (!k->s)
		fprintf(stderr, "store_create: %s\n", err);
	CHECK(k->s);
	k->ctx = store_ctx_create(k->s, 0);
	k->now_s = conf->now_s;
}

void kit_open(struct kit *k, uint64_t mem_bytes, unsigned ctx_count, bool no_evictions)
{
	struct store_conf conf = {
		.mem_limit_bytes = mem_bytes,
		.item_size_max = 1 << 20,
		.no_evictions = no_evictions,
		.ctx_count_max = ctx_count,
		.hash_key = {1, 2},
		.now_s = KIT_NOW,
	};

	kit_open_conf(k, &conf);
}

void kit_close(struct kit *k)
{
	store_ctx_destroy(k->ctx);
	store_destroy(k->s);
}

void kit_tick(struct kit *k, unsigned n)
{
	while (n--)
		store_tick(k->ctx, k->now_s);
}

void kit_pass(struct kit *k, uint32_t seconds)
{
	k->now_s += seconds;
	kit_tick(k, 1);
}

uint64_t kit_hash(const struct kit *k, const char *key)
{
	return store_hash(k->s, (const uint8_t *)key, strlen(key));
}

enum store_status kit_put(struct store_ctx *ctx, struct store *s, enum store_mode mode,
	const char *key, size_t nkey, const void *value, uint32_t vlen, uint32_t flags,
	uint32_t exptime, uint64_t cas)
{
	const uint8_t *kp = (const uint8_t *)key;
	struct store_put put;
	enum store_status status;
	uint8_t *room;
	size_t len;

	status =
		store_put_begin(ctx, &put, kp, nkey, store_hash(s, kp, nkey), flags, exptime, vlen);
	if (status != STORE_OK)
		return status;
	while (store_put_room(ctx, &put, &room, &len)) {
		memcpy(room, (const uint8_t *)value + put.written, len);
		store_put_wrote(&put, len);
	}
	if (put.written < vlen) {
		store_put_abort(ctx, &put);
		return STORE_NO_MEMORY;
	}
	return store_put_commit(ctx, &put, mode, cas);
}

enum store_status kit_set_exp(struct kit *k, const char *key, const char *value, uint32_t exptime)
{
	return kit_put(k->ctx, k->s, STORE_SET, key, strlen(key), value, (uint32_t)strlen(value), 0,
		exptime, 0);
}

enum store_status kit_set(struct kit *k, const char *key, const char *value)
{
	return kit_set_exp(k, key, value, 0);
}

enum store_status kit_mode(
	struct kit *k, enum store_mode mode, const char *key, const char *value, uint64_t cas)
{
	return kit_put(
		k->ctx, k->s, mode, key, strlen(key), value, (uint32_t)strlen(value), 0, 0, cas);
}

enum store_status kit_get(struct kit *k, const char *key, struct store_ref *ref)
{
	return store_get(k->ctx, (const uint8_t *)key, strlen(key), kit_hash(k, key), ref);
}

bool kit_has(struct kit *k, const char *key)
{
	struct store_ref ref;

	return kit_get(k, key, &ref) == STORE_OK;
}

uint64_t kit_cas(struct kit *k, const char *key)
{
	struct store_ref ref;

	CHECK(kit_get(k, key, &ref) == STORE_OK);
	return ref.cas;
}

enum store_status kit_delete(struct kit *k, const char *key)
{
	return store_delete(k->ctx, (const uint8_t *)key, strlen(key), kit_hash(k, key));
}

bool kit_ref_is(const struct store_ref *ref, const void *value, uint32_t vlen)
{
	const uint8_t *want = value;
	struct slice piece;

	if (ref->vlen != vlen)
		return false;
	if (ref->value && memcmp(ref->value + vlen, "\r\n", 2) != 0)
		return false;
	for (uint32_t off = 0; off < vlen; off += (uint32_t)piece.len) {
		store_ref_piece(ref, off, &piece);
		if (piece.len == 0 || piece.len > vlen - off ||
			memcmp(piece.p, want + off, piece.len) != 0)
			return false;
	}
	return true;
}

bool kit_is(struct kit *k, const char *key, const char *value)
{
	struct store_ref ref;

	return kit_get(k, key, &ref) == STORE_OK &&
	       kit_ref_is(&ref, value, (uint32_t)strlen(value));
}

void kit_fill(uint8_t *p, size_t len, uint64_t seed)
{
	struct rng r;

	rng_init(&r, seed);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = rng_next(&r);

		memcpy(p + i, &v, len - i < 8 ? len - i : 8);
	}
}

uint64_t kit_stat(const struct kit *k, enum store_stat stat)
{
	return stat_read(&store_ctx_stats(k->ctx)[stat]);
}

struct store_usage kit_usage(const struct kit *k)
{
	struct store_usage u;

	store_usage(k->s, &u);
	return u;
}

bool kit_check(struct kit *k)
{
	const char *what;
	bool ok = store_check(k->s, &what);

	if (!ok)
		fprintf(stderr, "store_check: broken law: %s\n", what);
	return ok;
}

uint64_t kit_env(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : value;
}

uint64_t kit_seed(uint64_t seed)
{
	return kit_env("SEED", seed);
}
