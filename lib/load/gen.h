// SPDX-License-Identifier: BSD-3-Clause
// One generator thread: when the next request is due, which one it is, and what became of it
//
// Open loop: requests are due by a schedule that answers do not change, and latency counts
// from when a request was due, so that a slow server is not asked less (coordinated omission).
// Closed loop: a request is due as soon as fewer than so many are in flight.
//
// A phase is warm-up (start_ns .. measure_ns), measurement (.. stop_ns), and the wait for what
// is in flight. What was due in the warm-up is booked apart.
//
// Threads: one owner; the tallies may be read by others.
#pragma once

#include "load/preload.h"
#include "load/workload.h"

enum { GEN_WARMUP, GEN_MEASURE, GEN_BOOKS };

struct gen_plan {
	uint64_t start_ns, measure_ns, stop_ns;
	double rate_pps; // of this thread; 0: closed loop
	bool poisson; // else at constant distances
	uint32_t outstanding; // closed loop and preload: in flight at most
	uint64_t late_ns; // sent so long after it was due: late
	struct preload *preload; // fill the server instead
};

struct gen {
	const struct workload *w;
	struct workload_cursor cursor;
	struct gen_plan plan;
	struct rng rng;
	double interval_ns;
	double next_ns; // due
	bool blocked; // the delay is not ours: all places waited for answers
	bool closed; // the requests after stop_ns are counted
	struct tally *book[GEN_BOOKS];
};

// Thread idx of count. 0 or -ENOMEM.
int gen_init(struct gen *g, const struct workload *w, uint64_t seed, uint32_t idx, uint32_t count);
void gen_free(struct gen *g);

// Begin a phase; the books are emptied.
void gen_start(struct gen *g, const struct gen_plan *plan);

// Is a request due? Then *req is it and *due_ns its time; it must be sent or given up.
bool gen_next(struct gen *g, uint64_t now_ns, uint32_t in_flight, struct load_request *req,
	uint64_t *due_ns);

// There is no place for a request now: those that become due meanwhile are not late by our fault.
void gen_block(struct gen *g, uint64_t now_ns);

// Handed to the network. Returns the book the request belongs to.
unsigned gen_sent(struct gen *g, const struct load_request *req, uint32_t bytes, uint64_t due_ns,
	uint64_t now_ns);

// The end of a request that is not lost has latencies.
struct gen_end {
	unsigned book;
	enum load_op op;
	enum load_outcome outcome;
	uint16_t key_count, keys_found;
	uint32_t first_key;
	uint64_t due_ns, sent_ns;
};
void gen_finish(struct gen *g, const struct gen_end *end, uint64_t now_ns);

// Nothing more will be due and nothing is in flight. Counts what was never sent.
bool gen_finished(struct gen *g, uint64_t now_ns, uint32_t in_flight);

// The time before which no request becomes due.
uint64_t gen_wake_ns(const struct gen *g, uint64_t now_ns, uint32_t in_flight);

// A signal: nothing more is due.
void gen_stop(struct gen *g, uint64_t now_ns);
