// SPDX-License-Identifier: BSD-3-Clause
// Filling the server: each key is set until it is stored, then each is read back
//
// Threads: each has its own struct for its share of the keys, idx, idx + threads, ...
#pragma once

#include "load/workload.h"

// Failures in a row after which the server is given up.
#define PRELOAD_FAILURES_MAX 2000u

struct preload {
	uint32_t first, step, count; // the share: count keys
	uint32_t version;
	bool verify;
	uint8_t *state; // one a key of the share
	uint32_t at; // where the search for the next request goes on
	uint32_t to_store, to_verify; // keys that are not through
	uint32_t failures_in_row;
	uint64_t retries;
	uint32_t vanished; // stored, then not found: the server's memory is too small
	uint32_t wrong; // read back with wrong contents
	enum load_outcome last_failure;
	bool given_up;
};

// Keys idx, idx + threads, ... of total. 0 or -ENOMEM.
int preload_init(struct preload *p, uint32_t total, uint32_t idx, uint32_t threads, bool verify);
void preload_free(struct preload *p);

// The next request, or false: all that is left is in flight, or nothing is left.
bool preload_next(struct preload *p, struct load_request *req);
void preload_finish(struct preload *p, enum load_op op, uint32_t key, enum load_outcome outcome);
bool preload_finished(const struct preload *p);
