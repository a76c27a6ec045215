"""Reply subjects that aim at somebody else, replies that nobody asked for, NATS headers that are
none: what a hostile peer on the same broker can do to a service and to a gateway."""

import itertools

import pytest

from harness import gowire
from harness.client import request_bytes
from harness.clock import until
from harness.message import assert_problem, parse_answer
from harness.origin import Gate, plain
from harness.spy import Connections, Spy

SUBJECT = "nrt.requests.weather.nats."
GET = request_bytes("GET", "/", "weather.nats")


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


@pytest.fixture
def origin(world, nats):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    return origin


# ---- a service is not to be aimed at others ----------------------------------------------------


HOSTILE_REPLIES = [
    "$JS.API.STREAM.DELETE.ORDERS", "$JS.API.STREAM.PURGE.ORDERS", "$JS.ACK.a.b.1.1.1.1.1",
    "$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$KV.bucket.key", "$O.bucket.C.x", "$SRV.PING",
    "$MQTT.sub.x", "$", "$a", "nrt.requests.other.nats.delete", "nrt.requests.weather.nats.get",
    "v2.requests.other.nats.delete", "a.b.c.requests.other.nats.delete", "requests.other.nats.get",
    "nrt.requests.a.b.c.nats.x", "nrt.requests.OTHER.NATS.delete", "nrt.requests.nats.get",
    "_INBOX." + "x" * 506, "x" * 3000,
]
WILD_REPLIES = ["*", ">", "_INBOX.*", "_INBOX.>", "_INBOX.*.x", "*.x", "a.>.b"]
EMPTY_TOKENS = [".", "a.", ".a", "a..b", "_INBOX..x"]


@pytest.mark.parametrize("payload", [GET, b"junk"], ids=["a good request", "junk"])
def test_a_service_publishes_nothing_to_a_reply_subject_that_is_no_inbox(
        world, nats, origin, peer, payload):
    """Neither a response nor an error: both would carry what the attacker chose."""
    spy, connections = Spy(world, nats), Connections(nats)
    asked = HOSTILE_REPLIES + WILD_REPLIES + EMPTY_TOKENS
    for reply in asked:
        peer.publish(SUBJECT + "get", payload, reply)
    peer.publish(SUBJECT + "get", payload)
    assert parse_answer(peer.request(SUBJECT + "get", GET).payload).body == b"fine"
    assert len(origin.requests) == 1
    published = [message for message in spy.new() if message.subject != SUBJECT + "get"]
    assert len(published) == 1 and published[0].subject.startswith("_INBOX."), published
    connections.unharmed()


def test_a_reply_subject_of_512_bytes_is_answered_and_one_of_513_is_not(world, nats, origin, peer):
    longest = "_INBOX." + "x" * 505
    fits, beyond = peer.subscribe(longest), peer.subscribe(longest + "x")
    peer.publish(SUBJECT + "get", GET, longest + "x")
    peer.publish(SUBJECT + "get", GET, longest)
    assert parse_answer(fits.next().payload).status == 200
    peer.flush()
    assert beyond.none_waiting() and len(origin.requests) == 1


def test_requests_without_a_place_to_answer_do_not_fill_the_log(world, nats, peer):
    """Whoever may publish could else fill the disk of whoever serves."""
    child = world.serve(nats, "weather.nats", world.origin(plain("fine")))
    for _ in range(2000):
        peer.publish(SUBJECT + "get", GET, "$JS.API.STREAM.DELETE.x")
    assert parse_answer(peer.request(SUBJECT + "get", GET).payload).status == 200
    assert len(child.lines("stderr")) < 100


# ---- NATS headers ------------------------------------------------------------------------------


