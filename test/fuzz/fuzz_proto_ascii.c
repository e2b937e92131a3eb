// SPDX-License-Identifier: BSD-3-Clause
// Fuzz: a buffer of pipelined commands through the parser, its laws checked at each step
//
// Laws: a request lies inside the buffer; keys are 1 to 250 bytes without a space; an error
// has a text; cutting one byte off a complete command makes it incomplete; a get line run
// in pieces gives the keys of the whole line.

#include "base/check.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice s, const uint8_t *p, size_t len)
{
	if (s.len > 0)
		CHECK(s.p >= p && s.p + s.len <= p + len);
}

static void check_key(struct slice key, const uint8_t *p, size_t len)
{
	check_inside(key, p, len);
	CHECK(key.len >= 1 && key.len <= KEY_LEN_MAX);
	CHECK(!memchr(key.p, ' ', key.len));
	CHECK(!memchr(key.p, '\n', key.len));
	CHECK(!memchr(key.p, '\0', key.len));
}

static void check_ok(struct request req, const uint8_t *p, size_t len)
{
	struct slice key, first = req.key;
	unsigned count = 0;

	check_inside(req.args, p, len);
	CHECK(req.op < OP_COUNT);
	CHECK(!req.more && !req.hashed);
	if (!op_is_get(req.op)) {
		if (req.op <= OP_TOUCH)
			check_key(req.key, p, len);
		CHECK(!op_is_store(req.op) || req.vlen <= VALUE_LEN_MAX);
		return;
	}
	CHECK(!req.noreply);
	while (request_next_key(&req, &key)) {
		check_key(key, p, len);
		CHECK(count++ > 0 || (key.p == first.p && key.len == first.len));
	}
	CHECK(count > 0 || first.len == 0);
}

// The same line in a buffer of room bytes, refilled as it is emptied.
static void check_pieces(struct request whole, const uint8_t *p, size_t len, size_t room)
{
	struct request req;
	struct slice want, key;
	size_t consumed;
	bool last = false;
	enum parse_status st = ascii_parse_piece(&req, p, room, &consumed);

	while (st != PARSE_CLOSE) {
		CHECK(st != PARSE_BAD && consumed <= room);
		while (st == PARSE_OK && request_next_key(&req, &key)) {
			CHECK(request_next_key(&whole, &want));
			CHECK(key.p == want.p && key.len == want.len);
		}
		if (last)
			break;
		p += consumed;
		len -= consumed;
		room = room > len ? len : room;
		st = ascii_parse_rest(&req, p, room, &consumed, &last);
		CHECK(consumed > 0 || room < len || last);
		if (consumed == 0)
			room++;
	}
	CHECK(st == PARSE_CLOSE || !request_next_key(&whole, &want));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		struct request req, cut;
		enum parse_status st = ascii_parse(&req, data, size);
		size_t n;

		if (st == PARSE_MORE || st == PARSE_CLOSE)
			break;
		CHECK(req.line_len > 0 && req.line_len <= size);
		CHECK(data[req.line_len - 1] == '\n');
		CHECK(ascii_parse(&cut, data, req.line_len - 1) == PARSE_MORE);
		CHECK(ascii_parse(&cut, data, req.line_len) == st);
		CHECK(cut.op == req.op && cut.line_len == req.line_len);
		if (st == PARSE_BAD) {
			CHECK(req.error && req.error[0]);
		} else {
			check_ok(req, data, req.line_len);
			n = req.line_len / 2;
			// The first piece has to hold the exptime of a gat.
			if (op_is_get(req.op) && n > (size_t)(req.args.p - data) &&
				!memchr(data, '\0', req.line_len))
				check_pieces(req, data, req.line_len, n);
		}
		n = req.line_len;
		if (st == PARSE_OK && op_is_store(req.op) && req.vlen < size - n)
			n += req.vlen;
		data += n;
		size -= n;
	}
	return 0;
}
