// SPDX-License-Identifier: BSD-3-Clause
// What a run found, as text for people, JSON and CSV for programs; and whether it may be believed
//
// Threads: after the run.
#pragma once

#include "load/json.h"
#include "load/load.h"

#define REPORT_WHY_SIZE 256

// Above this share of the requests the generator's own faults spoil the figures.
#define REPORT_FAULTS_MAX 0.001

struct report {
	const struct tally *t; // all threads
	double seconds; // measured
	double offered_pps; // 0: closed loop
	uint32_t outstanding; // closed loop
	bool interrupted;
};

// The generator's own faults as a share of the requests: sent late, kept waiting by a full
// transmit queue, lost for want of a place to assemble the answer.
double report_faults(const struct report *r);
// Share of the requests due that were lost, answered wrong, or never sent.
double report_loss(const struct report *r);
double report_sent_pps(const struct report *r);
double report_received_pps(const struct report *r);

// True, or why the figures are not to be believed.
bool report_valid(const struct report *r, char why[REPORT_WHY_SIZE]);

void report_text(const struct report *r, FILE *out);
// Members of an object that the caller has opened.
void report_json(const struct report *r, struct json *j);

// Two columns: name,value.
void report_csv(const struct report *r, FILE *out);
