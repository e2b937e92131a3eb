// SPDX-License-Identifier: BSD-3-Clause
// "stats conns": who listens, and the connections of all workers
//
// A connection's worker keeps struct conn_face beside it, in relaxed atomics, so that any
// worker may read it at any time; nobody waits for anybody. The addresses are guarded by
// seq: a reader that saw the same odd number before and after has those of one connection.

#include "conn/conn_priv.h"

#include <string.h>

#include "base/hotpath.h"

// Per step: connections looked at, most of them closed.
#define LIST_STEP 512

// Four lines: "STAT <n>:listen_addr tcp:255.255.255.255:65535\r\n" is the longest.
#define LIST_ENTRY_MAX 320

struct entry {
	uint64_t number;
	const char *proto; // "tcp:"
	uint32_t addr, listen_addr;
	uint16_t port, listen_port; // listen_port 0: it listens itself
	const char *state;
	uint32_t quiet_s;
};

struct text {
	uint32_t len;
	uint8_t p[LIST_ENTRY_MAX];
};

void conn_face_open(struct conns *cs, const struct conn *c)
{
	struct conn_face *f = &cs->face[c - cs->conn];
	struct tcp_peer peer = tcp_peer(c->tcb);
	uint32_t seq = atomic_load_explicit(&f->seq, memory_order_relaxed);

	// Who sees one of these sees that seq is even, too.
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&f->remote_addr, peer.remote_addr, memory_order_relaxed);
	atomic_store_explicit(&f->local_addr, peer.local_addr, memory_order_relaxed);
	atomic_store_explicit(&f->ports, (uint32_t)peer.remote_port << 16 | peer.local_port,
		memory_order_relaxed);
	conn_face_seen(cs, c);
	atomic_store_explicit(&f->seq, seq + 1, memory_order_release);
}

void conn_face_close(struct conns *cs, const struct conn *c)
{
	struct conn_face *f = &cs->face[c - cs->conn];
	uint32_t seq = atomic_load_explicit(&f->seq, memory_order_relaxed);

	atomic_store_explicit(&f->seq, seq + 1, memory_order_relaxed);
}

// False: closed, or it changed while it was read.
static bool face_read(const struct conn_face *face, struct entry *e, uint32_t now_s)
{
	struct conn_face *f = (struct conn_face *)face;
	uint32_t seq = atomic_load_explicit(&f->seq, memory_order_acquire), ports, active_s;
	uint64_t life;

	if (seq % 2 == 0)
		return false;
	e->addr = atomic_load_explicit(&f->remote_addr, memory_order_relaxed);
	e->listen_addr = atomic_load_explicit(&f->local_addr, memory_order_relaxed);
	ports = atomic_load_explicit(&f->ports, memory_order_relaxed);
	life = atomic_load_explicit(&f->life, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&f->seq, memory_order_relaxed) != seq)
		return false;
	e->port = (uint16_t)(ports >> 16);
	e->listen_port = (uint16_t)ports;
	e->state = conn_state_text((enum conn_state)(life & 0xff));
	active_s = (uint32_t)(life >> 8);
	e->quiet_s = now_s > active_s ? now_s - active_s : 0;
	return e->state != NULL;
}

static void put_text(struct text *t, const char *s)
{
	size_t n = strlen(s);

	memcpy(t->p + t->len, s, n);
	t->len += (uint32_t)n;
}

static void put_number(struct text *t, uint64_t v)
{
	t->len += ascii_format_u64(t->p + t->len, v);
}

static void put_name(struct text *t, const struct entry *e, const char *name)
{
	put_text(t, "STAT ");
	put_number(t, e->number);
	put_text(t, name);
}

static void put_addr(struct text *t, const char *proto, uint32_t addr, uint16_t port)
{
	put_text(t, proto);
	for (int shift = 24; shift >= 0; shift -= 8) {
		put_number(t, addr >> shift & 0xff);
		put_text(t, shift ? "." : ":");
	}
	put_number(t, port);
	put_text(t, "\r\n");
}

