// SPDX-License-Identifier: BSD-3-Clause
// ringcached: a memcached-compatible cache server that owns its NIC

#include <rte_cycles.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app.h"

extern char **environ;

// Microseconds of the workers' clock start at one second: zero stays free for "never".
#define CLOCK_START_US 1000000

static void clock_start(struct app *app)
{
	uint64_t hz = rte_get_tsc_hz();
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	app->clock.ns_per_tick_q32 =
		(uint64_t)((((unsigned __int128)1000000000 << 32) + hz / 2) / hz);
	app->clock.tsc_at_zero = rte_rdtsc() - hz * CLOCK_START_US / 1000000;
	app->unix_us_at_zero =
		(uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 - CLOCK_START_US;
}

// Signals are for the control lcore alone: blocked before EAL makes its threads.
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

// The options, or what to print instead of serving. Returns -1 to go on, or the exit status.
static int configure(struct app *app, int argc, char **argv)
{
	char err[CFG_ERR_SIZE];

	switch (cfg_load(&app->cfg, argc, argv, environ, err)) {
	case CFG_ERROR:
		fprintf(stderr, "%s\n", err);
		return 2;
	case CFG_HELP:
		cfg_print_help(stdout);
		return 0;
	case CFG_VERSION:
		printf("ringcached %s (speaks memcached %s)\n", RINGCACHED_VERSION,
			RINGCACHED_COMPAT_VERSION);
		return 0;
	case CFG_CHECK_ONLY:
		printf("configuration is valid\n");
		return 0;
	case CFG_DUMP:
		cfg_print_effective(stdout, &app->cfg);
		return 0;
	case CFG_RUN:
		break;
	}
	for (unsigned i = 0; i < app->cfg.warnings.count; i++)
		fprintf(stderr, "%s\n", app->cfg.warnings.line[i]);
	return -1;
}

static int serve(struct app *app, const char *program)
{
	int status = 1;

	if (app_eal_init(app, program))
		return 1;
	clock_start(app);
	if (app_topology(app) == 0 && app_build(app) == 0) {
		app_topology_log(app);
		status = control_run(app);
	}
	app_teardown(app);
	rte_eal_cleanup();
	return status;
}

int main(int argc, char **argv)
{
	struct app *app;
	int status;

	if (posix_memalign((void **)&app, 64, sizeof(*app)))
		return 1;
	*app = (struct app){0};
	status = configure(app, argc, argv);
	if (status < 0) {
		block_signals();
		status = serve(app, argv[0]);
	}
	free(app);
	return status;
}
