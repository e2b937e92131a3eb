// SPDX-License-Identifier: BSD-3-Clause
// Engines dpdk-udp and dpdk-tcp: opens the device, hands out lcores, queues and source ports

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "dpdk.h"

#define DESCRIPTORS 1024
#define RING_SIZE 8192
#define LINK_TIMEOUT_MS 5000u
#define MBUF_CACHE 256

static uint64_t dpdk_now_ns(const struct run *run)
{
	const struct dpdk_state *st = run->engine_state;

	return dpdk_clock_ns(&st->clock);
}

static int fail(char *err, const char *what)
{
	snprintf(err, RINGLOAD_ERR_SIZE, "%s", what);
	return -1;
}

static uint32_t mbuf_count(const struct options *o)
{
	uint32_t queues = o->threads + 1;

	return queues * (2 * DESCRIPTORS + RING_SIZE / 2 + 2 * MBUF_CACHE) + 4096;
}

static int assign_lcores(struct dpdk_state *st, char *err)
{
	unsigned n = 0, lcore_id;

	RTE_LCORE_FOREACH_WORKER(lcore_id)
	{
		if (n < st->run->opt.threads)
			st->io[n++].lcore_id = lcore_id;
	}
	if (n == st->run->opt.threads)
		return 0;
	snprintf(err, RINGLOAD_ERR_SIZE,
		"%u lcores are needed (1 to watch, %u generators), EAL has %u",
		1 + st->run->opt.threads, st->run->opt.threads, rte_lcore_count());
	return -1;
}

static int open_port(struct dpdk_state *st, char *err)
{
	const struct options *o = &st->run->opt;
	struct port_limits limits;
	struct port_conf conf = {
		.rx_descriptors = DESCRIPTORS,
		.tx_descriptors = DESCRIPTORS,
		.tx_queue_count = (uint16_t)o->threads,
		.mtu = o->mtu,
	};
	uint16_t port_id;

	if (rte_eth_dev_count_avail() != 1)
		return fail(err, "one network device is needed: name it with --device (a PCI "
				 "address bound to vfio-pci, or a virtual device)");
	port_id = (uint16_t)rte_eth_find_next(0);
	if (port_limits(port_id, &limits))
		return fail(err, "the network device does not describe itself");
	if (limits.tx_queue_max < o->threads) {
		snprintf(err, RINGLOAD_ERR_SIZE,
			"the device has %u transmit queues: lower --threads to that",
			limits.tx_queue_max);
		return -1;
	}
	conf.rx_queue_count = (uint16_t)RTE_MIN(o->threads, limits.rx_queue_max);
	if (limits.rx_queues_fixed)
		conf.rx_queue_count = RTE_MIN(limits.rx_queue_max, DPDK_QUEUES_MAX);
	conf.pool = st->pool;
	if (port_open(port_id, &conf, &st->port, err) || port_start(&st->port, err))
		return -1;
	if (!port_wait_link(&st->port, LINK_TIMEOUT_MS)) {
		snprintf(err, RINGLOAD_ERR_SIZE, "port %s: no link within %u s", st->port.name,
			LINK_TIMEOUT_MS / 1000);
		return -1;
	}
	for (uint16_t q = 0; q < st->port.rx_queue_count; q++) {
		struct dpdk_io *io = &st->io[q % o->threads];

		io->rx_queue[io->rx_queue_count++] = q;
	}
	return 0;
}

static int open_thread(struct dpdk_state *st, unsigned i, uint16_t port_first, char *err)
{
	const struct options *o = &st->run->opt;
	struct dpdk_io *io = &st->io[i];
	// Only dpdk-udp makes a client of it; dpdk-tcp has a source port for each connection.
	struct udp_client_conf conf = {
		.port_count = (uint16_t)run_share(o->src_port_count, i, o->threads),
		.timeout_ns = (uint64_t)(o->timeout_ms * 1e6),
		.in_flight_max = udp_places(st->run),
		.datagram_max = (uint16_t)run_datagram_max(st->run),
		.seed = o->seed + i,
	};
	char name[32];

	io->st = st;
	io->t = &st->run->thread[i];
	io->t->io = io;
	io->tx_queue = (uint16_t)i;
	io->port_first = port_first;
	io->port_count = conf.port_count;
	if (o->engine == ENGINE_DPDK_TCP && dpdk_tcp_create(io))
		return fail(err, "no memory for so many connections");
	if (o->engine == ENGINE_DPDK_UDP)
		io->client = udp_client_create(&conf, &io->t->gen);
	if (o->threads > 1) {
		snprintf(name, sizeof(name), "reply-%u", i);
		io->ring = rte_ring_create(name, RING_SIZE, (int)rte_socket_id(), RING_F_SC_DEQ);
	}
	if ((!io->client && !io->tcp) || (o->threads > 1 && !io->ring))
		return fail(err, "no memory for a generator");
	dpdk_frame_init(io);
	if (o->flood && dpdk_flood_create(io))
		return fail(err, "no memory for the requests of a flood");
	return 0;
}

