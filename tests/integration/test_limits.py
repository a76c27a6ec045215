"""Every limit: what is exactly at it goes through, one more is refused, and options move it."""

import time

import pytest

from harness import gowire
from harness.client import Client, request_bytes
from harness.clock import SLOW, Stopwatch, until
from harness.message import assert_problem, parse_answer
from harness.origin import Gate, plain
from harness.world import NRT

SUBJECT = "nrt.requests.weather.nats."
START = b"GET / HTTP/1.1\r\nHost: weather.nats\r\n"


def head_of(size, start=START):
    """A head of exactly `size` bytes, all of it in few fields."""
    head, end = start, b"\r\n"
    while size - len(head) - len(end) > 9000:
        head += b"X: " + b"v" * 7995 + b"\r\n"
    room = size - len(head) - len(end)
    head += b"X: " + b"v" * (room - 5) + b"\r\n"
    assert len(head + end) == size
    return head + end


def fields_of(count, start=START, had=1):
    return start + b"".join(b"X-%d: v\r\n" % number for number in range(count - had)) + b"\r\n"


def added(which, max_fields=100):
    """What a peer may have put on a head that was at the limit when it came there."""
    return {"head": 1024 + max_fields, "fields": 8, "target": 0}[which]


def target_of(size):
    return b"GET /" + b"t" * (size - 1) + b" HTTP/1.1\r\nHost: weather.nats\r\n\r\n"


KINDS = {
    "head": (head_of, "--max-head", 65536, 3000, 431, "head-too-large"),
    "fields": (fields_of, "--max-fields", 100, 10, 431, "head-too-large"),
    "target": (target_of, "--max-target", 8192, 100, 414, "target-too-long"),
}


@pytest.fixture(params=KINDS)
def name(request):
    return request.param


@pytest.fixture
def kind(name):
    return KINDS[name]


@pytest.fixture(params=["default", "option"])
def limit(request, kind):
    """The limit, and the option that sets it."""
    return (kind[2], []) if request.param == "default" else (kind[3], [kind[1], str(kind[3])])


# ---- heads of requests -------------------------------------------------------------------------


def test_a_gateway_takes_a_head_at_the_limit_and_not_one_more(world, nats, peer, kind, limit):
    """Behind it a raw peer, which has no limits of its own."""
    make, _, _, _, status, code = kind
    count, options = limit
    seen = []

    def reply(message):
        seen.append(message)
        peer.publish(message.reply, plain("fine"))

    peer.subscribe(SUBJECT + "*", "nrt", reply)
    gateway = world.gateway(nats, "--route", "/=weather.nats", *options)
    with Client(gateway.url) as client:
        client.send(make(count))
        assert client.answer().body == b"fine"
        client.send(make(count + 1))
        assert_problem(client.answer(), status, code)
        assert client.at_end()
    assert len(seen) == 1


def test_a_sidecar_takes_a_head_at_the_limit_and_not_one_more(world, nats, peer, name, kind, limit):
    make, _, _, _, status, code = kind
    count, options = limit
    count += added(name)
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin, args=options)
    assert parse_answer(peer.request(SUBJECT + "get", make(count)).payload).body == b"fine"
    answer = parse_answer(peer.request(SUBJECT + "get", make(count + 1)).payload)
    assert_problem(answer, status, code)
    assert len(origin.requests) == 1


# ---- heads of responses ------------------------------------------------------------------------


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
RESPONSES = {
    "head": (lambda count: head_of(count, OK), "--max-head", 65536, 3000),
    "fields": (lambda count: fields_of(count, OK), "--max-fields", 100, 10),
}


@pytest.mark.parametrize("which", ["default", "option"])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_sidecar_takes_a_response_at_the_limit_and_not_one_more(world, nats, peer, name, which):
    make, option, default, other = RESPONSES[name]
    count = default if which == "default" else other
    origin = world.origin(lambda request: make(int(request.target[1:])))
    world.serve(nats, "weather.nats", origin,
                args=[] if which == "default" else [option, str(other)])
    for size, status in ((count, 200), (count + 1, 502)):
        payload = gowire.request("GET", f"/{size}", "weather.nats")
        answer = parse_answer(peer.request(SUBJECT + "get", payload).payload)
        assert answer.status == status, answer.start


