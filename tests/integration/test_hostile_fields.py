"""Fields that try to say something which is not theirs to say: line ends inside of values, our own
names, hop-by-hop nominations, trailers, split responses, forged X-Forwarded-*."""

import pytest

from harness.client import Client, request_bytes
from harness.message import assert_problem, parse_answer
from harness.origin import plain
from harness.spy import Connections, Spy
from harness.world import sanitized

SUBJECT = "nrt.requests.weather.nats."


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


@pytest.fixture
def origin(world, nats):
    """Behind weather.nats; `origin.response` is what it says."""
    origin = world.origin(lambda request: origin.response)
    origin.response = plain("fine")
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(front, nats, origin):
    return front(nats, "--route", "/=weather.nats")


@pytest.fixture
def client(world, gateway):
    return world.client(gateway)


# ---- line ends and controls --------------------------------------------------------------------


CONTROLS = [b"\r", b"\n", b"\0", b"\x01", b"\x08", b"\x0b", b"\x0c", b"\x1b", b"\x1f", b"\x7f",
            b"\n ", b"\r ", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\n\t"]
PLACES = {
    "the method": b"GE%bT / HTTP/1.1\r\nHost: x\r\n\r\n",
    "the target": b"GET /a%bb HTTP/1.1\r\nHost: x\r\n\r\n",
    "the version": b"GET / HTTP/1.%b1\r\nHost: x\r\n\r\n",
    "Host": b"GET / HTTP/1.1\r\nHost: x%bx\r\n\r\n",
    "a name": b"GET / HTTP/1.1\r\nHost: x\r\nX-%bY: z\r\n\r\n",
    "a value": b"GET / HTTP/1.1\r\nHost: x\r\nX-Y: a%bInjected: yes\r\n\r\n",
    "a value's begin": b"GET / HTTP/1.1\r\nHost: x\r\nX-Y:%bz\r\n\r\n",
    "a trailer": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"1\r\na\r\n0\r\nX-Y: a%bInjected: yes\r\n\r\n",
    "a trailer's name": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"1\r\na\r\n0\r\nX%bY: a\r\n\r\n",
    "a chunk size": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"1%b\r\na\r\n0\r\n\r\n",
    "a chunk extension": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"1;a=%bb\r\na\r\n0\r\n\r\n",
    "a chunk's end": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"1\r\na%b\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("place", PLACES)
def test_no_line_end_and_no_control_stands_where_it_does_not_belong(front, origin, gateway, peer, place):
    """At the gateway, and in a payload to the sidecar. All that went wrong is told at once."""
    wrong = []
    for control in CONTROLS:
        raw = PLACES[place] % control
        with Client(gateway.url, timeout=3) as client:
            client.send(raw + request_bytes("GET", "/smuggled"))
            answer = client.answer()
            if front.is_nginx and (place, control) == ("a value", b"\r\r\n"):
                # It takes the first CR for white space, as RFC 9112 section 2.2 allows.
                assert (answer.status, origin.requests.pop(0).get("Injected")) == (200, "yes")
                assert client.answer().status == 200 and origin.requests.pop(0).target == "/smuggled"
            elif answer.status not in (400, 501, 505) or not client.at_end():
                wrong.append(("gateway", control, answer.start))
        payload = raw.replace(b"Host: x\r\n", b"Host: weather.nats\r\n")
        method = "post" if raw.startswith(b"POST") else "get"
        answer = parse_answer(peer.request(SUBJECT + method, payload).payload)
        if answer.status != 400:
            wrong.append(("sidecar", control, answer.start))
    assert not wrong and origin.requests == [], (wrong, origin.requests)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("place", [
    b"HTTP/1.1 200 O%bK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-%bY: z\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Y: a%bSet-Cookie: stolen=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Y: a%bSet-Cookie: s=1\r\n\r\n",
], ids=["reason", "name", "value", "trailer"])
def test_no_line_end_and_no_control_comes_back_in_a_response(client, origin, peer, place, control):
    origin.response = place % control
    assert_problem(client.get("/"), 502, "bad-origin-response")
    origin.response = plain("fine")
    assert client.get("/").body == b"fine"


@pytest.mark.parametrize("evil", [
    b"HTTP/1.1 200 OK\r\nX: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsecond",
])
def test_a_service_cannot_split_its_reply_into_two_responses(world, front, nats, evil):
    gateway, peer = front(nats, "--route", "/=split.nats"), world.peer(nats)
    peer.subscribe("nrt.requests.split.nats.*", "nrt",
                   lambda message: peer.publish(message.reply, evil))
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"), request_bytes("GET", "/"))
    for _ in range(2):
        answer = client.answer()
        if answer.status != 502:  # no framing: all of the payload is the body
            assert b"second" in answer.body and evil.startswith(b"HTTP/1.1 200 OK\r\nX: a\r\n")
    assert not client.readable(0)


# ---- names that are ours -----------------------------------------------------------------------


OURS = ["NRT-ID", "nrt-id", "NRT-Error", "NRT-Version", "NRT-Accept", "NRT-Client", "Nrt-Anything",
        "NRT-Connected-Server", "NRT-Connected-Cluster", "NRT-Method", "NRT-Frame", "NRT-"]


def test_fields_called_nrt_are_not_believed_from_a_client_of_the_gateway(world, nats, client, origin):
    spy = Spy(world, nats)
    answer = client.get("/", fields=[(name, "forged") for name in OURS])
    assert answer.status == 200 and b"forged" not in answer.raw
    assert not [name for name in origin.requests[0].names() if name.startswith("nrt-")]
    for message in spy.new():
        assert b"forged" not in message.payload and message.headers is None


def test_fields_called_nrt_are_not_believed_from_a_peer_on_nats(origin, peer):
    payload = request_bytes("GET", "/", "weather.nats", [(name, "forged") for name in OURS])
    answer = parse_answer(peer.request(SUBJECT + "get", payload).payload)
    assert answer.status == 200 and b"forged" not in answer.raw
    assert origin.requests[0].names() == ["host"]


def test_fields_called_nrt_are_not_believed_from_an_origin(client, origin):
    origin.response = plain("x", fields=[(name, "forged") for name in OURS])
    assert b"forged" not in client.get("/").raw


def test_fields_called_nats_never_become_nats_headers(world, nats, client, origin):
    spy = Spy(world, nats)
    names = ["Nats-Msg-Id", "Nats-Rollup", "Nats-Request-Info", "Nats-Expected-Stream", "Status"]
    origin.response = plain("x", fields=[(name, "forged") for name in names])
    assert client.get("/", fields=[(name, "forged") for name in names]).status == 200
    seen = spy.new()
    assert len(seen) == 2 and all(message.headers is None for message in seen)


# ---- hop by hop --------------------------------------------------------------------------------


MUST_STAY = {
    "Authorization": "Basic eA==", "Cookie": "a=b", "Content-Type": "text/plain", "Range": "bytes=0-1",
    "Content-Encoding": "identity", "If-Match": '"x"', "If-None-Match": '"x"',
}


def test_nobody_may_nominate_what_changes_the_meaning_of_a_request(client, origin):
    names = [*MUST_STAY, "Host", "Content-Length", "Transfer-Encoding", "X-Forwarded-For", "Via",
             "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"]
    answer = client.post("/", b"body", fields=[("Connection", ", ".join(names)), *MUST_STAY.items()])
    assert answer.status == 200
    seen = origin.requests[0]
    assert {name: seen.get(name) for name in MUST_STAY} == MUST_STAY
    assert seen.body == b"body" and seen.get("Host") == "weather.nats"
    assert seen.get("X-Forwarded-For") == "127.0.0.1" and "nrt" in seen.get("Via")
    assert seen.get("X-Forwarded-Proto") == "http" and seen.get("X-Forwarded-Host") == "gateway.test"


def test_nobody_may_nominate_what_changes_the_meaning_of_a_response(client, origin):
    stay = {"Set-Cookie": "a=b", "Content-Type": "text/html", "Content-Encoding": "identity",
            "Location": "/x", "WWW-Authenticate": "Basic"}
    origin.response = plain("body", fields=[
        ("Connection", ", ".join([*stay, "Content-Length", "NRT-ID", "Date"])), *stay.items()])
    answer = client.get("/")
    assert {name: answer.get(name) for name in stay} == stay
    assert answer.body == b"body" and answer.get("NRT-ID")


@pytest.mark.parametrize("value", ["X-Gone", "x-gone", "close, X-Gone", " ,, X-Gone ,",
                                   "keep-alive,X-Gone,X-Other"])
def test_what_is_nominated_ends_at_the_next_hop(client, origin, value):
    answer = client.get("/", fields=[("X-Gone", "1"), ("Connection", value), ("X-Stays", "2")])
    assert answer.status == 200
    assert origin.requests[0].get("X-Gone") is None and origin.requests[0].get("X-Stays") == "2"


@pytest.mark.parametrize("value", ["X Gone", '"X-Gone"', "X-Gone;x", "X-\x01Gone", "(X-Gone)", "X=Y"])
def test_a_connection_field_that_is_no_list_of_names_is_refused(client, origin, value):
    assert client.get("/", fields=[("Connection", value)]).status == 400
    assert origin.requests == []


# ---- trailers ----------------------------------------------------------------------------------


FORBIDDEN = ["Host", "Content-Length", "Transfer-Encoding", "Authorization", "Cookie", "Set-Cookie",
             "Content-Type", "Content-Encoding", "Content-Range", "Connection", "TE", "Trailer",
             "Upgrade", "Expect", "Range", "If-Match", "Cache-Control", "Max-Forwards", "Location",
             "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via",
             "NRT-ID", "NRT-Error", "Date", "Vary", "Age", "Expires", "Proxy-Authorization",
             "WWW-Authenticate", "Retry-After", "Proxy-Authenticate", "X-Forwarded-Port",
             "X-Forwarded-Prefix", "X_Forwarded_For", "X-Forwarded_Proto", "NRT_ID"]


def chunked(name, more=b""):
    return b"4\r\nbody\r\n0\r\n%b: 127.1.2.3\r\nX-Fine: yes\r\n%b\r\n" % (name.encode(), more)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_trailer_of_a_request_is_refused_or_dropped(world, gateway, origin, name):
    client = world.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(name))
    answer = client.answer()
    if answer.status == 400:
        assert origin.requests == []
        return
    assert answer.status == 200
    seen = origin.requests[0]
    assert seen.body == b"body" and seen.trailers == [("X-Fine", "yes")]
    assert b"127.1.2.3" not in seen.raw


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_trailer_of_a_response_is_refused_or_dropped(client, origin, name):
    origin.response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(name)
    answer = client.get("/")
    if answer.status != 502:
        assert answer.body == b"body" and answer.trailers == [("X-Fine", "yes")]
        assert b"127.1.2.3" not in answer.raw


# ---- X-Forwarded-*, Via, Forwarded -------------------------------------------------------------


FORGED = ["X-Forwarded-For", "x-forwarded-for", "X-Forwarded-Host", "X-Forwarded-Proto",
          "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl",
          "X-Forwarded-Scheme", "X-Forwarded-User", "Forwarded", "Via"]


@pytest.mark.parametrize("name", FORGED)
def test_what_a_stranger_says_about_its_way_is_replaced(client, origin, name):
    """`--help` promises it for X-Forwarded-*, whatever stands for the star."""
    assert client.get("/", fields=[(name, "6.6.6.6"), (name, "7.7.7.7")]).status == 200
    seen = origin.requests[0]
    assert b"6.6.6.6" not in seen.raw and b"7.7.7.7" not in seen.raw, seen
    assert seen.get("X-Forwarded-For") == "127.0.0.1" and len(seen.all("Via")) == 1


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-Host", "NRT_ID"])
def test_a_name_that_cgi_would_take_for_ours_does_not_come_through(client, origin, name):
    """CGI and WSGI make the same variable of `-` and `_`; nginx drops such names for that reason."""
    assert client.get("/", fields=[(name, "6.6.6.6")]).status in (200, 400)
    assert not origin.requests or b"6.6.6.6" not in origin.requests[0].raw


def test_who_is_trusted_is_extended_and_who_is_not_is_not(world, nats, origin):
    trusting = world.gateway(nats, "--route", "/=weather.nats", "--trust-forwarded", "127.0.0.0/8")
    other = world.gateway(nats, "--route", "/=weather.nats", "--trust-forwarded", "10.0.0.0/8")
    fields = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")]
    for gateway in (trusting, other):
        assert world.client(gateway).get("/", fields=fields).status == 200
    first, second = origin.requests
    assert first.get("X-Forwarded-For") == "6.6.6.6, 127.0.0.1"
    assert first.get("X-Forwarded-Proto") == "https"
    assert second.get("X-Forwarded-For") == "127.0.0.1" and second.get("X-Forwarded-Proto") == "http"


# ---- floods ------------------------------------------------------------------------------------


FLOODS = {
    "long names": b"x" * 200000 + b": y\r\n", "one long value": b"X: " + b"y" * 200000 + b"\r\n",
    "many fields": b"X: y\r\n" * 100000, "many empty ones": b"X:\r\n" * 100000,
    "many cookies": b"Cookie: a=b\r\n" * 50000, "no line end": b"X" * 5000000,
    "many nominations": b"Connection: " + b"a," * 20000 + b"\r\n",
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_fields_is_cut_off_without_memory(world, nats, gateway, origin, name):
    connections, before = Connections(nats), gateway.status("VmRSS")
    for _ in range(20):
        with Client(gateway.url) as client:
            try:
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n", FLOODS[name], b"\r\n")
            except ConnectionError:
                pass
            try:
                assert client.answer().status in (400, 431)
            except ConnectionError:
                pass  # reset, while we were still writing
    assert world.client(gateway).get("/").body == b"fine" and len(origin.requests) == 1
    assert gateway.status("VmRSS") - before < 8 * 1024 or sanitized()
    connections.unharmed()
