"""Messages that do not fit, and clients that go away: neither may cost the one connection to NATS
that all share, nor leave anything behind."""

import pytest

from harness import gowire
from harness.client import Client, request_bytes
from harness.clock import until
from harness.fakenats import FakeNats, info
from harness.message import assert_problem, parse_answer
from harness.origin import Gate, plain
from harness.spy import Connections, Spy
from harness.world import sanitized

SUBJECT = "nrt.requests.weather.nats."
LIMIT = 64 * 1024


@pytest.fixture
def nats(world):
    return world.nats(monitor=True, config="max_payload: 64KB\n")


@pytest.fixture
def origin(world, nats):
    """GET /N answers N bytes, the rest what has come."""
    origin = world.origin(lambda request: plain(
        b"x" * int(request.target[1:]) if request.method == "GET" else str(len(request.body))))
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(front, nats, origin):
    return front(nats, "--route", "/=weather.nats")


def test_no_size_of_a_request_ends_the_shared_connection(world, nats, gateway, origin):
    """Around the limit byte by byte, with the head and without, in both framings."""
    connections, results = Connections(nats), set()
    sizes = [*range(LIMIT - 400, LIMIT + 3, 7), LIMIT, LIMIT + 1, 2 * LIMIT, 10 * LIMIT]
    for size in sizes:
        for raw in (request_bytes("POST", "/", body=b"b" * size),
                    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"b" * size)):
            with Client(gateway.url) as client:
                try:
                    client.send(raw)
                except ConnectionError:
                    pass
                answer = client.answer()
            results.add(answer.status)
            if answer.status == 200:
                assert answer.body == b"%d" % size
            else:
                assert_problem(answer, 413, "too-large")
    assert results == {200}
    connections.unharmed()


def test_a_head_and_trailers_that_make_a_message_too_large_go_in_several(world, nats, gateway, origin):
    connections = Connections(nats)
    client = world.client(gateway)
    fields = [(f"X-{number}", "v" * 6000) for number in range(10)]
    assert client.post("/", b"b" * (LIMIT - 30000), fields=fields).body == b"%d" % (LIMIT - 30000)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % 60000,
                b"b" * 60000, b"\r\n0\r\n", b"X-T: " + b"t" * 10000 + b"\r\n\r\n")
    assert client.answer().body == b"60000"
    connections.unharmed()


def test_no_size_of_a_response_ends_the_shared_connection(world, nats, gateway, origin):
    connections, client, results = Connections(nats), world.client(gateway), set()
    for size in [*range(LIMIT - 500, LIMIT + 3, 7), LIMIT, 2 * LIMIT, 100 * LIMIT]:
        answer = client.get(f"/{size}")
        results.add(answer.status)
        if answer.status == 200:
            assert len(answer.body) == size
        else:
            assert_problem(answer, 502, "response-too-large")
    assert results == {200}
    connections.unharmed()


def test_a_limit_that_shrinks_while_the_programs_run_is_kept_at_once(world, front):
    """The latest INFO holds. (nats-server itself does not tell of a max_payload that is reloaded:
    there, the first message over it costs the connection. So this server is a fake.)"""
    published = []

    def script(session):
        session.send(info(max_payload=64 * 1024))
        session.handshake()
        sid = session.sid("_INBOX.").encode()
        while True:
            _, reply, payload = session.publish()
            published.append(len(payload))
            answer = plain(str(len(payload)))
            session.send(info(max_payload=16 * 1024))
            session.send(b"MSG %s %s %d\r\n%s\r\n" % (reply.encode(), sid, len(answer), answer))

    server = world.closing(FakeNats(script))
    gateway = front(server.url, "--route", "/=weather.nats")
    client, count = world.client(gateway), server.count
    assert client.post("/", b"b" * 60000).status == 200
    assert_problem(client.post("/", b"b" * 60000), 413, "too-large")
    with Client(gateway.url) as other:
        assert other.post("/", b"b" * 16000).status == 200
    assert len(published) == 2 and published[1] < 16 * 1024 and server.count == count


