// SPDX-License-Identifier: BSD-3-Clause
// The index: 64-byte buckets of seven one-word slots, chains of overflow buckets
//
// A slot word is the tag (hash bits 63..48), the bit of a ghost (47), and the record's
// offset / 8; 0 is empty. While a key is present it stays in one slot, and every change
// of it is one store to that slot under the lock of the chain's first bucket. So a
// reader needs no lock: a scan that does not meet the key proves an instant without it.
//
// But for the split of a bucket (grow.h), which moves keys to another chain. It publishes
// the new number of buckets before it clears the old slots. So a scan that has met a cleared
// slot sees that its key has another bucket now, and looks there; a hit needs no such look.
//
// The bucket's number is hash bits from bucket_shift up: at the start those right below the
// tag, and with each doubling one bit of the tag more.
//
// A ghost is what eviction from the small queue leaves in the slot: the tag, and when it
// was (ghost_clock). It makes no chain longer: a new key takes the slot of a ghost before
// the chain grows, and lookups see an empty slot.
#pragma once

#include "store/store_priv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BUCKET_SLOTS 7
#define CHAIN_MAX 5 // buckets per chain
#define BUCKETS_PER_PAGE (SEGMENT_SIZE_MIN / CACHE_LINE) // a segment has some whole pages

#define MASK_PARTLY (1ULL << 63) // in bucket_mask: of its upper half, not all buckets are in use
#define WORD_GHOST (1ULL << 47)
#define WORD_OFFSET_MASK (WORD_GHOST - 1)

struct bucket {
	_Alignas(CACHE_LINE) spinlock_t lock;
	_Atomic uint32_t overflow; // where the next one is, in buckets from the base; 0 = none
	_Atomic uint64_t slot[BUCKET_SLOTS];
};

_Static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is one line");

struct index_pos {
	_Atomic uint64_t *slot;
	uint64_t word;
};

// The bucket of a key: right at an instant between the begin and the end of this. The mask
// first: the count may then be newer, and no bucket of it is missing.
static inline uint64_t bucket_number(const struct store *s, uint64_t hash)
{
	struct store *w = (struct store *)s;
	uint64_t mask = atomic_load_explicit(&w->bucket_mask, memory_order_acquire);
	uint64_t n = hash >> s->bucket_shift & mask; // the bit MASK_PARTLY falls away

	if (unlikely_(mask & MASK_PARTLY) &&
		n >= atomic_load_explicit(&w->bucket_count, memory_order_acquire))
		n &= (mask & ~MASK_PARTLY) >> 1;
	return n;
}

static inline struct bucket *bucket_at(const struct store *s, uint64_t n)
{
	return &s->page[n / BUCKETS_PER_PAGE][n % BUCKETS_PER_PAGE];
}

static inline struct bucket *bucket_of(const struct store *s, uint64_t hash)
{
	return bucket_at(s, bucket_number(s, hash));
}

static inline struct bucket *bucket_next(const struct store *s, const struct bucket *b)
{
	uint32_t n = atomic_load_explicit(&((struct bucket *)b)->overflow, memory_order_acquire);

	return n ? (struct bucket *)s->base + n : NULL;
}

static inline void bucket_link(const struct store *s, struct bucket *b, const struct bucket *next)
{
	uint32_t n = next ? (uint32_t)(next - (struct bucket *)s->base) : 0;

	atomic_store_explicit(&b->overflow, n, memory_order_release);
}

static inline uint64_t index_word(const struct store *s, uint64_t hash, const struct item *it)
{
	return (hash & (0xffffULL << 48)) | offset_of(s, it) >> 3;
}

static inline struct item *word_item(const struct store *s, uint64_t word)
{
	return item_at(s, (word & WORD_OFFSET_MASK) << 3);
}

static inline bool word_is_item(uint64_t word)
{
	return word != 0 && !(word & WORD_GHOST);
}

// No ghost has the tag of any hash in this sense.
static inline bool word_has_tag(uint64_t word, uint64_t hash)
{
	return word >> 47 == hash >> 48 << 1;
}

static inline bool word_is_ghost_of(uint64_t word, uint64_t hash)
{
	return word >> 47 == (hash >> 48 << 1 | 1);
}

// What the evicted item of this hash leaves in its slot.
static inline uint64_t ghost_word(const struct store *s, uint64_t hash)
{
	return (hash & (0xffffULL << 48)) | WORD_GHOST |
	       atomic_load_explicit(&((struct store *)s)->ghost_clock, memory_order_relaxed);
}

