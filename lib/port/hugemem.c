// SPDX-License-Identifier: BSD-3-Clause
// Hugepages for one large object: the page size, the NUMA node, the mapping

#include "port/hugemem.h"

#include <dirent.h>
#include <errno.h>
#include <linux/mman.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <sys/mman.h>

#define NODES_MAX 64
#define PAGES_ASKED 1024 // of which the node is looked up
#define MIB ((size_t)1024 * 1024)

static size_t round_up(size_t size, size_t page_size)
{
	return (size + page_size - 1) & ~(page_size - 1);
}

size_t hugemem_choose(const struct hugemem_kind *kind, unsigned n, size_t size)
{
	size_t best = 0, waste_max = size / 16 > MIB ? size / 16 : MIB;

	for (unsigned i = 0; i < n; i++) {
		size_t whole = round_up(size, kind[i].page_size);

		if (whole - size <= waste_max && whole / kind[i].page_size <= kind[i].free_count &&
			kind[i].page_size > best)
			best = kind[i].page_size;
	}
	return best;
}

unsigned hugemem_kinds(struct hugemem_kind *kind, unsigned max)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(folder);
	unsigned n = 0;

	for (struct dirent *e; dir && n < max && (e = readdir(dir));) {
		unsigned long long kb, count;
		char path[sizeof(folder) + sizeof(e->d_name) + 32];
		FILE *f;

		if (sscanf(e->d_name, "hugepages-%llukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, e->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%llu", &count) == 1)
			kind[n++] = (struct hugemem_kind){(size_t)kb * 1024, count};
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return n;
}

// Make every page present now: a page that is missing later would be a SIGBUS in the data path.
static bool populate(const struct hugemem *h)
{
	if (madvise(h->mem, h->size, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL)
		return false;
	// Kernels before 5.14: the reservation that mmap made is what there is to trust.
	for (size_t off = 0; off < h->size; off += h->page_size)
		((volatile uint8_t *)h->mem)[off] = 0;
	return true;
}

// Where the pages went: the kernel is free to take another node than the one preferred.
static void find_node(struct hugemem *h)
{
	size_t pages = h->size / h->page_size, step = pages / PAGES_ASKED + 1;
	unsigned per_node[NODES_MAX] = {0}, asked = 0, most = 0;

	for (size_t i = 0; i < pages; i += step) {
		void *page = (uint8_t *)h->mem + i * h->page_size;
		int status = -1;

		if (numa_move_pages(0, 1, &page, NULL, &status, 0) || status < 0 ||
			status >= NODES_MAX)
			continue;
		asked++;
		if (++per_node[status] > most) {
			most = per_node[status];
			h->node = status;
		}
	}
	if (asked)
		h->remote_percent = (asked - most) * 100 / asked;
}

static int log2_of(size_t n)
{
	return 63 - __builtin_clzll(n);
}

bool hugemem_map(struct hugemem *h, size_t size, int node)
{
	struct hugemem_kind kind[HUGEMEM_KINDS_MAX];
	size_t page_size = hugemem_choose(kind, hugemem_kinds(kind, HUGEMEM_KINDS_MAX), size);
	bool numa = numa_available() >= 0;
	void *mem;

	*h = (struct hugemem){.node = -1};
	if (!page_size)
		return false;
	size = round_up(size, page_size);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | log2_of(page_size) << MAP_HUGE_SHIFT,
		-1, 0);
	if (mem == MAP_FAILED)
		return false;
	*h = (struct hugemem){.mem = mem, .size = size, .page_size = page_size, .node = -1};
	if (numa && node >= 0 && node <= numa_max_node())
		numa_tonode_memory(mem, size, node);
	if (!populate(h)) {
		hugemem_unmap(h);
		return false;
	}
	if (numa)
		find_node(h);
	return true;
}

void hugemem_unmap(struct hugemem *h)
{
	if (h->mem)
		munmap(h->mem, h->size);
	*h = (struct hugemem){.node = -1};
}
