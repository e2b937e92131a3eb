// SPDX-License-Identifier: BSD-3-Clause
// Values as text: numbers, sizes, booleans, names, addresses, prefixes; and the option array

#include "cfg/cfg.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "cfg/cfg_table.h"

// ---- numbers

// Digits from text; *end behind them. False: none, or more than 64 bits.
static bool read_digits(const char *text, uint64_t *val, const char **end)
{
	const char *p = text;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	*val = v;
	*end = p;
	return p > text;
}

static int check_range(
	const char *text, uint64_t v, uint64_t min, uint64_t max, char err[CFG_ERR_SIZE])
{
	if (v < min || v > max)
		return cfg_fail(err, "'%.40s' is not in %" PRIu64 "..%" PRIu64, text, min, max);
	return 0;
}

int cfg_parse_u64(
	const char *text, uint64_t min, uint64_t max, uint64_t *val, char err[CFG_ERR_SIZE])
{
	const char *end;
	uint64_t v;

	if (!read_digits(text, &v, &end) || *end)
		return cfg_fail(err, "'%.40s' is not a number", text);
	if (check_range(text, v, min, max, err))
		return -1;
	*val = v;
	return 0;
}

int cfg_parse_size(
	const char *text, uint64_t min, uint64_t max, uint64_t *val, char err[CFG_ERR_SIZE])
{
	static const char suffix[] = "kmgt";
	const char *end, *s;
	uint64_t v;

	if (!read_digits(text, &v, &end))
		return cfg_fail(err, "'%.40s' is not a size (as 4096, 64k, 1m)", text);
	if (*end) {
		s = strchr(suffix, *end | 0x20);
		if (!s || end[1] || __builtin_mul_overflow(v, 1ULL << 10 * (s - suffix + 1), &v))
			return cfg_fail(err, "'%.40s' is not a size (as 4096, 64k, 1m)", text);
	}
	if (check_range(text, v, min, max, err))
		return -1;
	*val = v;
	return 0;
}

int cfg_parse_bool(const char *text, bool *val, char err[CFG_ERR_SIZE])
{
	static const char *const names[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*val = i & 1;
			return 0;
		}
	return cfg_fail(err, "'%.40s' is neither true nor false", text);
}

// ---- lists

// Cut the next element off *text at sep, without blanks around it. 1: there is one,
// 0: end, -1: it does not fit.
static int next_item(const char **text, char sep, char *item, size_t size)
{
	const char *p = *text, *end;
	size_t n;

	if (!p)
		return 0;
	p += strspn(p, " \t");
	end = strchr(p, sep);
	n = end ? (size_t)(end - p) : strlen(p);
	*text = end ? end + 1 : NULL;
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return cfg_copy(item, size, p, n) ? 1 : -1;
}

static bool read_ip4(const char *text, uint32_t *addr)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*addr = ntohl(in.s_addr);
	return true;
}

static int parse_listen_item(char *item, uint32_t *addr, uint16_t *port, char err[CFG_ERR_SIZE])
{
	char *colon = strchr(item, ':'), what[CFG_ERR_SIZE];
	uint64_t v = 0;

	if (item[0] == '[' || (colon && strchr(colon + 1, ':')))
		return cfg_fail(err, "'%.60s': IPv6 is not supported, name an IPv4 address", item);
	if (colon) {
		*colon = '\0';
		if (cfg_parse_u64(colon + 1, 1, 65535, &v, what))
			return cfg_fail(err, "the port of '%.60s': %s", item, what);
	}
	*port = (uint16_t)v;
	if (!read_ip4(item, addr))
		return cfg_fail(err, "'%.60s' is not an IPv4 address", item);
	if (*addr == 0 || *addr == UINT32_MAX || *addr >> 28 == 14)
		return cfg_fail(err, "'%s' is not the address of one host", item);
	if (*addr >> 24 == 127)
		return cfg_fail(err,
			"'%s' is loopback: ringcached serves on its own device, name an address "
			"there",
			item);
	return 0;
}

