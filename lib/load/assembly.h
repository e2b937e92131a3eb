// SPDX-License-Identifier: BSD-3-Clause
// Answers that arrive in several datagrams, in any order
//
// Threads: one owner. Memory: a fixed number of places, taken at start.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct assemblies;

// For answers of at most reply_max bytes in datagrams of at most datagram_max with their frame.
// NULL when there is no memory.
struct assemblies *assemblies_create(uint32_t reply_max, uint16_t datagram_max);
void assemblies_destroy(struct assemblies *a);

// A place for an answer of total datagrams. Returns its number, or 0: none is free, or total
// is more than any right answer has.
uint32_t assembly_take(struct assemblies *a, uint16_t total);
void assembly_release(struct assemblies *a, uint32_t n);

enum assembly_status {
	ASSEMBLY_MORE,
	ASSEMBLY_COMPLETE,
	ASSEMBLY_DUPLICATE, // this piece is there already
	ASSEMBLY_BAD, // another total than before, or too long
};
enum assembly_status assembly_add(struct assemblies *a, uint32_t n, uint16_t seq, uint16_t total,
	const uint8_t *p, size_t len);

// The pieces of a complete answer, in order; valid until assembly_release.
void assembly_pieces(const struct assemblies *a, uint32_t n, struct slice *piece);
