// SPDX-License-Identifier: BSD-3-Clause
// What a run consists of: filling the server, then one measurement or a search of many

#include <inttypes.h>
#include <stdlib.h>

#include "load/search.h"
#include "ringload.h"

#define TRIAL_WARMUP_S 0.3
#define TRIAL_TRIES 3 // of one that the generator spoiled

static int failed(const char *what)
{
	fprintf(stderr, "ringload: %s\n", what);
	return EXIT_FAILURE;
}

// What the threads' preloads found, all together. Returns the exit status.
static int preload_verdict(struct run *run)
{
	uint32_t vanished = 0, wrong = 0, left = 0;
	uint64_t retries = 0;
	enum load_outcome last = LOAD_LOST;
	bool given_up = false;

	for (unsigned i = 0; i < run->opt.threads; i++) {
		struct preload *p = &run->thread[i].preload;

		vanished += p->vanished;
		wrong += p->wrong;
		left += p->to_store + p->to_verify;
		retries += p->retries;
		if (p->given_up) {
			given_up = true;
			last = p->last_failure;
		}
	}
	if (run->interrupted)
		return failed("interrupted while the server was filled");
	if (given_up) {
		fprintf(stderr,
			"ringload: the server cannot be filled: %u keys in a row %s, %u of %u "
			"left\n",
			PRELOAD_FAILURES_MAX,
			last == LOAD_LOST         ? "without an answer"
			: last == LOAD_ERR_SERVER ? "refused"
						  : "answered wrong",
			left, run->opt.keys);
		return EXIT_FAILURE;
	}
	if (!run->opt.quiet)
		fprintf(stderr, "filled   %u keys stored%s, %" PRIu64 " tries repeated\n",
			run->opt.keys, run->opt.verify ? " and read back" : "", retries);
	if (wrong) {
		fprintf(stderr, "ringload: %u keys came back with wrong contents\n", wrong);
		return EXIT_FAILURE;
	}
	if (vanished) {
		fprintf(stderr,
			"ringload: %u of %u keys were stored and not found again: the server's "
			"memory is too small%s\n",
			vanished, run->opt.keys,
			run->opt.allow_missing ? "" : " (--allow-missing goes on)");
		return run->opt.allow_missing ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int fill(struct run *run)
{
	const struct phase phase = {.name = "fill", .preload = true};
	char err[RINGLOAD_ERR_SIZE];
	int status = EXIT_FAILURE;
	unsigned n = run->opt.threads, made;

	for (made = 0; made < n; made++)
		if (preload_init(
			    &run->thread[made].preload, run->opt.keys, made, n, run->opt.verify))
			break;
	if (made < n)
		failed("out of memory");
	else if (phase_run(run, &phase, err))
		failed(err);
	else
		status = preload_verdict(run);
	while (made > 0)
		preload_free(&run->thread[--made].preload);
	return status;
}

static int measure(struct run *run)
{
	const struct phase phase = {
		.name = "run",
		.rate_pps = run->opt.rate_pps,
		.warmup_s = run->opt.warmup_s,
		.duration_s = run->opt.duration_s,
	};
	char err[RINGLOAD_ERR_SIZE];
	struct found found = {0};

	if (phase_run(run, &phase, err))
		return failed(err);
	found.report = phase_report(run, &phase);
	return result_write(run, &found);
}

enum verdict { PASSES, SERVER_LIMIT, GENERATOR_LIMIT };

static enum verdict judge(const struct run *run, const struct report *r, const char **why)
{
	double p99_us = (double)hist_percentile(&r->t->get, 99) / 1000;
	char invalid[REPORT_WHY_SIZE];

	*why = "passes";
	if (!report_valid(r, invalid)) {
		*why = "the generator was late, or is at its limit";
		return GENERATOR_LIMIT;
	}
	if (report_loss(r) > run->opt.max_loss) {
		*why = "too much is lost";
		return SERVER_LIMIT;
	}
	if (run->opt.max_p99_us > 0 && p99_us > run->opt.max_p99_us) {
		*why = "p99 is too high";
		return SERVER_LIMIT;
	}
	return PASSES;
}

// A trial that the generator spoiled says nothing about the server: it is repeated.
static int trial(struct run *run, const struct phase *phase, struct found *found)
{
	char err[RINGLOAD_ERR_SIZE];
	enum verdict verdict = GENERATOR_LIMIT;

	for (unsigned i = 0; i < TRIAL_TRIES && verdict == GENERATOR_LIMIT; i++) {
		const char *why;

		if (phase_run(run, phase, err))
			return failed(err);
		if (run->interrupted)
			return failed("interrupted");
		found->report = phase_report(run, phase);
		found->trials++;
		verdict = judge(run, &found->report, &why);
		fprintf(stderr, "%-8s %10.0f/s  loss %.6f  p99 %.1f us  %s\n", phase->name,
			phase->rate_pps, report_loss(&found->report),
			(double)hist_percentile(&found->report.t->get, 99) / 1000, why);
	}
	found->passed = verdict == PASSES;
	if (found->passed)
		found->rate_pps = phase->rate_pps;
	else
		found->generator_bound = verdict == GENERATOR_LIMIT;
	return EXIT_SUCCESS;
}

// Bisection with short trials; then the rate it found for the whole duration, a little lower
// as often as that does not pass.
static int find_max(struct run *run)
{
	struct phase phase = {
		.name = "trial", .warmup_s = TRIAL_WARMUP_S, .duration_s = run->opt.trial_s};
	struct found found = {0};
	struct search search;
	double rate;

	search_init(&search, run->opt.rate_min_pps, run->opt.rate_pps, run->opt.precision);
	while ((rate = search_next(&search)) > 0) {
		phase.rate_pps = rate;
		if (trial(run, &phase, &found))
			return EXIT_FAILURE;
		search_verdict(&search, rate, found.passed);
	}
	phase.name = "confirm";
	phase.warmup_s = run->opt.warmup_s;
	phase.duration_s = run->opt.duration_s;
	found.passed = false;
	for (rate = search.low; rate >= run->opt.rate_min_pps && !found.passed;) {
		phase.rate_pps = rate;
		if (trial(run, &phase, &found))
			return EXIT_FAILURE;
		rate *= 1 - 2 * run->opt.precision;
	}
	if (!found.passed)
		return failed(found.generator_bound
				      ? "no rate from --rate-min up passes: the generator is late"
				      : "no rate from --rate-min up passes");
	return result_write(run, &found);
}

int trials_run(struct run *run)
{
	if (run->opt.preload) {
		int status = fill(run);

		if (status != EXIT_SUCCESS)
			return status;
	}
	return run->opt.find_max ? find_max(run) : measure(run);
}
