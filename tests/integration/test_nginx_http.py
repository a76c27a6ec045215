"""`nrt_pass` among nginx's other parts: requests within requests, filters, caches, and corners of HTTP."""

import gzip
import os
import shutil
import socket
import threading

import pytest

from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, until
from harness.message import Answer, Request
from harness.origin import plain
from harness.site import Site
from harness.world import free_port

H2 = free_port()

HTTP = """
server {{
    listen 127.0.0.1:{h2} http2;
    location / {{ nrt_pass weather.nats; }}
    location /script {{ nrt_pass script.nats; nrt_buffering off; }}
}}
"""

SERVER = """
location / {{ nrt_pass weather.nats; }}
location /ssi {{ ssi on; nrt_pass weather.nats; }}
location /ssi/static {{ ssi on; root {folder}; }}
location /guarded {{ auth_request /auth; auth_request_set $user $nrt_status; add_header X-Auth $user; nrt_pass weather.nats; }}
location = /auth {{ internal; nrt_pass guard.nats; }}
location /mirrored {{ mirror /mirror; nrt_pass weather.nats; }}
location = /mirror {{ internal; nrt_pass guard.nats/mirror; }}
location /gzip {{ gzip on; gzip_min_length 10; gzip_types text/plain; nrt_pass weather.nats; }}
location /gunzip {{ gunzip on; nrt_set_header Accept-Encoding gzip; nrt_pass weather.nats; }}
location /sub {{ sub_filter old new; sub_filter_types *; nrt_pass weather.nats; }}
location /added {{ add_before_body /before; nrt_pass weather.nats; }}
location /expires {{ expires 1h; nrt_pass weather.nats; }}
location /script {{ nrt_pass script.nats; nrt_buffering off; }}
location /slow {{ nrt_pass script.nats; nrt_request_buffering off; }}
"""


@pytest.fixture(scope="module")
def site(shared):
    folder = shared.path("site")
    os.makedirs(folder + "/ssi/static")
    shared.file("site/ssi/static/page.html", b'[<!--#include virtual="/one?x" -->|<!--#include virtual="/two" -->]')
    nats = shared.nats()
    site = Site(shared, nats, SERVER.format(folder=folder), HTTP.format(h2=H2), ("weather.nats", "guard.nats"))
    site.script = None
    shared.serve(nats, "script.nats", shared.origin(script=lambda connection: site.script(connection)))
    return site


def targets(site, host):
    return [(one.method, one.target) for one in site.requests if one.get("Host") == host]


# ---- requests within requests ------------------------------------------------------------------


def test_pages_may_include_what_services_answer(site):
    site.answers.update({"/one": plain("first"), "/two": plain(b"x" * 300_000),
                         "/ssi": plain('<<!--#include virtual="/one" -->>', fields=[("Content-Type", "text/html")])})
    assert site.get("/ssi").text == "<first>"
    assert site.get("/ssi/static/page.html").body == b"[first|" + b"x" * 300_000 + b"]"
    site.answers["/one"] = plain("", "204 No Content")
    assert site.get("/ssi").text == "<>"
    site.requests.clear()
    assert site.request("POST", "/ssi", body=b"body").text == "<>"
    assert targets(site, "weather.nats") == [("POST", "/ssi"), ("GET", "/one")]


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_service_may_guard_another(site, size):
    body = b"b" * size
    site.answers["/guarded"] = lambda request: plain(request.body)
    site.answers["/auth"] = plain("", "204 No Content")
    site.requests.clear()
    got = site.request("POST", "/guarded", body=body)
    assert (got.status, got.body, got.get("X-Auth")) == (200, body, "204")
    asked, = [one for one in site.requests if one.get("Host") == "guard.nats"]
    assert (asked.method, asked.body) == ("GET", b"")
    for status in ("401 Unauthorized", "403 Forbidden"):
        site.answers["/auth"] = plain("no", status, [("WWW-Authenticate", "Basic")])
        site.requests.clear()
        got = site.request("POST", "/guarded", body=body)
        assert got.status == int(status[:3]) and targets(site, "weather.nats") == []
        assert got.get("WWW-Authenticate") == ("Basic" if "401" in status else None)
    site.answers["/auth"] = plain("no", "500 Oops")
    assert site.get("/guarded").status == 500


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_requests_may_be_mirrored_with_their_bodies(site, size):
    body = os.urandom(size)
    site.answers["/mirrored"] = lambda request: plain(request.body)
    site.requests.clear()
    assert site.request("POST", "/mirrored", body=body).body == body
    until(lambda: targets(site, "guard.nats") == [("POST", "/mirror")], "the mirror's request")
    assert [one.body for one in site.requests] == [body, body]


