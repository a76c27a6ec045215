"""The public library, through small C programs that use nothing else: programs/*.c."""

import glob
import os
import signal
import subprocess

import pytest

from harness import gowire
from harness.clock import DEADLINE, until
from harness.message import assert_problem, parse_answer
from harness.world import BUILD, program, sanitized

SUBJECT = "nrt.requests.weather.nats."
SLOW = "nrt.requests.slow.nats.*"
pytestmark = pytest.mark.threads


@pytest.fixture
def ask(world, nats, peer):
    """Asks the handlers of programs/handlers.c as an old client."""
    world.handlers(nats, "weather.nats", workers=1)

    def ask(target, method="GET", body=None, fields=()):
        payload = gowire.request(method, target, "weather.nats", body, fields=fields)
        reply = peer.request(SUBJECT + method.lower(), payload)
        return parse_answer(reply.payload, method)

    return ask


# ---- what a handler writes is what any HTTP server would send ----------------------------------


def test_a_handler_that_writes_in_pieces_sends_them_all(ask):
    """The original's second Write replaced the first."""
    answer = ask("/pieces")
    assert (answer.status, answer.body) == (201, b"one, two, three")


@pytest.mark.parametrize("status, reason", [
    (200, "OK"), (201, "Created"), (404, "Not Found"), (418, None), (503, "Service Unavailable"),
    (599, None)])
def test_a_handler_that_sets_only_a_status_sends_it_with_an_empty_body(ask, status, reason):
    answer = ask(f"/status/{status}")
    assert (answer.status, answer.body, answer.get("Content-Length")) == (status, b"", "0")
    assert reason is None or answer.reason == reason
    assert answer.error is None


@pytest.mark.parametrize("status", [199, 100, 0, 600, -1])
def test_a_status_outside_200_to_599_is_refused_to_the_handler(ask, status):
    assert ask(f"/status/{status}").status == 200


def test_a_handler_that_writes_nothing_sends_200_and_an_empty_body(ask):
    answer = ask("/nothing")
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"")
    assert answer.get("Content-Length") == "0"


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_written_for_204_or_304_is_not_sent(ask, status):
    answer = ask(f"/body/{status}")
    assert (answer.status, answer.body) == (status, b"")


def test_a_body_written_for_head_is_only_counted(ask):
    answer = ask("/pieces", "HEAD")
    assert (answer.status, answer.body, answer.get("Content-Length")) == (201, b"", "15")


def test_a_handler_sees_the_request_without_nrt_and_hop_by_hop_fields(ask):
    text = ask("/request?q", "POST", b"a body", [
        ("X-One", "1"), ("NRT-ID", "forged"), ("Connection", "X-Hop"), ("X-Hop", "x")]).text
    head, _, body = text.partition("\n\n")
    lines = head.split("\n")
    assert lines[:3] == ["POST", "/request?q", "weather.nats"]
    names = [line.split(":")[0].lower() for line in lines[3:]]
    assert "x-one" in names and body == "a body"
    assert {"nrt-id", "connection", "x-hop", "transfer-encoding"}.isdisjoint(names)


def test_a_handler_reads_a_chunked_body_as_its_content(world, nats, peer, ask):
    payload = gowire.request("POST", "/echo", "weather.nats", b"all of it", chunked=True)
    assert parse_answer(peer.request(SUBJECT + "post", payload).payload).body == b"all of it"


def test_framing_and_nrt_fields_of_a_handler_are_made_by_the_library(ask):
    answer = ask("/fields")
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert (answer.body, answer.get("Content-Length")) == (b"fields", "6")
    assert answer.get("NRT-ID") != "forged" and answer.error is None
    assert {"connection", "transfer-encoding", "bad name", "split", "injected", "outer"}.isdisjoint(
        answer.names())


def test_the_id_a_handler_sees_is_the_one_that_is_sent(ask):
    answer = ask("/id")
    assert answer.text and answer.text == answer.get("NRT-ID")


def test_a_deferred_exchange_is_ended_later_by_another_thread(ask):
    assert ask("/later").body == b"late"


def test_a_response_over_max_payload_becomes_a_502(ask):
    assert_problem(ask("/bytes/2000000"), 502, "response-too-large")
    assert ask("/bytes/1000000").body == b"\0" * 1_000_000


def test_a_problem_is_problem_json(ask):
    answer = ask("/problem/422")
    assert (answer.status, answer.get("Content-Type")) == (422, "application/problem+json")
    assert answer.json["status"] == 422 and answer.json["detail"] == "as asked"


