#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Requests for each second of CPU: ringcached and Debian's memcached -t 1, in the same run."""
# measures: appliance.udp_get.* appliance.tcp_get.* appliance.veth_udp_get.* appliance.veth_tcp_get.*
#
# What counts as the server's time:
#   over memif        ringcached: busy time of its one worker, driver included (it spins, so that the
#                     process as such always takes a whole core)
#   over the kernel   CPU time of the whole process as the scheduler counts it. Soft interrupts that
#                     run while it does are in it: with loopback and veth, what it sends goes up the
#                     client's stack on its account, and what the client sends up its own on the
#                     client's. ksoftirqd's share is not counted.
# memcached's figure beside memif is the better one of loopback and veth.
import contextlib
import os
import pathlib
import socket
import sys

import rig

sys.path.insert(0, str(rig.ROOT / "test" / "e2e"))
import labs  # noqa: E402

MEMORY_MB = 1600
KEYS = "--keys=1000"
KERNEL = {"udp": ["--engine=kernel-udp", "--closed=32"],
          "tcp": ["--engine=kernel-tcp", "--connections=32"]}
DPDK = {"udp": ["--flood", "--closed=256"], "tcp": ["--engine=dpdk-tcp", "--connections=128"]}
MEMCACHED = {}  # protocol: the best figure so far


def pin(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(task.name), [rig.SERVER_CPU])


def figures(name, server, load, seconds):
    value = load.only_hits().received / seconds
    rig.figure(f"appliance.{name}.{server}.per_core", value, "requests/core-s")
    rig.figure(f"appliance.{name}.{server}.rate", load.rate, "requests/s")
    return value


def over_memif(protocol):
    with rig.scratch() as folder, rig.hugepages(MEMORY_MB) as memory:
        device, peer = rig.devices("memif", folder)
        with rig.ringcached(device, folder, memory) as server:
            load = rig.ringload(folder, [*DPDK[protocol], KEYS], server, peer, memory)
            seconds = rig.busy_seconds(server.stop())
        rig.all_of_its_cpu("ringcached", load.server_share)
    return figures(f"{protocol}_get", "ringcached", load, seconds)


def free_port():
    """Of both protocols, for the moment."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


def over_loopback(protocol):
    port = free_port()
    with rig.scratch() as folder:
        with rig.Process([rig.program("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", port,
                          "-U", port, "-t", "1"], folder, [rig.SERVER_CPU]) as server:
            rig.wait_port(port)
            load = rig.ringload(folder, [*KERNEL[protocol], KEYS], server, to=f"127.0.0.1:{port}")
    return figures(f"{protocol}_get", "memcached", load, load.server_s)


def over_veth(protocol, server):
    options = ["-t", "1", "-U", str(rig.PORT)]
    if server == "ringcached":
        options += ["--udp-trust=192.0.2.0/24", "--mode=rtc", "--idle=sleep", "--",
                    rig.lcores(rig.SERVER_CPU)]
    with rig.scratch() as folder, labs.Lab(rig.NAME, server, options=options) as lab:
        process = rig.Pid(lab.pid())
        if server == "memcached":
            pin(process.pid)
        load = rig.ringload(folder, [*KERNEL[protocol], KEYS], process,
                            prefix=["ip", "netns", "exec", f"rc-{lab.name}-c"])
    return figures(f"veth_{protocol}_get", server, load, load.server_s)


def compare_veth(protocol):
    rig.program("memcached")
    other = over_veth(protocol, "memcached")
    MEMCACHED[protocol] = other
    own = over_veth(protocol, "ringcached")
    rig.figure(f"appliance.veth_{protocol}_get.ratio_to_memcached", own / other, "x")


def compare_memif(protocol):
    other = max(over_loopback(protocol), MEMCACHED.get(protocol, 0))
    own = over_memif(protocol)
    rig.figure(f"appliance.{protocol}_get.ratio_to_memcached", own / other, "x")


if __name__ == "__main__":
    rig.main([([f"appliance.{way}{protocol}_get.ratio_to_memcached"],
               lambda protocol=protocol, compare=compare: compare(protocol))
              for protocol in KERNEL for way, compare in (("veth_", compare_veth),
                                                          ("", compare_memif))])
