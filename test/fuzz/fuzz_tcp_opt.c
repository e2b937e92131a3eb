// SPDX-License-Identifier: BSD-3-Clause
// Option bytes of any kind: what lib/tcp reads is what a second, plain reader reads
//
// Input: one byte (bit 0: the segment is a SYN), then the options.

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "tcp/tcp_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
	bool mss, ws, sack, ts;
	uint16_t mss_val;
	uint8_t ws_val;
	uint32_t ts_val, ts_ecr;
};

static void found_take(struct found *f, const uint8_t *p, uint8_t len, bool syn)
{
	if (p[0] == 8 && len == 10) {
		f->ts = true;
		f->ts_val = load_be32(p + 2);
		f->ts_ecr = load_be32(p + 6);
	}
	if (p[0] == 2 && len == 4 && syn) {
		f->mss = true;
		f->mss_val = load_be16(p + 2);
	}
	if (p[0] == 3 && len == 3 && syn) {
		f->ws = true;
		f->ws_val = p[2] > 14 ? 14 : p[2];
	}
	if (p[0] == 4 && len == 2 && syn)
		f->sack = true;
}

// RFC 9293 3.1, 3.2, by recursion: the first option, then the rest.
static void read_plainly(struct found *f, const uint8_t *p, size_t n, bool syn)
{
	if (n == 0 || p[0] == 0)
		return;
	if (p[0] == 1) {
		read_plainly(f, p + 1, n - 1, syn);
	} else if (n >= 2 && p[1] >= 2 && p[1] <= n) {
		found_take(f, p, p[1], syn);
		read_plainly(f, p + p[1], n - p[1], syn);
	}
}

static void compare(const struct tcp_opts *o, const struct found *f)
{
	CHECK(o->has_ts == f->ts && o->has_wscale == f->ws && o->sack_perm == f->sack);
	CHECK(!f->ts || (o->tsval == f->ts_val && o->tsecr == f->ts_ecr));
	CHECK(!f->ws || o->wscale == f->ws_val);
	CHECK(o->has_mss == f->mss && (!f->mss || o->mss == f->mss_val));
}

// What we write of it in a SYN-ACK is read back the same.
static void there_and_back(const struct tcp_opts *o)
{
	uint8_t buf[TCP_OPT_MAX];
	unsigned n = tcp_opt_put_syn(buf, 1460, o);
	struct tcp_opts back;

	CHECK(n <= sizeof(buf) && n % 4 == 0);
	tcp_opt_parse(&back, buf, n, true);
	CHECK(back.mss == 1460 && back.has_ts == o->has_ts && back.sack_perm == o->sack_perm);
	CHECK(back.has_wscale == o->has_wscale && (!o->has_wscale || back.wscale == o->wscale));
	CHECK(!o->has_ts || (back.tsval == o->tsval && back.tsecr == o->tsecr));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size > 1 ? size - 1 : 0;
	struct found f = {0};
	struct tcp_opts o;
	uint8_t *exact;

	if (size == 0)
		return 0;
	if (n > TCP_OPT_MAX)
		n = TCP_OPT_MAX;
	exact = malloc(n ? n : 1); // so that the first byte read past it is seen
	CHECK(exact);
	memcpy(exact, data + 1, n);
	tcp_opt_parse(&o, exact, n, data[0] & 1);
	read_plainly(&f, exact, n, data[0] & 1);
	compare(&o, &f);
	there_and_back(&o);
	free(exact);
	return 0;
}
