# SPDX-License-Identifier: BSD-3-Clause
"""Start, stop, crash, labs side by side."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

import labs
import mcraw
from labs import wait_until
from suite import equal, pattern, test, true


def nothing_left(lab):
    equal(lab.leftovers(), [], "left behind")


def stops(ctx, name):
    """An idle client that closes when the server does."""
    lab = ctx.new_lab("s")
    with lab:
        here = ctx.at(lab)
        with here.tcp(timeout=10) as idle:
            equal(idle.set(b"a", b"1"), b"STORED\r\n")
            start = time.monotonic()
            stopping = lab.start_script("stop", name)
            equal(idle.rest(), b"", "an idle connection sees its end")
        out, _ = stopping.communicate(timeout=30)
        equal(stopping.returncode, 0, f"exit status after SIG{name} ({out.strip()})")
        true(time.monotonic() - start < 5, "it took more than 5 s")
        true(not lab.alive(), "the lab says that it runs")
    nothing_left(lab)


@test("life: SIGTERM ends it with status 0", quick=True)
def sigterm(ctx):
    stops(ctx, "TERM")


@test("life: SIGINT ends it with status 0")
def sigint(ctx):
    stops(ctx, "INT")


@test("life: SIGTERM ends it, though a client never closes")
def stubborn(ctx):
    lab = ctx.new_lab("s")
    with lab:
        with ctx.at(lab).tcp(timeout=10) as idle:
            equal(idle.set(b"a", b"1"), b"STORED\r\n")
            start = time.monotonic()
            equal(lab.stop("TERM"), 0, "exit status")
            true(time.monotonic() - start < 15, "it took more than 15 s")
    nothing_left(lab)


@test("life: SIGTERM lets a reply that is under way come to its end", only="ringcached")
def drain(ctx):
    value = pattern(1_000_000)
    lab = ctx.new_lab("s")
    with lab:
        here = ctx.at(lab)
        with here.tcp(timeout=20, rcvbuf=65536) as conn:
            equal(conn.set(b"drain", value), b"STORED\r\n")
            conn.send(b"get drain\r\n")
            head = b"VALUE drain 0 %d\r\n" % len(value)
            equal(conn.exactly(len(head)), head)
            stopping = lab.start_script("stop", "TERM")
            time.sleep(0.5)
            true(conn.exactly(len(value)) == value, "the value came whole")
            equal(conn.exactly(7), b"\r\nEND\r\n")
            equal(conn.rest(), b"", "then the connection ends")
        out, _ = stopping.communicate(timeout=30)
        equal(stopping.returncode, 0, f"exit status ({out.strip()})")
    nothing_left(lab)


@contextlib.contextmanager
def same_hugepages(ctx):
    """As many hugepages are reserved after it as before: unless labs of others come and go."""
    def others():
        return {p.name for p in labs.RUN.glob("*/") if not p.name.startswith(ctx.prefix())}

    before, labs_before = labs.hugepages(), others()
    yield
    if not labs_before and not others():
        equal(labs.hugepages(), before, "reserved hugepages")


@test("life: after kill -9 the lab comes up again and leaves nothing")
def killed(ctx):
    lab = ctx.new_lab("k")
    with same_hugepages(ctx):
        try:
            lab.up()
            os.kill(lab.pid(), signal.SIGKILL)
            wait_until("the lab notices", 5, lambda: not lab.alive())
            lab.up()
            ctx.at(lab).still_serves()
            os.kill(lab.pid(), signal.SIGKILL)
        finally:
            lab.down()
    nothing_left(lab)
    lab.down()  # once more is no error


@test("life: kill -9 of `lab up` half-way, then again")
def killed_up(ctx):
    lab = ctx.new_lab("h")
    with same_hugepages(ctx):
        try:
            for delay in (0.03, 0.06, 0.1, 0.2, 0.3):
                half = lab.start_script("up", "--", *lab.options)
                time.sleep(delay)
                half.kill()
                half.communicate()
                if (lab.state / "up").exists():
                    lab.down()  # it was quicker
            lab.up()
            ctx.at(lab).still_serves()
        finally:
            lab.down()
    nothing_left(lab)


@test("life: two labs side by side do not see each other")
def side_by_side(ctx):
    with same_hugepages(ctx), ctx.other("x") as one, ctx.other("y") as two:
        for side, value in ((one, b"first"), (two, b"second")):
            with side.tcp() as conn:
                equal(conn.set(b"who", value), b"STORED\r\n")
        one.lab.run("memcping", f"--servers={ctx.host}:{ctx.port}")
        for side, value in ((one, b"first"), (two, b"second")):
            with side.tcp() as conn:
                equal(conn.get(b"who"), value)
        one.lab.down()
        nothing_left(one.lab)
        with two.tcp() as conn:
            equal(conn.get(b"who"), b"second", "after the other lab is gone")


def keep_and_look(ctx, path, options=()):
    """Items of all kinds through a stop and a crash."""
    large = pattern(900_000)
    lab = ctx.new_lab("r", ctx.options("ringcached") + [f"--restart-file={path}", *options])
    with lab:
        with ctx.at(lab).tcp(timeout=10) as conn:
            equal(conn.ask(b"set plain 7 0 5\r\nvalue\r\n"), b"STORED\r\n")
            equal(conn.ask(b"set short 0 2 1\r\nx\r\n"), b"STORED\r\n")
            equal(conn.ask(b"set long 1 1000 0\r\n\r\n"), b"STORED\r\n")
            equal(conn.set(b"large", large), b"STORED\r\n")
            equal(conn.set(b"gone", b"1"), b"STORED\r\n")
            equal(conn.ask(b"delete gone\r\n"), b"DELETED\r\n")
            equal(conn.set(b"n", b"9"), b"STORED\r\n")
            equal(conn.ask(b"incr n 1\r\n"), b"10\r\n")
            for i in range(5000):
                conn.send(b"set k%d 0 0 6 noreply\r\n%06d\r\n" % (i, i))
            conn.send(b"gets plain\r\n")
            plain = conn.line()
            true(plain.startswith(b"VALUE plain 7 5 "), f"gets: {plain}")
            equal(conn.exactly(12), b"value\r\nEND\r\n")
        time.sleep(2.1)
        for signal_name, status, text in (
                ("TERM", 0, " items are back"), ("KILL", 137, "did not end in order")):
            equal(lab.stop(signal_name), status, f"exit status after SIG{signal_name}")
            lab.start()
            true(text in lab.log(), f"no '{text}' in\n{lab.log()}")
            with ctx.at(lab).tcp(timeout=10) as conn:
                conn.send(b"gets plain\r\n")
                equal(conn.line(), plain, "flags and CAS")
                equal(conn.exactly(12), b"value\r\nEND\r\n")
                true(conn.get(b"large") == large, "the large value")
                equal(conn.get(b"long"), b"")
                equal(conn.get(b"n"), b"10")
                equal(conn.get(b"gone"), None, "a deleted item")
                equal(conn.get(b"short"), None, "an expired item")
                for i in range(0, 5000, 97):
                    equal(conn.get(b"k%d" % i), b"%06d" % i)
                cas = plain.split()[4]
                equal(conn.ask(b"cas plain 7 0 5 %d\r\nother\r\n" % (int(cas) + 1)),
                      b"EXISTS\r\n")
    nothing_left(lab)


@test("life: a restart keeps the items, in a file on tmpfs", only="ringcached")
def restart_tmpfs(ctx):
    path = f"/dev/shm/{ctx.prefix()}items"
    try:
        keep_and_look(ctx, path)
    finally:
        pathlib.Path(path).unlink(missing_ok=True)


@test("life: a restart keeps the items, in hugepages", only="ringcached")
def restart_hugepages(ctx):
    with ctx.other("r") as other:
        huge = other.lab.state / "huge"
        if not os.path.ismount(huge):
            print("         no hugepages here", flush=True)
            return
    keep_and_look(ctx, huge / "items", ["--hugepages=require"])


@test("life: a damaged restart file is one line and an empty start", only="ringcached")
def restart_damaged(ctx):
    path = pathlib.Path(f"/dev/shm/{ctx.prefix()}items")
    lab = ctx.new_lab("r", ctx.options("ringcached") + ["-e", str(path)])
    try:
        with lab:
            here = ctx.at(lab)
            for where, text in ((20, "another layout"), (5000, "is damaged"), (None, "it has ")):
                with here.tcp() as conn:
                    equal(conn.set(b"a", b"1"), b"STORED\r\n")
                equal(lab.stop(), 0, "exit status")
                with open(path, "r+b") as file:
                    if where is None:
                        file.truncate(1 << 20)
                    else:
                        file.seek(where)
                        byte = file.read(1)[0]
                        file.seek(where)
                        file.write(bytes([byte ^ 4]))
                lab.start()
                lines = [line for line in lab.log(100).splitlines() if "starts empty" in line]
                true(len(lines) == 1 and text in lines[0], f"{text}: {lab.log()}")
                with here.tcp() as conn:
                    equal(conn.get(b"a"), None)
            # A second server must not touch it.
            second = ctx.new_lab("t", ctx.options("ringcached") + ["-e", str(path)])
            done = second.script("up", "--", *second.options, check=False)
            equal(done.returncode, 1, "status")
            true("is in use by another server" in done.stdout, done.stdout)
            nothing_left(second)
            done = lab.script("start", check=False)
            equal((done.returncode, "runs already" in done.stdout), (1, True), "lab start")
            here.still_serves()
    finally:
        path.unlink(missing_ok=True)
    nothing_left(lab)


@test("life: a lab with the name of one that is up is refused")
def same_name(ctx):
    done = ctx.lab.script("up", check=False)
    equal(done.returncode, 1, "status")
    true("is up already" in done.stdout, done.stdout)
    ctx.still_serves()


@test("life: `lab exec` passes on the exit status, and needs a lab")
def lab_exec(ctx):
    equal(ctx.lab.script("exec", "--", "sh", "-c", "exit 7", check=False).returncode, 7)
    gone = ctx.new_lab("n")
    done = gone.script("exec", "--", "true", check=False)
    equal((done.returncode, "is not up" in done.stdout), (1, True), "without a lab")
    equal(gone.script("foo", check=False).returncode, 2, "an unknown command")
    equal(gone.script("down", check=False).returncode, 0, "down of nothing")


@test("life: `lab run` shows its requests and cleans up", quick=True)
def lab_run(ctx):
    lab = ctx.new_lab("d")
    done = lab.script("run", check=False)
    equal(done.returncode, 0, f"status\n{done.stdout}\n")
    for text in ("TCP set", "TCP get", "UDP get", "3 passed, 0 failed"):
        true(text in done.stdout, f"no '{text}' in\n{done.stdout}")
    nothing_left(lab)
    done = lab.script("run", "--", "sh", "-c", "exit 5", check=False)
    equal(done.returncode, 5, "status of the command")
    nothing_left(lab)


@test("life: a wrong option is one line and status 2", only="ringcached")
def wrong_option(ctx):
    binary = os.environ.get("LAB_BIN", str(labs.ROOT / "build/release/bin/ringcached"))
    for args in (["--no-such-option"], ["--threads=none"], ["--tcp-port=70000"],
                 ["--listen=999.1.1.1"], ["--mode=sideways"], ["-t"]):
        done = subprocess.run([binary, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=10)
        equal(done.returncode, 2, f"status of {args}: {done.stderr}")
        equal(len(done.stderr.splitlines()), 1, f"lines for {args}: {done.stderr!r}")
        equal(done.stdout, "", f"stdout for {args}")


@test("life: the lab says why when the server cannot start", only="ringcached")
def cannot_start(ctx):
    lab = ctx.new_lab("w", ctx.options("ringcached") + ["--no-such-option"])
    start = time.monotonic()
    done = lab.script("up", "--", *lab.options, check=False)
    equal(done.returncode, 1, "status")
    true("no-such-option" in done.stdout and "status 2" in done.stdout, done.stdout)
    true(time.monotonic() - start < 10, "it waited for a server that had ended")
    nothing_left(lab)


@test("life: requests of 50 clients go on while others come and go")
def mixed(ctx):
    conns = [ctx.tcp(timeout=10) for _ in range(50)]
    try:
        for turn in range(40):
            for i, conn in enumerate(conns):
                conn.send(b"set m%d 0 0 4\r\n%04d\r\n" % (i, turn))
            for i, conn in enumerate(conns):
                equal(conn.line(), b"STORED\r\n", f"client {i}")
            gone = turn % 50
            conns[gone].close() if turn % 2 else conns[gone].reset()
            conns[gone] = ctx.tcp(timeout=10)
            equal(conns[gone].get(b"m%d" % gone), b"%04d" % turn)
    finally:
        for conn in conns:
            conn.close()


@test("life: the server still answers after all of that", quick=True)
def at_the_end(ctx):
    ctx.still_serves()
    with ctx.lab.inside():
        mcraw.ping(ctx.host)
