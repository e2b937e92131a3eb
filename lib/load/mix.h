// SPDX-License-Identifier: BSD-3-Clause
// Mixing of integers: from a key and a version to bytes that anybody can compute again
#pragma once

#include <stdint.h>

// splitmix64's finaliser: a bijection in which every bit of x moves every bit of the result.
static inline uint64_t mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}
