// SPDX-License-Identifier: BSD-3-Clause
// After a crash: the items of a kept store, found by their records
//
// The process died between any two instructions, with every store to memory before them
// done. What can be relied on is this. A record with the right sum was complete. An item
// was published with its bits free of DEAD and LEAVING before its slot had it, and was
// marked LEAVING before its slot lost it; so a record without these bits is an item, or
// its operation had not been answered. Of two records of a key the newer counts. Segment
// headers say which segments have records, and up to where.
//
//   survey  each segment: keep what is an item or a fragment, make pads of the rest
//   insert  each item into a new index; an owner only with all its fragments
//   finish  fragments that nobody claimed are dead; the queues in the order of stamps;
//           ghosts are not found again

#include <stdlib.h>
#include <time.h>

#include "store/grow.h"
#include "store/index.h"
#include "store/publish.h"
#include "store/restart.h"
#include "store/sum.h"

// Bytes that may be summed in vain per segment: what an earlier use left at the end of an
// open buffer may look like the beginning of a record at every step.
#define VAIN_BYTES_MAX (64U << 20)

struct rebuild {
	struct store *s;
	struct rebuilt *r;
	// In exptime and atime of a fragment that the survey has seen: no content of
	// records can foretell it.
	uint64_t mark;
	uint64_t vain_left;
};

static uint64_t mark_of(const struct item *it)
{
	return (uint64_t)item_exptime(it) << 32 |
	       atomic_load_explicit(&((struct item *)it)->atime, memory_order_relaxed);
}

static void mark_set(struct item *it, uint64_t mark)
{
	atomic_store_explicit(&it->exptime, (uint32_t)(mark >> 32), memory_order_relaxed);
	atomic_store_explicit(&it->atime, (uint32_t)mark, memory_order_relaxed);
}

static void kill(struct item *it)
{
	atomic_fetch_or_explicit(&it->bits, ITEM_DEAD, memory_order_relaxed);
}

// ---- survey

// Could there be such a record at all?
static bool is_plausible(const struct item *it)
{
	uint8_t bits = item_bits(it);

	switch (bits & (ITEM_SUMMED | ITEM_FRAGMENT | ITEM_LARGE)) {
	case ITEM_SUMMED | ITEM_FRAGMENT:
		return it->klen == 0 && it->vlen >= 1 && it->vlen <= FRAGMENT_PAYLOAD;
	case ITEM_SUMMED | ITEM_LARGE:
		return it->klen >= 1 && it->klen <= STORE_KEY_LEN_MAX &&
		       it->vlen >= FRAGMENTS_LEN(1) && it->vlen % 8 == FRAGMENTS_LEN(0) % 8;
	case ITEM_SUMMED:
		return it->klen >= 1 && it->klen <= STORE_KEY_LEN_MAX && it->vlen >= 2 &&
		       it->vlen <= STORE_FRAGMENT_LEN + 2;
	}
	return false;
}

// Bytes of the record at it that is complete, or 0. *other: or of one that is not, or of
// a pad.
static uint32_t record_there(
	struct rebuild *b, const struct item *it, uint32_t room, uint32_t *other)
{
	uint32_t size = item_record_size(it);

	*other = 0;
	if (size < ITEM_HEADER_LEN || size % 8 || size > room)
		return 0;
	if ((item_bits(it) & ITEM_DEAD) && atomic_load_explicit(&((struct item *)it)->atime,
						   memory_order_relaxed) == place_sum(b->s, it)) {
		*other = size;
		return 0;
	}
	if (!is_plausible(it) || size > b->vain_left)
		return 0;
	b->r->read += size;
	if (record_sum_is_right(b->s, it))
		return size;
	b->vain_left -= size;
	return 0;
}

static bool is_wanted(struct rebuild *b, struct item *it)
{
	struct store *s = b->s;

	if (item_bits(it) & (ITEM_DEAD | ITEM_LEAVING))
		return false;
	if (item_bits(it) & ITEM_FRAGMENT) {
		mark_set(it, b->mark);
		return true;
	}
	return it->stamp < STAMP_LIMIT && !item_is_gone(it, clock_now(s), flush_stamp_now(s));
}

