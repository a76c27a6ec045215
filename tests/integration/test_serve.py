"""`nrt serve`: an existing HTTP server appears on NATS. What the origin sees byte for byte, what
comes back, and the pool of connections that survives whatever an origin does to it."""

import queue
import shutil
import subprocess

import pytest

from harness import gowire
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.message import assert_problem, parse_answer
from harness.origin import Gate, plain
from harness.world import NRT

SUBJECT = "nrt.requests.weather.nats."


@pytest.fixture
def ask(peer):
    """ask("GET", "/path") over NATS: the answer as an old client sees it."""

    def ask(method="GET", target="/", body=None, host="weather.nats", fields=()):
        subject = f"nrt.requests.{host}.{method.lower()}"
        reply = peer.request(subject, gowire.request(method, target, host, body, fields=fields))
        assert reply.status is None, "no responders"
        return parse_answer(reply.payload, method)

    return ask


# ---- what the origin sees ----------------------------------------------------------------------


def test_the_origin_sees_the_request_with_the_services_host(world, nats, ask):
    origin = world.origin(plain("ok"))
    world.serve(nats, "weather.nats", origin)
    ask("POST", "/city?units=metric&x=%20", b"hello", fields=[("X-One", "1"), ("Accept", "a/b")])
    seen = origin.requests[0]
    assert (seen.method, seen.target, seen.minor) == ("POST", "/city?units=metric&x=%20", 1)
    assert seen.get("Host") == "weather.nats"
    assert (seen.get("X-One"), seen.get("Accept")) == ("1", "a/b")
    assert seen.get("User-Agent") == "Go-http-client/1.1"
    assert (seen.get("Content-Length"), seen.body) == ("5", b"hello")


def test_every_method_arrives(world, nats, ask):
    origin = world.origin(lambda request: plain("" if request.method == "HEAD" else "ok"))
    world.serve(nats, "weather.nats", origin)
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "REPORT"]
    for method in methods:
        assert ask(method).status == 200
    assert [request.method for request in origin.requests] == methods


@pytest.mark.parametrize("base, target, seen", [
    ("/base", "/x?y=z", "/base/x?y=z"), ("/base/", "/x", "/base/x"), ("/a/b", "/", "/a/b/"),
    ("/", "/x", "/x"), ("", "/x//y/", "/x//y/"),
])
def test_a_base_path_of_the_target_is_put_before(world, nats, ask, base, target, seen):
    origin = world.origin(plain("ok"))
    world.serve(nats, "weather.nats", origin.url + base)
    assert ask("GET", target).status == 200
    assert origin.requests[0].target == seen


def test_an_origin_on_a_unix_socket(world, nats, ask):
    origin = world.origin(lambda request: plain(request.target), path=world.path("origin.sock"))
    world.serve(nats, "weather.nats", origin)
    assert ask("GET", "/over/unix").body == b"/over/unix"
    assert origin.requests[0].get("Host") == "weather.nats"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_a_name_with_several_addresses_is_tried_until_one_answers(world, nats, ask, address):
    """Its own /etc/hosts, in a mount namespace of its own."""
    hosts = world.file("hosts", "127.0.0.2 two.test\n127.0.0.1 two.test\n")
    here = [shutil.which("unshare") or "false", "-rm", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run([*here, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces here")
    origin = world.origin(plain("ok"), address=address)
    child = world.start([*here, NRT, "serve", "--server", nats.url, "weather.nats",
                         f"http://two.test:{origin.port}"])
    child.wait_line(r"^serving weather\.nats")
    for _ in range(3):
        assert ask().body == b"ok"


def test_several_pairs_in_one_process(world, nats, ask):
    origins = {host: world.origin(plain(host)) for host in ("a.nats", "b.nats", "c.d.nats")}
    pairs = [part for pair in origins.items() for part in pair]
    child = world.serve(nats, *pairs)
    for host, origin in origins.items():
        assert ask(host=host).body == host.encode()
        assert origin.requests[0].get("Host") == host
        child.wait_line(rf"serving {host} on nrt\.requests\.{host}\.\* \(queue nrt\) -> {origin.url}")


def test_an_ordinary_python_server_works_unchanged(world, nats, ask):
    world.serve(nats, "weather.nats", world.python_server())
    assert ask("PUT", "/thing", b"some text").body == b"PUT /thing some text"
    assert ask("GET", "/").body == b"GET / "
    assert ask("HEAD", "/").get("Content-Length") == "7"


def test_the_ready_line_means_ready(world, nats, peer):
    """No request after the line may meet no responders."""
    for number in range(5):
        host = f"h{number}.nats"
        world.serve(nats, host, world.origin(plain("ok")))
        reply = peer.request(f"nrt.requests.{host}.get", gowire.request("GET", "/", host))
        assert reply.status is None and parse_answer(reply.payload).body == b"ok"


# ---- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("raw, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e=x\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
     b"hello"),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n",
     b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh", b"h"),
    (b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nh", b"h"),
])
def test_every_framing_of_a_response_is_read_and_its_connection_kept(world, nats, ask, raw, body):
    origin = world.origin(raw)
    world.serve(nats, "weather.nats", origin)
    for _ in range(3):
        assert ask().body == body
    assert origin.connections == 1


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
])
def test_a_body_that_the_close_ends(world, nats, ask, head):
    def script(connection):
        connection.read()
        connection.send(head + b"up to the end")

    world.serve(nats, "weather.nats", world.origin(script=script))
    for _ in range(2):
        assert ask().body == b"up to the end"


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n",
])
def test_a_connection_that_the_origin_wants_closed_is_not_used_again(world, nats, ask, head):
    origin = world.origin(head + b"ok")
    world.serve(nats, "weather.nats", origin)
    for number in range(3):
        assert ask().body == b"ok"
        assert origin.connections == number + 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_body_after_204_and_304(world, nats, ask, status):
    origin = world.origin(f"HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n".encode())
    world.serve(nats, "weather.nats", origin)
    for _ in range(2):
        answer = ask()
        assert (answer.status, answer.get("ETag"), answer.body) == (int(status[:3]), '"x"', b"")
    assert origin.connections == 1


