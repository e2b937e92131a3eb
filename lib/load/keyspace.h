// SPDX-License-Identifier: BSD-3-Clause
// The keys: 0 .. count-1 as text, made from the number or taken from a list
//
// A made key is the number in hexadecimal behind a filler that brings it to its length.
// The keys of a list are those of a trace file, each once, numbered as they appear.
//
// Threads: read-only once made.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/load.h"
#include "load/sizes.h"

#define KEYSPACE_KEY_MAX 250

struct keyspace {
	uint32_t count;
	uint32_t digits; // hexadecimal digits of count - 1
	uint32_t fixed_len; // length of all made keys; 0: sizes says
	uint32_t longest;
	struct sizes sizes;
	// A list: key i is text[at[i] .. at[i + 1]).
	uint8_t *text;
	uint64_t *at;
};

// Keys made from numbers, of lengths as sizes_parse reads them; short ones are lengthened
// to hold their number. 0 or -errno and a sentence.
int keyspace_make(
	struct keyspace *k, uint32_t count, const char *len_spec, char err[LOAD_ERR_SIZE]);

// Keys of a trace, one a line. *trace gets the number of the key on each line. Free both
// with keyspace_free and free.
int keyspace_read_lines(struct keyspace *k, const char *path, uint32_t **trace, uint32_t *trace_len,
	char err[LOAD_ERR_SIZE]);

// Numbers of keys, 32 bits little-endian each; the largest makes the count of keys.
int keyspace_read_ids(const char *path, uint32_t **trace, uint32_t *trace_len, uint32_t *count,
	char err[LOAD_ERR_SIZE]);

void keyspace_free(struct keyspace *k);

// At most KEYSPACE_KEY_MAX bytes; returns how many.
uint32_t keyspace_format(const struct keyspace *k, uint32_t id, uint8_t *dst);
bool keyspace_is(const struct keyspace *k, uint32_t id, const uint8_t *p, size_t len);
