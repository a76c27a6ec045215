"""What becomes part of a NATS subject, and what never does: hosts, methods, targets of hostile
clients. A raw subscriber on `>` sees every message that anybody publishes."""

import re
import socket

import pytest

from harness.client import Client, request_bytes
from harness.message import assert_problem, parse_answer
from harness.origin import plain
from harness.spy import Connections, Spy

LITERAL = re.compile(r"nrt\.requests\.([a-z0-9_-]{1,63}\.)+nats\.[a-z0-9!#$%&'+^_`|~-]{1,32}")
INBOX = re.compile(r"_INBOX\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{20}")


@pytest.fixture
def nats(world):
    return world.nats(monitor=True)


@pytest.fixture
def spy(world, nats):
    """Answers what is asked of services that are not there."""
    return Spy(world, nats, answer=True)


def raw(url, *parts):
    """Sends it on a connection of its own; the answer, None where the gateway just closes."""
    with Client(url) as client:
        client.send(*parts)
        try:
            return client.answer()
        except ConnectionError:
            return None


def settled(gateway, spy):
    """All messages of the gateway so far: a good exchange makes sure that none is on its way."""
    with Client(gateway.url) as client:
        client.get("/", host="marker.nats")
    seen = spy.new()
    return [message for message in seen if message.subject != "nrt.requests.marker.nats.get"]


def test_the_spy_sees_system_subjects_too(world, nats, spy):
    """A control: what the tests below do not see was not published."""
    peer = world.peer(nats)
    for subject in ("$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.x", "a"):
        peer.publish(subject, b"x")
    peer.flush()
    assert "$JS.API.INFO" in (seen := spy.subjects()) and "_INBOX.x" in seen


HOSTS = [
    b"*.nats", b">.nats", b"a.*.nats", b"a.>.nats", b">", b"*", b".nats", b"nats", b"a..nats",
    b"..nats", b"a.nats.", b"a.nats..", b"a.nats.>", b"a.nats.*", b"$SYS.nats", b"$JS.API.nats",
    b"$JS.API.STREAM.DELETE.x.nats", b"a%2enats", b"a%2e.nats", b"%2a.nats", b"%3e.nats",
    b"a%20b.nats", b"a%00.nats", b"a%0d%0aPUB%20x%200.nats", b"a b.nats", b"a\tb.nats",
    b"a\0.nats", b"a\x01.nats", b"a\x7f.nats", b"a\x0b.nats", b"a\x85.nats", b"\xc3\xa9.nats",
    b"a,b.nats", b"a;b.nats", b"a.nats,b.nats", b"a.nats b.nats", b"a.nats@b.nats", b"u@a.nats",
    b"u:p@a.nats", b"a.nats/x", b"a.nats?x", b"a.nats#x", b"[::1].nats", b"a.nats:x",
    b"a.nats:-1", b"a.nats:65536", b"a.nats:80:80", b"(a).nats", b"a'.nats", b"a!b.nats",
    b"x" * 64 + b".nats", b".".join([b"x" * 60] * 5) + b".nats", b"x." * 3000 + b"nats",
    b'"a".nats', b"a\\.nats", b"{a}.nats", b"~.nats", b"a=b.nats",
]


@pytest.mark.parametrize("where", ["Host", "absolute-form", "both"])
def test_no_strange_host_becomes_a_subject(world, nats, spy, where):
    gateway = world.gateway(nats, "--proxy")
    connections = Connections(nats)
    for host in HOSTS:
        if where != "Host" and set(host) & set(b"/?"):
            continue  # there it ends the authority, and a.nats is a good name
        target = b"/" if where == "Host" else b"http://" + host + b"/"
        field = b"good.example" if where == "absolute-form" else host
        answer = raw(gateway.url, b"GET ", target, b" HTTP/1.1\r\nHost: ", field, b"\r\n\r\n")
        assert answer is None or 400 <= answer.status < 500, (host, answer)
    assert settled(gateway, spy) == []
    connections.unharmed()


@pytest.mark.parametrize("host, token", [
    ("_INBOX.abc.nats", "_inbox.abc"), ("_R_.x.nats", "_r_.x"), ("WEATHER.NATS", "weather"),
    ("Weather.Nats:443", "weather"), ("requests.x.nats", "requests.x"), ("nats.nats", "nats"),
    ("x" * 63 + ".nats", "x" * 63), (".".join(["y" * 61] * 4) + ".nats", ".".join(["y" * 61] * 4)),
])
def test_what_looks_dangerous_and_is_a_name_stays_behind_the_prefix(world, nats, spy, host, token):
    gateway = world.gateway(nats, "--proxy")
    assert raw(gateway.url, request_bytes("GET", "/", host)).status == 200
    assert [message.subject for message in settled(gateway, spy)] == [
        f"nrt.requests.{token}.nats.get"]


