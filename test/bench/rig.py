# SPDX-License-Identifier: BSD-3-Clause
"""For bench scripts: servers, the load generator, hugepages, and CPUs, all removed at the end.

Two CPUs are used: the server's is SERVER_CPU, the generator's LOAD_CPU; control threads float.
Nothing gets real-time priority. Where other work took more than a tenth of either CPU from the
process under test, its figure is Absent.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BENCH_BUILD", ROOT / "build" / "release"))
CPUS = sorted(os.sched_getaffinity(0))
LOAD_CPU, SERVER_CPU = CPUS[0], CPUS[-1]
SERVER_IP, CLIENT_IP, PORT = "192.0.2.10", "192.0.2.1", 11211
NAME = f"bench-{os.getpid()}"
# The share of its CPU that a process must have had. BENCH_CPU_SHARE=0 tries a bench out on a
# machine that does something else as well: its figures are worth nothing.
CPU_SHARE = float(os.environ.get("BENCH_CPU_SHARE", "0.9"))
LABS = pathlib.Path("/run/ringcached-lab")
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


class Absent(Exception):
    """A figure cannot be taken here; the text says why."""


def figure(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def absent(names, why):
    for name in names:
        print(f"absent {name}: {str(why).splitlines()[0]}", flush=True)


def main(parts):
    """Run each (names, function); what is Absent is said for all names it should have given."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for names, function in parts:
            try:
                needs()
                function()
            except Absent as why:
                absent(names, why)
    finally:
        end_all()


def needs():
    if os.geteuid() != 0:
        raise Absent("needs root")
    if len(CPUS) < 2:
        raise Absent("needs two CPUs")


def program(name):
    path = BUILD / "bin" / name
    if path.exists():
        return str(path)
    found = shutil.which(name)
    if not found:
        raise Absent(f"{name} is not installed")
    return found


# ---- memory

def move_hugepages(by):
    """Change their number by so many; returns by how many it did. With the lock of scripts/lab."""
    number = HUGE / "nr_hugepages"
    while True:
        LABS.mkdir(parents=True, exist_ok=True)
        fd = os.open(LABS, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            # The last lab removes the folder: did it, while this one waited?
            if os.path.samestat(os.stat(LABS), os.fstat(fd)):
                break
        os.close(fd)
    try:
        before = int(number.read_text())
        number.write_text(str(max(before + by, 0)))
        return int(number.read_text()) - before
    finally:
        with contextlib.suppress(OSError):
            LABS.rmdir()
        os.close(fd)


@contextlib.contextmanager
def hugepages(mb):
    """EAL arguments for memory: hugepages if so much can be had, else ordinary pages for all."""
    pages, raised = (mb + 1) // 2, 0
    try:
        if HUGE.exists():
            raised = move_hugepages(pages)
        if raised >= pages:
            yield ["--in-memory"]
        else:
            yield ["--no-huge", "-m", "512"]
    finally:
        if raised:
            move_hugepages(-raised)


# ---- processes

STARTED = []


class Process:
    """A program under test, pinned, its output in a file; ended with SIGTERM."""

    def __init__(self, words, folder, cpus=CPUS, prefix=()):
        self.log_path = pathlib.Path(folder) / f"log-{time.monotonic_ns()}"
        self.words = [str(w) for w in words]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, *self.words], stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.pid = self.process.pid
        STARTED.append(self)

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.log():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                tail = " | ".join(self.log().splitlines()[-3:])
                raise Absent(f"{pathlib.Path(self.words[0]).name} does not start: {tail}")
            time.sleep(0.02)
        return self

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        self.end()
        return self.log()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Pid:
    """A server that something else started and ends."""

    words = [""]

    def __init__(self, pid):
        self.pid = pid


def wait_port(port, seconds=10):
    """Until somebody listens on it on loopback."""
    end = time.monotonic() + seconds
    while True:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > end:
            raise Absent(f"nobody listens on port {port}")
        time.sleep(0.02)


