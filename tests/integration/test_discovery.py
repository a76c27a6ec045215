"""Services tell of themselves on $SRV (ADR-32), to our own commands and to clients of others."""

import json
import os
import re
import subprocess
import threading

import pytest

from harness import gowire, node
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.natsserver import cluster
from harness.origin import plain
from harness.world import NRT, program, url_of

QUIET = f"{int(400 * SLOW)}ms"
ID = re.compile(r"[A-Za-z0-9_-]{22}")


def ask(world, server, command, *args, expect=0):
    argv = [NRT, command, "--server", url_of(server), "--wait", QUIET, *args]
    return world.run(argv, expect=expect)


def ask_json(world, server, command, *args):
    return json.loads(ask(world, server, command, "--json", *args).stdout)


def hosts(world, server):
    found = ask_json(world, server, "ls")
    return {one.get("host"): len(one["instances"]) for one in found["services"]}


def service(found, name):
    return next(one for one in found["services"] if name in (one.get("host"), one["name"]))


# ---- what goes over the wire -------------------------------------------------------------------

TEXT, COUNT, MAP = "text", "count", "map"
STANDARD = {"type": TEXT, "name": TEXT, "id": TEXT, "version": TEXT, "metadata": MAP}
ENDPOINT = {"name": TEXT, "subject": TEXT, "queue_group": TEXT}
COUNTED = {"num_requests": COUNT, "num_errors": COUNT, "processing_time": COUNT,
           "average_processing_time": COUNT}


def check_members(thing, members, more=()):
    """ADR-32's tables: all members, of those types, and no other ones."""
    for name, kind in members.items():
        value = thing[name]
        if kind == TEXT:
            assert isinstance(value, str)
        elif kind == COUNT:
            assert isinstance(value, int) and not isinstance(value, bool) and value >= 0
        else:
            assert all(isinstance(part, str) for pair in value.items() for part in pair)
    assert set(thing) <= {*members, *more}, thing


