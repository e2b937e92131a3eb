// SPDX-License-Identifier: BSD-3-Clause
// A capture as lines of text, for print and diff

#include "lines.h"

#include <inttypes.h>
#include <stdio.h>

#include "pcap/pcapf.h"
#include "ringpcap.h"

void lines_option(struct lines_conf *c, int option, const char *value)
{
	switch (option) {
	case 'f':
		c->filter = value;
		break;
	case 'a':
		c->text.absolute = true;
		break;
	case 'i':
		c->text.ip = true;
		break;
	case 'm':
		c->text.mac = true;
		break;
	case 'l':
		c->text.first_line = true;
		break;
	case 'p':
		c->text.port = (uint16_t)opt_u64("--port", value, 0, 65535);
		break;
	default:
		c->no_time = true;
	}
}

// Seconds since the first packet; a clock that was set back gives a minus sign.
static size_t format_time(char *s, size_t size, uint64_t ts_ns, uint64_t first_ns)
{
	bool before = ts_ns < first_ns;
	uint64_t us = (before ? first_ns - ts_ns : ts_ns - first_ns) / 1000;

	return (size_t)snprintf(s, size, "%s%" PRIu64 ".%06" PRIu64 " ", before ? "-" : "",
		us / 1000000, us % 1000000);
}

int lines_read(const char *path, const struct lines_conf *c, lines_fn *fn, void *arg)
{
	struct pkttext *text = pkttext_create(&c->text);
	char line[32 + PKTTEXT_LINE_SIZE];
	struct pcapf_reader *in;
	struct pcapf_pkt pkt;
	struct pcapf_err err;
	uint64_t first_ns = 0;
	bool any = false;
	int rc;

	if (!text)
		fatal("out of memory");
	in = pcapf_open(path, &err);
	if (!in || (c->filter && pcapf_filter(in, c->filter, &err) != 0)) {
		fprintf(stderr, "ringpcap: %s\n", err.text);
		if (in)
			pcapf_close(in);
		pkttext_destroy(text);
		return -1;
	}
	while ((rc = pcapf_next(in, &pkt, &err)) == 1) {
		size_t n = 0;

		if (!any)
			first_ns = pkt.ts_ns;
		any = true;
		if (!c->no_time)
			n = format_time(line, sizeof(line), pkt.ts_ns, first_ns);
		pkttext_frame(text, pkt.data, pkt.len, pkt.wire_len, line + n);
		fn(arg, line);
	}
	if (rc != 0) {
		fflush(stdout);
		fprintf(stderr, "ringpcap: %s\n", err.text);
	}
	pcapf_close(in);
	pkttext_destroy(text);
	return rc;
}
