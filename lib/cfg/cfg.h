// SPDX-License-Identifier: BSD-3-Clause
// One table of options -> struct cfg, from file, environment and command line
//
// cfg.def is the only list of options. An option has the same name everywhere:
//
//     cfg.server.tcp_port                in C
//     [server] tcp-port = 11211          in the file
//     RINGCACHED_SERVER_TCP_PORT=11211   in the environment
//     --tcp-port=11211 (and -p 11211)    on the command line
//
// and the later of these wins. A list is replaced by the later source, and grows
// when it is named again within one source. Section [eal] and what stands behind
// "--" on the command line are arguments of rte_eal_init.
//
// Nothing here logs, exits or keeps state: a failure is one line of text, complete
// with "ringcached: where: what", that the program prints before it exits with 2.
// The file is parsed here and not by rte_cfgfile, which cuts a value after 255 bytes
// without a word (the list "...,192.0.2.0/24" became "...,192.0.2.0/2": a wider
// prefix), knows no line numbers, and reads only from files, so it cannot be fuzzed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CFG_ERR_SIZE 256
#define CFG_LISTEN_MAX 64
#define CFG_PREFIXES_MAX 64
#define CFG_STRINGS_MAX 8
#define CFG_STRING_SIZE 256
#define CFG_EAL_ARGS_MAX 64
#define CFG_WARNINGS_MAX 32
#define CFG_WARNING_SIZE 160

// ---- types of values

#define CFG_MODE_VALUES(V) V(auto) V(dispatch) V(rtc) V(hybrid)
#define CFG_STEER_VALUES(V) V(hash) V(roundrobin)
#define CFG_IDLE_VALUES(V) V(auto) V(poll) V(sleep)
#define CFG_HUGEPAGES_VALUES(V) V(auto) V(off) V(require)

#define V(x) CFG_MODE_##x,
enum cfg_mode { CFG_MODE_VALUES(V) };
#undef V
#define V(x) CFG_STEER_##x,
enum cfg_steer { CFG_STEER_VALUES(V) };
#undef V
#define V(x) CFG_IDLE_##x,
enum cfg_idle { CFG_IDLE_VALUES(V) };
#undef V
#define V(x) CFG_HUGEPAGES_##x,
enum cfg_hugepages { CFG_HUGEPAGES_VALUES(V) };
#undef V

struct cfg_listen {
	unsigned count;
	struct {
		uint32_t addr; // host byte order
		uint16_t port; // 0: tcp-port and udp-port
	} item[CFG_LISTEN_MAX];
};

struct cfg_prefixes {
	unsigned count;
	struct {
		uint32_t addr; // host byte order, host bits zero
		uint32_t mask;
	} item[CFG_PREFIXES_MAX];
};

struct cfg_strings {
	unsigned count;
	char item[CFG_STRINGS_MAX][CFG_STRING_SIZE];
};

struct cfg_path {
	char s[CFG_STRING_SIZE]; // "": none
};

#define CFG_T_U32 uint32_t
#define CFG_T_COUNT uint32_t
#define CFG_T_SIZE uint64_t
#define CFG_T_BOOL bool
#define CFG_T_MODE enum cfg_mode
#define CFG_T_STEER enum cfg_steer
#define CFG_T_IDLE enum cfg_idle
#define CFG_T_HUGEPAGES enum cfg_hugepages
#define CFG_T_LISTEN struct cfg_listen
#define CFG_T_PREFIXES struct cfg_prefixes
#define CFG_T_STRINGS struct cfg_strings
#define CFG_T_PATH struct cfg_path

// ---- the configuration

struct cfg {
#define CFG_SECTION(section, help) struct cfg_##section {
#define CFG(section, name, TYPE, def, min, max, unit, flag, help) CFG_T_##TYPE name;
#define CFG_SECTION_END(section) \
	} \
	section;
#include "cfg/cfg.def"
#undef CFG_SECTION
#undef CFG
#undef CFG_SECTION_END

	// Arguments for rte_eal_init, in order, without the program's name.
	struct cfg_eal {
		unsigned count;
		char arg[CFG_EAL_ARGS_MAX][CFG_STRING_SIZE];
	} eal;

	// memcached flags that were taken and mean nothing here, one line each.
	struct cfg_warnings {
		unsigned count;
		char line[CFG_WARNINGS_MAX][CFG_WARNING_SIZE];
	} warnings;
};

// What the command line asks for.
enum cfg_action {
	CFG_ERROR = -1,
	CFG_RUN,
	CFG_HELP, // cfg_print_help and exit 0
	CFG_VERSION,
	CFG_CHECK_ONLY, // everything is valid: say so and exit 0
	CFG_DUMP, // cfg_print_effective and exit 0
};

// Everything at once: defaults, the file named by --config (or RINGCACHED_CONFIG),
// environment, command line, cfg_check. envp may be NULL. On CFG_ERROR err is the line
// to print.
enum cfg_action cfg_load(
	struct cfg *cfg, int argc, char *const *argv, char *const *envp, char err[CFG_ERR_SIZE]);

// ---- the steps of cfg_load, each 0 or -1 and err

void cfg_default(struct cfg *cfg);
int cfg_load_file(struct cfg *cfg, const char *path, char err[CFG_ERR_SIZE]);
// The same from memory; path is for messages.
int cfg_load_text(
	struct cfg *cfg, const char *path, const char *text, size_t len, char err[CFG_ERR_SIZE]);
int cfg_load_env(struct cfg *cfg, char *const *envp, char err[CFG_ERR_SIZE]);
// config_path: what --config names, or NULL.
enum cfg_action cfg_load_args(struct cfg *cfg, int argc, char *const *argv,
	const char **config_path, char err[CFG_ERR_SIZE]);
// What must hold between options.
int cfg_check(const struct cfg *cfg, char err[CFG_ERR_SIZE]);

// ---- values, for other programs' command lines; err is the "what" alone

// Decimal digits; bounds inclusive.
int cfg_parse_u64(
	const char *text, uint64_t min, uint64_t max, uint64_t *val, char err[CFG_ERR_SIZE]);
// The same with an optional suffix k, m, g or t: 1024, 1024^2 ...
int cfg_parse_size(
	const char *text, uint64_t min, uint64_t max, uint64_t *val, char err[CFG_ERR_SIZE]);
int cfg_parse_bool(const char *text, bool *val, char err[CFG_ERR_SIZE]);
// "192.0.2.10,192.0.2.11:11212": appended to val. At most max elements.
int cfg_parse_listen(
	const char *text, unsigned max, struct cfg_listen *val, char err[CFG_ERR_SIZE]);
// "192.0.2.0/24,198.51.100.7": appended. len_min: shortest prefix that is allowed.
int cfg_parse_prefixes(const char *text, unsigned len_min, unsigned max, struct cfg_prefixes *val,
	char err[CFG_ERR_SIZE]);

// ---- texts

void cfg_print_help(FILE *out);
// A file that cfg_load_file reads back to the same configuration.
void cfg_print_effective(FILE *out, const struct cfg *cfg);
// config/ringcached.conf: every option with its default, commented out.
void cfg_print_example(FILE *out);
// The option lists of the manual pages, mdoc: of the file, and of the command line.
void cfg_print_mdoc_file(FILE *out);
void cfg_print_mdoc_flags(FILE *out);
