// SPDX-License-Identifier: BSD-3-Clause
// All connections of a worker: memory, turns, time-outs, drain

#include "conn/conn_priv.h"

#include <stdlib.h>

#include "base/check.h"

#define SWEEP_STEP 256 // connections looked at per conns_poll
#define SWEEP_PERIOD_US 10000 // between two of them
#define PIN_QUIET_S 1 // a reply that moved within it may keep the store's memory pinned

static const struct stat_desc conn_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "conn/conn.def"
#undef STAT
};

const struct stats_set conn_stats_set = {
	.module = CONN_STATS_MODULE,
	.desc = conn_stat_desc,
	.count = CONN_STAT_COUNT,
};

const stat_t *conns_stats(const struct conns *cs)
{
	return cs->stat;
}

struct conns *conns_create(const struct conn_conf *conf, struct net *net, struct tcp *tcp,
	struct cmd *cmd, struct store_ctx *store, uint64_t now_us)
{
	struct conns *cs;

	if (conf->udp_prefix_count > CONN_PREFIXES_MAX || conf->conn_count_max == 0 ||
		conf->long_count == 0 || conf->requests_per_event == 0 || conf->out_limit == 0 ||
		(conf->ref_min_bytes && conf->ref_min_bytes < CONN_REF_MIN_LEAST) ||
		conf->board_idx >= CONN_WORKERS_MAX)
		return NULL;
	cs = calloc(1, sizeof(*cs));
	if (!cs)
		return NULL;
	cs->conf = *conf;
	cs->net = net;
	cs->tcp = tcp;
	cs->cmd = cmd;
	cs->store = store;
	cs->sweep_us = now_us;
	cs->start_s = store_now_s(store);
	cs->work_tail = &cs->work;
	cs->conn = calloc(conf->conn_count_max, sizeof(*cs->conn));
	cs->face = calloc(conf->conn_count_max, sizeof(*cs->face));
	if (!cs->conn || !cs->face ||
		pool_init(&cs->longs, sizeof(struct conn_long), conf->long_count, 64)) {
		conns_destroy(cs);
		return NULL;
	}
	chunkq_init(&cs->udp_out, tcp_chunk_pool(tcp));
	cs->udp_payload_max = net_conf(net)->mtu - HDR_IP4_LEN - HDR_UDP_LEN - UDP_FRAME_LEN;
	if (cs->udp_payload_max > UDP_PAYLOAD_MAX)
		cs->udp_payload_max = UDP_PAYLOAD_MAX;
	for (unsigned i = 0; i < UDP_BUCKETS; i++)
		cs->udp_bucket[i] = (struct udp_bucket){
			.credit = conf->udp_reply_rate_bytes * 1000ULL,
			.filled_ms = now_us / 1000,
		};
	if (conf->board)
		atomic_store_explicit(
			&conf->board->worker[conf->board_idx], cs, memory_order_release);
	return cs;
}

void conns_destroy(struct conns *cs)
{
	if (!cs)
		return;
	// Nobody reads through it any more: lcores are stopped before workers are destroyed.
	if (cs->conf.board)
		atomic_store_explicit(
			&cs->conf.board->worker[cs->conf.board_idx], NULL, memory_order_relaxed);
	for (uint32_t i = 0; cs->conn && i < cs->conf.conn_count_max; i++) {
		cmd_walk_end(cs->cmd, &cs->conn[i].walk);
		if (cs->conn[i].lng && !cs->conn[i].lng->is_get)
			store_put_abort(cs->store, &cs->conn[i].lng->put);
	}
	pool_fini_forced(&cs->longs);
	free(cs->face);
	free(cs->conn);
	free(cs);
}

// Those that yielded go first, each once; who yields again waits for the next call.
static void run_work(struct conns *cs, uint64_t now_us)
{
	struct conn *work = cs->work;

	cs->work = NULL;
	cs->work_tail = &cs->work;
	while (work) {
		struct conn *c = work;

		work = c->next;
		c->queued = false;
		if (c->state == CONN_CLOSED)
			continue;
		cs->ahead_count = cs->ahead_next = 0;
		conn_ahead_add(cs, c);
		conn_ahead_start(cs);
		cs->ahead_end = cs->ahead_count;
		conn_drive(cs, c, now_us);
	}
}

