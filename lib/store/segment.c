// SPDX-License-Identifier: BSD-3-Clause
// Segments: taking, filling, sealing and freeing them

#include "store/segment.h"

#include "store/index.h"
#include "store/pin.h"
#include "store/sum.h"

#include <sched.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#include "base/hotpath.h"

#define SPINS_MAX 256
#define TLAB_LEN_MIN 1024
#define DEAD_BYTE 0xdd
#define OPEN_SHARE 32 // open lanes: one in so many segments
#define APART_AFTER_S 600 // joined classes are parted again, if there are few
// An overflow bucket's number has 32 bits: it is in the first 256 GiB.
#define BUCKET_NUMBER_MAX (UINT32_MAX - SEGMENT_SIZE_MAX / sizeof(struct bucket))

// The holder's section is short, so a long wait means that it lost its core: with
// more threads than cores only giving ours away helps.
void spin_wait(spinlock_t *lock)
{
	for (unsigned spins = 0; atomic_load_explicit(lock, memory_order_relaxed) != 0; spins++) {
		if (spins >= SPINS_MAX) {
			sched_yield();
			continue;
		}
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
}

void segments_restore(struct store *s)
{
	uint32_t free_count = 0, index_segments = 0;

	s->free_head = NO_SEGMENT;
	for (unsigned q = 0; q < QUEUE_COUNT; q++)
		s->fifo[q] = (struct segment_fifo){.head = NO_SEGMENT, .tail = NO_SEGMENT};
	s->limbo_head = s->limbo_tail = NO_SEGMENT;
	s->parked_head = NO_SEGMENT;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		s->open[i] = NO_SEGMENT;
	s->open_max = s->segment_count / OPEN_SHARE;
	if (s->open_max < OPEN_MIN)
		s->open_max = OPEN_MIN;
	for (uint32_t i = s->segment_count; i-- > 0;) {
		struct segment *g = &s->segment[i];
		uint32_t state = atomic_load_explicit(&g->state, memory_order_relaxed);

		index_segments += state == SEGMENT_INDEX;
		if (state == SEGMENT_SEALED || state == SEGMENT_INDEX)
			continue;
		*g = (struct segment){
			.state = SEGMENT_FREE, .next = s->free_head, .taken = g->taken};
		s->free_head = i;
		free_count++;
		ASAN_POISON_MEMORY_REGION(s->base + segment_off(s, i), s->segment_size);
	}
	atomic_init(&s->free_count, free_count);
	s->loan = free_count < RESERVED_SEGMENTS ? RESERVED_SEGMENTS - free_count : 0;
	atomic_init(&s->index_segments, index_segments);
}

void segments_init(struct store *s)
{
	for (uint32_t i = 0; i < s->segment_count; i++)
		atomic_init(&s->segment[i].state, SEGMENT_FREE);
	segments_restore(s);
}

void segments_fini(struct store *s)
{
	ASAN_UNPOISON_MEMORY_REGION(
		s->base + s->segments_off, (size_t)s->segment_count << s->segment_shift);
}

// ---- the pool, under its lock

void fifo_append(struct store *s, uint32_t idx)
{
	struct segment *g = &s->segment[idx];
	struct segment_fifo *f = &s->fifo[lane_queue(g->lane)];

	g->next = NO_SEGMENT;
	g->prev = f->tail;
	if (f->tail == NO_SEGMENT)
		f->head = idx;
	else
		s->segment[f->tail].next = idx;
	f->tail = idx;
	f->count++;
}

static void fifo_remove(struct store *s, struct segment *g)
{
	struct segment_fifo *f = &s->fifo[lane_queue(g->lane)];

	if (g->prev == NO_SEGMENT)
		f->head = g->next;
	else
		s->segment[g->prev].next = g->next;
	if (g->next == NO_SEGMENT)
		f->tail = g->prev;
	else
		s->segment[g->next].prev = g->prev;
	f->count--;
}

void segment_to_tail(struct store *s, struct segment *g)
{
	fifo_remove(s, g);
	fifo_append(s, (uint32_t)(g - s->segment));
}

static void set_state(struct segment *g, enum segment_state state)
{
	atomic_store_explicit(&g->state, state, memory_order_release);
}

// The first free segment, there is one, in its new use.
static uint32_t segment_take(struct store *s, enum segment_state state)
{
	uint32_t idx = s->free_head;
	struct segment *g = &s->segment[idx];

	s->free_head = g->next;
	atomic_fetch_sub_explicit(&s->free_count, 1, memory_order_relaxed);
	g->used = 0;
	g->taken++;
	atomic_store_explicit(&g->exp_min, UINT32_MAX, memory_order_relaxed);
	atomic_store_explicit(&g->exp_last, 0, memory_order_relaxed);
	atomic_store_explicit(&g->stamp_max, 0, memory_order_relaxed);
	ASAN_UNPOISON_MEMORY_REGION(s->base + segment_off(s, idx), s->segment_size);
	set_state(g, state);
	return idx;
}

// ---- lanes, under the pool lock

static void lane_close(struct store *s, unsigned lane)
{
	uint32_t idx = s->open[lane];

	fifo_append(s, idx);
	set_state(&s->segment[idx], SEGMENT_SEALED);
	atomic_fetch_add_explicit(&s->seal_count, 1, memory_order_relaxed);
	s->open[lane] = NO_SEGMENT;
	s->open_count--;
}

// Join classes of lifetimes until one more lane may be opened.
static void lanes_join(struct store *s)
{
	uint32_t shift = atomic_load_explicit(&s->ttl_shift, memory_order_relaxed);

	while (s->open_count >= s->open_max && shift < TTL_SHIFT_MAX) {
		shift++;
		for (unsigned i = 0; i < LANE_COUNT; i++)
			if (s->open[i] != NO_SEGMENT && lane_joined(i, shift) != i)
				lane_close(s, i);
	}
	atomic_store_explicit(&s->ttl_shift, shift, memory_order_relaxed);
	s->joined_s = clock_now(s);
}

// What has been open for a lifetime of its items has some that are over.
static void lanes_close_over(struct store *s, uint32_t shift, uint32_t now_s)
{
	for (unsigned i = OPEN_MIN; i < LANE_COUNT; i++) {
		unsigned last = lane_group(i) + (1U << shift) - 1;

		if (s->open[i] == NO_SEGMENT)
			continue;
		if (last >= TTL_CLASS_COUNT)
			last = TTL_CLASS_COUNT - 1;
		if (s->segment[s->open[i]].opened_s + ttl_class_end_s(last) <= now_s)
			lane_close(s, i);
	}
}

void lanes_second(struct store *s)
{
	uint32_t now_s = clock_now(s), shift;

	spin_lock(&s->pool_lock);
	shift = atomic_load_explicit(&s->ttl_shift, memory_order_relaxed);
	lanes_close_over(s, shift, now_s);
	if (shift > 0 && now_s - s->joined_s >= APART_AFTER_S && s->open_count <= s->open_max / 2) {
		atomic_store_explicit(&s->ttl_shift, shift - 1, memory_order_relaxed);
		s->joined_s = now_s;
	}
	spin_unlock(&s->pool_lock);
}

// May a record of the lane have a free segment? A loan is noted.
static bool reserve_allows(struct store *s, unsigned lane)
{
	uint32_t left = atomic_load_explicit(&s->free_count, memory_order_relaxed);

	DCHECK(left + s->loan >= RESERVED_SEGMENTS && s->loan <= RESERVED_SEGMENTS);
	if (left > RESERVED_SEGMENTS)
		return true;
	if (left == 0 || lane_kind(lane) != KIND_MOVED)
		return false;
	s->loan++;
	return true;
}

static bool lane_has_room(const struct store *s, unsigned lane, uint32_t size)
{
	uint32_t idx = s->open[lane];

	return idx != NO_SEGMENT && s->segment_size - s->segment[idx].used >= size;
}

// The lane that is to take the record: its own, or the one that has taken its place.
static unsigned lane_choose(struct store *s, unsigned lane, uint32_t size)
{
	uint32_t left = atomic_load_explicit(&s->free_count, memory_order_relaxed);

	lane = lane_joined(lane, atomic_load_explicit(&s->ttl_shift, memory_order_relaxed));
	if (lane_has_room(s, lane, size))
		return lane;
	if (s->open[lane] == NO_SEGMENT && lane_group(lane) && s->open_count >= s->open_max) {
		lanes_join(s);
		lane = lane_joined(lane, atomic_load_explicit(&s->ttl_shift, memory_order_relaxed));
	}
	// The reserve is for one lane of each queue, not for all lifetimes.
	if (left <= RESERVED_SEGMENTS && lane_kind(lane) == KIND_MOVED)
		lane = lane_joined(lane, TTL_SHIFT_MAX);
	return lane;
}

// An open segment for the lane with size bytes of room, or NULL. The old one is
// sealed only when there is a new one: smaller records may still fit.
static struct segment *segment_with_room(struct store *s, unsigned lane, uint32_t size)
{
	struct segment *g;
	uint32_t idx;

	lane = lane_choose(s, lane, size);
	if (lane_has_room(s, lane, size))
		return &s->segment[s->open[lane]];
	if (!reserve_allows(s, lane))
		return NULL;
	idx = segment_take(s, SEGMENT_OPEN);
	if (s->open[lane] != NO_SEGMENT)
		lane_close(s, lane);
	g = &s->segment[idx];
	g->lane = lane;
	g->opened_s = clock_now(s);
	s->open[lane] = idx;
	s->open_count++;
	return g;
}

static uint64_t segment_carve(struct store *s, struct segment *g, uint32_t size)
{
	uint64_t off = segment_off(s, (uint32_t)(g - s->segment)) + g->used;

	g->used += size;
	atomic_fetch_add_explicit(&g->holds, 1, memory_order_relaxed);
	return off;
}

// Under the pool lock: a segment for the index, which has fewer than max, if more than spare
// are free.
static uint32_t index_take(struct store *s, uint32_t spare, uint32_t max, uint32_t page)
{
	uint32_t idx;

	if (s->free_count <= spare || s->index_segments >= max)
		return NO_SEGMENT;
	idx = segment_take(s, SEGMENT_INDEX);
	s->segment[idx].next = page;
	atomic_fetch_add_explicit(&s->index_segments, 1, memory_order_relaxed);
	return idx;
}

uint32_t segment_for_index(struct store *s, uint32_t n)
{
	uint32_t spare = s->target_base / 2, idx;

	if (spare < 2 * RESERVED_SEGMENTS)
		spare = 2 * RESERVED_SEGMENTS;
	spin_lock(&s->pool_lock);
	idx = index_take(s, spare, INDEX_PAGES_MAX(s), n);
	spin_unlock(&s->pool_lock);
	return idx;
}

static struct bucket *bucket_fresh(struct store *s)
{
	struct bucket *b;

	if (s->bucket_pos == s->bucket_end) {
		uint32_t idx = NO_SEGMENT;

		if (s->free_head != NO_SEGMENT &&
			segment_off(s, s->free_head) / sizeof(struct bucket) < BUCKET_NUMBER_MAX)
			idx = index_take(s, RESERVED_SEGMENTS, INDEX_SEGMENTS_MAX(s), NO_SEGMENT);
		if (idx == NO_SEGMENT)
			return NULL;
		s->bucket_pos = segment_off(s, idx);
		s->bucket_end = s->bucket_pos + s->segment_size;
	}
	b = (struct bucket *)(s->base + s->bucket_pos);
	s->bucket_pos += sizeof(struct bucket);
	return memset(b, 0, sizeof(*b));
}

struct bucket *segment_bucket(struct store *s)
{
	struct bucket *b;

	spin_lock(&s->pool_lock);
	if (s->bucket_free) {
		b = (struct bucket *)s->base + s->bucket_free;
		s->bucket_free = atomic_load_explicit(&b->lock, memory_order_relaxed);
		atomic_store_explicit(&b->lock, 0, memory_order_relaxed);
	} else {
		b = bucket_fresh(s);
	}
	spin_unlock(&s->pool_lock);
	return b;
}

void segment_bucket_free(struct store *s, struct bucket *b)
{
	spin_lock(&s->pool_lock);
	atomic_store_explicit(&b->lock, s->bucket_free, memory_order_relaxed);
	s->bucket_free = (uint32_t)(b - (struct bucket *)s->base);
	spin_unlock(&s->pool_lock);
}

// ---- settling

static void hold_release(struct segment *g)
{
	// Release: whoever sees 0 sees the records and what they added to live.
	atomic_fetch_sub_explicit(&g->holds, 1, memory_order_release);
}

static void segment_note(
	struct segment *g, uint32_t live, uint32_t exp_min, uint32_t exp_last, uint64_t stamp)
{
	uint32_t last = atomic_load_explicit(&g->exp_last, memory_order_relaxed);
	uint64_t max = atomic_load_explicit(&g->stamp_max, memory_order_relaxed);

	atomic_fetch_add_explicit(&g->live, live, memory_order_relaxed);
	atomic_lower(&g->exp_min, exp_min);
	while (exp_last > last && !atomic_compare_exchange_weak_explicit(&g->exp_last, &last,
					  exp_last, memory_order_relaxed, memory_order_relaxed))
		;
	while (stamp > max && !atomic_compare_exchange_weak_explicit(&g->stamp_max, &max, stamp,
				      memory_order_relaxed, memory_order_relaxed))
		;
}

static struct tlab *tlab_of(struct store_ctx *ctx, uint64_t off)
{
	for (unsigned i = 0; i < TLAB_COUNT; i++)
		if (off >= ctx->tlab[i].start && off < ctx->tlab[i].end)
			return &ctx->tlab[i];
	return NULL;
}

void segment_settle(struct store_ctx *ctx, struct item *it, uint64_t stamp, bool pending)
{
	struct store *s = ctx->s;
	uint64_t off = offset_of(s, it);
	struct tlab *t = tlab_of(ctx, off);
	struct segment *g;
	bool fragment = item_bits(it) & ITEM_FRAGMENT;
	uint32_t size = stamp ? item_record_size(it) : 0;
	uint32_t exptime = stamp && !fragment ? item_exptime(it) : 0;

	if (t) {
		t->in_flight--;
		t->live += size;
		if (exptime && exptime < t->exp_min)
			t->exp_min = exptime;
		if (exptime > t->exp_last)
			t->exp_last = exptime;
		if (stamp > t->stamp_max)
			t->stamp_max = stamp;
		return;
	}
	g = segment_of(s, off);
	if (stamp)
		segment_note(g, size, exptime ? exptime : UINT32_MAX, exptime, stamp);
	if (pending && atomic_fetch_sub_explicit(&g->pending, 1, memory_order_relaxed) == 1)
		atomic_fetch_sub_explicit(&s->pending_segments, 1, memory_order_relaxed);
	hold_release(g);
}

// ---- allocation buffers

// A buffer that is closed with most of it unused was too long: many ctxs that store
// little would each waste theirs when the segment is sealed.
static uint32_t tlab_next_len(const struct store *s, const struct tlab *t, uint32_t wasted)
{
	uint32_t len = t->len;

	if (wasted > (t->end - t->start) / 2)
		len /= 2;
	else if (t->end - t->pos < (t->end - t->start) / 8)
		len *= 2;
	if (len < TLAB_LEN_MIN)
		return TLAB_LEN_MIN;
	return len < s->tlab_len_max ? len : s->tlab_len_max;
}

void pad_make(const struct store *s, struct item *pad, uint32_t size)
{
	pad->stamp = 0;
	pad->client_flags = size;
	pad->vlen = 0;
	pad->klen = 0;
	atomic_store_explicit(&pad->bits, ITEM_DEAD, memory_order_relaxed);
	record_sum_place(s, pad);
}

// The unused end becomes a pad record, or goes back if it is the end of the segment.
// Returns the bytes wasted.
static uint32_t tlab_pad(struct store *s, struct segment *g, struct tlab *t)
{
	uint32_t rest = (uint32_t)(t->end - t->pos);

	if (rest == 0)
		return 0;
	pad_make(s, item_at(s, t->pos), rest);
	spin_lock(&s->pool_lock);
	if (segment_off(s, (uint32_t)(g - s->segment)) + g->used == t->end) {
		g->used -= rest;
		rest = 0;
	}
	spin_unlock(&s->pool_lock);
	return rest;
}

static void tlab_close(struct store_ctx *ctx, struct tlab *t)
{
	struct store *s = ctx->s;
	struct segment *g;
	uint32_t wasted;

	if (t->end == 0)
		return;
	g = segment_of(s, t->start);
	wasted = tlab_pad(s, g, t);
	segment_note(g, t->live, t->exp_min, t->exp_last, t->stamp_max);
	// Records still in flight hold the segment one by one from now on.
	atomic_fetch_add_explicit(&g->holds, t->in_flight, memory_order_relaxed);
	hold_release(g);
	*t = (struct tlab){.len = tlab_next_len(s, t, wasted)};
}

void tlabs_close(struct store_ctx *ctx, bool all)
{
	for (unsigned i = 0; i < TLAB_COUNT; i++) {
		struct tlab *t = &ctx->tlab[i];

		if (t->end == 0)
			continue;
		if (all || atomic_load_explicit(&segment_of(ctx->s, t->start)->state,
				   memory_order_relaxed) != SEGMENT_OPEN)
			tlab_close(ctx, t);
	}
}

uint64_t segment_alloc_held(struct store_ctx *ctx, unsigned lane, uint32_t size, bool pending)
{
	struct store *s = ctx->s;
	struct segment *g;
	uint64_t off = 0;

	spin_lock(&s->pool_lock);
	g = segment_with_room(s, lane, size);
	if (g)
		off = segment_carve(s, g, size);
	spin_unlock(&s->pool_lock);
	if (g && pending && atomic_fetch_add_explicit(&g->pending, 1, memory_order_relaxed) == 0)
		atomic_fetch_add_explicit(&s->pending_segments, 1, memory_order_relaxed);
	return off;
}

// A buffer for the lane, empty: the one it had, or that of another lane, in turns.
static struct tlab *tlab_take(struct store_ctx *ctx, unsigned lane)
{
	struct tlab *t = tlab_of_lane(ctx, lane);
	unsigned i;

	if (!t) {
		i = ctx->tlab_turn++ % TLAB_COUNT;
		ctx->tlab_lane[i] = lane;
		t = &ctx->tlab[i];
	}
	tlab_close(ctx, t);
	return t;
}

uint64_t segment_alloc_slow(struct store_ctx *ctx, unsigned lane, uint32_t size)
{
	struct store *s = ctx->s;
	struct segment *g;
	struct tlab *t;
	uint32_t len, want;
	uint64_t off;

	if (size > s->tlab_record_max)
		return segment_alloc_held(ctx, lane, size, false);
	t = tlab_take(ctx, lane);
	want = t->len ? t->len : s->tlab_len_max;
	spin_lock(&s->pool_lock);
	g = segment_with_room(s, lane, size);
	if (!g) {
		spin_unlock(&s->pool_lock);
		return 0;
	}
	len = want < size + ITEM_HEADER_LEN ? size + ITEM_HEADER_LEN : want;
	if (len > s->segment_size - g->used)
		len = s->segment_size - g->used;
	if (len < size + ITEM_HEADER_LEN)
		len = size;
	off = segment_carve(s, g, len);
	spin_unlock(&s->pool_lock);
	*t = (struct tlab){.start = off,
		.pos = off + size,
		.end = off + len,
		.len = want,
		.in_flight = 1,
		.exp_min = UINT32_MAX};
	return off;
}

// ---- the way back

void segment_to_limbo(struct store *s, struct segment *g)
{
	uint32_t idx = (uint32_t)(g - s->segment);

	fifo_remove(s, g);
	set_state(g, SEGMENT_LIMBO);
	// After the state: who still saw it sealed has not reported since this token.
	g->token = epoch_start(&s->epoch);
	g->next = NO_SEGMENT;
	if (s->limbo_tail == NO_SEGMENT)
		s->limbo_head = idx;
	else
		s->segment[s->limbo_tail].next = idx;
	s->limbo_tail = idx;
	atomic_fetch_add_explicit(&s->limbo_count, 1, memory_order_relaxed);
}

static void segment_free(struct store *s, uint32_t idx)
{
	struct segment *g = &s->segment[idx];

	// Every death was accounted by a ctx that has reported since.
	CHECK(atomic_load_explicit(&g->live, memory_order_acquire) == 0);
	CHECK(atomic_load_explicit(&g->holds, memory_order_relaxed) == 0);
#ifndef NDEBUG
	memset(s->base + segment_off(s, idx), DEAD_BYTE, s->segment_size);
#endif
	ASAN_POISON_MEMORY_REGION(s->base + segment_off(s, idx), s->segment_size);
	set_state(g, SEGMENT_FREE);
	g->next = s->free_head;
	s->free_head = idx;
	atomic_fetch_add_explicit(&s->free_count, 1, memory_order_relaxed);
	if (s->loan)
		s->loan--;
}

// A new look at segments that were pinned when their grace period was over.
static void parked_poll(struct store *s)
{
	uint32_t idx = s->parked_head;

	s->parked_head = NO_SEGMENT;
	while (idx != NO_SEGMENT) {
		uint32_t next = s->segment[idx].next;

		if (pin_count(s, idx) > 0) {
			s->segment[idx].next = s->parked_head;
			s->parked_head = idx;
		} else {
			atomic_fetch_sub(&s->parked_count, 1);
			segment_free(s, idx);
		}
		idx = next;
	}
}

static void segment_park(struct store *s, uint32_t idx)
{
	set_state(&s->segment[idx], SEGMENT_PARKED);
	s->segment[idx].next = s->parked_head;
	s->parked_head = idx;
	// In this order, against unpin.
	atomic_fetch_add(&s->parked_count, 1);
	if (pin_count(s, idx) == 0)
		atomic_store(&s->parked_due, true);
}

void limbo_poll(struct store *s)
{
	if (!spin_trylock(&s->pool_lock))
		return;
	if (unlikely_(atomic_load_explicit(&s->parked_due, memory_order_relaxed)) &&
		atomic_exchange(&s->parked_due, false))
		parked_poll(s);
	while (s->limbo_head != NO_SEGMENT) {
		uint32_t idx = s->limbo_head;

		if (!epoch_is_over(&s->epoch, s->segment[idx].token))
			break;
		s->limbo_head = s->segment[idx].next;
		if (s->limbo_head == NO_SEGMENT)
			s->limbo_tail = NO_SEGMENT;
		atomic_fetch_sub_explicit(&s->limbo_count, 1, memory_order_relaxed);
		if (unlikely_(pin_count(s, idx) > 0))
			segment_park(s, idx);
		else
			segment_free(s, idx);
	}
	spin_unlock(&s->pool_lock);
}

void segments_seal(struct store *s)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (s->open[i] != NO_SEGMENT)
			lane_close(s, i);
	for (uint32_t i = 0; i < s->segment_count; i++) {
		struct segment *g = &s->segment[i];

		if (atomic_load_explicit(&g->state, memory_order_relaxed) == SEGMENT_DRAINING)
			set_state(g, SEGMENT_SEALED);
		// What an upload that nobody ends still holds is dead.
		atomic_store_explicit(&g->holds, 0, memory_order_relaxed);
		atomic_store_explicit(&g->pending, 0, memory_order_relaxed);
	}
}
