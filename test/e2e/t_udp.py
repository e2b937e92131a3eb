# SPDX-License-Identifier: BSD-3-Clause
"""memcached over UDP: framing, and who gets an answer."""
import contextlib
import socket
import struct
import time

import labs
import mcraw
from suite import equal, pattern, test, true

FRAME_DATA = mcraw.UDP_DATA_MAX
SILENCE_S = 0.4
MULTI = "multi-key UDP replies are not numbered as one message"


def put(ctx, key, value):
    with ctx.tcp() as conn:
        equal(conn.set(key, value), b"STORED\r\n")


def value_reply(*pairs):
    return b"".join(b"VALUE %s 0 %d\r\n%s\r\n" % (k, len(v), v) for k, v in pairs) + b"END\r\n"


@test("udp: get, set, delete, incr; request ids come back", quick=True)
def basics(ctx):
    put(ctx, b"udp", b"value")
    with ctx.udp() as conn:
        for rid in (0, 1, 255, 256, 32768, 65535):
            equal(conn.ask(rid, b"get udp\r\n"), value_reply((b"udp", b"value")))
        equal(conn.ask(2, b"get udp-none\r\n"), b"END\r\n")
        equal(conn.ask(3, b"set udp 7 0 2\r\n10\r\n"), b"STORED\r\n")
        equal(conn.ask(4, b"incr udp 5\r\n"), b"15\r\n")
        equal(conn.ask(5, b"get udp\r\n"), b"VALUE udp 7 2\r\n15\r\nEND\r\n")
        equal(conn.ask(6, b"delete udp\r\n"), b"DELETED\r\n")
        equal(conn.ask(7, b"foo\r\n"), b"ERROR\r\n")
    with ctx.tcp() as conn:
        equal(conn.get(b"udp"), None, "TCP sees what UDP did")


@test("udp: 5,000 requests from 50 sockets, each with its own id")
def many_ids(ctx):
    with ctx.tcp() as conn:
        for i in range(100):
            equal(conn.set(b"uid%d" % i, b"value %d" % i), b"STORED\r\n")
    conns = [ctx.udp() for _ in range(50)]
    try:
        for turn in range(100):
            for i, conn in enumerate(conns):
                conn.send(turn * 50 + i, b"get uid%d\r\n" % ((turn + i) % 100))
            for i, conn in enumerate(conns):
                k = (turn + i) % 100
                equal(b"".join(conn.frames(turn * 50 + i)),
                      value_reply((b"uid%d" % k, b"value %d" % k)))
    finally:
        for conn in conns:
            conn.close()


