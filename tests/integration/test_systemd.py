"""The packages installed in a fresh Debian under a real systemd: what ./dev package --install-test runs, and NRT_TEST_LONG=1.
It takes minutes: half a Debian comes over the network."""

import json
import os
import re

import pytest

from harness import jwt
from harness.booted import Booted, make_root, remove
from harness.clock import LONG, until
from harness.outside import ROOT
from harness.world import sanitized

PACKAGES = os.environ.get("NRT_PACKAGES", os.path.join(ROOT, "build-package"))
UNKNOWN = 'prox: is an unknown key; did you mean "proxy"?'
GATEWAY, SIDECAR = "nrt-gateway.service", "nrt-serve@example.service"

pytestmark = [
    pytest.mark.skipif(not LONG, reason="NRT_TEST_LONG=1: installs the packages in a fresh Debian"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a systemd"),
    pytest.mark.skipif(sanitized(), reason="packages are built without sanitizers"),
    pytest.mark.skipif(not os.path.isdir(PACKAGES), reason=f"./dev package has not been here: there is no {PACKAGES}"),
]


def wants():
    """What the tests of the packages depend on, beside the packages."""
    with open(os.path.join(ROOT, "debian/tests/control"), encoding="ascii") as file:
        found = re.findall(r"^Depends: (.*)$", file.read(), re.MULTILINE)
    return sorted({name for line in found for name in line.split(", ") if "nrt" not in name} | {"logrotate"})


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """Booted, with a nats-server that wants credentials, a web server, and both units configured, not started."""
    folder = str(tmp_path_factory.mktemp("debian"))
    root = os.environ.get("NRT_DEBIAN") or make_root(folder, PACKAGES, wants())
    operator = jwt.Operator()
    debian = Booted(root)
    try:
        debian.packaged = debian.read("/etc/nrt/gateway.json")
        debian.untouched = {unit: debian.show(unit, "ActiveState") for unit in (GATEWAY, SIDECAR)}
        debian.write("/etc/nats-server.conf", f"host: 127.0.0.1\nport: 4222\n{operator.config()}")
        for name in ("nrt-gateway", "nrt-serve-example"):
            debian.write(f"/etc/credstore/{name}.creds", jwt.creds(*operator.user(name)), 0o600)
        configure(debian)
        set_env(debian, NATS_CREDS=f"/run/credentials/{SIDECAR}/nrt-serve-example.creds")
        debian.creds = jwt.creds(*operator.user("client"))
        debian.write("/root/client.creds", debian.creds, 0o600)
        debian.write("/srv/www/hello", "hello\n")
        debian.run("systemctl", "daemon-reload")
        debian.run("systemctl", "restart", "nats-server")
        debian.run("systemd-run", "--unit=web", "python3", "-m", "http.server", "--directory", "/srv/www", "8080")
        until_listens(debian, 8080)
        yield debian
    finally:
        debian.close()
        if root != os.environ.get("NRT_DEBIAN"):
            remove(root)


def configure(debian, **settings):
    """The file of the package, with its credentials, and more."""
    config = json.loads(debian.packaged)
    config["creds"] = f"/run/credentials/{GATEWAY}/nrt-gateway.creds"
    debian.write("/etc/nrt/gateway.json", json.dumps({**config, **settings}))


def set_env(debian, **settings):
    path = "/etc/nrt/serve/example.env"
    lines = [line for line in debian.read(path).splitlines() if line.split("=")[0] not in settings]
    debian.write(path, "\n".join(lines + [f'{name}="{value}"' for name, value in settings.items()]) + "\n")


def get(debian, *args, check=True):
    return debian.run("nrt", "get", "--creds", "/root/client.creds", *args, "http://example.nats/hello", check=check)


def ask(debian, port=9090, **options):
    return debian.run("curl", "-sS", "--proxy", f"http://127.0.0.1:{port}", "http://example.nats/hello", **options)


def until_listens(debian, port):
    until(lambda: f":{port:04X} 00000000:0000 0A" in debian.run("cat", "/proc/net/tcp"), f"somebody listens on {port}")


def restart(debian, *units):
    debian.run("systemctl", "restart", *units)


@pytest.fixture
def running(debian):
    """Both, as the packages have them but for the credentials."""
    configure(debian, **{"access-log": "/var/log/nrt-gateway/access.log"})
    restart(debian, GATEWAY, SIDECAR)
    return debian


# ---- one after the other ---------------------------------------------------------------------------


def test_nothing_starts_before_it_is_configured(debian):
    assert set(debian.untouched.values()) == {"inactive"}
    assert debian.run("systemctl", "is-enabled", GATEWAY, check=False).strip() == "disabled"


def test_what_has_been_started_serves(debian):
    """systemctl returns when the sidecar is in the queue group and the gateway listens: nothing is waited for here."""
    debian.run("systemctl", "start", SIDECAR)
    assert get(debian) == "hello\n"
    debian.run("systemctl", "start", GATEWAY)
    assert ask(debian) == "hello\n"
    assert debian.show(GATEWAY, "StatusText") == "listening on http://127.0.0.1:9090"
    assert debian.show(SIDECAR, "StatusText") == "serving example.nats from http://127.0.0.1:8080"


@pytest.mark.parametrize("unit, caps", [(GATEWAY, 1 << 10), (SIDECAR, 0)])
def test_it_runs_in_its_sandbox(running, unit, caps):
    status = running.run("cat", f"/proc/{running.show(unit, 'MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["Uid"].split()[0]) >= 61184  # a dynamic user
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == caps


def test_credentials_are_nobody_elses(running):
    path = f"/run/credentials/{GATEWAY}/nrt-gateway.creds"
    assert "Permission denied" in running.run("setpriv", "--reuid=nobody", "--clear-groups", "cat", path, check=False)
    assert "Permission denied" in running.run("setpriv", "--reuid=nobody", "--clear-groups", "cat",
                                              "/etc/credstore/nrt-gateway.creds", check=False)


def test_a_gateway_may_have_a_port_below_1024(running):
    configure(running, listen="127.0.0.1:81")
    restart(running, GATEWAY)
    assert ask(running, 81) == "hello\n"


def test_a_reload_is_no_restart_and_logs_rotate(running):
    log = "/var/log/nrt-gateway/access.log"
    pid = running.show(GATEWAY, "MainPID")
    assert ask(running) == "hello\n"
    until(lambda: "/hello HTTP/1.1" in running.read(log), "the request is in the log")
    running.run("logrotate", "--force", "/etc/logrotate.d/nrt")
    until(lambda: os.path.exists(running.root + log), "there is a new log")
    assert ask(running) == "hello\n"
    until(lambda: "/hello HTTP/1.1" in running.read(log), "the request is in the new log")
    assert "/hello HTTP/1.1" in running.read(log + ".1")
    configure(running, listen=["127.0.0.1:9090", "127.0.0.1:9091"])
    running.run("systemctl", "reload", GATEWAY, SIDECAR)
    until(lambda: "hello" in ask(running, 9091, check=False), "the new listener is there")
    assert running.show(GATEWAY, "MainPID") == pid
    assert running.show(GATEWAY, "NRestarts") == "0"


def test_a_stop_waits_for_what_is_in_flight(running):
    running.write("/root/slow.py", """import http.server, pathlib, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path("/run/asked").touch()
        while not pathlib.Path("/run/answer").exists():
            time.sleep(0.01)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"slow\\n")
http.server.HTTPServer(("127.0.0.1", 8081), Slow).serve_forever()
""")
    set_env(running, NRT_SERVE="example.nats http://127.0.0.1:8081", NRT_OPTIONS="")
    running.run("systemd-run", "--unit=slow", "python3", "/root/slow.py")
    until_listens(running, 8081)
    restart(running, SIDECAR)
    asked = running.start("curl", "-sS", "--proxy", "http://127.0.0.1:9090", "http://example.nats/")
    until(lambda: running.run("ls", "/run").count("asked"), "the request is at the server")
    running.run("systemctl", "stop", "--no-block", SIDECAR)
    running.until_shows(SIDECAR, "ActiveState", "deactivating")
    assert running.show(SIDECAR, "StatusText") == "finishing what is in flight"
    running.run("touch", "/run/answer")
    assert asked.communicate(timeout=60)[0] == "slow\n"
    running.until_shows(SIDECAR, "ActiveState", "inactive")
    assert running.show(SIDECAR, "Result") == "success"
    set_env(running, NRT_SERVE="example.nats http://127.0.0.1:8080", NRT_OPTIONS="--health /")


def test_without_a_nats_server_it_is_starting_and_says_why(running):
    running.run("systemctl", "stop", SIDECAR, "nats-server")
    running.run("systemctl", "start", "--no-block", SIDECAR)
    until(lambda: running.show(SIDECAR, "StatusText").startswith("no connection to NATS: "), "the status says so")
    assert running.show(SIDECAR, "ActiveState") == "activating"
    running.run("systemctl", "start", "nats-server")
    running.until_shows(SIDECAR, "ActiveState", "active")
    assert get(running) == "hello\n"


def test_one_that_hangs_is_killed_and_started_again(running):
    drop_in = f"/etc/systemd/system/{GATEWAY}.d/watchdog.conf"
    running.write(drop_in, "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\nRestartSec=0\n")
    running.run("systemctl", "daemon-reload")
    restart(running, GATEWAY)
    pid = running.show(GATEWAY, "MainPID")
    running.run("kill", "-STOP", pid)
    until(lambda: running.show(GATEWAY, "NRestarts") == "1" and running.show(GATEWAY, "ActiveState") == "active",
          "it is there again", 60, 0.1)
    assert running.show(GATEWAY, "MainPID") != pid
    assert ask(running) == "hello\n"
    os.remove(running.root + drop_in)
    running.run("systemctl", "daemon-reload")


def test_a_reload_with_a_wrong_file_changes_nothing_and_is_told(running):
    pid = running.show(GATEWAY, "MainPID")
    configure(running, prox=True)
    running.run("systemctl", "reload", GATEWAY)
    until(lambda: UNKNOWN in running.run("journalctl", "--no-pager", "--boot", f"_PID={pid}"), "the journal has it")
    assert running.show(GATEWAY, "MainPID") == pid and running.show(GATEWAY, "ActiveState") == "active"
    assert ask(running) == "hello\n"
    assert UNKNOWN in running.run("nrt", "gateway", "--config", "/etc/nrt/gateway.json", "--check", check=False)


def test_a_start_with_a_wrong_file_fails_once(running):
    configure(running, prox=True)
    assert "failed" in running.run("systemctl", "restart", GATEWAY, check=False)
    running.until_shows(GATEWAY, "ActiveState", "failed")
    assert running.show(GATEWAY, "NRestarts") == "0"
    assert UNKNOWN in running.run("journalctl", "--no-pager", "--boot", "--identifier=nrt")


@pytest.mark.parametrize("test", ["gateway", "build", "nginx"])
def test_what_debian_tests_after_an_installation(debian, test):
    for name in (test, "lib.sh"):
        with open(os.path.join(ROOT, "debian/tests", name), encoding="ascii") as file:
            debian.write(f"/root/tests/{name}", file.read(), 0o755)
    debian.run(f"/root/tests/{test}")


def test_an_upgrade_restarts_what_runs_and_only_that(running):
    running.run("systemctl", "stop", GATEWAY)
    pid = running.show(SIDECAR, "MainPID")
    running.run("sh", "-c", "dpkg -i --force-confold /packages/nrt_*.deb")
    assert running.show(GATEWAY, "ActiveState") == "inactive"
    running.until_shows(SIDECAR, "ActiveState", "active")
    assert running.show(SIDECAR, "MainPID") != pid
    assert get(running) == "hello\n"


def test_a_purge_leaves_nothing(running):
    running.run("sh", "-c", "DEBIAN_FRONTEND=noninteractive apt-get -q purge -y nrt libnrt0 libnrt-dev libnginx-mod-http-nrt")
    assert running.show(GATEWAY, "ActiveState") == "inactive"
    left = running.run("sh", "-c", "find /etc /usr /lib /var/lib /var/log -xdev -iname '*nrt*' -not -path '/var/lib/dpkg/*' "
                                   "-not -path '/var/lib/systemd/*' -not -path '/etc/credstore/*' -not -path '*/apt/*'")
    assert left == ""
    running.run("nginx", "-t")
