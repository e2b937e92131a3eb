// SPDX-License-Identifier: BSD-3-Clause
// Trace files: keys one a line, or numbers of keys; each distinct key gets a number

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/siphash.h"
#include "load/keyspace.h"

#define TRACE_MAX_BYTES (16ULL << 30)

static int fail(char err[LOAD_ERR_SIZE], const char *path, const char *what, int rc)
{
	snprintf(err, LOAD_ERR_SIZE, "%.80s: %s", path, what);
	return rc;
}

// The whole file in memory.
static int read_file(const char *path, uint8_t **data, size_t *len, char err[LOAD_ERR_SIZE])
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	*data = NULL;
	if (!f)
		return fail(err, path, strerror(errno), -errno);
	if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode) ||
		(uint64_t)st.st_size > TRACE_MAX_BYTES) {
		fclose(f);
		return fail(err, path, "not a regular file of at most 16 GiB", -EINVAL);
	}
	*len = (size_t)st.st_size;
	*data = malloc(*len + 1);
	if (*data && fread(*data, 1, *len, f) != *len) {
		free(*data);
		*data = NULL;
	}
	fclose(f);
	return *data ? 0 : fail(err, path, "cannot be read whole", -EIO);
}

int keyspace_read_ids(const char *path, uint32_t **trace, uint32_t *trace_len, uint32_t *count,
	char err[LOAD_ERR_SIZE])
{
	uint32_t *id, largest = 0;
	uint8_t *data;
	size_t len;
	int rc = read_file(path, &data, &len, err);

	if (rc)
		return rc;
	if (len == 0 || len % 4 || len / 4 > UINT32_MAX) {
		free(data);
		return fail(err, path, "not a list of 32-bit numbers", -EINVAL);
	}
	id = (uint32_t *)(void *)data; // little-endian, as the machine
	for (size_t i = 0; i < len / 4; i++)
		largest = id[i] > largest ? id[i] : largest;
	if (largest == UINT32_MAX) {
		free(data);
		return fail(err, path, "a key number is too large", -EINVAL);
	}
	*trace = id;
	*trace_len = (uint32_t)(len / 4);
	*count = largest + 1;
	return 0;
}

// Which key number a line has: open addressing over the keys seen so far.
struct seen {
	uint32_t *slot; // key number + 1
	uint64_t mask;
	uint32_t count;
};

static uint32_t seen_number(struct seen *s, struct keyspace *k, const uint8_t *key, size_t len)
{
	static const struct siphash_key hash_key = {1, 2};
	uint64_t i = siphash13(&hash_key, key, len);

	for (;; i++) {
		uint32_t n = s->slot[i & s->mask];

		if (n == 0)
			break;
		if (keyspace_is(k, n - 1, key, len))
			return n - 1;
	}
	s->slot[i & s->mask] = ++s->count;
	memmove(k->text + k->at[s->count - 1], key, len);
	k->at[s->count] = k->at[s->count - 1] + len;
	if (len > k->longest)
		k->longest = (uint32_t)len;
	return s->count - 1;
}

static bool key_valid(const uint8_t *key, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (key[i] <= ' ' || key[i] == 127)
			return false;
	return len >= 1 && len <= KEYSPACE_KEY_MAX;
}

// The distinct keys are moved to the front of the file's own memory.
static int read_lines(
	struct keyspace *k, struct seen *s, size_t size, uint32_t *trace, uint32_t *trace_len)
{
	uint32_t line = 0;

	for (size_t pos = 0; pos < size; line++) {
		uint8_t *end = memchr(k->text + pos, '\n', size - pos);
		size_t next = end ? (size_t)(end - k->text) + 1 : size;
		size_t len = (end ? next - 1 : next) - pos;

		if (len > 0 && k->text[pos + len - 1] == '\r')
			len--;
		*trace_len = line + 1;
		if (!key_valid(k->text + pos, len))
			return -EINVAL;
		trace[line] = seen_number(s, k, k->text + pos, len);
		pos = next;
	}
	return 0;
}

static uint64_t count_lines(const uint8_t *p, size_t len)
{
	uint64_t n;

	if (len == 0)
		return 0;
	n = p[len - 1] != '\n';

	for (const uint8_t *end = p + len; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n;
}

int keyspace_read_lines(struct keyspace *k, const char *path, uint32_t **trace, uint32_t *trace_len,
	char err[LOAD_ERR_SIZE])
{
	struct seen s = {.mask = 1023};
	uint64_t lines;
	size_t size = 0;
	int rc;

	*k = (struct keyspace){0};
	*trace = NULL;
	rc = read_file(path, &k->text, &size, err);
	if (rc)
		return rc;
	lines = count_lines(k->text, size);
	if (lines == 0 || lines >= UINT32_MAX) {
		keyspace_free(k);
		return fail(err, path, "no keys, or too many", -EINVAL);
	}
	while (s.mask < lines * 2)
		s.mask = s.mask * 2 + 1;
	s.slot = calloc(s.mask + 1, sizeof(*s.slot));
	k->at = calloc(lines + 1, sizeof(*k->at));
	*trace = calloc(lines, sizeof(**trace));
	rc = s.slot && k->at && *trace ? read_lines(k, &s, size, *trace, trace_len) : -ENOMEM;
	free(s.slot);
	k->count = s.count;
	if (rc == 0)
		return 0;
	if (rc == -EINVAL)
		snprintf(err, LOAD_ERR_SIZE, "%.80s: line %u is no key (1 to 250 bytes, no space)",
			path, *trace_len);
	else
		fail(err, path, "no memory for its keys", rc);
	keyspace_free(k);
	free(*trace);
	*trace = NULL;
	return rc;
}
