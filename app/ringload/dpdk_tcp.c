// SPDX-License-Identifier: BSD-3-Clause
// Engine dpdk-tcp: the connections of a generator lcore, from segment to answer and back

#include <stdlib.h>
#include <time.h>

#include "dpdk.h"
#include "load/mix.h"

#define MS 1000000ULL
#define SCAN_NS (2 * MS) // each connection is looked at so often
#define RETRY_NS (100 * MS) // a connection that was refused
#define CONNECTING_MAX 256 // at once: a listener's queue is finite

int dpdk_tcp_create(struct dpdk_io *io)
{
	const struct options *o = &io->st->run->opt;
	struct dpdk_tcp *t = calloc(1, sizeof(*t));

	io->tcp = t;
	if (!t)
		return -1;
	t->conf = (struct tcpc_conf){
		.mss = (uint16_t)(o->mtu - HDR_IP4_LEN - HDR_TCP_LEN),
		.rto_first_ns = 1000 * MS,
		.rto_min_ns = 200 * MS,
		.rto_max_ns = 60000 * MS,
		.ack_delay_ns = 10 * MS,
		.tries_max = 8,
	};
	t->conn = calloc(io->port_count, sizeof(*t->conn));
	t->dirty = calloc(io->port_count, sizeof(*t->dirty));
	if (!t->conn || !t->dirty)
		return -1;
	for (; t->conn_count < io->port_count; t->conn_count++) {
		struct dpdk_conn *c = &t->conn[t->conn_count];

		tcpc_init(&c->tcp, &t->conf, (uint16_t)(io->port_first + t->conn_count),
			o->server_port);
		if (stream_init(&c->stream, &io->t->gen, o->pipeline))
			return -1;
	}
	return 0;
}

void dpdk_tcp_destroy(struct dpdk_tcp *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->conn_count; i++)
		stream_free(&t->conn[i].stream);
	free(t->conn);
	free(t->dirty);
	free(t);
}

static struct tally *book_now(const struct dpdk_io *io, uint64_t now_ns)
{
	const struct gen *g = &io->t->gen;

	return g->book[now_ns < g->plan.measure_ns ? GEN_WARMUP : GEN_MEASURE];
}

void dpdk_tcp_dirty(struct dpdk_tcp *t, struct dpdk_conn *c)
{
	if (!c->dirty)
		t->dirty[t->dirty_count++] = (uint32_t)(c - t->conn);
	c->dirty = true;
}

// RFC 6528: a clock, and what others cannot guess; the wall clock, as a run before may have used
// the same ports.
static uint32_t initial_seq(const struct dpdk_conn *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint32_t)(((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec) >> 12) +
	       (uint32_t)mix64(c->tcp.src_port);
}

static void conn_open(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns)
{
	if (io->tcp->connecting >= CONNECTING_MAX || io->tcp->hanging_up)
		return; // the next scan tries again
	tcpc_open(&c->tcp, initial_seq(c));
	c->since_ns = now_ns;
	c->served = 0;
	io->tcp->connecting++;
	dpdk_tcp_dirty(io->tcp, c);
}

// No TCP connection any more: what is in flight is lost.
static void conn_gone(struct dpdk_io *io, struct dpdk_conn *c, uint64_t reopen_ns, uint64_t now_ns)
{
	uint32_t lost = stream_abort(&c->stream, now_ns);

	if (lost)
		tally_add(book_now(io, now_ns), LOAD_STAT_disconnects, 1);
	io->tcp->in_flight -= lost;
	c->since_ns = reopen_ns;
	dpdk_tcp_dirty(io->tcp, c); // its RST or last ACK
}

static void conn_abort(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns)
{
	tcpc_abort(&c->tcp);
	conn_gone(io, c, now_ns, now_ns);
}

static void conn_failed(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns)
{
	io->tcp->connecting--;
	tally_add(book_now(io, now_ns), LOAD_STAT_connect_errors, 1);
	conn_gone(io, c, now_ns + RETRY_NS, now_ns);
}

static void conn_connected(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns)
{
	struct tally *book = book_now(io, now_ns);

	io->tcp->connecting--;
	tally_add(book, LOAD_STAT_connects, 1);
	hist_add(&book->connect, now_ns - c->since_ns);
}

static void conn_close(struct dpdk_conn *c, uint64_t now_ns)
{
	tcpc_close(&c->tcp);
	c->since_ns = now_ns;
}

static void on_event(
	struct dpdk_io *io, struct dpdk_conn *c, enum tcpc_event event, uint64_t now_ns)
{
	switch (event) {
	case TCPC_CONNECTED:
		conn_connected(io, c, now_ns);
		break;
	case TCPC_REFUSED:
		conn_failed(io, c, now_ns);
		break;
	case TCPC_PEER_CLOSED:
		if (c->stream.count > 0)
			conn_abort(io, c, now_ns);
		else if (c->tcp.state == TCPC_OPEN)
			conn_close(c, now_ns);
		break;
	case TCPC_ENDED:
		conn_gone(io, c, now_ns, now_ns);
		c->reopen = true; // churn: the next as soon as our last ACK is on its way
		break;
	case TCPC_RESET:
	case TCPC_GAVE_UP:
		conn_gone(io, c, now_ns, now_ns);
		break;
	case TCPC_NOTHING:
		break;
	}
}

void dpdk_tcp_input(
	struct dpdk_io *io, uint16_t port, const uint8_t *p, uint16_t len, uint64_t now_ns)
{
	uint32_t reconnect = io->st->run->opt.reconnect;
	struct dpdk_conn *c = &io->tcp->conn[port];
	uint32_t before = c->stream.count;
	struct tcpc_in in;
	int done = 0;

