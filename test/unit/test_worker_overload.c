// SPDX-License-Identifier: BSD-3-Clause
// A worker in overload: late UDP gets are dropped, the rest is served, and delays stay bounded
// support: workerrig wclient frame eal
//
// Time is simulated: a queue in front of the worker, arrivals at a fixed rate, so many
// microseconds for each answer and each drop.

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "support/eal.h"
#include "support/frame.h"
#include "support/wclient.h"
#include "support/workerrig.h"

#define TARGET_US 200
#define QUEUE_MAX 1024
#define ANSWER_NS 2000
#define DROP_NS 200
#define BURST 32

static struct workerrig rig;

static void open_rig(uint32_t target_us)
{
	struct net_conf *n = &rig.conf.net;

	workerrig_conf(&rig);
	memcpy(n->mac, frame_our_mac, 6);
	n->addr[0] = n->listener[0].addr = n->listener[1].addr = FRAME_OUR_ADDR;
	rig.conf.conn.udp_prefix[0] = (struct conn_prefix){0x0a000000, 0xffffff00, true};
	rig.conf.queue_delay_target_us = target_us;
	workerrig_open(&rig);
}

static int close_rig(void **state)
{
	workerrig_check(&rig);
	workerrig_close(&rig);
	return 0;
}

static uint64_t late(void)
{
	return stat_read(&worker_stats(rig.worker)[WORKER_STAT_drop_queue_delay]);
}

static struct rte_mbuf *stamped_from(uint16_t port, const char *request, uint64_t at_us)
{
	struct rte_mbuf *m = wclient_udp(port, request);

	m->ol_flags |= NET_MBUF_STEERED;
	m->hash.fdir.hi = (uint32_t)(at_us * 1000);
	return m;
}

static struct rte_mbuf *stamped(const char *request, uint64_t at_us)
{
	return stamped_from(5000, request, at_us);
}

static unsigned answers(struct rte_mbuf *m)
{
	struct rte_mbuf *out[WORKER_BURST_MAX];
	unsigned n;

	worker_input(rig.worker, &m, 1, rig.now_us);
	worker_poll(rig.worker, rig.now_us);
	n = worker_take_tx(rig.worker, out, WORKER_BURST_MAX);
	rte_pktmbuf_free_bulk(out, n);
	return n;
}

static void test_which(void **state)
{
	struct wclient c = {.port = 40000, .seq = 5000};
	struct rte_mbuf *m;
	uint64_t old;

	open_rig(TARGET_US);
	rig.now_us += 10000000; // the low half of the clock wrapped twice meanwhile
	old = rig.now_us - TARGET_US - 1;
	assert_int_equal(answers(stamped("get a\r\n", rig.now_us)), 1);
	assert_int_equal(answers(stamped("get a\r\n", rig.now_us + 5)), 1); // not read in order
	assert_int_equal(answers(stamped("get a\r\n", rig.now_us - TARGET_US)), 1);
	assert_int_equal(late(), 0);
	assert_int_equal(answers(stamped("get a\r\n", old)), 0);
	assert_int_equal(answers(stamped("gets a b c\r\n", old)), 0);
	assert_int_equal(late(), 2);
	// What changes something, and what is more than a get.
	assert_int_equal(answers(stamped("set a 0 0 1\r\nx\r\n", old)), 1);
	assert_int_equal(answers(stamped("get a\r\ndelete a\r\n", old)), 1);
	assert_int_equal(answers(stamped("version\r\n", old)), 1);
	assert_int_equal(answers(wclient_udp(5000, "get a\r\n")), 1); // from a NIC queue
	m = wclient_tcp(&c, WCLIENT_SYN, "", 0);
	m->ol_flags |= NET_MBUF_STEERED;
	m->hash.fdir.hi = (uint32_t)(old * 1000);
	assert_int_equal(answers(m), 1);
	assert_int_equal(late(), 2);
}

static void test_off(void **state)
{
	open_rig(0);
	rig.now_us += 1000000;
	assert_int_equal(answers(stamped("get a\r\n", 0)), 1);
	assert_int_equal(late(), 0);
}

#define PORTS 4096 // more than are ever on their way

struct queue {
	struct rte_mbuf *m[QUEUE_MAX];
	unsigned count, offered;
	uint64_t sent_us[PORTS]; // by the client's port, which tells the requests apart
};

static void offer(struct queue *q, uint64_t at_us)
{
	uint16_t port = (uint16_t)(20000 + q->offered++ % PORTS);

	q->sent_us[port - 20000] = at_us;
	q->m[q->count++] = stamped_from(port, "get a\r\n", at_us);
}

// One worker turn: takes a burst, spends its time; the longest wait of those answered.
static uint64_t turn(struct queue *q, uint64_t *now_ns, unsigned *answered)
{
	unsigned n = q->count < BURST ? q->count : BURST, sent;
	struct rte_mbuf *out[WORKER_BURST_MAX];
	uint64_t dropped = late(), longest = 0;

	rig.now_us = *now_ns / 1000;
	if (n > 0)
		worker_input(rig.worker, q->m, n, rig.now_us);
	q->count -= n;
	memmove(q->m, q->m + n, q->count * sizeof(q->m[0]));
	worker_poll(rig.worker, rig.now_us);
	sent = worker_take_tx(rig.worker, out, WORKER_BURST_MAX);
	for (unsigned i = 0; i < sent; i++) {
		uint16_t port = load_be16(rte_pktmbuf_mtod(out[i], uint8_t *) + 36);
		uint64_t waited_us = rig.now_us - q->sent_us[port - 20000];

		longest = waited_us > longest ? waited_us : longest;
		rte_pktmbuf_free(out[i]);
	}
	dropped = late() - dropped;
	assert_int_equal(sent + dropped, n);
	*answered += sent;
	*now_ns += sent * ANSWER_NS + dropped * DROP_NS + 100;
	return longest;
}

// Arrivals at twice what the worker can answer; returns the longest wait of an answered get.
static uint64_t overload(uint32_t target_us, unsigned *answered, unsigned *full)
{
	static struct queue q;
	uint64_t now_ns, next_ns, end_ns, longest = 0;

	open_rig(target_us);
	now_ns = next_ns = rig.now_us * 1000;
	end_ns = now_ns + 50000000;
	*answered = *full = 0;
	while (now_ns < end_ns) {
		uint64_t waited;

		for (; next_ns <= now_ns; next_ns += ANSWER_NS / 2) {
			if (q.count == QUEUE_MAX)
				(*full)++;
			else
				offer(&q, next_ns / 1000);
		}
		waited = turn(&q, &now_ns, answered);
		longest = waited > longest ? waited : longest;
	}
	rte_pktmbuf_free_bulk(q.m, q.count);
	q.count = 0;
	return longest;
}

static void test_bounded_delay(void **state)
{
	unsigned answered, answered_before, full;
	uint64_t longest = overload(0, &answered_before, &full);

	// Without a target all that is answered waits for the whole queue.
	assert_in_range(longest, QUEUE_MAX * (ANSWER_NS / 1000) * 9 / 10, UINT32_MAX);
	assert_true(full > 1000);
	close_rig(NULL);
	longest = overload(TARGET_US, &answered, &full);
	assert_true(longest <= TARGET_US);
	assert_int_equal(full, 0);
	assert_true(late() > 1000);
	// Dropping costs less than a fifth of the answers.
	assert_true(answered * 5 > answered_before * 4);
}

#define TEST(f) cmocka_unit_test_teardown(f, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_which),
		TEST(test_off),
		TEST(test_bounded_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
