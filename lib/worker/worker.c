// SPDX-License-Identifier: BSD-3-Clause
// The packet path: input, poll, take_tx over net, tcp and conn

#include "worker/worker_priv.h"

#include <stdlib.h>

#include "base/check.h"

#define US_PER_S 1000000
#define RCV_BUF_MIN (LINE_LEN_MAX + 1 + STORE_FRAGMENT_LEN + 2)

static const struct stat_desc worker_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "worker/worker.def"
#undef STAT
};

const struct stats_set worker_stats_set = {
	WORKER_STATS_MODULE, worker_stat_desc, WORKER_STAT_COUNT};

const stat_t *worker_stats(const struct worker *w)
{
	return w->stats;
}

static uint32_t worker_now_s(const struct worker *w, uint64_t now_us)
{
	return (uint32_t)((w->unix_us_at_zero + now_us) / US_PER_S);
}

static int worker_register_stats(struct worker *w, struct stats *stats, unsigned idx)
{
	int rc = stats_register(stats, &worker_stats_set, idx, w->stats);

	if (!rc)
		rc = stats_register(stats, &net_stats_set, idx, net_stats(w->net));
	if (!rc)
		rc = stats_register(stats, &tcp_stats_set, idx, tcp_stats(w->tcp));
	if (!rc)
		rc = stats_register(stats, &conn_stats_set, idx, conns_stats(w->conns));
	if (!rc)
		rc = stats_register(stats, &cmd_stats_set, idx, cmd_stats(w->cmd));
	if (!rc)
		rc = stats_register(stats, &store_stats_set, idx, store_ctx_stats(w->store));
	return rc;
}

struct worker *worker_create(const struct worker_conf *conf, uint64_t now_us)
{
	struct worker *w;

	// A command line and its small value wait in the receive buffer as a whole.
	if (conf->conn.conn_count_max != conf->tcp.conn_count_max ||
		conf->tcp.rcv_buf_size < RCV_BUF_MIN ||
		conf->queue_delay_target_us > WORKER_QUEUE_DELAY_MAX_US)
		return NULL;
	if (posix_memalign((void **)&w, 64, sizeof(*w)))
		return NULL;
	*w = (struct worker){
		.idx = conf->idx,
		.unix_us_at_zero = conf->unix_us_at_zero,
		.queue_delay_target_ns = conf->queue_delay_target_us * 1000,
	};
	w->net = net_create(&conf->net, now_us);
	w->store = store_ctx_create(conf->store, conf->idx);
	if (w->net)
		w->tcp = tcp_create(&conf->tcp, w->net, now_us);
	if (w->store)
		w->cmd = cmd_create(&conf->cmd, conf->store, w->store);
	if (w->tcp && w->cmd)
		w->conns = conns_create(&conf->conn, w->net, w->tcp, w->cmd, w->store, now_us);
	if (conf->trace_count)
		w->trace = trace_create(conf->idx, conf->trace_count);
	if (!w->conns || (conf->trace_count && !w->trace) ||
		worker_register_stats(w, conf->stats, conf->idx)) {
		worker_destroy(w, now_us);
		return NULL;
	}
	store_tick(w->store, worker_now_s(w, now_us));
	return w;
}

void worker_destroy(struct worker *w, uint64_t now_us)
{
	if (!w)
		return;
	trace_destroy(w->trace);
	conns_destroy(w->conns);
	cmd_destroy(w->cmd);
	tcp_destroy(w->tcp);
	store_ctx_destroy(w->store);
	net_destroy(w->net);
	free(w);
}

// A UDP get that waited too long. Not one from a NIC queue: nobody stamped it.
static bool worker_is_late(const struct worker *w, const struct net_pkt *pkt, uint64_t now_us)
{
	struct slice key;

	return (pkt->m->ol_flags & NET_MBUF_STEERED) &&
	       net_mbuf_age_ns(pkt->m, (uint32_t)(now_us * 1000)) > w->queue_delay_target_ns &&
	       pkt->l4_len > HDR_UDP_LEN &&
	       udp_get_key(pkt->l4 + HDR_UDP_LEN, pkt->l4_len - HDR_UDP_LEN, &key);
}

