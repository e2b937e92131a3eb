// SPDX-License-Identifier: BSD-3-Clause
// The highest rate that passes, by bisection: the way of RFC 2544 26.1
//
// Threads: one owner. Plain state: ask for a rate, run it, tell the verdict.
#pragma once

#include <stdbool.h>

struct search {
	double low, high; // the highest that passed, the lowest that did not; 0: none yet
	double min, max;
	double precision; // stop when high - low is this share of high
};

void search_init(struct search *s, double min, double max, double precision);
// The rate of the next trial, or 0: done, s->low is the result (0: not even min passed).
double search_next(const struct search *s);
void search_verdict(struct search *s, double rate, bool passed);
