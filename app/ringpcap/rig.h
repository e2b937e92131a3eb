// SPDX-License-Identifier: BSD-3-Clause
// One worker of ringcached without a NIC: frames in, frames out, the clock an argument
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conn/conn.h"
#include "net/net.h"

struct rig_conf {
	bool has_mac;
	uint8_t mac[6];
	unsigned addr_count;
	uint32_t addr[NET_ADDRS_MAX]; // host byte order
	uint16_t tcp_port, udp_port; // 0: off
	unsigned prefix_count;
	struct conn_prefix prefix[CONN_PREFIXES_MAX];
	uint32_t memory_mb;
	uint32_t connections;
	uint64_t seed;
	uint32_t trace_count;
	const char *preload_path; // NULL: start empty
	uint32_t value_size;
	uint64_t unix_us; // wall clock at the start
};

// A frame that the worker sent at now_us.
typedef void rig_tx_fn(void *arg, const uint8_t *frame, uint32_t len, uint64_t now_us);

struct rig;

// Starts EAL; one per process. Exits with a message when something cannot be had.
struct rig *rig_create(const struct rig_conf *conf, rig_tx_fn *tx, void *tx_arg);
void rig_destroy(struct rig *r);

// The worker's clock starts here, not at 0.
#define RIG_START_US 1000000

// Run timers until to_us, then have the clock stand there.
void rig_advance(struct rig *r, uint64_t to_us);

// Frames that came at the present time go to the worker in bursts, when the time
// goes on. False: the frame is too long or no buffer was free; it is not given.
bool rig_input(struct rig *r, const uint8_t *frame, uint32_t len);

// The way of the first packets, as far as it is known, on standard output.
void rig_print_trace(struct rig *r);
// Every counter that is not 0: "tcp.rx_segments 3", one a line, on standard output.
void rig_print_counters(struct rig *r);
