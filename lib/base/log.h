// SPDX-License-Identifier: BSD-3-Clause
// LOG_TYPE and LOG over rte_log: one line, what happened, to what, with numbers and units
//
// LOG_TYPE("port") once per file gives the log type ringcached.port, its level
// set with --log-level=ringcached.port:debug. Never in the packet path: there,
// events are counters. Only modules that link DPDK may include this header.
#pragma once

#include <rte_log.h>

#define LOG_TYPE(name) \
	static int log_type_; \
	__attribute__((constructor)) static void log_register_(void) \
	{ \
		log_type_ = \
			rte_log_register_type_and_pick_level("ringcached." name, RTE_LOG_INFO); \
	} \
	_Static_assert(1, "")

// level: ERR WARNING NOTICE INFO DEBUG
#define LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, (uint32_t)log_type_, "ringcached: " fmt "\n", ##__VA_ARGS__)
