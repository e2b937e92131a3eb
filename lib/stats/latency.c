// SPDX-License-Identifier: BSD-3-Clause
// Latency histograms: counts and percentiles

#include "stats/latency.h"

uint64_t latency_count(const struct latency *l)
{
	return latency_count_below(l, LATENCY_VALUE_BITS);
}

uint64_t latency_count_below(const struct latency *l, unsigned ns_bits)
{
	uint32_t end = loglin_slot((1ULL << ns_bits) - 1, LATENCY_SUB_BITS) + 1;
	uint64_t n = 0;

	for (uint32_t i = 0; i < end; i++)
		n += stat_read(&l->slot[i]);
	return n;
}

uint64_t latency_permille_ns(const struct latency *l, unsigned permille)
{
	uint64_t total = latency_count(l), seen = 0, want;

	if (total == 0)
		return 0;
	// The nearest rank. Divided first, so that no count overflows.
	want = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
	if (want < 1)
		want = 1;
	for (uint32_t i = 0; i < LATENCY_SLOTS; i++) {
		seen += stat_read(&l->slot[i]);
		if (seen >= want)
			return loglin_slot_top(i, LATENCY_SUB_BITS);
	}
	return loglin_slot_top(LATENCY_SLOTS - 1, LATENCY_SUB_BITS);
}
