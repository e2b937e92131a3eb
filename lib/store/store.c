// SPDX-License-Identifier: BSD-3-Clause
// Opening and closing the store, its threads, its clock, its gauges

#include "store/store.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "store/grow.h"
#include "store/index.h"
#include "store/publish.h"
#include "store/reclaim.h"
#include "store/restart.h"

#define HUGEPAGE_LEN (2ULL << 20)
#define SEGMENTS_MIN 32
#define TLAB_MAX 16384
#define ITEM_SIZE_DEFAULT (1U << 20)
#define ITEM_SIZE_MIN 1024
#define ITEM_SIZE_MAX (128U << 20)
#define BYTES_PER_BUCKET 4096 // of memory, at the start
#define BUCKETS_MIN 64
#define MEM_MAX (1ULL << 50)

static const struct stat_desc store_stat_desc[] = {
#define STAT(name, kind, help) {#name, STAT_##kind, help},
#include "store/store.def"
#undef STAT
};

const struct stats_set store_stats_set = {STORE_STATS_MODULE, store_stat_desc, STORE_STAT_COUNT};

static const char *conf_error(const struct store_conf *conf)
{
	uint32_t item = conf->item_size_max;

	if (conf->mem_limit_bytes < STORE_MEM_MIN)
		return "the memory limit is below 8 MiB";
	if (conf->mem_limit_bytes > MEM_MAX)
		return "the memory limit is above 1 PiB";
	if (item && item < ITEM_SIZE_MIN)
		return "the item size limit is below 1 KiB";
	if (item > ITEM_SIZE_MAX)
		return "the item size limit is above 128 MiB";
	if (item > conf->mem_limit_bytes / 4)
		return "the item size limit is above a quarter of the memory limit";
	if (conf->keep && !conf->mem)
		return "a store that is kept needs the memory of its file";
	if (conf->ctx_count_max < 1 || conf->ctx_count_max > STORE_CTX_MAX)
		return "the number of worker threads is not between 1 and 255";
	return NULL;
}

static uint64_t pow2_floor(uint64_t n)
{
	return 1ULL << (63 - __builtin_clzll(n));
}

// Where the parts begin. All but the segments come first.
struct layout {
	uint64_t bucket_count, bucket_front;
	uint64_t bucket_off, segment_off, end_off, segments_off;
	uint32_t segment_size, segment_count;
};

static uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static const char *layout_make(const struct store_conf *conf, struct layout *l)
{
	uint64_t mem = conf->mem_limit_bytes, buckets = pow2_floor(mem / BYTES_PER_BUCKET);
	uint64_t size = pow2_floor(mem / 1024);

	if (conf->hash_items) {
		// No fewer than growth can make enough of.
		buckets = (buckets >> (MAX_DOUBLINGS - 4)) + 1;
		buckets = pow2_floor(buckets < BUCKETS_MIN ? BUCKETS_MIN : buckets);
		while (buckets * GROW_ITEMS < conf->hash_items &&
			buckets * sizeof(struct bucket) <= mem)
			buckets *= 2;
	}
	size = size < SEGMENT_SIZE_MIN   ? SEGMENT_SIZE_MIN
	       : size > SEGMENT_SIZE_MAX ? SEGMENT_SIZE_MAX
					 : size;
	l->segment_size = (uint32_t)size;
	l->bucket_count = buckets;

	l->bucket_off = conf->keep ? SUPERBLOCK_LEN : 0;
	l->bucket_front = buckets < BUCKETS_PER_PAGE ? BUCKETS_PER_PAGE : buckets;
	l->segment_off = l->bucket_off + l->bucket_front * sizeof(struct bucket);
	l->end_off = l->segment_off + mem / size * sizeof(struct segment);
	l->segments_off = align_up(l->end_off, size);
	if (l->segments_off + SEGMENTS_MIN * size > mem)
		return "the memory limit is too small for an index of so many items";
	l->segment_count = (uint32_t)((mem - l->segments_off) / size);
	return NULL;
}

