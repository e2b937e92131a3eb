# SPDX-License-Identifier: BSD-3-Clause
"""TRex stateless profile: memcached GETs over UDP, random keys, ids and source ports.

On the TRex server (port 0 towards ringcached, whose MAC is the port's destination in trex_cfg.yaml):

    ./t-rex-64 -i --stl
    ./trex-console
    trex> start -f get.py -p 0 -m 1mpps -d 10
    trex> stats

Store the keys first, with any memcached client, for instance

    for i in $(seq -f %012g 0 9999); do printf 'set key-%s 0 0 5\\r\\nhello\\r\\n' $i; done | nc -N 192.0.2.10 11211

Keys that are missing are answered END, as fast. The server must name SOURCE in --udp-trust, or its
rate limit is what is measured.
"""
from trex_stl_lib.api import (IP, UDP, Ether, STLPktBuilder, STLScVmRaw, STLStream, STLTXCont,
                              STLVmFlowVar, STLVmWrFlowVar)

SOURCE, SERVER, PORT = "192.0.2.1", "192.0.2.10", 11211
PORTS = (20000, 20063)  # source ports: more flows for RSS
PAYLOAD = 14 + 20 + 8  # offset in the frame: no tag, no options
FRAME = b"\0\0\0\0\0\1\0\0"  # protocol.txt: id, datagram 0 of 1, reserved
GET = b"get key-000000000000\r\n"
DIGITS = 4  # that vary, the last ones


class Gets:
    def get_streams(self, direction=0, **kwargs):
        # Checksum 0 is "none was sent" (RFC 768), so that what varies needs no repair; nothing
        # in the IP header varies.
        packet = Ether() / IP(src=SOURCE, dst=SERVER) / UDP(
            sport=PORTS[0], dport=PORT, chksum=0) / (FRAME + GET)
        end = PAYLOAD + len(FRAME) + len(GET) - 2
        engine = [
            STLVmFlowVar(name="sport", min_value=PORTS[0], max_value=PORTS[1], size=2, op="inc"),
            STLVmWrFlowVar(fv_name="sport", pkt_offset="UDP.sport"),
            STLVmFlowVar(name="id", min_value=0, max_value=65535, size=2, op="inc"),
            STLVmWrFlowVar(fv_name="id", pkt_offset=PAYLOAD),
        ]
        for i in range(DIGITS):
            engine += [
                STLVmFlowVar(name=f"digit{i}", min_value=ord("0"), max_value=ord("9"), size=1,
                             op="random"),
                STLVmWrFlowVar(fv_name=f"digit{i}", pkt_offset=end - DIGITS + i),
            ]
        return [STLStream(packet=STLPktBuilder(pkt=packet, vm=STLScVmRaw(engine)),
                          mode=STLTXCont())]


def register():
    return Gets()