int cfg_parse_listen(const char *text, unsigned max, struct cfg_listen *val, char err[CFG_ERR_SIZE])
{
	char item[128];
	int more;

	if (max > CFG_LISTEN_MAX)
		max = CFG_LISTEN_MAX;
	if (!*text)
		return 0;
	while ((more = next_item(&text, ',', item, sizeof(item))) == 1) {
		uint32_t addr;
		uint16_t port;

		if (parse_listen_item(item, &addr, &port, err))
			return -1;
		for (unsigned i = 0; i < val->count; i++)
			if (val->item[i].addr == addr && val->item[i].port == port)
				return cfg_fail(err, "'%s' is named twice", item);
		if (val->count == max)
			return cfg_fail(err, "more than %u addresses", max);
		val->item[val->count].addr = addr;
		val->item[val->count++].port = port;
	}
	return more ? cfg_fail(err, "'%.40s...' is not an IPv4 address", item) : 0;
}

static int parse_prefix_item(
	char *item, unsigned len_min, uint32_t *addr, uint32_t *mask, char err[CFG_ERR_SIZE])
{
	char *slash = strchr(item, '/');
	uint64_t len = 32;
	const char *end;
	struct in_addr in;

	if (strchr(item, ':'))
		return cfg_fail(err, "'%.60s': IPv6 is not supported, name an IPv4 prefix", item);
	if (slash) {
		*slash = '\0';
		if (!read_digits(slash + 1, &len, &end) || *end || len > 32)
			return cfg_fail(
				err, "'%.60s/%.20s': the length is not in 0..32", item, slash + 1);
	}
	if (!read_ip4(item, addr))
		return cfg_fail(err, "'%.60s' is not an IPv4 prefix (as 192.0.2.0/24)", item);
	*mask = len ? UINT32_MAX << (32 - len) : 0;
	if (len < len_min)
		return cfg_fail(err, "'%s/%u' is too wide, the shortest prefix is /%u", item,
			(unsigned)len, len_min);
	if (*addr & ~*mask) {
		char text[INET_ADDRSTRLEN];

		in.s_addr = htonl(*addr & *mask);
		inet_ntop(AF_INET, &in, text, sizeof(text));
		return cfg_fail(err, "'%s/%u' has bits behind its length, did you mean %s/%u?",
			item, (unsigned)len, text, (unsigned)len);
	}
	return 0;
}

int cfg_parse_prefixes(const char *text, unsigned len_min, unsigned max, struct cfg_prefixes *val,
	char err[CFG_ERR_SIZE])
{
	char item[128];
	int more;

	if (max > CFG_PREFIXES_MAX)
		max = CFG_PREFIXES_MAX;
	if (!*text)
		return 0;
	while ((more = next_item(&text, ',', item, sizeof(item))) == 1) {
		uint32_t addr, mask;

		if (parse_prefix_item(item, len_min, &addr, &mask, err))
			return -1;
		if (val->count == max)
			return cfg_fail(err, "more than %u prefixes", max);
		val->item[val->count].addr = addr;
		val->item[val->count++].mask = mask;
	}
	return more ? cfg_fail(err, "'%.40s...' is not an IPv4 prefix", item) : 0;
}

// ---- types

static int u32_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	uint64_t v;

	if (cfg_parse_u64(text, opt->min, opt->max, &v, err))
		return -1;
	*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static void u32_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	fprintf(out, "%" PRIu32, *(const uint32_t *)field);
}

static int size_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	return cfg_parse_size(text, opt->min, opt->max, field, err);
}

static void size_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	uint64_t v = *(const uint64_t *)field;
	unsigned i = 0;

	for (; v && v % 1024 == 0 && i < 4; i++)
		v /= 1024;
	fprintf(out, "%" PRIu64 "%.1s", v, &"\0kmgt"[i]);
}

static int bool_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	return cfg_parse_bool(text, field, err);
}

static void bool_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	fputs(*(const bool *)field ? "true" : "false", out);
}

static int enum_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	char all[64] = "";

	for (unsigned i = 0; opt->type->values[i]; i++) {
		if (strcmp(text, opt->type->values[i]) == 0) {
			*(unsigned *)field = i;
			return 0;
		}
		if (i > 0)
			strncat(all, ", ", sizeof(all) - strlen(all) - 1);
		strncat(all, opt->type->values[i], sizeof(all) - strlen(all) - 1);
	}
	return cfg_fail(err, "'%.40s' is none of %s", text, all);
}

static void enum_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	fputs(opt->type->values[*(const unsigned *)field], out);
}