BROKEN_HEADERS = {
    "no version line": b"X: y\r\n\r\n", "empty": b"", "one byte": b"N", "only CRLF": b"\r\n",
    "another version": b"NATS/9.9\r\n\r\n", "no end": b"NATS/1.0\r\nX: y", "lower case":
    b"nats/1.0\r\n\r\n", "binary": bytes(range(256)), "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "no line end": b"NATS/1.0",
}
ODD_HEADERS = {
    "no colon": b"NATS/1.0\r\nX\r\n\r\n", "NUL": b"NATS/1.0\r\nX: a\0b\r\n\r\n",
    "a status": b"NATS/1.0 503 No Responders\r\n\r\n", "a huge status": b"NATS/1.0 " + b"9" * 99 + b"\r\n\r\n",
    "a bare LF": b"NATS/1.0\nX: y\r\n\r\n", "folded": b"NATS/1.0\r\nX: a\r\n b\r\n\r\n",
    "another method": b"NATS/1.0\r\nNRT-Method: DELETE\r\nNRT-Path: /x\r\nNRT-HostName: o.nats\r\n\r\n",
    "many": b"NATS/1.0\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    "Nats-*": b"NATS/1.0\r\nNats-Request-Info: {}\r\nNats-Msg-Id: 1\r\nNats-Rollup: all\r\n\r\n",
    "NRT-Frame": b"NATS/1.0\r\nNRT-Frame: t=open, n=0\r\n\r\n",
}


@pytest.mark.parametrize("name", [*BROKEN_HEADERS, *ODD_HEADERS])
def test_whatever_a_client_writes_as_nats_headers_does_not_end_a_services_connection(
        world, nats, peer, name):
    """nats-server passes a header block on without a look at it. The connection is shared: all
    exchanges on it would be lost."""
    gate = Gate()
    origin = world.origin(lambda request: (request.target == "/held" and gate.wait()) or plain("fine"))
    world.serve(nats, "weather.nats", origin)
    connections = Connections(nats)
    held = peer.subscribe(peer.inbox())
    peer.publish(SUBJECT + "get", request_bytes("GET", "/held", "weather.nats"), held.subject)
    gate.wait_entered()
    block = {**BROKEN_HEADERS, **ODD_HEADERS}[name]
    inbox = peer.subscribe(peer.inbox())
    peer.publish(SUBJECT + "get", GET, inbox.subject, headers=block)
    gate.open()
    assert parse_answer(held.next().payload).body == b"fine"
    assert parse_answer(peer.request(SUBJECT + "get", GET).payload).status == 200
    connections.unharmed()
    if name in ODD_HEADERS:
        status = 400 if name == "NRT-Frame" else 200  # what says it is a stream must be one
        assert parse_answer(inbox.next().payload).status == status
    if name in ODD_HEADERS and name != "NRT-Frame":
        seen = [request for request in origin.requests if request.target != "/held"][0]
        assert seen.method == "GET" and set(seen.names()) <= {"host"}


@pytest.mark.parametrize("name", BROKEN_HEADERS)
def test_whatever_a_service_writes_as_nats_headers_does_not_end_a_gateways_connection(
        world, nats, peer, name):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--timeout", "2s")
    replies = []
    peer.subscribe(SUBJECT + "*", "nrt", replies.append)
    held, broken = world.client(gateway), world.client(gateway)
    held.send(request_bytes("GET", "/held"))
    until(lambda: replies, "the request that waits")
    connections = Connections(nats)
    broken.send(request_bytes("GET", "/broken"))
    until(lambda: len(replies) == 2, "the request whose reply is broken")
    peer.publish(replies[1].reply, plain("odd"), headers=BROKEN_HEADERS[name])
    peer.publish(replies[0].reply, plain("held"))
    assert held.answer().body == b"held"
    assert broken.answer().status in (200, 502, 504)
    connections.unharmed()


def test_a_status_in_nats_headers_counts_only_without_a_payload(world, nats, peer):
    """503 with nothing else is the server's; a service that sends one with a response has answered."""
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    block = b"NATS/1.0 503\r\n\r\n"
    payloads = iter([plain("answer"), b""])
    peer.subscribe(SUBJECT + "*", "nrt",
                   lambda message: peer.publish(message.reply, next(payloads), headers=block))
    client = world.client(gateway)
    assert client.get("/").body == b"answer"
    assert_problem(client.get("/"), 503, "no-service")


# ---- replies that a gateway did not ask for ----------------------------------------------------


