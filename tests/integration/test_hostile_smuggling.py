"""Where one message ends and the next begins: at the gateway, whose clients are hostile, and at the
sidecar, whose origin may be broken."""

import socket

import pytest

from harness import gowire
from harness.client import Client, request_bytes
from harness.clock import until
from harness.message import assert_problem, parse_answer
from harness.origin import plain
from harness.spy import Connections

SUBJECT = "nrt.requests.weather.nats."


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


# ---- clients of the gateway --------------------------------------------------------------------


@pytest.fixture
def origin(world, nats):
    origin = world.origin(lambda request: plain(f"{request.method} {request.target}"))
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(front, nats, origin):
    return front(nats, "--route", "/=weather.nats")


INNER = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED_INNER = b"0\r\n\r\n" + INNER
LENGTH = b"Content-Length: %d\r\n" % len(CHUNKED_INNER)

AMBIGUOUS = {
    "CL.TE": [LENGTH, b"Transfer-Encoding: chunked\r\n"],
    "TE.CL": [b"Transfer-Encoding: chunked\r\n", LENGTH],
    "TE.0": [b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"],
    "CL.CL": [LENGTH, b"Content-Length: 5\r\n"],
    "CL, CL": [b"Content-Length: %d, 5\r\n" % len(CHUNKED_INNER)],
    "the same CL twice": [LENGTH, LENGTH],
    "+CL": [b"Content-Length: +5\r\n"], "-CL": [b"Content-Length: -5\r\n"],
    "0x CL": [b"Content-Length: 0x5\r\n"], "CL with a space": [b"Content-Length: 4 2\r\n"],
    "CL with an underscore": [b"Content-Length: 1_0\r\n"], "empty CL": [b"Content-Length:\r\n"],
    "CL 1e1": [b"Content-Length: 1e1\r\n"], "CL 5.0": [b"Content-Length: 5.0\r\n"],
    "CL in full width": [b"Content-Length: \xef\xbc\x95\r\n"],
    "CL over 64 bits": [b"Content-Length: 18446744073709551621\r\n"],
    "CL just over 63 bits": [b"Content-Length: 9223372036854775808\r\n"],
    "CL before a colon with space": [b"Content-Length : 5\r\n"],
    "TE with \\v": [b"Transfer-Encoding:\x0bchunked\r\n"],
    "TE with \\0": [b"Transfer-Encoding: chunked\0\r\n"],
    "TE identity": [b"Transfer-Encoding: identity\r\n"],
    "TE chunked, identity": [b"Transfer-Encoding: chunked, identity\r\n"],
    "TE identity, chunked": [b"Transfer-Encoding: identity, chunked\r\n"],
    "TE gzip, chunked": [b"Transfer-Encoding: gzip, chunked\r\n"],
    "TE chunked twice": [b"Transfer-Encoding: chunked, chunked\r\n"],
    "two TE": [b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"],
    "two TE, the other way": [b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"],
    "TE xchunked": [b"Transfer-Encoding: xchunked\r\n"], "TE chunkedx": [b"Transfer-Encoding: chunkedx\r\n"],
    "TE \"chunked\"": [b"Transfer-Encoding: \"chunked\"\r\n"],
    "TE chunked;q=1": [b"Transfer-Encoding: chunked;q=1\r\n"],
    "TE ,chunked": [b"Transfer-Encoding: ,chunked\r\n"], "TE chunked,": [b"Transfer-Encoding: chunked,\r\n"],
    "empty TE": [b"Transfer-Encoding:\r\n"], "TE folded": [b"Transfer-Encoding:\r\n chunked\r\n"],
    "TE before a colon with space": [b"Transfer-Encoding : chunked\r\n"],
    "TE before a colon with tab": [b"Transfer-Encoding\t: chunked\r\n"],
    "TE after a space": [b" Transfer-Encoding: chunked\r\n"],
    "TE behind LF": [b"X: y\nTransfer-Encoding: chunked\r\n"],
    "TE behind CR": [b"X: y\rTransfer-Encoding: chunked\r\n"],
    "TE with a NUL in the name": [b"Transfer-\0Encoding: chunked\r\n"],
    "TE with a long s": [b"Transfer-Encoding: chunKed\r\n".replace(b"K", "\u212a".encode())],
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_whose_end_is_ambiguous_is_refused_and_its_connection_closed(front, gateway, origin, name):
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(AMBIGUOUS[name]) + b"\r\n"
    with Client(gateway.url, timeout=3) as client:
        client.send(head + CHUNKED_INNER + INNER)
        answer = client.answer()
        assert answer.status in (400, 413, 501)
        front.assert_refused(answer, answer.status, "bad-request", "too-large", "unsupported")
        assert answer.get("Connection") == "close" and client.at_end()
    assert origin.requests == []


BAD_CHUNKS = [
    b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"1\na\r\n0\r\n\r\n", b"1\r\na\n0\r\n\r\n", b"1\r\na0\r\n\r\n",
    b"1\r\nab\r\n0\r\n\r\n", b"2\r\na\r\n0\r\n\r\n", b"+1\r\na\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n",
    b"0x1\r\na\r\n0\r\n\r\n", b" 1\r\na\r\n0\r\n\r\n", b"1 \r\na\r\n0\r\n\r\n", b"1\t\r\na\r\n0\r\n\r\n",
    b"1_0\r\naaaaaaaaaaaaaaaa\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b";a\r\n0\r\n\r\n", b"g\r\n0\r\n\r\n",
    b"10000000000000001\r\na\r\n0\r\n\r\n",
    b"1;\r\na\r\n0\r\n\r\n", b"1;a\nb\r\na\r\n0\r\n\r\n", b"1;a\rb\r\na\r\n0\r\n\r\n",
    b"1;a=\"b\r\na\r\n0\r\n\r\n", b"1;a=\x01\r\na\r\n0\r\n\r\n", b"1;;;;a\r\na\r\n0\r\n\r\n",
    b"1\0\r\na\r\n0\r\n\r\n", b"1\r\r\na\r\n0\r\n\r\n", b"1,1\r\na\r\n0\r\n\r\n",
    b"0\r\nX: y\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n: y\r\n\r\n", b"0\r\nX\r\n\r\n",
    b"0\r\nX: a\r\n b\r\n\r\n", b"0\r\n X: a\r\n\r\n", b"0\r\nX: a\0\r\n\r\n", b"0\r\n\r",
    b"0;a=b;;\r\n\r\n",
]


@pytest.mark.parametrize("chunks", BAD_CHUNKS)
def test_a_body_whose_chunks_are_not_exact_is_refused(front, gateway, origin, chunks):
    with Client(gateway.url, timeout=3) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, INNER)
        answer = client.answer()
        front.assert_refused(answer, 400, "bad-request")
        assert client.at_end()
    assert origin.requests == []


@pytest.mark.parametrize("size", [0, 1, 5, len(INNER), 1000])
def test_a_get_with_a_body_does_not_leave_it_for_the_next(gateway, origin, size):
    """0.CL: who takes GET to have no body sees a second request in it."""
    body = (INNER * 40)[:size]
    with Client(gateway.url) as client:
        client.send(b"GET /outer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, body,
                    request_bytes("GET", "/next"))
        assert [client.answer().body, client.answer().body] == [b"GET /outer", b"GET /next"]
    assert [(one.target, one.body) for one in origin.requests] == [("/outer", body), ("/next", b"")]


@pytest.mark.parametrize("fields", [
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n",
    b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", b"Connection: Upgrade\r\n",
])
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_false_upgrade_opens_no_tunnel(gateway, origin, fields, body):
    """Whoever takes an Upgrade for granted lets the client talk to the origin unseen: it is the origin
    that grants it, and here it does not."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    with Client(gateway.url) as client:
        client.send(b"GET /up HTTP/1.1\r\nHost: x\r\n" + fields + length + b"\r\n" + body)
        client.send(request_bytes("GET", "/behind", fields=[("X-Own", "1")]))
        first = client.answer()
        assert first.status in (200, 400, 501)
        if first.get("Connection") != "close":
            assert client.answer().body == b"GET /behind"
    for request in origin.requests:
        asked = b"Connection: Upgrade" in fields and not body and request.target == "/up"
        hop = {"upgrade", "connection"} & set(request.names())
        assert not hop or (asked and request.get("Connection") == "Upgrade"), request.fields
        assert "http2-settings" not in request.names()
        assert request.get("X-Forwarded-For") == "127.0.0.1"


def test_an_empty_line_before_a_request_is_skipped_once_however_it_is_split(gateway, origin):
    """RFC 9112 section 2.2: at least one; what we make of more must not depend on packets."""
    results = set()
    for split in (1, 2, 3, 1000):
        raw = b"\r\n\r\n\r\n" + request_bytes("GET", "/")
        with Client(gateway.url, timeout=3) as client:
            for at in range(0, len(raw), split):
                client.send(raw[at:at + split])
                client.readable(0.002)  # lets the gateway see this piece by itself
                if client.readable(0):
                    break
            results.add(client.answer().status)
    assert len(results) == 1, results


@pytest.mark.parametrize("split", [1, 7])
def test_a_request_in_pieces_is_the_request(gateway, origin, split):
    raw = (b"POST /pieces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"3;a=b\r\nabc\r\n0\r\nX-T: t\r\n\r\n")
    with Client(gateway.url) as client:
        for at in range(0, len(raw), split):
            client.send(raw[at:at + split])
            client.readable(0.001)
        assert client.answer().body == b"POST /pieces"
    assert origin.requests[0].body == b"abc" and origin.requests[0].trailers == [("X-T", "t")]


# ---- the origin's side -------------------------------------------------------------------------


class Sidecar:
    """An origin that is scripted for each target, and what a raw peer is answered."""

    def __init__(self, world, nats, peer, *args):
        self.peer, self.scripts, self.used = peer, {}, []
        self.origin = world.origin(script=self.play)
        world.serve(nats, "weather.nats", self.origin, args=args)

    def play(self, connection):
        while True:
            request = connection.read()
            self.origin.note(request)
            script = self.scripts.get(request.target)
            if script is None:
                connection.send(plain(f"own answer to {request.target}"))
            elif callable(script):
                if script(connection) is None:
                    return
            else:
                connection.send(script)

    def ask(self, target, method="GET", body=None):
        payload = gowire.request(method, target, "weather.nats", body)
        return parse_answer(self.peer.request(SUBJECT + method.lower(), payload).payload, method)

    def assert_next_is_unharmed(self):
        for number in range(5):
            assert self.ask(f"/next/{number}").body == f"own answer to /next/{number}".encode()


@pytest.fixture
def sidecar(world, nats, peer):
    return Sidecar(world, nats, peer, "--timeout", "3s")


SECOND = plain("of somebody else")
POISON = {
    "a second response": plain("first") + SECOND,
    "a second response behind chunks":
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n" + SECOND,
    "bytes behind the length": plain("first") + b"x", "an empty line": plain("first") + b"\r\n",
    "a body with 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nfirst",
    "a body with 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nfirst",
    "a response behind 204": b"HTTP/1.1 204 No Content\r\n\r\n" + SECOND,
    "a response behind 304": b"HTTP/1.1 304 Not Modified\r\n\r\n" + SECOND,
    "chunks with 204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"0\r\n\r\n" + SECOND,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nfirst",
    "chunked not last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked and HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + SECOND,
    "200 with Upgrade": b"HTTP/1.1 200 OK\r\nUpgrade: x\r\nConnection: upgrade\r\n"
                        b"Content-Length: 5\r\n\r\nfirst" + SECOND,
}


@pytest.mark.parametrize("name", POISON)
def test_what_an_origin_says_too_much_is_answered_to_nobody(sidecar, nats, name):
    connections = Connections(nats)
    sidecar.scripts["/poison"] = POISON[name]
    answer = sidecar.ask("/poison")
    assert b"somebody" not in answer.body and answer.status in (200, 204, 304, 502)
    sidecar.assert_next_is_unharmed()
    first = [request.connection for request in sidecar.origin.requests if request.target == "/poison"]
    later = {request.connection for request in sidecar.origin.requests if request.target != "/poison"}
    assert first[0] not in later, "the connection was used again"
    connections.unharmed()


def test_a_body_behind_an_answer_to_head_is_answered_to_nobody(sidecar):
    sidecar.scripts["/head"] = plain("a body that must not be")
    assert sidecar.ask("/head", "HEAD").get("Content-Length") == "23"
    sidecar.assert_next_is_unharmed()


@pytest.mark.parametrize("late", [SECOND, b"x", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_what_comes_on_an_idle_connection_closes_it(sidecar, late):
    def script(connection):
        sidecar.used.append(connection)
        connection.send(plain("first"))
        return True

    sidecar.scripts["/late"] = script
    assert sidecar.ask("/late").body == b"first"
    sidecar.used[0].send(late)
    sidecar.assert_next_is_unharmed()
    assert {one.connection for one in sidecar.origin.requests[1:]} != {1}


def is_closed(sock):
    """Whether the other side has closed, without reading what it had sent before: TCP_INFO."""
    state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != 1  # TCP_ESTABLISHED


def test_an_origin_that_answers_and_leaves_the_body_unread_is_not_asked_on_that_connection(sidecar):
    """What is left of the body would meet its next read. Whether an origin reads what its kernel
    has taken in already cannot be known from outside."""
    inner = b"GET /smuggled HTTP/1.1\r\nHost: weather.nats\r\n\r\n"

    def heads_only(connection):
        while True:
            head = connection.reader.until(b"\r\n\r\n", "a head")
            target = head.split(b" ")[1].decode()
            if head.startswith(b"POST"):
                connection.send(plain("early"))
                sidecar.used.append(connection.number)
                until(lambda: is_closed(connection.sock), "the sidecar closes the connection")
                return
            sidecar.origin.requests.append(target)
            connection.send(plain(f"own answer to {target}"))

    sidecar.origin._script = heads_only
    for _ in range(3):
        assert sidecar.ask("/early", "POST", inner * 20000).body == b"early"
        sidecar.assert_next_is_unharmed()
    assert "/smuggled" not in sidecar.origin.requests and len(set(sidecar.used)) == 3


@pytest.mark.parametrize("count, fine", [(1, True), (10, True), (10000, False)])
def test_interim_responses_are_passed_over_and_a_flood_of_them_is_cut_off(sidecar, count, fine):
    sidecar.scripts["/flood"] = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * count + plain("end")
    answer = sidecar.ask("/flood")
    if fine:
        assert answer.body == b"end"
    else:
        assert_problem(answer, 502, "bad-origin-response")
    sidecar.assert_next_is_unharmed()


def test_an_endless_flood_of_interim_responses_ends(sidecar):
    def script(connection):
        try:
            while True:
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
        except OSError:
            return

    sidecar.scripts["/flood"] = script
    assert_problem(sidecar.ask("/flood"), 502, "bad-origin-response")
    sidecar.assert_next_is_unharmed()


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPPATCH", "LOCK"])
def test_what_is_not_idempotent_is_sent_once_even_if_the_kept_connection_closes(
        world, nats, peer, method):
    """The origin takes the request on a kept connection and closes instead of answering: it may
    have done what it was asked."""
    seen = []

    def script(connection):
        seen.append(connection.read().target)
        connection.send(plain("first"))
        seen.append(connection.read().target)

    world.serve(nats, "weather.nats", world.origin(script=script))
    for number in range(5):
        first = gowire.request("GET", f"/{number}/first", "weather.nats")
        assert parse_answer(peer.request(SUBJECT + "get", first).payload).body == b"first"
        pay = gowire.request(method, f"/{number}/pay", "weather.nats", b"x")
        answer = parse_answer(peer.request(SUBJECT + method.lower(), pay).payload)
        assert_problem(answer, 502, "origin-failed")
        assert seen.count(f"/{number}/pay") == 1
