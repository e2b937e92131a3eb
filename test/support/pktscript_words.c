// SPDX-License-Identifier: BSD-3-Clause
// The words of a pktscript line: numbers, addresses, hex, payload

#include "support/pktscript_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void build_fail(struct build *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->s->err, sizeof(b->s->err), fmt, ap);
	va_end(ap);
	longjmp(b->fail, 1);
}

static void skip_spaces(struct build *b)
{
	while (*b->p == ' ' || *b->p == '\t')
		b->p++;
}

bool word_next(struct build *b, char *word, size_t size)
{
	size_t n;

	skip_spaces(b);
	if (*b->p == '"' || (b->p[0] == 'x' && b->p[1] == ':'))
		return false;
	n = strcspn(b->p, " \t\r\n");
	if (n == 0)
		return false;
	if (n >= size)
		build_fail(b, "the word is too long: %.40s", b->p);
	memcpy(word, b->p, n);
	word[n] = '\0';
	b->p += n;
	return true;
}

bool word_is(struct build *b, const char *word)
{
	size_t n = strlen(word);

	skip_spaces(b);
	if (strncmp(b->p, word, n) != 0 || (b->p[n] && !isspace((unsigned char)b->p[n])))
		return false;
	b->p += n;
	return true;
}

void word_expect(struct build *b, const char *word)
{
	if (!word_is(b, word))
		build_fail(b, "\"%s\" is expected at: %.40s", word, b->p);
}

uint32_t word_number(struct build *b)
{
	char word[32], *end;
	unsigned long v;

	if (!word_next(b, word, sizeof(word)))
		build_fail(b, "a number is expected at: %.40s", b->p);
	v = strtoul(word, &end, 0);
	if (*end || end == word || v > UINT32_MAX)
		build_fail(b, "not a number: %s", word);
	return (uint32_t)v;
}

uint32_t word_addr(struct build *b, uint16_t *port)
{
	char word[32], *colon;
	struct in_addr in;

	if (!word_next(b, word, sizeof(word)))
		build_fail(b, "an address is expected at: %.40s", b->p);
	colon = strchr(word, ':');
	if (!colon == !!port)
		build_fail(b, "an address %s port is expected: %s", port ? "and a" : "without a",
			word);
	if (colon) {
		*colon = '\0';
		*port = (uint16_t)atoi(colon + 1);
	}
	if (inet_pton(AF_INET, word, &in) != 1)
		build_fail(b, "not an address: %s", word);
	return ntohl(in.s_addr);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t word_hex(struct build *b, const char *hex, uint8_t *dst, size_t size)
{
	size_t n = 0;

	for (; hex[0]; hex += 2) {
		if (hex_digit(hex[0]) < 0 || hex_digit(hex[1]) < 0 || n == size)
			build_fail(b, "not hex, or too long: %.40s", hex);
		dst[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	}
	return n;
}

void word_mac(struct build *b, uint8_t mac[6])
{
	char word[32], hex[13];
	size_t n = 0;

	if (!word_next(b, word, sizeof(word)))
		build_fail(b, "a MAC address is expected at: %.40s", b->p);
	for (const char *c = word; *c && n < 12; c++)
		if (*c != ':')
			hex[n++] = *c;
	hex[n] = '\0';
	if (word_hex(b, hex, mac, 6) != 6)
		build_fail(b, "not a MAC address: %s", word);
}

static void put(struct build *b, const uint8_t *bytes, size_t n)
{
	if (n > sizeof(b->l4) - b->l4_len)
		build_fail(b, "the payload is too long");
	memcpy(b->l4 + b->l4_len, bytes, n);
	b->l4_len += n;
}

// One byte of a quoted text, with its escape.
static uint8_t quoted_byte(struct build *b)
{
	static const char names[] = "rnt\"\\", bytes[] = "\r\n\t\"\\";
	const char *at;

	if (*b->p != '\\')
		return (uint8_t)*b->p++;
	b->p++;
	at = *b->p ? strchr(names, *b->p) : NULL;
	if (at) {
		b->p++;
		return (uint8_t)bytes[at - names];
	}
	if (*b->p != 'x' || hex_digit(b->p[1]) < 0 || hex_digit(b->p[2]) < 0)
		build_fail(b, "unknown escape: \\%.3s", b->p);
	b->p += 3;
	return (uint8_t)(hex_digit(b->p[-2]) << 4 | hex_digit(b->p[-1]));
}

static void quoted(struct build *b)
{
	uint8_t text[4096];
	size_t n = 0;
	long count = 1;

	for (b->p++; *b->p != '"';) {
		if (!*b->p || n == sizeof(text))
			build_fail(b, "a text has no end, or is too long");
		text[n++] = quoted_byte(b);
	}
	b->p++;
	if (*b->p == '*')
		count = strtol(b->p + 1, (char **)&b->p, 10);
	for (; count > 0; count--)
		put(b, text, n);
}

void payload(struct build *b)
{
	for (;;) {
		skip_spaces(b);
		if (*b->p == '"') {
			quoted(b);
		} else if (b->p[0] == 'x' && b->p[1] == ':') {
			char word[4096];
			uint8_t bytes[2048];
			size_t n = 0;

			b->p += 2;
			if (word_next(b, word, sizeof(word)))
				n = word_hex(b, word, bytes, sizeof(bytes));
			put(b, bytes, n);
		} else {
			return;
		}
	}
}
