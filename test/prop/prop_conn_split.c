// SPDX-License-Identifier: BSD-3-Clause
// A script of commands in any segments, with any windows and ACKs, gets the same reply bytes
// support: connrig connrig_client eal frame
//
// Each round makes a random script. One client sends it whole and acknowledges at once.
// Then some clients send it at the same time to a server of another shape (little reply
// memory, low limits), cut at random, with small windows, acknowledging late and in
// part. Each must get the same bytes and the same end. SEED=n reruns one round, ROUNDS=n
// runs more of them; a failure prints the seed and the step.

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/connrig.h"

#define SCRIPT_MAX (3 << 20)
#define CLIENTS 3
#define STORE_BYTES (64 << 20) // nothing is evicted
#define STEPS_MAX 100000

static struct connrig rig;
static struct {
	char *p;
	size_t len;
} script, reply;
static bool ends; // by the server

static void add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	script.len += (size_t)vsnprintf(script.p + script.len, SCRIPT_MAX - script.len, fmt, ap);
	va_end(ap);
}

// ---- scripts

// Keys of client i are its own, so that clients do not meet: "%" stands for its letter.
static void add_key(struct rng *r)
{
	add(" %%key%u", rng_below(r, 8));
}

static void add_store(struct rng *r, size_t len)
{
	static const char *const words[] = {
		"set", "set", "set", "add", "replace", "append", "prepend"};
	bool noreply = rng_below(r, 6) == 0;

	add("%s", words[rng_below(r, 7)]);
	add_key(r);
	add(" %u 0 %zu%s%s", rng_below(r, 100), len, noreply ? " noreply" : "",
		rng_below(r, 8) ? "\r\n" : "\n");
	for (size_t i = 0; i < len; i++)
		script.p[script.len++] = (char)(rng_below(r, 30) ? 'a' + (char)rng_below(r, 26)
								 : "\r\n \0"[rng_below(r, 4)]);
	add("%s", rng_below(r, 15) ? "\r\n" : "??");
}

// Of many keys few are there.
static void add_get(struct rng *r, unsigned keys)
{
	static const char *const words[] = {"get", "get", "gat 0", "gat 100"};

	add("%s", words[rng_below(r, 4)]);
	for (unsigned i = 0; i < keys; i++)
		if (rng_below(r, keys > 20 ? 50 : 3))
			add(" none%0*u", (int)rng_below(r, 90) + 1, i);
		else
			add_key(r);
	add("\r\n");
}

static void add_other(struct rng *r)
{
	static const char *const lines[] = {"version\r\n", "bogus\r\n", "\r\n", "get\r\n",
		"verbosity 1\r\n", "incr none 1\r\n", "touch none 0\r\n", "set a b\r\n",
		"delete none\n", "stats nothing\r\n"};

	if (rng_below(r, 2)) {
		add("%s", lines[rng_below(r, 10)]);
		return;
	}
	add("%s", rng_below(r, 2) ? "delete" : "incr");
	add_key(r);
	add("%s", rng_below(r, 4) ? " 0\r\n" : " 0 noreply\r\n");
}

static size_t value_len(struct rng *r)
{
	switch (rng_below(r, 12)) {
	case 0:
		return STORE_FRAGMENT_LEN - 4 + rng_below(r, 8);
	case 1:
		return rng_below(r, 90000);
	case 2:
	case 3:
		return rng_below(r, 6000);
	default:
		return rng_below(r, 100);
	}
}

static void make_script(struct rng *r)
{
	unsigned commands = 5 + rng_below(r, 40);

	script.len = 0;
	for (unsigned i = 0; i < commands; i++) {
		unsigned dice = rng_below(r, 20);

		if (dice < 8)
			add_store(r, value_len(r));
		else if (dice < 15)
			add_get(r, 1 + rng_below(r, 20));
		else if (dice == 15)
			add_get(r, 300 + rng_below(r, 700)); // longer than CONN_LINE_MAX, mostly
		else
			add_other(r);
	}
	// Nothing behind what ends it: data for a closed connection is a reset, and may come
	// before the last reply was sent.
	switch (rng_below(r, 6)) {
	case 0:
		add("quit\r\n");
		break;
	case 1:
		add("GET / HTTP/1.1\r\n");
		break;
	case 2:
		add("get unfinished");
		break;
	}
}

// The script as client i sends it: its keys begin with its letter.
static void send_script(unsigned i)
{
	static char text[SCRIPT_MAX];

	for (size_t k = 0; k < script.len; k++)
		text[k] = script.p[k] == '%' ? (char)('A' + i) : script.p[k];
	connrig_send(&rig, i, text, script.len);
}

// ---- rounds

static void reset_reply(unsigned i)
{
	struct connrig_client *c = &rig.client[i];

	for (size_t k = 0; k < c->got_len; k++)
		if (c->got[k] == (char)('A' + i) && strncmp(c->got + k + 1, "key", 3) == 0)
			c->got[k] = '%';
}

