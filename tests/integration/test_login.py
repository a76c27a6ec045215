"""Credentials against real servers: those that are right let us in; those that are not are told in
one line at once, and never shown."""

import re
import time

import pytest

from harness.clock import SLOW, until
from harness.fakenats import FakeNats, info
from harness.jwt import NKey, Operator, creds
from harness.origin import plain
from harness.world import NRT

PASSWORD = "pa55:w@rd, really"
TOKEN = "t0ken-of-ours"


def login(world, server, *options, **more):
    return world.program("login", server if isinstance(server, str) else server.url, *options, **more)


def connects(world, server, *options):
    """One that connects; returns what it was connected to."""
    child = login(world, server, *options, "until=connected")
    assert child.wait() == 0
    return child.wait_line("^connected (.*)", "stdout").group(1)


def fails(world, server, *options):
    """The first failure of one that does not: its code and its words."""
    child = login(world, server, *options, "until=failed")
    assert child.wait() == 0
    assert not any(line.startswith("connected") for line in child.lines())
    return child.wait_line("^failed (.*)", "stdout").group(1)


@pytest.fixture
def password_server(world):
    return world.nats(config=f'authorization {{ user: bob, password: "{PASSWORD}" }}')


@pytest.fixture
def operator():
    return Operator()


@pytest.fixture
def jwt_server(world, operator):
    return world.nats(config=operator.config())


def user_file(world, operator, name="bob.creds", expires=None):
    return world.file(name, creds(*operator.user("bob", expires)))


def test_user_and_password_are_options_too(world, password_server):
    connects(world, password_server, "user=bob", f"password={PASSWORD}")
    reason = fails(world, password_server, "user=bob", "password=wrong-one")
    assert reason == f"auth {password_server.url}: Authorization Violation (we sent a user and a password)"
    assert fails(world, password_server).endswith("Authorization Violation (we sent no credentials)")


def test_what_stands_in_the_url_wins(world, password_server):
    right = password_server.url.replace("//", "//bob:pa55%3Aw%40rd%2C%20really@")
    connects(world, right, "user=bob", "password=wrong-one")
    wrong = password_server.url.replace("//", "//bob:wrong-one@")
    assert fails(world, wrong, "user=bob", f"password={PASSWORD}").startswith("auth ")


def test_a_token(world):
    server = world.nats(config=f'authorization {{ token: "{TOKEN}" }}')
    connects(world, server, f"token={TOKEN}")
    assert fails(world, server, "token=not-this").endswith("Authorization Violation (we sent a token)")


def test_an_nkey_signs_the_nonce(world):
    key, other = NKey("user"), NKey("user")
    server = world.nats(config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}")
    connects(world, server, f"nkey={world.file('seed', key.seed)}")
    connects(world, server, f"nkey={world.file('lines', f'# of bob{chr(10)}{chr(10)}{key.seed}{chr(10)}')}")
    connects(world, server, f"seed={key.seed}")
    reason = fails(world, server, f"nkey={world.file('other', other.seed)}")
    assert reason.endswith("Authorization Violation (we sent an nkey)")


def test_a_jwt_from_a_creds_file_or_as_text(world, operator, jwt_server):
    key, jwt = operator.user("bob")
    text = creds(key, jwt)
    connects(world, jwt_server, f"creds={world.file('a.creds', text)}")
    connects(world, jwt_server, f"creds={world.file('b.creds', text.replace(chr(10), chr(13) + chr(10)))}")
    connects(world, jwt_server, f"jwt={jwt}", f"seed={key.seed}")
    other = operator.user("bob")[0]
    reason = fails(world, jwt_server, f"creds={world.file('c.creds', creds(other, jwt))}")
    assert reason.endswith("Authorization Violation (we sent a JWT)")


def test_a_jwt_of_another_operator_is_refused(world, jwt_server):
    reason = fails(world, jwt_server, f"creds={user_file(world, Operator())}")
    assert reason.startswith("auth ") and "Authorization Violation" in reason


