# SPDX-License-Identifier: BSD-3-Clause
"""Random command sequences: the same bytes as Debian's memcached, on several connections in turn.

A failure is shortened and printed with its seed: SEED=n runs that sequence alone, RANDOM_S=n
runs new ones for so many seconds (5).
"""
import contextlib
import os
import random
import re
import time

import mcraw
import t_ascii
from suite import test, true

SECONDS = int(os.environ.get("RANDOM_S", "5"))
SHRINK_SECONDS = 40
CONNECTIONS = 3
STEPS = 120
# Large values are of this key alone, and never counted: a number with that much behind it is
# one to memcached and none to ringcached (lib/store/store.h).
LARGE = b"large"
KEYS = [LARGE, b"a", b"b", b"c", b"d", b"number", b"n2", b"k" * 250]
# A number that has no meaning for cas, and one that overflows.
NO_CAS = [b"1", b"18446744073709551615", b"18446744073709551616", b"x"]
SENTINEL = b"version\r\n"
SENTINEL_REPLY = re.compile(rb"(?:^|(?<=\r\n))VERSION [^\r\n]*\r\n\Z")
CAS_OF_KEY = re.compile(rb"^VALUE (\S+) \d+ \d+ (\d+)\r\n", re.M)
CAS_PLACE = re.compile(rb"<(new|old) (\S+)>")  # the cas last seen of a key, and the one before


