// SPDX-License-Identifier: BSD-3-Clause
// The connection state machine of a TCP stream: memcached's drive_machine over our TCP
//
// States and what is true in each. memcached's conn_listening has its counterpart in
// TCP's LISTEN; conn_watch and conn_io_queue belong to features that are not here.
//
//   CONN_CLOSED     no connection; the slot is free
//   CONN_NEW_CMD    between two commands; nothing of the next one was looked at
//   CONN_WAITING    no complete command in the input; runs again when data comes
//   CONN_READ       data came, or the peer's FIN
//   CONN_PARSE_CMD  the input starts with a command line, perhaps an unfinished one
//   CONN_NREAD      a storage command's line is parsed, its data block is not complete
//   CONN_SWALLOW    the data block of a refused command is thrown away
//   CONN_MWRITE     a reply waits for room: out_limit, or the chunk pool is empty; or a
//                   walk over all items for its next turn
//   CONN_CLOSING    no more commands; what is queued is sent, then FIN
//
// Transitions and the function that makes each:
//
//   CLOSED    -> NEW_CMD    [conn_open]        handshake done
//   CLOSED    -> CLOSING    [conn_open]        too many connections
//   NEW_CMD   -> PARSE_CMD  [drive_new_cmd]    there is input
//   NEW_CMD   -> WAITING    [drive_new_cmd]    there is none
//   WAITING   -> READ       [drive_waiting]    data or FIN came
//   READ      -> PARSE_CMD  [drive_read]       data
//   READ      -> CLOSING    [drive_read]       FIN and nothing left to parse
//   PARSE_CMD -> NEW_CMD    [drive_parse_cmd]  command run
//   PARSE_CMD -> WAITING    [drive_parse_cmd]  line not complete
//   PARSE_CMD -> NREAD      [drive_parse_cmd]  storage command
//   PARSE_CMD -> SWALLOW    [drive_parse_cmd]  storage command refused
//   PARSE_CMD -> MWRITE     [drive_parse_cmd]  reply does not fit now
//   PARSE_CMD -> CLOSING    [drive_parse_cmd]  quit, HTTP, endless line, other protocol
//   NREAD     -> NEW_CMD    [conn_store_whole, conn_store_part] stored, or a clear refusal
//   NREAD     -> SWALLOW    [drive_nread]      out of memory, or refused
//   NREAD     -> CLOSING    [drive_nread]      FIN inside the data block
//   SWALLOW   -> NEW_CMD    [drive_swallow]    block gone
//   SWALLOW   -> CLOSING    [drive_swallow]    FIN inside it
//   MWRITE    -> PARSE_CMD  [drive_mwrite]     room again; a get goes on where it paused
//   any       -> CLOSED     [conn_close_now]   reset, timed out, or released after CLOSING
//
// An unfinished command stays in TCP's receive queue and is parsed again when more
// came: a connection that is not inside a large value holds no memory of its own.

#include "conn/conn_priv.h"

#include <string.h>

#include "base/check.h"

#include "base/hotpath.h"

// What a step of the machine says: go on in the new state, or wait for an event.
enum step { STEP_GO, STEP_WAIT };

static const uint16_t conn_edges[] = {
	[CONN_CLOSED] = 1 << CONN_NEW_CMD | 1 << CONN_CLOSING,
	[CONN_NEW_CMD] = 1 << CONN_PARSE_CMD | 1 << CONN_WAITING,
	[CONN_WAITING] = 1 << CONN_READ,
	[CONN_READ] = 1 << CONN_PARSE_CMD | 1 << CONN_CLOSING,
	[CONN_PARSE_CMD] = 1 << CONN_NEW_CMD | 1 << CONN_WAITING | 1 << CONN_NREAD |
			   1 << CONN_SWALLOW | 1 << CONN_MWRITE | 1 << CONN_CLOSING,
	[CONN_NREAD] = 1 << CONN_NEW_CMD | 1 << CONN_SWALLOW | 1 << CONN_CLOSING,
	[CONN_SWALLOW] = 1 << CONN_NEW_CMD | 1 << CONN_CLOSING,
	[CONN_MWRITE] = 1 << CONN_PARSE_CMD,
	[CONN_CLOSING] = 0,
};

