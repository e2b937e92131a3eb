// SPDX-License-Identifier: BSD-3-Clause
// Out of order: every arrival order and overlap, SACK and D-SACK blocks, limits in mbufs
// support: tcp_world tcp_world_run seg seg_text frame eal

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/eal.h"
#include "support/tcp_world.h"

#define MS 1000u
#define SECOND 1000000u

// ---- a model of what the receiver should say (RFC 2018 4), in units of segments

struct model {
	bool have[8];
	unsigned next; // first one missing
	unsigned recent[8]; // arrivals out of order, newest first
	unsigned recent_count;
};

static void model_add(struct model *m, unsigned i)
{
	m->have[i] = true;
	for (; m->next < 8 && m->have[m->next]; m->next++) {
	}
	memmove(m->recent + 1, m->recent, m->recent_count * sizeof(m->recent[0]));
	m->recent[0] = i;
	m->recent_count++;
}

// The blocks, that of the newest arrival first, as text; at most max.
static void model_sack(const struct model *m, unsigned max, char *text, size_t size)
{
	bool told[8] = {false};
	unsigned n = 0;

	text[0] = '\0';
	for (unsigned k = 0; k < m->recent_count && n < max; k++) {
		unsigned left = m->recent[k], right = left;

		if (left < m->next || told[left])
			continue;
		while (left > 0 && m->have[left - 1])
			left--;
		while (right < 8 && m->have[right])
			told[right++] = true;
		for (unsigned i = left; i < right; i++)
			told[i] = true;
		snprintf(text + strlen(text), size - strlen(text), "%s%u:%u", n++ ? " " : "sack ",
			1 + left * 100, 1 + right * 100);
	}
}

static void arrive_in_order(const unsigned *order, unsigned n, bool ts)
{
	struct model m = {0};
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, ts ? TW_ALL : "mss 1460,sackOK");
	for (unsigned k = 0; k < n; k++) {
		unsigned i = order[k], before = m.next;
		char sack[128];

		tw_inf(&w, "P. %u:%u(100) ack 1", 1 + i * 100, 101 + i * 100);
		model_add(&m, i);
		model_sack(&m, ts ? 3 : 4, sack, sizeof(sack));
		// Above a gap, or into one: at once. The in-order case may be delayed.
		if (i > before || m.next > before + 1 || sack[0])
			tw_outf(&w, ". 1:1(0) ack %u <%s%s>", 1 + m.next * 100,
				ts ? "TS val * ecr *," : "", sack);
		assert_int_equal(tw_readable(&w), m.next * 100);
	}
	tw_drain(&w);
	assert_int_equal(m.next, n);
	tw_read(&w, n * 100);
	assert_int_equal(tw_stat(&w, TCP_STAT_rx_data_bytes), n * 100);
	tw_end(&w);
}

static void permute(unsigned *order, unsigned k, unsigned n)
{
	if (k == n) {
		arrive_in_order(order, n, (order[0] ^ order[1]) & 1);
		return;
	}
	for (unsigned i = k; i < n; i++) {
		unsigned t = order[k];

		order[k] = order[i];
		order[i] = t;
		permute(order, k + 1, n);
		order[i] = order[k];
		order[k] = t;
	}
}

static void all_orders_of_five(void **state)
{
	unsigned order[] = {0, 1, 2, 3, 4};

	permute(order, 0, 5);
}

static void four_holes(void **state)
{
	static const unsigned a[] = {7, 5, 3, 1, 0, 2, 4, 6}, b[] = {1, 3, 5, 7, 6, 4, 2, 0};

	arrive_in_order(a, 8, true);
	arrive_in_order(a, 8, false);
	arrive_in_order(b, 8, true);
	arrive_in_order(b, 8, false);
}

// [11, 21) is there; a second one at every start and end; then all the rest.
static void overlap_grid(void **state)
{
	for (unsigned a = 2; a < 30; a++) {
		for (unsigned b = a + 1; b <= 30; b += 1 + (tw_pass() > 0)) {
			struct tw w;

			tw_open(&w, NULL);
			tw_connect(&w, "mss 1460,sackOK");
			tw_in(&w, "P. 11:21(10) ack 1");
			tw_inf(&w, "P. %u:%u(%u) ack 1", a, b, b - a);
			assert_int_equal(tw_readable(&w), 0);
			tw_in(&w, ". 1:11(10) ack 1");
			assert_true(tw_readable(&w) >= 20);
			tw_in(&w, "P. 1:31(30) ack 1");
			tw_drain(&w);
			assert_int_equal(w.got.ack - w.f->seg.peer_isn, 31);
			tw_read(&w, 30);
			assert_int_equal(tw_stat(&w, TCP_STAT_rx_data_bytes), 30);
			tw_end(&w);
		}
	}
}

// What came first stays, whatever comes later for the same octets.
static void first_copy_wins(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 101:201(100) ack 1");
	tw_in(&w, "P. 101:201(100) ack 1 xor 255");
	tw_in(&w, "P. 120:180(60) ack 1 xor 255");
	tw_in(&w, "P. 1:101(100) ack 1");
	tw_in(&w, "P. 1:201(200) ack 1 xor 255");
	tw_read(&w, 200); // checks the bytes
	tw_end(&w);
}

