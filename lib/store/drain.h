// SPDX-License-Identifier: BSD-3-Clause
// One record of a segment that a job walks: leave, move or remove it
#pragma once

#include "store/publish.h"

enum drain_result {
	DRAIN_DONE,
	DRAIN_RETRY, // it changed under us: look again
	DRAIN_NO_ROOM, // it must be moved and there is nowhere to
};

// Hash of the key that leads to the record; only for records that are not dead.
uint64_t drain_hash(const struct store *s, const struct item *it);

// Treat one record as the job's mode says. *moved_bytes grows by what was copied.
enum drain_result drain_record(struct store_ctx *ctx, struct job *j, struct item *it, uint64_t hash,
	uint32_t *moved_bytes);
