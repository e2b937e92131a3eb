// SPDX-License-Identifier: BSD-3-Clause
// Inside tcpc: header fields, and what sending and receiving share
#pragma once

#include "base/bytes.h"
#include "base/seq.h"
#include "load/load.h"
#include "load/tcpc.h"

#define TCPC_HEAD_LEN 20
#define TCPC_OPT_END 0
#define TCPC_OPT_NOP 1
#define TCPC_OPT_MSS 2
#define TCPC_MSS_DEFAULT 536 // RFC 9293 3.7.1: the peer says nothing

enum { TCPC_FIN = 1, TCPC_SYN = 2, TCPC_RST = 4, TCPC_PSH = 8, TCPC_ACK = 16 };

// No connection any more.
void tcpc_end(struct tcpc *c);
// The peer acknowledged up to ack, which is new.
void tcpc_acked(struct tcpc *c, uint32_t ack, uint64_t now_ns);
