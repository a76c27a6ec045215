"""What a client makes of failures: the second table of the protocol, as the library's error, as
`nrt get`'s exit code, and as the gateway's answer, each with the time it takes."""

import signal

import pytest

from harness import gowire
from harness.clock import SLOW, Stopwatch, until
from harness.message import assert_problem
from harness.origin import Gate, plain
from harness.rawnats import SilentNats
from harness.world import program


def ask(world, server, url, method="GET", body=0, timeout="+2000"):
    """What programs/ask.c says: its words, split."""
    url_of_server = getattr(server, "url", server)
    return world.run([program("ask"), url_of_server, method, url, body, timeout]).stdout.split()


@pytest.fixture
def client(world, nats):
    """A kept connection to a gateway, over which a request has been answered already."""
    world.gateway_process = world.gateway(nats, "--proxy", "--timeout", "1s")
    client = world.client(world.gateway_process)
    client.get("/", host="warm.nats")
    return client


# ---- no responders -----------------------------------------------------------------------------


def test_no_responders_is_a_503_within_50_ms(client):
    for _ in range(20):
        with Stopwatch() as watch:
            answer = client.get("/", host="nobody.nats")
        assert_problem(answer, 503, "no-service")
        assert int(answer.get("Retry-After")) >= 0
        assert watch.seconds < 0.050 * SLOW


def test_no_responders_is_no_service_at_once_in_the_library(world, nats):
    kind, code, ms, *detail = ask(world, nats, "http://nobody.nats/", timeout="+30000")
    assert (kind, code) == ("send", "no-service")
    assert float(ms) < 50 * SLOW
    assert "nobody.nats" in " ".join(detail)


def test_no_responders_ends_nrt_get_with_1_and_says_which_host(world, nats):
    done = world.get(nats, "http://nobody.nats/", expect=1)
    assert done.stdout == "" and "nobody.nats" in done.stderr


def test_a_service_that_appears_is_found_by_the_next_request(world, nats, client):
    assert client.get("/", host="late.nats").status == 503
    world.serve(nats, "late.nats", world.origin(plain("here")))
    assert client.get("/", host="late.nats").body == b"here"


# ---- no answer in time -------------------------------------------------------------------------


def test_no_answer_in_time_is_a_504(world, nats, peer, client):
    gowire.OldService(peer, "silent.nats", None)
    with Stopwatch() as watch:
        answer = client.get("/", host="silent.nats")
    assert_problem(answer, 504, "timeout")
    assert 0.95 < watch.seconds < 1.3 * SLOW
    assert client.get("/", host="nobody.nats").status == 503


def test_no_answer_in_time_is_timeout_in_the_library(world, nats, peer):
    gowire.OldService(peer, "silent.nats", None)
    kind, code, ms, *_ = ask(world, nats, "http://silent.nats/", timeout="+300")
    assert (kind, code) == ("send", "timeout")
    assert 299 <= float(ms) < 500 * SLOW


def test_nrt_get_waits_as_long_as_timeout_says(world, nats, peer):
    gowire.OldService(peer, "silent.nats", None)
    with Stopwatch() as watch:
        done = world.get(nats, "--timeout", "400ms", "http://silent.nats/", expect=1)
    assert 0.4 < watch.seconds < 1.0 * SLOW
    assert "silent.nats" in done.stderr and done.stdout == ""


def test_an_answer_after_the_timeout_is_dropped(world, nats, peer, client):
    """The late reply of one exchange must not become the answer of the next."""
    late = []
    gowire.OldService(peer, "late.nats", lambda payload: late.append(payload))
    service = gowire.OldService(peer, "prompt.nats", gowire.response(None, b"prompt"))
    held = peer.subscribe("nrt.requests.late.nats.*")
    assert client.get("/", host="late.nats").status == 504
    peer.publish(held.next().reply, gowire.response(None, b"late"))
    assert client.get("/", host="prompt.nats").body == b"prompt"
    assert len(service.requests) == 1


# ---- not connected to NATS ---------------------------------------------------------------------


