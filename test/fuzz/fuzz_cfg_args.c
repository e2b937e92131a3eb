// SPDX-License-Identifier: BSD-3-Clause
// Any words as a command line: an action, or one clear line of error
//
// The input is the arguments, each ended by a newline; those that begin with
// "RINGCACHED_" are the environment.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cfg/cfg.h"

#define WORDS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t size)
{
	CHECK(strnlen(line, size) < size);
	CHECK(strncmp(line, "ringcached: ", 12) == 0);
	for (; *line; line++)
		CHECK((unsigned char)*line >= 0x20 && *line != 0x7f);
}

// A word in a heap block of its own size.
static char *copy_word(const uint8_t *p, size_t n)
{
	char *s = malloc(n + 1);

	CHECK(s);
	memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg cfg;
	char name[] = "ringcached", err[CFG_ERR_SIZE] = "";
	char *argv[WORDS_MAX + 1] = {name}, *envp[WORDS_MAX + 1] = {NULL};
	int argc = 1, envc = 0;
	enum cfg_action action;

	while (size > 0 && argc < WORDS_MAX && envc < WORDS_MAX) {
		const uint8_t *nl = memchr(data, '\n', size);
		size_t n = nl ? (size_t)(nl - data) : size;
		char *word = copy_word(data, n);

		if (strncmp(word, "RINGCACHED_", 11) == 0)
			envp[envc++] = word;
		else
			argv[argc++] = word;
		data += nl ? n + 1 : n;
		size -= nl ? n + 1 : n;
	}
	action = cfg_load(&cfg, argc, argv, envp, err);
	CHECK(action >= CFG_ERROR && action <= CFG_DUMP);
	if (action == CFG_ERROR) {
		check_line(err, sizeof(err));
	} else {
		CHECK(err[0] == '\0');
		CHECK(cfg.warnings.count <= CFG_WARNINGS_MAX);
		for (unsigned i = 0; i < cfg.warnings.count; i++)
			check_line(cfg.warnings.line[i], CFG_WARNING_SIZE);
		if (action == CFG_RUN || action == CFG_DUMP || action == CFG_CHECK_ONLY)
			CHECK(cfg_check(&cfg, err) == 0);
	}
	while (argc > 1)
		free(argv[--argc]);
	while (envc > 0)
		free(envp[--envc]);
	return 0;
}
