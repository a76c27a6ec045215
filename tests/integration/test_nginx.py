"""`nrt_pass`: the real nginx with our module, from plain requests to streams. What operating it brings is in test_nginx_operate.py."""

import hashlib
import threading

import pytest

from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.message import Answer, Request
from harness.nginx import Nginx
from harness.origin import plain
from harness.world import free_port

MIB = 1 << 20


@pytest.fixture
def nginx(world, nats):
    def make(server="location / { nrt_pass weather.nats; }", **more):
        return Nginx(world, f"nrt_server {nats.url}; {server}", **more).start()
    return make


def echo_text(method, target, body):
    return f"{method} {target} {len(body)} {hashlib.sha256(body).hexdigest()}"


def echo(request):
    return plain(echo_text(request.method, request.target, request.body), fields=[("X-Own", "1")])


def test_requests_of_all_kinds_go_through(world, nats, nginx):
    origin = world.origin(echo)
    world.serve(nats, "weather.nats", origin)
    client = world.client(nginx())
    for size in (0, 1, 1000, 100000, 3 * MIB):
        body = b"x" * size
        answer = client.post("/city?a=b%20c", body)
        assert answer.text == f"POST /city?a=b%20c {size} {hashlib.sha256(body).hexdigest()}"
        assert answer.get("X-Own") == "1" and answer.get("NRT-ID")
    assert client.get("/").text.startswith("GET / 0 ")
    head = client.request("HEAD", "/")
    assert head.status == 200 and int(head.get("Content-Length")) > 60
    assert [one.get("Host") for one in origin.requests] == ["weather.nats"] * len(origin.requests)


def test_large_bodies_go_both_ways(world, nats, nginx):
    size = 48 * MIB
    world.serve(nats, "weather.nats", world.origin(
        lambda request: echo(request) if request.body else plain(b"y" * size)))
    gateway = nginx()
    path = world.file("upload", b"z" * size)
    assert curl("-T", path, gateway.url + "/").text.endswith(hashlib.sha256(b"z" * size).hexdigest())
    assert hashlib.sha256(curl(gateway.url + "/").body).digest() == hashlib.sha256(b"y" * size).digest()


def test_failures_have_a_status(world, nats, nginx):
    gateway = nginx("location / { nrt_pass nobody.nats; }")
    client = world.client(gateway)
    with Stopwatch() as watch:
        assert client.get("/").status == 503
    assert watch.seconds < 1 * SLOW
    world.serve(nats, "nobody.nats", world.origin(plain("gone", "410 Gone")))
    assert until(lambda: (answer := client.get("/")).status == 410 and answer, "served").body == b"gone"


def test_events_come_as_they_are_written(world, nats, nginx):
    seen = threading.Semaphore(0)

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(10):
            connection.send(f"data: {number}\n\n")
            assert seen.acquire(timeout=DEADLINE)

    world.serve(nats, "weather.nats", world.origin(script=script))
    client = world.client(nginx("location / { nrt_pass weather.nats; nrt_buffering off; }"))
    client.send(request_bytes("GET", "/"))
    client.reader.until(b"\r\n\r\n", "the head")
    for number in range(10):
        assert f"data: {number}\n\n".encode() in client.reader.until(b"\n\n", "an event")
        seen.release()


def test_a_client_that_leaves_ends_the_origins_connection(world, nats, nginx):
    asked, closed = threading.Event(), threading.Event()

    def script(connection):
        connection.read()
        asked.set()
        connection.wait_closed()
        closed.set()

    world.serve(nats, "weather.nats", world.origin(script=script))
    with Client(nginx().url) as client:
        client.send(request_bytes("GET", "/"))
        assert asked.wait(DEADLINE)
    assert closed.wait(2 * SLOW)


def test_websocket_bytes_go_both_ways(world, nats, nginx):
    def script(connection):
        connection.reader.head(Request)
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while True:
            data = connection.sock.recv(65536)
            if not data:
                return
            connection.send(data)

    world.serve(nats, "weather.nats", world.origin(script=script))
    with Client(nginx().url) as client:
        client.send(request_bytes("GET", "/", fields=[("Connection", "Upgrade"), ("Upgrade", "websocket")]))
        assert client.reader.head(Answer).status == 101
        for piece in (b"hello", b"x" * 100000):
            client.send(piece)
            assert client.reader.exactly(len(piece)) == piece


@pytest.mark.parametrize("server, named", [
    ("location / { nrt_pass weather; }", "weather"),
    ("location / { nrt_pass http://weather.nats; }", "http://weather.nats"),
    ("nrt_context no-such-context; location / { nrt_pass weather.nats; }", "no-such-context"),
    ("nrt_creds /no/such/file; location / { nrt_pass weather.nats; }", "/no/such/file"),
])
def test_what_could_not_work_is_refused_by_the_check(world, server, named):
    fine, said = Nginx(world, server).check()
    assert not fine and named in said, said


def test_http_2_and_tls_in_front(world, nats):
    """What nginx brings: nobody behind it needs to learn it."""
    world.serve(nats, "weather.nats", world.origin(echo))
    key, cert = world.path("key.pem"), world.path("cert.pem")
    world.run(["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
               "-keyout", key, "-out", cert])
    port = free_port()
    Nginx(world, f"listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};"
                 f"nrt_server {nats.url}; location /city {{ nrt_pass weather.nats; }}").start()
    for version in ("1.1", "2"):
        done = curl(f"--http{version}", "--cacert", cert, "--resolve", f"localhost:{port}:127.0.0.1", "-d", "body",
                    "-w", " %{http_version} %{http_code}", f"https://localhost:{port}/city")
        assert done.text == echo_text("POST", "/city", b"body") + f" {version} 200", done
