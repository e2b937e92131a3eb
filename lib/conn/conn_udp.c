// SPDX-License-Identifier: BSD-3-Clause
// UDP requests: one datagram in, one correctly numbered sequence of datagrams out
//
// memcached's own defects are not copied: a reply to several keys (or several
// commands) is one message, its datagrams numbered 0 .. n-1 of n; a storage command
// whose data block is not in its datagram never reads anybody else's.
//
// Order of the rules: source port, prefix, frame, command, size of the reply, rate.
// Whatever fails before there is a reply is silence.

#include "conn/conn_priv.h"

#include <string.h>

#include "base/check.h"

#include "base/hotpath.h"

#define UDP_TOTAL_MAX 65535 // datagrams a message can count

// Services that answer whatever they get: replying to them makes a loop.
static bool udp_port_reflects(uint16_t port, uint16_t own_port)
{
	switch (port) {
	case 0:
	case 7:
	case 17:
	case 19:
	case 53:
	case 123:
	case 1900:
		return true;
	default:
		return port == own_port;
	}
}

static const struct conn_prefix *udp_prefix_of(const struct conn_conf *conf, uint32_t addr)
{
	const struct conn_prefix *best = NULL;

	for (unsigned i = 0; i < conf->udp_prefix_count; i++) {
		const struct conn_prefix *p = &conf->udp_prefix[i];

		if ((addr & p->mask) != p->addr)
			continue;
		// The longest prefix decides; of equal ones the trusted.
		if (!best || p->mask > best->mask || (p->mask == best->mask && p->trusted))
			best = p;
	}
	return best;
}

// Spend n reply bytes of the source's /24. Prefixes that share a bucket share its
// rate: a spoofer cannot buy more by using more of them than there are buckets.
static bool udp_spend(struct conns *cs, uint32_t addr, uint32_t n, uint64_t now_us)
{
	uint64_t rate = cs->conf.udp_reply_rate_bytes, now_ms = now_us / 1000;
	uint32_t prefix = addr >> 8;
	struct udp_bucket *b;

	if (rate == 0)
		return true;
	b = &cs->udp_bucket[siphash13(&cs->conf.key, &prefix, sizeof(prefix)) % UDP_BUCKETS];
	b->credit += (now_ms - b->filled_ms) * rate;
	if (b->credit > rate * 1000)
		b->credit = rate * 1000; // one second's worth at most
	b->filled_ms = now_ms;
	if (b->credit < n * 1000ULL)
		return false;
	b->credit -= n * 1000ULL;
	return true;
}

// Run a storage command: its data block must be in the same datagram. False: dropped.
static bool udp_store(struct conns *cs, struct request *req, struct slice *text)
{
	const uint8_t *data = text->p + req->line_len;
	struct store_put put;

	if (text->len - req->line_len < (size_t)req->vlen + 2) {
		CONN_COUNT(cs, drop_udp_frame);
		return false;
	}
	if (!chunkq_has_room(&cs->udp_out, CHUNK_ROOM)) {
		CONN_COUNT(cs, drop_udp_memory);
		return false;
	}
	text->p += req->line_len + req->vlen + 2;
	text->len -= req->line_len + req->vlen + 2;
	if (cmd_put_begin(cs->cmd, req, &put, &cs->udp_out) == CMD_SWALLOW)
		return true;
	for (uint8_t *room; put.written < put.vlen;) {
		size_t len;

		if (!store_put_room(cs->store, &put, &room, &len)) {
			cmd_put_no_memory(cs->cmd, req, &put, &cs->udp_out);
			return true;
		}
		memcpy(room, data + put.written, len);
		store_put_wrote(&put, len);
	}
	cmd_put_end(cs->cmd, req, &put, data[req->vlen] == '\r' && data[req->vlen + 1] == '\n',
		&cs->udp_out);
	return true;
}

// Run the command in *req and take it off *text. limit: longest reply wanted.
static enum cmd_status udp_run(
	struct conns *cs, struct request *req, struct slice *text, uint32_t limit)
{
	enum cmd_status status;

	if (op_is_store(req->op))
		return udp_store(cs, req, text) ? CMD_DONE : CMD_CLOSE;
	status = cmd_run(cs->cmd, req, &cs->udp_out, limit + 1);
	text->p += req->line_len;
	text->len -= req->line_len;
	return status;
}

static uint32_t udp_datagram_count(const struct conns *cs, uint32_t len)
{
	return (len + cs->udp_payload_max - 1) / cs->udp_payload_max;
}

// The request's own mbuf, its payload to be written over, if it can carry len bytes: the
// headers go where the request's were, in lines the cache has. NULL: it cannot.
static struct rte_mbuf *udp_reuse(struct net_pkt *pkt, uint32_t len)
{
	struct rte_mbuf *m = pkt->m;
	size_t off = (size_t)(pkt->l4 + HDR_UDP_LEN - (uint8_t *)m->buf_addr);

	if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 || m->nb_segs != 1 ||
		off + UDP_FRAME_LEN + len > m->buf_len)
		return NULL;
	m->data_off = (uint16_t)off;
	pkt->m = NULL;
	return m;
}

