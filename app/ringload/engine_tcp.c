// SPDX-License-Identifier: BSD-3-Clause
// Engine kernel-tcp: many connections over the kernel's sockets, pipelined, epoll

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load/stream.h"
#include "sock.h"

#define EVENTS 64
#define RX_BUF (256 << 10)
#define SENDS_PER_TURN 64
#define RETRY_NS 100000000ULL // a connection that was refused
#define SCAN_NS 10000000ULL // timeouts are looked for so often
#define CONNECT_TIMEOUT_MS 5000

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN };

struct tcp_conn {
	struct stream stream;
	int fd;
	enum conn_state state;
	bool wants_out; // EPOLLOUT is asked for
	bool dirty; // in the list of those with new output
	uint32_t served; // requests since it was opened
	uint64_t since_ns; // connecting since, or closed: open again at
};

struct tcp_io {
	struct gen_thread *t;
	int epoll_fd;
	uint32_t conn_count, next_conn, in_flight, dirty_count;
	struct tcp_conn *conn;
	uint32_t *dirty;
	uint8_t *rx;
	uint64_t scan_ns;
};

struct tcp_state {
	struct sock_threads threads;
	struct tcp_io io[RINGLOAD_THREADS_MAX];
};

static struct tally *book_now(const struct tcp_io *io, uint64_t now_ns)
{
	const struct gen *g = &io->t->gen;

	return g->book[now_ns < g->plan.measure_ns ? GEN_WARMUP : GEN_MEASURE];
}

static void watch_out(struct tcp_io *io, struct tcp_conn *c, bool out)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0),
		.data.u32 = (uint32_t)(c - io->conn),
	};

	if (c->wants_out != out)
		epoll_ctl(io->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	c->wants_out = out;
}

static void conn_close(struct tcp_io *io, struct tcp_conn *c, uint64_t reopen_ns, uint64_t now_ns)
{
	uint32_t lost = stream_abort(&c->stream, now_ns);

	if (lost)
		tally_add(book_now(io, now_ns), LOAD_STAT_disconnects, 1);
	io->in_flight -= lost;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CONN_CLOSED;
	c->since_ns = reopen_ns;
}

static void conn_open(struct tcp_io *io, struct tcp_conn *c, uint64_t now_ns)
{
	const struct options *o = &io->t->run->opt;
	struct sockaddr_in server = sock_addr(o->server_addr, o->server_port);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT};
	char err[RINGLOAD_ERR_SIZE];
	int one = 1;

	ev.data.u32 = (uint32_t)(c - io->conn);
	c->fd = sock_open(o, SOCK_STREAM, 0, err);
	c->state = CONN_CONNECTING;
	c->since_ns = now_ns;
	c->wants_out = true;
	c->served = 0;
	if (c->fd >= 0) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if ((connect(c->fd, (struct sockaddr *)&server, sizeof(server)) == 0 ||
			    errno == EINPROGRESS) &&
			epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) == 0)
			return;
	}
	tally_add(book_now(io, now_ns), LOAD_STAT_connect_errors, 1);
	conn_close(io, c, now_ns + RETRY_NS, now_ns);
}

static void conn_connected(struct tcp_io *io, struct tcp_conn *c, uint64_t now_ns)
{
	struct tally *book = book_now(io, now_ns);
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		tally_add(book, LOAD_STAT_connect_errors, 1);
		conn_close(io, c, now_ns + RETRY_NS, now_ns);
		return;
	}
	tally_add(book, LOAD_STAT_connects, 1);
	hist_add(&book->connect, now_ns - c->since_ns);
	c->state = CONN_OPEN;
	watch_out(io, c, false);
}

static void conn_flush(struct tcp_io *io, struct tcp_conn *c, uint64_t now_ns)
{
	const uint8_t *p;
	uint32_t n;

	while (c->state == CONN_OPEN && (n = stream_output(&c->stream, &p)) > 0) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

		if (sent > 0) {
			stream_sent(&c->stream, (uint32_t)sent);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			watch_out(io, c, true);
			return;
		} else {
			conn_close(io, c, now_ns, now_ns);
			return;
		}
	}
	if (c->state == CONN_OPEN)
		watch_out(io, c, false);
}

