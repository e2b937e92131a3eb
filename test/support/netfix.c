// SPDX-License-Identifier: BSD-3-Clause
// A struct net under test

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/netfix.h"

#include "base/bytes.h"
#include "support/eal.h"

void netfix_conf(struct net_conf *conf)
{
	*conf = (struct net_conf){
		.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 2,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP},
			{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_UDP}},
		.mtu = 1500,
		.ttl = 64,
		.icmp_rate_pps = 1000,
		.pool = eal_pool(),
		.seed = 1,
	};
	memcpy(conf->mac, frame_our_mac, sizeof(conf->mac));
}

void netfix_open(struct netfix *fix, const struct net_conf *conf)
{
	*fix = (struct netfix){.now_us = 5000000, .mbufs_before = eal_pool_in_use()};
	fix->net = net_create(conf, fix->now_us);
	assert_non_null(fix->net);
}

void netfix_close(struct netfix *fix)
{
	net_destroy(fix->net);
	assert_int_equal(eal_pool_in_use(), fix->mbufs_before);
}

bool netfix_input_mbuf(struct netfix *fix, struct rte_mbuf *m, struct net_pkt *pkt)
{
	return net_input(fix->net, &m, 1, pkt, fix->now_us) == 1;
}

bool netfix_input(struct netfix *fix, const struct frame *f, struct net_pkt *pkt)
{
	return netfix_input_mbuf(fix, frame_mbuf(f), pkt);
}

uint64_t netfix_stat(const struct netfix *fix, enum net_stat stat)
{
	return stat_read(&net_stats(fix->net)[stat]);
}

// Name of each DROP counter that moved, for a message that says what happened.
static unsigned drops_moved(struct netfix *fix, enum net_stat expected)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < NET_STAT_COUNT; i++) {
		uint64_t now = netfix_stat(fix, i);

		if (net_stats_set.desc[i].kind == STAT_DROP && now != fix->seen[i]) {
			if (i != expected)
				print_error("moved: %s\n", net_stats_set.desc[i].name);
			moved += (unsigned)(now - fix->seen[i]);
		}
	}
	return moved;
}

static void remember(struct netfix *fix)
{
	for (unsigned i = 0; i < NET_STAT_COUNT; i++)
		fix->seen[i] = netfix_stat(fix, i);
}

void netfix_expect_drop(struct netfix *fix, enum net_stat reason)
{
	unsigned moved = drops_moved(fix, reason);

	if (netfix_stat(fix, reason) != fix->seen[reason] + 1)
		fail_msg("%s did not move by one", net_stats_set.desc[reason].name);
	assert_int_equal(moved, 1);
	remember(fix);
}

void netfix_expect_no_drop(struct netfix *fix)
{
	assert_int_equal(drops_moved(fix, NET_STAT_COUNT), 0);
	remember(fix);
}

void netfix_drops(struct netfix *fix, const struct frame *f, enum net_stat reason)
{
	unsigned waiting = net_tx_count(fix->net);
	struct net_pkt pkt;

	assert_false(netfix_input(fix, f, &pkt));
	assert_int_equal(net_tx_count(fix->net), waiting);
	netfix_expect_drop(fix, reason);
}

void netfix_passes(struct netfix *fix, const struct frame *f)
{
	struct net_pkt pkt;

	if (!netfix_input(fix, f, &pkt)) {
		drops_moved(fix, NET_STAT_COUNT);
		fail_msg("frame was not passed up");
	}
	netfix_expect_no_drop(fix);
	rte_pktmbuf_free(pkt.m);
}

void netfix_take(struct netfix *fix, struct frame *f)
{
	struct rte_mbuf *m;

	assert_int_equal(net_take_tx(fix->net, &m, 1), 1);
	assert_int_equal(m->nb_segs, 1);
	f->len = m->data_len;
	memcpy(f->b, rte_pktmbuf_mtod(m, void *), f->len);
	f->l3 = 14;
	if (load_be16(f->b + 12) == 0x8100 || load_be16(f->b + 12) == 0x88a8)
		f->l3 += 4;
	f->l4 = f->l3 + 20;
	rte_pktmbuf_free(m);
}
