// SPDX-License-Identifier: BSD-3-Clause
// Storing: room for the value, then publication under the bucket lock

#include "store/publish.h"
#include "store/reclaim.h"
#include "store/sum.h"

#include "base/hotpath.h"

// What memcached's item header takes beside key and value, so that -I means the
// same: struct item, the cas id, and the key's end.
#define MEMCACHED_HEADER_LEN (48 + 8 + 1)
#define COMBINE_TRIES 8 // of append and prepend, before they lock first

static bool is_too_large(const struct store *s, size_t nkey, uint64_t vlen)
{
	return MEMCACHED_HEADER_LEN + nkey + vlen + 2 > s->item_size_max;
}

static struct item *put_item(const struct store *s, const struct store_put *put)
{
	return item_at(s, put->ref);
}

// A record for a whole value, or for the owner of fragments. may_reclaim: no
// bucket lock is held.
static struct item *record_alloc(struct store_ctx *ctx, const struct store_put *put, uint32_t size,
	bool pending, bool may_reclaim)
{
	enum lane_kind kind = pending                          ? KIND_FRAGMENT
			      : size > ctx->s->tlab_record_max ? KIND_BIG
							       : KIND_NEW;
	unsigned lane;
	uint64_t off;

	if (may_reclaim)
		reclaim_assist(ctx, size);
	lane = lane_for(ctx->s, kind, index_queue(ctx->s, put->hash), put->exptime);
	for (unsigned tries = 0; tries < 2; tries++) {
		off = pending ? segment_alloc_held(ctx, lane, size, true)
			      : segment_alloc(ctx, lane, size);
		if (likely_(off))
			return item_at(ctx->s, off);
		if (!may_reclaim)
			return NULL;
		reclaim_urgent(ctx);
	}
	return NULL;
}

static bool pending_may_grow(const struct store *s)
{
	// Pending records of one byte each could hold as many segments: so these are
	// limited too, not only the bytes.
	return atomic_load_explicit(&((struct store *)s)->pending_segments, memory_order_relaxed) <
	       s->segment_count * 3 / 8;
}

static void pending_sub(struct store *s, uint32_t vlen)
{
	atomic_fetch_sub_explicit(&s->pending_bytes, vlen, memory_order_relaxed);
}

static enum store_status put_begin_large(
	struct store_ctx *ctx, struct store_put *put, bool may_reclaim)
{
	struct store *s = ctx->s;
	uint32_t n = fragment_count(put->vlen);
	uint16_t len = (uint16_t)FRAGMENTS_LEN(n);
	uint64_t pending =
		atomic_fetch_add_explicit(&s->pending_bytes, put->vlen, memory_order_relaxed);
	struct item *it;

	if (pending + put->vlen > s->mem_limit_bytes / 4 || !pending_may_grow(s)) {
		pending_sub(s, put->vlen);
		stat_inc(CTX_STAT(ctx, pending_refused));
		return STORE_NO_MEMORY;
	}
	it = record_alloc(ctx, put, record_size(s, put->nkey, len), true, may_reclaim);
	if (!it) {
		pending_sub(s, put->vlen);
		stat_inc(CTX_STAT(ctx, out_of_memory));
		return STORE_NO_MEMORY;
	}
	item_init(s, it, put->key, put->nkey, put->client_flags, len, ITEM_LARGE);
	memcpy(item_value(it), &put->vlen, sizeof(put->vlen));
	memset(item_value(it) + FRAGMENTS_LEN(0), 0, (size_t)FRAGMENTS_LEN(n) - FRAGMENTS_LEN(0));
	put->ref = offset_of(s, it);
	return STORE_OK;
}

static void put_init(struct store_put *put, const uint8_t *key, size_t nkey, uint64_t hash,
	uint32_t client_flags, uint32_t exptime, uint32_t vlen)
{
	put->nkey = (uint8_t)nkey;
	memcpy(put->key, key, nkey);
	put->client_flags = client_flags;
	put->exptime = exptime;
	put->hash = hash;
	put->vlen = vlen;
	put->written = 0;
	put->ref = 0;
	put->frag_ref = 0;
}

static enum store_status put_begin(struct store_ctx *ctx, struct store_put *put, bool may_reclaim)
{
	struct store *s = ctx->s;
	struct item *it;

	if (unlikely_(put->vlen > STORE_FRAGMENT_LEN))
		return put_begin_large(ctx, put, may_reclaim);
	it = record_alloc(ctx, put, record_size(s, put->nkey, put->vlen + 2), false, may_reclaim);
	if (unlikely_(!it)) {
		stat_inc(CTX_STAT(ctx, out_of_memory));
		return STORE_NO_MEMORY;
	}
	item_init(s, it, put->key, put->nkey, put->client_flags, (uint16_t)(put->vlen + 2), 0);
	put->ref = offset_of(s, it);
	return STORE_OK;
}

