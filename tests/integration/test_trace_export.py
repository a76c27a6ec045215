"""--trace-export of `nrt gateway` and `nrt serve`: spans for a collector, and what a bad one does to
requests: nothing."""

import re
import signal
import time

import pytest

from harness.clock import until
from harness.collector import TAKEN, Collector
from harness.metrics import promtool_complaints, scrape
from harness.origin import Gate, plain
from harness.tlssocket import House, server_context
from harness.world import NRT

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = ("traceparent", f"00-{ID}-{PARENT}-01")


@pytest.fixture
def collector(world):
    return world.closing(Collector())


@pytest.fixture
def origin(world):
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain(b"12345")
    return origin


def export(collector, *more):
    return ["--trace-export", f"{collector.url}/v1/traces", *more]


def gateway_with(world, nats, collector, *args, env=None):
    return world.gateway(nats, "--route", "/=weather.nats", *export(collector, *args), env=env)


def by_kind(spans):
    return {span.kind: span for span in spans}


def dropped(metrics):
    return {reason: metrics.get("nrt_trace_spans_dropped_total", reason=reason)
            for reason in ("queue_full", "unavailable", "rejected")}


def test_a_collector_is_reached_by_tls_and_must_be_who_it_says(world, nats, origin):
    house = House.get()
    collector = world.closing(Collector(tls=server_context((house.cert, house.key))))
    world.serve(nats, "weather.nats", origin)
    trusting = gateway_with(world, nats, collector, env={"SSL_CERT_FILE": house.ca.cert})
    assert world.client(trusting).get("/").status == 200
    until(lambda: collector.spans, "a span by TLS")
    seen = len(collector.spans)
    strict = gateway_with(world, nats, collector)
    assert world.client(strict).get("/").status == 200
    strict.wait_line("traces do not get through to https://.*no CA of this system signed it: give yours as SSL_CERT_FILE")
    assert len(collector.spans) == seen


# ---- what comes there --------------------------------------------------------------------------


def test_four_spans_from_the_client_to_the_origin(world, origin, collector):
    nats = world.nats(config="cluster { name: C1, listen: \"127.0.0.1:-1\" }")
    world.serve(nats, "weather.nats", origin, args=export(collector))
    gateway = gateway_with(world, nats, collector)
    client = world.client(gateway)
    before = time.time_ns()
    got = client.request("POST", "/city?secret=1", body=b"123", host="www.example:81",
                         fields=[GIVEN, ("User-Agent", "agent/1"), ("Authorization", "Basic c2VjcmV0"),
                                 ("Cookie", "secret=1")])
    after = time.time_ns()
    spans = collector.wait_spans(4)
    assert len(spans) == 4 and {span.trace for span in spans} == {ID}
    front = by_kind(span for span in spans if span.resource["service.name"] == "nrt-gateway")
    back = by_kind(span for span in spans if span.resource["service.name"] == "nrt-serve")
    chain = [front["SERVER"], front["CLIENT"], back["SERVER"], back["CLIENT"]]
    assert [span.parent for span in chain] == [PARENT, *(span.id for span in chain[:3])]
    assert origin.requests[0].get("traceparent") == f"00-{ID}-{chain[3].id}-01"
    for span in chain:
        assert span.name == span["http.request.method"] == "POST" and not span.failed
        assert span["http.response.status_code"] == 200 and span.get("error.type") is None
        assert before <= span.began <= span.ended <= after + 10**9
        assert span.flags & 0xff == 1 and span.flags & 0x100
        assert bool(span.flags & 0x200) == (span.kind == "SERVER")
    for outer, inner in zip(chain, chain[1:]):
        assert outer.ended - outer.began >= inner.ended - inner.began
    for span in (chain[0], chain[2]):
        assert (span["url.path"], span["url.scheme"], span["client.address"]) == ("/city", "http", "127.0.0.1")
        assert (span["http.request.body.size"], span["http.response.body.size"]) == (3, 5)
        assert (span["user_agent.original"], span["network.protocol.version"]) == ("agent/1", "1.1")
        assert span["nrt.service"] == "weather.nats"
    assert (chain[0]["server.address"], chain[0]["server.port"]) == ("www.example", 81)
    assert chain[2]["server.address"] == "weather.nats"
    assert (chain[1]["server.address"], chain[1]["url.full"]) == ("weather.nats", "http://weather.nats/city")
    assert (chain[3]["server.address"], chain[3]["server.port"]) == ("127.0.0.1", origin.port)
    assert chain[3]["url.full"] == f"{origin.url}/city"
    assert chain[1]["nrt.id"] == chain[2]["nrt.id"] == got.get("NRT-ID")
    assert chain[1]["nrt.instance"] == f"alpha/{got.get('NRT-Client')}" and chain[1]["nrt.cluster"] == "C1"
    assert not any("secret" in request.body.decode() or "c2VjcmV0" in request.body.decode()
                   for request in collector.requests)


