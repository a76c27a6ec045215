"""Another configuration for a gateway that runs, on SIGHUP: requests that begin go by it, none is lost, what is
under way goes on; and where something is wrong with it, all stays as it was."""

import json
import os
import re
import signal
import socket
import threading

import pytest

from harness.client import Client, curl, is_listening, request_bytes
from harness.clock import DEADLINE, until
from harness.configured import ROUTE, Configured, fine
from harness.load import Load, echo
from harness.message import Answer, assert_problem
from harness.metrics import scrape
from harness.origin import Gate, plain
from harness.world import NRT, free_port

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "my-own/1")]


@pytest.fixture
def service(world, nats):
    origin = world.origin(echo("o"))
    world.serve(nats, "weather.nats", origin, "other.nats", origin)
    return origin


@pytest.fixture
def start(world, nats):
    return lambda *args, **keys: Configured(world, nats, keys.pop("keys", keys), *args)


def test_new_requests_find_the_new_routes_on_connections_that_are_there(start, service):
    gateway = start()
    with Client(gateway.url) as client:
        assert client.get("/x").status == 200
        gateway.reload(route=["/new=other.nats"])
        assert client.get("/x").status == 404
        assert client.get("/new").status == 200
        gateway.reload(route=ROUTE, **{"max-body": "2"})
        assert client.get("/x").status == 200
        assert client.post("/x", b"123").status == 413


def test_no_request_is_lost_while_configurations_come_and_go(world, start, service):
    """Kept connections, new ones, a tunnel and a stream; and more signals than there are files."""
    def raw_echo(connection):
        connection.read()
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: my-own/1\r\n\r\n")
        while data := connection.sock.recv(65536):
            connection.send(data)

    gateway = start(keys={"route": ["/=weather.nats", "/echo=other.nats"]})
    tunnel_origin = world.origin(script=raw_echo)
    world.serve(gateway.keys["server"], "echo.nats", tunnel_origin)
    gateway.reload(route=["/=weather.nats", "/echo=echo.nats"])
    tunnel = world.client(gateway.url)
    tunnel.send(request_bytes("GET", "/echo", fields=UPGRADE))
    assert tunnel.reader.head(Answer).status == 101
    load = Load(gateway, threads=4)
    fresh, going = [], threading.Event()

    def ask_afresh():
        while not going.is_set():
            with Client(gateway.url) as client:
                fresh.append(client.get("/").status)

    asking = threading.Thread(target=ask_afresh)
    asking.start()
    for number in range(10):
        gateway.reload(route=["/=weather.nats", f"/{number}=other.nats"], listen=["0"] if number % 2 else "0")
        tunnel.send(b"still %d" % number)
        assert tunnel.sock.recv(7, socket.MSG_WAITALL) == b"still %d" % number
    for _ in range(20):
        gateway.child.signal(signal.SIGHUP)
    gateway.hangup("is taken over")
    going.set()
    asking.join()
    assert load.stop() == []
    assert len(load.answers) > 50 and len(fresh) > 10
    assert set(fresh) == {200}
    with Client(gateway.url) as client:
        assert client.get("/9").status == 200
        gateway.reload(route=["/9=other.nats"])
        assert client.get("/").status == 404
    tunnel.send(b"the end")
    assert tunnel.sock.recv(100) == b"the end"


def test_a_bad_file_changes_nothing_and_says_why(world, start, service):
    log = world.path("access.log")
    gateway = start(keys={"access-log": log})
    with socket.create_server(("127.0.0.1", 0)) as taken, Client(gateway.url) as client:
        port = str(taken.getsockname()[1])
        free = str(free_port())
        for keys, said in (
                ("{", "the file ends too early"),
                (fine(route=[]), "nothing to do"),
                (fine(listen=[free, port]), f"cannot listen on {port}: Address already in use"),
                (fine(listen=[free], admin=port), "--admin: cannot listen on"),
                (fine(listen=[free], **{"access-log": world.path("no/where")}), "--access-log: cannot open"),
        ):
            if isinstance(keys, dict):
                keys["server"] = gateway.keys["server"]
            lines = gateway.reload(keys, expect="is not taken over: all goes on as before")
            assert said in lines
            assert client.get("/x").status == 200
            assert not is_listening(f"http://127.0.0.1:{free}")
        os.unlink(gateway.path)
        assert "No such file" in gateway.hangup("is not taken over")
        assert client.get("/x").status == 200
    gateway.reload(route=["/y=weather.nats"])
    with Client(gateway.url) as client:
        assert client.get("/x").status == 404


