# SPDX-License-Identifier: BSD-3-Clause
"""What the telemetry socket answers, also while clients work."""
import json
import pathlib
import random
import socket
import threading
import time

from suite import equal, test, true


class Telemetry:
    """DPDK's telemetry of one lab: one packet per request, one per answer."""

    def __init__(self, lab):
        path = pathlib.Path("/var/run/dpdk") / f"rc-{lab.name}" / "dpdk_telemetry.v2"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.size = json.loads(self.sock.recv(1024))["max_output_len"]

    def ask(self, command):
        self.sock.send(command.encode())
        return json.loads(self.sock.recv(self.size))[command]

    def close(self):
        self.sock.close()


def work(ctx, worker, seconds, errors):
    """Sets, gets and deletes of keys of its own, each answer checked."""
    rng = random.Random(worker)
    have = {}
    until = time.monotonic() + seconds
    try:
        with ctx.tcp(timeout=10) as conn:
            while time.monotonic() < until:
                key = b"w%d-%d" % (worker, rng.randrange(200))
                what = rng.randrange(3)
                if what == 0:
                    have[key] = b"%d" % rng.randrange(1 << 60)
                    equal(conn.set(key, have[key]), b"STORED\r\n")
                elif what == 1:
                    equal(conn.ask(b"delete %s\r\n" % key),
                          b"DELETED\r\n" if have.pop(key, None) else b"NOT_FOUND\r\n")
                else:
                    equal(conn.get(key), have.get(key))
    except (AssertionError, OSError) as e:
        errors.append(f"worker {worker}: {e}")


@test("admin: the store is checked while clients work", only="ringcached")
def check_live(ctx):
    ctx.flush()
    errors = []
    clients = [threading.Thread(target=work, args=(ctx, i, 3, errors)) for i in range(4)]
    telemetry = Telemetry(ctx.lab)
    for c in clients:
        c.start()
    checks = 0
    while any(c.is_alive() for c in clients):
        answer = telemetry.ask("/ringcached/store/check")
        equal(answer["result"], "good", str(answer))
        checks += 1
        time.sleep(0.02)
    for c in clients:
        c.join()
    telemetry.close()
    equal(errors, [])
    true(checks >= 10, f"only {checks} checks were made")
    true("the store is checked" in ctx.lab.log(), "the log does not tell of it")


@test("admin: counters and memory, as the clients made them", only="ringcached", quick=True)
def counters(ctx):
    ctx.flush()
    telemetry = Telemetry(ctx.lab)
    before = telemetry.ask("/ringcached/stats")
    with ctx.tcp() as conn:
        equal(conn.set(b"counted", b"12345"), b"STORED\r\n")
        equal(conn.get(b"counted"), b"12345")
        equal(conn.get(b"absent"), None)
        shown = {}
        conn.send(b"stats ringcached\r\n")
        while (line := conn.line()) != b"END\r\n":
            name, value = line.split()[1:]
            shown[name.decode()] = value
    after = telemetry.ask("/ringcached/stats")
    for name, more in (("cmd_set", 1), ("cmd_get", 2), ("get_hits", 1), ("get_misses", 1)):
        equal(after["cmd"][name] - before["cmd"][name], more, name)
    names = {f"{module}.{name}" for module, of in after.items() for name in of}
    equal(sorted(names), sorted(shown), "the same counters as the protocol shows")
    store = telemetry.ask("/ringcached/store")
    true(store["items"] >= 1, f"items: {store}")
    true(0 < store["segments_free"] < store["segments"], f"segments: {store}")
    equal(telemetry.ask("/ringcached/nothing"), None)
    telemetry.close()


@test("admin: how long packets waited and were worked on", only="ringcached", quick=True)
def latency(ctx):
    telemetry = Telemetry(ctx.lab)
    with ctx.tcp() as conn:
        equal(conn.ask(b"stats reset\r\n"), b"RESET\r\n")
        before = telemetry.ask("/ringcached/latency")
        for _ in range(100):
            equal(conn.get(b"absent"), None)
    after = telemetry.ask("/ringcached/latency")
    shown = telemetry.ask("/ringcached/stats")["latency"]
    stages = ["service", "ring_wait"] if ctx.mode == "dispatch" else ["service"]
    for stage in stages:
        now = after[stage]
        true(now["count"] - before[stage]["count"] >= 100, f"{stage}: {now}")
        bounds = [now[f"le_{1 << bits}"] for bits in range(7, 35)]
        equal(sorted(bounds), bounds, f"{stage}: cumulative")
        equal(bounds[-1], now["count"], f"{stage}: all took less than 17 s")
        true(now["sum_ns"] > 100 * now["count"], f"{stage}: {now}")
        true(shown[f"{stage}_p50_ns"] <= shown[f"{stage}_p99_ns"] <= shown[f"{stage}_max_ns"],
             str(shown))
    if ctx.mode == "rtc":
        equal(after["ring_wait"]["count"], 0, "packets of rings in mode rtc")
    telemetry.close()
