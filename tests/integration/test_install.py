"""What `meson install` leaves, as programs outside of this tree meet it: a prefix of its own, a compiler, and nothing
but `pkg-config --cflags --libs nrt`."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness.client import curl
from harness.clock import DEADLINE, until
from harness.world import HERE, free_port

TOP = os.path.abspath(os.path.join(HERE, os.pardir, os.pardir))
SMALL = ("hello", "get", "serve")  # which are built in each of the ways
# All of them: their sources, what they need beside the library, and that as the linker names it.
EXAMPLES = {
    **{name: ([f"{name}.c"], [], set()) for name in (*SMALL, "stream")},
    "threads": (["threads.c"], ["-pthread"], set()),
    "curl_client": (["curl_client.c"], ["-lcurl"], {"libcurl.so.4"}),
    "mhd_service": (["mhd_service.c"], ["-lmicrohttpd"], {"libmicrohttpd.so.12"}),
    "weather": ([f"weather/{name}.c" for name in ("main", "weather", "observations", "live", "http")],
                ["-lcurl", "-lmicrohttpd", "-ljansson", "-pthread"],
                {"libcurl.so.4", "libmicrohttpd.so.12", "libjansson.so.4"}),
}
# By the shells' own rules: what is asked for by name is found by name.
COMPLETIONS = {"nrt": "bash-completion/completions", "_nrt": "zsh/site-functions", "nrt.fish": "fish/vendor_completions.d"}
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
        targets = ("src/libnrt.so.0.1.0", "src/libnrt.a", "nrt", *(f"src/cli/completion/{name}" for name in COMPLETIONS),
                   *(f"{command}.schema.json" for command in ("gateway", "serve")))
        run("ninja", "-C", build, *targets, env=self.env)
        run("meson", "install", "-C", build, "--no-rebuild", "--tags", "devel,runtime", env=self.env)

    def flags(self, *what):
        return run("pkg-config", *what, "nrt", env=self.env).split()

    def compile(self, compiler, out, *more, static=False, names=SMALL):
        """Examples, copied out of the tree; the flags are pkg-config's, and libraries that one names by itself."""
        sources = os.path.join(out, "examples")
        shutil.copytree(os.path.join(TOP, "examples"), sources)
        flags = self.flags("--cflags", "--libs", *(["--static"] if static else []))
        for name in names:
            files, libraries, _ = EXAMPLES[name]
            run(*compiler, *STRICT, *more, *files, "-o", os.path.join(out, name), *flags, *libraries,
                cwd=sources, env=self.env)
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
    for name in SMALL:
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


