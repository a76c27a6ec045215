"""How nginx reaches NATS: servers, contexts, credentials, TLS, prefixes, and what it says where it cannot."""

import json
import os
import ssl
import threading

import pytest

from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.jwt import NKey, Operator, creds
from harness.message import assert_problem
from harness.nginx import Nginx
from harness.origin import plain
from harness.pki import Authority, server_config
from harness.tlspeer import Terminator
from harness.world import free_port

PASSWORD = "pa55:w@rd"
IN_URL = "pa55%3Aw%40rd"


class Nats:
    """A NATS server for each way to log in, with a sidecar, and one nginx that knows them all."""

    def __init__(self, world):
        self.world = world
        self.origin = world.origin(lambda request: plain(f"{request.get('Host')} {request.target}"))
        self.locations = []
        ca = Authority(world.path("pki"))
        mine = ca.issue("client", usage="clientAuth")
        operator, key = Operator(), NKey("user")
        seed, user = world.file("seed", key.seed), world.file("user.creds", creds(*operator.user("bob")))
        tls = f"nrt_tls_ca {ca.cert};"
        own = f"nrt_tls_certificate {mine[0]}; nrt_tls_certificate_key {mine[1]};"

        server = self.add("plain", "", "nrt_server {};")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*ca.issue("front"))
        front = world.closing(Terminator(server, context))
        self.location("first", f"nrt_server {front.url}; nrt_tls_first on; {tls}")
        self.location("late", f"nrt_connect_timeout 300ms; nrt_server {front.url}; {tls}")
        dead = f"nats://127.0.0.1:{free_port()}"
        self.location("several", f"nrt_server {dead} {server.url};")
        self.add("password", f'authorization {{ user: bob, password: "{PASSWORD}" }}', "nrt_server nats://bob:%s@{};" % IN_URL)
        self.add("token", 'authorization { token: "t0ken-of-ours" }', "nrt_server nats://t0ken-of-ours@{};")
        self.add("nkey", f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}", f"nrt_server {{}}; nrt_nkey {seed};", "--nkey", seed)
        self.add("creds", operator.config(), f"nrt_server {{}}; nrt_creds {user};", "--creds", user)
        self.add("tls", server_config(ca.issue("tls")), f"nrt_server tls://{{}}; {tls}", "--tlsca", ca.cert)
        self.add("mutual", server_config(ca.issue("mutual"), ca.cert), f"nrt_server {{}}; {tls} {own}",
                 "--tlsca", ca.cert, "--tlscert", mine[0], "--tlskey", mine[1])
        self.add("prefix", "", "nrt_server {}; nrt_prefix other.place;", "--prefix", "other.place")
        server = self.add("context", "", "nrt_context ours;")
        os.makedirs(world.path("config/nats/context"))
        world.file("config/nats/context/ours.json", json.dumps({"url": server.url}))
        # those that cannot
        self.location("dead", f"nrt_server {dead}; nrt_connect_timeout 300ms;")
        self.location("refused", f"nrt_connect_timeout 1s; nrt_server nats://bob:wr0ng@{self.password};")
        self.location("untrusted", f"nrt_connect_timeout 1s; nrt_server tls://{self.tls};")
        os.environ["XDG_CONFIG_HOME"], before = world.path("config"), os.environ.get("XDG_CONFIG_HOME")
        self.nginx = Nginx(world, "nrt_connect_timeout 10s; " + " ".join(self.locations)).start()
        if before is None:
            del os.environ["XDG_CONFIG_HOME"]

    def add(self, name, config, directives, *args):
        server = self.world.nats(name=name, config=config)
        address = f"127.0.0.1:{server.port}"
        setattr(self, name, address)
        directives = directives.replace("nrt_server {};", "nrt_server nats://{};").format(address)
        url = directives.split()[1].rstrip(";") if "nrt_server" in directives else server.url
        self.world.serve(url, "weather.nats", self.origin, args=args)
        self.location(name, directives)
        return server

    def location(self, name, directives):
        self.locations.append(f"location /{name} {{ {directives} add_header X-Nats $nrt_server; nrt_pass weather.nats; }}\n")


@pytest.fixture(scope="module")
def nats(shared):
    return Nats(shared)


