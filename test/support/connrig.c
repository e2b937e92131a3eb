// SPDX-License-Identifier: BSD-3-Clause
// lib/conn under test: set-up, turns, what is expected

#include "support/connrig.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/connrig_priv.h"
#include "support/eal.h"
#include "support/frame.h"

#define TURNS_MAX 200000
#define GAP_US 100000

void connrig_conf(struct connrig *r)
{
	static const struct cmd_setting no_settings[] = {{NULL, NULL}};

	*r = (struct connrig){0};
	r->store_conf = (struct store_conf){.mem_limit_bytes = STORE_MEM_MIN,
		.item_size_max = 1 << 20,
		.ctx_count_max = 1,
		.hash_key = {1, 2}};
	r->net_conf = (struct net_conf){.addr_count = 1,
		.addr = {FRAME_OUR_ADDR},
		.listener_count = 2,
		.listener = {{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_TCP},
			{FRAME_OUR_ADDR, FRAME_OUR_PORT, HDR_PROTO_UDP}},
		.mtu = 1500,
		.ttl = 64,
		.pool = eal_pool(),
		.seed = 1};
	memcpy(r->net_conf.mac, frame_our_mac, 6);
	tcp_conf_default(&r->tcp_conf);
	r->tcp_conf.conn_count_max = CONNRIG_CLIENTS_MAX;
	r->tcp_conf.time_wait_count_max = 64;
	r->tcp_conf.chunk_count = 1024;
	r->tcp_conf.key = (struct siphash_key){3, 4};
	r->conn_conf = (struct conn_conf){.conn_count_max = CONNRIG_CLIENTS_MAX,
		.max_connections = CONNRIG_CLIENTS_MAX,
		.open_count = &r->open_count,
		.requests_per_event = 20,
		.long_count = 4,
		.long_timeout_s = 60,
		.out_limit = 65536,
		.ref_min_bytes = CONN_REF_MIN_LEAST,
		.udp_prefix_count = 2,
		.udp_prefix = {{.addr = 0x0a000000, .mask = 0xffffff00},
			{.addr = 0x0a000080, .mask = 0xffffff80, .trusted = true}},
		.udp_reply_max_bytes = 1 << 20,
		.key = {5, 6}};
	r->cmd_conf = (struct cmd_conf){.version = "1.6.18",
		.start_s = CONNRIG_UNIX_S,
		.worker_count = 1,
		.settings = no_settings};
}

static uint32_t now_s(const struct connrig *r)
{
	return CONNRIG_UNIX_S + (uint32_t)(r->now_us / 1000000);
}

void connrig_open(struct connrig *r)
{
	const char *why = "";

	r->now_us = CONNRIG_START_US;
	r->mbufs_before = eal_pool_in_use();
	r->stats = stats_create();
	assert_non_null(r->stats);
	r->cmd_conf.stats = r->stats;
	r->store_conf.now_s = now_s(r);
	r->store = store_create(&r->store_conf, &why);
	if (!r->store)
		fail_msg("store_create: %s", why);
	r->ctx = store_ctx_create(r->store, 0);
	r->net = net_create(&r->net_conf, r->now_us);
	assert_non_null(r->ctx);
	assert_non_null(r->net);
	r->tcp = tcp_create(&r->tcp_conf, r->net, r->now_us);
	r->cmd = cmd_create(&r->cmd_conf, r->store, r->ctx);
	assert_non_null(r->tcp);
	assert_non_null(r->cmd);
	r->conns = conns_create(&r->conn_conf, r->net, r->tcp, r->cmd, r->ctx, r->now_us);
	assert_non_null(r->conns);
	store_tick(r->ctx, now_s(r));
}

void connrig_start(struct connrig *r)
{
	connrig_conf(r);
	connrig_open(r);
}

void connrig_close(struct connrig *r)
{
	connrig_check(r);
	for (unsigned i = 0; i < r->burst_count; i++)
		rte_pktmbuf_free(r->burst[i]);
	conns_destroy(r->conns);
	cmd_destroy(r->cmd);
	tcp_destroy(r->tcp);
	net_destroy(r->net);
	connrig_store_check(r); // what was unfinished is given back
	store_ctx_destroy(r->ctx);
	store_destroy(r->store);
	stats_destroy(r->stats);
	for (unsigned i = 0; i < CONNRIG_CLIENTS_MAX; i++) {
		free(r->client[i].out);
		free(r->client[i].got);
	}
	free(r->datagram);
	free(r->datagram_text);
	assert_int_equal(eal_pool_in_use(), r->mbufs_before);
}

static void input(struct connrig *r)
{
	struct net_pkt pkt[NET_BURST_MAX], udp[NET_BURST_MAX];
	unsigned n = net_input(r->net, r->burst, r->burst_count, pkt, r->now_us), udp_count = 0;

	r->burst_count = 0;
	for (unsigned i = 0; i < n; i++)
		if (pkt[i].ip_proto == HDR_PROTO_TCP)
			tcp_input(r->tcp, &pkt[i], r->now_us);
		else
			udp[udp_count++] = pkt[i];
	if (udp_count > 0)
		conns_udp(r->conns, udp, udp_count, r->now_us);
}

static bool output(struct connrig *r)
{
	struct rte_mbuf *m[NET_BURST_MAX];
	bool any = false;
	unsigned n;

	while ((n = net_take_tx(r->net, m, NET_BURST_MAX)) > 0) {
		any = true;
		for (unsigned i = 0; i < n; i++) {
			connrig_deliver(r, m[i]);
			rte_pktmbuf_free(m[i]);
		}
	}
	return any;
}

