// SPDX-License-Identifier: BSD-3-Clause
// Which worker gets a frame: one struct steer per lcore that receives, one bucket table for all
//
//   steer_burst   frames -> flow -> hash -> bucket -> worker; one enqueue per worker
//   steer_take    the worker's side: frames from one ring, and how long they waited
//   steer_poll    notices of closed flows from the workers, the coarse clock
//
// The hash is the Toeplitz hash that NICs compute for RSS over addresses and ports,
// with the same key, so a flow lands on the same worker whoever computes it. Frames
// that are no TCP or UDP flow over IPv4 (ARP, ICMP, fragments, malformed ones) go to
// misc_worker, which answers or counts them. An ICMP error goes where its flow is.
//
// With udp_by_key a UDP datagram that is one get goes by the hash of its first key instead, so
// that few clients (a proxy) use all workers. Any worker can answer it: the store is one, and
// datagrams have no order. What a client sent before, and has no answer to, may be done later.
//
// Policy STEER_ROUNDROBIN spreads new TCP connections evenly however few there are:
//
//   SYN of an unknown flow    the next worker; the flow is entered in the table
//   SYN of a known flow       the same worker: a retransmission, or a reuse that
//                             TIME-WAIT must see
//   other segment             the worker of the table, or of the bucket when unknown
//   table full                the bucket's worker, for all segments of that flow
//
// An entry is OPEN once the peer answered the SYN-ACK; before, it is HALF-OPEN and
// may be replaced after STEER_HALF_OPEN_S without a SYN (longer than any pause between
// two SYNs of one attempt). The worker's notice that the last trace of a flow is gone
// closes an OPEN entry; closed ones may be replaced after STEER_CLOSED_S. A notice that
// crosses a SYN of the same tuple in flight does not take the new connection's entry:
// it becomes HALF-OPEN. What cannot be placed in FLOW_WINDOW slots counts as table full:
// a flood of SYNs costs the even spread, never a connection that is OPEN. One case is left:
// a retransmitted SYN may find a free slot that its first copy did not find,
// and go to another worker, which ends in a reset if both were answered.
//
// Who receives is an RX lcore, or a worker that owns a NIC queue (mode hybrid) and gets
// its own frames back instead of finding them in a ring.
//
// Threads: struct steer has one owner. steer_table is shared: one writer at a time,
//   any reader. Rings are single producer, single consumer.
// Memory: taken at start. Limits: STEER_WORKERS_MAX, STEER_BURST_MAX; a full ring drops
//   the newest frames and counts them.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdatomic.h>

#include "base/siphash.h"
#include "stats/latency.h"
#include "stats/stats.h"

#define STEER_WORKERS_MAX 64
#define STEER_BUCKETS 512
#define STEER_BURST_MAX 64 // most frames per steer_burst
#define STEER_RSS_KEY_LEN 40
#define STEER_FLOWS_MAX (1u << 24)
#define STEER_HALF_OPEN_S 75
#define STEER_CLOSED_S 2

enum steer_policy { STEER_HASH, STEER_ROUNDROBIN };

// A flow as the packets from the peer show it. Host byte order.
struct steer_tuple {
	uint32_t src_addr; // the peer
	uint32_t dst_addr; // ours
	uint16_t src_port;
	uint16_t dst_port;
};

struct steer_conf {
	unsigned worker_count;
	enum steer_policy policy;
	uint8_t rss_key[STEER_RSS_KEY_LEN];
	bool use_nic_hash; // trust mbufs with RTE_MBUF_F_RX_RSS_HASH: the NIC has rss_key
	bool udp_by_key;
	uint32_t flow_count_max; // roundrobin: connections to remember
	uint32_t flow_idle_s; // roundrobin: OPEN entries idle for longer may be replaced; 0: never
	struct siphash_key key; // of the flow table, and of udp_by_key: one for all who receive
	bool moves; // buckets may move (move.h): policy hash, keeps_own unset
	bool keeps_own; // the owner is worker own_worker; ring[own_worker] is not looked at
	unsigned own_worker;
	struct rte_ring *ring[STEER_WORKERS_MAX];
	struct rte_ring *closed_ring[STEER_WORKERS_MAX]; // or NULL; steer_closed_ring_create
	unsigned misc_worker;
};

// ---- the bucket table: hash & (STEER_BUCKETS - 1) -> worker

struct steer_table;

// Buckets dealt to workers 0 .. worker_count - 1 in turn. NULL: out of memory or limits.
struct steer_table *steer_table_create(unsigned worker_count);
void steer_table_destroy(struct steer_table *table);
// While packets flow; the next burst sees it. bucket and worker must be in range.
void steer_table_set(struct steer_table *table, unsigned bucket, unsigned worker);
unsigned steer_table_get(const struct steer_table *table, unsigned bucket);

// ---- the hash

// Contribution of each value of each of the 12 bytes of addresses and ports.
struct steer_toeplitz {
	uint32_t lut[12][256];
};

void steer_toeplitz_init(struct steer_toeplitz *t, const uint8_t key[STEER_RSS_KEY_LEN]);
uint32_t steer_toeplitz(const struct steer_toeplitz *t, const struct steer_tuple *flow);

// ---- steering

struct steer;

// NULL: out of memory, or conf is out of its limits. The rings and the table stay the
// caller's and must outlive it.
struct steer *steer_create(const struct steer_conf *conf, struct steer_table *table);
void steer_destroy(struct steer *s);

// Hand n <= STEER_BURST_MAX frames to the workers; the mbufs are gone, but for those of the owner's
// own worker: they are in m[0 .. returned), in the order in which they came. The hash of a
// TCP or UDP frame is in mbuf->hash.rss afterwards (RTE_MBUF_F_RX_RSS_HASH). All are stamped with
// now_ns, the low half of the clock of all lcores (NET_MBUF_STEERED).
unsigned steer_burst(struct steer *s, struct rte_mbuf **m, unsigned n, uint32_t now_ns);

// Once per loop turn: a bounded number of closed-flow notices. now_us: monotonic.
void steer_poll(struct steer *s, uint64_t now_us);

// ---- rings

// For mbufs, SP/SC. Holds size - 1 of them, size rounded up to a power of two. NULL: no
// memory, or the name is taken.
struct rte_ring *steer_ring_create(const char *name, unsigned size, int socket);
// Up to n of the oldest frames in a ring. What each waited since its stamp is added to wait,
// modulo 2^32 ns.
unsigned steer_take(struct rte_ring *ring, struct rte_mbuf **m, unsigned n, uint32_t now_ns,
	struct latency *wait);
// For closed-flow notices, worker -> RX lcore.
struct rte_ring *steer_closed_ring_create(const char *name, unsigned size, int socket);
// False: full, nothing was entered; try again later, or let the entry age.
bool steer_closed_enqueue(struct rte_ring *ring, const struct steer_tuple *flow);

// ---- counters: steer.def

#define STEER_STATS_MODULE "steer"
enum steer_stat {
#define STAT(name, kind, help) STEER_STAT_##name,
#include "steer/steer.def"
#undef STAT
	STEER_STAT_COUNT
};
extern const struct stats_set steer_stats_set;
const stat_t *steer_stats(const struct steer *s);
// Frames dropped because this worker's ring was full.
uint64_t steer_ring_full(const struct steer *s, unsigned worker);
