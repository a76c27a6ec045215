"""The harness itself: the raw NATS peer and the HTTP reader, on which every other test relies."""

import pytest

from harness import gowire
from harness.client import Client, curl
from harness.clock import until
from harness.message import Closed, Malformed, Reader, assert_problem, parse_answer, parse_request
from harness.natsserver import cluster
from harness.origin import plain


def test_a_published_message_reaches_a_subscriber_with_and_without_headers(nats, peer):
    sub = peer.subscribe("a.>")
    peer.publish("a.b", b"x\r\ny")
    peer.publish("a.c", b"body", reply="r", headers={"K": "v"})
    first, second = sub.next(), sub.next()
    assert (first.subject, first.payload, first.headers, first.reply) == ("a.b", b"x\r\ny", None, None)
    assert (second.payload, second.reply) == (b"body", "r")
    assert second.headers == b"NATS/1.0\r\nK: v\r\n\r\n"


def test_a_request_nobody_listens_to_brings_a_503(peer):
    assert peer.request("nobody.there", b"?").status == 503


def test_an_old_service_in_its_queue_group_answers_once(world, nats, peer):
    service = gowire.OldService(world.peer(nats), "old.nats", gowire.response(None, b"hi"))
    gowire.OldService(world.peer(nats), "old.nats", gowire.response(None, b"hi"))
    reply = peer.request("nrt.requests.old.nats.get", gowire.request("GET", "/", "old.nats"))
    assert parse_answer(reply.payload).body == b"hi"
    assert len(service.requests) in (0, 1)


def test_a_restarted_server_keeps_its_port(world, nats):
    port = nats.port
    nats.restart()
    assert nats.port == port
    world.peer(nats).flush()


def test_a_cluster_routes_between_its_servers(world):
    one, two = cluster(world.nats, ["one", "two"])
    sub = world.peer(two).subscribe("far")
    near = world.peer(one)

    def arrives():
        near.publish("far", b"x")
        near.flush()
        return not sub.none_waiting()

    until(arrives, "a message through the route")
    assert near.info["cluster"] == "C1" and near.info["server_name"] == "one"


def test_a_permission_violation_is_reported(world):
    server = world.nats(config='authorization { users [{user: u, password: p, '
                               'permissions: {publish: {deny: "secret"}}}] }')
    peer = world.peer(server.url.replace("nats://", "nats://u:p@"))
    peer.publish("secret", b"x")
    peer.flush()
    assert peer.errors == ["'Permissions Violation for Publish to \"secret\"'"]


def test_go_responses_are_what_net_http_writes():
    assert gowire.response(404, b"no", content_type="t").startswith(
        b"HTTP/0.0 404 Not Found\r\nContent-Length: 2\r\nContent-Type: t\r\nNrt-Client: 7\r\n")
    assert gowire.response().startswith(b"HTTP/0.0 000 status code 0\r\nNrt-Client")
    assert gowire.response().endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert gowire.response(None, b"x").startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n")
    assert parse_request(gowire.request("POST", "/", "a.nats", b"abc", chunked=True)).body == b"abc"


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    b"HTTP/0.0 200 OK\r\nContent-Length: 0\r\n\r\n",
])
def test_the_reader_refuses_what_is_not_well_formed(raw):
    with pytest.raises(Malformed):
        Reader(data=raw).answer()


def test_the_reader_tells_a_close_between_messages():
    with pytest.raises(Closed):
        Reader(data=b"").answer()


def test_a_problem_must_be_a_problem():
    answer = parse_answer(plain(b"{}", "404 Not Found", [("NRT-Error", "no-route")]))
    with pytest.raises(AssertionError):
        assert_problem(answer, 404, "no-route")


def test_origins_answer_raw_clients_and_curl(world):
    origin = world.origin(lambda request: plain(request.target))
    with Client(origin.url) as client:
        assert client.get("/a").body == b"/a"
        assert client.get("/b").body == b"/b"
    assert origin.connections == 1
    python = world.python_server()
    assert curl("-d", "data", python.url + "/p").text == "POST /p data"
    origin.stop()
    assert curl(origin.url).code == 7
