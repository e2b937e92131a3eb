// SPDX-License-Identifier: BSD-3-Clause
// Bytes that are kept in place by somebody else until they are given back
//
// Who owns the memory hands out one extref per hold; whoever has it calls
// extref_release exactly once, from any thread, and does not look at the bytes after it.
// So a byte queue may carry bytes of a module that it knows nothing of.
#pragma once

#include <stdint.h>

struct extref {
	const uint8_t *p;
	uint32_t len;
	void (*release)(void *owner, const uint8_t *p); // p as it was handed out
	void *owner;
};

static inline void extref_release(const struct extref *x)
{
	x->release(x->owner, x->p);
}
