// SPDX-License-Identifier: BSD-3-Clause
// Fits the acknowledgments of captured TCP clients to the server that answers them now
//
// A captured client acknowledges the numbers of the server it talked to then. The
// server of the replay chooses others, so acknowledgment number, SACK blocks and the
// echoed timestamp are moved by the difference of the two, flow by flow. What the
// captured server chose is known from its SYN,ACK, or, when only the client's side was
// captured, from the client's first ACK.
//
// Limits: FOLLOW_SETS sets of FOLLOW_WAYS flows; in a full set the oldest flow is forgotten.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLLOW_SETS 4096
#define FOLLOW_WAYS 4

struct follow;

struct follow *follow_create(void); // NULL: out of memory
void follow_destroy(struct follow *f);

// A captured frame of a client, before it goes to the worker; changed in place. A right
// checksum stays right, a wrong one wrong. False: nothing was changed, because the
// worker has not answered the SYN of this flow yet; when it had the chance to, call again.
bool follow_client(struct follow *f, uint8_t *frame, size_t len);
// A captured frame of the server of then.
void follow_captured_server(struct follow *f, const uint8_t *frame, size_t len);
// A frame that the worker sent.
void follow_replayed_server(struct follow *f, const uint8_t *frame, size_t len);
