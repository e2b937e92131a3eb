// SPDX-License-Identifier: BSD-3-Clause
// The way of single packets through the modules, told by the counters that move

#include "worker/trace.h"

#include <rte_mbuf.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "worker/worker_priv.h"

#define LINE_SIZE 256
#define LINES 512 // of the ring; a line that finds it full is counted as lost

struct trace {
	unsigned idx;
	unsigned left; // packets still to be traced
	unsigned number;
	bool active;
	unsigned tx_before;
	uint64_t net[NET_STAT_COUNT], tcp[TCP_STAT_COUNT], conn[CONN_STAT_COUNT];
	uint64_t cmd[CMD_STAT_COUNT], store[STORE_STAT_COUNT];
	uint64_t worker[WORKER_STAT_COUNT];
	_Atomic unsigned head, tail; // head: reader's, tail: writer's
	char line[LINES][LINE_SIZE];
};

struct trace *trace_create(unsigned idx, unsigned packet_count)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (t) {
		t->idx = idx;
		t->left = packet_count;
	}
	return t;
}

void trace_destroy(struct trace *t)
{
	free(t);
}

bool trace_next(struct trace *t, char *line, size_t size)
{
	unsigned head = atomic_load_explicit(&t->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&t->tail, memory_order_acquire))
		return false;
	snprintf(line, size, "%s", t->line[head % LINES]);
	atomic_store_explicit(&t->head, head + 1, memory_order_release);
	return true;
}

__attribute__((format(printf, 2, 3))) static void trace_line(struct trace *t, const char *fmt, ...)
{
	unsigned tail = atomic_load_explicit(&t->tail, memory_order_relaxed);
	va_list ap;

	if (tail - atomic_load_explicit(&t->head, memory_order_acquire) == LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(t->line[tail % LINES], LINE_SIZE, fmt, ap);
	va_end(ap);
	atomic_store_explicit(&t->tail, tail + 1, memory_order_release);
}

// First printable bytes of a payload, up to its line end.
static void text_of(char *dst, size_t size, const uint8_t *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size && p[i] != '\r' && p[i] != '\n'; i++)
		dst[n++] = p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '.';
	dst[n] = '\0';
}

static void tcp_text(char *dst, size_t size, const uint8_t *tcp, size_t len)
{
	static const char names[] = "FSRPAU";
	size_t n = 0, off = (size_t)(tcp[12] >> 4) * 4;
	char text[64] = "";

	for (unsigned i = 0; i < 6 && n + 1 < size; i++)
		if (tcp[13] & (1u << i))
			dst[n++] = names[i];
	dst[n] = '\0';
	if (off > len)
		off = len;
	if (len > off)
		text_of(text, sizeof(text), tcp + off, len - off);
	snprintf(dst + n, size - n, " seq %u ack %u, %zu bytes%s%s%s", load_be32(tcp + 4),
		load_be32(tcp + 8), len - off, *text ? " \"" : "", text, *text ? "\"" : "");
}

// One line for one frame, as short as tcpdump's.
static void frame_text(char *dst, size_t size, const uint8_t *p, size_t len)
{
	char what[160] = "";
	struct hdr h;

	if (hdr_parse(&h, p, len, true) == HDR_ARP) {
		snprintf(dst, size, "ARP, %zu bytes", len);
		return;
	}
	if (h.kind < HDR_IP4_ICMP) {
		snprintf(dst, size, "%zu bytes, not for us", len);
		return;
	}
	if (h.kind == HDR_IP4_TCP)
		tcp_text(what, sizeof(what), p + h.l4_off, h.l4_len);
	else if (h.kind == HDR_IP4_UDP && h.l4_len > 16)
		text_of(what, sizeof(what), p + h.l4_off + 16, h.l4_len - 16u);
	snprintf(dst, size, "%s %u.%u.%u.%u:%u > %u.%u.%u.%u:%u %s",
		h.kind == HDR_IP4_TCP   ? "TCP"
		: h.kind == HDR_IP4_UDP ? "UDP"
					: "ICMP",
		h.src_addr >> 24, h.src_addr >> 16 & 255, h.src_addr >> 8 & 255, h.src_addr & 255,
		h.src_port, h.dst_addr >> 24, h.dst_addr >> 16 & 255, h.dst_addr >> 8 & 255,
		h.dst_addr & 255, h.dst_port, what);
}

static void snapshot(uint64_t *dst, const stat_t *src, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		dst[i] = stat_read(&src[i]);
}

static void moved(
	struct trace *t, const struct stats_set *set, const uint64_t *before, const stat_t *now)
{
	char text[200] = "";
	size_t n = 0;

	for (unsigned i = 0; i < set->count && n < sizeof(text); i++) {
		int64_t d = (int64_t)(stat_read(&now[i]) - before[i]);

		if (d != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s%+lld",
				set->desc[i].name, (long long)d);
	}
	if (n)
		trace_line(t, "      lib/%-6s%s", set->module, text);
}

void trace_before(struct worker *w, const struct rte_mbuf *m, uint64_t now_us)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct trace *t = w->trace;
	char text[200];
	struct hdr h;

	// What we do not speak at all is not worth a place among the first packets.
	t->active = t->left > 0 && hdr_parse(&h, frame, m->data_len, true) > HDR_OTHER;
	if (!t->active)
		return;
	t->left--;
	t->number++;
	snapshot(t->worker, w->stats, WORKER_STAT_COUNT);
	snapshot(t->net, net_stats(w->net), NET_STAT_COUNT);
	snapshot(t->tcp, tcp_stats(w->tcp), TCP_STAT_COUNT);
	snapshot(t->conn, conns_stats(w->conns), CONN_STAT_COUNT);
	snapshot(t->cmd, cmd_stats(w->cmd), CMD_STAT_COUNT);
	snapshot(t->store, store_ctx_stats(w->store), STORE_STAT_COUNT);
	t->tx_before = net_tx_count(w->net);
	frame_text(text, sizeof(text), frame, m->data_len);
	trace_line(t, "#%u %s", t->number, text);

	if (!(m->ol_flags & NET_MBUF_STEERED))
		trace_line(t, "      received by worker %u from its own queue", w->idx);
	else if (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH)
		trace_line(t, "      received by lcore %u, flow hash %08x -> worker %u",
			m->vlan_tci_outer, m->hash.rss, w->idx);
	else
		trace_line(t, "      received by lcore %u, no flow -> worker %u", m->vlan_tci_outer,
			w->idx);
}

void trace_after(struct worker *w, uint64_t now_us)
{
	struct trace *t = w->trace;
	const struct rte_mbuf *m;

	if (!t->active)
		return;
	moved(t, &worker_stats_set, t->worker, w->stats);
	moved(t, &net_stats_set, t->net, net_stats(w->net));
	moved(t, &tcp_stats_set, t->tcp, tcp_stats(w->tcp));
	moved(t, &conn_stats_set, t->conn, conns_stats(w->conns));
	moved(t, &cmd_stats_set, t->cmd, cmd_stats(w->cmd));
	moved(t, &store_stats_set, t->store, store_ctx_stats(w->store));
	for (unsigned i = t->tx_before; (m = net_tx_peek(w->net, i)); i++) {
		char text[200];

		frame_text(text, sizeof(text), rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		trace_line(t, "      answer: %s", text);
	}
}
