// SPDX-License-Identifier: BSD-3-Clause
// Segments that came before their turn, and what SACK and D-SACK say about them
//
// A sorted list of mbufs without overlap. The first copy of an octet wins: a later
// segment is trimmed to what is new at its ends; where it covers older segments
// whole, their octets are copied over its own and they are freed.

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

static uint32_t ooo_seq(const struct rte_mbuf *m)
{
	return m->hash.rss;
}

static uint32_t ooo_end(const struct rte_mbuf *m)
{
	return m->hash.rss + m->data_len;
}

void tcb_ooo_clear(struct tcb *tcb)
{
	while (tcb->ooo_head) {
		struct rte_mbuf *m = tcb->ooo_head;

		tcb->ooo_head = m->next;
		m->next = NULL;
		rte_pktmbuf_free(m);
	}
	tcb->ooo_count = 0;
	tcb->sack_count = 0;
}

bool tcb_ooo_is_beyond(const struct tcb *tcb, uint32_t seq)
{
	const struct rte_mbuf *m = tcb->ooo_head;

	while (m && seq_le(ooo_end(m), seq))
		m = m->next;
	return m != NULL;
}

void tcb_set_dsack(struct tcb *tcb, uint32_t left, uint32_t right)
{
	if (!tcb->sack_ok || left == right)
		return;
	tcb->dsack_set = true;
	tcb->dsack = (struct seq_range){left, right};
}

// The first range of [seq, end) that is already in the queue (RFC 2883 4).
static void note_duplicate(struct tcb *tcb, uint32_t seq, uint32_t end)
{
	const struct rte_mbuf *m = tcb->ooo_head;

	while (m && seq_le(ooo_end(m), seq))
		m = m->next;
	if (m && seq_lt(ooo_seq(m), end)) {
		uint32_t right = seq_lt(ooo_end(m), end) ? ooo_end(m) : end;

		tcb_set_dsack(tcb, seq_max(seq, ooo_seq(m)), right);
	}
}

// RFC 2018 4: the block with the newest segment first, the others by age.
static void sack_report(struct tcb *tcb, uint32_t left, uint32_t right)
{
	struct seq_range keep[TCB_SACK_MAX] = {{left, right}};
	unsigned n = 1;

	for (unsigned i = 0; i < tcb->sack_count && n < TCB_SACK_MAX; i++) {
		const struct seq_range *r = &tcb->sack[i];

		// Older blocks that are part of the new one are said with it.
		if (seq_gt(r->left, right) || seq_lt(r->right, left))
			keep[n++] = *r;
	}
	memcpy(tcb->sack, keep, n * sizeof(keep[0]));
	tcb->sack_count = (uint8_t)n;
}

// RCV.NXT moved: blocks below it are acknowledged now.
static void sack_forget(struct tcb *tcb)
{
	unsigned n = 0;

	for (unsigned i = 0; i < tcb->sack_count; i++)
		if (seq_gt(tcb->sack[i].left, tcb->rcv_nxt))
			tcb->sack[n++] = tcb->sack[i];
	tcb->sack_count = (uint8_t)n;
}

unsigned tcb_sack_blocks(const struct tcb *tcb, struct seq_range *r, unsigned max)
{
	unsigned n = 0;

	if (tcb->dsack_set && n < max)
		r[n++] = tcb->dsack;
	for (unsigned i = 0; i < tcb->sack_count && n < max; i++)
		r[n++] = tcb->sack[i];
	return n;
}

// The run of segments without a hole around seq becomes the first block.
static void sack_add_run(struct tcb *tcb, uint32_t seq)
{
	const struct rte_mbuf *m = tcb->ooo_head;

	while (m) {
		uint32_t left = ooo_seq(m), right = ooo_end(m);

		for (m = m->next; m && ooo_seq(m) == right; m = m->next)
			right = ooo_end(m);
		if (seq_le(left, seq) && seq_lt(seq, right)) {
			sack_report(tcb, left, right);
			return;
		}
	}
}

