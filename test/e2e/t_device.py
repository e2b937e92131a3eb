# SPDX-License-Identifier: BSD-3-Clause
"""What belongs to the device and the way to the workers: steering policies, captures as a device."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import labs
import mcraw
from labs import wait_until
from suite import equal, test, true

PCAP_MAC = "02:70:63:61:70:00"  # net_pcap gives its first device this one
BIN = pathlib.Path(os.environ.get("LAB_BIN", labs.ROOT / "build/release/bin/ringcached"))
KEYS = 200


def counters(conn):
    text = conn.ask(b"stats ringcached\r\n", b"END\r\n").decode()
    rows = (line.split() for line in text.splitlines() if line.startswith("STAT "))
    return {row[1]: int(row[2]) for row in rows}


def deal(ctx, options, **env):
    """Connections to a lab of these options that deals them in turn."""
    with ctx.other("r", options=[*options, "--steer=roundrobin"], **env) as here:
        conns = [here.tcp() for _ in range(40)]
        try:
            for i, conn in enumerate(conns):
                equal(conn.set(b"k%d" % i, b"v%d" % i), b"STORED\r\n")
            for i, conn in enumerate(reversed(conns)):
                equal(conn.ask(b"get k%d\r\n" % i, b"END\r\n"),
                      b"VALUE k%d 0 %d\r\nv%d\r\nEND\r\n" % (i, len(str(i)) + 1, i))
            now = counters(conns[0])
            true(now["steer.flows_dealt"] >= len(conns), f"dealt {now['steer.flows_dealt']}")
            true(now["steer.by_flow"] > 3 * len(conns), "packets do not follow the flow table")
            equal(now["steer.drop_ring_full"], 0, "packets dropped on the way to the workers")
        finally:
            for conn in conns:
                conn.close()
        # The notices of the workers empty the flow table again; the one that asks stays.
        with here.tcp() as conn:
            wait_until("closed flows leave the table", 10,
                       lambda: counters(conn)["steer.flows"] <= 1)


@test("device: round robin deals connections to the workers in turn", only="ringcached")
def roundrobin(ctx):
    if ctx.mode == "dispatch":
        deal(ctx, ctx.options("ringcached"))


@test("device: one queue, and two, for three workers: the owners serve, too", only="ringcached")
def hybrid(ctx):
    for queues in ("1", "2"):
        if (ctx.pmd, ctx.mode) == ("af_packet", "dispatch"):
            deal(ctx, ["-t", "3", "--mode=hybrid"], LAB_QUEUES=queues)


@test("device: auto: two queues for three workers", only="ringcached")
def hybrid_auto(ctx):
    if (ctx.pmd, ctx.mode) != ("af_packet", "dispatch"):
        return
    options = ["-t", "3", "--mode=auto", "-U", str(ctx.port), "--udp-trust=192.0.2.0/24"]
    with ctx.other("q", options=options, LAB_QUEUES="2") as here:
        log = here.lab.log()
        true("mode hybrid (auto: the device spreads flows over 2 receive queues for 3 workers)"
             in log, log)
        with here.tcp() as conn:
            equal(conn.set(b"k", b"v"), b"STORED\r\n")
            equal(conn.ask(b"stats settings\r\n", b"END\r\n")
                  .count(b"STAT ringcached_mode hybrid\r\n"), 1)
            for rid in range(60):
                with here.udp() as client:
                    equal(client.ask(rid, b"get k\r\n"), b"VALUE k 0 1\r\nv\r\nEND\r\n")
            now = counters(conn)
        # Some came by a ring, some to the worker whose queue they were in.
        true(20 < now["latency.ring_wait_count"] < now["steer.rx_packets"] - 5, str(now))
        equal(now["steer.drop_ring_full"], 0, "packets dropped on the way to the workers")


@test("device: gets of one UDP client go by their keys", only="ringcached")
def by_key(ctx):
    if ctx.mode != "dispatch":
        return
    options = [*ctx.options("ringcached"), "--steer-udp-key=true"]
    with ctx.other("y", options=options) as here:
        with here.tcp() as conn, here.udp() as client:
            for i in range(50):
                equal(conn.set(b"k%d" % i, b"v%d" % i), b"STORED\r\n")
                equal(client.ask(i, b"get k%d\r\n" % i),
                      b"VALUE k%d 0 %d\r\nv%d\r\nEND\r\n" % (i, len(str(i)) + 1, i))
            equal(client.ask(99, b"delete k1\r\n"), b"DELETED\r\n")
            equal(client.ask(100, b"get k1\r\n"), b"END\r\n")
            equal(counters(conn)["steer.by_key"], 51)


def still_answered(conns, errors, over):
    """The same connections, in turn, again and again."""
    n = 0
    try:
        while not over.is_set():
            i, n = n % len(conns), n + 1
            equal(conns[i].set(b"b%d" % i, b"%d" % n), b"STORED\r\n")
            equal(conns[i].get(b"b%d" % i), b"%d" % n)
    except (AssertionError, OSError, mcraw.Broken) as e:
        errors.append(f"connection {i}: {e}")


@test("device: load moves to idle workers, and no connection is lost", only="ringcached")
def rebalance(ctx):
    if (ctx.pmd, ctx.mode) != ("af_packet", "dispatch"):
        return
    options = ["-t", "3", "--mode=dispatch", "-U", str(ctx.port), "--udp-trust=192.0.2.0/24",
               "--rebalance=true"]
    with ctx.other("v", options=options) as here, contextlib.ExitStack() as stack:
        # In two of three buckets there is a connection, so that a move that forgot them shows.
        conns = [stack.enter_context(here.tcp()) for _ in range(500)]
        watch = stack.enter_context(here.tcp())
        errors, over, until = [], threading.Event(), time.monotonic() + 30
        worker = threading.Thread(target=still_answered, args=(conns, errors, over))
        worker.start()
        moved = 0
        while moved == 0 and time.monotonic() < until and not errors:
            # Flows of unequal rates; new ones in each round, if these are even by chance.
            with contextlib.ExitStack() as round_:
                clients = [round_.enter_context(here.udp()) for _ in range(9)]
                end = time.monotonic() + 2.5
                while time.monotonic() < end:
                    for i, client in enumerate(clients):
                        for rid in range(1 + i):
                            client.send(rid, b"get b1\r\n")
                        for rid in range(1 + i):
                            client.datagram()
            moved = counters(watch)["steer.buckets_moved"]
        time.sleep(1)
        over.set()
        worker.join()
        equal(errors, [], "connections while buckets move")
        true(moved > 0, f"moved: {counters(watch)}")
        for conn in conns:
            equal(conn.ask(b"version\r\n")[:8], b"VERSION ")


def ringpcap(*args):
    program = BIN.with_name("ringpcap")
    return subprocess.run([program, *map(str, args)], check=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


@test("device: captures as a device, an ordinary user, no hugepages", only="ringcached")
def pcap(ctx):
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = shutil.copy(BIN, folder)
        (folder / "keys").write_text("".join(f"key-{i}\n" for i in range(KEYS)))
        ringpcap("get", "--keys", folder / "keys", "--count", KEYS,
                 "--dst-mac", PCAP_MAC, "-w", folder / "in.pcap")
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": name, "HOME": name}
        server = subprocess.Popen(
            [program, "--listen=192.0.2.10", "--udp-port=11211", "--udp-trust=192.0.2.0/24",
             "--threads=2", "--mode=dispatch", "--hugepages=off",
             f"--device=net_pcap0,rx_pcap={name}/in.pcap,tx_pcap={name}/out.pcap",
             "--", "--file-prefix=pcap"],
            user="nobody", group="nogroup", extra_groups=[], env=environment, cwd=name,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for line in server.stdout:
                if line.startswith("ringcached: ready"):
                    break
            time.sleep(1)
        finally:
            server.send_signal(signal.SIGTERM)
            log = server.communicate(timeout=20)[0]
        equal(server.returncode, 0, f"exit status\n{log}")
        replies = [line for line in ringpcap("print", folder / "out.pcap").splitlines()
                   if "END" in line]
        equal(len(replies), KEYS, "replies to the requests of the capture")
        true(all("cksum ok" in line for line in replies), "a reply with a wrong checksum")


@test("device: two ports, each answers by itself, both serve the same items", only="ringcached")
def two_ports(ctx):
    if ctx.pmd != "af_packet" or ctx.mode != "dispatch":
        return
    hosts = ("192.0.2.10", "198.51.100.10")
    for mode, threads, queues in (("dispatch", 3, "1"), ("rtc", 2, "2"), ("hybrid", 3, "2")):
        options = ["-t", str(threads), f"--mode={mode}", "-U", str(ctx.port),
                   "--udp-trust=192.0.2.0/24,198.51.100.0/24"]
        with ctx.other("p", options=options, LAB_PORTS="2", LAB_QUEUES=queues) as here, \
                here.lab.inside():
            conns = [mcraw.Tcp(hosts[i % 2], ctx.port) for i in range(16)]
            for i, conn in enumerate(conns):
                equal(conn.set(b"k%d" % i, b"v%d" % i), b"STORED\r\n")
            for i, conn in enumerate(reversed(conns)):
                equal(conn.get(b"k%d" % i), b"v%d" % i)
            for rid in range(32):
                with contextlib.closing(mcraw.Udp(hosts[rid % 2], ctx.port)) as client:
                    equal(client.ask(rid, b"get k1\r\n"), b"VALUE k1 0 2\r\nv1\r\nEND\r\n")
            for conn in conns:
                conn.close()
            neigh = here.run("ip", "-4", "neigh").stdout
            macs = {line.split()[4] for line in neigh.splitlines() if "lladdr" in line}
            equal(len(macs), 2, f"each port has an address of its own:\n{neigh}")


@test("device: a bond of two ports is one port, its slaves are none", only="ringcached")
def bond(ctx):
    if ctx.pmd != "af_packet" or ctx.mode != "dispatch":
        return
    device = ("--device=net_af_packet0,iface=rcs0;net_af_packet1,iface=rcs1;"
              "net_bonding0,mode=1,slave=net_af_packet0,slave=net_af_packet1")
    with ctx.other("b", options=["-t", "2", device], LAB_PORTS="2") as here:
        true("port net_bonding0" in here.lab.log(), here.lab.log())
        true("port net_af_packet" not in here.lab.log(), here.lab.log())
        with here.tcp() as conn:
            equal(conn.set(b"k", b"v"), b"STORED\r\n")
            equal(conn.get(b"k"), b"v")
    device = ("--device=net_af_packet0,iface=rcs0;net_af_packet1,iface=rcs1;"
              "net_bonding0,mode=1,slave=net_af_packet1")
    with ctx.other("o", options=["-t", "2", device], LAB_PORTS="2") as here, here.lab.inside():
        # Frames come with the number of the slave in them, and must go out by the bond.
        for host in ("192.0.2.10", "198.51.100.10"):
            with mcraw.Tcp(host, ctx.port) as conn:
                equal(conn.set(b"k", host.encode()), b"STORED\r\n")
                equal(conn.get(b"k"), host.encode())
        bond = next(line for line in here.lab.log().splitlines() if "port net_bonding0" in line)
        neigh = here.run("ip", "-4", "neigh", "show", "198.51.100.10").stdout
        true(neigh.split()[4] in bond, f"the bond's own address: {neigh} {bond}")
