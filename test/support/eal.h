// SPDX-License-Identifier: BSD-3-Clause
// DPDK for tests: EAL without hugepages, devices or files, and one mbuf pool
#pragma once

#include <rte_mempool.h>

#define EAL_POOL_COUNT 4096

// Start EAL; later calls of the same process do nothing.
void eal_once(void);

// The mbufs of this process (default data room), taken at the first call.
struct rte_mempool *eal_pool(void);

// Mbufs of eal_pool that somebody holds: back to where it was after each test.
unsigned eal_pool_in_use(void);
