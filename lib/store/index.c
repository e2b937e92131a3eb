// SPDX-License-Identifier: BSD-3-Clause
// Index chains: finding a word or an owner, free slots, victims

#include "store/index.h"

#include "store/segment.h"

#include "base/hotpath.h"

_Atomic uint64_t *index_find_word(const struct store *s, uint64_t hash, uint64_t word)
{
	for (struct bucket *b = bucket_of(s, hash); b; b = bucket_next(s, b))
		for (unsigned i = 0; i < BUCKET_SLOTS; i++)
			if (atomic_load_explicit(&b->slot[i], memory_order_relaxed) == word)
				return &b->slot[i];
	return NULL;
}

static struct item *chain_find_owner(const struct store *s, struct bucket *b, uint64_t hash,
	const struct item *frag, uint32_t i, struct index_pos *pos)
{
	for (; b; b = bucket_next(s, b)) {
		for (unsigned m = bucket_match(b, hash); m; m &= m - 1) {
			_Atomic uint64_t *slot = match_slot(b, m);
			uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
			struct item *it = word_item(s, word);

			if (word == 0 || !word_has_tag(word, hash))
				continue;
			if (!(item_bits(it) & ITEM_LARGE) ||
				i >= fragment_count(owner_value_len(it)) ||
				owner_fragment(it, i) != frag)
				continue;
			pos->slot = slot;
			pos->word = word;
			return it;
		}
	}
	return NULL;
}

struct item *index_find_owner(const struct store *s, uint64_t hash, const struct item *frag,
	uint32_t i, struct index_pos *pos)
{
	uint64_t n, now = bucket_number(s, hash);
	struct item *owner;

	do {
		n = now;
		owner = chain_find_owner(s, bucket_at(s, n), hash, frag, i, pos);
		now = bucket_number(s, hash);
	} while (!owner && now != n);
	return owner;
}

// The ghosts of S3-FIFO are as many as main has items: so long a time.
static bool ghost_is_valid(const struct store *s, uint64_t word)
{
	return ghost_age(s, word) <= s->segment_count;
}

enum segment_queue index_queue(const struct store *s, uint64_t hash)
{
	for (const struct bucket *b = bucket_of(s, hash); b; b = bucket_next(s, b)) {
		for (unsigned m = bucket_match_any(b, hash); m; m &= m - 1) {
			_Atomic uint64_t *slot = match_slot(b, m);
			uint64_t word = atomic_load_explicit(slot, memory_order_acquire);

			if (word == 0)
				continue;
			if (word_has_tag(word, hash))
				return lane_queue(
					segment_of(s, (word & WORD_OFFSET_MASK) << 3)->lane);
			if (word_is_ghost_of(word, hash) && ghost_is_valid(s, word))
				return QUEUE_MAIN;
		}
	}
	return QUEUE_SMALL;
}

// Bit i: slot i holds no item.
static inline unsigned bucket_vacant(const struct bucket *b)
{
	unsigned vacant = 0;

#pragma GCC unroll 7
	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		uint64_t word =
			atomic_load_explicit(&((struct bucket *)b)->slot[i], memory_order_relaxed);

		vacant |= (unsigned)!word_is_item(word) << i;
	}
	return vacant;
}

struct free_slot {
	_Atomic uint64_t *slot; // best so far
	uint64_t rank; // the larger the better
};

// The ghost of the same tag, else an empty slot, else the oldest ghost.
static inline uint64_t free_slot_rank(const struct store *s, uint64_t word, uint64_t hash)
{
	uint64_t rank = ghost_age(s, word) + 1ULL;

	rank = word == 0 ? UINT64_MAX - 1 : rank;
	return word_is_ghost_of(word, hash) ? UINT64_MAX : rank;
}

static inline void free_slot_look(
	const struct store *s, struct free_slot *f, struct bucket *b, uint64_t hash)
{
	for (unsigned m = bucket_vacant(b); m; m &= m - 1) {
		_Atomic uint64_t *slot = &b->slot[__builtin_ctz(m)];
		uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
		uint64_t rank = free_slot_rank(s, word, hash);

		f->slot = rank > f->rank ? slot : f->slot;
		f->rank = rank > f->rank ? rank : f->rank;
	}
}

_Atomic uint64_t *index_free_slot(struct store *s, uint64_t hash)
{
	struct bucket *b = bucket_of(s, hash), *last = b, *more;
	struct free_slot f = {0};
	unsigned len = 0;

	for (; b; last = b, b = bucket_next(s, b), len++)
		free_slot_look(s, &f, b, hash);
	if (f.slot)
		return f.slot;
	if (len >= CHAIN_MAX)
		return NULL;
	more = segment_bucket(s);
	if (!more)
		return NULL;
	bucket_link(s, last, more);
	return &more->slot[0];
}

struct item *index_victim(struct store *s, uint64_t hash, struct index_pos *pos)
{
	uint32_t now_s = clock_now(s);
	uint64_t flush = flush_stamp_now(s), best = UINT64_MAX;
	struct item *victim = NULL;

	for (struct bucket *b = bucket_of(s, hash); b; b = bucket_next(s, b)) {
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			uint64_t word = atomic_load_explicit(&b->slot[i], memory_order_relaxed);
			struct item *it = word_item(s, word);
			uint64_t age;

			if (!word_is_item(word))
				continue;
			age = item_is_gone(it, now_s, flush) ? 0 : it->stamp;
			if (victim && age >= best)
				continue;
			best = age;
			victim = it;
			pos->slot = &b->slot[i];
			pos->word = word;
		}
	}
	return victim;
}
