// SPDX-License-Identifier: BSD-3-Clause
// Chunk queues against a byte array: random appends, reads, drops, seeks and truncations
//
// References come from a few buffers that are overwritten as soon as they are released.
// Several queues share one pool that is too small for them. SEED=n reruns one seed,
// ROUNDS=n (default 60) runs more.

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/chunkq.h"
#include "base/rng.h"

#define QUEUES 3
#define POOL_CHUNKS 8
#define LENDERS 6
#define LEND_SIZE 5000
#define MODEL_SIZE (POOL_CHUNKS * CHUNK_SIZE + LENDERS * LEND_SIZE)
#define STEPS 2000

struct model {
	uint8_t bytes[MODEL_SIZE];
	uint32_t len, cursor;
};

// Memory that is lent to one queue at a time.
struct lender {
	uint8_t bytes[LEND_SIZE];
	bool lent;
};

struct run {
	struct pool pool;
	struct chunkq q[QUEUES];
	struct model m[QUEUES];
	struct lender lender[LENDERS];
	struct rng rng;
	uint64_t seed;
	unsigned step;
};

#define REQUIRE(r, cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: SEED=%" PRIu64 " step %u: %s\n", __FILE__, \
				__LINE__, (r)->seed, (r)->step, #cond); \
			fail(); \
		} \
	} while (0)

static uint32_t random_len(struct run *r)
{
	switch (rng_below(&r->rng, 4)) {
	case 0:
		return rng_below(&r->rng, 3 * CHUNK_ROOM);
	case 1:
		return CHUNK_ROOM - 2 + rng_below(&r->rng, 5);
	default:
		return rng_below(&r->rng, 200);
	}
}

static void append(struct run *r, struct chunkq *q, struct model *m)
{
	uint8_t buf[3 * CHUNK_SIZE];
	uint32_t len = random_len(r), used = r->pool.used_count;
	bool room = chunkq_has_room(q, len);

	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)rng_next(&r->rng);
	REQUIRE(r, chunkq_append(q, buf, len) == room);
	if (!room) {
		REQUIRE(r, r->pool.used_count == used);
		return;
	}
	memcpy(m->bytes + m->len, buf, len);
	m->len += len;
}

static void take_back(void *owner, const uint8_t *p)
{
	struct lender *l = owner;

	assert_true(l->lent);
	assert_ptr_equal(p, l->bytes);
	l->lent = false;
	memset(l->bytes, 0xdd, sizeof(l->bytes));
}

static void append_ref(struct run *r, struct chunkq *q, struct model *m)
{
	struct lender *l = &r->lender[rng_below(&r->rng, LENDERS)];
	// Often shorter than what a struct extref takes.
	uint32_t len = 1 + rng_below(&r->rng, rng_below(&r->rng, 3) ? LEND_SIZE : 40);
	struct extref x = {.p = l->bytes, .len = len, .release = take_back, .owner = l};

	if (l->lent)
		return;
	for (uint32_t i = 0; i < len; i++)
		l->bytes[i] = (uint8_t)rng_next(&r->rng);
	memcpy(m->bytes + m->len, l->bytes, len);
	l->lent = chunkq_append_ref(q, &x);
	REQUIRE(r, l->lent || pool_free_count(&r->pool) == 0);
	if (l->lent)
		m->len += len;
}

static void copy_refs(struct run *r, struct chunkq *q)
{
	if (chunkq_copy_refs(q))
		REQUIRE(r, q->ref_count == 0);
	else
		REQUIRE(r, q->ref_count > 0);
}

static void reserve(struct run *r, struct chunkq *q, struct model *m)
{
	uint32_t want = rng_below(&r->rng, CHUNK_ROOM + 1), n;
	uint8_t *p = chunkq_reserve(q, want);

	if (!p) {
		REQUIRE(r, pool_free_count(&r->pool) == 0);
		return;
	}
	n = rng_below(&r->rng, want + 1);
	for (uint32_t i = 0; i < n; i++)
		p[i] = m->bytes[m->len + i] = (uint8_t)rng_next(&r->rng);
	chunkq_commit(q, n);
	m->len += n;
}

static void drop(struct run *r, struct chunkq *q, struct model *m)
{
	uint32_t n = random_len(r);

	if (n > m->len)
		n = m->len;
	chunkq_drop(q, n);
	memmove(m->bytes, m->bytes + n, m->len - n);
	m->len -= n;
	m->cursor = m->cursor > n ? m->cursor - n : 0;
}

