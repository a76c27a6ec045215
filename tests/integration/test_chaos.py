"""Storms over a cluster under load (tests/chaos): a short one, and that those who judge it can see
each broken promise."""

import os
import re
import subprocess
import sys

import pytest

from harness.clock import SLOW
from harness.world import HERE

CHAOS = os.path.join(os.path.dirname(HERE), "chaos")
sys.path.append(CHAOS)

import judge  # noqa: E402
import network  # noqa: E402
import records  # noqa: E402
import storm  # noqa: E402


def test_a_short_storm_breaks_no_promise():
    argv = [sys.executable, os.path.join(CHAOS, "chaos.py"), "1", "--short", "--seed", "1"]
    done = subprocess.run(argv, capture_output=True, timeout=120 * SLOW, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]
    for kind in ("server-kill", "gateway-kill", "server-duck", "native-stop", "sidecar-kill"):
        assert re.search(rf"^    {kind} of ", done.stdout, re.MULTILINE), done.stdout
    answered = sum(map(int, re.findall(r"^    2xx +(\d+)", done.stdout, re.MULTILINE)))
    assert answered > 100, done.stdout


# ---- the judge ---------------------------------------------------------------------------------

TIMEOUT, LATE, SETTLE = 2.0, 1.0, 3.0


def request(method="GET", **more):
    known = {"name": "a-1", "method": method, "way": "library", "sent": 100.0, "ended": 100.1,
             "outcome": "ok", "status": 200, "attempts": 1, "own": "good", "instance": "s1"}
    return records.Request(**{**known, **more})


def failure(outcome="timeout", **more):
    return request(**{"outcome": outcome, "status": 0, "own": "-", "instance": "-", **more})


def execution(name="a-1", instance="s1", method="GET", body="ok"):
    return records.Execution(100.05, instance, name, method, body)


def event(kind, begun=99.5, mended=100.5):
    return records.Event(kind, kind.split("-")[0], True, begun, mended, mended + SETTLE)


def verdict(requests, executions, events=()):
    found = judge.Judge(requests, executions, list(events), TIMEOUT, LATE, SETTLE).verdict()
    return [text.split(":")[0] for text in found if not text.startswith(" ")]


CALM = "failed for no cause"


@pytest.mark.parametrize("requests, executions, events, expected", [
    ([request()], [execution()], [], []),
    ([request(own="mixed")], [execution()], [], ["an answer was another request's"]),
    ([request("PUT")], [execution(body="mixed")], [], ["a body was another request's"]),
    ([request()], [], [], ["a 2xx is not in the service's ledger"]),
    ([request()], [execution(instance="s2")], [], ["a 2xx is not in the service's ledger"]),
    ([request("POST")], [execution(), execution(instance="s2")], [], ["a POST ran twice"]),
    ([request("POST", attempts=2)], [execution()] * 2, [], ["a POST ran twice"]),
    ([request("KEY", attempts=2)], [execution()] * 2, [], []),
    ([request(attempts=2)], [execution()] * 2, [], []),
    ([request()], [execution()] * 2, [], ["ran more often than it was sent"]),
    ([request()], [execution()] * 2, [event("origin-kill")], []),
    ([request(ended=103.1)], [execution()], [], ["ended late"]),
    ([request(ended=103.1)], [execution()], [event("gateway-stop")], ["ended late"]),
    ([request(ended=103.1, way="gateway")], [execution()], [event("gateway-stop")], []),
    ([failure()], [], [], [CALM]),
    ([failure()], [], [event("server-kill")], []),
    ([failure()], [], [event("server-duck")], [CALM]),
    ([failure()], [], [event("native-drain")], [CALM]),
    ([failure()], [], [event("server-kill", 95, 96.9)], [CALM]),
    ([failure(sent=110, ended=112)], [], [event("server-kill")], [CALM]),
    ([failure("disconnected")], [execution()], [event("server-kill")],
     ["ran, although that was said to be impossible"]),
    ([failure("aborted")], [execution()], [event("server-kill")], []),
    ([failure("ok", status=502)], [], [event("native-kill")], ["failed without a reason"]),
    ([failure("ok", status=502, code="aborted")], [], [event("native-kill")], []),
    ([failure("closed", way="gateway")], [], [event("native-kill")], ["the gateway broke off"]),
    ([failure("closed", way="gateway")], [], [event("gateway-kill")], []),
    ([request()], [execution(), execution("b-1")], [], ["nobody asked for what ran"]),
])
def test_each_broken_promise_is_seen(requests, executions, events, expected):
    assert verdict(requests, executions, events) == expected


@pytest.mark.parametrize("stats, problems", [
    ("stats 2 4 0 1 1 0 0\n", 0), ("stats 3 4 0 1 1 0 0\n", 1), ("stats 2 4 0 1 0 0 0\n", 1), ("", 1),
])
def test_a_retry_that_was_not_counted_is_seen(tmp_path, stats, problems):
    (tmp_path / "ledger").write_text("a-1 GET 1.0 2.0 ok 200 - 3 good s1 \n"
                                     "a-2 PUT 1.0 2.0 timeout 0 - 1 - - no answer in time\n" + stats)
    requests = records.read_requests(tmp_path / "ledger")
    assert [one.attempts for one in requests] == [3, 1]
    assert len(records.uncounted(tmp_path / "ledger", requests)) == problems


def test_how_long_an_event_is_felt_is_measured():
    requests = [failure(sent=99.6, ended=100), failure(sent=100.7, ended=101.0), request(sent=102)]
    one, = judge.effects(requests, [event("server-kill")])
    assert one["requests"] == 3 and sum(one["failed"].values()) == 2
    assert one["lasted"] == pytest.approx(1.2) and one["after"] == pytest.approx(0.2)


def test_a_seed_says_what_happens_and_seventeen_have_it_all():
    assert storm.plan(5) == storm.plan(5) != storm.plan(6)
    kinds = {kind for seed in range(17) for kind, _, _ in storm.plan(seed)[0]}
    assert kinds == set(storm.ALONE)


# ---- a network that is cut off by proxies ------------------------------------------------------


@pytest.mark.parametrize("side", ["server", "client"])
def test_what_a_proxy_cuts_off_gets_nothing_and_loses_nothing(world, nats, side):
    net = world.closing(network.Proxies())
    places = {"server": net.place(nats.name), "client": net.place("client")}
    peer = world.peer(net.url(nats, places["client"]))
    listener = world.peer(nats)
    heard = listener.subscribe("x")
    listener.flush()
    places[side].pause()
    peer.publish("x", b"1")
    with pytest.raises(AssertionError, match="no message"):
        heard.next(0.3)
    places[side].resume()
    assert heard.next().payload == b"1"