static int dpdk_open(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct dpdk_state *st = calloc(1, sizeof(*st));
	uint64_t hz;
	uint16_t room = (uint16_t)(RTE_PKTMBUF_HEADROOM + run->opt.mtu + 64);
	uint16_t src_port = run->opt.src_port;

	run->engine_state = st;
	if (!st)
		return fail(err, "out of memory");
	st->run = run;
	prctl(PR_SET_TIMERSLACK, 1); // sleeps end when they are due; EAL's threads inherit it
	if (dpdk_eal_init(st, mbuf_count(&run->opt), err))
		return -1;
	hz = rte_get_tsc_hz();
	st->clock.ns_per_tick_q32 =
		(uint64_t)((((unsigned __int128)1000000000 << 32) + hz / 2) / hz);
	st->clock.tsc_at_zero = rte_rdtsc() - hz;
	if (assign_lcores(st, err))
		return -1;
	st->pool = rte_pktmbuf_pool_create("mbufs", mbuf_count(&run->opt), MBUF_CACHE, 0,
		RTE_MAX(room, RTE_MBUF_DEFAULT_BUF_SIZE), (int)rte_socket_id());
	if (!st->pool)
		return fail(err, "no memory for packet buffers");
	if (open_port(st, err) || dpdk_arp_resolve(st, err))
		return -1;
	for (unsigned i = 0; i < run->opt.threads; i++) {
		if (open_thread(st, i, src_port, err))
			return -1;
		src_port = (uint16_t)(src_port + st->io[i].port_count);
	}
	snprintf(run->device_text, sizeof(run->device_text), "DPDK port %s (%s), %u RX queues",
		st->port.name, st->port.driver, st->port.rx_queue_count);
	if (run->opt.engine == ENGINE_DPDK_TCP)
		return dpdk_tcp_probe(&st->io[0], err);
	return 0;
}

static lcore_function_t *loop_of(const struct run *run)
{
	if (run->opt.engine == ENGINE_DPDK_TCP)
		return dpdk_tcp_loop;
	return run->opt.flood && !run->thread[0].gen.plan.preload ? dpdk_flood_loop : dpdk_loop;
}

static int dpdk_launch(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct dpdk_state *st = run->engine_state;
	lcore_function_t *body = loop_of(run);

	for (unsigned i = 0; i < run->opt.threads; i++) {
		if (rte_eal_remote_launch(body, &st->io[i], st->io[i].lcore_id)) {
			atomic_store(&run->stop, true);
			rte_eal_mp_wait_lcore();
			return fail(err, "an lcore does not start");
		}
	}
	return 0;
}

static void dpdk_join(struct run *run)
{
	rte_eal_mp_wait_lcore();
}

static void dpdk_close(struct run *run)
{
	struct dpdk_state *st = run->engine_state;

	if (!st)
		return;
	for (unsigned i = 0; i < run->opt.threads; i++)
		if (st->io[i].tcp)
			dpdk_tcp_hang_up(&st->io[i]);
	port_close(&st->port);
	for (unsigned i = 0; i < run->opt.threads; i++) {
		struct rte_mbuf *m;

		rte_pktmbuf_free(st->io[i].spare);
		while (st->io[i].ring && rte_ring_dequeue(st->io[i].ring, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(st->io[i].ring);
		udp_client_destroy(st->io[i].client);
		dpdk_tcp_destroy(st->io[i].tcp);
		dpdk_flood_destroy(st->io[i].flood);
	}
	rte_mempool_free(st->pool);
	dpdk_eal_cleanup(st);
	free(st);
}

const struct engine engine_dpdk_udp = {
	.name = "dpdk-udp",
	.what = "UDP on DPDK",
	.open = dpdk_open,
	.now_ns = dpdk_now_ns,
	.launch = dpdk_launch,
	.join = dpdk_join,
	.close = dpdk_close,
};

const struct engine engine_dpdk_tcp = {
	.name = "dpdk-tcp",
	.what = "TCP on DPDK",
	.open = dpdk_open,
	.now_ns = dpdk_now_ns,
	.launch = dpdk_launch,
	.join = dpdk_join,
	.close = dpdk_close,
};
