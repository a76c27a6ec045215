"""Starting, waiting for NATS, leaving in good order, leaving at once, and coming back."""

import contextlib
import json
import signal
import socket

import pytest

from harness import gowire
from harness.client import is_listening, request_bytes
from harness.clock import SLOW, Stopwatch, until
from harness.message import assert_problem
from harness.natsserver import cluster
from harness.origin import Gate, plain
from harness.world import NRT, free_port, program, sanitized

DEAD = "nats://127.0.0.1:1"


def command(world, which, server):
    if which == "serve":
        return world.nrt("serve", "--server", server, "weather.nats", "http://127.0.0.1:1")
    return world.nrt("gateway", "--server", server, "--proxy", "--listen", "0")


# ---- start -------------------------------------------------------------------------------------


@pytest.mark.parametrize("which, ready", [("serve", "serving weather.nats on"),
                                          ("gateway", "listening on")])
def test_at_start_a_program_keeps_trying_and_says_so(world, which, ready):
    nats = world.nats()
    nats.kill()
    child = command(world, which, nats.url)
    child.wait_line(rf"127\.0\.0\.1:{nats.port}")
    assert ready not in child.stderr and child.running
    nats.start()
    child.wait_line(ready)


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_no_wait_ends_with_1_when_there_is_no_server(world, which):
    tail = {"serve": ["weather.nats", "http://127.0.0.1:1"], "gateway": ["--proxy", "--listen", "0"]}
    argv = [NRT, which, "--server", DEAD, "--no-wait", *tail[which]]
    with Stopwatch() as watch:
        done = world.run(argv, expect=1)
    assert watch.seconds < 3 * SLOW
    assert "127.0.0.1:1" in done.stderr


def test_no_wait_does_not_hinder_a_program_that_can_connect(world, nats):
    world.serve(nats, "weather.nats", world.origin(plain("x")), args=["--no-wait"])
    assert world.get(nats, "--no-wait", "http://weather.nats/").stdout == "x"


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_a_signal_while_it_still_waits_for_nats_ends_it(world, which):
    child = command(world, which, DEAD)
    child.wait_line(r"127\.0\.0\.1:1")
    with Stopwatch() as watch:
        assert child.stop() == 0
    assert watch.seconds < 1 * SLOW


def test_a_name_is_shown_by_the_servers_monitoring(world):
    nats = world.nats(monitor=True)
    world.serve(nats, "weather.nats", "http://127.0.0.1:1", args=["--name", "my sidecar"])
    assert [one["name"] for one in nats.connections()] == ["my sidecar"]


def test_log_json_is_one_object_a_line(world, nats):
    world.serve(nats, "weather.nats", world.origin(plain("x")), args=["--verbose"])
    gateway = world.gateway(nats, "--proxy", "--log", "json", "--verbose", wait=False)
    url = gateway.wait_line(r"listening on (http://[0-9.:]+)").group(1)
    world.client(url).get("/city?x", host="weather.nats")
    gateway.wait_line("/city")
    for line in gateway.lines("stderr"):
        assert isinstance(json.loads(line), dict)


def test_the_log_of_a_gateway_says_how_often_a_request_was_sent(world, nats, peer):
    """The one instance is busy, and says so each time."""
    world.handlers(nats, "weather.nats", workers=1, max_in_flight=1)
    gateway = world.gateway(nats, "--proxy", "--log", "json", "--verbose", wait=False)
    url = gateway.wait_line(r"listening on (http://[0-9.:]+)").group(1)
    text = world.gateway(nats, "--proxy", "--verbose")
    client, other = world.client(url), world.client(text)
    assert client.get("/id", host="weather.nats").status == 200
    peer.publish("nrt.requests.weather.nats.get", gowire.request(
        "GET", f"/sleep/{int(2500 * SLOW)}", "weather.nats"), peer.inbox())
    peer.flush()
    assert client.get("/busy", host="weather.nats").error == "refused"
    assert other.get("/busy", host="weather.nats").error == "refused"
    gateway.wait_line("/busy")
    lines = map(json.loads, gateway.lines("stderr"))
    assert {line["target"]: line["attempts"] for line in lines if line["event"] == "request"} == {
        "/id": 1, "/busy": 3}
    text.wait_line(r"GET /busy -> weather\.nats: 503, .*, 3 attempts; ")


# ---- leaving in good order ---------------------------------------------------------------------


