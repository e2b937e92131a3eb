// SPDX-License-Identifier: BSD-3-Clause
// Engine kernel-udp: one connected UDP socket for each source port, epoll

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load/udp.h"
#include "sock.h"

#define RX_BATCH 32
#define RX_BUF 9216
#define SENDS_PER_TURN 64
#define SOCKET_BUF (4 << 20)

struct udp_io {
	struct udp_client *client;
	int epoll_fd;
	uint16_t port_count;
	int *fd; // by source port
	uint8_t *rx; // RX_BATCH buffers
	uint8_t *tx; // one request
	uint32_t tx_len; // it waits for room in the socket; 0: none does
	uint16_t tx_port;
	uint32_t tx_ticket;
};

struct udp_state {
	struct sock_threads threads;
	struct udp_io io[RINGLOAD_THREADS_MAX];
};

static void receive(struct udp_io *io, uint16_t port)
{
	struct mmsghdr msg[RX_BATCH] = {0};
	struct iovec iov[RX_BATCH];
	int n;

	do {
		uint64_t now_ns;

		for (unsigned i = 0; i < RX_BATCH; i++) {
			iov[i] = (struct iovec){io->rx + i * RX_BUF, RX_BUF};
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(io->fd[port], msg, RX_BATCH, MSG_DONTWAIT, NULL);
		now_ns = sock_now_ns();
		for (int i = 0; i < n; i++)
			udp_client_input(
				io->client, port, io->rx + i * RX_BUF, msg[i].msg_len, now_ns);
	} while (n == RX_BATCH);
}

// False: the socket has no room. Errors are those of earlier datagrams (a port unreachable):
// they show as lost requests.
static bool send_request(struct udp_io *io)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		if (send(io->fd[io->tx_port], io->tx, io->tx_len, MSG_DONTWAIT) >= 0)
			break;
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return false;
	}
	io->tx_len = 0;
	return true;
}

static bool send_due(struct udp_io *io)
{
	if (io->tx_len > 0) {
		if (!send_request(io))
			return true;
		udp_client_resent(io->client, io->tx_ticket, sock_now_ns());
	}
	for (unsigned i = 0; i < SENDS_PER_TURN; i++) {
		io->tx_len = udp_client_next(
			io->client, sock_now_ns(), io->tx, &io->tx_port, &io->tx_ticket);
		if (io->tx_len == 0)
			return false;
		if (!send_request(io))
			return true;
	}
	return true;
}

static void *udp_body(void *arg)
{
	struct gen_thread *t = arg;
	struct udp_io *io = t->io;
	struct epoll_event ev[RX_BATCH];
	uint64_t now_ns = sock_now_ns(), wake_ns, deadline_ns;

	while (!gen_finished(&t->gen, now_ns, udp_client_in_flight(io->client))) {
		bool busy = send_due(io);
		int n;

		now_ns = sock_now_ns();
		wake_ns = gen_wake_ns(&t->gen, now_ns, udp_client_in_flight(io->client));
		deadline_ns = udp_client_deadline_ns(io->client);
		if (deadline_ns < wake_ns)
			wake_ns = deadline_ns;
		n = sock_wait(io->epoll_fd, ev, RX_BATCH, now_ns, busy ? now_ns : wake_ns);
		for (int i = 0; i < n; i++)
			receive(io, (uint16_t)ev[i].data.u32);
		now_ns = sock_now_ns();
		udp_client_expire(io->client, now_ns);
		if (atomic_load_explicit(&t->run->stop, memory_order_relaxed))
			gen_stop(&t->gen, now_ns);
	}
	atomic_store(&t->finished, true);
	return NULL;
}

static int open_port(struct run *run, struct udp_io *io, uint16_t i, uint16_t src_port, char *err)
{
	struct sockaddr_in server = sock_addr(run->opt.server_addr, run->opt.server_port);
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
	int size = SOCKET_BUF;

	io->fd[i] = sock_open(&run->opt, SOCK_DGRAM, src_port, err);
	if (io->fd[i] < 0)
		return -1;
	setsockopt(io->fd[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(io->fd[i], (struct sockaddr *)&server, sizeof(server)) ||
		epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, io->fd[i], &ev)) {
		snprintf(err, RINGLOAD_ERR_SIZE, "UDP socket: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int open_thread(
	struct run *run, struct udp_state *st, unsigned idx, uint16_t port, char *err)
{
	const struct options *o = &run->opt;
	struct udp_io *io = &st->io[idx];
	struct udp_client_conf conf = {
		.port_count = (uint16_t)run_share(o->src_port_count, idx, o->threads),
		.timeout_ns = (uint64_t)(o->timeout_ms * 1e6),
		.datagram_max = RX_BUF,
		.seed = o->seed + idx,
	};

	conf.in_flight_max = udp_places(run);
	run->thread[idx].io = io;
	io->fd = malloc(conf.port_count * sizeof(*io->fd));
	io->rx = malloc(RX_BATCH * RX_BUF);
	io->tx = malloc(UDP_CLIENT_FRAME_LEN + run->w.request_max);
	io->client = udp_client_create(&conf, &run->thread[idx].gen);
	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!io->fd || !io->rx || !io->tx || !io->client || io->epoll_fd < 0) {
		snprintf(err, RINGLOAD_ERR_SIZE, "out of memory or files");
		return -1;
	}
	for (; io->port_count < conf.port_count; io->port_count++)
		if (open_port(run, io, io->port_count, (uint16_t)(port + io->port_count), err))
			return -1;
	return 0;
}

static int udp_open(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct udp_state *st = calloc(1, sizeof(*st));
	uint16_t port = run->opt.src_port;

	run->engine_state = st;
	if (!st) {
		snprintf(err, RINGLOAD_ERR_SIZE, "out of memory");
		return -1;
	}
	snprintf(run->device_text, sizeof(run->device_text), "kernel sockets");
	for (unsigned i = 0; i < run->opt.threads; i++) {
		if (open_thread(run, st, i, port, err))
			return -1;
		port = (uint16_t)(port + st->io[i].port_count);
	}
	return 0;
}

static int udp_launch(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct udp_state *st = run->engine_state;

	return sock_launch(run, &st->threads, udp_body, err);
}

static void udp_join(struct run *run)
{
	struct udp_state *st = run->engine_state;

	sock_join(&st->threads);
}

static void udp_close(struct run *run)
{
	struct udp_state *st = run->engine_state;

	for (unsigned i = 0; st && i < run->opt.threads; i++) {
		struct udp_io *io = &st->io[i];

		for (unsigned p = 0; p < io->port_count; p++)
			close(io->fd[p]);
		if (io->epoll_fd > 0)
			close(io->epoll_fd);
		udp_client_destroy(io->client);
		free(io->fd);
		free(io->rx);
		free(io->tx);
	}
	free(st);
}

const struct engine engine_kernel_udp = {
	.name = "kernel-udp",
	.what = "UDP through the kernel's sockets",
	.open = udp_open,
	.now_ns = sock_engine_now_ns,
	.launch = udp_launch,
	.join = udp_join,
	.close = udp_close,
};
