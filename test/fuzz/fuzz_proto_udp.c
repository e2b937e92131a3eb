// SPDX-License-Identifier: BSD-3-Clause
// Fuzz: a datagram's frame, parsed and formatted back

#include "base/check.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t back[UDP_FRAME_LEN];
	struct udp_frame f;

	if (!udp_frame_parse(&f, data, size))
		return 0;
	CHECK(size > UDP_FRAME_LEN);
	CHECK(f.total == 1);
	udp_frame_format(back, &f);
	CHECK(memcmp(back, data, 6) == 0);
	CHECK(back[6] == 0 && back[7] == 0);
	return 0;
}
