// SPDX-License-Identifier: BSD-3-Clause
// What an administrator may ask a live server, over DPDK's telemetry socket
//
//   /ringcached/stats          every counter, module by module
//   /ringcached/latency        histograms of the stages of a packet, as a scraper wants them
//   /ringcached/store          how full the memory is
//   /ringcached/store/check    stop the workers, walk every invariant, go on
//
// The socket is open to the user of the process alone, so that a client of the cache cannot
// stop the workers. DPDK calls from threads of its own: `open` says, under the lock, whether
// there is an app to look at.

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_telemetry.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "base/log.h"

LOG_TYPE("admin");

#define PAUSE_TIMEOUT_US 1000000
#define PAUSE_POLL_US 50
#define LATENCY_BOUND_MIN 7 // 128 ns
#define LATENCY_BOUND_MAX 34 // 17 s

static struct {
	pthread_mutex_t lock;
	struct app *app; // NULL: not yet, or no more
} admin = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void sleep_us(unsigned us)
{
	struct timespec ts = {.tv_nsec = us * 1000L};

	nanosleep(&ts, NULL);
}

// ---- workers that stand still

void app_pause_turn(struct worker_lcore *wl)
{
	const struct app *app = wl->app;

	worker_offline(wl->worker);
	atomic_store_explicit(&wl->paused, true, memory_order_release);
	while (atomic_load_explicit(&app->pause, memory_order_acquire) &&
		!atomic_load_explicit(&app->stop, memory_order_relaxed))
		sleep_us(PAUSE_POLL_US);
	atomic_store_explicit(&wl->paused, false, memory_order_release);
	worker_online(wl->worker);
}

static bool all_workers(const struct app *app, bool paused)
{
	for (unsigned i = 0; i < app->worker_count; i++)
		if (atomic_load_explicit(&app->worker[i].paused, memory_order_acquire) != paused)
			return false;
	return true;
}

// True: no worker touches the store until resume().
static bool pause_workers(struct app *app)
{
	uint64_t deadline_us = app_now_us(&app->clock) + PAUSE_TIMEOUT_US;

	atomic_store_explicit(&app->pause, true, memory_order_release);
	while (!all_workers(app, true) && app_now_us(&app->clock) < deadline_us)
		sleep_us(PAUSE_POLL_US);
	return all_workers(app, true);
}

static void resume(struct app *app)
{
	atomic_store_explicit(&app->pause, false, memory_order_release);
	// A second pause must not take this one's answer for its own.
	while (!all_workers(app, false) && !atomic_load_explicit(&app->stop, memory_order_relaxed))
		sleep_us(PAUSE_POLL_US);
}

// ---- the answers

static int answer_check(struct app *app, struct rte_tel_data *d)
{
	uint64_t start_us = app_now_us(&app->clock), us;
	const char *what = "";
	bool paused = pause_workers(app), good = paused && store_check(app->store, &what);
	struct store_usage u;

	store_usage(app->store, &u);
	resume(app);
	us = app_now_us(&app->clock) - start_us;
	rte_tel_data_start_dict(d);
	if (!paused) {
		rte_tel_data_add_dict_string(d, "result", "a worker did not stop in time");
		return 0;
	}
	rte_tel_data_add_dict_string(d, "result", good ? "good" : "broken");
	if (!good)
		rte_tel_data_add_dict_string(d, "broken_law", what);
	rte_tel_data_add_dict_u64(d, "items", u.curr_items);
	rte_tel_data_add_dict_u64(d, "stopped_us", us);
	if (good)
		LOG(NOTICE, "the store is checked: %llu items, workers stopped for %llu us",
			(unsigned long long)u.curr_items, (unsigned long long)us);
	else
		LOG(ERR, "the store is broken: \"%s\" does not hold", what);
	return 0;
}

