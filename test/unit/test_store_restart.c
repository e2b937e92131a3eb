// SPDX-License-Identifier: BSD-3-Clause
// lib/store: a store that was sealed, or has crashed, comes back from its file
// support: store_kit

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/rng.h"
#include "store/file.h"
#include "support/store_kit.h"

#define MIB (1ULL << 20)

static uint8_t big[2 << 20];
static char dir[64], path[96];

static struct store_conf conf_of(uint64_t mem_bytes)
{
	return (struct store_conf){
		.mem_limit_bytes = mem_bytes,
		.item_size_max = 1 << 20,
		.ctx_count_max = 2,
		.hash_key = {3, 4},
		.now_s = KIT_NOW,
		.keep = true,
		.boot_id = "this run of it",
		.build = "1.2.3",
	};
}

// A store in the file at path, which must be new.
static void open_new(struct kit *k, struct store_file *f, struct store_conf *conf)
{
	char err[STORE_FILE_ERR_SIZE] = "";

	if (store_file_open(f, path, conf->mem_limit_bytes, err))
		fail_msg("%s", err);
	assert_false(f->was_there);
	conf->mem = f->mem;
	kit_open_conf(k, conf);
}

static bool open_old(struct kit *k, struct store_file *f, struct store_conf *conf,
	struct store_found *found, const char **why)
{
	char err[STORE_FILE_ERR_SIZE] = "";

	if (store_file_open(f, path, conf->mem_limit_bytes, err))
		fail_msg("%s", err);
	*why = f->unlike;
	if (!f->was_there)
		return false;
	conf->mem = f->mem;
	// What the file has counts, not what this start would draw.
	conf->hash_key = (struct siphash_key){99, 98};
	k->s = store_attach(conf, found, why);
	if (!k->s)
		return false;
	k->ctx = store_ctx_create(k->s, 0);
	k->now_s = conf->now_s;
	return true;
}

static void must_open_old(
	struct kit *k, struct store_file *f, struct store_conf *conf, struct store_found *found)
{
	const char *why = NULL;

	memset(found, 0, sizeof(*found));
	if (!open_old(k, f, conf, found, &why))
		fail_msg("starts empty: %s", why);
	assert_true(kit_check(k));
}

static void seal(struct kit *k, struct store_file *f)
{
	store_ctx_destroy(k->ctx);
	assert_true(store_seal(k->s) > 0);
	store_destroy(k->s);
	store_file_close(f);
}

// As after kill -9: nobody closes anything.
static void crash(struct kit *k, struct store_file *f)
{
	store_destroy(k->s);
	store_file_close(f);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/ringcached-restart-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/items", dir);
	kit_fill(big, sizeof(big), 7);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	rmdir(dir);
	return 0;
}

static void put(struct kit *k, const char *key, const void *value, uint32_t vlen, uint32_t flags,
	uint32_t exptime)
{
	assert_int_equal(
		kit_put(k->ctx, k->s, STORE_SET, key, strlen(key), value, vlen, flags, exptime, 0),
		STORE_OK);
}

static bool is(struct kit *k, const char *key, const void *value, uint32_t vlen, uint32_t flags,
	uint32_t exptime, uint64_t cas)
{
	struct store_ref ref;

	return kit_get(k, key, &ref) == STORE_OK && kit_ref_is(&ref, value, vlen) &&
	       ref.client_flags == flags && ref.exptime == exptime && (!cas || ref.cas == cas);
}

