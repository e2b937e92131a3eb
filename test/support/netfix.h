// SPDX-License-Identifier: BSD-3-Clause
// A struct net under test: frames in, answers out, which counter moved, no mbuf lost
#pragma once

#include "net/net.h"
#include "support/frame.h"

struct netfix {
	struct net *net;
	uint64_t now_us;
	unsigned mbufs_before;
	uint64_t seen[NET_STAT_COUNT]; // as of the last netfix_expect_*
};

// Address 10.0.0.1, port 11211 for TCP and UDP, no offloads, 1000 echoes per second.
void netfix_conf(struct net_conf *conf);
void netfix_open(struct netfix *fix, const struct net_conf *conf);
// Takes what waits to be sent; fails the test when an mbuf is missing.
void netfix_close(struct netfix *fix);

// One frame in. True: pkt is filled and its mbuf is the test's.
bool netfix_input(struct netfix *fix, const struct frame *f, struct net_pkt *pkt);
bool netfix_input_mbuf(struct netfix *fix, struct rte_mbuf *m, struct net_pkt *pkt);

// Since the last call: exactly one DROP counter moved, by one, and it is this one.
void netfix_expect_drop(struct netfix *fix, enum net_stat reason);
// No DROP counter moved.
void netfix_expect_no_drop(struct netfix *fix);
// The frame is dropped for this reason and nothing is sent.
void netfix_drops(struct netfix *fix, const struct frame *f, enum net_stat reason);
// The frame is passed up; frees it.
void netfix_passes(struct netfix *fix, const struct frame *f);

uint64_t netfix_stat(const struct netfix *fix, enum net_stat stat);

// The oldest packet waiting to be sent, as bytes; the test fails when there is none.
void netfix_take(struct netfix *fix, struct frame *f);
