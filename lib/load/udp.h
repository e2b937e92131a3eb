// SPDX-License-Identifier: BSD-3-Clause
// memcached over UDP as a client: requests numbered, answers matched, everything accounted for
//
// protocol.txt, "UDP protocol": an 8-byte frame with a 16-bit request id in front of each
// datagram. A request is known by its source port and its id; ids run through all their values on
// each port, so an id is used again after 65536 requests of its port, which must take longer
// than the timeout. A slot remembers its request after the end: a second answer is a
// duplicate, an answer to a request given up is late, anything else is a stray.
//
// Threads: one owner. Memory: all at start.
#pragma once

#include "load/gen.h"

#define UDP_CLIENT_FRAME_LEN 8
#define UDP_CLIENT_PORTS_MAX 4096
#define UDP_CLIENT_FRAGS_MAX 1024

struct udp_client_conf {
	uint16_t port_count; // source ports, named by 0 .. port_count - 1 here
	uint64_t timeout_ns;
	uint32_t in_flight_max; // places for requests, at least
	uint16_t datagram_max; // bytes of a datagram's UDP payload that may arrive
	uint64_t seed; // of the first request number
};

struct udp_client;

// NULL when there is no memory. gen stays the caller's.
struct udp_client *udp_client_create(const struct udp_client_conf *conf, struct gen *gen);
void udp_client_destroy(struct udp_client *c);

// The next request, if one is due and there is a place for it: its datagram's payload into dst
// (at least UDP_CLIENT_FRAME_LEN + request_max bytes). Returns the length, or 0. *port is its
// source port, *ticket names it for udp_client_resent.
uint32_t udp_client_next(
	struct udp_client *c, uint64_t now_ns, uint8_t *dst, uint16_t *port, uint32_t *ticket);

// The request had to wait for the network, and is sent only now.
void udp_client_resent(struct udp_client *c, uint32_t ticket, uint64_t now_ns);

// A datagram for a source port.
void udp_client_input(
	struct udp_client *c, uint16_t port, const uint8_t *p, size_t len, uint64_t now_ns);

// Give up what is older than the timeout. Call in every turn.
void udp_client_expire(struct udp_client *c, uint64_t now_ns);

// When the oldest request times out; LOAD_NEVER_NS: none is in flight.
uint64_t udp_client_deadline_ns(const struct udp_client *c);

uint32_t udp_client_in_flight(const struct udp_client *c);
