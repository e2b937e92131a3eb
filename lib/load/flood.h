// SPDX-License-Identifier: BSD-3-Clause
// A flood: gets written once and sent over and over, answers counted by their first bytes
//
// For the highest rate of one generator core: a request costs it a copy, an answer a look. Answers
// are matched by their id and told apart by their first bytes: hit, miss, echo (the request itself
// comes back: a reflector, testpmd's 5tswap) or error; every FLOOD_CHECK_EVERY th hit is checked
// whole. There are no latencies.
//
// Each request is in flight once at most, so that the window is below their number; one that is
// not answered within the timeout is lost.
//
// Threads: one owner; the tally may be read by others. Memory: the struct.
#pragma once

#include "load/workload.h"

#define FLOOD_REQUESTS 1024 // written once, of as many keys drawn
#define FLOOD_CHECK_EVERY 64
#define FLOOD_WINDOW_MAX (FLOOD_REQUESTS / 2)
#define FLOOD_FRAME_LEN 8 // protocol.txt, "UDP protocol"

struct flood {
	const struct workload *w;
	struct tally *t; // of the present phase
	uint64_t timeout_ns;
	uint32_t window, in_flight;
	uint32_t next; // request
	uint32_t hits; // for the choice of those that are checked
	uint64_t sent_ns[FLOOD_REQUESTS]; // 0: not in flight
	uint32_t key[FLOOD_REQUESTS];
};

// Draws the keys. window: requests in flight at most, up to FLOOD_WINDOW_MAX.
void flood_init(struct flood *f, const struct workload *w, struct workload_cursor *cursor,
	uint32_t window, uint64_t timeout_ns);

// Request i < FLOOD_REQUESTS as a datagram's payload, its id i; returns the length, at most
// FLOOD_FRAME_LEN + w->request_max.
uint32_t flood_request(const struct flood *f, uint32_t i, uint8_t *dst);

// A phase begins, booked in t; nothing is in flight.
void flood_begin(struct flood *f, struct tally *t);

// The numbers of up to n requests to send now, which count as sent; returns how many.
// now_ns is not 0.
unsigned flood_next(struct flood *f, uint32_t *request, unsigned n, uint64_t now_ns);

// The payload of a datagram from the server.
void flood_input(struct flood *f, const uint8_t *p, size_t len);

// Give up what is older than the timeout. flood_next does so for what it passes: for the end.
void flood_expire(struct flood *f, uint64_t now_ns);
