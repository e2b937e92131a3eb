# SPDX-License-Identifier: BSD-3-Clause
"""memcached's own tools, and what they ask for: stats sub-commands and dumps of all items."""
import contextlib
import re
import threading
import time
import urllib.parse

import labs
from suite import equal, pattern, test, true

TOOL = "/usr/share/memcached/scripts/memcached-tool"


def tool(ctx, *args, **kw):
    return ctx.run("perl", TOOL, f"{ctx.host}:{ctx.port}", *args, **kw).stdout


def fill(ctx, count, prefix="tool", size=20, exptime=0):
    """So many items in an empty cache: {key: value}."""
    ctx.flush()
    items = {b"%s:%05d" % (prefix.encode(), i): pattern(size, i) for i in range(count)}
    with ctx.tcp() as conn:
        for part in range(0, count, 500):
            names = list(items)[part:part + 500]
            conn.send(b"".join(b"set %s 5 %d %d noreply\r\n%s\r\n" % (
                k, exptime, len(items[k]), items[k]) for k in names))
        equal(conn.ask(b"version\r\n")[:8], b"VERSION ", "version")
    return items


def metadump(conn):
    """All lines of a metadump as dicts; memcached's own crawler may be at work for a moment."""
    for _ in range(50):
        reply = conn.ask(b"lru_crawler metadump all\r\n", b"\r\n")
        if not reply.startswith(b"BUSY"):
            break
        time.sleep(0.1)
    true(reply.endswith(b"END\r\n"), f"a metadump ends with {reply[-60:]!r}")
    return parse_metadump(reply)


def parse_metadump(reply):
    lines = []
    for line in reply.decode().split("\n")[:-2]:
        words = dict(w.split("=", 1) for w in line.split(" "))
        equal(list(words), ["key", "exp", "la", "cas", "fetch", "cls", "size"], "fields")
        words["key"] = urllib.parse.unquote_to_bytes(words["key"])
        lines.append(words)
    return lines


def once(lines, keys, what):
    """Every one of keys is in lines, exactly once."""
    shown = [line["key"] for line in lines]
    true(len(shown) == len(set(shown)), f"{what}: a key is shown twice")
    missing = set(keys) - set(shown)
    true(not missing, f"{what}: {len(missing)} keys missing, {sorted(missing)[:3]}")


@test("memcached-tool: display, stats, settings", quick=True)
def display(ctx):
    fill(ctx, 300)
    rows = tool(ctx, "display").splitlines()
    equal(rows[0].split(), ["#", "Item_Size", "Max_age", "Pages", "Count", "Full?", "Evicted",
                            "Evict_Time", "OOM"], "head of display")
    counts = [int(row.split()[4]) for row in rows[1:]]
    true(sum(counts) >= 300, f"{sum(counts)} items in\n" + "\n".join(rows))
    stats = dict(re.findall(r"^ +(\S+) +(\S+)$", tool(ctx, "stats"), re.M))
    for name in ("pid", "curr_items", "get_hits", "limit_maxbytes", "evictions", "threads"):
        true(stats.get(name, "").isdigit(), f"stats: {name} is {stats.get(name)}")
    settings = dict(re.findall(r"^ +(\S+) +(\S+)$", tool(ctx, "settings"), re.M))
    equal(settings["maxbytes"], stats["limit_maxbytes"])
    equal(settings["dump_enabled"], "yes")


@test("memcached-tool: sizes counts all items, memcdump lists them", only="ringcached", quick=True)
def sizes(ctx):
    items = fill(ctx, 700, "sizes", 100)
    with ctx.tcp() as conn:
        equal(conn.set(b"large", pattern(700_000)), b"STORED\r\n")
    found = {int(size): int(n) for size, n in
             re.findall(r"^ +(\d+) +(\d+)$", tool(ctx, "sizes"), re.M)}
    equal(sum(found.values()), 701, f"items in {found}")
    equal(max(found.values()), 700, f"items of one size in {found}")
    true(any(700_000 < size < 702_000 for size in found), f"the large one in {found}")
    out = ctx.run("memcdump", f"--servers={ctx.host}:{ctx.port}").stdout.split()
    equal(sorted(out), sorted([k.decode() for k in items] + ["large"]), "memcdump")


