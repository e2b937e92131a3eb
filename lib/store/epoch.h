// SPDX-License-Identifier: BSD-3-Clause
// Grace periods by quiescent states (QSBR): who could still hold a pointer?
//
// Each ctx reports, between two loop turns, that it holds none. epoch_start gives
// a token after something was made unreachable; when epoch_is_over(token), every
// ctx has reported since, and nobody can hold it any more.
//
// Threads: epoch_report, epoch_online and epoch_offline of one index by its owner;
// the rest by anybody. Plain C11 orderings, no fences, so that ThreadSanitizer
// can follow.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct epoch_ctx {
	_Alignas(64) _Atomic uint64_t seen; // newest epoch at its last report; 0 = offline
};

struct epoch {
	_Atomic uint64_t now;
	unsigned ctx_count;
	struct epoch_ctx *ctx;
};

// ctx[ctx_count] zeroed: all offline.
void epoch_init(struct epoch *e, struct epoch_ctx *ctx, unsigned ctx_count);

void epoch_online(struct epoch *e, unsigned idx);
void epoch_offline(struct epoch *e, unsigned idx);

static inline void epoch_report(struct epoch *e, unsigned idx)
{
	uint64_t now = atomic_load_explicit(&e->now, memory_order_acquire);

	// The same epoch again says nothing new to any token.
	if (atomic_load_explicit(&e->ctx[idx].seen, memory_order_relaxed) != now)
		atomic_store_explicit(&e->ctx[idx].seen, now, memory_order_release);
}

uint64_t epoch_start(struct epoch *e);
bool epoch_is_over(const struct epoch *e, uint64_t token);
