// SPDX-License-Identifier: BSD-3-Clause
// The command line: long options by name, and memcached's flags as other names for them

#include "cfg/cfg.h"

#include <inttypes.h>
#include <string.h>

#include "cfg/cfg_table.h"

enum flag_kind {
	FLAG_OPTION, // cfg.def has an option for it
	FLAG_IGNORED, // taken, with a warning
	FLAG_REFUSED, // asks for protection that is not there
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_PROTOCOL,
	FLAG_EXTENDED,
};

struct flag {
	char letter;
	bool has_arg;
	enum flag_kind kind;
	const char *name;
	const char *why;
};

// memcached 1.6's flags, letter and long name.
static const struct flag flags[] = {
	{'p', true, FLAG_OPTION, "port", NULL},
	{'U', true, FLAG_OPTION, "udp-port", NULL},
	{'l', true, FLAG_OPTION, "listen", NULL},
	{'m', true, FLAG_OPTION, "memory-limit", NULL},
	{'M', false, FLAG_OPTION, "disable-evictions", NULL},
	{'c', true, FLAG_OPTION, "conn-limit", NULL},
	{'t', true, FLAG_OPTION, "threads", NULL},
	{'R', true, FLAG_OPTION, "max-reqs-per-event", NULL},
	{'C', false, FLAG_OPTION, "disable-cas", NULL},
	{'e', true, FLAG_OPTION, "memory-file", NULL},
	{'I', true, FLAG_OPTION, "max-item-size", NULL},
	{'F', false, FLAG_OPTION, "disable-flush-all", NULL},
	{'X', false, FLAG_OPTION, "disable-dumping", NULL},
	{'v', false, FLAG_OPTION, "verbose", NULL},
	{'h', false, FLAG_HELP, "help", NULL},
	{'V', false, FLAG_VERSION, "version", NULL},
	{'i', false, FLAG_VERSION, "license", NULL},
	{'B', true, FLAG_PROTOCOL, "protocol", NULL},
	{'o', true, FLAG_EXTENDED, "extended", NULL},
	{'a', true, FLAG_IGNORED, "unix-mask", "there is no Unix socket"},
	{'A', false, FLAG_IGNORED, "enable-shutdown", "the shutdown command stays disabled"},
	{'d', false, FLAG_IGNORED, "daemon", "the process stays in the foreground"},
	{'r', false, FLAG_IGNORED, "enable-coredumps", "the core limit stays as it is"},
	{'u', true, FLAG_IGNORED, "user", "the user is not changed"},
	{'k', false, FLAG_IGNORED, "lock-memory", "memory is locked when it is hugepages"},
	{'P', true, FLAG_IGNORED, "pidfile", "no PID file is written"},
	{'f', true, FLAG_IGNORED, "slab-growth-factor", "the store has no slabs"},
	{'n', true, FLAG_IGNORED, "slab-min-size", "the store has no slabs"},
	{'L', false, FLAG_IGNORED, "enable-largepages", "see --hugepages"},
	{'D', true, FLAG_IGNORED, NULL, "there are no statistics by key prefix"},
	{'b', true, FLAG_IGNORED, "listen-backlog", "the stack bounds its own SYN queue"},
	{'W', false, FLAG_IGNORED, "disable-watch", "there is no watch command"},
	{'N', true, FLAG_IGNORED, "napi-ids", "the kernel's sockets are not used"},
	{'s', true, FLAG_REFUSED, "unix-socket", "there are no Unix sockets"},
	{'S', false, FLAG_REFUSED, "enable-sasl", "there is no SASL authentication"},
	{'Y', true, FLAG_REFUSED, "auth-file", "there is no authentication"},
	{'Z', false, FLAG_REFUSED, "enable-ssl", "there is no TLS"},
};

struct reader {
	struct cfg *cfg;
	int argc, next; // next: index of the argument that is read next
	char *const *argv;
	const char **config_path;
	enum cfg_action action;
	struct cfg_seen seen;
	char *err;
};