static void worker_udp(struct worker *w, struct net_pkt *pkt, unsigned n, uint64_t now_us)
{
	unsigned kept = 0;

	for (unsigned i = 0; w->queue_delay_target_ns && i < n; i++) {
		if (unlikely_(worker_is_late(w, &pkt[i], now_us))) {
			stat_inc(&w->stats[WORKER_STAT_drop_queue_delay]);
			rte_pktmbuf_free(pkt[i].m);
		} else {
			pkt[kept++] = pkt[i];
		}
	}
	conns_udp(w->conns, pkt, w->queue_delay_target_ns ? kept : n, now_us);
}

// TCP packets first, each through its connection's queues, then every connection that
// became ready; UDP as one batch.
static void worker_demux(struct worker *w, struct net_pkt *pkt, unsigned n, uint64_t now_us)
{
	struct net_pkt udp[NET_BURST_MAX];
	unsigned udp_count = 0;

	if (n > 1) // one alone has nothing to overlap with
		tcp_prefetch(w->tcp, pkt, n);
	for (unsigned i = 0; i < n; i++) {
		if (pkt[i].ip_proto == HDR_PROTO_TCP)
			tcp_input(w->tcp, &pkt[i], now_us);
		else if (net_listens(w->net, pkt[i].path.local, pkt[i].dst_port, HDR_PROTO_UDP))
			udp[udp_count++] = pkt[i];
		else
			udp_closed(w->net, &pkt[i], now_us);
	}
	if (udp_count > 0)
		worker_udp(w, udp, udp_count, now_us);
	conns_run(w->conns, now_us);
}

void worker_input(struct worker *w, struct rte_mbuf **m, unsigned n, uint64_t now_us)
{
	struct net_pkt pkt[NET_BURST_MAX];

	if (unlikely_(w->trace != NULL)) {
		// One at a time, so that each packet's effects can be told apart.
		for (unsigned i = 0; i < n; i++) {
			trace_before(w, m[i], now_us);
			worker_demux(w, pkt, net_input(w->net, &m[i], 1, pkt, now_us), now_us);
			trace_after(w, now_us);
		}
		return;
	}
	worker_demux(w, pkt, net_input(w->net, m, n, pkt, now_us), now_us);
}

void worker_poll(struct worker *w, uint64_t now_us)
{
	net_poll(w->net, now_us);
	tcp_poll(w->tcp, now_us);
	conns_poll(w->conns, now_us);
	conns_run(w->conns, now_us);
	store_tick(w->store, worker_now_s(w, now_us));
}

unsigned worker_take_tx(struct worker *w, struct rte_mbuf **m, unsigned n)
{
	return net_take_tx(w->net, m, n);
}

uint64_t worker_next_deadline_us(const struct worker *w, uint64_t now_us)
{
	uint64_t tcp_us = tcp_next_deadline_us(w->tcp), conns_us = conns_next_deadline_us(w->conns);

	if (net_tx_count(w->net) > 0 || conns_have_work(w->conns))
		return now_us;
	return tcp_us < conns_us ? tcp_us : conns_us;
}

void worker_drain(struct worker *w, uint64_t now_us)
{
	tcp_set_draining(w->tcp, true);
	conns_drain(w->conns, now_us);
}

bool worker_is_drained(const struct worker *w)
{
	return tcp_conn_count(w->tcp) == 0 && net_tx_count(w->net) == 0;
}

void worker_offline(struct worker *w)
{
	store_offline(w->store);
}

void worker_online(struct worker *w)
{
	store_online(w->store);
}

struct net *worker_net(struct worker *w)
{
	return w->net;
}

struct tcp *worker_tcp(struct worker *w)
{
	return w->tcp;
}

struct conns *worker_conns(struct worker *w)
{
	return w->conns;
}

bool worker_trace_next(struct worker *w, char *line, size_t size)
{
	return w->trace && trace_next(w->trace, line, size);
}
