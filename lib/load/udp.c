// SPDX-License-Identifier: BSD-3-Clause
// memcached over UDP as a client: numbering, matching, timeouts

#include "load/udp.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "load/assembly.h"
#include "load/mix.h"
#include "load/reply.h"

#define IDS 65536
#define SKIP_MAX 64 // places in use that one call passes over

enum slot_state { SLOT_EMPTY, SLOT_WAITING, SLOT_ANSWERED, SLOT_LOST };

struct slot {
	uint64_t number; // of the request, over all ports
	uint64_t due_ns, sent_ns;
	uint32_t assembly; // answers in pieces; 0: none
	uint16_t key_count;
	uint8_t state;
	uint8_t op;
	uint8_t book;
};

struct udp_client {
	struct udp_client_conf conf;
	struct gen *gen;
	uint32_t ids_kept; // slots of a port, a power of two
	uint64_t next, oldest; // numbers: of the next request, of the oldest that may wait
	uint32_t in_flight;
	struct assemblies *assemblies;
	struct slot *slot;
	uint32_t *key; // LOAD_MULTIGET at most per slot
	uint16_t keys_per_slot;
};

static uint32_t slot_of(const struct udp_client *c, uint64_t number)
{
	uint32_t id = (uint32_t)(number / c->conf.port_count);

	return (id & (c->ids_kept - 1)) * c->conf.port_count +
	       (uint32_t)(number % c->conf.port_count);
}

static uint16_t id_of(const struct udp_client *c, uint64_t number)
{
	return (uint16_t)(number / c->conf.port_count);
}

struct udp_client *udp_client_create(const struct udp_client_conf *conf, struct gen *gen)
{
	struct udp_client *c = calloc(1, sizeof(*c));
	size_t slots;

	if (!c)
		return NULL;
	c->conf = *conf;
	c->gen = gen;
	c->ids_kept = 64;
	while (c->ids_kept < IDS && c->ids_kept * conf->port_count < conf->in_flight_max)
		c->ids_kept *= 2;
	slots = (size_t)c->ids_kept * conf->port_count;
	c->keys_per_slot = gen->w->multiget;
	c->slot = calloc(slots, sizeof(*c->slot));
	c->key = calloc(slots * c->keys_per_slot, sizeof(*c->key));
	c->assemblies = assemblies_create(gen->w->reply_max, conf->datagram_max);
	// Ids differ from those of a run before, whose answers may still be on their way.
	c->next = c->oldest = (uint64_t)conf->port_count * (mix64(conf->seed) % IDS);
	if (!c->slot || !c->key || !c->assemblies) {
		udp_client_destroy(c);
		return NULL;
	}
	return c;
}

void udp_client_destroy(struct udp_client *c)
{
	if (!c)
		return;
	assemblies_destroy(c->assemblies);
	free(c->slot);
	free(c->key);
	free(c);
}

// A number whose slot is free. Slots that still wait are passed over: they are slower
// than the others.
static bool find_place(struct udp_client *c)
{
	for (unsigned i = 0; i < SKIP_MAX; i++, c->next++)
		if (c->slot[slot_of(c, c->next)].state != SLOT_WAITING)
			return true;
	return false;
}

uint32_t udp_client_next(
	struct udp_client *c, uint64_t now_ns, uint8_t *dst, uint16_t *port, uint32_t *ticket)
{
	struct load_request req;
	uint64_t due_ns;
	struct slot *s;
	uint32_t len;

	if (!find_place(c)) {
		gen_block(c->gen, now_ns);
		return 0;
	}
	if (!gen_next(c->gen, now_ns, c->in_flight, &req, &due_ns))
		return 0;
	*ticket = slot_of(c, c->next);
	*port = (uint16_t)(c->next % c->conf.port_count);
	store_be16(dst, id_of(c, c->next));
	store_be16(dst + 2, 0); // datagram 0
	store_be16(dst + 4, 1); // of 1
	store_be16(dst + 6, 0); // reserved
	len = UDP_CLIENT_FRAME_LEN + workload_format(c->gen->w, &req, dst + UDP_CLIENT_FRAME_LEN);
	s = &c->slot[*ticket];
	*s = (struct slot){
		.number = c->next,
		.due_ns = due_ns,
		.sent_ns = now_ns,
		.key_count = req.key_count,
		.state = SLOT_WAITING,
		.op = (uint8_t)req.op,
	};
	memcpy(&c->key[*ticket * c->keys_per_slot], req.key, req.key_count * sizeof(req.key[0]));
	s->book = (uint8_t)gen_sent(c->gen, &req, len, due_ns, now_ns);
	c->next++;
	c->in_flight++;
	return len;
}

void udp_client_resent(struct udp_client *c, uint32_t ticket, uint64_t now_ns)
{
	struct slot *s = &c->slot[ticket];

	if (s->state == SLOT_WAITING) {
		s->sent_ns = now_ns;
		tally_add(c->gen->book[s->book], LOAD_STAT_tx_full, 1);
	}
}

