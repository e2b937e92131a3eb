// SPDX-License-Identifier: BSD-3-Clause
// One worker without a NIC, and clients that speak to it in whole frames, for benches and the walk
//
// Addresses and ports are those of support/frame.h. The worker is fixed in its random
// numbers: the same calls give the same packets.
#pragma once

#include "worker/worker.h"

struct wclient {
	uint32_t addr; // 0: FRAME_PEER_ADDR
	uint16_t port;
	uint32_t seq; // next to send
	uint32_t ack; // next expected
};

// The worker of this process: a 64 MiB store, UDP answered for everybody; trace_count as in
// worker_conf.
struct worker *wclient_worker(uint64_t now_us, unsigned trace_count);
// With a store of this size in mem, or in memory of its own (NULL).
struct worker *wclient_worker_mem(
	uint64_t now_us, unsigned trace_count, void *mem, uint64_t mem_bytes);
// With room for so many connections (the two above: 256).
struct worker *wclient_worker_conns(uint64_t now_us, uint32_t conn_count_max);
// Its store: context number 1 is free, to fill it without packets.
struct store *wclient_store(void);
// The end of it, with its store and counters.
void wclient_worker_end(struct worker *w, uint64_t now_us);

// A datagram with a memcached request of one line.
struct rte_mbuf *wclient_udp(uint16_t src_port, const char *request);

// A segment of the client's stream; seq moves on. flags: the TCP flag bits.
#define WCLIENT_SYN 2
#define WCLIENT_ACK 16
#define WCLIENT_PSH_ACK 24
#define WCLIENT_FIN_ACK 17
struct rte_mbuf *wclient_tcp(struct wclient *c, uint8_t flags, const char *text, size_t len);

// What the worker sent: the next client_tcp segment of the client it is for acknowledges it.
// Returns the length of the TCP payload.
uint32_t wclient_input(struct wclient *c, unsigned count, const struct rte_mbuf *m);
