// SPDX-License-Identifier: BSD-3-Clause
// How a record becomes an item, and how an item ends
#pragma once

#include "store/index.h"
#include "store/segment.h"

// Everything stored so far is gone. Under the clock lock.
void flush_now(struct store *s);

// What an update found in the index and what it pushed out.
struct change {
	struct index_pos pos; // of old
	struct item *old; // any version of the key, maybe gone; NULL: none
	bool old_gone; // expired or flushed: counts as absent
	// By which it was judged. The new version's stamp comes of the same: one that was decided
	// before a flush never outlives it, though it is published after.
	uint32_t now_s;
	uint64_t flush;
	struct item *victim; // pushed out of a full chain
};

// A new stamp: unique, larger than every earlier one of this ctx, than the flush that the
// change has seen, and than the stamp of the version that it replaces. Under the lock.
uint64_t stamp_next(struct store_ctx *ctx, const struct change *c);

// The part of a stamp above the ctx's byte that all stamps of a second exceed.
uint64_t stamp_second(const struct store *s, uint32_t now_s);

// Take the lock of the key's bucket and look the key up.
void change_begin(
	struct store_ctx *ctx, struct change *c, const uint8_t *key, size_t nkey, uint64_t hash);

// Make it the version of its key. False: the chain is full and nothing may be
// evicted. Under the lock; the record is complete but for its stamp.
bool change_publish(struct store_ctx *ctx, struct change *c, struct item *it, uint64_t hash);

// Unlink old. Under the lock.
void change_remove(struct store_ctx *ctx, struct change *c);

// Release the lock, then account for what died: old if it was replaced or removed.
void change_end(struct store_ctx *ctx, struct change *c, uint64_t hash, bool old_dies);

enum death { DEATH_REPLACED, DEATH_GONE, DEATH_EVICTED };

// A published item left the index: mark its records dead and count it. Without any
// lock, before the ctx's next quiescent state.
void item_kill(struct store_ctx *ctx, struct item *it, enum death why);

// Only the record: its content lives on elsewhere.
void record_kill(struct store *s, struct item *it);

// The record never became an item: settle it dead, with its fragments.
void item_give_up(struct store_ctx *ctx, struct item *it);

// Settle a published item, with its fragments.
void item_settle(struct store_ctx *ctx, struct item *it);

// Bytes of an item's records, fragments included.
uint64_t item_total_size(const struct item *it);

// Fill a fresh record's header and key. It is dead until published.
void item_init(const struct store *s, struct item *it, const uint8_t *key, size_t nkey,
	uint32_t client_flags, uint16_t vlen, uint8_t bits);

static inline void item_to_ref(const struct store *s, const struct item *it, struct store_ref *ref)
{
	bool large = item_bits(it) & ITEM_LARGE;

	ref->item = it;
	ref->client_flags = it->client_flags;
	ref->exptime = item_exptime(it);
	ref->cas = s->no_cas ? 0 : it->stamp;
	if (unlikely_(large)) {
		ref->vlen = owner_value_len(it);
		ref->value = NULL;
		return;
	}
	ref->vlen = it->vlen - 2U;
	ref->value = item_value(it);
}

// Bytes of a record.
static inline uint32_t record_size(const struct store *s, uint32_t nkey, uint32_t vlen)
{
	return record_round(ITEM_HEADER_LEN + nkey + vlen + (s->sb ? SUM_LEN : 0));
}

// The item is about to lose its slot, or to be replaced by a record that is complete. Under
// the lock, before the slot store: the death of this process at any instruction leaves
// in the file no record that a client could know to be gone.
static inline void item_leaves(const struct store *s, struct item *it)
{
	if (unlikely_(s->sb != NULL))
		atomic_fetch_or_explicit(&it->bits, ITEM_LEAVING, memory_order_release);
}

static inline void bucket_unlock(struct store *s, uint64_t hash)
{
	spin_unlock(&bucket_of(s, hash)->lock);
}

// While it is held no split moves the key.
static inline void bucket_lock(struct store *s, uint64_t hash)
{
	struct bucket *b;

	while (spin_lock(&(b = bucket_of(s, hash))->lock), unlikely_(b != bucket_of(s, hash)))
		spin_unlock(&b->lock);
}
