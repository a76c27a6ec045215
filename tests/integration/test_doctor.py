"""`nrt doctor` against servers that are broken in one way each: it finds that, and says what to
change. Permissions are in test_doctor_permissions.py, hosts in test_doctor_host.py."""

import os
import re
import socket
import subprocess
import time
from unittest import mock

import pytest

from harness.clock import SLOW, Stopwatch, until
from harness.doctor import as_user, runner, users
from harness.fakenats import FakeNats, info
from harness.jwt import NKey, Operator, claims, creds
from harness.natsserver import cluster
from harness.pki import Authority, openssl, server_config
from harness.world import NRT, free_port

HOST = "weather.nats"


@pytest.fixture(name="doctor")
def doctor_fixture(world):
    return runner(world)


# ---- nothing wrong -----------------------------------------------------------------------------


def test_an_open_server_has_no_problem(world, nats, doctor):
    report = doctor(nats)
    assert report.with_status("problem") == report.with_status("warning") == []
    assert report.find("connection")["server"] == "alpha"
    told = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v{report.find('version')['version']}" == told.split()[-1]
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
