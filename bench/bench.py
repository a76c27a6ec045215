#!/usr/bin/python3
"""Measures HTTP over NATS beside what else there is, in one run: see docs/performance.md.

All rows are started first and stay; then short slices of them alternate, again and again, so that
what disturbs the machine disturbs all of them alike. What counts is the median of the slices."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from payload import Payload  # noqa: E402
from processes import Failed  # noqa: E402
from rows import ROWS, WRK, OursOnly, find_nginx  # noqa: E402

LEVELS = [1, 16, 64, 256]


class Run:
    """What the rows of a run share."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.payload = Payload(folder)
        self._script = None

    def wrk_script(self):
        if not self._script:
            self._script = os.path.join(self.folder, "wrk.lua")
            with open(self._script, "w", encoding="ascii") as script:
                script.write(WRK)
        return self._script


def median(samples, key):
    return statistics.median(key(sample) for sample in samples)


def summary(samples):
    """Medians of slices, and how far they lie apart."""
    rates = [sample["rps"] for sample in samples]
    roles = samples[0]["cpu_us"]
    cpu = {role: median(samples, lambda s, role=role: s["cpu_us"][role]) for role in roles}
    return {
        "rps": statistics.median(rates), "rps_min": min(rates), "rps_max": max(rates),
        "p50_us": median(samples, lambda s: s["p50_us"]),
        "p99_us": median(samples, lambda s: s["p99_us"]),
        "cpu_us": cpu,
        "cpu_us_all": median(samples, lambda s: sum(s["cpu_us"].values())),
        "samples": samples,
    }


def measure(rows, levels, seconds, repetitions, say):
    samples = {row.letter: {level: [] for level in levels} for row in rows}
    for row in rows:
        row.measure(64, min(seconds, 0.3))  # what is done once: not of interest
    for repetition in range(repetitions):
        for level in levels:
            turn = repetition % len(rows)
            for row in rows[turn:] + rows[:turn]:
                samples[row.letter][level].append(row.measure(level, seconds))
        say(f"repetition {repetition + 1} of {repetitions}")
    return {row.letter: {"name": row.name,
                         "levels": {level: summary(samples[row.letter][level]) for level in levels},
                         "peak_kib": row.peaks()} for row in rows}


def table(results):
    lines = []
    for letter, row in results.items():
        lines.append(f"\n({letter}) {row['name']}")
        lines.append(f"  {'in flight':>9} {'requests/s':>10} {'lowest':>8} {'highest':>8} {'p50 us':>8} "
                     f"{'p99 us':>8}  CPU us per request")
        for level, s in row["levels"].items():
            cpu = ", ".join(f"{role} {us:.1f}" for role, us in s["cpu_us"].items())
            lines.append(f"  {level:>9} {s['rps']:>10.0f} {s['rps_min']:>8.0f} {s['rps_max']:>8.0f} "
                         f"{s['p50_us']:>8.0f} {s['p99_us']:>8.0f}  {s['cpu_us_all']:.1f}: {cpu}")
        peaks = ", ".join(f"{role} {kib / 1024:.1f}" for role, kib in row["peak_kib"].items())
        lines.append(f"  peak memory, MiB: {peaks}")
    return "\n".join(lines)


def version(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "?"


def machine(build):
    with open("/proc/cpuinfo", encoding="ascii") as cpus:
        model = [line.split(":")[1].strip() for line in cpus if line.startswith("model name")]
    return {
        "cpu": model[0] if model else platform.machine(), "cpus": os.cpu_count(),
        "kernel": platform.release(), "load_before": os.getloadavg()[0],
        "nats-server": version("nats-server", "-v"), "nginx": version(find_nginx(), "-v"),
        "wrk": version("wrk", "-v"), "nrt": version(os.path.join(build, "nrt"), "--version"),
    }


def options():
    parser = argparse.ArgumentParser(prog="dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="show in a minute that it works: no figures")
    parser.add_argument("--json", metavar="FILE", help="write all there is to FILE")
    parser.add_argument("--rows", metavar="LETTERS", help="only these rows, such as bde")
    parser.add_argument("--in-flight", metavar="N,...", help="instead of 1,16,64,256")
    parser.add_argument("--repetitions", type=int, metavar="N", help="slices of each row (7)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each slice (1; wrk knows whole ones)")
    chosen = parser.parse_args()
    known = "".join(sorted({row.letter[0] for row in ROWS}))
    if chosen.rows and set(chosen.rows) - set(known):
        parser.error(f"--rows: {chosen.rows}: there is {known}")
    try:
        chosen.levels = [int(text) for text in (chosen.in_flight or "").split(",") if text]
    except ValueError:
        parser.error(f"--in-flight: {chosen.in_flight}: numbers with commas between them")
    chosen.levels = chosen.levels or ([1, 64] if chosen.quick else LEVELS)
    chosen.repetitions = chosen.repetitions or (1 if chosen.quick else 7)
    chosen.seconds = chosen.seconds or (0.2 if chosen.quick else 1)
    return chosen


def main():
    chosen = options()
    build = os.path.abspath(os.environ.get("NRT_BUILD", "build"))
    folder = tempfile.mkdtemp(prefix="nrt-bench-")
    os.chmod(folder, 0o755)  # the workers of nginx are others than we, where we are root
    rows = []

    def say(text):
        print(text, file=sys.stderr, flush=True)

    try:
        run = Run(build, folder)
        ours = OursOnly(run)
        run.payload.capture(ours.port, lambda: ours.measure(1, 0.05))
        ours.stop()
        for kind in ROWS:
            if not chosen.rows or kind.letter[0] in chosen.rows:
                rows.append(kind(run))
        about = machine(build)
        results = measure(rows, chosen.levels, chosen.seconds, chosen.repetitions, say)
        everything = {"machine": about, "bytes": run.payload.sizes(), "seconds": chosen.seconds,
                      "repetitions": chosen.repetitions, "quick": chosen.quick, "rows": results}
        print(table(results))
        if chosen.json:
            with open(chosen.json, "w", encoding="utf-8") as out:
                json.dump(everything, out, indent=1)
    except Failed as failed:
        say(f"bench: {failed}")
        return 1
    finally:
        for row in rows:
            row.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
