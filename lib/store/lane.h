// SPDX-License-Identifier: BSD-3-Clause
// Lanes: which records share an open segment
//
// A lane is a kind of record, a queue of S3-FIFO and a group of lifetimes. Records that expire
// together stand together, so that a segment comes back whole when its time is over. Lifetimes
// are put in classes, four to an octave: those of a class differ by a quarter at most. Every
// open lane costs a segment that is half empty on average, so classes are joined in groups of
// 2^shift when too many are in use (segment.c), with TTL_SHIFT_MAX all of them and the items
// that never expire. A group is named by its first class. Lanes are hints: an item expires by
// its own exptime wherever it is.
#pragma once

#include <stdint.h>

// The two queues of S3-FIFO. An item's queue is that of the segment it is in.
enum segment_queue {
	QUEUE_SMALL, // items stored for the first time
	QUEUE_MAIN, // items hit while in the small queue, or known from before
	QUEUE_COUNT,
};

enum lane_kind {
	KIND_NEW, // from allocation buffers
	KIND_BIG, // records above a quarter of a buffer
	KIND_FRAGMENT, // large values: what is pending holds no other items' memory
	KIND_MOVED, // survivors of compaction and eviction
	KIND_COUNT,
};

#define TTL_CLASS_COUNT 129 // 0: never expires; 4 for each power of two seconds
#define TTL_SHIFT_MAX 8
#define LANE_COUNT (TTL_CLASS_COUNT * QUEUE_COUNT * KIND_COUNT)

static inline unsigned ttl_class(uint32_t exptime, uint32_t now_s)
{
	uint32_t ttl_s = exptime > now_s ? exptime - now_s : 1;
	unsigned octave = 31 - (unsigned)__builtin_clz(ttl_s);
	unsigned quarter = (unsigned)((uint64_t)ttl_s << 2 >> octave) & 3;

	return exptime == 0 ? 0 : 1 + octave * 4 + quarter;
}

// The longest lifetime in a class, not 0.
static inline uint64_t ttl_class_end_s(unsigned class)
{
	unsigned octave = (class - 1) / 4, quarter = (class - 1) % 4;
	uint64_t end = ((uint64_t)(5 + quarter) << octave) / 4;

	return end > 1 ? end : 1;
}

static inline unsigned ttl_group(unsigned class, unsigned shift)
{
	return class == 0 || shift >= TTL_SHIFT_MAX ? 0 : 1 + ((class - 1) >> shift << shift);
}

static inline unsigned lane_make(unsigned group, enum segment_queue queue, enum lane_kind kind)
{
	return (group * QUEUE_COUNT + queue) * KIND_COUNT + kind;
}

static inline enum lane_kind lane_kind(unsigned lane)
{
	return (enum lane_kind)(lane % KIND_COUNT);
}

static inline enum segment_queue lane_queue(unsigned lane)
{
	return (enum segment_queue)(lane / KIND_COUNT % QUEUE_COUNT);
}

static inline unsigned lane_group(unsigned lane)
{
	return lane / KIND_COUNT / QUEUE_COUNT;
}

// The lane that takes its place when classes are joined in groups of 2^shift.
static inline unsigned lane_joined(unsigned lane, unsigned shift)
{
	return lane_make(ttl_group(lane_group(lane), shift), lane_queue(lane), lane_kind(lane));
}
