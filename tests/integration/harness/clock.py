"""Deadlines. Tests poll with a deadline and never sleep for a fixed time to synchronise."""

import os
import time

# Sanitizers, valgrind and busy machines are slower: NRT_TEST_SLOW=4 stretches what has a limit.
SLOW = float(os.environ.get("NRT_TEST_SLOW", "1"))
DEADLINE = 10.0 * SLOW

# The long forms of tests that have one: NRT_TEST_LONG=1.
LONG = bool(os.environ.get("NRT_TEST_LONG"))


def until(condition, what, timeout=None, step=0.005):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + (DEADLINE if timeout is None else timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not in time: {what}")
        time.sleep(step)


class Stopwatch:
    """`with Stopwatch() as watch: ...` and then watch.seconds."""

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *exc):
        self.seconds = time.monotonic() - self.start
