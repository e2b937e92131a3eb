# SPDX-License-Identifier: BSD-3-Clause
"""The text protocol: the same bytes as Debian's memcached, and libmemcached's conformance test."""
import errno
import pathlib
import re
import socket
import time

import mcraw
from suite import equal, test, true

TRANSCRIPT = pathlib.Path(__file__).with_name("ascii_transcript.txt")
UDP_REQUEST_MAX = 1392


REPEAT = re.compile(r"@(\d+)(?:\*([^@]+))?@")


def blocks():
    """(first line number, bytes to send) of each block of the transcript; its head has the format."""
    out, data, first = [], b"", 0
    for number, line in enumerate(TRANSCRIPT.read_text().splitlines() + [""], 1):
        if line.startswith("> "):
            first = first or number
            text = REPEAT.sub(lambda m: (m[2] or "v") * int(m[1]), line[2:])
            data += mcraw.unescape(text)
        elif not line and data:
            out.append((first, data))
            data, first = b"", 0
    true(len(out) >= 20, f"{TRANSCRIPT.name} has only {len(out)} blocks")
    return out


# Numbers that two servers cannot agree on. CAS numbers keep their order of appearance: equal ones
# must be equal, and a changed one must have changed.
VARYING_STAT = re.compile(rb"^(STAT \S+) .*(?=\r\n)", re.M)
VERSION = re.compile(rb"^VERSION [^\r\n]*", re.M)
CAS_OF_VALUE = re.compile(rb"^(VALUE \S+ \d+ \d+ )(\d+)(?=\r\n)", re.M)
CAS_OF_META = re.compile(rb"^((?:VA \d+|HD|EX|NS|NF)(?: [^c\r\n]\S*)* c)(\d+)(?=[ \r])", re.M)
META_DEBUG = re.compile(rb"^(ME \S+ ).*(?=\r\n)", re.M)


def normalise(reply, seen=None):
    """seen: the CAS numbers of earlier replies, and their rank; of this server alone."""
    seen = {} if seen is None else seen

    def cas(match):
        rank = seen.setdefault(match[2], len(seen) + 1)
        return match[1] + b"<cas%d>" % rank

    reply = CAS_OF_VALUE.sub(cas, reply)
    reply = CAS_OF_META.sub(cas, reply)
    reply = VERSION.sub(b"VERSION", reply)
    reply = META_DEBUG.sub(rb"\1<debug>", reply)
    return VARYING_STAT.sub(rb"\1", reply)


def talk(ctx, pieces, pause=0.0, fresh=True):
    """Sends the pieces on a fresh connection, says FIN, and reads to the end of the stream."""
    if fresh:
        ctx.flush()
    with ctx.tcp() as conn:
        try:
            for piece in pieces:
                conn.send(piece)
            time.sleep(pause)
            conn.finish()
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass  # it closed first: what it said before counts
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the same
                raise
        return normalise(conn.rest())


class Oracle:
    """What memcached answers to each block; asked once for all combinations.

    memcached forgets replies that it has not sent yet when the stream ends within a value. A pause
    before the FIN lets it send them; on a busy machine a longer one.
    """

    said = {}
    PAUSES = [0.002, 0.03, 0.2]

    @classmethod
    def agrees(cls, ctx, data, got):
        if data not in cls.said:
            cls.said[data] = talk(ctx.oracle(), [data], cls.PAUSES[0])
        for pause in cls.PAUSES[1:]:
            if cls.said[data] == got:
                break
            cls.said[data] = talk(ctx.oracle(), [data], pause)
        return cls.said[data] == got


def compare(ctx, cut):
    """Runs every block that cut() accepts on both servers; cut returns the ways to send it."""
    wrong, count = [], 0
    for line, data in blocks():
        for pieces in cut(data):
            count += 1
            # memcached under test gets the oracle's pause, and its further tries: its own threads
            # hold an item now and then, and an incr that finds one held does not pad.
            tries = 3 if ctx.server == "memcached" else 1
            for _ in range(tries):
                got = talk(ctx, pieces, 0.01 if ctx.server == "memcached" else 0)
                agreed = Oracle.agrees(ctx, data, got)
                if agreed:
                    break
            if not agreed:
                wrong.append(f"line {line} in {len(pieces)} pieces: {mcraw.escape(data, 120)}\n"
                             f"  got  {mcraw.escape(got, 300)}\n"
                             f"  want {mcraw.escape(Oracle.said[data], 300)}")
                break
    true(count > 0, "nothing was compared")
    true(not wrong, f"{len(wrong)} blocks differ from memcached\n" + "\n".join(wrong[:9]))


