"""`nrt gateway --config`: what may stand in the file, what is said where something is wrong with it, and what
counts before it."""

import json
import os
import re
import socket
import subprocess
import threading

import jsonschema
import pytest

from harness.client import Client, curl, is_listening, request_bytes
from harness.configured import ROUTE, Configured, fine, write
from harness.load import echo
from harness.message import assert_problem
from harness.metrics import scrape
from harness.origin import Gate, plain
from harness.page import Section
from harness.world import BUILD, HERE, NRT

TOP = os.path.join(HERE, os.pardir, os.pardir)


@pytest.fixture
def service(world, nats):
    origin = world.origin(echo("o"))
    world.serve(nats, "weather.nats", origin, "other.nats", origin)
    return origin


@pytest.fixture
def start(world, nats):
    return lambda *args, **keys: Configured(world, nats, keys.pop("keys", keys), *args)


def check(world, text, *args, expect=2, env=None):
    """What --check says of a file."""
    path = world.file("checked.json", text if isinstance(text, (str, bytes)) else json.dumps(text))
    os.chmod(path, 0o600)
    done = world.run([NRT, "gateway", "--config", path, "--check", *args], expect=expect, env=env)
    assert done.stdout == ""
    return done.stderr.replace(path, "FILE")


# ---- what may stand there ----------------------------------------------------------------------


def test_the_example_is_fine_and_is_what_the_manual_has(world):
    path = os.path.join(TOP, "examples", "gateway.json")
    done = world.run([NRT, "gateway", "--config", path, "--check"])
    assert "fine: listeners: 1, routes: 3" in done.stderr
    with open(os.path.join(TOP, "man", "nrt-gateway.json.5.scd"), encoding="utf-8") as page:
        shown = re.search(r"^```\n(\{.*?\n\})\n```", page.read(), re.M | re.S).group(1)
    keys = json.loads(shown)
    del keys["creds"]  # has to be there
    keys["access-log"] = world.path("access.log")
    assert "fine: listeners: 2, routes: 3" in check(world, keys, expect=0)


