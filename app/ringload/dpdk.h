// SPDX-License-Identifier: BSD-3-Clause
// Engines dpdk-udp and dpdk-tcp: what their files share
//
// engine_dpdk.c opens the device and hands out queues; dpdk_eal.c makes EAL's arguments;
// dpdk_arp.c finds the server and answers for the client's address; dpdk_frame.c writes and reads
// frames; dpdk_rx.c receives and sleeps; dpdk_loop.c is the loop of a generator lcore over UDP;
// dpdk_flood.c the one of --flood; dpdk_tcp.c has the connections of one, dpdk_tcp_loop.c its loop.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "load/flood.h"
#include "load/stream.h"
#include "load/tcpc.h"
#include "load/udp.h"
#include "net/hdr.h"
#include "port/port.h"
#include "ringload.h"

#define DPDK_BURST 32
#define DPDK_QUEUES_MAX 128
#define DPDK_HEAD_LEN (HDR_ETH_LEN + HDR_IP4_LEN + HDR_UDP_LEN)
#define DPDK_IP_END (HDR_ETH_LEN + HDR_IP4_LEN)

// The TSC as nanoseconds since start.
struct dpdk_clock {
	uint64_t tsc_at_zero;
	uint64_t ns_per_tick_q32; // fixed point, 32 fraction bits
};

static inline uint64_t dpdk_clock_ns(const struct dpdk_clock *c)
{
	unsigned __int128 d = rte_rdtsc() - c->tsc_at_zero;

	return (uint64_t)(d * c->ns_per_tick_q32 >> 32);
}

struct dpdk_state;

struct dpdk_conn {
	struct tcpc tcp;
	struct stream stream;
	uint32_t served; // requests since it was opened
	bool reopen;
	bool dirty; // in the list of those that may have something to send
	uint64_t since_ns; // opening or closing since; closed: open again at
};

// The connections of a generator lcore; the number of one is that of its source port.
struct dpdk_tcp {
	struct tcpc_conf conf;
	uint32_t conn_count, next_conn, in_flight, connecting;
	uint32_t dirty_count, scan_at;
	uint64_t scan_ns;
	bool hanging_up; // open no more
	struct dpdk_conn *conn;
	uint32_t *dirty;
};

// The requests of a flood as whole frames.
struct dpdk_flood {
	struct flood load;
	uint32_t next;
	uint32_t frame_size; // of the longest, rounded up: the distance between them
	uint16_t frame_len[FLOOD_REQUESTS];
	uint8_t *frame;
};

// A generator lcore.
struct dpdk_io {
	struct dpdk_state *st;
	struct gen_thread *t;
	struct udp_client *client; // one of these two
	struct dpdk_tcp *tcp;
	struct dpdk_flood *flood; // with --flood, beside client, which fills the server
	unsigned lcore_id;
	uint16_t tx_queue;
	unsigned rx_queue_count;
	uint16_t rx_queue[DPDK_QUEUES_MAX];
	uint16_t port_first, port_count; // its source ports
	struct rte_ring *ring; // datagrams for its ports that came on another lcore's queue
	struct rte_mbuf *spare; // allocated, not yet filled
	struct rte_mbuf *tx[DPDK_BURST]; // not yet taken by the device
	uint32_t ticket[DPDK_BURST];
	unsigned tx_count;
	bool tx_waited; // they were refused before
	uint16_t ip_id;
	uint32_t empty_turns;
	uint8_t head[DPDK_HEAD_LEN]; // of every request, but for lengths, id, port, checksums
};

struct dpdk_state {
	struct dpdk_clock clock;
	struct run *run;
	bool eal_up;
	void *eal_args; // EAL keeps pointers into them
	char runtime_dir[512]; // to be removed; "": not ours
	struct rte_mempool *pool;
	struct port port;
	uint8_t server_mac[6];
	struct dpdk_io io[RINGLOAD_THREADS_MAX];
};

