"""`nrt serve --health`: an origin that is not well leaves its queue group, and comes back. Who is in
the group the NATS server says, and where requests go."""

import itertools
import json
import re
import signal
import sys
import threading

import pytest

from harness import gowire
from harness.clock import SLOW, until
from harness.message import parse_answer
from harness.origin import Gate, plain
from harness.world import NRT, free_port

HOST = "weather.nats"
GET = f"nrt.requests.{HOST}.get"
# A check that takes longer than its interval has failed: soon enough for tests that wait for a change,
# slow enough for those that wait for none, on busy machines too.
EVERY = f"{int(300 * SLOW)}ms"
SLOWLY = f"{int(1000 * SLOW)}ms"
STEADY = "/healthz,5s"

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

# How an origin can be ill, and what the sidecar says about it.
ILLS = {
    "503": (plain("no", "503 Service Unavailable"), r"it answered 503"),
    "404": (plain("no", "404 Not Found"), r"it answered 404"),
    "hangs": ("hang", r"no answer within \d+ ms"),
    "hangs in the middle": (("hang", CUT), r"no answer within \d+ ms"),
    "garbage": (b"SSH-2.0-OpenSSH_9.2p1\r\n", r"its answer is not valid: "),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                    r"its answer is not valid: "),
    "switches protocols": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", r"not valid: 101 although"),
    "endless head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, r"its answer is not valid: "),
    "endless interim": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50, r"too many interim responses"),
    "closes": (None, r"closed the connection before its answer was complete"),
    "cut": (("close", CUT), r"closed the connection before its answer was complete"),
}


class App:
    """An origin whose /healthz answers `health`: bytes, None (it closes), "hang", or either of
    "hang" and "close" with bytes before it, or a function that returns one of these."""

    def __init__(self, world, name="app", health=plain("well"), path=None, answer=None):
        self.name, self.health, self.checks = name, health, []
        self.answer = answer or (lambda request: plain(name))
        self.hanging = 0
        self.origin = world.origin(script=self._script, path=path)

    def _script(self, connection):
        while True:
            request = connection.read()
            if not request.target.endswith("/healthz"):
                connection.send(self.answer(request))
                continue
            self.checks.append(request)
            health = self.health() if callable(self.health) else self.health
            then, data = health if isinstance(health, tuple) else (None, health)
            if isinstance(data, bytes):
                connection.send(data)
            if then == "hang" or data == "hang":
                self.hanging += 1
                connection.wait_closed()
                self.hanging -= 1
            if then or not isinstance(data, bytes):
                return

    def wait_checks(self, more):
        wanted = len(self.checks) + more
        until(lambda: len(self.checks) >= wanted, f"{more} more checks of {self.name}")

    def get_well(self):
        self.health = plain("well")


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


def sidecar(world, nats, app, name="one", health="/healthz," + EVERY, host=HOST, wait=True, args=()):
    return world.serve(nats, host, getattr(app, "origin", app), wait=wait,
                       args=["--name", name, "--health", health, *args])


def members(nats, host=HOST):
    """The names of the connections that are in the host's queue group."""
    subject = f"nrt.requests.{host}.*"
    return {one.get("name") for one in nats.connections() if subject in one.get("subscriptions_list", [])}


def wait_members(nats, *names, host=HOST):
    until(lambda: members(nats, host) == set(names), f"the queue group of {host} is {names}")


def wait_connected(nats):
    until(lambda: "one" in [one.get("name") for one in nats.connections()], "it is connected")


@pytest.fixture
def ask(peer):
    def ask(host=HOST, target="/"):
        reply = peer.request(f"nrt.requests.{host}.get", gowire.request("GET", target, host))
        return reply if reply.status else parse_answer(reply.payload)

    return ask


def assert_only(ask, name, count=40):
    answers = [ask() for _ in range(count)]
    assert [answer.status for answer in answers] == [200] * count
    assert {answer.text for answer in answers} == {name}


def answered_by(ask, name):
    answer = ask()
    assert answer.status == 200
    return answer.text == name


# ---- leaving and coming back -------------------------------------------------------------------


@pytest.mark.parametrize("ill", ILLS)
def test_a_sick_origin_leaves_the_queue_group_and_comes_back(world, nats, ask, ill):
    health, reason = ILLS[ill]
    one, two = App(world, "one"), App(world, "two")
    first, second = sidecar(world, nats, one, "one"), sidecar(world, nats, two, "two", STEADY)
    assert members(nats) == {"one", "two"}
    one.health = health
    wait_members(nats, "two")
    first.wait_line(rf"{HOST} has left the queue group: {one.origin.url} is not healthy "
                    rf"\(GET /healthz\): .*{reason}")
    assert_only(ask, "two")
    one.get_well()
    wait_members(nats, "one", "two")
    first.wait_line(rf"{one.origin.url} is healthy again: {HOST} is back in the queue group")
    until(lambda: answered_by(ask, "one"), "the one that is well again gets requests")
    assert first.stderr.count("has left the queue group") == 1, "one line when it changes"
    assert "healthy" not in second.stderr


