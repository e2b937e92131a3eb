// SPDX-License-Identifier: BSD-3-Clause
// A cache in a few lines, and a network with a plan of faults, both in virtual time
//
// Written without the parsers of lib/proto and lib/load. Stores whole values as they came.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_KEYS_MAX 4096
#define FAKE_EVENTS_MAX 65536
#define FAKE_DATAGRAM_MAX 2048

// What happens to a request, by its number modulo plan_len.
enum fake_fate {
	FAKE_OK,
	FAKE_DROP, // no answer
	FAKE_LATE, // answered after late_ns instead of delay_ns
	FAKE_TWICE, // each datagram of the answer twice
	FAKE_CORRUPT, // one byte of the first value changed
	FAKE_WRONG_KEY, // the value of another key, under its own name
	FAKE_CUT, // the answer ends in the middle, frame and all
	FAKE_TRAILING, // right, and more behind it
	FAKE_SERVER_ERROR,
	FAKE_FORGET, // answered as if the keys were not there
	FAKE_LOSE_PIECE, // the last datagram of the answer is lost
	FAKE_REORDER, // the datagrams of the answer arrive in reverse order
	FAKE_STRAY, // answered right, and once more under an id nobody used
	FAKE_GARBAGE, // answered right, and a datagram shorter than a frame
	FAKE_FATES
};

struct fake_event {
	uint64_t at_ns;
	uint16_t port;
	uint16_t len;
	uint8_t *data;
};

struct fakecache {
	const enum fake_fate *plan;
	unsigned plan_len;
	uint64_t delay_ns, late_ns;
	uint32_t piece_len; // payload of a datagram of an answer
	uint64_t requests;
	uint64_t count[FAKE_FATES][2]; // by fate; [1]: sets
	struct {
		char *key;
		uint8_t *value;
		uint32_t flags, len;
	} item[FAKE_KEYS_MAX];
	unsigned item_count;
	struct fake_event event[FAKE_EVENTS_MAX];
	unsigned event_count;
};

struct fakecache *fake_create(const enum fake_fate *plan, unsigned plan_len);
void fake_destroy(struct fakecache *f);

// The answer to the request at text, of len bytes; returns its length. The caller frees *out.
size_t fake_answer(
	struct fakecache *f, const uint8_t *text, size_t len, enum fake_fate fate, uint8_t **out);

// A datagram of a client: what comes back is put into the future.
void fake_datagram(
	struct fakecache *f, uint16_t port, const uint8_t *p, size_t len, uint64_t now_ns);

// The next datagram that has arrived by now_ns, or false. Free ev->data.
bool fake_arrived(struct fakecache *f, uint64_t now_ns, struct fake_event *ev);