def test_shells_find_their_completions_by_themselves(installed, tmp_path):
    share = os.path.join(installed.prefix, "share")
    for name, place in COMPLETIONS.items():
        assert os.path.exists(os.path.join(share, place, name))
    env = {**installed.env, "PATH": f"{installed.prefix}/bin:{os.environ['PATH']}", "XDG_DATA_DIRS": f"{share}:/usr/share",
           "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    loaded = "source /usr/share/bash-completion/bash_completion; _completion_loader nrt; complete -p nrt"
    assert run("bash", "--norc", "-c", loaded, env=env).strip() == "complete -F _nrt nrt"
    looked = f"fpath=({share}/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D; print $_comps[nrt]"
    assert run("zsh", "-f", "-c", looked, env=env).strip() == "_nrt"
    offered = run("fish", "--no-config", "-c", "set -gx fish_complete_path $argv $fish_complete_path; complete -C 'nrt to'",
                  f"{share}/fish/vendor_completions.d", env=env)
    assert offered.split("\t")[0] == "top"


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
    until(lambda: "nrt.requests.hello.nats.*" in str(nats.monitoring("/subsz?subs=1")), "hello serves")
    done = world.run([os.path.join(folder, "get"), "http://hello.nats/hello/you"], env=env)
    assert done.stdout == "hello you\n"
    assert ("libnrt.so.0" in needed(os.path.join(folder, "get"))) == (way != "static")
    if way == "static":
        assert needed(os.path.join(folder, "get")) == set()


def test_the_table_has_every_example():
    there = {name.removesuffix(".c") for name in os.listdir(os.path.join(TOP, "examples"))
             if not name.endswith(".json")} - {"meson.build"}
    assert set(EXAMPLES) == there
    weather = {f"weather/{name}" for name in os.listdir(os.path.join(TOP, "examples", "weather")) if name.endswith(".c")}
    assert set(EXAMPLES["weather"][0]) == weather


def test_every_example_is_small(installed, tmp_path):
    folder = installed.compile(["cc", "-std=gnu11"], str(tmp_path / "small"), "-s", names=EXAMPLES)
    for name, (_, _, libraries) in EXAMPLES.items():
        path = os.path.join(folder, name)
        assert os.path.getsize(path) < OWN_MAX, name
        assert needed(path) == {"libnrt.so.0", "libc.so.6", *libraries}, name


# ---- valgrind ----------------------------------------------------------------------------------


class Ground:
    """The examples under valgrind: an error or a leak is a failure."""

    def __init__(self, installed, world, folder):
        self.folder, self.world = folder, world
        self.nats = world.nats(monitor=True)
        self.env = {"NATS_URL": self.nats.url, "LD_LIBRARY_PATH": installed.lib}

    def argv(self, name, *args):
        return [shutil.which("valgrind"), "--leak-check=full", "--show-leak-kinds=definite,possible",
                "--errors-for-leak-kinds=definite,possible", "--error-exitcode=99", os.path.join(self.folder, name), *args]

    def serve(self, name, host, *args, **options):
        """A service, until it serves."""
        env = {**self.env, **options.pop("env", {})}
        child = self.world.start(self.argv(name, *args), name, env=env, **options)
        subject = f"nrt.requests.{host}.*"
        until(lambda: subject in str(self.nats.monitoring("/subsz?subs=1")), f"{name} serves", DEADLINE * 3)
        return child

    def ask(self, name, *args, expect=0, data=None):
        done = self.world.run(self.argv(name, *args), expect=expect, env=self.env, data=data, timeout=DEADLINE * 6)
        assert "ERROR SUMMARY: 0 errors" in done.stderr, done.stderr
        return done.raw().decode()

    def end(self, child):
        child.signal(15)
        self.is_clean(child)

    def is_clean(self, child):
        child.wait_line("ERROR SUMMARY: 0 errors", timeout=DEADLINE * 3)


@pytest.fixture(scope="module")
def with_symbols(installed, tmp_path_factory):
    return installed.compile(["cc", "-std=gnu11"], str(tmp_path_factory.mktemp("grind") / "out"), "-g", names=EXAMPLES)


@pytest.fixture
def ground(installed, with_symbols, world):
    return Ground(installed, world, with_symbols)


def test_hello_and_get_leave_nothing_behind(ground):
    hello = ground.serve("hello", "hello.nats")
    assert ground.ask("get", "http://hello.nats/hello/you") == "hello you\n"
    ground.end(hello)


def test_curl_client_leaves_nothing_behind(ground):
    hello = ground.serve("hello", "hello.nats")
    assert ground.ask("curl_client", "https://hello.nats/hello/you") == "hello you\n"
    ground.end(hello)


def test_serve_leaves_nothing_behind(ground):
    serve = ground.serve("serve", "notes.nats")
    assert '"status": 404' in ground.ask("get", "http://notes.nats/notes/none", expect=1)
    ground.end(serve)


def test_stream_leaves_nothing_behind(ground):
    service = ground.serve("stream", "capitals.nats")
    body = b"some words, " * 50000
    assert ground.ask("stream", "http://capitals.nats/", data=body) == body.decode().upper()
    ground.end(service)


def test_threads_leaves_nothing_behind(ground):
    service = ground.serve("threads", "spread.nats")
    for _ in range(3):
        assert ground.ask("get", "http://spread.nats/").startswith("thread ")
    ground.end(service)


def test_mhd_service_leaves_nothing_behind(ground):
    port = str(free_port())
    service = ground.serve("mhd_service", "greet.nats", port, stdin=subprocess.PIPE)
    assert ground.ask("get", "http://greet.nats/you") == "greetings to you\n"
    assert curl(f"http://127.0.0.1:{port}/you").text == "greetings to you\n"
    service.stdin.close()
    ground.is_clean(service)


def test_weather_leaves_nothing_behind(ground):
    service = ground.serve("weather", "weather.nats", env={"HTTP_PORT": "0"})
    url = service.wait_line(r"listening on (http://\S+)").group(1)
    body = '{"city":"london"}'
    assert json.loads(ground.world.get(ground.nats, "-d", body, "http://weather.nats/city").stdout)[0]["main"]
    assert curl("-d", body, f"{url}/city").json[0]["main"]
    ground.end(service)
