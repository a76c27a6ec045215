"""Where `nrt_pass` may stand in nginx, and what it makes of the target: as with `proxy_pass`."""

import re

import pytest

from harness.client import curl
from harness.message import assert_problem
from harness.site import Site

HTTP = """
map $http_x_city $by_map { default weather.nats; berlin canary.nats; }
split_clients $arg_user $by_share { 30% canary.nats; * weather.nats; }
map $arg_host $by_argument { default $arg_host; }
"""

SERVER = """
location / { nrt_pass weather.nats; }
location = /exact { nrt_pass WEATHER.nats; }
location /part/ { nrt_pass weather.nats/api/; }
location /bare { nrt_pass weather.nats/; }
location /variable/ { set $to weather.nats; nrt_pass $to; }
location /whole/ { set $to weather.nats/fixed?a=b; nrt_pass $to; }
location /args/ { nrt_pass weather.nats/given$is_args$args; }
location /map { nrt_pass $by_map; }
location /share { nrt_pass $by_share; }
location /argument { nrt_pass $by_argument; }
location /host { nrt_pass $http_host; }
location /if {
    if ($http_x_canary) { nrt_pass canary.nats; }
    nrt_pass weather.nats;
}
location /inherited {
    if ($http_x_canary) { set $seen 1; add_header X-Seen yes; }
    nrt_pass weather.nats;
}
location /rewritten { rewrite ^/rewritten/(.*)$ /new/$1?more=1 break; nrt_pass weather.nats; }
location /renamed/ { rewrite ^/renamed/(.*)$ /renamed/x$1 break; nrt_pass weather.nats/api/; }
location /last { rewrite ^/last/(.*)$ /elsewhere/$1 last; }
location /elsewhere { nrt_pass canary.nats; }
location ~ ^/regex/(?<city>[a-z]+)$ { nrt_pass $city.nats; }
location ~ ^/captured/(.*)$ { nrt_pass weather.nats/by/$1; }
location /named { error_page 418 = @named; return 418; }
location @named { nrt_pass canary.nats; }
location /tried { root /no/such/folder; try_files $uri @named; }
location /inside { internal; nrt_pass canary.nats; }
location /outside { rewrite ^ /inside last; }
location /limited {
    limit_except GET { deny all; }
    nrt_pass weather.nats;
}
location /except {
    limit_except GET { nrt_pass canary.nats; }
    nrt_pass weather.nats;
}
"""


@pytest.fixture(scope="module")
def site(shared):
    hosts = ("weather.nats", "canary.nats", "berlin.nats")
    return Site(shared, shared.nats(), SERVER, HTTP, hosts)


@pytest.mark.parametrize("asked, came", [
    ("/", "weather.nats GET /"),
    ("/exact?a=%20", "weather.nats GET /exact?a=%20"),
    ("//a%2fb/../c?x=//", "weather.nats GET //a%2fb/../c?x=//"),  # as it was written
    ("/part/x%20y?a=b", "weather.nats GET /api/x%20y?a=b"),
    ("/part/a/../b%25", "weather.nats GET /api/b%25"),  # as nginx understood it
    ("/part/?", "weather.nats GET /api/"),
    ("/bare/x", "weather.nats GET //x"),  # as proxy_pass
    ("/bare", "weather.nats GET /"),
    ("/variable/x%2F?a", "weather.nats GET /variable/x%2F?a"),
    ("/whole/x?c=d", "weather.nats GET /fixed?a=b"),
    ("/args/x?c=d%20e", "weather.nats GET /given?c=d%20e"),
    ("/rewritten/x%20y?a=b", "weather.nats GET /new/x%20y?more=1&a=b"),
    ("/renamed/x", "weather.nats GET /renamed/xx"),  # all of it was said anew
    ("/last/x", "canary.nats GET /elsewhere/x"),
    ("/regex/berlin", "berlin.nats GET /regex/berlin"),
    ("/captured/x", "weather.nats GET /by/x"),
    ("/named/x%20?a", "canary.nats GET /named/x%20?a"),
    ("/tried/x", "canary.nats GET /tried/x"),
    ("/outside", "canary.nats GET /inside"),
])
def test_the_service_gets_the_target_that_a_server_would(site, asked, came):
    assert site.get(asked).text.strip() == came


def test_a_location_that_ends_in_a_slash_sends_there_who_forgets_it(site):
    answer = site.get("/part?a=b")
    assert answer.status == 301 and answer.get("Location").endswith("/part/?a=b")


def test_a_location_inside_is_not_there_for_clients(site):
    assert site.get("/inside").status == 404


def test_an_if_may_have_a_pass_of_its_own_or_that_of_its_location(site):
    canary = [("X-Canary", "1")]
    assert site.get("/if").text.startswith("weather.nats")
    assert site.get("/if", fields=canary).text.startswith("canary.nats")
    assert site.get("/inherited").get("X-Seen") is None
    answer = site.get("/inherited", fields=canary)
    assert answer.text.startswith("weather.nats") and answer.get("X-Seen") == "yes"


def test_a_limit_except_keeps_out_or_leads_elsewhere(site):
    assert site.get("/limited").status == 200
    assert site.request("POST", "/limited", body=b"x").status == 403
    assert site.get("/except").text.startswith("weather.nats")
    assert site.request("POST", "/except", body=b"x").text == "canary.nats POST /except x"


def test_a_map_chooses_the_service(site):
    assert site.get("/map").text.startswith("weather.nats")
    assert site.get("/map", fields=[("X-City", "berlin")]).text.startswith("canary.nats")


def test_split_clients_make_a_canary(site):
    with site.client() as client:
        users = [client.get(f"/share?user={number}").text.split()[0] for number in range(200)]
        assert [client.get(f"/share?user={number}").text.split()[0] for number in range(200)] == users
    assert 30 < users.count("canary.nats") < 95 and users.count("weather.nats") > 100


def test_the_host_that_a_client_names_is_the_service(site):
    """A forward proxy: curl -x."""
    assert curl("-x", site.url, "http://canary.nats/host?a").text.strip() == "canary.nats GET /host?a"
    assert site.get("/host", host="Berlin.NATS").text.startswith("berlin.nats")
    assert_problem(site.get("/host", host="nobody.nats"), 503, "no-service")


@pytest.mark.parametrize("host", ["", "weather", "weather.nats.", "http://weather.nats", "weather.nats:80", "a..nats",
                                  ".nats", "wea*ther.nats", "weather.nats%00", "a%20b.nats", "%3E.nats"])
def test_a_variable_that_gives_no_service_is_told_in_the_log(site, host):
    answer = site.get("/argument?host=" + host)
    assert_problem(answer, 500, "config")
    assert host not in answer.text or not host
    site.told(r'nrt_pass "\$by_argument" gives "%s", which is not the name of a service' % re.escape(host))
    assert not any(one.target.startswith("/argument") for one in site.requests)


def test_a_host_of_a_client_that_is_no_service_is_told_in_the_log(site):
    assert_problem(site.get("/host", host="example.org"), 500, "config")
    site.told(r'nrt_pass "\$http_host" gives "example.org", which is not the name of a service')
