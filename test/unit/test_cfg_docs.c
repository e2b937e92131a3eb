// SPDX-License-Identifier: BSD-3-Clause
// config/ringcached.conf and the manual pages' option lists are those of cfg.def
//
// GEN_DOCS=1 writes them instead (scripts/gen-docs). Runs in the root of the repository.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cfg/cfg.h"

#define BEGIN ".\\\" begin options, written by scripts/gen-docs\n"
#define END ".\\\" end options\n"

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	long size;

	if (!f)
		fail_msg("%s: cannot be read", path);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	fclose(f);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		fail_msg("%s: cannot be written", path);
}

// Compare want with the file, or write it.
static void check_file(const char *path, const char *want)
{
	char *have;

	if (getenv("GEN_DOCS")) {
		write_file(path, want);
		return;
	}
	have = read_file(path);
	if (strcmp(have, want) != 0)
		fail_msg("%s is not what lib/cfg/cfg.def says: run scripts/gen-docs", path);
	free(have);
}

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	fclose(f);
	return text;
}

// The manual with the list between its two marks replaced.
static void check_manual(const char *path, void (*print)(FILE *))
{
	char *have = read_file(path), *list = printed(print), *want = NULL;
	const char *begin = strstr(have, BEGIN), *end = strstr(have, END);
	size_t len;
	FILE *f = open_memstream(&want, &len);

	assert_non_null(begin);
	assert_non_null(end);
	assert_non_null(f);
	begin += strlen(BEGIN);
	fprintf(f, "%.*s%s%s", (int)(begin - have), have, list, end);
	fclose(f);
	check_file(path, want);
	free(want);
	free(list);
	free(have);
}

static void test_example_file(void **state)
{
	char *want = printed(cfg_print_example);

	check_file("config/ringcached.conf", want);
	free(want);
}

// Nothing but comments: it changes no default. And with its options in force, neither.
static void test_example_file_says_the_defaults(void **state)
{
	static struct cfg def, c;
	char *text = read_file("config/ringcached.conf"), err[CFG_ERR_SIZE] = "";
	unsigned count = 0;

	cfg_default(&def);
	cfg_default(&c);
	assert_int_equal(cfg_load_text(&c, "ringcached.conf", text, strlen(text), err), 0);
	assert_memory_equal(&c, &def, sizeof(c));
	// "#name = value" is an option, "# text" is not.
	for (char *p = text; (p = strstr(p, "\n#")); p++)
		if (p[2] >= 'a' && p[2] <= 'z') {
			p[1] = ' ';
			count++;
		}
	// The last three are examples of EAL arguments.
	*strstr(text, " vdev =") = '\0';
	assert_int_equal(cfg_load_text(&c, "ringcached.conf", text, strlen(text), err), 0);
	assert_string_equal(err, "");
	assert_memory_equal(&c, &def, sizeof(c));
	assert_in_range(count, 40, 200);
	free(text);
}

static void test_manual_of_the_file(void **state)
{
	check_manual("docs/man/ringcached.conf.5", cfg_print_mdoc_file);
}

static void test_manual_of_the_command_line(void **state)
{
	check_manual("docs/man/ringcached.8", cfg_print_mdoc_flags);
}

// --help fits a terminal of 80 columns, and names each option of the example file.
static void test_help(void **state)
{
	char *help = printed(cfg_print_help), *text = read_file("config/ringcached.conf");

	for (char *line = help, *nl; (nl = strchr(line, '\n')); line = nl + 1)
		assert_in_range(nl - line, 0, 80);
	*strstr(text, "\n[eal]\n") = '\0';
	for (char *p = text; (p = strstr(p, "\n#")); p++) {
		char name[64] = "--";
		int n = 0;

		if (sscanf(p + 2, "%50[a-z-] =%n", name + 2, &n) != 1 || n == 0 || p[2] == ' ')
			continue;
		strcat(name, "=");
		if (!strstr(help, name))
			fail_msg("%s is not in --help", name);
	}
	free(text);
	free(help);
}

// What --dump-config prints reads back to the same.
static void test_effective_reads_back(void **state)
{
	static const char text[] = "[server]\nlisten = 192.0.2.1,192.0.2.2:5\nmode = rtc\n"
				   "flush-all = false\n[memory]\nitem-size-max = 3333\n"
				   "[port]\ndevice = a;b c\n[udp]\nudp-trust = 10.0.0.0/8\n"
				   "[eal]\nvdev = x y\nl = 0-2\nno-huge\n";
	static struct cfg c, again;
	char err[CFG_ERR_SIZE], *dump = NULL;
	size_t len;
	FILE *f = open_memstream(&dump, &len);

	cfg_default(&c);
	assert_int_equal(cfg_load_text(&c, "a", text, strlen(text), err), 0);
	cfg_print_effective(f, &c);
	fclose(f);
	cfg_default(&again);
	assert_int_equal(cfg_load_text(&again, "b", dump, len, err), 0);
	assert_memory_equal(&c, &again, sizeof(c));
	free(dump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_file),
		cmocka_unit_test(test_example_file_says_the_defaults),
		cmocka_unit_test(test_manual_of_the_file),
		cmocka_unit_test(test_manual_of_the_command_line),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_effective_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
