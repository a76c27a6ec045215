"""docs/traffic.md, Geo failover and fallback: two clusters of two servers, east and west."""

import signal
import time

import pytest

from harness.clock import SLOW, Stopwatch, until
from harness.load import Load, ask, echo
from harness.message import assert_problem
from harness.origin import Gate
from harness.page import Stage

HOST = "weather.nats"
THREADS = 8


class Geo:
    """The page's supercluster, with its instances and gateways."""

    def __init__(self, world, answers):
        self.world = world
        self.stage = Stage(world, "Geo failover and fallback", "traffic.md")
        for port, answer in answers.items():
            self.stage.origin(port, answer)
        self.servers = self.stage.nats()
        for server in self.servers.values():
            until(lambda server=server: joined(server), f"{server.name} is in the supercluster")
        self.lines = self.stage.section.commands("nrt serve")
        self.instances = [self.stage.nrt(line) for line in self.lines]
        self.east, self.west = self.stage.all("nrt gateway")
        until(lambda: self.known("east", 2) and self.known("west", 1), "instances are known")

    def known(self, cluster, count):
        """Whether both servers of a cluster know of its instances, and the others that there are
        some."""
        return all(queue_subs(server) >= count if server.name.startswith(cluster) else
                   any(account.get("num_queue_subs") for account in accounts_beyond(server))
                   for server in self.servers.values())

    def restart_east(self):
        for number in (0, 1):
            self.instances[number] = self.stage.nrt(self.lines[number])


def joined(server):
    """Each server has a connection to the other cluster; what comes from there takes any of them."""
    return (server.monitoring("/routez")["num_routes"] >= 1 and
            server.monitoring("/gatewayz")["outbound_gateways"])


def accounts_beyond(server):
    """What a server knows of the accounts in the other cluster."""
    gateways = server.monitoring("/gatewayz?accs=1")["outbound_gateways"].values()
    return [account for one in gateways for account in one.get("accounts", ())]


def queue_subs(server):
    """How many instances in its own cluster the server knows of."""
    own = sum(f"nrt.requests.{HOST}.*" in one.get("subscriptions_list", ())
              for one in server.connections())
    routes = server.monitoring("/routez?subs=1")["routes"]
    return own + sum(text == f"nrt.requests.{HOST}.*" for one in routes
                     for text in one.get("subscriptions_list") or ())


@pytest.fixture
def geo(world):
    return Geo(world, {8081: echo("east"), 8082: echo("east"), 8083: echo("west")})


def test_clients_are_served_in_their_own_cluster(geo):
    assert ask(geo.east, 1000, threads=4).names() == {"east": 1000}
    assert geo.stage.shell("^curl ").strip() == "NRT-Connected-Cluster: east"
    load = ask(geo.west, 1000, threads=4)
    assert load.names() == {"west": 1000}
    assert {one.fields.get("NRT-Connected-Cluster") for one in load.answers} == {"west"}


def later_ones_are_served_in_west(load, at):
    """Within a second of `at`: what is sent after that is answered by west, and at once. What was sent
    before may have met the last instance of east as it left."""
    until(lambda: load.names(at + 1)["west"] > 200, "west serves east")
    assert load.names(at + 1)["east"] == 0
    after = [one for one in load.answers if one.sent > at + 1]
    assert all(one.right for one in after)
    assert max(one.seconds for one in after) < 0.5 * SLOW


def only_others_failed(bad):
    """Each idempotent request has been answered; others may have failed, with a reason."""
    assert all(method == "POST" and error in ("timeout", "aborted")
               for method, _, error, *_ in bad), bad


