// SPDX-License-Identifier: BSD-3-Clause
// From a burst of frames to one enqueue per worker

#include <rte_prefetch.h>
#include <string.h>

#include "base/check.h"
#include "net/net.h"
#include "proto/proto.h"
#include "steer/steer_priv.h"

#include "base/hotpath.h"

#define PREFETCH_AHEAD 4
#define CLOSED_PER_POLL 32 // notices taken from one worker in one call
// Ethernet, tag, IPv4 with options, TCP: no more is looked at but for ICMP.
#define HEADERS_MAX (HDR_ETH_LEN + HDR_VLAN_LEN + 60 + HDR_TCP_LEN)

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

// The NIC saw an IPv4 TCP or UDP packet, whole and untunnelled, and hashed it: there is
// no need to touch the headers, but for a key.
static bool nic_knows_flow(const struct steer *s, const struct rte_mbuf *m)
{
	uint32_t l4 = m->packet_type & RTE_PTYPE_L4_MASK;

	return RTE_ETH_IS_IPV4_HDR(m->packet_type) && !(m->packet_type & RTE_PTYPE_TUNNEL_MASK) &&
	       (l4 == RTE_PTYPE_L4_TCP || (l4 == RTE_PTYPE_L4_UDP && !s->udp_by_key));
}

// The worker of m's bucket. For moves: what the bucket's load is, and where its last TCP frame is
// in the ring; a frame that the ring does not take only makes that number larger than it is.
static unsigned bucket_worker(struct steer *s, const struct rte_mbuf *m, bool tcp)
{
	unsigned bucket = m->hash.rss & (STEER_BUCKETS - 1);
	unsigned w = steer_bucket_worker(s->table, bucket);

	if (unlikely_(s->moves)) {
		stat_inc(&s->bucket[bucket].frames);
		if (tcp)
			s->bucket[bucket].last_tcp = s->enqueued[w] + s->staged_count[w] + 1;
	}
	return w;
}

// The worker of a datagram that is one get, by its key, or -1. Not inlined: it costs those who do
// not ask for it nothing.
static __attribute__((noinline)) int key_worker(
	struct steer *s, struct rte_mbuf *m, const struct hdr *h, enum steer_stat *how)
{
	const uint8_t *udp = rte_pktmbuf_mtod(m, const uint8_t *) + h->l4_off;
	struct slice key;

	if (h->l4_len <= HDR_UDP_LEN || h->l4_off + (uint32_t)h->l4_len > m->data_len ||
		!udp_get_key(udp + HDR_UDP_LEN, h->l4_len - (size_t)HDR_UDP_LEN, &key))
		return -1;
	*how = STEER_STAT_by_key;
	m->hash.rss = (uint32_t)siphash13(&s->key, key.p, key.len);
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	return (int)bucket_worker(s, m, false);
}