@pytest.mark.parametrize("timeout, wait", [("500ms", 0.5), ("30s", 2.0)])
def test_without_a_connection_a_request_waits_min_of_timeout_and_2_s_then_503(
        world, nats, timeout, wait):
    gateway = world.gateway(nats, "--proxy", "--timeout", timeout)
    client = world.client(gateway)
    nats.kill()
    gateway.wait_line("lost the connection")
    with Stopwatch() as watch:
        answer = client.get("/", host="weather.nats")
    assert_problem(answer, 503, "disconnected")
    assert wait - 0.05 < watch.seconds < wait + 0.3 * SLOW


def test_a_request_that_comes_at_the_same_moment_as_the_loss_waits_too(world, nats):
    """Both lie ready when the gateway looks: what was not written yet can still be sent later."""
    gateway = world.gateway(nats, "--proxy", "--timeout", "500ms")
    clients = [world.client(gateway) for _ in range(8)]
    clients[0].get("/", host="weather.nats")
    gateway.signal(signal.SIGSTOP)
    nats.kill()
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n")
    with Stopwatch() as watch:
        gateway.signal(signal.SIGCONT)
        answers = [client.answer() for client in clients]
    written = [answer for answer in answers if answer.error == "aborted"]
    assert {answer.error for answer in answers} <= {"aborted", "disconnected"}
    assert watch.seconds > 0.45 or written == answers


def test_a_request_that_waits_is_sent_when_the_connection_is_back(world, nats):
    world.serve(nats, "weather.nats", world.origin(plain("back")))
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    nats.kill()
    gateway.wait_line("lost the connection")
    client.send("GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n")
    assert not client.readable(0.1)
    nats.start()
    answer = client.answer()
    assert answer.body == b"back" or (answer.status, answer.error) == (503, "no-service"), answer
    until(lambda: client.get("/", host="weather.nats").body == b"back", "the service is back too")


def test_not_connected_is_disconnected_in_the_library(world, nats):
    url = nats.url
    nats.kill()
    kind, code, ms, *_ = ask(world, url, "http://weather.nats/", timeout="300")
    assert (kind, code) == ("send", "disconnected")
    assert 299 <= float(ms) < 500 * SLOW


def test_nrt_get_without_a_server_ends_with_1_after_2_s_and_names_the_server(world, nats):
    nats.kill()
    with Stopwatch() as watch:
        done = world.get(nats, "http://weather.nats/", expect=1)
    assert 1.9 < watch.seconds < 2.6 * SLOW
    assert str(nats.port) in done.stderr


def test_a_server_that_accepts_and_never_greets_is_not_waited_for(world):
    silent = world.closing(SilentNats())
    kind, code, ms, *_ = ask(world, silent.url, "http://weather.nats/", timeout="400")
    assert (kind, code) == ("send", "disconnected")
    assert float(ms) < 700 * SLOW


@pytest.mark.parametrize("greeting", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {not json}\r\n", b"INFO " + b"x" * 100000,
    b"-ERR 'Authorization Violation'\r\n", b"\0" * 1000,
])
def test_a_server_that_speaks_something_else_is_not_believed(world, greeting):
    other = world.closing(SilentNats(greeting))
    kind, code, *_ = ask(world, other.url, "http://weather.nats/", timeout="300")
    assert (kind, code) == ("send", "disconnected")


# ---- in flight when the connection or the instance goes ----------------------------------------


def test_a_request_in_flight_when_the_server_dies_fails_and_says_that_it_may_have_run(world, nats):
    gate = Gate()
    world.serve(nats, "weather.nats", world.origin(lambda request: gate.wait() or plain("x")))
    client = world.client(world.gateway(nats, "--proxy", "--timeout", "5s"))
    client.send("POST / HTTP/1.1\r\nHost: weather.nats\r\nContent-Length: 0\r\n\r\n")
    gate.wait_entered()
    with Stopwatch() as watch:
        nats.kill()
        problem = assert_problem(client.answer(), 502, "aborted")
    assert watch.seconds < 1 * SLOW
    assert "connection" in problem["detail"].lower(), problem
    gate.open()


