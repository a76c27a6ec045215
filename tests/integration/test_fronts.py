"""docs/fronts.md: HAProxy and Caddy before `nrt gateway` on a unix socket, as the page has them. The
real ones, out of Debian's packages; nothing of them is installed, and they listen on loopback."""

import grp
import hashlib
import os
import ssl
import stat
import threading

import pytest

from harness.client import Client, curl, is_listening, request_bytes
from harness.clock import DEADLINE, until
from harness.message import Answer, Reader, Request
from harness.origin import plain
from harness.outside import unpacked
from harness.page import Section, split
from harness.world import NRT, free_port

CLAIMS = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "forged.example"),
          ("Forwarded", "for=6.6.6.6")]


class Front:
    """A server with the page's configuration, where only addresses, files and users are others."""

    def __init__(self, world, nats, title):
        self.world = world
        self.section = Section(title, "fronts.md")
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.folder = world.path(title)
        os.mkdir(self.folder)
        self.socket = os.path.join(self.folder, "gateway.sock")
        self.key, self.cert = world.path("key.pem"), world.path("cert.pem")
        world.run(["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
                   "-keyout", self.key, "-out", self.cert])
        self.gateway(nats, title)
        getattr(self, title.lower())()
        until(lambda: is_listening(f"http://127.0.0.1:{self.port}"), f"{title} listens")

    def gateway(self, nats, title):
        section = self.section if title == "HAProxy" else Section("The gateway", "fronts.md")
        line, = section.commands(r"^nrt gateway")
        _, argv = split(line)
        argv[argv.index("--listen") + 1] = f"unix:{self.socket}"
        # The page's folder has a group, and the bit that hands it on.
        os.chown(self.folder, -1, self.group.gr_gid)
        os.chmod(self.folder, 0o2770)
        self.argv = [NRT, argv[1], "--server", nats.url, *argv[2:]]
        self.start_gateway()
        status = os.stat(self.socket)
        assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_gid == self.group.gr_gid

    def start_gateway(self):
        self.child = self.world.start(self.argv, "nrt gateway")
        self.child.wait_line(r"listening on unix:")

    @property
    def group(self):
        """The one that gets in: nobody's, where we may become that."""
        return grp.getgrnam("nogroup") if os.geteuid() == 0 else grp.getgrgid(os.getegid())

    def config(self, name, *changes):
        text = self.section.file(name)
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return self.world.file(name, text)

    def haproxy(self):
        with open(self.cert, encoding="ascii") as cert, open(self.key, encoding="ascii") as key:
            pem = self.world.file("site.pem", cert.read() + key.read())
        root = os.geteuid() == 0
        config = self.config(
            "haproxy.cfg",
            ("chroot /var/lib/haproxy", f"chroot {self.folder}" if root else ""),
            ("user haproxy", "user nobody" if root else ""),
            ("group haproxy", "group nogroup" if root else ""),
            ("bind :443 ssl crt /etc/haproxy/site.pem", f"bind 127.0.0.1:{self.port} ssl crt {pem}"),
            ("unix@/nrt/gateway.sock", "unix@/gateway.sock" if root else f"unix@{self.socket}"))
        libraries = [os.path.join(unpacked(package), "usr/lib/x86_64-linux-gnu")
                     for package in ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")]
        binary = os.path.join(unpacked("haproxy"), "usr/sbin/haproxy")
        self.world.start([binary, "-db", "-f", config], "haproxy",
                         env={"LD_LIBRARY_PATH": ":".join(libraries)}).expected = None

    def caddy(self):
        config = self.config(
            "Caddyfile",
            ("example.com {", "{\n admin off\n auto_https disable_redirects\n}\n"
                              f"{self.url} {{\n bind 127.0.0.1\n tls {self.cert} {self.key}"),
            ("unix//run/nrt/gateway.sock", f"unix/{self.socket}"))
        binary = os.path.join(unpacked("caddy"), "usr/bin/caddy")
        self.world.start([binary, "run", "--config", config, "--adapter", "caddyfile"], "caddy",
                         env={"HOME": self.folder, "XDG_DATA_HOME": self.folder})

    def client(self):
        """HTTP/1.1 over TLS."""
        client = Client(f"http://127.0.0.1:{self.port}")
        context = ssl.create_default_context(cafile=self.cert)
        client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
        client.reader = Reader(client.sock)
        self.world.closing(client)
        return client


@pytest.fixture(params=["HAProxy", "Caddy"])
def front(request, world, nats):
    return lambda: Front(world, nats, request.param)


def test_requests_and_bodies_pass_over_http_1_and_http_2(world, nats, front):
    origin = world.origin(lambda request: plain(hashlib.sha256(request.body).hexdigest(), "418 Teapot"))
    world.serve(nats, "weather.nats", origin)
    server = front()
    body = b"x" * (3 << 20)
    path = world.file("body", body)
    for version in ("1.1", "2"):
        done = curl(f"--http{version}", "--cacert", server.cert, "--resolve", f"localhost:{server.port}:127.0.0.1", "-T", path,
                    "-w", " %{http_version} %{http_code}", server.url + "/a%20b?c")
        assert done.text == f"{hashlib.sha256(body).hexdigest()} {version} 418", done
    assert {request.target for request in origin.requests} == {"/a%20b?c"}


def test_services_are_told_who_the_client_is_and_not_what_it_claims(world, nats, front):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    assert front().client().get("/", host="localhost", fields=CLAIMS).status == 200
    seen, = origin.requests
    assert seen.all("X-Forwarded-For") == ["127.0.0.1"]
    assert seen.all("X-Forwarded-Proto") == ["https"]
    assert seen.all("X-Forwarded-Host") == ["localhost"]
    assert seen.all("Forwarded") == []


def test_events_come_as_they_are_written_and_who_leaves_ends_them(world, nats, front):
    seen, closed = threading.Semaphore(0), threading.Event()

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(5):
            connection.send(f"data: {number}\n\n")
            assert seen.acquire(timeout=DEADLINE)
        connection.wait_closed()
        closed.set()

    world.serve(nats, "weather.nats", world.origin(script=script))
    client = front().client()
    client.send(request_bytes("GET", "/", host="localhost"))
    for number in range(5):
        client.reader.until(f"data: {number}\n\n".encode(), "an event")
        seen.release()
    client.close()
    assert closed.wait(DEADLINE)


def test_a_websocket_passes(world, nats, front):
    def script(connection):
        connection.reader.head(Request)
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        while data := connection.sock.recv(65536):
            connection.send(data)

    world.serve(nats, "weather.nats", world.origin(script=script))
    client = front().client()
    client.send(request_bytes("GET", "/", host="localhost", fields=[
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]))
    assert client.reader.head(Answer).status == 101
    for piece in (b"hello", b"x" * 100000):
        client.send(piece)
        assert client.reader.exactly(len(piece)) == piece


def test_between_two_gateways_requests_wait_or_are_told(world, nats, front):
    world.serve(nats, "weather.nats", world.origin(plain("fine")))
    server = front()
    assert server.child.stop() == 0 and not os.path.exists(server.socket)
    client = server.client()
    client.send(request_bytes("GET", "/", host="localhost"))
    if server.section.title == "HAProxy":
        assert client.answer().status == 503
        client = server.client()
        server.start_gateway()
        assert client.get("/", host="localhost").body == b"fine"
        return
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):  # an error page would be here by now
        client.sock.recv(1)
    client.sock.settimeout(DEADLINE)
    server.start_gateway()
    assert client.answer().body == b"fine"


