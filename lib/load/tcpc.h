// SPDX-License-Identifier: BSD-3-Clause
// The client's side of one TCP connection, as small as a load generator's can be
//
// RFC 9293 with an active open: MSS option, no window scaling, timestamps or SACK; the window
// offered is the same at all times, as what arrives is consumed at once. Segments out of order
// are dropped and answered by a duplicate ACK. Retransmission by timer (RFC 6298) and by three
// duplicate ACKs (RFC 5681, 6582), ACKs on the next request or delayed, resets as in RFC 5961.
// A port is used again without TIME-WAIT: its next initial sequence number lies above
// all that was sent from it, and a FIN that comes again is acknowledged again.
//
// Segments are TCP header and payload without the IP header, checksums are the caller's. What is
// to be sent lies in the caller's buffer until it is acknowledged: tcpc_output is shown the
// bytes from the first unacknowledged one on, tcpc_input says how many may be released.
//
// Threads: one owner. Memory: the struct.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCPC_HEAD_MAX 24 // longest header that tcpc_output writes
#define TCPC_WINDOW 65535u // offered
#define TCPC_MSS_MIN 64u // what a peer may lower ours to

struct tcpc_conf {
	uint16_t mss; // longest payload in a segment, either way
	uint64_t rto_first_ns, rto_min_ns, rto_max_ns;
	uint64_t ack_delay_ns;
	unsigned tries_max; // sent so often without an answer: given up
};

enum tcpc_state {
	TCPC_CLOSED,
	TCPC_SYN_SENT,
	TCPC_OPEN,
	TCPC_CLOSING, // tcpc_close was called
};

enum tcpc_event {
	TCPC_NOTHING,
	TCPC_CONNECTED,
	TCPC_PEER_CLOSED, // FIN: no more data will come
	TCPC_ENDED, // both sides have closed, in order
	TCPC_REFUSED, // RST instead of a connection
	TCPC_RESET,
	TCPC_GAVE_UP, // no answer to many tries
};

struct tcpc {
	const struct tcpc_conf *conf;
	uint16_t src_port, dst_port;
	uint16_t mss; // of segments to the peer
	uint8_t state;
	uint8_t tries, dup_acks;
	uint8_t data_segments; // not acknowledged yet
	bool used; // snd_max is that of an earlier connection
	bool peer_fin, fin_wanted, fin_sent, fin_acked;
	bool ack_now, probe, resend_one, recovering, rtt_running;
	bool rst_pending, rst_acks;
	uint32_t rst_seq, rst_ack;
	uint32_t snd_una, snd_nxt, snd_max; // snd_max: the highest ever sent
	uint32_t snd_wnd, snd_wl1, snd_wl2, fin_seq;
	uint32_t cwnd, ssthresh, recover;
	uint32_t rcv_nxt;
	uint32_t rtt_seq;
	uint32_t resent, out_of_order; // segments: for the caller to count and to zero
	uint64_t rtt_start_ns, srtt_ns, rttvar_ns, rto_ns;
	uint64_t rto_at_ns, ack_at_ns; // LOAD_NEVER_NS: not armed
};

void tcpc_init(struct tcpc *c, const struct tcpc_conf *conf, uint16_t src_port, uint16_t dst_port);

// Begin a connection, from TCPC_CLOSED. isn grows with time, from one connection to the next.
void tcpc_open(struct tcpc *c, uint32_t isn);
// Close in order, once all is sent: TCPC_ENDED follows. From TCPC_OPEN.
void tcpc_close(struct tcpc *c);
// Close at once, with a RST where the peer may know the connection.
void tcpc_abort(struct tcpc *c);

struct tcpc_in {
	const uint8_t *data; // next in order, in the segment given
	uint32_t len;
	uint32_t acked; // bytes of the caller's buffer to release
	enum tcpc_event event; // data comes before it
};
// A segment of the peer, for our port, with a right checksum.
void tcpc_input(struct tcpc *c, const uint8_t *p, size_t len, uint64_t now_ns, struct tcpc_in *in);

// The next segment to send, into dst (TCPC_HEAD_MAX + mss bytes), its checksum field zero.
// unacked: what the caller holds and the peer has not acknowledged. Returns the length, or 0:
// nothing to send yet. Call until 0.
uint32_t tcpc_output(struct tcpc *c, const uint8_t *unacked, uint32_t unacked_len, uint64_t now_ns,
	uint8_t *dst);

// Timers that are due; then tcpc_output. TCPC_NOTHING or TCPC_GAVE_UP.
enum tcpc_event tcpc_timer(struct tcpc *c, uint64_t now_ns);
static inline uint64_t tcpc_deadline_ns(const struct tcpc *c)
{
	return c->rto_at_ns < c->ack_at_ns ? c->rto_at_ns : c->ack_at_ns;
}
