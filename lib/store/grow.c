// SPDX-License-Identifier: BSD-3-Clause
// Splitting buckets, and the segments they come from

#include "store/grow.h"

#include "store/index.h"
#include "store/segment.h"

#include "base/hotpath.h"

#define SPLITS_MAX 256 // per turn
#define PREFETCH_AHEAD 4 // buckets

static uint64_t count_now(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)s)->bucket_count, memory_order_relaxed);
}

static uint64_t segment_buckets(const struct store *s)
{
	return s->segment_size / sizeof(struct bucket);
}

static uint64_t mask_of(uint64_t count)
{
	uint64_t mask = (2ULL << (63 - __builtin_clzll(count - 1))) - 1;

	return count == mask + 1 ? mask : mask | MASK_PARTLY;
}

// ---- pages

uint64_t grow_place(struct store *s)
{
	uint64_t most = INDEX_PAGES_MAX(s) * segment_buckets(s);

	s->bucket_shift = 48 - (uint32_t)__builtin_ctzll(s->bucket_first);
	return (s->bucket_front + most) / BUCKETS_PER_PAGE;
}

void grow_init(struct store *s)
{
	for (uint64_t n = 0; n < s->bucket_front; n += BUCKETS_PER_PAGE)
		s->page[n / BUCKETS_PER_PAGE] = s->bucket + n;
	atomic_init(&s->bucket_count, s->bucket_first);
	atomic_init(&s->bucket_mask, s->bucket_first - 1);
}

// Segment idx is number i of those that the index grew by.
static void pages_place(struct store *s, uint64_t i, uint32_t idx)
{
	struct bucket *b = (struct bucket *)(s->base + segment_off(s, idx));
	uint64_t first = s->bucket_front + i * segment_buckets(s);

	for (uint64_t n = 0; n < segment_buckets(s); n += BUCKETS_PER_PAGE)
		s->page[(first + n) / BUCKETS_PER_PAGE] = b + n;
}

// Is there memory for bucket n, the first that is not in use?
static bool page_have(struct store *s, uint64_t n)
{
	uint64_t i = (n - s->bucket_front) / segment_buckets(s);
	uint32_t idx;

	if (n < s->bucket_front || s->page[n / BUCKETS_PER_PAGE])
		return true;
	idx = segment_for_index(s, (uint32_t)i);
	if (idx == NO_SEGMENT)
		return false;
	pages_place(s, i, idx);
	return true;
}

bool grow_attach(struct store *s, uint64_t count, uint64_t items)
{
	uint64_t most = INDEX_PAGES_MAX(s);

	if (count < s->bucket_first || count > s->bucket_first << MAX_DOUBLINGS ||
		count > s->bucket_front + most * segment_buckets(s))
		return false;
	for (uint32_t i = 0; i < s->segment_count; i++) {
		const struct segment *g = &s->segment[i];

		if (atomic_load_explicit(&((struct segment *)g)->state, memory_order_relaxed) ==
				SEGMENT_INDEX &&
			g->next < most)
			pages_place(s, g->next, i);
	}
	for (uint64_t n = 0; n < count; n += BUCKETS_PER_PAGE)
		if (!s->page[n / BUCKETS_PER_PAGE])
			return false;
	atomic_init(&s->bucket_count, count);
	atomic_init(&s->bucket_mask, mask_of(count));
	s->index_items = items;
	return true;
}

// ---- a split

struct moving {
	_Atomic uint64_t *slot[CHAIN_MAX * BUCKET_SLOTS];
	uint64_t word[CHAIN_MAX * BUCKET_SLOTS];
	unsigned count;
	unsigned item_count; // these first, then the ghosts
};

static void moving_add(
	const struct store *s, struct bucket *b, uint64_t bit, bool items, struct moving *m)
{
	for (; b; b = bucket_next(s, b)) {
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_relaxed);

			if (!(word & bit) || word_is_item(word) != items)
				continue;
			m->slot[m->count] = &b->slot[i];
			m->word[m->count++] = word;
		}
	}
}

static void moving_find(const struct store *s, struct bucket *from, uint64_t bit, struct moving *m)
{
	m->count = 0;
	moving_add(s, from, bit, true, m);
	m->item_count = m->count;
	moving_add(s, from, bit, false, m);
}

static void chain_free(struct store *s, struct bucket *b)
{
	struct bucket *next;

	for (; b; b = next) {
		next = bucket_next(s, b);
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) // of ghosts
			atomic_store_explicit(&b->slot[i], 0, memory_order_relaxed);
		bucket_link(s, b, NULL);
		segment_bucket_free(s, b);
	}
}

