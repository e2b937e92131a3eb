// SPDX-License-Identifier: BSD-3-Clause
// What the files of lib/pcap share
#pragma once

#include "pcap/pcapf.h"

__attribute__((format(printf, 2, 3))) void pcapf_err_set(
	struct pcapf_err *err, const char *fmt, ...);
