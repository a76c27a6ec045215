"""The Debian packages: built by `./dev package`, unpacked, and what debian/tests tries after an installation run from there.
In a fresh Debian they run in test_systemd.py."""

import glob
import os
import re
import shlex
import shutil
import subprocess

import pytest

from harness.client import curl
from harness.outside import ROOT
from harness.world import sanitized

pytestmark = pytest.mark.skipif(sanitized(), reason="packages are built without sanitizers")

NAMES = ("nrt", "libnrt0", "libnrt-dev", "libnginx-mod-http-nrt")


def run(*argv, env=None, cwd=ROOT, timeout=600):
    done = subprocess.run(list(map(str, argv)), cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout[-6000:]}"
    return done.stdout


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class Unpacked:
    """The packages in a folder, and the environment in which programs find what is there."""

    def __init__(self, folder):
        self.folder, self.root = os.path.join(folder, "packages"), os.path.join(folder, "root")
        # Lintian looks at them in there; what it complains about fails this.
        self.said = run("./dev", "package", self.folder, env={"DEB_BUILD_OPTIONS": "nocheck"})
        for name in NAMES:
            run("dpkg-deb", "--extract", self.file(name), self.root)
        self.arch = run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()
        lib = self.path("usr/lib", self.arch)
        modules = os.path.join(folder, "modules-enabled")
        os.makedirs(modules)
        line = read(self.path("usr/share/nginx/modules-available/mod-http-nrt.conf"))
        assert line == "load_module modules/ngx_http_nrt_module.so;\n"
        with open(os.path.join(modules, "50-mod-http-nrt.conf"), "w", encoding="utf-8") as out:
            out.write(line.replace("modules/", self.path("usr/lib/nginx/modules/")))
        self.env = {
            "PATH": f"{self.path('usr/bin')}:{os.environ['PATH']}", "CPATH": self.path("usr/include"),
            "LIBRARY_PATH": lib, "LD_LIBRARY_PATH": lib, "PKG_CONFIG_PATH": f"{lib}/pkgconfig",
            "NRT_EXAMPLES": self.path("usr/share/doc/libnrt-dev/examples"), "NRT_MODULES_ENABLED": modules,
            "XDG_CONFIG_HOME": os.path.join(folder, "config"),
        }

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def file(self, name):
        found = glob.glob(os.path.join(self.folder, f"{name}_*.deb"))
        assert len(found) == 1, found
        return found[0]

    def field(self, name, field):
        return run("dpkg-deb", "--field", self.file(name), field).strip()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    return Unpacked(str(tmp_path_factory.mktemp("packages")))


def test_the_version_is_the_same_everywhere(unpacked):
    version = re.search(r"version: '([^']+)'", read(ROOT, "meson.build")).group(1)
    assert {unpacked.field(name, "Version") for name in NAMES} == {version}
    assert run(unpacked.path("usr/bin/nrt"), "--version") == f"nrt {version}\n"
    assert f"Version: {version}\n" in read(unpacked.path("usr/lib", unpacked.arch, "pkgconfig/nrt.pc"))


def test_everything_is_where_debian_has_it(unpacked):
    def there(*path):
        assert os.path.exists(unpacked.path(*path)), path

    for page in glob.glob(os.path.join(ROOT, "man/*.scd")):
        page = os.path.basename(page).removesuffix(".scd")
        there(f"usr/share/man/man{page[-1]}/{page}.gz")
    for unit in ("nrt-gateway.service", "nrt-serve@.service"):
        there("lib/systemd/system", unit)
    there("etc/logrotate.d/nrt")
    for path in ("bash-completion/completions/nrt", "zsh/vendor-completions/_nrt", "fish/vendor_completions.d/nrt.fish"):
        there("usr/share", path)
    for name in NAMES:
        there("usr/share/doc", name, "copyright")
    conffiles = run("dpkg-deb", "--info", unpacked.file("nrt"), "conffiles").split()
    assert conffiles == ["/etc/logrotate.d/nrt", "/etc/nrt/gateway.json", "/etc/nrt/serve/example.env"]


@pytest.mark.parametrize("test", ["gateway", "build", "nginx"])
def test_what_debian_tests_after_an_installation(unpacked, test):
    assert f"Tests: {test}\n" in read(ROOT, "debian/tests/control")
    run(os.path.join(ROOT, "debian/tests", test), env=unpacked.env)


