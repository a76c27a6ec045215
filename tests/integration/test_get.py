"""`nrt get`: curl's letters with curl's meaning, and its exit codes. What it sends is read at a
sidecar's origin; where curl can do the same, curl is asked too."""

import base64
import json
import re

import pytest

from harness.client import curl
from harness.clock import SLOW, Stopwatch
from harness.message import parse_request
from harness.origin import plain
from harness.world import NRT


@pytest.fixture
def origin(world, nats):
    """An origin behind weather.nats; `origin.answer` may be replaced."""
    origin = world.origin(lambda request: origin.answer(request))
    origin.answer = lambda request: plain("body", fields=[("X-Kind", "sunny")])
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def get(world, nats, origin):
    return lambda *args, **more: world.get(nats, *args, **more)


URL = "http://weather.nats/city"


# ---- what is printed ---------------------------------------------------------------------------


def test_the_body_goes_to_standard_output_and_nothing_else(get):
    done = get(URL)
    assert (done.raw("stdout"), done.raw("stderr")) == (b"body", b"")


def test_http_and_https_mean_the_same(get, origin):
    for url in ("http://weather.nats/a?b=c", "https://weather.nats/a?b=c", "HTTPS://Weather.NATS/a?b=c"):
        assert get(url).stdout == "body"
    assert {request.target for request in origin.requests} == {"/a?b=c"}
    assert {request.get("Host") for request in origin.requests} == {"weather.nats"}


def test_a_url_without_a_path_asks_for_the_root(get, origin):
    get("http://weather.nats")
    get("http://weather.nats?q=1")
    assert [request.target for request in origin.requests] == ["/", "/?q=1"]


def test_a_binary_body_comes_through_unchanged(get, origin):
    every_byte = bytes(range(256)) * 300
    origin.answer = lambda request: plain(every_byte)
    assert get(URL).raw() == every_byte


def test_i_prints_the_head_before_the_body(get):
    head, _, body = get("-i", URL).raw().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "X-Kind: sunny" in lines and "NRT-Connected-Server: alpha" in lines
    assert any(line.startswith("NRT-ID: ") for line in lines)
    assert body == b"body"


def test_v_shows_request_and_response_heads_on_standard_error(get):
    done = get("-v", URL)
    assert done.stdout == "body"
    lines = done.stderr.splitlines()
    assert "> GET /city HTTP/1.1" in lines and "> Host: weather.nats" in lines
    assert "< HTTP/1.1 200 OK" in lines and "< X-Kind: sunny" in lines


def test_o_writes_the_body_to_a_file(world, get):
    done = get("-o", world.path("out"), URL)
    assert done.stdout == ""
    with open(world.path("out"), "rb") as out:
        assert out.read() == b"body"


def test_o_to_a_place_that_cannot_be_written_is_an_error(world, get):
    done = get("-o", world.path("no/such/folder"), URL, expect=23)
    assert "no/such/folder" in done.stderr


def test_w_writes_what_it_is_asked_for(get):
    assert get("-w", r"\n%{http_code} %{size_download}\n", URL).stdout == "body\n200 4\n"


def test_w_and_curl_agree(get, origin, world):
    origin.answer = lambda request: plain(b"x" * 77, "404 Not Found", [("Content-Type", "a/b")])
    form = r"%{http_code}|%{response_code}|%{size_download}|%{content_type}|%%|\t|\n"
    assert get("-o", world.path("o"), "-w", form, URL).stdout == \
        curl("-o", world.path("o"), "-w", form, origin.url).text


# ---- what is sent ------------------------------------------------------------------------------