static void conn_set_state(struct conn *c, enum conn_state to)
{
	DCHECK(conn_edges[c->state] & (1u << to));
	c->state = to;
}

static void conn_take(struct conns *cs, struct conn *c, uint32_t n)
{
	tcp_consume(cs->tcp, c->tcb, n);
	CONN_ADD(cs, bytes_read, n);
	c->scanned = c->scanned > n ? c->scanned - n : 0;
}

// No more commands from this client, for whatever reason: read no further.
static enum step conn_end(struct conns *cs, struct conn *c)
{
	conn_take(cs, c, tcp_readable(c->tcb));
	conn_set_state(c, CONN_CLOSING);
	return STEP_GO;
}

static void conn_open(struct conns *cs, struct conn *c, struct tcb *tcb)
{
	uint32_t open_count =
		atomic_fetch_add_explicit(cs->conf.open_count, 1, memory_order_relaxed);

	DCHECK(c->state == CONN_CLOSED && !c->lng);
	*c = (struct conn){
		.tcb = tcb,
		.active_s = store_now_s(cs->store),
		.queued = c->queued,
		.next = c->next,
	};
	tcp_send_queue(tcb)->ref_min = cs->conf.ref_min_bytes;
	CONN_COUNT(cs, curr_connections);
	CONN_COUNT(cs, total_connections);
	conn_set_state(c, open_count < cs->conf.max_connections ? CONN_NEW_CMD : CONN_CLOSING);
	// With its state: the first command may come in the same burst, and ask who is there.
	conn_face_open(cs, c);
	if (c->state == CONN_NEW_CMD)
		return;
	CONN_COUNT(cs, rejected_connections);
	cmd_reply_line(tcp_send_queue(tcb), "ERROR Too many open connections", false);
	CONN_ADD(cs, bytes_written, tcp_send_queue(tcb)->len);
}

void conn_close_now(struct conns *cs, struct conn *c, bool reset, uint64_t now_us)
{
	if (c->lng) {
		if (!c->lng->is_get)
			store_put_abort(cs->store, &c->lng->put);
		pool_put(&cs->longs, c->lng);
		c->lng = NULL;
	}
	cmd_walk_end(cs->cmd, &c->walk);
	conn_face_close(cs, c);
	if (reset)
		tcp_abort(cs->tcp, c->tcb, now_us);
	else
		conn_unpin(cs, c); // nobody watches it from now on
	tcp_release(cs->tcp, c->tcb, now_us);
	c->tcb = NULL;
	c->state = CONN_CLOSED;
	stat_dec(&cs->stat[CONN_STAT_curr_connections]);
	atomic_fetch_sub_explicit(cs->conf.open_count, 1, memory_order_relaxed);
}

void conn_close_fin(struct conns *cs, struct conn *c, uint64_t now_us)
{
	// Input nobody will read would turn the close into a reset.
	conn_take(cs, c, tcp_readable(c->tcb));
	tcp_close(cs->tcp, c->tcb, now_us);
	conn_close_now(cs, c, false, now_us);
}

void conn_queue_work(struct conns *cs, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->next = NULL;
	*cs->work_tail = c;
	cs->work_tail = &c->next;
}

static enum step drive_new_cmd(struct conns *cs, struct conn *c)
{
	conn_set_state(c, tcp_readable(c->tcb) ? CONN_PARSE_CMD : CONN_WAITING);
	return STEP_GO;
}

static enum step drive_waiting(struct conns *cs, struct conn *c)
{
	// scanned bytes were looked at before: only more of them, or the end, is news.
	if (tcp_readable(c->tcb) <= c->scanned && !c->eof)
		return STEP_WAIT;
	conn_set_state(c, CONN_READ);
	return STEP_GO;
}

static enum step drive_read(struct conns *cs, struct conn *c)
{
	if (tcp_readable(c->tcb) > c->scanned) {
		conn_set_state(c, CONN_PARSE_CMD);
		return STEP_GO;
	}
	return conn_end(cs, c);
}

// The input's first bytes in one piece: in place where they are contiguous.
static struct slice conn_input(struct conns *cs, struct conn *c, uint32_t max)
{
	struct slice first = tcp_peek(c->tcb);
	uint32_t n = tcp_readable(c->tcb);

