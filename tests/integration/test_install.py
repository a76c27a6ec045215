"""What `meson install` leaves, as programs outside of this tree meet it: a prefix of its own, a compiler, and nothing
but `pkg-config --cflags --libs nrt`."""

import os
import re
import shutil
import subprocess

import pytest

from harness.clock import DEADLINE, until
from harness.world import HERE

TOP = os.path.abspath(os.path.join(HERE, os.pardir, os.pardir))
EXAMPLES = ("hello", "get", "serve")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
OWN_MAX = 60 * 1024  # bytes of a small program, stripped, without libnrt.so
CMAKE = """cmake_minimum_required(VERSION 3.18)
project(outside C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(NRT REQUIRED IMPORTED_TARGET nrt)
add_executable(hello hello.c)
add_executable(get get.c)
add_executable(serve serve.c)
target_link_libraries(hello PkgConfig::NRT)
target_link_libraries(get PkgConfig::NRT)
target_link_libraries(serve PkgConfig::NRT)
"""


def run(*argv, cwd=None, env=None):
    done = subprocess.run(list(map(str, argv)), cwd=cwd, env=env, capture_output=True, text=True,
                          timeout=DEADLINE * 60, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


class Installed:
    """A prefix, and the environment in which it is found."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.prefix = os.path.join(self.folder, "prefix")
        self.lib = os.path.join(self.prefix, "lib")
        self.env = {key: value for key, value in os.environ.items()
                    if key not in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "DESTDIR")}
        self.env["PKG_CONFIG_PATH"] = os.path.join(self.lib, "pkgconfig")
        self.env["LD_LIBRARY_PATH"] = self.lib

    def install(self):
        build = os.path.join(self.folder, "build")
        run("meson", "setup", build, TOP, "--prefix", self.prefix, "--libdir", "lib",
            "--buildtype", "release", env=self.env)
        targets = ("libnrt.so.0.1.0", "libnrt.a", "nrt")
        paths = [os.path.join("src", name) if name != "nrt" else name for name in targets]
        run("ninja", "-C", build, *paths, env=self.env)
        run("meson", "install", "-C", build, "--no-rebuild", "--tags", "devel,runtime", env=self.env)

    def flags(self, *what):
        return run("pkg-config", *what, "nrt", env=self.env).split()

    def compile(self, compiler, out, *more, static=False):
        """The examples, copied out of the tree; the flags are pkg-config's and nothing else."""
        os.makedirs(out)
        flags = self.flags("--cflags", "--libs", *(["--static"] if static else []))
        for name in EXAMPLES:
            source = shutil.copy(os.path.join(TOP, "examples", name + ".c"), out)
            run(*compiler, *STRICT, *more, source, "-o", os.path.join(out, name), *flags,
                cwd=out, env=self.env)
        return out


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    installed = Installed(tmp_path_factory.mktemp("install"))
    installed.install()
    return installed


def build_with(installed, way, out):
    if way == "cc":
        return installed.compile(["cc", "-std=gnu11"], out)
    if way == "c++":
        return installed.compile(["g++", "-std=c++11", "-x", "c++"], out)
    if way == "static":
        return installed.compile(["cc", "-std=gnu11"], out, "-static", static=True)
    os.makedirs(out)
    for name in EXAMPLES:
        shutil.copy(os.path.join(TOP, "examples", name + ".c"), out)
    with open(os.path.join(out, "CMakeLists.txt"), "w", encoding="ascii") as file:
        file.write(CMAKE)
    run("cmake", "-S", out, "-B", out, env=installed.env)
    run("cmake", "--build", out, env=installed.env)
    return out


@pytest.fixture(scope="module", params=["cc", "c++", "cmake", "static"])
def outside(request, installed, tmp_path_factory):
    """The folder of the three examples, built in one of the ways people build."""
    out = str(tmp_path_factory.mktemp(request.param) / "out")
    return request.param, build_with(installed, request.param, out)


def needed(path):
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", path)))


# ---- what is there -----------------------------------------------------------------------------


def test_library_headers_program_and_pkg_config_file_are_where_they_belong(installed):
    there = lambda *path: os.path.exists(os.path.join(installed.prefix, *path))
    headers = {os.path.basename(path) for path in os.listdir(os.path.join(TOP, "include", "nrt"))}
    assert set(os.listdir(os.path.join(installed.prefix, "include", "nrt"))) == headers
    assert os.readlink(os.path.join(installed.lib, "libnrt.so")) == "libnrt.so.0"
    assert os.readlink(os.path.join(installed.lib, "libnrt.so.0")) == "libnrt.so.0.1.0"
    assert there("lib", "libnrt.a") and there("bin", "nrt") and there("lib", "pkgconfig", "nrt.pc")
    dynamic = run("readelf", "-d", os.path.join(installed.lib, "libnrt.so"))
    assert "Library soname: [libnrt.so.0]" in dynamic and "RUNPATH" not in dynamic
    assert run(os.path.join(installed.prefix, "bin", "nrt"), "--version", env=installed.env)


def test_the_library_exports_what_is_public_under_one_version(installed):
    listing = run("nm", "-D", "--defined-only", os.path.join(installed.lib, "libnrt.so"))
    names = [line.split()[2] for line in listing.splitlines() if line.split()[1] != "A"]
    assert len(names) > 80
    assert [name for name in names if not re.fullmatch(r"nrt_[a-z0-9]\w*@@NRT_0", name)] == []


def test_who_links_the_library_links_nothing_else(installed):
    assert installed.flags("--cflags") == [f"-I{installed.prefix}/include"]
    assert installed.flags("--libs") == [f"-L{installed.lib}", "-lnrt"]
    assert {"-lnrt", "-lssl", "-lcrypto", "-ljansson"} <= set(installed.flags("--static", "--libs"))


# ---- programs ----------------------------------------------------------------------------------


def test_a_program_outside_of_the_tree_works(installed, outside, world):
    way, folder = outside
    nats = world.nats(monitor=True)
    env = {"NATS_URL": nats.url, "LD_LIBRARY_PATH": installed.lib}
    hello = world.start([os.path.join(folder, "hello")], env=env)
    hello.expected = -15
    until(lambda: "nrt.requests.hello.nats.*" in str(nats.monitoring("/subsz?subs=1")), "hello serves")
    done = world.run([os.path.join(folder, "get"), "http://hello.nats/hello/you"], env=env)
    assert done.stdout == "hello you\n"
    assert ("libnrt.so.0" in needed(os.path.join(folder, "get"))) == (way != "static")
    if way == "static":
        assert needed(os.path.join(folder, "get")) == set()


def test_a_small_program_is_small(installed, tmp_path):
    folder = installed.compile(["cc", "-std=gnu11"], str(tmp_path / "small"), "-s")
    for name in EXAMPLES:
        path = os.path.join(folder, name)
        assert os.path.getsize(path) < OWN_MAX, name
        assert needed(path) == {"libnrt.so.0", "libc.so.6"}, name


@pytest.mark.parametrize("name, host, url", [
    ("hello", "hello.nats", "http://hello.nats/hello/you"),
    ("serve", "notes.nats", "http://notes.nats/notes/none")])
def test_the_examples_leave_nothing_behind(installed, world, name, host, url, tmp_path):
    folder = installed.compile(["cc", "-std=gnu11"], str(tmp_path / "grind"), "-g")
    nats = world.nats(monitor=True)
    env = {"NATS_URL": nats.url, "LD_LIBRARY_PATH": installed.lib}
    valgrind = shutil.which("valgrind")
    grind = lambda what: [valgrind, "--leak-check=full", "--show-leak-kinds=definite,possible",
                          "--errors-for-leak-kinds=definite,possible", "--error-exitcode=99",
                          os.path.join(folder, what)]
    service = world.start(grind(name), name, env=env)
    service.expected = -15 if name == "hello" else 0  # it has no handler for SIGTERM
    subject = f"nrt.requests.{host}.*"
    until(lambda: subject in str(nats.monitoring("/subsz?subs=1")), "it serves", DEADLINE * 3)
    done = world.run([*grind("get"), url], expect=0 if name == "hello" else 1, env=env)
    assert "ERROR SUMMARY: 0 errors" in done.stderr
    service.signal(15)
    service.wait_line("ERROR SUMMARY: 0 errors", timeout=DEADLINE * 3)
