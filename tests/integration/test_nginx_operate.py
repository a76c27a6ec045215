"""Operating nginx with `nrt_pass`: reloads, upgrades of the binary, quits, workers and NATS servers
that die. Nothing of it may lose a request that could have been answered. NRT_TEST_LONG=1 takes 10,000
requests where it says so."""

import grp
import json
import os
import pwd
import re
import signal
import threading
import time

import pytest

from harness.client import Client, curl, is_listening, request_bytes
from harness.clock import DEADLINE, LONG, SLOW, Stopwatch, until
from harness.fresh import Fresh
from harness.jwt import NKey
from harness.message import Answer, Request
from harness.nginx import Nginx, children, is_running
from harness.origin import plain
from harness.page import fixed_port

PASS = "location / { nrt_pass weather.nats; nrt_buffering off; }"
COUNT = 10000 if LONG else 0


@pytest.fixture
def nginx(world, nats):
    def make(server=PASS, **more):
        return Nginx(world, f"nrt_server {nats.url}; {server}", **more).start()
    return make


@pytest.fixture
def service(world, nats):
    """A service whose answers say that they are whole."""
    origin = world.origin(plain("x" * 1000))
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def fresh(world):
    """Load that must get answers of `service`, and has begun."""
    def start(gateway, count=0):
        load = Fresh(gateway.url, count=count, right=lambda answer: answer.status == 200 and answer.body == b"x" * 1000)
        world.closing(load)
        until(lambda: load.answered > 50, "load")
        return load
    return start


def paced(load, step, pause, least):
    """Does step() every `pause` seconds, `least` times and until `load` has asked enough."""
    done = 0
    while done < least or (COUNT and load.running):
        step()
        done += 1
        time.sleep(pause)  # the pace that is promised, not a wait for something
    return done


def ended(pids, timeout=DEADLINE):
    until(lambda: not any(is_running(pid) for pid in pids), f"{pids} end", timeout)


@pytest.mark.parametrize("listen", ["", " reuseport"])
def test_reloads_under_load_lose_nothing(nginx, service, fresh, listen):
    gateway = nginx(workers=2, listen=listen)
    load = fresh(gateway, COUNT)
    old = set()

    def reload():
        old.update(gateway.worker_pids)
        gateway.reload()

    reloads = paced(load, reload, 0.2, 10)
    asked = load.stop()
    print(f"\n{asked} requests, {reloads} reloads, none failed")
    assert asked >= (COUNT or 200)
    # Two workers are left: those of before have gone, their connections to NATS with them.
    until(lambda: len(gateway.worker_pids) == 2, "the workers of the last reload alone")
    ended(old - set(gateway.worker_pids))


def test_an_upgrade_of_the_binary_under_load_loses_nothing(nginx, service, fresh):
    """USR2, WINCH and QUIT, as nginx's manual has it. WINCH means something to a daemon only."""
    gateway = nginx(workers=2, daemon="on")
    load = fresh(gateway, COUNT)

    def upgrade():
        old = gateway.master
        workers = gateway.worker_pids
        gateway.upgrade()
        asked = load.answered
        until(lambda: load.answered > asked + 50, "both answer")
        os.kill(old, signal.SIGWINCH)
        ended(workers)
        os.kill(old, signal.SIGQUIT)
        ended([old])

    upgrades = paced(load, upgrade, 0, 2)
    print(f"\n{load.stop()} requests, {upgrades} upgrades, none failed")


def test_an_upgrade_can_be_taken_back(nginx, service, fresh):
    """The old master has its listening sockets all the time: HUP gives it workers again."""
    gateway = nginx(daemon="on")
    old = gateway.master
    new = gateway.upgrade()
    load = fresh(gateway)
    os.kill(old, signal.SIGWINCH)
    until(lambda: children(old) == [new], "the old master has no workers")
    os.kill(old, signal.SIGHUP)
    until(lambda: len(children(old)) == 2, "the old master has workers again")
    os.kill(new, signal.SIGQUIT)
    ended([new])
    until(lambda: gateway.master == old, "the pid file is the old master's again")
    load.stop()


