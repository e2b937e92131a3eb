// SPDX-License-Identifier: BSD-3-Clause
// The world of tcp_world.h: the clock, the user's side, counters, the end

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/tcp_world.h"

#include "support/eal.h"

#define POLLS_MAX 64
#define STEPS_MAX 4000000
#define END_US 400000000ull // longer than every timer of a connection nobody answers

// ---- time

// To the next moment something may happen, not past limit.
static void step(struct tw *w, uint64_t limit)
{
	uint64_t next = tcp_next_deadline_us(w->tcp);

	if (w->fine_steps || next <= w->now_us)
		next = w->now_us + 1000;
	w->now_us = next < limit ? next : limit;
	for (unsigned i = 0; i < POLLS_MAX; i++) {
		tw_loop(w);
		if (tcp_next_deadline_us(w->tcp) > w->now_us)
			break;
	}
}

void tw_advance(struct tw *w, uint64_t us)
{
	uint64_t limit = w->now_us + us;

	for (unsigned i = 0; w->now_us < limit; i++) {
		assert_true(i < STEPS_MAX);
		step(w, limit);
	}
}

void tw_quiet(struct tw *w, uint64_t us)
{
	tw_none(w);
	tw_advance(w, us);
	tw_none(w);
}

uint64_t tw_out_within(struct tw *w, uint64_t lowest, uint64_t highest, const char *text)
{
	uint64_t start = w->now_us, waited;

	tw_none(w);
	while (w->now_us < start + highest && net_tx_count(w->net) == 0)
		step(w, start + highest);
	waited = w->now_us - start;
	tw_out(w, text);
	if (waited < lowest)
		fail_msg("%s: after %llu us, %llu too early", text, (unsigned long long)waited,
			(unsigned long long)(lowest - waited));
	return waited;
}

void tw_out_after(struct tw *w, uint64_t us, const char *text)
{
	tw_out_within(w, us > 1000 ? us - 1000 : 0, us + 3000, text);
}

// ---- counters

uint64_t tw_stat(const struct tw *w, enum tcp_stat stat)
{
	return stat_read(&tcp_stats(w->tcp)[stat]);
}

void tw_counts_reset(struct tw *w)
{
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++)
		w->seen[i] = tw_stat(w, i);
}

static bool is_traffic(unsigned i)
{
	return i == TCP_STAT_rx_segments || i == TCP_STAT_tx_segments ||
	       i == TCP_STAT_tx_data_bytes || i == TCP_STAT_rx_data_bytes ||
	       tcp_stats_set.desc[i].kind == STAT_GAUGE;
}

static unsigned stat_named(const char *name, size_t len)
{
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++)
		if (strlen(tcp_stats_set.desc[i].name) == len &&
			strncmp(tcp_stats_set.desc[i].name, name, len) == 0)
			return i;
	fail_msg("no such counter: %s", name);
	return 0;
}

void tw_counts(struct tw *w, const char *text)
{
	uint64_t want[TCP_STAT_COUNT] = {0};
	unsigned wrong = 0;

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, " =");
		unsigned i = stat_named(p, len);

		p += len;
		want[i] = *p == '=' ? strtoul(p + 1, (char **)&p, 10) : 1;
		p += strspn(p, " ");
	}
	for (unsigned i = 0; i < TCP_STAT_COUNT; i++) {
		uint64_t moved = tw_stat(w, i) - w->seen[i];

		if (is_traffic(i) || moved == want[i])
			continue;
		print_error("%s moved by %llu, wanted %llu\n", tcp_stats_set.desc[i].name,
			(unsigned long long)moved, (unsigned long long)want[i]);
		wrong++;
	}
	tw_counts_reset(w);
	assert_int_equal(wrong, 0);
}

// ---- the user

void tw_events(struct tw *w, unsigned events)
{
	assert_int_equal(w->f->events, events);
	w->f->events = 0;
}

uint32_t tw_readable(struct tw *w)
{
	assert_non_null(w->f->tcb);
	return tcp_readable(w->f->tcb);
}

