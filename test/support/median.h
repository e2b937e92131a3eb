// SPDX-License-Identifier: BSD-3-Clause
// The middle one of some samples: what a bench prints, so that being interrupted does not count
#pragma once

#include <stdlib.h>

static inline int median_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// Sorts v; of an even number the upper middle one.
static inline double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), median_order);
	return v[n / 2];
}
