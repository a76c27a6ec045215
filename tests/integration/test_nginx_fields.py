"""Fields between nginx and services: nrt_set_header and its kin, X-Accel-*, error pages, and what the
log is told."""

import os
import re

import pytest

from harness.clock import SLOW, Stopwatch
from harness.message import assert_problem
from harness.origin import plain
from harness.site import Site

HTTP = """
log_format nrt '$request_uri id=$nrt_id instance=$nrt_instance server=$nrt_server cluster=$nrt_cluster time=$nrt_time '
               'status=$nrt_status sent=$status';
"""

SERVER = """
access_log {folder}/nrt.log nrt;
nrt_set_header X-Level server;
nrt_set_header X-Who $remote_addr;

location / {{ nrt_pass weather.nats; }}
location /own {{ nrt_set_header X-Level location; nrt_pass weather.nats; }}
location /own/if {{
    nrt_set_header X-Level location;
    if ($arg_x) {{ nrt_pass weather.nats; }}
    nrt_pass weather.nats;
}}
location /removed {{ nrt_set_header Accept-Encoding ""; nrt_set_header X-A $arg_a; nrt_pass weather.nats; }}
location /twice {{ nrt_set_header X-Two 1; nrt_set_header X-Two " $arg_a "; nrt_pass weather.nats; }}
location /path/ {{ nrt_set_header X-Path $uri; nrt_pass weather.nats; }}
location /none {{ nrt_pass_request_headers off; nrt_pass weather.nats; }}
location /few {{ nrt_pass_request_headers off; nrt_set_header X-Cookie $http_cookie; nrt_pass weather.nats; }}
location /hidden {{ nrt_hide_header X-Secret; nrt_hide_header content-length; nrt_pass weather.nats; }}
location /hidden/not {{ nrt_pass weather.nats; }}
location /shown {{
    nrt_pass_header Date; nrt_pass_header server; nrt_pass_header X-Accel-Expires; nrt_pass weather.nats;
}}
location /deaf {{
    nrt_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Charset;
    nrt_pass_header X-Accel-Redirect;
    nrt_pass weather.nats;
}}
location /told {{
    add_header X-Id $nrt_id always; add_header X-Status $nrt_status always; add_header X-Instance $nrt_instance always;
    nrt_pass weather.nats;
}}
location /nobody {{ nrt_pass nobody.nats; }}
location /static {{ charset koi8-r; return 200 static; }}

location /pages {{
    nrt_intercept_errors on;
    error_page 404 /page/404; error_page 401 403 /page/login; error_page 500 = @named; error_page 502 =200 /page/fine;
    nrt_pass weather.nats;
}}
location /pages/off {{ error_page 404 /page/404; nrt_pass weather.nats; }}
location /pages/nobody {{ error_page 503 /page/503; nrt_pass nobody.nats; }}
location /pages/elsewhere {{ error_page 503 = @named; nrt_pass nobody.nats; }}
location /pages/again {{ error_page 503 /pages/nobody; nrt_pass nobody.nats; }}
location /page/ {{ internal; return 200 "page $uri"; }}
location @named {{ nrt_pass weather.nats; nrt_set_header X-Named yes; }}
location /inside/ {{ internal; alias {folder}/files/; }}
"""


@pytest.fixture(scope="module")
def site(shared):
    folder = shared.path("site")
    os.makedirs(folder + "/files")
    shared.file("site/files/file", b"inside")
    return Site(shared, shared.nats(args=["--cluster_name", "C1", "--cluster", "nats://127.0.0.1:-1"]),
                SERVER.format(folder=folder), HTTP)


def logged(site, target):
    found = site.logged(rf"^{re.escape(target)} (.*)$", "../site/nrt.log")
    return dict(pair.split("=", 1) for pair in found.group(1).split())


def seen(site, target, **more):
    """A request as the service got it."""
    site.requests.clear()
    assert site.get(target, **more).status == 200
    request, = site.requests
    return request


# ---- requests ----------------------------------------------------------------------------------


def test_set_header_is_inherited_where_a_level_has_none_of_its_own(site):
    request = seen(site, "/", fields=[("X-Level", "client"), ("x-who", "me")])
    assert (request.get("X-Level"), request.get("X-Who")) == ("server", "127.0.0.1")
    request = seen(site, "/own", fields=[("X-Level", "client"), ("X-Who", "me")])
    assert (request.get("X-Level"), request.get("X-Who")) == ("location", "me")
    assert seen(site, "/own/if").get("X-Level") == "location"
    assert seen(site, "/own/if?x=1").get("X-Level") == "location"


def test_a_header_set_to_nothing_is_removed(site):
    fields = [("Accept-Encoding", "gzip"), ("X-A", "client"), ("X-B", "b")]
    request = seen(site, "/removed", fields=fields)
    assert (request.all("Accept-Encoding"), request.all("X-A"), request.get("X-B")) == ([], [], "b")
    assert seen(site, "/removed?a=1", fields=fields).all("X-A") == ["1"]


def test_a_header_may_be_set_twice_and_its_value_needs_no_spaces(site):
    assert seen(site, "/twice?a=x").all("X-Two") == ["1", "x"]