def test_x_sets_the_method(get, origin):
    for method in ("DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        get("-X", method, URL)
        assert origin.requests[-1].method == method


def test_h_adds_fields_and_replaces_those_that_get_makes(get, origin):
    get("-H", "X-One: 1", "-H", "X-Two:2", "-H", "X-One: again", "-H", "User-Agent: me/1", URL)
    request = origin.requests[0]
    assert request.all("X-One") == ["1", "again"]
    assert (request.get("X-Two"), request.get("User-Agent")) == ("2", "me/1")


def test_an_invalid_field_is_a_usage_error(get, origin):
    for field in ("no colon", "Bad Name: x", "X: a\r\nInjected: y", ": x"):
        done = get("-H", field, URL, expect=2)
        assert done.stdout == "" and done.stderr
    assert origin.requests == []


def test_d_means_post_of_a_form(get, origin):
    get("-d", "a=1", "-d", "b=2", URL)
    request = origin.requests[0]
    assert (request.method, request.body) == ("POST", b"a=1&b=2")
    assert request.get("Content-Type") == "application/x-www-form-urlencoded"


def test_x_get_with_d_is_the_originals_nrtget(get, origin):
    get("-X", "GET", "-d", '{"city":"london"}', URL)
    assert (origin.requests[0].method, origin.requests[0].body) == ("GET", b'{"city":"london"}')


def test_d_from_a_file_and_from_standard_input_leaves_out_line_ends_as_curl_does(world, get, origin):
    text = b"line one\r\nline two\n\nend"
    path = world.file("data", text)
    get("-d", f"@{path}", URL)
    get("-d", "@-", URL, data=text)
    curl("-d", f"@{path}", origin.url)
    bodies = [request.body for request in origin.requests]
    assert bodies == [b"line oneline twoend"] * 3


def test_d_of_a_file_that_is_not_there_sends_nothing(world, get, origin):
    done = get("-d", "@" + world.path("absent"), URL, expect=2)
    assert "absent" in done.stderr
    assert origin.requests == []


def test_t_uploads_a_file_byte_for_byte(world, get, origin):
    every_byte = bytes(range(256)) * 100 + b"\r\n\0"
    get("-T", world.file("up", every_byte), URL)
    get("-T", "-", URL, data=every_byte)
    assert [request.method for request in origin.requests] == ["PUT", "PUT"]
    assert [request.body for request in origin.requests] == [every_byte, every_byte]


def test_t_to_a_folder_adds_the_files_name(world, get, origin):
    path = world.file("report.txt", "x")
    get("-T", path, "http://weather.nats/in/")
    assert origin.requests[0].target == "/in/report.txt"


def test_g_puts_the_data_into_the_query(get, origin):
    get("-G", "-d", "a=1", "-d", "b=2", URL)
    get("-G", "-d", "a=1", URL + "?x=y")
    assert [(r.method, r.target, r.body) for r in origin.requests] == [
        ("GET", "/city?a=1&b=2", b""), ("GET", "/city?x=y&a=1", b"")]


def test_json_posts_json_and_wants_json(get, origin):
    get("--json", '{"city": "london"}', URL)
    request = origin.requests[0]
    assert (request.method, request.body) == ("POST", b'{"city": "london"}')
    assert request.get("Content-Type") == request.get("Accept") == "application/json"


def test_u_sends_basic_credentials_and_v_does_not_show_them(get, origin):
    done = get("-v", "-u", "ann:s3cret:x", URL)
    value = base64.b64encode(b"ann:s3cret:x").decode()
    assert origin.requests[0].get("Authorization") == f"Basic {value}"
    assert "s3cret" not in done.stderr and value not in done.stderr


def test_capital_i_asks_for_the_head_only(get, origin):
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\nX-Kind: sunny\r\n\r\n"
    done = get("-I", URL)
    assert origin.requests[0].method == "HEAD"
    assert done.stdout.startswith("HTTP/1.1 200 OK\r\n") and "X-Kind: sunny\r\n" in done.stdout
    assert "Content-Length: 77\r\n" in done.stdout


# ---- the same request as curl's, field by field ------------------------------------------------


@pytest.mark.parametrize("args", [
    [], ["-d", "x=y"], ["--json", "{}"], ["-X", "DELETE"], ["-G", "-d", "q=a"], ["-I"],
    ["-H", "Accept: text/plain"], ["-H", "Accept:"], ["-H", "X-Empty;"], ["-u", "a:b"],
    ["-d", ""], ["-X", "PUT", "-d", "x"],
], ids=" ".join)
def test_what_is_sent_is_what_curl_sends(get, origin, args):
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    get(*args, URL)
    curl(*args, origin.url + "/city")
    ours, theirs = origin.requests
    assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body)
    for name in ("Accept", "Content-Type", "Content-Length", "Authorization", "X-Empty"):
        assert ours.get(name) == theirs.get(name), name


