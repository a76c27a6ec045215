"""Accounts and permissions of the NATS server: what docs/protocol.md tells operators to grant is
enough, grants by method mean what they say, and exchanges cross accounts."""

import pytest

from harness import gowire
from harness.clock import SLOW, Stopwatch
from harness.message import assert_problem, parse_answer
from harness.origin import plain

SUBJECT = "nrt.requests.weather.nats."

GRANTS = """authorization { users [
  { user: client, password: p, permissions: {
      publish: ["nrt.requests.weather.nats.*", "nrt.streams.weather.nats.>"],
      subscribe: "_INBOX.>" } }
  { user: reader, password: p, permissions: {
      publish: ["nrt.requests.weather.nats.get", "nrt.requests.weather.nats.head",
                "nrt.streams.weather.nats.>"],
      subscribe: "_INBOX.>" } }
  { user: service, password: p, permissions: {
      publish: "_INBOX.>",
      subscribe: ["nrt.requests.weather.nats.* nrt", "nrt.streams.weather.nats.>", "$SRV.>"] } }
  { user: responder, password: p, permissions: {
      publish: { deny: ">" }, allow_responses: true,
      subscribe: ["nrt.requests.weather.nats.*", "nrt.streams.weather.nats.>", "$SRV.>"] } }
  { user: deaf, password: p, permissions: { publish: "nrt.>", subscribe: "only.this" } }
] }"""

ACCOUNTS = """accounts {
  SERVERS { users [ { user: service, password: p } ]
            exports [ { service: "nrt.requests.weather.nats.*" } ] }
  CLIENTS { users [ { user: client, password: p } ]
            imports [ { service: { account: SERVERS, subject: "nrt.requests.weather.nats.*" } } ] }
}"""


def server_with(world, config):
    server = world.nats(config=config)
    server.as_user = lambda user: server.url.replace("nats://", f"nats://{user}:p@")
    return server


@pytest.mark.parametrize("service", ["service", "responder"])
def test_the_documented_permissions_are_enough(world, service):
    """For the service either publishing to inboxes or allow_responses."""
    server = server_with(world, GRANTS)
    origin = world.origin(lambda request: plain(request.method))
    world.serve(server.as_user(service), "weather.nats", origin)
    gateway = world.gateway(server.as_user("client"), "--route", "/=weather.nats")
    client = world.client(gateway)
    for method in ("GET", "POST", "DELETE"):
        assert client.request(method, "/").text == method
    assert world.get(server.as_user("client"), "http://weather.nats/").stdout == "GET"
    violations = [line for line in server.log().splitlines() if "Violation" in line]
    if service == "responder":  # it asked whether more than one reply is allowed
        assert len(violations) == 1 and "_INBOX.nrt.probe" in violations[0]
    else:
        assert violations == []


def test_who_may_only_get_cannot_post(world):
    server = server_with(world, GRANTS)
    origin = world.origin(lambda request: plain(request.method))
    world.serve(server.as_user("service"), "weather.nats", origin)
    client = world.client(world.gateway(server.as_user("reader"), "--route", "/=weather.nats"))
    assert client.get("/").text == "GET"
    for method in ("POST", "DELETE", "PUT"):
        with Stopwatch() as watch:
            problem = assert_problem(client.request(method, "/"), 403, "permission")
        assert SUBJECT + method.lower() in problem["detail"]
        assert watch.seconds < 0.25 * SLOW
    assert client.get("/").text == "GET"
    assert [request.method for request in origin.requests] == ["GET", "GET"]


def test_who_smuggles_a_post_in_on_the_subject_of_get_is_refused(world):
    server = server_with(world, GRANTS)
    origin = world.origin(plain("x"))
    world.serve(server.as_user("service"), "weather.nats", origin)
    peer = world.peer(server.as_user("reader"))
    reply = peer.request(SUBJECT + "get", gowire.request("POST", "/", "weather.nats", b"x"))
    assert_problem(parse_answer(reply.payload), 403, "method-mismatch")
    assert origin.requests == []


def test_a_client_that_may_not_hear_replies_is_told_at_once(world):
    """Without a subscription for its inbox no answer can come: waiting for one is of no use."""
    server = server_with(world, GRANTS)
    with Stopwatch() as watch:
        done = world.get(server.as_user("deaf"), "http://weather.nats/", expect=1)
    assert watch.seconds < 1 * SLOW
    assert "_INBOX" in done.stderr


# ---- across accounts ---------------------------------------------------------------------------


def test_a_service_in_another_account_answers(world):
    server = server_with(world, ACCOUNTS)
    origin = world.origin(lambda request: plain(b"hello " + request.body))
    world.serve(server.as_user("service"), "weather.nats", origin)
    client = world.client(world.gateway(server.as_user("client"), "--route", "/=weather.nats"))
    for number in range(3):
        answer = client.post("/", b"%d" % number)
        assert answer.body == b"hello %d" % number
        assert answer.get("NRT-Connected-Server") == "alpha"
    assert world.get(server.as_user("client"), "http://weather.nats/").stdout == "hello "


def test_an_empty_answer_crosses_accounts_too(world):
    """A header-less empty message would end the reply mapping; an HTTP response is never empty."""
    server = server_with(world, ACCOUNTS)
    world.serve(server.as_user("service"), "weather.nats",
                world.origin(b"HTTP/1.1 204 No Content\r\n\r\n"))
    client = world.client(world.gateway(server.as_user("client"), "--route", "/=weather.nats"))
    for _ in range(3):
        assert client.get("/").status == 204


def test_across_accounts_a_missing_service_is_found_out_by_the_timeout_at_the_latest(world):
    """nats-server 2.9 sends no 503 there."""
    server = server_with(world, ACCOUNTS)
    gateway = world.gateway(server.as_user("client"), "--route", "/=weather.nats", "--timeout", "500ms")
    with Stopwatch() as watch:
        answer = world.client(gateway).get("/")
    assert (answer.status, answer.error) in [(504, "timeout"), (503, "no-service")]
    assert watch.seconds < 0.8 * SLOW


@pytest.mark.parametrize("inbox", ["_INBOX_alice.1.2", "private.alice.inbox.7"])
def test_an_old_client_with_an_inbox_prefix_of_its_own_is_answered(world, nats, peer, inbox):
    """Clients that do not trust one another are given inboxes of their own."""
    world.serve(nats, "weather.nats", world.origin(plain("x")))
    sub = peer.subscribe(inbox)
    peer.publish(SUBJECT + "get", gowire.request("GET", "/", "weather.nats"), inbox)
    assert parse_answer(sub.next().payload).body == b"x"


def test_a_token_is_taken_from_the_url_and_shown_nowhere(world):
    server = world.nats(config='authorization { token: "s3cret-token" }')
    url = server.url.replace("nats://", "nats://s3cret-token@")
    serving = world.serve(url, "weather.nats", world.origin(plain("x")), args=["--verbose"])
    assert world.get(url, "-v", "http://weather.nats/").stdout == "x"
    server.restart()
    serving.wait_line("lost the connection")
    done = world.get(server.url, "--timeout", "300ms", "http://weather.nats/", expect=1)
    for child in (serving, done):
        assert "s3cret" not in child.stdout + child.stderr
