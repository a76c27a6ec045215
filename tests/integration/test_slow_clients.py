"""Thousands of connections that trickle a byte each few seconds, and readers that take their time:
what it costs the others, and what it costs in memory.

1,000 connections in the normal suite; NRT_TEST_LONG=1 makes it the 5,000 of the requirement, with
more rounds."""

import os
import resource
import socket
import statistics
import threading
import time

import pytest

from harness.client import Client, request_bytes
from harness.clock import SLOW, until
from harness.origin import plain
from harness.world import sanitized

LONG = os.environ.get("NRT_TEST_LONG") == "1"
CONNECTIONS = 5000 if LONG else 1000
ROUNDS = 11 if LONG else 5
REQUESTS = 1000 if LONG else 300
EACH_SECONDS = 3.0
KIB_EACH = 16


@pytest.fixture
def descriptors():
    """Enough of them for the test and for what it starts."""
    wanted = CONNECTIONS + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the hard limit of descriptors is {hard}; {wanted} are needed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Tricklers:
    """Connections that are in the middle of a head, and stay there: a byte each few seconds."""

    def __init__(self, url, count):
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self.lost = 0
        self.sent = 0
        self.socks = []
        for _ in range(count):
            sock = socket.create_connection(address, 10)
            sock.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            self.socks.append(sock)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        batch = max(1, len(self.socks) // 100)
        while not self._over.is_set():
            for start in range(0, len(self.socks), batch):
                for sock in self.socks[start:start + batch]:
                    try:
                        sock.send(b"s")
                        self.sent += 1
                    except OSError:
                        self.lost += 1
                if self._over.wait(EACH_SECONDS / 100):
                    return

    def finish_one(self):
        """The first of them ends its request after all."""
        self.socks[0].sendall(b"\r\n\r\n")
        return self.socks[0].recv(100)

    def close(self):
        self._over.set()
        self._thread.join(10)
        for sock in self.socks:
            sock.close()


def p99(client, count):
    took = []
    for _ in range(count):
        start = time.perf_counter()
        assert client.get("/").body == b"fine"
        took.append(time.perf_counter() - start)
    return sorted(took)[int(count * 0.99)]


@pytest.fixture
def origin(world, nats):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(world, nats, origin, descriptors):
    return world.gateway(nats, "--route", "/=weather.nats", "--head-timeout", "10m")


def test_tricklers_do_not_slow_down_the_others(world, nats, gateway):
    """Rounds with and without them alternate, on gateways of the same kind; medians decide."""
    alone = world.gateway(nats, "--route", "/=weather.nats")
    quiet, busy = world.client(alone), world.client(gateway)
    p99(quiet, 50), p99(busy, 50)
    without, among = [], []
    for _ in range(ROUNDS):
        without.append(p99(quiet, REQUESTS))
        tricklers = Tricklers(gateway.url, CONNECTIONS)
        try:
            until(lambda: gateway.descriptors() > CONNECTIONS, "all are accepted", 30 * SLOW)
            among.append(p99(busy, REQUESTS))
            assert tricklers.sent > 0 and tricklers.lost == 0
        finally:
            tricklers.close()
    before, after = statistics.median(without), statistics.median(among)
    print(f"p99 without {before * 1e6:.0f} us, with {CONNECTIONS} of them {after * 1e6:.0f} us")
    assert after < 2 * before + 0.0002, (without, among)


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory is another matter")
def test_a_trickler_costs_no_more_than_16_kib(world, gateway):
    client = world.client(gateway)
    p99(client, 50)
    before = gateway.status("VmRSS")
    tricklers = Tricklers(gateway.url, CONNECTIONS)
    try:
        until(lambda: gateway.descriptors() > CONNECTIONS, "all are accepted", 30 * SLOW)
        until(lambda: tricklers.sent > CONNECTIONS, "each has sent a byte", 30 * SLOW)
        assert client.get("/").body == b"fine"
        each = (gateway.status("VmRSS") - before) / CONNECTIONS
        print(f"{each:.1f} KiB for each of {CONNECTIONS} connections")
        assert each <= KIB_EACH
        assert tricklers.lost == 0
        assert tricklers.finish_one().startswith(b"HTTP/1.1 200 ")
    finally:
        tricklers.close()
    until(lambda: gateway.descriptors() < 50, "all are gone", 30 * SLOW)


def test_tricklers_are_sent_away_after_the_head_timeout(world, front, nats, origin):
    gateway = front(nats, "--route", "/=weather.nats", "--head-timeout", "1s")
    idle = gateway.descriptors()
    tricklers = Tricklers(gateway.url, 200)
    try:
        until(lambda: gateway.descriptors() <= idle, "they are gone", 10 * SLOW)
    finally:
        tricklers.close()
    assert [request.target for request in origin.requests] == []


# ---- readers -----------------------------------------------------------------------------------


BIG = b"x" * 1_000_000


def pipeline(url, count, room=4096):
    """A client that has asked for `count` large responses and reads nothing yet."""
    client = Client(url)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.send(request_bytes("GET", "/big") * count)
    return client


@pytest.fixture
def big(world, nats):
    world.serve(nats, "big.nats", world.origin(plain(BIG)))


def test_a_reader_that_reads_nothing_harms_nobody_and_is_closed(world, nats, origin, big):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--route", "/big=big.nats",
                            "--idle-timeout", "2s")
    client = world.client(gateway)
    fast, idle = p99(client, 100), gateway.descriptors()
    stuck = [world.closing(pipeline(gateway.url, 50)) for _ in range(10)]
    until(lambda: gateway.descriptors() == idle + 10, "they are accepted")
    assert p99(client, 300) < max(20 * fast, 0.25 * SLOW)
    assert gateway.status("VmRSS") < 100 * 1024 or sanitized()

    def gone():
        assert client.get("/").body == b"fine"
        return gateway.descriptors() <= idle

    until(gone, "the stuck ones are closed", 20 * SLOW)
    assert len(stuck) == 10


def test_a_reader_that_is_slow_and_goes_on_is_not_cut_off(world, front):
    """Silence is what the idle timeout is about; here bytes flow all the time, but a response takes
    longer than that."""
    size, count, each_second = 7_000_000, 3, 5_000_000
    nats = world.nats(config="max_payload: 8MB\n")
    world.serve(nats, "big.nats", world.origin(plain(b"x" * size)))
    gateway = front(nats, "--route", "/=big.nats", "--idle-timeout", "700ms")
    client = world.client(gateway)
    client.send(request_bytes("GET", "/big") * count)
    pace, got = threading.Event(), 0
    while got < count * size:
        piece = client.sock.recv(65536)
        assert piece, f"closed after {got} of more than {count * size} bytes"
        got += len(piece)
        pace.wait(len(piece) / each_second)
