// SPDX-License-Identifier: BSD-3-Clause
// Latency histogram: merging, percentiles, HdrHistogram's text form

#include "load/hist.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NS_PER_US 1000.0

void hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

static void store(stat_t *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

void hist_merge(struct hist *dst, const struct hist *src)
{
	uint64_t min = stat_read(&src->min_ns);

	for (uint32_t i = 0; i < HIST_SLOTS; i++)
		stat_add(&dst->slot[i], stat_read(&src->slot[i]));
	stat_add(&dst->total, stat_read(&src->total));
	stat_add(&dst->sum_ns, stat_read(&src->sum_ns));
	if (stat_read(&src->max_ns) > stat_read(&dst->max_ns))
		store(&dst->max_ns, stat_read(&src->max_ns));
	if (min - 1 < stat_read(&dst->min_ns) - 1)
		store(&dst->min_ns, min);
}

// total is counted from the slots: the three are read while the writer goes on.
void hist_diff(struct hist *dst, const struct hist *now, const struct hist *before)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < HIST_SLOTS; i++) {
		uint64_t n = stat_read(&now->slot[i]) - stat_read(&before->slot[i]);

		store(&dst->slot[i], n);
		total += n;
	}
	store(&dst->total, total);
	store(&dst->sum_ns, stat_read(&now->sum_ns) - stat_read(&before->sum_ns));
	store(&dst->max_ns, stat_read(&now->max_ns));
	store(&dst->min_ns, stat_read(&now->min_ns));
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
	uint64_t total = stat_read(&h->total), want, seen = 0, max = stat_read(&h->max_ns);

	if (total == 0)
		return 0;
	// The nearest rank, with room for what the percentage cannot express exactly.
	want = (uint64_t)ceil(percent / 100.0 * (double)total - 1e-6);
	if (want < 1)
		want = 1;
	if (want >= total)
		return max;
	for (uint32_t i = 0; i < HIST_SLOTS; i++) {
		seen += stat_read(&h->slot[i]);
		if (seen >= want)
			return hist_slot_top(i) < max ? hist_slot_top(i) : max;
	}
	return max;
}

uint64_t hist_min(const struct hist *h)
{
	uint64_t min = stat_read(&h->min_ns);

	return min ? min - 1 : 0;
}

double hist_mean(const struct hist *h)
{
	uint64_t total = stat_read(&h->total);

	return total ? (double)stat_read(&h->sum_ns) / (double)total : 0;
}

double hist_stddev(const struct hist *h)
{
	uint64_t total = stat_read(&h->total);
	double mean = hist_mean(h), sum = 0;

	for (uint32_t i = 0; i < HIST_SLOTS; i++) {
		double d = (double)hist_slot_top(i) - mean;

		sum += d * d * (double)stat_read(&h->slot[i]);
	}
	return total ? sqrt(sum / (double)total) : 0;
}

static void hgrm_line(const struct hist *h, FILE *out, double quantile, uint64_t ns)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i <= hist_slot(ns); i++)
		count += stat_read(&h->slot[i]);
	fprintf(out, "%12.3f %2.12f %10" PRIu64, (double)ns / NS_PER_US, quantile, count);
	if (quantile < 1)
		fprintf(out, " %14.2f", 1 / (1 - quantile));
	fprintf(out, "\n");
}

void hist_write_hgrm(const struct hist *h, FILE *out, unsigned ticks)
{
	uint64_t total = stat_read(&h->total), max = stat_read(&h->max_ns);
	double quantile = 0;

	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	// Each halving of what remains has the same number of lines, until the maximum is met.
	while (total > 0 && quantile < 1 && hist_percentile(h, quantile * 100) < max) {
		double step;

		hgrm_line(h, out, quantile, hist_percentile(h, quantile * 100));
		step = exp2(floor(log2(1 / (1 - quantile))) + 1) * ticks;
		quantile += 1 / step;
	}
	if (total > 0)
		hgrm_line(h, out, 1, max);
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(h) / NS_PER_US,
		hist_stddev(h) / NS_PER_US);
	fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
		(double)max / NS_PER_US, total);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", HIST_SLOTS >> HIST_SUB_BITS,
		2u << HIST_SUB_BITS);
}