# ---- exit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error"])
def test_an_http_error_is_exit_0_without_and_22_with_fail(get, origin, status):
    origin.answer = lambda request: plain("sorry", status)
    assert get(URL).stdout == "sorry"
    for flag in ("-f", "--fail"):
        done = get(flag, URL, expect=22)
        assert done.stdout == "" and status[:3] in done.stderr


def test_fail_lets_a_status_below_400_through(get, origin):
    origin.answer = lambda request: plain("moved", "302 Found", [("Location", "/x")])
    assert get("-f", URL).stdout == "moved"


def test_a_transport_error_is_exit_1(world, nats):
    assert world.get(nats, "http://nobody.nats/", expect=1).stderr


@pytest.mark.parametrize("args", [
    [], ["http://a.nats/", "http://b.nats/"], ["http://example.com/"], ["ftp://a.nats/"],
    ["-X", "G T", "http://a.nats/"], ["--timeout", "soon", "http://a.nats/"], ["-X"],
    ["--timeout", "-1s", "http://a.nats/"], ["-d"],
], ids=" ".join)
def test_a_wrong_use_is_exit_2(world, nats, args):
    done = world.get(nats, *args, expect=2)
    assert done.stdout == "" and done.stderr


@pytest.mark.parametrize("option, hint", [
    ("--timout", "--timeout"), ("--fial", "--fail"), ("--servr", "--server")])
def test_an_unknown_option_is_exit_2_with_a_hint(world, nats, option, hint):
    done = world.get(nats, option, "x", URL, expect=2)
    assert option in done.stderr and hint in done.stderr


@pytest.mark.parametrize("text, seconds", [("500ms", 0.5), ("1s", 1.0)])
def test_timeout_takes_a_duration(world, nats, peer, text, seconds):
    peer.subscribe("nrt.requests.silent.nats.*", "nrt", lambda message: None)
    with Stopwatch() as watch:
        world.get(nats, "--timeout", text, "http://silent.nats/", expect=1)
    assert seconds <= watch.seconds < seconds + 0.5 * SLOW


# ---- redirects ---------------------------------------------------------------------------------


def moves(status, location, final="arrived"):
    """Sends /start to `location`, and answers everything else."""
    return lambda request: (
        plain("moved", status, [("Location", location)]) if request.target == "/start"
        else plain(final))


START = "http://weather.nats/start"


def test_without_l_a_redirect_is_the_answer(get, origin):
    origin.answer = moves("302 Found", "/end")
    assert get(START).stdout == "moved"
    assert len(origin.requests) == 1


@pytest.mark.parametrize("location, target", [
    ("/end", "/end"), ("end?x=y", "/end?x=y"), ("http://weather.nats/end", "/end"),
    ("https://weather.nats:443/end#part", "/end"), ("//weather.nats/end", "/end"), ("?q", "/start?q"),
])
def test_l_follows(get, origin, location, target):
    origin.answer = moves("302 Found", location)
    assert get("-L", START).stdout == "arrived"
    assert [request.target for request in origin.requests] == ["/start", target]


@pytest.mark.parametrize("status, method, body", [
    ("301 Moved Permanently", "GET", b""), ("302 Found", "GET", b""), ("303 See Other", "GET", b""),
    ("307 Temporary Redirect", "POST", b"data"), ("308 Permanent Redirect", "POST", b"data"),
])
def test_l_after_a_post_does_what_curl_does(get, origin, status, method, body):
    origin.answer = moves(status, "/end")
    get("-L", "-d", "data", START)
    curl("-L", "-d", "data", origin.url + "/start")
    ours, theirs = origin.requests[1], origin.requests[3]
    assert (theirs.method, theirs.body) == (method, body)
    assert (ours.method, ours.body) == (method, body)
    assert ours.get("Content-Type") == theirs.get("Content-Type")


def test_l_to_another_host_leaves_the_credentials_behind(world, nats, get, origin):
    other = world.origin(plain("other"))
    world.serve(nats, "other.nats", other)
    origin.answer = moves("302 Found", "http://other.nats/")
    args = ["-u", "ann:secret", "-H", "Cookie: c=d", START]
    assert get("-L", *args).stdout == "other"
    assert origin.requests[0].get("Authorization")
    assert other.requests[0].get("Authorization") is None
    assert other.requests[0].get("Host") == "other.nats"


