// SPDX-License-Identifier: BSD-3-Clause
// Frames written by hand, one a line, for the rows of test/packet
//
//   # a comment
//   0.001 udp 192.0.2.1:5000 > 192.0.2.10:11211 id 7 "get a\r\n"
//   +0.01 tcp 192.0.2.1:5000 > 192.0.2.10:11211 S seq 0 <mss 1460,sackOK,ts 0 0,wscale 7>
//   &     tcp 192.0.2.1:5000 > 192.0.2.10:11211 P. seq 1 ack 1 "get a\r\n"
//   1.5   vlan 10 arp who-has 192.0.2.10 tell 192.0.2.1
//   2     wait
//
// A line begins with its time in seconds, with + and the time since the line before,
// or with & : in the same burst as the line before. Then come modifiers, a verb,
// its arguments, and the payload: "text" (\r \n \t \" \\ \xHH), "text"*COUNT,
// x:HEX, several of them one behind the other.
//
//   udp SRC > DST [id N] [seq N/TOTAL] [reserved N]  id: memcached's frame header
//   tcp SRC > DST FLAGS [seq N] [ack N] [win N] [<OPTIONS>]
//       seq counts from the client's SYN, ack from the server's; so do the second
//       number of "ts VAL ECR" and those of "sack FROM-TO". FLAGS as printed: S . P. F. R
//   icmp SRC > DST echo id N seq N    or    icmp SRC > DST type N code N
//   ip SRC > DST proto N
//   arp who-has ADDR tell ADDR    or    arp reply ADDR is-at MAC to ADDR
//   hex HEX...                        the whole frame
//   wait                              only time passes
//
// Modifiers: vlan N, smac MAC, dmac MAC, ttl N, tos N, ipid N, frag OFFSET[+], ipopt HEX;
// and to break a frame that is complete: bad-ip, bad-l4 (checksum), no-cksum (UDP),
// ip-len N, udp-len N (length field, checksums are right for it), poke OFFSET:HEX, cut N
// (keep N bytes), pad N (append N bytes 0xaa).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pcap/pktmake.h"
#include "pcap/pkttext.h"

#define PKTSCRIPT_FRAME_MAX 9216
#define PKTSCRIPT_CLIENT_ISN 0xffffff00u // the sequence space wraps early in each connection
#define PKTSCRIPT_CLIENT_TS 0xfffffff0u

struct pktscript {
	const struct pkttext *text; // has seen the packets so far, both ways
	uint64_t at_us; // time of the line before
	char err[256]; // after an error: what is wrong
	uint8_t frame[PKTSCRIPT_FRAME_MAX];
	size_t frame_len; // 0: only time passes
	bool joins; // & : in the burst of the line before
};

// Make the frame of one line. 1: done, 0: nothing on this line, -1: an error, in err.
int pktscript_line(struct pktscript *s, const char *line);
