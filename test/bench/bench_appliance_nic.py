#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole appliance on one core over a shared-memory NIC, beside testpmd's 5tswap in its place."""
# measures: appliance.vhost.* appliance.memif.*
import rig

MEMORY_MB = 1600  # of server and generator together, with 64 MiB of items
# The ring of virtio-user has 256 places: with more in flight, answers find it full.
FLOOD = ["--flood", "--closed=256", "--keys=1000"]
REFLECTED = ["--no-preload", "--server-mac=02:00:00:00:00:01"]


def measure(kind, server, start, options, folder, memory):
    """(packets that came back a second, busy cycles a packet) of one server."""
    device, peer = rig.devices(kind, folder)
    with start(device, folder, memory) as process:
        load = rig.ringload(folder, [*FLOOD, *options], process, peer, memory)
        cycles = rig.cycles_per_packet(process.stop())
    rig.all_of_its_cpu(server, load.server_share)
    if server == "ringcached":
        load.only_hits()
    rig.figure(f"appliance.{kind}.{server}.rate", load.rate, "packets/s")
    rig.figure(f"appliance.{kind}.{server}.cycles", cycles, "cycles")
    # Near 0 the generator was the limit, and the server could do more.
    rig.figure(f"appliance.{kind}.{server}.generator_waited", 100 * load.waited, "%")
    return load.rate, cycles


def compare(kind):
    with rig.scratch() as folder, rig.hugepages(MEMORY_MB) as memory:
        swap = measure(kind, "5tswap", rig.reflector, REFLECTED, folder, memory)
        own = measure(kind, "ringcached", rig.ringcached, [], folder, memory)
    rig.figure(f"appliance.{kind}.ratio_to_5tswap", own[0] / swap[0], "x")
    # Of the cycles of both servers: what the ratio is when neither waits for the generator.
    rig.figure(f"appliance.{kind}.cycles_ratio_to_5tswap", swap[1] / own[1], "x")


if __name__ == "__main__":
    rig.main([([f"appliance.{kind}.ratio_to_5tswap", f"appliance.{kind}.cycles_ratio_to_5tswap"],
               lambda kind=kind: compare(kind)) for kind in rig.NICS])
