// SPDX-License-Identifier: BSD-3-Clause
// The workload: requests drawn at random and written as bytes; values that check themselves
//
// The bytes of a value follow from its key and a version, the version travels in the client
// flags, the length follows from the key. So each answer is checked whole, with no memory of
// what was stored, and by any thread.
//
// Threads: struct workload is read-only; each thread has its own cursor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/dist.h"
#include "load/keyspace.h"
#include "load/load.h"
#include "load/sizes.h"

// "set KEY FLAGS 0 LENGTH\r\n" + value + "\r\n"; "get" and up to 64 keys
#define WORKLOAD_SET_OVERHEAD (4 + KEYSPACE_KEY_MAX + 1 + 10 + 3 + 10 + 2 + 2)
// "VALUE KEY FLAGS LENGTH\r\n" + value + "\r\n"
#define WORKLOAD_VALUE_OVERHEAD (6 + KEYSPACE_KEY_MAX + 1 + 10 + 1 + 10 + 2 + 2)

struct workload {
	struct keyspace keys;
	struct sizes values;
	struct dist dist;
	double set_share; // of requests: 0 .. 1
	uint16_t multiget; // keys in a get
	bool verify; // the values are ours: check length and bytes
	uint32_t request_max; // longest request and answer, from workload_finish
	uint32_t reply_max;
};

struct workload_cursor {
	struct rng rng;
	struct dist_cursor keys;
	uint32_t version;
};

// Fill in what follows from the other fields.
void workload_finish(struct workload *w);

void workload_cursor_init(
	struct workload_cursor *c, const struct workload *w, uint32_t idx, uint32_t count);

void workload_next(const struct workload *w, struct workload_cursor *c, struct load_request *req);

// The request as bytes, at most request_max; returns how many.
uint32_t workload_format(const struct workload *w, const struct load_request *req, uint8_t *dst);

uint32_t workload_value_len(const struct workload *w, uint32_t key);

// Bytes off .. off + len of a value.
void value_fill(uint8_t *dst, uint32_t key, uint32_t version, uint32_t off, uint32_t len);
bool value_is(const uint8_t *p, uint32_t key, uint32_t version, uint32_t off, uint32_t len);
