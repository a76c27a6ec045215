"""`nrt doctor` against servers that are broken in one way each: it finds that, says what to change,
and is content once that is done."""

import json
import os
import re
import socket
import subprocess
import time
from unittest import mock

import pytest

from harness import gowire
from harness.clock import SLOW, Stopwatch, until
from harness.fakenats import FakeNats, info
from harness.jwt import NKey, Operator, claims, creds
from harness.natsserver import cluster
from harness.origin import plain
from harness.pki import Authority, openssl, server_config
from harness.world import NRT, free_port

HOST = "weather.nats"


class Report:
    """What --json says."""

    def __init__(self, done):
        self.code, self.text = done.proc.returncode, done.stdout
        self.all = json.loads(done.stdout)
        assert set(self.all) == {"host", "checks", "permissions", "problems", "warnings", "not_checked"}
        for check in self.all["checks"]:
            assert check["status"] in ("ok", "info", "not checked", "warning", "problem")
            assert check["text"] and "\n" not in check["text"]
        assert self.code == (1 if self.with_status("problem") else 0)
        assert self.all["problems"] == len(self.with_status("problem"))
        assert self.all["warnings"] == len(self.with_status("warning"))
        assert self.all["not_checked"] == len(self.with_status("not checked"))

    def with_status(self, status):
        return [check["check"] for check in self.all["checks"] if check["status"] == status]

    @property
    def problems(self):
        return self.with_status("problem")

    def find(self, name, status=None):
        found = [check for check in self.all["checks"] if check["check"] == name]
        if status:
            found = [check for check in found if check["status"] == status]
        assert found, f"no {status} {name}:\n{self.text}"
        return found[0]

    def advice(self, name, status=None):
        return "\n".join(one["text"] for one in self.find(name, status).get("advice", []))

    def paste(self, name, status=None):
        return [line for one in self.find(name, status).get("advice", []) for line in one["paste"]]


@pytest.fixture
def doctor(world):
    """doctor(server, ARGS...): its report."""

    def run(server, *args, **options):
        where = () if server is None else ("--server", server if isinstance(server, str) else server.url)
        done = world.run([NRT, "doctor", "--json", *where, *args], expect=None, **options)
        assert done.proc.returncode in (0, 1), done.transcript()
        assert done.stderr == ""
        return Report(done)

    return run


def as_user(server, user="u"):
    return server.url.replace("nats://", f"nats://{user}:p@")


def users(**permissions):
    """A configuration: a user for each, with the text of its permissions."""
    lines = [f"{{ user: {name}, password: p, {text} }}" for name, text in permissions.items()]
    return "server_name: alpha\nauthorization { users [ " + "\n".join(lines) + " ] }"


def listed(subjects):
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"


def permitted(publish, subscribe, more=""):
    """The text of permissions. An empty list permits nothing."""
    return (f"permissions: {{ publish: {{ allow: {listed(publish or ['none'])} }}, "
            f"subscribe: {{ allow: {listed(subscribe or ['none'])} }} {more} }}")


# ---- nothing wrong -----------------------------------------------------------------------------


def test_an_open_server_has_no_problem(world, nats, doctor):
    report = doctor(nats)
    assert report.with_status("problem") == report.with_status("warning") == []
    assert report.find("connection")["server"] == "alpha"
    assert report.find("version")["version"] == "2.9.10"
    assert report.find("max-payload")["max_payload"] == 1 << 20
    assert 0 < report.find("round-trip")["rtt_ms"] < 100 * SLOW
    for check in ("settings", "requests", "inbox", "discovery", "serving", "answers", "announcing"):
        assert report.find(check)["status"] == "ok"
    for role in ("client", "service", "gateway", "all"):
        assert doctor(nats, "--role", role).problems == []


def test_people_get_lines_with_marks_and_a_summary(world, nats):
    done = world.run([NRT, "doctor", "-s", nats.url])
    lines = done.stdout.splitlines()
    assert lines[-1] == "No problem found"
    assert re.fullmatch(r"  ok          connection    connected to alpha at nats://127\.0\.0\.1:\d+", lines[1])
    assert "\033" not in done.stdout
    done = world.run([NRT, "doctor", "-s", nats.url, HOST], expect=1)
    assert done.stdout.splitlines()[-1] == "1 problem"
    assert "  problem     answer        nobody subscribes to nrt.requests.weather.nats.*" in done.stdout
    assert "                            -> no service answers at all here" in done.stdout


