// SPDX-License-Identifier: BSD-3-Clause
// ringpcap print and ringpcap diff: captures as text

#include "ringpcap.h"

#include <stdio.h>

#include "lines.h"
#include "pcap/textdiff.h"

static const struct option options[] = {LINES_OPTIONS, {0}};

static void print_line(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

// What was printed must have arrived: a full disk is an error.
static int finish_output(int rc)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		fatal("cannot write standard output");
	return rc;
}

int print_main(int argc, char **argv)
{
	struct lines_conf c = {.text = {.port = 11211}};
	int o;

	while ((o = next_option(argc, argv, ":", options)) != -1)
		lines_option(&c, o, optarg);
	if (optind + 1 != argc)
		usage_error("print: one capture file is needed");
	return finish_output(lines_read(argv[optind], &c, print_line, NULL) == 0 ? 0 : 1);
}

static void keep_line(void *arg, const char *line)
{
	if (!textdiff_add(arg, line))
		fatal("out of memory for the lines");
}

int diff_main(int argc, char **argv)
{
	struct textdiff_lines a = {0}, b = {0};
	struct lines_conf c = {.text = {.port = 11211}};
	int o, rc;

	while ((o = next_option(argc, argv, ":", options)) != -1)
		lines_option(&c, o, optarg);
	if (optind + 2 != argc)
		usage_error("diff: two capture files are needed");
	// As with diff(1): 1 means different, 2 means trouble.
	if (lines_read(argv[optind], &c, keep_line, &a) != 0 ||
		lines_read(argv[optind + 1], &c, keep_line, &b) != 0) {
		rc = 2;
	} else {
		rc = textdiff_print(stdout, argv[optind], &a, argv[optind + 1], &b);
		if (rc < 0)
			fatal("out of memory for the comparison");
	}
	textdiff_clear(&a);
	textdiff_clear(&b);
	return finish_output(rc);
}
