// SPDX-License-Identifier: BSD-3-Clause
// Random number tokens against the C library's strtoull and strtol, used as memcached does
//
// SEED and ROUNDS from the environment; a failure prints the seed and the round.

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/proto.h"

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

// What memcached 1.6.18 takes: the whole token, or up to white space behind the digits.
static bool end_ok(const char *text, const char *end)
{
	return end != text && errno != ERANGE && (*end == '\0' || isspace((unsigned char)*end));
}

static bool model_u64(const char *text, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 10);
	return end_ok(text, end) &&
	       ((long long)*v >= 0 || !memchr(text, '-', (size_t)(end - text)));
}

static bool model_i32(const char *text, int32_t *v)
{
	char *end;
	long wide;

	errno = 0;
	wide = strtol(text, &end, 10);
	*v = (int32_t)wide;
	return end_ok(text, end);
}

static void make_token(struct rng *r, char *dst)
{
	static const char *const edges[] = {"0", "1", "2147483645", "2147483646", "2147483647",
		"2147483648", "4294967295", "4294967296", "9223372036854775806",
		"9223372036854775807", "9223372036854775808", "9223372036854775809",
		"18446744073709551614", "18446744073709551615", "18446744073709551616",
		"99999999999999999999", "340282366920938463463374607431768211456"};
	static const char marks[] = "+-\t\r\v\f0123456789ax.";

	*dst = '\0';
	if (rng_below(r, 4) == 0)
		strcat(dst, rng_below(r, 2) ? "\t" : "\r\v");
	if (rng_below(r, 3) == 0)
		strcat(dst, rng_below(r, 2) ? "-" : "+");
	if (rng_below(r, 6) == 0)
		strcat(dst, "000");
	if (rng_below(r, 3))
		strcat(dst, edges[rng_below(r, sizeof(edges) / sizeof(edges[0]))]);
	for (unsigned n = rng_below(r, 4) ? 0 : rng_below(r, 4); n > 0; n--)
		strncat(dst, &marks[rng_below(r, sizeof(marks) - 1)], 1);
	if (*dst == '\0')
		strcat(dst, "7");
}

static void test_numbers(void **state)
{
	uint64_t seed = env_number("SEED", 0xdecade), rounds = env_number("ROUNDS", 200000);
	struct rng r;

	(void)state;
	rng_init(&r, seed);
	for (uint64_t round = 0; round < rounds; round++) {
		char token[128], line[160];
		struct request req;
		uint64_t want_u64;
		int32_t want_i32;
		bool ok;

		make_token(&r, token);
		// A CR at the token's end would be the line's.
		snprintf(line, sizeof(line), "incr n %s \n", token);
		ok = ascii_parse(&req, (const uint8_t *)line, strlen(line)) == PARSE_OK;
		if (ok != model_u64(token, &want_u64) || (ok && req.delta != want_u64))
			fail_msg("SEED=%#lx round %lu: [%s] as u64: %d %lu", seed, round, token, ok,
				req.delta);
		snprintf(line, sizeof(line), "touch n %s \n", token);
		ok = ascii_parse(&req, (const uint8_t *)line, strlen(line)) == PARSE_OK;
		if (ok != model_i32(token, &want_i32) || (ok && req.exptime != want_i32))
			fail_msg("SEED=%#lx round %lu: [%s] as i32: %d %d", seed, round, token, ok,
				req.exptime);
		snprintf(line, sizeof(line), "set a %s 0 1 \n", token);
		ok = ascii_parse(&req, (const uint8_t *)line, strlen(line)) == PARSE_OK;
		if (ok != model_u64(token, &want_u64) ||
			(ok && req.client_flags != (uint32_t)want_u64))
			fail_msg("SEED=%#lx round %lu: [%s] as u32: %d %u", seed, round, token, ok,
				req.client_flags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