class Slow:
    """An origin with something of each kind under way, until it is let go on."""

    def __init__(self, world, nats):
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.origin = world.origin(script=self._play)
        self.service = world.serve(nats, "weather.nats", self.origin)

    def _play(self, connection):
        try:
            self._answer(connection)
        finally:
            self.ended.release()

    def _answer(self, connection):
        request = connection.reader.head(Request)
        if request.target == "/upgrade":
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.begun.release()
            while data := connection.sock.recv(65536):
                connection.send(data)
        elif request.target == "/events":
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            self.begun.release()
            if self.wait(connection):
                connection.send("data: 2\n\n")
        else:
            self.begun.release()
            length = int(request.get("Content-Length") or 0)
            body = connection.reader.exactly(length) if length else b""
            if self.wait(connection):
                connection.send(plain(f"{request.method} {len(body)}"))
                connection.wait_closed()

    def wait(self, connection):
        """Until it may go on; False where the other side has left before."""
        connection.sock.settimeout(0.02)
        while not self.go_on.is_set():
            try:
                if not connection.sock.recv(1):
                    return False
            except TimeoutError:
                pass
        connection.sock.settimeout(DEADLINE)
        return True

    def start(self, gateway):
        """Four clients, with what each has under way: an answer, a stream, an upload, a tunnel."""
        clients = {}
        for name, target in (("answer", "/"), ("events", "/events"), ("upload", "/"), ("upgrade", "/upgrade")):
            client = clients[name] = Client(gateway.url)
            gateway.world.closing(client)
            if name == "upload":
                client.send(request_bytes("PUT", target, fields=[("Content-Length", "200000")]), b"x" * 100000)
            else:
                fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")] if name == "upgrade" else []
                client.send(request_bytes("GET", target, fields=fields))
            assert self.begun.acquire(timeout=DEADLINE), name
        assert clients["upgrade"].reader.head(Answer).status == 101
        clients["events"].reader.until(b"data: 1\n\n", "an event")
        return clients

    def left(self, clients, soon=0):
        """The service is not left with it: a peer without a last word is noticed within 10 s."""
        for _ in range(soon):
            assert self.ended.acquire(timeout=2 * SLOW)
        for _ in range(len(clients) - soon):
            assert self.ended.acquire(timeout=DEADLINE + 2 * SLOW)

    def finish(self, clients):
        """All of it goes on, and ends well."""
        self.go_on.set()
        assert clients["answer"].answer().body == b"GET 0"
        assert b"data: 2\n\n" in clients["events"].reader.until(b"0\r\n\r\n", "the end")
        clients["upload"].send(b"x" * 100000)
        assert clients["upload"].answer().body == b"PUT 200000"
        clients["upgrade"].send(b"hello")
        assert clients["upgrade"].reader.exactly(5) == b"hello"
        clients["upgrade"].half_close()
        assert clients["upgrade"].at_end()
        # nginx lets a client linger that it has closed, for 5 s (lingering_timeout).
        for client in clients.values():
            client.close()


STREAMS = PASS.replace("}", "nrt_request_buffering off; }")


def test_quit_finishes_what_is_under_way(world, nats, nginx):
    slow = Slow(world, nats)
    gateway = nginx(STREAMS)
    clients = slow.start(gateway)
    gateway.signal("quit")
    until(lambda: not is_listening(gateway.url), "nobody is let in")
    slow.finish(clients)
    assert gateway.child.wait(2 * SLOW) == 0


def test_a_reload_finishes_what_is_under_way(world, nats, nginx):
    slow = Slow(world, nats)
    gateway = nginx(STREAMS)
    old = gateway.worker_pids
    clients = slow.start(gateway)
    gateway.reload()
    until(lambda: len(gateway.worker_pids) == 2, "another worker")
    assert is_running(old[0])
    slow.finish(clients)
    ended(old)