def check_answer(answer, verb):
    assert answer["type"] == f"io.nats.micro.v1.{verb}_response"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", answer["name"])
    assert ID.fullmatch(answer["id"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer["version"])
    if verb == "ping":
        check_members(answer, STANDARD)
    elif verb == "info":
        check_members(answer, {**STANDARD, "description": TEXT}, ["endpoints"])
        for endpoint in answer["endpoints"]:
            check_members(endpoint, {**ENDPOINT, "metadata": MAP})
    else:
        check_members(answer, {**STANDARD, "started": TEXT}, ["endpoints"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["started"])
        for endpoint in answer["endpoints"]:
            check_members(endpoint, {**ENDPOINT, **COUNTED}, ["last_error", "data"])


def raw_ask(peer, subject, count):
    inbox = peer.inbox()
    sub = peer.subscribe(inbox)
    peer.publish(subject, b"", inbox)
    answers = [json.loads(sub.next().payload) for _ in range(count)]
    sub.unsubscribe()
    return answers


@pytest.mark.parametrize("verb", ["ping", "info", "stats"])
def test_answers_are_as_the_specification_has_them(world, nats, peer, verb):
    origin = world.origin(plain("x"))
    world.serve(nats, "weather.nats", origin, "my.city.nats", origin)
    world.serve(nats, "weather.nats", origin)
    world.get(nats, "http://my.city.nats/")
    subject = f"$SRV.{verb.upper()}"
    answers = raw_ask(peer, subject, 3)
    for answer in answers:
        check_answer(answer, verb)
    assert sorted(one["name"] for one in answers) == ["my-city", "weather", "weather"]
    assert len({one["id"] for one in answers}) == 3
    by_name = raw_ask(peer, f"{subject}.weather", 2)
    assert {one["id"] for one in by_name} == {
        one["id"] for one in answers if one["name"] == "weather"
    }
    chosen = answers[0]
    [again] = raw_ask(peer, f"{subject}.{chosen['name']}.{chosen['id']}", 1)
    assert again["id"] == chosen["id"]


@pytest.fixture
def modules():
    return node.modules()


def nats_js(world, modules, server, verb, *rest):
    argv = node.argv("services.js", "ask", server.url, verb, *rest)
    child = world.run(argv, env={"NODE_PATH": modules})
    return [json.loads(line) for line in child.lines()]


def test_a_client_of_others_finds_our_services(world, nats, modules):
    """nats.js, whose ServicesClient checks what it gets and throws where that is not right."""
    origin = world.origin(lambda request: plain("x", status=500 if "bad" in request.target else 200))
    world.serve(nats, "weather.nats", origin, "my.city.nats", origin,
                args=["--service-version", "1.2.3", "--description", "tells the weather"])
    world.serve(nats, "weather.nats", origin)
    for target in ("", "", "bad"):
        world.get(nats, f"http://my.city.nats/{target}")
    for verb in ("ping", "info", "stats"):
        answers = nats_js(world, modules, nats, verb)
        assert sorted(one["name"] for one in answers) == ["my-city", "weather", "weather"]
        for answer in answers:
            check_answer(answer, verb)
        assert len(nats_js(world, modules, nats, verb, "weather")) == 2
        [only] = nats_js(world, modules, nats, verb, "my-city", next(
            one["id"] for one in answers if one["name"] == "my-city"))
        assert only["version"] == "1.2.3"
        assert only["metadata"]["nrt.host"] == "my.city.nats"
        if verb == "info":
            assert only["description"] == "tells the weather"
        if verb == "stats":
            [endpoint] = only["endpoints"]
            assert endpoint["subject"] == "nrt.requests.my.city.nats.*"
            assert (endpoint["num_requests"], endpoint["num_errors"]) == (3, 1)
            assert endpoint["last_error"] == "500 Internal Server Error"
            assert endpoint["processing_time"] > 0


def test_we_find_services_of_others(world, nats, modules):
    argv = node.argv("services.js", "serve", nats.url, "calc")
    theirs = world.start(argv, env={"NODE_PATH": modules}, stdin=subprocess.PIPE)
    theirs.expected = None
    theirs.wait_line("^ready$", "stdout")
    world.serve(nats, "weather.nats", world.origin())
    peer = world.peer(nats)
    for _ in range(3):
        assert peer.request("sum", b"1 2").payload == b"3"
    table = ask(world, nats, "ls").stdout
    assert re.search(r"^calc \(not nrt\) +\S+ +1\.0\.3 +- ", table, re.M)
    assert re.search(r"^weather\.nats ", table, re.M)
    one = service(ask_json(world, nats, "ls"), "calc")
    assert one["nrt"] is False and "host" not in one
    told = ask(world, nats, "info", "calc").stdout
    assert "adds up" in told and "team = a" in told and "sum" in told
    counted = service(ask_json(world, nats, "stats", "calc"), "calc")
    assert counted["requests"] == 3
    assert counted["p99_us"] is None and counted["in_flight"] is None


# ---- ls, info ----------------------------------------------------------------------------------


def test_ls_shows_who_is_where(world):
    server = world.nats(name="alpha")
    origin = world.origin(plain("x"))
    first = world.serve(server, "weather.nats", origin, "my.city.nats", origin)
    world.serve(server, "weather.nats", origin, args=["--service-version", "1.2.3-rc.1"])
    world.serve(server, "weather.nats", origin, args=["--prefix", "v2"])
    child = ask(world, server, "ls")
    assert "\x1b" not in child.stdout and child.stderr == ""
    rows = [re.split(r"  +", line) for line in child.lines()[:5]]
    assert rows[0] == ["SERVICE", "INSTANCE", "VERSION", "WHERE", "RTT"]
    assert [row[0] for row in rows[1:]] == [
        "my.city.nats", "weather.nats", "weather.nats", "weather.nats (prefix v2)"]
    assert sorted(row[2] for row in rows[1:]) == ["0.0.0", "0.0.0", "0.0.0", "1.2.3-rc.1"]
    assert all(ID.fullmatch(row[1]) and row[3] == "alpha" for row in rows[1:])
    assert all(re.fullmatch(r"[\d.]+ (us|ms|s)", row[4]) for row in rows[1:])
    # Columns stand below each other.
    lines = child.lines()[:5]
    assert len({len(line) for line in lines}) == 1
    assert child.lines()[-1] == "3 services, 4 instances"
    found = ask_json(world, server, "ls")
    assert found["skipped"] == 0
    assert [one["prefix"] for one in found["services"]] == ["nrt", "nrt", "v2"]
    # Who is stopped is gone at once.
    first.signal(15)
    first.wait()
    assert hosts(world, server) == {"weather.nats": 1}
    assert len(ask_json(world, server, "ls")["services"]) == 2


def test_ls_without_services_is_no_error(world, nats):
    child = ask(world, nats, "ls")
    assert child.stdout == "No service answers.\n"
    assert ask_json(world, nats, "ls") == {"services": [], "skipped": 0}
    assert ask_json(world, nats, "stats") == {"services": [], "skipped": 0}


def test_who_does_not_want_to_be_found_is_not(world, nats):
    origin = world.origin(plain("served"))
    world.serve(nats, "hidden.nats", origin, args=["--no-discovery"])
    assert hosts(world, nats) == {}
    assert world.get(nats, "http://hidden.nats/").stdout == "served"


def test_info_tells_all(world):
    server = world.nats(name="alpha")
    world.serve(server, "my.weather.nats", world.origin(plain("x")),
                args=["--service-version", "2.0.0", "--description", "tells the weather"])
    world.get(server, "http://my.weather.nats/")
    for typed in ("my.weather.nats", "MY.weather.nats", "my-weather"):
        told = ask(world, server, "info", typed).stdout
        for part in ("my.weather.nats", "my-weather", "2.0.0", "tells the weather", "alpha",
                     "nrt.requests.my.weather.nats.*  queue group nrt", "1, 0 of them failed"):
            assert part in told
        assert re.search(r"started +\d{4}-\d\d-\d\dT", told)
    [one] = ask_json(world, server, "info", "my-weather")["services"]
    [instance] = one["instances"]
    assert instance["metadata"]["nrt.host"] == one["host"] == "my.weather.nats"
    assert instance["endpoints"] == [
        {"name": "http", "subject": "nrt.requests.my.weather.nats.*", "queue_group": "nrt"}]
    assert instance["server"] == "alpha" and instance["started"].endswith("Z")


def test_hosts_that_share_a_name_are_told_apart(world, nats):
    origin = world.origin(plain("x"))
    world.serve(nats, "a.b.nats", origin, "a-b.nats", origin)
    [one] = ask_json(world, nats, "info", "a-b.nats")["services"]
    assert one["host"] == "a-b.nats"
    assert len(ask_json(world, nats, "info", "a-b")["services"]) == 2


@pytest.mark.parametrize("command", ["info", "stats"])
def test_a_slip_in_the_name_is_seen(world, nats, command):
    world.serve(nats, "weather.nats", world.origin())
    child = ask(world, nats, command, "wether.nats", expect=1)
    assert child.stdout == ""
    assert 'no service "wether.nats" answers; did you mean "weather.nats"?' in child.stderr
    child = ask(world, nats, command, "wether", expect=1)
    assert 'did you mean "weather"?' in child.stderr
    child = ask(world, nats, command, "something.else.nats", expect=1)
    assert '"nrt ls" lists those that do' in child.stderr
    child = ask(world, nats, command, "a.*.nats", expect=2)
    assert "neither a host such as weather.nats nor the name of a service" in child.stderr


def test_what_cannot_be_told_is_refused_at_start(world, nats):
    for args in (["--service-version", "1.2"], ["--description", "a\x1b[2Jb"]):
        child = world.run([NRT, "serve", "--server", nats.url, *args, "a.nats", "http://127.0.0.1:1"],
                          expect=2)
        assert "--service-version, --description:" in child.stderr


def test_without_a_server_it_says_so(world):
    for command in (["ls"], ["info", "a"], ["stats"]):
        child = world.run([NRT, *command, "--server", "nats://user:secret@127.0.0.1:1", "--no-wait"],
                          expect=1)
        assert "not connected to NATS" in child.stderr and "secret" not in child.stderr


# ---- stats -------------------------------------------------------------------------------------


def test_latencies_are_those_of_the_service(world, nats):
    """Of 50 requests 45 take 20 ms and 5 take 200 ms, on two instances."""
    for _ in range(2):
        world.handlers(nats, "slow.nats", workers=4)
    gateway = world.gateway(nats, "--route", "/=slow.nats")
    clients = [world.client(gateway) for _ in range(5)]

    def work(client):
        for number in range(10):
            client.get("/sleep/200" if number == 5 else "/sleep/20")

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one = service(ask_json(world, nats, "stats", "slow.nats"), "slow.nats")
    assert one["requests"] == 50 and one["errors"] == 0 and one["in_flight"] == 0
    assert sum(instance["requests"] for instance in one["instances"]) == 50
    slack = 15000 * SLOW
    assert 20000 * 0.93 <= one["p50_us"] <= 20000 * 1.07 + slack
    # The slowest of 50: the machine may have paused during one of them.
    assert 200000 * 0.93 <= one["p99_us"] <= 2000000 * SLOW
    assert 38000 <= one["mean_us"] <= 38000 + 2 * slack
    table = ask(world, nats, "stats", "slow.nats").lines()
    assert table[0].split() == ["SERVICE", "INSTANCE", "REQUESTS", "ERRORS", "REFUSED", "IN",
                                "FLIGHT", "MEAN", "P50", "P99"]
    assert table[-1].split()[:4] == ["slow.nats", "all", "2", "50"]
    # The library's blocking call reads the same.
    lines = world.run([program("who"), nats.url, "slow"]).lines()
    assert len(lines) == 2 and sum(int(line.split()[4]) for line in lines) == 50


def test_what_is_under_way_refused_and_failed_is_counted(world, nats, peer):
    world.handlers(nats, "one.nats", workers=1, max_in_flight=1)
    subject = "nrt.requests.one.nats.get"
    inbox = peer.inbox()
    answers = peer.subscribe(inbox)
    peer.publish(subject, gowire.request("GET", f"/sleep/{int(2500 * SLOW)}", "one.nats"), inbox)
    peer.flush()
    refused = peer.request(subject, gowire.request("GET", "/", "one.nats"))
    assert b" 503 " in refused.payload
    one = service(ask_json(world, nats, "stats"), "one.nats")
    assert (one["in_flight"], one["refused"], one["errors"]) == (1, 1, 0)
    assert one["p50_us"] is None
    answers.next()
    for target in ("/status/500", "/status/404", "/bytes/9999999"):
        peer.request(subject, gowire.request("GET", target, "one.nats"))
    one = service(ask_json(world, nats, "stats"), "one.nats")
    assert (one["in_flight"], one["refused"], one["errors"]) == (0, 1, 2)
    assert one["requests"] == 5
    assert one["instances"][0]["last_error"] == "502 response-too-large"


def test_a_rate_is_that_between_two_looks(world, nats, peer):
    world.handlers(nats, "busy.nats")
    subject = "nrt.requests.busy.nats.get"
    over = threading.Event()
    sent = []

    def load():
        while not over.wait(0.01):
            peer.request(subject, gowire.request("GET", "/", "busy.nats"))
            sent.append(1)

    thread = threading.Thread(target=load)
    thread.start()
    until(lambda: sent, "load")
    with Stopwatch() as watch:
        before = len(sent)
        one = service(ask_json(world, nats, "stats", "busy.nats", "--interval", "1s"), "busy.nats")
        come = len(sent) - before
    over.set()
    thread.join()
    real = come / watch.seconds
    assert real * 0.5 < one["requests_per_s"] < real * 2
    assert ask(world, nats, "stats", "--interval", "100ms").lines()[0].split()[3] == "REQ/S"


# ---- clusters, permissions, hostility, numbers -------------------------------------------------


def test_a_cluster_is_seen_whole_from_anywhere(world):
    servers = cluster(world.nats, ["n1", "n2", "n3"])
    for server in servers[:2]:
        world.serve(server, "weather.nats", world.origin())

    def where():
        found = ask_json(world, servers[2], "ls")["services"]
        return sorted((one["cluster"], one["server"]) for one in
                      (found[0]["instances"] if found else []))

    until(lambda: where() == [("C1", "n1"), ("C1", "n2")], "both instances are seen from n3")
    assert re.search(r" C1/n1 ", ask(world, servers[2], "ls").stdout)


PERMISSIONS = """authorization { users [
  { user: service, password: p, permissions: {
      publish: "_INBOX.>", 
      subscribe: ["nrt.requests.weather.nats.* nrt", "nrt.streams.>"] } }
  { user: found, password: p, permissions: {
      publish: "_INBOX.>",
      subscribe: ["nrt.requests.weather.nats.* nrt", "nrt.streams.>", "$SRV.>"] } }
  { user: responder, password: p, permissions: {
      publish: { deny: ">" }, allow_responses: true,
      subscribe: ["nrt.requests.weather.nats.*", "nrt.streams.>", "$SRV.>"] } }
  { user: client, password: p, permissions: {
      publish: "nrt.>", subscribe: "_INBOX.>" } }
  { user: operator, password: p, permissions: { publish: "$SRV.>", subscribe: "_INBOX.>" } }
] }"""


def test_the_documented_permissions_are_enough_and_named_where_they_lack(world):
    server = world.nats(config=PERMISSIONS)
    user = {name: server.url.replace("//", f"//{name}:p@")
            for name in ("service", "found", "responder", "client", "operator")}
    origin = world.origin(plain("served"))
    hidden = world.serve(user["service"], "weather.nats", origin)
    hidden.wait_line(r'grant subscribe: "\$SRV\.>"')
    assert world.get(user["client"], "http://weather.nats/").stdout == "served"
    assert hosts(world, user["operator"]) == {}
    assert hidden.stderr.count("grant subscribe") == 1
    world.serve(user["found"], "weather.nats", origin)
    assert hosts(world, user["operator"]) == {"weather.nats": 1}
    world.serve(user["responder"], "weather.nats", origin)
    assert hosts(world, user["operator"]) == {"weather.nats": 2}
    with Stopwatch() as watch:
        child = ask(world, user["client"], "ls", expect=1)
    assert "NATS permissions do not allow publishing to $SRV.PING" in child.stderr
    assert watch.seconds < 1 * SLOW
    child = ask(world, user["service"], "ls", expect=1)
    assert "NATS permissions do not allow" in child.stderr


HOSTILE = [
    b"", b"{", b"[]", b"7", b"\xff\xfe", b"{}" + b" " * 70000, b"[" * 60000,
    b'{"type":"io.nats.micro.v1.ping_response"}',
    b'{"type":"io.nats.micro.v1.ping_response","name":"a\\u001b[2J","id":"1"}',
    b'{"type":"io.nats.micro.v1.ping_response","name":"a","id":"1\\u0007"}',
    b'{"type":"io.nats.micro.v1.ping_response","name":"a","id":"1","version":"\\u202e"}',
    b'{"type":"io.nats.micro.v1.ping_response","name":"a","id":"1","metadata":{"x":[1]}}',
    b'{"type":"io.nats.micro.v1.ping_response","name":{"a":1},"id":"1"}',
    b'{"type":"io.nats.micro.v1.stats_response","name":"a","id":"1"}',
]


def test_hostile_answers_are_left_out_and_counted(world, nats, peer):
    world.serve(nats, "weather.nats", world.origin())

    def answer(message):
        for payload in HOSTILE:
            peer.publish(message.reply, payload)

    peer.subscribe("$SRV.PING", handler=answer)
    child = ask(world, nats, "ls")
    assert [line.split()[0] for line in child.lines()[1:2]] == ["weather.nats"]
    assert child.lines()[-1] == "1 service, 1 instance"
    assert f"{len(HOSTILE)} answers were not valid" in child.stderr
    assert "\x1b" not in child.stdout + child.stderr
    assert ask_json(world, nats, "ls")["skipped"] == len(HOSTILE)


def test_an_answer_without_end_is_ended(world, nats, peer):
    """Somebody floods the inbox: the command ends in time all the same."""
    over = threading.Event()
    floods = []

    def flood(message):
        def write():
            number = 0
            while not over.is_set() and number < 500000:
                peer.publish(message.reply, b'{"type":"io.nats.micro.v1.ping_response",'
                             b'"name":"a","id":"%d"}' % number)
                number += 1
        floods.append(threading.Thread(target=write, daemon=True))
        floods[-1].start()

    peer.subscribe("$SRV.PING", handler=flood)
    with Stopwatch() as watch:
        found = ask_json(world, nats, "ls", "--timeout", "1s")
    over.set()
    for thread in floods:
        thread.join()
    assert 0 < len(found["services"][0]["instances"]) <= 10000
    assert watch.seconds < 3 * SLOW


def test_a_thousand_services_of_one_connection_are_listed_soon(world, nats):
    origin = world.origin()
    pairs = [part for number in range(1000) for part in (f"s{number}.nats", origin.url)]
    child = world.serve(nats, *pairs, wait=False)
    child.wait_line(r"serving s999\.nats on ")
    until(lambda: child.stderr.count("serving ") >= 1000, "all are served")
    with Stopwatch() as watch:
        found = ask_json(world, nats, "ls")
    assert len(found["services"]) == 1000 and found["skipped"] == 0
    assert watch.seconds < 2 * SLOW
    [one] = ask_json(world, nats, "stats", "s500.nats")["services"]
    assert one["host"] == "s500.nats"


def test_colours_are_for_terminals(world, nats):
    world.serve(nats, "weather.nats", world.origin())
    ours, theirs = os.openpty()
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    argv = [NRT, "ls", "--server", nats.url, "--wait", QUIET]
    subprocess.run(argv, stdout=theirs, env=env, check=True, timeout=DEADLINE)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\x1b[32mweather.nats\x1b[0m" in shown
    plain_text = re.sub(r"\x1b\[\d+m", "", shown).splitlines()
    assert len({len(line) for line in plain_text[:2]}) == 1  # they take no room
