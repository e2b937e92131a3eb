// SPDX-License-Identifier: BSD-3-Clause
// Commands parsed ahead of their turn, so that the store's memory is under way when they run
//
// A GET reads two lines that are seldom in the cache: the bucket and the item. What the
// connections of a burst ask for is parsed first, all of it, each parse followed by a prefetch of
// its bucket; then, while they run in turn, the item of the command ITEMS_AHEAD places further
// on is fetched. Nothing else happens early: a command that is not reached in its turn (the
// connection yields, or ends) is parsed again when it is.

#include "conn/conn_priv.h"

#include "base/hotpath.h"

// Only what will be parsed as it stands: a command at the beginning, in place.
static bool may_look(const struct conn *c)
{
	return (c->state == CONN_WAITING || c->state == CONN_NEW_CMD) && c->detected && !c->lng &&
	       !c->queued;
}

void conn_ahead_add(struct conns *cs, const struct conn *c)
{
	uint32_t budget = cs->conf.requests_per_event;
	struct slice in;

	if (!may_look(c))
		return;
	in = tcp_peek(c->tcb);
	while (in.len > 0 && budget-- > 0 && cs->ahead_count < CONN_AHEAD_MAX) {
		struct conn_ahead *a = &cs->ahead[cs->ahead_count];
		size_t len;

		if (ascii_parse(&a->req, in.p, in.len) != PARSE_OK)
			return;
		a->at = in.p;
		cs->ahead_count++;
		cmd_prefetch_bucket(cs->cmd, &a->req);
		len = a->req.line_len;
		if (op_is_store(a->req.op))
			len += (size_t)a->req.vlen + 2;
		if (len > in.len)
			return;
		in.p += len;
		in.len -= len;
	}
}

static void prefetch_item(struct conns *cs, unsigned i)
{
	if (i < cs->ahead_count)
		cmd_prefetch_item(cs->cmd, &cs->ahead[i].req);
}

void conn_ahead_start(struct conns *cs)
{
	for (unsigned i = 0; i < CONN_ITEMS_AHEAD; i++)
		prefetch_item(cs, i);
}

struct request *conn_ahead_take(struct conns *cs, const uint8_t *at)
{
	unsigned i = cs->ahead_next;

	if (i >= cs->ahead_end || cs->ahead[i].at != at)
		return NULL;
	cs->ahead_next = i + 1;
	prefetch_item(cs, i + CONN_ITEMS_AHEAD);
	return &cs->ahead[i].req;
}