@pytest.mark.parametrize("unix", [False, True])
def test_an_origin_that_refuses_connections_leaves_and_comes_back(world, nats, ask, unix):
    one = App(world, "one", path=world.path("one.sock") if unix else None)
    two = App(world, "two", path=world.path("two.sock") if unix else None)
    first = sidecar(world, nats, one, "one")
    sidecar(world, nats, two, "two", STEADY)
    one.origin.stop()
    wait_members(nats, "two")
    first.wait_line(r"has left the queue group: .*: cannot connect to it: Connection refused")
    assert_only(ask, "two")
    one.origin.start()
    wait_members(nats, "one", "two")
    until(lambda: answered_by(ask, "one"), "the one that is back gets requests")


def test_an_origin_that_is_killed_or_stopped_leaves_and_comes_back(world, nats, ask):
    """An ordinary server in a process of its own: kill -9, a new one, then one that hangs whole."""
    port = free_port()

    def start():
        child = world.start([sys.executable, "-u", "-m", "http.server", str(port), "--bind",
                             "127.0.0.1", "--directory", world.folder])
        child.expected = None
        child.wait_line("^Serving HTTP", "stdout")
        return child

    server = start()
    sidecar(world, nats, f"http://127.0.0.1:{port}", "one", f"/,{EVERY}")
    sidecar(world, nats, App(world, "two"), "two", STEADY)
    server.kill()
    wait_members(nats, "two")
    assert_only(ask, "two")
    server = start()
    wait_members(nats, "one", "two")
    server.signal(signal.SIGSTOP)
    try:
        wait_members(nats, "two")
        assert_only(ask, "two")
    finally:
        server.signal(signal.SIGCONT)
    wait_members(nats, "one", "two")


def test_with_no_other_instance_clients_are_told_at_once(world, nats, ask):
    app = App(world)
    sidecar(world, nats, app)
    app.health = None
    wait_members(nats)
    assert ask().headers and ask().status == 503, "no responders"


def test_what_was_sent_to_a_sick_origin_is_still_answered(world, nats, peer):
    gate = Gate()
    app = App(world, answer=lambda request: gate.wait() or plain("late"))
    sidecar(world, nats, app)
    sub = peer.subscribe(peer.inbox())
    for _ in range(5):
        peer.publish(GET, gowire.request("GET", "/", HOST), sub.subject)
    gate.wait_entered(5)
    app.health = None
    wait_members(nats)
    gate.open()
    assert [parse_answer(sub.next().payload).body for _ in range(5)] == [b"late"] * 5