// Anonymous memory that starts at a hugepage.
static uint8_t *mem_map(uint64_t len)
{
	uint64_t want = len + HUGEPAGE_LEN;
	uint8_t *p = mmap(NULL, want, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head, tail;

	if (p == MAP_FAILED)
		return NULL;
	head = align_up((uintptr_t)p, HUGEPAGE_LEN) - (uintptr_t)p;
	tail = want - head - align_up(len, 4096);
	if (head)
		munmap(p, head);
	if (tail)
		munmap(p + head + align_up(len, 4096), tail);
	// A hint: without hugepages it works as well.
	madvise(p + head, len, MADV_HUGEPAGE);
	return p + head;
}

static void store_place(struct store *s, const struct layout *l)
{
	s->bucket = (struct bucket *)(s->base + l->bucket_off);
	s->bucket_first = l->bucket_count;
	s->bucket_front = l->bucket_front;
	s->segment = (struct segment *)(s->base + l->segment_off);
	s->segments_off = l->segments_off;
	// What alignment leaves before the first segment are overflow buckets.
	s->bucket_pos = align_up(l->end_off, sizeof(struct bucket));
	s->bucket_end = l->segments_off / sizeof(struct bucket) < UINT32_MAX ? l->segments_off
									     : s->bucket_pos;
	s->segment_size = l->segment_size;
	s->segment_shift = (uint32_t)__builtin_ctz(l->segment_size);
	s->segment_count = l->segment_count;
	s->tlab_len_max = l->segment_size / 8 < TLAB_MAX ? l->segment_size / 8 : TLAB_MAX;
	s->tlab_record_max = s->tlab_len_max / 4;
}

static void *zeroed(size_t align, size_t len)
{
	void *p = aligned_alloc(align, len);

	return p ? memset(p, 0, len) : NULL;
}

// The parts that are not in the memory of the items: pointers have no meaning in a file.
static struct store *store_alloc(const struct store_conf *conf)
{
	struct store *s = zeroed(_Alignof(struct store), sizeof(*s));
	unsigned n = conf->ctx_count_max;
	struct epoch_ctx *epochs;

	if (!s)
		return NULL;
	s->own_mem = !conf->mem;
	s->mem_limit_bytes = conf->mem_limit_bytes;
	s->base = conf->mem ? conf->mem : mem_map(conf->mem_limit_bytes);
	s->ctx = zeroed(_Alignof(struct store_ctx), n * sizeof(*s->ctx));
	epochs = zeroed(_Alignof(struct epoch_ctx), n * sizeof(*epochs));
	epoch_init(&s->epoch, epochs, n);
	if (s->base && s->ctx && epochs)
		return s;
	store_free(s);
	return NULL;
}

struct store *store_make(const struct store_conf *conf, const char **err)
{
	struct layout l = {0};
	struct store *s;

	*err = conf_error(conf);
	if (!*err)
		*err = layout_make(conf, &l);
	if (*err)
		return NULL;
	s = store_alloc(conf);
	if (!s) {
		*err = "the memory could not be had from the system";
		return NULL;
	}
	s->item_size_max = conf->item_size_max ? conf->item_size_max : ITEM_SIZE_DEFAULT;
	s->no_evictions = conf->no_evictions;
	s->no_cas = conf->no_cas;
	s->ctx_count = conf->ctx_count_max;
	s->hash_key = conf->hash_key;
	s->start_s = conf->now_s;
	atomic_init(&s->now_s, conf->now_s);
	store_place(s, &l);
	// Not in the segments' headers: those may be in a file, and a pin dies with the process.
	s->pin = calloc(s->segment_count, sizeof(*s->pin));
	s->page = calloc(grow_place(s), sizeof(*s->page));
	if (!s->pin || !s->page) {
		store_free(s);
		*err = "the memory could not be had from the system";
		return NULL;
	}
	grow_init(s);
	if (conf->keep) {
		s->sb = (struct superblock *)s->base;
		s->record_bits = ITEM_SUMMED;
	}
	return s;
}

struct store *store_create(const struct store_conf *conf, const char **err)
{
	struct store *s = store_make(conf, err);

	if (!s)
		return NULL;
	segments_init(s);
	reclaim_init(s);
	if (s->sb)
		superblock_create(s, conf);
	return s;
}

void store_free(struct store *s)
{
	if (s->own_mem && s->base)
		munmap(s->base, align_up(s->mem_limit_bytes, 4096));
	free(s->pin);
	free(s->page);
	free(s->epoch.ctx);
	free(s->ctx);
	free(s);
}

void store_destroy(struct store *s)
{
	if (!s)
		return;
	// A pin that came back later would write into freed memory.
	CHECK(atomic_load(&s->pinned_segments) == 0);
	segments_fini(s);
	store_free(s);
}

struct store_ctx *store_ctx_create(struct store *s, unsigned idx)
{
	struct store_ctx *ctx = &s->ctx[idx];

	CHECK(idx < s->ctx_count && !ctx->s);
	ctx->s = s;
	ctx->idx = idx;
	for (unsigned i = 0; i < TLAB_COUNT; i++)
		ctx->tlab_lane[i] = NO_LANE;
	store_online(ctx);
	return ctx;
}

void store_ctx_destroy(struct store_ctx *ctx)
{
	store_offline(ctx);
	ctx->s = NULL;
}

void clock_advance(struct store *s, uint32_t now_s)
{
	spin_lock(&s->clock_lock);
	if (now_s > clock_now(s)) {
		// The flush first: who sees the new second sees it done.
		if (s->flush_at_s && s->flush_at_s <= now_s)
			flush_now(s);
		atomic_store_explicit(&s->now_s, now_s, memory_order_release);
		if (s->sb)
			superblock_clock(s);
		reclaim_new_second(s);
	}
	spin_unlock(&s->clock_lock);
}

void store_tick(struct store_ctx *ctx, uint32_t now_s)
{
	struct store *s = ctx->s;
	uint32_t seals = atomic_load_explicit(&s->seal_count, memory_order_relaxed);

	if (unlikely_(now_s > clock_now(s)))
		clock_advance(s, now_s);
	epoch_report(&s->epoch, ctx->idx);
	// A sealed segment cannot be drained while somebody keeps a buffer in it.
	if (unlikely_(seals != ctx->seals_seen)) {
		ctx->seals_seen = seals;
		tlabs_close(ctx, false);
	}
	reclaim_turn(ctx);
	grow_turn(ctx);
}

void store_offline(struct store_ctx *ctx)
{
	tlabs_close(ctx, true);
	epoch_offline(&ctx->s->epoch, ctx->idx);
}

void store_online(struct store_ctx *ctx)
{
	epoch_online(&ctx->s->epoch, ctx->idx);
}

uint32_t store_now_s(const struct store_ctx *ctx)
{
	return clock_now(ctx->s);
}

const stat_t *store_ctx_stats(const struct store_ctx *ctx)
{
	return ctx->stats;
}

static uint64_t stat_sum(const struct store *s, enum store_stat stat)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->ctx_count; i++)
		sum += stat_read(&s->ctx[i].stats[stat]);
	return sum;
}

