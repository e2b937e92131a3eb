// SPDX-License-Identifier: BSD-3-Clause
// Hierarchical timer wheel with millisecond ticks; time is an argument

#include "base/wheel.h"

#include <stddef.h>

#include "base/check.h"

#include "base/hotpath.h"

#define LEVEL_BITS 8

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel){.now_ms = now_ms};
}

static void list_push(struct wheel_entry **head, struct wheel_entry *e)
{
	e->next = *head;
	e->pprev = head;
	if (e->next)
		e->next->pprev = &e->next;
	*head = e;
}

static void list_remove(struct wheel_entry *e)
{
	*e->pprev = e->next;
	if (e->next)
		e->next->pprev = e->pprev;
	e->pprev = NULL;
	e->next = NULL;
}

static void wheel_place(struct wheel *w, struct wheel_entry *e)
{
	uint64_t at = e->deadline_ms, delta;
	unsigned level = 0;

	if (at < w->now_ms) {
		list_push(&w->due, e);
		return;
	}
	delta = at - w->now_ms;
	if (delta > UINT32_MAX) {
		// Waits in the last slot of the outermost level and is placed anew there.
		delta = UINT32_MAX;
		at = w->now_ms + delta;
	}
	while (level < WHEEL_LEVELS - 1 && delta >= (1ULL << (LEVEL_BITS * (level + 1))))
		level++;
	list_push(&w->slot[level][(at >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1)], e);
}

void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline_ms)
{
	if (e->pprev)
		list_remove(e);
	else
		w->armed_count++;
	e->deadline_ms = deadline_ms;
	wheel_place(w, e);
}

void wheel_cancel(struct wheel *w, struct wheel_entry *e)
{
	if (!e->pprev)
		return;
	list_remove(e);
	w->armed_count--;
}

// Spread one slot of a higher level over the levels below it.
static void wheel_cascade(struct wheel *w, unsigned level)
{
	unsigned idx = (w->now_ms >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1);
	struct wheel_entry *list = w->slot[level][idx];

	w->slot[level][idx] = NULL;
	while (list) {
		struct wheel_entry *e = list;

		list = e->next;
		e->pprev = NULL;
		wheel_place(w, e);
	}
	if (idx == 0 && level < WHEEL_LEVELS - 1)
		wheel_cascade(w, level + 1);
}

static void wheel_turn(struct wheel *w)
{
	unsigned idx = w->now_ms & (WHEEL_SLOTS - 1);
	struct wheel_entry *list = w->slot[0][idx];

	w->slot[0][idx] = NULL;
	while (list) {
		struct wheel_entry *e = list;

		list = e->next;
		list_push(&w->due, e);
	}
	w->now_ms++;
	if ((w->now_ms & (WHEEL_SLOTS - 1)) == 0)
		wheel_cascade(w, 1);
}

struct wheel_entry *wheel_expire(struct wheel *w, uint64_t now_ms)
{
	struct wheel_entry *e;

	if (w->armed_count == 0 && now_ms >= w->now_ms) {
		// Nothing can be due: skip the empty time at once.
		w->now_ms = now_ms + 1;
		return NULL;
	}
	while (!w->due && w->now_ms <= now_ms)
		wheel_turn(w);
	e = w->due;
	if (!e)
		return NULL;
	list_remove(e);
	w->armed_count--;
	return e;
}