@test("ascii: transcript, the same bytes as memcached", quick=True, seconds=120)
def transcript(ctx):
    compare(ctx, lambda data: [[data]])


@test("ascii: transcript, each block with what those before it left", seconds=120)
def transcript_in_order(ctx):
    def whole(side, pause):
        side.flush()
        return [talk(side, [data], pause, fresh=False) for _, data in blocks()]

    got = whole(ctx, 0.01 if ctx.server == "memcached" else 0)
    for pause in (0.005, 0.05):
        want = whole(ctx.oracle(), pause)
        wrong = [f"line {line}: {mcraw.escape(data, 120)}\n"
                 f"  got  {mcraw.escape(g, 300)}\n  want {mcraw.escape(w, 300)}"
                 for (line, data), g, w in zip(blocks(), got, want) if g != w]
        if not wrong:
            return
    raise AssertionError(f"{len(wrong)} blocks differ from memcached\n" + "\n".join(wrong[:9]))


@test("ascii: transcript, one byte per segment", seconds=120)
def transcript_bytes(ctx):
    turn = iter(range(1 << 30))

    def cut(data):
        if len(data) > 400 or next(turn) % 3:
            return []
        return [[data[i:i + 1] for i in range(len(data))]]
    compare(ctx, cut)


@test("ascii: transcript, a sample cut in two at every byte", seconds=120)
def transcript_splits(ctx):
    turn = iter(range(1 << 30))

    def cut(data):
        if not 20 <= len(data) <= 120 or next(turn) % 12:
            return []
        return [[data[:i], data[i:]] for i in range(1, len(data))]
    compare(ctx, cut)


@test("ascii: transcript by UDP, requests of one line or one value", seconds=120,
      differs="several replies to one datagram are not one message")
def transcript_udp(ctx):
    """Over UDP the same answer as over TCP. memcached's own UDP defects are not the measure."""
    wrong, count = [], 0
    for line, data in blocks():
        head, _, body = data.partition(b"\r\n")
        words = head.split()
        if len(data) > UDP_REQUEST_MAX or not words or not data.endswith(b"\r\n") \
                or words[-1] == b"noreply" \
                or words[0] in (b"quit", b"watch", b"shutdown", b"stats", b"mn"):
            continue
        stores = words[0] in (b"set", b"add", b"replace", b"append", b"prepend") \
            and len(words) == 5 and words[4].isdigit() \
            and len(body) == int(words[4]) + 2 and body[-2:] == b"\r\n"
        if body and not stores:
            continue
        count += 1
        ctx.flush()
        with ctx.udp(timeout=0.5) as conn:
            try:
                got = normalise(conn.ask(count, data))
            except mcraw.Silence:
                got = b""  # what closes a connection gets no datagram
            except mcraw.Broken as error:
                got = str(error).encode()
        if not Oracle.agrees(ctx, data, got):
            wrong.append(f"line {line}: {mcraw.escape(data, 120)}\n"
                         f"  got  {mcraw.escape(got)}\n  want {mcraw.escape(Oracle.said[data])}")
    true(count >= 20, f"only {count} requests were compared")
    true(not wrong, f"{len(wrong)} of {count} differ from memcached\n" + "\n".join(wrong[:8]))


@test("ascii: memccapable, all of its text tests", seconds=90)
def memccapable(ctx):
    out = ctx.run("memccapable", "-h", ctx.host, "-p", ctx.port, "-a", check=False, timeout=80)
    results = re.findall(r"^(ascii [a-z ]+?)\s+\[(\w+)\]", out.stdout, re.M)
    for name, result in results:
        ctx.report(f"memccapable: {name}", result == "pass", out.stdout)
    equal(len(results), 27, f"results of memccapable\n{out.stdout}")
    equal(out.returncode, 0, "memccapable's exit status")