// Added is read after removed, so that a snapshot is never negative.
static uint64_t stat_difference(
	const struct store *s, enum store_stat added, enum store_stat removed)
{
	uint64_t minus = stat_sum(s, removed), plus = stat_sum(s, added);

	return plus > minus ? plus - minus : 0;
}

void store_usage(const struct store *s, struct store_usage *u)
{
	struct store *w = (struct store *)s;
	uint64_t buckets = atomic_load_explicit(&w->bucket_count, memory_order_relaxed);

	u->mem_limit_bytes = s->mem_limit_bytes;
	u->curr_items = stat_difference(s, STORE_STAT_items_added, STORE_STAT_items_removed);
	u->bytes = stat_difference(s, STORE_STAT_bytes_added, STORE_STAT_bytes_removed);
	u->payload_bytes = stat_difference(s, STORE_STAT_payload_added, STORE_STAT_payload_removed);
	u->index_bytes = s->bucket_front * sizeof(struct bucket) +
			 ((uint64_t)atomic_load_explicit(&w->index_segments, memory_order_relaxed)
				 << s->segment_shift);
	u->segment_size = s->segment_size;
	u->segment_count = s->segment_count;
	u->segment_pinned_count = atomic_load_explicit(&w->pinned_segments, memory_order_relaxed);
	u->segment_free_count = atomic_load_explicit(&w->free_count, memory_order_relaxed);
	u->hash_power_level = 64U - (uint32_t)__builtin_clzll(buckets - 1);
	u->hash_is_expanding = (buckets & (buckets - 1)) != 0;
}
