"""Containerfile: what can be tried where no daemon of containers runs. What it builds is built by its own lines from what
.dockerignore lets through; the packages it names are there; what it runs by default works, and so does its health check.
The packages it installs are Debian 12's own names, which `dev` installs as well."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from harness.clock import until
from harness.outside import ROOT
from harness.world import NRT, free_port, sanitized


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def instructions():
    """(name, rest) of each instruction, stage by stage."""
    stages = []
    for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", read("Containerfile"))).splitlines():
        if line.strip():
            name, rest = line.split(None, 1)
            if name == "FROM":
                stages.append([])
            stages[-1].append((name, rest.strip()))
    return stages


BUILD_STAGE, LAST_STAGE = instructions()


def all_of(stage, name):
    return [rest for found, rest in stage if found == name]


def only(name):
    found = all_of(LAST_STAGE, name)
    assert len(found) == 1, found
    return found[0]


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def health_check(port):
    options, argv = only("HEALTHCHECK").split("CMD", 1)
    assert "--interval=" in options and "--timeout=" in options
    argv = json.loads(argv)
    assert "/9464 " in argv[-1]
    argv[-1] = argv[-1].replace("/9464 ", f"/{port} ")
    return subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode


def test_it_is_nobody_and_its_commands_need_no_shell():
    user, group = only("USER").split(":")
    assert int(user) > 0 and int(group) > 0
    assert json.loads(only("ENTRYPOINT")) == ["nrt"]
    assert only("STOPSIGNAL") == "SIGTERM"
    assert all_of(BUILD_STAGE, "FROM") == ["docker.io/library/debian:12-slim AS build"]
    assert all_of(LAST_STAGE, "FROM") == ["docker.io/library/debian:12-slim"]


def test_what_runs_by_default_works_and_is_found_healthy(world):
    nats, port, admin = world.nats(), free_port(), free_port()
    assert health_check(admin) != 0  # nobody is there
    argv = [{":9090": f"127.0.0.1:{port}", "9464": str(admin)}.get(word, word) for word in json.loads(only("CMD"))]
    assert f"127.0.0.1:{port}" in argv and str(admin) in argv
    child = world.start([NRT, *argv], env={"NATS_URL": nats.url})
    child.wait_line("listening on ")
    assert health_check(admin) == 0
    nats.kill()
    until(lambda: health_check(admin) != 0, "without NATS it is not healthy")


@pytest.fixture
def context(tmp_path):
    """What a builder gets: .dockerignore begins with everything, and has exceptions."""
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*" and all(line.startswith("!") for line in lines[1:])
    kept = [line[1:] for line in lines[1:]]
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT) if os.path.exists(
        os.path.join(ROOT, ".git")) else "\0".join(os.path.relpath(os.path.join(folder, name), ROOT)
                                                   for folder, _, names in os.walk(ROOT) for name in names)
    for path in filter(None, listed.split("\0")):
        if any(path == name or path.startswith(name + "/") or fnmatch.fnmatch(path, name) for name in kept):
            os.makedirs(os.path.dirname(tmp_path / "src" / path), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), tmp_path / "src" / path)
    for name in kept:
        assert (tmp_path / "src" / name).exists(), f".dockerignore keeps {name}, which is not there"
    return tmp_path / "src"


@pytest.mark.skipif(sanitized(), reason="another build is under test")
def test_its_own_lines_build_it_from_what_a_builder_gets(context, tmp_path):
    install, build = all_of(BUILD_STAGE, "RUN")
    assert install.startswith("apt-get update && ") and all_of(BUILD_STAGE, "COPY") == [". ."]
    assert all_of(LAST_STAGE, "COPY") == ["--from=build /out/ /"]
    run("sh", "-c", build.replace("/out/", f"{tmp_path}/out/"), cwd=context)
    program = tmp_path / "out/usr/bin/nrt"
    assert run(program, "version") == run(NRT, "version")
    assert (tmp_path / "out/usr/share/doc/nrt/copyright").is_file()


def test_what_the_program_wants_is_installed_in_the_last_stage():
    """The libraries it is linked with, by the packages they are of."""
    wanted = set()
    for name, path in re.findall(r"(\S+) => (/\S+)", run("ldd", NRT)):
        owner = re.search(r"(?m)^(\S+?)(:\w+)?: ", run("dpkg", "--search", f"*/{name}"))
        assert owner, path
        wanted.add(owner.group(1))
    installed = set(shlex.split(all_of(LAST_STAGE, "RUN")[0].split("--no-install-recommends")[1].split("&&")[0]))
    assert wanted - {"libc6"} <= installed, wanted
