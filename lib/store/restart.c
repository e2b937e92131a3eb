// SPDX-License-Identifier: BSD-3-Clause
// Warm restart: sealing a kept store, and attaching to one that was sealed or has crashed

#include "store/restart.h"

#include <stdlib.h>

#include "store/grow.h"
#include "store/index.h"
#include "store/publish.h"
#include "store/reclaim.h"
#include "store/sum.h"

// A clock that is behind by so little waits for itself: that of a server that ran for months
// on its cycle counter is some minutes off. More, and nobody can say what has expired.
#define CLOCK_BACK_MAX_S 3600
#define STAMP_SECOND_SHIFT (24 + 8)

bool store_is_kept(const void *head, size_t len)
{
	size_t n = sizeof((struct sb_id){}.magic);

	return memcmp(head, SUPERBLOCK_MAGIC, len < n ? len : n) == 0;
}

// Sizes and places of everything that is in the file, and the numbers that give it meaning.
static uint32_t layout_sum(void)
{
	static const uint32_t what[] = {
		sizeof(struct item), offsetof(struct item, exptime), offsetof(struct item, atime),
		offsetof(struct item, client_flags), offsetof(struct item, vlen),
		offsetof(struct item, klen), offsetof(struct item, bits),
		offsetof(struct item, data),
		ITEM_DEAD | ITEM_FETCHED << 1 | ITEM_LARGE << 2 | ITEM_FRAGMENT << 3,
		ITEM_SUMMED << 8 | ITEM_LEAVING << 9 | ITEM_FREQ_MASK << 10, FRAGMENT_PAYLOAD,
		STORE_FRAGMENT_LEN, FRAGMENTS_LEN(1), SUM_LEN, sizeof(struct bucket),
		offsetof(struct bucket, overflow), offsetof(struct bucket, slot), BUCKET_SLOTS,
		CHAIN_MAX, sizeof(struct segment), offsetof(struct segment, live),
		offsetof(struct segment, exp_min), offsetof(struct segment, stamp_max),
		offsetof(struct segment, used), offsetof(struct segment, next),
		offsetof(struct segment, sum), offsetof(struct segment, taken),
		offsetof(struct segment, lane), LANE_COUNT, KIND_COUNT, QUEUE_COUNT,
		SEGMENT_OPEN | SEGMENT_SEALED << 4 | SEGMENT_DRAINING << 8 | SEGMENT_INDEX << 12,
		sizeof(struct superblock), offsetof(struct superblock, live),
		offsetof(struct superblock, seal), offsetof(struct superblock, use),
		0x01020304, // the order of bytes
	};

	return crc32c(0, what, sizeof(what));
}

// ---- the superblock

static uint32_t id_sum(const struct sb_id *id)
{
	return crc32c(0, id, offsetof(struct sb_id, sum));
}

static uint32_t seal_sum(const struct sb_seal *seal)
{
	return crc32c(0, seal, offsetof(struct sb_seal, sum));
}

// How s is laid out, without what only one file has.
static void id_of_layout(const struct store *s, struct sb_id *id)
{
	memset(id, 0, sizeof(*id));
	memcpy(id->magic, SUPERBLOCK_MAGIC, sizeof(id->magic));
	id->version = SUPERBLOCK_VERSION;
	id->layout = layout_sum();
	id->mem_limit_bytes = s->mem_limit_bytes;
	id->bucket_first = s->bucket_first;
	id->segments_off = s->segments_off;
	id->segment_size = s->segment_size;
	id->segment_count = s->segment_count;
}

static void id_sign(struct store *s, const struct store_conf *conf)
{
	struct sb_id id;

	id_of_layout(s, &id);
	id.hash_key = s->hash_key;
	id.start_s = s->start_s;
	memcpy(id.boot_id, conf->boot_id, sizeof(id.boot_id));
	if (conf->build)
		memcpy(id.build, conf->build, strnlen(conf->build, sizeof(id.build) - 1));
	id.sum = id_sum(&id);
	// Almost always the same as there, and then a crash in here changes nothing.
	if (memcmp(&s->sb->id, &id, sizeof(id)) != 0)
		s->sb->id = id;
}

static void seed_sums(struct store *s)
{
	s->sum_seed = (uint32_t)siphash13(&s->hash_key, "sums of records", 15);
}

void superblock_clock(struct store *s)
{
	struct sb_live *live = &s->sb->live;

	atomic_store_explicit(&live->flush_stamp, flush_stamp_now(s), memory_order_relaxed);
	atomic_store_explicit(&live->flush_at_s, s->flush_at_s, memory_order_relaxed);
	atomic_store_explicit(&live->now_s, clock_now(s), memory_order_relaxed);
}

static void use_begin(struct store *s, const struct store_conf *conf)
{
	superblock_clock(s);
	atomic_store_explicit(&s->sb->use, STORE_IN_USE, memory_order_release);
	id_sign(s, conf);
}

