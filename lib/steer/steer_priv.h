// SPDX-License-Identifier: BSD-3-Clause
// What the files of lib/steer share: the bucket table, the flow table
#pragma once

#include <stdint.h>

#include "steer/steer.h"

struct steer_table {
	unsigned worker_count;
	_Alignas(64) _Atomic uint16_t worker[STEER_BUCKETS];
};

static inline unsigned steer_bucket_worker(const struct steer_table *table, uint32_t hash)
{
	return atomic_load_explicit(
		&table->worker[hash & (STEER_BUCKETS - 1)], memory_order_relaxed);
}

// The hash of twelve bytes is the XOR of what each of them contributes.
static inline uint32_t steer_toeplitz_inline(
	const struct steer_toeplitz *t, const struct steer_tuple *f)
{
	return t->lut[0][f->src_addr >> 24] ^ t->lut[1][f->src_addr >> 16 & 0xff] ^
	       t->lut[2][f->src_addr >> 8 & 0xff] ^ t->lut[3][f->src_addr & 0xff] ^
	       t->lut[4][f->dst_addr >> 24] ^ t->lut[5][f->dst_addr >> 16 & 0xff] ^
	       t->lut[6][f->dst_addr >> 8 & 0xff] ^ t->lut[7][f->dst_addr & 0xff] ^
	       t->lut[8][f->src_port >> 8] ^ t->lut[9][f->src_port & 0xff] ^
	       t->lut[10][f->dst_port >> 8] ^ t->lut[11][f->dst_port & 0xff];
}

// ---- the flow table of policy roundrobin (steer_flow.c)

#define FLOW_WINDOW 16 // slots a flow may be in, from its own on
#define FLOW_TIME_BITS 21 // seconds; 24 days

enum flow_state {
	FLOW_FREE, // never used; a slot does not come back to this state
	FLOW_HALF_OPEN, // SYN seen
	FLOW_OPEN, // and an ACK
	FLOW_OPEN_SYN, // and another SYN since: TIME-WAIT reuse, or a forgery
	FLOW_CLOSED, // the worker has no trace of it
};

// Four to a cache line.
struct flow {
	struct steer_tuple tuple;
	uint32_t worker : 8;
	uint32_t state : 3;
	uint32_t seen_s : FLOW_TIME_BITS; // last segment
};
_Static_assert(sizeof(struct flow) == 16);

struct flow_table {
	struct flow *slot; // mask + FLOW_WINDOW of them
	uint32_t mask;
	uint32_t idle_s; // 0: OPEN flows are never replaced
	struct siphash_key key;
	stat_t *stats; // of struct steer
};

// The worker of this SYN: the flow's, or *next_worker, which moves on (modulo
// worker_count); -1: no slot.
int flow_syn(struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s,
	unsigned *next_worker, unsigned worker_count);
// The worker of any other segment, or -1. answers: it acknowledges, and is no RST.
int flow_segment(
	struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s, bool answers);
// The worker of a flow that something else is about, or -1.
int flow_find(const struct flow_table *t, const struct steer_tuple *tuple);
// The worker's notice.
void flow_closed(struct flow_table *t, const struct steer_tuple *tuple, uint32_t now_s);

// ---- one lcore that receives

struct steer {
	// read for each frame
	struct steer_table *table;
	bool use_nic_hash;
	bool udp_by_key;
	bool moves;
	enum steer_policy policy;
	unsigned misc_worker;
	unsigned worker_count;
	unsigned next_worker;
	uint32_t now_s;
	struct flow_table flows;
	struct rte_ring *ring[STEER_WORKERS_MAX];
	uint64_t own_mask; // bit of the owner's own worker, or 0

	// frames on their way, empty between bursts
	uint64_t staged_workers; // bit per worker
	uint16_t staged_count[STEER_WORKERS_MAX];
	struct rte_mbuf *staged[STEER_WORKERS_MAX][STEER_BURST_MAX];

	struct {
		stat_t frames;
		uint64_t last_tcp; // which of the worker's ring its last TCP frame is, at most
	} bucket[STEER_BUCKETS];
	uint64_t enqueued[STEER_WORKERS_MAX];

	struct siphash_key key;
	struct steer_toeplitz toeplitz;
	struct rte_ring *closed_ring[STEER_WORKERS_MAX];
	stat_t ring_full[STEER_WORKERS_MAX];
	stat_t stats[STEER_STAT_COUNT];
};
