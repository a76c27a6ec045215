#!/usr/bin/python3
"""Measures HTTP over NATS beside what else there is, in one run: see docs/performance.md.

All rows are started first and stay; then short slices of them alternate, again and again, so that
what disturbs the machine disturbs all of them alike. What counts is the median of the slices."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import growth  # noqa: E402
import micro  # noqa: E402
import publish  # noqa: E402
from bulk_rows import BULK_ROWS  # noqa: E402
from payload import Payload  # noqa: E402
from processes import Failed  # noqa: E402
from results import Promises, bulk_table, promise_table, summary, table  # noqa: E402
from rows import ROWS, WRK, OursOnly, find_nginx  # noqa: E402

PARTS = ["rows", "growth", "micro"]
LEVELS = [1, 16, 64, 256]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Run:
    """What the rows of a run share."""

    def __init__(self, chosen, build, folder):
        self.chosen, self.build, self.folder = chosen, build, folder
        self.bulk_mib, self.warm_mib = (64 if chosen.quick else 1024), 16
        self.payload = Payload(folder)
        self.script = os.path.join(folder, "wrk.lua")
        with open(self.script, "w", encoding="ascii") as script:
            script.write(WRK)
        # What goes over NATS for one exchange, for the row that sends the same without HTTP.
        ours = OursOnly(self)
        try:
            self.payload.capture(ours.port, lambda: ours.measure(1, 0.05))
        finally:
            ours.stop()

    def alternate(self, kinds, levels, warm):
        """All rows of these kinds, slice by slice. `warm` is the level of a slice before, which is
        not of interest: what is done once is done then."""
        rows, samples = [], {}
        try:
            for kind in kinds:
                rows.append(kind(self))
            for row in rows:
                if not self.chosen.quick:
                    row.measure(warm, 0.2)
                samples[row.letter] = {level: [] for level in levels}
            for repetition in range(self.chosen.repetitions):
                for level in levels:
                    turn = repetition % len(rows)
                    for row in rows[turn:] + rows[:turn]:
                        samples[row.letter][level].append(row.measure(level, self.chosen.seconds))
                say(f"repetition {repetition + 1} of {self.chosen.repetitions}")
            return {row.letter: {
                "name": row.name,
                "levels": {level: summary(samples[row.letter][level]) for level in levels},
                "peak_kib": row.peaks()} for row in rows}
        finally:
            for row in rows:
                row.stop()

    def chosen_of(self, kinds):
        if "rows" not in self.chosen.parts:
            return []
        return [kind for kind in kinds if not self.chosen.rows or kind.letter[0] in self.chosen.rows]

    def everything(self):
        done = {"machine": machine(self.build), "bytes": self.payload.sizes(),
                "seconds": self.chosen.seconds, "repetitions": self.chosen.repetitions,
                "quick": self.chosen.quick}
        rows, bulk = self.chosen_of(ROWS), self.chosen_of(BULK_ROWS)
        if rows:
            done["rows"] = self.alternate(rows, self.chosen.levels, 64)
            print(table(done["rows"]), flush=True)
        if bulk:
            done["bulk"] = self.alternate(bulk, [self.bulk_mib], self.warm_mib)
            print(bulk_table(done["bulk"]), flush=True)
        if "growth" in self.chosen.parts:
            done["growth"] = growth.measure(self)
            few = {key: value for key, value in done["growth"].items() if key != "memory"}
            print(table(few, "as many"), growth.table(done["growth"]), sep="\n", flush=True)
        if "micro" in self.chosen.parts:
            done["micro"] = micro.Micro(self).all()
            print(micro.table(done["micro"]), flush=True)
            if self.chosen.write_bounds:
                micro.write_bounds(done["micro"])
            done["beyond_bounds"] = micro.beyond_bounds(done["micro"])
        done["promises"] = Promises(done).all()
        if done["promises"]:
            print(promise_table(done["promises"]))
        for line in done.get("beyond_bounds", []):
            say(f"more than a tenth beyond its bound: {line}")
        return done


def load(path):
    """What --json wrote; the keys of levels are numbers again."""
    def numbers(pairs):
        return {int(key) if key.isdigit() else key: value for key, value in pairs}

    with open(path, encoding="utf-8") as file:
        return json.load(file, object_pairs_hook=numbers)


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
    parser = argparse.ArgumentParser(prog="dev bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="show in a minute that it works: no figures")
    parser.add_argument("--json", metavar="FILE", help="write all there is to FILE")
    parser.add_argument("--rows", metavar="LETTERS", help="only these rows, such as bde")
    parser.add_argument("--parts", metavar="PART,...", help="of rows, growth, micro; all, or rows with --rows")
    parser.add_argument("--write-bounds", action="store_true",
                        help="take the instructions of --parts micro over into bench/bounds.json")
    parser.add_argument("--publish", action="store_true",
                        help="put the figures into docs/performance.md and its chart")
    parser.add_argument("--from", dest="source", metavar="FILE", help="with --publish: of a run that --json wrote")
    parser.add_argument("--access-log", action="store_true",
                        help="let nginx write one, as it does by default; ours do not")
    parser.add_argument("--in-flight", metavar="N,...", help="instead of 1,16,64,256")
    parser.add_argument("--repetitions", type=int, metavar="N", help="slices of each row (7)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each slice (1; wrk knows whole ones)")
    chosen = parser.parse_args()
    part = chosen.quick or chosen.rows or chosen.parts or chosen.in_flight or chosen.access_log
    if chosen.publish and not chosen.source and part:
        parser.error("--publish takes a whole run")
    if chosen.source and not chosen.publish:
        parser.error("--from is for --publish")
    known = "".join(sorted({row.letter[0] for row in ROWS + BULK_ROWS}))
    if chosen.rows and set(chosen.rows) - set(known):
        parser.error(f"--rows {chosen.rows}: there is {known}")
    chosen.parts = chosen.parts.split(",") if chosen.parts else ["rows"] if chosen.rows else PARTS
    if set(chosen.parts) - set(PARTS):
        parser.error(f"--parts {','.join(chosen.parts)}: there is {','.join(PARTS)}")
    try:
        chosen.levels = [int(text) for text in (chosen.in_flight or "").split(",") if text]
    except ValueError:
        parser.error(f"--in-flight {chosen.in_flight}: numbers with commas between them")
    if any(not 1 <= level <= 10000 for level in chosen.levels):
        parser.error(f"--in-flight {chosen.in_flight}: from 1 to 10000")
    chosen.levels = chosen.levels or ([1, 64] if chosen.quick else LEVELS)
    chosen.repetitions = chosen.repetitions or (1 if chosen.quick else 7)
    chosen.seconds = chosen.seconds or (0.2 if chosen.quick else 1)
    return chosen


def main():
    chosen = options()
    if chosen.source:
        publish.publish(load(chosen.source))
        return 0
    folder = tempfile.mkdtemp(prefix="nrt-bench-")
    os.chmod(folder, 0o755)  # the workers of nginx are others than we, where we are root
    try:
        run = Run(chosen, os.path.abspath(os.environ.get("NRT_BUILD", "build")), folder)
        done = run.everything()
        if chosen.json:
            with open(chosen.json, "w", encoding="utf-8") as out:
                json.dump(done, out, indent=1)
        if chosen.publish:
            publish.publish(done)
    except Failed as failed:
        say(failed)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
