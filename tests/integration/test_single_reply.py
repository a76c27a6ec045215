"""Services that may send one reply to each request (allow_responses, exports between accounts), and
what lets them send more: docs/operations.md, Permissions."""

import hashlib
import time

import pytest

from harness.client import curl
from harness.clock import SLOW, Stopwatch
from harness.message import assert_problem
from harness.origin import plain
from harness.page import Section, Stage
from harness.world import NRT

HOST = "weather.nats"
UPGRADE = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
MIB = 1 << 20
BIG = bytes(range(256)) * (5 * MIB // 256)

# What the page permits, and what an operator has who has not read it.
ANSWERS, ACCOUNTS = Section("A service that may only answer"), Section("Between accounts")
RESPONSES, STREAM = 'allow_responses: { max: -1, expires: "2m" }', ", response_type: stream"


def config_of(section, without=None, instead=""):
    text = section.blocks[0][1]
    assert without is None or text.count(without) == 1
    return text.replace(without, instead) if without else text


def answer(request):
    if request.target == "/big":
        return plain(BIG)
    if request.target == "/events":
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n"
    if request.target == "/slow":
        time.sleep(0.3)  # longer than the 100 ms after which a service that may says `accept`
    return plain(hashlib.sha256(request.body).hexdigest())


class Setup:
    """A server of ours with one of the page's services and gateways, as two users of it."""

    def __init__(self, world, server, sidecar, gateway):
        self.world, self.server, self.sidecar, self.gateway = world, server, sidecar, gateway
        self.client = world.client(gateway)

    def get(self, *args, **options):
        return self.world.get(as_user(self.server, "client"), *args, **options)


def as_user(server, user):
    return server.url.replace("nats://", f"nats://{user}:change-me@")


def set_up(front, config, *args):
    world = front.world
    server = world.nats(config=config)
    sidecar = world.serve(as_user(server, "service"), HOST, world.origin(answer), args=args)
    return Setup(world, server, sidecar, front(
        as_user(server, "client"), "--route", f"/={HOST}", "--timeout", "5s"))


def of_page(world, title):
    stage = Stage(world, title)
    stage.origin(8081, answer)
    server, = stage.nats().values()
    sidecar, = stage.all("nrt serve")
    gateway, = stage.all("nrt gateway")
    return Setup(world, server, sidecar, gateway)


def small_ones_are_answered(setup):
    for method, target in (("GET", "/"), ("POST", "/"), ("GET", "/slow"), ("POST", "/slow")):
        with Stopwatch() as watch:
            assert setup.client.request(method, target).status == 200, (method, target)
        assert watch.seconds < 2 * SLOW


SINGLE = pytest.mark.parametrize("config, grants", [
    (config_of(ANSWERS, RESPONSES, "allow_responses: true"), ['publish to "_INBOX.>"', "allow_responses { max: -1 }"]),
    (config_of(ACCOUNTS, STREAM), ["response_type: stream"]),
    (config_of(ANSWERS), ['publish to "_INBOX.>"', "allow_responses { max: -1 }"]),
    (config_of(ACCOUNTS), ["response_type: stream"]),
], ids=["allow_responses", "export", "allow_responses without the option",
        "export of streams without the option"])


@SINGLE
def test_what_needs_several_replies_is_told_what_to_permit(world, front, config, grants):
    setup = set_up(front, config)
    small_ones_are_answered(setup)
    assert setup.client.get("/").get("NRT-Version") is None
    problem = assert_problem(setup.client.get("/big"), 502, "response-too-large")
    line = setup.sidecar.wait_line("do not fit one message each way: .*").group()
    for grant in grants:
        assert grant in problem["detail"] and grant in line
    assert "--multi-reply" in problem["detail"] and "--multi-reply" in line
    problem = assert_problem(setup.client.get("/events"), 502, "response-too-large")
    assert "--multi-reply" in problem["detail"]
    done = curl("--data-binary", "@-", setup.gateway.url + "/", "-w", "\n%{http_code}", data=BIG)
    text, status = done.text.rsplit("\n", 1)
    assert status == "413" and "--multi-reply" in text and "allow_responses" in text
    done = setup.get("--data-binary", "@" + world.file("big", BIG), f"http://{HOST}/", expect=1)
    assert "--multi-reply" in done.stderr
    answer = setup.client.request("GET", "/", fields=UPGRADE)
    assert "--multi-reply" in assert_problem(answer, 501, "unsupported")["detail"]
    small_ones_are_answered(setup)


@pytest.mark.parametrize("title", ["Permissions", ANSWERS.title, ACCOUNTS.title])
def test_with_the_permissions_of_the_page_bodies_may_be_of_any_size(world, title):
    setup = of_page(world, title)
    small_ones_are_answered(setup)
    assert setup.client.get("/").get("NRT-Version") == "1"
    assert setup.client.get("/big").body == BIG
    assert setup.client.post("/", BIG).text == hashlib.sha256(BIG).hexdigest()
    assert setup.get("-o", world.path("out"), f"http://{HOST}/big").stdout == ""
    with open(world.path("out"), "rb") as out:
        assert out.read() == BIG
    digest = setup.get("--data-binary", "@" + world.file("big", BIG), f"http://{HOST}/").stdout
    assert digest == hashlib.sha256(BIG).hexdigest()


def test_multi_reply_without_the_grant_is_noticed(world, front):
    setup = set_up(front, config_of(ANSWERS, RESPONSES, "allow_responses: true"), "--multi-reply")
    assert setup.client.get("/").status == 200
    assert setup.client.get("/slow").status in (502, 504)
    line = setup.sidecar.wait_line("does not permit a further reply to .*").group()
    assert "allow_responses { max: -1 }" in line and "--multi-reply" in line


def test_the_other_users_of_the_page_may_what_it_says(world):
    setup = of_page(world, "Permissions")
    done = world.run([NRT, "ls", "-s", as_user(setup.server, "operator")])
    assert HOST in done.stdout
    for user in ("operator", "client"):
        assert world.get(as_user(setup.server, user), "-d", "x", f"http://{HOST}/").stdout
    reader = as_user(setup.server, "reader")
    assert world.get(reader, f"http://{HOST}/").stdout
    done = world.get(reader, "-d", "x", f"http://{HOST}/", expect=1)
    assert "nrt.requests.weather.nats.post" in done.stderr


def test_services_of_another_account_are_seen_where_it_is_exported(world):
    section = Section("Seeing the services of another account")
    for response_type, instances in ((STREAM, 2), ("", 1)):
        server = world.nats(config=config_of(section, STREAM, response_type))
        for _ in range(2):
            world.serve(as_user(server, "service"), HOST, "http://127.0.0.1:1")
        operator = as_user(server, "operator")
        # Where one answer may pass, nats-server lets both through when they come at the same moment.
        looks = (world.run([NRT, "ls", "-s", operator]).stdout for _ in range(20))
        if instances == 2:
            assert "2 instances" in next(looks)
        else:
            assert any("1 instance" in look and look.count(HOST) == 1 for look in looks)
        done = world.get(operator, f"http://{HOST}/", expect=1)
        assert "nrt.requests.weather.nats.get" in done.stderr


def test_a_client_that_may_not_publish_to_streams_is_told_at_once(world, front):
    """What fits one message goes; what does not is refused by its own server, frame by frame."""
    config = Section("Permissions").file("permissions.conf")
    setup = set_up(front, config.replace(
        'nats.*", "nrt.streams.weather.nats.>"]', 'nats.*"]', 1))
    small_ones_are_answered(setup)
    path = world.file("big", BIG)
    with Stopwatch() as watch:
        done = setup.get("--data-binary", "@" + path, f"http://{HOST}/", expect=1)
    assert watch.seconds < 3 * SLOW
    assert "nrt.streams.weather.nats." in done.stderr and "permission" in done.stderr
    with Stopwatch() as watch:
        done = curl("--data-binary", "@" + path, setup.gateway.url + "/", "-w", "\n%{http_code}")
    text, status = done.text.rsplit("\n", 1)
    assert status == "403" and "nrt.streams.weather.nats." in text, text
    with Stopwatch() as watch:
        done = setup.get(f"http://{HOST}/big", "-o", world.path("out"), expect=18)
    assert watch.seconds < 3 * SLOW
    assert "nrt.streams.weather.nats." in done.stderr and "permission" in done.stderr
    small_ones_are_answered(setup)
