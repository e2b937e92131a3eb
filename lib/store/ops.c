// SPDX-License-Identifier: BSD-3-Clause
// delete, incr and decr, flush_all, and what else is known of an item

#include "store/publish.h"
#include "store/reclaim.h"
#include "store/restart.h"
#include "store/sum.h"

#include "base/hotpath.h"

#define NUMBER_LEN_MAX 20 // digits of 2^64 - 1
#define FLUSH_MARGIN 65536 // stores between flush_now's look at the stamps and its end
#define NUMBER_VALUE_MAX 1024 // a longer value is no number, whatever pads it

enum store_status store_delete(
	struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash)
{
	struct change c;

	change_begin(ctx, &c, key, nkey, hash);
	if (c.old)
		change_remove(ctx, &c);
	change_end(ctx, &c, hash, true);
	return c.old && !c.old_gone ? STORE_OK : STORE_NOT_FOUND;
}

// ---- incr and decr

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

// memcached's rule, that of strtoull: spaces may come before, anything after the
// first space behind the digits does not count.
static bool parse_number(const uint8_t *p, uint32_t len, uint64_t *value)
{
	uint32_t i = 0, start;
	uint64_t v = 0;

	while (i < len && is_space(p[i]))
		i++;
	if (i < len && p[i] == '+')
		i++;
	start = i;
	for (; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(p[i] - '0'), &v))
			return false;
	*value = v;
	return i > start && (i == len || is_space(p[i]));
}