class Generator:
    """Steps: (connection, bytes). The bytes are whole commands, with places for cas numbers."""

    def __init__(self, seed, meta):
        self.r = random.Random(seed)
        self.meta = meta
        self.serial = 0

    def steps(self):
        return [(self.r.randrange(CONNECTIONS), self.pipeline()) for _ in range(STEPS)]

    def pipeline(self):
        # Alone: for some of these memcached drops the replies to what came just before.
        if self.r.randrange(10) == 0:
            return self.odd()
        return b"".join(self.command() for _ in range(self.r.choice([1, 1, 1, 2, 5])))

    def command(self):
        kinds = [self.get, self.get, self.store, self.store, self.store, self.arith, self.delete,
                 self.touch, self.gat]
        if self.meta:
            kinds += [self.meta_get, self.meta_set, self.meta_delete, self.meta_arith]
        return self.r.choice(kinds)()

    def key(self):
        return self.r.choice(KEYS)

    def keys(self):
        return b" ".join(self.key() for _ in range(self.r.choice([1, 1, 2, 4])))

    def exptime(self):
        # Nothing that comes due while the test runs.
        return self.r.choice([b"0"] * 6 + [b"-1", b"2000000", b"2591999", b"86400", b"100000"])

    def flags(self):
        return b"%d" % self.r.choice([0, 0, 1, 77, 65535, 4294967295])

    def value(self, key):
        self.serial += 1
        kind = self.r.randrange(12)
        if kind < 5:
            return b"%d" % (self.r.getrandbits(64) >> self.r.randrange(65))
        if kind == 5:
            return b""
        if kind == 6 and key == LARGE:
            return b"v%d." % self.serial + b"x" * self.r.choice([2000, 9000, 33000, 70000])
        if kind == 7:
            return b"%d   " % self.r.randrange(2000)
        if kind == 8:
            return b"\r\n" * self.r.randrange(5) + b"get a\r\n"
        return b"v%d." % self.serial + b"y" * self.r.randrange(100)

    def noreply(self):
        return b" noreply" if self.r.randrange(8) == 0 else b""

    def cas(self, key):
        if self.r.randrange(8) == 0:
            return self.r.choice(NO_CAS)
        return b"<%s %s>" % (self.r.choice([b"new"] * 3 + [b"old"]), key)

    def get(self):
        return self.r.choice([b"get ", b"gets ", b"gets "]) + self.keys() + b"\r\n"

    def gat(self):
        return b"%s %s %s\r\n" % (self.r.choice([b"gat", b"gats"]), self.exptime(), self.keys())

    def store(self):
        verb = self.r.choice([b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas"])
        key = self.key()
        value, cas = self.value(key), b""
        if verb == b"cas":
            cas = b" " + self.cas(key)
            # After a number that is none the value is taken for a line: not for one too long.
            value = value[:1000]
        return b"%s %s %s %s %d%s%s\r\n%s\r\n" % (
            verb, key, self.flags(), self.exptime(), len(value), cas, self.noreply(), value)

    def number(self):
        return self.r.choice([b"1", b"1", b"9", b"1000", b"18446744073709551615", b"0",
                              b"18446744073709551616", b"-1", b"x"])

    def arith(self):
        return b"%s %s %s%s\r\n" % (self.r.choice([b"incr", b"decr"]), self.r.choice(KEYS[1:]),
                                    self.number(), self.noreply())

    def delete(self):
        return b"delete %s%s\r\n" % (self.key(), self.noreply())

    def touch(self):
        return b"touch %s %s%s\r\n" % (self.key(), self.exptime(), self.noreply())

    def odd(self):
        # No delayed flush: memcached forgets the one before, and what that removed comes back.
        return self.r.choice([
            b"flush_all\r\n", b"flush_all 0\r\n", b"flush_all noreply\r\n",
            b"verbosity 1\r\n", b"nonsense\r\n", b"get\r\n", b"get " + b"k" * 251 + b"\r\n",
            b"set a 0 0\r\n", b"incr a\r\n", b"delete a 0\r\n", b"delete a 5\r\n", b"touch a\r\n",
            b"set a 0 0 x\r\n", b"gat 0\r\n", b"cas a 0 0 1\r\n", b"\r\n"])

    # ---- meta commands; only with a server that knows them

    def meta_flags(self, some, most=4):
        picked = self.r.sample(some, self.r.randrange(min(most, len(some)) + 1))
        return b"".join(b" " + flag for flag in picked)

    def meta_get(self):
        return b"mg %s%s\r\n" % (self.key(), self.meta_flags(
            [b"v", b"f", b"k", b"s", b"c", b"Oabc", b"q", b"N0", b"T0"], 6))

    def meta_set(self):
        key = self.key()
        value = self.value(key)
        return b"ms %s %d%s\r\n%s\r\n" % (key, len(value), self.meta_flags(
            [b"T0", b"F7", b"ME", b"MA", b"MP", b"MR", b"MS", b"I", b"k", b"Oq", b"q", b"C1"]),
            value)

    def meta_delete(self):
        return b"md %s%s\r\n" % (self.key(), self.meta_flags([b"k", b"Oq", b"q", b"I", b"T30"]))

    def meta_arith(self):
        return b"ma %s%s\r\n" % (self.r.choice(KEYS[1:]), self.meta_flags(
            [b"MI", b"MD", b"D10", b"N0", b"J13", b"v", b"k", b"q", b"Oq"], 5))


class Side:
    """One server in one run: its connections, and the cas numbers it has given so far."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.conns = []
        self.seen = {}   # of normalise: over the whole run, not one reply
        self.given = {}  # key -> (the one before, the newest)

    def __enter__(self):
        self.ctx.flush()
        self.conns = [self.ctx.tcp() for _ in range(CONNECTIONS)]
        return self

    def __exit__(self, *_):
        for conn in self.conns:
            conn.close()

    def cas(self, match):
        old, new = self.given.get(match[2], (b"2", b"3"))
        return new if match[1] == b"new" else old

    def ask(self, step):
        """The reply to all of a step, cas numbers by their order of appearance."""
        conn = self.conns[step[0]]
        conn.send(CAS_PLACE.sub(self.cas, step[1]) + SENTINEL)
        while not SENTINEL_REPLY.search(conn.buf[-80:]):
            if not conn.fill():
                reply = bytes(conn.buf)
                conn.close()
                self.conns[step[0]] = self.ctx.tcp()
                return t_ascii.normalise(reply, self.seen) + b"<closed>"
        reply = bytes(conn.buf)
        conn.buf.clear()
        for key, cas in CAS_OF_KEY.findall(reply):
            old = self.given.get(key, (b"2", b"3"))
            if old[1] != cas:
                self.given[key] = (old[1], cas)
        return t_ascii.normalise(reply, self.seen)


class Pair:
    """Both servers, and how they differed last."""

    def __init__(self, ours, theirs):
        self.sides = ours, theirs
        self.end = None

    def differ(self, steps):
        """The steps up to the first whose replies differ, or None."""
        with Side(self.sides[0]) as ours, Side(self.sides[1]) as theirs:
            for i, step in enumerate(steps):
                got, want = ours.ask(step), theirs.ask(step)
                if got != want:
                    self.end = got, want
                    return steps[:i + 1]
        return None

    def shorten(self, steps):
        """As few steps as can be found in the time that still differ."""
        end = time.monotonic() + SHRINK_SECONDS
        size = max(1, len(steps) // 2)
        while size:
            at = 0
            while at < len(steps) and time.monotonic() < end:
                fewer = self.differ(steps[:at] + steps[at + size:])
                steps = fewer or steps
                at += 0 if fewer else size
            size //= 2
        return steps

    def report(self, seed, steps):
        steps = self.shorten(steps)
        steps = self.shorten(self.differ(single_commands(steps)) or steps)
        lines = [f"SEED={seed}: {len(steps)} steps"]
        lines += [f"  connection {conn}: {mcraw.escape(data, 160)}" for conn, data in steps]
        lines += [f"  {who} {mcraw.escape(text, 300)}"
                  for who, text in zip(("got ", "want"), self.end)]
        return "\n".join(lines)


def single_commands(steps):
    """One command per step."""
    single = []
    for conn, data in steps:
        while data:
            line, _, rest = data.partition(b"\r\n")
            words = line.split()
            length = words[4] if len(words) > 4 and words[0] in STORES else b""
            if words[:1] == [b"ms"] and len(words) > 2:
                length = words[2]
            cut = len(line) + 2 + (int(length) + 2 if length.isdigit() else 0)
            single.append((conn, data[:cut]))
            data = data[cut:]
    return single


STORES = (b"set", b"add", b"replace", b"append", b"prepend", b"cas")


# memcached's own threads hold an item now and then, and an incr that finds one held does not pad.
ALONE = ["-o", "no_lru_maintainer,no_lru_crawler"]


@test("random: sequences on three connections, the same bytes as memcached",
      seconds=SECONDS + 3 * SHRINK_SECONDS)
def sequences(ctx):
    with contextlib.ExitStack() as stack:
        if ctx.server == "memcached":
            options = ["-t", str(ctx.threads)] + ALONE
            ctx = stack.enter_context(ctx.other("s", options))
        oracle = stack.enter_context(ctx.other("r", ["-t", "1"] + ALONE, server="memcached"))
        compare(Pair(ctx, oracle))


def compare(pair):
    with pair.sides[0].tcp() as conn:
        meta = conn.ask(b"mn\r\n") == b"MN\r\n"
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(
        int(time.time()) if "RANDOM_S" in os.environ else 1, 1 << 40)
    end = time.monotonic() + SECONDS
    count = 0
    for seed in seeds:
        count += 1
        found = pair.differ(Generator(seed, meta).steps())
        if found:
            raise AssertionError(pair.report(seed, found))
        if time.monotonic() > end:
            break
    true(count > 0, "nothing was compared")
    print(f"        | {count} sequences of {STEPS} steps from SEED={seeds[0]}", flush=True)
