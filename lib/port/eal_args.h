// SPDX-License-Identifier: BSD-3-Clause
// Arguments for rte_eal_init, and what the machine offers: CPUs, hugepages
//
// Start-up only, one thread. EAL keeps pointers into the arguments: a struct eal_args
// lives as long as the process.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EAL_ARGS_MAX 96
#define EAL_ARG_SIZE 4096 // an --lcores map of many CPUs is long

struct eal_args {
	int count;
	char text[EAL_ARGS_MAX][EAL_ARG_SIZE];
	char *argv[EAL_ARGS_MAX + 1]; // NULL behind the last
};

// Past EAL_ARGS_MAX nothing is added: EAL then reports what it misses.
void eal_args_add(struct eal_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// True if arg begins with one of the names (ended by NULL): the user chose that himself.
bool eal_arg_is_one_of(const char *arg, const char *const *names);
// The arguments by which a user chooses lcores, memory, or devices himself.
extern const char *const eal_lcore_args[], *const eal_memory_args[], *const eal_pci_args[];

// "--lcores": lcore 0 floats over the CPUs we may use; lcores 1 .. count have one each where
// there are enough and share is false, else all float. True: they share.
bool eal_args_lcores(struct eal_args *a, unsigned count, bool share);

// A PCI address, as against the name of a virtual device.
bool eal_device_is_pci(const char *device);

// Free hugepage memory of all sizes, and whether EAL could get at it.
uint64_t eal_hugepages_free_mb(void);
bool eal_hugetlbfs_mounted(void);

// What mbufs of this many packets take, with rings, tables and EAL's own.
uint64_t eal_packet_memory_mb(uint32_t mbufs, uint32_t mtu);