@pytest.mark.parametrize("change", [
    {"server": "nats://127.0.0.1:1"}, {"name": "other"}, {"prefix": "other"}, {"max-head": "32k"}, {"user": "me"},
    {"tls-first": True}, {"inbox-prefix": "_IN"}, {"max-fields": 10}, {"max-target": "1k"}])
def test_what_is_the_connections_needs_a_restart_and_that_is_said(start, service, change):
    gateway = start()
    said = gateway.reload({**gateway.keys, **change},
                          expect="is not taken over")
    assert f"{next(iter(change))} cannot change while the gateway runs: restart it for that" in said
    with Client(gateway.url) as client:
        assert client.get("/").status == 200


def test_listeners_come_and_go(world, start, service):
    gate = Gate()
    path, other = world.path("a.sock"), world.path("b.sock")
    gateway = start(keys={"listen": ["0", f"unix:{path}"]})
    port = gateway.url.rsplit(":", 1)[1]
    kept, asked = world.client(gateway.url), world.client(f"unix:{path}")
    assert kept.get("/").status == 200 and asked.get("/").status == 200
    service._answer = lambda request: gate.wait() or plain(b"late")
    asked.send(request_bytes("GET", "/"))
    gate.wait_entered()
    lines = gateway.reload(listen=["0", f"unix:{other}"])
    assert f"listening on unix:{other}" in lines and f"no more listening on unix:{path}" in lines
    assert not os.path.exists(path) and is_listening(f"unix:{other}") and is_listening(gateway.url)
    gate.open()
    late = asked.answer()
    assert (late.body, late.get("Connection")) == (b"late", "close") and asked.at_end()
    # A listener that is gone answers the next request of those who are there, and no other.
    other_client = world.client(f"unix:{other}")
    assert other_client.get("/").status == 200
    gateway.reload(listen=["0"])
    last = other_client.get("/")
    assert (last.status, last.get("Connection")) == (200, "close") and other_client.at_end()
    assert kept.get("/").status == 200
    assert port == gateway.url.rsplit(":", 1)[1]


def test_the_same_port_on_other_addresses_without_a_gap(world, start, service):
    port = free_port()
    gateway = start(keys={"listen": str(port)})
    for listen in (f":{port}", f"127.0.0.1:{port}", f"[::]:{port}", str(port)):
        lines = gateway.reload(listen=listen)
        assert lines.count("no more listening") == 1
        assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}/").text == "200"
    # It is this gateway's alone afterwards.
    done = world.run([NRT, "gateway", "--server", gateway.keys["server"], "--proxy", "--listen", str(port)], expect=1)
    assert "Address already in use" in done.stderr


def test_the_mode_of_a_socket_and_who_is_trusted_change_in_place(world, start, service):
    path = world.path("a.sock")
    gateway = start(keys={"listen": {"address": f"unix:{path}", "listen-mode": "600"}})
    client = world.client(f"unix:{path}")

    def forwarded():
        client.get("/", fields=[("X-Forwarded-For", "1.2.3.4")])
        return service.requests[-1].get("X-Forwarded-For")

    assert "1.2.3.4" not in forwarded()
    gateway.reload(listen={"address": f"unix:{path}", "listen-mode": "666"}, **{"trust-forwarded": "unix"})
    assert os.stat(path).st_mode & 0o777 == 0o666
    assert forwarded() == "1.2.3.4"
    gateway.reload(listen=f"unix:{path}")
    mask = os.umask(0)
    os.umask(mask)
    assert os.stat(path).st_mode & 0o777 == 0o777 & ~mask


