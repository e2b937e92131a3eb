# SPDX-License-Identifier: BSD-3-Clause
"""Below TCP: neighbours, echo, closed ports."""
import pathlib

import labs
import mcraw
from suite import equal, refused, test, true


@test("net: ARP is answered once, with one MAC", quick=True)
def arp_answers(ctx):
    with ctx.lab.inside():
        macs = mcraw.arp(labs.CLIENT_IFACE, labs.CLIENT, ctx.host, timeout=1.0, count=5)
    equal(len(macs), 1, "answers")
    true(int(macs[0][:2], 16) & 1 == 0, f"{macs[0]} is a multicast address")


@test("net: ARP for another address gets silence")
def arp_other(ctx):
    with ctx.lab.inside():
        equal(mcraw.arp(labs.CLIENT_IFACE, labs.CLIENT, "192.0.2.11", timeout=1.0), [])


@test("net: an ARP probe for our address is answered (RFC 5227)")
def arp_probe(ctx):
    # A probe has a sender address of zero; whoever owns the address defends it.
    with ctx.lab.inside():
        macs = mcraw.arp(labs.CLIENT_IFACE, "0.0.0.0", ctx.host, timeout=1.0)
    equal(len(macs), 1, "answers")


@test("net: ICMP echo, 0 to 1472 bytes", quick=True)
def ping(ctx):
    with ctx.lab.inside():
        for size in (0, 1, 18, 56, 57, 1000, 1472):
            mcraw.ping(ctx.host, seq=size, payload=bytes(i & 255 for i in range(size)))


@test("net: 200 echoes in a row")
def ping_many(ctx):
    with ctx.lab.inside():
        times = sorted(mcraw.ping(ctx.host, seq=i) for i in range(200))
    true(times[100] < 0.1, f"the median echo took {times[100] * 1000:.1f} ms")


@test("net: a closed TCP port refuses", quick=True)
def closed_port(ctx):
    def connect():
        with ctx.lab.inside():
            mcraw.Tcp(ctx.host, 11299, timeout=3.0)
    try:
        connect()
    except ConnectionRefusedError:
        return
    raise AssertionError("a connection to port 11299 was accepted")


@test("net: an address that is not ours does not answer", only="ringcached")
def other_address(ctx):
    def connect():
        with ctx.lab.inside():
            mcraw.Tcp("192.0.2.11", ctx.port, timeout=1.0)
    refused(connect, "192.0.2.11 answered")


@test("net: the kernel of the server's namespace has no address", only="ringcached")
def kernel_silent(ctx):
    # What answers is ringcached: no IPv4 address but loopback in that namespace.
    out = ctx.lab.run("ip", "-n", ctx.lab.server_ns.name, "-4", "-o", "addr").stdout
    true(ctx.host not in out, out)
    route = pathlib.Path(f"/proc/{ctx.lab.pid()}/net/fib_trie").read_text()
    true(f"|-- {ctx.host}\n" not in route.replace("/32", "\n"), "the kernel has the address")
