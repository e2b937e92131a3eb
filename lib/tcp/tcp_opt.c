// SPDX-License-Identifier: BSD-3-Clause
// TCP options to and from bytes (RFC 9293 3.1, 3.2; 7323; 2018)

#include "base/bytes.h"
#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

enum {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERM = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

#define WSCALE_MAX 14 // RFC 7323 2.3

// A known option of the wrong length is ignored, as an unknown one is (MUST-6).
static void opt_take(struct tcp_opts *o, uint8_t kind, const uint8_t *p, uint8_t len, bool syn)
{
	if (kind == OPT_TS && len == 10) {
		o->has_ts = true;
		o->tsval = load_be32(p + 2);
		o->tsecr = load_be32(p + 6);
	} else if (kind == OPT_SACK && len >= 10 && len % 8 == 2) {
		o->has_sack = true;
		o->sack = (struct seq_range){load_be32(p + 2), load_be32(p + 6)};
	} else if (!syn) {
		return;
	} else if (kind == OPT_MSS && len == 4) {
		o->has_mss = true;
		o->mss = load_be16(p + 2);
	} else if (kind == OPT_WSCALE && len == 3) {
		o->has_wscale = true;
		o->wscale = p[2] > WSCALE_MAX ? WSCALE_MAX : p[2];
	} else if (kind == OPT_SACK_PERM && len == 2) {
		o->sack_perm = true;
	}
}

void tcp_opt_parse(struct tcp_opts *o, const uint8_t *p, size_t n, bool syn)
{
	*o = (struct tcp_opts){0};
	// Each turn moves on by at least one of at most 40 bytes.
	for (size_t i = 0; i < n;) {
		uint8_t kind = p[i], len;

		if (kind == OPT_EOL)
			return;
		if (kind == OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= n)
			return;
		len = p[i + 1];
		if (len < 2 || len > n - i)
			return; // MUST-7: what follows cannot be told apart
		opt_take(o, kind, p + i, len, syn);
		i += len;
	}
}

unsigned tcp_opt_put_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr)
{
	p[0] = OPT_NOP;
	p[1] = OPT_NOP;
	p[2] = OPT_TS;
	p[3] = 10;
	store_be32(p + 4, tsval);
	store_be32(p + 8, tsecr);
	return TCP_OPT_TS_LEN;
}

unsigned tcp_opt_put_syn(uint8_t *p, uint16_t mss, const struct tcp_opts *o)
{
	unsigned n = 4;

	p[0] = OPT_MSS;
	p[1] = 4;
	store_be16(p + 2, mss);
	if (o->has_ts)
		n += tcp_opt_put_ts(p + n, o->tsval, o->tsecr);
	if (o->sack_perm) {
		memcpy(p + n, (const uint8_t[]){OPT_NOP, OPT_NOP, OPT_SACK_PERM, 2}, 4);
		n += 4;
	}
	if (o->has_wscale) {
		memcpy(p + n, (const uint8_t[]){OPT_NOP, OPT_WSCALE, 3, o->wscale}, 4);
		n += 4;
	}
	return n;
}

unsigned tcp_opt_put_sack(uint8_t *p, const struct seq_range *r, unsigned n)
{
	p[0] = OPT_NOP;
	p[1] = OPT_NOP;
	p[2] = OPT_SACK;
	p[3] = (uint8_t)(2 + 8 * n);
	for (unsigned i = 0; i < n; i++) {
		store_be32(p + 4 + 8 * i, r[i].left);
		store_be32(p + 8 + 8 * i, r[i].right);
	}
	return 4 + 8 * n;
}
