"""`nrt gateway` and nginx with nrt_pass: HTTP in, NATS out. Connections, bodies, limits, and what the
service is told of the client; and what is of `nrt gateway` alone: its routes and where it listens."""

import re

import pytest

from harness.client import Client, curl, is_listening, request_bytes
from harness.clock import SLOW, Stopwatch, until
from harness.message import Answer, assert_problem
from harness.origin import Gate, plain
from harness.world import NRT


@pytest.fixture
def origin(world, nats):
    """Behind weather.nats; answers with the target and the body, unless `origin.answer` is set."""
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain(request.target.encode() + b" " + request.body)
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(front, nats, origin):
    return front(nats, "--route", "/=weather.nats")


@pytest.fixture
def client(world, gateway):
    return world.client(gateway)


# ---- connections -------------------------------------------------------------------------------


def test_a_connection_is_kept_for_many_requests(client):
    for number in range(100):
        answer = client.request("POST", f"/{number}", body=b"b%d" % number)
        assert answer.body == b"/%d b%d" % (number, number)
        assert answer.minor == 1 and (answer.get("Connection") or "").lower() != "close"


def test_connection_close_is_respected(client):
    answer = client.get("/", fields=[("Connection", "close")])
    assert answer.status == 200 and answer.get("Connection") == "close"
    assert client.at_end()


def test_pipelined_requests_are_answered_in_order(client, origin):
    """The first is slower than the others."""
    gate = Gate()
    origin.answer = lambda request: (request.target == "/0" and gate.wait()) or plain(request.target)
    client.send(b"".join(request_bytes("GET", f"/{number}") for number in range(10)))
    gate.wait_entered()
    gate.open()
    assert [client.answer().body for _ in range(10)] == [b"/%d" % number for number in range(10)]


def test_pipelined_requests_with_bodies_of_every_framing(client):
    client.send(
        request_bytes("POST", "/a", body=b"one"),
        "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\ntw\r\n1\r\no\r\n0\r\nX-Trailer: t\r\n\r\n",
        request_bytes("HEAD", "/c"), request_bytes("PUT", "/d", body=b""), request_bytes("GET", "/e"))
    assert client.answer().body == b"/a one"
    assert client.answer().body == b"/b two"
    assert client.answer("HEAD").body == b""
    assert client.answer().body == b"/d "
    assert client.answer().body == b"/e "


def test_a_request_may_come_byte_by_byte(client):
    for byte in request_bytes("POST", "/slowly", body=b"abc"):
        client.send(bytes([byte]))
    assert client.answer().body == b"/slowly abc"


@pytest.mark.parametrize("fields, kept", [([], False), ([("Connection", "keep-alive")], None)])
def test_an_http_1_0_client_is_answered_so_that_it_understands(client, origin, fields, kept):
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    client.send(f"GET /old HTTP/1.0\r\n{lines}\r\n")
    answer = client.answer()
    assert (answer.body, answer.get("Transfer-Encoding")) == (b"abc", None)
    if kept is False:
        assert client.at_end()
    elif (answer.get("Connection") or "").lower() == "keep-alive":
        assert answer.get("Content-Length") == "3"
        client.send(f"GET /old HTTP/1.0\r\n{lines}\r\n")
        assert client.answer().body == b"abc"
    else:
        assert client.at_end()


def test_the_real_curl_reuses_its_connection(gateway):
    got = curl("-v", gateway.url + "/1", gateway.url + "/2")
    assert got.text == "/1 /2 "
    assert re.search("(Re-using|Reusing) existing .*connection", got.errors)


def test_curl_with_http_1_0_and_with_head(gateway):
    assert curl("--http1.0", gateway.url + "/x").text == "/x "
    got = curl("-I", gateway.url + "/x")
    assert got.text.startswith("HTTP/1.1 200 OK\r\n") and "NRT-ID: " in got.text


def test_a_unix_socket_to_listen_on(world, nats, origin):
    path = world.path("gateway.sock")
    gateway = world.gateway(nats, "--route", "/=weather.nats", listen=f"unix:{path}")
    assert gateway.url == f"unix:{path}"
    assert curl("--unix-socket", path, "http://localhost/u").text == "/u "
    assert gateway.stop() == 0
    again = world.gateway(nats, "--route", "/=weather.nats", listen=f"unix:{path}")
    assert curl("--unix-socket", path, "http://localhost/u").text == "/u "
    again.kill()
    again.expected = None
    world.gateway(nats, "--route", "/=weather.nats", listen=f"unix:{path}")
    assert curl("--unix-socket", path, "http://localhost/u").text == "/u "


