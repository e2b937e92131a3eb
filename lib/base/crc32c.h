// SPDX-License-Identifier: BSD-3-Clause
// CRC32C (Castagnoli, RFC 3720 12.1) of bytes that are kept: finds damage, no forgery
//
// A sum is continued: crc32c(crc32c(0, a), b) is the sum of a followed by b. Any first
// argument but 0 is a seed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

// Four bits a step: for machines without the instruction, and to test it against.
static inline uint32_t crc32c_soft(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
		0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	const uint8_t *p = data;

	crc = ~crc;
	for (; len; len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static inline uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__SSE4_2__)
	const uint8_t *p = data;
	uint64_t wide = ~crc;

	for (; len >= 8; len -= 8, p += 8)
		wide = _mm_crc32_u64(wide, load_le64(p));
	crc = (uint32_t)wide;
	for (; len; len--)
		crc = _mm_crc32_u8(crc, *p++);
	return ~crc;
#else
	return crc32c_soft(crc, data, len);
#endif
}

static inline uint32_t crc32c_u64(uint32_t crc, uint64_t v)
{
	return crc32c(crc, &v, sizeof(v));
}
