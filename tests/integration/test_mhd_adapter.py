"""nrt_serve_mhd: programs of libmicrohttpd's tutorial on NATS, unchanged but for that line; all its
threading modes; and other embedded servers by nrt_serve_fd."""

import gzip
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import outside
from harness.client import Client, request_bytes
from harness.clock import until
from harness.message import Answer
from harness.world import program

SERVE = r'if (daemon) nrt_test_check(nrt_serve_mhd(nrt_test_conn(), "hello.nats", daemon));'
pytestmark = pytest.mark.threads


def tutorial(name):
    """The text of one of the tutorial's programs, from libmicrohttpd-dev's info file."""
    path = os.path.join(outside.unpacked("libmicrohttpd-dev"), "usr/share/info/libmicrohttpd-tutorial.info.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = file.read()
    part = re.search(rf"\nC\.\d+ {re.escape(name)}\n=+\n(.*?)\n\x1f", text, re.S).group(1)
    return "\n".join(line[5:] for line in part.split("\n"))


def tutor(world, nats, name):
    """Built with the one line behind the daemon's start, and its port left to the system."""
    text = re.sub(r"(?m)^#define PORT +\d+$", "#define PORT 0", tutorial(name))
    changed, count = re.subn(r"(?s)(daemon = MHD_start_daemon \(.*?\);)", rf"\1\n  {SERVE}", text)
    assert count == 1
    binary = outside.compile_program(world, name[:-2], changed, "mhd", ["microhttpd"])
    return start(world, [binary], {"NATS_URL": nats.url})


def start(world, argv, env=None):
    child = world.start(argv, stdin=subprocess.PIPE, env=env)
    stop = child.signal
    child.signal = lambda number: stop(number) if child.stdin.closed else child.stdin.close()
    return child


@pytest.fixture
def client(world, nats):
    gateway = world.gateway(nats, "--route", "/=hello.nats", "--retry-on", "no-service,refused,idempotent")
    client = world.client(gateway)
    client.url = gateway.url
    return client


def ready(client, target="/"):
    """Until NATS has what it serves: the tutorial's programs do not say when that is, ours begin before it."""
    return until(lambda: (answer := client.get(target)).status != 503 and answer, "served")


def test_hellobrowser(world, nats, client):
    tutor(world, nats, "hellobrowser.c")
    assert ready(client).body == b"<html><body>Hello, browser!</body></html>"


def test_simplepost(world, nats, client):
    tutor(world, nats, "simplepost.c")
    assert b"What's your name" in ready(client).body
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert b"Welcome, Ada" in client.post("/namepost", b"name=Ada", fields=form).body


def test_basicauthentication(world, nats, client):
    tutor(world, nats, "basicauthentication.c")
    refused = ready(client)
    assert refused.status == 401 and refused.get("WWW-Authenticate").startswith("Basic realm=")


# ---- modes -----------------------------------------------------------------------------------------


MODES = ["auto", "select", "poll", "epoll", "thread", "pool", "external", "hidden"]


@pytest.mark.parametrize("mode", MODES)
def test_every_threading_mode(world, nats, client, mode):
    child = start(world, [program("mhd_modes"), nats.url, "hello.nats", mode])
    child.wait_line("^ready$", "stdout")
    ready(client, "/echo")
    for size in (0, 1, 100000, 2000000):
        answer = client.post("/echo", b"x" * size)
        assert (answer.status, len(answer.body), answer.get("X-Url")) == (200, size, "/echo")
    if mode != "thread":  # where connections have threads, libmicrohttpd cannot suspend them
        with ThreadPoolExecutor(8) as pool:
            def slow(_):
                with Client(client.url) as own:
                    return own.get("/slow").get("X-Url")
            assert list(pool.map(slow, range(16))) == ["/slow"] * 16
    with Client(client.url) as own:
        own.send(request_bytes("GET", "/upgrade", fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
        assert own.reader.head(Answer).status == 101
        for word in (b"hello", b"again"):
            own.send(word)
            assert own.reader.exactly(5) == word


def test_a_daemon_that_cannot_be_reached_is_refused(world, nats):
    start(world, [program("mhd_modes"), nats.url, "hello.nats", "deaf"]).wait_line("^unsupported$", "stdout")


@pytest.mark.parametrize("server", ["evhttp", "civetweb"])
def test_other_embedded_servers(world, nats, client, server):
    child = start(world, [program(f"embedded_{server}"), nats.url, "hello.nats"])
    child.wait_line("^ready$", "stdout")
    ready(client)
    for number in range(50):
        answer = client.post(f"/{number}", b"b" * number * 100)
        assert (answer.body, answer.get("X-Url")) == (b"b" * number * 100, f"/{number}")