def test_colours_and_width_are_for_terminals(world, nats):
    ours, theirs = os.openpty()
    env = {**os.environ, "TERM": "xterm", "XDG_CONFIG_HOME": world.path("config")}
    env.pop("NO_COLOR", None)
    with open(ours, "rb", buffering=0) as screen:
        with subprocess.Popen([NRT, "doctor", "-s", nats.url, HOST], stdout=theirs, env=env) as child:
            os.close(theirs)
            shown = b""
            try:
                while chunk := screen.read(4096):
                    shown += chunk
            except OSError:  # the end, on Linux
                pass
    assert child.returncode == 1
    text = shown.decode().replace("\r", "")
    assert "  \033[32mok         \033[0m connection" in text and "\033[31m1 problem\033[0m" in text
    assert max(len(re.sub(r"\033\[\d*m", "", line)) for line in text.splitlines()) <= 80


def test_wrong_usage_ends_with_2(world, nats):
    done = world.run([NRT, "doctor", "-s", nats.url, "weather"], expect=2)
    assert '"weather" is not a host such as weather.nats; did you mean weather.nats?' in done.stderr
    assert "did you mean" not in world.run([NRT, "doctor", "we ather"], expect=2).stderr
    world.run([NRT, "doctor", "--role", "king"], expect=2)
    world.run([NRT, "doctor", HOST, HOST], expect=2)


def test_output_that_cannot_be_written_is_an_error(world, nats):
    done = world.run(["/bin/sh", "-c", f"exec {NRT} doctor -s {nats.url} >/dev/full"], expect=23)
    assert "cannot write to standard output" in done.stderr


# ---- settings ----------------------------------------------------------------------------------


def test_settings_that_cannot_be_used_are_a_finding(world, doctor):
    report = doctor(None, "--context", "prod")
    assert report.problems == ["settings"]
    assert 'no context "prod"' in report.find("settings")["text"]
    assert "nrt context lists" in report.advice("settings")
    assert report.with_status("not checked") == ["permissions"]
    report = doctor(None, "--creds", world.path("missing.creds"))
    assert "missing.creds" in report.find("settings", "problem")["text"]
    assert "correct the path" in report.advice("settings")
    report = doctor(None, "--user", "a", "--token", "s3cret")
    assert report.problems == ["settings"] and "s3cret" not in report.text


def test_where_the_servers_come_from_is_told(doctor, nats):
    report = doctor(None, env={"NATS_URL": nats.url.replace("//", "//bob:s3cret@")})
    assert "NATS_URL" in report.find("settings")["text"] and "s3cret" not in report.text
    port = free_port()
    report = doctor(None, env={"NATS_URL": f"nats://127.0.0.1:{port}"})
    assert "the address comes from NATS_URL" in report.advice("connection", "problem")


# ---- the way to the server ---------------------------------------------------------------------


def test_nobody_listens(doctor):
    with Stopwatch() as watch:
        report = doctor(f"nats://127.0.0.1:{free_port()}")
    assert report.problems == ["connection"]
    assert "Connection refused" in report.find("connection")["text"]
    assert "is nats-server running, and is the port right" in report.advice("connection")
    assert watch.seconds < 2 * SLOW


def test_a_name_that_does_not_exist(doctor):
    report = doctor("nats://no-such-host.invalid:4222")
    assert report.problems == ["name"]
    assert "getent hosts" in report.advice("name")


def test_the_monitoring_port_is_no_port_for_clients(world, doctor):
    server = world.nats(monitor=True)
    report = doctor(f"nats://127.0.0.1:{server.monitor_port}")
    assert report.problems == ["connection"]
    assert re.search("does not greet|no NATS server|takes connections and ends them", report.advice("connection"))


def test_one_who_listens_and_says_nothing(world, doctor):
    silent = world.closing(FakeNats(lambda session: session.sock.recv(1000)))
    with Stopwatch() as watch:
        report = doctor(silent.url)
    assert "no answer in time" in report.find("connection", "problem")["text"]
    assert "--tls-first" in report.advice("connection")
    assert watch.seconds < 6 * SLOW


