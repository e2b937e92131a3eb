// SPDX-License-Identifier: BSD-3-Clause
// EAL arguments from the configuration: lcores, memory, devices

#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "port/eal_args.h"

static bool user_gave(const struct cfg_eal *eal, const char *const *names)
{
	for (unsigned i = 0; i < eal->count; i++)
		if (eal_arg_is_one_of(eal->arg[i], names))
			return true;
	return false;
}

static int choose_memory(struct app *app, struct eal_args *a)
{
	static const char *const no_huge[] = {"--no-huge", NULL};
	uint64_t need_mb = eal_packet_memory_mb(app->cfg.port.mbufs, app->cfg.port.mtu);
	uint64_t have_mb = eal_hugepages_free_mb();
	bool mounted = eal_hugetlbfs_mounted();

	if (user_gave(&app->cfg.eal, eal_memory_args)) {
		app->hugepages = !user_gave(&app->cfg.eal, no_huge);
		snprintf(app->memory_text, sizeof(app->memory_text), "as the EAL arguments say");
		return 0;
	}
	app->hugepages =
		app->cfg.memory.hugepages != CFG_HUGEPAGES_off && mounted && have_mb >= need_mb;
	if (app->hugepages) {
		snprintf(app->memory_text, sizeof(app->memory_text),
			"hugepages (%llu MiB free, packets need %llu)", (unsigned long long)have_mb,
			(unsigned long long)need_mb);
		return 0;
	}
	if (app->cfg.memory.hugepages == CFG_HUGEPAGES_require) {
		fprintf(stderr,
			"ringcached: hugepages=require: %s (%llu MiB free, packets need %llu)\n",
			mounted ? "too few are free" : "no hugetlbfs is mounted",
			(unsigned long long)have_mb, (unsigned long long)need_mb);
		return -1;
	}
	snprintf(app->memory_text, sizeof(app->memory_text), "no hugepages (%s)",
		app->cfg.memory.hugepages == CFG_HUGEPAGES_off ? "hugepages=off"
		: !mounted                                     ? "no hugetlbfs is mounted"
							       : "too few are free");
	eal_args_add(a, "--no-huge");
	eal_args_add(a, "-m");
	eal_args_add(a, "%llu", (unsigned long long)need_mb);
	return 0;
}

// lcore 0 is control, then the RX lcores, then the workers.
static void choose_lcores(struct app *app, struct eal_args *a)
{
	if (!user_gave(&app->cfg.eal, eal_lcore_args))
		app->oversubscribed = eal_args_lcores(
			a, app->cfg.server.rx_lcores + app->cfg.server.threads, false);
}

static void choose_devices(const struct app *app, struct eal_args *a)
{
	bool any_pci = app->cfg.port.device.count == 0;

	for (unsigned i = 0; i < app->cfg.port.device.count; i++) {
		const char *dev = app->cfg.port.device.item[i];

		if (eal_device_is_pci(dev)) {
			any_pci = true;
			eal_args_add(a, "-a");
			eal_args_add(a, "%s", dev);
		} else {
			eal_args_add(a, "--vdev=%s", dev);
		}
	}
	if (!any_pci && !user_gave(&app->cfg.eal, eal_pci_args))
		eal_args_add(a, "--no-pci");
}

static void choose_log_level(const struct app *app, struct eal_args *a)
{
	static const char *const level[] = {"notice", "info", "debug", "debug"};
	unsigned v = app->cfg.server.verbosity;

	// EAL's own libraries are quieter than we are: their errors and warnings are enough.
	eal_args_add(a, "--log-level=*:%s", v >= 3 ? "debug" : v >= 2 ? "info" : "warning");
	eal_args_add(a, "--log-level=lib.telemetry:error");
	eal_args_add(a, "--log-level=ringcached.*:%s", v == 0 ? "info" : level[v]);
}

int app_eal_init(struct app *app, const char *program)
{
	struct eal_args *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -1;
	eal_args_add(a, "%s", program);
	choose_lcores(app, a);
	choose_devices(app, a);
	choose_log_level(app, a);
	if (choose_memory(app, a)) {
		free(a);
		return -1;
	}
	for (unsigned i = 0; i < app->cfg.eal.count; i++)
		eal_args_add(a, "%s", app->cfg.eal.arg[i]);
	if (app->cfg.server.verbosity > 0) {
		fprintf(stderr, "ringcached: EAL arguments:");
		for (int i = 1; i < a->count; i++)
			fprintf(stderr, " %s", a->argv[i]);
		fprintf(stderr, "\n");
	}
	rc = rte_eal_init(a->count, a->argv);
	// EAL keeps pointers into the arguments: a stays until the process ends.
	if (rc < 0)
		fprintf(stderr,
			"ringcached: EAL does not start: %s (its messages are above; --verbosity=1 "
			"shows its arguments)\n",
			rte_strerror(rte_errno));
	return rc < 0 ? -1 : 0;
}
