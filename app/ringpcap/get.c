// SPDX-License-Identifier: BSD-3-Clause
// ringpcap get: a trace of memcached UDP GET requests

#include "ringpcap.h"

#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "pcap/pcapf.h"
#include "pcap/pktmake.h"

#define REQUEST_MAX 1472 // UDP payload of an IP packet of 1500 bytes
#define FIRST_TS_NS 1704067200000000000ULL // 2024-01-01: the same options, the same bytes
#define NS_PER_S 1000000000ULL

struct get_conf {
	const char *keys_path;
	const char *out_path;
	uint64_t count; // 0: each key once
	uint64_t multi;
	uint64_t rate_pps;
	uint64_t src_port_count;
	uint16_t src_port, dst_port;
	struct pktmake ip;
};

static void parse(struct get_conf *c, int argc, char **argv)
{
	static const struct option options[] = {{"keys", required_argument, NULL, 'k'},
		{"count", required_argument, NULL, 'n'}, {"multi", required_argument, NULL, 'm'},
		{"rate", required_argument, NULL, 'r'}, {"src", required_argument, NULL, 's'},
		{"src-ports", required_argument, NULL, 'p'}, {"dst", required_argument, NULL, 'd'},
		{"src-mac", required_argument, NULL, 'S'},
		{"dst-mac", required_argument, NULL, 'D'}, {"write", required_argument, NULL, 'w'},
		{0}};
	int o;

	while ((o = next_option(argc, argv, ":w:", options)) != -1) {
		if (o == 'k')
			c->keys_path = optarg;
		else if (o == 'w')
			c->out_path = optarg;
		else if (o == 'n')
			c->count = opt_u64("--count", optarg, 1, UINT32_MAX);
		else if (o == 'm')
			c->multi = opt_u64("--multi", optarg, 1, REQUEST_MAX);
		else if (o == 'r')
			c->rate_pps = opt_u64("--rate", optarg, 1, NS_PER_S);
		else if (o == 's')
			c->ip.src_addr = opt_addr_port("--src", optarg, &c->src_port);
		else if (o == 'p')
			c->src_port_count = opt_u64("--src-ports", optarg, 1, 65535);
		else if (o == 'd')
			c->ip.dst_addr = opt_addr_port("--dst", optarg, &c->dst_port);
		else if (o == 'S')
			opt_mac("--src-mac", optarg, c->ip.src_mac);
		else
			opt_mac("--dst-mac", optarg, c->ip.dst_mac);
	}
	if (optind < argc)
		usage_error("get: unexpected argument '%s'", argv[optind]);
	if (!c->keys_path || !c->out_path)
		usage_error("get: --keys FILE and -w OUT.pcap are needed");
	if (c->src_port + c->src_port_count > 65536)
		usage_error("get: --src-ports %llu: from port %u on there are only %u",
			(unsigned long long)c->src_port_count, c->src_port, 65536 - c->src_port);
}

// "get k1 k2\r\n" with the next keys, in turn. Returns its length.
static size_t make_request(const struct get_conf *c, const struct keys *keys, uint64_t packet,
	uint8_t *buf, size_t size)
{
	uint64_t first = packet * c->multi, n = c->multi;
	size_t off = 3;

	// The last request of "each key once" may be shorter.
	if (c->count == 0 && first + n > keys->count)
		n = keys->count - first;
	memcpy(buf, "get", 3);
	for (uint64_t i = 0; i < n; i++) {
		size_t len;
		const uint8_t *key = keys_at(keys, (first + i) % keys->count, &len);

		if (off + 1 + len + 2 > size)
			fatal("get: packet %llu does not fit into %d bytes: use a smaller --multi",
				(unsigned long long)packet + 1, REQUEST_MAX);
		buf[off++] = ' ';
		memcpy(buf + off, key, len);
		off += len;
	}
	memcpy(buf + off, "\r\n", 2);
	return off + 2;
}

static size_t make_frame(const struct get_conf *c, const struct keys *keys, uint64_t packet,
	uint8_t *frame, size_t size)
{
	uint8_t l4[PKTMAKE_UDP_LEN + REQUEST_MAX];
	uint8_t *memc = l4 + PKTMAKE_UDP_LEN, *request = memc + PKTMAKE_MEMC_LEN;
	size_t len = make_request(c, keys, packet, request, REQUEST_MAX - PKTMAKE_MEMC_LEN);

	len += PKTMAKE_MEMC_LEN;
	pktmake_udp(l4, (uint16_t)(c->src_port + packet % c->src_port_count), c->dst_port, len);
	pktmake_memc(memc, (uint16_t)packet, 0, 1);
	pktmake_l4_cksum(&c->ip, l4, PKTMAKE_UDP_LEN + len);
	return pktmake_ip4(&c->ip, l4, PKTMAKE_UDP_LEN + len, frame, size);
}

int get_main(int argc, char **argv)
{
	struct get_conf c = {.multi = 1,
		.rate_pps = 100000,
		.src_port = 5000,
		.src_port_count = 1,
		.dst_port = 11211,
		.ip = {.src_mac = {2, 0, 0, 0, 0, 1},
			.dst_mac = {2, 0, 0, 0, 0, 10},
			.src_addr = 0xc0000201,
			.dst_addr = 0xc000020a,
			.ttl = 64,
			.proto = 17,
			.frag = 0x4000}};
	struct pcapf_writer *out;
	struct pcapf_err err;
	struct keys keys;
	uint64_t count;

	parse(&c, argc, argv);
	keys_read(&keys, c.keys_path);
	count = c.count ? c.count : (keys.count + c.multi - 1) / c.multi;
	out = pcapf_create(c.out_path, true, &err);
	if (!out)
		fatal("%s", err.text);
	for (uint64_t i = 0; i < count; i++) {
		uint8_t frame[1600];
		size_t len = make_frame(&c, &keys, i, frame, sizeof(frame));
		uint64_t ts_ns = FIRST_TS_NS + i / c.rate_pps * NS_PER_S +
				 i % c.rate_pps * NS_PER_S / c.rate_pps;

		if (pcapf_write(out, ts_ns, frame, (uint32_t)len, &err) != 0)
			fatal("%s", err.text);
	}
	if (pcapf_finish(out, &err) != 0)
		fatal("%s", err.text);
	keys_free(&keys);
	return 0;
}
