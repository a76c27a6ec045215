"""What `nrt gateway` and `nrt serve` tell a service manager (sd_notify(3)), on a real socket."""

import os
import signal
import socket
import time

import pytest

from harness.client import curl
from harness.clock import DEADLINE, until
from harness.origin import plain
from harness.world import free_port

HOST = "hello.nats"


class Manager:
    """The end of systemd: a datagram socket, by a path or, with @, an abstract name."""

    def __init__(self, address):
        self.address, self.messages = address, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(DEADLINE)
        self.env = {"NOTIFY_SOCKET": address}

    def close(self):
        self.socket.close()

    def wait(self, line):
        """Reads on until a message has a line that begins so; that message's lines. Those before are kept."""
        while True:
            lines = self.socket.recv(65536).decode().split("\n")
            self.messages.append(lines)
            found = [text for text in lines if text.startswith(line)]
            if found:
                return lines

    def drain(self):
        """What has come, all of it: only at a time when it cannot be less."""
        self.socket.setblocking(False)
        try:
            while True:
                self.messages.append(self.socket.recv(65536).decode().split("\n"))
        except BlockingIOError:
            self.socket.settimeout(DEADLINE)

    def has(self, line):
        return [lines for lines in self.messages if any(text.startswith(line) for text in lines)]


@pytest.fixture(params=["path", "abstract"])
def manager(request, world):
    name = world.path("notify")
    return world.closing(Manager(name if request.param == "path" else f"@nrt-test{name}"))


@pytest.fixture
def at_path(world):
    return world.closing(Manager(world.path("notify")))


def test_a_gateway_is_ready_when_it_listens_and_says_that_it_stops(world, manager):
    nats = world.nats()
    gateway = world.gateway(nats, "--proxy", wait=False, env=manager.env)
    manager.wait("READY=1")
    assert manager.messages[0] == ["STATUS=connecting to NATS"]
    # Nothing was waited for but that word: the listener is there.
    status = manager.wait("STATUS=listening on http://127.0.0.1:")[0]
    assert curl(status.removeprefix("STATUS=listening on ")).code == 0
    gateway.signal(signal.SIGTERM)
    assert manager.wait("STOPPING=1") == ["STOPPING=1", "STATUS=finishing what is in flight"]
    assert gateway.wait() == 0


def test_a_sidecar_is_ready_when_it_is_in_the_queue_group(world, manager):
    nats = world.nats()
    origin = world.origin(lambda request: plain("hello"))
    world.serve(nats, HOST, origin, wait=False, env=manager.env)
    manager.wait("READY=1")
    assert world.get(nats, f"http://{HOST}/").stdout == "hello"
    assert manager.wait("STATUS=serving") == [f"STATUS=serving {HOST} from {origin.url}"]


def test_nobody_is_ready_before_there_is_a_connection(world, at_path):
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    origin = world.origin(lambda request: plain("hello"))
    sidecar = world.serve(url, HOST, origin, wait=False, env=at_path.env)
    at_path.wait("STATUS=no connection to NATS: ")
    sidecar.wait_line("no connection to NATS")
    assert at_path.has("READY=1") == []
    nats = world.nats(port=port)
    at_path.wait("READY=1")
    # The connection lost and found is status, not another start.
    nats.kill()
    at_path.wait("STATUS=no connection to NATS: ")
    nats.restart()
    at_path.wait("STATUS=serving")
    sidecar.signal(signal.SIGTERM)
    at_path.wait("STOPPING=1")
    assert sidecar.wait() == 0
    assert len(at_path.has("READY=1")) == 1


def test_several_hosts_are_ready_together(world, at_path):
    nats = world.nats()
    origin = world.origin(lambda request: plain("hello"))
    world.serve(nats, "a.nats", origin, "b.nats", origin, "c.nats", origin, wait=False, env=at_path.env)
    at_path.wait("READY=1")
    at_path.wait("STATUS=3 of 3 hosts are in the queue group")
    for host in "abc":
        assert world.get(nats, f"http://{host}.nats/").stdout == "hello"


