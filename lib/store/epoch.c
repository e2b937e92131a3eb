// SPDX-License-Identifier: BSD-3-Clause
// Grace periods: tokens, and going on and off line

#include "store/epoch.h"

#include "base/hotpath.h"

void epoch_init(struct epoch *e, struct epoch_ctx *ctx, unsigned ctx_count)
{
	atomic_init(&e->now, 1);
	e->ctx = ctx;
	e->ctx_count = ctx_count;
}

void epoch_online(struct epoch *e, unsigned idx)
{
	uint64_t now = atomic_load_explicit(&e->now, memory_order_relaxed);

	atomic_store_explicit(&e->ctx[idx].seen, now, memory_order_relaxed);
	// A read-modify-write of the counter orders us against every epoch_start:
	// either it comes first, then we see what was unlinked before it, or we
	// come first, then its check sees us online.
	atomic_fetch_add_explicit(&e->now, 0, memory_order_acq_rel);
}

void epoch_offline(struct epoch *e, unsigned idx)
{
	atomic_store_explicit(&e->ctx[idx].seen, 0, memory_order_release);
}

uint64_t epoch_start(struct epoch *e)
{
	return atomic_fetch_add_explicit(&e->now, 1, memory_order_acq_rel) + 1;
}

bool epoch_is_over(const struct epoch *e, uint64_t token)
{
	for (unsigned i = 0; i < e->ctx_count; i++) {
		uint64_t seen = atomic_load_explicit(&e->ctx[i].seen, memory_order_acquire);

		if (seen != 0 && seen < token)
			return false;
	}
	return true;
}
