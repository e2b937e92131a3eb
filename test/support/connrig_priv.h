// SPDX-License-Identifier: BSD-3-Clause
// Inside the rig of connrig.h: between its clients and its turns
#pragma once

#include "support/connrig.h"

// Fill the burst with what the clients may send now.
void connrig_pump(struct connrig *r);
// A frame that the server sent.
void connrig_deliver(struct connrig *r, const struct rte_mbuf *m);
void connrig_store_check(struct connrig *r);