// Items of each kind, sealed or crashed, then all of them again.
static void all_kinds(bool crashes)
{
	struct store_conf conf = conf_of(16 * MIB);
	struct store_file f;
	struct store_found found;
	struct kit k;
	uint64_t cas, cas_big, v;

	open_new(&k, &f, &conf);
	put(&k, "plain", "value", 5, 7, KIT_NOW + 100);
	put(&k, "empty", "", 0, 0, 0);
	put(&k, "whole", big, 32768, 1, 0);
	put(&k, "pieces", big, 900000, 2, 0);
	put(&k, "joined", big, 20000, 3, 0);
	kit_put(k.ctx, k.s, STORE_APPEND, "joined", 6, big + 20000, 80000, 0, 0, 0);
	put(&k, "n", "41", 2, 0, 0);
	store_delta(k.ctx, (const uint8_t *)"n", 1, kit_hash(&k, "n"), false, 1, &v);
	put(&k, "replaced", "old", 3, 0, 0);
	put(&k, "replaced", "new", 3, 0, 0);
	put(&k, "deleted", "x", 1, 0, 0);
	put(&k, "deleted", "y", 1, 0, 0);
	kit_delete(&k, "deleted");
	put(&k, "big gone", big, 300000, 0, 0);
	kit_delete(&k, "big gone");
	put(&k, "touched", "t", 1, 0, 0);
	store_touch(
		k.ctx, (const uint8_t *)"touched", 7, kit_hash(&k, "touched"), KIT_NOW + 500, NULL);
	put(&k, "short", "life", 4, 0, KIT_NOW + 10);
	cas = kit_cas(&k, "plain");
	cas_big = kit_cas(&k, "pieces");
	kit_tick(&k, 3);
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);

	conf.now_s = KIT_NOW + 10;
	must_open_old(&k, &f, &conf, &found);
	assert_int_equal(found.crashed, crashes);
	assert_string_equal(found.build, "1.2.3");
	assert_int_equal(found.items, crashes ? 8 : 9); // a crash looks at each, "short" too
	assert_int_equal(found.items_lost, 0);
	assert_int_equal(kit_usage(&k).curr_items, found.items);
	assert_int_equal(kit_stat(&k, STORE_STAT_restarted_items), found.items);
	assert_true(is(&k, "plain", "value", 5, 7, KIT_NOW + 100, cas));
	assert_true(is(&k, "empty", "", 0, 0, 0, 0));
	assert_true(is(&k, "whole", big, 32768, 1, 0, 0));
	assert_true(is(&k, "pieces", big, 900000, 2, 0, cas_big));
	assert_true(is(&k, "joined", big, 100000, 3, 0, 0));
	assert_true(is(&k, "n", "42", 2, 0, 0, 0));
	assert_true(is(&k, "replaced", "new", 3, 0, 0, 0));
	assert_true(is(&k, "touched", "t", 1, 0, KIT_NOW + 500, 0));
	assert_false(kit_has(&k, "deleted"));
	assert_false(kit_has(&k, "big gone"));
	assert_false(kit_has(&k, "short"));
	assert_int_equal(kit_mode(&k, STORE_CAS, "plain", "with its cas", cas), STORE_OK);
	assert_true(kit_cas(&k, "plain") > cas_big);
	kit_set(&k, "another", "1");
	assert_true(kit_cas(&k, "another") > cas_big);
	assert_true(kit_check(&k));
	seal(&k, &f);
}

static void test_all_kinds_sealed(void **state)
{
	all_kinds(false);
}

static void test_all_kinds_crashed(void **state)
{
	all_kinds(true);
}

// ---- many items

#define KEYS 30000

static uint32_t version[KEYS]; // 0: must not be there

static uint32_t vlen_of(uint32_t i, uint32_t v)
{
	return i % 500 == 0 ? 40000 + v * 1000 : i % 50 == 0 ? 5000 + v : 20 + (i + v) % 100;
}

static void fill(struct kit *k, struct rng *r, unsigned steps, uint32_t keys)
{
	char key[16];

	for (unsigned n = 0; n < steps; n++) {
		uint32_t i = rng_below(r, keys), v = 1 + rng_below(r, 50);

		snprintf(key, sizeof(key), "key%u", i);
		if (rng_below(r, 8) == 0) {
			kit_delete(k, key);
			version[i] = 0;
		} else {
			put(k, key, big + i + v, vlen_of(i, v), v, 0);
			version[i] = v;
		}
		kit_tick(k, 1);
	}
}

// How many of the keys are there; each is what was last stored, and nothing else.
static uint32_t compare(struct kit *k, uint32_t keys)
{
	uint32_t n = 0;
	char key[16];

	for (uint32_t i = 0; i < keys; i++) {
		struct store_ref ref;

		snprintf(key, sizeof(key), "key%u", i);
		if (kit_get(k, key, &ref) != STORE_OK)
			continue;
		n++;
		assert_int_equal(ref.client_flags, version[i]);
		assert_true(kit_ref_is(&ref, big + i + version[i], vlen_of(i, version[i])));
	}
	return n;
}

