// SPDX-License-Identifier: BSD-3-Clause
// A flood: what is in flight, and what the answers are

#include "load/flood.h"

#include <string.h>

#include "base/bytes.h"
#include "load/reply.h"

void flood_init(struct flood *f, const struct workload *w, struct workload_cursor *cursor,
	uint32_t window, uint64_t timeout_ns)
{
	*f = (struct flood){.w = w, .window = window, .timeout_ns = timeout_ns};
	for (unsigned i = 0; i < FLOOD_REQUESTS; i++)
		f->key[i] = dist_next(&w->dist, &cursor->keys);
}

uint32_t flood_request(const struct flood *f, uint32_t i, uint8_t *dst)
{
	struct load_request req = {.op = LOAD_GET, .key_count = 1, .key = {f->key[i]}};

	store_be16(dst, (uint16_t)i);
	store_be16(dst + 2, 0); // datagram 0
	store_be16(dst + 4, 1); // of 1
	store_be16(dst + 6, 0); // reserved
	return FLOOD_FRAME_LEN + workload_format(f->w, &req, dst + FLOOD_FRAME_LEN);
}

void flood_begin(struct flood *f, struct tally *t)
{
	f->t = t;
	f->in_flight = 0;
	memset(f->sent_ns, 0, sizeof(f->sent_ns));
}

// False: it is in flight and may still be answered.
static bool flood_free(struct flood *f, uint32_t i, uint64_t now_ns)
{
	if (f->sent_ns[i] == 0)
		return true;
	if (now_ns - f->sent_ns[i] < f->timeout_ns)
		return false;
	f->sent_ns[i] = 0;
	f->in_flight--;
	tally_finish(f->t, LOAD_GET, LOAD_LOST, 1, 0);
	return true;
}

unsigned flood_next(struct flood *f, uint32_t *request, unsigned n, uint64_t now_ns)
{
	unsigned count = 0;

	// Beyond the window there are as many again that are free, or have timed out.
	for (unsigned tries = 0; tries < 2 * n && count < n; tries++, f->next++) {
		uint32_t i = f->next % FLOOD_REQUESTS;

		if (!flood_free(f, i, now_ns))
			continue;
		if (f->in_flight == f->window)
			break;
		f->sent_ns[i] = now_ns;
		f->in_flight++;
		request[count++] = i;
	}
	tally_add(f->t, LOAD_STAT_get_sent, count);
	return count;
}

// The answer whole, as one datagram: of the key that the request with its id asked for.
static enum load_outcome flood_check(const struct flood *f, const uint8_t *p, size_t len)
{
	struct reply r;
	size_t taken;

	if (load_be16(p + 2) != 0 || load_be16(p + 4) != 1)
		return LOAD_ERR_SYNTAX;
	reply_init(&r, f->w, LOAD_GET, &f->key[load_be16(p)], 1);
	p += FLOOD_FRAME_LEN;
	len -= FLOOD_FRAME_LEN;
	if (reply_feed(&r, p, len, &taken) != REPLY_DONE || taken < len)
		return LOAD_ERR_SYNTAX;
	return reply_outcome(&r);
}

static bool begins(const uint8_t *p, size_t len, const char *text, size_t n)
{
	return len >= FLOOD_FRAME_LEN + n && memcmp(p + FLOOD_FRAME_LEN, text, n) == 0;
}

void flood_input(struct flood *f, const uint8_t *p, size_t len)
{
	enum load_outcome outcome = LOAD_HIT;
	uint32_t i = len >= FLOOD_FRAME_LEN ? load_be16(p) : FLOOD_REQUESTS;

	if (i >= FLOOD_REQUESTS || f->sent_ns[i] == 0) {
		tally_add(f->t, LOAD_STAT_strays, 1);
		return;
	}
	f->sent_ns[i] = 0;
	f->in_flight--;
	tally_add(f->t, LOAD_STAT_bytes_received, len);
	if (begins(p, len, "VALUE ", 6)) {
		if (++f->hits % FLOOD_CHECK_EVERY == 0)
			outcome = flood_check(f, p, len);
	} else if (begins(p, len, "get ", 4)) {
		tally_add(f->t, LOAD_STAT_get_echoes, 1);
		return;
	} else if (begins(p, len, "END\r\n", 5)) {
		outcome = LOAD_MISS;
	} else {
		outcome = begins(p, len, "SERVER_ERROR", 12) ? LOAD_ERR_SERVER : LOAD_ERR_SYNTAX;
	}
	tally_finish(f->t, LOAD_GET, outcome, 1, outcome == LOAD_HIT);
}

void flood_expire(struct flood *f, uint64_t now_ns)
{
	for (uint32_t i = 0; i < FLOOD_REQUESTS; i++)
		flood_free(f, i, now_ns);
}
