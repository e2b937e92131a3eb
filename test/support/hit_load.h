// SPDX-License-Identifier: BSD-3-Clause
// A list of reads, run through the real store and through the simulators
//
// Each read that misses is followed by a store of the key, as a client does.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct access {
	uint32_t key;
	uint32_t ttl_s; // of the store that follows a miss; 0: never expires
};

// Made, not recorded: Zipf reads of key_count keys, crossed by scans of keys that come once.
struct load_conf {
	uint64_t seed;
	uint32_t access_count;
	uint32_t key_count;
	double zipf; // exponent
	unsigned scan_percent; // of the reads
	uint32_t ttl_s[4]; // of a key, by its number; all 0: none expires
};

struct load {
	struct access *access;
	uint32_t count;
	uint32_t key_count; // all keys are below
	uint32_t per_second; // reads
};

struct load load_make(const struct load_conf *conf);
void load_free(struct load *l);

struct hits {
	uint32_t items; // that the store held, on average over the second half
	uint32_t segments;
	double store, s3fifo, lru; // miss ratios
};

// The store with so much memory and values of vlen bytes, the simulators with as many items
// as it held. Aborts if store_check fails.
struct hits load_run(const struct load *l, uint64_t mem_bytes, uint32_t vlen);

// Bytes of a value with which the store of so much memory holds about so many items.
uint32_t load_vlen(uint64_t mem_bytes, uint32_t items);
