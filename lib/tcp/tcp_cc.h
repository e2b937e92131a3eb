// SPDX-License-Identifier: BSD-3-Clause
// Congestion control of one connection: what the rest of lib/tcp tells it, and asks
//
// It owns cwnd, ssthresh, recover, dupacks and in_recovery of the tcb, and decides
// nothing else: cwnd says how much may be in flight, the return values say what to resend.
#pragma once

#include "tcp/tcp_priv.h"

enum tcp_cc_action { TCP_CC_NONE, TCP_CC_RETRANSMIT };

// The handshake is done; syn_lost: our SYN-ACK had to be sent again.
void tcp_cc_init(struct tcb *tcb, bool syn_lost);
// SND.UNA moved from ack - acked to ack; flight: what was out before that.
enum tcp_cc_action tcp_cc_on_ack(struct tcb *tcb, uint32_t acked, uint32_t flight);
// A duplicate ACK by the definition of RFC 5681 2.
enum tcp_cc_action tcp_cc_on_dupack(struct tcb *tcb);
// Retransmission timeout.
void tcp_cc_on_rto(struct tcb *tcb);
