// SPDX-License-Identifier: BSD-3-Clause
// Which segment to reclaim next, and how
#pragma once

#include "store/publish.h"

// Bytes of published records; 0 of a claimable segment: nothing points into it.
uint32_t segment_live(const struct segment *g);

// Sealed and not held.
bool segment_is_claimable(const struct segment *g);

// Half of the time between the first and the last expiry is over, or all is flushed:
// then a sweep finds something, and there are few sweeps in the life of a segment.
bool segment_sweep_is_due(const struct store *s, const struct segment *g, uint32_t now_s);

// The same, but where items of one lifetime stand together it waits for the last of them, so
// that one sweep is enough.
bool segment_is_over(const struct store *s, const struct segment *g, uint32_t now_s);

// Give the segment to this job, which has none. False: it is not to be had any more.
bool job_claim(struct store *s, struct job *j, struct segment *g, enum job_mode mode);

// Find something to reclaim: dead segments first (they come back at once and count
// in *gained), then expired items, garbage, and last the oldest items
// of the small or the main queue.
bool job_start(struct store_ctx *ctx, struct job *j, int64_t *gained);

// An eviction job is over and has not moved so many bytes that it might have.
void keep_budget_give(struct store *s, uint32_t bytes);
void keep_budget_init(struct store *s);
