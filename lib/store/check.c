// SPDX-License-Identifier: BSD-3-Clause
// store_check: every law that ties index, records, segments and counters together

#include "store/grow.h"
#include "store/pin.h"
#include "store/publish.h"
#include "store/sum.h"

// What one pass over the index found; checked against the other structures.
struct tally {
	struct store *s;
	const char *what; // first broken law
	uint64_t items, bytes, payload, linked_records;
};

#define LAW(t, cond, text) \
	do { \
		if (!(cond) && !(t)->what) \
			(t)->what = (text); \
	} while (0)

static enum segment_state state_of(const struct segment *g)
{
	return (enum segment_state)atomic_load(&((struct segment *)g)->state);
}

static bool holds_records(const struct segment *g)
{
	enum segment_state st = state_of(g);

	return st == SEGMENT_OPEN || st == SEGMENT_SEALED || st == SEGMENT_DRAINING;
}

static bool is_in_segments(const struct store *s, uint64_t off)
{
	return off >= s->segments_off && off < segment_off(s, s->segment_count) && off % 8 == 0;
}

static void check_record_place(struct tally *t, const struct item *it)
{
	uint64_t off = offset_of(t->s, it);
	const struct segment *g;

	LAW(t, is_in_segments(t->s, off), "a slot points into a segment");
	if (t->what)
		return;
	g = segment_of(t->s, off);
	LAW(t, holds_records(g), "a linked record is in a segment in use");
	LAW(t, !(item_bits(it) & (ITEM_DEAD | ITEM_LEAVING)), "a linked record is not dead");
	LAW(t, !t->s->sb || record_sum_is_right(t->s, it), "a linked record has the right sum");
	LAW(t,
		off + item_record_size(it) <=
			segment_off(t->s, (uint32_t)(g - t->s->segment)) + g->used,
		"a linked record ends inside the used part of its segment");
	t->linked_records++;
}

static void check_item(struct tally *t, uint64_t bucket, uint64_t word)
{
	struct store *s = t->s;
	const struct item *it = word_item(s, word);
	struct index_pos pos;
	uint64_t hash;

	check_record_place(t, it);
	if (t->what)
		return;
	LAW(t, it->klen >= 1 && it->klen <= STORE_KEY_LEN_MAX, "a key has 1 to 250 bytes");
	hash = store_hash(s, it->data, it->klen);
	LAW(t, bucket_number(s, hash) == bucket, "an item is in the bucket of its hash");
	LAW(t, word_has_tag(word, hash), "a slot has the tag of its item");
	LAW(t, index_find(s, it->data, it->klen, hash, &pos) == it, "a key is in one slot only");
	if (item_bits(it) & ITEM_LARGE) {
		uint32_t n = fragment_count(owner_value_len(it)), len = 0;

		for (uint32_t i = 0; i < n && !t->what; i++) {
			const struct item *frag = owner_fragment(it, i);

			LAW(t, owner_has_fragment(it, i), "a published value has all fragments");
			if (!t->what)
				check_record_place(t, frag);
			if (t->what)
				return;
			LAW(t, frag->stamp == hash && frag->client_flags == i && frag->klen == 0,
				"a fragment names its owner and its number");
			len += frag->vlen;
		}
		LAW(t, len == owner_value_len(it), "fragments add up to the value");
	} else {
		LAW(t, it->vlen >= 2 && memcmp(item_value(it) + it->vlen - 2, "\r\n", 2) == 0,
			"a whole value ends in CRLF");
	}
	t->items++;
	t->bytes += item_total_size(it);
	t->payload += item_payload(it);
}

static void check_ghost(struct tally *t, uint64_t bucket, uint64_t word)
{
	struct store *s = t->s;
	uint64_t hash = (word & 0xffffULL << 48) | (bucket & (s->bucket_first - 1))
							   << s->bucket_shift;

	LAW(t, bucket_number(s, hash) == bucket, "a ghost is in a bucket of its tag");
	LAW(t, (word & WORD_OFFSET_MASK) <= UINT32_MAX, "a ghost has a time and nothing else");
	LAW(t, ghost_age(t->s, word) <= UINT32_MAX / 2, "no ghost is of a time to come");
}

