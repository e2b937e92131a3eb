// SPDX-License-Identifier: BSD-3-Clause
// Received bytes in order: the mbufs they came in, small ones copied together

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

// Of two neighbours the second did not fit behind the first: they hold more than one
// mbuf's room between them, so rcv_buf_size bounds the number of mbufs, too.
static bool fits_behind(struct rte_mbuf *tail, uint32_t n)
{
	return n <= rte_pktmbuf_tailroom(tail) && RTE_MBUF_DIRECT(tail) &&
	       rte_mbuf_refcnt_read(tail) == 1;
}

void tcb_rcvq_append(struct tcb *tcb, struct rte_mbuf *m, uint8_t *p, uint32_t n)
{
	struct rte_mbuf *tail = tcb->rcvq_tail;

	tcb->readable += n;
	if (tail && fits_behind(tail, n)) {
		memcpy(rte_pktmbuf_mtod(tail, uint8_t *) + tail->data_len, p, n);
		tail->data_len += (uint16_t)n;
		tail->pkt_len += n;
		rte_pktmbuf_free(m);
		return;
	}
	if (unlikely_(m->next != NULL)) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
		m->nb_segs = 1;
	}
	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	if (tail)
		tail->next = m;
	else
		tcb->rcvq_head = m;
	tcb->rcvq_tail = m;
}

static void rcvq_pop(struct tcb *tcb)
{
	struct rte_mbuf *m = tcb->rcvq_head;

	tcb->rcvq_head = m->next;
	if (!tcb->rcvq_head)
		tcb->rcvq_tail = NULL;
	m->next = NULL;
	rte_pktmbuf_free(m);
}

void tcb_rcvq_clear(struct tcb *tcb)
{
	while (tcb->rcvq_head)
		rcvq_pop(tcb);
	tcb->readable = 0;
}

uint32_t tcp_readable(const struct tcb *tcb)
{
	return tcb->readable;
}

struct slice tcp_peek(const struct tcb *tcb)
{
	struct rte_mbuf *m = tcb->rcvq_head;

	if (!m)
		return (struct slice){NULL, 0};
	return (struct slice){rte_pktmbuf_mtod(m, const uint8_t *), m->data_len};
}

void tcp_copy(const struct tcb *tcb, uint32_t off, uint8_t *dst, uint32_t n)
{
	const struct rte_mbuf *m = tcb->rcvq_head;

	DCHECK(off <= tcb->readable && n <= tcb->readable - off);
	if (n == 0)
		return;
	while (off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	while (n > 0) {
		uint32_t part = m->data_len - off;

		if (part > n)
			part = n;
		memcpy(dst, rte_pktmbuf_mtod_offset(m, const uint8_t *, off), part);
		dst += part;
		n -= part;
		off = 0;
		m = m->next;
	}
}

void tcp_consume(struct tcp *tcp, struct tcb *tcb, uint32_t n)
{
	DCHECK(n <= tcb->readable);
	tcb->readable -= n;
	tcb->consumed = true;
	while (n > 0) {
		struct rte_mbuf *m = tcb->rcvq_head;

		if (n < m->data_len) {
			m->data_off += (uint16_t)n;
			m->data_len -= (uint16_t)n;
			m->pkt_len -= n;
			return;
		}
		n -= m->data_len;
		rcvq_pop(tcb);
	}
}

bool tcp_at_eof(const struct tcb *tcb)
{
	return tcb->eof && tcb->readable == 0;
}