// dpdk_eal.c: arguments from the options, rte_eal_init. 0 or -1 and a sentence.
int dpdk_eal_init(struct dpdk_state *st, uint32_t mbufs, char err[RINGLOAD_ERR_SIZE]);
void dpdk_eal_cleanup(struct dpdk_state *st);

// dpdk_arp.c: the MAC address of the server or the gateway. 0 or -1 and a sentence.
int dpdk_arp_resolve(struct dpdk_state *st, char err[RINGLOAD_ERR_SIZE]);
// Turn a request for the client's address into its reply, in place. False: it is none.
bool dpdk_arp_answer(const struct dpdk_state *st, struct rte_mbuf *m, const struct hdr *h);
// Answer m if it asks for us; it is gone then, and else.
void dpdk_arp_input(struct dpdk_io *io, struct rte_mbuf *m, const struct hdr *h);

// dpdk_frame.c
void dpdk_frame_init(struct dpdk_io *io);
// Finish a request whose payload of len bytes is in place behind the head.
void dpdk_frame_finish(struct dpdk_io *io, struct rte_mbuf *m, uint16_t src_port, uint32_t len);
// Finish a TCP segment of len bytes, header and payload, in place at DPDK_IP_END.
void dpdk_frame_finish_tcp(struct dpdk_io *io, struct rte_mbuf *m, uint32_t len);
// Where a request's payload goes.
static inline uint8_t *dpdk_frame_payload(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, DPDK_HEAD_LEN);
}
enum dpdk_frame {
	DPDK_FRAME_OTHER, // not for us
	DPDK_FRAME_ARP,
	DPDK_FRAME_REPLY, // of the server, for one of our source ports
	DPDK_FRAME_BAD_CKSUM, // the same, damaged
};
enum dpdk_frame dpdk_frame_parse(const struct dpdk_state *st, struct rte_mbuf *m, struct hdr *h);

// dpdk_loop.c: the body of a generator lcore; a struct dpdk_io.
int dpdk_loop(void *arg);

// dpdk_flood.c: 0 or -1 for want of memory; the loop of a struct dpdk_io.
int dpdk_flood_create(struct dpdk_io *io);
void dpdk_flood_destroy(struct dpdk_flood *fl);
int dpdk_flood_loop(void *arg);

// dpdk_rx.c: what has come, on all queues of this lcore. Returns how many frames.
unsigned dpdk_receive(struct dpdk_io *io);
// Nothing came and nothing was due.
void dpdk_idle(struct dpdk_io *io, uint64_t now_ns, uint32_t in_flight);
void dpdk_udp_input(
	struct dpdk_io *io, uint16_t port, const uint8_t *udp, uint16_t len, uint64_t now_ns);

// dpdk_tcp.c: 0 or -1 for want of memory.
int dpdk_tcp_create(struct dpdk_io *io);
void dpdk_tcp_destroy(struct dpdk_tcp *t);
void dpdk_tcp_input(
	struct dpdk_io *io, uint16_t port, const uint8_t *p, uint16_t len, uint64_t now_ns);
// A request was added, a timer ended: there may be something to send.
void dpdk_tcp_dirty(struct dpdk_tcp *t, struct dpdk_conn *c);
// Timers, opening, timeouts of the connections whose turn it is: all within some milliseconds.
void dpdk_tcp_scan(struct dpdk_io *io, uint64_t now_ns);
// Build and hand to the device what can be sent. Returns how many segments.
unsigned dpdk_tcp_flush(struct dpdk_io *io, uint64_t now_ns);

// dpdk_tcp_loop.c: the body of a generator lcore; a struct dpdk_io.
int dpdk_tcp_loop(void *arg);
// By the main lcore: one connection that must come up, so that a wrong address is told at once.
int dpdk_tcp_probe(struct dpdk_io *io, char err[RINGLOAD_ERR_SIZE]);
// By the main lcore, after the generators' end: close all in order, or reset them.
void dpdk_tcp_hang_up(struct dpdk_io *io);
