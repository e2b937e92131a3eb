// SPDX-License-Identifier: BSD-3-Clause
// The hash: Microsoft's vectors, DPDK's implementation; the bucket table

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_thash.h>
#include <string.h>

#include "base/rng.h"
#include "steer/steer.h"

static const uint8_t microsoft_key[STEER_RSS_KEY_LEN] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e,
	0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b,
	0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe,
	0xac, 0x01, 0xfa};

// "Verifying the RSS hash calculation", IPv4 with TCP.
static void published_vectors(void **state)
{
	static const struct {
		struct steer_tuple flow;
		uint32_t hash;
	} row[] = {
		{{0x420995bb, 0xa18e6450, 2794, 1766}, 0x51ccc178},
		{{0xc75c6f02, 0x41458c53, 14230, 4739}, 0xc626b0ea},
		{{0x1813c65f, 0x0c16cfb8, 12898, 38024}, 0x5c2b394a},
		{{0x261bcd1e, 0xd18ea306, 48228, 2217}, 0xafc7327f},
		{{0x9927a3bf, 0xcabc7f02, 44251, 1303}, 0x10e828a2},
	};
	static struct steer_toeplitz t;

	steer_toeplitz_init(&t, microsoft_key);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(steer_toeplitz(&t, &row[i].flow), row[i].hash);
}

static void equals_dpdk_for_random_keys_and_flows(void **state)
{
	static struct steer_toeplitz t;
	struct rng rng;

	rng_init(&rng, 21);
	for (unsigned k = 0; k < 50; k++) {
		uint32_t key32[STEER_RSS_KEY_LEN / 4], key_be[STEER_RSS_KEY_LEN / 4];
		uint8_t key[STEER_RSS_KEY_LEN];

		for (unsigned i = 0; i < STEER_RSS_KEY_LEN; i++)
			key[i] = (uint8_t)rng_next(&rng);
		memcpy(key32, key, sizeof(key));
		rte_convert_rss_key(key32, key_be, sizeof(key));
		steer_toeplitz_init(&t, key);
		for (unsigned i = 0; i < 500; i++) {
			struct steer_tuple f = {(uint32_t)rng_next(&rng), (uint32_t)rng_next(&rng),
				(uint16_t)rng_next(&rng), (uint16_t)rng_next(&rng)};
			uint32_t in[3] = {
				f.src_addr, f.dst_addr, (uint32_t)f.src_port << 16 | f.dst_port};
			uint32_t hash = steer_toeplitz(&t, &f);

			assert_int_equal(hash, rte_softrss_be(in, 3, (const uint8_t *)key_be));
			assert_int_equal(hash, rte_softrss(in, 3, key));
		}
	}
}

static void every_input_bit_counts(void **state)
{
	static struct steer_toeplitz t;
	struct steer_tuple zero = {0};

	steer_toeplitz_init(&t, microsoft_key);
	assert_int_equal(steer_toeplitz(&t, &zero), 0);
	for (unsigned bit = 0; bit < 96; bit++) {
		struct steer_tuple f = zero;
		uint32_t in[3] = {0};
		uint32_t key_be[STEER_RSS_KEY_LEN / 4];

		in[bit / 32] = 1u << bit % 32;
		f.src_addr = in[0];
		f.dst_addr = in[1];
		f.src_port = (uint16_t)(in[2] >> 16);
		f.dst_port = (uint16_t)in[2];
		memcpy(key_be, microsoft_key, sizeof(key_be));
		rte_convert_rss_key(key_be, key_be, sizeof(key_be));
		assert_int_equal(
			steer_toeplitz(&t, &f), rte_softrss_be(in, 3, (const uint8_t *)key_be));
	}
}

static void table_deals_buckets_evenly(void **state)
{
	assert_null(steer_table_create(0));
	assert_null(steer_table_create(STEER_WORKERS_MAX + 1));
	for (unsigned n = 1; n <= STEER_WORKERS_MAX; n++) {
		struct steer_table *table = steer_table_create(n);
		unsigned count[STEER_WORKERS_MAX] = {0};

		assert_non_null(table);
		for (unsigned b = 0; b < STEER_BUCKETS; b++)
			count[steer_table_get(table, b)]++;
		for (unsigned w = 0; w < n; w++)
			assert_in_range(count[w], STEER_BUCKETS / n, STEER_BUCKETS / n + 1);
		steer_table_set(table, STEER_BUCKETS - 1, n - 1);
		assert_int_equal(steer_table_get(table, STEER_BUCKETS - 1), n - 1);
		steer_table_destroy(table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(equals_dpdk_for_random_keys_and_flows),
		cmocka_unit_test(every_input_bit_counts),
		cmocka_unit_test(table_deals_buckets_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
