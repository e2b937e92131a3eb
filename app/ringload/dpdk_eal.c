// SPDX-License-Identifier: BSD-3-Clause
// EAL for the DPDK engine: arguments from the options, and no traces left behind

#include <dirent.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpdk.h"
#include "port/eal_args.h"

static bool user_gave(const struct options *o, const char *const *names)
{
	for (int i = 0; i < o->eal_argc; i++)
		if (eal_arg_is_one_of(o->eal_argv[i], names))
			return true;
	return false;
}

static void choose_memory(const struct dpdk_state *st, uint32_t mbufs, struct eal_args *a)
{
	const struct options *o = &st->run->opt;
	uint64_t need_mb = eal_packet_memory_mb(mbufs, o->mtu);

	if (user_gave(o, eal_memory_args))
		return;
	if (o->hugepages && eal_hugetlbfs_mounted() && eal_hugepages_free_mb() >= need_mb) {
		eal_args_add(a, "--in-memory");
		return;
	}
	eal_args_add(a, "--no-huge");
	eal_args_add(a, "-m");
	eal_args_add(a, "%llu", (unsigned long long)need_mb);
}

// lcore 0 watches; each generator has a CPU of its own where there are enough and it spins.
static void choose_lcores(const struct run *run, struct eal_args *a)
{
	if (!user_gave(&run->opt, eal_lcore_args))
		eal_args_lcores(a, run->opt.threads, run->sleeps);
}

static void choose_device(const struct options *o, struct eal_args *a)
{
	if (o->device && eal_device_is_pci(o->device)) {
		eal_args_add(a, "-a");
		eal_args_add(a, "%s", o->device);
	} else if (o->device) {
		eal_args_add(a, "--vdev=%s", o->device);
		if (!user_gave(o, eal_pci_args))
			eal_args_add(a, "--no-pci");
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
	eal_args_add(a, "ringload");
	choose_lcores(st->run, a);
	choose_device(o, a);
	choose_memory(st, mbufs, a);
	eal_args_add(a, "--log-level=*:warning");
	eal_args_add(a, "--log-level=lib.telemetry:error");
	eal_args_add(a, "--no-telemetry");
	if (own_prefix)
		eal_args_add(a, "--file-prefix=ringload-%d", (int)getpid());
	for (int i = 0; i < o->eal_argc; i++)
		eal_args_add(a, "%s", o->eal_argv[i]);
	st->eal_args = a;
	st->eal_up = rte_eal_init(a->count, a->argv) >= 0;
	if (own_prefix)
		snprintf(st->runtime_dir, sizeof(st->runtime_dir), "%s", rte_eal_get_runtime_dir());
	if (!st->eal_up) {
		snprintf(err, RINGLOAD_ERR_SIZE, "EAL does not start: %s (its messages are above)",
			rte_strerror(rte_errno));
		return -1;
	}
	return 0;
}

// EAL leaves its runtime folder; ours has the process id in its name and is of no use to anybody.
void dpdk_eal_cleanup(struct dpdk_state *st)
{
	DIR *dir;

	if (st->eal_up)
		rte_eal_cleanup();
	free(st->eal_args);
	dir = st->runtime_dir[0] ? opendir(st->runtime_dir) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir) {
		closedir(dir);
		rmdir(st->runtime_dir);
	}
}
