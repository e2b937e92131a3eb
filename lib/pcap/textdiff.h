// SPDX-License-Identifier: BSD-3-Clause
// Unified diff of two lists of lines
//
// The shortest edit script (E. Myers, "An O(ND) Difference Algorithm", 1986) as long
// as it has at most TEXTDIFF_EDITS_MAX edits; for texts that differ more, the part
// between the common head and tail is shown as replaced.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXTDIFF_EDITS_MAX 2000

struct textdiff_lines {
	char **line; // without newlines
	size_t count;
	size_t room;
};

// Append a copy of text. False: out of memory.
bool textdiff_add(struct textdiff_lines *l, const char *text);
void textdiff_clear(struct textdiff_lines *l);

// Print the unified diff with three lines of context to out, nothing when they are
// equal. 0: equal, 1: different, -1: out of memory.
int textdiff_print(FILE *out, const char *name_a, const struct textdiff_lines *a,
	const char *name_b, const struct textdiff_lines *b);
