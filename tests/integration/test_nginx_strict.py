"""What nginx lets through and HTTP forbids: `nrt_pass` refuses it before anything is published, or
publishes it in a form that has one meaning only. The spy sees all that goes over NATS."""

import re
import struct

import pytest

from harness.client import Client, request_bytes
from harness.message import Answer, assert_problem, parse_request
from harness.site import Site
from harness.spy import Spy
from harness.world import free_port

LAX, H2 = free_port(), free_port()
HTTP = f"""
server {{
    listen 127.0.0.1:{LAX};
    ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
    location / {{ nrt_pass weather.nats; }}
}}
server {{
    listen 127.0.0.1:{H2} http2;
    ignore_invalid_headers off;
    location / {{ nrt_pass weather.nats; }}
}}
"""
SERVER = "location / { nrt_pass weather.nats; } location /flows { nrt_request_buffering off; nrt_pass weather.nats; } location /named { nrt_pass $http_host; }"


@pytest.fixture(scope="module")
def site(shared):
    site = Site(shared, shared.nats(), SERVER, HTTP, ("weather.nats", "other.nats"))
    site.spy = Spy(shared, site.nats)
    return site


def published(site):
    """The requests that went out, parsed strictly; one that is good is behind them, on the same connection."""
    assert site.get("/good").status == 200
    payloads = [message.payload for message in site.spy.new() if ".requests." in message.subject]
    assert payloads.pop().startswith(b"GET /good ")
    return [parse_request(payload) for payload in payloads]


def ask(site, raw, port=None):
    """The status of the first answer to these bytes, None where there is none with a head, all that
    came, and what was published."""
    with Client(f"http://127.0.0.1:{port or site.port}", timeout=5) as client:
        client.send(raw)
        client.readable(0.3)  # to nginx, whose client closes is one that left: then it does not answer
        client.half_close()
        data = client.reader.rest()
    status = re.match(rb"HTTP/1.1 (\d{3}) ", data)
    return int(status[1]) if status else None, data, published(site)


def passes(site, raw, port=None):
    """What is published of a request that is let through."""
    with Client(f"http://127.0.0.1:{port or site.port}") as client:
        client.send(raw)
        assert client.answer().status == 200
    out, = published(site)
    return out


def head(fields, start=b"GET / HTTP/1.1", host=b"Host: x\r\n"):
    return start + b"\r\n" + host + fields + b"\r\n\r\n"


SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

FRAMINGS = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5, 5",
    b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5", b"Content-Length:", b"Content-Length: 5 5",
    b"Content-Length: 18446744073709551621", b"Content-Length : 5",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:",
    b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Transfer-\0Encoding: chunked",
]


@pytest.mark.parametrize("lax", [False, True])
@pytest.mark.parametrize("fields", FRAMINGS)
def test_a_body_whose_end_is_ambiguous_is_not_published(site, fields, lax):
    status, data, out = ask(site, head(fields, b"POST / HTTP/1.1") + SMUGGLED, LAX if lax else None)
    assert status in (400, 413, 501) and data.count(b"HTTP/1.1 ") == 1, data
    assert out == []


FIELDS = [
    b"X: a\r\n b", b"X: a\r\n\tb", b" X: a", b"X : a", b"X\t: a", b"X: a\rb", b"X: a\nY: b", b"X: a\x01b", b"X: a\x7fb",
    b"X: a\0b", b"X: a\x0bb", b": a", b"X", b"X\r\nY: b", b"Host: y", b"Host: x", b"Authorization: a\r\nAuthorization: b",
    b"Connection: a b", b"Connection: \"x\"", b"Expect: 200-ok",
    b"Connection: Upgrade\r\nUpgrade: h2c", b"Content-Type: application/grpc",
    b"\r\n".join(b"X-%d: a" % number for number in range(120)), b"Connection: " + b",".join([b"a"] * 200),
]


@pytest.mark.parametrize("fields", FIELDS)
def test_a_field_that_is_not_valid_is_not_published(site, fields):
    for port in (None, LAX):
        status, data, out = ask(site, head(fields), port)
        assert 400 <= status < 502 and data.count(b"HTTP/1.1 ") == 1, data
        assert out == []


@pytest.mark.parametrize("name", [b"X@Y", b"X(", b"X\xe4", b"X/", b"X\"", b"[X]"])
def test_a_name_that_is_no_token_is_refused_where_nginx_would_leave_it_out_too(site, name):
    for port in (None, LAX):
        status, data, out = ask(site, head(name + b": a"), port)
        assert (status, out) == (400, []), data


def ours(request):
    return [pair for pair in request.fields if pair[0].lower() == "nrt-accept"]


