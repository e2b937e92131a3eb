// SPDX-License-Identifier: BSD-3-Clause
// Size distributions as tables of quantiles

#include "load/sizes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct shape {
	enum { UNIFORM, ETC_VALUE, ETC_KEY, USR_KEY, LOGNORMAL } kind;
	double a, b;
};

// Generalised Pareto and extreme value distributions: the size at quantile u.
static double pareto_at(double u, double location, double scale, double k)
{
	return location + scale * (pow(1 - u, -k) - 1) / k;
}

static double extreme_at(double u, double location, double scale, double k)
{
	return location + scale * (pow(-log(u), -k) - 1) / k;
}

// Atikoglu, Xu, Frachtenberg, Jiang, Paleczny: "Workload analysis of a large-scale
// key-value store", SIGMETRICS 2012, section 5.
static double etc_value_at(double u)
{
	static const double small[] = {0.00536, 0.00047, 0.17820, 0.09239, 0.00018, 0.02740,
		0.00065, 0.00606, 0.00023, 0.00837, 0.00837, 0.08989, 0.00092, 0.00326, 0.01980};
	const unsigned n = sizeof(small) / sizeof(small[0]);
	double below = 0;

	for (unsigned i = 0; i < n; i++) {
		below += small[i];
		if (u < below)
			return i;
	}
	return pareto_at((u - below) / (1 - below), 15.0, 214.476, 0.348238);
}

// The normal distribution's quantile by bisection: at set-up only.
static double normal_at(double u)
{
	double lo = -8, hi = 8;

	for (unsigned i = 0; i < 40; i++) {
		double mid = (lo + hi) / 2;

		if (0.5 * erfc(-mid / M_SQRT2) < u)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

static double size_at(const struct shape *s, double u)
{
	switch (s->kind) {
	case UNIFORM:
		return s->a + floor(u * (s->b - s->a + 1));
	case ETC_VALUE:
		return etc_value_at(u);
	case ETC_KEY:
		return extreme_at(u, 30.7984, 8.20449, 0.078688);
	case USR_KEY:
		return u < 0.5 ? 16 : 21;
	case LOGNORMAL:
		return s->a * exp(s->b * normal_at(u));
	}
	return 0;
}

static bool shape_parse(struct shape *s, const char *spec)
{
	unsigned a, b;
	int n = 0;

	if (strcmp(spec, "etc") == 0)
		*s = (struct shape){ETC_VALUE, 0, 0};
	else if (strcmp(spec, "etc-key") == 0)
		*s = (struct shape){ETC_KEY, 0, 0};
	else if (strcmp(spec, "usr") == 0)
		*s = (struct shape){UNIFORM, 2, 2};
	else if (strcmp(spec, "usr-key") == 0)
		*s = (struct shape){USR_KEY, 0, 0};
	else if (strcmp(spec, "twitter") == 0)
		*s = (struct shape){LOGNORMAL, 230, 1.1};
	else if (sscanf(spec, "lognormal:%lf:%lf%n", &s->a, &s->b, &n) == 2 && !spec[n])
		s->kind = LOGNORMAL;
	else if (sscanf(spec, "%9u-%9u%n", &a, &b, &n) == 2 && !spec[n])
		*s = (struct shape){UNIFORM, a, b};
	else if (sscanf(spec, "%9u%n", &a, &n) == 1 && !spec[n])
		*s = (struct shape){UNIFORM, a, a};
	else
		return false;
	if (s->kind == LOGNORMAL)
		return s->a >= 1 && s->a <= 1e9 && s->b >= 0 && s->b <= 10;
	return s->a <= s->b;
}

int sizes_parse(
	struct sizes *s, const char *spec, uint32_t min, uint32_t max, char err[LOAD_ERR_SIZE])
{
	double sum = 0;
	struct shape shape;

	if (!shape_parse(&shape, spec)) {
		snprintf(err, LOAD_ERR_SIZE,
			"'%.60s' is no size: N, A-B, etc, usr, twitter, lognormal:MEDIAN:SIGMA",
			spec);
		return -EINVAL;
	}
	if (shape.kind == UNIFORM && (shape.a < min || shape.b > max)) {
		snprintf(err, LOAD_ERR_SIZE, "'%.60s' is outside %u to %u bytes", spec, min, max);
		return -EINVAL;
	}
	s->cut = 0;
	for (unsigned i = 0; i < SIZES_STEPS; i++) {
		double v = floor(size_at(&shape, (i + 0.5) / SIZES_STEPS));

		s->cut += v > max;
		s->step[i] = v < min ? min : v > max ? max : (uint32_t)v;
		sum += s->step[i];
	}
	s->mean = sum / SIZES_STEPS;
	s->smallest = s->step[0];
	s->largest = s->step[SIZES_STEPS - 1];
	return 0;
}