def test_a_port_alone_is_loopback_and_a_colon_is_every_address(world, nats, origin):
    near = world.gateway(nats, "--route", "/=weather.nats", listen="0")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", near.url)
    far = world.gateway(nats, "--route", "/=weather.nats", listen=":0")
    port = far.url.rsplit(":", 1)[1]
    assert is_listening(f"http://127.0.0.2:{port}")
    assert not is_listening("http://127.0.0.2:" + near.url.rsplit(":", 1)[1])


def test_a_port_that_is_taken_is_an_error_that_names_it(world, nats):
    gateway = world.gateway(nats, "--proxy")
    port = gateway.url.rsplit(":", 1)[1]
    done = world.run([NRT, "gateway", "--server", nats.url, "--listen", port, "--proxy"], expect=1)
    assert port in done.stderr and "listening on" not in done.stderr


def test_clients_that_vanish_leave_nothing_behind(world, gateway, origin):
    """Clients that close at every stage of a request; the descriptors are all given back."""
    warm = world.client(gateway)
    warm.get("/")
    before = gateway.descriptors()
    whole = request_bytes("POST", "/x", body=b"12345")
    for cut in range(0, len(whole) + 1, 4):
        with world.client(gateway) as client:
            client.send(whole[:cut])
    until(lambda: gateway.descriptors() <= before, "every connection is closed")
    assert warm.get("/").status == 200


def test_a_client_that_leaves_while_it_waits_ends_its_exchange(client, origin, world, gateway):
    """The end of its stream counts as leaving, as it does for nginx; the gateway goes on."""
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain("late")
    client.send(request_bytes("GET", "/slow"))
    until(lambda: origin.requests, "the request is under way")
    client.half_close()
    assert client.at_end()
    gate.open()
    origin.answer = lambda request: plain("next")
    with Client(gateway.url) as another:
        assert another.get("/next").body == b"next"


# ---- bodies ------------------------------------------------------------------------------------


def test_a_binary_body_goes_both_ways_unchanged(client, origin):
    every_byte = bytes(range(256)) * 2000
    origin.answer = lambda request: plain(request.body)
    assert client.post("/", every_byte).body == every_byte


