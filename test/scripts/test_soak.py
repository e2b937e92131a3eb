#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/soak: what it takes for a fault; and what counts as dropped."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
loader = importlib.machinery.SourceFileLoader("soak", str(ROOT / "scripts" / "soak"))
soak = importlib.util.module_from_spec(importlib.util.spec_from_loader("soak", loader))
loader.exec_module(soak)


def rows(**changed_at_end):
    good = {"lost": 0, "errors": 0, "p99.9_us": 500, "rss_kb": 30000, "mbufs": 512, "chunks": 0,
            "connections": 1, "dropped": ""}
    made = [dict(good, slice=i + 1) for i in range(10)]
    # The first slice is not compared with: pages are touched for the first time in it.
    made[0].update(rss_kb=20000, mbufs=100)
    for row in made[-3:]:
        row.update(changed_at_end)
    return made


class Soak(unittest.TestCase):
    def test_a_good_run(self):
        self.assertEqual(soak.faults(rows()), [])
        self.assertEqual(soak.faults(rows(rss_kb=30900, mbufs=570)), [])

    def test_each_fault_is_seen(self):
        for changed, words in (
                ({"lost": 1}, "slice 10: 1 lost"), ({"errors": 2}, "2 wrong answers"),
                ({"dropped": "lcore.tx_dropped=3"}, "dropped: lcore.tx_dropped=3"),
                ({"rss_kb": 32000}, "resident memory grew from 30000 to 32000"),
                ({"mbufs": 600}, "mbufs grew from 512 to 600"),
                ({"chunks": 1}, "chunks grew from 0 to 1"),
                ({"connections": 2}, "connections grew from 1 to 2"),
                ({"p99.9_us": 2000}, "99.9th percentile went from 500 to 2000")):
            found = soak.faults(rows(**changed))
            self.assertTrue(any(words in f for f in found), (changed, found))

    def test_latency_of_one_slice_is_noise(self):
        one = rows()
        one[8]["p99.9_us"] = 50000
        self.assertEqual(soak.faults(one), [])

    def test_what_is_dropped(self):
        text = ("STAT port.rx_missed 4\r\nSTAT lcore.tx_dropped 0\r\nSTAT net.tx_packets 9\r\n"
                "STAT net.tx_full 2\r\nSTAT net.drop_l4_cksum 1\r\nSTAT tcp.drop_unacceptable 7\r\n"
                "STAT conn.drop_udp_rate 5\r\nEND\r\n")
        names = {n for n, v in soak.DROPPED.findall(text) if int(v) and n not in soak.NOT_DROPPED}
        self.assertEqual(names, {"port.rx_missed", "net.tx_full", "net.drop_l4_cksum",
                                 "conn.drop_udp_rate"})


if __name__ == "__main__":
    unittest.main()
