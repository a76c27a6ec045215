"""What becomes of the others when one leaves, dies or stands still in the middle of a body: who asks,
a gateway, a sidecar, an origin, the broker. Everybody learns it in time, hears an error and not a
short success, and nothing is left behind."""

import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import threading

import pytest

from harness.client import Client, request_bytes
from harness.clock import DEADLINE, LONG, SLOW, Stopwatch, until
from harness.message import Answer, Closed, Malformed, Request, assert_problem
from harness.origin import Gate, plain
from harness.rawnats import RawNats
from harness.world import sanitized

MIB = 1 << 20
SILENT = 10  # seconds after which who says nothing is given up
ENDLESS = [("Transfer-Encoding", "chunked")]
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "echo")]
# What is freed goes back to the system, so that VmRSS tells what is held and not the most that ever was:
# how much of a flood is on its way at once is the scheduler's choice.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}


class Stage:
    """An origin behind a sidecar behind a gateway. What the origin does is said by the target:

    /now      answers at once
    /wait     never answers
    /drip     a body without end, a piece every half a second
    /flood    a body without end, as fast as it is taken
    /up       takes a body, and answers with its size and its SHA-256
    /sink     takes what comes and never answers
    /echo     changes the protocol, and sends back what comes
    """

    def __init__(self, front, nats, sidecar=()):
        world = front.world
        self.world, self.nats = world, nats
        self.asked, self.ended = [], []  # targets: of heads that came, of connections that are gone
        self.whole = []  # targets of requests that came to their end
        self.origin = world.origin(script=self.play)
        self.sidecar = world.serve(nats, "weather.nats", self.origin, args=sidecar, env=GIVE_BACK)
        self.gateway = front(nats, "--route", "/=weather.nats", streams=True, env=GIVE_BACK)
        with Client(self.gateway.url) as client:
            assert client.get("/now").body == b"now"
            assert client.post("/up", b"x" * MIB).status == 200
        self.settle()
        self.idle = [child.descriptors() for child in self.children]

    @property
    def children(self):
        return self.gateway, self.sidecar

    # ---- the origin ------------------------------------------------------------------------------

    def play(self, connection):
        connection.sock.settimeout(DEADLINE * 6)
        while True:
            try:
                head = connection.reader.head(Request)
            except Closed:
                return
            self.asked.append(head.target)
            try:
                self.answer(connection, head)
            finally:
                if head.target not in ("/now", "/up"):
                    self.ended.append(head.target)
            self.whole.append(head.target)

    def answer(self, connection, head):
        path = head.target.partition("?")[0]
        if path == "/now":
            connection.send(plain("now"))
        elif path == "/wait":
            connection.wait_closed()
            raise ConnectionError
        elif path == "/drip":
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.send("4\r\ndrip\r\n")
                if select.select([connection.sock], [], [], 0.5)[0]:
                    raise ConnectionError
        elif path == "/flood":
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.send(b"10000\r\n" + b"f" * 65536 + b"\r\n")
        elif path == "/up":
            connection.reader.body(head, False)
            digest = hashlib.sha256(head.body).hexdigest()
            connection.send(plain(f"{len(head.body)} {digest}"))
        elif path == "/sink":
            while connection.sock.recv(65536):
                pass
            raise ConnectionError
        elif path == "/echo":
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                            "Upgrade: echo\r\n\r\n")
            while data := connection.sock.recv(65536):
                connection.send(data)
            raise ConnectionError

    # ---- who asks --------------------------------------------------------------------------------

    def client(self, target, settled=True):
        """A client in the middle of an exchange of that kind."""
        before = self.asked.count(target)
        spy = self.world.peer(self.nats) if target == "/wait" and settled else None
        inboxes = spy and spy.subscribe("_INBOX.>")
        client = self.world.client(self.gateway, timeout=DEADLINE * 3)
        if target.startswith("/sink"):
            client.send(request_bytes("POST", target, fields=ENDLESS), b"4\r\nsink\r\n")
        elif target.startswith("/echo"):
            client.send(request_bytes("GET", target, fields=UPGRADE))
            assert client.reader.head(Answer).status == 101
            client.send("hello")
            assert client.reader.exactly(5) == b"hello"
        else:  # a POST is not sent again by itself
            client.send(request_bytes("POST" if target == "/wait" else "GET", target))
            if target.startswith(("/drip", "/flood")):
                assert client.reader.head(Answer).status == 200
        until(lambda: self.asked.count(target) > before, f"{target} is asked")
        while spy and b"t=accept" not in inboxes.next().headers:
            pass  # 100 ms after it came, a request that is not answered is accepted
        if spy:
            spy.close()  # or there would be somebody where the gateway was
        return client

    def works(self):
        with Client(self.gateway.url) as client:
            return client.get("/now").body == b"now"

    # ---- what is left ----------------------------------------------------------------------------

    def in_flight(self):
        peer = RawNats(self.nats.url)
        try:
            answer = json.loads(peer.request("$SRV.STATS.weather", b"").payload)
            return answer["endpoints"][0]["data"]["in_flight"]
        finally:
            peer.close()

    def settle(self):
        until(lambda: self.in_flight() == 0, "nothing is in flight", step=0.1)

    def nothing_is_left(self):
        self.settle()
        until(lambda: all(child.descriptors() <= idle + 1 for child, idle in
                          zip(self.children, self.idle)), "descriptors are given back")