def test_an_instance_that_dies_is_noticed_at_the_latest_by_the_timeout(world, nats):
    gate = Gate()
    serving = world.serve(nats, "weather.nats",
                          world.origin(lambda request: gate.wait() or plain("x")))
    client = world.client(world.gateway(nats, "--proxy", "--timeout", "1s"))
    client.send("GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n")
    gate.wait_entered()
    serving.kill()
    serving.expected = None
    answer = client.answer()
    assert (answer.status, answer.error) in [(504, "timeout"), (502, "aborted")]
    with Stopwatch() as watch:
        assert client.get("/", host="weather.nats").error == "no-service"
    assert watch.seconds < 0.050 * SLOW
    gate.open()


# ---- permissions -------------------------------------------------------------------------------


DENIES = """authorization { users [
  { user: u, password: p, permissions: { publish: { deny: "nrt.requests.secret.nats.*" } } }
  { user: s, password: p, permissions: { subscribe: { deny: "nrt.requests.secret.nats.*" } } }
  { user: all, password: p }
] }"""


@pytest.fixture
def guarded(world):
    server = world.nats(config=DENIES)
    server.as_user = lambda user: server.url.replace("nats://", f"nats://{user}:p@")
    world.serve(server.as_user("all"), "open.nats", world.origin(plain("open")))
    return server


def test_a_permission_violation_is_a_403_at_once_that_names_the_subject(world, guarded):
    client = world.client(world.gateway(guarded.as_user("u"), "--proxy", "--timeout", "10s"))
    assert client.get("/", host="open.nats").body == b"open"
    with Stopwatch() as watch:
        problem = assert_problem(client.get("/", host="secret.nats"), 403, "permission")
    assert watch.seconds < 0.25 * SLOW
    assert "nrt.requests.secret.nats.get" in problem["detail"]
    assert client.get("/", host="open.nats").body == b"open"


def test_a_permission_violation_hits_only_its_own_exchange(world, guarded):
    """Others wait on the same connection while it comes in."""
    gate = Gate()
    world.serve(guarded.as_user("all"), "slow.nats",
                world.origin(lambda request: gate.wait() or plain("slow")))
    gateway = world.gateway(guarded.as_user("u"), "--proxy")
    waiting, refused = world.client(gateway), world.client(gateway)
    waiting.send("GET / HTTP/1.1\r\nHost: slow.nats\r\n\r\n")
    gate.wait_entered()
    for method in ("GET", "DELETE", "GET"):
        assert_problem(refused.request(method, "/", host="secret.nats"), 403, "permission")
    gate.open()
    assert waiting.answer().body == b"slow"


def test_a_permission_violation_is_permission_in_the_library_and_1_in_nrt_get(world, guarded):
    server = guarded.as_user("u")
    kind, code, ms, *detail = ask(world, server, "http://secret.nats/", timeout="+10000")
    assert (kind, code) == ("send", "permission")
    assert float(ms) < 250 * SLOW and "nrt.requests.secret.nats.get" in " ".join(detail)
    done = world.get(server, "http://secret.nats/", expect=1)
    assert "nrt.requests.secret.nats.get" in done.stderr


def test_a_service_that_may_not_subscribe_says_so(world, guarded):
    child = world.serve(guarded.as_user("s"), "secret.nats", "http://127.0.0.1:1", wait=False)
    child.expected = None
    child.wait_line(r"nrt\.requests\.secret\.nats\.\*")
    assert "serving secret.nats on" not in child.stderr


def test_wrong_credentials_are_told_and_the_password_is_not(world, guarded):
    server = guarded.url.replace("nats://", "nats://all:wr0ng-pass@")
    done = world.get(server, "--timeout", "300ms", "http://open.nats/", expect=1)
    assert "wr0ng-pass" not in done.stderr
    assert "credentials" in done.stderr or "authorization" in done.stderr.lower()


# ---- a reply that is no response ---------------------------------------------------------------


