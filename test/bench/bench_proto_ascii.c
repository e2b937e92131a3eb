// SPDX-License-Identifier: BSD-3-Clause
// Nanoseconds and cycles per parsed command line, the best of several runs
// measures: proto.parse_*.ns proto.parse_*.cycles

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/proto.h"

#define LINES 64
#define ROUNDS 20000
#define RUNS 7

static uint64_t cycles_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static uint64_t ns_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

// A buffer of LINES lines, each with another key, as a busy connection delivers them.
static size_t make_lines(char *dst, const char *format)
{
	size_t n = 0;

	for (unsigned i = 0; i < LINES; i++)
		n += (size_t)sprintf(dst + n, format, i);
	return n;
}

static void run(const char *name, const char *format)
{
	static char text[LINES * 4096];
	size_t len = make_lines(text, format);
	double best_ns = 1e9, best_cycles = 1e9;
	volatile uint64_t sink = 0;

	for (unsigned r = 0; r < RUNS; r++) {
		uint64_t ns = ns_now(), cycles = cycles_now(), sum = 0;

		for (unsigned i = 0; i < ROUNDS / RUNS; i++) {
			const uint8_t *p = (const uint8_t *)text;
			size_t left = len;

			while (left > 0) {
				struct request req;

				if (ascii_parse(&req, p, left) != PARSE_OK)
					abort();
				sum += req.key.len + req.vlen;
				p += req.line_len;
				left -= req.line_len;
			}
		}
		ns = ns_now() - ns;
		cycles = cycles_now() - cycles;
		sink += sum;
		if ((double)ns / (ROUNDS / RUNS) / LINES < best_ns) {
			best_ns = (double)ns / (ROUNDS / RUNS) / LINES;
			best_cycles = (double)cycles / (ROUNDS / RUNS) / LINES;
		}
	}
	printf("proto.parse_%s.ns %.1f ns\n", name, best_ns);
	printf("proto.parse_%s.cycles %.0f cycles\n", name, best_cycles);
}

int main(void)
{
	run("get_key16", "get key-0000000000%02u\r\n");
	run("get_key40", "get key-0000000000000000000000000000000000%02u\r\n");
	run("gets_key16", "gets key-0000000000%02u\r\n");
	run("get_bare_lf", "get key-0000000000%02u\n");
	run("get_10_keys", "get key-00000001 key-00000002 key-00000003 key-00000004 "
			   "key-00000005 key-00000006 key-00000007 key-00000008 "
			   "key-00000009 key-000000%02u\r\n");
	run("set_key16", "set key-0000000000%02u 0 0 100\r\n");
	run("set_noreply", "set key-0000000000%02u 12345 86400 100 noreply\r\n");
	run("incr", "incr key-0000000000%02u 1\r\n");
	run("delete", "delete key-0000000000%02u\r\n");
	run("stats", "stats slabs %u\r\n");
	return 0;
}