def test_expect_100_continue_is_answered_before_the_body(client, origin):
    client.send("POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert client.interim().status == 100
    client.send("body")
    assert client.answer().body == b"/e body"
    assert origin.requests[0].get("Expect") is None
    assert client.get("/next").body == b"/next "


def test_expect_with_a_body_that_comes_at_once_is_in_step(client):
    client.send("POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
    client.send(request_bytes("GET", "/next"))
    head = client.reader.head(Answer)
    if head.status == 100:
        head = client.reader.head(Answer)
    client.reader.body(head, framed_by_close=False)
    assert head.body == b"/e body"
    assert client.answer().body == b"/next "


def test_an_unknown_expectation_is_417(client, origin):
    client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n")
    answer = client.answer()
    assert answer.status == 417 and answer.error
    assert origin.requests == []


def test_curl_uploads_a_big_file_with_expect(world, gateway, origin):
    origin.answer = lambda request: plain(str(len(request.body)))
    path = world.file("big", b"x" * 1_000_000)
    assert curl("-T", path, "-H", "Expect: 100-continue", gateway.url).text == "1000000"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_204_and_304_have_no_body(client, origin, status):
    origin.answer = lambda request: f"HTTP/1.1 {status}\r\n\r\n".encode()
    for _ in range(2):
        answer = client.get("/")
        assert answer.status == int(status[:3])
        assert answer.get("Transfer-Encoding") is None
        assert answer.get("Content-Length") in (None, "0") and (
            answer.status == 304 or answer.get("Content-Length") is None)


def test_head_has_no_body_whatever_the_service_sends(client, origin):
    origin.answer = lambda request: plain("12345")
    for _ in range(3):
        assert client.request("HEAD", "/").get("Content-Length") == "5"
    assert client.get("/").body == b"12345"


@pytest.fixture
def limited(front, nats, origin):
    return front(nats, "--route", "/=weather.nats", "--max-body", "16M")


def test_a_body_over_the_limit_is_413_at_once_and_does_not_wait_for_it(world, front, limited, origin):
    """With a length it is refused before the body is read, and without 100 Continue."""
    client = world.client(limited)
    client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                "Content-Length: 16777217\r\n\r\n")
    front.assert_refused(client.answer(), 413, "too-large")
    assert origin.requests == []


def test_a_chunked_body_over_the_limit_is_413(world, front, limited, origin):
    client = world.client(limited)
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(270):
            client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except ConnectionError:
        pass
    front.assert_refused(client.answer(), 413, "too-large")
    assert origin.requests == []


def test_bodies_go_whatever_one_message_takes_up_to_a_limit(world, front, limited, origin):
    gateway = limited
    message, limit = 1 << 20, 16 << 20
    origin.answer = lambda request: plain(str(len(request.body)))
    for size in (message - 2048, message - 10, message + 1, limit):
        assert world.client(gateway).post("/", b"x" * size).body == b"%d" % size
    front.assert_refused(world.client(gateway).post("/", b"x" * (limit + 1)), 413, "too-large")
    assert world.client(gateway).post("/", b"small").body == b"5"
    assert len(origin.requests) == 5


def test_a_response_over_max_payload_comes_too(client, origin):
    origin.answer = lambda request: plain(b"x" * int(request.target[1:]))
    for size in (1000000, 1048577, 3000000, (16 << 20) + 1, 1000000):
        assert client.get(f"/{size}").body == b"x" * size


# ---- requests that are refused -----------------------------------------------------------------


BAD_REQUESTS = {
    "not HTTP": b"hello there\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200 + b"\r\n\r\n",
    "HTTP/0.0": b"GET / HTTP/0.0\r\nHost: x\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "a bad Host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
    "folding": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
    "a bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk's end missing":
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_400_and_what_follows_is_not_believed(front, client, origin, name):
    """After a framing error, nothing on the connection can be trusted to begin a request."""
    client.send(BAD_REQUESTS[name], request_bytes("GET", "/smuggled"))
    answer = client.answer()
    front.assert_refused(answer, 400, "bad-request", "bad-host")
    assert answer.get("Connection") == "close"
    assert client.at_end()
    assert origin.requests == []


def test_an_unknown_transfer_coding_is_refused(client, origin):
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n")
    assert client.answer().status in (400, 501)  # 501 in RFC 9112 section 6.1
    assert client.at_end()
    assert origin.requests == []


@pytest.mark.parametrize("version, statuses", [("HTTP/2.0", (400, 501, 505)), ("HTTP/3", (400, 505))])
def test_another_version_is_refused(client, version, statuses):
    client.send(f"GET / {version}\r\nHost: x\r\n\r\n")
    assert client.answer().status in statuses
    assert client.at_end()


def test_heads_over_the_limits_are_431_and_414(world, front, gateway, origin):
    fields = [(f"X-{number}", "v" * 1000) for number in range(70)]
    assert_problem(world.client(gateway).get("/", fields=fields), 431, "head-too-large")
    many = [(f"X-{number}", "v") for number in range(101)]
    assert_problem(world.client(gateway).get("/", fields=many), 431, "head-too-large")
    front.assert_refused(world.client(gateway).get("/" + "a" * 8192), 414, "target-too-long")
    assert origin.requests == []


@pytest.mark.parametrize("method", ["GeT", "get", "a*b"])
def test_an_unusual_method_makes_no_strange_subject(world, nats, client, method):
    everything = world.peer(nats).subscribe("nrt.requests.>")
    client.request(method, "/")
    everything.peer.flush()
    while not everything.none_waiting():
        assert everything.next().subject == f"nrt.requests.weather.nats.{method.lower()}"
        assert method != "GeT" and "*" not in method


# nginx knows no authority-form, and no `*`: 400.


def test_connect_is_501(front, client):
    client.send("CONNECT weather.nats:443 HTTP/1.1\r\nHost: weather.nats:443\r\n\r\n")
    front.assert_refused(client.answer(), 400 if front.is_nginx else 501, "unsupported")


def test_http_2_with_prior_knowledge_is_501(front, client):
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    front.assert_refused(client.answer(), 400 if front.is_nginx else 501, "unsupported")
    assert client.at_end()


def test_an_upgrade_to_h2c_is_501(gateway, client):
    answer = client.get("/", fields=[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                     ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")])
    assert_problem(answer, 501, "unsupported")
    got = curl("--http2", "-w", "%{http_code}", "-o", "/dev/null", gateway.url)
    assert got.text == "501"


def test_grpc_is_501(client, origin):
    answer = client.request("POST", "/pkg.Service/Method", body=b"\0\0\0\0\0",
                            fields=[("Content-Type", "application/grpc+proto"), ("TE", "trailers")])
    assert_problem(answer, 501, "unsupported")
    assert origin.requests == []


# ---- routes ------------------------------------------------------------------------------------


@pytest.fixture
def hosts(world, nats):
    """Services that answer with their own name and the target they saw."""
    def answer(request):
        return plain(f"{request.get('Host')} {request.target}")

    origin = world.origin(answer)
    names = ["root.nats", "city.nats", "deep.nats", "site.nats", "page.nats"]
    world.serve(nats, *[part for name in names for part in (name, origin)])
    return origin


ROUTES = ["--route", "/city=city.nats", "--route", "/city/deep=deep.nats", "--route",
          "www.example.net/=site.nats", "--route", "www.example.net/page=page.nats"]


@pytest.mark.parametrize("host, target, service", [
    ("x", "/city", "city.nats"), ("x", "/city/", "city.nats"), ("x", "/city/london", "city.nats"),
    ("x", "/city?q=london", "city.nats"), ("x", "/cityx", None), ("x", "/citydeep", None),
    ("x", "/cit", None), ("x", "/", None), ("x", "/x/city", None), ("x", "//city", None),
    ("x", "/city/deep", "deep.nats"), ("x", "/city/deep/er?z", "deep.nats"),
    ("x", "/city/deeper", "city.nats"), ("x", "/City", None),
    ("www.example.net", "/", "site.nats"), ("WWW.Example.NET", "/any", "site.nats"),
    ("www.example.net:8080", "/any", "site.nats"), ("www.example.net", "/page/1", "page.nats"),
    ("www.example.net", "/city", "site.nats"), ("example.net", "/any", None),
    ("a.www.example.net", "/any", None),
])
def test_the_longest_matching_route_wins_and_the_target_goes_on(
        world, nats, hosts, host, target, service):
    client = world.client(world.gateway(nats, *ROUTES))
    answer = client.get(target, host=host)
    if service:
        assert answer.text == f"{service} {target}"
    else:
        assert_problem(answer, 404, "no-route")
        assert client.get("/city").text == "city.nats /city"


def test_the_root_route_takes_what_no_other_does(world, nats, hosts):
    client = world.client(world.gateway(nats, *ROUTES, "--route", "/=root.nats"))
    assert client.get("/cityx").text == "root.nats /cityx"
    assert client.get("/").text == "root.nats /"
    assert client.get("/city").text == "city.nats /city"
    assert client.request("OPTIONS", "*").text == "root.nats *"


def test_an_encoded_path_goes_on_unchanged(world, nats, hosts):
    client = world.client(world.gateway(nats, *ROUTES))
    for target in ("/city/a%2Fb", "/city/%7Euser?x=%26", "/city/../x", "/city/a//b"):
        assert client.get(target).text == f"city.nats {target}"


@pytest.mark.parametrize("target", [
    "/city/a%2Fb", "/city/%7Euser?x=%26", "/city/../x", "/city/./x", "/city/a//b", "/%", "/%zz", "/%00", "/a?b?c=d#",
    "/a#b", "/\xe4", "/a?\xff", "/a%0d%0aX-Injected:%20y", "//a", "/a;b=c", "/a+b?c+d", "/?", "/\"<>^`{|}", "/a\\b",
])
def test_a_target_goes_on_as_it_is_or_not_at_all(client, origin, target):
    answer = client.get(target)
    assert [request.target for request in origin.requests] == ([target] if answer.status == 200 else [])
    assert answer.status in (200, 400)


def test_without_proxy_a_nats_host_is_no_route(world, nats, hosts):
    client = world.client(world.gateway(nats, *ROUTES))
    assert_problem(client.get("/", host="root.nats"), 404, "no-route")


@pytest.mark.parametrize("args", [
    ["--route", "city=weather.nats"], ["--route", "/city"], ["--route", "/city=example.com"],
    ["--route", "/a=a.nats", "--route", "/a=b.nats"], ["--route", "/a=a*.nats"], [],
    ["--route", "=a.nats"], ["--proxy", "--trust-forwarded", "everyone"],
    ["--proxy", "--trust-forwarded", "10.0.0.0/33"], ["--proxy", "extra"], ["--proxy", "--rout", "/=a.nats"],
], ids=" ".join)
def test_a_wrong_use_is_exit_2(world, nats, args):
    argv = [NRT, "gateway", "--server", nats.url, "--listen", "0", *args]
    done = world.run(argv, expect=2)
    assert done.stderr and "listening on" not in done.stderr


@pytest.mark.parametrize("listen", ["", "x", "70000", "127.0.0.1", "unix:", "127.0.0.1:x", "-1"])
def test_a_wrong_address_to_listen_on_is_exit_2(world, nats, listen):
    world.run([NRT, "gateway", "--server", nats.url, "--proxy", "--listen", listen], expect=2)


# ---- what the service is told of the client ----------------------------------------------------


FORWARDED = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
             ("X-Forwarded-Host", "forged.example"), ("Via", "1.0 forged")]


def test_forwarded_fields_are_set(client, origin):
    client.get("/", host="www.example.net:8080")
    seen = origin.requests[0]
    assert seen.get("Host") == "weather.nats"
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "www.example.net:8080"
    assert seen.get("Via") == "1.1 nrt"


def test_forwarded_fields_from_outside_are_replaced(client, origin):
    client.get("/", host="real.example", fields=FORWARDED + FORWARDED)
    seen = origin.requests[0]
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "real.example"
    assert seen.get("Via") == "1.1 nrt"


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "127.0.0.1/32", "127.0.0.1"])
def test_forwarded_fields_of_a_trusted_client_are_kept_and_added_to(world, nats, origin, cidr):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--trust-forwarded", cidr)
    world.client(gateway).get("/", host="real.example", fields=FORWARDED)
    seen = origin.requests[0]
    assert ", ".join(seen.all("X-Forwarded-For")) == "6.6.6.6, 127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "https"
    assert seen.get("X-Forwarded-Host") == "forged.example"
    assert ", ".join(seen.all("Via")) == "1.0 forged, 1.1 nrt"


def test_a_client_outside_the_trusted_range_is_not_believed(world, nats, origin):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--trust-forwarded", "10.0.0.0/8",
                            "--trust-forwarded", "192.168.0.0/16")
    world.client(gateway).get("/", host="real.example", fields=FORWARDED)
    assert origin.requests[0].get("X-Forwarded-For") == "127.0.0.1"
    assert origin.requests[0].get("X-Forwarded-Host") == "real.example"


