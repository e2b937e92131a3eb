// SPDX-License-Identifier: BSD-3-Clause
// ringload: load generator for memcached's protocol over UDP and TCP

#include <stdlib.h>
#include <string.h>

#include "ringload.h"

static int serve(struct run *run)
{
	char err[RINGLOAD_ERR_SIZE];
	int status = EXIT_FAILURE;

	if (run_setup(run, err)) {
		fprintf(stderr, "ringload: %s\n", err);
		return EXIT_USAGE;
	}
	phase_block_signals();
	if (run->engine->open(run, err))
		fprintf(stderr, "ringload: %s\n", err);
	else
		status = trials_run(run);
	run->engine->close(run);
	return status;
}

int main(int argc, char **argv)
{
	struct run *run = aligned_alloc(64, sizeof(*run));
	int status;

	if (!run)
		return EXIT_FAILURE;
	memset(run, 0, sizeof(*run));
	run->argc = argc;
	run->argv = argv;
	options_parse(&run->opt, argc, argv);
	status = serve(run);
	run_free(run);
	free(run);
	return status;
}