def test_stop_ends_at_once(world, nats, nginx):
    slow = Slow(world, nats)
    gateway = nginx(STREAMS)
    clients = slow.start(gateway)
    with Stopwatch() as watch:
        gateway.signal("stop")
        assert gateway.child.wait() == 0
    assert watch.seconds < 2 * SLOW
    for client in clients.values():
        client.reader.buffer = b""
        assert client.at_end()
    slow.left(clients, soon=3)  # the one without a body may not have been accepted yet (100 ms)


def test_worker_shutdown_timeout_ends_what_would_stay(world, nats, nginx):
    slow = Slow(world, nats)
    gateway = nginx(STREAMS, main="worker_shutdown_timeout 1s;")
    old = gateway.worker_pids
    slow.start(gateway)
    with Stopwatch() as watch:
        gateway.reload()
        ended(old)
    assert 0.9 < watch.seconds < 1 + 2 * SLOW
    slow.left(range(4))


def test_worker_shutdown_timeout_ends_an_upload_that_nobody_reads(world, nats, nginx):
    asked, done = threading.Event(), threading.Event()

    def script(connection):
        connection.reader.head(Request)
        asked.set()
        done.wait(DEADLINE)

    world.serve(nats, "weather.nats", world.origin(script=script))
    gateway = nginx(STREAMS, main="worker_shutdown_timeout 500ms;")
    old = gateway.worker_pids
    client = world.client(gateway)
    client.send(request_bytes("PUT", "/", fields=[("Content-Length", str(1 << 28))]))
    assert asked.wait(DEADLINE)
    client.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.sock.sendall(b"x" * (1 << 28))
    gateway.reload()
    ended(old, 0.5 + 3 * SLOW)
    done.set()


def test_a_killed_worker_is_replaced_and_what_it_had_fails_at_once(world, nats, nginx):
    slow = Slow(world, nats)
    gateway = nginx(STREAMS)
    clients = slow.start(gateway)
    old = gateway.worker_pids
    with Stopwatch() as watch:
        os.kill(old[0], signal.SIGKILL)
        for client in clients.values():
            client.reader.buffer = b""
            assert client.at_end()
    assert watch.seconds < 2 * SLOW
    slow.left(clients)
    until(lambda: len(gateway.worker_pids) == 1 and gateway.worker_pids != old, "another worker")
    slow.go_on.set()
    with Client(gateway.url) as client:
        assert client.get("/").body == b"GET 0"


# ---- NATS servers that go ----------------------------------------------------------------------


def errors(gateway):
    return [line for line in gateway.log.splitlines() if re.search(r"\[(error|crit|alert|emerg)\]", line)]


def test_a_nats_server_that_is_gone_is_told_once_by_each_worker(world):
    nats = world.nats(port=fixed_port(), monitor=True)
    world.serve(nats, "weather.nats", world.origin(plain("x" * 1000)))
    gateway = Nginx(world, f"nrt_server {nats.url}; nrt_connect_timeout 200ms; {PASS}", workers=4).start()

    def connected():
        return [one["cid"] for one in nats.connections() if one.get("name") == "nginx"]

    until(lambda: len(connected()) == 4, "each worker has a connection")
    seen = []
    load = Fresh(gateway.url, right=lambda answer: seen.append(answer) or True)
    world.closing(load)
    until(lambda: len(seen) > 200, "load")
    assert {answer.status for answer in seen} == {200}
    nats.kill()
    until(lambda: sum(answer.status == 503 for answer in seen) > 50, "503")
    nats.start()
    until(lambda: len(connected()) == 4, "each worker has a connection again")
    at = len(seen)
    until(lambda: len(seen) > at + 100 and {answer.status for answer in seen[-50:]} == {200}, "answers")
    load.stop()
    assert {answer.status for answer in seen} <= {200, 502, 503}
    # The service may be a moment later than a worker.
    assert {answer.error for answer in seen if answer.status == 503} <= {"disconnected", "no-service"}
    assert {answer.error for answer in seen if answer.status == 502} <= {"aborted"}
    # Not a line for each request: that the connection is lost, and why there is no other.
    lines = [line for line in errors(gateway) if "nrt: no-service: " not in line]
    assert sum("the connection to NATS is lost" in line for line in lines) == 4 and len(lines) <= 8, lines
    assert all(re.search(r"nrt: (the connection to NATS is lost|cannot connect to NATS): .", line) for line in lines), lines
    assert sum("Connection refused" in line for line in lines) == 4, lines


