// SPDX-License-Identifier: BSD-3-Clause
// lib/port on devices that need no hardware: net_null and a net_ring that loops back
// support: eal frame

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "port/port.h"
#include "support/eal.h"
#include "support/frame.h"

#define BURST 32

// A device that is made for one test.
struct device {
	const char *name;
	uint16_t port_id;
	struct port port;
	unsigned mbufs_before;
};

static struct device dev;

static void make(const char *name, const char *args)
{
	eal_once();
	dev = (struct device){.name = name, .mbufs_before = eal_pool_in_use()};
	assert_int_equal(rte_eal_hotplug_add("vdev", name, args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &dev.port_id), 0);
}

static int unmake(void **state)
{
	port_close(&dev.port);
	port_close(&dev.port); // a second time does nothing
	if (rte_eth_dev_is_valid_port(dev.port_id))
		rte_eth_dev_close(dev.port_id);
	if (dev.name)
		rte_eal_hotplug_remove("vdev", dev.name);
	assert_int_equal(eal_pool_in_use(), dev.mbufs_before);
	return 0;
}

static struct port_conf good_conf(void)
{
	struct port_conf c = {.rx_queue_count = 1,
		.tx_queue_count = 1,
		.rx_descriptors = 64,
		.tx_descriptors = 64,
		.mtu = 1500,
		.pool = eal_pool()};

	for (unsigned i = 0; i < PORT_RSS_KEY_LEN; i++)
		c.rss_key[i] = (uint8_t)(i * 37 + 1);
	return c;
}

static void open_with(const struct port_conf *conf)
{
	char err[PORT_ERR_SIZE] = "";

	if (port_open(dev.port_id, conf, &dev.port, err))
		fail_msg("%s", err);
	assert_string_equal(err, "");
}

static void start(void)
{
	char err[PORT_ERR_SIZE] = "";

	if (port_start(&dev.port, err))
		fail_msg("%s", err);
	assert_true(port_wait_link(&dev.port, 1000));
}

static uint64_t stat_of(enum port_stat stat)
{
	port_stats_update(&dev.port);
	return stat_read(&dev.port.stat[stat]);
}

// Each counter is the device's own.
static void check_stats(void)
{
	struct rte_eth_stats s;
	struct rte_mbuf *m;

	port_stats_update(&dev.port);
	assert_int_equal(rte_eth_stats_get(dev.port_id, &s), 0);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_packets]), s.ipackets);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_bytes]), s.ibytes);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_missed]), s.imissed);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_errors]), s.ierrors);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_no_mbuf]), s.rx_nombuf);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_tx_packets]), s.opackets);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_tx_bytes]), s.obytes);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_tx_errors]), s.oerrors);
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_mbufs_in_use]), eal_pool_in_use());
	m = rte_pktmbuf_alloc(eal_pool());
	assert_int_equal(stat_of(PORT_STAT_mbufs_in_use), eal_pool_in_use());
	assert_true(eal_pool_in_use() > 0);
	rte_pktmbuf_free(m);
}

// ---- what a device offers

static void test_limits(void **state)
{
	struct port_limits l;

	make("net_ring_l", "");
	assert_int_equal(port_limits(dev.port_id, &l), 0);
	assert_true(l.rx_queue_max >= 1 && l.tx_queue_max >= 1);
	assert_false(l.spreads_flows);
	assert_false(l.rx_queues_fixed);
	assert_int_equal(port_limits(RTE_MAX_ETHPORTS - 1, &l), -ENODEV);
}

// net_null has RSS types, so it counts as one that spreads flows.
static void test_limits_with_rss(void **state)
{
	struct port_limits l;

	make("net_null_l", "");
	assert_int_equal(port_limits(dev.port_id, &l), 0);
	assert_true(l.rx_queue_max > 1 && l.tx_queue_max > 1);
	assert_true(l.spreads_flows);
	assert_false(l.rx_queues_fixed);
}

// ---- open

static void test_open_grants(void **state)
{
	struct port_conf c = good_conf();
	struct port_limits l;

	make("net_null_g", "");
	assert_int_equal(port_limits(dev.port_id, &l), 0);
	c.rx_queue_count = c.tx_queue_count = 60000; // fewer are granted
	open_with(&c);
	assert_string_equal(dev.port.name, "net_null_g");
	assert_string_equal(dev.port.driver, "net_null");
	assert_int_equal(dev.port.rx_queue_count, l.rx_queue_max);
	assert_int_equal(dev.port.tx_queue_count, l.tx_queue_max);
	assert_int_equal(dev.port.mac[0] & 1, 0);
	assert_non_null(dev.port.stat);
	// What it does not have is not claimed.
	assert_false(dev.port.rx_cksum);
	assert_false(dev.port.tx_cksum_ip4 || dev.port.tx_cksum_tcp || dev.port.tx_cksum_udp);
}

