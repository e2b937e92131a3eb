// SPDX-License-Identifier: BSD-3-Clause
// A struct steer with its rings under test

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/steerfix.h"

#include <stdio.h>

#include "support/eal.h"

void steerfix_conf(struct steerfix *fix, unsigned worker_count, unsigned ring_size)
{
	eal_once();
	*fix = (struct steerfix){
		.conf = {.worker_count = worker_count, .key = {1, 2}, .flow_count_max = 1000}};
	for (unsigned i = 0; i < STEER_RSS_KEY_LEN; i++)
		fix->conf.rss_key[i] = (uint8_t)(i * 37 + 11);
	for (unsigned i = 0; i < worker_count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "test-ring-%u", i);
		fix->conf.ring[i] = steer_ring_create(name, ring_size, SOCKET_ID_ANY);
		assert_non_null(fix->conf.ring[i]);
		snprintf(name, sizeof(name), "test-closed-%u", i);
		fix->conf.closed_ring[i] = steer_closed_ring_create(name, 64, SOCKET_ID_ANY);
		assert_non_null(fix->conf.closed_ring[i]);
	}
}

void steerfix_open(struct steerfix *fix)
{
	fix->mbufs_before = eal_pool_in_use();
	fix->table = steer_table_create(fix->conf.worker_count);
	assert_non_null(fix->table);
	steer_toeplitz_init(&fix->toeplitz, fix->conf.rss_key);
	fix->steer = steer_create(&fix->conf, fix->table);
	assert_non_null(fix->steer);
}

void steerfix_close(struct steerfix *fix)
{
	// Each frame was steered in exactly one way.
	assert_int_equal(steerfix_stat(fix, STEER_STAT_rx_packets),
		steerfix_stat(fix, STEER_STAT_by_nic_hash) +
			steerfix_stat(fix, STEER_STAT_by_sw_hash) +
			steerfix_stat(fix, STEER_STAT_by_flow) +
			steerfix_stat(fix, STEER_STAT_by_key) +
			steerfix_stat(fix, STEER_STAT_by_icmp_flow) +
			steerfix_stat(fix, STEER_STAT_to_misc));
	steerfix_empty(fix);
	steer_destroy(fix->steer);
	steer_table_destroy(fix->table);
	for (unsigned i = 0; i < fix->conf.worker_count; i++) {
		rte_ring_free(fix->conf.ring[i]);
		rte_ring_free(fix->conf.closed_ring[i]);
	}
	assert_int_equal(eal_pool_in_use(), fix->mbufs_before);
}

unsigned steerfix_take(struct steerfix *fix, unsigned worker, struct rte_mbuf **m, unsigned n)
{
	return rte_ring_sc_dequeue_burst(fix->conf.ring[worker], (void **)m, n, NULL);
}

void steerfix_empty(struct steerfix *fix)
{
	struct rte_mbuf *m[64];
	unsigned n;

	for (unsigned i = 0; i < fix->conf.worker_count; i++)
		while ((n = steerfix_take(fix, i, m, 64)))
			rte_pktmbuf_free_bulk(m, n);
}

unsigned steerfix_one_mbuf(struct steerfix *fix, struct rte_mbuf *m)
{
	unsigned worker = UINT32_MAX, got = 0;
	struct rte_mbuf *out;

	steer_burst(fix->steer, &m, 1, 0);
	for (unsigned i = 0; i < fix->conf.worker_count; i++)
		while (steerfix_take(fix, i, &out, 1)) {
			assert_ptr_equal(out, m);
			worker = i;
			got++;
		}
	assert_int_equal(got, 1);
	rte_pktmbuf_free(m);
	return worker;
}

unsigned steerfix_one(struct steerfix *fix, const struct frame *f)
{
	return steerfix_one_mbuf(fix, frame_mbuf(f));
}

uint64_t steerfix_stat(const struct steerfix *fix, enum steer_stat stat)
{
	return stat_read(&steer_stats(fix->steer)[stat]);
}

uint64_t steerfix_moved(struct steerfix *fix, enum steer_stat stat)
{
	uint64_t now = steerfix_stat(fix, stat), moved = now - fix->seen[stat];

	fix->seen[stat] = now;
	return moved;
}

unsigned steerfix_bucket_worker(const struct steerfix *fix, const struct steer_tuple *flow)
{
	return steer_table_get(fix->table, steer_toeplitz(&fix->toeplitz, flow) % STEER_BUCKETS);
}
