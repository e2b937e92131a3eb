// SPDX-License-Identifier: BSD-3-Clause
// First byte of a connection or datagram -> which protocol it speaks

#include "proto/proto.h"

#include "base/hotpath.h"

#define BINARY_MAGIC_REQUEST 0x80
#define TLS_HANDSHAKE 0x16 // RFC 8446 section 5.1: ContentType handshake(22)

enum proto_kind proto_detect(uint8_t first_byte)
{
	if (first_byte == BINARY_MAGIC_REQUEST)
		return PROTO_BINARY;
	if (first_byte == TLS_HANDSHAKE)
		return PROTO_TLS;
	return PROTO_ASCII;
}
