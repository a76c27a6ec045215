"""`nrt bench`: load on a service over a real server, and what it says came of it."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from harness.clock import DEADLINE, until
from harness.origin import Gate, plain
from harness.world import NRT


def bench(world, nats, *args, **options):
    return world.run([NRT, "bench", "--server", nats.url, *args], **options)


@pytest.fixture
def origin(world, nats):
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain(b"12345")
    world.serve(nats, "weather.nats", origin)
    return origin


def test_it_sends_as_many_as_it_was_told_to(world, nats, origin):
    done = bench(world, nats, "-n", "500", "-c", "10", "--json", "-H", "X-Load: yes", "--data", "ab",
                 "http://weather.nats/city?x=1")
    got = json.loads(done.stdout)
    assert (got["requests"], got["responses"], got["failures"], got["in_flight"]) == (500, 500, 0, 10)
    assert got["statuses"] == {"2xx": 500} and got["errors"] == {} and got["bytes"] == 2500
    assert len(origin.requests) == 500
    assert {(one.method, one.target, one.body, one.get("X-Load")) for one in origin.requests} == {
        ("POST", "/city?x=1", b"ab", "yes")}
    latency = got["latency_us"]
    assert (0 < latency["min"] <= latency["p50"] <= latency["p75"] <= latency["p90"] <= latency["p99"]
            <= latency["p999"] <= latency["p9999"] <= latency["max"])
    assert latency["min"] <= latency["mean"] <= latency["max"] <= got["seconds"] * 1e6
    assert sum(count for _, _, count in got["buckets_us"]) == 500
    assert abs(got["responses_per_s"] - 500 / got["seconds"]) < 1


def test_no_more_are_in_flight_than_asked_for(world, nats, origin):
    gate, waiting = Gate(), []

    def answer(request):
        waiting.append(request)
        gate.wait()
        return plain(b"")

    origin.answer = answer
    child = world.nrt("bench", "--server", nats.url, "-n", "20", "-c", "7", "--json", "http://weather.nats/")
    until(lambda: len(waiting) == 7, "seven are there")
    gate.open()
    assert child.wait() == 0
    assert json.loads(child.stdout)["responses"] == 20


def test_the_text_has_outcomes_quantiles_and_a_histogram(world, nats, origin):
    origin.answer = lambda request: plain(b"", "503 Down" if len(origin.requests) % 4 == 0 else "200 OK")
    text = bench(world, nats, "-n", "400", "-c", "1", "-X", "DELETE", "http://weather.nats/").stdout
    assert re.match(r"http://weather\.nats/: 400 requests in \d+\.\d s, up to 1 in flight\n[\d,]+ answers/s, bodies of ", text)
    assert re.search(r"^  status   2xx     300$", text, re.M) and re.search(r"^  status   5xx     100$", text, re.M)
    for name in ("min", "mean", "p50", "p75", "p90", "p99", "p99.9", "p99.99", "max"):
        assert re.search(rf"^  (latency|       )  {re.escape(name)} +[\d.]+ (us|ms|s)$", text, re.M), name
    rows = re.findall(r"^  < +([\d.]+ \w+)  (#*) +([\d.]+) %  ([\d,]+)$", text, re.M)
    assert sum(int(row[3].replace(",", "")) for row in rows) == 400
    assert max(len(row[1]) for row in rows) == 40
    assert {one.method for one in origin.requests} == {"DELETE"}
    assert "\033" not in text


def test_a_duration_ends_it(world, nats, origin):
    got = json.loads(bench(world, nats, "-d", "300ms", "--json", "http://weather.nats/").stdout)
    assert 0.29 < got["seconds"] < DEADLINE and got["responses"] == got["requests"] > 0


def test_a_rate_is_kept(world, nats, origin):
    got = json.loads(bench(world, nats, "--rate", "200", "-n", "100", "--json", "http://weather.nats/").stdout)
    assert got["responses"] == 100
    assert got["seconds"] >= 0.49  # the last one is due after 495 ms


def test_with_a_rate_what_waits_for_a_place_counts(world, nats, origin):
    """One request hangs for a while; those that were due meanwhile show it, although each was quick."""
    gate = Gate()
    origin.answer = lambda request: (len(origin.requests) == 1 and gate.wait()) or plain(b"")
    child = world.nrt("bench", "--server", nats.url, "--rate", "1000", "-c", "1", "-n", "300", "--json", "http://weather.nats/")
    gate.wait_entered()
    clock = world.nrt("bench", "--server", nats.url, "--rate", "100", "-n", "50", "http://nobody.nats/")
    clock.wait()  # half a second
    clock.expected = 1
    gate.open()
    assert child.wait() == 0
    latency = json.loads(child.stdout)["latency_us"]
    assert latency["p50"] > 100_000 and latency["max"] > 400_000


def test_failures_are_told_and_are_the_exit_code(world, nats):
    done = bench(world, nats, "-n", "50", "--json", "http://nobody.nats/", expect=1)
    got = json.loads(done.stdout)
    assert (got["responses"], got["failures"], got["errors"], got["latency_us"]) == (0, 50, {"no-service": 50}, None)
    text = bench(world, nats, "-n", "50", "http://nobody.nats/", expect=1).stdout
    assert re.search(r"^  failed   no-service  50: no service answers$", text, re.M)


def test_an_interrupt_prints_what_was_measured(world, nats, origin):
    child = world.nrt("bench", "--server", nats.url, "-c", "4", "--json", "http://weather.nats/")
    origin.wait_requests(100)
    child.signal(signal.SIGINT)
    assert child.wait() == -signal.SIGINT
    child.expected = None
    got = json.loads(child.stdout)
    assert got["responses"] >= 90 and got["failures"] == 0


def test_a_terminal_shows_how_it_goes(world, nats, origin):
    """One line on standard error, drawn again and again and gone at the end; none without a terminal."""
    main, side = pty.openpty()
    child = subprocess.Popen([NRT, "bench", "--server", nats.url, "-d", "1s", "http://weather.nats/"],
                             stdout=subprocess.PIPE, stderr=side, text=True)
    os.close(side)
    drawn = b""
    try:
        while True:
            drawn += os.read(main, 4096)
    except OSError:
        pass  # the other side is closed
    out = child.communicate(timeout=DEADLINE)[0]
    os.close(main)
    assert child.returncode == 0 and "answers/s" in out
    lines = re.findall(r"\r([\d,]+ requests, [\d,]+/s, p50 [\d.]+ \w+, p99 [\d.]+ \w+, 0 failed, \d+ s left)\033\[K", drawn.decode())
    assert len(lines) >= 2 and all(len(line) < 80 for line in lines)
    assert drawn.endswith(b"\r\033[K")
    assert bench(world, nats, "-n", "10", "http://weather.nats/").stderr == ""


@pytest.mark.parametrize("args, says", [
    (["http://weather.example/"], "not a URL of a service"), (["weather.nats"], "not a URL of a service"), ([], "URL"),
    (["-X", "GET it", "http://a.nats/"], "-X"), (["-H", "nonsense", "http://a.nats/"], "-H"),
    (["-H", "A: b\nc", "http://a.nats/"], "-H"), (["-c", "0", "http://a.nats/"], "-c"),
    (["-d", "10", "http://a.nats/"], "-d"), (["--rate", "0", "http://a.nats/"], "rate")])
def test_wrong_usage_is_told(world, nats, args, says):
    done = bench(world, nats, *args, expect=2)
    assert says in done.stderr and done.stdout == ""


def test_without_nats_it_says_so(world):
    done = world.run([NRT, "bench", "--server", "nats://127.0.0.1:1", "http://a.nats/"], expect=1)
    assert "not connected to NATS" in done.stderr


def test_what_cannot_be_written_is_an_error(world, nats, origin):
    with open("/dev/full", "w", encoding="ascii") as full:
        for more in ([], ["--json"]):
            done = subprocess.run([NRT, "bench", "--server", nats.url, "-n", "5", *more, "http://weather.nats/"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == 23 and "No space left on device" in done.stderr
