// SPDX-License-Identifier: BSD-3-Clause
// The way of single packets through the modules, told by the counters that move
//
// A traced packet goes through the path alone; which counters moved meanwhile says
// what each module did with it, and what is new on the tx vector is its answer.
//
// Threads: the worker writes, one other thread reads (a ring of lines).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct trace;
struct worker;

// Trace the first packet_count packets of worker idx. NULL: no memory.
struct trace *trace_create(unsigned idx, unsigned packet_count);
void trace_destroy(struct trace *t);

// Around the processing of one frame. After the last one they do nothing.
void trace_before(struct worker *w, const struct rte_mbuf *m, uint64_t now_us);
void trace_after(struct worker *w, uint64_t now_us);

// Next line without newline; false: none now.
bool trace_next(struct trace *t, char *line, size_t size);