def test_a_mirror_that_fails_harms_nobody(site):
    site.answers["/mirror"] = plain("no", "500 Oops")
    assert site.get("/mirrored").status == 200


# ---- filters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_answers_are_compressed_and_changed_by_nginx(site, size):
    text = (b"old words " * size)[:size]
    answer = plain(text, fields=[("Content-Type", "text/plain"), ("ETag", '"strong"'), ("Vary", "x")])
    site.answers.update({"/gzip": answer, "/sub": answer, "/added": plain(text, fields=[("Content-Type", "text/html")]),
                         "/before": plain("before "), "/expires": answer,
                         "/gunzip": plain(gzip.compress(text), fields=[("Content-Encoding", "gzip")])})
    got = site.get("/gzip", fields=[("Accept-Encoding", "gzip")])
    assert got.get("Content-Encoding") == "gzip" and gzip.decompress(got.body) == text
    assert got.get("ETag") == 'W/"strong"' and got.get("Content-Length") is None
    assert site.get("/gzip").body == text
    got = site.get("/gunzip")
    assert got.body == text and got.get("Content-Encoding") is None
    assert site.get("/sub").body.replace(b"new", b"old") == text and site.get("/sub").body != text
    assert site.get("/added").body == b"before " + text
    assert site.get("/expires").get("Cache-Control") == "max-age=3600"


@pytest.mark.parametrize("target, fields", [("/ssi", ()), ("/gzip", [("Accept-Encoding", "gzip")]), ("/plain", ()), ("/added", ())])
def test_a_client_that_reads_slowly_gets_all_of_it(site, target, fields):
    """More than what lies between: the filters wait for the client, and go on."""
    body = os.urandom(4_000_000)
    html = [("Content-Type", "text/html")]
    site.answers.update({"/one": plain(body), "/before": plain(body), "/ssi": plain('<!--#include virtual="/one" -->', fields=html),
                         "/gzip": plain(body, fields=[("Content-Type", "text/plain")]), "/plain": plain(body), "/added": plain("", fields=html)})
    with site.client() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(request_bytes("GET", target, fields=fields))
        got = client.answer()
    assert (gzip.decompress(got.body) if target == "/gzip" else got.body) == body


def test_what_a_service_has_compressed_is_not_compressed_again(site):
    body = gzip.compress(b"text" * 100)
    site.answers["/gzip"] = plain(body, fields=[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")])
    got = site.get("/gzip", fields=[("Accept-Encoding", "gzip")])
    assert got.body == body and got.all("Content-Encoding") == ["gzip"]


# ---- corners of HTTP ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "206 Partial Content"])
def test_head_has_the_length_and_no_body(site, status):
    site.answers["/head"] = lambda request: plain(b"x" * 1234, status)[:-1234]
    with site.client() as client:
        got = client.request("HEAD", "/head")
        assert (got.status, got.get("Content-Length")) == (int(status[:3]), "1234")
        assert client.get("/next").status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "205 Reset Content"])
