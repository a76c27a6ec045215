"""The weather example, as the original's README has it: the same handler over NATS and over plain
HTTP, with recorded observations or with the data of an OpenWeather-compatible API."""

import json
import os
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import gowire
from harness.client import Client, curl
from harness.message import parse_answer
from harness.origin import Gate, plain
from harness.world import BUILD

PLACES = [os.path.join(BUILD, place, "nrt-weather") for place in ("", "examples", "examples/weather")]
PROGRAM = next((path for path in PLACES if os.path.exists(path)), PLACES[0])
pytestmark = pytest.mark.threads


def start(world, nats, **env):
    child = world.start([PROGRAM], env={"NATS_URL": nats.url, "HTTP_PORT": "0", **env})
    child.url = child.wait_line(r"listening on (http://\S+)").group(1)
    child.wait_line(r"serving weather\.nats on nrt\.requests\.weather\.nats\.\*")
    return child


@pytest.fixture
def weather(world, nats):
    return start(world, nats)


@pytest.fixture(params=["nats", "gateway", "plain"])
def ask(request, world, nats, peer, weather):
    """ask(METHOD, BODY, target): the same question over NATS, through a gateway and over HTTP."""
    if request.param == "nats":
        def ask(method, body, target="/city"):
            payload = gowire.request(method, target, "weather.nats", body)
            reply = peer.request(f"nrt.requests.weather.nats.{method.lower()}", payload)
            return parse_answer(reply.payload, method)
        return ask
    url = weather.url
    if request.param == "gateway":
        url = world.gateway(nats, "--route", "/city=weather.nats", "--route", "/=weather.nats").url
    client = world.closing(Client(url))
    return lambda method, body, target="/city": client.request(method, target, body=body)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_london_is_answered_as_the_original_answers(ask, method):
    """The API's `weather` array, indented by two spaces as json.MarshalIndent(…, "", "  ") does."""
    answer = ask(method, b'{"city":"london"}')
    assert answer.status == 200
    assert answer.get("Content-Type").startswith("application/json")
    entry, = answer.json
    assert isinstance(entry["id"], int) and entry["main"] and entry["description"] and entry["icon"]
    assert answer.text.startswith('[\n  {\n    "id": ')


@pytest.mark.parametrize("body", [b'{"city":"LonDon"}', b' {"x": 1, "city": "london"} '])
def test_the_city_is_found_in_any_case_and_among_other_members(ask, body):
    assert ask("POST", body).json == ask("POST", b'{"city":"london"}').json


@pytest.mark.parametrize("body, status", [
    (b"", 400), (b"no json", 400), (b'{"city":', 400), (b"[]", 400), (b'"london"', 400), (b"{}", 400),
    (b'{"city":""}', 400), (b'{"city":7}', 400), (b'{"city":null}', 400),
    (b'{"city":"atlantis"}', 404), (b'{"city":"l\xc3\xb8nd\xc3\xb8n"}', 404),
    (b'{"city":"\xff\xfe"}', 400), (b"[" * 10000, 400),
])
def test_bad_json_a_missing_city_and_an_unknown_city(ask, body, status):
    answer = ask("POST", body)
    assert answer.status == status
    assert answer.get("Content-Type") == "application/problem+json"
    assert answer.json["status"] == status and answer.json["detail"]


def test_other_paths_and_methods_are_refused(ask):
    assert ask("GET", b'{"city":"london"}', "/other").status == 404
    assert ask("GET", b'{"city":"london"}', "/city/x").status == 404
    refused = ask("DELETE", None)
    assert refused.status == 405 and "GET" in refused.get("Allow")


def test_the_readmes_commands_work(world, nats, weather):
    body = '{"city":"london"}'
    over_nats = world.get(nats, "-d", body, "https://weather.nats/city").stdout
    assert over_nats == curl("-d", body, weather.url + "/city").text
    assert json.loads(over_nats)[0]["main"]
    original = world.get(nats, "-X", "GET", "-d", body, "https://weather.nats/city").stdout
    assert original == over_nats


# ---- live data ---------------------------------------------------------------------------------


LIVE = {
    "weather": [{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}],
    "main": {"temp": 11.5, "humidity": 87}, "wind": {"speed": 5.1}, "dt": 1700000000,
    "name": "London", "cod": 200,
}


