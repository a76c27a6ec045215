"""`nrt demo`: what a newcomer runs first. It must end well, show each path working, and leave
nothing behind."""

import json
import os
import re

from harness.client import curl, is_listening
from harness.clock import until
from harness.world import NRT


def descendants(pid):
    """The processes below `pid`, by /proc."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found += [int(entry), *descendants(int(entry))]
    return found


def plain_text(child):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", child.stdout + child.stderr)


def test_the_demo_shows_all_three_ways_and_ends_well(world):
    done = world.run([NRT, "demo"], timeout=30)
    text = plain_text(done)
    assert "nrt get" in text
    assert "curl" in text and "http_proxy" in text
    assert len(re.findall(r'"description"', text)) >= 3, "weather by each of the three ways"
    assert "\x1b" not in done.stdout, "no colours where nobody looks at them"


def test_two_demos_at_once_do_not_meet(world):
    both = [world.nrt("demo") for _ in range(2)]
    for demo in both:
        assert demo.wait(60) == 0
        demo.expected = None


def test_keep_leaves_it_running_with_the_addresses_printed_until_a_signal(world):
    demo = world.nrt("demo", "--keep")
    until(lambda: re.search(r"Ctrl-C|interrupt|SIGINT", plain_text(demo), re.I) or not demo.running,
          "it says how to end it", 30)
    assert demo.running, demo.transcript()
    text = plain_text(demo)
    gateways = sorted(set(re.findall(r"http://127\.0\.0\.1:\d+", text)))
    server = re.search(r"nats://127\.0\.0\.1:\d+", text).group()
    body = '{"city":"london"}'
    assert json.loads(world.get(server, "-d", body, "http://weather.nats/city").stdout)
    answers = [curl("-d", body, url + "/city") for url in gateways]
    assert any('"description"' in answer.text for answer in answers), answers
    children = descendants(demo.pid)
    assert children
    assert demo.stop(20) == 0
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "all of it is gone")
    assert not any(is_listening(url) for url in gateways)


def test_a_demo_without_nats_server_says_what_is_missing(world):
    done = world.run([NRT, "demo"], expect=1, env={"PATH": world.folder})
    assert "nats-server" in done.stderr
