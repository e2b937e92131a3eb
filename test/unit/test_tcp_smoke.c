// SPDX-License-Identifier: BSD-3-Clause
// One conversation from SYN to TIME-WAIT, and what happens when memory is short
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

static void conversation(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, TW_ALL);
	tw_in(&w, "P. 1:31(30) ack 1");
	tw_events(&w, TCP_EV_DATA);
	tw_read(&w, 30);
	tw_write(&w, 200);
	tw_out(&w, "P. 1:201(200) ack 31"); // the reply carries the ACK
	tw_none(&w);
	tw_in(&w, "P. 31:61(30) ack 201"); // and the next request that of the reply
	tw_events(&w, TCP_EV_DATA | TCP_EV_SPACE);
	tw_read(&w, 30);
	tw_write(&w, 50);
	tw_out(&w, "P. 201:251(50) ack 61");
	tw_in(&w, "F. 61:61(0) ack 251");
	tw_events(&w, TCP_EV_EOF | TCP_EV_SPACE);
	tw_out(&w, ". 251:251(0) ack 62");
	tw_state(&w, "CLOSE-WAIT");
	tw_close(&w);
	tw_release(&w);
	tw_out(&w, "F. 251:251(0) ack 62");
	tw_in(&w, ". 62:62(0) ack 252");
	assert_int_equal(tcp_conn_count(w.tcp), 0);
	tw_counts(&w, "closed");
	tw_end(&w);
}

// Every mbuf of the pool is taken: nothing can be sent, and nothing is lost.
static void no_mbuf_for_data(void **state)
{
	static struct rte_mbuf *held[EAL_POOL_COUNT + 1]; // and the NULL
	unsigned n = 0;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	while ((held[n] = rte_pktmbuf_alloc(eal_pool())))
		n++;
	tw_write(&w, 3000);
	tw_quiet(&w, 100 * MS);
	assert_int_equal(tw_info(&w).unsent, 3000);
	rte_pktmbuf_free_bulk(held, n);
	tw_advance(&w, 20 * MS);
	tw_out(&w, ". 1:1461(1460) ack 1");
	tw_out(&w, ". 1461:2921(1460) ack 1");
	tw_out(&w, "P. 2921:3001(80) ack 1");
	tw_none(&w);
	tw_counts(&w, "");
	tw_end(&w);
}

// The same for an ACK that is owed and for a retransmission.
static void no_mbuf_for_ack(void **state)
{
	static struct rte_mbuf *held[EAL_POOL_COUNT + 1]; // and the NULL
	unsigned n = 0;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_write(&w, 10);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_input(&w, "P. 11:21(10) ack 1"); // out of order: a duplicate ACK at once
	while ((held[n] = rte_pktmbuf_alloc(eal_pool())))
		n++;
	tw_loop(&w);
	tw_none(&w);
	rte_pktmbuf_free_bulk(held, n);
	tw_loop(&w);
	tw_out(&w, ". 11:11(0) ack 1");

	for (n = 0; (held[n] = rte_pktmbuf_alloc(eal_pool()));)
		n++;
	tw_advance(&w, 2 * SECOND);
	tw_none(&w);
	rte_pktmbuf_free_bulk(held, n);
	tw_advance(&w, 4 * SECOND);
	tw_out(&w, "P. 1:11(10) ack 1");
	tw_end(&w);
}

// The tx vector is nearly full: data waits for the next turn and is not lost on the way.
static void tx_vector_full(void **state)
{
	unsigned sent = 0;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 1:2(1) ack 1");
	for (unsigned i = 0; i < 1020; i++)
		tw_in(&w, "P. 1:2(1) ack 1"); // old: an ACK each
	tw_write(&w, 10 * 1460);
	for (unsigned i = 0; i < 3; i++) {
		while (tw_take(&w))
			sent += w.got.len;
		tw_loop(&w);
	}
	assert_int_equal(sent, 10 * 1460);
	assert_int_equal(stat_read(&net_stats(w.net)[NET_STAT_tx_full]), 0);
	tw_inf(&w, ". 2:2(0) ack %u", 10 * 1460 + 1);
	tw_quiet(&w, 10 * SECOND);
	tw_counts(&w, "drop_unacceptable=1020");
	tw_end(&w);
}

