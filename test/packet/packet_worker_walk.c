// SPDX-License-Identifier: BSD-3-Clause
// The trace of one SET and one GET that docs/packet-walk.md shows (GEN_DOCS=1 writes it)
// support: eal frame wclient

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/eal.h"
#include "support/wclient.h"

static struct worker *w;
static uint64_t now_us = 1000000;
static struct wclient client = {.port = 40000, .seq = 5000};

// One frame in; all answers out. Returns the payload bytes of the last TCP answer.
static uint32_t step(struct rte_mbuf *m, unsigned expected_answers)
{
	struct rte_mbuf *out[8];
	unsigned n;
	uint32_t len = 0;

	worker_input(w, &m, 1, now_us);
	worker_poll(w, now_us);
	now_us += 100;
	n = worker_take_tx(w, out, 8);
	CHECK(n == expected_answers);
	for (unsigned i = 0; i < n; i++) {
		if (rte_pktmbuf_mtod(out[i], const uint8_t *)[23] == HDR_PROTO_TCP)
			len = wclient_input(&client, 1, out[i]);
		rte_pktmbuf_free(out[i]);
	}
	return len;
}

#define DOC "docs/packet-walk.md"
#define BEGIN "<!-- trace -->\n"
#define END "<!-- end -->\n"

static char *read_file(const char *path)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

// The document with the trace between its marks.
static void render(const char *doc, char *dst, size_t size)
{
	const char *begin = strstr(doc, BEGIN), *end = strstr(doc, END);
	char line[256];
	size_t n;

	CHECK(begin && end && begin < end);
	n = (size_t)snprintf(dst, size, "%.*s" BEGIN "```\n", (int)(begin - doc), doc);
	while (worker_trace_next(w, line, sizeof(line)))
		n += (size_t)snprintf(dst + n, size - n, "%s\n", line);
	n += (size_t)snprintf(dst + n, size - n, "```\n%s", end);
	CHECK(n < size);
}

// Rows of the form "| text | `file` | `function` |": the file has that function.
static unsigned check_functions(const char *doc)
{
	unsigned bad = 0, rows = 0;

	for (const char *row = doc; (row = strstr(row, "\n| ")); row++) {
		char file[128], function[64], call[80], *source;

		if (sscanf(row + 3, "%*[^|]| `%127[^`]` | `%63[^`]`", file, function) != 2)
			continue;
		rows++;
		snprintf(call, sizeof(call), "%s(", function);
		source = read_file(file);
		if (!source || !strstr(source, call)) {
			printf(DOC ": %s has no %s\n", file, function);
			bad++;
		}
	}
	CHECK(rows >= 20);
	return bad;
}

static unsigned check_document(void)
{
	static char doc[1 << 16], fresh[1 << 16];
	char *text = read_file(DOC);
	FILE *f;

	CHECK(text);
	snprintf(doc, sizeof(doc), "%s", text);
	render(doc, fresh, sizeof(fresh));
	wclient_worker_end(w, now_us);
	if (strcmp(doc, fresh) != 0 && getenv("GEN_DOCS")) {
		f = fopen(DOC, "w");
		CHECK(f && fputs(fresh, f) >= 0 && fclose(f) == 0);
	} else if (strcmp(doc, fresh) != 0) {
		printf(DOC " shows another trace than this; scripts/gen-docs writes it anew:\n%s",
			strstr(fresh, BEGIN));
		return 1;
	}
	return check_functions(fresh);
}

int main(void)
{
	static const char set[] = "set greeting 0 0 5\r\nhello\r\n", get[] = "get greeting\r\n";
	struct rte_mbuf *out[8];
	unsigned n;

	eal_once();
	w = wclient_worker(now_us, 100);
	// Not part of the walk: who owns the addresses announces them.
	worker_poll(w, now_us);
	n = worker_take_tx(w, out, 8);
	rte_pktmbuf_free_bulk(out, n);
	step(wclient_tcp(&client, WCLIENT_SYN, NULL, 0), 1);
	step(wclient_tcp(&client, WCLIENT_ACK, NULL, 0), 0);
	CHECK(step(wclient_tcp(&client, WCLIENT_PSH_ACK, set, sizeof(set) - 1), 1) == 8);
	CHECK(step(wclient_tcp(&client, WCLIENT_PSH_ACK, get, sizeof(get) - 1), 1) == 32);
	step(wclient_udp(40001, get), 1);
	return check_document() == 0 ? 0 : 1;
}
