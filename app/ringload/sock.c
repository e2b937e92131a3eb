// SPDX-License-Identifier: BSD-3-Clause
// What the two engines over the kernel's sockets share

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "sock.h"

uint64_t sock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t sock_engine_now_ns(const struct run *run)
{
	return sock_now_ns();
}

int sock_launch(struct run *run, struct sock_threads *threads, void *(*body)(void *),
	char err[RINGLOAD_ERR_SIZE])
{
	// Sleeps shall end when they are due: threads made from here inherit it.
	prctl(PR_SET_TIMERSLACK, 1);
	threads->count = 0;
	for (unsigned i = 0; i < run->opt.threads; i++) {
		int rc = pthread_create(&threads->id[i], NULL, body, &run->thread[i]);

		if (rc) {
			snprintf(err, RINGLOAD_ERR_SIZE, "thread %u: %s", i, strerror(rc));
			atomic_store(&run->stop, true);
			sock_join(threads);
			return -1;
		}
		threads->count++;
	}
	return 0;
}

void sock_join(struct sock_threads *threads)
{
	while (threads->count > 0)
		pthread_join(threads->id[--threads->count], NULL);
}

struct sockaddr_in sock_addr(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(addr),
		.sin_port = htons(port),
	};
}

int sock_open(const struct options *o, int type, uint16_t src_port, char err[RINGLOAD_ERR_SIZE])
{
	struct sockaddr_in sa = sock_addr(o->client_addr, src_port);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		snprintf(err, RINGLOAD_ERR_SIZE, "socket: %s", strerror(errno));
		return -1;
	}
	if ((o->client_addr || src_port) && bind(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		snprintf(err, RINGLOAD_ERR_SIZE, "bind to port %u: %s", src_port, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int sock_wait(int epoll_fd, struct epoll_event *ev, int max, uint64_t now_ns, uint64_t wake_ns)
{
	uint64_t ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
	struct timespec ts;

	if (ns > TURN_MAX_NS)
		ns = TURN_MAX_NS;
	ts = (struct timespec){.tv_nsec = (long)ns};
	return epoll_pwait2(epoll_fd, ev, max, &ts, NULL);
}
