"""The examples as a reader meets them: run as README.md says, and quoted there as they are."""

import glob
import os
import re

import pytest

from harness.clock import until
from harness.message import assert_problem
from harness.world import BUILD, HERE, sanitized

TOP = os.path.join(HERE, os.pardir, os.pardir)
EXAMPLES = os.path.join(TOP, "examples")
pytestmark = pytest.mark.threads


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


@pytest.fixture
def example(world, nats):
    """example(NAME, HOST): starts one, with the server in its environment, until it serves."""
    def example(name, host):
        child = world.start([path_of(name)], name, env={"NATS_URL": nats.url})
        subject = f"nrt.requests.{host}.*"
        until(lambda: subject in str(nats.monitoring("/subsz?subs=1")), f"{name} serves {host}")
        return child
    return example


def path_of(name):
    return os.path.join(BUILD, "examples", name)


def test_hello_says_hello(world, nats, example):
    hello = example("hello", "hello.nats")
    assert world.get(nats, "http://hello.nats/hello/you").stdout == "hello you\n"
    assert world.get(nats, "http://hello.nats/hello/S%C3%A3o%20Paulo").stdout == "hello São Paulo\n"
    client = world.client(world.gateway(nats, "--route", "/=hello.nats"))
    assert_problem(client.get("/other"), 404, None)
    assert client.post("/hello/you", b"").get("Allow") == "GET, HEAD, OPTIONS"
    assert hello.stop() == 0


def test_serve_keeps_notes(world, nats, example):
    example("serve", "notes.nats")
    client = world.client(world.gateway(nats, "--route", "/=notes.nats"))
    put = lambda name, text: client.request("PUT", "/notes/" + name, body=text).status
    assert put("milk", b"buy \"two\" bottles") == 201
    assert client.get("/notes/milk").json == {"text": 'buy "two" bottles'}
    assert put("milk", b"done") == 204
    assert client.get("/notes/milk").json == {"text": "done"}
    assert put("a%2Fb", b"c") == 201
    assert client.get("/notes/a%2Fb").json == {"text": "c"}
    assert put("x" * 64, b"") == 413 and put("x", b"y" * 256) == 413
    assert put("strange", b"\xff") == 201
    assert_problem(client.get("/notes/strange"), 500, None)
    assert_problem(client.get("/notes/none"), 404, None)
    refused = client.request("DELETE", "/notes/milk")
    assert_problem(refused, 405, None)
    assert refused.get("Allow") == "GET, HEAD, OPTIONS, PUT"
    for number in range(97):
        assert put(f"more{number}", b"") == 201
    assert put("too-many", b"") == 507


def test_get_gets(world, nats, example):
    hello = example("hello", "hello.nats")
    env = {"NATS_URL": nats.url}
    assert world.run([path_of("get"), "http://hello.nats/hello/you"], env=env).stdout == "hello you\n"
    missing = world.run([path_of("get"), "http://hello.nats/other"], env=env, expect=1)
    assert '"status": 404' in missing.stdout
    nobody = world.run([path_of("get"), "http://nobody.nats/"], env=env, expect=1)
    assert "no service answers" in nobody.stderr
    for wrong in (["http://example.com/"], []):
        assert "not a valid" in world.run([path_of("get"), *wrong], env=env, expect=1).stderr
    assert hello.stop() == 0


def test_stream_streams(world, nats, example):
    service = example("stream", "capitals.nats")
    env = {"NATS_URL": nats.url}
    body = b"some words, " * 2500000  # 30 MB
    done = world.run([path_of("stream"), "http://capitals.nats/"], env=env, data=body)
    assert done.raw() == body.upper()
    assert sanitized() or service.status("VmHWM") < 24 * 1024
    assert world.get(nats, "-d", "small", "http://capitals.nats/").stdout == "SMALL"
    nobody = world.run([path_of("stream"), "http://nobody.nats/"], env=env, expect=1)
    assert "no service answers" in nobody.stderr
    world.run([path_of("stream"), "http://example.com/"], env=env, expect=2)
    assert service.stop() == 0


def test_curl_client_gets_by_nats_and_by_tcp(world, nats, example):
    hello = example("hello", "hello.nats")
    server = world.python_server()
    env = {"NATS_URL": nats.url}
    run = lambda url, code=0: world.run([path_of("curl_client"), url], env=env, expect=code)
    assert run("https://hello.nats/hello/you").stdout == "hello you\n"
    assert run(f"{server.url}/direct").stdout == "GET /direct "
    assert '"status": 503' in run("http://nobody.nats/", 1).stdout
    assert hello.stop() == 0


def test_threads_share_the_requests(world, nats, example):
    service = example("threads", "spread.nats")
    said = {world.get(nats, "http://spread.nats/").stdout for _ in range(40)}
    assert said <= {f"thread {number}\n" for number in range(4)} and len(said) >= 3
    assert service.stop() == 0


@pytest.mark.parametrize("name", ["hello.c", "get.c"])
def test_the_readme_quotes_an_example_as_it_is(name):
    """Each is quoted whole, in a block of its own."""
    blocks = re.findall(r"^```c\n(.*?)^```$", read("README.md"), re.M | re.S)
    assert read("examples", name) in blocks


def test_every_quote_stands_in_the_file_that_is_named_before_it():
    """All of README's, and those of docs/library.md that name one; together they quote each example."""
    parts = re.split(r"^```c\n(.*?)^```$", read("README.md"), flags=re.M | re.S)
    named = [(re.findall(r"\(examples/(\w+\.c)\)", before)[-1], block) for before, block in zip(parts[::2], parts[1::2])]
    named += re.findall(r"\(\.\./examples/(\w+\.c)\)[^`]*?:\n\n```c\n(.*?)^```$", read("docs", "library.md"), re.M | re.S)
    for name, block in named:
        assert block in read("examples", name), name
    assert {name for name, _ in named} == {os.path.basename(path) for path in glob.glob(os.path.join(EXAMPLES, "*.c"))}


def test_examples_are_short_and_use_the_public_headers_only():
    paths = glob.glob(os.path.join(EXAMPLES, "*.c"))
    assert len(paths) >= 3
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert text.count("\n") <= 100, path
        assert not re.search(r'#include "', text), path
    assert read("examples", "hello.c").count("\n") < 30
