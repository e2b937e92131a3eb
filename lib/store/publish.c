// SPDX-License-Identifier: BSD-3-Clause
// The life of an item: stamps, publication, replacement, death

#include "store/publish.h"

#include "store/sum.h"

#include "base/hotpath.h"

#define STAMP_SECOND_SHIFT 24 // 16 M stores a second and ctx before it runs ahead

uint64_t stamp_second(const struct store *s, uint32_t now_s)
{
	return (uint64_t)(now_s - s->start_s) << STAMP_SECOND_SHIFT;
}

uint64_t stamp_next(struct store_ctx *ctx, const struct change *c)
{
	uint64_t n = atomic_load_explicit(&ctx->stamp_count, memory_order_relaxed);
	uint64_t floor = c->old ? c->old->stamp >> 8 : 0, flush = c->flush >> 8;
	uint64_t second = stamp_second(ctx->s, c->now_s);

	if (n < floor)
		n = floor;
	if (n < flush)
		n = flush;
	if (n < second)
		n = second;
	n++;
	// Release: store_flush takes it for the end of what was stored before.
	atomic_store_explicit(&ctx->stamp_count, n, memory_order_release);
	return n << 8 | ctx->idx;
}

void item_init(const struct store *s, struct item *it, const uint8_t *key, size_t nkey,
	uint32_t client_flags, uint16_t vlen, uint8_t bits)
{
	it->stamp = 0;
	atomic_store_explicit(&it->exptime, 0, memory_order_relaxed);
	atomic_store_explicit(&it->atime, 0, memory_order_relaxed);
	it->client_flags = client_flags;
	it->vlen = vlen;
	it->klen = (uint8_t)nkey;
	atomic_store_explicit(&it->bits, bits | s->record_bits | ITEM_DEAD, memory_order_relaxed);
	record_sum_place(s, it);
	if (nkey)
		memcpy(it->data, key, nkey);
}

void change_begin(
	struct store_ctx *ctx, struct change *c, const uint8_t *key, size_t nkey, uint64_t hash)
{
	bucket_lock(ctx->s, hash);
	c->now_s = clock_now(ctx->s);
	c->flush = flush_stamp_now(ctx->s);
	c->victim = NULL;
	c->old = index_find(ctx->s, key, nkey, hash, &c->pos);
	c->old_gone = c->old && item_is_gone(c->old, c->now_s, c->flush);
}

bool change_publish(struct store_ctx *ctx, struct change *c, struct item *it, uint64_t hash)
{
	struct store *s = ctx->s;
	_Atomic uint64_t *slot = c->pos.slot;
	uint8_t bits = item_bits(it) & (uint8_t)~ITEM_DEAD;

	if (c->old) {
		// A new version is as wanted as the one before.
		if (!c->old_gone)
			bits |= item_bits(c->old) & ITEM_FREQ_MASK;
	} else {
		slot = index_free_slot(s, hash);
		if (!slot) {
			struct index_pos pos;
			struct item *victim = index_victim(s, hash, &pos);
			bool gone = item_is_gone(victim, clock_now(s), flush_stamp_now(s));

			if (s->no_evictions && !gone)
				return false;
			c->victim = victim;
			slot = pos.slot;
		} else if (word_is_ghost_of(
				   atomic_load_explicit(slot, memory_order_relaxed), hash) &&
			   lane_queue(segment_of(s, offset_of(s, it))->lane) == QUEUE_MAIN) {
			stat_inc(CTX_STAT(ctx, ghost_hits));
		}
	}
	it->stamp = stamp_next(ctx, c);
	atomic_store_explicit(&it->atime, clock_now(s), memory_order_relaxed);
	if (bits & ITEM_LARGE)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			atomic_store_explicit(&owner_fragment(it, i)->bits,
				ITEM_FRAGMENT | s->record_bits, memory_order_relaxed);
	record_sum_stamp(s, it);
	atomic_store_explicit(&it->bits, bits, memory_order_release);
	if (c->old)
		item_leaves(s, c->old);
	if (unlikely_(c->victim != NULL))
		item_leaves(s, c->victim);
	atomic_store_explicit(slot, index_word(s, hash, it), memory_order_release);
	stat_inc(CTX_STAT(ctx, total_items));
	stat_inc(CTX_STAT(ctx, items_added));
	stat_add(CTX_STAT(ctx, bytes_added), item_total_size(it));
	stat_add(CTX_STAT(ctx, payload_added), item_payload(it));
	return true;
}

void change_remove(struct store_ctx *ctx, struct change *c)
{
	item_leaves(ctx->s, c->old);
	atomic_store_explicit(c->pos.slot, 0, memory_order_release);
}

void change_end(struct store_ctx *ctx, struct change *c, uint64_t hash, bool old_dies)
{
	struct store *s = ctx->s;

	bucket_unlock(s, hash);
	if (c->old && old_dies)
		item_kill(ctx, c->old, c->old_gone ? DEATH_GONE : DEATH_REPLACED);
	if (unlikely_(c->victim != NULL)) {
		bool gone = item_is_gone(c->victim, clock_now(s), flush_stamp_now(s));

		item_kill(ctx, c->victim, gone ? DEATH_GONE : DEATH_EVICTED);
		stat_inc(CTX_STAT(ctx, chain_evictions));
	}
}

uint64_t item_total_size(const struct item *it)
{
	uint64_t size = item_record_size(it);

	if (item_bits(it) & ITEM_LARGE)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			size += item_record_size(owner_fragment(it, i));
	return size;
}

void record_kill(struct store *s, struct item *it)
{
	atomic_fetch_or_explicit(&it->bits, ITEM_DEAD, memory_order_relaxed);
	segment_live_sub(s, it, item_record_size(it));
}

void item_kill(struct store_ctx *ctx, struct item *it, enum death why)
{
	struct store *s = ctx->s;
	uint64_t size = item_total_size(it);
	uint8_t bits = item_bits(it);

	if (bits & ITEM_LARGE)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			record_kill(s, owner_fragment(it, i));
	record_kill(s, it);
	stat_inc(CTX_STAT(ctx, items_removed));
	stat_add(CTX_STAT(ctx, bytes_removed), size);
	stat_add(CTX_STAT(ctx, payload_removed), item_payload(it));
	if (why == DEATH_EVICTED) {
		stat_inc(CTX_STAT(ctx, evictions));
		if (!(bits & ITEM_FETCHED))
			stat_inc(CTX_STAT(ctx, evicted_unfetched));
	} else if (why == DEATH_GONE) {
		stat_inc(CTX_STAT(ctx, reclaimed));
		if (!(bits & ITEM_FETCHED) && it->stamp >= flush_stamp_now(s))
			stat_inc(CTX_STAT(ctx, expired_unfetched));
	}
}

void item_give_up(struct store_ctx *ctx, struct item *it)
{
	bool large = item_bits(it) & ITEM_LARGE;

	if (large)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			if (owner_has_fragment(it, i))
				segment_settle(ctx, owner_fragment(it, i), 0, true);
	segment_settle(ctx, it, 0, large);
}

void item_settle(struct store_ctx *ctx, struct item *it)
{
	bool large = item_bits(it) & ITEM_LARGE;

	if (large)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			segment_settle(ctx, owner_fragment(it, i), it->stamp, true);
	segment_settle(ctx, it, it->stamp, large);
}
