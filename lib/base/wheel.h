// SPDX-License-Identifier: BSD-3-Clause
// Hierarchical timer wheel with millisecond ticks; time is an argument
//
// Four levels of 256 slots: any deadline up to 2^32 ms. Arming, re-arming and
// cancelling are O(1). An entry lives inside its owner; the wheel takes no memory.
//
// Threads: one owner.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS 256

struct wheel_entry {
	struct wheel_entry *next, **pprev; // pprev NULL: not armed
	uint64_t deadline_ms;
};

struct wheel {
	uint64_t now_ms; // every slot before this tick has been emptied
	uint32_t armed_count;
	struct wheel_entry *due; // taken from its slot, not yet given out
	struct wheel_entry *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);

static inline bool wheel_is_armed(const struct wheel_entry *e)
{
	return e->pprev != NULL;
}

// Arm, or move, e to expire at deadline_ms (a past one expires at the next call
// of wheel_expire). e must be zeroed before its first use.
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline_ms);

void wheel_cancel(struct wheel *w, struct wheel_entry *e);

// Advance to now_ms and give out one expired entry, disarmed; NULL when there is
// none left. Call until NULL, or stop at a budget and go on in the next loop turn.
struct wheel_entry *wheel_expire(struct wheel *w, uint64_t now_ms);