def test_a_failure_says_what_it_was(world, nats, collector, origin):
    client = world.client(gateway_with(world, nats, collector, "--route", "/b=b.nats"))
    assert client.get("/").status == 503
    assert client.get("/b").status == 503
    world.serve(nats, "weather.nats", origin)
    origin.answer = lambda request: plain(b"", "500 Broken")
    assert client.get("/").status == 500
    assert client.request("BREW", "/").status == 500
    spans = collector.wait_spans(8)
    lost, broken = spans[0:4], spans[4:8]
    for span in lost:
        assert span.failed and span["error.type"] == "no-service" and "no service" in span.message
    assert lost[0]["http.response.status_code"] == 503 and lost[1].get("http.response.status_code") is None
    for span in broken:
        assert span.failed and span["error.type"] == "500" and span["http.response.status_code"] == 500
    assert broken[2].name == "HTTP" and broken[2]["http.request.method"] == "_OTHER"
    assert broken[2]["http.request.method_original"] == "BREW"


def test_what_was_not_sent_on_has_one_span(world, nats, collector):
    gateway = world.gateway(nats, "--route", "/a=a.nats", *export(collector))
    assert world.client(gateway).get("/b?x").status == 404
    span, = collector.wait_spans(1)
    assert (span.kind, span.parent, span["http.response.status_code"], span.failed) == ("SERVER", None, 404, False)
    assert span["url.path"] == "/b" and not span.flags & 0x200


def test_a_client_that_left_is_canceled(world, nats, collector, origin):
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain(b"late")
    world.serve(nats, "weather.nats", origin)
    client = world.client(gateway_with(world, nats, collector))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    gate.wait_entered()
    client.close()
    for span in collector.wait_spans(2):
        assert span["error.type"] == "canceled" and span.get("http.response.status_code") is None
    gate.open()


def test_retries_are_counted(world, nats, collector, origin):
    """The first instance is at its limit and says so: the request goes to the other one."""
    gate = Gate()
    slow = world.origin(lambda request: gate.wait() or plain(b"slow"))
    world.serve(nats, "weather.nats", slow, args=["--max-in-flight", "1"])
    gateway = gateway_with(world, nats, collector)
    blocked = world.client(gateway)
    blocked.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    gate.wait_entered()
    client = world.client(gateway)
    assert client.get("/").status == 503
    spans = by_kind(collector.wait_spans(2))
    assert spans["CLIENT"]["http.request.resend_count"] == 2 and spans["CLIENT"]["error.type"] == "refused"
    gate.open()
    assert blocked.answer().status == 200


def test_what_is_not_sampled_is_not_sent(world, nats, collector, origin):
    world.serve(nats, "weather.nats", origin)
    client = world.client(gateway_with(world, nats, collector, "--trace-sample", "0"))
    client.get("/")
    client.get("/", fields=[("traceparent", f"00-{ID}-{PARENT}-00")])
    client.get("/", fields=[GIVEN])
    assert {span.trace for span in collector.wait_spans(2)} == {ID} and len(collector.spans) == 2


def test_streams_and_sockets_have_spans(world, nats, collector):
    path = world.path("origin.sock")
    world.origin(lambda request: plain(b"x" * 300_000), path=path)
    world.serve(nats, "weather.nats", f"unix:{path}", args=export(collector))
    client = world.client(gateway_with(world, nats, collector))
    assert len(client.request("POST", "/up", body=b"y" * 200_000).body) == 300_000
    spans = collector.wait_spans(4)
    for span in spans:
        if span.kind == "SERVER":
            assert (span["http.request.body.size"], span["http.response.body.size"]) == (200_000, 300_000)
    last = [span for span in spans if span.get("network.transport")][0]
    assert (last["network.transport"], last["network.peer.address"]) == ("unix", path)


# ---- where it goes -----------------------------------------------------------------------------


