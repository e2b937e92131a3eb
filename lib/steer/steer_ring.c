// SPDX-License-Identifier: BSD-3-Clause
// Rings between one RX lcore and one worker

#include <rte_common.h>
#include <rte_ring_elem.h>

#include "steer/steer.h"

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

bool steer_closed_enqueue(struct rte_ring *ring, const struct steer_tuple *flow)
{
	struct steer_tuple copy = *flow; // rte_ring takes no const

	return rte_ring_sp_enqueue_elem(ring, &copy, sizeof(copy)) == 0;
}
