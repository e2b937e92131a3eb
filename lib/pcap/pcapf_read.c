// SPDX-License-Identifier: BSD-3-Clause
// Reading pcap and pcapng files through libpcap

#include "pcap/pcapf.h"

#include <errno.h>
#include <pcap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pcap/pcapf_priv.h"

struct pcapf_reader {
	pcap_t *pcap;
	bool ended; // by the end of the file or an error
	char name[256];
};

void pcapf_err_set(struct pcapf_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	// cppcheck-suppress ctuuninitvar ; written, not read
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}

struct pcapf_reader *pcapf_open(const char *path, struct pcapf_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "rb");

	if (!f) {
		pcapf_err_set(err, "%s: %s", path, strerror(errno));
		return NULL;
	}
	return pcapf_fopen(f, is_stdin ? "standard input" : path, err);
}

struct pcapf_reader *pcapf_fopen(FILE *f, const char *name, struct pcapf_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcapf_reader *r = calloc(1, sizeof(*r));
	const char *link;

	if (!r) {
		fclose(f);
		pcapf_err_set(err, "%s: out of memory", name);
		return NULL;
	}
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!r->pcap) {
		fclose(f);
		free(r);
		pcapf_err_set(err, "%s: not a capture file: %s", name, why);
		return NULL;
	}
	if (pcap_datalink(r->pcap) != DLT_EN10MB) {
		link = pcap_datalink_val_to_name(pcap_datalink(r->pcap));
		pcapf_err_set(err, "%s: link type %s (%d) is not Ethernet", name,
			link ? link : "unknown", pcap_datalink(r->pcap));
		pcapf_close(r);
		return NULL;
	}
	return r;
}

int pcapf_filter(struct pcapf_reader *r, const char *expression, struct pcapf_err *err)
{
	struct bpf_program prog;
	int rc = 0;

	if (pcap_compile(r->pcap, &prog, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		pcapf_err_set(err, "filter \"%s\": %s", expression, pcap_geterr(r->pcap));
		return -1;
	}
	if (pcap_setfilter(r->pcap, &prog) != 0) {
		pcapf_err_set(err, "filter \"%s\": %s", expression, pcap_geterr(r->pcap));
		rc = -1;
	}
	pcap_freecode(&prog);
	return rc;
}

int pcapf_next(struct pcapf_reader *r, struct pcapf_pkt *pkt, struct pcapf_err *err)
{
	struct pcap_pkthdr *hdr;
	const u_char *data;
	int rc;

	if (r->ended)
		return 0;
	rc = pcap_next_ex(r->pcap, &hdr, &data);
	if (rc == 1) {
		// A negative or oversized field of the file must not become a huge time.
		uint64_t sec = hdr->ts.tv_sec > 0 ? (uint64_t)hdr->ts.tv_sec : 0;
		uint64_t nsec = hdr->ts.tv_usec > 0 ? (uint64_t)hdr->ts.tv_usec : 0;

		if (sec > UINT32_MAX * 4ULL)
			sec = UINT32_MAX * 4ULL;
		pkt->ts_ns = sec * 1000000000ULL + nsec % 1000000000ULL;
		pkt->len = hdr->caplen < PCAPF_SNAPLEN_MAX ? hdr->caplen : PCAPF_SNAPLEN_MAX;
		pkt->wire_len = hdr->len > pkt->len ? hdr->len : pkt->len;
		pkt->data = data;
		return 1;
	}
	r->ended = true;
	if (rc == PCAP_ERROR_BREAK)
		return 0;
	pcapf_err_set(err, "%s: %s", r->name, pcap_geterr(r->pcap));
	return -1;
}

void pcapf_close(struct pcapf_reader *r)
{
	pcap_close(r->pcap);
	free(r);
}
