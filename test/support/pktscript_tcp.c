// SPDX-License-Identifier: BSD-3-Clause
// The tcp line of pktscript

#include "support/pktscript_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

// Numbers that the other end chose: 0 until it was heard.
struct server {
	uint32_t isn;
	uint32_t ts_base;
};

static uint16_t flags_of(struct build *b, const char *word)
{
	static const char names[] = "FSRP.UEWN";
	uint16_t flags = 0;

	if (strcmp(word, "none") == 0)
		return 0;
	for (; *word; word++) {
		const char *at = strchr(names, *word);

		if (!at)
			build_fail(b, "unknown flag %c", *word);
		flags |= (uint16_t)(1u << (at - names));
	}
	return flags;
}

// One option, as "mss 1460"; returns the bytes written at opt.
static size_t option(struct build *b, const struct server *srv, const char *text, uint8_t *opt)
{
	unsigned long v, w;
	char hex[81];

	if (sscanf(text, "mss %lu", &v) == 1) {
		memcpy(opt, (const uint8_t[]){2, 4}, 2);
		store_be16(opt + 2, (uint16_t)v);
		return 4;
	}
	if (sscanf(text, "wscale %lu", &v) == 1) {
		memcpy(opt, (const uint8_t[]){3, 3, (uint8_t)v}, 3);
		return 3;
	}
	if (strcmp(text, "sackOK") == 0) {
		memcpy(opt, (const uint8_t[]){4, 2}, 2);
		return 2;
	}
	if (sscanf(text, "ts %lu %lu", &v, &w) == 2) {
		memcpy(opt, (const uint8_t[]){8, 10}, 2);
		store_be32(opt + 2, PKTSCRIPT_CLIENT_TS + (uint32_t)v);
		store_be32(opt + 6, srv->ts_base ? srv->ts_base + (uint32_t)w : (uint32_t)w);
		return 10;
	}
	if (sscanf(text, "sack %lu-%lu", &v, &w) == 2) {
		memcpy(opt, (const uint8_t[]){5, 10}, 2);
		store_be32(opt + 2, srv->isn + (uint32_t)v);
		store_be32(opt + 6, srv->isn + (uint32_t)w);
		return 10;
	}
	if (strcmp(text, "nop") == 0) {
		opt[0] = 1;
		return 1;
	}
	if (sscanf(text, "x:%80s", hex) == 1)
		return word_hex(b, hex, opt, 40);
	build_fail(b, "unknown TCP option: %s", text);
}

// <mss 1460,sackOK>: padded with zeros to a multiple of 4.
static size_t options(struct build *b, const struct server *srv, uint8_t opt[80])
{
	char text[256], *save = NULL;
	size_t n, len = 0;

	while (*b->p == ' ')
		b->p++;
	if (*b->p != '<')
		return 0;
	n = strcspn(++b->p, ">");
	if (b->p[n] != '>' || n >= sizeof(text))
		build_fail(b, "the TCP options have no end");
	memcpy(text, b->p, n);
	text[n] = '\0';
	b->p += n + 1;
	for (char *o = strtok_r(text, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		len += option(b, srv, o, opt + len);
		if (len > 40)
			build_fail(b, "more than 40 bytes of TCP options");
	}
	for (; len % 4; len++)
		opt[len] = 0;
	return len;
}

void build_tcp(struct build *b)
{
	uint32_t seq = 0, ack = 0, win = 65535;
	struct server srv = {0};
	bool known, has_ack = false;
	uint8_t opt[80];
	char word[32];
	uint16_t flags;
	size_t opt_len;

	known = pkttext_flow(b->s->text, b->eth_ip.dst_addr, b->dst_port, b->eth_ip.src_addr,
		b->src_port, &srv.isn, &srv.ts_base);
	if (!known)
		srv = (struct server){0};
	if (!word_next(b, word, sizeof(word)))
		build_fail(b, "TCP flags are expected");
	flags = flags_of(b, word);
	for (;;) {
		if (word_is(b, "seq"))
			seq = word_number(b);
		else if (word_is(b, "ack"))
			ack = word_number(b), has_ack = true;
		else if (word_is(b, "win"))
			win = word_number(b);
		else
			break;
	}
	opt_len = options(b, &srv, opt);
	memset(b->l4, 0, 20);
	store_be16(b->l4, b->src_port);
	store_be16(b->l4 + 2, b->dst_port);
	store_be32(b->l4 + 4, PKTSCRIPT_CLIENT_ISN + seq);
	store_be32(b->l4 + 8, has_ack ? srv.isn + ack : 0);
	store_be16(b->l4 + 12, (uint16_t)((20 + opt_len) / 4 << 12 | flags));
	store_be16(b->l4 + 14, (uint16_t)win);
	memcpy(b->l4 + 20, opt, opt_len);
	b->l4_len = 20 + opt_len;
	payload(b);
}