def test_an_expired_jwt_is_named_as_such(world, operator, jwt_server):
    reason = fails(world, jwt_server, f"creds={user_file(world, operator, expires=-60)}")
    assert re.search(r"Authorization Violation \(our JWT expired at 20\d\d-\d\d-\d\dT[\d:]+Z\)$", reason)


def test_a_jwt_that_expires_ends_the_connection_and_a_new_one_is_picked_up(world, operator, jwt_server):
    path = user_file(world, operator, expires=2)
    child = login(world, jwt_server, f"creds={path}")
    child.wait_line("^connected", "stdout")
    child.wait_line("^disconnected auth .*User Authentication Expired$", "stdout")
    child.wait_line("^failed auth .*our JWT expired", "stdout")
    user_file(world, operator)
    seen = len(child.lines())
    child.wait_line("^connected", "stdout", skip=seen)


def test_a_revoked_user_is_refused_at_the_next_connection(world, operator, jwt_server):
    key, jwt = operator.user("bob")
    child = login(world, jwt_server, f"creds={world.file('bob.creds', creds(key, jwt))}")
    child.wait_line("^connected", "stdout")
    operator.revoke(key)
    jwt_server.configure(operator.config())
    jwt_server.restart()
    child.wait_line("^failed auth .*Authorization Violation", "stdout")


def test_creds_are_read_again_at_each_connection(world, operator):
    server = world.nats(config=operator.config(), monitor=True)
    first, second = operator.user("first"), operator.user("second")
    path = world.file("bob.creds", creds(*first))
    child = login(world, server, f"creds={path}")
    child.wait_line("^connected", "stdout")
    who = server.monitoring("/connz?auth=1")["connections"]
    assert [one["authorized_user"] for one in who] == [first[0].public]
    world.file("bob.creds", creds(*second))
    seen = len(child.lines())
    server.restart()
    child.wait_line("^connected", "stdout", skip=seen)
    who = server.monitoring("/connz?auth=1")["connections"]
    assert [one["authorized_user"] for one in who] == [second[0].public]


