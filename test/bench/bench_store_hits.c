// SPDX-License-Identifier: BSD-3-Clause
// Miss ratios of lib/store, and of S3-FIFO and LRU with as many items
// support: store_kit cache_sim hit_load
// measures: hits.*
//
// Made loads; with TRACES=folder also the recorded ones of cache2k there (cache2k/NAME.trace.xz:
// 32-bit numbers of keys). A trace is replayed for caches of 1, 10 and 40 % of its keys.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/hit_load.h"

#define MEM (32ULL << 20) // 255 segments
#define VLEN_MAX 30000

static void run(const char *name, const struct load *l, uint32_t items)
{
	uint32_t vlen = load_vlen(MEM, items);
	struct hits h;

	if (vlen > VLEN_MAX) // would be kept in fragments
		return;
	h = load_run(l, MEM, vlen);
	printf("hits.%s.items %u items\n", name, h.items);
	printf("hits.%s.store.miss %.2f %%\n", name, h.store * 100);
	printf("hits.%s.s3fifo.miss %.2f %%\n", name, h.s3fifo * 100);
	printf("hits.%s.lru.miss %.2f %%\n", name, h.lru * 100);
	fflush(stdout);
}

static void run_made(const char *name, const struct load_conf *conf, uint32_t items)
{
	struct load l = load_make(conf);

	run(name, &l, items);
	load_free(&l);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

// Any 32-bit numbers become 0, 1, 2...
static void number_keys(struct load *l)
{
	uint32_t *all = malloc((l->count + 1UL) * sizeof(*all)), n = 0;

	CHECK(all);
	for (uint32_t i = 0; i < l->count; i++)
		all[i] = l->access[i].key;
	qsort(all, l->count, sizeof(*all), by_number);
	for (uint32_t i = 0; i < l->count; i++)
		if (i == 0 || all[i] != all[n - 1])
			all[n++] = all[i];
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t *p = bsearch(&l->access[i].key, all, n, sizeof(*all), by_number);

		l->access[i].key = (uint32_t)(p - all);
	}
	l->key_count = n;
	free(all);
}

static struct load trace_read(const char *folder, const char *name)
{
	struct load l = {.per_second = 1000};
	char command[512];
	uint32_t key;
	FILE *f;

	snprintf(command, sizeof(command), "xz -dc '%s/cache2k/%s.trace.xz'", folder, name);
	f = popen(command, "r");
	CHECK(f);
	while (fread(&key, sizeof(key), 1, f) == 1) {
		if ((l.count & (l.count - 1)) == 0) {
			l.access =
				realloc(l.access, (l.count ? l.count * 2 : 1) * sizeof(*l.access));
			CHECK(l.access);
		}
		l.access[l.count++] = (struct access){.key = key};
	}
	pclose(f); // what it gave decides
	if (l.count > 0)
		number_keys(&l);
	return l;
}

static void run_trace(const char *folder, const char *name, const char *shown)
{
	static const unsigned percent[] = {1, 10, 40};
	struct load l = trace_read(folder, name);
	char what[64];

	if (l.count == 0)
		printf("absent hits.%s*: no %s/cache2k/%s.trace.xz\n", shown, folder, name);
	for (unsigned i = 0; i < 3 && l.count > 0; i++) {
		snprintf(what, sizeof(what), "%s_%u", shown, percent[i]);
		run(what, &l, l.key_count / 100 * percent[i]);
	}
	load_free(&l);
}

int main(void)
{
	const char *folder = getenv("TRACES");

	run_made("zipf",
		&(struct load_conf){
			.seed = 1, .access_count = 2000000, .key_count = 200000, .zipf = 0.9},
		20000);
	run_made("zipf_scan",
		&(struct load_conf){.seed = 2,
			.access_count = 2000000,
			.key_count = 200000,
			.zipf = 0.9,
			.scan_percent = 20},
		20000);
	run_made("zipf_ttl",
		&(struct load_conf){.seed = 3,
			.access_count = 2000000,
			.key_count = 200000,
			.zipf = 0.9,
			.scan_percent = 10,
			.ttl_s = {0, 20, 100, 500}},
		20000);
	if (folder && *folder) {
		run_trace(folder, "web07", "web07");
		run_trace(folder, "orm-busy", "orm_busy");
	} else {
		printf("absent hits.web07*: TRACES= names no folder\n"
		       "absent hits.orm_busy*: TRACES= names no folder\n");
	}
	return 0;
}
