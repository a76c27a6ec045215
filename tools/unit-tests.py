#!/usr/bin/python3
"""Runs the unit tests of a build, several programs at a time, and counts their single tests.

The programs are those of `meson introspect --tests`. cmocka programs report in TAP and are counted
test by test; any other program counts as one. What dies, hangs, stops early or runs nothing counts
as failed. Here is no knowledge of what is tested.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

SKIPPED, HARD_ERROR = 77, 99  # exit codes with a meaning of their own, as in meson and automake
SHOWN = 200  # lines of a failed program's output


class Outcome:
    def __init__(self, name):
        self.name = name
        self.passed = self.skipped = 0
        self.failures = []  # one line each
        self.output = ""
        self.seconds = 0.0


def read_tap(text, outcome):
    """Counts cmocka's TAP. Returns (whether there was any, where it stopped early or "").

    A test may print, even without a newline before the `ok`, so only the number that comes next
    counts. A program may run several groups, each with a plan of its own.
    """
    planned, seen, groups, early = 0, 0, 0, ""
    for line in text.splitlines() + ["1..0"]:
        plan = re.match(r"1\.\.(\d+)$", line)
        if plan:
            if seen < planned:
                early = f"stopped after {seen} of {planned} tests"
            groups += 1
            planned, seen = int(plan[1]), 0
            continue
        if not groups:
            continue
        group_failed = re.search(r"not ok 0 - (\S+)", line)
        if group_failed:
            outcome.failures.append(f"{group_failed[1]}: the group's setup or teardown")
            planned = seen
            continue
        result = re.search(rf"(not )?ok {seen + 1} (- |# SKIP )(.*)$", line)
        if not result:
            continue
        seen += 1
        if result[2] != "- ":
            outcome.skipped += 1
        elif result[1]:
            outcome.failures.append(result[3])
        else:
            outcome.passed += 1
    return groups > 1, early


def how_it_ended(code):
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def run(test, options):
    outcome = Outcome(test["name"])
    command = options.wrapper + test["cmd"]
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    environment.update(test.get("env") or {})
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=test.get("workdir") or options.build,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        outcome.failures.append(f"does not start: {error.strerror}: {command[0]}")
        return outcome
    try:
        output, _ = process.communicate(timeout=options.timeout)
        in_time = True
    except subprocess.TimeoutExpired:
        in_time = False
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    outcome.seconds = time.monotonic() - start
    outcome.output = output.decode("utf-8", "replace")

    code = process.returncode
    if code == SKIPPED and not re.search(r"(?m)^1\.\.\d+$", outcome.output):
        outcome.skipped = 1
        return outcome
    counted, early = read_tap(outcome.output, outcome)
    died = code < 0 or code == HARD_ERROR
    ends = [early] if early else []
    if not in_time:
        ends.append(f"not finished after {options.timeout:g} s")
    elif died or code != 0 and (early or not outcome.failures):
        ends.append(how_it_ended(code))
    if ends:  # however it ended, it ended once
        outcome.failures.append(", ".join(ends))
    elif not counted:
        outcome.passed = 1
    elif not outcome.passed and not outcome.skipped and not outcome.failures:
        outcome.failures.append("ran no test")
    return outcome


def show(outcome):
    count = outcome.passed + outcome.skipped + len(outcome.failures)
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    verdict = "FAIL" if outcome.failures else "ok  "
    tests = "test" if count == 1 else "tests"
    print(f"{verdict} {outcome.name:<32} {count:>4} {tests}{skipped}  {outcome.seconds:.1f} s")
    if outcome.failures:
        lines = outcome.output.rstrip().splitlines()
        if len(lines) > SHOWN:
            print(f"     | … {len(lines) - SHOWN} lines")
        for line in lines[-SHOWN:]:
            print(f"     | {line}")
        for failure in outcome.failures:
            print(f"     failed: {failure}")
    sys.stdout.flush()


def tests_of(build, names):
    listing = subprocess.run(
        ["meson", "introspect", "--tests", build], check=True, stdout=subprocess.PIPE
    )
    tests = json.loads(listing.stdout)
    if names:
        tests = [test for test in tests if any(name in test["name"] for name in names)]
    return tests


def main():
    parser = argparse.ArgumentParser(description="Runs the unit tests of a build.")
    parser.add_argument("--wrapper", type=shlex.split, default=[], help="command in front of each")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for each program (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="programs at a time")
    parser.add_argument("--summary", help="file to write `PASSED FAILED SKIPPED` to")
    parser.add_argument("build", help="build directory")
    parser.add_argument("names", nargs="*", help="only programs with one of these in their name")
    options = parser.parse_args()

    passed = failed = skipped = 0
    tests = tests_of(options.build, options.names)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda test: run(test, options), tests):
            show(outcome)
            passed += outcome.passed
            failed += len(outcome.failures)
            skipped += outcome.skipped
    if not tests and not options.names:
        print(f"there are no unit tests in {options.build}")
        failed = 1
    if options.summary:
        with open(options.summary, "w", encoding="ascii") as out:
            out.write(f"{passed} {failed} {skipped}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
