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
//                       PARSE_MORE  no complete line yet. When the buffer is full, it
//                                   is a get-family line: see ascii_parse_piece.
//                       PARSE_CLOSE nothing sensible can follow: close, no reply.
//
// The replies are those of memcached 1.6.18, byte for byte (protocol.txt). One rule is
// made independent of how the bytes arrive: memcached closes when 2049 bytes came
// without a line end, so that a longer line with its end in the same read slips
// through; here the line's length alone decides. gat and gats may be as long as get.
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
	OP_LRU_CRAWLER,
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

	bool more; // get family: a further piece of this line follows, no END yet
	bool hashed; // private to lib/cmd: hash is that of key
	uint64_t hash;
	struct cmd_walk *walk; // lib/cmd's (see there); NULL after parsing

	// get, gets, gat, gats: the keys, walked with request_next_key. All of them
	// have been checked, so a paused walk can go on at args later.
	// stats, lru_crawler: the sub-command and its arguments, trimmed.
	struct slice args;

	struct slice key; // len 1..250; get family: the first key, len 0 when args has none
	uint32_t client_flags; // storage
	int32_t exptime; // storage, touch, gat, flush_all: as sent, see protocol.txt
	uint32_t vlen; // storage: bytes of the data block without its CRLF
	uint64_t cas; // cas: the unique the client saw
	uint64_t delta; // incr, decr; verbosity: the level
	bool has_exptime; // flush_all: a delay was given

	const char *error; // PARSE_BAD: the reply line without "\r\n"
};

enum parse_status ascii_parse(struct request *req, const uint8_t *buf, size_t len);

// Take the next key of a get-family request off req->args. False at the end.
bool request_next_key(struct request *req, struct slice *key);

// A get-family line that is longer than the caller can buffer is run in pieces.
// ascii_parse_piece takes a buffer that holds the beginning of the line, without its
// end; ascii_parse_rest takes what follows, with the same *req, until *last.
// Both: *consumed is how many bytes of buf are spent once *req has run; the unspent
// ones (at most one unfinished key) stay in front of what arrives next.
//
//   PARSE_OK    run *req: the complete keys of this piece (none is possible). req->more
//               is set but for the last piece, so that cmd_run writes no END yet.
//   PARSE_MORE  nothing to run; drop *consumed bytes and bring more.
//   PARSE_BAD   *last is true: reply req->error, drop *consumed bytes, the line is over.
//               A bad key in an earlier piece shows here, when the line's end came.
//   PARSE_CLOSE (ascii_parse_piece) not a get-family line.
//
// The first piece must be long enough for the exptime of a gat. Of a line that is run in
// pieces, keys in front of a bad one may have been answered before the error.
enum parse_status ascii_parse_piece(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed);
enum parse_status ascii_parse_rest(
	struct request *req, const uint8_t *buf, size_t len, size_t *consumed, bool *last);

// "VALUE <key> <flags> <bytes>[ <cas>]\r\n" into dst, at most VALUE_HEAD_MAX
// bytes; returns the length. The caller appends the value and its CRLF.
#define VALUE_HEAD_MAX (6 + KEY_LEN_MAX + 1 + 10 + 1 + 10 + 1 + 20 + 2)
uint32_t ascii_format_value_head(uint8_t *dst, struct slice key, uint32_t client_flags,
	uint32_t vlen, bool with_cas, uint64_t cas);

// Decimal digits of v into dst (at most 20); returns how many.
uint32_t ascii_format_u64(uint8_t *dst, uint64_t v);

// A run of decimal digits and nothing else, at most 2^64-1.
bool ascii_parse_u64(struct slice text, uint64_t *v);

// An argument as memcached reads one into 32 bits: a sign and white space in front are
// fine, so is anything behind white space, and only the low 32 bits of a larger number
// count.
bool ascii_parse_u32(struct slice text, uint32_t *v);

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
// The first key of a datagram that holds one get or gets command and nothing else: for those who
// must know before the request is parsed. False: it is something else, or unusual in any way.
bool udp_get_key(const uint8_t *buf, size_t len, struct slice *key);
void udp_frame_format(uint8_t dst[UDP_FRAME_LEN], const struct udp_frame *f);