// After it the segment's used part is records that are wanted, and pads.
static void survey_segment(struct rebuild *b, struct segment *g)
{
	struct store *s = b->s;
	uint64_t base = segment_off(s, (uint32_t)(g - s->segment));
	uint32_t used = g->used < s->segment_size ? g->used & ~7U : s->segment_size;
	uint32_t kept_end = 0, off = 0, size, other;

	b->vain_left = VAIN_BYTES_MAX;
	for (; off + ITEM_HEADER_LEN <= used; off += size) {
		struct item *it = item_at(s, base + off);
		uint32_t gap = off - kept_end;

		size = record_there(b, it, used - off, &other);
		if (size == 0) {
			size = other ? other : 8;
			continue;
		}
		if (!(item_bits(it) & ITEM_FRAGMENT) && it->stamp > b->r->stamp_max &&
			it->stamp < STAMP_LIMIT)
			b->r->stamp_max = it->stamp;
		// No true record follows a gap that is too short for a pad.
		if ((gap > 0 && gap < ITEM_HEADER_LEN) || !is_wanted(b, it)) {
			kill(it);
			continue;
		}
		if (gap > 0)
			pad_make(s, item_at(s, base + kept_end), gap);
		kept_end = off + size;
	}
	g->used = kept_end;
}

static void survey(struct rebuild *b)
{
	struct store *s = b->s;

	for (uint32_t i = 0; i < s->segment_count; i++) {
		struct segment *g = &s->segment[i];
		uint32_t state = atomic_load_explicit(&g->state, memory_order_relaxed), used = 0;

		if (state == SEGMENT_OPEN || state == SEGMENT_SEALED || state == SEGMENT_DRAINING) {
			survey_segment(b, g);
			used = g->used;
		}
		*g = (struct segment){
			.state = used ? SEGMENT_SEALED : SEGMENT_FREE,
			.used = used,
			.exp_min = UINT32_MAX,
			.taken = g->taken,
			.lane = g->lane < LANE_COUNT ? g->lane : 0,
		};
	}
}

// ---- insert

// The fragment number i of the owner as its list has it, if it is one that the survey has
// seen and nobody has claimed; else NULL.
static struct item *fragment_find(
	const struct rebuild *b, const struct item *owner, uint32_t i, uint64_t hash)
{
	const struct store *s = b->s;
	uint64_t off = offset_of(s, owner) + (uint64_t)owner_distance(owner, i);
	uint32_t vlen = owner_value_len(owner), len = vlen - i * FRAGMENT_PAYLOAD;
	struct item *frag;
	const struct segment *g;

	if (len > FRAGMENT_PAYLOAD)
		len = FRAGMENT_PAYLOAD;
	if (off % 8 || off < s->segments_off || off >= segment_off(s, s->segment_count))
		return NULL;
	g = segment_of(s, off);
	if (atomic_load_explicit(&((struct segment *)g)->state, memory_order_relaxed) !=
			SEGMENT_SEALED ||
		off + ITEM_HEADER_LEN > segment_off(s, (uint32_t)(g - s->segment)) + g->used)
		return NULL;
	frag = item_at(s, off);
	return (item_bits(frag) & (ITEM_FRAGMENT | ITEM_DEAD)) == ITEM_FRAGMENT &&
			       mark_of(frag) == b->mark && frag->stamp == hash &&
			       frag->client_flags == i && frag->vlen == len
		       ? frag
		       : NULL;
}