class Held:
    """A service that keeps requests until the test replies."""

    def __init__(self, peer):
        self.requests = []
        peer.subscribe(SUBJECT + "*", "nrt", self.requests.append)

    def wait(self, count):
        until(lambda: len(self.requests) >= count, f"{count} requests at the service")
        return self.requests[count - 1]


@pytest.fixture
def gateway(world, nats):
    return world.gateway(nats, "--route", "/=weather.nats")


def forgeries(reply):
    """Neighbours of a reply subject: whoever sees one must not be able to answer another."""
    inbox, _, token = reply.rpartition(".")
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
    for at in range(len(token)):
        for digit in (digits[(digits.index(token[at]) + 1) % 64], "!", "~"):
            yield f"{inbox}.{token[:at]}{digit}{token[at + 1:]}"
    for slot in itertools.product("01_-z", repeat=4):
        yield f"{inbox}.{''.join(slot)}{'0' * 16}"
    yield from (f"{inbox}.{text}" for text in (
        token[:-1], token + "0", token * 2, token + "." + token, "x", token[:4], token[4:],
        token.swapcase(), "0" * 20, "-" * 20, token[:4] + "\x01" * 16))


def test_forged_replies_are_ignored(world, nats, peer, gateway):
    """The attacker may publish to inboxes, knows the gateway's and sees one token of its own."""
    held, client, connections = Held(peer), world.client(gateway), Connections(nats)
    client.send(request_bytes("GET", "/"))
    message = held.wait(1)
    for subject in forgeries(message.reply):
        if subject != message.reply:
            peer.publish(subject, plain("forged"))
    peer.publish(message.reply, plain("real"))
    assert client.answer().body == b"real"
    connections.unharmed()


def test_late_and_duplicate_replies_reach_nobody(world, nats, peer, gateway):
    held, client = Held(peer), world.client(gateway)
    for number in range(1, 20):
        client.send(request_bytes("GET", f"/{number}"))
        message = held.wait(number)
        for earlier in held.requests[:-1]:
            peer.publish(earlier.reply, plain("late"))
        for copy in range(3):
            peer.publish(message.reply, plain(f"{number} {copy}"))
        assert client.answer().body == f"{number} 0".encode()
    assert not client.readable(0)


def test_no_token_is_used_twice_and_none_tells_of_another(world, nats, peer, gateway):
    held, client = Held(peer), world.client(gateway)
    client.send(b"".join(request_bytes("GET", "/") for _ in range(300)))
    for number in range(1, 301):
        peer.publish(held.wait(number).reply, plain("x"))
        client.answer()
    tokens = [message.reply.rpartition(".")[2] for message in held.requests]
    secrets = [token[4:] for token in tokens]
    assert len(set(secrets)) == 300 and all(len(token) == 20 for token in tokens)
    for place in zip(*secrets):
        assert len(set(place)) > 40  # of 64; a counter would stand still somewhere


def test_a_reply_after_the_client_has_gone_harms_nobody(world, nats, peer, gateway):
    held, connections = Held(peer), Connections(nats)
    first = world.client(gateway)
    first.send(request_bytes("GET", "/first"))
    message = held.wait(1)
    first.close()
    second = world.client(gateway)
    second.send(request_bytes("GET", "/second"))
    own = held.wait(2)
    peer.publish(message.reply, plain("for the first"))
    peer.publish(own.reply, plain("for the second"))
    assert second.answer().body == b"for the second"
    connections.unharmed()


@pytest.mark.parametrize("payload", [b"", b"\0", b"\r\n", b"HTTP/1.1", b"GET / HTTP/1.1\r\n\r\n",
                                     b"HTTP/1.1 200 OK\r\n", b"x" * 1000000, b"-ERR 'x'\r\nPING\r\n"],
                         ids=range(8))
def test_a_reply_that_is_no_response_is_a_502_and_the_next_is_fine(world, nats, peer, gateway, payload):
    held, client = Held(peer), world.client(gateway)
    client.send(request_bytes("GET", "/"))
    peer.publish(held.wait(1).reply, payload)
    assert_problem(client.answer(), 502, "bad-response")
    client.send(request_bytes("GET", "/"))
    peer.publish(held.wait(2).reply, gowire.response(200, b"fine"))
    assert client.answer().body == b"fine"
