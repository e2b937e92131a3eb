# SPDX-License-Identifier: BSD-3-Clause
"""Clients that people use: pymemcache and the libmemcached tools."""
import contextlib
import pathlib
import re
import tempfile
import time

from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheServerError

from suite import equal, pattern, test, true


@contextlib.contextmanager
def client(ctx, kind=Client, **kw):
    """A pymemcache client whose sockets live in the lab."""
    with ctx.lab.inside():
        made = kind((ctx.host, ctx.port), timeout=10, connect_timeout=5,
                    **{"default_noreply": False, **kw})
        try:
            yield made
        finally:
            made.close()


@test("pymemcache: every command, with replies", quick=True)
def commands(ctx):
    with client(ctx) as c:
        true(c.flush_all(), "flush_all")
        true(re.fullmatch(rb"[\w.+~-]+", c.version()), "version")
        equal(c.get("a"), None)
        equal(c.get("a", b"default"), b"default")
        true(c.set("a", b"1"), "set")
        equal(c.get("a"), b"1")
        equal(c.add("a", b"2"), False)
        true(c.add("b", b"2"), "add")
        equal(c.replace("c", b"3"), False)
        true(c.replace("b", b"20"), "replace")
        true(c.append("b", b"0"), "append")
        true(c.prepend("b", b"1"), "prepend")
        equal(c.get("b"), b"1200")
        equal(c.append("none", b"x"), False)
        equal(c.incr("b", 34), 1234)
        equal(c.decr("b", 235), 999)
        equal(c.decr("b", 10_000), 0)
        equal(c.incr("none", 1), None)
        true(c.touch("a", 100), "touch")
        equal(c.touch("none", 100), False)
        true(c.delete("a"), "delete")
        equal(c.delete("a"), False)
        equal(c.get("a"), None)
        true(b"pid" in c.stats(), "stats")
        true(len(c.stats("settings")) > 5, "stats settings")
        c.quit()


@test("pymemcache: cas")
def cas(ctx):
    with client(ctx) as one, client(ctx) as two:
        one.delete("k")
        equal(one.gets("k"), (None, None))
        true(one.set("k", b"v1"), "set")
        value, token = one.gets("k")
        equal(value, b"v1")
        true(two.set("k", b"v2"), "the other client sets")
        equal(one.cas("k", b"v3", token), False, "an old token")
        value, token = one.gets("k")
        equal(value, b"v2")
        true(one.cas("k", b"v3", token), "a fresh token")
        equal(one.cas("missing", b"v", token), None)
        equal(two.get("k"), b"v3")
        many = one.gets_many(["k", "missing"])
        equal(many["k"][0], b"v3")
        equal(len(many), 1)


@test("pymemcache: noreply commands take effect in order")
def noreply(ctx):
    with client(ctx, default_noreply=True, no_delay=True) as c:
        c.flush_all()
        for i in range(1, 500):
            c.set("n", b"%d" % i)
            c.add("n", b"no")
            c.append("n", b"0")
            c.incr("n", 1)
            if i % 50 == 1:
                equal(c.get("n"), b"%d" % (i * 10 + 1))
        c.touch("n", 1000)
        c.delete("n")
        equal(c.get("n"), None)


@test("pymemcache: 20,000 keys by get_many and set_many")
def many(ctx):
    keys = {f"many:{i}": b"value of %d " % i * (i % 5 + 1) for i in range(20_000)}
    with client(ctx) as c:
        names = list(keys)
        for at in range(0, len(names), 500):
            failed = c.set_many({k: keys[k] for k in names[at:at + 500]})
            equal(failed, [], "keys that could not be set")
        for at in range(0, len(names), 1000):
            part = names[at:at + 1000]
            got = c.get_many(part + [f"absent:{at}"])
            true(got == {k: keys[k] for k in part}, f"keys {at}.. are not what was set")
        true(c.delete_many(names[:1000]), "delete_many")
        equal(c.get_many(names[:1000]), {})


@test("pymemcache: values up to the limit, and one past it")
def large(ctx):
    with client(ctx) as c:
        for size in (1, 1000, 100_000, 1_000_000, 1_048_400):
            value = pattern(size)
            true(c.set("large", value), f"set of {size} bytes")
            true(c.get("large") == value, f"{size} bytes came back changed")
        try:
            c.set("large", pattern(1_048_576))
            raise AssertionError("an item over the limit was stored")
        except MemcacheServerError as error:
            equal(str(error), "b'object too large for cache'")
        # memcached: a set that fails takes the old value with it.
        equal(c.get("large"), None)


