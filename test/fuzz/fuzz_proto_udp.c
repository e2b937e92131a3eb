// SPDX-License-Identifier: BSD-3-Clause
// Fuzz: a datagram's frame, parsed and formatted back, and the key of a get in it

#include "base/check.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t back[UDP_FRAME_LEN];
	struct udp_frame f;
	struct request req;
	struct slice key, first;

	// What has a key here is a whole get for the parser too, and of the same key.
	if (udp_get_key(data, size, &key) &&
		ascii_parse(&req, data + UDP_FRAME_LEN, size - UDP_FRAME_LEN) == PARSE_OK) {
		CHECK(req.op == OP_GET || req.op == OP_GETS);
		CHECK(req.line_len == size - UDP_FRAME_LEN);
		CHECK(request_next_key(&req, &first));
		CHECK(first.p == key.p && first.len == key.len);
	}
	if (!udp_frame_parse(&f, data, size))
		return 0;
	CHECK(size > UDP_FRAME_LEN);
	CHECK(f.total == 1);
	udp_frame_format(back, &f);
	CHECK(memcmp(back, data, 6) == 0);
	CHECK(back[6] == 0 && back[7] == 0);
	return 0;
}
