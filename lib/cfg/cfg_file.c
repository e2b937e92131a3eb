// SPDX-License-Identifier: BSD-3-Clause
// The configuration file (INI) and the environment

#include "cfg/cfg.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cfg/cfg_table.h"

#define FILE_SIZE_MAX (256 * 1024)
#define LINE_SIZE_MAX 4096

struct reader {
	struct cfg *cfg;
	const char *path;
	unsigned line;
	char section[32]; // "" before the first
	struct cfg_seen seen;
	char *err;
};

static int fail_at(const struct reader *r, const char *what)
{
	return cfg_fail(r->err, "ringcached: %s:%u: %s", r->path, r->line, what);
}

// Blanks off both ends, in place.
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	for (n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

// A comment is a line of its own, or '#' after a blank or the first '=': a value may
// hold ';' and '#'.
static void cut_comment(char *s)
{
	if (*s == '#' || *s == ';') {
		*s = '\0';
		return;
	}
	for (char *p = s; (p = strchr(p, '#')); p++)
		if (p > s && (p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
}

static int take_section(struct reader *r, char *s)
{
	char *close = strchr(s, ']'), what[CFG_ERR_SIZE];
	bool known;

	if (!close || close[1])
		return fail_at(r, "a section is written [name]");
	*close = '\0';
	s = trim(s + 1);
	known = strcmp(s, "eal") == 0;
	for (unsigned i = 0; i < CFG_SECTION_COUNT; i++)
		known |= strcmp(s, cfg_sections[i].name) == 0;
	if (!known) {
		cfg_message(what,
			"unknown section [%.40s]; there are server, memory, port, tcp, udp, eal",
			s);
		return fail_at(r, what);
	}
	cfg_copy(r->section, sizeof(r->section), s, strlen(s));
	return 0;
}

// [eal]: "key = value" becomes --key=value (-k value for one letter), "key" alone
// --key, and "args = ..." is split at blanks. A key may come several times.
static int take_eal(struct reader *r, const char *key, const char *value)
{
	char what[CFG_ERR_SIZE], opt[CFG_STRING_SIZE];
	size_t key_len = strlen(key);
	int ret;

	if (strcmp(key, "args") == 0)
		return cfg_eal_split(r->cfg, value, what) ? fail_at(r, what) : 0;
	if (key[0] == '-' || cfg_eal_key_len(key) != key_len)
		return fail_at(r, "an EAL option is written without dashes, as: vdev = net_null0");
	if (key_len == 1) {
		ret = cfg_eal_add(r->cfg, what, "-", 1, key, 1);
		if (!ret && *value)
			ret = cfg_eal_add(r->cfg, what, value, strlen(value), "", 0);
	} else {
		int n = snprintf(opt, sizeof(opt), "--%s%s", key, *value ? "=" : "");

		if ((size_t)n >= sizeof(opt))
			return fail_at(r, "the name of this EAL option is too long");
		ret = cfg_eal_add(r->cfg, what, opt, (size_t)n, value, strlen(value));
	}
	return ret ? fail_at(r, what) : 0;
}

static int take_entry(struct reader *r, char *s)
{
	char *eq = strchr(s, '='), *key, *value = NULL, what[CFG_ERR_SIZE], full[CFG_ERR_SIZE];
	const struct cfg_opt *opt;

	if (eq) {
		*eq = '\0';
		value = trim(eq + 1);
		if (*value == '#')
			*value = '\0';
	}
	key = trim(s);
	if (!*key)
		return fail_at(r, "no name before '='");
	if (!r->section[0])
		return fail_at(r, "an option before the first [section]");
	if (strcmp(r->section, "eal") == 0)
		return take_eal(r, key, value ? value : "");
	opt = cfg_find(r->section, key, strlen(key));
	if (!opt) {
		const struct cfg_opt *other = cfg_find(NULL, key, strlen(key));

		if (!other)
			other = cfg_guess(key, strlen(key));
		if (other)
			cfg_message(what,
				"unknown option '%.40s' in [%s]; did you mean %s in [%s]?", key,
				r->section, cfg_opt_name(other).s, other->section);
		else
			cfg_message(what, "unknown option '%.40s' in [%s]", key, r->section);
		return fail_at(r, what);
	}
	if (!value) {
		cfg_message(what, "an option is written %s = value", cfg_opt_name(opt).s);
		return fail_at(r, what);
	}
	if (!opt->type->is_list && r->seen.line[opt - cfg_opts]) {
		cfg_message(what, "%s was set in line %u already", cfg_opt_name(opt).s,
			r->seen.line[opt - cfg_opts]);
		return fail_at(r, what);
	}
	if (cfg_set(r->cfg, opt, value, &r->seen, r->line, what)) {
		cfg_message(full, "%s: %.200s", cfg_opt_name(opt).s, what);
		return fail_at(r, full);
	}
	return 0;
}

// Any but a tab, and CR at the end of the line.
static bool has_control(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == n)) || c == 0x7f)
			return true;
	}
	return false;
}

