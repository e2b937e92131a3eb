// SPDX-License-Identifier: BSD-3-Clause
// Draining: removal and relocation of single records under their bucket lock
//
// A move puts an equal record into the same slot, after making sure that the slot
// still holds the old word: readers see one or the other and cannot tell.

#include "store/drain.h"

#include "store/sum.h"

#include "base/hotpath.h"

uint64_t drain_hash(const struct store *s, const struct item *it)
{
	if (item_bits(it) & ITEM_FRAGMENT)
		return it->stamp;
	return store_hash(s, it->data, it->klen);
}

static bool is_gone_now(const struct store *s, const struct item *it)
{
	return item_is_gone(it, clock_now(s), flush_stamp_now(s));
}

// Eviction keeps what was hit since the last look, within the job's limit.
static bool is_worth_moving(const struct job *j, const struct item *it, uint32_t size)
{
	if (j->mode == JOB_COMPACT)
		return true;
	return j->mode == JOB_EVICT && (item_bits(it) & ITEM_FREQ_MASK) && j->keep_bytes >= size;
}

static enum segment_queue queue_of(const struct store *s, const struct item *it)
{
	return lane_queue(segment_of(s, offset_of(s, it))->lane);
}

static enum segment_queue job_queue(const struct store *s, const struct job *j)
{
	return lane_queue(s->segment[j->segment].lane);
}

// What eviction leaves of the hits of an item that it moves, by itself or with its fragment.
// Main begins to count anew, and then counts down: a large value with its last fragment.
// Compaction changes nothing.
static uint8_t bits_after_move(
	const struct store *s, const struct job *j, const struct item *it, const struct item *frag)
{
	uint8_t bits = item_bits(it);

	if (j->mode != JOB_EVICT || !(bits & ITEM_FREQ_MASK))
		return bits;
	if (queue_of(s, it) == QUEUE_SMALL)
		return bits & (uint8_t)~ITEM_FREQ_MASK;
	if ((bits & ITEM_LARGE) &&
		(!frag || job_queue(s, j) == QUEUE_SMALL ||
			frag->client_flags + 1 < fragment_count(owner_value_len(it))))
		return bits;
	return bits - ITEM_FREQ_ONE;
}

// The queue of a large value is that of its owner's record. It goes to main with the first of
// its records that is looked at, and the others follow.
static bool is_to_follow(
	const struct store *s, const struct job *j, const struct item *owner, uint32_t size)
{
	return j->mode == JOB_EVICT && j->keep_bytes >= size && job_queue(s, j) == QUEUE_SMALL &&
	       queue_of(s, owner) == QUEUE_MAIN;
}

// The owner's record, which moves with each fragment, is not counted: a segment full of
// fragments can be kept.
static void moved(struct job *j, uint32_t size, uint32_t owner_size, uint32_t *moved_bytes)
{
	j->keep_bytes -= size < j->keep_bytes ? size : j->keep_bytes;
	*moved_bytes += size + owner_size;
}

static struct item *copy_alloc(
	struct store_ctx *ctx, const struct job *j, uint32_t size, uint32_t exptime)
{
	enum segment_queue q = j->mode == JOB_EVICT ? QUEUE_MAIN : job_queue(ctx->s, j);
	uint64_t off = segment_alloc(ctx, lane_for(ctx->s, KIND_MOVED, q, exptime), size);

	return off ? item_at(ctx->s, off) : NULL;
}

// A copy of the record, dead until its atomics are taken over under the lock. Not summed.
static struct item *record_copy(
	struct store_ctx *ctx, const struct job *j, const struct item *it, uint32_t exptime)
{
	struct item *copy = copy_alloc(ctx, j, item_record_size(it), exptime);

	if (!copy)
		return NULL;
	item_init(ctx->s, copy, it->data, it->klen, it->client_flags, it->vlen,
		item_bits(it) & (ITEM_LARGE | ITEM_FRAGMENT));
	copy->stamp = it->stamp;
	memcpy(item_value(copy), item_value(it), it->vlen);
	if (item_bits(it) & ITEM_LARGE)
		for (uint32_t i = 0, n = fragment_count(owner_value_len(it)); i < n; i++)
			owner_set_fragment(copy, i, owner_fragment(it, i));
	return copy;
}

static void take_over(struct item *copy, const struct item *it, uint8_t bits)
{
	atomic_store_explicit(&copy->exptime, item_exptime(it), memory_order_relaxed);
	atomic_store_explicit(&copy->atime,
		atomic_load_explicit(&((struct item *)it)->atime, memory_order_relaxed),
		memory_order_relaxed);
	atomic_store_explicit(&copy->bits, bits, memory_order_release);
}

// Unlink the item if its slot still holds it. What eviction pushes out of the small queue
// leaves its ghost. gone: it was, but a touch that had the lock since the second before may
// have brought it back. False: it has.
static bool unlink_item(
	struct store_ctx *ctx, const struct job *j, struct item *it, uint64_t hash, bool gone)
{
	struct store *s = ctx->s;
	bool ghost = !gone && job_queue(s, j) == QUEUE_SMALL;
	_Atomic uint64_t *slot;

	bucket_lock(s, hash);
	slot = index_find_word(s, hash, index_word(s, hash, it));
	if (slot && gone && !is_gone_now(s, it)) {
		bucket_unlock(s, hash);
		return false;
	}
	if (slot) {
		item_leaves(s, it);
		atomic_store_explicit(slot, ghost ? ghost_word(s, hash) : 0, memory_order_release);
	}
	bucket_unlock(s, hash);
	if (slot)
		item_kill(ctx, it, is_gone_now(s, it) ? DEATH_GONE : DEATH_EVICTED);
	return true;
}

