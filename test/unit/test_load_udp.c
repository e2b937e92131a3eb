// SPDX-License-Identifier: BSD-3-Clause
// The UDP client against a server with a plan of faults, in virtual time: exact counts
// support: fakecache

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "load/report.h"
#include "load/udp.h"
#include "support/fakecache.h"

#define US 1000ULL
#define MS 1000000ULL

struct rig {
	struct workload w;
	struct gen gen;
	struct udp_client *client;
	struct fakecache *server;
	uint64_t now_ns, stall_from_ns, stall_to_ns;
};

struct setting {
	const enum fake_fate *plan;
	unsigned plan_len;
	unsigned keys;
	const char *value_spec;
	unsigned multiget;
	double set_share;
	unsigned ports;
	unsigned in_flight_max;
};

static struct rig *rig_make(const struct setting *s)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct dist_conf dist = {.kind = DIST_UNIFORM, .count = s->keys, .seed = 42};
	struct udp_client_conf conf = {
		.port_count = (uint16_t)s->ports,
		.timeout_ns = 5 * MS,
		.in_flight_max = s->in_flight_max,
		.datagram_max = 1472,
		.seed = 7,
	};
	char err[LOAD_ERR_SIZE];

	assert_int_equal(keyspace_make(&r->w.keys, s->keys, "20", err), 0);
	assert_int_equal(sizes_parse(&r->w.values, s->value_spec, 0, 100000, err), 0);
	assert_int_equal(dist_init(&r->w.dist, &dist, err), 0);
	r->w.multiget = (uint16_t)s->multiget;
	r->w.set_share = s->set_share;
	r->w.verify = true;
	workload_finish(&r->w);
	assert_int_equal(gen_init(&r->gen, &r->w, 42, 0, 1), 0);
	r->client = udp_client_create(&conf, &r->gen);
	assert_non_null(r->client);
	r->server = fake_create(s->plan, s->plan_len);
	r->now_ns = 1000 * MS;
	return r;
}

static void rig_free(struct rig *r)
{
	udp_client_destroy(r->client);
	gen_free(&r->gen);
	keyspace_free(&r->w.keys);
	fake_destroy(r->server);
	free(r);
}

// One turn as an engine does it: answers, timeouts, requests.
static void turn(struct rig *r)
{
	struct fake_event ev;
	static uint8_t d[1 << 17];
	uint16_t port;
	uint32_t ticket, len;

	while (fake_arrived(r->server, r->now_ns, &ev)) {
		udp_client_input(r->client, ev.port, ev.data, ev.len, r->now_ns);
		free(ev.data);
	}
	udp_client_expire(r->client, r->now_ns);
	while ((len = udp_client_next(r->client, r->now_ns, d, &port, &ticket)) > 0)
		fake_datagram(r->server, port, d, len, r->now_ns);
}

static void run(struct rig *r, const struct gen_plan *plan)
{
	gen_start(&r->gen, plan);
	while (!gen_finished(&r->gen, r->now_ns, udp_client_in_flight(r->client))) {
		r->now_ns += US;
		if (r->now_ns < r->stall_from_ns || r->now_ns >= r->stall_to_ns)
			turn(r);
	}
	// Let stragglers come in.
	for (unsigned i = 0; i < 40000; i++, r->now_ns += US)
		turn(r);
}

static void fill(struct rig *r)
{
	static const enum fake_fate well[] = {FAKE_OK};
	const enum fake_fate *plan = r->server->plan;
	unsigned plan_len = r->server->plan_len;
	struct preload pre;
	struct gen_plan p = {.outstanding = 16, .preload = &pre};

	r->server->plan = well;
	r->server->plan_len = 1;
	assert_int_equal(preload_init(&pre, r->w.keys.count, 0, 1, true), 0);
	run(r, &p);
	assert_false(pre.given_up);
	assert_int_equal(pre.retries, 0);
	assert_int_equal(r->server->item_count, r->w.keys.count);
	preload_free(&pre);
	r->server->plan = plan;
	r->server->plan_len = plan_len;
	r->server->requests = 0;
	memset(r->server->count, 0, sizeof(r->server->count));
}