static void conn_receive(struct tcp_io *io, struct tcp_conn *c)
{
	const struct options *o = &io->t->run->opt;
	ssize_t n = recv(c->fd, io->rx, RX_BUF, 0);
	uint64_t now_ns = sock_now_ns();
	uint32_t before = c->stream.count;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		conn_close(io, c, now_ns, now_ns);
		return;
	}
	if (stream_input(&c->stream, io->rx, (size_t)n, now_ns) < 0) {
		io->in_flight -= before - c->stream.count;
		conn_close(io, c, now_ns, now_ns);
		return;
	}
	io->in_flight -= before - c->stream.count;
	if (o->reconnect && c->served >= o->reconnect && c->stream.count == 0)
		conn_close(io, c, now_ns, now_ns);
}

// The next connection with room for a request; in turn, so that all have their share.
static struct tcp_conn *conn_with_room(struct tcp_io *io)
{
	uint32_t reconnect = io->t->run->opt.reconnect;

	for (uint32_t i = 0; i < io->conn_count; i++) {
		struct tcp_conn *c = &io->conn[io->next_conn];

		io->next_conn = io->next_conn + 1 < io->conn_count ? io->next_conn + 1 : 0;
		if (c->state == CONN_OPEN && stream_has_room(&c->stream) &&
			(!reconnect || c->served < reconnect))
			return c;
	}
	return NULL;
}

static bool add_due(struct tcp_io *io)
{
	struct gen *g = &io->t->gen;
	struct tcp_conn *c = NULL;
	struct load_request req;
	uint64_t due_ns, now_ns = sock_now_ns();
	unsigned n;

	for (n = 0; n < SENDS_PER_TURN; n++) {
		c = conn_with_room(io);
		if (!c)
			gen_block(g, now_ns);
		if (!c || !gen_next(g, now_ns, io->in_flight, &req, &due_ns))
			break;
		stream_add(&c->stream, &req, due_ns, now_ns);
		c->served++;
		io->in_flight++;
		if (!c->dirty)
			io->dirty[io->dirty_count++] = (uint32_t)(c - io->conn);
		c->dirty = true;
	}
	for (uint32_t i = 0; i < io->dirty_count; i++) {
		c = &io->conn[io->dirty[i]];
		c->dirty = false;
		conn_flush(io, c, now_ns);
	}
	io->dirty_count = 0;
	return n == SENDS_PER_TURN;
}

// Open what is closed, give up what is silent.
static void scan(struct tcp_io *io, uint64_t now_ns)
{
	uint64_t timeout_ns = (uint64_t)(io->t->run->opt.timeout_ms * 1e6);

	io->scan_ns = now_ns + SCAN_NS;
	for (uint32_t i = 0; i < io->conn_count; i++) {
		struct tcp_conn *c = &io->conn[i];
		uint64_t oldest_ns = stream_oldest_ns(&c->stream);

		if (c->state == CONN_CLOSED && now_ns >= c->since_ns)
			conn_open(io, c, now_ns);
		else if (c->state == CONN_OPEN && oldest_ns != LOAD_NEVER_NS &&
			 now_ns >= oldest_ns + timeout_ns)
			conn_close(io, c, now_ns, now_ns);
	}
}

