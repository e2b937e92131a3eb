// SPDX-License-Identifier: BSD-3-Clause
// CHECK, DCHECK: assertions on our own state, never on what came from the network
//
// CHECK stays in every build: set-up, state transitions, pool and index laws.
// DCHECK is for the packet path: compiled in unless NDEBUG is defined (the
// release variant defines it; debug, sanitizer, fuzz and coverage do not).
// A failure prints the place and aborts. Input from a peer, a client or a file
// is never a reason to fail a check: it is a counted drop or an error reply.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define likely_(x) __builtin_expect(!!(x), 1)
#define unlikely_(x) __builtin_expect(!!(x), 0)

__attribute__((noreturn, cold, unused)) static void check_failed(
	const char *what, const char *file, int line, const char *func)
{
	fprintf(stderr, "%s:%d: %s: check failed: %s\n", file, line, func, what);
	abort();
}

#define CHECK(cond) \
	do { \
		if (unlikely_(!(cond))) \
			check_failed(#cond, __FILE__, __LINE__, __func__); \
	} while (0)

#ifdef NDEBUG
#define DCHECK(cond) \
	do { \
		if (0 && (cond)) { \
		} \
	} while (0)
#else
#define DCHECK(cond) CHECK(cond)
#endif
