// SPDX-License-Identifier: BSD-3-Clause
// TIME-WAIT as small records: a table of their own, the oldest makes room (RFC 9293 3.10.7.4)
//
// All wait equally long, so a list in the order of their start, or restart, is one in
// the order of their end.

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

#define ANSWER_INTERVAL_MS 500

static struct time_wait *tw_at(const struct tcp *tcp, uint32_t idx)
{
	return idx == TIME_WAIT_NONE ? NULL : pool_at(&tcp->tws, idx);
}

static uint32_t tw_now_ms(const struct tcp *tcp, uint64_t now_us)
{
	return (uint32_t)((now_us - tcp->start_us) / 1000);
}

static struct tcp_peer tw_peer(const struct time_wait *tw)
{
	return (struct tcp_peer){
		.local_addr = tw->local_addr,
		.remote_addr = tw->remote_addr,
		.local_port = tw->local_port,
		.remote_port = tw->remote_port,
	};
}

static void tw_unlink(struct tcp *tcp, struct time_wait *tw)
{
	struct time_wait *prev = tw_at(tcp, tw->prev), *next = tw_at(tcp, tw->next);

	if (prev)
		prev->next = tw->next;
	else
		tcp->tw_oldest = tw->next;
	if (next)
		next->prev = tw->prev;
	else
		tcp->tw_newest = tw->prev;
}

// The newest from now on.
static void tw_link(struct tcp *tcp, struct time_wait *tw, uint64_t now_us)
{
	struct time_wait *newest = tw_at(tcp, tcp->tw_newest);
	uint32_t idx = pool_index(&tcp->tws, tw);

	tw->expire_ms = tw_now_ms(tcp, now_us + tcp->conf.time_wait_us + 999);
	tw->prev = tcp->tw_newest;
	tw->next = TIME_WAIT_NONE;
	if (newest)
		newest->next = idx;
	else
		tcp->tw_oldest = idx;
	tcp->tw_newest = idx;
}

static void tw_free(struct tcp *tcp, struct time_wait *tw)
{
	struct time_wait **slot = &tcp->tw_table[tw->hash & tcp->tw_mask];

	while (*slot != tw)
		slot = &(*slot)->hash_next;
	*slot = tw->hash_next;
	tw_unlink(tcp, tw);
	pool_put(&tcp->tws, tw);
}

// The flow's last trace goes.
static void tw_end(struct tcp *tcp, struct time_wait *tw)
{
	struct tcp_peer peer = tw_peer(tw);

	tw_free(tcp, tw);
	tcp_log_closed(tcp, &peer);
}

void tcp_time_wait_walk(const struct tcp *tcp, uint32_t slot, tcp_walk_fn *fn, void *arg)
{
	for (const struct time_wait *tw = tcp->tw_table[slot]; tw; tw = tw->hash_next) {
		struct tcp_peer peer = tw_peer(tw);

		fn(arg, &peer);
	}
}

void tcp_time_wait_add(struct tcp *tcp, const struct tcb *tcb, uint64_t now_us)
{
	struct time_wait *tw = pool_get(&tcp->tws), **slot;

	if (!tw) {
		tcp_count(tcp, TCP_STAT_time_wait_evicted);
		tw_end(tcp, tw_at(tcp, tcp->tw_oldest));
		tw = pool_get(&tcp->tws);
	}
	slot = &tcp->tw_table[tcb->hash & tcp->tw_mask];
	*tw = (struct time_wait){
		.local_addr = tcb->path.local,
		.remote_addr = tcb->path.remote,
		.local_port = tcb->local_port,
		.remote_port = tcb->remote_port,
		.hash = tcb->hash,
		.snd_nxt = tcb->snd_nxt,
		.rcv_nxt = tcb->rcv_nxt,
		.ts_recent = tcb->ts_recent,
		.ts_offset = tcb->ts_offset,
		.hash_next = *slot,
		.answer_ms = tw_now_ms(tcp, now_us) - ANSWER_INTERVAL_MS,
		.wnd = (uint16_t)((tcb->rcv_adv - tcb->rcv_nxt) >> tcb->rcv_wscale),
		.ts_ok = tcb->ts_ok,
	};
	*slot = tw;
	tw_link(tcp, tw, now_us);
}

struct time_wait *tcp_time_wait_find(
	const struct tcp *tcp, uint32_t hash, const struct net_pkt *pkt)
{
	struct time_wait *tw = tcp->tw_table[hash & tcp->tw_mask];

	for (; tw; tw = tw->hash_next)
		if (tw->hash == hash && tw->remote_addr == pkt->path.remote &&
			tw->remote_port == pkt->src_port && tw->local_port == pkt->dst_port &&
			tw->local_addr == pkt->path.local)
			return tw;
	return NULL;
}

static void tw_send_ack(
	struct tcp *tcp, const struct time_wait *tw, const struct tcp_seg *seg, uint64_t now_us)
{
	unsigned opt_len = tw->ts_ok ? TCP_OPT_TS_LEN : 0;
	struct rte_mbuf *m = tcp_segment(tcp, tw->local_port, tw->remote_port, tw->snd_nxt,
		tw->rcv_nxt, TCP_ACK, tw->wnd, opt_len);

