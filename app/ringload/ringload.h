// SPDX-License-Identifier: BSD-3-Clause
// ringload: options, the run and its threads, and what an engine must do
//
// Order of a run (main.c): options -> workload -> engine open -> phases (phase.c): fill the
// server, then one measurement, or the many of a search (trials.c) -> report (result.c).
#pragma once

#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load/gen.h"
#include "load/report.h"

#define EXIT_USAGE 2
#define EXIT_INVALID 3 // the run went through, its figures are not to be believed
#define RINGLOAD_THREADS_MAX 64
#define RINGLOAD_ERR_SIZE 256

enum engine_kind { ENGINE_DPDK_UDP, ENGINE_DPDK_TCP, ENGINE_KERNEL_UDP, ENGINE_KERNEL_TCP };
enum idle_mode { IDLE_AUTO, IDLE_SPIN, IDLE_SLEEP };

struct options {
	uint64_t seed;
	enum engine_kind engine;
	unsigned threads;
	// Where to
	const char *device;
	char **eal_argv;
	int eal_argc;
	uint32_t server_addr, client_addr, gateway_addr; // 0: not given
	uint32_t connections, pipeline, reconnect;
	uint16_t server_port, mtu, src_port, src_port_count;
	enum idle_mode idle;
	uint8_t server_mac[6];
	bool has_server_mac;
	bool hugepages;
	// How much
	double rate_pps; // 0: closed loop
	double warmup_s, duration_s;
	double timeout_ms;
	double late_us; // 0: by idle mode
	uint32_t outstanding;
	// What
	uint32_t keys;
	const char *key_size, *value_size;
	const char *trace_lines, *trace_ids;
	double get_part, set_part;
	struct dist_conf dist;
	uint32_t value_max; // 0: what fits
	unsigned multiget;
	// Search
	double max_p99_us, max_loss, rate_min_pps, trial_s, precision;
	// Results
	const char *json_file, *csv_file, *hgrm_file;
	bool poisson, flood, preload, verify, allow_missing, find_max, quiet;
};

struct run;

// One generator thread; io is the engine's.
struct gen_thread {
	struct run *run;
	unsigned idx;
	struct gen gen;
	struct preload preload;
	void *io;
	_Atomic bool finished;
} __attribute__((aligned(64)));

// An engine moves bytes; everything else is lib/load. Errors: -1 and one sentence in err.
struct engine {
	const char *name;
	const char *what;
	int (*open)(struct run *run, char err[RINGLOAD_ERR_SIZE]);
	uint64_t (*now_ns)(const struct run *run);
	// Begin a phase on all threads; each sets finished at its end. Then wait for them.
	int (*launch)(struct run *run, char err[RINGLOAD_ERR_SIZE]);
	void (*join)(struct run *run);
	void (*close)(struct run *run);
};

extern const struct engine engine_dpdk_udp, engine_dpdk_tcp, engine_kernel_udp, engine_kernel_tcp;

static inline bool engine_is_dpdk(enum engine_kind e)
{
	return e == ENGINE_DPDK_UDP || e == ENGINE_DPDK_TCP;
}

static inline bool engine_is_tcp(enum engine_kind e)
{
	return e == ENGINE_DPDK_TCP || e == ENGINE_KERNEL_TCP;
}

struct run {
	struct options opt;
	int argc;
	char **argv;
	struct workload w;
	uint32_t *trace;
	const struct engine *engine;
	void *engine_state;
	bool sleeps; // idle threads sleep
	char device_text[160]; // what the requests go through, for the report
	_Atomic bool stop;
	bool interrupted;
	struct tally *total; // of the last phase, both books added by phase.c
	struct gen_thread thread[RINGLOAD_THREADS_MAX];
};

// options.c: exits with one line on a usage error, and for --help and --version.
void options_parse(struct options *o, int argc, char **argv);
__attribute__((noreturn, format(printf, 1, 2))) void usage_error(const char *fmt, ...);
// help.c
void help_print(FILE *out);

// setup.c: keys, values, distribution, threads. 0 or -1 and a sentence.
int run_setup(struct run *run, char err[RINGLOAD_ERR_SIZE]);
void run_free(struct run *run);
// The share of thread idx of what all threads together have.
uint32_t run_share(uint32_t total, unsigned idx, unsigned count);
// Longest datagram payload of a request, with its frame.
uint32_t run_datagram_max(const struct run *run);

// Places for requests that one thread's UDP client needs at least.
uint32_t udp_places(const struct run *run);

// phase.c: one phase on all threads, live lines meanwhile; run->total is its result.
struct phase {
	const char *name;
	bool preload;
	double rate_pps; // of all threads; 0: closed loop
	double warmup_s, duration_s;
};
int phase_run(struct run *run, const struct phase *phase, char err[RINGLOAD_ERR_SIZE]);
// run->total as a report.
struct report phase_report(const struct run *run, const struct phase *phase);
// Signals that end a run: blocked before any thread is made.
void phase_block_signals(void);

// trials.c: fill, measure or search. Returns the exit status.
int trials_run(struct run *run);

// What a run, or a search, comes to.
struct found {
	struct report report; // of the last trial
	double rate_pps; // the highest that passed; without a search 0
	unsigned trials;
	bool passed;
	bool generator_bound; // the lowest rate that did not pass: by the generator's fault
};

// result.c: text on stdout, files as asked for. Returns the exit status.
int result_write(const struct run *run, const struct found *found);

// Told to all threads: the wait before the engine looks again, when nothing else is due.
#define TURN_MAX_NS 5000000ULL