def test_l_out_of_nats_is_an_error_that_names_the_place(get, origin):
    origin.answer = moves("302 Found", "http://example.com/")
    done = get("-L", START, expect=1)
    assert "example.com" in done.stderr


def test_l_round_and_round_ends(get, origin):
    origin.answer = lambda request: plain("again", "302 Found", [("Location", "/")])
    done = get("-L", "http://weather.nats/", expect=1)
    assert "redirect" in done.stderr.lower()
    assert len(origin.requests) == 51  # curl's 50 redirects


def test_l_with_i_shows_every_head(get, origin):
    origin.answer = moves("302 Found", "/end")
    text = get("-L", "-i", START).stdout
    assert text.count("HTTP/1.1 302 Found\r\n") == 1 and text.count("HTTP/1.1 200 OK\r\n") == 1


# ---- sizes and help ----------------------------------------------------------------------------


def test_bodies_go_whatever_one_message_takes(world, get, origin):
    message, memory = 1 << 20, 16 << 20
    origin.answer = lambda request: plain(str(len(request.body)))
    for size in (message - 2048, message, memory, memory + 1):
        assert get("-T", world.file(f"{size}", b"x" * size), URL).stdout == str(size)


def test_what_is_put_together_in_memory_has_a_limit(world, get, origin):
    half = world.file("half", b"x" * (8 << 20))
    done = get("--data-binary", "@" + half, "--data-binary", "@" + half, URL, expect=1)
    assert "too large" in done.stderr or "larger" in done.stderr
    assert len(origin.requests) == 0


def test_the_server_comes_from_nats_url_and_the_option_wins(world, nats, origin):
    env = {"NATS_URL": nats.url}
    assert world.run([NRT, "get", URL], env=env).stdout == "body"
    env = {"NATS_URL": "nats://127.0.0.1:1"}
    assert world.run([NRT, "get", "--server", nats.url, URL], env=env).stdout == "body"


def test_the_second_of_two_servers_is_taken_when_the_first_is_down(world, nats, origin):
    assert world.get(f"nats://127.0.0.1:1,{nats.url}", URL).stdout == "body"


def test_a_prefix_is_part_of_the_subject(world, nats, peer):
    sub = peer.subscribe("v2.requests.weather.nats.get")
    world.get(nats, "--prefix", "v2", "--timeout", "50ms", URL, expect=1)
    assert parse_request(sub.next().payload).target == "/city"


@pytest.mark.parametrize("args, words", [
    (["help"], ["get", "serve", "gateway", "demo", "version"]),
    (["--help"], ["get", "serve", "gateway"]),
    (["get", "--help"], ["-X", "-H", "-d", "-i", "-v", "-o", "--fail", "--timeout", "--server"]),
    (["serve", "--help"], ["HOST", "TARGET", "unix:"]),
    (["gateway", "--help"], ["--listen", "--route", "--proxy", "--trust-forwarded"]),
    (["demo", "--help"], ["--keep"]),
])
def test_help_is_on_standard_output(world, args, words):
    done = world.run([NRT, *args])
    assert [word for word in words if word not in done.stdout] == []
    assert done.stderr == ""


def test_version_is_one_line(world):
    assert re.fullmatch(r"nrt \d+\.\d+\.\d+\S*\n", world.run([NRT, "version"]).stdout)


@pytest.mark.parametrize("args, hint", [
    (["gte", "http://a.nats/"], "get"), ([], "help"), (["serv"], "serve")])
def test_an_unknown_command_is_exit_2_with_a_hint(world, args, hint):
    done = world.run([NRT, *args], expect=2)
    assert hint in done.stderr and done.stdout == ""


def test_problems_are_json_that_tools_can_read(world, nats, origin):
    origin.answer = lambda request: None  # the origin closes without an answer
    done = world.get(nats, "-i", URL)
    head, _, body = done.stdout.partition("\r\n\r\n")
    assert "NRT-Error: " in head and "502" in head.splitlines()[0]
    assert json.loads(body)["status"] == 502