@pytest.mark.parametrize("which", ["default", "option"])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_gateway_takes_a_reply_at_the_limit_and_not_one_more(world, nats, peer, name, which):
    make, option, default, other = RESPONSES[name]
    count = (default if which == "default" else other) + added(name)
    peer.subscribe(SUBJECT + "*", "nrt", lambda message: peer.publish(
        message.reply, make(int(message.payload.split(b" ")[1][1:]))))
    options = [] if which == "default" else [option, str(other)]
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", *options))
    assert client.get(f"/{count}").status == 200
    assert_problem(client.get(f"/{count + 1}"), 502, "bad-response")


# ---- the whole path ----------------------------------------------------------------------------


LONG_HOST = ".".join(["n" * 63] * 3 + ["n" * 56, "nats"])
assert len(LONG_HOST) == 253  # no longer one is taken


def tight(size, count, start):
    """`size` bytes in `count` fields, those of `start` among them: there is no space behind a colon."""
    head, end = start, b"\r\n"
    more = count - start.count(b"\r\n") + 1
    room = size - len(start) - len(end)
    for number in range(more):
        share = room // (more - number)
        head += b"X%04d:" % number + b"v" * (share - 8) + b"\r\n"
        room -= share
    assert (len(head + end), (head + end).count(b"\r\n") - 2) == (size, count)
    return head + end


@pytest.mark.parametrize("start", [
    b"GET / HTTP/1.1\r\nHost:" + b"o" * 253 + b"\r\n", b"GET / HTTP/1.1\r\nHost:x\r\n", b"GET / HTTP/1.0\r\n",
], ids=["a long host", "a short host", "no host"])
@pytest.mark.parametrize("size, count", [(65536, 100), (16384, 1500)])
def test_a_head_at_the_limit_goes_all_the_way(world, nats, start, size, count):
    """What is put on it on the way is not its client's fault, nor its origin's."""
    options = ["--max-head", str(size), "--max-fields", str(count)]
    responses = [tight(size, count, b"HTTP/1.1 200 OK\r\nContent-Length:0\r\n")]
    origin = world.origin(lambda request: responses[0])
    world.serve(nats, LONG_HOST, origin, args=options)
    client = world.client(world.gateway(nats, "--route", f"/={LONG_HOST}", *options))
    client.send(tight(size, count, start))
    answer = client.answer()
    assert answer.status == 200, answer
    assert len(origin.requests[0].all("X-Forwarded-For")) == 1 and origin.requests[0].get("X0000")
    assert len([name for name in answer.names() if name.lower().startswith("x")]) == count - 1
    assert answer.get("NRT-ID")


# ---- chunks and bodies -------------------------------------------------------------------------


@pytest.fixture
def origin(world, nats):
    origin = world.origin(lambda request: plain(str(len(request.body))))
    world.serve(nats, "weather.nats", origin)
    return origin


def chunked(line, body=b"a"):
    return (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + line + b"\r\n" + body + b"\r\n0\r\n\r\n")


def test_chunk_extensions_of_1_kib_are_passed_over_and_longer_ones_refused(world, front, nats, origin):
    gateway = front(nats, "--route", "/=weather.nats")
    client = world.client(gateway)
    client.send(chunked(b"1;" + b"e" * 1024))
    assert client.answer().body == b"1"
    client.send(chunked(b"1;" + b"e" * 1025))
    front.assert_refused(client.answer(), 400, "bad-request")
    assert client.at_end()


def test_chunk_extensions_are_counted_over_all_chunks(world, front, nats, origin):
    """Else each byte of a body could bring 1 KiB along."""
    client = world.client(front(nats, "--route", "/=weather.nats"))
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send((b"1;" + b"e" * 100 + b"\r\na\r\n") * 11, b"0\r\n\r\n")
    front.assert_refused(client.answer(), 400, "bad-request")
    assert origin.requests == []


@pytest.mark.parametrize("line", [b"1;" + b";" * 5000, b"1" + b";a=" * 2000, b"0" * 5000 + b"1",
                                  b'1;a="' + b"b" * 5000 + b'"', b'1;a="' + b"\\b" * 2500 + b'"'],
                         ids=["semicolons", "empty values", "zeros", "a string", "escapes"])
def test_no_part_of_a_chunks_line_is_without_a_limit(world, front, nats, origin, line):
    client = world.client(front(nats, "--route", "/=weather.nats"))
    client.send(chunked(line))
    front.assert_refused(client.answer(), 400, "bad-request")
    assert origin.requests == []