def test_head_keeps_the_length_of_the_body_that_is_not_there(world, nats, ask):
    origin = world.origin(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
    world.serve(nats, "weather.nats", origin)
    for _ in range(2):
        assert ask("HEAD").get("Content-Length") == "999"
    assert origin.connections == 1


def test_fields_of_the_origin_come_through_and_hop_by_hop_ones_do_not(world, nats, ask):
    origin = world.origin(plain("x", fields=[
        ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Mine", "yes"), ("Date", "today"),
        ("Connection", "keep-alive, X-Private"), ("Keep-Alive", "timeout=5"), ("X-Private", "no"),
        ("NRT-ID", "forged"), ("NRT-Error", "forged"), ("NRT-Connected-Server", "forged"),
        ("Proxy-Authenticate", "Basic"), ("Upgrade", "h2c")]))
    world.serve(nats, "weather.nats", origin)
    answer = ask()
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert (answer.get("X-Mine"), answer.get("Date")) == ("yes", "today")
    assert answer.get("NRT-Connected-Server") == "alpha"
    assert answer.get("NRT-ID") != "forged" and answer.error is None
    assert {"connection", "keep-alive", "x-private", "upgrade"}.isdisjoint(answer.names())


# ---- an origin that fails ----------------------------------------------------------------------


def test_an_origin_that_is_not_there_is_a_502_and_the_log_names_it(world, nats, ask):
    serving = world.serve(nats, "weather.nats", "http://127.0.0.1:1")
    with Stopwatch() as watch:
        problem = assert_problem(ask(), 502, "origin-failed")
    assert watch.seconds < 0.5 * SLOW
    assert "127.0.0.1" not in problem["detail"], "where it is concerns nobody outside"
    serving.wait_line("http://127.0.0.1:1.*refused")


BAD_RESPONSES = {
    "nothing": b"",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/0.0, which only replies may say": b"HTTP/0.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "a bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "status 000": b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",
    "a switch nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a huge head": b"HTTP/1.1 200 OK\r\nX: " + b"v" * 70000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_RESPONSES)
def test_a_response_that_is_not_valid_is_a_502_and_its_connection_is_dropped(world, nats, ask, name):
    def script(connection):
        if origin.note(connection.read()).target == "/good":
            connection.send(plain("good"))
            origin.note(connection.read())
        connection.send(BAD_RESPONSES[name])

    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin)
    answer = ask("POST", "/bad")
    assert_problem(answer, 502, "bad-origin-response", "origin-failed")
    assert ask("GET", "/good").body == b"good"
    assert origin.connections == 2


def test_a_truncated_body_is_never_a_short_success(world, nats, ask):
    """The origin dies in the middle of each of these bodies, by FIN and by RST."""
    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
        if connection.number % 2:
            connection.reset()

    world.serve(nats, "weather.nats", world.origin(script=script))
    for _ in range(4):
        assert_problem(ask(), 502, "bad-origin-response", "origin-failed")