static void check_index(struct tally *t)
{
	struct store *s = t->s;

	for (uint64_t n = 0; n < atomic_load(&s->bucket_count) && !t->what; n++) {
		unsigned len = 0;

		LAW(t, atomic_load(&bucket_at(s, n)->lock) == 0, "no bucket is left locked");
		for (struct bucket *b = bucket_at(s, n); b && !t->what; b = bucket_next(s, b)) {
			LAW(t, ++len <= CHAIN_MAX, "a chain is not longer than its maximum");
			for (unsigned i = 0; i < BUCKET_SLOTS && !t->what; i++) {
				uint64_t word = atomic_load(&b->slot[i]);

				if (word_is_item(word))
					check_item(t, n, word);
				else if (word)
					check_ghost(t, n, word);
			}
		}
	}
}

static void check_growth(struct tally *t)
{
	struct store *s = t->s;
	uint64_t count = atomic_load(&s->bucket_count), mask = atomic_load(&s->bucket_mask);
	uint64_t pages = 0, told = 0, limit = (uint64_t)s->segment_count * s->segment_size;
	bool partly = mask & MASK_PARTLY;

	mask &= ~MASK_PARTLY;
	LAW(t,
		(mask & (mask + 1)) == 0 &&
			(partly ? count <= mask && count > mask / 2 + 1 : count == mask + 1),
		"the mask is that of the number of buckets");
	for (uint32_t i = 0; i < s->segment_count; i++)
		pages += state_of(&s->segment[i]) == SEGMENT_INDEX &&
			 s->segment[i].next != NO_SEGMENT;
	LAW(t, count <= s->bucket_front + (pages << s->segment_shift) / sizeof(struct bucket),
		"each bucket is in a page of the index");
	for (unsigned i = 0; i < s->ctx_count; i++)
		told += s->ctx[i].items_told;
	LAW(t, told == s->index_items, "the index has so many items as its ctxs have told");
	LAW(t, atomic_load(&s->grow_lock) == 0, "growth is not left locked");
	for (uint32_t n = s->bucket_free; n && limit && !t->what; limit--) {
		const struct bucket *b = (struct bucket *)s->base + n;

		for (unsigned i = 0; i < BUCKET_SLOTS; i++)
			LAW(t, atomic_load(&((struct bucket *)b)->slot[i]) == 0,
				"a bucket that came back is empty");
		LAW(t, !bucket_next(s, b), "a bucket that came back links nowhere");
		n = atomic_load(&((struct bucket *)b)->lock);
	}
	LAW(t, limit, "buckets that came back are in no circle");
}

// The buffer that begins at off, of whichever ctx.
static const struct tlab *tlab_at(const struct store *s, uint64_t off)
{
	for (unsigned i = 0; i < s->ctx_count; i++)
		for (unsigned k = 0; k < TLAB_COUNT; k++) {
			const struct tlab *t = &s->ctx[i].tlab[k];

			if (t->end && off >= t->start && off < t->end)
				return t;
		}
	return NULL;
}

// All records of a segment, one after the other: they must fill its used part, and
// those not dead must be what live says. Returns how many are not dead.
static uint64_t check_records(struct tally *t, const struct segment *g)
{
	struct store *s = t->s;
	uint64_t off = segment_off(s, (uint32_t)(g - s->segment)), end = off + g->used, alive = 0;
	uint32_t live = 0, live_known = atomic_load(&((struct segment *)g)->live);
	const struct tlab *counted = NULL;

	while (off < end && !t->what) {
		const struct tlab *b = tlab_at(s, off);
		const struct item *it = item_at(s, off);
		uint32_t size;

		if (b && b != counted) {
			live_known += b->live;
			counted = b;
		}
		if (b && off == b->pos) {
			off = b->end;
			continue;
		}
		size = item_record_size(it);
		LAW(t, size >= ITEM_HEADER_LEN && size % 8 == 0 && off + size <= end,
			"records fill a segment without gaps");
		if (!(item_bits(it) & ITEM_DEAD)) {
			live += size;
			alive++;
		}
		off += size;
	}
	LAW(t, live == live_known, "live bytes of a segment are those of its live records");
	return alive;
}

