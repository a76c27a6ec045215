"""W3C Trace Context: traceparent and tracestate on their way, and --trace of `nrt gateway` and
`nrt serve`."""

import json
import re

import pytest

from harness.client import curl
from harness.clock import until
from harness.nginx import Nginx
from harness.origin import plain
from harness.reader import Page
from harness.world import NRT

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{ID}-{PARENT}-01"
STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@pytest.fixture
def origin(world):
    """Shows what it was asked for, as JSON."""
    def answer(request):
        return plain(json.dumps(request.fields).encode(), fields=[("Content-Type", "application/json")])

    return world.origin(answer)


def seen(answer, name):
    """The values of a field, at the origin."""
    assert answer.status == 200, answer.body
    return [value for key, value in json.loads(answer.body) if key.lower() == name]


def parent_at_origin(answer):
    """The one traceparent that the origin got: id, span, flags."""
    values = seen(answer, "traceparent")
    assert len(values) == 1
    return TRACEPARENT.fullmatch(values[0]).groups()


def lines_of(path, count):
    """As many lines of JSON, once they are there."""
    def read():
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return [json.loads(line) for line in lines] if len(lines) >= count else None

    lines = until(read, f"{count} lines in {path}")
    assert len(lines) == count
    return lines


# ---- without --trace: as it came --------------------------------------------------------------


WAYS = [[], [("traceparent", GIVEN)], [("traceparent", GIVEN), ("tracestate", STATE)],
        [("TraceParent", GIVEN), ("tracestate", "a=1"), ("tracestate", "b=2")],
        [("traceparent", "nonsense"), ("tracestate", "NONSENSE")],
        [("tracestate", "a=1")]]


def passed(text):
    """What the origin got of both, of what it has shown."""
    return [(key.lower(), value) for key, value in json.loads(text) if key.lower().startswith("trace")]


def test_without_trace_they_go_on_as_they_came(world, nats, origin, front):
    world.serve(nats, "weather.nats", origin)
    client = world.client(front(nats, "--route", "/=weather.nats"))
    for fields in WAYS:
        answer = client.get("/", fields=fields)
        assert passed(answer.body) == [(key.lower(), value) for key, value in fields]