enum store_status store_put_begin(struct store_ctx *ctx, struct store_put *put, const uint8_t *key,
	size_t nkey, uint64_t hash, uint32_t client_flags, uint32_t exptime, uint32_t vlen)
{
	CHECK(nkey >= 1 && nkey <= STORE_KEY_LEN_MAX);
	if (unlikely_(is_too_large(ctx->s, nkey, vlen)))
		return STORE_TOO_LARGE;
	// The choice of a queue and the commit will need it.
	__builtin_prefetch(bucket_of(ctx->s, hash), 1);
	put_init(put, key, nkey, hash, client_flags, exptime, vlen);
	return put_begin(ctx, put, true);
}

static struct item *fragment_alloc(
	struct store_ctx *ctx, struct store_put *put, uint32_t i, bool may_reclaim)
{
	uint32_t len = put->vlen - i * FRAGMENT_PAYLOAD;
	struct item *frag = NULL;

	if (len > FRAGMENT_PAYLOAD)
		len = FRAGMENT_PAYLOAD;
	if (pending_may_grow(ctx->s))
		frag = record_alloc(ctx, put, record_size(ctx->s, 0, len), true, may_reclaim);
	if (!frag) {
		stat_inc(CTX_STAT(ctx, out_of_memory));
		return NULL;
	}
	item_init(ctx->s, frag, NULL, 0, i, (uint16_t)len, ITEM_FRAGMENT);
	frag->stamp = put->hash;
	owner_set_fragment(put_item(ctx->s, put), i, frag);
	// The one before is complete: summed one by one, no turn sums a whole large value.
	if (i > 0)
		record_sum(ctx->s, owner_fragment(put_item(ctx->s, put), i - 1));
	return frag;
}

static bool put_room(
	struct store_ctx *ctx, struct store_put *put, uint8_t **room, size_t *len, bool may_reclaim)
{
	struct item *it = put_item(ctx->s, put), *frag;
	uint32_t i, off;

	if (put->written >= put->vlen)
		return false;
	if (!(item_bits(it) & ITEM_LARGE)) {
		*room = item_value(it) + put->written;
		*len = put->vlen - put->written;
		return true;
	}
	i = put->written / FRAGMENT_PAYLOAD;
	off = put->written % FRAGMENT_PAYLOAD;
	frag = owner_has_fragment(it, i) ? owner_fragment(it, i)
					 : fragment_alloc(ctx, put, i, may_reclaim);
	if (!frag)
		return false;
	*room = frag->data + off;
	*len = frag->vlen - off;
	return true;
}

bool store_put_room(struct store_ctx *ctx, struct store_put *put, uint8_t **room, size_t *len)
{
	return put_room(ctx, put, room, len, true);
}

void store_put_abort(struct store_ctx *ctx, struct store_put *put)
{
	struct item *it = put_item(ctx->s, put);

	if (item_bits(it) & ITEM_LARGE)
		pending_sub(ctx->s, put->vlen);
	item_give_up(ctx, it);
	put->ref = 0;
}

static void put_finish_value(struct store *s, struct store_put *put)
{
	struct item *it = put_item(s, put);

	CHECK(put->written == put->vlen);
	if (!(item_bits(it) & ITEM_LARGE))
		memcpy(item_value(it) + put->vlen, "\r\n", 2);
	else
		record_sum(s, owner_fragment(it, fragment_count(put->vlen) - 1));
	record_sum_body(s, it);
}

// The record is an item now.
static void put_settle(struct store_ctx *ctx, struct store_put *put)
{
	struct item *it = put_item(ctx->s, put);

	if (unlikely_(item_bits(it) & ITEM_LARGE))
		pending_sub(ctx->s, put->vlen);
	item_settle(ctx, it);
	put->ref = 0;
}

static enum store_status mode_verdict(
	const struct store *s, enum store_mode mode, const struct item *old, uint64_t cas)
{
	switch (mode) {
	case STORE_ADD:
		return old ? STORE_NOT_STORED : STORE_OK;
	case STORE_REPLACE:
		return old ? STORE_OK : STORE_NOT_STORED;
	case STORE_CAS:
		if (!old)
			return STORE_NOT_FOUND;
		return (s->no_cas ? 0 : old->stamp) == cas ? STORE_OK : STORE_EXISTS;
	default:
		return STORE_OK;
	}
}

// ---- append and prepend

static bool copy_value(
	struct store_ctx *ctx, struct store_put *to, const struct item *from, bool may_reclaim)
{
	struct store_ref ref;
	struct slice piece;
	uint32_t off = 0;
	uint8_t *room;
	size_t len;

