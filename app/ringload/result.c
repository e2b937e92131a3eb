// SPDX-License-Identifier: BSD-3-Clause
// What a run found: text on standard output, and the files asked for

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "ringload.h"

static FILE *open_result(const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdout : fopen(name, "w");

	if (!f)
		fprintf(stderr, "ringload: %s: %s\n", name, strerror(errno));
	return f;
}

static int close_result(FILE *f, const char *name)
{
	int rc = f == stdout ? fflush(f) : fclose(f);

	if (rc)
		fprintf(stderr, "ringload: %s: %s\n", name, strerror(errno));
	return rc;
}

// "model name" of the first CPU.
static void cpu_model(char *text, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256], *colon;

	snprintf(text, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "model name", 10) != 0 || !(colon = strchr(line, ':')))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", colon[1] ? colon + 2 : "");
		break;
	}
	if (f)
		fclose(f);
}

static void json_settings(const struct run *run, struct json *j)
{
	static const char *const dists[] = {"uniform", "zipf", "hot", "scan", "trace"};
	const struct options *o = &run->opt;

	json_open(j, "settings", '{');
	json_text(j, "engine", run->engine->name);
	json_u64(j, "threads", o->threads);
	json_text(j, "arrival",
		o->rate_pps > 0 ? o->poisson ? "poisson" : "constant"
		: o->flood      ? "flood"
				: "closed");
	json_f64(j, "timeout_ms", o->timeout_ms);
	json_f64(j, "late_us", o->late_us);
	json_u64(j, "keys", o->keys);
	json_text(j, "key_size", o->trace_lines ? "trace" : o->key_size);
	json_text(j, "value_size", o->value_size);
	json_f64(j, "value_mean", run->w.values.mean);
	json_u64(j, "value_largest", run->w.values.largest);
	json_f64(j, "set_share", run->w.set_share);
	json_u64(j, "multiget", o->multiget);
	json_text(j, "distribution", dists[o->dist.kind]);
	json_f64(j, "zipf_s", o->dist.zipf_s);
	json_u64(j, "seed", o->seed);
	json_bool(j, "preload", o->preload);
	json_bool(j, "verify", o->verify);
	json_u64(j, "source_ports", o->src_port_count);
	json_u64(j, "connections", o->connections);
	json_u64(j, "pipeline", o->pipeline);
	json_close(j, '}');
}

static void json_host(const struct run *run, struct json *j)
{
	struct utsname u = {0};
	time_t now = time(NULL);
	char text[256];
	struct tm tm;

	uname(&u);
	json_open(j, "host", '{');
	cpu_model(text, sizeof(text));
	json_text(j, "cpu", text);
	json_u64(j, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	json_text(j, "kernel", u.release);
	json_text(j, "device", run->device_text);
	json_text(j, "idle", run->sleeps ? "sleep" : "spin");
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_text(j, "time", text);
	json_close(j, '}');
}

// What kept the next higher rate from passing.
static const char *bound_by(const struct run *run, const struct found *found)
{
	if (found->rate_pps >= run->opt.rate_pps)
		return "--rate";
	return found->generator_bound ? "the generator" : "the server";
}

static void json_result(const struct run *run, const struct found *found, FILE *out)
{
	struct json j;

	json_begin(&j, out);
	json_text(&j, "program", "ringload " RINGCACHED_VERSION);
	json_open(&j, "command", '[');
	for (int i = 0; i < run->argc; i++)
		json_text(&j, NULL, run->argv[i]);
	json_close(&j, ']');
	json_host(run, &j);
	json_settings(run, &j);
	if (run->opt.find_max) {
		json_open(&j, "search", '{');
		json_f64(&j, "found_pps", found->rate_pps);
		json_u64(&j, "trials", found->trials);
		json_text(&j, "bound_by", bound_by(run, found));
		json_f64(&j, "max_loss", run->opt.max_loss);
		json_f64(&j, "max_p99_us", run->opt.max_p99_us);
		json_close(&j, '}');
	}
	json_open(&j, "result", '{');
	report_json(&found->report, &j);
	json_close(&j, '}');
	json_end(&j);
}

static void text_result(const struct run *run, const struct found *found, const char *why)
{
	const struct report *report = &found->report;

	printf("%s, %s; %u keys of %s, values of %s bytes (mean %.0f); idle threads %s\n",
		run->engine->what, run->device_text, run->opt.keys,
		run->opt.trace_lines ? "a trace" : run->opt.key_size, run->opt.value_size,
		run->w.values.mean, run->sleeps ? "sleep" : "spin");
	report_text(report, stdout);
	if (run->opt.find_max)
		printf("highest rate that passes: %.0f requests/s, after %u trials; bound by %s\n",
			found->rate_pps, found->trials, bound_by(run, found));
	if (why[0])
		printf("NOT VALID: %s\n", why);
	else if (tally_get(report->t, LOAD_STAT_blocked) + tally_get(report->t, LOAD_STAT_unsent))
		printf("the server did not keep up with the rate: requests waited for a place, or "
		       "were never sent\n");
}

int result_write(const struct run *run, const struct found *found)
{
	const struct options *o = &run->opt;
	const struct report *report = &found->report;
	int status = EXIT_SUCCESS;
	char why[REPORT_WHY_SIZE];
	bool valid = report_valid(report, why), to_stdout;
	FILE *f;

	to_stdout = (o->json_file && strcmp(o->json_file, "-") == 0) ||
		    (o->csv_file && strcmp(o->csv_file, "-") == 0) ||
		    (o->hgrm_file && strcmp(o->hgrm_file, "-") == 0);
	if (!to_stdout)
		text_result(run, found, why);
	else if (!valid)
		fprintf(stderr, "ringload: not valid: %s\n", why);
	if (o->json_file) {
		if (!(f = open_result(o->json_file)))
			return EXIT_FAILURE;
		json_result(run, found, f);
		status |= close_result(f, o->json_file) ? EXIT_FAILURE : 0;
	}
	if (o->csv_file) {
		if (!(f = open_result(o->csv_file)))
			return EXIT_FAILURE;
		report_csv(report, f);
		status |= close_result(f, o->csv_file) ? EXIT_FAILURE : 0;
	}
	if (o->hgrm_file) {
		if (!(f = open_result(o->hgrm_file)))
			return EXIT_FAILURE;
		hist_write_hgrm(&report->t->get, f, 5);
		status |= close_result(f, o->hgrm_file) ? EXIT_FAILURE : 0;
	}
	return status != EXIT_SUCCESS ? EXIT_FAILURE : valid ? EXIT_SUCCESS : EXIT_INVALID;
}