# ---- the gateway's own side of it --------------------------------------------------------------


def unix_gateway(world, nats, *args):
    path = world.path("gateway.sock")
    return world.gateway(nats, "--route", "/=weather.nats", *args, listen=f"unix:{path}"), path


@pytest.mark.parametrize("trusted, expected", [(True, "6.6.6.6"), (False, "unix")])
def test_a_unix_socket_is_trusted_where_it_is_said(world, nats, trusted, expected):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    gateway, _ = unix_gateway(world, nats, *(["--trust-forwarded", "unix"] if trusted else []))
    world.client(gateway).get("/", fields=CLAIMS[:1])
    assert origin.requests[0].all("X-Forwarded-For") == [expected]


def test_trust_in_a_unix_socket_is_not_trust_in_loopback(world, nats):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--trust-forwarded", "unix")
    world.client(gateway).get("/", fields=CLAIMS[:1])
    assert origin.requests[0].all("X-Forwarded-For") == ["127.0.0.1"]


@pytest.mark.parametrize("mode", ["600", "0666"])
def test_the_mode_of_a_unix_socket(world, nats, mode):
    _, path = unix_gateway(world, nats, "--listen-mode", mode)
    assert stat.S_IMODE(os.stat(path).st_mode) == int(mode, 8)


@pytest.mark.parametrize("listen, mode, said", [
    ("unix:{}", "rw", "three octal digits"), ("unix:{}", "8", "three octal digits"),
    ("unix:{}", "1777", "three octal digits"), ("unix:{}", "0", "three octal digits"), ("0", "660", "unix:/PATH"),
])
def test_a_wrong_mode_is_exit_2(world, nats, listen, mode, said):
    argv = [NRT, "gateway", "--server", nats.url, "--proxy", "--listen", listen.format(world.path("sock")),
            "--listen-mode", mode]
    assert said in world.run(argv, expect=2).stderr