def test_a_sidecar_of_an_ill_server_is_ready_and_its_status_says_so(world, at_path):
    nats = world.nats()
    origin = world.origin(lambda request: origin.answer)
    origin.answer = plain("no", "503 Service Unavailable")
    world.serve(nats, HOST, origin, args=["--health", "/healthz,100ms"], wait=False, env=at_path.env)
    at_path.wait("READY=1")
    at_path.wait("STATUS=outside of the queue group: ")
    origin.answer = plain("well")
    at_path.wait("STATUS=serving")
    assert len(at_path.has("READY=1")) == 1


def test_sighup_is_a_reload_with_the_time_of_it(world, at_path):
    nats = world.nats()
    log = world.path("access.log")
    gateway = world.gateway(nats, "--proxy", "--access-log", log, env=at_path.env)
    at_path.wait("READY=1")
    os.rename(log, log + ".1")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    gateway.signal(signal.SIGHUP)
    first, second = at_path.wait("RELOADING=1")
    assert first == "RELOADING=1"
    name, stamp = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(stamp) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    at_path.wait("READY=1")
    at_path.wait("STATUS=listening on ")
    until(lambda: os.path.exists(log), "the access log is there again")


def test_sighup_with_nothing_to_reload_ends_only_who_has_no_manager(world, at_path):
    nats = world.nats()
    origin = world.origin(lambda request: plain("hello"))
    managed = world.serve(nats, HOST, origin, env=at_path.env)
    at_path.wait("READY=1")
    managed.signal(signal.SIGHUP)
    at_path.wait("RELOADING=1")
    at_path.wait("READY=1")
    assert world.get(nats, f"http://{HOST}/").stdout == "hello"
    alone = world.serve(nats, "alone.nats", origin)
    alone.signal(signal.SIGHUP)
    assert alone.wait() == 0
    assert managed.running


def test_the_watchdog_hears_of_a_loop_that_turns(world, at_path):
    nats = world.nats()
    gateway = world.gateway(nats, "--proxy", env={**at_path.env, "WATCHDOG_USEC": "200000"})
    for _ in range(3):
        at_path.wait("WATCHDOG=1")
    gateway.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, gateway.pid, os.WSTOPPED)
    at_path.drain()
    with pytest.raises(TimeoutError):
        at_path.socket.settimeout(0.6)
        at_path.wait("WATCHDOG=1")
    at_path.socket.settimeout(DEADLINE)
    gateway.signal(signal.SIGCONT)
    at_path.wait("WATCHDOG=1")


def test_the_watchdog_of_another_process_is_not_ours(world, at_path):
    nats = world.nats()
    env = {**at_path.env, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}
    gateway = world.gateway(nats, "--proxy", env=env)
    assert curl(gateway.url).code == 0
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    at_path.wait("STOPPING=1")
    assert at_path.has("READY=1") and at_path.has("WATCHDOG=1") == []


def test_a_status_has_one_line_whatever_a_server_says(world, at_path):
    """The text of a NATS server that refuses us goes into the status."""
    def liar(connection):
        connection.send(b'INFO {"server_id":"x","version":"2.9.0","max_payload":1048576}\r\n')
        connection.send(b"-ERR 'no\x01READY=1\xff'\r\n")
        connection.wait_closed()

    fake = world.origin(script=liar)
    world.gateway(fake.url.replace("http://", "nats://"), "--proxy", wait=False, env=at_path.env).expected = None
    at_path.wait("STATUS=no connection to NATS: ")
    assert at_path.has("READY=1") == []


@pytest.mark.parametrize("address, problem", [
    ("/nowhere/notify", "/nowhere/notify does not hear us: No such file or directory"),
    ("relative", "NOTIFY_SOCKET=relative is neither a path of a socket nor @ and a name"),
    ("/" + "x" * 200, "is neither a path of a socket"),
])
def test_a_manager_that_cannot_be_told_stops_nothing(world, address, problem):
    nats = world.nats()
    gateway = world.gateway(nats, "--proxy", env={"NOTIFY_SOCKET": address})
    assert curl(gateway.url).code == 0
    assert problem in gateway.stderr


def test_without_a_manager_nothing_is_sent_and_nothing_is_said(world, at_path):
    nats = world.nats()
    gateway = world.gateway(nats, "--proxy", env={"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "2000"})
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    at_path.drain()
    assert at_path.messages == []
    assert "NOTIFY_SOCKET" not in gateway.stderr
