"""Many at once: fairness between instances, a kill -9, a thousand clients, ten workers."""

import collections
import resource
import selectors
import socket
import time

import pytest

from harness.client import request_bytes
from harness.clock import SLOW, Stopwatch, until
from harness.message import Answer, Reader, parse_request
from harness.origin import plain
from harness.world import sanitized

Result = collections.namedtuple("Result", "number sent ended outcome status client detail")


def results_of(load):
    """What programs/load.c printed."""
    rows = [line.split(" ", 6) for line in load.lines()]
    return [Result(int(n), float(sent), float(ended), outcome, int(status), client, detail)
            for n, sent, ended, outcome, status, client, detail in rows]


def numbered(world):
    """An origin that answers /17 with 17."""
    return world.origin(lambda request: plain(request.target[1:]))


def test_two_instances_share_2000_requests_about_evenly(world, nats):
    """Binomial with p = 1/2: 1,000 +- 4.5 standard deviations of 22.4."""
    origins = [numbered(world), numbered(world)]
    for origin in origins:
        world.serve(nats, "weather.nats", origin)
    load = world.program("load", nats.url, "weather.nats", 2000, 20, 10000)
    assert load.wait(60 * SLOW) == 0
    counts = [len(origin.requests) for origin in origins]
    assert sum(counts) == 2000
    assert 900 <= counts[0] <= 1100, counts
    assert {result.outcome for result in results_of(load)} == {"ok"}
    by_client = collections.Counter(result.client for result in results_of(load))
    assert sorted(by_client.values()) == sorted(counts)


def test_kill_9_of_one_instance_under_load_fails_only_what_was_in_flight_on_it(world, nats):
    in_flight = 24
    killed_origin, other_origin = numbered(world), numbered(world)
    killed = world.serve(nats, "weather.nats", killed_origin)
    world.serve(nats, "weather.nats", other_origin)
    load = world.program("load", nats.url, "weather.nats", 0, in_flight, 1500, stdin=-1)
    until(lambda: len(load.lines()) > 1000, "load")
    at = time.monotonic()
    killed.kill()
    killed.expected = None
    lines = len(load.lines())
    until(lambda: len(load.lines()) > lines + 1000, "the other one goes on")
    load.stdin.close()
    assert load.wait() == 0
    results = results_of(load)
    failed = [result for result in results if (result.outcome, result.status) != ("ok", 200)]
    seen_by_other = {request.target[1:] for request in other_origin.requests}
    for result in failed:
        assert result.outcome in ("timeout", "aborted"), result
        assert len(result.detail) > 10, "it says why"
        assert str(result.number) not in seen_by_other, "it was on the one that died"
        assert result.sent < at + 0.2 * SLOW, "it was in flight then"
    assert len(failed) <= in_flight
    answered_last = {result.client for result in results[-200:] if result.outcome == "ok"}
    assert len(answered_last) == 1, "one instance is left"


COUNT = 1000


def body_of(number, size):
    return b"%d." % number * (size // 10)


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_thousand_requests_in_parallel_through_the_gateway(world, nats, size):
    """Each on a connection of its own, and a second one behind it: order and bodies right."""
    allow_descriptors(4096)
    serving = world.serve(nats, "weather.nats", world.python_server())
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--timeout", "60s")
    crowd = Crowd(world, gateway, lambda number: b"".join(
        request_bytes("POST", f"/{number}/{part}", body=body_of(number, size)) for part in "ab"))
    for number, answers in crowd.answers().items():
        assert [answer.status for answer in answers] == [200, 200]
        assert [answer.body for answer in answers] == [
            b"POST /%d/%s " % (number, part) + body_of(number, size) for part in (b"a", b"b")]
    if not sanitized():
        assert gateway.status("VmHWM") < 80_000
        assert serving.status("VmHWM") < 80_000


def test_a_thousand_requests_in_flight_are_answered_in_any_order(world, nats, peer):
    """The service holds all of them, and answers the last one first."""
    allow_descriptors(4096)
    held = peer.subscribe("nrt.requests.weather.nats.*", "nrt")
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    crowd = Crowd(world, gateway, lambda number: request_bytes("GET", f"/{number}"))
    requests = [held.next() for _ in range(COUNT)]
    assert held.none_waiting()
    for request in reversed(requests):
        target = parse_request(request.payload).target
        peer.publish(request.reply, plain(target * 100))
    for number, (answer,) in crowd.answers(each=1).items():
        assert answer.text == f"/{number}" * 100
    if not sanitized():
        assert gateway.status("VmHWM") < 40_000


class Crowd:
    """A thousand connections, each of which sends its bytes at once."""

    def __init__(self, world, gateway, bytes_of):
        host, port = gateway.url[7:].split(":")
        self.selector = selectors.DefaultSelector()
        for number in range(COUNT):
            sock = world.closing(socket.create_connection((host, int(port)), 30))
            sock.sendall(bytes_of(number))
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)

    def answers(self, each=2):
        """What each connection was answered, `each` answers on it, by its number."""
        pending, done = {number: b"" for number in range(COUNT)}, {}
        end = time.monotonic() + 60 * SLOW
        while pending and time.monotonic() < end:
            for key, _ in self.selector.select(1):
                data = key.fileobj.recv(262144)
                assert data, f"closed after {pending[key.data]!r}"
                pending[key.data] += data
                answers = whole_answers(pending[key.data], each)
                if answers:
                    done[key.data] = answers
                    del pending[key.data]
                    self.selector.unregister(key.fileobj)
        assert not pending, f"{len(pending)} of {COUNT} connections have no answer"
        return done


def allow_descriptors(count):
    """Raises the limit of this process and of those it starts; an operator would do so too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def whole_answers(data, count):
    """`count` whole answers, or None while bytes are missing."""
    reader = Reader(data=data)
    answers = []
    for _ in range(count):
        if b"\r\n\r\n" not in reader.buffer:
            return None
        answer = reader.head(Answer)
        if len(reader.buffer) < int(answer.get("Content-Length")):
            return None
        reader.body(answer, framed_by_close=False)
        answers.append(answer)
    assert not reader.buffer
    return answers


def test_ten_clients_on_a_handler_that_sleeps_a_second_take_a_second(world, nats):
    world.handlers(nats, "weather.nats", workers=10)
    gateway = world.gateway(nats, "--proxy")
    clients = [world.client(gateway) for _ in range(10)]
    with Stopwatch() as watch:
        for client in clients:
            client.send(request_bytes("GET", "/sleep/1000", host="weather.nats"))
        assert [client.answer().body for client in clients] == [b"slept"] * 10
    assert 1.0 <= watch.seconds < 1.5 * SLOW


def test_ten_clients_on_two_workers_wait_for_one_another(world, nats):
    """The counterpart: it is the workers that make it parallel."""
    world.handlers(nats, "weather.nats", workers=2)
    gateway = world.gateway(nats, "--proxy")
    clients = [world.client(gateway) for _ in range(10)]
    with Stopwatch() as watch:
        for client in clients:
            client.send(request_bytes("GET", "/sleep/100", host="weather.nats"))
        assert [client.answer().body for client in clients] == [b"slept"] * 10
    assert 0.5 <= watch.seconds < 0.9 * SLOW


def test_a_thousand_different_hosts_over_one_connection(world):
    """Nothing is kept for hosts that were asked for once."""
    nats = world.nats(monitor=True)
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    client.get("/", host="first.nats")
    before = nats.connections()[0]["subscriptions"]
    for number in range(1000):
        assert client.get("/", host=f"h{number}.nats").error == "no-service"
    connection, = nats.connections()
    assert connection["subscriptions"] == before
