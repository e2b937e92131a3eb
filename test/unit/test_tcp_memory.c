// SPDX-License-Identifier: BSD-3-Clause
// When mbufs, chunks or the transmit vector run out: late, but nothing is lost
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/eal.h"
#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u

static struct rte_mbuf *hoard[EAL_POOL_COUNT + 1];
static unsigned hoard_count;

// Take all mbufs but these.
static void leave_mbufs(unsigned n)
{
	while ((hoard[hoard_count] = rte_pktmbuf_alloc(eal_pool())))
		hoard_count++;
	for (; n > 0; n--)
		rte_pktmbuf_free(hoard[--hoard_count]);
}

static void give_back(void)
{
	while (hoard_count > 0)
		rte_pktmbuf_free(hoard[--hoard_count]);
}

static void data_waits_for_mbufs(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	leave_mbufs(1);
	tw_write(&w, 2000);
	tw_out(&w, ". 1:1461(1460) ack 1"); // the last one
	leave_mbufs(0);
	tw_quiet(&w, 50 * MS);
	give_back();
	tw_in(&w, ". 1:1(0) ack 1461");
	tw_out(&w, "P. 1461:2001(540) ack 1");
	tw_none(&w);
	assert_true(stat_read(&net_stats(w.net)[NET_STAT_tx_no_mbuf]) > 0);
	tw_in(&w, ". 1:1(0) ack 2001");
	tw_counts(&w, "");
	tw_end(&w);
}

// Nothing is in flight: no RTO would come to help.
static void first_segment_waits_for_mbufs(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	leave_mbufs(0);
	tw_write(&w, 10);
	tw_close(&w);
	tw_quiet(&w, SECOND);
	give_back();
	tw_out_within(&w, 0, 50 * MS, "FP. 1:11(10) ack 1");
	tw_counts(&w, "");
	tw_end(&w);
}

static void ack_waits_for_mbufs(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	leave_mbufs(1);
	tw_in(&w, "P. 101:201(100) ack 1"); // kept, and an ACK is owed
	tw_none(&w);
	give_back();
	tw_loop(&w);
	tw_out(&w, ". 1:1(0) ack 1");
	tw_end(&w);
}

static void syn_ack_without_mbuf(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	leave_mbufs(1);
	tw_in(&w, "S 0:0(0) win 65535 <mss 1460>");
	tw_none(&w);
	give_back();
	tw_out_after(&w, SECOND, "S. 0:0(0) ack 1 <mss 1460>"); // as if it were lost
	tw_in(&w, ". 1:1(0) ack 1");
	tw_events(&w, TCP_EV_NEW);
	tw_end(&w);
}

// Timers that find no mbuf come again.
static void retransmission_without_mbuf(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_flow(&w, 1);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 0");
	tw_write(&w, 10); // probes
	leave_mbufs(0);
	tw_quiet(&w, 500 * MS);
	give_back();
	for (unsigned i = 0; i < 10; i++) {
		tw_advance(&w, 400 * MS);
		tw_drain(&w);
	}
	tw_flow(&w, 0);
	tw_in(&w, ". 1:1(0) ack 11");
	assert_int_equal(tcp_send_queue(w.f->tcb)->len, 0);
	tw_flow(&w, 1);
	tw_in(&w, ". 1:1(0) ack 1 win 100");
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_end(&w);
}

// NET_TX_MAX packets wait for somebody who does not come.
static void full_tx_vector(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_flow(&w, 1);
	for (unsigned i = 0; i < NET_TX_MAX; i++)
		tw_in(&w, ". 1:1(0) ack 1"); // no such connection: a RST each
	assert_int_equal(net_tx_count(w.net), NET_TX_MAX);
	tw_flow(&w, 0);
	tw_write(&w, 3000);
	assert_int_equal(net_tx_count(w.net), NET_TX_MAX);
	for (unsigned i = 0; i < NET_TX_MAX; i++)
		assert_true(tw_take(&w));
	tw_out_within(&w, 0, 50 * MS, ". 1:1461(1460) ack 1");
	tw_out(&w, ". 1461:2921(1460) ack 1");
	tw_out(&w, "P. 2921:3001(80) ack 1");
	tw_none(&w);
	assert_int_equal(tw_stat(&w, TCP_STAT_retransmits), 0);
	tw_end(&w);
}

// One pool of chunks for all: who gets none writes nothing, and may later.
static void chunks_run_out(void **state)
{
	struct tcp_conf conf;
	struct chunkq *q;
	struct tw w;

	tw_conf(&conf);
	conf.chunk_count = 4;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	tw_in(&w, ". 1:1(0) ack 1 win 0");
	tw_write(&w, 4 * CHUNK_ROOM);
	tw_flow(&w, 1);
	tw_connect(&w, "mss 1460");
	q = tcp_send_queue(w.f->tcb);
	assert_false(chunkq_append(q, "x", 1));
	assert_int_equal(q->len, 0);
	tw_output(&w);
	tw_none(&w);
	tw_flow(&w, 0);
	tw_abort(&w);
	tw_drain(&w);
	tw_release(&w);
	tw_flow(&w, 1);
	tw_write(&w, 4 * CHUNK_ROOM);
	assert_true(tw_drain(&w) > 0);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_waits_for_mbufs),
		cmocka_unit_test(first_segment_waits_for_mbufs),
		cmocka_unit_test(ack_waits_for_mbufs),
		cmocka_unit_test(syn_ack_without_mbuf),
		cmocka_unit_test(retransmission_without_mbuf),
		cmocka_unit_test(full_tx_vector),
		cmocka_unit_test(chunks_run_out),
	};

	return tw_run_group("tcp memory", tests, sizeof(tests) / sizeof(tests[0]));
}
