"""Times, sizes, buffers and further attempts: nrt_timeout, nrt_max_body, nrt_buffering,
nrt_request_buffering, nrt_retry, beside what nginx itself limits."""

import socket
import threading

import pytest

from harness import gowire
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.message import Answer, Request, assert_problem
from harness.nginx import Nginx
from harness.origin import plain
from harness.rawnats import header_block
from harness.site import Site

SERVER = """
location / { nrt_pass weather.nats; }
location /soon { nrt_timeout 300ms; nrt_pass weather.nats; }
location /soon/page { nrt_timeout 300ms; error_page 504 = @late; nrt_pass weather.nats; }
location @late { return 200 late; }
location /small { nrt_max_body 1000; nrt_pass weather.nats; }
location /small/not { nrt_max_body 0; nrt_pass weather.nats; }
location /small/if { if ($arg_x) { nrt_pass weather.nats; } nrt_max_body 1k; nrt_pass weather.nats; }
location /own { client_max_body_size 10; nrt_pass weather.nats; }
location /page { nrt_max_body 10; error_page 413 = @large; nrt_pass weather.nats; }
location @large { return 200 large; }
location /rate { limit_req zone=one; limit_req_status 429; nrt_pass weather.nats; }
location /whole { nrt_request_buffering on; nrt_pass script.nats; }
location /comes { nrt_request_buffering off; nrt_pass script.nats; }
location /held { nrt_buffering on; nrt_pass script.nats; }
location /flows { nrt_buffering off; nrt_pass script.nats; }
location /off { nrt_retry off; nrt_pass busy.nats; }
location /usual { nrt_pass busy.nats; }
location /four { nrt_retry refused tries=4; nrt_pass busy.nats; }
location /other { nrt_retry idempotent no_service tries=4; nrt_pass busy.nats; }
location /again { nrt_retry no_service; nrt_pass late.nats; }
location /once { nrt_pass late.nats; }
"""

HTTP = "limit_req_zone $server_port zone=one:1m rate=1r/m;"


class Script:
    """An origin whose connections are played step by step: what came is in `heads`, bodies as they come."""

    def __init__(self, world, nats):
        self.heads, self.asked, self.go = [], threading.Semaphore(0), threading.Semaphore(0)
        self.fields = ""
        self.got = 0
        world.serve(nats, "script.nats", world.origin(script=self.play))

    def play(self, connection):
        head = connection.reader.head(Request)
        self.got = 0
        self.heads.append(head)
        length = int(head.get("Content-Length") or 0)
        while self.got < length:
            data = connection.reader.buffer or connection.sock.recv(65536)
            connection.reader.buffer = b""
            assert data
            self.got += len(data)
        self.asked.release()
        connection.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{self.fields}\r\n")
        for _ in range(2):
            connection.send("5\r\npiece\r\n")
            assert self.go.acquire(timeout=DEADLINE)
        connection.send("0\r\n\r\n")


@pytest.fixture(scope="module")
def site(shared):
    nats = shared.nats(monitor=True)
    script = Script(shared, nats)
    site = Site(shared, nats, SERVER, HTTP)
    site.script = script
    return site


def never(request):
    """Answers when the test is long over, if at all."""
    threading.Event().wait(3 * SLOW)


# ---- times and sizes ---------------------------------------------------------------------------


def test_a_service_that_does_not_answer_is_waited_for_as_long_as_nrt_timeout_says(site):
    site.answers["/soon"] = site.answers["/soon/page"] = never
    with Stopwatch() as watch:
        assert_problem(site.get("/soon"), 504, "timeout")
    assert 0.25 < watch.seconds < 1.5 * SLOW
    assert site.get("/soon/page").text == "late"
    site.told("nrt: timeout: ")


