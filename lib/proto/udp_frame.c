// SPDX-License-Identifier: BSD-3-Clause
// The 8-byte frame in front of every memcached UDP datagram (protocol.txt, "UDP protocol")

#include "proto/proto.h"

#include <string.h>

#include "base/hotpath.h"

bool udp_frame_parse(struct udp_frame *f, const uint8_t *buf, size_t len)
{
	// A frame without a payload is no request either. The sequence number and the
	// reserved field of a request are not looked at, as memcached does.
	if (len <= UDP_FRAME_LEN)
		return false;
	f->request_id = load_be16(buf);
	f->seq = load_be16(buf + 2);
	f->total = load_be16(buf + 4);
	return f->total == 1;
}

bool udp_get_key(const uint8_t *buf, size_t len, struct slice *key)
{
	const uint8_t *p = buf + UDP_FRAME_LEN, *end = buf + len;
	struct udp_frame f;
	size_t n = 0;

	if (!udp_frame_parse(&f, buf, len) || memchr(p, '\n', len - UDP_FRAME_LEN) != end - 1)
		return false;
	if (end - p < 6 || memcmp(p, "get", 3) != 0)
		return false;
	p += p[3] == 's' ? 4 : 3;
	if (*p != ' ')
		return false;
	// Both stop at the line's end at the latest.
	while (*p == ' ')
		p++;
	while (p[n] > ' ')
		n++;
	*key = (struct slice){p, n};
	if (n == 0 || n > KEY_LEN_MAX)
		return false;
	return p[n] == ' ' || p + n == end - 1 || (p[n] == '\r' && p + n == end - 2);
}

void udp_frame_format(uint8_t dst[UDP_FRAME_LEN], const struct udp_frame *f)
{
	store_be16(dst, f->request_id);
	store_be16(dst + 2, f->seq);
	store_be16(dst + 4, f->total);
	store_be16(dst + 6, 0); // reserved
}