static void put_entry(struct chunkq *out, const struct entry *e)
{
	struct text t = {.len = 0};

	put_name(&t, e, ":addr ");
	put_addr(&t, e->proto, e->addr, e->port);
	if (e->listen_port) {
		put_name(&t, e, ":listen_addr ");
		put_addr(&t, e->proto, e->listen_addr, e->listen_port);
	}
	put_name(&t, e, ":state ");
	put_text(&t, e->state);
	put_text(&t, "\r\n");
	put_name(&t, e, ":secs_since_last_cmd ");
	put_number(&t, e->quiet_s);
	put_text(&t, "\r\n");
	chunkq_append(out, t.p, t.len);
}

// All workers have the same listeners; memcached shows its sockets first, too.
static void list_listener(const struct conns *cs, unsigned i, struct chunkq *out)
{
	const struct net_listener *l = &net_conf(cs->net)->listener[i];
	bool udp = l->ip_proto == HDR_PROTO_UDP;
	struct entry e = {
		.number = i,
		.proto = udp ? "udp:" : "tcp:",
		.addr = l->addr,
		.port = l->port,
		.state = udp ? "conn_read" : "conn_listening",
		.quiet_s = store_now_s(cs->store) - cs->start_s,
	};
	struct text t = {.len = 0};

	if (udp) {
		put_name(&t, &e, ":UDP UDP\r\n");
		chunkq_append(out, t.p, t.len);
	}
	put_entry(out, &e);
}

static const struct conns *list_worker(const struct conns *cs, uint32_t worker)
{
	if (!cs->conf.board)
		return worker == cs->conf.board_idx ? cs : NULL;
	return atomic_load_explicit(&cs->conf.board->worker[worker], memory_order_acquire);
}

// Connection idx of a worker. False: it has no more.
static bool list_conn(const struct conns *cs, const struct cmd_walk *asker, uint32_t worker,
	uint32_t idx, struct chunkq *out)
{
	const struct conns *of = list_worker(cs, worker);
	struct entry e = {.proto = "tcp:"};

	if (!of || idx >= of->conf.conn_count_max)
		return false;
	if (!face_read(&of->face[idx], &e, store_now_s(cs->store)))
		return true;
	if (&of->conn[idx].walk == asker) {
		// Its face is that of before the command.
		e.state = conn_state_text(CONN_PARSE_CMD);
		e.quiet_s = 0;
	}
	e.number = net_conf(cs->net)->listener_count + (uint64_t)worker * cs->conf.conn_count_max +
		   idx;
	put_entry(out, &e);
	return true;
}

bool conn_is_list(const struct request *req)
{
	return req->op == OP_STATS && req->args.len >= 5 && memcmp(req->args.p, "conns", 5) == 0 &&
	       (req->args.len == 5 || req->args.p[5] == ' ');
}

// Cursor: row << 32 | index in it; row 0 is the listeners, row n + 1 worker n.
enum cmd_status conn_list_run(struct conns *cs, struct request *req, struct chunkq *out)
{
	struct cmd_walk *walk = req->walk;

	for (unsigned i = 0; i < LIST_STEP && walk->cursor >> 32 <= CONN_WORKERS_MAX; i++) {
		uint32_t row = (uint32_t)(walk->cursor >> 32), idx = (uint32_t)walk->cursor;
		bool more;

		if (out->len >= cs->conf.out_limit)
			return CMD_PAUSED;
		if (!chunkq_has_room(out, LIST_ENTRY_MAX))
			return CMD_BLOCKED;
		if (row > 0) {
			more = list_conn(cs, walk, row - 1, idx, out);
		} else {
			more = idx < net_conf(cs->net)->listener_count;
			if (more)
				list_listener(cs, idx, out);
		}
		walk->cursor = more ? walk->cursor + 1 : (uint64_t)(row + 1) << 32;
	}
	if (walk->cursor >> 32 <= CONN_WORKERS_MAX)
		return CMD_YIELD;
	if (!chunkq_append(out, "END\r\n", 5))
		return CMD_BLOCKED;
	cmd_walk_end(cs->cmd, walk);
	return CMD_DONE;
}
