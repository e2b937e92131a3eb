// SPDX-License-Identifier: BSD-3-Clause
// LRU and S3-FIFO as lists of keys

#include "support/cache_sim.h"

#include <stdlib.h>

#include "base/check.h"

#define NONE UINT32_MAX
#define FREQ_MAX 3
#define FREQ_TO_MAIN 2

enum place { ABSENT, SMALL, MAIN, GHOST };

// Of keys, the oldest first.
struct list {
	uint32_t head, tail, count;
};

struct entry {
	uint32_t next, prev;
	uint32_t exptime;
	uint8_t place, freq;
};

struct sim {
	enum sim_policy policy;
	uint32_t max, small_max;
	struct list list[GHOST + 1];
	struct entry *entry;
};

struct sim *sim_create(enum sim_policy policy, uint32_t item_count_max, uint32_t key_count)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	CHECK(sim && item_count_max >= 10);
	sim->policy = policy;
	sim->max = item_count_max;
	sim->small_max = item_count_max / 10;
	for (unsigned i = 0; i <= GHOST; i++)
		sim->list[i] = (struct list){NONE, NONE, 0};
	sim->entry = calloc(key_count, sizeof(*sim->entry));
	CHECK(sim->entry);
	return sim;
}

void sim_destroy(struct sim *sim)
{
	free(sim->entry);
	free(sim);
}

static void leave(struct sim *sim, uint32_t key)
{
	struct entry *e = &sim->entry[key];
	struct list *l = &sim->list[e->place];

	*(e->prev == NONE ? &l->head : &sim->entry[e->prev].next) = e->next;
	*(e->next == NONE ? &l->tail : &sim->entry[e->next].prev) = e->prev;
	l->count--;
	e->place = ABSENT;
}

static void enter(struct sim *sim, uint32_t key, enum place place)
{
	struct entry *e = &sim->entry[key];
	struct list *l = &sim->list[place];

	e->place = (uint8_t)place;
	e->next = NONE;
	e->prev = l->tail;
	*(l->tail == NONE ? &l->head : &sim->entry[l->tail].next) = key;
	l->tail = key;
	l->count++;
}

static void move(struct sim *sim, uint32_t key, enum place place)
{
	leave(sim, key);
	enter(sim, key, place);
}

static void ghost_add(struct sim *sim, uint32_t key)
{
	move(sim, key, GHOST);
	if (sim->list[GHOST].count > sim->max - sim->small_max)
		leave(sim, sim->list[GHOST].head);
}

// False: it went to main instead.
static bool evict_small(struct sim *sim)
{
	uint32_t key = sim->list[SMALL].head;
	struct entry *e = &sim->entry[key];
	bool stays = e->freq >= FREQ_TO_MAIN;

	e->freq = 0;
	if (stays)
		move(sim, key, MAIN);
	else
		ghost_add(sim, key);
	return !stays;
}

static bool evict_main(struct sim *sim)
{
	uint32_t key = sim->list[MAIN].head;
	struct entry *e = &sim->entry[key];

	if (e->freq == 0) {
		leave(sim, key);
		return true;
	}
	e->freq--;
	move(sim, key, MAIN);
	return false;
}

static void make_room_s3fifo(struct sim *sim)
{
	bool done = false;

	while (!done) {
		bool from_main = sim->list[MAIN].count > sim->max - sim->small_max ||
				 sim->list[SMALL].count == 0;

		done = from_main ? evict_main(sim) : evict_small(sim);
	}
}

static void hit(struct sim *sim, uint32_t key)
{
	struct entry *e = &sim->entry[key];

	if (sim->policy == SIM_LRU)
		move(sim, key, MAIN);
	else if (e->freq < FREQ_MAX)
		e->freq++;
}

bool sim_access(struct sim *sim, uint32_t key, uint32_t now_s, uint32_t exptime)
{
	struct entry *e = &sim->entry[key];
	bool is_known = e->place == GHOST;

	if (e->place == SMALL || e->place == MAIN) {
		bool is_gone = e->exptime && e->exptime <= now_s;

		hit(sim, key);
		if (is_gone)
			e->exptime = exptime;
		return !is_gone;
	}
	if (is_known)
		leave(sim, key);
	if (sim->list[SMALL].count + sim->list[MAIN].count >= sim->max) {
		if (sim->policy == SIM_LRU)
			leave(sim, sim->list[MAIN].head);
		else
			make_room_s3fifo(sim);
	}
	e->exptime = exptime;
	e->freq = 0;
	enter(sim, key, sim->policy == SIM_LRU || is_known ? MAIN : SMALL);
	return false;
}
