// SPDX-License-Identifier: BSD-3-Clause
// Anything a server may send to the UDP client: no crash, and the books stay balanced
//
// Input: pairs of a length byte (in units of 4, and which port) and that many bytes of a
// datagram. The id is made that of a request in flight when the datagram says so.

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "load/udp.h"

#define PORTS 2
#define REQUESTS 24

struct rig {
	struct workload w;
	struct gen gen;
	struct udp_client *client;
	uint16_t id[REQUESTS], port[REQUESTS];
	unsigned sent;
};

static void make_workload(struct rig *r)
{
	struct dist_conf dist = {.kind = DIST_UNIFORM, .count = 16, .seed = 1};
	char err[LOAD_ERR_SIZE];

	CHECK(keyspace_make(&r->w.keys, 16, "4", err) == 0);
	CHECK(sizes_parse(&r->w.values, "0-16", 0, 100, err) == 0);
	CHECK(dist_init(&r->w.dist, &dist, err) == 0);
	r->w.multiget = 2;
	r->w.set_share = 0.3;
	r->w.verify = true;
	workload_finish(&r->w);
	CHECK(gen_init(&r->gen, &r->w, 1, 0, 1) == 0);
}

// The same requests for each input.
static void ask(struct rig *r)
{
	struct udp_client_conf conf = {
		.port_count = PORTS,
		.timeout_ns = 1000,
		.in_flight_max = 64,
		.datagram_max = 256,
	};
	struct gen_plan plan = {.outstanding = REQUESTS, .stop_ns = 10};
	uint8_t d[2048];
	uint32_t ticket;

	workload_cursor_init(&r->gen.cursor, &r->w, 0, 1);
	r->sent = 0;
	r->client = udp_client_create(&conf, &r->gen);
	CHECK(r->client);
	gen_start(&r->gen, &plan);
	while (udp_client_next(r->client, 1, d, &r->port[r->sent % REQUESTS], &ticket) > 0) {
		CHECK(r->sent < REQUESTS);
		r->id[r->sent++] = (uint16_t)(d[0] << 8 | d[1]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig rig;
	struct rig *r = &rig;
	uint64_t now_ns = 1;

	if (!r->gen.w)
		make_workload(r);
	ask(r);
	while (size > 1) {
		size_t len = (size_t)(data[0] & 0x7f) * 4;
		uint16_t port = data[0] >> 7;
		uint8_t d[512];

		data++;
		size--;
		if (len > size)
			len = size;
		memcpy(d, data, len);
		if (len >= 8 && d[0] < REQUESTS) {
			port = r->port[d[0]];
			d[1] = (uint8_t)r->id[d[0]];
			d[0] = (uint8_t)(r->id[d[0]] >> 8);
		}
		udp_client_input(r->client, port, d, len, ++now_ns);
		data += len;
		size -= len;
	}
	udp_client_expire(r->client, now_ns + 1000);
	CHECK(udp_client_in_flight(r->client) == 0);
	CHECK(tally_balanced(r->gen.book[GEN_MEASURE]));
	CHECK(tally_sent(r->gen.book[GEN_MEASURE]) == r->sent);
	udp_client_destroy(r->client);
	return 0;
}
