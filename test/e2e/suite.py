# SPDX-License-Identifier: BSD-3-Clause
"""The list of end-to-end tests, and what each of them is given."""
import contextlib
import dataclasses
import os
import typing

import labs
import mcraw

TRUSTED = "192.0.2.0/24"


@dataclasses.dataclass
class Test:
    name: str
    run: typing.Callable
    quick: bool       # also run in the combinations that get a short look only
    only: str         # "" or the one server it is for
    differs: str      # why memcached itself is known to fail it
    seconds: int      # it is a failure if it takes longer


TESTS: list[Test] = []


def test(name, quick=False, only="", differs="", seconds=60):
    def add(function):
        TESTS.append(Test(name, function, quick, only, differs, seconds))
        return function
    return add


def equal(got, want, what=""):
    if got != want:
        show = [mcraw.escape(v) if isinstance(v, (bytes, bytearray)) else repr(v)
                for v in (got, want)]
        raise AssertionError(f"{what + ': ' if what else ''}got {show[0]}, want {show[1]}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(action, what):
    """action must fail with an OSError or a broken protocol."""
    try:
        action()
    except (OSError, mcraw.Broken):
        return
    raise AssertionError(what)


def pattern(size, seed=1):
    """Bytes that show where they come from, so that a shifted or doubled piece is seen."""
    words = []
    for i in range(size // 8 + 1):
        words.append(b"%07x." % ((i * 2654435761 + seed * 97) & 0xFFFFFFF))
    return b"".join(words)[:size]


class Context:
    """One running lab with a server, as a test sees it."""

    host = labs.HOST
    port = labs.PORT

    def __init__(self, server, pmd, threads, mode, report):
        self.server = server
        self.pmd = pmd
        self.threads = threads
        self.mode = mode
        self.report = report  # report(name, ok, detail): for tests of many results
        self.lab = self.new_lab("a")
        self._oracle = None

    def queues(self):
        # TAP gets its queues from the server, and AF_XDP on veth has but one.
        if self.pmd != "af_packet":
            return 1
        return {"rtc": self.threads, "hybrid": max(1, self.threads - 1)}.get(self.mode, 1)

    def options(self, server, udp=True):
        out = ["-t", str(self.threads)]
        if udp:
            out += ["-U", str(self.port)]
        if server == "ringcached":
            out.append(f"--mode={self.mode}")
            if udp:
                out += [f"--udp-allow={TRUSTED}", f"--udp-trust={TRUSTED}"]
        return out

    def prefix(self):
        """What the names of all labs of this run begin with."""
        return f"e2e-{os.getpid()}-"

    def new_lab(self, suffix, options=None, server=None, **env):
        server = server or self.server
        if options is None:
            options = self.options(server)
        return labs.Lab(f"{self.prefix()}{suffix}", server, self.pmd, options,
                        self.queues() if server == "ringcached" else 1, **env)

    @contextlib.contextmanager
    def other(self, suffix="b", options=None, server=None, **env):
        """A further lab for one test, as a Context of its own."""
        lab = self.new_lab(suffix, options, server, **env)
        with lab:
            yield self.at(lab)

    def at(self, lab):
        other = object.__new__(Context)
        other.__dict__.update(self.__dict__)
        other.lab, other.server, other._oracle = lab, lab.server, None
        return other

    def oracle(self):
        """Debian's memcached in a lab of its own, to compare with."""
        if self._oracle is None:
            self._oracle = self.at(self.new_lab("m", server="memcached").up())
        return self._oracle

    def close(self):
        self.lab.down()
        if self._oracle is not None:
            self._oracle.lab.down()

    def tcp(self, **kw):
        with self.lab.inside():
            return mcraw.Tcp(self.host, self.port, **kw)

    def udp(self, **kw):
        with self.lab.inside():
            return mcraw.Udp(self.host, self.port, **kw)

    def run(self, *command, **kw):
        return self.lab.run(*command, **kw)

    def flush(self):
        with self.tcp() as conn:
            equal(conn.ask(b"flush_all\r\n"), b"OK\r\n", "flush_all")

    def stat(self, name):
        with self.tcp() as conn:
            text = conn.ask(b"stats\r\n", b"END\r\n").decode()
        for line in text.splitlines():
            words = line.split(None, 2)
            if words[:2] == ["STAT", name]:
                return words[2]
        raise AssertionError(f"no {name} in stats")

    def still_serves(self):
        with self.tcp() as conn:
            equal(conn.ask(b"version\r\n")[:8], b"VERSION ", "version")