def test_an_origin_that_does_not_answer_in_time_is_a_504(world, nats, ask):
    gate = Gate()
    world.serve(nats, "weather.nats", world.origin(lambda request: gate.wait() or plain("late")),
                args=["--timeout", "300ms"])
    with Stopwatch() as watch:
        answer = ask()
    assert_problem(answer, 504, "timeout", "origin-failed")
    assert 0.29 < watch.seconds < 0.8 * SLOW
    gate.open()


# ---- the pool ----------------------------------------------------------------------------------


def test_one_connection_is_kept_for_requests_one_after_another(world, nats, ask):
    origin = world.origin(plain("x"))
    world.serve(nats, "weather.nats", origin)
    for _ in range(50):
        assert ask().status == 200
    assert origin.connections == 1


def test_requests_at_the_same_time_get_connections_of_their_own(world, nats, peer):
    gate = Gate()
    origin = world.origin(lambda request: gate.wait() or plain(request.target))
    world.serve(nats, "weather.nats", origin)
    subs = [peer.subscribe(peer.inbox()) for _ in range(20)]
    for number, sub in enumerate(subs):
        peer.publish(SUBJECT + "get", gowire.request("GET", f"/{number}", "weather.nats"), sub.subject)
    gate.wait_entered(20)
    gate.open()
    bodies = [parse_answer(sub.next().payload).body for sub in subs]
    assert bodies == [b"/%d" % number for number in range(20)]
    assert origin.connections == 20


def test_an_origin_restart_is_not_noticed(world, nats, ask, peer):
    """Twenty pooled connections all die at once; the next requests must not pay for it."""
    gate = Gate()
    origin = world.origin(lambda request: gate.wait() or plain("x"))
    world.serve(nats, "weather.nats", origin)
    sub = peer.subscribe(peer.inbox())
    for _ in range(20):
        peer.publish(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"), sub.subject)
    gate.wait_entered(20)
    gate.open()
    for _ in range(20):
        sub.next()
    for method in ("GET", "POST"):
        origin.restart()
        for _ in range(20):
            assert ask(method, body=b"" if method == "POST" else None).status == 200


def test_an_origin_that_closes_kept_connections_at_once_costs_nothing(world, nats, ask):
    """It says keep-alive and closes: the race that every pool has with every server."""
    def script(connection):
        origin.note(connection.read())
        connection.send(plain("x"))

    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin)
    for _ in range(100):
        assert ask().status == 200
    assert len(origin.requests) == 100


def test_a_reused_connection_that_dies_under_a_get_is_tried_again_and_a_post_is_not(
        world, nats, ask):
    """RFC 9110 section 9.2.2: only what is idempotent may be sent a second time."""
    def script(connection):
        while True:
            request = origin.note(connection.read())
            if request.target == "/die" and len(origin.requests) == 2:
                return
            connection.send(plain("x"))

    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin)
    ask("GET", "/warm")
    assert ask("GET", "/die").status == 200
    del origin.requests[:]
    ask("GET", "/warm")
    assert_problem(ask("POST", "/die", b"once"), 502, "bad-origin-response", "origin-failed")
    assert [request.method for request in origin.requests] == ["GET", "POST"]


def test_a_connection_with_bytes_nobody_asked_for_is_not_used_again(world, nats, ask):
    """A poisoned answer waits behind the first; it must never become the next one's."""
    poison = plain("poison")
    origin = world.origin(lambda request: plain("right") + (poison if request.target == "/first" else b""))
    world.serve(nats, "weather.nats", origin)
    assert ask("GET", "/first").body == b"right"
    for number in range(5):
        assert ask("GET", f"/{number}").body == b"right"
    assert origin.connections == 2


def test_bytes_that_come_later_on_an_idle_connection_are_not_an_answer(world, nats, ask):
    idle, left = Gate(), queue.Queue()

    def script(connection):
        while True:
            request = origin.note(connection.read())
            connection.send(plain("right"))
            if request.target == "/first":
                idle.wait()
                connection.send(plain("poison"))
                left.put(connection.wait_closed())

    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin)
    assert ask("GET", "/first").body == b"right"
    idle.open()
    assert left.get(timeout=DEADLINE) == b"", "it was closed without another request"
    assert ask("GET", "/second").body == b"right"


@pytest.mark.parametrize("late", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n"
                                  b"Content-Length: 6\r\n\r\n"])
