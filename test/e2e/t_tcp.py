# SPDX-License-Identifier: BSD-3-Clause
"""TCP under load and under clients that do not behave."""
import resource
import threading
import time

from labs import wait_until
from suite import equal, pattern, test, true

BIG = 1_000_000


def exact_stream(conn, want):
    """The next bytes of the stream must be these; names the first place where they are not."""
    at = 0
    while at < len(want):
        piece = conn.exactly(min(1 << 16, len(want) - at))
        if piece != want[at:at + len(piece)]:
            off = next(i for i, b in enumerate(piece) if b != want[at + i])
            equal(piece[off:off + 60], want[at + off:at + off + 60], f"reply byte {at + off}")
        at += len(piece)


def pipeline(ctx, count):
    with ctx.tcp(timeout=30) as conn:
        for i in range(100):
            equal(conn.set(b"pipe%d" % i, b"value-%d" % i * (i % 7 + 1)), b"STORED\r\n")
        requests, replies = [], []
        for i in range(count):
            k = i * 7 % 110
            if i % 50 == 49:
                requests.append(b"set own 0 0 6\r\n%06d\r\n" % i)
                replies.append(b"STORED\r\n")
            elif i % 50 == 48:
                requests.append(b"get own\r\n")
                replies.append(b"VALUE own 0 6\r\n%06d\r\nEND\r\n" % (i - 49)
                               if i > 50 else b"END\r\n")
            else:
                requests.append(b"get pipe%d\r\n" % k)
                value = b"value-%d" % k * (k % 7 + 1)
                replies.append(b"VALUE pipe%d 0 %d\r\n%s\r\nEND\r\n" % (k, len(value), value)
                               if k < 100 else b"END\r\n")
        conn.ask(b"delete own\r\n")
        sender = threading.Thread(target=conn.send, args=(b"".join(requests),), daemon=True)
        sender.start()
        exact_stream(conn, b"".join(replies))
        sender.join(10)
        true(not sender.is_alive(), "all replies came, but not all requests went out")
        equal(conn.ask(b"version\r\n")[:8], b"VERSION ", "after the pipeline")


@test("tcp: 5,000 pipelined requests", quick=True)
def pipelined_quick(ctx):
    pipeline(ctx, 5_000)


@test("tcp: 200,000 pipelined requests on one connection", seconds=90)
def pipelined(ctx):
    pipeline(ctx, 200_000)


def crowd(ctx, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 200)), hard))
    conns = []
    try:
        for _ in range(count):
            conns.append(ctx.tcp(timeout=15))
        wait_until("curr_connections counts them", 5,
                   lambda: int(ctx.stat("curr_connections")) >= count)
        for turn in range(3):
            for i, conn in enumerate(conns):
                conn.send(b"set crowd%d 0 0 9\r\n%04d.%04d\r\nget crowd%d\r\n" % (i, turn, i, i))
            for i, conn in enumerate(conns):
                want = b"STORED\r\nVALUE crowd%d 0 9\r\n%04d.%04d\r\nEND\r\n" % (i, turn, i)
                equal(conn.exactly(len(want)), want, f"connection {i}, turn {turn}")
    finally:
        for conn in conns:
            conn.close()
    wait_until("closed connections are forgotten", 10,
               lambda: int(ctx.stat("curr_connections")) < 50, 0.2)


@test("tcp: 100 connections at once", quick=True)
def crowd_quick(ctx):
    crowd(ctx, 100)


@test("tcp: 1,000 connections at once, each doing work")
def crowd_full(ctx):
    crowd(ctx, 1000)


@test("tcp: 3,000 connections one after the other")
def churn(ctx):
    for i in range(3000):
        with ctx.tcp() as conn:
            equal(conn.set(b"churn", b"%d" % i), b"STORED\r\n")


@test("tcp: values of many sizes come back as they went", quick=True)
def sizes(ctx):
    with ctx.tcp(timeout=15) as conn:
        for size in (0, 1, 2, 511, 1447, 1448, 1449, 2047, 2048, 4096, 16383, 16384, 32767, 32768,
                     32769, 65535, 65536, 100_000, 524_288, BIG, 1_048_000):
            value = pattern(size, size)
            equal(conn.set(b"size", value), b"STORED\r\n", f"set of {size} bytes")
            true(conn.get(b"size") == value, f"{size} bytes came back changed")


@test("tcp: a slow reader of large values does not hold up others")
def slow_reader(ctx):
    value = pattern(BIG)
    with ctx.tcp(timeout=20) as other, ctx.tcp(timeout=30, rcvbuf=4096) as slow:
        equal(other.set(b"slow", value), b"STORED\r\n")
        slow.send(b"get slow\r\n" * 8)
        # Its window is full after a few kilobytes and stays so.
        for i in range(30):
            start = time.monotonic()
            equal(other.set(b"quick", b"%d" % i), b"STORED\r\n")
            equal(other.get(b"quick"), b"%d" % i)
            true(time.monotonic() - start < 1.0, "another client waited for more than a second")
            time.sleep(0.1)
        exact_stream(slow, (b"VALUE slow 0 %d\r\n%s\r\nEND\r\n" % (BIG, value)) * 8)