def options():
    """Names and values of all options, as --help has them."""
    text = subprocess.run([NRT, "gateway", "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  (?:-\w, |    )--([a-z-]+)(?: (\S+))?", text, re.M)
    assert len(found) > 35
    return {name: value for name, value in found if name not in ("config", "check", "help")}


# What is right for an option, and what is wrong, where the kind of its value does not tell.
OWN = {
    "listen": (["0", {"address": "127.0.0.1:0"}], {"address": 0}),
    "listen-mode": ("660", 660),
    "route": (["/a=a.nats", {"path": "/b", "service": "b.nats"}], [{"path": "/b"}]),
    "trust-forwarded": (["10.0.0.0/8", "unix"], ["10.0.0.0/40"]),
    "prefix": ("nrt", "a b"),
    "server": ("nats://127.0.0.1:4222,nats://127.0.0.1:4223", "ftp://x"),
    "inbox-prefix": ("_INBOX_me", "a b"),
    "context": (None, "../x"),
    "user": ("me", ""),
    "admin": ("0", "x"),
    "trace-sample": ("10%", "110%"),
    "trace-export": ("http://127.0.0.1:4318/v1/traces", "ftp://x"),
}
KINDS = {
    "": (True, "yes"),
    "N": (3, "3"),
    "DURATION": ("1500ms", "1500"),
    "SIZE": ("64k", "64x"),
    "text|json": ("json", "xml"),
    "combined|json": ("json", "xml"),
    "refused,idempotent,no-service": (["refused", "no-service"], ["refused", "never"]),
}


with open(os.path.join(BUILD, "gateway.schema.json"), encoding="utf-8") as data:
    SCHEMA = jsonschema.Draft7Validator(json.load(data))


def test_the_schema_has_all_options_and_objects(world):
    SCHEMA.check_schema(SCHEMA.schema)
    assert set(SCHEMA.schema["properties"]) == {*options(), "$schema"}
    for name in ("route", "listen"):
        item = SCHEMA.schema["properties"][name]["anyOf"][0]["anyOf"][1]
        assert ", ".join(item["properties"]) in check(world, {name: {"zzzz": 1}})
    with open(os.path.join(TOP, "examples", "gateway.json"), encoding="utf-8") as example:
        SCHEMA.validate(json.load(example))
    assert not SCHEMA.is_valid({"rout": []})


@pytest.mark.parametrize("name, value", options().items())
def test_every_option_may_stand_there_and_is_refused_with_a_wrong_value(world, name, value):
    right, wrong = OWN.get(name) or KINDS.get(value) or (value.lower(), 5)
    keys = fine(listen="unix:" + world.path("s.sock")) if name == "listen-mode" else fine()
    if value == "FILE":
        right, wrong = world.file("some", "x"), 5
    elif value == "FILE|-":
        right, wrong = world.path("access.log"), world.path("no/where")
    if name in ("password", "tlskey"):
        keys |= {"user": "me"} if name == "password" else {"tlscert": right}
    if name == "tlscert":
        keys["tlskey"] = right
    if right is not None:
        said = check(world, {**keys, name: right}, expect=None)
        # What is in files is read when there is a connection to be made of it.
        assert "fine:" in said or (value == "FILE" and name in said), said
        SCHEMA.validate({**keys, name: right})
    said = check(world, {**keys, name: wrong})
    assert name in said and "fine" not in said
    assert name in OWN or value == "FILE|-" or not SCHEMA.is_valid({**keys, name: wrong})


@pytest.mark.parametrize("text, said", [
    ('{\n "listen": "0", // a port\n}', "FILE:2:17: JSON knows no comments: remove it"),
    ('# what\n{}', "FILE:1:1: JSON knows no comments"),
    ('{"listen": "0" /* x */}', "FILE:1:16: JSON knows no comments"),
    ('{"listen": ["0",]}', "FILE:1:16: a comma before the end of a list: remove it"),
    ("{'listen': '0'}", 'FILE:1:2: JSON has strings and keys in double quotes: write "'),
    ('{"listen": "0" "proxy": true}', "FILE:1:22: not valid JSON: a comma, a colon or a quote is missing"),
    ('{"listen": "0",\n "listen": "1"}', "FILE:2:9: a key stands there twice"),
    ('{"route": [{"path": "/", "path": "/a"}]}', "a key stands there twice"),
    ('{"listen": "0"', "the file ends too early"),
    ('', "FILE:1:1: the file ends too early"),
    ('["0"]', "FILE:1:1: is a list; a configuration is an object"),
    ('{} {}', "something follows behind the end"),
    (b'\xef\xbb\xbf{}', "FILE:1:1: the file begins with a byte order mark"),
    (b'{"listen": "\xff"}', "not UTF-8"),
    ('{"listen": "\\u0000"}', "a NUL character"),
    ('{"max-fields": 99999999999999999999}', "a number that is too large"),
    ('{"listen": ' + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
    ('{"listen": ' + '{"a":' * 50 + "1" + "}" * 50 + "}", 'listen.a: is an unknown key'),
    (" " * (1 << 20) + "{}", "--config: FILE: larger than 1024 KiB"),
], ids=range(19))
def test_a_text_that_is_no_configuration_is_told_with_its_place(world, text, said):
    assert said in check(world, text)


@pytest.mark.parametrize("keys, said", [
    ({"rout": []}, 'rout: is an unknown key; did you mean "route"?'),
    ({"routes": []}, 'routes: is an unknown key; did you mean "route"?'),
    ({"max_body": "1k"}, 'max_body: is an unknown key; did you mean "max-body"?'),
    ({"zzz": 1}, 'zzz: is an unknown key; keys are the options that "nrt gateway --help" lists'),
    ({"check": True}, "check: is for the command line only"),
    ({"proxy": "yes"}, "proxy: is a text in quotes; write true or false"),
    ({"proxy": None}, "proxy: is null; write true or false, or remove the key"),
    ({"timeout": 10}, 'timeout: is a number; write a duration in quotes, with its unit'),
    ({"timeout": "10"}, 'timeout: "10" has no unit: write 10s for seconds'),
    ({"head-timeout": "0s"}, 'head-timeout: "0s" is too small'),
    ({"max-connections": 0}, 'max-connections: "0" is too small: at least 1'),
    ({"max-connections": -1}, 'max-connections: "-1" is not a number'),
    ({"max-connections": 1.5}, "max-connections: is a number; write a whole number"),
    ({"retry-on": "refused,x"}, 'retry-on: "refused,x" is not made of the words'),
    ({"admin": 9464}, "admin: is a number; write [ADDR:]PORT|unix:/PATH in quotes"),
    ({"route": "/a"}, 'FILE:1:17: route: "/a" has a pattern that is not valid'),
    ({"route": ["/a=a.nats", "/a=b.nats"]}, 'route[1]: "/a=b.nats" has a pattern that is not valid, or given twice'),
    ({"route": [{"path": "/a", "service": "a.example"}]}, "leads to no host that ends in .nats"),
    ({"route": [{"path": "/a"}]}, 'route[0]: has no "service"'),
    ({"route": [{"path": "a", "service": "a.nats"}]}, 'route[0]: "path" does not begin with /'),
    ({"route": [{"host": "a/b", "service": "a.nats"}]}, 'route[0]: "host" is not the name of a host'),
    ({"route": [{"service": "a.nats", "time-out": "1s"}]}, 'time-out: is an unknown key; did you mean "timeout"?'),
    ({"route": [{"service": "a.nats", "timeout": 5}]}, "route[0].timeout: is a number"),
    ({"route": [{"service": "a.nats", "proxy": True}]}, "route[0].proxy: is an unknown key; keys here are path, host, service"),
    ({"route": [[]]}, "route[0]: is a list; write PATTERN=HOST in quotes or an object"),
    ({"route": []}, 'nothing to do: give "route" or "proxy" or both'),
    ({"listen": []}, '"listen" is missing; for example'),
    ({"listen": ["0", "70000"]}, 'listen[1]: "70000" has no port'),
    ({"listen": ["9090", {"address": "9090"}]}, 'listen[1]: "9090" is given twice'),
    ({"listen": [{"adress": "0"}]}, 'adress: is an unknown key; did you mean "address"?'),
    ({"listen": [{"address": "0", "listen-mode": "660"}]}, '"listen-mode" is for a unix socket'),
    ({"listen-mode": "660"}, "listen-mode is for a unix socket"),
    ({"listen": [{"address": "unix:/x", "listen-mode": "9"}]}, 'listen[0]: "9" is not a mode'),
    ({"trust-forwarded": ["10.0.0.0/8", "x"]}, 'trust-forwarded[1]: "x" is not an address'),
    ({"creds": "/no/where"}, "/no/where: No such file or directory"),
    ({"password": "x"}, "password: is set without a user"),
])
def test_a_key_or_value_that_is_wrong_is_told_with_what_to_do(world, keys, said):
    assert said in check(world, {**fine(), **keys})


def test_all_problems_are_told_at_once_and_not_without_end(world):
    said = check(world, fine(timeout=1, proxy=2, retry=[], zzz=1))
    assert len(re.findall(r"^nrt gateway: FILE:1:\d+: ", said, re.M)) == 4
    said = check(world, {f"key{i}": i for i in range(1000)})
    assert said.count("FILE:1:") == 50 and "950 more problems are not listed" in said


def test_problems_as_json_have_their_place(world):
    lines = [json.loads(line) for line in check(world, '{\n "timeout": 1}', "--log", "json").splitlines()]
    assert [(line["event"], line["line"], line["column"], line["path"]) for line in lines] == [
        ("config", 2, 2, "timeout")]


def test_a_secret_in_a_file_that_all_can_read_is_refused(world):
    for keys in ({"password": "pw-1", "user": "me"}, {"token": "tk-1"}, {"server": "nats://user:password@host"}):
        path = world.file("open.json", json.dumps(fine(**keys)))
        os.chmod(path, 0o644)
        done = world.run([NRT, "gateway", "--config", path, "--check"], expect=2)
        assert "holds a secret, and every user can read this file: chmod 640" in done.stderr
        assert "-1" not in done.stderr
        os.chmod(path, 0o640)
        world.run([NRT, "gateway", "--config", path, "--check"])


def test_what_is_no_file_is_told(world):
    for path, said in ((world.path("none"), "No such file"), (world.folder, "not a regular file"), ("", ": No such file")):
        done = world.run([NRT, "gateway", "--config", path], expect=2)
        assert "--config: " in done.stderr and said in done.stderr
    if os.getuid() != 0:
        path = world.file("closed.json", "{}")
        os.chmod(path, 0)
        assert "Permission denied" in world.run([NRT, "gateway", "--config", path], expect=2).stderr


def test_a_check_opens_nothing(world):
    """The port is taken, the log is not made, the server is not asked."""
    nats = world.nats(config="debug: true")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        log = world.path("access.log")
        keys = fine(listen=str(taken.getsockname()[1]), server=nats.url, **{"access-log": log, "no-wait": True})
        before = nats.log().count("Client connection created")
        assert "fine" in check(world, keys, expect=0)
        assert not os.path.exists(log)
        assert before > 0 and nats.log().count("Client connection created") == before
    assert "fine: listeners: 1, routes: 0" in world.run(
        [NRT, "gateway", "--listen", "0", "--proxy", "--check"]).stderr


# ---- what counts ---------------------------------------------------------------------------------


def test_the_command_line_counts_before_the_file(world, nats, service, start):
    gateway = start("--route", "/only=weather.nats", "--max-body", "3",
                    keys={"max-body": "1k", "route": ["/file=weather.nats"], "proxy": True})
    for changes in ({}, {"max-body": "10k", "route": []}):
        gateway.reload(**changes)
        with Client(gateway.url) as client:
            assert client.get("/file").status == 404
            assert client.get("/only").status == 200
            assert client.get("/", host="other.nats").status == 200
            assert client.post("/only", b"1234").status == 413


def test_the_environment_counts_before_the_file(world, nats, service):
    elsewhere = {"server": "nats://127.0.0.1:1", "timeout": "30s", "user": "me", "token": "x"}
    path = world.path("private.json")
    write(path, {**elsewhere, "listen": "0", "route": ROUTE})
    os.chmod(path, 0o600)
    child = world.nrt("gateway", "--config", path,
                      env={"NATS_URL": nats.url, "NATS_TIMEOUT": "200ms", "NATS_USER": "somebody"})
    url = child.wait_line(r"listening on (\S+)").group(1)
    gate = Gate()
    service._answer = lambda request: gate.wait() or plain(b"")
    got = curl("-o", "/dev/null", "-w", "%{http_code}", url)
    gate.open()
    assert got.text == "504"


def test_a_password_of_the_environment_is_for_the_user_of_the_file(world, service):
    guarded = world.nats(config='authorization { user: "me", password: "pw" }')
    gateway = Configured(world, guarded, {"user": "me"}, env={"NATS_PASSWORD": "pw"})
    assert is_listening(gateway.url)


# ---- routes and listeners ----------------------------------------------------------------------


def test_a_route_has_settings_of_its_own(world, nats, start):
    gate = Gate()
    slow = world.origin(lambda request: gate.wait() or plain(b"slow"))
    world.serve(nats, "slow.nats", slow, "other.nats", world.origin(echo()))
    gateway = start(keys={"timeout": "5m", "max-body": "1k", "route": [
        {"path": "/slow", "service": "slow.nats", "timeout": "150ms"},
        {"path": "/poll", "service": "slow.nats", "timeout": "150ms", "long-poll": True},
        {"path": "/small", "service": "other.nats", "max-body": 3},
        {"path": "/large", "host": "www.example.net", "service": "other.nats", "max-body": "10k"},
        "/=other.nats"]})
    with Client(gateway.url) as client:
        assert_problem(client.get("/slow"), 504, "timeout")
        client.send(request_bytes("GET", "/poll"))
        gate.wait_entered(2)
        threading.Timer(0.5, gate.open).start()
        assert client.answer().body == b"slow"
        assert client.post("/small", b"123").status == 200
    for path, host, size, status in (("/small", "a", 4, 413), ("/large", "a", 5000, 413), ("/", "a", 1000, 200),
                                     ("/large", "WWW.example.net:80", 5000, 200), ("/large", "www.example.net", 20000, 413)):
        with Client(gateway.url) as client:
            got = client.post(path, bytes(size), host=host)
            assert got.status == status, (path, host, size)
            assert status != 413 or path != "/small" or "limit of 3 bytes" in got.text


def test_several_listeners_lead_to_the_same_services(world, nats, service, start):
    path = world.path("g.sock")
    gateway = start(keys={"listen": ["0", {"address": f"unix:{path}", "listen-mode": "600"}, ":0"], "listen-mode": "660",
                          "admin": "0"})
    urls = gateway.urls
    assert os.stat(path).st_mode & 0o777 == 0o600
    clients = [world.client(url.replace("[::]", "127.0.0.1")) for url in urls]
    for client in clients:
        assert client.get("/").status == 200
    admin = gateway.child.wait_line(r"admin on (\S+)").group(1)
    assert scrape(admin)["nrt_gateway_connections"] == 3
    done = world.run([NRT, "gateway", "--server", nats.url, "--proxy", "--listen", "0", "--listen", urls[0][17:]], expect=1)
    assert "cannot listen on" in done.stderr


def test_what_the_manual_for_operators_shows_is_the_example():
    """And so are the problems that it shows, of the example with those two mistakes in it."""
    with open(os.path.join(TOP, "examples", "gateway.json"), encoding="utf-8") as example:
        text = example.read()
    section = Section("A gateway from a file")
    assert section.blocks[0] == ("json", text)


def test_the_problems_that_it_shows_are_told_so(world):
    section = Section("A gateway from a file")
    with open(os.path.join(TOP, "examples", "gateway.json"), encoding="utf-8") as example:
        text = example.read()
    wrong = text.replace('"timeout": "5s"', '"time-out": "5s"').replace('"drain-timeout": "30s"', '"drain-timeout": "30"')
    assert check(world, wrong).replace("FILE", "/etc/nrt/gateway.json") == section.blocks[2][1]
