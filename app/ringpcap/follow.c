// SPDX-License-Identifier: BSD-3-Clause
// Fits the acknowledgments of captured TCP clients to the server that answers them now

#include "follow.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/siphash.h"
#include "net/hdr.h"
#include "pcap/pktmake.h"

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define OPT_SACK 5
#define OPT_TS 8

// Initial numbers of one server.
struct numbers {
	bool known;
	uint32_t isn;
	uint32_t ts; // 0: none
};

struct flow {
	uint32_t client_addr, server_addr;
	uint16_t client_port, server_port;
	bool in_use;
	uint32_t age; // when it began, in flows
	struct numbers then, now;
};

struct follow {
	uint32_t flow_count;
	struct flow flow[FOLLOW_SETS][FOLLOW_WAYS];
};

// A TCP segment inside of a frame.
struct segment {
	struct hdr hdr;
	uint8_t *tcp;
	size_t tcp_len; // header and payload
	size_t header_len;
};

struct follow *follow_create(void)
{
	return calloc(1, sizeof(struct follow));
}

void follow_destroy(struct follow *f)
{
	free(f);
}

static bool segment_parse(struct segment *s, const uint8_t *frame, size_t len)
{
	if (hdr_parse(&s->hdr, frame, len, false) != HDR_IP4_TCP)
		return false;
	s->tcp = (uint8_t *)frame + s->hdr.l4_off;
	s->tcp_len = s->hdr.l4_len;
	s->header_len = (size_t)(s->tcp[12] >> 4) * 4;
	return s->header_len >= HDR_TCP_LEN && s->header_len <= s->tcp_len;
}

static struct flow *flow_set(struct follow *f, const struct flow *key)
{
	static const struct siphash_key fixed = {1, 2};
	uint32_t words[3] = {key->client_addr, key->server_addr,
		(uint32_t)key->client_port << 16 | key->server_port};

	return f->flow[siphash13(&fixed, words, sizeof(words)) % FOLLOW_SETS];
}

static struct flow *flow_find(struct follow *f, const struct flow *key)
{
	struct flow *set = flow_set(f, key);

	for (unsigned i = 0; i < FOLLOW_WAYS; i++)
		if (set[i].in_use && set[i].client_addr == key->client_addr &&
			set[i].server_addr == key->server_addr &&
			set[i].client_port == key->client_port &&
			set[i].server_port == key->server_port)
			return &set[i];
	return NULL;
}

static struct flow client_key(const struct segment *s)
{
	return (struct flow){.client_addr = s->hdr.src_addr,
		.server_addr = s->hdr.dst_addr,
		.client_port = s->hdr.src_port,
		.server_port = s->hdr.dst_port};
}

static struct flow server_key(const struct segment *s)
{
	return (struct flow){.client_addr = s->hdr.dst_addr,
		.server_addr = s->hdr.src_addr,
		.client_port = s->hdr.dst_port,
		.server_port = s->hdr.src_port};
}

// A SYN: forget what an earlier connection of the same ports had.
static void flow_begin(struct follow *f, const struct flow *key)
{
	struct flow *flow = flow_find(f, key);

	if (!flow) {
		struct flow *set = flow_set(f, key);

		flow = &set[0];
		for (unsigned i = 1; i < FOLLOW_WAYS && flow->in_use; i++)
			if (!set[i].in_use || set[i].age < flow->age)
				flow = &set[i];
	}
	*flow = *key;
	flow->in_use = true;
	flow->age = f->flow_count++;
}

// The data of an option, or NULL. *len: its bytes.
static uint8_t *option_find(const struct segment *s, uint8_t kind, size_t *len)
{
	size_t off = HDR_TCP_LEN;

	while (off < s->header_len && s->tcp[off] != 0) {
		size_t n;

		if (s->tcp[off] == 1) {
			off++;
			continue;
		}
		if (off + 2 > s->header_len || (n = s->tcp[off + 1]) < 2 || n > s->header_len - off)
			return NULL;
		if (s->tcp[off] == kind) {
			*len = n - 2;
			return s->tcp + off + 2;
		}
		off += n;
	}
	return NULL;
}

static uint8_t *timestamps_find(const struct segment *s)
{
	size_t len;
	uint8_t *p = option_find(s, OPT_TS, &len);

	return p && len == 8 ? p : NULL;
}

static void add_to(uint8_t *p, uint32_t delta)
{
	store_be32(p, load_be32(p) + delta);
}

static void move_numbers(const struct segment *s, const struct flow *flow)
{
	uint32_t delta = flow->now.isn - flow->then.isn;
	uint8_t *ts = timestamps_find(s), *sack;
	size_t sack_len;

	add_to(s->tcp + 8, delta);
	sack = option_find(s, OPT_SACK, &sack_len);
	for (size_t off = 0; sack && off + 4 <= sack_len; off += 4)
		add_to(sack + off, delta);
	if (ts && flow->then.ts && flow->now.ts)
		add_to(ts + 4, flow->now.ts - flow->then.ts);
}

bool follow_client(struct follow *f, uint8_t *frame, size_t len)
{
	struct segment s;
	struct flow key, *flow;
	struct pktmake ip;
	uint16_t given;
	uint8_t *ts;

	if (!segment_parse(&s, frame, len))
		return true;
	key = client_key(&s);
	if ((s.tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		flow_begin(f, &key);
		return true;
	}
	flow = flow_find(f, &key);
	if (!flow || !(s.tcp[13] & TCP_ACK))
		return true;
	if (!flow->then.known) { // the ACK of the handshake
		ts = timestamps_find(&s);
		flow->then = (struct numbers){
			true, load_be32(s.tcp + 8) - 1, ts ? load_be32(ts + 4) : 0};
	}
	if (!flow->now.known)
		return false;
	ip = (struct pktmake){
		.src_addr = s.hdr.src_addr, .dst_addr = s.hdr.dst_addr, .proto = HDR_PROTO_TCP};
	given = load_be16(s.tcp + 16);
	pktmake_l4_cksum(&ip, s.tcp, s.tcp_len);
	if (load_be16(s.tcp + 16) == given) {
		move_numbers(&s, flow);
		pktmake_l4_cksum(&ip, s.tcp, s.tcp_len);
	} else {
		store_be16(s.tcp + 16, given);
	}
	return true;
}

// The SYN,ACK of a server says what it begins with.
static void learn(struct follow *f, const uint8_t *frame, size_t len, bool replayed)
{
	struct segment s;
	struct flow key, *flow;
	uint8_t *ts;

	if (!segment_parse(&s, frame, len) ||
		(s.tcp[13] & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
		return;
	key = server_key(&s);
	flow = flow_find(f, &key);
	if (!flow)
		return;
	ts = timestamps_find(&s);
	*(replayed ? &flow->now : &flow->then) =
		(struct numbers){true, load_be32(s.tcp + 4), ts ? load_be32(ts) : 0};
}

void follow_captured_server(struct follow *f, const uint8_t *frame, size_t len)
{
	learn(f, frame, len, false);
}

void follow_replayed_server(struct follow *f, const uint8_t *frame, size_t len)
{
	learn(f, frame, len, true);
}
