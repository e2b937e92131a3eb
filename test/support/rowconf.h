// SPDX-License-Identifier: BSD-3-Clause
// The file conf of a packet row: how its worker differs from the usual one
//
// One setting a line, a name and a value:
//
//   linger-ms 1000        how long the row goes on after its last packet
//   show mac | ip | absolute        more in out.txt
//   connections N         -c           idle-timeout-s N    time-wait-ms N
//   udp off | tcp off     no such listener
//   udp-rate BYTES        per second   udp-max BYTES       longest reply
//   port-unreachable on   owns-arp on  icmp-rate N         mtu N
//   item-size-max N       requests-per-event N             out-limit N
//   rcv-buf N             keepalive-ms N                   tcbs N
#pragma once

#include "pcap/pkttext.h"
#include "support/workerrig.h"

struct rowconf {
	uint64_t linger_us;
	struct pkttext_conf text;
};

// Defaults, then the file if there is one. An unknown setting fails the test.
void rowconf_read(struct rowconf *c, struct workerrig *rig, const char *path);
