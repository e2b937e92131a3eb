// SPDX-License-Identifier: BSD-3-Clause
// EAL for the DPDK engine: arguments from the options, and no traces left behind

#include <dirent.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpdk.h"

#define ARGS_MAX 96
#define ARG_SIZE 1024
#define EXTRA_MB 64 // rings and EAL's own

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

static bool user_gave(const struct options *o, const char *const *names)
{
	for (int i = 0; i < o->eal_argc; i++)
		for (unsigned j = 0; names[j]; j++)
			if (strncmp(o->eal_argv[i], names[j], strlen(names[j])) == 0)
				return true;
	return false;
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

static unsigned long long free_hugepages_mb(void)
{
	static const char path[] = "/sys/kernel/mm/hugepages";
	unsigned long long mb = 0;
	DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		unsigned long long kb, n = 0;
		char name[400];
		FILE *f;

		if (sscanf(e->d_name, "hugepages-%llukB", &kb) != 1)
			continue;
		snprintf(name, sizeof(name), "%s/%s/free_hugepages", path, e->d_name);
		f = fopen(name, "r");
		if (f && fscanf(f, "%llu", &n) == 1)
			mb += n * kb / 1024;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return mb;
}

static void choose_memory(const struct dpdk_state *st, uint32_t mbufs, struct eal_args *a)
{
	static const char *const given[] = {"--no-huge", "-m", "--socket-mem", "--in-memory",
		"--huge-dir", "--legacy-mem", NULL};
	const struct options *o = &st->run->opt;
	unsigned long long need_mb = mbufs * (2432ULL + o->mtu) / (1024 * 1024) + EXTRA_MB;

	if (user_gave(o, given))
		return;
	if (o->hugepages && hugetlbfs_mounted() && free_hugepages_mb() >= need_mb) {
		add(a, "--in-memory");
		return;
	}
	add(a, "--no-huge");
	add(a, "-m");
	add(a, "%llu", need_mb);
}

// lcore 0 watches; each generator has a CPU of its own where there are enough and it spins.
static void choose_lcores(const struct run *run, struct eal_args *a)
{
	const struct options *o = &run->opt;
	static const char *const given[] = {"-l", "-c", "--lcores", "-S", NULL};
	char list[512] = "", map[ARG_SIZE - 16];
	unsigned cpu_of[CPU_SETSIZE], cpus = 0, n = 0;
	cpu_set_t set;

	if (user_gave(o, given))
		return;
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < sizeof(list) - 8; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		n += (unsigned)snprintf(list + n, sizeof(list) - n, "%s%u", cpus ? "," : "", cpu);
		cpu_of[cpus++] = cpu;
	}
	if (run->sleeps || cpus < o->threads + 1) {
		add(a, "--lcores=(0-%u)@(%s)", o->threads, list);
		return;
	}
	n = (unsigned)snprintf(map, sizeof(map), "0@(%s)", list);
	for (unsigned i = 1; i <= o->threads && n < sizeof(map); i++)
		n += (unsigned)snprintf(map + n, sizeof(map) - n, ",%u@%u", i, cpu_of[i]);
	add(a, "--lcores=%s", map);
}

static void choose_device(const struct options *o, struct eal_args *a)
{
	static const char *const given[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};
	unsigned b, c, d, e;
	bool pci = o->device && (sscanf(o->device, "%x:%x:%x.%x", &b, &c, &d, &e) == 4 ||
					sscanf(o->device, "%x:%x.%x", &b, &c, &d) == 3);

	if (pci) {
		add(a, "-a");
		add(a, "%s", o->device);
	} else if (o->device) {
		add(a, "--vdev=%s", o->device);
		if (!user_gave(o, given))
			add(a, "--no-pci");
	}
}

int dpdk_eal_init(struct dpdk_state *st, uint32_t mbufs, char err[RINGLOAD_ERR_SIZE])
{
	static const char *const prefix[] = {"--file-prefix", NULL};
	const struct options *o = &st->run->opt;
	struct eal_args *a = calloc(1, sizeof(*a));
	bool own_prefix = !user_gave(o, prefix);

	if (!a) {
		snprintf(err, RINGLOAD_ERR_SIZE, "out of memory");
		return -1;
	}
	add(a, "ringload");
	choose_lcores(st->run, a);
	choose_device(o, a);
	choose_memory(st, mbufs, a);
	add(a, "--log-level=*:warning");
	add(a, "--log-level=lib.telemetry:error");
	add(a, "--no-telemetry");
	if (own_prefix)
		add(a, "--file-prefix=ringload-%d", (int)getpid());
	for (int i = 0; i < o->eal_argc; i++)
		add(a, "%s", o->eal_argv[i]);
	// EAL keeps pointers into the arguments: a stays until the process ends.
	if (rte_eal_init(a->count, a->argv) < 0) {
		snprintf(err, RINGLOAD_ERR_SIZE, "EAL does not start: %s (its messages are above)",
			rte_strerror(rte_errno));
		return -1;
	}
	st->eal_up = true;
	if (own_prefix)
		snprintf(st->runtime_dir, sizeof(st->runtime_dir), "%s", rte_eal_get_runtime_dir());
	return 0;
}

// EAL leaves its runtime folder; ours has the process id in its name and is of no use to anybody.
void dpdk_eal_cleanup(struct dpdk_state *st)
{
	DIR *dir;

	if (!st->eal_up)
		return;
	rte_eal_cleanup();
	dir = st->runtime_dir[0] ? opendir(st->runtime_dir) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir) {
		closedir(dir);
		rmdir(st->runtime_dir);
	}
}
