// SPDX-License-Identifier: BSD-3-Clause
// lib/store: kill -9 at any instruction loses nothing that was answered, and undoes nothing
// support: store_kit
//
// A child with two threads works on a store in shared memory, and notes for each key what
// it is about to do and what it has done. It is killed, the parent attaches and compares:
// a key has the version that was done last, or the one that was about to be. Without
// evictions nothing else can explain a miss; with them a miss is no error, but an old
// version is. SEED=n reruns one seed (as far as a kill can be rerun), RUNS sets how many.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "support/store_kit.h"

#define MEM (8ULL << 20)
#define THREADS 2
#define KEYS 600 // per thread

// In memory shared with the child. A version is odd where its operation was a delete.
struct note {
	_Atomic uint32_t begun, done;
};

struct world {
	struct note note[THREADS][KEYS];
	_Atomic bool ready;
};

struct worker {
	struct store *s;
	struct world *w;
	unsigned idx;
	uint64_t seed;
	bool hot;
};

static uint8_t *big;

static void broken(uint64_t seed, unsigned t, unsigned i, const char *what)
{
	fprintf(stderr, "SEED=%llu key %u-%u: %s\n", (unsigned long long)seed, t, i, what);
	abort();
}

static uint32_t vlen_of(unsigned i, uint32_t v)
{
	return i % 100 == 0 ? 33000 + v % 60000 : i % 10 == 0 ? 2000 + v % 500 : 1 + v % 400;
}

static int key_of(char key[32], unsigned t, unsigned i)
{
	return snprintf(key, 32, "%u-%u", t, i);
}

static void operate(struct worker *o, struct store_ctx *ctx, struct rng *r)
{
	// Few keys at a time: the same ones are replaced and deleted again and again.
	unsigned i = o->hot ? rng_below(r, 8) * 10 : rng_below(r, KEYS);
	struct note *note = &o->w->note[o->idx][i];
	uint32_t v = (atomic_load_explicit(&note->done, memory_order_relaxed) | 1) + 1;
	char key[32];
	size_t nkey = (size_t)key_of(key, o->idx, i);
	uint64_t hash = store_hash(o->s, (const uint8_t *)key, nkey);
	bool stored = true;

	if (rng_below(r, 4) == 0)
		v |= 1;
	atomic_store_explicit(&note->begun, v, memory_order_release);
	if (v & 1)
		store_delete(ctx, (const uint8_t *)key, nkey, hash);
	else
		stored = kit_put(ctx, o->s, STORE_SET, key, nkey, big + i + v % 1000, vlen_of(i, v),
				 v, 0, 0) == STORE_OK;
	if (stored)
		atomic_store_explicit(&note->done, v, memory_order_release);
	else
		atomic_store_explicit(&note->begun,
			atomic_load_explicit(&note->done, memory_order_relaxed),
			memory_order_release);
}

// Reads of the other's keys and touches: bits of records change from both sides.
static void look(struct worker *o, struct store_ctx *ctx, struct rng *r)
{
	char key[32];
	size_t nkey = (size_t)key_of(key, rng_below(r, THREADS), rng_below(r, KEYS));
	struct store_ref ref;
	uint64_t hash = store_hash(o->s, (const uint8_t *)key, nkey);

	if (rng_below(r, 4))
		store_get(ctx, (const uint8_t *)key, nkey, hash, &ref);
	else
		store_touch(ctx, (const uint8_t *)key, nkey, hash, 0, &ref);
}

static void *work(void *arg)
{
	struct worker *o = arg;
	struct store_ctx *ctx = store_ctx_create(o->s, o->idx);
	struct rng r;

	rng_init(&r, o->seed * THREADS + o->idx);
	for (unsigned n = 0;; n++) {
		operate(o, ctx, &r);
		look(o, ctx, &r);
		store_tick(ctx, KIT_NOW);
		if (n == 200)
			atomic_store(&o->w->ready, true);
	}
	return NULL;
}