// The next connections that TCP reports: as many as can be parsed ahead. False: none.
static bool run_ready(struct conns *cs, uint64_t now_us)
{
	struct tcb *tcb[CONN_AHEAD_MAX];
	unsigned end[CONN_AHEAD_MAX], n = 0;

	cs->ahead_count = 0;
	while (n < CONN_AHEAD_MAX && cs->ahead_count < CONN_AHEAD_MAX &&
		(tcb[n] = tcp_ready_pop(cs->tcp))) {
		conn_ahead_add(cs, &cs->conn[tcp_index(cs->tcp, tcb[n])]);
		end[n++] = cs->ahead_count;
	}
	conn_ahead_start(cs);
	for (unsigned i = 0; i < n; i++) {
		cs->ahead_next = i > 0 ? end[i - 1] : 0;
		cs->ahead_end = end[i];
		conn_events(
			cs, &cs->conn[tcp_index(cs->tcp, tcb[i])], tcp_take_events(tcb[i]), now_us);
	}
	return n > 0;
}

void conns_run(struct conns *cs, uint64_t now_us)
{
	run_work(cs, now_us);
	while (run_ready(cs, now_us))
		;
}

bool conns_have_work(const struct conns *cs)
{
	return cs->work != NULL;
}

uint64_t conns_next_deadline_us(const struct conns *cs)
{
	bool timed = cs->draining || cs->conf.idle_timeout_s || cs->longs.used_count > 0;

	if (!timed || stat_read(&cs->stat[CONN_STAT_curr_connections]) == 0)
		return UINT64_MAX;
	return cs->sweep_us + SWEEP_PERIOD_US;
}

void conn_unpin(struct conns *cs, struct conn *c)
{
	struct chunkq *out = tcp_send_queue(c->tcb);

	if (out->ref_count == 0)
		return;
	if (chunkq_copy_refs(out))
		CONN_COUNT(cs, unpinned);
}

// Time-outs of one connection.
static void conn_sweep(struct conns *cs, struct conn *c, uint64_t now_us)
{
	uint32_t quiet_s = store_now_s(cs->store) - c->active_s;
	bool between = c->state == CONN_WAITING || c->state == CONN_NEW_CMD;

	if (quiet_s > PIN_QUIET_S)
		conn_unpin(cs, c);
	if (cs->draining && between && tcp_readable(c->tcb) == 0 &&
		tcp_send_queue(c->tcb)->len == 0) {
		conn_close_fin(cs, c, now_us);
	} else if (c->lng && cs->conf.long_timeout_s && quiet_s > cs->conf.long_timeout_s) {
		CONN_COUNT(cs, long_kicks);
		conn_close_now(cs, c, true, now_us);
	} else if (cs->conf.idle_timeout_s && quiet_s > cs->conf.idle_timeout_s) {
		CONN_COUNT(cs, idle_kicks);
		// As memcached: an orderly end, which a client sees as one. But who does not
		// take its reply would hold our memory for as long as it likes.
		if (tcp_send_queue(c->tcb)->len == 0)
			conn_close_fin(cs, c, now_us);
		else
			conn_close_now(cs, c, true, now_us);
	}
}

void conns_poll(struct conns *cs, uint64_t now_us)
{
	uint32_t n = cs->conf.conn_count_max;

	if (now_us - cs->sweep_us < SWEEP_PERIOD_US)
		return;
	cs->sweep_us = now_us;
	if (n > SWEEP_STEP)
		n = SWEEP_STEP;
	while (n-- > 0) {
		struct conn *c = &cs->conn[cs->sweep_idx];

		if (c->state != CONN_CLOSED)
			conn_sweep(cs, c, now_us);
		if (++cs->sweep_idx == cs->conf.conn_count_max)
			cs->sweep_idx = 0;
	}
}

void conns_drain(struct conns *cs, uint64_t now_us)
{
	cs->draining = true;
	cs->sweep_us = now_us - SWEEP_PERIOD_US;
}

const char *conn_state_text(enum conn_state state)
{
	static const char *const name[] = {
		[CONN_CLOSED] = NULL,
		[CONN_NEW_CMD] = "conn_new_cmd",
		[CONN_WAITING] = "conn_waiting",
		[CONN_READ] = "conn_read",
		[CONN_PARSE_CMD] = "conn_parse_cmd",
		[CONN_NREAD] = "conn_nread",
		[CONN_SWALLOW] = "conn_swallow",
		[CONN_MWRITE] = "conn_mwrite",
		[CONN_CLOSING] = "conn_closing",
	};

	return name[state];
}

const char *conn_state_name(const struct conns *cs, uint32_t idx)
{
	return idx < cs->conf.conn_count_max ? conn_state_text(cs->conn[idx].state) : NULL;
}
