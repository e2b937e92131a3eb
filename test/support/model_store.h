// SPDX-License-Identifier: BSD-3-Clause
// A naive store to compare lib/store with: a list of entries, every rule written plainly
//
// What the model cannot know is which item was evicted and when. So it is told what
// the real store answered, and model_agree judges whether that was legal: a miss of
// a present key uses up one counted eviction.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct model_entry {
	struct model_entry *next;
	char key[STORE_KEY_LEN_MAX + 1];
	uint8_t *value;
	uint32_t vlen, flags, exptime;
	uint64_t cas; // as last read, 0: changed since
	uint64_t cas_floor; // the next one is larger
};

struct model {
	struct model_entry *list;
	uint32_t now_s;
	uint32_t flush_at_s;
	uint64_t evictions_seen; // misses that evictions had to explain
};

void model_fini(struct model *m);

// Move the clock; what is due expires or is flushed.
void model_clock(struct model *m, uint32_t now_s);
void model_flush(struct model *m, uint32_t at_s);

// The present entry of a key, or NULL.
struct model_entry *model_find(struct model *m, const char *key);

// The real store treated the key as present or not, having evicted that many items
// so far. False: it must not have.
bool model_agree(struct model *m, const char *key, bool present, uint64_t evictions);

void model_set(struct model *m, const char *key, const uint8_t *value, uint32_t vlen,
	uint32_t flags, uint32_t exptime);
void model_join(struct model_entry *e, const uint8_t *value, uint32_t vlen, bool append);
void model_delete(struct model *m, const char *key);

// False: the value is no number.
bool model_delta(struct model_entry *e, bool down, uint64_t delta, uint64_t *value);

// Compare what a get gave. False with *what = what differs.
bool model_matches(struct model_entry *e, const struct store_ref *ref, const char **what);

unsigned model_count(const struct model *m);