static uint32_t format_number(uint8_t digits[NUMBER_LEN_MAX], uint64_t v)
{
	uint8_t tmp[NUMBER_LEN_MAX];
	uint32_t n = 0;

	do {
		tmp[n++] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	for (uint32_t i = 0; i < n; i++)
		digits[i] = tmp[n - 1 - i];
	return n;
}

// Make room for a record of size bytes in the ctx's buffer, so that the next
// allocation of so much takes no lock and cannot fail.
static bool small_room(struct store_ctx *ctx, unsigned lane, uint32_t size)
{
	struct tlab *t;
	uint64_t off;

	reclaim_assist(ctx, size);
	t = tlab_of_lane(ctx, lane);
	if (t && t->pos + size + ITEM_HEADER_LEN <= t->end)
		return true;
	for (unsigned tries = 0; tries < 2; tries++) {
		// Taken and given back: what is left is the room.
		off = segment_alloc_slow(ctx, lane, size + ITEM_HEADER_LEN);
		if (off) {
			t = tlab_of_lane(ctx, lane);
			t->pos = off;
			t->in_flight--;
			return true;
		}
		reclaim_urgent(ctx);
	}
	return false;
}

// The record of the new number. Under the lock, in the room made before.
static struct item *number_record(
	struct store_ctx *ctx, unsigned lane, const struct item *old, uint64_t v)
{
	uint8_t digits[NUMBER_LEN_MAX];
	uint32_t n = format_number(digits, v), vlen = n;
	struct item *it;
	uint64_t off;

	if (vlen < old->vlen - 2U)
		vlen = old->vlen - 2U;
	off = segment_alloc(ctx, lane, record_size(ctx->s, old->klen, vlen + 2));
	CHECK(off);
	it = item_at(ctx->s, off);
	item_init(ctx->s, it, old->data, old->klen, old->client_flags, (uint16_t)(vlen + 2),
		item_bits(old) & ITEM_FETCHED);
	memcpy(item_value(it), digits, n);
	memset(item_value(it) + n, ' ', vlen - n);
	memcpy(item_value(it) + vlen, "\r\n", 2);
	atomic_store_explicit(&it->exptime, item_exptime(old), memory_order_relaxed);
	record_sum_body(ctx->s, it);
	return it;
}

// That of the number as it is now, which the new one replaces.
static unsigned delta_lane(const struct store *s, const uint8_t *key, size_t nkey, uint64_t hash)
{
	struct index_pos pos;
	const struct item *old = index_find(s, key, nkey, hash, &pos);

	return lane_for(s, KIND_NEW, index_queue(s, hash), old ? item_exptime(old) : 0);
}

enum store_status store_delta(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	bool down, uint64_t delta, uint64_t *value)
{
	enum store_status status = STORE_OK;
	unsigned lane = delta_lane(ctx->s, key, nkey, hash);
	uint32_t room = NUMBER_LEN_MAX;
	struct item *it = NULL;
	struct change c;
	uint64_t v;

	for (;;) {
		if (!small_room(ctx, lane, record_size(ctx->s, (uint32_t)nkey, room + 2))) {
			stat_inc(CTX_STAT(ctx, out_of_memory));
			return STORE_NO_MEMORY;
		}
		change_begin(ctx, &c, key, nkey, hash);
		if (!c.old || c.old_gone) {
			status = STORE_NOT_FOUND;
			break;
		}
		if ((item_bits(c.old) & ITEM_LARGE) || c.old->vlen - 2U > NUMBER_VALUE_MAX ||
			!parse_number(item_value(c.old), c.old->vlen - 2U, &v)) {
			status = STORE_NOT_NUMBER;
			break;
		}
		if (c.old->vlen - 2U <= room)
			break;
		// A padded number: once more with room for the longest.
		room = NUMBER_VALUE_MAX;
		change_end(ctx, &c, hash, false);
	}
	if (status == STORE_OK) {
		v = down ? (delta > v ? 0 : v - delta) : v + delta;
		it = number_record(ctx, lane, c.old, v);
		CHECK(change_publish(ctx, &c, it, hash)); // into the slot of old
		*value = v;
	}
	change_end(ctx, &c, hash, status == STORE_OK);
	if (it)
		item_settle(ctx, it);
	return status;
}

// ---- flush

// No stamp given out so far, and none of this second that follows no other, is larger. Without
// the ctx's byte. Under the clock lock.
static uint64_t stamp_newest(const struct store *s)
{
	uint64_t max = stamp_second(s, clock_now(s)), flush = flush_stamp_now(s) >> 8;

	if (max < flush)
		max = flush;
	for (unsigned i = 0; i < s->ctx_count; i++) {
		uint64_t n = atomic_load_explicit(&s->ctx[i].stamp_count, memory_order_acquire);

		if (n > max)
			max = n;
	}
	return max;
}

// Above the stamp of every change that was decided without this flush: those given out, and
// those that the changes under way will take until it is seen, which go on counting. Under
// the clock lock.
void flush_now(struct store *s)
{
	uint64_t max, stamp;

	do {
		max = stamp_newest(s);
	} while (stamp_newest(s) - max > FLUSH_MARGIN / 2);
	stamp = (max + FLUSH_MARGIN) << 8;
	// In the file first: who sees the flush done must never see it undone.
	if (s->sb)
		atomic_store_explicit(&s->sb->live.flush_stamp, stamp, memory_order_release);
	atomic_store_explicit(&s->flush_stamp, stamp, memory_order_release);
	s->flush_at_s = 0;
}

void store_flush(struct store_ctx *ctx, uint32_t at_s)
{
	struct store *s = ctx->s;

	spin_lock(&s->clock_lock);
	if (at_s > clock_now(s))
		s->flush_at_s = at_s;
	else
		flush_now(s);
	if (s->sb)
		superblock_clock(s);
	spin_unlock(&s->clock_lock);
	reclaim_new_second(s);
}

void store_ref_meta(const struct store_ref *ref, struct store_meta *meta)
{
	const struct item *it = ref->item;

	meta->atime_s = atomic_load_explicit(&((struct item *)it)->atime, memory_order_relaxed);
	meta->size_bytes = item_total_size(it);
	meta->fetched = item_bits(it) & ITEM_FETCHED;
}
