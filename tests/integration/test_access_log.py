"""--access-log of `nrt gateway` and `nrt serve`, and their lines about requests that fail."""

import json
import os
import re
import signal

import pytest

from harness.client import curl, request_bytes
from harness.clock import until
from harness.origin import Gate, plain
from harness.world import NRT

COMBINED = re.compile(r'(\S+) - - \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"')


@pytest.fixture
def origin(world):
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain(b"12345")
    return origin


def lines_of(path, count):
    """Waits for that many lines; what is there."""
    def read():
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return lines if len(lines) >= count else None

    lines = until(read, f"{count} lines in {path}")
    assert len(lines) == count
    return lines


def gateway_with(world, nats, path, *args):
    return world.gateway(nats, "--route", "/=weather.nats", "--access-log", path, *args)


# ---- what stands there -------------------------------------------------------------------------


def test_combined_is_what_tools_for_web_servers_read(world, nats, origin):
    path = world.path("access.log")
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, path)
    curl(f"{gateway.url}/a?b=c", "-A", "agent/1 (x; y)", "-e", "http://from/")
    curl(f"{gateway.url}/missing", "-X", "DELETE", "-A", "")
    got = [COMBINED.fullmatch(line).groups() for line in lines_of(path, 2)]
    assert (got[0][0], *got[0][2:]) == ("127.0.0.1", "GET /a?b=c HTTP/1.1", "200", "5", "http://from/", "agent/1 (x; y)")
    assert got[1][2:] == ("DELETE /missing HTTP/1.1", "200", "5", "-", "-")
    assert os.stat(path).st_mode & 0o777 & 0o027 == 0


def test_json_at_both_ends_names_the_same_exchange(world, origin):
    nats = world.nats(config="cluster { name: C1, listen: \"127.0.0.1:-1\" }")
    front, back = world.path("front.log"), world.path("back.log")
    world.serve(nats, "weather.nats", origin, args=["--access-log", back, "--access-log-format", "json"])
    gateway = gateway_with(world, nats, front, "--access-log-format", "json")
    got = curl("-i", f"{gateway.url}/x", "-d", "123", "-H", "Host: www.example")
    nrt_id = re.search(r"^NRT-ID: (\S+)", got.text, re.M).group(1)
    client = re.search(r"^NRT-Client: (\S+)", got.text, re.M).group(1)
    at_front, at_back = json.loads(lines_of(front, 1)[0]), json.loads(lines_of(back, 1)[0])
    for line in (at_front, at_back):
        assert line["id"] == nrt_id and line["instance"] == f"alpha/{client}" and line["cluster"] == "C1"
        assert (line["method"], line["target"], line["service"]) == ("POST", "/x", "weather.nats")
        assert (line["status"], line["request_bytes"], line["bytes"]) == (200, 3, 5)
        assert line["peer"] == "127.0.0.1" and "error" not in line
        assert 0 < line["upstream_ms"] <= line["duration_ms"] < 60_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (at_front["host"], at_front["attempts"]) == ("www.example", 1)
    assert at_back["duration_ms"] <= at_front["duration_ms"]


def test_a_request_without_an_answer_says_why(world, nats, origin):
    path = world.path("access.log")
    gateway = gateway_with(world, nats, path, "--access-log-format", "json", "--max-body", "10")
    client = world.client(gateway)
    client.get("/")
    client.send("nonsense\r\n\r\n")
    client.answer()
    large = world.client(gateway)
    large.request("POST", "/", body=b"x" * 11)
    got = [json.loads(line) for line in lines_of(path, 3)]
    assert [(line["status"], line["error"]) for line in got] == [
        (503, "no-service"), (400, "bad-request"), (413, "too-large")]
    assert "upstream_ms" not in got[0] and got[0]["detail"] and "method" not in got[1]


def test_a_client_that_left_is_499(world, nats, origin):
    front, back = world.path("front.log"), world.path("back.log")
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain(b"late")
    world.serve(nats, "weather.nats", origin, args=["--access-log", back])
    gateway = gateway_with(world, nats, front)
    client = world.client(gateway)
    client.send(request_bytes("GET", "/slow"))
    gate.wait_entered()
    client.close()
    assert COMBINED.fullmatch(lines_of(front, 1)[0]).group(4) == "499"
    assert COMBINED.fullmatch(lines_of(back, 1)[0]).group(4) == "499"
    gate.open()


@pytest.mark.parametrize("kind", ["combined", "json"])
def test_a_peer_cannot_forge_lines_or_fields(world, nats, origin, kind):
    path = world.path("access.log")
    origin.answer = lambda request: plain(b"", fields=[("NRT-ID", 'x" 999 forged')])
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, path, "--access-log-format", kind)
    client = world.client(gateway)
    agent = 'a" 200 1 "-" "b\\\t\x80\xff{}\'","status":999'
    client.get("/x\"y\\z?%0a%0d%22", fields=[("User-Agent", agent), ("Referer", '"')])
    client.send(b"GET /\n/forged HTTP/1.1\r\nHost: a\r\n\r\n")
    client.answer()
    lines = lines_of(path, 2)
    if kind == "combined":
        got = COMBINED.fullmatch(lines[0])
        assert got.group(4) == "200" and got.group(7) == 'a\\x22 200 1 \\x22-\\x22 \\x22b\\x5C\\x09\\x80\\xFF{}\'\\x22,\\x22status\\x22:999'
        assert COMBINED.fullmatch(lines[1]).group(4) == "400"
    else:
        first = json.loads(lines[0])
        assert first["status"] == 200 and first["user_agent"] == 'a" 200 1 "-" "b\\\t��{}\'","status":999'
        assert json.loads(lines[1])["status"] == 400