static void read_some(struct run *r, struct chunkq *q, struct model *m)
{
	uint8_t buf[3 * CHUNK_SIZE];
	uint32_t n = random_len(r), want = m->len - m->cursor;

	if (want > n)
		want = n;
	REQUIRE(r, chunkq_read(q, buf, n) == want);
	REQUIRE(r, memcmp(buf, m->bytes + m->cursor, want) == 0);
	m->cursor += want;
}

static void truncate(struct run *r, struct chunkq *q, struct model *m)
{
	uint32_t len = m->cursor + rng_below(&r->rng, m->len - m->cursor + 1);

	// Often right at the cursor, the place of the mistakes.
	if (rng_below(&r->rng, 2))
		len = m->cursor;
	chunkq_truncate(q, len);
	m->len = len;
	if (len == 0)
		m->cursor = 0;
}

static void seek(struct run *r, struct chunkq *q, struct model *m)
{
	m->cursor = rng_below(&r->rng, m->len + 1);
	// Half of the time to where the second chunk begins.
	if (rng_below(&r->rng, 2))
		chunkq_front(q, &m->cursor);
	chunkq_seek(q, m->cursor);
}

static void check(struct run *r, struct chunkq *q, struct model *m)
{
	uint32_t len;
	const uint8_t *p = chunkq_front(q, &len);

	REQUIRE(r, q->len == m->len);
	REQUIRE(r, len <= m->len);
	REQUIRE(r, len == 0 || memcmp(p, m->bytes, len) == 0);
}

// Every byte, and every loan.
static void check_all(struct run *r)
{
	static uint8_t buf[MODEL_SIZE];
	uint32_t lent = 0, refs = 0;

	for (unsigned i = 0; i < QUEUES; i++) {
		chunkq_seek(&r->q[i], 0);
		REQUIRE(r, chunkq_read(&r->q[i], buf, sizeof(buf)) == r->m[i].len);
		REQUIRE(r, memcmp(buf, r->m[i].bytes, r->m[i].len) == 0);
		chunkq_seek(&r->q[i], r->m[i].cursor);
		refs += r->q[i].ref_count;
	}
	for (unsigned i = 0; i < LENDERS; i++)
		lent += r->lender[i].lent;
	REQUIRE(r, lent == refs);
}

static void run_seed(uint64_t seed)
{
	static struct run r;

	memset(&r, 0, sizeof(r));
	r.seed = seed;
	rng_init(&r.rng, seed);
	assert_int_equal(chunkq_pool_init(&r.pool, POOL_CHUNKS), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		chunkq_init(&r.q[i], &r.pool);
	for (r.step = 0; r.step < STEPS; r.step++) {
		unsigned i = rng_below(&r.rng, QUEUES);
		struct chunkq *q = &r.q[i];
		struct model *m = &r.m[i];

		switch (rng_below(&r.rng, 11)) {
		case 0:
		case 1:
			append(&r, q, m);
			break;
		case 2:
			reserve(&r, q, m);
			break;
		case 8:
		case 9:
			append_ref(&r, q, m);
			break;
		case 10:
			if (rng_below(&r.rng, 3) == 0)
				copy_refs(&r, q);
			break;
		case 3:
		case 4:
			drop(&r, q, m);
			break;
		case 5:
			seek(&r, q, m);
			break;
		case 6:
			if (rng_below(&r.rng, 3) == 0)
				truncate(&r, q, m);
			break;
		default:
			read_some(&r, q, m);
		}
		check(&r, q, m);
		if (r.step % 16 == 0)
			check_all(&r);
	}
	for (unsigned i = 0; i < QUEUES; i++)
		chunkq_clear(&r.q[i]);
	for (unsigned i = 0; i < LENDERS; i++)
		REQUIRE(&r, !r.lender[i].lent);
	pool_fini(&r.pool);
}

static uint64_t env_number(const char *name, uint64_t def)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : def;
}

static void test_chunkq_is_a_byte_array(void **state)
{
	uint64_t seed = env_number("SEED", 0), rounds = env_number("ROUNDS", 60);

	if (getenv("SEED")) {
		run_seed(seed);
		return;
	}
	for (seed = 1; seed <= rounds; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunkq_is_a_byte_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
