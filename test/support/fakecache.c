// SPDX-License-Identifier: BSD-3-Clause
// A cache in a few lines, and a network with a plan of faults, both in virtual time

#include "support/fakecache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fakecache *fake_create(const enum fake_fate *plan, unsigned plan_len)
{
	struct fakecache *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->plan = plan;
	f->plan_len = plan_len;
	f->delay_ns = 50000;
	f->late_ns = 20000000;
	f->piece_len = 1392;
	return f;
}

void fake_destroy(struct fakecache *f)
{
	for (unsigned i = 0; i < f->item_count; i++) {
		free(f->item[i].key);
		free(f->item[i].value);
	}
	for (unsigned i = 0; i < f->event_count; i++)
		free(f->event[i].data);
	free(f);
}

static uint8_t *grown(uint8_t *p, size_t size)
{
	uint8_t *q = realloc(p, size);

	if (!q)
		abort();
	return q;
}

static int find(const struct fakecache *f, const char *key)
{
	for (unsigned i = 0; i < f->item_count; i++)
		if (strcmp(f->item[i].key, key) == 0)
			return (int)i;
	return -1;
}

static size_t answer_set(struct fakecache *f, const char *line, const uint8_t *data, uint8_t **out)
{
	unsigned flags, len;
	char key[256];
	int i;

	*out = (uint8_t *)strdup("STORED\r\n");
	if (sscanf(line, "set %255s %u 0 %u", key, &flags, &len) != 3 ||
		memcmp(data + len, "\r\n", 2) != 0)
		abort();
	i = find(f, key);
	if (i < 0) {
		if (f->item_count == FAKE_KEYS_MAX)
			abort();
		i = (int)f->item_count++;
		f->item[i].key = strdup(key);
	}
	free(f->item[i].value);
	f->item[i].value = malloc(len + 1);
	memcpy(f->item[i].value, data, len);
	f->item[i].len = len;
	f->item[i].flags = flags;
	return 8;
}

static size_t answer_get(struct fakecache *f, char *line, enum fake_fate fate, uint8_t **out)
{
	size_t n = 0, size = 4096;
	uint8_t *p = malloc(size);
	char *save = NULL, *key;

	strtok_r(line, " ", &save); // "get"
	while ((key = strtok_r(NULL, " ", &save))) {
		int i = find(f, key);

		if (i < 0 || fate == FAKE_FORGET)
			continue;
		if (fate == FAKE_WRONG_KEY && n == 0)
			i = (i + 1) % (int)f->item_count;
		if (size - n < f->item[i].len + 512) {
			size = n + f->item[i].len + 4096;
			p = grown(p, size);
		}
		n += (size_t)snprintf((char *)p + n, size - n, "VALUE %s %u %u\r\n", f->item[i].key,
			f->item[i].flags, f->item[i].len);
		memcpy(p + n, f->item[i].value, f->item[i].len);
		if (fate == FAKE_CORRUPT && f->item[i].len > 0)
			p[n + f->item[i].len / 2] ^= 0x10;
		n += f->item[i].len;
		memcpy(p + n, "\r\n", 2);
		n += 2;
	}
	memcpy(p + n, "END\r\n", 5);
	*out = p;
	return n + 5;
}

size_t fake_answer(
	struct fakecache *f, const uint8_t *text, size_t len, enum fake_fate fate, uint8_t **out)
{
	const uint8_t *end = memmem(text, len, "\r\n", 2);
	char line[20000];
	size_t n;

	if (!end || (size_t)(end - text) >= sizeof(line))
		abort();
	memcpy(line, text, (size_t)(end - text));
	line[end - text] = '\0';
	if (fate == FAKE_SERVER_ERROR) {
		*out = (uint8_t *)strdup("SERVER_ERROR out of memory storing object\r\n");
		return strlen((char *)*out);
	}
	if (memcmp(line, "set ", 4) == 0)
		n = answer_set(f, line, end + 2, out);
	else
		n = answer_get(f, line, fate, out);
	if (fate == FAKE_TRAILING) {
		*out = grown(*out, n + 5);
		memcpy(*out + n, "END\r\n", 5);
		n += 5;
	}
	return fate == FAKE_CUT ? n / 2 : n;
}

static void later(struct fakecache *f, uint64_t at_ns, uint16_t port, const uint8_t *p, size_t len)
{
	struct fake_event *e;

	if (f->event_count == FAKE_EVENTS_MAX)
		abort();
	e = &f->event[f->event_count++];
	*e = (struct fake_event){at_ns, port, (uint16_t)len, malloc(len)};
	memcpy(e->data, p, len);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void fake_datagram(
	struct fakecache *f, uint16_t port, const uint8_t *p, size_t len, uint64_t now_ns)
{
	enum fake_fate fate = f->plan[f->requests++ % f->plan_len];
	uint64_t at_ns = now_ns + (fate == FAKE_LATE ? f->late_ns : f->delay_ns);
	uint8_t *text, d[FAKE_DATAGRAM_MAX];
	size_t n = fake_answer(f, p + 8, len - 8, fate, &text);
	unsigned total = (unsigned)((n + f->piece_len - 1) / f->piece_len);

	f->count[fate][p[8] == 's']++;
	for (unsigned i = 0; i < total && fate != FAKE_DROP; i++) {
		unsigned seq = fate == FAKE_REORDER ? total - 1 - i : i;
		size_t off = (size_t)seq * f->piece_len;
		size_t piece = n - off < f->piece_len ? n - off : f->piece_len;

		if (fate == FAKE_LOSE_PIECE && seq == total - 1)
			continue;
		memcpy(d, p, 2);
		put16(d + 2, seq);
		put16(d + 4, total);
		put16(d + 6, 0);
		memcpy(d + 8, text + off, piece);
		later(f, at_ns + 2 * i, port, d, piece + 8);
		if (fate == FAKE_TWICE) // the copy arrives before the next piece
			later(f, at_ns + 2 * i + 1, port, d, piece + 8);
		d[0] ^= 0x80; // half a round of ids away
		if (fate == FAKE_STRAY)
			later(f, at_ns + 2 * i + 1, port, d, piece + 8);
		if (fate == FAKE_GARBAGE)
			later(f, at_ns, port, d, 7);
	}
	free(text);
}

bool fake_arrived(struct fakecache *f, uint64_t now_ns, struct fake_event *ev)
{
	unsigned first = f->event_count;

	for (unsigned i = 0; i < f->event_count; i++)
		if (f->event[i].at_ns <= now_ns &&
			(first == f->event_count || f->event[i].at_ns < f->event[first].at_ns))
			first = i;
	if (first == f->event_count)
		return false;
	*ev = f->event[first];
	f->event_count--;
	memmove(&f->event[first], &f->event[first + 1],
		(f->event_count - first) * sizeof(f->event[0]));
	return true;
}
