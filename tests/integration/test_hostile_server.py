"""A broken or hostile NATS server: bad greetings, giant lines, wrong sizes, messages for nobody,
junk, silence. A program says in one clear line what is wrong, tries again, and neither crashes nor
grows nor spins."""

import os
import re
import threading
import time

import pytest

from harness.client import request_bytes
from harness.clock import SLOW, until
from harness.fakenats import FakeNats, info
from harness.message import assert_problem, parse_answer
from harness.origin import plain
from harness.world import sanitized

GET = request_bytes("GET", "/", "weather.nats")


def cpu_seconds(child):
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """CPU time and memory of a program over a stretch of time."""

    def __init__(self, child):
        self.child = child
        until(lambda: child.status("VmRSS") > 2048, "the program is loaded")
        self.cpu, self.rss, self.at = cpu_seconds(child), child.status("VmRSS"), time.monotonic()

    def check(self, cpu_share=0.3, grown_kb=4096):
        assert self.child.running, self.child.transcript()
        passed = time.monotonic() - self.at
        used = cpu_seconds(self.child) - self.cpu
        assert used < max(0.1, cpu_share * passed) * SLOW, f"{used} s of CPU in {passed} s"
        if not sanitized():
            assert self.child.status("VmRSS") - self.rss < grown_kb


@pytest.fixture
def fake(world):
    def start(script):
        return world.closing(FakeNats(script))

    return start


class Broken:
    """The first `times` sessions go wrong as `bad` says, the later ones are those of a good server
    that delivers one request and takes the answer."""

    def __init__(self, bad, times=3):
        self.bad, self.times, self.lock = bad, times, threading.Lock()
        self.answer, self.done = None, threading.Event()

    def __call__(self, session):
        with self.lock:
            self.times -= 1
            bad = self.times >= 0
        if bad:
            self.bad(session)
            session.wait_closed()
            return
        session.send(info())
        session.handshake()
        sid = session.sid("nrt.requests.")
        session.send(b"MSG nrt.requests.weather.nats.get %s _INBOX.a.b %d\r\n%s\r\n" % (
            sid.encode(), len(GET), GET))
        self.answer = session.publish()
        self.done.set()
        session.wait_closed()


GREETINGS = {
    "nothing but a close": None, "an empty line": b"\r\n", "junk": b"\x16\x03\x01\x02\x00" * 50 + b"\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n", "INFO without JSON": b"INFO\r\n",
    "INFO with half of it": b'INFO {"server_id":"x"\r\n', "INFO with a list": b"INFO []\r\n",
    "INFO with null": b"INFO null\r\n", "an empty INFO": b"INFO {}\r\n",
    "INFO with a string as max_payload": info(max_payload="1"), "no max_payload": info(max_payload=0),
    "a negative max_payload": info(max_payload=-1), "a max_payload of 1e400":
    info().replace(b"1048576", b"1e400"), "a max_payload over 64 bits":
    info().replace(b"1048576", b"9" * 40), "no headers": info(headers=False),
    "TLS required": info(tls_required=True), "a deep INFO": b"INFO " + b"[" * 20000 + b"\r\n",
    "a key twice": b'INFO {"max_payload":1,"max_payload":2,"headers":true}\r\n',
    "NUL in INFO": b'INFO {"server_name":"a\0b"}\r\n', "not UTF-8": b'INFO {"server_name":"\xff"}\r\n',
    "bare LF": info().replace(b"\r\n", b"\n"), "PING first": b"PING\r\n" * 3 + b"-ERR 'x'\r\n",
    "MSG first": b"MSG a 1 0\r\n\r\n", "-ERR": b"-ERR 'maximum connections exceeded'\r\n",
    "a giant line": b"INFO {" + b" " * 2_000_000 + b"}\r\n", "a line without end": b"X" * 2_000_000,
}


@pytest.mark.parametrize("name", GREETINGS)
def test_a_bad_greeting_is_told_once_and_tried_again(world, fake, name):
    broken = Broken(lambda session: session.close() if GREETINGS[name] is None
                    else session.send(GREETINGS[name]))
    server = fake(broken)
    child = world.serve(server.url, "weather.nats", world.origin(plain("fine")), wait=False)
    watch = Watch(child)
    assert broken.done.wait(20 * SLOW), child.transcript()
    assert broken.answer[1] is None and parse_answer(broken.answer[2]).body == b"fine"
    watch.check(grown_kb=8192)
    told = [line for line in child.lines("stderr") if "serving" not in line]
    assert 1 <= len(told) <= 8 and all(len(line) < 500 for line in told), told
    assert all(line.isprintable() for line in told), told


