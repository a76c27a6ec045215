"""What a user may not: `nrt doctor` names it, and is content once its line has been pasted."""

import os
import re

import pytest

from harness.doctor import CLIENT, SERVICE, as_user, pasted, permitted, runner, users
from harness.jwt import NKey, Operator, claims, creds
from harness.origin import plain
from harness.world import NRT

HOST = "weather.nats"


@pytest.fixture(name="doctor")
def doctor_fixture(world):
    return runner(world)


def without(lists, subject):
    return [[one for one in part if one != subject] for part in lists]


@pytest.mark.parametrize("role, missing, check, status", [
    ("client", "nrt.requests.>", "requests", "problem"),
    ("client", "_INBOX.>", "inbox", "problem"),
    ("client", "$SRV.>", "discovery", "info"),
    ("client", "nrt.streams.>", "streams", "warning"),
    ("gateway", "nrt.requests.>", "requests", "problem"),
    ("gateway", "_INBOX.>", "inbox", "problem"),
    ("service", "nrt.requests.>", "serving", "problem"),
    ("service", "_INBOX.>", "answers", None),
    ("service", "$SRV.>", "announcing", "warning"),
    ("service", "nrt.streams.>", "streams", "warning"),
])
def test_a_permission_that_is_missing_is_named_and_its_line_helps(world, doctor, role, missing, check, status):
    full = SERVICE if role == "service" else CLIENT
    server = world.nats(config=users(u=permitted(*full)))
    assert doctor(as_user(server), "--role", role).problems == []
    publish, subscribe = without(full, missing)
    server.reload(users(u=permitted(publish, subscribe)))
    report = doctor(as_user(server), "--role", role)
    assert report.problems == ([check] if status == "problem" else [])
    found = report.find(check, status or "not checked")
    assert missing in found["text"]
    assert missing in sum((subjects for subjects in found["grant"].values() if isinstance(subjects, list)), [])
    line = report.paste(check)[0]
    server.reload(users(u=pasted(line, publish, subscribe)))
    report = doctor(as_user(server), "--role", role)
    assert report.find(check)["status"] == "ok" and report.problems == []


@pytest.mark.parametrize("role", ["client", "gateway", "service"])
@pytest.mark.parametrize("host", [None, HOST])
def test_the_whole_block_is_enough_for_the_role(world, doctor, role, host):
    server = world.nats(config=users(u=permitted([], []), service=permitted(*SERVICE)))
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    args = ["--role", role] + ([host] if host else [])
    report = doctor(as_user(server), *args)
    assert report.code == 1
    block = report.all["permissions"][role]
    server.reload(users(u=block, service=permitted(*SERVICE)))
    report = doctor(as_user(server), *args)
    assert report.problems == report.with_status("warning") == [], report.text
    assert report.all["permissions"] == {}


def test_the_role_that_is_not_meant_is_information(world, doctor):
    server = world.nats(config=users(client=permitted(*CLIENT), service=permitted(*SERVICE),
                                     nobody=permitted([], [])))
    report = doctor(as_user(server, "client"))
    assert report.problems == report.with_status("warning") == []
    assert "no service" in report.find("serving", "info")["text"]
    report = doctor(as_user(server, "service"))
    assert report.problems == report.with_status("warning") == []
    assert "no client" in report.find("requests", "info")["text"]
    shown = world.run([NRT, "doctor", "-s", as_user(server, "client")]).stdout
    assert "no service" in shown and "->" not in shown, "what is no problem is not to be mended"
    assert doctor(as_user(server, "client"), "--role", "all").problems == ["serving"]
    report = doctor(as_user(server, "nobody"))
    assert report.problems == [] and "requests" in report.with_status("warning")
    assert "nrt doctor HOST" in report.advice("requests")


def test_what_was_begun_is_meant(world, doctor):
    server = world.nats(config=users(u=permitted(["nrt.requests.>"], [])))
    report = doctor(as_user(server))
    assert report.problems == ["inbox"] and "client" in report.all["permissions"]


@pytest.mark.parametrize("responses, status, told", [
    ("", "problem", "no allow_responses"),
    (", allow_responses: true", "info", "once"),
    (', allow_responses: { max: 1000, expires: "2m" }', "ok", "several times"),
])
def test_allow_responses_is_found_out_where_the_user_may_ask_itself(world, doctor, responses, status, told):
    server = world.nats(config=users(u=permitted(["nrt.requests.>"], ["nrt.requests.>", "$SRV.>"], responses)))
    report = doctor(as_user(server), "--role", "service")
    assert told in report.find("answers", status)["text"]
    if status != "ok":
        line = report.paste("answers")[-1]
        assert "allow_responses" in line
        more = "," + re.fullmatch(r"permissions: \{(.*)\}", line).group(1)
        server.reload(users(u=permitted(["nrt.requests.>"], ["nrt.requests.>", "$SRV.>"], more)))
        assert doctor(as_user(server), "--role", "service").find("answers")["status"] == "ok"


def test_a_reader_may_not_post(world, doctor):
    grants = permitted([f"nrt.requests.{HOST}.get", f"nrt.requests.{HOST}.head",
                        f"nrt.streams.{HOST}.>", "$SRV.>"], ["_INBOX.>"])
    server = world.nats(config=users(u=grants, service=permitted(*SERVICE)))
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), HOST)
    assert report.problems == [] and report.with_status("warning") == []
    assert report.find("requests", "info")["text"] == "may send GET, HEAD, but not POST, PUT, PATCH, DELETE"
    report = doctor(as_user(server), "--role", "gateway", HOST)
    assert report.with_status("warning") == ["requests"]
    assert report.paste("requests") == [
        f'permissions: {{ publish: {{ allow: ["nrt.requests.{HOST}.*"] }} }}']


def test_users_by_jwt_are_told_the_command_of_nsc(world, doctor):
    operator = Operator()
    key = NKey("user")
    jwt = claims(operator.account, key, "bob", {
        "pub": {"allow": ["nrt.requests.>"]}, "sub": {"allow": ["none"]}, "subs": -1, "data": -1, "payload": -1})
    path = world.file("bob.creds", creds(key, jwt))
    os.chmod(path, 0o600)
    report = doctor(world.nats(config=operator.config()), "--creds", path, "--role", "client")
    assert report.problems == ["inbox"]
    assert report.paste("inbox")[0] == 'nsc edit user --name bob --allow-sub "_INBOX.>"'