	if (n > max)
		n = max;
	if (first.len >= n || memchr(first.p, '\n', first.len))
		return first;
	tcp_copy(c->tcb, 0, cs->line, n);
	return (struct slice){cs->line, n};
}

// True when the bytes after c->scanned hold a line end; else remembers them as seen.
static bool conn_line_ends(struct conns *cs, struct conn *c)
{
	uint32_t have = tcp_readable(c->tcb);
	uint8_t part[512];

	while (c->scanned < have) {
		uint32_t n = have - c->scanned;

		if (n > sizeof(part))
			n = sizeof(part);
		tcp_copy(c->tcb, c->scanned, part, n);
		if (memchr(part, '\n', n))
			return true;
		c->scanned += n;
	}
	return false;
}

// The chunk pool is too empty for any reply: try again in the next turn.
static enum step conn_wait_memory(struct conns *cs, struct conn *c)
{
	CONN_COUNT(cs, blocked);
	conn_queue_work(cs, c);
	return STEP_WAIT;
}

// The same, or no long command is free, while a command is parsed.
static enum step conn_block(struct conns *cs, struct conn *c)
{
	conn_set_state(c, CONN_MWRITE);
	return conn_wait_memory(cs, c);
}

static enum step conn_skip_block(struct conns *cs, struct conn *c, const struct request *req)
{
	conn_take(cs, c, req->line_len);
	c->swallow_left = req->vlen + 2;
	conn_set_state(c, CONN_SWALLOW);
	return STEP_GO;
}

// After cmd_run of the command at the front of the input. take: its bytes.
static enum step conn_ran(struct conns *cs, struct conn *c, const struct request *req,
	const uint8_t *input, uint32_t take, enum cmd_status status)
{
	if (status == CMD_DONE) {
		c->get_off = 0;
		conn_take(cs, c, take);
		conn_set_state(c, CONN_NEW_CMD);
		return STEP_GO;
	}
	if (status == CMD_CLOSE)
		return conn_end(cs, c);
	if (op_is_get(req->op))
		c->get_off = (uint32_t)(req->args.p - input);
	if (status == CMD_BLOCKED)
		return conn_block(cs, c);
	if (status == CMD_YIELD)
		conn_queue_work(cs, c);
	else
		DCHECK(status == CMD_PAUSED);
	conn_set_state(c, CONN_MWRITE);
	return STEP_WAIT;
}

// A paused get goes on at the first key that has no answer yet.
static void conn_skip_keys(const struct conn *c, struct request *req, const uint8_t *input)
{
	if (c->get_off) {
		const uint8_t *end = req->args.p + req->args.len;

		req->args.p = input + c->get_off;
		req->args.len = (size_t)(end - req->args.p);
	}
}

static struct conn_long *conn_long_get(struct conns *cs, bool is_get)
{
	struct conn_long *lng = pool_get(&cs->longs);

	if (!lng) {
		CONN_COUNT(cs, long_waits);
		return NULL;
	}
	lng->is_get = is_get;
	lng->started = false;
	lng->crlf_have = 0;
	lng->crlf_ok = true;
	return lng;
}

static void conn_long_put(struct conns *cs, struct conn *c)
{
	pool_put(&cs->longs, c->lng);
	c->lng = NULL;
}

// Move n bytes of the data block from offset off of the input into the record.
static bool conn_fill(
	struct conns *cs, struct conn *c, struct store_put *put, uint32_t off, uint32_t n)
{
	while (n > 0) {
		uint8_t *room;
		size_t len;

		if (!store_put_room(cs->store, put, &room, &len))
			return false;
		if (len > n)
			len = n;
		tcp_copy(c->tcb, off, room, (uint32_t)len);
		store_put_wrote(put, len);
		off += (uint32_t)len;
		n -= (uint32_t)len;
	}
	return true;
}

// Line and data block are all there: store, answer.
static enum step conn_store_whole(struct conns *cs, struct conn *c, struct request *req)
{
	struct chunkq *out = tcp_send_queue(c->tcb);
	struct store_put put;
	uint8_t crlf[2];

