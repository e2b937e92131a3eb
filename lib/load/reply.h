// SPDX-License-Identifier: BSD-3-Clause
// An answer, checked as its bytes arrive, in pieces of any length
//
// Independent of the server's own parser, so that each proves the other.
//
// Threads: one owner. Memory: none beside the struct.
#pragma once

#include "load/workload.h"

#define REPLY_LINE_MAX 512

struct reply {
	const struct workload *w;
	const uint32_t *key;
	enum load_op op;
	uint16_t key_count;
	uint16_t next; // where the search for the next key begins: servers keep the order
	uint16_t found_count;
	enum load_outcome wrong; // the first thing found wrong; LOAD_HIT: nothing so far
	enum { REPLY_LINE, REPLY_DATA, REPLY_DATA_END } at;
	uint64_t found; // one bit a key
	int value_key_idx; // key the current value belongs to, -1: to none
	uint32_t value_version, value_len, value_off;
	uint32_t line_len;
	uint8_t line[REPLY_LINE_MAX];
};

enum reply_status {
	REPLY_MORE, // all bytes taken, the answer is not complete
	REPLY_DONE, // complete; reply_outcome says what it is
	REPLY_LOST_SYNC, // not the protocol: where the next answer begins is unknown
};

// key[] must stay valid until the answer is done.
void reply_init(struct reply *r, const struct workload *w, enum load_op op, const uint32_t *key,
	uint16_t key_count);

enum reply_status reply_feed(struct reply *r, const uint8_t *p, size_t len, size_t *taken);

enum load_outcome reply_outcome(const struct reply *r);
