"""What a service checks before any handler or origin sees a request: the first table of the
protocol, sent by a raw peer to `nrt serve` and to a handler of the library."""

import pytest

from harness import gowire
from harness.clock import until
from harness.message import assert_problem, parse_answer
from harness.origin import Gate, plain

SUBJECT = "nrt.requests.weather.nats."
GOOD = b"GET / HTTP/1.1\r\nHost: weather.nats\r\n"


class Asker:
    def __init__(self, peer, origin):
        self.peer, self.origin = peer, origin

    def ask(self, payload, method="get", headers=None):
        reply = self.peer.request(SUBJECT + method, payload, headers)
        assert reply.status is None, f"no responders: {reply}"
        return parse_answer(reply.payload, "HEAD" if method == "head" else "GET")

    def refuses(self, status, codes, payload, method="get"):
        """The answer is this problem, nothing came through, and the service still works."""
        answer = self.ask(payload, method)
        problem = assert_problem(answer, status, *codes)
        assert answer.get("NRT-ID") and answer.get("NRT-Connected-Server") == "alpha"
        assert self.origin.requests == [] and self.origin.failures == []
        assert self.ask(GOOD + b"\r\n").status == 200
        return problem


@pytest.fixture
def sidecar(world, nats, peer):
    origin = world.origin(plain("x"))
    world.serve(nats, "weather.nats", origin)
    return Asker(peer, origin)


def framed(text, body=b""):
    return b"POST / HTTP/1.1\r\nHost: weather.nats\r\n" + text + b"\r\n" + body


MALFORMED = {
    "empty": b"",
    "not HTTP": b"hello there",
    "no end of the head": GOOD,
    "no version": b"GET /\r\nHost: weather.nats\r\n\r\n",
    "HTTP/0.0, which only replies may say": b"GET / HTTP/0.0\r\nHost: weather.nats\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: weather.nats\r\n\r\n",
    "a response": b"HTTP/1.1 200 OK\r\nHost: weather.nats\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: weather.nats\n\n",
    "bare CR": GOOD + b"X: a\rb\r\n\r\n",
    "NUL in a value": GOOD + b"X: a\0b\r\n\r\n",
    "space before the colon": GOOD + b"X : y\r\n\r\n",
    "a folded field": GOOD + b"X: a\r\n b\r\n\r\n",
    "a field without colon": GOOD + b"X\r\n\r\n",
    "an empty name": GOOD + b": y\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: weather.nats\r\n\r\n",
    "bytes after the end": GOOD + b"\r\nx",
    "a second request": GOOD + b"\r\n" + GOOD + b"\r\n",
    "the NRT/1 line of a stream": b"NRT/1\r\n" + GOOD + b"\r\n",
}

