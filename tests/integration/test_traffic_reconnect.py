"""docs/traffic.md, Reconnecting: how long a killed NATS server is felt. `pytest -s` prints the
distributions; NRT_TEST_LONG=1 takes a hundred samples."""

import threading
import time

from harness.clock import LONG, SLOW, until
from harness.load import Load, echo
from harness.natsserver import cluster
from harness.page import fixed_port

COUNT = 100 if LONG else 20


def served(gateway, timeout=10 * SLOW):
    """Asks until there is an answer of the service; when that was."""
    def answered():
        load = Load(gateway, threads=1, methods=("GET",), count=1)
        return load.wait() == []
    until(answered, "answered", timeout, step=0.001)
    return time.monotonic()


def judge(what, samples):
    ordered = sorted(samples)
    middle, p99 = ordered[len(ordered) // 2], ordered[-1 - len(ordered) // 100]
    print(f"\n{what}: {len(ordered)} times, min {ordered[0] * 1e3:.0f} ms, median {middle * 1e3:.0f} ms, "
          f"p90 {ordered[len(ordered) * 9 // 10] * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
          f"max {ordered[-1] * 1e3:.0f} ms")
    assert p99 < 0.5 * SLOW, [round(one, 3) for one in ordered]


def port_opens(server, stop):
    """When the server takes a connection for the first time."""
    while not stop.is_set():
        if server.greets():
            return time.monotonic()
    raise AssertionError("it never did")


class Broker:
    """A server of its own, with a service and a gateway: several take turns, so that each has been
    up for more than a second. What was up for less is not taken for a good server, and its clients
    make their pauses longer."""

    def __init__(self, world):
        self.server = world.nats(port=fixed_port())
        world.serve(self.server, "weather.nats", world.origin(echo("x")))
        self.gateway = world.gateway(self.server, "--route", "/=weather.nats", "--retry", "0")
        self.since = served(self.gateway)

    def restart(self):
        """Seconds from its port being open again to the first answer."""
        until(lambda: time.monotonic() > self.since + 1.2, "it has been up for a while")
        self.server.kill()
        opened = []
        stop = threading.Event()
        watcher = threading.Thread(target=lambda: opened.append(port_opens(self.server, stop)))
        watcher.start()
        try:
            self.server.start()
            self.since = served(self.gateway)
        finally:
            stop.set()
            watcher.join()
        return self.since - opened[0]


def test_after_a_kill_of_the_only_server_requests_are_answered_soon_after_its_return(world):
    """Both sides have to find it again: the service and the gateway."""
    brokers = [Broker(world) for _ in range(5)]
    judge("one server, from its port being open",
          [broker.restart() for _ in range(COUNT // 5) for broker in brokers])


def test_after_a_kill_of_one_of_three_servers_requests_are_answered_soon(world):
    """The gateway and one instance lose their server; another instance is elsewhere."""
    servers = cluster(world.nats, ["n1", "n2", "n3"])
    urls = ",".join(server.url for server in servers)
    for server in servers[:2]:
        world.serve(server, "weather.nats", world.origin(echo(server.name)))
    gateway = world.gateway(urls, "--route", "/=weather.nats", "--retry", "0")
    samples = []
    for _ in range(COUNT if LONG else 6):
        served(gateway)
        mine = until(lambda: [one for one in servers if holds(one, "nrt-gateway")], "connected")[0]
        at = time.monotonic()
        mine.kill()
        # Not before the gateway has lost it, as every request is answered until then.
        samples.append(served(gateway) - at)
        mine.start()
        until(lambda: all(one.monitoring("/routez")["num_routes"] >= 2 for one in servers),
              "the cluster is whole again")
    judge("one server of three, from the kill", samples)


def holds(server, name):
    return any(one.get("name") == name for one in server.connections())
