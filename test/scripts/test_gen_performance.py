#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/gen-performance: the documents say what docs/performance.json says, and nothing else."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "before\n<!-- bench: {} -->\nold\n<!-- end -->\nafter\n"


class Generator(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="performance-test-"))
        self.addCleanup(shutil.rmtree, self.top)
        for folder in ("scripts", "docs", "build/bench"):
            (self.top / folder).mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "gen-performance", self.top / "scripts")
        (self.top / "README.md").write_text(PAGE.format("readme"))
        self.page("goals")

    def page(self, part):
        (self.top / "docs" / "performance.md").write_text(PAGE.format(part))

    def results(self, figures, absent=None, load=0.1):
        folder = self.top / "build" / "bench"
        (folder / "results.json").write_text(json.dumps([
            {"name": n, "unit": "cycles", "value": sorted(s)[len(s) // 2], "samples": s,
             "command": "c"} for n, s in figures.items()]))
        (folder / "machine.json").write_text(json.dumps({
            "cpu": "a CPU", "mhz": 2500, "cpus": 2, "virtual": True, "memory_mb": 24576,
            "kernel": "6.1", "compiler": "gcc", "dpdk": "22.11", "memcached": "memcached 1.6.18",
            "commit": "abc", "time": "2026-01-02T03:04:05Z", "load_before": load,
            "absent": absent or {}}))

    def run_it(self, *args):
        done = subprocess.run([self.top / "scripts" / "gen-performance", *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def text(self, page="docs/performance.md"):
        return (self.top / page).read_text()

    def test_take_write_check(self):
        self.results({"worker.tcp_get.cycles": [480, 500, 520]})
        self.assertEqual(self.run_it("--take"), (0, ""))
        self.assertRegex(self.text(), r"`worker.tcp_get.cycles` \| 500 \(480 to 520\) \| at most 700 cycles \| yes")
        self.assertTrue(self.text().startswith("before\n") and self.text().endswith("after\n"))
        self.assertNotIn("\nold\n", self.text())
        self.assertEqual(self.run_it("--check"), (0, ""))
        for page in ("README.md", "docs/performance.md"):
            was = self.text(page)
            (self.top / page).write_text(was.replace("500", "300"))
            status, said = self.run_it("--check")
            self.assertEqual(status, 1)
            self.assertIn(page, said)
            self.assertEqual(self.run_it("--write")[0], 0)
            self.assertEqual(self.text(page), was)

    def test_goals_of_both_directions(self):
        self.results({"worker.udp_get.hot.cycles": [301], "worker.tcp_get.cycles": [700],
                      "appliance.vhost.ratio_to_5tswap": [0.59],
                      "appliance.udp_get.ratio_to_memcached": [41]})
        self.run_it("--take")
        for name, verdict in (("worker.udp_get.hot.cycles", r"\*\*no\*\*"), ("worker.tcp_get.cycles", "yes"),
                              ("appliance.vhost.ratio_to_5tswap", r"\*\*no\*\*"),
                              ("appliance.udp_get.ratio_to_memcached", "yes"),
                              ("worker.set_evict.cycles", "absent")):
            self.assertRegex(self.text(), rf"(?m)`{re.escape(name)}` .* {verdict} \|$", name)
        self.assertIn("Of 13 goals 4 were measured and 2 are met; missed: UDP GET in a worker",
                      self.text("README.md"))

    def test_absent_is_said_with_its_reason(self):
        self.results({}, {"appliance.memif.ratio_to_5tswap": "needs two CPUs"})
        self.run_it("--take")
        self.assertIn("- `appliance.memif.ratio_to_5tswap` is absent: needs two CPUs", self.text())
        self.assertIn("- `worker.tcp_get.cycles` is absent: its bench was not run", self.text())

    def test_other_work_is_said(self):
        self.page("machine")
        self.results({}, load=3.2)
        self.run_it("--take")
        self.assertIn("Something else was at work (load 3.2", self.text())
        self.results({})
        self.run_it("--take")
        self.assertIn("Nothing else ran.", self.text())

    def test_arithmetic_of_a_bigger_machine(self):
        self.page("bigger")
        self.results({"worker.udp_get.10m_zipf.cycles": [500], "worker.tcp_get.cycles": [1000],
                      "steer.nic_hash.cycles_per_packet": [50]})
        self.run_it("--take")
        # An answer takes 38 + 36 + 29 + 34 + 5 bytes, so that 10 GbE carries 8.8 million; at 2.5 GHz
        # a worker answers 5 million a second, or 2.5.
        self.assertIn("its answer 142.", self.text())
        self.assertIn("| 10 GbE | 8.8 million | 2 | 4 | 1 |", self.text())
        self.assertIn("| 100 GbE | 88.0 million | 18 | 36 | 2 |", self.text())

    def test_every_part_works_without_figures(self):
        self.results({})
        for part in ("machine", "goals", "readme", "stages", "scales", "store", "appliance", "bigger"):
            self.page(part)
            self.assertEqual(self.run_it("--take"), (0, ""), part)
            self.assertIn("bsent" if part not in ("machine", "stages", "readme") else "a", self.text())

    def test_nothing_to_take(self):
        self.assertEqual(self.run_it("--take")[0], 1)
        self.assertEqual(self.run_it("--check")[0], 1)
        self.assertEqual(self.run_it()[0], 2)

    def test_the_real_documents_are_current(self):
        done = subprocess.run([ROOT / "scripts" / "gen-performance", "--check"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_goal_is_measured_by_a_bench(self):
        """No figure of the page has a name that no bench gives."""
        sources = "\n".join(p.read_text() for p in (ROOT / "test" / "bench").glob("bench_*"))
        measured = " ".join(re.findall(r"^(?://|#) measures: (.+)$", sources, re.M)).split()
        for name in re.findall(r"`((?:steer|worker|appliance|memory|store)\.[\w.]+)`",
                               (ROOT / "docs" / "performance.md").read_text()):
            self.assertTrue(any(re.fullmatch(m.replace(".", r"\.").replace("*", ".*"), name)
                                for m in measured), name)


if __name__ == "__main__":
    unittest.main()
