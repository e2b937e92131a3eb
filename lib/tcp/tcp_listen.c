// SPDX-License-Identifier: BSD-3-Clause
// Segments for no connection: a SYN to a listener opens one, the rest is answered by RST

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

// RFC 9293 3.5.2 group 1, 3.10.7.1. Never larger than what it answers, and never to a RST.
void tcp_answer_rst(struct tcp *tcp, const struct tcp_seg *seg)
{
	const struct net_pkt *pkt = seg->pkt;
	struct rte_mbuf *m;

	if (seg->flags & TCP_ACK)
		m = tcp_segment(tcp, pkt->dst_port, pkt->src_port, seg->ack, 0, TCP_RST, 0, 0);
	else
		m = tcp_segment(tcp, pkt->dst_port, pkt->src_port, 0, seg->seq + seg_len(seg),
			TCP_RST | TCP_ACK, 0, 0);
	if (!m)
		return;
	tcp_count(tcp, TCP_STAT_resets_sent);
	tcp_count(tcp, TCP_STAT_tx_segments);
	net_output(tcp->net, m, &pkt->path, HDR_PROTO_TCP);
}

// What the options of the SYN agree on (RFC 7323 2.2, 3.2; 2018 2).
static void take_syn_options(struct tcp *tcp, struct tcb *tcb, const struct tcp_opts *o)
{
	uint16_t mss = o->has_mss ? o->mss : TCP_MSS_DEFAULT;

	// A tiny MSS makes one request cost thousands of segments (CVE-2019-11479).
	if (mss < tcp->conf.mss_min)
		mss = tcp->conf.mss_min;
	if (mss > tcp->mtu_mss)
		mss = tcp->mtu_mss;
	tcb->ts_ok = o->has_ts;
	tcb->ts_recent = o->tsval;
	tcb->sack_ok = o->sack_perm;
	tcb->wscale_ok = o->has_wscale;
	tcb->snd_wscale = o->has_wscale ? o->wscale : 0;
	tcb->rcv_wscale = o->has_wscale ? tcp->rcv_wscale : 0;
	tcb->mss_base = mss;
	tcb->mss = mss - (o->has_ts ? TCP_OPT_TS_LEN : 0);
	tcb->rcv_mss = TCP_MSS_DEFAULT;
}

static void open_windows(struct tcp *tcp, struct tcb *tcb, const struct tcp_seg *seg)
{
	uint32_t limit = (uint32_t)UINT16_MAX << tcb->rcv_wscale;

	tcb->irs = seg->seq;
	tcb->rcv_nxt = seg->seq + 1; // data on a SYN is not taken: the peer sends it again
	tcb->rcv_acked = tcb->rcv_nxt;
	tcb->rcv_limit = tcp->rcv_buf_size < limit ? tcp->rcv_buf_size : limit;
	tcb->rcv_adv = tcb->rcv_nxt + (tcb->rcv_limit < UINT16_MAX ? tcb->rcv_limit : UINT16_MAX);
	tcb->snd_wnd = seg->wnd; // not scaled on a SYN
	tcb->max_snd_wnd = seg->wnd;
	tcb->snd_wl1 = seg->seq;
}

enum tcp_stat tcp_listen_syn(struct tcp *tcp, struct tcp_seg *seg, uint32_t hash,
	const uint32_t *isn_after, uint64_t now_us)
{
	const struct net_pkt *pkt = seg->pkt;
	struct tcb *tcb = tcb_alloc(tcp);

	if (!tcb)
		return TCP_STAT_drop_table_full;
	tcp_count(tcp, TCP_STAT_syns_received);
	tcb->path = pkt->path;
	tcb->local_port = pkt->dst_port;
	tcb->remote_port = pkt->src_port;
	tcb->hash = hash;
	take_syn_options(tcp, tcb, &seg->opt);
	open_windows(tcp, tcb, seg);
	tcb->ts_recent_s = (uint32_t)(now_us / 1000000);
	tcb->rx_us = tcb->una_us = now_us;
	tcp_isn(tcp, &tcb->path, tcb->local_port, tcb->remote_port, now_us, &tcb->iss,
		&tcb->ts_offset);
	// RFC 9293 3.10.7.4, RFC 1122 4.2.2.13: above all of the connection before.
	if (isn_after && !seq_gt(tcb->iss, *isn_after))
		tcb->iss = *isn_after + UINT16_MAX + 2;
	tcb->snd_una = tcb->iss;
	tcb->snd_nxt = tcb->snd_cur = tcb->iss + 1;
	tcb->cwnd = tcb->mss;
	tcb->rto_us = TCP_RTO_INITIAL_US;
	if (tcb->rto_us > tcp->rto_max_us)
		tcb->rto_us = tcp->rto_max_us;
	tcb_set_state(tcb, TCPS_SYN_RCVD);
	tcp_table_insert(tcp, tcb);
	tcb_rtt_start(tcb, tcb->snd_nxt, now_us);
	tcb_send_syn_ack(tcp, tcb, now_us);
	tcb_timer_start(tcp, tcb, TCB_TIMER_RTO, now_us + tcb->rto_us);
	return TCP_OK;
}

enum tcp_stat tcp_listen_input(struct tcp *tcp, struct tcp_seg *seg, uint32_t hash, uint64_t now_us)
{
	const struct net_pkt *pkt = seg->pkt;
	bool listens = net_listens(tcp->net, pkt->path.local, pkt->dst_port, HDR_PROTO_TCP);

	if (listens && !(seg->flags & (TCP_RST | TCP_ACK | TCP_SYN)))
		return TCP_STAT_drop_flags;
	if (seg->flags & TCP_RST)
		return TCP_STAT_drop_closed_port;
	if (!listens || (seg->flags & (TCP_ACK | TCP_SYN)) != TCP_SYN) {
		tcp_answer_rst(tcp, seg);
		return TCP_STAT_drop_closed_port;
	}
	if (tcp->draining)
		return TCP_STAT_drop_draining;
	return tcp_listen_syn(tcp, seg, hash, NULL, now_us);
}
