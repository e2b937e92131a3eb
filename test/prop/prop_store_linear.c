// SPDX-License-Identifier: BSD-3-Clause
// lib/store under threads: what was answered is what one thread after the other would have got
// support: store_kit linear linear_model linear_print
//
// Threads work on a few keys in the smallest memory, with filler, expiry, flushes, pins and
// compaction going on, and note each call and return by one counter. A signal stops them at
// any instruction for a while, so that the others overtake. After each round the history of
// each key is judged (support/linear.h). SEED=n reruns the same operations, though not the same
// interleaving; LINEAR_MS is the time per mode.

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "support/linear.h"
#include "support/store_kit.h"

#define THREADS 4
#define TEXT_KEYS 6 // the first two also have large values
#define LARGE_KEYS 2
#define KEYS 9 // the others are numbers
#define COLD 3 // of each four
#define SHARED KEYS // flushes and the clock are of no key
#define ROUND_OPS 1500 // per thread
#define ROUNDS_MIN 3
#define VALUE_MAX 120000
#define JOINED_MAX 60000
#define PINS_MAX 4
#define NO_CAS 12345 // no item has it

struct note {
	unsigned key;
	struct linear_op op;
};

struct pin {
	struct extref x;
	uint64_t sum;
};

struct world {
	struct store *s;
	bool no_evictions;
	unsigned fillers; // keys
	uint64_t seed;
	_Atomic uint32_t now_s;
	_Atomic uint64_t moment;
	bool stop;
	pthread_barrier_t begin, end;
};

struct thread {
	struct world *w;
	struct store_ctx *ctx;
	unsigned idx;
	pthread_t id;
	struct rng r;
	uint64_t seq; // of values
	uint64_t cas[KEYS]; // newest seen
	bool too_long[KEYS]; // to be joined once more
	struct pin pin[PINS_MAX];
	unsigned pins;
	struct note note[ROUND_OPS * 3];
	unsigned notes;
	uint64_t refused, pinned;
	uint8_t value[VALUE_MAX + 64];
};

static uint64_t moment(struct thread *t)
{
	return atomic_fetch_add(&t->w->moment, 1) + 1;
}

static struct linear_op *begin(struct thread *t, unsigned key, enum linear_kind kind)
{
	struct note *n = &t->note[t->notes];

	*n = (struct note){.key = key, .op = {.kind = kind, .thread = (uint8_t)t->idx}};
	if (kind != LINEAR_GET && kind < LINEAR_FLUSH)
		n->op.began_s = store_now_s(t->ctx);
	return &n->op;
}

// It has happened. What was refused has not.
static void done(struct thread *t, struct linear_op *op, enum store_status status)
{
	op->ret = moment(t);
	op->status = (uint8_t)status;
	if (status == STORE_NO_MEMORY || status == STORE_TOO_LARGE)
		t->refused++;
	else
		t->notes++;
	CHECK(t->notes < ROUND_OPS * 3);
}

// ---- what a thread asks for

static uint64_t piece_sum(const uint8_t *p, size_t len)
{
	return linear_text(p, len).sum;
}

// Now and then a value stays where it is for some turns.
static void pin_some(struct thread *t, const struct store_ref *ref)
{
	struct slice piece;
	struct pin *p = &t->pin[t->pins];

	if (t->pins == PINS_MAX || ref->vlen == 0 || rng_below(&t->r, 8))
		return;
	store_ref_piece(ref, rng_below(&t->r, ref->vlen), &piece);
	if (!store_pin(t->ctx, piece, &p->x))
		return;
	p->sum = piece_sum(piece.p, piece.len);
	t->pins++;
	t->pinned++;
}

static void unpin_all(struct thread *t)
{
	while (t->pins) {
		struct pin *p = &t->pin[--t->pins];

		if (piece_sum(p->x.p, p->x.len) != p->sum) {
			fprintf(stderr, "SEED=%llu: pinned bytes changed\n",
				(unsigned long long)t->w->seed);
			abort();
		}
		extref_release(&p->x);
	}
}

static void got(struct thread *t, unsigned key, struct linear_op *op, const struct store_ref *ref)
{
	op->value = linear_got(ref);
	op->flags = ref->client_flags;
	op->cas = ref->cas;
	t->cas[key] = ref->cas;
	t->too_long[key] = ref->vlen > JOINED_MAX;
	pin_some(t, ref);
}