// Over many restarts, with evictions, compaction, moved fragments and long chains.
static void many(bool crashes)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_file f;
	struct store_found found;
	struct kit k;
	struct rng r;
	uint32_t n;

	rng_init(&r, kit_seed(5));
	memset(version, 0, sizeof(version));
	conf.hash_items = 3000; // 1,024 buckets; a fifth of what stays
	open_new(&k, &f, &conf);
	for (unsigned turn = 0; turn < 6; turn++) {
		uint32_t level;

		fill(&k, &r, 15000, turn == 2 ? 2000 : KEYS);
		n = compare(&k, KEYS);
		assert_true(n > 1000);
		assert_true(kit_check(&k));
		assert_int_equal(kit_usage(&k).curr_items, n);
		level = kit_usage(&k).hash_power_level;
		if (crashes)
			crash(&k, &f);
		else
			seal(&k, &f);
		conf.now_s++;
		must_open_old(&k, &f, &conf, &found);
		// The index is as before in the one case, and grows anew in the other.
		assert_true(found.items + found.items_lost == n);
		assert_true(found.items_lost < n / 100);
		assert_true(kit_usage(&k).hash_power_level == level || crashes);
		assert_true(kit_usage(&k).hash_power_level >= 11);
		assert_int_equal(compare(&k, KEYS), found.items);
	}
	seal(&k, &f);
}

static void test_many_sealed(void **state)
{
	many(false);
}

static void test_many_crashed(void **state)
{
	many(true);
}

// ---- queues and ghosts

static void put_n(struct kit *k, const char *prefix, unsigned from, unsigned to)
{
	char key[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof(key), "%s%u", prefix, i);
		put(k, key, big, 500, 0, 0);
		kit_tick(k, 1);
	}
}

static unsigned count_n(struct kit *k, const char *prefix, unsigned n)
{
	unsigned there = 0;
	char key[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%s%u", prefix, i);
		there += kit_has(k, key);
	}
	return there;
}

// What was in main stays there. What was evicted lately is known after a stop, and not after
// a crash.
static void queues_and_ghosts(bool crashes)
{
	struct store_conf conf = conf_of(16 * MIB);
	struct store_found found;
	struct store_file f;
	struct kit k;

	open_new(&k, &f, &conf);
	put_n(&k, "hot", 0, 4000);
	assert_int_equal(count_n(&k, "hot", 4000), 4000);
	put_n(&k, "scan", 0, 40000);
	put_n(&k, "back", 0, 200);
	put_n(&k, "scan", 40000, 65000);
	assert_int_equal(count_n(&k, "back", 200), 0);
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	put_n(&k, "back", 0, 200);
	if (crashes)
		assert_int_equal(kit_stat(&k, STORE_STAT_ghost_hits), 0);
	else
		assert_true(kit_stat(&k, STORE_STAT_ghost_hits) >= 150);
	put_n(&k, "scan", 65000, 130000);
	assert_true(count_n(&k, "hot", 4000) > 3960);
	assert_true(crashes ? count_n(&k, "back", 200) == 0 : count_n(&k, "back", 200) >= 150);
	assert_true(kit_check(&k));
	seal(&k, &f);
}

static void test_queues_and_ghosts_sealed(void **state)
{
	queues_and_ghosts(false);
}

static void test_queues_and_ghosts_crashed(void **state)
{
	queues_and_ghosts(true);
}

// ---- what is no item

// Uploads that nobody ended are gone, and hold nothing.
static void unfinished(bool crashes)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_put large[3], small;
	struct store_file f;
	struct store_found found;
	struct kit k;
	uint8_t *room;
	size_t len;

	open_new(&k, &f, &conf);
	put(&k, "a", big, 100000, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		const char *key = i == 2 ? "a" : "never";

		assert_int_equal(store_put_begin(k.ctx, &large[i], (const uint8_t *)key,
					 strlen(key), kit_hash(&k, key), 0, 0, 200000),
			STORE_OK);
		for (unsigned n = 0; n < 3 && store_put_room(k.ctx, &large[i], &room, &len); n++) {
			memcpy(room, big + large[i].written, len);
			store_put_wrote(&large[i], len);
		}
		put(&k, "b", "between", 7, 0, 0);
	}
	assert_int_equal(store_put_begin(k.ctx, &small, (const uint8_t *)"never", 5,
				 kit_hash(&k, "never"), 0, 0, 30000),
		STORE_OK);
	assert_true(store_put_room(k.ctx, &small, &room, &len));
	memcpy(room, big, 5000);
	if (!crashes) {
		store_put_wrote(&small, len);
		store_put_abort(k.ctx, &small);
	}
	kit_mode(&k, STORE_ADD, "a", "exists already", 0);
	put(&k, "c", "behind", 6, 0, 0);
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	assert_int_equal(found.items, 3);
	assert_true(is(&k, "a", big, 100000, 0, 0, 0));
	assert_true(is(&k, "b", "between", 7, 0, 0, 0));
	assert_true(is(&k, "c", "behind", 6, 0, 0, 0));
	assert_false(kit_has(&k, "never"));
	// All the memory can be used again.
	memset(version, 0, sizeof(version));
	for (unsigned i = 0; i < 20; i++) {
		put(&k, "fill", big + i, 1000000, 0, 0);
		kit_tick(&k, 50);
	}
	assert_true(kit_check(&k));
	seal(&k, &f);
}

