// SPDX-License-Identifier: BSD-3-Clause
// Policy roundrobin: new connections in turn, retransmissions, closing, races, ageing, a full table
// support: steerfix frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "support/steerfix.h"

#define SECOND 1000000ull

enum { SYN = 2, RST = 4, ACK = 16 };

static void open_roundrobin(struct steerfix *fix, unsigned worker_count, uint32_t flow_count_max)
{
	steerfix_conf(fix, worker_count, 64);
	fix->conf.policy = STEER_ROUNDROBIN;
	fix->conf.flow_count_max = flow_count_max;
	steerfix_open(fix);
	steer_poll(fix->steer, 1000 * SECOND);
}

static struct steer_tuple tuple_of(uint16_t src_port)
{
	return (struct steer_tuple){FRAME_PEER_ADDR, FRAME_OUR_ADDR, src_port, FRAME_OUR_PORT};
}

static unsigned bucket_of(struct steerfix *fix, uint16_t port)
{
	struct steer_tuple flow = tuple_of(port);

	return steerfix_bucket_worker(fix, &flow);
}

static unsigned send(struct steerfix *fix, uint16_t port, uint8_t flags)
{
	struct frame f;

	frame_tcp(&f, port, FRAME_OUR_PORT, flags, NULL, 0);
	return steerfix_one(fix, &f);
}

static void notice(struct steerfix *fix, uint16_t port, unsigned worker, uint64_t now_us)
{
	struct steer_tuple flow = tuple_of(port);

	assert_true(steer_closed_enqueue(fix->conf.closed_ring[worker], &flow));
	steer_poll(fix->steer, now_us);
}

static void connections_in_turn(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 3, 100);
	for (uint16_t port = 1; port <= 30; port++)
		assert_int_equal(send(&fix, port, SYN), (port - 1) % 3);
	for (unsigned round = 0; round < 3; round++)
		for (uint16_t port = 30; port >= 1; port--) {
			assert_int_equal(send(&fix, port, ACK), (port - 1) % 3);
			assert_int_equal(send(&fix, port, ACK | 8), (port - 1) % 3);
		}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_dealt), 30);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 30);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_flow), 30 + 180);
	steerfix_close(&fix);
}

static void retransmitted_syn_stays(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 4, 100);
	assert_int_equal(send(&fix, 1, SYN), 0);
	assert_int_equal(send(&fix, 2, SYN), 1);
	for (unsigned s = 1; s < 64; s *= 2) { // a client's pauses, each refreshes the entry
		steer_poll(fix.steer, (1000 + 2 * s) * SECOND);
		assert_int_equal(send(&fix, 1, SYN), 0);
		assert_int_equal(send(&fix, 2, SYN), 1);
	}
	assert_int_equal(send(&fix, 1, ACK), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_dealt), 2);
	steerfix_close(&fix);
}

static void unknown_flows_follow_the_hash(void **state)
{
	struct steerfix fix;
	struct frame f;

	open_roundrobin(&fix, 5, 100);
	for (uint16_t port = 1; port < 50; port++) {
		unsigned want = bucket_of(&fix, port);

		assert_int_equal(send(&fix, port, ACK), want);
		assert_int_equal(send(&fix, port, RST), want);
		assert_int_equal(send(&fix, port, SYN | ACK), want);
		assert_int_equal(send(&fix, port, SYN | RST), want);
		assert_int_equal(send(&fix, port, SYN | 1), want); // SYN and FIN
		assert_int_equal(send(&fix, port, 0), want);
		frame_udp(&f, port, FRAME_OUR_PORT, "x", 1);
		assert_int_equal(steerfix_one(&fix, &f), want);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_dealt), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_sw_hash), 49 * 7);
	// All zeroes: what an empty slot holds is no flow.
	frame_tcp(&f, 0, 0, ACK, NULL, 0);
	frame_set_addrs(&f, 0, 0);
	steerfix_one(&fix, &f);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_flow), 0);
	steerfix_close(&fix);
}

