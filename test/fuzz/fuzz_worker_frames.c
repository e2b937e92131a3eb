// SPDX-License-Identifier: BSD-3-Clause
// Any frames at any times through a whole worker: every law holds, every mbuf comes back
//
// The input is a list of records: kind, microseconds since the record before (4 bytes),
// length (2 bytes), frame. All big-endian. Bits of kind:
//
//   1  checksums stay as they are; else those of IPv4, TCP, UDP and ICMP are made right, so
//      that a changed byte gets further than the checksum
//   2  in the same burst as the record before, whatever the time says
//   4  the server's initial sequence number of this client port is added to the
//      acknowledgment number
//
// DUMP=DIR packet_worker_rows writes such records from the rows of test/packet.
//
// support: eal workerrig

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/hdr.h"
#include "support/eal.h"
#include "support/workerrig.h"

#define KIND_AS_IS 1
#define KIND_JOINS 2
#define KIND_ADD_ISN 4
#define RECORDS_MAX 300
#define STEP_MAX_US 130000000u
#define TOTAL_MAX_US 1000000000ull
#define PORTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct state {
	struct workerrig rig;
	uint32_t server_isn[PORTS]; // by client port
	unsigned burst_count;
	struct rte_mbuf *burst[WORKER_BURST_MAX];
};

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; len -= 2, p += 2)
		sum += load_be16(p);
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold_not(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~((sum >> 16) + sum);
}

static void repair(uint8_t *frame, size_t len)
{
	uint32_t sum;
	struct hdr h;
	size_t off;
	uint8_t *ip;

	if (hdr_parse(&h, frame, len, true) < HDR_IP4_FRAG)
		return;
	ip = frame + h.l3_off;
	store_be16(ip + 10, 0);
	store_be16(ip + 10, fold_not(sum16(ip, (ip[0] & 15u) * 4u, 0)));
	if (h.kind == HDR_IP4_FRAG)
		return;
	off = h.l4_off + (h.kind == HDR_IP4_TCP ? 16 : h.kind == HDR_IP4_UDP ? 6 : 2);
	sum = (h.src_addr >> 16) + (h.src_addr & 0xffff) + (h.dst_addr >> 16) +
	      (h.dst_addr & 0xffff) + h.ip_proto + h.l4_len;
	if (off + 2 > h.l4_off + (size_t)h.l4_len)
		return;
	store_be16(frame + off, 0);
	store_be16(frame + off,
		fold_not(sum16(frame + h.l4_off, h.l4_len, h.kind == HDR_IP4_ICMP ? 0 : sum)));
}

// Every frame that is sent is one that hdr_parse takes, with right checksums.
static void on_tx(void *arg, const uint8_t *frame, uint32_t len)
{
	struct state *s = arg;
	uint32_t sum;
	struct hdr h;

	hdr_parse(&h, frame, len, false);
	CHECK(h.kind == HDR_ARP || h.kind >= HDR_IP4_ICMP);
	CHECK(len <= 18u + s->rig.conf.net.mtu);
	if (h.kind == HDR_ARP)
		return;
	sum = (h.src_addr >> 16) + (h.src_addr & 0xffff) + (h.dst_addr >> 16) +
	      (h.dst_addr & 0xffff) + h.ip_proto + h.l4_len;
	CHECK(fold_not(sum16(frame + h.l4_off, h.l4_len, h.kind == HDR_IP4_ICMP ? 0 : sum)) == 0);
	CHECK(h.src_addr == WORKERRIG_ADDR);
	if (h.kind == HDR_IP4_TCP && (frame[h.l4_off + 13] & 0x12) == 0x12)
		s->server_isn[h.dst_port % PORTS] = load_be32(frame + h.l4_off + 4);
}

static void flush_burst(struct state *s)
{
	const char *what = "";

	if (s->burst_count > 0)
		workerrig_input(&s->rig, s->burst, s->burst_count);
	s->burst_count = 0;
	if (!tcp_check(worker_tcp(s->rig.worker), &what)) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static void put_frame(struct state *s, unsigned kind, const uint8_t *bytes, size_t len)
{
	struct rte_mbuf *m = workerrig_mbuf(bytes, len);
	uint8_t *frame;
	struct hdr h;

	if (!m) // too long, or all are held
		return;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	if (kind & KIND_ADD_ISN && hdr_parse(&h, frame, len, true) == HDR_IP4_TCP)
		store_be32(frame + h.l4_off + 8,
			load_be32(frame + h.l4_off + 8) + s->server_isn[h.src_port % PORTS]);
	if (!(kind & KIND_AS_IS))
		repair(frame, len);
	s->burst[s->burst_count++] = m;
	if (s->burst_count == WORKER_BURST_MAX)
		flush_burst(s);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	eal_pool();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;
	uint64_t end_us;

	memset(&s, 0, sizeof(s));
	workerrig_conf(&s.rig);
	s.rig.tx = on_tx;
	s.rig.tx_arg = &s;
	workerrig_open(&s.rig);
	end_us = s.rig.now_us + TOTAL_MAX_US;
	for (unsigned i = 0; i < RECORDS_MAX && size >= 7 && s.rig.now_us < end_us; i++) {
		unsigned kind = data[0];
		uint32_t step_us = load_be32(data + 1);
		size_t len = load_be16(data + 5);

		data += 7;
		size -= 7;
		if (len > size)
			len = size;
		if (!(kind & KIND_JOINS)) {
			flush_burst(&s);
			workerrig_advance(&s.rig,
				s.rig.now_us + (step_us < STEP_MAX_US ? step_us : STEP_MAX_US));
		}
		if (len > 0)
			put_frame(&s, kind, data, len);
		data += len;
		size -= len;
	}
	flush_burst(&s);
	workerrig_advance(&s.rig, s.rig.now_us + 1000000);
	workerrig_check(&s.rig);
	workerrig_close(&s.rig);
	return 0;
}