static void test_unfinished_sealed(void **state)
{
	unfinished(false);
}

static void test_unfinished_crashed(void **state)
{
	unfinished(true);
}

// A value that is a copy of records is a value.
static void test_records_inside_a_value(void **state)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_file f;
	struct store_found found;
	struct store_ref ref;
	struct store_put large;
	struct kit k;
	uint8_t *room, copy[4096];
	size_t len;

	open_new(&k, &f, &conf);
	put(&k, "secret", "genuine", 7, 0, 0);
	assert_int_equal(kit_get(&k, "secret", &ref), STORE_OK);
	for (unsigned i = 0; i + 64 <= sizeof(copy); i += 64)
		memcpy(copy + i, ref.item, 64);
	put(&k, "secret", "newer", 5, 0, 0);
	kit_delete(&k, "secret");
	put(&k, "copies", copy, sizeof(copy), 0, 0);
	// Pending: no sum holds it together.
	store_put_begin(k.ctx, &large, (const uint8_t *)"u", 1, kit_hash(&k, "u"), 0, 0, 60000);
	assert_true(store_put_room(k.ctx, &large, &room, &len));
	memcpy(room, copy, sizeof(copy));
	crash(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	assert_int_equal(found.items, 1);
	assert_false(kit_has(&k, "secret"));
	assert_true(is(&k, "copies", copy, sizeof(copy), 0, 0, 0));
	seal(&k, &f);
}

// ---- flush_all

static void flushes(bool crashes)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_file f;
	struct store_found found;
	struct kit k;

	open_new(&k, &f, &conf);
	put(&k, "before", "1", 1, 0, 0);
	store_flush(k.ctx, 0);
	put(&k, "after", "2", 1, 0, 0);
	store_flush(k.ctx, KIT_NOW + 50);
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
	conf.now_s = KIT_NOW + 20;
	must_open_old(&k, &f, &conf, &found);
	assert_false(kit_has(&k, "before"));
	assert_true(kit_has(&k, "after"));
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
	// It came due while nobody was there.
	conf.now_s = KIT_NOW + 60;
	must_open_old(&k, &f, &conf, &found);
	assert_false(kit_has(&k, "after"));
	put(&k, "new", "3", 1, 0, 0);
	assert_true(kit_has(&k, "new"));
	seal(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	assert_true(kit_has(&k, "new"));
	assert_false(kit_has(&k, "after"));
	seal(&k, &f);
}

static void test_flush_sealed(void **state)
{
	flushes(false);
}

static void test_flush_crashed(void **state)
{
	flushes(true);
}

// ---- what does not fit

static void refused(struct store_conf conf, const char *text)
{
	struct store_file f;
	struct store_found found;
	struct kit k;
	const char *why = NULL;

	assert_false(open_old(&k, &f, &conf, &found, &why));
	assert_non_null(strstr(why, text));
	store_file_close(&f);
}

static void store_one(bool crashes)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_file f;
	struct kit k;

	unlink(path);
	open_new(&k, &f, &conf);
	put(&k, "a", "1", 1, 0, 0);
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
}

// A cas id that was given out comes never again, though its item is gone and the second is
// the same.
static void cas_goes_on(bool crashes)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_found found;
	struct store_file f;
	struct kit k;
	uint64_t cas;

	open_new(&k, &f, &conf);
	for (unsigned i = 0; i < 100; i++)
		kit_set(&k, "a", "1");
	cas = kit_cas(&k, "a");
	kit_delete(&k, "a");
	if (crashes)
		crash(&k, &f);
	else
		seal(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	assert_int_equal(k.now_s, KIT_NOW);
	kit_set(&k, "a", "2");
	assert_true(kit_cas(&k, "a") > cas);
	seal(&k, &f);
}

