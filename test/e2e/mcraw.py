#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A raw memcached client: exactly the bytes asked for over TCP, and the frames over UDP.

As a program it does one exchange and shows what went out and what came back:

  mcraw.py [--expect BYTES] [--timeout S] tcp HOST PORT 'get a\\r\\n'
  mcraw.py [--expect BYTES] [--timeout S] [--id N] udp HOST PORT 'get a\\r\\n'
  mcraw.py [--timeout S] ping HOST

BYTES may hold C escapes. Exit status: 0 if the reply was as expected (or came at all), else 1.
"""
import argparse
import os
import socket
import struct
import sys
import time

UDP_HEADER = struct.Struct(">HHHH")
UDP_DATA_MAX = 1392  # with the frame header: 1400 bytes, protocol.txt "UDP protocol"


class Broken(Exception):
    """What came back breaks the protocol, or nothing came back in time."""


class Silence(Broken):
    """No datagram came in time."""


def unescape(text):
    """C escapes to bytes."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def escape(data, limit=200):
    """Bytes as one readable line."""
    named = {10: "\\n", 13: "\\r", 9: "\\t", 92: "\\\\"}
    out = "".join(
        named.get(b, chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data[:limit]
    )
    return out + (f" ... ({len(data)} bytes)" if len(data) > limit else "")


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Tcp:
    """One TCP connection; every read has a deadline."""

    def __init__(self, host, port, timeout=5.0, rcvbuf=None, source=None):
        self.sock = socket.socket(family_of(host), socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.sock.bind((source, 0))
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.connect((host, port))
        except OSError:
            self.sock.close()
            raise
        self.buf = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def finish(self):
        """No more from us: FIN, but still reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def fill(self):
        """One more read into the buffer; False at the end of the stream."""
        try:
            data = self.sock.recv(1 << 16)
        except socket.timeout:
            last = escape(bytes(self.buf[-120:]))
            waited = self.sock.gettimeout()
            raise Broken(f"no more bytes within {waited} s after {last!r}") from None
        self.buf += data
        return bool(data)

    def exactly(self, count):
        while len(self.buf) < count:
            if not self.fill():
                raise Broken(f"end of stream after {len(self.buf)} of {count} bytes")
        out = bytes(self.buf[:count])
        del self.buf[:count]
        return out

    def line(self):
        return self.until(b"\r\n")

    def until(self, mark):
        """Everything up to and with mark."""
        seen = 0
        while True:
            at = self.buf.find(mark, seen)
            if at >= 0:
                return self.exactly(at + len(mark))
            seen = max(0, len(self.buf) - len(mark))
            if not self.fill():
                raise Broken(f"end of stream, no {mark!r} in {escape(bytes(self.buf))!r}")

    def rest(self):
        """Everything up to the end of the stream; a reset counts as an end."""
        try:
            while self.fill():
                pass
        except ConnectionResetError:
            pass
        out = bytes(self.buf)
        self.buf.clear()
        return out

    def ask(self, data, mark=b"\r\n"):
        self.send(data)
        return self.until(mark)

    def get(self, key):
        """The value of one key, or None."""
        self.send(b"get " + key + b"\r\n")
        head = self.line()
        if head == b"END\r\n":
            return None
        words = head.split()
        if words[:2] != [b"VALUE", key]:
            raise Broken(f"get {key!r} got {head!r}")
        data = self.exactly(int(words[3]) + 7)
        if data[-7:] != b"\r\nEND\r\n":
            raise Broken(f"get {key!r}: the value ends with {data[-7:]!r}")
        return data[:-7]

    def set(self, key, value, flags=0, exptime=0):
        return self.ask(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, exptime, len(value), value))


class Udp:
    """memcached over UDP: frames with request id, sequence number and total (protocol.txt)."""

    def __init__(self, host, port, timeout=2.0, source=None):
        self.peer = (host, port)
        self.sock = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self.sock.settimeout(timeout)
        # A megabyte comes as 750 datagrams at once.
        self.sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), 4 << 20)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(self.peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send_raw(self, datagram):
        self.sock.send(datagram)

    def send(self, request_id, data, seq=0, total=1, reserved=0):
        self.sock.send(UDP_HEADER.pack(request_id, seq, total, reserved) + data)

    def datagram(self):
        """(request id, seq, total, reserved, data) of the next datagram."""
        try:
            raw = self.sock.recv(1 << 16)
        except socket.timeout:
            raise Silence(f"no datagram within {self.sock.gettimeout()} s") from None
        if len(raw) < UDP_HEADER.size:
            raise Broken(f"a datagram of {len(raw)} bytes")
        return (*UDP_HEADER.unpack_from(raw), raw[UDP_HEADER.size:])

    def quiet(self, seconds):
        """True if nothing comes for that long."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1 << 16)
            return False
        except (socket.timeout, ConnectionRefusedError):
            return True

    def frames(self, request_id):
        """All datagrams of one reply, each checked; in the order of their sequence numbers."""
        got, expected = {}, None
        while expected is None or len(got) < expected:
            rid, seq, total, reserved, data = self.datagram()
            if rid != request_id:
                raise Broken(f"reply for request id {rid}, asked with {request_id}")
            if reserved != 0:
                raise Broken(f"reserved field is {reserved}")
            if expected is not None and total != expected:
                raise Broken(f"total changes from {expected} to {total} within one reply")
            if seq >= total:
                raise Broken(f"sequence number {seq} of {total}")
            if seq in got:
                raise Broken(f"sequence number {seq} came twice")
            expected = total
            got[seq] = data
        return [got[seq] for seq in range(expected)]

    def ask(self, request_id, data):
        """One request, its whole reply put together."""
        self.send(request_id, data)
        return b"".join(self.frames(request_id))


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(host, ident=None, seq=1, payload=b"ringcached echo " * 3, timeout=2.0):
    """ICMP or ICMPv6 echo; seconds to the reply. Broken if the reply is wrong or does not come."""
    ident = os.getpid() & 0xFFFF if ident is None else ident
    six = family_of(host) == socket.AF_INET6
    proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    request, reply = (128, 129) if six else (8, 0)
    body = struct.pack(">HH", ident, seq) + payload
    # The kernel fills in the ICMPv6 checksum.
    ck = 0 if six else checksum(struct.pack(">BBH", request, 0, 0) + body)
    with socket.socket(family_of(host), socket.SOCK_RAW, proto) as sock:
        sock.connect((host, 0))
        start = time.monotonic()
        sock.send(struct.pack(">BBH", request, 0, ck) + body)
        while True:
            left = start + timeout - time.monotonic()
            if left <= 0:
                raise Broken(f"no echo reply from {host} within {timeout} s")
            sock.settimeout(left)
            try:
                raw = sock.recv(1 << 16)
            except socket.timeout:
                continue
            icmp = raw if six else raw[(raw[0] & 15) * 4:]
            if icmp[0] != reply or icmp[4:8] != body[:4]:
                continue
            if icmp[8:] != payload:
                raise Broken("the echo reply has other data")
            if not six and checksum(icmp) != 0:
                raise Broken("the echo reply has a wrong ICMP checksum")
            return time.monotonic() - start


def arp(iface, sender_ip, target_ip, timeout=2.0, count=1):
    """Asks who has target_ip; the MACs of all that answer within the time (count=1: the first)."""
    macs = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as sock:
        sock.bind((iface, 0x0806))
        mac = sock.getsockname()[4]
        spa, tpa = socket.inet_aton(sender_ip), socket.inet_aton(target_ip)
        sock.send(b"\xff" * 6 + mac + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
                  + mac + spa + b"\0" * 6 + tpa)
        end = time.monotonic() + timeout
        while len(macs) < count and time.monotonic() < end:
            sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                frame = sock.recv(2048)
            except socket.timeout:
                break
            if frame[20:22] == b"\0\x02" and frame[28:32] == tpa and frame[38:42] == spa:
                if frame[22:28] != frame[6:12]:
                    raise Broken("ARP reply: sender MAC differs from the frame's source")
                macs.append(frame[22:28].hex(":"))
    return macs


def one_exchange(args):
    data = unescape(args.data)
    expect = unescape(args.expect) if args.expect is not None else None
    if args.kind == "tcp":
        with Tcp(args.host, args.port, args.timeout) as conn:
            print(f"  sent      {escape(data)}")
            conn.send(data)
            reply = conn.exactly(len(expect)) if expect is not None else conn.line()
            if expect is None and reply.startswith(b"VALUE"):
                reply += conn.until(b"END\r\n")
    else:
        with Udp(args.host, args.port, args.timeout) as conn:
            print(f"  sent      [id {args.id} seq 0 total 1] {escape(data)}")
            conn.send(args.id, data)
            frames = conn.frames(args.id)
            reply = b"".join(frames)
            shape = "seq 0 total 1" if len(frames) == 1 else f"{len(frames)} datagrams"
            print(f"  received  [id {args.id} {shape}] {escape(reply)}")
    if args.kind == "tcp":
        print(f"  received  {escape(reply)}")
    if expect is not None and reply != expect:
        raise Broken(f"expected {escape(expect)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expect")
    parser.add_argument("--timeout", type=float, default=3.0)
    parser.add_argument("--id", type=int, default=7)
    parser.add_argument("kind", choices=["tcp", "udp", "ping"])
    parser.add_argument("host")
    parser.add_argument("port", type=int, nargs="?")
    parser.add_argument("data", nargs="?")
    args = parser.parse_args()
    if args.kind != "ping" and args.data is None:
        parser.error("tcp and udp need HOST PORT DATA")
    try:
        if args.kind == "ping":
            took = ping(args.host, timeout=args.timeout)
            print(f"  echo reply from {args.host} in {took * 1e6:.0f} us")
        else:
            one_exchange(args)
    except (Broken, OSError) as error:
        print(f"  failed    {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
