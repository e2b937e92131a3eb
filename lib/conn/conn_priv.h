// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/conn: one connection, and what all connections of a worker share
#pragma once

#include "base/siphash.h"
#include "conn/conn.h"

// memcached's names (memcached.h). The law of each state and the transitions
// are at the head of conn.c.
enum conn_state {
	CONN_CLOSED,
	CONN_NEW_CMD,
	CONN_WAITING,
	CONN_READ,
	CONN_PARSE_CMD,
	CONN_NREAD,
	CONN_SWALLOW,
	CONN_MWRITE,
	CONN_CLOSING,
};

// A command that is too long to wait in TCP's receive queue: a value above
// STORE_FRAGMENT_LEN on its way in, or a get line above CONN_LINE_MAX.
struct conn_long {
	struct request req; // upload: key points to put.key
	struct store_put put; // upload
	uint32_t crlf_have; // upload: bytes of the final CRLF seen
	bool crlf_ok;
	bool is_get;
	bool started; // get: the first piece was run
};

struct conn {
	enum conn_state state;
	bool detected; // the protocol of the first byte is known
	bool queued; // on the work list
	bool eof; // the peer's FIN came: what is readable now is the end
	uint32_t get_off; // paused get: offset of the first key not answered yet
	uint32_t scanned; // bytes at the front of the input known to hold no line end
	uint32_t need; // CONN_NREAD: bytes of line and data block together
	uint32_t swallow_left; // CONN_SWALLOW
	uint32_t active_s; // last time a request, or its reply, made progress
	struct tcb *tcb;
	struct conn_long *lng;
	struct conn *next; // work list
	struct cmd_walk walk; // of a command that walks over all items or connections
};

// What "stats conns" of any worker shows of a connection. Its worker writes when the
// connection opens, closes, and whenever it waits again.
struct conn_face {
	_Atomic uint32_t seq; // odd while the connection is open: the addresses are valid
	_Atomic uint32_t remote_addr, local_addr;
	_Atomic uint32_t ports; // remote << 16 | local
	_Atomic uint64_t life; // active_s << 8 | state
};

// A datagram that was accepted.
struct udp_job {
	struct net_pkt *pkt;
	const struct conn_prefix *prefix;
	struct udp_frame frame;
	struct slice text; // starts with a command line
	enum parse_status parsed; // of that line: PARSE_OK or PARSE_BAD
	struct request req;
};

// A command parsed before its turn (conn_ahead.c).
struct conn_ahead {
	const uint8_t *at; // its first byte, in TCP's receive queue
	struct request req;
};
#define CONN_AHEAD_MAX 32
#define CONN_ITEMS_AHEAD 8 // commands between the prefetch of an item and its use; UDP too

// Reply bytes a group of source prefixes may still cause.
struct udp_bucket {
	uint64_t credit; // bytes times 1000
	uint64_t filled_ms;
};
#define UDP_BUCKETS 4096

struct conns {
	struct conn_conf conf;
	struct net *net;
	struct tcp *tcp;
	struct cmd *cmd;
	struct store_ctx *store;
	struct conn *conn; // conf.conn_count_max, by tcb index
	struct conn_face *face; // the same
	uint32_t start_s;
	struct pool longs;
	struct conn *work, **work_tail; // yielded, or waiting for memory
	uint32_t sweep_idx; // conns_poll goes on here
	uint64_t sweep_us;
	bool draining;
	// Of the connections that are run now, in turn; [ahead_next, ahead_end) are those of the
	// one that runs.
	unsigned ahead_count, ahead_next, ahead_end;
	struct conn_ahead ahead[CONN_AHEAD_MAX];
	uint8_t line[CONN_LINE_MAX]; // a command that lies in several mbufs, made contiguous
	uint32_t udp_payload_max; // of a reply datagram: UDP_PAYLOAD_MAX, or as the MTU allows
	struct chunkq udp_out;
	struct udp_job udp_job[NET_BURST_MAX];
	struct udp_bucket udp_bucket[UDP_BUCKETS];
	stat_t stat[CONN_STAT_COUNT];
};

#define CONN_COUNT(cs, name) stat_inc(&(cs)->stat[CONN_STAT_##name])
#define CONN_ADD(cs, name, n) stat_add(&(cs)->stat[CONN_STAT_##name], n)

const char *conn_state_text(enum conn_state state);

// Keep what others see of c true. seen: after c ran.
void conn_face_open(struct conns *cs, const struct conn *c);
void conn_face_close(struct conns *cs, const struct conn *c);
static inline void conn_face_seen(struct conns *cs, const struct conn *c)
{
	atomic_store_explicit(&cs->face[c - cs->conn].life, (uint64_t)c->active_s << 8 | c->state,
		memory_order_relaxed);
}

// "stats conns": a walk over the connections of all workers, in steps as lib/cmd's.
bool conn_is_list(const struct request *req);
enum cmd_status conn_list_run(struct conns *cs, struct request *req, struct chunkq *out);

// Put c on the work list: it runs again in the next conns_run.
void conn_queue_work(struct conns *cs, struct conn *c);

// Parse what c has to say, behind what is parsed ahead already; then, when all connections
// of the batch are added, start to fetch the items.
void conn_ahead_add(struct conns *cs, const struct conn *c);
void conn_ahead_start(struct conns *cs);
// The command of the running connection that begins at this byte, if it was parsed ahead.
struct request *conn_ahead_take(struct conns *cs, const uint8_t *at);

// Drive c until it must wait.
void conn_drive(struct conns *cs, struct conn *c, uint64_t now_us);

// Take what TCP reports about c.
void conn_events(struct conns *cs, struct conn *c, unsigned events, uint64_t now_us);

// Copy what c's reply still pins in the store, if there is memory for it.
void conn_unpin(struct conns *cs, struct conn *c);

// Give c up: with a reset, or leave what was begun to TCP.
void conn_close_now(struct conns *cs, struct conn *c, bool reset, uint64_t now_us);
// FIN behind what is queued; input that was not read is dropped.
void conn_close_fin(struct conns *cs, struct conn *c, uint64_t now_us);
