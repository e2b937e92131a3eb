# SPDX-License-Identifier: BSD-3-Clause
"""Labs for tests: scripts/lab driven from Python, and sockets made inside its client namespace."""
import contextlib
import ctypes
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "lab"
RUN = pathlib.Path("/run/ringcached-lab")
HOST = "192.0.2.10"
CLIENT = "192.0.2.1"
PORT = 11211
CLIENT_IFACE = "rcc0"
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """scripts/lab said no; the text is what it said."""


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Lab:
    """One lab: its own name, namespaces, server."""

    def __init__(self, name, server="ringcached", pmd="af_packet", options=(), queues=1, **env):
        self.name = name
        self.server = server
        self.options = list(options)
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LAB_") or k == "LAB_BIN"},
            "LAB_NAME": name,
            "LAB_SERVER": server,
            "LAB_PMD": pmd,
            "LAB_QUEUES": str(queues),
            **env,
        }
        self.state = RUN / name
        self.client_ns = pathlib.Path("/run/netns") / f"rc-{name}-c"
        self.server_ns = pathlib.Path("/run/netns") / f"rc-{name}-s"

    def script(self, *args, timeout=120, check=True):
        done = subprocess.run(
            [SCRIPT, *args], env=self.env, timeout=timeout, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
        if check and done.returncode != 0:
            raise LabError(f"lab {' '.join(args)}: status {done.returncode}\n{done.stdout}")
        return done

    def start_script(self, *args):
        return subprocess.Popen(
            [SCRIPT, *args], env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def up(self):
        self.script("up", "--", *self.options)
        return self

    def down(self):
        self.script("down")

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def stop(self, signal="TERM"):
        """The server's exit status after a signal."""
        return self.script("stop", signal, check=False, timeout=60).returncode

    def start(self):
        """The server again, after its end."""
        self.script("start")

    def alive(self):
        return self.script("status", check=False).returncode == 0

    def pid(self):
        return int((self.state / "pid").read_text().split()[0])

    def log(self, lines=25):
        try:
            return "\n".join((self.state / "log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    @contextlib.contextmanager
    def inside(self):
        """Sockets and processes made in here live in the client's namespace."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.client_ns, "rb") as there:
            setns(there.fileno())
            try:
                yield
            finally:
                setns(home.fileno())

    def run(self, *command, timeout=60, stdin=None, check=True):
        """A client program in the lab: its CompletedProcess, output as text."""
        with self.inside():
            done = subprocess.run(
                [str(c) for c in command], timeout=timeout, input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command[0]} ended with {done.returncode}: {done.stdout[-1500:]}")
        return done

    def leftovers(self):
        """What of this lab is still there, as texts."""
        found = [str(p) for p in (
            self.state, self.client_ns, self.server_ns,
            pathlib.Path("/run/dpdk") / f"rc-{self.name}",
            pathlib.Path("/run/dpdk") / f"rc-{self.name}-panel") if p.exists()]
        mounts = pathlib.Path("/proc/self/mounts").read_text()
        found += [line for line in mounts.splitlines() if str(self.state) in line]
        return found


def wait_until(what, seconds, condition, step=0.05):
    """Polls until condition() is true; AssertionError after the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(step)


def hugepages():
    path = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    return int(path.read_text()) if path.exists() else 0
