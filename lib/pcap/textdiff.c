// SPDX-License-Identifier: BSD-3-Clause
// Unified diff of two lists of lines

#include "pcap/textdiff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 3

bool textdiff_add(struct textdiff_lines *l, const char *text)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		char **line = reallocarray(l->line, room, sizeof(*line));

		if (!line)
			return false;
		l->line = line;
		l->room = room;
	}
	l->line[l->count] = strdup(text);
	if (!l->line[l->count])
		return false;
	l->count++;
	return true;
}

void textdiff_clear(struct textdiff_lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct textdiff_lines){0};
}

// The lines of a and b, and which of them the edit script touches.
struct diff {
	char **a, **b;
	size_t na, nb;
	bool *deleted; // na
	bool *inserted; // nb
};

static void mark_all(struct diff *d, size_t head, size_t tail)
{
	memset(d->deleted + head, 1, d->na - head - tail);
	memset(d->inserted + head, 1, d->nb - head - tail);
}

// Row e of the trace: the furthest x on each diagonal -e .. e, reached with e edits.
// Rows are kept one behind the other, row e from e * e on.
static int *trace_row(int *trace, int e)
{
	return trace + (size_t)e * (size_t)e + e;
}

// From diagonal k of row e back to row e - 1: by an insertion (down), or a deletion.
static bool step_is_down(const int *before, int e, int k)
{
	return k == -e || (k != e && before[k - 1] < before[k + 1]);
}

static void mark_script(struct diff *d, size_t head, int *trace, int edits, int k)
{
	for (int e = edits; e > 0; e--) {
		const int *before = trace_row(trace, e - 1);
		bool down = step_is_down(before, e, k);

		k += down ? 1 : -1;
		if (down)
			d->inserted[head + (size_t)(before[k] - k)] = true;
		else
			d->deleted[head + (size_t)before[k]] = true;
	}
}

// Find and mark the shortest edit script of a[0..na) and b[0..nb), which begin at
// line head. False when it is longer than edits_max.
static bool myers(struct diff *d, size_t head, int na, int nb, int *trace, int edits_max)
{
	char **a = d->a + head, **b = d->b + head;

	for (int e = 0; e <= edits_max; e++) {
		int *row = trace_row(trace, e);

		for (int k = -e; k <= e; k += 2) {
			const int *before = e ? trace_row(trace, e - 1) : NULL;
			int x = 0;

			if (e)
				x = step_is_down(before, e, k) ? before[k + 1] : before[k - 1] + 1;
			while (x < na && x - k < nb && strcmp(a[x], b[x - k]) == 0)
				x++;
			row[k] = x;
			if (x >= na && x - k >= nb) {
				mark_script(d, head, trace, e, k);
				return true;
			}
		}
	}
	return false;
}

// 0, or -1 out of memory.
static int compare(struct diff *d)
{
	size_t head = 0, tail = 0, na, nb, edits_max;
	int *trace;

	while (head < d->na && head < d->nb && strcmp(d->a[head], d->b[head]) == 0)
		head++;
	while (tail < d->na - head && tail < d->nb - head &&
		strcmp(d->a[d->na - 1 - tail], d->b[d->nb - 1 - tail]) == 0)
		tail++;
	na = d->na - head - tail;
	nb = d->nb - head - tail;
	if (na == 0 || nb == 0 || na > INT32_MAX / 4 || nb > INT32_MAX / 4) {
		mark_all(d, head, tail);
		return 0;
	}
	edits_max = na + nb < TEXTDIFF_EDITS_MAX ? na + nb : TEXTDIFF_EDITS_MAX;
	trace = malloc((edits_max + 1) * (edits_max + 1) * sizeof(*trace));
	if (!trace)
		return -1;
	if (!myers(d, head, (int)na, (int)nb, trace, (int)edits_max))
		mark_all(d, head, tail);
	free(trace);
	return 0;
}

static bool is_same(const struct diff *d, size_t i, size_t j)
{
	return i < d->na && j < d->nb && !d->deleted[i] && !d->inserted[j];
}

// Lines from (i, j) on that are the same, at most max.
static size_t same_run(const struct diff *d, size_t i, size_t j, size_t max)
{
	size_t n = 0;

	while (n < max && is_same(d, i + n, j + n))
		n++;
	return n;
}

// One hunk: from (i, j), the first line of its context, to where more than twice the
// context is the same.
static void print_hunk(FILE *out, const struct diff *d, size_t *pi, size_t *pj)
{
	size_t i = *pi, j = *pj, ei = i, ej = j;

	// Find the end first: the head line of a hunk has its lengths.
	for (;;) {
		size_t same = same_run(d, ei, ej, 2 * CONTEXT + 1);
		bool at_end = ei + same == d->na && ej + same == d->nb;

		if (ei != i || ej != j) { // not the leading context
			if (same > 2 * CONTEXT || at_end) {
				same = same < CONTEXT ? same : CONTEXT;
				ei += same;
				ej += same;
				break;
			}
		}
		ei += same;
		ej += same;
		while (ei < d->na && d->deleted[ei])
			ei++;
		while (ej < d->nb && d->inserted[ej])
			ej++;
	}
	fprintf(out, "@@ -%zu,%zu +%zu,%zu @@\n", i + (ei > i), ei - i, j + (ej > j), ej - j);
	while (i < ei || j < ej) {
		if (i < ei && d->deleted[i])
			fprintf(out, "-%s\n", d->a[i++]);
		else if (j < ej && d->inserted[j])
			fprintf(out, "+%s\n", d->b[j++]);
		else {
			fprintf(out, " %s\n", d->a[i++]);
			j++;
		}
	}
	*pi = i;
	*pj = j;
}

// True if anything was printed.
static bool print_hunks(FILE *out, const char *name_a, const char *name_b, const struct diff *d)
{
	size_t i = 0, j = 0, run = 0; // run: lines that were the same just before (i, j)
	bool any = false;

	while (i < d->na || j < d->nb) {
		if (is_same(d, i, j)) {
			i++;
			j++;
			run++;
			continue;
		}
		if (!any)
			fprintf(out, "--- %s\n+++ %s\n", name_a, name_b);
		any = true;
		run = run < CONTEXT ? run : CONTEXT;
		i -= run;
		j -= run;
		print_hunk(out, d, &i, &j);
		run = 0;
	}
	return any;
}

int textdiff_print(FILE *out, const char *name_a, const struct textdiff_lines *a,
	const char *name_b, const struct textdiff_lines *b)
{
	struct diff d = {.a = a->line, .na = a->count, .b = b->line, .nb = b->count};
	int rc = -1;

	d.deleted = calloc(d.na + 1, sizeof(bool));
	d.inserted = calloc(d.nb + 1, sizeof(bool));
	if (d.deleted && d.inserted && compare(&d) == 0)
		rc = print_hunks(out, name_a, name_b, &d) ? 1 : 0;
	free(d.deleted);
	free(d.inserted);
	return rc;
}
