// SPDX-License-Identifier: BSD-3-Clause
// Which key next: uniform, Zipf, a hot set, one after the other, or as a trace says
//
// Zipf and the hot set are over ranks; a bijection maps ranks to keys, so that the hot keys
// are spread over the key space and differ with the seed.
//
// Threads: struct dist is read-only; each thread has its own cursor.
#pragma once

#include <stdint.h>

#include "base/rng.h"
#include "load/load.h"

enum dist_kind { DIST_UNIFORM, DIST_ZIPF, DIST_HOT, DIST_SCAN, DIST_TRACE };

struct dist_conf {
	enum dist_kind kind;
	uint32_t count; // of keys
	uint64_t seed;
	double zipf_s; // 0 (uniform) to 1.4
	double hot_keys; // share of keys that are hot, and of the accesses that go to them: 0 .. 1
	double hot_accesses;
	const uint32_t *trace;
	uint32_t trace_len;
};

struct dist {
	struct dist_conf conf;
	uint64_t factor, offset; // rank -> key
	uint32_t hot_count;
	double h_first, h_last, accept; // of Zipf's rejection-inversion
};

struct dist_cursor {
	struct rng rng;
	uint64_t at; // scan, trace
	uint32_t step;
};

// 0, or -EINVAL and a sentence.
int dist_init(struct dist *d, const struct dist_conf *conf, char err[LOAD_ERR_SIZE]);

// Thread idx of count: its own random numbers; scans and traces are shared out.
void dist_cursor_init(struct dist_cursor *c, const struct dist *d, uint32_t idx, uint32_t count);

uint32_t dist_next(const struct dist *d, struct dist_cursor *c);

// The key that has this rank, 0 the hottest.
uint32_t dist_key_of_rank(const struct dist *d, uint32_t rank);

// A number in (0, 1), never 0 or 1.
static inline double rng_unit(struct rng *r)
{
	return ((double)(rng_next(r) >> 11) + 0.5) * 0x1p-53;
}