// UDP never enters the table, even beside a TCP flow of the same numbers.
static void udp_is_steered_by_hash(void **state)
{
	struct steerfix fix;
	struct frame f;

	open_roundrobin(&fix, 5, 100);
	for (uint16_t port = 1; port < 50; port++) {
		send(&fix, port, SYN);
		frame_udp(&f, port, FRAME_OUR_PORT, "x", 1);
		assert_int_equal(steerfix_one(&fix, &f), bucket_of(&fix, port));
	}
	steerfix_close(&fix);
}

static void closed_flow_is_dealt_anew(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 3, 100);
	assert_int_equal(send(&fix, 1, SYN), 0);
	assert_int_equal(send(&fix, 1, ACK), 0);
	notice(&fix, 1, 0, 1001 * SECOND);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 1);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 0);
	assert_int_equal(send(&fix, 1, ACK), 0); // late segments go where they went
	assert_int_equal(send(&fix, 1, SYN), 1);
	assert_int_equal(send(&fix, 1, ACK), 1);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 1);
	steerfix_close(&fix);
}

// The new SYN was enqueued to the worker before its notice about the old connection
// was read: the connection that the worker now has must keep its entry.
static void notice_crosses_a_new_syn(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 3, 100);
	assert_int_equal(send(&fix, 1, SYN), 0);
	assert_int_equal(send(&fix, 1, ACK), 0);
	assert_int_equal(send(&fix, 1, SYN), 0); // reuse: TIME-WAIT must see it
	notice(&fix, 1, 0, 1001 * SECOND);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 0);
	assert_int_equal(send(&fix, 1, SYN), 0); // retransmitted
	assert_int_equal(send(&fix, 1, ACK), 0);
	notice(&fix, 1, 0, 1002 * SECOND); // the second connection's own end
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 1);
	assert_int_equal(send(&fix, 1, SYN), 1);
	steerfix_close(&fix);
}

// A forged SYN into an open connection, or a reuse in TIME-WAIT without a notice.
static void syn_into_an_open_flow(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 3, 100);
	send(&fix, 1, SYN);
	send(&fix, 1, ACK);
	assert_int_equal(send(&fix, 1, SYN), 0);
	assert_int_equal(send(&fix, 1, ACK), 0);
	notice(&fix, 1, 0, 1001 * SECOND); // the ACK undid the doubt: this one counts
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 1);
	steerfix_close(&fix);
}

static void notice_about_nothing(void **state)
{
	struct steerfix fix;

	open_roundrobin(&fix, 3, 100);
	notice(&fix, 1, 0, 1001 * SECOND); // unknown
	assert_int_equal(send(&fix, 2, SYN), 0);
	notice(&fix, 2, 0, 1001 * SECOND); // half-open
	assert_int_equal(send(&fix, 2, SYN), 0);
	assert_int_equal(send(&fix, 2, RST), 0);
	assert_int_equal(send(&fix, 2, RST | ACK), 0);
	notice(&fix, 2, 0, 1001 * SECOND); // a reset does not open
	assert_int_equal(send(&fix, 2, SYN), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 1);
	steerfix_close(&fix);
}

// Fill the table with SYNs until one finds no slot; returns its port.
static uint16_t fill(struct steerfix *fix, uint16_t port)
{
	while (steerfix_moved(fix, STEER_STAT_flow_table_full) == 0)
		send(fix, port++, SYN);
	return port - 1;
}

