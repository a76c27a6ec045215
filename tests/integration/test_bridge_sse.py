"""Server-sent events through gateway, NATS and sidecar: to curl, to a browser, and to thousands of
clients at once."""

import json
import os
import resource
import selectors
import shutil
import subprocess
import sys
import threading
import time

import pytest

from harness.client import Client, request_bytes
from harness.clock import DEADLINE, LONG, SLOW, until
from harness.message import Answer
from harness.origin import plain
from harness.world import HERE, sanitized

CLIENTS = 2000 if LONG else 400
TICKS = 30 if LONG else 5
KIB_EACH = 24


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the hard limit of descriptors is {hard}; {wanted} are needed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def source(world, front, nats, descriptors):
    """The server of events behind sidecar and gateway."""
    server = world.start([sys.executable, os.path.join(HERE, "harness", "event_source.py")],
                         "events", stdin=subprocess.PIPE)
    server.expected = None
    port = server.wait_line(r"^port (\d+)$", "stdout").group(1)
    server.sidecar = world.serve(
        nats, "events.nats", f"http://127.0.0.1:{port}",
        args=["--max-connections", CLIENTS + 10, "--max-in-flight", CLIENTS + 10])
    server.gateway = front(nats, "--route", "/=events.nats")
    return server


# ---- one ---------------------------------------------------------------------------------------------


def test_an_event_source_in_a_browser_sees_each_event_and_comes_back_for_more(world, source):
    """The server writes an event when the page has told it of the one before, over requests of
    their own; when the stream has ended, the browser asks again, with Last-Event-ID."""
    browser = shutil.which("chromium")
    assert browser, "chromium is not installed"
    child = world.start([browser, "--headless", "--no-sandbox", "--disable-gpu",
                         "--disable-dev-shm-usage", f"--user-data-dir={world.path('browser')}",
                         "--remote-debugging-port=0", source.gateway.url + "/"],
                        "chromium", env={"HOME": world.path("home")})
    child.expected = None
    said = source.wait_line(r"^said (.*)$", "stdout", timeout=60 * SLOW).group(1)
    opened, events = json.loads(said)
    assert opened == 2
    assert events == [[f"event {number}", str(number)] for number in range(1, 7)]


def test_curl_prints_each_event_before_the_next_is_written(world, source):
    curl = world.start([shutil.which("curl"), "-q", "-sSN", source.gateway.url + "/numbers"], "curl")
    curl.expected = None
    with Client(source.gateway.url) as other:
        for number in (1, 2, 3):
            curl.wait_line(rf"^data: event {number}$", "stdout")
            assert f"wrote {number + 1}" not in source.lines("stdout")
            assert other.get(f"/seen?{number}").status == 200
    assert curl.wait() == 0
    assert curl.stdout == "retry: 20\n\n" + "".join(
        f"id: {number}\ndata: event {number}\n\n" for number in (1, 2, 3))


def test_the_head_is_there_before_the_first_event(world, front, nats):
    """EventSource.onopen, and what a page shows then, must not wait for something to happen."""
    go = threading.Event()

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n")
        assert go.wait(DEADLINE)
        connection.send("data: 1\n\n")

    world.serve(nats, "events.nats", world.origin(script=script))
    client = world.client(front(nats, "--route", "/=events.nats"))
    client.send(request_bytes("GET", "/"))
    head = client.reader.head(Answer)
    assert (head.status, head.get("Content-Type")) == (200, "text/event-stream; charset=utf-8")
    assert not client.reader.buffer and not go.is_set()
    go.set()
    assert client.reader.exactly(14) == b"9\r\ndata: 1\n\n\r\n"
    assert client.reader.exactly(5) == b"0\r\n\r\n"


def test_silence_between_events_is_longer_than_any_timeout(world, front, nats):
    """Neither the sidecar's nor the gateway's, nor the one for clients that are silent: the pings of
    the exchange tell that both are there."""
    go = threading.Event()

    def script(connection):
        if connection.read().target == "/quick":
            connection.send(plain("quick"))
            return
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        assert go.wait(DEADLINE * 3)
        connection.send("data: 2\n\n")

    world.serve(nats, "events.nats", world.origin(script=script), args=["--timeout", "300ms"])
    gateway = front(nats, "--route", "/=events.nats", "--timeout", "300ms", "--idle-timeout", "300ms")
    client = world.client(gateway, timeout=DEADLINE * 3)
    client.send(request_bytes("GET", "/"))
    client.reader.head(Answer)
    assert client.reader.exactly(14) == b"9\r\ndata: 1\n\n\r\n"
    # 11 s and more: what has become silent on NATS is given up after 10 s.
    assert not client.readable(11.5)
    assert Client(gateway.url).get("/quick").body == b"quick"
    go.set()
    assert client.reader.exactly(14) == b"9\r\ndata: 2\n\n\r\n"
    assert client.reader.exactly(5) == b"0\r\n\r\n"


# ---- many --------------------------------------------------------------------------------------------


class Listener:
    """One of many clients: checks the numbers of its events, and how old they are."""

    def __init__(self, url):
        self.client = Client(url)
        self.client.send(request_bytes("GET", "/ticks", fields=[("Accept", "text/event-stream")]))
        self.buffer = b""
        self.next = None
        self.events = 0
        self.late = 0.0

    def read(self):
        data = self.client.sock.recv(65536)
        assert data, "the stream has ended"
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                number, written = line[6:].split(b" ")
                assert self.next in (None, int(number)), f"{number} instead of {self.next}"
                self.next = int(number) + 1
                self.events += 1
                self.late = max(self.late, time.monotonic() - float(written))


def listen(selector, listeners, done, what, timeout):
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, f"not in time: {what}"
        for key, _ in selector.select(0.1):
            key.data.read()


def test_many_listen_at_once_and_none_misses_an_event_or_gets_it_late(world, source):
    gateway, sidecar = source.gateway, source.sidecar
    selector = selectors.DefaultSelector()
    with Client(gateway.url) as warm:
        assert warm.get("/warm").status == 200
    idle = gateway.descriptors(), sidecar.descriptors()
    before = gateway.status("VmRSS")
    listeners = []
    for _ in range(CLIENTS):
        listener = Listener(gateway.url)
        selector.register(listener.client.sock, selectors.EVENT_READ, listener)
        listeners.append(listener)
        for key, _ in selector.select(0):
            key.data.read()
    try:
        listen(selector, listeners, lambda: all(one.events for one in listeners),
               "all are connected", 60 * SLOW)
        for one in listeners:
            one.late, one.events = 0.0, 0
        listen(selector, listeners, lambda: all(one.events >= TICKS for one in listeners),
               f"{TICKS} events for each", (TICKS + 20) * SLOW)
        each = (gateway.status("VmRSS") - before) / CLIENTS
        late = max(one.late for one in listeners)
        print(f"{CLIENTS} clients: {each:.1f} KiB each in the gateway, latest event {late:.3f} s")
        assert late < 1 * SLOW
        assert sanitized() or each <= KIB_EACH
        with Client(gateway.url) as other:
            assert other.get("/other").status == 200
    finally:
        for one in listeners:
            one.client.close()
    until(lambda: (gateway.descriptors(), sidecar.descriptors()) <= idle, "all are gone", 20 * SLOW)
