// SPDX-License-Identifier: BSD-3-Clause
// DPDK for tests: EAL without hugepages, devices or files, and one mbuf pool

#include "support/eal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

// A CPU this process may use: in a container that need not be CPU 0.
static int first_cpu(const cpu_set_t *set)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, set))
			return i;
	return 0;
}

void eal_once(void)
{
	static bool started;
	static char arg[][24] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"--log-level=*:error", "-m", "64", "--lcores", ""};
	char *argv[sizeof(arg) / sizeof(arg[0]) + 1] = {NULL};
	int argc = sizeof(arg) / sizeof(arg[0]);
	cpu_set_t before;

	if (started)
		return;
	CPU_ZERO(&before);
	sched_getaffinity(0, sizeof(before), &before);
	snprintf(arg[argc - 1], sizeof(arg[0]), "0@%d", first_cpu(&before));
	for (int i = 0; i < argc; i++)
		argv[i] = arg[i];
	if (rte_eal_init(argc, argv) < 0)
		fail("rte_eal_init");
	// EAL pinned us to that CPU: tests that run side by side would share it.
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	started = true;
}

// Fresh mbufs hold no zeroes that a header could happen to need.
static void spoil(struct rte_mempool *pool, void *arg, void *obj, unsigned idx)
{
	struct rte_mbuf *m = obj;

	memset(m->buf_addr, 0xdb, m->buf_len);
}

struct rte_mempool *eal_pool(void)
{
	static struct rte_mempool *pool;

	if (pool)
		return pool;
	eal_once();
	pool = rte_pktmbuf_pool_create(
		"eal_pool", EAL_POOL_COUNT, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (!pool)
		fail("rte_pktmbuf_pool_create");
	rte_mempool_obj_iter(pool, spoil, NULL);
	return pool;
}

unsigned eal_pool_in_use(void)
{
	return rte_mempool_in_use_count(eal_pool());
}