def test_handlers_run_on_the_connections_thread_too(world, nats, peer):
    world.handlers(nats, "inline.nats", workers=0)
    reply = peer.request("nrt.requests.inline.nats.get", gowire.request("GET", "/pieces", "inline.nats"))
    assert parse_answer(reply.payload).body == b"one, two, three"


def test_an_nrt_conn_drain_answers_what_is_with_the_workers(world, nats, peer):
    child = world.handlers(nats, "weather.nats", workers=4)
    sub = peer.subscribe(peer.inbox())
    for _ in range(8):
        peer.publish(SUBJECT + "get", gowire.request("GET", "/sleep/100", "weather.nats"), sub.subject)
    peer.flush()
    peer.request(SUBJECT + "get", gowire.request("GET", "/sleep/0", "weather.nats"))
    child.signal(15)
    assert child.wait() == 0
    bodies = [parse_answer(sub.next().payload).body for _ in range(8)]
    assert bodies == [b"slept"] * 8


# ---- one process, many hosts, one connection ---------------------------------------------------


def test_three_hosts_and_a_client_of_a_fourth_share_one_connection(world):
    nats = world.nats(monitor=True)
    child = world.program("three_hosts", nats.url)
    child.wait_line("^ready$", "stdout")
    hosts = ["one.nats", "two.nats", "three.nats"]
    ours, = nats.connections()
    assert {f"nrt.requests.{host}.*" for host in hosts} <= set(ours["subscriptions_list"])

    peer = world.peer(nats)
    gowire.OldService(peer, "four.nats", gowire.response(None, b"four"))

    def get(host, target="/"):
        reply = peer.request(f"nrt.requests.{host}.get", gowire.request("GET", target, host))
        return reply if reply.status else parse_answer(reply.payload)

    assert [get(host).text for host in hosts] == hosts
    assert {get(host).get("NRT-Client") for host in hosts} == {str(ours["cid"])}
    assert get("one.nats", "/ask").text == "four"
    assert len(nats.connections()) == 2, "the program's and the test's"

    assert get("one.nats", "/stop").text == "two.nats is stopped"
    assert get("two.nats").status == 503, "nobody listens"
    assert [get(host).text for host in ("one.nats", "three.nats")] == ["one.nats", "three.nats"]
    assert get("one.nats", "/ask").text == "four"
    assert get("three.nats", "/leave").text == "three.nats"
    assert child.wait() == 0


def test_a_service_leaves_its_queue_group_and_comes_back(world, nats):
    world.run([program("pausing"), nats.url])


# ---- a library that behaves in other people's programs -----------------------------------------


@pytest.fixture
def echo(world, nats):
    world.handlers(nats, "echo.nats")


def test_after_fork_the_child_gets_an_error_and_the_parent_goes_on(world, nats, echo):
    world.run([program("forked"), nats.url, "http://echo.nats/"])


def test_another_thread_gets_an_error_and_may_post(world, nats, echo):
    world.run([program("wrong_thread"), nats.url, "http://echo.nats/"])


def test_a_timeout_comes_to_a_program_with_a_poll_of_its_own(world, nats):
    silent = world.peer(nats).subscribe("nrt.requests.silent.nats.*")
    world.run([program("own_poll"), nats.url, "http://silent.nats/"])
    assert silent.next().subject == "nrt.requests.silent.nats.get"


def test_a_server_that_dies_raises_no_sigpipe(world, nats, echo):
    child = world.program("sigpipe", nats.url, "http://echo.nats/")
    child.wait_line("^connected$", "stdout")
    nats.kill()
    child.wait_line("^disconnected$", "stdout")
    nats.start()
    assert child.wait() == 0


def test_a_server_that_hangs_is_left_for_another(world):
    """Its sockets stay open and nothing comes: two unanswered pings end the connection."""
    servers = {server.url: server for server in (world.nats(), world.nats())}
    for server in servers.values():
        gowire.OldService(world.peer(server), "echo.nats", gowire.response(None, b"x"))
    child = world.program("hung_server", ",".join(servers), "http://echo.nats/")
    hung = servers[child.wait_line("^nats://.*$", "stdout").group()]
    hung.pause()
    try:
        assert child.wait() == 0
    finally:
        hung.resume()
    assert len(set(child.lines())) == 2


def test_the_library_prints_nothing(world, nats, peer):
    gowire.OldService(peer, "garbage.nats", b"no HTTP")
    done = world.run([program("quiet"), nats.url, "nats://127.0.0.1:1"])
    assert (done.raw("stdout"), done.raw("stderr")) == (b"", b"")


def test_logging_goes_to_a_callback_and_nowhere_else(world, nats, peer):
    gowire.OldService(peer, "garbage.nats", b"no HTTP")
    done = world.run([program("quiet"), nats.url, "nats://127.0.0.1:1", "log"])
    assert (done.raw("stdout"), done.raw("stderr")) == (b"", b"")