def test_a_way_on_which_packets_get_lost(doctor):
    """A queue of connections that is full looks like a firewall: nobody answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        with Stopwatch() as watch:
            report = doctor(f"nats://127.0.0.1:{full.getsockname()[1]}")
        for filler in fillers:
            filler.close()
    assert report.problems == ["connection"] and watch.seconds < 6 * SLOW
    assert "a firewall drops packets on the way" in report.advice("connection")


@pytest.mark.parametrize("changes, check, status, told", [
    ({"headers": False}, "connection", "problem", "2.2 or newer"),
    ({"version": "2.8.4"}, "version", "warning", "upgrade"),
    ({"max_payload": 32 << 20}, "max-payload", "warning", "lower it"),
    ({"ldm": True}, "lame-duck", "warning", "other servers"),
])
def test_what_a_server_says_of_itself_is_judged(world, doctor, changes, check, status, told):
    def play(session):
        session.send(info(**changes))
        session.handshake().wait_closed()

    report = doctor(world.closing(FakeNats(play)).url)
    assert told in report.advice(check, status)


def test_a_small_max_payload(world, doctor):
    report = doctor(world.nats(config="max_payload: 16KB"))
    assert report.with_status("warning") == ["max-payload"]
    line = report.paste("max-payload")[0]
    assert doctor(world.nats(config=line)).with_status("warning") == []


def test_a_connection_that_is_lost_meanwhile(world, doctor):
    def play(session):
        session.send(info())
        session.handshake()
        session.send(b"-ERR 'Maximum Subscriptions Exceeded'\r\n")

    report = doctor(world.closing(FakeNats(play)).url)
    assert "connection" in report.problems
    assert "Maximum Subscriptions" in report.text


def test_one_server_of_two_is_away(world, nats, doctor):
    away = f"nats://127.0.0.1:{free_port()}"
    report = doctor(f"{away},{nats.url}")
    assert report.problems == [] and report.with_status("warning") == ["connection"]
    assert away in report.find("connection", "warning")["text"]
    report = doctor(f"{nats.url},{away}")
    assert report.with_status("warning") == []
    report = doctor(f"{nats.url},{away}", "--all-servers")
    assert report.problems == ["connection"]


def test_all_servers_of_a_cluster_are_tried(world, doctor):
    one, two, three = cluster(world.nats, ["one", "two", "three"], name="metoffice")
    last = []

    def tried():
        last[:] = [doctor(one, "--all-servers")]
        return last[0].with_status("ok").count("server") == 2

    until(tried, "the servers know one another")
    report = last[0]
    told = [check["text"] for check in report.all["checks"] if check["check"] == "server"]
    assert sorted(text.split(": ")[1].split(",")[0] for text in told) == ["three", "two"]
    assert report.find("connection")["cluster"] == "metoffice"
    three.kill()
    report = doctor(f"{one.url},{two.url},{three.url}", "--all-servers")
    assert report.code == 1 and three.url in report.find("connection", "problem")["text"]


def test_ctrl_c_ends_it(world):
    silent = world.closing(FakeNats(lambda session: session.sock.recv(1000)))
    child = world.nrt("doctor", "-s", silent.url)
    until(lambda: silent.count, "it has connected")
    child.signal(2)
    assert child.wait() == -2
    child.expected = -2


# ---- TLS ---------------------------------------------------------------------------------------


@pytest.fixture
def ca(world):
    return Authority(world.path("ca"))


def tls(server, host="127.0.0.1"):
    return server.url.replace("nats://127.0.0.1", f"tls://{host}")


def test_a_good_certificate_is_described(world, ca, doctor):
    server = world.nats(config=server_config(ca.issue("server", days=60)))
    report = doctor(tls(server), "--tlsca", ca.cert)
    assert report.problems == report.with_status("warning") == []
    assert report.find("tls")["protocol"] == "TLSv1.3"
    found = report.find("certificate")
    assert "server" in found["subject"] and "test CA" in found["issuer"] and "localhost" in found["text"]
    assert abs(found["not_after"] - time.time() - 60 * 86400) < 300
    assert "in 59 days" in found["text"] or "in 60 days" in found["text"]


def test_a_certificate_that_expires_soon(world, ca, doctor):
    server = world.nats(config=server_config(ca.issue("server", days=5)))
    report = doctor(tls(server), "--tlsca", ca.cert)
    assert report.problems == [] and report.with_status("warning") == ["certificate"]
    assert "renew it" in report.advice("certificate")


def test_certificates_that_are_not_good(world, ca, doctor):
    good = world.nats(config=server_config(ca.issue("good", days=60)))
    expired = world.nats(config=server_config(ca.issue("expired", days=-1)))
    named = world.nats(config=server_config(ca.issue("named", "DNS:nats.example.org", days=60)))
    other = Authority(world.path("other"), "other CA")
    for server, args, text, advice in (
        (expired, ["--tlsca", ca.cert], "has expired", "renew the NATS server's certificate"),
        (named, ["--tlsca", ca.cert], "nats.example.org", "subjectAltName"),
        (good, ["--tlsca", other.cert], "not the one that signed it", "--tlsca"),
        (good, [], "no CA of this system", "--tlsca"),
    ):
        report = doctor(tls(server), *args)
        assert report.problems == ["tls"], report.text
        assert text in report.find("tls")["text"] and advice in report.advice("tls")
        assert report.find("tls")["error"] == "tls"


def test_a_certificate_that_is_not_valid_yet_speaks_of_clocks(world, ca, doctor):
    cert, key = ca.issue("later")
    request = cert.replace(".pem", ".csr")
    config = world.file("ca.conf", "[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nserial=%s\nnew_certs_dir=%s\n"
                        "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[x]\n"
                        "subjectAltName=IP:127.0.0.1\n" % (world.file("db", ""), world.file("serial", "77\n"),
                                                           world.folder))
    start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + hours * 3600)) for hours in (2, 999))
    openssl("ca", "-batch", "-notext", "-config", config, "-cert", ca.cert, "-keyfile", ca.key, "-in", request,
            "-out", cert, "-startdate", start, "-enddate", end, "-extensions", "x")
    report = doctor(tls(world.nats(config=server_config((cert, key)))), "--tlsca", ca.cert)
    assert report.problems == ["tls"] and "clock is behind" in report.advice("tls")


def test_certificates_of_ours(world, ca, doctor):
    server = world.nats(config=server_config(ca.issue("server", days=60), ca.cert))
    report = doctor(tls(server), "--tlsca", ca.cert)
    assert report.problems == ["tls"] and "--tlscert" in report.advice("tls")
    cert, key = ca.issue("client", usage="clientAuth", days=3)
    os.chmod(key, 0o644)
    report = doctor(tls(server), "--tlsca", ca.cert, "--tlscert", cert, "--tlskey", key)
    assert report.problems == [] and report.with_status("warning") == ["our-cert", "secrets"]
    assert report.paste("secrets") == [f"chmod 600 {key}"]


def test_plain_where_tls_is_insisted_on_and_the_other_way_round(world, ca, nats, doctor):
    report = doctor(tls(nats), "--tlsca", ca.cert)
    assert report.problems == ["tls"] and "no tls block" in report.advice("tls")
    report = doctor(nats, "--tls-first")
    assert report.code == 1 and "--tls-first" in report.advice(report.problems[0])


# ---- logins ------------------------------------------------------------------------------------


def test_wrong_passwords_and_none(world, doctor):
    server = world.nats(config=users(u=""))
    report = doctor(server)
    assert report.problems == ["login"] and "--creds" in report.advice("login")
    report = doctor(server, "--user", "u", env={"NATS_PASSWORD": "s3cret"})
    assert report.problems == ["login"] and "--user" in report.advice("login")
    assert "s3cret" not in report.text
    assert doctor(as_user(server)).find("login")["text"] == "as user u"


def issued_in_an_hour(operator):
    key, now = NKey("user"), time.time()
    with mock.patch("time.time", lambda: now + 3600):
        return key, claims(operator.account, key, "bob", {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1})


def test_jwts_and_nkeys(world, doctor):
    operator = Operator()
    server = world.nats(config=operator.config())

    def login(expires):
        path = world.file("bob.creds", creds(*operator.user("bob", expires)))
        os.chmod(path, 0o600)
        return doctor(server, "--creds", path)

    report = login(None)
    assert report.problems == report.with_status("warning") == []
    assert "does not expire" in report.find("login")["text"] and "bob" in report.find("login")["text"]
    assert login(30 * 86400).with_status("warning") == []
    report = login(3 * 86400)
    assert report.with_status("warning") == ["login"] and report.problems == []
    assert "nsc edit user" in report.paste("login")[0]
    report = login(-60)
    assert report.problems == ["login"] and "nsc edit user" in report.paste("login")[0]
    path = world.file("future.creds", creds(*issued_in_an_hour(operator)))
    os.chmod(path, 0o600)
    report = doctor(world.nats(config=operator.config()), "--creds", path)
    assert report.with_status("warning") == ["clock"] and "timedatectl" in report.advice("clock")
    key = NKey("user")
    server = world.nats(config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}")
    path = world.file("seed", key.seed)
    report = doctor(server, "--nkey", path)
    assert key.public in report.find("login")["text"] and key.seed not in report.text
    assert report.with_status("warning") == ["secrets"]


# ---- permissions -------------------------------------------------------------------------------

CLIENT = (["nrt.requests.>", "$SRV.>"], ["_INBOX.>"])
SERVICE = (["_INBOX.>"], ["nrt.requests.>", "$SRV.>"])


def without(lists, subject):
    return [[one for one in part if one != subject] for part in lists]


def pasted(line, publish, subscribe):
    """The user's permissions with the suggested line taken in, as an operator would."""
    kind, subject = re.fullmatch(r'permissions: \{ (\w+): \{ allow: \["([^"]+)"\] \} \}', line).groups()
    target = {"publish": publish, "subscribe": subscribe}[kind]
    target.append(subject)
    return permitted(publish, subscribe)


