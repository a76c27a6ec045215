"""`nrt gateway --proxy`: a forward proxy, so that `http_proxy=… curl http://weather.nats/` works."""

import pytest

from harness import gowire
from harness.client import curl
from harness.message import assert_problem
from harness.origin import plain


@pytest.fixture
def origin(world, nats):
    origin = world.origin(lambda request: plain(f"{request.get('Host')} {request.target}"))
    world.serve(nats, "weather.nats", origin, "api.v2.nats", origin)
    return origin


@pytest.fixture
def gateway(world, nats, origin):
    return world.gateway(nats, "--proxy")


@pytest.fixture
def client(world, gateway):
    return world.client(gateway)


def test_curl_with_http_proxy_reaches_a_service_by_its_name(gateway):
    got = curl("http://weather.nats/city?x=1", env={"http_proxy": gateway.url})
    assert got.text == "weather.nats /city?x=1"


def test_curl_with_all_proxy_reaches_several_hosts_over_one_connection(gateway):
    got = curl("-v", "http://weather.nats/a", "http://api.v2.nats/b", env={"ALL_PROXY": gateway.url})
    assert got.text == "weather.nats /aapi.v2.nats /b"
    assert "Re-using existing" in got.errors


@pytest.mark.parametrize("target, host, seen", [
    ("http://weather.nats/city", "weather.nats", "weather.nats /city"),
    ("http://weather.nats:80/city", "weather.nats:80", "weather.nats /city"),
    ("http://Weather.NATS/City", "weather.nats", "weather.nats /City"),
    ("http://weather.nats", "weather.nats", "weather.nats /"),
    ("http://weather.nats?q", "weather.nats", "weather.nats /?q"),
    ("https://weather.nats/s", "weather.nats", "weather.nats /s"),
    ("HTTP://weather.nats/s", "weather.nats", "weather.nats /s"),
])
def test_an_absolute_form_names_the_service(client, target, host, seen):
    assert client.get(target, host=host).text == seen


def test_the_authority_of_an_absolute_form_wins_over_host(client):
    """RFC 9112 section 3.2.2: the proxy must ignore the received Host."""
    assert client.get("http://weather.nats/x", host="api.v2.nats").text == "weather.nats /x"


@pytest.mark.parametrize("host", ["weather.nats", "WEATHER.nats", "weather.nats:8080"])
def test_any_host_that_ends_in_nats_names_the_service(client, host):
    assert client.get("/city", host=host).text == "weather.nats /city"


@pytest.mark.parametrize("target, host", [
    ("http://example.com/", "example.com"), ("/", "example.com"), ("/", "127.0.0.1"),
    ("http://weather.nats.example/", "x"), ("/", "nats"), ("http://weathernats/", "x"),
])
def test_a_host_outside_nats_is_404(client, target, host):
    """It is no open proxy."""
    assert_problem(client.get(target, host=host), 404, "no-route", "bad-host")
    assert client.get("/", host="weather.nats").status == 200


@pytest.mark.parametrize("host", ["a..nats", ".nats", "*.nats", "a.*.nats", ">.nats", "a%2e.nats",
                                  "\u00e9.nats", "a" * 300 + ".nats"])
def test_a_nats_host_that_is_not_valid_builds_no_subject(world, nats, client, host):
    everything = world.peer(nats).subscribe("nrt.>")
    answer = client.get("/", host=host)
    assert answer.status in (400, 404) and answer.error in ("bad-host", "bad-request", "no-route")
    everything.peer.flush()
    assert everything.none_waiting()


@pytest.mark.parametrize("host", ["-a.nats", "a_b.nats", "A.b.NATS", "1.nats"])
def test_a_nats_host_that_is_valid_is_one_literal_subject(world, nats, client, host):
    peer = world.peer(nats)
    peer.subscribe("nrt.>", None, lambda message: peer.publish(
        message.reply, gowire.response(None, message.subject.encode())))
    assert client.get("/", host=host).body.decode() == f"nrt.requests.{host.lower()}.get"


def test_a_url_with_credentials_is_refused(client, origin):
    assert client.get("http://user:pass@weather.nats/", host="weather.nats").status == 400
    assert origin.requests == []


def test_another_scheme_is_refused(client, origin):
    answer = client.get("ftp://weather.nats/x", host="weather.nats")
    assert answer.status in (400, 404, 501) and answer.error
    assert origin.requests == []


def test_connect_to_a_nats_host_is_501_and_curl_says_so(gateway, client):
    client.send("CONNECT weather.nats:443 HTTP/1.1\r\nHost: weather.nats:443\r\n\r\n")
    assert_problem(client.answer(), 501, "unsupported")
    got = curl("https://weather.nats/", env={"https_proxy": gateway.url})
    assert got.code == 56 and "501" in got.errors


def test_routes_and_proxy_work_side_by_side(world, nats, origin):
    client = world.client(world.gateway(nats, "--proxy", "--route", "/city=api.v2.nats"))
    assert client.get("/city", host="gateway.test").text == "api.v2.nats /city"
    assert client.get("/else", host="weather.nats").text == "weather.nats /else"
    assert client.get("http://weather.nats/city", host="weather.nats").text == "weather.nats /city"
    assert client.get("/else", host="gateway.test").status == 404


def test_proxy_fields_of_the_client_are_not_handed_on(client, origin):
    client.get("http://weather.nats/", host="weather.nats", fields=[
        ("Proxy-Connection", "keep-alive"), ("Proxy-Authorization", "Basic eDp5")])
    seen = origin.requests[0]
    assert {"proxy-connection", "proxy-authorization"}.isdisjoint(seen.names())
    assert seen.get("Host") == "weather.nats" and seen.get("Via") == "1.1 nrt"


def test_http_1_0_without_host_is_served_by_its_absolute_form(client):
    client.send("GET http://weather.nats/old HTTP/1.0\r\n\r\n")
    assert client.answer().text == "weather.nats /old"