def thread_seconds(pid):
    """CPU time of each thread of a process: {tid: seconds}, of the scheduler's own count."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


class CpuTime:
    """What a process takes from here on."""

    def __init__(self, pid):
        self.pid, self.start, self.before = pid, time.monotonic(), thread_seconds(pid)

    def take(self):
        """(seconds of all threads, share of a CPU that the busiest of them had)"""
        seconds = time.monotonic() - self.start
        used = [v - self.before.get(k, 0) for k, v in thread_seconds(self.pid).items()]
        return sum(used), max(used) / seconds


def all_of_its_cpu(what, share):
    if share < CPU_SHARE:
        raise Absent(f"{what} had {share:.0%} of its CPU: other work took the rest")


# ---- servers

def end_all():
    """Also what a signal interrupted between its start and its "with"."""
    while STARTED:
        STARTED.pop().end()


@contextlib.contextmanager
def scratch():
    folder = tempfile.mkdtemp(prefix=NAME + "-")
    try:
        yield pathlib.Path(folder)
    finally:
        end_all()
        shutil.rmtree(folder, ignore_errors=True)
        for runtime in pathlib.Path("/run/dpdk").glob(NAME + "-*"):
            shutil.rmtree(runtime, ignore_errors=True)


def lcores(cpu):
    """Main lcore anywhere, lcore 1 on cpu."""
    floats = ",".join(map(str, CPUS))
    return f"--lcores=0@({floats}),1@{cpu}"


def eal(name, memory, cpu):
    return [*memory, f"--file-prefix={NAME}-{name}", lcores(cpu)]


NICS = {
    "vhost": ("net_vhost0,iface={},queues=1", "net_virtio_user0,path={},queues=1"),
    "memif": ("net_memif0,role=server,socket={},socket-abstract=no",
              "net_memif0,role=client,socket={},socket-abstract=no"),
}


def devices(kind, folder):
    """Both ends of a shared-memory NIC: (server's, client's)."""
    path = folder / f"{kind}.sock"
    path.unlink(missing_ok=True)
    return [text.format(path) for text in NICS[kind]]


def ringcached(device, folder, memory, options=()):
    return Process(
        [program("ringcached"), f"--listen={SERVER_IP}", f"--udp-port={PORT}",
         "--udp-trust=192.0.2.0/24", "--threads=1", "--mode=rtc", "--idle=poll",
         f"--device={device}", *options, "--", *eal("server", memory, SERVER_CPU)],
        folder).wait_for("ringcached: ready")


def reflector(device, folder, memory):
    return Process(
        [program("dpdk-testpmd"), *eal("server", memory, SERVER_CPU), "--no-pci",
         f"--vdev={device}", "--", "--forward-mode=5tswap", "--auto-start",
         "--total-num-mbufs=16384", "--rxd=512", "--txd=512", "--no-flush-rx",
         "--disable-link-check", "--record-core-cycles", "--interactive"],
        folder, prefix=["stdbuf", "-oL"]).wait_for("packets/burst")


def say_cycles(process):
    """While a reflector is under load: some devices forget their counters with the peer's end."""
    if "testpmd" in process.words[0]:
        process.say("show fwd stats all")
        end = time.monotonic() + 1
        while "CPU cycles/packet" not in process.log() and time.monotonic() < end:
            time.sleep(0.01)


def said(pattern, log):
    found = re.search(pattern, log)
    if not found or float(found[1]) == 0:
        raise Absent("the server did not say how long it was busy")
    return float(found[1])


def cycles_per_packet(log):
    """As the server said: busy cycles of its loop over its packets."""
    return said(r"(?:busy seconds: |CPU cycles/packet=)([0-9.]+)", log)


def busy_seconds(log):
    """Of a ringcached with one worker."""
    return said(r"worker 0 took [0-9]+ packets in ([0-9.]+) busy seconds", log)


# ---- load

class Load:
    """A ringload run: its JSON, and what the server took meanwhile."""

    def __init__(self, result, server_s, server_share):
        self.result = result["result"]
        self.counters = self.result["counters"]
        self.received = self.result["received"]
        self.rate = self.result["received_pps"]
        self.waited = self.counters["waited_ns"] / 1e9 / self.result["seconds"]
        self.server_s, self.server_share = server_s, server_share

    def only_hits(self):
        hits = self.counters["get_hits"]
        if hits < 0.999 * self.result["sent"]:
            raise Absent(f"only {hits} of {self.result['sent']} requests are hits")
        return self


def start_ringload(folder, out, options, device=None, memory=(), prefix=(), to=SERVER_IP):
    """Its process, pinned: a DPDK lcore pins itself, a kernel's engine goes to one CPU whole."""
    out.unlink(missing_ok=True)
    words = [program("ringload"), f"--server={to}", f"--json={out}", *options]
    if device:
        words += [f"--client={CLIENT_IP}", f"--device={device}", "--idle=spin", "--",
                  *eal("load", memory, LOAD_CPU), "--single-file-segments"]
    return Process(words, folder, CPUS if device else [LOAD_CPU], prefix)


def load_result(folder, options, seconds_max, **where):
    """The "result" of a run that may turn out not valid: its own word for that is in it."""
    out = folder / "load.json"
    with start_ringload(folder, out, options, **where) as load:
        try:
            status = load.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            raise Absent(f"ringload did not end within {seconds_max} s") from None
        if status not in (0, 3):
            tail = " | ".join(load.log().splitlines()[-2:])
            raise Absent(f"ringload ended with {status}: {tail}")
    return json.loads(out.read_text())["result"]


def ringload(folder, options, server=None, device=None, memory=(), prefix=(), seconds=3,
             seconds_max=90, to=SERVER_IP):
    """Run it for so long, pinned; server is a process whose CPU time is measured meanwhile.

    Without a warm-up: what the server takes from the end of the filling on is for the requests
    that are counted. The generator's own start and end are not in its share of the CPU."""
    out = folder / "load.json"
    options = ["--warmup-s=0", f"--duration-s={seconds}", *options]
    with start_ringload(folder, out, options, device, memory, prefix, to) as load:
        load.wait_for("run  " if "--no-preload" in options else "filled", seconds_max)
        own, share = CpuTime(load.pid), 0
        cpu, taken = CpuTime(server.pid) if server else None, (0, 1)
        asked = False
        end = time.monotonic() + seconds_max
        while load.process.poll() is None:
            if time.monotonic() > end:
                raise Absent(f"ringload did not end within {seconds_max} s")
            with contextlib.suppress(OSError, ValueError):
                if time.monotonic() - own.start > seconds / 2:
                    share = max(share, own.take()[1])
                    if server and not asked:
                        say_cycles(server)
                    asked = True
                taken = cpu.take() if cpu else taken
            time.sleep(0.05)
        if load.process.returncode != 0:
            tail = " | ".join(load.log().splitlines()[-2:])
            raise Absent(f"ringload ended with {load.process.returncode}: {tail}")
        if device and "--flood" in options:
            all_of_its_cpu("the generator", share)
        return Load(json.loads(out.read_text()), *taken)
