// SPDX-License-Identifier: BSD-3-Clause
// Engine dpdk-tcp: the loop of a generator lcore; the first connection, and the last goodbye

#include <rte_cycles.h>

#include "dpdk.h"

#define REQUESTS_PER_TURN 64
#define PROBE_NS 5000000000ULL
#define GOODBYE_NS 300000000ULL
#define POLL_US 50

// The next connection with room for a request; in turn, so that all have their share.
static struct dpdk_conn *conn_with_room(struct dpdk_io *io)
{
	uint32_t reconnect = io->st->run->opt.reconnect;
	struct dpdk_tcp *t = io->tcp;

	for (uint32_t i = 0; i < t->conn_count; i++) {
		struct dpdk_conn *c = &t->conn[t->next_conn];

		t->next_conn = t->next_conn + 1 < t->conn_count ? t->next_conn + 1 : 0;
		if (c->tcp.state == TCPC_OPEN && !c->tcp.peer_fin && stream_has_room(&c->stream) &&
			(!reconnect || c->served < reconnect))
			return c;
	}
	return NULL;
}

// Fill the open pipelines with what is due.
static unsigned add_due(struct dpdk_io *io, uint64_t now_ns)
{
	struct gen *g = &io->t->gen;
	unsigned n;

	// Nothing due, or as many in flight as may be: no search for a connection.
	if (gen_wake_ns(g, now_ns, io->tcp->in_flight) > now_ns && !g->plan.preload)
		g->blocked = false;
	for (n = 0; n < REQUESTS_PER_TURN; n++) {
		struct dpdk_conn *c;
		struct load_request req;
		uint64_t due_ns;

		if (!g->plan.preload && gen_wake_ns(g, now_ns, io->tcp->in_flight) > now_ns)
			break;
		c = conn_with_room(io);
		if (!c)
			gen_block(g, now_ns);
		if (!c || !gen_next(g, now_ns, io->tcp->in_flight, &req, &due_ns))
			break;
		stream_add(&c->stream, &req, due_ns, now_ns);
		c->served++;
		io->tcp->in_flight++;
		dpdk_tcp_dirty(io->tcp, c);
	}
	return n;
}

int dpdk_tcp_loop(void *arg)
{
	struct dpdk_io *io = arg;
	struct gen_thread *t = io->t;
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock);

	while (!gen_finished(&t->gen, now_ns, io->tcp->in_flight)) {
		unsigned work = dpdk_receive(io);

		now_ns = dpdk_clock_ns(&io->st->clock);
		dpdk_tcp_scan(io, now_ns);
		work += add_due(io, now_ns);
		work += dpdk_tcp_flush(io, now_ns);
		if (work > 0)
			io->empty_turns = 0;
		else
			dpdk_idle(io, now_ns, io->tcp->in_flight);
		if (atomic_load_explicit(&t->run->stop, memory_order_relaxed))
			gen_stop(&t->gen, now_ns);
	}
	atomic_store(&t->finished, true);
	return 0;
}

int dpdk_tcp_probe(struct dpdk_io *io, char err[RINGLOAD_ERR_SIZE])
{
	struct dpdk_conn *c = &io->tcp->conn[0];
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock), end_ns = now_ns + PROBE_NS;
	const struct tally *book = io->t->gen.book[GEN_MEASURE];

	while (now_ns < end_ns && tally_get(book, LOAD_STAT_connect_errors) == 0) {
		dpdk_receive(io);
		now_ns = dpdk_clock_ns(&io->st->clock);
		dpdk_tcp_scan(io, now_ns);
		dpdk_tcp_flush(io, now_ns);
		if (c->tcp.state == TCPC_OPEN)
			return 0;
		rte_delay_us_sleep(POLL_US);
	}
	snprintf(err, RINGLOAD_ERR_SIZE, "cannot connect to the server: %s",
		now_ns < end_ns ? "connection refused" : "no answer");
	return -1;
}

void dpdk_tcp_hang_up(struct dpdk_io *io)
{
	uint64_t now_ns = dpdk_clock_ns(&io->st->clock), end_ns = now_ns + GOODBYE_NS;
	struct dpdk_tcp *t = io->tcp;
	bool left = true;

	t->hanging_up = true;
	while (left && now_ns < end_ns) {
		left = false;
		for (uint32_t i = 0; i < t->conn_count; i++) {
			struct dpdk_conn *c = &t->conn[i];

			if (c->tcp.state == TCPC_OPEN)
				tcpc_close(&c->tcp);
			else if (c->tcp.state == TCPC_SYN_SENT)
				tcpc_abort(&c->tcp);
			dpdk_tcp_dirty(t, c);
			left |= c->tcp.state == TCPC_CLOSING;
		}
		dpdk_tcp_flush(io, now_ns);
		rte_delay_us_sleep(POLL_US);
		dpdk_receive(io);
		now_ns = dpdk_clock_ns(&io->st->clock);
	}
	for (uint32_t i = 0; i < t->conn_count; i++) {
		if (t->conn[i].tcp.state == TCPC_CLOSING)
			tcpc_abort(&t->conn[i].tcp);
		dpdk_tcp_dirty(t, &t->conn[i]);
	}
	dpdk_tcp_flush(io, now_ns);
	rte_pktmbuf_free_bulk(io->tx, io->tx_count);
	io->tx_count = 0;
}