@pytest.fixture
def stage(front, nats):
    return Stage(front, nats)


def vanish(client):
    """Ends its connection as the kernel does for a process that is killed with unread data."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def is_cut(client):
    """The response does not come to its end."""
    try:
        while True:
            size = int(client.reader.until(b"\r\n", "a chunk"), 16)
            if size == 0:
                return False
            client.reader.exactly(size + 2)
    except (Malformed, ConnectionError):
        return True


def assert_told(client, target, *codes):
    """Reads to the end: an error where no head has come yet, else an end that is none."""
    if target in ("/wait", "/sink"):
        assert_problem(client.answer("POST"), 502, *codes)
    elif target == "/echo":
        assert client.at_end()
        client.close()
    else:
        assert is_cut(client)


KINDS = ["/wait", "/drip", "/flood", "/sink", "/echo"]
# Where each takes as long as it takes to give up who is silent, one that waits and one that sends do for nginx.
SLOW_KINDS = pytest.mark.parametrize("front, target", [
    *(("nrt", kind) for kind in KINDS), ("nginx", "/wait"), ("nginx", "/flood")], indirect=["front"])


# ---- who asks leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/wait", "/drip", "/flood"])
def test_curl_that_is_killed_ends_the_origins_connection_within_a_second(world, stage, target):
    child = world.start([shutil.which("curl"), "-q", "-sSN", "-o", "/dev/null", stage.gateway.url + target],
                        "curl")
    child.expected = None
    until(lambda: target in stage.asked, "the origin is asked")
    if target == "/wait":  # the gateway knows where to say so from then on, 100 ms later
        assert not stage.ended
    child.kill()
    with Stopwatch() as watch:
        until(lambda: target in stage.ended, "the origin has learned it")
    assert watch.seconds < 1 * SLOW
    stage.nothing_is_left()


@pytest.mark.parametrize("target", KINDS)
def test_many_that_leave_at_once_leave_nothing(stage, target):
    count = 200 if LONG else 60
    rounds, grown = 5 if LONG else 3, []
    for number in range(1, rounds + 1):
        clients = [stage.client(target, settled=False) for _ in range(count)]
        for one in clients:
            vanish(one)
        until(lambda number=number: len(stage.ended) == number * count, "the origin has learned it")
        stage.nothing_is_left()
        grown.append([child.status("VmRSS") for child in stage.children])
    first, last = grown[0], grown[-1]
    assert sanitized() or all(b - a < 1024 for a, b in zip(first, last)), grown
    assert stage.works()


def test_who_leaves_while_it_waits_for_a_connection_is_never_heard_of(world, front, nats):
    stage = Stage(front, nats, sidecar=["--max-connections", "1"])
    first = stage.client("/drip")
    waiting = world.client(stage.gateway)
    waiting.send(request_bytes("POST", "/up?unheard", fields=[("Content-Length", "400000")]),
                 b"x" * 200000)
    small = world.client(stage.gateway)
    small.send(request_bytes("GET", "/now?unheard"))
    until(lambda: stage.in_flight() == 3, "they wait in the sidecar", step=0.1)
    last = world.client(stage.gateway)
    last.send(request_bytes("POST", "/up?heard", fields=[("Content-Length", "400000")]), b"x" * 400000)
    until(lambda: stage.in_flight() == 4, "one more", step=0.1)
    waiting.close()
    small.close()
    until(lambda: stage.in_flight() == 2, "they are gone", step=0.1)
    first.close()
    digest = hashlib.sha256(b"x" * 400000).hexdigest()
    assert last.answer().text == f"400000 {digest}"
    assert [target for target in stage.asked if "heard" in target] == ["/up?heard"]


# ---- the origin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", KINDS)
def test_an_origin_that_is_gone_is_an_error_for_who_asked(stage, target):
    client = stage.client(target)
    with Stopwatch() as watch:
        stage.origin.stop()
        assert_told(client, target, "origin-failed")
    assert watch.seconds < 1 * SLOW
    stage.origin.start()
    assert stage.works()
    stage.nothing_is_left()


# ---- the sidecar -------------------------------------------------------------------------------------


@SLOW_KINDS
def test_a_sidecar_that_is_killed_is_noticed_within_two_intervals(world, nats, stage, target):
    """Not at the timeout, which is none for bodies, and 30 s for heads."""
    client = stage.client(target)
    world.serve(nats, "weather.nats", stage.origin)
    stage.sidecar.expected = None
    ended = len(stage.ended)
    stage.sidecar.kill()
    with Stopwatch() as watch:
        assert_told(client, target, "aborted")
    assert watch.seconds < (SILENT + 2) * SLOW
    until(lambda: len(stage.ended) > ended, "the origin has seen its connection end")
    assert stage.works()  # by the other one
    until(lambda: stage.gateway.descriptors() <= stage.idle[0] + 1, "descriptors are given back")


@SLOW_KINDS
def test_a_sidecar_that_stands_still_is_given_up_and_cleans_up_when_it_goes_on(stage, target):
    client = stage.client(target)
    os.kill(stage.sidecar.pid, signal.SIGSTOP)
    try:
        with Stopwatch() as watch:
            assert_told(client, target, "aborted")
        assert SILENT - 6 < watch.seconds < (SILENT + 2) * SLOW
    finally:
        os.kill(stage.sidecar.pid, signal.SIGCONT)
    until(lambda: target in stage.ended, "the origin's connection is closed")
    until(stage.works, "it works again")
    stage.nothing_is_left()


# ---- the gateway -------------------------------------------------------------------------------------


@SLOW_KINDS
def test_a_gateway_that_is_killed_ends_the_origins_connection_within_two_intervals(stage, target):
    stage.client(target)
    stage.gateway.expected = None
    until(lambda: stage.in_flight() == 1, "it is under way", step=0.1)
    stage.gateway.kill()
    with Stopwatch() as watch:
        until(lambda: target in stage.ended, "the origin has learned it", (SILENT + 3) * SLOW)
    assert watch.seconds < (SILENT + 2) * SLOW
    assert target not in stage.whole
    stage.settle()


def test_a_gateway_that_stands_still_for_a_moment_loses_nothing(world, nats):
    """Its downloads come to their ends, whole; meanwhile another one works."""
    size = 4 * MIB
    digest = hashlib.sha256(bytes(range(256)) * (size // 256)).hexdigest()
    body = bytes(range(256)) * (size // 256)
    world.serve(nats, "weather.nats", world.origin(lambda request: plain(body if request.target == "/big" else "now")))
    gateway, other = (world.gateway(nats, "--route", "/=weather.nats") for _ in range(2))
    clients = [world.client(gateway, timeout=DEADLINE * 3) for _ in range(20)]
    for client in clients:
        client.send(request_bytes("GET", "/big"))
        client.reader.until(b"\r\n\r\n", "the head")
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        with Client(other.url) as beside, Stopwatch() as watch:
            for _ in range(200):
                assert beside.get("/now").body == b"now"
            assert hashlib.sha256(beside.get("/big").body).hexdigest() == digest
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    assert watch.seconds < SILENT / 2 * SLOW
    for client in clients:
        assert hashlib.sha256(client.reader.exactly(size)).hexdigest() == digest
        assert client.get("/now").body == b"now"


def test_a_gateway_that_stands_still_for_long_is_given_up_and_works_when_it_goes_on(stage):
    clients = {target: stage.client(target) for target in KINDS}
    os.kill(stage.gateway.pid, signal.SIGSTOP)
    heard = {"/flood", "/sink", "/echo"}  # the service has, and so expects to hear more
    try:
        until(lambda: heard <= set(stage.ended), "they are given up", (SILENT + 4) * SLOW)
    finally:
        os.kill(stage.gateway.pid, signal.SIGCONT)
    for target in heard:
        assert_told(clients[target], target, "aborted")
    assert stage.works()
    for target in ("/wait", "/drip"):
        clients[target].close()
    until(lambda: set(KINDS) <= set(stage.ended), "all are gone")
    stage.nothing_is_left()


# ---- the broker --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", KINDS)
def test_a_broker_that_is_restarted_ends_streams_at_once_and_leaves_nothing(stage, target):
    client = stage.client(target)
    until(lambda: stage.in_flight() == 1, "it is under way", step=0.1)
    stage.nats.kill()
    with Stopwatch() as watch:
        assert_told(client, target, "aborted")
        if target != "/wait":  # that can still be answered, as far as the sidecar knows
            until(lambda: target in stage.ended, "the origin has learned it")
    assert watch.seconds < 1 * SLOW
    stage.nats.start()
    until(stage.works, "it works again")
    until(lambda: target in stage.ended, "the origin has learned it", SILENT * SLOW)
    stage.nothing_is_left()


# ---- SIGTERM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", KINDS)
def test_a_sidecar_that_is_told_to_end_breaks_off_what_does_not_end(world, front, nats, target):
    stage = Stage(front, nats, sidecar=["--drain-timeout", "700ms"])
    client = stage.client(target)
    stage.sidecar.signal(signal.SIGTERM)
    with Stopwatch() as watch:
        assert_told(client, target, "aborted", "origin-failed")
        assert stage.sidecar.wait() == 0
    assert 0.6 < watch.seconds < 2.5 * SLOW
    assert "did not end in time" in stage.sidecar.stderr
    until(lambda: target in stage.ended, "the origin has learned it")


def test_a_sidecar_that_is_told_to_end_does_not_wait_for_who_does_not_read(world, nats):
    """The origin has said all; what of it waits in the sidecar could wait for long."""
    gate, rest, window = Gate(), Gate(), 256 * 1024

    def script(connection):
        connection.reader.head(Request)
        gate.wait()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {window + 1000}\r\nConnection: close\r\n\r\n")
        connection.send(b"x" * window)
        rest.wait()
        connection.send(b"x" * 1000)  # in one piece: a sidecar that holds bytes reads no further ones

    origin = world.origin(script=script)
    sidecar = world.serve(nats, "weather.nats", origin, args=["--drain-timeout", "500ms"])
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    spy = world.peer(nats).subscribe("_INBOX.>")
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"))
    gate.wait_entered()
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        gate.open()
        passed = 0
        while passed < window:
            message = spy.next()
            passed += len(message.payload) if b"t=data" in (message.headers or b"") else 0
        rest.open()
        until(lambda: origin.open_connections == 0, "the sidecar holds the rest")
        sidecar.signal(signal.SIGTERM)
        with Stopwatch() as watch:
            assert sidecar.wait() == 0
        assert watch.seconds < 3 * SLOW
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    with pytest.raises((Malformed, ConnectionError)):
        client.answer()


def test_a_sidecar_that_is_told_to_end_lets_what_is_under_way_end(world, nats):
    """An upload and a download that have time; a new request goes to the other one."""
    go, size = threading.Event(), 8 * MIB

    def script(connection):
        request = connection.reader.head(Request)
        if request.method == "POST":
            connection.reader.body(request, False)
            connection.send(plain(f"{len(request.body)}"))
        else:
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
            connection.send(b"x" * (size // 2))
            assert go.wait(DEADLINE)
            connection.send(b"x" * (size // 2))

    sidecar = world.serve(nats, "weather.nats", world.origin(script=script))
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    down, up = world.client(gateway), world.client(gateway)
    down.send(request_bytes("GET", "/"))
    assert down.reader.head(Answer).status == 200
    up.send(request_bytes("POST", "/", fields=[("Content-Length", str(size))]), b"x" * (size // 2))
    sidecar.signal(signal.SIGTERM)
    world.serve(nats, "weather.nats", world.origin(plain("the other one")))
    until(lambda: world.client(gateway).get("/").body == b"the other one", "it has left the queue group")
    assert down.reader.exactly(size // 2) == b"x" * (size // 2)
    go.set()
    up.send(b"x" * (size // 2))
    assert down.reader.exactly(size // 2) == b"x" * (size // 2)
    assert up.answer("POST").text == str(size)
    assert sidecar.wait() == 0
    assert "did not end in time" not in sidecar.stderr
