// SPDX-License-Identifier: BSD-3-Clause
// The highest rate that passes, by bisection

#include "load/search.h"

void search_init(struct search *s, double min, double max, double precision)
{
	*s = (struct search){.min = min, .max = max, .precision = precision};
}

// The maximum first, as RFC 2544 26.1 has it; then halves of what is left.
double search_next(const struct search *s)
{
	double low = s->low > 0 ? s->low : s->min;

	if (s->high == 0)
		return s->low >= s->max ? 0 : s->max;
	if (s->high <= s->min)
		return 0;
	if (s->high - low <= s->precision * s->high)
		return s->low > 0 ? 0 : s->min;
	return (low + s->high) / 2;
}

void search_verdict(struct search *s, double rate, bool passed)
{
	if (passed && rate > s->low)
		s->low = rate;
	if (!passed && (s->high == 0 || rate < s->high))
		s->high = rate;
}
