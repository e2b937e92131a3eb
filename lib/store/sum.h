// SPDX-License-Identifier: BSD-3-Clause
// Sums of records, by which a crashed store's file tells records from other bytes
//
// CRC32C over what never changes of a record: kind, lengths, client flags, key, value,
// and last the stamp. It begins with a secret of the store, so that a value that looks
// like a record is not taken for one. Only where the store is kept in a file.
//
// A record that has not become an item has no such sum yet. What it has is a sum of its
// header and place, in atime, so that nobody looks for records inside of an upload. The
// place includes which use of the segment it is: what an earlier use left hides nothing.
#pragma once

#include "base/crc32c.h"
#include "store/store_priv.h"

static inline uint8_t *record_sum_at(const struct item *it)
{
	return item_value(it) + it->vlen;
}

static inline uint32_t header_sum(const struct store *s, const struct item *it)
{
	uint64_t head = it->client_flags | (uint64_t)it->vlen << 32 | (uint64_t)it->klen << 48 |
			(uint64_t)(item_bits(it) & (ITEM_LARGE | ITEM_FRAGMENT)) << 56;

	return crc32c_u64(s->sum_seed, head);
}

static inline uint32_t place_sum(const struct store *s, const struct item *it)
{
	uint64_t off = offset_of(s, it);

	return crc32c_u64(header_sum(s, it), off ^ (uint64_t)segment_of(s, off)->taken << 32);
}

// A header was written: of a pad, or of a record that is not an item yet.
static inline void record_sum_place(const struct store *s, struct item *it)
{
	if (unlikely_(s->sb != NULL))
		atomic_store_explicit(&it->atime, place_sum(s, it), memory_order_relaxed);
}

static inline uint32_t record_sum_body_(const struct store *s, const struct item *it)
{
	return crc32c(header_sum(s, it), it->data, (size_t)it->klen + it->vlen);
}

// All but the stamp is final. Without a lock, as it reads the whole record.
static inline void record_sum_body(const struct store *s, struct item *it)
{
	uint32_t sum;

	if (likely_(!s->sb))
		return;
	sum = record_sum_body_(s, it);
	memcpy(record_sum_at(it), &sum, SUM_LEN);
}

// The stamp is there too. After record_sum_body, once.
static inline void record_sum_stamp(const struct store *s, struct item *it)
{
	uint32_t sum;

	if (likely_(!s->sb))
		return;
	memcpy(&sum, record_sum_at(it), SUM_LEN);
	sum = crc32c_u64(sum, it->stamp);
	memcpy(record_sum_at(it), &sum, SUM_LEN);
}

static inline void record_sum(const struct store *s, struct item *it)
{
	record_sum_body(s, it);
	record_sum_stamp(s, it);
}

static inline bool record_sum_is_right(const struct store *s, const struct item *it)
{
	uint32_t sum;

	memcpy(&sum, record_sum_at(it), SUM_LEN);
	return sum == crc32c_u64(record_sum_body_(s, it), it->stamp);
}
