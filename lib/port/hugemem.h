// SPDX-License-Identifier: BSD-3-Clause
// Memory of hugepages for one large object, mapped once and read by all lcores
//
// EAL's heaps are for packets; the item store is one block of many GiB that wants the largest
// pages the machine has, on the NUMA node of its NIC.
//
// Threads: the control lcore, at start and end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hugemem {
	void *mem; // zeroed, every page present; NULL: none
	size_t size; // bytes mapped: whole pages
	size_t page_size;
	int node; // NUMA node that most of the pages are on; -1: not known
	unsigned remote_percent; // share of the pages that are on other nodes
};

// Pages of one size, as the kernel offers them.
struct hugemem_kind {
	size_t page_size;
	uint64_t free_count;
};

// Which pages size bytes should have: the largest of which enough are free, where rounding
// up to whole pages wastes no more than a sixteenth or one MiB. 0: none do.
size_t hugemem_choose(const struct hugemem_kind *kind, unsigned n, size_t size);

// Take size bytes, on node where it has room (-1: anywhere). False: there are not enough
// hugepages, h->mem is NULL and nothing is held.
bool hugemem_map(struct hugemem *h, size_t size, int node);
void hugemem_unmap(struct hugemem *h);

// The kinds of this machine, at most max of them; for hugemem_choose.
#define HUGEMEM_KINDS_MAX 8
unsigned hugemem_kinds(struct hugemem_kind *kind, unsigned max);
