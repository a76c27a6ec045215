"""Bodies of any size and duration through gateway, NATS and sidecar, with a real server of the
default max_payload: every test waits at one end for what the other end has done."""

import hashlib
import http.server
import socket
import threading

import pytest

from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, LONG, Stopwatch, until
from harness.front import OVER_TLS
from harness.message import Malformed, Request, assert_problem
from harness.origin import plain
from harness.world import sanitized

MIB = 1 << 20
SIZE = 1024 * MIB if LONG else 96 * MIB
WINDOW = 256 * 1024


class Sized(http.server.BaseHTTPRequestHandler):
    """GET /N: N bytes. POST: the SHA-256 of what came, in whatever framing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        left = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        while left > 0:
            piece = pattern(min(left, MIB))
            self.wfile.write(piece)
            left -= len(piece)

    def do_POST(self):
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        text = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def pieces(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                size = int(self.rfile.readline(), 16)
                yield self.rfile.read(size)
                assert self.rfile.readline() == b"\r\n"
                if size == 0:
                    return
        left = int(self.headers["Content-Length"])
        while left > 0:
            piece = self.rfile.read(min(left, MIB))
            assert piece
            left -= len(piece)
            yield piece

    def log_message(self, *args):
        pass


def pattern(size):
    return (b"0123456789abcdefghijklmnopqrstuv" * (MIB // 32))[:size]


def digest_of(size):
    digest = hashlib.sha256()
    for at in range(0, size, MIB):
        digest.update(pattern(min(MIB, size - at)))
    return digest.hexdigest()


def bridge(front, nats, origin, *args):
    sidecar = front.world.serve(nats, "weather.nats", origin)
    return sidecar, front(nats, "--route", "/=weather.nats", *args, streams=True)


# ---- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_arrives_whole_and_costs_no_memory(world, front, nats, framing):
    sidecar, gateway = bridge(front, nats, world.python_server(Sized))
    small = world.client(gateway).post("/", b"x")
    assert small.text == hashlib.sha256(b"x").hexdigest()
    before = [child.status("VmRSS") for child in (sidecar, gateway)]
    path = world.path("upload")
    with open(path, "wb") as out:
        for at in range(0, SIZE, MIB):
            out.write(pattern(MIB))
    chunked = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    done = curl("-X", "POST", "-T", path, *chunked, "--max-time", "900", gateway.url + "/")
    assert done.code == 0 and done.text == digest_of(SIZE), done
    grown = [child.status("VmRSS") - was for child, was in zip((sidecar, gateway), before)]
    assert sanitized() or max(grown) < 16 * 1024, f"grew by {grown} KiB"


def test_a_large_download_arrives_whole_and_costs_no_memory(world, front, nats):
    sidecar, gateway = bridge(front, nats, world.python_server(Sized))
    assert world.client(gateway).get("/10").body == pattern(10)
    before = [child.status("VmRSS") for child in (sidecar, gateway)]
    path = world.path("download")
    done = curl("-o", path, "--max-time", "900", f"{gateway.url}/{SIZE}")
    assert done.code == 0, done
    with open(path, "rb") as data:
        assert hashlib.file_digest(data, "sha256").hexdigest() == digest_of(SIZE)
    grown = [child.status("VmRSS") - was for child, was in zip((sidecar, gateway), before)]
    assert sanitized() or max(grown) < 16 * 1024, f"grew by {grown} KiB"


def test_sizes_around_the_limits_of_messages_and_windows(world, front, nats):
    _, gateway = bridge(front, nats, world.python_server(Sized))
    edges = [0, 1, 16 * 1024, 64 * 1024, WINDOW, MIB, 4 * MIB]
    for size in sorted({max(0, edge + by) for edge in edges for by in (-1, 0, 1)}):
        client = world.client(gateway)
        assert client.get(f"/{size}").body == pattern(MIB)[:size] if size <= MIB else True
        body = b"".join(pattern(min(MIB, size - at)) for at in range(0, size, MIB))
        assert client.get(f"/{size}").body == body
        expected = hashlib.sha256(body).hexdigest()
        assert client.post("/", body).text == expected
        client.send(request_bytes("POST", "/", fields=[("Transfer-Encoding", "chunked")]))
        for at in range(0, size, 50000):
            piece = body[at:at + 50000]
            client.send(b"%x\r\n" % len(piece), piece, b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.answer().text == expected, size
        client.close()


# ---- as it comes ---------------------------------------------------------------------------------


def read_chunk(client):
    size = int(client.reader.until(b"\r\n", "a chunk size"), 16)
    data = client.reader.exactly(size)
    assert client.reader.exactly(2) == b"\r\n"
    return data


@OVER_TLS
def test_each_event_is_there_before_the_next_one_is_written(world, front, nats):
    seen = threading.Semaphore(0)

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n")
        for number in range(20):
            event = f"data: {number}\n\n"
            connection.send(f"{len(event):x}\r\n{event}\r\n")
            assert seen.acquire(timeout=DEADLINE)
        connection.send("0\r\n\r\n")

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    client.send(request_bytes("GET", "/events"))
    head = client.reader.until(b"\r\n\r\n", "the head")
    assert b"text/event-stream" in head and b"Transfer-Encoding: chunked" in head
    for number in range(20):
        assert read_chunk(client) == b"data: %d\n\n" % number
        seen.release()
    assert read_chunk(client) == b""
    seen.release()


@pytest.mark.parametrize("framing", ["length", "close"])
def test_a_slow_body_of_any_kind_is_passed_on_as_it_comes(world, front, nats, framing):
    seen = threading.Semaphore(0)

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\n" +
                        ("Content-Length: 6\r\n\r\n" if framing == "length" else "\r\n"))
        for piece in ("ab", "cd", "ef"):
            connection.send(piece)
            assert seen.acquire(timeout=DEADLINE)

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"))
    client.reader.until(b"\r\n\r\n", "the head")
    for piece in (b"ab", b"cd", b"ef"):
        assert (client.reader.exactly(2) if framing == "length" else read_chunk(client)) == piece
        seen.release()
    if framing == "close":
        assert read_chunk(client) == b""


@OVER_TLS
def test_both_bodies_go_on_at_the_same_time(world, front, nats):
    """A conversation: each piece of the request is answered before the next one is sent."""

    def script(connection):
        connection.reader.head(Request)
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            size = int(connection.reader.until(b"\r\n", "a chunk"), 16)
            piece = connection.reader.exactly(size)
            connection.reader.exactly(2)
            connection.send(b"%x\r\n%s\r\n" % (size, piece.upper()))
            if size == 0:
                return

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    client.send(request_bytes("POST", "/talk", fields=[("Transfer-Encoding", "chunked")]))
    client.send(b"5\r\nhello\r\n")
    client.reader.until(b"\r\n\r\n", "the head")
    assert read_chunk(client) == b"HELLO"
    for word in (b"one", b"two", b"three"):
        client.send(b"%x\r\n%s\r\n" % (len(word), word))
        assert read_chunk(client) == word.upper()
    client.send(b"0\r\n\r\n")
    assert read_chunk(client) == b""


@OVER_TLS
def test_trailers_of_both_streams_arrive(world, front, nats):
    body = b"x" * 300000

    def answer(request):
        assert request.trailers == [("X-Sum", "up")]
        return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n"
                b"X-Sum: down\r\n\r\n" % (len(body), body))

    _, gateway = bridge(front, nats, world.origin(answer))
    client = world.client(gateway)
    client.send(request_bytes("POST", "/", fields=[("Transfer-Encoding", "chunked")]))
    client.send(b"%x\r\n%s\r\n0\r\nX-Sum: up\r\n\r\n" % (len(body), body))
    got = client.answer()
    assert got.body == body and got.trailers == [("X-Sum", "down")]


def test_early_hints_are_passed_on(world, front, nats):
    answer = (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + plain("done"))
    _, gateway = bridge(front, nats, world.origin(answer))
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"))
    hints = client.interim()
    assert (hints.status, hints.get("Link")) == (103, "</a.css>; rel=preload")
    assert client.answer().body == b"done"
    old = world.client(gateway)
    old.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n")  # knows no interim responses
    assert old.answer().body == b"done"


# ---- Expect: 100-continue ------------------------------------------------------------------------


@OVER_TLS
def test_the_origin_decides_whether_a_body_is_wanted(world, front, nats):
    """Refused, the body is never sent; wanted, the client hears it from the origin."""
    heads = []

    def script(connection):
        while True:
            head = connection.reader.head(Request)
            heads.append(head)
            if head.target == "/no":
                connection.send(plain("too large for me", "413 Content Too Large",
                                      [("Connection", "close")]))
                return
            if head.get("Expect"):
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            connection.reader.body(head, False)
            connection.send(plain(str(len(head.body))))

    origin = world.origin(script=script)
    _, gateway = bridge(front, nats, origin)
    client = world.client(gateway)
    assert client.post("/yes", b"12345").body == b"5"  # from now on the gateway knows the service
    expect = [("Expect", "100-continue"), ("Content-Length", "300000")]
    client.send(request_bytes("PUT", "/yes", fields=expect))
    assert client.interim().status == 100
    client.send(b"x" * 300000)
    assert client.answer().body == b"300000"
    client.send(request_bytes("PUT", "/no", fields=expect))
    if front.is_nginx:  # as with all its modules, it asks for the body before it hands the request on
        assert client.interim().status == 100
    refused = client.answer()
    assert refused.status == 413 and refused.body == b"too large for me"
    assert client.at_end()
    assert [head.target for head in heads] == ["/yes", "/yes", "/no"]


# ---- back pressure -------------------------------------------------------------------------------


@OVER_TLS
def test_a_reader_that_stops_costs_a_window_and_no_more(world, front, nats):
    sent = []

    def script(connection):
        while connection.read().target != "/big":
            connection.send(plain("quick"))
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {256 * MIB}\r\n\r\n")
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sock.settimeout(None)
        for _ in range(256):
            connection.send(b"x" * MIB)
            sent.append(MIB)

    sidecar, gateway = bridge(front, nats, world.origin(script=script))
    slow = world.client(gateway)
    slow.send(request_bytes("GET", "/big"))
    slow.reader.until(b"\r\n\r\n", "the head")
    before = -1
    while len(sent) != before:  # until nothing moves any more
        before = len(sent)
        with Client(gateway.url) as other:
            for _ in range(50):
                assert other.get("/quick").body == b"quick"
    assert sum(sent) < 16 * MIB
    assert sanitized() or max(one.status("VmRSS") for one in (sidecar, gateway)) < 40 * 1024


@OVER_TLS
def test_an_origin_that_does_not_read_stops_the_client(world, front, nats):
    go = threading.Event()

    def script(connection):
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        assert go.wait(DEADLINE * 3)
        left, digest = int(connection.reader.head(Request).get("Content-Length")), hashlib.sha256()
        piece = connection.reader.buffer
        while left:
            digest.update(piece)
            left -= len(piece)
            piece = connection.sock.recv(65536) if left else b""
        connection.send(plain(digest.hexdigest()))

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    body = pattern(MIB) * 32
    client.send(request_bytes("POST", "/", fields=[("Content-Length", str(len(body)))]))
    at, client.sock = 0, client.sock
    client.sock.setblocking(False)
    idle = 0
    while idle < 20:
        try:
            at += client.sock.send(body[at:at + 65536])
            idle = 0
        except BlockingIOError:
            idle += 1
            threading.Event().wait(0.02)  # it must stay blocked, not be so once
    assert at < 16 * MIB
    client.sock.settimeout(DEADLINE)
    go.set()
    client.send(body[at:])
    assert client.answer().text == hashlib.sha256(body).hexdigest()


# ---- ends ----------------------------------------------------------------------------------------


class Watched:
    """An origin that tells when its connection ends."""

    def __init__(self, answer=b"", read=True):
        self.asked, self.closed, self.answer, self.read = (
            threading.Event(), threading.Event(), answer, read)

    def __call__(self, connection):
        if self.read:
            connection.read()
        else:
            connection.reader.until(b"\r\n\r\n", "a head")
        self.asked.set()
        connection.send(self.answer)
        connection.sock.settimeout(DEADLINE * 3)
        connection.wait_closed()
        self.closed.set()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


@pytest.mark.parametrize("kind", ["waiting", "download", "upload"])
def test_a_client_that_leaves_ends_the_origins_connection_within_a_second(world, front, nats, kind):
    origin = Watched(STREAM if kind == "download" else b"", read=kind != "upload")
    _, gateway = bridge(front, nats, world.origin(script=origin), "-v")
    client = world.client(gateway)
    fields = [("Content-Length", "10000000")] if kind == "upload" else []
    client.send(request_bytes("POST" if kind == "upload" else "GET", "/", fields=fields))
    if kind == "upload":
        client.send(b"x" * 1000000)
    assert origin.asked.wait(DEADLINE)
    if kind == "download":
        client.reader.until(b"data: 1\n\n", "an event")
    client.close()
    with Stopwatch() as watch:
        assert origin.closed.wait(DEADLINE)
    assert watch.seconds < 1.5


BROKEN = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 400000,
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n61a80\r\n" +
                      b"x" * 400000 + b"\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n61a80\r\n" + b"x" * 4000,
}


@pytest.mark.parametrize("minor", [1, 0])
@pytest.mark.parametrize("how", BROKEN)
def test_a_body_that_breaks_off_at_the_origin_never_looks_whole(world, front, nats, how, minor):
    """It is cut visibly; or, where nothing of it had gone out, replaced by a 502."""
    def script(connection):
        connection.read()
        connection.send(BROKEN[how])

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    client.send(f"GET / HTTP/1.{minor}\r\nHost: x\r\n\r\n")
    try:
        assert_problem(client.answer(), 502, "bad-origin-response")
    except (Malformed, ConnectionError):
        pass


def test_an_origin_may_answer_before_it_has_the_body(world, front, nats):
    def script(connection):
        connection.reader.until(b"\r\n\r\n", "a head")
        connection.send(plain("enough", "401 Unauthorized", [("Connection", "close")]))

    _, gateway = bridge(front, nats, world.origin(script=script))
    client = world.client(gateway)
    client.send(request_bytes("POST", "/", fields=[("Content-Length", "50000000")]))
    try:
        for _ in range(100):
            client.send(b"x" * 100000)
    except ConnectionError:
        pass
    answer = client.answer()
    assert (answer.status, answer.body, answer.get("Connection")) == (401, b"enough", "close")


def test_an_upload_that_breaks_off_is_no_request_at_the_origin(world, front, nats):
    origin = world.origin(plain("whole"))
    _, gateway = bridge(front, nats, origin)
    client = world.client(gateway)
    client.send(request_bytes("POST", "/", fields=[("Content-Length", "3000000")]), b"x" * 2000000)
    until(lambda: origin.connections == 1, "the upload has reached the origin")
    client.close()
    until(lambda: origin.open_connections == 0, "the origin's connection is closed")
    assert origin.requests == []


@pytest.mark.parametrize("who", ["sidecar", "gateway", "broker"])
def test_a_download_ends_with_an_error_when_somebody_dies(world, front, nats, who):
    origin = Watched(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    server = world.origin(script=origin)
    sidecar, gateway = bridge(front, nats, server)
    client = world.client(gateway, timeout=DEADLINE * 2)
    client.send(request_bytes("GET", "/"))
    client.reader.until(b"abc\r\n", "the beginning")
    with Stopwatch() as watch:
        if who == "broker":
            nats.kill()
        else:
            dead = sidecar if who == "sidecar" else gateway
            dead.expected = None
            dead.kill()
        assert client.at_end()  # no last chunk
        assert origin.closed.wait(DEADLINE * 2)
    # a broken connection tells at once, silence after two intervals of 5 s
    assert watch.seconds < (12 if who != "broker" else 2), watch.seconds


def test_a_drain_ends_what_does_not_end_by_itself(world, nats):
    origin = Watched(STREAM)
    world.serve(nats, "weather.nats", world.origin(script=origin))
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--drain-timeout", "300ms")
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"))
    client.reader.until(b"data: 1\n\n", "an event")
    gateway.signal(15)
    assert gateway.wait() == 0
    assert "1 connections are closed" in gateway.stderr
    assert origin.closed.wait(DEADLINE)


def test_a_sidecar_that_drains_ends_what_does_not_end_by_itself(world, nats):
    origin = Watched(STREAM)
    sidecar = world.serve(nats, "weather.nats", world.origin(script=origin),
                          args=("--drain-timeout", "300ms"))
    client = world.client(world.gateway(nats, "--route", "/=weather.nats"))
    client.send(request_bytes("GET", "/"))
    client.reader.until(b"data: 1\n\n\r\n", "an event")
    sidecar.signal(15)
    assert sidecar.wait() == 0
    assert "1 requests are broken off" in sidecar.stderr
    assert origin.closed.wait(DEADLINE)
    with pytest.raises((Malformed, ConnectionError)):
        read_chunk(client)


def test_a_body_that_is_too_large_for_the_gateway_is_refused(world, front, nats):
    origin = world.origin(plain("whole"))
    _, gateway = bridge(front, nats, origin, "--max-body", "2M")
    assert world.client(gateway).post("/", b"x" * 2 * MIB).body == b"whole"
    front.assert_refused(world.client(gateway).post("/", b"x" * (2 * MIB + 1)), 413, "too-large")
    client = world.client(gateway)
    client.send(request_bytes("POST", "/", fields=[("Transfer-Encoding", "chunked")]))
    try:
        for _ in range(30):
            client.send(b"20000\r\n", b"x" * 0x20000, b"\r\n")
    except ConnectionError:
        pass
    front.assert_refused(client.answer(), 413, "too-large")
    assert len(origin.requests) == 1


def test_small_exchanges_are_one_message_each_way(world, front, nats, peer):
    """Also where the length of a body is unknown at first."""
    _, gateway = bridge(front, nats, world.origin(
        lambda request: plain(b"x") if request.method == "POST" else
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
    client = world.client(gateway)
    assert client.get("/").body == b"abc"
    spy = peer.subscribe(">")
    peer.flush()
    assert client.get("/").body == b"abc"
    client.send(request_bytes("POST", "/", fields=[("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n0\r\n\r\n")
    assert client.answer().body == b"x"
    peer.flush()
    messages = []
    while not spy.none_waiting():
        messages.append(spy.next())
    assert [message.headers for message in messages] == [None] * 4, messages


# ---- time ------------------------------------------------------------------------------------------


def slow_bridge(front, nats, script, *args):
    front.world.serve(nats, "weather.nats", front.world.origin(script=script), args=("--timeout", "20s"))
    return front(nats, "--route", "/=weather.nats", "--timeout", "1s", *args, streams=True)


@pytest.mark.parametrize("front, patient", [("nrt", True), ("nrt", False), ("nginx", False)], indirect=["front"])
def test_a_live_service_may_take_long_where_that_is_asked_for(world, front, nats, patient):
    def late(connection):
        connection.read()
        threading.Event().wait(1.6)
        connection.send(plain("late"))

    gateway = slow_bridge(front, nats, late, *(["--long-poll"] if patient else []))
    answer = world.client(gateway).get("/")
    if patient:
        assert answer.body == b"late"
    else:
        assert_problem(answer, 504, "timeout")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_that_moves_may_take_longer_than_the_timeout(world, front, nats, framing):
    def script(connection):
        request = connection.read()
        connection.send(plain(str(len(request.body))))

    gateway = slow_bridge(front, nats, script)
    client = world.client(gateway)
    pieces = [b"x" * 100000] * 20
    head = ("Content-Length", "2000000") if framing == "length" else ("Transfer-Encoding", "chunked")
    client.send(request_bytes("POST", "/", fields=[head]))
    for piece in pieces:
        client.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        threading.Event().wait(0.1)
    if framing == "chunked":
        client.send(b"0\r\n\r\n")
    assert client.answer().body == b"2000000"
