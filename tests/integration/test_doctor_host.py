"""`nrt doctor HOST`: who serves it, how it answers, and what is meant where nobody does."""

import re
import time

import pytest

from harness import gowire
from harness.clock import SLOW, Stopwatch
from harness.doctor import CLIENT, SERVICE, as_user, pasted, permitted, runner, users
from harness.origin import plain

HOST = "weather.nats"


@pytest.fixture(name="doctor")
def doctor_fixture(world):
    return runner(world)


def test_a_host_that_is_served(world, nats, doctor):
    origin = world.origin(plain("x"))
    children = [world.serve(nats, HOST, origin, args=["--service-version", "1.2.3"]) for _ in range(3)]
    report = doctor(nats, "Weather.nats")
    assert report.problems == report.with_status("warning") == []
    assert report.all["host"] == HOST
    assert len(report.find("instances")["instances"]) == 3
    assert {one["version"] for one in report.find("instances")["instances"]} == {"1.2.3"}
    assert {one["server"] for one in report.find("instances")["instances"]} == {"alpha"}
    assert 1 <= report.find("answer")["answered_by"] <= 3
    assert report.find("frames")["status"] == report.find("clock")["status"] == "ok"
    assert abs(report.find("clock")["skew_s"]) <= 2
    assert origin.requests == [], "no handler sees the probe"
    for child in children:
        assert len(child.lines("stderr")) == 1, "and nobody's log speaks of it"


def test_nobody_serves_it(world, nats, doctor):
    world.serve(nats, HOST, world.origin(plain("x")))
    report = doctor(nats, "wether.nats")
    assert report.problems == ["answer"]
    assert f"did you mean {HOST}" in report.advice("answer")
    report = doctor(nats, "something-else.nats")
    assert report.problems == ["answer"] and "nrt ls lists" in report.advice("answer")


def test_it_is_served_under_another_prefix(world, nats, doctor):
    world.serve(nats, HOST, world.origin(plain("x")), args=["--prefix", "v2"])
    report = doctor(nats, HOST)
    assert report.problems == ["answer"]
    assert 'under the prefix "v2"' in report.advice("answer")
    assert report.paste("answer") == [f"nrt doctor --prefix v2 {HOST}"]
    assert doctor(nats, "--prefix", "v2", HOST).problems == []


def test_a_mapping_to_another_prefix_is_fine(world, doctor):
    server = world.nats(config='mappings = { "nrt.requests.weather.nats.*": "v2.requests.weather.nats.$1" }')
    world.serve(server, HOST, world.origin(plain("x")), args=["--prefix", "v2"])
    report = doctor(server, HOST)
    assert report.problems == report.with_status("warning") == []
    assert "mapped" in report.find("instances", "info")["text"]


def test_an_old_peer(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, gowire.response(200, b"x"))
    report = doctor(nats, HOST)
    assert report.problems == [] and "old peer" in report.find("frames", "info")["text"]
    assert report.with_status("not checked") == ["clock"]
    for message in service.requests:
        assert message.payload.startswith(b"OPTIONS * HTTP/1.1\r\n")
        assert not message.subject.endswith(".options")


def test_a_clock_that_differs(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, lambda payload: gowire.response(
        200, b"x", [("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600)))]))
    report = doctor(nats, HOST)
    assert report.with_status("warning") == ["clock"] and service.requests
    assert abs(report.find("clock")["skew_s"] - 3600) < 5
    assert "timedatectl" in report.advice("clock")


def test_what_answers_is_no_http(world, nats, peer, doctor):
    gowire.OldService(peer, HOST, b"hello")
    report = doctor(nats, HOST)
    assert report.problems == ["answer"] and "502" in report.find("answer")["text"]


def test_a_service_that_says_nothing(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, None)
    with Stopwatch() as watch:
        report = doctor(nats, "--timeout", "500ms", HOST)
    assert report.problems == ["answer"] and "no answer" in report.find("answer")["text"]
    assert len(service.requests) == 1, "silence is waited for once"
    assert watch.seconds < 3 * SLOW


def test_a_service_that_may_reply_once(world, doctor):
    responder = ('permissions: { publish: { deny: ">" }, allow_responses: true, '
                 'subscribe: ["nrt.requests.>", "nrt.streams.>", "$SRV.>"] }')
    server = world.nats(config=users(u=permitted(*CLIENT), service=responder))
    origin = world.origin(plain("x"))
    service = world.serve(as_user(server, "service"), HOST, origin)
    report = doctor(as_user(server), HOST)
    assert report.problems == [] and report.with_status("warning") == ["frames"]
    assert "restart the service" in report.advice("frames")
    line = report.paste("frames")[0]
    more = pasted(line, [], ["nrt.requests.>", "nrt.streams.>", "$SRV.>"])
    server.reload(users(u=permitted(*CLIENT), service=more))
    assert service.stop() == 0
    world.serve(as_user(server, "service"), HOST, origin)
    assert doctor(as_user(server), HOST).find("frames")["status"] == "ok"


def test_across_accounts(world, doctor):
    def config(exported, response=""):
        export = f'exports [ {{ service: "nrt.requests.{exported}.*"{response} }} ]'
        return (f"server_name: alpha\naccounts {{ SERVERS {{ users [ {{ user: service, password: p }} ]\n{export} }}\n"
                f"CLIENTS {{ users [ {{ user: u, password: p }} ]\nimports [ {{ service: {{ account: SERVERS, "
                f'subject: "nrt.requests.{exported}.*" }} }} ] }} }}')

    server = world.nats(config=config(HOST))
    report = doctor(as_user(server), "--timeout", "500ms", HOST)
    assert report.problems == ["answer"]
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), HOST)
    assert report.problems == [] and report.with_status("warning") == ["frames"]
    assert "response_type: stream" in report.paste("frames")[-1] and "_R_" in report.advice("frames")
    assert "another account" in report.find("instances", "info")["text"]
    # The line that it suggests is one that the server takes.
    export = re.search(r"\{ (service.*?) \}", report.paste("frames")[-1]).group(1)
    server.reload(config(HOST, "," + export.split(", ", 1)[1]))
    assert doctor(as_user(server), HOST).problems == []


def test_a_client_that_may_not_ask_for_the_host(world, doctor):
    server = world.nats(config=users(u=permitted(["nrt.requests.other.nats.*"], ["_INBOX.>"]),
                                     service=permitted(*SERVICE)))
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), HOST)
    assert report.problems == ["requests"]
    assert report.find("requests")["grant"] == {"publish": [f"nrt.requests.{HOST}.*"]}
    assert "answer" in report.with_status("not checked")
    line = report.paste("requests")[0]
    server.reload(users(u=pasted(line, [], ["_INBOX.>"]), service=permitted(*SERVICE)))
    assert doctor(as_user(server), HOST).problems == []


def test_what_a_service_needs_for_its_host_does_not_take_its_requests(world, doctor):
    """The doctor subscribes in the queue group, to a method that nobody uses."""
    server = world.nats(config=users(u=permitted(["_INBOX.>"], [f"nrt.requests.{HOST}.* nrt",
                                                                     "nrt.streams.>", "$SRV.>"]),
                                     peer=""))
    service = world.serve(as_user(server), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), "--role", "service", HOST)
    assert report.problems == report.with_status("warning") == []
    assert "subject" not in [check["check"] for check in report.all["checks"]]
    assert service.running
    report = doctor(as_user(server), "--role", "service", "other.nats")
    assert report.problems == ["serving"]
    assert report.find("serving")["grant"] == {"subscribe": ["nrt.requests.other.nats.*"]}
