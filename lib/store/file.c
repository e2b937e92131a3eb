// SPDX-License-Identifier: BSD-3-Clause
// Opening, checking, locking and mapping the file of a kept store

#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/store.h"

#define HEAD_LEN 4096

__attribute__((format(printf, 2, 3))) static int fail(
	char err[STORE_FILE_ERR_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, STORE_FILE_ERR_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

static int open_locked(struct store_file *f, const char *path, char *err)
{
	struct stat st;

	// O_NONBLOCK: a FIFO must not make us wait.
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (f->fd < 0)
		return fail(err, "%s cannot be opened: %s", path,
			errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (fstat(f->fd, &st) || !S_ISREG(st.st_mode))
		return fail(err, "%s is no regular file", path);
	if (st.st_uid != geteuid())
		return fail(err, "%s belongs to another user", path);
	if (flock(f->fd, LOCK_EX | LOCK_NB))
		return fail(err, "%s is in use by another server", path);
	// The keys and values of all clients are in it.
	if ((st.st_mode & 07777) != 0600 && fchmod(f->fd, 0600))
		return fail(err, "%s cannot get mode 0600: %s", path, strerror(errno));
	return 0;
}

static uint64_t page_size_of(struct store_file *f)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct statfs fs;

	if (fstatfs(f->fd, &fs))
		return page;
	f->is_hugetlbfs = fs.f_type == HUGETLBFS_MAGIC;
	f->is_memory = f->is_hugetlbfs || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	return f->is_hugetlbfs ? (uint64_t)fs.f_bsize : page;
}

// Its first bytes. On hugetlbfs read(2) works too.
static bool looks_like_ours(const struct store_file *f)
{
	char head[HEAD_LEN] = "";
	ssize_t n = pread(f->fd, head, sizeof(head), 0);
	bool zeros = n > 0;

	for (ssize_t i = 0; i < n && zeros; i++)
		zeros = head[i] == 0;
	return zeros || (n >= 0 && store_is_kept(head, (size_t)n));
}

// Room for all of it now: a page that cannot be had later is a SIGBUS.
static int reserve(struct store_file *f, char *err)
{
	int rc = posix_fallocate(f->fd, 0, (off_t)f->size);

	if (rc)
		return fail(err, "%zu MiB cannot be had there: %s", f->size >> 20,
			rc == ENOSPC && f->is_hugetlbfs ? "too few free hugepages" : strerror(rc));
	return 0;
}

static int empty(struct store_file *f, char *err)
{
	if (ftruncate(f->fd, 0) || ftruncate(f->fd, (off_t)f->size))
		return fail(err, "its size cannot be set: %s", strerror(errno));
	return reserve(f, err);
}

static int size_to(struct store_file *f, const char *path, char *err)
{
	char why[STORE_FILE_ERR_SIZE];
	struct stat st;
	int rc;

	if (fstat(f->fd, &st))
		return fail(err, "%s: %s", path, strerror(errno));
	f->was_there = st.st_size > 0;
	if ((uint64_t)st.st_size == f->size) {
		rc = reserve(f, why);
	} else {
		if (f->was_there && !looks_like_ours(f))
			return fail(
				err, "%s is not a restart file: remove it, or name another", path);
		if (f->was_there)
			snprintf(f->unlike, sizeof(f->unlike),
				"it has %llu bytes and not %zu, another memory limit",
				(unsigned long long)st.st_size, f->size);
		f->was_there = false;
		rc = empty(f, why);
	}
	return rc ? fail(err, "%s: %.160s", path, why) : 0;
}

int store_file_open(
	struct store_file *f, const char *path, uint64_t bytes, char err[STORE_FILE_ERR_SIZE])
{
	uint64_t page;

	*f = (struct store_file){.fd = -1};
	if (open_locked(f, path, err))
		goto failed;
	page = page_size_of(f);
	f->size = (size_t)((bytes + page - 1) / page * page);
	if (size_to(f, path, err))
		goto failed;
	f->mem = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->fd, 0);
	if (f->mem == MAP_FAILED) {
		fail(err, "%s cannot be mapped: %s", path, strerror(errno));
		f->mem = NULL;
		goto failed;
	}
	return 0;
failed:
	store_file_close(f);
	return -1;
}

int store_file_clear(struct store_file *f, char err[STORE_FILE_ERR_SIZE])
{
	return empty(f, err);
}

void store_file_close(struct store_file *f)
{
	if (f->mem)
		munmap(f->mem, f->size);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct store_file){.fd = -1};
}

void store_file_boot_id(uint8_t id[16])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	unsigned digits = 0;

	memset(id, 0, 16);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		unsigned v = text[i] >= '0' && text[i] <= '9'   ? (unsigned)(text[i] - '0')
			     : text[i] >= 'a' && text[i] <= 'f' ? (unsigned)(text[i] - 'a' + 10)
								: 16;

		if (v < 16) {
			id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | v);
			digits++;
		}
	}
}
