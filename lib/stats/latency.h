// SPDX-License-Identifier: BSD-3-Clause
// Latency histogram small enough to be always on: 2.2 KiB, an eighth of relative width
//
// Nanoseconds below 2^36 (69 s); longer ones are counted in the last slot. Histograms of
// several lcores merge by adding slots; percentiles are taken from the merged one.
//
// Threads: one writer, relaxed readers. A reader may see sum_ns and the slots a few events apart.
#pragma once

#include "stats/loglin.h"
#include "stats/stats.h"

#define LATENCY_VALUE_BITS 36
#define LATENCY_SUB_BITS 3
#define LATENCY_SLOTS LOGLIN_SLOTS(LATENCY_VALUE_BITS, LATENCY_SUB_BITS)

struct latency {
	stat_t sum_ns;
	stat_t slot[LATENCY_SLOTS];
};

// n events that took ns each.
static inline void latency_add(struct latency *l, uint64_t ns, uint64_t n)
{
	if (ns >> LATENCY_VALUE_BITS)
		ns = (1ULL << LATENCY_VALUE_BITS) - 1;
	stat_add(&l->slot[loglin_slot(ns, LATENCY_SUB_BITS)], n);
	stat_add(&l->sum_ns, ns * n);
}

uint64_t latency_count(const struct latency *l);
// Events that took less than 2^ns_bits nanoseconds; exact, and so a bucket of other
// histograms (Prometheus). ns_bits <= LATENCY_VALUE_BITS.
uint64_t latency_count_below(const struct latency *l, unsigned ns_bits);
// The top of the slot at or below which so many of 1000 events are; 0 when there is none.
uint64_t latency_permille_ns(const struct latency *l, unsigned permille);

// ---- in the registry: by name, merged over lcores, since the last reset

// Announce l, owned by the caller, as one more part of histogram name. Both texts are constants.
// 0, -ENOMEM or -ENOSPC.
int stats_register_latency(
	struct stats *s, const char *name, const char *help, const struct latency *l);
// False: there is none of that name.
bool stats_latency(const struct stats *s, const char *name, struct latency *merged);

typedef void stats_walk_latency_fn(
	void *arg, const char *name, const char *help, const struct latency *merged);
void stats_walk_latency(const struct stats *s, stats_walk_latency_fn *fn, void *arg);