@pytest.mark.parametrize("name", ["plain", "password", "token", "nkey", "creds", "tls", "mutual", "prefix", "context"])
def test_each_location_reaches_nats_in_its_own_way(nats, name):
    with nats.world.client(nats.nginx) as client:
        answer = client.get(f"/{name}")
    assert (answer.status, answer.text, answer.get("X-Nats")) == (200, f"weather.nats /{name}", name)
    assert PASSWORD not in nats.nginx.child.stderr and IN_URL not in nats.nginx.child.stderr


def test_of_several_servers_one_that_is_there_is_found(nats):
    with nats.world.client(nats.nginx) as client:
        assert client.get("/several").get("X-Nats") == "plain"


def test_tls_may_come_before_the_servers_greeting(nats):
    """`plain` is behind a proxy that speaks TLS at once; who waits for a greeting waits in vain."""
    with nats.world.client(nats.nginx) as client:
        assert client.get("/first").get("X-Nats") == "plain"
        assert_problem(client.get("/late"), 503, "disconnected")


@pytest.mark.parametrize("name, why", [
    ("dead", "cannot connect to NATS: .*Connection refused"),
    ("refused", r"cannot connect to NATS: .*Authorization Violation"),
    ("untrusted", "cannot connect to NATS: .*certificate"),
])
def test_where_nats_cannot_be_reached_requests_fail_soon_and_the_log_says_why(nats, name, why):
    with Stopwatch() as watch, nats.world.client(nats.nginx) as client:
        answer = client.get(f"/{name}")
    problem = assert_problem(answer, 503, "disconnected", "auth", "tls", "connect")
    assert watch.seconds < 3 * SLOW and problem["detail"]
    assert "127.0.0.1" not in problem["detail"], "where it is concerns nobody outside"
    nats.nginx.child.wait_line(why)
    assert "wr0ng" not in nats.nginx.child.stderr


def test_connect_timeout_is_how_long_a_request_waits_for_nats(nats):
    with Stopwatch() as watch, nats.world.client(nats.nginx) as client:
        assert client.get("/dead").status == 503
    assert 0.1 < watch.seconds < 1.5 * SLOW


def test_a_silent_server_is_given_up_after_the_connect_timeout(world):
    """It takes the connection and says nothing."""
    server = world.nats()
    nginx = Nginx(world, f"nrt_server {server.url}; location / {{ nrt_pass a.nats; }}"
                         f"location /soon {{ nrt_connect_timeout 200ms; nrt_pass a.nats; }}")
    server.pause()
    try:
        nginx.start()
        with Stopwatch() as watch, world.client(nginx) as client:
            assert_problem(client.get("/soon"), 503, "disconnected", "connect")
        assert watch.seconds < 1.5 * SLOW
    finally:
        server.resume()


def test_locations_that_say_the_same_share_a_connection(world):
    server = world.nats(monitor=True)
    world.serve(server, "a.nats", world.origin(plain("x")))
    nginx = Nginx(world, f"nrt_server {server.url}; nrt_retry off;" + "".join(
        f"location /{number} {{ nrt_timeout {number + 1}s; nrt_pass a.nats; }}" for number in range(5))
        + "location /other { nrt_prefix other; nrt_pass a.nats; }", workers=2).start()
    for number in range(5):
        with world.client(nginx) as client:
            assert client.get(f"/{number}").status == 200
    names = until(lambda: (found := [one["name"] for one in server.connections()]).count("nginx") >= 4 and found, "connections")
    assert names.count("nginx") == 4  # two workers, two sets of settings


def test_requests_wait_for_nats_to_come_back(world):
    server = world.nats()
    origin = world.origin(plain("x"))
    world.serve(server, "a.nats", origin)
    nginx = Nginx(world, f"nrt_server {server.url}; nrt_connect_timeout 5s; location / {{ nrt_pass a.nats; }}").start()
    with world.client(nginx) as client:
        assert client.get("/").status == 200
    server.kill()
    nginx.child.wait_line("the connection to NATS is lost")
    answers = []

    def ask():
        with world.client(nginx) as one:
            answers.append(one.get("/").status)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: "cannot connect to NATS" in nginx.child.stderr, "an attempt fails")
    server.start()
    thread.join(DEADLINE)
    # the sidecar comes back when it does: until then there is no service
    assert answers in ([200], [503])
    nginx.child.wait_line("connected to NATS at", skip=len(nginx.child.lines("stderr")) - 3)
    until(lambda: world.client(nginx).get("/").status == 200, "all is well again")
    assert nginx.child.stderr.count("[error]") < 10  # one line, not one for each attempt
