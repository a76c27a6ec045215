"""README.md as a newcomer follows it: every command in it is typed, and does what the text says."""

import json
import os
import re
import subprocess

import pytest

from harness.jwt import Operator, creds
from harness.origin import plain
from harness.reader import INSTALL, TOP, Page, Reader

README = Page("README.md")
# Which sections have commands: each is a test below.
SECTIONS = {"See it work", "Install", "Put an HTTP server on NATS", "Reach it", "See what runs where", "Configuration", "From C"}
CITY = '{"city":"london"}'


def commands(title):
    """The section's only block of commands, or all of its blocks."""
    blocks = README.commands(title)
    return blocks[0] if len(blocks) == 1 else blocks


def expect(reader, lines, *outcomes):
    """Types the lines, each of which has one outcome: what must be in what it prints."""
    assert len(lines) == len(outcomes), f"README.md has other lines than this test: {lines}"
    for line, outcome in zip(lines, outcomes):
        assert outcome in reader.run(line), line


@pytest.fixture
def reader(world):
    reader = Reader(world)
    reader.start("nats-server")
    return reader


def test_every_section_with_commands_is_tested_here():
    assert {title for title in README.sections if README.blocks(title)} == SECTIONS


def test_see_it_work():
    """What the two do has tests of its own: test_demo.py, and all of these."""
    assert commands("See it work") == ["./dev demo", "./dev test"]
    told = subprocess.run(["./dev", "help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    for line in re.findall(r"\./dev \w+", README.text):
        assert f"\n{line} " in f"\n{told}", line


def test_install():
    """test_packages.py builds them so, test_systemd.py installs them."""
    assert commands("Install") == ["./dev package", "sudo apt install ./build-package/nrt_*.deb"]


def test_put_an_http_server_on_nats_and_reach_it(world, reader):
    """The sidecar's line, then each line that asks; the servers behind stand on the pages' ports."""
    seen = []

    def answer(request):
        seen.append(request)
        if request.target == "/events":
            return (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"b\r\ndata: one\n\n\r\n0\r\n\r\n")
        return plain(f"{request.get('Host')} {request.method} {request.target} {len(request.body)}\n")

    origin = world.origin(answer)
    reader.ports[8080] = origin.port
    line, = commands("Put an HTTP server on NATS")
    assert line == "nrt serve hello.nats http://127.0.0.1:8080"
    reader.start(line)
    for host in ("weather.nats", "reports.nats", "backup.nats"):
        reader.start(line.replace("hello.nats", host))
    os.mkdir(os.path.join(reader.folder, "photos"))
    reader.file("photos/one", "x" * 100000)

    get, through = commands("Reach it")
    expect(reader, get, "hello.nats GET / 0", "weather.nats POST /city 17", "", "backup.nats PUT /photos ", "data: one")
    with open(os.path.join(reader.folder, "report.pdf"), encoding="ascii") as report:
        assert report.read() == "reports.nats GET /today.pdf 0\n"
    assert [len(request.body) > 100000 for request in seen if request.get("Host") == "backup.nats"] == [True]
    gateway, *asked = through
    reader.start(gateway)
    expect(reader, asked, "weather.nats POST /city 17", "hello.nats GET / 0")


def shape(text):
    """A table without what differs from one place to another."""
    text = re.sub(r"(?<= )[\w-]{22}(?= )", "INSTANCE", text)
    text = re.sub(r"\b\w+/\w+|(?<= )n\d\b", "WHERE", text)
    text = re.sub(r"[\d.]+ (us|ms)\b", "RTT", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().splitlines()]


def test_see_what_runs_where(world, reader):
    origin = world.origin(plain("x"))
    reader.ports[8080] = origin.port
    serve = "nrt serve {} http://127.0.0.1:8080 --service-version {}"
    for host, version in (("hello.nats", "0.0.0"), ("weather.nats", "1.4.2"), ("weather.nats", "1.4.2")):
        reader.start(serve.format(host, version))
    block, top = README.blocks("See what runs where")
    typed, _, printed = block.partition("\n")
    assert typed == "$ nrt ls"
    table = reader.run("nrt ls --wait 1s")
    assert shape(table) == shape(printed)
    lines = re.findall(r"`(nrt (?:info|stats|doctor|help)[^`]*)`", README.sections["See what runs where"])
    assert lines == ["nrt info weather.nats", "nrt stats", "nrt doctor weather.nats", "nrt help", "nrt help get"]
    for line in lines:
        assert reader.run(line)
    for line in [*lines[:2], "nrt top --once"]:
        assert json.loads(reader.run(f"{line} --json"))
    heading = next(line for line in top.splitlines() if line.startswith("SERVICE")).split()
    assert heading == next(line for line in reader.run("nrt top --once").splitlines() if line.startswith("SERVICE")).split()


def test_configuration(world, reader):
    operator = Operator()
    server = world.nats(config=operator.config())
    reader.file("me.creds", creds(*operator.user("me", None)))
    os.makedirs(os.path.join(reader.folder, ".config/nats/context"))
    reader.file(".config/nats/context/prod.json",
                json.dumps({"url": server.url, "creds": os.path.join(reader.folder, "me.creds")}))
    reader.env["XDG_CONFIG_HOME"] = os.path.join(reader.folder, ".config")
    del reader.env["NATS_URL"]
    origin = world.origin(plain("from over there\n"))
    reader.ports[8080] = origin.port
    serving = world.nrt("serve", "--server", server.url, "--creds", os.path.join(reader.folder, "me.creds"), "hello.nats",
                        origin.url)
    serving.wait_line("serving ")
    lines = [line.replace("nats://n1:4222", server.url) for line in commands("Configuration")]
    expect(reader, lines, "from over there", "from over there", "prod", "nats://", "prod")
    assert "nrt context select prod" in README.sections["Configuration"]
    reader.run("nrt context select prod")
    assert server.url in reader.run("nrt context show")


def test_from_here_to_a_service_of_ones_own(world):
    """Under 30 lines of C, typed from the page, and built with what was installed."""
    reader = Reader(world, installed=True)
    assert f"`{INSTALL}`" in README.sections["From C"]
    program = README.blocks("From C", "c")[0]
    assert program.count("\n") < 30
    reader.file("hello.c", program)
    build, nats, start, get = commands("From C")
    assert "hello" in build and reader.run(f"{build} -Wall -Wextra -Werror") == ""
    assert nats == "nats-server &"
    reader.start(nats)
    hello = reader.start(start, serves="hello.nats")
    assert reader.run(get) == "hello you\n"
    for method, path, status in (("GET", "/other", "404"), ("POST", "/hello/you", "405"), ("HEAD", "/hello/you", "200"),
                                 ("OPTIONS", "/hello/you", "204")):
        assert f"HTTP/1.1 {status}" in reader.run(f"nrt get -i -X {method} http://hello.nats{path}"), method
