#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench: what it runs, what it believes, and that nothing is left running."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Bench(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="bench-test-"))
        self.addCleanup(shutil.rmtree, self.top)
        (self.top / "scripts").mkdir()
        (self.top / "test" / "bench").mkdir(parents=True)
        (self.top / "build" / "release" / "test").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "bench", self.top / "scripts")

    def script(self, name, measures, body):
        path = self.top / "test" / "bench" / f"bench_{name}.py"
        path.write_text(f"#!{sys.executable}\n# measures: {measures}\nimport os, sys, time\n{body}\n")
        path.chmod(0o755)

    def run_bench(self, *args, timeout=60, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BENCH")}
        return subprocess.run(
            [self.top / "scripts" / "bench", "build/release", *args], cwd=self.top,
            env={**clean, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout)

    def results(self):
        return json.loads((self.top / "build" / "bench" / "results.json").read_text())

    def machine(self):
        return json.loads((self.top / "build" / "bench" / "machine.json").read_text())

    def test_median_and_samples(self):
        self.script("a", "a.*", """
path = "count"
n = int(open(path).read()) if os.path.exists(path) else 0
open(path, "w").write(str(n + 1))
print("a.rate", [30, 10, 12][n], "1/s")
print("not a figure")""")
        done = self.run_bench()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.results(), [{
            "name": "a.rate", "value": 12.0, "unit": "1/s", "samples": [30.0, 10.0, 12.0],
            "command": "test/bench/bench_a.py"}])
        self.assertEqual(self.machine()["absent"], {})

    def test_program_and_stale_program(self):
        """A program counts by its source: what was left in the build folder is not run."""
        for name in ("now", "gone"):
            program = self.top / "build" / "release" / "test" / f"bench_{name}"
            program.write_text(f"#!/bin/sh\necho '{name}.x 1 cycles'\n")
            program.chmod(0o755)
        (self.top / "test" / "bench" / "bench_now.c").write_text("// measures: now.x\n")
        self.assertEqual(self.run_bench(BENCH_RUNS="1").returncode, 0)
        self.assertEqual([r["name"] for r in self.results()], ["now.x"])

    def test_absent_is_said(self):
        self.script("a", "a.x a.y", "print('a.x 5 %')\nprint('absent a.y: no such device')")
        done = self.run_bench(BENCH_RUNS="2")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("absent  a.y: no such device", done.stdout)
        self.assertEqual([r["name"] for r in self.results()], ["a.x"])
        self.assertEqual(self.machine()["absent"], {"a.y": "no such device"})

    def test_absent_in_one_run_only(self):
        self.script("a", "a.x a.y", """
first = not os.path.exists("seen")
open("seen", "w")
print("absent a.x: disturbed" if first else "a.x 7 ns")
print("absent a.y: disturbed")""")
        self.assertEqual(self.run_bench().returncode, 0)
        self.assertEqual([(r["name"], r["samples"]) for r in self.results()], [("a.x", [7.0, 7.0])])
        self.assertEqual(self.machine()["absent"], {"a.y": "disturbed"})

    def test_unannounced_name_fails(self):
        self.script("a", "a.x", "print('b.x 5 %')")
        done = self.run_bench()
        self.assertEqual(done.returncode, 1)
        self.assertIn("prints b.x", done.stdout)
        self.assertEqual(self.results(), [])

    def test_failure_keeps_the_others(self):
        self.script("a", "a.x", "sys.exit('broken')")
        self.script("b", "b.x", "print('b.x 1 ns')")
        self.script("c", "c.x", "pass")
        done = self.run_bench()
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAIL  bench_a: status 1", done.stdout)
        self.assertIn("FAIL  bench_c: printed no measurement", done.stdout)
        self.assertEqual([r["name"] for r in self.results()], ["b.x"])

    def test_selection(self):
        self.script("a", "a.x a.y", "print('a.x 1 ns')\nprint('a.y 1 ns')")
        self.script("b", "b.*", "print('b.x 1 ns')")
        for pattern, names in (("a", ["a.x", "a.y"]), ("bench_b", ["b.x"]), ("a.y", ["a.y"]),
                               ("b.x", ["b.x"]), ("*.x", ["a.x", "b.x"])):
            self.assertEqual(self.run_bench(BENCH=pattern, BENCH_RUNS="1").returncode, 0)
            self.assertEqual([r["name"] for r in self.results()], names, pattern)
        self.assertEqual(self.run_bench(BENCH="nothing").returncode, 1)
        self.assertEqual(self.run_bench("--list").stdout, "bench_a: a.x a.y\nbench_b: b.*\n")

    def gone(self, pid_file):
        pid = int((self.top / pid_file).read_text())
        for _ in range(100):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.02)
        return False

    SLEEPER = """
import signal, subprocess
child = subprocess.Popen(["sleep", "60"])
open("child", "w").write(str(child.pid))
def stop(*_):
    open("cleaned", "w")
    child.terminate()
    child.wait()
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
time.sleep(60)"""

    def test_time_is_bounded(self):
        self.script("a", "a.x", self.SLEEPER)
        start = time.monotonic()
        done = self.run_bench(BENCH_TIMEOUT="1")
        self.assertLess(time.monotonic() - start, 15)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not done after 1 s", done.stdout)
        self.assertTrue((self.top / "cleaned").exists())
        self.assertTrue(self.gone("child"))

    def test_termination_reaches_the_bench(self):
        self.script("a", "a.x", self.SLEEPER)
        process = subprocess.Popen([self.top / "scripts" / "bench", "build/release"], cwd=self.top,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            if (self.top / "child").exists() and (self.top / "child").read_text():
                break
            time.sleep(0.02)
        process.terminate()
        self.assertEqual(process.wait(timeout=20), 143)
        self.assertTrue((self.top / "cleaned").exists())
        self.assertTrue(self.gone("child"))

    def test_usage(self):
        self.script("a", "a.x", "print('a.x 1 ns')")
        self.assertEqual(self.run_bench("--wrong").returncode, 2)
        self.assertNotEqual(self.run_bench(BENCH_RUNS="no").returncode, 0)

    def test_the_real_benches_say_what_they_measure(self):
        for source in sorted((ROOT / "test" / "bench").glob("bench_*")):
            self.assertRegex(source.read_text(), r"(?m)^(//|#) measures: \S", source.name)


if __name__ == "__main__":
    unittest.main()
