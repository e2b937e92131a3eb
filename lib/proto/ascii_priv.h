// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/proto: scanning for spaces, tokens, and memcached's idea of a number
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proto/proto.h"

// memcached keeps 23 tokens of a line (its 24th is an end mark).
#define TOKEN_MAX 23

#define BAD_FORMAT "CLIENT_ERROR bad command line format"
#define BAD_EXPTIME "CLIENT_ERROR invalid exptime argument"

// The first byte of [p, end) that is a space or a control character, or end. Such bytes
// are rare inside keys, so that one comparison serves ' ', CR, LF and NUL.
static inline const uint8_t *scan_blank(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	const __m128i space = _mm_set1_epi8(' ');

	while (end - p >= 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned hit =
			(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, space), x));

		if (hit)
			return p + __builtin_ctz(hit);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		// Bytes below 0x21; the lowest mark is exact (borrows only travel upwards).
		uint64_t x = load_le64(p);
		uint64_t hit = (x - 0x2121212121212121ULL) & ~x & 0x8080808080808080ULL;

		if (hit)
			return p + __builtin_ctzll(hit) / 8;
		p += 8;
	}
	while (p<end && * p> ' ')
		p++;
	return p;
}

// The end of the token that begins at p: only ' ' separates (memcached keeps tabs and
// carriage returns inside tokens).
static inline const uint8_t *scan_token(const uint8_t *p, const uint8_t *end)
{
	for (;;) {
		p = scan_blank(p, end);
		if (p == end || *p == ' ')
			return p;
		p++;
	}
}

// Take the next token off [*p, end); len 0 at the end.
static inline struct slice token_next(const uint8_t **p, const uint8_t *end)
{
	struct slice t;

	while (*p < end && **p == ' ')
		(*p)++;
	t.p = *p;
	*p = scan_token(*p, end);
	t.len = (size_t)(*p - t.p);
	return t;
}

#define TOKEN_IS(t, text) \
	((t).len == sizeof(text) - 1 && memcmp((t).p, text, sizeof(text) - 1) == 0)

// memcached's safe_strtoull, safe_strtoul and safe_strtol, with all their quirks: leading
// white space and a sign are fine, so is white space behind the digits with anything
// after it; the 32-bit ones cut a 64-bit number down.
bool number_u64(struct slice t, uint64_t *v);
bool number_u32(struct slice t, uint32_t *v);
bool number_i32(struct slice t, int32_t *v);

// Parse the command whose first word was taken off [p, end), the line without its end.
enum parse_status command_parse(
	struct request *req, struct slice word, const uint8_t *p, const uint8_t *end);

static inline enum parse_status parse_bad(struct request *req, const char *error)
{
	req->error = error;
	return PARSE_BAD;
}
