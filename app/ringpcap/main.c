// SPDX-License-Identifier: BSD-3-Clause
// ringpcap: make, replay, print and compare packet captures of memcached traffic

#include "ringpcap.h"

#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"get", get_main},
	{"replay", replay_main},
	{"print", print_main},
	{"diff", diff_main},
};

static const char help[] =
	"ringpcap: make, replay, print and compare packet captures of memcached traffic\n"
	"\n"
	"ringpcap get --keys FILE -w OUT.pcap [option...]\n"
	"        write memcached UDP GET requests, for Pktgen-DPDK, tcpreplay or net_pcap\n"
	"  --keys FILE         one key a line\n"
	"  --count N           packets (default: until each key was asked for once)\n"
	"  --multi N           keys in a request (1)\n"
	"  --rate PPS          packets a second, for the timestamps (100000)\n"
	"  --src ADDR[:PORT]   client (192.0.2.1:5000)\n"
	"  --src-ports N       use N source ports, from PORT on, in turn (1)\n"
	"  --dst ADDR[:PORT]   server (192.0.2.10:11211)\n"
	"  --src-mac MAC       (02:00:00:00:00:01)\n"
	"  --dst-mac MAC       (02:00:00:00:00:0a)\n"
	"\n"
	"ringpcap replay IN.pcap [-w OUT.pcap] [option...]\n"
	"        run a capture through ringcached's packet path; its timestamps are the clock\n"
	"  --listen ADDR[,ADDR...]     addresses of the server (192.0.2.10)\n"
	"  --tcp-port N, --udp-port N  0: off (11211)\n"
	"  --udp-allow PREFIX[,...]    answer UDP requests from there\n"
	"  --udp-trust PREFIX[,...]    the same, with replies of several datagrams (0.0.0.0/0)\n"
	"  --mac MAC                   of the server (where packets for its addresses go)\n"
	"  --memory-mb N               of the store (16)\n"
	"  --connections N             open at once (1024)\n"
	"  --preload FILE              store the keys of FILE first, one key a line\n"
	"  --value-size N              of the preloaded values (32)\n"
	"  --linger-ms N               go on after the last packet (1000)\n"
	"  --seed N                    initial sequence numbers, hashes (1)\n"
	"  --filter EXPR               only these packets, pcap-filter(7)\n"
	"  --counters                  print each counter that moved\n"
	"  --trace N                   print the way of the first N packets\n"
	"  --threads 1                 accepted for scripts: the replay has one worker\n"
	"\n"
	"ringpcap print [--filter EXPR] [--absolute] [--ip] [--mac] [--first-line] IN.pcap\n"
	"ringpcap diff  [--filter EXPR] [--absolute] [--no-time] A.pcap B.pcap\n"
	"        print a capture, or the difference of two, one packet a line\n"
	"  --absolute          sequence numbers and TCP timestamps as they are\n"
	"  --ip, --mac         also IP header fields, Ethernet addresses\n"
	"  --first-line        payload up to its first line end\n"
	"  --port N            UDP port with memcached's frame header (11211)\n"
	"  --no-time           do not compare the times\n"
	"\n"
	"ringpcap --help | --version\n"
	"\n"
	"A file named - is standard input or output. See ringpcap(1).\n";

int main(int argc, char **argv)
{
	if (argc < 2)
		usage_error("no command; there are get, replay, print and diff (ringpcap --help)");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("ringpcap %s\n", RINGCACHED_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
			fputs(help, stdout);
			return 0;
		}
		return commands[i].run(argc - 1, argv + 1);
	}
	usage_error("unknown command '%s'; there are get, replay, print and diff", argv[1]);
}
