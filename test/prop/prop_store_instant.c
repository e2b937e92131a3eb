// SPDX-License-Identifier: BSD-3-Clause
// lib/store: after every single instruction of an operation, the records say what the index says
// support: store_kit
//
// A child runs operations under ptrace, one instruction at a time. Whenever the shared memory
// has changed, the parent takes a copy, rebuilds a store from it as after a crash, and
// compares each key: it must be as another thread could see it at this instant, or as
// the operation that is under way will make it. SEED=n reruns one seed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "store/drain.h"
#include "store/index.h"
#include "store/segment.h"
#include "support/store_kit.h"

#define MEM (8ULL << 20)
#define KEYS 5
#define ALL_KEYS KEYS // as the key of a flush
#define OPS 60
#define LARGE_LEN 33000
#define SEGMENTS_SEEN 8 // the store uses so few
#define FRONT_SEEN 8192 // superblock, buckets; as much before the segments: their headers
#define HEAD_SEEN 6144 // of each: all headers of records are in it

// In shared memory. Versions are client flags; 0: not there.
struct note {
	_Atomic uint32_t key, begun; // key number begun is the operation under way
	_Atomic uint32_t moves;
};

struct world {
	struct kit k;
	struct note *note;
	uint8_t *mem, *copy, *seen;
	size_t front; // bytes before the first segment
	uint64_t seed;
	unsigned checks, between; // instants checked; at which the two differed
	uint64_t flush, flush_seen; // the child's flush stamp, which is not in shared memory
};

static uint8_t big[65536];

static char *key_of(char key[8], unsigned i)
{
	snprintf(key, 8, "key%u", i);
	return key;
}

static uint32_t vlen_of(unsigned i, uint32_t v)
{
	return i == 0 ? LARGE_LEN + v : 10 + v;
}

// ---- the child

static void move_record(struct kit *k, struct item *it)
{
	struct store *s = k->s;
	struct job j = {.segment = (uint32_t)(segment_of(s, offset_of(s, it)) - s->segment),
		.mode = JOB_COMPACT};
	uint32_t moved = 0;

	drain_record(k->ctx, &j, it, drain_hash(s, it), &moved);
}

// A set whose value is written at full speed: what is not committed is like any other dead
// record, and a large value takes many instructions.
static void set(struct kit *k, const char *key, uint64_t hash, uint32_t v, uint32_t vlen)
{
	struct store_put put;
	uint8_t *room;
	size_t len;

	if (vlen >= LARGE_LEN)
		raise(SIGUSR1);
	store_put_begin(k->ctx, &put, (const uint8_t *)key, 4, hash, v, 0, vlen);
	while (store_put_room(k->ctx, &put, &room, &len)) {
		memcpy(room, big + v + put.written, len);
		store_put_wrote(&put, len);
	}
	if (vlen >= LARGE_LEN)
		raise(SIGUSR2);
	store_put_commit(k->ctx, &put, STORE_SET, 0);
}

static void operate(struct world *w, struct rng *r, unsigned i, uint32_t v)
{
	struct kit *k = &w->k;
	char key[8];
	struct index_pos pos;
	struct item *it;
	uint64_t hash = kit_hash(k, key_of(key, i));

	it = index_find(k->s, (const uint8_t *)key, 4, hash, &pos);
	atomic_store(&w->note->key, i);
	switch (it ? rng_below(r, 6) : 5) {
	case 0:
		atomic_store(&w->note->begun, 0);
		kit_delete(k, key);
		break;
	case 1:
		atomic_store(&w->note->begun, it->client_flags);
		move_record(k, it);
		atomic_fetch_add(&w->note->moves, 1);
		break;
	case 2:
		atomic_store(&w->note->begun, it->client_flags);
		if (i == 0)
			move_record(k, owner_fragment(it, 1));
		else
			store_touch(k->ctx, (const uint8_t *)key, 4, hash, KIT_NOW + 99, NULL);
		break;
	default:
		atomic_store(&w->note->begun, v);
		set(k, key, hash, v, vlen_of(i, v));
		break;
	}
}

// What chance may have left out: a piece of a large value moves, with its owner.
static void move_piece(struct world *w, uint32_t v)
{
	char key[8];
	uint64_t hash = kit_hash(&w->k, key_of(key, 0));
	struct index_pos pos;
	struct item *it;

	atomic_store(&w->note->key, 0);
	atomic_store(&w->note->begun, v);
	set(&w->k, key, hash, v, vlen_of(0, v));
	it = index_find(w->k.s, (const uint8_t *)key, 4, hash, &pos);
	move_record(&w->k, owner_fragment(it, 1));
	CHECK(index_find(w->k.s, (const uint8_t *)key, 4, hash, &pos) != it);
}

static void flush(struct world *w)
{
	atomic_store(&w->note->key, ALL_KEYS);
	atomic_store(&w->note->begun, 0);
	store_flush(w->k.ctx, 0);
}

static void child(struct world *w)
{
	struct rng r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rng_init(&r, w->seed);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	for (uint32_t v = 1; v <= OPS; v++) {
		if (v == OPS / 2)
			flush(w);
		operate(w, &r, rng_below(&r, KEYS), v);
	}
	flush(w);
	move_piece(w, OPS + 1);
	_exit(0);
}