	if (!chunkq_has_room(out, CHUNK_ROOM))
		return conn_wait_memory(cs, c);
	if (cmd_put_begin(cs->cmd, req, &put, out) == CMD_SWALLOW)
		return conn_skip_block(cs, c, req);
	tcp_copy(c->tcb, req->line_len + req->vlen, crlf, 2);
	if (conn_fill(cs, c, &put, req->line_len, req->vlen))
		cmd_put_end(cs->cmd, req, &put, crlf[0] == '\r' && crlf[1] == '\n', out);
	else
		cmd_put_no_memory(cs->cmd, req, &put, out);
	conn_take(cs, c, c->need);
	conn_set_state(c, CONN_NEW_CMD);
	return STEP_GO;
}

// A storage command whose line is at the front of the input. Values of one record
// are taken when they are complete (lib/store's rule); larger ones as they come.
static enum step conn_start_store(struct conns *cs, struct conn *c, struct request *req)
{
	struct chunkq *out = tcp_send_queue(c->tcb);

	if (req->vlen <= STORE_FRAGMENT_LEN) {
		c->need = req->line_len + req->vlen + 2;
		conn_set_state(c, CONN_NREAD);
		return tcp_readable(c->tcb) >= c->need ? conn_store_whole(cs, c, req) : STEP_GO;
	}
	if (!chunkq_has_room(out, CHUNK_ROOM))
		return conn_block(cs, c);
	c->lng = conn_long_get(cs, false);
	if (!c->lng)
		return conn_block(cs, c);
	if (cmd_put_begin(cs->cmd, req, &c->lng->put, out) == CMD_SWALLOW) {
		conn_long_put(cs, c);
		return conn_skip_block(cs, c, req);
	}
	c->lng->req = *req;
	c->lng->req.key.p = c->lng->put.key;
	conn_take(cs, c, req->line_len);
	conn_set_state(c, CONN_NREAD);
	return STEP_GO;
}

// A get line longer than CONN_LINE_MAX: its keys are answered in pieces as they come.
// A piece that must pause is parsed again later, from the request as it was before.
static enum step conn_run_long_get(struct conns *cs, struct conn *c)
{
	struct slice in = conn_input(cs, c, CONN_LINE_MAX);
	struct request req;
	enum parse_status parsed;
	enum cmd_status status = CMD_DONE;
	enum step step;
	size_t consumed = 0;
	bool last = false;

	if (!c->lng) {
		c->lng = conn_long_get(cs, true);
		if (!c->lng)
			return conn_block(cs, c);
	}
	req = c->lng->req;
	if (in.len > CONN_LINE_MAX)
		in.len = CONN_LINE_MAX;
	parsed = c->lng->started ? ascii_parse_rest(&req, in.p, in.len, &consumed, &last)
				 : ascii_parse_piece(&req, in.p, in.len, &consumed);
	if (parsed == PARSE_CLOSE) {
		CONN_COUNT(cs, closed_bad_line);
		return conn_end(cs, c);
	}
	if (parsed == PARSE_BAD) {
		c->get_off = 0;
		if (!cmd_reply_line(tcp_send_queue(c->tcb), req.error, req.noreply))
			return conn_block(cs, c);
	}
	if (parsed == PARSE_OK) {
		conn_skip_keys(c, &req, in.p);
		status = cmd_run(cs->cmd, &req, tcp_send_queue(c->tcb), cs->conf.out_limit);
	}
	step = conn_ran(cs, c, &req, in.p, (uint32_t)consumed, status);
	if (status != CMD_DONE)
		return step;
	c->scanned = 0;
	c->lng->req = req;
	c->lng->started = true;
	if (last) {
		conn_long_put(cs, c);
	} else if (parsed == PARSE_MORE) {
		// Of a line with a bad key all that was looked at is gone, and more may be there.
		c->scanned = consumed ? 0 : tcp_readable(c->tcb);
		conn_set_state(c, CONN_PARSE_CMD);
		conn_set_state(c, CONN_WAITING);
	}
	return step;
}

static enum step conn_bad_line(struct conns *cs, struct conn *c, const struct request *req)
{
	if (!cmd_reply_line(tcp_send_queue(c->tcb), req->error, req->noreply))
		return conn_block(cs, c);
	conn_take(cs, c, req->line_len);
	conn_set_state(c, CONN_NEW_CMD);
	return STEP_GO;
}

