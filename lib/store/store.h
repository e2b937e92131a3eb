// SPDX-License-Identifier: BSD-3-Clause
// The item store: one for all workers, any worker serves any key in place
//
// Index: 64-byte buckets of 7 one-word slots. Memory: append-only segments. A
// published item never changes and never moves, but for a few atomic header
// fields; every update writes a new record and swings the slot. Readers take no
// lock; writers take the lock of the key's bucket. A segment is reused only
// after a grace period in which every worker passed a quiescent state.
//
// Threads. A struct store_ctx belongs to one thread (a worker lcore). All
//   functions that take a ctx may run concurrently on different ctxs, on the same
//   keys. store_create, store_ctx_create and the destroy functions are for
//   start and end, by one thread. Counters are readable by anybody.
//   - A pointer got from store_get (value, key) is valid until the same ctx calls
//     store_tick or store_offline: that is its quiescent state.
//   - A ctx that will not call store_tick for long (blocking, idle) calls
//     store_offline before and store_online after; else memory stops coming back.
//
// Clock. now_s is absolute unix seconds, given with store_tick; the newest one any
//   ctx gave counts for all. exptime is absolute unix seconds, 0 = never. An
//   item is gone from the first instant with exptime <= now_s.
//
// Memory. All of it is taken by store_create: mem_limit_bytes covers segments,
//   index and headers together. Nothing is allocated afterwards.
//
// Restart. With keep, mem is a shared mapping of a file (store/file.h) and all that matters
//   is in it. store_seal at the end and store_attach at the next start bring every item
//   back as it was; after a crash store_attach finds the items by their records.
//
// Limits. key 1..250 bytes; value up to item_size_max. Values above
//   STORE_FRAGMENT_LEN are kept in fragments.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/extref.h"
#include "base/siphash.h"
#include "stats/stats.h"

struct store;
struct store_ctx;

#define STORE_KEY_LEN_MAX 250
#define STORE_FRAGMENT_LEN 32768
#define STORE_MEM_MIN (8ULL << 20) // smallest mem_limit_bytes

struct store_conf {
	uint64_t mem_limit_bytes;
	// -I: item header, key and value together, as memcached counts. At most a quarter
	// of the memory and 128 MiB; 0: 1 MiB.
	uint32_t item_size_max;
	// The index begins with room for so many items, and grows with them. 0: a 64th of the
	// memory, enough for items of 900 bytes and more. Sizes differ too much (means of 54
	// bytes to 67 KB are known) for an index that is right for all; a small one costs large
	// items nothing and small ones some splits on the way.
	uint64_t hash_items;
	bool no_evictions; // -M: out of memory is an error, nothing is evicted
	bool no_cas; // -C: cas is not kept for gets (it reads 0)
	unsigned ctx_count_max; // how many store_ctx_create calls will come
	struct siphash_key hash_key;
	uint32_t now_s; // clock at start
	// Memory of mem_limit_bytes (page aligned, zeroed, owned by the caller and
	// outliving the store), or NULL: ordinary anonymous memory.
	void *mem;
	bool keep; // mem is the mapping of a file that outlives the process
	// With keep: the same as long as the machine is not restarted. What a crash leaves
	// is believed only within one run: then no store to memory is missing in the file.
	uint8_t boot_id[16];
	const char *build; // version of the program, for the next one's log
};

// NULL and *err = one clear sentence when the configuration cannot work.
struct store *store_create(const struct store_conf *conf, const char **err);
void store_destroy(struct store *s);

// What store_attach found.
struct store_found {
	bool bad_conf; // nothing was looked at: store_create would say the same
	bool crashed; // not sealed: found record by record
	uint64_t items;
	uint64_t items_lost; // their value was not whole, or their index chain full
	uint64_t bytes; // that were read to check them
	char build[32]; // of the program that wrote them
};

// store_create with the items that an earlier store has left in mem. conf as for that one:
// memory, hash_items; the hash key is taken from mem, all else may change. NULL and *why =
// why not, to be said behind "starts empty: ": mem is damaged, or does not fit. Then mem
// must be zeroed for store_create.
struct store *store_attach(
	const struct store_conf *conf, struct store_found *found, const char **why);

