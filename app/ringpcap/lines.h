// SPDX-License-Identifier: BSD-3-Clause
// A capture as lines of text, for print and diff
#pragma once

#include <stdbool.h>

#include "pcap/pkttext.h"

struct lines_conf {
	struct pkttext_conf text;
	const char *filter; // NULL: all packets
	bool no_time;
};

// Options that print and diff have in common; false: not one of them.
#define LINES_OPTIONS \
	{"filter", required_argument, NULL, 'f'}, {"absolute", no_argument, NULL, 'a'}, \
		{"ip", no_argument, NULL, 'i'}, {"mac", no_argument, NULL, 'm'}, \
		{"first-line", no_argument, NULL, 'l'}, {"port", required_argument, NULL, 'p'}, \
	{ \
		"no-time", no_argument, NULL, 't' \
	}
void lines_option(struct lines_conf *c, int option, const char *value);

// Give each packet's line to fn. Returns 0, or -1 and a message on standard error
// when the file cannot be read, or not to its end.
typedef void lines_fn(void *arg, const char *line);
int lines_read(const char *path, const struct lines_conf *c, lines_fn *fn, void *arg);
