// SPDX-License-Identifier: BSD-3-Clause
// The tcbs of an instance, and the hash table that finds them

#include "tcp/tcp_priv.h"

#include "base/hotpath.h"

uint32_t tcp_flow_hash(const struct tcp *tcp, const struct net_path *path, uint16_t local_port,
	uint16_t remote_port)
{
	uint8_t id[12];

	memcpy(id, &path->local, 4);
	memcpy(id + 4, &path->remote, 4);
	memcpy(id + 8, &local_port, 2);
	memcpy(id + 10, &remote_port, 2);
	return (uint32_t)siphash13(&tcp->table_key, id, sizeof(id));
}

// Where a chain has several tcbs, the newest is as good as any.
static void prefetch_tcb(const struct tcb *tcb)
{
	for (unsigned line = 0; tcb && line < TCB_LINES_HOT; line++)
		rte_prefetch0((const uint8_t *)tcb + RTE_CACHE_LINE_SIZE * line);
}

void tcp_prefetch(struct tcp *tcp, struct net_pkt *pkt, unsigned n)
{
	unsigned segments = 0;

	for (unsigned i = 0; i < n; i++) {
		if (pkt[i].ip_proto != HDR_PROTO_TCP)
			continue;
		pkt[i].flow_hash =
			tcp_flow_hash(tcp, &pkt[i].path, pkt[i].dst_port, pkt[i].src_port);
		pkt[i].hashed = true;
		rte_prefetch0(&tcp->table[pkt[i].flow_hash & tcp->table_mask]);
		segments++;
	}
	for (unsigned i = 0; i < n && segments > 0; i++)
		if (pkt[i].hashed)
			prefetch_tcb(tcp->table[pkt[i].flow_hash & tcp->table_mask]);
}

struct tcb *tcp_table_find(const struct tcp *tcp, uint32_t hash, const struct net_pkt *pkt)
{
	struct tcb *tcb = tcp->table[hash & tcp->table_mask];

	// As long as a secret key makes it: one on average, conn_count_max at most.
	for (; tcb; tcb = tcb->hash_next)
		if (tcb->hash == hash && tcb->path.remote == pkt->path.remote &&
			tcb->remote_port == pkt->src_port && tcb->local_port == pkt->dst_port &&
			tcb->path.local == pkt->path.local)
			return tcb;
	return NULL;
}

bool tcp_walk(
	const struct tcp *tcp, uint64_t *cursor, uint32_t slot_count, tcp_walk_fn *fn, void *arg)
{
	uint64_t conns = (uint64_t)tcp->table_mask + 1, end = conns + tcp->tw_mask + 1;

	for (; slot_count > 0 && *cursor < end; slot_count--, (*cursor)++) {
		if (*cursor < conns) {
			for (const struct tcb *t = tcp->table[*cursor]; t; t = t->hash_next) {
				struct tcp_peer peer = tcp_peer(t);

				fn(arg, &peer);
			}
		} else {
			tcp_time_wait_walk(tcp, (uint32_t)(*cursor - conns), fn, arg);
		}
	}
	return *cursor == end;
}

bool tcb_in_use(const struct tcp *tcp, uint32_t idx)
{
	return tcp->used[idx / 64] >> (idx % 64) & 1;
}

struct tcb *tcb_alloc(struct tcp *tcp)
{
	struct tcb *tcb = pool_get(&tcp->tcbs);
	uint32_t idx;

	if (!tcb)
		return NULL;
	memset(tcb, 0, sizeof(*tcb));
	idx = pool_index(&tcp->tcbs, tcb);
	tcp->used[idx / 64] |= 1ULL << (idx % 64);
	chunkq_init(&tcb->sndq, &tcp->chunks);
	tcp_count(tcp, TCP_STAT_curr_connections);
	return tcb;
}

void tcp_table_insert(struct tcp *tcp, struct tcb *tcb)
{
	struct tcb **slot = &tcp->table[tcb->hash & tcp->table_mask];

	DCHECK(!tcb->in_table);
	tcb->in_table = true;
	tcb->hash_next = *slot;
	*slot = tcb;
}

void tcp_table_remove(struct tcp *tcp, struct tcb *tcb)
{
	struct tcb **slot = &tcp->table[tcb->hash & tcp->table_mask];

	DCHECK(tcb->in_table);
	while (*slot != tcb)
		slot = &(*slot)->hash_next;
	*slot = tcb->hash_next;
	tcb->hash_next = NULL;
	tcb->in_table = false;
}

void tcb_free(struct tcp *tcp, struct tcb *tcb)
{
	uint32_t idx = pool_index(&tcp->tcbs, tcb);

	DCHECK(!tcb->in_table && !tcb->user);
	link_remove(&tcb->ready);
	link_remove(&tcb->work);
	wheel_cancel(&tcp->wheel, &tcb->wheel);
	tcb_rcvq_clear(tcb);
	tcb_ooo_clear(tcb);
	chunkq_clear(&tcb->sndq);
	tcp->used[idx / 64] &= ~(1ULL << (idx % 64));
	stat_dec(&tcp->stats[TCP_STAT_curr_connections]);
	pool_put(&tcp->tcbs, tcb);
}

void tcp_log_closed(struct tcp *tcp, const struct tcp_peer *peer)
{
	if (!tcp->closed)
		return;
	if (tcp->closed_count == tcp->closed_size) {
		tcp_count(tcp, TCP_STAT_closed_log_lost);
		return;
	}
	tcp->closed[(tcp->closed_first + tcp->closed_count++) % tcp->closed_size] = *peer;
}

unsigned tcp_take_closed(struct tcp *tcp, struct tcp_peer *peer, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && tcp->closed_count > 0; i++) {
		peer[i] = tcp->closed[tcp->closed_first];
		tcp->closed_first = (tcp->closed_first + 1) % tcp->closed_size;
		tcp->closed_count--;
	}
	return i;
}
