// SPDX-License-Identifier: BSD-3-Clause
// Capture files: read pcap and pcapng, write pcap. A thin layer over libpcap
//
// Only Ethernet is read (DLT_EN10MB), with microsecond or nanosecond timestamps,
// which come out as nanoseconds. A file that ends inside a record gives every
// whole record before it, then an error: what was captured is never lost.
//
// Every error is one clear sentence that names the file, in err.
// The names start with pcapf, and so does this file's: libpcap owns pcap_* and
// <pcap/pcap.h>.
//
// Threads: one owner per reader or writer. Limits: PCAPF_SNAPLEN_MAX bytes a packet.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPF_SNAPLEN_MAX 65535
#define PCAPF_ERR_SIZE 512

struct pcapf_pkt {
	uint64_t ts_ns; // unix time
	uint32_t len; // bytes at data
	uint32_t wire_len; // bytes it had on the wire; more than len: cut by the capture
	const uint8_t *data; // until the next call on the same reader
};

// The same as err: a text of PCAPF_ERR_SIZE bytes, set when a call fails.
struct pcapf_err {
	char text[PCAPF_ERR_SIZE];
};

struct pcapf_reader;

// path "-": standard input. NULL on error.
struct pcapf_reader *pcapf_open(const char *path, struct pcapf_err *err);
// Read from f, which is closed with the reader, and on error too. name is for messages.
struct pcapf_reader *pcapf_fopen(FILE *f, const char *name, struct pcapf_err *err);
// Give only the packets that match a pcap-filter(7) expression. 0, or -1 on error.
int pcapf_filter(struct pcapf_reader *r, const char *expression, struct pcapf_err *err);
// 1: a packet, 0: the end, -1: an error, after which there is nothing more. A packet
// longer than PCAPF_SNAPLEN_MAX is cut to that (wire_len tells).
int pcapf_next(struct pcapf_reader *r, struct pcapf_pkt *pkt, struct pcapf_err *err);
void pcapf_close(struct pcapf_reader *r);

struct pcapf_writer;

// path "-": standard output. nanosecond: pcap's nanosecond variant (magic
// 0xa1b23c4d), else microseconds, rounded down. NULL on error.
struct pcapf_writer *pcapf_create(const char *path, bool nanosecond, struct pcapf_err *err);
// len <= PCAPF_SNAPLEN_MAX. 0, or -1 on error.
int pcapf_write(struct pcapf_writer *w, uint64_t ts_ns, const uint8_t *data, uint32_t len,
	struct pcapf_err *err);
// Write what is buffered and close. 0, or -1 when the file is not whole; w is gone
// either way.
int pcapf_finish(struct pcapf_writer *w, struct pcapf_err *err);