@pytest.mark.parametrize("fields, kept", [
    (b"Connection: X-Foo\r\nX-Foo: 1\r\nX-Bar: 2", ["x-bar"]),
    (b"Connection: close, Authorization, Cookie, Host\r\nAuthorization: a\r\nCookie: b", ["authorization", "cookie"]),
    (b"TE: trailers, gzip\r\nConnection: TE", []), (b"Keep-Alive: 1\r\nProxy-Connection: close", []),
    (b"Proxy-Authorization: x\r\nTrailer: x\r\nUpgrade: x", []), (b"Transfer-Encoding: CHUNKED", []),
    (b"NRT-Id: 1\r\nNRT_Id: 2\r\nNrt-Accept: v=9\r\nNRT-Client: x", []), (b"X-Obs: \xff\x85", ["x-obs"]),
    (b"Transfer_Encoding: chunked\r\nContent_Length: 3", ["transfer_encoding", "content_length"]),
])
def test_what_concerns_a_connection_or_is_ours_does_not_go_on(site, fields, kept):
    body = b"0\r\n\r\n" if b"CHUNKED" in fields else b""
    out = passes(site, head(fields, b"POST / HTTP/1.1") + body, LAX)
    assert [name.lower() for name, _ in out.fields] == ["host", *kept, "content-length", "nrt-accept"]
    assert "v=9" not in ours(out)[0][1] and out.get("Content-Length") == "0"


@pytest.mark.parametrize("host", [
    b"", b"a b", b"a/b", b"user@x", b"a:99999", b"a:0", b"a:b", b"a:80:80", b"[::1", b"[zz]", b"a\x01", b"%", b"..", b"a..b",
    b"\xff", b"a?b", b"a#b", b"a\\b", b"a\tb",
])
def test_a_host_that_is_not_valid_is_not_published(site, host):
    status, data, out = ask(site, head(b"X: y", host=b"Host: " + host + b"\r\n"))
    assert (status, out) == (400, []), data


@pytest.mark.parametrize("target", [
    b"/a b", b"/a\tb", b"/a\x01", b"/a\0b", b"/a\x7f", b"/\xff", b"/?\xff", b"/a#b", b"/#", b"/?a#b", b"*", b"a", b"/../x",
    b"/a/../../x", b"/%00", b"/%2e%2e/x", b"/%", b"/%zz", b"x:80", b"http://", b"http:///x", b"http://x#y", b"http://u:p@x/",
    b"http://x:99999/", b"http://a:b/", b"http://a,b/", b"ftp://x/", b"nats://x/", b"http://y/", b"http://x:80/", b"http://[::1/",
    b"/" + b"a" * 9000,
])
def test_a_target_that_is_not_valid_is_not_published(site, target):
    status, data, out = ask(site, head(b"X: y", b"GET " + target + b" HTTP/1.1"))
    assert status in (400, 414) and out == [], data


@pytest.mark.parametrize("target, seen", [
    (b"//other.nats/x", "//other.nats/x"), (b"http://x?a", "/?a"), (b"HTTP://X/y//z", "/y//z"), (b"https://x", "/"),
    (b"/a%2F..%2fb", "/a%2F..%2fb"), (b"/a\\b\"<>^`{|}", "/a\\b\"<>^`{|}"),
])
def test_a_target_goes_on_as_it_was_written(site, target, seen):
    out = passes(site, head(b"X: y", b"GET " + target + b" HTTP/1.1"))
    assert (out.target, out.get("Host")) == (seen, "weather.nats")


def test_a_target_of_another_host_than_host_cannot_choose_the_service(site):
    named = b"GET http://%s/named HTTP/1.1"
    assert ask(site, head(b"X: y", named % b"other.nats", b"Host: weather.nats\r\n"))[2] == []
    out = passes(site, head(b"X: y", named % b"other.nats", b"Host: Other.nats\r\n"))
    assert out.get("Host") == "other.nats"


@pytest.mark.parametrize("line", [
    b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/1", b"GET / HTTP/1.", b"GET / HTTP/1.1 ", b"GET / HTTP/1.1x",
    b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / http/1.1", b" GET / HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET / HTTP/01.1",
    b"GET / HTTP/1.01", b"GET / XTTP/1.1", b"GET / HTTP/1.1\r", b"GET /\tHTTP/1.1", b"get / HTTP/1.1", b"G.T / HTTP/1.1",
    b"G>T / HTTP/1.1", b"G*T / HTTP/1.1", b"G T / HTTP/1.1", b"G1 / HTTP/1.1", b"CONNECT / HTTP/1.1",
    b"CONNECT x:80 HTTP/1.1", b"TRACE / HTTP/1.1", b"A" * 100 + b" / HTTP/1.1", b"GET/ HTTP/1.1", b"/ HTTP/1.1",
])
def test_a_request_line_that_is_not_exact_is_not_published(site, line):
    status, data, out = ask(site, head(b"X: y", line))
    assert (status is None or 400 <= status <= 505) and out == [], data
    assert b"weather.nats" not in data


