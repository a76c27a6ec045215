"""docs/troubleshooting.md says what the code says: all codes are there, and failures look as they are shown."""

import glob
import json
import os
import re

import pytest

from harness.client import curl, request_bytes
from harness.message import assert_problem
from harness.origin import plain
from harness.world import HERE

TOP = os.path.join(HERE, os.pardir, os.pardir)


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


PAGE = read("docs", "troubleshooting.md")
TABLE = PAGE[PAGE.index("\n## All codes") :]


def errors():
    """Of nrt/error.h: {code: (status, sentence)}."""
    rows = re.findall(r'X\(([A-Z_]+), -\d+, "([a-z-]+)", (\d+),\s*(?:\\\s*)?"([^"]+)"', read("include", "nrt", "error.h"))
    assert len(rows) >= 40
    return {code: (int(status), text) for _, code, status, text in rows}


def test_all_codes_are_there_with_their_status_and_meaning():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (.*?) \| (.*?) \|$", TABLE, re.M)
    assert {code for code, *_ in rows} == set(errors()) and len(rows) == len(errors())
    for code, status, meaning, _ in rows:
        assert int(status) == errors()[code][0], code
        assert code == "canceled" or errors()[code][1].startswith(meaning), code


def test_each_code_that_a_request_can_meet_is_explained():
    of_requests = TABLE[: TABLE.index("| | | | |")]
    explained = PAGE[: PAGE.index("\n## All codes")]
    codes = set(re.findall(r"^\| `([a-z-]+)` \|", of_requests, re.M))
    assert len(codes) >= 30
    for code in codes - {"canceled"}:
        assert f"`{code}`" in explained, code


def test_what_the_log_gives_advice_for_is_explained():
    advised = re.findall(r'^    \{"([a-z-]+)",?', read("src", "cli", "daemon", "error_log.c"), re.M)
    assert len(advised) >= 8
    for code in advised:
        assert f"`{code}`" in PAGE[: PAGE.index("\n## All codes")], code


def anchor(title):
    """As the places where people read it make them."""
    title = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", title)
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


PAGES = sorted(glob.glob(os.path.join(TOP, "docs", "*.md"))) + [os.path.join(TOP, name) for name in
                                                                ("README.md", "CONTRIBUTING.md", "SECURITY.md")]


@pytest.mark.parametrize("page", PAGES, ids=os.path.basename)
def test_no_link_leads_nowhere(page):
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, section = target.partition("#")
        path = os.path.join(os.path.dirname(page), path) if path else page
        assert os.path.exists(path), target
        if section:
            titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", read(path), flags=re.M | re.S), re.M)
            assert section in map(anchor, titles), f"{target}; there are {sorted(map(anchor, titles))}"


# ---- as it is shown -----------------------------------------------------------------------------


def test_the_example_is_what_a_gateway_says(world, nats):
    shown = re.search(r"^\$ curl -si .*?\n(.*?)^```", PAGE, re.M | re.S).group(1)
    head, _, body = shown.partition("\n\n")
    gateway = world.gateway(nats, "--route", "/=weather.nats")
    got = curl("-si", gateway.url + "/").text.replace("\r", "")
    real_head, _, real_body = got.partition("\n\n")
    assert real_head.splitlines()[0] == head.splitlines()[0]
    assert set(head.splitlines()) <= set(real_head.splitlines())
    assert json.loads(body) == json.loads(real_body)


def test_failures_have_the_codes_that_the_page_has(world, nats):
    """What can be made to happen within a second; the rest has tests of its own."""
    def answer(request):
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab" if request.target == "/two" else plain("fine")
    world.serve(nats, "weather.nats", world.origin(answer), "down.nats", "http://127.0.0.1:1")
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--route", "/down=down.nats", "--route", "/no=nobody.nats",
                            "--route", "only.example/=weather.nats", "--max-body", "1k", "--retry", "0")
    bare = world.gateway(nats, "--route", "/only=weather.nats")
    cases = [
        (gateway, dict(path="/no"), "no-service"),
        (gateway, dict(path="/down"), "origin-failed"),
        (gateway, dict(path="/two"), "bad-origin-response"),
        (gateway, dict(path="/", method="POST", body=b"x" * 2000), "too-large"),
        (gateway, dict(path="/" + "x" * 9000), "target-too-long"),
        (gateway, dict(path="/", fields=[("X", "y" * 70000)]), "head-too-large"),
        (gateway, dict(path="/", fields=[("Expect", "miracles")]), "expectation-failed"),
        (gateway, dict(path="/", fields=[("Content-Length", "+1")]), "bad-request"),
        (bare, dict(path="/elsewhere"), "no-route"),
    ]
    for front, request, code in cases:
        client = world.client(front)
        path, method = request.pop("path"), request.pop("method", "GET")
        client.send(request_bytes(method, path, **request))
        assert_problem(client.answer(method), errors()[code][0], code)
        client.close()
