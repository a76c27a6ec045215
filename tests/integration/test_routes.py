"""nrt/mux.h and nrt/http.h as programs/routes.c uses them: curl through the gateway, nrt get, and a
raw NATS client. On the connection's thread, and on workers."""

import os
import re

import pytest

from harness import gowire
from harness.client import Client, curl
from harness.clock import DEADLINE, until
from harness.message import Malformed, assert_problem, parse_answer
from harness.world import sanitized, url_of

pytestmark = pytest.mark.threads


@pytest.fixture
def folder(world):
    path = os.path.join(world.folder, "files")
    os.mkdir(path)
    os.mkdir(os.path.join(path, "sub"))
    for name, data in (("hello.txt", b"0123456789"), ("sub/page.html", b"<p>hi</p>"),
                       ("large.bin", os.urandom(3_000_000))):
        with open(os.path.join(path, name), "wb") as file:
            file.write(data)
    with open(os.path.join(world.folder, "secret"), "wb") as file:
        file.write(b"secret")
    os.symlink("../secret", os.path.join(path, "outside"))
    return path


@pytest.fixture(params=["inline", "workers"])
def routes(request, world, nats, folder):
    workers = 4 if request.param == "workers" else 0
    child = world.program("routes", url_of(nats), "routes.nats", workers, folder)
    child.wait_line("ready", "stdout")
    return child


@pytest.fixture
def gateway(world, nats, routes):
    return world.gateway(nats, "--route", "/=routes.nats")


@pytest.fixture
def client(world, gateway):
    return world.closing(Client(gateway.url))


# ---- the router --------------------------------------------------------------------------------


def test_a_route_is_found_and_its_values_are_decoded(client):
    assert client.get("/city/london").text == "someone london"
    assert client.get("/city/s%C3%A3o%20paulo").text == "someone são paulo"
    assert client.get("/city/a%2Fb").text == "someone a/b"


def test_head_is_taken_from_get_and_its_body_only_counted(client):
    answer = client.request("HEAD", "/city/london")
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "14")


def test_no_route_no_method_and_options(client):
    assert_problem(client.get("/nothing"), 404, None)
    refused = client.request("DELETE", "/city/london")
    assert_problem(refused, 405, None)
    assert refused.get("Allow") == "GET, HEAD, OPTIONS, PUT"
    options = client.request("OPTIONS", "/city/london")
    assert (options.status, options.body) == (204, b"")
    assert options.get("Allow") == "GET, HEAD, OPTIONS, PUT"


def test_curl_follows_the_redirects_to_clean_paths_and_folders(gateway):
    done = curl("-L", "--path-as-is", "-w", "%{http_code} %{num_redirects} %{url_effective}",
                gateway.url + "/x/..//files?a=b")
    assert re.search(r"404 1 http://\S+/files/\?a=b$", done.text), done
    put = curl("-L", "--path-as-is", "-X", "PUT", "-d", "x", "-w", " %{num_redirects}",
               gateway.url + "/./city/oslo")
    assert put.text == "someone oslo 1"


def test_a_path_that_is_not_validly_encoded_is_a_400(nats, peer, routes):
    for target in ("/city/%", "/city/%zz", "/city/%00"):
        reply = peer.request("nrt.requests.routes.nats.get",
                             gowire.request("GET", target, "routes.nats"))
        assert_problem(parse_answer(reply.payload), 400, None)


def test_hooks_run_before_and_after_whoever_answers(client, routes):
    assert client.get("/private/x").status == 401
    routes.wait_line(r'answered "/private/\{name\}" 401 ', "stdout")
    assert client.request("GET", "/private/x", fields=[("Authorization", "me")]).text == "me x"
    routes.wait_line(r'answered "/private/\{name\}" 200 4', "stdout")
    client.get("/nothing")
    routes.wait_line(r'answered "" 404 ', "stdout")
    assert (lambda late: (late.status, late.text))(client.get("/later")) == (202, "late")
    routes.wait_line(r'answered "GET /later" 202 4', "stdout")


def test_nrt_get_reaches_the_same_routes(world, nats, routes):
    assert world.get(nats, "http://routes.nats/city/a%2Fb").stdout == "someone a/b"
    assert world.get(nats, "-L", "http://routes.nats/city//oslo").stdout == "someone oslo"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mux_leads_to_handlers_that_take_bodies_in_pieces(world, nats, folder, workers):
    child = world.program("routes", url_of(nats), "routes.nats", workers, folder, "streaming")
    child.wait_line("ready", "stdout")
    gateway = world.gateway(nats, "--route", "/=routes.nats")
    client = world.client(gateway)
    for size in (0, 5) if workers else (0, 5, 2_000_000, 40_000_000):
        assert client.post("/count/x", b"x" * size).text == f"POST /count/{{name}} {size}"
    assert client.post("/nothing", b"x" * 100).status == 404
    with open(world.path("body"), "wb") as file:
        file.truncate(3_000_000)
    refused = curl("-w", "%{http_code}", "-o", world.path("out"), "-T", world.path("body"),
                   gateway.url + "/count/x")
    assert refused.text == "405"


# ---- queries, forms, cookies -------------------------------------------------------------------


def test_curls_queries_and_forms_are_decoded(gateway):
    fields = ["-d", "plain=1", "--data-urlencode", "text=a b&c=d+é%", "-d", "empty="]
    wanted = [["plain", "1"], ["text", "a b&c=d+é%"], ["empty", ""]]
    assert curl(*fields, gateway.url + "/form").json == wanted
    assert curl("-G", *fields, gateway.url + "/query").json == wanted


