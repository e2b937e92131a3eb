#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What waiting costs: CPU at no load, and the delay of a request that comes after a pause."""
# measures: appliance.idle.*
#
# Over veth, one worker, for each idle policy: CPU seconds of the process in each second without a
# packet, then one UDP get after each PAUSE_S of silence, from a client on the same machine. The
# kernel's way there and back is in the delay, and is the same for both policies: what `sleep` has
# more than `poll` is what waking costs. Needs root.
import os
import pathlib
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e"))
import labs  # noqa: E402
import mcraw  # noqa: E402

QUIET_S = 3
PAUSE_S = 0.005  # several times the longest sleep
REQUESTS = 400
REQUEST = mcraw.UDP_HEADER.pack(1, 0, 1, 0) + b"get absent\r\n"


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def delays_us(lab):
    found = []
    with lab.inside(), mcraw.Udp(labs.HOST, labs.PORT, timeout=1) as client:
        for _ in range(REQUESTS):
            time.sleep(PAUSE_S)
            start = time.perf_counter_ns()
            client.send_raw(REQUEST)
            client.datagram()
            found.append((time.perf_counter_ns() - start) / 1000)
    return sorted(found)


def measure(mode, idle):
    options = ["-t", "1", f"--mode={mode}", f"--idle={idle}", "-U", str(labs.PORT),
               "--udp-trust=192.0.2.0/24"]
    name = f"appliance.idle.{mode}_{idle}"
    with labs.Lab(f"idle-{os.getpid()}", options=options) as lab:
        time.sleep(0.5)
        before, start = cpu_s(lab.pid()), time.monotonic()
        time.sleep(QUIET_S)
        used = (cpu_s(lab.pid()) - before) / (time.monotonic() - start)
        print(f"{name}.cpu {100 * used:.1f} %", flush=True)
        found = delays_us(lab)
    print(f"{name}.delay_median {statistics.median(found):.1f} us")
    print(f"{name}.delay_p99 {found[len(found) * 99 // 100]:.1f} us", flush=True)


def main():
    for mode, idle in (("rtc", "poll"), ("rtc", "sleep"), ("dispatch", "sleep")):
        try:
            measure(mode, idle)
        except (OSError, struct.error, mcraw.Broken, labs.LabError) as error:
            print(f"absent appliance.idle.{mode}_{idle}: {str(error).splitlines()[0]}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
