// SPDX-License-Identifier: BSD-3-Clause
// Pins: taking them within the budget, and giving them back from any thread

#include "store/pin.h"

#include "base/hotpath.h"

static void unpin(void *owner, const uint8_t *p)
{
	struct store *s = owner;
	struct segment *g = segment_of(s, (uint64_t)(p - s->base));

	// What was read of the segment was read before: sequentially consistent, so also release.
	if (atomic_fetch_sub(&s->pin[g - s->segment], 1) != 1)
		return;
	atomic_fetch_sub_explicit(&s->pinned_segments, 1, memory_order_relaxed);
	// limbo_poll adds to parked_count before it looks at the pins a last time: either it
	// sees that they are gone, or we see that it waits for them.
	if (atomic_load(&s->parked_count) > 0)
		atomic_store(&s->parked_due, true);
}

// The first pin of a segment is taken from the budget before it counts: never too many.
static bool pin_first(struct store *s, _Atomic uint32_t *pin)
{
	uint32_t none = 0, max = pin_segments_max(s);

	if (atomic_fetch_add_explicit(&s->pinned_segments, 1, memory_order_relaxed) < max &&
		atomic_compare_exchange_strong(pin, &none, 1))
		return true;
	atomic_fetch_sub_explicit(&s->pinned_segments, 1, memory_order_relaxed);
	return false;
}

static bool pin_further(_Atomic uint32_t *pin)
{
	uint32_t n = atomic_load_explicit(pin, memory_order_relaxed);

	while (n > 0)
		if (atomic_compare_exchange_weak(pin, &n, n + 1))
			return true;
	return false;
}

bool store_pin(struct store_ctx *ctx, struct slice piece, struct extref *x)
{
	struct store *s = ctx->s;
	_Atomic uint32_t *pin = &s->pin[segment_of(s, (uint64_t)(piece.p - s->base)) - s->segment];

	// Once more at the end: another thread may have been first in between.
	if (!pin_further(pin) && !pin_first(s, pin) && !pin_further(pin)) {
		stat_inc(CTX_STAT(ctx, pins_refused));
		return false;
	}
	stat_inc(CTX_STAT(ctx, pins));
	*x = (struct extref){
		.p = piece.p, .len = (uint32_t)piece.len, .release = unpin, .owner = s};
	return true;
}
