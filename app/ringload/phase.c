// SPDX-License-Identifier: BSD-3-Clause
// One phase on all threads: plan, launch, a line each second, wait, add up

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ringload.h"

#define NS_PER_S 1e9
#define START_DELAY_NS 2000000 // for the threads to come up
#define POLL_MS 20
#define PRELOAD_OUTSTANDING 64

// What the live line compares with.
struct live {
	uint64_t last_ns, begin_ns;
	struct tally *now, *before;
	struct hist *interval;
};

static void signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void phase_block_signals(void)
{
	sigset_t set;

	signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void wait_signal(struct run *run)
{
	struct timespec ts = {.tv_nsec = POLL_MS * 1000000L};
	sigset_t set;

	signals(&set);
	if (sigtimedwait(&set, NULL, &ts) > 0) {
		run->interrupted = true;
		atomic_store(&run->stop, true);
	}
}

static void plan_threads(struct run *run, const struct phase *p)
{
	const struct options *o = &run->opt;
	uint64_t start_ns = run->engine->now_ns(run) + START_DELAY_NS;
	struct gen_plan plan = {
		.start_ns = start_ns,
		.measure_ns = start_ns + (uint64_t)(p->warmup_s * NS_PER_S),
		.rate_pps = p->rate_pps / o->threads,
		.poisson = o->poisson,
		.late_ns = (uint64_t)(o->late_us * 1000),
	};

	plan.stop_ns = plan.measure_ns + (uint64_t)(p->duration_s * NS_PER_S);
	for (unsigned i = 0; i < o->threads; i++) {
		struct gen_thread *t = &run->thread[i];

		plan.preload = p->preload ? &t->preload : NULL;
		plan.outstanding =
			run_share(p->preload ? PRELOAD_OUTSTANDING : o->outstanding, i, o->threads);
		if (plan.outstanding == 0)
			plan.outstanding = 1;
		gen_start(&t->gen, &plan);
		atomic_store(&t->finished, false);
	}
}

static void add_up(const struct run *run, struct tally *total, unsigned from_book)
{
	tally_reset(total);
	for (unsigned i = 0; i < run->opt.threads; i++)
		for (unsigned b = from_book; b < GEN_BOOKS; b++)
			tally_merge(total, run->thread[i].gen.book[b]);
}

static uint64_t since(const struct live *l, enum load_stat s)
{
	return tally_get(l->now, s) - tally_get(l->before, s);
}

static double percent(uint64_t a, uint64_t b)
{
	return b ? 100.0 * (double)a / (double)b : 0;
}

static void live_line(const struct run *run, const struct phase *p, struct live *l, uint64_t now_ns)
{
	double s = (double)(now_ns - l->last_ns) / NS_PER_S;
	uint64_t sent, received, hits, keys, lost, errors;
	struct tally *swap = l->before;

	add_up(run, l->now, GEN_WARMUP);
	hist_diff(l->interval, &l->now->get, &l->before->get);
	sent = tally_sent(l->now) - tally_sent(l->before);
	received = tally_received(l->now) - tally_received(l->before);
	lost = tally_lost(l->now) - tally_lost(l->before);
	errors = tally_errors(l->now) - tally_errors(l->before);
	hits = since(l, LOAD_STAT_key_hits);
	keys = hits + since(l, LOAD_STAT_key_misses);
	fprintf(stderr,
		"%-8s %5.1f s  sent %9.0f/s  recv %9.0f/s  hit %6.2f %%  lost %" PRIu64
		"  err %" PRIu64 "  late %" PRIu64 "  blocked %" PRIu64
		"  p50 %.1f us  p99 %.1f us\n",
		p->name, (double)(now_ns - l->begin_ns) / NS_PER_S, (double)sent / s,
		(double)received / s, percent(hits, keys), lost, errors,
		since(l, LOAD_STAT_late_sends) + since(l, LOAD_STAT_tx_full),
		since(l, LOAD_STAT_blocked), (double)hist_percentile(l->interval, 50) / 1000,
		(double)hist_percentile(l->interval, 99) / 1000);
	l->before = l->now;
	l->now = swap;
	l->last_ns = now_ns;
}

static bool all_finished(const struct run *run)
{
	for (unsigned i = 0; i < run->opt.threads; i++)
		if (!atomic_load(&run->thread[i].finished))
			return false;
	return true;
}

static void watch(struct run *run, const struct phase *p)
{
	struct live l = {.now = tally_create(),
		.before = tally_create(),
		.interval = calloc(1, sizeof(*l.interval))};
	bool show = !run->opt.quiet && l.now && l.before && l.interval;

	l.begin_ns = l.last_ns = run->engine->now_ns(run);
	while (!all_finished(run)) {
		uint64_t now_ns;

		wait_signal(run);
		now_ns = run->engine->now_ns(run);
		if (show && now_ns >= l.last_ns + (uint64_t)NS_PER_S)
			live_line(run, p, &l, now_ns);
	}
	free(l.now);
	free(l.before);
	free(l.interval);
}

int phase_run(struct run *run, const struct phase *phase, char err[RINGLOAD_ERR_SIZE])
{
	plan_threads(run, phase);
	if (run->engine->launch(run, err))
		return -1;
	watch(run, phase);
	run->engine->join(run);
	add_up(run, run->total, phase->preload ? GEN_WARMUP : GEN_MEASURE);
	return 0;
}

struct report phase_report(const struct run *run, const struct phase *phase)
{
	// A signal moves the end.
	const struct gen_plan *plan = &run->thread[0].gen.plan;
	double seconds = ((double)plan->stop_ns - (double)plan->measure_ns) / NS_PER_S;

	return (struct report){
		.t = run->total,
		.seconds = seconds > 0 ? seconds : 0,
		.offered_pps = phase->rate_pps,
		.outstanding = phase->rate_pps > 0 ? 0 : run->opt.outstanding,
		.interrupted = run->interrupted,
	};
}
