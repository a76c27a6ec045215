"""`nrt serve HOST https://...`: whom it trusts, what it says where it does not, and that TLS changes
nothing else about an origin: connections that are kept, streams, upgrades, ends."""

import os
import socket
import ssl
import threading

import pytest

from harness.client import curl, request_bytes
from harness.clock import DEADLINE, until
from harness.message import Answer, Request, assert_problem
from harness.nginx import Nginx
from harness.origin import plain
from harness.pki import Authority, read, write
from harness.tlssocket import House, server_context
from harness.world import NRT, free_port

BIG = os.urandom(3 << 20)


@pytest.fixture
def ca(world):
    return Authority(world.path("ca"))


@pytest.fixture
def reach(world, nats):
    """reach(origin, *options of nrt serve): (a client of a gateway in front, the sidecar)."""
    def start(target, *args, env=None):
        sidecar = world.serve(nats, "weather.nats", target, args=args, env=env)
        return world.client(world.gateway(nats, "--route", "/=weather.nats")), sidecar

    return start


def house_origin(world, answer=None, script=None, **more):
    house = House.get()
    return world.origin(answer, script=script, tls=server_context((house.cert, house.key), **more))


TRUST = ("--origin-ca", House.get().ca.cert)


# ---- an origin that nobody scripted ------------------------------------------------------------------


def nginx_https(world, pair, more="", versions="TLSv1.2 TLSv1.3"):
    """A real nginx with TLS; its URL."""
    port = free_port()
    write(world.path("big"), BIG)
    nginx = Nginx(world, f"""listen 127.0.0.1:{port} ssl; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};
        ssl_protocols {versions}; {more} root {world.folder}; client_max_body_size 0;
        location /said {{ return 200 "$ssl_protocol $ssl_server_name $ssl_client_verify $connection_requests"; }}
        location /resumed {{ keepalive_timeout 0; return 200 "$ssl_session_reused"; }}""")
    nginx.start()
    return f"https://127.0.0.1:{port}"


@pytest.fixture
def nginx(world, ca):
    return nginx_https(world, ca.issue("origin", "DNS:localhost,DNS:origin.example,IP:127.0.0.1"))


def test_nginx_is_reached_by_tls_over_connections_that_are_kept(world, ca, nginx, reach):
    client, _ = reach(nginx, "--origin-ca", ca.cert)
    said = [client.get("/said").text.split() for _ in range(3)]
    assert said == [["TLSv1.3", "NONE", str(i + 1)] for i in range(3)], "one connection, and no SNI for an address"
    assert client.get("/big").body == BIG


def test_sessions_are_resumed(world, ca, nginx, reach):
    client, _ = reach(nginx, "--origin-ca", ca.cert)
    assert [client.get("/resumed").text for _ in range(4)] == [".", "r", "r", "r"]


def test_sessions_are_resumed_with_tls_1_2_too(world, ca, reach):
    url = nginx_https(world, ca.issue("origin"), versions="TLSv1.2")
    client, _ = reach(url, "--origin-ca", ca.cert)
    assert [client.get("/resumed").text for _ in range(3)] == [".", "r", "r"]
    assert client.get("/said").text.startswith("TLSv1.2 ")


def test_the_name_can_be_another_than_that_of_the_url(world, ca, nginx, reach):
    client, _ = reach(nginx, "--origin-ca", ca.cert, "--origin-name", "origin.example")
    assert client.get("/said").text.split()[1] == "origin.example"
    client.close()


def test_an_origin_that_wants_a_certificate_gets_ours(world, ca, nats, reach):
    url = nginx_https(world, ca.issue("origin"), f"ssl_client_certificate {ca.cert}; ssl_verify_client on;")
    cert, key = ca.issue("us", usage="clientAuth")
    client, _ = reach(url, "--origin-ca", ca.cert, "--origin-cert", cert, "--origin-key", key)
    assert "SUCCESS" in client.get("/said").text
    both = ca.path("both.pem")
    write(both, read(cert) + read(key))
    world.serve(nats, "both.nats", url, args=["--origin-ca", ca.cert, "--origin-cert", both])
    gateway = world.gateway(nats, "--proxy")
    assert "SUCCESS" in curl("--proxy", gateway.url, "http://both.nats/said").text


# ---- whom it trusts ------------------------------------------------------------------------------