@pytest.fixture
def slow(world, nats):
    """A sidecar whose origin holds /slow until slow.gate is opened."""
    gate = Gate()
    origin = world.origin(
        lambda request: (request.target.startswith("/slow") and gate.wait()) or plain(request.target))
    serving = world.serve(nats, "weather.nats", origin)
    serving.gate, serving.origin = gate, origin
    yield serving
    gate.open()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sidecar_finishes_what_is_in_flight(world, nats, slow, number):
    gateway = world.gateway(nats, "--proxy")
    client, other = world.client(gateway), world.client(gateway)
    client.send(request_bytes("GET", "/slow", host="weather.nats"))
    slow.gate.wait_entered()
    slow.signal(number)
    until(lambda: other.get("/", host="weather.nats").error == "no-service", "it left the group")
    assert slow.running
    slow.gate.open()
    assert client.answer().body == b"/slow"
    assert slow.wait() == 0


def test_a_gateway_finishes_what_is_in_flight_and_listens_no_more(world, nats, slow):
    gateway = world.gateway(nats, "--proxy")
    client, idle = world.client(gateway), world.client(gateway)
    assert idle.get("/", host="weather.nats").status == 200
    client.send(request_bytes("GET", "/slow", host="weather.nats"))
    slow.gate.wait_entered()
    gateway.signal(signal.SIGTERM)
    until(lambda: not is_listening(gateway.url), "it listens no more")
    assert idle.at_end()
    assert gateway.running
    slow.gate.open()
    answer = client.answer()
    assert answer.body == b"/slow" and answer.get("Connection") == "close"
    assert client.at_end()
    client.close()
    assert gateway.wait() == 0


def test_a_gateway_in_the_middle_of_a_request_body_lets_it_finish(world, nats, slow):
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    client.send("POST /up HTTP/1.1\r\nHost: weather.nats\r\nExpect: 100-continue\r\n"
                "Content-Length: 10\r\n\r\n")
    assert client.interim().status == 100
    client.send("12345")
    gateway.signal(signal.SIGTERM)
    until(lambda: not is_listening(gateway.url), "it listens no more")
    client.send("67890")
    assert client.answer().body == b"/up"
    client.close()
    assert gateway.wait() == 0


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_with_nothing_in_flight_it_leaves_at_once(world, nats, slow, which):
    gateway = world.gateway(nats, "--proxy")
    world.client(gateway).get("/", host="weather.nats")
    with Stopwatch() as watch:
        assert (slow if which == "serve" else gateway).stop() == 0
    assert watch.seconds < 0.5 * SLOW


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_a_second_signal_leaves_at_once(world, nats, slow, which):
    gateway = world.gateway(nats, "--proxy")
    client, other = world.client(gateway), world.client(gateway)
    client.send(request_bytes("GET", "/slow", host="weather.nats"))
    slow.gate.wait_entered()
    child = slow if which == "serve" else gateway
    child.signal(signal.SIGTERM)
    if which == "serve":
        until(lambda: other.get("/", host="weather.nats").error == "no-service", "it drains")
    else:
        until(lambda: not is_listening(gateway.url), "it drains")
    assert child.running
    with Stopwatch() as watch:
        child.signal(signal.SIGTERM)
        assert child.wait() != 0
    child.expected = None
    assert watch.seconds < 0.5 * SLOW


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_a_server_that_is_silent_does_not_keep_a_program_from_leaving(world, nats, which):
    if which == "serve":
        child = world.serve(nats, "weather.nats", world.origin(plain("x")))
    else:
        child = world.gateway(nats, "--proxy")
    nats.pause()
    with Stopwatch() as watch:
        child.signal(signal.SIGTERM)
        assert child.wait() == 0
    assert watch.seconds < 6 * SLOW


def test_no_request_is_lost_when_one_of_two_instances_drains_under_load(world, nats):
    """A rolling restart: every request is answered 200."""
    origin = world.origin(lambda request: plain(request.target[1:]))
    one = world.serve(nats, "weather.nats", origin)
    world.serve(nats, "weather.nats", origin)
    load = world.program("load", nats.url, "weather.nats", 4000, 16, 5000)
    until(lambda: len(load.lines()) > 500, "load")
    assert one.stop() == 0
    assert load.wait() == 0
    results = [line.split() for line in load.lines()]
    assert len(results) == 4000
    assert {(result[3], result[4]) for result in results} == {("ok", "200")}


# ---- coming back -------------------------------------------------------------------------------