@pytest.mark.parametrize("trailers, fine", [
    (b"X: y\r\n" * 100, True), (b"X: y\r\n" * 101, False), (b"X: " + b"v" * 60000 + b"\r\n", True),
    (b"X: " + b"v" * 66000 + b"\r\n", False), (b"X:" + b" " * 70000 + b"y\r\n", False),
    (b"x" * 66000 + b": y\r\n", False),
], ids=["100 fields", "101 fields", "60 KB", "66 KB", "70 KB of white space", "a long name"])
def test_a_trailer_section_is_limited_as_a_head_is(world, front, nats, peer, trailers, fine):
    peer.subscribe(SUBJECT + "*", "nrt", lambda message: peer.publish(message.reply, plain("fine")))
    client = world.client(front(nats, "--route", "/=weather.nats"))
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", trailers, b"\r\n")
    answer = client.answer()
    assert answer.status == 200 if fine else answer.status in (400, 431), answer


@pytest.mark.parametrize("size", [1, 1000])
def test_a_body_at_max_body_goes_and_one_byte_more_is_413(world, front, nats, origin, size):
    gateway = front(nats, "--route", "/=weather.nats", "--max-body", str(size))
    for make in (lambda body: request_bytes("POST", "/", body=body),
                 lambda body: chunked(b"%x" % len(body), body)):
        client = world.client(gateway)
        client.send(make(b"b" * size))
        assert client.answer().body == b"%d" % size
        client.send(make(b"b" * (size + 1)))
        front.assert_refused(client.answer(), 413, "too-large")
        assert client.at_end()


# ---- time --------------------------------------------------------------------------------------


@pytest.fixture
def hasty(world, front, nats, origin):
    return front(nats, "--route", "/=weather.nats", "--head-timeout", "400ms",
                         "--idle-timeout", "800ms")


@pytest.mark.parametrize("trickle", [False, True])
def test_a_head_that_takes_longer_than_the_head_timeout_is_408(world, front, hasty, origin, trickle):
    """From its first byte on: more bytes do not buy more time."""
    client = world.client(hasty)
    with Stopwatch() as watch:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        while trickle and not client.readable(0.05):
            client.send(b"X")
        answer = None if front.is_nginx else client.answer()  # nginx closes without one
        assert client.at_end()
    assert answer is None or assert_problem(answer, 408, "request-timeout")
    assert 0.35 < watch.seconds < 0.8 * SLOW
    assert origin.requests == []


def test_a_silent_connection_is_closed_after_the_idle_timeout_without_an_answer(world, front, hasty):
    # To nginx a new connection is the begin of a head.
    for used in (True,) if front.is_nginx else (False, True):
        client = world.client(hasty)
        if used:
            assert client.get("/").status == 200
        with Stopwatch() as watch:
            assert client.at_end()
        assert 0.7 < watch.seconds < 1.4 * SLOW


def test_a_body_that_stands_still_ends_after_the_idle_timeout(world, hasty, origin):
    client = world.client(hasty)
    with Stopwatch() as watch:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
        try:
            assert client.answer().status == 408
        except ConnectionError:
            pass
    assert 0.7 < watch.seconds < 1.4 * SLOW and origin.requests == []


def test_a_body_that_comes_slowly_and_keeps_coming_is_taken(world, hasty, origin):
    client = world.client(hasty)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
    for _ in range(10):
        assert not client.readable(0.15)
        client.send(b"b")
    assert client.answer().body == b"10"


def test_an_empty_line_does_not_begin_a_request_that_is_late(world, hasty):
    """Some clients send one behind a body: nothing is asked, so there is nothing to answer."""
    client = world.client(hasty)
    client.send(request_bytes("POST", "/", body=b"x") + b"\r\n")
    assert client.answer().status == 200
    assert client.at_end()


def test_empty_lines_do_not_keep_a_connection_open(world, hasty):
    """They are no request, so they buy no time."""
    client = world.client(hasty)
    with Stopwatch() as watch:
        try:
            while not client.readable(0.2):
                client.send(b"\r\n")
                assert time.monotonic() - watch.start < 5 * SLOW, "it is still open"
        except ConnectionError:
            pass


def test_the_defaults_are_those_that_help_tells(world):
    text = " ".join(world.run([NRT, "gateway", "--help"]).stdout.split())
    for option, default in (("--max-connections", "10000"), ("--max-requests", "100000"),
                            ("--max-head", "64k"), ("--max-fields", "100"), ("--max-target", "8k"),
                            ("--idle-timeout", "1m"), ("--head-timeout", "10s")):
        told = text.split(f"{option} ", 1)[1].split(" --", 1)[0]
        assert f"default: {default}" in told or (option == "--head-timeout" and ": 10s" in text), told


# ---- connections -------------------------------------------------------------------------------