// Free the segments that [seq, end) covers; their octets replace those at p.
static void swallow_covered(
	struct tcb *tcb, struct rte_mbuf **link, uint32_t seq, uint32_t end, uint8_t *p)
{
	while (*link && seq_le(ooo_end(*link), end)) {
		struct rte_mbuf *old = *link;

		memcpy(p + (ooo_seq(old) - seq), rte_pktmbuf_mtod(old, void *), old->data_len);
		*link = old->next;
		old->next = NULL;
		rte_pktmbuf_free(old);
		tcb->ooo_count--;
	}
}

// Put the segment between prev, which may be NULL, and *link; or behind prev's octets.
static void place(struct tcb *tcb, struct rte_mbuf *prev, struct rte_mbuf **link,
	struct tcp_seg *seg, uint32_t seq, uint8_t *p, uint32_t n)
{
	struct rte_mbuf *m = seg->m;

	if (prev && ooo_end(prev) == seq && n <= rte_pktmbuf_tailroom(prev) &&
		RTE_MBUF_DIRECT(prev) && rte_mbuf_refcnt_read(prev) == 1) {
		memcpy(rte_pktmbuf_mtod(prev, uint8_t *) + prev->data_len, p, n);
		prev->data_len += (uint16_t)n;
		prev->pkt_len += n;
		return;
	}
	seg->m = NULL;
	if (m->next) {
		rte_pktmbuf_free(m->next);
		m->nb_segs = 1;
	}
	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	m->hash.rss = seq;
	m->next = *link;
	*link = m;
	tcb->ooo_count++;
}

static void drain_in_order(struct tcp *tcp, struct tcb *tcb)
{
	uint32_t before = tcb->rcv_nxt;

	while (tcb->ooo_head && ooo_seq(tcb->ooo_head) == tcb->rcv_nxt) {
		struct rte_mbuf *m = tcb->ooo_head;
		uint32_t n = m->data_len;

		tcb->ooo_head = m->next;
		m->next = NULL;
		tcb->ooo_count--;
		tcb->rcv_nxt += n;
		tcb_rcvq_append(tcb, m, rte_pktmbuf_mtod(m, uint8_t *), n);
	}
	if (tcb->rcv_nxt != before) {
		sack_forget(tcb);
		stat_add(&tcp->stats[TCP_STAT_rx_data_bytes], tcb->rcv_nxt - before);
	}
}

enum tcp_stat tcb_ooo_insert(struct tcp *tcp, struct tcb *tcb, struct tcp_seg *seg)
{
	struct rte_mbuf **link = &tcb->ooo_head, *prev = NULL;
	uint32_t seq = seg->seq, end = seg->seq + seg->len;
	uint8_t *p = seg->data;

	note_duplicate(tcb, seq, end);
	while (*link && seq_le(ooo_seq(*link), seq)) {
		prev = *link;
		link = &prev->next;
	}
	if (prev && seq_gt(ooo_end(prev), seq)) {
		uint32_t cut = ooo_end(prev) - seq;

		if (cut >= end - seq) {
			sack_add_run(tcb, seq);
			return TCP_OK; // nothing new
		}
		seq += cut;
		p += cut;
	}
	swallow_covered(tcb, link, seq, end, p);
	if (*link && seq_lt(ooo_seq(*link), end))
		end = ooo_seq(*link);
	// What is in order leaves the queue again at once: it is always taken.
	if (tcb->ooo_count >= tcp->ooo_mbuf_max && seq != tcb->rcv_nxt)
		return TCP_STAT_drop_ooo_limit;
	place(tcb, prev, link, seg, seq, p, end - seq);
	drain_in_order(tcp, tcb);
	if (seq_gt(end, tcb->rcv_nxt)) {
		tcp_count(tcp, TCP_STAT_out_of_order);
		sack_add_run(tcb, seq);
	}
	return TCP_OK;
}
