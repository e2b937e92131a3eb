// SPDX-License-Identifier: BSD-3-Clause
// Reports: what makes a run invalid, the sums, JSON and CSV; and the search of the highest rate

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "load/report.h"
#include "load/search.h"

static int setup(void **state)
{
	struct tally *t = tally_create();

	tally_add(t, LOAD_STAT_get_sent, 10000);
	for (unsigned i = 0; i < 9990; i++) {
		tally_finish(t, LOAD_GET, LOAD_HIT, 1, 1);
		hist_add(&t->get, 1000 * (i + 1));
	}
	for (unsigned i = 0; i < 10; i++)
		tally_finish(t, LOAD_GET, LOAD_LOST, 1, 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void sums_and_rates(void **state)
{
	struct report r = {.t = *state, .seconds = 2, .offered_pps = 5000};
	char why[REPORT_WHY_SIZE];

	assert_true(report_valid(&r, why));
	assert_string_equal(why, "");
	assert_true(report_sent_pps(&r) == 5000);
	assert_true(report_received_pps(&r) == 4995);
	assert_true(fabs(report_loss(&r) - 0.001) < 1e-12);
	tally_add(*state, LOAD_STAT_unsent, 90);
	assert_true(fabs(report_loss(&r) - 100.0 / 10090) < 1e-12);
	tally_add(*state, LOAD_STAT_get_sent, 1);
	assert_false(report_valid(&r, why));
	assert_string_equal(why, "received 9990 + lost 10 is not sent 10001");
}

static void faults_of_the_generator(void **state)
{
	static const enum load_stat faults[] = {
		LOAD_STAT_late_sends, LOAD_STAT_tx_full, LOAD_STAT_no_assembly};
	char why[REPORT_WHY_SIZE];

	for (unsigned i = 0; i < 3; i++) {
		struct tally *t = *state;
		struct report r = {.t = t, .seconds = 2};

		tally_add(t, faults[i], 10);
		assert_true(report_valid(&r, why)); // 0.1 % is the limit
		tally_add(t, faults[i], 1);
		assert_false(report_valid(&r, why));
		assert_non_null(strstr(why, "0.11 %"));
		tally_add(t, faults[i], (uint64_t)-11);
	}
	assert_true(report_valid(&(struct report){.t = *state, .seconds = 2}, why));
	assert_false(report_valid(
		&(struct report){.t = *state, .seconds = 2, .interrupted = true}, why));
}

static void an_empty_run_is_not_valid(void **state)
{
	struct tally *t = tally_create();
	struct report r = {.t = t};
	char why[REPORT_WHY_SIZE];

	assert_false(report_valid(&r, why));
	assert_true(report_loss(&r) == 0);
	assert_true(report_sent_pps(&r) == 0);
	free(t);
}

static void each_outcome_in_its_books(void **state)
{
	struct tally *t = tally_create();

	tally_add(t, LOAD_STAT_get_sent, LOAD_OUTCOME_COUNT - 1); // all but stored
	tally_add(t, LOAD_STAT_set_sent, 6); // stored, lost and the errors
	for (int o = 0; o < LOAD_OUTCOME_COUNT; o++) {
		if (o != LOAD_STORED)
			tally_finish(t, LOAD_GET, (enum load_outcome)o, 4, o == LOAD_HIT ? 4 : 1);
		if (o != LOAD_HIT && o != LOAD_MISS)
			tally_finish(t, LOAD_SET, (enum load_outcome)o, 1, 0);
	}
	assert_true(tally_balanced(t));
	assert_int_equal(tally_get(t, LOAD_STAT_key_hits), 5);
	assert_int_equal(tally_get(t, LOAD_STAT_key_misses), 3);
	assert_int_equal(tally_errors(t), 8);
	assert_int_equal(tally_get(t, LOAD_STAT_error_value), 2);
	tally_finish(t, LOAD_GET, LOAD_HIT, 1, 1);
	assert_false(tally_balanced(t));
	free(t);
}

static char *written(void (*write)(const struct report *, FILE *), const struct report *r)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	write(r, f);
	fclose(f);
	return text;
}

static void csv(void **state)
{
	struct report r = {.t = *state, .seconds = 2, .offered_pps = 5000};
	char *text = written(report_csv, &r);

	assert_non_null(strstr(text, "name,value\nvalid,1\nseconds,2.000000\n"));
	assert_non_null(strstr(text, "\nsent,10000\nreceived,9990\nlost,10\n"));
	assert_non_null(strstr(text, "\nget_hits,9990\n"));
	assert_non_null(strstr(text, "\nget_max_us,9990.000\n"));
	free(text);
}

static void text(void **state)
{
	struct report r = {.t = *state, .seconds = 2, .offered_pps = 5000};
	char *out = written(report_text, &r);

	assert_non_null(strstr(out, "offered 5000, sent 5000, received 4995 requests/s"));
	assert_non_null(strstr(out, "received 9990 + lost 10 = sent 10000\n"));
	free(out);
	tally_add(*state, LOAD_STAT_get_lost, 1);
	out = written(report_text, &r);
	assert_non_null(strstr(out, "DOES NOT HOLD"));
	free(out);
}

static void json_escapes_and_nests(void **state)
{
	char *out = NULL;
	struct json j;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	json_begin(&j, f);
	json_text(&j, "a\"b", "\\ \n\x01 \xc3");
	json_open(&j, "list", '[');
	json_u64(&j, NULL, 18446744073709551615ULL);
	json_f64(&j, NULL, NAN);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_f64(&j, "x", 0.125);
	json_bool(&j, "y", false);
	json_end(&j);
	fclose(f);
	assert_string_equal(out,
		"{\n  \"a\\\"b\": \"\\\\ \\u000a\\u0001 \\u00c3\",\n"
		"  \"list\": [\n    18446744073709551615,\n    null,\n    {}\n  ],\n"
		"  \"x\": 0.125,\n  \"y\": false\n}\n");
	free(out);
}

// How many trials, and the rate found, for a server that passes up to limit.
static double find(double limit, double min, double max, unsigned *trials)
{
	struct search s;
	double rate;

	search_init(&s, min, max, 0.01);
	for (*trials = 0; (rate = search_next(&s)) > 0; (*trials)++) {
		assert_in_range(*trials, 0, 40);
		search_verdict(&s, rate, rate <= limit);
	}
	return s.low;
}

static void search_finds_the_limit(void **state)
{
	unsigned trials;

	for (unsigned i = 0; i < 22; i++) {
		double limit = 1000 * pow(1.37, i);
		double found = find(limit, 1000, 1e6, &trials);

		assert_true(found <= limit && found >= limit * 0.985);
		assert_in_range(trials, 2, 20);
	}
	assert_true(find(2e6, 1000, 1e6, &trials) == 1e6);
	assert_int_equal(trials, 1);
	assert_true(find(999, 1000, 1e6, &trials) == 0);
	assert_true(find(500, 1000, 1000, &trials) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_and_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(faults_of_the_generator, setup, teardown),
		cmocka_unit_test(an_empty_run_is_not_valid),
		cmocka_unit_test(each_outcome_in_its_books),
		cmocka_unit_test_setup_teardown(csv, setup, teardown),
		cmocka_unit_test_setup_teardown(text, setup, teardown),
		cmocka_unit_test(json_escapes_and_nests),
		cmocka_unit_test(search_finds_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
