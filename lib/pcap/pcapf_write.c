// SPDX-License-Identifier: BSD-3-Clause
// Writing pcap files through libpcap

#include "pcap/pcapf.h"

#include <errno.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "pcap/pcapf_priv.h"

struct pcapf_writer {
	pcap_t *pcap; // only holds link type, snapshot length and precision
	pcap_dumper_t *dumper;
	bool nanosecond;
	char name[256];
};

struct pcapf_writer *pcapf_create(const char *path, bool nanosecond, struct pcapf_err *err)
{
	struct pcapf_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		pcapf_err_set(err, "%s: out of memory", path);
		return NULL;
	}
	snprintf(w->name, sizeof(w->name), "%s", strcmp(path, "-") == 0 ? "standard output" : path);
	w->nanosecond = nanosecond;
	w->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, PCAPF_SNAPLEN_MAX,
		nanosecond ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO);
	if (!w->pcap) {
		pcapf_err_set(err, "%s: out of memory", path);
		free(w);
		return NULL;
	}
	w->dumper = pcap_dump_open(w->pcap, path);
	if (!w->dumper) {
		// libpcap's text already starts with the path.
		pcapf_err_set(err, "cannot write %s", pcap_geterr(w->pcap));
		pcap_close(w->pcap);
		free(w);
		return NULL;
	}
	return w;
}

int pcapf_write(struct pcapf_writer *w, uint64_t ts_ns, const uint8_t *data, uint32_t len,
	struct pcapf_err *err)
{
	struct pcap_pkthdr hdr = {.caplen = len, .len = len};
	uint64_t frac_ns = ts_ns % 1000000000ULL;

	CHECK(len <= PCAPF_SNAPLEN_MAX);
	hdr.ts.tv_sec = (time_t)(ts_ns / 1000000000ULL);
	hdr.ts.tv_usec = (suseconds_t)(w->nanosecond ? frac_ns : frac_ns / 1000);
	pcap_dump((u_char *)w->dumper, &hdr, data);
	// pcap_dump reports nothing; a full disk shows on the stream.
	if (ferror(pcap_dump_file(w->dumper))) {
		pcapf_err_set(err, "cannot write %s: %s", w->name, strerror(errno));
		return -1;
	}
	return 0;
}

int pcapf_finish(struct pcapf_writer *w, struct pcapf_err *err)
{
	FILE *f = pcap_dump_file(w->dumper);
	int rc = 0;

	if (fflush(f) != 0 || ferror(f)) {
		pcapf_err_set(err, "cannot write %s: %s", w->name, strerror(errno));
		rc = -1;
	}
	pcap_dump_close(w->dumper);
	pcap_close(w->pcap);
	free(w);
	return rc;
}
