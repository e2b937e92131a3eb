// SPDX-License-Identifier: BSD-3-Clause
// Arguments for rte_eal_init, and what the machine offers: CPUs, hugepages

#include "port/eal_args.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "port/hugemem.h"

#define MBUF_OVERHEAD 2432 // headers, headroom and the pool's own, per packet
#define EXTRA_MB 64

const char *const eal_lcore_args[] = {"-l", "-c", "--lcores", "-S", NULL};
const char *const eal_memory_args[] = {
	"--no-huge", "-m", "--socket-mem", "--in-memory", "--huge-dir", "--legacy-mem", NULL};
const char *const eal_pci_args[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};

void eal_args_add(struct eal_args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->count == EAL_ARGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(a->text[a->count], EAL_ARG_SIZE, fmt, ap);
	va_end(ap);
	a->argv[a->count] = a->text[a->count];
	a->argv[++a->count] = NULL;
}

bool eal_arg_is_one_of(const char *arg, const char *const *names)
{
	for (; *names; names++)
		if (strncmp(arg, *names, strlen(*names)) == 0)
			return true;
	return false;
}

bool eal_args_lcores(struct eal_args *a, unsigned count, bool share)
{
	unsigned cpu_of[CPU_SETSIZE] = {0}, cpu_count = 0, n = 0;
	char list[EAL_ARG_SIZE / 2] = "", map[EAL_ARG_SIZE - 16];
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_SET(0, &set); // more CPUs than a cpu_set_t holds: leave the choice to the user
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < sizeof(list) - 8; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		n += (unsigned)snprintf(list + n, sizeof(list) - n, "%s%u", n ? "," : "", cpu);
		cpu_of[cpu_count++] = cpu;
	}
	if (share || cpu_count < count + 1) {
		eal_args_add(a, "--lcores=(0-%u)@(%s)", count, list);
		return true;
	}
	n = (unsigned)snprintf(map, sizeof(map), "0@(%s)", list);
	for (unsigned i = 1; i <= count && n < sizeof(map); i++)
		n += (unsigned)snprintf(map + n, sizeof(map) - n, ",%u@%u", i, cpu_of[i]);
	eal_args_add(a, "--lcores=%s", map);
	return false;
}

bool eal_device_is_pci(const char *device)
{
	unsigned a, b, c, d;

	return sscanf(device, "%x:%x:%x.%x", &a, &b, &c, &d) == 4 ||
	       sscanf(device, "%x:%x.%x", &a, &b, &c) == 3;
}

uint64_t eal_hugepages_free_mb(void)
{
	struct hugemem_kind kind[HUGEMEM_KINDS_MAX];
	unsigned n = hugemem_kinds(kind, HUGEMEM_KINDS_MAX);
	uint64_t mb = 0;

	for (unsigned i = 0; i < n; i++)
		mb += kind[i].free_count * kind[i].page_size / (1024 * 1024);
	return mb;
}

bool eal_hugetlbfs_mounted(void)
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

uint64_t eal_packet_memory_mb(uint32_t mbufs, uint32_t mtu)
{
	return mbufs * (uint64_t)(MBUF_OVERHEAD + mtu) / (1024 * 1024) + EXTRA_MB;
}