static void test_cas_goes_on_sealed(void **state)
{
	cas_goes_on(false);
}

static void test_cas_goes_on_crashed(void **state)
{
	cas_goes_on(true);
}

// A page that cannot be read ends the process in the middle of the sums: then it has crashed,
// and was not sealed.
static void test_killed_while_sealing(void **state)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_found found;
	struct store_ref ref;
	struct store_file f;
	struct kit k;
	int status;
	pid_t pid;

	open_new(&k, &f, &conf);
	kit_set(&k, "a", "1");
	kit_set(&k, "b", "2");
	assert_int_equal(kit_get(&k, "a", &ref), STORE_OK);
	store_ctx_destroy(k.ctx);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		mprotect((void *)((uintptr_t)ref.value & ~4095UL), 4096, PROT_NONE);
		store_seal(k.s);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	crash(&k, &f);
	must_open_old(&k, &f, &conf, &found);
	assert_true(found.crashed);
	assert_int_equal(found.items, 2);
	assert_true(kit_is(&k, "a", "1") && kit_is(&k, "b", "2"));
	seal(&k, &f);
}

static void test_settings_that_must_be_the_same(void **state)
{
	struct store_conf conf = conf_of(8 * MIB);
	struct store_file f;
	struct store_found found;
	struct kit k;

	for (unsigned crashes = 0; crashes < 2; crashes++) {
		store_one(crashes);
		conf = conf_of(8 * MIB);
		conf.hash_items = 1000;
		refused(conf, "another index size");
		conf.hash_items = 1ULL << 32;
		refused(conf, "too small for an index");
		conf = conf_of(8 * MIB);
		conf.now_s -= 3601;
		refused(conf, "the clock has been set back");
		conf = conf_of(8 * MIB);
		conf.boot_id[0]++;
		if (crashes)
			refused(conf, "in use when the machine went down");
		// All of this may change.
		conf.ctx_count_max = 7;
		conf.no_evictions = true;
		conf.item_size_max = 4096;
		conf.now_s -= 600;
		if (crashes)
			conf.boot_id[0]--;
		must_open_old(&k, &f, &conf, &found);
		assert_true(is(&k, "a", "1", 1, 0, 0, 0));
		assert_int_equal(store_now_s(k.ctx), KIT_NOW); // it waits for itself
		seal(&k, &f);
		conf = conf_of(16 * MIB);
		refused(conf, "another memory limit");
		conf = conf_of(8 * MIB);
		refused(conf, ""); // and that has emptied it
	}
}

// ---- the file itself

static void no_file(const char *name, const char *text)
{
	char err[STORE_FILE_ERR_SIZE] = "";
	struct store_file f;

	assert_int_equal(store_file_open(&f, name, 8 * MIB, err), -1);
	if (!strstr(err, text))
		fail_msg("'%s' does not say '%s'", err, text);
}

static void test_files(void **state)
{
	char other[128], err[STORE_FILE_ERR_SIZE] = "";
	struct store_file f;
	struct stat st;
	FILE *out;

	assert_int_equal(store_file_open(&f, path, 8 * MIB - 5, err), 0);
	assert_int_equal(f.size, 8 * MIB);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	no_file(path, "in use by another server");
	((char *)f.mem)[5000] = 1;
	assert_int_equal(store_file_clear(&f, err), 0);
	assert_int_equal(((char *)f.mem)[5000], 0);
	store_file_close(&f);

	no_file("/nonexistent/x", "cannot be opened");
	no_file(dir, "cannot be opened");
	no_file("/dev/null", "no regular file");
	snprintf(other, sizeof(other), "%s/link", dir);
	assert_int_equal(symlink(path, other), 0);
	no_file(other, "symbolic link");
	unlink(other);

	// Somebody's file is left alone.
	unlink(path);
	out = fopen(path, "w");
	fputs("my thesis\n", out);
	fclose(out);
	no_file(path, "is not a restart file");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_kinds_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_kinds_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queues_and_ghosts_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queues_and_ghosts_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_inside_a_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cas_goes_on_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cas_goes_on_crashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_sealing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_settings_that_must_be_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
