// SPDX-License-Identifier: BSD-3-Clause
// Slots of a log-linear histogram, as HdrHistogram's: bounded relative width, no table
//
// A value below 2^(sub_bits + 1) has a slot of its own; above, each power of two has 2^sub_bits
// slots, so that a slot is never wider than 2^-sub_bits of its value. Edges fall on powers of two.
#pragma once

#include <stdint.h>

// Slots that values below 2^value_bits take.
#define LOGLIN_SLOTS(value_bits, sub_bits) (((value_bits) - (sub_bits) + 1u) << (sub_bits))

static inline uint32_t loglin_slot(uint64_t v, uint32_t sub_bits)
{
	uint32_t e;

	if (v < 2u << sub_bits)
		return (uint32_t)v;
	e = 63 - (uint32_t)__builtin_clzll(v) - sub_bits;
	return (e << sub_bits) + (uint32_t)(v >> e);
}

// The largest value that a slot counts.
static inline uint64_t loglin_slot_top(uint32_t slot, uint32_t sub_bits)
{
	uint32_t e = slot >> sub_bits;

	if (e < 2)
		return slot;
	e--;
	return (((uint64_t)(slot - (e << sub_bits)) + 1) << e) - 1;
}
