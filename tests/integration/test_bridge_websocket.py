"""Upgrade through gateway, NATS and sidecar: WebSocket by clients and servers that nobody here
wrote, and bytes of any protocol."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from harness import node
from harness.client import Client, request_bytes
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.front import OVER_TLS
from harness.message import Answer, Request, assert_problem
from harness.origin import plain
from harness.world import HERE

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
ACCEPTED = ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


@pytest.fixture
def echo(world, front, nats):
    """The echo server behind a sidecar and a gateway."""
    server = world.start([sys.executable, os.path.join(HERE, "harness", "websocket_echo.py")],
                         "echo", stdin=subprocess.PIPE)
    server.expected = None
    port = server.wait_line(r"^port (\d+)$", "stdout").group(1)
    world.serve(nats, "echo.nats", f"http://127.0.0.1:{port}")
    server.gateway = front(nats, "--route", "/=echo.nats")
    return server


@pytest.mark.parametrize("front, count", [("nrt", 1), ("nrt", 200), ("nginx", 20)], indirect=["front"])
def test_the_ws_client_talks_to_an_echo_server(world, echo, count):
    url = echo.gateway.url.replace("http", "ws") + "/echo"
    done = world.run(node.argv("websocket.js", url, count), env={"NODE_PATH": node.modules()},
                     expect=None, timeout=DEADLINE * 9)
    assert done.stdout.strip() == "ok", done.transcript()


def test_a_page_in_a_browser_talks_to_an_echo_server(world, echo):
    browser = shutil.which("chromium")
    assert browser, "chromium is not installed"
    child = world.start([browser, "--headless", "--no-sandbox", "--disable-gpu",
                         "--disable-dev-shm-usage", f"--user-data-dir={world.path('browser')}",
                         "--remote-debugging-port=0", echo.gateway.url + "/"],
                        "chromium", env={"HOME": world.path("home")})
    child.expected = None
    said = echo.wait_line(r"^said (.*)$", "stdout", timeout=60 * SLOW).group(1)
    assert json.loads(said) == ["hello", True, 4001, "bye", True]


def test_a_service_that_has_just_begun_may_be_asked_for_anything(world, nats):
    """It asks NATS what it may answer with before it can get a request."""
    origin = world.origin(script=lambda connection: (connection.read(), connection.send(ACCEPTED)))
    gateway = world.gateway(nats, "--route", "/=echo.nats")
    seen, over = [], threading.Event()

    def ask():
        while not over.is_set():
            with Client(gateway.url) as client:
                client.send(request_bytes("GET", "/", fields=UPGRADE))
                seen.append(client.reader.head(Answer).status)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for one in asking:
        one.start()
    try:
        for _ in range(8):
            seen.clear()
            sidecar = world.serve(nats, "echo.nats", origin)
            until(lambda: 101 in seen, "a tunnel")
            assert set(seen) <= {101, 503}  # 503: nobody was there yet
            assert sidecar.stop() == 0
    finally:
        over.set()
        for one in asking:
            one.join()


def test_a_refusal_is_passed_on(echo):
    with Client(echo.gateway.url) as client:
        client.send(request_bytes("GET", "/elsewhere", fields=UPGRADE))
        answer = client.answer()
        assert (answer.status, answer.body) == (403, b"not here\n")


# ---- bytes -----------------------------------------------------------------------------------------


def raw_echo(connection):
    """Grants any upgrade, and sends back what comes until its end."""
    head = connection.reader.head(Request)
    connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    f"Upgrade: {head.get('Upgrade')}\r\n\r\n")
    data = connection.reader.buffer
    while True:
        if data:
            connection.send(data)
        data = connection.sock.recv(65536)
        if not data:
            return


def tunnel(client, protocol="websocket"):
    fields = [("Connection", "keep-alive, Upgrade"), ("Upgrade", protocol)]
    client.send(request_bytes("GET", "/echo", fields=fields))
    answer = client.reader.head(Answer)
    assert (answer.status, answer.get("Connection").lower(), answer.get("Upgrade")) == (101, "upgrade", protocol)
    assert answer.get("Content-Length") is None and answer.get("Transfer-Encoding") is None


@pytest.fixture
def bridge(world, front, nats):
    def make(script, *args):
        origin = world.origin(script=script)
        world.serve(nats, "echo.nats", origin)
        return front(nats, "--route", "/=echo.nats", *args)
    return make


def frame(opcode, payload, fin=True, mask=b"\x11\x22\x33\x44", rsv=0):
    """RFC 6455 section 5.2, also what a decent client would not send."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(payload).to_bytes(8, "big")
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + (mask or b"") + payload


def close(code, reason=b""):
    return frame(8, code.to_bytes(2, "big") + reason)


