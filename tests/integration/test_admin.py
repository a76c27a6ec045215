"""The admin listener of `nrt gateway`, `nrt serve` and of programs with nrt/admin.h: metrics, health, who is there."""

import os
import re
import time

import pytest

from harness.client import curl, request_bytes
from harness.clock import Stopwatch, until
from harness.message import assert_problem
from harness.metrics import promtool_complaints, scrape, scrape_open
from harness.origin import Gate, plain
from harness.world import NRT


def admin_of(child):
    child.admin = child.wait_line(r"admin on ((http://|unix:)\S+)").group(1)
    return child


@pytest.fixture
def origin(world):
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain(b"12345")
    return origin


@pytest.fixture
def sidecar(world, nats, origin):
    return admin_of(world.serve(nats, "weather.nats", origin, args=["--admin", "0"]))


@pytest.fixture
def gateway(world, nats, sidecar):
    return admin_of(world.gateway(nats, "--route", "/=weather.nats", "--proxy", "--admin", "0"))


# ---- metrics -----------------------------------------------------------------------------------


def test_prometheus_own_tool_and_client_have_nothing_to_complain_of(gateway, sidecar):
    curl(f"{gateway.url}/one", "-d", "body")
    for child in (gateway, sidecar):
        text = scrape(child.admin)
        assert promtool_complaints(text.text) == ""
        assert set(text.families) == set(scrape_open(child.admin).families)


def test_the_process_says_when_it_started_and_what_it_has_open(gateway):
    metrics = scrape(gateway.admin)
    with open(f"/proc/{gateway.pid}/stat", encoding="utf-8") as stat, open("/proc/stat", encoding="utf-8") as machine:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        booted = next(int(line.split()[1]) for line in machine if line.startswith("btime "))
    assert abs(metrics["process_start_time_seconds"] - (booted + ticks / os.sysconf("SC_CLK_TCK"))) < 0.02
    assert abs(metrics["process_start_time_seconds"] - time.time()) < 600
    # One more while it was scraped: the connection for that.
    assert metrics["process_open_fds"] in (gateway.descriptors(), gateway.descriptors() + 1)


def test_the_format_is_the_one_that_accept_asks_for(world, gateway):
    with world.client(gateway.admin) as client:
        for accept, is_open in [
                (None, False), ("text/plain", False), ("*/*", False), ("application/openmetrics-text", True),
                ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
                ("text/plain, application/openmetrics-text; q=0.0", False), ("application/openmetrics-textual", False),
                ("text/plain, Application/OpenMetrics-Text; q=0.05", True)]:
            answer = client.get("/metrics", host="localhost", fields=[("Accept", accept)] if accept else [])
            assert answer.status == 200
            assert answer.get("Content-Type").startswith(
                "application/openmetrics-text; version=1.0.0" if is_open else "text/plain; version=0.0.4"), accept
            assert answer.body.endswith(b"# EOF\n") == is_open


def test_requests_are_counted_by_service_method_and_status_at_both_ends(gateway, sidecar, origin):
    for _ in range(3):
        curl(f"{gateway.url}/a")
    curl(f"{gateway.url}/a", "-d", "x" * 300)
    curl(f"{gateway.url}/a", "-X", "WHATEVER")
    origin.answer = lambda request: plain(b"no", "404 Not Found")
    curl(f"{gateway.url}/a")
    origin.answer = lambda request: plain(b"no", "500 Internal Server Error")
    curl("-I", f"{gateway.url}/a")
    for child, what in ((gateway, "gateway"), (sidecar, "service")):
        def count(method, code):
            return got.get(f"nrt_{what}_requests_total", service="weather.nats", method=method, code=code)

        got = until(lambda: [m for m in [scrape(child.admin)] if m.get(
            f"nrt_{what}_request_duration_seconds_count", service="weather.nats") == 7], "all are counted")[0]
        assert (count("GET", "2xx"), count("POST", "2xx"), count("other", "2xx")) == (3, 1, 1)
        assert (count("GET", "4xx"), count("HEAD", "5xx"), count("HEAD", "2xx")) == (1, 1, None)
        assert got.get(f"nrt_{what}_request_size_bytes_sum", service="weather.nats") == 300
        assert got.get(f"nrt_{what}_response_size_bytes_sum", service="weather.nats") == 5 * 5 + 2
        assert got.get(f"nrt_{what}_request_size_bytes_bucket", service="weather.nats", le="256.0") == 6
        assert 0 < got.get(f"nrt_{what}_request_duration_seconds_sum", service="weather.nats") < 60