static void test_open_failures(void **state)
{
	char err[PORT_ERR_SIZE] = "";
	struct port_conf c = good_conf();
	struct port p;

	eal_once();
	dev = (struct device){.mbufs_before = eal_pool_in_use()};
	dev.port_id = RTE_MAX_ETHPORTS - 1;
	assert_int_equal(port_open(dev.port_id, &c, &p, err), -ENODEV);
	assert_non_null(strstr(err, "port "));
	assert_non_null(strstr(err, "device information"));
	port_close(&p); // of what was not opened: nothing
}

// A queue that cannot be had: the error says which, and close gives all back.
static void test_open_refused(void **state)
{
	char err[PORT_ERR_SIZE] = "";
	struct port_conf c = good_conf();

	make("net_null_r", "");
	c.pool = NULL;
	assert_int_equal(port_open(dev.port_id, &c, &dev.port, err), -EINVAL);
	assert_string_equal(err, "port net_null_r: receive queue: Invalid argument");
}

static void test_start_refused(void **state)
{
	char err[PORT_ERR_SIZE] = "";
	struct port_conf c = good_conf();

	make("net_null_s", "");
	open_with(&c);
	rte_eth_dev_close(dev.port_id); // it was unplugged
	assert_int_equal(port_start(&dev.port, err), -ENODEV);
	assert_string_equal(err, "port net_null_s: start: No such device");
	port_stats_update(&dev.port); // keeps what it knows
	assert_int_equal(stat_read(&dev.port.stat[PORT_STAT_rx_packets]), 0);
}

// An MTU that the driver does not know how to set is a warning at most, one that it
// refuses too: the port works.
static void test_mtu_is_not_fatal(void **state)
{
	static const uint16_t mtus[] = {576, 1500, 9000, 65535};
	static const char *const names[] = {
		"net_null_m0", "net_ring_m1", "net_null_m2", "net_ring_m3"};
	struct port_conf c = good_conf();

	for (unsigned i = 0; i < 4; i++) {
		make(names[i], "");
		c.mtu = mtus[i];
		open_with(&c);
		start();
		if (i < 3)
			unmake(NULL);
	}
}

static void test_promiscuous(void **state)
{
	struct port_conf c = good_conf();

	c.promiscuous = true;
	make("net_ring_p", "");
	open_with(&c);
	start();
	assert_int_equal(rte_eth_promiscuous_get(dev.port_id), 1);
}

// ---- packets

static void test_null_rx_tx(void **state)
{
	struct port_conf c = good_conf();
	struct rte_mbuf *m[BURST];

	make("net_null_t", "size=100,copy=0");
	open_with(&c);
	start();
	assert_int_equal(port_rx_burst(dev.port_id, 0, m, BURST), BURST);
	for (unsigned i = 0; i < BURST; i++)
		assert_int_equal(m[i]->pkt_len, 100);
	assert_int_equal(stat_of(PORT_STAT_rx_packets), BURST);
	assert_int_equal(stat_of(PORT_STAT_tx_packets), 0);
	assert_int_equal(port_tx_burst(dev.port_id, 0, m, BURST), BURST);
	assert_int_equal(stat_of(PORT_STAT_tx_packets), BURST);
	assert_int_equal(eal_pool_in_use(), dev.mbufs_before);
	check_stats();
}

