// SPDX-License-Identifier: BSD-3-Clause
// Pins: records that stay readable after the turn in which they were found
//
// A pin counts for a whole segment, and is taken inside a turn, by who could still read the
// record without it. So once a segment's grace period is over its count can only fall: then
// limbo_poll looks at it, and parks the segment when it is not 0.
#pragma once

#include "store/store_priv.h"

// Segments that may be pinned at once, of so many; at least one.
#define PIN_SEGMENTS_SHARE 20

static inline uint32_t pin_count(const struct store *s, uint32_t idx)
{
	return atomic_load(&s->pin[idx]);
}

static inline uint32_t pin_segments_max(const struct store *s)
{
	return s->segment_count < 2 * PIN_SEGMENTS_SHARE ? 1
							 : s->segment_count / PIN_SEGMENTS_SHARE;
}