# ---- where it goes -----------------------------------------------------------------------------


def test_sighup_opens_the_file_anew_and_loses_nothing(world, nats, origin):
    path = world.path("access.log")
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, path)
    client = world.client(gateway)
    for number in range(50):
        client.get(f"/before-{number}")
    os.rename(path, path + ".1")
    gateway.signal(signal.SIGHUP)
    gateway.wait_line("opening the access log .* anew")
    for number in range(50):
        client.get(f"/after-{number}")
    until(lambda: os.path.exists(path), "there is a new file")
    assert gateway.stop() == 0
    with open(path + ".1", encoding="utf-8") as old, open(path, encoding="utf-8") as new:
        lines = old.read().splitlines() + new.read().splitlines()
    assert [COMBINED.fullmatch(line).group(3).split()[1] for line in lines] == [
        *(f"/before-{number}" for number in range(50)), *(f"/after-{number}" for number in range(50))]


def test_a_file_that_cannot_be_opened_anew_is_written_on(world, nats, origin):
    folder = world.path("logs")
    os.mkdir(folder)
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, f"{folder}/access.log")
    client = world.client(gateway)
    client.get("/1")
    lines_of(f"{folder}/access.log", 1)
    os.rename(folder, folder + ".away")
    gateway.signal(signal.SIGHUP)
    gateway.wait_line("opening the access log")
    until(lambda: client.get("/2").status == 200 and "cannot open the access log" in gateway.stderr, "it says so")
    with open(f"{folder}.away/access.log", encoding="utf-8") as file:
        until(lambda: "/2" in file.read(), "the old file is written on")


def test_standard_output(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, "-")
    curl(f"{gateway.url}/out")
    assert gateway.wait_line(r'"GET /out HTTP/1\.1" 200 5 ', "stdout")


def test_without_an_access_log_sighup_ends_in_good_order(world, nats, origin):
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    gateway.signal(signal.SIGHUP)
    assert gateway.wait() == 0


def test_lines_are_there_when_it_has_ended(world, nats, origin):
    path = world.path("access.log")
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, path)
    client = world.client(gateway)
    for number in range(500):
        client.get(f"/{number}")
    assert gateway.stop() == 0
    assert len(lines_of(path, 500)) == 500


def test_a_full_disk_stops_no_traffic_and_is_told(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, "/dev/full")
    client = world.client(gateway)
    until(lambda: client.get("/").status == 200 and "No space left on device" in gateway.stderr, "it says what is wrong")
    assert "make room" in gateway.stderr
    for _ in range(1000):
        assert client.get("/").status == 200
    assert gateway.stderr.count("No space left") <= 2


def test_a_pipe_that_nobody_reads_stops_no_traffic(world, nats, origin):
    """More lines than pipe and memory hold; then it is read again, and each line is whole."""
    path = world.path("pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        world.serve(nats, "weather.nats", origin)
        gateway = gateway_with(world, nats, path)
        client = world.client(gateway)
        agent = "y" * 1000
        for _ in range(5000):  # five megabytes, of which it keeps four
            assert client.get("/", fields=[("User-Agent", agent)]).status == 200
        until(lambda: client.get("/").status == 200 and "it is too slow" in gateway.stderr, "it says what is wrong")
        text = b""

        def last_line_is_there():
            nonlocal text
            try:
                text += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return b"GET /last " in text and text.endswith(b"\n")

        until(lambda: client.get("/last").status == 200 and last_line_is_there(), "lines are written again")
        assert all(COMBINED.fullmatch(line.decode()) for line in text.splitlines())
    finally:
        os.close(reader)


def test_a_file_that_cannot_be_opened_is_an_error(world, nats):
    done = world.run([NRT, "gateway", "--server", nats.url, "--listen", "0", "--proxy", "--access-log", "/nowhere/x"], expect=1)
    assert "--access-log: cannot open /nowhere/x: No such file or directory; make its folder first" in done.stderr
    done = world.run([NRT, "serve", "--server", nats.url, "--access-log-format", "xml", "a.nats", "http://127.0.0.1:1"], expect=2)
    assert "combined" in done.stderr and "json" in done.stderr


# ---- what fails --------------------------------------------------------------------------------


def test_requests_that_fail_are_told_once_in_a_while_with_what_to_do(world, nats):
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    client = world.client(gateway)
    for _ in range(100):
        assert client.get("/").status == 503
    assert client.get("/", host="x").status == 503
    lines = [line for line in gateway.stderr.splitlines() if "weather.nats" in line]
    assert 1 <= len(lines) <= 2
    assert re.fullmatch(r"nrt gateway: weather\.nats: no service answers; start an instance of it \(nrt serve\).*", lines[0])


def test_what_clients_do_wrong_is_not_told(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    gateway = world.gateway(nats, "--route", "/a=weather.nats")
    client = world.client(gateway)
    client.get("/nowhere")
    world.client(gateway).request("CONNECT", "/a")
    client = world.client(gateway)
    client.send("nonsense\r\n\r\n")
    client.answer()
    assert gateway.stop() == 0
    assert not re.search("^nrt gateway:", gateway.stderr, re.M)


def test_a_sidecar_tells_of_its_server(world, nats, origin):
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"
    sidecar = world.serve(nats, "weather.nats", origin, args=["--log", "json"], wait=False)
    sidecar.wait_line('"serving"')
    assert curl(world.gateway(nats, "--route", "/=weather.nats").url + "/", "-w", "%{http_code}").text.endswith("502")
    line = json.loads(sidecar.wait_line('.*"request-failed".*').group(0))
    assert (line["host"], line["error"], line["count"]) == ("weather.nats", "bad-origin-response", 1)
    assert "breaks HTTP/1.1" in line["advice"]
