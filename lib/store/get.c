// SPDX-License-Identifier: BSD-3-Clause
// Reading: no lock, no pin, no retry

#include "store/publish.h"

#include "base/hotpath.h"

uint64_t store_hash(const struct store *s, const uint8_t *key, size_t nkey)
{
	return siphash13(&s->hash_key, key, nkey);
}

void store_prefetch_bucket(const struct store *s, uint64_t hash)
{
	__builtin_prefetch(bucket_of(s, hash));
}

void store_prefetch_item(const struct store *s, uint64_t hash)
{
	const struct bucket *b = bucket_of(s, hash);
	unsigned match = bucket_match(b, hash);

	if (likely_(match)) {
		uint64_t word = atomic_load_explicit(match_slot(b, match), memory_order_relaxed);
		const uint8_t *p = (const uint8_t *)word_item(s, word);

		__builtin_prefetch(p);
		__builtin_prefetch(p + CACHE_LINE);
		return;
	}
	b = bucket_next(s, b);
	if (b)
		__builtin_prefetch(b);
}

// Remember the hit. What would change nothing is not written: the line of a hot
// item stays shared between the cores.
static inline void item_hit(struct item *it, uint32_t now_s)
{
	uint8_t bits = item_bits(it);

	if (unlikely_(atomic_load_explicit(&it->atime, memory_order_relaxed) != now_s))
		atomic_store_explicit(&it->atime, now_s, memory_order_relaxed);
	if (unlikely_((bits & ITEM_HOT) != ITEM_HOT)) {
		uint8_t hit = bits | ITEM_FETCHED;

		if ((bits & ITEM_FREQ_MASK) != ITEM_FREQ_MASK)
			hit += ITEM_FREQ_ONE;
		// Losing to another hit loses a count, which is no harm.
		atomic_compare_exchange_strong_explicit(
			&it->bits, &bits, hit, memory_order_relaxed, memory_order_relaxed);
	}
}

enum store_status store_get(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	struct store_ref *ref)
{
	const struct store *s = ctx->s;
	struct index_pos pos;
	struct item *it;
	uint32_t now_s;

	// The clock and the flush are read before the slot: an item that is gone by
	// them was gone when the slot was read. With a later clock, a version that has
	// been replaced meanwhile could pass for an expired key. But by an earlier one an
	// item that was stored expired could be served: so not if it moved in between.
	do {
		uint64_t flush;

		now_s = clock_now(s);
		flush = flush_stamp_now(s);
		it = index_find(s, key, nkey, hash, &pos);
		if (unlikely_(!it || item_is_gone(it, now_s, flush)))
			return STORE_NOT_FOUND;
	} while (item_exptime(it) && unlikely_(clock_now(s) != now_s));
	item_hit(it, now_s);
	item_to_ref(s, it, ref);
	return STORE_OK;
}

void store_ref_piece(const struct store_ref *ref, uint32_t off, struct slice *piece)
{
	const struct item *frag;

	DCHECK(off < ref->vlen);
	if (ref->value) {
		piece->p = ref->value + off;
		piece->len = ref->vlen - off;
		return;
	}
	frag = owner_fragment(ref->item, off / FRAGMENT_PAYLOAD);
	off %= FRAGMENT_PAYLOAD;
	piece->p = frag->data + off;
	piece->len = frag->vlen - off;
}

enum store_status store_touch(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	uint32_t exptime, struct store_ref *ref)
{
	struct store *s = ctx->s;
	struct change c;

	change_begin(ctx, &c, key, nkey, hash);
	if (c.old && !c.old_gone) {
		// Under the lock, so that a move of the item does not lose it.
		atomic_store_explicit(&c.old->exptime, exptime, memory_order_relaxed);
		if (exptime)
			atomic_lower(&segment_of(s, offset_of(s, c.old))->exp_min, exptime);
		item_hit(c.old, c.now_s);
		if (ref)
			item_to_ref(s, c.old, ref);
		bucket_unlock(s, hash);
		return STORE_OK;
	}
	if (c.old)
		change_remove(ctx, &c);
	change_end(ctx, &c, hash, true);
	return STORE_NOT_FOUND;
}
