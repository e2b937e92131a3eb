// SPDX-License-Identifier: BSD-3-Clause
// A struct steer with its rings under test: frames in, which worker got them, which counter moved
#pragma once

#include "steer/steer.h"
#include "support/frame.h"

struct steerfix {
	struct steer_conf conf;
	struct steer_table *table;
	struct steer_toeplitz toeplitz;
	struct steer *steer;
	unsigned mbufs_before;
	uint64_t seen[STEER_STAT_COUNT];
};

// Defaults for worker_count workers; then change fix->conf and open.
void steerfix_conf(struct steerfix *fix, unsigned worker_count, unsigned ring_size);
void steerfix_open(struct steerfix *fix);
// Fails the test when the counters do not add up or an mbuf is missing.
void steerfix_close(struct steerfix *fix);

// One frame in; the worker that got it.
unsigned steerfix_one(struct steerfix *fix, const struct frame *f);
unsigned steerfix_one_mbuf(struct steerfix *fix, struct rte_mbuf *m);
// Up to n mbufs of a worker's ring.
unsigned steerfix_take(struct steerfix *fix, unsigned worker, struct rte_mbuf **m, unsigned n);
void steerfix_empty(struct steerfix *fix);

uint64_t steerfix_stat(const struct steerfix *fix, enum steer_stat stat);
// How much it moved since the last call for this counter.
uint64_t steerfix_moved(struct steerfix *fix, enum steer_stat stat);

// Where the bucket table sends a flow.
unsigned steerfix_bucket_worker(const struct steerfix *fix, const struct steer_tuple *flow);