static uint32_t random_exptime(struct thread *t)
{
	uint32_t now_s = store_now_s(t->ctx);

	switch (rng_below(&t->r, 20)) {
	case 0:
		return now_s;
	case 1:
	case 2:
		return now_s + 1;
	case 3:
		return now_s + 2;
	default:
		return 0;
	}
}

static uint32_t random_len(struct thread *t, unsigned key)
{
	if (key < LARGE_KEYS && rng_below(&t->r, 24) == 0)
		return 33000 + rng_below(&t->r, 20000);
	return rng_below(&t->r, 16) ? rng_below(&t->r, 60) : rng_below(&t->r, 3000);
}

// Text that no other operation writes; it begins with a letter, so it is no number.
static uint32_t value_text(struct thread *t, unsigned key)
{
	uint32_t len = random_len(t, key), n;

	n = (uint32_t)snprintf(
		(char *)t->value, 64, "v%u.%llu.", t->idx, (unsigned long long)++t->seq);
	memset(t->value + n, 'a' + (int)(t->seq % 26), len);
	return n + len;
}

static void do_get(struct thread *t, unsigned key, const char *k, uint64_t hash)
{
	struct linear_op *op = begin(t, key, LINEAR_GET);
	struct store_ref ref;
	enum store_status status;

	op->call = moment(t);
	status = store_get(t->ctx, (const uint8_t *)k, strlen(k), hash, &ref);
	done(t, op, status);
	if (status != STORE_OK)
		return;
	op->exptime = ref.exptime;
	op->exptime_unsure = ref.exptime && ref.exptime <= store_now_s(t->ctx);
	got(t, key, op, &ref);
}

static void do_touch(struct thread *t, unsigned key, const char *k, uint64_t hash)
{
	struct linear_op *op = begin(t, key, LINEAR_TOUCH);
	struct store_ref ref;
	enum store_status status;

	op->exptime = random_exptime(t);
	op->call = moment(t);
	status = store_touch(t->ctx, (const uint8_t *)k, strlen(k), hash, op->exptime, &ref);
	done(t, op, status);
	if (status == STORE_OK)
		got(t, key, op, &ref);
}

static void do_put(struct thread *t, unsigned key, const char *k, enum linear_kind kind)
{
	static const enum store_mode mode[] = {
		[LINEAR_SET] = STORE_SET,
		[LINEAR_ADD] = STORE_ADD,
		[LINEAR_REPLACE] = STORE_REPLACE,
		[LINEAR_APPEND] = STORE_APPEND,
		[LINEAR_PREPEND] = STORE_PREPEND,
		[LINEAR_CAS] = STORE_CAS,
	};
	bool joins = kind == LINEAR_APPEND || kind == LINEAR_PREPEND;
	struct linear_op *op = begin(t, key, joins && t->too_long[key] ? LINEAR_SET : kind);
	bool number = key >= TEXT_KEYS && !joins;
	uint64_t n = rng_below(&t->r, 2) ? rng_below(&t->r, 20) : rng_next(&t->r);
	uint32_t len =
		number ? (uint32_t)snprintf((char *)t->value, 64, "%llu", (unsigned long long)n)
		       : value_text(t, key);

	op->value = number ? linear_number(n, 0) : linear_text(t->value, len);
	op->flags = (uint32_t)(t->seq << 3 | t->idx);
	op->exptime = joins ? 0 : random_exptime(t);
	op->cas = t->cas[key] ? t->cas[key] : NO_CAS;
	op->call = moment(t);
	done(t, op,
		kit_put(t->ctx, t->w->s, mode[op->kind], k, strlen(k), t->value, len, op->flags,
			op->exptime, op->cas));
}

static void do_delta(struct thread *t, unsigned key, const char *k, uint64_t hash)
{
	struct linear_op *op = begin(t, key, rng_below(&t->r, 2) ? LINEAR_INCR : LINEAR_DECR);
	enum store_status status;

	op->delta = 1 + rng_below(&t->r, 12);
	op->call = moment(t);
	status = store_delta(t->ctx, (const uint8_t *)k, strlen(k), hash, op->kind == LINEAR_DECR,
		op->delta, &op->value.number);
	done(t, op, status);
}

