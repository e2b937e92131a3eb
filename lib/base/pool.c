// SPDX-License-Identifier: BSD-3-Clause
// Fixed-count object pool on memory taken at start

#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

// A pool that a core's second-level TLB (some 2,000 pages) cannot hold asks for hugepages.
#define POOL_HUGE_MIN ((size_t)8 << 20)

static size_t pool_bytes(const struct pool *p)
{
	return p->obj_size * p->obj_count;
}

int pool_init(struct pool *p, size_t obj_size, uint32_t obj_count, size_t align)
{
	CHECK(align >= 8 && (align & (align - 1)) == 0 && align <= 4096);
	CHECK(obj_size > 0 && obj_count > 0);
	*p = (struct pool){
		.obj_size = (obj_size + align - 1) & ~(align - 1),
		.obj_count = obj_count,
	};
	// mmap, not malloc: pages appear when first used.
	p->mem = mmap(NULL, pool_bytes(p), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->mem == MAP_FAILED) {
		p->mem = NULL;
		return -ENOMEM;
	}
	if (pool_bytes(p) >= POOL_HUGE_MIN)
		madvise(p->mem, pool_bytes(p), MADV_HUGEPAGE);
	POISON(p->mem, pool_bytes(p));
	return 0;
}

void pool_fini_forced(struct pool *p)
{
	if (!p->mem)
		return;
	UNPOISON(p->mem, pool_bytes(p));
	munmap(p->mem, pool_bytes(p));
	*p = (struct pool){0};
}

void pool_fini(struct pool *p)
{
	CHECK(p->used_count == 0);
	pool_fini_forced(p);
}

void *pool_get(struct pool *p)
{
	void *obj;

	if (p->free_list) {
		obj = p->free_list;
		UNPOISON(obj, p->obj_size);
		p->free_list = ((struct pool_free *)obj)->next;
	} else if (p->fresh_idx < p->obj_count) {
		obj = p->mem + p->obj_size * p->fresh_idx++;
		UNPOISON(obj, p->obj_size);
	} else {
		return NULL;
	}
	p->used_count++;
	return obj;
}

void pool_put(struct pool *p, void *obj)
{
	struct pool_free *f = obj;

	DCHECK(p->used_count > 0);
	DCHECK(pool_index(p, obj) < p->fresh_idx);
	f->next = p->free_list;
	p->free_list = f;
	p->used_count--;
	POISON(obj, p->obj_size);
}

uint32_t pool_index(const struct pool *p, const void *obj)
{
	size_t off = (size_t)((const uint8_t *)obj - p->mem);

	DCHECK(off < pool_bytes(p) && off % p->obj_size == 0);
	return (uint32_t)(off / p->obj_size);
}

void *pool_at(const struct pool *p, uint32_t idx)
{
	DCHECK(idx < p->obj_count);
	return p->mem + p->obj_size * idx;
}
