// SPDX-License-Identifier: BSD-3-Clause
// Writing JSON

#include "load/json.h"

#include <inttypes.h>
#include <math.h>

#include "base/check.h"

static void quoted(struct json *j, const char *text)
{
	fputc('"', j->out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(j->out, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			// Bytes that need not be UTF-8: as the code points of the same number.
			fprintf(j->out, "\\u%04x", *p);
		else
			fputc(*p, j->out);
	}
	fputc('"', j->out);
}

static void item(struct json *j, const char *name)
{
	if (j->any[j->depth])
		fputc(',', j->out);
	if (j->depth > 0)
		fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
	j->any[j->depth] = true;
	if (name) {
		quoted(j, name);
		fputs(": ", j->out);
	}
}

void json_begin(struct json *j, FILE *out)
{
	*j = (struct json){.out = out};
	json_open(j, NULL, '{');
}

void json_end(struct json *j)
{
	json_close(j, '}');
	fputc('\n', j->out);
}

void json_open(struct json *j, const char *name, char bracket)
{
	item(j, name);
	fputc(bracket, j->out);
	CHECK(j->depth < JSON_DEPTH_MAX);
	j->any[++j->depth] = false;
}

void json_close(struct json *j, char bracket)
{
	bool any = j->any[j->depth];

	CHECK(j->depth > 0);
	j->depth--;
	if (any)
		fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
	fputc(bracket, j->out);
}

void json_text(struct json *j, const char *name, const char *text)
{
	item(j, name);
	quoted(j, text);
}

void json_u64(struct json *j, const char *name, uint64_t v)
{
	item(j, name);
	fprintf(j->out, "%" PRIu64, v);
}

void json_f64(struct json *j, const char *name, double v)
{
	item(j, name);
	if (isfinite(v))
		fprintf(j->out, "%.9g", v);
	else
		fputs("null", j->out);
}

void json_bool(struct json *j, const char *name, bool v)
{
	item(j, name);
	fputs(v ? "true" : "false", j->out);
}
