// SPDX-License-Identifier: BSD-3-Clause
// What the two engines over the kernel's sockets share: the clock, threads, addresses
#pragma once

#include <netinet/in.h>

#include "ringload.h"

uint64_t sock_now_ns(void);
uint64_t sock_engine_now_ns(const struct run *run);

// One pthread for each generator thread.
struct sock_threads {
	pthread_t id[RINGLOAD_THREADS_MAX];
	unsigned count;
};
int sock_launch(struct run *run, struct sock_threads *threads, void *(*body)(void *),
	char err[RINGLOAD_ERR_SIZE]);
void sock_join(struct sock_threads *threads);

struct sockaddr_in sock_addr(uint32_t addr, uint16_t port);

// A non-blocking socket bound to --client and src_port (0: any). -1 and a sentence.
int sock_open(const struct options *o, int type, uint16_t src_port, char err[RINGLOAD_ERR_SIZE]);

// Wait for events until wake_ns at most, and not longer than the engine's turn.
struct epoll_event;
int sock_wait(int epoll_fd, struct epoll_event *ev, int max, uint64_t now_ns, uint64_t wake_ns);