static enum drain_result move_item(struct store_ctx *ctx, struct job *j, struct item *it,
	uint64_t hash, uint32_t size, uint32_t *moved_bytes)
{
	struct store *s = ctx->s;
	struct item *copy = record_copy(ctx, j, it, item_exptime(it));
	_Atomic uint64_t *slot;

	if (!copy)
		return DRAIN_NO_ROOM;
	record_sum(s, copy);
	bucket_lock(s, hash);
	slot = index_find_word(s, hash, index_word(s, hash, it));
	if (slot) {
		take_over(copy, it, bits_after_move(s, j, it, NULL));
		item_leaves(s, it);
		atomic_store_explicit(slot, index_word(s, hash, copy), memory_order_release);
	}
	bucket_unlock(s, hash);
	segment_settle(ctx, copy, slot ? it->stamp : 0, false);
	if (slot) {
		record_kill(s, it);
		moved(j, size, 0, moved_bytes);
	}
	return DRAIN_DONE;
}

static enum drain_result drain_item(
	struct store_ctx *ctx, struct job *j, struct item *it, uint64_t hash, uint32_t *moved_bytes)
{
	uint32_t size = item_record_size(it), exptime = item_exptime(it);
	enum drain_result result;

	if (is_gone_now(ctx->s, it))
		return unlink_item(ctx, j, it, hash, true) ? DRAIN_DONE : DRAIN_RETRY;
	if (j->mode == JOB_SWEEP) {
		if (exptime && exptime < j->exp_min)
			j->exp_min = exptime;
		return DRAIN_DONE;
	}
	if (is_worth_moving(j, it, size)) {
		result = move_item(ctx, j, it, hash, size, moved_bytes);
		if (result == DRAIN_DONE || j->mode == JOB_COMPACT)
			return result;
	}
	unlink_item(ctx, j, it, hash, false);
	return DRAIN_DONE;
}

// A fragment moves together with a new version of its owner's record.
static enum drain_result move_fragment(struct store_ctx *ctx, struct job *j, struct item *frag,
	struct item *owner, struct index_pos *pos, uint32_t *moved_bytes)
{
	struct store *s = ctx->s;
	uint64_t hash = frag->stamp;
	uint32_t size = item_record_size(frag), owner_size = item_record_size(owner);
	struct item *copy = record_copy(ctx, j, frag, item_exptime(owner)), *new_owner = NULL;
	bool same;

	if (copy)
		new_owner = record_copy(ctx, j, owner, item_exptime(owner));
	if (!new_owner) {
		if (copy)
			segment_settle(ctx, copy, 0, false);
		return DRAIN_NO_ROOM;
	}
	owner_set_fragment(new_owner, frag->client_flags, copy);
	record_sum(s, copy);
	record_sum(s, new_owner);
	bucket_lock(s, hash);
	same = atomic_load_explicit(pos->slot, memory_order_relaxed) == pos->word;
	if (same) {
		atomic_store_explicit(
			&copy->bits, ITEM_FRAGMENT | s->record_bits, memory_order_relaxed);
		take_over(new_owner, owner, bits_after_move(s, j, owner, frag));
		item_leaves(s, owner);
		atomic_store_explicit(
			pos->slot, index_word(s, hash, new_owner), memory_order_release);
	}
	bucket_unlock(s, hash);
	segment_settle(ctx, copy, same ? owner->stamp : 0, false);
	segment_settle(ctx, new_owner, same ? owner->stamp : 0, false);
	if (!same)
		return DRAIN_RETRY;
	record_kill(s, frag);
	record_kill(s, owner);
	moved(j, size, owner_size, moved_bytes);
	return DRAIN_DONE;
}

static enum drain_result drain_fragment(struct store_ctx *ctx, struct job *j, struct item *frag,
	uint64_t hash, uint32_t *moved_bytes)
{
	struct store *s = ctx->s;
	struct index_pos pos;
	struct item *owner = index_find_owner(s, hash, frag, frag->client_flags, &pos);
	uint32_t size = item_record_size(frag);
	enum drain_result result;
	bool gone;

	if (!owner)
		return DRAIN_DONE;
	gone = is_gone_now(s, owner);
	if (j->mode == JOB_SWEEP && !gone)
		return DRAIN_DONE;
	if (!gone && (is_worth_moving(j, owner, size) || is_to_follow(s, j, owner, size))) {
		result = move_fragment(ctx, j, frag, owner, &pos, moved_bytes);
		if (result != DRAIN_NO_ROOM || j->mode == JOB_COMPACT)
			return result;
	}
	// Without this fragment the value is lost. If the owner moved meanwhile, the next
	// look finds it at its new place.
	unlink_item(ctx, j, owner, hash, gone);
	return index_find_owner(s, hash, frag, frag->client_flags, &pos) ? DRAIN_RETRY : DRAIN_DONE;
}

enum drain_result drain_record(
	struct store_ctx *ctx, struct job *j, struct item *it, uint64_t hash, uint32_t *moved_bytes)
{
	uint8_t bits = item_bits(it);

	if (bits & ITEM_DEAD)
		return DRAIN_DONE;
	if (bits & ITEM_FRAGMENT)
		return drain_fragment(ctx, j, it, hash, moved_bytes);
	return drain_item(ctx, j, it, hash, moved_bytes);
}