	item_to_ref(ctx->s, from, &ref);
	while (off < ref.vlen) {
		if (!put_room(ctx, to, &room, &len, may_reclaim))
			return false;
		store_ref_piece(&ref, off, &piece);
		if (len > piece.len)
			len = piece.len;
		memcpy(room, piece.p, len);
		store_put_wrote(to, len);
		off += (uint32_t)len;
	}
	return true;
}

// Make the joined value of old and put in a record of its own.
static enum store_status combine(struct store_ctx *ctx, struct store_put *joined,
	const struct store_put *put, const struct item *old, bool append, bool may_reclaim)
{
	const struct item *added = put_item(ctx->s, put);
	uint64_t vlen = (uint64_t)item_value_len(old) + put->vlen;
	enum store_status status;

	if (is_too_large(ctx->s, put->nkey, vlen))
		return STORE_TOO_LARGE;
	put_init(joined, put->key, put->nkey, put->hash, old->client_flags, item_exptime(old),
		(uint32_t)vlen);
	status = put_begin(ctx, joined, may_reclaim);
	if (status != STORE_OK)
		return status;
	if (!copy_value(ctx, joined, append ? old : added, may_reclaim) ||
		!copy_value(ctx, joined, append ? added : old, may_reclaim)) {
		store_put_abort(ctx, joined);
		return STORE_NO_MEMORY;
	}
	put_finish_value(ctx->s, joined);
	return STORE_OK;
}

// Publish joined in place of the item it was made from. Under the lock.
static void publish_joined(struct store_ctx *ctx, struct change *c, struct store_put *joined)
{
	struct item *it = put_item(ctx->s, joined);

	atomic_store_explicit(&it->exptime, item_exptime(c->old), memory_order_relaxed);
	CHECK(change_publish(ctx, c, it, joined->hash)); // into the slot of old: there is room
}

// The value is read and joined without the lock, then published if the slot still
// holds the same word: the word cannot come back before our next quiescent state.
// After some lost races all of it is done under the lock.
static enum store_status put_combine(struct store_ctx *ctx, struct store_put *put, bool append)
{
	struct store *s = ctx->s;
	enum store_status status = STORE_NOT_STORED;
	struct store_put joined;
	struct change c;
	bool done = false;

	for (unsigned tries = 0; !done; tries++) {
		bool lock_first = tries >= COMBINE_TRIES;
		uint32_t before_s = clock_now(s);
		uint64_t flush = flush_stamp_now(s);
		struct index_pos pos;
		struct item *old = NULL;

		if (!lock_first) {
			old = index_find(s, put->key, put->nkey, put->hash, &pos);
			if (!old || item_is_gone(old, before_s, flush))
				return STORE_NOT_STORED;
			status = combine(ctx, &joined, put, old, append, true);
			if (status != STORE_OK)
				return status;
		}
		change_begin(ctx, &c, put->key, put->nkey, put->hash);
		if (lock_first) {
			status = !c.old || c.old_gone
					 ? STORE_NOT_STORED
					 : combine(ctx, &joined, put, c.old, append, false);
			done = true;
		} else {
			done = c.old && !c.old_gone && c.pos.word == pos.word;
		}
		if (done && status == STORE_OK)
			publish_joined(ctx, &c, &joined);
		change_end(ctx, &c, put->hash, done && status == STORE_OK);
		if (!done)
			store_put_abort(ctx, &joined);
	}
	if (status == STORE_OK)
		put_settle(ctx, &joined);
	return status;
}

enum store_status store_put_commit(
	struct store_ctx *ctx, struct store_put *put, enum store_mode mode, uint64_t cas)
{
	struct store *s = ctx->s;
	struct item *it = put_item(s, put);
	enum store_status status;
	struct change c;

	put_finish_value(s, put);
	if (unlikely_(mode == STORE_APPEND || mode == STORE_PREPEND)) {
		status = put_combine(ctx, put, mode == STORE_APPEND);
		store_put_abort(ctx, put);
		return status;
	}
	atomic_store_explicit(&it->exptime, put->exptime, memory_order_relaxed);
	change_begin(ctx, &c, put->key, put->nkey, put->hash);
	status = mode_verdict(s, mode, c.old_gone ? NULL : c.old, cas);
	if (likely_(status == STORE_OK) && unlikely_(!change_publish(ctx, &c, it, put->hash))) {
		status = STORE_NO_MEMORY;
		stat_inc(CTX_STAT(ctx, out_of_memory));
	}
	change_end(ctx, &c, put->hash, status == STORE_OK);
	if (likely_(status == STORE_OK))
		put_settle(ctx, put);
	else
		store_put_abort(ctx, put);
	return status;
}
