"""docs/nginx.md: what it tells readers to paste, run as it stands there. Ports, folders and files of
the system are others here."""

import json
import os
import re
import subprocess

import pytest

from harness.client import curl
from harness.clock import SLOW, until
from harness.load import echo
from harness.nginx import MODULE, Nginx
from harness.origin import plain
from harness.outside import ROOT
from harness.page import Section, Stage
from harness.world import BUILD, free_port


def page(title):
    return Section(title, "nginx.md")


def changed(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def stage(world):
    """NATS, both services, and nginx with the page's configuration."""
    stage = Stage(world, "From nothing to TLS, HTTP/2 and a canary", "nginx.md")
    stage.origins = [stage.origin(8081, echo("v1")), stage.origin(8082, echo("v2"))]
    stage.nats()
    stage.all("nrt serve")
    stage.https = free_port()
    stage.log = world.path("weather.log")
    # Where the page says /etc/nginx and /var/log/nginx.
    stage.places = [("/etc/nginx/example", world.path("example"))]
    line, = stage.section.commands("^openssl")
    subprocess.run(["/bin/bash", "-c", changed(line, *stage.places)], check=True, stderr=subprocess.DEVNULL)
    config = changed(stage.config("weather.conf"), *stage.places, ("/var/log/nginx/weather.log", stage.log),
                     ("listen 443 ", f"listen 127.0.0.1:{stage.https} "))
    stage.nginx = Nginx(world, "", http=config)
    fine, said = stage.nginx.check()
    assert fine, said
    stage.nginx.start()
    return stage


def ask(stage, *more):
    line, = stage.section.commands("^curl")
    _, *args = changed(line, *stage.places, (":443:", f":{stage.https}:"),
                       ("example.com/", f"example.com:{stage.https}/")).split()
    return curl(*args, *more)


def test_from_nothing_to_tls_and_http_2(stage):
    done = ask(stage, "-w", " %{http_version}")
    assert re.fullmatch(r"v[12] GET  2", done.text), done
    stage.origins[0].answer = stage.origins[1].answer = plain("fine")
    seen, = stage.origins[0].requests + stage.origins[1].requests
    assert seen.target == "/city" and seen.all("X-Forwarded-Proto") == ["https"]
    ask(stage, "-H", "X-Forwarded-For: 6.6.6.6", "-H", "X-Forwarded-Proto: gopher", "-H", "X-Forwarded-Host: forged.example")
    requests = stage.origins[0].requests + stage.origins[1].requests
    assert len(requests) == 2
    for seen in requests:
        assert seen.all("X-Forwarded-For") == ["127.0.0.1"] and seen.all("X-Forwarded-Proto") == ["https"]
        assert seen.all("X-Forwarded-Host") == ["example.com"]


def test_the_canary_gets_its_share_and_then_more(stage, world):
    def share(count=400):
        many = "?[1-%d]" % count
        line, = stage.section.commands("^curl")
        url = changed(line, ("example.com/", f"example.com:{stage.https}/")).split()[-1]
        args = changed(line, *stage.places, (":443:", f":{stage.https}:")).split()[1:-1]
        done = curl(*args, url + many)
        assert done.code == 0 and done.text.count(" GET ") == count, done
        return done.text.count("v2 GET ")

    assert 12 <= share() <= 80  # 40 are expected: 4.5 standard deviations and more
    path = world.file("nats.conf", stage.config("nats.conf"))
    edit, = stage.section.commands("^sed ")
    subprocess.run(["/bin/bash", "-c", edit.replace("nats.conf", path)], check=True)
    with open(path, encoding="ascii") as edited:
        stage.servers["n1"].reload(edited.read())
    assert 150 <= share() <= 250


def test_the_log_says_who_answered(stage):
    ask(stage)
    with open(stage.log, encoding="utf-8") as log:
        line = log.read()
    said = re.fullmatch(r'127\.0\.0\.1 "GET /city HTTP/2\.0" 200 200 (\d+\.\d+) id=(\S+) by=(\S+) at=\S*/n1\n', line)
    assert said and float(said.group(1)) < 5 * SLOW and "-" not in said.groups(), line


def test_responses_are_kept_as_services_say(world, nats):
    origin = world.origin(lambda request: plain(str(len(origin.requests)), fields=[(
        "Cache-Control", {"/long": "max-age=600", "/short": "max-age=1"}.get(request.target, "no-store"))]))
    service = world.serve(nats, "weather.nats", origin)
    port = free_port()
    Nginx(world, "", http=f"nrt_server {nats.url};" + changed(
        page("Caching").file("cache.conf"), ("/var/cache/nginx/weather", world.path("cache")),
        ("/run/nginx-weather.sock", world.path("hop.sock")), ("listen 80;", f"listen 127.0.0.1:{port};"))).start()
    client = world.client(f"http://127.0.0.1:{port}")

    def get(target):
        answer = client.get(target)
        return answer.status, answer.get("X-Cache"), answer.text

    assert [get("/long") for _ in range(2)] == [(200, "MISS", "1"), (200, "HIT", "1")]
    assert [get("/none") for _ in range(2)] == [(200, "MISS", "2"), (200, "MISS", "3")]
    assert origin.requests[0].all("X-Forwarded-For") == ["127.0.0.1"]
    assert get("/short") == (200, "MISS", "4")
    assert service.stop() == 0
    assert until(lambda: get("/short")[1] == "STALE" and get("/short"), "it is old") == (200, "STALE", "4")
    assert get("/none")[0] == 503


def test_a_forward_proxy(world, nats):
    world.serve(nats, "weather.nats", world.origin(lambda request: plain(f"{request.target} {request.get('Host')}")))
    section = page("A forward proxy")
    port = free_port()
    Nginx(world, "", http=f"nrt_server {nats.url};" + section.file("proxy.conf").replace(":3128", f":{port}")).start()
    line, = section.commands("curl")
    proxy, url = re.fullmatch(r"http_proxy=(\S+) curl (\S+)", line).groups()
    env = {"http_proxy": changed(proxy, (":3128", f":{port}"))}
    assert curl(url, env=env).text == "/city weather.nats"
    assert curl(url + "?a=b%20c", env=env).text == "/city?a=b%20c weather.nats"
    assert curl("-w", " %{http_code}", "http://example.com/", env=env).text.endswith("here\n 403")


def test_the_end_of_workers_has_a_bound(world, nats):
    fine, said = Nginx(world, f"nrt_server {nats.url};", main=page("Operating it").file("main.conf")).check()
    assert fine, said


def test_it_is_installed_as_debians_modules_are():
    """Where the page's commands would put it, as meson knows without another build."""
    if not os.path.exists(MODULE):
        pytest.skip("nginx's module is not there")
    setup, = page("Install").commands("^meson setup")
    install, = page("Install").commands("^meson install")
    assert "--prefix=/usr " in setup and install.endswith("--tags nginx")
    plan = json.loads(subprocess.run(["meson", "introspect", "--install-plan", BUILD], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)
    places = sorted(one["destination"].format(prefix="/usr", datadir="/usr/share", libdir_shared="/usr/lib")
                    for kind in plan.values() for one in kind.values() if one["tag"] == "nginx")
    link, = page("Install").commands("^ln ")
    assert places == ["/usr/lib/nginx/modules/ngx_http_nrt_module.so", link.split()[2]]
    with open(os.path.join(ROOT, "docs", "nginx.md"), encoding="utf-8") as text:
        assert f"`load_module {places[0]};`" in text.read()
    with open(os.path.join(BUILD, "src", "nginx", "mod-http-nrt.conf"), encoding="ascii") as file:
        assert re.fullmatch(r"load_module /\S+/lib/nginx/modules/ngx_http_nrt_module\.so;\n", file.read())
