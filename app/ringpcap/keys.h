// SPDX-License-Identifier: BSD-3-Clause
// A file of memcached keys, one a line
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KEY_LEN_MAX 250

struct keys {
	uint8_t *bytes; // of all keys, one behind the other
	size_t *end; // end[i]: where key i ends
	size_t count;
	size_t bytes_room, end_room;
};

// Read and check all of them: 1 to 250 bytes, no space, no control characters.
// Exits with a message that names file and line.
void keys_read(struct keys *k, const char *path);
const uint8_t *keys_at(const struct keys *k, size_t i, size_t *len);
void keys_free(struct keys *k);
