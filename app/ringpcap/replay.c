// SPDX-License-Identifier: BSD-3-Clause
// ringpcap replay: a capture through the packet path, its timestamps the clock

#include "ringpcap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "follow.h"
#include "net/hdr.h"
#include "pcap/pcapf.h"
#include "rig.h"

struct replay {
	struct rig_conf rig;
	const char *in_path;
	const char *out_path; // NULL: replies are not kept
	const char *filter;
	uint64_t linger_ms;
	bool counters;
	struct follow *follow;
	struct pcapf_writer *out;
	uint64_t first_ns; // time of the first packet
	uint64_t now_us; // clock of the worker
	uint64_t skipped_count;
};

static void parse_addrs(struct replay *c, char *list)
{
	char *save = NULL;

	c->rig.addr_count = 0;
	for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		uint16_t no_port = 0;

		if (c->rig.addr_count == NET_ADDRS_MAX)
			usage_error("--listen: more than %d addresses", NET_ADDRS_MAX);
		c->rig.addr[c->rig.addr_count++] = opt_addr_port("--listen", s, &no_port);
		if (no_port)
			usage_error("--listen '%s': ports are set with --tcp-port, --udp-port", s);
	}
	if (c->rig.addr_count == 0)
		usage_error("--listen: no address");
}

static void parse_prefixes(struct replay *c, const char *option, char *list, bool trusted)
{
	char *save = NULL;

	for (char *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		struct conn_prefix *p = &c->rig.prefix[c->rig.prefix_count];

		if (c->rig.prefix_count == CONN_PREFIXES_MAX)
			usage_error("%s: more than %d prefixes", option, CONN_PREFIXES_MAX);
		p->addr = opt_prefix(option, s, &p->mask);
		p->trusted = trusted;
		c->rig.prefix_count++;
	}
}

static const struct option options[] = {{"write", required_argument, NULL, 'w'},
	{"listen", required_argument, NULL, 'l'}, {"tcp-port", required_argument, NULL, 'p'},
	{"udp-port", required_argument, NULL, 'U'}, {"udp-allow", required_argument, NULL, 'a'},
	{"udp-trust", required_argument, NULL, 'A'}, {"mac", required_argument, NULL, 'M'},
	{"memory-mb", required_argument, NULL, 'm'}, {"connections", required_argument, NULL, 'c'},
	{"preload", required_argument, NULL, 'P'}, {"value-size", required_argument, NULL, 'v'},
	{"linger-ms", required_argument, NULL, 'L'}, {"seed", required_argument, NULL, 's'},
	{"filter", required_argument, NULL, 'f'}, {"counters", no_argument, NULL, 'C'},
	{"trace", required_argument, NULL, 'T'}, {"threads", required_argument, NULL, 't'}, {0}};

// Options that are one number.
static void parse_number(struct replay *c, int o)
{
	if (o == 'p')
		c->rig.tcp_port = (uint16_t)opt_u64("--tcp-port", optarg, 0, 65535);
	else if (o == 'U')
		c->rig.udp_port = (uint16_t)opt_u64("--udp-port", optarg, 0, 65535);
	else if (o == 'm')
		c->rig.memory_mb = (uint32_t)opt_u64("--memory-mb", optarg, 8, 65536);
	else if (o == 'c')
		c->rig.connections = (uint32_t)opt_u64("--connections", optarg, 1, 65536);
	else if (o == 'v')
		c->rig.value_size = (uint32_t)opt_u64("--value-size", optarg, 0, 1000000);
	else if (o == 'L')
		c->linger_ms = opt_u64("--linger-ms", optarg, 0, 86400000);
	else if (o == 's')
		c->rig.seed = opt_u64("--seed", optarg, 0, UINT64_MAX);
	else if (o == 'T')
		c->rig.trace_count = (uint32_t)opt_u64("--trace", optarg, 0, 10000);
	else
		opt_u64("--threads", optarg, 1, 1);
}

static void parse(struct replay *c, int argc, char **argv)
{
	int o;

	while ((o = next_option(argc, argv, ":w:", options)) != -1) {
		if (o == 'w') {
			c->out_path = optarg;
		} else if (o == 'l') {
			parse_addrs(c, optarg);
		} else if (o == 'a' || o == 'A') {
			parse_prefixes(
				c, o == 'a' ? "--udp-allow" : "--udp-trust", optarg, o == 'A');
		} else if (o == 'M') {
			opt_mac("--mac", optarg, c->rig.mac);
			c->rig.has_mac = true;
		} else if (o == 'P') {
			c->rig.preload_path = optarg;
		} else if (o == 'f') {
			c->filter = optarg;
		} else if (o == 'C') {
			c->counters = true;
		} else {
			parse_number(c, o);
		}
	}
	if (optind + 1 != argc)
		usage_error("replay: one capture file is needed");
	c->in_path = argv[optind];
	if (c->out_path && strcmp(c->out_path, "-") == 0 && (c->counters || c->rig.trace_count))
		usage_error("replay: standard output cannot take the capture and text");
	if (!c->rig.has_mac && strcmp(c->in_path, "-") == 0)
		usage_error("replay: with standard input, --mac is needed");
	if (c->rig.prefix_count == 0) // nobody can be harmed by a reply into a file
		c->rig.prefix[c->rig.prefix_count++] = (struct conn_prefix){.trusted = true};
}