static int listen_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	return cfg_parse_listen(text, (unsigned)opt->max, field, err);
}

static void print_ip4(FILE *out, uint32_t addr)
{
	fprintf(out, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}

static void listen_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	const struct cfg_listen *l = field;

	for (unsigned i = 0; i < l->count; i++) {
		fputs(i ? "," : "", out);
		print_ip4(out, l->item[i].addr);
		if (l->item[i].port)
			fprintf(out, ":%u", l->item[i].port);
	}
}

static int prefixes_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	return cfg_parse_prefixes(text, (unsigned)opt->min, (unsigned)opt->max, field, err);
}

static void prefixes_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	const struct cfg_prefixes *l = field;

	for (unsigned i = 0; i < l->count; i++) {
		fputs(i ? "," : "", out);
		print_ip4(out, l->item[i].addr);
		fprintf(out, "/%d", __builtin_popcount(l->item[i].mask));
	}
}

static int strings_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	struct cfg_strings *l = field;
	char item[CFG_STRING_SIZE];
	int more;

	if (!*text)
		return 0;
	while ((more = next_item(&text, ';', item, sizeof(item))) == 1) {
		if (!item[0])
			return cfg_fail(err, "an empty element in the list");
		if (l->count == opt->max)
			return cfg_fail(err, "more than %u elements", (unsigned)opt->max);
		cfg_copy(l->item[l->count++], CFG_STRING_SIZE, item, strlen(item));
	}
	return more ? cfg_fail(err, "'%.40s...' is longer than %d bytes", item, CFG_STRING_SIZE - 1)
		    : 0;
}

static void strings_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	const struct cfg_strings *l = field;

	for (unsigned i = 0; i < l->count; i++)
		fprintf(out, "%s%s", i ? ";" : "", l->item[i]);
}

static int path_parse(
	const struct cfg_opt *opt, const char *text, void *field, char err[CFG_ERR_SIZE])
{
	struct cfg_path *path = field;

	if (!cfg_copy(path->s, sizeof(path->s), text, strlen(text)))
		return cfg_fail(err, "'%.40s...' is longer than %u bytes", text,
			(unsigned)sizeof(path->s) - 1);
	return 0;
}

static void path_print(FILE *out, const struct cfg_opt *opt, const void *field)
{
	fputs(((const struct cfg_path *)field)->s, out);
}

static const struct cfg_type cfg_type_U32 = {"N", NULL, false, u32_parse, u32_print};
const struct cfg_type cfg_type_COUNT = {"N", NULL, false, u32_parse, u32_print};
static const struct cfg_type cfg_type_SIZE = {"SIZE", NULL, false, size_parse, size_print};
const struct cfg_type cfg_type_BOOL = {"true|false", NULL, false, bool_parse, bool_print};
static const struct cfg_type cfg_type_LISTEN = {
	"ADDR[:PORT],...", NULL, true, listen_parse, listen_print};
static const struct cfg_type cfg_type_PREFIXES = {
	"PREFIX,...", NULL, true, prefixes_parse, prefixes_print};
static const struct cfg_type cfg_type_STRINGS = {
	"DEVICE;...", NULL, true, strings_parse, strings_print};

static const struct cfg_type cfg_type_PATH = {"PATH", NULL, false, path_parse, path_print};

#define V(x) #x,
#define ENUM_TYPE(TYPE) \
	static const struct cfg_type cfg_type_##TYPE = {NULL, \
		(const char *const[]){CFG_##TYPE##_VALUES(V) NULL}, false, enum_parse, enum_print}
ENUM_TYPE(MODE);
ENUM_TYPE(STEER);
ENUM_TYPE(IDLE);
ENUM_TYPE(HUGEPAGES);
#undef V

const struct cfg_opt cfg_opts[CFG_OPT_COUNT] = {
#define CFG_SECTION(section, help)
#define CFG_SECTION_END(section)
#define CFG(section, name, TYPE, def, min, max, unit, flag, help) \
	{#section, #name, &cfg_type_##TYPE, offsetof(struct cfg, section.name), \
		sizeof(CFG_T_##TYPE), def, min, max, unit, flag[0], help},
#include "cfg/cfg.def"
#undef CFG_SECTION
#undef CFG
#undef CFG_SECTION_END
};