def test_a_proxy_and_a_client_pass_them_on(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    proxy = world.gateway(nats, "--proxy")
    got = curl("http://weather.nats/", "-H", f"traceparent: {GIVEN}", "-H", f"tracestate: {STATE}",
               env={"http_proxy": proxy.url})
    assert passed(got.text) == [("traceparent", GIVEN), ("tracestate", STATE)]
    got = world.get(nats, "-H", f"traceparent: {GIVEN}", "-H", f"tracestate: {STATE}", "http://weather.nats/")
    assert sorted(passed(got.stdout)) == [("traceparent", GIVEN), ("tracestate", STATE)]


def test_a_handler_of_the_library_sees_them(world, nats):
    world.handlers(nats, "weather.nats")
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace"))
    shown = client.get("/request", fields=[("traceparent", GIVEN), ("tracestate", STATE)]).text
    trace, span, _ = TRACEPARENT.search(shown).groups()
    assert trace == ID and span != PARENT and f"tracestate: {STATE}" in shown
    got = world.get(nats, "-H", f"traceparent: {GIVEN}", "http://weather.nats/request")
    assert f"traceparent: {GIVEN}" in got.stdout


def test_nginx_can_begin_traces_as_its_page_says(world, nats, origin):
    block, = Page("docs", "nginx.md").blocks("Traces")
    world.serve(nats, "weather.nats", origin)
    nginx = Nginx(world, f"nrt_server {nats.url}; access_log {world.path('nginx.log')} traced; "
                         "location / { nrt_pass weather.nats; }", http=block).start()
    client = world.client(nginx.url)
    first, second = (parent_at_origin(client.get("/")) for _ in range(2))
    assert first[0] != second[0] and first[2] == "01"
    assert parent_at_origin(client.get("/", fields=[("traceparent", GIVEN)]))[:2] == (ID, PARENT)
    wanted = f"traceparent=00-{first[0]}-{first[1]}-01"

    def logged():
        with open(world.path("nginx.log"), encoding="utf-8") as file:
            return wanted in file.read()

    until(logged, "the line of the first request")


# ---- with it -----------------------------------------------------------------------------------


def test_a_trace_begins_at_the_gateway(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace"))
    first, second = (parent_at_origin(client.get("/")) for _ in range(2))
    for one in (first, second):
        assert int(one[0], 16) and int(one[1], 16) and int(one[2], 16) & 1
    assert first[0] != second[0] and first[1] != second[1]
    post = client.request("POST", "/", body=b"x" * 200_000)
    assert parent_at_origin(post)[0] not in (first[0], second[0])


def test_a_trace_goes_on_through_gateway_and_sidecar(world, nats, origin):
    front, back = world.path("front.log"), world.path("back.log")
    world.serve(nats, "weather.nats", origin, args=["--trace", "--access-log", back, "--access-log-format", "json"])
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--trace", "--access-log", front,
                            "--access-log-format", "json", "--verbose", "--log", "json", wait=False)
    client = world.client(gateway.wait_line(r'"event":"listening".*"url":"(http:[^"]+)"').group(1))
    for flags in ("00", "01"):
        got = client.get("/", fields=[("traceparent", f"00-{ID}-{PARENT}-{flags}"), ("tracestate", STATE)])
        trace, span, sampled = parent_at_origin(got)
        assert (trace, sampled) == (ID, flags)
        assert seen(got, "tracestate") == [STATE]
    at_front, at_back = lines_of(front, 2)[1], lines_of(back, 2)[1]
    for line in (at_front, at_back):
        assert (line["trace_id"], line["trace_flags"]) == (ID, "01")
    assert at_back["span_id"] == span
    assert len({PARENT, at_front["span_id"], at_back["span_id"]}) == 3
    line = gateway.wait_line(r'"event":"request".*"span_id":"%s"' % at_front["span_id"])
    assert json.loads(line.string)["trace_id"] == ID


@pytest.mark.parametrize("fields", [
    [("traceparent", f"00-{ID}-{PARENT}-01"), ("traceparent", f"00-{ID}-{PARENT}-01")],
    [("traceparent", f"00-{ID.upper()}-{PARENT}-01")],
    [("traceparent", f"ff-{ID}-{PARENT}-01")],
    [("traceparent", f"00-{ID}-0000000000000000-01")],
    [("traceparent", f"00-{'0' * 32}-{PARENT}-01")],
    [("traceparent", GIVEN + "-x")],
    [("traceparent", "")],
    [],
])
def test_what_is_not_valid_is_replaced_and_its_state_dropped(world, nats, origin, fields):
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace"))
    got = client.get("/", fields=[*fields, ("tracestate", STATE)])
    assert parent_at_origin(got)[0] != ID and seen(got, "tracestate") == []


def test_a_state_is_checked_by_itself(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace"))
    many = [f"k{i}=1" for i in range(32)]
    for states, goes_on in (([",".join(many)], True), ([",".join(many), "z=1"], False), (["a=1", "A=1"], False),
                            (["a=" + "x" * 256, "b=1"], True), (["a=" + "x" * 257], False)):
        got = client.get("/", fields=[("traceparent", GIVEN), *(("tracestate", state) for state in states)])
        assert parent_at_origin(got)[0] == ID
        assert seen(got, "tracestate") == (states if goes_on else [])


def test_a_service_without_a_gateway_begins_traces_itself(world, nats, origin):
    world.serve(nats, "weather.nats", origin, args=["--trace"])
    got = world.get(nats, "http://weather.nats/")
    values = [value for key, value in passed(got.stdout) if key == "traceparent"]
    assert len(values) == 1 and TRACEPARENT.fullmatch(values[0])


def test_a_share_of_new_traces_is_sampled(world, nats, origin):
    world.serve(nats, "weather.nats", origin)
    for share, low, high in (("0", 0, 0), ("50%", 60, 140), ("1", 200, 200)):
        client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace-sample", share))
        sampled = [int(parent_at_origin(client.get("/"))[2], 16) & 1 for _ in range(200)]
        assert low <= sum(sampled) <= high
        given = client.get("/", fields=[("traceparent", GIVEN)])
        assert parent_at_origin(given)[2] == "01"


@pytest.mark.parametrize("share", ["2", "-1", "101%", "x", ""])
def test_a_wrong_share_is_told(world, nats, share):
    got = world.run([NRT, "gateway", "--server", nats.url, "--listen", "0", "--route", "/=a.nats",
                     f"--trace-sample={share}"], expect=2)
    assert "--trace-sample" in got.stderr and "such as 0.1" in got.stderr


def test_a_head_at_its_limit_still_gets_through(world, nats, origin):
    """A traceparent more, where there was none: services take what gateways add."""
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace"))
    # 100 fields with Host, and 64 KiB in all: what a gateway takes by default.
    fields = [(f"x-{i}", "y") for i in range(99)]
    assert parent_at_origin(client.get("/", fields=fields))
    head = len("GET / HTTP/1.1\r\nHost: weather.nats\r\nx-large: \r\n\r\n")
    large = client.get("/", host="weather.nats", fields=[("x-large", "y" * (64 * 1024 - head))])
    assert parent_at_origin(large)


def test_what_no_route_led_to_is_in_the_log_with_its_trace(world, nats):
    path = world.path("access.log")
    client = world.client(world.gateway(nats, "--route", "/a=a.nats", "--trace", "--access-log", path,
                                        "--access-log-format", "json"))
    assert client.get("/b", fields=[("traceparent", GIVEN)]).status == 404
    assert client.get("/a").status == 503
    client.send(b"GET / HTTP/9.9\r\n\r\n")
    client.answer()
    first, second, third = lines_of(path, 3)
    assert first["trace_id"] == ID and re.fullmatch("[0-9a-f]{16}", first["span_id"])
    assert second["trace_id"] != ID and "trace_id" not in third


def test_a_log_names_the_trace_of_others(world, nats, origin):
    """Without --trace there is no span of ours to name."""
    path = world.path("access.log")
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", "--access-log", path,
                                        "--access-log-format", "json"))
    client.get("/", fields=[("traceparent", GIVEN)])
    client.get("/")
    first, second = lines_of(path, 2)
    assert first["trace_id"] == ID and "span_id" not in first and "trace_id" not in second