@pytest.mark.parametrize("raw", [
    b"GET /\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\rHost: x\r\r", b"GET / HTTP/1.1\r\nHost: x\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\n", b"\0GET / HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_a_head_without_its_lines_is_not_published(site, raw):
    _, data, out = ask(site, raw)
    assert out == [] and b"weather.nats" not in data


@pytest.mark.parametrize("first", [b"", b"3\r\nabc\r\n", b"3\r\nab"])
@pytest.mark.parametrize("target", ["/", "/flows"])
@pytest.mark.parametrize("chunk", [b"x\r\n", b"3\nabc\r\n", b"3;\x00\r\nabc\r\n"])
def test_a_chunk_that_is_not_exact_is_refused_alike_wherever_it_comes(site, target, first, chunk):
    """Behind the head, or long after it, while nginx gathers the body by itself: it has no page of its own for that."""
    if first == b"3\r\nab":
        chunk = b"cd" + chunk
    with Client(f"http://127.0.0.1:{site.port}") as client:
        client.send(f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert client.reader.head(Answer).status == 100
        client.send(first)
        client.send(chunk)
        answer = client.answer()
        assert client.at_end()
    assert_problem(answer, 400, "bad-request")
    if target == "/":
        assert published(site) == []
    else:  # its head had gone on
        assert site.get("/good").status == 200
        site.spy.new()


@pytest.mark.parametrize("method", ["G-T", "G_T", "OPTIONS", "PROPFIND", "QUERY", "M-SEARCH", "PRI"])
def test_another_method_goes_to_a_subject_of_its_own(site, method):
    """The good request behind it empties what the spy has; so it is looked at here."""
    site.spy.new()
    assert site.request(method, "/").text.startswith(f"weather.nats {method} /")
    subjects = [one for one in site.spy.subjects() if ".requests." in one]
    assert subjects == [f"nrt.requests.weather.nats.{method.lower()}"]


# ---- HTTP/2, by hand ---------------------------------------------------------------------------


def literal(name, value):
    """HPACK, RFC 7541 section 6.2.2: without an index, as it is."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


GOOD = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")]


def ask_h2(site, fields, body=b""):
    """Whether a request over HTTP/2 was answered by the service, and what was published."""
    block = b"".join(literal(*pair) for pair in fields)
    data = b""
    with Client(f"http://127.0.0.1:{H2}", timeout=5) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0), frame(1, 4 if body else 5, 1, block))
        if body:
            client.send(frame(0, 1, 1, body))
        while not (b"</html>" in data or b"weather.nats" in data or b"\"status\"" in data):
            more = client.sock.recv(65536)
            if not more or re.search(rb"\0\0\x04\x03\0\0\0\0\x01", data + more):  # RST_STREAM
                break
            data += more
    return b"weather.nats " in data, published(site)


def test_a_request_over_http_2_is_the_request(site):
    body = ask_h2(site, [*GOOD[1:], (b":method", b"POST"), (b"x-a", b"b"), (b"te", b"trailers")], b"body")
    assert body[0] and (body[1][0].body, body[1][0].get("x-a")) == (b"body", "b") and body[1][0].get("te") is None


@pytest.mark.parametrize("fields", [
    [*GOOD, (b"connection", b"x-a"), (b"x-a", b"b")], [*GOOD, (b"transfer-encoding", b"chunked")], [*GOOD, (b"upgrade", b"x")],
    [*GOOD, (b"keep-alive", b"1")], [*GOOD, (b"te", b"gzip")], [*GOOD, (b"proxy-connection", b"close")],
    [*GOOD, (b"x", b"a\r\nb: c")], [*GOOD, (b"x", b"a\nb")], [*GOOD, (b"x", b"a\0b")], [*GOOD, (b"x", b"a\x01b")],
    [*GOOD, (b"X", b"a")], [*GOOD, (b"x y", b"a")], [*GOOD, (b"x:y", b"a")], [*GOOD, (b"", b"a")],
    [*GOOD, (b"host", b"y")], [*GOOD, (b":path", b"/b")], [*GOOD, (b":other", b"/b")], [*GOOD, (b"content-length", b"5")],
    [*GOOD[:2], (b":path", b"/a b"), GOOD[3]], [*GOOD[:2], (b":path", b"/a\r\nb"), GOOD[3]], [*GOOD[:2], (b":path", b"a"), GOOD[3]],
    [*GOOD[:2], (b":path", b"/a#b"), GOOD[3]], [*GOOD[:2], (b":path", b"http://y/"), GOOD[3]], [*GOOD[:2], (b":path", b"*"), GOOD[3]],
    [(b":method", b"GET / HTTP/1.1"), *GOOD[1:]], [(b":method", b"get"), *GOOD[1:]], [*GOOD[:3], (b":authority", b"a b")],
    [*GOOD[:3], (b":authority", b"u@x")], [GOOD[0], (b":scheme", b"h p"), *GOOD[2:]], GOOD[1:],
])
def test_a_request_over_http_2_that_is_not_valid_is_not_published(site, fields):
    answered, out = ask_h2(site, fields)
    assert not answered and out == []
