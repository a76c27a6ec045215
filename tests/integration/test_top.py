"""`nrt top` over real servers, on a real terminal of 80 by 24."""

import fcntl
import json
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

from harness.clock import DEADLINE, until
from harness.natsserver import cluster
from harness.world import NRT, sanitized


class Terminal:
    """nrt top on a pseudo terminal; `lines` is what it shows now."""

    def __init__(self, server, *args, rows=24, columns=80, env=None):
        self.main, side = pty.openpty()
        self.before = termios.tcgetattr(side)
        self.resize(rows, columns)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "LC_"))}
        clean.update({"TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1", "XDG_CONFIG_HOME": "/nonexistent", **(env or {})})
        self.process = subprocess.Popen([NRT, "top", "--server", server.url, *args], stdin=side, stdout=side, stderr=side,
                                        env=clean, start_new_session=True)
        self.side = side
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.main], [], [], 0)[0]:
            try:
                self.seen += os.read(self.main, 65536)
            except OSError:
                return

    @property
    def lines(self):
        """The last whole frame."""
        self.read()
        frames = self.seen.split(b"\033[H")
        whole = [frame for frame in frames[1:] if frame.rstrip().endswith(b"\033[J") or b"\033[J" in frame]
        text = whole[-1].split(b"\033[J")[0].decode() if whole else ""
        return [re.sub(r"\033\[[0-9;?]*[A-Za-z]|\r", "", line) for line in text.split("\n")]

    def text(self):
        return "\n".join(self.lines)

    def row(self, label):
        return next((line for line in self.lines if line.startswith(label)), None)

    def selected(self):
        self.read()
        found = re.findall(rb"\033\[7m(\S+)", self.seen.split(b"\033[H")[-1])
        return found[-1].decode() if found else None

    def type(self, keys):
        os.write(self.main, keys.encode())

    def wait(self):
        """Until it has ended; its exit code."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < end, self.text()
            time.sleep(0.005)
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.side)
        os.close(self.main)


@pytest.fixture
def nodes(world):
    return cluster(world.nats, ["n1", "n2"])


@pytest.fixture
def services(world, nodes):
    """Two instances of weather.nats, on two servers, and one of other.nats."""
    return [world.handlers(nodes[0], "weather.nats"), world.handlers(nodes[1], "weather.nats"),
            world.handlers(nodes[0], "other.nats")]


def load(world, server, *args):
    child = world.nrt("bench", "--server", server.url, "-c", "8", "--rate", "300", "-d", "1h", *args)
    child.expected = None
    return child


def json_of(world, server, *args, expect=0):
    return json.loads(world.run([NRT, "top", "--server", server.url, "--json", *args], expect=expect).stdout)


# ---- for scripts -------------------------------------------------------------------------------


def test_json_has_rates_errors_and_latencies_by_instance(world, nodes, services):
    load(world, nodes[0], "http://weather.nats/status/500")
    load(world, nodes[1], "http://weather.nats/")

    def measured():
        got = json_of(world, nodes[0], "--interval", "500ms")
        weather = next(one for one in got["services"] if one["host"] == "weather.nats")
        known = all(one["requests_per_s"] is not None for one in weather["instances"])
        return known and weather["requests_per_s"] > 100 and (weather["error_share"] or 0) > 0.1 and got

    got = until(measured, "there is load")
    hosts = [one["host"] for one in got["services"]]
    assert hosts == ["weather.nats", "other.nats"]  # by load
    weather, other = got["services"]
    assert len(weather["instances"]) == 2
    assert sum(one["requests_per_s"] for one in weather["instances"]) == pytest.approx(weather["requests_per_s"])
    assert sum(one["requests"] for one in weather["instances"]) == weather["requests"]
    assert 0.1 < weather["error_share"] < 0.9 and weather["errors"] < weather["requests"]
    assert 0 < weather["p50_us"] <= weather["p99_us"]
    assert {one["server"] for one in weather["instances"]} == {"n1", "n2"}
    assert (other["requests_per_s"], other["error_share"], other["p50_us"], other["in_flight"]) == (0, None, None, 0)


def test_json_of_one_service_and_of_none(world, nodes, services):
    got = json_of(world, nodes[0], "--interval", "200ms", "other.nats")
    assert [one["host"] for one in got["services"]] == ["other.nats"]
    assert [one["host"] for one in json_of(world, nodes[0], "--interval", "200ms", "weather")["services"]] == ["weather.nats"]
    done = world.run([NRT, "top", "--server", nodes[0].url, "--json", "--interval", "200ms", "wether.nats"], expect=1)
    assert 'did you mean "weather.nats"' in done.stderr


def test_once_prints_the_table(world, nodes, services):
    text = world.run([NRT, "top", "--server", nodes[0].url, "--once", "--interval", "200ms", "--sort", "name"]).stdout
    assert re.fullmatch(r"SERVICE +INST CLUSTER +REQ/S +ERR % +P50 +P99 FLIGHT LATELY\n"
                        r"other\.nats +1 C1 +0 +- +- +- +0 .*\n"
                        r"weather\.nats +2 C1 +0 +- +- +- +0 .*\n", text)
    assert all(len(line) <= 80 for line in text.splitlines())
    text = world.run([NRT, "top", "--server", nodes[0].url, "--once", "--interval", "200ms", "--sort", "name", "--reverse",
                      "--filter", "WEATHER"]).stdout
    assert [line.split()[0] for line in text.splitlines()] == ["SERVICE", "weather.nats"]
    text = world.run([NRT, "top", "--server", nodes[0].url, "--once", "--interval", "200ms", "weather.nats"]).stdout
    assert len(text.splitlines()) == 3 and "C1/n1" in text and "C1/n2" in text


def test_services_of_other_makers_show_what_they_tell(world, nats, peer):
    answer = {"type": "io.nats.micro.v1.stats_response", "name": "calc", "id": "X1", "version": "1.0.0",
              "started": "2026-01-01T00:00:00Z", "metadata": {},
              "endpoints": [{"name": "add", "subject": "add", "queue_group": "q", "num_requests": 3, "num_errors": 1,
                             "last_error": "", "processing_time": 300, "average_processing_time": 100}]}
    peer.subscribe("$SRV.STATS", handler=lambda message: peer.publish(message.reply, json.dumps(answer).encode()))
    peer.flush()
    one = json_of(world, nats, "--interval", "200ms")["services"][0]
    assert (one["name"], one["nrt"], one["requests"], one["in_flight"], one["p99_us"]) == ("calc", False, 3, None, None)


def test_without_a_terminal_it_says_what_to_use(world, nats):
    done = world.run([NRT, "top", "--server", nats.url], expect=2)
    assert "--once" in done.stderr


def test_without_permission_it_says_so(world):
    nats = world.nats(config='authorization { users: [{ user: u, password: p, permissions: {'
                             ' publish: "nrt.>", subscribe: "_INBOX.>" } }] }')
    url = nats.url.replace("://", "://u:p@")
    done = world.run([NRT, "top", "--server", url, "--once"], expect=1)
    assert "$SRV.STATS" in done.stderr


# ---- on a terminal -----------------------------------------------------------------------------


def test_a_terminal_shows_services_and_their_load(world, nodes, services):
    load(world, nodes[0], "http://weather.nats/")
    top = world.closing(Terminal(nodes[0], "--interval", "300ms"))
    until(lambda: re.search(r"^weather\.nats +2 C1 +\d{2,3} +0 .*[▁▂▃▄▅▆▇█]{3}$", top.text(), re.M), "the load shows", timeout=DEADLINE * 2)
    assert len(top.lines) == 24 and all(len(line) <= 80 for line in top.lines)
    assert re.match(r"nrt top  \d\d:\d\d:\d\d  2 services, 3 instances, \d+ requests/s$", top.lines[0])
    assert top.lines[2].split()[0] == "SERVICE" and "q: end" in top.lines[23]
    assert top.row("other.nats")


def test_keys_lead_to_instances_and_their_numbers_and_back(world, nodes, services):
    load(world, nodes[0], "http://weather.nats/")
    top = world.closing(Terminal(nodes[0], "--interval", "300ms", "--sort", "name"))
    until(lambda: top.selected() == "other.nats", "the first row is selected")
    top.type("\033[B")
    until(lambda: top.selected() == "weather.nats", "the next row is selected")
    top.type("\r")
    until(lambda: "nrt top > weather.nats" in top.text() and "C1/n1" in top.text() and "C1/n2" in top.text(), "its instances")
    chosen = until(top.selected, "an instance is selected").rstrip("…")
    top.type("l")
    until(lambda: re.search(rf"^instance +{re.escape(chosen)}", top.text(), re.M), "the instance's numbers")
    until(lambda: re.search(r"^latency +p50 [\d.]+ \ws, p99 [\d.]+ \ws$", top.text(), re.M) and
          re.search(r"^ +< [\d.]+ \ws +[\d.]+ % #+$", top.text(), re.M), "and its histogram")
    assert re.search(r"^requests +\d+, of which 0 errors, 0 refused$", top.text(), re.M)
    top.type("?")
    until(lambda: "look inside" in top.text(), "help")
    top.type("\033")
    until(lambda: top.row("latency"), "back from help")
    top.type("h")
    until(lambda: top.row("INSTANCE"), "back at the instances")
    top.type("\033[D")
    until(lambda: top.row("SERVICE") and top.selected() == "weather.nats", "back at the services, at the same row")


def test_a_killed_instance_disappears_and_a_new_one_comes(world, nodes, services):
    top = world.closing(Terminal(nodes[0], "--interval", "200ms"))
    until(lambda: re.search(r"^weather\.nats +2 ", top.text(), re.M), "two instances")
    services[1].kill()
    services[1].expected = None
    until(lambda: re.search(r"^weather\.nats +1 ", top.text(), re.M), "one instance")
    world.handlers(nodes[1], "new.nats")
    until(lambda: top.row("new.nats"), "the new service")


def test_rows_are_sorted_and_filtered_by_keys(world, nodes, services):
    top = world.closing(Terminal(nodes[0], "--interval", "200ms", "--sort", "name"))
    until(lambda: top.row("weather.nats"), "rows")
    assert top.text().index("\nother.nats") < top.text().index("\nweather.nats")
    top.type("r")
    until(lambda: "turned around" in top.text() and top.text().index("\nweather.nats") < top.text().index("\nother.nats"), "the other way")
    top.type("/oth")
    until(lambda: top.row("other.nats") and not top.row("weather.nats") and 'with "oth"' in top.text(), "one row")
    top.type("zzz\r")
    until(lambda: "no row holds that" in top.text(), "no row")
    top.type("\033")
    until(lambda: top.row("weather.nats"), "all rows")
    top.type("s")
    until(lambda: "by load" in top.text(), "by load")


def test_it_goes_on_when_nats_comes_back(world):
    nats = world.nats()
    world.handlers(nats, "a.nats")
    top = world.closing(Terminal(nats, "--interval", "200ms"))
    until(lambda: top.row("a.nats"), "a row")
    nats.kill()
    until(lambda: "connect" in top.lines[1].lower() or "sent" in top.lines[1], "it says what is wrong")
    nats.start()
    until(lambda: top.lines[1].startswith("every") and top.row("a.nats"), "it goes on")


@pytest.mark.parametrize("how", ["q", "signal"])
def test_the_terminal_is_left_as_it_was(world, nats, how):
    top = world.closing(Terminal(nats))
    until(lambda: "no service answers" in top.text(), "a frame")
    assert b"\033[?1049h\033[?25l" in top.seen
    assert termios.tcgetattr(top.side) != top.before
    if how == "q":
        top.type("q")
        assert top.wait() == 0
    else:
        top.process.send_signal(signal.SIGTERM)
        assert top.wait() == -signal.SIGTERM
    assert top.seen.endswith(b"\033[?25h\033[?1049l")
    assert termios.tcgetattr(top.side) == top.before


def test_a_terminal_of_another_size_is_filled(world, nodes, services):
    top = world.closing(Terminal(nodes[0], "--interval", "200ms", env={"LANG": "C"}))
    until(lambda: top.row("weather.nats"), "rows")
    assert all(line.isascii() for line in top.lines)
    top.resize(10, 132)
    until(lambda: len(top.lines) == 10 and any(len(line) > 80 for line in top.lines), "wider, and lower")
    top.resize(4, 30)
    until(lambda: top.lines == ["too small"], "it says so")


# ---- many --------------------------------------------------------------------------------------

CONNS, HOSTS = 25, 40  # a thousand instances
CPU_MAX = 0.06  # seconds of CPU that a look at them may take; 0.0125 when this was written


def cpu_of(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        numbers = stat.read().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def test_a_thousand_instances(world, nats):
    """All of them are counted, each request once; an ordinary terminal is enough; and a look is cheap."""
    crowd = world.program("crowd", nats.url, CONNS, HOSTS)
    crowd.expected = -signal.SIGTERM
    crowd.wait_line("^ready$", "stdout", timeout=3 * DEADLINE)
    world.run([NRT, "bench", "--server", nats.url, "-n", "2000", "-c", "32", "http://s007.nats/"])
    got = json_of(world, nats, "--interval", "1s")
    assert len(got["services"]) == HOSTS and got["skipped"] == 0
    for one in got["services"]:
        assert len(one["instances"]) == CONNS
        assert one["requests"] == sum(instance["requests"] for instance in one["instances"])
        assert one["requests"] == (2000 if one["host"] == "s007.nats" else 0), one["host"]

    top = world.closing(Terminal(nats, "--interval", "1s"))
    until(lambda: "40 services, 1000 instances" in top.lines[0], "all are there", timeout=3 * DEADLINE)
    load(world, nats, "http://s031.nats/")
    until(lambda: top.lines[3].startswith("s031.nats ") and "LATELY" in top.lines[2], "who has load comes first", timeout=3 * DEADLINE)
    assert "rows 1-20 of 40" in top.lines[1] and len(top.lines) == 24 and all(len(line) <= 80 for line in top.lines)
    top.type("\033[F")
    until(lambda: "rows 21-40 of 40" in top.lines[1] and top.row("s039.nats"), "the end")
    top.type("\033[H/s03")
    until(lambda: "10 services, 250 instances" in top.lines[0] and "rows" not in top.lines[1], "those with s03")
    top.type("\r")
    until(lambda: top.selected() == "s031.nats", "it is the first one")
    top.type("\r")
    until(lambda: "nrt top > s031.nats" in top.lines[0] and "25 instances" in top.lines[0] and "rows 1-20 of 25" in top.lines[1],
          "its instances")

    def frames():
        top.read()
        return top.seen.count(b"\033[J")
    first, spent = frames(), cpu_of(top.process)
    until(lambda: frames() >= first + 5, "five looks", timeout=3 * DEADLINE)
    each = (cpu_of(top.process) - spent) / 5
    assert sanitized() or each < CPU_MAX, f"{each * 1000:.0f} ms of CPU for a look"
