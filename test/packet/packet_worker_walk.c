// SPDX-License-Identifier: BSD-3-Clause
// Prints the trace of one SET and one GET, for docs/packet-walk.md, and checks that they were served
// support: eal frame wclient

#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "support/eal.h"
#include "support/wclient.h"

static struct worker *w;
static uint64_t now_us = 1000000;
static struct wclient client = {.port = 40000, .seq = 5000};

// One frame in; all answers out. Returns the payload bytes of the last TCP answer.
static uint32_t step(struct rte_mbuf *m, unsigned expected_answers)
{
	struct rte_mbuf *out[8];
	unsigned n;
	uint32_t len = 0;

	worker_input(w, &m, 1, now_us);
	worker_poll(w, now_us);
	now_us += 100;
	n = worker_take_tx(w, out, 8);
	CHECK(n == expected_answers);
	for (unsigned i = 0; i < n; i++) {
		if (rte_pktmbuf_mtod(out[i], const uint8_t *)[23] == HDR_PROTO_TCP)
			len = wclient_input(&client, 1, out[i]);
		rte_pktmbuf_free(out[i]);
	}
	return len;
}

static void print_trace(void)
{
	char line[256];

	while (worker_trace_next(w, line, sizeof(line)))
		puts(line);
}

int main(void)
{
	static const char set[] = "set greeting 0 0 5\r\nhello\r\n", get[] = "get greeting\r\n";
	struct rte_mbuf *out[8];
	unsigned n;

	eal_once();
	w = wclient_worker(now_us, 100);
	// Not part of the walk: who owns the addresses announces them.
	worker_poll(w, now_us);
	n = worker_take_tx(w, out, 8);
	rte_pktmbuf_free_bulk(out, n);
	step(wclient_tcp(&client, WCLIENT_SYN, NULL, 0), 1);
	step(wclient_tcp(&client, WCLIENT_ACK, NULL, 0), 0);
	CHECK(step(wclient_tcp(&client, WCLIENT_PSH_ACK, set, sizeof(set) - 1), 1) == 8);
	CHECK(step(wclient_tcp(&client, WCLIENT_PSH_ACK, get, sizeof(get) - 1), 1) == 32);
	step(wclient_udp(40001, get), 1);
	print_trace();
	worker_destroy(w, now_us);
	return 0;
}