BAD_REPLIES = {
    "nothing": b"",
    "status 000": gowire.response(),
    "not HTTP": b"hello",
    "a request": gowire.request("GET", "/", "bad.nats"),
    "no end of the head": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc",
    "two responses": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2,
    "chunks without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunked":
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "only a 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a field with NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a huge head": b"HTTP/1.1 200 OK\r\nX: " + b"v" * 70000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_reply_that_is_no_valid_response_is_a_502(peer, client, name):
    gowire.OldService(peer, "bad.nats", BAD_REPLIES[name])
    for _ in range(2):
        assert_problem(client.get("/", host="bad.nats"), 502, "bad-response")


def test_a_bad_reply_is_bad_response_in_the_library(world, nats, peer):
    gowire.OldService(peer, "bad.nats", b"hello")
    kind, code, ms, *_ = ask(world, nats, "http://bad.nats/", timeout="+10000")
    assert (kind, code) == ("send", "bad-response")
    assert float(ms) < 1000


def test_only_the_first_of_several_replies_counts(peer, client):
    def answer(message):
        for text in (b"first", b"second", b"third"):
            peer.publish(message.reply, gowire.response(None, text))

    peer.subscribe("nrt.requests.many.nats.*", "nrt", answer)
    for _ in range(5):
        assert client.get("/", host="many.nats").body == b"first"


# ---- hosts, methods, sizes ---------------------------------------------------------------------


@pytest.mark.parametrize("url, code", [
    ("http://example.com/", "bad-host"), ("http://nats/", "bad-host"), ("http://.nats/", "bad-host"),
    ("http://a..nats/", "bad-host"), ("http://a.nats.example/", "bad-host"),
    ("http://*.nats/", "bad-host"), ("http://>.nats/", None), ("http://a b.nats/", None),
    ("ftp://a.nats/", "bad-url"), ("a.nats", "bad-url"), ("", "bad-url"), ("http://", None),
    ("http://a.nats:x/", "bad-url"), ("http://a.nats/\r\nX: y", None), ("http://a.nats/a b", None),
])
def test_what_is_no_nats_url_is_refused_before_anything_is_sent(world, nats, url, code):
    everything = world.peer(nats).subscribe("nrt.>")
    kind, got = ask(world, nats, url)
    assert kind == "create" and got in ([code] if code else ["bad-url", "bad-host"])
    everything.peer.flush()
    assert everything.none_waiting()


@pytest.mark.parametrize("method", ["GeT", "a.b", "*", ">", "", "GET ", "G\tT"])
def test_a_method_that_cannot_be_a_token_is_refused(world, nats, method):
    assert ask(world, nats, "http://a.nats/", method=method) == ["create", "bad-method"]


def test_a_request_over_max_payload_is_413_and_the_connection_survives(world):
    nats = world.nats(config="max_payload: 20000")
    origin = world.origin(lambda request: plain(str(len(request.body))))
    world.serve(nats, "weather.nats", origin)
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    assert client.post("/", b"x" * 18000, host="weather.nats").body == b"18000"
    with world.client(gateway) as big:
        assert big.post("/", b"x" * 20001, host="weather.nats").body == b"20001"
    assert world.client(gateway).get("/", host="weather.nats").body == b"0"
    assert len(origin.requests) == 3
    assert "maximum payload" not in nats.log().lower()


def test_a_request_over_max_payload_is_sent_too_up_to_max_body(world):
    nats = world.nats(config="max_payload: 20000")
    assert ask(world, nats, "http://a.nats/", "POST", 19000)[:2] == ["send", "no-service"]
    assert ask(world, nats, "http://a.nats/", "POST", 20001)[:2] == ["send", "no-service"]
    too_large = (16 << 20) + 1
    assert ask(world, nats, "http://a.nats/", "POST", too_large)[:2] == ["send", "too-large"]


def test_the_latest_info_is_what_holds(world):
    """max_payload is lowered while we are connected; a publish above it would end the connection."""
    nats = world.nats(config="max_payload: 100000")
    world.serve(nats, "weather.nats", world.origin(lambda request: plain(str(len(request.body)))))
    gateway = world.gateway(nats, "--proxy")
    assert world.client(gateway).post("/", b"x" * 50000, host="weather.nats").body == b"50000"
    nats.configure("max_payload: 10000")
    nats.restart()
    until(lambda: world.client(gateway).get("/", host="weather.nats").status == 200, "reconnected")
    assert world.client(gateway).post("/", b"x" * 50000, host="weather.nats").body == b"50000"
    assert "maximum payload" not in nats.log().lower()
