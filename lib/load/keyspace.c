// SPDX-License-Identifier: BSD-3-Clause
// Keys as text: made from numbers, or one of a list

#include "load/keyspace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/mix.h"

static uint32_t hex_digits(uint32_t v)
{
	uint32_t n = 1;

	while (v >>= 4)
		n++;
	return n;
}

int keyspace_make(struct keyspace *k, uint32_t count, const char *len_spec, char err[LOAD_ERR_SIZE])
{
	int rc;

	*k = (struct keyspace){.count = count, .digits = hex_digits(count - 1)};
	rc = sizes_parse(&k->sizes, len_spec, 1, KEYSPACE_KEY_MAX, err);
	if (rc)
		return rc;
	if (k->sizes.smallest == k->sizes.largest) {
		k->fixed_len = k->sizes.smallest;
		if (k->fixed_len < k->digits) {
			snprintf(err, LOAD_ERR_SIZE, "%u keys do not fit in %u bytes each, %u do",
				count, k->fixed_len, k->digits);
			return -EINVAL;
		}
	}
	k->longest = k->sizes.largest > k->digits ? k->sizes.largest : k->digits;
	return 0;
}

void keyspace_free(struct keyspace *k)
{
	free(k->text);
	free(k->at);
	k->text = NULL;
	k->at = NULL;
}

uint32_t keyspace_format(const struct keyspace *k, uint32_t id, uint8_t *dst)
{
	static const char filler[] = "ringload:key:", hex[] = "0123456789abcdef";
	uint32_t len = k->fixed_len, i;

	if (k->text) {
		len = (uint32_t)(k->at[id + 1] - k->at[id]);
		memcpy(dst, k->text + k->at[id], len);
		return len;
	}
	if (len == 0)
		len = sizes_pick(&k->sizes, mix64(~(uint64_t)id));
	if (len < k->digits)
		len = k->digits;
	for (i = 0; i < len - k->digits; i++)
		dst[i] = (uint8_t)filler[i % (sizeof(filler) - 1)];
	for (i = 0; i < k->digits; i++, id >>= 4)
		dst[len - 1 - i] = (uint8_t)hex[id & 15];
	return len;
}

bool keyspace_is(const struct keyspace *k, uint32_t id, const uint8_t *p, size_t len)
{
	uint8_t key[KEYSPACE_KEY_MAX];

	if (k->text)
		return len == k->at[id + 1] - k->at[id] && memcmp(p, k->text + k->at[id], len) == 0;
	return keyspace_format(k, id, key) == len && memcmp(p, key, len) == 0;
}