@test("pymemcache: keys of 250 bytes, flags, expiry")
def details(ctx):
    with client(ctx) as c:
        key = "k" * 250
        true(c.set(key, b"long key"), "set")
        equal(c.get(key), b"long key")
        true(c.set("soon", b"x", expire=1), "set with a time")
        true(c.set("later", b"x", expire=100), "set with a time")
        true(c.set("past", b"x", expire=-1), "set with a time")
        equal(c.get("past"), None)
        for _ in range(40):
            if c.get("soon") is None:
                break
            time.sleep(0.1)
        equal(c.get("soon"), None, "after its time")
        equal(c.get("later"), b"x")


@test("pymemcache: pooled and hashed clients")
def pools(ctx):
    with client(ctx, PooledClient, max_pool_size=4) as c:
        for i in range(200):
            true(c.set(f"pool{i}", b"%d" % i), "set")
        equal(c.get_many([f"pool{i}" for i in range(200)]),
              {f"pool{i}": b"%d" % i for i in range(200)})
    with ctx.lab.inside():
        c = HashClient([(ctx.host, ctx.port)], timeout=10, default_noreply=False)
        true(c.set("hashed", b"1"), "set")
        equal(c.get("hashed"), b"1")
        c.close()


def tool(ctx, name, *args, **kw):
    return ctx.run(name, f"--servers={ctx.host}:{ctx.port}", *args, **kw)


@test("libmemcached: memcping, -cp, -cat, -exist, -touch, -rm, -stat")
def tools(ctx):
    tool(ctx, "memcping")
    with tempfile.TemporaryDirectory(prefix="ringcached-e2e-") as folder:
        file = pathlib.Path(folder) / "copied"
        file.write_bytes(pattern(300_000))
        tool(ctx, "memccp", str(file))
        got = pathlib.Path(folder) / "got"
        tool(ctx, "memccat", f"--file={got}", "copied")
        true(got.read_bytes() == file.read_bytes(), "memccat gave other bytes than memccp put")
    tool(ctx, "memcexist", "copied")
    tool(ctx, "memctouch", "--expire=100", "copied")
    tool(ctx, "memcrm", "copied")
    true(tool(ctx, "memcexist", "copied", check=False).returncode != 0, "memcexist after memcrm")
    true(tool(ctx, "memctouch", "--expire=9", "copied", check=False).returncode != 0,
         "memctouch after memcrm")
    out = tool(ctx, "memcstat").stdout
    true("curr_items" in out and "uptime" in out, out)


@test("libmemcached: memcslap, 4 clients set, get and multi-get")
def memcslap(ctx):
    for kind in ("set", "get", "mget"):
        tool(ctx, "memcslap", f"--test={kind}", "--concurrency=4", "--execute-number=500")


def memcaslap(ctx, *args):
    out = ctx.run("memcaslap", "-s", f"{ctx.host}:{ctx.port}", "-T", "1", *args).stdout
    numbers = {k: int(v) for k, v in re.findall(r"^(\w+): (\d+)$", out, re.M)}
    for name in ("get_misses", "verify_misses", "verify_failed", "packet_disorder"):
        equal(numbers.get(name, 0), 0, f"{name} in\n{out}\n")
    true(numbers["cmd_get"] + numbers["cmd_set"] > 0, out)
    return numbers


@test("memcaslap: 20,000 operations by TCP, every value verified")
def memcaslap_tcp(ctx):
    memcaslap(ctx, "-c", "16", "-x", "20000", "-v", "1.0", "-X", "200")


@test("memcaslap: multi-get of 20 keys; values of 10 kB")
def memcaslap_multi(ctx):
    memcaslap(ctx, "-c", "8", "-x", "4000", "-v", "1.0", "-X", "1000", "-d", "20")
    memcaslap(ctx, "-c", "4", "-x", "2000", "-v", "1.0", "-X", "10000")


@test("memcaslap: 5,000 operations by UDP, every value verified")
def memcaslap_udp(ctx):
    numbers = memcaslap(ctx, "-c", "8", "-x", "5000", "-v", "1.0", "-X", "200", "-U")
    equal(numbers["packet_drop"], 0, "packet_drop")


@test("memcaslap: set by TCP, multi-get of 10 keys by UDP (-a)",
      differs="multi-key UDP replies are not numbered as one message")
def memcaslap_facebook(ctx):
    numbers = memcaslap(ctx, "-c", "4", "-x", "2000", "-v", "1.0", "-X", "200", "-a", "-d", "10",
                        "-n", "2")
    equal(numbers["packet_drop"], 0, "packet_drop")