BROKEN = {
    "empty": ("", "no \"-----BEGIN NATS USER JWT-----\" in it"),
    "no seed": ("-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n", "the seed is missing"),
    "cut off": ("-----BEGIN NATS USER JWT-----\na.b.c\n", "the file is cut off"),
    "no JWT": ("-----BEGIN NATS USER JWT-----\nhello\n------END NATS USER JWT------\n", "is none"),
    "giant": ("x" * 70000, "larger than 64 KiB"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_creds_file_is_told_with_its_name(world, nats, name):
    text, reason = BROKEN[name]
    path = world.file("bob.creds", text)
    told = fails(world, nats, f"creds={path}")
    assert told.startswith(f"auth {nats.url}: {path}: ") and reason in told


def test_files_that_are_not_there_and_seeds_of_others(world, nats):
    missing = world.path("missing")
    for option in ("creds", "nkey"):
        assert fails(world, nats, f"{option}={missing}").endswith(f"{missing}: No such file or directory")
        assert fails(world, nats, f"{option}={world.folder}").endswith("not a regular file")
    account = NKey("account")
    told = fails(world, nats, f"nkey={world.file('seed', account.seed)}")
    assert told.endswith("this is an account's nkey seed; a user's is needed, which begins with SU")


def test_options_that_contradict_each_other_are_refused(world, nats):
    for options in (["creds=a", "nkey=b"], ["creds=a", "jwt=b"], ["nkey=a", "seed=b"], ["password=x"],
                    ["tls_key=k"], ["user=\udcff"]):
        child = login(world, nats, *options)
        assert child.wait() == 0
        assert child.lines()[-1] == "open usage" and child.lines()[0].startswith("log "), child.lines()


# ---- programs ------------------------------------------------------------------------------------


def argv(server, command):
    """A command that would run for ever, but for get."""
    more = {"get": ["http://weather.nats/"], "gateway": ["--listen", "0", "--proxy"],
            "serve": ["weather.nats", "http://127.0.0.1:9"]}
    return [NRT, command, "--server", server, *more[command]]


@pytest.mark.parametrize("command", ["get", "serve", "gateway"])
def test_a_refused_login_at_start_ends_the_program_at_once(world, password_server, command):
    url = password_server.url.replace("//", "//bob:wrong-one@")
    start = time.monotonic()
    child = world.run(argv(url, command), expect=1)
    assert time.monotonic() - start < 2 * SLOW
    told = [line for line in child.lines("stderr") if not line.startswith(" ")]
    assert len(told) == 1, child.transcript()
    assert "Authorization Violation" in told[0] and "wrong-one" not in child.stderr
    assert password_server.log().count("authentication error") == 1


@pytest.mark.parametrize("command", ["get", "serve"])
def test_it_is_tried_at_every_server_before(world, nats, password_server, command):
    refused = password_server.url
    if command == "get":
        child = world.run([NRT, "get", "--server", f"{refused},{nats.url}", "http://weather.nats/"], expect=None)
        assert "no service answers" in child.stderr
    else:
        world.serve(f"{refused},{nats.url}", "weather.nats", world.origin(plain("fine")))
    child = world.run(argv(f"{refused},{refused}", command), expect=1)
    assert "Authorization Violation" in child.stderr


def test_a_server_that_is_not_there_is_waited_for_even_if_another_refuses(world, password_server):
    away = world.nats()
    away.kill()
    child = world.nrt("serve", "--server", f"{password_server.url},{away.url}", "weather.nats",
                      world.origin(plain("fine")).url)
    child.wait_line("Connection refused|Authorization Violation")
    until(lambda: password_server.log().count("authentication error") >= 3, "it goes on trying")
    assert child.running
    away.start()
    child.wait_line("serving weather.nats")


def test_refused_later_it_keeps_trying_with_pauses_and_says_so(world):
    server = world.nats()
    child = world.serve(server, "weather.nats", world.origin(plain("fine")))
    server.configure(f'authorization {{ user: bob, password: "{PASSWORD}" }}')
    server.restart()
    child.wait_line("no connection to NATS: .*Authorization Violation")
    start, before = time.monotonic(), server.log().count("authentication error")
    until(lambda: server.log().count("authentication error") >= before + 3, "three more attempts")
    assert time.monotonic() - start > 0.5, "no storm"
    assert child.running
    server.configure("")
    server.restart()
    child.wait_line("connected again")


# ---- secrets -------------------------------------------------------------------------------------


def test_no_secret_in_any_line_and_none_that_a_server_repeats(world, operator):
    key, jwt = operator.user("bob")
    path = world.file("bob.creds", creds(key, jwt))
    secrets = [PASSWORD, TOKEN, key.seed, jwt, jwt.rsplit(".", 1)[1]]
    parts = [jwt[start:start + 60] for start in range(40, len(jwt), 60)]  # as of a text that was cut

    def repeat(session):
        session.send(info(nonce="abc", auth_required=True))
        line = session.line().decode()
        for secret in secrets:
            if secret in line:
                session.send(f"-ERR 'what is {secret} to me'\r\n".encode())
        session.send(b"-ERR 'Authorization Violation'\r\n")

    fake = world.closing(FakeNats(repeat))
    real = world.nats(config="authorization { user: alice, password: other }")
    ways = [["user=bob", f"password={PASSWORD}"], [f"token={TOKEN}"], [f"creds={path}"],
            [f"jwt={jwt}", f"seed={key.seed}"], [f"seed={key.seed}"]]
    children = []
    for server in (fake, real):
        for way in ways:
            child = login(world, server.url, *way, "until=failed")
            assert child.wait() == 0
            children.append(child)
    with_url = fake.url.replace("//", f"//{TOKEN}@")
    children.append(world.run([NRT, "get", "-v", "--server", with_url, "http://a.nats/"], expect=1))
    children.append(world.nrt("serve", "-v", "--server", with_url, "a.nats", "http://127.0.0.1:9"))
    children[-1].wait_line("nrt serve: no connection")
    assert "not shown" in children[-1].stderr, "the server did repeat it"
    for child in children:
        text = child.stdout + child.stderr
        assert not [secret for secret in secrets + parts if len(secret) > 8 and secret in text], text
    assert fake.failures == []