static struct pcapf_reader *open_input(const struct replay *c)
{
	struct pcapf_err err;
	struct pcapf_reader *in = pcapf_open(c->in_path, &err);

	if (!in || (c->filter && pcapf_filter(in, c->filter, &err) != 0))
		fatal("%s", err.text);
	return in;
}

static bool is_ours(const struct rig_conf *rig, uint32_t addr)
{
	for (unsigned i = 0; i < rig->addr_count; i++)
		if (rig->addr[i] == addr)
			return true;
	return false;
}

// The server's MAC address is where the first packet for one of its addresses goes.
static void find_mac(struct replay *c)
{
	struct pcapf_reader *in = open_input(c);
	struct pcapf_pkt pkt;
	struct pcapf_err err;
	struct hdr h;

	while (!c->rig.has_mac && pcapf_next(in, &pkt, &err) == 1) {
		if (hdr_parse(&h, pkt.data, pkt.len, true) < HDR_IP4_FRAG || pkt.data[0] & 1 ||
			!is_ours(&c->rig, h.dst_addr))
			continue;
		memcpy(c->rig.mac, pkt.data, 6);
		c->rig.has_mac = true;
	}
	pcapf_close(in);
	if (!c->rig.has_mac)
		memcpy(c->rig.mac, (const uint8_t[]){2, 0, 0, 0, 0, 10}, 6);
}

static void write_reply(void *arg, const uint8_t *frame, uint32_t len, uint64_t now_us)
{
	struct replay *c = arg;
	struct pcapf_err err;

	follow_replayed_server(c->follow, frame, len);
	if (c->out && pcapf_write(c->out, c->first_ns + (now_us - RIG_START_US) * 1000, frame, len,
			      &err) != 0)
		fatal("%s", err.text);
}

static void replay_one(struct replay *c, struct rig *rig, const struct pcapf_pkt *pkt)
{
	static uint8_t frame[PCAPF_SNAPLEN_MAX];
	uint64_t at_us = RIG_START_US;

	// On the loopback device all MAC addresses are the same.
	if (pkt->len >= 12 && memcmp(pkt->data + 6, c->rig.mac, 6) == 0 &&
		memcmp(pkt->data, c->rig.mac, 6) != 0) {
		follow_captured_server(c->follow, pkt->data, pkt->len);
		return;
	}
	// A clock that was set back stands still for us.
	if (pkt->ts_ns > c->first_ns)
		at_us += (pkt->ts_ns - c->first_ns) / 1000;
	if (at_us > c->now_us) {
		rig_advance(rig, at_us);
		c->now_us = at_us;
	}
	memcpy(frame, pkt->data, pkt->len);
	if (!follow_client(c->follow, frame, pkt->len)) {
		rig_advance(rig, c->now_us); // its SYN came in the same burst
		follow_client(c->follow, frame, pkt->len);
	}
	if (!rig_input(rig, frame, pkt->len))
		c->skipped_count++;
}

// All packets of the input. Returns 0, or -1 and a message when it ends in an error:
// what was read has been replayed.
static int replay_all(struct replay *c, struct pcapf_reader *in, struct rig **rig)
{
	struct pcapf_pkt pkt;
	struct pcapf_err err;
	int rc;

	while ((rc = pcapf_next(in, &pkt, &err)) == 1) {
		if (!*rig) {
			c->first_ns = pkt.ts_ns;
			c->rig.unix_us =
				pkt.ts_ns / 1000 > RIG_START_US ? pkt.ts_ns / 1000 : RIG_START_US;
			*rig = rig_create(&c->rig, write_reply, c);
			c->now_us = RIG_START_US;
		}
		replay_one(c, *rig, &pkt);
		rig_print_trace(*rig);
	}
	if (rc != 0)
		fprintf(stderr, "ringpcap: %s\n", err.text);
	return rc;
}

int replay_main(int argc, char **argv)
{
	struct replay c = {.linger_ms = 1000,
		.rig = {.addr_count = 1,
			.addr = {0xc000020a},
			.tcp_port = 11211,
			.udp_port = 11211,
			.memory_mb = 16,
			.connections = 1024,
			.seed = 1,
			.value_size = 32}};
	struct pcapf_reader *in;
	struct rig *rig = NULL;
	struct pcapf_err err;
	int rc;

	parse(&c, argc, argv);
	if (!c.rig.has_mac)
		find_mac(&c);
	in = open_input(&c);
	c.follow = follow_create();
	if (!c.follow)
		fatal("out of memory");
	if (c.out_path && !(c.out = pcapf_create(c.out_path, true, &err)))
		fatal("%s", err.text);
	rc = replay_all(&c, in, &rig);
	pcapf_close(in);
	if (rig) {
		rig_advance(rig, c.now_us + c.linger_ms * 1000);
		rig_print_trace(rig);
		if (c.counters)
			rig_print_counters(rig);
		rig_destroy(rig);
	}
	if (c.skipped_count > 0)
		fprintf(stderr, "ringpcap: %" PRIu64 " packets were too long and skipped\n",
			c.skipped_count);
	follow_destroy(c.follow);
	if (c.out && pcapf_finish(c.out, &err) != 0)
		fatal("%s", err.text);
	return rc == 0 ? 0 : 1;
}
