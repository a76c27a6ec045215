"""Many streams at once through one gateway, and readers that hold others up if they can."""

import os
import resource
import selectors
import signal
import socket
import threading
import time

from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, LONG, SLOW, until
from harness.world import program, sanitized

CLIENTS = 2000 if LONG else 500
SECONDS = 20 if LONG else 4
MIB = 1 << 20


def native(world, nats):
    child = world.program("streamer", nats.url, "weather.nats", 0)
    child.wait_line(r"^ready$", "stdout")
    return child


class Listeners:
    """Clients that read server-sent events, all on one thread."""

    def __init__(self, url, count):
        self.selector = selectors.DefaultSelector()
        self.clients = [Client(url, timeout=DEADLINE * 3) for _ in range(count)]
        self.seen = [[] for _ in range(count)]
        self.rest = [b""] * count
        for number, client in enumerate(self.clients):
            client.send(request_bytes("GET", "/ticks"))
        for number, client in enumerate(self.clients):
            client.reader.until(b"\r\n\r\n", "the head")
            self.rest[number] = client.reader.buffer
            self.selector.register(client.sock, selectors.EVENT_READ, number)

    def listen(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                number = key.data
                data = key.fileobj.recv(65536)
                assert data, f"client {number} was cut off"
                self._take(number, data)

    def _take(self, number, data):
        """Chunks hold whole events: one tick is one piece."""
        now = time.monotonic()
        *lines, self.rest[number] = (self.rest[number] + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                count, sent = line[6:].split()
                self.seen[number].append((int(count), now - float(sent)))

    def close(self):
        for client in self.clients:
            client.close()


def test_server_sent_events_reach_many_clients_in_time(world, nats):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 10000), hard))
    native(world, nats)
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    with Client(gateway.url) as one:
        one.get("/bytes/10")
    before = gateway.status("VmRSS")
    listeners = Listeners(gateway.url, CLIENTS)
    try:
        listeners.listen(SECONDS)
        each = (gateway.status("VmRSS") - before) / CLIENTS
    finally:
        listeners.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    late = []
    for seen in listeners.seen:
        numbers = [number for number, _ in seen]
        assert len(numbers) >= SECONDS - 2
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "an event is missing"
        late += [after for _, after in seen]
    late.sort()
    print(f"\n{CLIENTS} clients, {len(late)} events: median {late[len(late) // 2] * 1e3:.0f} ms late, "
          f"p99 {late[len(late) * 99 // 100] * 1e3:.0f} ms, at most {late[-1] * 1e3:.0f} ms; "
          f"{each:.1f} KiB for each client in the gateway")
    assert late[-1] < 1.0 * SLOW
    assert sanitized() or each <= 24


def p99(url, path, count):
    times = []
    with Client(url) as client:
        for _ in range(count):
            start = time.monotonic()
            assert client.get(path).status == 200
            times.append(time.monotonic() - start)
    return sorted(times)[count * 99 // 100]


def test_a_slow_reader_does_not_slow_its_neighbours(world, nats):
    """10 KB/s on a download of 100 MB; others are asked in turn with and without it."""
    native(world, nats)
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    client = Client(gateway.url)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stop, reading = threading.Event(), threading.Event()
    count = 3000 if LONG else 600

    def read_slowly():
        while not stop.is_set():
            if reading.is_set():
                client.sock.recv(500)
            stop.wait(0.05)

    thread = threading.Thread(target=read_slowly)
    p99(gateway.url, "/bytes/100", 100)
    ratios, alone = [], [p99(gateway.url, "/bytes/100", count) for _ in range(3)]
    before = gateway.status("VmRSS")
    client.send(request_bytes("GET", "/bytes/100000000"))
    thread.start()
    try:
        reading.set()
        beside = [p99(gateway.url, "/bytes/100", count) for _ in range(3)]
        grown = gateway.status("VmRSS") - before
    finally:
        stop.set()
        thread.join()
        client.close()
    ratios = sorted(beside)[1] / sorted(alone)[1]
    print(f"\np99 of neighbours: alone {sorted(alone)[1] * 1e6:.0f} us, beside a slow reader "
          f"{sorted(beside)[1] * 1e6:.0f} us, {ratios:.2f} times; the gateway grew by {grown} KiB")
    assert sanitized() or grown < 2048
    assert ratios < 2 * SLOW or sorted(beside)[1] < 0.005


def test_a_gateway_that_is_stopped_does_not_hold_up_the_service(world, nats):
    """100 downloads whose gateway is paused: other clients of the same service go on."""
    native(world, nats)
    paused = world.gateway(nats, "--route", "/=weather.nats")
    other = world.gateway(nats, "--route", "/=weather.nats")
    p99(other.url, "/bytes/100", 50)
    clients = [Client(paused.url, timeout=DEADLINE * 3) for _ in range(100)]
    for client in clients:
        client.send(request_bytes("GET", "/bytes/20000000"))
        client.reader.until(b"\r\n\r\n", "the head")
    os.kill(paused.pid, signal.SIGSTOP)
    try:
        worst = 0.0
        with Client(other.url) as client:
            end = time.monotonic() + (8 if LONG else 3)
            while time.monotonic() < end:
                start = time.monotonic()
                assert client.get("/bytes/100").status == 200
                worst = max(worst, time.monotonic() - start)
                assert len(client.get("/bytes/1000000").body) == 1000000
    finally:
        os.kill(paused.pid, signal.SIGCONT)
    print(f"\nslowest small request beside a paused gateway: {worst * 1e3:.0f} ms")
    assert worst < 0.5 * SLOW
    for client in clients:
        client.close()
    until(lambda: paused.running, "it lives")


def test_a_large_download_beside_raw_nats(world, nats):
    """The share of what NATS itself moves in messages of 64 KiB, alternately, that reaches curl
    through the gateway. The full measurement is the bench's; this notices a collapse."""
    native(world, nats)
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    size = (256 if LONG else 64) * MIB

    def through_gateway():
        start = time.monotonic()
        done = curl("-o", "/dev/null", "--max-time", "120", f"{gateway.url}/bytes/{size}")
        assert done.code == 0, done
        return size / (time.monotonic() - start)

    def raw():
        child = world.run([program("raw_stream"), nats.url, size], timeout=DEADLINE * 6)
        return float(child.stdout.split()[0])

    through_gateway()
    pairs = [(through_gateway(), raw()) for _ in range(5 if LONG else 3)]
    shares = sorted(ours / theirs for ours, theirs in pairs)
    print("\n" + ", ".join(f"{ours / MIB:.0f} of {theirs / MIB:.0f} MiB/s" for ours, theirs in pairs) +
          f": median share {shares[len(shares) // 2]:.2f}")
    assert shares[len(shares) // 2] > 0.25
