"""`nrt get` with bodies of any size and duration: what is sent is read as it goes, what comes is
printed when it comes, and what breaks off does not pass for whole."""

import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import gowire
from harness.clock import DEADLINE, LONG, SLOW, Stopwatch, until
from harness.message import Request, parse_request
from harness.origin import plain
from harness.world import NRT, sanitized
from test_bridge_streams import Sized, digest_of, pattern

MIB = 1 << 20
SIZE = (1024 if LONG else 300) * MIB
RSS_MAX = 24 * 1024  # KiB, all of the program


@pytest.fixture
def service(world, nats):
    """programs/streamer.c, by callbacks."""
    child = world.program("streamer", nats.url, "weather.nats", 0)
    child.wait_line(r"^ready$", "stdout")
    return child


@pytest.fixture
def sized(world, nats):
    """A Python server that counts and hashes, behind a sidecar."""
    return world.serve(nats, "weather.nats", world.python_server(Sized))


def url(path):
    return "http://weather.nats" + path


def start(world, nats, *args, **options):
    return world.start([NRT, "get", "--server", nats.url, *args], "nrt get", **options)


def peak_of(child):
    """Waits for its end; the most memory that it was seen to have, in KiB."""
    peak = 0

    def ended():
        nonlocal peak
        try:
            peak = max(peak, child.status("VmHWM"))
        except (OSError, AssertionError, ValueError, StopIteration, TypeError):
            pass  # it has just gone
        return not child.running
    until(ended, "the transfer is over", timeout=DEADLINE * 30, step=0.02)
    return peak


def upload_file(world, size):
    path = world.path("upload")
    with open(path, "wb") as out:
        for at in range(0, size, MIB):
            out.write(pattern(min(MIB, size - at)))
    return path


# ---- size ----------------------------------------------------------------------------------------


def test_a_large_download_is_whole_and_costs_no_memory(world, nats, sized):
    path = world.path("download")
    child = start(world, nats, "-o", path, url(f"/{SIZE}"))
    peak = peak_of(child)
    assert child.wait() == 0 and child.stderr == ""
    with open(path, "rb") as data:
        assert hashlib.file_digest(data, "sha256").hexdigest() == digest_of(SIZE)
    assert sanitized() or 0 < peak < RSS_MAX


@pytest.mark.parametrize("how", ["-T", "--data-binary @"])
def test_a_large_file_is_sent_whole_and_costs_no_memory(world, nats, sized, how):
    path = upload_file(world, SIZE)
    args = ["-X", "POST", "-T", path] if how == "-T" else ["--data-binary", "@" + path]
    child = start(world, nats, *args, "-w", "%{stderr}%{size_upload}", url("/"))
    peak = peak_of(child)
    assert child.wait() == 0 and child.stdout == digest_of(SIZE)
    assert child.stderr == str(SIZE)
    assert sanitized() or 0 < peak < RSS_MAX


def test_standard_input_of_unknown_length_is_sent_whole_and_costs_no_memory(world, nats, sized):
    child = start(world, nats, "-X", "POST", "-T", "-", url("/"), stdin=subprocess.PIPE)
    for at in range(0, SIZE, MIB):
        child.stdin.write(pattern(min(MIB, SIZE - at)))
    child.stdin.close()
    peak = peak_of(child)
    assert child.wait() == 0 and child.stdout == digest_of(SIZE)
    assert sanitized() or 0 < peak < RSS_MAX


def test_sizes_around_what_one_message_takes(world, nats, sized):
    edges = {edge + by for edge in (0, 16 << 10, 64 << 10, MIB - 1024, MIB, 2 * MIB) for by in (-1, 0, 1)}
    for size in sorted(edge for edge in edges if edge >= 0):
        body = b"".join(pattern(min(MIB, size - at)) for at in range(0, size, MIB))
        wanted = hashlib.sha256(body).hexdigest()
        path = world.file("body", body)
        for args, data in ((["-T", path], None), (["-T", "-"], body)):
            done = world.get(nats, "-X", "POST", *args, url("/"), data=data)
            assert done.stdout == wanted, (size, args)
        done = world.get(nats, url(f"/{size}"))
        assert hashlib.sha256(done.raw()).hexdigest() == wanted