// Policy roundrobin: the flow table's worker for a TCP segment, or -1.
static int tcp_worker(struct steer *s, const struct steer_tuple *flow, uint8_t flags)
{
	if ((flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN)
		return flow_syn(&s->flows, flow, s->now_s, &s->next_worker, s->worker_count);
	return flow_segment(&s->flows, flow, s->now_s, (flags & (TCP_ACK | TCP_RST)) == TCP_ACK);
}

static unsigned flow_worker(struct steer *s, struct rte_mbuf *m, const struct hdr *h,
	bool nic_hashed, enum steer_stat *how)
{
	struct steer_tuple flow = {h->src_addr, h->dst_addr, h->src_port, h->dst_port};
	int worker;

	*how = STEER_STAT_by_nic_hash;
	if (!nic_hashed) {
		*how = STEER_STAT_by_sw_hash;
		m->hash.rss = steer_toeplitz_inline(&s->toeplitz, &flow);
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
	if (s->policy == STEER_ROUNDROBIN && h->kind == HDR_IP4_TCP) {
		worker = tcp_worker(s, &flow, rte_pktmbuf_mtod(m, uint8_t *)[h->l4_off + 13]);
		if (worker >= 0) {
			*how = STEER_STAT_by_flow;
			return (unsigned)worker;
		}
	}
	return bucket_worker(s, m, h->kind == HDR_IP4_TCP);
}

// RFC 9293 MUST-54: an error goes to whoever has the flow it is about.
static unsigned icmp_worker(
	struct steer *s, const struct rte_mbuf *m, const struct hdr *h, enum steer_stat *how)
{
	size_t here = m->data_len > h->l4_off ? m->data_len - h->l4_off : 0;
	struct steer_tuple flow;
	struct hdr about;
	uint32_t seq;
	int worker;

	if (here > h->l4_len)
		here = h->l4_len;
	if (!hdr_parse_icmp_embedded(
		    rte_pktmbuf_mtod(m, const uint8_t *) + h->l4_off, here, &about, &seq))
		return s->misc_worker;
	*how = STEER_STAT_by_icmp_flow;
	flow = (struct steer_tuple){about.src_addr, about.dst_addr, about.src_port, about.dst_port};
	if (s->policy == STEER_ROUNDROBIN && about.kind == HDR_IP4_TCP) {
		worker = flow_find(&s->flows, &flow);
		if (worker >= 0)
			return (unsigned)worker;
	}
	return steer_bucket_worker(s->table, steer_toeplitz_inline(&s->toeplitz, &flow));
}

static unsigned steer_one(struct steer *s, struct rte_mbuf *m, enum steer_stat *how)
{
	bool nic_hashed = s->use_nic_hash && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH);
	// Headers in the first segment are enough, however many follow.
	size_t len = m->data_len >= HEADERS_MAX ? m->pkt_len : m->data_len;
	struct hdr h;
	int worker;

	if (nic_hashed && s->policy == STEER_HASH && nic_knows_flow(s, m)) {
		*how = STEER_STAT_by_nic_hash;
		return bucket_worker(
			s, m, (m->packet_type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP);
	}
	*how = STEER_STAT_to_misc;
	switch (hdr_parse(&h, rte_pktmbuf_mtod(m, const uint8_t *), len, true)) {
	case HDR_IP4_UDP:
		worker = s->udp_by_key ? key_worker(s, m, &h, how) : -1;
		if (worker >= 0)
			return (unsigned)worker;
		// fall through
	case HDR_IP4_TCP:
		return flow_worker(s, m, &h, nic_hashed, how);
	case HDR_IP4_ICMP:
		return icmp_worker(s, m, &h, how);
	default:
		return s->misc_worker;
	}
}

// Frames of the owner's own worker, back into m.
static unsigned take_own(struct steer *s, struct rte_mbuf **m)
{
	unsigned w = (unsigned)__builtin_ctzll(s->own_mask), n = s->staged_count[w];

	memcpy(m, s->staged[w], n * sizeof(m[0]));
	s->staged_count[w] = 0;
	s->staged_workers &= ~s->own_mask;
	return n;
}

static void flush(struct steer *s)
{
	for (; s->staged_workers; s->staged_workers &= s->staged_workers - 1) {
		unsigned w = (unsigned)__builtin_ctzll(s->staged_workers);
		unsigned n = s->staged_count[w];
		unsigned sent =
			rte_ring_sp_enqueue_burst(s->ring[w], (void **)s->staged[w], n, NULL);

		s->staged_count[w] = 0;
		s->enqueued[w] += sent;
		if (unlikely_(sent < n)) {
			rte_pktmbuf_free_bulk(s->staged[w] + sent, n - sent);
			stat_add(&s->stats[STEER_STAT_drop_ring_full], n - sent);
			stat_add(&s->ring_full[w], n - sent);
		}
	}
}

unsigned steer_burst(struct steer *s, struct rte_mbuf **m, unsigned n, uint32_t now_ns)
{
	uint32_t tally[STEER_STAT_to_misc - STEER_STAT_by_nic_hash + 1] = {0};
	unsigned own = 0;

	DCHECK(n <= STEER_BURST_MAX);
	if (n == 0) {
		stat_inc(&s->stats[STEER_STAT_empty_bursts]);
		return 0;
	}
	for (unsigned i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned i = 0; i < n; i++) {
		enum steer_stat how;
		unsigned w;

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + PREFETCH_AHEAD], void *));
		w = steer_one(s, m[i], &how);
		m[i]->hash.fdir.hi = now_ns;
		m[i]->ol_flags |= NET_MBUF_STEERED;
		tally[how - STEER_STAT_by_nic_hash]++;
		s->staged[w][s->staged_count[w]++] = m[i];
		s->staged_workers |= 1ULL << w;
	}
	if (s->staged_workers & s->own_mask)
		own = take_own(s, m);
	flush(s);
	stat_inc(&s->stats[STEER_STAT_rx_bursts]);
	stat_add(&s->stats[STEER_STAT_rx_packets], n);
	for (unsigned i = 0; i < sizeof(tally) / sizeof(tally[0]); i++)
		stat_add(&s->stats[STEER_STAT_by_nic_hash + i], tally[i]);
	return own;
}

void steer_poll(struct steer *s, uint64_t now_us)
{
	struct steer_tuple closed[CLOSED_PER_POLL];

	s->now_s = (uint32_t)(now_us / 1000000);
	if (s->policy != STEER_ROUNDROBIN)
		return;
	for (unsigned w = 0; w < s->worker_count; w++) {
		unsigned n;

		if (!s->closed_ring[w])
			continue;
		n = rte_ring_sc_dequeue_burst_elem(
			s->closed_ring[w], closed, sizeof(closed[0]), CLOSED_PER_POLL, NULL);
		for (unsigned i = 0; i < n; i++)
			flow_closed(&s->flows, &closed[i], s->now_s);
	}
}
