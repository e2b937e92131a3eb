// SPDX-License-Identifier: BSD-3-Clause
// Initial sequence numbers and timestamp offsets nobody outside can predict (RFC 6528)

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

// ISN = M + F(addresses, ports, key): M counts microseconds by four (MUST-8), F is
// SipHash-2-4. The offset is the other half of F: as constant per flow as F is, so a
// new connection's timestamps continue those of the last one (RFC 6191 3).
void tcp_isn(const struct tcp *tcp, const struct net_path *path, uint16_t local_port,
	uint16_t remote_port, uint64_t now_us, uint32_t *isn, uint32_t *ts_offset)
{
	uint8_t id[12];
	uint64_t f;

	memcpy(id, &path->local, 4);
	memcpy(id + 4, &path->remote, 4);
	memcpy(id + 8, &local_port, 2);
	memcpy(id + 10, &remote_port, 2);
	f = siphash24(&tcp->conf.key, id, sizeof(id));
	*isn = (uint32_t)f + (uint32_t)(now_us / 4);
	*ts_offset = (uint32_t)(f >> 32);
}
