// SPDX-License-Identifier: BSD-3-Clause
// What a cache of so many items would hit: LRU and S3-FIFO, written plainly, to compare with
//
// S3-FIFO as in "FIFO queues are all you need for cache eviction" (SOSP 2023) and its authors'
// libCacheSim: a small queue of a tenth, hits counted up to 3, two or more of them bring an
// item to main, as many ghosts as main has items. Keys are numbers below key_count. An expired
// item is a miss and is stored anew; until then it takes its place.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum sim_policy { SIM_LRU, SIM_S3FIFO };

struct sim;

struct sim *sim_create(enum sim_policy policy, uint32_t item_count_max, uint32_t key_count);
void sim_destroy(struct sim *sim);

// A read of the key; if it is not there it is stored, with this exptime (0: never). True: it
// was there.
bool sim_access(struct sim *sim, uint32_t key, uint32_t now_s, uint32_t exptime);