def test_the_environment_of_opentelemetry_is_heard_with_trace(world, nats, collector, origin):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/", "OTEL_SERVICE_NAME": "my gateway",
           "OTEL_RESOURCE_ATTRIBUTES": "service.name=not,deployment.environment.name=a%20b,service.version=7",
           "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s%20cret, x-tenant=5"}
    world.serve(nats, "weather.nats", origin)
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--trace", env=env)
    gateway.wait_line(rf"traces go to {re.escape(collector.url)}/v1/traces")
    world.client(gateway).get("/")
    span = collector.wait_spans(2)[0]
    assert {key: span.resource[key] for key in span.resource if key != "service.instance.id"} == {
        "service.name": "my gateway", "deployment.environment.name": "a b", "service.version": "7"}
    assert re.fullmatch(r"[\w-]{22}", span.resource["service.instance.id"])
    request = collector.requests[0]
    assert (request.get("api-key"), request.get("x-tenant")) == ("s cret", "5")


def test_without_trace_the_environment_changes_nothing(world, nats, collector, origin):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    world.serve(nats, "weather.nats", origin)
    client = world.client(world.gateway(nats, "--route", "/=weather.nats", env=env))
    client.get("/")
    assert origin.requests[0].get("traceparent") is None
    for more in ({"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}):
        gateway = world.gateway(nats, "--route", "/=weather.nats", "--trace", env={**env, **more})
        world.client(gateway).get("/")
        assert "traces go to" not in gateway.stderr
        gateway.signal(signal.SIGTERM)
        gateway.wait()
    assert collector.connections == 0


def test_the_variable_for_traces_is_the_url_itself(world, nats, origin):
    collector = world.closing(Collector(target="/"))
    world.serve(nats, "weather.nats", origin)
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url}
    world.client(world.gateway(nats, "--route", "/=weather.nats", "--trace", env=env)).get("/")
    collector.wait_spans(2)


@pytest.mark.parametrize("args, env, told", [
    (["--trace-export", "ftp://127.0.0.1"], {}, "--trace-export"),
    (["--trace-export", "http://user:s3cret@127.0.0.1/"], {}, "--trace-export"),
    (["--trace-export", "127.0.0.1:4318"], {}, "http://127.0.0.1:4318/v1/traces"),
    (["--trace"], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
     "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\""),
    (["--trace"], {"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"}, "OTEL_EXPORTER_OTLP_ENDPOINT: "),
    (["--trace-export", "http://127.0.0.1:1"], {"OTEL_EXPORTER_OTLP_HEADERS": "a=s3cret%0d%0aHost: b"},
     "OTEL_EXPORTER_OTLP_HEADERS is not right"),
    (["--trace-export", "http://127.0.0.1:1"], {"OTEL_EXPORTER_OTLP_HEADERS": "Content-Length=s3cret"},
     "OTEL_EXPORTER_OTLP_HEADERS is not right"),
    (["--trace-export", "http://127.0.0.1:1"], {"OTEL_RESOURCE_ATTRIBUTES": "nonsense"},
     "OTEL_RESOURCE_ATTRIBUTES is not right"),
])
def test_what_cannot_be_is_told(world, nats, args, env, told):
    got = world.run([NRT, "gateway", "--server", nats.url, "--listen", "0", "--route", "/=a.nats", *args],
                    env=env, expect=2)
    assert told in got.stderr and "s3cret" not in got.stderr


# ---- a collector that is no good ---------------------------------------------------------------


def counted(world, nats, collector, origin, *args):
    """A gateway whose metrics are looked at, and a client of it."""
    world.serve(nats, "weather.nats", origin)
    gateway = gateway_with(world, nats, collector, "--admin", "0", *args)
    admin = gateway.wait_line(r"admin on (http://\S+)").group(1)
    return gateway, admin, world.client(gateway)


def test_what_was_sent_is_counted(world, nats, collector, origin):
    _, admin, client = counted(world, nats, collector, origin)
    for _ in range(3):
        client.get("/")
    collector.wait_spans(6)
    until(lambda: scrape(admin)["nrt_trace_spans_exported_total"] == 6, "6 spans are counted")
    metrics = scrape(admin)
    assert set(dropped(metrics).values()) == {0} and promtool_complaints(metrics.text) == ""


def test_without_tracing_there_are_no_such_metrics(world, nats):
    gateway = world.gateway(nats, "--route", "/=a.nats", "--admin", "0")
    admin = gateway.wait_line(r"admin on (http://\S+)").group(1)
    assert "nrt_trace" not in scrape(admin).text


@pytest.mark.parametrize("status", ["429 Slow Down", "503 Later"])
def test_one_that_says_later_is_asked_again_when_it_says(world, nats, collector, origin, status):
    answers = [plain(b"", status, fields=[("Retry-After", "1")]), TAKEN]
    times = []
    collector.instead = lambda request: times.append(time.monotonic()) or answers.pop(0)
    _, admin, client = counted(world, nats, collector, origin)
    client.get("/")
    collector.wait_spans(2)
    assert 0.9 <= times[1] - times[0]
    assert collector.requests[0].body == collector.requests[1].body
    until(lambda: scrape(admin)["nrt_trace_spans_exported_total"] == 2, "2 spans are counted")


def test_one_that_says_no_is_not_asked_again(world, nats, collector, origin):
    answers = [plain(b"", "400 Bad Request"),
               plain(b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}')]
    collector.instead = lambda request: answers.pop(0) if answers else TAKEN
    gateway, admin, client = counted(world, nats, collector, origin)
    client.get("/")
    until(lambda: dropped(scrape(admin))["rejected"] == 2, "both are dropped")
    gateway.wait_line(r"traces do not get through to \S+: it answers 400; 2 spans are lost, requests go on")
    client.get("/")
    until(lambda: dropped(scrape(admin))["rejected"] == 3, "one of two more is dropped")
    assert scrape(admin)["nrt_trace_spans_exported_total"] == 1
    client.get("/")
    collector.wait_spans(2)


def test_one_that_is_not_there_does_no_harm_and_may_come_back(world, nats, collector, origin):
    collector.stop()
    gateway, admin, client = counted(world, nats, collector, origin)
    assert client.get("/").status == 200
    gateway.wait_line(r"traces do not get through to \S+: cannot connect: Connection refused; trying again")
    collector.start()
    collector.wait_spans(2)
    assert set(dropped(scrape(admin)).values()) == {0}


def test_one_that_hangs_holds_up_nothing_and_loses_what_is_too_much(world, nats, collector, origin):
    gate = Gate()
    collector.instead = lambda request: gate.wait() or None
    gateway, admin, client = counted(world, nats, collector, origin)
    client.get("/")
    gate.wait_entered()
    for _ in range(2100):  # two spans each, and room for 4,096
        assert client.get("/").status == 200
    metrics = scrape(admin)
    assert metrics["nrt_trace_spans_exported_total"] == 0
    lost = dropped(metrics)
    assert lost["queue_full"] == 2100 * 2 - 4096 and lost["unavailable"] == lost["rejected"] == 0
    gateway.wait_line("it does not take them as fast as they come")
    began = time.monotonic()
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert time.monotonic() - began < 5
    gate.open()


def test_batches_are_large_under_load(world, nats, collector, origin):
    _, admin, client = counted(world, nats, collector, origin)
    for _ in range(700):
        client.get("/")
    collector.wait_spans(1400)
    assert len(collector.spans) == 1400 and max(collector.batches) >= 512
    assert len(collector.batches) <= 6
    assert collector.connections == 1
    until(lambda: scrape(admin)["nrt_trace_spans_exported_total"] == 1400, "all are counted")


def test_a_connection_that_was_kept_and_closed_costs_no_span(world, nats, collector, origin):
    _, admin, client = counted(world, nats, collector, origin)
    client.get("/")
    collector.wait_spans(2)
    collector.restart()
    client.get("/")
    collector.wait_spans(4)
    assert set(dropped(scrape(admin)).values()) == {0}


@pytest.mark.parametrize("what", ["gateway", "serve"])
def test_the_end_of_the_program_sends_what_is_left(world, nats, collector, origin, what):
    service = world.serve(nats, "weather.nats", origin, args=export(collector) if what == "serve" else [])
    gateway = gateway_with(world, nats, collector) if what == "gateway" else world.gateway(nats, "--proxy")
    ending = service if what == "serve" else gateway
    client = world.client(gateway)
    client.get("/", host="weather.nats")
    assert not collector.spans  # less than a second has gone by
    ending.signal(signal.SIGTERM)
    assert ending.wait() == 0
    assert len(collector.wait_spans(2)) == 2


@pytest.mark.parametrize("answer", [
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 6,
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    None,
])
def test_one_that_answers_nonsense_does_no_harm(world, nats, collector, origin, answer):
    answers = [answer]
    collector.instead = lambda request: answers.pop() if answers else TAKEN
    gateway, _, client = counted(world, nats, collector, origin)
    client.get("/")
    gateway.wait_line("traces do not get through")
    collector.wait_spans(2)
    assert client.get("/").status == 200
