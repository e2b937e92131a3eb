// SPDX-License-Identifier: BSD-3-Clause
// The file in which a store is kept: found or made, locked, and mapped
//
// On hugetlbfs or tmpfs it is memory that outlives the process. Elsewhere it works as
// well, but the kernel writes every page that changes to the disk.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_FILE_ERR_SIZE 256

struct store_file {
	int fd;
	void *mem; // size bytes, shared
	size_t size; // rounded up to pages of the file system
	bool was_there; // with content: try store_attach, then store_file_clear
	bool is_hugetlbfs;
	bool is_memory; // hugetlbfs or a tmpfs; false: slow
	char unlike[96]; // not empty: why the old content does not count (it is gone)
};

// Open path, or make it with mode 0600, for bytes of memory, and map it. A file that is in
// use, that is of somebody else, or that is none of ours is refused. One of ours with another
// size is emptied. 0, or -1 and err = one sentence.
int store_file_open(
	struct store_file *f, const char *path, uint64_t bytes, char err[STORE_FILE_ERR_SIZE]);

// All of mem reads as zero again. 0, or -1 and err.
int store_file_clear(struct store_file *f, char err[STORE_FILE_ERR_SIZE]);

// Unmap and unlock; the file stays.
void store_file_close(struct store_file *f);

// The name that this run of the machine has; zeros if the kernel does not say.
void store_file_boot_id(uint8_t id[16]);
