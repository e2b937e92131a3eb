// SPDX-License-Identifier: BSD-3-Clause
// Key distributions; Zipf by rejection-inversion (Hoermann, Derflinger 1996): no table, O(1)

#include "load/dist.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "load/mix.h"

// (e^x - 1) / x and ln(1 + x) / x, right also near 0, where s is 1.
static double expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

// The weight of rank x, its integral from 1 to x, and the inverse of that.
static double weight(double s, double x)
{
	return exp(-s * log(x));
}

static double integral(double s, double x)
{
	double ln = log(x);

	return expm1_over((1 - s) * ln) * ln;
}

static double integral_inverse(double s, double v)
{
	double t = v * (1 - s);

	return exp(log1p_over(t < -1 ? -1 : t) * v);
}

static uint32_t zipf_rank(const struct dist *d, struct rng *rng)
{
	double s = d->conf.zipf_s, n = d->conf.count;

	for (;;) {
		double u = d->h_last + rng_unit(rng) * (d->h_first - d->h_last);
		double x = integral_inverse(s, u), k = floor(x + 0.5);

		k = k < 1 ? 1 : k > n ? n : k;
		if (k - x <= d->accept || u >= integral(s, k + 0.5) - weight(s, k))
			return (uint32_t)k - 1;
	}
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

int dist_init(struct dist *d, const struct dist_conf *conf, char err[LOAD_ERR_SIZE])
{
	double s = conf->zipf_s, n = conf->count;

	*d = (struct dist){.conf = *conf};
	if (conf->count == 0 || (conf->kind == DIST_TRACE && conf->trace_len == 0) ||
		!(s >= 0 && s <= 1.4)) {
		snprintf(err, LOAD_ERR_SIZE, "Zipf's exponent is 0 to 1.4, and there must be keys");
		return -EINVAL;
	}
	if (conf->kind == DIST_HOT && !(conf->hot_keys > 0 && conf->hot_keys <= 1 &&
					      conf->hot_accesses >= 0 && conf->hot_accesses <= 1)) {
		snprintf(err, LOAD_ERR_SIZE, "the hot set's shares are 0 to 100 percent");
		return -EINVAL;
	}
	// Near n / golden ratio neighbouring ranks fall far apart; coprime to n it is a bijection.
	d->factor = (uint64_t)(n * 0.6180339887498949) + mix64(conf->seed) % 1024;
	d->factor = d->factor % conf->count + 1;
	while (gcd(d->factor, conf->count) != 1)
		d->factor++;
	d->offset = mix64(conf->seed + 1) % conf->count;
	d->hot_count = (uint32_t)ceil(conf->hot_keys * n);
	d->h_first = integral(s, 1.5) - 1;
	d->h_last = integral(s, n + 0.5);
	d->accept = 2 - integral_inverse(s, integral(s, 2.5) - weight(s, 2));
	return 0;
}

void dist_cursor_init(struct dist_cursor *c, const struct dist *d, uint32_t idx, uint32_t count)
{
	rng_init(&c->rng, mix64(d->conf.seed ^ mix64(idx + 1)));
	c->at = idx;
	c->step = count;
}

uint32_t dist_key_of_rank(const struct dist *d, uint32_t rank)
{
	return (uint32_t)((rank * d->factor + d->offset) % d->conf.count);
}

static uint32_t hot_rank(const struct dist *d, struct rng *rng)
{
	uint32_t cold = d->conf.count - d->hot_count;

	if (cold == 0 || rng_unit(rng) < d->conf.hot_accesses)
		return rng_below(rng, d->hot_count);
	return d->hot_count + rng_below(rng, cold);
}

uint32_t dist_next(const struct dist *d, struct dist_cursor *c)
{
	uint64_t at = c->at;

	switch (d->conf.kind) {
	case DIST_UNIFORM:
		return rng_below(&c->rng, d->conf.count);
	case DIST_ZIPF:
		return dist_key_of_rank(d, zipf_rank(d, &c->rng));
	case DIST_HOT:
		return dist_key_of_rank(d, hot_rank(d, &c->rng));
	case DIST_SCAN:
		c->at += c->step;
		return (uint32_t)(at % d->conf.count);
	case DIST_TRACE:
		c->at += c->step;
		return d->conf.trace[at % d->conf.trace_len];
	}
	return 0;
}
