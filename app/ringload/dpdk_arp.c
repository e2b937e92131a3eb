// SPDX-License-Identifier: BSD-3-Clause
// ARP of the DPDK engine: ask for the server, answer for the client (RFC 826)

#include <arpa/inet.h>
#include <rte_cycles.h>
#include <string.h>

#include "base/bytes.h"
#include "dpdk.h"

#define ARP_TRIES 30u
#define ARP_INTERVAL_US 100000u
#define ARP_POLL_US 1000

enum { ARP_OP = 6, ARP_SHA = 8, ARP_SPA = 14, ARP_THA = 18, ARP_TPA = 24 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

static void arp_send(struct dpdk_state *st, uint32_t target)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(st->pool);
	char *f = m ? rte_pktmbuf_append(m, HDR_ETH_LEN + HDR_ARP_LEN) : NULL;
	uint8_t *p;

	if (!f) {
		rte_pktmbuf_free(m);
		return;
	}
	p = (uint8_t *)f + HDR_ETH_LEN;
	memset(f, 0xff, 6);
	memcpy(f + 6, st->port.mac, 6);
	store_be16(f + 12, HDR_ETHERTYPE_ARP);
	memset(p, 0, HDR_ARP_LEN);
	store_be16(p, 1); // Ethernet
	store_be16(p + 2, HDR_ETHERTYPE_IP4);
	p[4] = 6;
	p[5] = 4;
	store_be16(p + ARP_OP, ARP_REQUEST);
	memcpy(p + ARP_SHA, st->port.mac, 6);
	store_be32(p + ARP_SPA, st->run->opt.client_addr);
	store_be32(p + ARP_TPA, target);
	if (port_tx_burst(st->port.port_id, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

static const uint8_t *arp_packet(struct rte_mbuf *m, const struct hdr *h, uint16_t op)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l3_off);

	if (load_be16(p) != 1 || load_be16(p + 2) != HDR_ETHERTYPE_IP4 || p[4] != 6 || p[5] != 4 ||
		load_be16(p + ARP_OP) != op)
		return NULL;
	return p;
}

bool dpdk_arp_answer(const struct dpdk_state *st, struct rte_mbuf *m, const struct hdr *h)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *), *p = f + h->l3_off;

	if (!arp_packet(m, h, ARP_REQUEST) || load_be32(p + ARP_TPA) != st->run->opt.client_addr)
		return false;
	memcpy(f, f + 6, 6);
	memcpy(f + 6, st->port.mac, 6);
	store_be16(p + ARP_OP, ARP_REPLY);
	memcpy(p + ARP_THA, p + ARP_SHA, 10); // who asked: MAC and address
	memcpy(p + ARP_SHA, st->port.mac, 6);
	store_be32(p + ARP_SPA, st->run->opt.client_addr);
	return true;
}

void dpdk_arp_input(struct dpdk_io *io, struct rte_mbuf *m, const struct hdr *h)
{
	if (!dpdk_arp_answer(io->st, m, h) ||
		port_tx_burst(io->st->port.port_id, io->tx_queue, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

// Everything that came meanwhile. True: the answer was among it.
static bool arp_poll(struct dpdk_state *st, uint32_t target)
{
	struct rte_mbuf *m[DPDK_BURST];
	bool found = false;

	for (uint16_t q = 0; q < st->port.rx_queue_count; q++) {
		unsigned n = port_rx_burst(st->port.port_id, q, m, DPDK_BURST);

		for (unsigned i = 0; i < n; i++) {
			const uint8_t *p;
			struct hdr h;

			if (dpdk_frame_parse(st, m[i], &h) == DPDK_FRAME_ARP) {
				p = arp_packet(m[i], &h, ARP_REPLY);
				if (p && load_be32(p + ARP_SPA) == target) {
					memcpy(st->server_mac, p + ARP_SHA, 6);
					found = true;
				} else if (dpdk_arp_answer(st, m[i], &h) &&
					   port_tx_burst(st->port.port_id, 0, &m[i], 1) == 1) {
					continue;
				}
			}
			rte_pktmbuf_free(m[i]);
		}
	}
	return found;
}

int dpdk_arp_resolve(struct dpdk_state *st, char err[RINGLOAD_ERR_SIZE])
{
	const struct options *o = &st->run->opt;
	uint32_t target = o->gateway_addr ? o->gateway_addr : o->server_addr;
	char text[INET_ADDRSTRLEN];
	struct in_addr in = {htonl(target)};

	if (o->has_server_mac) {
		memcpy(st->server_mac, o->server_mac, 6);
		return 0;
	}
	for (unsigned i = 0; i < ARP_TRIES; i++) {
		arp_send(st, target);
		for (unsigned us = 0; us < ARP_INTERVAL_US; us += ARP_POLL_US) {
			if (arp_poll(st, target))
				return 0;
			rte_delay_us_sleep(ARP_POLL_US);
		}
	}
	inet_ntop(AF_INET, &in, text, sizeof(text));
	snprintf(err, RINGLOAD_ERR_SIZE, "%s does not answer ARP within %u s on port %s", text,
		ARP_TRIES * ARP_INTERVAL_US / 1000000, st->port.name);
	return -1;
}
