// SPDX-License-Identifier: BSD-3-Clause
// Latency histogram, log-linear as HdrHistogram's: 1 ns to 60 s, three significant digits
//
// The slots of stats/loglin.h, 1024 for each power of two. Histograms merge by adding slots;
// percentiles are taken from the merged one, never averaged.
//
// Threads: one writer, relaxed readers.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stats/loglin.h"
#include "stats/stats.h"

#define HIST_MAX_NS 60000000000ULL // longer ones are counted here; max_ns keeps the truth
#define HIST_SUB_BITS 10
#define HIST_SLOTS LOGLIN_SLOTS(36, HIST_SUB_BITS)

struct hist {
	stat_t total;
	stat_t sum_ns;
	stat_t max_ns;
	stat_t min_ns; // + 1; 0: none yet
	stat_t slot[HIST_SLOTS];
};

static inline uint32_t hist_slot(uint64_t ns)
{
	return loglin_slot(ns < HIST_MAX_NS ? ns : HIST_MAX_NS, HIST_SUB_BITS);
}

// The largest value that a slot counts.
static inline uint64_t hist_slot_top(uint32_t slot)
{
	return loglin_slot_top(slot, HIST_SUB_BITS);
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
	stat_inc(&h->slot[hist_slot(ns)]);
	stat_inc(&h->total);
	stat_add(&h->sum_ns, ns);
	if (ns > stat_read(&h->max_ns))
		atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
	if (ns < stat_read(&h->min_ns) - 1)
		atomic_store_explicit(&h->min_ns, ns + 1, memory_order_relaxed);
}

void hist_reset(struct hist *h);
void hist_merge(struct hist *dst, const struct hist *src);
// What was added to now since before, but for min_ns and max_ns, which are those of now.
void hist_diff(struct hist *dst, const struct hist *now, const struct hist *before);

// The value at or below which percent of all values are; 0 when there is none.
uint64_t hist_percentile(const struct hist *h, double percent);
uint64_t hist_min(const struct hist *h);
double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h);

// HdrHistogram's percentile table ("Value Percentile TotalCount 1/(1-Percentile)"), values in
// microseconds, ticks lines for each halving of what remains.
void hist_write_hgrm(const struct hist *h, FILE *out, unsigned ticks);