def by_sid(text):
    """A message that needs the sid of the service's subscription."""
    def bad(session):
        session.send(info())
        session.handshake()
        session.send(text.replace(b"SID", session.sid("nrt.requests.").encode()))

    return bad


PROTOCOL = {
    "an unknown operation": b"HELO\r\n", "an empty line": b"\r\n", "binary": bytes(range(256)) + b"\r\n",
    "bare LF": b"PING\n", "a size too small": b"MSG a SID r 1\r\nabc\r\n",
    "a size too large by one": b"MSG a SID r 4\r\nabc\r\nPING\r\n", "a negative size":
    b"MSG a SID r -1\r\n\r\n", "a signed size": b"MSG a SID r +1\r\na\r\n", "a size in hex":
    b"MSG a SID r 0x1\r\na\r\n", "a size over 64 bits": b"MSG a SID r 99999999999999999999\r\n",
    "a size over 32 bits": b"MSG a SID r 4294967296\r\n", "no size": b"MSG a SID\r\n",
    "no arguments": b"MSG\r\n", "too many": b"MSG a SID r x 1\r\na\r\n", "a negative sid":
    b"MSG a -1 r 1\r\na\r\n", "a sid over 64 bits": b"MSG a 99999999999999999999 r 1\r\na\r\n",
    "a sid of letters": b"MSG a b r 1\r\na\r\n", "headers longer than all": b"HMSG a SID r 20 10\r\n",
    "negative headers": b"HMSG a SID r -1 10\r\n0123456789\r\n", "HMSG with one size":
    b"HMSG a SID 1\r\n", "a control line over 4 KiB": b"MSG " + b"a" * 100_000 + b" SID 1\r\na\r\n",
    "a line without end": b"MSG " + b"a" * 1_000_000, "INFO without JSON": b"INFO {\r\n",
    "-ERR": b"-ERR 'Stale Connection'\r\n", "a long -ERR": b"-ERR '" + b"e" * 3000 + b"'\r\n",
    "-ERR with escapes": b"-ERR '\x1b[2J\x1b]0;x\x07\x9b'\r\n", "-ERR without text": b"-ERR\r\n",
    "a refusal": b"-ERR 'User Authentication Expired'\r\n",
}


@pytest.mark.parametrize("name", PROTOCOL)
def test_broken_protocol_ends_that_connection_with_one_clear_line(world, fake, name):
    broken = Broken(by_sid(PROTOCOL[name]), times=1)
    server = fake(broken)
    child = world.serve(server.url, "weather.nats", world.origin(plain("fine")), wait=False)
    assert broken.done.wait(20 * SLOW), child.transcript()
    assert parse_answer(broken.answer[2]).body == b"fine"
    told = [line for line in child.lines("stderr") if "lost the connection" in line]
    assert len(told) == 1 and told[0].isprintable() and len(told[0]) < 500, child.transcript()


