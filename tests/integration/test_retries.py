"""--retry and --retry-on: what is sent again, how often, and where one sees it."""

import json
import re
import signal

import pytest

from harness import gowire
from harness.clock import SLOW, Stopwatch
from harness.message import assert_problem
from harness.rawnats import header_block
from harness.world import NRT

REFUSE = header_block({"NRT-Frame": "t=refuse;reason=busy"})


def refusing(peer, host, times):
    """A service that refuses its first requests, as one at its limit does."""
    seen = []

    def on_message(message):
        seen.append(message)
        if len(seen) <= times:
            peer.publish(message.reply, b"", headers=REFUSE)
        else:
            peer.publish(message.reply, gowire.response(None, b"served"))

    peer.subscribe(f"nrt.requests.{host}.*", "nrt", on_message)
    return seen


def stats_of(line):
    """The counts in a line `stats: name=value ...`."""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def get(world, nats, *args, expect=0):
    return world.get(nats, "-w", "|%{num_retries}", "-v", *args, "http://busy.nats/", expect=expect)


def test_get_tells_how_often_it_asked_and_why(world, nats, peer):
    seen = refusing(peer, "busy.nats", 2)
    done = get(world, nats)
    assert done.stdout == "served|2"
    assert "* 3 attempts: refused (2 times)" in done.lines("stderr")
    assert len(seen) == 3


def test_get_says_nothing_of_attempts_where_there_was_one(world, nats, peer):
    refusing(peer, "busy.nats", 0)
    done = get(world, nats)
    assert done.stdout == "served|0" and "attempt" not in done.stderr


@pytest.mark.parametrize("options, asked", [
    (("--retry", "0"), 1), (("--retry", "1"), 2), (("--retry", "4"), 5), ((), 3),
    (("--retry-on", "idempotent,no-service"), 1), (("--retry-on", "refused"), 3)])
def test_a_refused_request_is_sent_again_as_often_as_allowed(world, nats, peer, options, asked):
    seen = refusing(peer, "busy.nats", 100)
    done = get(world, nats, *options, expect=1)
    assert len(seen) == asked
    assert done.stdout == f"|{asked - 1}"
    assert "busy.nats" in done.stderr


def test_no_service_is_asked_for_once_more_only_if_told_so(world, nats):
    assert get(world, nats, expect=1).stdout == "|0"
    done = get(world, nats, "--retry-on", "no-service", expect=1)
    assert done.stdout == "|1"
    assert "* 2 attempts: no-service" in done.lines("stderr")
    assert get(world, nats, "--retry-on", "no-service", "--retry", "0", expect=1).stdout == "|0"


@pytest.mark.parametrize("args, text", [
    (("--retry", "11"), '--retry: "11" is too large: at most 10'),
    (("--retry", "often"), '--retry: "often" is not a number'),
    (("--retry-on", "refused,always"),
     '--retry-on: "refused,always" is not made of the words refused,idempotent,no-service, '
     "with commas between")])
@pytest.mark.parametrize("command", ["get", "gateway"])
def test_what_is_no_number_or_word_is_wrong_usage(world, command, args, text):
    more = ["http://x.nats/"] if command == "get" else ["--listen", "0", "--proxy"]
    assert text in world.run([NRT, command, *args, *more], expect=2).stderr


def test_a_gateway_counts_retries_and_tells_on_sigusr1_and_at_its_end(world, nats, peer):
    refusing(peer, "busy.nats", 2)
    gateway = world.gateway(nats, "--proxy", "-v", "--retry", "1", "--retry-on",
                            "refused,no-service")
    client = world.client(gateway)
    assert_problem(client.get("/", host="busy.nats"), 503, "refused")
    gateway.wait_line(r"busy\.nats: 503, .*, 2 attempts; ")
    assert client.get("/", host="busy.nats").body == b"served"
    gateway.wait_line(r"busy\.nats: 200, 6 B, [^,]*$")
    assert_problem(client.get("/", host="nobody.nats"), 503, "no-service")
    gateway.signal(signal.SIGUSR1)
    line = gateway.wait_line("^stats: .*").group()
    expected = {"requests": 3, "attempts": 5, "failures": 2, "retries_refused": 1,
                "retries_no_service": 1, "retries_idempotent": 0, "retries_denied": 0, "orphans": 0}
    assert stats_of(line) == expected
    assert client.get("/", host="busy.nats").status == 200, "it goes on"
    assert gateway.stop() == 0
    last = [line for line in gateway.lines("stderr") if line.startswith("stats: ")][-1]
    assert stats_of(last) == {**expected, "requests": 4, "attempts": 6}


def test_statistics_and_attempts_are_members_in_json(world, nats, peer):
    refusing(peer, "busy.nats", 1)
    gateway = world.start(
        [NRT, "gateway", "--server", nats.url, "--listen", "0", "--proxy", "-v", "--log", "json"])
    gateway.url = json.loads(gateway.wait_line('"event":"listening"').string)["url"]
    assert world.client(gateway).get("/", host="busy.nats").status == 200
    assert gateway.stop() == 0
    lines = [json.loads(line) for line in gateway.lines("stderr")]
    request, = [line for line in lines if line["event"] == "request"]
    stats, = [line for line in lines if line["event"] == "stats"]
    assert request["attempts"] == 2
    assert (stats["requests"], stats["attempts"], stats["retries_refused"]) == (1, 2, 1)


def test_statistics_can_be_asked_for_without_a_connection(world):
    gateway = world.gateway("nats://127.0.0.1:1", "--proxy", wait=False)
    gateway.wait_line("no connection to NATS")
    gateway.signal(signal.SIGUSR1)
    assert set(stats_of(gateway.wait_line("^stats: .*").group()).values()) == {0}
    assert gateway.stop() == 0


def test_a_sidecar_passes_sigusr1_over(world, nats):
    service = world.serve(nats, "weather.nats", world.origin(b"HTTP/1.1 204 No Content\r\n\r\n"))
    client = world.client(world.gateway(nats, "--proxy"))
    service.signal(signal.SIGUSR1)
    assert client.get("/", host="weather.nats").status == 204
    assert service.running


def test_the_budget_bounds_retries_of_an_outage(world, nats):
    """A hundred failing requests earn twenty retries, besides ten and three a second."""
    gateway = world.gateway(nats, "--proxy", "--retry-on", "no-service")
    client = world.client(gateway)
    with Stopwatch() as watch:
        for _ in range(100):
            assert client.get("/", host="nobody.nats").status == 503
    gateway.signal(signal.SIGUSR1)
    stats = stats_of(gateway.wait_line("^stats: .*").group())
    assert stats["retries_no_service"] + stats["retries_denied"] == 100
    assert 30 <= stats["retries_no_service"] <= 31 + 3 * watch.seconds
    assert stats["attempts"] == 100 + stats["retries_no_service"]
    assert watch.seconds < 5 * SLOW
