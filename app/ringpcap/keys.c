// SPDX-License-Identifier: BSD-3-Clause
// A file of memcached keys, one a line

#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "ringpcap.h"

static void *grow(void *p, size_t *room, size_t need, size_t size)
{
	if (need <= *room)
		return p;
	*room = need > 2 * *room ? need : 2 * *room;
	p = reallocarray(p, *room, size);
	if (!p)
		fatal("out of memory for the keys");
	return p;
}

static void add(struct keys *k, const char *path, size_t line_number, const char *s, size_t len)
{
	size_t start = k->count ? k->end[k->count - 1] : 0;

	if (len == 0 || len > KEY_LEN_MAX)
		fatal("%s:%zu: a key has 1 to %d bytes, not %zu", path, line_number, KEY_LEN_MAX,
			len);
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)s[i] <= ' ' || (uint8_t)s[i] == 0x7f)
			fatal("%s:%zu: byte 0x%02x is not allowed in a key", path, line_number,
				(uint8_t)s[i]);
	k->bytes = grow(k->bytes, &k->bytes_room, start + len, 1);
	k->end = grow(k->end, &k->end_room, k->count + 1, sizeof(*k->end));
	memcpy(k->bytes + start, s, len);
	k->end[k->count++] = start + len;
}

void keys_read(struct keys *k, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	size_t size = 0, line_number = 0;
	char *line = NULL;
	ssize_t n;

	if (!f)
		fatal("%s: %s", path, strerror(errno));
	*k = (struct keys){0};
	while ((n = getline(&line, &size, f)) >= 0) {
		size_t len = (size_t)n;

		if (len && line[len - 1] == '\n')
			len--;
		add(k, path, ++line_number, line, len);
	}
	if (ferror(f))
		fatal("%s: %s", path, strerror(errno));
	free(line);
	if (f != stdin)
		fclose(f);
	if (k->count == 0)
		fatal("%s: there is no key in it", path);
}

const uint8_t *keys_at(const struct keys *k, size_t i, size_t *len)
{
	size_t start = i ? k->end[i - 1] : 0;

	*len = k->end[i] - start;
	return k->bytes + start;
}

void keys_free(struct keys *k)
{
	free(k->bytes);
	free(k->end);
}