static void do_delete(struct thread *t, unsigned key, const char *k, uint64_t hash)
{
	struct linear_op *op = begin(t, key, LINEAR_DELETE);

	op->call = moment(t);
	done(t, op, store_delete(t->ctx, (const uint8_t *)k, strlen(k), hash));
}

// With evictions some keys are used so seldom that they are evicted.
static unsigned random_key(struct thread *t)
{
	unsigned key = rng_below(&t->r, KEYS);

	if (!t->w->no_evictions && key % 4 == COLD && rng_below(&t->r, 800))
		key--;
	return key;
}

static void step(struct thread *t)
{
	static const enum linear_kind text[] = {LINEAR_SET, LINEAR_SET, LINEAR_SET, LINEAR_ADD,
		LINEAR_REPLACE, LINEAR_APPEND, LINEAR_PREPEND, LINEAR_CAS};
	static const enum linear_kind number[] = {LINEAR_SET, LINEAR_ADD, LINEAR_ADD,
		LINEAR_REPLACE, LINEAR_CAS, LINEAR_CAS, LINEAR_CAS, LINEAR_CAS};
	unsigned key = random_key(t), what = rng_below(&t->r, 100);
	char k[16];
	uint64_t hash;

	snprintf(k, sizeof(k), "key%u", key);
	hash = store_hash(t->w->s, (const uint8_t *)k, strlen(k));
	if (what < 38)
		do_get(t, key, k, hash);
	else if (what < 44)
		do_touch(t, key, k, hash);
	else if (what < 50)
		do_delete(t, key, k, hash);
	else if (what < (key < TEXT_KEYS ? 51 : 75))
		do_delta(t, key, k, hash);
	else if (key < TEXT_KEYS)
		do_put(t, key, k, text[rng_below(&t->r, 8)]);
	else
		do_put(t, key, k, number[rng_below(&t->r, 8)]);
}

// ---- what goes on beside

static void fill(struct thread *t)
{
	char k[24];
	uint32_t len = rng_below(&t->r, 3000);

	snprintf(k, sizeof(k), "filler%u", rng_below(&t->r, t->w->fillers));
	if (rng_below(&t->r, 10) == 0)
		store_delete(t->ctx, (const uint8_t *)k, strlen(k),
			store_hash(t->w->s, (const uint8_t *)k, strlen(k)));
	else
		kit_put(t->ctx, t->w->s, STORE_SET, k, strlen(k), t->value, len, 0, 0, 0);
}

static void flush(struct thread *t, uint32_t at_s)
{
	struct linear_op *op = begin(t, SHARED, LINEAR_FLUSH);

	op->exptime = at_s;
	op->call = moment(t);
	store_flush(t->ctx, at_s);
	done(t, op, STORE_OK);
}

// A new second is two operations: what is due, then the clock.
static void tick(struct thread *t)
{
	uint32_t now_s = atomic_load(&t->w->now_s);
	uint64_t call, clock;
	struct linear_op *op;

	if (now_s <= store_now_s(t->ctx)) {
		store_tick(t->ctx, now_s);
		return;
	}
	call = moment(t);
	clock = moment(t);
	store_tick(t->ctx, now_s);
	for (enum linear_kind kind = LINEAR_DUE; kind <= LINEAR_CLOCK; kind++) {
		op = begin(t, SHARED, kind);
		op->exptime = now_s;
		op->call = kind == LINEAR_DUE ? call : clock;
		done(t, op, STORE_OK);
	}
}

static void between(struct thread *t)
{
	unsigned what = rng_below(&t->r, 4000);

	// What is flushed is not evicted.
	if (what < 2 && !t->w->no_evictions && rng_below(&t->r, 32))
		what = 2;
	if (what == 0)
		flush(t, 0);
	else if (what == 1)
		flush(t, store_now_s(t->ctx) + 1 + rng_below(&t->r, 2));
	else if (what < 60)
		atomic_fetch_add(&t->w->now_s, 1);
	else if (what < 100)
		unpin_all(t);
	if (what % 64 == 0) {
		store_offline(t->ctx);
		store_online(t->ctx);
	}
	tick(t);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	for (;;) {
		pthread_barrier_wait(&t->w->begin);
		if (t->w->stop)
			return NULL;
		t->notes = 0;
		for (unsigned n = 0; n < ROUND_OPS; n++) {
			step(t);
			if (rng_below(&t->r, 4) == 0)
				fill(t);
			if (rng_below(&t->r, 3) == 0)
				between(t);
		}
		unpin_all(t);
		tick(t);
		pthread_barrier_wait(&t->w->end);
	}
}