def test_callbacks_cancels_timeouts_and_drains_keep_their_promises(world, nats, peer, echo):
    gowire.OldService(peer, "silent.nats", None)
    slow = peer.subscribe("nrt.requests.slow.nats.*", "nrt")
    child = world.program("callbacks", nats.url)
    request = slow.next()
    peer.flush()
    assert child.running, "its drain waits for this answer"
    peer.publish(request.reply, gowire.response(None, b"slow"))
    assert child.wait() == 0


def test_a_program_on_libevent_serves_and_asks(world, nats):
    world.run([program("on_libevent"), nats.url])


def test_a_program_on_libevent_survives_a_restart_of_the_server(world, nats):
    nats.kill()
    child = world.program("on_libevent", nats.url)
    nats.start()
    assert child.wait() == 0


def test_structs_of_older_headers_are_read_as_far_as_they_go(world, nats):
    world.run([program("older"), nats.url])


def test_a_thread_that_cannot_drive_its_connection_says_so(world, nats):
    world.peer(nats).subscribe("nrt.requests.silent.nats.*")
    world.run([program("broken"), nats.url, "http://silent.nats/"])


# ---- ending by a signal ------------------------------------------------------------------------


def begin(world, server, child):
    """A request that the program is at."""
    until(lambda: SLOW in str(server.monitoring("/subsz?subs=1")), "it serves")
    skip = len(child.lines("stdout"))
    asking = world.nrt("get", "--server", server.url, "http://slow.nats/", name="get")
    child.wait_line("^handling$", "stdout", skip=skip)
    return asking


def left(server, subject):
    until(lambda: subject not in str(server.monitoring("/subsz?subs=1")), f"{subject} is left")


def answer(child):
    child.stdin.write(b".")
    child.stdin.flush()


@pytest.mark.parametrize("mode", ["plain", "blocked", "thread", "fork", "two"])
def test_a_signal_ends_a_program_and_what_has_begun_is_finished(world, mode):
    """Whichever thread it comes to; the program's own handler is back afterwards, and it can do so again."""
    if mode == "fork" and sanitized("tsan"):
        pytest.skip("in a child of a process with threads, TSan keeps signals to itself")
    server = world.nats(monitor=True)
    child = world.program("until_signal", server.url, "slow.nats", mode, stdin=subprocess.PIPE)
    if mode == "fork":
        child.wait_line("the child is gone", "stdout")
    for _ in range(2):
        asking = begin(world, server, child)
        child.signal(signal.SIGINT)  # is ignored, and stays so
        child.signal(signal.SIGTERM)
        left(server, SLOW)
        if mode == "two":
            left(server, "nrt.requests.other.nats.*")
        assert child.running and asking.running
        answer(child)
        assert asking.wait() == 0 and asking.stdout == "done\n"
    assert child.wait() == 0
    assert child.lines("stdout")[-1] == "left"


def test_a_second_signal_ends_it_at_once(world):
    server = world.nats(monitor=True)
    child = world.program("until_signal", server.url, "slow.nats", "plain", stdin=subprocess.PIPE)
    asking = begin(world, server, child)
    child.signal(signal.SIGTERM)
    left(server, SLOW)
    child.expected = -signal.SIGTERM
    child.signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    asking.expected = -signal.SIGKILL
    asking.kill()


# ---- its symbols -------------------------------------------------------------------------------


def test_only_public_names_are_exported(world):
    """Hidden by default: a program's own `buf_add` must not meet ours."""
    shared = glob.glob(os.path.join(BUILD, "src", "libnrt.so*")) or glob.glob(
        os.path.join(BUILD, "libnrt.so*"))
    libraries = [path for path in shared if not path.endswith(".p")]
    if not libraries:
        pytest.skip("libnrt is built static")
    names = subprocess.run(["nm", "-D", "--defined-only", libraries[0]], capture_output=True,
                           text=True, check=True).stdout.split("\n")
    # Of type A is the version that the others belong to (src/libnrt.map).
    exported = [line.split()[-1] for line in names if line and line.split()[-2] != "A"]
    assert exported and [name for name in exported if not name.startswith("nrt_")
                         or name.startswith("nrt__")] == []


def test_eight_threads_and_a_thousand_short_connections(world, nats):
    """Each with a connection of its own: all are answered, and nothing of them stays."""
    world.handlers(nats, "weather.nats")
    done = world.run([program("many_conns"), nats.url, "http://weather.nats/id"], timeout=DEADLINE * 6)
    assert done.lines("stdout") == ["1600 answered", "1000 answered"]