static bool is_whole(const struct rebuild *b, const struct item *owner, uint64_t hash)
{
	uint32_t n = fragment_count(owner_value_len(owner));

	if (n < 1 || n > UINT16_MAX / 8 || owner->vlen != FRAGMENTS_LEN(n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!fragment_find(b, owner, i, hash))
			return false;
	return true;
}

// The part of item_payload that is in this record.
static uint64_t record_payload(const struct item *it)
{
	uint8_t bits = item_bits(it);

	if (bits & ITEM_FRAGMENT)
		return it->vlen;
	return bits & ITEM_LARGE ? it->klen : item_payload(it);
}

// A record is of an item that the index has, or no longer.
static void account(struct rebuild *b, struct item *it, bool in, uint64_t stamp, uint32_t exptime)
{
	struct segment *g = segment_of(b->s, offset_of(b->s, it));
	uint32_t size = item_record_size(it);
	uint64_t payload = record_payload(it);

	if (!in) {
		kill(it);
		atomic_fetch_sub_explicit(&g->live, size, memory_order_relaxed);
		b->r->bytes -= size;
		b->r->payload -= payload;
		return;
	}
	atomic_fetch_add_explicit(&g->live, size, memory_order_relaxed);
	b->r->bytes += size;
	b->r->payload += payload;
	if (stamp > g->stamp_max)
		g->stamp_max = stamp;
	if (exptime && exptime < g->exp_min)
		g->exp_min = exptime;
	if (exptime > g->exp_last)
		g->exp_last = exptime;
}

static void account_item(struct rebuild *b, struct item *it, bool in)
{
	uint32_t n = item_bits(it) & ITEM_LARGE ? fragment_count(owner_value_len(it)) : 0;

	for (uint32_t i = 0; i < n; i++) {
		struct item *frag = owner_fragment(it, i);

		mark_set(frag, 0);
		account(b, frag, in, it->stamp, 0);
	}
	account(b, it, in, it->stamp, item_exptime(it));
	b->r->items += in ? 1 : (uint64_t)-1;
}

static void insert(struct rebuild *b, struct item *it)
{
	struct store *s = b->s;
	uint64_t hash = store_hash(s, it->data, it->klen);
	struct index_pos pos;
	struct item *other;
	_Atomic uint64_t *slot;

	if ((item_bits(it) & ITEM_LARGE) && !is_whole(b, it, hash)) {
		kill(it);
		b->r->lost++;
		return;
	}
	other = index_find(s, it->data, it->klen, hash, &pos);
	// The same stamp twice: it was being moved, and both are complete.
	if (other && other->stamp >= it->stamp) {
		kill(it);
		return;
	}
	slot = other ? pos.slot : index_free_slot(s, hash);
	if (!slot) {
		kill(it);
		b->r->lost++;
		return;
	}
	if (other)
		account_item(b, other, false);
	atomic_store_explicit(slot, index_word(s, hash, it), memory_order_relaxed);
	account_item(b, it, true);
	if (!other)
		grow_alone(s);
}

// Every record of the segments that the survey left, by kind.
static void each_record(struct rebuild *b, void (*fn)(struct rebuild *, struct item *), bool pieces)
{
	struct store *s = b->s;

	for (uint32_t i = 0; i < s->segment_count; i++) {
		struct segment *g = &s->segment[i];

		if (atomic_load_explicit(&g->state, memory_order_relaxed) != SEGMENT_SEALED)
			continue;
		for (uint32_t off = 0; off < g->used;) {
			struct item *it = item_at(s, segment_off(s, i) + off);
			uint8_t bits = item_bits(it);

			off += item_record_size(it);
			if (!(bits & ITEM_DEAD) && !(bits & ITEM_FRAGMENT) == !pieces)
				fn(b, it);
		}
	}
}

// ---- finish

static void drop_unclaimed(struct rebuild *b, struct item *frag)
{
	if (mark_of(frag) == b->mark)
		kill(frag);
}

static int by_stamp(const void *a, const void *b, void *arg)
{
	const struct store *s = arg;
	uint64_t x = s->segment[*(const uint32_t *)a].stamp_max;
	uint64_t y = s->segment[*(const uint32_t *)b].stamp_max;

	return (x > y) - (x < y);
}

bool store_rebuild(struct store *s, struct rebuilt *r)
{
	uint32_t *order = calloc(s->segment_count, sizeof(*order)), n = 0;
	struct rebuild b = {.s = s, .r = r};
	struct timespec ts;

	if (!order)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	b.mark = siphash13(&s->hash_key, &ts, sizeof(ts)) | 1;
	survey(&b);
	memset(s->bucket, 0, (size_t)s->bucket_first * sizeof(struct bucket));
	segments_restore(s);
	each_record(&b, insert, false);
	each_record(&b, drop_unclaimed, true);
	for (uint32_t i = 0; i < s->segment_count; i++)
		if (atomic_load_explicit(&s->segment[i].state, memory_order_relaxed) ==
			SEGMENT_SEALED)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), by_stamp, s);
	for (uint32_t i = 0; i < n; i++)
		fifo_append(s, order[i]);
	free(order);
	return true;
}