def test_the_time_begins_when_the_request_is_whole(site):
    """An upload may take longer than the answer to it."""
    site.answers["/soon"] = lambda request: plain(request.body)
    with site.client() as client:
        client.send("POST /soon HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        for byte in "slow":
            assert not client.readable(0.15)
            client.send(byte)
        assert client.answer().body == b"slow"


@pytest.mark.parametrize("target, limit", [("/small", 1000), ("/small/if", 1024), ("/small/if?x=1", 1024)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(site, target, limit, chunked):
    site.requests.clear()

    def send(size):
        with site.client() as client:
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\n"
            if chunked:
                client.send(head, f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n", b"x" * size, "\r\n0\r\n\r\n")
            else:
                client.send(head, f"Content-Length: {size}\r\n\r\n", b"x" * size)
            return client.answer()

    assert send(limit).status == 200 and len(site.requests) == 1
    assert send(limit + 1).status == 413 and len(site.requests) == 1


def test_the_size_of_a_body_may_be_unlimited_again(site):
    assert site.request("POST", "/small/not", body=b"x" * 3_000_000).status == 200


def test_nginxs_own_limits_hold(site):
    assert site.request("POST", "/own", body=b"x" * 10).status == 200
    assert site.request("POST", "/own", body=b"x" * 11).status == 413
    assert site.request("POST", "/page", body=b"x" * 11).text == "large"
    assert [site.get("/rate").status for _ in range(2)] == [200, 429]


# ---- buffers -----------------------------------------------------------------------------------


def test_a_request_is_whole_before_it_goes_on_or_goes_on_as_it_comes(site):
    size = 300_000
    head = f"PUT {{}} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    with site.client() as whole, site.client() as comes:
        whole.send(head.format("/whole"), b"x" * (size - 1))
        comes.send(head.format("/comes"), b"x" * (size - 1))
        until(lambda: site.script.got == size - 1, "the service has what the client has sent")
        assert [one.target for one in site.script.heads] == ["/comes"]
        comes.send(b"x")
        finish(site, comes)
        whole.send(b"x")
        finish(site, whole)
    assert [one.target for one in site.script.heads] == ["/comes", "/whole"]


def finish(site, client):
    assert site.script.asked.acquire(timeout=DEADLINE)
    site.script.go.release(2)
    assert client.answer().body == b"piecepiece"


@pytest.mark.parametrize("target, fields, flows", [
    ("/held", "", False), ("/flows", "", True), ("/held", "X-Accel-Buffering: no\r\n", True),
    ("/flows", "X-Accel-Buffering: yes\r\n", False), ("/held", "Content-Type: text/event-stream\r\n", True),
])
def test_a_response_is_gathered_or_passed_on_as_it_comes(site, target, fields, flows):
    site.script.fields = fields
    with site.client() as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert site.script.asked.acquire(timeout=DEADLINE)
        if flows:
            answer = client.reader.head(Answer)
            assert answer.get("X-Accel-Buffering") is None
            client.reader.until(b"piece\r\n", "the first piece")
            site.script.go.release()
            client.reader.until(b"piece\r\n", "the second")
            site.script.go.release()
            client.reader.until(b"0\r\n\r\n", "the end")
        else:
            assert not client.readable(0.2)
            site.script.go.release(2)
            assert client.answer().body == b"piecepiece"


# ---- further attempts --------------------------------------------------------------------------


@pytest.mark.parametrize("target, method, asked", [
    ("/off", "GET", 1), ("/usual", "GET", 3), ("/usual", "POST", 3), ("/four", "GET", 4), ("/other", "GET", 1),
])
def test_what_a_service_refuses_is_tried_as_often_as_nrt_retry_says(site, shared, target, method, asked):
    seen = []
    peer = shared.peer(site.nats)
    refuse = header_block({"NRT-Frame": "t=refuse;reason=busy"})
    peer.subscribe("nrt.requests.busy.nats.*", "nrt", lambda message: (
        seen.append(message), peer.publish(message.reply, b"", headers=refuse)))
    peer.flush()
    try:
        assert_problem(site.request(method, target, body=b"x" if method == "POST" else None), 503, "refused")
        assert len(seen) == asked
    finally:
        peer.close()


@pytest.mark.parametrize("target, method, asked", [("/once", "GET", 1), ("/again", "GET", 2), ("/again", "POST", 2)])
def test_where_nobody_listens_it_may_be_tried_once_more(site, target, method, asked):
    def published():
        return sum(one["in_msgs"] for one in site.nats.connections() if one["name"] == "nginx")

    before = published()
    assert_problem(site.request(method, target), 503, "no-service")
    assert published() - before == asked


def test_the_budget_bounds_further_attempts(world):
    """A hundred failing requests earn twenty, besides ten and three a second."""
    nats = world.nats(monitor=True)
    nginx = Nginx(world, f"nrt_server {nats.url}; nrt_retry no_service; location / {{ nrt_pass nobody.nats; }}").start()
    published = lambda: sum(one["in_msgs"] for one in nats.connections() if one["name"] == "nginx")
    before = published()
    with Stopwatch() as watch, world.client(nginx) as client:
        for _ in range(100):
            assert_problem(client.get("/"), 503, "no-service")
    assert 130 <= published() - before <= 131 + 3 * watch.seconds


class Wire:
    """What lies between nginx and NATS, and can be cut: only nginx loses its connection."""

    def __init__(self, server):
        self.server, self.socks = server, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                pair = (self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.server.port)))
                self.socks += pair
                for one, other in (pair, pair[::-1]):
                    threading.Thread(target=self.copy, args=(one, other), daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def copy(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass

    def cut(self):
        for sock in self.socks:
            sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.socks:
            sock.close()


@pytest.mark.parametrize("method, fields, again", [
    ("GET", (), True), ("POST", (), False), ("POST", [("Idempotency-Key", "k")], True)])
@pytest.mark.parametrize("directive", ["nrt_retry idempotent;", "nrt_retry refused;"])
def test_what_was_lost_is_sent_again_where_twice_does_no_harm(world, nats, peer, directive, method, fields, again):
    wire = world.closing(Wire(nats))
    nginx = Nginx(world, f"nrt_server {wire.url}; {directive} location / {{ nrt_pass a.nats; }}").start()
    seen = []

    def serve(message):
        seen.append(message)
        if len(seen) == 1:
            wire.cut()
        else:
            peer.publish(message.reply, gowire.response(None, b"the second time"))

    peer.subscribe("nrt.requests.a.nats.*", "nrt", serve)
    peer.flush()
    with world.client(nginx) as client:
        answer = client.request(method, "/", fields=fields)
    if again and "idempotent" in directive:
        assert (answer.status, answer.body, len(seen)) == (200, b"the second time", 2)
    else:
        assert_problem(answer, 502, "aborted")
        assert len(seen) == 1
