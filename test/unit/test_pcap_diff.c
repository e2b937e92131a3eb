// SPDX-License-Identifier: BSD-3-Clause
// Unified diff of lines: exact output for known cases, and edit scripts that lead from a to b

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pcap/textdiff.h"

// One line per character of s.
static struct textdiff_lines lines_of(const char *s)
{
	struct textdiff_lines l = {0};

	for (; *s; s++) {
		char one[2] = {*s};

		assert_true(textdiff_add(&l, one));
	}
	return l;
}

// The diff of a and b as a text to be freed; NULL when they are equal.
static char *diff_text(const struct textdiff_lines *a, const struct textdiff_lines *b)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int rc = textdiff_print(f, "a", a, "b", b);

	fclose(f);
	assert_in_range(rc, 0, 1);
	assert_int_equal(rc == 1, size > 0);
	if (size > 0)
		return text;
	free(text);
	return NULL;
}

static void expect(const char *sa, const char *sb, const char *want)
{
	struct textdiff_lines a = lines_of(sa), b = lines_of(sb);
	char *got = diff_text(&a, &b);

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
	textdiff_clear(&a);
	textdiff_clear(&b);
}

static void test_equal(void **state)
{
	expect("", "", NULL);
	expect("abc", "abc", NULL);
}

static void test_known(void **state)
{
	expect("", "x", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
	expect("x", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n");
	expect("abcdefgh", "abcdXefgh",
		"--- a\n+++ b\n@@ -2,6 +2,7 @@\n b\n c\n d\n+X\n e\n f\n g\n");
	expect("abc", "aXc", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n");
}

// Seven equal lines between two changes make two hunks, six make one.
static void test_hunks_are_cut(void **state)
{
	expect("x1234567y", "X1234567Y",
		"--- a\n+++ b\n@@ -1,4 +1,4 @@\n-x\n+X\n 1\n 2\n 3\n"
		"@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-y\n+Y\n");
	expect("x123456y", "X123456Y",
		"--- a\n+++ b\n@@ -1,8 +1,8 @@\n-x\n+X\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n+Y\n");
}

// Apply a unified diff to a, as patch(1) does, and check every line it names.
static void check_patch(
	const char *diff, const struct textdiff_lines *a, const struct textdiff_lines *b)
{
	size_t i = 0, j = 0;

	for (const char *p = diff; *p; p = strchr(p, '\n') + 1) {
		size_t ai, an, bi, bn;

		if (strncmp(p, "--- ", 4) == 0 || strncmp(p, "+++ ", 4) == 0)
			continue;
		if (sscanf(p, "@@ -%zu,%zu +%zu,%zu @@", &ai, &an, &bi, &bn) == 4) {
			ai -= an > 0;
			while (i < ai) // between the hunks the two are the same
				assert_string_equal(a->line[i++], b->line[j++]);
			assert_int_equal(j, bi - (bn > 0));
			continue;
		}
		if (*p != '+') {
			assert_true(i < a->count && a->line[i][0] == p[1]);
			i++;
		}
		if (*p != '-') {
			assert_true(j < b->count && b->line[j][0] == p[1]);
			j++;
		}
	}
	while (i < a->count && j < b->count)
		assert_string_equal(a->line[i++], b->line[j++]);
	assert_int_equal(i, a->count);
	assert_int_equal(j, b->count);
}

static struct textdiff_lines random_lines(struct rng *r, size_t count, unsigned letters)
{
	struct textdiff_lines l = {0};

	for (size_t i = 0; i < count; i++) {
		char one[2] = {(char)('a' + rng_below(r, letters))};

		assert_true(textdiff_add(&l, one));
	}
	return l;
}

static void test_random_pairs_patch(void **state)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct rng r;
		struct textdiff_lines a, b;
		char *diff;

		rng_init(&r, seed);
		a = random_lines(&r, rng_below(&r, 40), 1 + rng_below(&r, 6));
		b = random_lines(&r, rng_below(&r, 40), 1 + rng_below(&r, 6));
		diff = diff_text(&a, &b);
		check_patch(diff ? diff : "", &a, &b);
		free(diff);
		textdiff_clear(&a);
		textdiff_clear(&b);
	}
}

// Nothing in common and more edits than the search allows: shown as replaced.
static void test_too_different(void **state)
{
	struct textdiff_lines a = {0}, b = {0};
	char *diff;

	for (int i = 0; i < TEXTDIFF_EDITS_MAX; i++) {
		assert_true(textdiff_add(&a, "a"));
		assert_true(textdiff_add(&b, i % 7 ? "b" : "c"));
	}
	diff = diff_text(&a, &b);
	check_patch(diff, &a, &b);
	free(diff);
	textdiff_clear(&a);
	textdiff_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_hunks_are_cut),
		cmocka_unit_test(test_random_pairs_patch),
		cmocka_unit_test(test_too_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