static struct gen_plan open_loop(
	const struct rig *r, double pps, uint64_t warmup_ns, uint64_t run_ns)
{
	return (struct gen_plan){
		.start_ns = r->now_ns,
		.measure_ns = r->now_ns + warmup_ns,
		.stop_ns = r->now_ns + warmup_ns + run_ns,
		.rate_pps = pps,
		.late_ns = 100 * US,
	};
}

#define MEASURED(r, stat) tally_get((r)->gen.book[GEN_MEASURE], LOAD_STAT_##stat)
#define WARMUP(r, stat) tally_get((r)->gen.book[GEN_WARMUP], LOAD_STAT_##stat)

static const enum fake_fate every_fault[] = {FAKE_OK, FAKE_DROP, FAKE_LATE, FAKE_TWICE,
	FAKE_CORRUPT, FAKE_WRONG_KEY, FAKE_CUT, FAKE_SERVER_ERROR, FAKE_FORGET, FAKE_STRAY,
	FAKE_GARBAGE, FAKE_TRAILING, FAKE_OK};

static void counts_every_fault_exactly(void **state)
{
	const struct setting s = {every_fault, 13, 100, "32", 1, 0, 4, 4096};
	struct rig *r = rig_make(&s);
	uint64_t(*n)[2] = r->server->count;
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 130000, 0, 100 * MS);
	run(r, &plan);
	assert_int_equal(MEASURED(r, get_sent), 13000);
	assert_int_equal(r->server->requests, 13000);
	for (unsigned i = 1; i < 12; i++)
		assert_int_equal(n[every_fault[i]][0], 1000);
	assert_int_equal(MEASURED(r, get_hits), 5000); // ok x2, twice, stray, garbage
	assert_int_equal(MEASURED(r, key_hits), 5000);
	assert_int_equal(MEASURED(r, get_misses), 1000);
	assert_int_equal(MEASURED(r, get_lost), 2000); // drop, late
	assert_int_equal(MEASURED(r, get_errors), 5000);
	assert_int_equal(MEASURED(r, error_value), 1000);
	assert_int_equal(MEASURED(r, error_key), 1000);
	assert_int_equal(MEASURED(r, error_syntax), 2000); // cut short, trailing
	assert_int_equal(MEASURED(r, error_server), 1000);
	assert_int_equal(MEASURED(r, duplicates), 1000);
	assert_int_equal(MEASURED(r, late_replies), 1000);
	assert_int_equal(MEASURED(r, strays), 1000);
	assert_int_equal(MEASURED(r, bad_datagrams), 1000);
	assert_int_equal(MEASURED(r, incomplete), 0);
	assert_int_equal(MEASURED(r, late_sends), 0);
	assert_int_equal(MEASURED(r, unsent), 0);
	assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
	assert_int_equal(tally_sent(r->gen.book[GEN_WARMUP]), 0);
	rig_free(r);
}

static void counts_sets_apart(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK, FAKE_DROP, FAKE_SERVER_ERROR, FAKE_OK};
	const struct setting s = {plan_of, 4, 50, "etc", 1, 0.5, 4, 4096};
	struct rig *r = rig_make(&s);
	uint64_t(*n)[2] = r->server->count;
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 100000, 0, 40 * MS);
	run(r, &plan);
	assert_int_equal(MEASURED(r, get_sent) + MEASURED(r, set_sent), 4000);
	assert_in_range(MEASURED(r, set_sent), 1800, 2200);
	assert_int_equal(MEASURED(r, get_hits), n[FAKE_OK][0]);
	assert_int_equal(MEASURED(r, set_stored), n[FAKE_OK][1]);
	assert_int_equal(MEASURED(r, get_lost), n[FAKE_DROP][0]);
	assert_int_equal(MEASURED(r, set_lost), n[FAKE_DROP][1]);
	assert_int_equal(MEASURED(r, get_errors), n[FAKE_SERVER_ERROR][0]);
	assert_int_equal(MEASURED(r, set_errors), n[FAKE_SERVER_ERROR][1]);
	assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
	rig_free(r);
}