static enum cfg_action fail_at(const struct reader *r, const char *name, const char *what)
{
	cfg_message(r->err, "ringcached: command line: %.60s: %.170s", name, what);
	return CFG_ERROR;
}

static void warn_ignored(struct reader *r, const char *name, const char *why)
{
	struct cfg_warnings *w = &r->cfg->warnings;
	char line[CFG_ERR_SIZE];

	if (w->count == CFG_WARNINGS_MAX)
		return;
	cfg_message(line, "ringcached: command line: %.60s is ignored: %s", name, why);
	cfg_copy(w->line[w->count++], CFG_WARNING_SIZE, line, strlen(line));
}

static enum cfg_action set_option(
	struct reader *r, const struct cfg_opt *opt, const char *name, const char *text)
{
	char what[CFG_ERR_SIZE];

	if (cfg_set(r->cfg, opt, text, &r->seen, 1, what))
		return fail_at(r, name, what);
	return CFG_RUN;
}

// The value behind a flag: the rest of the same argument, or the next one.
static const char *take_value(struct reader *r, const char *attached)
{
	if (attached)
		return attached;
	return r->next < r->argc ? r->argv[r->next++] : NULL;
}

// -o name[=value],...
static enum cfg_action take_extended(struct reader *r, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ",");
		char item[64], name[80], what[CFG_ERR_SIZE], *value;
		uint64_t power;

		cfg_copy(item, sizeof(item), text, n);
		text += n + (text[n] == ',');
		value = strchr(item, '=');
		if (value)
			*value++ = '\0';
		snprintf(name, sizeof(name), "-o %s", item);
		if (strncmp(item, "ssl_", 4) == 0)
			return fail_at(r, name, "there is no TLS");
		if (strcmp(item, "proxy_config") == 0)
			return fail_at(r, name, "ringcached is not a proxy");
		if (strcmp(item, "idle_timeout") == 0) {
			if (set_option(r, &cfg_opts[CFG_OPT_idle_timeout_s], name,
				    value ? value : "") == CFG_ERROR)
				return CFG_ERROR;
		} else if (strcmp(item, "hashpower") == 0) {
			if (cfg_parse_u64(value ? value : "", 12, 32, &power, what))
				return fail_at(r, name, what);
			r->cfg->memory.hash_items = 1ULL << power;
		} else if (item[0]) {
			warn_ignored(r, name, "the store and the threads tune themselves");
		}
	}
	return CFG_RUN;
}

static enum cfg_action run_flag(
	struct reader *r, const struct flag *f, const char *name, const char *value)
{
	const struct cfg_opt *opt;

	switch (f->kind) {
	case FLAG_OPTION:
		opt = cfg_find_flag(f->letter);
		if (opt->type == &cfg_type_BOOL)
			value = strcmp(opt->def, "true") == 0 ? "false" : "true";
		if (opt->type == &cfg_type_COUNT) {
			uint32_t *count = (uint32_t *)((char *)r->cfg + opt->offset);

			// The first -v starts anew; those that follow add up.
			if (r->seen.line[opt - cfg_opts]++ == 0)
				*count = 0;
			*count += *count < opt->max;
			return CFG_RUN;
		}
		return set_option(r, opt, name, value);
	case FLAG_IGNORED:
		warn_ignored(r, name, f->why);
		return CFG_RUN;
	case FLAG_REFUSED:
		return fail_at(r, name, f->why);
	case FLAG_HELP:
		return CFG_HELP;
	case FLAG_VERSION:
		return CFG_VERSION;
	case FLAG_PROTOCOL:
		if (strcmp(value, "auto") == 0)
			warn_ignored(r, name, "only the ASCII protocol is served");
		else if (strcmp(value, "ascii") != 0)
			return fail_at(r, name, "only the ASCII protocol is served");
		return CFG_RUN;
	case FLAG_EXTENDED:
		return take_extended(r, value);
	}
	return CFG_RUN;
}

// One argument of letters: -vvM, -p11211, -p 11211.
static enum cfg_action take_short(struct reader *r, const char *letters)
{
	enum cfg_action action = CFG_RUN;