def test_what_is_no_form_is_refused(client):
    post = lambda body, kind: client.request("POST", "/form", body=body, fields=[("Content-Type", kind)])
    form = "application/x-www-form-urlencoded"
    assert_problem(post(b"{}", "application/json"), 415, None)
    assert_problem(post(b"a=%4", form), 400, None)
    assert_problem(post(b"a=%00", form), 400, None)
    assert_problem(post(b"&".join([b"a"] * 257), form), 413, None)
    assert_problem(post(b"a=" + b"b" * (1 << 20), form), 413, None)
    assert len(post(b"a=" + b"b" * 900_000, form).json[0][1]) == 900_000


def test_curls_cookie_jar_gives_a_cookie_back(world, gateway):
    jar = world.path("jar")
    done = curl("-L", "-c", jar, "-b", jar, "-d", "", gateway.url + "/login")
    assert done.json == [["sid", "31d4d96e"]]
    with open(jar, encoding="ascii") as file:
        assert "#HttpOnly_127.0.0.1" in file.read()


# ---- files -------------------------------------------------------------------------------------


def test_curl_gets_a_file_once_and_then_only_if_it_changed(world, gateway, folder):
    url = gateway.url + "/files/sub/page.html"
    etag = world.path("etag")
    first = curl("--etag-save", etag, "-w", " %{content_type}", url)
    assert first.text == "<p>hi</p> text/html; charset=utf-8"
    assert curl("--etag-compare", etag, "-w", "%{http_code}", url).text == "304"
    with open(os.path.join(folder, "sub", "page.html"), "w", encoding="ascii") as file:
        file.write("<p>new</p>")
    assert curl("--etag-compare", etag, "-w", "%{http_code}", url).text == "<p>new</p>200"
    path = os.path.join(folder, "sub", "page.html")
    assert curl("-z", path, "-w", "%{http_code}", url).text == "304"


def test_curl_continues_a_download_where_it_stopped(world, gateway, folder):
    with open(os.path.join(folder, "large.bin"), "rb") as file:
        whole = file.read()
    part = world.file("part", whole[:1_234_567])
    done = curl("-C", "-", "-o", part, "-w", "%{http_code}", gateway.url + "/files/large.bin")
    assert done.text == "206"
    with open(part, "rb") as file:
        assert file.read() == whole
    assert curl(gateway.url + "/files/large.bin").body == whole
    assert curl("-r", "-5", gateway.url + "/files/hello.txt").text == "56789"


def test_a_file_of_any_size_comes_in_pieces(world, gateway, folder, routes):
    """Larger than max_body; and in memory there is no more of it than what is on its way."""
    size = 300_000_000
    with open(os.path.join(folder, "huge.bin"), "wb") as file:
        file.truncate(size)
        file.seek(size - 4)
        file.write(b"last")
    url = gateway.url + "/files/huge.bin"
    before = routes.status("VmHWM")
    done = curl("-o", world.path("huge"), "-w", "%{http_code} %{size_download} %header{content-length}", url)
    assert done.text == f"200 {size} {size}"
    with open(world.path("huge"), "rb") as file:
        file.seek(size - 4)
        assert file.read() == b"last"
    if not sanitized():  # which keep what was freed for a while
        assert routes.status("VmHWM") - before < 8_000  # kB
    assert curl("-r", "-4", url).text == "last"
    head = curl("-I", url).text
    assert f"Content-Length: {size}" in head


def test_a_client_that_leaves_in_the_middle_leaves_no_descriptor_open(world, gateway, folder, routes):
    with open(os.path.join(folder, "huge.bin"), "wb") as file:
        file.truncate(50_000_000)
    before = routes.descriptors()
    for _ in range(5):
        client = Client(gateway.url)
        client.send(b"GET /files/huge.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.readable(DEADLINE)
        client.close()
    until(lambda: routes.descriptors() == before, "all files are closed")
    assert curl("-w", "%{http_code}", gateway.url + "/files/hello.txt").text == "0123456789200"


def test_a_file_that_becomes_shorter_breaks_the_answer_off(world, gateway, folder, routes):
    path = os.path.join(folder, "huge.bin")
    with open(path, "wb") as file:
        file.truncate(50_000_000)
    with Client(gateway.url) as client:
        client.send(b"GET /files/huge.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.readable(DEADLINE)
        os.truncate(path, 0)
        with pytest.raises(Malformed, match="before the body's end"):
            client.answer()


def test_ranges_that_cannot_be_are_refused_and_head_is_told_the_length(client):
    answer = client.request("GET", "/files/hello.txt", fields=[("Range", "bytes=10-")])
    assert_problem(answer, 416, None)
    assert answer.get("Content-Range") == "bytes */10"
    head = client.request("HEAD", "/files/large.bin")
    assert (head.status, head.get("Content-Length"), head.get("Accept-Ranges")) == (
        200, "3000000", "bytes")


@pytest.mark.parametrize("path", [
    "..%2fsecret", "%2e%2e%2fsecret", "sub%2f..%2f..%2fsecret", "outside", "sub", "sub/", "",
    "%2fetc%2fpasswd", "..%5csecret", "hello.txt%2f", "missing"])
def test_nothing_but_files_of_the_folder_is_served(nats, peer, routes, path):
    reply = peer.request("nrt.requests.routes.nats.get",
                         gowire.request("GET", "/files/" + path, "routes.nats"))
    assert_problem(parse_answer(reply.payload), 404, None)
    assert b"secret" not in reply.payload
