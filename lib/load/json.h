// SPDX-License-Identifier: BSD-3-Clause
// Writing JSON (RFC 8259): nesting, commas and escapes
//
// Threads: one owner. Output errors stay in the FILE.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 8

struct json {
	FILE *out;
	unsigned depth;
	bool any[JSON_DEPTH_MAX + 1]; // something was written on this level
};

void json_begin(struct json *j, FILE *out);
void json_end(struct json *j);

// name is NULL inside an array.
void json_open(struct json *j, const char *name, char bracket); // '{' or '['
void json_close(struct json *j, char bracket); // '}' or ']'
void json_text(struct json *j, const char *name, const char *text);
void json_u64(struct json *j, const char *name, uint64_t v);
void json_f64(struct json *j, const char *name, double v); // not finite: null
void json_bool(struct json *j, const char *name, bool v);
