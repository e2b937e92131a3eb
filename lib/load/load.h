// SPDX-License-Identifier: BSD-3-Clause
// A request, and the books: each ends as exactly one of hit, miss, echo, stored, error, lost
//
// The other headers of this folder, in the order of a request's life: sizes.h and keyspace.h
// (what keys and values look like), dist.h (which key), workload.h (requests as bytes, values
// that check themselves), gen.h (when), udp.h and stream.h (matching answers), reply.h (are they
// right), preload.h, report.h; flood.h is gen.h, udp.h and
// most of reply.h in one, where only the rate counts.
//
// Everything is plain C and takes the clock as an argument, in nanoseconds. I/O is the caller's:
// bytes out, bytes in. So the accounting is tested in virtual time.
//
// Threads: one struct tally per generator thread; that thread writes, anybody may read.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "load/hist.h"
#include "stats/stats.h"

#define LOAD_MULTIGET_MAX 64
#define LOAD_ERR_SIZE 160
#define LOAD_NEVER_NS UINT64_MAX

enum load_op { LOAD_GET, LOAD_SET };

struct load_request {
	enum load_op op;
	uint16_t key_count; // 1 for a set
	uint32_t version; // of the value a set writes
	uint32_t key[LOAD_MULTIGET_MAX];
};

// A get is a hit when all its keys were found with right values, a miss when some were not
// found and the others are right.
enum load_outcome {
	LOAD_HIT,
	LOAD_MISS,
	LOAD_STORED,
	LOAD_LOST,
	LOAD_ERR_SERVER, // an error line
	LOAD_ERR_KEY, // a key that was not asked for, or twice
	LOAD_ERR_VALUE, // wrong length or bytes
	LOAD_ERR_SYNTAX, // no answer that the protocol knows, or cut short
	LOAD_OUTCOME_COUNT
};

#define LOAD_STATS_MODULE "load"
enum load_stat {
#define STAT(name, kind, help) LOAD_STAT_##name,
#include "load/load.def"
#undef STAT
	LOAD_STAT_COUNT
};
extern const struct stats_set load_stats_set;

struct tally {
	stat_t ctr[LOAD_STAT_COUNT];
	struct hist get; // from when the request was due until its answer was complete
	struct hist set;
	struct hist service; // from when it was handed to the network, all operations
	struct hist connect;
};

// Zeroed; NULL when there is no memory. Release with free.
struct tally *tally_create(void);
void tally_reset(struct tally *t);
void tally_merge(struct tally *dst, const struct tally *src);

static inline uint64_t tally_get(const struct tally *t, enum load_stat stat)
{
	return stat_read(&t->ctr[stat]);
}

static inline void tally_add(struct tally *t, enum load_stat stat, uint64_t n)
{
	stat_add(&t->ctr[stat], n);
}

uint64_t tally_sent(const struct tally *t);
uint64_t tally_lost(const struct tally *t);
uint64_t tally_errors(const struct tally *t);
// Answered in time, right or wrong.
uint64_t tally_received(const struct tally *t);

// Requests sent are requests ended, for each operation by itself. Holds when none is in flight.
bool tally_balanced(const struct tally *t);

// Enter what became of a request. keys_found: of a get.
void tally_finish(struct tally *t, enum load_op op, enum load_outcome outcome, unsigned key_count,
	unsigned keys_found);
