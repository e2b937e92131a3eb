// SPDX-License-Identifier: BSD-3-Clause
// Values of command-line options, and errors of one line

#include "ringpcap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("ringpcap: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	exit(EXIT_USAGE);
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

int next_option(int argc, char **argv, const char *short_options, const struct option *options)
{
	int at = optind ? optind : 1;
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, short_options, options, NULL);
	if (c == ':')
		usage_error("%s: option '%s' needs a value", argv[0], argv[optind - 1]);
	if (c == '?' && optopt && optopt < 256)
		usage_error("%s: unknown option '-%c'", argv[0], optopt);
	if (c == '?') // optind moved past it, or it is a group of short options
		usage_error(
			"%s: unknown option '%s'", argv[0], argv[optind > at ? optind - 1 : at]);
	return c;
}

uint64_t opt_u64(const char *option, const char *text, uint64_t min, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || v < min || v > max)
		usage_error("%s '%s': not a number from %llu to %llu", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return v;
}

uint32_t opt_addr_port(const char *option, const char *text, uint16_t *port)
{
	char addr[INET_ADDRSTRLEN];
	size_t n = strcspn(text, ":");
	struct in_addr in;

	if (n < sizeof(addr)) {
		memcpy(addr, text, n);
		addr[n] = '\0';
	}
	if (n >= sizeof(addr) || inet_pton(AF_INET, addr, &in) != 1)
		usage_error("%s '%s': not an IPv4 address", option, text);
	if (text[n] == ':')
		*port = (uint16_t)opt_u64(option, text + n + 1, 1, 65535);
	return ntohl(in.s_addr);
}

uint32_t opt_prefix(const char *option, const char *text, uint32_t *mask)
{
	char addr[INET_ADDRSTRLEN];
	size_t n = strcspn(text, "/");
	uint64_t bits = 32;
	struct in_addr in;

	if (n < sizeof(addr)) {
		memcpy(addr, text, n);
		addr[n] = '\0';
	}
	if (n >= sizeof(addr) || inet_pton(AF_INET, addr, &in) != 1)
		usage_error("%s '%s': not an IPv4 prefix", option, text);
	if (text[n] == '/')
		bits = opt_u64(option, text + n + 1, 0, 32);
	*mask = bits ? UINT32_MAX << (32 - bits) : 0;
	if (ntohl(in.s_addr) & ~*mask)
		usage_error("%s '%s': bits are set behind the prefix length", option, text);
	return ntohl(in.s_addr);
}

void opt_mac(const char *option, const char *text, uint8_t mac[6])
{
	unsigned b[6];
	int n = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &n) != 6 ||
		text[n] != '\0')
		usage_error("%s '%s': not a MAC address", option, text);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}