def test_what_is_wrong_with_a_certificate_is_told(world, ca, nats):
    gateway = world.gateway(nats, "--proxy")
    alone = Authority(world.path("alone"), "localhost")
    cases = {
        "unknown": (ca.issue("unknown"), (), "no CA of this system signed it: give yours as --origin-ca"),
        "other": (alone.issue("x"), ("--origin-ca", ca.cert), "the CA given is not the one that signed it"),
        "selfsigned": ((alone.cert, alone.key), (), "self-signed certificate; no CA of this system signed it: give yours as --origin-ca"),
        "expired": (ca.issue("expired", days=-1), ("--origin-ca", ca.cert), "the certificate has expired (20"),
        "name": (ca.issue("name", "DNS:a.example"), ("--origin-ca", ca.cert),
                 "IP address mismatch: not for 127.0.0.1; the certificate is for a.example"),
        "othername": (ca.issue("othername", "DNS:a.example"), ("--origin-ca", ca.cert, "--origin-name", "b.example"),
                      "hostname mismatch: not for b.example; the certificate is for a.example"),
    }
    for name, (pair, args, told) in cases.items():
        origin = world.origin(plain("secret"), tls=server_context(pair))
        sidecar = world.serve(nats, f"{name}.nats", origin, args=args)
        done = curl("-i", "--proxy", gateway.url, f"http://{name}.nats/")
        assert " 502 " in done.text.splitlines()[0] and "no TLS with it" in done.text, name
        assert "certificate" not in done.text and "127.0.0.1" not in done.text, "that is its operator's business"
        line = sidecar.wait_line("cannot connect to the origin https://").string
        assert told in line, name
        assert origin.requests == []


def test_the_systems_certificates_are_trusted_where_none_are_named(world, reach):
    client, _ = reach(house_origin(world, plain("ok")), env={"SSL_CERT_FILE": House.get().ca.cert})
    assert client.get("/").text == "ok"


def test_who_insists_can_do_without_and_is_warned(world, ca, reach):
    origin = world.origin(plain("ok"), tls=server_context(ca.issue("expired", "", days=-1)))
    client, sidecar = reach(origin, "--origin-insecure")
    assert client.get("/").text == "ok"
    assert "--origin-insecure: certificates of https:// targets are not looked at" in sidecar.stderr


