"""nrt_curl_attach: curl's own examples over NATS, unchanged but for that line and the URL; and what
goes beyond them."""

import hashlib
import os

import pytest

from harness import outside
from harness.clock import DEADLINE, Stopwatch
from harness.origin import plain
from harness.world import program

ATTACH = r"nrt_test_check(nrt_curl_attach(\3, nrt_test_conn()));"
EXAMPLES = "usr/share/doc/libcurl4/examples"
pytestmark = pytest.mark.threads


def example(world, nats, name, urls, *args, multi=False):
    """Builds and runs one of curl's examples; `urls` maps its URLs to ours."""
    with open(os.path.join(outside.unpacked("libcurl4-doc"), EXAMPLES, f"{name}.c"), encoding="utf-8") as file:
        text = file.read()
    for theirs, ours in urls.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    pattern = r"curl_multi_add_handle\(\w+, (\w+)\)" if multi else r"curl_easy_perform\((\w+)\)"
    text = outside.insert_before(text, pattern, ATTACH)
    binary = outside.compile_program(world, name, text, "curl", ["curl"])
    return world.run([binary, *args], env={"NATS_URL": nats.url}, timeout=DEADLINE * 2)


@pytest.fixture
def origin(world, nats):
    origin = world.origin(lambda request: plain(request.method + " " + request.target + "\n"))
    world.serve(nats, "weather.nats", origin)
    return origin


def test_getinmemory(world, nats, origin):
    done = example(world, nats, "getinmemory", {"https://www.example.com/": "https://weather.nats/city"})
    assert "10 bytes retrieved" in done.stdout
    assert [request.target for request in origin.requests] == ["/city"]


def test_simplepost(world, nats, origin):
    done = example(world, nats, "simplepost", {"https://example.com": "http://weather.nats/post"})
    assert done.stdout == "POST /post\n"
    assert origin.requests[0].body == b"moo mooo moo moo"
    assert "via" not in origin.requests[0].names()


def test_multi_single(world, nats, origin):
    done = example(world, nats, "multi-single", {"https://www.example.com/": "http://weather.nats/multi"},
                   multi=True)
    assert done.stdout == "GET /multi\n"


def test_10_at_a_time(world, nats, origin):
    """Fifty URLs, ten at once; those of other hosts would go their own way."""
    with open(os.path.join(outside.unpacked("libcurl4-doc"), EXAMPLES, "10-at-a-time.c"), encoding="utf-8") as file:
        hosts = [line.split('"')[1] for line in file if line.strip().startswith('"http')]
    done = example(world, nats, "10-at-a-time",
                   {f'"{url}"': f'"http://weather.nats/{number}"' for number, url in enumerate(hosts)}, multi=True)
    assert done.stderr.count("R: 0 - ") == len(hosts) > 40
    assert sorted(request.target for request in origin.requests) == sorted(f"/{n}" for n in range(len(hosts)))


def test_httpput(world, nats, origin):
    """An upload from a file, larger than a NATS message, without Expect's second of waiting."""
    data = os.urandom(3 << 20)
    origin._answer = lambda request: plain(hashlib.sha256(request.body).hexdigest())
    with Stopwatch() as watch:
        done = example(world, nats, "httpput", {}, world.file("data", data), "https://weather.nats/put")
    assert done.stdout.startswith(hashlib.sha256(data).hexdigest()), done.transcript()
    assert watch.seconds < DEADLINE


# ---- beyond them -----------------------------------------------------------------------------------


@pytest.fixture
def curl_client(world, nats):
    def run(*args, code=0):
        return world.run([program("curl_client"), nats.url, *args], expect=code, timeout=DEADLINE * 2).stdout
    return run


def test_redirects_between_nats_hosts_whatever_their_scheme(world, nats, curl_client):
    answers = {"/a": ("302 Found", "https://other.nats/b"), "/out": ("302 Found", "https://example.com/x"),
               "/plain": ("302 Found", "http://example.com/x")}

    def answer(request):
        status, where = answers.get(request.target, ("200 OK", None))
        return plain(request.get("Host") + request.target, status, [("Location", where)] if where else [])

    origin = world.origin(answer)
    world.serve(nats, "weather.nats", origin, "other.nats", origin)
    assert curl_client("get", "https://weather.nats/a") == "200 other.nats/b\n"
    for path, port in (("/out", 443), ("/plain", 80)):
        said = curl_client("get", f"http://weather.nats{path}", code=1)
        assert "https" in said or "http" in said
        assert f"example.com port {port}" in said and "example.com/x" in said


def test_other_hosts_go_their_own_way_with_the_same_handle(world, nats, curl_client):
    server = world.python_server()
    world.serve(nats, "weather.nats", world.origin(plain("over NATS")))
    said = curl_client("get", f"{server.url}/direct", "http://weather.nats/", f"{server.url}/again")
    assert said == "200 GET /direct \n200 over NATS\n200 GET /again \n"


def test_connections_are_kept(world, nats, curl_client):
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    assert curl_client("again", "http://weather.nats/", "20") == "20 transfers, 1 connections\n"


def test_what_fails_is_told_as_curl_does(world, nats, curl_client):
    assert curl_client("get", "http://nobody.nats/").startswith("503 ")
    assert "not a" in curl_client("get", "nothing like it://", code=1)
    world.serve(nats, "weather.nats", world.origin(lambda request: None, script=lambda c: c.reader.rest()))
    with Stopwatch() as watch:
        assert "28" in curl_client("timeout", "http://weather.nats/", "300", code=1)
    assert watch.seconds < 3


def test_eight_threads_with_one_connection(world, nats, curl_client):
    world.serve(nats, "weather.nats", world.origin(lambda request: plain(request.target)))
    assert curl_client("threads", "http://weather.nats/", "8") == "400 answers\n"


def test_nothing_is_left_behind(world, nats, curl_client):
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    folder = world.path("run")
    os.mkdir(folder, 0o700)
    child = world.run([program("curl_client"), nats.url, "get", "http://weather.nats/"],
                      env={"XDG_RUNTIME_DIR": folder})
    assert child.stdout == "200 x\n" and os.listdir(folder) == []