def test_an_answer_without_a_body_leaves_the_connection_usable(site, status):
    fields = [("ETag", '"a"'), ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"), ("X-Own", "1")]
    site.answers["/none"] = f"HTTP/1.1 {status}\r\nETag: \"a\"\r\n".encode() + b"".join(
        f"{name}: {value}\r\n".encode() for name, value in fields[1:]) + (b"Content-Length: 0\r\n\r\n" if "205" in status else b"\r\n")
    with site.client() as client:
        got = client.get("/none", fields=[("If-None-Match", '"a"')])
        assert (got.status, got.body, got.get("X-Own"), got.get("ETag")) == (int(status[:3]), b"", "1", '"a"')
        assert client.get("/next").status == 200
    assert site.requests[-2].get("If-None-Match") == '"a"'


def test_conditions_and_ranges_are_the_services(site):
    """nginx does not cut a 200 into ranges, and does not make it a 304."""
    site.answers["/range"] = plain("0123456789", fields=[("ETag", '"a"'), ("Accept-Ranges", "bytes"), ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")])
    got = site.get("/range", fields=[("Range", "bytes=2-3"), ("If-None-Match", '"a"'), ("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT")])
    assert (got.status, got.text, site.requests[-1].get("Range")) == (200, "0123456789", "bytes=2-3")
    site.answers["/range"] = plain("23", "206 Partial Content", [("Content-Range", "bytes 2-3/10")])
    got = site.get("/range", fields=[("Range", "bytes=2-3")])
    assert (got.status, got.text, got.get("Content-Range")) == (206, "23", "bytes 2-3/10")


@pytest.mark.parametrize("status, line", [("299 Own Words", "299 Own Words"), ("499 x", "499 x"), ("200 ", "200 OK"), ("599 Odd", "599 Odd")])
def test_statuses_that_nginx_does_not_know_pass(site, status, line):
    site.answers["/status"] = plain("x", status)
    got = site.get("/status")
    assert f"{got.status} {got.reason}".strip() in (line, line.split()[0]) and got.text == "x"


def test_the_client_is_told_to_go_on_and_the_body_comes(site):
    site.answers["/expect"] = lambda request: plain(request.body)
    with site.client() as client:
        client.send(b"POST /expect HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert client.interim().status == 100
        client.send(b"body")
        assert client.answer().body == b"body"
    got = curl("-T", site.world.file("up", b"u" * 2_000_000), "-H", "Expect: 100-continue", site.url + "/expect")
    assert got.body == b"u" * 2_000_000


def test_trailers_of_an_answer_pass(site):
    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\nX-More: a\r\n\r\n")
    site.script = script
    got = site.get("/script", fields=[("TE", "trailers")])
    assert got.body == b"abc" and dict(got.trailers) == {"X-Sum": "3", "X-More": "a"}


def test_trailers_of_a_request_pass(site):
    with site.client() as client:
        client.send(b"POST /trailed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n")
        assert client.answer().text == "weather.nats POST /trailed abc"
    assert site.requests[-1].trailers == [("X-Sum", "3")]


def test_an_answer_of_unknown_length_to_http_1_0_ends_with_the_connection(site):
    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    site.script = script
    with site.client() as client:
        client.send(b"GET /script HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        got = client.answer()
        assert got.get("Transfer-Encoding") is None and got.body == b"abc"


def test_a_service_that_breaks_off_does_not_look_finished(site):
    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert begun.wait(DEADLINE)
        connection.send("5\r\nmo")
    begun = threading.Event()
    site.script = script
    with site.client() as client:
        client.send(request_bytes("GET", "/script"))
        assert client.reader.head(Answer).status == 200
        client.reader.until(b"abc\r\n", "the beginning")
        begun.set()
        assert not client.reader.rest().endswith(b"0\r\n\r\n")
    site.told("the response broke off")


def test_a_service_may_answer_before_the_request_is_whole(site):
    def script(connection):
        connection.reader.head(Request)
        connection.send(plain("enough", "413 Too Much", [("Connection", "close")]))
        connection.close()
    site.script = script
    with site.client() as client:
        client.send(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        got = client.answer()
        assert (got.status, got.text) == (413, "enough")


def test_many_requests_on_one_connection_are_answered_in_order(site):
    with site.client() as client:
        client.send(*[request_bytes("POST", f"/{number}", body=b"b" * number * 1000) for number in range(20)])
        for number in range(20):
            assert client.answer().body == f"weather.nats POST /{number} ".encode() + b"b" * number * 1000


# ---- HTTP/2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
def test_bodies_over_http_2(site, size):
    site.answers["/h2"] = lambda request: plain(request.body)
    path = site.world.file(f"body-{size}", os.urandom(size))
    with open(path, "rb") as file:
        data = file.read()
    for more in (["-T", path], ["-T", path, "-H", "Content-Length:"]):
        got = curl("--http2-prior-knowledge", *more, f"http://127.0.0.1:{H2}/h2")
        assert got.body == data, got.errors


def test_streams_of_http_2_are_answered_side_by_side(site):
    slow = threading.Event()
    site.answers["/waits"] = lambda request: slow.wait(DEADLINE) and plain("late")
    site.answers["/quick"] = lambda request: slow.set() or plain("soon")
    base = f"http://127.0.0.1:{H2}"
    got = curl("--http2-prior-knowledge", "--parallel", "--parallel-immediate", base + "/waits", base + "/quick")
    assert sorted([got.text[:4], got.text[4:]]) == ["late", "soon"]


def test_a_stream_of_http_2_that_is_reset_ends_the_origins_request(site):
    asked, closed = threading.Event(), threading.Event()

    def script(connection):
        connection.read()
        asked.set()
        connection.wait_closed()
        closed.set()

    site.script = script
    child = site.world.start([shutil.which("curl"), "-q", "-sS", "--http2-prior-knowledge", f"http://127.0.0.1:{H2}/script"])
    assert asked.wait(DEADLINE)
    child.expected = None
    child.kill()
    assert closed.wait(DEADLINE)
