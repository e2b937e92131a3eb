// SPDX-License-Identifier: BSD-3-Clause
// Time of a warm restart, per GiB of items: sealing at the end, and finding them again
// support: store_kit
// measures: store.restart.*
//
//   bench_store_restart [MEM_MIB [FOLDER]]
//
// A store of 512 MiB in a file on tmpfs, full of 300-byte values. seal: an orderly end. attach:
// the start after it. crash: the start after a process that just stopped, record by record.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "store/file.h"
#include "support/store_kit.h"

#define KEY_LEN 16
#define VALUE_LEN 300
#define ITEM_BYTES (KEY_LEN + VALUE_LEN + 60) // a little more than it takes
#define GIB (1024.0 * 1024 * 1024)

static char path[256];
static uint64_t mem_bytes;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static struct store_conf conf_of(const struct store_file *f)
{
	struct store_conf conf = {.mem_limit_bytes = mem_bytes,
		.item_size_max = 1 << 20,
		.ctx_count_max = 1,
		.hash_key = {1, 2},
		.now_s = KIT_NOW,
		.mem = f->mem,
		.keep = true,
		.build = "bench"};

	store_file_boot_id(conf.boot_id);
	return conf;
}

static void fill(struct kit *k)
{
	uint32_t items = (uint32_t)(mem_bytes * 8 / 10 / ITEM_BYTES);
	static uint8_t value[VALUE_LEN];
	char key[KEY_LEN + 1];

	for (uint32_t i = 0; i < items; i++) {
		snprintf(key, sizeof(key), "key:%012u", i);
		memset(value, (int)i, sizeof(value));
		CHECK(kit_put(k->ctx, k->s, STORE_SET, key, KEY_LEN, value, VALUE_LEN, 0, 0, 0) ==
			STORE_OK);
		if (i % 16 == 0)
			kit_tick(k, 1);
	}
}

// In a process of its own: fill the file, and end in order or not.
static void first_life(bool in_order)
{
	char err[STORE_FILE_ERR_SIZE];
	struct store_conf conf;
	struct store_file f;
	struct kit k;
	double start_s;
	uint64_t bytes;

	CHECK(store_file_open(&f, path, mem_bytes, err) == 0);
	conf = conf_of(&f);
	kit_open_conf(&k, &conf);
	fill(&k);
	if (!in_order)
		_exit(0);
	store_ctx_destroy(k.ctx);
	start_s = now_s();
	bytes = store_seal(k.s);
	printf("store.restart.seal.s_per_gib %.4f s/GiB\n",
		(now_s() - start_s) * GIB / (double)bytes);
	fflush(stdout);
	store_destroy(k.s);
	store_file_close(&f);
	_exit(0);
}

static void second_life(const char *name, bool crashed)
{
	char err[STORE_FILE_ERR_SIZE];
	struct store_found found = {0};
	struct store_conf conf;
	struct store_file f;
	struct store *s;
	const char *why = NULL;
	double start_s;

	CHECK(store_file_open(&f, path, mem_bytes, err) == 0);
	conf = conf_of(&f);
	start_s = now_s();
	s = store_attach(&conf, &found, &why);
	if (!s)
		fprintf(stderr, "store_attach: %s\n", why);
	CHECK(s && found.crashed == crashed && found.items_lost == 0);
	CHECK(found.items == (uint32_t)(mem_bytes * 8 / 10 / ITEM_BYTES));
	printf("store.restart.%s.s_per_gib %.4f s/GiB\n", name,
		(now_s() - start_s) * GIB / (double)found.bytes);
	store_destroy(s);
	store_file_close(&f);
	unlink(path);
}

static void lives(const char *name, bool in_order)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		first_life(in_order);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	second_life(name, !in_order);
}

static void remove_file(void)
{
	unlink(path);
}

static void ended(int signal)
{
	unlink(path);
	_exit(1);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 2 ? argv[2] : "/dev/shm";
	struct statvfs fs;

	mem_bytes = (argc > 1 ? strtoull(argv[1], NULL, 0) : 512) << 20;
	snprintf(path, sizeof(path), "%s/ringcached-bench-%d", folder, (int)getpid());
	if (statvfs(folder, &fs) || fs.f_bavail * fs.f_frsize < mem_bytes) {
		printf("absent store.restart.seal.s_per_gib: no room in %s\n"
		       "absent store.restart.attach.s_per_gib: no room in %s\n"
		       "absent store.restart.crash.s_per_gib: no room in %s\n",
			folder, folder, folder);
		return 0;
	}
	atexit(remove_file);
	signal(SIGTERM, ended);
	signal(SIGINT, ended);
	signal(SIGABRT, ended);
	lives("attach", true);
	lives("crash", false);
	return 0;
}