@test("memcached-tool: keys and dump of 3,000 items, and their replay", quick=True)
def dump(ctx):
    items = fill(ctx, 3000, "dump", 40, 5000)
    keys = re.findall(r"^key=dump%3A(\d+) exp=\d+ la=\d+ cas=\d+ fetch=no cls=\d+ size=\d+$",
                      tool(ctx, "keys"), re.M)
    equal(sorted(int(k) for k in keys), list(range(3000)), "keys")
    equal(len(re.findall(r"^key=", tool(ctx, "keys", "10"), re.M)), 10, "keys 10")
    text = tool(ctx, "dump")
    adds = re.findall(r"^add (\S+) (\d+) (\d+) (\d+)\r?\n(.*?)\r?\n", text, re.M)
    equal({k.encode(): v.encode() for k, _, _, _, v in adds}, items, "dump")
    equal({flags for _, flags, _, _, _ in adds}, {"5"}, "flags")
    now = time.time()
    true(all(now + 4900 < int(exp) < now + 5100 for _, _, exp, _, _ in adds), "expiry of a dump")


@test("metadump: values of each field")
def fields(ctx):
    ctx.flush()
    with ctx.tcp() as conn:
        start = int(time.time())
        equal(conn.ask(b"set a%b/\xff 0 0 1\r\nx\r\n"), b"STORED\r\n")
        equal(conn.ask(b"set read 0 1000 1\r\nx\r\n"), b"STORED\r\n")
        conn.get(b"read")
        conn.send(b"gets read\r\n")
        cas = conn.until(b"END\r\n").split()[4]
        conn.send(b"lru_crawler metadump all\r\n")
        reply = conn.until(b"END\r\n")
        true(b"key=a%25b%2F%FF exp=-1 la=" in reply, reply)
        lines = {line["key"]: line for line in parse_metadump(reply)}
        equal(lines[b"a%b/\xff"]["fetch"], "no")
        read = lines[b"read"]
        equal(read["fetch"], "yes")
        equal(read["cas"], cas.decode())
        for name, want in (("exp", start + 1000), ("la", start)):
            true(abs(int(read[name]) - want) <= 3, f"{name} is {read[name]}, not about {want}")


# memcached's crawler misses a key that moves from one of its LRU lists to another in the meantime.
@test("metadump: 20,000 keys while others are written, each once", only="ringcached")
def changing(ctx):
    still = fill(ctx, 20_000, "still")
    stop = threading.Event()

    def write():
        with ctx.tcp() as conn:
            for i in range(1_000_000):
                if stop.is_set():
                    return
                conn.send(b"set moving:%d 0 0 50 noreply\r\n%s\r\n" % (i % 3000, pattern(50, i)))
                if i % 3 == 0:
                    conn.send(b"delete moving:%d noreply\r\n" % ((i * 7) % 3000))
                if i % 100 == 0:
                    equal(conn.ask(b"version\r\n")[:8], b"VERSION ")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with ctx.tcp(timeout=20) as conn:
            for _ in range(3):
                lines = [x for x in metadump(conn) if x["key"].startswith(b"still:")]
                once(lines, still, "metadump")
    finally:
        stop.set()
        writer.join()


@test("metadump: a reader that takes its time; others are served", only="ringcached")
def slow(ctx):
    items = fill(ctx, 20_000, "slow" * 10)
    with ctx.tcp(timeout=20, rcvbuf=4096) as reader, ctx.tcp() as other:
        reader.send(b"lru_crawler metadump all\r\nversion\r\n")
        for _ in range(20):
            reader.exactly(2000)
            start = time.monotonic()
            equal(other.get(next(iter(items))), next(iter(items.values())))
            true(time.monotonic() - start < 2, "a get beside a waiting dump took 2 s")
            time.sleep(0.02)
        rest = reader.until(b"VERSION ")
        true(rest.endswith(b"END\r\nVERSION "), rest[-60:])
    # Who leaves in the middle leaves nothing behind.
    for _ in range(20):
        conn = ctx.tcp(rcvbuf=4096)
        conn.send(b"lru_crawler metadump all\r\nstats sizes\r\n")
        conn.exactly(100)
        conn.reset()
    with ctx.tcp(timeout=20) as conn:
        once(metadump(conn), items, "after those that left")
        true(b"STAT " in conn.ask(b"stats sizes\r\n", b"END\r\n"), "stats sizes")


