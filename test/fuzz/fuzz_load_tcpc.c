// SPDX-License-Identifier: BSD-3-Clause
// Any segments and timers for the TCP client: no crash, and only what was sent is acknowledged
//
// Input: steps of one byte of what to do (low 2 bits: a segment, a segment that fits the
// connection, the next timer, open or close), one byte of length in units of 2, and that
// many bytes.

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "load/tcpc.h"

#define MSS 200
#define HEAD_LEN 20
#define BUFFER_LEN 4096
#define SEGMENTS_MAX 64 // per step: more than the window holds

static const struct tcpc_conf conf = {
	.mss = MSS,
	.rto_first_ns = 1000,
	.rto_min_ns = 100,
	.rto_max_ns = 100000,
	.ack_delay_ns = 10,
	.tries_max = 4,
};

struct rig {
	struct tcpc c;
	uint8_t unacked[BUFFER_LEN];
	uint32_t unacked_len;
	uint64_t now_ns;
};

static void output(struct rig *r)
{
	uint8_t *dst = malloc(TCPC_HEAD_MAX + MSS);
	unsigned n = 0;

	while (n < SEGMENTS_MAX) {
		uint32_t len = tcpc_output(&r->c, r->unacked, r->unacked_len, r->now_ns, dst);

		if (len == 0)
			break;
		CHECK(len >= HEAD_LEN && len <= TCPC_HEAD_MAX + MSS);
		n++;
	}
	CHECK(n < SEGMENTS_MAX);
	free(dst);
}

static void input(struct rig *r, const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len + 1); // exact but for a length of 0
	struct tcpc_in in;

	memcpy(copy, p, len);
	tcpc_input(&r->c, copy, len, r->now_ns, &in);
	CHECK(in.acked <= r->unacked_len);
	r->unacked_len -= in.acked;
	if (in.len > 0) {
		CHECK(in.data >= copy && in.data + in.len <= copy + len);
		// What arrives is answered by as much, as by the next request.
		if (r->unacked_len + in.len <= BUFFER_LEN)
			r->unacked_len += in.len;
	}
	free(copy);
}

// The numbers of the segment are taken as distances from what the connection expects.
static void input_near(struct rig *r, const uint8_t *p, size_t len)
{
	uint8_t d[2 * 255 + HEAD_LEN];

	if (len < HEAD_LEN)
		return;
	memcpy(d, p, len);
	store_be32(d + 4, r->c.rcv_nxt + (uint32_t)(int8_t)d[7]);
	store_be32(d + 8, r->c.snd_max - d[11]);
	d[12] = (uint8_t)(d[12] % 2 ? 5 << 4 : d[12]);
	input(r, d, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig r = {.unacked_len = 300, .now_ns = 1};

	tcpc_init(&r.c, &conf, 20000, 11211);
	tcpc_open(&r.c, 77);
	output(&r);
	while (size >= 2) {
		size_t len = 2 * (size_t)data[1];

		if (len > size - 2)
			len = size - 2;
		switch (data[0] & 3) {
		case 0:
			input(&r, data + 2, len);
			break;
		case 1:
			input_near(&r, data + 2, len);
			break;
		case 2:
			if (tcpc_deadline_ns(&r.c) != UINT64_MAX)
				r.now_ns = tcpc_deadline_ns(&r.c);
			tcpc_timer(&r.c, r.now_ns);
			break;
		default:
			if (r.c.state == TCPC_CLOSED)
				tcpc_open(&r.c, (uint32_t)r.now_ns);
			else if (r.c.state == TCPC_OPEN)
				tcpc_close(&r.c);
		}
		output(&r);
		data += 2 + len;
		size -= 2 + len;
	}
	return 0;
}