bool connrig_turn(struct connrig *r)
{
	const char *what = "";
	bool moved;

	connrig_pump(r);
	moved = r->burst_count > 0;
	input(r);
	conns_run(r->conns, r->now_us);
	if (!tcp_check(r->tcp, &what))
		fail_msg("tcp_check: %s", what);
	return output(r) || moved;
}

// Nothing moves any more, or memory for a reply is waited for that no turn can bring.
void connrig_settle(struct connrig *r)
{
	unsigned quiet = 0;

	for (unsigned i = 0; i < TURNS_MAX; i++) {
		bool moved = connrig_turn(r);

		tcp_poll(r->tcp, r->now_us);
		conns_poll(r->conns, r->now_us);
		moved = output(r) || moved;
		store_tick(r->ctx, now_s(r));
		quiet = moved ? 0 : quiet + 1;
		if (quiet > 1 && (!conns_have_work(r->conns) || quiet > 20))
			return;
	}
	fail_msg("it never ends");
}

void connrig_advance(struct connrig *r, uint64_t us)
{
	uint64_t end_us = r->now_us + us;

	connrig_settle(r);
	while (r->now_us < end_us) {
		uint64_t next_us = tcp_next_deadline_us(r->tcp);

		if (next_us <= r->now_us)
			next_us = r->now_us + 1000;
		if (next_us > r->now_us + GAP_US)
			next_us = r->now_us + GAP_US;
		r->now_us = next_us < end_us ? next_us : end_us;
		connrig_settle(r);
	}
}

void connrig_forget(struct connrig *r, unsigned i)
{
	r->client[i].got_len = 0;
	if (r->client[i].got)
		r->client[i].got[0] = '\0';
}

void connrig_expect_bytes(struct connrig *r, unsigned i, const void *p, size_t len)
{
	struct connrig_client *c = &r->client[i];
	const char *want = p;
	size_t same = 0;

	while (same < len && same < c->got_len && want[same] == c->got[same])
		same++;
	if (same < len || same < c->got_len)
		fail_msg("client %u: %zu bytes came, %zu wanted; from byte %zu on \"%.200s\", "
			 "wanted \"%.200s\"",
			i, c->got_len, len, same, c->got ? c->got + same : "", want + same);
	connrig_forget(r, i);
}

void connrig_expect(struct connrig *r, unsigned i, const char *text)
{
	connrig_expect_bytes(r, i, text, strlen(text));
}

void connrig_says(struct connrig *r, unsigned i, const char *text, const char *reply)
{
	connrig_sends(r, i, text);
	connrig_settle(r);
	connrig_expect(r, i, reply);
}

void connrig_state(struct connrig *r, unsigned i, const char *name)
{
	const char *is = NULL;

	for (uint32_t idx = 0; idx < r->conn_conf.conn_count_max && !is; idx++) {
		is = conn_state_name(r->conns, idx);
		if (is && tcp_peer(tcp_at(r->tcp, idx)).remote_port != r->client[i].port)
			is = NULL;
	}
	if (!is != !name || (is && strcmp(is, name) != 0))
		fail_msg("client %u is in %s, wanted %s", i, is ? is : "no state",
			name ? name : "none");
}

uint64_t connrig_stat(const struct connrig *r, enum conn_stat stat)
{
	return stat_read(&conns_stats(r->conns)[stat]);
}

uint64_t connrig_cmd_stat(const struct connrig *r, enum cmd_stat stat)
{
	return stat_read(&cmd_stats(r->cmd)[stat]);
}

static bool is_volume(unsigned stat)
{
	return stat == CONN_STAT_bytes_read || stat == CONN_STAT_bytes_written ||
	       stat == CONN_STAT_curr_connections || stat == CONN_STAT_total_connections;
}

// How far the text wants this counter to move.
static uint64_t wanted(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = text; (p = strstr(p, name)); p += len) {
		if (p > text && p[-1] != ' ')
			continue;
		if (p[len] == '=')
			return strtoull(p + len + 1, NULL, 10);
		if (p[len] == ' ' || p[len] == '\0')
			return 1;
	}
	return 0;
}

void connrig_counts(struct connrig *r, const char *text)
{
	const stat_t *now = conns_stats(r->conns);
	unsigned words = text[0] != '\0', known = 0;
	char wrong[512] = "";
	size_t n = 0;

	for (const char *p = text; *p; p++)
		words += *p == ' ';
	for (unsigned i = 0; i < CONN_STAT_COUNT; i++) {
		const char *name = conn_stats_set.desc[i].name;
		uint64_t moved = stat_read(&now[i]) - r->seen[i], want = wanted(text, name);

		r->seen[i] += moved;
		if (is_volume(i))
			continue;
		known += want > 0;
		if (moved != want && n < sizeof(wrong))
			n += (size_t)snprintf(wrong + n, sizeof(wrong) - n,
				" %s moved by %" PRIu64 " instead of %" PRIu64, name, moved, want);
	}
	assert_int_equal(known, words);
	if (n)
		fail_msg("%s", wrong);
}

void connrig_store_check(struct connrig *r)
{
	const char *what = "";

	if (!store_check(r->store, &what))
		fail_msg("store_check: %s", what);
}

void connrig_check(struct connrig *r)
{
	const char *what = "";

	if (!tcp_check(r->tcp, &what))
		fail_msg("tcp_check: %s", what);
	connrig_store_check(r);
}
