// SPDX-License-Identifier: BSD-3-Clause
// Reply lines of the classic protocol, and decimal numbers both ways

#include "proto/ascii_priv.h"

#include "base/hotpath.h"

uint32_t ascii_format_u64(uint8_t *dst, uint64_t v)
{
	uint8_t digit[20];
	uint32_t n = 0;

	do {
		digit[sizeof(digit) - ++n] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	memcpy(dst, digit + sizeof(digit) - n, n);
	return n;
}

uint32_t ascii_format_value_head(uint8_t *dst, struct slice key, uint32_t client_flags,
	uint32_t vlen, bool with_cas, uint64_t cas)
{
	uint8_t *p = dst;

	memcpy(p, "VALUE ", 6);
	p += 6;
	memcpy(p, key.p, key.len);
	p += key.len;
	*p++ = ' ';
	p += ascii_format_u64(p, client_flags);
	*p++ = ' ';
	p += ascii_format_u64(p, vlen);
	if (with_cas) {
		*p++ = ' ';
		p += ascii_format_u64(p, cas);
	}
	*p++ = '\r';
	*p++ = '\n';
	return (uint32_t)(p - dst);
}

bool ascii_parse_u64(struct slice text, uint64_t *v)
{
	uint64_t n = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = text.p[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, digit, &n))
			return false;
	}
	*v = n;
	return true;
}

static bool is_white(uint8_t b)
{
	return b == ' ' || (b >= '\t' && b <= '\r');
}

// [white space][sign]digits, then the end or white space: what strtoull takes of a token.
static bool number_split(struct slice t, bool *negative, uint64_t *magnitude)
{
	size_t i = 0, from;

	while (i < t.len && is_white(t.p[i]))
		i++;
	*negative = i < t.len && t.p[i] == '-';
	if (i < t.len && (t.p[i] == '-' || t.p[i] == '+'))
		i++;
	from = i;
	while (i < t.len && t.p[i] >= '0' && t.p[i] <= '9')
		i++;
	if (i < t.len && !is_white(t.p[i]))
		return false;
	return ascii_parse_u64((struct slice){t.p + from, i - from}, magnitude);
}

bool number_u64(struct slice t, uint64_t *v)
{
	uint64_t magnitude;
	bool negative;

	if (!number_split(t, &negative, &magnitude))
		return false;
	*v = negative ? 0 - magnitude : magnitude;
	// A minus sign is refused only where the result looks negative as a signed number:
	// -18446744073709551615 is 1.
	return !negative || *v < 1ULL << 63;
}

bool number_u32(struct slice t, uint32_t *v)
{
	uint64_t wide;

	if (!number_u64(t, &wide))
		return false;
	*v = (uint32_t)wide;
	return true;
}

bool ascii_parse_u32(struct slice text, uint32_t *v)
{
	return number_u32(text, v);
}

bool number_i32(struct slice t, int32_t *v)
{
	uint64_t magnitude;
	bool negative;

	if (!number_split(t, &negative, &magnitude) || magnitude > (1ULL << 63) - !negative)
		return false;
	*v = (int32_t)(uint32_t)(negative ? 0 - magnitude : magnitude);
	return true;
}
