// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a capture file: read to the end, each packet printed as text

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "pcap/pcapf.h"
#include "pcap/pkttext.h"

#define PACKETS_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pkttext_conf conf = {.mac = true, .ip = true, .port = 11211};
	struct pcapf_reader *r;
	struct pcapf_pkt pkt;
	struct pcapf_err err;
	struct pkttext *text;
	int rc = 0;
	FILE *f;

	if (size == 0) // fmemopen refuses it
		return 0;
	f = fmemopen((void *)data, size, "rb");
	CHECK(f);
	r = pcapf_fopen(f, "fuzz", &err);
	if (!r) {
		CHECK(strlen(err.text) > 0 && strlen(err.text) < PCAPF_ERR_SIZE);
		return 0;
	}
	text = pkttext_create(&conf);
	CHECK(text);
	for (unsigned i = 0; i < PACKETS_MAX && (rc = pcapf_next(r, &pkt, &err)) == 1; i++) {
		char line[PKTTEXT_LINE_SIZE];

		CHECK(pkt.len <= PCAPF_SNAPLEN_MAX && pkt.wire_len >= pkt.len);
		pkttext_frame(text, pkt.data, pkt.len, pkt.wire_len, line);
		CHECK(strlen(line) > 0 && strlen(line) < PKTTEXT_LINE_SIZE);
	}
	if (rc != 1)
		CHECK(pcapf_next(r, &pkt, &err) == 0);
	pkttext_destroy(text);
	pcapf_close(r);
	return 0;
}