@test("cachedump: the errors, and what fits into 2 MiB")
def cachedump(ctx):
    ctx.flush()
    with ctx.tcp() as conn:
        for line, reply in (
                (b"stats cachedump", b"CLIENT_ERROR bad command line"),
                (b"stats cachedump 1", b"CLIENT_ERROR bad command line"),
                (b"stats cachedump x 0", b"CLIENT_ERROR bad command line format"),
                (b"stats cachedump 200 0", b"CLIENT_ERROR Illegal slab id"),
                (b"stats cachedump 63 0", b"END"),
                (b"lru_crawler metadump 64", b"BADCLASS invalid class id"),
                (b"lru_crawler metadump", b"ERROR"),
                (b"lru_crawler sleep x", b"CLIENT_ERROR bad command line format"),
                (b"lru_crawler sleep 2000000",
                 b"CLIENT_ERROR sleep must be one second or less")):
            got = conn.ask(line + b"\r\n")
            if not got.startswith(b"BUSY"):
                equal(got, reply + b"\r\n", line.decode())
        conn.send(b"".join(b"set %0250d 0 0 1 noreply\r\nx\r\n" % i for i in range(12_000)))
        equal(conn.ask(b"version\r\n")[:8], b"VERSION ")
        classes = {1}
        if ctx.server == "memcached":
            stats = conn.ask(b"stats items\r\n", b"END\r\n")
            classes = {int(n) for n in re.findall(rb"items:(\d+):number ", stats)}
        # The largest of them: the class of these keys. memcached shows those that its background
        # thread has moved to the cold LRU so far.
        longest = max((conn.ask(b"stats cachedump %d 0\r\n" % n, b"END\r\n") for n in classes),
                      key=len)
        full = (2 * 1024 * 1024 - 6) // 268 * 268 + 5
        if ctx.server == "memcached":
            true(len(longest) <= full, f"a dump of {len(longest)} bytes")
        else:
            equal(len(longest), full, "bytes of a full dump")


@test("option -X: neither cachedump nor metadump")
def not_allowed(ctx):
    with ctx.other(options=ctx.options(ctx.server) + ["-X"]) as other, other.tcp() as conn:
        equal(conn.ask(b"stats cachedump 1 0\r\n"), b"CLIENT_ERROR stats cachedump not allowed\r\n")
        equal(conn.ask(b"lru_crawler metadump all\r\n"), b"ERROR metadump not allowed\r\n")
        true(b"STAT dump_enabled no\r\n" in conn.ask(b"stats settings\r\n", b"END\r\n"),
             "stats settings")


@test("stats conns: all connections of all workers", quick=True)
def conns(ctx):
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(ctx.tcp()) for _ in range(12)]
        for conn in others:
            equal(conn.ask(b"version\r\n")[:8], b"VERSION ")
        conn = stack.enter_context(ctx.tcp())
        text = conn.ask(b"stats conns\r\n", b"END\r\n").decode()
        rows = {}
        for number, name, value in re.findall(r"^STAT (\d+):(\w+) (\S+)\r$", text, re.M):
            rows.setdefault(number, {})[name] = value
        by_addr = {row["addr"]: row for row in rows.values() if "listen_addr" in row}
        for peer in [*others, conn]:
            name = f"tcp:{labs.CLIENT}:{peer.sock.getsockname()[1]}"
            true(name in by_addr, f"{name} is not in\n{text}")
            equal(by_addr[name]["listen_addr"], f"tcp:{ctx.host}:{ctx.port}")
            equal(by_addr[name]["state"] == "conn_parse_cmd", peer is conn, "who asks")
            true(int(by_addr[name]["secs_since_last_cmd"]) < 5, text)
        listening = [row for row in rows.values() if row.get("state") == "conn_listening"]
        equal([row["addr"] for row in listening], [f"tcp:{ctx.host}:{ctx.port}"], "listeners")


@test("udp: dumps and walks are refused", only="ringcached")
def by_udp(ctx):
    fill(ctx, 10)
    with ctx.udp() as conn:
        for line in (b"stats conns", b"stats sizes", b"stats cachedump 1 0",
                     b"lru_crawler metadump all"):
            equal(conn.ask(9, line + b"\r\n"), b"CLIENT_ERROR not available over UDP\r\n")
