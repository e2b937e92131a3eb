// SPDX-License-Identifier: BSD-3-Clause
// Answers in a byte stream, cut anywhere: pipelines, wrong answers, a stream out of step
// support: fakecache

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "load/stream.h"
#include "support/fakecache.h"

#define DEPTH 8
#define MS 1000000ULL

struct rig {
	struct workload w;
	struct gen gen;
	struct stream s;
	struct fakecache *server;
	uint64_t now_ns;
};

static struct rig *rig_make(const char *value_spec, unsigned multiget, double set_share)
{
	static const enum fake_fate well[] = {FAKE_OK};
	struct rig *r = calloc(1, sizeof(*r));
	struct dist_conf dist = {.kind = DIST_UNIFORM, .count = 50, .seed = 4};
	struct load_request req = {.op = LOAD_SET, .key_count = 1, .version = 3};
	struct gen_plan plan = {.outstanding = DEPTH, .stop_ns = UINT64_MAX};
	char err[LOAD_ERR_SIZE];
	uint8_t *buf, *answer;

	assert_int_equal(keyspace_make(&r->w.keys, 50, "20", err), 0);
	assert_int_equal(sizes_parse(&r->w.values, value_spec, 0, 100000, err), 0);
	assert_int_equal(dist_init(&r->w.dist, &dist, err), 0);
	r->w.multiget = (uint16_t)multiget;
	r->w.set_share = set_share;
	r->w.verify = true;
	workload_finish(&r->w);
	assert_int_equal(gen_init(&r->gen, &r->w, 1, 0, 1), 0);
	assert_int_equal(stream_init(&r->s, &r->gen, DEPTH), 0);
	r->server = fake_create(well, 1);
	buf = malloc(r->w.request_max);
	for (; req.key[0] < 50; req.key[0]++) {
		uint32_t len = workload_format(&r->w, &req, buf);

		fake_answer(r->server, buf, len, FAKE_OK, &answer);
		free(answer);
	}
	free(buf);
	r->now_ns = MS;
	gen_start(&r->gen, &plan);
	return r;
}

static void rig_free(struct rig *r)
{
	stream_free(&r->s);
	gen_free(&r->gen);
	fake_destroy(r->server);
	free(r);
}

// Fill the pipeline; the server's answer to each request, with its fate, is appended to out.
static size_t ask(struct rig *r, unsigned n, const enum fake_fate *fate, uint8_t *out)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		struct load_request req;
		uint8_t *answer;
		const uint8_t *p;
		uint64_t due_ns;
		uint32_t bytes;
		size_t got;

		assert_true(stream_has_room(&r->s));
		assert_true(gen_next(&r->gen, r->now_ns, r->s.count, &req, &due_ns));
		stream_add(&r->s, &req, due_ns, r->now_ns);
		bytes = stream_output(&r->s, &p);
		got = fake_answer(r->server, p, bytes, fate ? fate[i] : FAKE_OK, &answer);
		stream_sent(&r->s, bytes);
		memcpy(out + len, answer, got);
		len += got;
		free(answer);
	}
	return len;
}

#define COUNT(r, stat) tally_get((r)->gen.book[GEN_MEASURE], LOAD_STAT_##stat)

static uint8_t out[1 << 20];

// Whatever the pieces, the same is found.
static void any_cut_is_the_same(void **state)
{
	for (unsigned piece = 1; piece < 400; piece += piece < 40 ? 1 : 37) {
		struct rig *r = rig_make("0-300", 3, 0.3);

		for (unsigned round = 0; round < 5; round++) {
			size_t len = ask(r, DEPTH, NULL, out);

			assert_false(stream_has_room(&r->s));
			for (size_t at = 0; at < len; at += piece)
				assert_true(stream_input(&r->s, out + at,
						    len - at < piece ? len - at : piece,
						    r->now_ns + MS) >= 0);
			assert_int_equal(r->s.count, 0);
		}
		assert_int_equal(COUNT(r, get_hits) + COUNT(r, set_stored), 5 * DEPTH);
		assert_int_equal(COUNT(r, key_hits), 3 * COUNT(r, get_hits));
		assert_true(COUNT(r, set_stored) > 2);
		assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
		assert_int_equal(hist_percentile(&r->gen.book[GEN_MEASURE]->service, 50), MS);
		rig_free(r);
	}
}

