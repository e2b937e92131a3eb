// SPDX-License-Identifier: BSD-3-Clause
// The RSS hash (Toeplitz), one table look-up per byte

#include "base/bytes.h"
#include "steer/steer_priv.h"

// 32 bits of the key from bit position pos on.
static uint32_t key_window(const uint8_t *key, unsigned pos)
{
	uint64_t w = (uint64_t)load_be32(key + pos / 8) << 8 | key[pos / 8 + 4];

	return (uint32_t)(w >> (8 - pos % 8));
}

// Each set bit of the input, from the first byte's top bit on, contributes the window
// of the key that starts at its position (Microsoft's RSS specification).
void steer_toeplitz_init(struct steer_toeplitz *t, const uint8_t key[STEER_RSS_KEY_LEN])
{
	for (unsigned byte = 0; byte < 12; byte++) {
		for (unsigned v = 0; v < 256; v++) {
			uint32_t hash = 0;

			for (unsigned bit = 0; bit < 8; bit++)
				if (v & 0x80u >> bit)
					hash ^= key_window(key, byte * 8 + bit);
			t->lut[byte][v] = hash;
		}
	}
}

uint32_t steer_toeplitz(const struct steer_toeplitz *t, const struct steer_tuple *flow)
{
	return steer_toeplitz_inline(t, flow);
}