def test_streamed_bodies_are_counted_with_all_their_bytes(gateway, sidecar, origin):
    origin.answer = lambda request: plain(b"y" * 700_000)
    assert len(curl(f"{gateway.url}/big", "--data-binary", "@-", data=b"x" * 2_000_000).text) == 700_000
    for child, what in ((gateway, "gateway"), (sidecar, "service")):
        until(lambda: scrape(child.admin).get(f"nrt_{what}_response_size_bytes_sum", service="weather.nats") == 700_000,
              f"{what}: the response's bytes")
        assert scrape(child.admin).get(f"nrt_{what}_request_size_bytes_sum", service="weather.nats") == 2_000_000


def test_what_is_in_flight_shows_and_what_was_canceled(world, gateway, sidecar, origin):
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain(b"late")
    client = world.client(gateway)
    client.send(request_bytes("GET", "/slow"))
    gate.wait_entered()
    assert scrape(gateway.admin)["nrt_client_requests_in_flight"] == 1
    assert scrape(gateway.admin)["nrt_gateway_connections"] == 1
    assert scrape(sidecar.admin).get("nrt_service_requests_in_flight", service="weather.nats") == 1
    client.close()
    until(lambda: scrape(gateway.admin).get("nrt_gateway_requests_total", service="weather.nats", method="GET",
                                            code="canceled") == 1, "the gateway counts a client that left")
    gate.open()
    until(lambda: scrape(sidecar.admin).get("nrt_service_requests_in_flight", service="weather.nats") == 0,
          "nothing is in flight")


def test_hosts_that_only_a_client_knows_of_are_no_labels(world, gateway):
    client = world.client(gateway)
    for number in range(300):
        assert client.get("/", host=f"invented-{number}.nats").status == 503
        assert client.request(f"M{number}", "/", host="weather.nats").status == 200
    got = scrape(gateway.admin)
    assert got.labels("nrt_gateway_requests_total", "service") == {"other", "weather.nats"}
    assert got.labels("nrt_gateway_requests_total", "method") == {"GET", "other"}
    assert got.get("nrt_gateway_requests_total", service="other", method="GET", code="5xx") == 300
    assert got.get("nrt_client_failures_total", error="no-service") == 300
    assert len(got.text) < 40_000