def test_d_of_a_large_file_leaves_out_line_ends(world, nats, sized):
    path = world.file("lines", b"some words\r\nin lines\n\0" * 150000)
    wanted = hashlib.sha256(b"some wordsin lines" * 150000).hexdigest()
    assert world.get(nats, "-d", "@" + path, url("/")).stdout == wanted


# ---- as it comes ---------------------------------------------------------------------------------


def test_events_are_printed_when_they_are_sent(world, nats):
    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(5):
            connection.send(f"data: {number}\n")
            child.wait_line(f"^data: {number}$", "stdout")  # before the next one is written
        connection.close()
    world.serve(nats, "weather.nats", world.origin(script=script))
    child = start(world, nats, "-N", url("/events"))
    assert child.wait(DEADLINE) == 0
    assert child.lines() == [f"data: {number}" for number in range(5)]


def test_what_is_typed_goes_at_once_and_comes_back(world, nats, service):
    child = start(world, nats, "-X", "POST", "-T", "-", url("/echo"), stdin=subprocess.PIPE)
    for number in range(5):
        child.stdin.write(b"line %d\n" % number)
        child.stdin.flush()
        child.wait_line(f"^line {number}$", "stdout")
    child.stdin.close()
    assert child.wait() == 0


def test_a_reader_that_stops_holds_up_the_service_and_loses_nothing(world, nats, service):
    count = 20_000_000
    child = subprocess.Popen([NRT, "get", "--server", nats.url, url(f"/bytes/{count}")],
                             stdout=subprocess.PIPE)
    with child, Stopwatch() as watch:
        assert child.stdout.read(10) == b"x" * 10
        # Another one is not held up meanwhile.
        assert world.get(nats, url("/bytes/1000000")).raw() == b"x" * 1000000
        assert service.status("VmRSS") < 64 * 1024 or sanitized()
        assert child.stdout.read() == b"x" * (count - 10)
        assert child.wait(DEADLINE) == 0
    assert watch.seconds < DEADLINE


def test_interim_responses_and_trailers_are_shown_by_v(world, nats, service):
    lines = world.get(nats, "-v", url("/hints")).stderr.splitlines()
    assert lines.index("< HTTP/1.1 103 Early Hints") < lines.index("< HTTP/1.1 200 OK")
    assert lines.count("< Link: </a.css>; rel=preload") == 2
    origin = world.origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
    world.serve(nats, "other.nats", origin)
    assert world.get(nats, "-v", "http://other.nats/").stderr.splitlines()[-1] == "< X-Sum: 7"


def test_a_body_waits_to_be_asked_for_with_expect(world, nats):
    def script(connection):
        request = connection.reader.head(Request)
        assert request.get("Expect") == "100-continue"
        assert not select.select([connection.sock], [], [], 0.3)[0]
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        body = connection.reader.exactly(2 * MIB)
        text = hashlib.sha256(body).hexdigest()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}")
    world.serve(nats, "weather.nats", world.origin(script=script))
    done = world.get(nats, "-T", upload_file(world, 2 * MIB), "-H", "Expect: 100-continue", url("/x"))
    assert done.stdout == digest_of(2 * MIB)


def test_a_long_poll_outlasts_the_timeout_while_the_service_lives(world, nats, service):
    done = world.get(nats, "--timeout", "300ms", url("/wait"), expect=1)
    assert "no answer from weather.nats within 300 ms" in done.stderr
    service.wait_line("^canceled /wait", "stdout")
    child = start(world, nats, "--timeout", "300ms", "--long-poll", url("/wait"))
    service.wait_line("^waiting", "stdout", skip=3)
    with pytest.raises(subprocess.TimeoutExpired):
        child.proc.wait(1.0)
    service.expected = None
    service.kill()
    assert child.wait(15 * SLOW) == 1
    child.expected = 1
    assert "weather.nats: " in child.stderr


# ---- what goes wrong -----------------------------------------------------------------------------


def test_a_response_that_breaks_off_is_exit_18_and_the_file_is_named(world, nats, service):
    path = world.path("part")
    child = start(world, nats, "-o", path, url("/bytes/5000000000"))
    until(lambda: os.path.exists(path) and os.path.getsize(path) > MIB, "some of it is there")
    service.expected = None
    service.kill()
    assert child.wait(15 * SLOW) == 18
    child.expected = 18
    size = os.path.getsize(path)
    assert f"broke off after {size} bytes" in child.stderr and f"{path} holds the beginning" in child.stderr
    broken = world.program("streamer", nats.url, "broken.nats", 0)
    broken.wait_line(r"^ready$", "stdout")
    done = world.get(nats, "http://broken.nats/broken", expect=18)
    assert done.stdout == "half"