def test_a_variable_cannot_bring_another_line_into_a_head(site):
    site.requests.clear()
    for bad in ("%0aX-Bad:%201", "%0d%0aX-Bad:%201", "%01"):
        assert_problem(site.get("/path/" + bad), 400, "bad-field")
    site.told(r'nrt_set_header "X-Path" gives what cannot be the value of a field, from "\$uri"')
    assert site.requests == []


def test_request_headers_can_be_kept_back(site):
    fields = [("X-A", "a"), ("Cookie", "c"), ("Authorization", "b")]
    assert seen(site, "/none", fields=fields).names() == ["host", "x-level", "x-who"]
    request = seen(site, "/few", fields=fields)
    assert request.names() == ["host", "x-cookie"] and request.get("X-Cookie") == "c"
    assert site.request("POST", "/none", body=b"body").text.endswith(" body")


# ---- responses ---------------------------------------------------------------------------------

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


def test_what_is_about_the_server_behind_is_hidden_unless_it_is_to_be_passed(site):
    answer = plain("x", fields=[("Date", DATE), ("Server", "own/1"), ("X-Accel-Expires", "5"), ("X-Accel-Other", "o"), ("X-Pad", "p")])
    site.answers.update({"/usual": answer, "/shown": answer})
    got = site.get("/usual")
    assert got.get("Server").startswith("nginx") and got.get("Date") != DATE
    assert (got.get("X-Accel-Expires"), got.get("X-Pad"), got.get("X-Accel-Other")) == (None, None, "o")
    got = site.get("/shown")
    assert (got.get("Server"), got.get("Date"), got.get("X-Accel-Expires")) == ("own/1", DATE, "5")


def test_hide_header_hides_every_line_of_it(site):
    answer = plain("body", fields=[("X-Secret", "a"), ("x-secret", "b"), ("X-Open", "c"), ("Keep-Alive", "x")])
    site.answers.update({"/hidden": answer, "/hidden/not": answer})
    got = site.get("/hidden")
    assert (got.all("X-Secret"), got.get("X-Open"), got.get("Keep-Alive")) == ([], "c", None)
    assert got.get("Content-Length") is None and got.body == b"body"
    assert site.get("/hidden/not").all("X-Secret") == ["a", "b"]


def test_x_accel_redirect_serves_a_file_from_inside(site):
    assert site.get("/inside/file").status == 404
    for to, body in (("/inside/file", b"inside"), ("/static?a=b", b"static"), ("@named", b"weather.nats GET /redirected ")):
        more = [("X-Accel-Redirect", to), ("Set-Cookie", "a=b"), ("Content-Disposition", "inline"), ("X-Not", "1")]
        sent = []
        site.answers["/redirected"] = lambda request, more=more, sent=sent: sent.append(1) or plain(
            "own" if len(sent) == 1 else f"weather.nats GET {request.target} ", fields=more if len(sent) == 1 else [])
        got = site.get("/redirected")
        assert got.status == 200 and got.body == body, got
        assert (got.get("X-Accel-Redirect"), got.get("X-Not")) == (None, None)
        assert (got.get("Set-Cookie"), got.get("Content-Disposition")) == ("a=b", "inline")
    site.answers["/redirected"] = plain("own", fields=[("X-Accel-Redirect", "/inside/../../etc/passwd")])
    assert site.get("/redirected").status == 404
    site.answers["/redirected"] = plain("own", fields=[("X-Accel-Redirect", "/inside/file")])
    assert site.request("POST", "/redirected", body=b"x" * 200000).body == b"inside"
    got = site.request("HEAD", "/redirected")
    assert got.get("Content-Length") == "6"


def test_x_accel_headers_can_be_ignored(site):
    site.answers["/deaf"] = plain(b"x" * 40000, fields=[("X-Accel-Redirect", "/static"), ("X-Accel-Limit-Rate", "10000")])
    with Stopwatch() as watch:
        got = site.get("/deaf")
    assert got.body == b"x" * 40000 and got.get("X-Accel-Redirect") == "/static" and watch.seconds < 1 * SLOW


def test_x_accel_limit_rate_slows_it_down(site):
    site.answers["/slow"] = plain(b"x" * 30000, fields=[("X-Accel-Limit-Rate", "20000")])
    with Stopwatch() as watch:
        got = site.get("/slow")
    assert got.body == b"x" * 30000 and watch.seconds > 0.9 and got.get("X-Accel-Limit-Rate") is None


def test_x_accel_charset_names_the_charset(site):
    site.answers["/charset"] = plain("x", fields=[("Content-Type", "text/html"), ("X-Accel-Charset", "koi8-r")])
    assert site.get("/charset").get("Content-Type") == "text/html; charset=koi8-r"
    site.answers["/charset"] = plain("x", fields=[("Content-Type", 'text/html ; charset="utf-8"')])
    assert site.get("/charset").get("Content-Type") == "text/html; charset=utf-8"
    site.answers["/charset"] = plain("x", fields=[("Content-Type", "multipart/x; boundary=a; charset=b")])
    assert site.get("/charset").get("Content-Type") == "multipart/x; boundary=a; charset=b"