int cfg_load_text(
	struct cfg *cfg, const char *path, const char *text, size_t len, char err[CFG_ERR_SIZE])
{
	struct reader r = {.cfg = cfg, .path = path, .err = err};
	char buf[LINE_SIZE_MAX], *s;

	while (len > 0) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;
		int ret = 0;

		r.line++;
		if (has_control(text, n))
			return fail_at(&r, "a control character: this is not a text file");
		if (!cfg_copy(buf, sizeof(buf), text, n))
			return fail_at(&r, "the line is longer than 4095 bytes");
		text += nl ? n + 1 : n;
		len -= nl ? n + 1 : n;
		s = trim(buf);
		cut_comment(s);
		s = trim(s);
		if (*s == '[')
			ret = take_section(&r, s);
		else if (*s)
			ret = take_entry(&r, s);
		if (ret)
			return ret;
	}
	return 0;
}

int cfg_load_file(struct cfg *cfg, const char *path, char err[CFG_ERR_SIZE])
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t len;
	int ret;

	if (!f)
		return cfg_fail(err, "ringcached: %.120s: %s", path, strerror(errno));
	text = malloc(FILE_SIZE_MAX + 1);
	len = text ? fread(text, 1, FILE_SIZE_MAX + 1, f) : 0;
	if (!text || ferror(f))
		ret = cfg_fail(
			err, "ringcached: %.120s: %s", path, strerror(text ? errno : ENOMEM));
	else if (len > FILE_SIZE_MAX)
		ret = cfg_fail(
			err, "ringcached: %.120s: longer than %d KiB", path, FILE_SIZE_MAX / 1024);
	else
		ret = cfg_load_text(cfg, path, text, len, err);
	free(text);
	fclose(f);
	return ret;
}

// An option whose section was left out would be set and have no effect.
static int sectionless(const char *var, size_t var_len, const char *name, char *err)
{
	for (unsigned i = 0; i < CFG_SECTION_COUNT; i++) {
		const char *section = cfg_sections[i].name;
		char upper[32];
		size_t n = strlen(section);

		if (!cfg_find(section, name, strlen(name)) ||
			!cfg_copy(upper, sizeof(upper), section, n))
			continue;
		for (char *p = upper; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		return cfg_fail(err,
			"ringcached: environment: RINGCACHED_%.*s: write RINGCACHED_%s_%.*s",
			(int)var_len, var, upper, (int)var_len, var);
	}
	return 0;
}

// RINGCACHED_SERVER_TCP_PORT: section and name in capitals. Other variables with this
// prefix belong to somebody else, unless they begin with a section's name or are an option's.
static int take_variable(struct cfg *cfg, const char *var, struct cfg_seen *seen, char *err)
{
	const char *eq = strchr(var, '='), *rest;
	char name[96], what[CFG_ERR_SIZE];
	const struct cfg_opt *opt;
	size_t n;

	if (!eq || !cfg_copy(name, sizeof(name), var, (size_t)(eq - var)))
		return 0;
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(name, "eal_args") == 0)
		return cfg_eal_split(cfg, eq + 1, what)
			       ? cfg_fail(err, "ringcached: environment: RINGCACHED_EAL_ARGS: %s",
					 what)
			       : 0;
	for (unsigned i = 0; i < CFG_SECTION_COUNT; i++) {
		n = strlen(cfg_sections[i].name);
		if (strncmp(name, cfg_sections[i].name, n) != 0 || name[n] != '_')
			continue;
		rest = name + n + 1;
		opt = cfg_find(cfg_sections[i].name, rest, strlen(rest));
		if (!opt)
			return cfg_fail(err,
				"ringcached: environment: RINGCACHED_%.*s: no such option in [%s]",
				(int)(eq - var), var, cfg_sections[i].name);
		if (cfg_set(cfg, opt, eq + 1, seen, 1, what))
			return cfg_fail(err, "ringcached: environment: RINGCACHED_%.*s: %.160s",
				(int)(eq - var), var, what);
	}
	return sectionless(var, (size_t)(eq - var), name, err);
}

int cfg_load_env(struct cfg *cfg, char *const *envp, char err[CFG_ERR_SIZE])
{
	static const char prefix[] = "RINGCACHED_";
	struct cfg_seen seen = {};

	for (; envp && *envp; envp++)
		if (strncmp(*envp, prefix, sizeof(prefix) - 1) == 0 &&
			take_variable(cfg, *envp + sizeof(prefix) - 1, &seen, err))
			return -1;
	return 0;
}