def test_a_closed_origin_connection_in_the_middle_is_exit_18(world, nats):
    origin = world.origin(script=lambda connection: (
        connection.read(), connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning"),
        connection.close()))
    world.serve(nats, "weather.nats", origin)
    done = world.get(nats, url("/"), expect=None)
    assert done.expected is None and done.proc.returncode in (0, 18)
    if done.proc.returncode == 0:  # all within a moment: the sidecar could still say so
        assert "bad-origin-response" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_exchange_and_ends_the_program(world, nats, service, number):
    child = start(world, nats, url("/wait"))
    child.expected = -number
    service.wait_line("^waiting", "stdout")
    with Stopwatch() as watch:
        child.signal(number)
        assert child.wait() == -number
        service.wait_line("^canceled /wait", "stdout")
    assert watch.seconds < 2 * SLOW and child.stderr == ""


def test_output_that_nobody_reads_any_more_cancels_the_exchange(world, nats, service):
    child = subprocess.Popen([NRT, "get", "--server", nats.url, url("/bytes/5000000000")],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        assert child.stdout.read(5) == b"x" * 5
        child.stdout.close()
        assert child.wait(DEADLINE) == 23
        assert b"cannot write to standard output: Broken pipe" in child.stderr.read()
    service.wait_line("^canceled /bytes/", "stdout")


def test_f_does_not_wait_for_a_body_that_it_does_not_print(world, nats):
    def script(connection):
        connection.read()
        connection.send("HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\n\r\nfor ever\n")
        connection.wait_closed()
    world.serve(nats, "weather.nats", world.origin(script=script))
    done = world.get(nats, "-f", url("/"), expect=22)
    assert done.stdout == "" and "404" in done.stderr


def test_a_body_that_cannot_be_read_again_does_not_follow_a_redirect(world, nats):
    def answer(request):
        if request.target == "/start":
            return b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n"
        text = hashlib.sha256(request.body).hexdigest()
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
    world.serve(nats, "weather.nats", world.origin(answer))
    body = pattern(MIB) * 3
    done = world.get(nats, "-L", "-T", "-", url("/start"), data=body, expect=65)
    assert "cannot be read twice" in done.stderr and "/end" in done.stderr
    done = world.get(nats, "-L", "-T", world.file("again", body), url("/start"))
    assert done.stdout == hashlib.sha256(body).hexdigest()
    assert world.get(nats, "-L", "-T", "-", url("/start"), data=b"small").stdout == \
        hashlib.sha256(b"small").hexdigest()


def test_an_old_service_gets_a_slow_body_in_one_message(world, nats, peer):
    got = []

    def handle(message):
        request = parse_request(message.payload) if message.payload.startswith(b"PUT") else None
        if request:
            got.append(request.body)
            peer.publish(message.reply, gowire.response(200, b"thanks"))
    peer.subscribe("nrt.requests.weather.nats.*", "nrt", handle)
    peer.flush()
    child = start(world, nats, "-T", "-", url("/x"), stdin=subprocess.PIPE)
    child.stdin.write(b"first, ")
    child.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):  # longer than a body may take to come whole
        child.proc.wait(0.3 * SLOW)
    child.stdin.write(b"second")
    child.stdin.close()
    assert child.wait() == 0 and child.stdout == "thanks"
    assert got == [b"first, second"]


# ---- progress ------------------------------------------------------------------------------------


