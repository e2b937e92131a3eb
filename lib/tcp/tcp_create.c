// SPDX-License-Identifier: BSD-3-Clause
// Set-up of struct tcp: limits, all memory, counters

#include <errno.h>
#include <stdlib.h>

#include "tcp/tcp_priv.h"

static const struct stat_desc tcp_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "tcp/tcp.def"
#undef STAT
};

const struct stats_set tcp_stats_set = {TCP_STATS_MODULE, tcp_stat_desc, TCP_STAT_COUNT};

void tcp_conf_default(struct tcp_conf *conf)
{
	*conf = (struct tcp_conf){
		.conn_count_max = 1024,
		.time_wait_count_max = 4096,
		.rcv_buf_size = 65535,
		.snd_buf_size = 65536,
		.chunk_count = 4096,
		.ooo_mbuf_max = 64,
		.mss_min = 216,
		.rto_min_us = 200000,
		.rto_max_us = 60000000,
		.delayed_ack_us = 40000,
		.time_wait_us = 60000000,
		.fin_wait2_us = 60000000,
		.r2_us = 100000000,
	};
}

static bool conf_ok(const struct tcp_conf *c)
{
	return c->conn_count_max > 0 && c->time_wait_count_max > 0 && c->chunk_count > 0 &&
	       c->time_wait_count_max < TIME_WAIT_NONE && c->rcv_buf_size >= TCP_MSS_DEFAULT &&
	       c->rcv_buf_size <= 1u << 30 && c->mss_min >= 64 && c->rto_min_us >= 1000 &&
	       c->rto_min_us <= c->rto_max_us && c->rto_max_us <= 1u << 30 &&
	       c->ooo_mbuf_max <= UINT16_MAX && c->delayed_ack_us < 500000; // MUST-40
}

static uint32_t pow2_at_least(uint32_t n)
{
	uint32_t p = 16;

	while (p < n && p < 1u << 31)
		p *= 2;
	return p;
}

static int take_memory(struct tcp *tcp)
{
	const struct tcp_conf *c = &tcp->conf;
	uint32_t slots = pow2_at_least(c->conn_count_max);
	uint32_t tw_slots = pow2_at_least(c->time_wait_count_max);

	tcp->table_mask = slots - 1;
	tcp->table = calloc(slots, sizeof(*tcp->table));
	tcp->used = calloc((c->conn_count_max + 63) / 64, sizeof(*tcp->used));
	tcp->tw_mask = tw_slots - 1;
	tcp->tw_table = calloc(tw_slots, sizeof(*tcp->tw_table));
	if (c->log_closed) {
		tcp->closed_size = c->conn_count_max + c->time_wait_count_max;
		tcp->closed = calloc(tcp->closed_size, sizeof(*tcp->closed));
		if (!tcp->closed)
			return -ENOMEM;
	}
	if (!tcp->table || !tcp->used || !tcp->tw_table ||
		pool_init(&tcp->tcbs, sizeof(struct tcb), c->conn_count_max, 64) ||
		pool_init(&tcp->tws, sizeof(struct time_wait), c->time_wait_count_max, 64) ||
		chunkq_pool_init(&tcp->chunks, c->chunk_count))
		return -ENOMEM;
	return 0;
}

// The smallest scale that can say rcv_buf_size: with scale 0 no edge has to be rounded.
static uint8_t window_scale(uint32_t rcv_buf_size)
{
	uint8_t scale = 0;

	while (rcv_buf_size >> scale > UINT16_MAX)
		scale++;
	return scale;
}

struct tcp *tcp_create(const struct tcp_conf *conf, struct net *net, uint64_t now_us)
{
	struct tcp *tcp;

	if (!conf_ok(conf))
		return NULL;
	tcp = calloc(1, sizeof(*tcp));
	if (!tcp)
		return NULL;
	tcp->conf = *conf;
	tcp->net = net;
	tcp->start_us = now_us;
	tcp->rcv_buf_size = conf->rcv_buf_size;
	tcp->ooo_mbuf_max = conf->ooo_mbuf_max;
	tcp->delayed_ack_us = conf->delayed_ack_us;
	tcp->rto_min_us = conf->rto_min_us;
	tcp->rto_max_us = conf->rto_max_us;
	tcp->mtu_mss = net_conf(net)->mtu - HDR_IP4_LEN - HDR_TCP_LEN;
	tcp->rcv_wscale = window_scale(conf->rcv_buf_size);
	tcp->tw_oldest = tcp->tw_newest = TIME_WAIT_NONE;
	link_init(&tcp->ready);
	link_init(&tcp->work);
	wheel_init(&tcp->wheel, now_us / 1000);
	// Another key than the ISN's: chain lengths can be felt from outside.
	tcp->table_key.k0 = siphash24(&conf->key, "table 0", 7);
	tcp->table_key.k1 = siphash24(&conf->key, "table 1", 7);
	if (take_memory(tcp)) {
		tcp_destroy(tcp);
		return NULL;
	}
	return tcp;
}

void tcp_destroy(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (uint32_t i = 0; tcp->used && i < tcp->conf.conn_count_max; i++) {
		if (tcb_in_use(tcp, i)) {
			struct tcb *tcb = pool_at(&tcp->tcbs, i);

			tcb_rcvq_clear(tcb);
			tcb_ooo_clear(tcb);
			chunkq_clear(&tcb->sndq); // its references are others' memory
		}
	}
	pool_fini_forced(&tcp->chunks);
	pool_fini_forced(&tcp->tws);
	pool_fini_forced(&tcp->tcbs);
	free(tcp->closed);
	free(tcp->tw_table);
	free(tcp->used);
	free(tcp->table);
	free(tcp);
}