def test_a_restarted_server_is_found_again_by_sidecar_and_gateway(world, nats, slow):
    client = world.client(world.gateway(nats, "--proxy"))
    for _ in range(3):
        assert client.get("/x", host="weather.nats").status == 200
        nats.restart()
        with Stopwatch() as watch:
            until(lambda: client.get("/x", host="weather.nats").body == b"/x", "it works again")
        assert watch.seconds < 1.0 * SLOW


def test_exchanges_resume_within_a_second_when_the_server_restarts_under_load(world, nats):
    serving = world.serve(nats, "weather.nats", world.origin(lambda request: plain(request.target[1:])))
    load = world.program("load", nats.url, "weather.nats", 0, 32, 5000, stdin=-1)
    until(lambda: len(load.lines()) > 1000, "load")
    nats.kill()
    nats.start()
    with Stopwatch() as back:
        lines = len(load.lines())
        load.wait_line(r" ok 200 ", "stdout", skip=lines)
    assert back.seconds < 1.0 * SLOW
    lines = len(load.lines())
    until(lambda: len(load.lines()) > lines + 1000, "load goes on")
    load.stdin.close()
    assert load.wait() == 0 and serving.running
    outcomes = {}
    for line in load.lines():
        outcome = line.split()[3]
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    # At most what was in flight when the server died; no-service while the sidecar still came back.
    assert outcomes.pop("ok") > 1900
    assert set(outcomes) <= {"aborted", "no-service", "disconnected"}, outcomes
    assert outcomes.get("aborted", 0) <= 32


def test_when_a_server_of_a_cluster_dies_its_clients_go_to_another_they_were_told_of(world):
    """Only the first server's URL is configured; the others came in its INFO."""
    one, two = cluster(world.nats, ["one", "two"])
    world.serve(one, "weather.nats", world.origin(plain("x")))
    client = world.client(world.gateway(one, "--proxy"))
    assert client.get("/", host="weather.nats").get("NRT-Connected-Server") == "one"
    one.kill()
    with Stopwatch() as watch:
        until(lambda: client.get("/", host="weather.nats").status == 200, "both moved")
    assert watch.seconds < 2.0 * SLOW
    assert client.get("/", host="weather.nats").get("NRT-Connected-Server") == "two"


def test_an_origin_that_starts_late_is_found(world, nats):
    port = free_port()
    world.serve(nats, "weather.nats", f"http://127.0.0.1:{port}")
    client = world.client(world.gateway(nats, "--proxy"))
    assert_problem(client.get("/", host="weather.nats"), 502, "origin-failed")
    origin = world.origin(plain("x"))
    origin.stop()
    origin.port = port
    origin.start()
    assert client.get("/", host="weather.nats").body == b"x"


@contextlib.contextmanager
def silent(port):
    """127.0.0.2:PORT answers nothing, as a host that is down, or IPv6 that leads nowhere."""
    with contextlib.ExitStack() as stack:
        dead = stack.enter_context(socket.socket())
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        dead.bind(("127.0.0.2", port))
        dead.listen(0)
        with pytest.raises(TimeoutError):
            while True:  # until its queue is full
                one = stack.enter_context(socket.socket())
                one.settimeout(0.3 * SLOW)
                one.connect(("127.0.0.2", port))
        yield {"LD_PRELOAD": program("two_addresses.so"), "TWO_ADDRESSES": "127.0.0.2,127.0.0.1"}


preloads = pytest.mark.skipif(sanitized(), reason="a sanitizer wants to be the first library")


@preloads
def test_of_a_servers_two_addresses_the_second_is_tried_when_the_first_is_silent(world, nats):
    """Each attempt looked the name up anew, and began with the same address."""
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    with silent(nats.port) as env:
        gateway = world.nrt("gateway", "--server", f"nats://two.example:{nats.port}", "--listen",
                            "0", "--proxy", env=env)
        gateway.url = gateway.wait_line(r"listening on (http://\S+)").group(1)
        client = world.client(gateway)
        until(lambda: client.get("/", host="weather.nats").status == 200, "it is connected")


@preloads
def test_of_an_origins_two_addresses_the_second_is_tried_when_the_first_is_silent(world, nats):
    origin = world.origin(plain("x"))
    with silent(origin.port) as env:
        serving = world.nrt("serve", "--server", nats.url, "weather.nats",
                            f"http://two.example:{origin.port}", env=env)
        serving.wait_line("serving weather.nats on ")
        client = world.client(world.gateway(nats, "--proxy", "--timeout", "8s"))
        until(lambda: client.get("/", host="weather.nats").status == 200, "it is served")