def test_services_beyond_256_are_counted_together(world, nats, gateway, peer):
    """Whoever may serve could invent hosts as well."""
    peer.subscribe("nrt.requests.>", handler=lambda message: peer.publish(
        message.reply, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    peer.flush()
    client = world.client(gateway)
    for number in range(300):
        assert client.get("/", host=f"real-{number}.nats").status == 200
    got = scrape(gateway.admin)
    assert len(got.labels("nrt_gateway_request_duration_seconds_count", "service")) == 257
    assert got.get("nrt_gateway_requests_total", service="other", method="GET", code="2xx") == 300 - 255


def test_a_reconnect_and_the_traffic_with_nats_are_counted(nats, gateway):
    before = scrape(gateway.admin)
    assert before["nrt_nats_reconnects_total"] == 0 and before["nrt_nats_connected"] == 1
    nats.kill()
    until(lambda: scrape(gateway.admin)["nrt_nats_connected"] == 0, "it is seen that NATS is gone")
    nats.start()
    until(lambda: scrape(gateway.admin)["nrt_nats_connected"] == 1, "there is a connection again")
    after = scrape(gateway.admin)
    assert after["nrt_nats_reconnects_total"] == 1
    assert after["nrt_nats_received_bytes_total"] > before["nrt_nats_received_bytes_total"] > 0
    assert after["nrt_nats_sent_bytes_total"] > before["nrt_nats_sent_bytes_total"] > 0


def test_refusals_and_retries_are_counted(world, nats, origin):
    """One request is held; the limit is one."""
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain(b"ok")
    sidecar = admin_of(world.serve(nats, "busy.nats", origin, args=["--max-in-flight", "1", "--admin", "0"]))
    gateway = admin_of(world.gateway(nats, "--route", "/=busy.nats", "--admin", "0"))
    first = world.client(gateway)
    first.send(request_bytes("GET", "/"))
    gate.wait_entered()
    assert_problem(world.client(gateway).get("/"), 503, "refused")
    gate.open()
    assert first.answer().status == 200
    refused = scrape(sidecar.admin).get("nrt_service_refused_total", service="busy.nats")
    assert refused >= 1
    got = scrape(gateway.admin)
    assert got.get("nrt_client_retries_total", reason="refused") == refused - 1
    assert got.get("nrt_client_failures_total", error="refused") == 1


# ---- health ------------------------------------------------------------------------------------


def test_ready_only_with_nats_and_healthy_without(world):
    nats = world.nats()
    nats.kill()
    gateway = admin_of(world.gateway(nats, "--proxy", "--admin", "0", wait=False))
    with world.client(gateway.admin) as client:
        assert (client.get("/healthz", host="localhost").body, client.get("/readyz", host="localhost").status) == (b"ok\n", 503)
        answer = client.get("/readyz", host="localhost")
        assert answer.body == b"not ready: not connected to NATS\nnot ready: not listening yet\n"
        nats.start()
        until(lambda: client.get("/readyz", host="localhost").status == 200, "ready")
        assert client.get("/readyz", host="localhost").body == b"ready\n"
        assert client.request("HEAD", "/readyz", host="localhost").status == 200


def test_a_gateway_that_drains_is_not_ready(world, nats, gateway, origin):
    gate = Gate()
    origin.answer = lambda request: gate.wait() or plain(b"done")
    client = world.client(gateway)
    client.send(request_bytes("GET", "/"))
    gate.wait_entered()
    gateway.signal(15)
    until(lambda: "not ready: being stopped" in curl(f"{gateway.admin}/readyz").text, "it says that it is being stopped")
    assert curl(f"{gateway.admin}/healthz").text == "ok\n"
    gate.open()
    assert client.answer().body == b"done"
    assert gateway.wait() == 0


def test_a_service_that_failed_its_health_check_is_not_ready(world, nats, origin):
    origin.answer = lambda request: plain(b"ill", "500 Ill" if request.target == "/health" else "200 OK")
    sidecar = admin_of(world.serve(nats, "ill.nats", origin, args=["--health", "/health,100ms", "--admin", "0"],
                                   wait=False))
    until(lambda: "ill.nats is paused" in curl(f"{sidecar.admin}/readyz").text, "not ready, and why")
    assert scrape(sidecar.admin).get("nrt_service_up", service="ill.nats") == 0
    origin.answer = lambda request: plain(b"well")
    until(lambda: curl(f"{sidecar.admin}/readyz").text == "ready\n", "ready")
    assert scrape(sidecar.admin).get("nrt_service_up", service="ill.nats") == 1


# ---- who is there ------------------------------------------------------------------------------


def test_services_are_what_discovery_tells(world, nats, gateway, sidecar, origin):
    world.serve(nats, "weather.nats", origin, "other.nats", origin)
    for _ in range(4):
        curl(f"{gateway.url}/")
    got = curl("-i", f"{gateway.admin}/services")
    assert re.search(r"^content-type: application/json\r$", got.text, re.I | re.M)
    found = curl(f"{gateway.admin}/services").json
    assert [(one["host"], len(one["instances"])) for one in found["services"]] == [("other.nats", 1), ("weather.nats", 2)]
    weather = found["services"][1]
    assert weather["requests"] == 4 == sum(one["requests"] for one in weather["instances"])
    assert weather["p99_us"] >= weather["p50_us"] > 0 and weather["in_flight"] == 0
    assert all(one["server"] == "alpha" and re.fullmatch(r"[\w-]{22}", one["id"]) for one in weather["instances"])
    assert found["skipped"] == 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["asked"])


def test_a_service_that_is_gone_is_gone_from_there(world, nats, gateway, sidecar, origin):
    other = world.serve(nats, "gone.nats", origin)
    until(lambda: len(curl(f"{gateway.admin}/services").json["services"]) == 2, "two services")
    other.kill()
    other.expected = None
    until(lambda: len(curl(f"{gateway.admin}/services").json["services"]) == 1, "one of them is gone")


def test_many_who_ask_at_once_cost_one_question(world, nats, gateway, peer):
    heard = peer.subscribe("$SRV.>")
    peer.flush()
    clients = [world.client(gateway.admin) for _ in range(20)]
    for client in clients:
        client.send(request_bytes("GET", "/services", host="localhost"))
    clients.pop().close()  # one does not wait for the answer
    assert {client.answer().status for client in clients} == {200}
    peer.flush()
    assert heard.messages.qsize() == 1


def test_without_the_permission_to_ask_the_answer_names_it(world):
    nats = world.nats(config='authorization { users: [{ user: u, password: p, permissions: {'
                             ' publish: "nrt.>", subscribe: "_INBOX.>" } }] }')
    gateway = admin_of(world.gateway(nats.url.replace("://", "://u:p@"), "--proxy", "--admin", "0"))
    got = curl("-w", "%{http_code}", f"{gateway.admin}/services").text
    assert got.endswith("403") and "$SRV.STATS" in got


# ---- who may ask, and what for -----------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/metrics", "/healthz", "/readyz", "/services", "/process"])
def test_nothing_can_be_changed(world, gateway, target):
    client = world.client(gateway.admin)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
        answer = client.request(method, target, host="localhost")
        assert (answer.status, answer.get("Allow")) == (405, "GET, HEAD")
    head = client.request("HEAD", target, host="localhost")
    assert head.status == 200 and int(head.get("Content-Length")) > 0 and head.get("Cache-Control") == "no-store"


def test_what_is_not_there_is_404_and_a_body_is_refused(world, gateway):
    client = world.client(gateway.admin)
    for target in ("/dashboard/", "/index.html", "/metrics/", "/metric", "/metrics/../metrics", "//metrics", "/%6detrics"):
        assert client.get(target, host="localhost").status == 404
    assert client.get("/healthz?x=1", host="localhost").status == 200
    assert_problem(client.request("GET", "/healthz", host="localhost", body=b"x" * 10), 413, "too-large")
    assert client.at_end()
    client = world.client(gateway.admin)
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert_problem(client.answer(), 413, "too-large")


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST:9464", 200), ("127.0.0.1:1", 200), ("[::1]", 200), ("rebound.example", 421),
    ("localhost.example", 421), ("weather.nats", 421), ("x" * 200, 421)])