static void finish(struct udp_client *c, struct slot *s, enum load_outcome outcome,
	uint16_t keys_found, uint64_t now_ns)
{
	struct gen_end end = {
		.book = s->book,
		.op = s->op,
		.outcome = outcome,
		.key_count = s->key_count,
		.keys_found = keys_found,
		.first_key = c->key[(size_t)(s - c->slot) * c->keys_per_slot],
		.due_ns = s->due_ns,
		.sent_ns = s->sent_ns,
	};

	if (s->assembly) {
		if (outcome == LOAD_LOST)
			tally_add(c->gen->book[s->book], LOAD_STAT_incomplete, 1);
		assembly_release(c->assemblies, s->assembly);
		s->assembly = 0;
	}
	s->state = outcome == LOAD_LOST ? SLOT_LOST : SLOT_ANSWERED;
	c->in_flight--;
	gen_finish(c->gen, &end, now_ns);
}

// The whole answer, in n pieces.
static void check_answer(struct udp_client *c, struct slot *s, const struct slice *piece,
	unsigned n, uint64_t now_ns)
{
	enum reply_status status = REPLY_MORE;
	size_t taken = 0;
	struct reply r;
	unsigned i;

	reply_init(&r, c->gen->w, s->op, &c->key[(size_t)(s - c->slot) * c->keys_per_slot],
		s->key_count);
	for (i = 0; i < n && status == REPLY_MORE; i++)
		status = reply_feed(&r, piece[i].p, piece[i].len, &taken);
	// An answer ends where its last datagram ends.
	if (status != REPLY_DONE || i < n || taken < piece[n - 1].len)
		finish(c, s, LOAD_ERR_SYNTAX, 0, now_ns);
	else
		finish(c, s, reply_outcome(&r), r.found_count, now_ns);
}

static void input_piece(struct udp_client *c, struct slot *s, uint16_t seq, uint16_t total,
	const uint8_t *p, size_t len, uint64_t now_ns)
{
	struct slice piece[UDP_CLIENT_FRAGS_MAX];
	struct tally *t = c->gen->book[s->book];

	if (!s->assembly)
		s->assembly = assembly_take(c->assemblies, total);
	if (!s->assembly) {
		tally_add(t, LOAD_STAT_no_assembly, 1);
		return;
	}
	switch (assembly_add(c->assemblies, s->assembly, seq, total, p, len)) {
	case ASSEMBLY_MORE:
		return;
	case ASSEMBLY_DUPLICATE:
		tally_add(t, LOAD_STAT_duplicates, 1);
		return;
	case ASSEMBLY_BAD:
		tally_add(t, LOAD_STAT_bad_datagrams, 1);
		return;
	case ASSEMBLY_COMPLETE:
		assembly_pieces(c->assemblies, s->assembly, piece);
		check_answer(c, s, piece, total, now_ns);
		return;
	}
}

void udp_client_input(
	struct udp_client *c, uint16_t port, const uint8_t *p, size_t len, uint64_t now_ns)
{
	struct tally *t = c->gen->book[GEN_MEASURE];
	struct slice piece;
	uint16_t id, seq, total;
	struct slot *s;

	if (len <= UDP_CLIENT_FRAME_LEN || port >= c->conf.port_count || load_be16(p + 4) == 0 ||
		load_be16(p + 2) >= load_be16(p + 4)) {
		tally_add(t, LOAD_STAT_bad_datagrams, 1);
		return;
	}
	id = load_be16(p);
	seq = load_be16(p + 2);
	total = load_be16(p + 4);
	piece = (struct slice){p + UDP_CLIENT_FRAME_LEN, len - UDP_CLIENT_FRAME_LEN};
	s = &c->slot[(id & (c->ids_kept - 1)) * c->conf.port_count + port];
	if (s->state == SLOT_EMPTY || id_of(c, s->number) != id) {
		tally_add(t, LOAD_STAT_strays, 1);
		return;
	}
	t = c->gen->book[s->book];
	tally_add(t, LOAD_STAT_bytes_received, len);
	if (s->state == SLOT_ANSWERED)
		tally_add(t, LOAD_STAT_duplicates, 1);
	else if (s->state == SLOT_LOST)
		tally_add(t, LOAD_STAT_late_replies, 1);
	else if (total == 1 && !s->assembly)
		check_answer(c, s, &piece, 1, now_ns);
	else
		input_piece(c, s, seq, total, piece.p, piece.len, now_ns);
}

// The oldest number that still waits; numbers passed over or answered are left behind.
static struct slot *oldest_waiting(struct udp_client *c)
{
	for (; c->oldest < c->next; c->oldest++) {
		struct slot *s = &c->slot[slot_of(c, c->oldest)];

		if (s->number == c->oldest && s->state == SLOT_WAITING)
			return s;
	}
	return NULL;
}

void udp_client_expire(struct udp_client *c, uint64_t now_ns)
{
	struct slot *s;

	while ((s = oldest_waiting(c)) && now_ns >= s->sent_ns + c->conf.timeout_ns)
		finish(c, s, LOAD_LOST, 0, now_ns);
}

uint64_t udp_client_deadline_ns(const struct udp_client *c)
{
	const struct slot *s = &c->slot[slot_of(c, c->oldest)];

	if (c->in_flight == 0)
		return LOAD_NEVER_NS;
	// udp_client_expire has left c->oldest at a request that waits.
	return s->sent_ns + c->conf.timeout_ns;
}

uint32_t udp_client_in_flight(const struct udp_client *c)
{
	return c->in_flight;
}
