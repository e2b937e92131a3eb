// SPDX-License-Identifier: BSD-3-Clause
// Answers that arrive in several datagrams

#include "load/assembly.h"

#include <stdlib.h>

#include "load/udp.h"

#define ASSEMBLIES_MIN 8
#define ASSEMBLIES_MAX 1024
#define ASSEMBLIES_BYTES (64u << 20)
#define SMALLEST_PIECE 512 // servers cut at 1400; this is the smallest cut to reckon with

struct assembly {
	uint16_t total, count;
	uint16_t len[UDP_CLIENT_FRAGS_MAX]; // of each piece; 0: not there
};

struct assemblies {
	uint32_t count, free_count;
	uint16_t pieces_max, stride;
	uint32_t *free_list;
	struct assembly *assembly;
	uint8_t *data;
};

struct assemblies *assemblies_create(uint32_t reply_max, uint16_t datagram_max)
{
	struct assemblies *a = calloc(1, sizeof(*a));
	uint32_t pieces = reply_max / SMALLEST_PIECE + 2;
	size_t size;

	if (!a)
		return NULL;
	a->stride = datagram_max;
	a->pieces_max = (uint16_t)(pieces < UDP_CLIENT_FRAGS_MAX ? pieces : UDP_CLIENT_FRAGS_MAX);
	size = (size_t)a->pieces_max * a->stride;
	a->count = (uint32_t)(ASSEMBLIES_BYTES / size);
	if (a->count > ASSEMBLIES_MAX)
		a->count = ASSEMBLIES_MAX;
	if (a->count < ASSEMBLIES_MIN)
		a->count = ASSEMBLIES_MIN;
	a->free_list = calloc(a->count, sizeof(*a->free_list));
	a->assembly = calloc(a->count, sizeof(*a->assembly));
	a->data = malloc(size * a->count);
	if (!a->free_list || !a->assembly || !a->data) {
		assemblies_destroy(a);
		return NULL;
	}
	for (; a->free_count < a->count; a->free_count++)
		a->free_list[a->free_count] = a->free_count + 1;
	return a;
}

void assemblies_destroy(struct assemblies *a)
{
	if (!a)
		return;
	free(a->free_list);
	free(a->assembly);
	free(a->data);
	free(a);
}

uint32_t assembly_take(struct assemblies *a, uint16_t total)
{
	uint32_t n;

	if (a->free_count == 0 || total > a->pieces_max)
		return 0;
	n = a->free_list[--a->free_count];
	a->assembly[n - 1].total = total;
	a->assembly[n - 1].count = 0;
	for (unsigned i = 0; i < total; i++)
		a->assembly[n - 1].len[i] = 0;
	return n;
}

void assembly_release(struct assemblies *a, uint32_t n)
{
	a->free_list[a->free_count++] = n;
}

static uint8_t *piece_at(const struct assemblies *a, uint32_t n, uint16_t seq)
{
	return a->data + ((size_t)(n - 1) * a->pieces_max + seq) * a->stride;
}

enum assembly_status assembly_add(struct assemblies *a, uint32_t n, uint16_t seq, uint16_t total,
	const uint8_t *p, size_t len)
{
	struct assembly *as = &a->assembly[n - 1];

	if (total != as->total || len > a->stride)
		return ASSEMBLY_BAD;
	if (as->len[seq])
		return ASSEMBLY_DUPLICATE;
	memcpy(piece_at(a, n, seq), p, len);
	as->len[seq] = (uint16_t)len;
	return ++as->count == as->total ? ASSEMBLY_COMPLETE : ASSEMBLY_MORE;
}

void assembly_pieces(const struct assemblies *a, uint32_t n, struct slice *piece)
{
	const struct assembly *as = &a->assembly[n - 1];

	for (uint16_t i = 0; i < as->total; i++)
		piece[i] = (struct slice){piece_at(a, n, i), as->len[i]};
}
