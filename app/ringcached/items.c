// SPDX-License-Identifier: BSD-3-Clause
// Memory for the items, and the restart file: what the last server left, what the next one finds

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "app.h"
#include "base/log.h"

LOG_TYPE("items");

#define MIB ((uint64_t)1024 * 1024)

static int fail(const char *what)
{
	fprintf(stderr, "ringcached: %s\n", what);
	return -1;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double ms_per_gib(double ms, uint64_t bytes)
{
	return bytes ? ms * (double)(1024 * MIB) / (double)bytes : 0;
}

// Hugepages for the items where there are enough of them; else the store takes
// ordinary pages itself.
static void map_hugepages(struct app *app)
{
	struct hugemem *h = &app->store_mem;

	snprintf(app->store_text, sizeof(app->store_text), "ordinary pages");
	if (app->cfg.memory.hugepages == CFG_HUGEPAGES_off ||
		!hugemem_map(h, app->cfg.memory.memory_mb * MIB, app->port[0].socket_id))
		return;
	snprintf(app->store_text, sizeof(app->store_text), "%zu hugepages of %zu MiB",
		h->size / h->page_size, h->page_size / (size_t)MIB);
	if (app->port[0].socket_id < 0 || h->node < 0)
		return;
	if (h->node != app->port[0].socket_id || h->remote_percent)
		LOG(WARNING,
			"port %s is on NUMA node %d, and %u %% of the items' memory is elsewhere: "
			"reserve hugepages on node %d",
			app->port[0].name, app->port[0].socket_id,
			h->node == app->port[0].socket_id ? h->remote_percent
							  : 100 - h->remote_percent,
			app->port[0].socket_id);
}

static int open_file(struct app *app)
{
	const char *path = app->cfg.memory.restart_file.s;
	char err[STORE_FILE_ERR_SIZE], line[STORE_FILE_ERR_SIZE + 32];

	if (store_file_open(&app->store_file, path, app->cfg.memory.memory_mb * MIB, err)) {
		snprintf(line, sizeof(line), "restart-file: %s", err);
		return fail(line);
	}
	if (app->cfg.memory.hugepages == CFG_HUGEPAGES_require && !app->store_file.is_hugetlbfs)
		return fail("hugepages=require: restart-file is not on hugetlbfs");
	if (!app->store_file.is_memory)
		LOG(WARNING,
			"restart-file %s is not on hugetlbfs or tmpfs: the kernel writes every "
			"change to the disk, which is slow",
			path);
	snprintf(app->store_text, sizeof(app->store_text), "the restart file, %s pages",
		app->store_file.is_hugetlbfs ? "huge" : "ordinary");
	return 0;
}

static void log_found(const char *path, const struct store_found *found, double ms)
{
	double mib = (double)found->bytes / (double)MIB;

	if (found->crashed)
		LOG(NOTICE,
			"restart-file %s: its server did not end in order: %" PRIu64
			" items found by their records, %" PRIu64 " lost; %.1f MiB read in %.1f ms",
			path, found->items, found->items_lost, mib, ms);
	else
		LOG(NOTICE,
			"restart-file %s: %" PRIu64 " items are back, stored by version %s; "
			"%.1f MiB checked in %.1f ms (%.0f ms per GiB)",
			path, found->items, found->build, mib, ms, ms_per_gib(ms, found->bytes));
}

// The store with the items in the file. 0 with app->store NULL: it starts empty.
static int attach(struct app *app, const struct store_conf *conf)
{
	const char *path = app->cfg.memory.restart_file.s, *why = app->store_file.unlike;
	char err[STORE_FILE_ERR_SIZE];
	struct store_found found;
	double start_ms = now_ms();

	if (app->store_file.was_there) {
		app->store = store_attach(conf, &found, &why);
		if (app->store) {
			log_found(path, &found, now_ms() - start_ms);
			return 0;
		}
		if (found.bad_conf)
			return fail(why);
		if (store_file_clear(&app->store_file, err))
			return fail(err);
	}
	if (*why)
		LOG(NOTICE, "restart-file %s starts empty: %s", path, why);
	else
		LOG(INFO, "restart-file %s is new", path);
	return 0;
}

int app_store_open(struct app *app)
{
	bool keep = app->cfg.memory.restart_file.s[0] != '\0';
	struct store_conf conf = {
		.mem_limit_bytes = app->cfg.memory.memory_mb * MIB,
		.item_size_max = (uint32_t)app->cfg.memory.item_size_max,
		.hash_items = app->cfg.memory.hash_items,
		.no_evictions = !app->cfg.memory.evictions,
		.no_cas = !app->cfg.memory.cas,
		.ctx_count_max = app->worker_count,
		.now_s = (uint32_t)(app->unix_us_at_zero / 1000000),
		.keep = keep,
		.build = RINGCACHED_VERSION,
	};
	const char *err = NULL;

	if (getrandom(&conf.hash_key, sizeof(conf.hash_key), 0) != sizeof(conf.hash_key))
		return fail("no random numbers from the kernel");
	if (keep) {
		if (open_file(app))
			return -1;
		store_file_boot_id(conf.boot_id);
		conf.mem = app->store_file.mem;
		if (attach(app, &conf))
			return -1;
	} else {
		map_hugepages(app);
		if (!app->store_mem.mem && app->cfg.memory.hugepages == CFG_HUGEPAGES_require)
			return fail("hugepages=require: too few hugepages are free for memory-mb");
		conf.mem = app->store_mem.mem;
	}
	if (!app->store)
		app->store = store_create(&conf, &err);
	return app->store ? 0 : fail(err ? err : "no memory for the item store");
}

static void seal(struct app *app)
{
	double start_ms = now_ms(), ms;
	struct store_usage u;
	uint64_t bytes;

	store_usage(app->store, &u);
	bytes = store_seal(app->store);
	ms = now_ms() - start_ms;
	LOG(NOTICE,
		"restart-file %s: %" PRIu64 " items sealed; %.1f MiB in %.1f ms (%.0f ms per GiB)",
		app->cfg.memory.restart_file.s, u.curr_items, (double)bytes / (double)MIB, ms,
		ms_per_gib(ms, bytes));
}

void app_store_close(struct app *app)
{
	if (app->store && app->store_file.mem)
		seal(app);
	store_destroy(app->store);
	hugemem_unmap(&app->store_mem);
	if (app->store_file.mem)
		store_file_close(&app->store_file);
}