@pytest.fixture
def live(world, nats, peer):
    """live(answer): starts weather on an API that answers so, and returns (ask, api)."""
    def live(answer):
        api = world.origin(answer)
        start(world, nats, WEATHER_API="the-secret-key", WEATHER_URL=api.url)
        world.weather_client = world.client(world.gateway(nats, "--route", "/=weather.nats"))

        def ask(city="london"):
            return world.weather_client.post("/city", json.dumps({"city": city}).encode())

        return ask, api

    return live


def test_live_data_comes_from_the_api_in_metric_units_and_english(live):
    ask, api = live(plain(json.dumps(LIVE)))
    answer = ask("são paulo & co")
    assert answer.status == 200
    entry, = answer.json
    assert {key: entry[key] for key in ("id", "main", "description", "icon")} == LIVE["weather"][0]
    assert (entry["temperature"], entry["humidity"]) == (11.5, 87)
    url = urlsplit(api.requests[0].target)
    assert url.path == "/data/2.5/weather"
    query = {key: values for key, values in parse_qs(url.query).items()}
    assert query["q"] == ["são paulo & co"] and query["units"] == ["metric"]
    assert query["appid"] == ["the-secret-key"] and query["lang"][0].lower() == "en"


@pytest.mark.parametrize("reply, status", [
    (plain('{"cod":"404","message":"city not found"}', "404 Not Found"), 404),
    (plain('{"cod":401}', "401 Unauthorized"), 502), (plain("oops", "500 Oops"), 502),
    (plain("not json"), 502), (plain("{}"), 502), (plain('{"weather":[]}'), 502),
    (plain('{"weather":7}'), 502), (None, 502), (plain(b"[" * 2_000_000), 502),
], ids=lambda value: str(value)[:40])
def test_an_api_that_fails_is_told_apart_and_the_key_is_told_to_nobody(live, reply, status):
    ask, _ = live((lambda request: None) if reply is None else reply)
    answer = ask()
    assert answer.status == status
    assert b"the-secret-key" not in answer.body
    assert ask().status == status


def test_an_api_that_dies_in_the_middle_is_no_weather(world, nats, peer):
    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + json.dumps(LIVE).encode())

    start(world, nats, WEATHER_API="key", WEATHER_URL=world.origin(script=script).url)
    payload = gowire.request("POST", "/city", "weather.nats", b'{"city":"london"}')
    assert parse_answer(peer.request("nrt.requests.weather.nats.post", payload).payload).status == 502


def test_a_slow_api_does_not_make_callers_queue(world, nats, live):
    """The original served one request after another."""
    gate = Gate()
    ask, api = live(lambda request: (
        ("slow" in request.target and gate.wait()) or plain(json.dumps(LIVE))))
    slow = [world.client(world.gateway(nats, "--route", "/=weather.nats")) for _ in range(2)]
    for client in slow:
        client.send(b"POST /city HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"city\":\"slow\"}")
    gate.wait_entered(2)
    assert ask("quick").status == 200
    gate.open()
    assert [client.answer().status for client in slow] == [200, 200]


# ---- life --------------------------------------------------------------------------------------


def test_plain_http_works_before_nats_does(world):
    nats = world.nats()
    nats.kill()
    child = world.start([PROGRAM], env={"NATS_URL": nats.url, "HTTP_PORT": "0"})
    url = child.wait_line(r"listening on (http://\S+)").group(1)
    assert json.loads(curl("-d", '{"city":"london"}', url + "/city").text)
    nats.start()
    child.wait_line(r"serving weather\.nats on")


def test_nats_prefix_moves_it(world, nats, peer):
    child = world.start([PROGRAM], env={"NATS_URL": nats.url, "NATS_PREFIX": "v2"})
    child.wait_line(r"serving weather\.nats on v2\.requests\.weather\.nats\.\*")
    payload = gowire.request("POST", "/city", "weather.nats", b'{"city":"london"}')
    assert parse_answer(peer.request("v2.requests.weather.nats.post", payload).payload).status == 200


def test_sigterm_ends_it_with_0(weather):
    assert weather.stop() == 0


@pytest.mark.parametrize("port", ["x", "70000", "-1", "80x"])
def test_a_wrong_port_is_exit_2(world, nats, port):
    done = world.run([PROGRAM], expect=2, env={"NATS_URL": nats.url, "HTTP_PORT": port})
    assert port in done.stderr