@test("tcp: the value is replaced and deleted under a slow reader")
def slow_reader_overwritten(ctx):
    value = pattern(BIG)
    with ctx.tcp(timeout=20) as other, ctx.tcp(timeout=30, rcvbuf=4096) as slow:
        equal(other.set(b"gone", value), b"STORED\r\n")
        slow.send(b"get gone\r\n")
        equal(slow.exactly(20), (b"VALUE gone 0 %d\r\n" % BIG)[:20])
        for i in range(20):
            equal(other.set(b"gone", pattern(BIG, i + 2)), b"STORED\r\n")
        equal(other.ask(b"delete gone\r\n"), b"DELETED\r\n")
        exact_stream(slow, (b"VALUE gone 0 %d\r\n%s\r\nEND\r\n" % (BIG, value))[20:])


@test("tcp: a value that arrives in pieces, with pauses")
def slow_writer(ctx):
    value = pattern(50_000)
    with ctx.tcp(timeout=10) as slow, ctx.tcp() as other:
        slow.send(b"set piecewise 0 0 %d\r\n" % len(value))
        for at in range(0, len(value), 5000):
            slow.send(value[at:at + 5000])
            time.sleep(0.05)
            equal(other.get(b"piecewise"), None, "an unfinished value is not seen")
        slow.send(b"\r\n")
        equal(slow.line(), b"STORED\r\n")
        equal(other.get(b"piecewise"), value)
        equal(other.ask(b"delete piecewise\r\n"), b"DELETED\r\n")


@test("tcp: requests split byte by byte", quick=True)
def byte_by_byte(ctx):
    with ctx.tcp() as conn:
        for piece in b"set bytewise 5 0 11\r\nhello\r\nyou!\r\nget bytewise nothing\r\nfoo\r\n":
            conn.send(bytes([piece]))
            time.sleep(0.002)
        want = b"STORED\r\nVALUE bytewise 5 11\r\nhello\r\nyou!\r\nEND\r\nERROR\r\n"
        equal(conn.exactly(len(want)), want)


@test("tcp: half-closed client gets all replies, then the end", quick=True)
def half_closed(ctx):
    value = pattern(20_000)
    with ctx.tcp(timeout=10) as conn:
        equal(conn.set(b"half", value), b"STORED\r\n")
        conn.send(b"get half\r\n" * 40)
        conn.finish()
        want = (b"VALUE half 0 %d\r\n%s\r\nEND\r\n" % (len(value), value)) * 40
        exact_stream(conn, want)
        equal(conn.rest(), b"", "after the last reply")


@test("tcp: half-closed before the first request")
def half_closed_idle(ctx):
    with ctx.tcp() as conn:
        conn.finish()
        equal(conn.rest(), b"")


@test("tcp: quit closes, after the replies before it")
def quit_closes(ctx):
    with ctx.tcp() as conn:
        conn.send(b"get nothing-there\r\nquit\r\nget nothing-there\r\n")
        equal(conn.rest(), b"END\r\n")


@test("tcp: resets by clients at any moment leave nothing behind")
def resets(ctx):
    value = pattern(BIG)
    with ctx.tcp(timeout=15) as keep:
        equal(keep.set(b"rst", value), b"STORED\r\n")
        for i in range(100):
            conn = ctx.tcp(rcvbuf=4096 if i % 2 else None)
            if i % 5 == 1:
                conn.send(b"get rst\r\n")
            elif i % 5 == 2:
                conn.send(b"set half-way 0 0 1000\r\nabc")
            elif i % 5 == 3:
                conn.send(b"get rst\r\n")
                conn.exactly(1000)
            elif i % 5 == 4:
                conn.send(b"set upload 0 0 900000\r\n" + value[:300_000])
            conn.reset()
        true(keep.get(b"rst") == value, "the value changed")
        equal(keep.get(b"half-way"), None)
        equal(keep.get(b"upload"), None)
        wait_until("reset connections are forgotten", 10,
                   lambda: int(ctx.stat("curr_connections")) < 20, 0.2)


@test("tcp: a line without an end is cut off")
def endless_line(ctx):
    with ctx.tcp(timeout=10) as conn:
        try:
            for _ in range(40):
                conn.send(b"x" * 1000)
            conn.finish()
        except OSError:
            pass
        got = conn.rest()
        true(got == b"" or got.startswith((b"ERROR", b"CLIENT_ERROR")), f"got {got[:80]!r}")
    ctx.still_serves()


@test("tcp: more connections than allowed are told so", only="ringcached")
def too_many(ctx):
    options = ctx.options("ringcached") + ["-c", "20"]
    with ctx.other("c", options) as small:
        conns, told = [], 0
        try:
            for _ in range(30):
                conns.append(small.tcp(timeout=5))
            for conn in conns:
                try:
                    conn.send(b"version\r\n")
                    if conn.line() == b"ERROR Too many open connections\r\n":
                        told += 1
                except ConnectionResetError:
                    told += 1
            true(5 <= told <= 15, f"{told} of 30 connections were refused, with -c 20")
        finally:
            for conn in conns:
                conn.close()
        wait_until("there is room again", 10, lambda: serves(small), 0.2)


def serves(ctx):
    try:
        ctx.still_serves()
        return True
    except (AssertionError, OSError):
        return False