// False: no memory for an overflow bucket; to is as it was.
static bool moving_put(struct store *s, struct bucket *to, const struct moving *m)
{
	struct bucket *b = to;

	for (unsigned n = BUCKET_SLOTS; n < m->item_count; n += BUCKET_SLOTS) {
		struct bucket *more = segment_bucket(s);

		if (!more) {
			chain_free(s, bucket_next(s, to));
			return false;
		}
		bucket_link(s, b, more);
		b = more;
	}
	b = to;
	for (unsigned i = 0; i < m->count; i++) {
		if (i && i % BUCKET_SLOTS == 0)
			b = bucket_next(s, b);
		if (!b) // ghosts that find no slot are forgotten
			break;
		atomic_store_explicit(&b->slot[i % BUCKET_SLOTS], m->word[i], memory_order_release);
	}
	return true;
}

// Who scans the chain has met all of it when it comes to what is cut off.
static void chain_trim(struct store *s, struct bucket *head)
{
	struct bucket *last = head, *b = bucket_next(s, head), *rest;

	for (; b; b = bucket_next(s, b))
		for (unsigned i = 0; i < BUCKET_SLOTS; i++)
			if (word_is_item(atomic_load_explicit(&b->slot[i], memory_order_relaxed)))
				last = b;
	rest = bucket_next(s, last);
	if (!rest)
		return;
	bucket_link(s, last, NULL);
	chain_free(s, rest);
}

enum split_result {
	SPLIT_DONE,
	SPLIT_BUSY, // a writer is at the bucket
	SPLIT_REFUSED, // no memory
};

static enum split_result split(struct store *s)
{
	uint64_t count = count_now(s), half;
	unsigned level = 63U - (unsigned)__builtin_clzll(count);
	struct bucket *from, *to;
	struct moving m;

	half = 1ULL << level;
	if (!page_have(s, count))
		return SPLIT_REFUSED;
	from = bucket_at(s, count - half);
	to = bucket_at(s, count);
	__builtin_prefetch(from + PREFETCH_AHEAD, 1);
	__builtin_prefetch(to + PREFETCH_AHEAD, 1);
	if (!spin_trylock(&from->lock))
		return SPLIT_BUSY;
	memset(to, 0, sizeof(*to));
	atomic_store_explicit(&to->lock, 1, memory_order_relaxed);
	moving_find(s, from, 1ULL << (s->bucket_shift + level), &m);
	if (!moving_put(s, to, &m)) {
		spin_unlock(&from->lock);
		return SPLIT_REFUSED;
	}
	// In this order, as bucket_number reads: no mask is newer than its buckets.
	if (count == half)
		atomic_store_explicit(&s->bucket_mask, mask_of(count + 1), memory_order_release);
	atomic_store_explicit(&s->bucket_count, count + 1, memory_order_release);
	if (count + 1 == 2 * half)
		atomic_store_explicit(&s->bucket_mask, mask_of(count + 1), memory_order_release);
	for (unsigned i = 0; i < m.count; i++)
		atomic_store_explicit(m.slot[i], 0, memory_order_release);
	chain_trim(s, from);
	spin_unlock(&to->lock);
	spin_unlock(&from->lock);
	return SPLIT_DONE;
}

// ---- when

static bool is_due(const struct store *s)
{
	uint64_t count = count_now(s);

	// What was begun goes on: half way, the buckets that wait are the fullest.
	return (count & (count - 1)) ||
	       (s->index_items > count * GROW_ITEMS && count < s->bucket_first << MAX_DOUBLINGS);
}

void grow_alone(struct store *s)
{
	s->index_items++;
	if (is_due(s))
		split(s);
}

void grow_work(struct store_ctx *ctx)
{
	struct store *s = ctx->s;
	int64_t added = (int64_t)(grow_own_items(ctx) - ctx->items_told);
	int64_t most = added; // one for each
	enum split_result r = SPLIT_DONE;

	// Who comes second tells it later, and then has so much more to do.
	if (!spin_trylock(&s->grow_lock))
		return;
	ctx->items_told += (uint64_t)added;
	s->index_items += (uint64_t)added;
	for (most = most < SPLITS_MAX ? most : SPLITS_MAX; most > 0 && r == SPLIT_DONE && is_due(s);
		most--)
		if ((r = split(s)) == SPLIT_DONE)
			stat_inc(CTX_STAT(ctx, index_splits));
	if (r == SPLIT_REFUSED)
		stat_inc(CTX_STAT(ctx, index_refused));
	spin_unlock(&s->grow_lock);
}