@pytest.mark.parametrize("path", ["usr/bin/nrt", "usr/lib/ARCH/libnrt.so.0", "usr/lib/nginx/modules/ngx_http_nrt_module.so"])
def test_what_is_built_is_hardened(unpacked, path):
    path = unpacked.path(path.replace("ARCH", unpacked.arch))
    about = run("readelf", "--wide", "--dynamic", "--program-headers", "--file-header", path)
    assert re.search(r"Type: +DYN", about)
    assert "GNU_RELRO" in about and re.search(r"FLAGS.*(BIND_NOW|NOW)", about)
    assert re.search(r"GNU_STACK.* RW ", about)
    assert "__stack_chk_fail" in run("nm", "-D", path) and re.search(r"__\w+_chk@", run("nm", "-D", path))


# ---- units ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def units(unpacked, tmp_path_factory):
    """The units as they would be, but for the place of the program."""
    folder = str(tmp_path_factory.mktemp("units"))
    paths = []
    for name in ("nrt-gateway.service", "nrt-serve@.service"):
        text = read(unpacked.path("lib/systemd/system", name))
        assert "/usr/bin/nrt " in text
        paths.append(os.path.join(folder, name.replace("@", "@example")))
        with open(paths[-1], "w", encoding="utf-8") as out:
            out.write(text.replace("/usr/bin/nrt ", f"{unpacked.path('usr/bin/nrt')} "))
    return paths


def test_systemd_finds_nothing_wrong_with_the_units(units):
    assert run("systemd-analyze", "verify", "--man=no", *units) == ""


def test_the_units_are_sandboxed(units):
    """Its scale goes from 0, no exposure, to 100; unsandboxed services have more than 90."""
    said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", *units)
    assert said.count("Overall exposure level") == 2


def environment_of(path):
    """As systemd reads such files: quotes are like the shell's."""
    lines = [line for line in read(path).splitlines() if line and not line.startswith("#")]
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def test_the_gateway_that_is_configured_works(world, unpacked):
    text = read(unpacked.path("lib/systemd/system/nrt-gateway.service"))
    assert "\nExecStart=/usr/bin/nrt gateway --config /etc/nrt/gateway.json $NRT_OPTIONS\n" in text
    nrt, config = unpacked.path("usr/bin/nrt"), unpacked.path("etc/nrt/gateway.json")
    run(nrt, "gateway", "--config", config, "--check", env=unpacked.env)
    child = world.start([nrt, "gateway", "--config", config, "--listen", "0"], env={"NATS_URL": world.nats().url})
    assert curl(child.wait_line(r"listening on (\S+)").group(1)).code == 0


def test_the_example_of_a_sidecar_works(world, unpacked):
    text = read(unpacked.path("lib/systemd/system/nrt-serve@.service"))
    assert "EnvironmentFile=/etc/nrt/serve/%i.env\nExecStart=/usr/bin/nrt serve $NRT_OPTIONS $NRT_SERVE\n" in text
    settings = environment_of(unpacked.path("etc/nrt/serve/example.env"))
    nats, origin = world.nats(), world.python_server()
    assert settings["NRT_SERVE"] == "example.nats http://127.0.0.1:8080"
    child = world.start([unpacked.path("usr/bin/nrt"), "serve", *settings["NRT_OPTIONS"].split(), "example.nats", origin.url],
                        env={"NATS_URL": nats.url})
    child.wait_line("serving example.nats on ")


def test_logrotate_takes_its_file(unpacked, tmp_path):
    logrotate = shutil.which("logrotate") or "/usr/sbin/logrotate"
    config = read(unpacked.path("etc/logrotate.d/nrt"))
    log = tmp_path / "nrt-gateway" / "access.log"
    log.parent.mkdir()
    log.write_text("a line\n", encoding="ascii")
    (tmp_path / "nrt").write_text(config.replace("/var/log/", f"{tmp_path}/"), encoding="ascii")
    said = run(logrotate, "--force", "--verbose", "--state", tmp_path / "state", tmp_path / "nrt")
    assert "error" not in said.lower()
    assert [path.name for path in log.parent.iterdir()] == ["access.log.1"]