def test_nrt_and_hop_by_hop_fields_of_a_client_are_not_handed_on(client, origin):
    client.get("/", fields=[("NRT-ID", "x"), ("nrt-accept", "v=1"), ("Connection", "X-Hop"),
                            ("X-Hop", "x"), ("Keep-Alive", "5"), ("X-End", "stays")])
    seen = origin.requests[0]
    assert {"nrt-id", "nrt-accept", "x-hop", "keep-alive"}.isdisjoint(seen.names())
    assert seen.get("X-End") == "stays"


def test_the_answer_carries_what_the_service_said_of_itself(client):
    answer = client.get("/")
    assert answer.get("NRT-Connected-Server") == "alpha"
    assert answer.get("NRT-ID") and int(answer.get("NRT-Client")) > 0


# ---- slow and stuck clients --------------------------------------------------------------------


def test_one_slow_reader_does_not_hold_up_the_others(world, gateway, origin):
    origin.answer = lambda request: plain(b"x" * 1_000_000)
    stuck = world.client(gateway)
    stuck.send(b"".join(request_bytes("GET", "/") for _ in range(30)))
    origin.wait_requests(1)
    other = world.client(gateway)
    for _ in range(5):
        with Stopwatch() as watch:
            assert len(other.get("/").body) == 1_000_000
        assert watch.seconds < 1.0 * SLOW
    assert gateway.status("VmRSS") < 100_000 * SLOW
    assert all(len(stuck.answer().body) == 1_000_000 for _ in range(30))


def test_a_service_that_is_slow_does_not_hold_up_others_on_the_same_connection(
        world, nats, gateway, origin):
    gate = Gate()
    origin.answer = lambda request: (request.target == "/slow" and gate.wait()) or plain("x")
    slow, quick = world.client(gateway), world.client(gateway)
    slow.send(request_bytes("GET", "/slow"))
    gate.wait_entered()
    for _ in range(20):
        assert quick.get("/quick").body == b"x"
    gate.open()
    assert slow.answer().body == b"x"
