// SPDX-License-Identifier: BSD-3-Clause
// stats sizes: a walk that counts all items by their size, in steps
//
// There is one histogram per worker. The walk of a second connection waits until the
// first one's reply is written; that takes no client's help, so it is soon.

#include "cmd/cmd_priv.h"

#include "base/hotpath.h"

// Per step: calls of lib/store, and items that each may visit.
#define SIZES_STEP_CALLS 16
#define SIZES_CALL_ITEMS 8

uint32_t cmd_sizes_edge(unsigned i)
{
	if (i < SIZES_FINE)
		return i * SIZES_FINE_STEP;
	return (SIZES_FINE - 1) * SIZES_FINE_STEP + (i - SIZES_FINE + 1) * SIZES_COARSE_STEP;
}

static unsigned sizes_index(uint32_t size)
{
	uint32_t fine = (size + SIZES_FINE_STEP - 1) / SIZES_FINE_STEP, coarse;

	if (fine < SIZES_FINE)
		return fine;
	coarse = (size - (SIZES_FINE - 1) * SIZES_FINE_STEP - 1) / SIZES_COARSE_STEP;
	return coarse < SIZES_COUNT - SIZES_FINE ? SIZES_FINE + coarse : SIZES_COUNT - 1;
}

static void count_item(void *arg, struct slice key, const struct store_ref *ref)
{
	struct cmd *c = arg;
	struct store_meta meta;

	(void)key;
	store_ref_meta(ref, &meta);
	c->sizes[sizes_index(meta.size_bytes)]++;
}

enum cmd_status cmd_sizes_count(struct cmd *c, struct cmd_walk *walk)
{
	if (c->sizes_of && c->sizes_of != walk)
		return CMD_YIELD;
	if (!c->sizes_of) {
		c->sizes_of = walk;
		memset(c->sizes, 0, SIZES_COUNT * sizeof(*c->sizes));
	}
	for (unsigned i = 0; i < SIZES_STEP_CALLS && walk->cursor != CMD_WALK_OVER; i++) {
		walk->cursor = store_walk(c->ctx, walk->cursor, SIZES_CALL_ITEMS, count_item, c);
		if (walk->cursor == 0)
			walk->cursor = CMD_WALK_OVER;
	}
	return walk->cursor == CMD_WALK_OVER ? CMD_DONE : CMD_YIELD;
}

void cmd_walk_end(struct cmd *c, struct cmd_walk *walk)
{
	if (c->sizes_of == walk)
		c->sizes_of = NULL;
	*walk = (struct cmd_walk){.cursor = 0};
}
