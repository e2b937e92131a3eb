// SPDX-License-Identifier: BSD-3-Clause
// Per-lcore counters: one table per module, one array per lcore, summed on demand
//
// A module lists its counters once, in <module>.def:
//
//     STAT(rx_arp, COUNTER, "ARP packets received")
//     STAT(curr_connections, GAUGE, "connections open now")
//     STAT(drop_bad_cksum, DROP, "packets with a wrong checksum")
//
// and makes its enum and its names from that by including it twice (see net.h).
// A dropped packet increments exactly one DROP counter.
//
// Threads: each array has one writer, its lcore (stat_add: a relaxed load and
// store, an ordinary add on x86). Anybody may read. The registry is filled at
// start by one thread and never changes afterwards, but for the baseline that
// stats_reset takes.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_DROP };

struct stat_desc {
	const char *name;
	enum stat_kind kind;
	const char *help;
};

// All counters of one module.
struct stats_set {
	const char *module;
	const struct stat_desc *desc;
	unsigned count;
};

typedef _Atomic uint64_t stat_t;

static inline void stat_add(stat_t *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void stat_inc(stat_t *c)
{
	stat_add(c, 1);
}

static inline void stat_dec(stat_t *c)
{
	stat_add(c, (uint64_t)-1);
}

static inline uint64_t stat_read(const stat_t *c)
{
	return atomic_load_explicit((stat_t *)c, memory_order_relaxed);
}

// The registry: which arrays exist. One per process (or per test).
struct stats;

struct stats *stats_create(void);
void stats_destroy(struct stats *s);

// Announce counters[set->count], owned by the caller, as instance number idx of
// the set (worker or lcore number). Returns 0, or -ENOMEM, -ENOSPC.
int stats_register(
	struct stats *s, const struct stats_set *set, unsigned idx, const stat_t *counters);

// Sum over all instances since the last reset (gauges: now). False if the module
// has no such counter.
bool stats_sum(const struct stats *s, const char *module, const char *name, uint64_t *sum);

// Walk all counters: module by module, in table order. per_instance gets n values. Then, as
// module STATS_LATENCY_MODULE, a few numbers of each latency histogram (latency.h), merged:
// NAME_count, NAME_sum_ns, NAME_p50_ns ... NAME_max_ns; those desc live for the call only.
#define STATS_LATENCY_MODULE "latency"
typedef void stats_walk_fn(void *arg, const char *module, const struct stat_desc *desc,
	uint64_t sum, const uint64_t *per_instance, unsigned n);
void stats_walk(const struct stats *s, stats_walk_fn *fn, void *arg);

// memcached's "stats reset": counters and histograms start again from 0, gauges stay.
void stats_reset(struct stats *s);