	while (*letters && action == CFG_RUN) {
		const struct flag *f = NULL;
		char name[3] = {'-', *letters};
		const char *value = "";

		for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
			if (flags[i].letter == *letters)
				f = &flags[i];
		if (!f)
			return fail_at(r, name, "no such flag; --help lists them");
		letters++;
		if (f->has_arg) {
			value = take_value(r, *letters ? letters : NULL);
			letters = "";
			if (!value)
				return fail_at(r, name, "needs a value");
		}
		action = run_flag(r, f, name, value);
	}
	return action;
}

// A word without a value that changes what is done. CFG_ERROR: it is none of them.
static enum cfg_action find_action(const char *name, size_t len)
{
	static const struct {
		const char *name;
		enum cfg_action action;
	} words[] = {{"help", CFG_HELP}, {"version", CFG_VERSION}, {"check-config", CFG_CHECK_ONLY},
		{"dump-config", CFG_DUMP}};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0)
			return words[i].action;
	return CFG_ERROR;
}

static enum cfg_action unknown_long(struct reader *r, const char *shown, const char *name, size_t n)
{
	const struct cfg_opt *guess = cfg_guess(name, n);
	char what[CFG_ERR_SIZE];

	if (!guess)
		return fail_at(r, shown, "no such option; --help lists them");
	cfg_message(what, "no such option; did you mean --%s?", cfg_opt_name(guess).s);
	return fail_at(r, shown, what);
}

// --name, --name=value, --name value
static enum cfg_action take_long(struct reader *r, const char *arg)
{
	const char *name = arg + 2, *eq = strchr(name, '='), *value = eq ? eq + 1 : NULL;
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	enum cfg_action action = find_action(name, n);
	const struct cfg_opt *opt;
	char shown[64];

	cfg_copy(shown, sizeof(shown), arg, n + 2);
	if (action != CFG_ERROR) {
		if (value)
			return fail_at(r, shown, "takes no value");
		if (action == CFG_CHECK_ONLY || action == CFG_DUMP) {
			r->action = action;
			return CFG_RUN;
		}
		return action;
	}
	if (n == 6 && memcmp(name, "config", 6) == 0) {
		*r->config_path = take_value(r, value);
		return *r->config_path ? CFG_RUN : fail_at(r, shown, "needs a file name");
	}
	opt = cfg_find(NULL, name, n);
	if (opt) {
		if (!value && opt->type == &cfg_type_BOOL)
			value = "true";
		value = take_value(r, value);
		return value ? set_option(r, opt, shown, value)
			     : fail_at(r, shown, "needs a value");
	}
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const struct flag *f = &flags[i];

		if (!f->name || strlen(f->name) != n || memcmp(f->name, name, n) != 0)
			continue;
		if (!f->has_arg && value)
			return fail_at(r, shown, "takes no value");
		value = f->has_arg ? take_value(r, value) : "";
		if (!value)
			return fail_at(r, shown, "needs a value");
		return run_flag(r, f, shown, value);
	}
	return unknown_long(r, shown, name, n);
}

enum cfg_action cfg_load_args(struct cfg *cfg, int argc, char *const *argv,
	const char **config_path, char err[CFG_ERR_SIZE])
{
	struct reader r = {
		.cfg = cfg,
		.argc = argc,
		.next = 1,
		.argv = argv,
		.config_path = config_path,
		.action = CFG_RUN,
		.err = err,
	};
	char what[CFG_ERR_SIZE];

	*config_path = NULL;
	while (r.next < argc) {
		const char *arg = argv[r.next++];
		enum cfg_action action;

		if (strcmp(arg, "--") == 0)
			break;
		if (arg[0] != '-' || arg[1] == '\0')
			return fail_at(&r, arg, "not an option; EAL arguments stand behind --");
		action = arg[1] == '-' ? take_long(&r, arg) : take_short(&r, arg + 1);
		if (action != CFG_RUN)
			return action;
	}
	for (; r.next < argc; r.next++)
		if (cfg_eal_add(cfg, what, argv[r.next], strlen(argv[r.next]), "", 0))
			return fail_at(&r, argv[r.next], what);
	return r.action;
}
