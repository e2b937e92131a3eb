// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a frame: what the parser says lies inside them
//
// Input: the frame. Its bytes are in a block of their exact size.

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "net/hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct hdr *h, size_t size)
{
	CHECK(h->l3_off == HDR_ETH_LEN + (h->tagged ? HDR_VLAN_LEN : 0));
	CHECK(h->l4_off >= h->l3_off + HDR_IP4_LEN && h->l4_off <= h->l3_off + 60);
	CHECK((size_t)h->l4_off + h->l4_len <= size);
}

static void check_icmp(const uint8_t *icmp, size_t len)
{
	uint32_t seq = 0;
	struct hdr flow;

	if (!hdr_parse_icmp_embedded(icmp, len, &flow, &seq))
		return;
	CHECK(hdr_icmp_is_error(icmp[0]));
	CHECK(flow.kind == HDR_IP4_TCP || flow.kind == HDR_IP4_UDP);
	CHECK(flow.kind == HDR_IP4_TCP || seq == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum hdr_kind strict, lax;
	struct hdr h, unchecked;

	strict = hdr_parse(&h, data, size, false);
	lax = hdr_parse(&unchecked, data, size, true);
	CHECK(h.kind == strict && unchecked.kind == lax);
	CHECK(strict == lax || (strict == HDR_BAD_IP_CKSUM && lax != HDR_ARP));
	check_icmp(data, size);
	switch (lax) {
	case HDR_BAD:
		break;
	case HDR_BAD_IP_CKSUM:
		CHECK(false); // nobody looked
		break;
	case HDR_OTHER:
		if (unchecked.l4_off)
			check_inside(&unchecked, size);
		break;
	case HDR_ARP:
		CHECK((size_t)unchecked.l3_off + HDR_ARP_LEN <= size);
		break;
	case HDR_IP4_FRAG:
		check_inside(&unchecked, size);
		break;
	case HDR_IP4_ICMP:
		check_inside(&unchecked, size);
		CHECK(unchecked.l4_len >= HDR_ICMP_LEN);
		check_icmp(data + unchecked.l4_off, unchecked.l4_len);
		break;
	case HDR_IP4_TCP:
		check_inside(&unchecked, size);
		CHECK(unchecked.l4_len >= HDR_TCP_LEN);
		break;
	case HDR_IP4_UDP:
		check_inside(&unchecked, size);
		CHECK(unchecked.l4_len >= HDR_UDP_LEN);
		break;
	}
	return 0;
}