void superblock_create(struct store *s, const struct store_conf *conf)
{
	seed_sums(s);
	use_begin(s, conf);
}

// ---- the end

uint64_t store_seal(struct store *s)
{
	struct sb_seal *seal = &s->sb->seal;
	struct store_usage u;
	uint64_t summed = s->segments_off;

	store_usage(s, &u);
	segments_seal(s);
	memset(seal, 0, sizeof(*seal));
	for (uint32_t i = 0; i < s->segment_count; i++) {
		struct segment *g = &s->segment[i];
		uint32_t state = atomic_load_explicit(&g->state, memory_order_relaxed);

		if (state != SEGMENT_SEALED && state != SEGMENT_INDEX)
			continue;
		if (state == SEGMENT_INDEX)
			g->used = s->segment_size;
		g->sum = crc32c(0, s->base + segment_off(s, i), g->used);
		summed += g->used;
	}
	for (unsigned i = 0; i < s->ctx_count; i++) {
		uint64_t n = atomic_load_explicit(&s->ctx[i].stamp_count, memory_order_relaxed);

		if (n > seal->stamp_last)
			seal->stamp_last = n;
	}
	seal->flush_stamp = flush_stamp_now(s);
	seal->items = u.curr_items;
	seal->bytes = u.bytes;
	seal->payload = u.payload_bytes;
	seal->bucket_count = atomic_load_explicit(&s->bucket_count, memory_order_relaxed);
	seal->bucket_pos = s->bucket_pos;
	seal->bucket_end = s->bucket_end;
	seal->bucket_free = s->bucket_free;
	seal->flush_at_s = s->flush_at_s;
	seal->now_s = clock_now(s);
	for (unsigned q = 0; q < QUEUE_COUNT; q++) {
		seal->fifo_head[q] = s->fifo[q].head;
		seal->fifo_count[q] = s->fifo[q].count;
	}
	seal->ghost_clock = atomic_load_explicit(&s->ghost_clock, memory_order_relaxed);
	seal->front_sum =
		crc32c(0, s->base + SUPERBLOCK_LEN, (size_t)(s->segments_off - SUPERBLOCK_LEN));
	seal->sum = seal_sum(seal);
	atomic_store_explicit(&s->sb->use, STORE_SEALED, memory_order_release);
	return summed;
}

// ---- the next start

static const char *id_verify(const struct store *s)
{
	const struct sb_id *id = &s->sb->id;
	struct sb_id want;

	id_of_layout(s, &want);
	if (memcmp(id->magic, want.magic, sizeof(want.magic)) != 0)
		return "it does not begin as a restart file does";
	if (id->version != want.version || id->layout != want.layout)
		return "it was written by a version with another layout";
	if (id->sum != id_sum(id))
		return "its head is damaged";
	if (id->mem_limit_bytes != want.mem_limit_bytes)
		return "it was written with another memory limit";
	if (id->bucket_first != want.bucket_first || id->segments_off != want.segments_off ||
		id->segment_size != want.segment_size || id->segment_count != want.segment_count)
		return "it was written with another index size";
	return NULL;
}

// The clock and the flush as they were, before conf's clock counts.
static const char *clock_take(struct store *s, const struct store_conf *conf, uint32_t now_s,
	uint64_t flush_stamp, uint32_t flush_at_s)
{
	if (conf->now_s + (uint64_t)CLOCK_BACK_MAX_S < now_s || now_s < s->sb->id.start_s)
		return "the clock has been set back";
	if (flush_stamp >= STAMP_LIMIT)
		return "its flush stamp is damaged";
	atomic_init(&s->now_s, now_s);
	atomic_init(&s->flush_stamp, flush_stamp);
	s->flush_at_s = flush_at_s;
	return NULL;
}

static const char *segments_verify(const struct store *s, uint64_t *bytes)
{
	for (uint32_t i = 0; i < s->segment_count; i++) {
		struct segment *g = &s->segment[i];
		uint32_t state = atomic_load_explicit(&g->state, memory_order_relaxed);

		if (state != SEGMENT_SEALED && state != SEGMENT_INDEX)
			continue;
		if (g->used > s->segment_size ||
			g->sum != crc32c(0, s->base + segment_off(s, i), g->used))
			return "a segment of it is damaged";
		*bytes += g->used;
	}
	return NULL;
}

// The queues again, by the old links, which the pool is about to overwrite.
static const char *pool_take(struct store *s)
{
	const struct sb_seal *seal = &s->sb->seal;
	uint32_t n = 0, want = 0;
	uint32_t *order = calloc((size_t)s->segment_count + 1, sizeof(*order));

	if (!order)
		return "memory ran out";
	for (unsigned q = 0; q < QUEUE_COUNT; q++) {
		uint32_t i = seal->fifo_head[q];

		want += seal->fifo_count[q];
		for (; n < want && n < s->segment_count && i < s->segment_count; n++) {
			order[n] = i;
			i = s->segment[i].next;
		}
	}
	segments_restore(s);
	for (uint32_t i = 0; i < n; i++)
		fifo_append(s, order[i]);
	atomic_init(&s->ghost_clock, seal->ghost_clock);
	free(order);
	s->bucket_pos = seal->bucket_pos;
	s->bucket_end = seal->bucket_end;
	s->bucket_free = seal->bucket_free;
	return n == want ? NULL : "its list of segments is damaged";
}

