// SPDX-License-Identifier: BSD-3-Clause
// Fixed-count object pool on memory taken at start
//
// Objects come back last-in first-out, so that the warmest is used next; memory
// that was never handed out is not touched. Exhaustion is NULL, which the
// caller counts. Under AddressSanitizer free objects are poisoned.
//
// Threads: one owner; no locking.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pool_free {
	struct pool_free *next;
};

struct pool {
	struct pool_free *free_list;
	uint8_t *mem;
	size_t obj_size; // multiple of 64 when asked for with align 64
	uint32_t obj_count;
	uint32_t fresh_idx; // first object never handed out
	uint32_t used_count;
};

// Take memory for obj_count objects of obj_size bytes (rounded up to a multiple
// of align, a power of two, at least 8). Returns 0 or -ENOMEM.
int pool_init(struct pool *p, size_t obj_size, uint32_t obj_count, size_t align);

// Give the memory back. CHECKs that every object came back.
void pool_fini(struct pool *p);

// The same, for a shutdown where objects are still out.
void pool_fini_forced(struct pool *p);

// One object, contents undefined, or NULL.
void *pool_get(struct pool *p);

void pool_put(struct pool *p, void *obj);

// Index of an object of this pool, 0 .. obj_count - 1, and back.
uint32_t pool_index(const struct pool *p, const void *obj);
void *pool_at(const struct pool *p, uint32_t idx);

static inline uint32_t pool_free_count(const struct pool *p)
{
	return p->obj_count - p->used_count;
}
