// SPDX-License-Identifier: BSD-3-Clause
// Round-trip time and retransmission timeout (RFC 6298)

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

#define CLOCK_GRANULARITY_US 1000

static void rtt_sample(const struct tcp *tcp, struct tcb *tcb, uint32_t r_us)
{
	uint32_t var4, rto;

	if (r_us == 0)
		r_us = 1;
	if (tcb->srtt_us == 0) {
		// (2.2)
		tcb->srtt_us = r_us;
		tcb->rttvar_us = r_us / 2;
	} else {
		// (2.3), RTTVAR first
		uint32_t err = tcb->srtt_us > r_us ? tcb->srtt_us - r_us : r_us - tcb->srtt_us;

		tcb->rttvar_us = tcb->rttvar_us - tcb->rttvar_us / 4 + err / 4;
		tcb->srtt_us = tcb->srtt_us - tcb->srtt_us / 8 + r_us / 8;
		if (tcb->srtt_us == 0)
			tcb->srtt_us = 1;
	}
	var4 = 4 * tcb->rttvar_us;
	rto = tcb->srtt_us + (var4 > CLOCK_GRANULARITY_US ? var4 : CLOCK_GRANULARITY_US);
	if (rto < tcp->rto_min_us)
		rto = tcp->rto_min_us;
	if (rto > tcp->rto_max_us)
		rto = tcp->rto_max_us;
	tcb->rto_us = rto;
}

void tcb_rtt_start(struct tcb *tcb, uint32_t end_seq, uint64_t now_us)
{
	tcb->rtt_timing = true;
	tcb->rtt_karn = false;
	tcb->rtt_seq = end_seq;
	tcb->rtt_us = now_us;
}

// Karn: a segment sent twice is not timed by our clock (a retransmission ends the
// timing); only the peer's echo of a timestamp can tell which copy it answers.
void tcb_rtt_on_ack(const struct tcp *tcp, struct tcb *tcb, uint32_t ack,
	const struct tcp_opts *opt, uint64_t now_us)
{
	uint64_t us;

	if (tcb->rtt_timing) {
		if (seq_lt(ack, tcb->rtt_seq))
			return;
		tcb->rtt_timing = false;
		us = now_us - tcb->rtt_us;
	} else if (tcb->rtt_karn && tcb->ts_ok && opt->has_ts && opt->tsecr != 0) {
		us = (uint64_t)(tcb_ts_now(tcb, now_us) - opt->tsecr) * 1000;
	} else {
		return;
	}
	tcb->rtt_karn = false;
	// A longer one than the longest timeout is a lie, or a clock that jumped.
	if (us <= tcp->rto_max_us)
		rtt_sample(tcp, tcb, (uint32_t)us);
}

void tcb_rto_back_off(const struct tcp *tcp, struct tcb *tcb)
{
	// (5.5)
	tcb->rto_us = tcb->rto_us > tcp->rto_max_us / 2 ? tcp->rto_max_us : 2 * tcb->rto_us;
}