static void answers_in_pieces(void **state)
{
	static const enum fake_fate plan_of[] = {
		FAKE_OK, FAKE_LOSE_PIECE, FAKE_REORDER, FAKE_TWICE, FAKE_CORRUPT};
	const struct setting s = {plan_of, 5, 100, "900", 8, 0, 2, 2048};
	struct rig *r = rig_make(&s);
	uint64_t pieces = (8 * (6 + 20 + 1 + 1 + 1 + 3 + 2 + 900 + 2) + 5 + 1391) / 1392;
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 10000, 0, 100 * MS);
	run(r, &plan);
	assert_int_equal(pieces, 6);
	assert_int_equal(MEASURED(r, get_sent), 1000);
	assert_int_equal(MEASURED(r, get_hits), 600);
	assert_int_equal(MEASURED(r, key_hits), 4800);
	assert_int_equal(MEASURED(r, get_lost), 200);
	assert_int_equal(MEASURED(r, incomplete), 200);
	assert_int_equal(MEASURED(r, error_value), 200);
	assert_int_equal(MEASURED(r, duplicates), 200 * pieces);
	assert_int_equal(MEASURED(r, late_replies), 0);
	assert_int_equal(MEASURED(r, no_assembly), 0);
	assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
	rig_free(r);
}

static void warmup_is_booked_apart(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK, FAKE_OK, FAKE_DROP};
	const struct setting s = {plan_of, 3, 100, "32", 1, 0, 1, 1024};
	struct rig *r = rig_make(&s);
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 100000, 30 * MS, 60 * MS);
	run(r, &plan);
	assert_int_equal(WARMUP(r, get_sent), 3000);
	assert_int_equal(WARMUP(r, get_lost), 1000);
	assert_int_equal(MEASURED(r, get_sent), 6000);
	assert_int_equal(MEASURED(r, get_hits), 4000);
	assert_int_equal(MEASURED(r, get_lost), 2000);
	rig_free(r);
}

static uint64_t get_us(const struct rig *r, double percent)
{
	return hist_percentile(&r->gen.book[GEN_MEASURE]->get, percent) / US;
}

static void latency_is_that_of_the_server(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK, FAKE_OK, FAKE_OK, FAKE_OK, FAKE_OK,
		FAKE_OK, FAKE_OK, FAKE_OK, FAKE_OK, FAKE_LATE};
	const struct setting s = {plan_of, 10, 100, "32", 1, 0, 1, 1024};
	struct rig *r = rig_make(&s);
	struct gen_plan plan;

	fill(r);
	r->server->late_ns = 2 * MS;
	plan = open_loop(r, 100000, 0, 100 * MS);
	run(r, &plan);
	assert_int_equal(MEASURED(r, get_hits), 10000);
	assert_in_range(get_us(r, 50), 49, 52); // a turn of the rig is 1 us
	assert_in_range(get_us(r, 89.9), 49, 52);
	assert_in_range(get_us(r, 90.1), 1990, 2010);
	assert_in_range(get_us(r, 100), 1990, 2010);
	rig_free(r);
}

// The generator stands still for 20 ms: the requests of that time are sent late, their
// latency counts from when they were due, and the run is not valid.
static void own_delay_is_told(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK};
	const struct setting s = {plan_of, 1, 100, "32", 1, 0, 1, 8192};
	struct rig *r = rig_make(&s);
	char why[REPORT_WHY_SIZE];
	struct report report;
	struct gen_plan plan;
	struct hist *service;

	fill(r);
	plan = open_loop(r, 100000, 0, 100 * MS);
	r->stall_from_ns = r->now_ns + 40 * MS;
	r->stall_to_ns = r->now_ns + 60 * MS;
	run(r, &plan);
	service = &r->gen.book[GEN_MEASURE]->service;
	assert_int_equal(MEASURED(r, get_sent), 10000);
	assert_in_range(MEASURED(r, late_sends), 1985, 1995); // 20 ms less 100 us, every 10 us
	assert_int_equal(MEASURED(r, blocked), 0);
	assert_in_range(get_us(r, 99.9), 19500, 20100);
	assert_in_range(get_us(r, 90), 9500, 10500);
	assert_in_range(hist_percentile(service, 99) / US, 49, 52);
	report = (struct report){.t = r->gen.book[GEN_MEASURE], .seconds = 0.1, .offered_pps = 1e5};
	assert_false(report_valid(&report, why));
	assert_non_null(strstr(why, "generator was at fault"));
	rig_free(r);
}

