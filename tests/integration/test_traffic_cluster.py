"""docs/traffic.md, Load balancing, Rolling restarts and Discovery: a cluster of three servers."""

import collections
import json
import random
import time

import pytest

from harness.clock import LONG, SLOW, until
from harness.load import Load, ask, echo, tolerance
from harness.page import Section, Stage
from harness.world import NRT
from test_load import results_of

HOST = "weather.nats"


def whole(servers):
    for server in servers:
        until(lambda server=server: server.monitoring("/routez")["num_routes"] >= len(servers) - 1,
              f"{server.name} has its routes")


def everywhere(servers, count):
    """Each server has heard of `count` instances, of its own clients or by its routes."""
    def known(server):
        clients = server.monitoring("/connz?subs=detail")["connections"]
        routes = server.monitoring("/routez?subs=1")["routes"]
        own = sum("weather" in str(one.get("subscriptions_list_detail")) for one in clients)
        return own + sum(
            1 for one in routes if f"nrt.requests.{HOST}.*" in str(one.get("subscriptions_list")))
    for server in servers:
        until(lambda server=server: known(server) >= count, f"{server.name} knows the instances")


@pytest.fixture
def stage(world):
    stage = Stage(world, "Load balancing", "traffic.md")
    whole(list(stage.nats().values()))
    return stage


def test_a_request_goes_to_any_instance_of_the_cluster_with_the_same_chance(world, stage):
    """No preference for the server that the client is connected to."""
    for number, name in enumerate(("one", "two", "three")):
        stage.origin(8081 + number, echo(name))
    stage.all("nrt serve")
    everywhere(stage.servers.values(), 3)
    gateway = stage.nrt(*stage.section.commands("nrt gateway"))
    load = ask(gateway, 3000, threads=4)
    assert sum(load.names().values()) == 3000
    for name, count in load.names().items():
        assert abs(count - 1000) < tolerance(3000, 1 / 3), load.names()
    connected = collections.Counter(one.fields.get("NRT-Connected-Server") for one in load.answers)
    assert sorted(connected.values()) == sorted(load.names().values())
    assert set(connected) == {"n1", "n2", "n3"}
    assert stage.shell("^curl ").strip() in {f"NRT-Connected-Server: {name}" for name in connected}


def test_an_instance_counts_as_one_wherever_it_is(world, stage):
    """Two on one server and two on the others get a quarter each."""
    for number, name in enumerate(("one", "two", "three")):
        stage.origin(8081 + number, echo(name))
    stage.all("nrt serve")
    world.serve(stage.servers["n1"], HOST, world.origin(echo("four")))
    everywhere(stage.servers.values(), 3)
    gateway = world.gateway(stage.servers["n2"], "--route", f"/={HOST}")
    until(lambda: set(ask(gateway, 20).names()) == {"one", "two", "three", "four"}, "all of them")
    load = ask(gateway, 3000, threads=4)
    for name, count in load.names().items():
        assert abs(count - 750) < tolerance(3000, 1 / 4), load.names()


def test_discovery_shows_the_instances_and_their_servers(world, stage):
    for number in range(3):
        stage.origin(8081 + number, echo())
    stage.all("nrt serve")
    everywhere(stage.servers.values(), 3)
    line, = Section("Discovery", "traffic.md").commands("nrt ls")
    words = stage.place(line).split()
    service, = json.loads(world.run([NRT, *words[1:], "--json"]).stdout)["services"]
    assert service["host"] == HOST
    assert sorted((one["cluster"], one["server"]) for one in service["instances"]) == [
        ("c1", "n1"), ("c1", "n2"), ("c1", "n3")]


# ---- rolling restarts ----------------------------------------------------------------------------

ROUNDS = 20 if LONG else 3


def test_a_rolling_restart_of_five_instances_under_load_fails_no_request(world, stage):
    lines = Section("Rolling restarts", "traffic.md").commands("nrt serve")
    assert len(lines) == 5
    for number in range(5):
        stage.origin(8081 + number, rolling)
    children = [stage.nrt(line) for line in lines]
    # Without retries: what is lost would show.
    gateway = stage.nrt(stage.section.commands("nrt gateway")[0], "--retry", "0")
    until(lambda: world.client(gateway).get("/").status == 200, "served")
    load = Load(gateway, threads=4, pause=0.002)
    client = world.program("load", stage.servers["n2"].url, HOST, 0, 4, 10000, "GET,POST,PUT", "0",
                           stdin=-1)
    try:
        for _ in range(ROUNDS):
            for number, line in enumerate(lines):
                before = len(load.answers), len(client.lines())
                assert children[number].stop() == 0
                children[number] = stage.nrt(line)
                until(lambda: len(load.answers) > before[0] + 50 and
                      len(client.lines()) > before[1] + 50, "load goes on")
    finally:
        client.stdin.close()
        bad = load.stop()
    assert client.wait() == 0
    results = results_of(client)
    assert bad == []
    assert [one for one in results if (one.outcome, one.status) != ("ok", 200)] == []
    assert len(load.answers) > 250 * ROUNDS and len(results) > 250 * ROUNDS
    print(f"{ROUNDS} rounds: {len(load.answers)} + {len(results)} requests, slowest "
          f"{max(one.seconds for one in load.answers):.3f} s "
          f"and {max(one.ended - one.sent for one in results):.3f} s")
    assert max(one.seconds for one in load.answers) < 2 * SLOW


def rolling(request):
    """For the gateway's load an echo, for programs/load.c the number it asks for. It takes a moment,
    so that there is something in flight when its sidecar is stopped."""
    time.sleep(random.random() * 0.02)
    if request.target != "/":
        number = request.target[1:].encode()
        assert request.method == "GET" or request.body == number * 10
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(number) + number
    return echo("x")(request)
