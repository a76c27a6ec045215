"""Peers that speak only the old protocol, both ways: old clients of our services, and old services
under `nrt get` and the gateway. The peer is a socket and the bytes that the Go original writes."""

import select

import pytest

from harness import gowire
from harness.client import curl, request_bytes
from harness.clock import until
from harness.message import Malformed, assert_problem, parse_answer, parse_request
from harness.natsserver import cluster
from harness.origin import plain

SUBJECT = "nrt.requests.weather.nats."


# ---- an old client asks `nrt serve` ------------------------------------------------------------


def test_an_old_client_is_answered_by_a_sidecar(world, nats, peer):
    origin = world.origin(lambda request: plain(b"sunny in " + request.body, "201 Created"))
    world.serve(nats, "weather.nats", origin)
    reply = peer.request(
        SUBJECT + "get", gowire.request("GET", "/city?x=1", "weather.nats", b'{"city":"london"}'),
        gowire.request_headers("GET", "/city", "weather.nats"))
    answer = parse_answer(reply.payload)
    assert (answer.status, answer.reason) == (201, "Created")
    assert answer.body == b'sunny in {"city":"london"}'
    assert origin.requests[0].target == "/city?x=1"


def test_the_reply_is_one_message_without_nats_headers(world, nats, peer):
    """A second message would arrive before the answer to a second request."""
    world.serve(nats, "weather.nats", world.origin(plain("x" * 5000)))
    sub = peer.subscribe(peer.inbox())
    for number in range(2):
        peer.publish(SUBJECT + "get", gowire.request("GET", f"/{number}", "weather.nats"), sub.subject)
        reply = sub.next()
        assert reply.headers is None
        assert parse_answer(reply.payload).body == b"x" * 5000
    peer.flush()
    assert sub.none_waiting()


def test_the_reply_names_the_exchange_the_server_and_the_client(world):
    nats = world.nats(name="greenwich", monitor=True)
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    service = [one for one in nats.connections()
               if SUBJECT + "*" in one.get("subscriptions_list", [])]
    peer = world.peer(nats)
    answers = [
        parse_answer(peer.request(SUBJECT + "get", gowire.request("GET", "/", "weather.nats")).payload)
        for _ in range(2)
    ]
    assert [one["cid"] for one in service] == [int(answers[0].get("NRT-Client"))]
    assert answers[0].get("NRT-Connected-Server") == "greenwich"
    assert answers[0].get("NRT-Version") == "1"
    assert answers[0].get("NRT-Connected-Cluster") is None
    assert answers[0].get("NRT-ID") and answers[0].get("NRT-ID") != answers[1].get("NRT-ID")