// The chunk pool is empty: the user sees it, the connection lives on.
static void no_chunk(void **state)
{
	struct tcp_conf conf;
	struct tw w;
	uint8_t b = 0;

	tw_conf(&conf);
	conf.chunk_count = 1;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	tw_write(&w, CHUNK_ROOM);
	assert_false(chunkq_append(tcp_send_queue(w.f->tcb), &b, 1));
	tw_drain(&w);
	tw_inf(&w, ". 1:1(0) ack %u", (unsigned)CHUNK_ROOM + 1);
	tw_write(&w, 5);
	tw_outf(&w, "P. %u:%u(5) ack 1", (unsigned)CHUNK_ROOM + 1, (unsigned)CHUNK_ROOM + 6);
	tw_end(&w);
}

// RFC 9293 3.10.7.4: a new SYN for a half-open connection starts it anew. The flow is
// the same for whoever keeps a table of flows.
static void half_open_again(void **state)
{
	struct tcp_peer peer[4];
	struct tcp_conf conf;
	struct tw w;

	tw_conf(&conf);
	conf.log_closed = true;
	tw_open(&w, &conf);
	tw_in(&w, "S 0:0(0) <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 1 <...>");
	tw_in(&w, "S 500:500(0) <mss 1460>");
	tw_out(&w, "S. 0:0(0) ack 501 <...>");
	assert_int_equal(tcp_conn_count(w.tcp), 1);
	assert_int_equal(tcp_take_closed(w.tcp, peer, 4), 0);
	tw_end(&w);
}

// The last SYN's timestamp is echoed (RFC 7323 4.3).
static void syn_again_newer_timestamp(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_in(&w, "S 0:0(0) <mss 1460,TS val 100 ecr 0>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460,TS val * ecr 100>");
	tw_in(&w, "S 0:0(0) <mss 1460,TS val 1100 ecr 0>");
	tw_out(&w, "S. 0:0(0) ack 1 <mss 1460,TS val * ecr 1100>");
	tw_end(&w);
}

// RFC 6675 2: a SACK block makes a duplicate ACK although the window changed; a D-SACK,
// below the acknowledgment, does not.
static void sacked_duplicate_acks(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,sackOK");
	tw_write(&w, 7300);
	assert_int_equal(tw_drain(&w), 5);
	tw_in(&w, ". 1:1(0) ack 1461 win 60000");
	tw_in(&w, ". 1:1(0) ack 1461 win 60100 <sack 1:1461>");
	tw_in(&w, ". 1:1(0) ack 1461 win 60200 <sack 1:1461>");
	tw_in(&w, ". 1:1(0) ack 1461 win 60300 <sack 1:1461>");
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1461 win 60400 <sack 2921:4381>");
	tw_in(&w, ". 1:1(0) ack 1461 win 60500 <sack 2921:5841>");
	tw_none(&w);
	tw_in(&w, ". 1:1(0) ack 1461 win 60600 <sack 2921:7301>");
	tw_out(&w, ". 1461:2921(1460) ack 1");
	tw_none(&w);
	tw_counts(&w, "fast_retransmits retransmits");
	assert_int_equal(tw_info(&w).snd_wnd, 60600);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversation),
		cmocka_unit_test(no_mbuf_for_data),
		cmocka_unit_test(no_mbuf_for_ack),
		cmocka_unit_test(tx_vector_full),
		cmocka_unit_test(no_chunk),
		cmocka_unit_test(half_open_again),
		cmocka_unit_test(syn_again_newer_timestamp),
		cmocka_unit_test(sacked_duplicate_acks),
	};

	return tw_run_group("tcp smoke", tests, sizeof(tests) / sizeof(tests[0]));
}
