"""Load on fresh connections: each request has its own, and none is tried again. What a reload or an
upgrade of the server under it loses, shows as a failure here."""

import threading

from .client import Client, Closed


class Fresh:
    """Asks until stop(), or `count` requests in all. `right(answer)` says whether it is one."""

    def __init__(self, url, threads=4, count=0, target="/", timeout=60, right=None, context=None):
        self.failures = []
        self.answered = 0
        self._url, self._target, self._timeout, self._context = url, target, timeout, context
        self._right = right or (lambda answer: answer.status == 200)
        self._left = count or None
        self._going = True
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def running(self):
        return any(thread.is_alive() for thread in self._threads)

    def _take(self):
        with self._lock:
            if self._left is not None:
                self._left -= 1
                return self._left >= 0
            return self._going

    def _run(self):
        while self._take():
            try:
                with Client(self._url, self._timeout, self._context) as client:
                    answer = client.request("GET", self._target, fields=[("Connection", "close")])
                    failure = None if self._right(answer) and client.at_end() else answer
            except (OSError, Closed, AssertionError) as problem:
                failure = problem
            with self._lock:
                self.answered += 1
                if failure:
                    self.failures.append(repr(failure))

    def close(self):
        """The end of a test that did not come to stop()."""
        self._going, self._left = False, 0

    def stop(self):
        self._going = False
        return self.wait()

    def wait(self):
        """How many were asked; the failures are none."""
        for thread in self._threads:
            thread.join()
        assert self.failures == [], self.failures[:10]
        return self.answered
