// SPDX-License-Identifier: BSD-3-Clause
// Headers of one frame, parsed from bytes

#include "net/hdr.h"

#include "base/bytes.h"
#include "net/cksum.h"

#include "base/hotpath.h"

#define IP4_FRAG_MASK 0x3fff // more-fragments flag and offset

enum {
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};

static enum hdr_kind l4_kind(struct hdr *h, const uint8_t *l4)
{
	switch (h->ip_proto) {
	case HDR_PROTO_TCP:
		if (h->l4_len < HDR_TCP_LEN)
			return HDR_BAD;
		break;
	case HDR_PROTO_UDP:
		if (h->l4_len < HDR_UDP_LEN)
			return HDR_BAD;
		break;
	case HDR_PROTO_ICMP:
		return h->l4_len < HDR_ICMP_LEN ? HDR_BAD : HDR_IP4_ICMP;
	default:
		return HDR_OTHER;
	}
	h->src_port = load_be16(l4);
	h->dst_port = load_be16(l4 + 2);
	return h->ip_proto == HDR_PROTO_TCP ? HDR_IP4_TCP : HDR_IP4_UDP;
}

// RFC 1122 3.2.1: version, header length, total length, checksum. room: bytes of the
// frame from the IP header on; what is in it past the total length is padding.
static enum hdr_kind ip4_kind(
	struct hdr *h, const uint8_t *ip, size_t room, bool ip_cksum_known_good)
{
	uint16_t ihl, total;

	if (room < HDR_IP4_LEN || ip[0] >> 4 != 4)
		return HDR_BAD;
	ihl = (ip[0] & 0xf) * 4;
	total = load_be16(ip + 2);
	if (ihl < HDR_IP4_LEN || total < ihl || total > room)
		return HDR_BAD;
	if (!ip_cksum_known_good && !cksum_ok(cksum_add(0, ip, ihl)))
		return HDR_BAD_IP_CKSUM;
	h->l4_off = h->l3_off + ihl;
	h->l4_len = total - ihl;
	h->ip_proto = ip[9];
	h->src_addr = load_be32(ip + 12);
	h->dst_addr = load_be32(ip + 16);
	if (load_be16(ip + 6) & IP4_FRAG_MASK)
		return HDR_IP4_FRAG;
	return l4_kind(h, ip + ihl);
}

enum hdr_kind hdr_parse(struct hdr *h, const uint8_t *frame, size_t len, bool ip_cksum_known_good)
{
	uint16_t type;

	*h = (struct hdr){.kind = HDR_BAD, .l3_off = HDR_ETH_LEN};
	if (len < HDR_ETH_LEN)
		return h->kind;
	type = load_be16(frame + 12);
	if (type == HDR_ETHERTYPE_VLAN || type == HDR_ETHERTYPE_QINQ) {
		if (len < HDR_ETH_LEN + HDR_VLAN_LEN)
			return h->kind;
		h->tagged = true;
		h->vlan_ad = type == HDR_ETHERTYPE_QINQ;
		h->vlan_tci = load_be16(frame + 14);
		h->l3_off += HDR_VLAN_LEN;
		type = load_be16(frame + 16);
	}
	if (type == HDR_ETHERTYPE_IP4)
		h->kind = ip4_kind(h, frame + h->l3_off, len - h->l3_off, ip_cksum_known_good);
	else if (type == HDR_ETHERTYPE_ARP)
		h->kind = len - h->l3_off < HDR_ARP_LEN ? HDR_BAD : HDR_ARP;
	else
		h->kind = HDR_OTHER;
	return h->kind;
}

bool hdr_icmp_is_error(uint8_t icmp_type)
{
	return icmp_type == ICMP_UNREACHABLE || icmp_type == ICMP_SOURCE_QUENCH ||
	       icmp_type == ICMP_REDIRECT || icmp_type == ICMP_TIME_EXCEEDED ||
	       icmp_type == ICMP_PARAMETER_PROBLEM;
}

bool hdr_parse_icmp_embedded(const uint8_t *icmp, size_t len, struct hdr *flow, uint32_t *tcp_seq)
{
	const uint8_t *ip = icmp + HDR_ICMP_LEN, *l4;
	size_t ihl;

	if (len < HDR_ICMP_LEN + HDR_IP4_LEN || !hdr_icmp_is_error(icmp[0]))
		return false;
	ihl = (ip[0] & 0xfU) * 4;
	// RFC 792: the IP header and at least 8 bytes, which hold both ports and TCP's
	// sequence number. The total length in there says nothing about what we hold.
	if (ip[0] >> 4 != 4 || ihl < HDR_IP4_LEN || len < HDR_ICMP_LEN + ihl + 8)
		return false;
	if (ip[9] != HDR_PROTO_TCP && ip[9] != HDR_PROTO_UDP)
		return false;
	if (load_be16(ip + 6) & 0x1fff) // a later fragment has no ports
		return false;
	l4 = ip + ihl;
	*flow = (struct hdr){
		.kind = ip[9] == HDR_PROTO_TCP ? HDR_IP4_TCP : HDR_IP4_UDP,
		.ip_proto = ip[9],
		.src_addr = load_be32(ip + 16),
		.dst_addr = load_be32(ip + 12),
		.src_port = load_be16(l4 + 2),
		.dst_port = load_be16(l4),
	};
	*tcp_seq = ip[9] == HDR_PROTO_TCP ? load_be32(l4 + 4) : 0;
	return true;
}