def test_the_reply_names_the_cluster_too(world):
    one, two = cluster(world.nats, ["one", "two"], name="metoffice")
    world.serve(one, "weather.nats", world.origin(plain("x")))
    peer = world.peer(two)

    def ask():
        reply = peer.request(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"))
        return None if reply.status == 503 else parse_answer(reply.payload)

    answer = until(ask, "the service is known across the route")
    assert answer.get("NRT-Connected-Cluster") == "metoffice"
    assert answer.get("NRT-Connected-Server") == "one"


@pytest.mark.parametrize("host", ["weather.nats", "Weather.nats:443", "WEATHER.NATS:80"])
def test_go_clients_may_write_the_host_in_any_case_and_with_a_port(world, nats, peer, host):
    origin = world.origin(plain("x"))
    world.serve(nats, "weather.nats", origin)
    reply = peer.request(SUBJECT + "get", gowire.request("GET", "/", host))
    assert parse_answer(reply.payload).status == 200
    assert origin.requests[0].get("Host") == "weather.nats"


def test_a_chunked_request_of_an_old_client_is_read(world, nats, peer):
    origin = world.origin(lambda request: plain(request.body))
    world.serve(nats, "weather.nats", origin)
    payload = gowire.request("POST", "/", "weather.nats", b"of unknown length", chunked=True)
    assert parse_answer(peer.request(SUBJECT + "post", payload).payload).body == b"of unknown length"


def test_an_old_client_without_nats_headers_is_answered(world, nats):
    """A client library from before NATS 2.2: no headers, no no-responders."""
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    peer = world.peer(nats, headers=False)
    reply = peer.request(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"))
    assert parse_answer(reply.payload).body == b"x"


@pytest.mark.parametrize("headers", [
    {"NRT-Method": "DELETE", "NRT-Path": "/elsewhere", "NRT-HostName": "other.nats"},
    {"Nats-Request-Info": '{"acc":"A","rtt":1}'},
    {"NRT-Frame-Of-The-Future": "t=unknown", "Anything": ""},
])
def test_nats_headers_of_a_request_are_accepted_and_change_nothing(world, nats, peer, headers):
    origin = world.origin(plain("x"))
    world.serve(nats, "weather.nats", origin)
    reply = peer.request(SUBJECT + "get", gowire.request("GET", "/here", "weather.nats"), headers)
    assert parse_answer(reply.payload).status == 200
    assert (origin.requests[0].method, origin.requests[0].target) == ("GET", "/here")


def test_head_has_the_length_and_no_body(world, nats, peer):
    world.serve(nats, "weather.nats", world.origin(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-Is: here\r\n\r\n"))
    reply = peer.request(SUBJECT + "head", gowire.request("HEAD", "/", "weather.nats"))
    answer = parse_answer(reply.payload, "HEAD")
    assert (answer.get("Content-Length"), answer.get("X-Is"), answer.body) == ("1234", "here", b"")


def test_a_prefix_moves_the_service_and_a_mapping_moves_the_traffic(world):
    """The README's canary: requests to nrt.… are mapped to a service that runs with prefix v2."""
    nats = world.nats(
        config='mappings = { "nrt.requests.weather.nats.*": "v2.requests.weather.nats.$1" }')
    world.serve(nats, "weather.nats", world.origin(plain("v2")), args=["--prefix", "v2"])
    reply = world.peer(nats).request(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"))
    assert parse_answer(reply.payload).body == b"v2"
    assert world.get(nats, "http://weather.nats/").stdout == "v2"


@pytest.mark.parametrize("kind, status, code", [
    ("text/event-stream", 502, "response-too-large"), ("text/plain", 504, "timeout")])
def test_an_old_client_gets_no_stream_and_none_is_left_open_for_it(world, nats, peer, kind, status,
                                                                   code):
    """It cannot say that it has left: it must not cost a connection until the server stops."""
    def script(connection):
        connection.read()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n")
        while not select.select([connection.sock], [], [], 0.1)[0]:
            connection.send("data: again\n\n")

    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin, args=["--timeout", "700ms"])
    reply = peer.request(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"))
    assert_problem(parse_answer(reply.payload), status, code)
    until(lambda: origin.open_connections == 0, "the origin's connection is closed")


# ---- an old service answers `nrt get` and the gateway ------------------------------------------


@pytest.fixture
def old(world, front, nats, peer):
    """old(reply, METHOD): what a client of the gateway gets when an old service replies that."""
    gateway = front(nats, "--route", "/=old.nats")

    def ask(reply, method="GET", body=None):
        ask.service = gowire.OldService(peer, "old.nats", reply)
        client = world.client(gateway)
        answer = client.request(method, "/path?q", body=body)
        assert client.get("/again").status == answer.status, "the connection is still in step"
        ask.service.sub.unsubscribe()
        return answer

    return ask


def test_a_go_service_that_sets_no_status_is_understood(old):
    answer = old(gowire.response(None, b"plain"))
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"plain")


@pytest.mark.parametrize("status, body", [(404, b"not found"), (500, b""), (201, None), (200, b"x")])
def test_http_0_0_is_read_as_http_1_1(old, status, body):
    answer = old(gowire.response(status, body))
    assert (answer.status, answer.reason) == (status, gowire.REASONS[status])
    assert answer.body == (body or b"")
    assert answer.error is None


def test_a_status_of_000_is_a_502(old):
    assert_problem(old(gowire.response()), 502, "bad-response")


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/0.0 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nNrt-Id: x\r\n\r\n",
])
def test_the_end_of_the_payload_ends_a_response_without_framing(old, head):
    assert old(head + b"all\r\n\r\nof it").body == b"all\r\n\r\nof it"
    assert old(head).body == b""


def test_a_body_after_head_is_discarded(old):
    answer = old(gowire.response(200, b"what GET would say"), "HEAD")
    assert (answer.status, answer.get("Content-Length")) == (200, "18")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_stays_without(old, status):
    answer = old(gowire.response(status))
    assert (answer.status, answer.body, answer.get("Transfer-Encoding")) == (status, b"", None)


def test_a_chunked_reply_is_read(old):
    answer = old(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    assert answer.body == b"abcde"


def test_repeated_and_unusual_fields_of_a_reply_stay(old):
    answer = old(gowire.response(200, b"x", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
                                             ("X-Text", "caf\u00e9")]))
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.get("X-Text").encode("latin-1").decode() == "caf\u00e9"


LARGE = request_bytes("POST", "/", body=b"x" * 2000000)
CHUNKS = request_bytes("POST", "/", fields=[("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n"
UPGRADE = request_bytes("GET", "/", fields=[("Connection", "Upgrade"), ("Upgrade", "websocket")])


@pytest.mark.parametrize("request_, status, code", [
    (LARGE, 413, "too-large"), (CHUNKS, 413, "too-large"), (UPGRADE, 501, "unsupported"),
], ids=["a large body", "a body that takes its time", "an upgrade"])
def test_what_needs_a_stream_is_refused_and_an_old_service_does_not_run_half_of_it(
        world, front, nats, peer, request_, status, code):
    seen = peer.subscribe("nrt.requests.old.nats.*", "nrt")
    client = world.client(front(nats, "--route", "/=old.nats", streams=True))
    client.send(request_)
    problem = assert_problem(client.answer(), status, code)
    assert "streams" in problem["detail"]
    message = seen.next()
    assert seen.none_waiting()
    with pytest.raises(Malformed):  # as http.ReadRequest does
        parse_request(message.payload)


def test_what_the_old_service_gets_is_what_it_can_read(world, nats, peer):
    """One HTTP/1.1 request with the service's Host, on the method's subject, and a length that Go's
    reader believes."""
    service = gowire.OldService(peer, "old.nats", gowire.response(None, b"ok"))
    world.get(nats, "-d", "hello", "https://Old.NATS:443/city?q=1#top")
    message = service.requests[0]
    assert message.subject == "nrt.requests.old.nats.post"
    head, _, body = message.payload.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /city?q=1 HTTP/1.1"
    assert [line for line in lines if line.lower().startswith(b"host:")] == [b"Host: old.nats"]
    assert b"content-length: 5" in [line.lower() for line in lines]
    assert body == b"hello"


def test_the_gateway_turns_chunks_into_one_request(world, front, nats, peer):
    service = gowire.OldService(peer, "old.nats", gowire.response(None, b"ok"))
    client = world.client(front(nats, "--route", "/=old.nats"))
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")
    assert client.answer().body == b"ok"
    assert len(service.requests) == 1
    assert parse_request(service.requests[0].payload).body == b"hello world"


def test_curl_and_nrt_get_read_an_old_service_alike(world, nats, peer):
    gowire.OldService(peer, "old.nats", gowire.response(404, b"no such city"))
    gateway = world.gateway(nats, "--route", "/=old.nats")
    through = curl("-w", " %{http_code}", gateway.url)
    assert through.text == "no such city 404"
    assert world.get(nats, "-w", " %{http_code}", "http://old.nats/").stdout == "no such city 404"
    assert world.get(nats, "--fail", "http://old.nats/", expect=22).stdout == ""


@pytest.mark.parametrize("reply", [
    gowire.response(), b"", b"not HTTP at all", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
])
def test_nrt_get_ends_with_1_on_a_reply_that_is_no_response(world, nats, peer, reply):
    gowire.OldService(peer, "old.nats", reply)
    done = world.get(nats, "http://old.nats/", expect=1)
    assert done.stdout == ""
    assert "bad-response" in done.stderr or "not a valid HTTP/1.1 response" in done.stderr
