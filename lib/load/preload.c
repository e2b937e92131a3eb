// SPDX-License-Identifier: BSD-3-Clause
// Filling the server: set until stored, then read back

#include "load/preload.h"

#include <errno.h>
#include <stdlib.h>

enum { TO_STORE, STORING, TO_VERIFY, VERIFYING, THROUGH };

#define SEARCH_MAX 4096 // keys looked at in one call

int preload_init(struct preload *p, uint32_t total, uint32_t idx, uint32_t threads, bool verify)
{
	*p = (struct preload){.first = idx, .step = threads, .verify = verify, .version = 1};
	p->count = idx < total ? (total - idx + threads - 1) / threads : 0;
	p->to_store = p->count;
	p->state = calloc(p->count + 1U, 1);
	return p->state ? 0 : -ENOMEM;
}

void preload_free(struct preload *p)
{
	free(p->state);
	p->state = NULL;
}

bool preload_next(struct preload *p, struct load_request *req)
{
	uint8_t wanted = p->to_store > 0 ? TO_STORE : TO_VERIFY;

	if (preload_finished(p))
		return false;
	for (unsigned i = 0; i < SEARCH_MAX; i++) {
		uint32_t k = p->at;

		p->at = p->at + 1 < p->count ? p->at + 1 : 0;
		if (p->state[k] != wanted)
			continue;
		p->state[k]++;
		req->op = wanted == TO_STORE ? LOAD_SET : LOAD_GET;
		req->key_count = 1;
		req->key[0] = p->first + k * p->step;
		req->version = p->version;
		return true;
	}
	return false;
}

// Through with storing; what does not fit in the server would be evicted meanwhile.
static void stored(struct preload *p, uint32_t k)
{
	p->state[k] = p->verify ? TO_VERIFY : THROUGH;
	p->to_store--;
	p->to_verify += p->verify;
}

static void verified(struct preload *p, uint32_t k)
{
	p->state[k] = THROUGH;
	p->to_verify--;
}

void preload_finish(struct preload *p, enum load_op op, uint32_t key, enum load_outcome outcome)
{
	uint32_t k = (key - p->first) / p->step;

	if (op == LOAD_SET && outcome == LOAD_STORED) {
		stored(p, k);
	} else if (op == LOAD_GET && outcome == LOAD_HIT) {
		verified(p, k);
	} else if (op == LOAD_GET && outcome == LOAD_MISS) {
		p->vanished++;
		verified(p, k);
	} else if (op == LOAD_GET && (outcome == LOAD_ERR_VALUE || outcome == LOAD_ERR_KEY)) {
		p->wrong++;
		verified(p, k);
	} else {
		p->state[k]--;
		p->retries++;
		p->last_failure = outcome;
		p->given_up = ++p->failures_in_row >= PRELOAD_FAILURES_MAX;
		return;
	}
	p->failures_in_row = 0;
}

bool preload_finished(const struct preload *p)
{
	return p->given_up || (p->to_store == 0 && p->to_verify == 0);
}