def test_a_body_where_none_may_be_is_not_the_next_answer(world, nats, ask, late):
    origin = world.origin(
        lambda request: late + b"poison" if request.target == "/first" else plain("right"))
    world.serve(nats, "weather.nats", origin)
    assert ask("GET", "/first").body == b""
    assert ask("GET", "/second").body == b"right"
    assert origin.connections == 2


def test_a_body_after_head_is_not_the_next_answer(world, nats, ask):
    origin = world.origin(plain("poison"))
    world.serve(nats, "weather.nats", origin)
    assert ask("HEAD").get("Content-Length") == "6"
    assert ask("GET").body == b"poison"
    assert origin.connections == 2


def test_an_early_response_is_taken_and_its_connection_not_used_again(world, nats, ask):
    """The origin answers and stops reading while the request's body is still on its way."""
    def script(connection):
        head = connection.reader.until(b"\r\n\r\n", "a head")
        if b"/early" in head:
            connection.send(plain("too much", "413 Content Too Large"))
            gate.wait()
            return
        connection.send(plain("right"))

    gate = Gate()
    origin = world.origin(script=script)
    world.serve(nats, "weather.nats", origin)
    answer = ask("POST", "/early", b"x" * 900_000)
    assert (answer.status, answer.body) == (413, b"too much")
    assert ask("GET", "/second").body == b"right"
    assert origin.connections == 2
    gate.open()


def test_a_kept_connection_is_closed_when_the_sidecar_leaves(world, nats, ask):
    origin = world.origin(plain("x"))
    serving = world.serve(nats, "weather.nats", origin)
    ask()
    assert origin.open_connections == 1
    assert serving.stop() == 0
    until(lambda: origin.open_connections == 0, "the origin's connection is closed")


# ---- sizes -------------------------------------------------------------------------------------


def test_a_response_just_under_max_payload_goes_and_one_over_it_is_a_502(world, nats, ask):
    limit = 1024 * 1024
    origin = world.origin(lambda request: plain(b"x" * int(request.target[1:])))
    world.serve(nats, "weather.nats", origin)
    fits = limit - 1024
    assert ask("GET", f"/{fits}").body == b"x" * fits
    for size in (limit, 5 * limit, 20 * limit):
        problem = assert_problem(ask("GET", f"/{size}"), 502, "response-too-large")
        assert str(limit) in problem["detail"], problem
    assert ask("GET", "/10").body == b"x" * 10
    assert "maximum payload" not in nats.log().lower()


def test_a_response_over_a_small_max_payload_leaves_the_connection_alone(world):
    nats = world.nats(config="max_payload: 5000")
    origin = world.origin(lambda request: plain(b"x" * int(request.target[1:])))
    world.serve(nats, "weather.nats", origin)
    peer = world.peer(nats)
    clients = set()
    for size in (100, 4999, 5001, 100_000, 4000):
        reply = peer.request(SUBJECT + "get", gowire.request("GET", f"/{size}", "weather.nats"))
        answer = parse_answer(reply.payload)
        clients.add(answer.get("NRT-Client"))
        if size in (100, 4000):
            assert answer.body == b"x" * size
        else:
            assert_problem(answer, 502, "response-too-large")
    assert len(clients) == 1


def test_an_endless_response_does_not_fill_the_memory(world, nats, ask):
    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    serving = world.serve(nats, "weather.nats", world.origin(script=script))
    before = serving.status("VmHWM")
    for _ in range(3):
        assert_problem(ask(), 502, "response-too-large")
    assert serving.status("VmHWM") - before < 20_000


# ---- wrong uses --------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [
    [], ["weather.nats"], ["weather.example", "http://127.0.0.1:1"], ["weather.nats", "ftp://x"],
    ["weather.nats", "127.0.0.1:80"], ["a.nats", "http://127.0.0.1:1", "b.nats"],
    ["weather.nats", "https://127.0.0.1:1/?x"], ["weather.nats", "unix:"],
    ["a.nats", "http://127.0.0.1:1", "A.nats", "http://127.0.0.1:2"],
    ["we*ther.nats", "http://127.0.0.1:1"], ["--prefix", "a b", "a.nats", "http://127.0.0.1:1"],
], ids=" ".join)
def test_a_wrong_use_is_exit_2_and_says_what_is_wrong(world, nats, args):
    done = world.run([NRT, "serve", "--server", nats.url, *args], expect=2)
    assert done.stderr and "serving" not in done.stderr
