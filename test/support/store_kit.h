// SPDX-License-Identifier: BSD-3-Clause
// Short ways to drive lib/store in tests: open, set, get, compare, check
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define KIT_NOW 1000000U // the clock at start

struct kit {
	struct store *s;
	struct store_ctx *ctx; // number 0
	uint32_t now_s;
};

// A store with ctx_count threads, of which number 0 is online. Aborts on failure.
void kit_open(struct kit *k, uint64_t mem_bytes, unsigned ctx_count, bool no_evictions);
void kit_open_conf(struct kit *k, const struct store_conf *conf);
void kit_close(struct kit *k);

// Tick n times at the present clock.
void kit_tick(struct kit *k, unsigned n);
// Move the clock on and tick.
void kit_pass(struct kit *k, uint32_t seconds);

uint64_t kit_hash(const struct kit *k, const char *key);

// All three steps of a put with the value's bytes given, on any ctx.
enum store_status kit_put(struct store_ctx *ctx, struct store *s, enum store_mode mode,
	const char *key, size_t nkey, const void *value, uint32_t vlen, uint32_t flags,
	uint32_t exptime, uint64_t cas);

// With ctx 0 and C strings.
enum store_status kit_set(struct kit *k, const char *key, const char *value);
enum store_status kit_set_exp(struct kit *k, const char *key, const char *value, uint32_t exptime);
enum store_status kit_mode(
	struct kit *k, enum store_mode mode, const char *key, const char *value, uint64_t cas);
enum store_status kit_get(struct kit *k, const char *key, struct store_ref *ref);
bool kit_has(struct kit *k, const char *key);
uint64_t kit_cas(struct kit *k, const char *key);
enum store_status kit_delete(struct kit *k, const char *key);

// The whole value copied out piece by piece; true if it equals value.
bool kit_ref_is(const struct store_ref *ref, const void *value, uint32_t vlen);
bool kit_is(struct kit *k, const char *key, const char *value);

// len bytes that depend on seed.
void kit_fill(uint8_t *p, size_t len, uint64_t seed);

uint64_t kit_stat(const struct kit *k, enum store_stat stat);
struct store_usage kit_usage(const struct kit *k);

// store_check, with the broken law printed.
bool kit_check(struct kit *k);

// $SEED or a fixed one; $name or the given number.
uint64_t kit_seed(uint64_t seed);
uint64_t kit_env(const char *name, uint64_t value);