static void child(struct world *w, const struct store_conf *conf, uint64_t seed)
{
	struct worker o[THREADS];
	struct store_found found;
	const char *why;
	struct store *s = store_attach(conf, &found, &why);
	pthread_t tid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!s)
		s = store_create(conf, &why);
	for (unsigned i = 0; i < THREADS && s; i++) {
		o[i] = (struct worker){s, w, i, seed, seed % 3 == 0};
		pthread_create(&tid, NULL, work, &o[i]);
	}
	for (;;)
		pause();
}

static void verify(struct world *w, struct kit *k, uint64_t seed, bool no_evictions)
{
	for (unsigned t = 0; t < THREADS; t++) {
		for (unsigned i = 0; i < KEYS; i++) {
			struct note *note = &w->note[t][i];
			uint32_t done = atomic_load(&note->done), begun = atomic_load(&note->begun);
			struct store_ref ref;
			char key[32];
			uint32_t v;

			key_of(key, t, i);
			if (kit_get(k, key, &ref) != STORE_OK) {
				bool deleted = (done & 1) || done == 0 || (begun & 1);

				if (no_evictions && !deleted)
					broken(seed, t, i, "an item is lost");
				// The next child goes on from here.
				v = begun | 1;
			} else {
				v = ref.client_flags;
				if (v != done && v != begun)
					broken(seed, t, i, "an old version is back");
				if (v & 1)
					broken(seed, t, i, "a version that never was");
				if (!kit_ref_is(&ref, big + i + v % 1000, vlen_of(i, v)))
					broken(seed, t, i, "another value");
			}
			atomic_store(&note->done, v);
			atomic_store(&note->begun, v);
		}
	}
}

static void one_life(struct world *w, struct store_conf *conf, uint64_t seed, struct rng *r)
{
	struct store_found found;
	struct kit k = {.now_s = KIT_NOW};
	const char *why = NULL;
	pid_t pid;

	atomic_store(&w->ready, false);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(w, conf, seed);
	for (unsigned n = 0; n < 20000 && !atomic_load(&w->ready); n++)
		usleep(500);
	assert_true(atomic_load(&w->ready));
	usleep(rng_below(r, 8000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	k.s = store_attach(conf, &found, &why);
	if (!k.s)
		fail_msg("SEED=%llu starts empty: %s", (unsigned long long)seed, why);
	assert_true(found.crashed);
	k.ctx = store_ctx_create(k.s, 0);
	if (!kit_check(&k))
		broken(seed, 0, 0, "a broken law");
	verify(w, &k, seed, conf->no_evictions);
	// Half of the lives begin sealed.
	store_ctx_destroy(k.ctx);
	if (seed & 1)
		store_seal(k.s);
	store_destroy(k.s);
}

static void lives(bool no_evictions)
{
	uint64_t first = kit_seed(1), n = getenv("SEED") ? 1 : kit_env("RUNS", 12);
	int flags = MAP_SHARED | MAP_ANONYMOUS;
	void *mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, flags, -1, 0);
	struct world *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, flags, -1, 0);
	struct store_conf conf = {
		.mem_limit_bytes = MEM,
		.item_size_max = 1 << 20,
		.ctx_count_max = THREADS,
		.hash_key = {first, 5},
		.now_s = KIT_NOW,
		.no_evictions = no_evictions,
		.hash_items = no_evictions ? 0 : 200,
		.mem = mem,
		.keep = true,
	};
	struct rng r;

	assert_true(mem != MAP_FAILED && w != MAP_FAILED);
	rng_init(&r, first);
	big = malloc(1 << 20);
	kit_fill(big, 1 << 20, 9);
	for (uint64_t seed = first; seed < first + n; seed++)
		one_life(w, &conf, seed, &r);
	free(big);
	munmap(mem, MEM);
	munmap(w, sizeof(*w));
}

static void test_without_evictions(void **state)
{
	lives(true);
}

static void test_with_evictions(void **state)
{
	lives(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_evictions),
		cmocka_unit_test(test_with_evictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