// The reply in udp_out, cut into datagrams. All commands of the request were run.
static void udp_send(struct conns *cs, struct net_pkt *pkt, uint16_t request_id)
{
	uint32_t total = udp_datagram_count(cs, cs->udp_out.len);
	struct udp_frame f = {.request_id = request_id, .total = (uint16_t)total};

	CONN_ADD(cs, bytes_written, cs->udp_out.len);
	for (uint32_t seq = 0; seq < total; seq++) {
		struct rte_mbuf *m = total == 1 ? udp_reuse(pkt, cs->udp_out.len) : NULL;
		uint8_t *dst;
		uint32_t n;

		if (!m)
			m = net_alloc(cs->net);
		if (!m) {
			CONN_COUNT(cs, drop_udp_memory);
			return;
		}
		dst = rte_pktmbuf_mtod(m, uint8_t *);
		f.seq = (uint16_t)seq;
		udp_frame_format(dst, &f);
		n = chunkq_read(&cs->udp_out, dst + UDP_FRAME_LEN, cs->udp_payload_max);
		m->data_len = (uint16_t)(UDP_FRAME_LEN + n);
		m->pkt_len = m->data_len;
		udp_output(cs->net, m, &pkt->path, pkt->dst_port, pkt->src_port);
		CONN_COUNT(cs, udp_replies);
	}
}

// Cut a reply that breaks a rule down to what may be said instead.
static void udp_limit_reply(struct conns *cs, enum cmd_status status, uint32_t limit)
{
	if (status == CMD_BLOCKED) {
		CONN_COUNT(cs, drop_udp_memory);
		chunkq_clear(&cs->udp_out);
	}
	if (cs->udp_out.len > limit || udp_datagram_count(cs, cs->udp_out.len) > UDP_TOTAL_MAX) {
		CONN_COUNT(cs, udp_too_large);
		chunkq_clear(&cs->udp_out);
		cmd_reply_line(&cs->udp_out, "SERVER_ERROR reply too large for UDP", false);
	}
}

// Run all commands of the datagram, answer once.
static void udp_answer(struct conns *cs, struct udp_job *j, uint64_t now_us)
{
	uint32_t limit = j->prefix->trusted ? cs->conf.udp_reply_max_bytes : cs->udp_payload_max;
	enum cmd_status status = CMD_DONE;

	do {
		CONN_COUNT(cs, udp_requests);
		if (j->parsed == PARSE_BAD) {
			if (!cmd_reply_line(&cs->udp_out, j->req.error, j->req.noreply))
				status = CMD_BLOCKED;
			j->text.p += j->req.line_len;
			j->text.len -= j->req.line_len;
		} else {
			status = udp_run(cs, &j->req, &j->text, limit);
		}
		if (status != CMD_DONE || cs->udp_out.len > limit || j->text.len == 0)
			break;
		j->parsed = ascii_parse(&j->req, j->text.p, j->text.len);
	} while (j->parsed == PARSE_OK || j->parsed == PARSE_BAD);
	udp_limit_reply(cs, status, limit);
	if (cs->udp_out.len > 0) {
		if (j->prefix->trusted ||
			udp_spend(cs, j->pkt->path.remote, cs->udp_out.len, now_us))
			udp_send(cs, j->pkt, j->frame.request_id);
		else
			CONN_COUNT(cs, drop_udp_rate);
	}
	chunkq_clear(&cs->udp_out);
}

// Who may ask, and what is a request.
static bool udp_accept(struct conns *cs, struct net_pkt *pkt, struct udp_job *j)
{
	j->pkt = pkt;
	if (!udp_input(cs->net, pkt, &j->text))
		return false;
	if (udp_port_reflects(pkt->src_port, pkt->dst_port)) {
		CONN_COUNT(cs, drop_udp_port);
		return false;
	}
	j->prefix = udp_prefix_of(&cs->conf, pkt->path.remote);
	if (!j->prefix) {
		CONN_COUNT(cs, drop_udp_prefix);
		return false;
	}
	if (!udp_frame_parse(&j->frame, j->text.p, j->text.len))
		goto bad;
	j->text.p += UDP_FRAME_LEN;
	j->text.len -= UDP_FRAME_LEN;
	if (j->text.len == 0 || proto_detect(j->text.p[0]) != PROTO_ASCII)
		goto bad;
	j->parsed = ascii_parse(&j->req, j->text.p, j->text.len);
	if (j->parsed != PARSE_OK && !(j->parsed == PARSE_BAD && j->prefix->trusted))
		goto bad;
	CONN_ADD(cs, bytes_read, j->text.len);
	return true;
bad:
	CONN_COUNT(cs, drop_udp_frame);
	return false;
}

static void udp_prefetch_item(struct conns *cs, struct udp_job *j)
{
	if (j->parsed == PARSE_OK)
		cmd_prefetch_item(cs->cmd, &j->req);
}

void conns_udp(struct conns *cs, struct net_pkt *pkt, unsigned n, uint64_t now_us)
{
	struct udp_job *job = cs->udp_job;
	unsigned job_count = 0;

	DCHECK(n <= NET_BURST_MAX);
	// Hints only: a command that changes what a later one finds is still seen by it.
	for (unsigned i = 0; i < n; i++) {
		if (!udp_accept(cs, &pkt[i], &job[job_count]))
			continue;
		if (job[job_count].parsed == PARSE_OK)
			cmd_prefetch_bucket(cs->cmd, &job[job_count].req);
		job_count++;
	}
	for (unsigned i = 0; i < job_count && i < CONN_ITEMS_AHEAD; i++)
		udp_prefetch_item(cs, &job[i]);
	for (unsigned i = 0; i < job_count; i++) {
		if (i + CONN_ITEMS_AHEAD < job_count)
			udp_prefetch_item(cs, &job[i + CONN_ITEMS_AHEAD]);
		udp_answer(cs, &job[i], now_us);
	}
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(pkt[i].m);
}
