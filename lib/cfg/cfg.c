// SPDX-License-Identifier: BSD-3-Clause
// The table of options, its defaults, and the order in which the sources apply

#include "cfg/cfg.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cfg/cfg_table.h"

const struct cfg_section cfg_sections[CFG_SECTION_COUNT] = {
#define CFG_SECTION(section, help) {#section, help},
#define CFG(section, name, TYPE, def, min, max, unit, flag, help)
#define CFG_SECTION_END(section)
#include "cfg/cfg.def"
#undef CFG_SECTION
#undef CFG
#undef CFG_SECTION_END
};

void cfg_message(char err[CFG_ERR_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, CFG_ERR_SIZE, fmt, ap);
	va_end(ap);
	// A quoted value may hold anything; the message stays one line for a terminal.
	for (char *p = err; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

bool cfg_copy(char *dst, size_t size, const char *p, size_t len)
{
	bool fits = len < size;

	if (!fits)
		len = size - 1;
	memcpy(dst, p, len);
	dst[len] = '\0';
	return fits;
}

struct cfg_name cfg_opt_name(const struct cfg_opt *opt)
{
	struct cfg_name n = {};

	cfg_copy(n.s, sizeof(n.s), opt->name, strlen(opt->name));
	for (char *p = n.s; *p; p++)
		if (*p == '_')
			*p = '-';
	return n;
}

static bool name_matches(const char *name, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i] == '-' ? '_' : text[i];

		if (name[i] == '\0' || name[i] != c)
			return false;
	}
	return name[len] == '\0';
}

const struct cfg_opt *cfg_find(const char *section, const char *name, size_t name_len)
{
	for (unsigned i = 0; i < CFG_OPT_COUNT; i++)
		if ((!section || strcmp(cfg_opts[i].section, section) == 0) &&
			name_matches(cfg_opts[i].name, name, name_len))
			return &cfg_opts[i];
	return NULL;
}

const struct cfg_opt *cfg_find_flag(char flag)
{
	for (unsigned i = 0; i < CFG_OPT_COUNT; i++)
		if (cfg_opts[i].flag == flag)
			return &cfg_opts[i];
	return NULL;
}

// Levenshtein distance, for short names; anything longer is far away.
static unsigned distance(const char *a, const char *b, size_t b_len)
{
	enum { NAME_MAX_LEN = 40 };
	unsigned row[NAME_MAX_LEN + 1], a_len = (unsigned)strlen(a);

	if (b_len > NAME_MAX_LEN || a_len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diag = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			char bc = b[j - 1] == '-' ? '_' : b[j - 1];
			unsigned best = diag + (a[i - 1] != bc);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = row[j];
			row[j] = best;
		}
	}
	return row[b_len];
}

const struct cfg_opt *cfg_guess(const char *name, size_t name_len)
{
	const struct cfg_opt *best = NULL;
	unsigned best_distance = 3;

	for (unsigned i = 0; i < CFG_OPT_COUNT; i++) {
		unsigned d = distance(cfg_opts[i].name, name, name_len);

		if (d < best_distance) {
			best = &cfg_opts[i];
			best_distance = d;
		}
	}
	return best;
}

int cfg_set(struct cfg *cfg, const struct cfg_opt *opt, const char *text, struct cfg_seen *seen,
	unsigned line, char err[CFG_ERR_SIZE])
{
	void *field = (char *)cfg + opt->offset;
	unsigned *seen_line = &seen->line[opt - cfg_opts];

	// Else a value could add lines to what cfg_print_effective writes.
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return cfg_fail(err, "'%.40s' holds a control character", text);
	// A list replaces that of an earlier source, and grows within its own.
	if (opt->type->is_list && *seen_line == 0)
		memset(field, 0, opt->size);
	*seen_line = line;
	return opt->type->parse(opt, text, field, err);
}

int cfg_eal_add(struct cfg *cfg, char err[CFG_ERR_SIZE], const char *a, size_t a_len, const char *b,
	size_t b_len)
{
	struct cfg_eal *eal = &cfg->eal;

	if (eal->count == CFG_EAL_ARGS_MAX)
		return cfg_fail(err, "more than %d EAL arguments", CFG_EAL_ARGS_MAX);
	if (a_len + b_len >= CFG_STRING_SIZE)
		return cfg_fail(err, "longer than %d bytes", CFG_STRING_SIZE - 1);
	memcpy(eal->arg[eal->count], a, a_len);
	memcpy(eal->arg[eal->count] + a_len, b, b_len);
	eal->arg[eal->count++][a_len + b_len] = '\0';
	return 0;
}

size_t cfg_eal_key_len(const char *text)
{
	if (*text == '-' || *text == '_')
		return 0;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

int cfg_eal_split(struct cfg *cfg, const char *text, char err[CFG_ERR_SIZE])
{
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t n = strcspn(text, " \t");

		if (cfg_eal_add(cfg, err, text, n, "", 0))
			return -1;
		text += n;
	}
	return 0;
}

void cfg_default(struct cfg *cfg)
{
	struct cfg_seen seen = {};
	char err[CFG_ERR_SIZE];

	memset(cfg, 0, sizeof(*cfg));
	for (unsigned i = 0; i < CFG_OPT_COUNT; i++)
		CHECK(cfg_set(cfg, &cfg_opts[i], cfg_opts[i].def, &seen, 1, err) == 0);
}

static const char *env_config(char *const *envp)
{
	static const char name[] = "RINGCACHED_CONFIG=";

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, sizeof(name) - 1) == 0)
			return *envp + sizeof(name) - 1;
	return NULL;
}

enum cfg_action cfg_load(
	struct cfg *cfg, int argc, char *const *argv, char *const *envp, char err[CFG_ERR_SIZE])
{
	const char *path = NULL;
	enum cfg_action action;

	// The command line twice: it names the file, and it is stronger than the file.
	cfg_default(cfg);
	action = cfg_load_args(cfg, argc, argv, &path, err);
	if (action == CFG_ERROR || action == CFG_HELP || action == CFG_VERSION)
		return action;
	if (!path)
		path = env_config(envp);
	cfg_default(cfg);
	if (path && cfg_load_file(cfg, path, err))
		return CFG_ERROR;
	if (cfg_load_env(cfg, envp, err))
		return CFG_ERROR;
	if (cfg_load_args(cfg, argc, argv, &path, err) == CFG_ERROR)
		return CFG_ERROR;
	if (cfg_check(cfg, err))
		return CFG_ERROR;
	return action;
}