def test_an_origin_that_speaks_no_tls_is_told_so(world, reach):
    origin = world.origin(script=lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    client, sidecar = reach(origin.url.replace("http", "https"), *TRUST)
    assert client.get("/").status == 502
    sidecar.wait_line("what answers there does not speak TLS")


def test_options_that_mean_nothing_are_refused(world, nats, ca):
    cert, key = ca.issue("us")
    junk = world.file("junk", "hello\n")
    for target, args, told in (
        ("http://127.0.0.1:1", ["--origin-ca", ca.cert], "are for targets that begin with https://, and there is none"),
        ("http://127.0.0.1:1", ["--origin-insecure"], "are for targets that begin with https://, and there is none"),
        ("https://127.0.0.1:1", ["--origin-insecure", "--origin-ca", ca.cert], "would mean nothing beside it"),
        ("https://127.0.0.1:1", ["--origin-key", key], "--origin-key goes with an --origin-cert"),
        ("https://127.0.0.1:1", ["--origin-ca", junk], f"{junk}: no certificate in it"),
        ("https://127.0.0.1:1", ["--origin-ca", "/nowhere"], "--origin-ca: /nowhere: No such file"),
        ("https://127.0.0.1:1", ["--origin-cert", cert], f"{cert}: no private key in it"),
        ("https://user@127.0.0.1:1", [], "is not a target"),
    ):
        done = world.run([NRT, "serve", "--server", nats.url, *args, "weather.nats", target], expect=2)
        assert told in done.stderr and "serving" not in done.stderr, done.stderr


# ---- health ----------------------------------------------------------------------------------------


def test_a_health_check_sees_what_is_wrong_with_tls(world, ca, nats):
    good = house_origin(world, plain("fine"))
    sidecar = world.serve(nats, "weather.nats", good, args=["--health", "/,200ms", *TRUST])
    until(lambda: len(good.requests) >= 2, "checks, each by TLS")
    assert good.connections >= 2 and "not healthy" not in sidecar.stderr
    bad = world.origin(plain("fine"), tls=server_context(ca.issue("bad")))
    sick = world.serve(nats, "sick.nats", bad, args=["--health", "/,200ms", *TRUST], wait=False)
    sick.wait_line("waits outside the queue group: .*the CA given is not the one that signed it")
    silent = socket.create_server(("127.0.0.1", 0))
    mute = world.serve(nats, "mute.nats", f"https://127.0.0.1:{silent.getsockname()[1]}",
                       args=["--health", "/,300ms", *TRUST], wait=False)
    mute.wait_line("no connection within 300 ms")
    silent.close()


# ---- bodies, ends and upgrades -----------------------------------------------------------------------


def test_bodies_pass_both_ways(world, reach):
    origin = house_origin(world, lambda request: plain(request.body[::-1]))
    client, _ = reach(origin, *TRUST)
    assert client.post("/", BIG).body == BIG[::-1]
    assert origin.requests[0].body == BIG


def test_events_come_as_they_are_written(world, reach):
    more = threading.Event()

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        assert more.wait(DEADLINE)
        connection.send("data: 2\n\n")
        connection.sock.say_bye()

    client, _ = reach(house_origin(world, script=script), *TRUST)
    client.send(request_bytes("GET", "/"))
    assert client.reader.until(b"data: 1\n\n", "the first event")
    more.set()
    rest = client.reader.until(b"0\r\n\r\n", "the end")
    assert b"data: 2\n\n" in rest


@pytest.mark.parametrize("size", [5, 3 << 20])
@pytest.mark.parametrize("says_bye", [True, False])
def test_a_response_that_ends_with_the_connection_is_whole_only_where_that_is_said(world, reach, says_bye, size):
    """Who sits between can end TCP at any moment, but not write a close_notify."""
    body = BIG[:size]

    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        if says_bye:
            connection.sock.say_bye()
        connection.sock.sock.shutdown(socket.SHUT_RDWR)

    client, _ = reach(house_origin(world, script=script), *TRUST)
    if says_bye:
        assert client.get("/").body == body
    elif size == 5:
        answer = client.get("/")
        assert_problem(answer, 502, "bad-origin-response")
        assert "close_notify" in answer.text
    else:
        with pytest.raises(Exception, match="closed"):
            client.get("/")


def test_a_kept_connection_that_the_origin_closes_is_replaced(world, reach):
    for says_bye in (True, False):
        def script(connection, says_bye=says_bye):
            connection.read()
            connection.send(plain(str(connection.number)))
            if says_bye:
                connection.sock.say_bye()
            connection.sock.sock.shutdown(socket.SHUT_WR)
            connection.wait_closed()

        origin = house_origin(world, script=script)
        client, sidecar = reach(origin, *TRUST)
        for i in range(3):
            assert client.get("/").text == str(i + 1)
            until(lambda: origin.open_connections == 0, "it is closed")
        sidecar.stop()


def test_the_origin_hears_the_end_of_idle_connections_and_of_clients_that_leave(world, reach):
    heard = []

    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        heard.append(connection.reader.rest())  # would fail without close_notify

    client, _ = reach(house_origin(world, script=script), *TRUST)
    assert client.get("/").text == "ok"
    until(lambda: heard, "the end")
    assert heard == [b""]


def test_an_upgrade_is_a_tunnel_in_tls_with_ends_of_its_own(world, reach):
    def script(connection):
        connection.reader.head(Request)
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        data = connection.reader.rest()  # until the client's side ends
        connection.send(data[::-1])
        connection.sock.say_bye()

    client, _ = reach(house_origin(world, script=script), *TRUST)
    client.send(request_bytes("GET", "/", fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
    assert client.reader.head(Answer).status == 101
    threading.Thread(target=lambda: (client.send(BIG), client.half_close()), daemon=True).start()
    assert client.reader.rest() == BIG[::-1]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused_with_what_is_needed(world, ca, reach):
    context = server_context(ca.issue("old"), maximum=ssl.TLSVersion.TLSv1_1)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    client, sidecar = reach(world.origin(plain("ok"), tls=context), "--origin-ca", ca.cert)
    assert client.get("/").status == 502
    sidecar.wait_line(r"cannot connect to the origin https://.*: the server (refuses: TLS alert|speaks no TLS newer)")