FRAMING = {
    "body too short": framed(b"Content-Length: 5\r\n", b"abc"),
    "body too long": framed(b"Content-Length: 1\r\n", b"abc"),
    "two lengths": framed(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"),
    "a list of lengths": framed(b"Content-Length: 3, 4\r\n", b"abc"),
    "a signed length": framed(b"Content-Length: +3\r\n", b"abc"),
    "a negative length": framed(b"Content-Length: -1\r\n"),
    "a length in hex": framed(b"Content-Length: 0x3\r\n", b"abc"),
    "an overflowing length": framed(b"Content-Length: 18446744073709551619\r\n", b"abc"),
    "length and chunked": framed(
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    "an unknown coding": framed(b"Transfer-Encoding: gzip\r\n", b"abc"),
    "chunked not last": framed(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "chunked twice": framed(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "chunked in HTTP/1.0":
        b"POST / HTTP/1.0\r\nHost: weather.nats\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no last chunk": framed(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n"),
    "a chunk without size": framed(b"Transfer-Encoding: chunked\r\n", b"\r\nabc\r\n0\r\n\r\n"),
    "a chunk longer than said": framed(b"Transfer-Encoding: chunked\r\n", b"2\r\nabc\r\n0\r\n\r\n"),
    "bytes after the last chunk": framed(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\nx"),
}


def of_method(payload):
    return "post" if payload.startswith(b"POST") else "get"


@pytest.mark.parametrize("name", [*MALFORMED, *FRAMING])
def test_what_is_not_exactly_one_well_formed_request_is_400(sidecar, name):
    payload = {**MALFORMED, **FRAMING}[name]
    sidecar.refuses(400, ["bad-request"], payload, of_method(payload))


@pytest.mark.parametrize("method, last", [
    ("DELETE", "get"), ("GET", "delete"), ("POST", "get"), ("HEAD", "get"), ("GET", "anything"),
])
def test_a_method_other_than_the_subjects_last_token_is_403(sidecar, method, last):
    """NATS permissions on ….get must mean GET."""
    payload = f"{method} / HTTP/1.1\r\nHost: weather.nats\r\n\r\n".encode()
    if method == "HEAD":  # whose answers have no body
        answer = parse_answer(sidecar.peer.request(SUBJECT + last, payload).payload, "HEAD")
        assert (answer.status, answer.error) == (403, "method-mismatch")
        assert not sidecar.origin.requests
        return
    sidecar.refuses(403, ["method-mismatch"], payload, last)


def test_an_overriding_method_field_changes_nothing(sidecar):
    answer = sidecar.ask(GOOD + b"X-HTTP-Method-Override: DELETE\r\n\r\n")
    assert answer.status == 200
    assert sidecar.origin.requests[0].method == "GET"


def test_a_method_with_mixed_case_is_refused(sidecar):
    answer = sidecar.ask(b"GeT / HTTP/1.1\r\nHost: weather.nats\r\n\r\n")
    assert answer.status in (400, 403, 501) and answer.error, answer
    assert sidecar.origin.requests == []


@pytest.mark.parametrize("host", [
    b"", b"Host:\r\n", b"Host: weather.nats\r\nHost: weather.nats\r\n",
    b"Host: weather.nats\r\nHost: other.nats\r\n", b"Host: weather.nats, other.nats\r\n",
    b"Host: weather nats\r\n", b"Host: weather.nats:port\r\n", b"Host: weather.nats:99999\r\n",
    b"Host: user@weather.nats\r\n", b"Host: weather.nats/\r\n", b"Host: >.nats\r\n",
])
def test_a_host_missing_repeated_or_invalid_is_400(sidecar, host):
    sidecar.refuses(400, ["bad-request", "bad-host"], b"GET / HTTP/1.1\r\n" + host + b"\r\n")


@pytest.mark.parametrize("host", ["other.nats", "xweather.nats", "weather.nats.evil.nats",
                                  "sub.weather.nats", "localhost", "127.0.0.1:80"])
def test_a_host_that_is_not_served_here_is_421(sidecar, host):
    sidecar.refuses(421, ["misdirected"], gowire.request("GET", "/", host))


def test_the_authority_of_an_absolute_target_counts_instead_of_host(sidecar):
    """RFC 9112 section 3.2.2."""
    elsewhere = b"GET http://other.nats/x HTTP/1.1\r\nHost: weather.nats\r\n\r\n"
    answer = sidecar.ask(elsewhere)
    assert answer.status in (400, 421) and answer.error, answer
    assert sidecar.origin.requests == []


def test_a_head_larger_than_64_kib_is_431(sidecar):
    big = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 1000) for number in range(70))
    sidecar.refuses(431, ["head-too-large"], GOOD + big + b"\r\n")


def test_more_than_100_fields_and_8_of_nrt_are_431(sidecar):
    many = b"".join(b"X-%d: v\r\n" % number for number in range(108))  # and Host
    sidecar.refuses(431, ["head-too-large"], GOOD + many + b"\r\n")


def test_a_head_within_the_limits_goes_through(sidecar):
    some = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 600) for number in range(90))
    assert sidecar.ask(GOOD + some + b"\r\n").status == 200
    assert sidecar.origin.requests[0].get("X-89") == "v" * 600


def test_a_target_longer_than_8_kib_is_414(sidecar):
    payload = b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: weather.nats\r\n\r\n"
    sidecar.refuses(414, ["target-too-long"], payload)


def test_a_target_of_8_000_bytes_goes_through(sidecar):
    payload = b"GET /" + b"a" * 7999 + b" HTTP/1.1\r\nHost: weather.nats\r\n\r\n"
    assert sidecar.ask(payload).status == 200
    assert len(sidecar.origin.requests[0].target) == 8000


# ---- the fields that come through --------------------------------------------------------------


def test_nrt_fields_and_hop_by_hop_fields_are_not_handed_on(sidecar):
    answer = sidecar.ask(
        GOOD + b"NRT-ID: forged\r\nNRT-Accept: v=1, window=1, timeout=1\r\nNRT-Anything: x\r\n"
        b"Connection: close, X-Hop, X-Other\r\nKeep-Alive: 5\r\nX-Hop: gone\r\nX-Other: gone\r\n"
        b"Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: nothing\r\nX-End: stays\r\n\r\n")
    assert answer.status == 200
    seen = sidecar.origin.requests[0]
    assert seen.get("X-End") == "stays"
    gone = {"nrt-id", "nrt-accept", "nrt-anything", "x-hop", "x-other", "keep-alive", "upgrade",
            "proxy-connection", "te"}
    assert gone.isdisjoint(seen.names()), seen
    assert answer.get("NRT-ID") != "forged"


@pytest.mark.parametrize("field", ["Host", "Content-Length", "Authorization", "Cookie"])
def test_nobody_may_nominate_fields_that_matter(sidecar, field):
    payload = (b"POST / HTTP/1.1\r\nHost: weather.nats\r\nConnection: " + field.encode() +
               b"\r\nAuthorization: Basic eA==\r\nCookie: a=b\r\nContent-Length: 3\r\n\r\nabc")
    answer = sidecar.ask(payload, "post")
    if answer.status == 200:
        seen = sidecar.origin.requests[0]
        assert seen.get(field) is not None, seen
        assert seen.body == b"abc"
    else:
        assert_problem(answer, 400, "bad-request")
        assert sidecar.origin.requests == []


def test_framing_is_made_anew(sidecar):
    payload = (b"POST / HTTP/1.1\r\nHost: weather.nats\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n")
    assert sidecar.ask(payload, "post").status == 200
    seen = sidecar.origin.requests[0]
    assert seen.body == b"abcde"
    assert seen.all("Content-Length") + seen.all("Transfer-Encoding") in (["5"], ["chunked"])


# ---- a handler of the library, its limit and its drain -----------------------------------------


def test_the_same_checks_stand_before_a_handler(world, nats, peer):
    world.handlers(nats, "weather.nats")
    for status, code, payload, method in [
        (400, "bad-request", b"no HTTP", "get"), (400, "bad-request", GOOD + b"\r\nx", "get"),
        (403, "method-mismatch", GOOD + b"\r\n", "delete"),
        (421, "misdirected", gowire.request("GET", "/", "other.nats"), "get"),
    ]:
        reply = peer.request(SUBJECT + method, payload)
        assert_problem(parse_answer(reply.payload), status, code)


def test_a_service_at_its_limit_answers_503_with_retry_after(world, nats, peer):
    world.handlers(nats, "weather.nats", workers=2, max_in_flight=2)
    sub = peer.subscribe(peer.inbox())
    for _ in range(3):
        peer.publish(SUBJECT + "get", gowire.request("GET", "/sleep/300", "weather.nats"), sub.subject)
    answers = [parse_answer(sub.next().payload) for _ in range(3)]
    assert_problem(answers[0], 503, "refused")
    assert int(answers[0].get("Retry-After")) >= 0
    assert [answer.body for answer in answers[1:]] == [b"slept", b"slept"]


def test_a_draining_service_answers_what_has_arrived_and_takes_no_more(world, nats, peer):
    gate = Gate()
    serving = world.serve(nats, "weather.nats", world.origin(lambda request: gate.wait() or plain("x")))
    first, later = peer.subscribe(peer.inbox()), peer.subscribe(peer.inbox())
    ask = gowire.request("GET", "/", "weather.nats")
    peer.publish(SUBJECT + "get", ask, first.subject)
    gate.wait_entered()
    serving.signal(15)
    replies = []

    def has_left():
        peer.publish(SUBJECT + "get", ask, later.subject)
        peer.flush()
        while not later.none_waiting():
            replies.append(later.next())
        return any(reply.status == 503 for reply in replies)

    until(has_left, "nobody listens any more")
    gate.open()
    assert parse_answer(first.next().payload).body == b"x"
    assert serving.wait() == 0
    for reply in replies:
        if reply.status is None:  # what still reached it while it left the queue group
            answer = parse_answer(reply.payload)
            assert_problem(answer, 503, "refused")
            assert answer.get("Retry-After") is not None


def test_a_request_without_a_reply_subject_harms_nothing(sidecar):
    sidecar.peer.publish(SUBJECT + "get", GOOD + b"\r\n")
    assert sidecar.ask(GOOD + b"\r\n").status == 200


@pytest.mark.parametrize("reply", [
    "$SYS.REQ.SERVER.PING", "$JS.API.STREAM.DELETE.x", "nrt.requests.other.nats.delete",
    "_INBOX." + "x" * 600,
])
def test_a_hostile_reply_subject_is_not_published_to(world, nats, sidecar, reply):
    """A service must not be aimed at system APIs or at other services."""
    target = world.peer(nats).subscribe(reply if not reply.startswith("$SYS") else "$SYS.REQ.>")
    sidecar.peer.publish(SUBJECT + "get", GOOD + b"\r\n", reply)
    assert sidecar.ask(GOOD + b"\r\n").status == 200
    target.peer.flush()
    assert target.none_waiting()
