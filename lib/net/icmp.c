// SPDX-License-Identifier: BSD-3-Clause
// ICMP: echo replies, port unreachable, rate limits (RFC 792, 1122 3.2.2)

#include "base/bytes.h"
#include "net/cksum.h"
#include "net/net_priv.h"

#include "base/hotpath.h"

enum { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO_REQUEST = 8 };

#define ICMP_CODE_PORT 3
#define ICMP_ERROR_MAX 576 // RFC 1812 4.3.2.3: the whole packet with its quote
#define ICMP_ERROR_DST_PPS 10 // errors per second to one destination (hash bucket)
#define TOKEN 1000000ULL // a rate per second times microseconds counts in these

static uint64_t bucket_size(uint32_t rate_pps)
{
	return rate_pps * TOKEN;
}

// Take tokens if they are there.
static bool bucket_take(struct net_bucket *b, uint32_t rate_pps, uint32_t tokens, uint64_t now_us)
{
	uint64_t elapsed_us = now_us - b->last_us, size = bucket_size(rate_pps);

	if (elapsed_us >= 1000000 || b->credit + elapsed_us * rate_pps >= size)
		b->credit = size;
	else
		b->credit += elapsed_us * rate_pps;
	b->last_us = now_us;
	if (b->credit < tokens * TOKEN)
		return false;
	b->credit -= tokens * TOKEN;
	return true;
}

void icmp_init(struct net *net, uint64_t now_us)
{
	net->error_key = (struct siphash_key){rng_next(&net->rng), rng_next(&net->rng)};
	net->echo_bucket = (struct net_bucket){bucket_size(net->conf.icmp_rate_pps), now_us};
	net->error_bucket = net->echo_bucket;
	for (unsigned i = 0; i < NET_ERROR_BUCKETS; i++)
		net->error_dst_bucket[i] =
			(struct net_bucket){bucket_size(ICMP_ERROR_DST_PPS), now_us};
}

// The answer is made of the request itself: same length, same data (RFC 1122 3.2.2.6).
static void echo_reply(
	struct net *net, struct rte_mbuf *m, const struct hdr *h, const struct net_path *path)
{
	uint8_t *icmp;

	rte_pktmbuf_trim(m, (uint16_t)(m->data_len - (h->l4_off + h->l4_len)));
	icmp = (uint8_t *)rte_pktmbuf_adj(m, h->l4_off);
	icmp[0] = ICMP_ECHO_REPLY;
	net_count(net, NET_STAT_icmp_echo_replies);
	net_output(net, m, path, HDR_PROTO_ICMP);
}

void icmp_input(struct net *net, struct rte_mbuf *m, const struct hdr *h,
	const struct net_path *path, uint64_t now_us)
{
	const uint8_t *icmp = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l4_off);

	net_count(net, NET_STAT_rx_icmp);
	if (!cksum_ok(cksum_add(0, icmp, h->l4_len))) {
		net_drop(net, m, NET_STAT_drop_l4_cksum);
		return;
	}
	if (hdr_icmp_is_error(icmp[0])) {
		net_count(net, NET_STAT_icmp_errors_received);
		rte_pktmbuf_free(m);
	} else if (icmp[0] != ICMP_ECHO_REQUEST || icmp[1] != 0 ||
		   h->l4_len + HDR_IP4_LEN > net->conf.mtu) {
		net_drop(net, m, NET_STAT_drop_icmp);
	} else if (!bucket_take(&net->echo_bucket, net->conf.icmp_rate_pps, 1, now_us)) {
		net_drop(net, m, NET_STAT_drop_icmp_rate);
	} else {
		echo_reply(net, m, h, path);
	}
}

// Per destination first, then over all with a random price: a stranger who counts the
// errors he gets learns nothing about those others got (CVE-2020-25705).
static bool may_send_error(struct net *net, uint32_t dst, uint64_t now_us)
{
	uint64_t hash = siphash13(&net->error_key, &dst, sizeof(dst));

	return bucket_take(&net->error_dst_bucket[hash % NET_ERROR_BUCKETS], ICMP_ERROR_DST_PPS, 1,
		       now_us) &&
	       bucket_take(&net->error_bucket, net->conf.icmp_rate_pps, 1 + rng_below(&net->rng, 3),
		       now_us);
}

void icmp_port_unreachable(struct net *net, const struct net_path *path, const uint8_t *ip,
	uint16_t len, uint64_t now_us)
{
	uint16_t quote_max = ICMP_ERROR_MAX - HDR_IP4_LEN - HDR_ICMP_LEN;
	uint16_t quote_len = len < quote_max ? len : quote_max;
	struct rte_mbuf *m;
	uint8_t *icmp;

	if (!may_send_error(net, path->remote, now_us)) {
		net_count(net, NET_STAT_icmp_errors_limited);
		return;
	}
	m = net_alloc(net);
	if (!m)
		return;
	// Fits: conf_ok wants room for an MTU of at least 576.
	icmp = (uint8_t *)rte_pktmbuf_append(m, HDR_ICMP_LEN + quote_len);
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = ICMP_CODE_PORT;
	memset(icmp + 2, 0, 6);
	memcpy(icmp + HDR_ICMP_LEN, ip, quote_len);
	net_count(net, NET_STAT_icmp_errors_sent);
	net_output(net, m, path, HDR_PROTO_ICMP);
}