// RFC 2883: octets that came twice, in the first block.
static void dsack(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460,sackOK");
	tw_in(&w, "P. 1:101(100) ack 1");
	tw_read(&w, 100);
	tw_advance(&w, 50 * MS);
	tw_drain(&w);
	tw_in(&w, "P. 1:101(100) ack 1"); // below the ACK
	tw_out(&w, ". 1:1(0) ack 101 <sack 1:101>");
	tw_in(&w, "P. 201:301(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 101 <sack 201:301>"); // told once only
	tw_in(&w, "P. 201:301(100) ack 1"); // inside a block
	tw_out(&w, ". 1:1(0) ack 101 <sack 201:301 201:301>");
	tw_in(&w, "P. 221:241(20) ack 1");
	tw_out(&w, ". 1:1(0) ack 101 <sack 221:241 201:301>");
	tw_in(&w, "P. 401:501(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 101 <sack 401:501 201:301>");
	tw_end(&w);
}

// Not agreed on: an ACK at once, without blocks.
static void no_sack_unless_agreed(void **state)
{
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	tw_in(&w, "P. 101:201(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_in(&w, "P. 101:201(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_in(&w, "P. 201:301(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 1");
	tw_in(&w, "P. 1:101(100) ack 1");
	tw_out(&w, ". 1:1(0) ack 301");
	assert_int_equal(tw_stat(&w, TCP_STAT_out_of_order), 2);
	tw_end(&w);
}

// The limit in mbufs of one connection: counted, and the stream is whole in the end.
static void mbuf_limit(void **state)
{
	struct tcp_conf conf;
	unsigned before;
	struct tw w;

	tw_conf(&conf);
	conf.ooo_mbuf_max = 4;
	tw_open(&w, &conf);
	tw_connect(&w, "mss 1460");
	before = eal_pool_in_use();
	for (unsigned i = 0; i < 10; i++) {
		tw_inf(&w, "P. %u:%u(100) ack 1", 101 + i * 200, 201 + i * 200);
		tw_out(&w, ". 1:1(0) ack 1");
	}
	tw_counts(&w, "out_of_order=4 drop_ooo_limit=6");
	assert_in_range(eal_pool_in_use() - before, 1, 4);
	for (unsigned at = 1; at < 2101; at += 100) {
		tw_inf(&w, "P. %u:%u(100) ack 1", at, at + 100);
		tw_drain(&w);
	}
	tw_read(&w, 2100);
	assert_int_equal(eal_pool_in_use(), before);
	tw_end(&w);
}

// B-13: tiny segments, every second octet missing: bounded, and each gets its ACK.
static void tiny_segments_with_gaps(void **state)
{
	unsigned before;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, TW_ALL);
	before = eal_pool_in_use();
	for (unsigned i = 0; i < 4000; i++) {
		tw_inf(&w, "P. %u:%u(1) ack 1", 3 + i * 2, 4 + i * 2);
		tw_outf(&w, ". 1:1(0) ack 1 <...>");
		assert_true(eal_pool_in_use() - before <= w.conf.ooo_mbuf_max);
	}
	assert_true(tw_stat(&w, TCP_STAT_drop_ooo_limit) > 0);
	tw_in(&w, "R 1:1(0)");
	tw_release(&w);
	assert_int_equal(eal_pool_in_use(), before);
	tw_end(&w);
}

// In order but unread: small ones are copied together.
static void tiny_segments_unread(void **state)
{
	unsigned before;
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	before = eal_pool_in_use();
	for (unsigned i = 1; i <= 8000; i++) {
		tw_inf(&w, "P. %u:%u(1) ack 1", i, i + 1);
		tw_drain(&w);
	}
	assert_int_equal(tw_readable(&w), 8000);
	assert_true(eal_pool_in_use() - before <= 40);
	tw_read(&w, 8000);
	assert_int_equal(eal_pool_in_use(), before);
	tw_end(&w);
}

// Consumed in odd pieces while more comes.
static void reads_across_segments(void **state)
{
	static const unsigned piece[] = {1, 99, 100, 101, 7, 250, 1, 1, 440};
	struct tw w;

	tw_open(&w, NULL);
	tw_connect(&w, "mss 1460");
	for (unsigned i = 0; i < 10; i++)
		tw_inf(&w, "P. %u:%u(100) ack 1", 1 + i * 100, 101 + i * 100);
	for (unsigned i = 0; i < sizeof(piece) / sizeof(piece[0]); i++) {
		unsigned left = tw_readable(&w);

		tw_read(&w, piece[i]);
		assert_int_equal(tw_readable(&w), left - piece[i]);
	}
	assert_int_equal(tw_readable(&w), 0);
	assert_int_equal(tcp_peek(w.f->tcb).len, 0);
	tw_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_orders_of_five),
		cmocka_unit_test(four_holes),
		cmocka_unit_test(overlap_grid),
		cmocka_unit_test(first_copy_wins),
		cmocka_unit_test(dsack),
		cmocka_unit_test(no_sack_unless_agreed),
		cmocka_unit_test(mbuf_limit),
		cmocka_unit_test(tiny_segments_with_gaps),
		cmocka_unit_test(tiny_segments_unread),
		cmocka_unit_test(reads_across_segments),
	};

	return tw_run_group("tcp ooo", tests, sizeof(tests) / sizeof(tests[0]));
}
