// SPDX-License-Identifier: BSD-3-Clause
// Inside lib/cfg: the options as an array, and how each type is read and written
#pragma once

#include "cfg/cfg.h"

struct cfg_opt;

struct cfg_type {
	const char *metavar; // NULL: the values
	const char *const *values; // of an enumeration, ended by NULL
	bool is_list;
	// Read text (and append it, of a list). 0, or -1 and err: what is wrong.
	int (*parse)(
		const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE]);
	void (*print)(FILE *out, const struct cfg_opt *opt, const void *field);
};

struct cfg_opt {
	const char *section;
	const char *name; // as in C, with '_'
	const struct cfg_type *type;
	size_t offset; // in struct cfg
	size_t size;
	const char *def;
	uint64_t min, max;
	const char *unit;
	char flag; // memcached's, or 0
	const char *help;
};

enum {
#define CFG_SECTION(section, help)
#define CFG(section, name, TYPE, def, min, max, unit, flag, help) CFG_OPT_##name,
#define CFG_SECTION_END(section)
#include "cfg/cfg.def"
#undef CFG_SECTION
#undef CFG
#undef CFG_SECTION_END
	CFG_OPT_COUNT
};

extern const struct cfg_opt cfg_opts[CFG_OPT_COUNT];
extern const struct cfg_type cfg_type_BOOL, cfg_type_COUNT;

struct cfg_section {
	const char *name;
	const char *help;
};

#define CFG_SECTION_COUNT 5
extern const struct cfg_section cfg_sections[CFG_SECTION_COUNT];

// Names with '-' for people.
struct cfg_name {
	char s[64];
};
struct cfg_name cfg_opt_name(const struct cfg_opt *opt);

// By name, '-' and '_' alike; section NULL: any. NULL: there is none.
const struct cfg_opt *cfg_find(const char *section, const char *name, size_t name_len);
const struct cfg_opt *cfg_find_flag(char flag);
// The option whose name is a small slip away, or NULL.
const struct cfg_opt *cfg_guess(const char *name, size_t name_len);

// What one source (file, environment, command line) has set so far.
struct cfg_seen {
	unsigned line[CFG_OPT_COUNT]; // 0: not yet
};

// Set opt from text; err gets the "what" alone.
int cfg_set(struct cfg *cfg, const struct cfg_opt *opt, const char *text, struct cfg_seen *seen,
	unsigned line, char err[CFG_ERR_SIZE]);

// Write err, always one printable line. The macro's value is -1.
__attribute__((format(printf, 2, 3))) void cfg_message(
	char err[CFG_ERR_SIZE], const char *fmt, ...);
#define cfg_fail(err, ...) (cfg_message(err, __VA_ARGS__), -1)

// Add to the EAL arguments. 0, or -1 and err: what is wrong.
int cfg_eal_add(struct cfg *cfg, char err[CFG_ERR_SIZE], const char *a, size_t a_len, const char *b,
	size_t b_len);
// How much of text can be the name of an EAL option.
size_t cfg_eal_key_len(const char *text);
// The same as cfg_eal_add for each of the words of text.
int cfg_eal_split(struct cfg *cfg, const char *text, char err[CFG_ERR_SIZE]);

// Longest copy of p that fits, NUL at the end; false: it was cut.
bool cfg_copy(char *dst, size_t size, const char *p, size_t len);