HARMLESS = {
    "MSG for a sid that is nobody's": b"MSG a 999999 1\r\na\r\n" * 1000, "sid 0": b"MSG a 0 1\r\na\r\n",
    "the largest sid": b"MSG a 18446744073709551615 1\r\na\r\n", "PONG that nobody asked for":
    b"PONG\r\n" * 1000, "+OK": b"+OK\r\n" * 1000, "PING": b"PING\r\n" * 1000,
    "INFO again and again": info() * 100, "lower case": b"ping\r\n", "white space":
    b"PING   \r\nMSG  a \t 999999   1\r\na\r\n", "an oversized message for nobody":
    b"MSG a 999999 30000000\r\n" + b"x" * 30_000_000 + b"\r\n",
    "a request without reply": b"MSG nrt.requests.weather.nats.get SID 0\r\n\r\n",
    "a request on another subject": b"MSG x SID $JS.API.x 0\r\n\r\n" * 10,
    "a permission error": b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n" * 3,
    "addresses of others": info(connect_urls=["127.0.0.1:1", "x" * 5000, "", ":", "[::", "a:b", "a:-1",
                                              "a:99999", 7, None, "u:p@h:1"] * 50),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_odd_and_harmless_does_not_end_the_connection(world, fake, name):
    done, answers = threading.Event(), []

    def script(session):
        session.send(info())
        session.handshake()
        sid = session.sid("nrt.requests.").encode()
        session.send(HARMLESS[name].replace(b"SID", sid))
        session.send(b"MSG nrt.requests.weather.nats.get %s _INBOX.a.b %d\r\n%s\r\n" % (
            sid, len(GET), GET))
        answers.append(session.publish())
        done.set()
        session.wait_closed()

    server = fake(script)
    child = world.serve(server.url, "weather.nats", world.origin(plain("fine")))
    watch = Watch(child)
    assert done.wait(10 * SLOW), child.transcript()
    assert server.count == 1 and answers[0][0] == "_INBOX.a.b"
    assert parse_answer(answers[0][2]).body == b"fine"
    watch.check(cpu_share=1, grown_kb=10 * 1024)


def test_slow_bytes_and_silence_keep_nobody_waiting_for_ever(world, fake):
    """A server that never finishes its greeting: requests fail in time, and it is given up."""
    good = threading.Event()

    def script(session):
        if not good.is_set():
            session.send(info())
            session.handshake()
            good.wait(10 * SLOW)
            return
        for byte in info()[:-2]:
            session.send(bytes([byte]))
        session.wait_closed()

    server = fake(script)
    gateway = world.gateway(server.url, "--route", "/=weather.nats")
    watch = Watch(gateway)
    good.set()
    gateway.wait_line("lost the connection")
    answer = world.client(gateway).get("/")
    assert_problem(answer, 503, "disconnected")
    until(lambda: server.count >= 3, "another attempt", 15 * SLOW)
    watch.check()


def test_a_server_that_ends_every_connection_is_not_hammered(world, fake):
    def script(session):
        session.send(info())
        session.handshake()

    server = fake(script)
    child = world.serve(server.url, "weather.nats", world.origin(plain("fine")), wait=False)
    until(lambda: server.count >= 3, "three attempts")
    watch, before = Watch(child), server.count
    watch.at = time.monotonic()
    until(lambda: time.monotonic() - watch.at > 2, "two seconds are over", 3, step=0.05)
    assert server.count - before < 60 * SLOW, f"{server.count - before} attempts in 2 s"
    watch.check(cpu_share=0.2)
    assert len(child.lines("stderr")) < 60


def test_replies_of_a_hostile_server_are_checked_like_everybody_elses(world, fake):
    texts = [b"x", b"", b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" * 2 + b"\0"]

    def script(session):
        session.send(info())
        session.handshake()
        sid = session.sid("_INBOX.").encode()
        for text in texts[:3]:
            _, reply, _ = session.publish()
            session.send(b"MSG _INBOX.x.y %s 5\r\nforge\r\n" % sid)
            session.send(b"MSG %s %s %d\r\n%s\r\n" % (reply.encode(), sid, len(text), text))
        session.publish()
        session.close()

    server = fake(script)
    client = world.client(world.gateway(server.url, "--route", "/=weather.nats"))
    for _ in range(3):
        assert_problem(client.get("/"), 502, "bad-response")
    assert_problem(client.request("POST", "/"), 502, "aborted")


def test_an_absurd_max_payload_does_not_make_a_program_grow_without_bound(world, fake):
    """A body is never collected beyond what can be sent at all."""
    piece, total = b"x" * (1 << 20), 400

    def script(session):
        session.send(info(max_payload=1 << 62))
        session.handshake()
        session.wait_closed()

    gateway = world.gateway(fake(script).url, "--route", "/=weather.nats")
    client = world.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(total):
            client.send(b"100000\r\n" + piece + b"\r\n")
            if client.readable(0):
                break
    except ConnectionError:
        pass
    assert gateway.status("VmHWM") < 200 * 1024
    assert_problem(client.answer(), 413, "too-large")


def test_text_of_a_hostile_server_is_shown_without_control_characters(world, fake):
    evil = "\x1b[31m\x1b]0;owned\x07\u009b\u2028nrt: all is well"

    def script(session):
        session.send(info(server_name=evil, cluster=evil, version=evil))
        session.handshake()
        session.send(b"-ERR 'Permissions Violation for Publish to \"\x1b[31mx\"'\r\n")
        session.send(b"-ERR '\x1b[31mgo away'\r\n")
        session.wait_closed()

    child = world.serve(fake(script).url, "weather.nats", world.origin(plain("x")), wait=False,
                        args=["-v"])
    child.wait_line("go away")
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", child.raw("stderr"))
