#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench-compare: what counts as moved, which way, and what it exits with."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Compare(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="compare-test-"))
        self.addCleanup(shutil.rmtree, self.top)

    def results(self, which, rows, cpu=None):
        folder = self.top / which
        folder.mkdir(exist_ok=True)
        path = folder / "results.json"
        path.write_text(json.dumps([
            {"name": n, "unit": u, "samples": s, "value": sorted(s)[len(s) // 2], "command": "c"}
            for n, u, s in rows]))
        if cpu:
            (folder / "machine.json").write_text(json.dumps({"cpu": cpu}))
        return path

    def compare(self, old, new, *args):
        done = subprocess.run([ROOT / "scripts" / "bench-compare", old, new, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def one(self, unit, old, new, *args):
        return self.compare(self.results("a", [("x", unit, old)]),
                            self.results("b", [("x", unit, new)]), *args)

    def test_direction_follows_the_unit(self):
        for unit, old, new, word, status in (
                ("cycles", [100, 101, 102], [80, 81, 82], "better", 0),
                ("cycles", [100, 101, 102], [120, 121, 122], "worse", 1),
                ("bytes", [44, 44, 44], [60, 60, 60], "worse", 1),
                ("s/GiB", [2, 2, 2], [1, 1, 1], "better", 0),
                ("requests/s", [100, 101, 102], [80, 81, 82], "worse", 1),
                ("x", [0.5, 0.51, 0.52], [0.6, 0.61, 0.62], "better", 0),
                ("%", [10, 11, 12], [80, 81, 82], "moved", 0)):
            got, text = self.one(unit, old, new)
            self.assertEqual(got, status, (unit, text))
            self.assertRegex(text, rf"(?m)^  {word} +x ", unit)

    def test_noise_is_no_movement(self):
        """Ranges that overlap, and medians closer than 1 %."""
        got, text = self.one("cycles", [98, 99, 100], [90, 140, 150])
        self.assertEqual(got, 0)
        self.assertIn("0 worse, 0 moved, 1 the same", text)
        got, text = self.one("cycles", [100.0, 100.1, 100.2], [100.3, 100.4, 100.5])
        self.assertEqual(got, 0)
        self.assertIn("1 the same", text)

    def test_one_sample_is_not_judged(self):
        got, text = self.one("cycles", [100], [500, 501, 502])
        self.assertEqual(got, 0)
        self.assertIn("1 of one sample not judged", text)

    def test_all_shows_what_stands_still(self):
        self.assertNotIn(" x ", self.one("cycles", [98, 99, 100], [98, 99, 100])[1])
        text = self.one("cycles", [98, 99, 102], [98, 99, 100], "--all")[1]
        self.assertRegex(text, r"same +x +cycles +99 +2.0% +99 +1.0% +\+0.0%")

    def test_names_of_one_side(self):
        old = self.results("a", [("x", "ns", [1, 1]), ("gone", "ns", [1, 1]), ("u", "ns", [1, 1])])
        new = self.results("b", [("x", "ns", [1, 1]), ("new", "ns", [1, 1]), ("u", "us", [1, 1])])
        got, text = self.compare(old, new)
        self.assertEqual(got, 0)
        self.assertIn("only in the old: gone u\n", text)
        self.assertIn("only in the new: new u\n", text)

    def test_other_machine_is_said(self):
        old = self.results("a", [("x", "ns", [1, 1])], "one")
        new = self.results("b", [("x", "ns", [1, 1])], "two")
        self.assertIn("other machines: one, then two", self.compare(old, new)[1])

    def test_what_cannot_be_compared(self):
        good = self.results("a", [("x", "ns", [1, 1])])
        bad = self.top / "bad.json"
        for text in ("", "{", "[1]", '[{"name": "x"}]',
                     '[{"name": "x", "unit": "ns", "samples": []}]'):
            bad.write_text(text)
            self.assertEqual(self.compare(good, bad)[0], 2, text)
        self.assertEqual(self.compare(good, self.top / "none.json")[0], 2)
        self.assertEqual(self.compare(good, self.results("b", [("y", "ns", [1, 1])]))[0], 2)
        self.assertEqual(self.compare(good, good, "--wrong")[0], 2)


if __name__ == "__main__":
    unittest.main()