// How many segments have left the small queue since then.
static inline uint32_t ghost_age(const struct store *s, uint64_t word)
{
	return atomic_load_explicit(&((struct store *)s)->ghost_clock, memory_order_relaxed) -
	       (uint32_t)word;
}

// The slots whose word, shifted right by shift, is value: slot i is bit 2 * i (match_slot).
// Acquire: who has seen a slot cleared by a split sees the number of buckets after it.
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
// Eight bytes of an aligned vector load are read at once, and loads are not reordered, on every
// x86: as relaxed loads of each slot and an acquire fence, in a third of the instructions.
static inline unsigned bucket_words(const struct bucket *b, int shift, uint64_t value)
{
	const __m128i *v = (const __m128i *)b, want = _mm_set1_epi64x((long long)value);
	__m128i eq[4];
	unsigned halves; // two bits for eight bytes: those of the header first

	for (unsigned i = 0; i < 4; i++)
		eq[i] = _mm_cmpeq_epi32(_mm_srli_epi64(_mm_load_si128(v + i), shift), want);
	halves = (unsigned)_mm_movemask_epi8(
		_mm_packs_epi16(_mm_packs_epi32(eq[0], eq[1]), _mm_packs_epi32(eq[2], eq[3])));
	atomic_signal_fence(memory_order_acquire);
	// The value is short: of each eight bytes the low four decide.
	return halves >> 2 & 0x1555;
}
#else
static inline unsigned bucket_words(const struct bucket *b, int shift, uint64_t value)
{
	unsigned match = 0;

#pragma GCC unroll 7
	for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
		uint64_t word =
			atomic_load_explicit(&((struct bucket *)b)->slot[i], memory_order_acquire);

		match |= (unsigned)(word >> shift == value) << 2 * i;
	}
	return match;
}
#endif

static inline _Atomic uint64_t *match_slot(const struct bucket *b, unsigned match)
{
	return &((struct bucket *)b)->slot[__builtin_ctz(match) / 2];
}

// The slots that have the tag of hash, as item or ghost (an empty slot has tag 0).
static inline unsigned bucket_match_any(const struct bucket *b, uint64_t hash)
{
	return bucket_words(b, 48, hash >> 48);
}

// The slots that have the tag of hash and are no ghost (an empty slot has tag 0).
static inline unsigned bucket_match(const struct bucket *b, uint64_t hash)
{
	return bucket_words(b, 47, hash >> 48 << 1);
}

// The record of a key, gone or not, and where its slot is; NULL if there is none.
static inline struct item *index_find(const struct store *s, const uint8_t *key, size_t nkey,
	uint64_t hash, struct index_pos *pos)
{
	uint64_t n, now = bucket_number(s, hash);

	do {
		struct bucket *b = bucket_at(s, n = now);

		do {
			for (unsigned m = bucket_match(b, hash); m; m &= m - 1) {
				_Atomic uint64_t *slot = match_slot(b, m);
				uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
				struct item *it;

				if (unlikely_(word == 0 || !word_has_tag(word, hash)))
					continue;
				it = word_item(s, word);
				if (likely_(it->klen == nkey && key_equal(it->data, key, nkey))) {
					pos->slot = slot;
					pos->word = word;
					return it;
				}
			}
		} while (unlikely_((b = bucket_next(s, b)) != NULL));
		now = bucket_number(s, hash);
	} while (unlikely_(now != n));
	return NULL;
}

// The rest is for the holder of the bucket lock.

// The slot that holds exactly word, or NULL.
_Atomic uint64_t *index_find_word(const struct store *s, uint64_t hash, uint64_t word);

// The owner whose fragment number i is frag, and its slot; NULL: it has none any
// more. Without the lock the answer is a hint.
struct item *index_find_owner(const struct store *s, uint64_t hash, const struct item *frag,
	uint32_t i, struct index_pos *pos);

// Which queue a new record of the key goes to: main, if the tag is that of an item there or
// of a ghost. A hint without the lock, and right for the tag only, which is enough.
enum segment_queue index_queue(const struct store *s, uint64_t hash);

// A free slot in the chain: the ghost of the same tag, an empty one, the oldest ghost. It is
// lengthened if there is none; NULL when it is full.
_Atomic uint64_t *index_free_slot(struct store *s, uint64_t hash);

// The slot of the item that a full chain can do without best: a gone one, else the
// oldest.
struct item *index_victim(struct store *s, uint64_t hash, struct index_pos *pos);