class Shown:
    """nrt get with a terminal as standard error; what is shown there."""

    def __init__(self, world, nats, *args, columns=80, term="xterm", foreground=True):
        self.leader, follower = pty.openpty()
        self.resize(columns)
        take = "exec \"$@\"" if foreground else "set -m; \"$@\" & wait"
        self.child = subprocess.Popen(["setsid", "-c", "bash", "-c", take, "bash", NRT, "get", "--server", nats.url, *args],
                                      stdin=follower, stderr=follower, stdout=subprocess.DEVNULL,
                                      env={**os.environ, "TERM": term})
        os.close(follower)
        self.bytes = b""
        world.closing(self)

    def resize(self, columns):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def more(self, seconds=0.02):
        """False when nobody has the terminal any more."""
        if select.select([self.leader], [], [], seconds)[0]:
            try:
                self.bytes += os.read(self.leader, 65536)
            except OSError:
                return False
        return True

    def wait(self, done):
        end = time.monotonic() + DEADLINE
        while not done():
            assert self.more() and time.monotonic() < end, self.bytes

    def lines(self):
        return [line for line in self.bytes.decode().replace("\x1b[K", "").split("\r") if line]

    def end(self):
        """All that was shown, once it is over."""
        end = time.monotonic() + DEADLINE
        while self.more():
            assert time.monotonic() < end, self.bytes
        self.child.wait(DEADLINE)
        return self.bytes.decode()

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.leader)


def half_then_wait(connection):
    connection.read()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n" + bytes(2097152))
    connection.wait_closed()


def test_a_long_download_shows_how_far_it_is(world, nats):
    """A bar, the rate and the time left; as wide as the terminal is now; and gone when it is over."""
    world.serve(nats, "weather.nats", world.origin(script=half_then_wait))
    shown = Shown(world, nats, "-o", "/dev/null", url("/"))
    shown.wait(lambda: b"left" in shown.bytes)
    assert re.search(r"received  50 % \[=+> +\]  2.0 MiB of 4.0 MiB, [\d.]+ [MK]iB/s, 0:0\d left", shown.bytes.decode())
    shown.resize(40)
    shown.wait(lambda: any(len(line) == 39 for line in shown.lines()))
    shown.resize(132)
    shown.wait(lambda: any(len(line) > 100 for line in shown.lines()))
    assert all(len(line) < 132 for line in shown.lines())
    shown.child.send_signal(signal.SIGTERM)
    assert shown.end().endswith("\r\x1b[K")


def test_a_download_of_unknown_length_shows_how_much_has_come(world, nats):
    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3 << 20))
        connection.wait_closed()
    world.serve(nats, "weather.nats", world.origin(script=script))
    shown = Shown(world, nats, "-o", "/dev/null", url("/"))
    shown.wait(lambda: b"received 3.0 MiB, " in shown.bytes)
    assert "left" not in shown.bytes.decode() and "%" not in shown.bytes.decode()


def test_a_long_upload_shows_how_far_it_is(world, nats):
    def script(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.sock.recv(1)
        connection.wait_closed()
    world.serve(nats, "weather.nats", world.origin(script=script))
    shown = Shown(world, nats, "-o", "/dev/null", "-T", world.file("big", bytes(64 << 20)), url("/"))
    shown.wait(lambda: re.search(rb"sent +\d+ % \[=*> +\]  [\d.]+ .?i?B of 64.0 MiB, [\d.]+ .?i?B/s, ", shown.bytes))


def test_a_terminal_that_knows_no_escapes_gets_none(world, nats):
    world.serve(nats, "weather.nats", world.origin(script=half_then_wait))
    shown = Shown(world, nats, "-o", "/dev/null", url("/"), term="dumb")
    shown.wait(lambda: b"left" in shown.bytes)
    shown.child.send_signal(signal.SIGTERM)
    text = shown.end()
    assert "\x1b" not in text and re.search(r"\r +\r$", text), "blanks take it away"


def slow_by(seconds):
    def script(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi")
        assert not select.select([connection.sock], [], [], seconds)[0]
        connection.send("ho")
        connection.close()
    return script


@pytest.mark.parametrize("option", ["-s", "--no-progress-meter"])
def test_progress_is_not_shown_where_nobody_wants_it(world, nats, option):
    world.serve(nats, "weather.nats", world.origin(script=slow_by(1.5)))  # longer than it takes to show
    assert Shown(world, nats, option, "-o", "/dev/null", url("/")).end() == ""


def test_progress_is_not_shown_by_a_program_in_the_background(world, nats):
    world.serve(nats, "weather.nats", world.origin(script=slow_by(1.5)))
    shown = Shown(world, nats, "-o", "/dev/null", url("/"), foreground=False)
    assert "received" not in shown.end()


def test_what_is_quick_shows_nothing(world, nats):
    world.serve(nats, "weather.nats", world.origin(plain(b"x" * 4194304)))
    assert Shown(world, nats, "-o", "/dev/null", url("/")).end() == ""
