// SPDX-License-Identifier: BSD-3-Clause
// Reno congestion control with NewReno's recovery (RFC 5681, 6582, 6928)

#include "tcp/tcp_cc.h"

#include "base/hotpath.h"

#define CWND_MAX (1u << 30)

static void cwnd_add(struct tcb *tcb, uint32_t n)
{
	tcb->cwnd = tcb->cwnd > CWND_MAX - n ? CWND_MAX : tcb->cwnd + n;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void tcp_cc_init(struct tcb *tcb, bool syn_lost)
{
	uint32_t mss = tcb->mss;

	// RFC 6928 2; one segment after a lost SYN-ACK (RFC 5681 3.1).
	tcb->cwnd = syn_lost ? mss : min_u32(10 * mss, max_u32(2 * mss, 14600));
	tcb->ssthresh = CWND_MAX;
	tcb->recover = tcb->iss;
	tcb->dupacks = 0;
	tcb->in_recovery = false;
}

// RFC 5681 (4), from what is in flight, not from cwnd.
static void halve(struct tcb *tcb)
{
	tcb->ssthresh = max_u32(tcb_flight(tcb) / 2, 2u * tcb->mss);
}

// RFC 6582 3.2 step 3: the ACK of new data that ends recovery, or not.
static enum tcp_cc_action recovery_ack(struct tcb *tcb, uint32_t acked)
{
	uint32_t mss = tcb->mss;

	if (seq_ge(tcb->snd_una, tcb->recover)) {
		tcb->in_recovery = false;
		tcb->cwnd = min_u32(tcb->ssthresh, max_u32(tcb_flight(tcb), mss) + mss);
		return TCP_CC_NONE;
	}
	// Partial: the next hole is known. Deflate by what left the network.
	tcb->cwnd = tcb->cwnd > acked ? tcb->cwnd - acked : 0;
	if (acked >= mss)
		cwnd_add(tcb, mss);
	tcb->cwnd = max_u32(tcb->cwnd, mss);
	return TCP_CC_RETRANSMIT;
}

enum tcp_cc_action tcp_cc_on_ack(struct tcb *tcb, uint32_t acked, uint32_t flight)
{
	uint32_t mss = tcb->mss;

	tcb->dupacks = 0;
	if (tcb->in_recovery)
		return recovery_ack(tcb, acked);
	// A window that was not used says nothing about the path (RFC 7661 3).
	if (!tcb->cwnd_limited)
		return TCP_CC_NONE;
	if (tcb->cwnd < tcb->ssthresh)
		cwnd_add(tcb, min_u32(acked, mss)); // slow start, RFC 5681 (2)
	else
		cwnd_add(tcb, max_u32((uint32_t)((uint64_t)mss * mss / tcb->cwnd), 1)); // (3)
	return TCP_CC_NONE;
}

enum tcp_cc_action tcp_cc_on_dupack(struct tcb *tcb)
{
	if (tcb->dupacks < UINT8_MAX)
		tcb->dupacks++;
	if (tcb->in_recovery) {
		// RFC 5681 3.2 step 4: a segment has left the network.
		cwnd_add(tcb, tcb->mss);
		return TCP_CC_NONE;
	}
	// RFC 6582 3.2 step 2: not for what was out before the last timeout or recovery.
	if (tcb->dupacks != 3 || !seq_gt(tcb->snd_una, tcb->recover))
		return TCP_CC_NONE;
	halve(tcb);
	tcb->recover = tcb->snd_nxt;
	tcb->in_recovery = true;
	tcb->cwnd = tcb->ssthresh + 3u * tcb->mss;
	return TCP_CC_RETRANSMIT;
}

void tcp_cc_on_rto(struct tcb *tcb)
{
	// RFC 5681 3.1: ssthresh only for the first of a series.
	if (tcb->backoff == 0)
		halve(tcb);
	tcb->cwnd = tcb->mss;
	tcb->cwnd_limited = true;
	tcb->recover = tcb->snd_nxt;
	tcb->in_recovery = false;
	tcb->dupacks = 0;
}