def test_fields_may_be_there_twice(site):
    more = [("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Cache-Control", "x"), ("Cache-Control", "y"), ("Vary", "a"),
            ("Vary", "b"), ("Link", "l"), ("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Digest"), ("X-Obs", "\xff")]
    site.answers["/many"] = plain("x", fields=more)
    got = site.get("/many")
    for name in {name for name, _ in more}:
        assert got.all(name) == [value for key, value in more if key == name]


# ---- error pages -------------------------------------------------------------------------------


def test_errors_of_a_service_get_the_servers_pages_where_that_is_on(site):
    site.answers.update({"/pages": plain("own", "404 Not Found", [("X-Own", "1")]), "/pages/off": plain("own", "404 Not Found")})
    got = site.get("/pages?intercepted")
    assert (got.status, got.text, got.get("X-Own")) == (404, "page /page/404", None)
    assert logged(site, "/pages?intercepted")["status"] == "404"
    got = site.get("/pages/off")
    assert (got.status, got.text) == (404, "own")


def test_a_page_for_401_keeps_the_challenge(site):
    site.answers["/pages"] = plain("own", "401 Unauthorized", [("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Digest")])
    got = site.get("/pages")
    assert (got.status, got.text, got.all("WWW-Authenticate")) == (401, "page /page/login", ["Basic", "Digest"])


def test_an_error_without_a_page_and_a_success_stay_as_they_are(site):
    for status in ("410 Gone", "503 Busy", "301 Moved", "200 OK", "204 No Content"):
        site.answers["/pages"] = plain("" if "204" in status else "own", status)
        got = site.get("/pages")
        assert (got.status, got.reason) == (int(status[:3]), "No Content" if "204" in status else status[4:])


def test_a_page_may_be_another_service_or_have_another_status(site):
    def once(request):
        return plain("own", "500 Oops") if not request.get("X-Named") else plain("from the other")
    site.answers["/pages"] = once
    got = site.get("/pages")
    assert (got.status, got.text) == (200, "from the other")
    site.answers["/pages"] = plain("own", "502 Bad")
    assert (site.get("/pages").status, site.get("/pages").text) == (200, "page /page/fine")


@pytest.mark.parametrize("size", [0, 10, 200000])
def test_a_request_goes_to_the_other_service_with_its_body(site, size):
    """An error_page that leads to another service: the body is what it was."""
    body = b"z" * size
    got = site.request("POST", "/pages/elsewhere", body=body)
    assert got.status == 200 and got.body == b"weather.nats POST /pages/elsewhere " + body
    site.answers["/pages"] = lambda request: plain(request.body, "200 OK" if request.get("X-Named") else "500 Oops")
    assert site.request("POST", "/pages", body=body).body == body


def test_errors_of_our_own_get_the_servers_pages_or_say_what_is_wrong(site):
    assert_problem(site.get("/nobody"), 503, "no-service")
    got = site.get("/pages/nobody")
    assert (got.status, got.text) == (503, "page /page/503")
    assert site.get("/pages/again").status == 503


# ---- variables ---------------------------------------------------------------------------------


def test_the_log_is_told_who_answered(site):
    assert site.get("/logged").status == 200
    words = logged(site, "/logged")
    assert re.fullmatch(r"[\w.-]{8,}", words["id"]) and words["instance"] != "-"
    assert (words["server"], words["cluster"], words["status"], words["sent"]) == ("alpha", "C1", "200", "200")
    assert re.fullmatch(r"\d+\.\d{3}", words["time"])


def test_what_the_log_is_told_can_be_a_field_too(site):
    site.answers["/told"] = plain("x", "418 Teapot")
    got = site.get("/told")
    assert got.get("X-Status") == "418" and got.get("X-Id") == got.get("NRT-ID") and got.get("X-Instance")


@pytest.mark.parametrize("target", ["/nobody?told", "/pages/nobody?told"])
def test_the_log_is_told_of_requests_that_failed(site, target):
    site.get(target)
    words = logged(site, target)
    assert (words["id"], words["status"], words["sent"]) == ("-", "503", "503") and words["time"] != "-"


def test_the_log_is_told_of_a_redirect_from_inside(site):
    site.answers["/redirected"] = plain("own", "203 OK", fields=[("X-Accel-Redirect", "/inside/file")])
    assert site.get("/redirected?told").body == b"inside"
    words = logged(site, "/redirected?told")
    assert (words["status"], words["sent"], words["server"]) == ("203", "200", "alpha") and words["id"] != "-"


def test_where_nothing_was_asked_there_is_nothing_to_tell(site):
    assert site.get("/static?told").text == "static"
    words = logged(site, "/static?told")
    assert {words[name] for name in ("id", "instance", "server", "cluster", "time", "status")} == {"-"}


def test_a_request_that_is_refused_is_told_with_its_status(site):
    assert site.get("/refused", fields=[("Expect", "magic")]).status == 417
    assert logged(site, "/refused")["status"] == "417"