static void full_table_falls_back_to_the_hash(void **state)
{
	unsigned worker[3000];
	struct steerfix fix;
	uint16_t last;

	open_roundrobin(&fix, 4, 100);
	for (uint16_t port = 1; port < 3000; port++)
		worker[port] = send(&fix, port, SYN);
	// 256 slots, and the last window's 15 more.
	assert_in_range(steerfix_stat(&fix, STEER_STAT_flows), 200, 271);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flow_table_full) +
				 steerfix_stat(&fix, STEER_STAT_flows_dealt),
		2999);
	// Dealt or not: all segments of a flow reach one worker.
	for (uint16_t port = 1; port < 3000; port++)
		assert_int_equal(send(&fix, port, ACK), worker[port]);
	steerfix_moved(&fix, STEER_STAT_flow_table_full);
	last = fill(&fix, 5000);
	assert_int_equal(send(&fix, last, SYN), bucket_of(&fix, last));
	steerfix_close(&fix);
}

static void half_open_flows_age(void **state)
{
	uint64_t start_s = 3u << 21, flows; // the coarse clock has wrapped
	struct steerfix fix;
	uint16_t last;

	open_roundrobin(&fix, 4, 10);
	steer_poll(fix.steer, start_s * SECOND);
	last = fill(&fix, 1);
	flows = steerfix_stat(&fix, STEER_STAT_flows);
	steer_poll(fix.steer, (start_s + STEER_HALF_OPEN_S) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 1);
	steer_poll(fix.steer, (start_s + STEER_HALF_OPEN_S + 1) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 0);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flows_replaced), 1);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), flows);
	steerfix_close(&fix);
}

static void open_flows_are_not_replaced(void **state)
{
	struct steerfix fix;
	uint16_t last;

	open_roundrobin(&fix, 4, 10);
	last = fill(&fix, 1);
	for (uint16_t port = 1; port < last; port++)
		send(&fix, port, ACK);
	steer_poll(fix.steer, 1000000 * SECOND);
	for (uint16_t port = 10000; port < 20000; port++)
		send(&fix, port, SYN);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_replaced), 0);
	steerfix_close(&fix);
}

static void idle_flows_are_replaced_when_allowed(void **state)
{
	struct steerfix fix;
	uint16_t last;

	steerfix_conf(&fix, 4, 64);
	fix.conf.policy = STEER_ROUNDROBIN;
	fix.conf.flow_count_max = 10;
	fix.conf.flow_idle_s = 3600;
	steerfix_open(&fix);
	// The coarse clock wraps on the way.
	steer_poll(fix.steer, ((1u << 21) - 100) * SECOND);
	last = fill(&fix, 1);
	for (uint16_t port = 1; port < last; port++)
		send(&fix, port, ACK);
	steer_poll(fix.steer, ((1u << 21) + 3500) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 1);
	steer_poll(fix.steer, ((1u << 21) + 3501) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 0);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flows_replaced), 1);
	steerfix_close(&fix);
}

static void closed_flows_make_room(void **state)
{
	struct steerfix fix;
	uint16_t last;

	open_roundrobin(&fix, 1, 10);
	last = fill(&fix, 1);
	for (uint16_t port = 1; port < last; port++) {
		send(&fix, port, ACK);
		notice(&fix, port, 0, 1000 * SECOND);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 0);
	steer_poll(fix.steer, (1000 + STEER_CLOSED_S) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 1);
	steer_poll(fix.steer, (1001 + STEER_CLOSED_S) * SECOND);
	send(&fix, last, SYN);
	assert_int_equal(steerfix_moved(&fix, STEER_STAT_flow_table_full), 0);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows), 1);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_replaced), 0);
	steerfix_close(&fix);
}

static void icmp_errors_follow_the_flow(void **state)
{
	struct frame f, sent;
	struct steerfix fix;
	uint8_t icmp[36] = {3, 4};

	open_roundrobin(&fix, 5, 100);
	for (uint16_t port = 1; port < 60; port++) {
		unsigned want = port < 50 ? send(&fix, port, SYN) : bucket_of(&fix, port);

		frame_tcp(&sent, FRAME_OUR_PORT, port, ACK, NULL, 0);
		frame_set_addrs(&sent, FRAME_OUR_ADDR, FRAME_PEER_ADDR);
		memcpy(icmp + 8, sent.b + sent.l3, 28);
		frame_ip4(&f, 1, icmp, sizeof(icmp));
		assert_int_equal(steerfix_one(&fix, &f), want);
	}
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_by_icmp_flow), 59);
	steerfix_close(&fix);
}