static void check_queues(struct tally *t, uint32_t sealed, uint32_t open)
{
	const struct store *s = t->s;

	for (unsigned q = 0; q < QUEUE_COUNT; q++) {
		uint32_t n = 0;

		for (uint32_t i = s->fifo[q].head; i != NO_SEGMENT && n <= s->segment_count;
			i = s->segment[i].next, n++)
			LAW(t, lane_queue(s->segment[i].lane) == q, "a segment is in its queue");
		LAW(t, n == s->fifo[q].count, "the segments of a queue are counted");
	}
	LAW(t, s->fifo[QUEUE_SMALL].count + s->fifo[QUEUE_MAIN].count == sealed,
		"the queues hold the sealed segments");
	LAW(t, s->open_count == open, "open lanes are counted");
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		if (s->open[i] == NO_SEGMENT)
			continue;
		open--;
		LAW(t, state_of(&s->segment[s->open[i]]) == SEGMENT_OPEN,
			"a lane's segment is open");
		LAW(t, s->segment[s->open[i]].lane == i, "an open segment knows its lane");
	}
	LAW(t, open == 0, "an open segment is that of a lane");
	LAW(t, s->open_count <= s->open_max + OPEN_MIN, "not too many lanes are open");
}

static void check_segments(struct tally *t)
{
	struct store *s = t->s;
	uint64_t alive = 0;
	uint32_t count[SEGMENT_PARKED + 1] = {0}, pending = 0, pinned = 0;

	for (uint32_t i = 0; i < s->segment_count && !t->what; i++) {
		const struct segment *g = &s->segment[i];

		count[state_of(g)]++;
		pinned += pin_count(s, i) != 0;
		pending += atomic_load(&((struct segment *)g)->pending) != 0;
		LAW(t, g->used <= s->segment_size, "a segment is not overfull");
		if (holds_records(g))
			alive += check_records(t, g);
		else
			LAW(t, atomic_load(&((struct segment *)g)->holds) == 0,
				"an empty segment is not held");
	}
	LAW(t, alive == t->linked_records, "each live record is linked, and only once");
	check_queues(t, count[SEGMENT_SEALED] + count[SEGMENT_DRAINING], count[SEGMENT_OPEN]);
	LAW(t, s->loan <= RESERVED_SEGMENTS && count[SEGMENT_FREE] + s->loan >= RESERVED_SEGMENTS,
		"only moves take the reserve, and it comes back");
	LAW(t, count[SEGMENT_FREE] == atomic_load(&s->free_count), "free segments are counted");
	LAW(t, count[SEGMENT_LIMBO] == atomic_load(&s->limbo_count), "limbo is counted");
	LAW(t, count[SEGMENT_PARKED] == atomic_load(&s->parked_count), "parked is counted");
	LAW(t, pinned == atomic_load(&s->pinned_segments), "pinned segments are counted");
	LAW(t, pinned <= pin_segments_max(s), "pinned segments are within their budget");
	LAW(t, pending == atomic_load(&s->pending_segments), "pending segments are counted");
}

bool store_check(struct store *s, const char **what)
{
	struct tally t = {.s = s};
	struct store_usage u;

	check_index(&t);
	check_growth(&t);
	if (!t.what)
		check_segments(&t);
	store_usage(s, &u);
	LAW(&t, u.curr_items == t.items, "items added less removed are those in the index");
	LAW(&t, u.bytes == t.bytes, "bytes added less removed are those in the index");
	LAW(&t, u.payload_bytes == t.payload, "keys and values are counted");
	*what = t.what;
	return !t.what;
}
