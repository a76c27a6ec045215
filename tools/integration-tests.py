#!/usr/bin/python3
"""Runs the integration tests with pytest against one build, within a time limit, and counts them.

The tests find the build in NRT_BUILD. A test that passes and whose fixture then fails counts once,
as failed; so does a pytest that cannot collect, or is interrupted.
"""

import argparse
import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.pop(0)  # what lies beside this script is no module of anyone's

import pytest  # noqa: E402

GRACE = 60  # seconds for fixtures to stop what they started, once time is up


class Counts:
    """A plugin of pytest's: the worst outcome of each test."""

    ORDER = ("passed", "skipped", "failed")

    def __init__(self):
        self.worst = {}
        self.interrupted = False

    def add(self, report):
        before = self.worst.get(report.nodeid, "passed")
        self.worst[report.nodeid] = max(before, report.outcome, key=self.ORDER.index)

    def pytest_runtest_logreport(self, report):
        self.add(report)

    def pytest_collectreport(self, report):
        if report.outcome != "passed":  # what passes here is a file, not a test
            self.add(report)

    def pytest_keyboard_interrupt(self, excinfo):  # comes after pytest.exit, too
        # Session.Interrupted is pytest's own stop, after failures that are counted already.
        self.interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)

    def of(self, outcome):
        return list(self.worst.values()).count(outcome)


def names_a_file(arg):
    path = arg.split("::")[0]
    return (os.sep in path or path.endswith(".py")) and os.path.exists(path)


def limit_time(seconds):
    """Interrupts the tests when time is up: fixtures still tear down. Then ends it all."""

    def time_is_up(*_):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(GRACE)
        where = os.environ.get("PYTEST_CURRENT_TEST", "no test")
        print(f"\nnot finished after {seconds} s; stopped in {where}", flush=True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, time_is_up)
    signal.alarm(seconds)


def main():
    parser = argparse.ArgumentParser(description="Runs the integration tests against a build.")
    parser.add_argument("--limit", type=int, default=1500, help="seconds for all of them (1500)")
    parser.add_argument("--summary", help="file to write `PASSED FAILED SKIPPED` to")
    parser.add_argument("build", help="build directory")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="handed to pytest")
    options = parser.parse_args()

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.environ["NRT_BUILD"] = os.path.abspath(options.build)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    args = ["-q", "-o", "faulthandler_timeout=120", *options.args]
    if not any(map(names_a_file, options.args)):
        args.append(os.path.join(root, "tests", "integration"))

    counts = Counts()
    limit_time(options.limit)
    code = pytest.main(args, plugins=[counts])
    signal.alarm(0)

    passed, failed, skipped = map(counts.of, ("passed", "failed", "skipped"))
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        if not options.args:
            print("there are no integration tests")
            failed += 1
    elif counts.interrupted or code != pytest.ExitCode.OK and not failed:
        failed += 1
    if options.summary:
        with open(options.summary, "w", encoding="ascii") as out:
            out.write(f"{passed} {failed} {skipped}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