def test_a_check_of_the_configuration_asks_nats_nothing_and_a_worker_has_one_connection(world):
    nats = world.nats(monitor=True)
    made = lambda: nats.monitoring("/varz")["total_connections"] - before
    before = nats.monitoring("/varz")["total_connections"]
    nginx = Nginx(world, f"nrt_server {nats.url}; location / {{ nrt_pass a.nats; }} location /b {{ nrt_timeout 5s; nrt_pass b.nats; }}",
                  workers=2)
    assert nginx.check()[0] and made() == 0
    nginx.start()
    until(lambda: made() == 2, "each worker is connected")
    assert nginx.check()[0] and made() == 2
    with world.client(nginx) as client:
        assert {client.get(target).error for target in ("/", "/b")} == {"no-service"}
    assert made() == 2


def test_workers_without_connections_to_spare_recover(world):
    """worker_connections counts the one to NATS, too: while clients hold all of them there is none for it."""
    nats = world.nats(port=fixed_port())
    world.serve(nats, "weather.nats", world.origin(plain("x" * 1000)))
    gateway = Nginx(world, f"nrt_server {nats.url}; nrt_connect_timeout 200ms; {PASS}", connections=16).start()
    assert world.client(gateway).get("/").status == 200
    held = [world.client(gateway) for _ in range(20)]
    for client in held:
        client.send("GET / HTTP/1.1\r\n")
    nats.restart()
    until(lambda: "worker_connections are not enough" in gateway.log, "there are not enough")
    for client in held:
        client.close()

    def works():
        with Client(gateway.url) as client:
            return client.get("/").status == 200

    until(works, "an answer")


# ---- who may read what -------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be another user")
def test_what_the_workers_cannot_read_is_refused_by_the_check(world):
    key = NKey("user")
    nats = world.nats(config=f"authorization: {{ users: [{{ nkey: {key.public} }}] }}")
    seed = world.file("web.nk", key.seed)
    os.chmod(seed, 0o600)
    os.chmod(world.folder, 0o711)
    gateway = Nginx(world, f"nrt_server {nats.url}; nrt_nkey {seed}; {PASS}", user="nobody nogroup")
    fine, said = gateway.check()
    assert not fine and "nobody" in said and seed in said and "Permission denied" in said, said
    os.chown(seed, -1, grp.getgrnam("nogroup").gr_gid)
    os.chmod(seed, 0o640)
    fine, said = gateway.check()
    assert fine, said
    os.chmod(gateway.folder, 0o777)
    gateway.start()
    until(lambda: "connected to NATS" in gateway.log, "connected")
    worker, = gateway.worker_pids
    with open(f"/proc/{worker}/status", encoding="ascii") as status:
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be another user")
def test_a_context_that_the_workers_cannot_read_is_refused_by_the_check(world, nats):
    folder = world.path("config/nats/context")
    os.makedirs(folder)
    path = world.file("config/nats/context/web.json", json.dumps({"url": nats.url}))
    os.chmod(world.folder, 0o711)
    os.chmod(path, 0o600)
    gateway = Nginx(world, f"nrt_context web; {PASS}", user="nobody nogroup")
    fine, said = gateway.check()
    assert not fine and '"nobody"' in said and '"web"' in said, said
    os.chmod(path, 0o644)
    fine, said = gateway.check()
    assert fine, said


def test_a_context_outlives_an_upgrade_where_the_environment_does(world, nats, service, fresh):
    """nginx keeps of its environment what `env` names, and hands on no more to the next binary."""
    os.makedirs(world.path("config/nats/context"))
    world.file("config/nats/context/web.json", json.dumps({"url": nats.url}))
    gateway = Nginx(world, f"nrt_context web; {PASS}", main="env XDG_CONFIG_HOME;", daemon="on").start()
    old = gateway.master
    gateway.upgrade()
    os.kill(old, signal.SIGQUIT)
    ended([old])
    fresh(gateway).stop()