@test("udp: long replies are cut at 1,400 bytes and numbered", quick=True)
def long_reply(ctx):
    head = len(b"VALUE long 0 1000\r\n") + len(b"\r\nEND\r\n")
    sizes = [1000, FRAME_DATA - head - 1, FRAME_DATA - head, FRAME_DATA - head + 1, 3000,
             2 * FRAME_DATA, 50_000, 100_000]
    with ctx.udp() as conn:
        for rid, size in enumerate(sizes, 100):
            value = pattern(size, rid)
            put(ctx, b"long", value)
            want = value_reply((b"long", value))
            conn.send(rid, b"get long\r\n")
            frames = conn.frames(rid)
            equal(b"".join(frames) == want, True, f"value of {size} bytes arrived unchanged")
            equal(len(frames), -(-len(want) // FRAME_DATA), f"datagrams for {size} bytes")
            true(all(len(f) == FRAME_DATA for f in frames[:-1]), "only the last one is shorter")


@test("udp: several keys in one get are one numbered message", quick=True, differs=MULTI)
def multi_key(ctx):
    pairs = [(b"mk%d" % i, pattern(300, i)) for i in range(9)]
    for key, value in pairs:
        put(ctx, key, value)
    request = b"get " + b" ".join(k for k, _ in pairs) + b" mk-missing\r\n"
    with ctx.udp() as conn:
        for rid in range(200, 210):
            conn.send(rid, request)
            frames = conn.frames(rid)
            want = value_reply(*pairs)
            equal(b"".join(frames), want)
            equal(len(frames), -(-len(want) // FRAME_DATA), "datagrams")
        true(conn.quiet(SILENCE_S), "nothing after the reply")


@test("udp: noreply gets no datagram")
def noreply(ctx):
    with ctx.udp() as conn:
        conn.send(1, b"set udp-quiet 0 0 1 noreply\r\nx\r\n")
        true(conn.quiet(SILENCE_S), "a reply to noreply")
    with ctx.tcp() as conn:
        equal(conn.get(b"udp-quiet"), b"x")


GARBAGE = {
    "an empty datagram": b"",
    "a header cut short": b"\0\1\0\0\0\1\0",
    "a header alone": b"\0\1\0\0\0\1\0\0",
    "one of two datagrams": mcraw.UDP_HEADER.pack(1, 0, 2, 0) + b"get udp-g\r\n",
    "none of none": mcraw.UDP_HEADER.pack(1, 0, 0, 0) + b"get udp-g\r\n",
    "a line without its end": mcraw.UDP_HEADER.pack(1, 0, 1, 0) + b"get udp-g",
    "text without a header": b"get udp-g\r\n",
}


@test("udp: garbage gets silence", quick=True)
def garbage(ctx):
    put(ctx, b"udp-g", b"1")
    for name, datagram in GARBAGE.items():
        with ctx.udp() as conn:
            conn.send_raw(datagram)
            true(conn.quiet(0.15), f"an answer to {name}")
    with ctx.udp() as conn:
        equal(conn.ask(9, b"get udp-g\r\n"), value_reply((b"udp-g", b"1")))


@test("udp: a truncated set harms nobody else", differs="it reads on in other clients' datagrams")
def truncated_set(ctx):
    put(ctx, b"udp-t", b"1")
    with ctx.udp() as bad, ctx.udp() as good:
        for rid in range(20):
            bad.send(rid, b"set udp-cut 0 0 100\r\nabc\r\n")
            for k in range(3):
                equal(good.ask(1000 + rid * 3 + k, b"get udp-t\r\n"), value_reply((b"udp-t", b"1")))
    with ctx.tcp() as conn:
        equal(conn.get(b"udp-cut"), None)


@test("udp: a datagram with a wrong checksum is not obeyed", only="ringcached")
def wrong_checksum(ctx):
    put(ctx, b"udp-c", b"kept")
    data = mcraw.UDP_HEADER.pack(1, 0, 1, 0) + b"delete udp-c\r\n"
    udp = struct.pack(">HHHH", 40_000, ctx.port, 8 + len(data), 0x1234) + data
    with ctx.lab.inside():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as sock:
            sock.sendto(udp, (ctx.host, 0))
    with ctx.udp() as conn:
        equal(conn.ask(2, b"get udp-c\r\n"), value_reply((b"udp-c", b"kept")))


@test("udp: prefixes: trusted, allowed, and all others", only="ringcached")
def prefixes(ctx):
    options = ["-t", str(ctx.threads), f"--mode={ctx.mode}", "-U", str(ctx.port),
               "--udp-allow=192.0.2.0/25", "--udp-trust=192.0.2.2/32"]
    with ctx.other("u", options) as lab:
        for last in (2, 200):
            lab.run("ip", "addr", "add", f"192.0.2.{last}/24", "dev", labs.CLIENT_IFACE)
        value = pattern(20_000)
        put(lab, b"pfx-big", value)
        put(lab, b"pfx", b"small")
        # Trusted: the whole reply.
        with lab.udp(source="192.0.2.2") as conn:
            true(conn.ask(1, b"get pfx-big\r\n") == value_reply((b"pfx-big", value)), "trusted")
        # Allowed: one datagram per request at most.
        with lab.udp(source=labs.CLIENT) as conn:
            equal(conn.ask(2, b"get pfx\r\n"), value_reply((b"pfx", b"small")))
            conn.send(3, b"get pfx-big\r\n")
            try:
                rid, seq, total, _, data = conn.datagram()
                equal((rid, seq, total), (3, 0, 1), "the only datagram's header")
                true(data.startswith(b"SERVER_ERROR"), f"got {mcraw.escape(data)}")
                true(conn.quiet(SILENCE_S), "a second datagram for an untrusted prefix")
            except mcraw.Broken:
                pass  # silence amplifies nothing either
            equal(conn.ask(4, b"get pfx\r\n"), value_reply((b"pfx", b"small")))
        # Neither: silence, whatever is asked.
        with lab.udp(source="192.0.2.200") as conn:
            for rid, request in enumerate((b"get pfx\r\n", b"version\r\n", b"foo\r\n"), 5):
                conn.send(rid, request)
            true(conn.quiet(SILENCE_S), "an answer to a prefix that is not allowed")
        # TCP asks nobody's prefix.
        with lab.tcp(source="192.0.2.200") as conn:
            equal(conn.get(b"pfx"), b"small")


@test("udp: the reply rate of an allowed prefix is limited", only="ringcached")
def rate(ctx):
    options = ["-t", str(ctx.threads), f"--mode={ctx.mode}", "-U", str(ctx.port),
               "--udp-allow=192.0.2.0/24", "--udp-reply-rate=20k"]
    with ctx.other("r", options) as lab:
        put(lab, b"rate", pattern(1000))
        start, answers = time.monotonic(), 0
        with lab.udp(timeout=0.3) as conn:
            # Bursts that begin in different milliseconds.
            for burst in range(40):
                for rid in range(20):
                    conn.send(burst * 20 + rid, b"get rate\r\n")
                time.sleep(0.0033)
            try:
                while True:
                    conn.datagram()
                    answers += 1
            except mcraw.Broken:
                pass
        # 20 kB/s, and one second's worth in store.
        most = 2 * 20 * (1 + time.monotonic() - start)
        true(1 <= answers <= most, f"{answers} of 800 replies of 1 kB went out at 20 kB/s")


@test("udp: off unless asked for", only="ringcached")
def off(ctx):
    with ctx.other("o", ctx.options("ringcached", udp=False)) as lab:
        with lab.udp() as conn:
            conn.send(1, b"version\r\n")
            true(conn.quiet(SILENCE_S), "an answer by UDP")
        lab.still_serves()


def flood(lab, seconds):
    """More gets of 30 KB than one worker answers; how many it did answer."""
    request = b"get" + b"".join(b" flood-%d" % i for i in range(30)) + b"\r\n"
    answers, until = 0, time.monotonic() + seconds
    with lab.udp() as conn:
        conn.sock.setblocking(False)
        while time.monotonic() < until:
            with contextlib.suppress(BlockingIOError):
                for rid in range(16):
                    conn.send(rid, request)
            with contextlib.suppress(BlockingIOError):
                for _ in range(1000):
                    answers += mcraw.UDP_HEADER.unpack_from(conn.sock.recv(1 << 16))[1] == 0
    return answers


def counter(lab, name):
    with lab.tcp() as conn:
        text = conn.ask(b"stats ringcached\r\n", b"END\r\n").decode()
    return int(text.split(f"STAT {name} ")[1].split()[0])


@test("udp: in overload late gets are dropped, and the queue stays short", only="ringcached")
def overload(ctx):
    if ctx.mode != "dispatch":
        return
    waited = {}
    for target_us in (0, 2000):
        options = [*ctx.options("ringcached"), "--ring-size=8192",
                   f"--queue-delay-target-us={target_us}"]
        with ctx.other("f", options) as lab:
            for i in range(30):
                put(lab, b"flood-%d" % i, pattern(1000))
            true(flood(lab, 3) > 50, "hardly an answer")
            waited[target_us] = counter(lab, "latency.ring_wait_p99_ns")
            drops = counter(lab, "worker.drop_queue_delay")
            true((drops > 0) == (target_us > 0), f"{drops} late gets dropped")
            equal(counter(lab, "cmd.cmd_set"), 30)
    # Milliseconds depend on the machine, the ratio does not.
    true(waited[2000] * 3 < waited[0], f"99 of 100 packets waited, by target: {waited} ns")
