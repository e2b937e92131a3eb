// SPDX-License-Identifier: BSD-3-Clause
// Sizes of keys and values: fixed, a range, or distributions measured at Facebook and Twitter
//
//   "N"                        all of N bytes
//   "A-B"                      uniform
//   "etc"                      values of Facebook's ETC pool (Atikoglu 2012, table 4 and 5.1):
//                              14 discrete small sizes, else generalised Pareto
//   "etc-key"                  keys of ETC: generalised extreme value
//   "usr", "usr-key"           USR: values of 2 bytes; keys of 16 or 21
//   "lognormal:MEDIAN:SIGMA"   heavy tail
//   "twitter"                  lognormal:230:1.1, near the median of Twitter's clusters
//                              (Yang 2020)
//
// A size belongs to its key: it is picked by a hash of the key, so that whoever knows the key
// knows the length. The distribution is kept as 16384 quantiles: picking one costs a load.
#pragma once

#include <stdint.h>

#include "load/load.h"

#define SIZES_STEPS 16384

struct sizes {
	double mean;
	uint32_t smallest;
	uint32_t largest;
	uint32_t cut; // of SIZES_STEPS: how many were larger than the maximum and cut to it
	uint32_t step[SIZES_STEPS];
};

// Sizes are cut to min .. max. 0, or -EINVAL and a sentence.
int sizes_parse(
	struct sizes *s, const char *spec, uint32_t min, uint32_t max, char err[LOAD_ERR_SIZE]);

static inline uint32_t sizes_pick(const struct sizes *s, uint64_t hash)
{
	return s->step[hash % SIZES_STEPS];
}