// All places wait for a dead server: that is no fault of the generator's, and is told apart.
static void no_place_is_blocked_not_late(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_DROP};
	const struct setting s = {plan_of, 1, 100, "32", 1, 0, 1, 64};
	struct rig *r = rig_make(&s);
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 100000, 0, 50 * MS);
	run(r, &plan);
	// 64 places each 5 ms, and the 10 that come free within late_ns after the end.
	assert_int_equal(MEASURED(r, get_sent), 650);
	assert_int_equal(MEASURED(r, get_lost), 650);
	assert_int_equal(MEASURED(r, late_sends), 0);
	assert_int_equal(MEASURED(r, blocked), 650 - 64);
	assert_int_equal(MEASURED(r, get_sent) + MEASURED(r, unsent), 5000);
	rig_free(r);
}

static void closed_loop_keeps_so_many_in_flight(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK};
	const struct setting s = {plan_of, 1, 100, "32", 1, 0, 4, 1024};
	struct rig *r = rig_make(&s);
	struct gen_plan plan;

	fill(r);
	plan = (struct gen_plan){.start_ns = r->now_ns,
		.measure_ns = r->now_ns,
		.stop_ns = r->now_ns + 100 * MS,
		.outstanding = 8};
	gen_start(&r->gen, &plan);
	for (unsigned i = 0; i < 99000; i++) {
		r->now_ns += US;
		turn(r);
		assert_int_equal(udp_client_in_flight(r->client), 8);
	}
	// 8 in 50 us, in turns of 1 us
	assert_in_range(MEASURED(r, get_sent), 15500, 16000);
	rig_free(r);
}

// A request that got no answer times out in its time, though its neighbours' places have been
// taken again by later requests, of which one waits as well.
static void reused_places_hide_no_timeout(void **state)
{
	enum fake_fate plan_of[4000] = {FAKE_OK};
	const struct setting s = {plan_of, 4000, 100, "32", 1, 0, 1, 64};
	struct rig *r = rig_make(&s);
	struct gen_plan plan = {.outstanding = 4, .stop_ns = UINT64_MAX};

	fill(r);
	// Place 1 is passed over when its turn comes again: request 65 has the place of request 2.
	plan_of[1] = plan_of[3] = plan_of[65] = FAKE_DROP;
	gen_start(&r->gen, &plan);
	for (unsigned i = 0; i < 4990; i++, r->now_ns += US)
		turn(r);
	assert_int_equal(r->server->count[FAKE_DROP][0], 3);
	assert_int_equal(MEASURED(r, get_lost), 0);
	for (unsigned i = 0; i < 100; i++, r->now_ns += US)
		turn(r);
	assert_int_equal(MEASURED(r, get_lost), 2);
	rig_free(r);
}

static void poisson_arrivals_are_poisson(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK};
	const struct setting s = {plan_of, 1, 100, "32", 1, 0, 4, 1024};
	struct rig *r = rig_make(&s);
	struct gen_plan plan = open_loop(r, 1e6, 0, 200 * MS);
	struct load_request req;
	uint64_t due, last = plan.start_ns, sum = 0, squares = 0, n = 0, long_gaps = 0;

	plan.poisson = true;
	gen_start(&r->gen, &plan);
	for (; gen_next(&r->gen, plan.stop_ns, 0, &req, &due); n++, last = due) {
		sum += due - last;
		squares += (due - last) * (due - last);
		long_gaps += due - last > 3 * US;
	}
	assert_in_range(n, 198000, 202000);
	if (n == 0)
		return;
	// Mean and standard deviation are the same; e^-3 of the gaps are over three means.
	assert_in_range(sum / n, 985, 1015);
	assert_in_range(squares / n - (sum / n) * (sum / n), 970 * 970, 1030 * 1030);
	assert_in_range(long_gaps * 10000 / n, 475, 520);
	rig_free(r);
}

