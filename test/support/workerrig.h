// SPDX-License-Identifier: BSD-3-Clause
// One whole worker under test: frames in, frames out, counters, a clock that the test moves
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "worker/worker.h"

#define WORKERRIG_ADDR 0xc000020au // 192.0.2.10
#define WORKERRIG_PORT 11211
#define WORKERRIG_START_US 1000000 // the clock at the start
#define WORKERRIG_UNIX_S 1700000000u // the wall clock then

// A frame that the worker sent; the clock stands in the rig.
typedef void workerrig_tx_fn(void *arg, const uint8_t *frame, uint32_t len);

struct workerrig {
	struct worker_conf conf; // change it between workerrig_conf and workerrig_open
	struct store_conf store_conf;
	struct worker *worker;
	struct store *store;
	struct stats *stats;
	_Atomic uint32_t open_count;
	uint64_t now_us;
	workerrig_tx_fn *tx;
	void *tx_arg;
	unsigned mbufs_before;
};

// Small limits, fixed keys, UDP allowed from 192.0.2.0/24, trusted from 192.0.2.128/25.
void workerrig_conf(struct workerrig *r);
void workerrig_open(struct workerrig *r);

// One burst at the present time.
void workerrig_input(struct workerrig *r, struct rte_mbuf **m, unsigned n);
// An mbuf with these bytes; NULL when none is free.
struct rte_mbuf *workerrig_mbuf(const uint8_t *frame, size_t len);
// Run timers until to_us.
void workerrig_advance(struct workerrig *r, uint64_t to_us);

// CHECKs every law that can be checked between two packets.
void workerrig_check(struct workerrig *r);
// The counters that moved, "tcp.rx_segments 3", one a line.
void workerrig_print_counters(struct workerrig *r, FILE *out);

// CHECKs that every mbuf came back.
void workerrig_close(struct workerrig *r);
