// SPDX-License-Identifier: BSD-3-Clause
// The walk over all items, in an order that growth of the index does not change
//
// The order is that of walk_place, a number that a key's hash alone decides, made so that
// the keys of one bucket stand together, however often it is split: number in the first index,
// then the bits that growth adds with the first one highest, then the rest of the hash. The
// cursor is such a place. (Two keys of one place have the same 64-bit hash.)

#include "store/grow.h"
#include "store/publish.h"

#include "base/hotpath.h"

#define TAG_SHIFT 48
#define CHAIN_ITEMS (CHAIN_MAX * BUCKET_SLOTS)

static uint64_t tag_reversed(uint64_t tag)
{
	uint64_t r = 0;

	for (unsigned i = 0; i < 64 - TAG_SHIFT; i++)
		r |= (tag >> i & 1) << (63 - TAG_SHIFT - i);
	return r;
}

static uint64_t walk_place(const struct store *s, uint64_t hash)
{
	unsigned first_bits = TAG_SHIFT - s->bucket_shift;
	uint64_t number = hash >> s->bucket_shift & (s->bucket_first - 1);

	return number << (64 - first_bits) |
	       tag_reversed(hash >> TAG_SHIFT) << (TAG_SHIFT - first_bits) |
	       (hash & ((1ULL << s->bucket_shift) - 1));
}

// The part of the hash at a place that tells its bucket.
static uint64_t place_hash(const struct store *s, uint64_t place)
{
	unsigned first_bits = TAG_SHIFT - s->bucket_shift;
	uint64_t tag = place >> (TAG_SHIFT - first_bits) & 0xffff;

	return tag_reversed(tag) << TAG_SHIFT | place >> (64 - first_bits) << s->bucket_shift;
}

struct walk {
	const struct store *s;
	uint32_t now_s;
	uint64_t flush;
	// The items of one chain that are not visited yet, by place.
	const struct item *item[CHAIN_ITEMS];
	uint64_t place[CHAIN_ITEMS];
	unsigned count;
};

static void chain_add(struct walk *w, const struct item *it, uint64_t from)
{
	uint64_t place = walk_place(w->s, store_hash(w->s, it->data, it->klen));
	unsigned i = w->count;

	if (place < from || i == CHAIN_ITEMS)
		return;
	w->count++;
	for (; i > 0 && w->place[i - 1] > place; i--) {
		w->place[i] = w->place[i - 1];
		w->item[i] = w->item[i - 1];
	}
	w->place[i] = place;
	w->item[i] = it;
}

static void chain_scan(struct walk *w, struct bucket *b, uint64_t from)
{
	w->count = 0;
	for (; b; b = bucket_next(w->s, b)) {
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_acquire);

			if (word_is_item(word) &&
				!item_is_gone(word_item(w->s, word), w->now_s, w->flush))
				chain_add(w, word_item(w->s, word), from);
		}
	}
}

// The live items of the bucket at place from, but for those before it. Returns how many
// places the bucket has, as a power of two.
static unsigned chain_take(struct walk *w, uint64_t from)
{
	struct store *s = (struct store *)w->s;
	uint64_t hash = place_hash(s, from), n, count;
	unsigned level;

	// Again if it is split meanwhile: a part of it was not met.
	do {
		count = atomic_load_explicit(&s->bucket_count, memory_order_acquire);
		n = bucket_number(s, hash);
		level = bucket_level(count, n);
		chain_scan(w, bucket_at(s, n), from);
		count = atomic_load_explicit(&s->bucket_count, memory_order_acquire);
	} while (unlikely_(level != bucket_level(count, n)));
	return 64 - level;
}

uint64_t store_walk(
	struct store_ctx *ctx, uint64_t cursor, unsigned max, store_walk_fn *fn, void *arg)
{
	struct walk w = {.s = ctx->s, .now_s = clock_now(ctx->s), .flush = flush_stamp_now(ctx->s)};

	for (unsigned chains = 0; chains < STORE_WALK_CHAINS_MAX; chains++) {
		unsigned size = chain_take(&w, cursor);
		uint64_t next = ((cursor >> size) + 1) << size; // 0: this bucket is the last

		// Past next: in their new bucket too, as a split has not cleared them yet.
		for (unsigned i = 0; i < w.count && w.place[i] <= next - 1; i++, max--) {
			struct store_ref ref;

			if (max == 0)
				return w.place[i];
			item_to_ref(w.s, w.item[i], &ref);
			fn(arg, (struct slice){w.item[i]->data, w.item[i]->klen}, &ref);
		}
		cursor = next;
		if (cursor == 0)
			return 0;
	}
	return cursor;
}