// UDP loses and answers wrong: the keys are stored all the same, and read back.
static void preload_repeats_until_all_is_stored(void **state)
{
	static const enum fake_fate plan_of[] = {
		FAKE_OK, FAKE_DROP, FAKE_SERVER_ERROR, FAKE_OK, FAKE_CUT, FAKE_LATE, FAKE_OK};
	const struct setting s = {plan_of, 7, 1000, "etc", 1, 0, 4, 1024};
	struct rig *r = rig_make(&s);
	struct preload pre;
	struct gen_plan p = {.outstanding = 16, .preload = &pre};

	assert_int_equal(preload_init(&pre, 1000, 0, 1, true), 0);
	run(r, &p);
	assert_true(preload_finished(&pre));
	assert_false(pre.given_up);
	assert_int_equal(r->server->item_count, 1000);
	assert_int_equal(pre.vanished, 0);
	assert_int_equal(pre.wrong, 0);
	assert_true(pre.retries > 800);
	assert_int_equal(WARMUP(r, set_sent) + MEASURED(r, set_sent),
		1000 + WARMUP(r, set_lost) + MEASURED(r, set_lost) + WARMUP(r, set_errors) +
			MEASURED(r, set_errors));
	preload_free(&pre);
	rig_free(r);
}

static void preload_gives_up_and_tells_what_vanished(void **state)
{
	static const enum fake_fate dead[] = {FAKE_DROP};
	static const enum fake_fate forgets[] = {FAKE_FORGET};
	const struct setting s = {forgets, 1, 100, "32", 1, 0, 4, 1024};
	struct rig *r = rig_make(&s);
	struct preload pre;
	struct gen_plan p = {.outstanding = 16, .preload = &pre};

	assert_int_equal(preload_init(&pre, 100, 0, 1, true), 0);
	run(r, &p);
	assert_false(pre.given_up);
	assert_int_equal(pre.vanished, 100);
	preload_free(&pre);
	r->server->plan = dead;
	assert_int_equal(preload_init(&pre, 100, 0, 1, true), 0);
	run(r, &p);
	assert_true(pre.given_up);
	assert_int_equal(pre.last_failure, LOAD_LOST);
	assert_in_range(pre.retries, PRELOAD_FAILURES_MAX, PRELOAD_FAILURES_MAX + 16);
	preload_free(&pre);
	rig_free(r);
}

// Ids wrap at 65536 on each port; nothing is mixed up.
static void ids_wrap(void **state)
{
	static const enum fake_fate plan_of[] = {FAKE_OK};
	const struct setting s = {plan_of, 1, 10, "8", 1, 0, 1, 256};
	struct rig *r = rig_make(&s);
	struct gen_plan plan;

	fill(r);
	plan = open_loop(r, 1000000, 0, 140 * MS);
	run(r, &plan);
	assert_int_equal(MEASURED(r, get_sent), 140000);
	assert_int_equal(MEASURED(r, get_hits), 140000);
	assert_int_equal(MEASURED(r, strays) + MEASURED(r, duplicates), 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_every_fault_exactly),
		cmocka_unit_test(counts_sets_apart),
		cmocka_unit_test(answers_in_pieces),
		cmocka_unit_test(warmup_is_booked_apart),
		cmocka_unit_test(latency_is_that_of_the_server),
		cmocka_unit_test(own_delay_is_told),
		cmocka_unit_test(no_place_is_blocked_not_late),
		cmocka_unit_test(closed_loop_keeps_so_many_in_flight),
		cmocka_unit_test(reused_places_hide_no_timeout),
		cmocka_unit_test(poisson_arrivals_are_poisson),
		cmocka_unit_test(preload_repeats_until_all_is_stored),
		cmocka_unit_test(preload_gives_up_and_tells_what_vanished),
		cmocka_unit_test(ids_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