static void on_event(struct tcp_io *io, const struct epoll_event *ev)
{
	struct tcp_conn *c = &io->conn[ev->data.u32];
	uint64_t now_ns = sock_now_ns();

	if (c->state == CONN_CONNECTING)
		conn_connected(io, c, now_ns);
	else if (c->state == CONN_OPEN && (ev->events & EPOLLOUT))
		conn_flush(io, c, now_ns);
	if (c->state == CONN_OPEN && (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		conn_receive(io, c);
	// Churn: the next connection at once.
	if (c->state == CONN_CLOSED && now_ns >= c->since_ns)
		conn_open(io, c, now_ns);
}

static void *tcp_body(void *arg)
{
	struct gen_thread *t = arg;
	struct tcp_io *io = t->io;
	struct epoll_event ev[EVENTS];
	uint64_t now_ns = sock_now_ns(), wake_ns;

	io->scan_ns = 0;
	while (!gen_finished(&t->gen, now_ns, io->in_flight)) {
		bool busy;
		int n;

		if (now_ns >= io->scan_ns)
			scan(io, now_ns);
		busy = add_due(io);
		now_ns = sock_now_ns();
		wake_ns = gen_wake_ns(&t->gen, now_ns, io->in_flight);
		// A request that is due and has no connection: the connections' events tell when.
		if (wake_ns <= now_ns)
			wake_ns = io->scan_ns;
		n = sock_wait(io->epoll_fd, ev, EVENTS, now_ns, busy ? now_ns : wake_ns);
		for (int i = 0; i < n; i++)
			on_event(io, &ev[i]);
		now_ns = sock_now_ns();
		if (atomic_load_explicit(&t->run->stop, memory_order_relaxed))
			gen_stop(&t->gen, now_ns);
	}
	atomic_store(&t->finished, true);
	return NULL;
}

// One connection that must come up, so that a wrong address is told at once.
static int probe(const struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct sockaddr_in server = sock_addr(run->opt.server_addr, run->opt.server_port);
	int fd = sock_open(&run->opt, SOCK_STREAM, 0, err), error = 0;
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		error = errno;
	else if (poll(&pfd, 1, CONNECT_TIMEOUT_MS) != 1)
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	close(fd);
	if (error)
		snprintf(err, RINGLOAD_ERR_SIZE, "cannot connect to the server: %s",
			strerror(error));
	return error ? -1 : 0;
}

static int open_thread(struct run *run, struct tcp_state *st, unsigned idx, char *err)
{
	struct tcp_io *io = &st->io[idx];
	uint32_t count = run_share(run->opt.connections, idx, run->opt.threads);

	snprintf(err, RINGLOAD_ERR_SIZE, "out of memory or files");
	run->thread[idx].io = io;
	io->t = &run->thread[idx];
	io->conn = calloc(count, sizeof(*io->conn));
	io->dirty = calloc(count, sizeof(*io->dirty));
	io->rx = malloc(RX_BUF);
	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!io->conn || !io->dirty || !io->rx || io->epoll_fd < 0)
		return -1;
	for (; io->conn_count < count; io->conn_count++) {
		io->conn[io->conn_count].fd = -1;
		if (stream_init(&io->conn[io->conn_count].stream, &io->t->gen, run->opt.pipeline))
			return -1;
	}
	return 0;
}

static int tcp_open(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct tcp_state *st = calloc(1, sizeof(*st));

	run->engine_state = st;
	snprintf(run->device_text, sizeof(run->device_text),
		"kernel sockets, %u connections of %u requests", run->opt.connections,
		run->opt.pipeline);
	if (!st) {
		snprintf(err, RINGLOAD_ERR_SIZE, "out of memory");
		return -1;
	}
	for (unsigned i = 0; i < run->opt.threads; i++)
		if (open_thread(run, st, i, err))
			return -1;
	return probe(run, err);
}

static int tcp_launch(struct run *run, char err[RINGLOAD_ERR_SIZE])
{
	struct tcp_state *st = run->engine_state;

	return sock_launch(run, &st->threads, tcp_body, err);
}

static void tcp_join(struct run *run)
{
	struct tcp_state *st = run->engine_state;

	sock_join(&st->threads);
}

static void tcp_close(struct run *run)
{
	struct tcp_state *st = run->engine_state;

	for (unsigned i = 0; st && i < run->opt.threads; i++) {
		struct tcp_io *io = &st->io[i];

		for (uint32_t n = 0; n < io->conn_count; n++) {
			if (io->conn[n].fd >= 0)
				close(io->conn[n].fd);
			stream_free(&io->conn[n].stream);
		}
		if (io->epoll_fd > 0)
			close(io->epoll_fd);
		free(io->conn);
		free(io->dirty);
		free(io->rx);
	}
	free(st);
}

const struct engine engine_kernel_tcp = {
	.name = "kernel-tcp",
	.what = "TCP through the kernel's sockets",
	.open = tcp_open,
	.now_ns = sock_engine_now_ns,
	.launch = tcp_launch,
	.join = tcp_join,
	.close = tcp_close,
};
