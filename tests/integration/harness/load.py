"""Steady load on a gateway: threads, each with a kept connection, and a record of every answer."""

import collections
import threading
import time

from .client import Client, Closed

Answered = collections.namedtuple("Answered", "sent seconds method status error body fields right")

METHODS = ("GET", "POST", "PUT")


def echo(name=""):
    """What an origin under this load answers: its name, and what it was asked."""
    def answer(request):
        body = b"%s %s " % (name.encode(), request.method.encode()) + request.body
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    return answer


class Load:
    """Asks until stop(), or `count` requests in all. `pause` is between two requests of a thread."""

    def __init__(self, gateway, threads=4, methods=METHODS, pause=0.0, count=0, timeout=60):
        self.answers = []
        self.problems = []
        self._going = True
        self._left = count or None
        self._lock = threading.Lock()
        self._args = (gateway.url, methods, pause, timeout)
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _take(self):
        with self._lock:
            if self._left is not None:
                self._left -= 1
                return self._left >= 0
            return self._going

    def _run(self, number):
        url, methods, pause, timeout = self._args
        try:
            with Client(url, timeout) as client:
                count = 0
                while self._take():
                    count += 1
                    self._ask(client, methods[count % len(methods)], f"{number}-{count}".encode())
                    if pause:
                        time.sleep(pause)
        except (OSError, Closed, AssertionError) as problem:
            self.problems.append(repr(problem))

    def _ask(self, client, method, body):
        at = time.monotonic()
        answer = client.request(method, "/", body=body)
        name, _, rest = answer.body.partition(b" ")
        right = answer.status == 200 and rest == method.encode() + b" " + body
        self.answers.append(Answered(at, time.monotonic() - at, method, answer.status, answer.error,
                                     name.decode() if right else answer.body, answer, right))

    def stop(self):
        """Ends it; the answers that were not right."""
        self._going = False
        return self.wait()

    def wait(self):
        for thread in self._threads:
            thread.join()
        assert self.problems == []
        return [(one.method, one.status, one.error, one.body, round(one.sent, 3),
                 round(one.seconds, 3)) for one in self.answers if not one.right]

    def names(self, since=0):
        """How many requests sent after `since` each origin answered."""
        return collections.Counter(
            one.body for one in self.answers if one.right and one.sent >= since)


def ask(gateway, count, threads=1, methods=("GET",)):
    """`count` requests in all, and who answered them."""
    load = Load(gateway, threads, methods, count=count)
    load.wait()
    return load


def tolerance(count, share):
    """How far from `share` of them chance may take `count` requests that are dealt out one by one:
    4.5 standard deviations, which one run in 150,000 exceeds."""
    return 4.5 * (count * share * (1 - share)) ** 0.5
