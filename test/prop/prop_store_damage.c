// SPDX-License-Identifier: BSD-3-Clause
// lib/store: whatever happened to the file, a restart has right items or none, and works
// support: store_kit
//
// Sealed: a store with any damage is refused, or the damage is in bytes that nothing reads.
// Crashed: the mutable bytes of a record have no sum, so an old version may come back and
// an expiry change; key and value are right, and the store is sound.
// SEED=n reruns one seed, RUNS sets the number of seeds.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "support/store_kit.h"

#define MEM (8ULL << 20)
#define KEYS 400
#define HEAD 8192 // of the file: what damages most

static uint8_t big[1 << 20];
static uint64_t seed_now;

struct world {
	struct kit k;
	struct rng r;
	struct store_conf conf;
	uint8_t *mem;
	uint32_t version[KEYS]; // 0: not there
	uint8_t ever[KEYS][32]; // versions that were there once
};

static void broken(const char *what)
{
	fprintf(stderr, "SEED=%llu: %s\n", (unsigned long long)seed_now, what);
	abort();
}

static uint32_t vlen_of(uint32_t i, uint32_t v)
{
	return i % 40 == 0 ? 33000 + i * 900 + v : 10 + i * 3 + v;
}

static void work(struct world *w, unsigned steps, bool note)
{
	char key[16];

	for (unsigned n = 0; n < steps; n++) {
		uint32_t i = rng_below(&w->r, KEYS), v = 1 + rng_below(&w->r, 31);
		enum store_status status;

		snprintf(key, sizeof(key), "key%u", i);
		if (rng_below(&w->r, 6) == 0) {
			kit_delete(&w->k, key);
			v = 0;
		} else {
			status = kit_put(w->k.ctx, w->k.s, STORE_SET, key, strlen(key), big + i + v,
				vlen_of(i, v), v, 0, 0);
			if (status != STORE_OK)
				broken("a set failed");
		}
		if (note) {
			w->version[i] = v;
			w->ever[i][v] = 1;
		}
		kit_tick(&w->k, 1);
	}
}

// Every item is one of ours; of a sealed store, all are the last ones.
static void verify(struct world *w, bool exact)
{
	char key[16];

	for (uint32_t i = 0; i < KEYS; i++) {
		struct store_ref ref;
		bool there;

		snprintf(key, sizeof(key), "key%u", i);
		there = kit_get(&w->k, key, &ref) == STORE_OK;
		if (exact && there != (w->version[i] != 0))
			broken("an item too many or too few");
		if (!there)
			continue;
		if (exact && ref.client_flags != w->version[i])
			broken("another version");
		if (ref.client_flags > 31 || !w->ever[i][ref.client_flags] ||
			!kit_ref_is(&ref, big + i + ref.client_flags, vlen_of(i, ref.client_flags)))
			broken("a value that never was");
	}
}

static void make(struct world *w)
{
	w->mem = aligned_alloc(4096, MEM);
	memset(w->mem, 0, MEM);
	w->conf = (struct store_conf){
		.mem_limit_bytes = MEM,
		.item_size_max = 1 << 20,
		.ctx_count_max = 1,
		.hash_key = {seed_now, 4},
		.now_s = KIT_NOW,
		.mem = w->mem,
		.keep = true,
		.hash_items = 60, // it grows, and has overflow buckets
	};
	kit_open_conf(&w->k, &w->conf);
	work(w, 1500, true);
}

static void damage(struct world *w)
{
	unsigned count = 1 + rng_below(&w->r, 4);
	uint64_t within = rng_below(&w->r, 3) ? MEM : HEAD, at;

	// Sectors that were lost, as by a file that was cut and grew again.
	if (rng_below(&w->r, 6) == 0) {
		at = rng_below(&w->r, (uint32_t)(MEM / 512)) * 512ULL;
		memset(w->mem + at, 0, rng_below(&w->r, 4) ? 512 : MEM - at);
		return;
	}
	while (count--) {
		at = rng_below(&w->r, (uint32_t)within);
		if (rng_below(&w->r, 2))
			w->mem[at] ^= 1U << rng_below(&w->r, 8);
		else
			memset(w->mem + at, (int)rng_below(&w->r, 256),
				1 + rng_below(&w->r, (uint32_t)(MEM - at < 64 ? MEM - at : 64)));
	}
}

static bool run(uint64_t seed, bool sealed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct store_found found;
	const char *why = NULL;
	bool attached;

	seed_now = seed;
	rng_init(&w->r, seed);
	make(w);
	if (sealed) {
		store_ctx_destroy(w->k.ctx);
		store_seal(w->k.s);
	}
	store_destroy(w->k.s);
	damage(w);
	w->k.s = store_attach(&w->conf, &found, &why);
	attached = w->k.s != NULL;
	if (!attached) {
		if (!why || !*why)
			broken("empty without a reason");
		memset(w->mem, 0, MEM);
		kit_open_conf(&w->k, &w->conf);
		work(w, 50, false);
	} else {
		w->k.ctx = store_ctx_create(w->k.s, 0);
		kit_tick(&w->k, 1);
		if (!kit_check(&w->k))
			broken("a broken law");
		verify(w, sealed);
		memset(w->ever, 1, sizeof(w->ever));
		work(w, 600, true);
		verify(w, false);
	}
	if (!kit_check(&w->k))
		broken("a broken law after use");
	kit_close(&w->k);
	free(w->mem);
	free(w);
	return attached;
}

static void runs(bool sealed, unsigned count)
{
	uint64_t first = kit_seed(1), n = getenv("SEED") ? 1 : kit_env("RUNS", count);
	unsigned attached = 0;

	kit_fill(big, sizeof(big), 3);
	for (uint64_t seed = first; seed < first + n; seed++)
		attached += run(seed, sealed);
	// Both happen.
	if (n >= 30) {
		assert_true(attached > 0);
		assert_true(attached < n);
	}
}

static void test_sealed(void **state)
{
	runs(true, 60);
}

static void test_crashed(void **state)
{
	runs(false, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_crashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
