// SPDX-License-Identifier: BSD-3-Clause
// --help, the effective configuration, the example file and the manual's option lists

#include "cfg/cfg.h"

#include <inttypes.h>
#include <string.h>

#include "cfg/cfg_table.h"

#define HELP_INDENT "          "

static void print_metavar(FILE *out, const struct cfg_opt *opt)
{
	if (opt->type->metavar) {
		fputs(opt->type->metavar, out);
		return;
	}
	for (unsigned i = 0; opt->type->values[i]; i++)
		fprintf(out, "%s%s", i ? "|" : "", opt->type->values[i]);
}

// "1024", "1m": bounds are shown as a user would write them.
static void print_number(FILE *out, const struct cfg_opt *opt, uint64_t v)
{
	unsigned i = 0;

	if (strcmp(opt->type->metavar, "SIZE") == 0)
		for (; v && v % 1024 == 0 && i < 4; i++)
			v /= 1024;
	fprintf(out, "%" PRIu64 "%.1s", v, &"\0kmgt"[i]);
}

static bool has_bounds(const struct cfg_opt *opt)
{
	return opt->max > 0 && !opt->type->is_list;
}

// "default 1024, 1..1048576 bytes"
static void print_facts(FILE *out, const struct cfg_opt *opt)
{
	fprintf(out, "default %s", opt->def[0] ? opt->def : "none");
	if (has_bounds(opt)) {
		fputs(", ", out);
		print_number(out, opt, opt->min);
		fputs("..", out);
		print_number(out, opt, opt->max);
	}
	if (opt->unit[0])
		fprintf(out, " %s", opt->unit);
}

// Words of text in lines of at most width columns, each behind indent.
static void print_wrapped(FILE *out, const char *indent, const char *text, unsigned width)
{
	unsigned col = 0;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		unsigned n = (unsigned)strcspn(text, " ");

		if (col > 0 && col + 1 + n > width) {
			fputc('\n', out);
			col = 0;
		}
		if (col == 0)
			col = (unsigned)fprintf(out, "%s%.*s", indent, (int)n, text);
		else
			col += (unsigned)fprintf(out, " %.*s", (int)n, text);
		text += n;
	}
	fputc('\n', out);
}

static void print_help_option(FILE *out, const struct cfg_opt *opt)
{
	if (opt->flag)
		fprintf(out, "  -%c, ", opt->flag);
	else
		fputs("      ", out);
	// A flag of a boolean says the opposite of its name.
	fprintf(out, "--%s=", cfg_opt_name(opt).s);
	if (opt->flag && opt->type == &cfg_type_BOOL)
		fputs(strcmp(opt->def, "true") == 0 ? "false" : "true", out);
	else
		print_metavar(out, opt);
	fputc('\n', out);
	print_wrapped(out, HELP_INDENT, opt->help, 79);
	fputs(HELP_INDENT "(", out);
	print_facts(out, opt);
	fputs(")\n", out);
}

void cfg_print_help(FILE *out)
{
	fputs("Usage: ringcached -l ADDR [OPTION]... [-- EAL-ARGUMENT...]\n"
	      "A memcached-compatible cache server that owns its network device.\n"
	      "\n"
	      "      --config=FILE     read options from FILE; the environment\n"
	      "                        (RINGCACHED_SECTION_NAME) and this command line win\n"
	      "      --check-config    check everything, start nothing\n"
	      "      --dump-config     print the effective configuration, start nothing\n"
	      "  -h, --help            this list\n"
	      "  -V, --version         the version\n",
		out);
	for (unsigned s = 0; s < CFG_SECTION_COUNT; s++) {
		fprintf(out, "\n[%s] %s\n", cfg_sections[s].name, cfg_sections[s].help);
		for (unsigned i = 0; i < CFG_OPT_COUNT; i++)
			if (strcmp(cfg_opts[i].section, cfg_sections[s].name) == 0)
				print_help_option(out, &cfg_opts[i]);
	}
	fputs("\nmemcached's other flags are taken with a warning where they are harmless.\n", out);
}

static void print_value(FILE *out, const struct cfg *cfg, const struct cfg_opt *opt)
{
	opt->type->print(out, opt, (const char *)cfg + opt->offset);
}

// EAL arguments so that they read back to the same: -k value and --key=value as
// "key = value", which may hold blanks, and the others word by word.
static void print_eal(FILE *out, const struct cfg_eal *eal)
{
	for (unsigned i = 0; i < eal->count; i++) {
		const char *arg = eal->arg[i], *next = i + 1 < eal->count ? eal->arg[i + 1] : "-";
		size_t n = arg[0] == '-' ? cfg_eal_key_len(arg + 1) : 0;

		if (n == 1 && arg[2] == '\0' && next[0] &&
			(next[0] != '-' || next[strcspn(next, " \t")])) {
			fprintf(out, "%s = %s\n", arg + 1, next);
			i++;
			continue;
		}
		n = strncmp(arg, "--", 2) == 0 ? cfg_eal_key_len(arg + 2) : 0;
		if (n > 1 && arg[2 + n] == '=' && arg[3 + n] && arg[3 + n] != '#' &&
			strncmp(arg, "--args=", 7) != 0)
			fprintf(out, "%.*s = %s\n", (int)n, arg + 2, arg + 3 + n);
		else
			fprintf(out, "args = %s\n", arg);
	}
}