	if (!m)
		return;
	if (tw->ts_ok)
		tcp_opt_put_ts(rte_pktmbuf_mtod_offset(m, uint8_t *, HDR_TCP_LEN),
			(uint32_t)(now_us / 1000) + tw->ts_offset, tw->ts_recent);
	tcp_count(tcp, TCP_STAT_tx_segments);
	net_output(tcp->net, m, &seg->pkt->path, HDR_PROTO_TCP);
}

// RFC 6191 2, without timestamps RFC 1122 4.2.2.13: surely not an old duplicate.
static bool syn_is_new(const struct time_wait *tw, const struct tcp_seg *seg)
{
	if (tw->ts_ok && seg->opt.has_ts && seg->opt.tsval != tw->ts_recent)
		return seq_gt(seg->opt.tsval, tw->ts_recent);
	return seq_gt(seg->seq, tw->rcv_nxt);
}

static enum tcp_stat tw_syn(
	struct tcp *tcp, struct time_wait *tw, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t hash = tw->hash, snd_nxt = tw->snd_nxt;
	bool asks = !(seg->flags & TCP_ACK);

	if (asks && tcp->draining)
		return TCP_STAT_drop_draining;
	if (asks && syn_is_new(tw, seg)) {
		if (pool_free_count(&tcp->tcbs) == 0)
			return TCP_STAT_drop_table_full;
		tw_free(tcp, tw);
		tcp_count(tcp, TCP_STAT_time_wait_reused);
		return tcp_listen_syn(tcp, seg, hash, &snd_nxt, now_us);
	}
	if (tw_now_ms(tcp, now_us) - tw->answer_ms >= ANSWER_INTERVAL_MS) {
		tw->answer_ms = tw_now_ms(tcp, now_us);
		tcp_count(tcp, TCP_STAT_challenge_acks);
		tw_send_ack(tcp, tw, seg, now_us);
	}
	return TCP_STAT_drop_challenged;
}

enum tcp_stat tcp_time_wait_input(
	struct tcp *tcp, struct time_wait *tw, struct tcp_seg *seg, uint64_t now_us)
{
	// RFC 1337: a reset does not shorten the wait.
	if (seg->flags & TCP_RST)
		return TCP_STAT_drop_time_wait;
	if (seg->flags & TCP_SYN)
		return tw_syn(tcp, tw, seg, now_us);
	if (!(seg->flags & TCP_ACK))
		return TCP_STAT_drop_flags;
	if (seg_len(seg) == 0) {
		// The ACK of our FIN again needs nothing; else one that does not fit the
		// connection is told where it stands, but two such hosts must not
		// answer each other for ever.
		if (seg->seq == tw->rcv_nxt ||
			tw_now_ms(tcp, now_us) - tw->answer_ms < ANSWER_INTERVAL_MS)
			return TCP_STAT_drop_time_wait;
		tw->answer_ms = tw_now_ms(tcp, now_us);
	}
	if (seg->flags & TCP_FIN) {
		// "Restart the 2 MSL time-wait timeout."
		tw_unlink(tcp, tw);
		tw_link(tcp, tw, now_us);
	}
	tw_send_ack(tcp, tw, seg, now_us);
	return TCP_STAT_drop_time_wait;
}

static bool tw_is_due(const struct tcp *tcp, const struct time_wait *tw, uint64_t now_us)
{
	return (int32_t)(tw_now_ms(tcp, now_us) - tw->expire_ms) >= 0;
}

void tcp_time_wait_poll(struct tcp *tcp, uint64_t now_us)
{
	for (unsigned i = 0; i < TCP_POLL_TIMERS_MAX; i++) {
		struct time_wait *tw = tw_at(tcp, tcp->tw_oldest);

		if (!tw || !tw_is_due(tcp, tw, now_us))
			return;
		tw_end(tcp, tw);
	}
}

uint64_t tcp_time_wait_deadline_us(const struct tcp *tcp)
{
	const struct time_wait *tw = tw_at(tcp, tcp->tw_oldest);
	uint64_t past_ms;

	if (!tw)
		return UINT64_MAX;
	// expire_ms counts from start_us and wraps: it is near the wheel's time.
	past_ms = tcp->wheel.now_ms - tcp->start_us / 1000;
	past_ms += (uint64_t)(int64_t)(int32_t)(tw->expire_ms - (uint32_t)past_ms);
	return tcp->start_us + past_ms * 1000;
}

bool tcp_time_wait_check(const struct tcp *tcp, const char **what)
{
	uint32_t n = 0, prev = TIME_WAIT_NONE;

	for (uint32_t idx = tcp->tw_oldest; idx != TIME_WAIT_NONE; n++) {
		const struct time_wait *tw = tw_at(tcp, idx), *t, *before = tw_at(tcp, prev);

		*what = "TIME-WAIT list";
		if (n >= tcp->tws.obj_count || tw->prev != prev ||
			(before && (int32_t)(tw->expire_ms - before->expire_ms) < 0))
			return false;
		for (t = tcp->tw_table[tw->hash & tcp->tw_mask]; t && t != tw;)
			t = t->hash_next;
		*what = "TIME-WAIT record not in the table";
		if (!t)
			return false;
		prev = idx;
		idx = tw->next;
	}
	*what = "TIME-WAIT count";
	return n == tcp->tws.used_count && prev == tcp->tw_newest;
}
