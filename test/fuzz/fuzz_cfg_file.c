// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a configuration file: one clear line of error, or a file that reads back the same

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cfg/cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *dump(const struct cfg *cfg, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	CHECK(f);
	cfg_print_effective(f, cfg);
	fclose(f);
	return text;
}

static void check_error(const char *err)
{
	CHECK(strncmp(err, "ringcached: fuzz.conf:", 22) == 0);
	CHECK(strlen(err) < CFG_ERR_SIZE);
	for (; *err; err++)
		CHECK((unsigned char)*err >= 0x20 && *err != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg cfg, again;
	char err[CFG_ERR_SIZE] = "", *text, *text2;
	size_t len, len2;

	cfg_default(&cfg);
	if (cfg_load_text(&cfg, "fuzz.conf", (const char *)data, size, err)) {
		check_error(err);
		return 0;
	}
	cfg_check(&cfg, err);
	text = dump(&cfg, &len);
	cfg_default(&again);
	if (cfg_load_text(&again, "fuzz.conf", text, len, err)) {
		fprintf(stderr, "%s\n%s\n", err, text);
		abort();
	}
	text2 = dump(&again, &len2);
	CHECK(len == len2 && memcmp(text, text2, len) == 0);
	CHECK(again.eal.count == cfg.eal.count);
	for (unsigned i = 0; i < cfg.eal.count; i++)
		CHECK(strcmp(again.eal.arg[i], cfg.eal.arg[i]) == 0);
	free(text2);
	free(text);
	return 0;
}
