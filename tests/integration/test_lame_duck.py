"""A server that goes into lame duck mode: its clients move to another one, and nobody notices."""

import signal
import threading

import pytest

from harness.clock import SLOW, Stopwatch, until
from harness.natsserver import cluster
from harness.origin import plain

# The server tells its clients, and begins to close them after the grace period.
DUCK = """
lame_duck_duration: "30s"
lame_duck_grace_period: "{grace}"
"""


@pytest.fixture
def servers(world):
    return cluster(world.nats, ["one", "two", "three"], config=DUCK.format(grace="4s"))


def names_of_clients(server):
    return sorted(one.get("name", "") for one in server.connections())


class Load:
    """Threads that ask a gateway, each on a connection of its own, until told to stop."""

    def __init__(self, world, gateway, threads=4):
        self.going = True
        self.answers = []
        self.threads = [
            threading.Thread(target=self._run, args=(world.client(gateway), number))
            for number in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, client, number):
        count = 0
        while self.going:
            count += 1
            method = ("GET", "POST", "PUT")[count % 3]
            body = f"{number}-{count}".encode()
            answer = client.request(method, "/", body=body)
            self.answers.append((answer.status, answer.body == body, answer.error))

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return [answer for answer in self.answers if answer[:2] != (200, True)]


def echo(request):
    return plain(request.body)


def test_all_servers_are_replaced_in_turn_under_load_and_no_request_fails(world, servers):
    for server in servers:
        world.serve(server, "weather.nats", world.origin(echo))
    gateway = world.gateway(",".join(server.url for server in servers), "--route", "/=weather.nats")
    load = Load(world, gateway)
    try:
        for server in servers:
            before = len(load.answers)
            until(lambda: len(load.answers) > before + 200, "load goes on")
            server.stop(signal.SIGUSR2)
            server.start()
            until(lambda: all(one.monitoring("/routez")["num_routes"] >= 2 for one in servers),
                  "the cluster is whole again")
        before = len(load.answers)
        until(lambda: len(load.answers) > before + 200, "load goes on")
    finally:
        bad = load.stop()
    assert bad == []
    assert "disconnected" not in gateway.text("stderr")


def test_who_moves_says_so_and_the_new_server_has_the_service(world, servers):
    one, two, _ = servers
    origin = world.origin(plain("x"))
    service = world.serve(one, "weather.nats", origin)
    with Stopwatch() as watch:
        one.proc.send_signal(signal.SIGUSR2)
        service.wait_line(r"lame duck")
        service.wait_line(r"connected again to NATS server|connected to NATS server (two|three)")
    assert watch.seconds < 1 * SLOW
    client = world.client(world.gateway(two, "--route", "/=weather.nats"))
    until(lambda: client.get("/").status == 200, "served")
    assert client.get("/").get("NRT-Connected-Server") in ("two", "three")
    one.stop(signal.SIGUSR2)
    assert client.get("/").status == 200


def test_an_exchange_in_flight_is_answered_although_its_server_has_gone(world, servers):
    """The answer comes when the old server has long closed: by the new session."""
    one, two, _ = servers
    slow = threading.Event()

    def answer(_request):
        assert slow.wait(20 * SLOW)
        return plain("late")

    world.serve(two, "weather.nats", world.origin(answer))
    gateway = world.gateway(one, "--route", "/=weather.nats")
    client = world.client(gateway)
    got = []
    thread = threading.Thread(target=lambda: got.append(client.post("/", b"x")))
    thread.start()
    try:
        until(lambda: [c for c in two.connections() if c["out_msgs"] > 0], "it is in work")
        one.stop(signal.SIGUSR2)
    finally:
        slow.set()
        thread.join()
    assert (got[0].status, got[0].body) == (200, b"late")


def test_with_no_other_server_one_waits_for_its_return(world):
    server = world.nats(config=DUCK.format(grace="1s"))
    service = world.serve(server, "weather.nats", world.origin(plain("x")))
    client = world.client(world.gateway(server, "--route", "/=weather.nats"))
    assert client.get("/").status == 200
    server.stop(signal.SIGUSR2)
    service.wait_line(r"lost the connection")
    server.start()
    until(lambda: client.get("/").status == 200, "back")