// ---- the parent

// The version that a reader would find now.
static uint32_t visible(const struct world *w, unsigned i)
{
	char key[8];
	uint64_t hash = kit_hash(&w->k, key_of(key, i));
	struct index_pos pos;
	const struct item *it = index_find(w->k.s, (const uint8_t *)key, 4, hash, &pos);

	return it && it->stamp >= w->flush ? it->client_flags : 0;
}

static void broken(const struct world *w, unsigned i, const char *what)
{
	fprintf(stderr, "SEED=%llu instant %u, key%u: %s\n", (unsigned long long)w->seed, w->checks,
		i, what);
	abort();
}

static void check_instant(struct world *w, const struct store_conf *conf)
{
	struct store_conf again = *conf;
	struct store_found found;
	const char *why = NULL;
	struct kit k = {0};

	w->checks++;
	memcpy(w->copy, w->mem, w->front + (size_t)SEGMENTS_SEEN * w->k.s->segment_size);
	again.mem = w->copy;
	k.s = store_attach(&again, &found, &why);
	if (!k.s)
		broken(w, 0, why);
	k.ctx = store_ctx_create(k.s, 0);
	if (!kit_check(&k))
		broken(w, 0, "a broken law");
	for (unsigned i = 0; i < KEYS; i++) {
		uint32_t seen = visible(w, i), v = 0;
		struct store_ref ref;
		char key[8];

		if (kit_get(&k, key_of(key, i), &ref) == STORE_OK) {
			v = ref.client_flags;
			if (!kit_ref_is(&ref, big + v, vlen_of(i, v)))
				broken(w, i, "another value");
		}
		w->between += v != seen;
		if (v != seen &&
			((i != w->note->key && w->note->key != ALL_KEYS) || v != w->note->begun))
			broken(w, i, "it was known to be gone, or to be there");
	}
	kit_close(&k);
}

// Did anything change that a rebuild looks at?
static bool has_changed(struct world *w)
{
	bool changed = w->flush != w->flush_seen;

	w->flush_seen = w->flush;
	for (unsigned i = 0; i < SEGMENTS_SEEN + 2; i++) {
		size_t at = i == 0   ? 0
			    : i == 1 ? (size_t)((uint8_t *)w->k.s->segment - w->mem)
				     : segment_off(w->k.s, i - 2);
		size_t n = i < 2 ? FRONT_SEEN : HEAD_SEEN;

		if (memcmp(w->seen + at, w->mem + at, n) != 0) {
			memcpy(w->seen + at, w->mem + at, n);
			changed = true;
		}
	}
	return changed;
}

static bool step(struct world *w, pid_t pid)
{
	int status = 0; // set by waitpid whenever it is read; clang cannot see that

	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		broken(w, 0, "ptrace failed");
	// Go on to its SIGUSR2.
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1 &&
		(ptrace(PTRACE_CONT, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid))
		broken(w, 0, "ptrace failed");
	if (WIFSTOPPED(status)) {
		w->flush = (uint64_t)ptrace(PTRACE_PEEKDATA, pid, &w->k.s->flush_stamp, NULL);
		return true;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		broken(w, 0, "the child died");
	return false;
}

// They take turns: on one CPU a turn is several times shorter.
static void one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void run(uint64_t seed)
{
	struct world w = {.seed = seed,
		.mem = shared(MEM),
		.copy = shared(MEM),
		.seen = shared(MEM),
		.note = shared(sizeof(struct note))};
	struct store_conf conf = {
		.mem_limit_bytes = MEM,
		.ctx_count_max = 1,
		.hash_key = {seed, 6},
		.now_s = KIT_NOW,
		.hash_items = 1,
		.mem = w.mem,
		.keep = true,
	};
	pid_t pid;
	int status;

	kit_open_conf(&w.k, &conf);
	w.front = w.k.s->segments_off;
	one_cpu();
	pid = fork();
	if (pid == 0)
		child(&w);
	// The child says what is poisoned; we look at all of it.
	segments_fini(w.k.s);
	assert_true(waitpid(pid, &status, 0) == pid);
	if (!WIFSTOPPED(status)) {
		print_message("no ptrace here\n");
		skip();
	}
	while (step(&w, pid))
		if (has_changed(&w))
			check_instant(&w, &conf);
	assert_true(w.checks > 500);
	assert_true(w.between > 5);
	assert_true(w.note->moves > 0);
	// What the child did is not in our ctx.
	store_destroy(w.k.s);
	munmap(w.mem, MEM);
	munmap(w.copy, MEM);
	munmap(w.seen, MEM);
	munmap(w.note, sizeof(struct note));
}

static void test_each_instruction(void **state)
{
	uint64_t first = kit_seed(1), n = getenv("SEED") ? 1 : kit_env("RUNS", 1);

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	// An access is many instructions there. The order of accesses is the same without.
	skip();
#endif
	kit_fill(big, sizeof(big), 4);
	for (uint64_t seed = first; seed < first + n; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
