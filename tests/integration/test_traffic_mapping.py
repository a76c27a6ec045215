"""docs/traffic.md, Canary and gradual deploys, Fault injection: subject mappings with weights."""

import re
import shlex
import signal
import statistics
import subprocess

import pytest

from harness.clock import SLOW, until
from harness.load import ask, echo, tolerance
from harness.natsserver import cluster
from harness.page import Stage
from test_retries import stats_of

COUNT = 5000


def expect_share(found, share, count=COUNT):
    assert abs(found - count * share) <= tolerance(count, share), f"{found} of {count} is not {share:.1%}"


def stats(gateway):
    """The gateway's counts, as it tells them now."""
    before = len(gateway.lines("stderr"))
    gateway.signal(signal.SIGUSR1)
    return stats_of(gateway.wait_line("^stats: .*", skip=before).group())


# ---- canary --------------------------------------------------------------------------------------


@pytest.fixture
def canary(world):
    stage = Stage(world, "Canary and gradual deploys", "traffic.md")
    stage.origin(8081, echo("v1"))
    stage.origin(8082, echo("v2"))
    stage.nats()
    stage.all("nrt serve")
    stage.gateway, = stage.all("nrt gateway")
    return stage


def test_a_canary_gets_its_tenth_and_after_a_reload_its_half(canary, world):
    load = ask(canary.gateway, COUNT, threads=4, methods=("GET", "POST", "PUT"))
    assert sum(load.names().values()) == COUNT
    expect_share(load.names()["v2"], 0.10)
    nats = canary.servers["n1"]
    path = world.file("canary.conf", canary.config("canary.conf"))
    edit, = canary.section.commands("^sed ")
    subprocess.run([path if word == "canary.conf" else word for word in shlex.split(edit)],
                   check=True)
    with open(path, encoding="ascii") as edited:
        nats.reload(edited.read())
    load = ask(canary.gateway, COUNT, threads=4, methods=("GET", "POST", "PUT"))
    assert sum(load.names().values()) == COUNT
    expect_share(load.names()["v2"], 0.50)
    assert len(nats.log().split("Client connection closed")) == 1, "connections stay"
    counted = stats(canary.gateway)
    assert (counted["requests"], counted["failures"]) == (2 * COUNT, 0)


def test_a_canary_beside_instances_that_stay_as_they_are_takes_one_line(canary, world):
    """The rest of the weight stays where it was; and the mapping goes away as it came."""
    world.serve(canary.servers["n1"], "weather.nats", world.origin(echo("old")))
    canary.servers["n1"].reload("mappings: {}")
    assert ask(canary.gateway, 300).names() == {"old": 300}
    canary.servers["n1"].reload(canary.config("add-canary.conf"))
    load = ask(canary.gateway, COUNT, threads=4)
    assert load.names().keys() == {"old", "v2"}
    expect_share(load.names()["v2"], 0.10)
    canary.servers["n1"].reload("mappings: {}")
    assert ask(canary.gateway, 300).names() == {"old": 300}


def test_every_server_of_a_cluster_maps_for_its_own_clients_only(world, canary):
    """The page says that each needs the mapping: what enters at a server without one is not mapped."""
    configs = {"a": canary.config("canary.conf"), "b": ""}
    with_it, without = cluster(
        lambda name, **more: world.nats(name=name, config=configs[name], **more), configs)
    for prefix in ("nrt", "v1", "v2"):
        world.serve(with_it, "weather.nats", world.origin(echo(prefix)), args=("--prefix", prefix))
    mapped = world.gateway(with_it, "--route", "/=weather.nats")
    plain = world.gateway(without, "--route", "/=weather.nats")
    until(lambda: ask(plain, 1).names(), "known in the cluster")
    assert ask(mapped, 300, threads=4).names().keys() == {"v1", "v2"}
    assert ask(plain, 300, threads=4).names() == {"nrt": 300}


# ---- faults --------------------------------------------------------------------------------------


@pytest.fixture
def faults(world):
    stage = Stage(world, "Fault injection", "traffic.md")
    stage.origin(8081, echo("v1"))
    stage.nats()
    stage.all("nrt serve")
    stage.plain, stage.retrying = stage.all("nrt gateway")
    return stage


