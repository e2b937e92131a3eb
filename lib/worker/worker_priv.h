// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/worker: the state of one lcore
#pragma once

#include "worker/trace.h"
#include "worker/worker.h"

struct worker {
	// worker: rw, others: none
	struct net *net;
	struct tcp *tcp;
	struct conns *conns;
	struct cmd *cmd;
	struct store_ctx *store;
	struct trace *trace; // NULL but for the first packets of a traced run
	uint64_t unix_us_at_zero;
	uint32_t queue_delay_target_ns; // 0: none
	unsigned idx;
	stat_t stats[WORKER_STAT_COUNT];
};