def test_logs_and_admin_listener_change(world, start, service):
    first, second = world.path("first.log"), world.path("second.log")
    gateway = start(keys={"access-log": first})
    client = world.client(gateway.url)
    client.get("/1")
    until(lambda: os.path.getsize(first) > 0, "a line")
    lines = gateway.reload(admin="0", **{"access-log": second, "access-log-format": "json"})
    admin = re.search(r"admin on (\S+)", lines).group(1)
    client.get("/2")
    until(lambda: os.path.getsize(second) > 0, "a line")
    with open(second, encoding="utf-8") as log:
        line = json.loads(log.readline())
    assert line["target"] == "/2" and 0 < line["duration_ms"] < 60_000
    assert len(open(first, encoding="utf-8").readlines()) == 1
    metrics = scrape(admin)
    assert metrics.get("nrt_gateway_requests_total", service="weather.nats", method="GET", code="2xx") == 1
    assert metrics["nrt_gateway_connections"] == 1
    lines = gateway.reload(admin="127.0.0.2:0", **{"access-log": None, "access-log-format": None, "verbose": True})
    moved = re.search(r"admin on (\S+)", lines).group(1)
    assert moved.startswith("http://127.0.0.2:") and not is_listening(admin)
    assert scrape(moved).get("nrt_gateway_requests_total", service="weather.nats", method="GET", code="2xx") == 1
    seen = len(gateway.child.lines("stderr"))
    client.get("/3")
    gateway.child.wait_line(r"GET /3 -> weather.nats: 200", skip=seen)
    gateway.reload(admin=None, log="json")
    assert not is_listening(moved)
    assert json.loads(gateway.child.lines("stderr")[-1])["event"] == "reloaded"
    # The log is opened anew by each, also by one that is refused.
    gateway.reload(**{"access-log": first})
    os.rename(first, second)
    gateway.reload({"listen": "x"}, expect="is not taken over")
    client.get("/4")
    until(lambda: os.path.exists(first) and os.path.getsize(first) > 0, "the log anew")


def test_retries_and_timeout_change(world, nats, start):
    gate = Gate()
    world.serve(nats, "weather.nats", world.origin(lambda request: gate.wait() or plain(b"")))
    gateway = start(keys={"timeout": "5m"})
    with Client(gateway.url) as client:
        gateway.reload(timeout="100ms", retry=0)
        assert_problem(client.get("/"), 504, "timeout")
        gateway.reload(timeout="5m", retry=3, **{"retry-on": ["no-service"], "route": ["/=none.nats"]})
        assert client.get("/").status == 503
    gate.open()
    gateway.child.signal(signal.SIGUSR1)
    assert "retries_no_service=1" in gateway.child.wait_line(r"stats: ").string


def test_a_hangup_before_there_is_a_connection_counts_too(world, service, nats):
    gateway = Configured(world, nats, {"server": f"nats://127.0.0.1:{free_port()}"}, wait=False)
    gateway.child.wait_line("no connection to NATS")
    gateway.keys["route"] = ["/y=weather.nats"]
    gateway.reload(gateway.keys)


def test_a_hangup_while_it_is_being_stopped_is_passed_over(world, start, service):
    gate = Gate()
    service._answer = lambda request: gate.wait() or plain(b"late")
    gateway = start()
    client = world.client(gateway.url)
    client.send(request_bytes("GET", "/"))
    gate.wait_entered()
    gateway.child.signal(signal.SIGTERM)
    gateway.child.wait_line("stopping")
    gateway.child.signal(signal.SIGHUP)
    gate.open()
    assert client.answer().body == b"late"
    assert gateway.child.wait() == 0
    assert "taken over" not in gateway.child.stderr


def test_a_stop_waits_for_what_a_listener_that_is_gone_still_does(world, start, service):
    gate = Gate()
    service._answer = lambda request: gate.wait() or plain(b"late")
    path = world.path("a.sock")
    gateway = start(keys={"listen": ["0", f"unix:{path}"]})
    client = world.client(f"unix:{path}")
    client.send(request_bytes("GET", "/"))
    gate.wait_entered()
    gateway.reload(listen="0")
    gateway.child.signal(signal.SIGTERM)
    gateway.child.wait_line("stopping")
    gate.open()
    assert client.answer().body == b"late"
    assert gateway.child.wait(DEADLINE) == 0