CASES = {
    "empty": frame(1, b""), "125": frame(2, b"a" * 125), "126": frame(2, b"b" * 126),
    "65535": frame(2, b"c" * 65535), "65536": frame(2, b"d" * 65536),
    "all bytes": frame(2, bytes(range(256)) * 4),
    "fragments": frame(1, b"one", False) + frame(0, b"two", False) + frame(0, b"three"),
    "ping in between": frame(1, b"one", False) + frame(9, b"ping") + frame(0, b"two"),
    "many small": b"".join(frame(2, bytes([i % 256])) for i in range(500)),
    "unmasked": frame(1, b"plain", mask=b""), "reserved bits": frame(1, b"x", rsv=7),
    "reserved opcodes": b"".join(frame(code, b"?") for code in (3, 7, 11, 15)),
    "long ping": frame(9, b"p" * 126), "fragmented ping": frame(9, b"p", False),
    "not UTF-8": frame(1, b"\xed\xa0\x80\xff\xfe"), "a length that lies": frame(2, b"x")[:1] +
    b"\xff" + (1 << 62).to_bytes(8, "big") + b"1234",
    "closes": b"".join(close(code, b"why") for code in (1000, 1001, 1005, 1006, 3000, 4999, 65535)),
    "a close of one byte": frame(8, b"\x03"), "HTTP": request_bytes("GET", "/smuggled"),
    "chunks": b"0\r\n\r\n", "nothing like it": b"\x16\x03\x01\x00\x00\r\n\r\n\n\n\0\0",
}


@pytest.mark.parametrize("name", CASES)
def test_frames_of_any_kind_pass_unchanged(bridge, name):
    gateway, data = bridge(raw_echo), CASES[name]
    with Client(gateway.url) as client:
        tunnel(client)
        client.send(data)
        assert client.reader.exactly(len(data)) == data
        for at in range(0, min(len(data), 300)):
            client.send(data[at:at + 1])
        assert client.reader.exactly(min(len(data), 300)) == data[:300]


@pytest.mark.parametrize("protocol", ["websocket", "TLS/1.0", "my-own/7.3, other"])
def test_any_protocol_may_be_asked_for(bridge, protocol):
    gateway = bridge(raw_echo)
    with Client(gateway.url) as client:
        tunnel(client, protocol)
        client.send(b"hello")
        assert client.reader.exactly(5) == b"hello"


def test_bytes_that_come_with_the_request_are_the_protocols(bridge):
    """Whoever sends before the 101 takes a risk; what it sends is not lost."""
    gateway = bridge(raw_echo)
    with Client(gateway.url) as client:
        client.send(request_bytes("GET", "/", fields=UPGRADE), b"early")
        assert client.reader.head(Answer).status == 101
        assert client.reader.exactly(5) == b"early"


@pytest.mark.parametrize("size", [1 << 24])
@OVER_TLS
def test_much_goes_both_ways_at_once(bridge, size):
    gateway = bridge(raw_echo)
    data = random.Random(7).randbytes(size)
    with Client(gateway.url, timeout=DEADLINE * 3) as client:
        tunnel(client)
        got, at = bytearray(), 0
        client.sock.setblocking(False)
        with Stopwatch() as watch:
            while len(got) < size:
                assert len(got) <= at
                try:
                    at += client.sock.send(data[at:at + 262144])
                except BlockingIOError:
                    pass
                try:
                    got += client.sock.recv(262144)
                except BlockingIOError:
                    pass
                assert not hasattr(watch, "seconds")
        assert bytes(got) == data


@OVER_TLS
def test_each_side_may_end_before_the_other(bridge):
    said = []

    def script(connection):
        head = connection.reader.head(Request)
        connection.send(ACCEPTED)
        if head.target == "/client-first":
            said.append(connection.reader.rest())
            connection.send("all of it came")
        else:
            connection.send("that was all")
            connection.sock.shutdown(socket.SHUT_WR)
            said.append(connection.reader.rest())

    gateway = bridge(script)
    with Client(gateway.url) as client:
        client.send(request_bytes("GET", "/client-first", fields=UPGRADE))
        assert client.reader.head(Answer).status == 101
        client.send(b"x" * 500000)
        client.half_close()
        assert client.reader.rest() == b"all of it came"
    with Client(gateway.url) as client:
        client.send(request_bytes("GET", "/server-first", fields=UPGRADE))
        assert client.reader.head(Answer).status == 101
        assert client.reader.rest() == b"that was all"
        client.send(b"y" * 500000)
        client.half_close()
        until(lambda: len(said) == 2, "the server has read to the end")
    assert said == [b"x" * 500000, b"y" * 500000]


@pytest.mark.parametrize("who", ["client", "origin"])
def test_one_that_vanishes_is_told_to_the_other(bridge, who):
    ended = []

    def script(connection):
        connection.reader.head(Request)
        connection.send(ACCEPTED)
        connection.send(connection.reader.exactly(5))
        if who == "origin":
            connection.reset()
        else:
            connection.wait_closed()
        ended.append(True)

    gateway = bridge(script)
    client = Client(gateway.url)
    client.send(request_bytes("GET", "/", fields=UPGRADE))
    assert client.reader.head(Answer).status == 101
    client.send(b"hello")
    assert client.reader.exactly(5) == b"hello"
    if who == "origin":
        assert client.at_end()
    else:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    until(lambda: ended, "the other side has learned it")


def test_a_server_that_switches_unasked_is_not_believed(world, front, nats):
    origin = world.origin(ACCEPTED.encode())
    world.serve(nats, "echo.nats", origin)
    client = world.client(front(nats, "--route", "/=echo.nats"))
    assert_problem(client.get("/"), 502, "bad-origin-response")


def test_a_connection_goes_on_after_a_refused_upgrade(world, front, nats):
    world.serve(nats, "echo.nats", world.origin(lambda request: plain(request.target)))
    with Client(front(nats, "--route", "/=echo.nats").url) as client:
        client.send(request_bytes("GET", "/first", fields=UPGRADE))
        client.send(request_bytes("GET", "/second"))
        assert [client.answer().body, client.answer().body] == [b"/first", b"/second"]
