// SPDX-License-Identifier: BSD-3-Clause
// Getting memory back: sweeping expired items, compaction, eviction
//
// A job walks one segment record by record, a quantum at a time; any ctx may do
// the next quantum. It waits for nobody: a job that is being worked on is skipped.
#pragma once

#include "store/store_priv.h"

void reclaim_init(struct store *s);

// A quantum, if there is something to do. Part of store_tick.
void reclaim_turn(struct store_ctx *ctx);

// The caller is about to take size bytes: pay for them with as much reclamation,
// when memory is short.
void reclaim_pay(struct store_ctx *ctx, uint32_t size);

// An allocation failed: see whether segments have come free meanwhile, and ask
// for more of them from now on.
void reclaim_urgent(struct store_ctx *ctx);

// A new second, or a flush: look for expired items in all segments again.
void reclaim_new_second(struct store *s);

static inline bool reclaim_is_due(const struct store *s)
{
	struct store *w = (struct store *)s;

	return atomic_load_explicit(&w->free_count, memory_order_relaxed) +
		       atomic_load_explicit(&w->limbo_count, memory_order_relaxed) <
	       atomic_load_explicit(&w->target, memory_order_relaxed);
}

static inline void reclaim_assist(struct store_ctx *ctx, uint32_t size)
{
	if (unlikely_(reclaim_is_due(ctx->s)))
		reclaim_pay(ctx, size);
}
