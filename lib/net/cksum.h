// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071) over bytes at any alignment
//
// Sums are kept in host word order of a little-endian machine and folded to 16 bits
// as they are stored in memory: cksum_fold(...) can be stored with memcpy, without
// byte swapping (RFC 1071 section 2 (B)).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

// Add n bytes to sum; an odd last byte counts as if a zero followed, so only the last
// piece may be odd. No overflow below 2^31 bytes.
static inline uint64_t cksum_add(uint64_t sum, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint16_t tail = 0;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v = load_le64(p);

		sum += (v & 0xffffffff) + (v >> 32);
	}
	for (; n >= 2; n -= 2, p += 2) {
		uint16_t v;

		memcpy(&v, p, sizeof(v));
		sum += v;
	}
	if (n)
		memcpy(&tail, p, 1);
	return sum + tail;
}

// Add a 16- or 32-bit number as it stands in a header (big-endian).
static inline uint64_t cksum_add_be16(uint64_t sum, uint16_t v)
{
	return sum + __builtin_bswap16(v);
}

static inline uint64_t cksum_add_be32(uint64_t sum, uint32_t v)
{
	return sum + __builtin_bswap32(v);
}

// The one's complement sum in 16 bits.
static inline uint16_t cksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// TCP and UDP pseudo-header over IPv4. Addresses in host byte order.
static inline uint64_t cksum_pseudo(uint32_t src, uint32_t dst, uint8_t proto, uint16_t l4_len)
{
	uint64_t sum = cksum_add_be32(0, src);

	sum = cksum_add_be32(sum, dst);
	sum = cksum_add_be16(sum, proto);
	return cksum_add_be16(sum, l4_len);
}

// A block with its checksum inside sums up to all ones.
static inline bool cksum_ok(uint64_t sum)
{
	return cksum_fold(sum) == 0xffff;
}

static inline void cksum_store(void *field, uint16_t cksum)
{
	memcpy(field, &cksum, sizeof(cksum));
}
