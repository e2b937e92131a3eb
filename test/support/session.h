// SPDX-License-Identifier: BSD-3-Clause
// A client's bytes -> the server's reply bytes, through parser, commands and a real store
//
// What lib/conn does for a TCP stream, without TCP: a line buffer of limited size, values
// written straight into the store, blocked and paused replies taken and gone on with.
// Give it bytes in any pieces, get the same reply.
#pragma once

#include "cmd/cmd.h"

struct session_conf {
	uint64_t mem_limit_bytes; // 0: 64 MiB
	uint32_t item_size_max; // 0: 1 MiB
	uint64_t hash_items; // 0: from mem_limit_bytes
	uint32_t chunk_count; // of the reply pool; 0: 1024
	uint32_t line_room; // longest line that is buffered whole; 0: 16384
	uint32_t limit; // of cmd_run; 0: 65536
	bool no_flush_all;
	bool no_dump;
	bool no_evictions;
	const struct cmd_setting *settings; // of "stats settings"; NULL: two of memcached's
};

struct session;

struct session *session_create(const struct session_conf *conf); // NULL: all defaults
void session_destroy(struct session *s);

// Feed bytes; replies add up until session_clear. After the server closed, bytes are
// ignored.
void session_feed(struct session *s, const void *bytes, size_t len);
const char *session_reply(const struct session *s, size_t *len); // with a NUL behind it
void session_clear(struct session *s);
bool session_closed(const struct session *s);

// Forget the connection's state, and what is unfinished; the items stay.
void session_reconnect(struct session *s);

// Set the clock and let the store do its work, some turns of it.
void session_tick(struct session *s, uint32_t now_s);
#define SESSION_START_S 1700000000u

struct cmd *session_cmd(struct session *s);
struct stats *session_stats(struct session *s);
struct store *session_store(struct session *s);
struct store_ctx *session_ctx(struct session *s);
struct pool *session_pool(struct session *s);
uint64_t session_stat(struct session *s, const char *module, const char *name);

// Called whenever a command pauses or lets others work; NULL: nothing is.
void session_set_between(struct session *s, void (*between)(void *arg), void *arg);

// How often cmd_run or cmd_put_* said so.
unsigned session_yield_count(const struct session *s);
unsigned session_blocked_count(const struct session *s);
unsigned session_paused_count(const struct session *s);
unsigned session_piece_count(const struct session *s);