METHODS = {
    b"GET": "get", b"PROPFIND": "propfind", b"M-SEARCH": "m-search", b"$SYS": "$sys",
    b"_INBOX": "_inbox", b"$JS": "$js", b"!#$%&'+-^_`|~": "!#$%&'+-^_`|~", b"x" * 32: "x" * 32,
    b"*": None, b"GE*T": None, b"**": None, b"a.b": None, b".": None, b"GET.": None, b".GET": None,
    b">": None, b"GET>": None, b"GET.>": None, b"GeT": None, b"x" * 33: None, b"X" * 5000: None,
    b"GET\0": None, b"GE\tT": None, b"G\xc3\xa9T": None, b"G\x7fT": None, b"G,T": None,
    b"G/T": None, b"\"GET\"": None, b"%2a": "%2a", b"%2e": "%2e",
}


def test_a_method_is_one_literal_token_or_is_refused(world, nats, spy):
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    connections = Connections(nats)
    for method, token in METHODS.items():
        with Client(gateway.url) as client:
            client.send(method, b" / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = client.answer()
        seen = spy.subjects()
        if token is None:
            assert answer.status in (400, 414, 431, 501) and seen == [], (method, answer, seen)
        else:
            assert answer.status == 200 and seen == [f"nrt.requests.weather.nats.{token}"]
    connections.unharmed()


def test_what_is_published_names_host_and_method_and_an_inbox_and_nothing_else(world, nats, spy):
    """Targets, fields and bodies full of control lines of NATS stay inside of the payload."""
    gateway = world.gateway(nats, "--proxy")
    evil = "PUB $JS.API.STREAM.DELETE.x 0"
    with Client(gateway.url) as client:
        client.get("/%0d%0aPUB%20x%200%0d%0a", host="a.nats", fields=[("X-Evil", evil)])
        client.post("/", f"\r\n{evil}\r\n\r\nSUB > 1\r\n".encode() * 50, host="a.nats")
    seen = settled(gateway, spy)
    assert [message.subject for message in seen] == [
        "nrt.requests.a.nats.get", "nrt.requests.a.nats.post"]
    for message in seen:
        assert LITERAL.fullmatch(message.subject) and INBOX.fullmatch(message.reply)
        assert message.headers is None


def test_the_longest_names_stay_far_below_the_limit_of_a_control_line(world, nats, spy):
    """nats-server ends a connection whose control line is longer than 4,096 bytes."""
    host = ".".join(["x" * 61] * 4) + ".nats"
    prefix = "p" * 60
    gateway = world.gateway(nats, "--proxy", "--prefix", prefix)
    connections = Connections(nats)
    with Client(gateway.url) as client:
        answer = client.request("M" * 32, "/" + "t" * 8000, host=host)
    assert answer.status == 200
    message = spy.new()[0]
    assert message.subject == f"{prefix}.requests.{host}.{'m' * 32}"
    assert len(message.subject) + len(message.reply) < 1000
    connections.unharmed()


# ---- authority against subject -----------------------------------------------------------------


@pytest.fixture
def sidecar(world, nats):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin)
    return origin


def test_the_authority_of_an_absolute_target_decides_and_host_is_made_from_it(
        world, nats, sidecar):
    spy = Spy(world, nats)
    gateway = world.gateway(nats, "--proxy")
    answer = raw(gateway.url, b"GET http://weather.nats/x?y HTTP/1.1\r\nHost: other.nats\r\n\r\n")
    assert answer.status == 200
    seen = sidecar.requests[0]
    assert (seen.target, seen.all("Host")) == ("/x?y", ["weather.nats"])
    assert all("other" not in message.subject for message in spy.new())