static void run_whole(void)
{
	connrig_conf(&rig);
	rig.store_conf.mem_limit_bytes = STORE_BYTES;
	connrig_open(&rig);
	connrig_connect(&rig, 0);
	send_script(0);
	connrig_settle(&rig);
	reset_reply(0);
	reply.len = rig.client[0].got_len;
	if (reply.len)
		memcpy(reply.p, rig.client[0].got, reply.len);
	ends = rig.client[0].eof;
	connrig_close(&rig);
}

static void open_small(struct rng *r)
{
	connrig_conf(&rig);
	rig.store_conf.mem_limit_bytes = STORE_BYTES;
	// The largest value must fit into the reply memory, as the server's configuration sees to.
	rig.tcp_conf.chunk_count = rng_below(r, 2) ? 1024 : 120;
	rig.tcp_conf.rcv_buf_size = rng_below(r, 2) ? 65535 : 36000;
	rig.conn_conf.out_limit = 1 + rng_below(r, rng_below(r, 2) ? 3000 : 60000);
	rig.conn_conf.requests_per_event = 1 + rng_below(r, 20);
	rig.conn_conf.long_count = 1 + rng_below(r, 3);
	connrig_open(&rig);
	for (unsigned i = 0; i < CLIENTS; i++) {
		static const uint32_t windows[] = {1, 700, 1460, 5000, 65535};
		struct connrig_client *c = &rig.client[i];

		connrig_connect(&rig, i);
		send_script(i);
		c->holds_acks = rng_below(r, 3) > 0;
		c->edge = c->acked;
		c->window = windows[1 + rng_below(r, 4)];
		connrig_ack(&rig, i, 0);
	}
}

// What a client does between two turns.
static void vary(struct rng *r, unsigned i)
{
	struct connrig_client *c = &rig.client[i];

	c->burst_max = rng_below(r, 4) ? rng_below(r, 4) : NET_BURST_MAX / CLIENTS;
	c->seg_max = 1 + rng_below(r, rng_below(r, 4) ? CONNRIG_MSS : 5);
	if (c->eof) {
		connrig_fin(&rig, i);
		c->holds_acks = false;
		return;
	}
	if (rig.burst_count < NET_BURST_MAX - CLIENTS && rng_below(r, 2) && c->open)
		connrig_ack(&rig, i, rng_below(r, 3) ? UINT32_MAX : rng_below(r, 3000));
}

static bool is_done(unsigned i)
{
	const struct connrig_client *c = &rig.client[i];

	return c->got_len >= reply.len && (ends ? c->eof : c->out_off == c->out_len);
}

static void run_cut(struct rng *r, uint64_t seed)
{
	unsigned done = 0;

	for (unsigned step = 0; done < CLIENTS; step++) {
		if (step == STEPS_MAX)
			fail_msg("SEED=%#" PRIx64 " hangs: %zu of %zu bytes, state %s", seed,
				rig.client[0].got_len, reply.len, conn_state_name(rig.conns, 0));
		for (unsigned i = 0; i < CLIENTS; i++)
			vary(r, i);
		connrig_turn(&rig);
		if (rng_below(r, 3) == 0) {
			rig.now_us += rng_below(r, 2) ? 1000 : 50000;
			tcp_poll(rig.tcp, rig.now_us);
			conns_poll(rig.conns, rig.now_us);
		}
		if (step % 64 == 0)
			connrig_check(&rig);
		done = 0;
		for (unsigned i = 0; i < CLIENTS; i++)
			done += is_done(i);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		rig.client[i].holds_acks = false;
	connrig_advance(&rig, 1000000);
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct connrig_client *c = &rig.client[i];

		reset_reply(i);
		if (c->got_len != reply.len || memcmp(c->got, reply.p, reply.len) != 0 ||
			c->eof != ends || c->reset)
			fail_msg("SEED=%#" PRIx64 " client %u: %zu bytes, %zu wanted, eof %d "
				 "instead of %d, reset %d",
				seed, i, c->got_len, reply.len, c->eof, ends, c->reset);
	}
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_split(void **state)
{
	uint64_t seed = env_number("SEED", 0x5eed0001);
	uint64_t rounds = env_number("ROUNDS", getenv("SEED") ? 1 : 30);
	uint64_t blocked = 0, paused = 0, waits = 0;

	script.p = malloc(SCRIPT_MAX);
	reply.p = malloc(16 << 20);
	assert_non_null(script.p);
	assert_non_null(reply.p);
	for (uint64_t i = 0; i < rounds; i++, seed++) {
		struct rng r;

		rng_init(&r, seed);
		make_script(&r);
		run_whole();
		open_small(&r);
		run_cut(&r, seed);
		blocked += connrig_stat(&rig, CONN_STAT_blocked) > 0;
		waits += connrig_stat(&rig, CONN_STAT_long_waits) > 0;
		paused += connrig_stat(&rig, CONN_STAT_conn_yields) > 0;
		connrig_close(&rig);
	}
	free(script.p);
	free(reply.p);
	// It did meet what it is about.
	if (!getenv("SEED"))
		assert_true(blocked > 0 && paused > 0 && waits > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