static int answer_store(struct app *app, struct rte_tel_data *d)
{
	struct store_usage u;

	store_usage(app->store, &u);
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "memory", app->store_text);
	rte_tel_data_add_dict_u64(d, "mem_limit_bytes", u.mem_limit_bytes);
	rte_tel_data_add_dict_u64(d, "items", u.curr_items);
	rte_tel_data_add_dict_u64(d, "record_bytes", u.bytes);
	rte_tel_data_add_dict_u64(d, "payload_bytes", u.payload_bytes);
	rte_tel_data_add_dict_u64(d, "index_bytes", u.index_bytes);
	rte_tel_data_add_dict_u64(d, "segment_bytes", u.segment_size);
	rte_tel_data_add_dict_u64(d, "segments", u.segment_count);
	rte_tel_data_add_dict_u64(d, "segments_free", u.segment_free_count);
	rte_tel_data_add_dict_u64(d, "segments_pinned", u.segment_pinned_count);
	return 0;
}

// One container per module, for as long as its counters come.
struct stats_answer {
	struct rte_tel_data *all, *of_module;
	const char *module;
};

static void add_counter(void *arg, const char *module, const struct stat_desc *desc, uint64_t sum,
	const uint64_t *per_instance, unsigned n)
{
	struct stats_answer *a = arg;

	if (!a->module || strcmp(a->module, module) != 0) {
		a->module = module;
		a->of_module = rte_tel_data_alloc();
		if (!a->of_module)
			return;
		rte_tel_data_start_dict(a->of_module);
		rte_tel_data_add_dict_container(a->all, module, a->of_module, 0);
	}
	if (a->of_module)
		rte_tel_data_add_dict_u64(a->of_module, desc->name, sum);
}

static int answer_stats(struct app *app, struct rte_tel_data *d)
{
	struct stats_answer a = {.all = d};

	rte_tel_data_start_dict(d);
	stats_walk(app->stats, add_counter, &a);
	return 0;
}

// Cumulative, in the manner of Prometheus: le_N is how many took less than N nanoseconds.
static void add_latency(void *arg, const char *name, const char *help, const struct latency *merged)
{
	struct rte_tel_data *all = arg, *d = rte_tel_data_alloc();
	char bound[24];

	if (!d)
		return;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "help", help);
	for (unsigned bits = LATENCY_BOUND_MIN; bits <= LATENCY_BOUND_MAX; bits++) {
		snprintf(bound, sizeof(bound), "le_%llu", 1ULL << bits);
		rte_tel_data_add_dict_u64(d, bound, latency_count_below(merged, bits));
	}
	rte_tel_data_add_dict_u64(d, "count", latency_count(merged));
	rte_tel_data_add_dict_u64(d, "sum_ns", stat_read(&merged->sum_ns));
	rte_tel_data_add_dict_container(all, name, d, 0);
}

static int answer_latency(struct app *app, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
	stats_walk_latency(app->stats, add_latency, d);
	return 0;
}

static const struct command {
	const char *path, *help;
	int (*answer)(struct app *app, struct rte_tel_data *d);
} commands[] = {
	{"/ringcached/stats", "Every counter, module by module. No parameters", answer_stats},
	{"/ringcached/latency",
		"Histograms of the stages of a packet, nanoseconds, cumulative. No parameters",
		answer_latency},
	{"/ringcached/store", "Memory of the items. No parameters", answer_store},
	{"/ringcached/store/check",
		"Stops the workers and checks every invariant of the store, a quarter of a second "
		"for "
		"a million items. No parameters",
		answer_check},
};

static int dispatch(const char *cmd, const char *params, struct rte_tel_data *d)
{
	int rc = -1;

	pthread_mutex_lock(&admin.lock);
	for (size_t i = 0; admin.app && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(cmd, commands[i].path) == 0)
			rc = commands[i].answer(admin.app, d);
	pthread_mutex_unlock(&admin.lock);
	return rc;
}

void app_admin_open(struct app *app)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (rte_telemetry_register_cmd(commands[i].path, dispatch, commands[i].help))
			LOG(WARNING, "telemetry has no place for %s", commands[i].path);
	pthread_mutex_lock(&admin.lock);
	admin.app = app;
	pthread_mutex_unlock(&admin.lock);
}

void app_admin_close(void)
{
	pthread_mutex_lock(&admin.lock);
	admin.app = NULL;
	pthread_mutex_unlock(&admin.lock);
}