void cfg_print_effective(FILE *out, const struct cfg *cfg)
{
	for (unsigned s = 0; s < CFG_SECTION_COUNT; s++) {
		fprintf(out, "%s[%s]\n", s ? "\n" : "", cfg_sections[s].name);
		for (unsigned i = 0; i < CFG_OPT_COUNT; i++) {
			if (strcmp(cfg_opts[i].section, cfg_sections[s].name) != 0)
				continue;
			fprintf(out, "%s = ", cfg_opt_name(&cfg_opts[i]).s);
			print_value(out, cfg, &cfg_opts[i]);
			fputc('\n', out);
		}
	}
	fputs("\n[eal]\n", out);
	print_eal(out, &cfg->eal);
}

void cfg_print_example(FILE *out)
{
	fputs("# SPDX-License-Identifier: BSD-3-Clause\n"
	      "# Every option of ringcached with its default. scripts/gen-docs writes this file.\n"
	      "# Read with: ringcached --config=FILE. Lines that begin with '#' are comments.\n",
		out);
	for (unsigned s = 0; s < CFG_SECTION_COUNT; s++) {
		fprintf(out, "\n# ---- %s\n[%s]\n", cfg_sections[s].help, cfg_sections[s].name);
		for (unsigned i = 0; i < CFG_OPT_COUNT; i++) {
			const struct cfg_opt *opt = &cfg_opts[i];

			if (strcmp(opt->section, cfg_sections[s].name) != 0)
				continue;
			fputc('\n', out);
			print_wrapped(out, "# ", opt->help, 90);
			fputs("# (", out);
			print_metavar(out, opt);
			fputs("; ", out);
			print_facts(out, opt);
			fprintf(out, ")\n#%s =%s%s\n", cfg_opt_name(opt).s, opt->def[0] ? " " : "",
				opt->def);
		}
	}
	fputs("\n# ---- arguments of DPDK's rte_eal_init, in order\n"
	      "[eal]\n"
	      "\n"
	      "# key = value is passed as --key=value, a key alone as --key, a key of one letter\n"
	      "# as -k value; a key may be repeated. args = ... is passed word by word.\n"
	      "#vdev = net_af_packet0,iface=veth1\n"
	      "#no-huge\n"
	      "#args = --lcores 0@0,1@1,2@1\n",
		out);
}

// Each sentence begins a line, as mdoc(7) wants it.
static void print_mdoc_text(FILE *out, const struct cfg_opt *opt)
{
	const char *text = opt->help, *end;

	for (; (end = strstr(text, ". ")); text = end + 2)
		fprintf(out, "%.*s.\n", (int)(end - text), text);
	fprintf(out, "%s.\n(", text);
	print_facts(out, opt);
	fputs(")\n", out);
}

void cfg_print_mdoc_file(FILE *out)
{
	for (unsigned s = 0; s < CFG_SECTION_COUNT; s++) {
		fprintf(out, ".Ss [%s]\n%s.\n.Bl -tag -width Ds\n", cfg_sections[s].name,
			cfg_sections[s].help);
		for (unsigned i = 0; i < CFG_OPT_COUNT; i++) {
			const struct cfg_opt *opt = &cfg_opts[i];

			if (strcmp(opt->section, cfg_sections[s].name) != 0)
				continue;
			fprintf(out, ".It Cm %s No = Ar ", cfg_opt_name(opt).s);
			print_metavar(out, opt);
			fputc('\n', out);
			print_mdoc_text(out, opt);
		}
		fputs(".El\n", out);
	}
}

void cfg_print_mdoc_flags(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (unsigned i = 0; i < CFG_OPT_COUNT; i++) {
		const struct cfg_opt *opt = &cfg_opts[i];
		bool negates = opt->flag && opt->type == &cfg_type_BOOL;

		fputs(".It ", out);
		if (opt->flag)
			fprintf(out, "Fl %c%s , ", opt->flag, negates ? "" : " Ar value");
		fprintf(out, "Fl Fl %s Ns = Ns Ar ", cfg_opt_name(opt).s);
		if (negates)
			fputs(strcmp(opt->def, "true") == 0 ? "false" : "true", out);
		else
			print_metavar(out, opt);
		fputc('\n', out);
		print_mdoc_text(out, opt);
	}
	fputs(".El\n", out);
}
