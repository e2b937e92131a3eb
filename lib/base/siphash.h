// SPDX-License-Identifier: BSD-3-Clause
// SipHash-1-3 and SipHash-2-4 (Aumasson, Bernstein 2012): keyed hashes for tables strangers fill
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

// 128 bits from getrandom, one per process start.
struct siphash_key {
	uint64_t k0, k1;
};

#define SIP_ROTL_(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND_(v0, v1, v2, v3) \
	do { \
		v0 += v1; \
		v1 = SIP_ROTL_(v1, 13) ^ v0; \
		v0 = SIP_ROTL_(v0, 32); \
		v2 += v3; \
		v3 = SIP_ROTL_(v3, 16) ^ v2; \
		v0 += v3; \
		v3 = SIP_ROTL_(v3, 21) ^ v0; \
		v2 += v1; \
		v1 = SIP_ROTL_(v1, 17) ^ v2; \
		v2 = SIP_ROTL_(v2, 32); \
	} while (0)

static inline uint64_t siphash_rounds_(
	const struct siphash_key *k, const uint8_t *p, size_t len, int c_rounds, int d_rounds)
{
	uint64_t v0 = k->k0 ^ 0x736f6d6570736575ULL, v1 = k->k1 ^ 0x646f72616e646f6dULL;
	uint64_t v2 = k->k0 ^ 0x6c7967656e657261ULL, v3 = k->k1 ^ 0x7465646279746573ULL;
	uint64_t m, b = (uint64_t)len << 56;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8) {
		m = load_le64(p);
		v3 ^= m;
		for (int i = 0; i < c_rounds; i++)
			SIP_ROUND_(v0, v1, v2, v3);
		v0 ^= m;
	}
	for (size_t i = 0; i < left; i++)
		b |= (uint64_t)p[i] << (8 * i);
	v3 ^= b;
	for (int i = 0; i < c_rounds; i++)
		SIP_ROUND_(v0, v1, v2, v3);
	v0 ^= b;
	v2 ^= 0xff;
	for (int i = 0; i < d_rounds; i++)
		SIP_ROUND_(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

static inline uint64_t siphash13(const struct siphash_key *k, const void *p, size_t len)
{
	return siphash_rounds_(k, p, len, 1, 3);
}

static inline uint64_t siphash24(const struct siphash_key *k, const void *p, size_t len)
{
	return siphash_rounds_(k, p, len, 2, 4);
}