// The first byte of a connection decides. What we do not speak is closed without a
// word: a client of that protocol would not understand a text.
static bool conn_detect(struct conns *cs, struct conn *c, uint8_t first_byte)
{
	c->detected = true;
	if (proto_detect(first_byte) == PROTO_ASCII)
		return true;
	CONN_COUNT(cs, closed_protocol);
	return false;
}

// The line is not complete: wait for more, or start to run an over-long get line.
static enum step conn_unfinished(struct conns *cs, struct conn *c)
{
	if (!conn_line_ends(cs, c) && c->scanned < CONN_LINE_MAX) {
		conn_set_state(c, CONN_WAITING);
		return STEP_GO;
	}
	return conn_run_long_get(cs, c);
}

// A whole command line is at the front of the input, and parsed.
static enum step conn_run(
	struct conns *cs, struct conn *c, struct request *req, const uint8_t *input)
{
	struct chunkq *out = tcp_send_queue(c->tcb);
	enum cmd_status status;

	if (op_is_store(req->op))
		return conn_start_store(cs, c, req);
	conn_skip_keys(c, req, input);
	req->walk = &c->walk;
	if (conn_is_list(req))
		status = conn_list_run(cs, req, out);
	else
		status = cmd_run(cs->cmd, req, out, cs->conf.out_limit);
	return conn_ran(cs, c, req, input, req->line_len, status);
}

static enum step drive_parse_cmd(struct conns *cs, struct conn *c)
{
	struct request req, *ahead;
	struct slice in;

	if (tcp_send_queue(c->tcb)->len >= cs->conf.out_limit) {
		conn_set_state(c, CONN_MWRITE);
		return STEP_WAIT;
	}
	if (c->lng)
		return conn_run_long_get(cs, c);
	in = tcp_peek(c->tcb);
	ahead = conn_ahead_take(cs, in.p);
	if (ahead)
		return conn_run(cs, c, ahead, in.p);
	in = conn_input(cs, c, CONN_LINE_MAX);
	if (!c->detected && !conn_detect(cs, c, in.p[0]))
		return conn_end(cs, c);
	switch (ascii_parse(&req, in.p, in.len)) {
	case PARSE_OK:
		return conn_run(cs, c, &req, in.p);
	case PARSE_BAD:
		return conn_bad_line(cs, c, &req);
	case PARSE_MORE:
		return conn_unfinished(cs, c);
	case PARSE_CLOSE:
		break;
	}
	CONN_COUNT(cs, closed_bad_line);
	return conn_end(cs, c);
}

// The final CRLF of a large value, which may come in two segments.
static bool conn_take_crlf(struct conns *cs, struct conn *c)
{
	static const uint8_t crlf[2] = "\r\n";
	struct conn_long *lng = c->lng;

	while (lng->crlf_have < 2 && tcp_readable(c->tcb)) {
		uint8_t b;

		tcp_copy(c->tcb, 0, &b, 1);
		lng->crlf_ok = lng->crlf_ok && b == crlf[lng->crlf_have];
		lng->crlf_have++;
		conn_take(cs, c, 1);
	}
	return lng->crlf_have == 2;
}

// A large value: move what came into its fragments.
static enum step conn_store_part(struct conns *cs, struct conn *c)
{
	struct chunkq *out = tcp_send_queue(c->tcb);
	struct conn_long *lng = c->lng;
	uint32_t before = lng->put.written, left = lng->put.vlen - before;
	uint32_t n = tcp_readable(c->tcb);
	bool filled;

	if (!chunkq_has_room(out, CHUNK_ROOM))
		return conn_wait_memory(cs, c);
	if (n > left)
		n = left;
	filled = conn_fill(cs, c, &lng->put, 0, n);
	conn_take(cs, c, lng->put.written - before);
	if (n > 0)
		c->active_s = store_now_s(cs->store);
	if (!filled) {
		c->swallow_left = lng->put.vlen - lng->put.written + 2;
		cmd_put_no_memory(cs->cmd, &lng->req, &lng->put, out);
		conn_long_put(cs, c);
		conn_set_state(c, CONN_SWALLOW);
		return STEP_GO;
	}
	if (lng->put.written < lng->put.vlen || !conn_take_crlf(cs, c))
		return STEP_WAIT;
	cmd_put_end(cs->cmd, &lng->req, &lng->put, lng->crlf_ok, out);
	conn_long_put(cs, c);
	conn_set_state(c, CONN_NEW_CMD);
	return STEP_GO;
}