// Do these bytes, the first of a file, begin as a kept store, as far as they go?
bool store_is_kept(const void *head, size_t len);

// With keep, when all ctxs are destroyed: make mem complete, with sums of all of it.
// After it only store_destroy. Returns the bytes summed.
uint64_t store_seal(struct store *s);

// The part of one thread. idx < ctx_count_max, each once.
struct store_ctx *store_ctx_create(struct store *s, unsigned idx);
void store_ctx_destroy(struct store_ctx *ctx);

// Once per loop turn: a quiescent state, the clock, and at most one quantum of
// reclamation (expired segments, eviction ahead of need). Cheap when idle.
void store_tick(struct store_ctx *ctx, uint32_t now_s);
void store_offline(struct store_ctx *ctx);
void store_online(struct store_ctx *ctx);

// The clock as all ctxs see it.
uint32_t store_now_s(const struct store_ctx *ctx);

enum store_status {
	STORE_OK,
	STORE_NOT_FOUND, // no such item: a miss
	STORE_NOT_STORED, // add: it exists; replace, append, prepend: it does not
	STORE_EXISTS, // cas: changed since
	STORE_TOO_LARGE, // key and value exceed item_size_max
	STORE_NO_MEMORY, // nothing could be reclaimed, or no_evictions
	STORE_NOT_NUMBER, // incr, decr: the value is not a decimal u64
};

uint64_t store_hash(const struct store *s, const uint8_t *key, size_t nkey);

// Batched GET: hints only, they change nothing and may be left out.
void store_prefetch_bucket(const struct store *s, uint64_t hash);
void store_prefetch_item(const struct store *s, uint64_t hash);

// An item as found. Valid until this ctx's next store_tick.
struct store_ref {
	const void *item; // private
	uint32_t vlen; // bytes of the value
	uint32_t client_flags;
	uint32_t exptime; // absolute, 0 = never
	uint64_t cas; // 0 with no_cas
	// The value in one piece, followed by "\r\n"; NULL when it is kept in
	// fragments (vlen > STORE_FRAGMENT_LEN): then use store_ref_piece.
	const uint8_t *value;
};

// Look a key up. STORE_OK or STORE_NOT_FOUND. A hit counts for eviction.
enum store_status store_get(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	struct store_ref *ref);

// The value's bytes from offset off on: *piece gets a contiguous part of them.
// Works for whole and for fragmented values. off < ref->vlen.
void store_ref_piece(const struct store_ref *ref, uint32_t off, struct slice *piece);

// Keep a piece of a value (store_ref_piece) where it is beyond the turn: its memory is not used
// again until x is released, from whatever thread, before store_destroy. False: too much is
// pinned already, copy it.
bool store_pin(struct store_ctx *ctx, struct slice piece, struct extref *x);

// touch, gat, gats: set the expiry; ref may be NULL.
enum store_status store_touch(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	uint32_t exptime, struct store_ref *ref);

enum store_status store_delete(
	struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash);

// incr (down false: wraps at 2^64) and decr (down true: stops at 0). The new value is
// stored as decimal text; shorter than the old one: decr and a wrapped incr pad
// with spaces to the old length, as memcached does. *value gets the number. A value
// of more than 1024 bytes is no number.
enum store_status store_delta(struct store_ctx *ctx, const uint8_t *key, size_t nkey, uint64_t hash,
	bool down, uint64_t delta, uint64_t *value);

// Every item stored before the clock reaches at_s (0 or past: before this call) is
// gone from then on, as with memcached. A later call replaces one that has not come
// due.
void store_flush(struct store_ctx *ctx, uint32_t at_s);

// Storing, in three steps:
//
//   store_put_begin(ctx, &put, key, nkey, hash, flags, exptime, vlen)
//   while (store_put_room(ctx, &put, &room, &len))
//           write n <= len bytes, then store_put_wrote(&put, n)
//   store_put_commit(ctx, &put, mode, cas)     or store_put_abort(ctx, &put)
//
// The bytes written are the value without its CRLF, vlen of them. For
// vlen <= STORE_FRAGMENT_LEN all three steps must happen between two
// store_ticks of the ctx (wait until the value is complete, then begin); a larger
// value may take as long as its client does: what is written stays pending, held
// in memory but invisible. Pending bytes are capped (see store_put_begin).
enum store_mode {
	STORE_SET,
	STORE_ADD,
	STORE_REPLACE,
	STORE_APPEND,
	STORE_PREPEND,
	STORE_CAS,
};