def test_an_error_about_what_is_too_large_fits_itself(world, front, peer):
    """With the smallest limits, where even the explanation could be too large."""
    nats = world.nats(monitor=True, config="max_payload: 1KB\n")
    world.serve(nats, "weather.nats", world.origin(plain(b"x" * 5000)))
    client = world.client(front(nats, "--route", "/=weather.nats"))
    connections = Connections(nats)
    assert client.get("/").body == b"x" * 5000
    payload = gowire.request("GET", "/", "weather.nats")
    raw = world.peer(nats)
    for bad in (b"junk", payload.replace(b"weather", b"w" * 60), payload + b"x"):
        answer = parse_answer(raw.request(SUBJECT + "get", bad).payload)
        assert answer.status in (400, 421)
    connections.unharmed()


# ---- clients that go away ----------------------------------------------------------------------


def test_clients_that_leave_while_they_wait_leave_nothing_behind(world, front, nats, peer):
    gateway = front(nats, "--route", "/=weather.nats")
    requests = []
    peer.subscribe(SUBJECT + "*", "nrt", requests.append)
    idle, before = gateway.descriptors(), gateway.status("VmRSS")
    for number in range(500):
        client = Client(gateway.url)
        client.send(request_bytes("GET", f"/{number}"))
        if number % 2:
            until(lambda wanted=f"/{number} ".encode(): any(
                wanted in one.payload for one in requests[-3:]), "it is at the service")
        client.close()
    until(lambda: gateway.descriptors() <= idle, "their connections are closed")
    spy = Spy(world, nats)
    for message in requests:
        peer.publish(message.reply, plain("too late"))
    peer.flush()
    client = world.client(gateway)
    client.send(request_bytes("GET", "/alive"))
    until(lambda: b"/alive" in requests[-1].payload, "the next request")
    peer.publish(requests[-1].reply, plain("alive"))
    assert client.answer().body == b"alive"
    assert all(message.subject.startswith(("_INBOX.", SUBJECT)) for message in spy.new())
    assert gateway.status("VmRSS") - before < 4096 or sanitized()


def test_a_client_that_leaves_in_the_middle_of_its_request_is_never_served(world, nats, origin, gateway):
    for raw in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n"
                b"Content-Length: 10\r\n\r\n123456789", b"POST / HTTP/1.1\r\nHost: x\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"):
        client = Client(gateway.url)
        client.send(raw)
        client.close()
    assert world.client(gateway).get("/1").body == b"x"
    assert [request.target for request in origin.requests] == ["/1"]


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
def test_the_gateway_sends_a_request_once_whatever_becomes_of_it(world, front, nats, peer, method):
    """No answer in time, or one that is none: not sent again."""
    gateway = front(nats, "--route", "/=weather.nats", "--timeout", "300ms")
    seen = []

    def reply(message):
        seen.append(message.payload.split(b" ")[1])
        if b"/junk" in message.payload:
            peer.publish(message.reply, b"junk")

    peer.subscribe(SUBJECT + "*", "nrt", reply)
    client = world.client(gateway)
    assert_problem(client.request(method, "/silent", body=b"x"), 504, "timeout")
    assert_problem(client.request(method, "/junk", body=b"x"), 502, "bad-response")
    assert seen == [b"/silent", b"/junk"]


def test_a_lost_broker_does_not_make_a_request_happen_twice(world, front, peer):
    nats, gate = world.nats(), Gate()
    origin = world.origin(lambda request: (request.target == "/held" and gate.wait()) or plain("x"))
    world.serve(nats, "weather.nats", origin)
    gateway = front(nats, "--route", "/=weather.nats")
    client = world.client(gateway)
    client.send(request_bytes("POST", "/held", body=b"pay"))
    gate.wait_entered()
    nats.restart()
    assert_problem(client.answer(), 502, "aborted")
    gate.open()
    until(lambda: world.client(gateway).get("/next").status == 200, "all are connected again")
    assert [request.target for request in origin.requests].count("/held") == 1