// The data block came later than its line, which is parsed again.
static enum step conn_store_waited(struct conns *cs, struct conn *c)
{
	struct slice in = conn_input(cs, c, LINE_LEN_MAX + 1); // with its LF
	struct request req;

	CHECK(ascii_parse(&req, in.p, in.len) == PARSE_OK && op_is_store(req.op));
	return conn_store_whole(cs, c, &req);
}

static enum step drive_nread(struct conns *cs, struct conn *c)
{
	enum step step = STEP_WAIT;

	if (c->lng)
		step = conn_store_part(cs, c);
	else if (tcp_readable(c->tcb) >= c->need)
		step = conn_store_waited(cs, c);
	if (step == STEP_WAIT && c->state == CONN_NREAD && !c->queued && c->eof)
		return conn_end(cs, c);
	return step;
}

static enum step drive_swallow(struct conns *cs, struct conn *c)
{
	uint32_t n = tcp_readable(c->tcb);

	if (n > c->swallow_left)
		n = c->swallow_left;
	conn_take(cs, c, n);
	c->swallow_left -= n;
	if (n > 0)
		c->active_s = store_now_s(cs->store);
	if (c->swallow_left == 0) {
		conn_set_state(c, CONN_NEW_CMD);
		return STEP_GO;
	}
	return c->eof ? conn_end(cs, c) : STEP_WAIT;
}

static enum step drive_mwrite(struct conns *cs, struct conn *c)
{
	// Half of the limit: a slow reader does not make us run for every ACK.
	if (tcp_send_queue(c->tcb)->len > cs->conf.out_limit / 2)
		return STEP_WAIT;
	conn_set_state(c, CONN_PARSE_CMD);
	return STEP_GO;
}

void conn_drive(struct conns *cs, struct conn *c, uint64_t now_us)
{
	uint32_t budget = cs->conf.requests_per_event;
	uint32_t queued_before = tcp_send_queue(c->tcb)->len;
	enum step step = STEP_GO;

	while (step == STEP_GO && c->state != CONN_CLOSING) {
		switch (c->state) {
		case CONN_NEW_CMD:
			c->active_s = store_now_s(cs->store);
			if (budget == 0 && tcp_readable(c->tcb)) {
				CONN_COUNT(cs, conn_yields);
				conn_queue_work(cs, c);
				step = STEP_WAIT;
				break;
			}
			budget -= budget > 0;
			step = drive_new_cmd(cs, c);
			break;
		case CONN_WAITING:
			step = drive_waiting(cs, c);
			break;
		case CONN_READ:
			step = drive_read(cs, c);
			break;
		case CONN_PARSE_CMD:
			step = drive_parse_cmd(cs, c);
			break;
		case CONN_NREAD:
			step = drive_nread(cs, c);
			break;
		case CONN_SWALLOW:
			step = drive_swallow(cs, c);
			break;
		case CONN_MWRITE:
			step = drive_mwrite(cs, c);
			break;
		case CONN_CLOSED:
		case CONN_CLOSING:
			CHECK(false);
		}
	}
	// Nothing was acknowledged while we ran: the growth is what was written.
	CONN_ADD(cs, bytes_written, tcp_send_queue(c->tcb)->len - queued_before);
	if (c->state == CONN_CLOSING) {
		conn_close_fin(cs, c, now_us);
		return;
	}
	conn_face_seen(cs, c);
	tcp_output(cs->tcp, c->tcb, now_us);
}

void conn_events(struct conns *cs, struct conn *c, unsigned events, uint64_t now_us)
{
	if (events & TCP_EV_NEW)
		conn_open(cs, c, tcp_at(cs->tcp, (uint32_t)(c - cs->conn)));
	if (c->state == CONN_CLOSED)
		return;
	if (events & TCP_EV_EOF)
		c->eof = true;
	if (events & TCP_EV_SPACE)
		c->active_s = store_now_s(cs->store); // the reply is on its way
	if (events & TCP_EV_GONE) {
		conn_close_now(cs, c, false, now_us);
		return;
	}
	// It waits for its turn: what is new may be sent, no request is run out of turn.
	if (c->queued)
		tcp_output(cs->tcp, c->tcb, now_us);
	else
		conn_drive(cs, c, now_us);
}