struct store_put {
	uint8_t nkey;
	uint8_t key[STORE_KEY_LEN_MAX];
	uint32_t client_flags;
	uint32_t exptime;
	uint64_t hash;
	uint32_t vlen;
	uint32_t written; // bytes of the value so far
	uint64_t ref; // private: where the record is
	uint64_t frag_ref;
};

// exptime (absolute, 0 = never) also says with what the item shares memory: what expires
// together comes back together.
// STORE_OK, STORE_TOO_LARGE, or STORE_NO_MEMORY (nothing reclaimable now, or the
// pending bytes of all unfinished large values would exceed 1/4 of the
// memory). After a failure put is empty: neither commit nor abort it.
enum store_status store_put_begin(struct store_ctx *ctx, struct store_put *put, const uint8_t *key,
	size_t nkey, uint64_t hash, uint32_t client_flags, uint32_t exptime, uint32_t vlen);

// Where the next bytes of the value go: *len contiguous bytes at *room. False
// when all vlen are written, or when a fragment could not be had:
// then put->written < put->vlen, and the put must be aborted (out of memory).
bool store_put_room(struct store_ctx *ctx, struct store_put *put, uint8_t **room, size_t *len);

static inline void store_put_wrote(struct store_put *put, size_t n)
{
	put->written += (uint32_t)n;
}

// Publish, when mode allows it: STORE_OK, STORE_NOT_STORED, STORE_EXISTS,
// STORE_NOT_FOUND (cas), STORE_TOO_LARGE or STORE_NO_MEMORY (append, prepend). put is
// spent, whatever the result. append and prepend keep the old flags and exptime, and
// need none of their own.
enum store_status store_put_commit(
	struct store_ctx *ctx, struct store_put *put, enum store_mode mode, uint64_t cas);

void store_put_abort(struct store_ctx *ctx, struct store_put *put);

// Gauges of the whole store, a snapshot.
struct store_usage {
	uint64_t mem_limit_bytes;
	uint64_t curr_items;
	uint64_t bytes; // live records with their headers
	uint64_t payload_bytes; // of them keys and values
	uint64_t index_bytes;
	uint32_t segment_size;
	uint32_t segment_count;
	uint32_t segment_free_count;
	uint32_t segment_pinned_count; // that replies read now
	uint32_t hash_power_level; // log2 of the number of buckets, rounded up
	bool hash_is_expanding; // it is between two powers of two
};
void store_usage(const struct store *s, struct store_usage *u);

// Visit every live item once, in index order, in steps: returns the cursor to go
// on with, 0 when done (start with 0). At most max items and STORE_WALK_CHAINS_MAX
// chains of the index per call: none may be visited though there is more. The pieces of
// item and key are valid inside fn only. An item that lives through a walk of many calls
// is visited exactly once, overwritten meanwhile or not, and however much the index grows.
#define STORE_WALK_CHAINS_MAX 64
typedef void store_walk_fn(void *arg, struct slice key, const struct store_ref *ref);
uint64_t store_walk(
	struct store_ctx *ctx, uint64_t cursor, unsigned max, store_walk_fn *fn, void *arg);

// What of an item is not for the client that asks for its value.
struct store_meta {
	uint32_t atime_s; // when it was stored or last read
	uint32_t size_bytes; // of its records, as in store_usage.bytes
	bool fetched; // read at least once
};
void store_ref_meta(const struct store_ref *ref, struct store_meta *meta);

// Walk every invariant (index <-> records <-> segment accounting). Only while no
// other ctx is active. True, or false with *what = the broken law.
bool store_check(struct store *s, const char **what);

// Counters: store.def. One array per ctx, to be registered by the caller.
#define STORE_STATS_MODULE "store"
enum store_stat {
#define STAT(name, kind, help) STORE_STAT_##name,
#include "store/store.def"
#undef STAT
	STORE_STAT_COUNT
};
extern const struct stats_set store_stats_set;
const stat_t *store_ctx_stats(const struct store_ctx *ctx);