// ---- the judge

static void judge_key(struct world *w, struct thread *t, struct linear *l, unsigned key)
{
	struct linear_op *op = calloc(THREADS * ROUND_OPS * 3, sizeof(*op));
	struct linear_failure f;
	size_t n = 0;

	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned j = 0; j < t[i].notes; j++)
			if (t[i].note[j].key == key || t[i].note[j].key == SHARED)
				op[n++] = t[i].note[j].op;
	if (!linear_round(l, op, n, &f)) {
		fprintf(stderr, "SEED=%llu %s key%u\n", (unsigned long long)w->seed,
			w->no_evictions ? "no evictions" : "evictions", key);
		linear_failure_print(stderr, &f);
		abort();
	}
	free(op);
}

static uint64_t sum_of(struct thread *t, enum store_stat stat)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < THREADS; i++)
		sum += stat_read(&store_ctx_stats(t[i].ctx)[stat]);
	return sum;
}

// ---- the disturber

static void stand_still(int sig)
{
	// The one way to sleep that is safe in a handler.
	pselect(0, NULL, NULL, NULL, &(struct timespec){0, 20000}, NULL);
}

static _Atomic bool disturbing;

static void *disturb(void *arg)
{
	struct thread *t = arg;
	struct rng r;

	rng_init(&r, t->w->seed);
	while (atomic_load(&disturbing)) {
		pthread_kill(t[rng_below(&r, THREADS)].id, SIGUSR1);
		nanosleep(&(struct timespec){0, rng_below(&r, 100000)}, NULL);
	}
	return NULL;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void rounds(struct world *w, struct thread *t, struct linear *l)
{
	uint64_t end = clock_ms() + kit_env("LINEAR_MS", 1200), count = 0, ops = 0, needed = 0,
		 refused = 0;

	for (; clock_ms() < end || count < ROUNDS_MIN; count++) {
		pthread_barrier_wait(&w->begin);
		pthread_barrier_wait(&w->end);
		needed = 0;
		for (unsigned key = 0; key < KEYS; key++) {
			judge_key(w, t, &l[key], key);
			needed += linear_evictions(&l[key]);
		}
		for (unsigned i = 0; i < THREADS; i++)
			ops += t[i].notes;
		if (needed > sum_of(t, STORE_STAT_evictions)) {
			fprintf(stderr, "SEED=%llu: misses that no eviction explains\n",
				(unsigned long long)w->seed);
			abort();
		}
	}
	w->stop = true;
	pthread_barrier_wait(&w->begin);
	for (unsigned i = 0; i < THREADS; i++)
		refused += t[i].refused;
	print_message("SEED=%llu %s: %llu rounds, %llu operations judged, %llu segments recycled, "
		      "%llu pins, %llu evictions for %llu misses, %llu refused\n",
		(unsigned long long)w->seed, w->no_evictions ? "no evictions" : "evictions",
		(unsigned long long)count, (unsigned long long)ops,
		(unsigned long long)sum_of(t, STORE_STAT_segments_reclaimed),
		(unsigned long long)sum_of(t, STORE_STAT_pins),
		(unsigned long long)sum_of(t, STORE_STAT_evictions), (unsigned long long)needed,
		(unsigned long long)refused);
	assert_true(sum_of(t, STORE_STAT_segments_reclaimed) > 0);
	if (w->no_evictions)
		assert_int_equal(sum_of(t, STORE_STAT_evictions), 0);
	assert_true(sum_of(t, STORE_STAT_pins) > 0);
	if (kit_env("LINEAR_MS", 0) >= 10000)
		assert_int_equal(needed > 0, !w->no_evictions);
}

static void linear_test(bool no_evictions)
{
	struct store_conf conf = {
		.mem_limit_bytes = 8 << 20,
		.no_evictions = no_evictions,
		.ctx_count_max = THREADS,
		.hash_key = {5, 6},
		.now_s = KIT_NOW,
		.hash_items = 1, // chains are shared, and split as the index grows
	};
	struct world w = {.no_evictions = no_evictions,
		.fillers = no_evictions ? 300 : 20000,
		.seed = kit_seed(1)};
	struct thread *t = calloc(THREADS, sizeof(*t));
	struct linear l[KEYS];
	const char *err = NULL;
	pthread_t disturber;

	w.s = store_create(&conf, &err);
	CHECK(w.s);
	atomic_init(&w.now_s, KIT_NOW);
	pthread_barrier_init(&w.begin, NULL, THREADS + 1);
	pthread_barrier_init(&w.end, NULL, THREADS + 1);
	for (unsigned key = 0; key < KEYS; key++)
		linear_init(&l[key], KIT_NOW, !no_evictions);
	signal(SIGUSR1, stand_still);
	for (unsigned i = 0; i < THREADS; i++) {
		t[i].w = &w;
		t[i].idx = i;
		t[i].ctx = store_ctx_create(w.s, i);
		rng_init(&t[i].r, w.seed * 1000 + i + no_evictions * 100);
		CHECK(pthread_create(&t[i].id, NULL, run, &t[i]) == 0);
	}
	atomic_store(&disturbing, true);
	CHECK(pthread_create(&disturber, NULL, disturb, t) == 0);
	rounds(&w, t, l);
	atomic_store(&disturbing, false);
	pthread_join(disturber, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i].id, NULL);
	if (!store_check(w.s, &err))
		fail_msg("store_check: %s", err);
	for (unsigned i = 0; i < THREADS; i++)
		store_ctx_destroy(t[i].ctx);
	for (unsigned key = 0; key < KEYS; key++)
		linear_fini(&l[key]);
	store_destroy(w.s);
	free(t);
}