def test_on_loopback_only_known_names_are_answered_to(world, gateway, host, status):
    """Else a page in a browser could read it under a name that it makes mean 127.0.0.1."""
    assert world.client(gateway.admin).get("/metrics", host=host).status == status


def test_on_other_addresses_every_name_is_taken(world, nats):
    gateway = admin_of(world.gateway(nats, "--proxy", "--admin", ":0"))
    port = gateway.admin.rsplit(":", 1)[1]
    assert world.client(f"http://127.0.0.2:{port}").get("/healthz", host="gw1.example").status == 200


def test_a_unix_socket_to_listen_on(world, nats):
    path = world.path("admin.sock")
    gateway = admin_of(world.gateway(nats, "--proxy", "--admin", f"unix:{path}"))
    assert gateway.admin == f"unix:{path}"
    assert curl("--unix-socket", path, "http://gateway.example/healthz").text == "ok\n"


def test_there_is_no_way_from_the_admin_listener_to_a_service(world, gateway, origin):
    client = world.client(gateway.admin)
    client.send("GET http://weather.nats/ HTTP/1.1\r\nHost: weather.nats\r\n\r\n")
    assert client.answer().status == 421
    client.send("GET http://127.0.0.1/weather HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert client.answer().status == 404
    assert origin.requests == []


def test_slow_and_idle_clients_and_too_many_do_not_touch_the_gateway(world, gateway):
    """All places are taken by clients that send half a head; the next one is told, and requests go on."""
    idle = [world.client(gateway.admin) for _ in range(32)]
    for client in idle:
        client.send("GET /metrics HTTP/1.1\r\nHost: loc")
    until(lambda: world.client(gateway.admin).answer().status == 503, "no more connections are taken")
    assert world.client(gateway).get("/").status == 200
    idle[0].send("alhost\r\n\r\n")
    assert idle[0].answer().status == 200


def test_a_reader_that_never_reads_costs_bounded_memory(world, gateway):
    """It asks for the metrics ten thousand times and reads nothing; the gateway stops reading, and serves others."""
    client = world.client(gateway.admin)
    client.sock.setblocking(False)
    request = request_bytes("GET", "/metrics", host="localhost") * 10_000
    sent = 0
    try:
        while sent < len(request):
            sent += client.sock.send(request[sent:])
    except BlockingIOError:
        pass
    fast = world.client(gateway)
    with Stopwatch() as watch:
        for _ in range(50):
            assert fast.get("/").status == 200
    assert watch.seconds < 5
    assert gateway.status("VmRSS") < 100_000


# ---- how it is opened --------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["gateway", "--listen", "0", "--proxy"], ["serve", "a.nats", "http://127.0.0.1:1"]])
def test_an_address_that_is_none_is_a_usage_error(world, nats, command):
    done = world.run([NRT, command[0], "--server", nats.url, "--admin", "nonsense", *command[1:]], expect=2)
    assert "--admin" in done.stderr and "PORT" in done.stderr


def test_a_port_that_is_taken_is_an_error(world, nats, gateway):
    port = gateway.admin.rsplit(":", 1)[1]
    done = world.run([NRT, "gateway", "--server", nats.url, "--listen", "0", "--proxy", "--admin", port], expect=1)
    assert f"cannot listen on {port}" in done.stderr and "listening on" not in done.stderr


def test_a_program_of_ones_own(world, nats):
    """nrt_admin_open before anything is served, why_not_ready, a second one refused, closed and opened again."""
    program = world.program("admin", nats.url)
    url = program.wait_line(r"^admin (\S+)$", "stdout").group(1)
    until(lambda: curl(f"{url}/readyz").text == "ready\n", "ready")
    gateway = world.gateway(nats, "--proxy")
    client = world.client(gateway)
    assert client.get("/", host="own.nats").body == b"own"
    assert scrape(url).get("nrt_service_requests_total", service="own.nats", method="GET", code="2xx") == 1
    assert promtool_complaints(scrape(url).text) == ""
    assert client.get("/not-ready", host="own.nats").status == 200
    assert curl(f"{url}/readyz").text == "not ready: the database is gone\n"
    assert client.get("/again", host="own.nats").status == 200
    again = program.wait_line(r"^again (\S+)$", "stdout").group(1)
    assert again != url and curl(f"{again}/healthz").text == "ok\n"
    assert curl("-s", f"{url}/healthz").code != 0
    idle = world.client(again)
    client.send(request_bytes("GET", "/stop", host="own.nats"))
    assert program.wait() == 0 and idle.at_end()