// tcp_copy and tcp_peek both show the peer's stream from read_off on.
static void check_readable(struct tw *w, uint32_t n)
{
	struct tw_flow *f = w->f;
	struct slice s = tcp_peek(f->tcb);
	uint8_t copy[4096];

	assert_true(s.len > 0 && s.len <= tcp_readable(f->tcb));
	for (uint32_t i = 0; i < n && i < s.len; i++)
		if (s.p[i] != seg_byte(SEG_PEER, f->read_off + i))
			fail_msg("peek: byte %u of the stream is wrong", f->read_off + i);
	for (uint32_t off = 0; off < n; off += sizeof(copy)) {
		uint32_t part = n - off < sizeof(copy) ? n - off : sizeof(copy);

		tcp_copy(f->tcb, off, copy, part);
		for (uint32_t i = 0; i < part; i++)
			if (copy[i] != seg_byte(SEG_PEER, f->read_off + off + i))
				fail_msg("copy: byte %u of the stream is wrong",
					f->read_off + off + i);
	}
}

void tw_read(struct tw *w, uint32_t n)
{
	struct tw_flow *f = w->f;

	assert_non_null(f->tcb);
	assert_true(n > 0 && n <= tcp_readable(f->tcb));
	check_readable(w, n);
	// By pieces, as the worker does: what peek shows, but not more than n.
	for (uint32_t left = n; left > 0;) {
		struct slice s = tcp_peek(f->tcb);
		uint32_t part = s.len < left ? (uint32_t)s.len : left;

		assert_true(part > 0);
		assert_int_equal(s.p[0], seg_byte(SEG_PEER, f->read_off));
		tcp_consume(w->tcp, f->tcb, part);
		f->read_off += part;
		left -= part;
	}
	tw_output(w);
}

void tw_output(struct tw *w)
{
	assert_non_null(w->f->tcb);
	tcp_output(w->tcp, w->f->tcb, w->now_us);
	tw_check(w);
}

void tw_write(struct tw *w, uint32_t n)
{
	struct tw_flow *f = w->f;
	struct chunkq *q;

	assert_non_null(f->tcb);
	q = tcp_send_queue(f->tcb);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t byte = seg_byte(SEG_OURS, f->written_off++);

		assert_true(chunkq_append(q, &byte, 1));
	}
	tw_output(w);
}

void tw_close(struct tw *w)
{
	assert_non_null(w->f->tcb);
	tcp_close(w->tcp, w->f->tcb, w->now_us);
	tw_check(w);
}

void tw_abort(struct tw *w)
{
	assert_non_null(w->f->tcb);
	tcp_abort(w->tcp, w->f->tcb, w->now_us);
	tw_check(w);
}

void tw_release(struct tw *w)
{
	struct tcb *tcb = w->f->tcb;

	assert_non_null(tcb);
	w->f->tcb = NULL;
	tcp_release(w->tcp, tcb, w->now_us);
	tw_check(w);
}

struct tcp_info tw_info(struct tw *w)
{
	struct tcp_info info;

	assert_non_null(w->f->tcb);
	tcp_info(w->tcp, w->f->tcb, &info);
	return info;
}

void tw_state(struct tw *w, const char *state)
{
	assert_string_equal(tw_info(w).state, state);
}

void tw_connect(struct tw *w, const char *options)
{
	char text[SEG_TEXT_MAX];

	snprintf(text, sizeof(text), "S 0:0(0) win 65535 <%s>", options);
	tw_in(w, text);
	tw_out(w, "S. 0:0(0) ack 1 <...>");
	tw_in(w, ". 1:1(0) ack 1");
	tw_none(w);
	assert_non_null(w->f->tcb);
	tw_events(w, TCP_EV_NEW);
	tw_state(w, "ESTABLISHED");
	tw_counts_reset(w);
}

// ---- the end

void tw_end(struct tw *w)
{
	struct pool *chunks = tcp_chunk_pool(w->tcp);
	uint64_t limit;

	for (unsigned i = 0; i < TW_FLOWS_MAX; i++) {
		tw_flow(w, i);
		if (w->f->tcb)
			tw_release(w);
	}
	w->auto_release = true; // a handshake may still end
	limit = w->now_us + END_US;
	while (tcp_conn_count(w->tcp) > 0 && w->now_us < limit) {
		step(w, limit);
		tw_drain(w);
	}
	tw_drain(w);
	assert_int_equal(tcp_conn_count(w->tcp), 0);
	assert_int_equal(tw_stat(w, TCP_STAT_curr_connections), 0);
	assert_int_equal(chunks->used_count, 0);
	assert_int_equal(eal_pool_in_use(), w->mbufs_before);
	tcp_destroy(w->tcp);
	net_destroy(w->net);
	assert_int_equal(eal_pool_in_use(), w->mbufs_before);
}
