// SPDX-License-Identifier: BSD-3-Clause
// Rings between one RX lcore and one worker

#include <rte_common.h>
#include <rte_ring_elem.h>

#include "net/net.h"
#include "steer/steer.h"

#include "base/hotpath.h"

#define STEER_RING_SIZE_MAX (1u << 20)

struct rte_ring *steer_ring_create(const char *name, unsigned size, int socket)
{
	if (size < 2 || size > STEER_RING_SIZE_MAX)
		return NULL;
	return rte_ring_create(name, rte_align32pow2(size), socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

struct rte_ring *steer_closed_ring_create(const char *name, unsigned size, int socket)
{
	if (size < 2 || size > STEER_RING_SIZE_MAX)
		return NULL;
	return rte_ring_create_elem(name, sizeof(struct steer_tuple), rte_align32pow2(size), socket,
		RING_F_SP_ENQ | RING_F_SC_DEQ);
}

unsigned steer_take(struct rte_ring *ring, struct rte_mbuf **m, unsigned n, uint32_t now_ns,
	struct latency *wait)
{
	unsigned taken = rte_ring_sc_dequeue_burst(ring, (void **)m, n, NULL);

	// The frames of one burst have one stamp: one addition for each run of them.
	for (unsigned i = 0, first = 0; i < taken; i++) {
		if (i + 1 < taken && m[i + 1]->hash.fdir.hi == m[first]->hash.fdir.hi)
			continue;
		latency_add(wait, net_mbuf_age_ns(m[first], now_ns), i + 1 - first);
		first = i + 1;
	}
	return taken;
}

bool steer_closed_enqueue(struct rte_ring *ring, const struct steer_tuple *flow)
{
	struct steer_tuple copy = *flow; // rte_ring takes no const

	return rte_ring_sp_enqueue_elem(ring, &copy, sizeof(copy)) == 0;
}