// Wrong answers do not disturb those behind them.
static void wrong_answers_keep_step(void **state)
{
	static const enum fake_fate fate[] = {FAKE_OK, FAKE_CORRUPT, FAKE_SERVER_ERROR,
		FAKE_WRONG_KEY, FAKE_FORGET, FAKE_OK, FAKE_CORRUPT, FAKE_OK};
	struct rig *r = rig_make("100", 1, 0);
	size_t len = ask(r, 8, fate, out);

	assert_int_equal(stream_input(&r->s, out, len, r->now_ns), 8);
	assert_int_equal(COUNT(r, get_hits), 3);
	assert_int_equal(COUNT(r, get_misses), 1);
	assert_int_equal(COUNT(r, error_value), 2);
	assert_int_equal(COUNT(r, error_server), 1);
	assert_int_equal(COUNT(r, error_key), 1);
	assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
	rig_free(r);
}

static void wrong_length_is_seen(void **state)
{
	struct rig *r = rig_make("5", 1, 0);
	uint8_t key[KEYSPACE_KEY_MAX + 1] = "";
	struct load_request req;
	uint64_t due_ns;
	char text[400];

	assert_true(gen_next(&r->gen, r->now_ns, 0, &req, &due_ns));
	stream_add(&r->s, &req, due_ns, r->now_ns);
	keyspace_format(&r->w.keys, req.key[0], key);
	snprintf(text, sizeof(text), "VALUE %s 3 4\r\nabcd\r\nEND\r\n", key);
	assert_int_equal(stream_input(&r->s, (uint8_t *)text, strlen(text), r->now_ns), 1);
	assert_int_equal(COUNT(r, error_value), 1);
	rig_free(r);
}

static void out_of_step(void **state)
{
	static const char *const bad[] = {"VALUE x\r\n", "HELLO\r\n", "END\n", "\r\n", "STORED\r\n",
		"VALUE ringload:key:ringl00 1 99999999999\r\n", "VALUE k 1 2 3\r\n"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig *r = rig_make("5", 1, 0);

		ask(r, 4, NULL, out);
		assert_int_equal(
			stream_input(&r->s, (const uint8_t *)bad[i], strlen(bad[i]), r->now_ns),
			-1);
		assert_int_equal(COUNT(r, error_syntax), 1);
		assert_int_equal(stream_abort(&r->s, r->now_ns), 3);
		assert_int_equal(COUNT(r, get_lost), 3);
		assert_true(tally_balanced(r->gen.book[GEN_MEASURE]));
		rig_free(r);
	}
}

static void more_answers_than_requests(void **state)
{
	struct rig *r = rig_make("5", 1, 0);
	size_t len = ask(r, 1, NULL, out);

	memcpy(out + len, "END\r\n", 5);
	assert_int_equal(stream_input(&r->s, out, len + 5, r->now_ns), -1);
	assert_int_equal(COUNT(r, get_hits), 1);
	rig_free(r);
}

// A line without an end is not gathered for ever.
static void endless_line(void **state)
{
	struct rig *r = rig_make("5", 1, 0);
	int rc = 0;

	ask(r, 1, NULL, out);
	for (unsigned i = 0; i < 600 && rc >= 0; i++)
		rc = stream_input(&r->s, (const uint8_t *)"V", 1, r->now_ns);
	assert_int_equal(rc, -1);
	rig_free(r);
}

// The same key twice in one get: two answers are right, three are not.
static void a_key_twice(void **state)
{
	struct rig *r = rig_make("5", 2, 0);
	struct load_request req = {.op = LOAD_GET, .key_count = 2, .key = {7, 7}};
	uint8_t *answer;
	const uint8_t *p;
	size_t len;

	stream_add(&r->s, &req, r->now_ns, r->now_ns);
	len = fake_answer(r->server, (stream_output(&r->s, &p), p), stream_output(&r->s, &p),
		FAKE_OK, &answer);
	assert_int_equal(stream_input(&r->s, answer, len, r->now_ns), 1);
	assert_int_equal(COUNT(r, get_hits), 1);
	stream_add(&r->s, &req, r->now_ns, r->now_ns);
	memcpy(out, answer, len - 5);
	memcpy(out + len - 5, answer, len);
	assert_int_equal(stream_input(&r->s, out, 2 * len - 5, r->now_ns), 1);
	assert_int_equal(COUNT(r, error_key), 1);
	free(answer);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_is_the_same),
		cmocka_unit_test(wrong_answers_keep_step),
		cmocka_unit_test(wrong_length_is_seen),
		cmocka_unit_test(out_of_step),
		cmocka_unit_test(more_answers_than_requests),
		cmocka_unit_test(endless_line),
		cmocka_unit_test(a_key_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