static const char *attach_sealed(
	struct store *s, const struct store_conf *conf, struct store_found *found)
{
	const struct sb_seal *seal = &s->sb->seal;
	const char *why;

	if (seal->sum != seal_sum(seal))
		return "its head is damaged";
	why = clock_take(s, conf, seal->now_s, seal->flush_stamp, seal->flush_at_s);
	if (why)
		return why;
	if (seal->front_sum !=
		crc32c(0, s->base + SUPERBLOCK_LEN, (size_t)(s->segments_off - SUPERBLOCK_LEN)))
		return "its index is damaged";
	found->bytes = s->segments_off;
	why = segments_verify(s, &found->bytes);
	if (why)
		return why;
	why = pool_take(s);
	if (why)
		return why;
	if (!grow_attach(s, seal->bucket_count, seal->items))
		return "its index is damaged";
	s->ctx[0].items_told = seal->items;
	for (unsigned i = 0; i < s->ctx_count; i++)
		atomic_init(&s->ctx[i].stamp_count, seal->stamp_last);
	found->items = seal->items;
	stat_add(CTX_STAT(&s->ctx[0], bytes_added), seal->bytes);
	stat_add(CTX_STAT(&s->ctx[0], payload_added), seal->payload);
	return NULL;
}

static const char *attach_crashed(
	struct store *s, const struct store_conf *conf, struct store_found *found)
{
	struct sb_live *live = &s->sb->live;
	struct rebuilt r = {0};
	uint64_t stamp;
	const char *why;

	if (memcmp(s->sb->id.boot_id, conf->boot_id, sizeof(conf->boot_id)) != 0)
		return "it was in use when the machine went down";
	why = clock_take(s, conf, atomic_load_explicit(&live->now_s, memory_order_relaxed),
		atomic_load_explicit(&live->flush_stamp, memory_order_relaxed),
		atomic_load_explicit(&live->flush_at_s, memory_order_relaxed));
	if (why)
		return why;
	// Items that have expired since are not worth finding.
	if (conf->now_s > clock_now(s))
		atomic_init(&s->now_s, conf->now_s);
	if (!store_rebuild(s, &r))
		return "memory ran out";
	// Stamps of the last second that no record shows any more may be out there, as cas.
	stamp = (uint64_t)(clock_now(s) - s->start_s + 1) << STAMP_SECOND_SHIFT;
	if (stamp < r.stamp_max)
		stamp = r.stamp_max;
	if (stamp < flush_stamp_now(s))
		stamp = flush_stamp_now(s);
	for (unsigned i = 0; i < s->ctx_count; i++)
		atomic_init(&s->ctx[i].stamp_count, stamp >> 8);
	if (s->flush_at_s && s->flush_at_s <= clock_now(s))
		flush_now(s);
	s->ctx[0].items_told = s->index_items;
	found->crashed = true;
	found->items = r.items;
	found->items_lost = r.lost;
	found->bytes = r.read;
	stat_add(CTX_STAT(&s->ctx[0], bytes_added), r.bytes);
	stat_add(CTX_STAT(&s->ctx[0], payload_added), r.payload);
	return NULL;
}

static const char *attach(struct store *s, const struct store_conf *conf, struct store_found *found)
{
	const char *why = id_verify(s);

	if (why)
		return why;
	memcpy(found->build, s->sb->id.build, sizeof(found->build));
	found->build[sizeof(found->build) - 1] = '\0';
	s->hash_key = s->sb->id.hash_key;
	s->start_s = s->sb->id.start_s;
	seed_sums(s);
	switch (atomic_load_explicit(&s->sb->use, memory_order_acquire)) {
	case STORE_SEALED:
		return attach_sealed(s, conf, found);
	case STORE_IN_USE:
		return attach_crashed(s, conf, found);
	}
	return "its head is damaged";
}

struct store *store_attach(
	const struct store_conf *conf, struct store_found *found, const char **why)
{
	struct store *s = store_make(conf, why);

	memset(found, 0, sizeof(*found));
	found->bad_conf = !s;
	if (!s)
		return NULL;
	*why = attach(s, conf, found);
	if (*why) {
		segments_fini(s);
		store_free(s);
		return NULL;
	}
	reclaim_init(s);
	stat_add(CTX_STAT(&s->ctx[0], items_added), found->items);
	stat_add(CTX_STAT(&s->ctx[0], restarted_items), found->items);
	clock_advance(s, conf->now_s);
	use_begin(s, conf);
	return s;
}
