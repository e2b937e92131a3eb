// SPDX-License-Identifier: BSD-3-Clause
// The commands of ringpcap, and what they share: option values and one-line errors
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_USAGE 2

// Each takes the arguments from its own name on and returns the exit status.
int get_main(int argc, char **argv);
int replay_main(int argc, char **argv);
int print_main(int argc, char **argv);
int diff_main(int argc, char **argv);

// "ringpcap: " and one line on standard error, then exit: EXIT_USAGE, or 1.
__attribute__((noreturn, format(printf, 1, 2))) void usage_error(const char *fmt, ...);
__attribute__((noreturn, format(printf, 1, 2))) void fatal(const char *fmt, ...);

// getopt_long with our message for what it does not know.
int next_option(int argc, char **argv, const char *short_options, const struct option *options);

// Values of options; wrong ones are usage errors that name the option.
uint64_t opt_u64(const char *option, const char *text, uint64_t min, uint64_t max);
// 192.0.2.1 or 192.0.2.1:5000; without a port *port stays.
uint32_t opt_addr_port(const char *option, const char *text, uint16_t *port);
// 192.0.2.0/24; without a length /32. The host bits must be zero.
uint32_t opt_prefix(const char *option, const char *text, uint32_t *mask);
void opt_mac(const char *option, const char *text, uint8_t mac[6]);
