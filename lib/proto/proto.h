// SPDX-License-Identifier: BSD-3-Clause
// Bytes <-> struct request: the memcached protocols, with no state and no I/O
//
// The parser takes a buffer and says what the first command in it is; the caller
// (lib/conn) owns the buffer and the connection's state. A request points into
// the buffer: it is valid as long as those bytes stay where they are.
//
//   ascii_parse(buf) -> PARSE_OK    *req is a command, req->line_len bytes long.
//                                   A storage command's data block of
//                                   req->vlen + 2 bytes follows; it is not read here.
//                       PARSE_BAD   one bad line of req->line_len bytes; the reply
//                                   is req->error + "\r\n" unless req->noreply;
//                                   then the next line is parsed.
//                       PARSE_MORE  no complete line yet.
//                       PARSE_CLOSE nothing sensible can follow: close, no reply.
//
// The replies are those of memcached 1.6.18, byte for byte (protocol.txt).
//
// Threads: pure functions. Memory: none.
// Limits: key 250 bytes; a command line 2048 bytes, but for get, gets, gat, gats.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define KEY_LEN_MAX 250
#define LINE_LEN_MAX 2048 // longest line but for get/gets: memcached closes past it
#define VALUE_LEN_MAX ((1u << 31) - 3)

enum parse_status { PARSE_OK, PARSE_MORE, PARSE_BAD, PARSE_CLOSE };

// What the first byte of a connection or datagram announces.
enum proto_kind {
	PROTO_ASCII, // classic ASCII and, later, meta
	PROTO_BINARY, // 0x80
	PROTO_TLS, // 0x16: a TLS ClientHello record
};

enum proto_kind proto_detect(uint8_t first_byte);

enum request_op {
	OP_GET,
	OP_GETS,
	OP_GAT,
	OP_GATS,
	OP_SET,
	OP_ADD,
	OP_REPLACE,
	OP_APPEND,
	OP_PREPEND,
	OP_CAS,
	OP_DELETE,
	OP_INCR,
	OP_DECR,
	OP_TOUCH,
	OP_FLUSH_ALL,
	OP_VERSION,
	OP_VERBOSITY,
	OP_STATS,
	OP_SHUTDOWN,
	OP_QUIT,
	OP_COUNT
};

static inline bool op_is_get(enum request_op op)
{
	return op <= OP_GATS;
}

static inline bool op_is_store(enum request_op op)
{
	return op >= OP_SET && op <= OP_CAS;
}

struct request {
	enum request_op op;
	bool noreply;
	uint32_t line_len; // bytes of the command line with its line end

	// get, gets, gat, gats: the keys, walked with request_next_key. All of them
	// have been checked, so a paused walk can go on at args later.
	// stats: the sub-command and its arguments, trimmed.
	struct slice args;

	struct slice key; // every other command with a key; len 1..250
	uint32_t client_flags; // storage
	int32_t exptime; // storage, touch, gat, flush_all: as sent, see protocol.txt
	uint32_t vlen; // storage: bytes of the data block without its CRLF
	uint64_t cas; // cas: the unique the client saw
	uint64_t delta; // incr, decr
	bool has_exptime; // flush_all: a delay was given

	const char *error; // PARSE_BAD: the reply line without "\r\n"
};

enum parse_status ascii_parse(struct request *req, const uint8_t *buf, size_t len);

// Take the next key of a get-family request off req->args. False at the end.
bool request_next_key(struct request *req, struct slice *key);

// Parse a get-family line that is longer than the caller can buffer, in pieces:
// buf is the beginning of a line without its end. On PARSE_OK *req holds the
// complete keys of this piece and *consumed says how many bytes of buf they
// take; the caller puts the command word *back in front of the rest by
// calling ascii_parse_rest for the following pieces.
enum parse_status ascii_parse_piece(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed);

// The following pieces of such a line: op and exptime of req stay. *last is true
// when the line end was in buf; then req->line_len bytes were taken.
enum parse_status ascii_parse_rest(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed, bool *last);

// "VALUE <key> <flags> <bytes>[ <cas>]\r\n" into dst, at most VALUE_HEAD_MAX
// bytes; returns the length. The caller appends the value and its CRLF.
#define VALUE_HEAD_MAX (6 + KEY_LEN_MAX + 1 + 10 + 1 + 10 + 1 + 20 + 2)
uint32_t ascii_format_value_head(uint8_t *dst, struct slice key, uint32_t client_flags,
	uint32_t vlen, bool with_cas, uint64_t cas);

// Decimal digits of v into dst (at most 20); returns how many.
uint32_t ascii_format_u64(uint8_t *dst, uint64_t v);

// Whole decimal number, no sign, no spaces, at most 2^64-1. memcached's safe_strtoull
// rules where it is stricter or laxer are in the .c.
bool ascii_parse_u64(struct slice text, uint64_t *v);

// The frame in front of every UDP datagram (protocol.txt, "UDP protocol").
#define UDP_FRAME_LEN 8
#define UDP_DATAGRAM_MAX 1400 // frame and payload; clients rely on this cut
#define UDP_PAYLOAD_MAX (UDP_DATAGRAM_MAX - UDP_FRAME_LEN)

struct udp_frame {
	uint16_t request_id;
	uint16_t seq; // number of this datagram, from 0
	uint16_t total; // datagrams of this message
};

// False: too short, or a request of more than one datagram. Such is dropped
// without a reply, as memcached does since 1.6.8.
bool udp_frame_parse(struct udp_frame *f, const uint8_t *buf, size_t len);
void udp_frame_format(uint8_t dst[UDP_FRAME_LEN], const struct udp_frame *f);
