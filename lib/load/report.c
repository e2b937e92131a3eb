// SPDX-License-Identifier: BSD-3-Clause
// What a run found, as text, JSON and CSV

#include "load/report.h"

#include <inttypes.h>

static const struct percentile {
	const char *name;
	double percent;
} percentiles[] = {
	{"p50", 50},
	{"p90", 90},
	{"p99", 99},
	{"p99.9", 99.9},
	{"p99.99", 99.99},
};

#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

static double per(double a, double b)
{
	return b > 0 ? a / b : 0;
}

double report_faults(const struct report *r)
{
	uint64_t faults = tally_get(r->t, LOAD_STAT_late_sends) +
			  tally_get(r->t, LOAD_STAT_tx_full) +
			  tally_get(r->t, LOAD_STAT_no_assembly);

	return per((double)faults, (double)tally_sent(r->t));
}

double report_loss(const struct report *r)
{
	uint64_t unsent = tally_get(r->t, LOAD_STAT_unsent);

	return per((double)(tally_lost(r->t) + tally_errors(r->t) + unsent),
		(double)(tally_sent(r->t) + unsent));
}

double report_sent_pps(const struct report *r)
{
	return per((double)tally_sent(r->t), r->seconds);
}

double report_received_pps(const struct report *r)
{
	return per((double)tally_received(r->t), r->seconds);
}

bool report_valid(const struct report *r, char why[REPORT_WHY_SIZE])
{
	const struct tally *t = r->t;

	why[0] = '\0';
	if (!tally_balanced(t))
		snprintf(why, REPORT_WHY_SIZE,
			"received %" PRIu64 " + lost %" PRIu64 " is not sent %" PRIu64,
			tally_received(t), tally_lost(t), tally_sent(t));
	else if (tally_sent(t) == 0)
		snprintf(why, REPORT_WHY_SIZE, "no request was sent");
	else if (report_faults(r) > REPORT_FAULTS_MAX)
		snprintf(why, REPORT_WHY_SIZE,
			"the generator was at fault for %.2f %% of the requests (sent late %" PRIu64
			", transmit queue full %" PRIu64 ", no place to assemble %" PRIu64 ")",
			report_faults(r) * 100, tally_get(t, LOAD_STAT_late_sends),
			tally_get(t, LOAD_STAT_tx_full), tally_get(t, LOAD_STAT_no_assembly));
	else if (r->interrupted)
		snprintf(why, REPORT_WHY_SIZE, "interrupted");
	return why[0] == '\0';
}

static void text_latency_head(const struct tally *t, FILE *out)
{
	if (stat_read(&t->service.total) == 0)
		return;
	fprintf(out, "  %-10s", "us");
	for (unsigned i = 0; i < PERCENTILES; i++)
		fprintf(out, " %9s", percentiles[i].name);
	fprintf(out, " %9s %9s\n", "max", "mean");
}

static void text_latency(FILE *out, const char *name, const struct hist *h)
{
	if (stat_read(&h->total) == 0)
		return;
	fprintf(out, "  %-10s", name);
	for (unsigned i = 0; i < PERCENTILES; i++)
		fprintf(out, " %9.1f", (double)hist_percentile(h, percentiles[i].percent) / 1000);
	fprintf(out, " %9.1f %9.1f\n", (double)stat_read(&h->max_ns) / 1000, hist_mean(h) / 1000);
}

static void text_count(FILE *out, const char *name, uint64_t n, uint64_t of)
{
	if (n)
		fprintf(out, "  %-24s %12" PRIu64 "  %7.3f %%\n", name, n,
			100 * per((double)n, (double)of));
}

static void text_requests(const struct tally *t, FILE *out)
{
	uint64_t gets = tally_get(t, LOAD_STAT_get_sent), sets = tally_get(t, LOAD_STAT_set_sent);
	uint64_t keys = tally_get(t, LOAD_STAT_key_hits) + tally_get(t, LOAD_STAT_key_misses);

	text_count(out, "get sent", gets, gets);
	text_count(out, "  hit", tally_get(t, LOAD_STAT_get_hits), gets);
	text_count(out, "  miss", tally_get(t, LOAD_STAT_get_misses), gets);
	text_count(out, "  echo", tally_get(t, LOAD_STAT_get_echoes), gets);
	text_count(out, "  error", tally_get(t, LOAD_STAT_get_errors), gets);
	text_count(out, "  lost", tally_get(t, LOAD_STAT_get_lost), gets);
	if (keys > gets)
		text_count(out, "  keys found", tally_get(t, LOAD_STAT_key_hits), keys);
	text_count(out, "set sent", sets, sets);
	text_count(out, "  stored", tally_get(t, LOAD_STAT_set_stored), sets);
	text_count(out, "  error", tally_get(t, LOAD_STAT_set_errors), sets);
	text_count(out, "  lost", tally_get(t, LOAD_STAT_set_lost), sets);
}