def test_connections_up_to_the_limit_are_served_and_one_more_gets_503(world, nats, origin):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--max-connections", "5")
    clients = [world.client(gateway) for _ in range(5)]
    for client in clients:
        assert client.get("/").status == 200
    with Client(gateway.url) as extra:
        assert_problem(extra.answer(), 503, "busy", "too-busy")
        assert extra.at_end()
    for client in clients:
        assert client.get("/").status == 200
    clients[0].close()

    def served():
        with Client(gateway.url) as again:
            again.send(request_bytes("GET", "/"))
            return again.answer().status == 200

    until(served, "a place for one more")


def test_connections_beyond_the_limit_do_not_pile_up(world, nats, origin):
    """A client that does not take its 503 and does not go away holds no more than the limit does."""
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--max-connections", "10")
    with Client(gateway.url) as client:
        client.get("/")
    before = gateway.descriptors()
    held = [world.client(gateway) for _ in range(500)]
    until(lambda: held[-1].readable(0.01), "the last one is answered or closed")
    assert gateway.descriptors() <= before + 10 + 100


@pytest.mark.parametrize("count", [1, 3])
def test_a_connection_closes_after_so_many_requests(world, front, nats, origin, count):
    gateway = front(nats, "--route", "/=weather.nats", "--max-requests", str(count))
    client = world.client(gateway)
    for number in range(1, count + 1):
        answer = client.get("/")
        assert answer.status == 200
        assert (answer.get("Connection") == "close") == (number == count)
    assert client.at_end()


def test_requests_in_flight_up_to_the_limit_are_served_and_one_more_gets_503(world, nats, peer):
    gate = Gate()
    world.serve(nats, "weather.nats", world.origin(lambda request: gate.wait() or plain("fine")),
                args=["--max-in-flight", "3"])
    sub = peer.subscribe(peer.inbox())
    for _ in range(4):
        peer.publish(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"), sub.subject)
    answer = parse_answer(sub.next().payload)
    assert_problem(answer, 503, "refused")
    gate.open()
    assert [parse_answer(sub.next().payload).body for _ in range(3)] == [b"fine"] * 3


def test_a_request_above_the_limit_is_refused_with_a_frame_to_those_who_know_frames(world, nats, peer):
    gate = Gate()
    origin = world.origin(lambda request: gate.wait() or plain("fine"))
    world.serve(nats, "weather.nats", origin, args=["--max-in-flight", "1"])
    request = gowire.request("GET", "/", "weather.nats", fields=[("NRT-Accept", "v=1")])
    first, more = peer.subscribe(peer.inbox()), peer.subscribe(peer.inbox())
    peer.publish(SUBJECT + "get", request, first.subject)
    gate.wait_entered()
    for _ in range(3):
        peer.publish(SUBJECT + "get", request, more.subject)
    for _ in range(3):
        frame = more.next()
        assert frame.headers.startswith(b"NATS/1.0\r\nNRT-Frame: t=refuse")
        assert b"reason=busy" in frame.headers and frame.payload == b""
    gate.open()
    until(lambda: not first.none_waiting(), "the first one is answered")
    assert len(origin.requests) == 1, "what was refused was not executed"


def test_a_gateway_takes_what_one_instance_refuses_to_another(world, front, nats, peer):
    """One is full, and NATS gives it half of the requests: what it refuses, the other answers."""
    gate = Gate()
    full = world.origin(lambda request: gate.wait() or plain("full"))
    world.serve(nats, "weather.nats", full, args=["--max-in-flight", "1"])
    gateway = front(nats, "--route", "/=weather.nats")
    holder = world.client(gateway)
    holder.send(request_bytes("POST", "/held", body=b"x"))
    gate.wait_entered()
    free = world.origin(plain("free"))
    world.serve(nats, "weather.nats", free, args=["--max-in-flight", "1"])
    client = world.client(gateway)
    attempts = peer.subscribe(SUBJECT + "post")
    answers = []

    def was_sent_again_and_answered():
        answers.append(client.post("/", b"y"))
        peer.flush()
        count = 0
        while not attempts.none_waiting():
            attempts.next()
            count += 1
        return count > 1 and answers[-1].status == 200

    until(was_sent_again_and_answered, "a request is refused by one and answered by the other")
    for answer in answers:
        if answer.status != 200:  # refused at each attempt: NATS may choose the full one every time
            assert_problem(answer, 503, "refused")
            assert int(answer.get("Retry-After")) >= 1
    assert len(free.requests) == sum(answer.status == 200 for answer in answers)
    gate.open()
    assert holder.answer("POST").text == "full"
    assert len(full.requests) == 1
