// SPDX-License-Identifier: BSD-3-Clause
// EAL arguments from the configuration: lcores, memory, devices

#include <dirent.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"

#define ARGS_MAX (CFG_EAL_ARGS_MAX + CFG_STRINGS_MAX + 16)
#define ARG_SIZE 512
#define NO_HUGE_EXTRA_MB 64 // rings, hash tables and EAL's own

struct eal_args {
	int count;
	char text[ARGS_MAX][ARG_SIZE];
	char *argv[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct eal_args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->count == ARGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(a->text[a->count], ARG_SIZE, fmt, ap);
	va_end(ap);
	a->argv[a->count] = a->text[a->count];
	a->argv[++a->count] = NULL;
}

static bool user_gave(const struct cfg_eal *eal, const char *const *names)
{
	for (unsigned i = 0; i < eal->count; i++)
		for (unsigned j = 0; names[j]; j++)
			if (strncmp(eal->arg[i], names[j], strlen(names[j])) == 0)
				return true;
	return false;
}

static bool looks_like_pci(const char *device)
{
	unsigned a, b, c, d;

	return sscanf(device, "%x:%x:%x.%x", &a, &b, &c, &d) == 4 ||
	       sscanf(device, "%x:%x.%x", &a, &b, &c) == 3;
}

// Free hugepage memory of all sizes, in MiB.
static uint64_t free_hugepages_mb(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	uint64_t mb = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char path[400];
		unsigned long long kb, n = 0;
		FILE *f;

		if (sscanf(e->d_name, "hugepages-%llukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			e->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%llu", &n) == 1)
			mb += n * kb / 1024;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return mb;
}

static bool hugetlbfs_mounted(void)
{
	FILE *f = fopen("/proc/mounts", "r");
	char line[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " hugetlbfs ") != NULL;
	if (f)
		fclose(f);
	return found;
}

// What the packet buffers take: 2.3 KB each and some slack.
static uint64_t packet_memory_mb(const struct cfg *cfg)
{
	return cfg->port.mbufs * (2432ULL + cfg->port.mtu) / (1024 * 1024) + NO_HUGE_EXTRA_MB;
}

static int choose_memory(struct app *app, struct eal_args *a)
{
	static const char *const memory_args[] = {"--no-huge", "-m", "--socket-mem", "--in-memory",
		"--huge-dir", "--legacy-mem", NULL};
	static const char *const no_huge[] = {"--no-huge", NULL};
	uint64_t need_mb = packet_memory_mb(&app->cfg), have_mb = free_hugepages_mb();
	bool mounted = hugetlbfs_mounted();

	if (user_gave(&app->cfg.eal, memory_args)) {
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
	add(a, "--no-huge");
	add(a, "-m");
	add(a, "%llu", (unsigned long long)need_mb);
	return 0;
}

// lcore 0 is control, then the RX lcores, then the workers. Each but control has a CPU
// of its own where there are enough; else all float over what we may use.
static void choose_lcores(struct app *app, struct eal_args *a)
{
	static const char *const lcore_args[] = {"-l", "-c", "--lcores", "-S", NULL};
	unsigned need = app->cfg.server.rx_lcores + app->cfg.server.threads, cpu_count = 0, n = 0;
	char list[1024], map[4096];
	unsigned cpu_of[CPU_SETSIZE] = {0};
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_SET(0, &set); // more CPUs than a cpu_set_t holds: leave the choice to the user
	list[0] = '\0';
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		cpu_of[cpu_count] = cpu;
		n += (unsigned)snprintf(
			list + n, sizeof(list) - n, "%s%u", cpu_count ? "," : "", cpu);
		cpu_count++;
		if (n >= sizeof(list) - 8)
			break;
	}
	app->oversubscribed = cpu_count < need + 1;
	if (user_gave(&app->cfg.eal, lcore_args)) {
		app->oversubscribed = false;
		return;
	}
	n = (unsigned)snprintf(map, sizeof(map), "0@(%s)", list);
	for (unsigned i = 1; i <= need && n < sizeof(map); i++) {
		if (app->oversubscribed)
			n += (unsigned)snprintf(map + n, sizeof(map) - n, ",%u@(%s)", i, list);
		else
			n += (unsigned)snprintf(map + n, sizeof(map) - n, ",%u@%u", i, cpu_of[i]);
	}
	if (app->oversubscribed && n > ARG_SIZE - 16)
		snprintf(map, sizeof(map), "(0-%u)@(%s)", need, list);
	add(a, "--lcores=%s", map);
}

static void choose_devices(const struct app *app, struct eal_args *a)
{
	static const char *const pci_args[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};
	bool any_pci = app->cfg.port.device.count == 0;

	for (unsigned i = 0; i < app->cfg.port.device.count; i++) {
		const char *dev = app->cfg.port.device.item[i];

		if (looks_like_pci(dev)) {
			any_pci = true;
			add(a, "-a");
			add(a, "%s", dev);
		} else {
			add(a, "--vdev=%s", dev);
		}
	}
	if (!any_pci && !user_gave(&app->cfg.eal, pci_args))
		add(a, "--no-pci");
}

static void choose_log_level(const struct app *app, struct eal_args *a)
{
	static const char *const level[] = {"notice", "info", "debug", "debug"};
	unsigned v = app->cfg.server.verbosity;

	// EAL's own libraries are quieter than we are: their errors and warnings are enough.
	add(a, "--log-level=*:%s", v >= 3 ? "debug" : v >= 2 ? "info" : "warning");
	add(a, "--log-level=lib.telemetry:error");
	add(a, "--log-level=ringcached.*:%s", v == 0 ? "info" : level[v]);
}

int app_eal_init(struct app *app, const char *program)
{
	struct eal_args *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -1;
	add(a, "%s", program);
	choose_lcores(app, a);
	choose_devices(app, a);
	choose_log_level(app, a);
	if (choose_memory(app, a)) {
		free(a);
		return -1;
	}
	for (unsigned i = 0; i < app->cfg.eal.count; i++)
		add(a, "%s", app->cfg.eal.arg[i]);
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
