"""`nrt serve --config`: several services in one process, with options of their own."""

import json
import os
import re
import subprocess

import jsonschema
import pytest

from harness.clock import until
from harness.message import assert_problem
from harness.origin import Gate, plain
from harness.page import Section
from harness.world import BUILD, HERE, NRT

TOP = os.path.join(HERE, os.pardir, os.pardir)
EXAMPLE = os.path.join(TOP, "examples", "serve.json")


def check(world, keys, *args, expect=2):
    path = world.file("checked.json", json.dumps(keys))
    done = world.run([NRT, "serve", "--config", path, "--check", *args], expect=expect)
    assert done.stdout == ""
    return done.stderr.replace(path, "FILE")


def test_the_example_is_fine_for_the_program_the_schema_and_the_manual(world):
    assert "fine: services: 3" in world.run([NRT, "serve", "--config", EXAMPLE, "--check"]).stderr
    with open(os.path.join(BUILD, "serve.schema.json"), encoding="utf-8") as data:
        schema = jsonschema.Draft7Validator(json.load(data))
    with open(EXAMPLE, encoding="utf-8") as example:
        text = example.read()
    schema.validate(json.loads(text))
    assert not schema.is_valid({"route": []})
    with open(os.path.join(TOP, "man", "nrt-serve.1.scd"), encoding="utf-8") as page:
        assert f"```\n{text}```" in page.read()
    assert ("json", text) in Section("A gateway from a file").blocks


def test_each_service_has_what_is_its_own_and_the_rest_from_all(world, nats):
    gate, good = Gate(), {"/well": True}
    slow = world.origin(lambda request: gate.wait() or plain(b"slow"))
    checked = world.origin(lambda request: plain(b"x", "200 OK" if good["/well"] else "503 Unavailable"))
    path = world.path("serve.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({
            "server": nats.url, "timeout": "10m", "service-version": "1.0.0",
            "service": [
                {"host": "slow.nats", "target": slow.url, "timeout": "200ms", "max-in-flight": 1},
                {"host": "checked.nats", "target": checked.url, "health": "/well,100ms,fall=1", "service-version": "2.0.0",
                 "description": "is asked"},
                f"plain.nats={checked.url}"],
        }, out)
    child = world.nrt("serve", "--config", path)
    for host in ("slow", "checked", "plain"):
        child.wait_line(rf"serving {host}.nats on ")
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    assert client.get("/", host="plain.nats").body == b"x"
    assert client.get("/", host="checked.nats").body == b"x"
    assert_problem(client.get("/", host="slow.nats"), 504, "timeout")
    gate.open()
    found = {one["host"]: one for one in json.loads(
        world.run([NRT, "ls", "--server", nats.url, "--json"]).stdout)["services"]}
    assert {host: found[host]["instances"][0]["version"] for host in found} == {
        "slow.nats": "1.0.0", "checked.nats": "2.0.0", "plain.nats": "1.0.0"}
    good["/well"] = False
    child.wait_line(r"checked.nats has left the queue group")
    assert client.get("/", host="plain.nats").body == b"x"
    assert_problem(client.get("/", host="checked.nats"), 503, "no-service")


def test_the_command_line_counts_before_the_file(world, nats):
    origin = world.origin(plain(b"x"))
    path = world.file("serve.json", json.dumps({"server": nats.url, "service": f"file.nats={origin.url}", "name": "file"}))
    child = world.nrt("serve", "--config", path, "operand.nats", origin.url, "--name", "given")
    child.wait_line("serving operand.nats on ")
    other = world.nrt("serve", "--config", path, "--service", f"option.nats={origin.url}")
    other.wait_line("serving option.nats on ")
    hosts = until(lambda: re.findall(r"^(\w+)\.nats", world.run([NRT, "ls", "--server", nats.url]).stdout, re.M), "services")
    assert hosts == ["operand", "option"]


@pytest.mark.parametrize("keys, said", [
    ({}, 'missing: HOST TARGET; for example'),
    ({"services": []}, 'services: is an unknown key; did you mean "service"?'),
    ({"service": ["a.nats"]}, 'service[0]: "a.nats" is not HOST=TARGET'),
    ({"service": [{"host": "a.nats"}]}, 'service[0]: needs a "host", such as weather.nats, and a "target"'),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "helth": "/"}]}, 'helth: is an unknown key; did you mean "health"?'),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "zz": 1}]}, "keys here are host, target, health, service-version"),
    ({"service": ["a.nats=ftp://x"]}, "FILE:1:14: service[0]: cannot serve a.nats from ftp://x"),
    ({"service": ["a.example=http://x:1"]}, 'service[0]: "a.example" is not a host that can be served'),
    ({"service": ["a.nats=http://x:1", "A.nats=http://x:2"]}, "service[1]: A.nats is given twice"),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "health": "x"}]}, "service[0]: --health"),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "service-version": "x y"}]}, "service[0]: --service-version"),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "max-in-flight": 0}]}, '"0" is too small: at least 1'),
    ({"service": [{"host": "a.nats", "target": "http://x:1", "timeout": 5}]}, "service[0].timeout: is a number"),
])
def test_what_is_wrong_is_told_with_its_place(world, keys, said):
    assert said in check(world, keys)


def test_all_services_that_are_wrong_are_told(world):
    said = check(world, {"service": ["a.nats=ftp://x", "b.example=http://x:1", "c.nats=http://x:1"]})
    assert "service[0]" in said and "service[1]" in said and "service[2]" not in said


def test_every_option_may_stand_there():
    text = subprocess.run([NRT, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", text, re.M)) - {"config", "check", "help"}
    with open(os.path.join(BUILD, "serve.schema.json"), encoding="utf-8") as data:
        assert set(json.load(data)["properties"]) == names | {"$schema"}