	tcpc_input(&c->tcp, p, len, now_ns, &in);
	if (in.acked)
		stream_sent(&c->stream, in.acked);
	if (in.len > 0) {
		done = stream_input(&c->stream, in.data, in.len, now_ns);
		io->tcp->in_flight -= before - c->stream.count;
	}
	if (c->tcp.out_of_order) {
		tally_add(book_now(io, now_ns), LOAD_STAT_out_of_order, c->tcp.out_of_order);
		c->tcp.out_of_order = 0;
	}
	dpdk_tcp_dirty(io->tcp, c);
	if (done < 0) {
		if (c->tcp.state == TCPC_CLOSED) // a FIN came with it
			conn_gone(io, c, now_ns, now_ns);
		else
			conn_abort(io, c, now_ns);
		return;
	}
	on_event(io, c, in.event, now_ns);
	if (c->tcp.state == TCPC_OPEN && reconnect && c->served >= reconnect &&
		c->stream.count == 0)
		conn_close(c, now_ns);
}

static void scan_one(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns)
{
	uint64_t timeout_ns = (uint64_t)(io->st->run->opt.timeout_ms * 1e6);
	uint64_t oldest_ns = stream_oldest_ns(&c->stream);

	if (now_ns >= tcpc_deadline_ns(&c->tcp)) {
		bool opening = c->tcp.state == TCPC_SYN_SENT;
		enum tcpc_event event = tcpc_timer(&c->tcp, now_ns);

		dpdk_tcp_dirty(io->tcp, c);
		if (event != TCPC_NOTHING && opening)
			conn_failed(io, c, now_ns);
		else
			on_event(io, c, event, now_ns);
	}
	if (c->tcp.state == TCPC_CLOSED && now_ns >= c->since_ns && !c->dirty)
		conn_open(io, c, now_ns);
	else if (c->tcp.state == TCPC_OPEN && oldest_ns != LOAD_NEVER_NS &&
		 now_ns >= oldest_ns + timeout_ns)
		conn_abort(io, c, now_ns);
	else if (c->tcp.state == TCPC_CLOSING && now_ns >= c->since_ns + timeout_ns)
		conn_abort(io, c, now_ns); // the server does not close its side
}

void dpdk_tcp_scan(struct dpdk_io *io, uint64_t now_ns)
{
	struct dpdk_tcp *t = io->tcp;
	uint64_t step_ns = SCAN_NS / t->conn_count + 1;
	uint32_t n;

	if (now_ns - t->scan_ns >= SCAN_NS)
		t->scan_ns = now_ns - SCAN_NS; // not more than all
	for (n = 0; n < t->conn_count && t->scan_ns + step_ns <= now_ns; n++) {
		scan_one(io, &t->conn[t->scan_at], now_ns);
		t->scan_at = t->scan_at + 1 < t->conn_count ? t->scan_at + 1 : 0;
		t->scan_ns += step_ns;
	}
}

// Hand what is built to the device; what it refuses waits, and goes before anything new.
static void transmit(struct dpdk_io *io, uint64_t now_ns)
{
	unsigned n =
		port_tx_burst(io->st->port.port_id, io->tx_queue, io->tx, (uint16_t)io->tx_count);

	io->tx_count -= n;
	for (unsigned i = 0; i < io->tx_count; i++)
		io->tx[i] = io->tx[n + i];
	if (io->tx_count > 0 && !io->tx_waited)
		tally_add(book_now(io, now_ns), LOAD_STAT_tx_full, io->tx_count);
	io->tx_waited = io->tx_count > 0;
}

// False: no buffer, or no room in the queue; the connection stays in the list.
static bool flush_one(struct dpdk_io *io, struct dpdk_conn *c, uint64_t now_ns, unsigned *built)
{
	for (;;) {
		const uint8_t *p;
		uint32_t unacked = stream_output(&c->stream, &p), len;

		if (io->tx_count == DPDK_BURST)
			transmit(io, now_ns);
		if (!io->spare)
			io->spare = rte_pktmbuf_alloc(io->st->pool);
		if (io->tx_count == DPDK_BURST || !io->spare)
			return false;
		len = tcpc_output(&c->tcp, p, unacked, now_ns,
			rte_pktmbuf_mtod_offset(io->spare, uint8_t *, DPDK_IP_END));
		if (len == 0)
			break;
		dpdk_frame_finish_tcp(io, io->spare, len);
		io->tx[io->tx_count++] = io->spare;
		io->spare = NULL;
		(*built)++;
	}
	if (c->tcp.resent) {
		tally_add(book_now(io, now_ns), LOAD_STAT_retransmits, c->tcp.resent);
		c->tcp.resent = 0;
	}
	return true;
}

unsigned dpdk_tcp_flush(struct dpdk_io *io, uint64_t now_ns)
{
	struct dpdk_tcp *t = io->tcp;
	unsigned built = 0;
	uint32_t i, kept = 0;

	for (i = 0; i < t->dirty_count; i++) {
		struct dpdk_conn *c = &t->conn[t->dirty[i]];

		if (!flush_one(io, c, now_ns, &built))
			break;
		if (c->reopen) {
			c->reopen = false;
			conn_open(io, c, now_ns);
			if (!flush_one(io, c, now_ns, &built))
				break;
		}
		c->dirty = false;
	}
	for (; i < t->dirty_count; i++)
		t->dirty[kept++] = t->dirty[i];
	t->dirty_count = kept;
	if (io->tx_count > 0)
		transmit(io, now_ns);
	return built;
}
