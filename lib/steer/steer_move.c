// SPDX-License-Identifier: BSD-3-Clause
// Moving buckets: the receiver's part of the handshake, and which move is worth it

#include "steer/move.h"
#include "steer/steer_priv.h"

bool steer_move_turn(struct steer *s, struct steer_move *m)
{
	if (steer_move_state(m) != MOVE_FREE)
		return false;
	if (s->bucket[m->bucket].last_tcp > m->processed) {
		stat_inc(&s->stats[STEER_STAT_moves_refused]);
		steer_move_pass(m, MOVE_REFUSED);
		return false;
	}
	// Numbers of the old worker's ring mean nothing in the new one's.
	s->bucket[m->bucket].last_tcp = 0;
	atomic_store_explicit(&s->table->worker[m->bucket], (uint16_t)m->to, memory_order_relaxed);
	stat_inc(&s->stats[STEER_STAT_buckets_moved]);
	steer_move_pass(m, MOVE_DONE);
	return true;
}

void steer_bucket_loads(const struct steer *s, uint64_t load[STEER_BUCKETS])
{
	for (unsigned i = 0; i < STEER_BUCKETS; i++)
		load[i] = stat_read(&s->bucket[i].frames);
}

bool steer_choose(const struct steer_table *table, const uint64_t load[STEER_BUCKETS],
	const bool skip[STEER_BUCKETS], uint32_t *bucket, uint32_t *from, uint32_t *to)
{
	uint64_t of_worker[STEER_WORKERS_MAX] = {0}, sum = 0, best = 0;
	unsigned busiest = 0, idlest = 0;

	for (unsigned i = 0; i < STEER_BUCKETS; i++) {
		of_worker[steer_bucket_worker(table, i)] += load[i];
		sum += load[i];
	}
	for (unsigned w = 1; w < table->worker_count; w++) {
		busiest = of_worker[w] > of_worker[busiest] ? w : busiest;
		idlest = of_worker[w] < of_worker[idlest] ? w : idlest;
	}
	if (of_worker[busiest] * 5 * table->worker_count <= sum * 6)
		return false;
	for (unsigned i = 0; i < STEER_BUCKETS; i++) {
		if (skip[i] || load[i] <= best || steer_bucket_worker(table, i) != busiest ||
			load[i] > (of_worker[busiest] - of_worker[idlest]) / 2)
			continue;
		best = load[i];
		*bucket = i;
	}
	*from = busiest;
	*to = idlest;
	return best > 0;
}