def test_a_drained_east_is_served_in_west_within_a_second_and_comes_back(geo):
    """While its instances leave one by one nothing is lost. With the last one that can be: a request
    which one server has passed on to another just before it learns that nobody is left there."""
    load = Load(geo.east, threads=THREADS, pause=0.005)
    try:
        until(lambda: load.names()["east"] > 200, "load")
        assert geo.instances[0].stop() == 0
        before = len(load.answers)
        until(lambda: len(load.answers) > before + 100, "load")
        assert all(one.right for one in list(load.answers))
        assert geo.instances[1].stop() == 0
        at = time.monotonic()
        later_ones_are_served_in_west(load, at)
        geo.restart_east()
        until(lambda: load.names(time.monotonic() - 0.1) and
              not load.names(time.monotonic() - 0.1)["west"], "all are back in east")
        at = time.monotonic()
        until(lambda: load.names(at)["east"] > 200, "east serves east")
        assert load.names(at)["west"] == 0
    finally:
        bad = load.stop()
    only_others_failed(bad)
    assert len(bad) <= THREADS
    # The 1 s rule, and the page's --timeout 3s.
    assert max(one.seconds for one in load.answers if one.method != "POST") < 2 * SLOW
    assert max(one.seconds for one in load.answers) < 3 + 1 * SLOW
    assert f" failures={len(bad)} " in stats_line(geo.east)


def stats_line(gateway):
    gateway.signal(signal.SIGUSR1)
    return gateway.wait_line("^stats: .*").group()


def test_when_east_dies_idempotent_requests_are_answered_and_others_end_in_time(world):
    """Each instance in east has requests in hand that it will never answer."""
    gate = Gate()

    def holds(request):
        if request.target == "/":
            return echo("east")(request)
        gate.wait()
        return None

    geo = Geo(world, {8081: holds, 8082: holds, 8083: echo("west")})
    assert ask(geo.east, 50).names() == {"east": 50}  # it is known to send frames
    load = Load(geo.east, threads=THREADS, pause=0.005)  # beside those that hang
    held = {method: [] for method in ("GET", "PUT", "POST")}
    clients = []
    for method, answers in held.items():
        for number in range(6):
            client = world.client(geo.east, timeout=60)
            client.send(f"{method} /held HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nheld")
            clients.append((client, method, answers))
    gate.wait_entered(len(clients))
    with Stopwatch() as watch:
        for number in (0, 1):
            geo.instances[number].kill()
            geo.instances[number].expected = None
        later_ones_are_served_in_west(load, time.monotonic())
        for client, method, answers in clients:
            answers.append(client.answer(method))
    gate.open()
    bad = load.stop()
    # The page's gateways have --timeout 3s, and the 1 s rule has gone by before.
    assert watch.seconds < 3 + 1 * SLOW
    for method in ("GET", "PUT"):
        assert [one.status for one in held[method]] == [200] * 6, held[method]
        assert {one.body for one in held[method]} == {b"west %s held" % method.encode()}
    for answer in held["POST"]:
        assert_problem(answer, 504, "timeout")
    only_others_failed(bad)
    assert len(bad) <= THREADS
    line = stats_line(geo.east)
    assert f" failures={6 + len(bad)} " in line, line
    assert int(line.split("retries_idempotent=")[1].split()[0]) >= 12


def test_what_nobody_serves_is_told_at_once_across_clusters(geo, world):
    """Interest-only mode: no server sends on the chance that somebody is there."""
    for server in geo.servers.values():
        modes = {account["interest_mode"] for account in accounts_beyond(server)}
        assert modes == {"Interest-Only"}
    gateway = world.gateway(geo.servers["east-1"], "--proxy")
    client = world.client(gateway)
    for number in range(20):
        with Stopwatch() as watch:
            assert_problem(client.get("/", host=f"nobody{number}.nats"), 503, "no-service")
        assert watch.seconds < 0.1 * SLOW


def test_a_client_that_knows_both_clusters_survives_the_loss_of_its_own(geo, world):
    """East first; its other server is learned from the first."""
    url = ",".join(geo.servers[name].url for name in ("east-1", "west-1"))
    gateway = world.gateway(url, "--route", f"/={HOST}", "--timeout", "3s")
    assert ask(gateway, 100).names() == {"east": 100}
    load = Load(gateway, threads=THREADS, pause=0.005)
    try:
        until(lambda: load.names()["east"] > 50, "load")
        for name in ("east-1", "east-2"):
            geo.servers[name].kill()
        at = time.monotonic()
        later_ones_are_served_in_west(load, at)
    finally:
        bad = load.stop()
    # Requests that had been written when a connection broke, or went to an instance without one.
    only_others_failed(bad)
    assert len(bad) <= 2 * THREADS