void report_text(const struct report *r, FILE *out)
{
	static const enum load_stat details[] = {LOAD_STAT_error_server, LOAD_STAT_error_key,
		LOAD_STAT_error_value, LOAD_STAT_error_syntax, LOAD_STAT_incomplete,
		LOAD_STAT_duplicates, LOAD_STAT_late_replies, LOAD_STAT_strays,
		LOAD_STAT_bad_datagrams, LOAD_STAT_no_assembly, LOAD_STAT_late_sends,
		LOAD_STAT_tx_full, LOAD_STAT_blocked, LOAD_STAT_unsent, LOAD_STAT_connects,
		LOAD_STAT_connect_errors, LOAD_STAT_disconnects, LOAD_STAT_retransmits,
		LOAD_STAT_out_of_order};
	const struct tally *t = r->t;

	fprintf(out, "measured %.2f s: ", r->seconds);
	if (r->offered_pps > 0)
		fprintf(out, "offered %.0f, ", r->offered_pps);
	else
		fprintf(out, "%u outstanding, ", r->outstanding);
	fprintf(out, "sent %.0f, received %.0f requests/s, %.2f Mbit/s out, %.2f in\n",
		report_sent_pps(r), report_received_pps(r),
		per((double)tally_get(t, LOAD_STAT_bytes_sent) * 8e-6, r->seconds),
		per((double)tally_get(t, LOAD_STAT_bytes_received) * 8e-6, r->seconds));
	text_requests(t, out);
	for (unsigned i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		text_count(out, load_stats_set.desc[details[i]].name, tally_get(t, details[i]),
			tally_sent(t));
	if (tally_get(t, LOAD_STAT_waited_ns))
		fprintf(out, "  the generator waited for answers %.1f %% of the time\n",
			per((double)tally_get(t, LOAD_STAT_waited_ns) * 1e-7, r->seconds));
	text_latency_head(t, out);
	text_latency(out, "get", &t->get);
	text_latency(out, "set", &t->set);
	text_latency(out, "service", &t->service);
	text_latency(out, "connect", &t->connect);
	fprintf(out, "received %" PRIu64 " + lost %" PRIu64 " = sent %" PRIu64 "%s\n",
		tally_received(t), tally_lost(t), tally_sent(t),
		tally_balanced(t) ? "" : ": DOES NOT HOLD");
}

static void json_latency(struct json *j, const char *name, const struct hist *h)
{
	json_open(j, name, '{');
	json_u64(j, "count", stat_read(&h->total));
	json_f64(j, "min", (double)hist_min(h) / 1000);
	json_f64(j, "mean", hist_mean(h) / 1000);
	for (unsigned i = 0; i < PERCENTILES; i++)
		json_f64(j, percentiles[i].name,
			(double)hist_percentile(h, percentiles[i].percent) / 1000);
	json_f64(j, "max", (double)stat_read(&h->max_ns) / 1000);
	json_close(j, '}');
}

void report_json(const struct report *r, struct json *j)
{
	char why[REPORT_WHY_SIZE];

	json_bool(j, "valid", report_valid(r, why));
	json_text(j, "why_invalid", why);
	json_bool(j, "sums_hold", tally_balanced(r->t));
	json_f64(j, "seconds", r->seconds);
	json_f64(j, "offered_pps", r->offered_pps);
	json_u64(j, "outstanding", r->outstanding);
	json_f64(j, "sent_pps", report_sent_pps(r));
	json_f64(j, "received_pps", report_received_pps(r));
	json_f64(j, "loss", report_loss(r));
	json_u64(j, "sent", tally_sent(r->t));
	json_u64(j, "received", tally_received(r->t));
	json_u64(j, "lost", tally_lost(r->t));
	json_open(j, "counters", '{');
	for (unsigned i = 0; i < LOAD_STAT_COUNT; i++)
		json_u64(j, load_stats_set.desc[i].name, tally_get(r->t, i));
	json_close(j, '}');
	json_open(j, "latency_us", '{');
	json_latency(j, "get", &r->t->get);
	json_latency(j, "set", &r->t->set);
	json_latency(j, "service", &r->t->service);
	json_latency(j, "connect", &r->t->connect);
	json_close(j, '}');
}

static void csv_latency(FILE *out, const char *name, const struct hist *h)
{
	for (unsigned i = 0; i < PERCENTILES; i++)
		fprintf(out, "%s_%s_us,%.3f\n", name, percentiles[i].name,
			(double)hist_percentile(h, percentiles[i].percent) / 1000);
	fprintf(out, "%s_max_us,%.3f\n%s_mean_us,%.3f\n", name,
		(double)stat_read(&h->max_ns) / 1000, name, hist_mean(h) / 1000);
}

void report_csv(const struct report *r, FILE *out)
{
	char why[REPORT_WHY_SIZE];

	fprintf(out, "name,value\nvalid,%d\nseconds,%.6f\noffered_pps,%.3f\n", report_valid(r, why),
		r->seconds, r->offered_pps);
	fprintf(out, "sent_pps,%.3f\nreceived_pps,%.3f\nloss,%.9f\n", report_sent_pps(r),
		report_received_pps(r), report_loss(r));
	fprintf(out, "sent,%" PRIu64 "\nreceived,%" PRIu64 "\nlost,%" PRIu64 "\n", tally_sent(r->t),
		tally_received(r->t), tally_lost(r->t));
	for (unsigned i = 0; i < LOAD_STAT_COUNT; i++)
		fprintf(out, "%s,%" PRIu64 "\n", load_stats_set.desc[i].name, tally_get(r->t, i));
	csv_latency(out, "get", &r->t->get);
	csv_latency(out, "set", &r->t->set);
	csv_latency(out, "service", &r->t->service);
}