@pytest.mark.parametrize("role, missing, check, status", [
    ("client", "nrt.requests.>", "requests", "problem"),
    ("client", "_INBOX.>", "inbox", "problem"),
    ("client", "$SRV.>", "discovery", "info"),
    ("gateway", "nrt.requests.>", "requests", "problem"),
    ("gateway", "_INBOX.>", "inbox", "problem"),
    ("service", "nrt.requests.>", "serving", "problem"),
    ("service", "_INBOX.>", "answers", None),
    ("service", "$SRV.>", "announcing", "warning"),
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
    grants = permitted([f"nrt.requests.{HOST}.get", f"nrt.requests.{HOST}.head", "$SRV.>"], ["_INBOX.>"])
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


# ---- a host ------------------------------------------------------------------------------------


def test_a_host_that_is_served(world, nats, doctor):
    origin = world.origin(plain("x"))
    children = [world.serve(nats, HOST, origin, args=["--service-version", "1.2.3"]) for _ in range(3)]
    report = doctor(nats, "Weather.nats")
    assert report.problems == report.with_status("warning") == []
    assert report.all["host"] == HOST
    assert len(report.find("instances")["instances"]) == 3
    assert {one["version"] for one in report.find("instances")["instances"]} == {"1.2.3"}
    assert {one["server"] for one in report.find("instances")["instances"]} == {"alpha"}
    assert 1 <= report.find("answer")["answered_by"] <= 3
    assert report.find("frames")["status"] == report.find("clock")["status"] == "ok"
    assert abs(report.find("clock")["skew_s"]) <= 2
    assert origin.requests == [], "no handler sees the probe"
    for child in children:
        assert len(child.lines("stderr")) == 1, "and nobody's log speaks of it"


def test_nobody_serves_it(world, nats, doctor):
    world.serve(nats, HOST, world.origin(plain("x")))
    report = doctor(nats, "wether.nats")
    assert report.problems == ["answer"]
    assert f"did you mean {HOST}" in report.advice("answer")
    report = doctor(nats, "something-else.nats")
    assert report.problems == ["answer"] and "nrt ls lists" in report.advice("answer")


def test_it_is_served_under_another_prefix(world, nats, doctor):
    world.serve(nats, HOST, world.origin(plain("x")), args=["--prefix", "v2"])
    report = doctor(nats, HOST)
    assert report.problems == ["answer"]
    assert 'under the prefix "v2"' in report.advice("answer")
    assert report.paste("answer") == [f"nrt doctor --prefix v2 {HOST}"]
    assert doctor(nats, "--prefix", "v2", HOST).problems == []


def test_a_mapping_to_another_prefix_is_fine(world, doctor):
    server = world.nats(config='mappings = { "nrt.requests.weather.nats.*": "v2.requests.weather.nats.$1" }')
    world.serve(server, HOST, world.origin(plain("x")), args=["--prefix", "v2"])
    report = doctor(server, HOST)
    assert report.problems == report.with_status("warning") == []
    assert "mapped" in report.find("instances", "info")["text"]


def test_an_old_peer(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, gowire.response(200, b"x"))
    report = doctor(nats, HOST)
    assert report.problems == [] and "old peer" in report.find("frames", "info")["text"]
    assert report.with_status("not checked") == ["clock"]
    for message in service.requests:
        assert message.payload.startswith(b"OPTIONS * HTTP/1.1\r\n")
        assert not message.subject.endswith(".options")


def test_a_clock_that_differs(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, lambda payload: gowire.response(
        200, b"x", [("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600)))]))
    report = doctor(nats, HOST)
    assert report.with_status("warning") == ["clock"] and service.requests
    assert abs(report.find("clock")["skew_s"] - 3600) < 5
    assert "timedatectl" in report.advice("clock")


def test_what_answers_is_no_http(world, nats, peer, doctor):
    gowire.OldService(peer, HOST, b"hello")
    report = doctor(nats, HOST)
    assert report.problems == ["answer"] and "502" in report.find("answer")["text"]


def test_a_service_that_says_nothing(world, nats, peer, doctor):
    service = gowire.OldService(peer, HOST, None)
    with Stopwatch() as watch:
        report = doctor(nats, "--timeout", "500ms", HOST)
    assert report.problems == ["answer"] and "no answer" in report.find("answer")["text"]
    assert len(service.requests) == 1, "silence is waited for once"
    assert watch.seconds < 3 * SLOW


def test_a_service_that_may_reply_once(world, doctor):
    responder = ('permissions: { publish: { deny: ">" }, allow_responses: true, '
                 'subscribe: ["nrt.requests.>", "$SRV.>"] }')
    server = world.nats(config=users(u=permitted(*CLIENT), service=responder))
    origin = world.origin(plain("x"))
    service = world.serve(as_user(server, "service"), HOST, origin)
    report = doctor(as_user(server), HOST)
    assert report.problems == [] and report.with_status("warning") == ["frames"]
    assert "restart the service" in report.advice("frames")
    line = report.paste("frames")[0]
    more = pasted(line, [], ["nrt.requests.>", "$SRV.>"])
    server.reload(users(u=permitted(*CLIENT), service=more))
    assert service.stop() == 0
    world.serve(as_user(server, "service"), HOST, origin)
    assert doctor(as_user(server), HOST).find("frames")["status"] == "ok"


def test_across_accounts(world, doctor):
    def config(exported, response=""):
        export = f'exports [ {{ service: "nrt.requests.{exported}.*"{response} }} ]'
        return (f"server_name: alpha\naccounts {{ SERVERS {{ users [ {{ user: service, password: p }} ]\n{export} }}\n"
                f"CLIENTS {{ users [ {{ user: u, password: p }} ]\nimports [ {{ service: {{ account: SERVERS, "
                f'subject: "nrt.requests.{exported}.*" }} }} ] }} }}')

    server = world.nats(config=config(HOST))
    report = doctor(as_user(server), "--timeout", "500ms", HOST)
    assert report.problems == ["answer"]
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), HOST)
    assert report.problems == [] and report.with_status("warning") == ["frames"]
    assert "response_type: stream" in report.paste("frames")[-1] and "_R_" in report.advice("frames")
    assert "another account" in report.find("instances", "info")["text"]
    # The line that it suggests is one that the server takes.
    export = re.search(r"\{ (service.*?) \}", report.paste("frames")[-1]).group(1)
    server.reload(config(HOST, "," + export.split(", ", 1)[1]))
    assert doctor(as_user(server), HOST).problems == []


def test_a_client_that_may_not_ask_for_the_host(world, doctor):
    server = world.nats(config=users(u=permitted(["nrt.requests.other.nats.*"], ["_INBOX.>"]),
                                     service=permitted(*SERVICE)))
    world.serve(as_user(server, "service"), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), HOST)
    assert report.problems == ["requests"]
    assert report.find("requests")["grant"] == {"publish": [f"nrt.requests.{HOST}.*"]}
    assert "answer" in report.with_status("not checked")
    line = report.paste("requests")[0]
    server.reload(users(u=pasted(line, [], ["_INBOX.>"]), service=permitted(*SERVICE)))
    assert doctor(as_user(server), HOST).problems == []


def test_what_a_service_needs_for_its_host_does_not_take_its_requests(world, doctor):
    """The doctor subscribes in the queue group, to a method that nobody uses."""
    server = world.nats(config=users(u=permitted(["_INBOX.>"], [f"nrt.requests.{HOST}.* nrt", "$SRV.>"]),
                                     peer=""))
    service = world.serve(as_user(server), HOST, world.origin(plain("x")))
    report = doctor(as_user(server), "--role", "service", HOST)
    assert report.problems == report.with_status("warning") == []
    assert "subject" not in [check["check"] for check in report.all["checks"]]
    assert service.running
    report = doctor(as_user(server), "--role", "service", "other.nats")
    assert report.problems == ["serving"]
    assert report.find("serving")["grant"] == {"subscribe": ["nrt.requests.other.nats.*"]}