// What goes out of a ring device's queue comes in on it, unchanged and in order.
static void test_ring_loops_back(void **state)
{
	struct port_conf c = good_conf();
	struct rte_mbuf *m[BURST];
	struct frame f;

	make("net_ring_b", "");
	c.rx_queue_count = c.tx_queue_count = 1;
	open_with(&c);
	start();
	assert_int_equal(port_rx_burst(dev.port_id, 0, m, BURST), 0);
	for (unsigned i = 0; i < BURST; i++) {
		frame_udp(&f, (uint16_t)(5000 + i), 11211, "hello", 5);
		m[i] = frame_mbuf(&f);
	}
	assert_int_equal(port_tx_burst(dev.port_id, 0, m, BURST), BURST);
	memset(m, 0, sizeof(m));
	assert_int_equal(port_rx_burst(dev.port_id, 0, m, BURST), BURST);
	for (unsigned i = 0; i < BURST; i++) {
		frame_udp(&f, (uint16_t)(5000 + i), 11211, "hello", 5);
		assert_int_equal(m[i]->data_len, f.len);
		assert_memory_equal(rte_pktmbuf_mtod(m[i], void *), f.b, f.len);
		rte_pktmbuf_free(m[i]);
	}
	assert_int_equal(stat_of(PORT_STAT_rx_packets), BURST);
	assert_int_equal(stat_of(PORT_STAT_tx_packets), BURST);
	// What does not fit into the ring stays the caller's, and is counted by the device.
	for (unsigned i = 0; i < BURST; i++)
		m[i] = frame_mbuf(&f);
	for (unsigned n = BURST; n == BURST;) {
		n = port_tx_burst(dev.port_id, 0, m, BURST);
		for (unsigned i = 0; i < BURST; i++) {
			if (i >= n)
				rte_pktmbuf_free(m[i]);
			else if (n == BURST)
				m[i] = frame_mbuf(&f);
		}
	}
	check_stats();
	for (unsigned n = BURST; n > 0; rte_pktmbuf_free_bulk(m, n))
		n = port_rx_burst(dev.port_id, 0, m, BURST);
}

// Counters are names and kinds of port.def, one each.
static void test_stats_names(void **state)
{
	assert_int_equal(port_stats_set.count, PORT_STAT_COUNT);
	assert_string_equal(port_stats_set.module, "port");
	for (unsigned i = 0; i < port_stats_set.count; i++) {
		assert_non_null(port_stats_set.desc[i].name);
		assert_true(strlen(port_stats_set.desc[i].help) > 5);
	}
	assert_string_equal(port_stats_set.desc[PORT_STAT_tx_errors].name, "tx_errors");
}

// ---- link and redirection table

// A link that is down is waited for, and not for ever.
static void test_link_wait(void **state)
{
	struct port_conf c = good_conf();

	make("net_null_w", "");
	open_with(&c);
	assert_false(port_wait_link(&dev.port, 20)); // not started
	start();
	assert_int_equal(
		rte_eth_dev_set_link_down(dev.port_id) == 0, !port_wait_link(&dev.port, 0));
}

// Entry i of the table gets bucket_queue[i % bucket_count].
static void test_reta(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[8];
	struct port_conf c = good_conf();
	struct rte_eth_dev_info info;
	uint16_t bucket[3] = {2, 0, 1};

	make("net_null_x", "");
	c.rx_queue_count = 3;
	open_with(&c);
	start();
	assert_int_equal(rte_eth_dev_info_get(dev.port_id, &info), 0);
	assert_in_range(info.reta_size, 1, 8 * RTE_ETH_RETA_GROUP_SIZE);
	assert_int_equal(port_set_reta(&dev.port, bucket, 3), 0);
	memset(reta, 0, sizeof(reta));
	for (unsigned i = 0; i < info.reta_size; i++)
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ULL << i % RTE_ETH_RETA_GROUP_SIZE;
	assert_int_equal(rte_eth_dev_rss_reta_query(dev.port_id, reta, info.reta_size), 0);
	for (unsigned i = 0; i < info.reta_size; i++)
		assert_int_equal(
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE],
			bucket[i % 3]);
}

static void test_no_reta(void **state)
{
	struct port_conf c = good_conf();
	uint16_t bucket[1] = {0};

	make("net_ring_x", "");
	open_with(&c);
	assert_int_equal(port_set_reta(&dev.port, bucket, 1), -ENOTSUP);
	assert_false(dev.port.rss_hash);
}

#define TEST(f) cmocka_unit_test_teardown(f, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_limits),
		TEST(test_limits_with_rss),
		TEST(test_open_grants),
		TEST(test_open_failures),
		TEST(test_open_refused),
		TEST(test_start_refused),
		TEST(test_mtu_is_not_fatal),
		TEST(test_promiscuous),
		TEST(test_null_rx_tx),
		TEST(test_ring_loops_back),
		cmocka_unit_test(test_stats_names),
		TEST(test_link_wait),
		TEST(test_reta),
		TEST(test_no_reta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