static void notices_are_bounded(void **state)
{
	struct steer_tuple flow = tuple_of(1);
	struct steerfix fix;
	unsigned n = 0;

	open_roundrobin(&fix, 2, 200);
	for (uint16_t port = 1; port <= 63; port++) {
		send(&fix, port, SYN);
		send(&fix, port, ACK);
		flow.src_port = port;
		n += steer_closed_enqueue(fix.conf.closed_ring[1], &flow);
	}
	assert_int_equal(n, 63);
	assert_false(steer_closed_enqueue(fix.conf.closed_ring[1], &flow)); // full
	steer_poll(fix.steer, 1000 * SECOND);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 32);
	steer_poll(fix.steer, 1000 * SECOND);
	assert_int_equal(steerfix_stat(&fix, STEER_STAT_flows_closed), 63);
	steerfix_close(&fix);
}

// Random lives of many connections. The law: from the SYN to the notice, every segment
// of a connection reaches the worker that its SYN reached.
static void one_worker_for_life(void **state)
{
	enum { PORTS = 300 };
	static struct {
		bool alive, established;
		unsigned worker;
	} conn[PORTS];
	uint64_t now_s = 1000;
	struct steerfix fix;
	struct rng rng;

	memset(conn, 0, sizeof(conn));
	open_roundrobin(&fix, 6, 100);
	rng_init(&rng, 5);
	for (unsigned step = 0; step < 60000; step++) {
		uint16_t i = (uint16_t)rng_below(&rng, PORTS);

		now_s += rng_below(&rng, 40) == 0;
		steer_poll(fix.steer, now_s * SECOND);
		if (!conn[i].alive) {
			conn[i].worker = send(&fix, i, SYN);
			// With no slot it may be placed by a later SYN: not a life of this kind.
			conn[i].alive = steerfix_moved(&fix, STEER_STAT_flow_table_full) == 0;
			conn[i].established = false;
			if (conn[i].alive && rng_below(&rng, 4)) {
				assert_int_equal(send(&fix, i, ACK), conn[i].worker);
				conn[i].established = true;
			}
		} else if (!conn[i].established) {
			conn[i].alive = false; // given up
			steer_poll(fix.steer, (now_s += 2) * SECOND);
		} else if (rng_below(&rng, 10)) {
			assert_int_equal(send(&fix, i, ACK), conn[i].worker);
		} else {
			notice(&fix, i, conn[i].worker, now_s * SECOND);
			conn[i].alive = false;
		}
	}
	assert_true(steerfix_stat(&fix, STEER_STAT_flows_closed) > 1000);
	assert_true(steerfix_stat(&fix, STEER_STAT_flows_replaced) > 100);
	assert_true(steerfix_stat(&fix, STEER_STAT_flow_table_full) > 100);
	steerfix_close(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_in_turn),
		cmocka_unit_test(retransmitted_syn_stays),
		cmocka_unit_test(unknown_flows_follow_the_hash),
		cmocka_unit_test(udp_is_steered_by_hash),
		cmocka_unit_test(closed_flow_is_dealt_anew),
		cmocka_unit_test(notice_crosses_a_new_syn),
		cmocka_unit_test(syn_into_an_open_flow),
		cmocka_unit_test(notice_about_nothing),
		cmocka_unit_test(full_table_falls_back_to_the_hash),
		cmocka_unit_test(half_open_flows_age),
		cmocka_unit_test(open_flows_are_not_replaced),
		cmocka_unit_test(idle_flows_are_replaced_when_allowed),
		cmocka_unit_test(closed_flows_make_room),
		cmocka_unit_test(icmp_errors_follow_the_flow),
		cmocka_unit_test(notices_are_bounded),
		cmocka_unit_test(one_worker_for_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