// ---- a delayed flush, closely watched

struct watch {
	struct store *s;
	_Atomic uint32_t due_s; // all keys were stored before a flush of then; 0: the end
	_Atomic uint32_t seen_s;
};

// Who sees the second sees the flush.
static void *watcher(void *arg)
{
	struct watch *w = arg;
	struct store_ctx *ctx = store_ctx_create(w->s, 1);
	uint64_t hash = store_hash(w->s, (const uint8_t *)"k", 1);
	uint32_t due_s;

	while ((due_s = atomic_load(&w->due_s)) != 0) {
		uint32_t now_s = store_now_s(ctx);
		struct store_ref ref;
		enum store_status status = store_get(ctx, (const uint8_t *)"k", 1, hash, &ref);

		if (now_s >= due_s && status == STORE_OK && atomic_load(&w->due_s) == due_s) {
			fprintf(stderr, "second %u, and what was to be flushed is there\n", now_s);
			abort();
		}
		if (now_s >= due_s)
			atomic_store(&w->seen_s, due_s);
		store_tick(ctx, 0);
	}
	store_ctx_destroy(ctx);
	return NULL;
}

static void test_flush_before_its_second(void **state)
{
	struct watch w = {0};
	pthread_t id;
	struct kit k;

	kit_open(&k, 8 << 20, 2, false);
	w.s = k.s;
	kit_set(&k, "k", "1");
	atomic_store(&w.due_s, k.now_s + 1);
	store_flush(k.ctx, k.now_s + 1);
	assert_int_equal(pthread_create(&id, NULL, watcher, &w), 0);
	for (unsigned n = 0; n < 1000; n++) {
		kit_pass(&k, 1);
		while (atomic_load(&w.seen_s) != k.now_s)
			sched_yield();
		// In this order: until the new flush is asked for, none is due.
		atomic_store(&w.due_s, k.now_s + 1);
		kit_set(&k, "k", "1");
		store_flush(k.ctx, k.now_s + 1);
	}
	atomic_store(&w.due_s, 0);
	pthread_join(id, NULL);
	kit_close(&k);
}

static void test_without_evictions(void **state)
{
	linear_test(true);
}

static void test_with_evictions(void **state)
{
	linear_test(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush_before_its_second),
		cmocka_unit_test(test_without_evictions),
		cmocka_unit_test(test_with_evictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