def test_a_host_that_was_not_believed_is_not_told_as_the_forwarded_one(world, nats, sidecar):
    """RFC 9112 section 3.2.2: the received Host is to be ignored where the target is absolute."""
    gateway = world.gateway(nats, "--proxy")
    answer = raw(gateway.url, b"GET http://weather.nats/ HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert answer.status == 200
    assert sidecar.requests[0].get("X-Forwarded-Host") == "weather.nats"


@pytest.mark.parametrize("target, host", [
    (b"http://other.nats/", b"weather.nats"), (b"http://weather.nats@other.nats/", b"weather.nats"),
    (b"http://other.nats#weather.nats/", b"weather.nats"), (b"https://other.nats", b"weather.nats"),
    (b"//other.nats/", b"other.nats"), (b"HTTP://OTHER.NATS/", b"weather.nats"),
    (b"http:/weather.nats/", b"weather.nats"), (b"http:weather.nats", b"weather.nats"),
    (b"nats://weather.nats/", b"weather.nats"), (b"http:///weather.nats", b"weather.nats"),
    (b"http://weather.nats:0x50/", b"weather.nats"), (b"weather.nats:80", b"weather.nats"),
    (b"weather.nats", b"weather.nats"), (b"?x", b"weather.nats"), (b"*", b"weather.nats"),
    (b"/x", b"other.nats"), (b"/x", b"weather.nats.evil.nats"), (b"/x", b"xweather.nats"),
])
def test_a_payload_for_another_host_reaches_no_origin(sidecar, world, nats, target, host):
    peer = world.peer(nats)
    payload = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    answer = parse_answer(peer.request("nrt.requests.weather.nats.get", payload).payload)
    assert answer.status in (400, 421) or target == b"//other.nats/", answer
    assert answer.status >= 400 and sidecar.requests == []


@pytest.mark.parametrize("last", ["GET", "Get", ">", "*", "$", "get%00", "gett", "ge", "post"])
def test_the_subjects_last_token_must_be_the_method_in_lower_case(sidecar, world, nats, last):
    peer = world.peer(nats)
    payload = request_bytes("GET", "/", "weather.nats")
    answer = parse_answer(peer.request(f"nrt.requests.weather.nats.{last}", payload).payload)
    assert_problem(answer, 403, "method-mismatch")
    assert sidecar.requests == []


# ---- SSRF --------------------------------------------------------------------------------------


@pytest.fixture
def trap(world):
    """A listener that nobody has any business to connect to."""
    listener = world.closing(socket.create_server(("127.0.0.1", 0)))
    listener.setblocking(False)
    return listener


def assert_untouched(trap):
    with pytest.raises(BlockingIOError):
        trap.accept()


def test_the_gateway_dials_nobody_but_nats(world, nats, spy, trap):
    gateway = world.gateway(nats, "--proxy", "--route", "/only=weather.nats")
    port = trap.getsockname()[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"[::ffff:7f00:1]:{port}",
                 f"0x7f000001:{port}", f"127.0.0.1.nats.example:{port}", "169.254.169.254",
                 f"weather.nats.localhost:{port}"):
        for target, field in ((f"http://{host}/", host), (f"http://{host}/", "weather.nats"),
                              ("/", host)):
            answer = raw(gateway.url, request_bytes("GET", target, field))
            assert answer.status in (400, 404), (target, field, answer)
        answer = raw(gateway.url, request_bytes("CONNECT", host, host))
        assert answer.status in (400, 501), answer
    assert settled(gateway, spy) == []
    assert_untouched(trap)


def test_the_sidecar_dials_its_target_only(world, nats, trap):
    port = trap.getsockname()[1]
    where = f"http://127.0.0.1:{port}/"
    origin = world.origin(plain("moved", "302 Found", [("Location", where), ("Refresh", f"0; {where}"),
                                                       ("Alt-Svc", f'h2="127.0.0.1:{port}"')]))
    world.serve(nats, "weather.nats", origin)
    peer = world.peer(nats)
    for target in ("/", where, f"/?url={where}", f"//127.0.0.1:{port}/", f"/..//127.0.0.1:{port}/",
                   f"@127.0.0.1:{port}/", f"http://weather.nats@127.0.0.1:{port}/"):
        fields = [("X-Forwarded-Host", f"127.0.0.1:{port}"), ("Forwarded", f"host=127.0.0.1:{port}"),
                  ("X-Original-URL", where), ("X-Rewrite-URL", where), ("Proxy", where)]
        payload = request_bytes("GET", target, "weather.nats", fields)
        answer = parse_answer(peer.request("nrt.requests.weather.nats.get", payload).payload)
        assert answer.status in (302, 400, 421)
    assert_untouched(trap)


def test_options_asterisk_is_about_the_server_and_has_no_path_put_before_it(world, nats, peer):
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin.url + "/base")
    payload = request_bytes("OPTIONS", "*", "weather.nats")
    answer = parse_answer(peer.request("nrt.requests.weather.nats.options", payload).payload)
    assert answer.status in (200, 400)
    assert [request.target for request in origin.requests] in ([], ["*"], ["/base"], ["/base/"])


@pytest.mark.parametrize("target", ["/../secret", "/x/../../secret", "/%2e%2e/secret", "/..",
                                    "/.%2E/secret", "/x/%2e%2e/../secret", "/..%2fsecret",
                                    "/%2e%2e%2Fsecret", "/..%5csecret", "/..\\secret",
                                    "/..;/secret", "/..;x=y/secret", "/%2e%2e;/secret", "/..?x"])
def test_a_target_does_not_climb_out_of_the_sidecars_base_path(world, nats, peer, target):
    """`nrt serve h.nats http://…/base` gives away what is below /base."""
    origin = world.origin(plain("fine"))
    world.serve(nats, "weather.nats", origin.url + "/base")
    payload = request_bytes("GET", target, "weather.nats")
    answer = parse_answer(peer.request("nrt.requests.weather.nats.get", payload).payload)
    assert answer.status in (400, 403, 404) or not re.search(
        r"(^|/)(\.|%2e){2}([/\\;?]|%2f|%5c|$)", origin.requests[0].target, re.I), origin.requests
