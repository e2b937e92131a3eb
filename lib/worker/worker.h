// SPDX-License-Identifier: BSD-3-Clause
// The packet path as one function: all per-lcore state behind it, the clock an argument
//
//   worker_input(w, mbufs, n, now_us)   net -> tcp | udp -> conn -> proto -> cmd -> store
//   worker_poll(w, now_us)              timers, connections that yielded, reclamation
//   worker_take_tx(w, mbufs, n)         replies and ACKs, oldest first
//
// Inside there is no NIC, no ring, no system clock, no malloc, no syscall and no
// lock outside lib/store. The appliance, the unit tests, the fuzzers, pcap replay
// and the simulator all drive these three.
//
// Threads. One lcore owns a worker. Shared with others, a closed list:
//   - the store (lib/store's rules; this worker's store_ctx is made here),
//   - the counters (this lcore writes, anybody reads),
//   - the trace ring (this lcore writes, the control lcore reads).
#pragma once

#include "conn/conn.h"

struct worker;

#define WORKER_BURST_MAX NET_BURST_MAX
#define WORKER_QUEUE_DELAY_MAX_US 1000000

struct worker_conf {
	unsigned idx; // 0 .. worker count - 1; also the store_ctx index
	struct net_conf net;
	struct tcp_conf tcp;
	struct conn_conf conn;
	struct cmd_conf cmd;
	struct store *store;
	uint64_t unix_us_at_zero; // wall clock (unix time, us) when now_us was 0
	struct stats *stats; // registry; this worker's counters are added to it
	// UDP gets that waited for longer, since their stamp (NET_MBUF_STEERED), are dropped: an
	// overloaded worker then answers late requests no more but young ones in time. What TCP
	// sends or what changes items is never dropped: it would come again, or be lost. 0: none.
	uint32_t queue_delay_target_us; // <= WORKER_QUEUE_DELAY_MAX_US
	unsigned trace_count; // packets whose way is recorded; 0: none
};

// NULL when memory cannot be had or the configuration is out of its limits.
struct worker *worker_create(const struct worker_conf *conf, uint64_t now_us);
void worker_destroy(struct worker *w, uint64_t now_us);

// Take n <= WORKER_BURST_MAX frames. now_us: never earlier than in the last call.
void worker_input(struct worker *w, struct rte_mbuf **m, unsigned n, uint64_t now_us);
void worker_poll(struct worker *w, uint64_t now_us);
unsigned worker_take_tx(struct worker *w, struct rte_mbuf **m, unsigned n);

// When worker_poll has something to do (now_us: at once). For idle sleeping and simulated time.
uint64_t worker_next_deadline_us(const struct worker *w, uint64_t now_us);

// Stop accepting, answer what is in flight, close. Done when worker_is_drained.
void worker_drain(struct worker *w, uint64_t now_us);
bool worker_is_drained(const struct worker *w);

// Before and after a sleep: others need not wait for this worker's quiescent state.
void worker_offline(struct worker *w);
void worker_online(struct worker *w);

struct net *worker_net(struct worker *w);
struct tcp *worker_tcp(struct worker *w);
struct conns *worker_conns(struct worker *w);

// ---- the recorded way of the first trace_count packets

// Copy out the next line of the trace, a text without newline; false: none now.
// From one other thread at most.
bool worker_trace_next(struct worker *w, char *line, size_t size);

// ---- counters: worker.def

#define WORKER_STATS_MODULE "worker"
enum worker_stat {
#define STAT(name, kind, help) WORKER_STAT_##name,
#include "worker/worker.def"
#undef STAT
	WORKER_STAT_COUNT
};
extern const struct stats_set worker_stats_set;
const stat_t *worker_stats(const struct worker *w);
