# SPDX-License-Identifier: BSD-3-Clause
"""TCP over a link that loses packets, at random, in both directions."""
import contextlib
import hashlib
import random

import labs
from suite import equal, pattern, test, true

PERCENT = 3
RULES = f"""
table netdev loss {{
	chain in {{
		type filter hook ingress device {labs.CLIENT_IFACE} priority 0;
		numgen random mod 100 < {PERCENT} counter drop
	}}
	chain out {{
		type filter hook egress device {labs.CLIENT_IFACE} priority 0;
		numgen random mod 100 < {PERCENT} counter drop
	}}
}}
"""


@contextlib.contextmanager
def loss(ctx):
    ctx.run("nft", "-f", "-", stdin=RULES)
    try:
        yield
        counters = ctx.run("nft", "list", "table", "netdev", "loss").stdout
        true(counters.count("packets 0 ") == 0, f"nothing was lost:\n{counters}")
    finally:
        ctx.run("nft", "delete", "table", "netdev", "loss")


@test(f"loss: values of 1 MB both ways, {PERCENT} % lost, SHA-256 verified", seconds=120)
def large_values(ctx):
    with loss(ctx):
        for i in range(6):
            value = pattern(1_000_000, i)
            with ctx.tcp(timeout=60) as conn:
                equal(conn.set(b"loss%d" % i, value), b"STORED\r\n")
                got = conn.get(b"loss%d" % i)
            equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(value).hexdigest(), "SHA-256")


@test(f"loss: 2,000 small requests on 20 connections, {PERCENT} % lost", seconds=120)
def small_requests(ctx):
    rng = random.Random(7)
    with loss(ctx):
        conns = [ctx.tcp(timeout=60) for _ in range(20)]
        try:
            for turn in range(20):
                for i, conn in enumerate(conns):
                    for k in range(5):
                        key, value = b"l%d.%d" % (i, k), b"%d" % (turn * 10 + k)
                        conn.send(b"set %s 0 0 %d\r\n%s\r\nget %s\r\n" % (
                            key, len(value), value, key))
                for i in rng.sample(range(20), 20):
                    for k in range(5):
                        key, value = b"l%d.%d" % (i, k), b"%d" % (turn * 10 + k)
                        want = b"STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)
                        equal(conns[i].exactly(len(want)), want)
        finally:
            for conn in conns:
                conn.close()