def test_while_one_flaps_no_request_fails(world, nats, ask):
    """In and out at every check, with requests on their way at each change."""
    turns = itertools.cycle([plain("well"), plain("no", "500 Internal Server Error")])
    flapping, steady = App(world, "flapping", lambda: next(turns)), App(world, "steady")
    child = sidecar(world, nats, flapping, "one", f"/healthz,{EVERY},fall=1")
    sidecar(world, nats, steady, "two", STEADY)
    peers = [world.peer(nats) for _ in range(4)]
    done, answers = threading.Event(), []

    def run(peer):
        while not done.is_set():
            reply = peer.request(GET, gowire.request("GET", "/", HOST))
            answers.append("nobody" if reply.status else parse_answer(reply.payload).text)

    threads = [threading.Thread(target=run, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    try:
        until(lambda: child.stderr.count("has left") >= 8, "eight changes", 60 * SLOW)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {"flapping", "steady"}


# ---- how many checks it takes ------------------------------------------------------------------


def test_fewer_failures_in_a_row_than_fall_change_nothing(world, nats):
    turns = itertools.cycle([plain("well"), None, None])
    app = App(world, health=lambda: next(turns))
    child = sidecar(world, nats, app, health=f"/healthz,{SLOWLY},fall=3")
    app.wait_checks(7)
    assert members(nats) == {"one"} and "has left" not in child.stderr
    turns = itertools.cycle([None])
    wait_members(nats)


def test_fewer_successes_in_a_row_than_rise_change_nothing(world, nats):
    turns = itertools.cycle([plain("well"), plain("well"), None])
    app = App(world, health=lambda: next(turns))
    child = sidecar(world, nats, app, health=f"/healthz,interval={EVERY},rise=3", wait=False)
    app.wait_checks(7)
    assert members(nats) == set() and "serving" not in child.stderr
    turns = itertools.cycle([plain("well")])
    child.wait_line(f"serving {HOST} on ")
    assert members(nats) == {"one"}


# ---- what is well ------------------------------------------------------------------------------


def test_every_valid_answer_from_200_to_399_is_well(world, nats, ask):
    answers = {
        "204": plain("", "204 No Content").replace(b"Content-Length: 0\r\n", b""),
        "302": plain("", "302 Found", [("Location", "/login")]),
        "399": plain("", "399 Whatever"),
        "long": plain("x" * 300_000),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + plain("ok"),
        "closed": ("close", b"HTTP/1.0 200 OK\r\n\r\nup to the end"),
    }
    apps = {f"{name}.nats": App(world, name, health) for name, health in answers.items()}
    pairs = [part for host, app in apps.items() for part in (host, app.origin)]
    child = world.serve(nats, *pairs, args=["--health", f"/healthz,{SLOWLY},fall=1"])
    for app in apps.values():
        app.wait_checks(2)
    assert "not healthy" not in child.stderr
    assert {host: ask(host).text for host in apps} == {host: app.name for host, app in apps.items()}


def test_a_check_is_a_get_on_a_connection_of_its_own(world, nats):
    app = App(world)
    world.serve(nats, "Weather.NATS", app.origin.url + "/base/",
                args=["--health", "/healthz," + EVERY])
    app.wait_checks(3)
    for check in app.checks:
        assert (check.method, check.target, check.minor) == ("GET", "/base/healthz", 1)
        assert check.get("Host") == HOST
        assert check.get("Connection") == "close"
        assert check.get("User-Agent") == "nrt-health"
    assert len({check.connection for check in app.checks}) == len(app.checks)
    until(lambda: app.origin.open_connections <= 1, "connections of checks are closed")


# ---- at start ----------------------------------------------------------------------------------


def test_a_service_waits_for_its_first_check(world, nats, ask):
    gate = Gate()
    app = App(world, health=lambda: gate.wait() or plain("well"))
    child = sidecar(world, nats, app, health="/healthz,1m", wait=False)
    gate.wait_entered()
    wait_connected(nats)
    assert members(nats) == set() and ask().status == 503
    assert "serving" not in child.stderr
    gate.open()
    child.wait_line(f"serving {HOST} on ")
    assert ask().text == "app"
    assert "queue group:" not in child.stderr, "one line says it"


def test_a_service_whose_origin_starts_later_says_that_it_waits(world, nats, ask):
    app = App(world)
    app.origin.stop()
    child = sidecar(world, nats, app, wait=False)
    child.wait_line(rf"{HOST} waits outside the queue group: {app.origin.url} is not healthy "
                    r"\(GET /healthz\): cannot connect to it: Connection refused")
    assert ask().status == 503 and members(nats) == set()
    app.origin.start()
    child.wait_line(rf"{app.origin.url} is healthy: {HOST} joins the queue group")
    child.wait_line(f"serving {HOST} on ")
    assert ask().text == "app"
    assert child.stderr.count("waits outside") == 1


def test_a_name_that_cannot_be_looked_up_is_said(world, nats):
    child = sidecar(world, nats, "http://nowhere.invalid:80", wait=False)
    child.wait_line(r"waits outside the queue group: .*: its name (cannot|could not) be looked up")


def test_without_nats_it_is_checked_and_joins_once_there_is_a_connection(world, nats):
    nats.kill()
    app = App(world)
    child = sidecar(world, nats, app, wait=False)
    app.wait_checks(3)
    nats.start()
    child.wait_line(f"serving {HOST} on ")
    assert members(nats) == {"one"}


# ---- beside it ---------------------------------------------------------------------------------


def test_a_slow_check_does_not_delay_requests(world, nats, ask):
    app = App(world)
    sidecar(world, nats, app, health=f"/healthz,{SLOWLY},fall=100")
    app.health = "hang"
    until(lambda: app.hanging, "a check hangs")
    check = len(app.checks)
    assert [ask().text for _ in range(50)] == ["app"] * 50
    assert app.hanging == 1 and len(app.checks) == check, "all of that during one check"


def test_each_pair_has_a_health_of_its_own(world, nats, ask):
    apps = {host: App(world, host) for host in ("a.nats", "b.nats", "c.nats")}
    pairs = [part for host, app in apps.items() for part in (host, app.origin)]
    child = world.serve(nats, *pairs, args=["--name", "one", "--health", "/healthz," + EVERY])
    apps["b.nats"].health = None
    wait_members(nats, host="b.nats")
    child.wait_line(rf"b\.nats has left the queue group: {apps['b.nats'].origin.url} is not")
    assert members(nats, "a.nats") == members(nats, "c.nats") == {"one"}
    assert [ask(host).status for host in apps] == [200, 503, 200]
    apps["b.nats"].get_well()
    wait_members(nats, "one", host="b.nats")
    assert child.stderr.count("has left") == 1


def test_it_stays_outside_when_the_connection_to_nats_is_made_anew(world, nats):
    app = App(world)
    child = sidecar(world, nats, app)
    app.health = None
    wait_members(nats)
    nats.restart()
    child.wait_line("connected again to")
    app.wait_checks(2)
    assert members(nats) == set()
    app.get_well()
    wait_members(nats, "one")


def test_the_json_log_says_what_changed(world, nats):
    app = App(world)
    child = sidecar(world, nats, app, args=["--log", "json"], wait=False)
    child.wait_line('"event":"serving"')
    app.health = ILLS["503"][0]
    child.wait_line('"event":"unhealthy"')
    app.get_well()
    child.wait_line('"event":"healthy"')
    lines = [json.loads(line) for line in child.lines("stderr")]
    sick, = [line for line in lines if line["event"] == "unhealthy"]
    assert (sick["host"], sick["target"], sick["path"], sick["reason"], sick["level"]) == (
        HOST, app.origin.url, "/healthz", "it answered 503", "warning")
    well, = [line for line in lines if line["event"] == "healthy"]
    assert (well["host"], well["target"], well["level"]) == (HOST, app.origin.url, "info")


# ---- the end -----------------------------------------------------------------------------------


def test_a_signal_while_it_is_sick_lets_what_is_in_flight_finish(world, nats, peer):
    gate = Gate()
    app = App(world, answer=lambda request: gate.wait() or plain("late"))
    child = sidecar(world, nats, app)
    sub = peer.subscribe(peer.inbox())
    peer.publish(GET, gowire.request("GET", "/", HOST), sub.subject)
    gate.wait_entered()
    app.health = "hang"
    wait_members(nats)
    child.signal(signal.SIGTERM)
    child.wait_line("^stopping")
    app.get_well()
    assert child.running
    gate.open()
    assert parse_answer(sub.next().payload).body == b"late"
    assert child.wait() == 0
    assert "healthy again" not in child.stderr


@pytest.mark.parametrize("state", ["looking up", "dialling", "asking", "waiting", "well"])
def test_a_signal_ends_it_in_each_state(world, nats, state):
    app = App(world)
    target = app
    if state == "looking up":
        target = "http://nowhere.invalid:80"
    elif state == "dialling":
        target = "http://192.0.2.1:80"  # RFC 5737: nobody answers, or there is no way to it
    elif state == "asking":
        app.health = "hang"
    elif state == "waiting":
        app.health = None
    child = sidecar(world, nats, target, health="/healthz,1m", wait=state == "well")
    wait_connected(nats)
    if state == "asking":
        until(lambda: app.hanging, "the check hangs")
    elif state == "waiting":
        child.wait_line("waits outside")
    assert child.stop() == 0


def test_a_refused_subscription_ends_it_once_the_origin_is_well(world):
    nats = world.nats(monitor=True, config="""
        authorization { users = [
            {user: app, password: pw, permissions: {publish: ">", subscribe: "_INBOX.>"}}
        ] }""")
    app = App(world, health=None)
    child = sidecar(world, nats.url.replace("//", "//app:pw@"), app, wait=False)
    child.expected = 1
    child.wait_line("waits outside")
    app.wait_checks(3)
    assert child.running
    app.get_well()
    child.wait_line(rf"cannot serve {HOST}: NATS permissions do not allow subscribing to "
                    rf"nrt\.requests\.{re.escape(HOST)}\.\* in queue group nrt")
    assert child.wait() == 1


# ---- wrong usage -------------------------------------------------------------------------------


@pytest.mark.parametrize("health, says", [
    ("healthz", "--health begins with the path to ask for, such as /healthz"),
    ("/healthz,5", "--health has an interval, \"5\", that has no unit: write 5s"),
    ("/healthz,1ms", "--health has an interval of 1ms: it is from 100ms to 1h"),
    ("/healthz,fall=0", "--health says fall=0: it is a number of checks from 1 to 100"),
    ("/healthz,2s,up=1", "--health has \"up=1\" in it: write PATH[,interval=DURATION]"),
])
def test_a_health_that_makes_no_sense_is_explained(world, health, says):
    done = world.run([NRT, "serve", "--health", health, HOST, "http://127.0.0.1:1"], expect=2)
    assert says in done.stderr