def failed(load):
    return [one for one in load.answers if not one.right]


def test_what_goes_where_nobody_is_fails_at_once(faults):
    load = ask(faults.plain, COUNT, threads=4, methods=("GET", "POST", "PUT"))
    expect_share(len(failed(load)), 0.10)
    assert {(one.status, one.error) for one in failed(load)} == {(503, "no-service")}
    assert statistics.median(one.seconds for one in failed(load)) < 0.05 * SLOW
    counted = stats(faults.plain)
    assert (counted["requests"], counted["attempts"]) == (COUNT, COUNT)
    assert counted["failures"] == len(failed(load))


def test_retries_of_the_default_do_not_hide_it(faults, world):
    gateway = world.gateway(faults.servers["n1"], "--route", "/=weather.nats")
    load = ask(gateway, 1000, threads=4)
    expect_share(len(failed(load)), 0.10, 1000)
    assert stats(gateway)["attempts"] == 1000


def test_retries_on_no_service_hide_most_of_it_and_count_it(faults):
    load = ask(faults.retrying, COUNT, threads=8, methods=("GET", "POST", "PUT"))
    counted = stats(faults.retrying)
    expect_share(len(failed(load)), 0.01)
    assert {(one.status, one.error) for one in failed(load)} <= {(503, "no-service")}
    expect_share(counted["retries_no_service"], 0.10)
    assert counted["retries_denied"] == 0, "it is within the budget"
    assert counted["attempts"] == COUNT + counted["retries_no_service"]
    assert counted["failures"] == len(failed(load))


@pytest.fixture
def silence(faults, world):
    """The page's listener that never answers."""
    line, = faults.section.commands("^bash -c ")
    words = ["/bin/bash", *shlex.split(line.rstrip(" &"))[1:]]
    port = str(faults.servers["n1"].port)
    words[2] = re.sub(r"(?<=/dev/tcp/127\.0\.0\.1/)\d+", port, words[2])
    listener = world.start(words, "listener")
    listener.expected = None
    nats = faults.servers["n1"]
    until(lambda: any("v1.discard.>" in one.get("subscriptions_list", ())
                      for one in nats.connections()), "it listens")
    return faults


def test_silent_loss_is_a_504_without_retries(silence):
    load = ask(silence.plain, COUNT, threads=160, methods=("GET", "POST"))
    expect_share(len(failed(load)), 0.10)
    assert {(one.status, one.error) for one in failed(load)} == {(504, "timeout")}
    assert min(one.seconds for one in failed(load)) > 1.4
    assert stats(silence.plain)["attempts"] == COUNT


def test_silent_loss_is_asked_for_again_if_idempotent(silence):
    """Lost three times, one in a thousand is lost after all."""
    # Known to send frames; and fewer at once than the hundred retries that a budget can hold.
    until(lambda: ask(silence.retrying, 1).names(), "answered")
    before = stats(silence.retrying)
    load = ask(silence.retrying, COUNT, threads=95, methods=("GET", "PUT"))
    after = stats(silence.retrying)
    counted = {name: after[name] - before[name] for name in after}
    expect_share(len(failed(load)), 0.001)
    assert {(one.status, one.error) for one in failed(load)} <= {(504, "timeout")}
    # Each is counted once for the first loss, and one in ten of them for the second.
    slow = [one for one in load.answers if one.seconds > 0.9]
    expect_share(len(slow), 0.10)
    expect_share(counted["retries_idempotent"] - len(slow), 0.01)
    assert counted["retries_denied"] == 0
    assert counted["attempts"] == COUNT + counted["retries_idempotent"]


def test_silent_loss_of_a_post_is_not_sent_again(silence):
    load = ask(silence.retrying, 500, threads=100, methods=("POST", "PATCH"))
    counted = stats(silence.retrying)
    expect_share(len(failed(load)), 0.10, 500)
    assert {(one.status, one.error) for one in failed(load)} == {(504, "timeout")}
    assert counted["attempts"] == 500 and counted["retries_idempotent"] == 0
